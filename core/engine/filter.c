/* filter.c - rows that a WHERE drops for sure, dropped before DuckDB sees them.
 *
 * The conditions that skip zones (core/table/pred.h) also say of single values that they
 * cannot match. Each becomes bounds of a projected column; a vector's rows outside of
 * them are left out, and if no row is left no other column is read. DuckDB applies the
 * whole WHERE to what remains, so bounds may be too wide, never too narrow. A NaN is
 * never out of bounds. What is NULL may be dropped or not: the condition is not true.
 *
 * Where most rows stay the work is in vain: then it stops for some blocks of the thread.
 */
#include "core/engine/filter.h"

#include <math.h>
#include <string.h>

#include "core/base/util.h"

#define TRY_ROWS  (8 * PERI_VECTOR_ROWS)
#define TRY_AGAIN 8 /* blocks later */

typedef void (*keep_f)(const peri_rowtest_t *t, const void *values, uint32_t n,
                       uint8_t *keep);

/* Written so that the compiler makes SIMD code of it; NaN is kept. */
#define KEEP(NAME, T, MEMBER)                                                            \
    static void keep_##NAME(const peri_rowtest_t *t, const void *values, uint32_t n,     \
                            uint8_t *keep)                                               \
    {                                                                                    \
        const T *v = values, min = (T)t->min.MEMBER, max = (T)t->max.MEMBER;             \
        for (uint32_t i = 0; i < n; i++) keep[i] &= !(v[i] < min) & !(v[i] > max);       \
    }
KEEP(i8, int8_t, i)
KEEP(i16, int16_t, i)
KEEP(i32, int32_t, i)
KEEP(i64, int64_t, i)
KEEP(u8, uint8_t, u)
KEEP(u16, uint16_t, u)
KEEP(u32, uint32_t, u)
KEEP(u64, uint64_t, u)
KEEP(f32, float, d)
KEEP(f64, double, d)

static const struct {
    keep_f keep;
    bool real, is_signed;
    unsigned bits;
} types[] = {[PERI_T_BOOL] = {keep_u8, false, false, 8},
             [PERI_T_I8] = {keep_i8, false, true, 8},
             [PERI_T_I16] = {keep_i16, false, true, 16},
             [PERI_T_I32] = {keep_i32, false, true, 32},
             [PERI_T_I64] = {keep_i64, false, true, 64},
             [PERI_T_U8] = {keep_u8, false, false, 8},
             [PERI_T_U16] = {keep_u16, false, false, 16},
             [PERI_T_U32] = {keep_u32, false, false, 32},
             [PERI_T_U64] = {keep_u64, false, false, 64},
             [PERI_T_F32] = {keep_f32, true, true, 32},
             [PERI_T_F64] = {keep_f64, true, true, 64}};
#define NTYPES (sizeof(types) / sizeof(types[0]))

/* ---- bounds ---- */

/* No bounds yet: all values of the type. */
static peri_rowtest_t all_values(size_t k, peri_type_t type)
{
    peri_rowtest_t t = {.k = k, .type = type};
    const unsigned bits = types[type].bits;
    if (types[type].real) {
        t.min.d = -INFINITY;
        t.max.d = INFINITY;
    } else if (types[type].is_signed) {
        t.max.i = bits == 64 ? INT64_MAX : ((int64_t)1 << (bits - 1)) - 1;
        t.min.i = -t.max.i - 1;
    } else {
        t.max.u = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    }
    return t;
}

/* False: no value of the type is within them. */
static bool narrow_int(peri_rowtest_t *t, __int128 min, __int128 max)
{
    const bool is_signed = types[t->type].is_signed;
    const __int128 least = is_signed ? (__int128)t->min.i : (__int128)t->min.u;
    const __int128 most = is_signed ? (__int128)t->max.i : (__int128)t->max.u;
    if (min < least) min = least;
    if (max > most) max = most;
    if (min > max) return false;
    if (is_signed) {
        t->min.i = (int64_t)min;
        t->max.i = (int64_t)max;
    } else {
        t->min.u = (uint64_t)min;
        t->max.u = (uint64_t)max;
    }
    return true;
}

static void narrow_real(peri_rowtest_t *t, double min, double max)
{
    if (t->type == PERI_T_F32) {
        min = (double)nextafterf((float)min, -INFINITY);
        max = (double)nextafterf((float)max, INFINITY);
    }
    t->min.d = fmax(t->min.d, min);
    t->max.d = fmin(t->max.d, max);
}

static void add_test(peri_rowtests_t *all, size_t k, const peri_column_t *c,
                     const peri_pred_t *p)
{
    __int128 min, max;
    double low, high;
    size_t i = 0;
    while (i < all->n && all->v[i].k != k) i++;
    if (i == PERI_MAX_ROWTESTS) return;
    peri_rowtest_t t = i < all->n ? all->v[i] : all_values(k, c->type);
    if (types[c->type].real) {
        if (!peri_pred_bounds_real(p, c->type == PERI_T_F32, &low, &high)) return;
        narrow_real(&t, low, high);
    } else if (!peri_pred_bounds_int(p, &min, &max) || !narrow_int(&t, min, max)) {
        return;
    }
    all->v[i] = t;
    if (i == all->n) all->n++;
}

/* Stored numbers are what the condition compares; not those of dates and decimals. */
static bool is_plain(const peri_column_t *c)
{
    return c->width == 1 && (size_t)c->type < NTYPES && types[c->type].keep &&
           (!c->sql_type || !*c->sql_type);
}

void peri_rowtests_make(const peri_table_t *t, const size_t *columns, size_t n,
                        const peri_pred_t *preds, size_t npreds, peri_rowtests_t *out)
{
    out->n = 0;
    for (size_t i = 0; i < npreds; i++) {
        const peri_column_t *c = peri_table_column(t, preds[i].column);
        if (!c || preds[i].component >= 0 || !is_plain(c)) continue;
        for (size_t k = 0; k < n; k++)
            if (&t->columns[columns[k]] == c) add_test(out, k, c, &preds[i]);
    }
}

/* ---- rows ---- */

void peri_rowtest_keep(const peri_rowtest_t *t, const void *values, uint32_t n,
                       uint8_t *keep)
{
    types[t->type].keep(t, values, n, keep);
}

uint32_t peri_rows_kept(const uint8_t *keep, uint32_t n, uint16_t *rows)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        rows[kept] = (uint16_t)i;
        kept += keep[i];
    }
    return kept;
}

void peri_rowpay_block(peri_rowpay_t *p)
{
    if (!p->off || ++p->blocks == TRY_AGAIN) *p = (peri_rowpay_t){0};
}

bool peri_rowtests_pay(peri_rowpay_t *p, uint32_t n, uint32_t kept)
{
    p->tried += n;
    p->kept += kept;
    if (p->tried >= TRY_ROWS && 2 * p->kept > p->tried) p->off = true;
    return 2 * kept <= n;
}

#define GATHER(T)                                                                        \
    do {                                                                                 \
        const T *v = from;                                                               \
        T *o = to;                                                                       \
        for (uint32_t i = 0; i < n; i++) o[i] = v[rows[i]];                              \
        return;                                                                          \
    } while (0)

void peri_rows_gather(const void *from, size_t size, const uint16_t *rows, uint32_t n,
                      void *to)
{
    switch (size) {
    case 1:
        GATHER(uint8_t);
    case 2:
        GATHER(uint16_t);
    case 4:
        GATHER(uint32_t);
    case 8:
        GATHER(uint64_t);
    default:
        for (uint32_t i = 0; i < n; i++)
            memcpy((char *)to + i * size, (const char *)from + rows[i] * size, size);
    }
}
