/* record.c - records and heartbeats as lines of JSON, and the reading of them.
 *
 * What is read may have been written by anybody who owns the folder: a line is bounded,
 * numbers are brought into their range, text loses its control characters.
 *
 * Threads: no state.
 */
#include "jobs/task/record.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/task/folder.h"
#include "jobs/task/io.h"
#include "jobs/task/text.h"

/* Texts in a line: escapes may double them, and the line must hold. */
enum {
    HOST_MAX = 255,
    NODES_MAX = 1000,
    NAME_MAX_ = 200,
    MESSAGE_MAX = 500,
    TEXT_MAX = 1000
};

#define READ_MAX (1u << 20)

static const char *const kinds[] = {"started", "heartbeat", "progress", "warned", "exit"};
static const char *const exits[] = {"done",     "signal",     "memory",
                                    "time",     "terminated", "no_program",
                                    "no_space", "fault",      "stopped"};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int index_of(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; name && i < n; i++)
        if (strcmp(names[i], name) == 0) return (int)i;
    return -1;
}

/* ---- writing ---- */

static void put_text(json_t *o, const char *key, const char *s, size_t max)
{
    char clean[TEXT_MAX + 1];
    peri_text_clean(s ? s : "", s ? strlen(s) : 0, clean, max);
    json_object_set_new(o, key, json_string(clean));
}

static void put_count(json_t *o, const char *key, uint64_t n)
{
    json_object_set_new(o, key, json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n));
}

static void put_real(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, json_real(isfinite(v) ? v : 0));
}

static json_t *usage_json(const peri_usage_t *u)
{
    json_t *o = json_object();
    put_real(o, "cpu_seconds", u->cpu_seconds);
    put_count(o, "memory_peak", u->memory_peak);
    put_count(o, "bytes_read", u->bytes_read);
    put_count(o, "bytes_written", u->bytes_written);
    put_count(o, "local_bytes", u->local_bytes);
    put_count(o, "shared_bytes", u->shared_bytes);
    put_count(o, "remote_bytes", u->remote_bytes);
    put_count(o, "rows", u->rows);
    return o;
}

static void put_progress(json_t *o, const peri_record_t *r)
{
    if (r->fraction >= 0) put_real(o, "fraction", r->fraction);
    if (r->message && *r->message) put_text(o, "message", r->message, MESSAGE_MAX);
}

static void put_exit(json_t *o, const peri_record_t *r)
{
    json_object_set_new(o, "kind", json_string(exits[r->exit]));
    json_object_set_new(o, "code", json_integer(r->code));
    json_object_set_new(o, "signal", json_integer(r->signal));
    json_object_set_new(o, "core", json_boolean(r->core_dumped));
    put_text(o, "text", r->text, TEXT_MAX);
    json_object_set_new(o, "usage", usage_json(&r->usage));
}

int peri_record_format(const peri_record_t *r, peri_buf_t *out, peri_err_t *err)
{
    if ((size_t)r->kind >= COUNT(kinds) || (size_t)r->exit >= COUNT(exits))
        return peri_err_set(err, PERI_EINTERNAL, "no such kind of record");
    json_t *o = json_object();
    json_object_set_new(o, "record", json_string(kinds[r->kind]));
    put_real(o, "time", r->time);
    json_object_set_new(o, "attempt", json_integer(r->attempt));
    switch (r->kind) {
    case PERI_REC_STARTED:
        put_text(o, "host", r->host, HOST_MAX);
        json_object_set_new(o, "pid", json_integer(r->pid));
        put_text(o, "nodes", r->nodes, NODES_MAX);
        put_text(o, "scheduler", r->scheduler, NAME_MAX_);
        break;
    case PERI_REC_HEARTBEAT:
        put_progress(o, r);
        json_object_set_new(o, "usage", usage_json(&r->usage));
        break;
    case PERI_REC_PROGRESS:
        put_progress(o, r);
        break;
    case PERI_REC_WARNED:
        break;
    case PERI_REC_EXIT:
        put_exit(o, r);
        break;
    }
    char *line = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(o);
    if (!line) return peri_err_set(err, PERI_EINTERNAL, "cannot write a record");
    int rc = strlen(line) < PERI_RECORD_LINE ? 0 : -1;
    if (rc)
        peri_err_set(err, PERI_EINTERNAL, "a record is too long");
    else {
        peri_buf_puts(out, line);
        peri_buf_putc(out, '\n');
        rc = peri_buf_check(out, "the records", err);
    }
    free(line);
    return rc;
}

/* ---- parsing ---- */

static const char *get_text(const json_t *o, const char *key, peri_arena_t *arena)
{
    const json_t *v = json_object_get(o, key);
    size_t len = json_string_length(v);
    if (!json_is_string(v) || len == 0) return "";
    char *clean = peri_arena_alloc(arena, len + 1);
    peri_text_clean(json_string_value(v), len, clean, len);
    return clean;
}

static uint64_t get_count(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_real(v)) {
        double d = json_real_value(v);
        return d > 0 ? d < 9e18 ? (uint64_t)d : INT64_MAX : 0;
    }
    json_int_t n = json_integer_value(v);
    return n > 0 ? (uint64_t)n : 0;
}

static int get_int(const json_t *o, const char *key)
{
    uint64_t n = get_count(o, key);
    return n > INT32_MAX ? INT32_MAX : (int)n;
}

static double get_real(const json_t *o, const char *key, double otherwise, double max)
{
    const json_t *v = json_object_get(o, key);
    double d = json_is_number(v) ? json_number_value(v) : otherwise;
    return d < 0 ? otherwise : d > max ? max : d;
}

static void get_usage(const json_t *o, peri_usage_t *u)
{
    u->cpu_seconds = get_real(o, "cpu_seconds", 0, 1e15);
    u->memory_peak = get_count(o, "memory_peak");
    u->bytes_read = get_count(o, "bytes_read");
    u->bytes_written = get_count(o, "bytes_written");
    u->local_bytes = get_count(o, "local_bytes");
    u->shared_bytes = get_count(o, "shared_bytes");
    u->remote_bytes = get_count(o, "remote_bytes");
    u->rows = get_count(o, "rows");
}

int peri_record_parse(const char *line, size_t len, peri_arena_t *arena, peri_record_t *r,
                      peri_err_t *err)
{
    json_error_t at;
    if (len > PERI_RECORD_LINE)
        return peri_err_set(err, PERI_EFORMAT, "a record is longer than %d bytes",
                            PERI_RECORD_LINE);
    json_t *o = json_loadb(line, len, 0, &at);
    int kind =
        index_of(kinds, COUNT(kinds), json_string_value(json_object_get(o, "record")));
    int how = kind != PERI_REC_EXIT
                  ? 0
                  : index_of(exits, COUNT(exits),
                             json_string_value(json_object_get(o, "kind")));
    if (kind < 0 || how < 0) {
        const bool known = json_is_object(o);
        json_decref(o);
        return peri_err_set(err, PERI_EFORMAT, "not a record: %s",
                            known ? "its kind is not known" : at.text);
    }
    memset(r, 0, sizeof(*r));
    r->kind = (peri_reckind_t)kind;
    r->exit = (peri_exitkind_t)how;
    r->time = get_real(o, "time", 0, 1e12);
    r->attempt = get_int(o, "attempt");
    r->host = get_text(o, "host", arena);
    r->pid = get_int(o, "pid");
    r->nodes = get_text(o, "nodes", arena);
    r->scheduler = get_text(o, "scheduler", arena);
    r->fraction = get_real(o, "fraction", -1, 1);
    r->message = get_text(o, "message", arena);
    get_usage(json_object_get(o, "usage"), &r->usage);
    r->code = get_int(o, "code");
    r->signal = get_int(o, "signal");
    r->core_dumped = json_is_true(json_object_get(o, "core"));
    r->text = get_text(o, "text", arena);
    json_decref(o);
    return 0;
}

/* ---- files ---- */

static void each_line(const char *text, size_t len,
                      void (*each)(const peri_record_t *, void *), void *arg)
{
    for (const char *p = text, *end = text + len; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        if (!nl) return;
        peri_record_t r;
        peri_arena_t *arena = peri_arena_new();
        if (peri_record_parse(p, (size_t)(nl - p), arena, &r, NULL) == 0) each(&r, arg);
        peri_arena_free(arena);
        p = nl + 1;
    }
}

int peri_records_read(int dirfd, uint64_t *offset,
                      void (*each)(const peri_record_t *, void *), void *arg,
                      peri_err_t *err)
{
    peri_err_t why;
    char *text = NULL;
    int rc = -1, fd = peri_folder_open_file(dirfd, "records", &why);
    if (fd < 0) {
        if (why.code == PERI_ENOTFOUND) return 0;
        if (err) *err = why;
        return -1;
    }
    text = peri_xmalloc(READ_MAX);
    ssize_t n =
        *offset > INT64_MAX ? 0 : peri_read_some(fd, text, READ_MAX, (off_t)*offset);
    if (n < 0) {
        peri_err_set(err, PERI_EIO, "cannot read the records: %m");
        goto out;
    }
    const char *last = memrchr(text, '\n', (size_t)n);
    /* A line without an end as long as this is none of ours: it is left behind. */
    size_t whole = last ? (size_t)(last - text) + 1 : n == READ_MAX ? READ_MAX : 0;
    *offset += whole;
    each_line(text, whole, each, arg);
    rc = 0;
out:
    free(text);
    close(fd);
    return rc;
}

int peri_heartbeat_read(int dirfd, peri_arena_t *arena, peri_record_t *r, peri_err_t *err)
{
    peri_err_t why;
    char line[PERI_RECORD_LINE + 1];
    int fd = peri_folder_open_file(dirfd, "heartbeat", &why);
    if (fd < 0) {
        if (why.code == PERI_ENOTFOUND) return 0;
        if (err) *err = why;
        return -1;
    }
    ssize_t n = peri_read_some(fd, line, sizeof(line), 0);
    int failed = errno;
    close(fd);
    if (n < 0)
        return peri_err_set(err, PERI_EIO, "cannot read the heartbeat: %s",
                            strerror(failed));
    const char *nl = memchr(line, '\n', (size_t)n);
    if (peri_record_parse(line, nl ? (size_t)(nl - line) : (size_t)n, arena, r, err))
        return -1;
    if (r->kind != PERI_REC_HEARTBEAT)
        return peri_err_set(err, PERI_EFORMAT, "the heartbeat is another record");
    return 1;
}
