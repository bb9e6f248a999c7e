/* redshift.h - positions in redshift space. */
#ifndef MPI_FIELD_REDSHIFT_H
#define MPI_FIELD_REDSHIFT_H

#include "perigee/kernel.h"

/* By how much a peculiar velocity of 1 km/s moves a particle, comoving, in the unit of
 * length of the simulation: 1 / (a H(a)), H^2 = H0^2 (Om a^-3 + Ok a^-2 + Ol). Positions
 * are taken as comoving. Fails where redshift, cosmology or units are not known. Local.
 */
int peri_redshift_factor(const peri_simulation_t *sim, double *factor, peri_err_t *err);

#endif
