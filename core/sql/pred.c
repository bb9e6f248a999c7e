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
#include "core/sql/constant.h"
#include "core/sql/planner.h"

/* A table of one FROM as WHERE sees it. */
struct source {
    int rel; /* -1: columns unknown */
    bool blocked;
};

struct block {
    peri_planner_t *p;
    struct source *sources;
    size_t nsources;
    bool unknown; /* a source whose columns are not known */
};

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

struct target {
    int rel, column, component; /* virtual column v: number of real columns + v */
};

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

static bool find_column(const struct block *b, const json_t *ref, struct target *out)
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
        *out = (struct target){b->sources[i].rel, c, -1};
        blocked = b->sources[i].blocked;
        found++;
    }
    return found == 1 && !blocked;
}

/* A scalar column, or vec[1], array_extract(vec, 1), list_element(vec, 1). */
static bool read_column(const struct block *b, const json_t *e, struct target *out)
{
    bool extract = peri_ast_is_type(e, "ARRAY_EXTRACT") ||
                   peri_ast_is_function(e, "array_extract") ||
                   peri_ast_is_function(e, "list_extract") ||
                   peri_ast_is_function(e, "list_element");
    const json_t *args = peri_ast_list(e, "children");
    peri_constant_t index;
    if (!extract) {
        return find_column(b, e, out) &&
               column_width(&b->p->rels[out->rel], out->column) == 1;
    }
    if (json_array_size(args) != 2 || !find_column(b, json_array_get(args, 0), out) ||
        !peri_constant_read(json_array_get(args, 1), &index) || index.null ||
        index.c.kind != PERI_CONST_INT)
        return false;
    uint32_t width = column_width(&b->p->rels[out->rel], out->column);
    if (width < 2 || index.c.i < 1 || index.c.i > width) return false;
    out->component = (int)index.c.i - 1;
    return true;
}

/* ---- hints ---- */

static void add_pred(peri_planner_t *p, const struct target *t, peri_op_t op,
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
    rel->preds[rel->npreds++] = (peri_pred_t){.column = column_name(rel, t->column),
                                              .component = t->component,
                                              .op = op,
                                              .nvalues = n,
                                              .values = copy};
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

/* One comparison; inexact reals become closed bounds a little further out. */
static void add_comparison(peri_planner_t *p, const struct target *t, peri_op_t op,
                           peri_constant_t c)
{
    duckdb_type type = p->rels[t->rel].types[t->column];
    if (c.null) {
        add_pred(p, t, PERI_OP_NEVER, NULL, 0);
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
        add_pred(p, t, op, &c.c, 1);
        return;
    }
    peri_const_t low = c.c, high = c.c;
    for (int i = 0; i < 2; i++) {
        low.d = nextafter(low.d, -INFINITY);
        high.d = nextafter(high.d, INFINITY);
    }
    if (op == PERI_OP_GT || op == PERI_OP_GE || op == PERI_OP_EQ)
        add_pred(p, t, PERI_OP_GE, &low, 1);
    if (op == PERI_OP_LT || op == PERI_OP_LE || op == PERI_OP_EQ)
        add_pred(p, t, PERI_OP_LE, &high, 1);
}

static peri_op_t mirrored(peri_op_t op)
{
    static const peri_op_t other[] = {[PERI_OP_LT] = PERI_OP_GT,
                                      [PERI_OP_LE] = PERI_OP_GE,
                                      [PERI_OP_EQ] = PERI_OP_EQ,
                                      [PERI_OP_GE] = PERI_OP_LE,
                                      [PERI_OP_GT] = PERI_OP_LT};
    return other[op];
}

static bool read_comparison(const struct block *b, const json_t *e, struct target *t)
{
    static const struct {
        const char *type;
        peri_op_t op;
    } ops[] = {{"COMPARE_EQUAL", PERI_OP_EQ},
               {"COMPARE_LESSTHAN", PERI_OP_LT},
               {"COMPARE_GREATERTHAN", PERI_OP_GT},
               {"COMPARE_LESSTHANOREQUALTO", PERI_OP_LE},
               {"COMPARE_GREATERTHANOREQUALTO", PERI_OP_GE}};
    const json_t *left = peri_ast_get(e, "left"), *right = peri_ast_get(e, "right");
    peri_constant_t c;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!peri_ast_is_type(e, ops[i].type)) continue;
        if (read_column(b, left, t) && peri_constant_read(right, &c))
            add_comparison(b->p, t, ops[i].op, c);
        else if (read_column(b, right, t) && peri_constant_read(left, &c))
            add_comparison(b->p, t, mirrored(ops[i].op), c);
        else
            return false;
        return true;
    }
    return false;
}

static bool read_in(const struct block *b, const json_t *e, struct target *t)
{
    const json_t *args = peri_ast_list(e, "children");
    size_t n = json_array_size(args), kept = 0;
    if (!peri_ast_is_type(e, "COMPARE_IN") || n < 2 ||
        !read_column(b, json_array_get(args, 0), t))
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
        add_pred(b->p, t, kept ? PERI_OP_IN : PERI_OP_NEVER, values, kept);
    free(values);
    return constants;
}

static bool read_between(const struct block *b, const json_t *e, struct target *t)
{
    peri_constant_t low, high;
    if (!peri_ast_is_type(e, "COMPARE_BETWEEN") ||
        !read_column(b, peri_ast_get(e, "input"), t) ||
        !peri_constant_read(peri_ast_get(e, "lower"), &low) ||
        !peri_constant_read(peri_ast_get(e, "upper"), &high))
        return false;
    if (low.c.kind != high.c.kind && (beyond_double(&low) || beyond_double(&high)))
        return true; /* all three are compared as doubles */
    add_comparison(b->p, t, PERI_OP_GE, low);
    add_comparison(b->p, t, PERI_OP_LE, high);
    return true;
}

/* A boolean column by itself, or NOT of it. */
static bool read_bool(const struct block *b, const json_t *e, struct target *t)
{
    bool value = !peri_ast_is_type(e, "OPERATOR_NOT");
    if (!value) e = json_array_get(peri_ast_list(e, "children"), 0);
    if (!read_column(b, e, t) ||
        b->p->rels[t->rel].types[t->column] != DUCKDB_TYPE_BOOLEAN)
        return false;
    peri_const_t c = {.kind = PERI_CONST_BOOL, .i = value};
    add_pred(b->p, t, PERI_OP_EQ, &c, 1);
    return true;
}

static void read_terms(const struct block *b, json_t *e)
{
    size_t i;
    json_t *child;
    struct target t;
    if (peri_ast_is_type(e, "CONJUNCTION_AND")) {
        json_array_foreach(peri_ast_list(e, "children"), i, child) read_terms(b, child);
    } else if (e && (read_comparison(b, e, &t) || read_between(b, e, &t) ||
                     read_in(b, e, &t) || read_bool(b, e, &t))) {
        json_array_append_new(b->p->rels[t.rel].terms, json_deep_copy(e));
    }
}

/* ---- blocks ---- */

static void add_source(struct block *b, int rel, bool blocked)
{
    b->sources = peri_xrealloc(b->sources, b->nsources + 1, sizeof *b->sources);
    b->sources[b->nsources++] = (struct source){rel, blocked};
    if (rel < 0) b->unknown = true;
}

static void collect_sources(struct block *b, const json_t *from, bool blocked)
{
    blocked = blocked || peri_ast_get(from, "sample");
    if (peri_ast_is_type(from, "JOIN")) {
        const char *kind = peri_ast_str(from, "ref_type");
        bool ordered = strcmp(kind, "ASOF") == 0 || strcmp(kind, "POSITIONAL") == 0;
        const char *type = peri_ast_str(from, "join_type");
        bool hidden = strcmp(type, "SEMI") == 0 || strcmp(type, "ANTI") == 0;
        collect_sources(b, peri_ast_get(from, "left"), blocked || ordered);
        collect_sources(b, peri_ast_get(from, "right"), blocked || ordered || hidden);
    } else if (from && !peri_ast_is_type(from, "EMPTY")) {
        add_source(b, peri_rel_index(from), blocked);
    }
}

static void inner_conditions(const struct block *b, const json_t *from)
{
    if (!peri_ast_is_type(from, "JOIN")) return;
    if (strcmp(peri_ast_str(from, "join_type"), "INNER") == 0 &&
        strcmp(peri_ast_str(from, "ref_type"), "REGULAR") == 0) {
        /* only what this join sees, so that an outer table of the same name stays out */
        struct block below = {.p = b->p};
        collect_sources(&below, from, false);
        read_terms(&below, peri_ast_get(from, "condition"));
        free(below.sources);
    }
    inner_conditions(b, peri_ast_get(from, "left"));
    inner_conditions(b, peri_ast_get(from, "right"));
}

static int visit(json_t *node, void *arg)
{
    if (!peri_ast_is_type(node, "SELECT_NODE")) return 0;
    struct block b = {.p = arg};
    bool sample = peri_ast_get(node, "sample") != NULL;
    collect_sources(&b, peri_ast_get(node, "from_table"), sample);
    read_terms(&b, peri_ast_get(node, "where_clause"));
    if (!sample) inner_conditions(&b, peri_ast_get(node, "from_table"));
    free(b.sources);
    return 0;
}

void peri_preds_collect(peri_planner_t *p, json_t *query)
{
    peri_ast_walk(query, visit, p);
}
