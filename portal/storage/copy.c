/* copy.c - copying files and trees, and measuring them (ops.h). */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "portal/storage/ops.h"

#define CHUNK  ((size_t)64 << 20) /* between two looks at `stop` */
#define BUFFER ((size_t)1 << 20)

typedef struct {
    const peri_copying_t *how;
    peri_copied_t *done;
    char *buffer;                 /* where the kernel does not copy; made when needed */
    int to[PERI_WALK_LEVELS + 1]; /* the new folders that are open */
    int depth;
} copy_t;

/* ---- one file ---- */

/* n bytes at `at`, or fewer at the end of the file; -1 with errno. */
static ssize_t copy_some(copy_t *c, int from, int to, off_t at, size_t n)
{
    off_t in = at, out = at;
    if (!c->buffer) {
        ssize_t got = copy_file_range(from, &in, to, &out, n, 0);
        if (got >= 0 || (errno != EXDEV && errno != EINVAL && errno != ENOSYS &&
                         errno != EOPNOTSUPP && errno != EPERM))
            return got;
        c->buffer = peri_xmalloc(BUFFER);
    }
    ssize_t got = pread(from, c->buffer, n < BUFFER ? n : BUFFER, at);
    for (ssize_t put = 0; put < got;) {
        ssize_t w = pwrite(to, c->buffer + put, (size_t)(got - put), at + put);
        if (w < 0 && errno != EINTR) return -1;
        if (w > 0) put += w;
    }
    return got;
}

/* What is not a hole in the first `size` bytes. */
static int copy_data(copy_t *c, int from, int to, off_t size, const char *path,
                     peri_err_t *err)
{
    off_t at = 0;
    while (at < size) {
        off_t data = lseek(from, at, SEEK_DATA), hole;
        if (data < 0 && errno == ENXIO) break; /* a hole up to the end */
        if (data < 0) data = at;
        hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0 || hole > size) hole = size;
        for (at = data; at < hole;) {
            if (peri_stop_check(c->how->stop, err)) return -1;
            size_t n = (size_t)(hole - at);
            ssize_t got = copy_some(c, from, to, at, n < CHUNK ? n : CHUNK);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return peri_path_errno(err, errno, "copy", path);
            if (got == 0) { /* it became shorter meanwhile */
                size = at;
                break;
            }
            at += got;
            peri_failpoint("storage_copying");
        }
    }
    return ftruncate(to, size) ? peri_path_errno(err, errno, "copy", path) : 0;
}

static int grew(peri_err_t *err, const char *path)
{
    return peri_err_set(
        err, PERI_ELIMIT,
        "\"%s\" grew while it was copied, beyond what was reserved for the "
        "copy: try again",
        path);
}

/* from: an open file that is closed here. */
static int copy_file(copy_t *c, int from, const struct stat *st, int folder,
                     const char *name, const char *path, bool sync, peri_err_t *err)
{
    const peri_amount_t *most = &c->how->most;
    peri_amount_t *made = &c->done->made;
    struct stat now;
    int rc = -1;
    int to = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    0600 | (st->st_mode & 0777));
    if (to < 0) {
        peri_path_errno(err, errno, "write", path);
        goto out;
    }
    if (made->bytes + peri_amount_bytes(st) > most->bytes) {
        grew(err, path);
        goto out;
    }
    if (ioctl(to, FICLONE, from) && copy_data(c, from, to, st->st_size, path, err))
        goto out;
    if ((sync && fsync(to)) || fstat(to, &now)) {
        peri_path_errno(err, errno, "write", path);
        goto out;
    }
    made->bytes += peri_amount_bytes(&now);
    made->files++;
    rc = made->bytes > most->bytes ? grew(err, path) : 0;
out:
    close(from);
    if (to >= 0) close(to);
    return rc;
}

static int copy_link(copy_t *c, int from, int to, const char *name, const char *path,
                     peri_err_t *err)
{
    char target[PERI_PATH_MAX + 1];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
    if (n < 0 && errno == ENOENT) return 0;
    if (n < 0) return peri_path_errno(err, errno, "read", path);
    target[n] = '\0';
    if (symlinkat(target, to, name)) return peri_path_errno(err, errno, "write", path);
    c->done->made.files++;
    return 0;
}

/* ---- a tree ---- */

static int copy_folder(copy_t *c, int in, const char *name, const char *path,
                       peri_err_t *err)
{
    int fd = mkdirat(in, name, 0777) ? -1 : peri_path_folder_at(in, name);
    if (fd < 0) return peri_path_errno(err, errno, "make", path);
    c->to[c->depth++] = fd;
    c->done->made.files++;
    return 0;
}

static int copy_visit(copy_t *c, const peri_visit_t *v, peri_err_t *err)
{
    int to = c->to[v->depth];
    struct stat st;
    if (peri_stop_check(c->how->stop, err)) return -1;
    if (c->done->made.files >= c->how->most.files && v->event != PERI_WALK_LEAVE)
        return grew(err, v->path);
    switch (v->event) {
    case PERI_WALK_ENTER:
        return copy_folder(c, to, v->name, v->path, err);
    case PERI_WALK_LEAVE:
        close(c->to[--c->depth]);
        return 0;
    case PERI_WALK_FAILED:
        if (v->error == E2BIG)
            return peri_err_set(
                err, PERI_EUNSUPP,
                "the folder has more than %d levels: this cannot be copied",
                PERI_WALK_LEVELS);
        return peri_path_errno(err, v->error, "read", v->path);
    case PERI_WALK_ENTRY:
        break;
    }
    if (S_ISLNK(v->st.st_mode)) return copy_link(c, v->parent, to, v->name, v->path, err);
    if (!S_ISREG(v->st.st_mode)) {
        c->done->skipped++;
        return 0;
    }
    int from = peri_path_file_at(v->parent, v->name, O_RDONLY, &st);
    if (from >= 0) return copy_file(c, from, &st, to, v->name, v->path, false, err);
    return errno == ENOENT ? 0 : peri_path_errno(err, errno, "read", v->path);
}

static int copy_tree(copy_t *c, int from, bool top, int to, const char *name,
                     const char *path, peri_err_t *err)
{
    peri_visit_t v;
    int rc = -1;
    peri_walk_t *w = peri_walk_new(from, top ? PERI_PATH_PRIVATE : NULL);
    if (!w) {
        peri_path_errno(err, errno, "read", path);
        goto out;
    }
    if (copy_folder(c, to, name, path, err)) goto out;
    while (peri_walk_next(w, &v))
        if (copy_visit(c, &v, err)) goto out;
    /* Once for all of it: a wait for each of many small files would take far longer. */
    if (syncfs(to)) {
        peri_path_errno(err, errno, "write", path);
        goto out;
    }
    rc = 0;
out:
    while (c->depth) close(c->to[--c->depth]);
    peri_walk_free(w);
    return rc;
}

int peri_ops_copy(int root, const char *path, int to_root, const char *to,
                  const peri_copying_t *how, peri_copied_t *done, peri_err_t *err)
{
    copy_t c = {.how = how, .done = done};
    const char *name;
    char temporary[PERI_UNFINISHED_NAME];
    struct stat st;
    int rc = -1, from = -1, tmp = -1;
    *done = (peri_copied_t){0};
    int folder = peri_path_open_parent(to_root, to, &name, err);
    if (folder < 0) return -1;
    if (peri_path_stat(root, path, &st, err)) goto out;
    if (how->most.files < 1) {
        grew(err, path);
        goto out;
    }
    if (S_ISDIR(st.st_mode))
        from = peri_path_open_folder(root, path, err);
    else
        from = peri_path_open_file(root, path, O_RDONLY, err);
    if (from < 0) goto out;
    tmp = peri_unfinished_open(to_root, "copy", temporary, err);
    if (tmp < 0) goto out;
    if (S_ISDIR(st.st_mode)) {
        rc = copy_tree(&c, from, !*path, tmp, temporary, path, err);
    } else if (fstat(from, &st)) {
        peri_path_errno(err, errno, "read", path);
    } else {
        rc = copy_file(&c, from, &st, tmp, temporary, path, true, err);
        from = -1;
    }
    if (!rc)
        rc = peri_place(tmp, temporary, folder, name, to, how->overwrite, NULL,
                        &done->freed, err);
    if (rc) {
        peri_amount_t gone = {0};
        peri_remove_at(tmp, temporary, NULL, &gone, NULL);
        done->made = (peri_amount_t){0};
    }
out:
    free(c.buffer);
    if (from >= 0) close(from);
    if (tmp >= 0) close(tmp);
    close(folder);
    return rc;
}
