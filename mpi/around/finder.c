/* finder.c - the grid of finder.h. */
#include "mpi/around/finder.h"

#include <math.h>
#include <stdlib.h>

#define MOST_CELLS 128 /* along an axis */

struct peri_finder {
    const peri_shape_t *shape;
    const peri_centre_t *centres;
    size_t n;
    bool periodic;
    double lo[3], cell[3]; /* corner of the grid, side of a cell */
    int cells;             /* along each axis */
    uint32_t *start;       /* [cells^3 + 1] */
    uint32_t *list;        /* centres by cell */
};

/* Cells along axis k that the shape touches: count of them from the first on, which may
 * lie below 0 or reach over the end in a periodic box. */
static int touched(const peri_finder_t *f, int cells, const peri_centre_t *c, int k,
                   int *first)
{
    double lo[3], hi[3];
    peri_shape_extent(f->shape, c, lo, hi);
    const double side = f->cell[k] * f->cells / cells;
    /* Rounding may put a point into the next cell. */
    const double slack = 1e-6 * side;
    const double a = floor((c->x[k] + lo[k] - f->lo[k] - slack) / side);
    const double b = floor((c->x[k] + hi[k] - f->lo[k] + slack) / side);
    if (!f->periodic) {
        *first = (int)fmax(a, 0);
        return (int)fmin(b, cells - 1) - *first + 1;
    }
    *first = (int)a;
    return b - a + 1 >= cells ? cells : (int)(b - a) + 1;
}

static uint64_t entries(const peri_finder_t *f, int cells)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < f->n; i++) {
        uint64_t volume = 1;
        int first;
        for (int k = 0; k < 3; k++)
            volume *= (uint64_t)touched(f, cells, &f->centres[i], k, &first);
        sum += volume;
    }
    return sum;
}

static void lay_grid(peri_finder_t *f, const double *box)
{
    double hi[3] = {0};
    f->periodic = box != NULL;
    for (int k = 0; k < 3; k++) {
        f->lo[k] = box ? 0 : INFINITY;
        hi[k] = box ? box[k] : -INFINITY;
    }
    for (size_t i = 0; !box && i < f->n; i++) {
        double below[3], above[3];
        peri_shape_extent(f->shape, &f->centres[i], below, above);
        for (int k = 0; k < 3; k++) {
            f->lo[k] = fmin(f->lo[k], f->centres[i].x[k] + below[k]);
            hi[k] = fmax(hi[k], f->centres[i].x[k] + above[k]);
        }
    }
    f->cells = 1;
    for (int k = 0; k < 3; k++) f->cell[k] = f->n ? hi[k] - f->lo[k] : 1;
    /* Fine enough that a cell has few shapes, coarse enough that a shape has few cells.
     */
    int cells = (int)fmin(fmax(2 * cbrt((double)f->n), 32), MOST_CELLS);
    while (cells > 1 && entries(f, cells) > 32 * (uint64_t)f->n + (1u << 18)) cells /= 2;
    for (int k = 0; k < 3; k++) f->cell[k] /= cells;
    f->cells = cells;
}

/* Count (list NULL) or note the centre in all cells that its shape touches. */
static void enter(peri_finder_t *f, uint32_t i)
{
    int first[3], count[3];
    for (int k = 0; k < 3; k++)
        count[k] = touched(f, f->cells, &f->centres[i], k, &first[k]);
    for (int a = 0; a < count[0]; a++)
        for (int b = 0; b < count[1]; b++)
            for (int c = 0; c < count[2]; c++) {
                const int n = f->cells;
                const int x = (first[0] + a + 2 * n) % n, y = (first[1] + b + 2 * n) % n,
                          z = (first[2] + c + 2 * n) % n;
                uint32_t *at = &f->start[((size_t)x * (size_t)n + (size_t)y) * (size_t)n +
                                         (size_t)z + 2];
                if (f->list)
                    f->list[at[-1]++] = i;
                else
                    ++*at;
            }
}

peri_finder_t *peri_finder_new(const peri_shape_t *s, const peri_centre_t *centres,
                               size_t n, const double *box, peri_err_t *err)
{
    peri_finder_t *f = calloc(1, sizeof(*f));
    if (!f || n > UINT32_MAX) goto none;
    f->shape = s;
    f->centres = centres;
    f->n = n;
    lay_grid(f, box);
    const size_t cells = (size_t)f->cells * (size_t)f->cells * (size_t)f->cells;
    const uint64_t all = entries(f, f->cells);
    if (all > UINT32_MAX) goto none;
    /* Counted two places on, so that filling leaves the starts where they belong. */
    f->start = calloc(cells + 2, sizeof(*f->start));
    if (!f->start) goto none;
    for (size_t i = 0; i < n; i++) enter(f, (uint32_t)i);
    for (size_t c = 2; c < cells + 2; c++) f->start[c] += f->start[c - 1];
    f->list = malloc(((size_t)all + 1) * sizeof(*f->list));
    if (!f->list) goto none;
    for (size_t i = 0; i < n; i++) enter(f, (uint32_t)i);
    return f;
none:
    peri_finder_free(f);
    peri_err_set(err, PERI_ELIMIT, "there is no memory to look around %zu centres", n);
    return NULL;
}

void peri_finder_free(peri_finder_t *f)
{
    if (!f) return;
    free(f->start);
    free(f->list);
    free(f);
}

size_t peri_finder_at(const peri_finder_t *f, const double x[3], const uint32_t **list)
{
    size_t cell = 0;
    for (int k = 0; k < 3; k++) {
        double c = floor((x[k] - f->lo[k]) / f->cell[k]);
        if (f->periodic)
            c = fmin(fmax(c, 0), f->cells - 1);
        else if (!(c >= -1 && c <= f->cells)) /* rounding at the grid's border */
            return 0;
        else
            c = fmin(fmax(c, 0), f->cells - 1);
        cell = cell * (size_t)f->cells + (size_t)c;
    }
    *list = f->list + f->start[cell];
    return f->start[cell + 1] - f->start[cell];
}
