/* test_around_fixture.h - particles that every rank can make anew, dealt out to ranks. */
#ifndef TEST_AROUND_FIXTURE_H
#define TEST_AROUND_FIXTURE_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perigee/particles.h"

#define CHECK(cond)                                                                      \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            fprintf(stderr, "rank %d of %d: %s:%d: %s (%s)\n", rank, nranks, __FILE__,   \
                    __LINE__, #cond, err.text);                                          \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                \
        }                                                                                \
    } while (0)

#define COMM MPI_COMM_WORLD
#define ALL  (PERI_HAS_ID | PERI_HAS_MASS | PERI_HAS_VELOCITY)

static int rank, nranks;
static peri_err_t err;
static uint64_t seed;

static inline double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = seed;
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    return (double)(x >> 11) * 0x1p-53;
}

/* All of a set, on every rank. */
typedef struct {
    size_t n;
    double (*x)[3], (*v)[3], *mass;
    double box[3];
    bool periodic;
} set_t;

static inline set_t set_new(size_t n, double side, bool periodic)
{
    set_t s = {.n = n, .periodic = periodic, .box = {side, side, side}};
    s.x = calloc(n + 1, sizeof(*s.x));
    s.v = calloc(n + 1, sizeof(*s.v));
    s.mass = calloc(n + 1, sizeof(*s.mass));
    for (size_t i = 0; i < n; i++) {
        s.mass[i] = 1;
        for (int k = 0; k < 3; k++) s.x[i][k] = uniform() * side;
    }
    return s;
}

static inline void set_free(set_t *s)
{
    free(s->x);
    free(s->v);
    free(s->mass);
}

/* Those of this rank; `parts` ranks get some. */
static inline peri_particles_t *deal(const set_t *s, unsigned has, int parts)
{
    peri_particles_t *p = peri_particles_new(has, s->periodic ? s->box : NULL);
    size_t n = 0;
    CHECK(p && peri_particles_resize(p, s->n, &err) == 0);
    for (size_t i = 0; i < s->n; i++) {
        if ((int)(i * 7 % (size_t)parts) != rank) continue;
        p->x[n] = s->x[i][0];
        p->y[n] = s->x[i][1];
        p->z[n] = s->x[i][2];
        if (p->vx) p->vx[n] = s->v[i][0], p->vy[n] = s->v[i][1], p->vz[n] = s->v[i][2];
        if (p->mass) p->mass[n] = s->mass[i];
        if (p->id) p->id[n] = (int64_t)i;
        n++;
    }
    CHECK(peri_particles_resize(p, n, &err) == 0);
    return p;
}

/* Everything of all ranks on rank 0, in rank order; NULL elsewhere. */
static inline void *gather(const void *items, size_t size, size_t n, size_t *all)
{
    int *dest = calloc(n + 1, sizeof(*dest));
    void *out;
    CHECK(peri_items_exchange(items, size, n, dest, COMM, &out, all, &err) == 0);
    free(dest);
    return out;
}

static inline void fixture_begin(int *argc, char ***argv)
{
    int level;
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
}

#endif
