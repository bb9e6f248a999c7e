/* own.c - tables of schemas: the user's own, teams', those that others share.
 *
 * Schemas are read once a query. What `a` means in `a.t`: mydb is always the user's own
 * tables; else a dataset called so counts before a schema. Such a table is replaced by
 * others at any time; the files that a query has met are held until it ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/mydb/read.h"
#include "core/query/private.h"

#define PLACES    3  /* that a sentence names */
#define LOOKED_AT 50 /* datasets, for it */

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
            "there is no dataset called %s, and no schema. \"perigee dataset ls\" "
            "shows the datasets, \"perigee table ls\" your tables and those that "
            "others share with you",
            name);
    free(names);
    peri_catalog_free_names(datasets, nd);
    return -1;
}

static bool has_table(const char *dataset, const char *table)
{
    peri_dataset_t *d = peri_catalog_find(dataset, NULL);
    bool found = false;
    for (size_t i = 0; d && i < d->ntables && !found; i++)
        found = !strcasecmp(d->tables[i].name, table);
    peri_dataset_free(d);
    return found;
}

/* "mydb.groups, tng.groups": where there is a table of this name; how many are said. */
static size_t places_of(const peri_schemas_t *all, const char *table, char *out,
                        size_t size)
{
    char name[PERI_MYDB_NAME], **datasets;
    size_t nd, n = 0, used = 0;
    const bool own = peri_mydb_name(table, name, NULL) == 0;
    *out = '\0';
    for (size_t i = 0; own && i < peri_schemas_count(all) && n < PLACES; i++) {
        const peri_schema_t *s = peri_schemas_at(all, i);
        bool again = false; /* a folder that has several names */
        for (size_t k = 0; k < i; k++)
            again |= !strcmp(peri_schemas_at(all, k)->folder, s->folder);
        if (!again && peri_mydb_kind(s, name) &&
            used + strlen(s->name) + strlen(name) + 4 < size)
            used +=
                (size_t)sprintf(out + used, "%s%s.%s", n++ ? ", " : "", s->name, name);
    }
    (void)peri_catalog_list(&datasets, &nd, NULL);
    for (size_t i = 0; i < nd && i < LOOKED_AT && n < PLACES; i++)
        if (used + strlen(datasets[i]) + strlen(table) + 4 < size &&
            has_table(datasets[i], table))
            used += (size_t)sprintf(out + used, "%s%s.%s", n++ ? ", " : "", datasets[i],
                                    table);
    peri_catalog_free_names(datasets, nd);
    return n;
}

int peri_query_no_table(peri_query_t *q, const char *table, peri_err_t *err)
{
    char places[256];
    const peri_schemas_t *all = schemas(q, err);
    if (!all) return -1;
    if (places_of(all, table, places, sizeof(places)))
        return peri_err_set(err, PERI_ENOTFOUND,
                            "no table \"%s\" without a dataset; did you mean %s?", table,
                            places);
    return peri_err_set(
        err, PERI_ENOTFOUND,
        "no table \"%s\": write dataset.table (perigee dataset ls shows the datasets) "
        "or "
        "mydb.table, choose one with --context DATASET, or name a file, as in FROM "
        "'file.hdf5:/Group'",
        table);
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
