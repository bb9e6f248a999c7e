/* fof_sums.h - sums over a group's particles that do not depend on their order.
 *
 * Positions and velocities are relative to those of the group's first particle; sums are
 * in fixed point (fixed.h).
 */
#ifndef MPI_HALO_FOF_SUMS_H
#define MPI_HALO_FOF_SUMS_H

#include "mpi/halo/fof.h"

typedef struct {
    double x[3], v[3];
} peri_fof_origin_t;

typedef struct {
    __int128 mass, mx[3], mx2, mv[3], mv2;
} peri_fof_sums_t;

/* Factors that make integers of terms: powers of 2, the same on all ranks. */
typedef struct {
    double mass, length;
    double x, v;   /* of mass * length, mass * velocity */
    double x2, v2; /* of mass * their squares */
} peri_fof_scales_t;

/* Collective. */
int peri_fof_scales(const peri_particles_t *p, peri_fof_scales_t *scales, MPI_Comm comm,
                    peri_err_t *err);
/* From the first particle to particle i, the shorter way. */
void peri_fof_offset(const peri_particles_t *p, size_t i, const peri_fof_origin_t *origin,
                     double offset[3]);
void peri_fof_sums_add_particle(peri_fof_sums_t *s, const peri_particles_t *p, size_t i,
                                const peri_fof_origin_t *origin,
                                const peri_fof_scales_t *scales);
void peri_fof_sums_add(peri_fof_sums_t *into, const peri_fof_sums_t *from);
/* The place at `offset` from the first particle, in the box. */
void peri_fof_place(const peri_particles_t *p, const peri_fof_origin_t *origin,
                    const double offset[3], double place[3]);
/* All but number, np, first_id; position is the centre, which is at offset. */
void peri_fof_sums_group(const peri_fof_sums_t *s, const peri_particles_t *p,
                         const peri_fof_origin_t *origin, const peri_fof_scales_t *scales,
                         peri_fof_group_t *group, double offset[3]);

#endif
