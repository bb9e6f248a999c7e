/* lpt.h - particles of the young universe: a lattice, displaced by Lagrangian
 * perturbation theory of first and second order from a random density field. */
#ifndef UNIVERSE_LPT_H
#define UNIVERSE_LPT_H

#include <stdbool.h>

#include "examples/universe/growth.h"
#include "examples/universe/particles.h"
#include "examples/universe/power.h"

typedef struct {
    int side; /* particles */
    double box;
    uint64_t seed;
    bool fixed_amplitude; /* every wave as strong as the spectrum says */
} lpt_params_t;

/* A linear density field on the lattice's grid, in wave space, with <|delta|^2> =
 * P(k) / box^3. Collective. */
void lpt_random_field(const grid_t *g, const lpt_params_t *params, const power_t *power,
                      double *delta);

/* Particles that the linear field of today, delta in wave space, gives with this growth.
 * They are in the box, but on the ranks that have their lattice planes. Collective. */
void lpt_displace(const grid_t *g, const lpt_params_t *params, const double *delta,
                  growth_t growth, particles_t *out);

#endif
