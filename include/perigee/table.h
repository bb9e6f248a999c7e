/* perigee/table.h - rows that are spread over the ranks, column by column.
 *
 * A peri_rowset_t holds the rows that one rank has: what a kernel reads from a table, and
 * what it gives back. Every rank has the same columns, each its own number of rows; the
 * rows of rank 0 come first, then those of rank 1, and so on.
 *
 * Ownership: a rowset owns its columns' memory. Threads: one at a time.
 */
#ifndef PERIGEE_TABLE_H
#define PERIGEE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    PERI_COL_I32 = 1, /* int32_t */
    PERI_COL_I64,     /* int64_t */
    PERI_COL_F32,     /* float */
    PERI_COL_F64      /* double */
} peri_coltype_t;

/* What a column is. Strings are borrowed, and never NULL. */
typedef struct {
    const char *name; /* [A-Za-z_][A-Za-z0-9_]* */
    peri_coltype_t type;
    unsigned width;   /* values a row: 1, or 3 for a vector, at most 64 */
    const char *unit; /* "" for none. {length}, {mass} and {velocity} stand for the
                         units of the kernel's first input */
    const char *help; /* one sentence */
} peri_coldef_t;

typedef struct peri_rowset peri_rowset_t;

/* Empty rows with these columns (copied). */
peri_rowset_t *peri_rowset_new(const peri_coldef_t *columns, size_t ncolumns);
void peri_rowset_free(peri_rowset_t *r); /* accepts NULL */

size_t peri_rowset_ncolumns(const peri_rowset_t *r);
const peri_coldef_t *peri_rowset_column(const peri_rowset_t *r, size_t column);
/* Number of the column with this name, ignoring case, or -1. */
int peri_rowset_find(const peri_rowset_t *r, const char *name);

size_t peri_rowset_rows(const peri_rowset_t *r); /* on this rank */
/* The values of a column: rows * width of them, valid until rows are added. */
void *peri_rowset_data(const peri_rowset_t *r, size_t column);

/* Make room for more rows at the end, filled with zeros; the number of the first of
 * them. PERI_ELIMIT if there is no memory; nothing has changed then. */
int64_t peri_rowset_extend(peri_rowset_t *r, size_t rows, peri_err_t *err);

#ifdef __cplusplus
}
#endif
#endif
