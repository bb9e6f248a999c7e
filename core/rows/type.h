/* type.h - what encoding and decoding of rows share: types as a tree, the layout.
 *
 * A chunk is the number of rows (u64), then one vector a column. A vector is
 *     u32 tag: type id, or'ed with ROWS_HAS_NULLS
 *     u32 values
 *     validity bits in whole u64 words, if ROWS_HAS_NULLS (1 = there is a value)
 *     fixed size: the values
 *     text:       u32 length of each, u64 bytes of all, the bytes
 *     list, map:  u32 length of each, then the child as a vector
 *     array:      the child as a vector
 *     struct, union: each member as a vector
 */
#ifndef CORE_ROWS_TYPE_H
#define CORE_ROWS_TYPE_H

#include "core/rows/rows.h"

#define ROWS_HAS_NULLS 0x100u

typedef enum {
    ROWS_NONE,
    ROWS_FIXED,
    ROWS_TEXT,
    ROWS_LIST,
    ROWS_ARRAY,
    ROWS_STRUCT
} rows_kind_t;

typedef struct rows_node {
    duckdb_type id;
    rows_kind_t kind;
    uint32_t width;      /* fixed: bytes of a value */
    uint64_t limit;      /* fixed: values lie below it (enum, bool); 0: anything goes */
    uint32_t min_len;    /* text: shortest that DuckDB can handle */
    uint64_t array_size; /* array */
    uint64_t min_bits;   /* least size of one value in a message */
    bool is_union;
    size_t nchildren;
    struct rows_node *children;
} rows_node_t;

struct peri_rows {
    size_t ncolumns;
    rows_node_t *columns;
    duckdb_data_chunk chunk; /* what _decode fills */
};

static inline bool rows_bit(const uint64_t *bits, uint64_t i)
{
    return !bits || (bits[i / 64] >> (i % 64) & 1);
}

static inline uint64_t rows_words(uint64_t n)
{
    return (n + 63) / 64;
}

#endif
