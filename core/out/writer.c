/* writer.c - see writer.h: formats by name, checks, the stream or file, the order of
 * calls. */
#include "core/out/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/out/format.h"
#include "core/out/wait.h"

#define FLUSH_AT ((size_t)256 << 10)
#define LATEST   0.5 /* seconds that rows wait for others, on their way to a reader */
#define TEXT_MAX ((size_t)1 << 30) /* one row of text may not be longer */

static const peri_ops_t *const formats[] = {
    [PERI_FMT_TABLE] = &peri_ops_table,     [PERI_FMT_CSV] = &peri_ops_csv,
    [PERI_FMT_TSV] = &peri_ops_tsv,         [PERI_FMT_JSON] = &peri_ops_json,
    [PERI_FMT_NDJSON] = &peri_ops_ndjson,   [PERI_FMT_PARQUET] = &peri_ops_parquet,
    [PERI_FMT_HDF5] = &peri_ops_hdf5,       [PERI_FMT_FITS] = &peri_ops_fits,
    [PERI_FMT_VOTABLE] = &peri_ops_votable,
};
#define NFORMATS (sizeof(formats) / sizeof(formats[0]))

/* ---- formats ---- */

int peri_format_parse(const char *name, peri_format_t *fmt, peri_err_t *err)
{
    const char *names[NFORMATS];
    char list[256] = "";
    for (size_t i = 0; i < NFORMATS; i++) {
        names[i] = formats[i]->name;
        if (strcasecmp(name, names[i]) == 0) {
            *fmt = (peri_format_t)i;
            return 0;
        }
        size_t n = strlen(list);
        snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = peri_did_you_mean(name, names, NFORMATS);
    return peri_err_set(
        err, PERI_EINVAL, "there is no format \"%s\"%s%s%s: choose one of %s", name,
        near ? "; did you mean \"" : "", near ? near : "", near ? "\"" : "", list);
}

int peri_format_from_path(const char *path, peri_format_t *fmt, peri_err_t *err)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    char list[256] = "";
    for (size_t i = 0; i < NFORMATS; i++) {
        const char *e = formats[i]->endings;
        size_t n = dot ? strlen(dot) : 0;
        for (const char *p = e; n > 1 && (p = strcasestr(p, dot)); p++) {
            if (p[n] != ' ') continue;
            *fmt = (peri_format_t)i;
            return 0;
        }
        size_t have = strlen(list);
        snprintf(list + have, sizeof(list) - have, "%.*s", (int)strlen(e) - 1, e);
    }
    return peri_err_set(err, PERI_EINVAL,
                        "the format of %s cannot be told from its name: name the format, "
                        "or let the name end in one of%s",
                        path, list);
}

const char *peri_format_name(peri_format_t fmt)
{
    return formats[fmt]->name;
}

/* ---- copies of what the caller said ---- */

static const char *own(peri_writer_t *w, const char *s)
{
    return peri_arena_strdup(w->arena, s ? s : "");
}

static bool name_taken(const peri_outcol_t *cols, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(cols[i].name, name) == 0) return true;
    return false;
}

/* Two columns of a result may have one name; in a file they cannot. Numbered the way
 * DuckDB does in CREATE TABLE AS: id, id_1. A table for people keeps what was asked for.
 */
static const char *unique_name(peri_writer_t *w, const peri_outcol_t *before, size_t n,
                               const char *name)
{
    if (w->ops == &peri_ops_table) return own(w, name);
    const char *result = name && *name ? name : "column";
    for (int i = 1; name_taken(before, n, result); i++)
        result = peri_arena_printf(w->arena, "%s_%d", name && *name ? name : "column", i);
    return own(w, result);
}

static int copy_columns(peri_writer_t *w, const peri_outcol_t *cols, size_t n,
                        peri_err_t *err)
{
    peri_outcol_t *mine = peri_arena_calloc(w->arena, n, sizeof(*mine));
    w->cols = mine;
    w->fields = peri_arena_calloc(w->arena, n, sizeof(*w->fields));
    for (size_t i = 0; i < n; i++) {
        mine[i].name = unique_name(w, mine, i, cols[i].name);
        mine[i].unit = own(w, cols[i].unit);
        mine[i].description = own(w, cols[i].description);
        mine[i].ucd = own(w, cols[i].ucd);
        mine[i].type = cols[i].type;
        w->ncols = i + 1;
        if (peri_field_init(&w->fields[i], mine[i].name, cols[i].type, err)) return -1;
    }
    return 0;
}

static void copy_provenance(peri_writer_t *w, const peri_provenance_t *prov)
{
    size_t n = prov ? prov->nsources : 0;
    peri_outsource_t *sources = peri_arena_calloc(w->arena, n ? n : 1, sizeof(*sources));
    for (size_t i = 0; i < n; i++) {
        sources[i] = prov->sources[i];
        sources[i].path = own(w, sources[i].path);
    }
    w->prov.query = own(w, prov ? prov->query : "");
    w->prov.version = own(w, prov ? prov->version : "");
    w->prov.description = own(w, prov ? prov->description : "");
    w->prov.sources = sources;
    w->prov.nsources = n;
    time_t now = time(NULL);
    struct tm tm;
    strftime(w->created, sizeof(w->created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

/* ---- bytes on their way ---- */

static int fail_write(const peri_writer_t *w, int number, peri_err_t *err)
{
    if (number == EPIPE)
        return peri_err_set(err, PERI_ECLOSED, "the reader of the output closed it");
    const char *what = w->target ? peri_target_path(w->target) : "the output";
    if (number == ENOSPC || number == EDQUOT)
        return peri_err_set(err, PERI_EIO,
                            "cannot write %s: there is no space left%s; nothing of it "
                            "is kept",
                            what, number == EDQUOT ? " in your quota" : " on the disk");
    return peri_err_set(err, PERI_EIO, "cannot write %s: %s", what, strerror(number));
}

static int send_bytes(peri_writer_t *w, const char *p, size_t n, peri_err_t *err)
{
    w->sent += n;
    if (w->stream) {
        if (n && fwrite(p, 1, n, w->stream) != n) return fail_write(w, errno, err);
        return 0;
    }
    while (n > 0) {
        ssize_t k = write(w->fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return fail_write(w, errno, err);
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

static int flush_all(peri_writer_t *w, peri_err_t *err)
{
    if (peri_buf_check(&w->text, "the text of one row", err)) return -1;
    if (send_bytes(w, w->text.data, w->text.len, err)) return -1;
    peri_buf_clear(&w->text);
    return 0;
}

int peri_writer_flush(peri_writer_t *w, peri_err_t *err)
{
    if (w->text.len < FLUSH_AT && !w->text.failed) return 0;
    return flush_all(w, err);
}

/* Who reads sees the first rows at once, and later ones soon. */
static int flush_stream(peri_writer_t *w, peri_err_t *err)
{
    const double now = peri_now();
    if (!w->opts.prompt || !w->stream || w->ops->advice || now < w->flushed + LATEST)
        return 0;
    if (flush_all(w, err)) return -1;
    if (fflush(w->stream)) return fail_write(w, errno, err);
    w->flushed = now;
    return 0;
}

/* The file that a library has written goes to the stream. */
static int send_file(peri_writer_t *w, peri_err_t *err)
{
    char *block = peri_xmalloc(FLUSH_AT);
    ssize_t n = 0;
    int rc = 0;
    const int fd = open(peri_target_temp(w->target), O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && rc == 0 && (n = read(fd, block, FLUSH_AT)) > 0)
        rc = send_bytes(w, block, (size_t)n, err);
    if (fd < 0 || n < 0) rc = fail_write(w, errno, err);
    if (fd >= 0) close(fd);
    free(block);
    return rc;
}

/* ---- the writer ---- */

static int open_format(peri_writer_t *w, peri_err_t *err)
{
    return w->ops->open ? w->ops->open(w, err) : 0;
}

/* The rows, or the format at once if there is nothing to wait for. */
static int begin(peri_writer_t *w, peri_err_t *err)
{
    int rc;
    if (w->opts.extends && w->ops->settle) w->ops->settle(w, w->opts.extends);
    if (!peri_wait_needed(w)) return open_format(w, err);
    w->wait = peri_wait_new(w, &rc, err);
    return rc;
}

/* A file of a library, for the stream. */
static int open_detour(peri_writer_t *w, peri_err_t *err)
{
    if (isatty(fileno(w->stream)))
        return peri_err_set(err, PERI_EINVAL,
                            "%s is nothing for a terminal: %s, or send standard output "
                            "there",
                            w->ops->name, w->ops->advice);
    const char *path = peri_arena_printf(w->arena, "%s/result", w->opts.temp_dir);
    w->target = peri_target_new(path, false, err);
    return w->target ? 0 : -1;
}

static int open_output(peri_writer_t *w, const char *path, FILE *stream, peri_err_t *err)
{
    const char *advice = w->ops->advice;
    if (!path) {
        w->stream = stream;
        if (advice && w->opts.temp_dir) return open_detour(w, err);
        if (advice)
            return peri_err_set(err, PERI_EINVAL,
                                "%s cannot be written to standard output: %s",
                                w->ops->name, advice);
        return 0;
    }
    w->target = peri_target_new(path, w->opts.overwrite, err);
    if (!w->target) return -1;
    if (advice) return 0;
    w->fd =
        open(peri_target_temp(w->target), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return w->fd < 0 ? fail_write(w, errno, err) : 0;
}

static peri_writer_t *new_writer(peri_format_t fmt)
{
    peri_writer_t *w = peri_xcalloc(1, sizeof(*w));
    w->ops = formats[fmt];
    w->fd = -1;
    w->arena = peri_arena_new();
    peri_buf_init(&w->text, TEXT_MAX);
    return w;
}

bool peri_writer_can_extend(peri_format_t fmt, const char *path,
                            const peri_outcol_t *cols, size_t ncols)
{
    peri_writer_t *w = new_writer(fmt);
    bool can = w->ops->extends && copy_columns(w, cols, ncols, NULL) == 0;
    if (can && w->ops->settle) w->ops->settle(w, path);
    can = can && !peri_wait_needed(w) && w->ops->extends(w, path);
    peri_writer_free(w);
    return can;
}

peri_writer_t *peri_writer_new(peri_format_t fmt, const char *path, FILE *stdout_stream,
                               const peri_outcol_t *cols, size_t ncols,
                               const peri_provenance_t *prov,
                               const peri_writeopts_t *opts, peri_err_t *err)
{
    if ((size_t)fmt >= NFORMATS || (!path && !stdout_stream) || !ncols) {
        peri_err_set(err, PERI_EINTERNAL, "a writer needs a format, a place and columns");
        return NULL;
    }
    peri_writer_t *w = new_writer(fmt);
    if (opts) w->opts = *opts;
    copy_provenance(w, prov);
    if (copy_columns(w, cols, ncols, err) || open_output(w, path, stdout_stream, err) ||
        begin(w, err)) {
        peri_writer_free(w);
        return NULL;
    }
    return w;
}

/* The first failure is the answer to everything after it. */
static int fail(peri_writer_t *w, const peri_err_t *e, peri_err_t *err)
{
    if (w->failure.code == PERI_OK) w->failure = *e;
    if (err) *err = w->failure;
    return -1;
}

static void count_marks(peri_writer_t *w, duckdb_vector marks, idx_t n)
{
    const bool *is = duckdb_vector_get_data(marks);
    uint64_t *valid = duckdb_vector_get_validity(marks);
    for (idx_t i = 0; i < n; i++)
        w->marked += is[i] && (!valid || duckdb_validity_row_is_valid(valid, i));
}

static int write_rows(peri_writer_t *w, duckdb_data_chunk chunk, peri_err_t *err)
{
    idx_t n = duckdb_data_chunk_get_size(chunk);
    for (size_t i = 0; i < w->ncols; i++)
        peri_field_bind(&w->fields[i], duckdb_data_chunk_get_vector(chunk, i));
    if (w->wait ? peri_wait_put(w, chunk, err) : w->ops->chunk(w, chunk, n, err))
        return -1;
    w->rows += n;
    return 0;
}

/* Nothing to wait for any more: the format gets all rows. */
static int end_wait(peri_writer_t *w, peri_err_t *err)
{
    peri_wait_t *t = w->wait;
    w->wait = NULL;
    w->rows = 0;
    int rc = open_format(w, err) || peri_wait_end(t, w, write_rows, err) ? -1 : 0;
    peri_wait_free(t);
    return rc;
}

int peri_writer_chunk(peri_writer_t *w, duckdb_data_chunk chunk, peri_err_t *err)
{
    peri_err_t e = {0};
    if (w->failure.code != PERI_OK) return fail(w, &e, err);
    idx_t n = duckdb_data_chunk_get_size(chunk);
    if (duckdb_data_chunk_get_column_count(chunk) != w->ncols + w->opts.marks ||
        w->finished) {
        peri_err_set(&e, PERI_EINTERNAL, "rows with the wrong number of columns");
        return fail(w, &e, err);
    }
    if (n == 0) return 0;
    if (write_rows(w, chunk, &e)) return fail(w, &e, err);
    if (w->opts.marks) count_marks(w, duckdb_data_chunk_get_vector(chunk, w->ncols), n);
    return flush_stream(w, &e) ? fail(w, &e, err) : 0;
}

void peri_writer_cut(peri_writer_t *w, const char *why)
{
    w->cut = why;
}

int peri_writer_finish(peri_writer_t *w, peri_err_t *err)
{
    peri_err_t e = {0};
    if (w->failure.code != PERI_OK) return fail(w, &e, err);
    if (w->finished) return 0;
    if (w->wait && end_wait(w, &e)) return fail(w, &e, err);
    if (w->ops->close && w->ops->close(w, &e)) return fail(w, &e, err);
    if (!w->ops->advice && flush_all(w, &e)) return fail(w, &e, err);
    if (w->ops->advice && w->stream && send_file(w, &e)) return fail(w, &e, err);
    if (w->stream && fflush(w->stream)) {
        fail_write(w, errno, &e);
        return fail(w, &e, err);
    }
    if (w->fd >= 0) {
        int rc = close(w->fd);
        w->fd = -1;
        if (rc) {
            fail_write(w, errno, &e);
            return fail(w, &e, err);
        }
    }
    if (w->target && !w->stream && peri_target_commit(w->target, !w->opts.draft, &e))
        return fail(w, &e, err);
    w->finished = true;
    return 0;
}

void peri_writer_free(peri_writer_t *w)
{
    if (!w) return;
    if (w->ops->free) w->ops->free(w);
    peri_wait_free(w->wait);
    if (w->fd >= 0) close(w->fd);
    peri_target_free(w->target);
    for (size_t i = 0; i < w->ncols; i++) peri_field_clear(&w->fields[i]);
    peri_buf_free(&w->text);
    peri_arena_free(w->arena);
    free(w);
}

uint64_t peri_writer_rows(const peri_writer_t *w)
{
    return w->rows;
}

uint64_t peri_writer_marked(const peri_writer_t *w)
{
    return w->marked;
}

uint64_t peri_writer_bytes(const peri_writer_t *w)
{
    struct stat st;
    if (w->wait) return peri_wait_bytes(w->wait);
    if (!w->ops->advice) return w->sent + w->text.len;
    return stat(peri_target_temp(w->target), &st) ? 0 : (uint64_t)st.st_size;
}
