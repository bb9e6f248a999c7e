/* test_field_power.c - power spectra against analytic ones, exact sums over particles,
 * and those that GADGET-4 measured itself. On 1 to 4 ranks.
 */
#include <hdf5.h>
#include <unistd.h>

#include "mpi/field/power.h"
#include "test_field_fixture.h"

#define MAX_BINS 200

static peri_powerspec_t spec(size_t n, double box)
{
    return (peri_powerspec_t){.n = {n, n, n},
                              .box = {box, box, box},
                              .scheme = PERI_PCS,
                              .interlaced = true,
                              .compensate = true,
                              .axis = 2};
}

/* Bins of the points of all ranks; also those of one rank alone, which must be the same
 * to rounding. The shot noise is returned. */
static double measure(const peri_powerspec_t *s, const points_t *p,
                      peri_powerbin_t bins[MAX_BINS])
{
    peri_powermodes_t m, alone;
    peri_powerbin_t same[MAX_BINS];
    peri_points_t mine = part(p), all = whole(p);
    CHECK(peri_power_nbins(s) <= MAX_BINS);
    CHECK(peri_power_transform(s, &mine, COMM, &m, &err) == 0);
    CHECK(peri_power_measure(s, &m, &m, bins, &err) == 0);
    double shot = peri_power_shot_noise(s, &m);
    CHECK(peri_power_transform(s, &all, MPI_COMM_SELF, &alone, &err) == 0);
    CHECK(peri_power_measure(s, &alone, &alone, same, &err) == 0);
    for (size_t i = 0; i < peri_power_nbins(s); i++) {
        CHECK(bins[i].modes == same[i].modes);
        for (int l = 0; bins[i].modes && l < 3; l++)
            CHECK(fabs(bins[i].p[l] - same[i].p[l]) <
                  1e-11 * (fabs(same[i].p[0]) + shot));
    }
    peri_field_free(m.modes);
    peri_field_free(alone.modes);
    return shot;
}

/* Modes as counted one by one. */
static void test_counts(void)
{
    for (size_t bins = 0; bins <= 9; bins += 9)
        for (size_t n = 7; n <= 8; n++) {
            peri_powerspec_t s = spec(n, 3);
            s.bins = bins;
            s.n[1] = 12;
            points_t p = points_new(1);
            memset(p.x[0], 0, 8), memset(p.x[1], 0, 8), memset(p.x[2], 0, 8);
            p.w[0] = 1;
            peri_powerbin_t out[MAX_BINS];
            measure(&s, &p, out);
            size_t nbins = peri_power_nbins(&s);
            CHECK(nbins == (bins ? bins : n / 2 - 1));
            for (size_t b = 0; b < nbins; b++) {
                long count = 0;
                double sum = 0;
                for (long x = -8; x <= 8; x++)
                    for (long y = -8; y <= 8; y++)
                        for (long z = -8; z <= 8; z++) {
                            double k =
                                2 * M_PI / 3 * sqrt((double)(x * x + y * y + z * z));
                            /* Borders of log bins are no wave numbers, but for the first.
                             */
                            if (k < out[b].k_lo * (1 - 1e-13) ||
                                k >= out[b].k_hi * (1 - 1e-13))
                                continue;
                            count++;
                            sum += k;
                        }
                CHECK(out[b].modes == count);
                if (!count) continue;
                CHECK(fabs(out[b].k - sum / (double)count) < 1e-12 * out[b].k);
                /* One particle: all modes have the power 1, in units of V. */
                CHECK(fabs(out[b].p[0] / (27 * 1.0) - 1) < 0.35);
            }
            points_free(&p);
        }
    peri_powerspec_t tiny = spec(3, 1);
    CHECK(peri_power_nbins(&tiny) == 0);
}

/* A lattice displaced by A sin(k q) has |delta_k| = J1(k A), exactly. */
static void test_wave(int axis)
{
    const int side = 32, number = 3;
    const double box = 20, amplitude = 0.4;
    points_t p = points_new((size_t)(side * side * side));
    double k = 2 * M_PI * number / box;
    for (size_t i = 0; i < p.n; i++) {
        size_t q[3] = {i % 32, i / 32 % 32, i / 1024};
        for (int a = 0; a < 3; a++)
            p.x[a][i] =
                ((double)q[a] + 0.5) * box / side +
                (a == axis ? amplitude * sin(k * ((double)q[a] + 0.5) * box / side) : 0);
        p.w[i] = 2;
    }
    peri_powerspec_t s = spec(64, box);
    s.axis = axis;
    peri_powerbin_t bins[MAX_BINS];
    measure(&s, &p, bins);
    double power = 2 * pow(box, 3) * pow(j1(k * amplitude), 2); /* of k and -k */
    const peri_powerbin_t *b = &bins[number - 1];
    double sum = b->p[0] * (double)b->modes;
    CHECK(fabs(sum / power - 1) < 2e-5);
    /* All of it is along the line of sight: mu = 1. */
    CHECK(fabs(b->p[1] / b->p[0] - 5) < 1e-6 && fabs(b->p[2] / b->p[0] - 9) < 1e-6);
    CHECK(bins[number].p[0] < 1e-6 * b->p[0]);
    /* Across it, mu = 0: L2 = -1/2, L4 = 3/8. */
    s.axis = (axis + 1) % 3;
    measure(&s, &p, bins);
    CHECK(fabs(b->p[1] / b->p[0] + 2.5) < 1e-6);
    CHECK(fabs(b->p[2] / b->p[0] - 27 / 8.0) < 1e-6);
    points_free(&p);
}

/* Points without order have V sum w^2 / (sum w)^2, within what so many modes scatter. */
static void test_poisson(void)
{
    points_t p = points_new(40000);
    seed = 11;
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < 3; k++) p.x[k][i] = uniform() * 100;
        p.w[i] = i % 2 ? 1 : 3;
    }
    peri_powerspec_t s = spec(48, 100);
    peri_powerbin_t bins[MAX_BINS];
    double shot = measure(&s, &p, bins);
    CHECK(fabs(shot - 1e6 * 5 / 4 / 40000) < 1e-9);
    double chi2 = 0;
    size_t n = peri_power_nbins(&s);
    for (size_t i = 0; i < n; i++) {
        double sigma = sqrt(2 / (double)bins[i].modes);
        double off = (bins[i].p[0] / shot - 1) / sigma;
        CHECK(fabs(off) < 4.5);
        CHECK(fabs(bins[i].p[1] / shot) < 4.5 * sigma * sqrt(5));
        CHECK(fabs(bins[i].p[2] / shot) < 4.5 * sigma * 3);
        chi2 += off * off;
    }
    CHECK(n == 23 && chi2 > 8 && chi2 < 45); /* 99.9 % */
    points_free(&p);
}

/* ---- exact sums ---- */

static points_t clustered(size_t n, double box)
{
    points_t p = points_new(n);
    seed = 21;
    double centre[3] = {0};
    for (size_t i = 0; i < n; i++) {
        if (i % 40 == 0)
            for (int k = 0; k < 3; k++) centre[k] = uniform() * box;
        for (int k = 0; k < 3; k++) {
            double x = centre[k] + 0.02 * box * normal();
            p.x[k][i] = x - box * floor(x / box);
        }
        p.w[i] = 1;
    }
    return p;
}

static double exact_bin(const points_t *p, const double box[3], const peri_powerbin_t *b)
{
    double sum = 0, unit[3], lowest = INFINITY;
    for (int k = 0; k < 3; k++) lowest = fmin(lowest, unit[k] = 2 * M_PI / box[k]);
    long top = (long)(b->k_hi / lowest) + 1, count = 0;
    for (long x = -top; x <= top; x++)
        for (long y = -top; y <= top; y++)
            for (long z = 0; z <= top; z++) {
                double at[3] = {(double)x * unit[0], (double)y * unit[1],
                                (double)z * unit[2]};
                double k = sqrt(at[0] * at[0] + at[1] * at[1] + at[2] * at[2]);
                double re = 0, im = 0;
                if (k < b->k_lo * (1 - 1e-13) || k >= b->k_hi * (1 - 1e-13)) continue;
                for (size_t i = 0; i < p->n; i++) {
                    double phase =
                        at[0] * p->x[0][i] + at[1] * p->x[1][i] + at[2] * p->x[2][i];
                    re += cos(phase);
                    im += sin(phase);
                }
                int weight = z ? 2 : 1;
                sum += weight * (re * re + im * im);
                count += weight;
            }
    double n = (double)p->n;
    return sum / (double)count * box[0] * box[1] * box[2] / n / n;
}

static double worst_error(const points_t *p, const double *exact, size_t nbins,
                          peri_scheme_t scheme, bool interlaced)
{
    peri_powerspec_t s = spec(24, 50);
    peri_powerbin_t bins[MAX_BINS];
    s.scheme = scheme;
    s.interlaced = interlaced;
    measure(&s, p, bins);
    double worst = 0;
    for (size_t i = 0; i < nbins; i++)
        worst = fmax(worst, fabs(bins[i].p[0] / exact[i] - 1));
    return worst;
}

/* Against the sum over all particles, for all k to Nyquist and to 2/3 of it. */
static void test_exact(void)
{
    points_t p = clustered(400, 50);
    peri_powerspec_t s = spec(24, 50);
    peri_powerbin_t bins[MAX_BINS];
    measure(&s, &p, bins);
    double exact[MAX_BINS];
    size_t nbins = peri_power_nbins(&s), low = nbins * 2 / 3;
    for (size_t i = 0; i < nbins; i++) exact[i] = exact_bin(&p, s.box, &bins[i]);
    double pcs = worst_error(&p, exact, nbins, PERI_PCS, true);
    double pcs_low = worst_error(&p, exact, low, PERI_PCS, true);
    double tsc_low = worst_error(&p, exact, low, PERI_TSC, true);
    double plain_low = worst_error(&p, exact, low, PERI_TSC, false);
    double cic_low = worst_error(&p, exact, low, PERI_CIC, false);
    if (!rank && nranks == 1)
        printf("error: PCS interlaced to Nyquist %.2g; to 2/3 of it %.2g, TSC %.2g, "
               "not interlaced %.2g, CIC not interlaced %.2g\n",
               pcs, pcs_low, tsc_low, plain_low, cic_low);
    CHECK(pcs_low < 1e-4 && tsc_low < 1e-3 && pcs < 0.02);
    CHECK(plain_low > 2.5 * tsc_low && cic_low > 10 * pcs_low);
    points_free(&p);
}

/* Three different sides, three different numbers of cells. */
static void test_exact_brick(void)
{
    points_t p = clustered(100, 10);
    peri_powerspec_t s = spec(0, 0);
    memcpy(s.n, (size_t[]){26, 39, 32}, sizeof(s.n));
    memcpy(s.box, (double[]){10, 20, 14}, sizeof(s.box));
    peri_powerbin_t bins[MAX_BINS];
    measure(&s, &p, bins);
    size_t nbins = peri_power_nbins(&s);
    CHECK(nbins == 18);
    for (size_t i = 0; i < nbins / 2; i++)
        CHECK(fabs(bins[i].p[0] / exact_bin(&p, s.box, &bins[i]) - 1) < 1e-4);
    points_free(&p);
}

/* Cross spectrum of a set with itself is its own; with one that is independent, none. */
static void test_cross(void)
{
    points_t p = clustered(3000, 50), q = clustered(3000, 50);
    for (size_t i = 0; i < q.n; i++)
        for (int k = 0; k < 3; k++) q.x[k][i] = uniform() * 50;
    peri_powerspec_t s = spec(32, 50);
    peri_powermodes_t a, b;
    peri_powerbin_t aa[MAX_BINS], bb[MAX_BINS], ab[MAX_BINS];
    peri_points_t some = part(&p), other = part(&q);
    CHECK(peri_power_transform(&s, &some, COMM, &a, &err) == 0);
    CHECK(peri_power_transform(&s, &other, COMM, &b, &err) == 0);
    CHECK(peri_power_measure(&s, &a, &a, aa, &err) == 0);
    CHECK(peri_power_measure(&s, &b, &b, bb, &err) == 0);
    CHECK(peri_power_measure(&s, &a, &b, ab, &err) == 0);
    for (size_t i = 0; i < peri_power_nbins(&s); i++)
        CHECK(fabs(ab[i].p[0]) <
              4.5 * sqrt(aa[i].p[0] * bb[i].p[0] / (double)ab[i].modes));
    peri_field_free(a.modes);
    peri_field_free(b.modes);
    points_free(&p);
    points_free(&q);
}

/* ---- a Gaussian random field ---- */

#define BETA 0.5
#define SIDE 64

static double input_power(double k)
{
    return 200 * k / pow(1 + 4 * k * k, 1.5);
}

/* Particles on a lattice that weigh 1 + delta, delta of the spectrum P(k) (1 + beta
 * mu^2)^2: the measurement must give back P and Kaiser's multipoles of it. */
static void test_gaussian(void)
{
    const double box = 100, volume = 1e6;
    const size_t n[3] = {SIDE, SIDE, SIDE};
    const double sides[3] = {box, box, box};
    peri_field_t *f = peri_field_new(n, sides, MPI_COMM_SELF, &err);
    CHECK(f);
    seed = 77;
    for (size_t x = 0; x < SIDE; x++)
        for (size_t y = 0; y < SIDE; y++)
            for (size_t z = 0; z < SIDE; z++) peri_field_row(f, x, y)[z] = normal();
    CHECK(peri_field_forward(f, &err) == 0);
    for (size_t r = 0; r < peri_field_moderows(f); r++) {
        long k[2];
        double complex *row = peri_field_moderow(f, r, k);
        for (long z = 0; z <= SIDE / 2; z++) {
            double k2 = (double)(k[0] * k[0] + k[1] * k[1] + z * z);
            double mu2 = k2 > 0 ? (double)(k[0] * k[0]) / k2 : 0;
            double power =
                input_power(2 * M_PI / box * sqrt(k2)) * pow(1 + BETA * mu2, 2);
            row[z] *= k2 > 0 ? sqrt(power / volume * SIDE * SIDE * SIDE) : 0;
        }
    }
    CHECK(peri_field_backward(f, &err) == 0);
    points_t p = points_new((size_t)SIDE * SIDE * SIDE);
    for (size_t i = 0; i < p.n; i++) {
        size_t q[3] = {i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE};
        for (int k = 0; k < 3; k++) p.x[k][i] = ((double)q[k] + 0.5) * box / SIDE;
        p.w[i] = 1 + peri_field_row(f, q[0], q[1])[q[2]];
    }
    peri_field_free(f);
    peri_powerspec_t s = spec(SIDE, box);
    s.scheme = PERI_NGP; /* exact on the lattice, without a window */
    s.interlaced = s.compensate = false;
    s.axis = 0;
    peri_powerbin_t bins[MAX_BINS];
    measure(&s, &p, bins);
    double chi2 = 0, sums[4] = {0};
    size_t nbins = peri_power_nbins(&s);
    for (size_t i = 0; i < nbins; i++) {
        double right = input_power(bins[i].k) * (1 + 2 * BETA / 3 + BETA * BETA / 5);
        /* Of P(k, mu)^2 over mu, a little more than P0^2: 1.2. */
        double off = (bins[i].p[0] / right - 1) / sqrt(2 * 1.2 / (double)bins[i].modes);
        CHECK(fabs(off) < 4.5 || bins[i].modes < 100);
        chi2 += off * off;
        for (int l = 0; l < 3; l++)
            sums[l] += bins[i].p[l] * (double)bins[i].modes / right;
        sums[3] += (double)bins[i].modes;
    }
    CHECK(chi2 < 62); /* 31 bins: 99.9 % */
    /* Over all 137,000 modes: 0.5 % in the mean, multipoles by Kaiser 1987. */
    double p0 = 1 + 2 * BETA / 3 + BETA * BETA / 5;
    CHECK(fabs(sums[0] / sums[3] - 1) < 0.02);
    CHECK(fabs(sums[1] / sums[0] - (4 * BETA / 3 + 4 * BETA * BETA / 7) / p0) < 0.04);
    CHECK(fabs(sums[2] / sums[0] - 8 * BETA * BETA / 35 / p0) < 0.05);
    points_free(&p);
}

/* ---- GADGET-4 ---- */

static size_t read_positions(const char *path, points_t *p, size_t at)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    CHECK(file >= 0);
    hid_t set = H5Dopen2(file, "PartType1/Coordinates", H5P_DEFAULT);
    hid_t space = H5Dget_space(set);
    hsize_t dims[2];
    H5Sget_simple_extent_dims(space, dims, NULL);
    CHECK(at + dims[0] <= p->n);
    double *x = peri_xmalloc(dims[0] * 3 * sizeof(double));
    CHECK(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
    for (size_t i = 0; i < dims[0]; i++)
        for (int k = 0; k < 3; k++) p->x[k][at + i] = x[3 * i + (size_t)k];
    free(x);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
    return dims[0];
}

/* What GADGET-4 wrote of its own: lines "k Delta^2 P/V modes shot", after a head of a,
 * number of lines, box, mesh, growth; the first block is without folding. Averaged over
 * the modes of our bins. */
static void read_gadget(const char *path, const peri_powerbin_t *bins, size_t nbins,
                        double *power, double *modes)
{
    FILE *f = fopen(path, "r");
    double a, box = 0, growth;
    int lines = 0, mesh = 0;
    CHECK(f && fscanf(f, "%lf %d %lf %d %lf", &a, &lines, &box, &mesh, &growth) == 5);
    CHECK(box == 50 && mesh == 128 && lines < 5000);
    memset(power, 0, nbins * sizeof(double));
    memset(modes, 0, nbins * sizeof(double));
    for (int i = 0; i < lines; i++) {
        double k, delta2, p, count, shot;
        CHECK(fscanf(f, "%lf %lf %lf %lf %lf", &k, &delta2, &p, &count, &shot) == 5);
        for (size_t b = 0; b < nbins; b++)
            if (k >= bins[b].k_lo * (1 - 6e-6) && k < bins[b].k_hi * (1 - 6e-6)) {
                power[b] += p * count * box * box * box;
                modes[b] += count;
            }
    }
    fclose(f);
    for (size_t b = 0; b < nbins; b++) power[b] /= modes[b];
}

static void test_gadget(int snap)
{
    const char *env = getenv("PERIGEE_SHARED_DATA");
    const char *data = env ? env : PERIGEE_SOURCE_DIR "/../shared/data";
    char path[1024];
    points_t p = points_new(262144);
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path),
                 "%s/gadget4_run64/snapdir_%03d/snapshot_%03d.%d.hdf5", data, snap, snap,
                 i);
        if (access(path, R_OK)) {
            if (!rank) printf("SKIP: no %s\n", path);
            points_free(&p);
            return;
        }
        n += read_positions(path, &p, n);
    }
    CHECK(n == p.n);
    for (size_t i = 0; i < n; i++) p.w[i] = 1;
    peri_powerspec_t s = spec(128, 50);
    peri_powerbin_t bins[MAX_BINS];
    double power[MAX_BINS], modes[MAX_BINS];
    CHECK(fabs(measure(&s, &p, bins) - 125000.0 / 262144) < 1e-12);
    size_t nbins = peri_power_nbins(&s), half = nbins / 2;
    snprintf(path, sizeof(path), "%s/gadget4_run64/powerspecs/powerspec_%03d.txt", data,
             snap);
    read_gadget(path, bins, nbins, power, modes);
    double worst = 0, quarter = 0;
    for (size_t b = 0; b < half; b++) {
        /* Its own 991 bins hold wave numbers of both sides of our borders at times. */
        CHECK(fabs((double)bins[b].modes / modes[b] - 1) < (b < half / 2 ? 1e-9 : 0.1));
        double off = fabs(bins[b].p[0] / power[b] - 1);
        worst = fmax(worst, off);
        if (b < half / 2) quarter = fmax(quarter, off);
    }
    if (!rank && nranks == 1)
        printf("snapshot %d: GADGET-4's P(k) within %.2g to k of Nyquist / 4, %.2g to "
               "Nyquist / 2\n",
               snap, quarter, worst);
    CHECK(quarter < 1e-3 && worst < 1e-2);
    points_free(&p);
}

static void test_bad(void)
{
    peri_powerspec_t s = spec(8, 1);
    peri_powermodes_t m;
    peri_points_t none = {0};
    CHECK(peri_power_transform(&s, &none, COMM, &m, &err) == -1 &&
          err.code == PERI_EINVAL);
    points_t p = clustered(40, 1);
    for (size_t i = 0; i < p.n; i++) p.w[i] = -1;
    peri_points_t mine = part(&p);
    CHECK(peri_power_transform(&s, &mine, COMM, &m, &err) == -1);
    mine.weight = NULL;
    s.box[1] = 0;
    CHECK(peri_power_transform(&s, &mine, COMM, &m, &err) == -1);
    points_free(&p);
}

int main(int argc, char **argv)
{
    begin(&argc, &argv);
    what = "counts";
    test_counts();
    what = "wave";
    for (int axis = 0; axis < 3; axis++) test_wave(axis);
    what = "poisson";
    test_poisson();
    what = "exact";
    test_exact();
    what = "brick";
    test_exact_brick();
    what = "cross";
    test_cross();
    what = "gaussian";
    test_gaussian();
    what = "gadget";
    test_gadget(23);
    test_gadget(5);
    what = "bad input";
    test_bad();
    MPI_Finalize();
    return 0;
}
