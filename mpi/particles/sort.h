/* sort.h - sorting within a rank by an integer, and over all ranks by any order.
 *
 * Threads: none of their own.
 */
#ifndef MPI_PARTICLES_SORT_H
#define MPI_PARTICLES_SORT_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

typedef struct {
    uint64_t key;
    uint32_t index;
} peri_keyed_t;

/* Sorts n entries by key; equal keys keep their order. Both arrays have room for n; the
 * returned one of them has the result. Time goes with the bits of the largest key. */
peri_keyed_t *peri_keyed_sort(peri_keyed_t *a, peri_keyed_t *b, size_t n);

/* Collective. *items (malloc'd, n of them, `size` bytes each) become sorted over all
 * ranks: rank 0 has the first. compare as for qsort; ranks end up with about equally many
 * unless many items compare equal. On failure *items stays the caller's. */
int peri_items_sort(void **items, size_t *n, size_t size,
                    int (*compare)(const void *, const void *), MPI_Comm comm,
                    peri_err_t *err);

#endif
