/* fitsnull.c - what stands for NULL in the integers of a fits table, and how numbers are
 * stored.
 *
 * The standard has one value a column for NULL, TNULLn, which must not be a value of the
 * column. Rows are written before all values are known, with a first guess; if it turns
 * out to be a value, another mark is chosen in the end and the NULLs are written anew.
 * Where they are is kept in an unnamed file beside the target, a bit for each value of
 * the pieces that have any.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/out/fitscol.h"
#include "core/out/wait.h"

#define MARKS 4 /* tried in 32 and 64 bits */

/* How a kind is stored: FITS has no signed bytes and no unsigned integers of other
 * widths, but an offset, which amounts to flipping the top bit. The marks are native
 * values: first what everybody uses, then such as nobody counts to. */
static const struct {
    char code;
    const char *zero;
    bool flip;
    uint64_t marks[MARKS];
} stored[] = {
    [PERI_BIN_TEXT] = {'A', NULL, false, {0}},
    [PERI_BIN_BOOL] = {'L', NULL, false, {0}},
    [PERI_BIN_I8] = {'B', "-128", true, {0x80}},
    [PERI_BIN_I16] = {'I', NULL, false, {0x8000}},
    [PERI_BIN_I32] = {'J', NULL, false, {0x80000000, 0x8a3f91c7, 0x91d5e06b, 0xa72c48f3}},
    [PERI_BIN_I64] = {'K',
                      NULL,
                      false,
                      {0x8000000000000000, 0x8a3f91c7d2e4b651, 0x91d5e06b3c8a7f29,
                       0xa72c48f3915be0d7}},
    [PERI_BIN_U8] = {'B', NULL, false, {UINT8_MAX}},
    [PERI_BIN_U16] = {'I', "32768", true, {UINT16_MAX}},
    [PERI_BIN_U32] = {'J',
                      "2147483648",
                      true,
                      {UINT32_MAX, 0xfa3f91c7, 0xf1d5e06b, 0xe72c48f3}},
    [PERI_BIN_U64] = {'K',
                      "9223372036854775808",
                      true,
                      {UINT64_MAX, 0xfa3f91c7d2e4b651, 0xf1d5e06b3c8a7f29,
                       0xe72c48f3915be0d7}},
    [PERI_BIN_F32] = {'E', NULL, false, {0}},
    [PERI_BIN_F64] = {'D', NULL, false, {0}},
};

char peri_fits_code(peri_binary_t k)
{
    return stored[k].code;
}

const char *peri_fits_zero(peri_binary_t k)
{
    return stored[k].zero;
}

void peri_fits_encode(peri_binary_t k, const char *in, char *out, size_t n)
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

/* ---- rows ---- */

/* Before the bits of a piece in the file of NULLs. */
typedef struct {
    uint64_t first_row;
    uint32_t column, nrows;
} piece_t;

static void note_value(peri_fitscol_t *col, size_t size, uint64_t v)
{
    if (size <= 2) {
        col->used[v >> 3] |= (uint8_t)(1u << (v & 7));
        return;
    }
    const uint64_t *marks = stored[col->kind].marks;
    for (unsigned k = 0; k < MARKS; k++) col->taken |= (unsigned)(v == marks[k]) << k;
}

static int keep_bits(peri_writer_t *w, peri_fits_t *t, size_t c, idx_t first, idx_t n,
                     const uint8_t *bits, peri_err_t *err)
{
    if (!t->nulls) t->nulls = peri_wait_file(w, "nulls");
    piece_t p = {w->rows + first, (uint32_t)c, (uint32_t)n};
    size_t bytes = (n * t->cols[c].width + 7) / 8;
    if (!t->nulls || fwrite(&p, sizeof(p), 1, t->nulls) != 1 ||
        fwrite(bits, bytes, 1, t->nulls) != 1)
        return peri_wait_fail(w, err);
    return 0;
}

int peri_fits_mark(peri_writer_t *w, peri_fits_t *t, size_t c, idx_t first, idx_t n,
                   peri_err_t *err)
{
    peri_fitscol_t *col = &t->cols[c];
    const peri_field_t *f = &w->fields[c];
    const peri_field_t *kid = f->type == DUCKDB_TYPE_ARRAY ? &f->kids[0] : f;
    size_t size = peri_binary_size(col->kind), count = n * col->width;
    if (size <= 2 && !col->used) col->used = peri_xcalloc(1, size == 1 ? 32 : 8192);
    uint8_t *bits = NULL;
    for (size_t i = 0; i < count; i++) {
        char *p = t->values + i * size;
        if (peri_field_is_null(f, first + i / col->width) ||
            peri_field_is_null(kid, first * col->width + i)) {
            memcpy(p, &stored[col->kind].marks[0], size);
            if (!bits) bits = peri_xcalloc(count / 8 + 1, 1);
            bits[i / 8] |= (uint8_t)(1u << (i & 7));
        } else {
            uint64_t v = 0;
            memcpy(&v, p, size); /* little-endian hosts only: see below */
            note_value(col, size, v);
        }
    }
    if (!bits) return 0;
    col->has_null = true;
    int rc = keep_bits(w, t, c, first, n, bits, err);
    free(bits);
    return rc;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "peri_fits_mark");

/* ---- the end ---- */

static bool is_used(const peri_fitscol_t *col, uint64_t v)
{
    return col->used[v >> 3] >> (v & 7) & 1;
}

/* A value that the column has not; false: it has all that could be one. */
static bool choose(const peri_fitscol_t *col, uint64_t *mark)
{
    size_t size = peri_binary_size(col->kind);
    const uint64_t *marks = stored[col->kind].marks;
    *mark = marks[0];
    if (size <= 2) {
        uint64_t values = size == 1 ? 256 : 65536;
        for (uint64_t i = 0; i < values; i++) {
            *mark = (marks[0] + i) % values;
            if (!is_used(col, *mark)) return true;
        }
        return false;
    }
    for (unsigned k = 0; k < MARKS; k++) {
        *mark = marks[k];
        if (!(col->taken >> k & 1)) return true;
    }
    return false;
}

/* The mark as it stands in the file. */
static int64_t as_stored(peri_binary_t k, uint64_t v)
{
    size_t size = peri_binary_size(k);
    if (stored[k].flip) v ^= (uint64_t)1 << (8 * size - 1);
    if (size == 1) return (int64_t)v; /* the only unsigned one */
    return size == 2 ? (int16_t)v : size == 4 ? (int32_t)v : (int64_t)v;
}

/* The NULLs of n rows of a piece, from its row `skip` on, with the new mark. */
static int mark_again(peri_writer_t *w, peri_fits_t *t, const piece_t *p, size_t skip,
                      size_t n, const uint8_t *bits, uint64_t mark, peri_err_t *err)
{
    const peri_fitscol_t *col = &t->cols[p->column];
    size_t size = peri_binary_size(col->kind);
    LONGLONG first = (LONGLONG)(p->first_row + skip) + 1;
    LONGLONG bytes = (LONGLONG)(n * t->row_size);
    unsigned char *rows = peri_xmalloc(n * t->row_size);
    int status = 0;
    errno = 0;
    fits_read_tblbytes(t->file, first, 1, bytes, rows, &status);
    for (size_t i = 0; i < n * col->width && !status; i++) {
        size_t bit = skip * col->width + i;
        if (!(bits[bit / 8] >> (bit & 7) & 1)) continue;
        unsigned char *at = rows + i / col->width * t->row_size + col->place;
        peri_fits_encode(col->kind, (char *)&mark, (char *)at + i % col->width * size, 1);
    }
    fits_write_tblbytes(t->file, first, 1, bytes, rows, &status);
    free(rows);
    return status ? peri_fits_fail(w, status, err) : 0;
}

static int mark_all_again(peri_writer_t *w, peri_fits_t *t, const uint64_t *marks,
                          peri_err_t *err)
{
    if (fflush(t->nulls) || fseek(t->nulls, 0, SEEK_SET)) return peri_wait_fail(w, err);
    size_t step = PERI_FITS_PIECE / t->row_size + 1;
    uint8_t *bits = NULL;
    piece_t p;
    int rc = 0;
    while (!rc && fread(&p, sizeof(p), 1, t->nulls) == 1) {
        const peri_fitscol_t *col = &t->cols[p.column];
        size_t bytes = (p.nrows * col->width + 7) / 8;
        bits = peri_xrealloc(bits, bytes, 1);
        if (fread(bits, bytes, 1, t->nulls) != 1) rc = peri_wait_fail(w, err);
        if (marks[p.column] == stored[col->kind].marks[0]) continue;
        for (size_t i = 0; i < p.nrows && !rc; i += step)
            rc = mark_again(w, t, &p, i, p.nrows - i < step ? p.nrows - i : step, bits,
                            marks[p.column], err);
    }
    if (!rc && ferror(t->nulls)) rc = peri_wait_fail(w, err);
    free(bits);
    return rc;
}

int peri_fits_choose_marks(peri_writer_t *w, peri_fits_t *t, peri_err_t *err)
{
    uint64_t *marks = peri_arena_calloc(w->arena, w->ncols, sizeof(*marks));
    bool again = false;
    int status = 0;
    for (size_t c = 0; c < w->ncols; c++) {
        const peri_fitscol_t *col = &t->cols[c];
        if (!col->has_null) continue;
        if (!choose(col, &marks[c]))
            return peri_err_set(err, PERI_EUNSUPP,
                                "column \"%s\" has NULLs and also all values that a fits "
                                "table could mark them with: cast it to a wider type, or "
                                "replace the NULLs with coalesce",
                                w->cols[c].name);
        again = again || marks[c] != stored[col->kind].marks[0];
        char key[FLEN_KEYWORD];
        fits_make_keyn("TNULL", (int)c + 1, key, &status);
        fits_update_key_lng(t->file, key, as_stored(col->kind, marks[c]), "marks NULL",
                            &status);
    }
    if (status) return peri_fits_fail(w, status, err);
    return again ? mark_all_again(w, t, marks, err) : 0;
}
