/* forest.c - see forest.h. */
#include "mpi/tree/forest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/tree/spread.h"
#include "perigee/particles.h"

static int by_tree_and_key(const void *a, const void *b)
{
    const peri_treehalo_t *x = a, *y = b;
    if (x->tree != y->tree) return x->tree < y->tree ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

static int check_numbers(const peri_treehalo_t *halos, size_t n, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++) {
        if (halos[i].tree < 0 || halos[i].key < 0)
            return peri_err_set(err, PERI_EFORMAT,
                                "A halo at snapshot %d has number %" PRId64
                                " in tree %" PRId64 ": both must be 0 or larger.",
                                (int)halos[i].snapnum, halos[i].key, halos[i].tree);
        if (i && by_tree_and_key(&halos[i - 1], &halos[i]) == 0)
            return peri_err_set(err, PERI_EFORMAT,
                                "Tree %" PRId64 " has two halos with number %" PRId64
                                ": is the table there twice?",
                                halos[i].tree, halos[i].key);
    }
    return 0;
}

static int gather(const peri_treehalo_t *halos, size_t n, MPI_Comm comm, peri_forest_t *f,
                  peri_err_t *err)
{
    int64_t *trees = peri_xmalloc((n + 1) * sizeof(*trees));
    int *rank = peri_xmalloc((n + 1) * sizeof(*rank));
    for (size_t i = 0; i < n; i++) trees[i] = halos[i].tree;
    peri_keys_spread(trees, n, comm, rank);
    free(trees);
    void *received = NULL;
    int rc =
        peri_items_exchange(halos, sizeof(*halos), n, rank, comm, &received, &f->n, err);
    free(rank);
    if (rc != 0) return -1;
    f->halos = received;
    if (f->n) qsort(f->halos, f->n, sizeof(*f->halos), by_tree_and_key);
    return peri_ranks_agree(check_numbers(f->halos, f->n, err), comm, err);
}

/* The place of the halo with this key in the tree at [from, to); -1 if the key is -1, n
 * if there is none. */
static int64_t place_of(const peri_forest_t *f, size_t from, const size_t end,
                        int64_t key)
{
    size_t to = end;
    if (key < 0) return key == -1 ? -1 : (int64_t)f->n;
    /* Keys are often 0, 1, 2, ... */
    if ((uint64_t)key < to - from && f->halos[from + (size_t)key].key == key)
        return (int64_t)from + key;
    while (from < to) {
        const size_t mid = from + (to - from) / 2;
        if (f->halos[mid].key < key)
            from = mid + 1;
        else
            to = mid;
    }
    return from < end && f->halos[from].key == key ? (int64_t)from : (int64_t)f->n;
}

static void find_places(peri_forest_t *f, int64_t *main, int64_t *first, int64_t *next)
{
    for (size_t from = 0, to; from < f->n; from = to) {
        for (to = from; to < f->n && f->halos[to].tree == f->halos[from].tree;) to++;
        for (size_t i = from; i < to; i++) {
            const peri_treehalo_t *h = &f->halos[i];
            f->tree_start[i] = (int64_t)from;
            f->descendant[i] = place_of(f, from, to, h->descendant);
            main[i] = place_of(f, from, to, h->main_progenitor);
            first[i] = place_of(f, from, to, h->first_progenitor);
            next[i] = place_of(f, from, to, h->next_progenitor);
            f->first_in_group[i] = place_of(f, from, to, h->first_in_group);
            f->next_in_group[i] = place_of(f, from, to, h->next_in_group);
        }
    }
}

/* Every group has a first halo, which leads to all others of the group. */
static int check_groups(const peri_forest_t *f, peri_err_t *err)
{
    const int64_t n = (int64_t)f->n;
    int64_t bad = -1;
    unsigned char *seen = peri_xcalloc(f->n + 1, 1);
    for (int64_t first = 0; first < n && bad < 0; first++) {
        if (f->first_in_group[first] != first) continue;
        for (int64_t i = first; i >= 0 && bad < 0; i = f->next_in_group[i]) {
            if (f->next_in_group[i] >= n || f->first_in_group[i] != first || seen[i]++ ||
                f->halos[i].snapnum != f->halos[first].snapnum)
                bad = i;
        }
    }
    for (int64_t i = 0; i < n && bad < 0; i++)
        if (!seen[i]) bad = i;
    free(seen);
    if (bad < 0) return 0;
    return peri_err_set(err, PERI_EFORMAT,
                        "Halo %" PRId64 " of tree %" PRId64
                        " at snapshot %d: its links to the other halos of its group do "
                        "not fit theirs.",
                        f->halos[bad].key, f->halos[bad].tree,
                        (int)f->halos[bad].snapnum);
}

/* GADGET-4 tells the main progenitor apart from the chain, where it is not always first.
 * Links are not checked yet: a chain may end anywhere, or never. */
static int put_main_first(const peri_forest_t *f, const int64_t *main, int64_t *first,
                          int64_t *next, peri_err_t *err)
{
    const int64_t n = (int64_t)f->n;
    for (int64_t d = 0; d < n; d++) {
        const int64_t m = main[d];
        if (m < 0 || m == first[d]) continue;
        int64_t p = first[d], steps = 0;
        while (p >= 0 && p < n && next[p] != m && steps++ < n) p = next[p];
        if (m == n || p < 0 || p >= n || next[p] != m)
            return peri_err_set(err, PERI_EFORMAT,
                                "Halo %" PRId64 " of tree %" PRId64
                                " at snapshot %d: its main progenitor is not among its "
                                "progenitors.",
                                f->halos[d].key, f->halos[d].tree,
                                (int)f->halos[d].snapnum);
        next[p] = next[m];
        next[m] = first[d];
        first[d] = m;
    }
    return 0;
}

static int order_progenitors(const peri_forest_t *f, const peri_treelinks_t *links,
                             peri_mainrule_t rule, int64_t *first, int64_t *next,
                             peri_err_t *err)
{
    int64_t *np = peri_xmalloc((f->n + 1) * sizeof(*np));
    int64_t *sum = peri_xmalloc((f->n + 1) * sizeof(*sum));
    for (size_t i = 0; i < f->n; i++) np[i] = f->halos[i].np;
    int rc = 0;
    if (rule == PERI_MAIN_HISTORY) rc = peri_branch_sums(links, np, sum, err);
    if (rc == 0)
        rc = peri_progenitors_order(links, rule == PERI_MAIN_HISTORY ? sum : np, first,
                                    next, err);
    free(np);
    free(sum);
    return rc;
}

static int number(peri_forest_t *f, peri_mainrule_t rule, peri_err_t *err)
{
    const size_t n = f->n;
    int64_t *main = peri_xmalloc((n + 1) * sizeof(*main));
    int64_t *first = peri_xmalloc((n + 1) * sizeof(*first));
    int64_t *next = peri_xmalloc((n + 1) * sizeof(*next));
    int64_t *tree = peri_xmalloc((n + 1) * sizeof(*tree));
    int64_t *key = peri_xmalloc((n + 1) * sizeof(*key));
    int32_t *snapnum = peri_xmalloc((n + 1) * sizeof(*snapnum));
    for (size_t i = 0; i < n; i++) {
        tree[i] = f->halos[i].tree;
        key[i] = f->halos[i].key;
        snapnum[i] = f->halos[i].snapnum;
    }
    find_places(f, main, first, next);
    const peri_treelinks_t links = {n, f->descendant, first, next, snapnum, tree, key};
    int rc = check_groups(f, err);
    if (rc == 0 && rule == PERI_MAIN_GIVEN)
        rc = put_main_first(f, main, first, next, err);
    else if (rc == 0)
        rc = order_progenitors(f, &links, rule, first, next, err);
    if (rc == 0) rc = peri_depthfirst_number(&links, &f->df, err);
    free(main);
    free(first);
    free(next);
    free(tree);
    free(key);
    free(snapnum);
    return rc;
}

int peri_forest_make(const peri_treehalo_t *halos, size_t n, peri_mainrule_t rule,
                     MPI_Comm comm, peri_forest_t *forest, peri_err_t *err)
{
    peri_forest_t f = {0};
    if (gather(halos, n, comm, &f, err) != 0) {
        peri_forest_drop(&f);
        return -1;
    }
    int64_t **arrays[] = {&f.first_in_group, &f.next_in_group, &f.descendant,
                          &f.tree_start,     &f.df.order,      &f.df.position,
                          &f.df.last,        &f.df.leaf,       &f.df.root};
    for (size_t k = 0; k < sizeof(arrays) / sizeof(*arrays); k++)
        *arrays[k] = peri_xmalloc((f.n + 1) * sizeof(**arrays[k]));
    if (peri_ranks_agree(number(&f, rule, err), comm, err) != 0) {
        peri_forest_drop(&f);
        return -1;
    }
    *forest = f;
    return 0;
}

void peri_forest_drop(peri_forest_t *forest)
{
    free(forest->halos);
    free(forest->first_in_group);
    free(forest->next_in_group);
    free(forest->descendant);
    free(forest->tree_start);
    free(forest->df.order);
    free(forest->df.position);
    free(forest->df.last);
    free(forest->df.leaf);
    free(forest->df.root);
    *forest = (peri_forest_t){0};
}
