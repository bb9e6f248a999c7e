/* test_gadget_fixture.h - the snapshot gadget4_run64 at z = 0, dealt out to ranks.
 *
 * HDF5's own functions read it, not Perigee's. examples/data has it without velocities;
 * the whole one is taken where the shared data are.
 */
#ifndef TESTS_UNIT_TEST_GADGET_FIXTURE_H
#define TESTS_UNIT_TEST_GADGET_FIXTURE_H

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perigee/particles.h"

enum { GADGET_PARTICLES = 262144, GADGET_FILES = 2 };

#define GADGET_BOX  50.0
#define GADGET_MASS 4.07516161

static inline void gadget_path(char *path, size_t size, const char *name, int file)
{
    const char *env = getenv("PERIGEE_SHARED_DATA");
    snprintf(path, size, "%s%s/gadget4_run64/%s.%d.hdf5", env ? env : PERIGEE_SOURCE_DIR,
             env ? "" : "/../shared/data", name, file);
    FILE *f = fopen(path, "r");
    if (f)
        fclose(f);
    else
        snprintf(path, size, PERIGEE_SOURCE_DIR "/examples/data/%s.%d.hdf5", name, file);
}

/* A dataset of all files, one after the other, as doubles (malloc'd); *rows of them. NULL
 * if it is not there. */
static inline double *gadget_read(const char *name, const char *dataset, size_t *rows)
{
    double *all = NULL;
    size_t values = 0;
    *rows = 0;
    for (int file = 0; file < GADGET_FILES; file++) {
        char path[4096];
        gadget_path(path, sizeof(path), name, file);
        hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
        if (H5Lexists(f, dataset, H5P_DEFAULT) <= 0) {
            H5Fclose(f);
            free(all);
            return NULL;
        }
        hid_t d = H5Dopen2(f, dataset, H5P_DEFAULT), s = H5Dget_space(d);
        hsize_t dims[2] = {0, 1};
        H5Sget_simple_extent_dims(s, dims, NULL);
        all = realloc(all, (values + dims[0] * dims[1] + 1) * sizeof(*all));
        if (H5Dread(d, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, all + values) <
            0) {
            fprintf(stderr, "%s: cannot read %s\n", path, dataset);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        values += dims[0] * dims[1];
        *rows += dims[0];
        H5Sclose(s);
        H5Dclose(d);
        H5Fclose(f);
    }
    return all;
}

/* The particles, shifted along all axes, rank by rank. order[id] (if not NULL) is where
 * the particle with that id is in the files. */
static inline peri_particles_t *gadget_particles(double shift, int64_t *order,
                                                 MPI_Comm comm, peri_err_t *err)
{
    int rank, nranks;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    size_t n;
    const char *name = "snapdir_023/snapshot_023";
    double *x = gadget_read(name, "PartType1/Coordinates", &n);
    double *v = gadget_read(name, "PartType1/Velocities", &n);
    double *id = gadget_read(name, "PartType1/ParticleIDs", &n);
    if (!x || !id || n != GADGET_PARTICLES) MPI_Abort(comm, 1);
    size_t from = n * (size_t)rank / (size_t)nranks;
    size_t to = n * (size_t)(rank + 1) / (size_t)nranks;
    peri_particles_t *p =
        peri_particles_new(PERI_HAS_VELOCITY | PERI_HAS_MASS | PERI_HAS_ID,
                           (double[]){GADGET_BOX, GADGET_BOX, GADGET_BOX});
    if (peri_particles_resize(p, to - from, err)) MPI_Abort(comm, 1);
    for (size_t i = 0; i < n; i++) {
        if (order) order[(size_t)id[i]] = (int64_t)i;
        if (i < from || i >= to) continue;
        size_t k = i - from;
        double *out[3] = {&p->x[k], &p->y[k], &p->z[k]};
        for (int a = 0; a < 3; a++) {
            double at = x[3 * i + (size_t)a] + shift;
            *out[a] = at >= GADGET_BOX ? at - GADGET_BOX : at;
        }
        p->vx[k] = v ? v[3 * i] : 0;
        p->vy[k] = v ? v[3 * i + 1] : 0;
        p->vz[k] = v ? v[3 * i + 2] : 0;
        p->mass[k] = GADGET_MASS;
        p->id[k] = (int64_t)id[i];
    }
    free(x);
    free(v);
    free(id);
    return p;
}

#endif
