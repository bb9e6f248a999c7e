/* growth.h - how a flat universe of matter and a cosmological constant expands, and how
 * small perturbations grow in it.
 *
 * Radiation is left out, as in most simulations: at a redshift of 50 it is 1 % of the
 * matter.
 */
#ifndef UNIVERSE_GROWTH_H
#define UNIVERSE_GROWTH_H

/* First and second order growth of displacements, and the growth of the momenta a^2 dx/dt
 * that belong to them, in units of the Hubble constant: momentum = a^3 E(a) dD/da. The
 * first order is 1 today; in an Einstein-de Sitter universe the second is -3/7 of its
 * square. */
typedef struct {
    double first, first_momentum;
    double second, second_momentum;
} growth_t;

typedef struct growth_table growth_table_t;

growth_table_t *growth_new(double omega_m);
void growth_free(growth_table_t *t); /* accepts NULL */
/* For scale factors from 1e-4 to 1. */
growth_t growth_at(const growth_table_t *t, double a);

/* H(a) / H0 */
double expansion_rate(double omega_m, double a);
/* Time from a to today in units of 1/H0. */
double lookback_time(double omega_m, double a);

#endif
