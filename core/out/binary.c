/* binary.c - see binary.h. */
#include "core/out/binary.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

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

int peri_binary_fits(const peri_field_t *f, idx_t row, bool is_signed, const char *format,
                     peri_err_t *err)
{
    __int128 v = peri_field_integer(f, row);
    bool fits = is_signed ? v >= INT64_MIN && v <= INT64_MAX : v >= 0 && v <= UINT64_MAX;
    if (is_signed && f->type == DUCKDB_TYPE_UHUGEINT && v < 0) fits = false;
    if (fits) return 0;
    char text[PERI_NUM_MAX + 1];
    *(f->type == DUCKDB_TYPE_UHUGEINT ? peri_num_u128(text, (unsigned __int128)v)
                                      : peri_num_i128(text, v)) = '\0';
    return peri_err_set(
        err, PERI_EUNSUPP,
        "column \"%s\" holds %s, which does not fit the 64-bit %sintegers "
        "of %s: cast the column to DOUBLE or VARCHAR",
        f->name, text, is_signed ? "" : "unsigned ", format);
}

int peri_binary_decimals(const peri_field_t *f, idx_t first, idx_t n, const char *format,
                         peri_err_t *err)
{
    if (f->type == DUCKDB_TYPE_ARRAY) {
        idx_t size = f->array_size;
        return peri_binary_decimals(&f->kids[0], first * size, n * size, format, err);
    }
    if (f->type != DUCKDB_TYPE_DECIMAL || f->width <= 15) return 0;
    const __int128 sure = (__int128)1000000000000000; /* 15 digits always fit */
    double power = 1;
    for (unsigned k = 0; k < f->scale; k++) power *= 10; /* rounds from 10^23 on */
    for (idx_t i = first; i < first + n; i++) {
        if (peri_field_is_null(f, i)) continue;
        __int128 v = peri_field_integer(f, i);
        if (v < sure && v > -sure && f->scale < 23) continue;
        /* What DuckDB's cast does with the double that is stored. */
        double back = nearbyint(decimal_value(v, f->scale) * power);
        if (fabs(back) < 0x1p126 && (__int128)back == v) continue;
        char text[PERI_NUM_MAX + 1];
        *peri_num_decimal(text, v, f->scale) = '\0';
        return peri_err_set(err, PERI_EUNSUPP,
                            "column \"%s\" holds %s, which has more digits than the "
                            "numbers of %s keep: cast the column to DOUBLE or VARCHAR",
                            f->name, text, format);
    }
    return 0;
}

static int convert(const peri_field_t *f, idx_t row, peri_binary_t k, void *out,
                   const char *format, peri_err_t *err)
{
    if (k == PERI_BIN_F64) {
        double v = decimal_value(peri_field_integer(f, row), f->scale);
        memcpy(out, &v, sizeof(v));
        return 0;
    }
    if (peri_binary_fits(f, row, k == PERI_BIN_I64, format, err)) return -1;
    uint64_t v = (uint64_t)peri_field_integer(f, row);
    memcpy(out, &v, sizeof(v));
    return 0;
}

/* Quiet, and with a payload as R has it in its NA. */
static const uint32_t null_f32 = 0x7fc007a2;
static const uint64_t null_f64 = 0x7ff80000000007a2;

bool peri_binary_is_null_nan(peri_binary_t k, const void *p)
{
    return k == PERI_BIN_F32   ? memcmp(p, &null_f32, sizeof(null_f32)) == 0
           : k == PERI_BIN_F64 ? memcmp(p, &null_f64, sizeof(null_f64)) == 0
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
        memcpy(p, &null_f32, sizeof(null_f32));
    else if (k == PERI_BIN_F64)
        memcpy(p, &null_f64, sizeof(null_f64));
    else
        memset(p, 0, sizes[k]);
}

static void put_null(peri_binary_t k, char *out, size_t n)
{
    for (size_t i = 0; i < n; i++) peri_binary_put_null(k, out + i * sizes[k]);
}

int peri_binary_rows(const peri_field_t *f, idx_t first, idx_t n, peri_binary_t k,
                     void *out, const char *format, peri_err_t *err)
{
    char *p = out;
    size_t step = sizes[k];
    if (f->type == DUCKDB_TYPE_ARRAY) {
        idx_t size = f->array_size;
        if (peri_binary_rows(&f->kids[0], first * size, n * size, k, out, format, err))
            return -1;
        step *= size;
        for (idx_t i = 0; i < n; i++)
            if (peri_field_is_null(f, first + i)) put_null(k, p + i * step, size);
        return 0;
    }
    if (kinds[kind_index(f->type)].direct) {
        memcpy(p, (const char *)f->data + first * step, n * step);
        if (!f->valid) return 0;
        for (idx_t i = 0; i < n; i++)
            if (peri_field_is_null(f, first + i)) put_null(k, p + i * step, 1);
        return 0;
    }
    for (idx_t i = 0; i < n; i++, p += step) {
        if (peri_field_is_null(f, first + i))
            put_null(k, p, 1);
        else if (convert(f, first + i, k, p, format, err))
            return -1;
    }
    return 0;
}
