/* so.h - spherical-overdensity masses and radii around given centres.
 *
 * R is the radius of the sphere around a centre within which the mean density is a given
 * one, M the mass of all particles in it: M = 4/3 pi R^3 density. Distances go through
 * the border of a periodic box.
 *
 * Which radius, if there are several: densities are looked at at radii that grow by
 * 2^(1/3) from that of min_particles particles of average mass at this density. Between
 * the first of them with less density and the one before, it is the outermost. Less at
 * the first already: there is no halo (or none that is resolved), M = R = 0. Not less up
 * to half of the box: NAN.
 */
#ifndef MPI_HALO_SO_H
#define MPI_HALO_SO_H

#include "mpi/halo/progress.h"
#include "perigee/particles.h"

enum { PERI_SO_MAX = 16 };

typedef struct {
    size_t ndensities; /* up to PERI_SO_MAX */
    double densities[PERI_SO_MAX];
    uint64_t min_particles;
} peri_so_options_t;

/* Seconds of this rank. */
typedef struct {
    double decompose, search, communication;
} peri_so_times_t;

/* Collective. mass and radius have room for centres->n * ndensities: those of centre i
 * start at i * ndensities. Decomposes p, which needs positive masses (or none: 1 each);
 * centres stay on their ranks and get p's box. times and progress may be NULL. The same
 * bits for any number of ranks. */
int peri_so_find(peri_particles_t *p, peri_particles_t *centres,
                 const peri_so_options_t *options, double *mass, double *radius,
                 peri_so_times_t *times, peri_halo_progress_f progress, void *arg,
                 MPI_Comm comm, peri_err_t *err);

/* Collective: mass of all particles (1 each without masses), the same bits for any number
 * of ranks. */
double peri_so_total_mass(const peri_particles_t *p, MPI_Comm comm);

/* ---- which densities ---- */

/* What an overdensity is relative to. */
typedef struct {
    double mean;         /* density of all matter */
    double omega_m;      /* today; NAN: unknown */
    double omega_lambda; /* NAN: 1 - omega_m */
    double redshift;     /* NAN: unknown */
} peri_so_cosmology_t;

/* "200c" (times the critical density), "200m" (times the mean), "vir" (Bryan & Norman
 * 1998): the density in the units of the mean. */
int peri_so_density(const char *name, const peri_so_cosmology_t *cosmology,
                    double *density, peri_err_t *err);

/* Omega_m at this redshift. */
double peri_so_omega_at(const peri_so_cosmology_t *cosmology);

#endif
