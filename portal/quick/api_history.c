/* api_history.c - requests about what one has asked: rows of `query`, and jobs made of
 * them. Row-level security shows everybody her own only.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mydb/statement.h"
#include "jobs/task/folder.h"
#include "portal/access/thing.h"
#include "portal/jobs/api.h"
#include "portal/quick/api.h"
#include "portal/quick/run.h"

#define SEARCH_MAX 400
/* Of a search: each word is looked for in all that she has asked, while a thread of the
 * web waits. */
#define WORDS_MAX    8
#define SQL_SEARCHED "20000" /* characters */
#define SQL_SHOWN    "4000"  /* characters, in lists */
#define PAGE         250
#define ID_MIN       4 /* characters of an id that is cut */

#define QUERY_JSON(sql)                                                                  \
    "SELECT json_build_object('id', q.id, 'sql', " sql                                   \
    ", 'parameters', q.parameters, 'context', q.context, 'format', q.format, 'state', "  \
    "q.state, 'cut', q.cut, 'rows', q.rows, 'bytes', q.bytes, 'started', q.started, "    \
    "'seconds', q.seconds, 'text', q.text, 'job', q.job, 'changed', q.changed"

/* ---- looking ---- */

static bool is_open(const json_t *o)
{
    const char *s = json_string_value(json_object_get(o, "state"));
    return s && (!strcmp(s, "waiting") || !strcmp(s, "running"));
}

/* Of one without an end: whether it waits or runs. False: it does neither (any more). */
static bool tell_state(const peri_request_t *r, json_t *o)
{
    const char *id = json_string_value(json_object_get(o, "id"));
    const char *state = is_open(o) && id ? peri_quick_state(r->actor.account, id) : NULL;
    if (state) json_object_set_new(o, "state", json_string(state));
    return state != NULL;
}

/* "1732804690.25_UUID" */
static int read_cursor(peri_request_t *r, const char *v[2], peri_err_t *err)
{
    const char *s = peri_request_arg(r, "before");
    v[0] = v[1] = NULL;
    if (!s || !*s) return 0;
    const char *line = strchr(s, '_');
    const size_t n = line ? (size_t)(line - s) : 0;
    if (!n || n > 30 || strspn(s, "0123456789.e+") != n || *s == 'e' || *s == '+' ||
        !peri_uuid_valid(line + 1))
        return peri_err_set(err, PERI_EINVAL,
                            "\"before\" is the \"next\" of the page before");
    char *end;
    v[0] = peri_arena_strndup(r->arena, s, n);
    v[1] = line + 1;
    return !isfinite(strtod(v[0], &end)) || *end
               ? peri_err_set(err, PERI_EINVAL,
                              "\"before\" is the \"next\" of the page before")
               : 0;
}

static json_t *take_next(const peri_request_t *r, json_t *list, size_t n)
{
    json_t *next = json_null();
    if (json_array_size(list) > n) {
        json_array_remove(list, n);
        next = json_incref(json_object_get(json_array_get(list, n - 1), "cursor"));
    }
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
    {
        json_object_del(o, "cursor");
        tell_state(r, o);
    }
    return next;
}

static int check_search(const char *q, peri_err_t *err)
{
    size_t words = 0;
    if (!q) return 0;
    if (strlen(q) > SEARCH_MAX)
        return peri_err_set(err, PERI_EINVAL, "\"q\" has at most %d bytes", SEARCH_MAX);
    for (const char *s = q; *s; s++)
        words += isspace((unsigned char)*s) && !isspace((unsigned char)s[1]) && s[1];
    if (words >= WORDS_MAX)
        return peri_err_set(err, PERI_EINVAL, "\"q\" has at most %d words", WORDS_MAX);
    return 0;
}

int peri_api_queries(peri_request_t *r, peri_err_t *err)
{
    static const char sql[] = QUERY_JSON(
        "left(q.sql, " SQL_SHOWN
        ")") ", 'cursor', "
             "q.started::text || '_' || q.id) FROM query q WHERE q.account = $1::bigint "
             "AND "
             "($2::float8 IS NULL OR (q.started, q.id) < ($2::float8, $3::uuid)) AND "
             "NOT EXISTS (SELECT 1 FROM (SELECT lower(left(q.sql, " SQL_SEARCHED
             ") || ' ' || q.text) AS it OFFSET "
             "0) AS whole, regexp_split_to_table(lower($4), '\\s+') AS w WHERE "
             "position(w "
             "IN whole.it) = 0) ORDER BY q.started DESC, "
             "q.id "
             "DESC LIMIT $5::int";
    const char *q = peri_request_arg(r, "q");
    char me[24], limit[24];
    const char *cursor[2];
    int64_t n;
    if (peri_request_number(r, "limit", 1, 1000, 100, &n, err) ||
        read_cursor(r, cursor, err))
        return -1;
    if (n > PAGE) n = PAGE;
    if (check_search(q, err)) return -1;
    snprintf(me, sizeof(me), "%lld", (long long)r->actor.account);
    snprintf(limit, sizeof(limit), "%lld", (long long)n + 1);
    const char *const v[] = {me, cursor[0], cursor[1], q ? q : "", limit};
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    json_t *list = peri_rows_json(db, err, sql, 5, v);
    peri_dbpool_put(r->portal->db, db);
    if (!list) return -1;
    json_t *next = take_next(r, list, (size_t)n);
    r->json = json_pack("{s:o, s:o}", "queries", list, "next", next);
    return 0;
}

/* The first and the last id that begin with `word`. False: none does. */
static bool ids_from(const char *word, char low[PERI_UUID_LEN + 1],
                     char high[PERI_UUID_LEN + 1])
{
    static const char shape[] = "00000000-0000-0000-0000-000000000000";
    const size_t n = strlen(word);
    if (n < ID_MIN || n > PERI_UUID_LEN) return false;
    for (size_t i = 0; i < PERI_UUID_LEN; i++) {
        const bool dash = shape[i] == '-';
        if (i < n && (dash ? word[i] != '-' : !isxdigit((unsigned char)word[i])))
            return false;
        low[i] = dash || i >= n ? shape[i] : word[i];
        high[i] = dash ? '-' : i >= n ? 'f' : word[i];
    }
    low[PERI_UUID_LEN] = high[PERI_UUID_LEN] = '\0';
    return true;
}

/* The query that param[0] names, by its id or the beginning of it; the caller's. param[0]
 * is the whole id then. */
static json_t *find(peri_request_t *r, peri_db_t *db, peri_err_t *err)
{
    const char *word = r->param[0];
    char low[PERI_UUID_LEN + 1], high[PERI_UUID_LEN + 1];
    json_t *list =
        ids_from(word, low, high)
            ? peri_rows_json(db, err,
                             QUERY_JSON("q.sql") ") FROM query q WHERE q.id BETWEEN "
                                                 "$1::uuid AND $2::uuid LIMIT 2",
                             2, (const char *const[]){low, high})
            : json_array();
    if (!list) return NULL;
    json_t *one =
        json_array_size(list) == 1 ? json_incref(json_array_get(list, 0)) : NULL;
    if (one)
        r->param[0] =
            peri_arena_strdup(r->arena, json_string_value(json_object_get(one, "id")));
    else if (json_array_size(list))
        peri_err_set(err, PERI_EINVAL,
                     "more than one of your queries begins with %s: give more of its "
                     "digits",
                     word);
    else
        peri_err_set(err, PERI_ENOTFOUND, "you have asked no query %.60s", word);
    json_decref(list);
    return one;
}

/* ... on a connection of its own. */
static json_t *get(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return NULL;
    json_t *o = find(r, db, err);
    peri_dbpool_put(r->portal->db, db);
    return o;
}

int peri_api_query_get(peri_request_t *r, peri_err_t *err)
{
    r->json = get(r, err);
    if (!r->json) return -1;
    tell_state(r, r->json);
    return 0;
}

/* ---- forgetting, ending ---- */

static int forget(peri_request_t *r, peri_db_t *db, peri_err_t *err)
{
    json_t *o = find(r, db, err);
    if (!o) return -1;
    const bool open = tell_state(r, o);
    json_decref(o);
    if (open)
        return peri_err_set(err, PERI_ECONFLICT,
                            "the query still runs: cancel it, then forget it");
    if (peri_db_exec(db, err, "DELETE FROM query WHERE id = $1::uuid", 1, &r->param[0]) <
            0 ||
        peri_db_commit(db, err))
        return -1;
    r->status = 204;
    return 0;
}

int peri_api_query_delete(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    const int rc = forget(r, db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

int peri_api_query_cancel(peri_request_t *r, peri_err_t *err)
{
    r->json = get(r, err);
    if (!r->json) return -1;
    if (is_open(r->json)) peri_quick_cancel(r->actor.account, r->param[0]);
    return 0;
}

/* ---- a job of it ---- */

/* Where a key of the request stands in a job's spec. */
static const char *const of_job[] = {"name",    "scheduler", "priority",
                                     "volumes", "output",    "output_overwrite",
                                     "into",    "format",    "overwrite"};
static const char *const of_resources[] = {"nodes", "ranks", "threads", "memory", "time"};
#define JOB_KEYS                                                                         \
    "name scheduler priority volumes output output_overwrite into format overwrite "     \
    "nodes ranks threads memory time"

static void move_keys(json_t *to, const json_t *from, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_object_get(from, keys[i]);
        if (v && !json_is_null(v)) json_object_set(to, keys[i], v);
    }
}

/* What is checked of a job's spec is the spec's to say. */
static char *job_spec(const json_t *asked, const char *sql, const char *context)
{
    json_t *spec = json_pack("{s:s, s:s}", "kind", "sql", "sql", sql);
    json_t *resources = json_object();
    if (*context) json_object_set_new(spec, "context", json_string(context));
    move_keys(spec, asked, of_job, sizeof(of_job) / sizeof(*of_job));
    move_keys(resources, asked, of_resources,
              sizeof(of_resources) / sizeof(*of_resources));
    if (json_object_size(resources))
        json_object_set_new(spec, "resources", resources);
    else
        json_decref(resources);
    char *text = json_dumps(spec, JSON_COMPACT);
    json_decref(spec);
    return text;
}

/* A job's SQL has no parameters: their values are put in. */
static char *make_spec(peri_request_t *r, const json_t *asked, const json_t *q,
                       peri_err_t *err)
{
    const json_t *values = json_object_get(q, "parameters");
    const char *sql = json_string_value(json_object_get(q, "sql"));
    if (json_object_size(values) &&
        peri_script_bind(sql, strlen(sql), values, r->arena, &sql, err))
        return NULL;
    return job_spec(asked, sql, json_string_value(json_object_get(q, "context")));
}

/* The job is there: a row that cannot be told so is no reason to say that it is not. */
static void note_job(peri_request_t *r)
{
    char number[24];
    snprintf(number, sizeof(number), "%lld",
             (long long)json_integer_value(json_object_get(r->json, "number")));
    peri_db_t *db = peri_request_db(r, NULL);
    if (!db) return;
    const char *const v[] = {r->param[0], number};
    if (peri_db_exec(db, NULL, "UPDATE query SET job = $2::bigint WHERE id = $1::uuid", 2,
                     v) >= 0)
        peri_db_commit(db, NULL);
    peri_dbpool_put(r->portal->db, db);
}

int peri_api_query_job(peri_request_t *r, peri_err_t *err)
{
    const json_t *asked = peri_request_json(r, JOB_KEYS, err);
    json_t *o = asked ? get(r, err) : NULL;
    if (!o) return -1;
    char *spec = make_spec(r, asked, o, err);
    json_decref(o);
    if (!spec) return -1;
    const int rc = peri_api_job_of(r, spec, strlen(spec), err);
    free(spec);
    if (rc == 0) note_job(r);
    return rc;
}
