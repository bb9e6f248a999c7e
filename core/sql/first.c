/* first.c - values that are found before the rest is planned.
 *
 * Two kinds of conditions compare a column with what is not written in the statement, but
 * is cheap to find: a sub-query that gives one value, and the columns of another table of
 * which conditions leave few rows. Both are asked of DuckDB while the statement is
 * planned, on the root alone:
 *
 *   haloId BETWEEN (SELECT a ...) AND (SELECT b ...)    the sub-queries become constants
 *   p JOIN h ON p.id BETWEEN h.id AND h.last WHERE h.id = 7    hints for p
 *
 * A sub-query is replaced, not only looked at: one with LIMIT might give another value
 * when it is asked twice. The other kind reads files only, filtered by conditions that
 * always give the same. What takes too long or fails is left as it was written.
 */
#include <string.h>

#include "core/sql/preds.h"

#define MAX_IN 256

/* ---- conditions between two tables ---- */

typedef enum { OTHER, INTEGER, FLOAT, DOUBLE } class_t;

static class_t class_of(duckdb_logical_type type)
{
    const duckdb_type t = duckdb_get_type_id(type);
    if (peri_type_is_integer(t)) return INTEGER;
    return t == DUCKDB_TYPE_FLOAT ? FLOAT : t == DUCKDB_TYPE_DOUBLE ? DOUBLE : OTHER;
}

static void add_equal(const peri_from_t *b, const peri_target_t *t, const char *source)
{
    peri_first_t rows;
    const char *sql = peri_arena_printf(
        b->p->arena, "SELECT DISTINCT CAST(peri_q0 AS HUGEINT) FROM (%s) LIMIT %d",
        source, MAX_IN + 1);
    if (!peri_first_run(b->p, sql, MAX_IN, &rows)) return;
    peri_const_t *values = peri_arena_calloc(b->p->arena, rows.nrows + 1, sizeof *values);
    size_t n = 0;
    for (size_t i = 0; i < rows.nrows; i++)
        if (!rows.values[i].null) values[n++] = rows.values[i].c;
    peri_pred_add(b->p, t, n ? PERI_OP_IN : PERI_OP_NEVER, values, n);
}

/* t op e, for a column t and an e of another table. `alike`: both must be of one class,
 * as a third value takes part in the comparison. */
static void add_bound(const peri_from_t *b, const peri_target_t *t, peri_op_t op,
                      json_t *e, bool alike)
{
    peri_planner_t *p = b->p;
    peri_desc_t desc = {0};
    const bool integer = peri_target_is_integer(p, t);
    if (!integer && !peri_target_is_real(p, t)) return;
    const char *source = peri_first_source(b, t->rel, &e, 1, &desc);
    class_t class = source ? class_of(desc.types[0]) : OTHER;
    peri_desc_clear(&desc);
    /* FLOAT beside an integer column: that would be rounded to FLOAT. */
    if (class == OTHER || (class == FLOAT && integer) ||
        (alike && (class == INTEGER) != integer))
        return;

    peri_first_t rows;
    const char *to = class == INTEGER ? "HUGEINT" : "DOUBLE";
    const char *sql = peri_arena_printf(
        p->arena, "SELECT min(CAST(peri_q0 AS %s)), max(CAST(peri_q0 AS %s)) FROM (%s)",
        to, to, source);
    if (!peri_first_run(p, sql, 1, &rows) || rows.nrows != 1) return;
    /* Without rows both are NULL, and the comparison becomes "never". */
    if (op == PERI_OP_EQ || op == PERI_OP_GE || op == PERI_OP_GT)
        peri_pred_compare(p, t, op == PERI_OP_EQ ? PERI_OP_GE : op, rows.values[0]);
    if (op == PERI_OP_EQ || op == PERI_OP_LE || op == PERI_OP_LT)
        peri_pred_compare(p, t, op == PERI_OP_EQ ? PERI_OP_LE : op, rows.values[1]);
    if (op == PERI_OP_EQ && class == INTEGER && integer) add_equal(b, t, source);
}

/* One side of BETWEEN: a constant or of another table. */
static void add_side(const peri_from_t *b, const peri_target_t *t, peri_op_t op,
                     json_t *e)
{
    peri_constant_t c;
    if (!peri_constant_read(e, &c))
        add_bound(b, t, op, e, true);
    else if (!c.null && (c.c.kind == PERI_CONST_INT) == peri_target_is_integer(b->p, t))
        peri_pred_compare(b->p, t, op, c);
}

void peri_first_joins(const peri_from_t *b, json_t *e)
{
    peri_target_t t;
    peri_op_t op;
    if (b->nsources < 2) return;
    peri_space_join(b, e);
    if (peri_comparison_read(e, &op)) {
        json_t *left = peri_ast_get(e, "left"), *right = peri_ast_get(e, "right");
        if (peri_from_scalar(b, left, &t)) add_bound(b, &t, op, right, false);
        if (peri_from_scalar(b, right, &t))
            add_bound(b, &t, peri_op_mirrored(op), left, false);
    } else if (peri_ast_is_type(e, "COMPARE_BETWEEN")) {
        json_t *input = peri_ast_get(e, "input"), *low = peri_ast_get(e, "lower"),
               *high = peri_ast_get(e, "upper");
        peri_constant_t c;
        if (peri_from_scalar(b, input, &t) &&
            !(peri_constant_read(low, &c) && peri_constant_read(high, &c))) {
            add_side(b, &t, PERI_OP_GE, low);
            add_side(b, &t, PERI_OP_LE, high);
        }
        if (peri_from_scalar(b, low, &t)) add_bound(b, &t, PERI_OP_LE, input, true);
        if (peri_from_scalar(b, high, &t)) add_bound(b, &t, PERI_OP_GE, input, true);
    }
}

/* ---- values in place of what computes them ---- */

static int is_subquery(json_t *node, void *arg)
{
    (void)arg;
    return peri_ast_is_class(node, "SUBQUERY") ? -1 : 0;
}

/* Numbers, and lists of them. */
static bool is_literal(const json_t *e)
{
    size_t i;
    const json_t *child;
    peri_constant_t c;
    if (peri_constant_read(e, &c)) return true;
    if (!peri_ast_is_function(e, "list_value") && !peri_ast_is_function(e, "array_value"))
        return false;
    json_array_foreach(peri_ast_list(e, "children"), i,
                       child) if (!peri_constant_read(child, &c)) return false;
    return true;
}

static int look_alone(json_t *node, void *arg)
{
    (void)arg;
    if (peri_ast_is_class(node, "SUBQUERY"))
        return strcmp(peri_ast_str(node, "subquery_type"), "SCALAR") == 0 ? 1 : -1;
    return peri_ast_is_class(node, "COLUMN_REF") || peri_ast_is_class(node, "WINDOW") ||
                   peri_fn_is_aggregate(node) || peri_fn_is_volatile(node)
               ? -1
               : 0;
}

static bool has_subquery(json_t *e)
{
    return peri_ast_walk_block(e, is_subquery, NULL) != 0;
}

/* The value as an expression, parsed from text. */
static json_t *value_new(peri_planner_t *p, const peri_first_t *v)
{
    const char *sql;
    const peri_constant_t *x = v->values;
    if (v->ncols == 3) {
        for (int d = 0; d < 3; d++)
            if (x[d].null) return NULL;
        sql = peri_arena_printf(p->arena,
                                "SELECT array_value(CAST('%.17g' AS DOUBLE), "
                                "CAST('%.17g' AS DOUBLE), CAST('%.17g' AS DOUBLE))",
                                x[0].c.d, x[1].c.d, x[2].c.d);
    } else if (x->null) {
        return NULL;
    } else if (x->c.kind == PERI_CONST_INT) {
        if (x->c.i > INT64_MAX || x->c.i <= INT64_MIN) return NULL;
        sql =
            peri_arena_printf(p->arena, "SELECT CAST(%lld AS BIGINT)", (long long)x->c.i);
    } else {
        sql = peri_arena_printf(p->arena, "SELECT CAST('%.17g' AS DOUBLE)", x->c.d);
    }
    json_t *query = peri_sql_parse(p->con, sql, NULL);
    json_t *value =
        json_deep_copy(json_array_get(peri_ast_list(query, "select_list"), 0));
    json_decref(query);
    return value;
}

/* What of its types can be put into the tree as a value. */
static const char *select_value(duckdb_logical_type t, peri_place_t place)
{
    const duckdb_type id = duckdb_get_type_id(t);
    const class_t class = class_of(t);
    if (place == PERI_PLACE_SPACE) {
        if (id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_ARRAY)
            return PERI_FIRST_VECTOR("peri_q0");
        return class != OTHER || id == DUCKDB_TYPE_DECIMAL ? "CAST(peri_q0 AS DOUBLE)"
                                                           : NULL;
    }
    if (class == INTEGER) return "CAST(peri_q0 AS HUGEINT)";
    /* A column of integers and a FLOAT are compared as FLOAT: that must stay. */
    return class == DOUBLE || (class == FLOAT && place == PERI_PLACE_REAL)
               ? "CAST(peri_q0 AS DOUBLE)"
               : NULL;
}

static int ready_relation(json_t *node, void *arg)
{
    int rel = peri_rel_index(node);
    return rel >= 0 && peri_first_ready(arg, rel) < 0 ? -1 : 0;
}

/* If the expression has nothing of the FROM in it: run it and put the value there. */
static void make_constant(peri_planner_t *p, peri_place_t place, json_t *e)
{
    peri_desc_t desc = {0};
    peri_first_t v;
    char *sql = NULL;
    if (!e || peri_ast_walk(e, look_alone, NULL) || is_literal(e)) return;
    const bool subquery = has_subquery(e);
    json_t *q = peri_ast_select_new(
        json_pack("[o]", peri_ast_with_alias(json_deep_copy(e), "peri_q0")),
        peri_ast_empty_from_new(), NULL);
    if (peri_query_describe(p, q, &desc)) goto out;
    const char *select = select_value(desc.types[0], place);
    if (!select || peri_ast_walk(q, ready_relation, p)) goto out;
    sql = peri_sql_render(p->con, q, false, NULL);
    if (sql &&
        peri_first_run(p, peri_arena_printf(p->arena, "SELECT %s FROM (%s)", select, sql),
                       1, &v) &&
        v.nrows == 1) {
        json_t *value = value_new(p, &v);
        if (value) {
            peri_ast_become(e, value);
            p->nconstants++;
            p->nfirst += subquery;
        }
    }
out:
    duckdb_free(sql);
    peri_desc_clear(&desc);
    json_decref(q);
}

static void find_constants(const peri_from_t *b, json_t *e)
{
    peri_planner_t *p = b->p;
    peri_target_t t;
    peri_op_t op;
    static const char *const sides[] = {"left", "right", "input", "lower", "upper"};
    json_t *column = NULL, *other[2] = {NULL, NULL};
    size_t n = 0;
    if (peri_comparison_read(e, &op) || peri_ast_is_type(e, "COMPARE_BETWEEN")) {
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
            json_t *side = peri_ast_get(e, sides[i]);
            if (side && !column && peri_from_scalar(b, side, &t))
                column = side;
            else if (side && n < 2)
                other[n++] = side;
        }
        if (column && p->rels[t.rel].info.rows >= PERI_FIRST_MIN_ROWS)
            for (size_t i = 0; i < n; i++)
                make_constant(
                    p, peri_target_is_real(p, &t) ? PERI_PLACE_REAL : PERI_PLACE_INTEGER,
                    other[i]);
    }
    peri_space_arguments(b, e, make_constant);
}

bool peri_first_constants(peri_planner_t *p, json_t *query)
{
    if (!p->resolver->ready) return false;
    peri_terms_walk(p, query, find_constants);
    return p->nconstants > 0;
}
