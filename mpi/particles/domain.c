/* domain.c - orthogonal recursive bisection: which region of space is whose.
 *
 * All parts of one level of the bisection are cut at once. A cut is looked for by
 * counting the particles in bins, choosing the bin with the wanted quantile, and dividing
 * that again, until hardly any particle is in it: a few reductions a level, whatever the
 * number of particles. Counts are over all ranks, so all ranks find the same cuts, and
 * the same for any distribution of the particles that they start with. A particle at the
 * cut is above it; if one position has so many particles that a cut is bad, other axes
 * are tried, and the best is taken.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/particles/private.h"

enum { BINS = 512, MAX_ROUNDS = 10 };

/* A part of space that still belongs to several ranks. */
typedef struct {
    peri_region_t region;
    int first_rank, nranks, cut; /* number of the cut that will divide it */
    uint64_t total;              /* particles in it, on all ranks */

    /* the search along one axis: the quantile is in [lo, hi) */
    int axis, rounds;
    bool searching;
    double lo, hi;
    uint64_t below, inside;
    double edges[BINS + 1];

    /* the best cut so far */
    int best_axis;
    double best_at, best_error;
} part_t;

typedef struct {
    const double *coord[3];
    size_t n;
    int *part_of; /* of each particle: a part of this level, or ~rank */
    part_t *parts;
    int nparts;
    uint64_t *counts; /* [nparts * BINS] */
    MPI_Comm comm;
} level_t;

static double wanted(const part_t *t)
{
    return (double)t->total * (t->nranks / 2) / t->nranks;
}

static void sum_counts(level_t *v, size_t n)
{
    double start = MPI_Wtime();
    /* In pieces, as counts are int. */
    for (size_t i = 0; i < n; i += 1u << 20) {
        size_t here = n - i < 1u << 20 ? n - i : 1u << 20;
        MPI_Allreduce(MPI_IN_PLACE, v->counts + i, (int)here, MPI_UINT64_T, MPI_SUM,
                      v->comm);
    }
    peri_waited_since(start);
}

/* The nth longest axis; of equally long ones the first. */
static int axis_by_length(const peri_region_t *r, int nth)
{
    int order[3] = {0, 1, 2};
    for (int i = 1; i < 3; i++)
        for (int j = i; j > 0; j--) {
            double a = r->hi[order[j]] - r->lo[order[j]];
            double b = r->hi[order[j - 1]] - r->lo[order[j - 1]];
            if (a <= b) break;
            int swap = order[j];
            order[j] = order[j - 1];
            order[j - 1] = swap;
        }
    return order[nth];
}

static void set_edges(part_t *t)
{
    for (int k = 0; k < BINS; k++) t->edges[k] = t->lo + (t->hi - t->lo) * k / BINS;
    t->edges[BINS] = t->hi;
}

static void start_search(part_t *t, int nth)
{
    t->axis = axis_by_length(&t->region, nth);
    t->lo = t->region.lo[t->axis];
    t->hi = t->region.hi[t->axis];
    t->below = 0;
    t->inside = t->total;
    t->rounds = 0;
    t->searching = true;
    set_edges(t);
}

static void count_bins(level_t *v)
{
    memset(v->counts, 0, (size_t)v->nparts * BINS * sizeof(*v->counts));
    for (size_t i = 0; i < v->n; i++) {
        if (v->part_of[i] < 0) continue;
        const part_t *t = &v->parts[v->part_of[i]];
        double x = v->coord[t->axis][i];
        if (!t->searching || x < t->lo || x >= t->hi) continue;
        int bin = (int)((x - t->lo) / (t->hi - t->lo) * BINS);
        if (bin >= BINS) bin = BINS - 1;
        /* Exactly: what is counted is what a comparison with the cut will say. */
        while (x < t->edges[bin]) bin--;
        while (x >= t->edges[bin + 1]) bin++;
        v->counts[(size_t)v->part_of[i] * BINS + (size_t)bin]++;
    }
    sum_counts(v, (size_t)v->nparts * BINS);
}

/* Take the border of the last bin that is closer to what is wanted and not on the part's
 * own border. */
static void end_search(part_t *t)
{
    double lo = t->region.lo[t->axis], hi = t->region.hi[t->axis];
    double low_error = fabs((double)t->below - wanted(t));
    double high_error = fabs((double)(t->below + t->inside) - wanted(t));
    bool low_ok = t->lo > lo, high_ok = t->hi < hi;
    double at, error;
    if (low_ok && (low_error <= high_error || !high_ok)) {
        at = t->lo;
        error = low_error;
    } else {
        at = t->hi;
        error = high_error;
    }
    t->searching = false;
    if (t->best_axis >= 0 && t->best_error <= error) return;
    t->best_axis = t->axis;
    t->best_at = at;
    t->best_error = error;
}

static void refine(part_t *t, const uint64_t *counts)
{
    int bin = 0, last = BINS - 1;
    double want = wanted(t);
    while (bin < last && (double)(t->below + counts[bin]) < want)
        t->below += counts[bin++];
    t->inside = counts[bin];
    t->lo = t->edges[bin];
    t->hi = t->edges[bin + 1];
    double few = (double)t->total / t->nranks / 200;
    if ((double)t->inside <= few || t->inside <= 1 || nextafter(t->lo, t->hi) >= t->hi ||
        ++t->rounds >= MAX_ROUNDS)
        end_search(t);
    else
        set_edges(t);
}

static void find_cuts(level_t *v)
{
    for (int nth = 0; nth < 3; nth++) {
        bool any = false;
        for (int i = 0; i < v->nparts; i++) {
            part_t *t = &v->parts[i];
            double bad = 0.1 * (double)t->total / t->nranks;
            if (!t->total || (nth && t->best_error <= bad)) continue;
            start_search(t, nth);
            any = true;
        }
        while (any) {
            count_bins(v);
            any = false;
            for (int i = 0; i < v->nparts; i++) {
                part_t *t = &v->parts[i];
                if (!t->searching) continue;
                refine(t, v->counts + (size_t)i * BINS);
                any |= t->searching;
            }
        }
    }
}

static void count_totals(level_t *v)
{
    memset(v->counts, 0, (size_t)v->nparts * sizeof(*v->counts));
    for (size_t i = 0; i < v->n; i++)
        if (v->part_of[i] >= 0) v->counts[v->part_of[i]]++;
    sum_counts(v, (size_t)v->nparts);
    for (int i = 0; i < v->nparts; i++) {
        part_t *t = &v->parts[i];
        t->total = v->counts[i];
        t->best_axis = -1;
        if (t->total) continue;
        int axis = t->best_axis = axis_by_length(&t->region, 0);
        double lo = t->region.lo[axis], hi = t->region.hi[axis];
        t->best_at = lo + (hi - lo) * (t->nranks / 2) / t->nranks;
    }
}

/* Divide all parts of the level at their cuts; those of several ranks are the next level,
 * in next[]. child_of[2 * i] is where part i's lower half is: a part, or ~rank. */
static int divide(const level_t *v, peri_particles_t *p, part_t *next, int *child_of,
                  int *ncuts)
{
    int nnext = 0;
    for (int i = 0; i < v->nparts; i++) {
        const part_t *t = &v->parts[i];
        peri_cut_t *cut = &p->p->cuts[t->cut];
        cut->axis = t->best_axis;
        cut->at = t->best_at;
        for (int half = 0; half < 2; half++) {
            int lower = t->nranks / 2;
            int first_rank = half ? t->first_rank + lower : t->first_rank;
            int nranks = half ? t->nranks - lower : lower;
            peri_region_t region = t->region;
            *(half ? &region.lo[cut->axis] : &region.hi[cut->axis]) = cut->at;
            if (nranks == 1) {
                p->p->regions[first_rank] = region;
                cut->child[half] = child_of[2 * i + half] = ~first_rank;
                continue;
            }
            cut->child[half] = *ncuts;
            child_of[2 * i + half] = nnext;
            next[nnext++] = (part_t){.region = region,
                                     .first_rank = first_rank,
                                     .nranks = nranks,
                                     .cut = (*ncuts)++};
        }
    }
    return nnext;
}

static void assign(level_t *v, const int *child_of)
{
    for (size_t i = 0; i < v->n; i++) {
        int part = v->part_of[i];
        if (part < 0) continue;
        const part_t *t = &v->parts[part];
        v->part_of[i] = child_of[2 * part + (v->coord[t->best_axis][i] >= t->best_at)];
    }
}

/* The box around all particles: where there are none, a point. */
static void find_extent(peri_particles_t *p, peri_region_t *all, MPI_Comm comm)
{
    const double *coord[3] = {p->x, p->y, p->z};
    double low[6];
    for (int k = 0; k < 3; k++) {
        low[k] = low[3 + k] = DBL_MAX;
        for (size_t i = 0; i < p->n; i++) {
            low[k] = fmin(low[k], coord[k][i]);
            low[3 + k] = fmin(low[3 + k], -coord[k][i]);
        }
    }
    MPI_Allreduce(MPI_IN_PLACE, low, 6, MPI_DOUBLE, MPI_MIN, comm);
    for (int k = 0; k < 3; k++) {
        bool none = low[k] == DBL_MAX;
        all->lo[k] = none ? 0 : low[k];
        all->hi[k] = none ? 0 : nextafter(-low[3 + k], INFINITY);
        p->box[k] = all->hi[k] - all->lo[k];
    }
}

static void cut_all(level_t *v, peri_particles_t *p, part_t *next, int *child_of)
{
    int ncuts = 1;
    while (v->nparts) {
        count_totals(v);
        find_cuts(v);
        int nnext = divide(v, p, next, child_of, &ncuts);
        assign(v, child_of);
        part_t *swap = v->parts;
        v->parts = next;
        next = swap;
        v->nparts = nnext;
    }
}

int peri_domain_cut(peri_particles_t *p, int *rank_of, MPI_Comm comm, peri_err_t *err)
{
    int nranks, rank, rc = 0;
    MPI_Comm_size(comm, &nranks);
    MPI_Comm_rank(comm, &rank);
    size_t most = (size_t)(nranks + 1) / 2, n = (size_t)nranks;
    part_t *parts = calloc(most, sizeof(*parts)), *next = calloc(most, sizeof(*next));
    int *child_of = malloc(2 * most * sizeof(*child_of));
    peri_region_t *regions = calloc(n, sizeof(*regions));
    peri_cut_t *cuts = calloc(n, sizeof(*cuts));
    uint64_t *counts = malloc(most * BINS * sizeof(*counts));
    if (!parts || !next || !child_of || !regions || !cuts || !counts)
        rc = peri_err_set(err, PERI_ELIMIT,
                          "there is no memory to divide space among the ranks");
    rc = peri_ranks_agree(rc, comm, err);
    if (!rc) {
        free(p->p->regions);
        free(p->p->cuts);
        p->p->regions = regions;
        p->p->cuts = cuts;
        regions = NULL;
        cuts = NULL;
        peri_region_t all = {.hi = {p->box[0], p->box[1], p->box[2]}};
        if (!p->periodic) find_extent(p, &all, comm);
        parts[0] = (part_t){.region = all, .nranks = nranks};
        p->p->regions[0] = all;
        memset(rank_of, 0, p->n * sizeof(*rank_of));
        level_t v = {.coord = {p->x, p->y, p->z},
                     .n = p->n,
                     .part_of = rank_of,
                     .parts = parts,
                     .nparts = nranks > 1,
                     .counts = counts,
                     .comm = comm};
        cut_all(&v, p, next, child_of);
        for (size_t i = 0; i < p->n; i++)
            if (nranks > 1) rank_of[i] = ~rank_of[i];
        p->p->nranks = nranks;
        p->region = p->p->regions[rank];
    }
    free(parts);
    free(next);
    free(child_of);
    free(regions);
    free(cuts);
    free(counts);
    return rc;
}

int peri_particles_rank_at(const peri_particles_t *p, const double position[3])
{
    if (p->p->nranks <= 1) return 0;
    double x[3];
    for (int k = 0; k < 3; k++) {
        x[k] = position[k];
        if (!p->periodic || (x[k] >= 0 && x[k] < p->box[k])) continue;
        x[k] -= floor(x[k] / p->box[k]) * p->box[k];
        if (x[k] >= p->box[k]) x[k] = 0;
    }
    int at = 0;
    while (at >= 0) {
        const peri_cut_t *cut = &p->p->cuts[at];
        at = cut->child[x[cut->axis] >= cut->at];
    }
    return ~at;
}

peri_region_t peri_particles_region(const peri_particles_t *p, int rank)
{
    return p->p->regions ? p->p->regions[rank] : p->region;
}
