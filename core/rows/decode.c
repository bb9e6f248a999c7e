/* decode.c - bytes into a chunk. Every length is checked before it is believed. */
#include <stdlib.h>

#include "core/rows/type.h"

static int damaged(peri_err_t *err, const char *what)
{
    return peri_err_set(err, PERI_EINTERNAL,
                        "rows on their way arrived damaged (%s); are all nodes running "
                        "the same version of perigee?",
                        what);
}

static int vector_decode(const rows_node_t *node, duckdb_vector vec, uint64_t n,
                         peri_reader_t *in, peri_err_t *err);

static uint64_t bits_left(const peri_reader_t *in)
{
    return (uint64_t)(in->end - in->p) * 8;
}

/* Values under a null become 0: what the sender had there means nothing. */
static int check_values(const rows_node_t *node, char *data, const uint64_t *valid,
                        uint64_t n, peri_err_t *err)
{
    for (uint64_t i = 0; i < n; i++) {
        uint32_t v = 0;
        if (!rows_bit(valid, i)) {
            memset(data + i * node->width, 0, node->width);
            continue;
        }
        memcpy(&v, data + i * node->width, node->width);
        if (v >= node->limit) return damaged(err, "a value that its type does not have");
    }
    return 0;
}

static int fixed_decode(const rows_node_t *node, duckdb_vector vec, const uint64_t *valid,
                        uint64_t n, peri_reader_t *in, peri_err_t *err)
{
    const void *from = peri_get_raw(in, n * node->width);
    if (!from) return damaged(err, "cut off");
    char *data = duckdb_vector_get_data(vec);
    memcpy(data, from, n * node->width);
    return node->limit ? check_values(node, data, valid, n, err) : 0;
}

static int text_decode(const rows_node_t *node, duckdb_vector vec, const uint64_t *valid,
                       uint64_t n, peri_reader_t *in, peri_err_t *err)
{
    const char *lengths = peri_get_raw(in, n * sizeof(uint32_t));
    uint64_t left = 0;
    const char *from = lengths ? peri_get_bytes(in, &left) : NULL;
    if (!from) return damaged(err, "cut off");
    duckdb_string_t *data = duckdb_vector_get_data(vec);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t len;
        memcpy(&len, lengths + i * sizeof(len), sizeof(len));
        if (len > left) return damaged(err, "a string that is too long");
        if (len < node->min_len && rows_bit(valid, i))
            return damaged(err, "a value that is too short");
        if (len <= sizeof(data[i].value.inlined.inlined)) {
            memset(&data[i], 0, sizeof(data[i]));
            data[i].value.inlined.length = len;
            memcpy(data[i].value.inlined.inlined, from, len);
        } else {
            duckdb_vector_assign_string_element_len(vec, i, from, len);
        }
        from += len;
        left -= len;
    }
    return left ? damaged(err, "strings left over") : 0;
}

static int list_decode(const rows_node_t *node, duckdb_vector vec, uint64_t n,
                       peri_reader_t *in, peri_err_t *err)
{
    const char *lengths = peri_get_raw(in, n * sizeof(uint32_t));
    if (!lengths) return damaged(err, "cut off");
    duckdb_list_entry *entries = duckdb_vector_get_data(vec);
    uint64_t total = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t len;
        memcpy(&len, lengths + i * sizeof(len), sizeof(len));
        entries[i] = (duckdb_list_entry){total, len};
        total += len;
    }
    if (total > bits_left(in) / node->children->min_bits)
        return damaged(err, "a list that is too long");
    if (duckdb_list_vector_reserve(vec, total) == DuckDBError ||
        duckdb_list_vector_set_size(vec, total) == DuckDBError)
        return peri_err_set(err, PERI_ELIMIT, "no memory for the lists of some rows");
    return vector_decode(node->children, duckdb_list_vector_get_child(vec), total, in,
                         err);
}

static int members_decode(const rows_node_t *node, duckdb_vector vec, uint64_t n,
                          peri_reader_t *in, peri_err_t *err)
{
    if (node->kind == ROWS_ARRAY)
        return vector_decode(node->children, duckdb_array_vector_get_child(vec),
                             n * node->array_size, in, err);
    for (size_t i = 0; i < node->nchildren; i++)
        if (vector_decode(&node->children[i], duckdb_struct_vector_get_child(vec, i), n,
                          in, err))
            return -1;
    return 0;
}

static int vector_decode(const rows_node_t *node, duckdb_vector vec, uint64_t n,
                         peri_reader_t *in, peri_err_t *err)
{
    uint32_t head[2];
    const void *h = peri_get_raw(in, sizeof(head));
    if (!h) return damaged(err, "cut off");
    memcpy(head, h, sizeof(head));
    if ((head[0] & ~ROWS_HAS_NULLS) != (uint32_t)node->id)
        return damaged(err, "a column of another type");
    if (head[1] != n) return damaged(err, "a column of another length");
    const uint64_t *valid = NULL;
    if (head[0] & ROWS_HAS_NULLS) {
        const size_t size = rows_words(n) * sizeof(uint64_t);
        const void *from = peri_get_raw(in, size);
        if (!from) return damaged(err, "cut off");
        duckdb_vector_ensure_validity_writable(vec);
        uint64_t *bits = duckdb_vector_get_validity(vec);
        memcpy(bits, from, size);
        valid = bits;
    }
    switch (node->kind) {
    case ROWS_NONE:
        for (uint64_t i = 0; i < n; i++)
            if (rows_bit(valid, i)) return damaged(err, "a value where there is none");
        return 0;
    case ROWS_FIXED:
        return fixed_decode(node, vec, valid, n, in, err);
    case ROWS_TEXT:
        return text_decode(node, vec, valid, n, in, err);
    case ROWS_LIST:
        return list_decode(node, vec, n, in, err);
    case ROWS_ARRAY:
    case ROWS_STRUCT:
        return members_decode(node, vec, n, in, err);
    }
    return 0;
}

int peri_rows_decode(peri_rows_t *r, peri_reader_t *in, duckdb_data_chunk *chunk,
                     peri_err_t *err)
{
    const uint64_t n = peri_get_u64(in);
    if (in->failed) return damaged(err, "cut off");
    if (n > duckdb_vector_size()) return damaged(err, "too many rows");
    duckdb_data_chunk_reset(r->chunk);
    for (size_t i = 0; i < r->ncolumns; i++)
        if (vector_decode(&r->columns[i], duckdb_data_chunk_get_vector(r->chunk, i), n,
                          in, err))
            return -1;
    duckdb_data_chunk_set_size(r->chunk, n);
    *chunk = r->chunk;
    return 0;
}
