/* api_account.c - one's own account: looking, changing, password, the end; finding
 * others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/access/thing.h"
#include "portal/account/account.h"
#include "portal/account/api.h"
#include "portal/account/name.h"
#include "portal/account/password.h"
#include "portal/account/signin.h"

#define SETTINGS_MAX 16384
#define FOUND_MOST   20

/* ---- looking ---- */

static json_t *token_json(const peri_actor_t *who)
{
    return json_pack("{s:I, s:f}", "id", (json_int_t)who->token, "expires", who->expires);
}

static json_t *account_json(const peri_request_t *r, const peri_account_t *a)
{
    const peri_actor_t *who = &r->actor;
    json_t *settings = json_loads(a->settings, 0, NULL);
    json_t *o = json_pack(
        "{s:I, s:s, s:s, s:s?, s:b, s:s, s:b, s:b, s:b, s:i, s:b, s:f, s:f, s:o}", "id",
        (json_int_t)a->id, "name", a->name, "full_name", a->full_name, "email", a->email,
        "email_known", a->email_known, "state", peri_accstate_name(a->state), "admin",
        who->admin, "has_password", a->password != NULL, "second_factor", a->totp,
        "recovery_codes", a->recovery, "local", a->unix_uid >= 0, "created", a->created,
        "seen", a->seen, "settings", settings ? settings : json_object());
    json_object_set_new(o, "quota", a->quota < 0 ? json_null() : json_integer(a->quota));
    json_object_set_new(o, "scopes", peri_api_scopes(who->scopes));
    json_object_set_new(o, "door",
                        json_string(who->session ? "session"
                                    : who->token ? "token"
                                                 : "local"));
    /* An administrator by name who is none yet. */
    if (a->admin && !who->admin && !who->token)
        json_object_set_new(o, "admin_needs_second_factor", json_true());
    if (who->token) json_object_set_new(o, "token", token_json(who));
    if (who->session) {
        json_object_set_new(o, "csrf", json_string(who->csrf));
        json_object_set_new(o, "session", json_integer((json_int_t)who->session));
    }
    return o;
}

static int answer(peri_request_t *r, peri_db_t *db, peri_err_t *err)
{
    peri_account_t a;
    if (peri_account_by_id(db, r->actor.account, r->arena, &a, err)) return -1;
    r->json = account_json(r, &a);
    peri_request_etag(r, a.tag);
    return 0;
}

/* A token of any scope learns whose it is: paths of files have the name in them. */
int peri_api_account(peri_request_t *r, peri_err_t *err)
{
    const peri_actor_t *who = &r->actor;
    if (who->token && !(who->scopes & PERI_SCOPE_ACCOUNT_READ)) {
        r->json = json_pack("{s:s, s:o, s:s, s:o}", "name", who->name, "scopes",
                            peri_api_scopes(who->scopes), "door", "token", "token",
                            token_json(who));
        return 0;
    }
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = answer(r, db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

static int on_account(const peri_account_t *a, void *arg)
{
    json_array_append_new(
        arg, json_pack("{s:s, s:s}", "name", a->name, "full_name", a->full_name));
    return 0;
}

int peri_api_accounts(peri_request_t *r, peri_err_t *err)
{
    const char *q = peri_request_arg(r, "q");
    if (!q || strlen(q) < 2)
        return peri_err_set(err, PERI_EINVAL,
                            "say whom you look for: ?q= and the first letters (two or "
                            "more) of a name");
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    json_t *list = json_array();
    int rc = peri_account_search(db, q, FOUND_MOST, on_account, list, err);
    peri_dbpool_put(r->portal->db, db);
    r->json = json_pack("{s:o, s:n}", "accounts", list, "next");
    return rc;
}

int peri_api_identities(peri_request_t *r, peri_err_t *err)
{
    char id[24];
    snprintf(id, sizeof(id), "%lld", (long long)r->actor.account);
    const char *const v[] = {id};
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    json_t *rows = peri_rows_json(
        db, err,
        "SELECT json_build_object('id', id, 'issuer', issuer, 'subject', subject, "
        "'label', label, 'created', created) FROM account_identity WHERE account = $1 "
        "ORDER BY id",
        1, v);
    peri_dbpool_put(r->portal->db, db);
    if (!rows) return -1;
    r->json = json_pack("{s:o, s:n}", "identities", rows, "next");
    return 0;
}

/* ---- changing ---- */

static int confirm(peri_request_t *r, const char *password, peri_err_t *err)
{
    double wait;
    if (peri_signin_confirm(r->portal->db, r->actor.account, password ? password : "",
                            peri_epoch(), &wait, err) == 0)
        return 0;
    if (wait > 0) return peri_api_wait(r, wait, "too many wrong passwords", err);
    return -1;
}

typedef struct {
    const char *full_name, *email, *password;
    bool email_given;
    char *settings; /* free() */
} edit_t;

static int read_edit(peri_request_t *r, edit_t *e, peri_err_t *err)
{
    json_t *o = peri_request_json(r, "full_name email password settings", err);
    if (!o || peri_json_text(o, "full_name", false, 400, &e->full_name, err) ||
        peri_json_text(o, "email", false, 400, &e->email, err) ||
        peri_json_text(o, "password", false, PERI_PASSWORD_MAX, &e->password, err) ||
        (e->full_name && peri_full_check(e->full_name, err)) ||
        (e->email && peri_email_check(e->email, err)))
        return -1;
    e->email_given = json_object_get(o, "email") != NULL;
    json_t *s = json_object_get(o, "settings");
    if (!s) return 0;
    if (!json_is_object(s))
        return peri_err_set(err, PERI_EINVAL, "\"settings\" is to be an object");
    /* Ours: what became of the account, and an address that nobody has verified. */
    static const char *const ours[] = {"deleted", "name", "contact"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (json_object_get(s, ours[i]))
            return peri_err_set(err, PERI_EINVAL, "\"%s\" is no setting of yours",
                                ours[i]);
    e->settings = json_dumps(s, JSON_COMPACT);
    if (e->settings && strlen(e->settings) <= SETTINGS_MAX) return 0;
    return peri_err_set(err, PERI_EINVAL, "settings have at most %d bytes", SETTINGS_MAX);
}

/* A new address counts when the link that goes to it comes back. */
static int edit_email(peri_request_t *r, peri_db_t *db, const char *email,
                      peri_err_t *err)
{
    const peri_signuprules_t rules = peri_api_signup_rules(r);
    const int64_t id = r->actor.account;
    double wait = 0;
    if (email && rules.mail && peri_api_count_mail(r, db, email, &wait, err)) return -1;
    if (wait > 0) return peri_api_wait(r, wait, "too many mails to this address", err);
    if (email && rules.mail)
        return peri_signup_mail_verify(db, &rules, id, r->actor.name, email, peri_epoch(),
                                       err);
    json_t *o = json_pack("{s:s?}", "contact", email);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    int rc = peri_account_edit(db, id, NULL, text, err);
    free(text);
    return rc || email ? rc : peri_account_set_email(db, id, NULL, err);
}

static int edit(peri_request_t *r, const edit_t *e, peri_err_t *err)
{
    peri_account_t a;
    const int64_t id = r->actor.account;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (rc == 0) rc = peri_account_by_id(db, id, r->arena, &a, err);
    if (rc == 0) rc = peri_request_match(r, a.tag, err);
    if (rc == 0 && (e->full_name || e->settings))
        rc = peri_account_edit(db, id, e->full_name, e->settings, err);
    if (rc == 0 && e->email_given) rc = edit_email(r, db, e->email, err);
    if (rc == 0)
        rc = peri_audit(r, db, "account.edit", r->actor.name, true,
                        json_pack("{s:b}", "email", e->email_given), err);
    if (rc == 0) rc = answer(r, db, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_account_edit(peri_request_t *r, peri_err_t *err)
{
    edit_t e = {0};
    int rc = read_edit(r, &e, err), turn = 0;
    if (rc == 0 && e.email_given) {
        rc = peri_api_by_person(r, err);
        if (rc == 0 && (turn = peri_api_turn(r, err)) <= 0) {
            free(e.settings);
            return turn;
        }
        if (rc == 0) rc = confirm(r, e.password, err);
        peri_password_turn_give();
    }
    if (rc == 0) rc = edit(r, &e, err);
    free(e.settings);
    return rc;
}

/* ---- password ---- */

static int set_password(peri_request_t *r, const char *old, const char *new,
                        peri_err_t *err)
{
    peri_account_t a;
    char hash[PERI_PASSWORD_TEXT];
    const int64_t id = r->actor.account;
    if (confirm(r, old, err)) return -1;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_account_by_id(db, id, r->arena, &a, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc || peri_password_rules(new, strlen(new), a.name, a.email, err) ||
        peri_password_hash(new, strlen(new), hash, err))
        return -1;
    if (!(db = peri_request_system(r, err))) return -1;
    rc = peri_db_begin(db, err);
    if (rc == 0) rc = peri_account_set_password(db, id, hash, r->actor.session, err);
    if (rc == 0) rc = peri_audit(r, db, "password.change", a.name, true, NULL, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_password(peri_request_t *r, peri_err_t *err)
{
    const char *old, *new;
    json_t *o = peri_request_json(r, "old new", err);
    if (!o || peri_json_text(o, "old", false, PERI_PASSWORD_MAX, &old, err) ||
        peri_json_text(o, "new", true, PERI_PASSWORD_MAX, &new, err) ||
        peri_api_by_person(r, err))
        return -1;
    int turn = peri_api_turn(r, err);
    if (turn <= 0) return turn;
    int rc = set_password(r, old, new, err);
    peri_password_turn_give();
    if (rc == 0) r->status = 204;
    return rc;
}

/* ---- the end ---- */

static int remove_account(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_db_begin(db, err);
    if (rc == 0) rc = peri_account_delete(db, r->actor.account, err);
    if (rc == 0) rc = peri_audit(r, db, "account.delete", r->actor.name, true, NULL, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_account_delete(peri_request_t *r, peri_err_t *err)
{
    const char *password;
    json_t *o = peri_request_json(r, "password", err);
    if (!o || peri_json_text(o, "password", false, PERI_PASSWORD_MAX, &password, err) ||
        peri_api_by_person(r, err))
        return -1;
    int turn = peri_api_turn(r, err);
    if (turn <= 0) return turn;
    int rc = confirm(r, password, err);
    peri_password_turn_give();
    if (rc || remove_account(r, err)) return -1;
    if (r->actor.session) peri_api_drop_cookie(r);
    r->status = 204;
    return 0;
}
