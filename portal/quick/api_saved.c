/* api_saved.c - requests about saved queries. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal/access/thing.h"
#include "portal/quick/api.h"
#include "portal/quick/saved.h"

#define SAVED_MAX   1000 /* of an account */
#define DESCRIPTION 10000
#define CONTEXT_MAX 200

#define SQL_SHOWN "4000"      /* characters, in lists */
#define DECLARED  (64u << 10) /* bytes of parameters */
#define PAGE      100

#define SAVED_JSON(sql)                                                                  \
    "SELECT json_build_object('name', s.name, 'owner', a.name, 'sql', " sql ", "         \
    "'description', s.description, 'context', s.context, 'parameters', s.parameters, "   \
    "'team', t.name, 'changed', s.changed, 'version', s.version) FROM saved_query s "    \
    "JOIN account a ON a.id = s.account LEFT JOIN team t ON t.id = s.team "

static int no_such(const char *name, peri_err_t *err)
{
    return peri_err_set(err, PERI_ENOTFOUND, "there is no saved query %.100s", name);
}

static int check_name(const char *name, peri_err_t *err)
{
    bool ok = (isalnum((unsigned char)*name) || *name == '_') &&
              strlen(name) <= PERI_SAVED_NAME_MAX;
    for (const char *s = name; ok && *s; s++)
        ok = isascii(*s) && (isalnum((unsigned char)*s) || strchr("._-", *s));
    if (ok) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "the name of a saved query has letters, digits, . _ and -, no . "
                        "or - in front, at most %d of them",
                        PERI_SAVED_NAME_MAX);
}

/* What NAME or OWNER/NAME means for who asks, as JSON of SAVED_JSON. */
static json_t *find(peri_request_t *r, peri_db_t *db, const char *text, peri_err_t *err)
{
    const char *slash = strchr(text, '/');
    const char *owner =
        slash ? peri_arena_strndup(r->arena, text, (size_t)(slash - text)) : NULL;
    char me[24];
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    const char *const v[] = {slash ? slash + 1 : text, owner, me};
    json_t *list = peri_rows_json(
        db, err,
        SAVED_JSON("s.sql") "WHERE s.name = $1 AND ($2::text IS NULL OR lower(a.name) = "
                            "lower($2)) "
                            "ORDER BY (s.account = $3::bigint) DESC, a.name LIMIT 2",
        3, v);
    if (!list) return NULL;
    json_t *first = json_incref(json_array_get(list, 0));
    const char *of = json_string_value(json_object_get(first, "owner"));
    if (!first) {
        no_such(text, err);
    } else if (json_array_size(list) > 1 && strcmp(of, r->actor.name) != 0) {
        peri_err_set(err, PERI_EINVAL,
                     "several of your teams' queries are called %.64s: say whose, as "
                     "%s/%.64s",
                     text, of, text);
        json_decref(first);
        first = NULL;
    }
    json_decref(list);
    return first;
}

static const char *text_of(peri_request_t *r, const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return peri_arena_strdup(r->arena, s ? s : "");
}

int peri_saved_find(peri_request_t *r, peri_db_t *db, const char *name, peri_saved_t *out,
                    peri_err_t *err)
{
    json_t *o = find(r, db, name, err);
    if (!o) return -1;
    *out = (peri_saved_t){.owner = text_of(r, o, "owner"),
                          .name = text_of(r, o, "name"),
                          .sql = text_of(r, o, "sql"),
                          .context = text_of(r, o, "context"),
                          .parameters = json_incref(json_object_get(o, "parameters"))};
    json_decref(o);
    return 0;
}

/* ---- looking ---- */

int peri_api_saved_list(peri_request_t *r, peri_err_t *err)
{
    const char *after = peri_request_arg(r, "after");
    const char *slash = after ? strchr(after, '/') : NULL;
    int64_t n;
    char limit[24];
    if (peri_request_number(r, "limit", 1, 1000, PAGE, &n, err)) return -1;
    if (n > PAGE) n = PAGE;
    if (after && !slash)
        return peri_err_set(err, PERI_EINVAL,
                            "\"after\" is the \"next\" of the page before");
    snprintf(limit, sizeof(limit), "%lld", (long long)n + 1);
    const char *const v[] = {
        after ? peri_arena_strndup(r->arena, after, (size_t)(slash - after)) : "",
        after ? slash + 1 : "", limit};
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list =
        peri_rows_json(db, err,
                       SAVED_JSON("left(s.sql, " SQL_SHOWN
                                  ")") "WHERE (a.name, s.name) > ($1, $2) ORDER BY "
                                       "a.name, s.name LIMIT $3::int",
                       3, v);
    peri_dbpool_put(r->portal->db, db);
    if (!list) return -1;
    json_t *next = json_null();
    if (json_array_size(list) > (size_t)n) {
        json_array_remove(list, (size_t)n);
        const json_t *last = json_array_get(list, (size_t)n - 1);
        next = json_sprintf("%s/%s", json_string_value(json_object_get(last, "owner")),
                            json_string_value(json_object_get(last, "name")));
    }
    r->json = json_pack("{s:o, s:o}", "queries", list, "next", next);
    return 0;
}

static int answer(peri_request_t *r, peri_db_t *db, const char *name, peri_err_t *err)
{
    char tag[24];
    r->json = find(r, db, name, err);
    if (!r->json) return -1;
    snprintf(tag, sizeof(tag), "%lld",
             (long long)json_integer_value(json_object_get(r->json, "version")));
    peri_request_etag(r, tag);
    return 0;
}

int peri_api_saved(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const int rc = answer(r, db, r->param[0], err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

/* ---- changing ---- */

typedef struct {
    const char *name, *sql, *description, *context, *team;
    char team_id[24]; /* "": none */
    char *parameters; /* JSON text */
} put_t;

/* One's own: the name; of somebody else's: refused as far as it may be known. */
static int own_name(peri_request_t *r, peri_db_t *db, const char **name, peri_err_t *err)
{
    const char *slash = strchr(r->param[0], '/');
    *name = slash ? slash + 1 : r->param[0];
    if (!slash || ((size_t)(slash - r->param[0]) == strlen(r->actor.name) &&
                   !strncasecmp(r->param[0], r->actor.name, strlen(r->actor.name))))
        return check_name(*name, err);
    json_t *o = find(r, db, r->param[0], err);
    if (!o) return -1;
    json_decref(o);
    return peri_err_set(err, PERI_EDENIED,
                        "%.100s is somebody else's: save it under a name of your own",
                        r->param[0]);
}

static int read_body(peri_request_t *r, put_t *p, peri_err_t *err)
{
    const char *name = NULL;
    const json_t *o =
        peri_request_json(r, "name sql description context parameters team", err);
    if (!o || peri_json_text(o, "name", false, PERI_SAVED_NAME_MAX, &name, err) ||
        peri_json_text(o, "description", false, DESCRIPTION, &p->description, err) ||
        peri_json_text(o, "context", false, CONTEXT_MAX, &p->context, err) ||
        peri_json_text(o, "team", false, 64, &p->team, err))
        return -1;
    const json_t *parameters = json_object_get(o, "parameters");
    const json_t *sql = json_object_get(o, "sql");
    /* SQL has lines, of any system: no peri_json_text. */
    p->sql = json_string_value(sql);
    if (!p->sql || strlen(p->sql) > PERI_SAVED_SQL_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "\"sql\" is to be the text of a query, at most %d bytes",
                            PERI_SAVED_SQL_MAX);
    if (peri_parameters_check(parameters, err)) return -1;
    if (!p->sql[strspn(p->sql, " \t\r\n;")])
        return peri_err_set(err, PERI_EINVAL, "\"sql\" is empty");
    if (name && strcmp(name, p->name) != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "\"name\" is %s, and the request is about %s: leave it out",
                            name, p->name);
    char *text = json_is_array(parameters) ? json_dumps(parameters, JSON_COMPACT) : NULL;
    p->parameters = peri_arena_strdup(r->arena, text ? text : "[]");
    free(text);
    if (strlen(p->parameters) > DECLARED)
        return peri_err_set(err, PERI_EINVAL, "\"parameters\" has more than %u bytes",
                            DECLARED);
    /* PostgreSQL has no NUL. */
    if (strstr(p->parameters, "\\u0000"))
        return peri_err_set(err, PERI_EINVAL, "\"parameters\" has a NUL byte in it");
    return 0;
}

static int find_team(peri_request_t *r, peri_db_t *db, put_t *p, peri_err_t *err)
{
    char me[24];
    if (!p->team) return 0;
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    PGresult *q = peri_db_query(
        db, err,
        "SELECT t.id FROM team t JOIN team_member m ON m.team = t.id WHERE t.name = $1 "
        "AND m.account = $2::bigint AND m.state = 'active'",
        2, (const char *const[]){p->team, me});
    if (!q) return -1;
    if (PQntuples(q)) snprintf(p->team_id, sizeof(p->team_id), "%s", PQgetvalue(q, 0, 0));
    PQclear(q);
    if (*p->team_id) return 0;
    return peri_err_set(err, PERI_EDENIED, "you are in no team %.64s", p->team);
}

/* Whether it is there, as the headers want it; how many there are. */
static int look_before(peri_request_t *r, peri_db_t *db, const char *me, const char *name,
                       bool *there, int64_t *count, peri_err_t *err)
{
    PGresult *q = peri_db_query(
        db, err,
        "SELECT version, (SELECT count(*) FROM saved_query WHERE account = $1::bigint) "
        "FROM (SELECT) one LEFT JOIN saved_query s ON s.account = $1::bigint AND s.name "
        "= $2",
        2, (const char *const[]){me, name});
    if (!q) return -1;
    *there = !PQgetisnull(q, 0, 0);
    *count = strtoll(PQgetvalue(q, 0, 1), NULL, 10);
    const int rc = peri_request_match(r, *there ? PQgetvalue(q, 0, 0) : NULL, err);
    PQclear(q);
    return rc;
}

static int put(peri_request_t *r, peri_db_t *db, peri_err_t *err)
{
    put_t p = {0};
    char me[24];
    bool there = false;
    int64_t count = 0;
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    if (own_name(r, db, &p.name, err) || read_body(r, &p, err) ||
        find_team(r, db, &p, err) || look_before(r, db, me, p.name, &there, &count, err))
        return -1;
    if (!there && count >= SAVED_MAX)
        return peri_err_set(err, PERI_EFULL,
                            "you have %lld saved queries, and there can be %d: delete "
                            "some",
                            (long long)count, SAVED_MAX);
    const char *const v[] = {me,
                             p.name,
                             p.sql,
                             p.context ? p.context : "",
                             p.description ? p.description : "",
                             p.parameters,
                             *p.team_id ? p.team_id : NULL};
    if (peri_db_exec(
            db, err,
            "INSERT INTO saved_query AS s (account, name, sql, context, description, "
            "parameters, team) VALUES ($1::bigint, $2, $3, $4, $5, $6::jsonb, "
            "$7::bigint) ON CONFLICT (account, name) DO UPDATE SET sql = excluded.sql, "
            "context = excluded.context, description = excluded.description, parameters "
            "= excluded.parameters, team = excluded.team, changed = extract(epoch FROM "
            "now()), version = s.version + 1",
            7, v) < 0)
        return -1;
    const char *full = peri_arena_printf(r->arena, "%s/%s", r->actor.name, p.name);
    if (answer(r, db, full, err) || peri_db_commit(db, err)) return -1;
    r->status = there ? 200 : 201;
    return 0;
}

static int remove_it(peri_request_t *r, peri_db_t *db, peri_err_t *err)
{
    const char *name;
    char me[24];
    bool there;
    int64_t count;
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    if (own_name(r, db, &name, err) || look_before(r, db, me, name, &there, &count, err))
        return -1;
    const int64_t n = peri_db_exec(
        db, err, "DELETE FROM saved_query WHERE account = $1::bigint AND name = $2", 2,
        (const char *const[]){me, name});
    if (n < 0) return -1;
    if (n == 0) return no_such(r->param[0], err);
    r->status = 204;
    return peri_db_commit(db, err);
}

static int change(peri_request_t *r,
                  int (*how)(peri_request_t *, peri_db_t *, peri_err_t *),
                  peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const int rc = how(r, db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_saved_put(peri_request_t *r, peri_err_t *err)
{
    return change(r, put, err);
}

int peri_api_saved_delete(peri_request_t *r, peri_err_t *err)
{
    return change(r, remove_it, err);
}
