/* once.h - links that work once: first password, verification of an address, a forgotten
 * password, an invitation. A service on the database; the secret's hash is stored.
 */
#ifndef PORTAL_ACCOUNT_ONCE_H
#define PORTAL_ACCOUNT_ONCE_H

#include "core/base/arena.h"
#include "jobs/store/db.h"
#include "portal/account/secret.h"

#define PERI_ONCE_SETUP  "setup"  /* sets the first password, from an administrator */
#define PERI_ONCE_RESET  "reset"  /* sets a forgotten one, by mail */
#define PERI_ONCE_VERIFY "verify" /* data.email is hers */
#define PERI_ONCE_INVITE "invite" /* may sign up; data: email, team, role, by */

typedef struct {
    const char *purpose;
    int64_t account;  /* 0: of none yet */
    const char *data; /* JSON object */
    double expires;
} peri_once_t;

int peri_once_new(peri_db_t *db, const peri_once_t *o, char secret[PERI_SECRET_LEN + 1],
                  peri_err_t *err);
/* `purposes`: one, or several with spaces between. PERI_ENOTFOUND: none, used, expired,
 * or for something else. _use takes it away, within the caller's transaction. */
int peri_once_look(peri_db_t *db, const char *purposes, const char *secret, double now,
                   peri_arena_t *a, peri_once_t *out, peri_err_t *err);
int peri_once_use(peri_db_t *db, const char *purposes, const char *secret, double now,
                  peri_arena_t *a, peri_once_t *out, peri_err_t *err);

#endif
