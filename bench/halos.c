/* halos.c - times the analyses of particles without SQL around them: bench/halos runs it.
 *
 *     mpirun -n 2 bench_halos fof|so FILE BOX REPEAT
 *
 * FILE: HDF5 with Coordinates, Velocities (n x 3), ParticleIDs, Masses of the same
 * length. Prints one line a time: seconds of reading, of the analysis, its parts, on the
 * slowest rank.
 */
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mpi/halo/fof.h"
#include "mpi/halo/so.h"

#define COMM MPI_COMM_WORLD

static int rank, nranks;
static peri_err_t err;

static void fail(const char *text)
{
    fprintf(stderr, "bench_halos: %s\n", text);
    MPI_Abort(COMM, 1);
}

/* Rows [from, from + n) of a dataset, as this type. */
static void read_rows(hid_t file, const char *name, hid_t type, hsize_t from, hsize_t n,
                      hsize_t width, void *into)
{
    hid_t d = H5Dopen2(file, name, H5P_DEFAULT);
    if (d < 0) fail(name);
    hid_t s = H5Dget_space(d);
    hsize_t start[2] = {from, 0}, count[2] = {n, width};
    hid_t m = H5Screate_simple(2, count, NULL);
    H5Sselect_hyperslab(s, H5S_SELECT_SET, start, NULL, count, NULL);
    if (H5Dread(d, type, m, s, H5P_DEFAULT, into) < 0) fail(name);
    H5Sclose(m);
    H5Sclose(s);
    H5Dclose(d);
}

static hsize_t count_rows(hid_t file)
{
    hid_t d = H5Dopen2(file, "ParticleIDs", H5P_DEFAULT), s = H5Dget_space(d);
    hsize_t rows = (hsize_t)H5Sget_simple_extent_npoints(s);
    H5Sclose(s);
    H5Dclose(d);
    return rows;
}

static peri_particles_t *read_particles(const char *path, double box)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) fail(path);
    hsize_t all = count_rows(file), from = all * (hsize_t)rank / (hsize_t)nranks;
    hsize_t n = all * (hsize_t)(rank + 1) / (hsize_t)nranks - from;
    peri_particles_t *p = peri_particles_new(
        PERI_HAS_ID | PERI_HAS_MASS | PERI_HAS_VELOCITY, (double[]){box, box, box});
    if (peri_particles_resize(p, n, &err)) fail(err.text);
    double *vectors = malloc(n * 3 * sizeof(*vectors));
    double *into[2][3] = {{p->x, p->y, p->z}, {p->vx, p->vy, p->vz}};
    for (int v = 0; v < 2; v++) {
        read_rows(file, v ? "Velocities" : "Coordinates", H5T_NATIVE_DOUBLE, from, n, 3,
                  vectors);
        for (hsize_t i = 0; i < n; i++)
            for (int k = 0; k < 3; k++) into[v][k][i] = vectors[3 * i + (hsize_t)k];
    }
    free(vectors);
    read_rows(file, "ParticleIDs", H5T_NATIVE_INT64, from, n, 1, p->id);
    read_rows(file, "Masses", H5T_NATIVE_DOUBLE, from, n, 1, p->mass);
    H5Fclose(file);
    return p;
}

/* Processor time of this rank: says what others on the machine have not taken. */
static double processor(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static peri_fof_t *find_groups(peri_particles_t *p, double box)
{
    uint64_t n = peri_particles_total(p, COMM);
    const peri_fof_options_t o = {.linking_length =
                                      peri_fof_length(0.2, (double[]){box, box, box}, n),
                                  .min_particles = 32};
    peri_fof_t *f = peri_fof_find(p, &o, NULL, NULL, COMM, &err);
    if (!f) fail(err.text);
    return f;
}

/* Seconds are those of the slowest rank, numbers of all. */
static void print_line(uint64_t n, uint64_t groups, const char *const *names,
                       double *seconds, int nseconds)
{
    MPI_Allreduce(MPI_IN_PLACE, seconds, nseconds, MPI_DOUBLE, MPI_MAX, COMM);
    MPI_Allreduce(MPI_IN_PLACE, &groups, 1, MPI_UINT64_T, MPI_SUM, COMM);
    if (rank) return;
    printf("{\"particles\": %llu, \"groups\": %llu", (unsigned long long)n,
           (unsigned long long)groups);
    for (int i = 0; i < nseconds; i++) printf(", \"%s\": %.4f", names[i], seconds[i]);
    printf("}\n");
}

static void bench_fof(const char *path, double box)
{
    static const char *const names[] = {"read",   "fof",           "decompose",
                                        "link",   "merge",         "collect",
                                        "number", "communication", "processor"};
    MPI_Barrier(COMM);
    double start = MPI_Wtime();
    peri_particles_t *p = read_particles(path, box);
    MPI_Barrier(COMM);
    double read = MPI_Wtime(), used = processor();
    peri_fof_t *f = find_groups(p, box);
    MPI_Barrier(COMM);
    const peri_fof_times_t *t = &f->times;
    double seconds[] = {read - start, MPI_Wtime() - read, t->decompose,
                        t->link,      t->merge,           t->groups,
                        t->members,   t->communication,   processor() - used};
    print_line(peri_particles_total(p, COMM), f->ngroups, names, seconds, 9);
    peri_fof_free(f);
    peri_particles_free(p);
}

/* 200 times the critical density of Omega_m = 0.308 and three more, around all groups. */
static void bench_so(const char *path, double box)
{
    static const char *const names[] = {"so", "decompose", "search", "communication"};
    peri_particles_t *p = read_particles(path, box);
    peri_fof_t *f = find_groups(p, box);
    peri_particles_t *c = peri_particles_new(0, p->box);
    double *masses = malloc((f->ngroups + 1) * 8 * sizeof(*masses));
    if (!masses || peri_particles_resize(c, f->ngroups, &err)) fail("no memory");
    for (size_t i = 0; i < f->ngroups; i++) {
        c->x[i] = f->groups[i].position[0];
        c->y[i] = f->groups[i].position[1];
        c->z[i] = f->groups[i].position[2];
    }
    double mean = peri_so_total_mass(p, COMM) / (box * box * box);
    const peri_so_options_t o = {
        .ndensities = 4,
        .densities = {200 / 0.308 * mean, 500 / 0.308 * mean, 200 * mean, 337 * mean},
        .min_particles = 5};
    peri_so_times_t t;
    MPI_Barrier(COMM);
    double start = MPI_Wtime();
    if (peri_so_find(p, c, &o, masses, masses + 4 * f->ngroups, &t, NULL, NULL, COMM,
                     &err))
        fail(err.text);
    MPI_Barrier(COMM);
    double seconds[] = {MPI_Wtime() - start, t.decompose, t.search, t.communication};
    print_line(peri_particles_total(p, COMM), f->ngroups, names, seconds, 4);
    free(masses);
    peri_fof_free(f);
    peri_particles_free(p);
    peri_particles_free(c);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
    if (argc != 5) fail("usage: bench_halos fof|so FILE BOX REPEAT");
    for (int i = 0; i < atoi(argv[4]); i++)
        (strcmp(argv[1], "so") ? bench_fof : bench_so)(argv[2], atof(argv[3]));
    MPI_Finalize();
    return 0;
}
