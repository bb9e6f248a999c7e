/* check.c - see check.h. */
#include "mpi/tree/check.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/util.h"

static int broken(const peri_treecheck_t *t, size_t i, const char *promise,
                  peri_err_t *err)
{
    return peri_err_set(err, PERI_EFORMAT, "haloId %" PRId64 ": %s.", t->halo[i],
                        promise);
}

/* The row of this id in the tree of row i, or n. Ranks of a tree are consecutive. */
static size_t row_of(const peri_treecheck_t *t, size_t i, int64_t id)
{
    const int64_t row = (int64_t)i + (id - t->halo[i]);
    return row >= 0 && row < (int64_t)t->n && t->halo[row] == id ? (size_t)row : t->n;
}

static int check_ids(const peri_treecheck_t *t, int64_t tree_size, peri_err_t *err)
{
    for (size_t i = 0; i < t->n; i++) {
        const bool first = i == 0 || t->tree[i] != t->tree[i - 1];
        if (t->halo[i] < 0 || t->tree[i] != t->halo[i] / tree_size)
            return broken(t, i, "treeId is not haloId / tree_size", err);
        if (first ? t->halo[i] % tree_size != 0 : t->halo[i] != t->halo[i - 1] + 1)
            return broken(t, i, "its tree is not numbered 0, 1, 2, ...", err);
        if (i && t->halo[i] <= t->halo[i - 1])
            return broken(t, i, "rows are not ordered by haloId", err);
    }
    return 0;
}

/* That every halo lies in the range of its descendant, and that each range has as many
 * rows as the halo has progenitors, makes ranges and progenitors the same sets. */
static int check_ranges(const peri_treecheck_t *t, int64_t *count, peri_err_t *err)
{
    for (size_t i = 0; i < t->n; i++) count[i] = 1;
    for (size_t i = t->n; i-- > 0;) {
        if (t->last_progenitor[i] != t->halo[i] + count[i] - 1)
            return broken(t, i, "haloId to lastProgenitorId are not its progenitors",
                          err);
        if (t->descendant[i] == -1) continue;
        const size_t d = row_of(t, i, t->descendant[i]);
        if (d == t->n || d >= i || t->tree[d] != t->tree[i])
            return broken(t, i, "its descendant is not before it in its tree", err);
        if (t->last_progenitor[d] < t->last_progenitor[i])
            return broken(t, i, "its progenitors are not among its descendant's", err);
        if (t->snapnum[d] <= t->snapnum[i])
            return broken(t, i, "its descendant is not at a later snapshot", err);
        count[d] += count[i];
    }
    return 0;
}

static int check_links(const peri_treecheck_t *t, peri_err_t *err)
{
    for (size_t i = t->n; i-- > 0;) {
        const int64_t id = t->halo[i], last = t->last_progenitor[i];
        const size_t d = t->descendant[i] == -1 ? t->n : row_of(t, i, t->descendant[i]);
        if (t->first_progenitor[i] != (last > id ? id + 1 : -1))
            return broken(t, i, "firstProgenitorId is not haloId + 1, or -1", err);
        if (last > id && t->descendant[i + 1] != id)
            return broken(t, i, "the row after it is not its progenitor", err);
        const bool more = d < t->n && t->last_progenitor[d] > last;
        if (t->next_progenitor[i] != (more ? last + 1 : -1))
            return broken(t, i, "nextProgenitorId is not lastProgenitorId + 1, or -1",
                          err);
        if (more && t->descendant[row_of(t, i, last + 1)] != t->descendant[i])
            return broken(t, i, "its next progenitor has another descendant", err);
        if (t->main_leaf[i] != (last > id ? t->main_leaf[i + 1] : id))
            return broken(t, i, "mainLeafId is not that of its first progenitor", err);
        if (t->tree_root[i] != (d < t->n ? t->tree_root[d] : id))
            return broken(t, i, "treeRootId is not that of its descendant", err);
    }
    return 0;
}

static int check_groups(const peri_treecheck_t *t, unsigned char *seen, peri_err_t *err)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->first_in_group[i] != t->halo[i]) continue;
        for (size_t k = i;;) {
            if (t->first_in_group[k] != t->halo[i] || t->snapnum[k] != t->snapnum[i])
                return broken(t, i, "its group has a halo of another one", err);
            if (seen[k]++) return broken(t, i, "its group runs in a circle", err);
            if (t->next_in_group[k] == -1) break;
            k = row_of(t, i, t->next_in_group[k]);
            if (k == t->n) return broken(t, i, "its group leads out of its tree", err);
        }
    }
    for (size_t i = 0; i < t->n; i++)
        if (!seen[i]) return broken(t, i, "its group does not lead to it", err);
    return 0;
}

int peri_tree_check(const peri_treecheck_t *rows, int64_t tree_size, peri_err_t *err)
{
    int64_t *count = peri_xmalloc((rows->n + 1) * sizeof(*count));
    unsigned char *seen = peri_xcalloc(rows->n + 1, 1);
    int rc = check_ids(rows, tree_size, err);
    if (rc == 0) rc = check_ranges(rows, count, err);
    if (rc == 0) rc = check_links(rows, err);
    if (rc == 0) rc = check_groups(rows, seen, err);
    free(count);
    free(seen);
    return rc;
}

int peri_tree_check_rows(const peri_rowset_t *rows, int64_t tree_size, peri_err_t *err)
{
    peri_treecheck_t t = {.n = peri_rowset_rows(rows)};
    const struct {
        const char *name;
        const int64_t **values;
    } columns[] = {{"haloId", &t.halo},
                   {"descendantId", &t.descendant},
                   {"firstProgenitorId", &t.first_progenitor},
                   {"nextProgenitorId", &t.next_progenitor},
                   {"lastProgenitorId", &t.last_progenitor},
                   {"mainLeafId", &t.main_leaf},
                   {"treeRootId", &t.tree_root},
                   {"treeId", &t.tree},
                   {"firstHaloInFOFgroupId", &t.first_in_group},
                   {"nextHaloInFOFgroupId", &t.next_in_group}};
    for (size_t k = 0; k < sizeof(columns) / sizeof(*columns); k++) {
        const int c = peri_rowset_find(rows, columns[k].name);
        if (c < 0 || peri_rowset_column(rows, (size_t)c)->type != PERI_COL_I64)
            return peri_err_set(err, PERI_EINVAL,
                                "There is no column %s of 64-bit numbers.",
                                columns[k].name);
        *columns[k].values = peri_rowset_data(rows, (size_t)c);
    }
    const int c = peri_rowset_find(rows, "snapnum");
    if (c < 0 || peri_rowset_column(rows, (size_t)c)->type != PERI_COL_I32)
        return peri_err_set(err, PERI_EINVAL,
                            "There is no column snapnum of 32-bit numbers.");
    t.snapnum = peri_rowset_data(rows, (size_t)c);
    return peri_tree_check(&t, tree_size, err);
}
