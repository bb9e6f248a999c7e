/* test_pairs_errors.c - what pair counts refuse, and that they stop when asked to. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "mpi/halo/pairs.h"

#define BOX 100.0

static void refused(const peri_pairs_points_t *p, const peri_pairs_bins_t *bins,
                    const peri_pairs_opts_t *opts, const char *says)
{
    peri_err_t err = {0};
    assert_null(peri_pairs_count(p, NULL, bins, opts, &err));
    if (!strstr(err.text, says)) fail_msg("'%s' does not say '%s'", err.text, says);
}

static void bad_input(void **state)
{
    (void)state;
    static const double same[] = {1, 2, 2}, falling[] = {1, 3, 2}, negative[] = {-1, 1},
                        zero[] = {0, 0}, nan[] = {0, NAN}, wide[] = {0, 200},
                        high[] = {0, 1.5};
    static const double two[] = {0, 1};
    static double lots[2001];
    for (int i = 0; i <= 2000; i++) lots[i] = i * 1e-4;
    double at[4][100];
    for (int i = 0; i < 400; i++) at[i / 100][i % 100] = BOX * drand48();
    const peri_pairs_points_t p = {
        .n = 100, .x = at[0], .y = at[1], .z = at[2], .weight = at[3]};
    const peri_pairs_opts_t box = {.box = {BOX, BOX, BOX}},
                            small = {.box = {BOX, 1.5, BOX}},
                            minus = {.box = {BOX, -1, BOX}};
    const peri_pairs_bins_t ok = {PERI_PAIRS_R, 0, 1, two, 0, NULL};
    const struct {
        peri_pairs_bins_t bins;
        const peri_pairs_opts_t *opts;
        const char *says;
    } cases[] = {
        {{PERI_PAIRS_R, 0, 2, same, 0, NULL}, NULL, "must ascend"},
        {{PERI_PAIRS_R, 0, 2, falling, 0, NULL}, NULL, "must ascend"},
        {{PERI_PAIRS_R, 0, 1, zero, 0, NULL}, NULL, "must ascend"},
        {{PERI_PAIRS_R, 0, 1, negative, 0, NULL}, NULL, "not negative"},
        {{PERI_PAIRS_R, 0, 1, nan, 0, NULL}, NULL, "is nan"},
        {{PERI_PAIRS_R, 0, 0, two, 0, NULL}, NULL, "0 bins"},
        {{PERI_PAIRS_R, 0, 5000, lots, 0, NULL}, NULL, "5000 bins"},
        {{PERI_PAIRS_RP_PI, 0, 2000, lots, 2000, lots}, NULL, "use fewer"},
        {{PERI_PAIRS_S_MU, 0, 1, two, 1, high}, NULL, "more than the 1"},
        {{PERI_PAIRS_THETA, 0, 1, wide, 0, NULL}, NULL, "more than the 180"},
        {{PERI_PAIRS_R, 0, 1, wide, 0, NULL}, &box, "less than twice"},
        {{PERI_PAIRS_R, 0, 1, two, 0, NULL}, &small, "1.5 long on axis y"},
        {{PERI_PAIRS_R, 0, 1, two, 0, NULL}, &minus, "box size of axis y is -1"},
        {{PERI_PAIRS_THETA, 0, 1, two, 0, NULL}, &box, "no periodic box"},
        {{PERI_PAIRS_S_MU, PERI_LOS_MIDPOINT, 1, two, 1, two}, &box, "no periodic box"},
        {{PERI_PAIRS_THETA, 0, 1, two, 0, NULL}, NULL, "unit vectors"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        refused(&p, &cases[k].bins, cases[k].opts, cases[k].says);
    at[1][57] = NAN;
    refused(&p, &ok, NULL, "Point 57 of the set has the coordinate y = nan");
    at[1][57] = -1e-9;
    refused(&p, &ok, &box, "outside the periodic box");
    at[1][57] = 1;
    at[3][3] = INFINITY;
    refused(&p, &ok, NULL, "weight inf");
    at[3][3] = 1;
    setenv("PERIGEE_SIMD", "mmx", 1);
    refused(&p, &ok, NULL, "PERIGEE_SIMD is 'mmx'");
    unsetenv("PERIGEE_SIMD");
}

static int stop_third(void *arg, double fraction)
{
    int *asked = arg;
    assert_true(fraction >= 0 && fraction <= 1);
    return ++*asked == 3;
}

static void cancelled(void **state)
{
    (void)state;
    enum { N = 60000 };
    double *p = peri_xmalloc(3 * N * sizeof *p);
    for (size_t i = 0; i < 3 * N; i++) p[i] = drand48();
    const peri_pairs_points_t points = {.n = N, .x = p, .y = p + N, .z = p + 2 * N};
    int asked = 0;
    const double edges[] = {0.1, 0.3};
    const peri_pairs_bins_t bins = {PERI_PAIRS_R, 0, 1, edges, 0, NULL};
    const peri_pairs_opts_t opts = {.ask = stop_third, .ask_arg = &asked};
    peri_err_t err;
    assert_null(peri_pairs_count(&points, NULL, &bins, &opts, &err));
    assert_int_equal(err.code, PERI_ECANCEL);
    assert_int_equal(asked, 3);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bad_input),
                                       cmocka_unit_test(cancelled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
