/* planes.c - ghost planes between the slabs of a field.
 *
 * They only ever follow a slab: deposition and interpolation name the lowest cell of a
 * particle's cloud as its own, so clouds reach upwards alone. A slab may be thinner than
 * the ghosts; they then come from several ranks, or several times from one. Messages
 * carry the number of the ghost as their tag.
 */
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/field/private.h"

enum { TAG = 7400 };

static size_t ghost_plane(const peri_field_t *f, int rank, size_t g)
{
    return (f->p->start[rank + 1] + g) % f->n[0];
}

static bool has_planes(const peri_field_t *f, int rank)
{
    return f->p->start[rank + 1] > f->p->start[rank];
}

void peri_ghostplanes_add(peri_field_t *f, const double *ghosts, size_t nghosts)
{
    if (!nghosts) return;
    size_t plane = f->n[1] * f->row;
    MPI_Request *sent = peri_xmalloc(nghosts * sizeof(MPI_Request));
    double *got = peri_xmalloc(plane * sizeof(double));
    int nsent = 0;
    for (size_t g = 0; f->nx && g < nghosts; g++)
        MPI_Isend(ghosts + g * plane, (int)plane, MPI_DOUBLE,
                  peri_field_owner(f, ghost_plane(f, f->p->rank, g)), TAG + (int)g,
                  f->comm, &sent[nsent++]);
    for (int r = 0; f->nx && r < f->p->nranks; r++) {
        for (size_t g = 0; has_planes(f, r) && g < nghosts; g++) {
            size_t x = ghost_plane(f, r, g);
            if (x < f->x0 || x >= f->x0 + f->nx) continue;
            MPI_Recv(got, (int)plane, MPI_DOUBLE, r, TAG + (int)g, f->comm,
                     MPI_STATUS_IGNORE);
            double *into = f->data + (x - f->x0) * plane;
            for (size_t i = 0; i < plane; i++) into[i] += got[i];
        }
    }
    MPI_Waitall(nsent, sent, MPI_STATUSES_IGNORE);
    free(got);
    free(sent);
}

void peri_ghostplanes_fetch(const peri_field_t *f, double *ghosts, size_t nghosts)
{
    if (!nghosts || !f->nx) return;
    size_t plane = f->n[1] * f->row, room = ((size_t)f->p->nranks + 1) * nghosts;
    MPI_Request *requests = peri_xmalloc(room * sizeof(MPI_Request));
    int n = 0;
    for (size_t g = 0; g < nghosts; g++)
        MPI_Irecv(ghosts + g * plane, (int)plane, MPI_DOUBLE,
                  peri_field_owner(f, ghost_plane(f, f->p->rank, g)), TAG + (int)g,
                  f->comm, &requests[n++]);
    for (int r = 0; r < f->p->nranks; r++) {
        for (size_t g = 0; has_planes(f, r) && g < nghosts; g++) {
            size_t x = ghost_plane(f, r, g);
            if (x < f->x0 || x >= f->x0 + f->nx) continue;
            MPI_Isend(f->data + (x - f->x0) * plane, (int)plane, MPI_DOUBLE, r,
                      TAG + (int)g, f->comm, &requests[n++]);
        }
    }
    MPI_Waitall(n, requests, MPI_STATUSES_IGNORE);
    free(requests);
}
