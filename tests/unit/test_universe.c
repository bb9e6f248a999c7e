/* test_universe.c - the parts of examples/universe that need one process: growth against
 * integrals and published fits, the spectrum, random waves, the curve, steps, options. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "examples/universe/drift.h"
#include "examples/universe/growth.h"
#include "examples/universe/options.h"
#include "examples/universe/particles.h"
#include "examples/universe/power.h"
#include "examples/universe/random.h"

#define OMEGA_M 0.308

static void assert_close(double got, double want, double relative)
{
    if (fabs(got - want) <= relative * fabs(want)) return;
    fail_msg("%.15g is not %.15g to %g", got, want, relative);
}

/* ---- growth ---- */

/* Integral of 1 / (a E)^3 da from 0: Heath's (1977) solution is E times it. Substituting
 * u = a^(5/2) makes the integrand smooth at 0. */
static double heath(double omega_m, double a)
{
    const int n = 20000;
    double sum = 0, end = pow(a, 2.5);
    for (int i = 0; i < n; i++) {
        double at = pow((i + 0.5) * end / n, 0.4);
        double x = at * expansion_rate(omega_m, at);
        sum += pow(x, -3) * 0.4 * pow(at, -1.5);
    }
    return expansion_rate(omega_m, a) * sum * end / n;
}

static void test_growth_flat(void **state)
{
    (void)state;
    growth_table_t *t = growth_new(OMEGA_M);
    for (double a = 0.01; a <= 1; a += 0.0173) {
        growth_t g = growth_at(t, a);
        assert_close(g.first, heath(OMEGA_M, a) / heath(OMEGA_M, 1), 1e-6);
        /* Bouchet et al. (1995): D2 = -3/7 D^2 omega^(-1/143), f2 = 2 omega^(6/11), with
         * omega of that time and D not normalised; a fit, good to half a percent. */
        double rate = expansion_rate(OMEGA_M, a);
        double omega = OMEGA_M / (a * a * a * rate * rate);
        assert_close(g.second, -3.0 / 7 * g.first * g.first * pow(omega, -1.0 / 143),
                     5e-3);
        assert_close(g.second_momentum / (a * a * rate) / g.second,
                     2 * pow(omega, 6.0 / 11), 1e-2);
        /* The momentum is a^3 E dD/da. */
        double h = 1e-4 * a;
        double slope = (growth_at(t, a + h).first - growth_at(t, a - h).first) / (2 * h);
        if (a + h <= 1) assert_close(g.first_momentum, a * a * a * rate * slope, 1e-6);
    }
    assert_close(growth_at(t, 1).first, 1, 1e-12);
    growth_free(t);
}

static void test_growth_einstein_de_sitter(void **state)
{
    (void)state;
    growth_table_t *t = growth_new(1);
    for (double a = 0.002; a < 1; a *= 1.37) {
        growth_t g = growth_at(t, a);
        assert_close(g.first, a, 1e-10);
        assert_close(g.first_momentum, pow(a, 1.5), 1e-10);
        assert_close(g.second, -3.0 / 7 * a * a, 1e-10);
        assert_close(lookback_time(1, a), 2.0 / 3 * (1 - pow(a, 1.5)), 1e-12);
    }
    growth_free(t);
    growth_free(NULL);
}

static void test_lookback(void **state)
{
    (void)state;
    double sum = 0;
    const int n = 100000;
    for (int i = 0; i < n; i++) {
        double a = 0.25 + 0.75 * (i + 0.5) / n;
        sum += 0.75 / n / (a * expansion_rate(OMEGA_M, a));
    }
    assert_close(lookback_time(OMEGA_M, 0.25), sum, 1e-8);
    assert_close(lookback_time(OMEGA_M, 1) + 1, 1, 1e-15);
}

/* ---- the spectrum ---- */

static const power_params_t planck = {OMEGA_M, 0.0482, 0.678, 0.968, 0.83, NULL};

static void test_power(void **state)
{
    (void)state;
    peri_err_t err;
    power_t *p = power_new(&planck, &err);
    assert_non_null(p);
    assert_close(power_sigma(p, 8), 0.83, 1e-10);
    /* Large waves keep the first spectrum; small ones fall as (ln k / k^2)^2. */
    assert_close(transfer_function(&planck, 1e-6), 1, 1e-3);
    assert_close(power_at(p, 2e-5) / power_at(p, 1e-5), pow(2, 0.968), 1e-2);
    double slope = log(power_at(p, 2000) / power_at(p, 1000)) / log(2);
    assert_true(slope > 0.968 - 4 && slope < 0.968 - 3.5);
    /* The published zero-baryon limit: BBKS-like shape with gamma = omega_m h. */
    power_params_t dark = planck;
    dark.omega_b = 1e-9;
    double theta = 2.7255 / 2.7, q = 0.1 * theta * theta / (OMEGA_M * 0.678);
    double l = log(2 * exp(1) + 1.8 * q), c = 14.2 + 731 / (1 + 62.5 * q);
    assert_close(transfer_function(&dark, 0.1), l / (l + c * q * q), 1e-6);
    power_free(p);
    power_free(NULL);
}

static power_t *from_text(const char *text, peri_err_t *err)
{
    char path[] = "/tmp/universe-test.XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    power_params_t params = planck;
    params.file = path;
    power_t *p = power_new(&params, err);
    unlink(path);
    return p;
}

static void test_power_table(void **state)
{
    (void)state;
    peri_err_t err;
    power_t *p = from_text("# k P\n 0.001 2\n\n0.1 200\n1 2\t\n", &err);
    assert_non_null(p);
    assert_close(power_sigma(p, 8), 0.83, 1e-10);
    assert_close(power_at(p, 0.01) / power_at(p, 0.001), 10, 1e-12); /* in between */
    assert_close(power_at(p, 10) / power_at(p, 1), 0.01, 1e-12);     /* beyond */
    power_free(p);
    static const char *const bad[] = {"",         "0.1 1\n",        "0.1\n0.2\n",
                                      "0.1 x\n",  "0.1 1\n0.1 2\n", "0.2 1\n0.1 1\n",
                                      "0.1 -1\n", "nan 1\n0.2 1\n", "0.1 inf\n0.2 1\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(from_text(bad[i], &err));
        assert_int_equal(err.code, PERI_EFORMAT);
    }
}

/* ---- random waves ---- */

/* Known answers of the authors' own test (Random123, kat_vectors). */
static void test_philox(void **state)
{
    (void)state;
    static const uint32_t cases[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
         0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t c[4];
        memcpy(c, cases[i], sizeof(c));
        philox(&cases[i][4], c);
        assert_memory_equal(c, &cases[i][6], sizeof(c));
    }
}

static void test_waves(void **state)
{
    (void)state;
    double sum = 0, square = 0, mean = 0;
    int n = 0;
    for (int x = -20; x <= 20; x++) {
        for (int y = -20; y <= 20; y++) {
            for (int z = 0; z <= 20; z++, n++) {
                pair_t a = random_wave(7, x, y, z, 0), b = random_wave(7, -x, -y, -z, 0);
                if (x || y || z) assert_true(a.re == b.re && a.im == -b.im);
                double power = a.re * a.re + a.im * a.im;
                sum += power;
                square += power * power;
                mean += a.re;
                pair_t f = random_wave(7, x, y, z, 1);
                assert_close(f.re * f.re + f.im * f.im, 1, 1e-14);
                assert_close(atan2(f.im, f.re), atan2(a.im, a.re), 1e-12);
            }
        }
    }
    /* An exponential distribution of mean 1: five standard deviations of n values. */
    assert_close(sum / n, 1, 5 / sqrt(n));
    assert_close(square / n, 2, 5 * sqrt(20.0 / n) / 2);
    assert_true(fabs(mean / n) < 5 * sqrt(0.5 / n));
    assert_true(random_wave(8, 1, 2, 3, 0).re != random_wave(7, 1, 2, 3, 0).re);
}

/* ---- the curve ---- */

/* Every cell once, each next to the one before. */
static void test_curve(void **state)
{
    (void)state;
    for (int bits = 1; bits <= 5; bits++) {
        const uint32_t side = 1u << bits;
        const size_t cells = (size_t)side * side * side;
        int(*at)[3] = calloc(cells, sizeof(*at));
        char *seen = calloc(cells, 1);
        for (size_t i = 0; i < cells; i++) {
            uint32_t c[3] = {(uint32_t)i / side / side, (uint32_t)i / side % side,
                             (uint32_t)i % side};
            uint64_t key = hilbert_key(c[0], c[1], c[2], bits);
            assert_true(key < cells && !seen[key]);
            seen[key] = 1;
            for (int d = 0; d < 3; d++) at[key][d] = (int)c[d];
        }
        for (size_t i = 1; i < cells; i++) {
            int steps = 0;
            for (int d = 0; d < 3; d++) steps += abs(at[i][d] - at[i - 1][d]);
            assert_int_equal(steps, 1);
        }
        free(at);
        free(seen);
    }
}

static void test_wrap_and_sort(void **state)
{
    (void)state;
    const double box = 10;
    particles_t s = {calloc(4, sizeof(particle_t)), 4, 4};
    s.at[0] = (particle_t){{10, -1e-30, 25}, {0}, 1};
    s.at[1] = (particle_t){{9.99, -0.5, -10}, {0}, 2};
    s.at[2] = (particle_t){{0, 0.01, 4.99}, {0}, 3};
    s.at[3] = (particle_t){{-31, 5, 7}, {0}, 4};
    particles_wrap(&s, box);
    assert_true(s.at[0].x[0] == 0 && s.at[0].x[1] == 0 && s.at[0].x[2] == 5);
    assert_true(s.at[1].x[1] == 9.5 && s.at[1].x[2] == 0 && s.at[3].x[0] == 9);
    particles_sort(&s, box, 1);
    uint64_t last = 0, ids = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c[3];
        for (int d = 0; d < 3; d++) c[d] = s.at[i].x[d] >= 5;
        uint64_t key = hilbert_key(c[0], c[1], c[2], 1);
        assert_true(key >= last);
        last = key;
        ids |= 1ull << s.at[i].id;
    }
    assert_int_equal(ids, 30);
    particles_free(&s);
}

/* ---- steps ---- */

static void test_schedule(void **state)
{
    (void)state;
    const double outputs[] = {0.02, 0.1, 0.5, 1};
    schedule_t s = schedule_new(0.02, outputs, 4, 20);
    assert_true(s.steps >= 20 && s.steps <= 23);
    assert_int_equal(s.snapshot[0], 0);
    assert_int_equal(s.snapshot[s.steps], 3);
    double longest = (1 - sqrt(0.02)) / 20;
    for (int i = 0; i < s.steps; i++) {
        double way = sqrt(s.a[i + 1]) - sqrt(s.a[i]);
        assert_true(way > 0 && way < longest * (1 + 1e-9));
        int number = s.snapshot[i + 1];
        if (number >= 0) assert_true(s.a[i + 1] == outputs[number]);
    }
    schedule_free(&s);
    s = schedule_new(0.02, outputs, 1, 20); /* nothing but the start */
    assert_int_equal(s.steps, 0);
    assert_int_equal(s.snapshot[0], 0);
    schedule_free(&s);
}

/* Steps so short that the factors must be the plain integrals of dt/a^2 and dt/a. */
static void test_factors(void **state)
{
    (void)state;
    growth_table_t *t = growth_new(OMEGA_M);
    for (double a = 0.05; a < 1; a += 0.1) {
        double h = 1e-4, rate = 100 * expansion_rate(OMEGA_M, a);
        assert_close(drift_factor(t, a - h, a + h, a), 2 * h / (a * a * a * rate), 1e-4);
        /* The pull of delta is 3/2 omega_m H0^2 times the mesh's gradient. */
        assert_close(kick_factor(t, a - h, a + h, a),
                     1.5 * OMEGA_M * 1e4 * 2 * h / (a * a * rate), 1e-4);
    }
    growth_free(t);
}

/* ---- options ---- */

static int parse(const char *line, options_t *o, peri_err_t *err)
{
    char text[256], *argv[32] = {"perigee-universe"}, *rest = text;
    int argc = 1;
    snprintf(text, sizeof(text), "%s", line);
    for (char *word; (word = strsep(&rest, " "));)
        if (*word) argv[argc++] = word;
    optind = 0;
    return options_parse(argc, argv, o, err);
}

static void test_options(void **state)
{
    (void)state;
    static options_t o;
    peri_err_t err;
    assert_int_equal(parse("--output /x --particles 10 --redshifts 0,3,1", &o, &err), 0);
    assert_int_equal(o.mesh, 20);
    assert_int_equal(o.nredshifts, 3);
    assert_true(o.redshifts[0] == 3 && o.redshifts[2] == 0);
    static const char *const bad[] = {
        "", /* no output */
        "--output x --particles 0",
        "--output x --particles -3",
        "--output x --particles 6.5",
        "--output x --particles 99999999999999999999",
        "--output x --box 0",
        "--output x --box nan",
        "--output x --box -5",
        "--output x --box inf",
        "--output x --box 5Mpc",
        "--output x --mesh 32",
        "--output x --redshifts 1,x",
        "--output x --redshifts -1",
        "--output x --redshifts 1,1",
        "--output x --redshifts 60",
        "--output x --redshifts ,",
        "--output x --start-redshift 0.5",
        "--output x --steps 0",
        "--output x --omega-m 0",
        "--output x --omega-b 0.4",
        "--output x --omega-m 1.2",
        "--output x --sigma8 0",
        "--output x --seed -1",
        "--output x --name Mini",
        "--output x --name 1x",
        "--output x --compress 10",
        "--output x --particels 5",
        "--output x y",
        "--output",
        "--output x --quiet=1",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(&err, 0, sizeof(err));
        if (parse(bad[i], &o, &err) == 0) fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.code, PERI_EINVAL);
        assert_true(strlen(err.text) > 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_flat),
        cmocka_unit_test(test_growth_einstein_de_sitter),
        cmocka_unit_test(test_lookback),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_power_table),
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_waves),
        cmocka_unit_test(test_curve),
        cmocka_unit_test(test_wrap_and_sort),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_factors),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
