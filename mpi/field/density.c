/* density.c - see density.h.
 *
 * Along the curve each rank has an equal range of keys, so the key is the number of the
 * row, and nothing needs sorting: values are sent to the rank that has their key, some
 * planes at a time, and put where they belong.
 */
#include "mpi/field/density.h"

#include <stdlib.h>

#include "core/base/curve.h"
#include "core/base/util.h"
#include "mpi/field/private.h"
#include "perigee/particles.h"

#define BATCH_CELLS ((size_t)1 << 20)

int peri_density_contrast(peri_field_t *f, const peri_points_t *points,
                          peri_scheme_t scheme, peri_err_t *err)
{
    if (peri_field_deposit(f, points, scheme, 0, err)) return -1;
    double mean = peri_field_stats(f).mean;
    if (!(mean > 0))
        return peri_err_set(err, PERI_EINVAL,
                            "The sum of all weights is %g: a density contrast needs "
                            "particles, of positive weight together.",
                            mean * (double)f->n[0] * (double)f->n[1] * (double)f->n[2]);
    peri_field_scale(f, 1 / mean, -1);
    return 0;
}

struct peri_cellorder {
    const peri_field_t *f; /* of which only the grid matters */
    size_t n;
    int bits;
    bool along_curve;
    uint64_t first, end; /* this rank's keys, if along the curve */
    uint32_t *keys;      /* of the cells of its planes */
};

/* What a cell sends to the rank that has its row. */
typedef struct {
    uint32_t key, value;
} item_t;

static uint64_t first_key(const peri_cellorder_t *o, uint64_t rank)
{
    /* Upwards, so that the rank of a key is its share rounded down. */
    uint64_t keys = (uint64_t)1 << 3 * o->bits, ranks = (uint64_t)o->f->p->nranks;
    return (rank * keys + ranks - 1) / ranks;
}

static int rank_of_key(const peri_cellorder_t *o, uint64_t key)
{
    return (int)(key * (uint64_t)o->f->p->nranks >> 3 * o->bits);
}

static size_t own_cells(const peri_cellorder_t *o)
{
    return o->f->nx * o->n * o->n;
}

uint64_t peri_cellorder_bytes(size_t n, int nranks)
{
    uint64_t ranks = nranks > 0 ? (uint64_t)nranks : 1;
    uint64_t cells = (n + ranks - 1) / ranks * n * n;
    return cells * sizeof(uint32_t) + 4 * BATCH_CELLS * sizeof(item_t);
}

peri_cellorder_t *peri_cellorder_new(const peri_field_t *f, peri_err_t *err)
{
    peri_cellorder_t *o = peri_xcalloc(1, sizeof(*o));
    o->f = f;
    o->n = f->n[0];
    int rc = 0;
    if (f->n[1] != o->n || f->n[2] != o->n || o->n > PERI_CELLORDER_MAX)
        rc = peri_err_set(err, PERI_EINVAL,
                          "Cells become rows of grids of up to %d cells along each "
                          "side, not %zu.",
                          PERI_CELLORDER_MAX, o->n);
    for (o->bits = 1; (size_t)1 << o->bits < o->n;) o->bits++;
    o->along_curve = (size_t)1 << o->bits == o->n;
    o->first = first_key(o, (uint64_t)f->p->rank);
    o->end = first_key(o, (uint64_t)f->p->rank + 1);
    if (!rc && !(o->keys = malloc(own_cells(o) * sizeof(*o->keys) + 1)))
        rc = peri_err_set(err, PERI_ELIMIT,
                          "There is no memory for the keys of %zu cells.", own_cells(o));
    if (peri_ranks_agree(rc, f->comm, err)) {
        peri_cellorder_free(o);
        return NULL;
    }
    uint32_t *key = o->keys;
    for (uint32_t x = 0; x < f->nx; x++)
        for (uint32_t y = 0; y < o->n; y++)
            for (uint32_t z = 0; z < o->n; z++)
                *key++ = (uint32_t)peri_ph_key((uint32_t)f->x0 + x, y, z, o->bits);
    return o;
}

void peri_cellorder_free(peri_cellorder_t *o)
{
    if (!o) return;
    free(o->keys);
    free(o);
}

size_t peri_cellorder_rows(const peri_cellorder_t *o)
{
    return o->along_curve ? o->end - o->first : own_cells(o);
}

/* The 4 bytes that each cell of a line along z has: a value, or its place. Lines are
 * counted through this rank's planes. */
static void line_values(const peri_cellorder_t *o, const peri_field_t *f, size_t line,
                        uint32_t *out)
{
    size_t x = o->f->x0 + line / o->n, y = line % o->n;
    float *values = (float *)out;
    const double *row = f ? peri_field_row(f, x, y) : NULL;
    for (size_t z = 0; z < o->n; z++) {
        if (row)
            values[z] = (float)row[z];
        else
            out[z] = (uint32_t)(x << 20 | y << 10 | z);
    }
}

/* Some lines: what has its row on this rank is put there, the rest sent and received. */
static int exchange_lines(const peri_cellorder_t *o, const peri_field_t *f, size_t from,
                          size_t to, item_t *items, int *dest, uint32_t *rows,
                          peri_err_t *err)
{
    uint32_t values[PERI_CELLORDER_MAX];
    size_t n = 0, ngot;
    item_t *got;
    for (size_t line = from; line < to; line++) {
        const uint32_t *keys = o->keys + line * o->n;
        line_values(o, f, line, values);
        for (size_t z = 0; z < o->n; z++) {
            if (keys[z] >= o->first && keys[z] < o->end) {
                rows[keys[z] - o->first] = values[z];
                continue;
            }
            dest[n] = rank_of_key(o, keys[z]);
            items[n++] = (item_t){keys[z], values[z]};
        }
    }
    if (peri_items_exchange(items, sizeof(*items), n, dest, o->f->comm, (void **)&got,
                            &ngot, err))
        return -1;
    for (size_t i = 0; i < ngot; i++) rows[got[i].key - o->first] = got[i].value;
    free(got);
    return 0;
}

/* Along the curve; rows: 4 bytes each. */
static int exchange(const peri_cellorder_t *o, const peri_field_t *f, uint32_t *rows,
                    peri_err_t *err)
{
    size_t lines = o->f->nx * o->n, batch = BATCH_CELLS / o->n;
    item_t *items = malloc(batch * o->n * sizeof(*items));
    int *dest = malloc(batch * o->n * sizeof(*dest));
    int rc = items && dest ? 0
                           : peri_err_set(err, PERI_ELIMIT,
                                          "There is no memory to exchange cells.");
    rc = peri_ranks_agree(rc, o->f->comm, err);
    uint64_t most = lines;
    MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_UINT64_T, MPI_MAX, o->f->comm);
    for (size_t at = 0; !rc && at < most; at += batch) {
        size_t from = at < lines ? at : lines;
        size_t to = lines - from < batch ? lines : from + batch;
        rc = exchange_lines(o, f, from, to, items, dest, rows, err);
    }
    free(items);
    free(dest);
    return rc;
}

static int fill(const peri_cellorder_t *o, const peri_field_t *f, uint32_t *rows,
                peri_err_t *err)
{
    if (o->along_curve) return exchange(o, f, rows, err);
    for (size_t line = 0; line < o->f->nx * o->n; line++)
        line_values(o, f, line, rows + line * o->n);
    return 0;
}

int peri_cellorder_values(const peri_cellorder_t *o, const peri_field_t *f, float *values,
                          peri_err_t *err)
{
    return fill(o, f, (uint32_t *)values, err);
}

int peri_cellorder_cells(const peri_cellorder_t *o, int32_t *x, int32_t *y, int32_t *z,
                         int64_t *key, peri_err_t *err)
{
    if (fill(o, NULL, (uint32_t *)x, err)) return -1;
    for (size_t i = 0; i < peri_cellorder_rows(o); i++) {
        uint32_t place = (uint32_t)x[i];
        x[i] = (int32_t)(place >> 20);
        y[i] = (int32_t)(place >> 10 & 1023);
        z[i] = (int32_t)(place & 1023);
        key[i] = o->along_curve ? (int64_t)o->first + (int64_t)i : (int64_t)o->keys[i];
    }
    return 0;
}
