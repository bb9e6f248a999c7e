/* signin.h - signing in with a name and a password: throttles, the password, the second
 * factor, in this order. Knows no HTTP; the caller makes the session and writes the audit
 * log.
 *
 * Takes the database from the pool for each part: nobody holds a connection while a
 * password is hashed.
 */
#ifndef PORTAL_ACCOUNT_SIGNIN_H
#define PORTAL_ACCOUNT_SIGNIN_H

#include "portal/account/account.h"

typedef enum {
    PERI_SIGNIN_OK,
    PERI_SIGNIN_WRONG,    /* the name, the password or the code; nobody is told which */
    PERI_SIGNIN_CODE,     /* right so far: the code of the second factor is needed */
    PERI_SIGNIN_INACTIVE, /* right, but the account is not active; state says why */
    PERI_SIGNIN_WAIT      /* too many tries: not looked at */
} peri_signinend_t;

typedef struct {
    const char *login, *password; /* a name or an address that is known to be hers */
    const char *code;             /* NULL: none */
    const char *client;           /* address; "": this machine */
    int64_t known; /* the account that the client has a session of already; 0 */
} peri_signin_t;

typedef struct {
    peri_signinend_t end;
    double wait;      /* seconds */
    int64_t account;  /* 0: no account has this name */
    const char *name; /* of it, in the arena; "" */
    bool admin;
    peri_accstate_t state;
} peri_signinout_t;

/* -1 only if it could not be found out. */
int peri_signin(peri_dbpool_t *pool, const peri_signin_t *in, double now, peri_arena_t *a,
                peri_signinout_t *out, peri_err_t *err);

/* Is this her password? For what a signed-in user confirms with it; throttled as a
 * sign-in. PERI_EDENIED: no; PERI_EBUSY: *wait seconds. An account without a password
 * needs none. */
int peri_signin_confirm(peri_dbpool_t *pool, int64_t account, const char *password,
                        double now, double *wait, peri_err_t *err);

#endif
