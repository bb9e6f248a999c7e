/* fof_link.c - which particles of this rank, ghosts included, are linked.
 *
 * Particles are sorted into cells so small that all particles of a cell are friends. What
 * is left is to link cells that have a pair of friends. Cells are in order of their keys,
 * rows of cells one after the other; while one goes through all cells, the neighbours in
 * each neighbouring row move forwards only. So there is one pointer for each row and no
 * table, and memory is read in streams. Cells that are linked already are not looked at
 * again: direct neighbours are linked first, which connects nearly all of dense regions,
 * so that hardly any pairs of particles there are tested.
 *
 * Invariants: own particles come first in a cell. Two ghosts are never tested: their
 * owners do, with positions that are not shifted, so rounding is the same for any number
 * of ranks.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/fof_private.h"
#include "mpi/particles/sort.h"

enum { REACH = 2, MAX_ROWS = 32, FEW_PAIRS = 64 };

/* A row of cells: those whose keys are from..to more than that of the cell in question,
 * but not in skip_from..skip_to. */
typedef struct {
    int64_t from, to, skip_from, skip_to;
    size_t at; /* the first cell that is not before */
} row_t;

typedef struct {
    double length2;
    size_t n, nown;
    uint32_t *order; /* the particle at each place of the sorted ones */
    double (*x)[3];  /* sorted */
    double lo[3], scale[3];
    int64_t stride[2]; /* of keys, along the first two axes */

    size_t ncells;
    uint64_t *key;   /* [ncells + 1], the last is the largest there is */
    uint32_t *start; /* [ncells + 1] */
    uint32_t *nown_of;
    uint32_t *parent; /* trees of linked cells; a root is its own parent */
} link_t;

static int no_memory(size_t n, peri_err_t *err)
{
    return peri_err_set(err, PERI_ELIMIT,
                        "there is no memory to link %zu particles on one rank: use more "
                        "ranks, or more nodes",
                        n);
}

static int lay_grid(link_t *t, const peri_particles_t *p, double length, peri_err_t *err)
{
    /* A little less than what makes the diagonal the linking length: whatever rounding
     * does, particles of one cell are friends. */
    double side = length / sqrt(3.0) * (1 - 1e-9), cells[3];
    for (int k = 0; k < 3; k++) {
        t->lo[k] = p->region.lo[k] - p->ghost_width;
        t->scale[k] = 1 / side;
        double extent = p->region.hi[k] + p->ghost_width - t->lo[k];
        /* At least as many empty cells between rows as one reaches. */
        cells[k] = floor(extent / side) + 2 + 2 * REACH;
    }
    if (cells[0] * cells[1] * cells[2] > 0x1p62 || cells[1] * cells[2] > 0x1p52 ||
        cells[0] > 0x1p50)
        return peri_err_set(err, PERI_EINVAL,
                            "the linking length %g is too small for a region of "
                            "%g x %g x %g: check its unit",
                            length, p->region.hi[0] - p->region.lo[0],
                            p->region.hi[1] - p->region.lo[1],
                            p->region.hi[2] - p->region.lo[2]);
    t->stride[1] = (int64_t)cells[2];
    t->stride[0] = (int64_t)cells[1] * t->stride[1];
    return 0;
}

static uint64_t cell_key(const link_t *t, double x, double y, double z)
{
    const double at[3] = {x, y, z};
    int64_t cell[3];
    for (int k = 0; k < 3; k++) {
        double c = (at[k] - t->lo[k]) * t->scale[k];
        cell[k] = c > 0 ? (int64_t)c : 0;
    }
    return (uint64_t)((cell[0] + REACH) * t->stride[0] +
                      (cell[1] + REACH) * t->stride[1] + cell[2] + REACH);
}

/* Cells from the sorted entries; these become free. */
static int make_cells(link_t *t, const peri_particles_t *p, const peri_keyed_t *sorted,
                      peri_err_t *err)
{
    size_t n = t->n, ncells = 0;
    for (size_t i = 0; i < n; i++) ncells += !i || sorted[i].key != sorted[i - 1].key;
    t->ncells = ncells;
    t->key = malloc((ncells + 1) * sizeof(*t->key));
    t->start = malloc((ncells + 1) * sizeof(*t->start));
    t->nown_of = calloc(ncells + 1, sizeof(*t->nown_of));
    t->parent = malloc((ncells + 1) * sizeof(*t->parent));
    t->order = malloc((n + 1) * sizeof(*t->order));
    t->x = malloc((n + 1) * sizeof(*t->x));
    if (!t->key || !t->start || !t->nown_of || !t->parent || !t->order || !t->x)
        return no_memory(n, err);
    size_t cell = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t k = sorted[i].index;
        if (i && sorted[i].key != sorted[i - 1].key) cell++;
        if (!i || sorted[i].key != sorted[i - 1].key) {
            t->key[cell] = sorted[i].key;
            t->start[cell] = (uint32_t)i;
            t->parent[cell] = (uint32_t)cell;
        }
        t->nown_of[cell] += k < t->nown;
        t->order[i] = k;
        t->x[i][0] = p->x[k];
        t->x[i][1] = p->y[k];
        t->x[i][2] = p->z[k];
    }
    t->key[ncells] = UINT64_MAX;
    t->start[ncells] = (uint32_t)n;
    return 0;
}

static int sort_into_cells(link_t *t, const peri_particles_t *p, peri_err_t *err)
{
    size_t n = t->n;
    int rc = -1;
    peri_keyed_t *a = malloc((n + 1) * sizeof(*a)), *b = malloc((n + 1) * sizeof(*b));
    if (!a || !b) {
        no_memory(n, err);
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        a[i] = (peri_keyed_t){cell_key(t, p->x[i], p->y[i], p->z[i]), (uint32_t)i};
    peri_keyed_t *sorted = peri_keyed_sort(a, b, n);
    if (sorted == a) {
        free(b);
        b = NULL;
    } else {
        free(a);
        a = NULL;
    }
    rc = make_cells(t, p, sorted, err);
out:
    free(a);
    free(b);
    return rc;
}

/* ---- linking ---- */

static uint32_t find_root(uint32_t *parent, uint32_t c)
{
    while (parent[c] != c) {
        parent[c] = parent[parent[c]];
        c = parent[c];
    }
    return c;
}

static double distance2(const double a[3], const double b[3])
{
    double dx = a[0] - b[0], dy = a[1] - b[1], dz = a[2] - b[2];
    return dx * dx + dy * dy + dz * dz;
}

/* Whether any of a's particles is a friend of one of b's. */
static bool any_friends(const double (*a)[3], size_t na, const double (*b)[3], size_t nb,
                        double length2)
{
    for (size_t i = 0; i < na; i++)
        for (size_t j = 0; j < nb; j++)
            if (distance2(a[i], b[j]) <= length2) return true;
    return false;
}

/* The same for many: only those of a that are near to the box around b are tested. */
static bool any_friends_of_many(const double (*a)[3], size_t na, const double (*b)[3],
                                size_t nb, double length2)
{
    double lo[3], hi[3];
    memcpy(lo, b[0], sizeof(lo));
    memcpy(hi, b[0], sizeof(hi));
    for (size_t j = 1; j < nb; j++)
        for (int k = 0; k < 3; k++) {
            lo[k] = b[j][k] < lo[k] ? b[j][k] : lo[k];
            hi[k] = b[j][k] > hi[k] ? b[j][k] : hi[k];
        }
    for (size_t i = 0; i < na; i++) {
        double nearest[3];
        for (int k = 0; k < 3; k++)
            nearest[k] = a[i][k] < lo[k] ? lo[k] : a[i][k] > hi[k] ? hi[k] : a[i][k];
        if (distance2(a[i], nearest) <= length2 && any_friends(a + i, 1, b, nb, length2))
            return true;
    }
    return false;
}

static bool friends(const double (*a)[3], size_t na, const double (*b)[3], size_t nb,
                    double length2)
{
    if (!na || !nb) return false;
    return na * nb <= FEW_PAIRS ? any_friends(a, na, b, nb, length2)
                                : any_friends_of_many(a, na, b, nb, length2);
}

static bool cells_linked(const link_t *t, size_t c, size_t d)
{
    const double(*a)[3] = (const double(*)[3])(t->x + t->start[c]);
    const double(*b)[3] = (const double(*)[3])(t->x + t->start[d]);
    size_t na = t->start[c + 1] - t->start[c], nb = t->start[d + 1] - t->start[d];
    size_t own_a = t->nown_of[c], own_b = t->nown_of[d];
    return friends(a, own_a, b, nb, t->length2) ||
           friends(a + own_a, na - own_a, b, own_b, t->length2);
}

/* Cell c with those of one row; returns c's root. */
static inline uint32_t link_row(link_t *t, size_t c, uint32_t root, row_t *row)
{
    const uint64_t *key = t->key, here = key[c];
    size_t d = row->at;
    while (key[d] < here + (uint64_t)row->from) d++;
    row->at = d;
    for (; key[d] <= here + (uint64_t)row->to; d++) {
        int64_t step = (int64_t)(key[d] - here);
        if (step >= row->skip_from && step <= row->skip_to) continue;
        if (!(t->nown_of[c] | t->nown_of[d])) continue;
        uint32_t other = find_root(t->parent, (uint32_t)d);
        if (other == root || !cells_linked(t, c, d)) continue;
        uint32_t low = root < other ? root : other;
        t->parent[root] = t->parent[other] = low;
        root = low;
    }
    return root;
}

static void link_cells(link_t *t, row_t *rows, int nrows)
{
    for (size_t c = 0; c < t->ncells; c++) {
        uint32_t root = find_root(t->parent, (uint32_t)c);
        for (int r = 0; r < nrows; r++) root = link_row(t, c, root, &rows[r]);
    }
}

/* Rows of cells up to `reach` away along each axis, without those up to `skip` away. Half
 * of them: the others come to this cell. */
static int make_rows(const link_t *t, int reach, int skip, row_t *rows)
{
    int n = 0;
    for (int dx = 0; dx <= reach; dx++)
        for (int dy = dx ? -reach : 0; dy <= reach; dy++) {
            int64_t base = dx * t->stride[0] + dy * t->stride[1];
            bool own = !dx && !dy, skips = dx <= skip && abs(dy) <= skip;
            rows[n++] = (row_t){.from = own ? skip + 1 : base - reach,
                                .to = base + reach,
                                .skip_from = skips ? base - skip : 1,
                                .skip_to = skips ? base + skip : 0};
        }
    return n;
}

static void link_all(link_t *t)
{
    row_t rows[MAX_ROWS];
    link_cells(t, rows, make_rows(t, 1, 0, rows));
    link_cells(t, rows, make_rows(t, REACH, 1, rows));
}

/* Number the trees, and tell each particle its number. */
static int number_pieces(link_t *t, peri_pieces_t *pieces, peri_err_t *err)
{
    pieces->piece_of = malloc((t->n + 1) * sizeof(*pieces->piece_of));
    if (!pieces->piece_of) return no_memory(t->n, err);
    /* The root is the first cell of its tree: its number is known when others ask. */
    uint32_t *number = t->nown_of;
    for (size_t c = 0; c < t->ncells; c++) {
        uint32_t root = find_root(t->parent, (uint32_t)c);
        number[c] = root == c ? (uint32_t)pieces->npieces++ : number[root];
        for (size_t i = t->start[c]; i < t->start[c + 1]; i++)
            pieces->piece_of[t->order[i]] = number[c];
    }
    return 0;
}

int peri_fof_link(const peri_particles_t *p, double length, peri_pieces_t *pieces,
                  peri_err_t *err)
{
    link_t t = {.length2 = length * length, .n = p->n + p->nghosts, .nown = p->n};
    int rc = lay_grid(&t, p, length, err);
    if (!rc) rc = sort_into_cells(&t, p, err);
    if (!rc) {
        link_all(&t);
        rc = number_pieces(&t, pieces, err);
    }
    free(t.order);
    free(t.x);
    free(t.key);
    free(t.start);
    free(t.nown_of);
    free(t.parent);
    return rc;
}
