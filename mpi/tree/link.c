/* link.c - see link.h: takes snapshots one by one and finds descendants. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/tree/link_private.h"
#include "perigee/particles.h"

/* Particles that halo `from` of an earlier snapshot shares with halo `to` of this one. */
typedef struct {
    int64_t from, to, weight;
} shared_t;

peri_linker_t *peri_linker_new(MPI_Comm comm)
{
    peri_linker_t *l = peri_xcalloc(1, sizeof(*l));
    l->comm = comm;
    MPI_Comm_size(comm, &l->nranks);
    return l;
}

void peri_linker_free(peri_linker_t *l)
{
    if (!l) return;
    free(l->halos);
    free(l->snapshots);
    free(l->last[0].members);
    free(l->last[1].members);
    free(l);
}

int64_t peri_bound_weight(int64_t rank, int64_t tracers)
{
    return rank < tracers ? llround(1048576 / (1 + sqrt((double)rank))) : 0;
}

int peri_link_owner(const peri_linker_t *l, int64_t number)
{
    uint64_t z = (uint64_t)number * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93u;
    return (int)((z >> 32) % (uint64_t)l->nranks);
}

linked_t *peri_link_find(const peri_linker_t *l, const snapshot_t *s, int64_t halo)
{
    size_t lo = s->start, hi = s->start + s->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (l->halos[mid].h.subhalo < halo)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == s->start + s->n || l->halos[lo].h.subhalo != halo) return NULL;
    return &l->halos[lo];
}

/* ---- halos ---- */

static int by_number(const void *a, const void *b)
{
    const int64_t x = ((const peri_treehalo_t *)a)->subhalo;
    const int64_t y = ((const peri_treehalo_t *)b)->subhalo;
    return x < y ? -1 : x > y;
}

static int check_halos(const peri_treehalo_t *h, size_t n, int snapnum, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++) {
        if (h[i].subhalo < 0 || h[i].subhalo >> HALO_BITS)
            return peri_err_set(err, PERI_EINVAL,
                                "Snapshot %d has a halo number %" PRId64
                                ": it must be 0 or larger, and below 2^%d.",
                                snapnum, h[i].subhalo, HALO_BITS);
        if (i && h[i].subhalo == h[i - 1].subhalo)
            return peri_err_set(err, PERI_EINVAL,
                                "Snapshot %d has two halos with number %" PRId64 ".",
                                snapnum, h[i].subhalo);
    }
    return 0;
}

/* Halos go to their owners, sorted, behind those of earlier snapshots. */
static int take_halos(peri_linker_t *l, int snapnum, const peri_treehalo_t *halos,
                      size_t n, peri_err_t *err)
{
    int *dest = peri_xmalloc((n + 1) * sizeof(*dest));
    for (size_t i = 0; i < n; i++) dest[i] = peri_link_owner(l, halos[i].subhalo);
    void *received = NULL;
    size_t got = 0;
    int rc = peri_items_exchange(halos, sizeof(*halos), n, dest, l->comm, &received, &got,
                                 err);
    free(dest);
    if (rc != 0) return -1;
    peri_treehalo_t *h = received;
    if (got) qsort(h, got, sizeof(*h), by_number);
    rc = peri_ranks_agree(check_halos(h, got, snapnum, err), l->comm, err);
    if (rc == 0) {
        if (l->nhalos + got > l->room) {
            l->room = l->nhalos + got + l->nhalos / 2;
            l->halos = peri_xrealloc(l->halos, l->room, sizeof(*l->halos));
        }
        l->snapshots =
            peri_xrealloc(l->snapshots, l->nsnapshots + 1, sizeof(*l->snapshots));
        l->snapshots[l->nsnapshots++] = (snapshot_t){snapnum, l->nhalos, got};
        for (size_t i = 0; i < got; i++) {
            h[i].snapnum = snapnum;
            l->halos[l->nhalos++] = (linked_t){h[i], {.snapnum = -1}};
        }
    }
    free(received);
    return rc;
}

/* ---- particles ---- */

/* By id, in passes of 11 bits; passes in which all are equal cost one look. */
static void sort_by_id(peri_member_t **members, size_t n)
{
    enum { BITS = 11, BINS = 1 << BITS };
    peri_member_t *from = *members, *to = peri_xmalloc((n + 1) * sizeof(*to));
    size_t *at = peri_xmalloc(BINS * sizeof(*at));
    for (int shift = 0; shift < 64 && n > 1; shift += BITS) {
        memset(at, 0, BINS * sizeof(*at));
        for (size_t i = 0; i < n; i++) at[((uint64_t)from[i].id >> shift) & (BINS - 1)]++;
        if (at[((uint64_t)from[0].id >> shift) & (BINS - 1)] == n) continue;
        for (size_t b = 0, sum = 0; b < BINS; b++) {
            const size_t count = at[b];
            at[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[at[((uint64_t)from[i].id >> shift) & (BINS - 1)]++] = from[i];
        peri_member_t *swap = from;
        from = to;
        to = swap;
    }
    free(at);
    free(to);
    *members = from;
}

static int check_members(const members_t *m, int snapnum, peri_err_t *err)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->members[i].weight < 0)
            return peri_err_set(err, PERI_EINVAL, "A particle has a negative weight.");
        if (i && m->members[i].id == m->members[i - 1].id)
            return peri_err_set(err, PERI_EINVAL,
                                "Snapshot %d has particle %" PRIu64
                                " in two halos, or twice: ids must be unique.",
                                snapnum, (uint64_t)m->members[i].id);
    }
    return 0;
}

static int take_members(peri_linker_t *l, int snapnum, const peri_member_t *members,
                        size_t n, members_t *out, peri_err_t *err)
{
    int *dest = peri_xmalloc((n + 1) * sizeof(*dest));
    for (size_t i = 0; i < n; i++) dest[i] = peri_link_owner(l, members[i].id);
    void *received = NULL;
    int rc = peri_items_exchange(members, sizeof(*members), n, dest, l->comm, &received,
                                 &out->n, err);
    free(dest);
    if (rc != 0) return -1;
    out->members = received;
    sort_by_id(&out->members, out->n);
    return peri_ranks_agree(check_members(out, snapnum, err), l->comm, err);
}

/* ---- shared particles ---- */

typedef struct {
    shared_t *slots; /* weight 0: free */
    size_t n, room;  /* room is a power of 2 */
} pairs_t;

static shared_t *pair_slot(const pairs_t *p, int64_t from, int64_t to)
{
    uint64_t z = ((uint64_t)from * 0x9e3779b97f4a7c15u) ^ (uint64_t)to;
    z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9u;
    for (size_t i = (z >> 32) & (p->room - 1);; i = (i + 1) & (p->room - 1)) {
        shared_t *s = &p->slots[i];
        if (s->weight == 0 || (s->from == from && s->to == to)) return s;
    }
}

static void pair_add(pairs_t *p, int64_t from, int64_t to, int64_t weight)
{
    if (2 * (p->n + 1) > p->room) {
        pairs_t larger = {.room = p->room ? 2 * p->room : 1024, .n = p->n};
        larger.slots = peri_xcalloc(larger.room, sizeof(*larger.slots));
        for (size_t i = 0; i < p->room; i++)
            if (p->slots[i].weight)
                *pair_slot(&larger, p->slots[i].from, p->slots[i].to) = p->slots[i];
        free(p->slots);
        *p = larger;
    }
    shared_t *s = pair_slot(p, from, to);
    if (s->weight == 0) {
        *s = (shared_t){from, to, 0};
        p->n++;
    }
    s->weight += weight;
}

/* Both are sorted by id: one walk finds the particles of both. */
static shared_t *find_shared(const members_t *before, const members_t *now, size_t *n)
{
    pairs_t p = {0};
    for (size_t i = 0, k = 0; i < before->n && k < now->n;) {
        const uint64_t a = (uint64_t)before->members[i].id;
        const uint64_t b = (uint64_t)now->members[k].id;
        if (a == b && before->members[i].weight)
            pair_add(&p, before->members[i].halo, now->members[k].halo,
                     before->members[i].weight);
        i += a <= b;
        k += b <= a;
    }
    *n = 0;
    for (size_t i = 0; i < p.room; i++)
        if (p.slots[i].weight) p.slots[(*n)++] = p.slots[i];
    return p.slots;
}

static int by_pair(const void *a, const void *b)
{
    const shared_t *x = a, *y = b;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

/* From what this rank's halos share with others, sorted: the best for each halo that has
 * no descendant yet. */
static int choose(peri_linker_t *l, const snapshot_t *from, int snapnum, shared_t *s,
                  size_t n, peri_err_t *err)
{
    if (n) qsort(s, n, sizeof(*s), by_pair);
    for (size_t i = 0, next; i < n; i = next) {
        int64_t best = -1, most = 0;
        for (next = i; next < n && s[next].from == s[i].from;) {
            const int64_t to = s[next].to;
            int64_t weight = 0;
            for (; next < n && s[next].from == s[i].from && s[next].to == to; next++)
                weight += s[next].weight;
            if (weight > most) most = weight, best = to;
        }
        linked_t *h = peri_link_find(l, from, s[i].from);
        if (!h)
            return peri_err_set(err, PERI_EINVAL,
                                "A particle is in halo %" PRId64
                                " of snapshot %d, but there is no such halo.",
                                s[i].from, from->snapnum);
        if (h->descendant.snapnum < 0)
            h->descendant = (haloref_t){.halo = best, .snapnum = snapnum};
    }
    return 0;
}

static int link_to(peri_linker_t *l, const snapshot_t *from, const members_t *before,
                   int snapnum, const members_t *now, peri_err_t *err)
{
    size_t n, got = 0;
    shared_t *shared = find_shared(before, now, &n);
    int *dest = peri_xmalloc((n + 1) * sizeof(*dest));
    for (size_t i = 0; i < n; i++) dest[i] = peri_link_owner(l, shared[i].from);
    void *received = NULL;
    int rc = peri_items_exchange(shared, sizeof(*shared), n, dest, l->comm, &received,
                                 &got, err);
    free(shared);
    free(dest);
    if (rc != 0) return -1;
    rc = peri_ranks_agree(choose(l, from, snapnum, received, got, err), l->comm, err);
    free(received);
    return rc;
}

int peri_linker_add(peri_linker_t *l, int snapnum, const peri_treehalo_t *halos,
                    size_t nhalos, const peri_member_t *members, size_t nmembers,
                    peri_err_t *err)
{
    const size_t nbefore = l->nsnapshots;
    if (snapnum < 0 || snapnum >> (62 - HALO_BITS))
        return peri_err_set(err, PERI_EINVAL, "Snapshot number %d is not possible.",
                            snapnum);
    if (nbefore && l->snapshots[nbefore - 1].snapnum >= snapnum)
        return peri_err_set(err, PERI_EINVAL, "Snapshot %d comes after snapshot %d.",
                            snapnum, l->snapshots[nbefore - 1].snapnum);
    members_t now = {0};
    int rc = take_halos(l, snapnum, halos, nhalos, err);
    if (rc == 0) rc = take_members(l, snapnum, members, nmembers, &now, err);
    for (size_t back = 0; back < 2 && back < nbefore && rc == 0; back++)
        rc = link_to(l, &l->snapshots[nbefore - 1 - back], &l->last[back], snapnum, &now,
                     err);
    if (rc != 0) {
        free(now.members);
        return -1;
    }
    free(l->last[1].members);
    l->last[1] = l->last[0];
    l->last[0] = now;
    return 0;
}
