/* forest.h - whole trees, each on one rank, and their links as places in arrays.
 *
 * Rank 0 has the trees with the lowest numbers, the last rank those with the highest; the
 * halos of a tree stand by their keys. What comes out is the same for any number of
 * ranks.
 */
#ifndef MPI_TREE_FOREST_H
#define MPI_TREE_FOREST_H

#include <mpi.h>

#include "mpi/tree/depthfirst.h"
#include "mpi/tree/halo.h"

/* Who is the main progenitor of a halo. */
typedef enum {
    PERI_MAIN_GIVEN,   /* first_progenitor and next_progenitor say it */
    PERI_MAIN_HISTORY, /* the one with the most particles along its own main branch */
    PERI_MAIN_NP       /* the one with the most particles */
} peri_mainrule_t;

typedef struct {
    size_t n;
    peri_treehalo_t *halos;  /* by tree, then by key */
    int64_t *first_in_group; /* places; -1 none */
    int64_t *next_in_group;
    int64_t *descendant;
    peri_depthfirst_t df;
    int64_t *tree_start; /* by halo: position of the first halo of its tree */
} peri_forest_t;

/* Take halos from all ranks, in any order, and bring trees together. Collective; an error
 * of one rank is one of all. *forest is filled on success. */
int peri_forest_make(const peri_treehalo_t *halos, size_t n, peri_mainrule_t rule,
                     MPI_Comm comm, peri_forest_t *forest, peri_err_t *err);
void peri_forest_drop(peri_forest_t *forest); /* all zero is fine */

#endif
