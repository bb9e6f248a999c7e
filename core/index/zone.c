/* zone.c - minimum, maximum and NaN count of values, at memory speed.
 *
 * The values of a vector column come interleaved. A kernel keeps one accumulator for each
 * of `lanes` neighbouring values, a multiple of the vector's width, and folds them at the
 * end: the inner loop has no branch and no dependency between lanes, so that the compiler
 * makes SIMD code of it without being allowed to reorder floating-point operations.
 * (Measured: a constant number of lanes makes gcc unroll to scalar code, three times
 * slower.) A comparison with NaN is false, which keeps NaN out of the bounds.
 */
#include "core/index/index_private.h"

#include <math.h>
#include <string.h>

#define MAX_LANES 64

static uint64_t bits_of(double d)
{
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}

static double double_of(uint64_t u)
{
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

static void fold_signed(peri_zone_t *z, int64_t lo, int64_t hi, uint64_t nans)
{
    (void)nans;
    if (lo < (int64_t)z->min) z->min = (uint64_t)lo;
    if (hi > (int64_t)z->max) z->max = (uint64_t)hi;
}

static void fold_unsigned(peri_zone_t *z, uint64_t lo, uint64_t hi, uint64_t nans)
{
    (void)nans;
    if (lo < z->min) z->min = lo;
    if (hi > z->max) z->max = hi;
}

static void fold_real(peri_zone_t *z, double lo, double hi, uint64_t nans)
{
    if (lo < double_of(z->min)) z->min = bits_of(lo);
    if (hi > double_of(z->max)) z->max = bits_of(hi);
    z->nans += nans;
}

/* add_NAME: bounds of n values of type T; COUNT is an unsigned type as wide as T. */
#define KERNEL(NAME, T, COUNT, LOWEST, HIGHEST, FOLD)                                    \
    static void add_##NAME(const void *values, size_t n, uint32_t width, peri_zone_t *z, \
                           size_t stride)                                                \
    {                                                                                    \
        const T *v = values;                                                             \
        T lo[MAX_LANES], hi[MAX_LANES];                                                  \
        COUNT nans[MAX_LANES];                                                           \
        size_t lanes = MAX_LANES / width * width;                                        \
        for (size_t l = 0; l < lanes; l++) {                                             \
            lo[l] = HIGHEST;                                                             \
            hi[l] = LOWEST;                                                              \
            nans[l] = 0;                                                                 \
        }                                                                                \
        for (size_t i = 0; i < n; i += lanes) {                                          \
            size_t here = n - i < lanes ? n - i : lanes;                                 \
            for (size_t l = 0; l < here; l++) {                                          \
                T x = v[i + l];                                                          \
                lo[l] = x < lo[l] ? x : lo[l];                                           \
                hi[l] = x > hi[l] ? x : hi[l];                                           \
                nans[l] += x != x;                                                       \
            }                                                                            \
        }                                                                                \
        for (size_t l = 0; l < lanes; l++)                                               \
            FOLD(&z[(l % width) * stride], lo[l], hi[l], nans[l]);                       \
    }

/* Counters as wide as the values would overflow for 8 and 16 bits, but integers have no
 * NaN, and the compiler drops them there. */
KERNEL(i8, int8_t, uint8_t, INT8_MIN, INT8_MAX, fold_signed)
KERNEL(i16, int16_t, uint16_t, INT16_MIN, INT16_MAX, fold_signed)
KERNEL(i32, int32_t, uint32_t, INT32_MIN, INT32_MAX, fold_signed)
KERNEL(i64, int64_t, uint64_t, INT64_MIN, INT64_MAX, fold_signed)
KERNEL(u8, uint8_t, uint8_t, 0, UINT8_MAX, fold_unsigned)
KERNEL(u16, uint16_t, uint16_t, 0, UINT16_MAX, fold_unsigned)
KERNEL(u32, uint32_t, uint32_t, 0, UINT32_MAX, fold_unsigned)
KERNEL(u64, uint64_t, uint64_t, 0, UINT64_MAX, fold_unsigned)
KERNEL(f32, float, uint32_t, -INFINITY, INFINITY, fold_real)
KERNEL(f64, double, uint64_t, -INFINITY, INFINITY, fold_real)

typedef enum { KIND_NONE, KIND_SIGNED, KIND_UNSIGNED, KIND_REAL } kind_t;

static const struct {
    kind_t kind;
    void (*add)(const void *, size_t, uint32_t, peri_zone_t *, size_t);
} types[] = {
    [PERI_T_BOOL] = {KIND_UNSIGNED, add_u8}, [PERI_T_I8] = {KIND_SIGNED, add_i8},
    [PERI_T_I16] = {KIND_SIGNED, add_i16},   [PERI_T_I32] = {KIND_SIGNED, add_i32},
    [PERI_T_I64] = {KIND_SIGNED, add_i64},   [PERI_T_U8] = {KIND_UNSIGNED, add_u8},
    [PERI_T_U16] = {KIND_UNSIGNED, add_u16}, [PERI_T_U32] = {KIND_UNSIGNED, add_u32},
    [PERI_T_U64] = {KIND_UNSIGNED, add_u64}, [PERI_T_F32] = {KIND_REAL, add_f32},
    [PERI_T_F64] = {KIND_REAL, add_f64},
};

static kind_t kind_of(peri_type_t type)
{
    return (size_t)type < sizeof types / sizeof *types ? types[type].kind : KIND_NONE;
}

bool peri_zone_type_ok(peri_type_t type)
{
    return kind_of(type) != KIND_NONE;
}

void peri_zone_clear(peri_zone_t *z, peri_type_t type)
{
    z->nans = 0;
    switch (kind_of(type)) {
    case KIND_SIGNED:
        z->min = (uint64_t)INT64_MAX;
        z->max = (uint64_t)INT64_MIN;
        break;
    case KIND_REAL:
        z->min = bits_of(INFINITY);
        z->max = bits_of(-INFINITY);
        break;
    default:
        z->min = UINT64_MAX;
        z->max = 0;
    }
}

void peri_zone_add(peri_zone_t *z, size_t stride, peri_type_t type, uint32_t width,
                   const void *values, size_t nrows)
{
    types[type].add(values, nrows * width, width, z, stride);
}

bool peri_zone_may_match(const peri_zone_t *z, peri_type_t type, const peri_pred_t *pred)
{
    switch (kind_of(type)) {
    case KIND_SIGNED:
        return peri_pred_may_match_int(pred, (int64_t)z->min, (int64_t)z->max);
    case KIND_UNSIGNED:
        return peri_pred_may_match_int(pred, z->min, z->max);
    case KIND_REAL:
        return peri_pred_may_match_real(pred, double_of(z->min), double_of(z->max),
                                        z->nans, type == PERI_T_F32);
    default:
        return true;
    }
}

bool peri_zones_may_match_joint(const peri_zone_t *z, size_t stride, peri_type_t type,
                                const peri_pred_t preds[3])
{
    double min[3], max[3];
    if (kind_of(type) != KIND_REAL) return true;
    for (size_t d = 0; d < 3; d++) {
        min[d] = double_of(z[d * stride].min);
        max[d] = double_of(z[d * stride].max);
    }
    return peri_pred_may_match_joint(preds, min, max);
}
