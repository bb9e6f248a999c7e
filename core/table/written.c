/* written.c - see written.h. */
#include "core/table/written.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

bool peri_written_by_us(peri_h5file_t *f)
{
    char *version = NULL;
    if (peri_h5attr_string(f, "/", "version", &version, NULL) != 0) return false;
    bool ours = strncmp(version, "perigee", 7) == 0;
    free(version);
    return ours;
}

bool peri_written_is_aside(const char *path)
{
    return strcmp(path, "/nulls") == 0 || strcmp(path, "/provenance") == 0;
}

typedef struct {
    const char *name;
    size_t place;
} listed_t;

typedef struct {
    size_t place, was;
    peri_member_t member;
} placed_t;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const listed_t *)a)->name, ((const listed_t *)b)->name);
}

static int compare_places(const void *a, const void *b)
{
    const placed_t *x = a, *y = b;
    if (x->place != y->place) return x->place < y->place ? -1 : 1;
    return x->was < y->was ? -1 : x->was > y->was;
}

int peri_written_order(peri_h5file_t *f, const char *group, peri_member_t *v, size_t n,
                       peri_err_t *err)
{
    char **names = NULL;
    size_t nnames = 0;
    int rc = peri_h5attr_strings(f, group, "columns", &names, &nnames, err);
    if (rc != 0) return rc < 0 ? -1 : 0;
    listed_t *list = peri_xcalloc(nnames, sizeof(*list));
    placed_t *all = peri_xcalloc(n, sizeof(*all));
    for (size_t i = 0; i < nnames; i++) list[i] = (listed_t){names[i], i};
    qsort(list, nnames, sizeof(*list), compare_names);
    for (size_t i = 0; i < n; i++) {
        const listed_t key = {.name = v[i].name};
        const listed_t *at = bsearch(&key, list, nnames, sizeof(*list), compare_names);
        all[i] = (placed_t){at ? at->place : SIZE_MAX, i, v[i]};
    }
    qsort(all, n, sizeof(*all), compare_places);
    for (size_t i = 0; i < n; i++) v[i] = all[i].member;
    for (size_t i = 0; i < nnames; i++) free(names[i]);
    free(names);
    free(list);
    free(all);
    return 0;
}

static char *text_of(peri_h5file_t *f, const char *dataset, const char *name)
{
    char *text = NULL;
    return peri_h5attr_string(f, dataset, name, &text, NULL) == 0 ? text : NULL;
}

void peri_written_column(peri_h5file_t *f, const char *dataset, peri_arena_t *arena,
                         const char **sql_type, bool *has_mask)
{
    char *type = text_of(f, dataset, "sql_type");
    char *mask = text_of(f, dataset, "null_mask");
    *sql_type = type ? peri_arena_strdup(arena, type) : "";
    *has_mask = mask && *mask;
    free(type);
    free(mask);
}
