/* oidc_flow.c - see oidc_flow.h. */
#include "portal/account/oidc_flow.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/account_priv.h"
#include "portal/account/oidc_identity.h"
#include "portal/account/once.h"
#include "portal/portal.h"

#define PURPOSE "oidc"

bool peri_oidc_next_ok(const char *next)
{
    const size_t n = strlen(next);
    /* "//host" and "/\host" are other hosts to a browser. */
    if (n == 0 || n > PERI_OIDC_NEXT_MAX || next[0] != '/' || next[1] == '/')
        return false;
    for (size_t i = 0; i < n; i++)
        if (next[i] <= 0x20 || next[i] >= 0x7f || next[i] == '\\') return false;
    return true;
}

int peri_oidc_begin(peri_oidc_t *o, peri_db_t *db, const peri_oidcbegin_t *b,
                    peri_arena_t *arena, const char **url, peri_err_t *err)
{
    char nonce[PERI_SECRET_LEN + 1], verifier[PERI_SECRET_LEN + 1];
    char state[PERI_SECRET_LEN + 1], browser[PERI_SECRET_HASH + 1];
    char wait[PERI_UUID_LEN + 1];
    peri_secret_new(PERI_SECRET_ONCE, nonce);
    peri_secret_new(PERI_SECRET_ONCE, verifier);
    peri_secret_hash(b->browser, strlen(b->browser), browser);
    json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s}", "provider", b->provider,
                             "browser", browser, "nonce", nonce, "verifier", verifier,
                             "next", b->next ? b->next : "/");
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
    const peri_once_t once = {.purpose = PURPOSE,
                              .account = b->link,
                              .data = text,
                              .expires = peri_epoch() + PERI_OIDC_SECONDS};
    int rc = peri_once_new(db, &once, state, err);
    if (rc == 0 && peri_oidc_where(o, b->provider, state, nonce, verifier, arena, url,
                                   wait, err) != 1)
        rc = -1;
    free(text);
    json_decref(data);
    return rc;
}

void peri_oidc_key(const char *state, const char *browser, char out[PERI_UUID_LEN + 1])
{
    char hash[PERI_SECRET_HASH + 1];
    peri_secret_derive(state, strlen(state), browser, hash);
    snprintf(out, PERI_UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hash, hash + 8,
             hash + 12, hash + 16, hash + 20);
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

int peri_oidc_back(peri_oidc_t *o, peri_db_t *db, const char *state, const char *browser,
                   const peri_oidcback_t *back, peri_arena_t *arena, peri_err_t *err)
{
    char key[PERI_UUID_LEN + 1], hash[PERI_SECRET_HASH + 1];
    peri_once_t once = {0};
    peri_oidcback_t full = *back;
    json_t *data = NULL, *note = NULL;
    char *text = NULL;
    int rc = -1;
    if (peri_once_use(db, PURPOSE, state, peri_epoch(), arena, &once, err)) {
        if (err->code == PERI_ENOTFOUND)
            peri_err_set(err, PERI_EDENIED,
                         "this sign-in was used already, or began more than ten minutes "
                         "ago; sign in again");
        return -1;
    }
    data = json_loads(once.data, 0, NULL);
    peri_secret_hash(browser, strlen(browser), hash);
    if (!peri_secret_same(hash, text_of(data, "browser")) ||
        strcmp(text_of(data, "provider"), back->provider) != 0) {
        peri_err_set(err, PERI_EDENIED,
                     "this sign-in began in another browser, or at another provider; "
                     "sign in again");
        goto out;
    }
    note = json_pack("{s:s, s:s, s:I}", "provider", back->provider, "next",
                     text_of(data, "next"), "link", (json_int_t)once.account);
    text = note ? json_dumps(note, JSON_COMPACT) : NULL;
    full.nonce = text_of(data, "nonce");
    full.verifier = text_of(data, "verifier");
    full.note = text;
    peri_oidc_key(state, browser, key);
    rc = peri_oidc_redeem(o, key, &full, err);
out:
    free(text);
    json_decref(note);
    json_decref(data);
    return rc;
}

int peri_oidc_note(const char *note, peri_arena_t *arena, peri_oidcnote_t *out,
                   peri_err_t *err)
{
    json_t *o = note ? json_loads(note, 0, NULL) : NULL;
    if (!o) return peri_err_set(err, PERI_EINTERNAL, "a sign-in lost its note");
    out->provider = peri_arena_strdup(arena, text_of(o, "provider"));
    out->next = peri_arena_strdup(arena, text_of(o, "next"));
    out->link = json_integer_value(json_object_get(o, "link"));
    json_decref(o);
    return 0;
}

/* In a transaction. *account 0: nobody, and there is no sign-up. */
static int find_or_make(peri_db_t *db, const peri_confoidc_t *p, const peri_idclaims_t *c,
                        int64_t *account, bool *made, peri_err_t *err)
{
    if (peri_identity_find(db, p->issuer, c->subject, account, err)) return -1;
    if (*account) return 0;
    if (!p->sign_up)
        return peri_err_set(err, PERI_EDENIED,
                            "no account here belongs to your sign-in at %s; sign in "
                            "another way and link it in your account's settings, or ask "
                            "for an account",
                            p->title);
    if (peri_identity_sign_up(db, p->issuer, c, account, err)) return -1;
    *made = true;
    return 0;
}

int peri_oidc_account(peri_db_t *db, const peri_confoidc_t *p, const peri_idclaims_t *c,
                      int64_t *account, bool *made, peri_err_t *err)
{
    /* Twice: of two first sign-ins at once the second finds what the first has made. */
    for (int i = 0; i < 2; i++) {
        peri_err_t why = {0};
        *account = 0;
        *made = false;
        if (peri_db_begin(db, err)) return -1;
        if (find_or_make(db, p, c, account, made, &why) == 0)
            return peri_db_commit(db, err);
        peri_db_rollback(db);
        if (err) *err = why;
        if (why.code != PERI_ECONFLICT) break;
    }
    return -1;
}
