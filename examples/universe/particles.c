/* particles.c - see particles.h.
 *
 * The curve is Skilling's (2004, AIP Conf. Proc. 707, 381): it turns the bits of the
 * coordinates from the highest down, so that the next cell is always a neighbour.
 */
#include "examples/universe/particles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

void particles_free(particles_t *s)
{
    free(s->at);
    *s = (particles_t){0};
}

void particles_wrap(particles_t *s, double box)
{
    for (size_t i = 0; i < s->count; i++) {
        for (int d = 0; d < 3; d++) {
            double x = s->at[i].x[d];
            if (x >= 0 && x < box) continue;
            x -= box * floor(x / box);
            /* A tiny negative number is rounded up to the box itself. */
            s->at[i].x[d] = x < box ? x : 0;
        }
    }
}

/* ---- exchange ---- */

static int owner_of(const particle_t *p, const grid_t *g, double scale)
{
    double part;
    return g->owner[grid_cell(g->n, scale, p->x[0], &part)];
}

/* Counts to offsets; returns their sum. */
static int add_up(const int *counts, int *starts, int n)
{
    int sum = 0;
    for (int i = 0; i < n; i++) {
        starts[i] = sum;
        sum += counts[i];
    }
    return sum;
}

/* Takes those that leave out of the list, into a new one in the order of ranks. */
static particle_t *take_leaving(particles_t *s, const grid_t *g, double scale,
                                const int *starts, int leaving)
{
    particle_t *out = peri_xcalloc((size_t)leaving, sizeof(*out));
    int *next = peri_xcalloc((size_t)g->nranks, sizeof(int));
    memcpy(next, starts, (size_t)g->nranks * sizeof(int));
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        int to = owner_of(&s->at[i], g, scale);
        if (to == g->rank)
            s->at[kept++] = s->at[i];
        else
            out[next[to]++] = s->at[i];
    }
    s->count = kept;
    free(next);
    return out;
}

void particles_exchange(particles_t *s, const grid_t *g, double box)
{
    if (g->nranks == 1) return;
    const double scale = g->n / box;
    size_t n = (size_t)g->nranks;
    int *sent = peri_xcalloc(4 * n, sizeof(int));
    int *got = sent + n, *sent_at = got + n, *got_at = sent_at + n;
    for (size_t i = 0; i < s->count; i++) {
        int to = owner_of(&s->at[i], g, scale);
        if (to != g->rank) sent[to]++;
    }
    MPI_Alltoall(sent, 1, MPI_INT, got, 1, MPI_INT, g->comm);
    int leaving = add_up(sent, sent_at, g->nranks);
    size_t coming = (size_t)add_up(got, got_at, g->nranks);
    particle_t *out = take_leaving(s, g, scale, sent_at, leaving);
    if (s->count + coming > s->room) {
        s->room = s->count + coming + s->count / 16;
        s->at = peri_xrealloc(s->at, s->room, sizeof(*s->at));
    }
    MPI_Datatype type;
    MPI_Type_contiguous((int)sizeof(particle_t), MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Alltoallv(out, sent, sent_at, type, s->at + s->count, got, got_at, type, g->comm);
    MPI_Type_free(&type);
    s->count += coming;
    free(out);
    free(sent);
}

/* ---- order ---- */

uint64_t hilbert_key(uint32_t x, uint32_t y, uint32_t z, int bits)
{
    uint32_t c[3] = {x, y, z};
    /* Undo the turns that the larger cells gave the smaller ones inside them. */
    for (uint32_t bit = 1u << (bits - 1); bit > 1; bit >>= 1) {
        uint32_t below = bit - 1;
        for (int d = 0; d < 3; d++) {
            if (c[d] & bit) {
                c[0] ^= below;
            } else {
                uint32_t swapped = (c[0] ^ c[d]) & below;
                c[0] ^= swapped;
                c[d] ^= swapped;
            }
        }
    }
    /* Gray code. */
    c[1] ^= c[0];
    c[2] ^= c[1];
    uint32_t flip = 0;
    for (uint32_t bit = 1u << (bits - 1); bit > 1; bit >>= 1)
        if (c[2] & bit) flip ^= bit - 1;
    uint64_t key = 0;
    for (int b = bits - 1; b >= 0; b--)
        for (int d = 0; d < 3; d++) key = key << 1 | ((c[d] ^ flip) >> b & 1);
    return key;
}

typedef struct {
    uint64_t key;
    size_t from;
} place_t;

/* By the bytes of the key that are in use, lowest first; stable. */
static place_t *radix_sorted(place_t *a, place_t *b, size_t n, int bits)
{
    for (int shift = 0; shift < bits; shift += 8) {
        size_t start[257] = {0};
        for (size_t i = 0; i < n; i++) start[(a[i].key >> shift & 255) + 1]++;
        for (int v = 0; v < 256; v++) start[v + 1] += start[v];
        for (size_t i = 0; i < n; i++) b[start[a[i].key >> shift & 255]++] = a[i];
        place_t *swap = a;
        a = b;
        b = swap;
    }
    return a;
}

void particles_sort(particles_t *s, double box, int bits)
{
    const uint32_t cells = 1u << bits;
    place_t *places = peri_xcalloc(2 * s->count, sizeof(*places));
    for (size_t i = 0; i < s->count; i++) {
        uint32_t c[3];
        for (int d = 0; d < 3; d++) {
            c[d] = (uint32_t)(s->at[i].x[d] * cells / box);
            if (c[d] >= cells) c[d] = cells - 1; /* rounded up to the box */
        }
        places[i] = (place_t){hilbert_key(c[0], c[1], c[2], bits), i};
    }
    const place_t *order = radix_sorted(places, places + s->count, s->count, 3 * bits);
    particle_t *sorted = peri_xcalloc(s->count, sizeof(*sorted));
    for (size_t i = 0; i < s->count; i++) sorted[i] = s->at[order[i].from];
    free(s->at);
    free(places);
    s->at = sorted;
    s->room = s->count;
}
