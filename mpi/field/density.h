/* density.h - the density contrast of particles, and the cells of a field as rows. */
#ifndef MPI_FIELD_DENSITY_H
#define MPI_FIELD_DENSITY_H

#include "perigee/field.h"

/* Adds the points to zeros, and makes the density contrast of it: the weight of each cell
 * divided by the mean over all, less 1. Collective. */
int peri_density_contrast(peri_field_t *f, const peri_points_t *points,
                          peri_scheme_t scheme, peri_err_t *err);

/* The order in which the cells of a cubic grid are rows: along the Peano-Hilbert curve
 * where the side is a power of two, rank after rank; else as they lie in the slabs. */
typedef struct peri_cellorder peri_cellorder_t;
#define PERI_CELLORDER_MAX 1024 /* cells along a side */

peri_cellorder_t *peri_cellorder_new(const peri_field_t *f, peri_err_t *err);
void peri_cellorder_free(peri_cellorder_t *o);
size_t peri_cellorder_rows(const peri_cellorder_t *o); /* of this rank; local */
/* Memory of a rank, besides the rows. Local. */
uint64_t peri_cellorder_bytes(size_t n, int nranks);

/* Values of a field of that grid, in the order of rows. Collective. */
int peri_cellorder_values(const peri_cellorder_t *o, const peri_field_t *f, float *values,
                          peri_err_t *err);
/* Place and key of the cell of each row. Collective. */
int peri_cellorder_cells(const peri_cellorder_t *o, int32_t *x, int32_t *y, int32_t *z,
                         int64_t *key, peri_err_t *err);

#endif
