/* bounds.h - what an index knows of a whole column. */
#ifndef CORE_INDEX_BOUNDS_H
#define CORE_INDEX_BOUNDS_H

#include "core/index/index.h"

typedef struct {
    enum { PERI_BOUNDS_NONE, PERI_BOUNDS_INT, PERI_BOUNDS_UINT, PERI_BOUNDS_REAL } kind;
    union {
        int64_t i;
        uint64_t u;
        double d;
    } min, max;
    uint64_t nans;
    uint64_t nulls; /* rows of files that lack the column */
} peri_bounds_t;

/* The bounds of a scalar column over all files. False if the index does not have all of
 * it, fresh. kind NONE: there are no values but NaN and NULL. */
bool peri_index_bounds(const peri_index_t *x, const peri_table_t *t, size_t column,
                       peri_bounds_t *out);

#endif
