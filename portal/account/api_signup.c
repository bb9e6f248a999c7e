/* api_signup.c - signing up, the links of mails, a forgotten password, the link of the
 * first administrator.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/account.h"
#include "portal/account/api.h"
#include "portal/account/name.h"
#include "portal/account/password.h"
#include "portal/account/throttle.h"

/* What one address may do in a while, before anything is looked at. */
static int slow_down(peri_request_t *r, peri_db_t *db, peri_err_t *err)
{
    char key[64];
    double wait = 0;
    if (r->actor.local) return 0;
    peri_throttle_client_key(r->client, key);
    if (peri_throttle_try(db, &peri_throttle_signup, key, peri_epoch(), &wait, err))
        return -1;
    return wait > 0 ? peri_api_wait(r, wait, "too many of these from your address", err)
                    : 0;
}

int peri_api_count_mail(peri_request_t *r, peri_db_t *db, const char *email, double *wait,
                        peri_err_t *err)
{
    char *small = peri_arena_strdup(r->arena, email);
    for (char *c = small; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
    return peri_throttle_try(db, &peri_throttle_mail, small, peri_epoch(), wait, err);
}

/* ---- signing up ---- */

static int check(peri_request_t *r, const peri_newperson_t *p, peri_err_t *err)
{
    const peri_signuprules_t rules = peri_api_signup_rules(r);
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_signup_check(db, &rules, p, peri_epoch(), err);
    if (rc == 0) rc = slow_down(r, db, err);
    double wait = 0;
    if (rc == 0 && rules.mail && p->email && !p->invitation)
        rc = peri_api_count_mail(r, db, p->email, &wait, err);
    if (rc == 0 && wait > 0)
        rc = peri_api_wait(r, wait, "too many mails to this address", err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

static int make(peri_request_t *r, const peri_newperson_t *p, const char *hash,
                peri_err_t *err)
{
    const peri_signuprules_t rules = peri_api_signup_rules(r);
    peri_accstate_t state = PERI_ACC_DISABLED;
    int64_t id;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (rc == 0)
        rc = peri_signup_make(db, &rules, p, hash, peri_epoch(), &id, &state, err);
    if (rc == 0)
        rc = peri_audit(r, db, "account.sign-up", p->name, true,
                        json_pack("{s:s, s:b}", "state", peri_accstate_name(state),
                                  "invited", p->invitation != NULL),
                        err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    r->status = 201;
    r->json =
        json_pack("{s:s, s:s}", "name", p->name, "state", peri_accstate_name(state));
    return 0;
}

int peri_api_sign_up(peri_request_t *r, peri_err_t *err)
{
    peri_newperson_t p;
    const char *password;
    char hash[PERI_PASSWORD_TEXT];
    json_t *o = peri_request_json(r, "name full_name email password invitation", err);
    if (!o || peri_json_text(o, "name", true, 64, &p.name, err) ||
        peri_json_text(o, "full_name", false, 400, &p.full_name, err) ||
        peri_json_text(o, "email", false, 400, &p.email, err) ||
        peri_json_text(o, "invitation", false, 100, &p.invitation, err) ||
        peri_json_text(o, "password", true, PERI_PASSWORD_MAX, &password, err) ||
        peri_password_rules(password, strlen(password), p.name, p.email, err))
        return -1;
    int turn = peri_api_turn(r, err);
    if (turn <= 0) return turn;
    int rc = check(r, &p, err);
    if (rc == 0) rc = peri_password_hash(password, strlen(password), hash, err);
    peri_password_turn_give();
    return rc ? -1 : make(r, &p, hash, err);
}

/* ---- links ---- */

/* From JSON, or from the form of our page. */
static int read_link(peri_request_t *r, const char *keys, const char **token,
                     const char **password, peri_err_t *err)
{
    if (peri_api_is_form(r)) {
        *token = peri_api_form_field(r, "token");
        if (password) *password = peri_api_form_field(r, "password");
        if (*token && (!password || *password)) return 0;
        return peri_err_set(err, PERI_EINVAL, "something is missing in the form");
    }
    json_t *o = peri_request_json(r, keys, err);
    return !o || peri_json_text(o, "token", true, 100, token, err) ||
                   (password &&
                    peri_json_text(o, "password", true, PERI_PASSWORD_MAX, password, err))
               ? -1
               : 0;
}

/* People with a browser see a sentence, not JSON. */
static int page_of(peri_request_t *r, int rc, const char *title, const char *text,
                   const peri_err_t *err)
{
    if (!peri_api_is_form(r) && strcmp(r->method, "GET") != 0) return rc;
    json_decref(r->json);
    r->json = NULL;
    char sentence[sizeof(err->text) + 2];
    snprintf(sentence, sizeof(sentence), "%s.", err->text);
    if (*sentence >= 'a' && *sentence <= 'z') *sentence = (char)(*sentence - 32);
    if (rc)
        peri_api_page(r, err->code == PERI_EINVAL ? 400 : 404, "That did not work",
                      sentence, NULL, NULL, false);
    else
        peri_api_page(r, 200, title, text, NULL, NULL, false);
    return 0;
}

static int show_link(peri_request_t *r, const char *purposes, const char *title,
                     const char *text, const char *action, bool password, peri_err_t *err)
{
    peri_once_t once;
    const char *token = peri_request_arg(r, "token");
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_once_look(db, purposes, token ? token : "", peri_epoch(), r->arena,
                            &once, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return err->code == PERI_ENOTFOUND ? page_of(r, rc, "", "", err) : -1;
    peri_api_page(r, 200, title, text, action, token, password);
    return 0;
}

int peri_api_verify_page(peri_request_t *r, peri_err_t *err)
{
    return show_link(r, PERI_ONCE_VERIFY, "Your e-mail address",
                     "Is this address yours, and did you give it to this portal?",
                     "Yes, it is mine", false, err);
}

int peri_api_reset_page(peri_request_t *r, peri_err_t *err)
{
    return show_link(
        r, PERI_ONCE_RESET " " PERI_ONCE_SETUP, "A new password",
        "It needs ten characters or more; four words that have nothing to do "
        "with each other are a good one.",
        "Set it", true, err);
}

int peri_api_verify(peri_request_t *r, peri_err_t *err)
{
    const peri_signuprules_t rules = peri_api_signup_rules(r);
    const char *token;
    int64_t id = 0;
    peri_accstate_t state = PERI_ACC_DISABLED;
    if (read_link(r, "token", &token, NULL, err)) return page_of(r, -1, "", "", err);
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (rc == 0)
        rc = peri_signup_verify(db, &rules, token, peri_epoch(), &id, &state, err);
    if (rc == 0) {
        r->actor.account = id;
        rc = peri_audit(r, db, "account.verify", "", true, NULL, err);
    }
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0) r->json = json_pack("{s:s}", "state", peri_accstate_name(state));
    return page_of(
        r, rc, "Thank you",
        state == PERI_ACC_APPROVAL
            ? "The address is yours. Now an administrator looks at the account."
            : "The address is yours. You can sign in.",
        err);
}

/* ---- a forgotten password ---- */

/* Mails to one address are few; past that the answer is the same, and none is sent. */
static int forgot(peri_request_t *r, peri_db_t *db, const char *email, peri_err_t *err)
{
    const peri_signuprules_t rules = peri_api_signup_rules(r);
    double wait = 0;
    if (rules.mail && peri_api_count_mail(r, db, email, &wait, err)) return -1;
    return wait > 0 ? 0 : peri_signup_forgot(db, &rules, email, peri_epoch(), err);
}

int peri_api_forgot(peri_request_t *r, peri_err_t *err)
{
    const char *email;
    json_t *o = peri_request_json(r, "email", err);
    if (!o || peri_json_text(o, "email", true, PERI_EMAIL_MAX, &email, err) ||
        peri_email_check(email, err))
        return -1;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = slow_down(r, db, err);
    if (rc == 0) rc = peri_db_begin(db, err);
    if (rc == 0) rc = forgot(r, db, email, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    r->status = 202;
    r->json = json_pack("{s:s}", "text",
                        "if this is the address of an account, a mail is on its way");
    return 0;
}

static int reset(peri_request_t *r, const char *token, const char *password,
                 peri_err_t *err)
{
    peri_once_t once;
    peri_account_t acc = {0};
    char hash[PERI_PASSWORD_TEXT];
    int64_t id;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_once_look(db, PERI_ONCE_RESET " " PERI_ONCE_SETUP, token, peri_epoch(),
                            r->arena, &once, err);
    if (rc == 0) rc = peri_account_by_id(db, once.account, r->arena, &acc, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc || peri_password_rules(password, strlen(password), acc.name, acc.email, err) ||
        peri_password_hash(password, strlen(password), hash, err))
        return -1;
    if (!(db = peri_request_system(r, err))) return -1;
    rc = peri_db_begin(db, err);
    if (rc == 0) rc = peri_signup_reset(db, token, hash, peri_epoch(), &id, err);
    if (rc == 0) {
        r->actor.account = id;
        r->actor.name = acc.name;
        rc = peri_audit(r, db, "password.reset", acc.name, true,
                        json_pack("{s:s}", "link", once.purpose), err);
    }
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0) r->json = json_pack("{s:s}", "name", acc.name);
    return rc;
}

int peri_api_reset(peri_request_t *r, peri_err_t *err)
{
    const char *token, *password;
    if (read_link(r, "token password", &token, &password, err))
        return page_of(r, -1, "", "", err);
    int turn = peri_api_turn(r, err);
    if (turn <= 0) return turn;
    int rc = reset(r, token, password, err);
    peri_password_turn_give();
    return page_of(r, rc, "Your password is set",
                   "You can sign in with it. All other sessions have ended.", err);
}

/* ---- invitations by an administrator; teams have their own ---- */

static int invite(peri_request_t *r, peri_db_t *db, const char *email,
                  char secret[PERI_SECRET_LEN + 1], peri_err_t *err)
{
    const peri_signuprules_t rules = peri_api_signup_rules(r);
    peri_account_t a;
    char data[48];
    if (peri_account_by_login(db, email, r->arena, &a, err) == 0)
        return peri_err_set(err, PERI_ECONFLICT,
                            "this is the address of the account \"%s\"", a.name);
    if (err->code != PERI_ENOTFOUND) return -1;
    snprintf(data, sizeof(data), "{\"by\": %lld}", (long long)r->actor.account);
    return peri_signup_invite(db, &rules, email, data, r->actor.name, peri_epoch(),
                              secret, err);
}

int peri_api_invite(peri_request_t *r, peri_err_t *err)
{
    const char *email;
    char secret[PERI_SECRET_LEN + 1];
    json_t *o = peri_request_json(r, "email", err);
    if (!o || peri_json_text(o, "email", true, PERI_EMAIL_MAX, &email, err) ||
        peri_email_check(email, err))
        return -1;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (rc == 0) rc = invite(r, db, email, secret, err);
    if (rc == 0)
        rc = peri_audit(r, db, "account.invite", "", true,
                        json_pack("{s:s}", "email", email), err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    r->status = 201;
    r->json = json_pack("{s:s, s:f}", "email", email, "expires",
                        peri_epoch() + PERI_INVITE_SECONDS);
    /* A mail shows that the address is hers: then nobody else gets to see the code. */
    if (!r->portal->config->mail.server)
        json_object_set_new(r->json, "token", json_string(secret));
    return 0;
}

/* ---- the first administrator ---- */

/* An administrator is only made when that is said. */
static int setup(peri_db_t *db, peri_request_t *r, const char *name, bool admin,
                 char secret[PERI_SECRET_LEN + 1], peri_err_t *err)
{
    peri_account_t a;
    int64_t id;
    if (!admin && peri_account_by_name(db, name, r->arena, &a, err))
        return err->code == PERI_ENOTFOUND
                   ? peri_err_set(err, PERI_ENOTFOUND,
                                  "there is no account \"%s\"; with \"admin\": true "
                                  "one is made, an administrator's",
                                  name)
                   : -1;
    return peri_signup_setup(db, name, admin, peri_epoch(), &id, secret, err);
}

int peri_api_setup_link(peri_request_t *r, peri_err_t *err)
{
    const peri_signuprules_t rules = peri_api_signup_rules(r);
    const char *name;
    char secret[PERI_SECRET_LEN + 1];
    bool admin = false;
    json_t *o = peri_request_json(r, "name admin", err);
    if (!o || peri_json_text(o, "name", false, 64, &name, err) ||
        peri_json_bool(o, "admin", &admin, err))
        return -1;
    if (!name) name = r->actor.name;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (rc == 0) rc = setup(db, r, name, admin, secret, err);
    if (rc == 0)
        rc = peri_audit(r, db, "account.setup-link", name, true,
                        json_pack("{s:b}", "admin", admin), err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    r->status = 201;
    r->json =
        json_pack("{s:s, s:s, s:o, s:f}", "name", name, "token", secret, "url",
                  json_sprintf("%s/api/v1/account/reset?token=%s", rules.url, secret),
                  "expires", peri_epoch() + PERI_SETUP_SECONDS);
    return 0;
}
