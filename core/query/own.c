/* own.c - tables of schemas: the user's own, teams', those that others share.
 *
 * Schemas are read once a query. What `a` means in `a.t`: mydb is always the user's own
 * tables; else a dataset called so counts before a schema. Such a table is replaced by
 * others at any time; the files that a query has met are held until it ends.
 */
#include <stdlib.h>

#include "core/base/util.h"
#include "core/mydb/read.h"
#include "core/query/private.h"

/* The schemas, or NULL with the reason. */
static const peri_schemas_t *schemas(peri_query_t *q, peri_err_t *err)
{
    if (!q->schemas) q->schemas = peri_schemas_new(err);
    return q->schemas;
}

int peri_query_schema(peri_query_t *q, const char *name, const peri_schema_t **out,
                      peri_err_t *err)
{
    const peri_schemas_t *all = schemas(q, err);
    if (!all) return -1;
    *out = peri_schemas_find(all, name);
    return 0;
}

/* Neither a dataset nor a schema has this name. */
int peri_query_no_schema(peri_query_t *q, const char *name, peri_err_t *err)
{
    char **datasets;
    size_t nd, n = 0;
    const peri_schemas_t *all = schemas(q, err);
    if (!all) return -1;
    (void)peri_catalog_list(&datasets, &nd, NULL);
    const char **names = peri_xcalloc(nd + peri_schemas_count(all) + 1, sizeof(*names));
    for (size_t i = 0; i < nd; i++) names[n++] = datasets[i];
    for (size_t i = 0; i < peri_schemas_count(all); i++)
        names[n++] = peri_schemas_at(all, i)->name;
    const char *near = peri_did_you_mean(name, names, n);
    if (near)
        peri_err_set(err, PERI_ENOTFOUND,
                     "there is no dataset called %s, and no schema; did you mean %s?",
                     name, near);
    else
        peri_err_set(
            err, PERI_ENOTFOUND,
            "there is no dataset called %s, and no schema. \"perigee dataset list\" "
            "shows the datasets, \"perigee table ls\" your tables and those that "
            "others share with you",
            name);
    free(names);
    peri_catalog_free_names(datasets, nd);
    return -1;
}

static void keep(peri_query_t *q, peri_h5file_t *held)
{
    heldfile_t *h = peri_arena_alloc(q->arena, sizeof(*h));
    h->file = held;
    h->next = q->held;
    q->held = h;
}

peri_table_t *peri_query_own_table(peri_query_t *q, const peri_schema_t *s,
                                   const char *table, peri_err_t *err)
{
    peri_h5file_t *held;
    peri_table_t *t = peri_mydb_table(s, table, &held, err);
    if (t) keep(q, held);
    return t;
}

int peri_query_hold(peri_query_t *q, const peri_table_t *t, peri_err_t *err)
{
    if (!t->replaced || t->nfiles != 1) return 0;
    peri_h5file_t *held = peri_mydb_hold(t, err);
    if (!held) return -1;
    keep(q, held);
    return 0;
}

void peri_query_release(peri_query_t *q)
{
    for (heldfile_t *h = q->held; h; h = h->next) peri_h5file_release(h->file);
    q->held = NULL;
    peri_schemas_free(q->schemas);
    q->schemas = NULL;
}
