/* oidc_flow.h - a sign-in through a provider from its start to the account: what is kept
 * between the two requests of the browser, and what follows from the provider's word.
 * Knows no HTTP.
 *
 * Between them lies a row of one_time under the hash of `state`, for PERI_OIDC_SECONDS:
 * nonce, PKCE verifier, the hash of a secret that the browser has as a cookie, and whose
 * account is to be linked. It is used once, and only by the browser that began.
 */
#ifndef PORTAL_ACCOUNT_OIDC_FLOW_H
#define PORTAL_ACCOUNT_OIDC_FLOW_H

#include "portal/account/account.h"
#include "portal/account/oidc.h"
#include "portal/account/secret.h"

#define PERI_OIDC_SECONDS  600.0
#define PERI_OIDC_NEXT_MAX 1000u

/* A page of ours to go to afterwards: a path that begins with one slash. */
bool peri_oidc_next_ok(const char *next);

typedef struct {
    const char *provider;
    const char *browser; /* the cookie's secret */
    const char *next;    /* NULL: "/" */
    int64_t link;        /* account to link; 0: sign in */
} peri_oidcbegin_t;
/* The provider must be known (peri_oidc_where). *url: where the browser goes. */
int peri_oidc_begin(peri_oidc_t *o, peri_db_t *db, const peri_oidcbegin_t *b,
                    peri_arena_t *arena, const char **url, peri_err_t *err);

/* Where the news of a callback come. */
void peri_oidc_key(const char *state, const char *browser, char out[PERI_UUID_LEN + 1]);
/* The callback's first call: takes the row, hands the code over. PERI_EDENIED: there is
 * no such sign-in, of this browser, at this provider. */
int peri_oidc_back(peri_oidc_t *o, peri_db_t *db, const char *state, const char *browser,
                   const peri_oidcback_t *back, peri_arena_t *arena, peri_err_t *err);

/* What was to be done, from the note of the result. */
typedef struct {
    const char *provider, *next;
    int64_t link;
} peri_oidcnote_t;
int peri_oidc_note(const char *note, peri_arena_t *arena, peri_oidcnote_t *out,
                   peri_err_t *err);

/* Who it is: found, made (*made), or none (PERI_EDENIED). In a transaction of its own. */
int peri_oidc_account(peri_db_t *db, const peri_confoidc_t *p, const peri_idclaims_t *c,
                      int64_t *account, bool *made, peri_err_t *err);

#endif
