/* sort.c - radix sort by an integer; sample sort over ranks. */
#include "mpi/particles/sort.h"

#include <stdlib.h>
#include <string.h>

#include "mpi/particles/private.h"

enum { DIGIT_BITS = 11, DIGITS = 6, BUCKETS = 1 << DIGIT_BITS };

peri_keyed_t *peri_keyed_sort(peri_keyed_t *a, peri_keyed_t *b, size_t n)
{
    uint32_t counts[DIGITS][BUCKETS];
    uint64_t used = 0;
    for (size_t i = 0; i < n; i++) used |= a[i].key;
    int digits = 0;
    while (digits < DIGITS && used >> (digits * DIGIT_BITS)) digits++;
    memset(counts, 0, (size_t)digits * sizeof(counts[0]));
    for (size_t i = 0; i < n; i++)
        for (int d = 0; d < digits; d++)
            counts[d][a[i].key >> (d * DIGIT_BITS) & (BUCKETS - 1)]++;
    for (int d = 0; d < digits; d++) {
        uint32_t *count = counts[d], at = 0;
        int shift = d * DIGIT_BITS;
        if (count[a[0].key >> shift & (BUCKETS - 1)] == n) continue;
        for (int k = 0; k < BUCKETS; k++) {
            uint32_t here = count[k];
            count[k] = at;
            at += here;
        }
        for (size_t i = 0; i < n; i++)
            b[count[a[i].key >> shift & (BUCKETS - 1)]++] = a[i];
        peri_keyed_t *t = a;
        a = b;
        b = t;
    }
    return a;
}

/* ---- over ranks ---- */

enum { SAMPLES = 64 }; /* of each rank, on average */

/* Items at regular steps of all that there are, from every rank, sorted: *n of them. */
static char *gather_samples(const char *items, size_t n, size_t size,
                            int (*compare)(const void *, const void *), int nranks,
                            size_t *nsamples, MPI_Comm comm, peri_err_t *err)
{
    uint64_t all = n;
    MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_UINT64_T, MPI_SUM, comm);
    size_t step = larger((size_t)(all / ((uint64_t)nranks * SAMPLES)), 1);
    int bytes = (int)((n + step - 1) / step * size), total = 0;
    int *counts = malloc(2 * (size_t)nranks * sizeof(*counts));
    char *mine = malloc(larger((size_t)bytes, 1)), *samples = NULL;
    int rc = 0;
    if (!counts || !mine)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to sort %zu items", n);
    if (peri_ranks_agree(rc, comm, err)) goto out;
    for (size_t i = 0, at = 0; i < n; i += step, at += size)
        memcpy(mine + at, items + i * size, size);
    int *starts = counts + nranks;
    MPI_Allgather(&bytes, 1, MPI_INT, counts, 1, MPI_INT, comm);
    for (int r = 0; r < nranks; r++) {
        starts[r] = total;
        total += counts[r];
    }
    samples = malloc(larger((size_t)total, 1));
    if (!samples)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to sort %zu items", n);
    if (peri_ranks_agree(rc, comm, err)) {
        free(samples);
        samples = NULL;
        goto out;
    }
    MPI_Allgatherv(mine, bytes, MPI_BYTE, samples, counts, starts, MPI_BYTE, comm);
    *nsamples = (size_t)total / size;
    qsort(samples, *nsamples, size, compare);
out:
    free(counts);
    free(mine);
    return samples;
}

int peri_items_sort(void **items, size_t *n, size_t size,
                    int (*compare)(const void *, const void *), MPI_Comm comm,
                    peri_err_t *err)
{
    int nranks, status = -1;
    MPI_Comm_size(comm, &nranks);
    if (*n) qsort(*items, *n, size, compare);
    if (nranks == 1) return 0;
    size_t nsamples = 0, got;
    void *received;
    char *samples =
        gather_samples(*items, *n, size, compare, nranks, &nsamples, comm, err);
    if (!samples) return -1;
    int *dest = malloc(larger(*n, 1) * sizeof(*dest)), rc = 0;
    if (!dest)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to sort %zu items", *n);
    if (peri_ranks_agree(rc, comm, err)) goto out;
    int to = 0;
    for (size_t i = 0; i < *n; i++) {
        const char *item = (const char *)*items + i * size;
        while (to < nranks - 1 &&
               compare(item, samples + (nsamples * ((size_t)to + 1) / (size_t)nranks) *
                                           size) >= 0)
            to++;
        dest[i] = to;
    }
    if (peri_items_exchange(*items, size, *n, dest, comm, &received, &got, err)) goto out;
    free(*items);
    *items = received;
    *n = got;
    if (got) qsort(received, got, size, compare);
    status = 0;
out:
    free(samples);
    free(dest);
    return status;
}
