/* bounds.c - see bounds.h: the zones of all files of a column, joined. */
#include "core/index/bounds.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/index/index_private.h"

static int kind_of(peri_type_t type)
{
    switch (type) {
    case PERI_T_I8:
    case PERI_T_I16:
    case PERI_T_I32:
    case PERI_T_I64:
        return PERI_BOUNDS_INT;
    case PERI_T_F32:
    case PERI_T_F64:
        return PERI_BOUNDS_REAL;
    default:
        return PERI_BOUNDS_UINT;
    }
}

/* The bits of a zone are those of the union. */
static bool is_less(int kind, uint64_t a, uint64_t b)
{
    double x, y;
    if (kind == PERI_BOUNDS_INT) return (int64_t)a < (int64_t)b;
    if (kind == PERI_BOUNDS_UINT) return a < b;
    memcpy(&x, &a, sizeof(x));
    memcpy(&y, &b, sizeof(y));
    return x < y;
}

static void join(peri_bounds_t *b, int kind, const peri_zone_t *z)
{
    b->nans += z->nans;
    if (is_less(kind, z->max, z->min)) return; /* only NaN */
    if (!b->kind || is_less(kind, z->min, b->min.u)) b->min.u = z->min;
    if (!b->kind || is_less(kind, b->max.u, z->max)) b->max.u = z->max;
    b->kind = kind;
}

static bool join_file(const peri_index_t *x, const peri_file_t *f, const peri_column_t *c,
                      size_t *hint, peri_bounds_t *out)
{
    const peri_idxfile_t *e;
    const uint32_t component = c->component < 0 ? 0 : (uint32_t)c->component;
    if (f->at == PERI_AT_AWAY) return false;
    const peri_index_t *own =
        peri_index_entry(x, f->path, f->size, f->mtime_ns, f->inode, &e);
    const peri_idxset_t *s = own ? peri_index_find_set(own, e, c->dataset, hint) : NULL;
    if (!s || s->rows != f->rows) return false;
    const peri_idxfield_t *fl = peri_index_find_field(own, s, c->field);
    if (!fl || component >= fl->width || fl->type != (uint32_t)c->type) return false;
    const uint64_t n = peri_idxset_nzones(s->rows, s->zone_rows);
    peri_zone_t *zones = peri_xcalloc(n * fl->width + 1, sizeof(*zones));
    const bool ok = peri_index_read_zones(own, s, fl, zones, NULL) == 0;
    for (uint64_t i = 0; ok && i < n; i++)
        join(out, kind_of(c->type), &zones[component * n + i]);
    free(zones);
    return ok;
}

bool peri_index_bounds(const peri_index_t *x, const peri_table_t *t, size_t column,
                       peri_bounds_t *out)
{
    const peri_column_t *c = &t->columns[column];
    size_t hint = 0;
    *out = (peri_bounds_t){0};
    if (!x || c->width != 1 || !peri_zone_type_ok(c->type)) return false;
    for (size_t i = 0; i < t->nfiles; i++) {
        const peri_file_t *f = &t->files[i];
        if (f->rows == 0) continue;
        if (f->has && !f->has[column])
            out->nulls += f->rows;
        else if (!join_file(x, f, c, &hint, out))
            return false;
    }
    return true;
}
