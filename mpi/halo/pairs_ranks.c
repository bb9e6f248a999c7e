/* pairs_ranks.c - which rank counts which pair, and what it needs of others for that.
 *
 * A rank counts the pairs among its own points, through the border of the box too. Of two
 * sets, it also counts its points of the first with those of the second that other ranks
 * have and that are near; these come unshifted and once, as the count knows the box. Of
 * one set, a pair of two ranks would be met by both, so they share: points lie in blocks,
 * and the lower rank takes the pairs with even blocks of the higher one, which takes the
 * others.
 *
 * What is near is told by the boxes around the points of all ranks. It only has to be
 * enough, as pairs that are too far apart do not count: hence `slack` for rounding.
 */
#include "mpi/halo/pairs_ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "perigee/particles.h"

enum { BLOCK = 256 };

typedef enum { ALL, EVEN, ODD } part_t;     /* blocks of a rank's points */
typedef enum { BOTH_WAYS, DOWN, UP } way_t; /* to which ranks points go */

typedef struct {
    int rank, nranks;
    MPI_Comm comm;
    const peri_pairs_bins_t *bins;
    peri_pairs_opts_t opts; /* that ask here, for a part of all */
    const peri_pairs_opts_t *asked;
    double from, to; /* the fractions at which this part begins and ends */
    double reach[3], radius;
    unsigned times; /* what a pair between ranks counts */
    peri_pairs_counts_t *sum;
} share_t;

typedef struct {
    double at[3], weight;
} item_t;

/* Some points; the arrays are parts of memory. */
typedef struct {
    peri_pairs_points_t points;
    double *memory;
} points_t;

static double waited;

double peri_pairs_waited(void)
{
    return waited;
}

static int ask(void *arg, double fraction)
{
    const share_t *s = arg;
    return s->asked->ask(s->asked->ask_arg, s->from + fraction * (s->to - s->from));
}

/* ---- sums over ranks ---- */

static void add_integers(void *from, void *into, int *n, MPI_Datatype *type)
{
    (void)type;
    for (int i = 0; i < *n; i++) {
        __int128 a, b; /* MPI's buffers need not be aligned */
        memcpy(&a, (char *)from + (size_t)i * sizeof a, sizeof a);
        memcpy(&b, (char *)into + (size_t)i * sizeof b, sizeof b);
        b += a;
        memcpy((char *)into + (size_t)i * sizeof b, &b, sizeof b);
    }
}

void peri_sum_integers(__int128 *values, size_t n, MPI_Comm comm)
{
    const double start = MPI_Wtime();
    MPI_Datatype type;
    MPI_Op add;
    MPI_Type_contiguous(sizeof *values, MPI_BYTE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(add_integers, 1, &add);
    MPI_Allreduce(MPI_IN_PLACE, values, (int)n, type, add, comm);
    MPI_Op_free(&add);
    MPI_Type_free(&type);
    waited += MPI_Wtime() - start;
}

static void sum_counts(peri_pairs_counts_t *c, MPI_Comm comm)
{
    const double start = MPI_Wtime();
    MPI_Allreduce(MPI_IN_PLACE, c->count, (int)c->nbins, MPI_UINT64_T, MPI_SUM, comm);
    waited += MPI_Wtime() - start;
    if (c->weight) peri_sum_integers(c->weight, c->nbins, comm);
    if (c->separation) peri_sum_integers(c->separation, c->nbins, comm);
}

/* ---- what is near ---- */

/* The boxes around the points of all ranks; of no points, one that is near to nothing. */
static peri_region_t *find_boxes(const share_t *s, const peri_pairs_points_t *p)
{
    const double *const at[3] = {p->x, p->y, p->z};
    peri_region_t mine, *all = peri_xmalloc((size_t)s->nranks * sizeof *all);
    for (int d = 0; d < 3; d++) {
        mine.lo[d] = INFINITY;
        mine.hi[d] = -INFINITY;
        for (size_t i = 0; i < p->n; i++) {
            mine.lo[d] = fmin(mine.lo[d], at[d][i]);
            mine.hi[d] = fmax(mine.hi[d], at[d][i]);
        }
    }
    const double start = MPI_Wtime();
    MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, s->comm);
    waited += MPI_Wtime() - start;
    return all;
}

/* The distance of two intervals along an axis, through the border of the box too. */
static double gap(const share_t *s, int d, double lo, double hi, double lo2, double hi2)
{
    const double box = s->opts.box[d];
    double g = fmax(fmax(lo2 - hi, lo - hi2), 0);
    if (box > 0) g = fmin(g, fmin(fmax(lo2 + box - hi, 0), fmax(lo + box - hi2, 0)));
    return g;
}

static bool is_near(const share_t *s, const double lo[3], const double hi[3],
                    const peri_region_t *region)
{
    double sum = 0, radius = s->radius, size = 0;
    for (int d = 0; d < 3; d++) size = fmax(size, fmax(fabs(lo[d]), fabs(hi[d])));
    for (int d = 0; d < 3; d++)
        size = fmax(size,
                    fmax(fabs(region->lo[d]), fmax(fabs(region->hi[d]), s->opts.box[d])));
    const double slack = 1e-9 * radius + 1e-14 * size;
    for (int d = 0; d < 3; d++) {
        const double g = gap(s, d, lo[d], hi[d], region->lo[d], region->hi[d]);
        if (!(g <= s->reach[d] + slack)) return false;
        sum += g * g;
    }
    radius += slack;
    return sum <= radius * radius;
}

static bool goes(way_t way, int from, int to)
{
    return from != to && (way == BOTH_WAYS || (way == DOWN) == (to < from));
}

static bool belongs(part_t part, size_t i)
{
    return part == ALL || (i / BLOCK % 2 == 0) == (part == EVEN);
}

static item_t item_of(const peri_pairs_points_t *p, size_t i)
{
    return (item_t){{p->x[i], p->y[i], p->z[i]}, p->weight ? p->weight[i] : 1};
}

typedef struct {
    item_t *items;
    int *dest;
    size_t n, capacity;
} list_t;

static void list_add(list_t *l, item_t item, int dest)
{
    if (l->n == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 1024;
        l->items = peri_xrealloc(l->items, l->capacity, sizeof *l->items);
        l->dest = peri_xrealloc(l->dest, l->capacity, sizeof *l->dest);
    }
    l->items[l->n] = item;
    l->dest[l->n++] = dest;
}

/* Those of p that are near to these boxes of other ranks: for each of them once (they are
 * to be sent), or once in all. boxes of ranks that do not matter are left out. */
static void list_near(const share_t *s, const peri_pairs_points_t *p, part_t part,
                      const peri_region_t *boxes, const bool *matters, bool once,
                      list_t *l)
{
    for (size_t start = 0; start < p->n; start += BLOCK) {
        const size_t end = start + BLOCK < p->n ? start + BLOCK : p->n;
        if (!belongs(part, start)) continue;
        peri_region_t around = {{INFINITY, INFINITY, INFINITY},
                                {-INFINITY, -INFINITY, -INFINITY}};
        for (size_t i = start; i < end; i++)
            for (int d = 0; d < 3; d++) {
                const double x = item_of(p, i).at[d];
                around.lo[d] = fmin(around.lo[d], x);
                around.hi[d] = fmax(around.hi[d], x);
            }
        bool taken[BLOCK] = {false};
        for (int r = 0; r < s->nranks; r++) {
            if (!matters[r] || !is_near(s, around.lo, around.hi, &boxes[r])) continue;
            for (size_t i = start; i < end; i++) {
                const item_t item = item_of(p, i);
                if (taken[i - start] || !is_near(s, item.at, item.at, &boxes[r]))
                    continue;
                taken[i - start] = once;
                list_add(l, item, r);
            }
        }
    }
}

static points_t points_of(const item_t *items, size_t n, const peri_pairs_points_t *like)
{
    points_t p = {.memory = peri_xmalloc((4 * n + 1) * sizeof(double))};
    double *m = p.memory;
    for (size_t i = 0; i < n; i++) {
        for (size_t d = 0; d < 3; d++) m[d * n + i] = items[i].at[d];
        m[3 * n + i] = items[i].weight;
    }
    p.points = (peri_pairs_points_t){.n = n,
                                     .x = m,
                                     .y = m + n,
                                     .z = m + 2 * n,
                                     .weight = like->weight ? m + 3 * n : NULL,
                                     .weight_total = like->weight_total};
    return p;
}

/* ---- counting ---- */

static int add_count(share_t *s, const peri_pairs_points_t *a,
                     const peri_pairs_points_t *b, peri_err_t *err)
{
    peri_pairs_counts_t *c = peri_pairs_count(a, b, s->bins, &s->opts, err);
    if (!c) return -1;
    for (size_t k = 0; s->times > 1 && k < c->nbins; k++) {
        c->count[k] *= s->times;
        if (c->weight) c->weight[k] *= s->times;
        if (c->separation) c->separation[k] *= s->times;
    }
    const int rc = peri_pairs_counts_add(s->sum, c, err);
    peri_pairs_counts_free(c);
    return rc;
}

/* Points of b that are near go this way; those of a that are near are counted with what
 * comes. */
static int count_across(share_t *s, const peri_pairs_points_t *a, part_t parta,
                        const peri_pairs_points_t *b, part_t partb, way_t way,
                        peri_err_t *err)
{
    peri_region_t *boxa = find_boxes(s, a), *boxb = a == b ? boxa : find_boxes(s, b);
    bool *to = peri_xmalloc(2 * (size_t)s->nranks), *from = to + s->nranks;
    for (int r = 0; r < s->nranks; r++) {
        to[r] = goes(way, s->rank, r);
        from[r] = goes(way, r, s->rank);
    }
    list_t sent = {0}, mine = {0};
    void *got = NULL;
    size_t ngot;
    list_near(s, b, partb, boxa, to, false, &sent);
    int rc = peri_items_exchange(sent.items, sizeof *sent.items, sent.n, sent.dest,
                                 s->comm, &got, &ngot, err);
    free(sent.items);
    free(sent.dest);
    if (!rc && ngot) list_near(s, a, parta, boxb, from, true, &mine);
    if (boxb != boxa) free(boxb);
    free(boxa);
    free(to);
    if (!rc && mine.n) {
        points_t pa = points_of(mine.items, mine.n, a), pb = points_of(got, ngot, b);
        free(got);
        got = NULL;
        rc = add_count(s, &pa.points, &pb.points, err);
        free(pa.memory);
        free(pb.memory);
    }
    free(mine.items);
    free(mine.dest);
    free(got);
    return peri_ranks_agree(rc, s->comm, err);
}

/* The part of all that is between these fractions is next. */
static void begin_part(share_t *s, double from, double to)
{
    s->from = from;
    s->to = to;
}

static int count_shares(share_t *s, const peri_pairs_points_t *a,
                        const peri_pairs_points_t *b, peri_err_t *err)
{
    begin_part(s, 0, s->nranks > 1 ? 0.5 : 1);
    s->sum = peri_pairs_count(a, b, s->bins, &s->opts, err);
    if (peri_ranks_agree(s->sum ? 0 : -1, s->comm, err)) return -1;
    if (s->nranks == 1) return 0;
    begin_part(s, 0.5, b ? 1 : 0.75);
    if (b) return count_across(s, a, ALL, b, ALL, BOTH_WAYS, err);
    s->times = 2;
    if (count_across(s, a, ALL, a, EVEN, DOWN, err)) return -1;
    begin_part(s, 0.75, 1);
    return count_across(s, a, ODD, a, ALL, UP, err);
}

peri_pairs_counts_t *peri_pairs_count_ranks(const peri_pairs_points_t *a,
                                            const peri_pairs_points_t *b,
                                            const peri_pairs_bins_t *bins,
                                            const peri_pairs_opts_t *opts, MPI_Comm comm,
                                            peri_err_t *err)
{
    share_t s = {.comm = comm, .bins = bins, .asked = opts, .opts = *opts, .times = 1};
    MPI_Comm_rank(comm, &s.rank);
    MPI_Comm_size(comm, &s.nranks);
    if (peri_ranks_agree(peri_pairs_check(bins, opts, err), comm, err)) return NULL;
    if (opts->ask) s.opts.ask = ask;
    s.opts.ask_arg = &s;
    peri_pairs_reach(bins, s.reach);
    s.radius = bins->kind == PERI_PAIRS_RP_PI
                   ? hypot(bins->first[bins->nfirst], bins->second[bins->nsecond])
                   : s.reach[0];
    if (count_shares(&s, a, b, err)) {
        peri_pairs_counts_free(s.sum);
        return NULL;
    }
    sum_counts(s.sum, comm);
    return s.sum;
}
