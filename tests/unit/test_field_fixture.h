/* test_field_fixture.h - points that are the same everywhere, dealt out to the ranks. */
#ifndef TEST_FIELD_FIXTURE_H
#define TEST_FIELD_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "perigee/field.h"
#include "tests/unit/ranks.h"

static uint64_t seed;

static inline double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

/* Nearly a normal deviate; exact enough for variances. */
static inline double normal(void)
{
    double u = uniform(), v = uniform();
    return sqrt(-2 * log(u + 1e-300)) * cos(2 * M_PI * v);
}

typedef struct {
    size_t n;
    double *x[3], *w;
} points_t;

static inline points_t points_new(size_t n)
{
    points_t p = {.n = n, .w = peri_xmalloc((n + 1) * sizeof(double))};
    for (int k = 0; k < 3; k++) p.x[k] = peri_xmalloc((n + 1) * sizeof(double));
    return p;
}

static inline void points_free(points_t *p)
{
    for (int k = 0; k < 3; k++) free(p->x[k]);
    free(p->w);
}

/* All of them, on one rank. */
static inline peri_points_t whole(const points_t *p)
{
    return (peri_points_t){p->n, p->x[0], p->x[1], p->x[2], p->w};
}

/* This rank's part of them. */
static inline peri_points_t part(const points_t *p)
{
    size_t from = p->n * (size_t)rank / (size_t)nranks;
    size_t to = p->n * (size_t)(rank + 1) / (size_t)nranks;
    return (peri_points_t){to - from, p->x[0] + from, p->x[1] + from, p->x[2] + from,
                           p->w + from};
}

static inline void begin(int *argc, char ***argv)
{
    MPI_Init(argc, argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
}

#endif
