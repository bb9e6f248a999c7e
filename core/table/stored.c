/* stored.c - the files of a table whose dataset names storages: the same patterns below
 * several folders, and copies of a file joined into one with several places.
 *
 * A file's key is its path below the storage's folder. Order, numbered sets and snapshots
 * follow from keys alone, so that every node comes to the same result.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"
#include "core/table/fileset.h"
#include "core/table/limits.h"

typedef struct {
    const peri_tablespec_t *spec;
    peri_arena_t *arena;
    peri_fileset_t *out;
    const char *root; /* of the storage that is being looked through, links resolved */
    uint32_t storage;
    size_t cap;
} finder_t;

/* ---- patterns ---- */

/* The pattern relative to storages: an absolute one must lie below one of them. */
static int relative_pattern(const peri_tablespec_t *spec, const char *text,
                            const char **out, peri_err_t *err)
{
    const char *rest = text;
    while (rest[0] == '.' && rest[1] == '/') rest += 2;
    bool inside = rest[0] != '/';
    for (size_t i = 0; !inside && i < spec->nstorages; i++) {
        const char *folder = spec->storages[i].folder;
        size_t n = strlen(folder);
        while (n > 1 && folder[n - 1] == '/') n--;
        if (strncmp(rest, folder, n) != 0 || rest[n] != '/') continue;
        rest += n;
        inside = true;
    }
    while (*rest == '/') rest++;
    if (!*rest)
        return peri_err_set(err, PERI_EINVAL, "the name of a file of table %s is empty",
                            spec->name);
    if (strlen(rest) > PERI_MAX_PATH_TEXT)
        return peri_err_set(err, PERI_EINVAL,
                            "the file pattern \"%.60s...\" is longer than %d bytes", text,
                            PERI_MAX_PATH_TEXT);
    if (!inside || peri_has_dotdot(rest))
        return peri_err_set(
            err, PERI_EDENIED,
            "the files \"%s\" of table %s are outside of the dataset's storages", text,
            spec->name);
    *out = rest;
    return 0;
}

int peri_fileset_patterns(const peri_tablespec_t *spec, peri_arena_t *arena,
                          peri_fileset_t *out, peri_err_t *err)
{
    const char **all = NULL;
    size_t nall = 0;
    for (size_t i = 0; i < spec->nfiles; i++) {
        const char *pattern, *const *v;
        size_t n;
        if (relative_pattern(spec, spec->files[i], &pattern, err) < 0 ||
            peri_braces_expand(pattern, arena, &v, &n, err) < 0)
            return -1;
        const char **more = peri_arena_calloc(arena, nall + n, sizeof(*more));
        if (nall) memcpy(more, all, nall * sizeof(*more));
        memcpy(more + nall, v, n * sizeof(*more));
        all = more;
        nall += n;
    }
    if (nall == 0)
        return peri_err_set(err, PERI_EINVAL, "table %s names no files", spec->name);
    out->patterns = all;
    out->npatterns = nall;
    out->base = "";
    return 0;
}

/* ---- finding ---- */

static int add_file(finder_t *f, const char *path, const struct stat *st, peri_err_t *err)
{
    peri_filename_t *file = peri_fileset_push(f->out, &f->cap, f->spec, f->arena, err);
    if (!file) return -1;
    peri_copy_t *place = peri_arena_calloc(f->arena, 1, sizeof(*place));
    *place = (peri_copy_t){
        .path = peri_arena_strdup(f->arena, path),
        .root = f->root,
        .storage = f->storage,
        .host = f->spec->storages[f->storage].on_nodes ? 0 : PERI_HOST_ANY,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .inode = st->st_ino};
    size_t skip = strcmp(f->root, "/") == 0 ? 1 : strlen(f->root) + 1;
    *file = (peri_filename_t){.path = place->path,
                              .name = place->path + skip,
                              .key = place->path + skip,
                              .parts = peri_nameparts(place->path + skip),
                              .places = place,
                              .nplaces = 1,
                              .size = (uint64_t)st->st_size};
    return 0;
}

/* The folder's own name is no pattern. */
static char *escaped(const char *folder)
{
    char *out = peri_xmalloc(2 * strlen(folder) + 1), *p = out;
    for (; *folder; folder++) {
        if (strchr("*?[\\", *folder)) *p++ = '\\';
        *p++ = *folder;
    }
    *p = 0;
    return out;
}

static int find_pattern(finder_t *f, const char *pattern, bool *found, peri_err_t *err)
{
    char *folder = escaped(strcmp(f->root, "/") == 0 ? "" : f->root);
    char *whole = peri_xasprintf("%s/%s", folder, pattern);
    glob_t g = {0};
    int rc = glob(whole, GLOB_NOSORT, NULL, &g);
    int result = 0;
    if (rc == GLOB_NOSPACE)
        result = peri_err_set(err, PERI_ELIMIT, "too many files fit the pattern \"%s\"",
                              pattern);
    for (size_t i = 0; rc == 0 && i < g.gl_pathc && result == 0; i++) {
        struct stat st;
        if (stat(g.gl_pathv[i], &st) != 0 || S_ISDIR(st.st_mode)) continue;
        result = add_file(f, g.gl_pathv[i], &st, err);
        *found = true;
    }
    globfree(&g);
    free(whole);
    free(folder);
    return result;
}

/* What one storage has of the spec's i-th file or pattern. */
static int find_text(finder_t *f, size_t i, peri_err_t *err)
{
    const char *pattern, *const *patterns;
    size_t n;
    bool *found = &f->out->found[i];
    if (relative_pattern(f->spec, f->spec->files[i], &pattern, err) < 0) return -1;
    char *exact = peri_xasprintf("%s/%s", f->root, pattern);
    struct stat st;
    int rc = 0;
    if (stat(exact, &st) == 0 && !S_ISDIR(st.st_mode)) {
        /* A file of exactly this name comes first, even if it looks like a pattern. */
        rc = add_file(f, exact, &st, err);
        *found = true;
    } else {
        rc = peri_braces_expand(pattern, f->arena, &patterns, &n, err);
        for (size_t k = 0; rc == 0 && k < n; k++)
            rc = find_pattern(f, patterns[k], found, err);
    }
    free(exact);
    return rc;
}

int peri_fileset_nowhere(const peri_tablespec_t *spec, size_t i, const char *where,
                         peri_err_t *err)
{
    const char *text = spec->files[i];
    peri_buf_t list;
    peri_buf_init(&list, 400);
    for (size_t k = 0; k < spec->nstorages && !list.failed; k++)
        peri_buf_printf(&list, "%s%s", list.len ? ", " : "", spec->storages[k].folder);
    peri_err_set(err, PERI_ENOTFOUND, "%s \"%s\" of table %s: looked in %s%s %s%s",
                 strpbrk(text, "*?[{") ? "no file fits the pattern" : "there is no file",
                 text, spec->name, list.len ? list.data : "", list.failed ? ", ..." : "",
                 where ? "on the nodes " : "on this machine", where ? where : "");
    peri_buf_free(&list);
    return -1;
}

int peri_fileset_find_stored(const peri_tablespec_t *spec, peri_arena_t *arena,
                             peri_fileset_t *out, peri_err_t *err)
{
    if (peri_fileset_patterns(spec, arena, out, err) < 0) return -1;
    out->found = peri_arena_calloc(arena, spec->nfiles, sizeof(*out->found));
    finder_t f = {.spec = spec, .arena = arena, .out = out};
    for (size_t s = 0; s < spec->nstorages; s++) {
        char root[PATH_MAX];
        if (spec->nodes_only && !spec->storages[s].on_nodes) continue;
        if (!realpath(spec->storages[s].folder, root)) continue; /* not on this machine */
        f.root = peri_arena_strdup(arena, root);
        f.storage = (uint32_t)s;
        for (size_t i = 0; i < spec->nfiles; i++)
            if (find_text(&f, i, err) < 0) return -1;
    }
    for (size_t i = 0; i < spec->nfiles && !spec->partial; i++)
        if (!out->found[i]) return peri_fileset_nowhere(spec, i, NULL, err);
    return peri_fileset_join(out, arena, err);
}

/* ---- copies ---- */

/* On a node before shared, then as the descriptor lists them, then by host. */
static int compare_places(const void *pa, const void *pb)
{
    const peri_copy_t *a = pa, *b = pb;
    if ((a->host < 0) != (b->host < 0)) return a->host < 0 ? 1 : -1;
    if (a->storage != b->storage) return a->storage < b->storage ? -1 : 1;
    return (a->host > b->host) - (a->host < b->host);
}

static int sizes_differ(const peri_filename_t *a, const peri_filename_t *b,
                        peri_err_t *err)
{
    return peri_err_set(
        err, PERI_EFORMAT,
        "copies of one file must be equal, but %s%s%s has %llu bytes and %s%s%s has "
        "%llu: remove the one that is wrong",
        a->path, a->where ? " on " : "", a->where ? a->where : "",
        (unsigned long long)a->size, b->path, b->where ? " on " : "",
        b->where ? b->where : "", (unsigned long long)b->size);
}

/* Files [from, to) have one key: the first gets the places of all. */
static int join_copies(peri_fileset_t *set, size_t from, size_t to, peri_arena_t *arena,
                       peri_err_t *err)
{
    peri_filename_t *first = &set->files[from];
    size_t n = 0, kept = 0;
    for (size_t i = from; i < to; i++) {
        n += set->files[i].nplaces;
        if (set->files[i].size != first->size)
            return sizes_differ(first, &set->files[i], err);
        if (!first->record) first->record = set->files[i].record;
    }
    if (n == 1) return 0;
    peri_copy_t *places = peri_arena_calloc(arena, n, sizeof(*places));
    n = 0;
    for (size_t i = from; i < to; i++)
        for (size_t k = 0; k < set->files[i].nplaces; k++)
            places[n++] = set->files[i].places[k];
    qsort(places, n, sizeof(*places), compare_places);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || compare_places(&places[kept - 1], &places[i]) != 0)
            places[kept++] = places[i];
    first->places = places;
    first->nplaces = kept;
    first->path = places[0].path;
    first->name = first->key =
        places[0].path + (strlen(places[0].path) - strlen(first->key));
    return 0;
}

int peri_fileset_join(peri_fileset_t *set, peri_arena_t *arena, peri_err_t *err)
{
    peri_fileset_sort(set);
    size_t n = 0;
    for (size_t i = 0, end; i < set->nfiles; i = end) {
        end = i + 1;
        while (end < set->nfiles && strcmp(set->files[i].key, set->files[end].key) == 0)
            end++;
        if (join_copies(set, i, end, arena, err) < 0) return -1;
        set->files[n++] = set->files[i];
    }
    set->nfiles = n;
    return 0;
}
