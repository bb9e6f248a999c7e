/* fourier.c - the transforms of a field, and its modes.
 *
 * FFTW-MPI leaves the modes transposed (ky is what ranks share out), which saves one of
 * two exchanges of everything; also on a single rank that is four times as fast as its
 * serial transform, as planned without measuring. Measuring plans takes longer than the
 * transforms that a kernel makes.
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/field/private.h"
#include "perigee/particles.h"

static int check_state(const peri_field_t *f, bool modes, peri_err_t *err)
{
    if (f->modes == modes) return 0;
    return peri_err_set(err, PERI_EINTERNAL, "The field is %s already.",
                        modes ? "in space" : "in modes");
}

static int check_plan(fftw_plan plan, MPI_Comm comm, peri_err_t *err)
{
    int rc = plan ? 0
                  : peri_err_set(err, PERI_EINTERNAL,
                                 "FFTW has no plan for a grid of this size.");
    return peri_ranks_agree(rc, comm, err);
}

int peri_field_forward(peri_field_t *f, peri_err_t *err)
{
    if (check_state(f, false, err)) return -1;
    if (!f->p->forward)
        f->p->forward = fftw_mpi_plan_dft_r2c_3d(
            (ptrdiff_t)f->n[0], (ptrdiff_t)f->n[1], (ptrdiff_t)f->n[2], f->data,
            (fftw_complex *)f->data, f->comm, FFTW_ESTIMATE | FFTW_MPI_TRANSPOSED_OUT);
    if (check_plan(f->p->forward, f->comm, err)) return -1;
    fftw_execute(f->p->forward);
    f->modes = true;
    return 0;
}

int peri_field_backward(peri_field_t *f, peri_err_t *err)
{
    if (check_state(f, true, err)) return -1;
    if (!f->p->backward)
        f->p->backward =
            fftw_mpi_plan_dft_c2r_3d((ptrdiff_t)f->n[0], (ptrdiff_t)f->n[1],
                                     (ptrdiff_t)f->n[2], (fftw_complex *)f->data, f->data,
                                     f->comm, FFTW_ESTIMATE | FFTW_MPI_TRANSPOSED_IN);
    if (check_plan(f->p->backward, f->comm, err)) return -1;
    fftw_execute(f->p->backward);
    f->modes = false;
    peri_field_scale(f, 1 / ((double)f->n[0] * (double)f->n[1] * (double)f->n[2]), 0);
    return 0;
}

size_t peri_field_moderows(const peri_field_t *f)
{
    return f->p->ny * f->n[0];
}

/* 0 .. n/2, then the negative ones. */
static long signed_mode(size_t i, size_t n)
{
    return i <= n / 2 ? (long)i : (long)i - (long)n;
}

double complex *peri_field_moderow(const peri_field_t *f, size_t r, long k[2])
{
    k[0] = signed_mode(r % f->n[0], f->n[0]);
    k[1] = signed_mode(r / f->n[0] + f->p->y0, f->n[1]);
    return (double complex *)f->data + r * (f->n[2] / 2 + 1);
}

int peri_field_gauss(peri_field_t *f, double radius, peri_err_t *err)
{
    if (check_state(f, true, err)) return -1;
    if (!(radius >= 0) || !isfinite(radius))
        return peri_err_set(err, PERI_EINVAL,
                            "A smoothing radius is a number from 0 on, not %g.", radius);
    size_t nz = f->n[2] / 2 + 1;
    double unit[3], *along_z = peri_xmalloc(nz * sizeof(double));
    for (int k = 0; k < 3; k++) unit[k] = 2 * M_PI / f->box[k] * radius / M_SQRT2;
    for (size_t z = 0; z < nz; z++)
        along_z[z] = exp(-unit[2] * unit[2] * (double)z * (double)z);
    for (size_t r = 0; r < peri_field_moderows(f); r++) {
        long k[2];
        double complex *row = peri_field_moderow(f, r, k);
        double kx = unit[0] * (double)k[0], ky = unit[1] * (double)k[1];
        double factor = exp(-kx * kx - ky * ky);
        for (size_t z = 0; z < nz; z++) row[z] *= factor * along_z[z];
    }
    free(along_z);
    return 0;
}
