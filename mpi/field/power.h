/* power.h - the power spectrum of particles in a periodic box, by transforms of a grid.
 *
 * P(k) = V <|delta_k|^2>, where delta_k is the mean over the box of the density contrast
 * times exp(-i k x), V the volume: for particles of weight w, delta_k is the sum of
 * w exp(-i k x) divided by the sum of w. All functions are collective.
 */
#ifndef MPI_FIELD_POWER_H
#define MPI_FIELD_POWER_H

#include "perigee/field.h"

typedef struct {
    size_t n[3];
    double box[3];
    peri_scheme_t scheme;
    bool interlaced; /* a second grid, half a cell away: removes the odd aliases */
    bool compensate; /* divide by the scheme's window */
    int axis;        /* line of sight of the multipoles: 0, 1, 2 */
    size_t bins;     /* equal in log k; 0: linear, of the width of the lowest mode */
} peri_powerspec_t;

typedef struct {
    double k, k_lo, k_hi; /* k: mean over the modes */
    int64_t modes;        /* k and -k are two */
    double p[3];          /* multipoles 0, 2, 4; shot noise is in them */
} peri_powerbin_t;

/* Of one set of particles. */
typedef struct {
    peri_field_t *modes;    /* the sum of w exp(-i k x) times the window */
    double weight, weight2; /* sums of w and w^2 */
} peri_powermodes_t;

/* Number of bins; 0: no mode lies between the lowest and Nyquist's. Local. */
size_t peri_power_nbins(const peri_powerspec_t *s);

int peri_power_transform(const peri_powerspec_t *s, const peri_points_t *points,
                         MPI_Comm comm, peri_powermodes_t *out, peri_err_t *err);
/* All bins, on all ranks, those without modes too. b is a for an auto spectrum. */
int peri_power_measure(const peri_powerspec_t *s, const peri_powermodes_t *a,
                       const peri_powermodes_t *b, peri_powerbin_t *bins,
                       peri_err_t *err);
/* What points without any order would have: V sum w^2 / (sum w)^2; V / N if all count
 * alike. */
double peri_power_shot_noise(const peri_powerspec_t *s, const peri_powermodes_t *a);

#endif
