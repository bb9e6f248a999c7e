/* centres.c - see centres.h. */
#include "mpi/around/centres.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* NAN is behind all numbers. */
static int compare(double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int by_id(const void *a, const void *b)
{
    const peri_centre_t *p = a, *q = b;
    const double *u = p->x, *w = q->x;
    if (p->id != q->id) return p->id < q->id ? -1 : 1;
    for (int k = 0; k < 3; k++)
        if (compare(u[k], w[k])) return compare(u[k], w[k]);
    for (int k = 0; k < 3; k++)
        if (compare(p->v[k], q->v[k])) return compare(p->v[k], q->v[k]);
    int c = compare(p->radius, q->radius);
    return c ? c : compare(p->mass, q->mass);
}

static peri_centre_t *own_centres(const peri_particles_t *p, const double *radius)
{
    peri_centre_t *own = malloc((p->n + 1) * sizeof(*own));
    for (size_t i = 0; own && i < p->n; i++)
        own[i] = (peri_centre_t){
            .x = {p->x[i], p->y[i], p->z[i]},
            .v = {p->vx ? p->vx[i] : NAN, p->vx ? p->vy[i] : NAN, p->vx ? p->vz[i] : NAN},
            .radius = radius ? radius[i] : NAN,
            .mass = p->mass ? p->mass[i] : NAN,
            .id = p->id[i]};
    return own;
}

int peri_centres_gather(const peri_particles_t *p, const double *radius, MPI_Comm comm,
                        peri_centre_t **all, size_t *n, peri_err_t *err)
{
    MPI_Datatype centre;
    int nranks, rc = 0;
    MPI_Comm_size(comm, &nranks);
    const uint64_t total = peri_particles_total(p, comm);
    peri_centre_t *own = own_centres(p, radius), *list = NULL;
    int *counts = calloc(2 * (size_t)nranks, sizeof(*counts));
    if (total <= INT_MAX) list = malloc(((size_t)total + 1) * sizeof(*list));
    if (!own || !list || !counts)
        rc = peri_err_set(err, PERI_ELIMIT,
                          "there is no memory for %llu centres on every rank: take fewer",
                          (unsigned long long)total);
    if (peri_ranks_agree(rc, comm, err)) {
        free(list);
        list = NULL;
        rc = -1;
        goto out;
    }
    const int mine = (int)p->n;
    MPI_Allgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, comm);
    int *starts = counts + nranks;
    for (int r = 1; r < nranks; r++) starts[r] = starts[r - 1] + counts[r - 1];
    MPI_Type_contiguous(sizeof(*own), MPI_BYTE, &centre);
    MPI_Type_commit(&centre);
    MPI_Allgatherv(own, mine, centre, list, counts, starts, centre, comm);
    MPI_Type_free(&centre);
    qsort(list, (size_t)total, sizeof(*list), by_id);
    *n = (size_t)total;
out:
    *all = list;
    free(own);
    free(counts);
    return rc;
}
