/* field.c - fields: making, copying, simple arithmetic, statistics. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "core/base/util.h"
#include "mpi/field/private.h"
#include "perigee/particles.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* Planes, and what two ranks exchange in a transform, travel as one message. */
static int check_size(const size_t n[3], const double box[3], size_t ranks,
                      peri_err_t *err)
{
    for (int k = 0; k < 3; k++) {
        if (n[k] < 1 || n[k] > (1u << 20))
            return peri_err_set(err, PERI_EINVAL,
                                "A grid has from 1 to 1,048,576 cells along each axis, "
                                "not %zu.",
                                n[k]);
        if (!(box[k] > 0) || !isfinite(box[k]))
            return peri_err_set(err, PERI_EINVAL,
                                "A grid needs a periodic box with sides above 0, not "
                                "%g x %g x %g: give `box`.",
                                box[0], box[1], box[2]);
    }
    if (n[1] * (n[2] + 2) > INT_MAX || n[0] * (n[2] + 2) > INT_MAX)
        return peri_err_set(err, PERI_ELIMIT,
                            "A grid of %zu x %zu x %zu has planes of more than 2^31 "
                            "values: take a coarser one.",
                            n[0], n[1], n[2]);
    size_t shared = ((n[0] - 1) / ranks + 1) * ((n[1] - 1) / ranks + 1) * (n[2] + 2);
    if (ranks > 1 && shared > INT_MAX)
        return peri_err_set(err, PERI_ELIMIT,
                            "A grid of %zu x %zu x %zu is too large for %zu ranks: use "
                            "more ranks.",
                            n[0], n[1], n[2], ranks);
    return 0;
}

uint64_t peri_field_bytes(const size_t n[3], int nranks)
{
    uint64_t ranks = nranks > 0 ? (uint64_t)nranks : 1;
    uint64_t row = 2 * (n[2] / 2 + 1);
    uint64_t planes = (n[0] + ranks - 1) / ranks, lines = (n[1] + ranks - 1) / ranks;
    uint64_t space = planes * n[1], modes = lines * n[0];
    return (space > modes ? space : modes) * row * sizeof(double);
}

void *peri_large_alloc(size_t bytes)
{
    if (bytes < HUGE_PAGE) return malloc(bytes ? bytes : 1);
    bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *memory = aligned_alloc(HUGE_PAGE, bytes);
    if (memory) madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void starts_gather(peri_field_t *f)
{
    uint64_t mine = f->nx, *all = peri_xmalloc((size_t)f->p->nranks * sizeof(*all));
    MPI_Allgather(&mine, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, f->comm);
    f->p->start = peri_xcalloc((size_t)f->p->nranks + 1, sizeof(size_t));
    for (int r = 0; r < f->p->nranks; r++) f->p->start[r + 1] = f->p->start[r] + all[r];
    free(all);
}

peri_field_t *peri_field_new(const size_t n[3], const double box[3], MPI_Comm comm,
                             peri_err_t *err)
{
    int rank, nranks;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    if (check_size(n, box, (size_t)nranks, err)) return NULL;
    fftw_mpi_init();
    peri_field_t *f = peri_xcalloc(1, sizeof(*f));
    f->p = peri_xcalloc(1, sizeof(*f->p));
    f->p->rank = rank;
    f->p->nranks = nranks;
    memcpy(f->n, n, sizeof(f->n));
    memcpy(f->box, box, sizeof(f->box));
    f->origin = 0.5;
    f->redshift = f->time = NAN;
    f->comm = comm;
    f->row = 2 * (n[2] / 2 + 1);
    ptrdiff_t nx, x0, ny, y0;
    ptrdiff_t room = fftw_mpi_local_size_3d_transposed((ptrdiff_t)n[0], (ptrdiff_t)n[1],
                                                       (ptrdiff_t)n[2] / 2 + 1, comm, &nx,
                                                       &x0, &ny, &y0);
    f->nx = (size_t)nx;
    f->p->ny = (size_t)ny;
    f->p->y0 = (size_t)y0;
    f->p->room = 2 * (size_t)room;
    starts_gather(f);
    f->x0 = f->p->start[f->p->rank];
    f->data = peri_large_alloc(f->p->room * sizeof(double));
    if (f->data) peri_field_zero(f);
    char size[16];
    int rc = f->data ? 0
                     : peri_err_set(err, PERI_ELIMIT,
                                    "There is no memory for a grid of %zu x %zu x %zu: "
                                    "%s on each of %d ranks. Use more ranks, or a "
                                    "coarser grid.",
                                    n[0], n[1], n[2],
                                    peri_human_bytes(f->p->room * sizeof(double), size),
                                    f->p->nranks);
    if (peri_ranks_agree(rc, comm, err)) {
        peri_field_free(f);
        return NULL;
    }
    return f;
}

void peri_field_free(peri_field_t *f)
{
    if (!f) return;
    if (f->p->forward) fftw_destroy_plan(f->p->forward);
    if (f->p->backward) fftw_destroy_plan(f->p->backward);
    free(f->p->start);
    free(f->p);
    free(f->data);
    free(f);
}

peri_field_t *peri_field_copy(const peri_field_t *f, peri_err_t *err)
{
    peri_field_t *copy = peri_field_new(f->n, f->box, f->comm, err);
    if (!copy) return NULL;
    memcpy(copy->data, f->data, f->p->room * sizeof(double));
    memcpy(copy->name, f->name, sizeof(f->name));
    memcpy(copy->unit, f->unit, sizeof(f->unit));
    memcpy(copy->length, f->length, sizeof(f->length));
    copy->origin = f->origin;
    copy->redshift = f->redshift;
    copy->time = f->time;
    copy->modes = f->modes;
    return copy;
}

void peri_field_zero(peri_field_t *f)
{
    memset(f->data, 0, f->p->room * sizeof(double));
    f->modes = false;
}

void peri_field_scale(peri_field_t *f, double factor, double plus)
{
    size_t count = f->nx * f->n[1] * f->row;
    for (size_t i = 0; i < count; i++) f->data[i] = factor * f->data[i] + plus;
}

double *peri_field_row(const peri_field_t *f, size_t x, size_t y)
{
    return f->data + ((x - f->x0) * f->n[1] + y) * f->row;
}

int peri_field_owner(const peri_field_t *f, size_t x)
{
    int low = 0, high = f->p->nranks; /* start[low] <= x < start[high] */
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (f->p->start[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Sums row by row first: rounding stays far below what one long sum would have. */
peri_fieldstats_t peri_field_stats(const peri_field_t *f)
{
    double sum = 0, ends[2] = {DBL_MAX, DBL_MAX}; /* least value, least of -value */
    for (size_t i = 0; i < f->nx * f->n[1]; i++) {
        const double *row = f->data + i * f->row;
        double part = 0;
        for (size_t z = 0; z < f->n[2]; z++) {
            part += row[z];
            if (row[z] < ends[0]) ends[0] = row[z];
            if (-row[z] < ends[1]) ends[1] = -row[z];
        }
        sum += part;
    }
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, f->comm);
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_DOUBLE, MPI_MIN, f->comm);
    double count = (double)f->n[0] * (double)f->n[1] * (double)f->n[2];
    double mean = sum / count, squares = 0;
    for (size_t i = 0; i < f->nx * f->n[1]; i++) {
        const double *row = f->data + i * f->row;
        double part = 0;
        for (size_t z = 0; z < f->n[2]; z++) part += (row[z] - mean) * (row[z] - mean);
        squares += part;
    }
    MPI_Allreduce(MPI_IN_PLACE, &squares, 1, MPI_DOUBLE, MPI_SUM, f->comm);
    return (peri_fieldstats_t){.sum = sum,
                               .mean = mean,
                               .variance = squares / count,
                               .min = ends[0],
                               .max = -ends[1]};
}

peri_scheme_t peri_scheme_find(const char *name)
{
    static const char *const names[] = {"", "ngp", "cic", "tsc", "pcs"};
    for (int s = PERI_NGP; s <= PERI_PCS; s++)
        if (!strcasecmp(name, names[s])) return (peri_scheme_t)s;
    return 0;
}
