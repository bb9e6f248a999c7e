/* nearest.c - the rows nearest to a point, without reading all.
 *
 *   SELECT ... FROM p WHERE ... ORDER BY distance(pos, [1, 2, 3], 50) LIMIT 10
 *
 * While planning, rows are counted in a small sphere that lets the index skip most of the
 * table, and in larger ones until there are as many as are wanted. The distance of the
 * last of them bounds the answer, and becomes a condition, from which hints come. Where
 * the sphere would have to be too large, the statement stays as it is.
 *
 * Only for periodic boxes: there the density of rows tells where to begin.
 */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/sql/preds.h"

#define MAX_WANTED 10000
#define STEPS      4  /* each with a sphere of 8 times the volume */
#define BEGIN      4. /* times the volume that would do at the mean density */

static bool small_number(const json_t *e, int64_t *out)
{
    peri_constant_t c;
    if (!peri_constant_read(e, &c) || c.null || c.c.kind != PERI_CONST_INT || c.c.i < 0 ||
        c.c.i > MAX_WANTED)
        return false;
    *out = (int64_t)c.c.i;
    return true;
}

/* ORDER BY something ascending, then LIMIT: what is first ordered by, and how many. */
static json_t *read_modifiers(const json_t *query, int64_t *wanted)
{
    const json_t *mods = peri_ast_list(query, "modifiers");
    const json_t *sort = json_array_get(mods, 0), *cut = json_array_get(mods, 1);
    int64_t limit, offset = 0;
    if (json_array_size(mods) != 2 || !peri_ast_is_type(sort, "ORDER_MODIFIER") ||
        !peri_ast_is_type(cut, "LIMIT_MODIFIER") ||
        !small_number(peri_ast_get(cut, "limit"), &limit) ||
        (peri_ast_get(cut, "offset") &&
         !small_number(peri_ast_get(cut, "offset"), &offset)))
        return NULL;
    const json_t *first = json_array_get(peri_ast_list(sort, "orders"), 0);
    if (strcmp(peri_ast_str(first, "type"), "DESCENDING") == 0 ||
        strcmp(peri_ast_str(first, "null_order"), "NULLS FIRST") == 0 ||
        strcmp(peri_ast_str(first, "null_order"), "NULLS_FIRST") == 0)
        return NULL;
    *wanted = limit + offset;
    return peri_ast_get(first, "expression");
}

/* The expression that an alias or a number in ORDER BY stands for. */
static json_t *meant(const json_t *query, json_t *order)
{
    const json_t *list = peri_ast_list(query, "select_list");
    const json_t *parts = peri_ast_list(order, "column_names");
    int64_t number;
    size_t i;
    json_t *item;
    if (small_number(order, &number))
        return number > 0 ? json_array_get(list, (size_t)number - 1) : NULL;
    if (!peri_ast_is_class(order, "COLUMN_REF") || json_array_size(parts) != 1)
        return order;
    json_array_foreach(list, i, item) if (strcasecmp(peri_ast_str(item, "alias"),
                                                     json_string_value(json_array_get(
                                                         parts, 0))) == 0) return item;
    return NULL;
}

static int unusual(json_t *node, void *arg)
{
    (void)arg;
    return peri_ast_is_class(node, "SUBQUERY") || peri_ast_is_function(node, "unnest") ||
                   peri_fn_is_volatile(node) || peri_fn_is_aggregate(node) ||
                   peri_ast_is_class(node, "WINDOW")
               ? -1
               : 0;
}

/* Its rows are those of one table that pass WHERE, one for one. */
static bool is_plain(json_t *query)
{
    return peri_rel_index(peri_ast_get(query, "from_table")) >= 0 &&
           !peri_ast_get(peri_ast_get(query, "from_table"), "sample") &&
           !peri_ast_get(query, "having") && !peri_ast_get(query, "qualify") &&
           !peri_ast_get(query, "sample") &&
           json_array_size(peri_ast_list(query, "group_expressions")) == 0 &&
           json_array_size(peri_ast_list(query, "group_sets")) == 0 &&
           strcmp(peri_ast_str(query, "aggregate_handling"), "STANDARD_HANDLING") == 0 &&
           peri_ast_walk(peri_ast_list(query, "select_list"), unusual, NULL) == 0 &&
           peri_ast_walk(peri_ast_get(query, "where_clause"), unusual, NULL) == 0;
}

/* distance(...) <= radius. New. */
static json_t *within_new(peri_planner_t *p, const json_t *distance, double radius)
{
    json_t *query = peri_sql_parse(
        p->con,
        peri_arena_printf(p->arena, "SELECT 1 <= CAST('%.17g' AS DOUBLE)", radius), NULL);
    json_t *term = json_deep_copy(json_array_get(peri_ast_list(query, "select_list"), 0));
    json_decref(query);
    if (term)
        json_object_set_new(term, "left",
                            peri_ast_with_alias(json_deep_copy(distance), ""));
    return term;
}

/* The distance of the last row that is wanted, if it is within the radius. */
static bool count_within(const peri_from_t *b, const json_t *query, json_t *term,
                         int64_t wanted, double *last)
{
    peri_planner_t *p = b->p;
    const int rel = b->sources[0].rel;
    const size_t npreds = p->rels[rel].npreds;
    peri_target_t t;
    peri_first_t rows;
    char *sql = NULL;
    bool found = false;
    int64_t nrows;
    json_t *where = peri_ast_get(query, "where_clause"), *all = json_array();
    json_array_append(all, term);
    if (where) json_array_append_new(all, json_deep_copy(where));
    json_t *q = peri_ast_select_new(
        json_pack("[o]", peri_ast_with_alias(json_deep_copy(peri_ast_get(term, "left")),
                                             "peri_q0")),
        json_deep_copy(peri_ast_get(query, "from_table")), peri_ast_and_new(all));
    if (peri_space_read(b, term, &t) && (nrows = peri_first_ready(p, rel)) >= 0 &&
        (uint64_t)nrows <= p->rels[rel].info.rows / 4 &&
        (sql = peri_sql_render(p->con, q, false, NULL)) != NULL)
        found = peri_first_run(p,
                               peri_arena_printf(
                                   p->arena,
                                   "SELECT CAST(count(*) AS HUGEINT), max(peri_q0) FROM "
                                   "(FROM (%s) ORDER BY peri_q0 LIMIT %lld)",
                                   sql, (long long)wanted),
                               1, &rows) &&
                rows.values[0].c.i == wanted && !rows.values[1].null;
    if (found) *last = rows.values[1].c.d;
    p->rels[rel].npreds = npreds;
    duckdb_free(sql);
    json_decref(q);
    return found;
}

void peri_nearest_bound(const peri_from_t *b, json_t *query)
{
    peri_planner_t *p = b->p;
    int64_t wanted;
    double last, box[3];
    json_t *order = read_modifiers(query, &wanted);
    if (!order || wanted == 0 || !is_plain(query)) return;
    const peri_rel_t *rel = &p->rels[b->sources[0].rel];
    json_t *distance = meant(query, order);
    if (!distance || rel->info.rows < PERI_FIRST_MIN_ROWS ||
        !peri_space_point(b, distance, box))
        return;

    double volume = box[0] * box[1] * box[2] / (double)rel->info.rows;
    double radius = cbrt(BEGIN * volume * (double)wanted * 3 / (4 * 3.14159265358979));
    for (int step = 0; step < STEPS; step++, radius *= 2) {
        json_t *term = within_new(p, distance, radius);
        bool found = term && count_within(b, query, term, wanted, &last);
        json_decref(term);
        if (!found) continue;
        json_t *where = peri_ast_get(query, "where_clause"), *all = json_array();
        peri_target_t t;
        term = within_new(p, distance, last);
        if (where) json_array_append_new(all, json_deep_copy(where));
        if (peri_space_read(b, term, &t))
            json_array_append_new(p->rels[t.rel].terms, json_deep_copy(term));
        json_array_append_new(all, term);
        json_object_set_new(query, "where_clause", peri_ast_and_new(all));
        p->nnearest++;
        return;
    }
}
