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
#include "core/import/import_priv.h"
#include "core/import/input.h"

#define MEMORY   ((uint64_t)1 << 30)
#define NOTE_MAX 512
#define NOTES    64

/* ---- for readers ---- */

int peri_reader_tick(peri_reader_t *r, peri_err_t *err)
{
    const peri_importopts_t *o = r->opts;
    if (++r->ticks % 4096 || !o->tick) return 0;
    if (!o->tick(peri_import_progress((peri_import_t *)r), o->tick_arg)) return 0;
    return peri_err_set(err, PERI_ECANCEL, "cancelled");
}

/* `text` with the file's name for the path that it was opened by. */
static void put_reworded(const peri_reader_t *r, const char *text, peri_buf_t *b)
{
    size_t n = strlen(r->path);
    for (const char *p = text, *q; *p; p = q) {
        q = strstr(p, r->path);
        size_t k = q ? (size_t)(q - p) : strlen(p);
        peri_buf_append(b, p, k);
        if (q) peri_buf_puts(b, r->name);
        q = q ? q + n : p + k;
    }
}

int peri_reader_reword(const peri_reader_t *r, const char *what, peri_err_t *err)
{
    if (!err || err->code == PERI_ECANCEL || err->code == PERI_ELIMIT) return -1;
    peri_code_t code = err->code;
    peri_buf_t b;
    peri_buf_init(&b, 8192);
    put_reworded(r, err->text, &b);
    if (what)
        peri_err_set(err, PERI_EFORMAT, "%s %s: %s", r->name, what, b.data ? b.data : "");
    else
        peri_err_set(err, code, "%s", b.data ? b.data : "");
    peri_buf_free(&b);
    return -1;
}

void peri_reader_note(peri_reader_t *r, const char *fmt, ...)
{
    char text[NOTE_MAX];
    peri_buf_t b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (r->nnotes == NOTES) return;
    if (!r->notes) r->notes = peri_arena_calloc(r->arena, NOTES, sizeof(*r->notes));
    peri_buf_init(&b, 8192);
    put_reworded(r, text, &b);
    r->notes[r->nnotes++] = peri_arena_strdup(r->arena, b.data ? b.data : "");
    peri_buf_free(&b);
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

/* ---- open ---- */

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

static int open_temporary(peri_err_t *err)
{
    const char *dir = getenv("TMPDIR");
    if (!dir || !*dir) dir = "/tmp";
    const int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        peri_err_set(err, PERI_EIO, "a temporary file cannot be made in %s: %s", dir,
                     strerror(errno));
    return fd;
}

/* All bytes of `in` to the file. */
static int write_all(peri_reader_t *r, peri_input_t *in, int fd, peri_err_t *err)
{
    for (int more = 1;;) {
        size_t n;
        const char *p = peri_input_at(in, &n);
        const ssize_t k = n ? write(fd, p, n) : 0;
        if (k < 0 && errno != EINTR)
            return peri_err_set(err, errno == ENOSPC ? PERI_EFULL : PERI_EIO,
                                "%s cannot be decompressed into a temporary file: %s",
                                r->name, strerror(errno));
        if (k > 0) peri_input_skip(in, (size_t)k);
        if (k > 0) r->size += (uint64_t)k;
        if (n) continue;
        if (!more) return 0;
        if ((more = peri_input_more(in, err)) < 0 || peri_reader_tick(r, err)) return -1;
    }
}

/* Formats that jump in their files get them decompressed, as a file without a name. */
static int unpack(peri_import_t *i, peri_err_t *err)
{
    peri_reader_t *r = &i->r;
    peri_input_t *in = peri_input_new(r->fd, r->name, err);
    const int fd = in ? open_temporary(err) : -1;
    r->size = 0;
    const int rc = fd < 0 ? -1 : write_all(r, in, fd, err);
    peri_input_free(in);
    if (fd < 0) return -1;
    close(r->fd);
    r->fd = fd;
    r->path = peri_arena_printf(r->arena, "/proc/self/fd/%d", fd);
    return rc;
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
    bool packed = false;
    const peri_readops_t *ops = peri_readops_choose(r, &packed, err);
    if (!ops || (packed && unpack(i, err))) goto fail;
    peri_limits_t limits = {.threads = i->opts.threads,
                            .memory = i->opts.memory ? i->opts.memory : MEMORY,
                            .file = r->path};
    r->session = peri_session_new(&limits, err);
    if (!r->session || register_rows(i, err) || peri_import_take_forced(i, err))
        goto fail;
    r->lines = peri_xcalloc(peri_reader_room(), sizeof(*r->lines));
    r->ops = ops; /* from here on its free is called */
    if (ops->open(r, err) || peri_import_settle(i, err)) goto fail;
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
        size_t c = peri_import_source(i, k);
        if (c == SIZE_MAX || peri_cast_same_type(i->r.cols[c].given, i->cols[k].type))
            continue;
        culprit_t found = {0};
        peri_buf_t b;
        peri_buf_init(&b, PERI_IMPORT_SQL_MAX);
        peri_buf_printf(&b, "SELECT %s, left(CAST(",
                        i->r.sql ? "CAST(row_number() OVER () AS UBIGINT)" : "place");
        peri_import_put_source(i, c, &b);
        peri_buf_puts(&b, " AS VARCHAR), 100) FROM ");
        peri_buf_puts(&b, peri_import_rows_sql(i));
        peri_buf_puts(&b, i->r.sql ? " QUALIFY " : " WHERE ");
        peri_import_put_source(i, c, &b);
        peri_buf_puts(&b, " IS NOT NULL AND (");
        peri_import_put_value(i, c, i->cols[k].type, true, &b, NULL);
        peri_buf_puts(&b, ") IS NULL LIMIT 1");
        if (!b.failed &&
            !peri_session_run(i->r.session, b.data, take_culprit, &found, NULL) &&
            found.found) {
            peri_buf_t type;
            peri_buf_init(&type, PERI_IMPORT_SQL_MAX);
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
    /* Nobody's SQL is wrong here. */
    if (e.code == PERI_EINVAL) e.code = PERI_EFORMAT;
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
