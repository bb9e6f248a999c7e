/* encode.c - a chunk into bytes.
 *
 * Rows inside nested values are chosen by a selection: sel[i] is the row of the vector
 * that value i comes from, NOWHERE makes it null. It is NULL where rows are taken as they
 * lie, which is the common and fast case. What lies under a null (of a struct, say) may
 * be garbage, so it is never looked at: it goes out as null.
 */
#include <stdlib.h>

#include "core/base/util.h"
#include "core/rows/type.h"

#define NOWHERE UINT64_MAX

static int vector_encode(const rows_node_t *node, duckdb_vector vec, const uint64_t *sel,
                         uint64_t n, peri_buf_t *out, peri_err_t *err);

/* The validity of the chosen rows as words of its own, or NULL if all have values. */
static uint64_t *chosen_validity(const rows_node_t *node, duckdb_vector vec,
                                 const uint64_t *sel, uint64_t n)
{
    const uint64_t *have = duckdb_vector_get_validity(vec);
    if (node->kind != ROWS_NONE && !sel && !have) return NULL;
    const uint64_t words = rows_words(n);
    uint64_t *bits = peri_xmalloc(words * sizeof(*bits));
    bool nulls = false;
    if (node->kind == ROWS_NONE) {
        memset(bits, 0, words * sizeof(*bits));
        nulls = true;
    } else if (!sel) {
        memcpy(bits, have, words * sizeof(*bits));
        if (n % 64) bits[words - 1] |= ~UINT64_C(0) << (n % 64);
        for (uint64_t i = 0; i < words && !nulls; i++) nulls = bits[i] != ~UINT64_C(0);
    } else {
        memset(bits, 0xff, words * sizeof(*bits));
        for (uint64_t i = 0; i < n; i++) {
            if (sel[i] != NOWHERE && rows_bit(have, sel[i])) continue;
            bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
            nulls = true;
        }
    }
    if (nulls) return bits;
    free(bits);
    return NULL;
}

static void fixed_encode(const rows_node_t *node, const char *data, const uint64_t *sel,
                         uint64_t n, peri_buf_t *out)
{
    const size_t w = node->width;
    if (!sel) {
        peri_buf_append(out, data, n * w);
        return;
    }
    char *to = peri_buf_reserve(out, n * w);
    if (!to) return;
    for (uint64_t i = 0; i < n; i++) {
        if (sel[i] == NOWHERE)
            memset(to + i * w, 0, w);
        else
            memcpy(to + i * w, data + sel[i] * w, w);
    }
    peri_buf_commit(out, n * w);
}

static const char *text_of(const duckdb_string_t *s, uint32_t *len)
{
    *len = s->value.inlined.length;
    return *len <= sizeof(s->value.inlined.inlined) ? s->value.inlined.inlined
                                                    : s->value.pointer.ptr;
}

static void text_encode(const duckdb_string_t *data, const uint64_t *sel,
                        const uint64_t *valid, uint64_t n, peri_buf_t *out)
{
    uint64_t total = 0;
    char *lengths = peri_buf_reserve(out, n * sizeof(uint32_t) + sizeof(total));
    if (!lengths) return;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t len =
            rows_bit(valid, i) ? data[sel ? sel[i] : i].value.inlined.length : 0;
        memcpy(lengths + i * sizeof(len), &len, sizeof(len));
        total += len;
    }
    memcpy(lengths + n * sizeof(uint32_t), &total, sizeof(total));
    peri_buf_commit(out, n * sizeof(uint32_t) + sizeof(total));

    char *to = peri_buf_reserve(out, total);
    if (!to) return;
    for (uint64_t i = 0; i < n; i++) {
        if (!rows_bit(valid, i)) continue;
        uint32_t len;
        const char *from = text_of(&data[sel ? sel[i] : i], &len);
        memcpy(to, from, len);
        to += len;
    }
    peri_buf_commit(out, total);
}

static int list_encode(const rows_node_t *node, duckdb_vector vec, const uint64_t *sel,
                       const uint64_t *valid, uint64_t n, peri_buf_t *out,
                       peri_err_t *err)
{
    const duckdb_list_entry *entries = duckdb_vector_get_data(vec);
    uint64_t total = 0;
    bool in_order = true; /* the values of all lists lie one after the other from 0 on */
    char *lengths = peri_buf_reserve(out, n * sizeof(uint32_t));
    if (!lengths) return 0; /* the caller looks at the buffer */
    for (uint64_t i = 0; i < n; i++) {
        uint32_t len = 0;
        if (rows_bit(valid, i)) {
            const duckdb_list_entry *e = &entries[sel ? sel[i] : i];
            if (e->length > UINT32_MAX)
                return peri_err_set(err, PERI_ELIMIT,
                                    "a list of %llu values is too long to be sent",
                                    (unsigned long long)e->length);
            len = (uint32_t)e->length;
            in_order = in_order && (len == 0 || e->offset == total);
        }
        memcpy(lengths + i * sizeof(len), &len, sizeof(len));
        total += len;
    }
    peri_buf_commit(out, n * sizeof(uint32_t));

    uint64_t *child_sel = NULL;
    if (!in_order) {
        child_sel = peri_xmalloc(total * sizeof(*child_sel));
        uint64_t k = 0;
        for (uint64_t i = 0; i < n; i++) {
            if (!rows_bit(valid, i)) continue;
            const duckdb_list_entry *e = &entries[sel ? sel[i] : i];
            for (uint64_t j = 0; j < e->length; j++) child_sel[k++] = e->offset + j;
        }
    }
    int rc = vector_encode(node->children, duckdb_list_vector_get_child(vec), child_sel,
                           total, out, err);
    free(child_sel);
    return rc;
}

/* Members of structs and values of arrays: `each` child values for one of ours. */
static int members_encode(const rows_node_t *node, duckdb_vector vec, const uint64_t *sel,
                          const uint64_t *valid, uint64_t n, peri_buf_t *out,
                          peri_err_t *err)
{
    const uint64_t each = node->kind == ROWS_ARRAY ? node->array_size : 1;
    uint64_t *child_sel = NULL;
    int rc = 0;
    if (sel || valid) {
        child_sel = peri_xmalloc(n * each * sizeof(*child_sel));
        for (uint64_t i = 0; i < n; i++) {
            for (uint64_t j = 0; j < each; j++) {
                uint64_t row = sel ? sel[i] : i;
                child_sel[i * each + j] = rows_bit(valid, i) ? row * each + j : NOWHERE;
            }
        }
    }
    for (size_t k = 0; k < node->nchildren && rc == 0; k++) {
        duckdb_vector child = node->kind == ROWS_ARRAY
                                  ? duckdb_array_vector_get_child(vec)
                                  : duckdb_struct_vector_get_child(vec, k);
        rc = vector_encode(&node->children[k], child, child_sel, n * each, out, err);
    }
    free(child_sel);
    return rc;
}

static int vector_encode(const rows_node_t *node, duckdb_vector vec, const uint64_t *sel,
                         uint64_t n, peri_buf_t *out, peri_err_t *err)
{
    if (n > UINT32_MAX)
        return peri_err_set(err, PERI_ELIMIT,
                            "a block of rows holds %llu values of one column, too many "
                            "to be sent",
                            (unsigned long long)n);
    int rc = 0;
    uint64_t *valid = n ? chosen_validity(node, vec, sel, n) : NULL;
    uint32_t head[2] = {(uint32_t)node->id | (valid ? ROWS_HAS_NULLS : 0), (uint32_t)n};
    peri_buf_append(out, head, sizeof(head));
    if (valid) peri_buf_append(out, valid, rows_words(n) * sizeof(*valid));
    switch (node->kind) {
    case ROWS_NONE:
        break;
    case ROWS_FIXED:
        fixed_encode(node, duckdb_vector_get_data(vec), sel, n, out);
        break;
    case ROWS_TEXT:
        text_encode(duckdb_vector_get_data(vec), sel, valid, n, out);
        break;
    case ROWS_LIST:
        rc = list_encode(node, vec, sel, valid, n, out, err);
        break;
    case ROWS_ARRAY:
    case ROWS_STRUCT:
        rc = members_encode(node, vec, sel, valid, n, out, err);
        break;
    }
    free(valid);
    return rc;
}

int peri_rows_encode(const peri_rows_t *r, duckdb_data_chunk chunk, peri_buf_t *out,
                     peri_err_t *err)
{
    const uint64_t n = duckdb_data_chunk_get_size(chunk);
    if (duckdb_data_chunk_get_column_count(chunk) != r->ncolumns)
        return peri_err_set(
            err, PERI_EINTERNAL, "a block of rows has %llu columns instead of %zu",
            (unsigned long long)duckdb_data_chunk_get_column_count(chunk), r->ncolumns);
    peri_put_u64(out, n);
    for (size_t i = 0; i < r->ncolumns; i++)
        if (vector_encode(&r->columns[i], duckdb_data_chunk_get_vector(chunk, i), NULL, n,
                          out, err))
            return -1;
    return peri_buf_check(out, "a block of rows to be sent", err);
}
