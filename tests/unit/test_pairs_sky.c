/* test_pairs_sky.c - counts in a mock survey equal those that Corrfunc expects of itself.
 *
 * The files (shared data, manodeep/Corrfunc mocks/tests): 84,383 galaxies with right
 * ascension, declination, cz and weight; DD(rp, pi) with 14 logarithmic bins of rp from
 * 0.1 to 25 and 40 of pi from 0 to 40 Mpc/h, seen from the observer; and DD(theta) with
 * 20 logarithmic bins from 0.01 to 10 degrees. Distances are Corrfunc's: a flat universe
 * with Omega_m = 0.25, c = 299,800 km/s, and a table of steps of 1e-4 in z, interpolated.
 * Builds with sanitizers leave the widest bins out, which have most of the pairs.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "mpi/halo/pairs.h"

enum { N = 84383, STEPS = 2000 };

static char *folder;
static double *sky[4]; /* right ascension, declination, cz, weight */

/* A file of Fortran records: five integers, nine reals, one real, then the four columns.
 */
static int set_up(void **state)
{
    (void)state;
    const char *env = getenv("PERIGEE_SHARED_DATA");
    folder = env ? peri_xasprintf("%s/corrfunc", env)
                 : peri_xasprintf("%s/../shared/data/corrfunc", PERIGEE_SOURCE_DIR);
    char *path = peri_xasprintf("%s/Mr19_mock_northonly.rdcz.ff", folder);
    FILE *f = fopen(path, "rb");
    free(path);
    if (!f) return 0;
    fseek(f, (8 + 20) + (8 + 36) + (8 + 4), SEEK_SET);
    for (int c = 0; c < 4; c++) {
        int32_t bytes[2] = {0};
        sky[c] = peri_xmalloc(N * sizeof(double));
        if (fread(bytes, 4, 1, f) != 1 || bytes[0] != N * 8 ||
            fread(sky[c], 8, N, f) != N || fread(bytes, 4, 1, f) != 1)
            return -1;
    }
    fclose(f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int c = 0; c < 4; c++) free(sky[c]);
    free(folder);
    return 0;
}

static double rate(double z)
{
    return 1 / sqrt(0.25 * (1 + z) * (1 + z) * (1 + z) + 0.75);
}

/* c/H0 times the integral of 1/E(z), at whole steps of 1e-4, between them a line. */
static double *distances(void)
{
    static double table[STEPS];
    for (int k = 1; k < STEPS; k++) {
        double sum = 0;
        for (int i = 0; i < 10; i++) { /* Simpson's rule */
            const double z = 1e-4 * (k - 1) + 1e-5 * i;
            sum += (rate(z) + 4 * rate(z + 5e-6) + rate(z + 1e-5)) * 1e-5 / 6;
        }
        table[k] = table[k - 1] + 2998 * sum;
    }
    double *d = peri_xmalloc(N * sizeof *d);
    for (size_t i = 0; i < N; i++) {
        const double at = sky[2][i] / 299800 / 1e-4;
        const int k = (int)at;
        d[i] = table[k] + (at - k) * (table[k + 1] - table[k]);
    }
    return d;
}

/* Counts and compares with a file of: pairs, mean separation, two edges, mean weight. */
static void compare(const peri_pairs_bins_t *bins, const double *distance,
                    const char *name)
{
    if (!sky[0]) {
        print_message("SKIP: no Corrfunc data in %s\n", folder);
        skip();
    }
    double *at = peri_xmalloc(3 * N * sizeof *at);
    peri_pairs_from_sky(N, sky[0], sky[1], distance, at, at + N, at + 2 * N);
    const peri_pairs_points_t points = {
        .n = N, .x = at, .y = at + N, .z = at + 2 * N, .weight = sky[3]};
    const peri_pairs_opts_t opts = {.mean = true};
    peri_err_t err;
    peri_pairs_counts_t *c = peri_pairs_count(&points, NULL, bins, &opts, &err);
    if (!c) fail_msg("%s", err.text);
    char *path = peri_xasprintf("%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    free(path);
    assert_non_null(f);
    for (size_t k = 0; k < c->nbins; k++) {
        unsigned long long pairs;
        double mean, weight;
        assert_int_equal(fscanf(f, "%llu %lf %*f %*f %lf", &pairs, &mean, &weight), 3);
        if (c->count[k] != pairs)
            fail_msg("%s, line %zu: %lu pairs instead of %llu", name, k + 1, c->count[k],
                     pairs);
        /* The file has eight decimals. */
        const double w = peri_pairs_weight(c, k) / (double)c->count[k];
        if (fabs(peri_pairs_separation(c, k) - mean) > 1e-8 || fabs(w - weight) > 1e-8)
            fail_msg("%s, line %zu: %.9f %.9f instead of %.8f %.8f", name, k + 1,
                     peri_pairs_separation(c, k), w, mean, weight);
    }
    fclose(f);
    peri_pairs_counts_free(c);
    free(at);
}

static void rp_and_pi(void **state)
{
    (void)state;
    double rp[15], pi[41];
    for (int k = 0; k < 15; k++) rp[k] = pow(10, -1 + k * (log10(25) + 1) / 14);
    for (int k = 0; k < 41; k++) pi[k] = k;
    const peri_pairs_bins_t bins = {
        PERI_PAIRS_RP_PI, PERI_LOS_MIDPOINT, PERIGEE_SANITIZED ? 10 : 14, rp, 40, pi};
    double *d = sky[0] ? distances() : NULL;
    compare(&bins, d, "Mr19_mock.DD");
    free(d);
}

static void theta(void **state)
{
    (void)state;
    double edges[21];
    for (int k = 0; k < 21; k++) edges[k] = pow(10, -2 + 0.15 * k);
    const peri_pairs_bins_t bins = {
        PERI_PAIRS_THETA, 0, PERIGEE_SANITIZED ? 14 : 20, edges, 0, NULL};
    compare(&bins, NULL, "Mr19_mock_wtheta.DD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rp_and_pi),
                                       cmocka_unit_test(theta)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
