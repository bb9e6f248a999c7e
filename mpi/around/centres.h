/* centres.h - points around which something is looked for, all of them on every rank.
 *
 * They are few beside the particles: 80 bytes each.
 */
#ifndef MPI_AROUND_CENTRES_H
#define MPI_AROUND_CENTRES_H

#include "perigee/particles.h"

typedef struct {
    double x[3];
    double v[3];   /* NAN: not known */
    double radius; /* of it, or of the region around it; NAN: none */
    double mass;   /* NAN: not known */
    int64_t id;
} peri_centre_t;

/* Those that all ranks have, on every rank, ordered by id, then by position and all else:
 * the same array everywhere, whoever read them. p has ids; `radius` is beside it, or
 * NULL. *all is malloc'd. Collective. */
int peri_centres_gather(const peri_particles_t *p, const double *radius, MPI_Comm comm,
                        peri_centre_t **all, size_t *n, peri_err_t *err);

#endif
