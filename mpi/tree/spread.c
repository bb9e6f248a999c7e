/* spread.c - see spread.h. The borders are found by bisection of all of them at once. */
#include "mpi/tree/spread.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* How many of the sorted keys are at most v. */
static size_t count_upto(const int64_t *sorted, size_t n, int64_t v)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (sorted[mid] <= v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* a + (b - a) / 2 for a <= b, whose difference may not fit. */
static int64_t middle(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + ((uint64_t)b - (uint64_t)a) / 2);
}

void peri_keys_spread(const int64_t *keys, size_t n, MPI_Comm comm, int *rank)
{
    int nranks;
    MPI_Comm_size(comm, &nranks);
    const size_t nborders = (size_t)nranks - 1;
    int64_t *sorted = peri_xmalloc((n + 1) * sizeof(*sorted));
    if (n) memcpy(sorted, keys, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_value);

    /* ends[0] the smallest key, ends[1] the largest one, negated so that one reduction
     * gives both; no key is INT64_MIN. */
    int64_t ends[2] = {n ? sorted[0] : INT64_MAX, n ? -sorted[n - 1] : INT64_MAX};
    uint64_t total = n;
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_INT64_T, MPI_MIN, comm);
    MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_UINT64_T, MPI_SUM, comm);

    /* Border k: the smallest key with at least total * (k + 1) / nranks keys up to it. */
    int64_t *lo = peri_xmalloc((nborders + 1) * sizeof(*lo));
    int64_t *hi = peri_xmalloc((nborders + 1) * sizeof(*hi));
    uint64_t *count = peri_xmalloc((nborders + 1) * sizeof(*count));
    for (size_t k = 0; k < nborders; k++) lo[k] = ends[0], hi[k] = -ends[1];
    for (bool more = total > 0 && nborders > 0; more;) {
        for (size_t k = 0; k < nborders; k++)
            count[k] = count_upto(sorted, n, middle(lo[k], hi[k]));
        MPI_Allreduce(MPI_IN_PLACE, count, (int)nborders, MPI_UINT64_T, MPI_SUM, comm);
        more = false;
        for (size_t k = 0; k < nborders; k++) {
            const int64_t mid = middle(lo[k], hi[k]);
            const uint64_t wanted =
                (uint64_t)((double)total * (double)(k + 1) / (double)nranks);
            if (lo[k] >= hi[k]) continue;
            if (count[k] >= wanted)
                hi[k] = mid;
            else
                lo[k] = mid + 1;
            more = more || lo[k] < hi[k];
        }
    }
    for (size_t i = 0; i < n; i++) {
        size_t below = 0, above = nborders; /* the first border that is not below it */
        while (below < above) {
            const size_t mid = (below + above) / 2;
            if (lo[mid] < keys[i])
                below = mid + 1;
            else
                above = mid;
        }
        rank[i] = (int)below;
    }
    free(sorted);
    free(lo);
    free(hi);
    free(count);
}
