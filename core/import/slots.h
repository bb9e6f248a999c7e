/* slots.h - where the values of a column go: one a row, an array of them, or a list; for
 * readers of binary formats. Private to core/import.
 */
#ifndef CORE_IMPORT_SLOTS_H
#define CORE_IMPORT_SLOTS_H

#include <duckdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "perigee/err.h"

typedef enum { PERI_SLOT_ONE, PERI_SLOT_ARRAY, PERI_SLOT_LIST } peri_slotshape_t;

typedef struct {
    duckdb_type type; /* of an element */
    peri_slotshape_t shape;
    uint64_t repeat;                /* elements of an array */
    duckdb_vector vector, elements; /* bound; elements may move when a list grows */
    uint64_t used;                  /* elements of the chunk's lists */
    uint64_t bytes;                 /* about, of the chunk's lists and texts */
} peri_slot_t;

/* Fixed-size vectors of `repeat` become arrays, or lists if arrays of so many, beside the
 * others of the row (*total bytes), would need too much room at once. */
void peri_slot_choose(peri_slot_t *s, uint64_t repeat, uint64_t *total);
duckdb_logical_type peri_slot_type(const peri_slot_t *s); /* the caller's */
void peri_slot_bind(peri_slot_t *s, duckdb_data_chunk out, idx_t column);
/* Room for the n elements of the chunk's row (n is 1, or `repeat`, or any for a list);
 * the first one goes to *first. */
int peri_slot_open(peri_slot_t *s, idx_t row, uint64_t n, idx_t *first, peri_err_t *err);
/* Elements. */
void peri_slot_put_null(peri_slot_t *s, idx_t at);
void peri_slot_put_bits(peri_slot_t *s, idx_t at, uint64_t bits, size_t size);
void peri_slot_put_text(peri_slot_t *s, idx_t at, const char *p, size_t n);
/* The whole row. */
void peri_slot_put_null_row(peri_slot_t *s, idx_t row);
/* An array of NULLs, its first element `first`, becomes NULL. */
void peri_slot_join_nulls(peri_slot_t *s, idx_t row, idx_t first, uint64_t n);

/* An unsigned big-endian number. */
static inline uint64_t peri_slot_big(const char *p, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++) v = v << 8 | (unsigned char)p[i];
    return v;
}

#endif
