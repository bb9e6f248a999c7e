/* table_view.c - the columns of a view: those of a query for all of it, which is planned
 * and not run.
 */
#include <stdlib.h>

#include "cli/table_here.h"
#include "cli/table_load.h"
#include "core/base/util.h"
#include "core/mydb/view.h"
#include "core/query/query.h"

static const char *expand(const peri_heretable_t *t, peri_arena_t *a, peri_err_t *err)
{
    const peri_limits_t limits = {.threads = 1};
    peri_session_t *parser = peri_session_new(&limits, err);
    if (!parser) return NULL;
    const char *sql = peri_views_expand(
        peri_session_connection(parser), t->schemas,
        peri_arena_printf(a, "SELECT * FROM \"%s\".%s", t->schema->name, t->name), NULL,
        a, err);
    peri_session_free(parser);
    return sql;
}

static json_t *columns_of(peri_query_t *q, peri_err_t *err)
{
    const peri_outcol_t *cols;
    size_t n;
    if (peri_query_columns(q, &cols, &n, err)) return NULL;
    return peri_load_columns(cols, n);
}

json_t *peri_view_columns(const peri_heretable_t *t, peri_err_t *err)
{
    peri_queryspec_t spec;
    peri_arena_t *a = peri_arena_new();
    peri_queryspec_init(&spec);
    spec.sql = expand(t, a, err);
    peri_query_t *q = spec.sql ? peri_query_new(&spec, 1, NULL, err) : NULL;
    json_t *columns = q ? columns_of(q, err) : NULL;
    peri_query_free(q);
    peri_arena_free(a);
    return columns;
}
