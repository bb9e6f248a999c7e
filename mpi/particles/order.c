/* order.c - particles of a rank along a Morton curve through its region.
 *
 * Keys have 21 bits an axis, sorted by radix. Particles with the same key are then sorted
 * by everything they have, position first: equal in all of it means that nobody can tell
 * them apart, so the order depends on the particles alone.
 */
#include <stdlib.h>
#include <string.h>

#include "mpi/particles/private.h"
#include "mpi/particles/sort.h"

enum { AXIS_BITS = 21 };

/* Two zero bits after each of the 21 lower ones. */
static uint64_t spread(uint64_t v)
{
    v = (v | v << 32) & 0x001f00000000ffff;
    v = (v | v << 16) & 0x001f0000ff0000ff;
    v = (v | v << 8) & 0x100f00f00f00f00f;
    v = (v | v << 4) & 0x10c30c30c30c30c3;
    v = (v | v << 2) & 0x1249249249249249;
    return v;
}

static uint64_t axis_key(double x, double lo, double scale)
{
    double cell = (x - lo) * scale;
    if (!(cell > 0)) return 0;
    return cell < (1 << AXIS_BITS) - 1 ? (uint64_t)cell : (1 << AXIS_BITS) - 1;
}

static void make_keys(const peri_particles_t *p, peri_keyed_t *entries)
{
    const double *lo = p->region.lo;
    double scale[3];
    for (int k = 0; k < 3; k++) {
        double side = p->region.hi[k] - lo[k];
        scale[k] = side > 0 ? (1 << AXIS_BITS) / side : 0;
    }
    for (size_t i = 0; i < p->n; i++) {
        entries[i].key = spread(axis_key(p->x[i], lo[0], scale[0])) << 2 |
                         spread(axis_key(p->y[i], lo[1], scale[1])) << 1 |
                         spread(axis_key(p->z[i], lo[2], scale[2]));
        entries[i].index = (uint32_t)i;
    }
}

static int compare_values(const double *values, uint32_t i, uint32_t j)
{
    return (values[i] > values[j]) - (values[i] < values[j]);
}

/* All arrays but the id are doubles. */
static int compare_tied(const void *a, const void *b, void *arg)
{
    peri_particles_t *p = arg;
    uint32_t i = ((const peri_keyed_t *)a)->index, j = ((const peri_keyed_t *)b)->index;
    void **arrays[PERI_ARRAYS_MAX];
    size_t narrays = peri_particles_arrays(p, arrays);
    for (size_t k = 0; k < narrays; k++) {
        int order;
        if (*arrays[k] == p->id)
            order = (p->id[i] > p->id[j]) - (p->id[i] < p->id[j]);
        else
            order = compare_values(*arrays[k], i, j);
        if (order) return order;
    }
    return 0;
}

static void sort_ties(peri_particles_t *p, peri_keyed_t *entries)
{
    for (size_t i = 0, end; i < p->n; i = end) {
        for (end = i + 1; end < p->n && entries[end].key == entries[i].key;) end++;
        if (end - i > 1) qsort_r(entries + i, end - i, sizeof(*entries), compare_tied, p);
    }
}

int peri_particles_order(peri_particles_t *p, peri_err_t *err)
{
    int rc = -1;
    size_t n = p->n;
    peri_keyed_t *a = malloc(larger(n, 1) * sizeof(*a)),
                 *b = malloc(larger(n, 1) * sizeof(*b));
    if (!a || !b) {
        peri_err_set(err, PERI_ELIMIT,
                     "there is no memory to sort %zu particles: use more ranks", n);
        goto out;
    }
    rc = 0;
    if (!n) goto out;
    make_keys(p, a);
    peri_keyed_t *sorted = peri_keyed_sort(a, b, n);
    sort_ties(p, sorted);

    uint64_t *values = (uint64_t *)(sorted == a ? b : a);
    void **arrays[PERI_ARRAYS_MAX];
    size_t narrays = peri_particles_arrays(p, arrays);
    for (size_t k = 0; k < narrays; k++) {
        const uint64_t *from = *arrays[k];
        for (size_t i = 0; i < n; i++) values[i] = from[sorted[i].index];
        memcpy(*arrays[k], values, n * sizeof(*values));
    }
out:
    free(a);
    free(b);
    return rc;
}
