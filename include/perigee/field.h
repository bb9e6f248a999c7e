/* perigee/field.h - a quantity on a regular grid, spread over the ranks in slabs of
 * planes.
 *
 * A field has n[0] x n[1] x n[2] values in a periodic box. Each rank has the planes
 * [x0, x0 + nx) of the first axis, in the layout that FFTW-MPI wants, so that transforms
 * happen in place; where there are more ranks than planes, some have none (nx = 0).
 * Values are doubles: value (x, y, z) is data[((x - x0) * n[1] + y) * row + z].
 *
 * In space or in modes: peri_field_forward makes the Fourier modes out of the values,
 * peri_field_backward the values again. Functions say which of both they want.
 *
 * A vector field is three of these. Deposition and interpolation sort the particles by
 * the part of the grid that they touch, and send them to the rank that has it: they may
 * be on any rank.
 *
 * Everything here is collective over the field's communicator, unless it says "local",
 * and ends on all ranks with the same result. Results do not depend on the number of
 * ranks but for the rounding of sums in another order.
 */
#ifndef PERIGEE_FIELD_H
#define PERIGEE_FIELD_H

#include <complex.h>
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct peri_field {
    size_t n[3];   /* values along each axis, of all ranks */
    double box[3]; /* side lengths */
    /* Where value 0 lies, in cells: 0.5 in the middle of its cell (preset), 0 on the
     * border of the box. */
    double origin;
    /* What it is, for files; preset: "" and NAN. */
    char name[64], unit[64], length[32]; /* length: unit of the box */
    double redshift, time;

    MPI_Comm comm; /* the caller's; must outlive the field */
    size_t x0, nx; /* this rank's planes */
    size_t row;    /* doubles from one row of z to the next */
    double *data;
    bool modes; /* data has Fourier modes */
    struct peri_field_private *p;
} peri_field_t;

/* Zeros. Refused with the size in bytes where a rank has not the memory. */
peri_field_t *peri_field_new(const size_t n[3], const double box[3], MPI_Comm comm,
                             peri_err_t *err);
peri_field_t *peri_field_copy(const peri_field_t *f, peri_err_t *err);
void peri_field_free(peri_field_t *f); /* accepts NULL; local */
/* Memory of the rank that has most. Local. */
uint64_t peri_field_bytes(const size_t n[3], int nranks);

/* ---- values; local but for the statistics ---- */

void peri_field_zero(peri_field_t *f); /* zeros, in space */
/* Each value v becomes factor * v + plus. */
void peri_field_scale(peri_field_t *f, double factor, double plus);
/* A row of values along z; x in [x0, x0 + nx). */
double *peri_field_row(const peri_field_t *f, size_t x, size_t y);

typedef struct {
    double sum, mean, variance, min, max;
} peri_fieldstats_t;
peri_fieldstats_t peri_field_stats(const peri_field_t *f);

/* ---- particles and the grid ---- */

/* Over how many cells along each axis a particle is spread. */
typedef enum {
    PERI_NGP = 1, /* nearest grid point */
    PERI_CIC,     /* cloud in cell: linear */
    PERI_TSC,     /* triangular shaped cloud: quadratic */
    PERI_PCS      /* piecewise cubic spline */
} peri_scheme_t;

/* "ngp", "cic", "tsc" or "pcs", of any case; 0 for anything else. Local. */
peri_scheme_t peri_scheme_find(const char *name);

/* This rank's points, on any place of the box or one of its periodic images. */
typedef struct {
    size_t n;
    const double *x, *y, *z;
    const double *weight; /* NULL: 1 each */
} peri_points_t;

/* Add the points' weights to the grid (in space): the sum of all values grows by the sum
 * of all weights. Points are moved by `shift` cells along each axis first: 0, or 0.5 for
 * the second grid of an interlaced pair. Positions and weights must be finite. */
int peri_field_deposit(peri_field_t *f, const peri_points_t *points, peri_scheme_t scheme,
                       double shift, peri_err_t *err);

/* The other way: values[i] is what the grid has at point i, by the same weights. */
int peri_field_interpolate(const peri_field_t *f, const peri_points_t *points,
                           peri_scheme_t scheme, double *values, peri_err_t *err);

/* ---- Fourier ---- */

/* Mode k is the sum over all values v of v exp(-i k x), x counted from value 0.
 * Backward undoes it exactly: it divides by the number of values. */
int peri_field_forward(peri_field_t *f, peri_err_t *err);
int peri_field_backward(peri_field_t *f, peri_err_t *err);

/* This rank's modes come in rows along kz = 0 .. n[2]/2, in units of 2 pi / box[2]. Row r
 * of peri_field_moderows has k[0] and k[1], negative ones too, in units of 2 pi / box.
 * Modes with kz < 0 are the complex conjugates of those at -k: each mode with
 * 0 < kz < n[2]/2 stands for two. Local. */
size_t peri_field_moderows(const peri_field_t *f);
double complex *peri_field_moderow(const peri_field_t *f, size_t r, long k[2]);

/* Modes times exp(-k^2 radius^2 / 2): smoothing with a Gaussian of that radius. Local. */
int peri_field_gauss(peri_field_t *f, double radius, peri_err_t *err);

/* ---- files ---- */

/* Write a field (in space) into an HDF5 file, which is made if it is not there or
 * empty: a dataset
 * of float32 of shape (x, y, z), named by the field, with attributes box, length, unit,
 * redshift, time, origin. Rank 0 writes, plane by plane; `path` matters there only. */
int peri_field_write(const peri_field_t *f, const char *path, peri_err_t *err);
/* Read one back, from a 3-D dataset of any type of numbers; rank 0 reads. */
peri_field_t *peri_field_read(const char *path, const char *dataset, MPI_Comm comm,
                              peri_err_t *err);

#ifdef __cplusplus
}
#endif
#endif
