/* test_pred.c - conditions never skip a zone that has a matching value, and do skip
 * others. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/table/pred.h"

static const peri_op_t ops[] = {PERI_OP_LT, PERI_OP_LE, PERI_OP_EQ, PERI_OP_GE,
                                PERI_OP_GT};

static peri_const_t of_int(__int128 i)
{
    return (peri_const_t){.kind = PERI_CONST_INT, .i = i};
}

static peri_const_t of_real(double d)
{
    return (peri_const_t){.kind = PERI_CONST_REAL, .d = d};
}

static bool int_zone(peri_op_t op, peri_const_t c, __int128 min, __int128 max)
{
    const peri_pred_t p = {
        .column = "x", .component = -1, .op = op, .nvalues = 1, .values = &c};
    return peri_pred_may_match_int(&p, min, max);
}

static bool real_zone(peri_op_t op, peri_const_t c, double min, double max, uint64_t nan,
                      bool is_float)
{
    const peri_pred_t p = {
        .column = "x", .component = -1, .op = op, .nvalues = 1, .values = &c};
    return peri_pred_may_match_real(&p, min, max, nan, is_float);
}

static bool holds(peri_op_t op, double v, double c)
{
    switch (op) {
    case PERI_OP_LT:
        return v < c;
    case PERI_OP_LE:
        return v <= c;
    case PERI_OP_EQ:
        return v == c;
    case PERI_OP_GE:
        return v >= c;
    case PERI_OP_GT:
        return v > c;
    default:
        return false;
    }
}

/* Every zone in a small range of integers against every constant: exact in both senses.
 */
static void ints_are_exact(void **state)
{
    (void)state;
    for (size_t o = 0; o < 5; o++)
        for (int min = -4; min <= 4; min++)
            for (int max = min; max <= 4; max++)
                for (int c = -6; c <= 6; c++) {
                    bool any = false;
                    for (int v = min; v <= max; v++) any |= holds(ops[o], v, c);
                    assert_int_equal(int_zone(ops[o], of_int(c), min, max), any);
                }
}

/* Constants between integers skip exactly; on an integer they may not skip wrongly. */
static void ints_against_reals(void **state)
{
    (void)state;
    for (size_t o = 0; o < 5; o++)
        for (int min = -4; min <= 4; min++)
            for (int max = min; max <= 4; max++)
                for (int c = -12; c <= 12; c++) {
                    bool any = false;
                    for (int v = min; v <= max; v++) any |= holds(ops[o], v, c / 2.0);
                    bool may = int_zone(ops[o], of_real(c / 2.0), min, max);
                    if (any) assert_true(may);
                    if (c % 2 && ops[o] != PERI_OP_EQ) assert_int_equal(may, any);
                }
}

/* 2^53 + 1 is no double: what DuckDB makes of it must not be skipped. */
static void large_integers_are_widened(void **state)
{
    (void)state;
    const __int128 big = ((__int128)1 << 53) + 1;
    assert_true(int_zone(PERI_OP_EQ, of_real(9007199254740992.0), big, big));
    assert_true(int_zone(PERI_OP_EQ, of_int(big), big, big));
    assert_false(int_zone(PERI_OP_EQ, of_int(big - 1), big, big));
    assert_true(real_zone(PERI_OP_EQ, of_int(big), 9007199254740992.0, 9007199254740992.0,
                          0, false));
    const __int128 u64 = ((__int128)1 << 64) - 1;
    assert_true(int_zone(PERI_OP_GE, of_int(u64), 0, u64));
    assert_false(int_zone(PERI_OP_GT, of_int(u64), 0, u64));
    assert_true(int_zone(PERI_OP_GT, of_int(-1), 0, 0));
}

static void floats_are_widened(void **state)
{
    (void)state;
    float f = 0.1f;
    for (size_t o = 1; o <= 3; o++) /* <=, =, >= with the constant rounded to float */
        assert_true(real_zone(ops[o], of_real(0.1), f, f, 0, true));
    assert_false(real_zone(PERI_OP_EQ, of_real(0.1), 0.11f, 0.2f, 0, true));
    assert_false(
        real_zone(PERI_OP_EQ, of_real(0.1), f, f, 0, false)); /* a double column */
    assert_true(real_zone(PERI_OP_LT, of_real(1e300), 0, 1, 0, true));
    assert_true(real_zone(PERI_OP_GE, of_real(1e300), 0, INFINITY, 0, true));
    assert_false(real_zone(PERI_OP_GT, of_real(1e300), 0, 1, 0, true));
    assert_true(real_zone(PERI_OP_EQ, of_int(0), -0.0, -0.0, 0, false));
}

/* NaN is above +inf and equal to itself. */
static void nan_rules(void **state)
{
    (void)state;
    const peri_const_t nan = of_real(NAN), ten = of_real(10);
    assert_true(real_zone(PERI_OP_GT, ten, 0, 1, 1, false));
    assert_true(real_zone(PERI_OP_GE, ten, 0, 1, 1, false));
    assert_false(real_zone(PERI_OP_GT, ten, 0, 1, 0, false));
    assert_false(real_zone(PERI_OP_EQ, ten, 0, 1, 1, false));
    assert_true(real_zone(PERI_OP_EQ, nan, 0, 1, 1, false));
    assert_false(real_zone(PERI_OP_EQ, nan, 0, 1, 0, false));
    assert_true(real_zone(PERI_OP_LT, nan, 0, 1, 0, false));
    assert_false(real_zone(PERI_OP_GT, nan, 0, 1, 5, false));
    assert_true(real_zone(PERI_OP_GE, nan, 0, 1, 5, false));
    assert_true(real_zone(PERI_OP_LE, nan, 0, 1, 0, false));
    /* A zone of nothing but NaN has no numbers: min > max. */
    assert_false(real_zone(PERI_OP_LT, ten, INFINITY, -INFINITY, 3, false));
    assert_false(real_zone(PERI_OP_LT, nan, INFINITY, -INFINITY, 3, false));
    assert_true(real_zone(PERI_OP_GT, ten, INFINITY, -INFINITY, 3, false));
    assert_true(real_zone(PERI_OP_LE, nan, INFINITY, -INFINITY, 3, false));
    /* Bounds that are no numbers say nothing. */
    assert_true(real_zone(PERI_OP_EQ, ten, NAN, 1, 0, false));
    assert_false(int_zone(PERI_OP_GT, nan, 0, 9));
    assert_true(int_zone(PERI_OP_LT, nan, 0, 9));
}

static void random_reals_never_skip_wrongly(void **state)
{
    (void)state;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        double a = (rand() - RAND_MAX / 2) / 1e3, b = (rand() - RAND_MAX / 2) / 1e3;
        double min = fmin(a, b), max = fmax(a, b);
        double v = min + (max - min) * (rand() / (double)RAND_MAX);
        if (rand() % 4 == 0) v = rand() % 2 ? min : max;
        double c = rand() % 2 ? v : (rand() - RAND_MAX / 2) / 1e3;
        peri_op_t op = ops[rand() % 5];
        if (v < min || v > max || !holds(op, v, c)) continue;
        assert_true(real_zone(op, of_real(c), min, max, 0, false));
        float fmin_ = (float)min, fmax_ = (float)max;
        if (holds(op, (float)v, (float)c))
            assert_true(real_zone(op, of_real(c), fmin_, fmax_, 0, true));
    }
}

static void lists_never_and_kinds(void **state)
{
    (void)state;
    const peri_const_t v[] = {of_int(3), of_int(50), {.kind = PERI_CONST_STR, .s = "7"}};
    peri_pred_t p = {
        .column = "x", .component = -1, .op = PERI_OP_IN, .nvalues = 2, .values = v};
    assert_true(peri_pred_may_match_int(&p, 40, 60));
    assert_true(peri_pred_may_match_int(&p, 0, 3));
    assert_false(peri_pred_may_match_int(&p, 4, 49));
    assert_false(peri_pred_may_match_real(&p, 4, 49, 0, true));
    p.nvalues = 3; /* text among numbers: DuckDB may convert it */
    assert_true(peri_pred_may_match_int(&p, 4, 49));
    p.op = PERI_OP_NEVER;
    assert_false(peri_pred_may_match_int(&p, 0, 100));
    assert_false(peri_pred_may_match_real(&p, 0, 100, 1, false));
    assert_false(peri_pred_may_match_str(&p, "a"));
}

static bool within(double period, double lo, double hi, double min, double max)
{
    const peri_const_t v[] = {of_real(period), of_real(lo), of_real(hi)};
    peri_pred_t p = {
        .column = "x", .component = 0, .op = PERI_OP_WITHIN, .nvalues = 3, .values = v};
    return peri_pred_may_match_real(&p, min, max, 0, false);
}

static void ranges_and_periods(void **state)
{
    (void)state;
    assert_true(within(0, 1, 2, 2, 5));
    assert_false(within(0, 1, 2, 2.1, 5));
    assert_false(within(0, 1, 2, -5, 0.9));
    /* over the border, from either side; zones outside the box */
    assert_true(within(50, 45, 55, 0, 1));
    assert_true(within(50, 45, 55, 49, 50));
    assert_true(within(50, -5, 5, 49, 50));
    assert_true(within(50, -5, 5, 44, 45));
    assert_false(within(50, -5, 5, 5.1, 44.9));
    assert_false(within(50, 45, 55, 5.1, 44.9));
    assert_true(within(50, 45, 55, -150, -149));
    assert_false(within(50, 45, 55, -144, -110));
    assert_true(within(50, 0, 50, 20, 21));
    assert_true(within(50, -30, 30, 40, 41));
    /* what cannot be read is no reason to skip */
    assert_true(within(-50, 1, 2, 8, 9));
    assert_true(within(NAN, 1, 2, 8, 9));
    assert_true(within(50, NAN, 2, 8, 9));
    assert_true(within(0, 1e300, 1e308, 1.7e308, 1.7e308));
    const peri_const_t v[] = {of_real(50), of_real(1), of_real(2), of_real(8),
                              of_real(9)};
    peri_pred_t p = {.op = PERI_OP_WITHIN, .nvalues = 5, .values = v};
    assert_true(peri_pred_may_match_real(&p, 9, 12, 0, true));
    assert_true(peri_pred_may_match_real(&p, 51.5, 52, 0, true));
    assert_false(peri_pred_may_match_real(&p, 3, 7, 0, true));
    assert_false(peri_pred_may_match_real(&p, INFINITY, -INFINITY, 7, true));
    assert_true(peri_pred_may_match_int(&p, 3, 7));
    assert_true(peri_pred_may_match_str(&p, "x"));
    p.nvalues = 2;
    assert_true(peri_pred_may_match_real(&p, 3, 7, 0, true));
}

/* Two spheres: a zone that holds x of one and y of the other holds neither. */
static void ranges_of_one_volume(void **state)
{
    (void)state;
    const peri_const_t x[] = {of_real(50), of_real(1), of_real(2), of_real(21),
                              of_real(22)};
    const peri_const_t y[] = {of_real(50), of_real(5), of_real(6), of_real(49),
                              of_real(51)};
    const peri_const_t z[] = {of_real(50), of_real(7), of_real(8), of_real(27),
                              of_real(28)};
    peri_pred_t p[3] = {
        {.component = 0, .op = PERI_OP_WITHIN, .nvalues = 5, .values = x, .joint = true},
        {.component = 1, .op = PERI_OP_WITHIN, .nvalues = 5, .values = y},
        {.component = 2, .op = PERI_OP_WITHIN, .nvalues = 5, .values = z}};
    assert_true(peri_pred_may_match_joint(p, (double[]){0, 4, 6}, (double[]){3, 7, 9}));
    assert_true(
        peri_pred_may_match_joint(p, (double[]){20, 0, 26}, (double[]){25, 2, 29}));
    assert_true(
        peri_pred_may_match_joint(p, (double[]){0, 0, 0}, (double[]){50, 50, 50}));
    assert_false(peri_pred_may_match_joint(p, (double[]){0, 0, 6}, (double[]){3, 2, 9}));
    assert_false(
        peri_pred_may_match_joint(p, (double[]){0, 4, 26}, (double[]){3, 7, 29}));
    p[2].nvalues = 3; /* not of one kind: no reason to skip */
    assert_true(peri_pred_may_match_joint(p, (double[]){0, 0, 6}, (double[]){3, 2, 9}));
}

/* A value that lies within, shifted by periods, and any zone that holds it. */
static void random_ranges_never_skip_wrongly(void **state)
{
    (void)state;
    int skipped = 0;
    srand(2);
    for (int i = 0; i < 300000; i++) {
        double period = 1 + rand() / (double)RAND_MAX * 100;
        double lo = (rand() / (double)RAND_MAX - 0.5) * 3 * period;
        double hi = lo + rand() / (double)RAND_MAX * period * 1.1;
        double part = rand() % 3 == 0 ? rand() % 2 : rand() / (double)RAND_MAX;
        double v = lo + part * (hi - lo) + period * (rand() % 9 - 4);
        double min = v - (rand() % 2) * rand() / (double)RAND_MAX;
        double max = v + (rand() % 2) * rand() / (double)RAND_MAX;
        assert_true(within(period, lo, hi, min, max));
        skipped += !within(period, lo, lo + 0.1 * period, max + 0.2 * period,
                           max + 0.3 * period);
    }
    assert_true(skipped > 100000);
}

static void strings(void **state)
{
    (void)state;
    const peri_const_t b = {.kind = PERI_CONST_STR, .s = "b.hdf5"};
    peri_pred_t p = {
        .column = "file", .component = -1, .op = PERI_OP_EQ, .nvalues = 1, .values = &b};
    assert_true(peri_pred_may_match_str(&p, "b.hdf5"));
    assert_false(peri_pred_may_match_str(&p, "a.hdf5"));
    p.op = PERI_OP_LT;
    assert_true(peri_pred_may_match_str(&p, "a.hdf5"));
    assert_false(peri_pred_may_match_str(&p, "b.hdf5"));
    assert_false(peri_pred_may_match_str(&p, "\xc3\xa4"));
    const peri_const_t one = of_int(1);
    p.values = &one;
    assert_true(peri_pred_may_match_str(&p, "x"));
}

/* Whatever may match alone lies within the bounds. */
static void bounds_hold_what_may_match(void **state)
{
    (void)state;
    static const peri_op_t all[] = {PERI_OP_LT, PERI_OP_LE, PERI_OP_EQ,    PERI_OP_GE,
                                    PERI_OP_GT, PERI_OP_IN, PERI_OP_WITHIN};
    static const double reals[] = {0,       -0.0,     1,          2.5,  -1e300,
                                   1e300,   INFINITY, -INFINITY,  NAN,  0.1,
                                   FLT_MAX, DBL_MAX,  16777217.0, 1e18, -3.7,
                                   FLT_MIN, DBL_MIN,  1e-320,     7,    8};
    static const __int128 ints[] = {0,
                                    1,
                                    -1,
                                    7,
                                    8,
                                    INT64_MAX,
                                    INT64_MIN,
                                    UINT64_MAX,
                                    (__int128)1 << 53,
                                    ((__int128)1 << 53) + 1,
                                    1000000};
    enum { NR = sizeof(reals) / sizeof(*reals), NI = sizeof(ints) / sizeof(*ints) };
    int known = 0;
    srand(11);
    for (int step = 0; step < 20000; step++) {
        peri_const_t c[3];
        peri_pred_t p = {
            .column = "x", .component = -1, .op = all[step % 7], .values = c};
        p.nvalues = p.op == PERI_OP_WITHIN ? 3 : p.op == PERI_OP_IN ? 1 + rand() % 3 : 1;
        for (size_t i = 0; i < p.nvalues; i++)
            c[i] = rand() % 2 && p.op != PERI_OP_WITHIN ? of_int(ints[rand() % NI])
                                                        : of_real(reals[rand() % NR]);
        if (p.op == PERI_OP_WITHIN && rand() % 2) c[0].d = 0;
        __int128 min, max;
        double low, high;
        if (peri_pred_bounds_int(&p, &min, &max)) {
            known++;
            for (int i = 0; i < NI; i++)
                for (int d = -2; d <= 2; d++)
                    if (peri_pred_may_match_int(&p, ints[i] + d, ints[i] + d))
                        assert_true(min <= ints[i] + d && ints[i] + d <= max);
        }
        for (int f = 0; f < 2; f++) {
            if (!peri_pred_bounds_real(&p, f, &low, &high)) continue;
            known++;
            for (int i = 0; i < NR; i++) {
                const double around[] = {reals[i], nextafter(reals[i], INFINITY),
                                         nextafter(reals[i], -INFINITY), reals[i] * 1.5};
                for (int k = 0; k < 4; k++) {
                    const double v = f ? (double)(float)around[k] : around[k];
                    if (!isnan(v) && peri_pred_may_match_real(&p, v, v, 0, f))
                        assert_true(low <= v && v <= high);
                }
            }
        }
    }
    assert_true(known > 10000);
    const peri_const_t five = of_int(5);
    const peri_pred_t less = {
        .column = "x", .component = -1, .op = PERI_OP_LT, .nvalues = 1, .values = &five};
    __int128 min, max;
    assert_true(peri_pred_bounds_int(&less, &min, &max));
    assert_true(max == 4 && min < INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ints_are_exact),
        cmocka_unit_test(ints_against_reals),
        cmocka_unit_test(large_integers_are_widened),
        cmocka_unit_test(floats_are_widened),
        cmocka_unit_test(nan_rules),
        cmocka_unit_test(random_reals_never_skip_wrongly),
        cmocka_unit_test(lists_never_and_kinds),
        cmocka_unit_test(ranges_and_periods),
        cmocka_unit_test(ranges_of_one_volume),
        cmocka_unit_test(random_ranges_never_skip_wrongly),
        cmocka_unit_test(bounds_hold_what_may_match),
        cmocka_unit_test(strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
