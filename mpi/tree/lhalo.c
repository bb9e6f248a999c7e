/* lhalo.c - see lhalo.h: which rank reads what. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/tree/lhalo_private.h"
#include "perigee/particles.h"

static bool ends_in(const char *s, size_t len, const char *end)
{
    const size_t n = strlen(end);
    return len >= n && strncmp(s + len - n, end, n) == 0;
}

static bool is_hdf5(const char *path)
{
    return ends_in(path, strlen(path), ".hdf5") || ends_in(path, strlen(path), ".h5");
}

int64_t peri_lhalo_file_number(const char *path)
{
    size_t end = strlen(path);
    if (ends_in(path, end, ".hdf5")) end -= 5;
    if (ends_in(path, end, ".h5")) end -= 3;
    size_t at = end;
    while (at > 0 && isdigit((unsigned char)path[at - 1])) at--;
    if (at == end || end - at > 6 || at == 0 || path[at - 1] != '.') return -1;
    return strtoll(path + at, NULL, 10);
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Numbers from the names; all different. */
static int number_files(const char *const *paths, size_t n, int64_t *numbers,
                        peri_err_t *err)
{
    int64_t *sorted = peri_xmalloc((n + 1) * sizeof(*sorted));
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        sorted[i] = numbers[i] = peri_lhalo_file_number(paths[i]);
        if (numbers[i] < 0 && n == 1)
            numbers[i] = 0;
        else if (numbers[i] < 0)
            rc = peri_err_set(
                err, PERI_EINVAL,
                "%s has no number at the end of its name, as in trees_063.5: "
                "several files of trees need one.",
                paths[i]);
    }
    if (rc == 0) qsort(sorted, n, sizeof(*sorted), by_number);
    for (size_t i = 1; i < n && rc == 0; i++)
        if (sorted[i] == sorted[i - 1])
            rc = peri_err_set(err, PERI_EINVAL,
                              "Two files have number %" PRId64 ": give the files of one "
                              "set of trees.",
                              sorted[i]);
    free(sorted);
    return rc;
}

/* Ranks that read file i of n: one or more of them, or one for several files. */
static void readers_of(size_t i, size_t n, int nranks, int *first, int *count)
{
    const size_t ranks = (size_t)nranks;
    *first = (int)(i * ranks / n);
    *count = (int)((i + 1) * ranks / n) - *first;
    if (*count < 1) *count = 1;
}

static int read_mine(const char *const *paths, const int64_t *numbers, size_t n,
                     double particle_mass, MPI_Comm comm, peri_lhalo_t *out,
                     peri_err_t *err)
{
    int rank, nranks;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    for (size_t i = 0; i < n; i++) {
        int first, count;
        readers_of(i, n, nranks, &first, &count);
        if (rank < first || rank >= first + count) continue;
        const lhalofile_t f = {paths[i], numbers[i], rank - first, count, particle_mass};
        if (is_hdf5(paths[i]) ? peri_lhalo_hdf5(&f, out, err)
                              : peri_lhalo_binary(&f, out, err))
            return -1;
    }
    return 0;
}

/* Redshifts are in every file: those of the first rank that has read some. */
static void share_redshifts(peri_lhalo_t *l, MPI_Comm comm)
{
    int rank, nranks;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    int owner = l->nredshifts ? rank : nranks;
    MPI_Allreduce(MPI_IN_PLACE, &owner, 1, MPI_INT, MPI_MIN, comm);
    if (owner == nranks) return;
    uint64_t n = l->nredshifts;
    MPI_Bcast(&n, 1, MPI_UINT64_T, owner, comm);
    l->nredshifts = n;
    l->redshift = peri_xrealloc(l->redshift, n, sizeof(*l->redshift));
    MPI_Bcast(l->redshift, (int)n, MPI_DOUBLE, owner, comm);
}

int peri_lhalo_read(const char *const *paths, size_t nfiles, double particle_mass,
                    MPI_Comm comm, peri_lhalo_t *out, peri_err_t *err)
{
    peri_lhalo_t l = {0};
    int64_t *numbers = peri_xmalloc((nfiles + 1) * sizeof(*numbers));
    int rc = number_files(paths, nfiles, numbers, err);
    if (rc == 0) rc = read_mine(paths, numbers, nfiles, particle_mass, comm, &l, err);
    free(numbers);
    if (peri_ranks_agree(rc, comm, err)) {
        peri_lhalo_drop(&l);
        return -1;
    }
    share_redshifts(&l, comm);
    *out = l;
    return 0;
}

void peri_lhalo_drop(peri_lhalo_t *l)
{
    free(l->halos);
    free(l->redshift);
    *l = (peri_lhalo_t){0};
}
