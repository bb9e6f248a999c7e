/* trash.c - see trash.h. */
#include "portal/storage/trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"

#define TRASH     "trash"
#define THING     "thing"
#define INFO      "info.json"
#define INFO_MAX  32768
#define COUNT_MAX 20000 /* names that are counted when a folder goes */

static bool id_ok(const char *id)
{
    return strlen(id) == PERI_TRASH_ID && strspn(id, "0123456789abcdef") == PERI_TRASH_ID;
}

static double id_time(const char *id)
{
    char ns[17];
    snprintf(ns, sizeof(ns), "%.16s", id);
    return (double)strtoull(ns, NULL, 16) * 1e-9;
}

static int id_make(char id[PERI_TRASH_ID + 1], peri_err_t *err)
{
    uint32_t r;
    struct timespec t;
    if (getrandom(&r, sizeof(r), 0) != sizeof(r))
        return peri_err_set(err, PERI_EINTERNAL, "no random number: %s", strerror(errno));
    clock_gettime(CLOCK_REALTIME, &t);
    snprintf(id, PERI_TRASH_ID + 1, "%016llx%08x",
             (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec,
             r);
    return 0;
}

/* ---- info.json ---- */

static int info_write(int folder, const char *path, const char *by,
                      const peri_amount_t *amount, peri_amount_t *extra, peri_err_t *err)
{
    struct stat st;
    json_t *j = json_pack("{s:s, s:s}", "path", path, "by", by);
    if (amount)
        json_object_set_new(j, "amount",
                            json_pack("{s:I, s:I}", "bytes", (json_int_t)amount->bytes,
                                      "files", (json_int_t)amount->files));
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    int rc = -1;
    int fd =
        openat(folder, INFO, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || !text || peri_ops_write_all(fd, text, strlen(text)) || fsync(fd) ||
        fsync(folder) || fstat(fd, &st)) {
        peri_path_errno(err, errno, "delete", path);
    } else {
        *extra = (peri_amount_t){.files = 2, .bytes = peri_amount_bytes(&st)};
        rc = 0;
    }
    if (fd >= 0) close(fd);
    free(text);
    return rc;
}

static void info_read(int folder, peri_arena_t *a, peri_trashed_t *t)
{
    char text[INFO_MAX];
    struct stat st;
    t->by = "";
    int fd = peri_path_file_at(folder, INFO, O_RDONLY, &st);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0) close(fd);
    json_t *j = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    const json_t *path = json_object_get(j, "path"), *by = json_object_get(j, "by");
    const json_t *amount = json_object_get(j, "amount");
    if (json_is_string(path))
        t->path =
            peri_path_clean(a, json_string_value(path), json_string_length(path), NULL);
    if (t->path && !*t->path) t->path = NULL;
    if (json_is_string(by) &&
        peri_filename_ok(json_string_value(by), json_string_length(by)))
        t->by = peri_arena_strdup(a, json_string_value(by));
    json_int_t bytes = json_integer_value(json_object_get(amount, "bytes"));
    json_int_t files = json_integer_value(json_object_get(amount, "files"));
    if (bytes >= 0 && files > 0) {
        t->counted = true;
        t->amount = (peri_amount_t){.bytes = (uint64_t)bytes, .files = (uint64_t)files};
    }
    json_decref(j);
}

/* ---- in ---- */

static void forget(int trash, const char *id)
{
    peri_amount_t ignored = {0};
    peri_remove_at(trash, id, NULL, &ignored, NULL);
}

int peri_trash_put(int root, const char *path, const char *by, char id[PERI_TRASH_ID + 1],
                   peri_amount_t *extra, peri_err_t *err)
{
    const char *name;
    int rc = -1, trash = -1, folder = -1;
    bool whole, made = false;
    peri_amount_t amount;
    *extra = (peri_amount_t){0};
    int from = peri_path_open_parent(root, path, &name, err);
    if (from < 0) return -1;
    if (id_make(id, err) ||
        peri_ops_amount(root, path, COUNT_MAX, NULL, &amount, &whole, err))
        goto out;
    trash = peri_path_open_private(root, TRASH, err);
    if (trash < 0) goto out;
    made = mkdirat(trash, id, 0700) == 0;
    folder = made ? peri_path_folder_at(trash, id) : -1;
    if (folder < 0) {
        peri_path_errno(err, errno, "delete", path);
        goto out;
    }
    if (info_write(folder, path, by, whole ? &amount : NULL, extra, err)) goto out;
    peri_failpoint("storage_trash");
    if (renameat2(from, name, folder, THING, RENAME_NOREPLACE) &&
        renameat(from, name, folder, THING)) {
        peri_path_errno(err, errno, "delete", path);
        goto out;
    }
    rc = 0; /* from here on it is in the trash, whatever the disk says */
    peri_failpoint("storage_trashed");
    if (fsync(trash) || fsync(folder) || fsync(from))
        rc = peri_path_errno(err, errno, "delete", path);
    made = false;
out:
    if (made) forget(trash, id);
    close(from);
    if (folder >= 0) close(folder);
    if (trash >= 0) close(trash);
    return rc;
}

/* ---- looking ---- */

/* 1, or 0 if it is nothing. */
static int look(int trash, const char *id, peri_arena_t *a, peri_trashed_t *t)
{
    struct stat st;
    *t = (peri_trashed_t){.id = peri_arena_strdup(a, id), .deleted = id_time(id)};
    int folder = peri_path_folder_at(trash, id);
    if (folder < 0) return 0;
    int there = fstatat(folder, THING, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there) {
        info_read(folder, a, t);
        peri_entry_fill(&t->entry, t->path ? peri_path_name(t->path) : "", &st);
    }
    close(folder);
    return there;
}

int peri_trash_list(int root, const char *after, size_t limit, peri_arena_t *a,
                    peri_trashed_t **list, size_t *n, const char **next, peri_err_t *err)
{
    peri_page_t page;
    peri_listing_t how = {.sort = PERI_SORT_NAME, .descending = true, .limit = limit};
    *list = NULL;
    *n = 0;
    *next = NULL;
    if (after && !id_ok(after))
        return peri_err_set(err, PERI_EINVAL,
                            "\"after\" is not \"next\" of a page of this list");
    if (after) how.after = peri_arena_printf(a, "n1d0.%s", after);
    int trash = peri_path_open_private(root, TRASH, err);
    if (trash < 0) return -1;
    /* It is a root of its own here: nothing in it is hidden. */
    int rc = peri_ops_list(trash, "", &how, a, &page, err);
    if (rc == 0) {
        *list = peri_arena_calloc(a, page.n ? page.n : 1, sizeof(**list));
        for (size_t i = 0; i < page.n; i++)
            if (id_ok(page.entry[i].name))
                *n += (size_t)look(trash, page.entry[i].name, a, &(*list)[*n]);
        if (page.next && page.n && id_ok(page.entry[page.n - 1].name))
            *next = page.entry[page.n - 1].name;
    }
    close(trash);
    return rc;
}

int peri_trash_tidy(int root, double older, peri_err_t *err)
{
    int trash = peri_path_open_private(root, TRASH, err);
    DIR *d = trash >= 0 ? fdopendir(trash) : NULL;
    const double before = peri_epoch() - older;
    if (!d) {
        if (trash >= 0) close(trash);
        return trash >= 0 ? peri_path_errno(err, errno, "read", PERI_PATH_PRIVATE) : -1;
    }
    for (const struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (!id_ok(e->d_name) || id_time(e->d_name) >= before) continue;
        int folder = peri_path_folder_at(trash, e->d_name);
        if (folder < 0) continue;
        const bool empty =
            fstatat(folder, THING, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
        close(folder);
        if (empty) forget(trash, e->d_name);
    }
    closedir(d);
    return 0;
}

static int gone(peri_err_t *err, const char *id)
{
    return peri_err_set(err, PERI_ENOTFOUND, "there is no \"%.40s\" in the trash", id);
}

int peri_trash_get(int root, const char *id, peri_arena_t *a, peri_trashed_t *out,
                   peri_err_t *err)
{
    if (!id_ok(id)) return gone(err, id);
    int trash = peri_path_open_private(root, TRASH, err);
    if (trash < 0) return -1;
    int there = look(trash, id, a, out);
    close(trash);
    return there ? 0 : gone(err, id);
}

/* ---- out ---- */

static int make_parents(int root, const char *to, uint64_t *made, peri_err_t *err)
{
    const char *name = peri_path_name(to);
    if (name == to) return 0;
    peri_arena_t *a = peri_arena_new();
    int rc = peri_ops_mkdir(root, peri_arena_strndup(a, to, (size_t)(name - to) - 1),
                            true, made, err);
    peri_arena_free(a);
    return rc;
}

int peri_trash_restore(int root, const char *id, const char *to, uint64_t *made,
                       peri_amount_t *freed, peri_err_t *err)
{
    const char *name;
    int rc = -1, folder = -1, target = -1;
    peri_amount_t ignored;
    *made = 0;
    *freed = (peri_amount_t){0};
    if (!id_ok(id)) return gone(err, id);
    int trash = peri_path_open_private(root, TRASH, err);
    if (trash < 0) return -1;
    struct stat st;
    folder = peri_path_folder_at(trash, id);
    if (folder < 0 || fstatat(folder, THING, &st, AT_SYMLINK_NOFOLLOW)) {
        gone(err, id);
        goto out;
    }
    if (make_parents(root, to, made, err)) goto out;
    target = peri_path_open_parent(root, to, &name, err);
    if (target < 0 ||
        peri_place(folder, THING, target, name, to, false, NULL, &ignored, err))
        goto out;
    peri_failpoint("storage_restored");
    peri_remove_at(trash, id, NULL, freed, NULL);
    rc = 0;
out:
    if (folder >= 0) close(folder);
    if (target >= 0) close(target);
    close(trash);
    return rc;
}

static int remove_id(int root, int trash, const char *id, const peri_stop_t *stop,
                     peri_amount_t *freed, peri_err_t *err)
{
    char aside[PERI_UNFINISHED_NAME];
    int to = peri_unfinished_open(root, "delete", aside, err);
    if (to < 0) return -1;
    int rc = 0;
    if (renameat(trash, id, to, aside)) {
        rc = errno == ENOENT ? gone(err, id) : peri_path_errno(err, errno, "delete", id);
    } else {
        fsync(trash);
        peri_err_t ignored; /* it is deleted; the sweep does the rest */
        peri_remove_at(to, aside, stop, freed, &ignored);
    }
    close(to);
    return rc;
}

int peri_trash_delete(int root, const char *id, const peri_stop_t *stop,
                      peri_amount_t *freed, peri_err_t *err)
{
    if (!id_ok(id)) return gone(err, id);
    int trash = peri_path_open_private(root, TRASH, err);
    if (trash < 0) return -1;
    int rc = remove_id(root, trash, id, stop, freed, err);
    close(trash);
    return rc;
}

int peri_trash_empty(int root, double before, const peri_stop_t *stop,
                     peri_amount_t *freed, bool *more, peri_err_t *err)
{
    int rc = 0;
    *more = false;
    int trash = peri_path_open_private(root, TRASH, err);
    DIR *d = trash < 0 ? NULL : fdopendir(trash);
    if (!d) {
        if (trash >= 0) close(trash);
        return trash < 0 ? -1 : peri_path_errno(err, errno, "read", TRASH);
    }
    for (const struct dirent *e; !rc && !*more && (e = readdir(d));) {
        const char *id = e->d_name;
        struct stat st;
        peri_err_t why = {0};
        if (!strcmp(id, ".") || !strcmp(id, "..")) continue;
        /* What is no id was put here by a job. */
        if (!id_ok(id) && fstatat(trash, id, &st, AT_SYMLINK_NOFOLLOW)) continue;
        if ((id_ok(id) ? id_time(id) : (double)st.st_mtim.tv_sec) >= before) continue;
        *more = peri_stop_check(stop, NULL) != 0;
        if (*more || !remove_id(root, trash, id, stop, freed, &why) ||
            why.code == PERI_ENOTFOUND)
            continue;
        if (err) *err = why;
        rc = -1;
    }
    closedir(d);
    return rc;
}
