/* link.h - who becomes whom: links halos of successive snapshots by the particles that
 * they share.
 *
 * The descendant of a halo is the halo of the next snapshot that has most of its
 * particles, by their weights; if the next one has none of them, the snapshot after that
 * is asked (the halo was too small, or hidden in a larger one, for one snapshot: its link
 * then skips it). Equal weights: the lower halo number. Weights are whole numbers, so
 * sums are exact and the links the same for any number of ranks.
 *
 * Particles are dealt to ranks by their ids. Two earlier snapshots are kept, 24 bytes a
 * particle that is in a halo; while one is added, twice that for the new one. Halos are
 * kept of all snapshots, 176 bytes each.
 *
 * All calls are collective; an error of one rank is one of all.
 */
#ifndef MPI_TREE_LINK_H
#define MPI_TREE_LINK_H

#include <mpi.h>

#include "mpi/tree/halo.h"
#include "perigee/err.h"

typedef struct {
    int64_t id;     /* of the particle, the bits of an unsigned one */
    int64_t halo;   /* number of its halo in the snapshot: 0 to 2^40 - 1 */
    int64_t weight; /* 1, or see peri_bound_weight */
} peri_member_t;

typedef struct peri_linker peri_linker_t;

peri_linker_t *peri_linker_new(MPI_Comm comm); /* local; keeps the communicator */
void peri_linker_free(peri_linker_t *l);       /* local; accepts NULL */

/* The next snapshot in time, with a larger number. Halos and members may be on any rank.
 * A halo's `subhalo` is its number; its snapnum, tree, key and links are set here. */
int peri_linker_add(peri_linker_t *l, int snapnum, const peri_treehalo_t *halos,
                    size_t nhalos, const peri_member_t *members, size_t nmembers,
                    peri_err_t *err);

/* All halos with their descendants as keys, spread over the ranks, the caller's to free:
 * ready for peri_forest_make. Trees are numbered by their roots, the last snapshot first,
 * then by halo number. Each halo is a group of its own. */
int peri_linker_finish(peri_linker_t *l, peri_treehalo_t **halos, size_t *n,
                       peri_err_t *err);

/* Weight of the particle that is number `rank` (from 0) of its halo, ordered by binding
 * energy: proportional to 1 / (1 + sqrt(rank)) for the first `tracers` ones, 0 for others
 * (GADGET-4 takes 16; Springel et al. 2021). */
int64_t peri_bound_weight(int64_t rank, int64_t tracers);

#endif
