/* test_tree.c - trees brought together on 1 to 4 ranks: the rows are the same bits as
 * those of one rank, keep every promise of the scheme, and a broken promise is noticed.
 * Every rank makes all halos (the same everywhere) and gives some of them in.
 */
#include <math.h>

#include "mpi/tree/spread.h"
#include "tests/unit/tree_common.h"

static uint64_t seed;

static uint64_t below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

typedef struct {
    size_t n;
    peri_treehalo_t *halos;
} set_t;

/* ntrees trees of up to `most` halos: keys 0, 3, 6, ...; halos of one snapshot are in
 * groups of up to three. Links are given, in the order of keys. */
static set_t make_set(size_t ntrees, uint64_t most)
{
    set_t s = {0, peri_xcalloc(ntrees * most + 1, sizeof(*s.halos))};
    for (size_t t = 0; t < ntrees; t++) {
        const size_t n = 1 + (size_t)below(most);
        peri_treehalo_t *h = s.halos + s.n;
        for (size_t i = 0; i < n; i++) {
            h[i] = (peri_treehalo_t){.tree = (int64_t)(t * t), /* numbers with gaps */
                                     .key = (int64_t)(3 * i),
                                     .descendant = -1,
                                     .first_progenitor = -1,
                                     .next_progenitor = -1,
                                     .main_progenitor = -1,
                                     .first_in_group = (int64_t)(3 * i),
                                     .next_in_group = -1,
                                     .subhalo = (int64_t)i,
                                     .group = (int64_t)(i / 3),
                                     .np = 20 + (int64_t)below(1000),
                                     .most_bound = (int64_t)below(1000000),
                                     .mass = (float)below(100),
                                     .snapnum = 60 - (int32_t)(i / 4)};
            for (int k = 0; k < 3; k++) {
                h[i].position[k] = (double)below(1000000) / 1e4;
                h[i].velocity[k] = (float)below(1000);
            }
            if (i % 4 && i % 4 < 3) {
                h[i].first_in_group = h[i - i % 4].key;
                h[i - 1].next_in_group = h[i].key;
            }
            const size_t d = (size_t)below(i + 1);
            if (h[d].snapnum > h[i].snapnum && below(8)) h[i].descendant = h[d].key;
        }
        for (size_t i = n; i-- > 0;) {
            if (h[i].descendant < 0) continue;
            peri_treehalo_t *d = &h[h[i].descendant / 3];
            h[i].next_progenitor = d->first_progenitor;
            if (h[i].key % 4 == 0) d->main_progenitor = h[i].key;
            d->first_progenitor = h[i].key;
        }
        s.n += n;
    }
    return s;
}

static const double redshifts[] = {20, 19, 18};

static peri_treescheme_t scheme(void)
{
    return (peri_treescheme_t){PERI_TREE_SIZE, 8, 20, {100, 100, 100}, redshifts, 3};
}

static peri_rowset_t *rows_of(const peri_treehalo_t *halos, size_t n,
                              peri_mainrule_t rule, MPI_Comm comm)
{
    const peri_treescheme_t s = scheme();
    return table_of(halos, n, rule, &s, comm);
}

/* Some of the halos are this rank's, in a random order; where: 0 anywhere, 1 all on the
 * last rank. */
static set_t share_of(const set_t *all, int where)
{
    set_t s = {0, peri_xcalloc(all->n + 1, sizeof(*s.halos))};
    for (size_t i = 0; i < all->n; i++) {
        const int owner = where ? nranks - 1 : (int)below((uint64_t)nranks);
        if (owner != rank) continue;
        s.halos[s.n] = all->halos[i];
        const size_t k = ((i * 7919) ^ (i >> 3)) % ++s.n;
        const peri_treehalo_t swap = s.halos[k];
        s.halos[k] = s.halos[s.n - 1];
        s.halos[s.n - 1] = swap;
    }
    return s;
}

static void check_set(const char *name, size_t ntrees, uint64_t most)
{
    what = name;
    seed = ntrees + most;
    set_t all = make_set(ntrees, most);
    for (int where = 0; where < 2; where++)
        for (peri_mainrule_t rule = PERI_MAIN_GIVEN; rule <= PERI_MAIN_NP; rule++) {
            set_t mine = share_of(&all, where);
            peri_rowset_t *rows = rows_of(mine.halos, mine.n, rule, MPI_COMM_WORLD);
            peri_rowset_t *alone = rows_of(all.halos, all.n, rule, MPI_COMM_SELF);
            compare_tables(rows, alone);
            peri_rowset_free(rows);
            peri_rowset_free(alone);
            free(mine.halos);
        }
    free(all.halos);
}

/* Values that were given come out with their halo, and keys and zones are of its place.
 */
static void check_values(void)
{
    what = "values";
    seed = 5;
    set_t all = make_set(3, 50);
    peri_rowset_t *rows = rows_of(all.halos, all.n, PERI_MAIN_GIVEN, MPI_COMM_SELF);
    const int64_t *tree =
        peri_rowset_data(rows, (size_t)peri_rowset_find(rows, "treeId"));
    const int64_t *nr =
        peri_rowset_data(rows, (size_t)peri_rowset_find(rows, "subhaloNr"));
    const int64_t *np = peri_rowset_data(rows, (size_t)peri_rowset_find(rows, "np"));
    const double *y = peri_rowset_data(rows, (size_t)peri_rowset_find(rows, "y"));
    const int32_t *iy = peri_rowset_data(rows, (size_t)peri_rowset_find(rows, "iy"));
    const int32_t *random =
        peri_rowset_data(rows, (size_t)peri_rowset_find(rows, "random"));
    const int64_t *ph = peri_rowset_data(rows, (size_t)peri_rowset_find(rows, "phKey"));
    CHECK(peri_rowset_rows(rows) == all.n);
    double sum = 0;
    for (size_t r = 0; r < all.n; r++) {
        size_t i = 0;
        while (all.halos[i].tree != tree[r] || all.halos[i].subhalo != nr[r]) i++;
        CHECK(np[r] == all.halos[i].np && y[r] == all.halos[i].position[1]);
        CHECK(iy[r] == (int32_t)(y[r] / 5));
        const int64_t main = all.halos[i].main_progenitor;
        if (main >= 0) CHECK(nr[r + 1] == main / 3);
        CHECK(random[r] >= 0 && random[r] < 1000000);
        CHECK(ph[r] >= 0 && ph[r] < 1 << 24);
        sum += random[r];
    }
    CHECK(fabs(sum / (double)all.n / 5e5 - 1) < 0.3);
    peri_rowset_free(rows);
    free(all.halos);
}

/* Change each number of each column a little: each change is noticed. */
static void check_mutations(void)
{
    what = "mutations";
    seed = 17;
    set_t all = make_set(4, 40);
    peri_rowset_t *rows = rows_of(all.halos, all.n, PERI_MAIN_GIVEN, MPI_COMM_SELF);
    const char *const names[] = {"haloId",
                                 "descendantId",
                                 "firstProgenitorId",
                                 "nextProgenitorId",
                                 "lastProgenitorId",
                                 "mainLeafId",
                                 "treeRootId",
                                 "treeId",
                                 "firstHaloInFOFgroupId",
                                 "nextHaloInFOFgroupId"};
    const size_t n = peri_rowset_rows(rows);
    for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
        const int column = peri_rowset_find(rows, names[k]);
        CHECK(column >= 0);
        int64_t *v = peri_rowset_data(rows, (size_t)column);
        for (size_t i = 0; i < n; i++) {
            const int64_t old = v[i],
                          others[] = {old + 1, -1, 0, v[(i + 7) % n], 1 << 30};
            for (size_t o = 0; o < sizeof(others) / sizeof(*others); o++) {
                if (others[o] == old) continue;
                v[i] = others[o];
                if (peri_tree_check_rows(rows, PERI_TREE_SIZE, &err) == 0)
                    fprintf(stderr, "%s of row %zu as %lld\n", names[k], i,
                            (long long)others[o]);
                CHECK(peri_tree_check_rows(rows, PERI_TREE_SIZE, &err) == -1);
            }
            v[i] = old;
        }
    }
    CHECK(peri_tree_check_rows(rows, PERI_TREE_SIZE, &err) == 0);
    peri_rowset_free(rows);
    free(all.halos);
}

static void expect_error(const set_t *all, const char *says)
{
    set_t mine = share_of(all, 0);
    peri_forest_t f;
    CHECK(peri_forest_make(mine.halos, mine.n, PERI_MAIN_GIVEN, MPI_COMM_WORLD, &f,
                           &err) == -1);
    CHECK(strstr(err.text, says));
    free(mine.halos);
}

static void check_errors(void)
{
    what = "errors";
    seed = 3;
    set_t all = make_set(5, 30);
    peri_treehalo_t *h = all.halos + all.n / 2, good = *h;
    h->key = -4;
    expect_error(&all, "must be 0 or larger");
    *h = good;
    h->tree = -1;
    expect_error(&all, "must be 0 or larger");
    *h = h[-1];
    expect_error(&all, "two halos with number");
    *h = good;
    h->descendant = 1;
    expect_error(&all, "descendant is not there");
    *h = good;
    h->main_progenitor = h->key;
    expect_error(&all, "main progenitor is not among");
    *h = good;
    h->main_progenitor = 1;
    expect_error(&all, "main progenitor is not among");
    *h = good;
    h->first_in_group = 1;
    expect_error(&all, "links to the other halos of its group");
    *h = good;
    h->first_in_group = -1;
    expect_error(&all, "links to the other halos of its group");
    *h = good;

    peri_forest_t f;
    CHECK(peri_forest_make(all.halos, all.n, PERI_MAIN_GIVEN, MPI_COMM_SELF, &f, &err) ==
          0);
    peri_rowset_t *rows = peri_rowset_new(peri_treerows_columns, PERI_TREEROWS_NCOLUMNS);
    peri_treescheme_t s = scheme();
    s.tree_size = 4;
    CHECK(peri_treerows_fill(&f, &s, rows, &err) == -1 && err.code == PERI_ELIMIT);
    CHECK(strstr(err.text, "give a larger tree_size") && peri_rowset_rows(rows) == 0);
    s.tree_size = INT64_MAX / 2;
    CHECK(peri_treerows_fill(&f, &s, rows, &err) == -1 && err.code == PERI_ELIMIT);
    CHECK(strstr(err.text, "is too large"));
    peri_rowset_free(rows);
    peri_forest_drop(&f);
    free(all.halos);
}

/* Equal keys stay together, ranks ascend, and no rank has much more than its share. */
static void check_spread(void)
{
    what = "spread";
    const struct {
        size_t n;
        int64_t first;
        uint64_t range;
    } cases[] = {{0, 0, 1},
                 {1, 5, 1},
                 {5000, 7, 1},
                 {5000, -3000, 100000},
                 {2000, INT64_MIN + 1, 1u << 30},
                 {2000, 0, 10}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        seed = 100 * c + (uint64_t)rank;
        const size_t n = cases[c].n;
        int64_t *keys = peri_xcalloc(n + 1, sizeof(*keys));
        int *to = peri_xcalloc(n + 1, sizeof(*to));
        for (size_t i = 0; i < n; i++)
            keys[i] = cases[c].first + (int64_t)below(cases[c].range);
        peri_keys_spread(keys, n, MPI_COMM_WORLD, to);
        int64_t least[4], most[4];
        uint64_t count[4] = {0};
        for (int r = 0; r < 4; r++) least[r] = INT64_MAX, most[r] = INT64_MIN;
        for (size_t i = 0; i < n; i++) {
            CHECK(to[i] >= 0 && to[i] < nranks);
            count[to[i]]++;
            if (keys[i] < least[to[i]]) least[to[i]] = keys[i];
            if (keys[i] > most[to[i]]) most[to[i]] = keys[i];
        }
        MPI_Allreduce(MPI_IN_PLACE, least, 4, MPI_INT64_T, MPI_MIN, MPI_COMM_WORLD);
        MPI_Allreduce(MPI_IN_PLACE, most, 4, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD);
        MPI_Allreduce(MPI_IN_PLACE, count, 4, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
        int64_t before = INT64_MIN;
        for (int r = 0; r < nranks; r++) {
            if (count[r] == 0) continue;
            CHECK(least[r] > before || before == INT64_MIN);
            before = most[r];
            if (cases[c].range > 1000) CHECK(count[r] < 1.1 * (double)n + 2);
        }
        free(keys);
        free(to);
    }
}

int main(int argc, char **argv)
{
    start(&argc, &argv);
    check_spread();
    check_set("none", 0, 1);
    check_set("one", 1, 1);
    check_set("one large", 1, 5000);
    check_set("small", 500, 8);
    check_set("mixed", 40, 400);
    check_values();
    check_mutations();
    check_errors();
    MPI_Finalize();
    return 0;
}
