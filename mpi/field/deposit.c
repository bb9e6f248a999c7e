/* deposit.c - particles onto the grid.
 *
 * Points go to the rank that has their lowest plane (most are there already, if the
 * caller has them so), batch by batch, so that memory stays bounded. There they are
 * counted into tiles - one plane, as many rows as the second level of the cache holds of
 * all planes that a cloud touches - and copied in that order: after it, all of a tile is
 * added in cache, and the grid is walked over once. What lies above the slab goes into
 * ghost planes, which their owners add at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/field/cloud.h"
#include "mpi/field/private.h"
#include "perigee/particles.h"

#define TILE_BYTES ((size_t)256 << 10)
#define BATCH_MIN  ((size_t)1 << 20)
#define FOREIGN    UINT32_MAX

/* Points in arrays, or as items one after the other. */
typedef struct {
    const double *x, *y, *z, *w; /* w may be NULL */
    size_t stride, n;
} source_t;

/* In the order of tiles: x is d along the first axis, y and z are t. */
typedef struct {
    double x, y, z, w;
} item_t;

typedef struct {
    peri_field_t *f;
    peri_scheme_t scheme;
    peri_axis_t axes[3];
    double *ghosts;      /* scheme - 1 planes */
    unsigned block_bits; /* a tile has 2^block_bits rows */
    size_t blocks;       /* tiles of a plane */
    size_t *start;       /* nx * blocks + 1 */
    size_t batch;        /* points that are sorted at once */
    uint32_t *tile;      /* of each */
    item_t *items;
} work_t;

static int not_finite(peri_err_t *err)
{
    return peri_err_set(err, PERI_EINVAL,
                        "A particle has a position or weight that is not finite: leave "
                        "such out with `filter`.");
}

/* Number of the tile of each point, and how many each tile has, in start[tile + 1].
 * *nforeign: those of other ranks' planes. */
static int count_tiles(work_t *w, const source_t *s, size_t *nforeign, peri_err_t *err)
{
    const peri_field_t *f = w->f;
    const uint32_t x0 = (uint32_t)f->x0, nx = (uint32_t)f->nx;
    const uint32_t blocks = (uint32_t)w->blocks;
    size_t foreign = 0, strange = 0;
    memset(w->start, 0, ((size_t)nx * blocks + 1) * sizeof(*w->start));
    for (size_t i = 0; i < s->n; i++) {
        double x = peri_axis_at(&w->axes[0], s->x[i * s->stride]);
        double y = peri_axis_at(&w->axes[1], s->y[i * s->stride]);
        if (!(x >= 0 && y >= 0)) {
            strange++;
            continue;
        }
        uint32_t plane = (uint32_t)x - x0; /* those below x0 become large */
        if (plane >= nx) {
            w->tile[i] = FOREIGN;
            foreign++;
            continue;
        }
        w->tile[i] = plane * blocks + ((uint32_t)y >> w->block_bits);
        w->start[w->tile[i] + 1]++;
    }
    if (strange) return not_finite(err);
    for (size_t t = 0; t < (size_t)nx * blocks; t++) w->start[t + 1] += w->start[t];
    *nforeign = foreign;
    return 0;
}

/* Afterwards start[t] is where tile t ends. */
static int sort_points(work_t *w, const source_t *s, peri_err_t *err)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (w->tile[i] == FOREIGN) continue;
        double x = peri_axis_at(&w->axes[0], s->x[i * s->stride]);
        item_t *item = &w->items[w->start[w->tile[i]]++];
        item->x = x - (double)(uint32_t)x;
        item->y = peri_axis_at(&w->axes[1], s->y[i * s->stride]);
        item->z = peri_axis_at(&w->axes[2], s->z[i * s->stride]);
        item->w = s->w ? s->w[i * s->stride] : 1;
        sum += item->z * 0 + item->w * 0;
    }
    return sum == 0 ? 0 : not_finite(err);
}

/* One tile. Where a cloud crosses the border of the box along z, its cells are found one
 * by one. */
static inline __attribute__((always_inline)) void add_tile(int scheme,
                                                           const peri_field_t *f,
                                                           double *const *planes,
                                                           const item_t *items, size_t n)
{
    const size_t ny = f->n[1], nz = f->n[2], row = f->row;
    for (size_t i = 0; i < n; i++) {
        double wx[4], wy[4], wz[4];
        size_t y = (uint32_t)items[i].y, z = (uint32_t)items[i].z;
        peri_cloud(scheme, items[i].x, wx);
        peri_cloud(scheme, items[i].y - (double)y, wy);
        peri_cloud(scheme, items[i].z - (double)z, wz);
        for (int c = 0; c < scheme; c++) wz[c] *= items[i].w;
        bool inside = z + (size_t)scheme <= nz;
        for (int b = 0; b < scheme; b++, y++) {
            while (y >= ny) y -= ny;
            for (int a = 0; a < scheme; a++) {
                double weight = wx[a] * wy[b], *into = planes[a] + y * row;
                if (inside)
                    for (int c = 0; c < scheme; c++)
                        into[z + (size_t)c] += weight * wz[c];
                else
                    for (int c = 0; c < scheme; c++)
                        into[(z + (size_t)c) % nz] += weight * wz[c];
            }
        }
    }
}

static void add_ngp(const peri_field_t *f, double *const *p, const item_t *i, size_t n)
{
    add_tile(PERI_NGP, f, p, i, n);
}

static void add_cic(const peri_field_t *f, double *const *p, const item_t *i, size_t n)
{
    add_tile(PERI_CIC, f, p, i, n);
}

static void add_tsc(const peri_field_t *f, double *const *p, const item_t *i, size_t n)
{
    add_tile(PERI_TSC, f, p, i, n);
}

static void add_pcs(const peri_field_t *f, double *const *p, const item_t *i, size_t n)
{
    add_tile(PERI_PCS, f, p, i, n);
}

static void add_items(const work_t *w)
{
    static void (*const add[])(const peri_field_t *, double *const *, const item_t *,
                               size_t) = {NULL, add_ngp, add_cic, add_tsc, add_pcs};
    const peri_field_t *f = w->f;
    size_t plane = f->n[1] * f->row, from = 0;
    for (size_t x = 0; x < f->nx; x++) {
        double *planes[4];
        for (size_t a = 0; a < (size_t)w->scheme; a++)
            planes[a] = x + a < f->nx ? f->data + (x + a) * plane
                                      : w->ghosts + (x + a - f->nx) * plane;
        for (size_t t = x * w->blocks; t < (x + 1) * w->blocks; t++) {
            add[w->scheme](f, planes, w->items + from, w->start[t] - from);
            from = w->start[t];
        }
    }
}

/* Add what is of this rank's slab. */
static int add_source(work_t *w, const source_t *s, size_t *nforeign, peri_err_t *err)
{
    if (count_tiles(w, s, nforeign, err) || sort_points(w, s, err)) return -1;
    add_items(w);
    return 0;
}

/* Points of the batch that other ranks have the planes of go there. Positions travel as
 * they are, so that both ranks find the same cell. */
static int send_foreign(work_t *w, const source_t *s, size_t nforeign, item_t **got,
                        size_t *ngot, peri_err_t *err)
{
    item_t *out = malloc((nforeign + 1) * sizeof(*out));
    int *dest = malloc((nforeign + 1) * sizeof(*dest));
    int rc = out && dest
                 ? 0
                 : peri_err_set(err, PERI_ELIMIT,
                                "There is no memory to send %zu particles.", nforeign);
    size_t n = 0;
    for (size_t i = 0; !rc && i < s->n; i++) {
        if (w->tile[i] != FOREIGN) continue;
        size_t x = (size_t)peri_axis_at(&w->axes[0], s->x[i]);
        dest[n] = peri_field_owner(w->f, x);
        out[n++] = (item_t){s->x[i], s->y[i], s->z[i], s->w ? s->w[i] : 1};
    }
    rc = peri_ranks_agree(rc, w->f->comm, err);
    if (!rc)
        rc = peri_items_exchange(out, sizeof(*out), n, dest, w->f->comm, (void **)got,
                                 ngot, err);
    free(out);
    free(dest);
    return rc;
}

/* A batch of points that may belong to any rank. */
static int add_batch(work_t *w, const source_t *s, peri_err_t *err)
{
    item_t *got = NULL;
    size_t ngot = 0, nforeign = 0;
    int rc = peri_ranks_agree(add_source(w, s, &nforeign, err), w->f->comm, err);
    if (w->f->p->nranks == 1 || rc) return rc;
    if (send_foreign(w, s, nforeign, &got, &ngot, err)) return -1;
    for (size_t done = 0; !rc && done < ngot; done += w->batch) {
        size_t n = ngot - done < w->batch ? ngot - done : w->batch;
        const item_t *first = got + done;
        source_t part = {&first->x, &first->y, &first->z, &first->w, 4, n};
        rc = add_source(w, &part, &nforeign, err);
    }
    free(got);
    return peri_ranks_agree(rc, w->f->comm, err);
}

/* Room for a batch, and the tiles. */
static int prepare(work_t *w, peri_err_t *err)
{
    const peri_field_t *f = w->f;
    size_t row_bytes = f->row * sizeof(double) * (size_t)w->scheme;
    while (((size_t)2 << w->block_bits) * row_bytes <= TILE_BYTES) w->block_bits++;
    w->blocks = ((f->n[1] - 1) >> w->block_bits) + 1;
    w->start = malloc((f->nx * w->blocks + 1) * sizeof(*w->start));
    w->tile = peri_large_alloc(w->batch * sizeof(*w->tile));
    w->items = peri_large_alloc(w->batch * sizeof(*w->items));
    w->ghosts = calloc((size_t)w->scheme * f->n[1] * f->row, sizeof(double));
    if (w->start && w->tile && w->items && w->ghosts) return 0;
    return peri_err_set(err, PERI_ELIMIT, "There is no memory to sort %zu particles.",
                        w->batch);
}

int peri_field_deposit(peri_field_t *f, const peri_points_t *points, peri_scheme_t scheme,
                       double shift, peri_err_t *err)
{
    if (f->modes) return peri_err_set(err, PERI_EINTERNAL, "The field is in modes.");
    work_t w = {.f = f, .scheme = scheme};
    peri_axes(f, scheme, shift, w.axes);
    /* Each batch walks over the whole slab: no more of them than needed. */
    size_t batch = f->n[0] * f->n[1] * f->n[2] / (size_t)f->p->nranks / 8;
    w.batch = batch = batch > BATCH_MIN ? batch : BATCH_MIN;
    uint64_t batches = (points->n + batch - 1) / batch;
    MPI_Allreduce(MPI_IN_PLACE, &batches, 1, MPI_UINT64_T, MPI_MAX, f->comm);
    int rc = prepare(&w, err);
    rc = peri_ranks_agree(rc, f->comm, err);
    for (uint64_t b = 0; !rc && b < batches; b++) {
        size_t from = b * batch < points->n ? b * batch : points->n;
        size_t n = points->n - from < batch ? points->n - from : batch;
        source_t part = {points->x + from,
                         points->y + from,
                         points->z + from,
                         points->weight ? points->weight + from : NULL,
                         1,
                         n};
        rc = add_batch(&w, &part, err);
    }
    if (!rc) peri_ghostplanes_add(f, w.ghosts, (size_t)scheme - 1);
    free(w.start);
    free(w.tile);
    free(w.items);
    free(w.ghosts);
    return rc;
}
