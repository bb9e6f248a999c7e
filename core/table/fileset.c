/* fileset.c - see fileset.h: the files of a table on this machine, by glob(3). */
#include "core/table/fileset.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/table/limits.h"

typedef struct {
    const peri_tablespec_t *spec;
    peri_arena_t *arena;
    peri_fileset_t *out;
    peri_strings_t patterns;
    size_t cap;
} finder_t;

static bool has_wildcard(const char *s)
{
    return strpbrk(s, "*?[{\\") != NULL;
}

/* Bytes of the folder before the first wildcard, with its slash. */
static size_t fixed_folder(const char *pattern)
{
    size_t n = strcspn(pattern, "*?[{\\");
    while (n > 1 && pattern[n - 1] != '/') n--;
    return n;
}

/* The absolute pattern, with "." and ".." in front of the first wildcard worked out. */
static const char *make_absolute(finder_t *f, const char *text)
{
    while (text[0] == '.' && text[1] == '/') text += 2;
    const char *pattern =
        text[0] == '/' ? text : peri_arena_printf(f->arena, "%s/%s", f->out->base, text);
    char folder[PATH_MAX];
    size_t n = fixed_folder(pattern);
    if (!peri_has_dotdot(pattern) ||
        !realpath(peri_arena_strndup(f->arena, pattern, n), folder))
        return pattern;
    return peri_arena_printf(f->arena, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder,
                             pattern + n);
}

/* The folder before the first wildcard must exist below the root. A pattern that leads
 * out is refused before anything is looked up, so that it tells nothing about other
 * folders. */
static int check_root(finder_t *f, const char *pattern, peri_err_t *err)
{
    const char *root = f->spec->root;
    if (!root) return 0;
    char folder[PATH_MAX];
    char *start = peri_arena_strndup(f->arena, pattern, fixed_folder(pattern));
    bool inside = !peri_has_dotdot(pattern);
    if (inside && realpath(start, folder))
        inside = peri_path_is_below(folder, root);
    else if (inside)
        inside = peri_path_is_below(start, root); /* not there: reported as such later */
    if (inside) return 0;
    return peri_err_set(
        err, PERI_EDENIED,
        "the files \"%s\" are outside of %s, the only folder that may be read "
        "here",
        pattern, root);
}

/* Below the root or the base the rest of the path, else all of it. */
static const char *shown_name(const finder_t *f, const char *path)
{
    const char *folders[] = {f->spec->root, f->out->base};
    for (size_t i = 0; i < 2; i++) {
        if (!folders[i]) continue;
        size_t n = strlen(folders[i]);
        while (n > 0 && folders[i][n - 1] == '/') n--;
        if (strncmp(path, folders[i], n) == 0 && path[n] == '/' && path[n + 1])
            return path + n + 1;
    }
    return path;
}

static int add_file(finder_t *f, const char *path, peri_err_t *err)
{
    peri_filename_t *file = peri_fileset_push(f->out, &f->cap, f->spec, f->arena, err);
    if (!file) return -1;
    file->path = peri_arena_strdup(f->arena, path);
    file->name = shown_name(f, file->path);
    file->key = file->path;
    file->parts = peri_nameparts(file->key);
    return 0;
}

static int not_found(const char *pattern, peri_err_t *err)
{
    const char *slash = strrchr(pattern, '/');
    size_t n = slash && slash > pattern ? (size_t)(slash - pattern) : 1;
    char *folder = peri_xasprintf("%.*s", (int)n, pattern);
    struct stat st;
    bool is_there = has_wildcard(folder) || stat(folder, &st) == 0;
    int why = errno;
    if (!is_there)
        peri_err_set(err, PERI_ENOTFOUND,
                     "there is no file \"%s\": the folder %s cannot be opened (%s)",
                     pattern, folder, strerror(why));
    else if (has_wildcard(pattern))
        peri_err_set(err, PERI_ENOTFOUND, "no file fits the pattern \"%s\"", pattern);
    else
        peri_err_set(err, PERI_ENOTFOUND, "there is no file \"%s\"", pattern);
    free(folder);
    return -1;
}

/* All files of one pattern without braces. */
static int find_pattern(finder_t *f, const char *pattern, size_t *found, peri_err_t *err)
{
    glob_t g = {0};
    int rc = glob(pattern, GLOB_NOSORT, NULL, &g);
    int result = 0;
    if (rc == GLOB_NOSPACE) {
        result = peri_err_set(err, PERI_ELIMIT, "too many files fit the pattern \"%s\"",
                              pattern);
    } else if (rc == 0) {
        for (size_t i = 0; i < g.gl_pathc && result == 0; i++) {
            struct stat st;
            if (stat(g.gl_pathv[i], &st) == 0 && S_ISDIR(st.st_mode)) continue;
            result = add_file(f, g.gl_pathv[i], err);
            ++*found;
        }
        peri_strings_add(&f->patterns, pattern);
    }
    globfree(&g);
    return result;
}

static int find_one(finder_t *f, const char *text, peri_err_t *err)
{
    if (!*text)
        return peri_err_set(err, PERI_EINVAL, "the name of a file of table %s is empty",
                            f->spec->name);
    const char *pattern = make_absolute(f, text);
    if (strlen(pattern) > PERI_MAX_PATH_TEXT)
        return peri_err_set(err, PERI_EINVAL,
                            "the file pattern \"%.60s...\" is longer than %d bytes", text,
                            PERI_MAX_PATH_TEXT);
    if (check_root(f, pattern, err) < 0) return -1;

    /* A file of exactly this name comes first, even if the name looks like a pattern. */
    struct stat st;
    if (stat(pattern, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return peri_err_set(err, PERI_EINVAL,
                                "\"%s\" is a folder; name the files in it, such as "
                                "\"%s/*.hdf5\"",
                                text, text);
        return add_file(f, pattern, err);
    }
    const char *const *patterns;
    size_t n, found = 0;
    if (peri_braces_expand(pattern, f->arena, &patterns, &n, err) < 0) return -1;
    for (size_t i = 0; i < n; i++)
        if (find_pattern(f, patterns[i], &found, err) < 0) return -1;
    return found ? 0 : not_found(pattern, err);
}

static void sort_and_unique(peri_fileset_t *s)
{
    peri_fileset_sort(s);
    size_t n = 0;
    for (size_t i = 0; i < s->nfiles; i++)
        if (n == 0 || strcmp(s->files[n - 1].path, s->files[i].path) != 0)
            s->files[n++] = s->files[i];
    s->nfiles = n;
}

int peri_fileset_find(const peri_tablespec_t *spec, peri_arena_t *arena,
                      peri_fileset_t *out, peri_err_t *err)
{
    *out = (peri_fileset_t){0};
    if (spec->nstorages) return peri_fileset_find_stored(spec, arena, out, err);
    finder_t f = {.spec = spec, .arena = arena, .out = out, .patterns = {.arena = arena}};
    char base[PATH_MAX];
    const char *from = spec->base ? spec->base : ".";
    if (!realpath(from, base))
        return peri_err_set(err, PERI_ENOTFOUND,
                            "the folder %s of table %s cannot be opened: %s", from,
                            spec->name, strerror(errno));
    out->base = peri_arena_strdup(arena, base);
    for (size_t i = 0; i < spec->nfiles; i++)
        if (find_one(&f, spec->files[i], err) < 0) return -1;
    if (out->nfiles == 0)
        return peri_err_set(err, PERI_EINVAL, "table %s names no files", spec->name);
    out->patterns = f.patterns.v;
    out->npatterns = f.patterns.n;
    sort_and_unique(out);
    return 0;
}
