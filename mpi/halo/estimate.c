/* estimate.c - see estimate.h. */
#include <math.h>

#include "mpi/halo/estimate.h"

int peri_estimate_volumes(const peri_pairs_bins_t *bins, double *volume, peri_err_t *err)
{
    if (bins->kind == PERI_PAIRS_THETA)
        return peri_err_set(
            err, PERI_EINVAL,
            "Bins of angles have no volume: the natural estimator needs a "
            "periodic box. Count random points and use Landy-Szalay.");
    const bool cylinder = bins->kind == PERI_PAIRS_RP_PI;
    const size_t nsecond = bins->kind == PERI_PAIRS_R ? 1 : bins->nsecond;
    for (size_t i = 0; i < bins->nfirst; i++) {
        const double lo = bins->first[i], hi = bins->first[i + 1];
        const double round =
            cylinder ? M_PI * (hi - lo) * (hi + lo)
                     : 4 * M_PI / 3 * (hi - lo) * (hi * hi + hi * lo + lo * lo);
        for (size_t j = 0; j < nsecond; j++) {
            double part = 1;
            if (bins->kind != PERI_PAIRS_R) part = bins->second[j + 1] - bins->second[j];
            volume[i * nsecond + j] = round * (cylinder ? 2 * part : part);
        }
    }
    return 0;
}

double peri_estimate_pairs(const peri_pairs_points_t *a, const peri_pairs_points_t *b)
{
    const peri_pairs_points_t *set[2] = {a, b ? b : a};
    double sum[2] = {0, 0}, squares = 0;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < set[k]->n; i++)
            sum[k] += set[k]->weight ? set[k]->weight[i] : 1;
    if (!b)
        for (size_t i = 0; i < a->n; i++)
            squares += a->weight ? a->weight[i] * a->weight[i] : 1;
    return sum[0] * sum[1] - squares;
}

int peri_estimate_natural(const peri_pairs_counts_t *dd, const peri_pairs_bins_t *bins,
                          double pairs, double box, double *xi, peri_err_t *err)
{
    if (!(box > 0) || !isfinite(box))
        return peri_err_set(err, PERI_EINVAL,
                            "The box has a volume of %g: the natural estimator needs a "
                            "periodic box.",
                            box);
    if (peri_estimate_volumes(bins, xi, err) < 0) return -1;
    for (size_t k = 0; k < dd->nbins; k++) {
        const double expected = pairs * (xi[k] / box);
        xi[k] = expected != 0 ? peri_pairs_weight(dd, k) / expected - 1 : NAN;
    }
    return 0;
}

static double share(const peri_estimate_t *e, size_t bin)
{
    return peri_pairs_weight(e->counts, bin) / e->pairs;
}

int peri_estimate_landy_szalay(const peri_estimate_t *dd, const peri_estimate_t *dr,
                               const peri_estimate_t *rd, const peri_estimate_t *rr,
                               double *xi, peri_err_t *err)
{
    if (!rd) rd = dr;
    const peri_estimate_t *const all[] = {dd, dr, rd, rr};
    static const char *const names[] = {"DD", "DR", "RD", "RR"};
    for (int k = 0; k < 4; k++) {
        if (all[k]->counts->nfirst != dd->counts->nfirst ||
            all[k]->counts->nsecond != dd->counts->nsecond)
            return peri_err_set(err, PERI_EINTERNAL, "DD and %s have different bins.",
                                names[k]);
        if (!(fabs(all[k]->pairs) > 0))
            return peri_err_set(
                err, PERI_EINVAL,
                "There are no pairs in %s: Landy-Szalay needs at least two "
                "points, and two random ones.",
                names[k]);
    }
    for (size_t k = 0; k < dd->counts->nbins; k++) {
        const double r = share(rr, k);
        xi[k] = r != 0 ? (share(dd, k) - share(dr, k) - share(rd, k) + r) / r : NAN;
    }
    return 0;
}

int peri_estimate_projected(const peri_pairs_bins_t *bins, const double *xi, double *wp,
                            peri_err_t *err)
{
    if (bins->kind != PERI_PAIRS_RP_PI)
        return peri_err_set(err, PERI_EINVAL, "wp(rp) is made of counts in rp and pi.");
    for (size_t i = 0; i < bins->nfirst; i++) {
        wp[i] = 0;
        for (size_t j = 0; j < bins->nsecond; j++)
            wp[i] +=
                2 * xi[i * bins->nsecond + j] * (bins->second[j + 1] - bins->second[j]);
    }
    return 0;
}

/* The integral of the Legendre polynomial P_l from 0 to x. */
static double legendre_integral(int l, double x)
{
    const double x3 = x * x * x;
    if (l == 0) return x;
    if (l == 2) return (x3 - x) / 2;
    return (7 * x3 * x * x - 10 * x3 + 3 * x) / 8;
}

int peri_estimate_multipole(const peri_pairs_bins_t *bins, const double *xi, int l,
                            double *pole, peri_err_t *err)
{
    if (l != 0 && l != 2 && l != 4)
        return peri_err_set(err, PERI_EINVAL,
                            "There is no multipole %d here: only 0, 2 and 4.", l);
    if (bins->kind != PERI_PAIRS_S_MU || bins->second[0] != 0 ||
        bins->second[bins->nsecond] != 1)
        return peri_err_set(
            err, PERI_EINVAL,
            "Multipoles are made of counts in s and mu, with mu from 0 to 1.");
    for (size_t i = 0; i < bins->nfirst; i++) {
        pole[i] = 0;
        for (size_t j = 0; j < bins->nsecond; j++)
            pole[i] += (2 * l + 1) * xi[i * bins->nsecond + j] *
                       (legendre_integral(l, bins->second[j + 1]) -
                        legendre_integral(l, bins->second[j]));
    }
    return 0;
}
