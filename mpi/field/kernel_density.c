/* kernel_density.c - density: parameters and rows for density.h. */
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/field/density.h"
#include "mpi/field/glue.h"

#define MAX_RADII 16

enum { SNAPNUM, PHKEY, IX, IY, IZ, DELTA, FIXED };

static const peri_param_t params[] = {
    {.name = "grid",
     .type = PERI_PARAM_INT,
     .preset = "128",
     .min = 1,
     .max = 16384,
     .help = "Cells along each side of the box."},
    {.name = "scheme",
     .type = PERI_PARAM_TEXT,
     .preset = "cic",
     .choices = PERI_SCHEMES,
     .help =
         "How a particle is spread over cells: ngp (1 cell), cic (2 along each axis), "
         "tsc (3), pcs (4)."},
    {.name = "smoothing",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "",
     .min = 0,
     .above_min = true,
     .help = "Radii of Gaussians to smooth with, as [1.25, 2.5, 5, 10]; a column each."},
    {.name = "cells",
     .type = PERI_PARAM_BOOL,
     .preset = "true",
     .help = "A row for each cell; false: no rows, only the file."},
    {.name = "field",
     .type = PERI_PARAM_OUTPUT,
     .preset = "",
     .help = "HDF5 file to write: 3-D datasets (x, y, z) named as the columns."},
};

static const peri_input_t inputs[] = {{.name = "particles",
                                       .particles = PERI_HAS_WEIGHT,
                                       .help = "Particles (or halos, galaxies); each "
                                               "counts by its weight."}};

static const peri_coldef_t columns[FIXED] = {
    [SNAPNUM] = {"snapnum", PERI_COL_I32, 1, "", "Snapshot; -1: not known."},
    [PHKEY] = {"phkey", PERI_COL_I64, 1, "",
               "Peano-Hilbert key of the cell, as GADGET and the Millennium database "
               "count it."},
    [IX] = {"ix", PERI_COL_I32, 1, "", "Cell: floor(x grid / box)."},
    [IY] = {"iy", PERI_COL_I32, 1, "", "Cell along y."},
    [IZ] = {"iz", PERI_COL_I32, 1, "", "Cell along z."},
    [DELTA] = {"delta", PERI_COL_F32, 1, "", "Density contrast: density / mean - 1."},
};

/* Of the call that is planned or runs: one at a time. */
static peri_coldef_t all_columns[FIXED + MAX_RADII];
static char names[MAX_RADII][24];

/* "g2_5" for 2.5, as Millennium's g5 and g10. */
static void name_radius(double radius, char name[24])
{
    snprintf(name, 24, "g%g", radius);
    for (char *c = name; *c; c++)
        if (*c == '.' || *c == '-' || *c == '+') *c = '_';
}

static int name_columns(const double *radii, size_t n, peri_err_t *err)
{
    if (n > MAX_RADII)
        return peri_err_set(err, PERI_ELIMIT,
                            "smoothing has %zu radii, at most %d are "
                            "possible",
                            n, MAX_RADII);
    memcpy(all_columns, columns, sizeof(columns));
    for (size_t i = 0; i < n; i++) {
        name_radius(radii[i], names[i]);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(names[i], names[k]))
                return peri_err_set(err, PERI_EINVAL, "smoothing has the radius %g twice",
                                    radii[i]);
        all_columns[FIXED + i] =
            (peri_coldef_t){names[i], PERI_COL_F32, 1, "",
                            "delta, smoothed with a Gaussian of this radius."};
    }
    return 0;
}

static int check_radii(const peri_run_t *run, const double *radii, size_t n,
                       peri_err_t *err)
{
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    double side = fmin(sim->box[0], fmin(sim->box[1], sim->box[2]));
    for (size_t i = 0; i < n; i++)
        if (radii[i] > side / 2)
            return peri_err_set(err, PERI_EINVAL,
                                "smoothing = %g is more than half the box (%g), nothing "
                                "would be left: give the radius in the unit of the "
                                "positions%s%s",
                                radii[i], side, *sim->length ? ", " : "", sim->length);
    return 0;
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    size_t nradii, side = (size_t)peri_run_int(run, "grid"), n[3] = {side, side, side};
    const double *radii = peri_run_floats(run, "smoothing", &nradii);
    bool cells = peri_run_bool(run, "cells");
    int nranks;
    MPI_Comm_size(peri_run_comm(run), &nranks);
    if (peri_need_box(run, err) || check_radii(run, radii, nradii, err) ||
        name_columns(radii, nradii, err))
        return -1;
    if (cells && side > PERI_CELLORDER_MAX) {
        char rows[32];
        return peri_err_set(err, PERI_ELIMIT,
                            "grid = %zu would give %s rows: take at most %d, or cells => "
                            "false for the file alone",
                            side, peri_human_count((uint64_t)side * side * side, rows),
                            PERI_CELLORDER_MAX);
    }
    if (!cells && !peri_run_given(run, "field"))
        return peri_err_set(err, PERI_EINVAL,
                            "cells => false leaves nothing to do: name a file, as field "
                            "=> 'density.hdf5'");
    need->columns = all_columns;
    need->ncolumns = FIXED + nradii;
    /* Transforms in place have their own buffers for what they exchange. */
    need->rank_bytes =
        peri_sort_bytes(n, nranks) + peri_field_bytes(n, nranks) * (nradii ? 3 : 1);
    if (cells) {
        uint64_t rows = (uint64_t)side * side * side / (uint64_t)nranks;
        need->rank_bytes +=
            peri_cellorder_bytes(side, nranks) + rows * (24 + 4 * (1 + nradii));
    }
    return 0;
}

typedef struct {
    peri_run_t *run;
    peri_cellorder_t *order; /* NULL: no rows */
    const char *path;        /* NULL: no file */
} out_t;

static int begin_rows(out_t *o, const peri_field_t *f, peri_err_t *err)
{
    peri_rowset_t *rows = peri_run_rows(o->run);
    o->order = peri_cellorder_new(f, err);
    if (!o->order) return -1;
    size_t n = peri_cellorder_rows(o->order);
    int rc = peri_rowset_extend(rows, n, err) < 0 ? -1 : 0;
    if (peri_run_agree(o->run, rc, err)) return -1;
    int32_t *snapnum = peri_rowset_data(rows, SNAPNUM);
    for (size_t i = 0; i < n; i++)
        snapnum[i] = (int32_t)peri_run_simulation(o->run, 0)->snapnum;
    return peri_cellorder_cells(o->order, peri_rowset_data(rows, IX),
                                peri_rowset_data(rows, IY), peri_rowset_data(rows, IZ),
                                peri_rowset_data(rows, PHKEY), err);
}

/* A field that is done becomes a column and a dataset. */
static int put(out_t *o, peri_field_t *f, size_t column, peri_err_t *err)
{
    snprintf(f->name, sizeof(f->name), "%s", all_columns[column].name);
    if (o->order &&
        peri_cellorder_values(o->order, f,
                              peri_rowset_data(peri_run_rows(o->run), column), err))
        return -1;
    return o->path ? peri_field_write(f, o->path, err) : 0;
}

/* f is in modes. */
static int put_smoothed(out_t *o, const peri_field_t *f, double radius, size_t column,
                        peri_err_t *err)
{
    peri_field_t *g = peri_field_copy(f, err);
    if (!g) return -1;
    int rc = peri_field_gauss(g, radius, err);
    if (!rc) rc = peri_field_backward(g, err);
    if (!rc) rc = put(o, g, column, err);
    peri_field_free(g);
    return rc;
}

static int run(peri_run_t *run, peri_err_t *err)
{
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    size_t nradii, side = (size_t)peri_run_int(run, "grid"), n[3] = {side, side, side};
    const double *radii = peri_run_floats(run, "smoothing", &nradii);
    peri_points_t points = peri_points_of(peri_run_particles(run, 0));
    out_t o = {.run = run, .path = peri_run_output(run, "field")};
    if (peri_need_rows(run, 0, err) || name_columns(radii, nradii, err)) return -1;
    peri_field_t *f = peri_field_new(n, sim->box, peri_run_comm(run), err);
    if (!f) return -1;
    f->redshift = sim->redshift;
    f->time = sim->time;
    snprintf(f->length, sizeof(f->length), "%s", sim->length);
    int rc = peri_density_contrast(f, &points,
                                   peri_scheme_find(peri_run_text(run, "scheme")), err);
    if (!rc && peri_run_bool(run, "cells")) rc = begin_rows(&o, f, err);
    if (!rc) rc = put(&o, f, DELTA, err);
    if (!rc && nradii) rc = peri_field_forward(f, err);
    for (size_t i = 0; !rc && i < nradii; i++) {
        rc = put_smoothed(&o, f, radii[i], FIXED + i, err);
        int stop =
            peri_run_progress(run, "smoothing", (double)i + 1, (double)nradii, err);
        rc = peri_run_agree(run, rc ? rc : stop, err);
    }
    peri_cellorder_free(o.order);
    peri_field_free(f);
    return rc;
}

const peri_kernel_t peri_kernel_density = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "density",
    .summary = "density contrast on a grid, smoothed at given radii",
    .help =
        "Particles are spread over the cells of a grid in the periodic box, each by its "
        "weight (preset: 1; weight => 'Masses' for the density of mass), and the result "
        "is "
        "the contrast delta = density / mean - 1 of each cell. The total weight is "
        "conserved to rounding.\n"
        "\n"
        "Schemes (Hockney & Eastwood 1981): B-splines over 1 (ngp), 2 (cic), 3 (tsc) or "
        "4 "
        "(pcs) cells along each axis, around the centres of cells.\n"
        "\n"
        "Smoothing multiplies the Fourier modes of delta by exp(-k^2 R^2 / 2): the field "
        "is averaged with a Gaussian of standard deviation R. The columns are named by "
        "the "
        "radius, g5 for 5, g2_5 for 2.5, as in table MField of the Millennium database "
        "(Lemson & Springel 2006), so that the environment of a halo is a join on "
        "(snapnum, phkey) of a grid with the same number of cells.\n"
        "\n"
        "Rows come in the order of phkey where grid is a power of two, else in the order "
        "of ix, iy, iz. The file has the same fields as plain 3-D datasets of single "
        "precision with attributes box, length, redshift, time.",
    .example = "density gadget4_run64.dm --snapnum 23 --grid 64 --smoothing [1.25,2.5,5] "
               "--field "
               "density.hdf5",
    .params = params,
    .nparams = sizeof(params) / sizeof(params[0]),
    .inputs = inputs,
    .ninputs = 1,
    .columns = columns,
    .ncolumns = FIXED,
    .plan = plan,
    .run = run,
};
