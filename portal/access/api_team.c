/* api_team.c - requests about teams, their members, invitations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/access/routes.h"
#include "portal/access/team.h"
#include "portal/account/signup.h"

#define TEAM_JSON                                                                        \
    "SELECT json_build_object('name', t.name, 'title', t.title, 'description', "         \
    "t.description, 'kind', t.kind, 'public', t.public, 'created', t.created, "          \
    "'version', t.version, 'role', m.role, 'state', m.state, 'members', (SELECT "        \
    "count(*) FROM team_member c WHERE c.team = t.id AND c.state = 'active'), "          \
    "'volumes', (SELECT coalesce(json_agg('team:' || t.name || '/' || v.name ORDER BY "  \
    "v.name), '[]') FROM volume v WHERE v.team = t.id AND v.removed IS NULL)) "          \
    "FROM team t LEFT JOIN team_member m ON m.team = t.id AND m.account = $1::bigint "

/* ---- what all do ---- */

typedef struct {
    peri_db_t *db; /* with the daemon's own rights, in a transaction */
    peri_thing_t team;
    char me[24];
} work_t;

/* The team that param[0] names, after a look at the rights to it. */
static int begin(peri_request_t *r, work_t *w, unsigned rights, peri_err_t *err)
{
    snprintf(w->me, sizeof(w->me), "%lld", (long long)r->actor.account);
    w->db = peri_request_system(r, err);
    if (!w->db) return -1;
    if (peri_db_begin(w->db, err) == 0 &&
        peri_thing_find(r, w->db, "team", r->param[0], &w->team, err) == 0 &&
        (!rights || peri_access_need(r, w->db, "team", w->team.id, "", rights,
                                     r->param[0], err) == 0))
        return 0;
    peri_dbpool_put(r->portal->db, w->db);
    return -1;
}

/* The team as the answer. */
static int show(peri_request_t *r, const work_t *w, peri_err_t *err)
{
    char id[24];
    snprintf(id, sizeof(id), "%lld", (long long)w->team.id);
    const char *const v[] = {w->me, id};
    json_t *list = peri_rows_json(w->db, err, TEAM_JSON "WHERE t.id = $2::bigint", 2, v);
    if (!list) return -1;
    r->json = json_incref(json_array_get(list, 0));
    json_decref(list);
    return 0;
}

/* Commits what went well; what: for the audit log. */
static int end(peri_request_t *r, work_t *w, int rc, const char *action, json_t *context,
               peri_err_t *err)
{
    if (rc == 0)
        rc = peri_audit(r, w->db, action, w->team.label, true, context, err);
    else
        json_decref(context);
    if (rc == 0) rc = peri_db_commit(w->db, err);
    peri_dbpool_put(r->portal->db, w->db);
    return rc;
}

static int find_account(peri_db_t *db, const char *name, int64_t *id, peri_err_t *err)
{
    PGresult *q =
        peri_db_query(db, err,
                      "SELECT id FROM account WHERE (lower(name) = lower($1) OR "
                      "(email_known AND lower(email) = lower($1))) AND state = "
                      "'active'",
                      1, &name);
    if (!q) return -1;
    *id = PQntuples(q) ? strtoll(PQgetvalue(q, 0, 0), NULL, 10) : 0;
    PQclear(q);
    if (*id) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "there is no account \"%.100s\"", name);
}

/* ---- teams ---- */

int peri_api_teams(peri_request_t *r, peri_err_t *err)
{
    char me[24];
    const char *public = peri_request_arg(r, "public");
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const char *const v[] = {me};
    json_t *list = peri_rows_json(
        db, err,
        public ? TEAM_JSON "WHERE t.public ORDER BY t.name LIMIT 1000"
               : TEAM_JSON "WHERE m.account IS NOT NULL ORDER BY t.name LIMIT 1000",
        1, v);
    peri_dbpool_put(r->portal->db, db);
    r->json = list ? json_pack("{s:o}", "teams", list) : NULL;
    return list ? 0 : -1;
}

int peri_api_team_make(peri_request_t *r, peri_err_t *err)
{
    peri_newteam_t t = {0};
    const char *kind = NULL;
    work_t w = {0};
    json_t *o = peri_request_json(r, "name title description kind public", err);
    if (!o || peri_json_text(o, "name", true, 64, &t.name, err) ||
        peri_json_text(o, "title", false, 200, &t.title, err) ||
        peri_json_text(o, "description", false, 10000, &t.description, err) ||
        peri_json_text(o, "kind", false, 20, &kind, err) ||
        peri_json_bool(o, "public", &t.is_public, err))
        return -1;
    if (kind && strcmp(kind, "team") != 0 && strcmp(kind, "class") != 0)
        return peri_err_set(err, PERI_EINVAL, "\"kind\" is team or class, not \"%s\"",
                            kind);
    t.is_class = kind && !strcmp(kind, "class");
    snprintf(w.me, sizeof(w.me), "%lld", (long long)r->actor.account);
    w.team.label = t.name;
    w.db = peri_request_system(r, err);
    if (!w.db) return -1;
    int rc = peri_db_begin(w.db, err);
    if (rc == 0) rc = peri_team_make(w.db, &t, r->actor.account, &w.team.id, err);
    if (rc == 0) rc = show(r, &w, err);
    if (end(r, &w, rc, "team.make", NULL, err)) return -1;
    r->status = 201;
    return 0;
}

int peri_api_team(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    char tag[32];
    if (begin(r, &w, PERI_RIGHT_SEE, err)) return -1;
    const int rc = show(r, &w, err);
    peri_dbpool_put(r->portal->db, w.db);
    if (rc) return -1;
    snprintf(tag, sizeof(tag), "%lld",
             (long long)json_integer_value(json_object_get(r->json, "version")));
    peri_request_etag(r, tag);
    return 0;
}

int peri_api_team_edit(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    char id[24], tag[32];
    const char *title = NULL, *description = NULL;
    json_t *o = peri_request_json(r, "title description public", err);
    if (!o || peri_json_text(o, "title", false, 200, &title, err) ||
        peri_json_text(o, "description", false, 10000, &description, err))
        return -1;
    const json_t *open = json_object_get(o, "public");
    if (open && !json_is_boolean(open))
        return peri_err_set(err, PERI_EINVAL, "\"public\" is to be true or false");
    if (begin(r, &w, PERI_RIGHT_WRITE, err)) return -1;
    snprintf(id, sizeof(id), "%lld", (long long)w.team.id);
    const char *const v[] = {id, title, description,
                             open ? (json_is_true(open) ? "t" : "f") : NULL};
    PGresult *q = peri_db_query(
        w.db, err, "SELECT version FROM team WHERE id = $1::bigint FOR UPDATE", 1, v);
    int rc = q ? 0 : -1;
    snprintf(tag, sizeof(tag), "%s", q && PQntuples(q) ? PQgetvalue(q, 0, 0) : "");
    PQclear(q);
    if (rc == 0) rc = peri_request_match(r, tag, err);
    if (rc == 0 &&
        peri_db_exec(w.db, err,
                     "UPDATE team SET title = coalesce($2, title), description = "
                     "coalesce($3, description), public = coalesce($4::boolean, public), "
                     "version = version + 1 WHERE id = $1::bigint",
                     4, v) < 0)
        rc = -1;
    if (rc == 0) rc = show(r, &w, err);
    return end(r, &w, rc, "team.edit", NULL, err);
}

int peri_api_team_delete(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    const char *files = peri_request_arg(r, "files");
    if (begin(r, &w, PERI_RIGHT_OWN, err)) return -1;
    const int rc = peri_team_delete(w.db, w.team.id, files && !strcmp(files, "1"), err);
    if (end(r, &w, rc, "team.delete", NULL, err)) return -1;
    r->status = 204;
    return 0;
}

/* ---- members ---- */

int peri_api_team_members(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    char id[24];
    if (begin(r, &w, PERI_RIGHT_READ, err)) return -1;
    snprintf(id, sizeof(id), "%lld", (long long)w.team.id);
    const char *const v[] = {id};
    json_t *list = peri_rows_json(
        w.db, err,
        "SELECT json_build_object('account', a.name, 'full_name', a.full_name, 'role', "
        "m.role, 'state', m.state, 'since', m.since) FROM team_member m JOIN account a "
        "ON "
        "a.id = m.account WHERE m.team = $1::bigint ORDER BY m.role = 'owner' DESC, "
        "m.role, "
        "a.name",
        1, v);
    peri_dbpool_put(r->portal->db, w.db);
    r->json = list ? json_pack("{s:o}", "members", list) : NULL;
    return list ? 0 : -1;
}

/* Somebody who has no account is invited to the portal, and to the team with it. */
static int invite_stranger(peri_request_t *r, const work_t *w, const char *email,
                           const char *role, char secret[PERI_SECRET_LEN + 1],
                           peri_err_t *err)
{
    const peri_signuprules_t rules =
        peri_signup_rules(r->portal->config, peri_portal_url(r->portal));
    char data[96];
    if (strcmp(role, "member") != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "who has no account yet is invited as a member first");
    snprintf(data, sizeof(data), "{\"team\": %lld, \"role\": \"member\", \"by\": %lld}",
             (long long)w->team.id, (long long)r->actor.account);
    return peri_signup_invite(w->db, &rules, email, data, r->actor.name, peri_epoch(),
                              secret, err);
}

int peri_api_team_invite(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    int64_t account;
    const char *name = NULL, *role = NULL;
    char secret[PERI_SECRET_LEN + 1] = "";
    json_t *o = peri_request_json(r, "account role", err);
    if (!o || peri_json_text(o, "account", true, 200, &name, err) ||
        peri_json_text(o, "role", false, 20, &role, err))
        return -1;
    if (!role) role = "member";
    if (begin(r, &w, PERI_RIGHT_WRITE, err)) return -1;
    int rc = find_account(w.db, name, &account, err);
    if (rc == 0)
        rc = peri_team_invite(w.db, w.team.id, account, role, r->actor.account, err);
    else if (err->code == PERI_ENOTFOUND && strchr(name, '@'))
        rc = invite_stranger(r, &w, name, role, secret, err);
    if (end(r, &w, rc, "team.invite",
            json_pack("{s:s, s:s}", "account", name, "role", role), err))
        return -1;
    r->status = 201;
    r->json =
        json_pack("{s:s, s:s, s:s}", "team", r->param[0], "account", name, "role", role);
    /* Without mail it is handed over in another way. */
    if (*secret && !r->portal->config->mail.server)
        json_object_set_new(r->json, "token", json_string(secret));
    return 0;
}

int peri_api_team_member_edit(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    int64_t account;
    const char *role = NULL;
    json_t *o = peri_request_json(r, "role", err);
    if (!o || peri_json_text(o, "role", true, 20, &role, err)) return -1;
    if (begin(r, &w, PERI_RIGHT_WRITE, err)) return -1;
    int rc = find_account(w.db, r->param[1], &account, err);
    if (rc == 0)
        rc = peri_team_role(w.db, w.team.id, account, role, r->actor.account, err);
    if (end(r, &w, rc, "team.role",
            json_pack("{s:s, s:s}", "account", r->param[1], "role", role), err))
        return -1;
    r->json = json_pack("{s:s, s:s}", "account", r->param[1], "role", role);
    return 0;
}

static int leave(peri_request_t *r, work_t *w, int64_t account, const char *name,
                 peri_err_t *err)
{
    const int rc = peri_team_remove(w->db, w->team.id, account, r->actor.account, err);
    if (end(r, w, rc, "team.remove", json_pack("{s:s}", "account", name), err)) return -1;
    r->status = 204;
    return 0;
}

int peri_api_team_member_remove(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    int64_t account;
    if (begin(r, &w, PERI_RIGHT_WRITE, err)) return -1;
    if (find_account(w.db, r->param[1], &account, err) == 0)
        return leave(r, &w, account, r->param[1], err);
    peri_dbpool_put(r->portal->db, w.db);
    return -1;
}

int peri_api_team_leave(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    if (begin(r, &w, PERI_RIGHT_SEE, err)) return -1;
    return leave(r, &w, r->actor.account, r->actor.name, err);
}

int peri_api_team_join(peri_request_t *r, peri_err_t *err)
{
    work_t w;
    if (begin(r, &w, PERI_RIGHT_SEE, err)) return -1;
    int rc = peri_team_join(w.db, w.team.id, r->actor.account, err);
    if (rc == 0) rc = show(r, &w, err);
    return end(r, &w, rc, "team.join", NULL, err);
}

/* ---- invitations to me ---- */

int peri_api_invitations(peri_request_t *r, peri_err_t *err)
{
    char me[24];
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    const char *const v[] = {me};
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list = peri_rows_json(db, err,
                                  "SELECT json_build_object('team', t.name, 'title', "
                                  "t.title, 'kind', t.kind, 'role', "
                                  "m.role, 'by', b.name, 'since', m.since) FROM "
                                  "team_member m JOIN team t ON t.id = "
                                  "m.team LEFT JOIN account b ON b.id = m.invited_by "
                                  "WHERE m.account = $1::bigint AND "
                                  "m.state = 'invited' ORDER BY m.since",
                                  1, v);
    peri_dbpool_put(r->portal->db, db);
    r->json = list ? json_pack("{s:o}", "invitations", list) : NULL;
    return list ? 0 : -1;
}

static int answer(peri_request_t *r, bool accept, peri_err_t *err)
{
    work_t w;
    if (begin(r, &w, PERI_RIGHT_SEE, err)) return -1;
    const int rc = peri_team_answer(w.db, w.team.id, r->actor.account, accept, err);
    if (end(r, &w, rc, accept ? "team.accept" : "team.decline", NULL, err)) return -1;
    r->status = 204;
    return 0;
}

int peri_api_invitation_accept(peri_request_t *r, peri_err_t *err)
{
    return answer(r, true, err);
}

int peri_api_invitation_decline(peri_request_t *r, peri_err_t *err)
{
    return answer(r, false, err);
}
