/* query_script.c - see query_script.h. What statements that change tables do is in
 * query_table.c, what all need in query_statement.c.
 */
#include "cli/query_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/query_script_priv.h"
#include "core/base/util.h"
#include "core/mydb/check.h"

/* ---- SELECT ---- */

static bool is_last_select(const peri_scriptrun_t *r, size_t i)
{
    for (size_t k = i + 1; k < r->script.n; k++)
        if (r->script.v[k].kind == PERI_ST_SELECT) return false;
    return true;
}

/* Whose rows nobody sees is only checked. */
static int check_select(peri_scriptrun_t *r, const char *sql, peri_err_t *err)
{
    const char *const *names;
    size_t n;
    peri_err_t why = {0};
    if (peri_scriptrun_names(r, sql, &names, &n, &why) == 0 || why.code == PERI_EKERNEL)
        return 0;
    *err = why;
    return -1;
}

static int run_select(peri_scriptrun_t *r, const peri_statement_t *st, size_t i,
                      peri_err_t *err)
{
    peri_queryspec_t spec = *r->o->spec;
    spec.sql = peri_scriptrun_expand(r, st->sql, err);
    if (!spec.sql) return -1;
    if (spec.sql != st->sql || r->script.n > 1) spec.shown_sql = st->text;
    if (!is_last_select(r, i)) return check_select(r, spec.sql, err);
    const peri_queryrun_t how = {.ranks = r->o->ranks, .quiet = r->o->quiet};
    peri_queryran_t ran;
    if (peri_scriptrun_query(r, &spec, &how, &ran, err)) return -1;
    r->end->rows = ran.rows;
    return 0;
}

/* ---- the script ---- */

/* Mistakes are told before anything is changed. */
static int check_all(peri_scriptrun_t *r, peri_err_t *err)
{
    if (r->script.n == 1 && !r->script.writes) return 0;
    duckdb_connection con = peri_scriptrun_parser(r, err);
    for (size_t i = 0; con && i < r->script.n; i++)
        if (peri_statement_check(con, &r->script.v[i], err)) return -1;
    return con ? 0 : -1;
}

static int run_statement(peri_scriptrun_t *r, size_t i, peri_err_t *err)
{
    const peri_statement_t *st = &r->script.v[i];
    int rc = st->kind == PERI_ST_SELECT ? run_select(r, st, i, err)
                                        : peri_scriptrun_table(r, st, err);
    if (rc && r->script.n > 1)
        (void)peri_err_prefix(err, "statement %zu of %zu, in line %zu", i + 1,
                              r->script.n, st->line);
    return rc;
}

/* --into mydb.x: the rows of the only SELECT become a table. */
static int take_table(peri_scriptrun_t *r, peri_err_t *err)
{
    peri_statement_t *st = &r->script.v[0];
    const char *dot = r->o->table ? strchr(r->o->table, '.') : NULL;
    if (!dot) return 0;
    if (r->script.n != 1 || st->kind != PERI_ST_SELECT)
        return peri_err_set(
            err, PERI_EINVAL,
            "--into %s takes the rows of one SELECT; of several statements "
            "each says itself where its rows go",
            r->o->table);
    st->kind = PERI_ST_CREATE_AS;
    st->schema = peri_arena_strndup(r->arena, r->o->table, (size_t)(dot - r->o->table));
    st->table = dot + 1;
    if (r->o->spec->overwrite) st->flags |= PERI_ST_OR_REPLACE;
    r->script.writes = true;
    return 0;
}

static int run(peri_scriptrun_t *r, peri_err_t *err)
{
    const peri_queryspec_t *spec = r->o->spec;
    const char *sql;
    if (peri_script_bind(spec->sql, strlen(spec->sql), r->o->params, r->arena, &sql,
                         err) ||
        peri_script_parse(sql, strlen(sql), r->arena, &r->script, err) ||
        take_table(r, err))
        return -1;
    r->schemas = peri_schemas_new(err);
    if (!r->schemas || check_all(r, err)) return -1;
    bool selects = false;
    for (size_t i = 0; i < r->script.n; i++) {
        if (run_statement(r, i, err)) return -1;
        selects |= r->script.v[i].kind == PERI_ST_SELECT;
    }
    if (spec->into && !selects && !r->o->quiet)
        fprintf(stderr, "%s is not written: no statement has rows for it\n", spec->into);
    return 0;
}

int peri_query_script(const peri_queryscript_t *o, peri_scriptend_t *end, peri_err_t *err)
{
    peri_scriptrun_t r = {
        .o = o, .end = end, .arena = peri_arena_new(), .started = peri_now()};
    *end = (peri_scriptend_t){.changed = json_array()};
    int rc = run(&r, err);
    end->seconds = peri_now() - r.started;
    peri_session_free(r.parser);
    peri_schemas_free(r.schemas);
    peri_arena_free(r.arena);
    return rc;
}

bool peri_query_into_table(const char *into)
{
    const char *dot = strchr(into, '.');
    peri_format_t format;
    char name[PERI_MYDB_NAME];
    if (!dot || dot == into || strchr(into, '/') ||
        peri_format_from_path(into, &format, NULL) == 0 ||
        peri_mydb_name(dot + 1, name, NULL))
        return false;
    peri_schemas_t *all = peri_schemas_new(NULL);
    char *schema = peri_xasprintf("%.*s", (int)(dot - into), into);
    const bool is = all && peri_schemas_find(all, schema);
    free(schema);
    peri_schemas_free(all);
    return is;
}

void peri_query_word(const peri_scriptend_t *end)
{
    char text[160], rows[32];
    snprintf(text, sizeof(text), "%s row%s in %.3g s%s%s%s",
             peri_human_count(end->rows, rows), end->rows == 1 ? "" : "s", end->seconds,
             end->cut ? "; cut: there are more (limit of " : "", end->cut ? end->cut : "",
             end->cut ? ")" : "");
    peri_cli_word(json_pack("{s:i, s:I, s:f, s:I, s:s?, s:s, s:O}", "code", 0, "rows",
                            (json_int_t)end->rows, "seconds", end->seconds, "bytes",
                            (json_int_t)end->bytes, "cut", end->cut, "text",
                            *end->text ? end->text : text, "changed", end->changed));
}
