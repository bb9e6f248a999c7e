/* exchange.c - items from every rank to every rank, any number of them.
 *
 * Messages go only between ranks that have something for one another, in pieces that fit
 * MPI's int counts. Pieces of one pair arrive in the order they were sent, so nothing but
 * the counts has to be told.
 */
#include <stdlib.h>
#include <string.h>

#include "mpi/particles/private.h"

enum { TAG = 7301 };

size_t peri_traffic_piece = (size_t)1 << 30;

peri_traffic_t *peri_traffic_new(const size_t *counts, MPI_Comm comm, peri_err_t *err)
{
    int nranks;
    MPI_Comm_size(comm, &nranks);
    size_t n = (size_t)nranks;
    peri_traffic_t *t = calloc(1, sizeof(*t));
    uint64_t *told = malloc(2 * n * sizeof(*told));
    int rc = 0;
    if (t) {
        t->comm = comm;
        t->nranks = nranks;
        MPI_Comm_rank(comm, &t->rank);
        t->sent_start = calloc(n + 1, sizeof(size_t));
        t->got_start = calloc(n + 1, sizeof(size_t));
        t->requests = malloc(2 * n * sizeof(MPI_Request));
    }
    if (!t || !told || !t->sent_start || !t->got_start || !t->requests)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to exchange particles");
    if (peri_ranks_agree(rc, comm, err)) {
        free(told);
        peri_traffic_free(t);
        return NULL;
    }
    for (size_t r = 0; r < n; r++) told[r] = counts[r];
    double begin = MPI_Wtime();
    MPI_Alltoall(told, 1, MPI_UINT64_T, told + n, 1, MPI_UINT64_T, comm);
    peri_waited_since(begin);
    for (size_t r = 0; r < n; r++) {
        t->sent_start[r + 1] = t->sent_start[r] + counts[r];
        t->got_start[r + 1] = t->got_start[r] + told[n + r];
    }
    free(told);
    return t;
}

void peri_traffic_free(peri_traffic_t *t)
{
    if (!t) return;
    free(t->sent_start);
    free(t->got_start);
    free(t->requests);
    free(t);
}

size_t peri_traffic_sent(const peri_traffic_t *t)
{
    return t->sent_start[t->nranks];
}

size_t peri_traffic_got(const peri_traffic_t *t)
{
    return t->got_start[t->nranks];
}

/* Bytes of the piece number k of items [start, end): 0 after the last one. */
static size_t piece_at(const size_t *start, int r, size_t size, size_t k, size_t *offset)
{
    size_t bytes = (start[r + 1] - start[r]) * size, done = k * peri_traffic_piece;
    if (done >= bytes) return 0;
    *offset = start[r] * size + done;
    return bytes - done < peri_traffic_piece ? bytes - done : peri_traffic_piece;
}

static void transfer(peri_traffic_t *t, const char *from, const size_t *from_start,
                     char *to, const size_t *to_start, size_t size)
{
    size_t own = from_start[t->rank + 1] - from_start[t->rank];
    if (own)
        memcpy(to + to_start[t->rank] * size, from + from_start[t->rank] * size,
               own * size);
    double begin = MPI_Wtime();
    for (size_t k = 0;; k++) {
        int nrequests = 0;
        size_t offset, bytes;
        for (int step = 1; step < t->nranks; step++) {
            int r = (t->rank + t->nranks - step) % t->nranks;
            if ((bytes = piece_at(to_start, r, size, k, &offset)))
                MPI_Irecv(to + offset, (int)bytes, MPI_BYTE, r, TAG, t->comm,
                          &t->requests[nrequests++]);
        }
        for (int step = 1; step < t->nranks; step++) {
            int r = (t->rank + step) % t->nranks;
            if ((bytes = piece_at(from_start, r, size, k, &offset)))
                MPI_Isend(from + offset, (int)bytes, MPI_BYTE, r, TAG, t->comm,
                          &t->requests[nrequests++]);
        }
        if (!nrequests) break;
        MPI_Waitall(nrequests, t->requests, MPI_STATUSES_IGNORE);
    }
    peri_waited_since(begin);
}

void peri_traffic_send(peri_traffic_t *t, const void *from, void *to, size_t size)
{
    transfer(t, from, t->sent_start, to, t->got_start, size);
}

void peri_traffic_back(peri_traffic_t *t, const void *from, void *to, size_t size)
{
    transfer(t, from, t->got_start, to, t->sent_start, size);
}

/* Items in the order of their ranks; counts[r] of them go to rank r. */
static int sort_items(const char *items, size_t size, size_t n, const int *dest,
                      int nranks, size_t *counts, char *sorted, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++) {
        if (dest[i] < 0 || dest[i] >= nranks)
            return peri_err_set(err, PERI_EINTERNAL,
                                "item %zu was to be sent to rank %d of %d", i, dest[i],
                                nranks);
        counts[dest[i]]++;
    }
    size_t at = 0;
    for (int r = 0; r < nranks; r++) {
        size_t count = counts[r];
        counts[r] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(sorted + counts[dest[i]]++ * size, items + i * size, size);
    for (int r = nranks - 1; r > 0; r--) counts[r] -= counts[r - 1];
    return 0;
}

int peri_items_exchange(const void *items, size_t size, size_t n, const int *dest,
                        MPI_Comm comm, void **received, size_t *nreceived,
                        peri_err_t *err)
{
    int nranks, rc = 0, status = -1;
    MPI_Comm_size(comm, &nranks);
    size_t *counts = calloc((size_t)nranks, sizeof(size_t));
    char *sorted = malloc(larger(n * size, 1)), *got = NULL;
    peri_traffic_t *t = NULL;
    if (!counts || !sorted)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to send %zu items", n);
    else
        rc = sort_items(items, size, n, dest, nranks, counts, sorted, err);
    if (peri_ranks_agree(rc, comm, err)) goto out;
    t = peri_traffic_new(counts, comm, err);
    if (!t) goto out;
    got = malloc(larger(peri_traffic_got(t) * size, 1));
    if (!got)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to receive %zu items",
                          peri_traffic_got(t));
    if (peri_ranks_agree(rc, comm, err)) goto out;
    peri_traffic_send(t, sorted, got, size);
    *received = got;
    *nreceived = peri_traffic_got(t);
    got = NULL;
    status = 0;
out:
    peri_traffic_free(t);
    free(got);
    free(sorted);
    free(counts);
    return status;
}
