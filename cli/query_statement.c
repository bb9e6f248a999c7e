/* query_statement.c - what all statements of a script need: a parser, views put into
 * their text, the columns of a SELECT, and a query that is run in the time that is left.
 */
#include "cli/cli.h"
#include "cli/query_script_priv.h"
#include "core/base/util.h"
#include "core/mydb/view.h"

duckdb_connection peri_scriptrun_parser(peri_scriptrun_t *r, peri_err_t *err)
{
    const peri_limits_t limits = {.threads = 1};
    if (!r->parser) r->parser = peri_session_new(&limits, err);
    return r->parser ? peri_session_connection(r->parser) : NULL;
}

const char *peri_scriptrun_expand(peri_scriptrun_t *r, const char *sql, peri_err_t *err)
{
    const char *context = r->o->spec->context;
    if (!peri_views_named(r->schemas, sql, context)) return sql;
    duckdb_connection con = peri_scriptrun_parser(r, err);
    return con ? peri_views_expand(con, r->schemas, sql, context, r->arena, err) : NULL;
}

/* The time limit is the script's: what is left of it. */
static int take_time(const peri_scriptrun_t *r, peri_queryspec_t *spec, peri_err_t *err)
{
    if (spec->time_limit <= 0) return 0;
    const double left = spec->time_limit - (peri_now() - r->started);
    if (left <= 0)
        return peri_err_set(err, PERI_ELIMIT,
                            "the statements did not finish within %g seconds, their time "
                            "limit (--timeout)",
                            spec->time_limit);
    spec->time_said = spec->time_limit;
    spec->time_limit = left;
    return 0;
}

int peri_scriptrun_query(peri_scriptrun_t *r, peri_queryspec_t *spec,
                         const peri_queryrun_t *how, peri_queryran_t *ran,
                         peri_err_t *err)
{
    if (peri_cli_interrupted()) return peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (take_time(r, spec, err) || peri_query_run(spec, how, ran, err)) return -1;
    r->end->bytes += ran->bytes;
    if (ran->cut) r->end->cut = ran->cut;
    return 0;
}

int peri_scriptrun_names(peri_scriptrun_t *r, const char *sql, const char *const **names,
                         size_t *n, peri_err_t *err)
{
    peri_queryspec_t spec = *r->o->spec;
    spec.sql = sql;
    peri_query_t *q = peri_query_new(&spec, 1, NULL, err);
    if (!q) return -1;
    const peri_plan_t *plan = peri_query_plan(q);
    const char **v = peri_arena_calloc(r->arena, plan->ncolumns + 1, sizeof(*v));
    for (size_t i = 0; i < plan->ncolumns; i++)
        v[i] = peri_arena_strdup(r->arena, plan->names[i]);
    *names = v;
    *n = plan->ncolumns;
    peri_query_free(q);
    return 0;
}
