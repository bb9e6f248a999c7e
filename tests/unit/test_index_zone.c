/* Bounds of zones against a plain loop, for every type, width and awkward length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/index/index_private.h"

static const struct {
    peri_type_t type;
    size_t size;
    char kind; /* i, u, f */
} types[] = {{PERI_T_BOOL, 1, 'u'}, {PERI_T_I8, 1, 'i'},  {PERI_T_I16, 2, 'i'},
             {PERI_T_I32, 4, 'i'},  {PERI_T_I64, 8, 'i'}, {PERI_T_U8, 1, 'u'},
             {PERI_T_U16, 2, 'u'},  {PERI_T_U32, 4, 'u'}, {PERI_T_U64, 8, 'u'},
             {PERI_T_F32, 4, 'f'},  {PERI_T_F64, 8, 'f'}};
#define NTYPES (sizeof types / sizeof *types)

static double real_at(const uint8_t *p, size_t size)
{
    float f;
    double d;
    if (size == 8) return memcpy(&d, p, 8), d;
    return memcpy(&f, p, 4), (double)f;
}

static int64_t int_at(const uint8_t *p, size_t size, char kind)
{
    uint64_t u = 0;
    memcpy(&u, p, size);
    unsigned shift = 64 - 8 * (unsigned)size;
    return kind == 'i' ? (int64_t)(u << shift) >> shift : (int64_t)u;
}

static void fill(uint8_t *p, size_t n, size_t size, char kind)
{
    static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0, 1e-310};
    for (size_t i = 0; i < n; i++, p += size) {
        uint64_t bits = ((uint64_t)mrand48() << 32) ^ (uint64_t)mrand48();
        double d = drand48() * 200 - 100;
        if (lrand48() % 7 == 0) d = special[lrand48() % 6];
        float f = (float)d;
        if (kind == 'f')
            memcpy(p, size == 8 ? (void *)&d : (void *)&f, size);
        else
            memcpy(p, &bits, size);
    }
}

static void check(size_t t, uint32_t width, size_t rows)
{
    size_t size = types[t].size, n = rows * width;
    uint8_t *values = malloc(n * size + 1);
    fill(values, n, size, types[t].kind);
    peri_zone_t z[2 * PERI_IDX_MAX_WIDTH];
    for (size_t i = 0; i < 2 * width; i++) peri_zone_clear(&z[i], types[t].type);
    size_t half = rows / 2;
    peri_zone_add(z, 2, types[t].type, width, values, half);
    peri_zone_add(z, 2, types[t].type, width, values + half * width * size, rows - half);

    for (uint32_t c = 0; c < width; c++) {
        double lo = INFINITY, hi = -INFINITY, min, max;
        int64_t ilo = INT64_MAX, ihi = INT64_MIN;
        uint64_t ulo = UINT64_MAX, uhi = 0, nans = 0;
        for (size_t r = 0; r < rows; r++) {
            const uint8_t *p = values + (r * width + c) * size;
            if (types[t].kind == 'f') {
                double d = real_at(p, size);
                nans += isnan(d) != 0;
                if (d < lo) lo = d;
                if (d > hi) hi = d;
                continue;
            }
            int64_t i = int_at(p, size, types[t].kind);
            if (i < ilo) ilo = i;
            if (i > ihi) ihi = i;
            if ((uint64_t)i < ulo) ulo = (uint64_t)i;
            if ((uint64_t)i > uhi) uhi = (uint64_t)i;
        }
        const peri_zone_t *got = &z[2 * c];
        memcpy(&min, &got->min, 8);
        memcpy(&max, &got->max, 8);
        assert_true(got->nans == nans);
        if (types[t].kind == 'f') assert_true(min == lo && max == hi);
        if (types[t].kind == 'i')
            assert_true((int64_t)got->min == ilo && (int64_t)got->max == ihi);
        if (types[t].kind == 'u') assert_true(got->min == ulo && got->max == uhi);
    }
    free(values);
}

static void bounds_equal_a_plain_loop(void **state)
{
    (void)state;
    static const size_t rows[] = {1, 2, 3, 5, 21, 63, 64, 65, 127, 1000, 4097};
    srand48(1);
    for (size_t t = 0; t < NTYPES; t++)
        for (uint32_t w = 1; w <= PERI_IDX_MAX_WIDTH; w++)
            for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(t, w, rows[i]);
}

static void zones_of_only_nan_are_empty(void **state)
{
    (void)state;
    float v[100];
    for (size_t i = 0; i < 100; i++) v[i] = NAN;
    peri_zone_t z;
    peri_zone_clear(&z, PERI_T_F32);
    peri_zone_add(&z, 1, PERI_T_F32, 1, v, 100);
    assert_int_equal(z.nans, 100);
    peri_const_t one = {.kind = PERI_CONST_REAL, .d = 1};
    peri_pred_t p = {
        .column = "x", .component = -1, .op = PERI_OP_LE, .nvalues = 1, .values = &one};
    assert_false(peri_zone_may_match(&z, PERI_T_F32, &p));
    p.op = PERI_OP_GT; /* NaN is greater than everything */
    assert_true(peri_zone_may_match(&z, PERI_T_F32, &p));
}

static void only_numbers_and_booleans_have_zones(void **state)
{
    (void)state;
    for (size_t t = 0; t < NTYPES; t++) assert_true(peri_zone_type_ok(types[t].type));
    assert_false(peri_zone_type_ok(PERI_T_STR));
    assert_false(peri_zone_type_ok(PERI_T_BLOB));
    assert_false(peri_zone_type_ok((peri_type_t)0));
    assert_false(peri_zone_type_ok((peri_type_t)4000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_equal_a_plain_loop),
        cmocka_unit_test(zones_of_only_nan_are_empty),
        cmocka_unit_test(only_numbers_and_booleans_have_zones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
