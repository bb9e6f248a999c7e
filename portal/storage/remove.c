/* remove.c - deleting trees, and what a crash left half made (ops.h). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "portal/storage/ops.h"

#define UNFINISHED  "unfinished"
#define IDLE_ROUNDS 5 /* walks over a tree that someone keeps filling */

int peri_unfinished_open(int root, const char *what, char name[PERI_UNFINISHED_NAME],
                         peri_err_t *err)
{
    uint64_t r;
    if (getrandom(&r, sizeof(r), 0) != sizeof(r))
        return peri_err_set(err, PERI_EINTERNAL, "no random number: %s", strerror(errno));
    snprintf(name, PERI_UNFINISHED_NAME, "%.16s-%016llx", what, (unsigned long long)r);
    return peri_path_open_private(root, UNFINISHED, err);
}

static void count(const struct stat *st, peri_amount_t *freed)
{
    freed->files++;
    if (st->st_nlink <= 1) freed->bytes += peri_amount_bytes(st);
}

typedef struct {
    const peri_stop_t *stop;
    peri_amount_t *freed;
    int top; /* the folder that goes */
    uint64_t gone, deep;
} removal_t;

static int remove_visit(removal_t *x, const peri_visit_t *v, peri_err_t *err)
{
    char name[PERI_UNFINISHED_NAME];
    switch (v->event) {
    case PERI_WALK_ENTER:
        return 0;
    case PERI_WALK_ENTRY:
        if (unlinkat(v->parent, v->name, 0)) break;
        count(&v->st, x->freed);
        x->gone++;
        return 0;
    case PERI_WALK_LEAVE:
        if (unlinkat(v->parent, v->name, AT_REMOVEDIR)) {
            if (errno == ENOTEMPTY || errno == EEXIST) return 0; /* the next round */
            break;
        }
        x->freed->files++;
        x->gone++;
        return 0;
    case PERI_WALK_FAILED:
        if (v->error == E2BIG) { /* up, where the next round finds it */
            snprintf(name, sizeof(name), "deep-%llx-%llx", (unsigned long long)x->deep++,
                     (unsigned long long)v->st.st_ino);
            if (renameat2(v->parent, v->name, x->top, name, RENAME_NOREPLACE)) break;
            x->gone++;
            return 0;
        }
        /* A job may have taken its rights away. */
        if (v->error == EACCES && fchmodat(v->parent, v->name, 0700, 0) == 0) {
            x->gone++;
            return 0;
        }
        errno = v->error;
        break;
    }
    return errno == ENOENT ? 0 : peri_path_errno(err, errno, "delete", v->path);
}

static int remove_round(removal_t *x, peri_err_t *err)
{
    peri_visit_t v;
    peri_walk_t *w = peri_walk_new(x->top, NULL);
    int rc = w ? 0 : peri_path_errno(err, errno, "read", "");
    while (!rc && peri_walk_next(w, &v)) {
        rc = peri_stop_check(x->stop, err);
        if (!rc) rc = remove_visit(x, &v, err);
    }
    peri_walk_free(w);
    return rc;
}

int peri_remove_at(int folder, const char *name, const peri_stop_t *stop,
                   peri_amount_t *freed, peri_err_t *err)
{
    struct stat st;
    int rc = -1;
    /* Whatever went wrong above: never the folder itself or what it lies in. */
    if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
        return peri_err_set(err, PERI_EINTERNAL, "\"%.40s\" is nothing to remove", name);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : peri_path_errno(err, errno, "delete", name);
    if (!S_ISDIR(st.st_mode)) {
        if (unlinkat(folder, name, 0))
            return errno == ENOENT ? 0 : peri_path_errno(err, errno, "delete", name);
        count(&st, freed);
        return 0;
    }
    removal_t x = {.stop = stop, .freed = freed};
    x.top = peri_path_folder_at(folder, name);
    if (x.top < 0 && errno == EACCES && fchmodat(folder, name, 0700, 0) == 0)
        x.top = peri_path_folder_at(folder, name);
    if (x.top < 0) return peri_path_errno(err, errno, "delete", name);
    for (int idle = 0; idle < IDLE_ROUNDS;) {
        x.gone = 0;
        if (remove_round(&x, err)) goto out;
        if (unlinkat(folder, name, AT_REMOVEDIR) == 0) {
            freed->files++;
            rc = 0;
            goto out;
        }
        if (errno != ENOTEMPTY && errno != EEXIST) break;
        if (!x.gone) idle++;
    }
    peri_path_errno(err, errno, "delete", name);
out:
    close(x.top);
    return rc;
}

int peri_ops_delete(int root, const char *path, const peri_stop_t *stop,
                    peri_amount_t *freed, peri_err_t *err)
{
    const char *name;
    char aside[PERI_UNFINISHED_NAME];
    int rc = -1, to = -1;
    *freed = (peri_amount_t){0};
    int from = peri_path_open_parent(root, path, &name, err);
    if (from < 0) return -1;
    to = peri_unfinished_open(root, "delete", aside, err);
    if (to < 0) goto out;
    /* Gone at once and as a whole; what follows takes its time. */
    if (renameat(from, name, to, aside) || fsync(from)) {
        peri_path_errno(err, errno, "delete", path);
        goto out;
    }
    peri_failpoint("storage_delete");
    /* It is deleted: what is left, if this ends early, is for the sweep. */
    peri_err_t ignored;
    peri_remove_at(to, aside, stop, freed, &ignored);
    rc = 0;
out:
    close(from);
    if (to >= 0) close(to);
    return rc;
}

int peri_unfinished_sweep(int root, double older, const peri_stop_t *stop,
                          peri_amount_t *freed, peri_err_t *err)
{
    int rc = -1;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int fd = peri_path_open_private(root, UNFINISHED, err);
    if (fd < 0) return -1;
    DIR *d = fdopendir(fd);
    if (!d) {
        peri_path_errno(err, errno, "read", PERI_PATH_PRIVATE);
        close(fd);
        return -1;
    }
    for (const struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
        /* When it was put here counts, not when it was written first. */
        const double age = (double)(now.tv_sec - st.st_ctim.tv_sec) +
                           1e-9 * (double)(now.tv_nsec - st.st_ctim.tv_nsec);
        if (age < older) continue;
        if (peri_remove_at(fd, e->d_name, stop, freed, err)) goto out;
    }
    rc = 0;
out:
    closedir(d);
    return rc;
}
