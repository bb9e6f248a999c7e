/* drift.h - the steps in time, and the factors by which they move particles.
 *
 * A step is kick, drift, kick (leapfrog). Its factors are those of FastPM (Feng, Chu,
 * Seljak & McDonald 2016, MNRAS 463, 2273): a particle that moves by linear theory stays
 * on its path exactly, however long the step, and short steps become the usual integrals
 * of dt / a and dt / a^2.
 */
#ifndef UNIVERSE_DRIFT_H
#define UNIVERSE_DRIFT_H

#include "examples/universe/growth.h"
#include "examples/universe/particles.h"

/* Step i goes from a[i] to a[i + 1]; after step i, snapshot[i + 1] is the number of the
 * snapshot that is due, or -1. */
typedef struct {
    int steps;
    double *a;
    int *snapshot;
} schedule_t;

/* At least `steps` steps from `start` to the last of n growing scale factors, each of
 * which ends one. They are even in the square root of a: short in comparison with the
 * age of the universe when structures are many. */
schedule_t schedule_new(double start, const double *outputs, int n, int steps);
void schedule_free(schedule_t *s);
/* The moment within step i at which the kick of its first half ends. */
double schedule_middle(const schedule_t *s, int i);

/* For mesh_kick: momentum from `from` to `to` by the potential of `at`. */
double kick_factor(const growth_table_t *t, double from, double to, double at);
/* x += p * factor: from `from` to `to` with the momentum of `at`. */
double drift_factor(const growth_table_t *t, double from, double to, double at);
void drift_particles(particles_t *s, double factor, double box);

#endif
