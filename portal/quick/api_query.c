/* api_query.c - POST /query: from what was asked to the words of `perigee query`, with a
 * row of it in the history; and ending one that runs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/mydb/statement.h"
#include "portal/log.h"
#include "portal/quick/api.h"
#include "portal/quick/format.h"
#include "portal/quick/history.h"
#include "portal/quick/run.h"
#include "portal/quick/saved.h"
#include "portal/quick/words.h"

#define KEYS "sql saved parameters format rows context width utf8 table_rows"
enum { WORDS = 32 };

/* ---- what is asked ---- */

typedef struct {
    peri_arena_t *scratch; /* what is not kept while the query waits and runs */
    const char *sql, *context;
    const char *bound;  /* the SQL with its parameters as literals */
    json_t *parameters; /* owned; NULL: none */
    const peri_rowformat_t *format;
    const char *whose; /* OWNER/NAME of a saved query of somebody else; or NULL */
    int64_t rows, width, table_rows; /* rows -1: not said */
    bool utf8, writes;
} asked_t;

static int take_saved(peri_request_t *r, const json_t *o, const char *name, asked_t *a,
                      peri_err_t *err)
{
    peri_saved_t s;
    peri_db_t *db = peri_request_db(r, err);
    int rc = db ? peri_saved_find(r, db, name, &s, err) : -1;
    if (db) peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    a->sql = s.sql;
    if (strcmp(s.owner, r->actor.name) != 0)
        a->whose = peri_arena_printf(r->arena, "%s/%s", s.owner, s.name);
    if (!a->context && *s.context) a->context = s.context;
    a->parameters =
        peri_parameters_bind(s.parameters, json_object_get(o, "parameters"), err);
    json_decref(s.parameters);
    return a->parameters ? 0 : -1;
}

static int take_sql(peri_request_t *r, const json_t *o, asked_t *a, peri_err_t *err)
{
    const char *saved = NULL;
    json_t *given = json_object_get(o, "parameters");
    if (peri_json_text(o, "saved", false, 2 * PERI_SAVED_NAME_MAX, &saved, err))
        return -1;
    const json_t *sql = json_object_get(o, "sql");
    const bool has_sql = sql && !json_is_null(sql);
    if (saved && has_sql)
        return peri_err_set(err, PERI_EINVAL,
                            "\"saved\" has its SQL already: leave out \"sql\"");
    if (saved) return take_saved(r, o, saved, a, err);
    /* SQL has lines: no peri_json_text. */
    a->sql = json_string_value(sql);
    if (!a->sql || strlen(a->sql) != json_string_length(sql))
        return peri_err_set(err, PERI_EINVAL, "\"sql\" is to be the text of a query");
    if (given && !json_is_null(given) && !json_is_object(given))
        return peri_err_set(err, PERI_EINVAL,
                            "\"parameters\" is an object of names and values");
    if (given && !json_is_null(given)) a->parameters = json_incref(given);
    return 0;
}

static int read_shape(const json_t *o, asked_t *a, peri_err_t *err)
{
    const char *format = NULL;
    if (peri_json_text(o, "format", false, 40, &format, err) ||
        peri_json_text(o, "context", false, 200, &a->context, err) ||
        peri_json_number(o, "rows", false, 0, INT64_MAX, &a->rows, err) ||
        peri_json_number(o, "width", false, 0, 10000, &a->width, err) ||
        peri_json_number(o, "table_rows", false, 1, 10000000, &a->table_rows, err) ||
        peri_json_bool(o, "utf8", &a->utf8, err))
        return -1;
    a->format = peri_rowformat_find(format ? format : "ndjson", err);
    return a->format ? 0 : -1;
}

/* Who runs a name does not see its SQL, which its owner may have changed a moment ago. */
static int may_write(const peri_request_t *r, const asked_t *a, peri_err_t *err)
{
    if (a->whose)
        return peri_err_set(err, PERI_EDENIED,
                            "the saved query %s changes tables, and is somebody else's: "
                            "look at it (perigee saved show %s), then send its SQL",
                            a->whose, a->whose);
    if (r->actor.scopes & PERI_SCOPE_FILES_WRITE) return 0;
    return peri_err_set(err, PERI_EDENIED,
                        "this token may not do that: it lacks the scope "
                        "\"files:write\", which a query that writes tables needs");
}

/* What cannot be cut into statements the command refuses, in the same words. */
static int look_at_sql(peri_request_t *r, asked_t *a, peri_err_t *err)
{
    peri_script_t script;
    if (strlen(a->sql) > PERI_HISTORY_SQL_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "the query has %zu bytes, and a quick one can have %u: "
                            "put what is large into a table",
                            strlen(a->sql), PERI_HISTORY_SQL_MAX);
    if (!a->sql[strspn(a->sql, " \t\r\n;")])
        return peri_err_set(err, PERI_EINVAL, "\"sql\" is empty");
    if (peri_script_bind(a->sql, strlen(a->sql), a->parameters, a->scratch, &a->bound,
                         err))
        return -1;
    a->writes =
        peri_script_parse(a->bound, strlen(a->bound), a->scratch, &script, NULL) == 0 &&
        script.writes;
    return a->writes ? may_write(r, a, err) : 0;
}

/* ---- the command ---- */

/* SQL may be longer than one word of a command. */
static int input_of(const char *sql, peri_err_t *err)
{
    const int low = memfd_create("sql", MFD_CLOEXEC);
    const int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 10);
    if (low >= 0) close(low);
    if (fd >= 0 && peri_write_all(fd, sql, strlen(sql)) == 0 &&
        lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    if (fd >= 0) close(fd);
    return peri_err_set(err, PERI_EBUSY, "no descriptor is left: try again in a moment");
}

static void put_number(peri_words_t *w, const char *key, int64_t n)
{
    peri_words_option(w, key, peri_arena_printf(w->arena, "%lld", (long long)n));
}

static void put_words(peri_words_t *w, const asked_t *a, const peri_confquick_t *c)
{
    peri_words_put(w, "query");
    peri_words_put(w, "--quiet");
    peri_words_put(w, "--cut");
    if (a->rows >= 0) put_number(w, "limit", a->rows);
    if (c->rows) put_number(w, "max-rows", c->rows);
    put_number(w, "max-bytes", c->bytes);
    peri_words_option(w, "timeout", peri_arena_printf(w->arena, "%g", c->seconds));
    put_number(w, "memory", c->memory);
    put_number(w, "temp-size", c->memory);
    peri_words_option(w, "format", a->format->name);
    peri_words_option(w, "context", a->context);
    if (a->table_rows) put_number(w, "rows", a->table_rows);
    peri_words_put(w, "-");
}

/* ---- the row of it ---- */

static void note_end(peri_portal_t *p, void *arg, const peri_quickend_t *end)
{
    peri_err_t err = {0};
    const peri_historyend_t e = {.state = end->code == PERI_ECANCEL ? "cancelled"
                                          : end->code               ? "failed"
                                          : end->cut                ? "cut"
                                                                    : "done",
                                 .cut = end->cut,
                                 .rows = end->code ? -1 : end->rows,
                                 .bytes = end->bytes,
                                 .seconds = end->seconds,
                                 .text = end->text,
                                 .changed = end->changed};
    peri_db_t *db = peri_dbpool_get(p->db, &err);
    if (!db || peri_history_end(db, arg, &e, &err))
        peri_log_seldom(PERI_LOG_WARN, "history", 10,
                        "the end of a query was not noted: %s", err.text);
    if (db) peri_dbpool_put(p->db, db);
}

static int begin(peri_request_t *r, const asked_t *a, char id[PERI_UUID_LEN + 1],
                 peri_err_t *err)
{
    const peri_historyentry_t e = {.sql = a->sql,
                                   .parameters = a->parameters,
                                   .context = a->context,
                                   .format = a->format->name};
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_history_begin(db, r->actor.account, &e, id, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    peri_dbpool_put(r->portal->db, db);
    return rc;
}

/* ---- requests ---- */

static int start(peri_request_t *r, const asked_t *a, peri_err_t *err)
{
    char id[PERI_UUID_LEN + 1];
    peri_words_t w;
    peri_words_init(&w, r->arena, WORDS);
    put_words(&w, a, &r->portal->config->quick);
    if (peri_words_check(&w, err)) return -1;
    const int input = input_of(a->bound, err);
    if (input < 0) return -1;
    if (begin(r, a, id, err)) {
        close(input);
        return -1;
    }
    const peri_quickrun_t q = {
        .argv = w.v,
        .argc = w.n,
        .input = input,
        .writes = a->writes,
        .width = (unsigned)a->width,
        .ascii = !a->utf8,
        .type = a->format->type,
        .name = peri_arena_printf(r->arena, "result.%s", a->format->ending),
        .id = id,
        .over = note_end,
        .arg = peri_xstrdup(id),
        .arg_free = free};
    return peri_quick_start(r, &q, err);
}

int peri_api_query(peri_request_t *r, peri_err_t *err)
{
    int rc;
    asked_t a = {.rows = -1, .utf8 = true};
    if (peri_quick_again(r, &rc, err)) return rc;
    const json_t *o = peri_request_json(r, KEYS, err);
    a.scratch = peri_arena_new();
    rc = !o || read_shape(o, &a, err) || take_sql(r, o, &a, err) ||
         look_at_sql(r, &a, err) || start(r, &a, err);
    json_decref(a.parameters);
    peri_arena_free(a.scratch);
    return rc ? -1 : 0;
}
