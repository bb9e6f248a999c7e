/* order.h - items of all ranks put in order: those of rank 0 first. */
#ifndef MPI_AROUND_ORDER_H
#define MPI_AROUND_ORDER_H

#include "perigee/particles.h"

/* *items is malloc'd, n of them of `size` bytes, and is replaced; each rank gets about
 * equally many. compare is as for qsort; where it says 0 the items must be the same, so
 * that the order does not depend on the number of ranks. Collective. */
int peri_items_order(void **items, size_t size, size_t *n,
                     int (*compare)(const void *, const void *), MPI_Comm comm,
                     peri_err_t *err);

#endif
