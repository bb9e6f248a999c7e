/* so_private.h - between those who own centres and those who own particles. */
#ifndef MPI_HALO_SO_PRIVATE_H
#define MPI_HALO_SO_PRIVATE_H

#include "mpi/halo/so.h"

enum { PERI_SO_STEP = 3 }; /* radii that are asked for at a time */

/* The radii r[0] < r[1] < ...; shell k is r[k - 1] < distance <= r[k] (from 0 for k = 0).
 */
typedef struct {
    size_t n;
    double *r;
} peri_so_radii_t;

/* One centre (or a periodic image of it) at one rank. */
typedef struct {
    double x[3];
    uint32_t centre; /* place at its owner's */
    uint32_t shell;  /* the first */
} peri_so_query_t;

typedef struct {
    __int128 mass[PERI_SO_STEP];
    uint64_t np[PERI_SO_STEP];
    uint32_t centre;
} peri_so_shells_t;

/* A particle in a shell of a centre. */
typedef struct {
    double r, mass;
    uint32_t centre, shell;
} peri_so_hit_t;

/* ---- asking ---- */

/* Queries on their way to the ranks of p. */
typedef struct {
    const peri_particles_t *p;
    MPI_Comm comm;
    int nranks;
    peri_so_query_t *queries;
    int *dest;
    size_t n, capacity;
} peri_so_queries_t;

typedef struct {
    int from; /* the rank that asks */
    peri_so_query_t query;
} peri_so_asked_t;

/* The query, for all ranks and periodic images that may have anything with
 * inner < distance <= outer. Local. */
int peri_so_queries_add(peri_so_queries_t *s, const peri_so_query_t *query, double inner,
                        double outer, peri_err_t *err);
/* Collective: sends all, forgets them; what came in (malloc'd), NULL if it failed. */
peri_so_asked_t *peri_so_queries_send(peri_so_queries_t *s, size_t *n, peri_err_t *err);

/* ---- answering ---- */

/* About how many particles may come to all ranks at a time; a variable only for tests. */
extern size_t peri_so_hits_most;

/* The particles of this rank, in cells. */
typedef struct peri_so_grid peri_so_grid_t;

peri_so_grid_t *peri_so_grid_new(const peri_particles_t *p, double mass_scale,
                                 peri_err_t *err);
void peri_so_grid_free(peri_so_grid_t *g); /* accepts NULL */

/* Mass in shells [query->shell, + PERI_SO_STEP) that there are. */
void peri_so_grid_weigh(const peri_so_grid_t *g, const peri_so_radii_t *radii,
                        const peri_so_query_t *query, peri_so_shells_t *shells);
/* Particles in shell query->shell. */
typedef struct {
    peri_so_hit_t *hits;
    size_t n, capacity;
} peri_so_hits_t;
int peri_so_grid_list(const peri_so_grid_t *g, const peri_so_radii_t *radii,
                      const peri_so_query_t *query, peri_so_hits_t *hits,
                      peri_err_t *err);

#endif
