/* binary.h - result columns as arrays of native numbers, for formats that store such.
 *
 * Exact, or an error: a HUGEINT becomes a 64-bit integer if its values fit. The
 * exceptions are DECIMAL, which becomes the nearest double (exact up to 15 digits), and
 * NULL, which becomes NaN or 0: the format keeps nulls in its own way.
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

/* The kind for a scalar, or for the elements of an ARRAY of scalars, whose length goes to
 * *width (1 for a scalar). `moments`: dates, times and timestamps as the integers they
 * are stored as, instead of as text. */
peri_binary_t peri_binary_kind(const peri_field_t *f, bool moments, size_t *width);
size_t peri_binary_size(peri_binary_t k);

/* NULL of floats is a NaN of its own, which nobody computes: _is_null_nan knows it at p.
 * _put_nan: the NaN that is a value. */
bool peri_binary_is_null_nan(peri_binary_t k, const void *p);
void peri_binary_put_null(peri_binary_t k, void *p);
void peri_binary_put_nan(peri_binary_t k, void *p);

/* Rows [first, first + n) into out, width values each. `format` is for the error. */
int peri_binary_rows(const peri_field_t *f, idx_t first, idx_t n, peri_binary_t k,
                     void *out, const char *format, peri_err_t *err);
/* PERI_EUNSUPP if an integer value does not fit int64_t (or uint64_t). */
int peri_binary_fits(const peri_field_t *f, idx_t row, bool is_signed, const char *format,
                     peri_err_t *err);
/* PERI_EUNSUPP if a DECIMAL (or an element of an ARRAY of them) is not the decimal that
 * its nearest double gives back; other types always fit. */
int peri_binary_decimals(const peri_field_t *f, idx_t first, idx_t n, const char *format,
                         peri_err_t *err);

#endif
