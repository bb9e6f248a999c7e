/* ranges.c - sets of rows as sorted, disjoint ranges within files, and their division
 * among ranks. Pure arithmetic; a peri_ranges_t belongs to one thread.
 */
#include "core/table/table.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/util.h"

void peri_ranges_free(peri_ranges_t *r)
{
    free(r->v);
    *r = (peri_ranges_t){0};
}

void peri_ranges_push(peri_ranges_t *r, uint32_t file, peri_frow_t row0, peri_frow_t row1)
{
    if (row0 >= row1) return;
    peri_range_t *last = r->n ? &r->v[r->n - 1] : NULL;
    assert(!last || file > last->file || (file == last->file && row0 >= last->row0));
    if (last && last->file == file && row0 <= last->row1) {
        if (row1 > last->row1) last->row1 = row1;
        return;
    }
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 16;
        r->v = peri_xrealloc(r->v, r->cap, sizeof(*r->v));
    }
    r->v[r->n++] = (peri_range_t){.file = file, .row0 = row0, .row1 = row1};
}

void peri_ranges_all(peri_ranges_t *r, const peri_table_t *t)
{
    for (size_t i = 0; i < t->nfiles; i++)
        peri_ranges_push(r, (uint32_t)i, 0, t->files[i].rows);
}

uint64_t peri_ranges_rows(const peri_ranges_t *r)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < r->n; i++) rows += r->v[i].row1 - r->v[i].row0;
    return rows;
}

void peri_ranges_intersect(const peri_ranges_t *a, const peri_ranges_t *b,
                           peri_ranges_t *out)
{
    size_t ia = 0, ib = 0;
    while (ia < a->n && ib < b->n) {
        const peri_range_t *x = &a->v[ia], *y = &b->v[ib];
        if (x->file != y->file) {
            if (x->file < y->file)
                ia++;
            else
                ib++;
            continue;
        }
        peri_ranges_push(out, x->file, x->row0 > y->row0 ? x->row0 : y->row0,
                         x->row1 < y->row1 ? x->row1 : y->row1);
        if (x->row1 < y->row1)
            ia++;
        else
            ib++;
    }
}

/* A place between two rows, as a file and a row in it. */
typedef struct {
    uint32_t file;
    peri_frow_t row;
} cut_t;

/* The cut nearest to where `weight` rows lie before it, at a multiple of align. Rounding
 * does not look at the ranges, so that two ranges in one chunk stay on one side; it keeps
 * the order of cuts, so that shares stay disjoint. */
static cut_t cut_at(const peri_ranges_t *all, uint64_t weight, uint64_t align)
{
    if (weight == 0) return (cut_t){0, 0};
    for (size_t i = 0; i < all->n; i++) {
        const peri_range_t *r = &all->v[i];
        uint64_t n = r->row1 - r->row0;
        if (weight >= n) {
            weight -= n;
            continue;
        }
        peri_frow_t row = r->row0 + weight, below = row - row % align;
        bool up = row - below > align / 2 && below <= UINT64_MAX - align;
        return (cut_t){.file = r->file, .row = up ? below + align : below};
    }
    return (cut_t){.file = UINT32_MAX, .row = UINT64_MAX};
}

static peri_frow_t clamp_to(cut_t cut, const peri_range_t *r)
{
    if (cut.file != r->file) return cut.file < r->file ? r->row0 : r->row1;
    if (cut.row < r->row0) return r->row0;
    return cut.row > r->row1 ? r->row1 : cut.row;
}

void peri_ranges_cut(const peri_ranges_t *all, uint64_t align, uint64_t from, uint64_t to,
                     peri_ranges_t *out)
{
    if (align == 0) align = 1;
    /* The same number gives the same cut, whether as an end or as a beginning. */
    cut_t a = cut_at(all, from, align), b = cut_at(all, to, align);
    for (size_t i = 0; i < all->n; i++) {
        const peri_range_t *x = &all->v[i];
        peri_ranges_push(out, x->file, clamp_to(a, x), clamp_to(b, x));
    }
}

void peri_ranges_share(const peri_ranges_t *all, uint64_t align, int rank, int nranks,
                       peri_ranges_t *out)
{
    assert(nranks > 0 && rank >= 0 && rank < nranks);
    unsigned __int128 rows = peri_ranges_rows(all);
    unsigned r = (unsigned)rank, n = (unsigned)nranks;
    uint64_t to = r + 1 < n ? (uint64_t)(rows * (r + 1) / n) : UINT64_MAX;
    peri_ranges_cut(all, align, (uint64_t)(rows * r / n), to, out);
}

void peri_ranges_merge(const peri_ranges_t *a, const peri_ranges_t *b, peri_ranges_t *out)
{
    size_t ia = 0, ib = 0;
    while (ia < a->n || ib < b->n) {
        const peri_range_t *x = ia < a->n ? &a->v[ia] : NULL;
        const peri_range_t *y = ib < b->n ? &b->v[ib] : NULL;
        bool first =
            x && (!y || x->file < y->file || (x->file == y->file && x->row0 < y->row0));
        const peri_range_t *r = first ? x : y;
        peri_ranges_push(out, r->file, r->row0, r->row1);
        if (first)
            ia++;
        else
            ib++;
    }
}
