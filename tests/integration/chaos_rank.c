/* chaos_rank.c - an MPI program for chaos.py to kill: says on the disk that it began and,
 * once MPI runs, that it is in; then the ranks wait for each other a few times and add up
 * their numbers.
 *
 *   chaos_rank PREFIX SECONDS ok|exit
 *
 * Appends a line with the attempt to PREFIX.INDEX.rankR, before MPI_Init, and to
 * PREFIX.INDEX.rankR.in after it: two lines anywhere are two runs. "exit": rank 1 ends
 * with status 3. Exit status 9: the sum was wrong.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STEPS 10

static const char *env(const char *name)
{
    const char *s = getenv(name);
    return s ? s : "";
}

/* Each starter has its own name for it. */
static const char *rank_before_init(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK",
                                        "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (*env(names[i])) return env(names[i]);
    return "0";
}

static int note(const char *prefix, const char *rank, const char *ending)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s.%s.rank%s%s", prefix, env("PERIGEE_INDEX"), rank,
             ending);
    FILE *f = fopen(path, "a");
    if (!f) return -1;
    fprintf(f, "%s\n", env("PERIGEE_ATTEMPT"));
    return fclose(f);
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    const char *prefix = argv[1], *rank_text = rank_before_init();
    /* How chaos.py tells a rank from its starter. */
    prctl(PR_SET_NAME, "chaos-rank");
    if (note(prefix, rank_text, "")) return 2;
    MPI_Init(&argc, &argv);
    if (note(prefix, rank_text, ".in")) MPI_Abort(MPI_COMM_WORLD, 2);
    int rank, ranks, sum = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int i = 0; i < STEPS; i++) {
        usleep((useconds_t)(atof(argv[2]) * 1e6 / STEPS));
        MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        if (sum != ranks * (ranks - 1) / 2) MPI_Abort(MPI_COMM_WORLD, 9);
    }
    printf("%d of %d\n", rank, ranks);
    MPI_Finalize();
    return rank == 1 && strcmp(argv[3], "exit") == 0 ? 3 : 0;
}
