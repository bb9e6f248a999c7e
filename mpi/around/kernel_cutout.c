/* kernel_cutout.c - the kernel cutout: particles in spheres, boxes, cones, cylinders. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/around/cutout.h"
#include "mpi/around/kernel_common.h"

enum { REGION, ID, POS, VEL, MASS, DISTANCE, NCOLUMNS };

/* ---- parameters ---- */

static int need(const peri_run_t *run, const char *param, const char *shape,
                peri_err_t *err)
{
    if (peri_run_given(run, param)) return 0;
    return peri_err_set(err, PERI_EINVAL, "a %s needs %s => ...", shape, param);
}

static int read_axis(const peri_run_t *run, double axis[3], peri_err_t *err)
{
    if (peri_vector_read(run, "axis", axis, err)) return -1;
    const double length = sqrt(axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2]);
    if (!(length > 0))
        return peri_err_set(err, PERI_EINVAL, "axis has no length: it has no direction");
    for (int k = 0; k < 3; k++) axis[k] /= length;
    return 0;
}

static int read_box(const peri_run_t *run, peri_shape_t *s, peri_err_t *err)
{
    size_t n;
    const double *size = peri_run_floats(run, "size", &n);
    if (n != 1 && n != 3)
        return peri_err_set(err, PERI_EINVAL, "size must be one number, or three: %zu",
                            n);
    for (size_t k = 0; k < 3; k++) s->size[k] = size[n == 3 ? k : 0];
    return 0;
}

static int read_shape(const peri_run_t *run, peri_shape_t *s, peri_err_t *err)
{
    const char *name = peri_run_text(run, "shape");
    const bool many = peri_run_has_input(run, 1);
    *s = (peri_shape_t){
        .radius = peri_run_given(run, "radius") ? peri_run_float(run, "radius") : NAN};
    if (strcmp(name, "box") == 0) {
        s->kind = PERI_BOX;
        if (!many && need(run, "size", name, err)) return -1;
        if (peri_run_given(run, "size")) return read_box(run, s, err);
        return 0;
    }
    if (!many && need(run, "radius", name, err)) return -1;
    if (strcmp(name, "sphere") == 0) return 0;
    if (read_axis(run, s->axis, err)) return -1;
    if (strcmp(name, "cone") == 0) {
        s->kind = PERI_CONE;
        s->cosine = cos(peri_run_float(run, "angle") * M_PI / 180);
        return need(run, "angle", name, err);
    }
    s->kind = PERI_CYLINDER;
    s->length = peri_run_float(run, "length");
    return need(run, "length", name, err);
}

static int check_all(const peri_run_t *run, const peri_shape_t *s,
                     const peri_centre_t *centres, size_t n, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++)
        if (peri_shape_check(s, &centres[i], peri_box_of(run), err)) return -1;
    return 0;
}

/* What there is to cut out. Collective. */
static int read_request(peri_run_t *run, peri_shape_t *s, peri_centre_t **centres,
                        size_t *n, peri_err_t *err)
{
    if (read_shape(run, s, err) || peri_centres_read(run, centres, n, err)) return -1;
    if (check_all(run, s, *centres, *n, err) == 0) return 0;
    free(*centres);
    *centres = NULL;
    return -1;
}

/* ---- the call ---- */

static int plan(const peri_run_t *run, peri_need_t *needs, peri_err_t *err)
{
    peri_shape_t s;
    peri_centre_t c = {.radius = NAN};
    peri_all_wanted(run, needs);
    if (peri_centres_given(run, err) || read_shape(run, &s, err)) return -1;
    return peri_run_has_input(run, 1) ? 0 : check_all(run, &s, &c, 1, err);
}

static int filter(peri_run_t *run, char *sql, size_t size, peri_err_t *err)
{
    peri_shape_t s;
    peri_centre_t *centres;
    size_t n;
    if (read_request(run, &s, &centres, &n, err)) return -1;
    peri_shape_sql(&s, centres, n, peri_box_of(run), sql, size);
    free(centres);
    return 0;
}

static int fill(peri_run_t *run, const peri_cutout_row_t *rows, size_t n, peri_err_t *err)
{
    peri_rowset_t *out = peri_run_rows(run);
    if (peri_rowset_extend(out, n, err) < 0) return -1;
    for (size_t i = 0; i < n; i++) {
        peri_put_i64(out, REGION, i, rows[i].centre);
        peri_put_i64(out, ID, i, rows[i].id);
        peri_put_position(out, POS, i, rows[i].x);
        peri_put_velocity(out, VEL, i, rows[i].v);
        peri_put_f64(out, MASS, i, rows[i].mass);
        peri_put_f64(out, DISTANCE, i, rows[i].distance);
    }
    return 0;
}

static int run(peri_run_t *run, peri_err_t *err)
{
    peri_shape_t s;
    peri_centre_t *centres;
    peri_cutout_row_t *rows;
    size_t n, nrows;
    peri_teller_t teller = {run, "cutting out"};
    const peri_progressing_t progress = {peri_tell, &teller};
    int rc = read_request(run, &s, &centres, &n, err);
    if (peri_run_agree(run, rc, err)) return -1;
    rc = peri_cutout(peri_run_particles(run, 0), &s, centres, n, &progress,
                     peri_run_comm(run), &rows, &nrows, err);
    free(centres);
    if (rc) return -1;
    rc = fill(run, rows, nrows, err);
    free(rows);
    return peri_run_agree(run, rc, err);
}

/* ---- description ---- */

static const peri_param_t params[] = {
    {.name = "shape",
     .type = PERI_PARAM_TEXT,
     .preset = "sphere",
     .choices = "sphere|box|cone|cylinder",
     .help =
         "What is cut out: a sphere, a box along the axes, a cone with its tip at the "
         "centre and a round end, or a cylinder with the centre in its middle."},
    {.name = "centre",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "",
     .help = "Centre of the one region, [x, y, z]; its number is 0."},
    {.name = "radius",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .above_min = true,
     .help = "Radius of the sphere or cylinder; length of the cone's side. A column "
             "radius of the regions counts more."},
    {.name = "size",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "",
     .above_min = true,
     .help = "Side of the box, or its three sides. A region with a radius of its own has "
             "sides of twice that."},
    {.name = "axis",
     .type = PERI_PARAM_FLOATS,
     .preset = "[0, 0, 1]",
     .help = "Direction of the cone or cylinder; its length does not matter."},
    {.name = "angle",
     .type = PERI_PARAM_FLOAT,
     .unit = "deg",
     .preset = "",
     .max = 180,
     .above_min = true,
     .help = "Between the cone's axis and its side: half of its opening angle."},
    {.name = "length",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .above_min = true,
     .help = "Length of the cylinder, half of it on each side of the centre."},
};

static const peri_input_t inputs[] = {
    {.name = "particles",
     .particles = PERI_HAS_ID,
     .help = "Particles, halos or galaxies."},
    {.name = "regions",
     .particles = PERI_HAS_ID,
     .optional = true,
     .extra = peri_centre_extra,
     .nextra = 1,
     .help = "Centres of many regions: positions, with ids and radii (a column radius) "
             "where there are any."}};

static const peri_coldef_t columns[NCOLUMNS] = {
    [REGION] = {"region", PERI_COL_I64, 1, "",
                "Id of the region; its row number in the input where it has none."},
    [ID] = {"id", PERI_COL_I64, 1, "", "Id of the particle."},
    [POS] = {"pos", PERI_COL_F64, 3, "{length}",
             "Its position: the image nearest to the centre, which may lie outside of "
             "the box."},
    [VEL] = {"vel", PERI_COL_F32, 3, "{velocity}",
             "Its peculiar velocity; NaN where there are none."},
    [MASS] = {"mass", PERI_COL_F64, 1, "{mass}", "Its mass; NaN where it is not known."},
    [DISTANCE] = {"distance", PERI_COL_F64, 1, "{length}",
                  "Its distance from the centre."}};

const peri_kernel_t peri_kernel_cutout = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "cutout",
    .summary = "particles in spheres, boxes, cones or cylinders",
    .help =
        "Gives the particles in one region, or in each of many: those with a distance "
        "of at most radius from the centre (sphere); within half a side of it along each "
        "axis, lower borders included (box); nearer than radius and at most angle away "
        "from the axis (cone); within length / 2 along the axis and radius across it "
        "(cylinder).\n\n"
        "The box is periodic: a region reaches through its border, and positions are "
        "those "
        "of the image that is nearest to the centre, so that differences to it need no "
        "care. A region reaches at most half of the box from its centre. A particle in "
        "several regions comes once for each.\n\n"
        "Only what can lie in the regions is read: an index (perigee index) helps where "
        "neighbours in space are neighbours in the files, and where the regions are near "
        "each other.\n\n"
        "Rows are ordered by region, then by distance.",
    .example = "cutout gadget4_run64.dm --snapnum 23 --centre 10,20,30 --radius 2",
    .params = params,
    .nparams = sizeof(params) / sizeof(params[0]),
    .inputs = inputs,
    .ninputs = 2,
    .columns = columns,
    .ncolumns = NCOLUMNS,
    .plan = plan,
    .filter = filter,
    .run = run};
