/* oidc.c - see oidc.h: callers, the queue, the threads. */
#include "portal/account/oidc.h"

#include <curl/curl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/oidc_priv.h"
#include "portal/account/secret_file.h"

#define RESULT_LIFE 60.0 /* seconds that a result waits for who asked */

/* ---- jobs; all under the lock ---- */

static peri_ojob_t *job_new(peri_oidc_t *o, peri_provider_t *p, const char *key)
{
    peri_ojob_t *j = peri_xcalloc(1, sizeof(*j)), **last = &o->jobs;
    memcpy(j->key, key, strlen(key) + 1);
    j->p = p;
    j->arena = peri_arena_new();
    while (*last) last = &(*last)->next;
    *last = j;
    o->njobs++;
    return j;
}

static void job_remove(peri_oidc_t *o, peri_ojob_t *j)
{
    peri_ojob_t **at = &o->jobs;
    while (*at != j) at = &(*at)->next;
    *at = j->next;
    o->njobs--;
    peri_arena_free(j->arena);
    free(j);
}

static peri_ojob_t *job_find(peri_oidc_t *o, const char *key)
{
    peri_ojob_t *j = o->jobs;
    while (j && strcmp(j->key, key) != 0) j = j->next;
    return j;
}

/* Results that nobody came for. */
static void sweep(peri_oidc_t *o)
{
    const double before = peri_now() - RESULT_LIFE;
    for (peri_ojob_t *j = o->jobs, *next; j; j = next) {
        next = j->next;
        if (j->state == PERI_OJOB_OVER && j->over_at < before) job_remove(o, j);
    }
}

static void ask(peri_oidc_t *o, peri_provider_t *p)
{
    if (p->asked) return;
    p->asked = true;
    job_new(o, p, "");
    pthread_cond_signal(&o->work);
}

/* ---- the threads ---- */

static void run_job(peri_oidc_t *o, peri_ojob_t *j)
{
    char key[PERI_UUID_LEN + 1];
    peri_err_t err = {0};
    const bool look = !j->key[0];
    pthread_mutex_unlock(&o->lock);
    const bool good =
        (look ? peri_oidc_discover(o, j->p, &err) : peri_oidc_work(o, j, &err)) == 0;
    pthread_mutex_lock(&o->lock);
    memcpy(key, look ? j->p->uuid : j->key, sizeof(key));
    j->good = good;
    j->err = err;
    j->state = PERI_OJOB_OVER;
    j->over_at = peri_now();
    if (look) {
        j->p->asked = false;
        job_remove(o, j);
    }
    pthread_mutex_unlock(&o->lock);
    o->setup.news(key);
    pthread_mutex_lock(&o->lock);
}

static void *run(void *arg)
{
    peri_oidc_t *o = arg;
    pthread_mutex_lock(&o->lock);
    while (!atomic_load(&o->stop)) {
        peri_ojob_t *j = o->jobs;
        while (j && j->state != PERI_OJOB_QUEUED) j = j->next;
        if (j) {
            j->state = PERI_OJOB_RUNS;
            run_job(o, j);
        } else {
            pthread_cond_wait(&o->work, &o->lock);
        }
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

/* ---- start and stop ---- */

static int check_provider(const peri_confoidc_t *c, peri_err_t *err)
{
    char *secret = NULL;
    if (!peri_oidc_url_ok(c->issuer, true) || strchr(c->issuer, '?'))
        return peri_err_set(err, PERI_EINVAL,
                            "oidc: the issuer of %s must be an https address, not "
                            "\"%.200s\"",
                            c->name, c->issuer);
    if (c->client_secret_file &&
        peri_secretfile_read(c->client_secret_file, &secret, err))
        return peri_err_prefix(err, "oidc: client_secret_file of %s", c->name);
    peri_secretfile_free(secret);
    return 0;
}

int peri_oidc_check(const peri_confoidc_t *p, size_t n, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++) {
        if (check_provider(&p[i], err)) return -1;
        for (size_t k = 0; k < i; k++)
            if (!strcmp(p[i].name, p[k].name) || !strcmp(p[i].issuer, p[k].issuer))
                return peri_err_set(err, PERI_EINVAL,
                                    "oidc: %s and %s have the same name or issuer",
                                    p[k].name, p[i].name);
    }
    return 0;
}

/* Something to wait for: news are of uuids. */
static void make_uuid(char out[PERI_UUID_LEN + 1])
{
    unsigned char b[16];
    char hex[33];
    randombytes_buf(b, sizeof(b));
    sodium_bin2hex(hex, sizeof(hex), b, sizeof(b));
    snprintf(out, PERI_UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
             hex + 16, hex + 20);
}

static void start_threads(peri_oidc_t *o)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    while (o->nthreads < sizeof(o->thread) / sizeof(o->thread[0]) &&
           pthread_create(&o->thread[o->nthreads], NULL, run, o) == 0)
        o->nthreads++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

peri_oidc_t *peri_oidc_start(const peri_oidcsetup_t *s, peri_err_t *err)
{
    if (peri_oidc_check(s->providers, s->n, err)) return NULL;
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT)) {
        peri_err_set(err, PERI_EINTERNAL, "libsodium or libcurl does not start");
        return NULL;
    }
    peri_oidc_t *o = peri_xcalloc(1, sizeof(*o));
    o->setup = *s;
    o->p = peri_xcalloc(s->n + 1, sizeof(*o->p));
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->work, NULL);
    for (size_t i = 0; i < s->n; i++) {
        o->p[i].conf = &s->providers[i];
        make_uuid(o->p[i].uuid);
        ask(o, &o->p[i]);
    }
    start_threads(o);
    if (o->nthreads) return o;
    peri_err_set(err, PERI_EINTERNAL, "cannot start a thread");
    peri_oidc_stop(o);
    return NULL;
}

void peri_oidc_stop(peri_oidc_t *o)
{
    if (!o) return;
    pthread_mutex_lock(&o->lock);
    atomic_store(&o->stop, true);
    pthread_cond_broadcast(&o->work);
    pthread_mutex_unlock(&o->lock);
    for (size_t i = 0; i < o->nthreads; i++) pthread_join(o->thread[i], NULL);
    while (o->jobs) job_remove(o, o->jobs);
    for (size_t i = 0; i < o->setup.n; i++) {
        peri_arena_free(o->p[i].arena);
        peri_jwks_free(o->p[i].keys);
    }
    pthread_cond_destroy(&o->work);
    pthread_mutex_destroy(&o->lock);
    free(o->p);
    free(o);
}

/* ---- callers ---- */

static peri_provider_t *find(const peri_oidc_t *o, const char *name, peri_err_t *err)
{
    for (size_t i = 0; i < o->setup.n; i++)
        if (!strcmp(o->p[i].conf->name, name)) return &o->p[i];
    peri_err_set(err, PERI_ENOTFOUND, "there is no sign-in through \"%.60s\" here", name);
    return NULL;
}

const peri_confoidc_t *peri_oidc_provider(const peri_oidc_t *o, const char *name,
                                          peri_err_t *err)
{
    const peri_provider_t *p = find(o, name, err);
    return p ? p->conf : NULL;
}

bool peri_oidc_knows(const peri_oidc_t *o, const char *issuer)
{
    for (size_t i = 0; i < o->setup.n; i++)
        if (!strcmp(o->p[i].conf->issuer, issuer)) return true;
    return false;
}

int peri_oidc_where(peri_oidc_t *o, const char *name, const char *state,
                    const char *nonce, const char *verifier, peri_arena_t *arena,
                    const char **url, char wait[PERI_UUID_LEN + 1], peri_err_t *err)
{
    int rc = -1;
    peri_provider_t *p = find(o, name, err);
    if (!p) return -1;
    const peri_oidcask_t a = {.client_id = p->conf->client_id,
                              .redirect_uri = peri_oidc_redirect(o, p, arena),
                              .scopes = p->conf->scopes,
                              .state = state,
                              .nonce = nonce,
                              .verifier = verifier};
    pthread_mutex_lock(&o->lock);
    const double now = peri_now();
    const bool known = p->meta_at > 0;
    /* An old description is used until there is a new one. */
    if (now >= p->rest_until && (!known || now - p->meta_at > PERI_OIDC_META)) ask(o, p);
    if (known) {
        rc = 1;
        if (state && !(*url = peri_oidc_authorize_url(&p->meta, &a, arena)))
            rc = peri_err_set(err, PERI_EINTERNAL, "the provider's address is too long");
    } else if (p->asked) {
        memcpy(wait, p->uuid, sizeof(p->uuid));
        rc = 0;
    } else {
        if (err) *err = p->why;
        if (err) err->code = PERI_EIO;
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

int peri_oidc_redeem(peri_oidc_t *o, const char *key, const peri_oidcback_t *back,
                     peri_err_t *err)
{
    int rc = 0;
    peri_provider_t *p = find(o, back->provider, err);
    if (!p) return -1;
    pthread_mutex_lock(&o->lock);
    sweep(o);
    if (o->njobs >= PERI_OIDC_QUEUE) {
        rc = peri_err_set(err, PERI_EIO,
                          "too many people sign in at the same time; try again in a "
                          "minute");
    } else {
        peri_ojob_t *j = job_new(o, p, key);
        j->back =
            (peri_oidcback_t){.provider = p->conf->name,
                              .iss = peri_arena_strdup(j->arena, back->iss),
                              .error = peri_arena_strdup(j->arena, back->error),
                              .code = peri_arena_strdup(j->arena, back->code),
                              .nonce = peri_arena_strdup(j->arena, back->nonce),
                              .verifier = peri_arena_strdup(j->arena, back->verifier),
                              .note = peri_arena_strdup(j->arena, back->note)};
        pthread_cond_signal(&o->work);
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

peri_oidcresult_t peri_oidc_result(peri_oidc_t *o, const char *key, peri_arena_t *arena,
                                   peri_idclaims_t *claims, const char **note,
                                   peri_err_t *err)
{
    peri_oidcresult_t result = PERI_OIDC_NONE;
    pthread_mutex_lock(&o->lock);
    peri_ojob_t *j = *key ? job_find(o, key) : NULL;
    if (j && j->state != PERI_OJOB_OVER) {
        result = PERI_OIDC_BUSY;
    } else if (j) {
        result = j->good ? PERI_OIDC_DONE : PERI_OIDC_FAILED;
        *note = peri_arena_strdup(arena, j->back.note);
        claims->subject = peri_arena_strdup(arena, j->claims.subject);
        claims->preferred_username =
            peri_arena_strdup(arena, j->claims.preferred_username);
        claims->full_name = peri_arena_strdup(arena, j->claims.full_name);
        claims->email = peri_arena_strdup(arena, j->claims.email);
        if (!j->good && err) *err = j->err;
        job_remove(o, j);
    }
    pthread_mutex_unlock(&o->lock);
    return result;
}
