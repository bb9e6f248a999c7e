/* wanted.c - which fields of which datasets the index of a table holds.
 *
 * SQL columns map to (dataset, field) pairs: several columns may read components of one
 * vector, all columns of a compound table read one dataset. Zones belong to the pair.
 */
#include "core/index/index_private.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/util.h"

static bool column_has_zones(const peri_column_t *c)
{
    return peri_zone_type_ok(c->type) &&
           (c->component >= 0 || c->width <= PERI_IDX_MAX_WIDTH);
}

static int compare_columns(const void *a, const void *b, void *arg)
{
    const peri_table_t *t = arg;
    const peri_column_t *ca = &t->columns[*(const size_t *)a];
    const peri_column_t *cb = &t->columns[*(const size_t *)b];
    int c = strcmp(ca->dataset, cb->dataset);
    if (c == 0) c = strcmp(ca->field, cb->field);
    return c ? c : (ca > cb) - (ca < cb);
}

void peri_wanted_init(peri_wanted_t *w, const peri_table_t *t)
{
    w->arena = peri_arena_new();
    w->nsets = 0;
    w->sets = peri_arena_calloc(w->arena, t->ncolumns + 1, sizeof *w->sets);
    peri_wantfield_t *fields =
        peri_arena_calloc(w->arena, t->ncolumns + 1, sizeof *fields);
    size_t *order = peri_arena_calloc(w->arena, t->ncolumns + 1, sizeof *order);
    for (size_t i = 0; i < t->ncolumns; i++) order[i] = i;
    qsort_r(order, t->ncolumns, sizeof *order, compare_columns, (void *)t);

    peri_wantset_t *set = NULL;
    size_t nfields = 0;
    for (size_t i = 0; i < t->ncolumns; i++) {
        const peri_column_t *c = &t->columns[order[i]];
        if (set == NULL || strcmp(set->dataset, c->dataset) != 0) {
            set = &w->sets[w->nsets++];
            set->dataset = c->dataset;
            set->fields = &fields[nfields];
        }
        if (set->nfields == 0 || strcmp(fields[nfields - 1].field, c->field) != 0) {
            set->nfields++;
            fields[nfields].field = c->field;
            fields[nfields].columns = &order[i];
            nfields++;
        }
        fields[nfields - 1].ncolumns++;
        fields[nfields - 1].zones |= column_has_zones(c);
    }
}

void peri_wanted_free(peri_wanted_t *w)
{
    peri_arena_free(w->arena);
    memset(w, 0, sizeof *w);
}

bool peri_wanted_has_field(const peri_wantfield_t *wf, const peri_file_t *f)
{
    if (f->has == NULL) return true;
    for (size_t i = 0; i < wf->ncolumns; i++)
        if (f->has[wf->columns[i]]) return true;
    return false;
}

bool peri_wanted_has_set(const peri_wantset_t *s, const peri_file_t *f)
{
    if (f->rows == 0) return false;
    for (size_t i = 0; i < s->nfields; i++)
        if (peri_wanted_has_field(&s->fields[i], f)) return true;
    return false;
}

bool peri_wanted_is_fresh(const peri_wanted_t *w, const peri_index_t *x,
                          const peri_file_t *f)
{
    const peri_idxfile_t *e;
    x = peri_index_entry(x, f->path, f->size, f->mtime_ns, f->inode, &e);
    if (x == NULL) return false;
    size_t hint = 0;
    for (size_t i = 0; i < w->nsets; i++) {
        const peri_wantset_t *ws = &w->sets[i];
        if (!peri_wanted_has_set(ws, f)) continue;
        const peri_idxset_t *s = peri_index_find_set(x, e, ws->dataset, &hint);
        if (s == NULL || s->rows != f->rows) return false;
        hint++;
        for (size_t k = 0; k < ws->nfields; k++) {
            const peri_wantfield_t *wf = &ws->fields[k];
            if (wf->zones && peri_wanted_has_field(wf, f) &&
                peri_index_find_field(x, s, wf->field) == NULL)
                return false;
        }
    }
    return true;
}

size_t peri_index_fresh_files(const peri_index_t *x, const peri_table_t *t)
{
    if (x == NULL) return 0;
    peri_wanted_t w;
    peri_wanted_init(&w, t);
    size_t n = 0;
    for (size_t i = 0; i < t->nfiles; i++) n += peri_wanted_is_fresh(&w, x, &t->files[i]);
    peri_wanted_free(&w);
    return n;
}
