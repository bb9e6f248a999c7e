/* spread.h - which rank gets which key, so that every rank has about as many items and
 * all items of one key are on one rank.
 *
 * Ranks get ascending ranges of keys: sorted on each rank, the items of all ranks are
 * sorted. Collective.
 */
#ifndef MPI_TREE_SPREAD_H
#define MPI_TREE_SPREAD_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

/* rank[i] for keys[i]. */
void peri_keys_spread(const int64_t *keys, size_t n, MPI_Comm comm, int *rank);

#endif
