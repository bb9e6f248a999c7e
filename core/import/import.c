/* import.c - see import.h: the file, the reader, the session in which DuckDB sees its
 * rows as a relation, and the statement that gives them the types asked for. */
#include "core/import/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "core/import/cast.h"
#include "core/import/reader.h"

#define MEMORY   ((uint64_t)1 << 30)
#define SQL_MAX  ((size_t)64 << 20)
#define NOTE_MAX 512

typedef struct {
    const char *name;
    duckdb_logical_type type; /* owned */
    bool used;
} forced_t;

struct peri_import {
    peri_reader_t r;
    peri_importopts_t opts;
    forced_t *forced;
    size_t nforced;
    peri_outcol_t *cols; /* what comes out */
    size_t ncols;
    char *relation;     /* SQL */
    peri_err_t failure; /* of the reader, while a statement runs */
    bool failed;
};

/* ---- for readers ---- */

static forced_t *find_forced(const peri_import_t *i, const char *name)
{
    for (size_t k = 0; k < i->nforced; k++)
        if (!strcasecmp(i->forced[k].name, name)) return &i->forced[k];
    return NULL;
}

static bool as_they_are(const peri_reader_t *r)
{
    return r->ops->names_as_they_are || r->own_names;
}

/* A column may be meant by its name in the file or by the one it gets. */
static forced_t *forced_of(const peri_reader_t *r, const char *source)
{
    const peri_import_t *i = (const peri_import_t *)r; /* its first member */
    const char *name =
        peri_read_legal_name(r->arena, source, as_they_are(r), r->cols, r->ncols);
    forced_t *f = find_forced(i, name);
    return f ? f : find_forced(i, source);
}

duckdb_logical_type peri_reader_forced(const peri_reader_t *r, const char *source)
{
    const forced_t *f = forced_of(r, source);
    return f ? f->type : NULL;
}

static const char *unit_of(const peri_reader_t *r, const char *name, const char *source,
                           const char *unit)
{
    for (size_t i = 0; i < r->opts->nunits; i++) {
        const char *said = r->opts->units[i], *equals = strchr(said, '=');
        size_t n = (size_t)(equals - said);
        if ((strlen(name) == n && !strncasecmp(said, name, n)) ||
            (strlen(source) == n && !strncasecmp(said, source, n)))
            return equals + 1;
    }
    return unit ? unit : "";
}

int peri_reader_column(peri_reader_t *r, const char *source, const char *unit,
                       const char *ucd, const char *description,
                       duckdb_logical_type given, duckdb_logical_type type,
                       peri_err_t *err)
{
    if (r->ncols == PERI_IMPORT_COLUMNS_MAX) {
        duckdb_destroy_logical_type(&given);
        if (type) duckdb_destroy_logical_type(&type);
        return peri_err_set(err, PERI_ELIMIT, "%s has more than %d columns", r->name,
                            PERI_IMPORT_COLUMNS_MAX);
    }
    if (r->ncols == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->cols = peri_xrealloc(r->cols, r->cap, sizeof(*r->cols));
    }
    peri_arena_t *a = r->arena;
    forced_t *forced = forced_of(r, source);
    peri_readcol_t *c = &r->cols[r->ncols];
    memset(c, 0, sizeof(*c));
    c->source = peri_arena_strdup(a, source);
    c->name = peri_read_legal_name(a, source, as_they_are(r), r->cols, r->ncols);
    c->unit = peri_arena_strdup(a, unit_of(r, c->name, source, unit));
    c->ucd = peri_arena_strdup(a, ucd ? ucd : "");
    bool renamed = strcmp(c->name, source) && *source;
    c->description = peri_arena_strdup(a, description && *description ? description
                                          : renamed                   ? source
                                                                      : "");
    c->given = given;
    if (forced) {
        if (type) duckdb_destroy_logical_type(&type);
        forced->used = true;
        type = peri_cast_copy_type(forced->type);
    }
    c->type = type ? type : peri_cast_copy_type(given);
    r->ncols++;
    return 0;
}

void peri_reader_note(peri_reader_t *r, const char *fmt, ...)
{
    char text[NOTE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (r->nnotes == 64) return;
    if (!r->notes) r->notes = peri_arena_calloc(r->arena, 64, sizeof(*r->notes));
    r->notes[r->nnotes++] = peri_arena_strdup(r->arena, text);
}

int peri_reader_tick(peri_reader_t *r, peri_err_t *err)
{
    const peri_importopts_t *o = r->opts;
    if (++r->ticks % 4096 || !o->tick) return 0;
    if (!o->tick(peri_import_progress((peri_import_t *)r), o->tick_arg)) return 0;
    return peri_err_set(err, PERI_ECANCEL, "cancelled");
}

int peri_reader_reword(const peri_reader_t *r, const char *what, peri_err_t *err)
{
    if (!err || err->code == PERI_ECANCEL || err->code == PERI_ELIMIT) return -1;
    peri_err_t old = *err;
    peri_buf_t b;
    peri_buf_init(&b, 4 * sizeof(old.text));
    size_t n = strlen(r->path);
    for (const char *p = old.text, *q; *p; p = q) {
        q = strstr(p, r->path);
        size_t k = q ? (size_t)(q - p) : strlen(p);
        peri_buf_append(&b, p, k);
        if (q) peri_buf_puts(&b, r->name);
        q = q ? q + n : p + k;
    }
    if (what)
        peri_err_set(err, PERI_EFORMAT, "%s %s: %s", r->name, what, b.data ? b.data : "");
    else
        peri_err_set(err, old.code, "%s", b.data ? b.data : "");
    peri_buf_free(&b);
    return -1;
}

/* ---- the reader's rows as a table function ---- */

static void rows_bind(duckdb_bind_info info)
{
    const peri_import_t *i = duckdb_bind_get_extra_info(info);
    char name[32];
    for (size_t c = 0; c < i->r.ncols; c++) {
        snprintf(name, sizeof(name), "c%zu", c);
        duckdb_bind_add_result_column(info, name, i->r.cols[c].given);
    }
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    duckdb_bind_add_result_column(info, "place", number);
    duckdb_destroy_logical_type(&number);
}

static void rows_init(duckdb_init_info info)
{
    peri_import_t *i = duckdb_init_get_extra_info(info);
    duckdb_init_set_max_threads(info, 1);
    atomic_store(&i->r.done, 0);
    i->r.row = 0;
    if (i->failed || i->r.ops->start(&i->r, &i->failure)) {
        i->failed = true;
        duckdb_init_set_error(info, i->failure.text);
    }
}

static void rows_next(duckdb_function_info info, duckdb_data_chunk out)
{
    peri_import_t *i = duckdb_function_get_extra_info(info);
    peri_reader_t *r = &i->r;
    duckdb_data_chunk_set_size(out, 0);
    if (i->failed || r->ops->next(r, out, &i->failure)) {
        i->failed = true;
        duckdb_data_chunk_set_size(out, 0);
        duckdb_function_set_error(info, i->failure.text);
        return;
    }
    idx_t n = duckdb_data_chunk_get_size(out);
    uint64_t *place = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, r->ncols));
    for (idx_t k = 0; k < n; k++) place[k] = r->ops->lines ? r->lines[k] : r->row + k + 1;
    r->row += n;
}

static int register_rows(peri_import_t *i, peri_err_t *err)
{
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_table_function_set_name(f, "peri_import_rows");
    duckdb_table_function_set_extra_info(f, i, NULL);
    duckdb_table_function_set_bind(f, rows_bind);
    duckdb_table_function_set_init(f, rows_init);
    duckdb_table_function_set_function(f, rows_next);
    duckdb_state rc =
        duckdb_register_table_function(peri_session_connection(i->r.session), f);
    duckdb_destroy_table_function(&f);
    return rc ? peri_err_set(err, PERI_EINTERNAL, "DuckDB takes no table function") : 0;
}

/* ---- the statement ---- */

static void put_source(const peri_import_t *i, size_t c, peri_buf_t *b)
{
    if (i->r.sql)
        peri_buf_put_quoted(b, i->r.cols[c].source, '"');
    else
        peri_buf_printf(b, "c%zu", c);
}

/* The value of the reader's column c as `type`. */
static int put_value(const peri_import_t *i, size_t c, duckdb_logical_type type,
                     unsigned flags, peri_buf_t *b, peri_err_t *err)
{
    peri_buf_t source;
    peri_buf_init(&source, SQL_MAX);
    put_source(i, c, &source);
    int rc = peri_cast_put(source.data, i->r.cols[c].given, type,
                           flags | (i->r.ops->sql_texts ? 0 : PERI_CAST_JSON), b, err);
    peri_buf_free(&source);
    return rc;
}

static size_t find_column(const peri_reader_t *r, const char *name)
{
    for (size_t c = 0; c < r->ncols; c++)
        if (!strcasecmp(r->cols[c].name, name)) return c;
    for (size_t c = 0; c < r->ncols; c++)
        if (!strcasecmp(r->cols[c].source, name)) return c;
    return SIZE_MAX;
}

/* SELECT of what comes out, in its order. */
static int make_statement(peri_import_t *i, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, SQL_MAX);
    peri_buf_puts(&b, "SELECT ");
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < i->ncols; k++) {
        size_t c = i->opts.shape ? find_column(&i->r, i->cols[k].name) : k;
        if (k) peri_buf_puts(&b, ", ");
        rc = c == SIZE_MAX ? peri_cast_put("NULL", NULL, i->cols[k].type, 0, &b, err)
                           : put_value(i, c, i->cols[k].type, 0, &b, err);
        peri_buf_printf(&b, " AS o%zu", k);
    }
    peri_buf_printf(&b, " FROM %s", i->r.sql ? i->r.sql : "peri_import_rows()");
    if (rc == 0) rc = peri_buf_check(&b, "the list of columns", err);
    i->relation = rc ? NULL : peri_buf_take(&b, NULL);
    peri_buf_free(&b);
    return rc;
}

/* ---- columns ---- */

static void list_names(const char *const *names, size_t n, peri_buf_t *b)
{
    for (size_t k = 0; k < n && b->len < 300; k++)
        peri_buf_printf(b, "%s%s", k ? ", " : "", names[k]);
    if (b->len >= 300) peri_buf_puts(b, ", ...");
}

/* What the file has and the shape has not; both sides listed. */
static int check_shape(const peri_import_t *i, peri_err_t *err)
{
    const peri_importopts_t *o = &i->opts;
    const char **names = peri_xcalloc(i->r.ncols + o->nshape, sizeof(*names));
    bool *wanted = peri_xcalloc(i->r.ncols, sizeof(*wanted));
    peri_buf_t theirs, ours;
    peri_buf_init(&theirs, 4096);
    peri_buf_init(&ours, 4096);
    size_t n = 0, found = 0;
    for (size_t k = 0; k < o->nshape; k++) {
        size_t c = find_column(&i->r, o->shape[k].name);
        if (c != SIZE_MAX) wanted[c] = true;
        found += c != SIZE_MAX;
        names[k] = o->shape[k].name;
    }
    list_names(names, o->nshape, &ours);
    for (size_t c = 0; c < i->r.ncols; c++)
        if (!wanted[c]) names[n++] = i->r.cols[c].name;
    list_names(names, n, &theirs);
    int rc = 0;
    if (n || !found)
        rc = peri_err_set(err, PERI_EINVAL,
                          "%s has columns that the table has not: %s; the table has %s: "
                          "rename or leave out the columns in the file",
                          i->r.name, theirs.data ? theirs.data : "",
                          ours.data ? ours.data : "");
    peri_buf_free(&theirs);
    peri_buf_free(&ours);
    free(names);
    free(wanted);
    return rc;
}

static int settle_columns(peri_import_t *i, peri_err_t *err)
{
    const peri_importopts_t *o = &i->opts;
    if (!i->r.ncols)
        return peri_err_set(err, PERI_EFORMAT, "%s has no columns", i->r.name);
    if (o->shape && check_shape(i, err)) return -1;
    i->ncols = o->shape ? o->nshape : i->r.ncols;
    i->cols = peri_arena_calloc(i->r.arena, i->ncols, sizeof(*i->cols));
    for (size_t k = 0; k < i->ncols; k++) {
        if (o->shape) {
            i->cols[k] = o->shape[k];
            continue;
        }
        const peri_readcol_t *c = &i->r.cols[k];
        i->cols[k] = (peri_outcol_t){.name = c->name,
                                     .unit = c->unit,
                                     .description = c->description,
                                     .ucd = c->ucd,
                                     .type = c->type};
    }
    return 0;
}

static int fail_column(const peri_import_t *i, const char *option, const char *name,
                       peri_err_t *err)
{
    const char **names = peri_xcalloc(i->r.ncols + 1, sizeof(*names));
    peri_buf_t list;
    peri_buf_init(&list, 4096);
    for (size_t c = 0; c < i->r.ncols; c++) names[c] = i->r.cols[c].name;
    list_names(names, i->r.ncols, &list);
    const char *near = peri_did_you_mean(name, names, i->r.ncols);
    peri_err_set(err, PERI_EINVAL, "%s: %s has no column \"%s\"%s%s%s; it has %s", option,
                 i->r.name, name, near ? "; did you mean \"" : "", near ? near : "",
                 near ? "\"" : "", list.data ? list.data : "none");
    peri_buf_free(&list);
    free(names);
    return -1;
}

static int check_said(const peri_import_t *i, peri_err_t *err)
{
    for (size_t k = 0; k < i->nforced; k++)
        if (!i->forced[k].used && !i->opts.shape)
            return fail_column(i, "--type", i->forced[k].name, err);
    for (size_t k = 0; k < i->opts.nunits; k++) {
        const char *said = i->opts.units[k];
        char *name = peri_xasprintf("%.*s", (int)strcspn(said, "="), said);
        int rc = find_column(&i->r, name) == SIZE_MAX
                     ? fail_column(i, "--unit", name, err)
                     : 0;
        free(name);
        if (rc) return rc;
    }
    return 0;
}

/* ---- open ---- */

static int take_forced(peri_import_t *i, peri_err_t *err)
{
    const peri_importopts_t *o = &i->opts;
    i->forced = peri_xcalloc(o->ntypes + o->nshape + 1, sizeof(*i->forced));
    for (size_t k = 0; k < o->nunits; k++)
        if (!strchr(o->units[k], '='))
            return peri_err_set(err, PERI_EINVAL,
                                "a unit is said as COLUMN=UNIT, not \"%s\"", o->units[k]);
    for (size_t k = 0; k < o->nshape; k++)
        i->forced[i->nforced++] =
            (forced_t){o->shape[k].name, peri_cast_copy_type(o->shape[k].type), true};
    for (size_t k = 0; k < o->ntypes && !o->shape; k++) {
        const char *said = o->types[k], *equals = strchr(said, '=');
        if (!equals || equals == said || !equals[1])
            return peri_err_set(err, PERI_EINVAL,
                                "a type is said as COLUMN=TYPE, such as ra=DOUBLE, not "
                                "\"%s\"",
                                said);
        forced_t *f = &i->forced[i->nforced];
        f->name = peri_arena_strndup(i->r.arena, said, (size_t)(equals - said));
        if (find_forced(i, f->name))
            return peri_err_set(err, PERI_EINVAL, "two types are said for column %s",
                                f->name);
        f->type = peri_cast_parse_type(i->r.session, equals + 1, err);
        if (!f->type) return -1;
        i->nforced++;
    }
    return 0;
}

static int open_file(peri_import_t *i, const char *path, peri_err_t *err)
{
    struct stat st;
    peri_reader_t *r = &i->r;
    r->name = i->opts.name ? i->opts.name : path;
    /* Not to wait for the other end of a pipe. */
    r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0)
        return peri_err_set(err,
                            errno == ENOENT   ? PERI_ENOTFOUND
                            : errno == EACCES ? PERI_EDENIED
                                              : PERI_EIO,
                            "cannot read %s: %s", r->name, strerror(errno));
    if (fstat(r->fd, &st))
        return peri_err_set(err, PERI_EIO, "cannot read %s: %s", r->name,
                            strerror(errno));
    if (S_ISDIR(st.st_mode))
        return peri_err_set(err, PERI_EINVAL,
                            "%s is a folder: give one file, or register a folder of "
                            "HDF5 files as a dataset",
                            r->name);
    if (!S_ISREG(st.st_mode))
        return peri_err_set(err, PERI_EINVAL, "%s is not a regular file", r->name);
    r->size = (uint64_t)st.st_size;
    r->path = peri_arena_printf(r->arena, "/proc/self/fd/%d", r->fd);
    return 0;
}

peri_import_t *peri_import_open(const char *path, const peri_importopts_t *o,
                                peri_err_t *err)
{
    peri_import_t *i = peri_xcalloc(1, sizeof(*i));
    peri_reader_t *r = &i->r;
    r->fd = -1;
    r->arena = peri_arena_new();
    r->description = "";
    if (o) i->opts = *o;
    r->opts = &i->opts;
    if (open_file(i, path, err)) goto fail;
    const peri_readops_t *ops = peri_readops_choose(r, err);
    if (!ops) goto fail;
    peri_limits_t limits = {.threads = i->opts.threads,
                            .memory = i->opts.memory ? i->opts.memory : MEMORY,
                            .file = r->path};
    r->session = peri_session_new(&limits, err);
    if (!r->session || register_rows(i, err) || take_forced(i, err)) goto fail;
    r->lines = peri_xcalloc(peri_reader_room(), sizeof(*r->lines));
    r->ops = ops; /* from here on its free is called */
    if (ops->open(r, err) || settle_columns(i, err) || check_said(i, err) ||
        make_statement(i, err))
        goto fail;
    return i;
fail:
    peri_import_free(i);
    return NULL;
}

void peri_import_free(peri_import_t *i)
{
    if (!i) return;
    peri_reader_t *r = &i->r;
    peri_session_free(r->session);
    if (r->ops && r->ops->free) r->ops->free(r);
    for (size_t c = 0; c < r->ncols; c++) {
        duckdb_destroy_logical_type(&r->cols[c].given);
        duckdb_destroy_logical_type(&r->cols[c].type);
    }
    for (size_t k = 0; k < i->nforced; k++)
        duckdb_destroy_logical_type(&i->forced[k].type);
    if (r->fd >= 0) close(r->fd);
    free(r->cols);
    free(r->lines);
    free(i->forced);
    free(i->relation);
    peri_arena_free(r->arena);
    free(i);
}

/* ---- rows ---- */

typedef struct {
    char text[128];
    unsigned long long place;
    bool found;
} culprit_t;

static int take_culprit(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    culprit_t *found = arg;
    (void)err;
    const uint64_t *place =
        duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    const duckdb_string_t *text =
        duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
    found->place = place[0];
    duckdb_string_t s = text[0];
    snprintf(found->text, sizeof(found->text), "%.*s", (int)duckdb_string_t_length(s),
             duckdb_string_t_data(&s));
    found->found = true;
    return 0;
}

/* A cast failed somewhere: which value, and where? 0: none was found. */
static int find_culprit(peri_import_t *i, peri_err_t *err)
{
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < i->ncols; k++) {
        size_t c = i->opts.shape ? find_column(&i->r, i->cols[k].name) : k;
        if (c == SIZE_MAX || peri_cast_same_type(i->r.cols[c].given, i->cols[k].type))
            continue;
        culprit_t found = {0};
        peri_buf_t b;
        peri_buf_init(&b, SQL_MAX);
        peri_buf_printf(&b, "SELECT %s, left(CAST(",
                        i->r.sql ? "CAST(row_number() OVER () AS UBIGINT)" : "place");
        put_source(i, c, &b);
        peri_buf_puts(&b, " AS VARCHAR), 100) FROM ");
        peri_buf_puts(&b, i->r.sql ? i->r.sql : "peri_import_rows()");
        peri_buf_puts(&b, i->r.sql ? " QUALIFY " : " WHERE ");
        put_source(i, c, &b);
        peri_buf_puts(&b, " IS NOT NULL AND (");
        put_value(i, c, i->cols[k].type, PERI_CAST_NULL, &b, NULL);
        peri_buf_puts(&b, ") IS NULL LIMIT 1");
        if (!b.failed &&
            !peri_session_run(i->r.session, b.data, take_culprit, &found, NULL) &&
            found.found) {
            peri_buf_t type;
            peri_buf_init(&type, SQL_MAX);
            peri_cast_put_type(i->cols[k].type, &type);
            rc = peri_err_set(err, PERI_EFORMAT,
                              "%s %llu of %s: column %s has \"%s\", which is no %.200s",
                              i->r.ops->lines ? "line" : "row", found.place, i->r.name,
                              i->cols[k].name, found.text, type.data ? type.data : "");
            peri_buf_free(&type);
        }
        peri_buf_free(&b);
    }
    return rc;
}

typedef struct {
    peri_import_t *i;
    int (*chunk)(duckdb_data_chunk chunk, void *arg, peri_err_t *err);
    void *arg;
    bool stopped;
} receiver_t;

static int receive(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    receiver_t *to = arg;
    if (to->i->r.sql) atomic_fetch_add(&to->i->r.done, duckdb_data_chunk_get_size(chunk));
    to->stopped = to->chunk(chunk, to->arg, err) != 0;
    return to->stopped;
}

int peri_import_rows(peri_import_t *i,
                     int (*chunk)(duckdb_data_chunk chunk, void *arg, peri_err_t *err),
                     void *arg, peri_err_t *err)
{
    peri_err_t e = {0};
    receiver_t to = {i, chunk, arg, false};
    atomic_store(&i->r.done, 0);
    i->failed = false;
    memset(&i->failure, 0, sizeof(i->failure));
    int rc = peri_session_run(i->r.session, i->relation, receive, &to, &e);
    if (rc == 0) return 0;
    if (to.stopped) {
        if (err) *err = e;
        return -1;
    }
    if (i->failed && e.code != PERI_ECANCEL) {
        e = i->failure;
    } else if (e.code == PERI_EINVAL) {
        peri_err_t better = {0};
        if (find_culprit(i, &better)) e = better;
    }
    peri_reader_reword(&i->r, NULL, &e);
    if (err) *err = e;
    return -1;
}

double peri_import_progress(const peri_import_t *i)
{
    uint64_t done = atomic_load(&i->r.done), all = atomic_load(&i->r.all);
    return all ? done < all ? (double)done / (double)all : 1 : 0;
}

void peri_import_interrupt(peri_import_t *i)
{
    peri_session_interrupt(i->r.session);
}

const char *peri_import_format(const peri_import_t *i)
{
    return i->r.ops->name;
}

const peri_outcol_t *peri_import_columns(const peri_import_t *i, size_t *n)
{
    *n = i->ncols;
    return i->cols;
}

const char *peri_import_description(const peri_import_t *i)
{
    return i->r.description;
}

const char *const *peri_import_notes(const peri_import_t *i, size_t *n)
{
    *n = i->r.nnotes;
    return i->r.notes;
}
