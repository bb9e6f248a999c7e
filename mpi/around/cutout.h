/* cutout.h - the particles in shapes around centres. */
#ifndef MPI_AROUND_CUTOUT_H
#define MPI_AROUND_CUTOUT_H

#include "mpi/around/finder.h"

typedef struct {
    int64_t centre, id;    /* ids of both */
    uint64_t number;       /* of the centre, from 0 */
    double x[3];           /* the image that is nearest to the centre */
    double v[3];           /* NAN where there are none */
    double mass, distance; /* from the centre */
} peri_cutout_row_t;

/* Particles stay where they are; they need ids. A particle in several shapes comes
 * several times. Rows of all ranks are ordered by centre, then by distance and all else:
 * the same for any number of ranks. *rows is malloc'd. Collective. */
int peri_cutout(const peri_particles_t *p, const peri_shape_t *shape,
                const peri_centre_t *centres, size_t n,
                const peri_progressing_t *progress, MPI_Comm comm,
                peri_cutout_row_t **rows, size_t *nrows, peri_err_t *err);

#endif
