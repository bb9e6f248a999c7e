/* signup.h - how people come to an account and back into one: signing up in the four
 * modes of the configuration, invitations, verification of an address, a forgotten
 * password, the link of the first administrator. A service on the database; all of it
 * runs in the caller's transaction, so that an account, its link and its mail are there
 * or none is.
 *
 * A stranger never learns whether an address has an account: what she is told, and what
 * is stored, is the same. An address is an account's only after it was verified; until
 * then it is in the link that was mailed to it (or, where there is no mail, a note for
 * the administrator), so that nobody can keep another from using hers.
 */
#ifndef PORTAL_ACCOUNT_SIGNUP_H
#define PORTAL_ACCOUNT_SIGNUP_H

#include "portal/account/account.h"
#include "portal/account/once.h"
#include "portal/config/config.h"

#define PERI_VERIFY_SECONDS (2 * 86400.0)
#define PERI_RESET_SECONDS  3600.0
#define PERI_SETUP_SECONDS  (7 * 86400.0)
#define PERI_INVITE_SECONDS (14 * 86400.0)

typedef struct {
    peri_signup_t mode;
    bool mail;       /* mail can be sent */
    const char *url; /* where browsers reach the portal, without a / at the end */
} peri_signuprules_t;

static inline peri_signuprules_t peri_signup_rules(const peri_config_t *c,
                                                   const char *url)
{
    return (peri_signuprules_t){
        .mode = c->accounts.sign_up, .mail = c->mail.server != NULL, .url = url};
}

typedef struct {
    const char *name, *full_name, *email; /* the last two may be NULL */
    const char *invitation;               /* secret, or NULL */
} peri_newperson_t;

/* Whether this person could sign up so: names, mode, invitation. Before her password is
 * hashed; changes nothing. PERI_EDENIED: the mode says no. */
int peri_signup_check(peri_db_t *db, const peri_signuprules_t *rules,
                      const peri_newperson_t *p, double now, peri_err_t *err);
/* hash: of her password. *state: active, or what it waits for. PERI_ECONFLICT: the name
 * is taken. */
int peri_signup_make(peri_db_t *db, const peri_signuprules_t *rules,
                     const peri_newperson_t *p, const char *hash, double now, int64_t *id,
                     peri_accstate_t *state, peri_err_t *err);

/* Somebody may sign up; where mail is sent her address is known to be hers then. data: a
 * JSON object that is kept with it: "team" (id) and "role" make her an invited member;
 * "by" is an account. The mail, where mail is sent, names the inviter. */
int peri_signup_invite(peri_db_t *db, const peri_signuprules_t *rules, const char *email,
                       const char *data, const char *inviter, double now,
                       char secret[PERI_SECRET_LEN + 1], peri_err_t *err);

/* A link to a new address of hers. */
int peri_signup_mail_verify(peri_db_t *db, const peri_signuprules_t *rules,
                            int64_t account, const char *name, const char *email,
                            double now, peri_err_t *err);
/* The link came back. *state: of the account now. PERI_ENOTFOUND, PERI_ECONFLICT. */
int peri_signup_verify(peri_db_t *db, const peri_signuprules_t *rules, const char *secret,
                       double now, int64_t *id, peri_accstate_t *state, peri_err_t *err);

/* A mail with a link, if the address is that of an active account; else none. */
int peri_signup_forgot(peri_db_t *db, const peri_signuprules_t *rules, const char *email,
                       double now, peri_err_t *err);
/* A link to set a password with, for an administrator to hand over: of an account that
 * exists, or a new invited one of that name. It also takes the second factor away. */
int peri_signup_setup(peri_db_t *db, const char *name, bool admin, double now,
                      int64_t *id, char secret[PERI_SECRET_LEN + 1], peri_err_t *err);
/* Uses a link of _forgot or _setup. The account becomes active if it was not; all its
 * sessions end. PERI_ENOTFOUND: no such link; PERI_ECONFLICT: the account is disabled. */
int peri_signup_reset(peri_db_t *db, const char *secret, const char *hash, double now,
                      int64_t *id, peri_err_t *err);

#endif
