/* kernel_correlation.c - correlation: parameters and rows for correlation.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/field/redshift.h"
#include "mpi/halo/correlation_glue.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const peri_param_t params[] = {
    {.name = "mode",
     .type = PERI_PARAM_TEXT,
     .preset = "r",
     .choices = "r|smu|multipoles|rppi|wp|theta",
     .help =
         "xi(r); xi(s, mu); its multipoles; xi(rp, pi); wp(rp); w(theta) on the sky."},
    {.name = "bins",
     .type = PERI_PARAM_FLOATS,
     .unit = "{length}",
     .preset = "",
     .help =
         "Edges of the bins of r, s, rp, or of theta in degrees; or give rmin, rmax."},
    {.name = "rmin",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .help = "First edge of the bins, above 0 if they are logarithmic."},
    {.name = "rmax",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .help = "Last edge, at most half of a periodic box."},
    {.name = "nbins",
     .type = PERI_PARAM_INT,
     .preset = "20",
     .min = 1,
     .max = PERI_PAIRS_MAX_EDGES - 1,
     .help = "Number of bins from rmin to rmax."},
    {.name = "spacing",
     .type = PERI_PARAM_TEXT,
     .preset = "log",
     .choices = "log|linear",
     .help = "Of the edges from rmin to rmax."},
    {.name = "mu_bins",
     .type = PERI_PARAM_INT,
     .preset = "20",
     .min = 1,
     .max = PERI_PAIRS_MAX_EDGES - 1,
     .help = "Equal bins of mu from 0 to 1; of smu, multipoles."},
    {.name = "pi_max",
     .type = PERI_PARAM_FLOAT,
     .unit = "{length}",
     .preset = "",
     .min = 0,
     .max = INFINITY,
     .above_min = true,
     .help = "Largest separation along the line of sight; of rppi, wp."},
    {.name = "pi_bins",
     .type = PERI_PARAM_INT,
     .preset = "40",
     .min = 1,
     .max = PERI_PAIRS_MAX_EDGES - 1,
     .help = "Equal bins from 0 to pi_max."},
    {.name = "axis",
     .type = PERI_PARAM_TEXT,
     .preset = "z",
     .choices = "x|y|z|midpoint",
     .help = "Line of sight: an axis, far away, or from the origin to the middle of each "
             "pair."},
    {.name = "rsd",
     .type = PERI_PARAM_TEXT,
     .preset = "none",
     .choices = "none|x|y|z",
     .help = "Redshift space along this axis, which is the line of sight then; none: "
             "positions as they are."},
    {.name = "sky",
     .type = PERI_PARAM_BOOL,
     .preset = "false",
     .help = "Positions are right ascension and declination in degrees, and distance, as "
             "pos => '[ra, dec, distance]'."},
    {.name = "mean",
     .type = PERI_PARAM_BOOL,
     .preset = "false",
     .help = "Mean separations too; counting takes several times as long."},
};

enum { INPUTS = PERI_CORRELATION_SETS };

static const peri_input_t inputs[INPUTS] = {
    {.name = "points",
     .particles = PERI_HAS_WEIGHT,
     .help = "Particles, halos or galaxies; each counts by its weight."},
    {.name = "randoms",
     .particles = PERI_HAS_WEIGHT,
     .optional = true,
     .help = "Points without order in the same volume; not needed in a periodic box."},
    {.name = "second",
     .particles = PERI_HAS_WEIGHT,
     .optional = true,
     .help = "A second set: pairs are between the two."},
    {.name = "second_randoms",
     .particles = PERI_HAS_WEIGHT,
     .optional = true,
     .help = "Random points for the second set, if they are others."}};

/* To redshift space. */
static bool moves(const peri_run_t *run, size_t input)
{
    return correlation_rsd(run) >= 0 && input != PERI_CORRELATION_RANDOMS &&
           input != PERI_CORRELATION_SECOND_RANDOMS;
}

/* ---- the plan ---- */

static int check_input(const peri_run_t *run, size_t input, peri_err_t *err)
{
    const peri_simulation_t *a = peri_run_simulation(run, 0);
    const peri_simulation_t *b = peri_run_simulation(run, input);
    const char *name = inputs[input].name;
    if (*a->length && *b->length && strcmp(a->length, b->length) != 0)
        return peri_err_set(
            err, PERI_EINVAL,
            "points are in %s, %s in %s: give a SELECT that converts them", a->length,
            name, b->length);
    for (int d = 0; d < 3; d++)
        if (!isnan(b->box[d]) && !(fabs(a->box[d] - b->box[d]) <= 1e-6 * a->box[d]))
            return peri_err_set(err, PERI_EINVAL,
                                "points are in a box of %g, %s in one of %g: give box",
                                a->box[d], name, b->box[d]);
    return 0;
}

/* Points of other ranks that a rank needs, as a part of all. */
static double border(const double box[3], const double reach[3], int nranks)
{
    double part = 1;
    if (nranks == 1) return 0;
    for (int d = 0; d < 3; d++)
        part *= box[d] > 0 ? fmin(1, 1 / cbrt(nranks) + 2 * reach[d] / box[d]) : 1;
    return fmax(part - 1.0 / nranks, 0);
}

static int check_box(const peri_run_t *run, const correlation_edges_t *e, peri_err_t *err)
{
    const peri_simulation_t *sim = peri_run_simulation(run, 0);
    peri_pairs_opts_t opts = {.box = {0, 0, 0}};
    for (int d = 0; d < 3; d++) opts.box[d] = isnan(sim->box[d]) ? 0 : sim->box[d];
    const bool open = !(opts.box[0] > 0);
    bool sets[INPUTS];
    for (size_t i = 0; i < INPUTS; i++) sets[i] = peri_run_has_input(run, i);
    if (!open && peri_run_bool(run, "sky"))
        return peri_err_set(
            err, PERI_EINVAL,
            "the sky is no periodic box, but the box is %g: give box => 0", opts.box[0]);
    if (peri_pairs_check(&e->bins, &opts, err)) return -1;
    return peri_correlation_check(&e->bins, sets, !open, err);
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    /* The framework copies the columns; one call at a time. */
    static correlation_layout_t layout;
    static correlation_edges_t e;
    int nranks;
    MPI_Comm_size(peri_run_comm(run), &nranks);
    for (size_t i = 0; i < INPUTS; i++) {
        if (!peri_run_has_input(run, i) || peri_run_input_rows(run, i) > 0) continue;
        return peri_err_set(err, PERI_EINVAL,
                            "there are no particles in %s: check snapnum and filter",
                            inputs[i].name);
    }
    if (correlation_edges(run, &e, err) || check_box(run, &e, err)) return -1;
    double reach[3], rows = 0, factor;
    peri_pairs_reach(&e.bins, reach);
    const double away = border(peri_run_simulation(run, 0)->box, reach, nranks);
    for (size_t i = 0; i < INPUTS; i++) {
        if (!peri_run_has_input(run, i)) continue;
        if (i && check_input(run, i, err)) return -1;
        rows += (double)peri_run_input_rows(run, i);
        if (!moves(run, i)) continue;
        if (peri_redshift_factor(peri_run_simulation(run, i), &factor, err)) return -1;
        need->particles[i] = PERI_HAS_VELOCITY;
    }
    correlation_lay_out(run, &layout);
    need->columns = layout.columns;
    need->ncolumns = layout.n;
    /* Sorting, sets apart, a tree; points of others are sent and received besides. */
    need->rank_bytes =
        (uint64_t)(64e6 + rows * (160.0 / nranks + 240 * away)) +
        (uint64_t)(e.bins.nfirst * (e.bins.nsecond ? e.bins.nsecond : 1)) * 400;
    return 0;
}

/* ---- the run ---- */

static void to_redshift_space(peri_particles_t *p, int axis, double factor)
{
    double *x = axis == 0 ? p->x : axis == 1 ? p->y : p->z;
    const double *v = axis == 0 ? p->vx : axis == 1 ? p->vy : p->vz;
    for (size_t i = 0; i < p->n; i++) {
        x[i] += factor * v[i];
        if (!p->periodic) continue;
        x[i] -= floor(x[i] / p->box[axis]) * p->box[axis];
        if (!(x[i] < p->box[axis])) x[i] = 0;
    }
}

static int to_unit_vectors(peri_particles_t *p, const char *name, peri_err_t *err)
{
    for (size_t i = 0; i < p->n; i++) {
        const double r = sqrt(p->x[i] * p->x[i] + p->y[i] * p->y[i] + p->z[i] * p->z[i]);
        if (!(r > 0) || !isfinite(r))
            return peri_err_set(
                err, PERI_EINVAL,
                "a point of %s is %g from the origin and has no direction: "
                "leave it out with filter",
                name, r);
        p->x[i] /= r;
        p->y[i] /= r;
        p->z[i] /= r;
    }
    return 0;
}

static int from_sky(peri_particles_t *p, const char *name, peri_err_t *err)
{
    for (size_t i = 0; i < p->n; i++)
        if (!(fabs(p->y[i]) <= 90) || !(p->z[i] >= 0))
            return peri_err_set(
                err, PERI_EINVAL,
                "a point of %s has the declination %g and the distance %g: "
                "pos is [ra, dec, distance], in degrees",
                name, p->y[i], p->z[i]);
    peri_pairs_from_sky(p->n, p->x, p->y, p->z, p->x, p->y, p->z);
    return 0;
}

/* Positions as they are counted. Local. */
static int place(peri_run_t *run, size_t input, peri_particles_t *p, peri_err_t *err)
{
    double factor;
    const char *name = inputs[input].name;
    if (moves(run, input)) {
        if (peri_redshift_factor(peri_run_simulation(run, input), &factor, err))
            return -1;
        to_redshift_space(p, correlation_rsd(run), factor);
    }
    if (peri_run_bool(run, "sky") && from_sky(p, name, err)) return -1;
    return correlation_mode(run)->kind == PERI_PAIRS_THETA ? to_unit_vectors(p, name, err)
                                                           : 0;
}

static int tell(void *arg, const char *what, double done, double total, peri_err_t *err)
{
    char text[24];
    snprintf(text, sizeof(text), "counting %s", what);
    return peri_run_progress(arg, text, done, total, err);
}

static int run(peri_run_t *run, peri_err_t *err)
{
    static correlation_edges_t e;
    peri_particles_t *sets[PERI_CORRELATION_SETS] = {NULL};
    int rank, rc = correlation_edges(run, &e, err);
    MPI_Comm_rank(peri_run_comm(run), &rank);
    for (size_t i = 0; !rc && i < INPUTS; i++) {
        if (!peri_run_has_input(run, i)) continue;
        sets[i] = peri_run_particles(run, i);
        sets[i]->periodic = sets[0]->periodic;
        memcpy(sets[i]->box, sets[0]->box, sizeof(sets[i]->box));
        rc = place(run, i, sets[i], err);
    }
    if (peri_run_agree(run, rc, err)) return -1;
    const peri_correlation_options_t options = {
        .bins = e.bins, .mean = peri_run_bool(run, "mean"), .progress = tell, .arg = run};
    peri_correlation_t *c =
        peri_correlation_measure(sets, &options, peri_run_comm(run), err);
    if (!c) return -1;
    if (rank == 0) rc = correlation_put_rows(run, &e, c, err);
    peri_correlation_free(c);
    return peri_run_agree(run, rc, err);
}

/* Of mode r without randoms. */
static const peri_coldef_t columns[] = {
    {"r_lo", PERI_COL_F64, 1, "{length}", "Lower edge of the bin."},
    {"r_hi", PERI_COL_F64, 1, "{length}", "Upper edge, not in the bin."},
    {"dd", PERI_COL_I64, 1, "", "Pairs; of one set (i, j) and (j, i) are two."},
    {"dd_weight", PERI_COL_F64, 1, "", "Sum of the products of their weights."},
    {"expected", PERI_COL_F64, 1, "", "dd_weight if points had no order."},
    {"xi", PERI_COL_F64, 1, "", "Correlation function."},
    {"xi_error", PERI_COL_F64, 1, "", "Its Poisson error."}};

const peri_kernel_t peri_kernel_correlation = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "correlation",
    .summary =
        "pair counts and correlation functions: xi(r), xi(s, mu), wp(rp), w(theta)",
    .help =
        "xi says how many more pairs of a separation there are than points without order "
        "would have. DD is the sum of w_i w_j over all pairs of points in a bin [lo, "
        "hi); "
        "counts are exact, and the same for any number of ranks.\n"
        "\n"
        "In a periodic box, without randoms: xi = DD / expected - 1, where expected = "
        "((sum w)^2 - sum w^2) V_bin / V_box is known (natural estimator; Peebles & "
        "Hauser "
        "1974, ApJS 28, 19). Separations go through the border, up to half of the box. "
        "With "
        "randoms, periodic or not (box => 0): xi = (DD - 2 DR + RR) / RR, each divided "
        "by "
        "the weight of all its pairs (Landy & Szalay 1993, ApJ 412, 64). Take ten or "
        "more "
        "times as many randoms as points. Between two sets (second): DD / (sum w sum w' "
        "V_bin / V_box) - 1, or (DD' - DR' - RD' + RR') / RR'; without second_randoms, "
        "randoms are those of both. A point is never paired with itself; one that is in "
        "both "
        "sets is, if the bins begin at 0.\n"
        "\n"
        "Modes: r: xi(r). smu: xi(s, mu), mu the |cosine| between pair and line of "
        "sight. "
        "multipoles: xi_l(s) = (2 l + 1) * integral of xi L_l(mu) dmu from 0 to 1, l = "
        "0, "
        "2, 4 (Hamilton 1992, ApJ 385, L5). rppi: xi(rp, pi), across and along the line "
        "of "
        "sight. wp: wp(rp) = 2 * sum of xi(rp, pi) dpi up to pi_max (Davis & Peebles "
        "1983, "
        "ApJ 267, 465); counts are sums over pi. theta: w(theta) in degrees, seen from "
        "the "
        "origin, with randoms. The line of sight is an axis, or with axis => 'midpoint' "
        "or "
        "sky => true goes from the origin to the middle of the pair.\n"
        "\n"
        "rsd => 'z' moves points by velocity / (a H(a)) along z, comoving, before "
        "counting; "
        "randoms stay. Weights: weight => 'mass' for the first input, a column named "
        "weight "
        "of the others.\n"
        "\n"
        "Columns are those of the mode: s_lo, s_hi, mu_lo, mu_hi, ...; with mean => true "
        "r_mean (s_mean, ...); with randoms dr, rr and their weights; wp, xi0, xi2, xi4 "
        "instead of xi. Errors are Poisson's, (1 + xi) / sqrt(N) with N different pairs "
        "(1 "
        "/ expected where there are none): a lower bound, as pairs share points and "
        "large "
        "structures.",
    .example = "correlation gadget4_run64.dm --snapnum 23 --rmin 0.1 --rmax 20",
    .params = params,
    .nparams = COUNT(params),
    .inputs = inputs,
    .ninputs = INPUTS,
    .columns = columns,
    .ncolumns = COUNT(columns),
    .plan = plan,
    .run = run,
};
