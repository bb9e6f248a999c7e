/* pairs_edges.c - finds the bin of a squared separation without a search.
 *
 * The leading bits of a double are its logarithm, roughly; a table of them says how many
 * edges lie below, give or take the few that share a slot.
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/halo/pairs_private.h"

enum { SLOTS = 4096 };

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

void pairs_edges_init(pairs_edges_t *e, const double *squares, size_t n)
{
    *e = (pairs_edges_t){.n = n};
    e->square = peri_xmalloc((n + 1) * sizeof *e->square);
    memcpy(e->square, squares, n * sizeof *squares);
    e->square[n] = INFINITY;
    e->base = bits_of(squares[0] > 0 ? squares[0] : squares[1]);
    const uint64_t span = bits_of(squares[n - 1]) - e->base;
    while (span >> e->drop >= SLOTS) e->drop++;
    e->slot = peri_xmalloc(SLOTS * sizeof *e->slot);
    size_t k = squares[0] > 0 ? 0 : 1;
    for (size_t s = 0; s < SLOTS; s++) {
        /* Slot 0 also serves what is below base, where no further edge is. */
        const uint64_t from = e->base + ((uint64_t)s << e->drop);
        if (s > 0)
            while (k < n && bits_of(squares[k]) <= from) k++;
        e->slot[s] = (uint16_t)k;
    }
}

void pairs_edges_free(pairs_edges_t *e)
{
    free(e->square);
    free(e->slot);
    *e = (pairs_edges_t){0};
}
