/* pairs_walk.c - walks two trees together and counts what it can without looking at
 * points.
 */
#include <math.h>

#include "mpi/halo/pairs_private.h"

enum { ASK_EVERY = 4096 }; /* pairs of tiles, about a millisecond */

/* Smallest and largest square of each quantity between two boxes, and how many edges are
 * at or below each. */
typedef struct {
    double near[2], far[2];
    size_t above[2], upto[2];
} range_t;

static void separate(const pairs_job_t *job, const pairs_node_t *a, const pairs_node_t *b,
                     range_t *q)
{
    double near[3], far[3];
    for (int d = 0; d < 3; d++) {
        const double lo = (b->lo[d] - a->hi[d]) - job->shift[d];
        const double hi = (b->hi[d] - a->lo[d]) - job->shift[d];
        const double gap = lo > -hi ? lo : -hi;
        const double span = hi > -lo ? hi : -lo;
        near[d] = gap > 0 ? gap * gap : 0;
        far[d] = span * span;
    }
    if (job->kind == PERI_PAIRS_RP_PI && job->los != PERI_LOS_MIDPOINT) {
        const int along = (int)job->los;
        const int u = along == 0 ? 1 : 0, v = along == 2 ? 1 : 2;
        q->near[0] = near[u] + near[v];
        q->far[0] = far[u] + far[v];
        q->near[1] = near[along];
        q->far[1] = far[along];
    } else {
        q->near[0] = near[0] + near[1] + near[2];
        q->far[0] = far[0] + far[1] + far[2];
        q->near[1] = 0;
        q->far[1] = INFINITY;
        if (job->kind != PERI_PAIRS_RP_PI) return;
        q->near[1] = q->near[0]; /* of r^2; rp and pi can be anything below */
        q->near[0] = 0;
        q->far[0] = INFINITY;
    }
}

/* True if no pair can count; else the bin that all are in, or -1. */
static bool decided(const pairs_job_t *job, range_t *q, int64_t *bin)
{
    const pairs_edges_t *const edges[2] = {&job->first, &job->second};
    bool one = true;
    size_t k = 0;
    *bin = -1;
    if (job->kind == PERI_PAIRS_RP_PI && job->los == PERI_LOS_MIDPOINT) {
        if (q->near[1] >= job->far) return true;
        q->near[1] = 0;
    }
    for (int i = 0; i < (job->second.n ? 2 : 1); i++) {
        const size_t n = edges[i]->n;
        q->above[i] = pairs_edges_find(edges[i], q->near[i]);
        q->upto[i] = pairs_edges_find(edges[i], q->far[i]);
        if (q->above[i] == n || q->upto[i] == 0) return true;
        one = one && q->above[i] == q->upto[i];
        k = k * (n - 1) + q->above[i] - 1;
    }
    if (one) *bin = (int64_t)k;
    return false;
}

static void count_all(pairs_walk_t *w, const pairs_node_t *a, const pairs_node_t *b,
                      size_t bin)
{
    pairs_job_t *job = w->job;
    job->out->count[bin] +=
        job->times * pairs_node_points(w->a, a) * pairs_node_points(w->b, b);
    if (!job->out->weight) return;
    const __int128 wa = w->a->weight ? a->weight : (int64_t)pairs_node_points(w->a, a);
    const __int128 wb = w->b->weight ? b->weight : (int64_t)pairs_node_points(w->b, b);
    job->out->weight[bin] += wa * wb * (int64_t)job->times;
}

/* Counts of r by cumulative counts below the edges that cross the range of the tiles. */
static void count_below(pairs_walk_t *w, const pairs_tiles_t *t, const range_t *q)
{
    const pairs_job_t *job = w->job;
    const size_t lo = q->above[0], hi = q->upto[0];
    uint64_t below[PERI_PAIRS_MAX_EDGES + 1];
    const size_t n = hi - lo;
    memset(below, 0, n * sizeof *below);
    w->below(t, job, job->first.square + lo, n, below);
    below[n] = (uint64_t)t->na * t->nb;
    const uint64_t times = t->same ? 1 : job->times;
    uint64_t last = 0;
    for (size_t k = 0; k <= n; k++) {
        const size_t after = lo + k; /* edges at or below this part */
        if (after > 0 && after < job->first.n)
            job->out->count[after - 1] += times * (below[k] - last);
        last = below[k];
    }
    /* Each point met itself, at separation 0. */
    if (t->same && job->first.square[0] <= 0) job->out->count[0] -= t->na;
}

static int meet(pairs_walk_t *w, const pairs_node_t *a, const pairs_node_t *b,
                const range_t *q, peri_err_t *err)
{
    pairs_tiles_t t = {.boxa = a,
                       .boxb = b,
                       .na = pairs_node_points(w->a, a),
                       .nb = pairs_node_points(w->b, b),
                       .same = a == b && w->a == w->b && !w->job->shifted};
    for (int i = 0; i < 2; i++) {
        t.above[i] = (uint32_t)q->above[i];
        t.upto[i] = (uint32_t)q->upto[i];
    }
    for (int d = 0; d < 3; d++) {
        t.a[d] = w->a->at[d] + (size_t)a->tile * PAIRS_TILE;
        t.b[d] = w->b->at[d] + (size_t)b->tile * PAIRS_TILE;
    }
    if (w->a->weight) t.wa = w->a->weight + (size_t)a->tile * PAIRS_TILE;
    if (w->b->weight) t.wb = w->b->weight + (size_t)b->tile * PAIRS_TILE;
    if (w->below)
        count_below(w, &t, q);
    else
        w->bin(&t, w->job);
    if (++w->tick % ASK_EVERY == 0 && w->opts->ask &&
        w->opts->ask(w->opts->ask_arg, w->done / w->all))
        return peri_err_set(err, PERI_ECANCEL, "The pair count was cancelled.");
    return 0;
}

static void finish(pairs_walk_t *w, const pairs_node_t *a, const pairs_node_t *b,
                   double times)
{
    w->done +=
        times * (double)pairs_node_points(w->a, a) * (double)pairs_node_points(w->b, b);
}

static int walk(pairs_walk_t *w, const pairs_node_t *a, const pairs_node_t *b,
                peri_err_t *err)
{
    range_t q = {0};
    int64_t bin;
    separate(w->job, a, b, &q);
    const bool none = decided(w->job, &q, &bin);
    if (none || (bin >= 0 && w->job->per_separation == 0)) {
        if (!none) count_all(w, a, b, (size_t)bin);
        finish(w, a, b, (double)w->job->times);
        return 0;
    }
    if (!a->right && !b->right) {
        finish(w, a, b, (double)w->job->times);
        return meet(w, a, b, &q, err);
    }
    if (b->right && (!a->right || b->ntiles >= a->ntiles)) {
        if (walk(w, a, b + 1, err) < 0) return -1;
        return walk(w, a, w->b->nodes + b->right, err);
    }
    if (walk(w, a + 1, b, err) < 0) return -1;
    return walk(w, w->a->nodes + a->right, b, err);
}

/* The pairs within one node: each pair of tiles once. */
static int walk_self(pairs_walk_t *w, const pairs_node_t *n, peri_err_t *err)
{
    if (!n->right) {
        range_t q = {0};
        int64_t bin;
        separate(w->job, n, n, &q);
        if (decided(w->job, &q, &bin)) return 0; /* all closer than the first edge */
        finish(w, n, n, 1);
        return meet(w, n, n, &q, err);
    }
    const pairs_node_t *left = n + 1, *right = w->a->nodes + n->right;
    if (walk_self(w, left, err) < 0 || walk_self(w, right, err) < 0) return -1;
    return walk(w, left, right, err);
}

int pairs_walk(pairs_walk_t *w, peri_err_t *err)
{
    if (w->a == w->b && !w->job->shifted) return walk_self(w, w->a->nodes, err);
    return walk(w, w->a->nodes, w->b->nodes, err);
}
