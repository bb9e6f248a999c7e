/* tree_common.h - what the tests of merger trees share. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/tree/check.h"
#include "mpi/tree/rows.h"
#include "tests/unit/ranks.h"

/* The table of halos that the ranks of comm give in; it keeps every promise. */
static inline peri_rowset_t *table_of(const peri_treehalo_t *halos, size_t n,
                                      peri_mainrule_t rule,
                                      const peri_treescheme_t *scheme, MPI_Comm comm)
{
    peri_forest_t f;
    CHECK(peri_forest_make(halos, n, rule, comm, &f, &err) == 0);
    peri_rowset_t *rows = peri_rowset_new(peri_treerows_columns, PERI_TREEROWS_NCOLUMNS);
    CHECK(peri_treerows_fill(&f, scheme, rows, &err) == 0);
    CHECK(peri_tree_check_rows(rows, PERI_TREE_SIZE, &err) == 0);
    peri_forest_drop(&f);
    return rows;
}

/* The rows of all ranks, one after the other, are those of one rank alone, to the bit. */
static inline void compare_tables(const peri_rowset_t *mine, const peri_rowset_t *alone)
{
    uint64_t n = peri_rowset_rows(mine), before = 0, total = n;
    MPI_Exscan(&n, &before, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) before = 0;
    CHECK(total == peri_rowset_rows(alone));
    for (size_t c = 0; c < PERI_TREEROWS_NCOLUMNS && n; c++) {
        const peri_coltype_t t = peri_rowset_column(mine, c)->type;
        const size_t w = t == PERI_COL_I32 || t == PERI_COL_F32 ? 4 : 8;
        CHECK(memcmp(peri_rowset_data(mine, c),
                     (char *)peri_rowset_data(alone, c) + before * w, n * w) == 0);
    }
}

static inline void start(int *argc, char ***argv)
{
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &nranks);
}
