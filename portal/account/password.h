/* password.h - hashes of passwords (argon2id of libsodium), and which passwords are good
 * enough. Knows no account and no database.
 *
 * A hash takes PERI_PASSWORD_MEMORY bytes and about a tenth of a second of one core. At
 * most PERI_PASSWORD_AT_ONCE are made at a time in a process. A caller waits for
 * its turn, or, if it must not sleep, takes the turn beforehand. Any thread.
 */
#ifndef PORTAL_ACCOUNT_PASSWORD_H
#define PORTAL_ACCOUNT_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "perigee/err.h"

#define PERI_PASSWORD_MIN     10 /* bytes */
#define PERI_PASSWORD_MAX     512
#define PERI_PASSWORD_TEXT    128 /* of a stored hash, with its NUL */
#define PERI_PASSWORD_MEMORY  (64u << 20)
#define PERI_PASSWORD_AT_ONCE 2

/* Once, before anything else of portal/account. */
int peri_password_init(peri_err_t *err);

/* 0, or PERI_EINVAL with what is wrong with the password. name, email: of the account,
 * or NULL. */
int peri_password_rules(const char *password, size_t n, const char *name,
                        const char *email, peri_err_t *err);
/* True if a list of common passwords or a simple rule knows it; why: a few words. */
bool peri_password_weak(const char *password, size_t n, const char **why);

/* A turn without waiting: false if there is none now. What this thread hashes until it
 * gives the turn back waits for nobody. */
bool peri_password_turn_take(void);
void peri_password_turn_give(void);

int peri_password_hash(const char *password, size_t n, char out[PERI_PASSWORD_TEXT],
                       peri_err_t *err);
/* hash NULL or "": there is no account or no password; it takes as long as if there were,
 * and is not right. *again: right, but made at another cost than today's; make it anew.
 */
int peri_password_check(const char *hash, const char *password, size_t n, bool *right,
                        bool *again, peri_err_t *err);

#endif
