/* cte.c - common table expressions that need no table of their own. */
#include <string.h>

#include "core/sql/planner.h"

struct uses {
    const char *name;
    size_t n;
    json_t *last;
};

static int count_use(json_t *node, void *arg)
{
    struct uses *u = arg;
    if (peri_ast_is_type(node, "BASE_TABLE") &&
        strcmp(peri_ast_str(node, "table_name"), u->name) == 0) {
        u->n++;
        u->last = node;
    }
    return 0;
}

json_t *peri_cte_columns_new(const json_t *ref, const json_t *entry)
{
    const json_t *more = peri_ast_list(json_object_get(entry, "value"), "aliases");
    json_t *own = peri_ast_list(ref, "column_name_alias");
    json_t *names = own ? json_copy(own) : json_array();
    for (size_t i = json_array_size(names); i < json_array_size(more); i++)
        json_array_append(names, json_array_get(more, i));
    return names;
}

/* Returns true if the entry is not needed any more. */
static bool inline_entry(json_t *root, json_t *entry)
{
    json_t *body = peri_ast_cte_body(entry);
    struct uses u = {.name = peri_ast_str(entry, "key")};
    if (peri_ast_is_type(body, "RECURSIVE_CTE_NODE")) return false;
    peri_ast_walk(root, count_use, &u);
    if (u.n == 0) return true;
    if (u.n > 1 || peri_ast_get(u.last, "sample")) return false;
    json_t *ref =
        peri_ast_subquery_ref_new(json_incref(body), peri_ast_str(u.last, "alias"),
                                  peri_cte_columns_new(u.last, entry));
    peri_ast_become(u.last, ref);
    return true;
}

struct inliner {
    json_t *root;
    bool changed;
};

static int visit(json_t *node, void *arg)
{
    struct inliner *in = arg;
    json_t *map = peri_ast_list(peri_ast_get(node, "cte_map"), "map");
    for (size_t i = json_array_size(map); i-- > 0;) { /* later ones use earlier ones */
        json_t *entry = json_incref(json_array_get(map, i));
        if (inline_entry(in->root, entry)) {
            json_array_remove(map, i);
            in->changed = true;
        }
        json_decref(entry);
        if (in->changed) return -1; /* the tree moved under the walk */
    }
    return 0;
}

void peri_ctes_inline(peri_planner_t *p, json_t *query)
{
    for (size_t i = 0; i <= p->nctes; i++) { /* each round ends one CTE */
        struct inliner in = {query, false};
        peri_ast_walk(query, visit, &in);
        if (!in.changed) break;
    }
}
