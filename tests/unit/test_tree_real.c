/* test_tree_real.c - trees of a GADGET-4 run (examples/data, ../shared/data): all of them
 * come out in depth-first order, and links by particle ids agree with GADGET-4's own.
 * Run on 1 to 4 ranks.
 */
#include <hdf5.h>
#include <unistd.h>

#include "mpi/tree/link.h"
#include "tests/unit/tree_common.h"
static char folder[1024];

/* A dataset of files NAME.0.hdf5 and NAME.1.hdf5, one after the other; malloc'd. */
static void *column(const char *name, const char *dataset, hid_t type, size_t *n)
{
    const size_t size = H5Tget_size(type);
    char *out = NULL;
    *n = 0;
    for (int file = 0; file < 2; file++) {
        char path[1200];
        snprintf(path, sizeof(path), "%s/%s.%d.hdf5", folder, name, file);
        hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
        CHECK(f >= 0);
        hid_t d = H5Dopen2(f, dataset, H5P_DEFAULT);
        CHECK(d >= 0);
        hid_t s = H5Dget_space(d);
        const size_t count = (size_t)H5Sget_simple_extent_npoints(s);
        out = peri_xrealloc(out, *n + count + 1, size);
        CHECK(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out + *n * size) >= 0);
        *n += count;
        H5Sclose(s);
        H5Dclose(d);
        H5Fclose(f);
    }
    return out;
}

static int64_t *numbers(const char *name, const char *dataset, size_t *n)
{
    return column(name, dataset, H5T_NATIVE_INT64, n);
}

/* ---- GADGET-4's trees ---- */

#define TREES "treedata/trees"

typedef struct {
    size_t n;
    int64_t *tree, *index, *snap, *subhalo, *group, *descendant, *first, *next, *main;
    int64_t *central, *other, *len;
} trees_t;

static trees_t read_trees(void)
{
    trees_t t;
    t.tree = numbers(TREES, "/TreeHalos/TreeID", &t.n);
    t.index = numbers(TREES, "/TreeHalos/TreeIndex", &t.n);
    t.snap = numbers(TREES, "/TreeHalos/SnapNum", &t.n);
    t.subhalo = numbers(TREES, "/TreeHalos/SubhaloNr", &t.n);
    t.group = numbers(TREES, "/TreeHalos/GroupNr", &t.n);
    t.descendant = numbers(TREES, "/TreeHalos/TreeDescendant", &t.n);
    t.first = numbers(TREES, "/TreeHalos/TreeFirstProgenitor", &t.n);
    t.next = numbers(TREES, "/TreeHalos/TreeNextProgenitor", &t.n);
    t.main = numbers(TREES, "/TreeHalos/TreeMainProgenitor", &t.n);
    t.central = numbers(TREES, "/TreeHalos/TreeFirstHaloInFOFgroup", &t.n);
    t.other = numbers(TREES, "/TreeHalos/TreeNextHaloInFOFgroup", &t.n);
    t.len = numbers(TREES, "/TreeHalos/SubhaloLen", &t.n);
    return t;
}

static void trees_drop(trees_t *t)
{
    int64_t *arrays[] = {t->tree,  t->index, t->snap,       t->subhalo,
                         t->group, t->len,   t->descendant, t->first,
                         t->next,  t->main,  t->central,    t->other};
    for (size_t k = 0; k < sizeof(arrays) / sizeof(*arrays); k++) free(arrays[k]);
}

static const int64_t *ids(const peri_rowset_t *rows, const char *name)
{
    const int c = peri_rowset_find(rows, name);
    CHECK(c >= 0);
    return peri_rowset_data(rows, (size_t)c);
}

static void check_trees(const trees_t *t)
{
    what = "trees";
    peri_treehalo_t *halos = peri_xcalloc(t->n, sizeof(*halos));
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if ((int)(i * 5 / t->n) % nranks == rank)
            halos[n++] = (peri_treehalo_t){.tree = t->tree[i],
                                           .key = t->index[i],
                                           .descendant = t->descendant[i],
                                           .first_progenitor = t->first[i],
                                           .next_progenitor = t->next[i],
                                           .main_progenitor = t->main[i],
                                           .first_in_group = t->central[i],
                                           .next_in_group = t->other[i],
                                           .subhalo = t->subhalo[i],
                                           .np = t->len[i],
                                           .snapnum = (int32_t)t->snap[i]};
    const peri_treescheme_t s = {PERI_TREE_SIZE, 8, 20, {50, 50, 50}, NULL, 0};
    peri_rowset_t *rows = table_of(halos, n, PERI_MAIN_GIVEN, &s, MPI_COMM_WORLD);
    free(halos);
    uint64_t count[2] = {peri_rowset_rows(rows), 0};
    const int64_t *halo = ids(rows, "haloId"), *tree = ids(rows, "treeId");
    const int64_t *descendant = ids(rows, "descendantId"), *nr = ids(rows, "subhaloNr");
    const int64_t *first = ids(rows, "firstProgenitorId");
    for (size_t r = 0; r < count[0]; r++) count[1] += halo[r] % PERI_TREE_SIZE == 0;
    MPI_Allreduce(MPI_IN_PLACE, count, 2, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    CHECK(count[0] == 8666 && count[1] == 606);
    /* Each row's links lead to the halos that GADGET-4's lead to. */
    size_t first_of[607] = {0};
    for (size_t i = 0; i < t->n; i++)
        if (t->index[i] == 0) first_of[t->tree[i]] = i;
    for (size_t r = 0; r < peri_rowset_rows(rows); r++) {
        const int32_t snap = ((const int32_t *)ids(rows, "snapnum"))[r];
        size_t i = first_of[tree[r]];
        while (t->snap[i] != snap || t->subhalo[i] != nr[r]) i++;
        CHECK(t->tree[i] == tree[r]);
        const int64_t d = t->descendant[i], p = t->main[i];
        CHECK((d < 0) == (descendant[r] < 0) && (p < 0) == (first[r] < 0));
        if (d >= 0)
            CHECK(nr[(int64_t)r + descendant[r] - halo[r]] ==
                  t->subhalo[first_of[tree[r]] + (size_t)d]);
        if (p >= 0) CHECK(nr[r + 1] == t->subhalo[first_of[tree[r]] + (size_t)p]);
    }
    peri_rowset_free(rows);
}

/* ---- links by particles ---- */

static const int given[] = {5, 14, 23};

/* Particles of subhalos, ordered by binding within each; tracers 0: all weigh the same.
 */
static void add_snapshot(peri_linker_t *l, int snapnum, int64_t tracers)
{
    char tab[64], snap[64];
    snprintf(tab, sizeof(tab), "groups_%03d/fof_subhalo_tab_%03d", snapnum, snapnum);
    snprintf(snap, sizeof(snap), "snapdir_%03d/snapshot_%03d", snapnum, snapnum);
    size_t nsub, n6, npart, nmembers = 0;
    int64_t *len = numbers(tab, "/Subhalo/SubhaloLen", &nsub);
    int64_t *offset = numbers(tab, "/Subhalo/SubhaloOffsetType", &n6);
    int64_t *id = numbers(snap, "/PartType1/ParticleIDs", &npart);
    CHECK(n6 == 6 * nsub && npart == 64 * 64 * 64);
    peri_member_t *members = peri_xcalloc(npart, sizeof(*members));
    peri_treehalo_t *halos = peri_xcalloc(nsub + 1, sizeof(*halos));
    size_t nhalos = 0;
    for (size_t s = 0; s < nsub; s++) {
        if ((int)s % nranks == rank)
            halos[nhalos++] = (peri_treehalo_t){.subhalo = (int64_t)s, .np = len[s]};
        for (int64_t k = 0; k < len[s]; k++) {
            if (k % nranks != rank) continue;
            members[nmembers++] =
                (peri_member_t){id[offset[6 * s + 1] + k], (int64_t)s,
                                tracers ? peri_bound_weight(k, tracers) : 1};
        }
    }
    CHECK(peri_linker_add(l, snapnum, halos, nhalos, members, nmembers, &err) == 0);
    free(len);
    free(offset);
    free(id);
    free(members);
    free(halos);
}

static int64_t place(const trees_t *t, int64_t snap, int64_t subhalo)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->snap[i] == snap && t->subhalo[i] == subhalo) return (int64_t)i;
    CHECK(!"there");
    return -1;
}

/* The subhalo that GADGET-4's links lead to at another snapshot, step by step; -1. */
static int64_t follow(const trees_t *t, int64_t at, const int64_t *links, int64_t snap)
{
    while (at >= 0 && t->snap[at] != snap)
        at = links[at] < 0 ? -1 : at - t->index[at] + links[at];
    return at < 0 ? -1 : t->subhalo[at];
}

/* Links over nine outputs at once against GADGET-4's nine steps, where these lead there.
 */
static void check_links(const trees_t *t, int64_t tracers, uint64_t main_at_least,
                        uint64_t descendants_at_least)
{
    what = tracers ? "links of bound particles" : "links of all particles";
    peri_linker_t *l = peri_linker_new(MPI_COMM_WORLD);
    for (int k = 0; k < 3; k++) add_snapshot(l, given[k], tracers);
    peri_treehalo_t *halos;
    peri_forest_t f;
    size_t n;
    CHECK(peri_linker_finish(l, &halos, &n, &err) == 0);
    peri_linker_free(l);
    CHECK(peri_forest_make(halos, n, PERI_MAIN_HISTORY, MPI_COMM_WORLD, &f, &err) == 0);
    free(halos);
    /* main progenitors, those that agree; descendants, those that agree */
    uint64_t count[4] = {0};
    for (size_t p = 0; p < f.n; p++) {
        const int64_t i = f.df.order[p], d = f.descendant[i];
        const int64_t next = p + 1 < f.n ? f.df.order[p + 1] : -1;
        const peri_treehalo_t *h = &f.halos[i];
        const int64_t at = place(t, h->snapnum, h->subhalo);
        const int64_t before = h->snapnum == 5 ? -1 : h->snapnum - 9;
        const int64_t main = before < 0 ? -1 : follow(t, at, t->main, before);
        if (main >= 0) {
            count[0]++;
            count[1] += next >= 0 && f.descendant[next] == i &&
                        f.halos[next].snapnum == before && f.halos[next].subhalo == main;
        }
        const int64_t to =
            h->snapnum == 23 ? -1 : follow(t, at, t->descendant, h->snapnum + 9);
        if (to >= 0) {
            count[2]++;
            count[3] += d >= 0 && f.halos[d].snapnum == h->snapnum + 9 &&
                        f.halos[d].subhalo == to;
        }
    }
    MPI_Allreduce(MPI_IN_PLACE, count, 4, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0)
        printf("%s: main progenitors %d of %d, descendants %d of %d agree\n", what,
               (int)count[1], (int)count[0], (int)count[3], (int)count[2]);
    CHECK(count[0] == 414 && count[2] == 597);
    CHECK(count[1] >= main_at_least && count[3] >= descendants_at_least);
    peri_forest_drop(&f);
}

int main(int argc, char **argv)
{
    start(&argc, &argv);
    snprintf(folder, sizeof(folder), "%s/examples/data", PERIGEE_SOURCE_DIR);
    trees_t t = read_trees();
    check_trees(&t);
    const char *shared = getenv("PERIGEE_SHARED_DATA");
    snprintf(folder, sizeof(folder), "%s/gadget4_run64",
             shared ? shared : PERIGEE_SOURCE_DIR "/../shared/data");
    if (access(folder, R_OK) == 0) {
        check_links(&t, 16, 409, 592);
        check_links(&t, 0, 394, 575);
    } else if (rank == 0) {
        printf("skipped links: there is no %s (PERIGEE_SHARED_DATA)\n", folder);
    }
    trees_drop(&t);
    MPI_Finalize();
    return 0;
}
