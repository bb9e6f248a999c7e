/* kernel_profile.c - the kernel profile: particles by distance around centres. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/around/distance.h"
#include "mpi/around/kernel_common.h"
#include "mpi/around/profile.h"

enum {
    CENTRE,
    RADIUS,
    BIN,
    INNER,
    OUTER,
    NP,
    MASS,
    DENSITY,
    NP_WITHIN,
    MASS_WITHIN,
    V_RADIAL,
    SIGMA_RADIAL,
    SIGMA,
    V_CIRCULAR,
    NCOLUMNS
};

enum {
    MASS_FROM,
    MASS_TO,
    S_CENTRES,
    S_BIN,
    S_INNER,
    S_OUTER,
    S_NP,
    S_MASS,
    S_DENSITY,
    S_ERROR,
    S_MASS_WITHIN,
    S_V_RADIAL,
    S_SIGMA_RADIAL,
    S_SIGMA,
    NSTACKCOLUMNS
};

/* ---- parameters ---- */

/* The edges of bins: malloc'd. */
static double *read_edges(const peri_run_t *run, size_t *n, peri_err_t *err)
{
    const double *given = peri_run_floats(run, "edges", n);
    const bool range = peri_run_given(run, "r_max");
    if (peri_run_given(run, "edges") == range) {
        peri_err_set(err, PERI_EINVAL,
                     range ? "edges and r_max are both given: leave one out"
                           : "there are no bins: give r_max => ..., or all edges => "
                             "[...]");
        return NULL;
    }
    const size_t bins = (size_t)peri_run_int(run, "bins");
    if (range) *n = bins + 1;
    double *edges = malloc((*n + 1) * sizeof(*edges));
    if (!edges) {
        peri_err_set(err, PERI_ELIMIT, "there is no memory for %zu edges", *n);
        return NULL;
    }
    if (!range) {
        memcpy(edges, given, *n * sizeof(*edges));
        return edges;
    }
    const double last = peri_run_float(run, "r_max");
    const double first =
        peri_run_given(run, "r_min") ? peri_run_float(run, "r_min") : last / 100;
    for (size_t i = 0; i <= bins; i++)
        edges[i] = first * pow(last / first, (double)i / (double)bins);
    edges[bins] = last;
    if (first < last) return edges;
    free(edges);
    peri_err_set(err, PERI_EINVAL, "r_min = %g must be below r_max = %g", first, last);
    return NULL;
}

static int check_edges(const double *edges, size_t n, peri_err_t *err)
{
    if (n < 2) return peri_err_set(err, PERI_EINVAL, "edges needs at least two numbers");
    for (size_t i = 1; i < n; i++)
        if (!(edges[i] > edges[i - 1]))
            return peri_err_set(err, PERI_EINVAL, "edges must rise: %g comes after %g",
                                edges[i], edges[i - 1]);
    return 0;
}

/* Length of a unit of the input in physical units of the same name. */
static double scale_factor(const peri_simulation_t *s)
{
    return s->length[0] == 'c' ? s->a : 1;
}

/* Velocity of the Hubble flow over a unit of length; NAN: not known. */
static double hubble_flow(const peri_simulation_t *s)
{
    return PERI_LIGHT / peri_hubble_length(s->length, s->hubble) *
           peri_expansion(s->omega_m, s->omega_lambda, s->redshift) * scale_factor(s);
}

static int read_flow(const peri_run_t *run, double *flow, peri_err_t *err)
{
    *flow = 0;
    if (!peri_run_bool(run, "hubble_flow")) return 0;
    *flow = hubble_flow(peri_run_simulation(run, 0));
    if (isfinite(*flow)) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "hubble_flow needs the unit of lengths, the redshift and the "
                        "cosmology, which the files do not say: give redshift, omega_m, "
                        "omega_lambda and hubble, or leave hubble_flow out");
}

/* Groups of centres by mass: edges of 0 or more groups; one group of all without. */
static int read_groups(const peri_run_t *run, const double **edges, size_t *ngroups,
                       peri_err_t *err)
{
    size_t n;
    *edges = peri_run_floats(run, "mass_bins", &n);
    *ngroups = 1;
    if (!peri_run_given(run, "mass_bins")) {
        *edges = NULL;
        return 0;
    }
    if (!peri_run_bool(run, "stack"))
        return peri_err_set(err, PERI_EINVAL,
                            "mass_bins says of which centres a mean is made: give stack "
                            "=> true too");
    if (!peri_run_has_input(run, 1))
        return peri_err_set(err, PERI_EINVAL, "mass_bins needs a table of centres");
    *ngroups = n - 1;
    if (check_edges(*edges, n, err)) return peri_err_prefix(err, "mass_bins");
    return 0;
}

static size_t columns_of(const peri_run_t *run, const peri_coldef_t **columns);

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    double flow;
    const double *groups;
    size_t n, ngroups;
    double *edges = read_edges(run, &n, err);
    if (!edges) return -1;
    int rc = check_edges(edges, n, err);
    const double *box = peri_box_of(run);
    for (int k = 0; k < 3 && box && rc == 0 && !peri_run_bool(run, "scaled"); k++)
        if (edges[n - 1] > box[k] / 2)
            rc = peri_err_set(err, PERI_EINVAL,
                              "profiles cannot go out to %g: that is more than half of "
                              "the periodic box (%g)",
                              edges[n - 1], box[k] / 2);
    free(edges);
    if (rc || peri_centres_given(run, err) || read_flow(run, &flow, err) ||
        read_groups(run, &groups, &ngroups, err))
        return -1;
    if (peri_run_bool(run, "scaled") && !peri_run_has_input(run, 1))
        return peri_err_set(err, PERI_EINVAL,
                            "scaled bins need a table of centres with a column radius");
    peri_all_wanted(run, need);
    need->ncolumns = columns_of(run, &need->columns);
    if (groups) need->particles[1] |= PERI_HAS_MASS;
    need->rank_bytes = (uint64_t)256 << 20; /* sums, at most */
    if (peri_run_has_input(run, 1))
        need->rank_bytes += peri_run_input_rows(run, 1) *
                            (2 * sizeof(peri_centre_t) + n * sizeof(double) * 14);
    return 0;
}

static int filter(peri_run_t *run, char *sql, size_t size, peri_err_t *err)
{
    static const peri_shape_t sphere = {.kind = PERI_SPHERE};
    peri_centre_t *centres;
    size_t n, nedges;
    int rc = 0;
    double *edges = read_edges(run, &nedges, err);
    if (!edges || peri_centres_read(run, &centres, &n, err)) {
        free(edges);
        return -1;
    }
    const bool scaled = peri_run_bool(run, "scaled");
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (scaled && isnan(centres[i].radius))
            rc = peri_err_set(err, PERI_EINVAL,
                              "scaled bins need a column radius of the centres: centre "
                              "%lld has none",
                              (long long)centres[i].id);
        if (rc == 0 && scaled && centres[i].radius <= 0)
            rc = peri_shape_check(&sphere, &centres[i], NULL, err);
        centres[i].radius = edges[nedges - 1] * (scaled ? centres[i].radius : 1);
    }
    if (rc == 0) peri_shape_sql(&sphere, centres, n, peri_box_of(run), sql, size);
    free(centres);
    free(edges);
    return rc;
}

/* ---- rows ---- */

static int fill(peri_run_t *run, const peri_centre_t *centres, size_t first, size_t count,
                size_t nbins, const peri_profile_bin_t *bins, peri_err_t *err)
{
    peri_rowset_t *out = peri_run_rows(run);
    const peri_simulation_t *s = peri_run_simulation(run, 0);
    const double g = peri_gravity(s->length, s->mass, s->hubble) / scale_factor(s);
    if (peri_rowset_extend(out, count * nbins, err) < 0) return -1;
    for (size_t i = 0; i < count * nbins; i++) {
        const peri_profile_bin_t *b = &bins[i];
        const peri_centre_t *c = &centres[first + i / nbins];
        peri_put_i64(out, CENTRE, i, c->id);
        peri_put_f64(out, RADIUS, i, c->radius);
        peri_put_i32(out, BIN, i, (int32_t)(i % nbins));
        peri_put_f64(out, INNER, i, b->inner);
        peri_put_f64(out, OUTER, i, b->outer);
        peri_put_i64(out, NP, i, (int64_t)b->np);
        peri_put_f64(out, MASS, i, b->mass);
        peri_put_f64(out, DENSITY, i, b->density);
        peri_put_i64(out, NP_WITHIN, i, (int64_t)b->np_within);
        peri_put_f64(out, MASS_WITHIN, i, b->mass_within);
        peri_put_f64(out, V_RADIAL, i, b->v_radial);
        peri_put_f64(out, SIGMA_RADIAL, i, b->sigma_radial);
        peri_put_f64(out, SIGMA, i, b->sigma);
        peri_put_f64(out, V_CIRCULAR, i, sqrt(g * b->mass_within / b->outer));
    }
    return 0;
}

static void fill_stacked(peri_rowset_t *out, const peri_stack_bin_t *bins, size_t n,
                         const double *edges, size_t nbins, const double *masses)
{
    for (size_t i = 0; i < n; i++) {
        const peri_stack_bin_t *b = &bins[i];
        const size_t bin = i % nbins, group = i / nbins;
        peri_put_f64(out, MASS_FROM, i, masses ? masses[group] : NAN);
        peri_put_f64(out, MASS_TO, i, masses ? masses[group + 1] : NAN);
        peri_put_i64(out, S_CENTRES, i, (int64_t)b->centres);
        peri_put_i32(out, S_BIN, i, (int32_t)bin);
        peri_put_f64(out, S_INNER, i, edges[bin]);
        peri_put_f64(out, S_OUTER, i, edges[bin + 1]);
        peri_put_f64(out, S_NP, i, b->np);
        peri_put_f64(out, S_MASS, i, b->mass);
        peri_put_f64(out, S_DENSITY, i, b->density);
        peri_put_f64(out, S_ERROR, i, b->density_error);
        peri_put_f64(out, S_MASS_WITHIN, i, b->mass_within);
        peri_put_f64(out, S_V_RADIAL, i, b->v_radial);
        peri_put_f64(out, S_SIGMA_RADIAL, i, b->sigma_radial);
        peri_put_f64(out, S_SIGMA, i, b->sigma);
    }
}

static int group_of(const double *edges, size_t ngroups, double mass)
{
    for (size_t g = 0; edges && g < ngroups; g++)
        if (mass >= edges[g] && mass < edges[g + 1]) return (int)g;
    return edges ? -1 : 0;
}

static int stack(peri_run_t *run, const peri_centre_t *centres, size_t n, size_t first,
                 size_t count, const double *edges, size_t nbins,
                 const peri_profile_bin_t *bins, peri_err_t *err)
{
    const double *masses;
    size_t ngroups;
    int rank;
    MPI_Comm_rank(peri_run_comm(run), &rank);
    if (read_groups(run, &masses, &ngroups, err)) return -1;
    int *group = malloc((n + 1) * sizeof(*group));
    peri_stack_bin_t *out = malloc(ngroups * nbins * sizeof(*out));
    int rc = group && out ? 0
                          : peri_err_set(err, PERI_ELIMIT,
                                         "there is no memory for %zu means", ngroups);
    for (size_t i = 0; rc == 0 && i < n; i++)
        group[i] = group_of(masses, ngroups, centres[i].mass);
    if (peri_run_agree(run, rc, err) == 0)
        rc = peri_profile_stack(bins, first, count, nbins, group, ngroups, out,
                                peri_run_comm(run), err);
    else
        rc = -1;
    if (rc == 0 && rank == 0) {
        peri_rowset_t *rows = peri_run_rows(run);
        rc = peri_rowset_extend(rows, ngroups * nbins, err) < 0 ? -1 : 0;
        if (rc == 0) fill_stacked(rows, out, ngroups * nbins, edges, nbins, masses);
    }
    free(group);
    free(out);
    return rc;
}

static int run(peri_run_t *run, peri_err_t *err)
{
    peri_teller_t teller = {run, "profiles"};
    const peri_progressing_t progress = {peri_tell, &teller};
    peri_profile_options_t o = {.scaled = peri_run_bool(run, "scaled")};
    peri_centre_t *centres = NULL;
    peri_profile_bin_t *bins = NULL;
    size_t n, first, count;
    double *edges = read_edges(run, &o.nedges, err);
    o.edges = edges;
    int rc = edges ? read_flow(run, &o.hubble_flow, err) : -1;
    if (peri_run_agree(run, rc, err)) {
        free(edges);
        return -1;
    }
    rc = peri_centres_read(run, &centres, &n, err);
    if (rc == 0)
        rc = peri_profile(peri_run_particles(run, 0), centres, n, &o, &progress,
                          peri_run_comm(run), &bins, &first, &count, err);
    if (rc == 0 && peri_run_bool(run, "stack"))
        rc = stack(run, centres, n, first, count, edges, o.nedges - 1, bins, err);
    else if (rc == 0)
        rc = fill(run, centres, first, count, o.nedges - 1, bins, err);
    free(bins);
    free(centres);
    free(edges);
    return peri_run_agree(run, rc, err);
}

/* ---- description ---- */

static const peri_param_t params[] = {
    {.name = "centre",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "",
     .help = "The one centre, [x, y, z]; its number is 0."},
    {.name = "r_min",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .above_min = true,
     .help = "Inner edge of the first bin. Default: r_max / 100."},
    {.name = "r_max",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .above_min = true,
     .help = "Outer edge of the last bin."},
    {.name = "bins",
     .type = PERI_PARAM_INT,
     .preset = "20",
     .min = 1,
     .max = 4095,
     .help = "Number of bins, of equal width in log r."},
    {.name = "edges",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "",
     .max = INFINITY,
     .help = "All edges of bins, instead of r_min, r_max and bins; the first may be 0."},
    {.name = "scaled",
     .type = PERI_PARAM_BOOL,
     .preset = "false",
     .help = "Edges are multiples of the column radius of each centre, as in r / R200."},
    {.name = "hubble_flow",
     .type = PERI_PARAM_BOOL,
     .preset = "false",
     .help = "Add the Hubble flow to velocities: H(z) a r."},
    {.name = "stack",
     .type = PERI_PARAM_BOOL,
     .preset = "false",
     .help = "Give the mean profile of all centres instead of each one."},
    {.name = "mass_bins",
     .type = PERI_PARAM_FLOATS,
     .unit = "{mass}",
     .preset = "",
     .help = "Edges of bins of the centres' mass: one mean profile for each of them."},
};

static const peri_input_t inputs[] = {
    {.name = "particles",
     .particles = PERI_HAS_MASS,
     .help = "Particles (or halos, galaxies), with velocities where there are any."},
    {.name = "centres",
     .particles = PERI_HAS_ID,
     .optional = true,
     .extra = peri_centre_extra,
     .nextra = 1,
     .help = "Positions of centres, with ids, velocities, masses and radii (a column "
             "radius) where there are any."}};

#define BIN_COLUMNS(OUTER_UNIT, NAME_INNER, NAME_OUTER)                                  \
    [NAME_INNER] = {"r_inner", PERI_COL_F64, 1, OUTER_UNIT, "Inner edge of the bin."},   \
    [NAME_OUTER] = {"r_outer", PERI_COL_F64, 1, OUTER_UNIT, "Outer edge of the bin."}

static const peri_coldef_t columns[NCOLUMNS] = {
    [CENTRE] = {"centre", PERI_COL_I64, 1, "",
                "Id of the centre; its row number in the input where it has none."},
    [RADIUS] = {"radius", PERI_COL_F64, 1, "{length}",
                "Radius of the centre; NaN where it has none."},
    [BIN] = {"bin", PERI_COL_I32, 1, "", "Number of the bin, from 0."},
    BIN_COLUMNS("{length}", INNER, OUTER),
    [NP] = {"np", PERI_COL_I64, 1, "", "Particles in the bin."},
    [MASS] = {"mass", PERI_COL_F64, 1, "{mass}", "Their mass."},
    [DENSITY] = {"density", PERI_COL_F64, 1, "{mass}/({length})^3",
                 "Mass over the volume of the bin."},
    [NP_WITHIN] = {"np_within", PERI_COL_I64, 1, "", "Particles nearer than r_outer."},
    [MASS_WITHIN] = {"mass_within", PERI_COL_F64, 1, "{mass}",
                     "Mass nearer than r_outer."},
    [V_RADIAL] = {"v_radial", PERI_COL_F64, 1, "{velocity}",
                  "Mean radial velocity, outwards; NaN in an empty bin."},
    [SIGMA_RADIAL] = {"sigma_radial", PERI_COL_F64, 1, "{velocity}",
                      "Dispersion of radial velocities."},
    [SIGMA] = {"sigma", PERI_COL_F64, 1, "{velocity}",
               "Dispersion along one axis, about the bin's mean velocity and flow."},
    [V_CIRCULAR] = {"v_circular", PERI_COL_F64, 1, "km/s",
                    "Circular velocity at r_outer; NaN if units are not known."}};

#define STACK_COLUMNS(LENGTH)                                                            \
    {                                                                                    \
        [MASS_FROM] = {"mass_from", PERI_COL_F64, 1, "{mass}",                           \
                       "The bin of the centres' mass; NaN: all."},                       \
        [MASS_TO] = {"mass_to", PERI_COL_F64, 1, "{mass}", "Its upper border."},         \
        [S_CENTRES] = {"centres", PERI_COL_I64, 1, "", "Centres in the mean."},          \
        [S_BIN] = {"bin", PERI_COL_I32, 1, "", "Number of the bin of r, from 0."},       \
        BIN_COLUMNS(LENGTH, S_INNER, S_OUTER),                                           \
        [S_NP] = {"np", PERI_COL_F64, 1, "", "Mean number of particles in the bin."},    \
        [S_MASS] = {"mass", PERI_COL_F64, 1, "{mass}", "Mean of their mass."},           \
        [S_DENSITY] = {"density", PERI_COL_F64, 1, "{mass}/({length})^3",                \
                       "Mean of the densities."},                                        \
        [S_ERROR] = {"density_error", PERI_COL_F64, 1, "{mass}/({length})^3",            \
                     "Error of this mean, from the scatter of the centres."},            \
        [S_MASS_WITHIN] = {"mass_within", PERI_COL_F64, 1, "{mass}",                     \
                           "Mean mass nearer than r_outer."},                            \
        [S_V_RADIAL] = {"v_radial", PERI_COL_F64, 1, "{velocity}",                       \
                        "Mean radial velocity, by mass."},                               \
        [S_SIGMA_RADIAL] = {"sigma_radial", PERI_COL_F64, 1, "{velocity}",               \
                            "Dispersion of radial velocities, by mass."},                \
        [S_SIGMA] = {                                                                    \
            "sigma",                                                                     \
            PERI_COL_F64,                                                                \
            1,                                                                           \
            "{velocity}",                                                                \
            "Root mean square of sigma, by mass."                                        \
        }                                                                                \
    }
static const peri_coldef_t stack_columns[NSTACKCOLUMNS] = STACK_COLUMNS("{length}");
static const peri_coldef_t scaled_columns[NSTACKCOLUMNS] = STACK_COLUMNS("");

static size_t columns_of(const peri_run_t *run, const peri_coldef_t **which)
{
    const bool stacked = peri_run_bool(run, "stack");
    *which = !stacked                       ? columns
             : peri_run_bool(run, "scaled") ? scaled_columns
                                            : stack_columns;
    return stacked ? NSTACKCOLUMNS : NCOLUMNS;
}

const peri_kernel_t peri_kernel_profile = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "profile",
    .summary = "density, mass and velocities by distance from centres",
    .help =
        "For each centre and bin of distance r_inner <= r < r_outer: number, mass m, "
        "density m / (4/3 pi (r_outer^3 - r_inner^3)), mass within r_outer (also that "
        "nearer than the first bin), and of the velocities, weighted by mass:\n\n"
        "v_radial = <u.r/r>, sigma_radial^2 = <(u.r/r)^2> - v_radial^2, and sigma^2 = "
        "<|u - a - b r/r|^2> / 3 with the mean velocity a and radial flow b of the bin "
        "that make it least. u is the peculiar velocity relative to "
        "the centre's; where centres have none, relative to the mean of all particles "
        "nearer than the last edge. With hubble_flow, u also has H(z) a r. v_circular^2 "
        "= "
        "G mass_within / (a r_outer).\n\n"
        "Lengths are as in the input, usually comoving, and go through the border of a "
        "periodic box. With scaled, edges are multiples of the centre's column radius: "
        "write centres as (SELECT GroupPos AS pos, Group_R_Crit200 AS radius, idx AS id "
        "FROM ... WHERE Group_R_Crit200 > 0).\n\n"
        "With stack, the mean over all centres, or over those in each of mass_bins: "
        "each centre counts the same, velocities by mass. Columns are then mass_from, "
        "mass_to, centres, bin, r_inner, r_outer (in units of radius if scaled), np, "
        "mass, "
        "density, density_error, mass_within, v_radial, sigma_radial, sigma.\n\n"
        "Rows are ordered by the centres' ids, then by bin, and are the same bits for "
        "any "
        "number of ranks.",
    .example = "profile gadget4_run64.dm --snapnum 23 --centre 10,20,30 --r_max 5",
    .params = params,
    .nparams = sizeof(params) / sizeof(params[0]),
    .inputs = inputs,
    .ninputs = 2,
    .columns = columns,
    .ncolumns = NCOLUMNS,
    .plan = plan,
    .filter = filter,
    .run = run};
