/* grid.h - a cubic periodic grid over the ranks of a communicator, and its Fourier
 * transforms by FFTW.
 *
 * In real space a rank has whole planes of x: value (x, y, z) is at
 * [(x - first) * plane + y * row + z]. In wave space it has rows of y, first index
 * (transposed, which saves a third of the messages): wave (x, y, z) is complex number
 * [((y - kfirst) * n + x) * (n / 2 + 1) + z], z from 0 to n/2.
 *
 * Numbers are double: then what is written, in float, is the same for any number of
 * ranks, though sums are rounded in another order. Float would take 60 % of the time.
 */
#ifndef UNIVERSE_GRID_H
#define UNIVERSE_GRID_H

#include <complex.h>
#include <stddef.h>

#include <fftw3-mpi.h>

#include "perigee/err.h"

typedef double complex wave_t;

typedef struct {
    MPI_Comm comm;
    int rank, nranks;
    int n;             /* cells a side */
    int first, planes; /* of this rank */
    int kfirst, krows;
    size_t row, plane; /* numbers from one row, one plane to the next */
    size_t size;       /* numbers that an array to be transformed needs */
    int *owner;        /* rank of every plane */
    fftw_plan forward, backward;
} grid_t;

/* Collective. Lasts no longer than comm. */
grid_t *grid_new(MPI_Comm comm, int n);
void grid_free(grid_t *g); /* accepts NULL */

double *grid_alloc(const grid_t *g); /* zeros, to be freed */

/* In place, collective, without a factor: there and back multiplies by n^3. */
void grid_forward(const grid_t *g, double *a);
void grid_backward(const grid_t *g, double *a);

/* The whole number of waves in the box that index i stands for. */
static inline int grid_waves(const grid_t *g, int i)
{
    return i <= g->n / 2 ? i : i - g->n;
}

/* Value j of the mesh lies at (j - 1/2) cells. So particles of a lattice that fits the
 * mesh are midway between values, where the smallest displacement is felt as well in one
 * direction as in the other; on the values themselves a pancake comes out five times
 * worse. Returns the j below x, and in *part how far x is on the way to the next; scale
 * is cells a length, x from 0 to the box. */
static inline int grid_cell(int n, double scale, double x, double *part)
{
    double place = x * scale + 0.5;
    int cell = (int)place;
    *part = place - cell;
    return cell < n ? cell : cell - n;
}

#endif
