/* fof_merge.c - pieces of one group on several ranks get one label.
 *
 * A label is the number of a particle, counted over all ranks: first the first own one of
 * the piece, then the lowest that goes between ghosts and their owners until nothing
 * changes. That takes as many rounds as a group goes back and forth between ranks; few,
 * but for strings of particles along a border.
 */
#include <stdlib.h>

#include "mpi/halo/fof_private.h"

static void take_lower(void *into, const void *from)
{
    uint64_t *a = into;
    const uint64_t *b = from;
    if (*b < *a) *a = *b;
}

/* The own particles that are ghosts somewhere. */
typedef struct {
    size_t n;
    uint32_t *index;
} border_t;

/* A piece takes the label if it is lower; returns whether it was. */
static int lower(peri_pieces_t *pieces, const uint64_t *labels, size_t i)
{
    uint64_t *label = &pieces->label[pieces->piece_of[i]];
    if (labels[i] >= *label) return 0;
    *label = labels[i];
    return 1;
}

static int exchange_labels(const peri_particles_t *p, peri_pieces_t *pieces,
                           const border_t *border, uint64_t *labels, MPI_Comm comm,
                           peri_err_t *err)
{
    const size_t n = p->n, all = p->n + p->nghosts;
    for (;;) {
        int changed = 0;
        for (size_t k = 0; k < border->n; k++)
            labels[border->index[k]] = pieces->label[pieces->piece_of[border->index[k]]];
        if (peri_ghosts_update(p, labels, sizeof(*labels), comm, err)) return -1;
        for (size_t i = n; i < all; i++) changed |= lower(pieces, labels, i);
        for (size_t i = n; i < all; i++) labels[i] = pieces->label[pieces->piece_of[i]];
        if (peri_ghosts_reduce(p, labels, sizeof(*labels), take_lower, comm, err))
            return -1;
        for (size_t k = 0; k < border->n; k++)
            changed |= lower(pieces, labels, border->index[k]);
        MPI_Allreduce(MPI_IN_PLACE, &changed, 1, MPI_INT, MPI_LOR, comm);
        if (!changed) return 0;
    }
}

enum { IS_BORDER = 1, IS_OPEN = 2 };

static void join(void *into, const void *from)
{
    *(char *)into |= *(const char *)from;
}

/* The border, and which pieces are open: those with a ghost, and those of which another
 * rank has linked a ghost to a particle of its own. */
static int find_border(const peri_particles_t *p, peri_pieces_t *pieces, char *flags,
                       border_t *border, MPI_Comm comm, peri_err_t *err)
{
    const size_t n = p->n, all = p->n + p->nghosts;
    for (size_t i = 0; i < n; i++) flags[i] = 0;
    for (size_t i = n; i < all; i++) {
        bool own = pieces->label[pieces->piece_of[i]] != UINT64_MAX;
        pieces->open[pieces->piece_of[i]] = 1;
        flags[i] = own ? IS_BORDER | IS_OPEN : IS_BORDER;
    }
    if (peri_ghosts_reduce(p, flags, 1, join, comm, err)) return -1;
    for (size_t i = 0; i < n; i++) border->n += flags[i] != 0;
    border->index = malloc((border->n + 1) * sizeof(*border->index));
    int rc = border->index
                 ? 0
                 : peri_err_set(err, PERI_ELIMIT, "there is no memory to link particles");
    if (peri_ranks_agree(rc, comm, err)) return -1;
    for (size_t i = 0, k = 0; i < n; i++) {
        if (flags[i] & IS_OPEN) pieces->open[pieces->piece_of[i]] = 1;
        if (flags[i]) border->index[k++] = (uint32_t)i;
    }
    return 0;
}

int peri_fof_merge(const peri_particles_t *p, peri_pieces_t *pieces, MPI_Comm comm,
                   peri_err_t *err)
{
    int nranks, rank, rc = 0;
    MPI_Comm_size(comm, &nranks);
    MPI_Comm_rank(comm, &rank);
    size_t all = p->n + p->nghosts;
    border_t border = {0};
    uint64_t *values = malloc((all + 1) * sizeof(*values)), mine = p->n;
    pieces->label = malloc((pieces->npieces + 1) * sizeof(*pieces->label));
    pieces->open = calloc(pieces->npieces + 1, 1);
    pieces->first = calloc((size_t)nranks + 1, sizeof(*pieces->first));
    if (!values || !pieces->label || !pieces->open || !pieces->first)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to link %zu particles",
                          all);
    rc = peri_ranks_agree(rc, comm, err);
    if (rc) goto out;
    MPI_Allgather(&mine, 1, MPI_UINT64_T, pieces->first + 1, 1, MPI_UINT64_T, comm);
    for (int r = 0; r < nranks; r++) pieces->first[r + 1] += pieces->first[r];
    for (size_t i = 0; i < pieces->npieces; i++) pieces->label[i] = UINT64_MAX;
    for (size_t i = p->n; i-- > 0;)
        pieces->label[pieces->piece_of[i]] = pieces->first[rank] + i;
    rc = find_border(p, pieces, (char *)values, &border, comm, err);
    if (!rc) rc = exchange_labels(p, pieces, &border, values, comm, err);
out:
    free(border.index);
    free(values);
    return rc;
}
