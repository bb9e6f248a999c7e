/* pairs_ranks.h - pair counts of points that are spread over ranks.
 *
 * Each pair is counted on one rank, with unshifted positions, so counts and sums are the
 * same bits for any number of ranks and however the points are spread. How they are
 * spread decides the speed: each rank should have a region of space, as after
 * peri_particles_decompose.
 */
#ifndef MPI_HALO_PAIRS_RANKS_H
#define MPI_HALO_PAIRS_RANKS_H

#include <mpi.h>

#include "mpi/halo/pairs.h"

/* Collective: as peri_pairs_count, of all ranks' points; every rank gets the counts of
 * all. a (and b) are what this rank has; where one rank has weights, all have them, and
 * weight_total is that of all ranks, the same bits everywhere. opts->ask is asked with
 * the fraction of this rank; if it stops the count on any rank, all end. */
peri_pairs_counts_t *peri_pairs_count_ranks(const peri_pairs_points_t *a,
                                            const peri_pairs_points_t *b,
                                            const peri_pairs_bins_t *bins,
                                            const peri_pairs_opts_t *opts, MPI_Comm comm,
                                            peri_err_t *err);

/* Collective: n integers become the sums over all ranks. */
void peri_sum_integers(__int128 *values, size_t n, MPI_Comm comm);

/* Seconds that this rank has spent in messages of these functions so far, those of
 * peri_particles_waited not included. */
double peri_pairs_waited(void);

#endif
