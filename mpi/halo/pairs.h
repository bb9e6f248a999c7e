/* pairs.h - counts pairs of points in bins of their separation.
 *
 * What a correlation function is made of: how many pairs (i, j), i and j of one set
 * (auto) or of two sets (cross), have a separation in each bin. Works on one process'
 * memory and knows nothing of MPI; estimate.h turns counts into correlation functions.
 *
 * Counts are exact: they are those of a double loop over all pairs that takes, in double
 * precision and in this order of operations, without fused multiply-add,
 *
 *     d = (xj - xi) - shift       shift: 0, or +-box for the nearest image
 *     r^2 = dx*dx + dy*dy + dz*dz
 *
 * and puts the pair into the bin with  lo*lo <= r^2 < hi*hi. They do not depend on the
 * instruction set, on the order of the points, nor on how a caller shares the pairs out
 * over processes, as long as each pair is counted once: ghosts should be passed where
 * they are (not moved by a box) together with the periodic box. Ghosts that were moved by
 * a box work too, without one; their positions are then rounded, and with them an edge.
 *
 * Sums of weights and separations are sums of integers, so they do not depend on any
 * order either: a weight is rounded to 2^-61 of the sum of all |weights| of its set, a
 * separation to 2^-52 of the largest edge, both taken up to a power of two; nothing else
 * is rounded.
 *
 * Threads: all functions may be called by several at once; a result belongs to one.
 */
#ifndef MPI_HALO_PAIRS_H
#define MPI_HALO_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

typedef enum {
    PERI_PAIRS_R,     /* r, the separation in space */
    PERI_PAIRS_S_MU,  /* s = r, and mu = |cosine to the line of sight|, 0 to 1 */
    PERI_PAIRS_RP_PI, /* across and along the line of sight */
    PERI_PAIRS_THETA, /* the angle between unit vectors, in degrees */
} peri_pairs_kind_t;

/* Along an axis, far away; or from the origin to the middle of the pair (sky surveys). */
typedef enum { PERI_LOS_X, PERI_LOS_Y, PERI_LOS_Z, PERI_LOS_MIDPOINT } peri_pairs_los_t;

/* The ascending edges of bins [lo, hi): first of r, s, rp or theta, second of mu or pi. A
 * pair with mu = 1 belongs to the last bin of mu where that ends at 1. Points at the same
 * place have mu = 0 and pi = 0. */
typedef struct {
    peri_pairs_kind_t kind;
    peri_pairs_los_t los; /* of PERI_PAIRS_S_MU and PERI_PAIRS_RP_PI */
    size_t nfirst;        /* bins, one less than edges */
    const double *first;
    size_t nsecond; /* 0 where there is no second */
    const double *second;
} peri_pairs_bins_t;

/* Points with optional weights (NULL: all 1, and no sum of weights is made). */
typedef struct {
    size_t n;
    const double *x, *y, *z;
    const double *weight;
    /* The sum of |weight| that fixes their rounding; 0: of these points. Processes that
     * share a set give that of the whole set, and so round alike. */
    double weight_total;
} peri_pairs_points_t;

typedef enum {
    PERI_SIMD_AUTO, /* $PERIGEE_SIMD (portable, avx2, avx512), else the best there is */
    PERI_SIMD_PORTABLE,
    PERI_SIMD_AVX2,
    PERI_SIMD_AVX512
} peri_simd_t;

typedef struct {
    double box[3]; /* period of each axis; 0: none */
    bool mean;     /* sum separations too */
    peri_simd_t simd;
    /* Asked now and then (every few milliseconds) with the fraction done, 0 to 1;
     * anything but 0 stops the count with PERI_ECANCEL. May be NULL. */
    int (*ask)(void *arg, double fraction);
    void *ask_arg;
} peri_pairs_opts_t;

/* Bin (i, j) of nfirst x nsecond is at i * nsecond + j; nsecond is 1 where there is none.
 */
typedef struct {
    size_t nfirst, nsecond, nbins;
    uint64_t *count;  /* ordered pairs: (i, j) and (j, i) are two; never i with itself */
    __int128 *weight; /* sum of wi * wj in weight_unit; NULL without weights */
    __int128
        *separation; /* sum of r, s, rp or theta in separation_unit; NULL: not asked */
    double weight_unit, separation_unit;
} peri_pairs_counts_t;

/* Most edges of one kind, most bins. */
#define PERI_PAIRS_MAX_EDGES 4096
#define PERI_PAIRS_MAX_BINS  (1u << 20)

/* Counts the pairs of a with b, or of a with itself where b is NULL; opts may be NULL.
 * Cross pairs are counted once each, auto pairs as (i, j) and (j, i). */
peri_pairs_counts_t *peri_pairs_count(const peri_pairs_points_t *a,
                                      const peri_pairs_points_t *b,
                                      const peri_pairs_bins_t *bins,
                                      const peri_pairs_opts_t *opts, peri_err_t *err);
void peri_pairs_counts_free(peri_pairs_counts_t *counts);

/* Adds what was counted elsewhere with the same bins and units. */
int peri_pairs_counts_add(peri_pairs_counts_t *to, const peri_pairs_counts_t *more,
                          peri_err_t *err);

/* Sum of weight products of a bin (the count without weights); mean separation (NaN: no
 * pair, or not asked for). */
double peri_pairs_weight(const peri_pairs_counts_t *counts, size_t bin);
double peri_pairs_separation(const peri_pairs_counts_t *counts, size_t bin);

/* Only the checks of peri_pairs_count that need no points, so that a wrong request is
 * refused before data is read. */
int peri_pairs_check(const peri_pairs_bins_t *bins, const peri_pairs_opts_t *opts,
                     peri_err_t *err);

/* The largest separation along each axis that a counted pair can have: the ghost width.
 */
void peri_pairs_reach(const peri_pairs_bins_t *bins, double reach[3]);

/* What PERI_SIMD_AUTO means here, or -1 where $PERIGEE_SIMD asks for what is not there.
 */
int peri_simd_choose(peri_simd_t wanted, peri_simd_t *chosen, peri_err_t *err);

/* Positions from right ascension and declination (degrees) and distance (NULL: 1). */
void peri_pairs_from_sky(size_t n, const double *ra, const double *dec,
                         const double *distance, double *x, double *y, double *z);

#endif
