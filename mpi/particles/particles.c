/* particles.c - the arrays of particles: making, growing, checking.
 *
 * Invariant: every array that `has` names has room for `capacity` elements, the others
 * are NULL. Indices within a rank are 32 bits wide.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/particles/private.h"

/* Positions of single precision may be rounded this much over the border, relative to the
 * side. */
#define ROUNDING 0x1p-22

peri_particles_t *peri_particles_new(unsigned has, const double *box)
{
    peri_particles_t *p = calloc(1, sizeof(*p));
    if (!p) return NULL;
    p->p = calloc(1, sizeof(*p->p));
    if (!p->p) {
        free(p);
        return NULL;
    }
    p->has = has;
    if (box) {
        p->periodic = 1;
        memcpy(p->box, box, sizeof(p->box));
        memcpy(p->region.hi, box, sizeof(p->box));
    }
    return p;
}

size_t peri_particles_arrays(peri_particles_t *p, void **arrays[PERI_ARRAYS_MAX])
{
    size_t n = 0;
    arrays[n++] = (void **)&p->x;
    arrays[n++] = (void **)&p->y;
    arrays[n++] = (void **)&p->z;
    if (p->has & PERI_HAS_ID) arrays[n++] = (void **)&p->id;
    if (p->has & PERI_HAS_VELOCITY) {
        arrays[n++] = (void **)&p->vx;
        arrays[n++] = (void **)&p->vy;
        arrays[n++] = (void **)&p->vz;
    }
    if (p->has & PERI_HAS_MASS) arrays[n++] = (void **)&p->mass;
    if (p->has & PERI_HAS_WEIGHT) arrays[n++] = (void **)&p->weight;
    return n;
}

void peri_particles_drop_ghosts(peri_particles_t *p)
{
    p->nghosts = 0;
    p->ghost_width = 0;
    peri_traffic_free(p->p->traffic);
    p->p->traffic = NULL;
    free(p->p->sent_index);
    p->p->sent_index = NULL;
    free(p->p->ghost_index);
    p->p->ghost_index = NULL;
    free(p->p->ghost_shift);
    p->p->ghost_shift = NULL;
}

void peri_particles_free(peri_particles_t *p)
{
    if (!p) return;
    void **arrays[PERI_ARRAYS_MAX];
    size_t narrays = peri_particles_arrays(p, arrays);
    for (size_t a = 0; a < narrays; a++) free(*arrays[a]);
    peri_particles_drop_ghosts(p);
    free(p->p->regions);
    free(p->p->cuts);
    free(p->p);
    free(p);
}

static int no_room(size_t n, peri_err_t *err)
{
    return peri_err_set(err, PERI_ELIMIT,
                        "there is no memory for %zu particles on one rank: use more "
                        "ranks, or more nodes",
                        n);
}

int peri_particles_reserve(peri_particles_t *p, size_t capacity, peri_err_t *err)
{
    if (capacity <= p->p->capacity && p->x) return 0;
    if (capacity > UINT32_MAX) return no_room(capacity, err);
    void **arrays[PERI_ARRAYS_MAX];
    size_t narrays = peri_particles_arrays(p, arrays);
    for (size_t a = 0; a < narrays; a++) {
        /* Those that have grown already stay larger: harmless. */
        void *more = realloc(*arrays[a], larger(capacity, 1) * 8);
        if (!more) return no_room(capacity, err);
        *arrays[a] = more;
    }
    p->p->capacity = capacity;
    return 0;
}

int peri_particles_resize(peri_particles_t *p, size_t n, peri_err_t *err)
{
    if (peri_particles_reserve(p, n, err)) return -1;
    peri_particles_drop_ghosts(p);
    p->n = n;
    return 0;
}

int peri_particles_add(peri_particles_t *p, unsigned has, peri_err_t *err)
{
    peri_particles_t with = {.has = has & ~p->has};
    void **all[PERI_ARRAYS_MAX];
    size_t narrays = peri_particles_arrays(&with, all);
    for (size_t a = 3; a < narrays; a++) {
        *all[a] = calloc(larger(p->p->capacity, 1), 8);
        if (!*all[a]) {
            while (a-- > 3) free(*all[a]);
            return no_room(p->p->capacity, err);
        }
    }
    if (with.id) p->id = with.id;
    if (with.mass) p->mass = with.mass;
    if (with.weight) p->weight = with.weight;
    if (with.vx) {
        p->vx = with.vx;
        p->vy = with.vy;
        p->vz = with.vz;
    }
    p->has |= has;
    return 0;
}

uint64_t peri_particles_total(const peri_particles_t *p, MPI_Comm comm)
{
    uint64_t n = p->n, all;
    MPI_Allreduce(&n, &all, 1, MPI_UINT64_T, MPI_SUM, comm);
    return all;
}

/* ---- checks ---- */

enum { NO_POSITION, OUTSIDE, NO_MASS, NO_WEIGHT, NFAULTS };

typedef struct {
    uint64_t count[NFAULTS];
    size_t first[NFAULTS];
} faults_t;

static void count_fault(faults_t *f, int what, size_t i)
{
    if (!f->count[what]++) f->first[what] = i;
}

/* 0 in the box (perhaps after wrapping), else -1. */
static int wrap(double *x, double box)
{
    if (*x >= 0 && *x < box) return 0;
    if (*x < -box * ROUNDING || *x > box * (1 + ROUNDING)) return -1;
    *x = *x < 0 ? *x + box : *x - box;
    if (*x >= box) *x = 0;
    return 0;
}

static void find_faults(peri_particles_t *p, faults_t *f)
{
    for (size_t i = 0; i < p->n; i++) {
        double sum = p->x[i] + p->y[i] + p->z[i];
        if (!isfinite(sum) &&
            !(isfinite(p->x[i]) && isfinite(p->y[i]) && isfinite(p->z[i])))
            count_fault(f, NO_POSITION, i);
        else if (p->periodic && (wrap(&p->x[i], p->box[0]) | wrap(&p->y[i], p->box[1]) |
                                 wrap(&p->z[i], p->box[2])))
            count_fault(f, OUTSIDE, i);
    }
    for (size_t i = 0; p->mass && i < p->n; i++)
        if (!isfinite(p->mass[i])) count_fault(f, NO_MASS, i);
    for (size_t i = 0; p->weight && i < p->n; i++)
        if (!isfinite(p->weight[i])) count_fault(f, NO_WEIGHT, i);
}

/* The sentence for a fault that all ranks together have `count` times and this rank
 * first at particle i. */
static int tell_fault(const peri_particles_t *p, int what, uint64_t count, uint64_t total,
                      size_t i, peri_err_t *err)
{
    const char *of = count == 1 ? "particles has" : "particles have";
    if (what == NO_POSITION)
        return peri_err_set(err, PERI_EINVAL,
                            "%llu of %llu %s a position that is not finite, for "
                            "example (%g, %g, %g): leave them out with `filter`",
                            (unsigned long long)count, (unsigned long long)total, of,
                            p->x[i], p->y[i], p->z[i]);
    if (what == OUTSIDE)
        return peri_err_set(err, PERI_EINVAL,
                            "%llu of %llu %s a position outside of the periodic box of "
                            "%g x %g x %g, for example (%g, %g, %g): is `box` given in "
                            "the unit of the positions?",
                            (unsigned long long)count, (unsigned long long)total, of,
                            p->box[0], p->box[1], p->box[2], p->x[i], p->y[i], p->z[i]);
    double value = what == NO_MASS ? p->mass[i] : p->weight[i];
    return peri_err_set(err, PERI_EINVAL,
                        "%llu of %llu %s a %s that is not finite, for example %g: leave "
                        "them out with `filter`",
                        (unsigned long long)count, (unsigned long long)total, of,
                        what == NO_MASS ? "mass" : "weight", value);
}

int peri_particles_check(peri_particles_t *p, MPI_Comm comm, peri_err_t *err)
{
    for (int k = 0; p->periodic && k < 3; k++)
        if (!(p->box[k] > 0) || !isfinite(p->box[k]))
            return peri_err_set(err, PERI_EINVAL,
                                "the sides of the periodic box must be positive "
                                "numbers, but they are %g, %g and %g: give `box`",
                                p->box[0], p->box[1], p->box[2]);
    faults_t f = {0};
    find_faults(p, &f);
    uint64_t mine[NFAULTS + 1], all[NFAULTS + 1];
    memcpy(mine, f.count, sizeof(f.count));
    mine[NFAULTS] = p->n;
    MPI_Allreduce(mine, all, NFAULTS + 1, MPI_UINT64_T, MPI_SUM, comm);
    for (int what = 0; what < NFAULTS; what++) {
        if (!all[what]) continue;
        int rc = mine[what]
                     ? tell_fault(p, what, all[what], all[NFAULTS], f.first[what], err)
                     : 0;
        return peri_ranks_agree(rc, comm, err);
    }
    return 0;
}
