/* fields.c - times grids and power spectra without SQL around them: bench/fields runs it.
 *
 *     mpirun -n 2 bench_fields FILE BOX GRID REPEAT [cpu]
 *
 * FILE: positions, three doubles each. Prints one line of JSON: the best seconds of each
 * step on the slowest rank, and what of the power spectrum's went into MPI calls. cpu: of
 * the processor instead of the clock, which is worth something on one rank of a busy
 * machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mpi/field/power.h"

#define COMM MPI_COMM_WORLD

static int rank, nranks;
static peri_err_t err;
static double in_mpi;
static bool cpu;

/* What the measured code calls of MPI, timed. */
#define TIMED(name, params, args)                                                        \
    int MPI_##name params                                                                \
    {                                                                                    \
        double start = PMPI_Wtime();                                                     \
        int rc = PMPI_##name args;                                                       \
        in_mpi += PMPI_Wtime() - start;                                                  \
        return rc;                                                                       \
    }
TIMED(Allreduce, (const void *s, void *r, int n, MPI_Datatype t, MPI_Op op, MPI_Comm c),
      (s, r, n, t, op, c))
TIMED(Alltoall,
      (const void *s, int n, MPI_Datatype t, void *r, int m, MPI_Datatype u, MPI_Comm c),
      (s, n, t, r, m, u, c))
TIMED(Alltoallv,
      (const void *s, const int *n, const int *d, MPI_Datatype t, void *r, const int *m,
       const int *e, MPI_Datatype u, MPI_Comm c),
      (s, n, d, t, r, m, e, u, c))
TIMED(Sendrecv,
      (const void *s, int n, MPI_Datatype t, int to, int tag, void *r, int m,
       MPI_Datatype u, int from, int tag2, MPI_Comm c, MPI_Status *st),
      (s, n, t, to, tag, r, m, u, from, tag2, c, st))
TIMED(Recv,
      (void *r, int n, MPI_Datatype t, int from, int tag, MPI_Comm c, MPI_Status *s),
      (r, n, t, from, tag, c, s))
TIMED(Waitall, (int n, MPI_Request *r, MPI_Status *s), (n, r, s))

static void fail(const char *text)
{
    fprintf(stderr, "bench_fields: %s\n", text);
    MPI_Abort(COMM, 1);
}

static peri_points_t read_points(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) fail(path);
    size_t all = (size_t)ftell(f) / 24, from = all * (size_t)rank / (size_t)nranks;
    size_t n = all * (size_t)(rank + 1) / (size_t)nranks - from;
    double *x[4];
    for (int k = 0; k < 4; k++) x[k] = malloc((n + 1) * 3 * sizeof(double));
    fseek(f, (long)(from * 24), SEEK_SET);
    if (fread(x[3], 24, n, f) != n) fail(path);
    fclose(f);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) x[k][i] = x[3][3 * i + (size_t)k];
    free(x[3]);
    return (peri_points_t){n, x[0], x[1], x[2], NULL};
}

static double now(void)
{
    struct timespec t;
    clock_gettime(cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The longest of all ranks since then. */
static double since(double start)
{
    double t = now() - start;
    PMPI_Allreduce(MPI_IN_PLACE, &t, 1, MPI_DOUBLE, MPI_MAX, COMM);
    return t;
}

static double begin(void)
{
    MPI_Barrier(COMM);
    return now();
}

static void keep_best(double *best, double t)
{
    if (t < *best) *best = t;
}

/* The grid is there already, as Pylians' is. */
static void bench_deposit(peri_field_t *f, const peri_points_t *p, peri_scheme_t scheme,
                          double *best)
{
    peri_field_zero(f);
    double start = begin();
    if (peri_field_deposit(f, p, scheme, 0, &err)) fail(err.text);
    keep_best(best, since(start));
}

typedef struct {
    double all, grid, modes, mpi;
} power_t;

static void bench_power(const peri_powerspec_t *s, const peri_points_t *p, power_t *best)
{
    peri_powermodes_t m;
    peri_powerbin_t *bins = malloc(peri_power_nbins(s) * sizeof(*bins));
    in_mpi = 0;
    double start = begin();
    if (peri_power_transform(s, p, COMM, &m, &err)) fail(err.text);
    double grid = since(start), counting = begin();
    if (peri_power_measure(s, &m, &m, bins, &err)) fail(err.text);
    power_t t = {.grid = grid, .modes = since(counting)};
    t.all = t.grid + t.modes;
    t.mpi = in_mpi;
    PMPI_Allreduce(MPI_IN_PLACE, &t.mpi, 1, MPI_DOUBLE, MPI_MAX, COMM);
    if (t.all < best->all) *best = t;
    peri_field_free(m.modes);
    free(bins);
}

static void print_power(const char *name, const power_t *t)
{
    printf(", \"%s\": {\"all\": %.4f, \"grid\": %.4f, \"modes\": %.4f, \"mpi\": %.4f}",
           name, t->all, t->grid, t->modes, t->mpi);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
    cpu = argc == 6 && !strcmp(argv[5], "cpu");
    if (argc != 5 && !cpu) fail("usage: bench_fields FILE BOX GRID REPEAT [cpu]");
    peri_points_t p = read_points(argv[1]);
    double box = atof(argv[2]), deposit[5] = {9, 9, 9, 9, 9};
    size_t n = (size_t)atoi(argv[3]);
    peri_powerspec_t s = {.n = {n, n, n},
                          .box = {box, box, box},
                          .scheme = PERI_CIC,
                          .compensate = true,
                          .axis = 2};
    power_t plain = {.all = 99}, fine = {.all = 99};
    peri_field_t *f = peri_field_new(s.n, s.box, COMM, &err);
    if (!f) fail(err.text);
    for (int i = 0; i < atoi(argv[4]); i++)
        for (int scheme = PERI_NGP; scheme <= PERI_PCS; scheme++)
            bench_deposit(f, &p, (peri_scheme_t)scheme, &deposit[scheme]);
    peri_field_free(f);
    for (int i = 0; i < atoi(argv[4]); i++) {
        s.scheme = PERI_CIC;
        s.interlaced = false;
        bench_power(&s, &p, &plain);
        s.scheme = PERI_PCS;
        s.interlaced = true;
        bench_power(&s, &p, &fine);
    }
    uint64_t total = p.n;
    MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_UINT64_T, MPI_SUM, COMM);
    if (!rank) {
        printf(
            "{\"particles\": %llu, \"ngp\": %.4f, \"cic\": %.4f, \"tsc\": %.4f, \"pcs\": "
            "%.4f",
            (unsigned long long)total, deposit[1], deposit[2], deposit[3], deposit[4]);
        print_power("power", &plain);
        print_power("power_pcs", &fine);
        printf("}\n");
    }
    MPI_Finalize();
    return 0;
}
