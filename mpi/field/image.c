/* image.c - see image.h.
 *
 * Every rank makes a whole image of its own particles; they are added on rank 0. A disc
 * has the profile (1 - r^2 / R^2)^2, and weights that are divided by their sum, so that
 * each particle keeps its mass whatever its place among the pixels is.
 */
#include "mpi/field/image.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/field/cloud.h"
#include "mpi/field/neighbours.h"

#define MEAN_DISTANCES 4.0 /* largest disc */
#define SMALLEST       1.2 /* radius of the smallest disc, in pixels: it has no holes */
#define SUM_EXACTLY    64  /* larger discs that the border cuts have their analytic sum */

typedef struct {
    const peri_imagespec_t *s;
    const peri_particles_t *p;
    int u, v;     /* axes of the image */
    bool wrap[2]; /* the whole side of the periodic box is shown */
    double per_length[2];
    double *data;
} work_t;

uint64_t peri_image_bytes(const peri_imagespec_t *s)
{
    return (uint64_t)s->pixels[0] * s->pixels[1] * sizeof(double);
}

/* ---- spreading ---- */

/* One row of a disc around (u, v): from *first, below *end. a = 1 - dv^2 / R^2. */
static void disc_row(double u, double radius, double a, long *first, long *end)
{
    double half = radius * sqrt(a);
    *first = (long)ceil(u - half - 0.5);
    *end = (long)floor(u + half - 0.5) + 1;
}

/* `d` from the centre to the first of n pixels, in pixels. */
static double row_sum(double d, double inverse, double a, long n)
{
    double sum = 0;
    for (long i = 0; i < n; i++) {
        double x = d + (double)i, t = a - x * x * inverse;
        sum += t * t;
    }
    return sum;
}

static void add_row(double *row, double d, double inverse, double a, double weight,
                    long n)
{
    for (long i = 0; i < n; i++) {
        double x = d + (double)i, t = a - x * x * inverse;
        row[i] += weight * t * t;
    }
}

static long larger(long a, long b)
{
    return a > b ? a : b;
}

static long smaller(long a, long b)
{
    return a < b ? a : b;
}

/* The part of a row that is in the image, or all of it wrapped around. */
static void add_clipped(const work_t *w, double *row, double u, double inverse, double a,
                        double weight, long first, long end)
{
    long n = (long)w->s->pixels[0];
    if (!w->wrap[0]) {
        first = larger(first, 0);
        end = smaller(end, n);
    }
    for (long at = first; at < end;) {
        long turn = at >= 0 ? at / n : -((n - 1 - at) / n);
        long stop = smaller(end, (turn + 1) * n);
        add_row(row + (at - turn * n), (double)at + 0.5 - u, inverse, a, weight,
                stop - at);
        at = stop;
    }
}

/* Position in pixels. */
static void add_disc(const work_t *w, double u, double v, double radius, double mass)
{
    double inverse = 1 / (radius * radius), sum = 0;
    long n = (long)w->s->pixels[0], m = (long)w->s->pixels[1], first, end;
    long low = (long)ceil(v - radius - 0.5), high = (long)floor(v + radius - 0.5) + 1;
    bool cut = (!w->wrap[1] && (low < 0 || high > m)) ||
               (!w->wrap[0] && (u - radius < 0 || u + radius > (double)n));
    if (cut && radius > SUM_EXACTLY)
        sum = M_PI * radius * radius / 3;
    else
        for (long j = low; j < high; j++) {
            double d = (double)j + 0.5 - v, a = 1 - d * d * inverse;
            if (a <= 0) continue;
            disc_row(u, radius, a, &first, &end);
            sum += row_sum((double)first + 0.5 - u, inverse, a, end - first);
        }
    for (long j = low; j < high; j++) {
        double d = (double)j + 0.5 - v, a = 1 - d * d * inverse;
        long row = w->wrap[1] ? (j % m + m) % m : j;
        if (a <= 0 || row < 0 || row >= m) continue;
        disc_row(u, radius, a, &first, &end);
        add_clipped(w, w->data + row * n, u, inverse, a, mass / sum, first, end);
    }
}

static void add_cloud(const work_t *w, double u, double v, double mass)
{
    int scheme = w->s->scheme;
    double x = u - 0.5 * (scheme - 1), y = v - 0.5 * (scheme - 1), wu[4], wv[4];
    long i = (long)floor(x), j = (long)floor(y);
    peri_cloud(scheme, x - (double)i, wu);
    peri_cloud(scheme, y - (double)j, wv);
    long n = (long)w->s->pixels[0], m = (long)w->s->pixels[1];
    for (long b = 0; b < scheme; b++) {
        long row = w->wrap[1] ? ((j + b) % m + m) % m : j + b;
        if (row < 0 || row >= m) continue;
        for (long a = 0; a < scheme; a++) {
            long column = w->wrap[0] ? ((i + a) % n + n) % n : i + a;
            if (column >= 0 && column < n)
                w->data[row * n + column] += mass * wu[a] * wv[b];
        }
    }
}

/* ---- particles ---- */

/* From the centre along an axis, to the nearest image in a periodic box: [-L/2, L/2). */
static double offset(const work_t *w, size_t i, int axis)
{
    const double *x[3] = {w->p->x, w->p->y, w->p->z};
    double d = x[axis][i] - w->s->centre[axis];
    if (!w->p->periodic) return d;
    double box = w->p->box[axis];
    return d - box * floor(d / box + 0.5);
}

static bool reaches(const work_t *w, double u, double v, double radius)
{
    double n = (double)w->s->pixels[0], m = (double)w->s->pixels[1];
    return (w->wrap[0] || (u > -radius && u < n + radius)) &&
           (w->wrap[1] || (v > -radius && v < m + radius));
}

/* A particle, at all of its periodic images that reach into the picture. */
static void add_particle(const work_t *w, const peri_neighbours_t *tree, size_t i,
                         double largest, double u, double v)
{
    const double at[3] = {w->p->x[i], w->p->y[i], w->p->z[i]};
    int turns_u = w->p->periodic && !w->wrap[0], turns_v = w->p->periodic && !w->wrap[1];
    double side_u = w->p->box[w->u] * w->per_length[0];
    double side_v = w->p->box[w->v] * w->per_length[1];
    double radius = 0; /* not known yet */
    double reach = tree ? fmax(largest * w->per_length[0], SMALLEST) : w->s->scheme;
    for (int a = -turns_u; a <= turns_u; a++)
        for (int b = -turns_v; b <= turns_v; b++) {
            double x = u + a * side_u, y = v + b * side_v;
            if (!reaches(w, x, y, reach)) continue;
            if (!tree) {
                add_cloud(w, x, y, w->p->mass[i]);
                continue;
            }
            if (radius == 0)
                radius = fmax(SMALLEST,
                              w->per_length[0] * peri_neighbours_distance(
                                                     tree, at, w->s->neighbour, largest));
            if (reaches(w, x, y, radius)) add_disc(w, x, y, radius, w->p->mass[i]);
        }
}

/* tree: NULL unless adaptive. *inside: particles whose centres are shown. */
static void add_particles(const work_t *w, const peri_neighbours_t *tree, double largest,
                          uint64_t *inside)
{
    const peri_imagespec_t *s = w->s;
    bool all = w->p->periodic && s->size[2] > w->p->box[s->axis] * (1 - 1e-9);
    for (size_t i = 0; i < w->p->n; i++) {
        double depth = offset(w, i, s->axis);
        if (!all && !(depth >= -s->size[2] / 2 && depth < s->size[2] / 2)) continue;
        double u = (offset(w, i, w->u) + s->size[0] / 2) * w->per_length[0];
        double v = (offset(w, i, w->v) + s->size[1] / 2) * w->per_length[1];
        *inside += reaches(w, u, v, 0);
        add_particle(w, tree, i, largest, u, v);
    }
}

/* Particles moved to their regions, with ghosts as far as a disc may reach. */
static peri_neighbours_t *make_tree(const peri_imagespec_t *s, peri_particles_t *p,
                                    MPI_Comm comm, double *largest, peri_err_t *err)
{
    uint64_t total = peri_particles_total(p, comm);
    double volume = 1, shortest = INFINITY;
    if (peri_particles_decompose(p, comm, err)) return NULL;
    for (int k = 0; k < 3; k++) {
        double side = p->periodic ? p->box[k] : fmax(p->box[k], s->size[0] * 1e-3);
        volume *= side;
        shortest = fmin(shortest, side);
    }
    *largest =
        fmin(MEAN_DISTANCES * cbrt(volume / (double)(total ? total : 1)), shortest / 2);
    if (peri_particles_ghosts(p, *largest, comm, err)) return NULL;
    peri_neighbours_t *tree =
        peri_neighbours_new(p->x, p->y, p->z, p->n + p->nghosts, err);
    if (peri_ranks_agree(tree ? 0 : -1, comm, err)) {
        peri_neighbours_free(tree);
        return NULL;
    }
    return tree;
}

/* ---- the image of all ranks ---- */

/* data: masses of pixels of this rank. */
static void finish(peri_image_t *out, double *data, MPI_Comm comm)
{
    const peri_imagespec_t *s = &out->spec;
    size_t count = s->pixels[0] * s->pixels[1];
    int rank;
    MPI_Comm_rank(comm, &rank);
    MPI_Reduce(rank ? data : MPI_IN_PLACE, data, (int)count, MPI_DOUBLE, MPI_SUM, 0,
               comm);
    double area = s->size[0] * s->size[1] / (double)count;
    double v[4] = {0, DBL_MAX, -DBL_MAX, INFINITY}; /* mass, min, max, least */
    for (size_t i = 0; rank == 0 && i < count; i++) {
        v[0] += data[i];
        data[i] /= area;
        v[1] = fmin(v[1], data[i]);
        v[2] = fmax(v[2], data[i]);
        if (data[i] > 0) v[3] = fmin(v[3], data[i]);
    }
    MPI_Bcast(v, 4, MPI_DOUBLE, 0, comm);
    MPI_Allreduce(MPI_IN_PLACE, &out->particles, 1, MPI_UINT64_T, MPI_SUM, comm);
    out->mass = v[0];
    out->min = v[1];
    out->max = v[2];
    out->least = isfinite(v[3]) ? v[3] : NAN;
    out->data = rank ? NULL : data;
    if (rank) free(data);
}

static int check_spec(const peri_imagespec_t *s, const peri_particles_t *p,
                      peri_err_t *err)
{
    static const char *const what[] = {"width", "height", "depth"};
    for (int k = 0; k < 3; k++) {
        int axis = (s->axis + 1 + k) % 3;
        if (!(s->size[k] > 0) || !isfinite(s->size[k]) || !isfinite(s->centre[axis]))
            return peri_err_set(err, PERI_EINVAL,
                                "An image needs a %s above 0 and a centre, not %g.",
                                what[k], s->size[k]);
        if (p->periodic && s->size[k] > p->box[axis] * (1 + 1e-9))
            return peri_err_set(err, PERI_EINVAL,
                                "The %s of the image is %g, more than the box has (%g).",
                                what[k], s->size[k], p->box[axis]);
    }
    if (s->scheme > PERI_TSC ||
        (!s->scheme && (s->neighbour < 1 || s->neighbour > PERI_NEIGHBOURS_MAX)))
        return peri_err_set(err, PERI_EINVAL, "An image has no such smoothing.");
    return 0;
}

int peri_image_make(const peri_imagespec_t *s, peri_particles_t *p, MPI_Comm comm,
                    peri_image_t *out, peri_err_t *err)
{
    *out = (peri_image_t){.spec = *s};
    if (check_spec(s, p, err)) return -1;
    peri_neighbours_t *tree = NULL;
    double largest = 0;
    if (!s->scheme && !(tree = make_tree(s, p, comm, &largest, err))) return -1;
    work_t w = {.s = s, .p = p, .u = (s->axis + 1) % 3, .v = (s->axis + 2) % 3};
    int axes[2] = {w.u, w.v};
    for (int k = 0; k < 2; k++) {
        w.per_length[k] = (double)s->pixels[k] / s->size[k];
        w.wrap[k] = p->periodic && s->size[k] > p->box[axes[k]] * (1 - 1e-9);
    }
    w.data = calloc(s->pixels[0] * s->pixels[1] + 1, sizeof(double));
    int rc = w.data ? 0
                    : peri_err_set(err, PERI_ELIMIT,
                                   "There is no memory for an image of %zu x %zu pixels.",
                                   s->pixels[0], s->pixels[1]);
    rc = peri_ranks_agree(rc, comm, err);
    if (!rc) {
        add_particles(&w, tree, largest, &out->particles);
        finish(out, w.data, comm);
    } else {
        free(w.data);
    }
    peri_neighbours_free(tree);
    return rc;
}

void peri_image_clear(peri_image_t *image)
{
    free(image->data);
    image->data = NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double peri_image_quantile(const peri_image_t *image, double share)
{
    size_t count = image->spec.pixels[0] * image->spec.pixels[1], n = 0;
    double *values = malloc((count + 1) * sizeof(*values)), value = NAN;
    for (size_t i = 0; values && i < count; i++)
        if (image->data[i] > 0) values[n++] = image->data[i];
    if (n) {
        qsort(values, n, sizeof(*values), by_value);
        value = values[(size_t)(share * (double)(n - 1))];
    }
    free(values);
    return value;
}
