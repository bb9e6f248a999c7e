/* names.c - one spelling for every column of a block. See names.h. */
#include "core/sql/names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"

struct sources {
    const peri_planner_t *p;
    const json_t *items;
    int rels[64];
    size_t nrels, nothers;
    const char *other; /* alias of a source that is no relation */
    bool merged;       /* USING or NATURAL: a name may mean both sides */
};

static void collect(struct sources *s, const json_t *from)
{
    int rel = peri_rel_index(from);
    if (peri_ast_is_type(from, "JOIN")) {
        if (json_array_size(peri_ast_list(from, "using_columns")) ||
            strcmp(peri_ast_str(from, "ref_type"), "NATURAL") == 0)
            s->merged = true;
        collect(s, peri_ast_get(from, "left"));
        collect(s, peri_ast_get(from, "right"));
    } else if (rel >= 0 && !s->p->rels[rel].positional && s->nrels < 64) {
        s->rels[s->nrels++] = rel;
    } else if (from) {
        s->nothers++;
        s->other = peri_ast_str(from, "alias");
    }
}

/* The column as the table spells it, or NULL; virtual columns count. */
static const char *spelled(const peri_rel_t *rel, const char *name)
{
    int c = peri_rel_column(rel, name);
    if (c >= 0) return rel->info.columns[c];
    for (unsigned bit = 0; bit < PERI_NVIRTUALS; bit++)
        if (rel->virtuals & (1u << bit) && strcasecmp(name, peri_virtual_name(bit)) == 0)
            return peri_virtual_name(bit);
    return NULL;
}

static void set_parts(json_t *node, const char *table, const char *column)
{
    json_object_set_new(node, "column_names",
                        table ? json_pack("[s,s]", table, column)
                              : json_pack("[s]", column));
}

static void unify_known(const struct sources *s, json_t *node, const char *table,
                        const char *column)
{
    const char *found = NULL, *alias = NULL;
    for (size_t i = 0; i < s->nrels; i++) {
        const peri_rel_t *rel = &s->p->rels[s->rels[i]];
        const char *c = spelled(rel, column);
        if (!c || (table && strcasecmp(table, rel->alias) != 0)) continue;
        if (found) return; /* ambiguous: DuckDB says so */
        found = c;
        alias = rel->alias;
    }
    if (found) set_parts(node, alias, found);
}

static int unify(json_t *node, void *arg)
{
    const struct sources *s = arg;
    if (peri_ast_is_class(node, "LAMBDA")) return 1; /* its parameters hide columns */
    if (!peri_ast_is_class(node, "COLUMN_REF")) return 0;
    const json_t *parts = peri_ast_list(node, "column_names");
    size_t n = json_array_size(parts);
    if (n < 1 || n > 2) return 1;
    char *column = peri_xstrdup(json_string_value(json_array_get(parts, n - 1)));
    const char *table = n == 2 ? json_string_value(json_array_get(parts, 0)) : NULL;
    if (s->nothers == 0) {
        unify_known(s, node, table, column);
    } else if (s->nothers == 1 && s->nrels == 0 &&
               (!table || strcasecmp(table, s->other) == 0)) {
        for (char *c = column; *c; c++)
            if (*c >= 'A' && *c <= 'Z') *c += 32;
        set_parts(node, NULL, column);
    }
    free(column);
    return 1;
}

static const char *lone_name(const json_t *node)
{
    const json_t *parts = peri_ast_list(node, "column_names");
    return peri_ast_is_class(node, "COLUMN_REF") && json_array_size(parts) == 1
               ? json_string_value(json_array_get(parts, 0))
               : NULL;
}

int peri_names_alias(const json_t *items, const char *name)
{
    for (size_t i = 0; name && i < json_array_size(items); i++)
        if (strcasecmp(peri_ast_str(json_array_get(items, i), "alias"), name) == 0)
            return (int)i;
    return -1;
}

void peri_names_unify(const peri_planner_t *p, json_t *q)
{
    static const char *const exprs[] = {"select_list", "group_expressions", "having",
                                        "qualify"};
    struct sources s = {.p = p, .items = peri_ast_list(q, "select_list")};
    size_t i, j;
    json_t *mod, *order;
    collect(&s, peri_ast_get(q, "from_table"));
    if (s.merged) return;
    for (i = 0; i < sizeof exprs / sizeof *exprs; i++)
        peri_ast_walk_block(json_object_get(q, exprs[i]), unify, &s);
    json_array_foreach(peri_ast_list(q, "modifiers"), i, mod)
    {
        peri_ast_walk_block(json_object_get(mod, "distinct_on_targets"), unify, &s);
        json_array_foreach(peri_ast_list(mod, "orders"), j, order)
        {
            json_t *e = peri_ast_get(order, "expression");
            if (peri_names_alias(s.items, lone_name(e)) < 0)
                peri_ast_walk_block(e, unify, &s);
        }
    }
}

/* ---- aliases ---- */

bool peri_names_is_column(peri_planner_t *p, const json_t *from, json_t *ref)
{
    json_t *bare = json_deep_copy(ref);
    json_object_set_new(bare, "alias", json_string(""));
    json_t *q = peri_ast_select_new(json_pack("[o]", bare), json_deep_copy(from), NULL);
    peri_desc_t d;
    bool bound = peri_query_describe(p, q, &d) == 0;
    peri_desc_clear(&d);
    json_decref(q);
    return bound;
}

struct expansion {
    peri_planner_t *p;
    json_t *from, *items;
    size_t upto; /* only aliases of earlier items are visible in the select list */
    bool failed;
};

static int expand(json_t *node, void *arg)
{
    struct expansion *x = arg;
    const char *name = lone_name(node);
    int i = peri_names_alias(x->items, name);
    if (peri_ast_is_class(node, "LAMBDA")) return 1;
    if (i < 0 || (size_t)i >= x->upto || peri_names_is_column(x->p, x->from, node))
        return 0;
    json_t *with = json_deep_copy(json_array_get(x->items, (size_t)i));
    if (peri_expr_volatile(with)) x->failed = true;
    json_object_set_new(with, "alias", json_string(""));
    peri_ast_become(node, with);
    return 1;
}

int peri_names_expand(peri_planner_t *p, json_t *q)
{
    struct expansion x = {.p = p,
                          .from = peri_ast_get(q, "from_table"),
                          .items = peri_ast_list(q, "select_list")};
    size_t i;
    json_t *e;
    json_array_foreach(x.items, i, e)
    {
        x.upto = i;
        peri_ast_walk_block(e, expand, &x);
    }
    x.upto = json_array_size(x.items);
    peri_ast_walk_block(json_object_get(q, "where_clause"), expand, &x);
    peri_ast_walk_block(json_object_get(q, "group_expressions"), expand, &x);
    return x.failed ? -1 : 0;
}
