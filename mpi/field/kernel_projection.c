/* kernel_projection.c - projection: parameters and the row for image.h, picture.h. */
#include <string.h>

#include "mpi/field/colour.h"
#include "mpi/field/glue.h"
#include "mpi/field/picture.h"

enum { PIXELS_X, PIXELS_Y, PARTICLES, MASS, MIN, MEAN, MAX, NCOLUMNS };

static const peri_param_t params[] = {
    {.name = "axis",
     .type = PERI_PARAM_TEXT,
     .preset = "z",
     .choices = "x|y|z",
     .help = "Axis along which is projected; the image shows the other two: x and y for "
             "z, y and z for x, z and x for y."},
    {.name = "centre",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "",
     .help = "Position in the middle of the image, [x, y, z]. Default: of the box."},
    {.name = "width",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .min = 0,
     .above_min = true,
     .help = "Both sides of the image. Default: the whole box."},
    {.name = "depth",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .min = 0,
     .above_min = true,
     .help = "Length along the axis, around the centre. Default: the whole box."},
    {.name = "pixels",
     .type = PERI_PARAM_INT,
     .preset = "800",
     .min = 1,
     .max = 20000,
     .help = "Pixels along the longer side."},
    {.name = "smoothing",
     .type = PERI_PARAM_TEXT,
     .preset = "adaptive",
     .choices = "adaptive|ngp|cic|tsc",
     .help = "adaptive: a disc of the local distance of particles; else over 1, 2 or 3 "
             "pixels along each side."},
    {.name = "neighbour",
     .type = PERI_PARAM_INT,
     .preset = "24",
     .min = 1,
     .max = 256,
     .help = "The radius of an adaptive disc is the distance to this neighbour."},
    {.name = "vmin",
     .type = PERI_PARAM_FLOAT,
     .unit = "{mass}/({length})^2",
     .preset = "",
     .min = 0,
     .above_min = true,
     .help = "Column density of the darkest colour. Default: half a per cent of the "
             "pixels are below."},
    {.name = "vmax",
     .type = PERI_PARAM_FLOAT,
     .unit = "{mass}/({length})^2",
     .preset = "",
     .min = 0,
     .above_min = true,
     .help = "Of the lightest colour. Default: one per mille of the pixels are above."},
    {.name = "colours",
     .type = PERI_PARAM_TEXT,
     .preset = "ember",
     .choices = PERI_COLOUR_MAPS,
     .help = "Colour map of the picture; the lightness of all grows evenly."},
    {.name = "fits",
     .type = PERI_PARAM_OUTPUT,
     .preset = "",
     .help = "FITS file to write: column density, with coordinates."},
    {.name = "png",
     .type = PERI_PARAM_OUTPUT,
     .preset = "",
     .help = "PNG file to write: a picture in a logarithmic scale."},
};

static const peri_input_t inputs[] = {
    {.name = "particles", .particles = PERI_HAS_MASS, .help = "Particles with a mass."}};

static const peri_coldef_t columns[NCOLUMNS] = {
    [PIXELS_X] = {"pixels_x", PERI_COL_I64, 1, "",
                  "Pixels along the image's first axis."},
    [PIXELS_Y] = {"pixels_y", PERI_COL_I64, 1, "", "And along the second."},
    [PARTICLES] = {"particles", PERI_COL_I64, 1, "",
                   "Particles whose centres are shown."},
    [MASS] = {"mass", PERI_COL_F64, 1, "{mass}", "Mass in the image."},
    [MIN] = {"min", PERI_COL_F64, 1, "{mass}/({length})^2", "Least column density."},
    [MEAN] = {"mean", PERI_COL_F64, 1, "{mass}/({length})^2", "Mean column density."},
    [MAX] = {"max", PERI_COL_F64, 1, "{mass}/({length})^2", "Largest column density."},
};

static int fill_centre(const peri_run_t *run, peri_imagespec_t *s, peri_err_t *err)
{
    const double *box = peri_run_simulation(run, 0)->box;
    size_t n;
    const double *centre = peri_run_floats(run, "centre", &n);
    if (peri_run_given(run, "centre") && n != 3)
        return peri_err_set(err, PERI_EINVAL, "centre has three numbers, not %zu", n);
    for (int k = 0; k < 3; k++) s->centre[k] = n == 3 ? centre[k] : box[k] / 2;
    return 0;
}

static int fill_spec(const peri_run_t *run, peri_imagespec_t *s, peri_err_t *err)
{
    const double *box = peri_run_simulation(run, 0)->box;
    *s = (peri_imagespec_t){.axis = *peri_run_text(run, "axis") - 'x',
                            .scheme = peri_scheme_find(peri_run_text(run, "smoothing")),
                            .neighbour = (size_t)peri_run_int(run, "neighbour")};
    if (fill_centre(run, s, err)) return -1;
    for (int k = 0; k < 3; k++) {
        const char *param = k < 2 ? "width" : "depth";
        s->size[k] = peri_run_given(run, param) ? peri_run_float(run, param)
                                                : box[(s->axis + 1 + k) % 3];
    }
    if (isnan(s->size[0] + s->size[1] + s->size[2] + s->centre[0] + s->centre[1] +
              s->centre[2]))
        return peri_err_set(err, PERI_EINVAL,
                            "the files do not say how large the box is: give box, or "
                            "centre, width and depth");
    double pixels = (double)peri_run_int(run, "pixels"),
           longer = fmax(s->size[0], s->size[1]);
    for (int k = 0; k < 2; k++)
        s->pixels[k] = (size_t)fmax(1, round(pixels * s->size[k] / longer));
    return 0;
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    peri_imagespec_t s;
    const double *box = peri_run_simulation(run, 0)->box;
    if (peri_need_rows(run, 0, err) || fill_spec(run, &s, err)) return -1;
    for (int k = 0; k < 3; k++)
        if (s.size[k] > box[(s.axis + 1 + k) % 3] * (1 + 1e-9))
            return peri_err_set(err, PERI_EINVAL, "%s = %g is more than the box has, %g",
                                k < 2 ? "width" : "depth", s.size[k],
                                box[(s.axis + 1 + k) % 3]);
    if (peri_run_given(run, "vmin") && peri_run_given(run, "vmax") &&
        peri_run_float(run, "vmin") >= peri_run_float(run, "vmax"))
        return peri_err_set(err, PERI_EINVAL, "vmin must be below vmax");
    need->rank_bytes = 2 * peri_image_bytes(&s);
    need->row_bytes = s.scheme ? 0 : 48; /* the tree */
    return 0;
}

static double given_or_nan(const peri_run_t *run, const char *param)
{
    return peri_run_given(run, param) ? peri_run_float(run, param) : NAN;
}

static int write_files(peri_run_t *run, const peri_image_t *image, peri_err_t *err)
{
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    const peri_picturehead_t head = {sim->length, sim->mass, sim->redshift, sim->box[0]};
    const char *fits = peri_run_output(run, "fits"), *png = peri_run_output(run, "png");
    if (fits && peri_picture_fits(image, &head, fits, err)) return -1;
    return png ? peri_picture_png(image, peri_run_text(run, "colours"),
                                  given_or_nan(run, "vmin"), given_or_nan(run, "vmax"),
                                  png, err)
               : 0;
}

static int put_row(peri_run_t *run, const peri_image_t *image, peri_err_t *err)
{
    peri_rowset_t *rows = peri_run_rows(run);
    const peri_imagespec_t *s = &image->spec;
    int64_t at = peri_rowset_extend(rows, 1, err);
    if (at < 0) return -1;
    const int64_t whole[] = {(int64_t)s->pixels[0], (int64_t)s->pixels[1],
                             (int64_t)image->particles};
    const double values[] = {image->mass, image->min,
                             image->mass / (s->size[0] * s->size[1]), image->max};
    for (size_t c = 0; c < MASS; c++)
        ((int64_t *)peri_rowset_data(rows, c))[at] = whole[c];
    for (size_t c = MASS; c < NCOLUMNS; c++)
        ((double *)peri_rowset_data(rows, c))[at] = values[c - MASS];
    return 0;
}

static int run(peri_run_t *run, peri_err_t *err)
{
    peri_imagespec_t s;
    peri_image_t image;
    int rank;
    MPI_Comm_rank(peri_run_comm(run), &rank);
    if (peri_need_rows(run, 0, err) || fill_spec(run, &s, err)) return -1;
    if (peri_image_make(&s, peri_run_particles(run, 0), peri_run_comm(run), &image, err))
        return -1;
    if (rank == 0 && !image.particles) peri_run_note(run, "no particle is in the image");
    int rc = rank == 0 ? write_files(run, &image, err) : 0;
    if (!rc && rank == 0) rc = put_row(run, &image, err);
    peri_image_clear(&image);
    return peri_run_agree(run, rc, err);
}

const peri_kernel_t peri_kernel_projection = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "projection",
    .summary = "column density as an image: FITS and PNG",
    .help =
        "The mass of the particles in a slab of the given depth is projected along an "
        "axis: mass per area of each pixel, in the periodic box or around a centre. The "
        "box as a whole keeps its mass to rounding.\n"
        "\n"
        "Adaptive smoothing spreads a particle over a disc whose radius R is the "
        "distance "
        "to its 24th neighbour in space (at most 4 mean distances of particles, at least "
        "1.2 pixels) with the profile (1 - r^2 / R^2)^2, as SPH does: sharp in halos, "
        "without noise in voids. ngp, cic and tsc spread over pixels alone.\n"
        "\n"
        "FITS: single precision, linear coordinates (CRPIX, CRVAL, CDELT, CUNIT), BUNIT, "
        "REDSHIFT, BOXSIZE, DEPTH, MASS. PNG: colour by the logarithm from vmin to vmax, "
        "y upwards; the colour maps are of even lightness.",
    .example = "projection gadget4_run64.dm --snapnum 23 --png box.png --fits box.fits",
    .params = params,
    .nparams = sizeof(params) / sizeof(params[0]),
    .inputs = inputs,
    .ninputs = 1,
    .columns = columns,
    .ncolumns = NCOLUMNS,
    .plan = plan,
    .run = run,
};
