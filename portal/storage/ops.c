/* ops.c - making, moving and writing (ops.h). */
#include "portal/storage/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/hash.h"

/* ---- the place of a name ---- */

/* "Does it have this tag?" and the rename that follows are one, for all requests of this
 * process: it is the only one that changes files for users. */
#define LOCKS 64
static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *lock_of(int folder, const char *name)
{
    struct stat st = {0};
    (void)fstat(folder, &st);
    uint64_t h =
        peri_hash_add(PERI_HASH_START, (const char *)&st.st_ino, sizeof(st.st_ino));
    return &locks[peri_hash_text(h, name) % LOCKS];
}

/* Some network file systems have no RENAME_NOREPLACE. */
static int rename_new(int from, const char *from_name, int to, const char *to_name)
{
    if (renameat2(from, from_name, to, to_name, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return -1;
    struct stat st;
    if (fstatat(from, from_name, &st, AT_SYMLINK_NOFOLLOW)) return -1;
    if (S_ISDIR(st.st_mode)) /* onto an empty folder that is ours */
        return mkdirat(to, to_name, 0700) ? -1 : renameat(from, from_name, to, to_name);
    return linkat(from, from_name, to, to_name, 0) ? -1 : unlinkat(from, from_name, 0);
}

static int taken(peri_err_t *err, const char *path, bool overwrite)
{
    if (overwrite)
        return peri_err_set(
            err, PERI_ECONFLICT,
            "\"%s\" is there, and only a file can take the place of a file: "
            "delete it first, or choose another name",
            path);
    return peri_err_set(
        err, PERI_ECONFLICT,
        "there is already a file or folder \"%s\": choose another name, or "
        "ask for it to be overwritten",
        path);
}

/* st: what has the name now, NULL: nothing. */
static int check_match(const char *if_match, const struct stat *st, const char *path,
                       peri_err_t *err)
{
    peri_entry_t e;
    char tag[PERI_ETAG_LEN];
    if (!if_match) return 0;
    if (!st)
        return peri_err_set(err, PERI_ECONFLICT,
                            "\"%s\" is not there (any more), so it has no version to be "
                            "replaced",
                            path);
    peri_entry_fill(&e, path, st);
    if (!strcmp(if_match, "*") || !strcmp(if_match, peri_etag(&e, tag))) return 0;
    return peri_err_set(err, PERI_ECONFLICT,
                        "\"%s\" was changed meanwhile: read it again, then decide", path);
}

static int place_locked(int from, const char *from_name, int to, const char *to_name,
                        const char *path, bool overwrite, const char *if_match,
                        peri_amount_t *freed, peri_err_t *err)
{
    struct stat now, mine;
    bool there = fstatat(to, to_name, &now, AT_SYMLINK_NOFOLLOW) == 0;
    if (check_match(if_match, there ? &now : NULL, path, err)) return -1;
    if (fstatat(from, from_name, &mine, AT_SYMLINK_NOFOLLOW))
        return peri_path_errno(err, errno, "move", from_name);
    if (there && overwrite) {
        if (S_ISDIR(now.st_mode) || S_ISDIR(mine.st_mode)) return taken(err, path, true);
        freed->files = 1;
        freed->bytes = now.st_nlink > 1 ? 0 : peri_amount_bytes(&now);
        /* Two names of one file: rename() would do nothing. */
        if (now.st_ino == mine.st_ino && now.st_dev == mine.st_dev)
            return unlinkat(from, from_name, 0)
                       ? peri_path_errno(err, errno, "move", path)
                       : 0;
        if (renameat(from, from_name, to, to_name) == 0) return 0;
        *freed = (peri_amount_t){0};
    } else if (rename_new(from, from_name, to, to_name) == 0) {
        return 0;
    }
    if (errno == EEXIST || errno == ENOTEMPTY || errno == EISDIR)
        return taken(err, path, overwrite);
    if (errno == EXDEV)
        return peri_err_set(err, PERI_EUNSUPP,
                            "\"%s\" is on another file system: copy it, then delete it",
                            path);
    return peri_path_errno(err, errno, "move to", path);
}

int peri_place(int from, const char *from_name, int to, const char *to_name,
               const char *path, bool overwrite, const char *if_match,
               peri_amount_t *freed, peri_err_t *err)
{
    *freed = (peri_amount_t){0};
    pthread_mutex_t *lock = lock_of(to, to_name);
    pthread_mutex_lock(lock);
    int rc =
        place_locked(from, from_name, to, to_name, path, overwrite, if_match, freed, err);
    pthread_mutex_unlock(lock);
    if (rc) return -1;
    peri_failpoint("storage_placed");
    if (fsync(to) || fsync(from)) return peri_path_errno(err, errno, "write", path);
    return 0;
}

/* ---- folders ---- */

static int exists(peri_err_t *err, const char *path)
{
    return peri_err_set(err, PERI_ECONFLICT, "there is already a file or folder \"%s\"",
                        path);
}

static int make_one(int root, const char *path, peri_err_t *err)
{
    const char *name;
    int fd = peri_path_open_parent(root, path, &name, err), rc = -1;
    if (fd < 0) return -1;
    if (mkdirat(fd, name, 0777)) {
        if (errno == EEXIST)
            exists(err, path);
        else
            peri_path_errno(err, errno, "make", path);
    } else if (fsync(fd)) {
        peri_path_errno(err, errno, "make", path);
    } else {
        rc = 0;
    }
    close(fd);
    return rc;
}

int peri_ops_mkdir(int root, const char *path, bool parents, uint64_t *made,
                   peri_err_t *err)
{
    *made = 0;
    if (!parents) {
        if (make_one(root, path, err)) return -1;
        *made = 1;
        return 0;
    }
    int at = root, rc = -1;
    while (*path) {
        char name[PERI_NAME_MAX + 1];
        size_t n = strcspn(path, "/");
        memcpy(name, path, n);
        name[n] = '\0';
        if (mkdirat(at, name, 0777) == 0) {
            if (fsync(at)) goto fail;
            ++*made;
        } else if (errno != EEXIST) {
            goto fail;
        }
        int next = peri_path_folder_at(at, name);
        if (next < 0) {
            if (errno == ENOTDIR || errno == ELOOP)
                exists(err, name);
            else
                peri_path_errno(err, errno, "open", name);
            goto out;
        }
        if (at != root) close(at);
        at = next;
        path += n + (path[n] == '/');
        continue;
    fail:
        peri_path_errno(err, errno, "make", name);
        goto out;
    }
    rc = 0;
out:
    if (at != root) close(at);
    return rc;
}

/* ---- moving ---- */

int peri_ops_move(int root, const char *path, int to_root, const char *to, bool overwrite,
                  peri_amount_t *freed, peri_err_t *err)
{
    const char *name, *to_name;
    int rc = -1, to_fd = -1;
    struct stat a, b;
    *freed = (peri_amount_t){0};
    int fd = peri_path_open_parent(root, path, &name, err);
    if (fd < 0) return -1;
    if (fstat(root, &a) || fstat(to_root, &b)) {
        peri_path_errno(err, errno, "read", "");
        goto out;
    }
    if (a.st_ino == b.st_ino && a.st_dev == b.st_dev && peri_path_within(to, path)) {
        if (!strcmp(to, path))
            rc = peri_path_stat(root, path, &a, err); /* nothing to do, if it is there */
        else
            peri_err_set(err, PERI_EINVAL, "\"%s\" cannot be moved into itself", path);
        goto out;
    }
    if (fstatat(fd, name, &a, AT_SYMLINK_NOFOLLOW)) {
        peri_path_errno(err, errno, "move", path);
        goto out;
    }
    to_fd = peri_path_open_parent(to_root, to, &to_name, err);
    if (to_fd < 0) goto out;
    rc = peri_place(fd, name, to_fd, to_name, to, overwrite, NULL, freed, err);
out:
    close(fd);
    if (to_fd >= 0) close(to_fd);
    return rc;
}

/* ---- writing ---- */

int peri_ops_write_all(int fd, const void *data, size_t len)
{
    for (const char *p = data; len;) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int peri_ops_put(int root, const char *path, const void *data, size_t len,
                 const peri_putting_t *how, peri_amount_t *before, peri_entry_t *now,
                 peri_err_t *err)
{
    const char *name;
    char temporary[PERI_UNFINISHED_NAME];
    struct stat st;
    int rc = -1, tmp = -1, fd = -1;
    *before = (peri_amount_t){0};
    int folder = peri_path_open_parent(root, path, &name, err);
    if (folder < 0) return -1;
    tmp = peri_unfinished_open(root, "put", temporary, err);
    if (tmp < 0) goto out;
    fd = openat(tmp, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                0666);
    if (fd < 0 || peri_ops_write_all(fd, data, len) || fsync(fd) || fstat(fd, &st)) {
        peri_path_errno(err, errno, "write", path);
        goto out;
    }
    peri_failpoint("storage_put");
    rc = peri_place(tmp, temporary, folder, name, path, !how->only_new, how->if_match,
                    before, err);
    if (rc == 0) peri_entry_fill(now, name, &st);
out:
    if (fd >= 0) {
        close(fd);
        if (rc) unlinkat(tmp, temporary, 0);
    }
    if (tmp >= 0) close(tmp);
    close(folder);
    return rc;
}
