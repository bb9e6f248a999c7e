/* neighbours.h - how far away the k-th nearest of a set of points is: a k-d tree. Local;
 * a tree that is made may be asked from many threads.
 */
#ifndef MPI_FIELD_NEIGHBOURS_H
#define MPI_FIELD_NEIGHBOURS_H

#include <stddef.h>

#include "perigee/err.h"

typedef struct peri_neighbours peri_neighbours_t;

#define PERI_NEIGHBOURS_MAX 256

/* Copies the points; finite. At most 2^31 of them. */
peri_neighbours_t *peri_neighbours_new(const double *x, const double *y, const double *z,
                                       size_t n, peri_err_t *err);
void peri_neighbours_free(peri_neighbours_t *t); /* accepts NULL */

/* Distance from `at` to its k-th nearest point (a point at `at` itself is the first), but
 * at most `limit`. 1 <= k <= PERI_NEIGHBOURS_MAX. */
double peri_neighbours_distance(const peri_neighbours_t *t, const double at[3], size_t k,
                                double limit);

#endif
