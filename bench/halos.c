/* halos.c - times the analyses of particles without SQL around them: bench/halos runs it.
 *
 *     mpirun -n 2 bench_halos fof|so|pairs FILE BOX REPEAT
 *
 * FILE: HDF5 with Coordinates, and but for pairs Velocities (n x 3), ParticleIDs, Masses
 * of the same length. Prints one line a time: seconds of reading, of the analysis, its
 * parts, on the slowest rank.
 */
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mpi/halo/correlation.h"
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
    hid_t d = H5Dopen2(file, "Coordinates", H5P_DEFAULT), s = H5Dget_space(d);
    hsize_t rows = (hsize_t)H5Sget_simple_extent_npoints(s) / 3;
    H5Sclose(s);
    H5Dclose(d);
    return rows;
}

static void read_vectors(hid_t file, const char *name, hsize_t from, hsize_t n,
                         double *into[3])
{
    double *vectors = malloc(n * 3 * sizeof(*vectors));
    read_rows(file, name, H5T_NATIVE_DOUBLE, from, n, 3, vectors);
    for (hsize_t i = 0; i < n; i++)
        for (hsize_t k = 0; k < 3; k++) into[k][i] = vectors[3 * i + k];
    free(vectors);
}

static const unsigned HALOS = PERI_HAS_ID | PERI_HAS_MASS | PERI_HAS_VELOCITY;

static peri_particles_t *read_particles(const char *path, double box, unsigned has)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) fail(path);
    hsize_t all = count_rows(file), from = all * (hsize_t)rank / (hsize_t)nranks;
    hsize_t n = all * (hsize_t)(rank + 1) / (hsize_t)nranks - from;
    peri_particles_t *p = peri_particles_new(has, (double[]){box, box, box});
    if (peri_particles_resize(p, n, &err)) fail(err.text);
    read_vectors(file, "Coordinates", from, n, (double *[]){p->x, p->y, p->z});
    if (p->vx)
        read_vectors(file, "Velocities", from, n, (double *[]){p->vx, p->vy, p->vz});
    if (p->id) read_rows(file, "ParticleIDs", H5T_NATIVE_INT64, from, n, 1, p->id);
    if (p->mass) read_rows(file, "Masses", H5T_NATIVE_DOUBLE, from, n, 1, p->mass);
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
static void print_line(uint64_t n, const char *what, uint64_t found,
                       const char *const *names, double *seconds, int nseconds)
{
    MPI_Allreduce(MPI_IN_PLACE, seconds, nseconds, MPI_DOUBLE, MPI_MAX, COMM);
    MPI_Allreduce(MPI_IN_PLACE, &found, 1, MPI_UINT64_T, MPI_SUM, COMM);
    if (rank) return;
    printf("{\"particles\": %llu, \"%s\": %llu", (unsigned long long)n, what,
           (unsigned long long)found);
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
    peri_particles_t *p = read_particles(path, box, HALOS);
    MPI_Barrier(COMM);
    double read = MPI_Wtime(), used = processor();
    peri_fof_t *f = find_groups(p, box);
    MPI_Barrier(COMM);
    const peri_fof_times_t *t = &f->times;
    double seconds[] = {read - start, MPI_Wtime() - read, t->decompose,
                        t->link,      t->merge,           t->groups,
                        t->members,   t->communication,   processor() - used};
    print_line(peri_particles_total(p, COMM), "groups", f->ngroups, names, seconds, 9);
    peri_fof_free(f);
    peri_particles_free(p);
}

/* 200 times the critical density of Omega_m = 0.308 and three more, around all groups. */
static void bench_so(const char *path, double box)
{
    static const char *const names[] = {"so", "decompose", "search", "communication"};
    peri_particles_t *p = read_particles(path, box, HALOS);
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
    print_line(peri_particles_total(p, COMM), "groups", f->ngroups, names, seconds, 4);
    free(masses);
    peri_fof_free(f);
    peri_particles_free(p);
    peri_particles_free(c);
}

/* In 14 bins up to 1/18 of the box: those of Corrfunc's own test for a box of 420. */
static void bench_pairs(const char *path, double box)
{
    static const char *const names[] = {"read",  "correlation",   "decompose",
                                        "count", "communication", "processor"};
    double edges[15] = {0.167536, 0.238755, 0.340251, 0.484892, 0.691021,
                        0.984777, 1.40341,  2.0,      2.8502,   4.06184,
                        5.78853,  8.24925,  11.756,   16.7536,  23.8755};
    for (int k = 0; k < 15; k++) edges[k] *= box / 420;
    const peri_correlation_options_t o = {
        .bins = {PERI_PAIRS_R, PERI_LOS_Z, 14, edges, 0, NULL}};
    MPI_Barrier(COMM);
    double start = MPI_Wtime();
    peri_particles_t *p = read_particles(path, box, 0);
    MPI_Barrier(COMM);
    double read = MPI_Wtime(), used = processor();
    peri_correlation_t *c =
        peri_correlation_measure((peri_particles_t *[4]){p}, &o, COMM, &err);
    if (!c) fail(err.text);
    used = processor() - used;
    MPI_Barrier(COMM);
    double seconds[] = {read - start,   MPI_Wtime() - read,     c->times.decompose,
                        c->times.count, c->times.communication, used};
    uint64_t pairs = 0; /* of all ranks, on all */
    for (size_t k = 0; rank == 0 && k < c->nbins; k++) pairs += c->dd->count[k];
    print_line(peri_particles_total(p, COMM), "pairs", pairs, names, seconds, 6);
    peri_correlation_free(c);
    peri_particles_free(p);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *path, double box);
    } all[] = {{"fof", bench_fof}, {"so", bench_so}, {"pairs", bench_pairs}};
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
    int what = 2;
    while (argc == 5 && what >= 0 && strcmp(argv[1], all[what].name)) what--;
    if (argc != 5 || what < 0) fail("usage: bench_halos fof|so|pairs FILE BOX REPEAT");
    for (int i = 0; i < atoi(argv[4]); i++) all[what].run(argv[2], atof(argv[3]));
    MPI_Finalize();
    return 0;
}
