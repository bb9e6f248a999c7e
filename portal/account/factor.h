/* factor.h - the second factor of an account: an authenticator app (totp.h) and recovery
 * codes for when it is lost. A service on the database.
 */
#ifndef PORTAL_ACCOUNT_FACTOR_H
#define PORTAL_ACCOUNT_FACTOR_H

#include "jobs/store/db.h"
#include "portal/account/totp.h"

#define PERI_RECOVERY_CODES 10
#define PERI_RECOVERY_LEN   19 /* "abcd-efgh-ijkl-mnop": 80 bits */

/* A new key, not in use until a code of it was shown; an older unused one is forgotten.
 */
int peri_factor_start(peri_db_t *db, int64_t account, char secret[PERI_TOTP_TEXT + 1],
                      peri_err_t *err);
/* From now on it is needed. Recovery codes are told this once. PERI_ECONFLICT: none was
 * started; PERI_EINVAL: not its code. */
int peri_factor_confirm(peri_db_t *db, int64_t account, const char *code, double now,
                        char recovery[PERI_RECOVERY_CODES][PERI_RECOVERY_LEN + 1],
                        peri_err_t *err);
/* A code of the app, or a recovery code: each is good for once. */
int peri_factor_check(peri_db_t *db, int64_t account, const char *code, double now,
                      bool *right, peri_err_t *err);
int peri_factor_remove(peri_db_t *db, int64_t account, peri_err_t *err);

#endif
