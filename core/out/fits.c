/* fits.c - fits: one binary table, written as rows of bytes by cfitsio.
 *
 * Strings need a width in the header, before the first row. A result without them streams
 * into the file; one with them is spooled, row by row, into an unnamed file beside it
 * until the longest string of each column is known.
 *
 * Texts are such that readers of FITS see what they can see, and ours all of it: the
 * standard allows ASCII only, so other characters are written as \uXXXX; NULL is the
 * standard's null string, whose first byte is NUL; and as trailing spaces count for
 * nothing, a text of n spaces is written as n + 1: one for the empty text.
 */
#include <errno.h>
#include <fitsio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/out/fitscol.h"
#include "core/out/text.h"
#include "core/out/wait.h"

#define COLUMNS_MAX 999 /* of the standard */
#define TEXT_WIDTH                                                                       \
    32767 /* every row is as wide as the longest string: keep it bearable */

/* ---- errors ---- */

int peri_fits_fail(const peri_writer_t *w, int status, peri_err_t *err)
{
    int number = errno;
    char why[FLEN_STATUS];
    fits_get_errstatus(status, why);
    fits_clear_errmsg();
    const char *path = peri_target_path(w->target);
    if (number == ENOSPC || number == EDQUOT)
        return peri_err_set(
            err, PERI_EIO,
            "cannot write %s: there is no space left on the disk; nothing "
            "of it is kept",
            path);
    return peri_err_set(err, PERI_EIO, "cannot write %s: cfitsio says \"%s\"", path, why);
}

static int open_spool(peri_writer_t *w, peri_fits_t *t, peri_err_t *err)
{
    t->spool = peri_wait_file(w, "spool");
    return t->spool ? 0 : peri_wait_fail(w, err);
}

static int open_fits(peri_writer_t *w, peri_err_t *err)
{
    if (w->ncols > COLUMNS_MAX)
        return peri_err_set(err, PERI_EUNSUPP,
                            "fits tables have at most %d columns, this result has %zu: "
                            "name fewer, or choose hdf5 or parquet",
                            COLUMNS_MAX, w->ncols);
    peri_fits_t *t = peri_xcalloc(1, sizeof(*t));
    w->state = t;
    t->cols = peri_xcalloc(w->ncols, sizeof(*t->cols));
    peri_buf_init(&t->text, w->text.max);
    size_t widest = 1;
    for (size_t c = 0; c < w->ncols; c++) {
        peri_fitscol_t *col = &t->cols[c];
        col->kind = peri_binary_kind(&w->fields[c], false, &col->width);
        col->item = peri_binary_size(col->kind) * col->width;
        col->offset = t->fixed;
        t->fixed += col->item;
        t->ntexts += col->kind == PERI_BIN_TEXT;
        if (col->item > widest) widest = col->item;
    }
    t->piece = PERI_FITS_PIECE / (t->fixed + 1);
    if (t->piece > duckdb_vector_size()) t->piece = duckdb_vector_size();
    if (t->piece < 1) t->piece = 1;
    t->rows = peri_xmalloc(t->piece * t->fixed + 1);
    t->values = peri_xmalloc(t->piece * widest);
    return t->ntexts ? open_spool(w, t, err) : peri_fits_create(w, t, err);
}

/* ---- rows ---- */

/* FITS has a third logical value, a zero byte. */
static void blank_nulls(const peri_field_t *f, const peri_fitscol_t *col, idx_t first,
                        char *out, idx_t n, size_t step)
{
    const peri_field_t *kid = f->type == DUCKDB_TYPE_ARRAY ? &f->kids[0] : f;
    for (idx_t i = 0; i < n; i++)
        for (size_t j = 0; j < col->width; j++)
            if (peri_field_is_null(f, first + i) ||
                peri_field_is_null(kid, (first + i) * col->width + j))
                out[i * step + j] = 0;
}

/* A NaN that looks like our NULL is another NaN. */
static void unmark_nans(const peri_field_t *f, peri_fits_t *t, const peri_fitscol_t *col,
                        idx_t first, idx_t n)
{
    const peri_field_t *kid = f->type == DUCKDB_TYPE_ARRAY ? &f->kids[0] : f;
    size_t size = peri_binary_size(col->kind);
    for (size_t i = 0; i < n * col->width; i++)
        if (peri_binary_is_null_nan(col->kind, t->values + i * size) &&
            !peri_field_is_null(f, first + i / col->width) &&
            !peri_field_is_null(kid, first * col->width + i))
            peri_binary_put_nan(col->kind, t->values + i * size);
}

/* The one mark for NULL in integers, and the zero byte, tell no row of NULLs from NULL.
 */
static int check_rows_of_nulls(const peri_writer_t *w, size_t c, idx_t first, idx_t n,
                               peri_err_t *err)
{
    const peri_field_t *f = &w->fields[c];
    if (f->type != DUCKDB_TYPE_ARRAY || !f->kids[0].valid) return 0;
    peri_fits_t *t = w->state;
    peri_binary_t kind = t->cols[c].kind;
    if (kind == PERI_BIN_F32 || kind == PERI_BIN_F64) return 0;
    for (idx_t i = first; i < first + n; i++) {
        if (!peri_binary_is_row_of_nulls(f, i)) continue;
        peri_buf_clear(&t->text);
        peri_field_sql_type(&f->kids[0], &t->text);
        return peri_err_set(
            err, PERI_EUNSUPP,
            "column \"%s\" has in row %llu a vector of nothing but NULLs, which fits "
            "cannot tell from NULL: cast it to a list, CAST(\"%s\" AS %s[]), or choose "
            "hdf5 or parquet",
            w->cols[c].name, (unsigned long long)(w->rows + i + 1), w->cols[c].name,
            t->text.data ? t->text.data : "");
    }
    return 0;
}

static int take_numbers(peri_writer_t *w, peri_fits_t *t, size_t c, idx_t first, idx_t n,
                        peri_err_t *err)
{
    peri_fitscol_t *col = &t->cols[c];
    const peri_field_t *f = &w->fields[c];
    peri_binary_rows(f, first, n, col->kind, t->values);
    if (check_rows_of_nulls(w, c, first, n, err)) return -1;
    if (peri_fits_is_integer(col->kind)) {
        if (peri_fits_mark(w, t, c, first, n, err)) return -1;
    } else if (col->kind != PERI_BIN_BOOL) {
        unmark_nans(f, t, col, first, n);
    }
    char *out = t->rows + col->offset;
    for (idx_t i = 0; i < n; i++)
        peri_fits_encode(col->kind, t->values + i * col->item, out + i * t->fixed,
                         col->width);
    if (col->kind == PERI_BIN_BOOL) blank_nulls(f, col, first, out, n, t->fixed);
    return 0;
}

/* The value as the file will have it, in t->text; NULL is no bytes. */
static void write_text(peri_writer_t *w, peri_fits_t *t, size_t c, idx_t row)
{
    peri_buf_clear(&t->text);
    if (peri_field_is_null(&w->fields[c], row)) return;
    peri_buf_t value;
    peri_buf_init(&value, w->text.max);
    peri_field_text(&w->fields[c], row, PERI_STYLE_ISO, &value);
    if (value.len) peri_text_ascii(&t->text, value.data, value.len);
    size_t spaces = 0;
    while (spaces < t->text.len && t->text.data[spaces] == ' ') spaces++;
    if (spaces == t->text.len) peri_buf_putc(&t->text, ' ');
    if (value.failed) t->text.failed = true;
    peri_buf_free(&value);
}

static int spool_text(peri_writer_t *w, peri_fits_t *t, size_t c, idx_t row,
                      peri_err_t *err)
{
    write_text(w, t, c, row);
    uint32_t n = (uint32_t)t->text.len;
    if (t->text.failed || t->text.len > TEXT_WIDTH)
        return peri_err_set(
            err, PERI_EUNSUPP,
            "column \"%s\" has a text of more than %d bytes in row %llu, too "
            "long for a fits table: shorten it with left(\"%s\", 1000), or "
            "choose hdf5 or parquet",
            w->cols[c].name, TEXT_WIDTH, (unsigned long long)(w->rows + row + 1),
            w->cols[c].name);
    if (n > t->cols[c].longest) t->cols[c].longest = n;
    if (fwrite(&n, sizeof(n), 1, t->spool) != 1 ||
        (n && fwrite(t->text.data, n, 1, t->spool) != 1))
        return peri_wait_fail(w, err);
    return 0;
}

static int spool_rows(peri_writer_t *w, peri_fits_t *t, idx_t first, idx_t n,
                      peri_err_t *err)
{
    for (idx_t i = 0; i < n; i++) {
        if (t->fixed && fwrite(t->rows + i * t->fixed, t->fixed, 1, t->spool) != 1)
            return peri_wait_fail(w, err);
        for (size_t c = 0; c < w->ncols; c++)
            if (t->cols[c].kind == PERI_BIN_TEXT && spool_text(w, t, c, first + i, err))
                return -1;
    }
    return 0;
}

static int write_rows(peri_writer_t *w, peri_fits_t *t, const char *rows, size_t n,
                      size_t row_size, peri_err_t *err)
{
    int status = 0;
    errno = 0;
    fits_write_tblbytes(t->file, (LONGLONG)t->written + 1, 1, (LONGLONG)(n * row_size),
                        (unsigned char *)rows, &status);
    t->written += n;
    return status ? peri_fits_fail(w, status, err) : 0;
}

static int chunk_fits(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n, peri_err_t *err)
{
    (void)chunk;
    peri_fits_t *t = w->state;
    for (idx_t first = 0; first < n;) {
        idx_t k = n - first < t->piece ? n - first : t->piece;
        for (size_t c = 0; c < w->ncols; c++)
            if (t->cols[c].kind != PERI_BIN_TEXT && take_numbers(w, t, c, first, k, err))
                return -1;
        int rc = t->ntexts ? spool_rows(w, t, first, k, err)
                           : write_rows(w, t, t->rows, k, t->fixed, err);
        if (rc) return -1;
        first += k;
    }
    return 0;
}

/* ---- close ---- */

/* The next row of the spool, texts at their full width. */
static int read_spooled(const peri_writer_t *w, peri_fits_t *t, char *out)
{
    if (t->fixed && fread(t->rows, t->fixed, 1, t->spool) != 1) return -1;
    for (size_t c = 0; c < w->ncols; c++) {
        const peri_fitscol_t *col = &t->cols[c];
        if (col->kind != PERI_BIN_TEXT) {
            memcpy(out, t->rows + col->offset, col->item);
            out += col->item;
            continue;
        }
        uint32_t n;
        size_t width = col->longest ? col->longest : 1;
        if (fread(&n, sizeof(n), 1, t->spool) != 1 || n > width) return -1;
        if (n && fread(out, n, 1, t->spool) != 1) return -1;
        memset(out + n, 0, width - n);
        out += width;
    }
    return 0;
}

static int unspool(peri_writer_t *w, peri_fits_t *t, peri_err_t *err)
{
    size_t row_size = t->row_size;
    size_t piece = PERI_FITS_PIECE / row_size + 1;
    char *rows = peri_xmalloc(piece * row_size);
    int rc = 0;
    if (fflush(t->spool) || fseek(t->spool, 0, SEEK_SET)) rc = peri_wait_fail(w, err);
    for (uint64_t left = w->rows; left > 0 && !rc;) {
        size_t n = left < piece ? (size_t)left : piece;
        for (size_t i = 0; i < n && !rc; i++)
            if (read_spooled(w, t, rows + i * row_size)) rc = peri_wait_fail(w, err);
        if (!rc) rc = write_rows(w, t, rows, n, row_size, err);
        left -= n;
    }
    free(rows);
    return rc;
}

static int close_fits(peri_writer_t *w, peri_err_t *err)
{
    peri_fits_t *t = w->state;
    int status = 0;
    if (t->ntexts && (peri_fits_create(w, t, err) || unspool(w, t, err))) return -1;
    if (peri_fits_choose_marks(w, t, err)) return -1;
    errno = 0;
    fits_close_file(t->file, &status);
    t->file = NULL;
    return status ? peri_fits_fail(w, status, err) : 0;
}

static void free_fits(peri_writer_t *w)
{
    peri_fits_t *t = w->state;
    int status = 0;
    if (!t) return;
    if (t->file) {
        fits_close_file(t->file, &status);
        fits_clear_errmsg();
    }
    if (t->spool) fclose(t->spool);
    if (t->nulls) fclose(t->nulls);
    for (size_t c = 0; c < w->ncols; c++) free(t->cols[c].used);
    peri_buf_free(&t->text);
    free(t->cols);
    free(t->rows);
    free(t->values);
    free(t);
}

const peri_ops_t peri_ops_fits = {.name = "fits",
                                  .endings = " .fits .fit .fts ",
                                  .advice = "give a file for it",
                                  .numbers = PERI_NUMBERS_64,
                                  .open = open_fits,
                                  .chunk = chunk_fits,
                                  .close = close_fits,
                                  .free = free_fits};
