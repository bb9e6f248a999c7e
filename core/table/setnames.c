/* setnames.c - what patterns and the names of a set of files say by themselves: braces,
 * order, which files of a numbered set are missing. No folder is looked at.
 *
 * Braces are split before glob(3), so that fnmatch(3) can answer whether a file that is
 * not there would have been asked for.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/table/fileset.h"
#include "core/table/limits.h"

/* ---- braces ---- */

void peri_strings_add(peri_strings_t *s, const char *text)
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
    peri_strings_t done = {.arena = arena}, todo = {.arena = arena};
    peri_strings_add(&todo, pattern);
    while (todo.n > 0) {
        const char *s = todo.v[--todo.n], *close;
        const char *open = find_brace(s, &close);
        if (!open) {
            peri_strings_add(&done, s);
        } else {
            /* Alternatives are pushed last to first, to come out in their order. */
            peri_strings_t parts = {.arena = arena};
            for (const char *a = open + 1; a <= close;) {
                const char *end = alternative_end(a, close);
                peri_strings_add(&parts,
                                 peri_arena_printf(arena, "%.*s%.*s%s", (int)(open - s),
                                                   s, (int)(end - a), a, close + 1));
                a = end + 1;
            }
            while (parts.n > 0) peri_strings_add(&todo, parts.v[--parts.n]);
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

bool peri_has_dotdot(const char *s)
{
    for (const char *p = strstr(s, ".."); p; p = strstr(p + 2, ".."))
        if ((p == s || p[-1] == '/') && (p[2] == 0 || p[2] == '/')) return true;
    return false;
}

/* ---- files ---- */

peri_filename_t *peri_fileset_push(peri_fileset_t *set, size_t *cap,
                                   const peri_tablespec_t *spec, peri_arena_t *arena,
                                   peri_err_t *err)
{
    if (set->nfiles == PERI_MAX_FILES) {
        peri_err_set(err, PERI_ELIMIT,
                     "more than %d files fit the patterns of table %s; use a narrower "
                     "pattern",
                     PERI_MAX_FILES, spec->name);
        return NULL;
    }
    if (set->nfiles == *cap) {
        *cap = *cap ? 2 * *cap : 16;
        peri_filename_t *v = peri_arena_calloc(arena, *cap, sizeof(*v));
        if (set->nfiles) memcpy(v, set->files, set->nfiles * sizeof(*v));
        set->files = v;
    }
    return &set->files[set->nfiles++];
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
    if (s->nfiles) qsort(s->files, s->nfiles, sizeof(*s->files), compare_files);
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
