/* wait.c - see wait.h. The file: for each chunk its length and what core/rows makes of
 * it. */
#include "core/out/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/out/binary.h"
#include "core/rows/rows.h"

struct peri_wait {
    FILE *file;
    peri_rows_t *rows;
    peri_buf_t bytes; /* of a chunk */
    uint64_t size;    /* of the file */
};

/* ---- the file ---- */

FILE *peri_wait_file(const peri_writer_t *w, const char *ending)
{
    if (!w->target && !w->opts.temp_dir) return tmpfile();
    char *name = w->target ? peri_xasprintf("%s.%s", peri_target_temp(w->target), ending)
                           : peri_xasprintf("%s/result.%s", w->opts.temp_dir, ending);
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) unlink(name);
    free(name);
    FILE *f = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (!f && fd >= 0) close(fd);
    return f;
}

int peri_wait_fail(const peri_writer_t *w, peri_err_t *err)
{
    return peri_err_set(err, PERI_EIO,
                        "cannot write %s: there is no room for the temporary file that "
                        "it needs (%s)",
                        w->target ? peri_target_path(w->target) : "the output",
                        strerror(errno));
}

/* ---- rows ---- */

bool peri_wait_needed(const peri_writer_t *w)
{
    for (size_t c = 0; c < w->ncols; c++)
        if (!w->fields[c].as_text && peri_binary_unsure(&w->fields[c], w->ops->numbers))
            return true;
    return false;
}

peri_wait_t *peri_wait_new(peri_writer_t *w, int *rc, peri_err_t *err)
{
    *rc = 0;
    peri_wait_t *t = peri_xcalloc(1, sizeof(*t));
    duckdb_logical_type *types = peri_xcalloc(w->ncols + 1, sizeof(*types)),
                        mark = duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    for (size_t c = 0; c < w->ncols; c++) types[c] = w->cols[c].type;
    types[w->ncols] = mark; /* the chunks may have one */
    peri_buf_init(&t->bytes, w->text.max);
    t->rows = peri_rows_new(types, w->ncols + w->opts.marks, err);
    duckdb_destroy_logical_type(&mark);
    free(types);
    if (!t->rows)
        *rc = -1;
    else if (!(t->file = peri_wait_file(w, "rows")))
        *rc = peri_wait_fail(w, err);
    return t;
}

int peri_wait_put(peri_writer_t *w, duckdb_data_chunk chunk, peri_err_t *err)
{
    peri_wait_t *t = w->wait;
    idx_t n = duckdb_data_chunk_get_size(chunk);
    for (size_t c = 0; c < w->ncols; c++) {
        peri_field_t *f = &w->fields[c];
        if (!f->as_text && peri_binary_unsure(f, w->ops->numbers))
            f->as_text = !peri_binary_keeps(f, 0, n, w->ops->numbers);
    }
    peri_buf_clear(&t->bytes);
    if (peri_rows_encode(t->rows, chunk, &t->bytes, err) ||
        peri_buf_check(&t->bytes, "2048 rows", err))
        return -1;
    uint64_t len = t->bytes.len;
    errno = 0;
    if (fwrite(&len, sizeof(len), 1, t->file) != 1 ||
        fwrite(t->bytes.data, len, 1, t->file) != 1)
        return peri_wait_fail(w, err);
    t->size += sizeof(len) + len;
    return 0;
}

uint64_t peri_wait_bytes(const peri_wait_t *t)
{
    return t->size;
}

static int read_chunk(peri_wait_t *t, const peri_writer_t *w, uint64_t len,
                      duckdb_data_chunk *chunk, peri_err_t *err)
{
    peri_buf_clear(&t->bytes);
    char *p = peri_buf_reserve(&t->bytes, len);
    if (!p || fread(p, len, 1, t->file) != 1) return peri_wait_fail(w, err);
    peri_reader_t in = {.p = p, .end = p + len};
    return peri_rows_decode(t->rows, &in, chunk, err);
}

int peri_wait_end(peri_wait_t *t, peri_writer_t *w,
                  int (*write)(peri_writer_t *w, duckdb_data_chunk chunk,
                               peri_err_t *err),
                  peri_err_t *err)
{
    duckdb_data_chunk chunk = NULL;
    uint64_t len;
    errno = 0;
    if (fflush(t->file) || fseek(t->file, 0, SEEK_SET)) return peri_wait_fail(w, err);
    while (fread(&len, sizeof(len), 1, t->file) == 1)
        if (read_chunk(t, w, len, &chunk, err) || write(w, chunk, err)) return -1;
    return ferror(t->file) ? peri_wait_fail(w, err) : 0;
}

void peri_wait_free(peri_wait_t *t)
{
    if (!t) return;
    if (t->file) fclose(t->file);
    if (t->rows) peri_rows_free(t->rows);
    peri_buf_free(&t->bytes);
    free(t);
}
