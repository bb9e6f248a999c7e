/* list.c - all tables of schemas as JSON.
 *
 * Files that others share are opened here without being asked for, and a crafted one can
 * crash libhdf5 or have it compute without end. A child process reads them, a file a
 * line; where it dies, that file is listed as one that cannot be read, and another child
 * goes on behind it. Nobody can take away another's list.
 *
 * Threads: to be called while no other thread is in HDF5 (it forks).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/h5/h5.h"
#include "core/mydb/about.h"
#include "core/mydb/private.h"

#define FILE_SECONDS 10 /* of CPU, for one file */

typedef struct {
    const peri_schema_t *schema;
    peri_mydbentry_t entry;
} item_t;

typedef struct {
    item_t *v;
    size_t n, cap;
} items_t;

/* ---- the child ---- */

/* Not for ever, whatever is in the file. */
static void limit_cpu(void)
{
    struct rusage used;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &used) || getrlimit(RLIMIT_CPU, &limit)) return;
    limit.rlim_cur =
        (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 + FILE_SECONDS);
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CPU, &limit);
}

static int write_line(int fd, const item_t *item)
{
    json_t *o = peri_mydb_listed(item->schema, &item->entry);
    char *text = o ? json_dumps(o, JSON_COMPACT) : peri_xstrdup("null");
    int rc = text ? dprintf(fd, "%s\n", text) : -1;
    free(text);
    json_decref(o);
    return rc < 0 ? -1 : 0;
}

static _Noreturn void read_files(const item_t *v, size_t n, int fd)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) dup2(nowhere, STDERR_FILENO); /* its last words are ours to say */
    for (size_t i = 0; i < n; i++) {
        limit_cpu();
        if (write_line(fd, &v[i])) break;
    }
    _exit(0);
}

/* ---- the parent ---- */

/* A child for items from v on; -1 if there can be none. */
static pid_t start(const item_t *v, size_t n, FILE **out)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC)) return -1;
    pid_t pid = fork();
    if (pid == 0) read_files(v, n, p[1]);
    close(p[1]);
    *out = pid > 0 ? fdopen(p[0], "r") : NULL;
    if (!*out) close(p[0]);
    return pid;
}

/* What the child says of its items; how many of them. */
static size_t take_lines(FILE *in, size_t n, json_t *tables)
{
    char *line = NULL;
    size_t cap = 0, i = 0;
    while (i < n && getline(&line, &cap, in) > 0) {
        json_t *o = json_loads(line, JSON_DECODE_ANY, NULL);
        if (!o) break; /* it died in the middle of it */
        if (json_is_object(o))
            json_array_append_new(tables, o);
        else
            json_decref(o);
        i++;
    }
    free(line);
    return i;
}

static void put_unreadable(const item_t *item, const char *why, json_t *tables)
{
    json_t *o = peri_mydb_unreadable(item->schema, &item->entry, why);
    if (o) json_array_append_new(tables, o);
}

static void read_items(const items_t *items, json_t *tables)
{
    for (size_t i = 0; i < items->n;) {
        FILE *in = NULL;
        pid_t pid = start(&items->v[i], items->n - i, &in);
        if (pid < 0) {
            put_unreadable(&items->v[i++], "no process could be started to read it",
                           tables);
            continue;
        }
        i += in ? take_lines(in, items->n - i, tables) : 0;
        if (in) fclose(in); /* a child that still writes ends by that */
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        if (i < items->n)
            put_unreadable(&items->v[i++],
                           "the HDF5 library crashes, or does not come to an end, with "
                           "this file: it is damaged",
                           tables);
    }
}

/* ---- schemas ---- */

static void put_bytes(json_t *o, const char *key, int64_t n)
{
    json_object_set_new(o, key, n < 0 ? json_null() : json_integer(n));
}

static json_t *schema_json(const peri_schema_t *s)
{
    json_t *o = json_pack("{s:s, s:s, s:b}", "name", s->name, "owner", s->owner, "write",
                          (int)s->write);
    put_bytes(o, "left", s->left < 0 ? -1 : peri_mydb_left(s));
    put_bytes(o, "quota", s->quota);
    return o;
}

/* A folder that cannot be read is told of at its schema: others can. */
static void add_schema(const peri_schema_t *s, items_t *items, json_t *schemas)
{
    peri_mydbentry_t *v;
    size_t n;
    peri_err_t err = {0};
    json_t *o = schema_json(s);
    json_array_append_new(schemas, o);
    if (peri_mydb_entries(s, &v, &n, &err))
        json_object_set_new(o, "error", json_string(err.text));
    for (size_t i = 0; i < n; i++) {
        if (items->n == items->cap) {
            items->cap = items->cap ? 2 * items->cap : 64;
            items->v = peri_xrealloc(items->v, items->cap, sizeof(*items->v));
        }
        items->v[items->n++] = (item_t){s, v[i]};
    }
    free(v);
}

static int no_schema(const peri_schemas_t *s, const char *name, peri_err_t *err)
{
    size_t n = peri_schemas_count(s);
    const char **names = peri_xcalloc(n + 1, sizeof(*names));
    for (size_t i = 0; i < n; i++) names[i] = peri_schemas_at(s, i)->name;
    const char *near = peri_did_you_mean(name, names, n);
    peri_err_set(err, PERI_ENOTFOUND,
                 "there is no schema \"%s\" whose tables you can read%s%s%s", name,
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    free(names);
    return -1;
}

/* A folder that has several names is listed by the first. */
static bool is_first(const peri_schemas_t *s, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(peri_schemas_at(s, k)->folder, peri_schemas_at(s, i)->folder) == 0)
            return false;
    return true;
}

json_t *peri_mydb_list(const peri_schemas_t *s, const char *schema, peri_err_t *err)
{
    const peri_schema_t *one = schema ? peri_schemas_find(s, schema) : NULL;
    if (schema && !one) {
        (void)no_schema(s, schema, err);
        return NULL;
    }
    peri_h5_init(NULL);
    items_t items = {0};
    json_t *schemas = json_array(), *tables = json_array();
    for (size_t i = 0; i < peri_schemas_count(s); i++)
        if (one ? peri_schemas_at(s, i) == one : is_first(s, i))
            add_schema(peri_schemas_at(s, i), &items, schemas);
    read_items(&items, tables);
    free(items.v);
    return json_pack("{s:o, s:o}", "schemas", schemas, "tables", tables);
}
