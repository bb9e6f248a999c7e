/* check.h - does a table keep every promise of the depth-first scheme?
 *
 * Written from the promises, not from the code that makes the numbers: users can check
 * tables of other origin with it. docs/trees.md has the same as SQL.
 */
#ifndef MPI_TREE_CHECK_H
#define MPI_TREE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"
#include "perigee/table.h"

/* n rows of whole trees, ordered by haloId. */
typedef struct {
    size_t n;
    const int64_t *halo, *descendant, *first_progenitor, *next_progenitor;
    const int64_t *last_progenitor, *main_leaf, *tree_root, *tree;
    const int64_t *first_in_group, *next_in_group;
    const int32_t *snapnum;
} peri_treecheck_t;

/* 0, or -1 with a sentence about the first row that breaks a promise. */
int peri_tree_check(const peri_treecheck_t *rows, int64_t tree_size, peri_err_t *err);
/* The same of a rowset with the columns of rows.h. */
int peri_tree_check_rows(const peri_rowset_t *rows, int64_t tree_size, peri_err_t *err);

#endif
