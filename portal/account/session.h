/* session.h - who is signed in: sessions of browsers (a cookie) and access tokens of
 * programs, and the one look-up of either that every request begins with. Knows no HTTP
 * but the form of the cookie.
 *
 * Both are random secrets (secret.h) of which only the hash is stored. A session ends
 * PERI_SESSION_IDLE after it was last seen and PERI_SESSION_MAX after it was made; that
 * it was seen is written once in PERI_SESSION_SEEN. An account that is not active has no
 * session and no token, whatever the tables say.
 */
#ifndef PORTAL_ACCOUNT_SESSION_H
#define PORTAL_ACCOUNT_SESSION_H

#include "core/base/arena.h"
#include "jobs/store/db.h"
#include "portal/account/secret.h"
#include "portal/web/actor.h"

#define PERI_SESSION_MAX  (30 * 86400.0) /* seconds */
#define PERI_SESSION_SEEN 60.0
#define PERI_SESSION_MOST 100 /* of one account; the oldest go */
#define PERI_TOKEN_DAYS   366 /* the longest that a token is good for */
#define PERI_TOKEN_MOST   100 /* of one account */
#define PERI_TOKEN_NAME   100 /* bytes */

typedef struct {
    double idle;     /* seconds after which a session that is not used ends */
    bool admin_totp; /* who has no second factor is no administrator */
} peri_sessionrules_t;

/* ---- who asks; now: epoch seconds ---- */

/* *out is a's; out->account 0 (and 0 returned): there is no such session, or it is over.
 */
int peri_account_of_cookie(peri_db_t *db, const char *value,
                           const peri_sessionrules_t *rules, double now, peri_arena_t *a,
                           peri_actor_t *out, peri_err_t *err);
/* PERI_EAUTH with a sentence: no such token, or it has expired. out->admin only with the
 * scope for it. */
int peri_account_of_token(peri_db_t *db, const char *value,
                          const peri_sessionrules_t *rules, double now, peri_arena_t *a,
                          peri_actor_t *out, peri_err_t *err);
/* A Unix user of this machine, by the local socket. PERI_EDENIED: its account is
 * disabled.
 */
int peri_account_of_uid(peri_db_t *db, uid_t uid, gid_t gid, const char *name,
                        bool is_admin, peri_arena_t *a, peri_actor_t *out,
                        peri_err_t *err);

/* ---- cookie ---- */

/* Over https a name that only this host may set, for all of it, and never without TLS. */
const char *peri_session_cookie_name(bool https);
/* The whole value of Set-Cookie; value "": the browser forgets it. */
char *peri_session_cookie(bool https, const char *value, peri_arena_t *a);

/* ---- sessions ---- */

typedef struct {
    int64_t id;
    char secret[PERI_SECRET_LEN + 1]; /* of the cookie */
    char csrf[PERI_SECRET_HASH + 1];
    double expires;
} peri_session_t;
/* client: address; agent: what the browser says it is; for her to recognise it. */
int peri_session_new(peri_db_t *db, int64_t account, const char *client,
                     const char *agent, double now, peri_session_t *out, peri_err_t *err);
typedef struct {
    int64_t id;
    double created, seen, expires;
    const char *client, *agent;
} peri_sessionrow_t;
typedef int (*peri_session_f)(const peri_sessionrow_t *s, void *arg);
int peri_session_list(peri_db_t *db, int64_t account, const peri_sessionrules_t *rules,
                      double now, peri_session_f f, void *arg, peri_err_t *err);
/* PERI_ENOTFOUND: not one of this account. id 0: all but `keep`. */
int peri_session_revoke(peri_db_t *db, int64_t account, int64_t id, int64_t keep,
                        peri_err_t *err);

/* ---- tokens ---- */

typedef struct {
    const char *name;
    unsigned scopes; /* PERI_SCOPE_* */
    double expires;
} peri_newtoken_t;
/* The secret is told this once. */
int peri_token_new(peri_db_t *db, int64_t account, const peri_newtoken_t *n, double now,
                   int64_t *id, char secret[PERI_SECRET_LEN + 1], peri_err_t *err);
typedef struct {
    int64_t id;
    const char *name;
    unsigned scopes;
    double created, used, expires; /* used 0: never */
} peri_tokenrow_t;
typedef int (*peri_token_f)(const peri_tokenrow_t *t, void *arg);
int peri_token_list(peri_db_t *db, int64_t account, peri_token_f f, void *arg,
                    peri_err_t *err);
int peri_token_revoke(peri_db_t *db, int64_t account, int64_t id, peri_err_t *err);

#endif
