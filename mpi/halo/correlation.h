/* correlation.h - correlation functions of points that are spread over ranks: pair counts
 * (pairs_ranks.h) and the estimate made of them (estimate.h).
 *
 * Everything but the times is the same bits for any number of ranks, on all of them.
 */
#ifndef MPI_HALO_CORRELATION_H
#define MPI_HALO_CORRELATION_H

#include "mpi/halo/pairs_ranks.h"
#include "perigee/particles.h"

/* Without randoms the box must be periodic, and random pairs are computed (natural
 * estimator); with randoms it is Landy and Szalay's. With a second set pairs are between
 * the two; its randoms are the first one's if it has none of its own. */
enum {
    PERI_CORRELATION_POINTS,
    PERI_CORRELATION_RANDOMS,
    PERI_CORRELATION_SECOND,
    PERI_CORRELATION_SECOND_RANDOMS,
    PERI_CORRELATION_SETS
};

/* Told now and then what is counted ("DD") and how much of all is done; -1 with *err
 * stops. */
typedef int (*peri_correlation_progress_f)(void *arg, const char *what, double done,
                                           double total, peri_err_t *err);

typedef struct {
    peri_pairs_bins_t bins;
    bool mean;                            /* mean separations too */
    peri_correlation_progress_f progress; /* may be NULL */
    void *arg;
} peri_correlation_options_t;

/* Seconds of this rank. */
typedef struct {
    double decompose, count;
    double communication; /* in both, waiting included */
} peri_correlation_times_t;

typedef struct {
    size_t nbins;
    /* NULL: not counted. rd: randoms of the first set with the second one. */
    peri_pairs_counts_t *dd, *dr, *rd, *rr;
    double *expected; /* what DD weighs without any order */
    double *xi;       /* NaN: nothing expected */
    /* Poisson: (1 + xi) / sqrt(N), N the different pairs; without any, 1 / expected N. */
    double *error;
    peri_correlation_times_t times;
} peri_correlation_t;

/* Collective. sets: NULL where there is none. The first set is changed: the others are
 * put into it, its ids are lost, and it is decomposed; its box is that of all. Weights
 * count where there are any. Angles need unit vectors in open space. */
peri_correlation_t *
peri_correlation_measure(peri_particles_t *const sets[PERI_CORRELATION_SETS],
                         const peri_correlation_options_t *options, MPI_Comm comm,
                         peri_err_t *err);
void peri_correlation_free(peri_correlation_t *c); /* accepts NULL */

/* Only the checks of which sets there are. */
int peri_correlation_check(const peri_pairs_bins_t *bins,
                           const bool sets[PERI_CORRELATION_SETS], bool periodic,
                           peri_err_t *err);

/* What is a sum of xi over the second bins, and its error: the multipole l (0, 2, 4) of
 * xi(s, mu), or wp(rp) where l is PERI_CORRELATION_WP. Both have bins->nfirst. */
enum { PERI_CORRELATION_WP = -1 };
int peri_correlation_project(const peri_pairs_bins_t *bins, const peri_correlation_t *c,
                             int l, double *value, double *error, peri_err_t *err);

#endif
