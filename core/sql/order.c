/* order.c - DISTINCT, ORDER BY and LIMIT over a row-wise block, in two steps.
 *
 *   ranks: SELECT [DISTINCT] * FROM (block + hidden order columns) AS peri_q(peri_o0..,
 * peri_h0..) [ORDER BY .. LIMIT limit + offset] root:  SELECT [DISTINCT] peri_o0 AS
 * name0, .. FROM those rows ORDER BY .. LIMIT .. OFFSET ..
 *
 * Order terms become columns, after DuckDB's rules: a number is an output column, a lone
 * name is an alias first, everything else is an expression over the FROM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/sql/planner.h"

#define MAX_PARTIAL_LIMIT 1000000000

struct parts {
    bool distinct;
    json_t *orders; /* borrowed, or NULL */
    json_t *limit;  /* the modifier, LIMIT or LIMIT_PERCENT; borrowed, or NULL */
};

static bool split_modifiers(json_t *q, struct parts *out)
{
    size_t i;
    json_t *mod;
    *out = (struct parts){0};
    json_array_foreach(peri_ast_list(q, "modifiers"), i, mod)
    {
        if (peri_ast_is_type(mod, "ORDER_MODIFIER"))
            out->orders = peri_ast_list(mod, "orders");
        else if (!peri_ast_is_type(mod, "DISTINCT_MODIFIER"))
            out->limit = mod;
        else if (json_array_size(peri_ast_list(mod, "distinct_on_targets")))
            return false;
        else
            out->distinct = true;
    }
    if (peri_ast_is_type(q, "SET_OPERATION_NODE") && !peri_ast_true(q, "setop_all")) {
        if (strncmp(peri_ast_str(q, "setop_type"), "UNION", 5) != 0) return false;
        json_object_set_new(q, "setop_all",
                            json_true()); /* UNION is a distinct UNION ALL */
        out->distinct = true;
    }
    return out->distinct || out->orders || out->limit;
}

static int has_collation(json_t *node, void *arg)
{
    (void)arg;
    return peri_ast_is_class(node, "COLLATE") ? -1 : 0;
}

/* ---- order terms ---- */

struct ordering {
    peri_planner_t *p;
    json_t *items; /* select list; NULL: a set operation */
    const peri_desc_t *want;
    json_t *hidden; /* expressions to add to the select list */
    json_t *orders; /* over the columns peri_o<i>, peri_h<j> */
};

static void order_by(struct ordering *o, const json_t *term, char kind, size_t i)
{
    char name[32];
    snprintf(name, sizeof name, "peri_%c%zu", kind, i);
    json_t *copy = json_copy((json_t *)term);
    json_object_set_new(copy, "expression", peri_ast_column_new(NULL, name));
    json_array_append_new(o->orders, copy);
}

static int order_hidden(struct ordering *o, const json_t *term, json_t *expr)
{
    if (!o->items || peri_expr_volatile(expr) || !peri_expr_rowwise(o->p, expr))
        return -1;
    json_t *copy = json_deep_copy(expr);
    json_object_set_new(copy, "alias", json_string(""));
    order_by(o, term, 'h', json_array_size(o->hidden));
    json_array_append_new(o->hidden, copy);
    return 0;
}

/* The alias or, in a set operation, the output column that a lone name means. */
static int order_alias(struct ordering *o, const json_t *term, const char *name)
{
    size_t i;
    json_t *item;
    for (i = 0; !o->items && i < o->want->n; i++) {
        if (strcasecmp(o->want->names[i], name) != 0) continue;
        order_by(o, term, 'o', i);
        return 0;
    }
    json_array_foreach(o->items, i, item)
    {
        if (strcasecmp(peri_ast_str(item, "alias"), name) != 0) continue;
        if (json_array_size(o->items) != o->want->n) /* a star shifts the columns */
            return order_hidden(o, term, item);
        order_by(o, term, 'o', i);
        return 0;
    }
    return 1;
}

static int order_term(struct ordering *o, json_t *term)
{
    json_t *expr = peri_ast_get(term, "expression"), *item;
    const json_t *names = peri_ast_list(expr, "column_names");
    size_t i;
    if (peri_ast_walk(expr, has_collation, NULL)) return -1;
    if (peri_ast_is_class(expr, "STAR")) { /* ORDER BY ALL */
        if (!peri_ast_true(expr, "columns") || peri_ast_get(expr, "expr")) return -1;
        for (i = 0; i < o->want->n; i++) order_by(o, term, 'o', i);
        return 0;
    }
    if (peri_ast_is_class(expr, "CONSTANT")) {
        const json_t *v = json_object_get(peri_ast_get(expr, "value"), "value");
        json_int_t k = json_is_integer(v) ? json_integer_value(v) : 0;
        if (k < 1 || (size_t)k > o->want->n) return -1;
        order_by(o, term, 'o', (size_t)k - 1);
        return 0;
    }
    if (peri_ast_is_class(expr, "COLUMN_REF") && json_array_size(names) == 1) {
        int rc = order_alias(o, term, json_string_value(json_array_get(names, 0)));
        if (rc <= 0) return rc;
    }
    json_array_foreach(o->items, i, item)
    {
        if (json_array_size(o->items) != o->want->n || !peri_ast_same_expr(item, expr))
            continue;
        order_by(o, term, 'o', i);
        return 0;
    }
    return order_hidden(o, term, expr);
}

/* ---- limits ---- */

static bool read_count(const json_t *expr, json_int_t *out)
{
    const json_t *value = peri_ast_get(expr, "value");
    *out = 0;
    if (!expr) return true;
    if (!peri_ast_is_class(expr, "CONSTANT") || peri_ast_true(value, "is_null") ||
        !json_is_integer(json_object_get(value, "value")) ||
        strcmp(peri_ast_str(peri_ast_get(value, "type"), "id"), "DECIMAL") == 0)
        return false;
    *out = json_integer_value(json_object_get(value, "value"));
    return *out >= 0;
}

/* limit + offset if both are plain numbers, else -1. */
static json_int_t partial_limit(const json_t *mod)
{
    json_int_t limit, offset;
    if (!mod || !peri_ast_is_type(mod, "LIMIT_MODIFIER") || !peri_ast_get(mod, "limit") ||
        !read_count(peri_ast_get(mod, "limit"), &limit) ||
        !read_count(peri_ast_get(mod, "offset"), &offset) || limit > MAX_PARTIAL_LIMIT ||
        offset > MAX_PARTIAL_LIMIT)
        return -1;
    return limit + offset;
}

/* ---- the two steps ---- */

static json_t *column_names_new(char kind, size_t n, json_t *names)
{
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "peri_%c%zu", kind, i);
        json_array_append_new(names, json_string(name));
    }
    return names;
}

static json_t *order_modifier_new(json_t *orders)
{
    return json_pack("{s:s, s:O}", "type", "ORDER_MODIFIER", "orders", orders);
}

static json_t *partial_new(json_t *base, const struct parts *m, const struct ordering *o)
{
    json_t *names = column_names_new('o', o->want->n, json_array());
    column_names_new('h', json_array_size(o->hidden), names);
    json_t *q =
        peri_ast_select_new(json_pack("[o]", peri_ast_star_new()),
                            peri_ast_subquery_ref_new(base, "peri_q", names), NULL);
    json_t *mods = peri_ast_list(q, "modifiers");
    json_int_t limit = partial_limit(m->limit);
    if (m->distinct) json_array_append_new(mods, peri_ast_distinct_new());
    if (limit >= 0 && m->orders)
        json_array_append_new(mods, order_modifier_new(o->orders));
    if (limit >= 0)
        json_array_append_new(mods, peri_ast_limit_new(peri_ast_int_new(limit), NULL));
    return q;
}

static json_t *final_new(int step, const struct parts *m, const struct ordering *o)
{
    char name[32];
    json_t *list = json_array();
    for (size_t i = 0; i < o->want->n; i++) {
        snprintf(name, sizeof name, "peri_o%zu", i);
        json_array_append_new(list, peri_ast_with_alias(peri_ast_column_new(NULL, name),
                                                        o->want->names[i]));
    }
    snprintf(name, sizeof name, "peri_s%d", step);
    json_t *q = peri_ast_select_new(list, peri_ast_table_new(name, NULL), NULL);
    json_t *mods = peri_ast_list(q, "modifiers");
    if (m->distinct) json_array_append_new(mods, peri_ast_distinct_new());
    if (m->orders) json_array_append_new(mods, order_modifier_new(o->orders));
    if (m->limit) json_array_append_new(mods, json_deep_copy(m->limit));
    return q;
}

static const char *describe_partial(const struct parts *m)
{
    if (m->distinct) return "distinct rows of each rank";
    if (partial_limit(m->limit) >= 0)
        return m->orders ? "first rows of each rank, sorted" : "first rows of each rank";
    return "rows to the root";
}

int peri_order_plan(peri_planner_t *p, const json_t *query, peri_dest_t dest,
                    const peri_desc_t *want)
{
    int rc = -1;
    struct parts m;
    size_t i;
    json_t *term, *mods = NULL, *partial = NULL, *final = NULL;
    json_t *base = json_deep_copy(query);
    bool *leaves = peri_xcalloc(p->nrels + 1, sizeof *leaves);
    struct ordering o = {
        .p = p, .want = want, .hidden = json_array(), .orders = json_array()};
    if (!split_modifiers(base, &m)) goto out;
    mods = json_incref(json_object_get(base, "modifiers")); /* m borrows from it */
    json_object_set_new(base, "modifiers", json_array());
    if (peri_has_relations(m.limit) || !peri_block_rowwise(p, base, leaves)) goto out;
    o.items = peri_ast_list(base, "select_list");
    json_array_foreach(m.orders, i, term) if (order_term(&o, term)) goto out;
    if (m.distinct && json_array_size(o.hidden)) goto out;
    json_array_extend(o.items, o.hidden);
    if (peri_localise_around(p, base, leaves)) goto out;
    partial = partial_new(json_incref(base), &m, &o);
    int step =
        peri_step_add(p, partial, PERI_DEST_ROOT, true, describe_partial(&m), NULL);
    if (step < 0) goto out;
    final = final_new(step, &m, &o);
    rc =
        peri_step_add(p, final, dest, false,
                      m.orders ? "sorted on the root" : "put together on the root", want);
out:
    json_decref(final);
    json_decref(partial);
    json_decref(mods);
    json_decref(base);
    json_decref(o.hidden);
    json_decref(o.orders);
    free(leaves);
    return rc;
}
