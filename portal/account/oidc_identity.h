/* oidc_identity.h - which account somebody is at an OpenID provider: the table
 * account_identity. Found by issuer and subject, which a provider never gives to somebody
 * else; never by an e-mail address. A service on the database: knows no HTTP and no
 * network, runs with the daemon's own rights in the caller's transaction.
 */
#ifndef PORTAL_ACCOUNT_OIDC_IDENTITY_H
#define PORTAL_ACCOUNT_OIDC_IDENTITY_H

#include "portal/account/account.h"
#include "portal/account/oidc.h"

/* *account 0: nobody's. */
int peri_identity_find(peri_db_t *db, const char *issuer, const char *subject,
                       int64_t *account, peri_err_t *err);
/* label: what people call it, for the list. PERI_ECONFLICT: it is another account's. That
 * it is this one's already is no failure. */
int peri_identity_add(peri_db_t *db, int64_t account, const char *issuer,
                      const char *subject, const char *label, peri_err_t *err);
/* A new, active account, named after what the provider tells; its address only if nobody
 * has it. PERI_ECONFLICT: somebody was faster with this identity. */
int peri_identity_sign_up(peri_db_t *db, const char *issuer, const peri_idclaims_t *c,
                          int64_t *account, peri_err_t *err);
/* A transaction of its own. PERI_ENOTFOUND: not one of this account. PERI_ECONFLICT:
 * without it nobody could sign in any more: no password, no identity at a provider that
 * `o` (may be NULL) has. */
int peri_identity_remove(peri_db_t *db, int64_t account, int64_t id, const peri_oidc_t *o,
                         peri_err_t *err);

#endif
