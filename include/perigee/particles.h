/* perigee/particles.h - particles (or halos, galaxies: anything with a position) spread
 * over the ranks of a communicator, in a periodic box or in open space.
 *
 * A rank first has the particles that it has read. peri_particles_decompose moves them,
 * so that each rank owns the particles of one box of space, about equally many;
 * peri_particles_ghosts then adds copies of those of other ranks (and of periodic images)
 * that are nearer to its own region than a width. Ghosts have positions already shifted
 * by the box: with them, nothing needs a minimum image.
 *
 * Arrays: entries [0, n) are this rank's own particles, [n, n + nghosts) the ghosts. An
 * index into them is good on this rank only, until the next call that moves particles.
 *
 * Everything here is collective over the communicator and ends on all ranks with the same
 * result: an error of one rank is an error of all, with its text.
 */
#ifndef PERIGEE_PARTICLES_H
#define PERIGEE_PARTICLES_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What each particle has besides its position. */
enum {
    PERI_HAS_VELOCITY = 1, /* peculiar, in the unit of the input, usually km/s */
    PERI_HAS_MASS = 2,
    PERI_HAS_ID = 4,
    PERI_HAS_WEIGHT = 8
};

typedef struct {
    double lo[3], hi[3]; /* lo <= position < hi */
} peri_region_t;

typedef struct peri_particles {
    size_t n, nghosts;
    double *x, *y, *z;    /* in [0, box) if periodic; ghosts may lie outside */
    double *vx, *vy, *vz; /* NULL without PERI_HAS_VELOCITY */
    double *mass;         /* NULL without PERI_HAS_MASS */
    int64_t *id;          /* NULL without PERI_HAS_ID; the bits of an unsigned one */
    double *weight;       /* NULL without PERI_HAS_WEIGHT */
    unsigned has;
    int periodic; /* 0: open space */
    double
        box[3]; /* side lengths; in open space the extent of the data, after _decompose */

    peri_region_t region; /* of this rank, after _decompose */
    double ghost_width;   /* 0: no ghosts */
    struct peri_particles_private *p;
} peri_particles_t;

/* No particles yet. box: three side lengths for a periodic box, NULL for open space.
 * Local. */
peri_particles_t *peri_particles_new(unsigned has, const double *box);
void peri_particles_free(peri_particles_t *p); /* accepts NULL */
/* Room for n own particles (ghosts are dropped), old ones kept. Local. */
int peri_particles_resize(peri_particles_t *p, size_t n, peri_err_t *err);
/* Arrays for what the particles do not have yet, filled with zeros. Local. */
int peri_particles_add(peri_particles_t *p, unsigned has, peri_err_t *err);

uint64_t peri_particles_total(const peri_particles_t *p, MPI_Comm comm); /* own, all */

/* Positions are finite, and inside the box if there is one; positions exactly on the
 * upper border (rounding of single precision) are wrapped to 0. Masses and weights are
 * finite. */
int peri_particles_check(peri_particles_t *p, MPI_Comm comm, peri_err_t *err);

/* Give every rank a region of space and the particles in it: orthogonal recursive
 * bisection, cut where half of the particles are. Regions of all ranks fill the box (in
 * open space: the smallest one around all particles) without overlap, with any number of
 * ranks; one may be without particles. Checks first, as _check does. Drops ghosts. Own
 * particles come sorted along a space-filling curve, with ties broken by position, id and
 * all else they have, so that the order within a rank does not depend on who read them.
 * At most 2^32 - 1 particles a rank. Needs 32 bytes for each of them meanwhile. */
int peri_particles_decompose(peri_particles_t *p, MPI_Comm comm, peri_err_t *err);

/* Add copies of all particles and periodic images that are nearer than `width` to this
 * rank's region (in straight distance), in the unit of the positions. One particle may
 * come as several images, also of this rank's own. width up to half the shortest side of
 * a periodic box; 0 drops all ghosts. Ghosts come by rank, then shift, then index. */
int peri_particles_ghosts(peri_particles_t *p, double width, MPI_Comm comm,
                          peri_err_t *err);

/* Who owns ghost i (0 <= i < nghosts), as which own particle there, and by which multiple
 * of the box it is shifted (-1, 0, 1 along each axis). */
int peri_ghost_rank(const peri_particles_t *p, size_t i);
size_t peri_ghost_index(const peri_particles_t *p, size_t i);
const signed char *peri_ghost_shift(const peri_particles_t *p, size_t i);

/* values has n + nghosts elements of `size` bytes, in the order of the particles: the
 * owners' values are copied to all ghosts of them. */
int peri_ghosts_update(const peri_particles_t *p, void *values, size_t size,
                       MPI_Comm comm, peri_err_t *err);
/* The other way: what ghosts have is combined into the owners' values, one after the
 * other: combine(owner's value, ghost's value). For one owner ghosts come in rank order.
 */
int peri_ghosts_reduce(const peri_particles_t *p, void *values, size_t size,
                       void (*combine)(void *into, const void *from), MPI_Comm comm,
                       peri_err_t *err);

/* The rank whose region holds this position, on every rank (after _decompose). Outside of
 * a periodic box: that of its image inside; outside of open space's: the one that it
 * would have gone to. */
int peri_particles_rank_at(const peri_particles_t *p, const double position[3]);
/* The region of a rank. */
peri_region_t peri_particles_region(const peri_particles_t *p, int rank);

/* Send fixed-size items to ranks: dest[i] is the rank for item i. *received is malloc'd,
 * ordered by source rank, then by the order there. Counts may exceed 2^31. */
int peri_items_exchange(const void *items, size_t size, size_t n, const int *dest,
                        MPI_Comm comm, void **received, size_t *nreceived,
                        peri_err_t *err);

/* An error of some ranks becomes one of all: rc is this rank's 0 or -1 with *err. Returns
 * 0 if all are 0, else -1 on every rank with the text of the lowest rank that failed. */
int peri_ranks_agree(int rc, MPI_Comm comm, peri_err_t *err);

/* Seconds that this rank has spent in messages of these functions so far, waiting for
 * others included. Local. */
double peri_particles_waited(void);

#ifdef __cplusplus
}
#endif
#endif
