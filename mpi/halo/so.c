/* so.c - spherical overdensity: the side of those who own centres.
 *
 * Centres go to the ranks whose regions their shells touch, three shells at a time, as
 * long as the density is too high; only masses of shells come back. When the shell in
 * which the density falls below is known, that shell's particles come, and the radius is
 * exact. No ghosts: how far a halo reaches costs messages for that halo only. Centres are
 * taken in batches, so that memory has a bound.
 */
#include "mpi/halo/so.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/fixed.h"
#include "mpi/halo/so_private.h"

size_t peri_so_hits_most = (size_t)1 << 22;

enum { BATCH = 4096, UNKNOWN = -1, NOT_FOUND = -2, NO_HALO = -3 };

typedef struct {
    peri_particles_t *p;
    const peri_particles_t *centres;
    const peri_so_options_t *options;
    MPI_Comm comm;
    peri_so_queries_t queries;
    double mass_scale;
    peri_so_radii_t radii;
    size_t first_radius[PERI_SO_MAX]; /* of each density: where to start */
    peri_so_grid_t *grid;
    double *mass, *radius; /* the result */
    peri_halo_progress_f progress;
    void *arg;

    /* of the batch */
    size_t start, n;    /* centres */
    __int128 *enclosed; /* [n]: in these shells */
    __int128 *below;    /* [n * ndensities]: mass within the shell below */
    uint64_t *np;       /* [n * ndensities]: particles in that shell */
    int *shell;         /* [n * ndensities]: where the density falls below, or why not */
} search_t;

static int no_memory(peri_err_t *err)
{
    return peri_err_set(err, PERI_ELIMIT,
                        "there is no memory to search around centres: use more ranks");
}

/* ---- preparation ---- */

static double sphere(double r)
{
    return 4 * acos(-1) / 3 * r * r * r;
}

static int check(const search_t *s, double bad, peri_err_t *err)
{
    const peri_so_options_t *o = s->options;
    if (bad > 0)
        return peri_err_set(
            err, PERI_EINVAL,
            "%.0f particles have a mass of 0 or less: leave them out with "
            "`filter`",
            bad);
    if (o->ndensities < 1 || o->ndensities > PERI_SO_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "there can be 1 to %d overdensities, but there are %zu",
                            PERI_SO_MAX, o->ndensities);
    if (o->min_particles < 1)
        return peri_err_set(err, PERI_EINVAL,
                            "min_particles must be at least 1, but it is 0");
    for (size_t d = 0; d < o->ndensities; d++)
        if (!(o->densities[d] > 0) || !isfinite(o->densities[d]))
            return peri_err_set(err, PERI_EINVAL,
                                "a density must be a positive number, but it is %g",
                                o->densities[d]);
    return 0;
}

/* From the sphere of min_particles at the highest density to half of the box. */
static int make_radii(search_t *s, double mean_mass, peri_err_t *err)
{
    const peri_so_options_t *o = s->options;
    const double *box = s->p->box;
    double first[PERI_SO_MAX], smallest = INFINITY;
    double last = s->p->periodic
                      ? fmin(box[0], fmin(box[1], box[2])) / 2
                      : 2 * sqrt(box[0] * box[0] + box[1] * box[1] + box[2] * box[2]);
    for (size_t d = 0; d < o->ndensities; d++) {
        first[d] =
            cbrt((double)o->min_particles * mean_mass / o->densities[d] / sphere(1));
        smallest = fmin(smallest, first[d]);
    }
    /* In open space, far enough out for any density. */
    if (!s->p->periodic)
        for (size_t d = 0; d < o->ndensities; d++) last = fmax(last, 2 * first[d]);
    size_t n = 1;
    while (smallest * exp2((double)(n - 1) / 3) < last && n < 1000) n++;
    s->radii.r = malloc(n * sizeof(*s->radii.r));
    if (!s->radii.r) return no_memory(err);
    s->radii.n = n;
    for (size_t k = 0; k < n; k++) s->radii.r[k] = smallest * exp2((double)k / 3);
    s->radii.r[n - 1] = fmin(s->radii.r[n - 1], last);
    for (size_t d = 0; d < o->ndensities; d++)
        while (s->first_radius[d] < n - 1 &&
               s->radii.r[s->first_radius[d]] < first[d] * (1 - 1e-9))
            s->first_radius[d]++;
    return 0;
}

double peri_so_total_mass(const peri_particles_t *p, MPI_Comm comm)
{
    double largest = p->mass ? 0 : 1;
    for (size_t i = 0; p->mass && i < p->n; i++) largest = fmax(largest, p->mass[i]);
    MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, comm);
    /* Integers of 50 bits, added in two halves. */
    const double scale = ldexp(fixed_scale(largest), -30);
    int64_t sum[2] = {0, 0};
    for (size_t i = 0; i < p->n; i++) {
        int64_t m = (int64_t)((p->mass ? p->mass[i] : 1) * scale);
        sum[0] += m >> 25;
        sum[1] += m & 0x1ffffff;
    }
    MPI_Allreduce(MPI_IN_PLACE, sum, 2, MPI_INT64_T, MPI_SUM, comm);
    return ((double)sum[0] * 0x1p25 + (double)sum[1]) / scale;
}

static int prepare(search_t *s, peri_err_t *err)
{
    const peri_particles_t *p = s->p;
    double largest = p->mass ? 0 : 1, sums[2] = {0, (double)p->n};
    for (size_t i = 0; p->mass && i < p->n; i++) {
        largest = fmax(largest, p->mass[i]);
        sums[0] += !(p->mass[i] > 0);
    }
    MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, s->comm);
    MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, s->comm);
    if (check(s, sums[0], err)) return -1;
    s->mass_scale = fixed_scale(largest);
    double mean = sums[1] > 0 ? peri_so_total_mass(p, s->comm) / sums[1] : 1;
    int rc = make_radii(s, mean, err);
    if (!rc && !(s->grid = peri_so_grid_new(p, s->mass_scale, err))) rc = -1;
    size_t nd = s->options->ndensities;
    s->enclosed = malloc(BATCH * sizeof(*s->enclosed));
    s->below = malloc(BATCH * nd * sizeof(*s->below));
    s->shell = malloc(BATCH * nd * sizeof(*s->shell));
    s->np = malloc(BATCH * nd * sizeof(*s->np));
    if (!rc && (!s->enclosed || !s->below || !s->shell || !s->np)) rc = no_memory(err);
    return peri_ranks_agree(rc, s->comm, err);
}

/* Ask all ranks that may have a part of shells [from, to) of a centre. */
static int ask(search_t *s, size_t centre, size_t from, size_t to, peri_err_t *err)
{
    const peri_particles_t *c = s->centres;
    const size_t i = s->start + centre;
    const peri_so_query_t q = {.x = {c->x[i], c->y[i], c->z[i]},
                               .centre = (uint32_t)centre,
                               .shell = (uint32_t)from};
    double inner = from ? s->radii.r[from - 1] : 0;
    return peri_so_queries_add(&s->queries, &q, inner, s->radii.r[to - 1], err);
}

/* ---- masses of shells ---- */

static int weigh(search_t *s, peri_so_shells_t **got, size_t *ngot, peri_err_t *err)
{
    size_t n = 0;
    int status = -1;
    peri_so_asked_t *asked = peri_so_queries_send(&s->queries, &n, err);
    if (!asked) return -1;
    peri_so_shells_t *out = malloc((n + 1) * sizeof(*out));
    int *dest = malloc((n + 1) * sizeof(*dest));
    int rc = out && dest ? 0 : no_memory(err);
    if (peri_ranks_agree(rc, s->comm, err)) goto out;
    memset(out, 0, n * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        peri_so_grid_weigh(s->grid, &s->radii, &asked[i].query, &out[i]);
        dest[i] = asked[i].from;
    }
    status =
        peri_items_exchange(out, sizeof(*out), n, dest, s->comm, (void **)got, ngot, err);
out:
    free(asked);
    free(out);
    free(dest);
    return status;
}

static bool needs_more(const search_t *s, size_t centre)
{
    const size_t nd = s->options->ndensities;
    for (size_t d = 0; d < nd; d++)
        if (s->shell[centre * nd + d] == UNKNOWN) return true;
    return false;
}

/* The mass within radius k is `enclosed` now, and was `before` a shell below, which has
 * np particles. */
static void judge(search_t *s, size_t centre, size_t k, __int128 before, uint64_t np)
{
    const size_t nd = s->options->ndensities;
    double density = (double)s->enclosed[centre] / s->mass_scale / sphere(s->radii.r[k]);
    for (size_t d = 0; d < nd; d++) {
        int *shell = &s->shell[centre * nd + d];
        if (*shell != UNKNOWN || k < s->first_radius[d]) continue;
        if (density < s->options->densities[d]) {
            *shell = k == s->first_radius[d] ? NO_HALO : (int)k;
            s->below[centre * nd + d] = before;
            s->np[centre * nd + d] = np;
        } else if (k + 1 == s->radii.n) {
            *shell = NOT_FOUND;
        }
    }
}

/* Shells further out, until it is known for all of the batch where to look closer. */
static int find_shells(search_t *s, peri_err_t *err)
{
    peri_so_shells_t *sums = malloc((s->n + 1) * sizeof(*sums));
    int rc = sums ? 0 : no_memory(err), more = 1;
    if ((rc = peri_ranks_agree(rc, s->comm, err))) goto out;
    for (size_t from = 0; more && from < s->radii.n; from += PERI_SO_STEP) {
        size_t to = from + PERI_SO_STEP < s->radii.n ? from + PERI_SO_STEP : s->radii.n;
        peri_so_shells_t *got = NULL;
        size_t ngot = 0;
        for (size_t c = 0; !rc && c < s->n; c++)
            if (needs_more(s, c)) rc = ask(s, c, from, to, err);
        if ((rc = peri_ranks_agree(rc, s->comm, err))) goto out;
        if ((rc = weigh(s, &got, &ngot, err))) goto out;
        memset(sums, 0, s->n * sizeof(*sums));
        for (size_t i = 0; i < ngot; i++)
            for (size_t k = 0; k < PERI_SO_STEP; k++) {
                sums[got[i].centre].mass[k] += got[i].mass[k];
                sums[got[i].centre].np[k] += got[i].np[k];
            }
        free(got);
        more = 0;
        for (size_t c = 0; c < s->n; c++) {
            if (!needs_more(s, c)) continue;
            for (size_t k = from; k < to; k++) {
                __int128 before = s->enclosed[c];
                s->enclosed[c] += sums[c].mass[k - from];
                judge(s, c, k, before, sums[c].np[k - from]);
            }
            more |= needs_more(s, c);
        }
        MPI_Allreduce(MPI_IN_PLACE, &more, 1, MPI_INT, MPI_LOR, s->comm);
    }
out:
    free(sums);
    return rc;
}

/* ---- exact radii ---- */

static int compare_hits(const void *a, const void *b)
{
    const peri_so_hit_t *x = a, *y = b;
    if (x->centre != y->centre) return x->centre < y->centre ? -1 : 1;
    if (x->shell != y->shell) return x->shell < y->shell ? -1 : 1;
    if (x->r != y->r) return x->r < y->r ? -1 : 1;
    return (x->mass > y->mass) - (x->mass < y->mass);
}

/* The outermost radius with this density, between the shell below and its last particle.
 */
static void solve(search_t *s, size_t centre, size_t d, const peri_so_hit_t *hits,
                  size_t n)
{
    const size_t nd = s->options->ndensities, at = centre * nd + d;
    const double density = s->options->densities[d];
    __int128 mass = s->below[at];
    for (size_t i = 0; i < n; i++) mass += fixed(hits[i].mass * s->mass_scale);
    for (size_t i = n;; i--) {
        double m = (double)mass / s->mass_scale;
        double r = cbrt(m / density / sphere(1));
        if (i == 0 || r >= hits[i - 1].r) {
            s->mass[s->start * nd + at] = m;
            s->radius[s->start * nd + at] = r;
            return;
        }
        mass -= fixed(hits[i - 1].mass * s->mass_scale);
    }
}

/* For centres from `first` on, as many as memory is for; returns the end of them, or -1.
 */
static int64_t ask_for_particles(search_t *s, size_t first, peri_err_t *err)
{
    const size_t nd = s->options->ndensities;
    const uint64_t most = peri_so_hits_most / (size_t)s->queries.nranks;
    uint64_t np = 0;
    size_t c = first;
    for (; c < s->n && (c == first || np < most); c++)
        for (size_t d = 0; d < nd; d++) {
            int shell = s->shell[c * nd + d];
            bool asked = shell < 0;
            for (size_t e = 0; e < d; e++) asked |= s->shell[c * nd + e] == shell;
            if (asked) continue;
            if (ask(s, c, (size_t)shell, (size_t)shell + 1, err)) return -1;
            np += s->np[c * nd + d];
        }
    return (int64_t)c;
}

static int list_particles(search_t *s, peri_so_hit_t **got, size_t *ngot, peri_err_t *err)
{
    size_t n = 0;
    peri_so_hits_t hits = {0};
    int *dest = NULL, rc = 0, status = -1;
    peri_so_asked_t *asked = peri_so_queries_send(&s->queries, &n, err);
    if (!asked) return -1;
    size_t *end = malloc((n + 1) * sizeof(*end));
    if (!end) rc = no_memory(err);
    for (size_t i = 0; !rc && i < n; i++) {
        rc = peri_so_grid_list(s->grid, &s->radii, &asked[i].query, &hits, err);
        end[i] = hits.n;
    }
    if (!rc && !(dest = malloc((hits.n + 1) * sizeof(*dest)))) rc = no_memory(err);
    if (peri_ranks_agree(rc, s->comm, err)) goto out;
    for (size_t i = 0, k = 0; i < n; i++)
        for (; k < end[i]; k++) dest[k] = asked[i].from;
    status = peri_items_exchange(hits.hits, sizeof(*hits.hits), hits.n, dest, s->comm,
                                 (void **)got, ngot, err);
out:
    free(asked);
    free(end);
    free(dest);
    free(hits.hits);
    return status;
}

static void solve_centre(search_t *s, size_t c, const peri_so_hit_t *hits, size_t n)
{
    const size_t nd = s->options->ndensities;
    for (size_t d = 0; d < nd; d++) {
        const size_t at = (s->start + c) * nd + d;
        int shell = s->shell[c * nd + d];
        size_t from = 0, to;
        s->mass[at] = s->radius[at] = shell == NOT_FOUND ? NAN : 0;
        if (shell < 0) continue;
        while (from < n && hits[from].shell < (uint32_t)shell) from++;
        for (to = from; to < n && hits[to].shell == (uint32_t)shell;) to++;
        solve(s, c, d, hits + from, to - from);
    }
}

static int solve_all(search_t *s, peri_err_t *err)
{
    for (size_t c = 0;;) {
        int more = c < s->n;
        MPI_Allreduce(MPI_IN_PLACE, &more, 1, MPI_INT, MPI_LOR, s->comm);
        if (!more) return 0;
        peri_so_hit_t *hits = NULL;
        size_t nhits = 0, at = 0;
        int64_t end = ask_for_particles(s, c, err);
        int rc = peri_ranks_agree(end < 0 ? -1 : 0, s->comm, err);
        if (rc || list_particles(s, &hits, &nhits, err)) return -1;
        if (nhits) qsort(hits, nhits, sizeof(*hits), compare_hits);
        for (; c < (size_t)end; c++) {
            size_t first = at;
            while (at < nhits && hits[at].centre == c) at++;
            solve_centre(s, c, hits + first, at - first);
        }
        free(hits);
    }
}

static int run_batches(search_t *s, peri_err_t *err)
{
    const size_t nd = s->options->ndensities;
    uint64_t most = s->centres->n;
    MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_UINT64_T, MPI_MAX, s->comm);
    for (uint64_t start = 0; start < most; start += BATCH) {
        int rc = s->progress ? s->progress(s->arg, "weighing halos", (double)start,
                                           (double)most, err)
                             : 0;
        if (peri_ranks_agree(rc, s->comm, err)) return -1;
        size_t left = start < s->centres->n ? s->centres->n - start : 0;
        s->start = left ? start : 0;
        s->n = left < BATCH ? left : BATCH;
        memset(s->enclosed, 0, s->n * sizeof(*s->enclosed));
        for (size_t i = 0; i < s->n * nd; i++) s->shell[i] = UNKNOWN;
        if (find_shells(s, err) || solve_all(s, err)) return -1;
    }
    return 0;
}

int peri_so_find(peri_particles_t *p, peri_particles_t *centres,
                 const peri_so_options_t *options, double *mass, double *radius,
                 peri_so_times_t *times, peri_halo_progress_f progress, void *arg,
                 MPI_Comm comm, peri_err_t *err)
{
    search_t s = {.p = p,
                  .centres = centres,
                  .options = options,
                  .comm = comm,
                  .mass = mass,
                  .radius = radius,
                  .progress = progress,
                  .arg = arg};
    double start = MPI_Wtime(), waited = peri_particles_waited();
    s.queries = (peri_so_queries_t){.p = p, .comm = comm};
    MPI_Comm_size(comm, &s.queries.nranks);
    centres->periodic = p->periodic;
    memcpy(centres->box, p->box, sizeof(p->box));
    if (peri_particles_check(centres, comm, err)) return peri_err_prefix(err, "centres");
    if (peri_particles_decompose(p, comm, err)) return -1;
    double decomposed = MPI_Wtime();
    int rc = prepare(&s, err);
    if (!rc) rc = run_batches(&s, err);
    peri_so_grid_free(s.grid);
    free(s.radii.r);
    free(s.enclosed);
    free(s.below);
    free(s.shell);
    free(s.np);
    free(s.queries.queries);
    free(s.queries.dest);
    if (times)
        *times = (peri_so_times_t){.decompose = decomposed - start,
                                   .search = MPI_Wtime() - decomposed,
                                   .communication = peri_particles_waited() - waited};
    return rc;
}
