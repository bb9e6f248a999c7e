/* oidc_priv.h - what oidc.c (callers, queue, threads) and oidc_work.c (what a thread does
 * for an answer) share.
 */
#ifndef PORTAL_ACCOUNT_OIDC_PRIV_H
#define PORTAL_ACCOUNT_OIDC_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "portal/account/oidc.h"

/* The lock of peri_oidc is held to look at or change anything that is not constant. */
typedef struct {
    const peri_confoidc_t *conf;  /* constant, like uuid */
    char uuid[PERI_UUID_LEN + 1]; /* news of its description */
    bool asked;                   /* it is in the queue */
    peri_arena_t *arena;          /* of meta */
    peri_oidcmeta_t meta;
    peri_jwks_t *keys;       /* or NULL */
    double meta_at, keys_at; /* peri_now(); 0: never */
    double rest_until;       /* it did not answer */
    peri_err_t why;          /* ... and this is what happened */
} peri_provider_t;

typedef enum { PERI_OJOB_QUEUED, PERI_OJOB_RUNS, PERI_OJOB_OVER } peri_ojobstate_t;

typedef struct peri_ojob {
    char key[PERI_UUID_LEN + 1]; /* "": only have a look at the provider */
    peri_provider_t *p;
    peri_arena_t *arena;
    peri_oidcback_t back; /* copies */
    peri_ojobstate_t state;
    double over_at;
    bool good;
    peri_idclaims_t claims;
    peri_err_t err;
    struct peri_ojob *next;
} peri_ojob_t;

struct peri_oidc {
    peri_oidcsetup_t setup;
    peri_provider_t *p;
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t thread[2];
    size_t nthreads;
    atomic_bool stop;
    peri_ojob_t *jobs; /* oldest first */
    size_t njobs;
};

const char *peri_oidc_redirect(const peri_oidc_t *o, const peri_provider_t *p,
                               peri_arena_t *arena);
/* Without the lock: they take it where they need it. */
int peri_oidc_discover(peri_oidc_t *o, peri_provider_t *p, peri_err_t *err);
int peri_oidc_work(peri_oidc_t *o, peri_ojob_t *job, peri_err_t *err);

#endif
