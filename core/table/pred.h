/* pred.h - the AND-ed "column op constant" conditions of a query that can skip chunks.
 *
 * They are hints: DuckDB applies the whole WHERE again. A condition may be left out, and
 * a test may answer "may match" too often, never "cannot match" wrongly.
 */
#ifndef CORE_TABLE_PRED_H
#define CORE_TABLE_PRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    PERI_OP_LT,
    PERI_OP_LE,
    PERI_OP_EQ,
    PERI_OP_GE,
    PERI_OP_GT,
    PERI_OP_IN,     /* any of the values */
    PERI_OP_WITHIN, /* see peri_pred_t */
    PERI_OP_NEVER   /* the condition is constant false or compares with NULL */
} peri_op_t;

typedef enum {
    PERI_CONST_INT,
    PERI_CONST_REAL,
    PERI_CONST_STR,
    PERI_CONST_BOOL
} peri_constkind_t;

typedef struct {
    peri_constkind_t kind;
    __int128 i;    /* INT, BOOL */
    double d;      /* REAL; NaN allowed: DuckDB sorts NaN above +inf and NaN = NaN */
    const char *s; /* STR */
} peri_const_t;

typedef struct {
    const char *column; /* as the table spells it */
    int component;      /* 0-based component of a vector column; -1 = scalar column */
    peri_op_t op;
    /* 1; any number for IN; for WITHIN reals: a period (0: none) and then pairs of
     * bounds, both inclusive: any of these ranges, or a copy of it that is shifted by
     * whole periods, holds the value. */
    size_t nvalues;
    const peri_const_t *values;
    /* The first of three WITHIN, one for each component of a position: the next two
     * follow it, and ranges of the same number belong together, as those of one sphere.
     */
    bool joint;
} peri_pred_t;

/* May any value in [min, max] of an integer / a real column satisfy the condition? For
 * reals nan_count > 0 says that NaN (greater than everything, equal to itself) occurs
 * too, and the bounds of constants are widened by an ulp of float where the column is
 * float. */
bool peri_pred_may_match_int(const peri_pred_t *p, __int128 min, __int128 max);
bool peri_pred_may_match_real(const peri_pred_t *p, double min, double max,
                              uint64_t nan_count, bool is_float);
/* Three joint conditions: is there a number for which all components may match? */
bool peri_pred_may_match_joint(const peri_pred_t p[3], const double min[3],
                               const double max[3]);
/* All values that may match lie in [*min, *max]; false: no such bounds are known. Reals:
 * but for NaN. */
bool peri_pred_bounds_int(const peri_pred_t *p, __int128 *min, __int128 *max);
bool peri_pred_bounds_real(const peri_pred_t *p, bool is_float, double *min, double *max);
bool peri_pred_may_match_str(const peri_pred_t *p, const char *value);

#endif
