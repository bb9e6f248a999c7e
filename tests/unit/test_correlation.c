/* test_correlation.c - pair counts over ranks against a double loop over all pairs and
 * one rank alone; correlation functions of points without order and of a known one. Run
 * on 1 to 4 ranks.
 */
#include "mpi/halo/correlation.h"
#include "mpi/halo/estimate.h"
#include "tests/unit/test_field_fixture.h"

static const double box[3] = {10, 12, 9};

/* ---- points ---- */

typedef enum { SPREAD, CLUMPS, ONE_PLACE, BORDER } shape_t;

typedef struct {
    size_t n;
    double *at[3], *weight;
} cloud_t;

static cloud_t make_cloud(shape_t shape, size_t n, bool weights)
{
    cloud_t c = {.n = n, .weight = NULL};
    double *m = malloc((4 * n + 1) * sizeof(*m)), middle[3] = {5, 5, 5};
    for (size_t d = 0; d < 3; d++) c.at[d] = m + d * n;
    if (weights) c.weight = m + 3 * n;
    for (size_t i = 0; i < n; i++) {
        m[3 * n + i] = 3 * uniform() - 1;
        for (int d = 0; d < 3; d++) {
            double x = uniform();
            if (i % 100 == 0) middle[d] = x;
            if (shape == CLUMPS) x = middle[d] + 0.1 * (uniform() - 0.5) * uniform();
            if (shape == ONE_PLACE) x = 0.25;
            if (shape == BORDER) x = i % 2 ? 0 : 1 - 0x1p-50;
            x = (x - floor(x)) * box[d];
            c.at[d][i] = x < box[d] ? x : 0;
        }
    }
    return c;
}

/* This rank's part of the points; among = 1: all; -1: the last rank has all. */
static peri_particles_t *deal_out(const cloud_t *c, bool periodic, int among)
{
    peri_particles_t *p =
        peri_particles_new(c->weight ? PERI_HAS_WEIGHT : 0, periodic ? box : NULL);
    size_t k = 0;
    CHECK(peri_particles_resize(p, c->n, &err) == 0);
    for (size_t i = 0; i < c->n; i++) {
        if (among > 1 && (int)(i * 7 % (size_t)among) != rank) continue;
        if (among < 0 && rank != nranks - 1) continue;
        p->x[k] = c->at[0][i];
        p->y[k] = c->at[1][i];
        p->z[k] = c->at[2][i];
        if (c->weight) p->weight[k] = c->weight[i];
        k++;
    }
    CHECK(peri_particles_resize(p, k, &err) == 0);
    return p;
}

static peri_pairs_points_t points_of(const cloud_t *c)
{
    return (peri_pairs_points_t){
        .n = c->n, .x = c->at[0], .y = c->at[1], .z = c->at[2], .weight = c->weight};
}

/* ---- all pairs ---- */

static double nearest(double d, double side)
{
    return d > side / 2 ? d - side : d < -side / 2 ? d + side : d;
}

/* Ordered pairs (i, j), i not j of one set: the bin of each, by its definition. Ranks
 * share the work. */
static void count_all(const cloud_t *a, const cloud_t *b, bool periodic,
                      const peri_pairs_bins_t *bins, uint64_t *count, double *weight)
{
    const size_t nsecond = bins->kind == PERI_PAIRS_R ? 1 : bins->nsecond;
    for (size_t k = 0; k < bins->nfirst * nsecond; k++) count[k] = 0, weight[k] = 0;
    for (size_t i = (size_t)rank; i < a->n; i += (size_t)nranks) {
        for (size_t j = 0; j < b->n; j++) {
            if (a == b && i == j) continue;
            double d[3], r2 = 0;
            for (int k = 0; k < 3; k++) {
                d[k] = b->at[k][j] - a->at[k][i];
                if (periodic) d[k] = nearest(d[k], box[k]);
                r2 += d[k] * d[k];
            }
            double first = sqrt(r2), second = r2 > 0 ? fabs(d[2]) / sqrt(r2) : 0;
            if (bins->kind == PERI_PAIRS_RP_PI) {
                first = sqrt(d[0] * d[0] + d[1] * d[1]);
                second = fabs(d[2]);
            }
            size_t k = 0, l = 0;
            while (k < bins->nfirst && first >= bins->first[k + 1]) k++;
            while (nsecond > 1 && l < nsecond && second >= bins->second[l + 1]) l++;
            if (bins->kind == PERI_PAIRS_S_MU && l == nsecond) l--;
            if (first < bins->first[0] || k == bins->nfirst || l == nsecond) continue;
            count[k * nsecond + l]++;
            weight[k * nsecond + l] +=
                (a->weight ? a->weight[i] : 1) * (b->weight ? b->weight[j] : 1);
        }
    }
    const int n = (int)(bins->nfirst * nsecond);
    MPI_Allreduce(MPI_IN_PLACE, count, n, MPI_UINT64_T, MPI_SUM, COMM);
    MPI_Allreduce(MPI_IN_PLACE, weight, n, MPI_DOUBLE, MPI_SUM, COMM);
}

static void check_same(const peri_correlation_t *a, const peri_correlation_t *b)
{
    const peri_pairs_counts_t *const ca[] = {a->dd, a->dr, a->rd, a->rr};
    const peri_pairs_counts_t *const cb[] = {b->dd, b->dr, b->rd, b->rr};
    const size_t n = a->nbins * sizeof(double);
    CHECK(a->nbins == b->nbins);
    for (int k = 0; k < 4; k++) {
        CHECK(!ca[k] == !cb[k]);
        if (!ca[k]) continue;
        CHECK(memcmp(ca[k]->count, cb[k]->count, a->nbins * 8) == 0);
        CHECK(!ca[k]->weight || !memcmp(ca[k]->weight, cb[k]->weight, a->nbins * 16));
        CHECK(!ca[k]->separation ||
              !memcmp(ca[k]->separation, cb[k]->separation, a->nbins * 16));
    }
    CHECK(memcmp(a->xi, b->xi, n) == 0);
    CHECK(memcmp(a->expected, b->expected, n) == 0);
    CHECK(memcmp(a->error, b->error, n) == 0);
}

static peri_correlation_t *measure(const cloud_t *clouds, bool periodic, int among,
                                   const peri_correlation_options_t *o, MPI_Comm comm)
{
    peri_particles_t *sets[4] = {NULL};
    for (int k = 0; k < 4; k++)
        if (clouds[k].n) sets[k] = deal_out(&clouds[k], periodic, among);
    peri_correlation_t *c = peri_correlation_measure(sets, o, comm, &err);
    for (int k = 0; k < 4; k++) peri_particles_free(sets[k]);
    return c;
}

static const double edges[] = {0, 0.3, 0.5, 1, 2, 3, 4.5}, pis[] = {0, 0.5, 2, 4.5},
                    mus[] = {0, 0.2, 0.7, 1};

/* One rank of many counts what all pairs are; all ranks have the same bits as one. */
static void test_counts(const char *name, const cloud_t *clouds, bool periodic,
                        peri_pairs_kind_t kind, bool mean)
{
    what = name;
    peri_correlation_options_t o = {.bins = {kind, PERI_LOS_Z, 6, edges, 3, mus},
                                    .mean = mean};
    if (kind == PERI_PAIRS_RP_PI) o.bins.second = pis;
    if (kind == PERI_PAIRS_R) o.bins.nsecond = 0;
    peri_correlation_t *c = measure(clouds, periodic, nranks, &o, COMM);
    CHECK(c);
    uint64_t count[18];
    double weight[18];
    const cloud_t *second = clouds[2].n ? &clouds[2] : NULL;
    const cloud_t *other = clouds[3].n ? &clouds[3] : &clouds[1];
    const struct {
        const peri_pairs_counts_t *found;
        const cloud_t *a, *b;
    } cases[] = {{c->dd, &clouds[0], second ? second : &clouds[0]},
                 {c->dr, &clouds[0], other},
                 {c->rd, &clouds[1], second},
                 {c->rr, &clouds[1], other}};
    for (int k = 0; k < 4; k++) {
        if (!cases[k].found) continue;
        count_all(cases[k].a, cases[k].b, periodic, &o.bins, count, weight);
        for (size_t b = 0; b < c->nbins; b++) {
            const double w = peri_pairs_weight(cases[k].found, b);
            CHECK(cases[k].found->count[b] == count[b]);
            CHECK(fabs(w - weight[b]) <= 1e-9 * (double)(count[b] + 1));
        }
    }
    peri_correlation_t *one = measure(clouds, periodic, 1, &o, MPI_COMM_SELF);
    CHECK(one);
    check_same(c, one);
    peri_correlation_free(one);
    one = measure(clouds, periodic, -1, &o, COMM);
    CHECK(one);
    check_same(c, one);
    peri_correlation_free(one);
    peri_correlation_free(c);
}

static void test_all_counts(void)
{
    seed = 3;
    cloud_t none = {0}, few = make_cloud(SPREAD, 3, false);
    cloud_t spread = make_cloud(SPREAD, 2500, false);
    cloud_t clumps = make_cloud(CLUMPS, 2500, true);
    cloud_t place = make_cloud(ONE_PLACE, 900, false);
    cloud_t border = make_cloud(BORDER, 1500, true);
    cloud_t small = make_cloud(CLUMPS, 700, false);
    const cloud_t alone[4] = {spread, none, none, none},
                  tight[4] = {clumps, none, none, none};
    const cloud_t most[4] = {small, spread, clumps, none},
                  all[4] = {small, clumps, few, spread};
    test_counts("spread", alone, true, PERI_PAIRS_R, false);
    test_counts("spread, mean", alone, true, PERI_PAIRS_RP_PI, true);
    test_counts("clumps", tight, true, PERI_PAIRS_R, true);
    test_counts("clumps, mu", tight, true, PERI_PAIRS_S_MU, false);
    test_counts("few", (cloud_t[4]){few, none, none, none}, true, PERI_PAIRS_R, false);
    test_counts("one place", (cloud_t[4]){place, none, none, none}, true, PERI_PAIRS_S_MU,
                false);
    test_counts("border", (cloud_t[4]){border, none, none, none}, true, PERI_PAIRS_R,
                false);
    test_counts("two sets", (cloud_t[4]){clumps, none, small, none}, true,
                PERI_PAIRS_RP_PI, false);
    test_counts("randoms", (cloud_t[4]){clumps, spread, none, none}, false, PERI_PAIRS_R,
                true);
    test_counts("randoms of both", most, false, PERI_PAIRS_R, false);
    test_counts("all sets", all, true, PERI_PAIRS_S_MU, false);
}

/* ---- what correlation functions are ---- */

/* Points without order have none, in any mode. */
static void test_poisson(void)
{
    what = "Poisson";
    seed = 11;
    const cloud_t none = {0}, c[4] = {make_cloud(SPREAD, 6000, false), none, none, none};
    const cloud_t r[4] = {c[0], make_cloud(SPREAD, 9000, false), none, none};
    static const double out[] = {0.2, 0.5, 1, 2, 3, 4.4};
    peri_correlation_options_t o = {.bins = {PERI_PAIRS_R, PERI_LOS_Z, 5, out, 0, NULL}};
    for (int with = 0; with < 2; with++) {
        peri_correlation_t *p = measure(with ? r : c, true, nranks, &o, COMM);
        CHECK(p);
        for (size_t k = 0; k < 5; k++) CHECK(fabs(p->xi[k]) < 4.5 * p->error[k]);
        for (size_t k = 0; k < 5; k++)
            CHECK(fabs(p->error[k] * sqrt(p->expected[k] / 2) - 1) < 0.05);
        peri_correlation_free(p);
    }
    o.bins = (peri_pairs_bins_t){PERI_PAIRS_RP_PI, PERI_LOS_X, 5, out, 3, pis};
    peri_correlation_t *p = measure(c, true, nranks, &o, COMM);
    double wp[5], wp_error[5];
    CHECK(p &&
          !peri_correlation_project(&o.bins, p, PERI_CORRELATION_WP, wp, wp_error, &err));
    for (size_t k = 0; k < 5; k++) CHECK(fabs(wp[k]) < 4.5 * wp_error[k]);
    /* 2 * sqrt(sum (error * width)^2), by hand. */
    const double *e = p->error;
    CHECK(fabs(wp_error[0] / (2 * sqrt(pow(e[0] * 0.5, 2) + pow(e[1] * 1.5, 2) +
                                       pow(e[2] * 2.5, 2))) -
               1) < 1e-12);
    peri_correlation_free(p);
}

/* Pairs of points 0.75 apart along z: xi of each bin is known, and its multipoles. */
static void test_dumbbells(void)
{
    what = "dumbbells";
    enum { PAIRS = 5000 };
    seed = 5;
    const cloud_t none = {0};
    cloud_t c[4] = {make_cloud(SPREAD, 2 * PAIRS, false), none, none, none};
    for (size_t i = 0; i < PAIRS; i++) {
        c[0].at[0][i + PAIRS] = c[0].at[0][i];
        c[0].at[1][i + PAIRS] = c[0].at[1][i];
        c[0].at[2][i + PAIRS] = fmod(c[0].at[2][i] + 0.75, box[2]);
    }
    static const double around[] = {0.7, 0.8}, fine[] = {0, 0.98, 1};
    const peri_correlation_options_t o = {
        .bins = {PERI_PAIRS_S_MU, PERI_LOS_Z, 1, around, 2, fine}};
    peri_correlation_t *p = measure(c, true, nranks, &o, COMM);
    CHECK(p);
    const double pi = acos(-1), volume = box[0] * box[1] * box[2], n = 2 * PAIRS;
    const double shell = 4 * pi / 3 * (pow(0.8, 3) - pow(0.7, 3)) * 0.02;
    const double more = 2 * PAIRS / (n * (n - 1) * shell / volume);
    CHECK(fabs(p->xi[1] - more) < 5 * p->error[1] && more > 2);
    CHECK(fabs(p->xi[0]) < 5 * p->error[0]);
    double xi2, xi2_error;
    CHECK(!peri_correlation_project(&o.bins, p, 2, &xi2, &xi2_error, &err));
    const double part = 5 * ((1 - 1) / 2.0 - (pow(0.98, 3) - 0.98) / 2);
    CHECK(fabs(xi2 - part * more) < 5 * xi2_error);
    peri_correlation_free(p);
}

/* xi does not change with the unit of the weights, nor if a set is counted with itself;
 * sums over ranks are those of peri_estimate_pairs. */
static void test_identities(void)
{
    what = "identities";
    seed = 8;
    const cloud_t none = {0};
    cloud_t c = make_cloud(CLUMPS, 5000, true);
    static const double out[] = {0.1, 0.5, 1, 4};
    const peri_correlation_options_t o = {
        .bins = {PERI_PAIRS_R, PERI_LOS_Z, 3, out, 0, NULL}};
    peri_correlation_t *p =
        measure((cloud_t[4]){c, none, none, none}, true, nranks, &o, COMM);
    CHECK(p);
    const peri_pairs_points_t points = points_of(&c);
    double volumes[3];
    CHECK(!peri_estimate_volumes(&o.bins, volumes, &err));
    for (int k = 0; k < 3; k++)
        CHECK(fabs(p->expected[k] / (peri_estimate_pairs(&points, NULL) * volumes[k] /
                                     (box[0] * box[1] * box[2])) -
                   1) < 1e-12);
    peri_correlation_t *self =
        measure((cloud_t[4]){c, none, c, none}, true, nranks, &o, COMM);
    CHECK(self);
    CHECK(memcmp(p->dd->count, self->dd->count, 3 * sizeof(uint64_t)) == 0);
    CHECK(memcmp(p->dd->weight, self->dd->weight, 3 * sizeof(__int128)) == 0);
    peri_correlation_free(self);
    peri_correlation_free(p);

    for (size_t i = 0; i < c.n; i++) c.weight[i] = 1;
    p = measure((cloud_t[4]){c, none, none, none}, true, nranks, &o, COMM);
    for (size_t i = 0; i < c.n; i++) c.weight[i] = 2;
    peri_correlation_t *twice =
        measure((cloud_t[4]){c, none, none, none}, true, nranks, &o, COMM);
    CHECK(p && twice && !p->dd->weight && twice->dd->weight);
    for (size_t k = 0; k < 3; k++) {
        CHECK(p->dd->count[k] == twice->dd->count[k] && p->dd->count[k] > 1000);
        CHECK(4 * p->dd->count[k] == (uint64_t)peri_pairs_weight(twice->dd, k));
        CHECK(fabs(p->xi[k] / twice->xi[k] - 1) < 1e-12);
        CHECK(fabs(p->error[k] / twice->error[k] - 1) < 1e-12);
    }
    peri_correlation_free(p);
    peri_correlation_free(twice);
}

/* ---- what is refused ---- */

static void refused(const cloud_t *clouds, bool periodic, peri_correlation_options_t o,
                    const char *says)
{
    err.text[0] = 0;
    CHECK(!measure(clouds, periodic, nranks, &o, COMM));
    if (!strstr(err.text, says))
        fprintf(stderr, "'%s' does not say '%s'\n", err.text, says);
    CHECK(strstr(err.text, says));
}

static int stop(void *arg, const char *counting, double done, double total, peri_err_t *e)
{
    (void)counting;
    if (done > total) ++*(int *)arg;
    return rank == nranks / 2 ? peri_err_set(e, PERI_ECANCEL, "enough") : 0;
}

static void test_bad(void)
{
    what = "bad input";
    static const double two[] = {1, 2}, wide[] = {1, 4.6};
    const peri_correlation_options_t o = {
        .bins = {PERI_PAIRS_R, PERI_LOS_Z, 1, two, 0, NULL}};
    peri_correlation_options_t other = o;
    const cloud_t none = {0};
    cloud_t a = make_cloud(SPREAD, 50, true), one = make_cloud(SPREAD, 1, false);
    refused((cloud_t[4]){a, none, none, none}, false, o, "in open space");
    refused((cloud_t[4]){a, none, a, a}, true, o, "give these, too");
    refused((cloud_t[4]){one, none, none, none}, true, o, "at least two points");
    other.bins.first = wide;
    refused((cloud_t[4]){a, none, none, none}, true, other, "less than twice");
    other.bins.kind = PERI_PAIRS_THETA;
    refused((cloud_t[4]){a, none, none, none}, false, other, "angles need random");
    cloud_t b = make_cloud(SPREAD, 50, true);
    b.at[1][17] = -1;
    refused((cloud_t[4]){a, b, none, none}, true, o, "randoms: 1 of 50");
    b.at[1][17] = 1;
    b.weight[3] = NAN;
    refused((cloud_t[4]){a, b, none, none}, true, o, "randoms: ");
    for (size_t i = 0; i < 50; i++) a.weight[i] = i % 2 ? 1 : -1;
    refused((cloud_t[4]){a, none, a, none}, true, o, "weigh 0");

    /* Stopped on one rank, ended on all. */
    int wrong = 0;
    other = o;
    other.progress = stop;
    other.arg = &wrong;
    const cloud_t many = make_cloud(CLUMPS, 60000, true);
    err.text[0] = 0;
    peri_particles_t *sets[4] = {deal_out(&many, true, nranks)};
    CHECK(!peri_correlation_measure(sets, &other, COMM, &err));
    CHECK(err.code == PERI_ECANCEL && !strcmp(err.text, "enough") && !wrong);
    peri_particles_free(sets[0]);

    what = "empty";
    sets[0] = peri_particles_new(0, box);
    CHECK(!peri_particles_resize(sets[0], 0, &err));
    CHECK(!peri_correlation_measure(sets, &o, COMM, &err));
    CHECK(strstr(err.text, "no particles in points"));
    peri_particles_free(sets[0]);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
    test_all_counts();
    test_poisson();
    test_dumbbells();
    test_identities();
    test_bad();
    MPI_Finalize();
    return 0;
}
