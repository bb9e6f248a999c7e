/* profile_sums.c - see profile_sums.h. */
#include "mpi/around/profile_sums.h"

#include <math.h>

int peri_binscales(const peri_particles_t *p, double flow, double frame, MPI_Comm comm,
                   peri_binscales_t *scales, peri_err_t *err)
{
    double most[2] = {p->mass ? 0 : 1, 0}, bad[2] = {0};
    for (size_t i = 0; p->mass && i < p->n; i++) {
        bad[0] += !(p->mass[i] >= 0);
        most[0] = fmax(most[0], p->mass[i]);
    }
    for (size_t i = 0; p->vx && i < p->n; i++) {
        const double v =
            sqrt(p->vx[i] * p->vx[i] + p->vy[i] * p->vy[i] + p->vz[i] * p->vz[i]);
        bad[1] += !isfinite(v);
        most[1] = fmax(most[1], v);
    }
    MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_DOUBLE, MPI_MAX, comm);
    MPI_Allreduce(MPI_IN_PLACE, bad, 2, MPI_DOUBLE, MPI_SUM, comm);
    for (int k = 0; k < 2; k++)
        if (bad[k] > 0)
            return peri_err_set(
                err, PERI_EINVAL, "%.0f particles have a %s: leave them out with filter",
                bad[k], k ? "velocity that is not finite" : "mass below 0");
    const double v = 2 * most[1] + flow + frame;
    *scales = (peri_binscales_t){.mass = fixed_scale(most[0]),
                                 .v = fixed_scale(most[0] * v),
                                 .v2 = fixed_scale(most[0] * v * v)};
    return 0;
}

void peri_binsums_merge(peri_binsums_t *into, const peri_binsums_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        into[i].np += from[i].np;
        into[i].mass += from[i].mass;
        into[i].mvr += from[i].mvr;
        into[i].mvr2 += from[i].mvr2;
        into[i].mv2 += from[i].mv2;
        for (int k = 0; k < 3; k++) {
            into[i].mv[k] += from[i].mv[k];
            into[i].mr[k] += from[i].mr[k];
        }
    }
}

/* Differences of large numbers: long double keeps what the sums know. */
static void put_velocities(const peri_binsums_t *s, const peri_binscales_t *f,
                           peri_profile_bin_t *b)
{
    const long double m = (long double)s->mass / f->mass;
    const long double vr = (long double)s->mvr / f->v / m;
    const long double vr2 = (long double)s->mvr2 / f->v2 / m;
    /* What is left of <|v - a - b r|^2> with the a and b that make it least. */
    long double v2 = (long double)s->mv2 / f->v2 / m, covariance = vr, variance = 1;
    for (int k = 0; k < 3; k++) {
        const long double v = (long double)s->mv[k] / f->v / m;
        const long double r = (long double)s->mr[k] / f->mass / m;
        v2 -= v * v;
        covariance -= v * r;
        variance -= r * r;
    }
    if (variance > 1e-12L) v2 -= covariance * covariance / variance;
    b->v_radial = (double)vr;
    b->sigma_radial = (double)sqrtl(fmaxl(vr2 - vr * vr, 0));
    b->sigma = (double)sqrtl(fmaxl(v2, 0) / 3);
}

void peri_binsums_bins(const peri_binsums_t *sums, const peri_binscales_t *f,
                       const double *edges, size_t nedges, double unit, bool velocities,
                       peri_profile_bin_t *bins)
{
    __int128 mass = sums[0].mass;
    uint64_t np = sums[0].np;
    for (size_t i = 1; i < nedges; i++) {
        const peri_binsums_t *s = &sums[i];
        peri_profile_bin_t *b = &bins[i - 1];
        const double a = edges[i - 1] * unit, c = edges[i] * unit;
        mass += s->mass;
        np += s->np;
        *b = (peri_profile_bin_t){.inner = a,
                                  .outer = c,
                                  .np = s->np,
                                  .mass = (double)s->mass / f->mass,
                                  .np_within = np,
                                  .mass_within = (double)mass / f->mass,
                                  .v_radial = NAN,
                                  .sigma_radial = NAN,
                                  .sigma = NAN};
        b->density = b->mass / (4 * M_PI / 3 * (c - a) * (c * c + c * a + a * a));
        if (velocities && s->np && s->mass > 0) put_velocities(s, f, b);
    }
}

static void add_integers(void *from, void *into, int *n, MPI_Datatype *type)
{
    (void)type;
    const __int128 *a = from;
    __int128 *b = into;
    for (int i = 0; i < *n; i++) b[i] += a[i];
}

void peri_integers_sum(__int128 *values, size_t n, MPI_Comm comm)
{
    const size_t most = (size_t)1 << 24; /* of one message */
    MPI_Datatype type;
    MPI_Op op;
    MPI_Type_contiguous(sizeof(*values), MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(add_integers, 1, &op);
    for (size_t at = 0; at < n; at += most)
        MPI_Allreduce(MPI_IN_PLACE, values + at, (int)(n - at < most ? n - at : most),
                      type, op, comm);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
}
