/* pairs_tree.c - sorts points into tiles of neighbours under a k-d tree.
 *
 * Points are sorted along the longest side of their box, cut into up to 8 parts at whole
 * numbers of tiles, so that every tile but the last is full, and each part again. Sorting
 * is only as fine as the cuts need. Nothing depends on the order of the tiles or of the
 * points in them but the speed.
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/halo/pairs_private.h"

enum { BUCKETS = 512, CROWDED = 2 * PAIRS_TILE };

typedef struct {
    double at[3];
    int64_t weight;
} item_t;

typedef struct {
    item_t *items, *spare;
    pairs_tree_t *tree;
    size_t nnodes;
} build_t;

static void bound(double lo[3], double hi[3], const item_t *v, size_t n)
{
    for (int d = 0; d < 3; d++) lo[d] = hi[d] = v[0].at[d];
    for (size_t i = 1; i < n; i++)
        for (int d = 0; d < 3; d++) {
            lo[d] = v[i].at[d] < lo[d] ? v[i].at[d] : lo[d];
            hi[d] = v[i].at[d] > hi[d] ? v[i].at[d] : hi[d];
        }
}

/* Sorts points along an axis as finely as cutting into a few parts needs: into BUCKETS by
 * position, and crowded buckets again. */
static void sort_along(build_t *b, item_t *v, size_t n, int axis, double lo, double hi)
{
    const double scale = BUCKETS / (hi - lo);
    if (!(scale > 0) || !isfinite(scale)) return; /* (almost) equal, or endless */
    size_t begin[BUCKETS + 1] = {0};
    item_t *to = b->spare + (v - b->items);
    for (size_t i = 0; i < n; i++) {
        const size_t k = (size_t)((v[i].at[axis] - lo) * scale);
        begin[k < BUCKETS ? k + 1 : BUCKETS]++;
    }
    for (size_t k = 0; k < BUCKETS; k++) begin[k + 1] += begin[k];
    size_t next[BUCKETS];
    memcpy(next, begin, sizeof next);
    for (size_t i = 0; i < n; i++) {
        const size_t k = (size_t)((v[i].at[axis] - lo) * scale);
        to[next[k < BUCKETS ? k : BUCKETS - 1]++] = v[i];
    }
    memcpy(v, to, n * sizeof *v);
    for (size_t k = 0; k < BUCKETS; k++) {
        const size_t m = begin[k + 1] - begin[k];
        if (m <= CROWDED || m < n / 16) continue;
        double l[3], h[3];
        bound(l, h, v + begin[k], m);
        sort_along(b, v + begin[k], m, axis, l[axis], h[axis]);
    }
}

static void fill_tile(build_t *b, pairs_node_t *node, const item_t *v, size_t n)
{
    const size_t first = (size_t)node->tile * PAIRS_TILE;
    for (size_t i = 0; i < n; i++) {
        for (int d = 0; d < 3; d++) b->tree->at[d][first + i] = v[i].at[d];
        if (b->tree->weight) b->tree->weight[first + i] = v[i].weight;
        node->weight += v[i].weight;
    }
    for (size_t i = n; i < PAIRS_TILE; i++) {
        for (int d = 0; d < 3; d++) b->tree->at[d][first + i] = INFINITY;
        if (b->tree->weight) b->tree->weight[first + i] = 0;
    }
}

/* Into how many parts to cut ntiles along which axis: the longest, so that parts become
 * as long as the tiles of a cube would be, but at most 8 at once. */
static size_t choose_parts(const double lo[3], const double hi[3], size_t ntiles,
                           int *axis)
{
    *axis = 0;
    for (int d = 1; d < 3; d++)
        if (hi[d] - lo[d] > hi[*axis] - lo[*axis]) *axis = d;
    const double longest = hi[*axis] - lo[*axis];
    double volume = 1; /* in longest^3; flat sets are given some thickness */
    for (int d = 0; d < 3; d++) {
        const double side = longest > 0 ? (hi[d] - lo[d]) / longest : 1;
        volume *= fmax(side, 1.0 / 64);
    }
    const double wanted = cbrt((double)ntiles / volume);
    size_t parts = 2;
    while (parts < 8 && (double)parts * 1.5 < wanted) parts *= 2;
    return parts;
}

/* A node over ntiles tiles from tile on. Their points are sorted already if they are to
 * be cut into parts > 1 parts; else they are sorted first. */
static size_t grow(build_t *b, size_t tile, size_t ntiles, size_t parts)
{
    const size_t self = b->nnodes++;
    pairs_node_t *node = &b->tree->nodes[self];
    *node = (pairs_node_t){.tile = (uint32_t)tile, .ntiles = (uint32_t)ntiles};
    item_t *v = b->items + tile * PAIRS_TILE;
    const size_t n = pairs_node_points(b->tree, node);
    if (ntiles == 1) {
        bound(node->lo, node->hi, v, n);
        fill_tile(b, node, v, n);
        return self;
    }
    if (parts < 2) {
        int axis;
        bound(node->lo, node->hi, v, n);
        parts = choose_parts(node->lo, node->hi, ntiles, &axis);
        sort_along(b, v, n, axis, node->lo[axis], node->hi[axis]);
    }
    const size_t left = ntiles / 2;
    const size_t l = grow(b, tile, left, parts / 2);
    const size_t r = grow(b, tile + left, ntiles - left, parts / 2);
    const pairs_node_t *nl = &b->tree->nodes[l], *nr = &b->tree->nodes[r];
    node->right = (uint32_t)r;
    node->weight = nl->weight + nr->weight;
    for (int d = 0; d < 3; d++) {
        node->lo[d] = fmin(nl->lo[d], nr->lo[d]);
        node->hi[d] = fmax(nl->hi[d], nr->hi[d]);
    }
    return self;
}

static int check_point(const double at[3], size_t i, const char *which,
                       const double box[3], bool unit, peri_err_t *err)
{
    double norm = 0;
    for (int d = 0; d < 3; d++) {
        if (!isfinite(at[d]))
            return peri_err_set(
                err, PERI_EINVAL,
                "Point %zu of %s has the coordinate %c = %g: every position "
                "must be a finite number.",
                i, which, 'x' + d, at[d]);
        if (box[d] > 0 && (at[d] < 0 || at[d] > box[d]))
            return peri_err_set(
                err, PERI_EINVAL,
                "Point %zu of %s has the coordinate %c = %.17g, outside the "
                "periodic box of 0 to %g: check the box size and its unit.",
                i, which, 'x' + d, at[d], box[d]);
        norm += at[d] * at[d];
    }
    if (unit && fabs(norm - 1) > 1e-9)
        return peri_err_set(
            err, PERI_EINVAL,
            "Point %zu of %s has the length %g: angles need unit vectors.", i, which,
            sqrt(norm));
    return 0;
}

/* The power of two that rounds weights so that sums of products cannot overflow. */
static int weigh(const peri_pairs_points_t *p, const char *which, double *unit,
                 peri_err_t *err)
{
    double total = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!isfinite(p->weight[i]))
            return peri_err_set(
                err, PERI_EINVAL,
                "Point %zu of %s has the weight %g: every weight must be a "
                "finite number.",
                i, which, p->weight[i]);
        total += fabs(p->weight[i]);
    }
    if (p->weight_total > 0) {
        if (total > p->weight_total * (1 + 1e-9))
            return peri_err_set(
                err, PERI_EINTERNAL,
                "The weights of %s sum up to %g, more than the total of %g.", which,
                total, p->weight_total);
        total = p->weight_total;
    }
    if (!isfinite(total))
        return peri_err_set(err, PERI_EINVAL,
                            "The weights of %s are too large: their sum is not finite.",
                            which);
    int exponent = 0;
    frexp(total, &exponent);
    *unit = total > 0 ? ldexp(1, exponent - 61) : 1;
    return 0;
}

pairs_tree_t *pairs_tree_new(const peri_pairs_points_t *p, const char *which,
                             const double box[3], bool unit, peri_err_t *err)
{
    const size_t ntiles = (p->n + PAIRS_TILE - 1) / PAIRS_TILE;
    if (ntiles > UINT32_MAX / 2) {
        peri_err_set(err, PERI_ELIMIT,
                     "%s has %zu points, more than one process counts: use more ranks.",
                     which, p->n);
        return NULL;
    }
    double weight_unit = 1;
    if (p->weight && weigh(p, which, &weight_unit, err) < 0) return NULL;
    item_t *items = peri_xmalloc((p->n + 1) * sizeof *items);
    for (size_t i = 0; i < p->n; i++) {
        const item_t it = {.at = {p->x[i], p->y[i], p->z[i]},
                           .weight = p->weight ? llrint(p->weight[i] / weight_unit) : 0};
        if (check_point(it.at, i, which, box, unit, err) < 0) {
            free(items);
            return NULL;
        }
        items[i] = it;
    }
    pairs_tree_t *tree = peri_xcalloc(1, sizeof *tree);
    tree->npoints = p->n;
    tree->weight_unit = weight_unit;
    if (p->n) {
        const size_t size = ntiles * PAIRS_TILE * sizeof(double);
        for (int d = 0; d < 3; d++) {
            tree->at[d] = aligned_alloc(64, size);
            if (!tree->at[d]) abort();
        }
        if (p->weight) tree->weight = peri_xmalloc(ntiles * PAIRS_TILE * sizeof(int64_t));
        tree->nodes = peri_xmalloc((2 * ntiles - 1) * sizeof *tree->nodes);
        build_t b = {.items = items, .tree = tree};
        b.spare = peri_xmalloc(p->n * sizeof *items);
        grow(&b, 0, ntiles, 1);
        free(b.spare);
    }
    free(items);
    return tree;
}

void pairs_tree_free(pairs_tree_t *tree)
{
    if (!tree) return;
    for (int d = 0; d < 3; d++) free(tree->at[d]);
    free(tree->weight);
    free(tree->nodes);
    free(tree);
}
