/* distance.h - comoving distance and redshift in a Friedmann universe of matter, a
 * cosmological constant and, if these do not add up to 1, curvature.
 *
 * E(z)^2 = Om (1 + z)^3 + Ok (1 + z)^2 + Ol, and D(z) = c / H0 times the integral of
 * dz / E along the line of sight. Radiation is left out. Relative errors are below 1e-12.
 */
#ifndef MPI_AROUND_DISTANCE_H
#define MPI_AROUND_DISTANCE_H

#include "perigee/err.h"

#define PERI_LIGHT 299792.458 /* km/s */

typedef struct peri_distances peri_distances_t;

/* For redshifts from 0 to z_max; `hubble_length` is c / H0 in the unit of distances. */
peri_distances_t *peri_distances_new(double omega_m, double omega_lambda,
                                     double hubble_length, double z_max, peri_err_t *err);
void peri_distances_free(peri_distances_t *t);
/* NAN outside of the range. */
double peri_distance_of(const peri_distances_t *t, double z);
double peri_redshift_of(const peri_distances_t *t, double distance);

/* E(z). */
double peri_expansion(double omega_m, double omega_lambda, double z);

/* c / H0 in this unit of length, comoving or not: "cMpc/h", "ckpc/h", "Mpc". h is the
 * Hubble constant in 100 km/s/Mpc, and is not needed for units with /h. NAN: not known.
 */
double peri_hubble_length(const char *unit, double h);
/* Newton's constant, so that a velocity in km/s is sqrt(it * mass / length). */
double peri_gravity(const char *length, const char *mass, double h);

#endif
