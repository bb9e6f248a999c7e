/* binary.c - see binary.h. */
#include "core/out/binary.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/nullnan.h"
#include "core/out/number.h"

static const size_t sizes[] = {
    [PERI_BIN_TEXT] = 0, [PERI_BIN_BOOL] = 1, [PERI_BIN_I8] = 1,  [PERI_BIN_I16] = 2,
    [PERI_BIN_I32] = 4,  [PERI_BIN_I64] = 8,  [PERI_BIN_U8] = 1,  [PERI_BIN_U16] = 2,
    [PERI_BIN_U32] = 4,  [PERI_BIN_U64] = 8,  [PERI_BIN_F32] = 4, [PERI_BIN_F64] = 8};

static const struct {
    duckdb_type type;
    peri_binary_t kind;
    bool direct; /* the vector already holds such values */
    bool moment;
} kinds[] = {
    {DUCKDB_TYPE_BOOLEAN, PERI_BIN_BOOL, true, false},
    {DUCKDB_TYPE_TINYINT, PERI_BIN_I8, true, false},
    {DUCKDB_TYPE_SMALLINT, PERI_BIN_I16, true, false},
    {DUCKDB_TYPE_INTEGER, PERI_BIN_I32, true, false},
    {DUCKDB_TYPE_BIGINT, PERI_BIN_I64, true, false},
    {DUCKDB_TYPE_HUGEINT, PERI_BIN_I64, false, false},
    {DUCKDB_TYPE_UTINYINT, PERI_BIN_U8, true, false},
    {DUCKDB_TYPE_USMALLINT, PERI_BIN_U16, true, false},
    {DUCKDB_TYPE_UINTEGER, PERI_BIN_U32, true, false},
    {DUCKDB_TYPE_UBIGINT, PERI_BIN_U64, true, false},
    {DUCKDB_TYPE_UHUGEINT, PERI_BIN_U64, false, false},
    {DUCKDB_TYPE_FLOAT, PERI_BIN_F32, true, false},
    {DUCKDB_TYPE_DOUBLE, PERI_BIN_F64, true, false},
    {DUCKDB_TYPE_DECIMAL, PERI_BIN_F64, false, false},
    {DUCKDB_TYPE_DATE, PERI_BIN_I32, true, true},
    {DUCKDB_TYPE_TIME, PERI_BIN_I64, true, true},
    {DUCKDB_TYPE_TIME_NS, PERI_BIN_I64, true, true},
    {DUCKDB_TYPE_TIMESTAMP, PERI_BIN_I64, true, true},
    {DUCKDB_TYPE_TIMESTAMP_S, PERI_BIN_I64, true, true},
    {DUCKDB_TYPE_TIMESTAMP_MS, PERI_BIN_I64, true, true},
    {DUCKDB_TYPE_TIMESTAMP_NS, PERI_BIN_I64, true, true},
    {DUCKDB_TYPE_TIMESTAMP_TZ, PERI_BIN_I64, true, true},
};

static int kind_index(duckdb_type t)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].type == t) return (int)i;
    return -1;
}

peri_binary_t peri_binary_kind(const peri_field_t *f, bool moments, size_t *width)
{
    *width = 1;
    if (f->as_text) return PERI_BIN_TEXT;
    if (f->type == DUCKDB_TYPE_ARRAY) {
        *width = f->array_size;
        f = &f->kids[0];
    }
    int i = kind_index(f->type);
    if (i < 0 || (kinds[i].moment && !moments)) {
        *width = 1;
        return PERI_BIN_TEXT;
    }
    return kinds[i].kind;
}

size_t peri_binary_size(peri_binary_t k)
{
    return sizes[k];
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", NULL);
}

/* The nearest double. Both numbers of the division are exact in the usual case, so that
 * it rounds once; the rest goes through the text. */
static double decimal_value(__int128 v, unsigned scale)
{
    static const double p[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const __int128 exact = (__int128)1 << 53;
    if (v <= exact && v >= -exact && scale < sizeof(p) / sizeof(p[0]))
        return (double)(int64_t)v / p[scale];
    char text[PERI_NUM_MAX + 1];
    *peri_num_decimal(text, v, scale) = '\0';
    pthread_once(&c_locale_once, make_c_locale);
    return strtod_l(text, NULL, c_locale);
}

/* ---- what fits ---- */

bool peri_binary_unsure(const peri_field_t *f, peri_numbers_t have)
{
    bool vector = f->type == DUCKDB_TYPE_ARRAY;
    /* Only VOTable has lists of numbers. */
    bool list = f->type == DUCKDB_TYPE_LIST && have == PERI_NUMBERS_SIGNED;
    if (vector || list) f = &f->kids[0];
    switch (f->type) {
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
        return have != PERI_NUMBERS_ANY;
    case DUCKDB_TYPE_UBIGINT:
        return have == PERI_NUMBERS_SIGNED;
    case DUCKDB_TYPE_DECIMAL: /* 15 digits always fit */
        return f->width > 15 && (have == PERI_NUMBERS_64 || have == PERI_NUMBERS_SIGNED);
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
        return have == PERI_NUMBERS_PARQUET && !vector;
    default:
        return false;
    }
}

static bool keeps_integer(const peri_field_t *f, idx_t row, bool is_signed)
{
    __int128 v = peri_field_integer(f, row);
    if (f->type == DUCKDB_TYPE_UHUGEINT && v < 0) return false; /* above INT128_MAX */
    return is_signed ? v >= INT64_MIN && v <= INT64_MAX : v >= 0 && v <= UINT64_MAX;
}

/* DuckDB makes microseconds of them, on the way to the file or back. */
static bool keeps_moment(const peri_field_t *f, idx_t row)
{
    int64_t us, v = ((const int64_t *)f->data)[row];
    bool finite = v != INT64_MAX && v != -INT64_MAX;
    int64_t more = f->type == DUCKDB_TYPE_TIMESTAMP_S ? 1000000 : 1000;
    return finite && !__builtin_mul_overflow(v, more, &us);
}

/* Is it the decimal that DuckDB's cast makes of the nearest double? */
static bool keeps_decimal(const peri_field_t *f, idx_t row, double power)
{
    const __int128 sure = (__int128)1000000000000000;
    __int128 v = peri_field_integer(f, row);
    if (v < sure && v > -sure && f->scale < 23) return true;
    double back = nearbyint(decimal_value(v, f->scale) * power);
    return fabs(back) < 0x1p126 && (__int128)back == v;
}

static bool keeps_elements(const peri_field_t *f, idx_t row, peri_numbers_t have)
{
    idx_t size = f->array_size, first = row * size;
    if (f->type == DUCKDB_TYPE_LIST) {
        duckdb_list_entry e = ((const duckdb_list_entry *)f->data)[row];
        first = e.offset;
        size = e.length;
    }
    return peri_binary_keeps(&f->kids[0], first, size, have);
}

bool peri_binary_keeps(const peri_field_t *f, idx_t first, idx_t n, peri_numbers_t have)
{
    bool is_signed = f->type == DUCKDB_TYPE_HUGEINT || have == PERI_NUMBERS_SIGNED;
    double power = 1;
    for (unsigned k = 0; k < f->scale; k++) power *= 10; /* rounds from 10^23 on */
    for (idx_t i = first; i < first + n; i++) {
        bool keeps;
        if (peri_field_is_null(f, i)) continue;
        switch (f->type) {
        case DUCKDB_TYPE_ARRAY:
        case DUCKDB_TYPE_LIST:
            keeps = keeps_elements(f, i, have);
            break;
        case DUCKDB_TYPE_DECIMAL:
            keeps = keeps_decimal(f, i, power);
            break;
        case DUCKDB_TYPE_TIMESTAMP_S:
        case DUCKDB_TYPE_TIMESTAMP_MS:
            keeps = keeps_moment(f, i);
            break;
        default:
            keeps = keeps_integer(f, i, is_signed);
        }
        if (!keeps) return false;
    }
    return true;
}

/* ---- values ---- */

static void convert(const peri_field_t *f, idx_t row, peri_binary_t k, void *out)
{
    if (k == PERI_BIN_F64) {
        double v = decimal_value(peri_field_integer(f, row), f->scale);
        memcpy(out, &v, sizeof(v));
        return;
    }
    uint64_t v = (uint64_t)peri_field_integer(f, row);
    memcpy(out, &v, sizeof(v));
}

bool peri_binary_is_null_nan(peri_binary_t k, const void *p)
{
    return k == PERI_BIN_F32   ? peri_is_null_f32(p)
           : k == PERI_BIN_F64 ? peri_is_null_f64(p)
                               : false;
}

void peri_binary_put_nan(peri_binary_t k, void *p)
{
    if (k == PERI_BIN_F32) memcpy(p, &(float){NAN}, sizeof(float));
    if (k == PERI_BIN_F64) memcpy(p, &(double){NAN}, sizeof(double));
}

void peri_binary_put_null(peri_binary_t k, void *p)
{
    if (k == PERI_BIN_F32)
        memcpy(p, &(uint32_t){PERI_NULL_F32}, sizeof(uint32_t));
    else if (k == PERI_BIN_F64)
        memcpy(p, &(uint64_t){PERI_NULL_F64}, sizeof(uint64_t));
    else
        memset(p, 0, sizes[k]);
}

bool peri_binary_is_row_of_nulls(const peri_field_t *f, idx_t row)
{
    if (peri_field_is_null(f, row)) return false;
    for (idx_t i = 0; i < f->array_size; i++)
        if (!peri_field_is_null(&f->kids[0], row * f->array_size + i)) return false;
    return true;
}

static void put_row_of_nulls(peri_binary_t k, char *first)
{
    if (k == PERI_BIN_F32)
        memcpy(first, &(uint32_t){PERI_NULL_F32 + 1}, sizeof(uint32_t));
    else if (k == PERI_BIN_F64)
        memcpy(first, &(uint64_t){PERI_NULL_F64 + 1}, sizeof(uint64_t));
    else
        first[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : sizes[k] - 1] = 1;
}

static void put_null(peri_binary_t k, char *out, size_t n)
{
    for (size_t i = 0; i < n; i++) peri_binary_put_null(k, out + i * sizes[k]);
}

void peri_binary_rows(const peri_field_t *f, idx_t first, idx_t n, peri_binary_t k,
                      void *out)
{
    char *p = out;
    size_t step = sizes[k];
    if (f->type == DUCKDB_TYPE_ARRAY) {
        idx_t size = f->array_size;
        peri_binary_rows(&f->kids[0], first * size, n * size, k, out);
        step *= size;
        for (idx_t i = 0; i < n && (f->valid || f->kids[0].valid); i++) {
            if (peri_field_is_null(f, first + i))
                put_null(k, p + i * step, size);
            else if (peri_binary_is_row_of_nulls(f, first + i))
                put_row_of_nulls(k, p + i * step);
        }
        return;
    }
    if (kinds[kind_index(f->type)].direct) {
        memcpy(p, (const char *)f->data + first * step, n * step);
        if (!f->valid) return;
        for (idx_t i = 0; i < n; i++)
            if (peri_field_is_null(f, first + i)) put_null(k, p + i * step, 1);
        return;
    }
    for (idx_t i = 0; i < n; i++, p += step) {
        if (peri_field_is_null(f, first + i))
            put_null(k, p, 1);
        else
            convert(f, first + i, k, p);
    }
}
