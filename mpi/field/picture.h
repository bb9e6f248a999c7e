/* picture.h - an image as a file, which replaces one that is there. On rank 0; local. */
#ifndef MPI_FIELD_PICTURE_H
#define MPI_FIELD_PICTURE_H

#include "mpi/field/image.h"

/* Colours by the logarithm of the column density, from vmin to vmax; NAN: the darkest
 * half per cent and the lightest per mille of the pixels are cut off. */
int peri_picture_png(const peri_image_t *image, const char *colours, double vmin,
                     double vmax, const char *path, peri_err_t *err);

typedef struct {
    const char *length, *mass; /* units; "": not known */
    double redshift, box;      /* NAN: not known */
} peri_picturehead_t;

/* Single precision; coordinates of both axes are linear. */
int peri_picture_fits(const peri_image_t *image, const peri_picturehead_t *head,
                      const char *path, peri_err_t *err);

#endif
