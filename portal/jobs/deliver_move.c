/* deliver_move.c - see deliver_move.h. */
#include "portal/jobs/deliver_move.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"

enum { NAMES_TRIED = 1000 };
#define JOURNAL_MAX (64u << 10)

typedef struct {
    const peri_moving_t *how;
    peri_arena_t *arena;
    int results, root;
    peri_stop_t stop;
    peri_moved_t *done;
} move_t;

static bool is_wanted(void *arg)
{
    return atomic_load((const atomic_bool *)arg);
}

static int open_results(const peri_moving_t *how, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/results", how->job);
    int fd = peri_path_open_root(path, err);
    free(path);
    return fd;
}

int peri_results_amount(const peri_moving_t *how, peri_amount_t *need, peri_err_t *err)
{
    const peri_stop_t stop = {is_wanted, (void *)(uintptr_t)how->stopping};
    bool whole;
    int fd = open_results(how, err);
    if (fd < 0) return -1;
    int rc = peri_ops_amount(fd, "", 0, &stop, need, &whole, err);
    close(fd);
    /* and the folders on the way */
    for (const char *s = how->to; *s; s++) need->files += s == how->to || *s == '/';
    return rc;
}

static void add(peri_amount_t *sum, peri_amount_t n)
{
    sum->bytes += n.bytes;
    sum->files += n.files;
}

/* "x.csv", "x (2).csv", ... in the folder of the output. */
static const char *target(move_t *m, const char *name, int i)
{
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name) dot = name + strlen(name);
    const char *new = i == 1 ? name
                             : peri_arena_printf(m->arena, "%.*s (%d)%s",
                                                 (int)(dot - name), name, i, dot);
    return *m->how->to ? peri_arena_printf(m->arena, "%s/%s", m->how->to, new) : new;
}

/* ---- the journal of a copy ---- */

static char *journal_path(const move_t *m)
{
    return peri_xasprintf("%s/deliver.json", m->how->job);
}

static int journal_write(const move_t *m, const char *name, const char *to,
                         peri_err_t *err)
{
    json_t *o = json_pack("{s:s, s:s}", "name", name, "to", to);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL, *path = journal_path(m);
    int rc = text ? peri_file_write_atomic(path, text, strlen(text), err)
                  : peri_err_set(err, PERI_EINTERNAL, "a name is not UTF-8");
    free(text);
    free(path);
    json_decref(o);
    return rc;
}

static void journal_remove(const move_t *m)
{
    char *path = journal_path(m);
    unlink(path);
    free(path);
}

static bool is_same(const move_t *m, const char *name, const char *to,
                    peri_amount_t *amount)
{
    peri_amount_t there;
    bool whole, also;
    return peri_ops_amount(m->results, name, 0, &m->stop, amount, &whole, NULL) == 0 &&
           peri_ops_amount(m->root, to, 0, &m->stop, &there, &also, NULL) == 0 && whole &&
           also && there.bytes == amount->bytes && there.files == amount->files;
}

/* A copy that had got its name before we were ended: only the original is left over. */
static void finish_copy(move_t *m)
{
    char *path = journal_path(m), *text = NULL;
    size_t len;
    if (peri_file_slurp(path, JOURNAL_MAX, &text, &len, NULL) == 0) {
        json_t *o = json_loadb(text, len, 0, NULL);
        const char *name = json_string_value(json_object_get(o, "name")),
                   *to = json_string_value(json_object_get(o, "to"));
        peri_amount_t amount, freed;
        if (name && to && is_same(m, name, to, &amount) &&
            peri_ops_delete(m->results, name, NULL, &freed, NULL) == 0)
            add(&m->done->made, amount);
        json_decref(o);
    }
    free(text);
    unlink(path);
    free(path);
}

/* ---- one name ---- */

static int copy_one(move_t *m, const char *name, peri_amount_t amount, peri_err_t *err)
{
    for (int i = 1; i < NAMES_TRIED; i++) {
        const char *to = target(m, name, i);
        const bool overwrite = m->how->overwrite && i == 1;
        const peri_copying_t how = {overwrite, amount, &m->stop};
        peri_copied_t copied = {0};
        peri_amount_t freed;
        peri_entry_t there;
        if (!overwrite && peri_ops_stat(m->root, to, &there, NULL) == 0) continue;
        if (journal_write(m, name, to, err)) return -1;
        if (peri_ops_copy(m->results, name, m->root, to, &how, &copied, err)) {
            journal_remove(m);
            if (err->code == PERI_ECONFLICT) continue;
            return -1;
        }
        peri_failpoint("deliver-copied");
        add(&m->done->made, copied.made);
        add(&m->done->freed, copied.freed);
        m->done->left += copied.skipped;
        if (peri_ops_delete(m->results, name, NULL, &freed, err)) return -1;
        journal_remove(m);
        return 0;
    }
    return peri_err_set(err, PERI_ECONFLICT, "there are too many files called \"%s\"",
                        name);
}

/* A link that is a result itself is not worth a copy: what it leads to is elsewhere. */
static int copy_it(move_t *m, const char *name, const struct stat *st,
                   peri_amount_t amount, peri_err_t *err)
{
    if (!S_ISLNK(st->st_mode)) return copy_one(m, name, amount, err);
    m->done->left++;
    return 0;
}

static int move_one(move_t *m, const char *name, const struct stat *st, peri_err_t *err)
{
    peri_amount_t amount, freed = {0};
    bool whole;
    if (peri_ops_amount(m->results, name, 0, &m->stop, &amount, &whole, err)) return -1;
    /* What a job of another Unix user wrote becomes ours by copying. */
    if (st->st_uid != geteuid()) return copy_it(m, name, st, amount, err);
    for (int i = 1; i < NAMES_TRIED; i++) {
        const bool overwrite = m->how->overwrite && i == 1;
        if (peri_ops_move(m->results, name, m->root, target(m, name, i), overwrite,
                          &freed, err) == 0) {
            peri_failpoint("deliver-moved");
            add(&m->done->made, amount);
            add(&m->done->freed, freed);
            return 0;
        }
        if (err->code == PERI_EUNSUPP) return copy_it(m, name, st, amount, err);
        if (err->code != PERI_ECONFLICT) return -1;
    }
    return peri_err_set(err, PERI_ECONFLICT, "there are too many files called \"%s\"",
                        name);
}

static bool can_go(const char *name, const struct stat *st)
{
    return peri_filename_ok(name, strlen(name)) && strcmp(name, PERI_PATH_PRIVATE) &&
           (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode));
}

/* ---- all ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Read before anything moves. */
static const char **list(move_t *m, size_t *n, peri_err_t *err)
{
    const char **names = NULL, **kept;
    size_t cap = 0;
    *n = 0;
    int fd = openat(m->results, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0) close(fd);
        peri_err_set(err, PERI_EIO, "cannot read the job's results: %m");
        return NULL;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (*n == cap)
            names = peri_xrealloc(names, cap = cap ? 2 * cap : 64, sizeof(*names));
        names[(*n)++] = peri_arena_strdup(m->arena, e->d_name);
    }
    closedir(d);
    if (*n) qsort(names, *n, sizeof(*names), by_name);
    kept = peri_arena_calloc(m->arena, *n + 1, sizeof(*kept));
    if (*n) memcpy(kept, names, *n * sizeof(*kept));
    free(names);
    return kept;
}

static int move_names(move_t *m, peri_err_t *err)
{
    size_t n;
    const char **names = list(m, &n, err);
    if (!names) return -1;
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        if (peri_stop_check(&m->stop, err)) return -1;
        if (fstatat(m->results, names[i], &st, AT_SYMLINK_NOFOLLOW)) continue;
        if (!can_go(names[i], &st))
            m->done->left++;
        else if (move_one(m, names[i], &st, err))
            return -1;
    }
    return 0;
}

int peri_results_move(const peri_moving_t *how, int root, peri_arena_t *arena,
                      peri_moved_t *done, peri_err_t *err)
{
    uint64_t made = 0;
    move_t m = {.how = how,
                .arena = arena,
                .root = root,
                .stop = {is_wanted, (void *)(uintptr_t)how->stopping},
                .done = done};
    *done = (peri_moved_t){0};
    m.results = open_results(how, err);
    if (m.results < 0) return -1;
    int rc = *how->to ? peri_ops_mkdir(root, how->to, true, &made, err) : 0;
    done->made.files += made;
    if (rc == 0) {
        finish_copy(&m);
        /* What the program wrote is on the disk before it gets its place for good. */
        if (syncfs(m.results))
            rc = peri_err_set(err, PERI_EIO, "the results cannot be written: %m");
    }
    if (rc == 0) rc = move_names(&m, err);
    close(m.results);
    return rc;
}
