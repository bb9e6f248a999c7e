/* fof_link.c - which particles of this rank, ghosts included, are linked.
 *
 * Cubes are as large as the linking length, so that friends are in the same or in
 * touching ones; each has eight cells, so small that all particles of a cell are friends.
 * What is left is to link cells that have a pair of friends. Cubes are in order of their
 * keys, rows of cubes one after the other; while one goes through all cubes, the
 * neighbours in each neighbouring row move forwards only. So there is one pointer for
 * each row and no table, and memory is read in streams. Cubes that are one piece already
 * are passed over at once, and cells that touch are linked first, so that hardly any
 * pairs of particles are tested in dense regions.
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

enum { ROWS = 5, CELLS = 8, FEW_PAIRS = 64 };

/* How near two cells are. */
enum { TOUCH, NEAR, FAR };

/* A row of cubes: keys from..to more than that of the cube in question. */
typedef struct {
    int64_t from, to;
    size_t at;                      /* the first cube that is not before */
    char distance[3][CELLS][CELLS]; /* of cells, by key - from */
} row_t;

typedef struct {
    double length2;
    size_t n, nown;
    uint32_t *order; /* the particle at each place of the sorted ones */
    double (*x)[3];  /* sorted */
    double lo[3], scale[3];
    int64_t stride[2]; /* of keys of cubes, along the first two axes */

    size_t ncubes;
    uint64_t *key;   /* [ncubes + 1], the last is the largest there is */
    uint32_t *first; /* [ncubes + 1]: cell of a cube */
    char *whole;     /* [ncubes]: all of its cells are linked */

    size_t ncells;
    uint32_t *start; /* [ncells + 1]: place of its particles */
    uint32_t *nown_of;
    uint32_t *parent; /* trees of linked cells; a root is its own parent */
    char *octant;     /* where in its cube: bits x, y, z */
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
    /* A little more than half of the linking length: whatever rounding does, friends are
     * in touching cubes. */
    double side = length / 2 * (1 + 1e-6), cubes[3];
    bool too_many = false;
    for (int k = 0; k < 3; k++) {
        t->lo[k] = p->region.lo[k] - p->ghost_width;
        t->scale[k] = 1 / side;
        double extent = p->region.hi[k] + p->ghost_width - t->lo[k];
        /* An empty cube between rows, at least. */
        cubes[k] = floor(extent / side / 2) + 4;
        too_many |= !(cubes[k] < 0x1p30);
    }
    if (too_many || cubes[0] * cubes[1] * cubes[2] > 0x1p60)
        return peri_err_set(err, PERI_EINVAL,
                            "the linking length %g is too small for a region of "
                            "%g x %g x %g: check its unit",
                            length, p->region.hi[0] - p->region.lo[0],
                            p->region.hi[1] - p->region.lo[1],
                            p->region.hi[2] - p->region.lo[2]);
    t->stride[1] = (int64_t)cubes[2];
    t->stride[0] = (int64_t)cubes[1] * t->stride[1];
    return 0;
}

/* Eight times the key of the cube, and the octant. */
static uint64_t cell_key(const link_t *t, double x, double y, double z)
{
    const double at[3] = {x, y, z};
    int64_t cell[3];
    for (int k = 0; k < 3; k++) {
        double c = (at[k] - t->lo[k]) * t->scale[k];
        cell[k] = 2 + (c > 0 ? (int64_t)c : 0);
    }
    return (uint64_t)(cell[0] / 2 * t->stride[0] + cell[1] / 2 * t->stride[1] +
                      cell[2] / 2) *
               CELLS |
           (uint64_t)(cell[0] % 2 * 4 + cell[1] % 2 * 2 + cell[2] % 2);
}

static int allocate_cells(link_t *t, const peri_keyed_t *sorted, peri_err_t *err)
{
    for (size_t i = 0; i < t->n; i++) {
        uint64_t before = i ? sorted[i - 1].key : UINT64_MAX;
        t->ncells += sorted[i].key != before;
        t->ncubes += sorted[i].key / CELLS != before / CELLS;
    }
    t->key = malloc((t->ncubes + 1) * sizeof(*t->key));
    t->first = malloc((t->ncubes + 1) * sizeof(*t->first));
    t->whole = malloc(t->ncubes + 1);
    t->start = malloc((t->ncells + 1) * sizeof(*t->start));
    t->nown_of = calloc(t->ncells + 1, sizeof(*t->nown_of));
    t->parent = malloc((t->ncells + 1) * sizeof(*t->parent));
    t->octant = malloc(t->ncells + 1);
    t->order = malloc((t->n + 1) * sizeof(*t->order));
    t->x = malloc((t->n + 1) * sizeof(*t->x));
    bool all = t->key && t->first && t->whole && t->start && t->nown_of && t->parent &&
               t->octant && t->order && t->x;
    return all ? 0 : no_memory(t->n, err);
}

static int make_cells(link_t *t, const peri_particles_t *p, const peri_keyed_t *sorted,
                      peri_err_t *err)
{
    if (allocate_cells(t, sorted, err)) return -1;
    size_t cells = 0, cubes = 0;
    for (size_t i = 0; i < t->n; i++) {
        const uint32_t k = sorted[i].index;
        const uint64_t key = sorted[i].key, before = i ? sorted[i - 1].key : UINT64_MAX;
        if (key / CELLS != before / CELLS) {
            t->key[cubes] = key / CELLS;
            t->first[cubes++] = (uint32_t)cells;
        }
        if (key != before) {
            t->start[cells] = (uint32_t)i;
            t->parent[cells] = (uint32_t)cells;
            t->octant[cells++] = (char)(key % CELLS);
        }
        t->nown_of[cells - 1] += k < t->nown;
        t->order[i] = k;
        t->x[i][0] = p->x[k];
        t->x[i][1] = p->y[k];
        t->x[i][2] = p->z[k];
    }
    t->key[cubes] = UINT64_MAX;
    t->first[cubes] = (uint32_t)cells;
    t->start[cells] = (uint32_t)t->n;
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

/* Link the cells of cubes a and b that are at this distance. */
static void link_at(link_t *t, size_t a, size_t b, const char distance[CELLS][CELLS],
                    int wanted)
{
    for (uint32_t c = t->first[a]; c < t->first[a + 1]; c++) {
        uint32_t root = find_root(t->parent, c);
        for (uint32_t d = a == b ? c + 1 : t->first[b]; d < t->first[b + 1]; d++) {
            if (distance[(int)t->octant[c]][(int)t->octant[d]] != wanted) continue;
            if (!(t->nown_of[c] | t->nown_of[d])) continue;
            uint32_t other = find_root(t->parent, d);
            if (other == root || !cells_linked(t, c, d)) continue;
            uint32_t low = root < other ? root : other;
            t->parent[root] = t->parent[other] = low;
            root = low;
        }
    }
}

static bool is_whole(link_t *t, size_t cube)
{
    uint32_t first = t->first[cube], root = find_root(t->parent, first);
    for (uint32_t c = first + 1; c < t->first[cube + 1]; c++)
        if (find_root(t->parent, c) != root) return false;
    return true;
}

static void link_within(link_t *t)
{
    /* All touch: none is further than the next one. */
    static const char distance[CELLS][CELLS];
    for (size_t a = 0; a < t->ncubes; a++) {
        if (t->first[a + 1] - t->first[a] > 1) link_at(t, a, a, distance, TOUCH);
        t->whole[a] = (char)is_whole(t, a);
    }
}

static void link_cubes(link_t *t, size_t a, size_t b, const char distance[CELLS][CELLS])
{
    for (int at = TOUCH; at <= NEAR; at++) {
        if (t->whole[a] && t->whole[b] &&
            find_root(t->parent, t->first[a]) == find_root(t->parent, t->first[b]))
            return;
        link_at(t, a, b, distance, at);
    }
}

/* Row number r of those that a cube looks at: the others look at it. The first is its
 * own. */
static row_t make_row(const link_t *t, int r)
{
    static const int steps[ROWS][2] = {{0, 0}, {0, 1}, {1, -1}, {1, 0}, {1, 1}};
    int64_t base = steps[r][0] * t->stride[0] + steps[r][1] * t->stride[1];
    row_t row = {.from = r ? base - 1 : 1, .to = base + 1};
    for (int key = 0; key < 3; key++)
        for (int a = 0; a < CELLS; a++)
            for (int b = 0; b < CELLS; b++) {
                int dz = r ? key - 1 : key + 1, most;
                int x = abs(2 * steps[r][0] + (b >> 2) - (a >> 2));
                int y = abs(2 * steps[r][1] + (b >> 1 & 1) - (a >> 1 & 1));
                int z = abs(2 * dz + (b & 1) - (a & 1));
                most = x > y ? x : y;
                most = z > most ? z : most;
                row.distance[key][a][b] = most <= 1 ? TOUCH : most == 2 ? NEAR : FAR;
            }
    return row;
}

static void link_all(link_t *t)
{
    row_t rows[ROWS];
    for (int r = 0; r < ROWS; r++) rows[r] = make_row(t, r);
    link_within(t);
    const uint64_t *key = t->key;
    for (size_t a = 0; a < t->ncubes; a++)
        for (int r = 0; r < ROWS; r++) {
            const uint64_t from = key[a] + (uint64_t)rows[r].from;
            const uint64_t to = key[a] + (uint64_t)rows[r].to;
            size_t b = rows[r].at;
            while (key[b] < from) b++;
            rows[r].at = b;
            for (; key[b] <= to; b++)
                link_cubes(t, a, b, rows[r].distance[key[b] - from]);
        }
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
    free(t.first);
    free(t.whole);
    free(t.octant);
    free(t.start);
    free(t.nown_of);
    free(t.parent);
    return rc;
}
