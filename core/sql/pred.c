/* pred.c - conditions "column op constant" that may be applied before everything else.
 *
 * They come from the AND-ed terms of WHERE, and of ON of inner joins. Such a term is
 * strict: it is not true for NULL. So it may drop rows of its table early even on the
 * nullable side of an outer join, where the unmatched row would fail it anyway. Not so
 * below ASOF and POSITIONAL joins and samples, where dropping a row changes what its
 * neighbours do.
 *
 * A term is kept as syntax (for stages that filter early) and, where column and constant
 * are of comparable kinds, as hints for skipping chunks. A hint must hold for every row
 * for which DuckDB's comparison, with its implicit casts, is true: constants that a
 * double does not hold exactly are widened.
 */
#include <math.h>
#include <stdlib.h>
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

static bool is_integer(duckdb_type t)
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
    return is_integer(p->rels[t->rel].types[t->column]);
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

static bool comparable(duckdb_type column, peri_constkind_t kind)
{
    switch (kind) {
    case PERI_CONST_INT:
    case PERI_CONST_REAL:
        return is_integer(column) || is_real(column);
    case PERI_CONST_STR:
        return column == DUCKDB_TYPE_VARCHAR;
    case PERI_CONST_BOOL:
        return column == DUCKDB_TYPE_BOOLEAN;
    }
    return false;
}

static bool beyond_double(const peri_constant_t *c)
{
    return c->c.kind == PERI_CONST_INT &&
           (c->c.i > (__int128)PERI_EXACT || c->c.i < -(__int128)PERI_EXACT);
}

void peri_pred_compare(peri_planner_t *p, const peri_target_t *t, peri_op_t op,
                       peri_constant_t c)
{
    duckdb_type type = p->rels[t->rel].types[t->column];
    if (c.null) {
        peri_pred_add(p, t, PERI_OP_NEVER, NULL, 0);
        return;
    }
    if (!comparable(type, c.c.kind)) return;
    if (is_real(type) && beyond_double(&c)) {
        c.c = (peri_const_t){.kind = PERI_CONST_REAL, .d = (double)c.c.i};
        c.exact = false;
    }
    if (c.c.kind == PERI_CONST_REAL && is_integer(type) && !(fabs(c.c.d) < PERI_EXACT))
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

static bool read_comparison(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    const json_t *left = peri_ast_get(e, "left"), *right = peri_ast_get(e, "right");
    peri_constant_t c;
    peri_op_t op;
    if (!peri_comparison_read(e, &op)) return false;
    if (peri_from_scalar(b, left, t) && peri_constant_read(right, &c))
        peri_pred_compare(b->p, t, op, c);
    else if (peri_from_scalar(b, right, t) && peri_constant_read(left, &c))
        peri_pred_compare(b->p, t, peri_op_mirrored(op), c);
    else
        return false;
    return true;
}

static bool read_in(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    const json_t *args = peri_ast_list(e, "children");
    size_t n = json_array_size(args), kept = 0;
    if (!peri_ast_is_type(e, "COMPARE_IN") || n < 2 ||
        !peri_from_scalar(b, json_array_get(args, 0), t))
        return false;
    duckdb_type type = b->p->rels[t->rel].types[t->column];
    peri_const_t *values = peri_xcalloc(n, sizeof *values);
    bool constants = true, hint = true;
    for (size_t i = 1; i < n && constants; i++) {
        peri_constant_t c;
        constants = peri_constant_read(json_array_get(args, i), &c);
        if (!constants || c.null) continue; /* x = NULL is never true */
        /* a list has one type: only plain integers and strings are compared as they stand
         */
        hint = hint && comparable(type, c.c.kind) && c.c.kind != PERI_CONST_REAL &&
               !(is_real(type) && beyond_double(&c));
        values[kept++] = c.c;
    }
    if (constants && hint)
        peri_pred_add(b->p, t, kept ? PERI_OP_IN : PERI_OP_NEVER, values, kept);
    free(values);
    return constants;
}

static bool read_between(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    peri_constant_t low, high;
    if (!peri_ast_is_type(e, "COMPARE_BETWEEN") ||
        !peri_from_scalar(b, peri_ast_get(e, "input"), t) ||
        !peri_constant_read(peri_ast_get(e, "lower"), &low) ||
        !peri_constant_read(peri_ast_get(e, "upper"), &high))
        return false;
    if (low.c.kind != high.c.kind && (beyond_double(&low) || beyond_double(&high)))
        return true; /* all three are compared as doubles */
    peri_pred_compare(b->p, t, PERI_OP_GE, low);
    peri_pred_compare(b->p, t, PERI_OP_LE, high);
    return true;
}

/* A boolean column by itself, or NOT of it. */
static bool read_bool(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    bool value = !peri_ast_is_type(e, "OPERATOR_NOT");
    if (!value) e = json_array_get(peri_ast_list(e, "children"), 0);
    if (!peri_from_scalar(b, e, t) ||
        b->p->rels[t->rel].types[t->column] != DUCKDB_TYPE_BOOLEAN)
        return false;
    peri_const_t c = {.kind = PERI_CONST_BOOL, .i = value};
    peri_pred_add(b->p, t, PERI_OP_EQ, &c, 1);
    return true;
}

static void read_term(const peri_from_t *b, json_t *e)
{
    peri_target_t t;
    if (read_comparison(b, e, &t) || read_between(b, e, &t) || read_in(b, e, &t) ||
        read_bool(b, e, &t) || peri_space_read(b, e, &t))
        json_array_append_new(b->p->rels[t.rel].terms, json_deep_copy(e));
}

/* ---- blocks ---- */

typedef void (*term_f)(const peri_from_t *b, json_t *term);

static void walk_terms(const peri_from_t *b, json_t *e, term_f f)
{
    size_t i;
    json_t *child;
    if (peri_ast_is_type(e, "CONJUNCTION_AND")) {
        json_array_foreach(peri_ast_list(e, "children"), i, child)
            walk_terms(b, child, f);
    } else if (e) {
        f(b, e);
    }
}

static bool is_inner(const json_t *join)
{
    return strcmp(peri_ast_str(join, "join_type"), "INNER") == 0;
}

static void add_source(peri_from_t *b, int rel, bool blocked)
{
    b->sources = peri_xrealloc(b->sources, b->nsources + 1, sizeof *b->sources);
    b->sources[b->nsources++] = (struct peri_source){rel, blocked};
    if (rel < 0) b->unknown = true;
}

static void collect_sources(peri_from_t *b, const json_t *from, bool blocked)
{
    blocked = blocked || peri_ast_get(from, "sample");
    if (peri_ast_is_type(from, "JOIN")) {
        const char *kind = peri_ast_str(from, "ref_type");
        bool ordered = strcmp(kind, "ASOF") == 0 || strcmp(kind, "POSITIONAL") == 0;
        const char *type = peri_ast_str(from, "join_type");
        bool hidden = strcmp(type, "SEMI") == 0 || strcmp(type, "ANTI") == 0;
        if (!is_inner(from)) b->inner = false;
        collect_sources(b, peri_ast_get(from, "left"), blocked || ordered);
        collect_sources(b, peri_ast_get(from, "right"), blocked || ordered || hidden);
    } else if (from && !peri_ast_is_type(from, "EMPTY")) {
        add_source(b, peri_rel_index(from), blocked);
    }
}

static void inner_conditions(const peri_from_t *b, json_t *from, term_f f)
{
    if (!peri_ast_is_type(from, "JOIN")) return;
    if (is_inner(from) && strcmp(peri_ast_str(from, "ref_type"), "REGULAR") == 0) {
        /* only what this join sees, so that an outer table of the same name stays out */
        peri_from_t below = {.p = b->p, .from = from, .inner = true};
        collect_sources(&below, from, false);
        walk_terms(&below, peri_ast_get(from, "condition"), f);
        free(below.sources);
    }
    inner_conditions(b, peri_ast_get(from, "left"), f);
    inner_conditions(b, peri_ast_get(from, "right"), f);
}

struct terms {
    peri_planner_t *p;
    term_f f;
    bool selects; /* f takes whole SELECTs */
};

static int visit(json_t *node, void *arg)
{
    const struct terms *terms = arg;
    if (!peri_ast_is_type(node, "SELECT_NODE")) return 0;
    json_t *from = peri_ast_get(node, "from_table");
    peri_from_t b = {.p = terms->p, .from = from, .inner = true};
    bool sample = peri_ast_get(node, "sample") != NULL;
    collect_sources(&b, from, sample);
    if (terms->selects) {
        terms->f(&b, node);
    } else {
        walk_terms(&b, peri_ast_get(node, "where_clause"), terms->f);
        if (!sample) inner_conditions(&b, from, terms->f);
    }
    free(b.sources);
    return 0;
}

void peri_terms_walk(peri_planner_t *p, json_t *query, term_f f)
{
    struct terms terms = {p, f, false};
    peri_ast_walk(query, visit, &terms);
}

void peri_selects_walk(peri_planner_t *p, json_t *query, term_f f)
{
    struct terms terms = {p, f, true};
    peri_ast_walk(query, visit, &terms);
}

static void forget(peri_planner_t *p)
{
    for (size_t i = 0; i < p->nrels; i++) {
        p->rels[i].npreds = 0;
        p->rels[i].near = false;
        json_array_clear(p->rels[i].terms);
    }
    p->nnear = p->nnearest = p->nconstants = p->nfirst = 0;
}

void peri_preds_collect(peri_planner_t *p, json_t *query)
{
    forget(p);
    peri_terms_walk(p, query, read_term);
}

/* An AND within an AND, as DuckDB would read it back: one. */
static int flatten(json_t *node, void *arg)
{
    (void)arg;
    json_t *list = peri_ast_list(node, "children"), *child;
    for (size_t i = 0; peri_ast_is_type(node, "CONJUNCTION_AND") &&
                       (child = json_array_get(list, i)) != NULL;) {
        if (!peri_ast_is_type(child, "CONJUNCTION_AND")) {
            i++;
            continue;
        }
        json_t *inner = json_incref(peri_ast_list(child, "children"));
        json_array_remove(list, i);
        for (size_t k = 0; k < json_array_size(inner); k++)
            json_array_insert(list, i + k, json_array_get(inner, k));
        json_decref(inner);
    }
    return 0;
}

bool peri_preds_prepare(peri_planner_t *p, json_t *query)
{
    if (!p->resolver->ready) return false;
    if (peri_first_constants(p, query)) {
        size_t first = p->nfirst, constants = p->nconstants;
        peri_preds_collect(p, query);
        p->nfirst = first;
        p->nconstants = constants;
    }
    peri_terms_walk(p, query, peri_first_joins);
    peri_terms_walk(p, query, peri_near_join);
    peri_selects_walk(p, query, peri_nearest_bound);
    if (p->nnear + p->nnearest) peri_ast_walk(query, flatten, NULL);
    return p->nconstants + p->nnear + p->nnearest > 0;
}
