/* local.c - making rows whole: every relation, subquery and CTE that a step must see
 * complete becomes the rows of an earlier step, at the root or (broadcast) on all ranks.
 *
 * A subquery that stands alone, without columns of the blocks around it, is planned as a
 * block of its own, so that aggregates below it still run on all ranks. From others, only
 * the relations in them are fetched, with their columns and conditions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/sql/planner.h"

static void become_step(json_t *ref, int step)
{
    char name[32];
    snprintf(name, sizeof name, "peri_s%d", step);
    json_object_set_new(ref, "table_name", json_string(name));
}

static json_t *select_step_new(int step)
{
    char name[32];
    snprintf(name, sizeof name, "peri_s%d", step);
    return peri_ast_select_new(json_pack("[o]", peri_ast_star_new()),
                               peri_ast_table_new(name, NULL), NULL);
}

json_t *peri_rel_scan_new(const peri_planner_t *p, int rel)
{
    const peri_rel_t *r = &p->rels[rel];
    json_t *list = json_array();
    for (size_t i = 0; i < r->nused; i++)
        json_array_append_new(list,
                              peri_ast_column_new(NULL, r->info.columns[r->used[i]]));
    for (unsigned bit = 0; bit < PERI_NVIRTUALS; bit++)
        if (r->virtuals & (1u << bit))
            json_array_append_new(list,
                                  peri_ast_column_new(NULL, peri_virtual_name(bit)));
    if (json_array_size(list) == 0) /* only the number of rows matters */
        json_array_append_new(list, peri_ast_with_alias(peri_ast_int_new(1), "peri_one"));
    char name[32];
    snprintf(name, sizeof name, "peri_r%d", rel);
    json_t *where =
        json_array_size(r->terms) ? peri_ast_and_new(json_deep_copy(r->terms)) : NULL;
    return peri_ast_select_new(list, peri_ast_table_new(name, r->alias), where);
}

static int localise_relation(peri_planner_t *p, json_t *ref, int rel, peri_dest_t dest)
{
    bool *one = peri_xcalloc(p->nrels + 1, sizeof *one);
    one[rel] = true;
    uint64_t bytes = peri_leaves_bytes(p, one);
    free(one);
    if (dest == PERI_DEST_ALL && bytes > p->broadcast_limit) return -1;
    json_t *scan = peri_rel_scan_new(p, rel);
    int step =
        peri_step_add(p, scan, dest, true,
                      peri_arena_printf(p->arena,
                                        dest == PERI_DEST_ALL ? "broadcast of %s"
                                                              : "rows of %s to the root",
                                        p->rels[rel].info.display),
                      NULL);
    json_decref(scan);
    if (step < 0) return -1;
    p->steps[step].gather = dest == PERI_DEST_ROOT;
    become_step(ref, step);
    return 0;
}

/* Replace the query node by the rows of a step, if it can be planned alone. */
static bool replace_query(peri_planner_t *p, json_t *query, peri_dest_t dest)
{
    int step = peri_block_plan(p, query, dest, NULL);
    if (step < 0) return false;
    json_t *with = select_step_new(step);
    json_object_clear(query);
    json_object_update(query, with);
    json_decref(with);
    return true;
}

static int localise_subquery(peri_planner_t *p, json_t *query, peri_dest_t dest)
{
    if (!peri_has_relations(query) || replace_query(p, query, dest)) return 0;
    return peri_localise_query(p, query, dest);
}

static int localise_ref(peri_planner_t *p, json_t *ref, peri_dest_t dest)
{
    int rel = peri_rel_index(ref);
    if (rel >= 0) return localise_relation(p, ref, rel, dest);
    if (peri_ast_is_type(ref, "SUBQUERY"))
        return localise_subquery(p, peri_ast_subquery(ref), dest);
    if (peri_ast_is_type(ref, "JOIN"))
        return localise_ref(p, peri_ast_get(ref, "left"), dest) ||
                       localise_ref(p, peri_ast_get(ref, "right"), dest)
                   ? -1
                   : peri_localise_expr(p, json_object_get(ref, "condition"), dest);
    if (peri_ast_is_type(ref, "PIVOT") &&
        localise_ref(p, peri_ast_get(ref, "source"), dest))
        return -1;
    const char *key;
    json_t *child;
    json_object_foreach(ref, key, child)
    {
        if (strcmp(key, "source") != 0 && peri_localise_expr(p, child, dest)) return -1;
    }
    return 0;
}

int peri_localise_expr(peri_planner_t *p, json_t *v, peri_dest_t dest)
{
    size_t i;
    json_t *child;
    const char *key;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child) if (peri_localise_expr(p, child, dest)) return -1;
    } else if (json_is_object(v)) {
        json_object_foreach(v, key, child)
        {
            if (strcmp(key, "subquery") == 0) {
                if (localise_subquery(p, peri_ast_subquery(v), dest)) return -1;
            } else if (peri_localise_expr(p, child, dest)) {
                return -1;
            }
        }
    }
    return 0;
}

/* A branch of a set operation is a block of its own, but not the recursive half of a CTE.
 */
static int localise_branch(peri_planner_t *p, json_t *q, const char *side,
                           peri_dest_t dest)
{
    json_t *branch = peri_ast_get(q, side);
    if (!branch) return 0;
    return peri_ast_is_type(q, "SET_OPERATION_NODE")
               ? localise_subquery(p, branch, dest)
               : peri_localise_query(p, branch, dest);
}

int peri_localise_query(peri_planner_t *p, json_t *q, peri_dest_t dest)
{
    static const char *const exprs[] = {"select_list",       "where_clause",
                                        "group_expressions", "having",
                                        "qualify",           "modifiers"};
    size_t i;
    json_t *entry;
    if (!peri_has_relations(q)) return 0;
    json_array_foreach(peri_ast_list(peri_ast_get(q, "cte_map"), "map"), i, entry)
    {
        if (peri_localise_query(p, peri_ast_cte_body(entry), dest)) return -1;
    }
    json_t *from = peri_ast_get(q, "from_table");
    if (from && localise_ref(p, from, dest)) return -1;
    for (i = 0; i < sizeof exprs / sizeof *exprs; i++)
        if (peri_localise_expr(p, json_object_get(q, exprs[i]), dest)) return -1;
    if (peri_ast_is_type(q, "SELECT_NODE")) return 0;
    if (json_array_size(peri_ast_list(q, "children")) > 2) return -1;
    return localise_branch(p, q, "left", dest) || localise_branch(p, q, "right", dest)
               ? -1
               : 0;
}

/* ---- around the partitioned relations ---- */

struct leaf_search {
    const bool *leaves;
};

static int is_leaf(json_t *node, void *arg)
{
    const struct leaf_search *s = arg;
    int rel = peri_rel_index(node);
    return rel >= 0 && s->leaves[rel] ? -1 : 0;
}

int peri_localise_from_around(peri_planner_t *p, json_t *from, const bool *leaves)
{
    struct leaf_search s = {leaves};
    if (peri_ast_walk(from, is_leaf, &s) == 0)
        return localise_ref(p, from, PERI_DEST_ALL);
    if (peri_ast_is_type(from, "SUBQUERY"))
        return peri_localise_around(p, peri_ast_subquery(from), leaves);
    if (!peri_ast_is_type(from, "JOIN")) return 0;
    if (peri_localise_from_around(p, peri_ast_get(from, "left"), leaves) ||
        peri_localise_from_around(p, peri_ast_get(from, "right"), leaves))
        return -1;
    return peri_localise_expr(p, json_object_get(from, "condition"), PERI_DEST_ALL);
}

int peri_localise_around(peri_planner_t *p, json_t *q, const bool *leaves)
{
    if (peri_ast_is_type(q, "SET_OPERATION_NODE"))
        return peri_localise_around(p, peri_ast_get(q, "left"), leaves) ||
                       peri_localise_around(p, peri_ast_get(q, "right"), leaves)
                   ? -1
                   : 0;
    if (peri_localise_from_around(p, peri_ast_get(q, "from_table"), leaves) ||
        peri_localise_expr(p, json_object_get(q, "where_clause"), PERI_DEST_ALL))
        return -1;
    return peri_localise_expr(p, json_object_get(q, "select_list"), PERI_DEST_ALL);
}

/* ---- CTEs ---- */

struct cte_use {
    const json_t *entry;
    int step;
};

static int use_step(json_t *node, void *arg)
{
    struct cte_use *u = arg;
    if (!peri_ast_is_type(node, "BASE_TABLE") ||
        strcmp(peri_ast_str(node, "table_name"), peri_ast_str(u->entry, "key")) != 0)
        return 0;
    json_object_set_new(node, "column_name_alias", peri_cte_columns_new(node, u->entry));
    become_step(node, u->step);
    return 0;
}

void peri_localise_ctes(peri_planner_t *p, json_t *q)
{
    json_t *map = peri_ast_list(peri_ast_get(q, "cte_map"), "map");
    for (size_t i = 0; i < json_array_size(map);) {
        json_t *entry = json_array_get(map, i), *body = peri_ast_cte_body(entry);
        int step = -1;
        if (!peri_ast_is_type(body, "RECURSIVE_CTE_NODE")) {
            step = peri_block_plan(p, body, PERI_DEST_ALL, NULL);
            if (step < 0) step = peri_block_plan(p, body, PERI_DEST_ROOT, NULL);
        }
        if (step < 0) {
            i++;
            continue;
        }
        struct cte_use use = {json_incref(entry), step};
        json_array_remove(map, i);
        peri_ast_walk(q, use_step, &use);
        json_decref(entry);
    }
}
