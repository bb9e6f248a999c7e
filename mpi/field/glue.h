/* glue.h - what the kernels of this folder share: from the framework's particles to
 * points on a grid.
 */
#ifndef MPI_FIELD_GLUE_H
#define MPI_FIELD_GLUE_H

#include <math.h>

#include "perigee/field.h"
#include "perigee/kernel.h"

#define PERI_SCHEMES "ngp|cic|tsc|pcs"

static inline peri_points_t peri_points_of(const peri_particles_t *p)
{
    return (peri_points_t){p->n, p->x, p->y, p->z, p->weight};
}

static inline int peri_need_rows(const peri_run_t *run, size_t input, peri_err_t *err)
{
    if (peri_run_input_rows(run, input)) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "there are no particles: does `filter` let any through?");
}

/* For plan. */
static inline int peri_need_box(const peri_run_t *run, peri_err_t *err)
{
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    if (peri_need_rows(run, 0, err)) return -1; /* nothing is known then */
    if (sim->box[0] > 0 && sim->box[1] > 0 && sim->box[2] > 0) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "the files do not say how large the periodic box is: give it, as "
                        "box => 50");
}

/* What sorting particles into the grid takes, in bytes of a rank. */
static inline uint64_t peri_sort_bytes(const size_t n[3], int nranks)
{
    return peri_field_bytes(n, nranks) + ((uint64_t)64 << 20);
}

#endif
