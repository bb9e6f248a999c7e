/* profile_stack.c - the mean of profiles. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/around/profile_sums.h"

enum { NP, MASS, WITHIN, DENSITY, DENSITY2, RADIAL, RADIAL2, SIGMA2, MOVING, NSUMS };

/* The terms of one bin of one centre. Velocities count by mass, where there are any. */
static void terms_of(const peri_profile_bin_t *b, double t[NSUMS])
{
    const bool moving = !isnan(b->sigma);
    const double v = b->v_radial;
    t[NP] = (double)b->np;
    t[MASS] = b->mass;
    t[WITHIN] = b->mass_within;
    t[DENSITY] = b->density;
    t[DENSITY2] = b->density * b->density;
    t[RADIAL] = moving ? b->mass * v : 0;
    t[RADIAL2] = moving ? b->mass * (v * v + b->sigma_radial * b->sigma_radial) : 0;
    t[SIGMA2] = moving ? b->mass * b->sigma * b->sigma : 0;
    t[MOVING] = moving ? b->mass : 0;
}

static void put_bin(const __int128 *sums, const double *scale, uint64_t centres,
                    peri_stack_bin_t *out)
{
    const long double n = (long double)centres;
    long double s[NSUMS];
    for (int k = 0; k < NSUMS; k++) s[k] = (long double)sums[k] / scale[k];
    *out = (peri_stack_bin_t){.centres = centres,
                              .np = (double)(s[NP] / n),
                              .mass = (double)(s[MASS] / n),
                              .mass_within = (double)(s[WITHIN] / n),
                              .density = (double)(s[DENSITY] / n),
                              .density_error = NAN,
                              .v_radial = NAN,
                              .sigma_radial = NAN,
                              .sigma = NAN};
    const long double mean = s[DENSITY] / n, variance = s[DENSITY2] / n - mean * mean;
    if (centres > 1) out->density_error = (double)sqrtl(fmaxl(variance, 0) / (n - 1));
    if (!(s[MOVING] > 0)) return;
    const long double v = s[RADIAL] / s[MOVING];
    out->v_radial = (double)v;
    out->sigma_radial = (double)sqrtl(fmaxl(s[RADIAL2] / s[MOVING] - v * v, 0));
    out->sigma = (double)sqrtl(fmaxl(s[SIGMA2] / s[MOVING], 0));
}

int peri_profile_stack(const peri_profile_bin_t *bins, size_t first, size_t count,
                       size_t nbins, const int *group, size_t ngroups,
                       peri_stack_bin_t *out, MPI_Comm comm, peri_err_t *err)
{
    double scale[NSUMS] = {0}, t[NSUMS];
    /* In front of the bins' sums: how many centres a group has. */
    const size_t n = ngroups + ngroups * nbins * NSUMS;
    __int128 *sums = calloc(n + 1, sizeof(*sums));
    int rc =
        sums ? 0 : peri_err_set(err, PERI_ELIMIT, "there is no memory for %zu sums", n);
    if (peri_ranks_agree(rc, comm, err)) {
        free(sums);
        return -1;
    }
    for (size_t i = 0; i < count * nbins; i++) {
        terms_of(&bins[i], t);
        for (int k = 0; k < NSUMS; k++) scale[k] = fmax(scale[k], fabs(t[k]));
    }
    MPI_Allreduce(MPI_IN_PLACE, scale, NSUMS, MPI_DOUBLE, MPI_MAX, comm);
    for (int k = 0; k < NSUMS; k++) scale[k] = fixed_scale(scale[k]);
    for (size_t c = 0; c < count; c++) {
        const int g = group[first + c];
        if (g < 0) continue;
        sums[g]++;
        for (size_t b = 0; b < nbins; b++) {
            __int128 *s = sums + ngroups + ((size_t)g * nbins + b) * NSUMS;
            terms_of(&bins[c * nbins + b], t);
            for (int k = 0; k < NSUMS; k++) s[k] += fixed(t[k] * scale[k]);
        }
    }
    peri_integers_sum(sums, n, comm);
    for (size_t i = 0; i < ngroups * nbins; i++)
        put_bin(sums + ngroups + i * NSUMS, scale, (uint64_t)sums[i / nbins], &out[i]);
    free(sums);
    return 0;
}
