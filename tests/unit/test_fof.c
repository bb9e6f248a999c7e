/* test_fof.c - friends-of-friends against a finder that tests all pairs, and against
 * GADGET-4's groups. Run on 1 to 4 ranks; every rank knows the whole set.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/fof.h"
#include "tests/unit/test_gadget_fixture.h"
#include "tests/unit/ranks.h"

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-53;
}

typedef struct {
    size_t n;
    double (*x)[3];
    double box[3];
    int periodic;
} set_t;

/* ---- all pairs ---- */

typedef struct {
    size_t ngroups, nmembers;
    peri_fof_group_t *groups;
    peri_fof_member_t *members;
} expected_t;

static size_t find_root(size_t *parent, size_t i)
{
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
}

static double nearest(const set_t *s, int axis, double d)
{
    if (!s->periodic) return d;
    if (d > s->box[axis] / 2) return d - s->box[axis];
    return d < -s->box[axis] / 2 ? d + s->box[axis] : d;
}

static int compare_groups(const void *a, const void *b)
{
    const peri_fof_group_t *x = a, *y = b;
    if (x->np != y->np) return x->np > y->np ? -1 : 1;
    return (x->first_id > y->first_id) - (x->first_id < y->first_id);
}

static int compare_members(const void *a, const void *b)
{
    const peri_fof_member_t *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Ids are places in the set, so the first id of a group is its lowest place. */
static expected_t all_pairs(const set_t *s, double length, size_t min_particles)
{
    size_t *parent = malloc((s->n + 1) * sizeof(*parent));
    int64_t *np = calloc(s->n + 1, sizeof(*np)), *number = calloc(s->n + 1, 8);
    for (size_t i = 0; i < s->n; i++) parent[i] = i;
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < i; j++) {
            double d2 = 0;
            for (int k = 0; k < 3; k++) {
                double d = nearest(s, k, s->x[i][k] - s->x[j][k]);
                d2 += d * d;
            }
            if (d2 > length * length) continue;
            size_t a = find_root(parent, i), b = find_root(parent, j);
            parent[a < b ? b : a] = a < b ? a : b;
        }
    expected_t e = {.groups = calloc(s->n + 1, sizeof(*e.groups)),
                    .members = calloc(s->n + 1, sizeof(*e.members))};
    for (size_t i = 0; i < s->n; i++) np[find_root(parent, i)]++;
    for (size_t i = 0; i < s->n; i++)
        if (parent[i] == i && np[i] >= (int64_t)min_particles)
            e.groups[e.ngroups++] =
                (peri_fof_group_t){.np = np[i], .first_id = (int64_t)i};
    qsort(e.groups, e.ngroups, sizeof(*e.groups), compare_groups);
    for (size_t g = 0; g < e.ngroups; g++) number[e.groups[g].first_id] = (int64_t)g;
    for (size_t i = 0; i < s->n; i++) {
        size_t root = find_root(parent, i);
        if (np[root] >= (int64_t)min_particles)
            e.members[e.nmembers++] = (peri_fof_member_t){number[root], (int64_t)i};
    }
    qsort(e.members, e.nmembers, sizeof(*e.members), compare_members);
    free(parent);
    free(np);
    free(number);
    return e;
}

/* ---- what the ranks found, all of it on every rank ---- */

static void *gather(const void *items, size_t n, size_t size, size_t *total)
{
    int mine = (int)(n * size), *counts = malloc(2 * (size_t)nranks * sizeof(*counts));
    int *starts = counts + nranks, all = 0;
    MPI_Allgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, COMM);
    for (int r = 0; r < nranks; r++) {
        starts[r] = all;
        all += counts[r];
    }
    void *out = malloc((size_t)all + 1);
    MPI_Allgatherv(items, mine, MPI_BYTE, out, counts, starts, MPI_BYTE, COMM);
    *total = (size_t)all / size;
    free(counts);
    return out;
}

static expected_t find(peri_particles_t *p, double length, size_t min_particles)
{
    peri_fof_t *f = peri_fof_find(p,
                                  &(peri_fof_options_t){.linking_length = length,
                                                        .min_particles = min_particles,
                                                        .members = true},
                                  NULL, NULL, COMM, &err);
    CHECK(f);
    expected_t e;
    e.groups = gather(f->groups, f->ngroups, sizeof(*f->groups), &e.ngroups);
    e.members = gather(f->members, f->nmembers, sizeof(*f->members), &e.nmembers);
    peri_fof_free(f);
    return e;
}

/* One rank alone gets the same bits. Frees p, which has all particles. */
static void check_alone(peri_particles_t *p, const expected_t *e, double length,
                        size_t min_particles)
{
    peri_fof_t *f = peri_fof_find(
        p,
        &(peri_fof_options_t){.linking_length = length, .min_particles = min_particles},
        NULL, NULL, MPI_COMM_SELF, &err);
    CHECK(f && f->ngroups == e->ngroups);
    CHECK(memcmp(f->groups, e->groups, f->ngroups * sizeof(*f->groups)) == 0);
    peri_fof_free(f);
    peri_particles_free(p);
}

static void free_expected(expected_t *e)
{
    free(e->groups);
    free(e->members);
}

static double mass_of(size_t i)
{
    return 1 + (double)(i % 7);
}

static double velocity_of(size_t i, int k)
{
    return 100 * sin((double)i + k) + 300;
}

static peri_particles_t *deal_out(const set_t *s, int among)
{
    peri_particles_t *p = peri_particles_new(
        PERI_HAS_VELOCITY | PERI_HAS_MASS | PERI_HAS_ID, s->periodic ? s->box : NULL);
    for (size_t i = 0; i < s->n; i++) {
        if (among > 1 && (int)(i * 5 % (size_t)among) != rank) continue;
        CHECK(peri_particles_resize(p, p->n + 1, &err) == 0);
        size_t k = p->n - 1;
        p->x[k] = s->x[i][0];
        p->y[k] = s->x[i][1];
        p->z[k] = s->x[i][2];
        p->vx[k] = velocity_of(i, 0);
        p->vy[k] = velocity_of(i, 1);
        p->vz[k] = velocity_of(i, 2);
        p->mass[k] = mass_of(i);
        p->id[k] = (int64_t)i;
    }
    return p;
}

/* What a group is like, by plain sums over its members. */
static void check_group(const set_t *s, const peri_fof_group_t *g,
                        const peri_fof_member_t *members)
{
    double mass = 0, mx[3] = {0}, mv[3] = {0}, centre[3], x2 = 0, v2 = 0;
    for (int64_t m = 0; m < g->np; m++) {
        size_t i = (size_t)members[m].id;
        mass += mass_of(i);
        for (int k = 0; k < 3; k++) {
            mx[k] += mass_of(i) * nearest(s, k, s->x[i][k] - s->x[g->first_id][k]);
            mv[k] += mass_of(i) * velocity_of(i, k);
        }
    }
    CHECK(fabs(g->mass - mass) <= 1e-13 * mass);
    for (int k = 0; k < 3; k++) {
        CHECK(fabs(g->velocity[k] - mv[k] / mass) <= 1e-12 * 500);
        centre[k] = s->x[g->first_id][k] + mx[k] / mass;
        double off = nearest(s, k, g->centre[k] - centre[k]);
        CHECK(fabs(off) <= 1e-12 * s->box[k]);
        if (s->periodic) CHECK(g->centre[k] >= 0 && g->centre[k] < s->box[k]);
        if (s->periodic) CHECK(g->position[k] >= 0 && g->position[k] < s->box[k]);
    }
    for (int64_t m = 0; m < g->np; m++) {
        size_t i = (size_t)members[m].id;
        for (int k = 0; k < 3; k++) {
            double x = nearest(s, k, s->x[i][k] - s->x[g->first_id][k]) - mx[k] / mass;
            double v = velocity_of(i, k) - mv[k] / mass;
            x2 += mass_of(i) * x * x;
            v2 += mass_of(i) * v * v;
        }
    }
    CHECK(fabs(g->radius - sqrt(x2 / mass)) <= 1e-7 * s->box[0]);
    CHECK(fabs(g->dispersion - sqrt(v2 / mass / 3)) <= 1e-5);
}

static void check_set(const char *name, const set_t *s, double length,
                      size_t min_particles, size_t ngroups)
{
    what = name;
    expected_t e = all_pairs(s, length, min_particles);
    peri_particles_t *p = deal_out(s, nranks);
    expected_t got = find(p, length, min_particles);
    if (ngroups != SIZE_MAX) CHECK(e.ngroups == ngroups);
    CHECK(got.ngroups == e.ngroups);
    CHECK(got.nmembers == e.nmembers);
    CHECK(memcmp(got.members, e.members, e.nmembers * sizeof(*e.members)) == 0);
    size_t member = 0;
    for (size_t g = 0; g < e.ngroups; g++) {
        CHECK(got.groups[g].number == (int64_t)g);
        CHECK(got.groups[g].np == e.groups[g].np);
        CHECK(got.groups[g].first_id == e.groups[g].first_id);
        check_group(s, &got.groups[g], e.members + member);
        member += (size_t)e.groups[g].np;
    }
    /* Again, from where the particles are now: the same bits. */
    expected_t again = find(p, length, min_particles);
    CHECK(again.ngroups == got.ngroups);
    CHECK(memcmp(again.groups, got.groups, got.ngroups * sizeof(*got.groups)) == 0);
    check_alone(deal_out(s, 1), &got, length, min_particles);
    peri_particles_free(p);
    free_expected(&e);
    free_expected(&got);
    free_expected(&again);
}

static set_t new_set(size_t n, int periodic)
{
    set_t s = {.n = n, .periodic = periodic, .box = {8, 10, 6}};
    s.x = calloc(n + 1, sizeof(*s.x));
    return s;
}

static set_t random_set(size_t n, int periodic, double clustering)
{
    set_t s = new_set(n, periodic);
    double centre[3] = {0};
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 3; k++) {
            if (i % 40 == 0) centre[k] = uniform();
            double u = centre[k] + clustering * (uniform() - 0.5) * uniform();
            if (!clustering || i % 3 == 0) u = uniform();
            s.x[i][k] = (u - floor(u)) * s.box[k];
            if (s.x[i][k] >= s.box[k]) s.x[i][k] = 0;
            if (!periodic) s.x[i][k] = s.x[i][k] * 3 - 40;
        }
    }
    return s;
}

static void test_random(void)
{
    static const double lengths[] = {0.1, 0.4, 0.8, 2.9};
    for (int kind = 0; kind < 16; kind++) {
        seed = (uint64_t)kind + 77;
        set_t s = random_set(800, kind & 1, kind & 2 ? 0.1 : 0);
        double length = lengths[kind >> 2];
        check_set("random", &s, length, kind % 3 ? 4 : 1, SIZE_MAX);
        free(s.x);
    }
}

/* Places on a lattice of 0.25, so that distances are exact. */
static void test_lattice(void)
{
    set_t s = new_set(600, 1);
    for (size_t i = 0; i < s.n; i++)
        for (int k = 0; k < 3; k++) s.x[i][k] = 0.25 * floor(uniform() * s.box[k] * 4);
    for (int i = 1; i <= 4; i++) check_set("lattice", &s, 0.25 * i, 1, SIZE_MAX);
    free(s.x);
}

static void test_exact_distance(void)
{
    for (int axis = 0; axis < 3; axis++) {
        set_t s = new_set(2, 1);
        s.x[0][axis] = 0.25;
        s.x[1][axis] = s.box[axis] - 0.5; /* through the border */
        check_set("friends are at the length exactly", &s, 0.75, 2, 1);
        check_set("or not", &s, nextafter(0.75, 0), 2, 0);
        free(s.x);
    }
}

/* A string with steps of the length goes along the box's diagonal many times round. */
static void test_chains(void)
{
    set_t s = new_set(1000, 1);
    for (size_t i = 0; i < s.n; i++)
        for (int k = 0; k < 3; k++)
            s.x[i][k] = fmod((double)i * 0.0625 * (k + 1), s.box[k]);
    check_set("chain", &s, 0.25, 1, SIZE_MAX);
    free(s.x);

    s = new_set(800, 0); /* a straight one */
    for (size_t i = 0; i < s.n; i++) s.x[i][0] = (double)i * 0.5;
    check_set("straight chain", &s, 0.5, 1, 1);
    check_set("broken chain", &s, 0.49, 1, 800);
    /* And one that goes to and fro 8 times, across the borders of ranks. */
    for (size_t i = 0; i < s.n; i++) {
        size_t row = i / 100, step = i % 100, along = step < 96 ? step : 95;
        s.x[i][0] = 0.125 * (double)(row % 2 ? 95 - along : along);
        s.x[i][1] = 0.5 * (double)row + 0.125 * (double)(step - along);
        s.x[i][2] = 0;
    }
    check_set("to and fro", &s, 0.125, 1, 1);
    free(s.x);
}

static void test_pathological(void)
{
    set_t s = new_set(700, 1);
    check_set("all at the corner", &s, 0.5, 1, 1);
    for (size_t i = 0; i < s.n; i++)
        for (int k = 0; k < 3; k++) s.x[i][k] = i % 2 ? 0.5 : 0.75;
    check_set("two places", &s, 0.4, 1, 2);
    check_set("two places", &s, 0.45, 1, 1);
    for (size_t i = 0; i < s.n; i++) {
        s.x[i][0] = (double)(i % 10) * 0.8;
        s.x[i][1] = (double)(i / 10 % 10);
        s.x[i][2] = (double)(i / 100) * 0.6;
    }
    check_set("all apart", &s, 0.5, 1, 700);
    check_set("all apart", &s, 0.5, 2, 0);
    check_set("all together", &s, 1.0, 1, 1);
    free(s.x);
    s = new_set(0, 1);
    check_set("none", &s, 0.5, 1, 0);
    free(s.x);
    s = new_set(1, 0);
    check_set("one", &s, 0.5, 1, 1);
    free(s.x);
}

/* A dense clump and a loose one with more particles beside it: the position is in the
 * dense one, at the border, the centre of mass outside of it. */
static void test_peak(void)
{
    what = "peak";
    set_t s = new_set(900, 1);
    seed = 3;
    for (size_t i = 0; i < s.n; i++)
        for (int k = 0; k < 3; k++) {
            double spread = i < 400 ? 0.1 : 1.2;
            double centre = i < 400 || k ? 0 : 1.0;
            double x = centre + spread * (uniform() - 0.5);
            s.x[i][k] = x < 0 ? x + s.box[k] : x;
        }
    peri_particles_t *p = deal_out(&s, nranks);
    expected_t got = find(p, 0.6, 900);
    CHECK(got.ngroups == 1);
    for (int k = 0; k < 3; k++)
        CHECK(fabs(nearest(&s, k, got.groups[0].position[k])) < 0.03);
    CHECK(got.groups[0].centre[0] > 0.5);
    check_alone(deal_out(&s, 1), &got, 0.6, 900);
    peri_particles_free(p);
    free_expected(&got);
    free(s.x);
}

/* Without ids, masses and velocities: numbered in the order of the input. */
static void test_bare(void)
{
    what = "bare";
    peri_particles_t *p = peri_particles_new(0, (double[]){10, 10, 10});
    CHECK(peri_particles_resize(p, 3, &err) == 0);
    for (size_t i = 0; i < 3; i++) {
        p->x[i] = 5 + 0.1 * (double)i;
        p->y[i] = p->z[i] = (double)rank;
    }
    expected_t got = find(p, 0.2, 3);
    CHECK(got.ngroups == (size_t)nranks && got.nmembers == 3 * (size_t)nranks);
    for (int64_t r = 0; r < nranks; r++) {
        CHECK(got.groups[r].first_id == 3 * r && got.groups[r].mass == 3);
        CHECK(isnan(got.groups[r].velocity[0]) && isnan(got.groups[r].dispersion));
        CHECK(got.members[3 * r + 2].id == 3 * r + 2);
    }
    free_expected(&got);
    peri_particles_free(p);
}

static void check_refused(peri_particles_t *p, double length, uint64_t min_particles,
                          const char *words)
{
    const peri_fof_options_t o = {.linking_length = length,
                                  .min_particles = min_particles};
    CHECK(!peri_fof_find(p, &o, NULL, NULL, COMM, &err));
    CHECK(strstr(err.text, words));
}

static int refuse(void *arg, const char *step, double done, double total, peri_err_t *e)
{
    (void)done;
    (void)total;
    if (strcmp(step, arg) || rank) return 0;
    return peri_err_set(e, PERI_ECANCEL, "The call was cancelled.");
}

static void test_bad(void)
{
    what = "bad input";
    set_t s = random_set(50, 1, 0);
    peri_particles_t *p = deal_out(&s, nranks);
    check_refused(p, 0, 1, "positive number");
    check_refused(p, NAN, 1, "positive number");
    check_refused(p, 3, 1, "half of the box");
    check_refused(p, 1e-30, 1, "too small");
    check_refused(p, 1, 0, "min_particles");
    const peri_fof_options_t o = {.linking_length = 0.5, .min_particles = 1};
    CHECK(!peri_fof_find(p, &o, refuse, "merging", COMM, &err));
    CHECK(strstr(err.text, "cancelled"));
    if (p->n) p->mass[0] = 0;
    check_refused(p, 0.5, 1, "mass of 0 or less");
    if (p->n) p->mass[0] = 1;
    if (rank == 0) p->vx[0] = NAN;
    check_refused(p, 0.5, 1, "1 particles have a velocity");
    if (p->n) p->x[0] = 99;
    check_refused(p, 0.5, 1, "outside");
    if (p->n) p->x[0] = NAN;
    check_refused(p, 0.5, 1, "not finite");
    peri_particles_free(p);
    free(s.x);
    peri_fof_free(NULL);
    CHECK(fabs(peri_fof_length(0.2, (double[]){50, 50, 50}, 262144) - 0.15625) < 1e-15);
}

/* ---- GADGET-4 ---- */

static void check_counts(const expected_t *g, int64_t smallest, size_t ngroups,
                         int64_t nparticles)
{
    size_t n = 0;
    int64_t particles = 0;
    for (; n < g->ngroups && g->groups[n].np >= smallest; n++)
        particles += g->groups[n].np;
    CHECK(n == ngroups);
    if (nparticles) CHECK(particles == nparticles);
}

static double periodic_distance(const double a[3], const double b[3])
{
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        double d = fabs(a[k] - b[k]);
        if (d > GADGET_BOX / 2) d = GADGET_BOX - d;
        sum += d * d;
    }
    return sqrt(sum);
}

/* The snapshot's particles are in the order of their groups: the first are those of the
 * largest. */
static void check_gadget_members(const expected_t *g, const int64_t *order,
                                 int velocities)
{
    size_t n, ngroups;
    double *lengths =
        gadget_read("groups_023/fof_subhalo_tab_023", "Group/GroupLen", &ngroups);
    double *mass = gadget_read("groups_023/fof_subhalo_tab_023", "Group/GroupMass", &n);
    double *velocity =
        gadget_read("groups_023/fof_subhalo_tab_023", "Group/GroupVel", &n);
    double *position =
        gadget_read("groups_023/fof_subhalo_tab_023", "Group/GroupPos", &n);
    size_t close = 0;
    int64_t *group_at = malloc(GADGET_PARTICLES * sizeof(*group_at)), at = 0;
    CHECK(ngroups == 499);
    for (size_t i = 0; i < ngroups; i++)
        for (int64_t k = 0; k < (int64_t)lengths[i]; k++) group_at[at++] = (int64_t)i;
    /* Groups of the same length may have another order: by which one its first is. */
    size_t member = 0;
    for (size_t i = 0; i < ngroups; i++) {
        int64_t theirs = group_at[order[g->members[member].id]];
        CHECK(g->groups[i].np == (int64_t)lengths[theirs]);
        CHECK(fabs(g->groups[i].mass - mass[theirs]) < 1e-6 * mass[theirs]);
        for (int k = 0; k < 3; k++)
            CHECK(!velocities ||
                  fabs(g->groups[i].velocity[k] - velocity[3 * theirs + k]) < 0.01);
        close += periodic_distance(g->groups[i].position, position + 3 * theirs) <
                 0.2 * g->groups[i].radius;
        for (int64_t k = 0; k < g->groups[i].np; k++, member++) {
            CHECK(g->members[member].group == (int64_t)i);
            CHECK(order[g->members[member].id] < at);
            CHECK(group_at[order[g->members[member].id]] == theirs);
        }
    }
    free(lengths);
    free(mass);
    free(velocity);
    free(group_at);
    free(position);
    if (!rank) printf("%zu of %zu positions are GADGET-4's\n", close, ngroups);
    CHECK(close > 450);
}

static void test_gadget(void)
{
    what = "gadget4_run64";
    int64_t *order = calloc(GADGET_PARTICLES * 2, sizeof(*order));
    double length = peri_fof_length(0.2, (double[]){50, 50, 50}, GADGET_PARTICLES);
    expected_t plain = {0};
    for (int shifted = 0; shifted < 2; shifted++) {
        peri_particles_t *p = gadget_particles(shifted * 25.0, order, COMM, &err);
        expected_t g = find(p, length, 20);
        check_counts(&g, 20, 748, 108250);
        check_counts(&g, 32, 499, 102186);
        check_counts(&g, 35, 464, 0);
        CHECK(g.groups[0].np == 4239);
        if (!shifted) check_gadget_members(&g, order, p->n == 0 || p->vx[0] != 0);
        if (!shifted) {
            peri_particles_t *all = gadget_particles(0, NULL, MPI_COMM_SELF, &err);
            check_alone(all, &g, length, 20);
            plain = g;
        } else {
            CHECK(g.nmembers == plain.nmembers);
            CHECK(memcmp(g.members, plain.members, g.nmembers * sizeof(*g.members)) == 0);
            free_expected(&g);
        }
        peri_particles_free(p);
    }
    free_expected(&plain);
    free(order);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(COMM, &rank);
    MPI_Comm_size(COMM, &nranks);
    test_exact_distance();
    test_pathological();
    test_lattice();
    test_chains();
    test_random();
    test_peak();
    test_bare();
    test_bad();
    test_gadget();
    MPI_Finalize();
    return 0;
}
