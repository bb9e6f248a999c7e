/* bulk_flow.c - a kernel of one's own: the mean velocity and its dispersion in cells.
 *
 *   mpicc -O2 -shared -fPIC -o bulk_flow.so bulk_flow.c     (-I for perigee/kernel.h)
 *   PERIGEE_KERNELS=$PWD perigee run bulk_flow sim.dm --snapnum 23 --cells 8
 */
#include <math.h>
#include <perigee/kernel.h>
#include <stdlib.h>

enum { COUNT, MASS, VX, VY, VZ, V2, NSUMS };

static int run(peri_run_t *run, peri_err_t *err)
{
    const peri_particles_t *p = peri_run_particles(run, 0);
    const int64_t n = peri_run_int(run, "cells"), ncells = n * n * n;
    double *sum = calloc((size_t)ncells * NSUMS, sizeof(*sum));
    int rank, rc = 0;
    if (!sum)
        rc =
            peri_err_set(err, PERI_ELIMIT, "no memory for %lld cells", (long long)ncells);
    if (peri_run_agree(run, rc, err)) goto out;

    for (size_t i = 0; i < p->n; i++) {
        const int64_t ix = (int64_t)(p->x[i] / p->box[0] * (double)n);
        const int64_t iy = (int64_t)(p->y[i] / p->box[1] * (double)n);
        const int64_t iz = (int64_t)(p->z[i] / p->box[2] * (double)n);
        double *s = sum + ((ix * n + iy) * n + iz) * NSUMS;
        const double m = p->mass[i], v[3] = {p->vx[i], p->vy[i], p->vz[i]};
        s[COUNT] += 1;
        s[MASS] += m;
        for (int k = 0; k < 3; k++) s[VX + k] += m * v[k];
        s[V2] += m * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    }
    MPI_Allreduce(MPI_IN_PLACE, sum, (int)(ncells * NSUMS), MPI_DOUBLE, MPI_SUM,
                  peri_run_comm(run));

    /* All ranks have all sums now: the first gives the rows. */
    MPI_Comm_rank(peri_run_comm(run), &rank);
    peri_rowset_t *rows = peri_run_rows(run);
    if (rank == 0 && peri_rowset_extend(rows, (size_t)ncells, err) < 0) rc = -1;
    for (int64_t c = 0; rank == 0 && rc == 0 && c < ncells; c++) {
        const double *s = sum + c * NSUMS, m = s[MASS];
        float *v = (float *)peri_rowset_data(rows, 3) + 3 * c;
        double v2 = 0;
        ((int32_t *)peri_rowset_data(rows, 0))[c] = (int32_t)c;
        ((int64_t *)peri_rowset_data(rows, 1))[c] = (int64_t)s[COUNT];
        ((float *)peri_rowset_data(rows, 2))[c] = (float)m;
        for (int k = 0; k < 3; k++) {
            v[k] = m > 0 ? (float)(s[VX + k] / m) : 0;
            v2 += (double)v[k] * v[k];
        }
        ((float *)peri_rowset_data(rows, 4))[c] =
            m > 0 ? (float)sqrt(fmax(s[V2] / m - v2, 0) / 3) : 0;
    }
out:
    free(sum);
    return rc;
}

static const peri_param_t params[] = {{.name = "cells",
                                       .type = PERI_PARAM_INT,
                                       .preset = "8",
                                       .min = 1,
                                       .max = 64,
                                       .help = "Cells along each side of the box."}};
static const peri_input_t inputs[] = {{.name = "particles",
                                       .particles = PERI_HAS_VELOCITY | PERI_HAS_MASS,
                                       .help = "Particles in a periodic box."}};
static const peri_coldef_t columns[] = {
    {"cell", PERI_COL_I32, 1, "", "(ix * cells + iy) * cells + iz."},
    {"np", PERI_COL_I64, 1, "", "Particles in it."},
    {"mass", PERI_COL_F32, 1, "{mass}", "Their mass."},
    {"vel", PERI_COL_F32, 3, "{velocity}", "Their mass-weighted mean velocity."},
    {"sigma", PERI_COL_F32, 1, "{velocity}", "Velocity dispersion along one axis."}};

static const peri_kernel_t bulk_flow = {
    .abi = PERI_KERNEL_ABI,
    .size = sizeof(peri_kernel_t),
    .name = "bulk_flow",
    .summary = "mean velocity and velocity dispersion in cells",
    .help =
        "Divides the box into cubic cells and gives the mass-weighted mean velocity of "
        "the particles in each, and their dispersion about it, per axis.",
    .example = "bulk_flow sim.dm --snapnum 23 --cells 8",
    .params = params,
    .nparams = 1,
    .inputs = inputs,
    .ninputs = 1,
    .columns = columns,
    .ncolumns = 5,
    .run = run};

PERI_KERNEL(bulk_flow)
