/* column.c - columns of a FROM, and hints about them: "column op constant".
 *
 * A hint must hold for every row for which DuckDB's comparison, with its implicit casts,
 * is true: constants that a double does not hold exactly are widened. Which conditions
 * become hints is not known here (pred.c, space.c, first.c).
 */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/sql/preds.h"

/* ---- types ---- */

static duckdb_type element_type(duckdb_logical_type t)
{
    duckdb_type id = duckdb_get_type_id(t);
    if (id != DUCKDB_TYPE_ARRAY) return id;
    duckdb_logical_type child = duckdb_array_type_child_type(t);
    id = duckdb_get_type_id(child);
    duckdb_destroy_logical_type(&child);
    return id;
}

int peri_rels_describe(peri_planner_t *p, peri_err_t *err)
{
    for (size_t i = 0; i < p->nrels; i++) {
        peri_rel_t *rel = &p->rels[i];
        const char *sql = peri_arena_printf(p->arena, "SELECT * FROM peri_r%zu", i);
        peri_desc_t d;
        if (peri_duck_describe(p->con, p->arena, sql, &d, err)) return -1;
        rel->types = peri_arena_calloc(p->arena, rel->info.ncolumns + PERI_NVIRTUALS,
                                       sizeof *rel->types);
        for (size_t c = 0; c < rel->info.ncolumns && c < d.n; c++)
            rel->types[c] = element_type(d.types[c]);
        for (unsigned v = 0; v < PERI_NVIRTUALS; v++)
            rel->types[rel->info.ncolumns + v] =
                1u << v == PERI_VIRT_FILE ? DUCKDB_TYPE_VARCHAR : DUCKDB_TYPE_BIGINT;
        peri_desc_clear(&d);
    }
    return 0;
}

bool peri_type_is_integer(duckdb_type t)
{
    switch (t) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
        return true;
    default:
        return false;
    }
}

static bool is_real(duckdb_type t)
{
    return t == DUCKDB_TYPE_FLOAT || t == DUCKDB_TYPE_DOUBLE;
}

/* ---- columns ---- */

static int column_index(const peri_rel_t *rel, const char *name)
{
    int c = peri_rel_column(rel, name);
    for (unsigned v = 0; c < 0 && v < PERI_NVIRTUALS; v++)
        if (rel->virtuals & (1u << v) && strcasecmp(name, peri_virtual_name(v)) == 0)
            c = (int)(rel->info.ncolumns + v);
    return c;
}

static const char *column_name(const peri_rel_t *rel, int c)
{
    size_t n = rel->info.ncolumns;
    return (size_t)c < n ? rel->info.columns[c]
                         : peri_virtual_name((unsigned)(c - (int)n));
}

static uint32_t column_width(const peri_rel_t *rel, int c)
{
    return (size_t)c < rel->info.ncolumns ? rel->info.widths[c] : 1;
}

bool peri_from_column(const peri_from_t *b, const json_t *ref, peri_target_t *out)
{
    const json_t *parts = peri_ast_list(ref, "column_names");
    size_t n = json_array_size(parts);
    if (!peri_ast_is_class(ref, "COLUMN_REF") || n < 1 || n > 2 || (n == 1 && b->unknown))
        return false;
    const char *table = n == 2 ? json_string_value(json_array_get(parts, 0)) : NULL;
    const char *column = json_string_value(json_array_get(parts, n - 1));
    size_t found = 0;
    bool blocked = false;
    for (size_t i = 0; i < b->nsources; i++) {
        if (b->sources[i].rel < 0) continue;
        const peri_rel_t *rel = &b->p->rels[b->sources[i].rel];
        int c = column_index(rel, column);
        if (table && strcasecmp(table, rel->alias) == 0 && rel->positional) return false;
        if (rel->positional && !table) return false; /* its names are others */
        if (c < 0 || (table && strcasecmp(table, rel->alias) != 0)) continue;
        *out = (peri_target_t){b->sources[i].rel, c, -1};
        blocked = b->sources[i].blocked;
        found++;
    }
    return found == 1 && !blocked;
}

bool peri_from_scalar(const peri_from_t *b, const json_t *e, peri_target_t *out)
{
    bool extract = peri_ast_is_type(e, "ARRAY_EXTRACT") ||
                   peri_ast_is_function(e, "array_extract") ||
                   peri_ast_is_function(e, "list_extract") ||
                   peri_ast_is_function(e, "list_element");
    const json_t *args = peri_ast_list(e, "children");
    peri_constant_t index;
    if (!extract) {
        return peri_from_column(b, e, out) &&
               column_width(&b->p->rels[out->rel], out->column) == 1;
    }
    if (json_array_size(args) != 2 ||
        !peri_from_column(b, json_array_get(args, 0), out) ||
        !peri_constant_read(json_array_get(args, 1), &index) || index.null ||
        index.c.kind != PERI_CONST_INT)
        return false;
    uint32_t width = column_width(&b->p->rels[out->rel], out->column);
    if (width < 2 || index.c.i < 1 || index.c.i > width) return false;
    out->component = (int)index.c.i - 1;
    return true;
}

uint32_t peri_target_width(const peri_planner_t *p, const peri_target_t *t)
{
    return column_width(&p->rels[t->rel], t->column);
}

bool peri_target_is_real(const peri_planner_t *p, const peri_target_t *t)
{
    return is_real(p->rels[t->rel].types[t->column]);
}

bool peri_target_is_integer(const peri_planner_t *p, const peri_target_t *t)
{
    return peri_type_is_integer(p->rels[t->rel].types[t->column]);
}

/* ---- hints ---- */

peri_pred_t *peri_pred_add(peri_planner_t *p, const peri_target_t *t, peri_op_t op,
                           const peri_const_t *values, size_t n)
{
    peri_rel_t *rel = &p->rels[t->rel];
    if (rel->npreds == rel->cap_preds) {
        rel->cap_preds = rel->cap_preds ? 2 * rel->cap_preds : 4;
        rel->preds = peri_xrealloc(rel->preds, rel->cap_preds, sizeof *rel->preds);
    }
    peri_const_t *copy = peri_arena_calloc(p->arena, n + 1, sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        copy[i] = values[i];
        if (copy[i].s) copy[i].s = peri_arena_strdup(p->arena, copy[i].s);
    }
    peri_pred_t *pred = &rel->preds[rel->npreds++];
    *pred = (peri_pred_t){.column = column_name(rel, t->column),
                          .component = t->component,
                          .op = op,
                          .nvalues = n,
                          .values = copy};
    return pred;
}

bool peri_target_is_comparable(const peri_planner_t *p, const peri_target_t *t,
                               peri_constkind_t kind)
{
    const duckdb_type column = p->rels[t->rel].types[t->column];
    switch (kind) {
    case PERI_CONST_INT:
    case PERI_CONST_REAL:
        return peri_type_is_integer(column) || is_real(column);
    case PERI_CONST_STR:
        return column == DUCKDB_TYPE_VARCHAR;
    case PERI_CONST_BOOL:
        return column == DUCKDB_TYPE_BOOLEAN;
    }
    return false;
}

void peri_pred_compare(peri_planner_t *p, const peri_target_t *t, peri_op_t op,
                       peri_constant_t c)
{
    duckdb_type type = p->rels[t->rel].types[t->column];
    if (c.null) {
        peri_pred_add(p, t, PERI_OP_NEVER, NULL, 0);
        return;
    }
    if (!peri_target_is_comparable(p, t, c.c.kind)) return;
    if (peri_type_is_integer(type) && c.long_tail)
        return; /* DuckDB's error, not a skipped row */
    if (is_real(type) && peri_constant_is_large(&c)) {
        c.c = (peri_const_t){.kind = PERI_CONST_REAL, .d = (double)c.c.i};
        c.exact = false;
    }
    if (c.c.kind == PERI_CONST_REAL && peri_type_is_integer(type) &&
        !(fabs(c.c.d) < PERI_EXACT))
        c.exact = false;
    if (c.c.kind != PERI_CONST_REAL || c.exact || isnan(c.c.d)) {
        peri_pred_add(p, t, op, &c.c, 1);
        return;
    }
    peri_const_t low = c.c, high = c.c;
    for (int i = 0; i < 2; i++) {
        low.d = nextafter(low.d, -INFINITY);
        high.d = nextafter(high.d, INFINITY);
    }
    if (op == PERI_OP_GT || op == PERI_OP_GE || op == PERI_OP_EQ)
        peri_pred_add(p, t, PERI_OP_GE, &low, 1);
    if (op == PERI_OP_LT || op == PERI_OP_LE || op == PERI_OP_EQ)
        peri_pred_add(p, t, PERI_OP_LE, &high, 1);
}

peri_op_t peri_op_mirrored(peri_op_t op)
{
    static const peri_op_t other[] = {[PERI_OP_LT] = PERI_OP_GT,
                                      [PERI_OP_LE] = PERI_OP_GE,
                                      [PERI_OP_EQ] = PERI_OP_EQ,
                                      [PERI_OP_GE] = PERI_OP_LE,
                                      [PERI_OP_GT] = PERI_OP_LT};
    return other[op];
}

bool peri_comparison_read(const json_t *e, peri_op_t *op)
{
    static const struct {
        const char *type;
        peri_op_t op;
    } ops[] = {{"COMPARE_EQUAL", PERI_OP_EQ},
               {"COMPARE_LESSTHAN", PERI_OP_LT},
               {"COMPARE_GREATERTHAN", PERI_OP_GT},
               {"COMPARE_LESSTHANOREQUALTO", PERI_OP_LE},
               {"COMPARE_GREATERTHANOREQUALTO", PERI_OP_GE}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!peri_ast_is_type(e, ops[i].type)) continue;
        *op = ops[i].op;
        return true;
    }
    return false;
}
