/* neighbours.c - see neighbours.h.
 *
 * Points are ordered so that each node's are contiguous; a node halves them at the median
 * along the longest side of their extent, until few are left. Nodes form a complete
 * binary tree: the children of i are 2 i + 1 and 2 i + 2, so only cuts are stored.
 */
#include "mpi/field/neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAF 12 /* points at most */

typedef struct {
    double x[3];
} point_t;

typedef struct {
    double cut;
    int axis;
} node_t;

struct peri_neighbours {
    size_t n;
    int levels; /* of nodes above the leaves */
    point_t *points;
    node_t *nodes;
};

static void swap_points(point_t *a, point_t *b)
{
    point_t t = *a;
    *a = *b;
    *b = t;
}

/* Hoare's selection: afterwards p[k] is where sorting along the axis would put it, none
 * before it is larger, none behind it smaller. */
static void select_point(point_t *p, ptrdiff_t n, ptrdiff_t k, int axis)
{
    ptrdiff_t low = 0, high = n - 1;
    while (low < high) {
        double pivot = p[k].x[axis];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (p[i].x[axis] < pivot) i++;
            while (p[j].x[axis] > pivot) j--;
            if (i <= j) swap_points(&p[i++], &p[j--]);
        }
        if (j < k) low = i;
        if (k < i) high = j;
    }
}

static int longest_axis(const point_t *p, size_t n)
{
    double lo[3], hi[3];
    memcpy(lo, p[0].x, sizeof(lo));
    memcpy(hi, p[0].x, sizeof(hi));
    for (size_t i = 1; i < n; i++)
        for (int k = 0; k < 3; k++) {
            lo[k] = fmin(lo[k], p[i].x[k]);
            hi[k] = fmax(hi[k], p[i].x[k]);
        }
    int axis = hi[1] - lo[1] > hi[0] - lo[0];
    return hi[2] - lo[2] > hi[axis] - lo[axis] ? 2 : axis;
}

static void build(peri_neighbours_t *t, size_t node, int level, size_t from, size_t to)
{
    if (level == t->levels || to - from < 2) return;
    size_t middle = from + (to - from) / 2;
    int axis = longest_axis(t->points + from, to - from);
    select_point(t->points + from, (ptrdiff_t)(to - from), (ptrdiff_t)(middle - from),
                 axis);
    t->nodes[node] = (node_t){t->points[middle].x[axis], axis};
    build(t, 2 * node + 1, level + 1, from, middle);
    build(t, 2 * node + 2, level + 1, middle, to);
}

peri_neighbours_t *peri_neighbours_new(const double *x, const double *y, const double *z,
                                       size_t n, peri_err_t *err)
{
    peri_neighbours_t *t = calloc(1, sizeof(*t));
    if (t) {
        t->n = n;
        while (n >> t->levels > LEAF) t->levels++;
        t->points = malloc((n + 1) * sizeof(*t->points));
        t->nodes = calloc((size_t)1 << t->levels, sizeof(*t->nodes));
    }
    if (!t || !t->points || !t->nodes) {
        peri_neighbours_free(t);
        peri_err_set(err, PERI_ELIMIT, "There is no memory for a tree of %zu particles.",
                     n);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) t->points[i] = (point_t){{x[i], y[i], z[i]}};
    build(t, 0, 0, 0, n);
    return t;
}

void peri_neighbours_free(peri_neighbours_t *t)
{
    if (!t) return;
    free(t->points);
    free(t->nodes);
    free(t);
}

/* The k smallest squares of distances so far, as a heap with the largest on top. */
typedef struct {
    const peri_neighbours_t *t;
    double at[3];
    size_t k, n;
    double nearest[PERI_NEIGHBOURS_MAX];
    double limit; /* nothing as far away as that is of use */
} search_t;

static void push_down(search_t *s, double value)
{
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->n) break;
        if (child + 1 < s->n && s->nearest[child + 1] > s->nearest[child]) child++;
        if (s->nearest[child] <= value) break;
        s->nearest[i] = s->nearest[child];
        i = child;
    }
    s->nearest[i] = value;
}

static void add_distance(search_t *s, double d2)
{
    if (s->n == s->k) {
        push_down(s, d2);
    } else {
        size_t i = s->n++;
        while (i && s->nearest[(i - 1) / 2] < d2) {
            s->nearest[i] = s->nearest[(i - 1) / 2];
            i = (i - 1) / 2;
        }
        s->nearest[i] = d2;
    }
    if (s->n == s->k) s->limit = s->nearest[0];
}

/* off: squares of the distance to the node's region along each axis. */
static void search(search_t *s, size_t node, int level, size_t from, size_t to,
                   double off[3])
{
    if (level == s->t->levels || to - from < 2) {
        for (size_t i = from; i < to; i++) {
            const double *x = s->t->points[i].x;
            double a = x[0] - s->at[0], b = x[1] - s->at[1], c = x[2] - s->at[2];
            double d2 = a * a + b * b + c * c;
            if (d2 < s->limit) add_distance(s, d2);
        }
        return;
    }
    const node_t *cut = &s->t->nodes[node];
    size_t middle = from + (to - from) / 2;
    double side = s->at[cut->axis] - cut->cut, before = off[cut->axis];
    if (side < 0)
        search(s, 2 * node + 1, level + 1, from, middle, off);
    else
        search(s, 2 * node + 2, level + 1, middle, to, off);
    off[cut->axis] = side * side;
    if (off[0] + off[1] + off[2] < s->limit) {
        if (side < 0)
            search(s, 2 * node + 2, level + 1, middle, to, off);
        else
            search(s, 2 * node + 1, level + 1, from, middle, off);
    }
    off[cut->axis] = before;
}

double peri_neighbours_distance(const peri_neighbours_t *t, const double at[3], size_t k,
                                double limit)
{
    search_t s = {.t = t, .k = k, .limit = limit * limit};
    double off[3] = {0};
    memcpy(s.at, at, sizeof(s.at));
    if (t->n) search(&s, 0, 0, 0, t->n, off);
    return s.n == k ? sqrt(s.nearest[0]) : limit;
}
