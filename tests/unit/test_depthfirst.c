/* test_depthfirst.c - the depth-first numbering against a recursive one made by brute
 * force; odd forests; links that are wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "mpi/tree/depthfirst.h"

static uint64_t seed = 1;

static uint64_t below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

typedef struct {
    size_t n;
    int64_t *descendant, *first, *next, *weight, *np;
    int32_t *snapnum;
    peri_depthfirst_t df;
} forest_t;

static forest_t forest_new(size_t n)
{
    forest_t f = {.n = n};
    int64_t **arrays[] = {&f.descendant, &f.first,    &f.next,        &f.weight,
                          &f.np,         &f.df.order, &f.df.position, &f.df.last,
                          &f.df.leaf,    &f.df.root};
    for (size_t k = 0; k < sizeof(arrays) / sizeof(*arrays); k++)
        *arrays[k] = peri_xcalloc(n + 1, sizeof(int64_t));
    f.snapnum = peri_xcalloc(n + 1, sizeof(int32_t));
    return f;
}

static void forest_drop(forest_t *f)
{
    int64_t *arrays[] = {f->descendant, f->first,    f->next,        f->weight,
                         f->np,         f->df.order, f->df.position, f->df.last,
                         f->df.leaf,    f->df.root};
    for (size_t k = 0; k < sizeof(arrays) / sizeof(*arrays); k++) free(arrays[k]);
    free(f->snapnum);
}

static peri_treelinks_t links_of(const forest_t *f)
{
    return (peri_treelinks_t){f->n,       f->descendant, f->first, f->next,
                              f->snapnum, NULL,          NULL};
}

/* Halos at random snapshots with descendants at later ones, or none. */
static forest_t random_forest(size_t n, int nsnaps, uint64_t roots_in)
{
    forest_t f = forest_new(n);
    for (size_t i = 0; i < n; i++) {
        f.snapnum[i] = (int32_t)below((uint64_t)nsnaps);
        f.weight[i] = (int64_t)below(20);
        f.np[i] = 20 + (int64_t)below(100);
    }
    for (size_t i = 0; i < n; i++) {
        f.descendant[i] = -1;
        if (below(roots_in) == 0) continue;
        for (int try = 0; try < 20; try++) {
            const size_t d = (size_t)below(n);
            if (f.snapnum[d] > f.snapnum[i]) {
                f.descendant[i] = (int64_t)d;
                break;
            }
        }
    }
    return f;
}

/* ---- by brute force ---- */

static int64_t counter;

static void recurse(const forest_t *f, int64_t i, int64_t root, peri_depthfirst_t *out)
{
    const int64_t at = counter++;
    out->order[at] = i;
    out->position[i] = at;
    out->root[i] = root < 0 ? at : root;
    /* Progenitors by weight, each time looking for the best one that is left. */
    int64_t leaf = at;
    char *done = peri_xcalloc(f->n, 1);
    for (bool main = true;; main = false) {
        int64_t best = -1;
        for (size_t p = 0; p < f->n; p++)
            if (f->descendant[p] == i && !done[p] &&
                (best < 0 || f->weight[p] > f->weight[best]))
                best = (int64_t)p;
        if (best < 0) break;
        done[best] = 1;
        recurse(f, best, out->root[i], out);
        if (main) leaf = out->leaf[best];
    }
    free(done);
    out->leaf[i] = leaf;
    out->last[i] = counter - 1;
}

static void check_against_recursion(forest_t *f)
{
    peri_err_t err = {0};
    const peri_treelinks_t links = links_of(f);
    assert_int_equal(peri_progenitors_order(&links, f->weight, f->first, f->next, &err),
                     0);
    if (peri_depthfirst_number(&links, &f->df, &err) != 0) fail_msg("%s", err.text);
    forest_t b = forest_new(f->n);
    counter = 0;
    for (size_t i = 0; i < f->n; i++)
        if (f->descendant[i] < 0) recurse(f, (int64_t)i, -1, &b.df);
    assert_int_equal(counter, f->n);
    const size_t bytes = f->n * sizeof(int64_t);
    assert_memory_equal(f->df.order, b.df.order, bytes);
    assert_memory_equal(f->df.position, b.df.position, bytes);
    assert_memory_equal(f->df.last, b.df.last, bytes);
    assert_memory_equal(f->df.leaf, b.df.leaf, bytes);
    assert_memory_equal(f->df.root, b.df.root, bytes);
    forest_drop(&b);
}

static int64_t sum_of(const forest_t *f, int64_t i)
{
    int64_t best = 0;
    for (size_t p = 0; p < f->n; p++)
        if (f->descendant[p] == i) {
            const int64_t s = sum_of(f, (int64_t)p);
            if (s > best) best = s;
        }
    return best + f->np[i];
}

static void random_forests(void **state)
{
    (void)state;
    for (int k = 0; k < 60; k++) {
        const size_t n = (size_t)below(k < 30 ? 12 : 300);
        forest_t f = random_forest(n, 1 + (int)below(20), 1 + below(10));
        check_against_recursion(&f);
        int64_t *sum = peri_xcalloc(n + 1, sizeof(*sum));
        const peri_treelinks_t links = links_of(&f);
        assert_int_equal(peri_branch_sums(&links, f.np, sum, NULL), 0);
        for (size_t i = 0; i < n && i < 40; i++)
            assert_int_equal(sum[i], sum_of(&f, (int64_t)i));
        free(sum);
        forest_drop(&f);
    }
}

static void small_ones(void **state)
{
    (void)state;
    forest_t none = forest_new(0), one = forest_new(1), wide = forest_new(300);
    check_against_recursion(&none);
    one.descendant[0] = -1;
    check_against_recursion(&one);
    for (size_t i = 0; i < wide.n; i++) {
        wide.descendant[i] = i == 150 ? -1 : 150;
        wide.snapnum[i] = i == 150;
        wide.weight[i] = (int64_t)(i % 7);
    }
    check_against_recursion(&wide);
    forest_drop(&none);
    forest_drop(&one);
    forest_drop(&wide);
}

/* A million halos in one line, and as many progenitors of one halo. */
static void large_ones(void **state)
{
    (void)state;
    const size_t n = 1000000;
    forest_t f = forest_new(n);
    for (size_t i = 0; i < n; i++) {
        f.descendant[i] = (int64_t)i - 1;
        f.snapnum[i] = (int32_t)(n - i);
        f.np[i] = 1;
    }
    const peri_treelinks_t links = links_of(&f);
    int64_t *sum = peri_xcalloc(n, sizeof(*sum));
    assert_int_equal(peri_branch_sums(&links, f.np, sum, NULL), 0);
    assert_int_equal(sum[0], n);
    free(sum);
    assert_int_equal(peri_progenitors_order(&links, f.weight, f.first, f.next, NULL), 0);
    assert_int_equal(peri_depthfirst_number(&links, &f.df, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(f.df.position[i], i);
        assert_int_equal(f.df.last[i], n - 1);
        assert_int_equal(f.df.leaf[i], n - 1);
        assert_int_equal(f.df.root[i], 0);
    }
    for (size_t i = 1; i < n; i++) {
        f.descendant[i] = 0;
        f.snapnum[i] = 3;
        f.weight[i] = (int64_t)i;
    }
    assert_int_equal(peri_progenitors_order(&links, f.weight, f.first, f.next, NULL), 0);
    assert_int_equal(peri_depthfirst_number(&links, &f.df, NULL), 0);
    for (size_t i = 1; i < n; i++) {
        assert_int_equal(f.df.position[i], n - i); /* the largest weight first */
        assert_int_equal(f.df.last[i], f.df.position[i]);
    }
    assert_int_equal(f.df.last[0], n - 1);
    forest_drop(&f);
}

/* 0 <- 1 <- 2, and 3 as the second progenitor of 0. */
static forest_t good(void)
{
    forest_t f = forest_new(4);
    const int64_t d[] = {-1, 0, 1, 0}, first[] = {1, 2, -1, -1}, next[] = {-1, 3, -1, -1};
    const int32_t s[] = {9, 8, 7, 8};
    memcpy(f.descendant, d, sizeof(d));
    memcpy(f.first, first, sizeof(first));
    memcpy(f.next, next, sizeof(next));
    memcpy(f.snapnum, s, sizeof(s));
    return f;
}

static void wrong_links(void **state)
{
    (void)state;
    enum { DESCENDANT, FIRST, NEXT, SNAPNUM };
    const struct {
        int array;
        size_t halo;
        int64_t value;
        const char *says;
    } cases[] = {{DESCENDANT, 1, 7, "descendant is not there"},
                 {DESCENDANT, 1, -2, "descendant is not there"},
                 {DESCENDANT, 1, 2, "not at a later snapshot"},
                 {DESCENDANT, 1, 1, "not at a later snapshot"},
                 {DESCENDANT, 2, 0, "another descendant"},
                 {DESCENDANT, 3, -1, "another descendant"},
                 {SNAPNUM, 0, 8, "not at a later snapshot"},
                 {FIRST, 3, 4, "first progenitor is not there"},
                 {FIRST, 0, 3, "not among the progenitors"},
                 {FIRST, 1, -1, "not among the progenitors"},
                 {FIRST, 3, 2, "another descendant"},
                 {NEXT, 3, 4, "next progenitor is not there"},
                 {NEXT, 3, -5, "next progenitor is not there"},
                 {NEXT, 1, -1, "not among the progenitors"},
                 {NEXT, 1, 1, "circle"},
                 {NEXT, 3, 1, "circle"},
                 {NEXT, 0, 3, "no descendant"}};
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        forest_t f = good();
        peri_err_t err = {0};
        const peri_treelinks_t links = links_of(&f);
        assert_int_equal(peri_depthfirst_number(&links, &f.df, &err), 0);
        int64_t *arrays[] = {f.descendant, f.first, f.next};
        if (cases[k].array == SNAPNUM)
            f.snapnum[cases[k].halo] = (int32_t)cases[k].value;
        else
            arrays[cases[k].array][cases[k].halo] = cases[k].value;
        assert_int_equal(peri_depthfirst_number(&links, &f.df, &err), -1);
        assert_int_equal(err.code, PERI_EFORMAT);
        if (!strstr(err.text, cases[k].says)) fail_msg("case %zu: %s", k, err.text);
        forest_drop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_forests), cmocka_unit_test(small_ones),
        cmocka_unit_test(large_ones), cmocka_unit_test(wrong_links)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
