/* mesh.h - gravity on a mesh: the density of particles, its potential, and the pull of
 * that on the particles.
 *
 * The potential solves nabla^2 phi = delta, with delta = density / mean - 1: cosmology is
 * in the factors of drift.h alone.
 */
#ifndef UNIVERSE_MESH_H
#define UNIVERSE_MESH_H

#include "examples/universe/grid.h"
#include "examples/universe/particles.h"

typedef struct mesh mesh_t;

/* Collective. Each rank needs as many planes as a neighbour asks of it. */
mesh_t *mesh_new(MPI_Comm comm, int n, double box, peri_err_t *err);
void mesh_free(mesh_t *m); /* accepts NULL */
const grid_t *mesh_grid(const mesh_t *m);

/* The potential of all particles of all ranks, each of which lies in its rank's planes.
 * Collective. */
void mesh_solve(mesh_t *m, const particles_t *s);
/* p -= factor * grad phi */
void mesh_kick(const mesh_t *m, particles_t *s, double factor);

/* Seconds of this rank so far. */
typedef struct {
    double deposit, transform;
} mesh_times_t;
mesh_times_t mesh_times(const mesh_t *m);

#endif
