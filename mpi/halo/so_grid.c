/* so_grid.c - how much is how far from a point, of the particles of one rank.
 *
 * Cells have about two particles on average. A shell reads the cells that it touches;
 * those wholly inside of its inner radius or outside of its outer one are passed over.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/fixed.h"
#include "mpi/halo/so_private.h"

typedef struct {
    double x[3], mass;
} body_t;

struct peri_so_grid {
    double lo[3], side;
    double mass_scale;
    size_t cells[3];
    uint32_t *start; /* [cells + 1] */
    body_t *bodies;  /* by cell */
};

static size_t cell_along(const peri_so_grid_t *g, int axis, double x)
{
    double c = floor((x - g->lo[axis]) / g->side);
    if (!(c > 0)) return 0;
    return c < (double)g->cells[axis] ? (size_t)c : g->cells[axis] - 1;
}

static size_t cell_of(const peri_so_grid_t *g, const peri_particles_t *p, size_t i)
{
    return (cell_along(g, 0, p->x[i]) * g->cells[1] + cell_along(g, 1, p->y[i])) *
               g->cells[2] +
           cell_along(g, 2, p->z[i]);
}

/* Cells of one size over the region: as many as half of the particles, or fewer. */
static size_t lay_cells(peri_so_grid_t *g, const peri_particles_t *p)
{
    double extent[3], volume = 1, longest = 0;
    for (int k = 0; k < 3; k++) {
        g->lo[k] = p->region.lo[k];
        extent[k] = p->region.hi[k] - p->region.lo[k];
        longest = fmax(longest, extent[k]);
    }
    for (int k = 0; k < 3; k++) volume *= fmax(extent[k], longest * 1e-3);
    g->side = cbrt(volume / fmax((double)p->n / 2, 1));
    if (!(g->side > 0)) g->side = 1;
    for (int k = 0; k < 3; k++) g->cells[k] = (size_t)(extent[k] / g->side) + 1;
    return g->cells[0] * g->cells[1] * g->cells[2];
}

peri_so_grid_t *peri_so_grid_new(const peri_particles_t *p, double mass_scale,
                                 peri_err_t *err)
{
    peri_so_grid_t *g = calloc(1, sizeof(*g));
    if (!g) goto none;
    g->mass_scale = mass_scale;
    size_t ncells = lay_cells(g, p);
    g->start = calloc(ncells + 2, sizeof(*g->start));
    g->bodies = malloc((p->n + 1) * sizeof(*g->bodies));
    if (!g->start || !g->bodies) goto none;
    /* Counted two places on, so that filling leaves the starts where they belong. */
    uint32_t *at = g->start + 1;
    for (size_t i = 0; i < p->n; i++) at[cell_of(g, p, i) + 1]++;
    for (size_t c = 0; c < ncells; c++) at[c + 1] += at[c];
    for (size_t i = 0; i < p->n; i++)
        g->bodies[at[cell_of(g, p, i)]++] =
            (body_t){{p->x[i], p->y[i], p->z[i]}, p->mass ? p->mass[i] : 1};
    return g;
none:
    peri_so_grid_free(g);
    peri_err_set(err, PERI_ELIMIT,
                 "there is no memory to search %zu particles on one rank: use more ranks",
                 p->n);
    return NULL;
}

void peri_so_grid_free(peri_so_grid_t *g)
{
    if (!g) return;
    free(g->start);
    free(g->bodies);
    free(g);
}

/* Squares of the smallest and largest distance of [lo, lo + side) along an axis. */
static void bounds(double x, double lo, double side, double *near2, double *far2)
{
    double below = lo - x, above = x - (lo + side);
    double near = below > 0 ? below : above > 0 ? above : 0;
    double far = fmax(fabs(x - lo), fabs(x - lo - side));
    *near2 = near * near;
    *far2 = far * far;
}

/* Calls visit for each particle with inner < r <= outer. */
typedef int (*visit_f)(void *arg, double r, double mass);

static int visit_cell(const peri_so_grid_t *g, size_t cell, const double x[3],
                      double inner, double outer, visit_f visit, void *arg)
{
    for (uint32_t i = g->start[cell]; i < g->start[cell + 1]; i++) {
        const body_t *b = &g->bodies[i];
        double dx = b->x[0] - x[0], dy = b->x[1] - x[1], dz = b->x[2] - x[2];
        double r = sqrt(dx * dx + dy * dy + dz * dz);
        if (r > inner && r <= outer && visit(arg, r, b->mass)) return -1;
    }
    return 0;
}

static int visit_shell(const peri_so_grid_t *g, const double x[3], double inner,
                       double outer, visit_f visit, void *arg)
{
    /* Rounding may put a particle a little out of its cell. */
    const double slack = 1e-9 * (g->side + outer);
    const double out2 = (outer + slack) * (outer + slack);
    const double in2 = inner > slack ? (inner - slack) * (inner - slack) : -1;
    size_t from[3], to[3], c[3];
    for (int k = 0; k < 3; k++) {
        from[k] = cell_along(g, k, x[k] - outer - slack);
        to[k] = cell_along(g, k, x[k] + outer + slack);
    }
    double near2[3], far2[3];
    for (c[0] = from[0]; c[0] <= to[0]; c[0]++) {
        bounds(x[0], g->lo[0] + (double)c[0] * g->side, g->side, &near2[0], &far2[0]);
        for (c[1] = from[1]; c[1] <= to[1]; c[1]++) {
            bounds(x[1], g->lo[1] + (double)c[1] * g->side, g->side, &near2[1], &far2[1]);
            if (near2[0] + near2[1] > out2) continue;
            for (c[2] = from[2]; c[2] <= to[2]; c[2]++) {
                bounds(x[2], g->lo[2] + (double)c[2] * g->side, g->side, &near2[2],
                       &far2[2]);
                if (near2[0] + near2[1] + near2[2] > out2) continue;
                if (far2[0] + far2[1] + far2[2] < in2) continue;
                size_t cell = (c[0] * g->cells[1] + c[1]) * g->cells[2] + c[2];
                if (visit_cell(g, cell, x, inner, outer, visit, arg)) return -1;
            }
        }
    }
    return 0;
}

/* A particle at the centre itself is in shell 0. */
static double inner_radius(const peri_so_radii_t *radii, size_t shell)
{
    return shell ? radii->r[shell - 1] : -1;
}

typedef struct {
    const double *r;
    size_t n;
    double scale;
    peri_so_shells_t *shells;
} weigh_t;

static int weigh(void *arg, double r, double mass)
{
    weigh_t *w = arg;
    size_t k = 0;
    while (k + 1 < w->n && r > w->r[k]) k++;
    w->shells->mass[k] += fixed(mass * w->scale);
    w->shells->np[k]++;
    return 0;
}

void peri_so_grid_weigh(const peri_so_grid_t *g, const peri_so_radii_t *radii,
                        const peri_so_query_t *query, peri_so_shells_t *shells)
{
    size_t first = query->shell, end = first + PERI_SO_STEP;
    if (end > radii->n) end = radii->n;
    memset(shells, 0, sizeof(*shells));
    shells->centre = query->centre;
    weigh_t w = {radii->r + first, end - first, g->mass_scale, shells};
    visit_shell(g, query->x, inner_radius(radii, first), radii->r[end - 1], weigh, &w);
}

typedef struct {
    const peri_so_query_t *query;
    peri_so_hits_t *hits;
    peri_err_t *err;
} list_t;

static int list(void *arg, double r, double mass)
{
    list_t *l = arg;
    peri_so_hits_t *h = l->hits;
    if (h->n == h->capacity) {
        size_t capacity = h->capacity ? 2 * h->capacity : 4096;
        peri_so_hit_t *more = realloc(h->hits, capacity * sizeof(*more));
        if (!more)
            return peri_err_set(l->err, PERI_ELIMIT,
                                "there is no memory for %zu particles around centres: "
                                "use more ranks",
                                capacity);
        h->hits = more;
        h->capacity = capacity;
    }
    h->hits[h->n++] = (peri_so_hit_t){r, mass, l->query->centre, l->query->shell};
    return 0;
}

int peri_so_grid_list(const peri_so_grid_t *g, const peri_so_radii_t *radii,
                      const peri_so_query_t *query, peri_so_hits_t *hits, peri_err_t *err)
{
    list_t l = {query, hits, err};
    return visit_shell(g, query->x, inner_radius(radii, query->shell),
                       radii->r[query->shell], list, &l);
}
