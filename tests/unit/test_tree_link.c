/* test_tree_link.c - links by shared particles against brute force, on 1 to 4 ranks.
 * Every rank makes all particles and halos (the same everywhere) and gives some in.
 */
#include <math.h>

#include "mpi/tree/link.h"
#include "tests/unit/tree_common.h"

#define NPART 3000
#define SNAPS 7
#define HALOS 60

static uint64_t seed;

static uint64_t below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

/* halo[s][p]: of particle p at snapshot s, -1 none; numbers are 5 * the index of a halo.
 */
typedef struct {
    int64_t id[NPART], halo[SNAPS][NPART], weight[SNAPS][NPART];
    int64_t np[SNAPS][HALOS];
} history_t;

static const int snapnums[SNAPS] = {3, 4, 5, 7, 8, 9, 20};

/* Particles stay in their halo, or fall out, or wander to another; halos merge; halo 1
 * hides in halo 0 at snapshot 3. stir: how many of 100 wander at each step. */
static history_t *make_history(uint64_t stir, bool weighted)
{
    history_t *h = peri_xcalloc(1, sizeof(*h));
    int64_t now[NPART];
    for (size_t p = 0; p < NPART; p++) {
        h->id[p] = (int64_t)((p + 1) * 0x9e3779b97f4a7c15u); /* all 64 bits, unique */
        now[p] = (int64_t)below(HALOS + 10);
    }
    for (int s = 0; s < SNAPS; s++) {
        const int64_t gone = (int64_t)below(HALOS), into = (int64_t)below(HALOS);
        for (size_t p = 0; p < NPART; p++) {
            if (s && now[p] == gone && gone > 1) now[p] = into;
            if (below(100) < stir && now[p] != 1) now[p] = (int64_t)below(HALOS + 10);
            const int64_t in = s == 3 && now[p] == 1 ? HALOS + 1 : now[p];
            h->halo[s][p] = in < HALOS ? 5 * in : -1;
            h->weight[s][p] = weighted ? peri_bound_weight((int64_t)below(30), 16) : 1;
            if (in < HALOS) h->np[s][in]++;
        }
    }
    return h;
}

/* ---- brute force ---- */

static int64_t best_of(const history_t *h, int from, int to, int64_t halo)
{
    int64_t sum[HALOS] = {0}, best = -1;
    for (size_t p = 0; p < NPART; p++)
        if (h->halo[from][p] == halo && h->halo[to][p] >= 0)
            sum[h->halo[to][p] / 5] += h->weight[from][p];
    for (int64_t b = 0; b < HALOS; b++)
        if (sum[b] > (best < 0 ? 0 : sum[best])) best = b;
    return best < 0 ? -1 : 5 * best;
}

static int64_t key_of(int s, int64_t halo)
{
    return ((int64_t)(snapnums[SNAPS - 1] - snapnums[s]) << 40) | halo;
}

typedef struct {
    int to[SNAPS][HALOS]; /* snapshot of the descendant, -1 none */
    int64_t halo[SNAPS][HALOS], tree[SNAPS][HALOS];
} truth_t;

static truth_t *make_truth(const history_t *h)
{
    truth_t *t = peri_xcalloc(1, sizeof(*t));
    int64_t ntrees = 0;
    for (int s = SNAPS - 1; s >= 0; s--)
        for (int i = 0; i < HALOS; i++) {
            if (h->np[s][i] == 0) continue;
            t->to[s][i] = -1;
            for (int to = s + 1; to <= s + 2 && to < SNAPS && t->to[s][i] < 0; to++) {
                t->halo[s][i] = best_of(h, s, to, 5 * i);
                if (t->halo[s][i] >= 0) t->to[s][i] = to;
            }
            t->tree[s][i] =
                t->to[s][i] < 0 ? ntrees++ : t->tree[t->to[s][i]][t->halo[s][i] / 5];
        }
    return t;
}

/* ---- */

static void given_members(const history_t *h, int s, bool all, peri_member_t **members,
                          size_t *n)
{
    *members = peri_xcalloc(NPART, sizeof(**members));
    *n = 0;
    for (size_t p = 0; p < NPART; p++) {
        if (h->halo[s][p] < 0 ||
            (!all && (int)((p * 31 + (size_t)s) % 7 % (size_t)nranks) != rank))
            continue;
        (*members)[(*n)++] = (peri_member_t){h->id[p], h->halo[s][p], h->weight[s][p]};
    }
}

static size_t given_halos(const history_t *h, int s, bool all, peri_treehalo_t *halos)
{
    size_t n = 0;
    for (int i = HALOS; i-- > 0;)
        if (h->np[s][i] && (all || (i * 3 + s) % nranks == rank))
            halos[n++] = (peri_treehalo_t){.subhalo = 5 * i, .np = h->np[s][i]};
    return n;
}

static void link_all(const history_t *h, bool all, MPI_Comm comm, peri_treehalo_t **halos,
                     size_t *n)
{
    peri_linker_t *l = peri_linker_new(comm);
    for (int s = 0; s < SNAPS; s++) {
        peri_member_t *members;
        peri_treehalo_t some[HALOS];
        size_t nmembers;
        given_members(h, s, all, &members, &nmembers);
        const size_t nsome = given_halos(h, s, all, some);
        CHECK(peri_linker_add(l, snapnums[s], some, nsome, members, nmembers, &err) == 0);
        free(members);
    }
    CHECK(peri_linker_finish(l, halos, n, &err) == 0);
    peri_linker_free(l);
}

static void compare_truth(const history_t *h, const peri_treehalo_t *halos, size_t n)
{
    truth_t *t = make_truth(h);
    uint64_t expected = 0, got = n, skips = 0;
    for (int s = 0; s < SNAPS; s++)
        for (int i = 0; i < HALOS; i++) expected += h->np[s][i] != 0;
    MPI_Allreduce(MPI_IN_PLACE, &got, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    CHECK(got == expected);
    for (size_t k = 0; k < n; k++) {
        int s = 0;
        while (snapnums[s] != halos[k].snapnum) s++;
        const int i = (int)(halos[k].subhalo / 5);
        CHECK(halos[k].np == h->np[s][i]);
        CHECK(halos[k].key == key_of(s, halos[k].subhalo));
        CHECK(halos[k].tree == t->tree[s][i]);
        const int to = t->to[s][i];
        CHECK(halos[k].descendant == (to < 0 ? -1 : key_of(to, t->halo[s][i])));
        skips += to > s + 1;
    }
    MPI_Allreduce(MPI_IN_PLACE, &skips, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    CHECK(skips >= 1); /* halo 1, over snapshot 7 */
    free(t);
}

static void check_history(const char *name, uint64_t stir, bool weighted)
{
    what = name;
    seed = stir + weighted;
    history_t *h = make_history(stir, weighted);
    peri_treehalo_t *mine, *all;
    size_t nmine, nall;
    link_all(h, false, MPI_COMM_WORLD, &mine, &nmine);
    link_all(h, true, MPI_COMM_SELF, &all, &nall);
    compare_truth(h, mine, nmine);
    const peri_treescheme_t s = {PERI_TREE_SIZE, 8, 20, {NAN, NAN, NAN}, NULL, 0};
    peri_rowset_t *rows = table_of(mine, nmine, PERI_MAIN_HISTORY, &s, MPI_COMM_WORLD);
    peri_rowset_t *alone = table_of(all, nall, PERI_MAIN_HISTORY, &s, MPI_COMM_SELF);
    compare_tables(rows, alone);
    peri_rowset_free(rows);
    peri_rowset_free(alone);
    free(mine);
    free(all);
    free(h);
}

static void expect_error(peri_linker_t *l, int snapnum, const peri_treehalo_t *halos,
                         size_t nhalos, const peri_member_t *members, size_t nmembers,
                         const char *says)
{
    /* The last rank has it all. */
    const bool here = rank == nranks - 1;
    err.text[0] = '\0';
    const int rc = peri_linker_add(l, snapnum, halos, here ? nhalos : 0, members,
                                   here ? nmembers : 0, &err);
    CHECK(says ? rc == -1 && strstr(err.text, says) : rc == 0);
}

static void check_errors(void)
{
    what = "errors";
    const peri_treehalo_t halos[] = {{.subhalo = 1, .np = 3}, {.subhalo = 2, .np = 2}};
    const peri_treehalo_t twice[] = {{.subhalo = 7}, {.subhalo = 7}};
    const peri_treehalo_t negative[] = {{.subhalo = -1}},
                          large[] = {{.subhalo = 1ll << 40}};
    const peri_member_t members[] = {{10, 1, 1}, {11, 1, 1}, {12, 2, 1}};
    const peri_member_t same[] = {{10, 1, 1}, {10, 2, 1}}, bad[] = {{10, 1, -1}};
    const peri_member_t nowhere[] = {{10, 99, 1}};
    const struct {
        int snapnum;
        const peri_treehalo_t *halos;
        size_t nhalos;
        const peri_member_t *members;
        size_t nmembers;
        const char *says;
    } cases[] = {{4, halos, 2, members, 3, "comes after snapshot 5"},
                 {5, halos, 2, members, 3, "comes after snapshot 5"},
                 {-1, halos, 2, members, 3, "is not possible"},
                 {6, twice, 2, members, 3, "two halos with number 7"},
                 {6, negative, 1, members, 3, "halo number -1"},
                 {6, large, 1, members, 3, "below 2^40"},
                 {6, halos, 2, same, 2, "particle 10 in two halos"},
                 {6, halos, 2, bad, 1, "negative weight"}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        peri_linker_t *l = peri_linker_new(MPI_COMM_WORLD);
        expect_error(l, 5, halos, 2, members, 3, NULL);
        expect_error(l, cases[c].snapnum, cases[c].halos, cases[c].nhalos,
                     cases[c].members, cases[c].nmembers, cases[c].says);
        peri_linker_free(l);
    }
    /* A halo that is not there is noticed when something depends on it. */
    peri_linker_t *l = peri_linker_new(MPI_COMM_WORLD);
    expect_error(l, 5, halos, 2, nowhere, 1, NULL);
    expect_error(l, 6, halos, 2, members, 3, "no such halo");
    peri_linker_free(l);
    l = peri_linker_new(MPI_COMM_WORLD);
    expect_error(l, 5, halos, 2, members, 3, NULL);
    expect_error(l, 6, halos, 2, nowhere, 1, NULL);
    peri_treehalo_t *out;
    size_t n;
    CHECK(peri_linker_finish(l, &out, &n, &err) == -1 &&
          strstr(err.text, "no such halo"));
    peri_linker_free(l);
    /* Nothing at all is fine. */
    l = peri_linker_new(MPI_COMM_WORLD);
    CHECK(peri_linker_finish(l, &out, &n, &err) == 0 && n == 0);
    free(out);
    peri_linker_free(l);
    l = peri_linker_new(MPI_COMM_WORLD);
    expect_error(l, 1, NULL, 0, NULL, 0, NULL);
    expect_error(l, 2, halos, 2, members, 3, NULL);
    expect_error(l, 3, NULL, 0, NULL, 0, NULL);
    CHECK(peri_linker_finish(l, &out, &n, &err) == 0);
    for (size_t i = 0; i < n; i++) CHECK(out[i].descendant == -1);
    free(out);
    peri_linker_free(l);
}

int main(int argc, char **argv)
{
    start(&argc, &argv);
    CHECK(peri_bound_weight(0, 16) > peri_bound_weight(1, 16));
    CHECK(peri_bound_weight(15, 16) > 0 && peri_bound_weight(16, 16) == 0);
    check_history("calm", 1, false);
    check_history("stirred", 20, false);
    check_history("chaos", 90, false);
    check_history("by binding", 10, true);
    check_errors();
    MPI_Finalize();
    return 0;
}
