/* correlation.c - see correlation.h.
 *
 * All sets are decomposed together, so that each rank has the points of all sets in its
 * region, and about as many as any other; random points, which are many, count for the
 * balance as well.
 */
#include "mpi/halo/correlation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/halo/estimate.h"
#include "mpi/halo/fixed.h"

enum { SETS = PERI_CORRELATION_SETS };

static const char *const names[SETS] = {"points", "randoms", "second", "second_randoms"};

/* One set: this rank's points, and sums over all ranks. */
typedef struct {
    peri_pairs_points_t points;
    double *memory;
    double n, sum, squares; /* points, their weights, the squares of these */
    bool weighted;
} set_t;

typedef struct {
    const peri_correlation_options_t *options;
    MPI_Comm comm;
    double box[3];
    set_t sets[SETS];
    double done, now, all; /* pairs of points: before this count, in it, in all counts */
    const char *what;
    double asked;       /* when progress was told last */
    peri_err_t stopped; /* by progress */
} measure_t;

/* ---- sets ---- */

/* The sum of values with |value| <= bound, in any order. */
static double sum_exactly(const double *values, size_t n, bool absolute, bool squared,
                          double bound, MPI_Comm comm)
{
    const double scale = fixed_scale(squared ? bound * bound : bound);
    __int128 sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double v = absolute ? fabs(values[i]) : values[i];
        sum += fixed((squared ? v * v : v) * scale);
    }
    peri_sum_integers(&sum, 1, comm);
    return (double)sum / scale;
}

static int check_set(measure_t *m, int k, peri_particles_t *p,
                     const peri_particles_t *first, peri_err_t *err)
{
    p->periodic = first->periodic;
    memcpy(p->box, first->box, sizeof(p->box));
    if (peri_particles_check(p, m->comm, err)) {
        const peri_err_t e = *err;
        return peri_err_set(err, e.code, "%s: %s", names[k], e.text);
    }
    set_t *s = &m->sets[k];
    double most[2] = {0, 0}; /* the largest weight; whether there are any but 1 */
    for (size_t i = 0; p->weight && i < p->n; i++) {
        most[0] = fmax(most[0], fabs(p->weight[i]));
        most[1] = fmax(most[1], p->weight[i] != 1);
    }
    MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_DOUBLE, MPI_MAX, m->comm);
    s->weighted = most[1] > 0;
    s->n = s->sum = s->squares = (double)peri_particles_total(p, m->comm);
    if (s->n == 0)
        return peri_err_set(err, PERI_EINVAL,
                            "there are no particles in %s: check snapnum and filter",
                            names[k]);
    if (!s->weighted) return 0;
    /* Ranks without points need not have the array. */
    const double *w = p->weight;
    s->sum = sum_exactly(w, p->n, false, false, most[0], m->comm);
    s->squares = sum_exactly(w, p->n, false, true, most[0], m->comm);
    s->points.weight_total = sum_exactly(w, p->n, true, false, most[0], m->comm);
    if (isfinite(s->sum) && isfinite(s->squares) && isfinite(s->sum * s->sum)) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "the weights of %s are too large: their products are not finite",
                        names[k]);
}

/* All sets into the first; ids say which is which. */
static int merge(peri_particles_t *const sets[SETS], peri_err_t *err)
{
    peri_particles_t *p = sets[0];
    size_t n = p->n, at = p->n;
    unsigned has = PERI_HAS_ID;
    for (int k = 1; k < SETS; k++) {
        if (!sets[k]) continue;
        n += sets[k]->n;
        has |= sets[k]->has & PERI_HAS_WEIGHT;
    }
    const bool weights = p->weight;
    if (peri_particles_add(p, has, err) || peri_particles_resize(p, n, err)) return -1;
    for (size_t i = 0; i < at; i++) p->id[i] = 0;
    for (size_t i = 0; p->weight && !weights && i < at; i++) p->weight[i] = 1;
    for (int k = 1; k < SETS; k++) {
        const peri_particles_t *q = sets[k];
        for (size_t i = 0; q && i < q->n; i++, at++) {
            p->x[at] = q->x[i];
            p->y[at] = q->y[i];
            p->z[at] = q->z[i];
            p->id[at] = k;
            if (p->weight) p->weight[at] = q->weight ? q->weight[i] : 1;
        }
    }
    return 0;
}

static void view(const peri_particles_t *p, set_t *s)
{
    s->points.n = p->n;
    s->points.x = p->x;
    s->points.y = p->y;
    s->points.z = p->z;
    s->points.weight = s->weighted ? p->weight : NULL;
}

/* The points of each set out of all. */
static void split(const peri_particles_t *p, set_t *sets)
{
    size_t n[SETS] = {0}, at[SETS] = {0};
    for (size_t i = 0; i < p->n; i++) n[p->id[i]]++;
    for (int k = 0; k < SETS; k++) {
        double *m = sets[k].memory = peri_xmalloc((4 * n[k] + 1) * sizeof *m);
        peri_pairs_points_t *to = &sets[k].points;
        to->n = n[k];
        to->x = m;
        to->y = m + n[k];
        to->z = m + 2 * n[k];
        to->weight = sets[k].weighted ? m + 3 * n[k] : NULL;
    }
    for (size_t i = 0; i < p->n; i++) {
        const size_t k = (size_t)p->id[i], j = at[k]++;
        double *m = sets[k].memory;
        m[j] = p->x[i];
        m[n[k] + j] = p->y[i];
        m[2 * n[k] + j] = p->z[i];
        if (p->weight) m[3 * n[k] + j] = p->weight[i];
    }
}

static int prepare(measure_t *m, peri_particles_t *const sets[SETS], peri_err_t *err)
{
    bool alone = true;
    for (int k = 0; k < SETS; k++) {
        if (!sets[k]) continue;
        if (k) alone = false;
        if (check_set(m, k, sets[k], sets[0], err)) return -1;
    }
    int rc = alone ? 0 : merge(sets, err);
    if (peri_ranks_agree(rc, m->comm, err)) return -1;
    if (peri_particles_decompose(sets[0], m->comm, err)) return -1;
    for (int d = 0; d < 3; d++) m->box[d] = sets[0]->periodic ? sets[0]->box[d] : 0;
    if (alone)
        view(sets[0], &m->sets[0]);
    else
        split(sets[0], m->sets);
    return 0;
}

/* ---- counts ---- */

static int ask(void *arg, double fraction)
{
    measure_t *m = arg;
    const double now = MPI_Wtime();
    if (now - m->asked < 0.05) return 0;
    m->asked = now;
    return m->options->progress(m->options->arg, m->what, m->done + fraction * m->now,
                                m->all, &m->stopped);
}

/* What all pairs of a count weigh (as peri_estimate_pairs, of all ranks), how many
 * different ones there are. */
static double all_weights(const set_t *a, const set_t *b)
{
    return b ? a->sum * b->sum : a->sum * a->sum - a->squares;
}

static double all_pairs(const set_t *a, const set_t *b)
{
    return b ? a->n * b->n : a->n * (a->n - 1) / 2;
}

/* What to count: b < 0 is the set with itself. */
typedef struct {
    const char *what;
    int a, b;
    peri_pairs_counts_t **into;
} count_t;

static int count(measure_t *m, const count_t *c, peri_err_t *err)
{
    const set_t *a = &m->sets[c->a], *b = c->b < 0 ? NULL : &m->sets[c->b];
    peri_pairs_opts_t opts = {.mean = m->options->mean};
    memcpy(opts.box, m->box, sizeof(opts.box));
    if (m->options->progress) {
        opts.ask = ask;
        opts.ask_arg = m;
    }
    m->what = c->what;
    m->now = all_pairs(a, b);
    /* The smaller set travels: it is the second one. */
    if (b && a->n < b->n) {
        const set_t *swap = a;
        a = b;
        b = swap;
    }
    *c->into = peri_pairs_count_ranks(&a->points, b ? &b->points : NULL,
                                      &m->options->bins, &opts, m->comm, err);
    m->done += m->now;
    if (*c->into) return 0;
    if (err->code != PERI_ECANCEL) return -1;
    /* On all ranks the words of the one that stopped. */
    peri_err_t words = m->stopped;
    if (peri_ranks_agree(words.code ? -1 : 0, m->comm, &words)) *err = words;
    return -1;
}

/* The counts that the sets ask for; how many. */
static size_t choose(const measure_t *m, peri_correlation_t *out, count_t c[4])
{
    const set_t *s = m->sets;
    const bool random = s[PERI_CORRELATION_RANDOMS].n > 0;
    const bool two = s[PERI_CORRELATION_SECOND].n > 0;
    const bool own = s[PERI_CORRELATION_SECOND_RANDOMS].n > 0;
    const int second = two ? PERI_CORRELATION_SECOND : -1;
    const int other = own ? PERI_CORRELATION_SECOND_RANDOMS : PERI_CORRELATION_RANDOMS;
    size_t n = 0;
    c[n++] = (count_t){"DD", PERI_CORRELATION_POINTS, second, &out->dd};
    if (!random) return n;
    c[n++] = (count_t){"DR", PERI_CORRELATION_POINTS, other, &out->dr};
    if (two)
        c[n++] =
            (count_t){"RD", PERI_CORRELATION_RANDOMS, PERI_CORRELATION_SECOND, &out->rd};
    c[n++] = (count_t){"RR", PERI_CORRELATION_RANDOMS, own ? other : -1, &out->rr};
    return n;
}

/* ---- the estimate ---- */

static int estimate(const measure_t *m, const count_t *counts, size_t n,
                    peri_correlation_t *out, peri_err_t *err)
{
    const peri_pairs_bins_t *bins = &m->options->bins;
    peri_estimate_t e[4];
    for (size_t k = 0; k < n; k++) {
        const set_t *a = &m->sets[counts[k].a];
        const set_t *b = counts[k].b < 0 ? NULL : &m->sets[counts[k].b];
        e[k] = (peri_estimate_t){*counts[k].into, all_weights(a, b)};
        if (e[k].pairs == 0)
            return peri_err_set(
                err, PERI_EINVAL,
                "all %s pairs together weigh 0: there must be at least two "
                "points, and weights must not sum up to 0",
                counts[k].what);
    }
    const double different =
        all_pairs(&m->sets[counts[0].a], counts[0].b < 0 ? NULL : &m->sets[counts[0].b]);
    const double volume = m->box[0] * m->box[1] * m->box[2];
    if (n == 1) {
        if (peri_estimate_natural(out->dd, bins, e[0].pairs, volume, out->xi, err) ||
            peri_estimate_volumes(bins, out->expected, err))
            return -1;
    } else if (peri_estimate_landy_szalay(&e[0], &e[1], n == 4 ? &e[2] : NULL, &e[n - 1],
                                          out->xi, err)) {
        return -1;
    }
    for (size_t k = 0; k < out->nbins; k++) {
        const double share = n == 1 ? out->expected[k] / volume
                                    : peri_pairs_weight(out->rr, k) / e[n - 1].pairs;
        const double found = (double)out->dd->count[k] / (counts[0].b < 0 ? 2 : 1);
        out->expected[k] = e[0].pairs * share;
        out->error[k] = found > 0   ? (1 + out->xi[k]) / sqrt(found)
                        : share > 0 ? 1 / (different * share)
                                    : NAN;
    }
    return 0;
}

static int project(const peri_pairs_bins_t *bins, const double *xi, int l, double *out,
                   peri_err_t *err)
{
    return l == PERI_CORRELATION_WP ? peri_estimate_projected(bins, xi, out, err)
                                    : peri_estimate_multipole(bins, xi, l, out, err);
}

int peri_correlation_project(const peri_pairs_bins_t *bins, const peri_correlation_t *c,
                             int l, double *value, double *error, peri_err_t *err)
{
    if (project(bins, c->xi, l, value, err)) return -1;
    const size_t n = bins->nsecond;
    double *unit = peri_xcalloc(n, sizeof *unit), factor = 0;
    peri_pairs_bins_t one = *bins;
    one.nfirst = 1;
    for (size_t i = 0; i < bins->nfirst; i++) error[i] = 0;
    for (size_t j = 0; j < n; j++) {
        unit[j] = 1;
        project(&one, unit, l, &factor, err);
        unit[j] = 0;
        for (size_t i = 0; i < bins->nfirst; i++)
            error[i] += pow(factor * c->error[i * n + j], 2);
    }
    for (size_t i = 0; i < bins->nfirst; i++) error[i] = sqrt(error[i]);
    free(unit);
    return 0;
}

int peri_correlation_check(const peri_pairs_bins_t *bins, const bool sets[SETS],
                           bool periodic, peri_err_t *err)
{
    const bool randoms = sets[PERI_CORRELATION_RANDOMS];
    if (sets[PERI_CORRELATION_SECOND_RANDOMS] &&
        (!sets[PERI_CORRELATION_SECOND] || !randoms))
        return peri_err_set(
            err, PERI_EINVAL,
            "second_randoms are for second, as randoms are for points: give "
            "these, too");
    if (randoms) return 0;
    if (bins->kind == PERI_PAIRS_THETA)
        return peri_err_set(err, PERI_EINVAL,
                            "angles need random points on the same part of the sky: give "
                            "randoms");
    if (!periodic)
        return peri_err_set(err, PERI_EINVAL,
                            "in open space nobody knows how many pairs there would be "
                            "without order: give box if it is periodic, else randoms");
    return 0;
}

peri_correlation_t *
peri_correlation_measure(peri_particles_t *const sets[PERI_CORRELATION_SETS],
                         const peri_correlation_options_t *options, MPI_Comm comm,
                         peri_err_t *err)
{
    const double start = MPI_Wtime(),
                 waited = peri_particles_waited() + peri_pairs_waited();
    measure_t m = {.options = options, .comm = comm};
    peri_correlation_t *out = peri_xcalloc(1, sizeof *out);
    count_t counts[4];
    int rc;
    const bool there[SETS] = {true, sets[1], sets[2], sets[3]};
    rc = peri_correlation_check(&options->bins, there, sets[0]->periodic, err);
    rc = peri_ranks_agree(rc, comm, err);
    if (rc) goto out;
    rc = -1;
    if (prepare(&m, sets, err)) goto out;
    const double decomposed = MPI_Wtime();
    const size_t n = choose(&m, out, counts);
    for (size_t k = 0; k < n; k++)
        m.all += all_pairs(&m.sets[counts[k].a],
                           counts[k].b < 0 ? NULL : &m.sets[counts[k].b]);
    for (size_t k = 0; k < n; k++)
        if (count(&m, &counts[k], err)) goto out;
    out->nbins = out->dd->nbins;
    out->expected = peri_xcalloc(out->nbins, sizeof(double));
    out->xi = peri_xcalloc(out->nbins, sizeof(double));
    out->error = peri_xcalloc(out->nbins, sizeof(double));
    rc = estimate(&m, counts, n, out, err); /* of the same numbers on all ranks */
    out->times = (peri_correlation_times_t){
        .decompose = decomposed - start,
        .count = MPI_Wtime() - decomposed,
        .communication = peri_particles_waited() + peri_pairs_waited() - waited};
out:
    for (int k = 0; k < SETS; k++) free(m.sets[k].memory);
    if (!rc) return out;
    peri_correlation_free(out);
    return NULL;
}

void peri_correlation_free(peri_correlation_t *c)
{
    if (!c) return;
    peri_pairs_counts_free(c->dd);
    peri_pairs_counts_free(c->dr);
    peri_pairs_counts_free(c->rd);
    peri_pairs_counts_free(c->rr);
    free(c->expected);
    free(c->xi);
    free(c->error);
    free(c);
}
