/* fitsvalues.c - values out of the rows of a FITS table; see fitstable.h. */
#include <math.h>
#include <string.h>

#include "core/base/nullnan.h"
#include "core/import/fitstable.h"
#include "core/import/text.h"
#include "core/out/binary.h"
#include "core/out/text.h"

/* ---- numbers ---- */

/* As it is stored: bytes are unsigned, all others signed. */
static int64_t take_integer(const char *p, size_t size)
{
    uint64_t v = peri_slot_big(p, size);
    return size == 1   ? (int64_t)v
           : size == 2 ? (int16_t)v
           : size == 4 ? (int32_t)v
                       : (int64_t)v;
}

static void put_integer(peri_fitscol_t *c, idx_t at, const char *p)
{
    int64_t v = take_integer(p, c->size);
    if (c->has_null && v == c->null) {
        peri_slot_put_null(&c->slot, at);
        return;
    }
    double *real = duckdb_vector_get_data(c->slot.elements);
    switch (c->scaling) {
    case PERI_FITS_AS_IT_IS:
        peri_slot_put_bits(&c->slot, at, (uint64_t)v, c->size);
        break;
    case PERI_FITS_FLIP:
        peri_slot_put_bits(&c->slot, at, (uint64_t)v ^ (uint64_t)1 << (8 * c->size - 1),
                           c->size);
        break;
    case PERI_FITS_SHIFT: /* 32 bits and 53: no overflow */
        peri_slot_put_bits(&c->slot, at, (uint64_t)(v + (int64_t)c->zero), 8);
        break;
    default:
        real[at] = (double)v * c->scale + c->zero;
    }
}

static void put_real(peri_fitscol_t *c, idx_t at, const char *p)
{
    uint64_t bits = peri_slot_big(p, c->size);
    peri_binary_t kind = c->size == 4 ? PERI_BIN_F32 : PERI_BIN_F64;
    if (c->sql_type && peri_binary_is_null_nan(kind, &bits)) {
        peri_slot_put_null(&c->slot, at);
    } else if (c->scaling == PERI_FITS_AS_IT_IS) {
        peri_slot_put_bits(&c->slot, at, bits, c->size);
    } else {
        double v;
        float f;
        memcpy(&v, &bits, sizeof(v));
        memcpy(&f, &bits, sizeof(f));
        ((double *)duckdb_vector_get_data(c->slot.elements))[at] =
            (c->size == 4 ? (double)f : v) * c->scale + c->zero;
    }
}

static int put_logical(peri_fitscol_t *c, idx_t at, char v, peri_err_t *err)
{
    if (v == 0) {
        peri_slot_put_null(&c->slot, at);
        return 0;
    }
    if (v != 'T' && v != 'F')
        return peri_err_set(err, PERI_EFORMAT,
                            "the byte 0x%02x where a logical has T, F or 0",
                            (unsigned char)v);
    peri_slot_put_bits(&c->slot, at, v == 'T', 1);
    return 0;
}

/* ---- texts ---- */

static size_t cut_text(const char *p, size_t n)
{
    const char *nul = memchr(p, 0, n);
    return nul ? (size_t)(nul - p) : n;
}

static void put_our_text(peri_fitscol_t *c, idx_t at, const char *p, size_t n,
                         peri_buf_t *room)
{
    size_t spaces = 0;
    while (spaces < n && p[spaces] == ' ') spaces++;
    if (spaces == n) n--; /* see core/out/fits.c */
    peri_buf_clear(room);
    if (n) peri_text_unascii(room, p, n);
    const char *s = room->len ? room->data : "";
    size_t len = room->len, plus = c->moment && len && *s == '+'; /* DuckDB takes none */
    peri_slot_put_text(&c->slot, at, s + plus, len - plus);
}

static int put_text(peri_fitscol_t *c, idx_t at, const char *p, size_t size,
                    peri_buf_t *room, peri_err_t *err)
{
    size_t n = cut_text(p, size);
    if (!n && size) { /* the standard's null string */
        peri_slot_put_null(&c->slot, at);
        return 0;
    }
    if (c->sql_type && n) {
        put_our_text(c, at, p, n, room);
    } else {
        while (n && p[n - 1] == ' ') n--;
        peri_buf_clear(room);
        peri_fits_put_text(room, p, n);
        peri_slot_put_text(&c->slot, at, room->len ? room->data : "", room->len);
    }
    return peri_buf_check(room, "a text", err);
}

/* ---- a cell of a binary table ---- */

/* n elements at p to the vector of elements, from `at` on. */
static int put_elements(peri_fitscol_t *c, idx_t at, const char *p, uint64_t n,
                        peri_buf_t *room, peri_err_t *err)
{
    for (uint64_t i = 0; i < n; i++) {
        switch (c->code) {
        case 'L':
            if (put_logical(c, at + i, p[i], err)) return -1;
            break;
        case 'X':
            peri_slot_put_bits(&c->slot, at + i,
                               (unsigned char)p[i / 8] >> (7 - i % 8) & 1, 1);
            break;
        case 'A':
            if (put_text(c, at + i, p + i * c->cell, c->cell, room, err)) return -1;
            break;
        case 'E':
        case 'D':
        case 'C':
        case 'M':
            put_real(c, at + i, p + i * c->size);
            break;
        default:
            put_integer(c, at + i, p + i * c->size);
        }
    }
    return 0;
}

static int put_var(peri_fitscol_t *c, idx_t row, const char *p,
                   const peri_fitsheap_t *heap, peri_buf_t *room, peri_err_t *err)
{
    size_t half = c->var == 'P' ? 4 : 8;
    uint64_t n = peri_slot_big(p, half), at = peri_slot_big(p + half, half), bytes, end;
    bool pairs = c->code == 'C' || c->code == 'M';
    if (n > (uint64_t)INT64_MAX / 16)
        return peri_err_set(err, PERI_EFORMAT, "a list of a negative length");
    bytes = c->code == 'X' ? (n + 7) / 8 : n * (c->size ? c->size : 1) * (pairs ? 2 : 1);
    if (pairs) n *= 2;
    if (__builtin_add_overflow(heap->begin, at, &at) ||
        __builtin_add_overflow(at, bytes, &end) || (n && end > heap->end))
        return peri_err_set(err, PERI_EFORMAT,
                            "a list that lies outside of the table's heap");
    const char *data = "";
    if (n && heap->read(heap->arg, at, bytes, &data, err)) return -1;
    if (c->code == 'A') {
        if (n) return put_text(c, row, data, n, room, err);
        peri_slot_put_text(&c->slot, row, "", 0);
        return 0;
    }
    idx_t first;
    return peri_slot_open(&c->slot, row, n, &first, err) ||
                   put_elements(c, first, data, n, room, err)
               ? -1
               : 0;
}

/* ---- a cell of a table of ASCII ---- */

/* No point in the field: the last digits are decimals. */
static bool implied_point(const peri_fitscol_t *c, const char *p, size_t n)
{
    return c->decimals && c->code != 'I' && !memchr(p, '.', n);
}

static int put_field(peri_fitscol_t *c, idx_t row, const char *p, peri_buf_t *room,
                     peri_err_t *err)
{
    size_t n = cut_text(p, c->bytes);
    while (n && *p == ' ' && c->code != 'A') p++, n--;
    while (n && p[n - 1] == ' ') n--;
    const char *null = c->null_text;
    while (null && *null == ' ' && c->code != 'A') null++;
    if (null && strlen(null) == n && !memcmp(null, p, n)) {
        peri_slot_put_null_row(&c->slot, row);
        return 0;
    }
    if (c->code == 'A') return put_text(c, row, n ? p : " ", n ? n : 1, room, err);
    double v = 0;
    if (c->slot.type != DUCKDB_TYPE_DOUBLE || (c->code == 'I' && c->scaling)) {
        int64_t whole = 0; /* the standard: a blank field is zero */
        duckdb_type type = c->scaling ? DUCKDB_TYPE_BIGINT : c->slot.type;
        void *to = c->scaling ? &whole : duckdb_vector_get_data(c->slot.vector);
        if (n ? peri_cells_number(type, to, c->scaling ? 0 : row, p, n) : 0)
            return peri_err_set(err, PERI_EFORMAT,
                                "\"%.*s\" where TFORM %.20s says an "
                                "integer",
                                (int)(n < 40 ? n : 40), p, c->form);
        if (!n && !c->scaling)
            peri_slot_put_bits(&c->slot, row, 0,
                               c->slot.type == DUCKDB_TYPE_INTEGER ? 4 : 8);
        if (!c->scaling) return 0;
        v = (double)whole;
    } else if (n && peri_cells_number(DUCKDB_TYPE_DOUBLE, &v, 0, p, n)) {
        return peri_err_set(err, PERI_EFORMAT, "\"%.*s\" where TFORM %.20s says a number",
                            (int)(n < 40 ? n : 40), p, c->form);
    }
    if (n && implied_point(c, p, n)) v /= pow(10, c->decimals);
    if (c->scaling) v = v * c->scale + c->zero;
    ((double *)duckdb_vector_get_data(c->slot.vector))[row] = v;
    return 0;
}

/* See core/base/nullnan.h: its first value says so. */
static bool is_row_of_nulls(const peri_fitscol_t *c, const char *p)
{
    return (c->code == 'E' && peri_slot_big(p, 4) == PERI_NULL_F32 + 1) ||
           (c->code == 'D' && peri_slot_big(p, 8) == PERI_NULL_F64 + 1);
}

int peri_fits_value(peri_fitscol_t *c, idx_t row, const char *bytes,
                    const peri_fitsheap_t *heap, peri_buf_t *room, peri_err_t *err)
{
    const char *p = bytes + c->offset;
    if (!c->code) {
        peri_slot_put_null_row(&c->slot, row);
        return 0;
    }
    if (!heap) return put_field(c, row, p, room, err);
    if (c->var) return put_var(c, row, p, heap, room, err);
    uint64_t n = c->slot.shape == PERI_SLOT_ONE ? 1 : c->repeat;
    idx_t first;
    if (peri_slot_open(&c->slot, row, n, &first, err) ||
        put_elements(c, first, p, n, room, err))
        return -1;
    /* In files of ours nothing else tells NULL from an array of NULLs. */
    if (c->sql_type && c->slot.shape != PERI_SLOT_ONE && !is_row_of_nulls(c, p))
        peri_slot_join_nulls(&c->slot, row, first, n);
    return 0;
}
