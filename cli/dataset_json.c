/* dataset_json.c - see dataset_json.h. The portal runs it in a process of its own. */
#include "cli/dataset_json.h"

#include <math.h>
#include <string.h>

#include "core/base/util.h"
#include "core/index/bounds.h"

/* More of a dataset than this is cut, with a note. */
#define MAX_SHOWN_COLUMNS 20000
#define SAMPLES           4 /* queries that we make up */

static void put_text(json_t *o, const char *key, const char *text)
{
    if (text && *text) json_object_set_new(o, key, json_string(text));
}

static json_t *texts_json(const char *const *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(v[i]));
    return list;
}

static json_t *real_json(double v)
{
    return isfinite(v) ? json_real(v)
                       : json_string(isnan(v) ? "nan"
                                     : v > 0  ? "inf"
                                              : "-inf");
}

static json_t *bound_json(const peri_bounds_t *b, bool max)
{
    const uint64_t u = max ? b->max.u : b->min.u;
    switch (b->kind) {
    case PERI_BOUNDS_INT:
        return json_integer(max ? b->max.i : b->min.i);
    case PERI_BOUNDS_UINT:
        return u > INT64_MAX ? json_real((double)u) : json_integer((json_int_t)u);
    case PERI_BOUNDS_REAL:
        return real_json(max ? b->max.d : b->min.d);
    default:
        return json_null();
    }
}

static json_t *column_json(const peri_table_t *t, size_t i, const peri_index_t *x)
{
    const peri_column_t *c = &t->columns[i];
    peri_bounds_t b;
    json_t *j = json_object();
    char *type = c->width == 1
                     ? peri_xstrdup(peri_type_name(c->type))
                     : peri_xasprintf("%s[%u]", peri_type_name(c->type), c->width);
    put_text(j, "name", c->name);
    put_text(j, "type", type);
    put_text(j, "unit", c->unit);
    put_text(j, "description", c->description);
    put_text(j, "ucd", c->ucd);
    free(type);
    if (peri_index_bounds(x, t, i, &b))
        json_object_set_new(j, "statistics",
                            json_pack("{s:o, s:o, s:I, s:I}", "min",
                                      bound_json(&b, false), "max", bound_json(&b, true),
                                      "nans", (json_int_t)b.nans, "nulls",
                                      (json_int_t)b.nulls));
    return j;
}

static void put_table(json_t *j, const peri_table_t *t, size_t *left)
{
    uint64_t bytes = 0;
    json_t *columns = json_array();
    peri_index_t *x = peri_index_open_table(t);
    for (size_t i = 0; i < t->nfiles; i++) bytes += t->files[i].size;
    for (size_t i = 0; i < t->ncolumns && *left; i++, (*left)--)
        json_array_append_new(columns, column_json(t, i, x));
    json_object_set_new(j, "indexed", json_boolean(x != NULL));
    peri_index_unref(x);
    json_object_set_new(j, "rows", json_integer((json_int_t)t->rows));
    json_object_set_new(j, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(j, "files", json_integer((json_int_t)t->nfiles));
    json_object_set_new(j, "columns", columns);
}

static json_t *tables_json(const peri_dataset_t *d)
{
    json_t *list = json_array();
    size_t left = MAX_SHOWN_COLUMNS;
    for (size_t i = 0; i < d->ntables; i++) {
        const peri_tablespec_t *spec = &d->tables[i];
        peri_err_t err = {0};
        json_t *j = json_object();
        peri_table_t *t = peri_dataset_table_here(d, spec->name, true, &err);
        /* A format's table that this data does not have. */
        const bool absent =
            spec->adapter && (t ? !t->ncolumns : err.code == PERI_ENOTFOUND);
        put_text(j, "name", spec->name);
        put_text(j, "description", spec->description);
        if (t)
            put_table(j, t, &left);
        else
            put_text(j, "error", err.text);
        peri_table_unref(t);
        if (absent)
            json_decref(j);
        else
            json_array_append_new(list, j);
    }
    return list;
}

/* Those of the descriptor, else some that show what there is. */
static json_t *queries_json(const peri_dataset_t *d, const json_t *tables)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->nqueries; i++) {
        json_t *q = json_object();
        put_text(q, "title", d->queries[i].title);
        put_text(q, "sql", d->queries[i].sql);
        json_array_append_new(list, q);
    }
    for (size_t i = 0; i < json_array_size(tables) && json_array_size(list) < SAMPLES;
         i++) {
        const char *table =
            json_string_value(json_object_get(json_array_get(tables, i), "name"));
        if (d->nqueries || !table) break;
        json_array_append_new(
            list,
            json_pack("{s:o, s:o}", "title", json_sprintf("The first rows of %s", table),
                      "sql",
                      json_sprintf("SELECT * FROM %s.%s LIMIT 10", d->name, table)));
    }
    return list;
}

json_t *peri_dataset_json(const peri_dataset_t *d)
{
    json_t *j = json_object(), *folders = json_array();
    put_text(j, "name", d->name);
    put_text(j, "title", d->title);
    put_text(j, "description", d->description);
    put_text(j, "licence", d->licence);
    put_text(j, "citation", d->citation);
    put_text(j, "contact", d->contact);
    put_text(j, "folder", d->folder);
    if (*d->root) json_array_append_new(folders, json_string(d->root));
    /* A job finds it by the name that the descriptor has for it. */
    if (*d->root && strcmp(d->root, d->root_said) != 0)
        json_array_append_new(folders, json_string(d->root_said));
    for (size_t i = 0; i < d->nstorages; i++)
        json_array_append_new(folders, json_string(d->storages[i].folder));
    json_object_set_new(j, "tags", texts_json(d->tags, d->ntags));
    json_object_set_new(j, "private", json_boolean(d->is_private));
    json_object_set_new(j, "teams", texts_json(d->teams, d->nteams));
    json_object_set_new(j, "reads", folders);
    json_t *tables = tables_json(d);
    json_object_set_new(j, "queries", queries_json(d, tables));
    json_object_set_new(j, "tables", tables);
    return j;
}
