/* fof_private.h - the steps of friends-of-friends. Not for others. */
#ifndef MPI_HALO_FOF_PRIVATE_H
#define MPI_HALO_FOF_PRIVATE_H

#include "mpi/halo/fof.h"
#include "mpi/halo/fof_sums.h"

/* What this rank sees of the groups: pieces, made of own particles and ghosts. */
typedef struct {
    size_t npieces;
    uint32_t *piece_of; /* of each own particle, then of each ghost */
    uint64_t *label;    /* of each piece: the same for all pieces of one group */
    char *open;         /* of each piece: other ranks may have more of its group */
    uint64_t *first;    /* [nranks + 1]: labels of rank r start at first[r] */
} peri_pieces_t;

/* Local: link own particles and ghosts. */
int peri_fof_link(const peri_particles_t *p, double length, peri_pieces_t *pieces,
                  peri_err_t *err);
/* Collective: labels. */
int peri_fof_merge(const peri_particles_t *p, peri_pieces_t *pieces, MPI_Comm comm,
                   peri_err_t *err);
/* ---- groups ---- */

enum { PERI_NO_PART = UINT32_MAX };

/* What one rank has of a group. */
typedef struct {
    uint64_t label;
    int64_t np, first_id;
    peri_fof_origin_t origin; /* the first particle */
    int rank;
    uint32_t piece;
} peri_part_t;

/* A part of a group that is large enough, and where the group's owner keeps it. */
typedef struct {
    uint32_t piece, slot;
    peri_fof_origin_t origin;
} peri_kept_t;

typedef struct {
    peri_fof_group_t group;
    peri_fof_origin_t origin;
    double offset[3]; /* from the origin to the centre of mass */
    int rank;         /* the owner */
    uint32_t slot;
} peri_owned_t;

/* The groups on their way from pieces to the result. */
typedef struct {
    const peri_particles_t *p;
    const peri_fof_options_t *options;
    const peri_pieces_t *pieces;
    int rank, nranks;
    MPI_Comm comm;

    /* as an owner */
    peri_part_t *found; /* all open parts of its groups, by label */
    size_t nfound;
    uint32_t *found_slot; /* [nfound]: of the group, or PERI_NO_PART if it is too small */
    peri_owned_t *groups; /* by slot; closed ones first */
    size_t ngroups;
    peri_fof_scales_t scales; /* of sums */

    /* as one that has parts */
    uint32_t *part_of; /* [npieces]: number of the part, or PERI_NO_PART */
    peri_kept_t *parts;
    int *part_rank;         /* [nparts]: the owner */
    size_t nparts, nclosed; /* closed ones first; their numbers are their slots */
} peri_collect_t;

/* Collective: which groups there are. */
int peri_fof_find_groups(peri_collect_t *c, peri_err_t *err);
/* Collective: what they are like, as far as sums over their particles say. */
int peri_fof_sum_groups(peri_collect_t *c, peri_err_t *err);
/* Collective: where they are densest. */
int peri_fof_find_peaks(peri_collect_t *c, peri_err_t *err);
/* Collective: order and numbers over all ranks, into the result; with members if they are
 * wanted. */
int peri_fof_number_groups(peri_collect_t *c, peri_fof_t *result, peri_err_t *err);
void peri_collect_clear(peri_collect_t *c);
int peri_collect_no_memory(peri_err_t *err);

#endif
