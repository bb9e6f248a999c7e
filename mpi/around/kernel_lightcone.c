/* kernel_lightcone.c - the kernel lightcone: snapshots as an observer sees them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/around/kernel_common.h"
#include "mpi/around/lightcone.h"

enum {
    ID,
    SNAPNUM,
    RA,
    DEC,
    REDSHIFT,
    OBSERVED,
    DISTANCE,
    POS,
    VEL,
    V_LOS,
    MASS,
    REPLICA,
    NCOLUMNS
};

#define DEGREE (M_PI / 180)

/* ---- parameters ---- */

static int read_range(const peri_run_t *run, const char *param, double least, double most,
                      double out[2], peri_err_t *err)
{
    size_t n;
    out[0] = least;
    out[1] = most;
    if (!peri_run_given(run, param)) return 0;
    const double *v = peri_run_floats(run, param, &n);
    if (n != 2 || !(v[0] < v[1]))
        return peri_err_set(err, PERI_EINVAL,
                            "%s needs two numbers, the smaller one first, as [0, 90]",
                            param);
    out[0] = v[0];
    out[1] = v[1];
    return 0;
}

/* All but distances. */
static int read_sky(const peri_run_t *run, peri_sky_t *s, peri_err_t *err)
{
    *s = (peri_sky_t){.cosine = -1, .motion = peri_run_bool(run, "motion")};
    if (peri_vector_read(run, "observer", s->observer, err) ||
        read_range(run, "ra_range", 0, 360, s->ra, err) ||
        read_range(run, "dec_range", -90, 90, s->dec, err))
        return -1;
    if (s->ra[1] - s->ra[0] >= 360) {
        s->ra[0] = 0;
        s->ra[1] = 360;
    } else { /* [-10, 10] is [350, 10] */
        const double width = s->ra[1] - s->ra[0];
        s->ra[0] = fmod(s->ra[0] + 360, 360);
        s->ra[1] = s->ra[0] + width;
        if (s->ra[1] > 360) s->ra[1] -= 360;
    }
    size_t n;
    const double *direction = peri_run_floats(run, "direction", &n);
    if (n != 2 || fabs(direction[1]) > 90)
        return peri_err_set(
            err, PERI_EINVAL,
            "direction needs a right ascension and a declination from -90 "
            "to 90, as [20, 35]");
    const double ra = direction[0] * DEGREE, dec = direction[1] * DEGREE;
    s->axis[0] = cos(dec) * cos(ra);
    s->axis[1] = cos(dec) * sin(ra);
    s->axis[2] = sin(dec);
    if (peri_run_given(run, "angle"))
        s->cosine = cos(peri_run_float(run, "angle") * DEGREE);
    return 0;
}

static int check_cosmology(const peri_simulation_t *s, peri_err_t *err)
{
    if (isnan(s->box[0]))
        return peri_err_set(err, PERI_EINVAL,
                            "a light cone needs a periodic box: give box => SIDE");
    if (!isfinite(s->omega_m) || !isfinite(s->omega_lambda))
        return peri_err_set(
            err, PERI_EINVAL,
            "distances need a cosmology, which the files do not say: give "
            "omega_m and omega_lambda");
    if (fabs(s->omega_m + s->omega_lambda - 1) > 0.01)
        return peri_err_set(err, PERI_EINVAL,
                            "omega_m = %g and omega_lambda = %g do not make a flat "
                            "universe: a box cannot be repeated in a curved one",
                            s->omega_m, s->omega_lambda);
    if (isfinite(peri_hubble_length(s->length, s->hubble))) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "the unit of lengths (%s) or the Hubble constant is not known: "
                        "give hubble, and positions from columns with a unit",
                        *s->length ? s->length : "none");
}

static int check_range(const peri_run_t *run, peri_err_t *err)
{
    const double from = peri_run_float(run, "z_min"), to = peri_run_float(run, "z_max");
    if (from < to) return 0;
    return peri_err_set(err, PERI_EINVAL, "z_min = %g must be below z_max = %g", from,
                        to);
}

/* Distances up to redshift z, of the simulation's universe and units. */
static peri_distances_t *make_distances(const peri_simulation_t *s, double z,
                                        peri_err_t *err)
{
    return peri_distances_new(s->omega_m, s->omega_lambda,
                              peri_hubble_length(s->length, s->hubble), z, err);
}

/* An impossible number of rows is refused before anything is read. */
static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    const peri_simulation_t *s = peri_run_simulation(run, 0);
    peri_sky_t sky;
    int nranks;
    if (check_range(run, err) || read_sky(run, &sky, err) || check_cosmology(s, err))
        return -1;
    peri_all_wanted(run, need);
    const double to = peri_run_float(run, "z_max");
    peri_distances_t *d = make_distances(s, to, err);
    if (!d) return -1;
    const double a = peri_distance_of(d, peri_run_float(run, "z_min")),
                 b = peri_distance_of(d, to);
    peri_distances_free(d);
    const double volume =
        4 * M_PI / 3 * (b * b * b - a * a * a) * peri_sky_fraction(&sky);
    const size_t snapshots = peri_run_snapshots(run, 0);
    const double each = (double)peri_run_input_rows(run, 0) /
                        (snapshots ? (double)snapshots : 1) /
                        (s->box[0] * s->box[1] * s->box[2]);
    MPI_Comm_size(peri_run_comm(run), &nranks);
    /* Rows, the same on their way between ranks, and as columns. */
    need->rank_bytes =
        (uint64_t)fmin(volume * each * 3 * sizeof(peri_sighting_t) / nranks, 1e18);
    return 0;
}

/* ---- snapshots ---- */

typedef struct {
    peri_shell_t *shells;
    size_t n;
    double nearest, furthest; /* redshifts */
} snapshots_t;

static int look_at_snapshots(peri_run_t *run, snapshots_t *s, double *redshift,
                             peri_err_t *err)
{
    size_t given;
    const double *z = peri_run_floats(run, "redshifts", &given);
    if (peri_run_given(run, "redshifts") && given != s->n)
        return peri_err_set(err, PERI_EINVAL,
                            "redshifts has %zu numbers, but there are %zu snapshots",
                            given, s->n);
    s->nearest = INFINITY;
    s->furthest = -INFINITY;
    for (size_t i = 0; i < s->n; i++) {
        const peri_simulation_t *sim;
        if (peri_run_snapshot_look(run, 0, i, &sim, err)) return -1;
        redshift[i] = peri_run_given(run, "redshifts") ? z[i] : sim->redshift;
        s->shells[i].snapnum = (int32_t)sim->snapnum;
        if (!(redshift[i] > -1e-4))
            return peri_err_set(err, PERI_EINVAL,
                                "the redshift of snapshot %d is %g: give redshifts => "
                                "[...], one for each",
                                s->shells[i].snapnum, redshift[i]);
        /* z = 0 is often written a little off. */
        if (redshift[i] < 1e-4) redshift[i] = fmax(redshift[i], 0);
        s->nearest = fmin(s->nearest, redshift[i]);
        s->furthest = fmax(s->furthest, redshift[i]);
    }
    return 0;
}

static int check_reach(const peri_run_t *run, const snapshots_t *s, peri_err_t *err)
{
    const double from = peri_run_float(run, "z_min"), to = peri_run_float(run, "z_max");
    if (peri_run_bool(run, "extrapolate")) return 0;
    if (from > s->nearest - 1e-4 && to <= s->furthest) return 0;
    return peri_err_set(
        err, PERI_EINVAL,
        "redshifts from %g to %g are outside of those of the snapshots, "
        "%g to %g: take less, or give extrapolate => true to use the first "
        "and last snapshot beyond them",
        from, to, s->nearest, s->furthest);
}

/* Shells of all snapshots, cut to what is asked for. */
static int cut_shells(peri_run_t *run, snapshots_t *s, const double *redshift,
                      peri_distances_t **distances, peri_err_t *err)
{
    const double to = peri_run_float(run, "z_max");
    peri_distances_t *d =
        make_distances(peri_run_simulation(run, 0), fmax(to, s->furthest) * 1.001, err);
    if (!d) return -1;
    *distances = d;
    for (size_t i = 0; i < s->n; i++)
        s->shells[i].distance = peri_distance_of(d, redshift[i]);
    peri_shells_cut(s->shells, s->n);
    const double a = peri_distance_of(d, peri_run_float(run, "z_min")),
                 b = peri_distance_of(d, to);
    for (size_t i = 0; i < s->n; i++) {
        s->shells[i].inner = fmax(s->shells[i].inner, a);
        s->shells[i].outer = fmin(s->shells[i].outer, b);
    }
    return 0;
}

static int open_snapshots(peri_run_t *run, snapshots_t *s, peri_distances_t **distances,
                          peri_err_t *err)
{
    const peri_simulation_t *sim;
    s->n = peri_run_snapshots(run, 0);
    /* Says so if there are none. */
    if (!s->n) return peri_run_snapshot_look(run, 0, 0, &sim, err);
    s->shells = calloc(s->n, sizeof(*s->shells));
    double *redshift = calloc(s->n, sizeof(*redshift));
    int rc = s->shells && redshift
                 ? 0
                 : peri_err_set(err, PERI_ELIMIT, "there is no memory for %zu snapshots",
                                s->n);
    if (peri_run_agree(run, rc, err) || look_at_snapshots(run, s, redshift, err) ||
        check_cosmology(peri_run_simulation(run, 0), err) || check_reach(run, s, err) ||
        cut_shells(run, s, redshift, distances, err))
        rc = -1;
    free(redshift);
    return rc;
}

/* ---- the call ---- */

static int add_snapshot(peri_run_t *run, const peri_sky_t *sky, const peri_shell_t *shell,
                        size_t i, peri_sightings_t *out, peri_err_t *err)
{
    char what[40];
    const peri_simulation_t *sim;
    peri_particles_t *p;
    snprintf(what, sizeof(what), "snapshot %d", shell->snapnum);
    peri_teller_t teller = {run, what};
    const peri_progressing_t progress = {peri_tell, &teller};
    peri_run_snapshot_seek(run, 0, i);
    if (peri_run_snapshot(run, 0, &p, &sim, err) != 1) return -1;
    int rc = peri_lightcone_add(out, sky, p, shell, &progress, err);
    if (rc) peri_err_prefix(err, "snapshot %d", shell->snapnum);
    return peri_run_agree(run, rc, err);
}

static int fill(peri_run_t *run, const peri_sightings_t *s, peri_err_t *err)
{
    peri_rowset_t *out = peri_run_rows(run);
    if (peri_rowset_extend(out, s->n, err) < 0) return -1;
    for (size_t i = 0; i < s->n; i++) {
        const peri_sighting_t *o = &s->rows[i];
        peri_put_i64(out, ID, i, o->id);
        peri_put_i32(out, SNAPNUM, i, o->snapnum);
        peri_put_f64(out, RA, i, o->ra);
        peri_put_f64(out, DEC, i, o->dec);
        peri_put_f64(out, REDSHIFT, i, o->redshift);
        peri_put_f64(out, OBSERVED, i, o->observed);
        peri_put_f64(out, DISTANCE, i, o->distance);
        peri_put_position(out, POS, i, o->x);
        peri_put_velocity(out, VEL, i, o->v);
        peri_put_f32(out, V_LOS, i, o->v_los);
        peri_put_f64(out, MASS, i, o->mass);
        memcpy((int32_t *)peri_rowset_data(out, REPLICA) + 3 * i, o->replica,
               sizeof(o->replica));
    }
    return 0;
}

static int run(peri_run_t *run, peri_err_t *err)
{
    peri_sky_t sky;
    snapshots_t s = {0};
    peri_sightings_t seen = {0};
    peri_distances_t *distances = NULL;
    int rc = read_sky(run, &sky, err);
    if (peri_run_agree(run, rc, err)) return -1;
    rc = peri_run_agree(run, open_snapshots(run, &s, &distances, err), err);
    sky.distances = distances;
    for (size_t i = 0; rc == 0 && i < s.n; i++)
        if (s.shells[i].inner < s.shells[i].outer)
            rc = add_snapshot(run, &sky, &s.shells[i], i, &seen, err);
    if (rc == 0) rc = peri_lightcone_order(&seen, peri_run_comm(run), err);
    if (rc == 0) rc = fill(run, &seen, err);
    free(seen.rows);
    free(s.shells);
    peri_distances_free(distances);
    return peri_run_agree(run, rc, err);
}

/* ---- description ---- */

static const peri_param_t params[] = {
    {.name = "observer",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "[0, 0, 0]",
     .help = "Where the observer is in the box."},
    {.name = "z_min",
     .type = PERI_PARAM_FLOAT,
     .preset = "0",
     .max = 1e4,
     .help = "Objects are seen from this redshift on."},
    {.name = "z_max",
     .type = PERI_PARAM_FLOAT,
     .preset = NULL,
     .max = 1e4,
     .above_min = true,
     .help = "And up to this one."},
    {.name = "direction",
     .type = PERI_PARAM_FLOATS,
     .unit = "deg",
     .preset = "[0, 0]",
     .min = -360,
     .max = 360,
     .help = "Right ascension and declination of the axis of a cone: [0, 0] is along x, "
             "[90, 0] along y, [0, 90] along z."},
    {.name = "angle",
     .type = PERI_PARAM_FLOAT,
     .unit = "deg",
     .preset = "",
     .max = 180,
     .above_min = true,
     .help = "Between the axis and the side of the cone: half of its opening angle. "
             "Default: no cone, the whole sky."},
    {.name = "ra_range",
     .type = PERI_PARAM_FLOATS,
     .unit = "deg",
     .preset = "",
     .min = -360,
     .max = 720,
     .help = "Right ascensions that are seen; with dec_range => [0, 90], [0, 90] is an "
             "octant."},
    {.name = "dec_range",
     .type = PERI_PARAM_FLOATS,
     .unit = "deg",
     .preset = "",
     .min = -90,
     .max = 90,
     .help = "Declinations that are seen."},
    {.name = "motion",
     .type = PERI_PARAM_BOOL,
     .preset = "false",
     .help = "Move objects by their velocity to where the light met them."},
    {.name = "extrapolate",
     .type = PERI_PARAM_BOOL,
     .preset = "false",
     .help = "Use the first and last snapshot beyond their own redshift too."},
    {.name = "redshifts",
     .type = PERI_PARAM_FLOATS,
     .preset = "",
     .max = 1e4,
     .help = "Of the snapshots, by rising number. Default: as the files say."},
};

static const peri_input_t inputs[] = {
    {.name = "particles",
     .particles = PERI_HAS_ID,
     .many_snapshots = true,
     .help = "Particles, halos or galaxies of all snapshots, with ids. filter can choose "
             "snapshots."}};

static const peri_coldef_t columns[NCOLUMNS] = {
    [ID] = {"id", PERI_COL_I64, 1, "", "Id of the object."},
    [SNAPNUM] = {"snapnum", PERI_COL_I32, 1, "", "The snapshot that it is taken from."},
    [RA] = {"ra", PERI_COL_F64, 1, "deg", "Right ascension, from 0 to 360."},
    [DEC] = {"dec", PERI_COL_F64, 1, "deg", "Declination."},
    [REDSHIFT] = {"redshift", PERI_COL_F64, 1, "", "Redshift of its distance."},
    [OBSERVED] = {"redshift_observed", PERI_COL_F64, 1, "",
                  "With the Doppler shift of its peculiar velocity; NaN without one."},
    [DISTANCE] = {"distance", PERI_COL_F64, 1, "{length}", "Comoving distance."},
    [POS] = {"pos", PERI_COL_F64, 3, "{length}", "Position relative to the observer."},
    [VEL] = {"vel", PERI_COL_F32, 3, "{velocity}", "Peculiar velocity."},
    [V_LOS] = {"v_los", PERI_COL_F32, 1, "{velocity}",
               "Peculiar velocity along the line of sight, away from the observer."},
    [MASS] = {"mass", PERI_COL_F64, 1, "{mass}", "Mass; NaN where it is not known."},
    [REPLICA] = {"replica", PERI_COL_I32, 3, "",
                 "Which copy of the box; [0, 0, 0] is the one that has the observer's "
                 "coordinates."}};

const peri_kernel_t peri_kernel_lightcone = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "lightcone",
    .summary = "the sky of an observer, from many snapshots",
    .help =
        "Repeats the periodic box through space, and gives what an observer sees: each "
        "object from the snapshot whose comoving distance D(z) is nearest to its own "
        "distance. Borders between snapshots are half-way in distance, D(z) = c / H0 "
        "times the integral of dz / sqrt(omega_m (1 + z)^3 + omega_lambda).\n\n"
        "redshift is that of the distance; redshift_observed = (1 + redshift) (1 + v_los "
        "/ "
        "c) - 1, the observer being at rest.\n\n"
        "With motion, an object is where its light was sent to first order in its "
        "velocity: x - v (d - D) / c for one at distance d in a snapshot of distance D. "
        "Without, borders between snapshots and copies neither lose nor repeat an object "
        "that rests; with it, or in any case for objects that move from one snapshot to "
        "the next, some near a border come twice or not at all.\n\n"
        "The box is repeated without rotation: a line of sight along an axis sees the "
        "same structures again and again, so look along another direction, as [20, 35]. "
        "Snapshots are read one at a time, and only those that are needed.\n\n"
        "Rows are ordered by distance.",
    .example =
        "lightcone gadget4_run64.dm --z_max 0.02 --extrapolate true --ra_range 0,90 "
        "--dec_range 0,90",
    .params = params,
    .nparams = sizeof(params) / sizeof(params[0]),
    .inputs = inputs,
    .ninputs = 1,
    .columns = columns,
    .ncolumns = NCOLUMNS,
    .plan = plan,
    .run = run};
