/* fof_sums.c - see fof_sums.h. */
#include "mpi/halo/fof_sums.h"

#include <math.h>
#include <string.h>

#include "mpi/halo/fixed.h"

static double most(const double *values, size_t n, double so_far)
{
    for (size_t i = 0; values && i < n; i++) {
        double a = fabs(values[i]);
        if (!(a <= so_far)) so_far = a; /* so NAN stays */
    }
    return so_far;
}

int peri_fof_scales(const peri_particles_t *p, peri_fof_scales_t *scales, MPI_Comm comm,
                    peri_err_t *err)
{
    /* largest mass and velocity, number of bad masses and velocities */
    double all[4] = {p->mass ? 0 : 1, 0, 0, 0};
    all[0] = most(p->mass, p->n, all[0]);
    all[1] = most(p->vx, p->n, most(p->vy, p->n, most(p->vz, p->n, 0)));
    for (size_t i = 0; p->mass && i < p->n; i++) all[2] += !(p->mass[i] > 0);
    for (size_t i = 0; p->vx && i < p->n; i++)
        all[3] += !isfinite(p->vx[i] + p->vy[i] + p->vz[i]);
    MPI_Allreduce(MPI_IN_PLACE, all, 2, MPI_DOUBLE, MPI_MAX, comm);
    MPI_Allreduce(MPI_IN_PLACE, all + 2, 2, MPI_DOUBLE, MPI_SUM, comm);
    if (all[2] > 0)
        return peri_err_set(
            err, PERI_EINVAL,
            "%.0f particles have a mass of 0 or less: leave them out with "
            "`filter`",
            all[2]);
    if (all[3] > 0)
        return peri_err_set(err, PERI_EINVAL,
                            "%.0f particles have a velocity that is not finite: leave "
                            "them out with `filter`",
                            all[3]);
    double length = fmax(p->box[0], fmax(p->box[1], p->box[2])), speed = 2 * all[1];
    *scales = (peri_fof_scales_t){.mass = fixed_scale(all[0]),
                                  .length = fixed_scale(length),
                                  .x = fixed_scale(all[0] * length),
                                  .v = fixed_scale(all[0] * speed),
                                  .x2 = fixed_scale(all[0] * 3 * length * length),
                                  .v2 = fixed_scale(all[0] * 3 * speed * speed)};
    return 0;
}

/* The shorter way, through the border if need be. */
static double shortest(const peri_particles_t *p, int axis, double d)
{
    if (!p->periodic) return d;
    if (d > p->box[axis] / 2) return d - p->box[axis];
    return d < -p->box[axis] / 2 ? d + p->box[axis] : d;
}

void peri_fof_offset(const peri_particles_t *p, size_t i, const peri_fof_origin_t *origin,
                     double offset[3])
{
    offset[0] = shortest(p, 0, p->x[i] - origin->x[0]);
    offset[1] = shortest(p, 1, p->y[i] - origin->x[1]);
    offset[2] = shortest(p, 2, p->z[i] - origin->x[2]);
}

void peri_fof_place(const peri_particles_t *p, const peri_fof_origin_t *origin,
                    const double offset[3], double place[3])
{
    for (int k = 0; k < 3; k++) {
        double at = origin->x[k] + offset[k];
        if (p->periodic && at < 0) at += p->box[k];
        if (p->periodic && at >= p->box[k]) at -= p->box[k];
        place[k] = at;
    }
}

void peri_fof_sums_add_particle(peri_fof_sums_t *s, const peri_particles_t *p, size_t i,
                                const peri_fof_origin_t *origin,
                                const peri_fof_scales_t *scales)
{
    const double mass = p->mass ? p->mass[i] : 1;
    double x[3], x2 = 0;
    peri_fof_offset(p, i, origin, x);
    for (int k = 0; k < 3; k++) {
        x2 += x[k] * x[k];
        s->mx[k] += fixed(mass * x[k] * scales->x);
    }
    s->mass += fixed(mass * scales->mass);
    s->mx2 += fixed(mass * x2 * scales->x2);
    if (!p->vx) return;
    double v[3] = {p->vx[i], p->vy[i], p->vz[i]}, v2 = 0;
    for (int k = 0; k < 3; k++) {
        v[k] -= origin->v[k];
        v2 += v[k] * v[k];
        s->mv[k] += fixed(mass * v[k] * scales->v);
    }
    s->mv2 += fixed(mass * v2 * scales->v2);
}

void peri_fof_sums_add(peri_fof_sums_t *into, const peri_fof_sums_t *from)
{
    into->mass += from->mass;
    into->mx2 += from->mx2;
    into->mv2 += from->mv2;
    for (int k = 0; k < 3; k++) {
        into->mx[k] += from->mx[k];
        into->mv[k] += from->mv[k];
    }
}

void peri_fof_sums_group(const peri_fof_sums_t *s, const peri_particles_t *p,
                         const peri_fof_origin_t *origin, const peri_fof_scales_t *scales,
                         peri_fof_group_t *group, double offset[3])
{
    const double mass = (double)s->mass / scales->mass;
    double x2 = (double)s->mx2 / scales->x2 / mass;
    double v2 = (double)s->mv2 / scales->v2 / mass;
    group->mass = mass;
    for (int k = 0; k < 3; k++) {
        double x = (double)s->mx[k] / scales->x / mass;
        double v = (double)s->mv[k] / scales->v / mass;
        x2 -= x * x;
        v2 -= v * v;
        offset[k] = x;
        group->velocity[k] = p->vx ? origin->v[k] + v : NAN;
    }
    peri_fof_place(p, origin, offset, group->centre);
    memcpy(group->position, group->centre, sizeof(group->position));
    group->radius = sqrt(fmax(x2, 0));
    group->dispersion = p->vx ? sqrt(fmax(v2, 0) / 3) : NAN;
}
