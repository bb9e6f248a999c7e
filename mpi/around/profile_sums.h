/* profile_sums.h - what is added up in a bin, exactly. */
#ifndef MPI_AROUND_PROFILE_SUMS_H
#define MPI_AROUND_PROFILE_SUMS_H

#include "mpi/around/profile.h"
#include "mpi/halo/fixed.h"

typedef struct {
    __int128 mass;
    __int128 mv[3];     /* mass times velocity */
    __int128 mr[3];     /* mass times direction from the centre */
    __int128 mvr, mvr2; /* mass times radial velocity, and its square */
    __int128 mv2;
    uint64_t np, unused;
} peri_binsums_t;

/* Factors that make integers of terms: the same on all ranks. */
typedef struct {
    double mass, v, v2;
} peri_binscales_t;

/* For terms of p, with velocities up to `flow` more, relative to one of at most `frame`
 * or to their mean. Refuses bad masses and velocities. Collective. */
int peri_binscales(const peri_particles_t *p, double flow, double frame, MPI_Comm comm,
                   peri_binscales_t *scales, peri_err_t *err);

static inline void peri_binsums_add(peri_binsums_t *s, const peri_binscales_t *f,
                                    double mass, double r, const double d[3],
                                    const double *v)
{
    s->np++;
    s->mass += fixed(mass * f->mass);
    if (!v) return;
    double vr = 0, v2 = 0;
    for (int k = 0; k < 3; k++) {
        const double direction = r > 0 ? d[k] / r : 0;
        vr += v[k] * direction;
        v2 += v[k] * v[k];
        s->mv[k] += fixed(mass * v[k] * f->v);
        s->mr[k] += fixed(mass * direction * f->mass);
    }
    s->mvr += fixed(mass * vr * f->v);
    s->mvr2 += fixed(mass * vr * vr * f->v2);
    s->mv2 += fixed(mass * v2 * f->v2);
}

void peri_binsums_merge(peri_binsums_t *into, const peri_binsums_t *from, size_t n);
/* sums[0] is what is nearer than the first edge, sums[i] bin i - 1. */
void peri_binsums_bins(const peri_binsums_t *sums, const peri_binscales_t *f,
                       const double *edges, size_t nedges, double unit, bool velocities,
                       peri_profile_bin_t *bins);

/* Of all ranks, on all ranks. Collective. */
void peri_integers_sum(__int128 *values, size_t n, MPI_Comm comm);

#endif
