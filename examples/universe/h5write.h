/* h5write.h - HDF5 files in memory, with attributes and columns as GADGET-4's have them.
 *
 * Functions that put something are 0 or negative, so that results may be or-ed.
 */
#ifndef UNIVERSE_H5WRITE_H
#define UNIVERSE_H5WRITE_H

#include <hdf5.h>

#include "perigee/err.h"

int h5_put(hid_t object, const char *name, hid_t type, hsize_t n, const void *values);
int h5_put_double(hid_t object, const char *name, double value);
int h5_put_int(hid_t object, const char *name, int value);
int h5_put_text(hid_t object, const char *name, const char *value);

/* How a column is stored: rows of `width` values (1: a plain list). */
typedef struct {
    const char *name;
    hid_t type; /* in memory and in the file */
    hsize_t rows, width, chunk;
    int compress;
} h5_column_t;

/* The dataset, to be given attributes and closed; negative if it failed. */
hid_t h5_put_column(hid_t group, const h5_column_t *c, const void *values);

/* Puts the content into an empty file. */
typedef int h5_fill_t(hid_t file, const void *arg);

/* The bytes of a file that is made in memory, to be freed; `expected` is a guess at how
 * many. HDF5 cannot be trusted to live on after a full disk, so it never sees one. */
void *h5_image(h5_fill_t *fill, const void *arg, size_t expected, size_t *size,
               peri_err_t *err);

#endif
