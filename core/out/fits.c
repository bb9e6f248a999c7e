/* fits.c - fits: one binary table, written as rows of bytes by cfitsio.
 *
 * Strings need a width in the header, before the first row. A result without them streams
 * into the file; one with them is spooled, row by row, into an unnamed file beside it
 * until the longest string of each column is known. The standard allows ASCII only: other
 * characters are written as \uXXXX.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <fitsio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/out/binary.h"
#include "core/out/format.h"
#include "core/out/text.h"

#define COLUMNS_MAX 999 /* of the standard */
#define TEXT_WIDTH                                                                       \
    32767 /* every row is as wide as the longest string: keep it bearable */
#define PIECE_MAX ((size_t)4 << 20)

/* How a kind is stored: FITS has no signed bytes and no unsigned integers of other
 * widths, but an offset, which amounts to flipping the top bit. `null` is the native
 * value that stands for NULL, tnull the same as stored. */
static const struct {
    char code;
    const char *zero;
    bool flip;
    uint64_t null;
    int64_t tnull;
} stored[] = {
    [PERI_BIN_TEXT] = {'A', NULL, false, 0, 0},
    [PERI_BIN_BOOL] = {'L', NULL, false, 0, 0},
    [PERI_BIN_I8] = {'B', "-128", true, 0x80, 0},
    [PERI_BIN_I16] = {'I', NULL, false, 0x8000, INT16_MIN},
    [PERI_BIN_I32] = {'J', NULL, false, 0x80000000, INT32_MIN},
    [PERI_BIN_I64] = {'K', NULL, false, 0x8000000000000000, INT64_MIN},
    [PERI_BIN_U8] = {'B', NULL, false, UINT8_MAX, UINT8_MAX},
    [PERI_BIN_U16] = {'I', "32768", true, UINT16_MAX, INT16_MAX},
    [PERI_BIN_U32] = {'J', "2147483648", true, UINT32_MAX, INT32_MAX},
    [PERI_BIN_U64] = {'K', "9223372036854775808", true, UINT64_MAX, INT64_MAX},
    [PERI_BIN_F32] = {'E', NULL, false, 0, 0},
    [PERI_BIN_F64] = {'D', NULL, false, 0, 0},
};

typedef struct {
    peri_binary_t kind;
    size_t width;            /* numbers a row */
    size_t item;             /* bytes in a spooled row; 0 for text */
    size_t offset;           /* there */
    size_t longest;          /* text so far */
    bool has_null, has_mark; /* has_mark: a value that looks like the mark for NULL */
} column_t;

typedef struct {
    fitsfile *file;
    column_t *cols;
    size_t ntexts;
    size_t fixed; /* bytes of a row without texts */
    size_t piece; /* rows handled at a time */
    FILE *spool;
    uint64_t written;
    char *rows;   /* piece * fixed */
    char *values; /* of one column, native */
    peri_buf_t text;
} fits_t;

static bool is_integer(peri_binary_t k)
{
    return k >= PERI_BIN_I8 && k <= PERI_BIN_U64;
}

/* ---- errors ---- */

static int fail_fits(const peri_writer_t *w, int status, peri_err_t *err)
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

static int fail_spool(const peri_writer_t *w, peri_err_t *err)
{
    return peri_err_set(err, PERI_EIO,
                        "cannot write %s: its folder has no room for the temporary file "
                        "that strings need (%s)",
                        peri_target_path(w->target), strerror(errno));
}

/* ---- the header ---- */

static const char *ascii(fits_t *t, const char *s)
{
    peri_buf_clear(&t->text);
    peri_text_ascii(&t->text, s, strlen(s));
    return t->text.data ? t->text.data : "";
}

static void put_key(fits_t *t, const char *stem, size_t c, const char *value, int *status)
{
    char key[FLEN_KEYWORD];
    if (!*value) return;
    fits_make_keyn(stem, (int)c + 1, key, status);
    fits_update_key_longstr(t->file, key, ascii(t, value), NULL, status);
}

/* A line of the text is a card, or more. */
static void put_history(fits_t *t, const char *text, int *status)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        peri_buf_clear(&t->text);
        peri_text_ascii(&t->text, text, n);
        if (t->text.len) fits_write_history(t->file, t->text.data, status);
        text += n + (text[n] == '\n');
    }
}

static void put_provenance(peri_writer_t *w, fits_t *t, int *status)
{
    fits_update_key_longstr(t->file, "CREATOR", ascii(t, w->prov.version),
                            "program that wrote this file", status);
    fits_update_key_str(t->file, "DATE", w->created, "UTC", status);
    if (*w->prov.query) {
        put_history(t, "query:", status);
        put_history(t, w->prov.query, status);
    }
    if (w->prov.nsources) put_history(t, "rows were taken from:", status);
    for (size_t i = 0; i < w->prov.nsources; i++) {
        const peri_outsource_t *s = &w->prov.sources[i];
        char when[PERI_MOMENT_MAX];
        *peri_moment_timestamp(when, s->mtime_ns, 1000000000, 1, PERI_STYLE_ISO) = '\0';
        char *line = peri_arena_printf(w->arena, "%s (%llu bytes, modified %s)", s->path,
                                       (unsigned long long)s->size, when);
        put_history(t, line, status);
    }
}

static int create_file(peri_writer_t *w, fits_t *t, peri_err_t *err)
{
    int status = 0;
    char **ttype = peri_arena_calloc(w->arena, w->ncols, sizeof(*ttype));
    char **tform = peri_arena_calloc(w->arena, w->ncols, sizeof(*tform));
    for (size_t c = 0; c < w->ncols; c++) {
        const column_t *col = &t->cols[c];
        size_t n = col->kind != PERI_BIN_TEXT ? col->width
                   : col->longest             ? col->longest
                                              : 1;
        /* Names may be longer than fits_create_tbl takes: they follow. */
        ttype[c] = peri_arena_printf(w->arena, "C%zu", c + 1);
        tform[c] = peri_arena_printf(w->arena, "%zu%c", n, stored[col->kind].code);
    }
    errno = 0;
    fits_create_diskfile(&t->file, peri_target_temp(w->target), &status);
    fits_create_tbl(t->file, BINARY_TBL, 0, (int)w->ncols, ttype, tform, NULL, "RESULT",
                    &status);
    for (size_t c = 0; c < w->ncols && !status; c++) {
        const peri_outcol_t *out = &w->cols[c];
        const char *zero = stored[t->cols[c].kind].zero;
        put_key(t, "TTYPE", c, out->name, &status);
        put_key(t, "TUNIT", c, out->unit, &status);
        put_key(t, "TCOMM", c, out->description, &status);
        put_key(t, "TUCD", c, out->ucd, &status);
        if (zero) {
            char card[FLEN_CARD]; /* 2^63 fits none of cfitsio's integer arguments */
            snprintf(card, sizeof(card), "TSCAL%-3zu= %20d", c + 1, 1);
            fits_write_record(t->file, card, &status);
            snprintf(card, sizeof(card), "TZERO%-3zu= %20s", c + 1, zero);
            fits_write_record(t->file, card, &status);
        }
    }
    if (!status) put_provenance(w, t, &status);
    /* Room for TNULLn, so that adding them does not move the data. */
    fits_set_hdrsize(t->file, (int)w->ncols, &status);
    fits_set_hdustruc(t->file, &status);
    return status ? fail_fits(w, status, err) : 0;
}

static int open_spool(peri_writer_t *w, fits_t *t, peri_err_t *err)
{
    /* Beside the target: that disk has room for the result, /tmp may not. */
    char *name = peri_xasprintf("%s.spool", peri_target_temp(w->target));
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) unlink(name);
    free(name);
    t->spool = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (t->spool) return 0;
    if (fd >= 0) close(fd);
    return fail_spool(w, err);
}

static int open_fits(peri_writer_t *w, peri_err_t *err)
{
    if (w->ncols > COLUMNS_MAX)
        return peri_err_set(err, PERI_EUNSUPP,
                            "fits tables have at most %d columns, this result has %zu: "
                            "name fewer, or choose hdf5 or parquet",
                            COLUMNS_MAX, w->ncols);
    fits_t *t = peri_xcalloc(1, sizeof(*t));
    w->state = t;
    t->cols = peri_xcalloc(w->ncols, sizeof(*t->cols));
    peri_buf_init(&t->text, w->text.max);
    size_t widest = 1;
    for (size_t c = 0; c < w->ncols; c++) {
        column_t *col = &t->cols[c];
        col->kind = peri_binary_kind(&w->fields[c], false, &col->width);
        col->item = peri_binary_size(col->kind) * col->width;
        col->offset = t->fixed;
        t->fixed += col->item;
        t->ntexts += col->kind == PERI_BIN_TEXT;
        if (col->item > widest) widest = col->item;
    }
    t->piece = PIECE_MAX / (t->fixed + 1);
    if (t->piece > duckdb_vector_size()) t->piece = duckdb_vector_size();
    if (t->piece < 1) t->piece = 1;
    t->rows = peri_xmalloc(t->piece * t->fixed + 1);
    t->values = peri_xmalloc(t->piece * widest);
    return t->ntexts ? open_spool(w, t, err) : create_file(w, t, err);
}

/* ---- rows ---- */

/* n numbers, native, to where they belong, big-endian. */
static void encode(peri_binary_t k, const char *in, char *out, size_t n)
{
    size_t size = peri_binary_size(k);
    for (size_t i = 0; i < n; i++, in += size, out += size) {
        uint16_t v16;
        uint32_t v32;
        uint64_t v64;
        switch (size) {
        case 1:
            *out = k == PERI_BIN_BOOL ? (*in ? 'T' : 'F') : *in;
            break;
        case 2:
            memcpy(&v16, in, size);
            v16 = htobe16(v16);
            memcpy(out, &v16, size);
            break;
        case 4:
            memcpy(&v32, in, size);
            v32 = htobe32(v32);
            memcpy(out, &v32, size);
            break;
        default:
            memcpy(&v64, in, size);
            v64 = htobe64(v64);
            memcpy(out, &v64, size);
        }
        if (stored[k].flip) *out = (char)(*out ^ 0x80);
    }
}

/* Put the mark for NULL into t->values, and see whether a value looks like it. */
static void mark_nulls(const peri_field_t *f, fits_t *t, column_t *col, idx_t first,
                       idx_t n)
{
    size_t size = peri_binary_size(col->kind);
    const peri_field_t *kid = f->type == DUCKDB_TYPE_ARRAY ? &f->kids[0] : f;
    uint64_t mark = stored[col->kind].null;
    for (size_t i = 0; i < n * col->width; i++) {
        uint64_t v = 0;
        char *p = t->values + i * size;
        memcpy(&v, p, size); /* little-endian hosts only: see the assertion below */
        bool null = peri_field_is_null(f, first + i / col->width) ||
                    peri_field_is_null(kid, first * col->width + i);
        if (null) {
            memcpy(p, &mark, size);
            col->has_null = true;
        } else if (v == mark) {
            col->has_mark = true;
        }
    }
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "mark_nulls");

/* FITS has a third logical value, a zero byte. */
static void blank_nulls(const peri_field_t *f, const column_t *col, idx_t first,
                        char *out, idx_t n, size_t step)
{
    const peri_field_t *kid = f->type == DUCKDB_TYPE_ARRAY ? &f->kids[0] : f;
    for (idx_t i = 0; i < n; i++)
        for (size_t j = 0; j < col->width; j++)
            if (peri_field_is_null(f, first + i) ||
                peri_field_is_null(kid, (first + i) * col->width + j))
                out[i * step + j] = 0;
}

static int take_numbers(peri_writer_t *w, fits_t *t, size_t c, idx_t first, idx_t n,
                        peri_err_t *err)
{
    column_t *col = &t->cols[c];
    const peri_field_t *f = &w->fields[c];
    if (peri_binary_rows(f, first, n, col->kind, t->values, "fits", err)) return -1;
    if (is_integer(col->kind)) mark_nulls(f, t, col, first, n);
    char *out = t->rows + col->offset;
    for (idx_t i = 0; i < n; i++)
        encode(col->kind, t->values + i * col->item, out + i * t->fixed, col->width);
    if (col->kind == PERI_BIN_BOOL) blank_nulls(f, col, first, out, n, t->fixed);
    return 0;
}

static int spool_text(peri_writer_t *w, fits_t *t, size_t c, idx_t row, peri_err_t *err)
{
    peri_buf_t value;
    peri_buf_init(&value, w->text.max);
    peri_field_text(&w->fields[c], row, PERI_STYLE_ISO, &value);
    peri_buf_clear(&t->text);
    if (value.len) peri_text_ascii(&t->text, value.data, value.len);
    bool failed = value.failed || t->text.failed;
    peri_buf_free(&value);
    uint32_t n = (uint32_t)t->text.len;
    if (failed || t->text.len > TEXT_WIDTH)
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
        return fail_spool(w, err);
    return 0;
}

static int spool_rows(peri_writer_t *w, fits_t *t, idx_t first, idx_t n, peri_err_t *err)
{
    for (idx_t i = 0; i < n; i++) {
        if (t->fixed && fwrite(t->rows + i * t->fixed, t->fixed, 1, t->spool) != 1)
            return fail_spool(w, err);
        for (size_t c = 0; c < w->ncols; c++)
            if (t->cols[c].kind == PERI_BIN_TEXT && spool_text(w, t, c, first + i, err))
                return -1;
    }
    return 0;
}

static int write_rows(peri_writer_t *w, fits_t *t, const char *rows, size_t n,
                      size_t row_size, peri_err_t *err)
{
    int status = 0;
    errno = 0;
    fits_write_tblbytes(t->file, (LONGLONG)t->written + 1, 1, (LONGLONG)(n * row_size),
                        (unsigned char *)rows, &status);
    t->written += n;
    return status ? fail_fits(w, status, err) : 0;
}

static int chunk_fits(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n, peri_err_t *err)
{
    (void)chunk;
    fits_t *t = w->state;
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
static int read_spooled(const peri_writer_t *w, fits_t *t, char *out)
{
    if (t->fixed && fread(t->rows, t->fixed, 1, t->spool) != 1) return -1;
    for (size_t c = 0; c < w->ncols; c++) {
        const column_t *col = &t->cols[c];
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

static int unspool(peri_writer_t *w, fits_t *t, peri_err_t *err)
{
    size_t row_size = t->fixed;
    for (size_t c = 0; c < w->ncols; c++)
        if (t->cols[c].kind == PERI_BIN_TEXT)
            row_size += t->cols[c].longest ? t->cols[c].longest : 1;
    size_t piece = PIECE_MAX / row_size + 1;
    char *rows = peri_xmalloc(piece * row_size);
    int rc = 0;
    if (fflush(t->spool) || fseek(t->spool, 0, SEEK_SET)) rc = fail_spool(w, err);
    for (uint64_t left = w->rows; left > 0 && !rc;) {
        size_t n = left < piece ? (size_t)left : piece;
        for (size_t i = 0; i < n && !rc; i++)
            if (read_spooled(w, t, rows + i * row_size)) rc = fail_spool(w, err);
        if (!rc) rc = write_rows(w, t, rows, n, row_size, err);
        left -= n;
    }
    free(rows);
    return rc;
}

static int put_null_marks(peri_writer_t *w, fits_t *t, peri_err_t *err)
{
    int status = 0;
    for (size_t c = 0; c < w->ncols; c++) {
        const column_t *col = &t->cols[c];
        if (!col->has_null || !is_integer(col->kind)) continue;
        if (col->has_mark)
            return peri_err_set(
                err, PERI_EUNSUPP,
                "column \"%s\" has NULLs and also the %s value of its type, "
                "which a fits table needs to mark them: cast it to a wider "
                "type, or replace the NULLs with coalesce",
                w->cols[c].name, col->kind >= PERI_BIN_U8 ? "largest" : "smallest");
        char key[FLEN_KEYWORD];
        fits_make_keyn("TNULL", (int)c + 1, key, &status);
        fits_update_key_lng(t->file, key, stored[col->kind].tnull, "marks NULL", &status);
    }
    return status ? fail_fits(w, status, err) : 0;
}

static int close_fits(peri_writer_t *w, peri_err_t *err)
{
    fits_t *t = w->state;
    int status = 0;
    if (t->ntexts && (create_file(w, t, err) || unspool(w, t, err))) return -1;
    if (put_null_marks(w, t, err)) return -1;
    errno = 0;
    fits_close_file(t->file, &status);
    t->file = NULL;
    return status ? fail_fits(w, status, err) : 0;
}

static void free_fits(peri_writer_t *w)
{
    fits_t *t = w->state;
    int status = 0;
    if (!t) return;
    if (t->file) {
        fits_close_file(t->file, &status);
        fits_clear_errmsg();
    }
    if (t->spool) fclose(t->spool);
    peri_buf_free(&t->text);
    free(t->cols);
    free(t->rows);
    free(t->values);
    free(t);
}

const peri_ops_t peri_ops_fits = {.name = "fits",
                                  .endings = " .fits .fit .fts ",
                                  .advice = "give a file for it",
                                  .open = open_fits,
                                  .chunk = chunk_fits,
                                  .close = close_fits,
                                  .free = free_fits};
