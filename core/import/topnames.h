/* topnames.h - names of columns in the lines of # above a table's rows. Private to
 * core/import. */
#ifndef CORE_IMPORT_TOPNAMES_H
#define CORE_IMPORT_TOPNAMES_H

#include "core/base/arena.h"
#include "core/import/rows.h"

typedef struct peri_topline {
    const char *text; /* behind the first # */
    const struct peri_topline *before;
} peri_topline_t;

typedef struct {
    const char *name, *unit, *description; /* "" if not said */
} peri_topname_t;

/* The names of n columns, or NULL if no line has them. As in
 *   # id  mass [Msun]  x            the last line that has as many words as columns
 *   #   1 NUMBER   Object number [count]    SExtractor's: a line a column
 * `last` is the last line above the rows. */
const peri_topname_t *peri_topnames(peri_arena_t *a, const peri_topline_t *last,
                                    const peri_dialect_t *d, size_t n);

/* A cell "mass [Msun]" as name and unit. */
void peri_topname_split(peri_arena_t *a, const peri_cell_t *cell, peri_topname_t *out);

#endif
