/* fileset.c - see fileset.h.
 *
 * glob(3) finds the files; braces are split before, so that fnmatch(3) can answer whether
 * a file that is not there would have been asked for.
 */
#include "core/table/fileset.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/table/limits.h"

/* ---- braces ---- */

typedef struct {
    peri_arena_t *arena;
    const char **v;
    size_t n, cap;
} strings_t;

static void strings_add(strings_t *s, const char *text)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 8;
        const char **v = peri_arena_calloc(s->arena, cap, sizeof(*v));
        if (s->n) memcpy(v, s->v, s->n * sizeof(*v));
        s->v = v;
        s->cap = cap;
    }
    s->v[s->n++] = text;
}

/* The first '{' that is closed; *close gets its partner. Backslash escapes. */
static const char *find_brace(const char *s, const char **close)
{
    for (; *s; s++) {
        if (*s == '\\' && s[1]) {
            s++;
        } else if (*s == '{') {
            int depth = 0;
            for (const char *p = s; *p; p++) {
                if (*p == '\\' && p[1])
                    p++;
                else if (*p == '{')
                    depth++;
                else if (*p == '}' && --depth == 0) {
                    *close = p;
                    return s;
                }
            }
            return NULL;
        }
    }
    return NULL;
}

/* End of the alternative that starts at s: a comma outside inner braces, or `close`. */
static const char *alternative_end(const char *s, const char *close)
{
    int depth = 0;
    for (; s < close; s++) {
        if (*s == '\\')
            s++;
        else if (*s == '{')
            depth++;
        else if (*s == '}')
            depth--;
        else if (*s == ',' && depth == 0)
            return s;
    }
    return close;
}

int peri_braces_expand(const char *pattern, peri_arena_t *arena, const char *const **out,
                       size_t *n, peri_err_t *err)
{
    if (strlen(pattern) > PERI_MAX_PATH_TEXT)
        return peri_err_set(err, PERI_EINVAL,
                            "the file pattern \"%.60s...\" is longer than %d bytes",
                            pattern, PERI_MAX_PATH_TEXT);
    strings_t done = {.arena = arena}, todo = {.arena = arena};
    strings_add(&todo, pattern);
    while (todo.n > 0) {
        const char *s = todo.v[--todo.n], *close;
        const char *open = find_brace(s, &close);
        if (!open) {
            strings_add(&done, s);
        } else {
            /* Alternatives are pushed last to first, to come out in their order. */
            strings_t parts = {.arena = arena};
            for (const char *a = open + 1; a <= close;) {
                const char *end = alternative_end(a, close);
                strings_add(&parts,
                            peri_arena_printf(arena, "%.*s%.*s%s", (int)(open - s), s,
                                              (int)(end - a), a, close + 1));
                a = end + 1;
            }
            while (parts.n > 0) strings_add(&todo, parts.v[--parts.n]);
        }
        if (todo.n + done.n > PERI_MAX_PATTERNS)
            return peri_err_set(
                err, PERI_ELIMIT,
                "the braces of the file pattern \"%s\" stand for more than "
                "%d patterns; use * or [...] instead",
                pattern, PERI_MAX_PATTERNS);
    }
    *out = done.v;
    *n = done.n;
    return 0;
}

/* ---- finding ---- */

typedef struct {
    const peri_tablespec_t *spec;
    peri_arena_t *arena;
    peri_fileset_t *out;
    strings_t patterns;
    size_t cap;
} finder_t;

static bool has_wildcard(const char *s)
{
    return strpbrk(s, "*?[{\\") != NULL;
}

static bool has_dotdot(const char *s)
{
    for (const char *p = strstr(s, ".."); p; p = strstr(p + 2, ".."))
        if ((p == s || p[-1] == '/') && (p[2] == 0 || p[2] == '/')) return true;
    return false;
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
    if (!has_dotdot(pattern) ||
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
    bool inside = !has_dotdot(pattern);
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
    peri_fileset_t *out = f->out;
    if (out->nfiles == PERI_MAX_FILES)
        return peri_err_set(
            err, PERI_ELIMIT,
            "more than %d files fit the patterns of table %s; use a narrower "
            "pattern",
            PERI_MAX_FILES, f->spec->name);
    if (out->nfiles == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        peri_filename_t *v = peri_arena_calloc(f->arena, cap, sizeof(*v));
        if (out->nfiles) memcpy(v, out->files, out->nfiles * sizeof(*v));
        out->files = v;
        f->cap = cap;
    }
    peri_filename_t *file = &out->files[out->nfiles++];
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
        strings_add(&f->patterns, pattern);
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

/* ---- order ---- */

static int compare_files(const void *pa, const void *pb)
{
    const peri_filename_t *a = pa, *b = pb;
    if (a->parts.snapnum != b->parts.snapnum)
        return a->parts.snapnum < b->parts.snapnum ? -1 : 1;
    if (a->parts.number != b->parts.number)
        return a->parts.number < b->parts.number ? -1 : 1;
    return peri_natural_compare(a->key, b->key);
}

void peri_fileset_sort(peri_fileset_t *s)
{
    qsort(s->files, s->nfiles, sizeof(*s->files), compare_files);
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

/* ---- gaps ---- */

bool peri_fileset_same_set(const peri_filename_t *a, const peri_filename_t *b)
{
    return a->parts.number >= 0 && b->parts.number >= 0 &&
           a->parts.stem == b->parts.stem && memcmp(a->key, b->key, a->parts.stem) == 0 &&
           strcmp(a->key + a->parts.suffix, b->key + b->parts.suffix) == 0;
}

static bool was_asked_for(const peri_fileset_t *set, const char *key)
{
    for (size_t i = 0; i < set->npatterns; i++)
        if (fnmatch(set->patterns[i], key, FNM_PATHNAME | FNM_PERIOD) == 0) return true;
    return false;
}

static void put_range(peri_buf_t *b, size_t from, size_t to)
{
    if (b->len) peri_buf_puts(b, ", ");
    peri_buf_printf(b, "%zu", from);
    if (to > from) peri_buf_printf(b, "%s%zu", to == from + 1 ? ", " : "-", to);
}

/* Which numbers of the set are there: a flag each, from 0 to the highest or to what the
 * header expects. The caller frees. */
static uint8_t *numbers_there(const peri_fileset_t *set, size_t first, int64_t expected,
                              size_t *n)
{
    const peri_filename_t *f = &set->files[first];
    int64_t count = expected > 0 && expected <= PERI_MAX_SET ? expected : 0;
    uint8_t *there = NULL;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = first; i < set->nfiles; i++) {
            const peri_filename_t *g = &set->files[i];
            if (g->parts.snapnum != f->parts.snapnum) break;
            if (!peri_fileset_same_set(f, g) || g->parts.number >= PERI_MAX_SET) continue;
            if (there)
                there[g->parts.number] = 1;
            else if (g->parts.number >= count)
                count = g->parts.number + 1;
        }
        if (!there) there = peri_xcalloc((size_t)count + 1, 1);
    }
    *n = (size_t)count;
    return there;
}

void peri_fileset_gaps(const peri_fileset_t *set, size_t first, int64_t expected,
                       peri_arena_t *arena, size_t *missing, const char **text,
                       const char **example)
{
    const peri_filename_t *f = &set->files[first];
    *missing = 0;
    size_t n;
    uint8_t *there = numbers_there(set, first, expected, &n);
    peri_buf_t list;
    peri_buf_init(&list, 200);
    size_t from = 0;
    bool in_gap = false;
    for (size_t k = 0; k <= n; k++) {
        bool gone = false;
        if (k < n && !there[k]) {
            char *key = peri_xasprintf("%.*s.%zu%s", (int)f->parts.stem, f->key, k,
                                       f->key + f->parts.suffix);
            gone = was_asked_for(set, key);
            if (gone && ++*missing == 1) *example = peri_arena_strdup(arena, key);
            free(key);
        }
        if (gone && !in_gap) from = k;
        if (!gone && in_gap) put_range(&list, from, k - 1);
        in_gap = gone;
    }
    free(there);
    if (*missing > 0) {
        int stem = (int)(f->parts.stem - (strlen(f->key) - strlen(f->name)));
        *text = peri_arena_printf(arena, "%zu of %zu files of %.*s.*%s are missing: %s%s",
                                  *missing, n, stem, f->name, f->key + f->parts.suffix,
                                  list.data ? list.data : "", list.failed ? ", ..." : "");
    }
    peri_buf_free(&list);
}
