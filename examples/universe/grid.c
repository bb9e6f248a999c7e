/* grid.c - see grid.h. Plans are chosen without timing, so that a run can be repeated to
 * the last bit. */
#include "examples/universe/grid.h"

#include <stdlib.h>

#include "core/base/util.h"

static void share_planes(grid_t *g)
{
    int *first = peri_xcalloc((size_t)g->nranks, sizeof(int));
    int *planes = peri_xcalloc((size_t)g->nranks, sizeof(int));
    MPI_Allgather(&g->first, 1, MPI_INT, first, 1, MPI_INT, g->comm);
    MPI_Allgather(&g->planes, 1, MPI_INT, planes, 1, MPI_INT, g->comm);
    g->owner = peri_xcalloc((size_t)g->n, sizeof(int));
    for (int r = 0; r < g->nranks; r++)
        for (int i = 0; i < planes[r]; i++) g->owner[first[r] + i] = r;
    free(first);
    free(planes);
}

grid_t *grid_new(MPI_Comm comm, int n)
{
    grid_t *g = peri_xcalloc(1, sizeof(*g));
    g->comm = comm;
    g->n = n;
    MPI_Comm_rank(comm, &g->rank);
    MPI_Comm_size(comm, &g->nranks);
    ptrdiff_t planes, first, krows, kfirst;
    ptrdiff_t waves = fftw_mpi_local_size_3d_transposed(n, n, n / 2 + 1, comm, &planes,
                                                        &first, &krows, &kfirst);
    g->first = (int)first;
    g->planes = (int)planes;
    g->kfirst = (int)kfirst;
    g->krows = (int)krows;
    g->row = 2 * (size_t)(n / 2 + 1);
    g->plane = g->row * (size_t)n;
    g->size = 2 * (size_t)waves;
    share_planes(g);
    double *a = grid_alloc(g);
    g->forward = fftw_mpi_plan_dft_r2c_3d(n, n, n, a, (wave_t *)a, comm,
                                          FFTW_ESTIMATE | FFTW_MPI_TRANSPOSED_OUT);
    g->backward = fftw_mpi_plan_dft_c2r_3d(n, n, n, (wave_t *)a, a, comm,
                                           FFTW_ESTIMATE | FFTW_MPI_TRANSPOSED_IN);
    free(a);
    return g;
}

void grid_free(grid_t *g)
{
    if (!g) return;
    fftw_destroy_plan(g->forward);
    fftw_destroy_plan(g->backward);
    free(g->owner);
    free(g);
}

double *grid_alloc(const grid_t *g)
{
    return peri_xcalloc(g->size, sizeof(double));
}

void grid_forward(const grid_t *g, double *a)
{
    fftw_mpi_execute_dft_r2c(g->forward, a, (wave_t *)a);
}

void grid_backward(const grid_t *g, double *a)
{
    fftw_mpi_execute_dft_c2r(g->backward, (wave_t *)a, a);
}
