/* link_private.h - what link.c and roots.c share. */
#ifndef MPI_TREE_LINK_PRIVATE_H
#define MPI_TREE_LINK_PRIVATE_H

#include <stdbool.h>

#include "mpi/tree/link.h"

#define HALO_BITS                                                                        \
    40 /* of a halo's number within its snapshot; the rest is the snapshot */

typedef struct {
    int64_t halo;
    int32_t snapnum; /* -1: none */
    int32_t pad;
} haloref_t;

typedef struct {
    peri_treehalo_t h;
    haloref_t descendant;
} linked_t;

/* Halos of one snapshot among those that this rank owns: [start, start + n), by number.
 */
typedef struct {
    int snapnum;
    size_t start, n;
} snapshot_t;

/* Particles of one snapshot that are this rank's by their ids, by id. */
typedef struct {
    peri_member_t *members;
    size_t n;
} members_t;

struct peri_linker {
    MPI_Comm comm;
    int nranks;
    linked_t *halos;
    size_t nhalos, room;
    snapshot_t *snapshots;
    size_t nsnapshots;
    members_t last[2]; /* of the latest snapshot, of the one before it */
};

/* Who owns a halo, or a particle, by its number. */
int peri_link_owner(const peri_linker_t *l, int64_t number);
/* The halo that this rank owns, or NULL. */
linked_t *peri_link_find(const peri_linker_t *l, const snapshot_t *s, int64_t halo);

#endif
