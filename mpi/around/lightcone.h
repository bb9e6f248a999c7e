/* lightcone.h - what an observer sees: snapshots of a periodic box, repeated through
 * space, each at the distance from which light takes as long as has passed since.
 *
 * Snapshots are added one after the other, each with the shell of distances that it
 * stands for. Shells have their inner border, not their outer one: shells side by side
 * have each image of a particle that does not move once.
 */
#ifndef MPI_AROUND_LIGHTCONE_H
#define MPI_AROUND_LIGHTCONE_H

#include <stdbool.h>

#include "mpi/around/distance.h"
#include "mpi/around/finder.h"

typedef struct {
    double observer[3];
    double axis[3];       /* of a cone from the observer, of length 1 */
    double cosine;        /* of the angle between its axis and side; -1: no cone */
    double ra[2], dec[2]; /* degrees: from, to; through 0 if ra[0] > ra[1] */
    bool motion;          /* move particles to where the light met them */
    const peri_distances_t *distances;
} peri_sky_t;

typedef struct {
    double distance; /* comoving */
    double ra, dec;  /* degrees: 0 <= ra < 360 */
    double redshift; /* of the distance */
    double observed; /* with the Doppler shift by the peculiar velocity; or NAN */
    double x[3];     /* from the observer */
    double v[3];     /* NAN: not known */
    double v_los;    /* away from the observer */
    double mass;
    int64_t id;
    int32_t replica[3]; /* copy of the box: 0 is the box itself */
    int32_t snapnum;
} peri_sighting_t;

typedef struct {
    peri_sighting_t *rows;
    size_t n, cap;
} peri_sightings_t;

/* A snapshot: where it is exact, and the shell that it stands for. */
typedef struct {
    int32_t snapnum;
    double distance, inner, outer;
} peri_shell_t;

/* Put [inner, outer) of each snapshot half-way to its neighbours, from 0 to infinity.
 * They stay in their order. */
void peri_shells_cut(peri_shell_t *shells, size_t n);

/* What part of the sky is seen, at most. */
double peri_sky_fraction(const peri_sky_t *sky);

/* Particles of one snapshot in a periodic box, velocities in km/s. Local. */
int peri_lightcone_add(peri_sightings_t *out, const peri_sky_t *sky,
                       const peri_particles_t *p, const peri_shell_t *shell,
                       const peri_progressing_t *progress, peri_err_t *err);
/* All ranks' by distance, then by id and all else. Collective. */
int peri_lightcone_order(peri_sightings_t *s, MPI_Comm comm, peri_err_t *err);

#endif
