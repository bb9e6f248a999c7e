/* kernel_power_spectrum.c - power_spectrum: parameters and rows for power.h. */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/field/glue.h"
#include "mpi/field/power.h"
#include "mpi/field/redshift.h"

enum { K, K_LO, K_HI, MODES, P0, P2, P4, SHOT_NOISE, NCOLUMNS };

static const peri_param_t params[] = {
    {.name = "grid",
     .type = PERI_PARAM_INT,
     .preset = "256",
     .min = 4,
     .max = 16384,
     .help = "Cells along each side of the box; the largest k is pi grid / box."},
    {.name = "scheme",
     .type = PERI_PARAM_TEXT,
     .preset = "pcs",
     .choices = PERI_SCHEMES,
     .help =
         "How a particle is spread over cells: ngp (1 cell), cic (2 along each axis), "
         "tsc (3), pcs (4)."},
    {.name = "interlaced",
     .type = PERI_PARAM_BOOL,
     .preset = "true",
     .help = "Average with a second grid, half a cell away, against aliases."},
    {.name = "compensate",
     .type = PERI_PARAM_BOOL,
     .preset = "true",
     .help = "Divide by the window of the scheme."},
    {.name = "bins",
     .type = PERI_PARAM_INT,
     .preset = "0",
     .max = 10000,
     .help = "Number of bins, equal in log k; 0: linear bins as wide as the lowest mode, "
             "2 pi / box."},
    {.name = "rsd",
     .type = PERI_PARAM_TEXT,
     .preset = "none",
     .choices = "none|x|y|z",
     .help = "Redshift space along this axis; none: positions as they are."},
};

static const peri_input_t inputs[] = {
    {.name = "particles",
     .particles = PERI_HAS_WEIGHT,
     .help = "Particles (or halos, galaxies); each counts by its weight."},
    {.name = "other",
     .particles = PERI_HAS_WEIGHT,
     .optional = true,
     .help = "A second set in the same box, for the cross spectrum of both."}};

static const peri_coldef_t columns[NCOLUMNS] = {
    [K] = {"k", PERI_COL_F64, 1, "1/({length})", "Mean wave number of the modes."},
    [K_LO] = {"k_lo", PERI_COL_F64, 1, "1/({length})", "Lower border of the bin."},
    [K_HI] = {"k_hi", PERI_COL_F64, 1, "1/({length})", "Upper border, not in the bin."},
    [MODES] = {"modes", PERI_COL_I64, 1, "", "Number of modes; k and -k are two."},
    [P0] = {"p0", PERI_COL_F64, 1, "({length})^3",
            "Power, the mean over the modes; shot noise is in it."},
    [P2] = {"p2", PERI_COL_F64, 1, "({length})^3", "Quadrupole."},
    [P4] = {"p4", PERI_COL_F64, 1, "({length})^3", "Hexadecapole."},
    [SHOT_NOISE] = {"shot_noise", PERI_COL_F64, 1, "({length})^3",
                    "Power of as many points without any order; 0 for a cross spectrum."},
};

/* 0, 1, 2; -1: none. */
static int rsd_axis(const peri_run_t *run)
{
    const char *text = peri_run_text(run, "rsd");
    return strcmp(text, "none") ? *text - 'x' : -1;
}

static void fill_spec(const peri_run_t *run, peri_powerspec_t *s)
{
    size_t side = (size_t)peri_run_int(run, "grid");
    int axis = rsd_axis(run);
    *s = (peri_powerspec_t){.n = {side, side, side},
                            .scheme = peri_scheme_find(peri_run_text(run, "scheme")),
                            .interlaced = peri_run_bool(run, "interlaced"),
                            .compensate = peri_run_bool(run, "compensate"),
                            .axis = axis < 0 ? 2 : axis,
                            .bins = (size_t)peri_run_int(run, "bins")};
    memcpy(s->box, peri_run_simulation(run, 0)->box, sizeof(s->box));
}

static int check_other(const peri_run_t *run, peri_err_t *err)
{
    const double *a = peri_run_simulation(run, 0)->box;
    const double *b = peri_run_simulation(run, 1)->box;
    for (int k = 0; k < 3; k++)
        if (fabs(a[k] - b[k]) > 1e-6 * a[k])
            return peri_err_set(
                err, PERI_EINVAL,
                "particles are in a box of %g, other in one of %g: a cross "
                "spectrum needs both in the same",
                a[k], b[k]);
    return 0;
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    peri_powerspec_t s;
    double factor;
    int nranks;
    MPI_Comm_size(peri_run_comm(run), &nranks);
    fill_spec(run, &s);
    bool two = peri_run_has_input(run, 1);
    if (peri_need_box(run, err) || (two && check_other(run, err))) return -1;
    if (rsd_axis(run) >= 0) {
        if (peri_redshift_factor(peri_run_simulation(run, 0), &factor, err)) return -1;
        need->particles[0] = need->particles[1] = PERI_HAS_VELOCITY;
        need->row_bytes = 8;
    }
    if (!peri_power_nbins(&s))
        return peri_err_set(err, PERI_EINVAL,
                            "grid = %zu is too coarse: no modes lie between the lowest "
                            "and Nyquist's along the shortest side of the box",
                            s.n[0]);
    uint64_t grids = 2 + s.interlaced + two; /* one for FFTW's own buffers */
    need->rank_bytes =
        peri_sort_bytes(s.n, nranks) + grids * peri_field_bytes(s.n, nranks);
    return 0;
}

/* Move points along the line of sight; *moved is the new coordinate, to be freed. */
static int to_redshift_space(peri_run_t *run, size_t input, peri_points_t *points,
                             double **moved, peri_err_t *err)
{
    const peri_particles_t *p = peri_run_particles(run, input);
    const double *v[3] = {p->vx, p->vy, p->vz},
                 **x[3] = {&points->x, &points->y, &points->z};
    int axis = rsd_axis(run), rc;
    double factor;
    *moved = NULL;
    if (axis < 0) return 0;
    rc = peri_redshift_factor(peri_run_simulation(run, input), &factor, err);
    if (!rc) {
        *moved = peri_xmalloc((p->n + 1) * sizeof(**moved));
        for (size_t i = 0; i < p->n; i++)
            (*moved)[i] = (*x[axis])[i] + factor * v[axis][i];
        *x[axis] = *moved;
    }
    return peri_run_agree(run, rc, err);
}

static int transform(peri_run_t *run, const peri_powerspec_t *s, size_t input,
                     peri_powermodes_t *out, peri_err_t *err)
{
    peri_points_t points = peri_points_of(peri_run_particles(run, input));
    double *moved;
    if (peri_need_rows(run, input, err) ||
        to_redshift_space(run, input, &points, &moved, err))
        return -1;
    int rc = peri_power_transform(s, &points, peri_run_comm(run), out, err);
    free(moved);
    return rc;
}

static int put_rows(peri_run_t *run, const peri_powerbin_t *bins, size_t n, double shot,
                    peri_err_t *err)
{
    peri_rowset_t *rows = peri_run_rows(run);
    for (size_t i = 0; i < n; i++) {
        if (!bins[i].modes) continue;
        int64_t at = peri_rowset_extend(rows, 1, err);
        if (at < 0) return -1;
        const double values[NCOLUMNS] = {
            [K] = bins[i].k,     [K_LO] = bins[i].k_lo, [K_HI] = bins[i].k_hi,
            [P0] = bins[i].p[0], [P2] = bins[i].p[1],   [P4] = bins[i].p[2],
            [SHOT_NOISE] = shot};
        for (size_t c = 0; c < NCOLUMNS; c++)
            if (c != MODES) ((double *)peri_rowset_data(rows, c))[at] = values[c];
        ((int64_t *)peri_rowset_data(rows, MODES))[at] = bins[i].modes;
    }
    return 0;
}

static int run(peri_run_t *run, peri_err_t *err)
{
    peri_powerspec_t s;
    peri_powermodes_t m[2] = {0};
    int rank;
    MPI_Comm_rank(peri_run_comm(run), &rank);
    fill_spec(run, &s);
    size_t nbins = peri_power_nbins(&s);
    peri_powerbin_t *bins = peri_xmalloc(nbins * sizeof(*bins));
    bool two = peri_run_has_input(run, 1);
    int rc = transform(run, &s, 0, &m[0], err);
    int stop = peri_run_progress(run, "transforming", 1, 1 + two, err);
    rc = peri_run_agree(run, rc ? rc : stop, err);
    if (!rc && two) rc = transform(run, &s, 1, &m[1], err);
    if (!rc) rc = peri_power_measure(&s, &m[0], two ? &m[1] : &m[0], bins, err);
    if (!rc && rank == 0)
        rc = put_rows(run, bins, nbins, two ? 0 : peri_power_shot_noise(&s, &m[0]), err);
    peri_field_free(m[0].modes);
    peri_field_free(m[1].modes);
    free(bins);
    return peri_run_agree(run, rc, err);
}

const peri_kernel_t peri_kernel_power_spectrum = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "power_spectrum",
    .summary = "power spectrum P(k) and its multipoles, also between two sets",
    .help =
        "P(k) = V <|delta_k|^2>, with delta_k = sum w exp(-i k x) / sum w over the "
        "particles (k not 0), V the volume of the periodic box, the mean over all modes "
        "of "
        "a bin; Delta^2(k) = k^3 P(k) / (2 pi^2). For two sets, P = V Re <delta_k "
        "delta'_k*>."
        "\n\n"
        "The particles are spread over a grid and transformed (FFTW). That multiplies "
        "delta_k by the window W(k), a product of sinc(k_i cell / 2)^s with s = 1 (ngp) "
        "to "
        "4 (pcs), which is divided out, and adds aliases: power from k + 2 pi n / cell. "
        "Interlacing (Hockney & Eastwood 1981; Sefusatti et al. 2016) averages with a "
        "second grid half a cell away, which removes aliases with odd sums of n. With "
        "pcs "
        "and interlacing what is left is below 1e-3 up to the Nyquist wave number pi / "
        "cell; without it, errors near Nyquist are of some per cent (Jing 2005).\n"
        "\n"
        "Shot noise, V sum w^2 / (sum w)^2, is in p0: subtract it (p0 - shot_noise) "
        "where "
        "the points sample a smooth field.\n"
        "\n"
        "rsd => 'z' moves each particle by its velocity over a H(a) along z, comoving: "
        "redshift space for a distant observer. p2 and p4 are the multipoles (2 l + 1) "
        "<P "
        "L_l(mu)> about that axis (about z without rsd, where they are noise).\n"
        "\n"
        "Bins: [i, i + 1) times 2 pi / box up to Nyquist, or equal in log k. GADGET-4's "
        "own "
        "powerspecs/ agree within 0.1 % to a quarter of Nyquist; its third column is p0 "
        "/ "
        "V.",
    .example = "power_spectrum gadget4_run64.dm --snapnum 23 --grid 128 --rsd z",
    .params = params,
    .nparams = sizeof(params) / sizeof(params[0]),
    .inputs = inputs,
    .ninputs = 2,
    .columns = columns,
    .ncolumns = NCOLUMNS,
    .plan = plan,
    .run = run,
};
