/* fof.c - friends-of-friends: the steps one after the other, and their times. */
#include "mpi/halo/fof.h"

#include <math.h>
#include <stdlib.h>

#include "mpi/halo/fof_private.h"

double peri_fof_length(double b, const double box[3], uint64_t n)
{
    return n ? b * cbrt(box[0] * box[1] * box[2] / (double)n) : b;
}

static int check_options(const peri_particles_t *p, const peri_fof_options_t *o,
                         peri_err_t *err)
{
    double length = o->linking_length;
    if (!(length > 0) || !isfinite(length))
        return peri_err_set(err, PERI_EINVAL,
                            "the linking length must be a positive number, but it is %g",
                            length);
    if (o->min_particles < 1)
        return peri_err_set(err, PERI_EINVAL,
                            "min_particles must be at least 1, but it is 0");
    double shortest = fmin(p->box[0], fmin(p->box[1], p->box[2]));
    if (p->periodic && length >= shortest / 2)
        return peri_err_set(err, PERI_EINVAL,
                            "the linking length %g is not less than half of the box "
                            "(%g): check its unit",
                            length, shortest);
    return 0;
}

static int number_particles(peri_particles_t *p, MPI_Comm comm, peri_err_t *err)
{
    if (p->has & PERI_HAS_ID) return 0;
    if (peri_ranks_agree(peri_particles_add(p, PERI_HAS_ID, err), comm, err)) return -1;
    uint64_t mine = p->n, upto = 0;
    MPI_Scan(&mine, &upto, 1, MPI_UINT64_T, MPI_SUM, comm);
    for (size_t i = 0; i < p->n; i++) p->id[i] = (int64_t)(upto - mine + i);
    return 0;
}

static void free_pieces(peri_pieces_t *pieces)
{
    free(pieces->piece_of);
    free(pieces->label);
    free(pieces->open);
    free(pieces->first);
}

typedef struct {
    peri_particles_t *p;
    const peri_fof_options_t *options;
    peri_pieces_t pieces;
    peri_collect_t collect;
    peri_fof_t *result;
    MPI_Comm comm;
} work_t;

static int decompose(work_t *w, peri_err_t *err)
{
    /* Ghosts are nearer than their width, friends may be exactly as far as the length. */
    double length = w->options->linking_length, width = length * (1 + 1e-9);
    double shortest = fmin(w->p->box[0], fmin(w->p->box[1], w->p->box[2]));
    if (w->p->periodic) width = fmin(width, shortest / 2);
    if (number_particles(w->p, w->comm, err)) return -1;
    if (peri_particles_decompose(w->p, w->comm, err)) return -1;
    return peri_particles_ghosts(w->p, width, w->comm, err);
}

static int link_particles(work_t *w, peri_err_t *err)
{
    int rc = peri_fof_link(w->p, w->options->linking_length, &w->pieces, err);
    return peri_ranks_agree(rc, w->comm, err);
}

static int merge(work_t *w, peri_err_t *err)
{
    return peri_fof_merge(w->p, &w->pieces, w->comm, err);
}

static int collect(work_t *w, peri_err_t *err)
{
    peri_collect_t *c = &w->collect;
    *c = (peri_collect_t){
        .p = w->p, .options = w->options, .pieces = &w->pieces, .comm = w->comm};
    MPI_Comm_rank(w->comm, &c->rank);
    MPI_Comm_size(w->comm, &c->nranks);
    if (peri_fof_find_groups(c, err)) return -1;
    if (peri_fof_sum_groups(c, err)) return -1;
    return peri_fof_find_peaks(c, err);
}

static int number(work_t *w, peri_err_t *err)
{
    return peri_fof_number_groups(&w->collect, w->result, err);
}

peri_fof_t *peri_fof_find(peri_particles_t *p, const peri_fof_options_t *options,
                          peri_halo_progress_f progress, void *arg, MPI_Comm comm,
                          peri_err_t *err)
{
    if (check_options(p, options, err)) return NULL;
    peri_fof_t *result = calloc(1, sizeof(*result));
    int rc = result ? 0 : peri_collect_no_memory(err);
    work_t w = {.p = p, .options = options, .result = result, .comm = comm};
    peri_fof_times_t times = {0};
    const struct {
        int (*run)(work_t *w, peri_err_t *err);
        const char *what;
        double *seconds;
    } steps[] = {{decompose, "dividing space", &times.decompose},
                 {link_particles, "linking", &times.link},
                 {merge, "merging", &times.merge},
                 {collect, "collecting groups", &times.groups},
                 {number, "numbering groups", &times.members}};
    const int nsteps = (int)(sizeof(steps) / sizeof(steps[0]));
    double waited = peri_particles_waited(), start = MPI_Wtime();
    rc = peri_ranks_agree(rc, comm, err);
    for (int i = 0; !rc && i < nsteps; i++) {
        if (progress) rc = progress(arg, steps[i].what, i, nsteps, err);
        if ((rc = peri_ranks_agree(rc, comm, err))) break;
        rc = steps[i].run(&w, err);
        double end = MPI_Wtime();
        *steps[i].seconds = end - start;
        start = end;
    }
    times.communication = peri_particles_waited() - waited;
    free_pieces(&w.pieces);
    peri_collect_clear(&w.collect);
    if (rc) {
        peri_fof_free(result);
        return NULL;
    }
    result->times = times;
    return result;
}

void peri_fof_free(peri_fof_t *f)
{
    if (!f) return;
    free(f->groups);
    free(f->members);
    free(f);
}
