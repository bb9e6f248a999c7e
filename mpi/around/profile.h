/* profile.h - particles by distance around centres.
 *
 * Sums are exact (fixed.h), so that results are the same bits for any number of ranks and
 * any order of particles.
 */
#ifndef MPI_AROUND_PROFILE_H
#define MPI_AROUND_PROFILE_H

#include "mpi/around/finder.h"

typedef struct {
    const double *edges; /* of bins, rising, from 0 or more; a bin has its lower one */
    size_t nedges;       /* one more than bins; at least 2 */
    bool scaled;         /* edges are multiples of the centre's radius */
    double hubble_flow;  /* velocity added for each unit of distance; 0: none */
} peri_profile_options_t;

/* Velocities are relative to that of the centre, or where it has none to the mean of all
 * particles nearer than the last edge, by mass. NAN in a bin without particles. */
typedef struct {
    double inner, outer; /* in the unit of positions */
    uint64_t np;
    double mass, density;
    uint64_t np_within; /* nearer than `outer` */
    double mass_within;
    double v_radial, sigma_radial; /* mean of v.r/r by mass, and its deviation */
    double sigma; /* along one axis, about the bin's mean velocity and radial flow: these
                     are fitted together */
} peri_profile_bin_t;

/* Particles stay where they are. Without masses, velocities: 1 each, NAN. The bins of
 * centres [*first, *first + *count) are this rank's: *bins is malloc'd, bin by bin and
 * centre by centre. Collective. */
int peri_profile(const peri_particles_t *p, const peri_centre_t *centres, size_t n,
                 const peri_profile_options_t *options,
                 const peri_progressing_t *progress, MPI_Comm comm,
                 peri_profile_bin_t **bins, size_t *first, size_t *count,
                 peri_err_t *err);

/* A mean over centres, each counted the same; velocities by mass. */
typedef struct {
    uint64_t centres;
    double np, mass, mass_within, density;
    double density_error; /* of the mean: standard deviation / sqrt(centres - 1) */
    double v_radial, sigma_radial, sigma;
} peri_stack_bin_t;

/* group[i] of centre i, below ngroups, or -1: not counted. out has ngroups * nbins
 * entries, and is complete on every rank. Collective. */
int peri_profile_stack(const peri_profile_bin_t *bins, size_t first, size_t count,
                       size_t nbins, const int *group, size_t ngroups,
                       peri_stack_bin_t *out, MPI_Comm comm, peri_err_t *err);

#endif
