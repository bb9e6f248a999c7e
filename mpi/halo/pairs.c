/* pairs.c - checks what is asked, and counts one set with itself or with another. */
#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/halo/pairs_private.h"

static const char *first_name(peri_pairs_kind_t kind)
{
    static const char *const names[] = {"r", "s", "rp", "theta"};
    return names[kind];
}

static bool has_second(const peri_pairs_bins_t *bins)
{
    return bins->kind == PERI_PAIRS_S_MU || bins->kind == PERI_PAIRS_RP_PI;
}

static int check_edges(const double *edges, size_t nbins, const char *name, double most,
                       peri_err_t *err)
{
    if (nbins < 1 || nbins >= PERI_PAIRS_MAX_EDGES)
        return peri_err_set(err, PERI_EINVAL,
                            "%zu bins of %s: from 1 to %d are possible.", nbins, name,
                            PERI_PAIRS_MAX_EDGES - 1);
    for (size_t k = 0; k <= nbins; k++) {
        if (!isfinite(edges[k]) || edges[k] < 0)
            return peri_err_set(
                err, PERI_EINVAL,
                "Edge %zu of the bins of %s is %g: edges are finite and not "
                "negative.",
                k, name, edges[k]);
        if (k > 0 && !(edges[k] * edges[k] > edges[k - 1] * edges[k - 1]))
            return peri_err_set(
                err, PERI_EINVAL,
                "The edges of the bins of %s must ascend, but %.17g comes "
                "after %.17g.",
                name, edges[k], edges[k - 1]);
    }
    if (edges[nbins] > most)
        return peri_err_set(err, PERI_EINVAL,
                            "The last edge of %s is %g, more than the %g there can be.",
                            name, edges[nbins], most);
    return 0;
}

void peri_pairs_reach(const peri_pairs_bins_t *bins, double reach[3])
{
    double first = bins->first[bins->nfirst];
    if (bins->kind == PERI_PAIRS_THETA) first = 2 * sin(first * (M_PI / 360));
    for (int d = 0; d < 3; d++) reach[d] = first;
    if (bins->kind != PERI_PAIRS_RP_PI) return;
    const double along = bins->second[bins->nsecond];
    if (bins->los == PERI_LOS_MIDPOINT)
        for (int d = 0; d < 3; d++) reach[d] = hypot(first, along);
    else
        reach[bins->los] = along;
}

int peri_pairs_check(const peri_pairs_bins_t *bins, const peri_pairs_opts_t *opts,
                     peri_err_t *err)
{
    const double most = bins->kind == PERI_PAIRS_THETA ? 180 : 1e100;
    if (check_edges(bins->first, bins->nfirst, first_name(bins->kind), most, err) < 0)
        return -1;
    const bool mu = bins->kind == PERI_PAIRS_S_MU;
    if (has_second(bins)) {
        if (check_edges(bins->second, bins->nsecond, mu ? "mu" : "pi", mu ? 1 : 1e100,
                        err) < 0)
            return -1;
        if (bins->nfirst * bins->nsecond > PERI_PAIRS_MAX_BINS)
            return peri_err_set(err, PERI_EINVAL,
                                "%zu times %zu bins are more than %u: use fewer.",
                                bins->nfirst, bins->nsecond, PERI_PAIRS_MAX_BINS);
    }
    double reach[3];
    peri_pairs_reach(bins, reach);
    for (int d = 0; opts && d < 3; d++) {
        if (opts->box[d] == 0) continue;
        if (!isfinite(opts->box[d]) || opts->box[d] < 0)
            return peri_err_set(
                err, PERI_EINVAL,
                "The box size of axis %c is %g: give a length, or 0 if it is "
                "not periodic.",
                'x' + d, opts->box[d]);
        if (bins->kind == PERI_PAIRS_THETA ||
            (has_second(bins) && bins->los == PERI_LOS_MIDPOINT))
            return peri_err_set(
                err, PERI_EINVAL,
                "Pairs seen from an observer have no periodic box: leave the "
                "box size out, or take an axis as the line of sight.");
        if (opts->box[d] < 2 * reach[d])
            return peri_err_set(
                err, PERI_EINVAL,
                "The box is %g long on axis %c, less than twice the largest "
                "separation of %g: nearest images are ambiguous. Use smaller "
                "bins.",
                opts->box[d], 'x' + d, reach[d]);
    }
    return 0;
}

static int supported(peri_simd_t simd)
{
#if defined(__x86_64__)
    if (simd == PERI_SIMD_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    if (simd == PERI_SIMD_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
#endif
    return simd == PERI_SIMD_PORTABLE;
}

int peri_simd_choose(peri_simd_t wanted, peri_simd_t *chosen, peri_err_t *err)
{
    static const char *const names[] = {"auto", "portable", "avx2", "avx512"};
    const char *env = getenv("PERIGEE_SIMD");
    if (wanted == PERI_SIMD_AUTO && env && *env) {
        int k = 3;
        while (k >= 0 && strcmp(env, names[k])) k--;
        if (k < 0)
            return peri_err_set(err, PERI_EINVAL,
                                "PERIGEE_SIMD is '%s': it can be auto, portable, avx2 or "
                                "avx512.",
                                env);
        wanted = (peri_simd_t)k;
    }
    if (wanted == PERI_SIMD_AUTO) {
        wanted = PERI_SIMD_AVX512;
        while (!supported(wanted)) wanted--;
    }
    if (!supported(wanted))
        return peri_err_set(err, PERI_EUNSUPP,
                            "This processor does not have the instruction set %s.",
                            names[wanted]);
    *chosen = wanted;
    return 0;
}

/* What pairs are compared with. */
static void square_edges(const peri_pairs_bins_t *bins, pairs_job_t *job)
{
    double *sq = peri_xmalloc(PERI_PAIRS_MAX_EDGES * sizeof *sq);
    for (size_t k = 0; k <= bins->nfirst; k++) {
        const double e = bins->kind == PERI_PAIRS_THETA
                             ? 2 * sin(bins->first[k] * (M_PI / 360))
                             : bins->first[k];
        sq[k] = e * e;
    }
    /* Opposite points may be rounded to more than the diameter apart. */
    if (bins->kind == PERI_PAIRS_THETA && bins->first[bins->nfirst] >= 180)
        sq[bins->nfirst] = 5;
    pairs_edges_init(&job->first, sq, bins->nfirst + 1);
    if (has_second(bins)) {
        for (size_t k = 0; k <= bins->nsecond; k++)
            sq[k] = bins->second[k] * bins->second[k];
        if (bins->kind == PERI_PAIRS_S_MU && bins->second[bins->nsecond] >= 1)
            sq[bins->nsecond] = 2; /* mu = 1, give or take a rounding, belongs to it */
        pairs_edges_init(&job->second, sq, bins->nsecond + 1);
    }
    double far = job->first.square[bins->nfirst];
    if (bins->kind == PERI_PAIRS_RP_PI) {
        far += job->second.square[bins->nsecond];
        far *= 1 + 1e-9; /* rp^2 is a difference when the line of sight is the pair's */
    }
    job->far = far;
    free(sq);
}

static peri_pairs_counts_t *counts_new(const peri_pairs_bins_t *bins, bool weights,
                                       bool mean)
{
    peri_pairs_counts_t *c = peri_xcalloc(1, sizeof *c);
    c->nfirst = bins->nfirst;
    c->nsecond = has_second(bins) ? bins->nsecond : 1;
    c->nbins = c->nfirst * c->nsecond;
    c->count = peri_xcalloc(c->nbins, sizeof *c->count);
    c->weight_unit = c->separation_unit = 1;
    if (weights) c->weight = peri_xcalloc(c->nbins, sizeof *c->weight);
    if (mean) {
        c->separation = peri_xcalloc(c->nbins, sizeof *c->separation);
        int exponent = 0;
        frexp(bins->first[bins->nfirst], &exponent);
        c->separation_unit = ldexp(1, exponent - 52);
    }
    return c;
}

/* All images of a box: for auto pairs only one of each two opposite shifts, as the other
 * has the same pairs in the other order. */
static int count_images(pairs_walk_t *w, const double box[3], bool self, peri_err_t *err)
{
    for (int k = self ? 13 : 0; k < 27; k++) {
        const int step[3] = {k / 9 - 1, k / 3 % 3 - 1, k % 3 - 1};
        bool possible = true;
        for (int d = 0; d < 3; d++) {
            if (step[d] && box[d] == 0) possible = false;
            w->job->shift[d] = step[d] * box[d];
        }
        if (!possible) continue;
        w->job->shifted = k != 13;
        if (pairs_walk(w, err) < 0) return -1;
    }
    return 0;
}

peri_pairs_counts_t *peri_pairs_count(const peri_pairs_points_t *a,
                                      const peri_pairs_points_t *b,
                                      const peri_pairs_bins_t *bins,
                                      const peri_pairs_opts_t *opts, peri_err_t *err)
{
    static const peri_pairs_opts_t none;
    if (!opts) opts = &none;
    peri_simd_t simd;
    if (peri_pairs_check(bins, opts, err) < 0 ||
        peri_simd_choose(opts->simd, &simd, err) < 0)
        return NULL;
    const bool unit = bins->kind == PERI_PAIRS_THETA;
    pairs_tree_t *ta =
        pairs_tree_new(a, b ? "the first set" : "the set", opts->box, unit, err);
    pairs_tree_t *tb = ta;
    if (ta && b) tb = pairs_tree_new(b, "the second set", opts->box, unit, err);
    peri_pairs_counts_t *out = NULL;
    pairs_job_t job = {.kind = bins->kind, .los = bins->los, .times = b ? 1 : 2};
    int rc = -1;
    if (!ta || !tb) goto out;
    const bool weights = a->weight || (b && b->weight);
    out = counts_new(bins, weights, opts->mean);
    out->weight_unit = ta->weight_unit * tb->weight_unit;
    job.out = out;
    pairs_sums_init(&job.sums, out);
    if (opts->mean) job.per_separation = 1 / out->separation_unit;
    square_edges(bins, &job);
    int images = 1;
    for (int d = 0; d < 3; d++) images *= opts->box[d] > 0 ? 3 : 1;
    pairs_walk_t w = {.a = ta,
                      .b = tb,
                      .job = &job,
                      .bin = pairs_bin_kernel(simd),
                      .opts = opts,
                      .all = (double)images * (double)ta->npoints * (double)tb->npoints};
    if (!has_second(bins) && !weights && !opts->mean) w.below = pairs_below_kernel(simd);
    rc = ta->npoints && tb->npoints ? count_images(&w, opts->box, !b, err) : 0;
    pairs_sums_end(&job.sums, out, job.times);
out:
    pairs_edges_free(&job.first);
    pairs_edges_free(&job.second);
    if (tb != ta) pairs_tree_free(tb);
    pairs_tree_free(ta);
    if (rc < 0) {
        peri_pairs_counts_free(out);
        out = NULL;
    }
    return out;
}

void peri_pairs_counts_free(peri_pairs_counts_t *c)
{
    if (!c) return;
    free(c->count);
    free(c->weight);
    free(c->separation);
    free(c);
}

int peri_pairs_counts_add(peri_pairs_counts_t *to, const peri_pairs_counts_t *more,
                          peri_err_t *err)
{
    if (to->nfirst != more->nfirst || to->nsecond != more->nsecond ||
        to->weight_unit != more->weight_unit ||
        to->separation_unit != more->separation_unit || !to->weight != !more->weight ||
        !to->separation != !more->separation)
        return peri_err_set(err, PERI_EINTERNAL,
                            "Pair counts of other bins or units cannot be added.");
    for (size_t k = 0; k < to->nbins; k++) {
        to->count[k] += more->count[k];
        if (to->weight) to->weight[k] += more->weight[k];
        if (to->separation) to->separation[k] += more->separation[k];
    }
    return 0;
}

double peri_pairs_weight(const peri_pairs_counts_t *c, size_t bin)
{
    return c->weight ? (double)c->weight[bin] * c->weight_unit : (double)c->count[bin];
}

double peri_pairs_separation(const peri_pairs_counts_t *c, size_t bin)
{
    if (!c->separation || c->count[bin] == 0) return NAN;
    return (double)c->separation[bin] * c->separation_unit / (double)c->count[bin];
}

void peri_pairs_from_sky(size_t n, const double *ra, const double *dec,
                         const double *distance, double *x, double *y, double *z)
{
    for (size_t i = 0; i < n; i++) {
        const double a = ra[i] * (M_PI / 180), d = dec[i] * (M_PI / 180);
        const double r = distance ? distance[i] : 1;
        x[i] = r * cos(d) * cos(a);
        y[i] = r * cos(d) * sin(a);
        z[i] = r * sin(d);
    }
}
