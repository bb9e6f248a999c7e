/* pathspec.c - tables named by their files: "PATTERN:/path" or "PATTERN". */
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/table/fileset.h"
#include "core/table/inspect.h"

bool peri_names_a_file(const char *text)
{
    static const char *const endings[] = {".h5", ".hdf5", ".hdf", ".he5", ".nc", ".nc4"};
    if (strpbrk(text, "/:*?[{")) return true;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t n = strlen(text), m = strlen(endings[i]);
        if (n >= m && strcasecmp(text + n - m, endings[i]) == 0) return true;
    }
    return false;
}

void peri_pathspec_split(const char *text, peri_arena_t *arena, const char **pattern,
                         const char **path)
{
    const char *colon = NULL;
    for (const char *p = strstr(text, ":/"); p; p = strstr(p + 1, ":/")) colon = p;
    if (!colon) {
        *pattern = peri_arena_strdup(arena, text);
        *path = NULL;
        return;
    }
    size_t n = strlen(colon + 1);
    while (n > 1 && colon[n] == '/') n--;
    *pattern = peri_arena_strndup(arena, text, (size_t)(colon - text));
    *path = peri_arena_strndup(arena, colon + 1, n);
}

static int list_choices(const char *pattern, const peri_found_list_t *found,
                        peri_err_t *err)
{
    peri_buf_t list;
    peri_buf_init(&list, 500);
    for (size_t i = 0; i < found->ntables && !list.failed; i++)
        peri_buf_printf(&list, "%s'%s:%s'", i ? ", " : "", pattern,
                        found->tables[i].path);
    if (found->ntables)
        peri_err_set(err, PERI_EINVAL, "%s holds %zu tables; name one of them: %s%s",
                     pattern, found->ntables, list.len ? list.data : "",
                     list.failed ? ", ..." : "");
    else if (found->nothers)
        peri_err_set(
            err, PERI_EUNSUPP,
            "%s holds no table, only other datasets, such as %s. Give the path of "
            "one to read it as a table: '%s:/path'",
            pattern, found->others[0], pattern);
    else
        peri_err_set(err, PERI_ENOTFOUND, "%s holds no datasets", pattern);
    peri_buf_free(&list);
    return -1;
}

/* The only table, or the only one with more than one column. */
static int choose(const char *pattern, const peri_found_list_t *found, const char **path,
                  peri_err_t *err)
{
    const peri_found_t *wide = NULL;
    size_t nwide = 0;
    for (size_t i = 0; i < found->ntables; i++)
        if (found->tables[i].ncolumns > 1) {
            wide = &found->tables[i];
            nwide++;
        }
    if (found->ntables == 1)
        *path = found->tables[0].path;
    else if (nwide == 1 && !found->format)
        *path = wide->path;
    else
        return list_choices(pattern, found, err);
    return 0;
}

/* The adapter of files for which a path was given: only for units, so that an error here
 * is left to the real look at the files. */
static const char *detect_format(const peri_tablespec_t *spec, peri_arena_t *arena)
{
    peri_fileset_t set;
    if (peri_fileset_find(spec, arena, &set, NULL) < 0) return NULL;
    peri_h5file_t *f = peri_h5file_open(set.files[0].path, spec->root, NULL);
    const char *format = f ? peri_adapter_detect(f) : NULL;
    peri_h5file_unref(f);
    return format;
}

peri_table_t *peri_table_resolve_text(const char *text, const char *base,
                                      const char *root, bool allow_missing,
                                      peri_err_t *err)
{
    peri_arena_t *arena = peri_arena_new();
    peri_table_t *t = NULL;
    const char *pattern, *path;
    peri_pathspec_split(text, arena, &pattern, &path);
    peri_tablespec_t spec = {.name = text,
                             .files = &pattern,
                             .nfiles = 1,
                             .base = base,
                             .root = root,
                             .path = path,
                             .allow_missing = allow_missing};
    if (path) {
        spec.adapter = detect_format(&spec, arena);
    } else {
        peri_found_list_t found;
        if (peri_inspect_pattern(pattern, base, root, arena, &found, err) < 0 ||
            choose(pattern, &found, &spec.path, err) < 0)
            goto out;
        spec.adapter = found.format;
    }
    t = peri_table_resolve(&spec, err);
out:
    peri_arena_free(arena);
    return t;
}
