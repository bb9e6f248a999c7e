/* fill.c - rows of a scan into DuckDB's vectors: which of the next ones, and their
 * values.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/nullnan.h"
#include "core/base/util.h"
#include "core/engine/scanblock.h"
#include "core/engine/wide.h"

static const peri_column_t *column_of(const peri_scan_t *s, size_t k)
{
    return &s->rel->table->columns[s->columns[k]];
}

static void fill_nulls(uint32_t n, duckdb_vector vec)
{
    duckdb_vector_ensure_validity_writable(vec);
    memset(duckdb_vector_get_validity(vec), 0, (n + 63) / 64 * 8);
}

/* One value for all rows: DuckDB looks up its group once a vector, and makes no copies.
 */
static void fill_constant(duckdb_value value, duckdb_vector vec)
{
    duckdb_vector_reference_value(vec, value);
    duckdb_destroy_value(&value);
}

static void fill_virtual(const peri_scan_t *s, int kind, uint32_t file_no,
                         peri_frow_t row, const peri_rows_t *r, duckdb_vector vec)
{
    const peri_file_t *f = &s->rel->table->files[file_no];
    if (kind == PERI_OUT_IDX && f->set_row0 == PERI_ROW_UNKNOWN) {
        fill_nulls(r->count, vec);
    } else if (kind == PERI_OUT_ROW || kind == PERI_OUT_IDX) {
        int64_t first = (int64_t)(row + (kind == PERI_OUT_IDX ? f->set_row0 : 0));
        int64_t *out = duckdb_vector_get_data(vec);
        for (uint32_t i = 0; i < r->count; i++)
            out[i] = first + (r->some ? r->some[i] : i);
    } else if (kind == PERI_OUT_SNAPNUM) {
        fill_constant(duckdb_create_int32(f->snapnum), vec);
    } else {
        fill_constant(duckdb_create_varchar(f->name), vec);
    }
}

static duckdb_vector values_of(const peri_column_t *c, duckdb_vector vec)
{
    return peri_scan_is_array(c) ? duckdb_array_vector_get_child(vec) : vec;
}

/* Of a vector column whose every value in the row is NULL: is the row? If not, its first
 * value, which nobody sees, is neither 0 nor NULL's NaN (core/out/binary.c). */
static bool is_null_row(peri_type_t type, const char *first)
{
    if (type == PERI_T_F32) return memcmp(first, &(uint32_t){PERI_NULL_F32 + 1}, 4) != 0;
    if (type == PERI_T_F64) return memcmp(first, &(uint64_t){PERI_NULL_F64 + 1}, 8) != 0;
    size_t size = type == PERI_T_STR || type == PERI_T_BLOB ? 0 : peri_type_size(type);
    for (size_t i = 0; i < size; i++)
        if (first[i]) return false;
    return true;
}

static void set_nulls(const uint8_t *flags, uint32_t n, const peri_column_t *c,
                      duckdb_vector vec)
{
    uint32_t width = c->width;
    size_t total = (size_t)n * width;
    uint8_t any = 0;
    for (size_t i = 0; i < total; i++) any |= flags[i];
    if (!any) return;
    duckdb_vector values = values_of(c, vec);
    duckdb_vector_ensure_validity_writable(values);
    uint64_t *valid = duckdb_vector_get_validity(values);
    for (size_t i = 0; i < total; i++)
        if (flags[i]) valid[i >> 6] &= ~(UINT64_C(1) << (i & 63));
    if (!peri_scan_is_array(c)) return;
    const char *data = duckdb_vector_get_data(values);
    size_t step = peri_type_size(c->type) * width;
    duckdb_vector_ensure_validity_writable(vec);
    valid = duckdb_vector_get_validity(vec);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *row = flags + (size_t)i * width;
        uint32_t k = 0;
        while (k < width && row[k]) k++;
        if (k == width && is_null_row(c->type, data + i * step))
            valid[i >> 6] &= ~(UINT64_C(1) << (i & 63));
    }
}

/* Flags or values of some rows, in place: they only move to the front. */
static void take_some(void *v, size_t size, const peri_rows_t *r)
{
    if (r->some) peri_rows_gather(v, size, r->some, r->count, v);
}

/* Which values are NULL, in l->flags. */
static int read_mask(peri_scanlocal_t *l, size_t k, const peri_rows_t *r, peri_err_t *err)
{
    const peri_column_t *c = column_of(l->scan, k);
    uint64_t bytes = (uint64_t)r->n * c->width;
    if (bytes > l->flags_size) {
        free(l->flags);
        l->flags = peri_xmalloc(bytes);
        l->flags_size = bytes;
    }
    if (peri_scanner_read_mask(l->scan, &l->me, k, r->n, l->flags, err)) return -1;
    take_some(l->flags, c->width, r);
    return 0;
}

static void put_text(duckdb_vector vec, duckdb_string_t *to, uint64_t i,
                     const peri_str_t *s)
{
    if (s->len > sizeof(to->value.inlined.inlined)) {
        duckdb_vector_assign_string_element_len(vec, i, s->ptr, s->len);
        return;
    }
    memset(&to[i], 0, sizeof(to[i])); /* DuckDB compares what is behind the text too */
    to[i].value.inlined.length = s->len;
    memcpy(to[i].value.inlined.inlined, s->ptr, s->len);
}

/* The start of a text that is no number, so that it can stand in a sentence. */
static void show_text(const peri_str_t *s, char out[32])
{
    size_t n = 0;
    for (; n < s->len && n < 28; n++)
        out[n] = s->ptr[n] < ' ' || s->ptr[n] > '~' ? '?' : s->ptr[n];
    strcpy(out + n, n < s->len ? "..." : "");
}

/* Values of texts, r->count of v; not where `nulls` says NULL. */
static int fill_wide(const peri_scanlocal_t *l, const peri_column_t *c,
                     const peri_wide_t *w, const peri_rows_t *r, const peri_str_t *v,
                     const uint8_t *nulls, duckdb_vector vec, peri_err_t *err)
{
    char *to = duckdb_vector_get_data(vec);
    for (uint32_t i = 0; i < r->count; i++, to += w->size) {
        const uint32_t row = r->some ? r->some[i] : i;
        if (nulls && nulls[i]) {
            memset(to, 0, w->size);
        } else if (!peri_wide_parse(w, v[row].ptr, v[row].len, to)) {
            char text[32];
            show_text(&v[row], text);
            return peri_err_set(err, PERI_EFORMAT,
                                "column \"%s\" of %s: '%s' in row %llu is no %s; correct "
                                "the value or the attribute sql_type",
                                c->name, l->scan->rel->table->files[l->me.file_no].path,
                                text, (unsigned long long)(l->me.row + row), c->sql_type);
        }
    }
    return 0;
}

static int fill_strings(peri_scanlocal_t *l, const peri_scancol_t *sc,
                        const peri_column_t *c, const peri_rows_t *r,
                        const uint8_t *nulls, duckdb_vector vec, peri_err_t *err)
{
    peri_wide_t wide;
    peri_str_t *v = peri_scanner_scratch(&l->me, (uint64_t)r->n * sc->width * sizeof(*v));
    if (peri_h5cursor_read(l->me.cursors[sc->set], sc->field, l->me.row, r->n, v, err))
        return -1;
    if (peri_wide_type(c, &wide)) return fill_wide(l, c, &wide, r, v, nulls, vec, err);
    const bool part = c->component >= 0;
    const uint32_t width = part ? 1 : sc->width;
    duckdb_vector out = values_of(c, vec);
    duckdb_string_t *to = duckdb_vector_get_data(out);
    for (uint32_t i = 0; i < r->count; i++) {
        const peri_str_t *row = v + (uint64_t)(r->some ? r->some[i] : i) * sc->width +
                                (part ? c->component : 0);
        for (uint32_t k = 0; k < width; k++)
            put_text(out, to, (uint64_t)i * width + k, &row[k]);
    }
    return 0;
}

/* n values of a column of fixed size, for some rows of them. */
static void *value_buffer(peri_scanlocal_t *l, const peri_column_t *c, uint32_t n)
{
    const uint64_t bytes = (uint64_t)n * c->width * peri_type_size(c->type);
    if (bytes > l->values_size) {
        free(l->values);
        l->values = peri_xmalloc(bytes);
        l->values_size = bytes;
    }
    return l->values;
}

static const void *tested_values(const peri_scanlocal_t *l, size_t k)
{
    const peri_rowtests_t *tests = &l->scan->tests;
    for (size_t i = 0; l->has_tested && i < tests->n; i++)
        if (tests->v[i].k == k) return l->tested[i];
    return NULL;
}

static int fill_values(peri_scanlocal_t *l, size_t k, const peri_column_t *c,
                       const peri_rows_t *r, duckdb_vector vec, peri_err_t *err)
{
    const size_t size = peri_type_size(c->type) * c->width;
    void *to = duckdb_vector_get_data(values_of(c, vec));
    const void *from = tested_values(l, k);
    if (!from) {
        void *v = r->some ? value_buffer(l, c, r->n) : to;
        if (peri_scanner_read(l->scan, &l->me, k, r->n, v, err)) return -1;
        from = v;
    }
    if (r->some)
        peri_rows_gather(from, size, r->some, r->count, to);
    else if (from != to)
        memcpy(to, from, r->n * size);
    return 0;
}

static int fill_column(peri_scanlocal_t *l, size_t k, const peri_rows_t *r,
                       duckdb_vector vec, peri_err_t *err)
{
    const peri_column_t *c = column_of(l->scan, k);
    const peri_scancol_t *sc = &l->me.file->cols[k];
    if (sc->set == SIZE_MAX) {
        fill_nulls(r->count, vec);
        return 0;
    }
    if (sc->mask != SIZE_MAX && read_mask(l, k, r, err)) return -1;
    const uint8_t *nulls = sc->mask != SIZE_MAX ? l->flags : NULL;
    bool text = c->type == PERI_T_STR || c->type == PERI_T_BLOB;
    if (text ? fill_strings(l, sc, c, r, nulls, vec, err)
             : fill_values(l, k, c, r, vec, err))
        return -1;
    if (nulls) set_nulls(nulls, r->count, c, vec);
    return 0;
}

/* Rows from a block that was decoded ahead. */
static void fill_from_block(peri_scanlocal_t *l, size_t k, const peri_rows_t *r,
                            duckdb_vector vec)
{
    const peri_column_t *c = column_of(l->scan, k);
    const char *values = peri_aheadblock_values(l->block, k);
    size_t size = peri_type_size(c->type) * c->width;
    if (!values) {
        fill_nulls(r->count, vec);
        return;
    }
    uint64_t first = l->me.row - peri_aheadblock_row(l->block);
    const uint8_t *mask = peri_aheadblock_mask(l->block, k);
    void *to = duckdb_vector_get_data(values_of(c, vec));
    values += first * size;
    if (mask) mask += first * c->width;
    if (!r->some) {
        memcpy(to, values, r->n * size);
        if (mask) set_nulls(mask, r->n, c, vec);
        return;
    }
    peri_rows_gather(values, size, r->some, r->count, to);
    if (!mask) return;
    uint8_t *flags = (uint8_t *)value_buffer(l, c, r->n);
    peri_rows_gather(mask, c->width, r->some, r->count, flags);
    set_nulls(flags, r->count, c, vec);
}

/* The next rows that may match; r->count = 0: none of them. */
int peri_scan_choose(peri_scanlocal_t *l, peri_rows_t *r, peri_err_t *err)
{
    const peri_rowtests_t *tests = &l->scan->tests;
    l->has_tested = false;
    if (tests->n == 0 || l->pay.off) return 0;
    l->has_tested = !l->block;
    if (!l->tested) l->tested = peri_xcalloc(tests->n, sizeof(*l->tested));
    memset(l->keep, 1, r->n);
    for (size_t i = 0; i < tests->n; i++) {
        const size_t k = tests->v[i].k;
        const peri_column_t *c = column_of(l->scan, k);
        const char *values;
        if (l->block) {
            values = peri_aheadblock_values(l->block, k);
            if (values)
                values +=
                    (l->me.row - peri_aheadblock_row(l->block)) * peri_type_size(c->type);
        } else {
            const bool here = l->me.file->cols[k].set != SIZE_MAX;
            values = here ? (const char *)l->tested[i] : NULL;
            if (here && peri_scanner_read(l->scan, &l->me, k, r->n, l->tested[i], err))
                return -1;
        }
        if (values) peri_rowtest_keep(&tests->v[i], values, r->n, l->keep);
    }
    const uint32_t kept = peri_rows_kept(l->keep, r->n, l->kept);
    if (peri_rowtests_pay(&l->pay, r->n, kept)) *r = (peri_rows_t){r->n, kept, l->kept};
    return 0;
}

int peri_scan_fill(peri_scanlocal_t *l, const peri_rows_t *r, duckdb_data_chunk out,
                   peri_err_t *err)
{
    const peri_scan_t *s = l->scan;
    for (size_t i = 0; i < s->nouts; i++) {
        duckdb_vector vec = duckdb_data_chunk_get_vector(out, i);
        if (s->outs[i].kind != PERI_OUT_COLUMN)
            fill_virtual(s, s->outs[i].kind, l->me.file_no, l->me.row, r, vec);
        else if (l->block)
            fill_from_block(l, s->outs[i].k, r, vec);
        else if (fill_column(l, s->outs[i].k, r, vec, err))
            return -1;
    }
    return 0;
}
