/* sandbox_ranks.c - ranks of a job that test_sandbox.py runs in sandboxes: messages large
 * enough for every way that MPI has (shared memory on a node, TCP between nodes), then
 * one line a rank. argv[1]: a file that a rank must not see.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 4 << 20, ROUNDS = 20 };

int main(int argc, char **argv)
{
    int rank, n, bad = 0;
    char host[64] = "";
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    gethostname(host, sizeof(host) - 1);
    char *b = malloc(BYTES);
    memset(b, rank, BYTES);
    for (int i = 0; i < ROUNDS; i++)
        MPI_Sendrecv_replace(b, BYTES, MPI_CHAR, (rank + 1) % n, i, (rank + n - 1) % n, i,
                             MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    const int from = ((rank - ROUNDS) % n + n) % n;
    for (int i = 0; i < BYTES; i++) bad += b[i] != from;
    long mine = rank + 1, sum = 0;
    MPI_Allreduce(&mine, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    const int sees = argc > 1 && access(argv[1], F_OK) == 0;
    printf("rank %d of %d on %s: sum %ld, %d wrong, %s\n", rank, n, host, sum, bad,
           sees ? "sees it" : "sees nothing");
    free(b);
    MPI_Finalize();
    return 0;
}
