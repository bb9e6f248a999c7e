/* fof.h - friends-of-friends groups of particles over all ranks.
 *
 * Two particles are friends if their distance is at most the linking length; a group is
 * whatever friends connect. Groups, their order and every number of them are the same
 * bits for any number of ranks: sums are made in fixed point, where order does not
 * matter.
 */
#ifndef MPI_HALO_FOF_H
#define MPI_HALO_FOF_H

#include <stdbool.h>

#include "mpi/halo/progress.h"
#include "perigee/particles.h"

typedef struct {
    double linking_length;  /* in the unit of the positions */
    uint64_t min_particles; /* smaller groups are dropped; at least 1 */
    bool members;           /* give them, too */
} peri_fof_options_t;

typedef struct {
    int64_t number; /* 0 is the group with most particles; equal ones by first_id */
    int64_t np;
    double mass;        /* number of particles, if they have no mass */
    double position[3]; /* where it is densest: see fof_peak.c; in the box */
    double centre[3];   /* of mass, in the box */
    double velocity[3]; /* of the centre of mass; NAN without velocities */
    double radius;      /* root mean square distance from the centre, by mass */
    double dispersion;  /* of velocities, in one dimension, by mass */
    int64_t first_id;   /* smallest id of its particles */
} peri_fof_group_t;

typedef struct {
    int64_t group; /* its number */
    int64_t id;    /* of the particle */
} peri_fof_member_t;

/* Seconds of this rank. */
typedef struct {
    double decompose, link, merge, groups, members;
    double communication; /* in all of them, waiting included */
} peri_fof_times_t;

typedef struct {
    size_t ngroups; /* on this rank; those of rank 0 come first */
    peri_fof_group_t *groups;
    size_t nmembers; /* by group, then id; those of rank 0 come first */
    peri_fof_member_t *members;
    peri_fof_times_t times;
} peri_fof_t;

/* Collective. Decomposes p and gives it ghosts; without ids the particles are numbered in
 * the order of the ranks' inputs. Masses must be positive. progress may be NULL. */
peri_fof_t *peri_fof_find(peri_particles_t *p, const peri_fof_options_t *options,
                          peri_halo_progress_f progress, void *arg, MPI_Comm comm,
                          peri_err_t *err);
void peri_fof_free(peri_fof_t *f); /* accepts NULL */

/* b times the mean distance of n particles in a box: the usual linking length. */
double peri_fof_length(double b, const double box[3], uint64_t n);

#endif
