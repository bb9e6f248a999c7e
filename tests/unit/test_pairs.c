/* test_pairs.c - pair counts are those of a double loop over all pairs, exactly. */
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

#define BOX 100.0

enum { MOST = 1500 };

typedef struct {
    size_t n;
    double x[MOST], y[MOST], z[MOST], weight[MOST];
} set_t;

static peri_pairs_points_t points_of(const set_t *s, bool weights)
{
    return (peri_pairs_points_t){
        .n = s->n, .x = s->x, .y = s->y, .z = s->z, .weight = weights ? s->weight : NULL};
}

/* ---- sets of points within the box ---- */

static void uniform(set_t *s, size_t i)
{
    s->x[i] = BOX * drand48();
    s->y[i] = BOX * drand48();
    s->z[i] = BOX * drand48();
}

static void clustered(set_t *s, size_t i)
{
    const double r = 20 * pow(drand48(), 6), phi = 2 * M_PI * drand48();
    const double c = 2 * drand48() - 1, q = sqrt(1 - c * c);
    const double at = i % 3 ? 30 : 77;
    s->x[i] = at + r * q * cos(phi);
    s->y[i] = at + r * q * sin(phi);
    s->z[i] = at + r * c;
}

/* Whole numbers: many pairs lie exactly on edges, or at the same place. */
static void lattice(set_t *s, size_t i)
{
    s->x[i] = floor(12 * drand48());
    s->y[i] = floor(12 * drand48());
    s->z[i] = floor(12 * drand48());
}

static void equal(set_t *s, size_t i)
{
    s->x[i] = 1.1;
    s->y[i] = 99.3;
    s->z[i] = 50.7;
}

/* On and next to the border of the box. */
static void border(set_t *s, size_t i)
{
    static const double at[] = {0, BOX, 99.99999999999999, 5e-324, 1, 99, 0.3, 50};
    s->x[i] = at[lrand48() % 8];
    s->y[i] = at[lrand48() % 8];
    s->z[i] = at[lrand48() % 8];
}

static void line(set_t *s, size_t i)
{
    s->x[i] = s->y[i] = 3;
    s->z[i] = BOX * drand48();
}

/* A tight group, and one point so far away that all else is in one bucket. */
static void outlier(set_t *s, size_t i)
{
    s->x[i] = i == 7 ? 99 : 1e-9 * drand48();
    s->y[i] = i == 7 ? 99 : 1e-9 * drand48();
    s->z[i] = i == 7 ? 99 : 1e-9 * drand48();
}

static const struct {
    const char *name;
    void (*place)(set_t *s, size_t i);
} kinds[] = {{"uniform", uniform}, {"clustered", clustered}, {"lattice", lattice},
             {"equal", equal},     {"border", border},       {"line", line},
             {"outlier", outlier}};
enum { NKINDS = sizeof kinds / sizeof *kinds };

static set_t *make(size_t kind, size_t n, long seed)
{
    set_t *s = peri_xcalloc(1, sizeof *s);
    srand48(seed);
    s->n = n;
    for (size_t i = 0; i < n; i++) {
        kinds[kind].place(s, i);
        s->weight[i] = drand48() - 0.2;
    }
    return s;
}

/* ---- bins ---- */

static const double r_log[] = {0.1, 0.3, 1, 1.5, 2, 5, 9, 13, 17.3, 22, 31};
static const double r_zero[] = {0, 1, 2, 3, 5, 12, 50};
static const double mu[] = {0, 0.1, 0.25, 0.5, 0.75, 0.9, 1};
static const double mu_part[] = {0.2, 0.6, 0.8};
static const double pi_all[] = {0, 1, 2, 3, 4, 10, 40};
static const double pi_part[] = {1, 2, 7};
static const double angles[] = {0, 0.01, 0.5, 3, 10, 45, 90, 180};
static double many[401]; /* 0 to 40 in tenths */

#define FIRST(e)  sizeof e / sizeof *e - 1, e
#define SECOND(e) sizeof e / sizeof *e - 1, e

static const peri_pairs_bins_t all_bins[] = {
    {PERI_PAIRS_R, 0, FIRST(r_log), 0, NULL},
    {PERI_PAIRS_R, 0, FIRST(r_zero), 0, NULL},
    {PERI_PAIRS_R, 0, FIRST(many), 0, NULL},
    {PERI_PAIRS_S_MU, PERI_LOS_Z, FIRST(r_log), SECOND(mu)},
    {PERI_PAIRS_S_MU, PERI_LOS_X, FIRST(r_zero), SECOND(mu_part)},
    {PERI_PAIRS_RP_PI, PERI_LOS_Z, FIRST(r_zero), SECOND(pi_all)},
    {PERI_PAIRS_RP_PI, PERI_LOS_Y, FIRST(r_log), SECOND(pi_part)},
    {PERI_PAIRS_S_MU, PERI_LOS_MIDPOINT, FIRST(r_zero), SECOND(mu)},
    {PERI_PAIRS_RP_PI, PERI_LOS_MIDPOINT, FIRST(r_zero), SECOND(pi_all)},
    {PERI_PAIRS_THETA, 0, FIRST(angles), 0, NULL},
};
enum { NBINS = sizeof all_bins / sizeof *all_bins };

static bool seen_from_origin(const peri_pairs_bins_t *b)
{
    return b->kind == PERI_PAIRS_THETA ||
           (b->kind != PERI_PAIRS_R && b->los == PERI_LOS_MIDPOINT);
}

/* ---- the double loop ---- */

static int find(const double *edges, size_t n, double square, double last)
{
    const double end = last > 0 ? last : edges[n] * edges[n];
    if (square < edges[0] * edges[0] || square >= end) return -1;
    for (size_t k = 0; k < n; k++) {
        const double hi = k + 1 == n && last > 0 ? last : edges[k + 1] * edges[k + 1];
        if (square >= edges[k] * edges[k] && square < hi) return (int)k;
    }
    return -1;
}

static double nearest(double d, double box)
{
    if (box > 0 && d > box / 2) return d - box;
    if (box > 0 && d < -box / 2) return d + box;
    return d;
}

/* The bin of a pair, or -1; *r is its separation. */
static int bin_of(const peri_pairs_bins_t *b, const double p[3], const double q[3],
                  double box, double *r)
{
    double d[3], ss = 0, along = 0;
    for (int k = 0; k < 3; k++) {
        d[k] = nearest(q[k] - p[k], box);
        ss = k ? ss + d[k] * d[k] : d[k] * d[k];
    }
    double first = ss, edges[400];
    const double *e = b->first;
    if (b->kind == PERI_PAIRS_THETA) {
        for (size_t k = 0; k <= b->nfirst; k++) edges[k] = 2 * sin(e[k] * (M_PI / 360));
        *r = 360 / M_PI * asin(fmin(1, sqrt(ss) / 2));
        return find(edges, b->nfirst, ss, e[b->nfirst] == 180 ? 5 : 0);
    }
    if (b->kind == PERI_PAIRS_R) {
        *r = sqrt(ss);
        return find(e, b->nfirst, ss, 0);
    }
    if (b->los == PERI_LOS_MIDPOINT) {
        const double sl =
            (q[0] + p[0]) * d[0] + (q[1] + p[1]) * d[1] + (q[2] + p[2]) * d[2];
        const double ll = (q[0] + p[0]) * (q[0] + p[0]) + (q[1] + p[1]) * (q[1] + p[1]) +
                          (q[2] + p[2]) * (q[2] + p[2]);
        along = ll > 0 ? sl * sl / ll : 0;
        if (b->kind == PERI_PAIRS_RP_PI) first = fmax(0, ss - along);
    } else {
        const int l = (int)b->los, u = l == 0 ? 1 : 0, v = l == 2 ? 1 : 2;
        along = d[l] * d[l];
        if (b->kind == PERI_PAIRS_RP_PI) first = d[u] * d[u] + d[v] * d[v];
    }
    double last = 0;
    if (b->kind == PERI_PAIRS_S_MU) {
        along = ss > 0 ? along / ss : 0;
        if (b->second[b->nsecond] == 1) last = 2;
    }
    *r = sqrt(first);
    const int i = find(b->first, b->nfirst, first, 0);
    const int j = find(b->second, b->nsecond, along, last);
    return i < 0 || j < 0 ? -1 : i * (int)b->nsecond + j;
}

/* A sum with what its additions rounded away. */
typedef struct {
    double high, low;
} sum_t;

static void add(sum_t *s, double v)
{
    const double t = s->high + v, other = t - s->high;
    s->low += (s->high - (t - other)) + (v - other);
    s->high = t;
}

static double value(sum_t s)
{
    return s.high + s.low;
}

typedef struct {
    uint64_t count[2000];
    sum_t weight[2000], separation[2000];
    double size[2000]; /* sum of |w w| */
} loop_t;

static void loop(const set_t *a, const set_t *b, const peri_pairs_bins_t *bins,
                 double box, loop_t *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++) {
            if (a == b && i == j) continue;
            double r;
            const int k = bin_of(bins, (double[3]){a->x[i], a->y[i], a->z[i]},
                                 (double[3]){b->x[j], b->y[j], b->z[j]}, box, &r);
            if (k < 0) continue;
            out->count[k]++;
            add(&out->weight[k], a->weight[i] * b->weight[j]);
            out->size[k] += fabs(a->weight[i] * b->weight[j]);
            add(&out->separation[k], r);
        }
}

/* Counts with one instruction set and compares. Weights: each is rounded to 2^-61 of
 * their sum, less than 1e-15 here; a separation to 2^-52 of the last edge. */
static void compare(const set_t *a, const set_t *b, const peri_pairs_bins_t *bins,
                    double box, const loop_t *want, const char *name)
{
    const peri_pairs_points_t pa = points_of(a, true), pb = points_of(b, true);
    const peri_pairs_points_t plain = points_of(a, false), plain_b = points_of(b, false);
    for (int simd = PERI_SIMD_PORTABLE; simd <= PERI_SIMD_AVX512; simd++) {
        peri_simd_t chosen;
        peri_err_t err;
        if (peri_simd_choose((peri_simd_t)simd, &chosen, &err) < 0) continue;
        peri_pairs_opts_t opts = {.box = {box, box, box}, .simd = (peri_simd_t)simd};
        peri_pairs_counts_t *c =
            peri_pairs_count(&plain, a == b ? NULL : &plain_b, bins, &opts, &err);
        opts.mean = true;
        peri_pairs_counts_t *w =
            peri_pairs_count(&pa, a == b ? NULL : &pb, bins, &opts, &err);
        opts.mean = false;
        peri_pairs_counts_t *v =
            peri_pairs_count(&pa, a == b ? NULL : &pb, bins, &opts, &err);
        if (!c || !w || !v) fail_msg("%s: %s", name, err.text);
        for (size_t k = 0; k < c->nbins; k++) {
            if (c->count[k] != want->count[k] || w->count[k] != want->count[k] ||
                v->count[k] != want->count[k])
                fail_msg("%s, simd %d, bin %zu: %lu %lu %lu pairs instead of %lu", name,
                         simd, k, c->count[k], w->count[k], v->count[k], want->count[k]);
            assert_true(w->weight[k] == v->weight[k]);
            const double n = (double)want->count[k];
            if (fabs(peri_pairs_weight(w, k) - value(want->weight[k])) >
                1e-14 * (want->size[k] + n))
                fail_msg("%s, simd %d, bin %zu: weight %.17g instead of %.17g", name,
                         simd, k, peri_pairs_weight(w, k), value(want->weight[k]));
            if (n > 0)
                assert_true(
                    fabs(peri_pairs_separation(w, k) - value(want->separation[k]) / n) <=
                    1e-14 * bins->first[bins->nfirst]);
            else
                assert_true(isnan(peri_pairs_separation(w, k)));
        }
        peri_pairs_counts_free(c);
        peri_pairs_counts_free(w);
        peri_pairs_counts_free(v);
    }
}

/* Seen from the origin angles need unit vectors; elsewhere positions are good as they
 * are. */
static void to_sphere(set_t *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const double x = s->x[i] - 40, y = s->y[i] - 50, z = s->z[i] - 60;
        const double r = sqrt(x * x + y * y + z * z);
        s->x[i] = r > 0 ? x / r : 1;
        s->y[i] = r > 0 ? y / r : 0;
        s->z[i] = r > 0 ? z / r : 0;
    }
}

static void against_the_loop(const peri_pairs_bins_t *bins)
{
    static const size_t sizes[] = {300, 129, 65, 64, 63, 2, 1, 0};
    loop_t *want = peri_xmalloc(sizeof *want);
    for (size_t kind = 0; kind < NKINDS; kind++)
        for (size_t m = 0; m < (kind ? 2 : sizeof sizes / sizeof *sizes); m++) {
            set_t *a = make(kind, sizes[m], 1), *b = make(kind == 0 ? 1 : kind, 90, 2);
            if (bins->kind == PERI_PAIRS_THETA) {
                to_sphere(a);
                to_sphere(b);
            }
            for (int periodic = 0; periodic <= !seen_from_origin(bins); periodic++) {
                const double box = periodic ? BOX : 0;
                char name[100];
                snprintf(name, sizeof name, "%s, %zu points, bins %zu, %s",
                         kinds[kind].name, sizes[m], (size_t)(bins - all_bins),
                         periodic ? "periodic" : "open");
                loop(a, a, bins, box, want);
                compare(a, a, bins, box, want, name);
                loop(a, b, bins, box, want);
                compare(a, b, bins, box, want, name);
            }
            free(a);
            free(b);
        }
    free(want);
}

static void distances(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) against_the_loop(&all_bins[k]);
}

/* Edges that are the separation of a pair, rounded: a multiplication that is fused with
 * an addition, or another order, would be noticed. */
static void edges_at_pairs(void **state)
{
    (void)state;
    loop_t *want = peri_xmalloc(sizeof *want);
    set_t *a = make(0, 40, 9);
    for (size_t i = 0; i < 40; i++)
        for (size_t j = 0; j < i; j += 7) {
            const double x = a->x[j] - a->x[i], y = a->y[j] - a->y[i],
                         z = a->z[j] - a->z[i];
            const double r = sqrt(x * x + y * y + z * z), edges[] = {r / 2, r, 2 * r};
            const peri_pairs_bins_t bins = {PERI_PAIRS_R, 0, FIRST(edges), 0, NULL};
            loop(a, a, &bins, 0, want);
            compare(a, a, &bins, 0, want, "edges at pairs");
        }
    free(a);
    free(want);
}

static void two_quantities(void **state)
{
    (void)state;
    for (int k = 3; k < 7; k++) against_the_loop(&all_bins[k]);
}

static void from_an_observer(void **state)
{
    (void)state;
    for (int k = 7; k < NBINS; k++) against_the_loop(&all_bins[k]);
}

/* What two halves of a set give, with each other and alone, is what the whole gives: the
 * same bits, in any order of the points. */
static void the_same_bits_in_parts(void **state)
{
    (void)state;
    set_t *all = make(1, MOST, 5);
    const peri_pairs_points_t whole = points_of(all, true);
    double total = 0;
    for (size_t i = 0; i < all->n; i++) total += fabs(all->weight[i]);
    peri_pairs_points_t half[2] = {whole, whole};
    half[0].n = 613;
    half[1].n = whole.n - 613;
    half[1].x += 613;
    half[1].y += 613;
    half[1].z += 613;
    half[1].weight += 613;
    half[0].weight_total = half[1].weight_total = total;
    for (int k = 0; k < 7; k++) {
        const peri_pairs_opts_t opts = {.box = {BOX, BOX, BOX}, .mean = k % 2};
        peri_err_t err;
        peri_pairs_counts_t *want =
            peri_pairs_count(&whole, NULL, &all_bins[k], &opts, &err);
        peri_pairs_counts_t *sum =
            peri_pairs_count(half, NULL, &all_bins[k], &opts, &err);
        const peri_pairs_points_t *const more[3][2] = {
            {&half[1], NULL}, {&half[0], &half[1]}, {&half[1], &half[0]}};
        for (int m = 0; m < 3; m++) {
            peri_pairs_counts_t *c =
                peri_pairs_count(more[m][0], more[m][1], &all_bins[k], &opts, &err);
            assert_non_null(c);
            assert_int_equal(peri_pairs_counts_add(sum, c, &err), 0);
            peri_pairs_counts_free(c);
        }
        assert_memory_equal(sum->count, want->count, want->nbins * sizeof *want->count);
        assert_memory_equal(sum->weight, want->weight,
                            want->nbins * sizeof *want->weight);
        if (want->separation)
            assert_memory_equal(sum->separation, want->separation,
                                want->nbins * sizeof *want->separation);
        peri_pairs_counts_free(want);
        peri_pairs_counts_free(sum);
    }
    free(all);
}

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i <= 400; i++) many[i] = i / 10.0;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(edges_at_pairs),
        cmocka_unit_test(two_quantities),
        cmocka_unit_test(from_an_observer),
        cmocka_unit_test(the_same_bits_in_parts),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
