/* lhalo.h - reads LHaloTree files: the binary ones of the Millennium run, L-Galaxies and
 * SAGE, and the HDF5 ones of Illustris and TNG (trees_sf1).
 *
 * Each file has whole trees. The number of a file is at the end of its name (trees_063.5,
 * trees_sf1_099.5.hdf5); its trees get the numbers 1000000 * file, ... + 1, ..., so that
 * haloId is that of the Millennium database. Files, and trees of a file if there are more
 * ranks, are dealt to the ranks.
 */
#ifndef MPI_TREE_LHALO_H
#define MPI_TREE_LHALO_H

#include <mpi.h>

#include "mpi/tree/halo.h"
#include "perigee/err.h"

#define PERI_LHALO_TREES 1000000 /* numbers for the trees of a file */

typedef struct {
    peri_treehalo_t *halos; /* of this rank; malloc'd */
    size_t n;
    double
        *redshift; /* by snapshot, as the HDF5 files say; NULL: they do not. malloc'd */
    size_t nredshifts;
} peri_lhalo_t;

/* Collective; the same paths on all ranks. particle_mass (NAN: unknown) is for binary
 * files, whose halos only have a number of particles. */
int peri_lhalo_read(const char *const *paths, size_t nfiles, double particle_mass,
                    MPI_Comm comm, peri_lhalo_t *out, peri_err_t *err);
void peri_lhalo_drop(peri_lhalo_t *l);

/* The number at the end of a file's name, -1: there is none. */
int64_t peri_lhalo_file_number(const char *path);

#endif
