/* test_around_lightcone.c - distances against analytic universes and astropy, and what is
 * seen of particles at rest: each image once, in its shell. Run on 1 to 4 ranks.
 */
#include "mpi/around/lightcone.h"
#include "tests/unit/test_around_fixture.h"

#define DEGREE (M_PI / 180)

/* ---- distances ---- */

static peri_distances_t *universe(double m, double l, double z)
{
    peri_distances_t *t = peri_distances_new(m, l, 1, z, &err);
    CHECK(t);
    return t;
}

static void test_distances(void)
{
    /* Einstein-de Sitter, de Sitter, and empty: D = 2 - 2 / sqrt(1 + z), z, ln(1 + z). */
    peri_distances_t *t[3] = {universe(1, 0, 30), universe(0, 1, 30), universe(0, 0, 30)};
    for (double z = 0; z <= 30; z += 0.37) {
        const double want[3] = {2 - 2 / sqrt(1 + z), z, log1p(z)};
        for (int i = 0; i < 3; i++) {
            CHECK(fabs(peri_distance_of(t[i], z) - want[i]) <= 1e-12 * want[i]);
            CHECK(fabs(peri_redshift_of(t[i], want[i]) - z) <= 1e-10 * (1 + z));
        }
    }
    CHECK(isnan(peri_distance_of(t[0], 31)) && isnan(peri_redshift_of(t[0], -1)));
    for (int i = 0; i < 3; i++) peri_distances_free(t[i]);
    /* astropy 5.2 LambdaCDM(H0=67.74, Om0=0.3089, Ode0=0.6911, Tcmb0=0), in Mpc. */
    static const double astropy[][2] = {
        {0.1, 432.128355}, {1, 3396.210971}, {6, 8437.837748}};
    peri_distances_t *lcdm =
        peri_distances_new(0.3089, 0.6911, peri_hubble_length("cMpc", 0.6774), 7, &err);
    CHECK(lcdm);
    for (int i = 0; i < 3; i++)
        CHECK(fabs(peri_distance_of(lcdm, astropy[i][0]) / astropy[i][1] - 1) < 1e-7);
    peri_distances_free(lcdm);
    CHECK(!peri_distances_new(0.3, 5, 1, 10, &err) && strstr(err.text, "no distances"));
}

static void test_units(void)
{
    CHECK(fabs(peri_hubble_length("cMpc/h", NAN) - 2997.92458) < 1e-9);
    CHECK(fabs(peri_hubble_length("ckpc/h", NAN) - 2997924.58) < 1e-6);
    CHECK(fabs(peri_hubble_length("Mpc", 0.5) - 5995.84916) < 1e-9);
    CHECK(isnan(peri_hubble_length("m", 0.7)) && isnan(peri_hubble_length("Mpc", NAN)));
    CHECK(fabs(peri_gravity("cMpc/h", "1e10 Msun/h", NAN) / 43.0091727 - 1) < 1e-6);
    CHECK(fabs(peri_gravity("kpc", "Msun", 0.7) / 4.30091727e-6 - 1) < 1e-6);
    CHECK(isnan(peri_gravity("Mpc", "kg", 0.7)));
}

/* ---- particles at rest ---- */

/* All snapshots show the same. */
static peri_sighting_t *watch(const set_t *s, int parts, const peri_sky_t *sky,
                              double from, double to, size_t *n)
{
    /* Six snapshots, out of order, two at the same distance. */
    peri_shell_t shells[6] = {{0, 40, 0, 0}, {1, 0, 0, 0},  {2, 12, 0, 0},
                              {3, 12, 0, 0}, {4, 17, 0, 0}, {5, 30, 0, 0}};
    peri_sightings_t seen = {0};
    peri_particles_t *p = deal(s, ALL, parts);
    peri_shells_cut(shells, 6);
    CHECK(shells[1].inner == 0 && shells[1].outer == 6 && shells[0].outer == INFINITY);
    CHECK(shells[3].outer == 14.5 && shells[5].inner == 23.5 && shells[0].inner == 35);
    for (int i = 0; i < 6; i++) {
        shells[i].inner = fmax(shells[i].inner, from);
        shells[i].outer = fmin(shells[i].outer, to);
        CHECK(peri_lightcone_add(&seen, sky, p, &shells[i], NULL, &err) == 0);
    }
    CHECK(peri_lightcone_order(&seen, COMM, &err) == 0);
    peri_sighting_t *all = gather(seen.rows, sizeof(*seen.rows), seen.n, n);
    free(seen.rows);
    peri_particles_free(p);
    return all;
}

static peri_sky_t whole_sky(const peri_distances_t *d)
{
    return (peri_sky_t){.observer = {1, 2, 3},
                        .axis = {1, 0, 0},
                        .cosine = -1,
                        .ra = {0, 360},
                        .dec = {-90, 90},
                        .distances = d};
}

/* Every image is there once: by brute force over copies. */
static void check_images(const set_t *s, const peri_sky_t *sky, double from, double to,
                         const peri_sighting_t *seen, size_t n)
{
    const int reach = 8, side = 2 * reach + 1;
    size_t want = 0, cells = (size_t)(side * side * side);
    char *there = calloc(cells, s->n);
    for (size_t i = 0; i < n; i++) {
        const int32_t *r = seen[i].replica;
        size_t at = 0;
        for (int k = 0; k < 3; k++) {
            CHECK(abs(r[k]) <= reach);
            at = at * (size_t)side + (size_t)(r[k] + reach);
            CHECK(fabs(s->x[seen[i].id][k] + r[k] * s->box[k] - sky->observer[k] -
                       seen[i].x[k]) < 1e-12);
        }
        at = at * s->n + (size_t)seen[i].id;
        CHECK(!there[at]);
        there[at] = 1;
    }
    for (int a = -reach; a <= reach; a++)
        for (int b = -reach; b <= reach; b++)
            for (int c = -reach; c <= reach; c++)
                for (size_t i = 0; i < s->n; i++) {
                    const double x = s->x[i][0] + a * s->box[0] - sky->observer[0],
                                 y = s->x[i][1] + b * s->box[1] - sky->observer[1],
                                 z = s->x[i][2] + c * s->box[2] - sky->observer[2];
                    const double r = sqrt(x * x + y * y + z * z);
                    want += r >= from && r < to;
                }
    CHECK(want == n);
    free(there);
}

static void test_lattice(const peri_distances_t *d)
{
    /* Many at exactly the borders of shells and copies. */
    set_t s = set_new(125, 5, true);
    for (int i = 0; i < 125; i++) {
        s.x[i][0] = i % 5;
        s.x[i][1] = i / 5 % 5;
        s.x[i][2] = (double)(i / 25);
    }
    const peri_sky_t sky = whole_sky(d);
    size_t n, again;
    peri_sighting_t *seen = watch(&s, nranks, &sky, 2, 30, &n);
    peri_sighting_t *same = watch(&s, 1, &sky, 2, 30, &again);
    CHECK(n == again && (n == 0 || memcmp(seen, same, n * sizeof(*seen)) == 0));
    if (rank == 0) check_images(&s, &sky, 2, 30, seen, n);
    for (size_t i = 0; i < n; i++) {
        const double r = seen[i].distance;
        const int want = r < 6 ? 1 : r < 14.5 ? 3 : r < 23.5 ? 4 : 5;
        CHECK(seen[i].snapnum == want);
        CHECK(i == 0 || r >= seen[i - 1].distance);
        CHECK(fabs(peri_distance_of(d, seen[i].redshift) - r) < 1e-9);
    }
    free(seen);
    free(same);
    set_free(&s);
}

/* Directions: by the angles that come out; eight octants make the sky. */
static void test_directions(const peri_distances_t *d)
{
    seed = 4;
    set_t s = set_new(300, 7, true);
    peri_sky_t sky = whole_sky(d);
    size_t nall, n, sum = 0, in_cone = 0;
    peri_sighting_t *all = watch(&s, nranks, &sky, 0, 25, &nall);
    for (int octant = 0; octant < 8; octant++) {
        sky.ra[0] = octant % 4 * 90;
        sky.ra[1] = sky.ra[0] + 90;
        sky.dec[0] = octant < 4 ? -90 : 0;
        sky.dec[1] = sky.dec[0] + 90;
        CHECK(fabs(peri_sky_fraction(&sky) - 0.125) < 1e-12);
        free(watch(&s, nranks, &sky, 0, 25, &n));
        sum += n;
    }
    CHECK(sum == nall);
    sky = whole_sky(d);
    sky.ra[0] = 340;
    sky.ra[1] = 30;
    const double ra = 20 * DEGREE, dec = -35 * DEGREE;
    memcpy(sky.axis, (double[]){cos(dec) * cos(ra), cos(dec) * sin(ra), sin(dec)},
           sizeof(sky.axis));
    sky.cosine = cos(25 * DEGREE);
    free(watch(&s, nranks, &sky, 0, 25, &n));
    for (size_t i = 0; i < nall; i++) {
        const double a = all[i].ra * DEGREE, b = all[i].dec * DEGREE;
        CHECK(fabs(all[i].distance * cos(b) * cos(a) - all[i].x[0]) < 1e-9);
        CHECK(fabs(all[i].distance * cos(b) * sin(a) - all[i].x[1]) < 1e-9);
        in_cone += sin(b) * sin(dec) + cos(b) * cos(dec) * cos(a - ra) >= sky.cosine &&
                   (all[i].ra >= 340 || all[i].ra < 30);
    }
    CHECK(n == in_cone && (rank || n > 100));
    free(all);
    set_free(&s);
}

static void test_density(const peri_distances_t *d)
{
    seed = 6;
    set_t s = set_new(2000, 20, true);
    const peri_sky_t sky = whole_sky(d);
    size_t n, at = 0;
    peri_sighting_t *seen = watch(&s, nranks, &sky, 0, 45, &n);
    for (double r = 5; r <= 45 && rank == 0; r += 5) {
        size_t count = 0;
        for (; at < n && seen[at].distance < r; at++) count++;
        const double want =
            0.25 * 4 * M_PI / 3 * (r * r * r - (r - 5) * (r - 5) * (r - 5));
        /* Copies repeat: the noise is that of 2,000 particles where it is not that of
         * fewer. */
        CHECK(fabs((double)count - want) < 4 * want / sqrt(fmin(want, 2000)));
    }
    free(seen);
    set_free(&s);
}

/* ---- particles that move ---- */

static void test_motion(void)
{
    peri_distances_t *d = peri_distances_new(0.3, 0.7, 3000, 0.1, &err);
    CHECK(d);
    set_t s = set_new(50, 5, true);
    peri_sky_t sky = whole_sky(d);
    sky.motion = true;
    for (size_t i = 0; i < s.n; i++)
        for (int k = 0; k < 3; k++) s.v[i][k] = 3000 * (uniform() - 0.5);
    const peri_shell_t shell = {0, 8, 4, 12};
    peri_sightings_t seen = {0};
    peri_particles_t *p = deal(&s, ALL, nranks);
    CHECK(peri_lightcone_add(&seen, &sky, p, &shell, NULL, &err) == 0);
    CHECK(nranks > 1 || seen.n > 100);
    for (size_t i = 0; i < seen.n; i++) {
        const peri_sighting_t *o = &seen.rows[i];
        double v_los = 0;
        CHECK(o->distance >= 4 && o->distance < 12);
        for (int k = 0; k < 3; k++) {
            /* Where it was when it sent the light, from where the snapshot has it. */
            const double x = s.x[o->id][k] + 5 * o->replica[k] - sky.observer[k] -
                             s.v[o->id][k] / PERI_LIGHT * (o->distance - 8);
            CHECK(fabs(x - o->x[k]) < 2e-4); /* second order: (v / c)^2 * 4 */
            v_los += o->v[k] * o->x[k] / o->distance;
        }
        CHECK(fabs(o->v_los - v_los) < 1e-9);
        CHECK(fabs((1 + o->redshift) * (1 + v_los / PERI_LIGHT) - 1 - o->observed) <
              1e-12);
    }
    p->vx[0] = NAN;
    CHECK(p->n == 0 || peri_lightcone_add(&seen, &sky, p, &shell, NULL, &err) == -1);
    free(seen.rows);
    peri_particles_free(p);
    peri_distances_free(d);
    set_free(&s);
}

int main(int argc, char **argv)
{
    fixture_begin(&argc, &argv);
    test_distances();
    test_units();
    peri_distances_t *d = peri_distances_new(0.3, 0.7, 3000, 0.1, &err);
    CHECK(d);
    test_lattice(d);
    test_directions(d);
    test_density(d);
    peri_distances_free(d);
    test_motion();
    MPI_Finalize();
    return 0;
}
