/* order.c - sort on each rank, cut at samples, exchange, sort again. */
#include "mpi/around/order.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLES 64 /* of each rank, for each rank */

/* The items that begin the parts of ranks 1, 2, ...: malloc'd. Samples stand for equally
 * many items, so that a rank with many counts more. */
static char *find_cuts(const char *items, size_t size, size_t n, uint64_t total,
                       int nranks, int (*compare)(const void *, const void *),
                       MPI_Comm comm, size_t *ncuts, peri_err_t *err)
{
    const uint64_t step = total / ((uint64_t)nranks * SAMPLES) + 1;
    const size_t own = (size_t)(n / step);
    char *samples = malloc((own + 1) * size);
    int *dest = calloc(own + 1, sizeof(*dest));
    void *all = NULL;
    size_t nall = 0;
    int rc = samples && dest ? 0
                             : peri_err_set(err, PERI_ELIMIT,
                                            "there is no memory to put rows in order");
    for (size_t i = 0; rc == 0 && i < own; i++)
        memcpy(samples + i * size, items + (i * step + step / 2) * size, size);
    rc = peri_ranks_agree(rc, comm, err);
    if (rc == 0)
        rc = peri_items_exchange(samples, size, own, dest, comm, &all, &nall, err);
    free(samples);
    free(dest);
    if (rc) return NULL;
    if (nall) qsort(all, nall, size, compare);
    uint64_t n64 = nall;
    MPI_Bcast(&n64, 1, MPI_UINT64_T, 0, comm);
    *ncuts = n64 ? (size_t)nranks - 1 : 0;
    char *cuts = malloc((*ncuts + 1) * size);
    rc = cuts ? 0 : peri_err_set(err, PERI_ELIMIT, "there is no memory to order rows");
    for (size_t r = 0; rc == 0 && r < *ncuts && nall; r++)
        memcpy(cuts + r * size, (char *)all + (r + 1) * nall / (size_t)nranks * size,
               size);
    free(all);
    if (peri_ranks_agree(rc, comm, err)) {
        free(cuts);
        return NULL;
    }
    MPI_Bcast(cuts, (int)(*ncuts * size), MPI_BYTE, 0, comm);
    return cuts;
}

int peri_items_order(void **items, size_t size, size_t *n,
                     int (*compare)(const void *, const void *), MPI_Comm comm,
                     peri_err_t *err)
{
    uint64_t total = *n;
    int nranks;
    MPI_Comm_size(comm, &nranks);
    MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_UINT64_T, MPI_SUM, comm);
    if (*n) qsort(*items, *n, size, compare);
    if (nranks == 1 || total == 0) return 0;
    size_t ncuts;
    char *cuts = find_cuts(*items, size, *n, total, nranks, compare, comm, &ncuts, err);
    if (!cuts) return -1;
    int *dest = malloc((*n + 1) * sizeof(*dest));
    int rc = dest ? 0
                  : peri_err_set(err, PERI_ELIMIT,
                                 "there is no memory to put %zu rows in order", *n);
    size_t r = 0;
    for (size_t i = 0; rc == 0 && i < *n; i++) {
        while (r < ncuts && compare((char *)*items + i * size, cuts + r * size) >= 0) r++;
        dest[i] = (int)r;
    }
    rc = peri_ranks_agree(rc, comm, err);
    void *received = NULL;
    size_t nreceived = 0;
    if (rc == 0)
        rc =
            peri_items_exchange(*items, size, *n, dest, comm, &received, &nreceived, err);
    free(dest);
    free(cuts);
    if (rc) return -1;
    free(*items);
    *items = received;
    *n = nreceived;
    if (nreceived) qsort(received, nreceived, size, compare);
    return 0;
}
