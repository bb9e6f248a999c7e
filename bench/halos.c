/* halos.c - times the analyses of particles without SQL around them: bench/halos runs it.
 *
 *     mpirun -n 2 bench_halos fof FILE BOX REPEAT
 *
 * FILE: HDF5 with Coordinates, Velocities (n x 3), ParticleIDs, Masses of the same
 * length. Prints one line a time: seconds of reading, of the analysis, its parts, on the
 * slowest rank.
 */
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/fof.h"

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

static void bench_fof(const char *path, double box, int repeat)
{
    for (int i = 0; i < repeat; i++) {
        MPI_Barrier(COMM);
        double start = MPI_Wtime();
        peri_particles_t *p = read_particles(path, box);
        MPI_Barrier(COMM);
        double io = MPI_Wtime() - start;
        uint64_t n = peri_particles_total(p, COMM);
        start = MPI_Wtime();
        peri_fof_t *f =
            peri_fof_find(p,
                          &(peri_fof_options_t){.linking_length = peri_fof_length(
                                                    0.2, (double[]){box, box, box}, n),
                                                .min_particles = 32},
                          NULL, NULL, COMM, &err);
        if (!f) fail(err.text);
        MPI_Barrier(COMM);
        const peri_fof_times_t *t = &f->times;
        double seconds[8] = {
            io,       MPI_Wtime() - start, t->decompose, t->link,
            t->merge, t->groups,           t->members,   t->communication};
        uint64_t ngroups = f->ngroups;
        MPI_Allreduce(MPI_IN_PLACE, seconds, 8, MPI_DOUBLE, MPI_MAX, COMM);
        MPI_Allreduce(MPI_IN_PLACE, &ngroups, 1, MPI_UINT64_T, MPI_SUM, COMM);
        if (!rank)
            printf("{\"particles\": %llu, \"groups\": %llu, \"read\": %.4f, \"fof\": "
                   "%.4f, \"decompose\": %.4f, \"link\": %.4f, \"merge\": %.4f, "
                   "\"collect\": %.4f, \"number\": %.4f, \"communication\": %.4f}\n",
                   (unsigned long long)n, (unsigned long long)ngroups, seconds[0],
                   seconds[1], seconds[2], seconds[3], seconds[4], seconds[5], seconds[6],
                   seconds[7]);
        peri_fof_free(f);
        peri_particles_free(p);
    }
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
    if (argc != 5 || strcmp(argv[1], "fof"))
        fail("usage: bench_halos fof FILE BOX REPEAT");
    bench_fof(argv[2], atof(argv[3]), atoi(argv[4]));
    MPI_Finalize();
    return 0;
}
