/* dataset_portal.c - the keys of a descriptor that only a portal's catalogue heeds. */
#include <string.h>

#include "core/base/arena.h"
#include "core/table/dataset_priv.h"

#define MAX_TEAMS   100
#define MAX_QUERIES 100

static int read_access(const peri_yaml_t *y, peri_node_t *at, peri_dataset_t *d,
                       peri_err_t *err)
{
    const char *word = NULL;
    if (peri_yaml_is_list(at)) {
        if (peri_yaml_texts(y, at, "\"access\"", d->arena, &d->teams, &d->nteams, err))
            return -1;
        d->is_private = true;
        if (d->nteams <= MAX_TEAMS) return 0;
        return peri_yaml_error(y, at, err, "\"access\" has more than %d teams.",
                               MAX_TEAMS);
    }
    if (!peri_yaml_is_mapping(at) &&
        peri_yaml_text(y, at, "\"access\"", d->arena, &word, err))
        return -1;
    d->is_private = word && !strcmp(word, "private");
    if (word && (d->is_private || !strcmp(word, "public"))) return 0;
    return peri_yaml_error(y, at, err,
                           "\"access\" is public, private, or a list of teams.");
}

static int read_queries(const peri_yaml_t *y, peri_node_t *at, peri_dataset_t *d,
                        peri_err_t *err)
{
    peri_pair_t *pairs;
    size_t n;
    if (peri_yaml_pairs(y, at, "\"queries\"", d->arena, &pairs, &n, err)) return -1;
    if (n > MAX_QUERIES)
        return peri_yaml_error(y, at, err, "\"queries\" has more than %d.", MAX_QUERIES);
    peri_sample_t *v = peri_arena_calloc(d->arena, n + 1, sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        v[i].title = pairs[i].key;
        if (!pairs[i].value)
            return peri_yaml_error(y, pairs[i].at, err, "this query has no SQL.");
        if (peri_yaml_text(y, pairs[i].value, "a query", d->arena, &v[i].sql, err))
            return -1;
    }
    d->queries = v;
    d->nqueries = n;
    return 0;
}

int peri_dataset_read_portal(const peri_yaml_t *y, peri_node_t *access,
                             peri_node_t *queries, peri_dataset_t *d, peri_err_t *err)
{
    if (access && read_access(y, access, d, err)) return -1;
    return queries ? read_queries(y, queries, d, err) : 0;
}
