/* test_so.c - spherical-overdensity masses against a profile that is known, a search over
 * all particles, and GADGET-4's catalogue. Run on 1 to 4 ranks.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/so_private.h"
#include "tests/unit/test_gadget_fixture.h"
#include "tests/unit/ranks.h"

static uint64_t seed;
static const double pi = 3.14159265358979323846;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

/* Those of n positions that are this rank's; among = 1: all. */
static peri_particles_t *deal_out(const double (*x)[3], const double *mass, size_t n,
                                  const double *box, int among)
{
    peri_particles_t *p = peri_particles_new(mass ? PERI_HAS_MASS : 0, box);
    for (size_t i = 0; i < n; i++) {
        if (among > 1 && (int)(i * 7 % (size_t)among) != rank) continue;
        CHECK(peri_particles_resize(p, p->n + 1, &err) == 0);
        p->x[p->n - 1] = x[i][0];
        p->y[p->n - 1] = x[i][1];
        p->z[p->n - 1] = x[i][2];
        if (mass) p->mass[p->n - 1] = mass[i];
    }
    return p;
}

/* ---- a singular isothermal sphere: the enclosed mass grows with the radius ---- */

static void test_isothermal(int periodic)
{
    what = "isothermal sphere";
    enum { N = 20000 };
    const double box[3] = {20, 30, 25}, size = 8, centre[3] = {19, 1, 12};
    double(*x)[3] = malloc(N * sizeof(*x));
    seed = 5;
    for (size_t i = 0; i < N; i++) {
        double r = size * ((double)i + 0.5) / N, z = 2 * uniform() - 1;
        double phi = 2 * pi * uniform(), s = sqrt(1 - z * z);
        const double d[3] = {r * s * cos(phi), r * s * sin(phi), r * z};
        for (int k = 0; k < 3; k++) {
            x[i][k] = centre[k] + d[k];
            if (periodic) x[i][k] -= floor(x[i][k] / box[k]) * box[k];
            if (periodic && x[i][k] >= box[k]) x[i][k] = 0;
        }
    }
    peri_particles_t *p =
        deal_out((const double(*)[3])x, NULL, N, periodic ? box : NULL, nranks);
    peri_particles_t *c = deal_out(&centre, NULL, rank == 0, periodic ? box : NULL, 1);
    peri_so_options_t o = {.ndensities = 4, .min_particles = 5};
    const double radii[4] = {0.5, 1, 3.3, 7.9};
    for (int d = 0; d < 4; d++)
        o.densities[d] = N / size * radii[d] / (4 * pi / 3 * pow(radii[d], 3));
    double mass[4], radius[4];
    CHECK(peri_so_find(p, c, &o, mass, radius, NULL, NULL, NULL, COMM, &err) == 0);
    for (int d = 0; rank == 0 && d < 4; d++) {
        CHECK(fabs(radius[d] - radii[d]) < size / N);
        CHECK(fabs(mass[d] - N / size * radii[d]) <= 1);
        CHECK(fabs(mass[d] / (4 * pi / 3 * pow(radius[d], 3)) / o.densities[d] - 1) <
              1e-12);
    }
    peri_particles_free(p);
    peri_particles_free(c);
    free(x);
}

/* ---- all particles ---- */

enum { PARTICLES = 3000, CENTRES = 40, DENSITIES = 3 };

typedef struct {
    double r, mass;
} distance_t;

static int compare_distances(const void *a, const void *b)
{
    const distance_t *x = a, *y = b;
    return (x->r > y->r) - (x->r < y->r);
}

static double enclosed(const distance_t *d, double r)
{
    double m = 0;
    for (size_t i = 0; i < PARTICLES && d[i].r <= r; i++) m += d[i].mass;
    return m;
}

/* The definition in so.h, word by word. */
static double search_all(const distance_t *d, double density, double smallest, double r0,
                         double last, double *mass)
{
    double below = 0;
    int first = 1;
    for (int k = 0;; k++) {
        double r = fmin(smallest * pow(2, k / 3.0), last);
        if (r < r0 * (1 - 1e-9) && r < last) continue;
        if (enclosed(d, r) < density * 4 * pi / 3 * r * r * r) {
            if (first) return *mass = 0;
            for (size_t i = PARTICLES; i-- > 0;) {
                if (d[i].r > r) continue;
                double m = enclosed(d, d[i].r), s = cbrt(m / density / (4 * pi / 3));
                if (s < d[i].r && d[i].r > below) continue;
                *mass = m;
                return s;
            }
        }
        if (r == last) return *mass = NAN;
        below = r;
        first = 0;
    }
}

static int same(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * fabs(b);
}

static void test_all(int periodic)
{
    what = "all particles";
    const double box[3] = {10, 12, 8};
    double(*x)[3] = malloc(PARTICLES * sizeof(*x)), mean = 0;
    double *mass = malloc(PARTICLES * sizeof(*mass)), at[3] = {0};
    distance_t *d = malloc(PARTICLES * sizeof(*d));
    seed = 9;
    for (size_t i = 0; i < PARTICLES; i++) {
        mass[i] = 0.5 + uniform();
        mean += mass[i] / PARTICLES;
        for (int k = 0; k < 3; k++) {
            if (i % 300 == 0) at[k] = uniform();
            double u =
                at[k] + (i % 3 ? pow(uniform(), 4) * (uniform() - 0.5) : uniform());
            x[i][k] = (u - floor(u)) * box[k];
        }
    }
    const double(*y)[3] = (const double(*)[3])x;
    peri_particles_t *p = deal_out(y, mass, PARTICLES, periodic ? box : NULL, nranks);
    peri_particles_t *c = deal_out(y, mass, CENTRES, periodic ? box : NULL, nranks);
    peri_so_options_t o = {
        .ndensities = DENSITIES, .min_particles = 4, .densities = {300, 2, 40}};
    double *m = malloc((c->n + 1) * DENSITIES * sizeof(*m));
    double *r = malloc((c->n + 1) * DENSITIES * sizeof(*r));
    CHECK(peri_so_find(p, c, &o, m, r, NULL, NULL, NULL, COMM, &err) == 0);
    double last = fmin(p->box[0], fmin(p->box[1], p->box[2])) / 2;
    if (!periodic)
        last = 2 * sqrt(pow(p->box[0], 2) + pow(p->box[1], 2) + pow(p->box[2], 2));
    int kinds[3] = {0};
    for (size_t i = 0; i < c->n; i++) {
        const double centre[3] = {c->x[i], c->y[i], c->z[i]};
        for (size_t j = 0; j < PARTICLES; j++) {
            double r2 = 0;
            for (int k = 0; k < 3; k++) {
                double gap = fabs(x[j][k] - centre[k]);
                if (periodic && gap > box[k] / 2) gap = box[k] - gap;
                r2 += gap * gap;
            }
            d[j] = (distance_t){sqrt(r2), mass[j]};
        }
        qsort(d, PARTICLES, sizeof(*d), compare_distances);
        for (size_t k = 0; k < DENSITIES; k++) {
            double em, r0[DENSITIES];
            for (int e = 0; e < DENSITIES; e++)
                r0[e] = cbrt(4 * mean / o.densities[e] / (4 * pi / 3));
            double er = search_all(d, o.densities[k], r0[0], r0[k], last, &em);
            CHECK(same(r[i * DENSITIES + k], er));
            CHECK(same(m[i * DENSITIES + k], em));
            kinds[isnan(er) ? 0 : er > 0 ? 1 : 2]++;
        }
    }
    MPI_Allreduce(MPI_IN_PLACE, kinds, 3, MPI_INT, MPI_SUM, COMM);
    CHECK(kinds[1] > 20 && kinds[2] > 5 && (!periodic || kinds[0] > 5));

    /* One rank alone: the same bits. */
    peri_particles_t *all = deal_out(y, mass, PARTICLES, periodic ? box : NULL, 1);
    double *m1 = malloc((c->n + 1) * DENSITIES * sizeof(*m));
    double *r1 = malloc((c->n + 1) * DENSITIES * sizeof(*r));
    CHECK(peri_so_find(all, c, &o, m1, r1, NULL, NULL, NULL, MPI_COMM_SELF, &err) == 0);
    CHECK(memcmp(m, m1, c->n * DENSITIES * sizeof(*m)) == 0);
    CHECK(memcmp(r, r1, c->n * DENSITIES * sizeof(*r)) == 0);
    peri_particles_free(all);
    peri_particles_free(p);
    peri_particles_free(c);
    free(x);
    free(mass);
    free(d);
    free(m);
    free(r);
    free(m1);
    free(r1);
}

/* ---- densities ---- */

static void test_densities(void)
{
    what = "densities";
    peri_so_cosmology_t eds = {.mean = 2, .omega_m = 1, .omega_lambda = 0, .redshift = 3};
    double rho;
    CHECK(peri_so_density("200m", &eds, &rho, &err) == 0 && rho == 400);
    CHECK(peri_so_density("500c", &eds, &rho, &err) == 0 && fabs(rho - 1000) < 1e-9);
    CHECK(peri_so_density("vir", &eds, &rho, &err) == 0);
    CHECK(fabs(rho - 2 * 18 * pi * pi) < 1e-9); /* 177.65 in Einstein-de Sitter */
    /* Bryan & Norman: 18 pi^2 - 82 * 0.7 - 39 * 0.49 = 101.14 times critical at 0.3. */
    peri_so_cosmology_t flat = {
        .mean = 0.3, .omega_m = 0.3, .omega_lambda = NAN, .redshift = 0};
    CHECK(peri_so_density("vir", &flat, &rho, &err) == 0 && fabs(rho - 101.14) < 0.01);
    CHECK(peri_so_density("2500.5c", &flat, &rho, &err) == 0 &&
          fabs(rho - 2500.5) < 1e-9);
    static const char *const wrong[] = {"",   "200",  "c",      "-200c",
                                        "0m", "200x", "virial", "nanc"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(peri_so_density(wrong[i], &flat, &rho, &err) == -1);
        CHECK(strstr(err.text, "there is no overdensity"));
    }
    flat.redshift = NAN;
    CHECK(peri_so_density("200c", &flat, &rho, &err) && strstr(err.text, "redshift"));
    flat.omega_m = NAN;
    CHECK(peri_so_density("vir", &flat, &rho, &err) && strstr(err.text, "omega_m"));
    CHECK(peri_so_density("200m", &flat, &rho, &err) == 0);
    eds.omega_m = -1;
    CHECK(peri_so_density("200c", &eds, &rho, &err) && strstr(err.text, "-1"));
}

static void check_refused(peri_particles_t *p, peri_particles_t *c,
                          const peri_so_options_t *o, const char *words)
{
    double m[2], r[2];
    CHECK(peri_so_find(p, c, o, m, r, NULL, NULL, NULL, COMM, &err) == -1);
    CHECK(strstr(err.text, words));
}

static int refuse(void *arg, const char *step, double done, double total, peri_err_t *e)
{
    (void)arg;
    CHECK(step && done == 0 && total == 1);
    if (rank) return 0;
    return peri_err_set(e, PERI_ECANCEL, "the call was cancelled");
}

static void test_bad(void)
{
    what = "bad input";
    const double box[3] = {1, 1, 1}, x[1][3] = {{0.5, 0.5, 0.5}}, mass[1] = {1};
    peri_particles_t *p = deal_out(x, mass, 1, box, 1), *c = deal_out(x, mass, 1, box, 1);
    const peri_so_options_t good = {
        .ndensities = 1, .densities = {100}, .min_particles = 1};
    peri_so_options_t o = good;
    o.ndensities = 0;
    check_refused(p, c, &o, "1 to 16");
    o = good;
    o.densities[0] = NAN;
    check_refused(p, c, &o, "positive number");
    o = good;
    o.min_particles = 0;
    check_refused(p, c, &o, "min_particles");
    double m[1], r[1];
    CHECK(peri_so_find(p, c, &good, m, r, NULL, refuse, NULL, COMM, &err) == -1);
    CHECK(strstr(err.text, "cancelled"));
    c->x[0] = 2;
    check_refused(p, c, &good, "centres: ");
    c->x[0] = 0.5;
    if (p->n) p->mass[0] = -1;
    check_refused(p, c, &good, "mass of 0 or less");
    peri_particles_free(p);
    peri_particles_free(c);

    /* Nothing there: no halo. */
    p = peri_particles_new(0, box);
    c = deal_out(x, NULL, 1, box, 1);
    CHECK(peri_particles_resize(p, 0, &err) == 0);
    m[0] = r[0] = 7;
    CHECK(peri_so_find(p, c, &good, m, r, NULL, NULL, NULL, COMM, &err) == 0);
    CHECK(m[0] == 0 && r[0] == 0);
    peri_particles_free(p);
    peri_particles_free(c);
}

/* ---- GADGET-4 ---- */

/* How far ours are from theirs, in particles. GADGET-4 halves an interval of radii until
 * it is 1e-4 wide: its mass may have a particle more or less. Where several radii have
 * the density it may take another one, nearly always further in: that is one as well, so
 * M / R^3 is the same. */
static void check_scatter(const char *name, const double *mass, const double *radius,
                          const double *their_mass, const double *their_radius, size_t n)
{
    size_t found = 0, same_number = 0, one_off = 0;
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        const double m = mass[i * 4], r = radius[i * 4], t = their_mass[i];
        /* None there: it has gone too far in, to under 5 particles. */
        CHECK(t > 0 ? m > 0 : m < 15 * GADGET_MASS);
        if (!(t > 0)) continue;
        double off = fabs(m - t) / GADGET_MASS;
        found++;
        same_number += off < 0.1;
        one_off += off < 1.1;
        if (off > 1.1) CHECK(fabs(t / m * pow(r / their_radius[i], 3) - 1) < 1e-3);
        if (t > 500 * GADGET_MASS) largest = fmax(largest, fabs(m / t - 1));
    }
    printf("%s: %zu halos, %zu with as many particles as in GADGET-4, %zu within one; "
           "largest difference over 500 particles %.2e\n",
           name, found, same_number, one_off, largest);
    CHECK(found > 490);
    CHECK((double)same_number > 0.84 * (double)found);
    CHECK((double)one_off > 0.93 * (double)found);
    CHECK(largest < 6e-3);
}

static void test_gadget(void)
{
    what = "gadget4_run64";
    const char *groups = "groups_023/fof_subhalo_tab_023";
    static const char *const names[] = {"200c", "500c", "200m", "vir"};
    static const char *const theirs[] = {"Crit200", "Crit500", "Mean200", "TopHat200"};
    size_t n;
    double *centres = gadget_read(groups, "Group/GroupPos", &n);
    peri_particles_t *p = gadget_particles(0, NULL, COMM, &err);
    /* All centres are the first rank's. */
    peri_particles_t *c = deal_out((const double(*)[3])centres, NULL, rank ? 0 : n,
                                   (double[]){GADGET_BOX, GADGET_BOX, GADGET_BOX}, 1);
    const peri_so_cosmology_t cosmology = {.mean = GADGET_MASS * GADGET_PARTICLES /
                                                   pow(GADGET_BOX, 3),
                                           .omega_m = 0.308,
                                           .omega_lambda = 0.692,
                                           .redshift = 0};
    peri_so_options_t o = {.ndensities = 4, .min_particles = 5};
    for (int d = 0; d < 4; d++)
        CHECK(peri_so_density(names[d], &cosmology, &o.densities[d], &err) == 0);
    double *mass = malloc((n * 4 + 1) * sizeof(*mass));
    double *radius = malloc((n * 4 + 1) * sizeof(*radius));
    CHECK(peri_so_find(p, c, &o, mass, radius, NULL, NULL, NULL, COMM, &err) == 0);
    for (int d = 0; rank == 0 && d < 4; d++) {
        char m[64], r[64];
        snprintf(m, sizeof(m), "Group/Group_M_%s", theirs[d]);
        snprintf(r, sizeof(r), "Group/Group_R_%s", theirs[d]);
        double *their_mass = gadget_read(groups, m, &n);
        double *their_radius = gadget_read(groups, r, &n);
        check_scatter(names[d], mass + d, radius + d, their_mass, their_radius, n);
        free(their_mass);
        free(their_radius);
    }
    peri_particles_free(p);
    peri_particles_free(c);
    free(centres);
    free(mass);
    free(radius);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
    test_densities();
    test_isothermal(1);
    test_isothermal(0);
    test_all(1);
    test_all(0);
    peri_so_hits_most = 700; /* a few centres at a time */
    test_all(1);
    test_bad();
    test_gadget();
    MPI_Finalize();
    return 0;
}
