/* test_estimate.c - estimators against formulas and against points whose correlation is
 * known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "mpi/halo/estimate.h"

static const double r_edges[] = {0, 1, 2, 4, 8};
static const double pi_edges[] = {0, 1, 3, 10};
static const double mu_edges[] = {0, 0.25, 0.5, 1};

static const peri_pairs_bins_t shells = {PERI_PAIRS_R, 0, 4, r_edges, 0, NULL};
static const peri_pairs_bins_t sectors = {PERI_PAIRS_S_MU, PERI_LOS_Z, 4,
                                          r_edges,         3,          mu_edges};
static const peri_pairs_bins_t cylinders = {PERI_PAIRS_RP_PI, PERI_LOS_Z, 4,
                                            r_edges,          3,          pi_edges};

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.12g is not %.12g within %g", got, want, tolerance);
}

static void volumes_fill_space(void **state)
{
    (void)state;
    double v[12], sum = 0;
    assert_int_equal(peri_estimate_volumes(&shells, v, NULL), 0);
    near(v[0], 4 * M_PI / 3, 1e-12);
    near(v[0] + v[1] + v[2] + v[3], 4 * M_PI / 3 * 512, 1e-9);
    assert_int_equal(peri_estimate_volumes(&sectors, v, NULL), 0);
    near(v[3], 4 * M_PI / 3 * 7 * 0.25, 1e-12);
    for (int k = 0; k < 12; k++) sum += v[k];
    near(sum, 4 * M_PI / 3 * 512, 1e-9);
    sum = 0;
    assert_int_equal(peri_estimate_volumes(&cylinders, v, NULL), 0);
    for (int k = 0; k < 12; k++) sum += v[k];
    near(v[1], M_PI * 1 * 2 * 2, 1e-12);
    near(sum, M_PI * 64 * 20, 1e-9);
    const peri_pairs_bins_t angles = {PERI_PAIRS_THETA, 0, 4, r_edges, 0, NULL};
    peri_err_t err;
    assert_int_equal(peri_estimate_volumes(&angles, v, &err), -1);
    assert_non_null(strstr(err.text, "no volume"));
}

/* n/2 places without order, at each two points a distance of 3 apart: a bin that 3 is in
 * has n pairs more than by chance, all others none. */
static double *dipoles(size_t n, double box)
{
    double *p = peri_xmalloc(3 * n * sizeof *p);
    srand48(11);
    for (size_t i = 0; i < n; i += 2) {
        const double c = 2 * drand48() - 1, s = sqrt(1 - c * c),
                     phi = 2 * M_PI * drand48();
        const double d[3] = {3 * s * cos(phi), 3 * s * sin(phi), 3 * c};
        for (int k = 0; k < 3; k++) {
            const double at = box * drand48(), to = at + d[k];
            p[(size_t)k * n + i] = at;
            p[(size_t)k * n + i + 1] = to < 0 ? to + box : to >= box ? to - box : to;
        }
    }
    return p;
}

static peri_pairs_counts_t *count(const peri_pairs_points_t *a,
                                  const peri_pairs_points_t *b,
                                  const peri_pairs_bins_t *bins, double box)
{
    const peri_pairs_opts_t opts = {.box = {box, box, box}};
    peri_err_t err;
    peri_pairs_counts_t *c = peri_pairs_count(a, b, bins, &opts, &err);
    if (!c) fail_msg("%s", err.text);
    return c;
}

/* xi of dipoles in each bin of all three geometries, to 5 times the noise of the counts.
 */
static void natural_finds_dipoles(void **state)
{
    (void)state;
    enum { N = 40000 };
    const double box = 100;
    double *p = dipoles(N, box);
    const peri_pairs_points_t points = {.n = N, .x = p, .y = p + N, .z = p + 2 * N};
    const peri_pairs_bins_t *const all[] = {&shells, &sectors, &cylinders};
    const double pairs = peri_estimate_pairs(&points, NULL);
    near(pairs, (double)N * (N - 1), 0);
    for (int m = 0; m < 3; m++) {
        peri_pairs_counts_t *dd = count(&points, NULL, all[m], box);
        double xi[12], v[12];
        assert_int_equal(
            peri_estimate_natural(dd, all[m], pairs, box * box * box, xi, NULL), 0);
        peri_estimate_volumes(all[m], v, NULL);
        for (size_t k = 0; k < dd->nbins; k++) {
            /* The share of directions whose pair is in the bin: for cylinders by pi = 3c,
             * rp = 3 sqrt(1 - c^2), so rp in [a, b) is pi in (sqrt(9-b^2), sqrt(9-a^2)].
             */
            const size_t i = k / dd->nsecond, j = k % dd->nsecond;
            double share = i == 2;
            if (m == 1) share *= mu_edges[j + 1] - mu_edges[j];
            if (m == 2) {
                const double lo =
                    fmax(pi_edges[j], sqrt(fmax(0, 9 - pow(r_edges[i + 1], 2))));
                const double hi =
                    fmin(pi_edges[j + 1], sqrt(fmax(0, 9 - pow(r_edges[i], 2))));
                share = fmax(0, hi - lo) / 3;
            }
            const double chance = pairs * v[k] / pow(box, 3);
            near(xi[k], N * share / chance, 5 * sqrt(2 * (chance + N * share)) / chance);
        }
        peri_pairs_counts_free(dd);
    }
    peri_err_t err;
    double xi[12];
    peri_pairs_counts_t *dd = count(&points, NULL, &shells, 0);
    assert_int_equal(peri_estimate_natural(dd, &shells, pairs, 0, xi, &err), -1);
    assert_non_null(strstr(err.text, "periodic box"));
    peri_pairs_counts_free(dd);
    free(p);
}

/* The same in an open box with random points, all with weights that must cancel. */
static void landy_szalay_finds_dipoles(void **state)
{
    (void)state;
    enum { N = 20000, NR = 60000 };
    const double box = 60;
    double *p = dipoles(N, box), *r = peri_xmalloc(4 * NR * sizeof *r);
    double *w = peri_xmalloc(N * sizeof *w);
    for (int i = 0; i < 3 * NR; i++) r[i] = box * drand48();
    for (int i = 0; i < NR; i++) r[3 * NR + i] = 0.5 + drand48();
    for (int i = 0; i < N; i++) w[i] = 2.5;
    const peri_pairs_points_t d = {
        .n = N, .x = p, .y = p + N, .z = p + 2 * N, .weight = w};
    const peri_pairs_points_t s = {
        .n = NR, .x = r, .y = r + NR, .z = r + 2 * NR, .weight = r + 3 * NR};
    peri_estimate_t dd = {count(&d, NULL, &shells, 0), peri_estimate_pairs(&d, NULL)};
    peri_estimate_t dr = {count(&d, &s, &shells, 0), peri_estimate_pairs(&d, &s)};
    peri_estimate_t rr = {count(&s, NULL, &shells, 0), peri_estimate_pairs(&s, NULL)};
    double xi[4], v[4];
    assert_int_equal(peri_estimate_landy_szalay(&dd, &dr, NULL, &rr, xi, NULL), 0);
    peri_estimate_volumes(&shells, v, NULL);
    for (int k = 0; k < 4; k++) {
        const double chance = (double)N * N * v[k] / pow(box, 3);
        const double noise = sqrt(2 * chance) / chance + sqrt(2 / (9 * chance));
        /* Some of the dipoles that cross the border of the periodic box are apart here.
         */
        const double more = k == 2 ? N * (1 - 1.5 * 3 / box) / chance : 0;
        near(xi[k], more, 5 * noise + 0.03 * more);
    }
    peri_estimate_t none = {dd.counts, 0};
    peri_err_t err;
    assert_int_equal(peri_estimate_landy_szalay(&dd, &dr, NULL, &none, xi, &err), -1);
    assert_non_null(strstr(err.text, "no pairs in RR"));
    peri_pairs_counts_free((peri_pairs_counts_t *)dd.counts);
    peri_pairs_counts_free((peri_pairs_counts_t *)dr.counts);
    peri_pairs_counts_free((peri_pairs_counts_t *)rr.counts);
    free(p);
    free(r);
    free(w);
}

/* xi = (r0/r)^2 projects to 2 r0^2 / rp * atan(pimax / rp). */
static void projection_of_a_power_law(void **state)
{
    (void)state;
    enum { N = 4000 };
    const double rp[] = {1.999, 2.001}, r0 = 5, pimax = 80;
    double *pi = peri_xmalloc((N + 1) * sizeof *pi), *xi = peri_xmalloc(N * sizeof *xi),
           wp;
    for (int j = 0; j <= N; j++) pi[j] = pimax * j / N;
    for (int j = 0; j < N; j++) xi[j] = r0 * r0 / (4 + pow((pi[j] + pi[j + 1]) / 2, 2));
    const peri_pairs_bins_t bins = {PERI_PAIRS_RP_PI, PERI_LOS_Z, 1, rp, N, pi};
    assert_int_equal(peri_estimate_projected(&bins, xi, &wp, NULL), 0);
    near(wp, r0 * r0 * atan(pimax / 2), 1e-3);
    peri_err_t err;
    assert_int_equal(peri_estimate_projected(&shells, xi, &wp, &err), -1);
    free(pi);
    free(xi);
}

/* The means over bins of 1.5 P0 - 0.7 P2 + 0.2 P4 give these factors back, the better the
 * finer the bins; what is constant has a monopole only, exactly. */
static void multipoles_of_legendre(void **state)
{
    (void)state;
    enum { N = 200 };
    double mu[N + 1], xi[N], pole;
    const double s[] = {1, 2};
    for (int j = 0; j <= N; j++) mu[j] = (double)j / N;
    const peri_pairs_bins_t bins = {PERI_PAIRS_S_MU, PERI_LOS_Z, 1, s, N, mu};
    for (int j = 0; j < N; j++) {
        const double m = (mu[j] + mu[j + 1]) / 2, q = m * m;
        xi[j] = 1.5 - 0.7 * (3 * q - 1) / 2 + 0.2 * (35 * q * q - 30 * q + 3) / 8;
    }
    const double want[] = {1.5, 0, -0.7, 0, 0.2};
    for (int l = 0; l <= 4; l += 2) {
        assert_int_equal(peri_estimate_multipole(&bins, xi, l, &pole, NULL), 0);
        near(pole, want[l], 2e-4);
    }
    for (int j = 0; j < N; j++) xi[j] = 3;
    for (int l = 0; l <= 4; l += 2) {
        assert_int_equal(peri_estimate_multipole(&bins, xi, l, &pole, NULL), 0);
        near(pole, l ? 0 : 3, 1e-12);
    }
    xi[5] = NAN;
    assert_int_equal(peri_estimate_multipole(&bins, xi, 0, &pole, NULL), 0);
    assert_true(isnan(pole));
    peri_err_t err;
    assert_int_equal(peri_estimate_multipole(&bins, xi, 1, &pole, &err), -1);
    const peri_pairs_bins_t part = {PERI_PAIRS_S_MU, PERI_LOS_Z, 1, s, N - 1, mu};
    assert_int_equal(peri_estimate_multipole(&part, xi, 0, &pole, &err), -1);
    assert_non_null(strstr(err.text, "from 0 to 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(volumes_fill_space),
        cmocka_unit_test(natural_finds_dipoles),
        cmocka_unit_test(landy_szalay_finds_dipoles),
        cmocka_unit_test(projection_of_a_power_law),
        cmocka_unit_test(multipoles_of_legendre),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
