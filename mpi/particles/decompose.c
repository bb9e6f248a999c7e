/* decompose.c - particles move to the rank whose region they are in. */
#include <stdlib.h>
#include <string.h>

#include "mpi/particles/private.h"

/* order: own particles by rank; counts: how many for each. */
static void order_by_rank(size_t n, const int *rank_of, int nranks, size_t *counts,
                          uint32_t *order)
{
    for (size_t i = 0; i < n; i++) counts[rank_of[i]]++;
    size_t at = 0;
    for (int r = 0; r < nranks; r++) {
        size_t count = counts[r];
        counts[r] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++) order[counts[rank_of[i]]++] = (uint32_t)i;
    for (int r = nranks - 1; r > 0; r--) counts[r] -= counts[r - 1];
}

/* Array by array, through a buffer of one array, so that little memory is needed. */
static int move(peri_particles_t *p, const size_t *counts, const uint32_t *order,
                MPI_Comm comm, peri_err_t *err)
{
    peri_traffic_t *t = peri_traffic_new(counts, comm, err);
    if (!t) return -1;
    size_t n = p->n, got = peri_traffic_got(t);
    uint64_t *buffer = malloc(larger(n, 1) * sizeof(*buffer));
    int rc = buffer ? peri_particles_reserve(p, got, err)
                    : peri_err_set(err, PERI_ELIMIT,
                                   "there is no memory to move %zu particles", n);
    rc = peri_ranks_agree(rc, comm, err);
    if (!rc) {
        void **arrays[PERI_ARRAYS_MAX];
        size_t narrays = peri_particles_arrays(p, arrays);
        for (size_t a = 0; a < narrays; a++) {
            const uint64_t *from = *arrays[a];
            for (size_t i = 0; i < n; i++) buffer[i] = from[order[i]];
            peri_traffic_send(t, buffer, *arrays[a], sizeof(*buffer));
        }
        p->n = got;
    }
    free(buffer);
    peri_traffic_free(t);
    return rc;
}

int peri_particles_decompose(peri_particles_t *p, MPI_Comm comm, peri_err_t *err)
{
    if (peri_particles_check(p, comm, err)) return -1;
    peri_particles_drop_ghosts(p);
    int nranks, rc = 0;
    MPI_Comm_size(comm, &nranks);
    size_t n = larger(p->n, 1);
    int *rank_of = malloc(n * sizeof(*rank_of));
    uint32_t *order = malloc(n * sizeof(*order));
    size_t *counts = calloc((size_t)nranks, sizeof(*counts));
    if (!rank_of || !order || !counts)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to move %zu particles",
                          p->n);
    else
        rc = peri_particles_reserve(p, p->n, err);
    rc = peri_ranks_agree(rc, comm, err);
    if (!rc) rc = peri_domain_cut(p, rank_of, comm, err);
    if (!rc && nranks > 1) {
        order_by_rank(p->n, rank_of, nranks, counts, order);
        rc = move(p, counts, order, comm, err);
    }
    free(rank_of);
    free(order);
    free(counts);
    if (rc) return -1;
    return peri_ranks_agree(peri_particles_order(p, err), comm, err);
}
