/* plan.c - the way from text to plan; see plan.h. */
#include "core/sql/planner.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define BLOCK_BUDGET    200
#define BROADCAST_BYTES ((uint64_t)256 << 20)

/* The statement as DuckDB binds it. */
struct statement {
    json_t *query;
    char *sql;
    peri_desc_t want;
    bool renamed; /* the text gives other column names than the statement as written */
};

/* ---- LIMIT of the command line ---- */

static bool plain_limit(const json_t *mod, json_int_t *out)
{
    const json_t *limit = peri_ast_get(mod, "limit");
    const json_t *v = json_object_get(peri_ast_get(limit, "value"), "value");
    *out = json_integer_value(v);
    return peri_ast_is_type(mod, "LIMIT_MODIFIER") && json_is_integer(v);
}

/* At most `limit` rows of the query; new, steals. A LIMIT of its own is made smaller. */
static json_t *limit_query(json_t *query, int64_t limit)
{
    json_t *mods = peri_ast_list(query, "modifiers"), *mod;
    size_t i;
    json_int_t own;
    if (limit < 0) return query;
    json_array_foreach(mods, i, mod)
    {
        bool is_limit = peri_ast_is_type(mod, "LIMIT_MODIFIER") ||
                        peri_ast_is_type(mod, "LIMIT_PERCENT_MODIFIER");
        if (!is_limit) continue;
        if (plain_limit(mod, &own)) {
            if (own > limit) json_object_set_new(mod, "limit", peri_ast_int_new(limit));
            return query;
        }
        if (peri_ast_is_type(mod, "LIMIT_MODIFIER") && !peri_ast_get(mod, "limit")) {
            json_object_set_new(mod, "limit", peri_ast_int_new(limit));
            return query;
        }
        query =
            peri_ast_select_new(json_pack("[o]", peri_ast_star_new()),
                                peri_ast_subquery_ref_new(query, "peri_q", NULL), NULL);
        mods = peri_ast_list(query, "modifiers");
        break;
    }
    json_array_append_new(mods, peri_ast_limit_new(peri_ast_int_new(limit), NULL));
    return query;
}

/* ---- stages ---- */

static int has_sample(json_t *node, void *arg)
{
    (void)arg;
    return peri_ast_get(node, "sample") ? -1 : 0;
}

static int is_window(json_t *node, void *arg)
{
    (void)arg;
    return peri_ast_is_class(node, "WINDOW") ? -1 : 0;
}

static const char *gather_reason(const peri_planner_t *p, json_t *q)
{
    if (peri_ast_walk(q, has_sample, NULL)) return "a sample is drawn from all rows";
    if (p->why_gather) return p->why_gather;
    if (peri_ast_walk_block(q, is_window, NULL)) return "window functions need all rows";
    if (!peri_ast_is_type(q, "SELECT_NODE")) return "set operations need all rows";
    return "the statement does not split into shares of one table";
}

/* Do plain rows of a relation go to the root? */
static bool gathers_rows(const peri_planner_t *p)
{
    for (size_t i = 0; i < p->nsteps; i++)
        if (p->steps[i].gather) return true;
    return false;
}

static int plan_single(peri_planner_t *p, json_t *query, const struct statement *st)
{
    static const char what[] = "the whole statement";
    p->strategy = "one process runs the whole statement";
    if (st->renamed)
        return peri_step_add(p, query, PERI_DEST_OUTPUT, false, what, &st->want);
    return peri_step_whole(p, query, st->sql, what, &st->want);
}

static int plan_ranks(peri_planner_t *p, json_t *query, const peri_desc_t *want)
{
    json_t *q = json_deep_copy(query);
    peri_ctes_inline(p, q);
    p->budget = peri_ast_walk(q, has_sample, NULL) ? 0 : BLOCK_BUDGET;
    int rc = peri_block_plan(p, q, PERI_DEST_OUTPUT, want);
    if (rc < 0) { /* only fetch the relations; the statement itself stays as it is */
        p->budget = 0;
        peri_steps_truncate(p, 0);
        json_decref(q);
        q = json_deep_copy(query);
        if (peri_localise_query(p, q, PERI_DEST_ROOT) == 0)
            rc = peri_step_add(p, q, PERI_DEST_OUTPUT, false, "the statement on the root",
                               want);
    }
    if (!p->strategy && !gathers_rows(p))
        p->strategy = "every rank runs inner parts of the statement, the root the rest";
    else if (!p->strategy)
        p->strategy =
            peri_arena_printf(p->arena, "gather: the root finishes the statement (%s)",
                              gather_reason(p, query));
    json_decref(q);
    return rc;
}

static bool has_keys(const peri_planner_t *p)
{
    for (size_t i = 0; i < p->nsteps; i++)
        if (p->steps[i].keys) return true;
    return false;
}

struct scanned {
    bool *rels;
};

static int note_relation(json_t *node, void *arg)
{
    struct scanned *s = arg;
    int rel = peri_rel_index(node);
    if (rel >= 0) s->rels[rel] = true;
    return 0;
}

/* ---- the result ---- */

static void fill_stages(peri_planner_t *p, peri_plan_t *plan)
{
    peri_stage_t *stages = peri_arena_calloc(p->arena, p->nsteps, sizeof *stages);
    for (size_t i = 0; i < p->nsteps; i++) {
        const peri_step_t *step = &p->steps[i];
        struct scanned s = {peri_xcalloc(p->nrels + 1, sizeof(bool))};
        int *ids = peri_arena_calloc(p->arena, p->nrels + 1, sizeof *ids);
        peri_ast_walk(step->query, note_relation, &s);
        stages[i] = (peri_stage_t){.sql = step->sql,
                                   .dest = step->dest,
                                   .on_all_ranks = step->on_all,
                                   .relations = ids,
                                   .what = step->what};
        for (size_t r = 0; r < p->nrels; r++)
            if (s.rels[r]) ids[stages[i].nrelations++] = (int)r;
        free(s.rels);
    }
    plan->stages = stages;
    plan->nstages = p->nsteps;
}

/* A table that only sub-queries read which were run while planning is read no more. */
static bool is_scanned(const peri_plan_t *plan, int rel)
{
    for (size_t i = 0; i < plan->nstages; i++)
        for (size_t k = 0; k < plan->stages[i].nrelations; k++)
            if (plan->stages[i].relations[k] == rel) return true;
    return false;
}

static void fill_relations(peri_planner_t *p, peri_plan_t *plan)
{
    peri_relation_t *rels = peri_arena_calloc(p->arena, p->nrels + 1, sizeof *rels);
    for (size_t i = 0; i < p->nrels; i++) {
        const peri_rel_t *r = &p->rels[i];
        peri_pred_t *preds = peri_arena_calloc(p->arena, r->npreds + 1, sizeof *preds);
        for (size_t k = 0; k < r->npreds; k++) preds[k] = r->preds[k];
        const bool done = p->nfirst > 0 && !is_scanned(plan, (int)i);
        if (done)
            preds[0] = (peri_pred_t){.column = "", .component = -1, .op = PERI_OP_NEVER};
        rels[i] = (peri_relation_t){.handle = r->info.handle,
                                    .display = r->info.display,
                                    .alias = r->alias,
                                    .virtuals = r->virtuals,
                                    .used = r->used,
                                    .nused = r->nused,
                                    .preds = preds,
                                    .npreds = done ? 1 : r->npreds};
    }
    plan->relations = rels;
    plan->nrelations = p->nrels;
}

static void fill_columns(peri_planner_t *p, const json_t *query, const peri_desc_t *want,
                         peri_plan_t *plan)
{
    peri_origin_t *origins = peri_arena_calloc(p->arena, want->n + 1, sizeof *origins);
    json_t *q = json_deep_copy(query);
    peri_ctes_inline(p, q);
    peri_origins_find(p, q, want->n, origins);
    json_decref(q);
    plan->ncolumns = want->n;
    plan->names = want->names;
    plan->origins = origins;
}

/* ---- all of it ---- */

static int bind_relations(peri_planner_t *p, peri_err_t *err)
{
    for (size_t i = 0; i < p->nrels; i++)
        if (p->resolver->bind(p->resolver->arg, (int)i, p->rels[i].info.handle,
                              p->rels[i].virtuals, err))
            return -1;
    return 0;
}

/* Types and names of the statement, or DuckDB's own message about it. The names come from
 * the tree before constants are changed. */
static int describe_statement(peri_planner_t *p, struct statement *st, peri_err_t *err)
{
    peri_desc_t original = {0};
    json_t *raw = json_deep_copy(st->query);
    int rc = -1;
    bool changed = peri_ast_fix_constants(st->query);
    st->sql = peri_sql_render(p->con, st->query, true, err);
    if (st->sql &&
        (rc = peri_duck_describe(p->con, p->arena, st->sql, &st->want, err)) != 0)
        peri_message_clean(p, err);
    if (rc == 0 && changed && peri_query_describe(p, raw, &original) == 0) {
        st->renamed = !peri_desc_same_names(&st->want, &original);
        if (original.n == st->want.n) st->want.names = original.names;
    }
    peri_desc_clear(&original);
    json_decref(raw);
    return rc;
}

/* What is cheap to find out before planning. Should DuckDB not take the changed statement
 * for the same, it stays as it was. */
static void prepare_statement(peri_planner_t *p, struct statement *st)
{
    json_t *query = json_deep_copy(st->query);
    if (peri_preds_prepare(p, query)) {
        peri_desc_t desc = {0};
        char *sql = peri_sql_render(p->con, query, true, NULL);
        bool same = sql && peri_duck_describe(p->con, p->arena, sql, &desc, NULL) == 0 &&
                    peri_desc_same_types(&desc, &st->want);
        peri_desc_clear(&desc);
        if (same) {
            json_t *old = st->query;
            char *old_sql = st->sql;
            st->query = query;
            st->sql = sql;
            query = old;
            sql = old_sql;
        } else {
            peri_preds_collect(p, st->query);
        }
        duckdb_free(sql);
    }
    json_decref(query);
}

static int read_statement(peri_planner_t *p, const char *sql, const peri_planopts_t *opts,
                          struct statement *st, peri_err_t *err)
{
    st->query = peri_sql_parse(p->con, sql, err);
    if (!st->query || peri_sql_allowed(st->query, err)) return -1;
    st->query = limit_query(st->query, opts->limit);
    if (peri_scope_resolve(p, st->query, err) || bind_relations(p, err) ||
        describe_statement(p, st, err) || peri_rels_describe(p, err) ||
        peri_space_check(st->query, err))
        return -1;
    peri_preds_collect(p, st->query);
    prepare_statement(p, st);
    return 0;
}

static void planner_clear(peri_planner_t *p)
{
    peri_steps_truncate(p, 0);
    peri_steps_drop_views(p);
    for (size_t i = 0; i < p->nrels; i++) {
        json_decref(p->rels[i].terms);
        free(p->rels[i].preds);
    }
    free(p->rels);
    free(p->steps);
    free(p->cte_names);
}

peri_plan_t *peri_plan_new(duckdb_connection con, const char *sql,
                           const peri_resolver_t *r, const peri_planopts_t *opts,
                           peri_err_t *err)
{
    peri_planner_t p = {.arena = peri_arena_new(),
                        .con = con,
                        .resolver = r,
                        .nranks = opts->nranks > 1 ? opts->nranks : 1,
                        .broadcast_limit = opts->broadcast_limit ? opts->broadcast_limit
                                                                 : BROADCAST_BYTES};
    peri_plan_t *plan = NULL;
    struct statement st = {0};
    if (read_statement(&p, sql, opts, &st, err)) goto out;
    int rc = p.nranks == 1 || !p.nrels ? plan_single(&p, st.query, &st)
                                       : plan_ranks(&p, st.query, &st.want);
    if (rc < 0) {
        peri_err_set(
            err, PERI_EINTERNAL,
            "the statement is understood but could not be planned for %d ranks; run it "
            "with one rank",
            p.nranks);
        goto out;
    }
    plan = peri_arena_calloc(p.arena, 1, sizeof *plan);
    fill_stages(&p, plan);
    fill_relations(&p, plan);
    fill_columns(&p, st.query, &st.want, plan);
    plan->strategy = p.strategy;
    if (has_keys(&p))
        plan->strategy =
            peri_arena_printf(p.arena, "%s; groups in an array", plan->strategy);
    if (p.nnear)
        plan->strategy = peri_arena_printf(p.arena, "%s; joins by distance over cells",
                                           plan->strategy);
    if (p.nnearest)
        plan->strategy = peri_arena_printf(
            p.arena, "%s; run while planning: how far the nearest are", plan->strategy);
    if (p.nfirst)
        plan->strategy =
            peri_arena_printf(p.arena, "%s; run while planning: %zu sub-quer%s",
                              plan->strategy, p.nfirst, p.nfirst > 1 ? "ies" : "y");
    plan->arena = p.arena;
out:
    peri_desc_clear(&st.want);
    duckdb_free(st.sql);
    json_decref(st.query);
    planner_clear(&p);
    if (!plan) peri_arena_free(p.arena);
    return plan;
}

void peri_plan_free(peri_plan_t *p)
{
    if (p) peri_arena_free(p->arena); /* the plan itself lives there */
}
