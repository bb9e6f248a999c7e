/* particles.h - the particles of a rank: those that grid_cell puts into its planes. */
#ifndef UNIVERSE_PARTICLES_H
#define UNIVERSE_PARTICLES_H

#include <stddef.h>
#include <stdint.h>

#include "examples/universe/grid.h"

typedef struct {
    double x[3]; /* comoving, in Mpc/h, from 0 to the box */
    double p[3]; /* a^2 dx/dt, in km/s */
    uint64_t id; /* from 1, in the order of the lattice they came from */
} particle_t;

typedef struct {
    particle_t *at;
    size_t count, room;
} particles_t;

void particles_free(particles_t *s); /* leaves it empty */

/* Back into the box, whichever side they left it. */
void particles_wrap(particles_t *s, double box);
/* Each to the rank that has its plane. Collective. */
void particles_exchange(particles_t *s, const grid_t *g, double box);
/* Along a Peano-Hilbert curve through 2^bits cells a side: neighbours in the list are
 * neighbours in space. */
void particles_sort(particles_t *s, double box, int bits);

/* The place of a cell on the curve; x, y, z below 2^bits, bits up to 21. */
uint64_t hilbert_key(uint32_t x, uint32_t y, uint32_t z, int bits);

#endif
