/* private.h - what the files of this folder share and nobody else sees.
 *
 * All arrays of particles have elements of 8 bytes, so moving them needs no types.
 */
#ifndef MPI_PARTICLES_PRIVATE_H
#define MPI_PARTICLES_PRIVATE_H

#include "perigee/particles.h"

enum { PERI_ARRAYS_MAX = 9 };

/* A cut of the bisection: below it goes on at child[0], from it on at child[1]. A child
 * is the number of another cut or, if negative, ~rank. */
typedef struct {
    int axis;
    int child[2];
    double at;
} peri_cut_t;

/* Who sends how much to whom: fixed once, then used for many arrays. */
typedef struct {
    MPI_Comm comm;
    int nranks, rank;
    size_t *sent_start, *got_start; /* [nranks + 1], in items */
    MPI_Request *requests;          /* [2 * nranks] */
} peri_traffic_t;

struct peri_particles_private {
    size_t capacity;
    int nranks;             /* 0: not decomposed */
    peri_region_t *regions; /* of all ranks */
    peri_cut_t *cuts;       /* nranks - 1, the first is the root */
    /* Ghosts: traffic is NULL if there are none on any rank. */
    peri_traffic_t *traffic;
    uint32_t *sent_index;  /* own particles that were sent, by rank */
    uint32_t *ghost_index; /* where the ghosts are on their ranks */
    signed char (*ghost_shift)[3];
};

/* The arrays that p has, x first, in an order in which they decide ties; returns how
 * many. */
size_t peri_particles_arrays(peri_particles_t *p, void **arrays[PERI_ARRAYS_MAX]);
int peri_particles_reserve(peri_particles_t *p, size_t capacity, peri_err_t *err);
void peri_particles_drop_ghosts(peri_particles_t *p);

/* The most bytes of one message; a variable only for tests. */
extern size_t peri_traffic_piece;
/* Collective. counts: items for each rank. */
peri_traffic_t *peri_traffic_new(const size_t *counts, MPI_Comm comm, peri_err_t *err);
void peri_traffic_free(peri_traffic_t *t);
size_t peri_traffic_sent(const peri_traffic_t *t); /* items, in all */
size_t peri_traffic_got(const peri_traffic_t *t);
/* Collective: items of `size` bytes, in rank order on both sides. */
void peri_traffic_send(peri_traffic_t *t, const void *from, void *to, size_t size);
/* The other way: from who got to who sent. */
void peri_traffic_back(peri_traffic_t *t, const void *from, void *to, size_t size);

/* Collective. Sets p's regions and cuts for this many ranks; rank_of[i] is where own
 * particle i belongs. */
int peri_domain_cut(peri_particles_t *p, int *rank_of, MPI_Comm comm, peri_err_t *err);

/* Local. Sort own particles along the curve through p->region. */
int peri_particles_order(peri_particles_t *p, peri_err_t *err);

/* Counts the time since then (MPI_Wtime) as spent in messages. */
void peri_waited_since(double start);

/* The square of the distance between two boxes. */
static inline double gap2(const double alo[3], const double ahi[3], const double blo[3],
                          const double bhi[3])
{
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        double gap = alo[k] > bhi[k] ? alo[k] - bhi[k] : blo[k] - ahi[k];
        if (gap > 0) sum += gap * gap;
    }
    return sum;
}

static inline size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
