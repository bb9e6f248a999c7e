/* signup.c - see signup.h: signing up, invitations, verification. */
#include "portal/account/signup.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/account_priv.h"
#include "portal/account/mail.h"
#include "portal/account/name.h"
#include "portal/account/throttle.h"

#define TEXT_MAX 2048

/* ---- what may be ---- */

int peri_signup_check(peri_db_t *db, const peri_signuprules_t *rules,
                      const peri_newperson_t *p, double now, peri_err_t *err)
{
    peri_once_t once;
    if (rules->mode == PERI_SIGNUP_CLOSED)
        return peri_err_set(err, PERI_EDENIED,
                            "accounts of this portal are made by its administrator only");
    if (rules->mode == PERI_SIGNUP_INVITATION && !p->invitation)
        return peri_err_set(err, PERI_EDENIED,
                            "signing up needs an invitation here: ask the administrator, "
                            "or the team that you want to join");
    if (peri_name_check(p->name, err) || (p->email && peri_email_check(p->email, err)) ||
        (p->full_name && peri_full_check(p->full_name, err)))
        return -1;
    if (rules->mail && !p->email && !p->invitation)
        return peri_err_set(err, PERI_EINVAL, "an e-mail address is needed");
    if (!p->invitation) return 0;
    peri_arena_t *a = peri_arena_new();
    int rc = peri_once_look(db, PERI_ONCE_INVITE, p->invitation, now, a, &once, err);
    peri_arena_free(a);
    return rc;
}

/* ---- invitations ---- */

int peri_signup_invite(peri_db_t *db, const peri_signuprules_t *rules, const char *email,
                       const char *data, const char *inviter, double now,
                       char secret[PERI_SECRET_LEN + 1], peri_err_t *err)
{
    char text[TEXT_MAX];
    int rc = -1;
    if (rules->mode == PERI_SIGNUP_CLOSED)
        return peri_err_set(err, PERI_EDENIED,
                            "nobody can be invited: accounts of this portal are made by "
                            "its administrator only");
    if (peri_email_check(email, err)) return -1;
    double wait = 0;
    if (rules->mail && peri_throttle_try(db, &peri_throttle_mail, email, now, &wait, err))
        return -1;
    if (wait > 0)
        return peri_err_set(
            err, PERI_EBUSY,
            "there were too many mails to this address: try again in %.0f "
            "seconds",
            wait);
    json_t *o = json_loads(data ? data : "{}", 0, NULL);
    if (!json_is_object(o)) {
        json_decref(o);
        return peri_err_set(err, PERI_EINTERNAL, "an invitation's data is no object");
    }
    json_object_set_new(o, "email", json_string(email));
    char *all = json_dumps(o, JSON_COMPACT);
    const peri_once_t once = {
        .purpose = PERI_ONCE_INVITE, .data = all, .expires = now + PERI_INVITE_SECONDS};
    if (!all || peri_once_new(db, &once, secret, err)) goto out;
    snprintf(text, sizeof(text),
             "Hello,\n\n%s invites you to the portal %s\n\nSign up with this invitation "
             "(it works once, for 14 days):\n\n    perigee signup --invitation %s %s\n\n"
             "If you do not know why you get this, do nothing.\n",
             inviter, rules->url, secret, rules->url);
    rc = rules->mail ? peri_mail_queue(db, email, "An invitation", text, err) : 0;
out:
    free(all);
    json_decref(o);
    return rc;
}

/* Where the invitation leads: an invited member of a team, if that is still there. */
static int join_team(peri_db_t *db, const json_t *data, const char *account,
                     peri_err_t *err)
{
    static const char sql[] =
        "INSERT INTO team_member (team, account, role, state, invited_by) SELECT t.id, "
        "$2, $3, 'invited', (SELECT id FROM account WHERE id = $4) FROM team t WHERE "
        "t.id "
        "= $1 ON CONFLICT DO NOTHING";
    json_int_t team = json_integer_value(json_object_get(data, "team"));
    const char *role = json_string_value(json_object_get(data, "role"));
    if (!team) return 0;
    if (!role || (strcmp(role, "admin") && strcmp(role, "owner"))) role = "member";
    const peri_numtext_t t = peri_int_text(team), by = peri_int_text(json_integer_value(
                                                      json_object_get(data, "by")));
    const char *const v[] = {t.text, account, role, by.text};
    return peri_db_exec(db, err, sql, 4, v) < 0 ? -1 : 0;
}

/* ---- signing up ---- */

int peri_signup_mail_verify(peri_db_t *db, const peri_signuprules_t *rules,
                            int64_t account, const char *name, const char *email,
                            double now, peri_err_t *err)
{
    char secret[PERI_SECRET_LEN + 1], text[TEXT_MAX];
    json_t *o = json_pack("{s:s}", "email", email);
    char *data = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!data) return peri_err_set(err, PERI_EINVAL, "the address is not text in UTF-8");
    const peri_once_t once = {.purpose = PERI_ONCE_VERIFY,
                              .account = account,
                              .data = data,
                              .expires = now + PERI_VERIFY_SECONDS};
    int rc = peri_once_new(db, &once, secret, err);
    free(data);
    if (rc) return -1;
    snprintf(
        text, sizeof(text),
        "Hello %s,\n\nthis address was given for the account \"%s\" of %s\nIf it was "
        "you, open this link within two days:\n\n%s/api/v1/account/verify?token=%s\n"
        "\nIf it was not you, do nothing.\n",
        name, name, rules->url, rules->url, secret);
    return peri_mail_queue(db, email, "Is this address yours?", text, err);
}

/* The address has an account already. Only its owner learns that. */
static int mail_owner(peri_db_t *db, const peri_signuprules_t *rules,
                      const peri_account_t *owner, peri_err_t *err)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof(text),
             "Hello %s,\n\nsomebody, perhaps you, wanted to sign up at %s with this "
             "address.\nYou have an account there already: \"%s\". If you forgot your "
             "password, ask\nfor a new one:\n\n    perigee password --portal %s --forgot "
             "%s\n\nIf it was not you, do nothing.\n",
             owner->name, rules->url, owner->name, rules->url, owner->email);
    return peri_mail_queue(db, owner->email, "You have an account already", text, err);
}

static int verify_or_tell(peri_db_t *db, const peri_signuprules_t *rules, int64_t id,
                          const peri_newperson_t *p, double now, peri_err_t *err)
{
    peri_account_t owner;
    peri_err_t why = {0};
    peri_arena_t *a = peri_arena_new();
    int rc = peri_account_by_login(db, p->email, a, &owner, &why);
    if (rc == 0) {
        rc = mail_owner(db, rules, &owner, err);
    } else if (why.code == PERI_ENOTFOUND) {
        rc = peri_signup_mail_verify(db, rules, id, p->name, p->email, now, err);
    } else if (err) {
        *err = why;
    }
    peri_arena_free(a);
    return rc;
}

/* An invited address that has got an account in the meantime stays with that one. */
static int take_address(peri_db_t *db, int64_t id, const char *email, peri_err_t *err)
{
    peri_account_t owner;
    peri_err_t why = {0};
    peri_arena_t *a = peri_arena_new();
    int rc = peri_account_by_login(db, email, a, &owner, &why);
    peri_arena_free(a);
    if (rc == 0) return 0;
    return peri_account_set_email(db, id, email, err);
}

static int make_invited(peri_db_t *db, bool mail, const peri_newaccount_t *n,
                        const char *invitation, double now, int64_t *id, peri_err_t *err)
{
    peri_once_t once;
    peri_arena_t *a = peri_arena_new();
    json_t *data = NULL;
    int rc = -1;
    if (peri_once_use(db, PERI_ONCE_INVITE, invitation, now, a, &once, err) ||
        peri_account_make(db, n, id, err))
        goto out;
    data = json_loads(once.data, 0, NULL);
    const char *email = json_string_value(json_object_get(data, "email"));
    /* Where no mail is sent the invitation has gone another way and shows nothing. */
    if (mail && email && take_address(db, *id, email, err)) goto out;
    rc = join_team(db, data, peri_int_text(*id).text, err);
out:
    json_decref(data);
    peri_arena_free(a);
    return rc;
}

int peri_signup_make(peri_db_t *db, const peri_signuprules_t *rules,
                     const peri_newperson_t *p, const char *hash, double now, int64_t *id,
                     peri_accstate_t *state, peri_err_t *err)
{
    peri_newaccount_t n = {.name = p->name, .full_name = p->full_name, .password = hash};
    if (peri_signup_check(db, rules, p, now, err)) return -1;
    if (p->invitation)
        n.state = PERI_ACC_ACTIVE;
    else if (rules->mail)
        n.state = PERI_ACC_EMAIL;
    else
        n.state = rules->mode == PERI_SIGNUP_OPEN ? PERI_ACC_ACTIVE : PERI_ACC_APPROVAL;
    if (!rules->mail) n.contact = p->email;
    n.vouched = !p->invitation && rules->mode == PERI_SIGNUP_APPROVAL;
    *state = n.state;
    if (p->invitation)
        return make_invited(db, rules->mail, &n, p->invitation, now, id, err);
    if (peri_account_make(db, &n, id, err)) return -1;
    return rules->mail ? verify_or_tell(db, rules, *id, p, now, err) : 0;
}

int peri_signup_verify(peri_db_t *db, const peri_signuprules_t *rules, const char *secret,
                       double now, int64_t *id, peri_accstate_t *state, peri_err_t *err)
{
    peri_once_t once;
    peri_account_t acc;
    json_t *data = NULL;
    peri_arena_t *a = peri_arena_new();
    int rc = -1;
    if (peri_once_use(db, PERI_ONCE_VERIFY, secret, now, a, &once, err) ||
        peri_account_by_id(db, once.account, a, &acc, err))
        goto out;
    data = json_loads(once.data, 0, NULL);
    const char *email = json_string_value(json_object_get(data, "email"));
    if (!email || peri_account_set_email(db, acc.id, email, err)) goto out;
    *id = acc.id;
    *state = acc.state;
    if (acc.state == PERI_ACC_EMAIL) {
        *state = rules->mode == PERI_SIGNUP_OPEN ? PERI_ACC_ACTIVE : PERI_ACC_APPROVAL;
        if (peri_account_set_state(db, acc.id, *state, err)) goto out;
    }
    rc = 0;
out:
    json_decref(data);
    peri_arena_free(a);
    return rc;
}
