/* cutout.c - see cutout.h. */
#include "mpi/around/cutout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/around/order.h"

#define PIECE 65536 /* particles between two looks at the world */

typedef struct {
    const peri_particles_t *p;
    const peri_shape_t *shape;
    const peri_centre_t *centres;
    const peri_finder_t *finder;
    peri_cutout_row_t *rows;
    size_t n, cap;
} cut_t;

static peri_cutout_row_t *new_row(cut_t *c, peri_err_t *err)
{
    if (c->n == c->cap) {
        const size_t cap = c->cap ? c->cap + c->cap / 2 : 1024;
        void *more = realloc(c->rows, cap * sizeof(*c->rows));
        if (!more) {
            peri_err_set(
                err, PERI_ELIMIT,
                "there is no memory for more than %zu rows on one rank: use more "
                "ranks or smaller regions",
                c->n);
            return NULL;
        }
        c->rows = more;
        c->cap = cap;
    }
    return &c->rows[c->n++];
}

static int take(cut_t *c, size_t i, peri_err_t *err)
{
    const peri_particles_t *p = c->p;
    const double x[3] = {p->x[i], p->y[i], p->z[i]};
    const uint32_t *list;
    const size_t n = peri_finder_at(c->finder, x, &list);
    for (size_t k = 0; k < n; k++) {
        const peri_centre_t *centre = &c->centres[list[k]];
        double d[3], r2 = 0;
        for (int a = 0; a < 3; a++) {
            d[a] = x[a] - centre->x[a];
            if (p->periodic) d[a] = peri_short_way(d[a], p->box[a]);
            r2 += d[a] * d[a];
        }
        const double r = sqrt(r2);
        if (!peri_shape_has(c->shape, centre, d, r)) continue;
        peri_cutout_row_t *row = new_row(c, err);
        if (!row) return -1;
        *row = (peri_cutout_row_t){
            .centre = centre->id,
            .id = p->id[i],
            .number = list[k],
            .x = {centre->x[0] + d[0], centre->x[1] + d[1], centre->x[2] + d[2]},
            .v = {p->vx ? p->vx[i] : NAN, p->vx ? p->vy[i] : NAN, p->vx ? p->vz[i] : NAN},
            .mass = p->mass ? p->mass[i] : NAN,
            .distance = r};
    }
    return 0;
}

static int by_distance(const void *a, const void *b)
{
    const peri_cutout_row_t *p = a, *q = b;
    if (p->number != q->number) return p->number < q->number ? -1 : 1;
    if (p->distance != q->distance) return p->distance < q->distance ? -1 : 1;
    if (p->id != q->id) return p->id < q->id ? -1 : 1;
    return memcmp(p, q, sizeof(*p));
}

int peri_cutout(const peri_particles_t *p, const peri_shape_t *shape,
                const peri_centre_t *centres, size_t n,
                const peri_progressing_t *progress, MPI_Comm comm,
                peri_cutout_row_t **rows, size_t *nrows, peri_err_t *err)
{
    cut_t c = {.p = p, .shape = shape, .centres = centres};
    const double *box = p->periodic ? p->box : NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = peri_shape_check(shape, &centres[i], box, err);
    peri_finder_t *f = rc ? NULL : peri_finder_new(shape, centres, n, box, err);
    c.finder = f;
    rc = f ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        rc = take(&c, i, err);
        if (rc == 0 && progress && i % PIECE == 0)
            rc = progress->tick(progress->arg, (double)i, (double)p->n, err);
    }
    peri_finder_free(f);
    rc = peri_ranks_agree(rc, comm, err);
    void *items = c.rows;
    if (rc == 0)
        rc = peri_items_order(&items, sizeof(*c.rows), &c.n, by_distance, comm, err);
    if (rc) {
        free(items);
        return -1;
    }
    *rows = items;
    *nrows = c.n;
    return 0;
}
