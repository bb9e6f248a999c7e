/* api_tokens.c - sessions, access tokens, the second factor of one's own account. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/account.h"
#include "portal/account/api.h"
#include "portal/account/factor.h"
#include "portal/account/password.h"
#include "portal/account/signin.h"

/* The number in the path. */
static int read_id(peri_request_t *r, int64_t *id, peri_err_t *err)
{
    char *end;
    errno = 0;
    *id = strtoll(r->param[0], &end, 10);
    if (!*end && !errno && *id > 0) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "\"%.40s\" is no number of one of yours",
                        r->param[0]);
}

static int finish(peri_request_t *r, peri_db_t *db, int rc, const char *action,
                  const char *thing, peri_err_t *err)
{
    if (rc == 0) rc = peri_audit(r, db, action, thing, true, NULL, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

/* ---- sessions ---- */

typedef struct {
    json_t *list;
    int64_t current;
} sessions_t;

static int on_session(const peri_sessionrow_t *s, void *arg)
{
    sessions_t *c = arg;
    json_array_append_new(c->list,
                          json_pack("{s:I, s:f, s:f, s:f, s:s, s:s, s:b}", "id",
                                    (json_int_t)s->id, "created", s->created, "seen",
                                    s->seen, "expires", s->expires, "client", s->client,
                                    "agent", s->agent, "current", s->id == c->current));
    return 0;
}

int peri_api_sessions(peri_request_t *r, peri_err_t *err)
{
    const peri_sessionrules_t rules = peri_api_session_rules(r);
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    sessions_t c = {.list = json_array(), .current = r->actor.session};
    int rc = peri_session_list(db, r->actor.account, &rules, peri_epoch(), on_session, &c,
                               err);
    peri_dbpool_put(r->portal->db, db);
    r->json = json_pack("{s:o, s:n}", "sessions", c.list, "next");
    return rc;
}

int peri_api_session_revoke(peri_request_t *r, peri_err_t *err)
{
    int64_t id;
    if (read_id(r, &id, err)) return -1;
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_session_revoke(db, r->actor.account, id, 0, err);
    if (finish(r, db, rc, "session.revoke", r->param[0], err)) return -1;
    if (id == r->actor.session) peri_api_drop_cookie(r);
    r->status = 204;
    return 0;
}

int peri_api_sessions_revoke(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_session_revoke(db, r->actor.account, 0, r->actor.session, err);
    if (finish(r, db, rc, "session.revoke", "others", err)) return -1;
    r->status = 204;
    return 0;
}

/* ---- tokens ---- */

static int on_token(const peri_tokenrow_t *t, void *arg)
{
    json_array_append_new(
        arg, json_pack("{s:I, s:s, s:o, s:f, s:o, s:f}", "id", (json_int_t)t->id, "name",
                       t->name, "scopes", peri_api_scopes(t->scopes), "created",
                       t->created, "used", t->used > 0 ? json_real(t->used) : json_null(),
                       "expires", t->expires));
    return 0;
}

int peri_api_tokens(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list = json_array();
    int rc = peri_token_list(db, r->actor.account, on_token, list, err);
    peri_dbpool_put(r->portal->db, db);
    r->json = json_pack("{s:o, s:n}", "tokens", list, "next");
    return rc;
}

static int read_scopes(const peri_request_t *r, const json_t *list, unsigned *scopes,
                       peri_err_t *err)
{
    size_t i;
    json_t *v;
    *scopes = 0;
    if (!json_is_array(list))
        return peri_err_set(err, PERI_EINVAL,
                            "\"scopes\" is to be a list such as [\"files:read\"], or "
                            "[\"all\"]");
    json_array_foreach(list, i, v)
    {
        const char *name = json_string_value(v);
        unsigned one = name ? peri_scope_of(name) : 0;
        if (!one)
            return peri_err_set(err, PERI_EINVAL,
                                "at /scopes/%zu: there is no such scope; there are "
                                "files, jobs, teams, account with :read or :write, sql, "
                                "admin, all",
                                i);
        *scopes |= one;
    }
    if ((*scopes & PERI_SCOPE_ADMIN) && !r->actor.admin)
        return peri_err_set(err, PERI_EDENIED,
                            "the scope \"admin\" is for administrators");
    return 0;
}

int peri_api_token_make(peri_request_t *r, peri_err_t *err)
{
    peri_newtoken_t n;
    char secret[PERI_SECRET_LEN + 1];
    const double now = peri_epoch();
    int64_t id = 0, days = 0;
    json_t *o = peri_request_json(r, "name scopes days", err);
    /* By a token: else it would live for ever, and could do more than it was made for. */
    if (!o || peri_api_by_person(r, err) ||
        peri_json_text(o, "name", true, PERI_TOKEN_NAME, &n.name, err) ||
        peri_json_number(o, "days", true, 1, PERI_TOKEN_DAYS, &days, err) ||
        read_scopes(r, json_object_get(o, "scopes"), &n.scopes, err))
        return -1;
    n.expires = floor(now) + (double)days * 86400;
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_token_new(db, r->actor.account, &n, now, &id, secret, err);
    if (finish(r, db, rc, "token.make", n.name, err)) return -1;
    r->status = 201;
    r->json = json_pack("{s:I, s:s, s:s, s:o, s:f}", "id", (json_int_t)id, "name", n.name,
                        "token", secret, "scopes", peri_api_scopes(n.scopes), "expires",
                        n.expires);
    return 0;
}

int peri_api_token_revoke(peri_request_t *r, peri_err_t *err)
{
    int64_t id;
    if (read_id(r, &id, err)) return -1;
    /* A program may always give its own back. */
    if (id != r->actor.token && !(r->actor.scopes & PERI_SCOPE_ACCOUNT_WRITE))
        return peri_err_set(err, PERI_EDENIED,
                            "this token may not do that: it lacks the scope "
                            "\"account:write\"");
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_token_revoke(db, r->actor.account, id, err);
    if (finish(r, db, rc, "token.revoke", r->param[0], err)) return -1;
    r->status = 204;
    return 0;
}

/* ---- second factor ---- */

static peri_db_t *own_begin(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_system(r, err);
    if (!db || peri_db_begin(db, err) == 0) return db;
    peri_dbpool_put(r->portal->db, db);
    return NULL;
}

int peri_api_totp_start(peri_request_t *r, peri_err_t *err)
{
    peri_account_t a;
    char secret[PERI_TOTP_TEXT + 1];
    if (peri_api_by_person(r, err) || !peri_request_json(r, "", err)) return -1;
    peri_db_t *db = own_begin(r, err);
    if (!db) return -1;
    int rc = peri_account_by_id(db, r->actor.account, r->arena, &a, err);
    if (rc == 0 && a.totp)
        rc = peri_err_set(err, PERI_ECONFLICT,
                          "there is a second factor already: remove it first");
    if (rc == 0) rc = peri_factor_start(db, r->actor.account, secret, err);
    if (finish(r, db, rc, "totp.start", r->actor.name, err)) return -1;
    char *uri = peri_totp_uri("Perigee", r->actor.name, secret);
    r->status = 201;
    r->json = json_pack("{s:s, s:s?}", "secret", secret, "uri", uri);
    free(uri);
    return 0;
}

int peri_api_totp_confirm(peri_request_t *r, peri_err_t *err)
{
    char codes[PERI_RECOVERY_CODES][PERI_RECOVERY_LEN + 1];
    const char *code;
    json_t *o = peri_request_json(r, "code", err);
    if (!o || peri_json_text(o, "code", true, 64, &code, err) ||
        peri_api_by_person(r, err))
        return -1;
    peri_db_t *db = own_begin(r, err);
    if (!db) return -1;
    int rc = peri_factor_confirm(db, r->actor.account, code, peri_epoch(), codes, err);
    if (finish(r, db, rc, "totp.confirm", r->actor.name, err)) return -1;
    json_t *list = json_array();
    for (int i = 0; i < PERI_RECOVERY_CODES; i++)
        json_array_append_new(list, json_string(codes[i]));
    r->json = json_pack("{s:o}", "recovery", list);
    return 0;
}

int peri_api_totp_remove(peri_request_t *r, peri_err_t *err)
{
    const char *password;
    double wait = 0;
    json_t *o = peri_request_json(r, "password", err);
    if (!o || peri_json_text(o, "password", false, PERI_PASSWORD_MAX, &password, err) ||
        peri_api_by_person(r, err))
        return -1;
    int turn = peri_api_turn(r, err);
    if (turn <= 0) return turn;
    int rc = peri_signin_confirm(r->portal->db, r->actor.account,
                                 password ? password : "", peri_epoch(), &wait, err);
    peri_password_turn_give();
    if (wait > 0) return peri_api_wait(r, wait, "too many wrong passwords", err);
    if (rc) return -1;
    peri_db_t *db = own_begin(r, err);
    if (!db) return -1;
    rc = peri_factor_remove(db, r->actor.account, err);
    if (finish(r, db, rc, "totp.remove", r->actor.name, err)) return -1;
    r->status = 204;
    return 0;
}
