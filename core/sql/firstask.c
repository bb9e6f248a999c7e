/* firstask.c - what may be asked of DuckDB while a statement is planned, and asking it.
 *
 * Only rows of tables that the resolver makes readable then, in little time; who asks
 * lives with it that there is no answer. What is asked for is decided in first.c, near.c,
 * nearest.c and space.c.
 */
#include <string.h>

#include "core/base/util.h"
#include "core/sql/preds.h"

#define SECONDS 2.0 /* for one statement, */
#define IN_ALL  5.0 /* and for all of them */

/* ---- running ---- */

static bool read_value(duckdb_vector v, duckdb_type type, idx_t row, peri_constant_t *out)
{
    const void *data = duckdb_vector_get_data(v);
    uint64_t *valid = duckdb_vector_get_validity(v);
    *out = (peri_constant_t){.exact = true};
    if (valid && !duckdb_validity_row_is_valid(valid, row)) {
        out->null = true;
    } else if (type == DUCKDB_TYPE_DOUBLE) {
        out->c =
            (peri_const_t){.kind = PERI_CONST_REAL, .d = ((const double *)data)[row]};
    } else if (type == DUCKDB_TYPE_HUGEINT) {
        duckdb_hugeint h = ((const duckdb_hugeint *)data)[row];
        unsigned __int128 bits = (unsigned __int128)(__int128)h.upper << 64 | h.lower;
        out->c = (peri_const_t){.kind = PERI_CONST_INT, .i = (__int128)bits};
    } else {
        return false;
    }
    return true;
}

static bool take_chunk(peri_planner_t *p, duckdb_data_chunk chunk, size_t max_rows,
                       peri_first_t *out)
{
    const idx_t n = duckdb_data_chunk_get_size(chunk);
    const size_t ncols = duckdb_data_chunk_get_column_count(chunk);
    if (out->nrows + n > max_rows) return false;
    peri_constant_t *all =
        peri_arena_calloc(p->arena, (out->nrows + n) * ncols + 1, sizeof *all);
    if (out->nrows) memcpy(all, out->values, out->nrows * ncols * sizeof *all);
    for (size_t c = 0; c < ncols; c++) {
        duckdb_vector v = duckdb_data_chunk_get_vector(chunk, c);
        duckdb_logical_type t = duckdb_vector_get_column_type(v);
        const duckdb_type type = duckdb_get_type_id(t);
        duckdb_destroy_logical_type(&t);
        for (idx_t i = 0; i < n; i++)
            if (!read_value(v, type, i, &all[(out->nrows + i) * ncols + c])) return false;
    }
    out->values = all;
    out->ncols = ncols;
    out->nrows += n;
    return true;
}

/* Task by task, to stop when it takes too long. */
static bool execute(duckdb_pending_result pending, duckdb_result *res)
{
    const double until = peri_now() + SECONDS;
    for (;;) {
        duckdb_pending_state s = duckdb_pending_execute_task(pending);
        if (s == DUCKDB_PENDING_ERROR || peri_now() > until) return false;
        if (duckdb_pending_execution_is_finished(s)) break;
    }
    return duckdb_execute_pending(pending, res) == DuckDBSuccess;
}

bool peri_first_run(peri_planner_t *p, const char *sql, size_t max_rows,
                    peri_first_t *out)
{
    duckdb_prepared_statement st = NULL;
    duckdb_pending_result pending = NULL;
    duckdb_result res;
    bool ok = false;
    const double begun = peri_now();
    memset(&res, 0, sizeof res);
    memset(out, 0, sizeof *out);
    if (p->seconds > IN_ALL) return false;
    if (duckdb_prepare(p->con, sql, &st) == DuckDBSuccess &&
        duckdb_pending_prepared(st, &pending) == DuckDBSuccess &&
        execute(pending, &res)) {
        duckdb_data_chunk chunk;
        ok = true;
        while (ok && (chunk = duckdb_fetch_chunk(res))) {
            ok = take_chunk(p, chunk, max_rows, out);
            duckdb_destroy_data_chunk(&chunk);
        }
    }
    duckdb_destroy_result(&res);
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&st);
    p->seconds += peri_now() - begun;
    return ok;
}

/* ---- what may be asked ---- */

int64_t peri_first_ready(peri_planner_t *p, int rel)
{
    const peri_resolver_t *r = p->resolver;
    const peri_rel_t *x = &p->rels[rel];
    return r->ready ? r->ready(r->arg, rel, x->info.handle, x->preds, x->npreds) : -1;
}

struct other {
    const peri_from_t *b;
    int target, rel;
    bool subquery;
};

static int look(json_t *node, void *arg)
{
    struct other *o = arg;
    peri_target_t t;
    if (peri_ast_is_class(node, "SUBQUERY")) {
        o->subquery = true;
        return 1;
    }
    if (peri_ast_is_class(node, "WINDOW") || peri_fn_is_aggregate(node)) return -1;
    if (!peri_ast_is_class(node, "COLUMN_REF")) return 0;
    if (!peri_from_column(o->b, node, &t) || t.rel == o->target ||
        (o->rel >= 0 && t.rel != o->rel))
        return -1;
    o->rel = t.rel;
    return 0;
}

int peri_first_relation(const peri_from_t *b, int target, json_t *const *exprs, size_t n)
{
    struct other o = {b, target, -1, false};
    if (!b->inner) return -1;
    for (size_t i = 0; i < n; i++)
        if (peri_ast_walk(exprs[i], look, &o) || peri_expr_volatile(exprs[i])) return -1;
    return o.subquery ? -1 : o.rel;
}

const char *peri_first_source(const peri_from_t *b, int target, json_t *const *exprs,
                              size_t n, peri_desc_t *desc)
{
    peri_planner_t *p = b->p;
    if (!p->resolver->ready || p->rels[target].info.rows < PERI_FIRST_MIN_ROWS)
        return NULL;
    const int rel = peri_first_relation(b, target, exprs, n);
    if (rel < 0 || peri_first_ready(p, rel) < 0) return NULL;

    const peri_rel_t *r = &p->rels[rel];
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(
            list, peri_ast_with_alias(json_deep_copy(exprs[i]),
                                      peri_arena_printf(p->arena, "peri_q%zu", i)));
    json_t *q = peri_ast_select_new(
        list, peri_ast_table_new(peri_arena_printf(p->arena, "peri_r%d", rel), r->alias),
        json_array_size(r->terms) ? peri_ast_and_new(json_deep_copy(r->terms)) : NULL);
    char *sql = peri_sql_render(p->con, q, false, NULL);
    json_decref(q);
    const char *text = sql ? peri_arena_strdup(p->arena, sql) : NULL;
    duckdb_free(sql);
    return text && peri_duck_describe(p->con, p->arena, text, desc, NULL) == 0 ? text
                                                                               : NULL;
}
