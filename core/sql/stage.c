/* stage.c - the steps of a plan, each bound by DuckDB as soon as it is added.
 *
 * The rows of step j stand in later text as peri_s<j>. While planning, that is a
 * temporary view over the step's text: nothing is computed, but names and types are the
 * real ones, so that a wrong rewrite shows up here and not as a wrong answer.
 */
#include <string.h>

#include "core/base/util.h"
#include "core/sql/planner.h"

int peri_query_describe(peri_planner_t *p, const json_t *query, peri_desc_t *desc)
{
    memset(desc, 0, sizeof *desc);
    char *sql = peri_sql_render(p->con, query, false, NULL);
    int rc = sql ? peri_duck_describe(p->con, p->arena, sql, desc, NULL) : -1;
    duckdb_free(sql);
    return rc;
}

/* SELECT peri_o0 AS name0, ... FROM (query) AS peri_q(peri_o0, ...). */
static json_t *rename_around(json_t *query, const peri_desc_t *want, peri_arena_t *arena)
{
    json_t *list = json_array(), *columns = json_array();
    for (size_t i = 0; i < want->n; i++) {
        const char *name = peri_arena_printf(arena, "peri_o%zu", i);
        json_array_append_new(columns, json_string(name));
        json_array_append_new(
            list, peri_ast_with_alias(peri_ast_column_new(NULL, name), want->names[i]));
    }
    return peri_ast_select_new(list, peri_ast_subquery_ref_new(query, "peri_q", columns),
                               NULL);
}

/* Text of the query with the wanted column names and types; *query is changed for that.
 * NULL: it does not bind, or the types are others. */
static char *render_as(peri_planner_t *p, json_t **query, const peri_desc_t *want)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        peri_desc_t got = {0};
        char *sql = peri_sql_render(p->con, *query, true, NULL);
        bool types = sql && peri_duck_describe(p->con, p->arena, sql, &got, NULL) == 0 &&
                     peri_desc_same_types(&got, want);
        bool done = types && peri_desc_same_names(&got, want);
        json_t *list = peri_ast_list(*query, "select_list");
        if (types && !done && attempt == 0 && json_array_size(list) == want->n) {
            for (size_t i = 0; i < want->n; i++)
                if (strcmp(got.names[i], want->names[i]) != 0)
                    peri_ast_with_alias(json_array_get(list, i), want->names[i]);
        } else if (types && !done) {
            *query = rename_around(*query, want, p->arena);
        }
        peri_desc_clear(&got);
        if (done) return sql;
        duckdb_free(sql);
        if (!types) break;
    }
    return NULL;
}

/* The query with short keys of groups and its text, if DuckDB takes them for the same;
 * else both stay. */
static bool shorten_keys(peri_planner_t *p, json_t **query, char **sql,
                         const peri_desc_t *want)
{
    peri_desc_t own = {0};
    json_t *copy = json_deep_copy(*query), *old = *query;
    char *shorter = NULL;
    if (peri_keys_shorten(p, copy) &&
        (want || peri_duck_describe(p->con, p->arena, *sql, &own, NULL) == 0))
        shorter = render_as(p, &copy, want ? want : &own);
    if (shorter) {
        duckdb_free(*sql);
        *sql = shorter;
        *query = copy;
        copy = old;
    }
    json_decref(copy);
    peri_desc_clear(&own);
    return shorter != NULL;
}

struct check {
    const peri_planner_t *p;
    bool on_all;
};

/* What the ranks run reads only what every rank has; what the root runs reads no
 * relation. */
static int misplaced(json_t *node, void *arg)
{
    const struct check *c = arg;
    int step = peri_step_index(node);
    if (peri_rel_index(node) >= 0 && !c->on_all && c->p->nranks > 1) return -1;
    if (step < 0) return 0;
    if ((size_t)step >= c->p->nsteps) return -1;
    return c->on_all && c->p->steps[step].dest != PERI_DEST_ALL ? -1 : 0;
}

/* The step's rows as a view for the steps after it; binds the text. */
static int make_view(peri_planner_t *p, const char *sql)
{
    const char *ddl = peri_arena_printf(
        p->arena, "CREATE OR REPLACE TEMP VIEW peri_s%zu AS %s", p->nsteps, sql);
    if (peri_duck_exec(p->con, ddl, NULL)) return -1;
    if (p->nviews <= p->nsteps) p->nviews = p->nsteps + 1;
    return 0;
}

int peri_step_put(peri_planner_t *p, const json_t *query, const char *sql,
                  peri_dest_t dest, bool on_all, const char *what)
{
    if (p->nsteps == p->cap_steps) {
        p->cap_steps = p->cap_steps ? 2 * p->cap_steps : 8;
        p->steps = peri_xrealloc(p->steps, p->cap_steps, sizeof *p->steps);
    }
    p->steps[p->nsteps] = (peri_step_t){.query = json_incref((json_t *)query),
                                        .sql = peri_arena_strdup(p->arena, sql),
                                        .what = what,
                                        .dest = dest,
                                        .on_all = on_all};
    return (int)p->nsteps++;
}

int peri_step_add(peri_planner_t *p, const json_t *query, peri_dest_t dest, bool on_all,
                  const char *what, const peri_desc_t *want)
{
    int rc = -1;
    char *sql = NULL;
    json_t *q = json_deep_copy(query);
    struct check check = {p, on_all};
    if (peri_ast_walk(q, misplaced, &check)) goto out;
    if (want && dest != PERI_DEST_OUTPUT && !peri_desc_unique_names(want)) goto out;
    sql = want ? render_as(p, &q, want) : peri_sql_render(p->con, q, true, NULL);
    const bool keys = sql && shorten_keys(p, &q, &sql, want);
    if (!sql || (dest != PERI_DEST_OUTPUT && make_view(p, sql))) goto out;
    rc = peri_step_put(p, q, sql, dest, on_all, what);
    p->steps[rc].keys = keys;
out:
    duckdb_free(sql);
    json_decref(q);
    return rc;
}

int peri_step_whole(peri_planner_t *p, const json_t *query, const char *sql,
                    const char *what, const peri_desc_t *want)
{
    json_t *q = json_deep_copy(query);
    char *text = NULL;
    const bool keys = shorten_keys(p, &q, &text, want);
    int rc = peri_step_put(p, q, text ? text : sql, PERI_DEST_OUTPUT, false, what);
    p->steps[rc].keys = keys;
    duckdb_free(text);
    json_decref(q);
    return rc;
}

void peri_steps_truncate(peri_planner_t *p, size_t n)
{
    while (p->nsteps > n) json_decref(p->steps[--p->nsteps].query);
}

void peri_steps_drop_views(peri_planner_t *p)
{
    /* the last first: views may stand on earlier ones */
    for (size_t i = p->nviews; i-- > 0;) {
        const char *ddl =
            peri_arena_printf(p->arena, "DROP VIEW IF EXISTS temp.peri_s%zu", i);
        peri_duck_exec(p->con, ddl, NULL);
    }
    p->nviews = 0;
}
