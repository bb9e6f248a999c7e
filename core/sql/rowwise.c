/* rowwise.c - what every rank may do with its share of the rows alone.
 *
 * A query is row-wise if its rows are the union of what it gives over the parts of one
 * relation (one for each branch of UNION ALL). Nothing is planned or changed here.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/sql/planner.h"

/* ---- expressions ---- */

static int is_aggregate(json_t *node, void *arg)
{
    (void)arg;
    return peri_fn_is_aggregate(node) ? -1 : 0;
}

struct inner {
    peri_planner_t *p;
    json_t *call;   /* the aggregate whose columns are looked at */
    json_t *query;  /* the subquery around it */
    bool any, mine; /* columns seen; one of them is the subquery's own */
    const char *table, *column;
};

static int provides(json_t *node, void *arg)
{
    struct inner *in = arg;
    if (json_object_get(node, "class") || !json_object_get(node, "alias")) return 0;
    const char *alias = peri_ast_str(node, "alias");
    int rel = peri_rel_index(node);
    if (in->table ? strcasecmp(alias, in->table) == 0
                  : rel >= 0 && peri_rel_column(&in->p->rels[rel], in->column) >= 0)
        in->mine = true;
    return 0;
}

static int inner_column(json_t *node, void *arg)
{
    struct inner *in = arg;
    if (!peri_ast_is_class(node, "COLUMN_REF")) return 0;
    const json_t *parts = peri_ast_list(node, "column_names");
    size_t n = json_array_size(parts);
    in->any = true;
    in->table = n > 1 ? json_string_value(json_array_get(parts, 0)) : NULL;
    in->column = json_string_value(json_array_get(parts, n - 1));
    peri_ast_walk(in->query, provides, in);
    return 0;
}

/* An aggregate of a subquery over columns of the outer block belongs to the outer block.
 */
static int smuggles(json_t *node, void *arg)
{
    struct inner *in = arg;
    if (!peri_fn_is_aggregate(node)) return 0;
    in->any = in->mine = false;
    peri_ast_walk(node, inner_column, in);
    return in->any && !in->mine ? -1 : 0;
}

static int not_rowwise(json_t *node, void *arg)
{
    peri_planner_t *p = arg;
    if (peri_fn_is_aggregate(node) || peri_ast_is_class(node, "WINDOW") ||
        peri_ast_is_type(node, "GROUPING_FUNCTION"))
        return -1;
    json_t *query = peri_ast_is_class(node, "SUBQUERY") ? peri_ast_subquery(node) : NULL;
    if (!query || peri_ast_walk(query, is_aggregate, NULL) == 0) return 0;
    peri_desc_t d;
    bool alone = peri_query_describe(p, query, &d) == 0;
    peri_desc_clear(&d);
    struct inner in = {.p = p, .query = query};
    return !alone && peri_ast_walk(query, smuggles, &in) ? -1 : 0;
}

bool peri_expr_rowwise(peri_planner_t *p, json_t *expr)
{
    return peri_ast_walk_block(expr, not_rowwise, p) == 0;
}

/* ---- which relation stays partitioned ---- */

static uint64_t relation_bytes(const peri_rel_t *rel)
{
    uint64_t width = 8;
    for (size_t i = 0; i < rel->nused; i++) width += rel->info.value_bytes[rel->used[i]];
    return rel->info.rows > UINT64_MAX / 2 / width ? UINT64_MAX / 2
                                                   : rel->info.rows * width;
}

uint64_t peri_leaves_bytes(const peri_planner_t *p, const bool *leaves)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->nrels; i++) {
        uint64_t b = leaves[i] ? relation_bytes(&p->rels[i]) : 0;
        sum = sum > UINT64_MAX - b ? UINT64_MAX : sum + b;
    }
    return sum;
}

static bool plain_block(const json_t *q)
{
    return json_array_size(peri_ast_list(q, "modifiers")) == 0 &&
           json_array_size(peri_ast_list(peri_ast_get(q, "cte_map"), "map")) == 0;
}

static bool query_leaves(peri_planner_t *p, json_t *q, bool *leaves);

/* Sides of a join whose every row appears in the result by itself, whatever the other
 * rows of that side are. */
static bool splits_left(const json_t *join)
{
    static const char *const kinds[] = {"INNER", "LEFT", "SEMI", "ANTI"};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(peri_ast_str(join, "join_type"), kinds[i]) == 0) return true;
    return false;
}

static bool splits_right(const json_t *join)
{
    return strcmp(peri_ast_str(join, "join_type"), "INNER") == 0 ||
           strcmp(peri_ast_str(join, "join_type"), "RIGHT") == 0;
}

static bool ordinary_join(const json_t *join)
{
    static const char *const kinds[] = {"REGULAR", "NATURAL", "CROSS"};
    for (size_t i = 0; i < 3; i++)
        if (strcmp(peri_ast_str(join, "ref_type"), kinds[i]) == 0) return true;
    return false;
}

static bool from_leaves(peri_planner_t *p, json_t *ref, bool *leaves)
{
    int rel = peri_rel_index(ref);
    if (!ref || peri_ast_get(ref, "sample")) return false;
    if (rel >= 0) return leaves[rel] = true;
    if (peri_ast_is_type(ref, "SUBQUERY"))
        return query_leaves(p, peri_ast_subquery(ref), leaves);
    if (!peri_ast_is_type(ref, "JOIN") || !ordinary_join(ref)) return false;
    bool *side[2];
    bool fits[2];
    for (int i = 0; i < 2; i++) {
        side[i] = peri_xcalloc(p->nrels + 1, sizeof(bool));
        fits[i] = (i ? splits_right(ref) : splits_left(ref)) &&
                  from_leaves(p, peri_ast_get(ref, i ? "right" : "left"), side[i]);
    }
    int best = fits[1] && (!fits[0] ||
                           peri_leaves_bytes(p, side[1]) > peri_leaves_bytes(p, side[0]));
    if (fits[best])
        for (size_t i = 0; i < p->nrels; i++) leaves[i] = leaves[i] || side[best][i];
    free(side[0]);
    free(side[1]);
    return fits[best];
}

bool peri_from_rowwise(peri_planner_t *p, json_t *q, bool *leaves)
{
    json_t *where = peri_ast_get(q, "where_clause");
    return (!where || peri_expr_rowwise(p, where)) &&
           from_leaves(p, peri_ast_get(q, "from_table"), leaves);
}

static bool query_leaves(peri_planner_t *p, json_t *q, bool *leaves)
{
    if (!plain_block(q)) return false;
    if (peri_ast_is_type(q, "SET_OPERATION_NODE")) {
        if (strncmp(peri_ast_str(q, "setop_type"), "UNION", 5) != 0 ||
            !peri_ast_true(q, "setop_all") ||
            json_array_size(peri_ast_list(q, "children")) > 2)
            return false;
        return query_leaves(p, peri_ast_get(q, "left"), leaves) &&
               query_leaves(p, peri_ast_get(q, "right"), leaves);
    }
    return peri_ast_is_type(q, "SELECT_NODE") && !peri_ast_get(q, "having") &&
           !peri_ast_get(q, "qualify") && !peri_ast_get(q, "sample") &&
           json_array_size(peri_ast_list(q, "group_expressions")) == 0 &&
           json_array_size(peri_ast_list(q, "group_sets")) == 0 &&
           strcmp(peri_ast_str(q, "aggregate_handling"), "STANDARD_HANDLING") == 0 &&
           peri_expr_rowwise(p, peri_ast_list(q, "select_list")) &&
           peri_from_rowwise(p, q, leaves);
}

bool peri_block_rowwise(peri_planner_t *p, json_t *query, bool *leaves)
{
    memset(leaves, 0, (p->nrels + 1) * sizeof *leaves);
    return query_leaves(p, query, leaves);
}
