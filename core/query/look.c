/* look.c - see look.h. */
#include "core/query/look.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/query/private.h"

static void look_at_type(duckdb_logical_type type, peri_lookcol_t *c)
{
    c->type = duckdb_get_type_id(type);
    c->width = 1;
    if (c->type == DUCKDB_TYPE_ARRAY) {
        duckdb_logical_type child = duckdb_array_type_child_type(type);
        c->type = duckdb_get_type_id(child);
        c->width = (uint32_t)duckdb_array_type_array_size(type);
        duckdb_destroy_logical_type(&child);
    } else if (c->type == DUCKDB_TYPE_LIST || c->type == DUCKDB_TYPE_STRUCT) {
        c->width = 0;
    }
}

/* A file that the relation has rows of, or any of its files if it has no rows, that this
 * process can open. */
static const peri_file_t *some_file(const rel_t *r)
{
    for (size_t i = 0; !r->kept.n && i < r->table->nfiles; i++)
        if (r->table->files[i].at != PERI_AT_AWAY) return &r->table->files[i];
    for (size_t i = 0; i < r->kept.n; i++) {
        const peri_file_t *f = &r->table->files[r->kept.v[i].file];
        if (f->at != PERI_AT_AWAY) return f;
    }
    return NULL;
}

static void look_at_origin(const peri_query_t *q, size_t i, peri_arena_t *arena,
                           peri_lookcol_t *c)
{
    const peri_origin_t *o = &q->plan->origins[i];
    c->unit = c->dataset = "";
    if (o->relation < 0) return;
    const rel_t *r = &q->rels[o->relation];
    if (o->column < 0 || (size_t)o->column >= r->table->ncolumns) return;
    const peri_column_t *from = &r->table->columns[o->column];
    const peri_file_t *f = some_file(r);
    const char *root = f ? peri_file_root(r->table, f) : NULL;
    c->placed = true;
    c->unit = peri_arena_strdup(arena, from->unit);
    c->dataset = peri_arena_strdup(arena, from->dataset);
    c->file = f ? peri_arena_strdup(arena, f->path) : NULL;
    c->root = root ? peri_arena_strdup(arena, root) : NULL;
    c->box_size = r->table->box_size;
}

static int by_number(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void look_at_snapshots(const peri_query_t *q, peri_arena_t *arena,
                              peri_look_t *out)
{
    size_t max = 0;
    const bool all = peri_query_rows_all(q) == 0;
    for (size_t i = 0; i < q->nrels; i++)
        max += all ? q->rels[i].table->nfiles : q->rels[i].kept.n;
    out->snapnums = peri_arena_calloc(arena, max + 1, sizeof(*out->snapnums));
    for (size_t i = 0; i < q->nrels; i++) {
        const rel_t *r = &q->rels[i];
        if (!r->table->has_snapnum) continue;
        out->has_snapnum = true;
        for (size_t k = 0; k < (all ? r->table->nfiles : r->kept.n); k++)
            out->snapnums[out->nsnapnums++] =
                r->table->files[all ? k : r->kept.v[k].file].snapnum;
    }
    qsort(out->snapnums, out->nsnapnums, sizeof(*out->snapnums), by_number);
    size_t n = 0;
    for (size_t i = 0; i < out->nsnapnums; i++)
        if (!n || out->snapnums[n - 1] != out->snapnums[i])
            out->snapnums[n++] = out->snapnums[i];
    out->nsnapnums = n;
}

int peri_query_look(peri_query_t *q, peri_arena_t *arena, peri_look_t *out,
                    peri_err_t *err)
{
    duckdb_logical_type *types;
    char **names;
    size_t n;
    memset(out, 0, sizeof(*out));
    if (peri_session_describe(q->session, q->stages[q->nstages - 1].sql, &types, &names,
                              &n, err))
        return -1;
    out->columns = peri_arena_calloc(arena, n + 1, sizeof(*out->columns));
    out->ncolumns = n < q->plan->ncolumns ? n : q->plan->ncolumns;
    for (size_t i = 0; i < n; i++) {
        if (i < out->ncolumns) {
            out->columns[i].name = peri_arena_strdup(arena, q->plan->names[i]);
            look_at_type(types[i], &out->columns[i]);
            look_at_origin(q, i, arena, &out->columns[i]);
        }
        duckdb_destroy_logical_type(&types[i]);
        free(names[i]);
    }
    free(types);
    free(names);
    out->rows = peri_query_rows_all(q);
    out->sources = peri_query_sources(q, arena, &out->nsources);
    look_at_snapshots(q, arena, out);
    return 0;
}
