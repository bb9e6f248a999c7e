/* own.c - tables of schemas: the user's own, teams', those that others share.
 *
 * Schemas are read once a query. What `a` means in `a.t`: mydb is always the user's own
 * tables; else a dataset called so counts before a schema.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/mydb/store.h"
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
                     "there is no dataset and no schema called %s; did you mean %s?",
                     name, near);
    else
        peri_err_set(
            err, PERI_ENOTFOUND,
            "there is no dataset and no schema called %s. \"perigee dataset list\" "
            "shows the datasets, \"perigee table ls\" your tables and those that "
            "others share with you",
            name);
    free(names);
    peri_catalog_free_names(datasets, nd);
    return -1;
}

/* A table's file lies in the folder itself, and nothing in it leads out of there. */
static peri_table_t *resolve(const peri_schema_t *s, const char *name, peri_err_t *err)
{
    char root[PATH_MAX], *path = peri_mydb_path(s, name),
                         *shown = peri_xasprintf("%s.%s", s->name, name);
    const char *files[] = {path};
    const peri_tablespec_t spec = {.name = shown,
                                   .description = "",
                                   .files = files,
                                   .nfiles = 1,
                                   .root = realpath(s->folder, root),
                                   .path = "/"};
    peri_table_t *t = NULL;
    if (!spec.root)
        peri_err_set(err, PERI_EIO, "the folder %s cannot be opened: %m", s->folder);
    else
        t = peri_table_resolve(&spec, err);
    free(path);
    free(shown);
    return t;
}

peri_table_t *peri_query_own_table(const peri_schema_t *s, const char *table,
                                   peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    /* What cannot be a name is near to one that is. */
    if (peri_mydb_name(table, name, NULL)) {
        (void)peri_mydb_nowhere(s, table, err);
        return NULL;
    }
    switch (peri_mydb_kind(s, name)) {
    case PERI_MYDB_TABLE:
        return resolve(s, name, err);
    case PERI_MYDB_VIEW:
        peri_err_set(err, PERI_EUNSUPP,
                     "%s.%s is a view, and only the text of a query may name one",
                     s->name, name);
        return NULL;
    case PERI_MYDB_NONE:
        break;
    }
    (void)peri_mydb_nowhere(s, name, err);
    return NULL;
}
