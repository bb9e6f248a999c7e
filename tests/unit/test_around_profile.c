/* test_around_profile.c - profiles against brute force, an NFW halo, a uniform universe
 * with and without Hubble flow. Run on 1 to 4 ranks.
 */
#include "mpi/around/profile.h"
#include "tests/unit/test_around_fixture.h"

static peri_centre_t centre_at(double x, double y, double z)
{
    return (peri_centre_t){
        .x = {x, y, z}, .v = {0, 0, 0}, .radius = NAN, .mass = NAN, .id = 5};
}

/* The bins of all centres on rank 0. */
static peri_profile_bin_t *profile(const set_t *s, unsigned has, int parts,
                                   const peri_centre_t *centres, size_t n,
                                   const peri_profile_options_t *o)
{
    peri_particles_t *p = deal(s, has, parts);
    peri_profile_bin_t *own;
    size_t first, count, all;
    CHECK(peri_profile(p, centres, n, o, NULL, COMM, &own, &first, &count, &err) == 0);
    peri_profile_bin_t *bins = gather(own, sizeof(*own), count * (o->nedges - 1), &all);
    CHECK(rank || all == n * (o->nedges - 1));
    free(own);
    peri_particles_free(p);
    return bins;
}

/* ---- brute force ---- */

static double distance(const set_t *s, size_t i, const peri_centre_t *c, double d[3])
{
    double r2 = 0;
    for (int k = 0; k < 3; k++) {
        d[k] = s->x[i][k] - c->x[k];
        if (s->periodic) d[k] -= s->box[k] * floor(d[k] / s->box[k] + 0.5);
        r2 += d[k] * d[k];
    }
    return sqrt(r2);
}

typedef struct {
    double lo, hi, unit; /* lo <= r / unit < hi */
} shell_t;

static bool in_shell(const set_t *s, size_t i, const peri_centre_t *c, shell_t shell,
                     double d[3], double *r)
{
    *r = distance(s, i, c, d);
    return *r / shell.unit >= shell.lo && *r / shell.unit < shell.hi;
}

/* The least mean square of v - a - b r/r, by alternating between a and b. */
static double residual(const set_t *s, const peri_centre_t *c, const double *u,
                       shell_t shell, double mass)
{
    double a[3] = {0}, b = 0, left = 0, d[3], r;
    for (int step = 0; step < 400; step++) {
        double da[3] = {0}, db = 0;
        left = 0;
        for (size_t i = 0; i < s->n; i++) {
            const double m = s->mass[i] / mass;
            if (!in_shell(s, i, c, shell, d, &r)) continue;
            for (int k = 0; k < 3; k++) {
                const double w = s->v[i][k] - u[k] - a[k] - b * d[k] / r;
                left += m * w * w;
                da[k] += m * w;
                db += m * w * d[k] / r;
            }
        }
        if (step % 2) b += db;
        for (int k = 0; k < 3 && step % 2 == 0; k++) a[k] += da[k];
    }
    return left;
}

static void check_velocities(const set_t *s, const peri_centre_t *c, const double *u,
                             shell_t shell, const peri_profile_bin_t *b)
{
    double vr = 0, vr2 = 0, d[3], r;
    for (size_t i = 0; i < s->n; i++) {
        double radial = 0;
        const double m = s->mass[i] / b->mass;
        if (!in_shell(s, i, c, shell, d, &r)) continue;
        for (int k = 0; k < 3; k++) radial += (s->v[i][k] - u[k]) * d[k] / r;
        vr += m * radial;
        vr2 += m * radial * radial;
    }
    CHECK(fabs(b->v_radial - vr) < 1e-9);
    CHECK(fabs(b->sigma_radial - sqrt(fmax(vr2 - vr * vr, 0))) < 1e-5);
    /* Bins of two or three particles come to their end slowly. */
    const double sigma = sqrt(residual(s, c, u, shell, b->mass) / 3);
    CHECK(b->sigma < sigma + 1e-5 && (b->np < 8 || b->sigma > sigma - 1e-3));
}

static void check_bin(const set_t *s, const peri_centre_t *c, const double *u,
                      shell_t shell, const peri_profile_bin_t *b)
{
    double mass = 0, within = 0, d[3], r;
    uint64_t np = 0, inside = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (in_shell(s, i, c, shell, d, &r)) np++, mass += s->mass[i];
        if (r / shell.unit < shell.hi) inside++, within += s->mass[i];
    }
    CHECK(b->np == np && b->np_within == inside);
    CHECK(fabs(b->mass - mass) <= 1e-12 * mass);
    CHECK(fabs(b->mass_within - within) <= 1e-12 * within);
    if (np) check_velocities(s, c, u, shell, b);
    CHECK(np || (b->density == 0 && isnan(b->v_radial) && isnan(b->sigma)));
}

static void test_brute_force(bool periodic, bool scaled, bool frames)
{
    seed = 3;
    set_t s = set_new(700, 10, periodic);
    for (size_t i = 0; i < s.n; i++) {
        s.mass[i] = 0.5 + uniform();
        for (int k = 0; k < 3; k++) s.v[i][k] = 200 * uniform() - 50;
        if (i % 3 == 0) /* a clump at the corner of the box */
            for (int k = 0; k < 3; k++) s.x[i][k] = fmod(s.x[i][k] / 20 + 9.8, 10);
    }
    peri_centre_t centres[12];
    for (int i = 0; i < 12; i++) {
        centres[i] = centre_at(uniform() * 10, uniform() * 10, uniform() * 10);
        centres[i].id = i;
        centres[i].radius = 0.5 + uniform();
        for (int k = 0; k < 3; k++) centres[i].v[k] = frames ? 30 * uniform() : NAN;
    }
    memset(centres[0].x, 0, sizeof(centres[0].x));
    memcpy(centres[1].x, (double[]){9.99, 0.01, 5}, sizeof(centres[1].x));
    const double edges[] = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2};
    const peri_profile_options_t o = {edges, 6, scaled, 0};
    peri_profile_bin_t *bins = profile(&s, ALL, nranks, centres, 12, &o);
    for (int c = 0; c < 12 && rank == 0; c++) {
        double u[3] = {0}, mass = 0;
        const double unit = scaled ? centres[c].radius : 1;
        for (size_t i = 0; i < s.n; i++) {
            double d[3];
            if (distance(&s, i, &centres[c], d) / unit >= edges[5]) continue;
            mass += s.mass[i];
            for (int k = 0; k < 3; k++) u[k] += s.mass[i] * s.v[i][k];
        }
        for (int k = 0; k < 3; k++) u[k] = frames ? centres[c].v[k] : u[k] / mass;
        for (int b = 0; b < 5; b++)
            check_bin(&s, &centres[c], u, (shell_t){edges[b], edges[b + 1], unit},
                      &bins[c * 5 + b]);
    }
    /* The same bits, however they are dealt out. */
    peri_profile_bin_t *again = profile(&s, ALL, 1, centres, 12, &o);
    CHECK(rank || memcmp(again, bins, 60 * sizeof(*bins)) == 0);
    free(bins);
    free(again);
    set_free(&s);
}

/* ---- an NFW halo ---- */

static double nfw(double x)
{
    return log1p(x) - x / (1 + x);
}

static double nfw_radius(double u, double c)
{
    double lo = 0, hi = c;
    for (int i = 0; i < 60; i++) {
        const double mid = (lo + hi) / 2;
        if (nfw(mid) < u * nfw(c))
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}

/* The maximum-likelihood concentration of counts in bins. */
static double fit(const peri_profile_bin_t *bins, size_t n, double radius)
{
    double best = 0, most = -INFINITY;
    for (double c = 1; c < 30; c += 0.01) {
        double likelihood = 0;
        const double whole =
            nfw(c * bins[n - 1].outer / radius) - nfw(c * bins[0].inner / radius);
        for (size_t b = 0; b < n; b++)
            likelihood +=
                (double)bins[b].np *
                log((nfw(c * bins[b].outer / radius) - nfw(c * bins[b].inner / radius)) /
                    whole);
        if (likelihood > most) most = likelihood, best = c;
    }
    return best;
}

static void test_nfw(void)
{
    const double c = 7, radius = 1.5;
    const size_t n = 20000, nbins = 15;
    double edges[16];
    seed = 11;
    set_t s = set_new(n, 20, true);
    for (size_t i = 0; i < n; i++) {
        const double r = nfw_radius(uniform(), c) / c * radius;
        const double z = 2 * uniform() - 1, phi = 2 * M_PI * uniform();
        const double w = sqrt(1 - z * z);
        /* Around a corner of the box. */
        s.x[i][0] = fmod(20 + r * w * cos(phi), 20);
        s.x[i][1] = fmod(20 + r * w * sin(phi), 20);
        s.x[i][2] = fmod(20 + r * z, 20);
        s.mass[i] = 2.5;
    }
    for (size_t i = 0; i <= nbins; i++) edges[i] = radius * pow(10, (double)i / 10 - 1.5);
    const peri_centre_t centre = centre_at(0, 0, 0);
    const peri_profile_options_t o = {edges, nbins + 1, false, 0};
    peri_profile_bin_t *bins = profile(&s, ALL, nranks, &centre, 1, &o);
    for (size_t b = 0; b < nbins && rank == 0; b++) {
        const double want = (double)n * nfw(c * edges[b + 1] / radius) / nfw(c);
        CHECK(fabs((double)bins[b].np_within - want) <
              4 * sqrt(want * (1 - want / (double)n)) + 1);
        CHECK(bins[b].mass_within == 2.5 * (double)bins[b].np_within);
        CHECK(bins[b].sigma == 0 && bins[b].v_radial == 0);
    }
    CHECK(rank || bins[nbins - 1].np_within == n);
    /* 20,000 particles give it to 2 % or so. */
    CHECK(rank || fabs(fit(bins, nbins, radius) / c - 1) < 0.06);
    free(bins);
    set_free(&s);
}

/* ---- a uniform universe ---- */

static void test_uniform(void)
{
    const double edges[] = {0, 1, 2, 2.1, 4, 5};
    seed = 5;
    set_t s = set_new(40000, 10, true);
    peri_centre_t centres[2] = {centre_at(0.5, 9.5, 5), centre_at(3, 3, 3)};
    peri_profile_options_t o = {edges, 6, false, 0};
    for (size_t i = 0; i < s.n; i++) s.v[i][0] = 300;
    for (int c = 0; c < 2; c++) centres[c].v[0] = 300;
    peri_profile_bin_t *rest = profile(&s, ALL, nranks, centres, 2, &o);
    o.hubble_flow = 70;
    peri_profile_bin_t *flow = profile(&s, ALL, nranks, centres, 2, &o);
    for (int i = 0; i < 10 && rank == 0; i++) {
        const double a = edges[i % 5], b = edges[i % 5 + 1];
        const double volume = 4 * M_PI / 3 * (b * b * b - a * a * a);
        CHECK(fabs(rest[i].density / 40 - 1) < 4 / sqrt(40 * volume));
        CHECK(rest[i].v_radial == 0 && rest[i].sigma == 0 && rest[i].sigma_radial == 0);
        /* The mean of 70 r over the shell, and its deviation, to four of their errors. */
        const double r = 0.75 * (pow(b, 4) - pow(a, 4)) / (b * b * b - a * a * a);
        const double r2 = 0.6 * (pow(b, 5) - pow(a, 5)) / (b * b * b - a * a * a);
        const double spread = 70 * sqrt(r2 - r * r), n = (double)flow[i].np;
        CHECK(fabs(flow[i].v_radial - 70 * r) < 4 * spread / sqrt(n));
        CHECK(fabs(flow[i].sigma_radial / spread - 1) < 4 / sqrt(n));
        /* The flow itself is no dispersion. */
        CHECK(flow[i].sigma < 2 * spread);
    }
    free(rest);
    free(flow);
    set_free(&s);
}

/* ---- means ---- */

static void test_stack(void)
{
    const double edges[] = {0.5, 1, 2};
    const int group[] = {0, 1, 0, -1, 1, 1, 0};
    peri_centre_t centres[7];
    peri_stack_bin_t out[6];
    seed = 8;
    set_t s = set_new(3000, 10, true);
    for (size_t i = 0; i < s.n; i++)
        for (int k = 0; k < 3; k++) s.v[i][k] = 100 * uniform();
    for (int c = 0; c < 7; c++) {
        centres[c] = centre_at(uniform() * 10, uniform() * 10, uniform() * 10);
        centres[c].id = c;
    }
    const peri_profile_options_t o = {edges, 3, false, 0};
    peri_profile_bin_t *all = profile(&s, ALL, nranks, centres, 7, &o), *own;
    peri_particles_t *p = deal(&s, ALL, nranks);
    size_t first, count;
    CHECK(peri_profile(p, centres, 7, &o, NULL, COMM, &own, &first, &count, &err) == 0);
    CHECK(peri_profile_stack(own, first, count, 2, group, 3, out, COMM, &err) == 0);
    for (int g = 0; g < 2 && rank == 0; g++)
        for (int b = 0; b < 2; b++) {
            double n = 0, density = 0, density2 = 0, mv = 0, m = 0;
            for (int c = 0; c < 7; c++) {
                const peri_profile_bin_t *bin = &all[c * 2 + b];
                if (group[c] != g) continue;
                n++;
                density += bin->density;
                density2 += bin->density * bin->density;
                m += bin->mass;
                mv += bin->np ? bin->mass * bin->v_radial : 0;
            }
            const peri_stack_bin_t *got = &out[g * 2 + b];
            const double mean = density / n;
            CHECK(got->centres == (uint64_t)n && fabs(got->density / mean - 1) < 1e-12);
            CHECK(fabs(got->mass * n / m - 1) < 1e-12);
            CHECK(fabs(got->v_radial - mv / m) < 1e-9);
            CHECK(fabs(got->density_error -
                       sqrt((density2 / n - mean * mean) / (n - 1))) < 1e-9);
        }
    CHECK(out[4].centres == 0);
    free(all);
    free(own);
    peri_particles_free(p);
    set_free(&s);
}

/* ---- what cannot be ---- */

static void refused(const peri_centre_t *c, const peri_profile_options_t *o,
                    const char *word)
{
    peri_profile_bin_t *bins;
    size_t first, count;
    seed = 1;
    set_t s = set_new(10, 10, true);
    peri_particles_t *p = deal(&s, ALL, nranks);
    CHECK(peri_profile(p, c, 1, o, NULL, COMM, &bins, &first, &count, &err) == -1);
    CHECK(err.code == PERI_EINVAL && strstr(err.text, word) && !bins);
    peri_particles_free(p);
    set_free(&s);
}

static void test_refusals(void)
{
    const double edges[] = {0.1, 5.1}, falling[] = {2, 1};
    const peri_centre_t good = centre_at(1, 1, 1), nan = centre_at(1, NAN, 1);
    refused(&good, &(peri_profile_options_t){edges, 2, false, 0}, "half of the periodic");
    refused(&good, &(peri_profile_options_t){edges, 2, true, 0}, "radius of centre 5");
    refused(&good, &(peri_profile_options_t){falling, 2, false, 0}, "must rise");
    refused(&nan, &(peri_profile_options_t){edges, 2, false, 0}, "nan");
}

int main(int argc, char **argv)
{
    fixture_begin(&argc, &argv);
    for (int i = 0; i < 8; i++) test_brute_force(i & 1, i & 2, i & 4);
    test_nfw();
    test_uniform();
    test_stack();
    test_refusals();
    MPI_Finalize();
    return 0;
}
