/* prune.c - which rows may satisfy the conditions of a query.
 *
 * Every condition gives ranges of rows for each file; their intersection is what has to
 * be read. Where nothing is known about a condition all rows stay. Cheap conditions come
 * first, so that a file that is out by its name costs no look into the index.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/index/index_private.h"

typedef enum { ON_SNAPNUM, ON_FILE, ON_ROW, ON_IDX, ON_COLUMN } target_t;

typedef struct {
    const peri_pred_t *pred;
    target_t target;
    const peri_column_t *column;
    size_t icolumn;
    uint32_t component;
    bool zones;  /* the column's type can have zones */
    bool joint;  /* pred[1] and pred[2] are of the column's other components */
    size_t hint; /* where its dataset was in the last file's entry */
} cond_t;

typedef struct {
    const peri_index_t *index;
    const peri_table_t *table;
    peri_zone_t *zones; /* buffer */
    uint64_t nzones;
} prune_t;

/* ---- conditions ---- */

/* Do stored numbers compare with constants as the column's values do? Not those of dates,
 * times and decimals. */
static bool zones_are_values(const peri_column_t *c)
{
    return !c->sql_type || !*c->sql_type || strcmp(c->sql_type, "HUGEINT") == 0 ||
           strcmp(c->sql_type, "UHUGEINT") == 0;
}

/* false: it cannot prune anything. */
static bool resolve(const peri_table_t *t, const peri_pred_t *p, cond_t *c)
{
    *c = (cond_t){.pred = p, .target = ON_COLUMN};
    c->column = peri_table_column(t, p->column);
    if (c->column == NULL) {
        if (strcasecmp(p->column, "snapnum") == 0 && t->has_snapnum)
            c->target = ON_SNAPNUM;
        else if (strcasecmp(p->column, "file") == 0)
            c->target = ON_FILE;
        else if (strcasecmp(p->column, "row") == 0)
            c->target = ON_ROW;
        else if (strcasecmp(p->column, "idx") == 0)
            c->target = ON_IDX;
        else
            return false;
        return p->component < 0;
    }
    const peri_column_t *col = c->column;
    c->icolumn = (size_t)(col - t->columns);
    c->zones = peri_zone_type_ok(col->type) && zones_are_values(col);
    if (col->width > 1) {
        if (p->component >= 0)
            c->component = (uint32_t)p->component;
        else
            c->zones = false; /* a whole vector compared */
    } else {
        if (col->component >= 0) c->component = (uint32_t)col->component;
        if (p->component >= 0) c->zones = false;
    }
    return true;
}

/* Do three conditions on the components of one column follow from here? */
static bool is_joint(const peri_table_t *t, const peri_pred_t *p, size_t n)
{
    const peri_column_t *column = peri_table_column(t, p->column);
    if (!p->joint || n < 3 || column == NULL || column->width != 3) return false;
    for (int d = 0; d < 3; d++)
        if (p[d].component != d || strcasecmp(p[d].column, p->column) != 0) return false;
    return true;
}

static int compare_conds(const void *a, const void *b)
{
    const cond_t *ca = a, *cb = b;
    return (int)ca->target - (int)cb->target;
}

/* ---- virtual columns row and idx ---- */

typedef struct {
    uint64_t row0, row1;
} span_t;

static uint64_t clamp_row(__int128 r, uint64_t rows)
{
    return r < 0 ? 0 : r > (__int128)rows ? rows : (uint64_t)r;
}

/* The rows of [0, rows) with "first + row op constant"; false if the constant is not a
 * number that compares exactly with a row. */
static bool row_span(peri_op_t op, const peri_const_t *c, uint64_t first, uint64_t rows,
                     span_t *out)
{
    __int128 below, above; /* the nearest integers <= and >= the constant */
    if (c->kind == PERI_CONST_INT) {
        below = above = c->i;
    } else if (c->kind == PERI_CONST_REAL && fabs(c->d) < 9007199254740992.0) {
        below = (__int128)floor(c->d);
        above = (__int128)ceil(c->d);
    } else {
        return false;
    }
    /* Beyond the table's rows the exact value does not matter, but +1 must not overflow.
     */
    const __int128 far = (__int128)1 << 65;
    if (below > far) below = above = far;
    if (above < -far) below = above = -far;
    below -= first;
    above -= first;
    __int128 from = 0, to = rows;
    switch (op) {
    case PERI_OP_LT:
        to = above;
        break;
    case PERI_OP_LE:
        to = below + 1;
        break;
    case PERI_OP_GE:
        from = above;
        break;
    case PERI_OP_GT:
        from = below + 1;
        break;
    default:
        from = above;
        to = below + 1;
    }
    *out = (span_t){clamp_row(from, rows), clamp_row(to, rows)};
    return true;
}

static int compare_spans(const void *a, const void *b)
{
    const span_t *x = a, *y = b;
    return (x->row0 > y->row0) - (x->row0 < y->row0);
}

static bool row_ranges(const cond_t *c, uint32_t ifile, uint64_t first, uint64_t rows,
                       peri_ranges_t *out)
{
    size_t n = c->pred->nvalues;
    span_t *spans = peri_xcalloc(n, sizeof *spans);
    bool known = n > 0;
    for (size_t i = 0; i < n && known; i++)
        known = row_span(c->pred->op, &c->pred->values[i], first, rows, &spans[i]);
    if (known) {
        qsort(spans, n, sizeof *spans, compare_spans);
        for (size_t i = 0; i < n; i++)
            peri_ranges_push(out, ifile, spans[i].row0, spans[i].row1);
    }
    free(spans);
    return known;
}

/* ---- columns ---- */

/* Zones of the condition's component, or NULL. */
static const peri_zone_t *load_zones(prune_t *p, cond_t *c, const peri_file_t *f,
                                     const peri_idxset_t **set, peri_type_t *type)
{
    if (p->index == NULL || !c->zones || f->at == PERI_AT_AWAY) return NULL;
    const peri_idxfile_t *e;
    const peri_index_t *x =
        peri_index_entry(p->index, f->path, f->size, f->mtime_ns, f->inode, &e);
    if (x == NULL) return NULL;
    const peri_idxset_t *s = peri_index_find_set(x, e, c->column->dataset, &c->hint);
    if (s == NULL || s->rows != f->rows) return NULL;
    const peri_idxfield_t *fl = peri_index_find_field(x, s, c->column->field);
    if (fl == NULL || c->component >= fl->width || fl->type != (uint32_t)c->column->type)
        return NULL;
    uint64_t nzones = peri_idxset_nzones(s->rows, s->zone_rows);
    if (nzones * fl->width > p->nzones) {
        p->nzones = nzones * fl->width;
        p->zones = peri_xrealloc(p->zones, p->nzones, sizeof *p->zones);
    }
    if (peri_index_read_zones(x, s, fl, p->zones, NULL)) return NULL;
    *set = s;
    *type = (peri_type_t)fl->type;
    return p->zones + c->component * nzones;
}

static bool column_ranges(prune_t *p, cond_t *c, uint32_t ifile, peri_ranges_t *out)
{
    const peri_file_t *f = &p->table->files[ifile];
    if (f->has && !f->has[c->icolumn]) return true; /* NULL in every row: never true */
    const peri_idxset_t *s;
    peri_type_t type;
    const peri_zone_t *zones = load_zones(p, c, f, &s, &type);
    if (zones == NULL) return false;
    uint64_t nzones = peri_idxset_nzones(s->rows, s->zone_rows);
    for (uint64_t z = 0; z < nzones; z++) {
        if (!peri_zone_may_match(&zones[z], type, c->pred)) continue;
        if (c->joint && !peri_zones_may_match_joint(&zones[z], nzones, type, c->pred))
            continue;
        uint64_t row0 = z * s->zone_rows;
        uint64_t n = s->rows - row0 < s->zone_rows ? s->rows - row0 : s->zone_rows;
        peri_ranges_push(out, ifile, row0, row0 + n);
    }
    return true;
}

/* The rows of one file that one condition leaves; false = all of them. */
static bool cond_ranges(prune_t *p, cond_t *c, uint32_t ifile, peri_ranges_t *out)
{
    const peri_file_t *f = &p->table->files[ifile];
    switch (c->target) {
    case ON_SNAPNUM:
        return !peri_pred_may_match_int(c->pred, f->snapnum, f->snapnum);
    case ON_FILE:
        return !peri_pred_may_match_str(c->pred, f->name);
    case ON_ROW:
        return row_ranges(c, ifile, 0, f->rows, out);
    case ON_IDX:
        /* Unknown is NULL in every row: never true. */
        return f->set_row0 == PERI_ROW_UNKNOWN ||
               row_ranges(c, ifile, f->set_row0, f->rows, out);
    default:
        return column_ranges(p, c, ifile, out);
    }
}

void peri_index_prune(const peri_index_t *x, const peri_table_t *t,
                      const peri_pred_t *preds, size_t npreds, peri_ranges_t *out)
{
    size_t n = 0;
    prune_t p = {.index = x, .table = t};
    cond_t *conds = peri_xcalloc(npreds, sizeof *conds);
    peri_ranges_t kept = {0}, some = {0}, both = {0};
    for (size_t i = 0; i < npreds; i++) {
        if (preds[i].op == PERI_OP_NEVER) goto out;
        if (!resolve(t, &preds[i], &conds[n])) continue;
        conds[n++].joint = is_joint(t, &preds[i], npreds - i);
    }
    qsort(conds, n, sizeof *conds, compare_conds);

    for (uint32_t f = 0; f < t->nfiles; f++) {
        kept.n = 0;
        peri_ranges_push(&kept, f, 0, t->files[f].rows);
        for (size_t i = 0; i < n && kept.n > 0; i++) {
            some.n = both.n = 0;
            if (!cond_ranges(&p, &conds[i], f, &some)) continue;
            peri_ranges_intersect(&kept, &some, &both);
            peri_ranges_t swap = kept;
            kept = both;
            both = swap;
        }
        for (size_t i = 0; i < kept.n; i++)
            peri_ranges_push(out, f, kept.v[i].row0, kept.v[i].row1);
    }
out:
    peri_ranges_free(&kept);
    peri_ranges_free(&some);
    peri_ranges_free(&both);
    free(p.zones);
    free(conds);
}
