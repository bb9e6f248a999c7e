/* image.h - column densities: particles projected along an axis onto pixels. */
#ifndef MPI_FIELD_IMAGE_H
#define MPI_FIELD_IMAGE_H

#include "perigee/field.h"
#include "perigee/particles.h"

typedef struct {
    int axis; /* along which is projected; the image has the next two, in turn */
    double centre[3];
    double size[3];   /* of what is shown: along the image's two axes, and the depth */
    size_t pixels[2]; /* square ones, if size and pixels say so */
    peri_scheme_t scheme; /* over 1 (NGP) to 3 (TSC) pixels; 0: adaptive */
    /* Adaptive: each particle is spread over a disc of the distance to this neighbour, in
     * space, at most 4 times the mean distance of all particles. */
    size_t neighbour;
} peri_imagespec_t;

typedef struct {
    peri_imagespec_t spec;
    double *data;           /* on rank 0: mass per area, rows from the lowest up */
    double mass;            /* of the image: sum of all pixels; on all ranks */
    double min, max, least; /* least: above 0; NAN if there is none. On all ranks */
    uint64_t particles;     /* whose centres are inside */
} peri_image_t;

/* Memory of a rank. Local. */
uint64_t peri_image_bytes(const peri_imagespec_t *s);

/* Particles with mass. Adaptive images decompose them and add ghosts. In a periodic box
 * images of particles are wrapped; a part of the box that is shown as a whole keeps all
 * of its mass, to rounding. Collective. */
int peri_image_make(const peri_imagespec_t *s, peri_particles_t *p, MPI_Comm comm,
                    peri_image_t *out, peri_err_t *err);
void peri_image_clear(peri_image_t *image);

/* The value below which this share (0 to 1) of the pixels above 0 lies. Rank 0, local. */
double peri_image_quantile(const peri_image_t *image, double share);

#endif
