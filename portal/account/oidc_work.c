/* oidc_work.c - what a thread of oidc.c does: read a provider's description, redeem a
 * code.
 *
 * The network is used without the lock; what it told is put in place under it.
 */
#include <math.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/oidc_fetch.h"
#include "portal/account/oidc_priv.h"
#include "portal/account/secret_file.h"
#include "portal/portal.h"

/* An answer with status 200, of at most max bytes; free it. */
static int get(peri_oidc_t *o, const peri_provider_t *p, const char *url,
               const char *authorization, size_t max, peri_buf_t *out, peri_err_t *err)
{
    const peri_fetch_t f = {.url = url,
                            .authorization = authorization,
                            .ca_file = p->conf->ca_file,
                            .stop = &o->stop};
    long status = 0;
    peri_buf_init(out, max);
    if (peri_oidc_fetch(&f, out, &status, err)) return -1;
    if (status != 200)
        return peri_err_set(err, PERI_EIO, "%.200s answers with status %ld", url, status);
    return 0;
}

/* ---- what is known of a provider ---- */

/* Those who come in the meantime hear the same at once. */
static int rest(peri_oidc_t *o, peri_provider_t *p, const peri_err_t *why)
{
    pthread_mutex_lock(&o->lock);
    p->rest_until = peri_now() + PERI_OIDC_REST;
    p->why = *why;
    pthread_mutex_unlock(&o->lock);
    return -1;
}

static int fetch_meta(peri_oidc_t *o, peri_provider_t *p, peri_err_t *err)
{
    peri_oidcmeta_t m;
    peri_buf_t b = {0};
    peri_arena_t *arena = peri_arena_new(), *old = arena;
    int rc = get(o, p, peri_oidc_discovery_url(p->conf->issuer, arena), NULL,
                 PERI_OIDC_ANSWER_MAX, &b, err);
    if (rc == 0) rc = peri_oidcmeta_parse(b.data, b.len, p->conf->issuer, arena, &m, err);
    if (rc == 0) {
        pthread_mutex_lock(&o->lock);
        old = p->arena;
        p->arena = arena;
        p->meta = m;
        p->meta_at = peri_now();
        pthread_mutex_unlock(&o->lock);
    }
    peri_arena_free(old);
    peri_buf_free(&b);
    return rc;
}

static int fetch_keys(peri_oidc_t *o, peri_provider_t *p, const char *url,
                      peri_err_t *err)
{
    peri_buf_t b = {0};
    peri_jwks_t *keys = NULL, *old;
    pthread_mutex_lock(&o->lock);
    p->keys_at = peri_now(); /* also a try that fails counts */
    pthread_mutex_unlock(&o->lock);
    if (get(o, p, url, NULL, PERI_JWKS_MAX, &b, err) == 0)
        keys = peri_jwks_parse(b.data, b.len, err);
    peri_buf_free(&b);
    if (!keys) return -1;
    pthread_mutex_lock(&o->lock);
    old = p->keys;
    p->keys = keys;
    p->keys_at = peri_now();
    pthread_mutex_unlock(&o->lock);
    peri_jwks_free(old);
    return 0;
}

/* A copy, so that it can be used while another thread fetches it anew. */
static bool copy_meta(peri_oidc_t *o, const peri_provider_t *p, peri_arena_t *arena,
                      peri_oidcmeta_t *m)
{
    pthread_mutex_lock(&o->lock);
    const bool known = p->meta_at > 0;
    *m = p->meta;
    if (known) {
        m->issuer = peri_arena_strdup(arena, m->issuer);
        m->authorize = peri_arena_strdup(arena, m->authorize);
        m->token = peri_arena_strdup(arena, m->token);
        m->jwks = peri_arena_strdup(arena, m->jwks);
        m->userinfo = peri_arena_strdup(arena, m->userinfo);
    }
    pthread_mutex_unlock(&o->lock);
    return known;
}

int peri_oidc_discover(peri_oidc_t *o, peri_provider_t *p, peri_err_t *err)
{
    peri_oidcmeta_t m;
    if (fetch_meta(o, p, err)) return rest(o, p, err);
    peri_arena_t *arena = peri_arena_new();
    /* Keys are only a head start. */
    if (copy_meta(o, p, arena, &m)) fetch_keys(o, p, m.jwks, NULL);
    peri_arena_free(arena);
    return 0;
}

static int need_meta(peri_oidc_t *o, peri_provider_t *p, peri_arena_t *arena,
                     peri_oidcmeta_t *m, peri_err_t *err)
{
    pthread_mutex_lock(&o->lock);
    const bool rests = peri_now() < p->rest_until;
    if (rests && err) *err = p->why;
    pthread_mutex_unlock(&o->lock);
    if (rests) return -1;
    if (copy_meta(o, p, arena, m)) return 0;
    if (peri_oidc_discover(o, p, err)) return -1;
    copy_meta(o, p, arena, m);
    return 0;
}

/* ---- an answer ---- */

/* PERI_ENOTFOUND: none of the keys that we have. */
static int verify(peri_oidc_t *o, peri_ojob_t *job, const char *token, peri_err_t *err)
{
    const peri_idwant_t want = {job->p->conf->issuer, job->p->conf->client_id,
                                job->back.nonce, peri_epoch()};
    pthread_mutex_lock(&o->lock);
    int rc = job->p->keys ? peri_idtoken_verify(job->p->keys, token, strlen(token), &want,
                                                job->arena, &job->claims, err)
                          : peri_err_set(err, PERI_ENOTFOUND, "no keys are known");
    pthread_mutex_unlock(&o->lock);
    return rc;
}

static int verify_fresh(peri_oidc_t *o, peri_ojob_t *job, const peri_oidcmeta_t *m,
                        const char *token, peri_err_t *err)
{
    peri_provider_t *p = job->p;
    peri_err_t first = {0};
    pthread_mutex_lock(&o->lock);
    const double age = p->keys_at > 0 ? peri_now() - p->keys_at : INFINITY;
    const bool none = !p->keys;
    pthread_mutex_unlock(&o->lock);
    if (age > PERI_OIDC_KEYS && fetch_keys(o, p, m->jwks, err)) return -1;
    if (verify(o, job, token, &first) == 0) return 0;
    const bool again = first.code == PERI_ENOTFOUND && age <= PERI_OIDC_KEYS &&
                       (none || age >= PERI_OIDC_REFETCH);
    if (again) return fetch_keys(o, p, m->jwks, err) ? -1 : verify(o, job, token, err);
    if (err) *err = first;
    return -1;
}

const char *peri_oidc_redirect(const peri_oidc_t *o, const peri_provider_t *p,
                               peri_arena_t *arena)
{
    size_t n = strlen(o->setup.url);
    while (n > 0 && o->setup.url[n - 1] == '/') n--;
    return peri_arena_printf(arena, "%.*s/api/v1/sign-in/oidc/%s/callback", (int)n,
                             o->setup.url, p->conf->name);
}

static int ask_for_token(peri_oidc_t *o, peri_ojob_t *job, const peri_oidcmeta_t *m,
                         const char **token, const char **access, peri_err_t *err)
{
    peri_provider_t *p = job->p;
    char *secret = NULL;
    peri_fetch_t f = {.url = m->token, .ca_file = p->conf->ca_file, .stop = &o->stop};
    peri_buf_t b = {0};
    long status = 0;
    if (p->conf->client_secret_file &&
        peri_secretfile_read(p->conf->client_secret_file, &secret, err)) {
        err->code = PERI_EINTERNAL; /* not hers to mend */
        return -1;
    }
    const peri_oidcgrant_t g = {p->conf->client_id, secret,
                                peri_oidc_redirect(o, p, job->arena), job->back.code,
                                job->back.verifier};
    peri_oidc_token_request(m, &g, job->arena, &f.form, &f.authorization);
    peri_secretfile_free(secret);
    if (!f.form)
        return peri_err_set(err, PERI_EINVAL, "the provider's answer is too long");
    peri_buf_init(&b, PERI_OIDC_ANSWER_MAX);
    int rc = peri_oidc_fetch(&f, &b, &status, err)
                 ? rest(o, p, err)
                 : peri_oidc_token_answer(status, b.data ? b.data : "", b.len, job->arena,
                                          token, access, err);
    peri_buf_free(&b);
    return rc;
}

static int redeem(peri_oidc_t *o, peri_ojob_t *job, peri_err_t *err)
{
    const peri_oidcback_t *back = &job->back;
    const peri_confoidc_t *conf = job->p->conf;
    const char *token = NULL, *access = NULL;
    peri_oidcmeta_t m;
    if (need_meta(o, job->p, job->arena, &m, err) ||
        peri_oidc_callback_check(conf->issuer, m.names_itself, back->iss, back->error,
                                 back->code, err) ||
        ask_for_token(o, job, &m, &token, &access, err) ||
        verify_fresh(o, job, &m, token, err))
        return -1;
    /* Some providers tell names only there. Without one another is found. */
    if (conf->sign_up && !job->claims.preferred_username && access && m.userinfo) {
        peri_buf_t b = {0};
        if (get(o, job->p, m.userinfo, peri_arena_printf(job->arena, "Bearer %s", access),
                PERI_OIDC_ANSWER_MAX, &b, NULL) == 0)
            peri_userinfo_add(b.data, b.len, job->arena, &job->claims, NULL);
        peri_buf_free(&b);
    }
    return 0;
}

int peri_oidc_work(peri_oidc_t *o, peri_ojob_t *job, peri_err_t *err)
{
    if (redeem(o, job, err) == 0) return 0;
    if (err->code == PERI_ENOTFOUND) err->code = PERI_EDENIED; /* a key */
    if (err->code == PERI_EFORMAT || err->code == PERI_ELIMIT) err->code = PERI_EIO;
    return -1;
}
