/* api_grant.c - requests about grants: who may do what to one's things. They run with the
 * rights of who asks: row-level security checks them a second time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/access/routes.h"
#include "portal/access/tables.h"
#include "portal/access/thing.h"
#include "portal/storage/path.h"

#define GRANT_JSON                                                                       \
    "SELECT json_build_object('id', g.id, 'kind', g.kind, 'thing', "                     \
    "perigee_label(g.kind, g.thing, g.path), 'to', CASE WHEN g.to_all THEN "             \
    "json_build_object('everyone', true) WHEN g.to_team IS NOT NULL THEN "               \
    "json_build_object('team', perigee_label('team', g.to_team, '')) ELSE "              \
    "json_build_object('account', a.name) END, 'rights', to_json(array_remove(ARRAY["    \
    "CASE WHEN g.rights & 1 <> 0 THEN 'see' END, CASE WHEN g.rights & 2 <> 0 THEN "      \
    "'read' END, CASE WHEN g.rights & 4 <> 0 THEN 'write' END, CASE WHEN g.rights & 8 "  \
    "<> 0 THEN 'run' END, CASE WHEN g.rights & 16 <> 0 THEN 'grant' END], NULL)), "      \
    "'by', "                                                                             \
    "b.name, 'created', g.created, 'expires', g.expires) FROM access_grant g LEFT JOIN " \
    "account a ON a.id = g.to_account LEFT JOIN account b ON b.id = g.by "
#define LIVE "(g.expires IS NULL OR g.expires > extract(epoch FROM now()))"

static int rights_in(const json_t *o, unsigned *out, peri_err_t *err)
{
    /* What follows from a right: who may write may read, who may read sees it. */
    static const unsigned with[][2] = {
        {PERI_RIGHT_READ, PERI_RIGHT_SEE},
        {PERI_RIGHT_WRITE, PERI_RIGHT_SEE | PERI_RIGHT_READ},
        {PERI_RIGHT_RUN, PERI_RIGHT_SEE},
        {PERI_RIGHT_GRANT, PERI_RIGHT_SEE}};
    const json_t *list = json_object_get(o, "rights"), *word;
    size_t i;
    *out = 0;
    if (!json_is_array(list) || json_array_size(list) == 0)
        return peri_err_set(err, PERI_EINVAL,
                            "\"rights\" is a list of see, read, write, run, grant");
    json_array_foreach(list, i, word)
    {
        const char *s = json_string_value(word);
        const unsigned bit = s ? peri_right_of(s) : 0;
        if (!bit || bit == PERI_RIGHT_OWN)
            return peri_err_set(
                err, PERI_EINVAL,
                "a right is see, read, write, run or grant, not \"%.40s\"", s ? s : "?");
        *out |= bit;
    }
    for (i = 0; i < sizeof(with) / sizeof(with[0]); i++)
        if (*out & with[i][0]) *out |= with[i][1];
    return 0;
}

typedef struct {
    char account[24], team[24];
    bool all;
} to_t;

static int to_whom(peri_request_t *r, peri_db_t *db, const json_t *o, to_t *to,
                   peri_err_t *err)
{
    const json_t *t = json_object_get(o, "to");
    const char *account = json_string_value(json_object_get(t, "account"));
    const char *team = json_string_value(json_object_get(t, "team"));
    const char *key;
    json_t *value;
    *to = (to_t){.all = json_is_true(json_object_get(t, "everyone"))};
    json_object_foreach((json_t *)t, key, value)
    {
        if (strcmp(key, "account") && strcmp(key, "team") && strcmp(key, "everyone"))
            return peri_err_set(err, PERI_EINVAL, "\"%.40s\" is not a key of \"to\"",
                                key);
    }
    if ((account != NULL) + (team != NULL) + to->all != 1)
        return peri_err_set(err, PERI_EINVAL,
                            "\"to\" is one of {\"account\": NAME}, {\"team\": NAME}, "
                            "{\"everyone\": true}");
    if (to->all) return 0;
    if (team) {
        peri_thing_t found;
        if (peri_thing_find(r, db, "team", team, &found, err)) return -1;
        snprintf(to->team, sizeof(to->team), "%lld", (long long)found.id);
        return 0;
    }
    PGresult *q =
        peri_db_query(db, err,
                      "SELECT id FROM account WHERE lower(name) = lower($1) AND "
                      "state = 'active'",
                      1, &account);
    if (!q) return -1;
    const bool found = PQntuples(q) > 0;
    if (found) snprintf(to->account, sizeof(to->account), "%s", PQgetvalue(q, 0, 0));
    PQclear(q);
    if (found) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "there is no account \"%.100s\"", account);
}

/* One grant as the answer. */
static int show(peri_request_t *r, peri_db_t *db, const char *id, peri_err_t *err)
{
    json_t *list = peri_rows_json(db, err, GRANT_JSON "WHERE g.id = $1::bigint", 1, &id);
    if (!list) return -1;
    r->json = json_incref(json_array_get(list, 0));
    json_decref(list);
    return 0;
}

static int put(peri_request_t *r, peri_db_t *db, const peri_thing_t *thing,
               const to_t *to, unsigned rights, const char *expires, peri_err_t *err)
{
    char id[24], bits[16], me[24], grant[24];
    snprintf(id, sizeof(id), "%lld", (long long)thing->id);
    snprintf(bits, sizeof(bits), "%u", rights);
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    const char *const v[] = {thing->kind,
                             id,
                             thing->path,
                             to->account[0] ? to->account : NULL,
                             to->team[0] ? to->team : NULL,
                             to->all ? "t" : "f",
                             bits,
                             me,
                             expires};
    PGresult *q = peri_db_query(
        db, err,
        "INSERT INTO access_grant (kind, thing, path, to_account, to_team, to_all, "
        "rights, "
        "by, expires) VALUES ($1, $2::bigint, $3, $4::bigint, $5::bigint, $6::boolean, "
        "$7::int, $8::bigint, $9::float8) ON CONFLICT (kind, thing, path, "
        "coalesce(to_account, 0), coalesce(to_team, 0)) DO UPDATE SET rights = "
        "excluded.rights, by = excluded.by, expires = excluded.expires, created = "
        "excluded.created RETURNING id",
        9, v);
    if (!q) return -1;
    snprintf(grant, sizeof(grant), "%s", PQgetvalue(q, 0, 0));
    PQclear(q);
    return show(r, db, grant, err);
}

/* A table is replaced when it is changed, which takes the folder that it is in; as a
 * file, it would be changed past those who read and write it as a table. */
static int check_place(peri_request_t *r, const peri_thing_t *t, unsigned rights,
                       peri_err_t *err)
{
    const bool team = !strncmp(t->label, "team:", 5);
    if (strcmp(t->kind, "volume") != 0) return 0;
    if (!peri_path_clean(r->arena, t->path, strlen(t->path), err)) return -1;
    if (!(rights & PERI_RIGHT_WRITE) || !peri_tables_are_in(team, t->volume) ||
        !peri_tables_table(t->path))
        return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "%.200s is a table, which alone can only be shared for reading; "
                        "who is given \"write\" on the folder " PERI_SCHEMA_FOLDER
                        " may change all tables in it, and a team's are its members' to "
                        "change",
                        t->label);
}

int peri_api_grant_make(peri_request_t *r, peri_err_t *err)
{
    const char *kind = NULL, *text = NULL;
    unsigned rights;
    peri_thing_t thing;
    to_t to;
    json_t *o = peri_request_json(r, "kind thing to rights expires", err);
    if (!o || peri_json_text(o, "kind", true, 20, &kind, err) ||
        peri_json_text(o, "thing", true, 5000, &text, err) || rights_in(o, &rights, err))
        return -1;
    const json_t *until = json_object_get(o, "expires");
    const double expires = json_number_value(until);
    if (until && !json_is_null(until) && !(expires > peri_epoch()))
        return peri_err_set(err, PERI_EINVAL,
                            "\"expires\" is a time to come, in seconds since 1970");
    if (!strcmp(kind, "team"))
        return peri_err_set(err, PERI_EINVAL,
                            "teams are not granted: invite people to them");
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    char when[32];
    snprintf(when, sizeof(when), "%.3f", expires);
    int rc = -1;
    if (peri_thing_find(r, db, kind, text, &thing, err) == 0 &&
        peri_access_need(r, db, kind, thing.id, thing.path, rights | PERI_RIGHT_GRANT,
                         text, err) == 0 &&
        check_place(r, &thing, rights, err) == 0 && to_whom(r, db, o, &to, err) == 0)
        rc = put(r, db, &thing, &to, rights, expires > 0 ? when : NULL, err);
    if (rc == 0)
        rc = peri_audit(r, db, "grant", text, true, json_deep_copy(r->json), err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    r->status = rc ? 0 : 201;
    return rc;
}

int peri_api_grant_remove(peri_request_t *r, peri_err_t *err)
{
    const char *id = r->param[0];
    if (strspn(id, "0123456789") != strlen(id) || strlen(id) > 18)
        return peri_err_set(err, PERI_ENOTFOUND, "there is no grant %.40s", id);
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = show(r, db, id, err);
    json_t *what = r->json;
    r->json = NULL;
    int64_t n =
        rc ? -1
           : peri_db_exec(db, err, "DELETE FROM access_grant WHERE id = $1::bigint", 1,
                          &id);
    if (n == 0)
        rc = peri_err_set(err, what ? PERI_EDENIED : PERI_ENOTFOUND,
                          what ? "this grant is not yours to take back"
                               : "there is no grant %.40s",
                          id);
    if (n < 0) rc = -1;
    if (rc == 0 && peri_db_exec(db, err, "SELECT perigee_prune_grants()", 0, NULL) < 0)
        rc = -1;
    if (rc == 0)
        rc = peri_audit(r, db, "grant.remove",
                        json_string_value(json_object_get(what, "thing")), true,
                        json_incref(what), err);
    if (rc == 0) rc = peri_db_commit(db, err);
    json_decref(what);
    peri_dbpool_put(r->portal->db, db);
    if (rc == 0) r->status = 204;
    return rc;
}

static int list(peri_request_t *r, const char *sql, int n, const char *const *v,
                peri_db_t *db, peri_err_t *err)
{
    json_t *rows = peri_rows_json(db, err, sql, n, v);
    r->json = rows ? json_pack("{s:o}", "grants", rows) : NULL;
    return rows ? 0 : -1;
}

int peri_api_grants(peri_request_t *r, peri_err_t *err)
{
    const char *kind = peri_request_arg(r, "kind"), *text = peri_request_arg(r, "thing");
    char me[24], id[24];
    peri_thing_t thing;
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    if (!kind != !text)
        return peri_err_set(err, PERI_EINVAL,
                            "give both kind and thing, or none of them");
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = -1;
    if (!kind) {
        const char *const v[] = {me};
        rc = list(r, GRANT_JSON "WHERE g.by = $1::bigint ORDER BY g.id LIMIT 1000", 1, v,
                  db, err);
    } else if (peri_thing_find(r, db, kind, text, &thing, err) == 0 &&
               peri_access_need(r, db, kind, thing.id, thing.path, PERI_RIGHT_GRANT, text,
                                err) == 0) {
        snprintf(id, sizeof(id), "%lld", (long long)thing.id);
        const char *const v[] = {kind, id, thing.path};
        rc = list(r,
                  GRANT_JSON
                  "WHERE g.kind = $1 AND g.thing = $2::bigint AND "
                  "(perigee_beneath(g.path, $3) OR perigee_beneath($3, g.path)) "
                  "ORDER BY g.path, g.id LIMIT 1000",
                  3, v, db, err);
    }
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_shared(peri_request_t *r, peri_err_t *err)
{
    char me[24];
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    const char *const v[] = {me};
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const int rc =
        list(r,
             GRANT_JSON "WHERE " LIVE " AND g.by <> $1::bigint AND (g.to_account = "
                        "$1::bigint OR g.to_all OR g.to_team IN (SELECT team FROM "
                        "team_member WHERE account = $1::bigint AND state = 'active')) "
                        "ORDER BY g.created DESC LIMIT 1000",
             1, v, db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}
