/* block.c - how one query block is spread over the ranks.
 *
 * Tried in this order, each try on a copy and checked by DuckDB's binder:
 *
 *   rowwise.c   every rank runs the block on its share of one relation; the union is it
 *   order.c     DISTINCT, ORDER BY, LIMIT over a row-wise block: partial, then final
 *   agg.c       aggregates over a row-wise FROM: partial groups, then merged
 *   local.c     the block runs on the root over rows that the ranks filtered
 *
 * The last one always fits. What stands within a block (sub-queries, CTEs, tables that
 * must be whole) is planned first, as blocks again: so local.c comes back here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/sql/planner.h"

static int plan_rowwise(peri_planner_t *p, const json_t *query, peri_dest_t dest,
                        const peri_desc_t *want)
{
    int rc = -1;
    bool *leaves = peri_xcalloc(p->nrels + 1, sizeof *leaves);
    json_t *q = json_deep_copy(query);
    if (peri_block_rowwise(p, q, leaves) && peri_localise_around(p, q, leaves) == 0)
        rc = peri_step_add(p, q, dest, true,
                           dest == PERI_DEST_ALL ? "rows for all ranks" : "rows", want);
    if (rc >= 0) p->steps[rc].gather = dest == PERI_DEST_ROOT;
    json_decref(q);
    free(leaves);
    return rc;
}

/* The WHERE of a block over one relation runs on the ranks whatever the block then does.
 */
static int filter_on_ranks(peri_planner_t *p, json_t *q)
{
    json_t *from = peri_ast_get(q, "from_table"),
           *where = peri_ast_get(q, "where_clause");
    int rel = peri_rel_index(from);
    if (rel < 0 || !where || peri_ast_get(from, "sample") || peri_ast_get(q, "sample") ||
        p->rels[rel].positional)
        return -1;
    size_t before = p->nsteps;
    json_t *scan = peri_rel_scan_new(p, rel);
    json_object_set_new(scan, "where_clause", json_deep_copy(where));
    int step = -1;
    if (peri_expr_rowwise(p, where) &&
        peri_localise_expr(p, json_object_get(scan, "where_clause"), PERI_DEST_ALL) == 0)
        step = peri_step_add(p, scan, PERI_DEST_ROOT, true, "filtered rows to the root",
                             NULL);
    json_decref(scan);
    if (step < 0) {
        peri_steps_truncate(p, before);
        return -1;
    }
    p->steps[step].gather = true;
    char name[32];
    snprintf(name, sizeof name, "peri_s%d", step);
    json_object_set_new(from, "table_name", json_string(name));
    json_object_set_new(q, "where_clause", json_null());
    return 0;
}

static int plan_on_root(peri_planner_t *p, const json_t *query, peri_dest_t dest,
                        const peri_desc_t *want)
{
    int rc = -1;
    json_t *q = json_deep_copy(query);
    if (peri_ast_is_type(q, "SELECT_NODE")) filter_on_ranks(p, q);
    if (peri_localise_query(p, q, PERI_DEST_ROOT) == 0)
        rc = peri_step_add(p, q, dest, false, "the rest of the statement on the root",
                           want);
    json_decref(q);
    return rc;
}

struct volume {
    const peri_planner_t *p;
    bool *all;
};

static int add_volume(json_t *node, void *arg)
{
    struct volume *v = arg;
    int rel = peri_rel_index(node);
    if (rel >= 0) v->all[rel] = true;
    return 0;
}

static int is_aggregate(json_t *node, void *arg)
{
    (void)arg;
    return peri_fn_is_aggregate(node) ? -1 : 0;
}

/* May the block's rows be held by every rank? Groups and limited rows: yes; else as many
 * bytes as it reads at most. */
static bool may_broadcast(peri_planner_t *p, json_t *q)
{
    size_t i;
    json_t *mod;
    json_array_foreach(peri_ast_list(q, "modifiers"), i, mod)
    {
        if (peri_ast_is_type(mod, "LIMIT_MODIFIER") && peri_ast_get(mod, "limit"))
            return true;
    }
    if (json_array_size(peri_ast_list(q, "group_expressions")) ||
        strcmp(peri_ast_str(q, "aggregate_handling"), "FORCE_AGGREGATES") == 0 ||
        peri_ast_walk_block(peri_ast_list(q, "select_list"), is_aggregate, NULL))
        return true;
    struct volume v = {p, peri_xcalloc(p->nrels + 1, sizeof(bool))};
    peri_ast_walk(q, add_volume, &v);
    bool fits = peri_leaves_bytes(p, v.all) <= p->broadcast_limit;
    free(v.all);
    return fits;
}

int peri_block_plan(peri_planner_t *p, const json_t *query, peri_dest_t dest,
                    const peri_desc_t *as)
{
    static const struct {
        int (*plan)(peri_planner_t *, const json_t *, peri_dest_t, const peri_desc_t *);
        const char *strategy;
    } plans[] = {
        {plan_rowwise, "every rank runs the statement on its share of the rows"},
        {peri_order_plan, "every rank selects its rows, the root puts them in order"},
        {peri_agg_plan, "partial aggregates on every rank, merged on the root"},
        {plan_on_root, NULL},
    };
    size_t before = p->nsteps;
    int rc = -1;
    peri_desc_t want = {0};
    json_t *q = json_deep_copy(query);
    if (--p->budget < 0 || (!as && peri_query_describe(p, q, &want))) goto out;
    if (dest == PERI_DEST_ALL && !may_broadcast(p, q)) goto out;
    if (!as) as = &want;
    if (!peri_has_relations(q)) {
        rc = peri_step_add(p, q, dest, false, "without a table: on the root", as);
        goto out;
    }
    peri_localise_ctes(p, q);
    for (size_t i = 0; rc < 0 && i < sizeof plans / sizeof *plans; i++) {
        size_t mark = p->nsteps;
        rc = plans[i].plan(p, q, dest, as);
        if (rc < 0)
            peri_steps_truncate(p, mark);
        else if (dest == PERI_DEST_OUTPUT)
            p->strategy = plans[i].strategy;
    }
out:
    if (rc < 0) peri_steps_truncate(p, before);
    peri_desc_clear(&want);
    json_decref(q);
    return rc;
}
