/* power.c - see power.h. Interlacing and the windows are those of Sefusatti et al. 2016,
 * MNRAS 460, 3624; Hockney & Eastwood 1981 for the schemes.
 */
#include "mpi/field/power.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "perigee/particles.h"

/* Sums over the modes of a bin. */
typedef struct {
    double modes, k, p[3];
} sums_t;

/* Squares of wave numbers, in units of the lowest mode's: integers in a cube. */
typedef struct {
    size_t nbins;
    double *edges;   /* nbins + 1, squared */
    uint32_t *first; /* bin at the start of each unit interval, as if all began at 1 */
    double lowest;   /* the unit of k */
    double scale[3]; /* of mode numbers along each axis */
} binning_t;

static double lowest_mode(const peri_powerspec_t *s)
{
    return 2 * M_PI / fmax(s->box[0], fmax(s->box[1], s->box[2]));
}

/* In units of the lowest mode. */
static double nyquist(const peri_powerspec_t *s)
{
    double least = INFINITY;
    for (int k = 0; k < 3; k++) least = fmin(least, M_PI * (double)s->n[k] / s->box[k]);
    return least / lowest_mode(s);
}

size_t peri_power_nbins(const peri_powerspec_t *s)
{
    double width = nyquist(s) * (1 + 1e-12) - 1;
    if (s->bins) return width > 0 ? s->bins : 0;
    return width >= 1 ? (size_t)width : 0;
}

static void binning_make(const peri_powerspec_t *s, binning_t *b)
{
    double last = nyquist(s);
    b->nbins = peri_power_nbins(s);
    b->lowest = lowest_mode(s);
    for (int k = 0; k < 3; k++) b->scale[k] = 2 * M_PI / s->box[k] / b->lowest;
    b->edges = peri_xmalloc((b->nbins + 1) * sizeof(*b->edges));
    for (size_t i = 0; i <= b->nbins; i++) {
        double edge = s->bins ? pow(last, (double)i / (double)s->bins) : (double)i + 1;
        b->edges[i] = edge * edge;
    }
    size_t intervals = (size_t)b->edges[b->nbins] + 1;
    b->first = peri_xmalloc(intervals * sizeof(*b->first));
    uint32_t bin = 0;
    for (size_t q = 0; q < intervals; q++) {
        while (bin + 1 < b->nbins && b->edges[bin + 1] <= (double)q) bin++;
        b->first[q] = bin;
    }
}

static void binning_free(binning_t *b)
{
    free(b->edges);
    free(b->first);
}

/* ---- transforms ---- */

/* Modes of the grid that was moved by half a cell are moved back by a phase, and the mean
 * of both taken. */
static void interlace(peri_field_t *f, const peri_field_t *moved)
{
    size_t nz = f->n[2] / 2 + 1;
    double complex *phase = peri_xmalloc(nz * sizeof(*phase));
    for (size_t z = 0; z < nz; z++)
        phase[z] = cexp(I * M_PI * (double)z / (double)f->n[2]);
    for (size_t r = 0; r < peri_field_moderows(f); r++) {
        long k[2];
        double complex *row = peri_field_moderow(f, r, k);
        const double complex *other = peri_field_moderow(moved, r, k);
        double angle =
            M_PI * ((double)k[0] / (double)f->n[0] + (double)k[1] / (double)f->n[1]);
        const double c = cos(angle), s = sin(angle);
        for (size_t z = 0; z < nz; z++) {
            double re = c * creal(phase[z]) - s * cimag(phase[z]);
            double im = c * cimag(phase[z]) + s * creal(phase[z]);
            double a = creal(other[z]), b = cimag(other[z]);
            double *at = (double *)&row[z]; /* products without regard to infinities */
            at[0] = 0.5 * (at[0] + re * a - im * b);
            at[1] = 0.5 * (at[1] + re * b + im * a);
        }
    }
    free(phase);
}

static peri_field_t *grid_modes(const peri_powerspec_t *s, const peri_points_t *points,
                                double shift, MPI_Comm comm, peri_err_t *err)
{
    peri_field_t *f = peri_field_new(s->n, s->box, comm, err);
    if (f && (peri_field_deposit(f, points, s->scheme, shift, err) ||
              peri_field_forward(f, err))) {
        peri_field_free(f);
        return NULL;
    }
    return f;
}

int peri_power_transform(const peri_powerspec_t *s, const peri_points_t *points,
                         MPI_Comm comm, peri_powermodes_t *out, peri_err_t *err)
{
    double sums[2] = {0};
    for (size_t i = 0; i < points->n; i++) {
        double w = points->weight ? points->weight[i] : 1;
        sums[0] += w;
        sums[1] += w * w;
    }
    MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, comm);
    if (!(sums[0] > 0))
        return peri_err_set(err, PERI_EINVAL,
                            "The sum of all weights is %g: a power spectrum needs "
                            "particles, of positive weight together.",
                            sums[0]);
    peri_field_t *f = grid_modes(s, points, 0, comm, err);
    if (!f) return -1;
    if (s->interlaced) {
        peri_field_t *moved = grid_modes(s, points, 0.5, comm, err);
        if (!moved) {
            peri_field_free(f);
            return -1;
        }
        interlace(f, moved);
        peri_field_free(moved);
    }
    *out = (peri_powermodes_t){f, sums[0], sums[1]};
    return 0;
}

/* ---- bins ---- */

/* 1 / W(k)^2 for the modes 0 .. n/2 of an axis, W = sinc(pi k / n)^scheme. */
static double *window(const peri_powerspec_t *s, int axis)
{
    size_t n = s->n[axis];
    double *inverse = peri_xmalloc((n / 2 + 1) * sizeof(*inverse));
    for (size_t k = 0; k <= n / 2; k++) {
        double x = M_PI * (double)k / (double)n, sinc = k ? sin(x) / x : 1;
        inverse[k] = s->compensate ? pow(sinc, -2.0 * s->scheme) : 1;
    }
    return inverse;
}

typedef struct {
    const peri_powerspec_t *s;
    binning_t b;
    double *inverse[3];
    double *z2; /* square of kz */
    sums_t *sums;
} measure_t;

/* One row of modes. mu^2 is along[0] / q + along[1] z2 / q: only one of both is not 0. */
static void add_row(measure_t *m, const double complex *a, const double complex *b,
                    double q_row, double factor, double along_row, bool along_z)
{
    const size_t n = m->s->n[2], nz = n / 2 + 1;
    const double first = m->b.edges[0], last = m->b.edges[m->b.nbins];
    for (size_t z = 0; z < nz; z++) {
        double q = q_row + m->z2[z];
        if (q >= last) break;
        if (q < first) continue;
        uint32_t bin = m->b.first[(size_t)q];
        while (q >= m->b.edges[bin + 1]) bin++;
        double weight = z == 0 || 2 * z == n ? 1 : 2;
        double mu2 = (along_z ? m->z2[z] : along_row) / q;
        double p = weight * factor * m->inverse[2][z] *
                   (creal(a[z]) * creal(b[z]) + cimag(a[z]) * cimag(b[z]));
        sums_t *sums = &m->sums[bin];
        sums->modes += weight;
        sums->k += weight * sqrt(q);
        sums->p[0] += p;
        sums->p[1] += p * (1.5 * mu2 - 0.5);
        sums->p[2] += p * ((4.375 * mu2 - 3.75) * mu2 + 0.375);
    }
}

static void add_rows(measure_t *m, const peri_field_t *a, const peri_field_t *b)
{
    for (size_t r = 0; r < peri_field_moderows(a); r++) {
        long k[2];
        const double complex *row_b = peri_field_moderow(b, r, k);
        const double complex *row_a = peri_field_moderow(a, r, k);
        double x2 = (double)(k[0] * k[0]) * m->b.scale[0] * m->b.scale[0];
        double y2 = (double)(k[1] * k[1]) * m->b.scale[1] * m->b.scale[1];
        double factor = m->inverse[0][labs(k[0])] * m->inverse[1][labs(k[1])];
        add_row(m, row_a, row_b, x2 + y2, factor, m->s->axis == 0 ? x2 : y2,
                m->s->axis == 2);
    }
}

int peri_power_measure(const peri_powerspec_t *s, const peri_powermodes_t *a,
                       const peri_powermodes_t *b, peri_powerbin_t *bins, peri_err_t *err)
{
    if (!a->modes->modes || !b->modes->modes)
        return peri_err_set(err, PERI_EINTERNAL, "A field is not in modes.");
    measure_t m = {.s = s};
    size_t nz = s->n[2] / 2 + 1;
    binning_make(s, &m.b);
    m.sums = peri_xcalloc(m.b.nbins + 1, sizeof(*m.sums));
    m.z2 = peri_xmalloc(nz * sizeof(*m.z2));
    for (size_t z = 0; z < nz; z++)
        m.z2[z] = (double)z * (double)z * m.b.scale[2] * m.b.scale[2];
    for (int k = 0; k < 3; k++) m.inverse[k] = window(s, k);
    add_rows(&m, a->modes, b->modes);
    MPI_Allreduce(MPI_IN_PLACE, m.sums,
                  (int)(m.b.nbins * sizeof(sums_t) / sizeof(double)), MPI_DOUBLE, MPI_SUM,
                  a->modes->comm);
    double volume = s->box[0] * s->box[1] * s->box[2];
    for (size_t i = 0; i < m.b.nbins; i++) {
        const sums_t *sums = &m.sums[i];
        double norm = volume / (a->weight * b->weight) / sums->modes;
        bins[i] = (peri_powerbin_t){
            .k = sums->k / sums->modes * m.b.lowest,
            .k_lo = sqrt(m.b.edges[i]) * m.b.lowest,
            .k_hi = sqrt(m.b.edges[i + 1]) * m.b.lowest,
            .modes = (int64_t)sums->modes,
            .p = {norm * sums->p[0], 5 * norm * sums->p[1], 9 * norm * sums->p[2]}};
    }
    for (int k = 0; k < 3; k++) free(m.inverse[k]);
    free(m.z2);
    free(m.sums);
    binning_free(&m.b);
    return 0;
}

double peri_power_shot_noise(const peri_powerspec_t *s, const peri_powermodes_t *a)
{
    return s->box[0] * s->box[1] * s->box[2] * a->weight2 / (a->weight * a->weight);
}
