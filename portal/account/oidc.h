/* oidc.h - the OpenID providers of the configuration, and the threads that talk to them.
 *
 * Nothing here sleeps but the two threads: callers look, and are told by `news` when to
 * look again. What is known of a provider (its endpoints, its keys) is a cache, fetched
 * at the start and when it is old; keys also when a token names one that is not there,
 * once in PERI_OIDC_REFETCH. A provider that does not answer is left alone for
 * PERI_OIDC_REST. An answer that is being redeemed lives in memory only: after a restart
 * the user signs in again. Any thread may call.
 */
#ifndef PORTAL_ACCOUNT_OIDC_H
#define PORTAL_ACCOUNT_OIDC_H

#include "jobs/task/folder.h"
#include "portal/account/oidc_protocol.h"
#include "portal/account/oidc_token.h"
#include "portal/config/config.h"

#define PERI_OIDC_REFETCH 3.0     /* seconds */
#define PERI_OIDC_REST    3.0     /* seconds */
#define PERI_OIDC_KEYS    3600.0  /* seconds that keys are believed */
#define PERI_OIDC_META    86400.0 /* seconds that endpoints are */
#define PERI_OIDC_QUEUE   200     /* answers at a time; more are sent away */

typedef struct {
    const peri_confoidc_t *providers; /* borrowed, like all of this */
    size_t n;
    const char *url;                /* of the portal, as browsers see it */
    void (*news)(const char *uuid); /* called from the threads */
} peri_oidcsetup_t;

typedef struct peri_oidc peri_oidc_t;

/* PERI_EINVAL or PERI_EDENIED: a provider whose configuration cannot work, with the key
 * that is wrong. */
int peri_oidc_check(const peri_confoidc_t *providers, size_t n, peri_err_t *err);
/* The same first. That a provider does not answer is no failure. */
peri_oidc_t *peri_oidc_start(const peri_oidcsetup_t *s, peri_err_t *err);
void peri_oidc_stop(peri_oidc_t *o); /* accepts NULL */

/* PERI_ENOTFOUND */
const peri_confoidc_t *peri_oidc_provider(const peri_oidc_t *o, const char *name,
                                          peri_err_t *err);
/* True if one of the providers has this issuer. */
bool peri_oidc_knows(const peri_oidc_t *o, const char *issuer);

/* Where to send a browser that signs in, with secrets of the caller's. 1: *url is the
 * arena's; 0: not known yet, there will be news of `wait`. state NULL: only whether it is
 * known. */
int peri_oidc_where(peri_oidc_t *o, const char *name, const char *state,
                    const char *nonce, const char *verifier, peri_arena_t *arena,
                    const char **url, char wait[PERI_UUID_LEN + 1], peri_err_t *err);

/* What the browser brought back, with the secrets of its start. */
typedef struct {
    const char *provider;
    const char *iss, *error, *code; /* NULL: not there */
    const char *nonce, *verifier;
    const char *note; /* of the caller's, given back with the result */
} peri_oidcback_t;
/* Have it redeemed. There will be news of `key`. PERI_EIO: too many at a time. */
int peri_oidc_redeem(peri_oidc_t *o, const char *key, const peri_oidcback_t *back,
                     peri_err_t *err);
typedef enum {
    PERI_OIDC_NONE,  /* no such key, or its result was taken already */
    PERI_OIDC_BUSY,  /* there will be news */
    PERI_OIDC_DONE,  /* *claims, *note are the arena's */
    PERI_OIDC_FAILED /* *err: PERI_EDENIED, PERI_EIO, ...; *note as above */
} peri_oidcresult_t;
/* A result is given once. */
peri_oidcresult_t peri_oidc_result(peri_oidc_t *o, const char *key, peri_arena_t *arena,
                                   peri_idclaims_t *claims, const char **note,
                                   peri_err_t *err);

#endif
