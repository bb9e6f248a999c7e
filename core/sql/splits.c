/* splits.c - how each aggregate is cut in two, as SQL templates.
 *
 * `partial` runs on every rank over its rows: a and b are the arguments. `merge`
 * aggregates the partial values p0, p1, .. of all ranks. `value` computes the result from
 * the merged m0, m1, .. Results, NULLs and errors are those of DuckDB's own aggregate;
 * moments are merged around the common mean (Chan et al.), not by differences of large
 * sums.
 */
#include "core/sql/splits.h"

#include <string.h>
#include <strings.h>

/* Moments of one variable: p0 count, p1 mean, p2 sum of squared deviations. */
#define MOMENTS_PARTIAL                                                                  \
    {                                                                                    \
        "count(a)", "avg(CAST(a AS DOUBLE))", "var_pop(a) * count(a)"                    \
    }
#define MOMENTS_MERGE                                                                    \
    {                                                                                    \
        "coalesce(sum(p0), 0)", "sum(p0 * p1) / sum(p0)", "sum(p2)",                     \
            "list(struct_pack(n := p0, x := p1)) FILTER (WHERE p0 > 0)"                  \
    }
#define SQUARES                                                                          \
    "(m2 + list_sum(list_transform(m3, lambda s: s.n * (s.x - m1) * (s.x - m1))))"
#define FINITE(least, value, name)                                                       \
    "CASE WHEN m0 < " least " THEN NULL WHEN isfinite(" value ") THEN " value            \
    " ELSE error('Out of Range Error: " name " is out of range!') END"

/* Moments of two variables, a and b both not NULL: p0 count, p1 mean a, p2 mean b, p3 sum
 * of products of deviations, p4 and p5 sums of squares. */
#define PAIR_PARTIAL                                                                     \
    {                                                                                    \
        "regr_count(a, b)", "regr_avgy(a, b)", "regr_avgx(a, b)",                        \
            "covar_pop(a, b) * regr_count(a, b)",                                        \
            "var_pop(CASE WHEN b IS NOT NULL THEN a END) * regr_count(a, b)",            \
            "var_pop(CASE WHEN a IS NOT NULL THEN b END) * regr_count(a, b)"             \
    }
#define COVAR_PARTIAL                                                                    \
    {                                                                                    \
        "regr_count(a, b)", "regr_avgy(a, b)", "regr_avgx(a, b)",                        \
            "covar_pop(a, b) * regr_count(a, b)"                                         \
    }
#define PAIR_LIST "list(struct_pack(n := p0, x := p1, y := p2)) FILTER (WHERE p0 > 0)"
#define COVAR_MERGE                                                                      \
    {                                                                                    \
        "coalesce(sum(p0), 0)", "sum(p0 * p1) / sum(p0)", "sum(p0 * p2) / sum(p0)",      \
            PAIR_LIST, "sum(p3)"                                                         \
    }
#define PAIR_MERGE                                                                       \
    {                                                                                    \
        "coalesce(sum(p0), 0)", "sum(p0 * p1) / sum(p0)", "sum(p0 * p2) / sum(p0)",      \
            PAIR_LIST, "sum(p3)", "sum(p4)", "sum(p5)"                                   \
    }
#define AROUND(m, u, v)                                                                  \
    "(" m " + list_sum(list_transform(m3, lambda s: s.n * " u " * " v ")))"
#define DX    "(s.x - m1)"
#define DY    "(s.y - m2)"
#define COXY  AROUND("m4", DX, DY)
#define DEV_A "sqrt(" AROUND("m5", DX, DX) " / m0)"
#define DEV_B "sqrt(" AROUND("m6", DY, DY) " / m0)"

#define SAME(f)   {f "(a)"}, {f "(p0)"}, "m0"
#define ONE_OF(f) {f "(a)", "count_star()"}, {f "(p0) FILTER (WHERE p1 > 0)"}, "m0"
#define COUNT(f)                                                                         \
    {f},                                                                                 \
    {                                                                                    \
        "coalesce(sum(p0), 0)"                                                           \
    }
/* DuckDB's count_if is a sum: NULL where there is nothing but NULL. */
#define TRUE_COUNT {"count_if(a)"}, {"sum(p0)"}, "m0"
#define EXTREME(f, g)                                                                    \
    {f "(a, b)", g "(CASE WHEN a IS NOT NULL THEN b END)"}, {f "(p0, p1)"}, "m0"
#define MEAN                                                                             \
    {"sum(a)", "count(a)"}, {"sum(p0)", "sum(p1)"},                                      \
        "CAST(m0 AS DOUBLE) / CAST(m1 AS DOUBLE)"
#define STABLE_MEAN                                                                      \
    {"kahan_sum(a)", "count(a)"}, {"kahan_sum(p0)", "sum(p1)"}, "m0 / CAST(m1 AS DOUBLE)"
#define MOMENTS(value) MOMENTS_PARTIAL, MOMENTS_MERGE, value

#define INSENSITIVE PERI_SPLIT_INSENSITIVE
#define ORDERED     PERI_SPLIT_ORDERED

static const peri_split_t SPLITS[] = {
    {"any_value", 1, INSENSITIVE | ORDERED, SAME("any_value")},
    {"arbitrary", 1, ORDERED, ONE_OF("first")},
    {"arg_max", 2, ORDERED, EXTREME("arg_max", "max")},
    {"arg_min", 2, ORDERED, EXTREME("arg_min", "min")},
    {"argmax", 2, ORDERED, EXTREME("arg_max", "max")},
    {"argmin", 2, ORDERED, EXTREME("arg_min", "min")},
    {"avg", 1, 0, MEAN},
    {"bit_and", 1, INSENSITIVE, SAME("bit_and")},
    {"bit_or", 1, INSENSITIVE, SAME("bit_or")},
    {"bit_xor", 1, 0, SAME("bit_xor")},
    {"bool_and", 1, INSENSITIVE, SAME("bool_and")},
    {"bool_or", 1, INSENSITIVE, SAME("bool_or")},
    {"corr", 2, 0, PAIR_PARTIAL, PAIR_MERGE,
     "CASE WHEN m0 = 0 THEN NULL"
     " WHEN NOT isfinite(" DEV_B
     ") THEN error('Out of Range Error: STDDEV_POP for X is out of "
     "range!')"
     " WHEN NOT isfinite(" DEV_A
     ") THEN error('Out of Range Error: STDDEV_POP for Y is out of "
     "range!')"
     " WHEN " DEV_A " * " DEV_B " = 0 THEN CAST('nan' AS DOUBLE)"
     " ELSE " COXY " / m0 / (" DEV_A " * " DEV_B ") END"},
    {"count", 1, 0, COUNT("count(a)"), "CAST(m0 AS BIGINT)"},
    {"count_if", 1, 0, TRUE_COUNT},
    {"count_star", 0, 0, COUNT("count_star()"), "CAST(m0 AS BIGINT)"},
    {"countif", 1, 0, TRUE_COUNT},
    {"covar_pop", 2, 0, COVAR_PARTIAL, COVAR_MERGE,
     "CASE WHEN m0 < 1 THEN NULL ELSE " COXY " / m0 END"},
    {"covar_samp", 2, 0, COVAR_PARTIAL, COVAR_MERGE,
     "CASE WHEN m0 < 2 THEN NULL ELSE " COXY " / (m0 - 1) END"},
    {"favg", 1, 0, STABLE_MEAN},
    {"first", 1, ORDERED, ONE_OF("first")},
    {"fsum", 1, 0, SAME("kahan_sum")},
    {"histogram",
     1,
     0,
     {"histogram(a)"},
     {"flatten(list(map_entries(p0)))"},
     "(SELECT map_from_entries(list(struct_pack(key := k, value := v) ORDER BY k))"
     " FROM (SELECT e.key AS k, CAST(sum(e.value) AS UBIGINT) AS v"
     " FROM (SELECT unnest(m0) AS e) GROUP BY ALL))"},
    {"kahan_sum", 1, 0, SAME("kahan_sum")},
    {"last", 1, ORDERED, ONE_OF("last")},
    {"max", 1, INSENSITIVE, SAME("max")},
    {"max_by", 2, ORDERED, EXTREME("arg_max", "max")},
    {"mean", 1, 0, MEAN},
    {"min", 1, INSENSITIVE, SAME("min")},
    {"min_by", 2, ORDERED, EXTREME("arg_min", "min")},
    {"product", 1, 0, SAME("product")},
    {"sem", 1, 0, MOMENTS(FINITE("1", "(sqrt(" SQUARES " / m0) / sqrt(m0))", "SEM"))},
    {"stddev", 1, 0, MOMENTS(FINITE("2", "sqrt(" SQUARES " / (m0 - 1))", "STDDEV_SAMP"))},
    {"stddev_pop", 1, 0, MOMENTS(FINITE("1", "sqrt(" SQUARES " / m0)", "STDDEV_POP"))},
    {"stddev_samp", 1, 0,
     MOMENTS(FINITE("2", "sqrt(" SQUARES " / (m0 - 1))", "STDDEV_SAMP"))},
    {"sum", 1, 0, SAME("sum")},
    {"sumkahan", 1, 0, SAME("kahan_sum")},
    {"var_pop", 1, 0, MOMENTS(FINITE("1", "(" SQUARES " / m0)", "VARPOP"))},
    {"var_samp", 1, 0, MOMENTS(FINITE("2", "(" SQUARES " / (m0 - 1))", "VARSAMP"))},
    {"variance", 1, 0, MOMENTS(FINITE("2", "(" SQUARES " / (m0 - 1))", "VARSAMP"))},
};

const peri_split_t *peri_split_find(const char *name, size_t nargs)
{
    for (size_t i = 0; i < sizeof SPLITS / sizeof *SPLITS; i++)
        if (strcasecmp(name, SPLITS[i].name) == 0 && nargs == SPLITS[i].nargs)
            return &SPLITS[i];
    return NULL;
}
