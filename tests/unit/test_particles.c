/* test_particles.c - domains, ghosts and exchange against brute force. Run on 1 to 4
 * ranks. Every rank makes all particles (the same everywhere), gives some of them in, and
 * knows so what must come out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/particles/private.h"
#include "mpi/particles/sort.h"

#define CHECK(cond)                                                                      \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            fprintf(stderr, "rank %d of %d, %s: line %d: %s\n", rank, nranks, what,      \
                    __LINE__, #cond);                                                    \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                \
        }                                                                                \
    } while (0)

#define COMM MPI_COMM_WORLD
#define ALL  (PERI_HAS_ID | PERI_HAS_MASS | PERI_HAS_VELOCITY | PERI_HAS_WEIGHT)

static int rank, nranks;
static const char *what = "";
static peri_err_t err;

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

typedef struct {
    const char *name;
    size_t n;
    double (*x)[3];
    double box[3];
    int periodic;
} set_t;

enum { UNIFORM, CLUSTERED, ONE_POINT, PLANE, FEW, NONE, NKINDS };
static const char *kind_names[] = {"uniform", "clustered", "one point",
                                   "plane",   "few",       "none"};

static set_t make_set(int kind, int periodic)
{
    static const size_t sizes[] = {3000, 4000, 700, 1500, 2, 0};
    set_t s = {.name = kind_names[kind], .n = sizes[kind], .periodic = periodic};
    memcpy(s.box, (double[]){10, 4, 7}, sizeof(s.box));
    s.x = malloc((s.n + 1) * sizeof(*s.x));
    seed = (uint64_t)kind + 1;
    for (size_t i = 0; i < s.n; i++)
        for (int k = 0; k < 3; k++) {
            double u = uniform();
            if (kind == CLUSTERED && i % 8) u = 0.02 + 0.05 * u * u * u;
            if (kind == ONE_POINT) u = 0.3;
            if (kind == PLANE && k == 0) u = 0.5;
            /* Some on the lower border exactly. */
            s.x[i][k] = u * s.box[k];
            if (kind == UNIFORM && i % 50 == (size_t)k) s.x[i][k] = 0;
            if (!periodic) s.x[i][k] -= 3;
        }
    return s;
}

/* What a particle has follows from its number in the set. */
static void fill(peri_particles_t *p, size_t at, const set_t *s, size_t i)
{
    p->x[at] = s->x[i][0];
    p->y[at] = s->x[i][1];
    p->z[at] = s->x[i][2];
    p->id[at] = (int64_t)i;
    p->mass[at] = 1 + (double)i;
    p->weight[at] = 2.5 * (double)i;
    p->vx[at] = (double)i + 0.25;
    p->vy[at] = (double)i + 0.5;
    p->vz[at] = -(double)i;
}

static void check_particle(const peri_particles_t *p, size_t at, const set_t *s,
                           const signed char *shift)
{
    size_t i = (size_t)p->id[at];
    CHECK(i < s->n);
    const double x[3] = {p->x[at], p->y[at], p->z[at]};
    for (int k = 0; k < 3; k++)
        CHECK(x[k] == s->x[i][k] + (shift ? shift[k] * p->box[k] : 0));
    CHECK(p->mass[at] == 1 + (double)i && p->weight[at] == 2.5 * (double)i);
    CHECK(p->vx[at] == (double)i + 0.25 && p->vy[at] == (double)i + 0.5);
    CHECK(p->vz[at] == -(double)i);
}

/* give: 0 = all on the last rank, 1 = dealt out. */
static peri_particles_t *read_set(const set_t *s, int give)
{
    peri_particles_t *p = peri_particles_new(ALL, s->periodic ? s->box : NULL);
    CHECK(p);
    for (size_t i = 0; i < s->n; i++) {
        int to = give ? (int)(i * 7 % (size_t)nranks) : nranks - 1;
        if (to != rank) continue;
        CHECK(peri_particles_resize(p, p->n + 1, &err) == 0);
        fill(p, p->n - 1, s, i);
    }
    return p;
}

static int inside(const peri_region_t *r, const double x[3])
{
    for (int k = 0; k < 3; k++)
        if (!(x[k] >= r->lo[k] && x[k] < r->hi[k])) return 0;
    return 1;
}

static void check_regions(const peri_particles_t *p, const set_t *s)
{
    double volume = 0, whole = p->box[0] * p->box[1] * p->box[2];
    for (int r = 0; r < nranks; r++) {
        peri_region_t g = peri_particles_region(p, r);
        double v = 1;
        for (int k = 0; k < 3; k++) v *= g.hi[k] - g.lo[k];
        CHECK(v >= 0);
        volume += v;
    }
    CHECK(fabs(volume - whole) <= 1e-9 * whole);
    for (size_t i = 0; i < s->n; i++) {
        int owners = 0, owner = peri_particles_rank_at(p, s->x[i]);
        for (int r = 0; r < nranks; r++) {
            peri_region_t g = peri_particles_region(p, r);
            owners += inside(&g, s->x[i]);
            if (r == owner) CHECK(inside(&g, s->x[i]));
        }
        CHECK(owners == 1);
    }
    if (s->periodic && s->n) {
        double outside[3] = {s->x[0][0] + s->box[0], s->x[0][1] - s->box[1], s->x[0][2]};
        if (s->x[0][1] > 0)
            CHECK(peri_particles_rank_at(p, outside) ==
                  peri_particles_rank_at(p, s->x[0]));
    }
}

static void check_owned(const peri_particles_t *p, const set_t *s)
{
    CHECK(p->nghosts == 0);
    CHECK(peri_particles_total(p, COMM) == s->n);
    int *seen = calloc(s->n + 1, sizeof(int));
    for (size_t i = 0; i < p->n; i++) {
        check_particle(p, i, s, NULL);
        const double x[3] = {p->x[i], p->y[i], p->z[i]};
        CHECK(inside(&p->region, x));
        seen[p->id[i]]++;
    }
    MPI_Allreduce(MPI_IN_PLACE, seen, (int)s->n, MPI_INT, MPI_SUM, COMM);
    for (size_t i = 0; i < s->n; i++) CHECK(seen[i] == 1);
    free(seen);
}

static void check_balance(const peri_particles_t *p, const set_t *s, int kind)
{
    uint64_t n = p->n, most;
    MPI_Allreduce(&n, &most, 1, MPI_UINT64_T, MPI_MAX, COMM);
    if (kind == ONE_POINT)
        CHECK(most == s->n);
    else if (kind != FEW && kind != NONE)
        CHECK((double)most <= 1.03 * (double)s->n / nranks + 2);
}

static double distance2(const peri_region_t *r, const double x[3])
{
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        double gap = x[k] < r->lo[k] ? r->lo[k] - x[k] : x[k] - r->hi[k];
        if (gap > 0) sum += gap * gap;
    }
    return sum;
}

static size_t code(size_t i, const signed char shift[3])
{
    return i * 27 + (size_t)((shift[0] + 1) * 9 + (shift[1] + 1) * 3 + shift[2] + 1);
}

/* Exactly the images nearer than width, each once. */
static void check_ghosts(const peri_particles_t *p, const set_t *s, double width)
{
    char *seen = calloc(s->n * 27 + 1, 1);
    size_t expected = 0;
    for (size_t g = 0; g < p->nghosts; g++) {
        const signed char *shift = peri_ghost_shift(p, g);
        check_particle(p, p->n + g, s, shift);
        size_t c = code((size_t)p->id[p->n + g], shift);
        CHECK(!seen[c]);
        seen[c] = 1;
        CHECK(peri_ghost_rank(p, g) == peri_particles_rank_at(p, s->x[p->id[p->n + g]]));
    }
    signed char most = s->periodic ? 1 : 0, t[3];
    for (size_t i = 0; i < s->n; i++)
        for (t[0] = (signed char)-most; t[0] <= most; t[0]++)
            for (t[1] = (signed char)-most; t[1] <= most; t[1]++)
                for (t[2] = (signed char)-most; t[2] <= most; t[2]++) {
                    double x[3];
                    for (int k = 0; k < 3; k++) x[k] = s->x[i][k] + t[k] * p->box[k];
                    int own = !t[0] && !t[1] && !t[2] &&
                              peri_particles_rank_at(p, s->x[i]) == rank;
                    int near = !own && distance2(&p->region, x) < width * width;
                    CHECK(seen[code(i, t)] == near);
                    expected += (size_t)near;
                }
    CHECK(p->nghosts == expected);
    free(seen);
}

typedef struct {
    double value;
    int count, last_rank;
} sum_t;

static void add_up(void *into, const void *from)
{
    sum_t *a = into;
    const sum_t *b = from;
    a->value += b->value;
    a->count += b->count;
    CHECK(b->last_rank >= a->last_rank);
    a->last_rank = b->last_rank;
}

/* Values go out to the ghosts and come back from them. */
static void check_round_trip(const peri_particles_t *p)
{
    sum_t *v = calloc(p->n + p->nghosts + 1, sizeof(*v));
    for (size_t i = 0; i < p->n; i++) v[i] = (sum_t){(double)(3 * p->id[i]), 0, -1};
    CHECK(peri_ghosts_update(p, v, sizeof(*v), COMM, &err) == 0);
    int mine = 0, all, back = 0;
    for (size_t i = p->n; i < p->n + p->nghosts; i++) {
        CHECK(v[i].value == (double)(3 * p->id[i]));
        v[i].count = 1;
        v[i].last_rank = rank;
        mine++;
    }
    CHECK(peri_ghosts_reduce(p, v, sizeof(*v), add_up, COMM, &err) == 0);
    for (size_t i = 0; i < p->n; i++) {
        CHECK(v[i].value == (double)(3 * p->id[i]) * (1 + v[i].count));
        back += v[i].count;
    }
    MPI_Allreduce(MPI_IN_PLACE, &mine, 1, MPI_INT, MPI_SUM, COMM);
    MPI_Allreduce(&back, &all, 1, MPI_INT, MPI_SUM, COMM);
    CHECK(all == mine);
    free(v);
}

/* Who owns a ghost, and where: the values that its owner put there. */
static void check_owners(const peri_particles_t *p)
{
    int64_t *where = calloc(p->n + p->nghosts + 1, sizeof(*where));
    for (size_t i = 0; i < p->n; i++) where[i] = (int64_t)i * nranks + rank;
    CHECK(peri_ghosts_update(p, where, sizeof(*where), COMM, &err) == 0);
    for (size_t g = 0; g < p->nghosts; g++)
        CHECK(where[p->n + g] ==
              (int64_t)peri_ghost_index(p, g) * nranks + peri_ghost_rank(p, g));
    free(where);
}

/* However the particles were dealt out, each rank has the same in the same order. */
static void check_same_order(const peri_particles_t *a, const peri_particles_t *b)
{
    CHECK(a->n == b->n);
    CHECK(memcmp(&a->region, &b->region, sizeof(a->region)) == 0);
    for (size_t i = 0; i < a->n; i++) CHECK(a->id[i] == b->id[i]);
}

static void test_set(int kind, int periodic)
{
    static char title[64];
    snprintf(title, sizeof(title), "%s, %s", kind_names[kind],
             periodic ? "periodic" : "open");
    what = title;
    set_t s = make_set(kind, periodic);
    peri_particles_t *p = read_set(&s, 0), *q = read_set(&s, 1);
    CHECK(peri_particles_decompose(p, COMM, &err) == 0);
    CHECK(peri_particles_decompose(q, COMM, &err) == 0);
    check_regions(p, &s);
    check_owned(p, &s);
    check_balance(p, &s, kind);
    check_same_order(p, q);
    const double widths[] = {0.3, 2, 0, 1e-9};
    for (int i = 0; i < 4; i++) {
        CHECK(peri_particles_ghosts(p, widths[i], COMM, &err) == 0);
        check_ghosts(p, &s, widths[i]);
        check_round_trip(p);
        check_owners(p);
    }
    /* Again, from where they are. */
    CHECK(peri_particles_decompose(p, COMM, &err) == 0);
    check_owned(p, &s);
    check_same_order(p, q);
    peri_particles_free(p);
    peri_particles_free(q);
    free(s.x);
}

/* All ranks get the same sentence, which has these words. */
static void check_refused(int rc, const char *words)
{
    CHECK(rc == -1);
    if (!strstr(err.text, words)) fprintf(stderr, "%s\n", err.text);
    CHECK(strstr(err.text, words));
    char first[sizeof(err.text)];
    memcpy(first, err.text, sizeof(first));
    MPI_Bcast(first, sizeof(first), MPI_BYTE, 0, COMM);
    CHECK(strcmp(first, err.text) == 0);
}

static void test_bad(void)
{
    what = "bad input";
    set_t s = make_set(UNIFORM, 1);
    peri_particles_t *p = read_set(&s, 1);
    double *last = rank == nranks - 1 ? &p->x[p->n - 1] : NULL, old = last ? *last : 0;
    if (last) *last = NAN;
    check_refused(peri_particles_check(p, COMM, &err),
                  "1 of 3000 particles has a position that is not finite");
    check_refused(peri_particles_decompose(p, COMM, &err), "nan");
    if (last) *last = 12.5;
    check_refused(peri_particles_check(p, COMM, &err), "10 x 4 x 7, for example (12.5,");
    if (last) *last = -0.5;
    check_refused(peri_particles_check(p, COMM, &err), "(-0.5,");
    if (last) *last = 10; /* the upper border is the lower one */
    CHECK(peri_particles_check(p, COMM, &err) == 0);
    if (last) CHECK(*last == 0);
    if (last) *last = (double)(float)10.000001;
    CHECK(peri_particles_check(p, COMM, &err) == 0);
    if (last) CHECK(*last > 0 && *last < 2e-6);
    if (last) *last = -1e-20;
    CHECK(peri_particles_check(p, COMM, &err) == 0);
    if (last) CHECK(*last >= 0 && *last < 10);
    if (last) *last = old;
    if (last) p->mass[0] = INFINITY;
    check_refused(peri_particles_check(p, COMM, &err), "a mass that is not finite");
    if (last) p->mass[0] = 1;
    check_refused(peri_particles_ghosts(p, 1, COMM, &err), "decomposed");
    CHECK(peri_particles_decompose(p, COMM, &err) == 0);
    check_refused(peri_particles_ghosts(p, 2.1, COMM, &err), "half of the box");
    check_refused(peri_particles_ghosts(p, NAN, COMM, &err), "nan");
    check_refused(peri_particles_ghosts(p, -1, COMM, &err), "-1");
    peri_particles_free(p);
    free(s.x);

    p = peri_particles_new(0, (double[]){1, 0, 1});
    check_refused(peri_particles_decompose(p, COMM, &err), "give `box`");
    peri_particles_free(p);
    peri_particles_free(NULL);
}

/* Items keep their order, and large ones go in pieces. */
static void test_items(void)
{
    what = "items";
    typedef struct {
        int from, number;
        char filling[5];
    } item_t;
    size_t n = rank == 1 ? 0 : 1000 + (size_t)rank, got;
    item_t *items = calloc(n + 1, sizeof(*items)), *in;
    int *dest = calloc(n + 1, sizeof(*dest));
    for (size_t i = 0; i < n; i++) {
        items[i] = (item_t){rank, (int)i, "abcd"};
        dest[i] = (int)(i * i % 7) % nranks;
    }
    CHECK(peri_items_exchange(items, sizeof(*items), n, dest, COMM, (void **)&in, &got,
                              &err) == 0);
    size_t at = 0;
    for (int r = 0; r < nranks; r++)
        for (size_t i = 0; i < (r == 1 ? 0 : 1000 + (size_t)r); i++) {
            if ((int)(i * i % 7) % nranks != rank) continue;
            CHECK(at < got && in[at].from == r && in[at].number == (int)i);
            CHECK(strcmp(in[at++].filling, "abcd") == 0);
        }
    CHECK(at == got);
    free(in);
    if (n) dest[n - 1] = rank == nranks - 1 ? nranks : 0;
    if (nranks != 2)
        check_refused(peri_items_exchange(items, sizeof(*items), n, dest, COMM,
                                          (void **)&in, &got, &err),
                      "was to be sent to rank");
    free(items);
    free(dest);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* modulo: how many different values there are. */
static void test_sort(int modulo)
{
    what = "sorting";
    const size_t each = 5000;
    size_t n = rank == 0 ? 0 : each * (size_t)rank, most;
    int *items = malloc((n + 1) * sizeof(*items));
    long long sum = 0, sorted_sum = 0;
    seed = (uint64_t)rank;
    for (size_t i = 0; i < n; i++) sum += items[i] = (int)(uniform() * modulo);
    CHECK(peri_items_sort((void **)&items, &n, sizeof(*items), compare_ints, COMM,
                          &err) == 0);
    for (size_t i = 0; i < n; i++) sorted_sum += items[i];
    for (size_t i = 1; i < n; i++) CHECK(items[i - 1] <= items[i]);
    long long difference = sum - sorted_sum;
    MPI_Allreduce(MPI_IN_PLACE, &difference, 1, MPI_LONG_LONG, MPI_SUM, COMM);
    CHECK(difference == 0);
    int last = n ? items[n - 1] : -1, before = -1;
    MPI_Exscan(&last, &before, 1, MPI_INT, MPI_MAX, COMM);
    if (rank == 0) before = -1;
    if (n) CHECK(before <= items[0]);
    MPI_Allreduce(&n, &most, 1, MPI_UNSIGNED_LONG, MPI_MAX, COMM);
    if (modulo > 1000) CHECK(most <= each * (size_t)(nranks - 1) / 2 * 110 / 100 + 2000);
    free(items);
}

static void test_add(void)
{
    what = "adding arrays";
    peri_particles_t *p = peri_particles_new(PERI_HAS_MASS, NULL);
    CHECK(peri_particles_resize(p, 10, &err) == 0);
    p->mass[3] = 7;
    CHECK(peri_particles_add(p, ALL, &err) == 0);
    CHECK(p->has == ALL && p->mass[3] == 7 && p->id[9] == 0 && p->vz[9] == 0);
    CHECK(peri_particles_resize(p, 1000, &err) == 0);
    CHECK(p->mass[3] == 7 && p->id[9] == 0);
    peri_particles_free(p);
}

static void test_agree(void)
{
    what = "agreement";
    CHECK(peri_ranks_agree(0, COMM, &err) == 0);
    int rc = rank == nranks / 2 || rank == nranks - 1 ? -1 : 0;
    if (rc) peri_err_set(&err, PERI_EIO, "rank %d failed", rank);
    CHECK(peri_ranks_agree(rc, COMM, &err) == -1);
    char text[64];
    snprintf(text, sizeof(text), "rank %d failed", nranks / 2);
    CHECK(strcmp(err.text, text) == 0 && err.code == PERI_EIO);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
    test_agree();
    test_add();
    test_items();
    peri_traffic_piece = 1000;
    test_items();
    test_sort(1 << 30);
    test_sort(3);
    test_sort(1);
    for (int kind = 0; kind < NKINDS; kind++) {
        test_set(kind, 1);
        test_set(kind, 0);
    }
    test_bad();
    MPI_Finalize();
    return 0;
}
