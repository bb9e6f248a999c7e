/* cloud.h - the weights of a particle's cloud, and where on the grid it lies.
 *
 * A scheme of s cells spreads a particle over cells i .. i + s - 1 along each axis. With
 * t = x / cell - origin - (s / 2 - 1), i is t rounded down for every scheme, and the
 * weights are polynomials of d = t - i: no cell is nearest, none is below. The weights
 * sum to 1 but for rounding.
 */
#ifndef MPI_FIELD_CLOUD_H
#define MPI_FIELD_CLOUD_H

#include <math.h>
#include <stdbool.h>

#include "perigee/field.h"

/* How positions become t, along one axis. */
typedef struct {
    double scale, plus, n;
} peri_axis_t;

static inline void peri_axes(const peri_field_t *f, peri_scheme_t scheme, double shift,
                             peri_axis_t axes[3])
{
    for (int k = 0; k < 3; k++) {
        axes[k].n = (double)f->n[k];
        axes[k].scale = axes[k].n / f->box[k];
        axes[k].plus = shift - f->origin - (0.5 * scheme - 1);
    }
}

/* t in [0, n), or NAN. All files that use it are compiled alike (without contraction), so
 * that a position is in the same cell everywhere. */
static inline double peri_axis_at(const peri_axis_t *a, double x)
{
    double t = x * a->scale + a->plus;
    t = t < 0 ? t + a->n : t;
    t = t >= a->n ? t - a->n : t;
    if (__builtin_expect(!(t >= 0 && t < a->n), 0)) {
        t -= a->n * floor(t / a->n);
        if (t >= a->n) t = 0;
    }
    return t;
}

static inline __attribute__((always_inline)) void peri_cloud(int scheme, double d,
                                                             double w[4])
{
    double e = 1 - d;
    if (scheme == PERI_NGP) {
        w[0] = 1;
    } else if (scheme == PERI_CIC) {
        w[0] = e;
        w[1] = d;
    } else if (scheme == PERI_TSC) {
        w[0] = 0.5 * e * e;
        w[1] = 0.5 + d * e;
        w[2] = 0.5 * d * d;
    } else {
        w[0] = e * e * e / 6;
        w[1] = (4 - 3 * d * d * (1 + e)) / 6;
        w[2] = (4 - 3 * e * e * (1 + d)) / 6;
        w[3] = d * d * d / 6;
    }
}

#endif
