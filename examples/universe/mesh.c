/* mesh.c - a particle-mesh solver (Hockney & Eastwood 1981), made for few passes over
 * memory: one transform there and one back, and no grid but the potential's.
 *
 * Particles and mesh meet by cloud-in-cell (CIC) both ways. The gradient is the 4-point
 * difference (f[-2] - 8 f[-1] + 8 f[1] - f[2]) / 12. It is antisymmetric and the weights
 * are the same both ways, so that no particle pulls itself and momentum is conserved. It
 * is taken at the particle: CIC and difference together are 6 weights along one axis and
 * 2 along the others, 72 values a particle from one array that stays in the cache.
 *
 * The CIC windows are not divided out of the potential. That would make forces sharper,
 * but also the images of waves beyond the mesh: with two cells a particle, power at 2/3
 * of the lattice's frequency and z = 3.6 is 1.08 times that of a mesh of half the cell as
 * it is, 1.33 times with one window divided out and 1.72 times with both.
 *
 * A rank keeps 2 planes of its neighbour below and 3 of the one above.
 */
#include "examples/universe/mesh.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define BELOW 2
#define ABOVE 3

struct mesh {
    grid_t *grid;
    double box;
    double *memory; /* with the neighbours' planes */
    double *values; /* of plane `first` */
    double *square; /* of the wave number of index i along an axis */
    mesh_times_t times;
};

static double *squares(const grid_t *g, double box)
{
    double *square = peri_xcalloc((size_t)g->n, sizeof(double));
    for (int i = 0; i < g->n; i++) {
        double k = 2 * M_PI * grid_waves(g, i) / box;
        square[i] = k * k;
    }
    return square;
}

/* FFTW gives the first ranks the same number of planes and the last one the rest. */
static int most_ranks(int n)
{
    int ranks = n / ABOVE;
    while (ranks > 1) {
        int planes = (n + ranks - 1) / ranks;
        if (n - planes * (ranks - 1) >= ABOVE) break;
        ranks--;
    }
    return ranks;
}

mesh_t *mesh_new(MPI_Comm comm, int n, double box, peri_err_t *err)
{
    grid_t *g = grid_new(comm, n);
    int least;
    MPI_Allreduce(&g->planes, &least, 1, MPI_INT, MPI_MIN, comm);
    if (least < ABOVE) {
        peri_err_set(
            err, PERI_EINVAL,
            "a mesh of %d planes cannot be shared by %d ranks, of which each needs "
            "%d or more: start %d, or make the mesh larger",
            n, g->nranks, ABOVE, most_ranks(n));
        grid_free(g);
        return NULL;
    }
    mesh_t *m = peri_xcalloc(1, sizeof(*m));
    m->grid = g;
    m->box = box;
    size_t own = (size_t)(g->planes + ABOVE) * g->plane;
    m->memory =
        peri_xcalloc(BELOW * g->plane + (own > g->size ? own : g->size), sizeof(double));
    m->values = m->memory + BELOW * g->plane;
    m->square = squares(g, box);
    return m;
}

void mesh_free(mesh_t *m)
{
    if (!m) return;
    grid_free(m->grid);
    free(m->memory);
    free(m->square);
    free(m);
}

const grid_t *mesh_grid(const mesh_t *m)
{
    return m->grid;
}

mesh_times_t mesh_times(const mesh_t *m)
{
    return m->times;
}

static double *plane_of(const mesh_t *m, int x)
{
    return m->values + (ptrdiff_t)x * (ptrdiff_t)m->grid->plane;
}

/* `count` planes from `mine` to the rank `to` further up; as many from the other side. */
static void shift_planes(const mesh_t *m, const double *mine, double *theirs, int count,
                         int to)
{
    const grid_t *g = m->grid;
    int dest = (g->rank + g->nranks + to) % g->nranks;
    int source = (g->rank + g->nranks - to) % g->nranks;
    MPI_Datatype plane;
    MPI_Type_contiguous((int)g->plane, MPI_DOUBLE, &plane);
    MPI_Type_commit(&plane);
    MPI_Sendrecv(mine, count, plane, dest, 0, theirs, count, plane, source, 0, g->comm,
                 MPI_STATUS_IGNORE);
    MPI_Type_free(&plane);
}

/* ---- density ---- */

static void deposit(const mesh_t *m, const particles_t *s)
{
    const grid_t *g = m->grid;
    const double scale = g->n / m->box;
    memset(m->values, 0, (size_t)(g->planes + 1) * g->plane * sizeof(double));
    for (size_t i = 0; i < s->count; i++) {
        const double *x = s->at[i].x;
        double tx, ty, tz;
        int cx = grid_cell(g->n, scale, x[0], &tx) - g->first;
        int cy = grid_cell(g->n, scale, x[1], &ty), dy = cy + 1 < g->n ? cy + 1 : 0;
        int cz = grid_cell(g->n, scale, x[2], &tz), dz = cz + 1 < g->n ? cz + 1 : 0;
        double *low = plane_of(m, cx), *high = low + g->plane;
        size_t near = (size_t)cy * g->row, far = (size_t)dy * g->row;
        double a = (1 - tx) * (1 - ty), b = (1 - tx) * ty;
        double c = tx * (1 - ty), d = tx * ty;
        low[near + (size_t)cz] += a * (1 - tz);
        low[near + (size_t)dz] += a * tz;
        low[far + (size_t)cz] += b * (1 - tz);
        low[far + (size_t)dz] += b * tz;
        high[near + (size_t)cz] += c * (1 - tz);
        high[near + (size_t)dz] += c * tz;
        high[far + (size_t)cz] += d * (1 - tz);
        high[far + (size_t)dz] += d * tz;
    }
}

/* What was laid on the plane above belongs to the next rank. */
static void return_plane(const mesh_t *m)
{
    size_t plane = m->grid->plane;
    double *from_below = plane_of(m, -1), *own = plane_of(m, 0);
    shift_planes(m, plane_of(m, m->grid->planes), from_below, 1, 1);
    for (size_t i = 0; i < plane; i++) own[i] += from_below[i];
}

/* ---- potential ---- */

static void divide_by_laplacian(const mesh_t *m, double particles)
{
    const grid_t *g = m->grid;
    const int half = g->n / 2 + 1;
    wave_t *wave = (wave_t *)m->values;
    for (int y = g->kfirst; y < g->kfirst + g->krows; y++) {
        for (int x = 0; x < g->n; x++, wave += half) {
            double k2 = m->square[x] + m->square[y];
            int z = 0;
            if (k2 == 0) wave[z++] = 0; /* the mean pulls nowhere */
            for (; z < half; z++) wave[z] *= -1 / (particles * (k2 + m->square[z]));
        }
    }
}

static void fetch_planes(const mesh_t *m)
{
    int planes = m->grid->planes;
    shift_planes(m, plane_of(m, 0), plane_of(m, planes), ABOVE, -1);
    shift_planes(m, plane_of(m, planes - BELOW), plane_of(m, -BELOW), BELOW, 1);
}

void mesh_solve(mesh_t *m, const particles_t *s)
{
    double start = peri_now();
    long long count = (long long)s->count;
    MPI_Allreduce(MPI_IN_PLACE, &count, 1, MPI_LONG_LONG, MPI_SUM, m->grid->comm);
    deposit(m, s);
    return_plane(m);
    double deposited = peri_now();
    grid_forward(m->grid, m->values);
    divide_by_laplacian(m, (double)count);
    grid_backward(m->grid, m->values);
    fetch_planes(m);
    m->times.deposit += deposited - start;
    m->times.transform += peri_now() - deposited;
}

/* ---- pull ---- */

/* Six weights that interpolate the difference at `part` into a cell. */
static void gradient_weights(double part, double w[6])
{
    double a = (1 - part) / 12, b = part / 12;
    w[0] = a;
    w[1] = b - 8 * a;
    w[2] = -8 * b;
    w[3] = 8 * a;
    w[4] = 8 * b - a;
    w[5] = -b;
}

/* Cell numbers around `cell` in a periodic grid, from 2 below to 3 above. */
static void neighbours(int cell, int n, size_t stride, size_t at[6])
{
    for (int j = 0; j < 6; j++) {
        int c = cell - BELOW + j;
        c += c < 0 ? n : 0;
        c -= c >= n ? n : 0;
        at[j] = (size_t)c * stride;
    }
}

static void gradient(const mesh_t *m, const double x[3], double out[3])
{
    const grid_t *g = m->grid;
    const double scale = g->n / m->box;
    double tx, ty, tz, wx[6], wy[6], wz[6];
    size_t ys[6], zs[6];
    int cx = grid_cell(g->n, scale, x[0], &tx) - g->first;
    neighbours(grid_cell(g->n, scale, x[1], &ty), g->n, g->row, ys);
    neighbours(grid_cell(g->n, scale, x[2], &tz), g->n, 1, zs);
    gradient_weights(tx, wx);
    gradient_weights(ty, wy);
    gradient_weights(tz, wz);
    const double fx[2] = {1 - tx, tx}, fy[2] = {1 - ty, ty}, fz[2] = {1 - tz, tz};
    double gx = 0, gy = 0, gz = 0;
    const double *plane = plane_of(m, cx - BELOW);
    for (int i = 0; i < 6; i++, plane += g->plane) {
        const double *r0 = plane + ys[2], *r1 = plane + ys[3];
        gx += wx[i] * (fy[0] * (fz[0] * r0[zs[2]] + fz[1] * r0[zs[3]]) +
                       fy[1] * (fz[0] * r1[zs[2]] + fz[1] * r1[zs[3]]));
        if (i != 2 && i != 3) continue;
        double sum_y = 0, sum_z = 0;
        for (int j = 0; j < 6; j++) {
            const double *r = plane + ys[j];
            sum_y += wy[j] * (fz[0] * r[zs[2]] + fz[1] * r[zs[3]]);
            sum_z += wz[j] * (fy[0] * r0[zs[j]] + fy[1] * r1[zs[j]]);
        }
        gy += fx[i - 2] * sum_y;
        gz += fx[i - 2] * sum_z;
    }
    out[0] = gx * scale;
    out[1] = gy * scale;
    out[2] = gz * scale;
}

void mesh_kick(const mesh_t *m, particles_t *s, double factor)
{
    for (size_t i = 0; i < s->count; i++) {
        double pull[3];
        gradient(m, s->at[i].x, pull);
        for (int d = 0; d < 3; d++) s->at[i].p[d] -= factor * pull[d];
    }
}
