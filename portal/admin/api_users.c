/* api_users.c - administrators look after accounts. What is in the volumes of others they
 * do not see.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/access/thing.h"
#include "portal/account/account.h"
#include "portal/account/signup.h"
#include "portal/admin/admin.h"

#define USER_JSON                                                                        \
    "SELECT json_build_object('name', a.name, 'full_name', a.full_name, 'email', "       \
    "a.email, 'email_known', a.email_known, 'state', a.state, 'admin', a.admin, "        \
    "'second_factor', a.totp IS NOT NULL, 'local', a.unix_uid IS NOT NULL, 'quota', "    \
    "a.quota, 'used', (SELECT coalesce(sum(v.used), 0) FROM volume v WHERE v.account = " \
    "a.id AND v.team IS NULL), 'jobs', (SELECT count(*) FROM job j WHERE j.owner = "     \
    "a.id "                                                                              \
    "AND j.state IN ('waiting', 'queued', 'running')), 'created', a.created, 'seen', "   \
    "a.seen) FROM account a "

static int list(peri_request_t *r, const char *state, peri_err_t *err)
{
    char limit[24];
    int64_t n;
    if (peri_request_number(r, "limit", 1, 1000, 100, &n, err)) return -1;
    snprintf(limit, sizeof(limit), "%lld", (long long)n);
    const char *const v[] = {peri_request_arg(r, "q"), state,
                             peri_request_arg(r, "after"), limit};
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    json_t *rows = peri_rows_json(
        db, err,
        USER_JSON
        "WHERE ($1::text IS NULL OR starts_with(lower(a.name), lower($1)) OR "
        "strpos(lower(a.full_name), lower($1)) > 0 OR "
        "starts_with(lower(a.email), lower($1))) AND ($2::text IS NULL OR a.state "
        "= $2) AND ($3::text IS NULL OR lower(a.name) > lower($3)) ORDER BY "
        "lower(a.name) LIMIT $4::int",
        4, v);
    peri_dbpool_put(r->portal->db, db);
    if (!rows) return -1;
    const size_t got = json_array_size(rows);
    json_t *last = json_object_get(json_array_get(rows, got ? got - 1 : 0), "name");
    r->json = json_pack("{s:O, s:O}", "users", rows, "next",
                        got == (size_t)n && last ? last : json_null());
    json_decref(rows);
    return 0;
}

int peri_api_users(peri_request_t *r, peri_err_t *err)
{
    return list(r, peri_request_arg(r, "state"), err);
}

int peri_api_approvals(peri_request_t *r, peri_err_t *err)
{
    return list(r, peri_accstate_name(PERI_ACC_APPROVAL), err);
}

/* ---- one account ---- */

typedef struct {
    peri_db_t *db; /* in a transaction with the daemon's own rights */
    peri_account_t a;
} work_t;

static int begin(peri_request_t *r, work_t *w, peri_err_t *err)
{
    w->db = peri_request_system(r, err);
    if (!w->db) return -1;
    if (peri_db_begin(w->db, err) == 0 &&
        peri_account_by_name(w->db, r->param[0], r->arena, &w->a, err) == 0)
        return 0;
    peri_dbpool_put(r->portal->db, w->db);
    return -1;
}

static int show(peri_request_t *r, peri_db_t *db, const char *name, peri_err_t *err)
{
    json_t *rows =
        peri_rows_json(db, err, USER_JSON "WHERE lower(a.name) = lower($1)", 1, &name);
    if (!rows) return -1;
    r->json = json_incref(json_array_get(rows, 0));
    json_decref(rows);
    return 0;
}

static int end(peri_request_t *r, work_t *w, int rc, const char *action, const char *name,
               json_t *context, peri_err_t *err)
{
    if (rc == 0)
        rc = peri_audit(r, w->db, action, name, true, context, err);
    else
        json_decref(context);
    if (rc == 0) rc = peri_db_commit(w->db, err);
    peri_dbpool_put(r->portal->db, w->db);
    return rc;
}

int peri_api_user(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    if (begin(r, &w, err)) return -1;
    const int rc = show(r, w.db, w.a.name, err);
    peri_dbpool_put(r->portal->db, w.db);
    return rc;
}

int peri_api_user_make(peri_request_t *r, peri_err_t *err)
{
    work_t w = {0};
    const char *name = NULL, *full = NULL;
    char secret[PERI_SECRET_LEN + 1];
    int64_t id;
    bool admin = false;
    json_t *o = peri_request_json(r, "name full_name admin", err);
    if (!o || peri_json_text(o, "name", true, 64, &name, err) ||
        peri_json_text(o, "full_name", false, 200, &full, err) ||
        peri_json_bool(o, "admin", &admin, err))
        return -1;
    w.db = peri_request_system(r, err);
    if (!w.db) return -1;
    int rc = peri_db_begin(w.db, err);
    if (rc == 0 && peri_account_by_name(w.db, name, r->arena, &w.a, NULL) == 0)
        rc =
            peri_err_set(err, PERI_ECONFLICT, "there is an account \"%s\" already", name);
    if (rc == 0)
        rc = peri_signup_setup(w.db, name, admin, peri_epoch(), &id, secret, err);
    if (rc == 0 && full) rc = peri_account_edit(w.db, id, full, NULL, err);
    if (rc == 0) rc = show(r, w.db, name, err);
    if (end(r, &w, rc, "account.make", name, NULL, err)) return -1;
    json_object_set_new(r->json, "token", json_string(secret));
    r->status = 201;
    return 0;
}

int peri_api_user_link(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    char secret[PERI_SECRET_LEN + 1];
    int64_t id;
    if (begin(r, &w, err)) return -1;
    const int rc =
        peri_signup_setup(w.db, w.a.name, w.a.admin, peri_epoch(), &id, secret, err);
    if (end(r, &w, rc, "account.link", w.a.name, NULL, err)) return -1;
    r->json = json_pack("{s:s, s:s}", "name", w.a.name, "token", secret);
    r->status = 201;
    return 0;
}

/* The portal is not left without anybody who looks after it. */
static int other_admin(peri_db_t *db, int64_t id, peri_err_t *err)
{
    char number[24];
    snprintf(number, sizeof(number), "%lld", (long long)id);
    const char *const v[] = {number};
    PGresult *q =
        peri_db_query(db, err,
                      "SELECT 1 FROM account WHERE admin AND state = 'active' AND "
                      "id <> $1::bigint LIMIT 1",
                      1, v);
    if (!q) return -1;
    const bool found = PQntuples(q) > 0;
    PQclear(q);
    if (found) return 0;
    return peri_err_set(err, PERI_ECONFLICT,
                        "this is the only administrator: make another one first");
}

static int set_field(peri_db_t *db, int64_t id, const char *sql, const char *value,
                     peri_err_t *err)
{
    char number[24];
    snprintf(number, sizeof(number), "%lld", (long long)id);
    const char *const v[] = {number, value};
    return peri_db_exec(db, err, sql, 2, v) < 0 ? -1 : 0;
}

static int set_quota(const work_t *w, const json_t *quota, peri_err_t *err)
{
    char bytes[24];
    if (!quota) return 0;
    if (!json_is_null(quota) &&
        !(json_is_integer(quota) && json_integer_value(quota) >= 0))
        return peri_err_set(err, PERI_EINVAL,
                            "\"quota\" is a number of bytes, or null for the default");
    snprintf(bytes, sizeof(bytes), "%lld", (long long)json_integer_value(quota));
    return set_field(w->db, w->a.id,
                     "UPDATE account SET quota = $2::bigint WHERE id = "
                     "$1::bigint",
                     json_is_null(quota) ? NULL : bytes, err);
}

static int set_admin(const work_t *w, const json_t *admin, peri_err_t *err)
{
    if (!admin) return 0;
    if (!json_is_boolean(admin))
        return peri_err_set(err, PERI_EINVAL, "\"admin\" is to be true or false");
    if (json_is_false(admin) && other_admin(w->db, w->a.id, err)) return -1;
    return set_field(w->db, w->a.id,
                     "UPDATE account SET admin = $2::boolean WHERE id = "
                     "$1::bigint",
                     json_is_true(admin) ? "t" : "f", err);
}

static int set_state(const work_t *w, const char *state, peri_err_t *err)
{
    if (!state) return 0;
    if (strcmp(state, "active") != 0 && strcmp(state, "disabled") != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "\"state\" is active or disabled, not \"%s\"", state);
    const peri_accstate_t to = peri_accstate_of(state);
    if (w->a.state == to) return 0;
    if (to == PERI_ACC_DISABLED && w->a.admin && other_admin(w->db, w->a.id, err))
        return -1;
    return peri_account_set_state(w->db, w->a.id, to, err);
}

int peri_api_user_edit(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    const char *state = NULL, *full = NULL;
    json_t *o = peri_request_json(r, "full_name quota admin state", err);
    if (!o || peri_json_text(o, "state", false, 20, &state, err) ||
        peri_json_text(o, "full_name", false, 200, &full, err) || begin(r, &w, err))
        return -1;
    int rc = set_quota(&w, json_object_get(o, "quota"), err);
    if (rc == 0) rc = set_admin(&w, json_object_get(o, "admin"), err);
    if (rc == 0) rc = set_state(&w, state, err);
    if (rc == 0 && full) rc = peri_account_edit(w.db, w.a.id, full, NULL, err);
    if (rc == 0) rc = show(r, w.db, w.a.name, err);
    return end(r, &w, rc, "account.edit", w.a.name, json_deep_copy(o), err);
}

int peri_api_user_delete(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    if (begin(r, &w, err)) return -1;
    int rc = w.a.admin ? other_admin(w.db, w.a.id, err) : 0;
    if (rc == 0) rc = peri_account_delete(w.db, w.a.id, err);
    if (end(r, &w, rc, "account.delete", w.a.name, NULL, err)) return -1;
    r->status = 204;
    return 0;
}

int peri_api_approval(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    json_t *o = peri_request_json(r, "approve", err);
    const json_t *yes = json_object_get(o, "approve");
    if (!o) return -1;
    if (!json_is_boolean(yes))
        return peri_err_set(err, PERI_EINVAL, "\"approve\" is to be true or false");
    if (begin(r, &w, err)) return -1;
    int rc = w.a.state == PERI_ACC_APPROVAL
                 ? peri_account_set_state(
                       w.db, w.a.id,
                       json_is_true(yes) ? PERI_ACC_ACTIVE : PERI_ACC_DISABLED, err)
                 : peri_err_set(err, PERI_ECONFLICT,
                                "the account %s waits for no approval", w.a.name);
    if (rc == 0) rc = show(r, w.db, w.a.name, err);
    return end(r, &w, rc, "account.approve", w.a.name, json_deep_copy(o), err);
}
