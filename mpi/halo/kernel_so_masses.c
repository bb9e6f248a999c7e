/* kernel_so_masses.c - spherical-overdensity masses as a kernel: parameters in, rows out.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/so.h"
#include "perigee/kernel.h"

enum { NAME_SIZE = 24, FIXED_COLUMNS = 2 };

static const peri_param_t params[] = {
    {.name = "deltas",
     .type = PERI_PARAM_TEXT,
     .unit = "",
     .preset = "200c, 500c, 200m, vir",
     .help = "Overdensities, with commas between: a number and c (times the critical "
             "density) or m (times the mean density), or vir."},
    {.name = "min_particles",
     .type = PERI_PARAM_INT,
     .unit = "",
     .preset = "5",
     .min = 1,
     .max = 1e9,
     .help = "Halos with fewer particles of average mass have mass and radius 0."},
    {.name = "mean_density",
     .type = PERI_PARAM_FLOAT,
     .unit = "{mass}/{length}^3",
     .preset = "",
     .min = 0,
     .max = INFINITY,
     .above_min = true,
     .help =
         "Mean density of all matter; if it is left out, the mass of all particles of "
         "the input over the volume of the box."}};

static const peri_input_t inputs[] = {
    {.name = "particles",
     .particles = PERI_HAS_MASS,
     .help = "All matter: particles with masses, in a periodic box or in open space."},
    {.name = "centres",
     .particles = PERI_HAS_ID,
     .help = "Where to look: a table with positions, in the unit of the particles', such "
             "as fof(...), halos of a catalogue, or a SELECT."}};

static const peri_coldef_t columns[FIXED_COLUMNS + 2 * PERI_SO_MAX] = {
    {"id", PERI_COL_I64, 1, "", "Id of the centre; if it has none, its number."},
    {"pos", PERI_COL_F64, 3, "{length}", "The centre."}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- overdensities ---- */

typedef struct {
    size_t n;
    char names[PERI_SO_MAX][NAME_SIZE]; /* "200c" */
} deltas_t;

static int parse_deltas(const char *text, deltas_t *d, peri_err_t *err)
{
    d->n = 0;
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        while (isspace((unsigned char)*at)) at++;
        size_t length = strcspn(at, ",");
        while (length && isspace((unsigned char)at[length - 1])) length--;
        if (d->n == PERI_SO_MAX)
            return peri_err_set(err, PERI_EINVAL, "there can be at most %d overdensities",
                                PERI_SO_MAX);
        char *name = d->names[d->n];
        snprintf(name, NAME_SIZE, "%.*s", (int)length, at);
        for (size_t i = 0; i < d->n; i++)
            if (strcmp(d->names[i], name) == 0)
                return peri_err_set(err, PERI_EINVAL, "the overdensity %s is there twice",
                                    name);
        d->n++;
    }
    return 0;
}

static int make_options(const peri_run_t *run, const deltas_t *d, double mean,
                        peri_so_options_t *o, peri_err_t *err)
{
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    const peri_so_cosmology_t cosmology = {.mean = mean,
                                           .omega_m = sim->omega_m,
                                           .omega_lambda = sim->omega_lambda,
                                           .redshift = sim->redshift};
    o->ndensities = d->n;
    o->min_particles = (uint64_t)peri_run_int(run, "min_particles");
    for (size_t i = 0; i < d->n; i++)
        if (peri_so_density(d->names[i], &cosmology, &o->densities[i], err)) return -1;
    return 0;
}

/* ---- the plan ---- */

static int check_inputs(const peri_run_t *run, peri_err_t *err)
{
    const peri_simulation_t *a = peri_run_simulation(run, 0);
    const peri_simulation_t *b = peri_run_simulation(run, 1);
    if (*a->length && *b->length && strcmp(a->length, b->length) != 0)
        return peri_err_set(
            err, PERI_EINVAL,
            "the particles' positions are in %s, the centres' in %s: give "
            "the centres as a SELECT that converts them",
            a->length, b->length);
    if (isnan(a->box[0]) && !peri_run_given(run, "mean_density"))
        return peri_err_set(err, PERI_EINVAL,
                            "the mean density needs the box, which the input does not "
                            "tell: give box, or mean_density");
    return 0;
}

/* As "200.5c" is no name of a column: m_200_5c. */
static void name_column(char *into, const char *prefix, const char *delta)
{
    snprintf(into, NAME_SIZE + 2, "%s%s", prefix, delta);
    for (char *c = into; *c; c++)
        if (!isalnum((unsigned char)*c)) *c = '_';
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    /* The framework copies them; one call at a time. */
    static peri_coldef_t all[COUNT(columns)];
    static char names[2 * PERI_SO_MAX][NAME_SIZE + 2];
    static char helps[2 * PERI_SO_MAX][128];
    deltas_t d;
    peri_so_options_t o;
    if (parse_deltas(peri_run_text(run, "deltas"), &d, err)) return -1;
    if (check_inputs(run, err) || make_options(run, &d, 1, &o, err)) return -1;
    memcpy(all, columns, sizeof(all));
    for (size_t i = 0; i < d.n; i++) {
        name_column(names[2 * i], "m_", d.names[i]);
        name_column(names[2 * i + 1], "r_", d.names[i]);
        snprintf(helps[2 * i], sizeof(helps[0]), "Mass within r_%s.", d.names[i]);
        snprintf(helps[2 * i + 1], sizeof(helps[0]),
                 "Radius of the sphere with a mean density of %s.", d.names[i]);
        all[FIXED_COLUMNS + 2 * i] =
            (peri_coldef_t){names[2 * i], PERI_COL_F64, 1, "{mass}", helps[2 * i]};
        all[FIXED_COLUMNS + 2 * i + 1] = (peri_coldef_t){names[2 * i + 1], PERI_COL_F64,
                                                         1, "{length}", helps[2 * i + 1]};
    }
    need->columns = all;
    need->ncolumns = FIXED_COLUMNS + 2 * d.n;
    need->row_bytes = 40;
    need->rank_bytes = 16 << 20;
    return 0;
}

/* ---- the run ---- */

/* What the mean density should be, where the units are known; else NAN. */
static double expected_density(const peri_simulation_t *sim, double omega_m)
{
    const double critical = 27.753662; /* 3 (100 km/s/Mpc)^2 / (8 pi G), z = 0 */
    if (strcmp(sim->mass, "1e10 Msun/h") != 0) return NAN;
    if (strcmp(sim->length, "cMpc/h") == 0) return omega_m * critical;
    return strcmp(sim->length, "ckpc/h") == 0 ? omega_m * critical * 1e-9 : NAN;
}

static double find_mean(peri_run_t *run)
{
    if (peri_run_given(run, "mean_density")) return peri_run_float(run, "mean_density");
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    const peri_particles_t *p = peri_run_particles(run, 0);
    double mean =
        peri_so_total_mass(p, peri_run_comm(run)) / (p->box[0] * p->box[1] * p->box[2]);
    double expected = expected_density(sim, sim->omega_m);
    int rank;
    MPI_Comm_rank(peri_run_comm(run), &rank);
    if (rank == 0 && fabs(mean / expected - 1) > 0.02)
        peri_run_note(run,
                      "the particles have a mean density of %g, omega_m times the "
                      "critical density is %g: if they are not all matter, give "
                      "mean_density",
                      mean, expected);
    return mean;
}

static int give_rows(peri_run_t *run, const peri_particles_t *c, size_t ndensities,
                     const double *mass, const double *radius, peri_err_t *err)
{
    peri_rowset_t *rows = peri_run_rows(run);
    if (peri_rowset_extend(rows, c->n, err) < 0) return -1;
    int64_t *id = peri_rowset_data(rows, 0);
    double *position = peri_rowset_data(rows, 1);
    for (size_t i = 0; i < c->n; i++) {
        id[i] = c->id[i];
        position[3 * i] = c->x[i];
        position[3 * i + 1] = c->y[i];
        position[3 * i + 2] = c->z[i];
    }
    for (size_t d = 0; d < ndensities; d++) {
        double *m = peri_rowset_data(rows, FIXED_COLUMNS + 2 * d);
        double *r = peri_rowset_data(rows, FIXED_COLUMNS + 2 * d + 1);
        for (size_t i = 0; i < c->n; i++) {
            m[i] = mass[i * ndensities + d];
            r[i] = radius[i * ndensities + d];
        }
    }
    return 0;
}

static int progress(void *arg, const char *what, double done, double total,
                    peri_err_t *err)
{
    return peri_run_progress(arg, what, done, total, err);
}

static int run_so(peri_run_t *run, peri_err_t *err)
{
    if (peri_run_input_rows(run, 0) == 0)
        return peri_err_set(err, PERI_EINVAL,
                            "there are no particles to weigh: check snapnum and filter");
    peri_particles_t *p = peri_run_particles(run, 0), *c = peri_run_particles(run, 1);
    deltas_t d;
    peri_so_options_t o;
    if (parse_deltas(peri_run_text(run, "deltas"), &d, err) ||
        make_options(run, &d, find_mean(run), &o, err))
        return -1;
    double *mass = malloc((c->n * d.n + 1) * sizeof(*mass));
    double *radius = malloc((c->n * d.n + 1) * sizeof(*radius));
    int rc = mass && radius ? 0
                            : peri_err_set(err, PERI_ELIMIT,
                                           "there is no memory for %zu centres", c->n);
    rc = peri_run_agree(run, rc, err);
    if (!rc)
        rc = peri_so_find(p, c, &o, mass, radius, NULL, progress, run, peri_run_comm(run),
                          err);
    if (!rc) rc = give_rows(run, c, d.n, mass, radius, err);
    free(mass);
    free(radius);
    return rc;
}

const peri_kernel_t peri_kernel_so_masses = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "so_masses",
    .summary = "spherical-overdensity masses and radii around centres",
    .help =
        "R is the radius of the sphere around a centre in which the mean density is a "
        "given one, M the mass of all particles in it, members of a group or not: "
        "M = 4/3 pi R^3 rho. 200c is 200 times the critical density at the redshift of "
        "the snapshot, 200m 200 times the mean density of matter, vir the density of a "
        "spherical top-hat that has just virialised, (18 pi^2 + 82 x - 39 x^2) times "
        "critical, x = Omega_m(z) - 1 (Bryan & Norman 1998, ApJ 495, 80).\n"
        "\n"
        "The mean density rho_m is that of the particles themselves, the critical one "
        "rho_m / Omega_m(z), so that units do not matter; in comoving coordinates radii "
        "are comoving. If several radii have the density, it is the outermost one "
        "between "
        "two steps of radii that grow by 2^(1/3): the first with less density and the "
        "one "
        "before. M = R = 0: fewer than min_particles; NaN: more dense even at half of "
        "the "
        "box. GADGET-4 halves intervals of radii until they are 1e-4 wide: nine of ten "
        "halos have as many particles in its catalogue, the others one more or less or "
        "another radius of that density.\n"
        "\n"
        "Take centres where the density is highest: positions of fof, GroupPos of "
        "GADGET-4, "
        "halos of a finder. A centre of mass may lie between two clumps.",
    .example = "so_masses gadget4_run64.dm --snapnum 23 --centres 'SELECT * FROM "
               "gadget4_run64.groups WHERE snapnum = 23' --deltas 200c,vir",
    .params = params,
    .nparams = COUNT(params),
    .inputs = inputs,
    .ninputs = COUNT(inputs),
    .columns = columns,
    .ncolumns = FIXED_COLUMNS,
    .plan = plan,
    .run = run_so};
