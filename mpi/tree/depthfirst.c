/* depthfirst.c - see depthfirst.h. */
#include "mpi/tree/depthfirst.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/util.h"

static int complain(const peri_treelinks_t *l, int64_t i, const char *what, int64_t other,
                    peri_err_t *err)
{
    char about[64] = "";
    if (other >= 0)
        snprintf(about, sizeof(about), " (halo %" PRId64 ")",
                 l->key ? l->key[other] : other);
    return peri_err_set(err, PERI_EFORMAT,
                        "Halo %" PRId64 " of tree %" PRId64 " at snapshot %d: %s%s.",
                        l->key ? l->key[i] : i, l->tree ? l->tree[i] : 0,
                        (int)l->snapnum[i], what, about);
}

/* Every descendant is a place in the arrays, later and of the same tree:
 * so no line of descendants can run in a circle. */
static int check_descendants(const peri_treelinks_t *l, peri_err_t *err)
{
    const int64_t n = (int64_t)l->n;
    for (int64_t i = 0; i < n; i++) {
        const int64_t d = l->descendant[i];
        if (d < -1 || d >= n)
            return complain(l, i, "its descendant is not there", -1, err);
        if (d >= 0 && l->tree && l->tree[d] != l->tree[i])
            return complain(l, i, "its descendant is in another tree", -1, err);
        if (d >= 0 && l->snapnum[d] <= l->snapnum[i])
            return complain(l, i, "its descendant is not at a later snapshot", d, err);
    }
    return 0;
}

static int check_progenitors(const peri_treelinks_t *l, peri_err_t *err)
{
    const int64_t n = (int64_t)l->n;
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = l->first_progenitor[i], next = l->next_progenitor[i];
        if (first < -1 || first >= n)
            return complain(l, i, "its first progenitor is not there", -1, err);
        if (next < -1 || next >= n)
            return complain(l, i, "its next progenitor is not there", -1, err);
    }
    return 0;
}

/* The chains of progenitors hold each halo that has a descendant once, and no other. */
static int check_chains(const peri_treelinks_t *l, unsigned char *seen, peri_err_t *err)
{
    const int64_t n = (int64_t)l->n;
    for (int64_t d = 0; d < n; d++)
        for (int64_t p = l->first_progenitor[d]; p >= 0; p = l->next_progenitor[p]) {
            if (l->descendant[p] != d)
                return complain(l, d, "one of its progenitors has another descendant", p,
                                err);
            if (seen[p])
                return complain(l, d, "the chain of its progenitors runs in a circle", p,
                                err);
            seen[p] = 1;
        }
    for (int64_t i = 0; i < n; i++) {
        if (l->descendant[i] >= 0 && !seen[i])
            return complain(l, i, "it is not among the progenitors of its descendant",
                            l->descendant[i], err);
        if (l->descendant[i] < 0 && l->next_progenitor[i] >= 0)
            return complain(l, i, "it has a next progenitor, but no descendant", -1, err);
    }
    return 0;
}

/* Walk from one root; returns the position after its tree. */
static int64_t walk(const peri_treelinks_t *l, int64_t root, int64_t at,
                    peri_depthfirst_t *out)
{
    const int64_t first = at;
    int64_t i = root;
    for (;;) {
        out->order[at] = i;
        out->position[i] = at;
        out->root[i] = first;
        at++;
        if (l->first_progenitor[i] >= 0) {
            i = l->first_progenitor[i];
            continue;
        }
        while (i != root && l->next_progenitor[i] < 0) i = l->descendant[i];
        if (i == root) return at;
        i = l->next_progenitor[i];
    }
}

int peri_depthfirst_number(const peri_treelinks_t *links, peri_depthfirst_t *out,
                           peri_err_t *err)
{
    const int64_t n = (int64_t)links->n;
    unsigned char *seen = peri_xcalloc(links->n + 1, 1);
    int rc = check_descendants(links, err);
    if (rc == 0) rc = check_progenitors(links, err);
    if (rc == 0) rc = check_chains(links, seen, err);
    free(seen);
    if (rc != 0) return -1;

    int64_t at = 0;
    for (int64_t i = 0; i < n; i++)
        if (links->descendant[i] < 0) at = walk(links, i, at, out);
    /* Backwards, so that progenitors come before their descendant. */
    for (int64_t i = 0; i < n; i++) out->last[i] = out->position[i];
    for (int64_t p = n - 1; p >= 0; p--) {
        const int64_t i = out->order[p], d = links->descendant[i];
        const int64_t f = links->first_progenitor[i];
        out->leaf[i] = f >= 0 ? out->leaf[f] : p;
        if (d >= 0 && out->last[d] < out->last[i]) out->last[d] = out->last[i];
    }
    return 0;
}

typedef struct {
    int64_t weight, halo;
} sibling_t;

static int by_weight(const void *a, const void *b)
{
    const sibling_t *x = a, *y = b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return x->halo < y->halo ? -1 : x->halo > y->halo;
}

int peri_progenitors_order(const peri_treelinks_t *links, const int64_t *weight,
                           int64_t *first, int64_t *next, peri_err_t *err)
{
    if (check_descendants(links, err) != 0) return -1;
    const size_t n = links->n;
    const int64_t *descendant = links->descendant;
    /* Sort by descendant with a count of each, then each bucket by weight. */
    size_t *end = peri_xcalloc(n + 1, sizeof(*end));
    sibling_t *siblings = peri_xmalloc((n + 1) * sizeof(*siblings));
    for (size_t i = 0; i < n; i++)
        if (descendant[i] >= 0) end[descendant[i] + 1]++;
    for (size_t i = 0; i < n; i++) end[i + 1] += end[i];
    for (size_t i = 0; i < n; i++)
        if (descendant[i] >= 0)
            siblings[end[descendant[i]]++] = (sibling_t){weight[i], (int64_t)i};
    /* end[d] is now where bucket d ends. */
    for (size_t i = 0; i < n; i++) next[i] = -1;
    for (size_t d = 0, from = 0; d < n; from = end[d++]) {
        const size_t count = end[d] - from;
        first[d] = -1;
        if (count == 0) continue;
        if (count > 1) qsort(siblings + from, count, sizeof(*siblings), by_weight);
        first[d] = siblings[from].halo;
        for (size_t k = from; k + 1 < end[d]; k++)
            next[siblings[k].halo] = siblings[k + 1].halo;
    }
    free(end);
    free(siblings);
    return 0;
}

int peri_branch_sums(const peri_treelinks_t *links, const int64_t *np, int64_t *sum,
                     peri_err_t *err)
{
    if (check_descendants(links, err) != 0) return -1;
    const size_t n = links->n;
    const int64_t *descendant = links->descendant;
    /* A halo is done when all its progenitors are: count those that are missing. */
    size_t *missing = peri_xcalloc(n + 1, sizeof(*missing));
    for (size_t i = 0; i < n; i++) {
        sum[i] = 0; /* so far the largest sum of a progenitor */
        if (descendant[i] >= 0) missing[descendant[i]]++;
    }
    for (size_t i = 0; i < n; i++) {
        /* Leaves, and from there up while one's last missing progenitor is done. A halo
         * that is done is marked, for its own turn in the loop. */
        for (size_t h = i; missing[h] == 0;) {
            missing[h] = SIZE_MAX;
            sum[h] += np[h];
            if (descendant[h] < 0) break;
            const size_t d = (size_t)descendant[h];
            if (sum[d] < sum[h]) sum[d] = sum[h];
            missing[d]--;
            h = d;
        }
    }
    free(missing);
    return 0;
}
