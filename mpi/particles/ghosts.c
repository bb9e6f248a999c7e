/* ghosts.c - copies of near particles of other ranks, and what goes between them and
 * their owners.
 *
 * Every rank knows all regions, so each finds alone which of its particles are ghosts
 * where. Particles lie along a curve; blocks of them are tested by the boxes around them
 * first. Whether a particle is near is decided with the position that the ghost has, so
 * sender and receiver cannot disagree by rounding.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/particles/private.h"

enum { BLOCK = 64 };

typedef struct {
    double lo[3], hi[3];
} block_t;

/* Particles chosen to be sent, in order: which, and how shifted. */
typedef struct {
    size_t n, capacity;
    uint32_t *index;
    signed char (*shift)[3];
} chosen_t;

static int choose(chosen_t *c, size_t index, const signed char shift[3], peri_err_t *err)
{
    if (c->n == c->capacity) {
        size_t capacity = c->capacity ? c->capacity * 2 : 1024;
        uint32_t *indices = realloc(c->index, capacity * sizeof(*indices));
        if (indices) c->index = indices;
        signed char(*shifts)[3] = realloc(c->shift, capacity * sizeof(*shifts));
        if (shifts) c->shift = shifts;
        if (!indices || !shifts)
            return peri_err_set(err, PERI_ELIMIT,
                                "there is no memory for %zu ghosts: use more ranks or a "
                                "smaller distance",
                                capacity);
        c->capacity = capacity;
    }
    c->index[c->n] = (uint32_t)index;
    memcpy(c->shift[c->n++], shift, 3);
    return 0;
}

static block_t *make_blocks(const peri_particles_t *p)
{
    const double *coord[3] = {p->x, p->y, p->z};
    block_t *blocks = malloc(larger((p->n + BLOCK - 1) / BLOCK, 1) * sizeof(*blocks));
    for (size_t i = 0; blocks && i < p->n; i++) {
        block_t *b = &blocks[i / BLOCK];
        for (int k = 0; k < 3; k++) {
            double x = coord[k][i];
            b->lo[k] = i % BLOCK ? fmin(b->lo[k], x) : x;
            b->hi[k] = i % BLOCK ? fmax(b->hi[k], x) : x;
        }
    }
    return blocks;
}

/* The particles whose image with this shift is near to the region. */
static int choose_near(const peri_particles_t *p, const block_t *blocks,
                       const peri_region_t *region, const signed char shift[3],
                       double width, chosen_t *c, peri_err_t *err)
{
    double add[3], lo[3], hi[3];
    for (int k = 0; k < 3; k++) {
        add[k] = shift[k] * p->box[k];
        lo[k] = p->region.lo[k] + add[k];
        hi[k] = p->region.hi[k] + add[k];
    }
    if (gap2(lo, hi, region->lo, region->hi) >= width * width) return 0;
    for (size_t start = 0; start < p->n; start += BLOCK) {
        const block_t *b = &blocks[start / BLOCK];
        for (int k = 0; k < 3; k++) {
            lo[k] = b->lo[k] + add[k];
            hi[k] = b->hi[k] + add[k];
        }
        if (gap2(lo, hi, region->lo, region->hi) >= width * width) continue;
        size_t end = start + BLOCK < p->n ? start + BLOCK : p->n;
        for (size_t i = start; i < end; i++) {
            double x[3] = {p->x[i] + add[0], p->y[i] + add[1], p->z[i] + add[2]};
            if (gap2(x, x, region->lo, region->hi) < width * width &&
                choose(c, i, shift, err))
                return -1;
        }
    }
    return 0;
}

static int choose_for(const peri_particles_t *p, const block_t *blocks, int rank, int own,
                      double width, chosen_t *c, peri_err_t *err)
{
    signed char most = p->periodic ? 1 : 0, s[3];
    for (s[0] = (signed char)-most; s[0] <= most; s[0]++)
        for (s[1] = (signed char)-most; s[1] <= most; s[1]++)
            for (s[2] = (signed char)-most; s[2] <= most; s[2]++) {
                if (own && !s[0] && !s[1] && !s[2]) continue;
                if (choose_near(p, blocks, &p->p->regions[rank], s, width, c, err))
                    return -1;
            }
    return 0;
}

/* Copy the chosen particles' arrays to where they are ghosts. */
static void send_arrays(peri_particles_t *p, peri_traffic_t *t, const chosen_t *c,
                        uint64_t *buffer)
{
    void **arrays[PERI_ARRAYS_MAX];
    size_t narrays = peri_particles_arrays(p, arrays);
    for (size_t a = 0; a < narrays; a++) {
        const uint64_t *from = *arrays[a];
        for (size_t i = 0; i < c->n; i++) buffer[i] = from[c->index[i]];
        if (a < 3)
            for (size_t i = 0; i < c->n; i++) {
                double x;
                memcpy(&x, &buffer[i], sizeof(x));
                x += c->shift[i][a] * p->box[a];
                memcpy(&buffer[i], &x, sizeof(x));
            }
        peri_traffic_send(t, buffer, (uint64_t *)*arrays[a] + p->n, sizeof(*buffer));
    }
}

static int receive(peri_particles_t *p, chosen_t *c, const size_t *counts, MPI_Comm comm,
                   peri_err_t *err)
{
    peri_traffic_t *t = peri_traffic_new(counts, comm, err);
    if (!t) return -1;
    size_t got = peri_traffic_got(t);
    uint64_t *buffer = malloc(larger(c->n, 1) * sizeof(*buffer));
    uint32_t *index = malloc(larger(got, 1) * sizeof(*index));
    signed char(*shift)[3] = malloc(larger(got, 1) * sizeof(*shift));
    int rc =
        buffer && index && shift
            ? peri_particles_reserve(p, p->n + got, err)
            : peri_err_set(err, PERI_ELIMIT, "there is no memory for %zu ghosts", got);
    rc = peri_ranks_agree(rc, comm, err);
    if (rc) {
        free(index);
        free(shift);
        peri_traffic_free(t);
    } else {
        peri_traffic_send(t, c->index, index, sizeof(*index));
        peri_traffic_send(t, c->shift, shift, sizeof(*shift));
        send_arrays(p, t, c, buffer);
        p->nghosts = got;
        p->p->traffic = t;
        p->p->ghost_index = index;
        p->p->ghost_shift = shift;
        p->p->sent_index = c->index;
        c->index = NULL;
    }
    free(buffer);
    return rc;
}

static int check_width(const peri_particles_t *p, double width, peri_err_t *err)
{
    if (!p->p->nranks)
        return peri_err_set(err, PERI_EINTERNAL, "ghosts need decomposed particles");
    if (!(width >= 0) || !isfinite(width))
        return peri_err_set(err, PERI_EINVAL,
                            "the distance must be a positive number, but it is %g",
                            width);
    double shortest = fmin(p->box[0], fmin(p->box[1], p->box[2]));
    if (p->periodic && width > shortest / 2)
        return peri_err_set(err, PERI_EINVAL,
                            "the distance %g is more than half of the box (%g): take a "
                            "smaller one",
                            width, shortest);
    return 0;
}

int peri_particles_ghosts(peri_particles_t *p, double width, MPI_Comm comm,
                          peri_err_t *err)
{
    if (check_width(p, width, err)) return -1;
    peri_particles_drop_ghosts(p);
    int rank, nranks, rc = 0;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    chosen_t c = {0};
    size_t *counts = calloc((size_t)nranks, sizeof(*counts));
    block_t *blocks = make_blocks(p);
    if (!counts || !blocks)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to look for ghosts");
    for (int r = 0; !rc && width > 0 && r < nranks; r++) {
        size_t before = c.n;
        rc = choose_for(p, blocks, r, r == rank, width, &c, err);
        counts[r] = c.n - before;
    }
    free(blocks);
    rc = peri_ranks_agree(rc, comm, err);
    if (!rc) rc = receive(p, &c, counts, comm, err);
    if (!rc) p->ghost_width = width;
    free(counts);
    free(c.index);
    free(c.shift);
    return rc;
}

/* ---- ghosts and owners ---- */

int peri_ghost_rank(const peri_particles_t *p, size_t i)
{
    const size_t *start = p->p->traffic->got_start;
    int low = 0, high = p->p->nranks - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (i < start[middle + 1])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

size_t peri_ghost_index(const peri_particles_t *p, size_t i)
{
    return p->p->ghost_index[i];
}

const signed char *peri_ghost_shift(const peri_particles_t *p, size_t i)
{
    return p->p->ghost_shift[i];
}

/* A buffer for the values of all particles that were sent. */
static char *sent_buffer(const peri_particles_t *p, size_t size, int *rc, MPI_Comm comm,
                         peri_err_t *err)
{
    size_t sent = peri_traffic_sent(p->p->traffic);
    char *buffer = malloc(larger(sent * size, 1));
    *rc = buffer ? 0
                 : peri_err_set(err, PERI_ELIMIT,
                                "there is no memory for the values of %zu ghosts", sent);
    *rc = peri_ranks_agree(*rc, comm, err);
    return buffer;
}

int peri_ghosts_update(const peri_particles_t *p, void *values, size_t size,
                       MPI_Comm comm, peri_err_t *err)
{
    if (!p->p->traffic) return 0;
    int rc;
    char *buffer = sent_buffer(p, size, &rc, comm, err), *all = values;
    if (!rc) {
        size_t sent = peri_traffic_sent(p->p->traffic);
        for (size_t i = 0; i < sent; i++)
            memcpy(buffer + i * size, all + p->p->sent_index[i] * size, size);
        peri_traffic_send(p->p->traffic, buffer, all + p->n * size, size);
    }
    free(buffer);
    return rc;
}

int peri_ghosts_reduce(const peri_particles_t *p, void *values, size_t size,
                       void (*combine)(void *into, const void *from), MPI_Comm comm,
                       peri_err_t *err)
{
    if (!p->p->traffic) return 0;
    int rc;
    char *buffer = sent_buffer(p, size, &rc, comm, err), *all = values;
    if (!rc) {
        size_t sent = peri_traffic_sent(p->p->traffic);
        peri_traffic_back(p->p->traffic, all + p->n * size, buffer, size);
        for (size_t i = 0; i < sent; i++)
            combine(all + p->p->sent_index[i] * size, buffer + i * size);
    }
    free(buffer);
    return rc;
}
