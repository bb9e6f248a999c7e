/* agree.c - see agree.h. */
#include "examples/universe/agree.h"

int agree(MPI_Comm comm, int rc, peri_err_t *err)
{
    int rank, nranks;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    int failed = rc ? rank : nranks;
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MIN, comm);
    if (failed == nranks) return 0;
    MPI_Bcast(err, (int)sizeof(*err), MPI_BYTE, failed, comm);
    return -1;
}
