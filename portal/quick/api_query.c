/* api_query.c - POST /query: from what was asked to the words of `perigee query`. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jobs/task/folder.h"
#include "jobs/task/io.h"
#include "portal/quick/format.h"
#include "portal/quick/quick.h"
#include "portal/quick/run.h"

#define KEYS    "sql parameters format rows context width utf8 table_rows"
#define SQL_MAX (1u << 20)
enum { WORDS = 32 };

typedef struct {
    const char *sql, *context;
    const peri_rowformat_t *format;
    int64_t rows, width, table_rows;
    bool utf8;
} asked_t;

static int read_body(peri_request_t *r, asked_t *a, peri_err_t *err)
{
    const char *format = "ndjson";
    const json_t *o = peri_request_json(r, KEYS, err);
    *a = (asked_t){.rows = -1, .utf8 = true};
    if (!o || peri_json_text(o, "sql", true, SQL_MAX, &a->sql, err) ||
        peri_json_text(o, "format", false, 40, &format, err) ||
        peri_json_text(o, "context", false, 200, &a->context, err) ||
        peri_json_number(o, "rows", false, 0, INT64_MAX, &a->rows, err) ||
        peri_json_number(o, "width", false, 0, 10000, &a->width, err) ||
        peri_json_number(o, "table_rows", false, 1, 10000000, &a->table_rows, err) ||
        peri_json_bool(o, "utf8", &a->utf8, err))
        return -1;
    a->format = peri_rowformat_find(format ? format : "ndjson", err);
    if (!a->format) return -1;
    if (a->sql[strspn(a->sql, " \t\r\n;")]) return 0;
    return peri_err_set(err, PERI_EINVAL, "\"sql\" is empty");
}

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

typedef struct {
    peri_arena_t *arena;
    const char *v[WORDS];
    size_t n;
} words_t;

static void put(words_t *w, const char *word, const char *value)
{
    w->v[w->n++] = word;
    if (value) w->v[w->n++] = value;
}

static void put_number(words_t *w, const char *word, int64_t n)
{
    put(w, word, peri_arena_printf(w->arena, "%lld", (long long)n));
}

static void put_limits(words_t *w, const peri_confquick_t *c, int64_t rows)
{
    const int64_t most = rows < 0 || (c->rows && rows > c->rows) ? c->rows : rows;
    put(w, "--quiet", NULL);
    if (rows >= 0 || c->rows) put_number(w, "--limit", most);
    put(w, "--timeout", peri_arena_printf(w->arena, "%g", c->seconds));
    put_number(w, "--memory", c->memory);
    put_number(w, "--temp-size", c->memory);
}

static int query(peri_request_t *r, peri_err_t *err)
{
    int rc;
    asked_t a;
    char id[PERI_UUID_LEN + 1];
    words_t w = {.arena = r->arena};
    if (peri_quick_again(r, &rc, err)) return rc;
    if (read_body(r, &a, err)) return -1;
    put(&w, "query", NULL);
    put_limits(&w, &r->portal->config->quick, a.rows);
    put(&w, "--format", a.format->name);
    if (a.context) put(&w, "--context", a.context);
    if (a.table_rows) put_number(&w, "--rows", a.table_rows);
    put(&w, "-", NULL);
    peri_uuid_new(id);
    const int input = input_of(a.sql, err);
    if (input < 0) return -1;
    const peri_quickrun_t q = {
        .argv = w.v,
        .argc = w.n,
        .input = input,
        .type = a.format->type,
        .name = peri_arena_printf(r->arena, "result.%s", a.format->ending),
        .id = id};
    return peri_quick_start(r, &q, err);
}

const peri_route_t peri_quick_routes[] = {
    {"POST", "/api/v1/query", query, .scope = PERI_SCOPE_SQL},
};
const size_t peri_quick_nroutes =
    sizeof(peri_quick_routes) / sizeof(peri_quick_routes[0]);
