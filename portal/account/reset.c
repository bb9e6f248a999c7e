/* reset.c - see signup.h: a forgotten password, the first one. */
#include <stdlib.h>
#include <string.h>

#include "portal/account/account_priv.h"
#include "portal/account/factor.h"
#include "portal/account/mail.h"
#include "portal/account/name.h"
#include "portal/account/signup.h"

#define TEXT_MAX 2048

int peri_signup_forgot(peri_db_t *db, const peri_signuprules_t *rules, const char *email,
                       double now, peri_err_t *err)
{
    char secret[PERI_SECRET_LEN + 1], text[TEXT_MAX];
    peri_account_t acc = {0};
    peri_err_t why = {0};
    if (!rules->mail)
        return peri_err_set(err, PERI_EUNSUPP,
                            "this portal sends no mail: its administrator can give you a "
                            "new link");
    if (peri_email_check(email, err)) return -1;
    peri_arena_t *a = peri_arena_new();
    int rc = peri_account_by_login(db, email, a, &acc, &why);
    bool send = rc == 0 && acc.state == PERI_ACC_ACTIVE;
    if (rc && why.code != PERI_ENOTFOUND) {
        if (err) *err = why;
        goto out;
    }
    /* A link of nobody's takes as long to store as one of hers. */
    const peri_once_t once = {.purpose = PERI_ONCE_RESET,
                              .account = send ? acc.id : 0,
                              .expires = now + PERI_RESET_SECONDS};
    rc = peri_once_new(db, &once, secret, err);
    if (rc || !send) goto out;
    snprintf(
        text, sizeof(text),
        "Hello %s,\n\nsomebody, perhaps you, asked for a new password of the account "
        "\"%s\" of %s\nThis link is good for one hour, once:\n\n"
        "%s/api/v1/account/reset?token=%s\n\nIf it was not you, do nothing: your "
        "password stays as it is.\n",
        acc.name, acc.name, rules->url, rules->url, secret);
    rc = peri_mail_queue(db, acc.email, "A new password", text, err);
out:
    peri_arena_free(a);
    return rc;
}

int peri_signup_setup(peri_db_t *db, const char *name, bool admin, double now,
                      int64_t *id, char secret[PERI_SECRET_LEN + 1], peri_err_t *err)
{
    peri_account_t acc;
    peri_err_t why = {0};
    peri_arena_t *a = peri_arena_new();
    int rc = peri_account_by_name(db, name, a, &acc, &why);
    if (rc == 0) {
        *id = acc.id;
        if (acc.state == PERI_ACC_DISABLED)
            rc = peri_err_set(err, PERI_ECONFLICT,
                              "the account \"%s\" is disabled: enable it first", name);
    } else if (why.code == PERI_ENOTFOUND) {
        const peri_newaccount_t n = {
            .name = name, .state = PERI_ACC_INVITED, .vouched = true};
        rc = peri_name_check(name, err) || peri_account_make(db, &n, id, err) ? -1 : 0;
    } else if (err) {
        *err = why;
    }
    peri_arena_free(a);
    if (rc) return -1;
    const peri_numtext_t t = peri_int_text(*id);
    const char *const v[] = {t.text};
    if ((admin && peri_db_exec(db, err, "UPDATE account SET admin = true WHERE id = $1",
                               1, v) < 0) ||
        peri_db_exec(db, err,
                     "DELETE FROM one_time WHERE account = $1 AND purpose = 'setup'", 1,
                     v) < 0)
        return -1;
    const peri_once_t once = {
        .purpose = PERI_ONCE_SETUP, .account = *id, .expires = now + PERI_SETUP_SECONDS};
    return peri_once_new(db, &once, secret, err);
}

int peri_signup_reset(peri_db_t *db, const char *secret, const char *hash, double now,
                      int64_t *id, peri_err_t *err)
{
    peri_once_t once;
    peri_account_t acc;
    peri_arena_t *a = peri_arena_new();
    int rc = -1;
    if (peri_once_use(db, PERI_ONCE_RESET " " PERI_ONCE_SETUP, secret, now, a, &once,
                      err) ||
        peri_account_by_id(db, once.account, a, &acc, err))
        goto out;
    *id = acc.id;
    if (acc.state == PERI_ACC_DISABLED) {
        peri_err_set(err, PERI_ECONFLICT, "the account is disabled");
        goto out;
    }
    /* What else it waited for, the administrator who made the link has decided. */
    if (peri_account_set_state(db, acc.id, PERI_ACC_ACTIVE, err)) goto out;
    if (!strcmp(once.purpose, PERI_ONCE_SETUP) && peri_factor_remove(db, acc.id, err))
        goto out;
    rc = peri_account_set_password(db, acc.id, hash, 0, err);
out:
    peri_arena_free(a);
    return rc;
}
