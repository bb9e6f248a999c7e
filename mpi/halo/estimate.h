/* estimate.h - correlation functions from pair counts.
 *
 * xi says how many more pairs there are than points without order would have. A bin for
 * which that cannot be said (no random pair in it) is NaN, and so is what is made of it.
 *
 * Threads: any; nothing here has a state.
 */
#ifndef MPI_HALO_ESTIMATE_H
#define MPI_HALO_ESTIMATE_H

#include "mpi/halo/pairs.h"

/* Volume of each bin around a point, both signs of mu and pi together: shells, sectors of
 * shells, pieces of cylinders. There is none for angles. */
int peri_estimate_volumes(const peri_pairs_bins_t *bins, double *volume, peri_err_t *err);

/* What all pairs of a count weigh together: of one set with itself (b NULL), (sum w)^2 -
 * sum w^2, or of two, sum wa * sum wb. Without weights: n(n-1), or na * nb. */
double peri_estimate_pairs(const peri_pairs_points_t *a, const peri_pairs_points_t *b);

/* In a periodic box random pairs are known: xi = DD / (pairs * volume / box) - 1. pairs
 * is peri_estimate_pairs of the whole set, box the volume of the box. xi has dd->nbins.
 */
int peri_estimate_natural(const peri_pairs_counts_t *dd, const peri_pairs_bins_t *bins,
                          double pairs, double box, double *xi, peri_err_t *err);

/* A count with what all its pairs weigh. */
typedef struct {
    const peri_pairs_counts_t *counts;
    double pairs;
} peri_estimate_t;

/* Landy and Szalay (1993): xi = (DD - DR - RD + RR) / RR, each over its pairs. For one
 * set with its random points RD is DR: rd may be NULL. */
int peri_estimate_landy_szalay(const peri_estimate_t *dd, const peri_estimate_t *dr,
                               const peri_estimate_t *rd, const peri_estimate_t *rr,
                               double *xi, peri_err_t *err);

/* wp(rp) = 2 * sum of xi(rp, pi) dpi; wp has bins->nfirst. */
int peri_estimate_projected(const peri_pairs_bins_t *bins, const double *xi, double *wp,
                            peri_err_t *err);

/* The multipole l (0, 2 or 4) of xi(s, mu): (2l+1) * sum of xi * integral of P_l over the
 * bin of mu, so that only what is constant within a bin is assumed. Mu must reach from 0
 * to
 * 1. pole has bins->nfirst. */
int peri_estimate_multipole(const peri_pairs_bins_t *bins, const double *xi, int l,
                            double *pole, peri_err_t *err);

#endif
