/* picture.c - see picture.h. */
#include "mpi/field/picture.h"

#include <fitsio.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "mpi/field/colour.h"

/* ---- PNG ---- */

static int png_failed(const char *path, const char *why, peri_err_t *err)
{
    return peri_err_set(err, PERI_EIO, "Cannot write %s: %s.", path, why);
}

int peri_picture_png(const peri_image_t *image, const char *colours, double vmin,
                     double vmax, const char *path, peri_err_t *err)
{
    const size_t n = image->spec.pixels[0], m = image->spec.pixels[1];
    uint8_t rgb[PERI_COLOURS][3];
    if (peri_colours_fill(colours, rgb, err)) return -1;
    if (isnan(vmin)) vmin = peri_image_quantile(image, 0.005);
    if (isnan(vmax)) vmax = peri_image_quantile(image, 0.999);
    if (vmin >= vmax) vmin = vmax / 10; /* all alike */
    double low = log(vmin), scale = (PERI_COLOURS - 1) / (log(vmax) - low);
    uint8_t *pixels = malloc(n * m * 3);
    if (!pixels)
        return peri_err_set(err, PERI_ELIMIT, "There is no memory for a picture.");
    for (size_t j = 0; j < m; j++) /* from the top down */
        for (size_t i = 0; i < n; i++) {
            double v = image->data[(m - 1 - j) * n + i];
            double at = v > 0 ? (log(v) - low) * scale : 0;
            int c = at > 0 ? (int)fmin(at + 0.5, PERI_COLOURS - 1) : 0;
            memcpy(pixels + 3 * (j * n + i), rgb[c], 3);
        }
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)n,
                     .height = (png_uint_32)m,
                     .format = PNG_FORMAT_RGB};
    int rc = png_image_write_to_file(&png, path, 0, pixels, 0, NULL)
                 ? 0
                 : png_failed(path, png.message, err);
    free(pixels);
    return rc;
}

/* ---- FITS ---- */

static void put_number(fitsfile *f, const char *key, double v, const char *comment,
                       int *status)
{
    if (isfinite(v)) fits_write_key(f, TDOUBLE, key, &v, comment, status);
}

static void put_text(fitsfile *f, const char *key, const char *text, const char *comment,
                     int *status)
{
    if (*text) fits_write_key(f, TSTRING, key, (void *)text, comment, status);
}

/* Pixel centres are at crpix = 1, 2, ...: the lower left border is at 0.5. */
static void put_axis(fitsfile *f, const peri_image_t *image, int k, const char *unit,
                     int *status)
{
    static const char *const names[] = {"X", "Y", "Z"};
    const peri_imagespec_t *s = &image->spec;
    int axis = (s->axis + 1 + k) % 3;
    char key[16];
    const struct {
        const char *key;
        double value;
        const char *comment;
    } numbers[] = {{"CRPIX", 0.5, "lower border"},
                   {"CRVAL", s->centre[axis] - s->size[k] / 2, "coordinate there"},
                   {"CDELT", s->size[k] / (double)s->pixels[k], "side of a pixel"}};
    snprintf(key, sizeof(key), "CTYPE%d", k + 1);
    put_text(f, key, names[axis], "linear coordinate", status);
    for (size_t i = 0; i < 3; i++) {
        snprintf(key, sizeof(key), "%s%d", numbers[i].key, k + 1);
        put_number(f, key, numbers[i].value, numbers[i].comment, status);
    }
    snprintf(key, sizeof(key), "CUNIT%d", k + 1);
    put_text(f, key, unit, "", status);
}

static void put_head(fitsfile *f, const peri_image_t *image,
                     const peri_picturehead_t *head, int *status)
{
    const peri_imagespec_t *s = &image->spec;
    char unit[128] = "";
    if (*head->mass && *head->length)
        snprintf(unit, sizeof(unit), "%s/(%s)^2", head->mass, head->length);
    put_text(f, "BUNIT", unit, "mass per area", status);
    put_axis(f, image, 0, head->length, status);
    put_axis(f, image, 1, head->length, status);
    put_text(f, "LOS", (char[]){(char)('X' + s->axis), 0}, "axis of projection", status);
    put_number(f, "LOSPOS", s->centre[s->axis], "centre along it", status);
    put_number(f, "DEPTH", s->size[2], "length along it", status);
    put_number(f, "REDSHIFT", head->redshift, "of the snapshot", status);
    put_number(f, "BOXSIZE", head->box, "side of the periodic box", status);
    put_number(f, "MASS", image->mass, "of the image", status);
    put_text(f, "CREATOR", "Perigee " PERIGEE_VERSION, "", status);
}

int peri_picture_fits(const peri_image_t *image, const peri_picturehead_t *head,
                      const char *path, peri_err_t *err)
{
    const size_t n = image->spec.pixels[0], m = image->spec.pixels[1];
    long sides[2] = {(long)n, (long)m};
    fitsfile *f = NULL;
    int status = 0, ended = 0;
    unlink(path); /* cfitsio makes new files only */
    fits_create_diskfile(&f, path, &status);
    fits_create_img(f, FLOAT_IMG, 2, sides, &status);
    if (!status) put_head(f, image, head, &status);
    fits_write_img(f, TDOUBLE, 1, (LONGLONG)(n * m), image->data, &status);
    if (f) fits_close_file(f, &ended);
    if (!status) status = ended;
    if (!status) return 0;
    char why[FLEN_STATUS];
    fits_get_errstatus(status, why);
    return peri_err_set(err, PERI_EIO, "Cannot write %s: %s.", path, why);
}
