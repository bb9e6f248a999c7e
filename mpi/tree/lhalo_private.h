/* lhalo_private.h - what the readers of the two kinds of files have in common. */
#ifndef MPI_TREE_LHALO_PRIVATE_H
#define MPI_TREE_LHALO_PRIVATE_H

#include "mpi/tree/lhalo.h"

/* One file, or the part number `part` of `nparts` of its trees. */
typedef struct {
    const char *path;
    int64_t number;
    int part, nparts;
    double particle_mass;
} lhalofile_t;

/* ---- lhalo_part.c ---- */

/* Trees [first, end) are in this part: those whose first halo is among its share. */
void peri_lhalo_share(const lhalofile_t *f, const int32_t *nhalos, size_t ntrees,
                      uint64_t total, size_t *first, size_t *end, uint64_t *before);
/* Counts are not negative and not too many; *total is their sum. */
int peri_lhalo_check_counts(const lhalofile_t *f, const int32_t *nhalos, size_t ntrees,
                            uint64_t *total, peri_err_t *err);
/* Room for n more halos at the end, zero but for what a file may not say. */
peri_treehalo_t *peri_lhalo_extend(peri_lhalo_t *l, size_t n);

/* ---- lhalo_binary.c, lhalo_hdf5.c ---- */

/* Append the halos of this part. */
int peri_lhalo_binary(const lhalofile_t *f, peri_lhalo_t *out, peri_err_t *err);
int peri_lhalo_hdf5(const lhalofile_t *f, peri_lhalo_t *out, peri_err_t *err);

#endif
