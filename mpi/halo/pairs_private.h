/* pairs_private.h - what the files of pairs*.c share.
 *
 * Points lie in tiles of PAIRS_TILE neighbours, tiles are the leaves of a k-d tree
 * (pairs_tree.c). Two trees are walked together (pairs_walk.c): two nodes that are too
 * far apart are dropped, two whose separations all lie in one bin count as a product, and
 * two tiles that are neither go to a kernel (pairs_simd.c: only counts of r; pairs_bin.c:
 * the rest). Bounds are computed with the operations that pairs are, on the corners of
 * boxes; rounding is monotonic, so they hold exactly.
 */
#ifndef MPI_HALO_PAIRS_PRIVATE_H
#define MPI_HALO_PAIRS_PRIVATE_H

#include <string.h>

#include "mpi/halo/pairs.h"

#define PAIRS_TILE 64

typedef struct {
    double lo[3], hi[3];
    uint32_t tile, ntiles;
    uint32_t right; /* the left child is the next node; 0: a leaf, of one tile */
    int64_t weight; /* sum, in units */
} pairs_node_t;

typedef struct {
    size_t npoints;
    double *at[3];       /* ntiles * PAIRS_TILE, infinite after the last point */
    int64_t *weight;     /* in units; NULL: none */
    double weight_unit;  /* 1 without weights */
    pairs_node_t *nodes; /* node 0 is the root; NULL without points */
} pairs_tree_t;

pairs_tree_t *pairs_tree_new(const peri_pairs_points_t *points, const char *which,
                             const double box[3], bool unit, peri_err_t *err);
void pairs_tree_free(pairs_tree_t *tree);

static inline size_t pairs_node_points(const pairs_tree_t *tree, const pairs_node_t *n)
{
    const size_t first = (size_t)n->tile * PAIRS_TILE;
    const size_t all = (size_t)n->ntiles * PAIRS_TILE;
    return tree->npoints - first < all ? tree->npoints - first : all;
}

/* Edges of one kind, as what they are compared with: squares. */
typedef struct {
    size_t n;       /* edges */
    double *square; /* n, and infinity */
    uint16_t *slot; /* by the leading bits of a square: how many edges are surely below */
    uint64_t base;
    int drop; /* how many bits a slot ignores */
} pairs_edges_t;

void pairs_edges_init(pairs_edges_t *e, const double *squares, size_t n);
void pairs_edges_free(pairs_edges_t *e);

/* How many edges are <= q; q is not NaN. Bin b is between b and b + 1. */
static inline size_t pairs_edges_find(const pairs_edges_t *e, double q)
{
    if (q < e->square[0]) return 0;
    if (q >= e->square[e->n - 1]) return e->n;
    uint64_t bits;
    memcpy(&bits, &q, sizeof bits);
    size_t k = e->slot[bits <= e->base ? 0 : (bits - e->base) >> e->drop];
    while (q >= e->square[k]) k++;
    return k;
}

/* Two tiles (na and nb points) with their boxes. */
typedef struct {
    const double *a[3], *b[3];
    const int64_t *wa, *wb;
    const pairs_node_t *boxa, *boxb;
    size_t na, nb;
    /* How many edges are surely below the nearest pair, and below the farthest. */
    uint32_t above[2], upto[2];
    bool same; /* a is b: all i < j */
} pairs_tiles_t;

/* What pairs_bin.c adds up: each pair once. Sums of one bin are spread over several
 * lanes, because most pairs fall into few bins and each addition would wait for the one
 * before. */
typedef struct {
    size_t nbins, lanes; /* a power of two */
    uint64_t *count;
    __int128 *weight, *separation; /* NULL: not asked */
} pairs_sums_t;

void pairs_sums_init(pairs_sums_t *sums, const peri_pairs_counts_t *out);
/* Adds times the sums to out and frees them. */
void pairs_sums_end(pairs_sums_t *sums, peri_pairs_counts_t *out, uint64_t times);

typedef struct {
    peri_pairs_kind_t kind;
    peri_pairs_los_t los;
    pairs_edges_t first, second; /* second.n is 0 where there is none */
    double far;                  /* no pair with r^2 >= far counts */
    double shift[3];
    bool shifted;
    double per_separation; /* 1 / separation_unit; 0: no sum */
    uint64_t times;        /* what a pair counts */
    peri_pairs_counts_t *out;
    pairs_sums_t sums;
} pairs_job_t;

/* below[k] += how many pairs of the tiles have r^2 < square[k]. */
typedef void pairs_below_t(const pairs_tiles_t *t, const pairs_job_t *job,
                           const double *square, size_t n, uint64_t *below);
/* Puts every pair of the tiles into its bin, with weights and separations. */
typedef void pairs_bin_t(const pairs_tiles_t *t, const pairs_job_t *job);

pairs_below_t *pairs_below_kernel(peri_simd_t simd);
pairs_bin_t *pairs_bin_kernel(peri_simd_t simd);

/* Walks both trees (b is a for auto pairs) under job's shift. done and all are for ask.
 */
typedef struct {
    const pairs_tree_t *a, *b;
    pairs_job_t *job;
    pairs_below_t *below; /* NULL: only bin fits the job */
    pairs_bin_t *bin;
    const peri_pairs_opts_t *opts;
    double done, all;
    unsigned tick;
} pairs_walk_t;

int pairs_walk(pairs_walk_t *w, peri_err_t *err);

#endif
