/* constant.h - the values of constant expressions; private to core/sql. */
#ifndef CORE_SQL_CONSTANT_H
#define CORE_SQL_CONSTANT_H

#include <jansson.h>
#include <stdbool.h>

#include "core/table/pred.h"

#define PERI_EXACT 9007199254740992.0 /* 2^53: integers up to here are doubles */

typedef struct {
    bool null;
    bool exact; /* the double is the value, not rounded from it */
    /* A DECIMAL with so many digits behind the point that DuckDB cannot compare all
     * integers with it: it fails where one does not fit. */
    bool long_tail;
    peri_const_t c; /* strings are borrowed from the tree */
} peri_constant_t;

/* Literals, casts of them to number types, and minus of them. False: something else. */
bool peri_constant_read(const json_t *expr, peri_constant_t *out);
/* An integer that a double may not hold. */
bool peri_constant_is_large(const peri_constant_t *c);

#endif
