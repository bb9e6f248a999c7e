/* agg.c - aggregates over a row-wise FROM and WHERE, in two steps.
 *
 *   ranks: SELECT keys AS peri_k.., DISTINCT arguments AS peri_d.., partial aggregates AS
 * peri_p.. FROM .. WHERE .. GROUP BY keys, DISTINCT arguments root:  SELECT the select
 * list FROM (SELECT peri_k.., merged aggregates AS peri_m.. FROM those rows GROUP BY
 * peri_k..) WHERE having QUALIFY .. ORDER BY .. LIMIT ..
 *
 * Everything above the aggregates (HAVING, windows, DISTINCT, ORDER BY, LIMIT) stays as
 * it was written, with keys and aggregates replaced by columns. What is left over of the
 * FROM's columns then does not bind, and the block is planned in another way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/sql/names.h"
#include "core/sql/splits.h"

struct call {
    json_t *expr;  /* as written, to find it again */
    json_t *value; /* over peri_m<..> */
};

struct agg {
    peri_planner_t *p;
    json_t *query, *items;
    json_t *keys, *distinct; /* expressions: peri_k<i>, peri_d<i> */
    json_t *partial, *merge; /* expressions: peri_p<i>, peri_m<i> */
    struct call *calls;
    size_t ncalls;
    bool ordered;   /* some merge depends on the order of rows */
    json_t *params; /* names of lambda parameters in scope */
};

/* ---- aggregates ---- */

/* A column of partial groups for an argument or filter of a DISTINCT aggregate. */
static json_t *distinct_column_new(struct agg *a, json_t *expr)
{
    size_t i;
    json_t *other;
    json_array_foreach(a->distinct, i, other) if (peri_ast_same_expr(other, expr)) break;
    if (i == json_array_size(a->distinct)) {
        json_t *copy = json_deep_copy(expr);
        json_object_set_new(copy, "alias", json_string(""));
        json_array_append_new(a->distinct, copy);
    }
    char name[32];
    snprintf(name, sizeof name, "peri_d%zu", i);
    return peri_ast_column_new(NULL, name);
}

/* The aggregate itself runs on the root, over distinct arguments. */
static json_t *distinct_call_new(struct agg *a, json_t *expr)
{
    json_t *args = peri_ast_list(expr, "children"),
           *filter = peri_ast_get(expr, "filter");
    json_t *copy = json_copy(expr);
    json_object_set_new(copy, "alias", json_string(""));
    json_object_set_new(
        copy, "children",
        json_pack("[o]", distinct_column_new(a, json_array_get(args, 0))));
    if (filter) json_object_set_new(copy, "filter", distinct_column_new(a, filter));
    peri_binding_t b = {.letter = 'm', .base = json_array_size(a->merge)};
    json_array_append_new(a->merge, copy);
    return peri_template_new(a->p, "m0", b);
}

static int append_templates(struct agg *a, json_t *list, const char *const *texts,
                            peri_binding_t b)
{
    for (size_t i = 0; i < PERI_SPLIT_PARTS && texts[i]; i++) {
        json_t *expr = peri_template_new(a->p, texts[i], b);
        if (!expr) return -1;
        json_array_append_new(list, expr);
    }
    return 0;
}

/* The value of an aggregate over merged columns; NULL if it does not split. Borrowed. */
static const json_t *aggregate_value(struct agg *a, json_t *expr)
{
    json_t *args = peri_ast_list(expr, "children"),
           *filter = peri_ast_get(expr, "filter");
    for (size_t i = 0; i < a->ncalls; i++)
        if (peri_ast_same_expr(a->calls[i].expr, expr)) return a->calls[i].value;
    const peri_split_t *s =
        peri_split_find(peri_ast_str(expr, "function_name"), json_array_size(args));
    if (!s || json_array_size(peri_ast_list(peri_ast_get(expr, "order_bys"), "orders")) ||
        (args && !peri_expr_rowwise(a->p, args)) ||
        (filter && !peri_expr_rowwise(a->p, filter)))
        return NULL;
    bool distinct =
        peri_ast_true(expr, "distinct") && !(s->flags & PERI_SPLIT_INSENSITIVE);
    json_t *value;
    if (distinct) {
        if (s->nargs != 1 || (s->flags & PERI_SPLIT_ORDERED)) return NULL;
        value = distinct_call_new(a, expr);
    } else {
        peri_binding_t args_of = {.args = args, .filter = filter};
        peri_binding_t partials = {.letter = 'p', .base = json_array_size(a->partial)};
        peri_binding_t merged = {.letter = 'm', .base = json_array_size(a->merge)};
        if (append_templates(a, a->partial, s->partial, args_of) ||
            append_templates(a, a->merge, s->merge, partials))
            return NULL;
        value = peri_template_new(a->p, s->value, merged);
        a->ordered = a->ordered || (s->flags & PERI_SPLIT_ORDERED);
    }
    if (!value) return NULL;
    a->calls = peri_xrealloc(a->calls, a->ncalls + 1, sizeof *a->calls);
    a->calls[a->ncalls++] = (struct call){json_incref(expr), value};
    return value;
}

/* ---- what stands above the aggregates ---- */

static int rewrite(struct agg *a, json_t *v);

static int rewrite_subquery(struct agg *a, json_t *node)
{
    json_t *child = peri_ast_get(node, "child");
    peri_desc_t d;
    bool alone = peri_query_describe(a->p, peri_ast_subquery(node), &d) == 0;
    peri_desc_clear(&d);
    if (!alone || (child && rewrite(a, child))) return -1;
    json_t *part = json_pack("{s:O}", "subquery", json_object_get(node, "subquery"));
    int rc = peri_localise_expr(a->p, part, PERI_DEST_ROOT);
    json_decref(part);
    return rc;
}

static int rewrite_lambda(struct agg *a, json_t *node)
{
    json_t *lhs = peri_ast_get(node, "lhs"), *name;
    json_t *refs = json_array(), *outer = a->params;
    size_t i, j;
    json_t *ref;
    if (peri_ast_is_class(lhs, "COLUMN_REF"))
        json_array_append(refs, lhs);
    else
        json_array_extend(refs, peri_ast_list(lhs, "children"));
    a->params = json_copy(outer);
    json_array_foreach(refs, i, ref)
    {
        json_array_foreach(peri_ast_list(ref, "column_names"), j, name)
            json_array_append(a->params, name);
    }
    int rc = rewrite(a, peri_ast_get(node, "expr"));
    json_decref(a->params);
    json_decref(refs);
    a->params = outer;
    return rc;
}

/* A name that is left: an alias, or a lambda parameter (perhaps with a field). */
static int rewrite_name(const struct agg *a, const json_t *node)
{
    const json_t *parts = peri_ast_list(node, "column_names");
    const char *name = json_string_value(json_array_get(parts, 0));
    size_t i;
    json_t *param;
    json_array_foreach(a->params, i, param)
    {
        if (strcasecmp(json_string_value(param), name) == 0) return 0;
    }
    return json_array_size(parts) == 1 && peri_names_alias(a->items, name) >= 0 ? 0 : -1;
}

static int rewrite_expr(struct agg *a, json_t *node)
{
    size_t i;
    json_t *key, *child;
    const char *name;
    json_array_foreach(a->keys, i, key)
    {
        if (!peri_ast_same_expr(key, node)) continue;
        char column[32];
        snprintf(column, sizeof column, "peri_k%zu", i);
        peri_ast_become(node, peri_ast_column_new(NULL, column));
        return 0;
    }
    if (peri_fn_is_aggregate(node)) {
        json_t *original = json_deep_copy(node);
        const json_t *value = aggregate_value(a, original);
        if (value)
            peri_ast_become(node, json_deep_copy(value));
        else if (!a->p->why_gather)
            a->p->why_gather =
                peri_arena_printf(a->p->arena, "%s() does not split into parts",
                                  peri_ast_str(original, "function_name"));
        json_decref(original);
        return value ? 0 : -1;
    }
    if (peri_ast_is_class(node, "SUBQUERY")) return rewrite_subquery(a, node);
    if (peri_ast_is_class(node, "LAMBDA")) return rewrite_lambda(a, node);
    if (peri_ast_is_class(node, "COLUMN_REF")) return rewrite_name(a, node);
    if (peri_ast_is_class(node, "STAR") || peri_ast_is_type(node, "GROUPING_FUNCTION"))
        return -1;
    json_object_foreach(node, name, child) if (rewrite(a, child)) return -1;
    return 0;
}

static int rewrite(struct agg *a, json_t *v)
{
    size_t i;
    json_t *child;
    const char *key;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child) if (rewrite(a, child)) return -1;
        return 0;
    }
    if (!json_is_object(v)) return 0;
    if (json_object_get(v, "class")) return rewrite_expr(a, v);
    json_object_foreach(v, key, child) if (rewrite(a, child)) return -1;
    return 0;
}

/* ORDER BY and DISTINCT ON: numbers, ALL and lone aliases mean the output. */
static int rewrite_output(struct agg *a, json_t *expr)
{
    const json_t *parts = peri_ast_list(expr, "column_names");
    bool lone = peri_ast_is_class(expr, "COLUMN_REF") && json_array_size(parts) == 1;
    if (peri_ast_is_class(expr, "CONSTANT") ||
        (peri_ast_is_class(expr, "STAR") && !peri_ast_get(expr, "expr")) ||
        (lone &&
         peri_names_alias(a->items, json_string_value(json_array_get(parts, 0))) >= 0))
        return 0;
    return rewrite(a, expr);
}

static int rewrite_modifiers(struct agg *a)
{
    size_t i, j;
    json_t *mod, *term;
    json_array_foreach(peri_ast_list(a->query, "modifiers"), i, mod)
    {
        json_array_foreach(peri_ast_list(mod, "orders"), j, term)
        {
            if (rewrite_output(a, peri_ast_get(term, "expression"))) return -1;
        }
        json_array_foreach(peri_ast_list(mod, "distinct_on_targets"), j, term)
        {
            if (rewrite_output(a, term)) return -1;
        }
        if (peri_has_relations(json_object_get(mod, "limit")) ||
            peri_has_relations(json_object_get(mod, "offset")))
            return -1;
    }
    return 0;
}

/* ---- keys ---- */

static int has_subquery(json_t *node, void *arg)
{
    (void)arg;
    return peri_ast_is_class(node, "SUBQUERY") ? -1 : 0;
}

static int add_key(struct agg *a, json_t *expr)
{
    size_t i;
    json_t *other;
    if (peri_ast_walk(expr, has_subquery, NULL) || peri_expr_volatile(expr) ||
        !peri_expr_rowwise(a->p, expr))
        return -1;
    json_array_foreach(a->keys, i, other) if (peri_ast_same_expr(other, expr)) return 0;
    json_t *copy = json_deep_copy(expr);
    json_object_set_new(copy, "alias", json_string(""));
    json_array_append_new(a->keys, copy);
    return 0;
}

/* GROUP BY 2: the second item of the select list. */
static int resolve_ordinals(struct agg *a)
{
    size_t i;
    json_t *expr;
    json_array_foreach(peri_ast_list(a->query, "group_expressions"), i, expr)
    {
        const json_t *value = json_object_get(peri_ast_get(expr, "value"), "value");
        if (!peri_ast_is_class(expr, "CONSTANT") || !json_is_integer(value)) continue;
        json_t *item = json_array_get(a->items, (size_t)json_integer_value(value) - 1);
        if (!item) return -1;
        peri_ast_become(expr, json_deep_copy(item));
    }
    return 0;
}

static int is_aggregate_or_window(json_t *node, void *arg)
{
    (void)arg;
    return peri_fn_is_aggregate(node) || peri_ast_is_class(node, "WINDOW") ? -1 : 0;
}

static int find_keys(struct agg *a)
{
    json_t *groups = peri_ast_list(a->query, "group_expressions"), *expr;
    json_t *sets = peri_ast_list(a->query, "group_sets");
    size_t i, n = json_array_size(groups);
    if (strcmp(peri_ast_str(a->query, "aggregate_handling"), "FORCE_AGGREGATES") == 0) {
        if (n || json_array_size(sets)) return -1;
        json_array_foreach(a->items, i, expr)
        {
            if (!peri_ast_walk_block(expr, is_aggregate_or_window, NULL) &&
                add_key(a, expr))
                return -1;
        }
        return 0;
    }
    if (json_array_size(sets) > 1 ||
        (json_array_size(sets) == 1 && json_array_size(json_array_get(sets, 0)) != n))
        return -1;
    json_array_foreach(groups, i, expr)
    {
        if (add_key(a, expr)) return -1;
    }
    return 0;
}

static int is_aggregate(json_t *node, void *arg)
{
    (void)arg;
    return peri_fn_is_aggregate(node) ? -1 : 0;
}

static bool is_aggregation(json_t *q)
{
    return json_array_size(peri_ast_list(q, "group_expressions")) ||
           json_array_size(peri_ast_list(q, "group_sets")) || peri_ast_get(q, "having") ||
           strcmp(peri_ast_str(q, "aggregate_handling"), "STANDARD_HANDLING") != 0 ||
           peri_ast_walk_block(peri_ast_list(q, "select_list"), is_aggregate, NULL) ||
           peri_ast_walk_block(peri_ast_list(q, "modifiers"), is_aggregate, NULL);
}

/* ---- the two steps ---- */

static void append_columns(json_t *list, const json_t *exprs, char letter,
                           bool names_only)
{
    for (size_t i = 0; i < json_array_size(exprs); i++) {
        char name[32];
        snprintf(name, sizeof name, "peri_%c%zu", letter, i);
        json_t *expr = names_only ? peri_ast_column_new(NULL, name)
                                  : json_deep_copy(json_array_get(exprs, i));
        json_array_append_new(list, names_only ? expr : peri_ast_with_alias(expr, name));
    }
}

static void group_by_first(json_t *q, size_t n)
{
    json_t *groups = json_array(), *set = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(groups, peri_ast_int_new((int64_t)i + 1));
        json_array_append_new(set, json_integer((json_int_t)i));
    }
    json_object_set_new(q, "group_expressions", groups);
    json_object_set_new(q, "group_sets", n ? json_pack("[o]", set) : json_array());
    if (!n) json_decref(set);
}

static int add_partial(struct agg *a, const bool *leaves)
{
    int step = -1;
    json_t *list = json_array();
    append_columns(list, a->keys, 'k', false);
    append_columns(list, a->distinct, 'd', false);
    append_columns(list, a->partial, 'p', false);
    json_t *where = peri_ast_get(a->query, "where_clause");
    json_t *q =
        peri_ast_select_new(list, json_deep_copy(peri_ast_get(a->query, "from_table")),
                            where ? json_deep_copy(where) : NULL);
    group_by_first(q, json_array_size(a->keys) + json_array_size(a->distinct));
    if (peri_localise_around(a->p, q, leaves) == 0)
        step = peri_step_add(a->p, q, PERI_DEST_ROOT, true, "partial aggregates", NULL);
    json_decref(q);
    return step;
}

/* Names of the result become aliases; not if that would give a name another meaning. */
static int name_items(struct agg *a, const peri_desc_t *want)
{
    for (size_t i = 0; i < want->n; i++) {
        json_t *item = json_array_get(a->items, i);
        int other = peri_names_alias(a->items, want->names[i]);
        if (!*peri_ast_str(item, "alias") && other >= 0) return -1;
        peri_ast_with_alias(item, want->names[i]);
    }
    return 0;
}

static int add_final(struct agg *a, int step, peri_dest_t dest, const peri_desc_t *want)
{
    char name[32];
    snprintf(name, sizeof name, "peri_s%d", step);
    json_t *list = json_array();
    append_columns(list, a->keys, 'k', true);
    append_columns(list, a->merge, 'm', false);
    json_t *merge = peri_ast_select_new(list, peri_ast_table_new(name, NULL), NULL);
    group_by_first(merge, json_array_size(a->keys));
    json_t *having = peri_ast_get(a->query, "having");
    json_t *outer = peri_ast_select_new(json_incref(a->items),
                                        peri_ast_subquery_ref_new(merge, "peri_g", NULL),
                                        having ? json_incref(having) : NULL);
    json_object_set(outer, "qualify", json_object_get(a->query, "qualify"));
    json_object_set(outer, "modifiers", json_object_get(a->query, "modifiers"));
    int rc = peri_step_add(a->p, outer, dest, false, "merged aggregates", want);
    json_decref(outer);
    return rc;
}

static int plan(struct agg *a, peri_dest_t dest, const peri_desc_t *want, bool *leaves)
{
    json_t *q = a->query;
    peri_binding_t none = {0};
    a->items = peri_ast_list(q, "select_list");
    if (!peri_ast_is_type(q, "SELECT_NODE") || !is_aggregation(q) ||
        peri_ast_get(q, "sample") ||
        json_array_size(peri_ast_list(peri_ast_get(q, "cte_map"), "map")) ||
        json_array_size(a->items) != want->n || !peri_from_rowwise(a->p, q, leaves))
        return -1;
    peri_names_unify(a->p, q);
    if (resolve_ordinals(a) || peri_names_expand(a->p, q) || find_keys(a) ||
        rewrite(a, a->items) || rewrite(a, json_object_get(q, "having")) ||
        rewrite(a, json_object_get(q, "qualify")) || rewrite_modifiers(a) ||
        name_items(a, want))
        return -1;
    if (a->ordered && json_array_size(a->distinct)) return -1;
    if (!json_array_size(a->keys) && !json_array_size(a->partial))
        json_array_append_new(a->partial, peri_template_new(a->p, "count_star()", none));
    if (!json_array_size(a->keys) &&
        !json_array_size(a->merge)) /* one row, of constants */
        json_array_append_new(a->merge, peri_template_new(a->p, "count_star()", none));
    int step = add_partial(a, leaves);
    return step < 0 ? -1 : add_final(a, step, dest, want);
}

int peri_agg_plan(peri_planner_t *p, const json_t *query, peri_dest_t dest,
                  const peri_desc_t *want)
{
    struct agg a = {.p = p,
                    .query = json_deep_copy(query),
                    .keys = json_array(),
                    .distinct = json_array(),
                    .partial = json_array(),
                    .merge = json_array(),
                    .params = json_array()};
    bool *leaves = peri_xcalloc(p->nrels + 1, sizeof *leaves);
    int rc = plan(&a, dest, want, leaves);
    for (size_t i = 0; i < a.ncalls; i++) {
        json_decref(a.calls[i].expr);
        json_decref(a.calls[i].value);
    }
    free(a.calls);
    free(leaves);
    json_decref(a.query);
    json_decref(a.keys);
    json_decref(a.distinct);
    json_decref(a.partial);
    json_decref(a.merge);
    json_decref(a.params);
    return rc;
}
