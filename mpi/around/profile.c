/* profile.c - see profile.h.
 *
 * Every rank adds its own particles to bins of all centres, a batch of centres at a time;
 * what it has of a centre goes to the rank that gives its rows. Ranks of consecutive
 * centres are in order, so rows come in the order of the centres.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/around/profile_sums.h"

#define BATCH_BYTES ((size_t)256 << 20) /* of sums on a rank */
#define PIECE       16384               /* particles between two looks at the world */

typedef struct {
    __int128 mass, mv[3];
} mean_t;

typedef struct {
    const peri_particles_t *p;
    const peri_profile_options_t *o;
    const peri_progressing_t *progress;
    MPI_Comm comm;
    int rank, nranks;
    size_t n;               /* centres, all */
    peri_centre_t *centres; /* own copies: the radius is that of the last edge */
    double *unit;           /* of each centre's edges */
    peri_binscales_t scales;
    double passes_done, passes;
    /* The batch: */
    size_t first, count;
    peri_binsums_t *sums; /* [count * nedges] */
    mean_t *means;        /* [count] or NULL */
} work_t;

/* ---- who gives which rows ---- */

static size_t first_of(const work_t *w, int rank)
{
    return (size_t)((unsigned __int128)w->n * (unsigned)rank / (unsigned)w->nranks);
}

static int owner_of(const work_t *w, size_t centre)
{
    int r = (int)((unsigned __int128)centre * (unsigned)w->nranks / w->n);
    while (centre >= first_of(w, r + 1)) r++;
    while (centre < first_of(w, r)) r--;
    return r;
}

/* ---- particles near centres ---- */

typedef void (*visit_f)(work_t *w, size_t i, size_t centre, const double d[3], double r);

static void visit_near(work_t *w, const peri_finder_t *f, size_t i, visit_f visit)
{
    const peri_particles_t *p = w->p;
    const double x[3] = {p->x[i], p->y[i], p->z[i]};
    const uint32_t *list;
    const size_t n = peri_finder_at(f, x, &list);
    for (size_t k = 0; k < n; k++) {
        const size_t c = w->first + list[k];
        double d[3], r2 = 0;
        for (int a = 0; a < 3; a++) {
            d[a] = x[a] - w->centres[c].x[a];
            if (p->periodic) d[a] = peri_short_way(d[a], p->box[a]);
            r2 += d[a] * d[a];
        }
        /* The last edge itself is looked at in the units of the edges. */
        const double r = sqrt(r2);
        if (r <= w->centres[c].radius * (1 + 1e-9)) visit(w, i, c, d, r);
    }
}

static int pass(work_t *w, const peri_finder_t *f, visit_f visit, peri_err_t *err)
{
    for (size_t i = 0; i < w->p->n; i++) {
        visit_near(w, f, i, visit);
        if (!w->progress || i % PIECE) continue;
        const double part = (double)i / (double)w->p->n;
        if (w->progress->tick(w->progress->arg, w->passes_done + part, w->passes, err))
            return -1;
    }
    w->passes_done++;
    return 0;
}

/* How many edges are at or below. */
static size_t edges_below(const work_t *w, size_t centre, double r)
{
    const double u = w->o->scaled ? r / w->unit[centre] : r;
    size_t lo = 0, hi = w->o->nedges;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (w->o->edges[mid] <= u)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_to_bin(work_t *w, size_t i, size_t centre, const double d[3], double r)
{
    const peri_particles_t *p = w->p;
    const size_t bin = edges_below(w, centre, r);
    if (bin == w->o->nedges) return;
    double v[3];
    if (p->vx) {
        const double *u = w->centres[centre].v;
        v[0] = p->vx[i] - u[0] + w->o->hubble_flow * d[0];
        v[1] = p->vy[i] - u[1] + w->o->hubble_flow * d[1];
        v[2] = p->vz[i] - u[2] + w->o->hubble_flow * d[2];
    }
    peri_binsums_add(&w->sums[(centre - w->first) * w->o->nedges + bin], &w->scales,
                     p->mass ? p->mass[i] : 1, r, d, p->vx ? v : NULL);
}

static void add_to_mean(work_t *w, size_t i, size_t centre, const double d[3], double r)
{
    (void)d;
    const peri_particles_t *p = w->p;
    const double mass = p->mass ? p->mass[i] : 1;
    mean_t *m = &w->means[centre - w->first];
    if (edges_below(w, centre, r) == w->o->nedges) return;
    m->mass += fixed(mass * w->scales.mass);
    m->mv[0] += fixed(mass * p->vx[i] * w->scales.v);
    m->mv[1] += fixed(mass * p->vy[i] * w->scales.v);
    m->mv[2] += fixed(mass * p->vz[i] * w->scales.v);
}

/* ---- velocities of centres that have none ---- */

static int find_means(work_t *w, const peri_finder_t *f, peri_err_t *err)
{
    int rc = pass(w, f, add_to_mean, err);
    if (peri_ranks_agree(rc, w->comm, err)) return -1;
    peri_integers_sum((__int128 *)w->means, 4 * w->count, w->comm);
    for (size_t i = 0; i < w->count; i++) {
        double *v = w->centres[w->first + i].v;
        const mean_t *m = &w->means[i];
        for (int k = 0; k < 3 && !isfinite(v[k]); k++)
            v[k] = m->mass > 0 ? (double)(((long double)m->mv[k] / w->scales.v) /
                                          ((long double)m->mass / w->scales.mass))
                               : 0;
    }
    return 0;
}

/* ---- sums to their owners ---- */

static int send_sums(work_t *w, void **received, size_t *n, peri_err_t *err)
{
    const size_t nedges = w->o->nedges, head = sizeof(peri_binsums_t),
                 size = head + nedges * sizeof(peri_binsums_t);
    size_t used = 0;
    char *items = NULL;
    int *dest = calloc(w->count + 1, sizeof(*dest)), rc = 0;
    bool *has = calloc(w->count + 1, sizeof(*has));
    for (size_t i = 0; has && i < w->count; i++) {
        for (size_t b = 0; b < nedges && !has[i]; b++)
            has[i] = w->sums[i * nedges + b].np > 0;
        used += has[i];
    }
    items = calloc(used + 1, size);
    if (!items || !dest || !has)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to send sums of %zu bins",
                          used * nedges);
    size_t at = 0;
    for (size_t i = 0; rc == 0 && i < w->count; i++) {
        if (!has[i]) continue;
        char *item = items + at * size;
        ((peri_binsums_t *)item)->np = w->first + i;
        memcpy(item + head, w->sums + i * nedges, nedges * sizeof(*w->sums));
        dest[at++] = owner_of(w, w->first + i);
    }
    rc = peri_ranks_agree(rc, w->comm, err);
    if (rc == 0)
        rc = peri_items_exchange(items, size, used, dest, w->comm, received, n, err);
    free(items);
    free(dest);
    free(has);
    return rc;
}

/* Own centres of the batch get their bins. */
static int collect(work_t *w, peri_profile_bin_t *bins, peri_err_t *err)
{
    const size_t nedges = w->o->nedges;
    const size_t size = (nedges + 1) * sizeof(peri_binsums_t);
    const size_t own = first_of(w, w->rank), end = first_of(w, w->rank + 1);
    void *items = NULL;
    size_t n = 0;
    if (send_sums(w, &items, &n, err)) return -1;
    memset(w->sums, 0, w->count * nedges * sizeof(*w->sums));
    for (size_t i = 0; i < n; i++) {
        const peri_binsums_t *s =
            (const peri_binsums_t *)(const void *)((char *)items + i * size);
        peri_binsums_merge(w->sums + (s->np - w->first) * nedges, s + 1, nedges);
    }
    free(items);
    for (size_t c = w->first; c < w->first + w->count; c++)
        if (c >= own && c < end)
            peri_binsums_bins(w->sums + (c - w->first) * nedges, &w->scales, w->o->edges,
                              nedges, w->unit[c], w->p->vx != NULL,
                              bins + (c - own) * (nedges - 1));
    return 0;
}

static int do_batch(work_t *w, peri_profile_bin_t *bins, peri_err_t *err)
{
    static const peri_shape_t sphere = {.kind = PERI_SPHERE};
    const double *box = w->p->periodic ? w->p->box : NULL;
    peri_finder_t *f =
        peri_finder_new(&sphere, w->centres + w->first, w->count, box, err);
    int rc = peri_ranks_agree(f ? 0 : -1, w->comm, err);
    if (rc == 0) {
        memset(w->sums, 0, w->count * w->o->nedges * sizeof(*w->sums));
        if (w->means) memset(w->means, 0, w->count * sizeof(*w->means));
    }
    if (rc == 0 && w->means) rc = find_means(w, f, err);
    if (rc == 0) rc = peri_ranks_agree(pass(w, f, add_to_bin, err), w->comm, err);
    peri_finder_free(f);
    return rc == 0 ? collect(w, bins, err) : -1;
}

/* ---- all of it ---- */

static int check_edges(const peri_profile_options_t *o, peri_err_t *err)
{
    if (o->nedges < 2)
        return peri_err_set(err, PERI_EINVAL, "a profile needs at least two edges");
    for (size_t i = 0; i < o->nedges; i++)
        if (!isfinite(o->edges[i]) || o->edges[i] < 0 ||
            (i && o->edges[i] <= o->edges[i - 1]))
            return peri_err_set(err, PERI_EINVAL,
                                "edges of bins must rise, from 0 or more: %g is number "
                                "%zu of them",
                                o->edges[i], i + 1);
    return 0;
}

/* Copies, with the radius of the last edge. */
static int take_centres(work_t *w, const peri_centre_t *centres, double *speed,
                        peri_err_t *err)
{
    static const peri_shape_t sphere = {.kind = PERI_SPHERE};
    const double *box = w->p->periodic ? w->p->box : NULL;
    const double last = w->o->edges[w->o->nedges - 1];
    w->centres = malloc((w->n + 1) * sizeof(*w->centres));
    w->unit = malloc((w->n + 1) * sizeof(*w->unit));
    if (!w->centres || !w->unit)
        return peri_err_set(err, PERI_ELIMIT, "there is no memory for %zu centres", w->n);
    for (size_t i = 0; i < w->n; i++) {
        peri_centre_t *c = &w->centres[i];
        *c = centres[i];
        if (w->o->scaled && !(c->radius > 0 && isfinite(c->radius)))
            return peri_err_set(err, PERI_EINVAL,
                                "the radius of centre %lld is %g: it must be above 0 to "
                                "scale its bins (leave out others with a condition)",
                                (long long)c->id, c->radius);
        w->unit[i] = w->o->scaled ? c->radius : 1;
        c->radius = last * w->unit[i];
        if (peri_shape_check(&sphere, c, box, err)) return -1;
        for (int k = 0; k < 3 && w->p->vx && isfinite(c->v[k]); k++)
            *speed = fmax(*speed, 2 * fabs(c->v[k]));
    }
    return 0;
}

static int open_work(work_t *w, const peri_centre_t *centres, peri_profile_bin_t **bins,
                     size_t *batch, peri_err_t *err)
{
    const size_t nbins = w->o->nedges - 1;
    double speed = 0, flow = 0;
    bool unknown = false;
    if (check_edges(w->o, err) || take_centres(w, centres, &speed, err)) return -1;
    for (size_t i = 0; i < w->n; i++) {
        flow = fmax(flow, fabs(w->o->hubble_flow) * w->centres[i].radius);
        for (int k = 0; k < 3; k++) unknown = unknown || !isfinite(w->centres[i].v[k]);
    }
    if (peri_binscales(w->p, flow, speed, w->comm, &w->scales, err)) return -1;
    *batch = BATCH_BYTES / (w->o->nedges * sizeof(*w->sums));
    if (*batch > w->n) *batch = w->n;
    if (*batch > INT_MAX / 4) *batch = INT_MAX / 4;
    if (*batch == 0) *batch = 1;
    w->passes = (double)((w->n + *batch - 1) / *batch) * (w->p->vx && unknown ? 2 : 1);
    w->sums = malloc(*batch * w->o->nedges * sizeof(*w->sums));
    if (w->p->vx && unknown) w->means = malloc(*batch * sizeof(*w->means));
    const size_t own = first_of(w, w->rank + 1) - first_of(w, w->rank);
    *bins = malloc((own * nbins + 1) * sizeof(**bins));
    if (!w->sums || !*bins || (w->p->vx && unknown && !w->means))
        return peri_err_set(err, PERI_ELIMIT,
                            "there is no memory for the bins of %zu centres: use more "
                            "ranks, or fewer centres or bins",
                            w->n);
    return 0;
}

int peri_profile(const peri_particles_t *p, const peri_centre_t *centres, size_t n,
                 const peri_profile_options_t *options,
                 const peri_progressing_t *progress, MPI_Comm comm,
                 peri_profile_bin_t **bins, size_t *first, size_t *count, peri_err_t *err)
{
    work_t w = {.p = p, .o = options, .progress = progress, .comm = comm, .n = n};
    peri_profile_bin_t *all = NULL;
    size_t batch = 1;
    MPI_Comm_rank(comm, &w.rank);
    MPI_Comm_size(comm, &w.nranks);
    int rc = peri_ranks_agree(open_work(&w, centres, &all, &batch, err), comm, err);
    for (w.first = 0; rc == 0 && w.first < n; w.first += batch) {
        w.count = n - w.first < batch ? n - w.first : batch;
        rc = do_batch(&w, all, err);
    }
    free(w.centres);
    free(w.unit);
    free(w.sums);
    free(w.means);
    *first = first_of(&w, w.rank);
    *count = first_of(&w, w.rank + 1) - *first;
    *bins = all;
    if (rc == 0) return 0;
    free(all);
    *bins = NULL;
    return -1;
}
