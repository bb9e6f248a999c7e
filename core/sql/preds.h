/* preds.h - what the files that turn conditions into hints share; private to core/sql.
 *
 * terms.c finds the conditions, column.c their columns; pred.c reads comparisons, space.c
 * the functions of positions. first.c, near.c and nearest.c find what the statement does
 * not say, by asking the tables (firstask.c). Each uses only files named before it here,
 * or firstask.c; pred.c uses all. */
#ifndef CORE_SQL_PREDS_H
#define CORE_SQL_PREDS_H

#include "core/sql/constant.h"
#include "core/sql/planner.h"

/* The tables of one FROM as its WHERE, or a condition in it, sees them. */
typedef struct {
    peri_planner_t *p;
    struct peri_source {
        int rel; /* -1: columns unknown */
        bool blocked;
    } * sources;
    size_t nsources;
    bool unknown; /* a source whose columns are not known */
    json_t *from; /* the tree of it */
    bool inner;   /* nothing but inner joins: no table has rows of NULL added */
} peri_from_t;

typedef struct {
    int rel, column, component; /* virtual column v: number of real columns + v */
} peri_target_t;

/* ---- column.c ---- */

/* A column that exactly one table of the FROM has, if that may be pruned. */
bool peri_from_column(const peri_from_t *b, const json_t *ref, peri_target_t *out);
/* A scalar column, or vec[1], array_extract(vec, 1), list_element(vec, 1). */
bool peri_from_scalar(const peri_from_t *b, const json_t *e, peri_target_t *out);
uint32_t peri_target_width(const peri_planner_t *p, const peri_target_t *t);
bool peri_target_is_real(const peri_planner_t *p, const peri_target_t *t);
bool peri_type_is_integer(duckdb_type t);
bool peri_target_is_integer(const peri_planner_t *p, const peri_target_t *t);
bool peri_target_is_comparable(const peri_planner_t *p, const peri_target_t *t,
                               peri_constkind_t kind);

/* The new one; until another is added. */
peri_pred_t *peri_pred_add(peri_planner_t *p, const peri_target_t *t, peri_op_t op,
                           const peri_const_t *values, size_t n);
/* One comparison; inexact reals become closed bounds a little further out. */
void peri_pred_compare(peri_planner_t *p, const peri_target_t *t, peri_op_t op,
                       peri_constant_t c);

/* "left op right" of a comparison node; false: it is none. */
bool peri_comparison_read(const json_t *e, peri_op_t *op);
peri_op_t peri_op_mirrored(peri_op_t op);

/* ---- space.c ---- */

/* in_box, in_sphere and comparisons of distance over columns of one table: hints, if the
 * rest is constant. False: something else. */
bool peri_space_read(const peri_from_t *b, const json_t *e, peri_target_t *t);
/* The same, if the rest comes from one other table. */
void peri_space_join(const peri_from_t *b, const json_t *e);
/* What an expression is compared with. */
typedef enum { PERI_PLACE_INTEGER, PERI_PLACE_REAL, PERI_PLACE_SPACE } peri_place_t;
/* Calls f for the arguments beside the position. */
void peri_space_arguments(const peri_from_t *b, const json_t *e,
                          void (*f)(peri_planner_t *p, peri_place_t place,
                                    json_t *argument));

/* A pair of positions of two tables within a radius of each other. */
typedef struct {
    peri_target_t position;          /* its first component */
    int rel;                         /* the smaller table: of centre and radius */
    json_t *where, *centre, *radius; /* borrowed; where: the position */
    double box[3];                   /* 0: not periodic */
    bool compared;                   /* by distance: true for a radius of NaN */
} peri_near_t;
bool peri_space_near(const peri_from_t *b, const json_t *e, peri_near_t *out);

/* distance(position, point, box) or with position and point in the other order: its box.
 */
bool peri_space_point(const peri_from_t *b, const json_t *e, double box[3]);

/* ---- nearest.c ---- */

/* SELECT ... ORDER BY distance(...) LIMIT of one table: a bound in its WHERE. */
void peri_nearest_bound(const peri_from_t *b, json_t *query);

/* ---- near.c ---- */

/* If the term is such a condition: make it a join over cells, in the tree. */
void peri_near_join(const peri_from_t *b, json_t *term);

/* ---- first.c ---- */

/* Computed constants, and sub-queries that give one value and are cheap, are run where
 * AND-ed conditions compare a column with them, and become literals in the tree. True:
 * something changed. */
bool peri_first_constants(peri_planner_t *p, json_t *query);
/* Hints from conditions between two tables, of which one has few rows. */
void peri_first_joins(const peri_from_t *b, json_t *e);

/* ---- firstask.c ---- */

/* A smaller table has one zone, and nothing that could be skipped. */
#define PERI_FIRST_MIN_ROWS 8192

/* Make a table's rows that its preds leave readable while planning: how many; or -1. */
int64_t peri_first_ready(peri_planner_t *p, int rel);
/* The only table, other than `target` and with nothing unusual about it, whose columns
 * the expressions use; -1: there is no such. */
int peri_first_relation(const peri_from_t *b, int target, json_t *const *exprs, size_t n);
/* Text of a statement that gives the expressions, which must be of one other table than
 * `target` and constants, as columns peri_q0, peri_q1, ...: for the rows of that table
 * that conditions leave. NULL: they are not such, or that is not cheap. The caller clears
 * desc in any case. */
const char *peri_first_source(const peri_from_t *b, int target, json_t *const *exprs,
                              size_t n, peri_desc_t *desc);

/* [rows][columns], in the arena. */
typedef struct {
    size_t nrows, ncols;
    peri_constant_t *values;
} peri_first_t;
/* Run a statement with HUGEINT and DOUBLE columns. False: it failed, took too long, or
 * has more rows. */
bool peri_first_run(peri_planner_t *p, const char *sql, size_t max_rows,
                    peri_first_t *out);
/* Three columns of a vector. */
#define PERI_FIRST_VECTOR(NAME)                                                          \
    "(CAST(" NAME " AS DOUBLE[3]))[1], (CAST(" NAME " AS DOUBLE[3]))[2], "               \
    "(CAST(" NAME " AS DOUBLE[3]))[3]"

/* ---- terms.c ---- */

/* Calls f for each AND-ed term of WHERE and of ON of inner joins. */
void peri_terms_walk(peri_planner_t *p, json_t *query,
                     void (*f)(const peri_from_t *b, json_t *term));
/* Calls f for each SELECT and what its WHERE sees. */
void peri_selects_walk(peri_planner_t *p, json_t *query,
                       void (*f)(const peri_from_t *b, json_t *select));

#endif
