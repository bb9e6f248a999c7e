/* stage.c - the steps of a plan, each bound by DuckDB as soon as it is added.
 *
 * The rows of step j stand in later text as peri_s<j>. While planning, that is a temporary
 * view over the step's text: nothing is computed, but names and types are the real ones, so
 * that a wrong rewrite shows up here and not as a wrong answer.
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
        json_array_append_new(list, peri_ast_with_alias(peri_ast_column_new(NULL, name),
                                                        want->names[i]));
    }
    return peri_ast_select_new(list, peri_ast_subquery_ref_new(query, "peri_q", columns), NULL);
}

/* Give the query the wanted column names. Steals and returns a query; NULL if it is wrong. */
static json_t *with_names(peri_planner_t *p, json_t *query, const peri_desc_t *want)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        peri_desc_t got;
        bool bound = peri_query_describe(p, query, &got) == 0;
        bool types = bound && peri_desc_same_types(&got, want);
        bool done = types && peri_desc_same_names(&got, want);
        json_t *list = peri_ast_list(query, "select_list");
        if (types && !done && attempt == 0 && json_array_size(list) == want->n) {
            for (size_t i = 0; i < want->n; i++)
                if (strcmp(got.names[i], want->names[i]) != 0)
                    peri_ast_with_alias(json_array_get(list, i), want->names[i]);
        } else if (types && !done) {
            query = rename_around(query, want, p->arena);
        }
        peri_desc_clear(&got);
        if (done) return query;
        if (!types) break;
    }
    json_decref(query);
    return NULL;
}

struct check {
    const peri_planner_t *p;
    bool on_all;
};

/* What the ranks run reads only what every rank has; what the root runs reads no relation. */
static int misplaced(json_t *node, void *arg)
{
    const struct check *c = arg;
    int step = peri_step_index(node);
    if (peri_rel_index(node) >= 0 && !c->on_all && c->p->nranks > 1) return -1;
    if (step < 0) return 0;
    if ((size_t)step >= c->p->nsteps) return -1;
    return c->on_all && c->p->steps[step].dest != PERI_DEST_ALL ? -1 : 0;
}

int peri_step_add(peri_planner_t *p, const json_t *query, peri_dest_t dest, bool on_all,
                  const char *what, const peri_desc_t *want)
{
    int rc = -1;
    char *sql = NULL;
    peri_desc_t got = {0};
    json_t *q = json_deep_copy(query);
    struct check check = {p, on_all};
    if (want && !(q = with_names(p, q, want))) return -1;
    if (peri_ast_walk(q, misplaced, &check)) goto out;
    sql = peri_sql_render(p->con, q, true, NULL);
    if (!sql || peri_duck_describe(p->con, p->arena, sql, &got, NULL)) goto out;
    if (dest != PERI_DEST_OUTPUT) {
        if (!peri_desc_unique_names(&got)) goto out;
        const char *ddl = peri_arena_printf(
            p->arena, "CREATE OR REPLACE TEMP VIEW peri_s%zu AS %s", p->nsteps, sql);
        if (peri_duck_exec(p->con, ddl, NULL)) goto out;
        if (p->nviews <= p->nsteps) p->nviews = p->nsteps + 1;
    }
    if (p->nsteps == p->cap_steps) {
        p->cap_steps = p->cap_steps ? 2 * p->cap_steps : 8;
        p->steps = peri_xrealloc(p->steps, p->cap_steps, sizeof *p->steps);
    }
    p->steps[p->nsteps] = (peri_step_t){.query = json_incref(q),
                                        .sql = peri_arena_strdup(p->arena, sql),
                                        .what = what,
                                        .dest = dest,
                                        .on_all = on_all};
    rc = (int)p->nsteps++;
out:
    peri_desc_clear(&got);
    duckdb_free(sql);
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
        const char *ddl = peri_arena_printf(p->arena, "DROP VIEW IF EXISTS temp.peri_s%zu", i);
        peri_duck_exec(p->con, ddl, NULL);
    }
    p->nviews = 0;
}
