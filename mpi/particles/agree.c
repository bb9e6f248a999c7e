/* agree.c - an error of one rank becomes one of all; what messages cost. */
#include "mpi/particles/private.h"

static double waited;

double peri_particles_waited(void)
{
    return waited;
}

void peri_waited_since(double start)
{
    waited += MPI_Wtime() - start;
}

int peri_ranks_agree(int rc, MPI_Comm comm, peri_err_t *err)
{
    int rank, nranks, first;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    int mine = rc ? rank : nranks;
    double start = MPI_Wtime();
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, comm);
    peri_waited_since(start);
    if (first == nranks) return 0;
    peri_err_t e = {.code = PERI_EINTERNAL, .text = "a rank failed and did not say why"};
    if (rank == first && err) e = *err;
    MPI_Bcast(&e, (int)sizeof(e), MPI_BYTE, first, comm);
    if (err) *err = e;
    return -1;
}
