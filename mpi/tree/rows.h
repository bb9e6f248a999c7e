/* rows.h - the columns of the merger tree table, as the Millennium database has them, and
 * their values from a forest.
 */
#ifndef MPI_TREE_ROWS_H
#define MPI_TREE_ROWS_H

#include "mpi/tree/forest.h"
#include "perigee/table.h"

#define PERI_TREEROWS_NCOLUMNS 33
extern const peri_coldef_t peri_treerows_columns[PERI_TREEROWS_NCOLUMNS];

typedef struct {
    int64_t tree_size;      /* haloId = tree_size * tree + rank in the tree */
    int key_bits;           /* 2^key_bits cells along each side of the box have keys */
    int zones;              /* zones along each side of the box: ix, iy, iz */
    double box[3];          /* NAN: unknown; there are no keys and zones then */
    const double *redshift; /* by snapshot number; NULL or missing: NAN */
    size_t nredshifts;
} peri_treescheme_t;

#define PERI_TREE_SIZE 1000000 /* as in the Millennium database */

/* Put the rows of a forest into an empty rowset with these columns, ordered by haloId.
 * Not collective. PERI_ELIMIT if a tree has more than tree_size halos, or a number of a
 * tree is too large. */
int peri_treerows_fill(const peri_forest_t *forest, const peri_treescheme_t *scheme,
                       peri_rowset_t *rows, peri_err_t *err);

#endif
