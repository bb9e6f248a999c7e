/* account.h - accounts: the people (and the Unix users of this machine) that the portal
 * knows. A service on the database: it knows no HTTP and checks no right of who asks.
 *
 * All functions here run with the daemon's own rights. Within the caller's transaction if
 * one is open, else each is one of its own. Texts that come back belong to the arena.
 */
#ifndef PORTAL_ACCOUNT_ACCOUNT_H
#define PORTAL_ACCOUNT_ACCOUNT_H

#include "core/base/arena.h"
#include "jobs/store/db.h"

typedef enum {
    PERI_ACC_INVITED,  /* made by an administrator; its link has not been used */
    PERI_ACC_EMAIL,    /* signed up; the address is not verified */
    PERI_ACC_APPROVAL, /* waits for an administrator */
    PERI_ACC_ACTIVE,
    PERI_ACC_DISABLED, /* by an administrator, or deleted by its owner */
    PERI_ACC_NSTATES
} peri_accstate_t;
const char *peri_accstate_name(peri_accstate_t s); /* as in the database */
peri_accstate_t peri_accstate_of(const char *name);
/* Whether an account may go from one state to the other. */
bool peri_accstate_may(peri_accstate_t from, peri_accstate_t to);

typedef struct {
    int64_t id;
    const char *name, *full_name;
    const char *email; /* NULL: none that is known to be hers */
    bool email_known;
    peri_accstate_t state;
    bool admin;
    const char *password; /* hash, or NULL */
    bool totp;            /* has a second factor */
    int recovery;         /* codes left */
    int64_t unix_uid;     /* -1: none */
    int64_t quota;        /* bytes; -1: the default */
    double created, seen; /* seen 0: never */
    const char *settings; /* JSON object */
    const char *tag;      /* changes with what PATCH can change */
} peri_account_t;

/* By exactly one of them. PERI_ENOTFOUND. */
int peri_account_by_id(peri_db_t *db, int64_t id, peri_arena_t *a, peri_account_t *out,
                       peri_err_t *err);
int peri_account_by_name(peri_db_t *db, const char *name, peri_arena_t *a,
                         peri_account_t *out, peri_err_t *err);
/* A name, or an address that is known to be hers. */
int peri_account_by_login(peri_db_t *db, const char *login, peri_arena_t *a,
                          peri_account_t *out, peri_err_t *err);

typedef struct {
    const char *name;                         /* checked by the caller (name.h) */
    const char *full_name, *email, *password; /* hash; each may be NULL */
    const char *contact; /* an address that nobody has verified; may be NULL */
    peri_accstate_t state;
    bool admin;
    bool vouched; /* an administrator has seen the name, or will before it is of use */
} peri_newaccount_t;
/* Names that nobody may take who is not vouched for: those of Unix users, where jobs run
 * as them. Before any thread starts; NULL: none. */
void peri_account_reserve(bool (*reserved)(const char *name));
/* PERI_ECONFLICT: the name or the address is taken, or the name is reserved. */
int peri_account_make(peri_db_t *db, const peri_newaccount_t *n, int64_t *id,
                      peri_err_t *err);

/* PERI_ECONFLICT: not from the state that it has. Its sessions, tokens and open links go
 * when it is disabled, and the grants that hung on it. */
int peri_account_set_state(peri_db_t *db, int64_t id, peri_accstate_t to,
                           peri_err_t *err);
/* What is NULL stays. settings: a JSON object that is merged; null removes a key. */
int peri_account_edit(peri_db_t *db, int64_t id, const char *full_name,
                      const char *settings, peri_err_t *err);
/* An address that is known to be hers, or NULL for none. PERI_ECONFLICT: another's. */
int peri_account_set_email(peri_db_t *db, int64_t id, const char *email, peri_err_t *err);
/* hash NULL: none. Sessions but `keep` and all open links that would set it go; tokens
 * stay. */
int peri_account_set_password(peri_db_t *db, int64_t id, const char *hash, int64_t keep,
                              peri_err_t *err);

/* The owner's wish. The row stays, disabled, without anything personal, under the name
 * "deleted.ID", so that jobs and the audit log keep their meaning; her volumes are marked
 * as removed, for their grace period. PERI_ECONFLICT: she is the only owner of a team,
 * has jobs that are not over, or is the last administrator who can sign in. */
int peri_account_delete(peri_db_t *db, int64_t id, peri_err_t *err);

/* Active accounts whose name, or full name, begins with (or has a word that begins with)
 * q; by name. */
typedef int (*peri_account_f)(const peri_account_t *a, void *arg);
int peri_account_search(peri_db_t *db, const char *q, int limit, peri_account_f f,
                        void *arg, peri_err_t *err);

/* What has expired goes: links, sessions, tokens (a month after), throttles, sign-ups
 * whose address nobody verified. Now and then, by the daemon. */
int peri_account_sweep(peri_db_t *db, double now, peri_err_t *err);

#endif
