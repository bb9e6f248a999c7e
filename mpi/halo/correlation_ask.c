/* correlation_ask.c - the parameters of the kernel correlation: mode, bins, line of
 * sight. */
#include <math.h>
#include <string.h>

#include "mpi/halo/correlation_glue.h"

static const correlation_mode_t modes[] = {
    {"r", "r", NULL, PERI_PAIRS_R, {"xi"}, {0}},
    {"smu", "s", "mu", PERI_PAIRS_S_MU, {"xi"}, {0}},
    {"multipoles", "s", NULL, PERI_PAIRS_S_MU, {"xi0", "xi2", "xi4"}, {0, 2, 4}},
    {"rppi", "rp", "pi", PERI_PAIRS_RP_PI, {"xi"}, {0}},
    {"wp", "rp", NULL, PERI_PAIRS_RP_PI, {"wp"}, {PERI_CORRELATION_WP}},
    {"theta", "theta", NULL, PERI_PAIRS_THETA, {"w"}, {0}},
};

const correlation_mode_t *correlation_mode(const peri_run_t *run)
{
    const char *name = peri_run_text(run, "mode");
    size_t k = 0;
    while (strcmp(modes[k].name, name) != 0) k++;
    return &modes[k];
}

static void spread(double lo, double hi, size_t n, bool logarithmic, double *edges)
{
    for (size_t k = 0; k <= n; k++) {
        const double part = (double)k / (double)n;
        edges[k] = logarithmic ? lo * pow(hi / lo, part) : lo + (hi - lo) * part;
    }
    edges[n] = hi;
}

static int make_first(const peri_run_t *run, correlation_edges_t *e, peri_err_t *err)
{
    const bool bins = peri_run_given(run, "bins");
    const bool rmin = peri_run_given(run, "rmin"), rmax = peri_run_given(run, "rmax");
    if (bins && (rmin || rmax || peri_run_given(run, "nbins")))
        return peri_err_set(err, PERI_EINVAL,
                            "bins and rmin, rmax, nbins say the same: give one of them");
    if (bins) {
        size_t n;
        const double *given = peri_run_floats(run, "bins", &n);
        if (n < 2)
            return peri_err_set(err, PERI_EINVAL,
                                "bins has %zu edge%s: at least two are needed", n,
                                n == 1 ? "" : "s");
        memcpy(e->first, given, n * sizeof *given);
        e->bins.nfirst = n - 1;
        return 0;
    }
    if (!rmin || !rmax)
        return peri_err_set(
            err, PERI_EINVAL,
            "which separations? Give rmin and rmax, or bins with all edges");
    const double lo = peri_run_float(run, "rmin"), hi = peri_run_float(run, "rmax");
    const bool logarithmic = !strcmp(peri_run_text(run, "spacing"), "log");
    if (logarithmic && !(lo > 0))
        return peri_err_set(
            err, PERI_EINVAL,
            "logarithmic bins cannot begin at rmin = %g: give a larger rmin, "
            "or spacing => 'linear'",
            lo);
    if (!(hi > lo))
        return peri_err_set(err, PERI_EINVAL, "rmax = %g must be larger than rmin = %g",
                            hi, lo);
    e->bins.nfirst = (size_t)peri_run_int(run, "nbins");
    spread(lo, hi, e->bins.nfirst, logarithmic, e->first);
    return 0;
}

static int make_second(const peri_run_t *run, const correlation_mode_t *m,
                       correlation_edges_t *e, peri_err_t *err)
{
    if (m->kind == PERI_PAIRS_S_MU) {
        e->bins.nsecond = (size_t)peri_run_int(run, "mu_bins");
        spread(0, 1, e->bins.nsecond, false, e->second);
    }
    if (m->kind != PERI_PAIRS_RP_PI) return 0;
    if (!peri_run_given(run, "pi_max"))
        return peri_err_set(
            err, PERI_EINVAL,
            "mode '%s' needs pi_max, the largest separation along the line of "
            "sight",
            m->name);
    e->bins.nsecond = (size_t)peri_run_int(run, "pi_bins");
    spread(0, peri_run_float(run, "pi_max"), e->bins.nsecond, false, e->second);
    return 0;
}

int correlation_rsd(const peri_run_t *run)
{
    const char *text = peri_run_text(run, "rsd");
    return strcmp(text, "none") ? *text - 'x' : -1;
}

static int line_of_sight(const peri_run_t *run, const correlation_mode_t *m,
                         peri_pairs_los_t *los, peri_err_t *err)
{
    const char *axis = peri_run_text(run, "axis");
    const bool given = peri_run_given(run, "axis"), sky = peri_run_bool(run, "sky");
    const int rsd = correlation_rsd(run);
    *los = !strcmp(axis, "midpoint") ? PERI_LOS_MIDPOINT
                                     : (peri_pairs_los_t)(PERI_LOS_X + (*axis - 'x'));
    if (rsd >= 0 && (sky || m->kind == PERI_PAIRS_THETA))
        return peri_err_set(err, PERI_EINVAL,
                            "rsd is along an axis of the box: on the sky, give distances "
                            "that are in redshift space already");
    if ((given && sky && *los != PERI_LOS_MIDPOINT) ||
        (given && rsd >= 0 && (int)*los != PERI_LOS_X + rsd))
        return peri_err_set(err, PERI_EINVAL,
                            "axis => '%s' is not the line of sight of %s: leave axis out",
                            axis, sky ? "the sky" : "rsd");
    if (sky) *los = PERI_LOS_MIDPOINT;
    if (rsd >= 0) *los = (peri_pairs_los_t)(PERI_LOS_X + rsd);
    return 0;
}

int correlation_edges(const peri_run_t *run, correlation_edges_t *e, peri_err_t *err)
{
    const correlation_mode_t *m = correlation_mode(run);
    e->bins =
        (peri_pairs_bins_t){.kind = m->kind, .first = e->first, .second = e->second};
    return make_first(run, e, err) || make_second(run, m, e, err) ||
                   line_of_sight(run, m, &e->bins.los, err)
               ? -1
               : 0;
}
