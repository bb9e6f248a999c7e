/* pred.c - can a zone, given by its smallest and largest value, satisfy a condition?
 *
 * Only ever errs towards "may match". Numbers are compared as DuckDB does: it may round a
 * constant to the column's type or a column's value to double before it compares, so
 * bounds that went through a double are widened by one unit in the last place on each
 * side. Pure functions; any thread.
 */
#include "core/table/pred.h"

#include <math.h>
#include <string.h>

/* All values that a number may have been rounded from or to. */
typedef struct {
    double lo, hi;
} span_t;

static span_t span_of_double(double d)
{
    return (span_t){nextafter(d, -INFINITY), nextafter(d, INFINITY)};
}

static span_t span_of_int(__int128 i)
{
    const __int128 exact = (__int128)1 << 53;
    double d = (double)i;
    if (i >= -exact && i <= exact) return (span_t){d, d};
    return span_of_double(d);
}

/* The span once it has been rounded to float as well. */
static span_t span_as_float(span_t s)
{
    return (span_t){(double)nextafterf((float)s.lo, -INFINITY),
                    (double)nextafterf((float)s.hi, INFINITY)};
}

/* Is there a value in [min, max] and a constant in [c.lo, c.hi] with "value op constant"?
 */
static bool spans_may_match(peri_op_t op, double min, double max, span_t c)
{
    switch (op) {
    case PERI_OP_LT:
        return min < c.hi;
    case PERI_OP_LE:
        return min <= c.hi;
    case PERI_OP_GT:
        return max > c.lo;
    case PERI_OP_GE:
        return max >= c.lo;
    case PERI_OP_EQ:
    case PERI_OP_IN:
        return min <= c.hi && max >= c.lo;
    case PERI_OP_NEVER:
        return false;
    case PERI_OP_WITHIN:
        break;
    }
    return true;
}

/* Is there a number in [min, max] that is in [lo, hi], or would be if shifted by a number
 * of periods? The condition was computed in double from numbers of about this size. */
static bool range_may_match(double min, double max, double lo, double hi, double period)
{
    double slop = 1e-14 * (fabs(min) + fabs(max) + fabs(lo) + fabs(hi) + period);
    lo -= slop;
    hi += slop;
    if (!isfinite(slop) || !(period >= 0)) return true;
    if (period == 0 || hi - lo >= period) return period > 0 || (min <= hi && max >= lo);
    double shift = ceil((min - hi) / period) * period; /* the first copy that may do */
    return lo + shift <= max;
}

static bool within_may_match(const peri_pred_t *p, double min, double max)
{
    if (p->nvalues < 3 || p->nvalues % 2 == 0) return true;
    for (size_t i = 0; i < p->nvalues; i++)
        if (p->values[i].kind != PERI_CONST_REAL) return true;
    for (size_t i = 1; i < p->nvalues; i += 2)
        if (range_may_match(min, max, p->values[i].d, p->values[i + 1].d, p->values[0].d))
            return true;
    return false;
}

bool peri_pred_may_match_joint(const peri_pred_t p[3], const double min[3],
                               const double max[3])
{
    for (int d = 0; d < 3; d++)
        if (p[d].op != PERI_OP_WITHIN || p[d].nvalues != p[0].nvalues ||
            p[d].nvalues % 2 == 0)
            return true;
    for (size_t i = 1; i < p[0].nvalues; i += 2) {
        bool all = true;
        for (int d = 0; d < 3 && all; d++)
            all = range_may_match(min[d], max[d], p[d].values[i].d, p[d].values[i + 1].d,
                                  p[d].values[0].d);
        if (all) return true;
    }
    return false;
}

static bool ints_may_match(peri_op_t op, __int128 min, __int128 max, __int128 c)
{
    switch (op) {
    case PERI_OP_LT:
        return min < c;
    case PERI_OP_LE:
        return min <= c;
    case PERI_OP_GT:
        return max > c;
    case PERI_OP_GE:
        return max >= c;
    case PERI_OP_EQ:
    case PERI_OP_IN:
        return min <= c && c <= max;
    case PERI_OP_NEVER:
        return false;
    case PERI_OP_WITHIN:
        break;
    }
    return true;
}

/* A comparison with NaN, which is equal to itself and greater than everything else. */
static bool nan_may_match(peri_op_t op, bool has_numbers, bool has_nan)
{
    switch (op) {
    case PERI_OP_LT:
        return has_numbers;
    case PERI_OP_LE:
        return has_numbers || has_nan;
    case PERI_OP_EQ:
    case PERI_OP_IN:
    case PERI_OP_GE:
        return has_nan;
    case PERI_OP_GT:
    case PERI_OP_NEVER:
        return false;
    case PERI_OP_WITHIN:
        break;
    }
    return true;
}

static bool int_const_may_match(const peri_pred_t *p, const peri_const_t *c, __int128 min,
                                __int128 max)
{
    switch (c->kind) {
    case PERI_CONST_INT:
    case PERI_CONST_BOOL:
        return ints_may_match(p->op, min, max, c->i);
    case PERI_CONST_REAL:
        if (isnan(c->d)) return nan_may_match(p->op, true, false);
        return spans_may_match(p->op, span_of_int(min).lo, span_of_int(max).hi,
                               span_of_double(c->d));
    case PERI_CONST_STR:
        return true;
    }
    return true;
}

static bool real_const_may_match(const peri_pred_t *p, const peri_const_t *c, double min,
                                 double max, bool has_nan, bool is_float)
{
    if (c->kind != PERI_CONST_INT && c->kind != PERI_CONST_REAL) return true;
    bool has_numbers = min <= max;
    if (c->kind == PERI_CONST_REAL && isnan(c->d))
        return nan_may_match(p->op, has_numbers, has_nan);
    if (has_nan && (p->op == PERI_OP_GT || p->op == PERI_OP_GE)) return true;
    if (!has_numbers) return false;
    span_t s = c->kind == PERI_CONST_INT ? span_of_int(c->i) : span_of_double(c->d);
    if (is_float) s = span_as_float(s);
    return spans_may_match(p->op, min, max, s);
}

bool peri_pred_may_match_int(const peri_pred_t *p, __int128 min, __int128 max)
{
    if (p->op == PERI_OP_NEVER) return false;
    if (p->op == PERI_OP_WITHIN) return true; /* made for reals only */
    for (size_t i = 0; i < p->nvalues; i++)
        if (int_const_may_match(p, &p->values[i], min, max)) return true;
    return p->nvalues == 0;
}

bool peri_pred_may_match_real(const peri_pred_t *p, double min, double max,
                              uint64_t nan_count, bool is_float)
{
    if (p->op == PERI_OP_NEVER) return false;
    if (isnan(min) || isnan(max)) return true;
    if (p->op == PERI_OP_WITHIN) return min <= max && within_may_match(p, min, max);
    for (size_t i = 0; i < p->nvalues; i++)
        if (real_const_may_match(p, &p->values[i], min, max, nan_count > 0, is_float))
            return true;
    return p->nvalues == 0;
}

bool peri_pred_may_match_str(const peri_pred_t *p, const char *value)
{
    if (p->op == PERI_OP_NEVER) return false;
    if (p->op == PERI_OP_WITHIN) return true;
    for (size_t i = 0; i < p->nvalues; i++) {
        if (p->values[i].kind != PERI_CONST_STR) return true;
        int order = strcmp(value, p->values[i].s);
        if (ints_may_match(p->op, order, order, 0)) return true;
    }
    return p->nvalues == 0;
}

/* ---- bounds ---- */

static bool has_low(peri_op_t op)
{
    return op == PERI_OP_GT || op == PERI_OP_GE || op == PERI_OP_EQ || op == PERI_OP_IN;
}

static bool has_high(peri_op_t op)
{
    return op == PERI_OP_LT || op == PERI_OP_LE || op == PERI_OP_EQ || op == PERI_OP_IN;
}

bool peri_pred_bounds_int(const peri_pred_t *p, __int128 *min, __int128 *max)
{
    const __int128 far = (__int128)1 << 100;
    *min = far;
    *max = -far;
    for (size_t i = 0; i < p->nvalues; i++) {
        const peri_const_t *c = &p->values[i];
        __int128 low = c->i, high = c->i;
        if (c->kind == PERI_CONST_REAL) { /* where integers are exact as doubles */
            if (!(fabs(c->d) < 4503599627370496.0)) return false;
            low = (__int128)floor(c->d) - 1;
            high = (__int128)ceil(c->d) + 1;
        } else if (c->kind == PERI_CONST_STR || low > far || low < -far) {
            return false;
        } else {
            low += p->op == PERI_OP_GT;
            high -= p->op == PERI_OP_LT;
        }
        if (low < *min) *min = low;
        if (high > *max) *max = high;
    }
    if (!has_low(p->op)) *min = -far;
    if (!has_high(p->op)) *max = far;
    return p->nvalues > 0 && (has_low(p->op) || has_high(p->op));
}

bool peri_pred_bounds_real(const peri_pred_t *p, bool is_float, double *min, double *max)
{
    *min = INFINITY;
    *max = -INFINITY;
    for (size_t i = 0; i < p->nvalues; i++) {
        const peri_const_t *c = &p->values[i];
        if (c->kind == PERI_CONST_REAL ? isnan(c->d) : c->kind != PERI_CONST_INT)
            return false;
        span_t s = c->kind == PERI_CONST_INT ? span_of_int(c->i) : span_of_double(c->d);
        if (is_float) s = span_as_float(s);
        *min = fmin(*min, s.lo);
        *max = fmax(*max, s.hi);
    }
    if (!has_low(p->op)) *min = -INFINITY;
    if (!has_high(p->op)) *max = INFINITY;
    return p->nvalues > 0 && (has_low(p->op) || has_high(p->op));
}
