/* dataset_table.c - tables of a dataset by name: their specification, and resolved. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/table/dataset.h"

static int no_such_table(const peri_dataset_t *d, const char *table, peri_err_t *err)
{
    const char **names = peri_xcalloc(d->ntables, sizeof(*names));
    for (size_t i = 0; i < d->ntables; i++) names[i] = d->tables[i].name;
    const char *near = peri_did_you_mean(table, names, d->ntables);
    peri_buf_t list;
    peri_buf_init(&list, 300);
    for (size_t i = 0; !near && i < d->ntables; i++)
        peri_buf_printf(&list, "%s%s", i ? ", " : " It has ", names[i]);
    peri_err_set(err, PERI_ENOTFOUND, "dataset %s has no table %s%s%s%s%s%s", d->name,
                 table, near ? "; did you mean " : ".", near ? near : "", near ? "?" : "",
                 list.len ? list.data : "",
                 list.failed ? ", ..."
                 : list.len  ? "."
                             : "");
    peri_buf_free(&list);
    free(names);
    return -1;
}

int peri_dataset_spec(const peri_dataset_t *d, const char *table, bool allow_missing,
                      peri_tablespec_t *spec, char **name, peri_err_t *err)
{
    size_t i = 0;
    while (i < d->ntables && strcasecmp(d->tables[i].name, table) != 0) i++;
    if (i == d->ntables) return no_such_table(d, table, err);
    *spec = d->tables[i];
    *name = peri_xasprintf("%s.%s", d->name, spec->name);
    spec->name = *name;
    spec->allow_missing |= allow_missing;
    return 0;
}

bool peri_dataset_on_nodes(const peri_dataset_t *d)
{
    for (size_t i = 0; i < d->nstorages; i++)
        if (d->storages[i].on_nodes) return true;
    return false;
}

static peri_table_t *resolve_table(const peri_dataset_t *d, const char *table,
                                   bool allow_missing, bool partial, peri_err_t *err)
{
    peri_tablespec_t spec;
    char *name;
    if (peri_dataset_spec(d, table, allow_missing, &spec, &name, err) < 0) return NULL;
    spec.partial = partial;
    peri_table_t *t = peri_table_resolve(&spec, err);
    free(name);
    return t;
}

peri_table_t *peri_dataset_table(const peri_dataset_t *d, const char *table,
                                 bool allow_missing, peri_err_t *err)
{
    return resolve_table(d, table, allow_missing, false, err);
}

peri_table_t *peri_dataset_table_here(const peri_dataset_t *d, const char *table,
                                      bool allow_missing, peri_err_t *err)
{
    return resolve_table(d, table, allow_missing, peri_dataset_on_nodes(d), err);
}
