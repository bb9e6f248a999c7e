/* binary.h - result columns as arrays of native numbers, for formats that store such.
 *
 * Exact: what no number of the format holds has been found out before (wait.c), and its
 * column is text. NULL becomes NaN or 0: the format keeps nulls in its own way.
 */
#ifndef CORE_OUT_BINARY_H
#define CORE_OUT_BINARY_H

#include "core/out/value.h"

typedef enum {
    PERI_BIN_TEXT, /* no number: the format writes peri_field_text */
    PERI_BIN_BOOL, /* uint8_t 0/1 */
    PERI_BIN_I8,
    PERI_BIN_I16,
    PERI_BIN_I32,
    PERI_BIN_I64,
    PERI_BIN_U8,
    PERI_BIN_U16,
    PERI_BIN_U32,
    PERI_BIN_U64,
    PERI_BIN_F32,
    PERI_BIN_F64
} peri_binary_t;

/* The numbers that a format has. Values of wider types need a look before it is known
 * whether they fit: they may be large, or have more digits than a double keeps. */
typedef enum {
    PERI_NUMBERS_ANY,    /* any: they are text */
    PERI_NUMBERS_64,     /* integers of 64 bits, doubles */
    PERI_NUMBERS_SIGNED, /* the same, but no unsigned integers of 64 bits */
    PERI_NUMBERS_PARQUET /* integers of 64 bits, doubles, decimals; moments without
                            infinity in seconds or milliseconds */
} peri_numbers_t;

/* Do the column's values decide whether these numbers hold it? */
bool peri_binary_unsure(const peri_field_t *f, peri_numbers_t have);
/* Do they hold rows [first, first + n) of such a column? */
bool peri_binary_keeps(const peri_field_t *f, idx_t first, idx_t n, peri_numbers_t have);

/* The kind for a scalar, or for the elements of an ARRAY of scalars, whose length goes to
 * *width (1 for a scalar). `moments`: dates, times and timestamps as the integers they
 * are stored as, instead of as text. */
peri_binary_t peri_binary_kind(const peri_field_t *f, bool moments, size_t *width);
size_t peri_binary_size(peri_binary_t k);

/* NULL of floats is a NaN of its own (core/base/nullnan.h), which nobody computes: is it
 * at p? _put_nan: the NaN that is a value. */
bool peri_binary_is_null_nan(peri_binary_t k, const void *p);
void peri_binary_put_null(peri_binary_t k, void *p);
void peri_binary_put_nan(peri_binary_t k, void *p);

/* Is the ARRAY value no NULL, but all its elements are? */
bool peri_binary_is_row_of_nulls(const peri_field_t *f, idx_t row);
/* Rows [first, first + n) into out, width values each. The first value of a row of NULLs
 * is another one than that of NULL: 1, or a second such NaN. */
void peri_binary_rows(const peri_field_t *f, idx_t first, idx_t n, peri_binary_t k,
                      void *out);

#endif
