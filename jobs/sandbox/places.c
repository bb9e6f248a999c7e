/* places.c - the folders of a sandbox, opened so that nobody can lead us elsewhere.
 *
 * What lies in a volume belongs to a user, whose programs may exchange a folder for a
 * link at any moment: the part of a path below the volume is opened without following
 * any. Bubblewrap takes names, not descriptors: what it has mounted is compared with what
 * was opened here before anything of the user runs (jobs/launch/inside.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/sandbox/sandbox.h"

void peri_sandbox_close(peri_places_in_t *p)
{
    for (size_t i = 0; i < p->n; i++) close(p->v[i].fd);
    p->n = 0;
}

bool peri_sandbox_replaced(const peri_places_in_t *p)
{
    struct stat st;
    for (size_t i = 0; i < p->n; i++)
        if (fstat(p->v[i].fd, &st) == 0 && st.st_nlink == 0) return true;
    return false;
}

static int open_beneath(int dir, const char *path)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                            RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static int open_bind(const peri_bind_t *b)
{
    int fd = open(b->from, O_PATH | O_CLOEXEC);
    if (fd < 0 || !b->path) return fd;
    int in = open_beneath(fd, b->path);
    const int e = errno;
    close(fd);
    errno = e;
    return in;
}

/* Takes fd. */
static int put(peri_places_in_t *p, int fd, const char *to, bool write)
{
    struct stat st;
    if (fstat(fd, &st) || fcntl(fd, F_SETFD, 0) ||
        !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))) {
        close(fd);
        errno = ENOTDIR;
        return -1;
    }
    p->v[p->n++] = (peri_place_in_t){
        .fd = fd, .to = to, .dev = st.st_dev, .ino = st.st_ino, .write = write};
    return 0;
}

static int cannot(const char *to, peri_err_t *err)
{
    if (errno == ENOENT)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "%s cannot be shown to the job: the folder is not there any "
                            "more",
                            to);
    if (errno == ELOOP || errno == EXDEV)
        return peri_err_set(
            err, PERI_EDENIED,
            "%s cannot be shown to the job: there is a link where a folder "
            "was",
            to);
    return peri_err_set(err, PERI_EIO, "%s cannot be shown to the job: %m", to);
}

static int put_same(peri_places_in_t *p, const char *path, peri_err_t *err)
{
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 || put(p, fd, path, true) ? cannot(path, err) : 0;
}

static bool is_ours(const char *path)
{
    static const char *const not [] = {"/proc", "/dev",  "/sys", "/usr",
                                       "/bin",  "/sbin", "/lib", "/etc"};
    for (size_t i = 0; i < sizeof(not ) / sizeof(*not ); i++) {
        const size_t n = strlen(not [i]);
        if (!strncmp(path, not [i], n) && (path[n] == '/' || !path[n])) return true;
    }
    return false;
}

/* The system's own folders are there anyhow; of /etc only some of it, not the descriptors
 * of datasets. */
static bool is_there(const char *path)
{
    struct stat st;
    return is_ours(path) &&
           (strncmp(path, "/etc/", 5) != 0 || stat(path, &st) || !S_ISREG(st.st_mode));
}

static int by_depth(const void *a, const void *b)
{
    return strcmp(((const peri_place_in_t *)a)->to, ((const peri_place_in_t *)b)->to);
}

int peri_sandbox_open(const peri_sandbox_t *s, const char *task, const char *results,
                      peri_arena_t *arena, peri_places_in_t *out, peri_err_t *err)
{
    out->v = peri_arena_calloc(arena, s->nbinds + s->nread + 2, sizeof(*out->v));
    out->n = 0;
    for (size_t i = 0; i < s->nread; i++) {
        int fd = is_there(s->read[i]) ? -1 : open(s->read[i], O_PATH | O_CLOEXEC);
        if (fd >= 0 && put(out, fd, s->read[i], false)) return cannot(s->read[i], err);
    }
    qsort(out->v, out->n, sizeof(*out->v), by_depth);
    const size_t first = out->n;
    for (size_t i = 0; i < s->nbinds; i++) {
        const peri_bind_t *b = &s->binds[i];
        if (is_ours(b->to))
            return peri_err_set(err, PERI_EDENIED, "%s cannot be shown to a job there",
                                b->to);
        int fd = open_bind(b);
        const bool shown = fd >= 0 && put(out, fd, b->to, b->write) == 0;
        if (!shown && b->optional &&
            (errno == ENOENT || errno == ELOOP || errno == EXDEV || errno == ENOTDIR ||
             errno == EACCES))
            continue;
        if (!shown) return cannot(b->to, err);
        struct stat st;
        /* perigee-helper's mount of a file: it is there by its name also when the file
         * itself has none any more. */
        if (!b->path && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
            out->v[out->n - 1].from = b->from;
        if (b->hide && fstatat(fd, b->hide, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode))
            out->v[out->n - 1].hide = b->hide;
    }
    qsort(out->v + first, out->n - first, sizeof(*out->v), by_depth);
    if (put_same(out, task, err)) return -1;
    return results ? put_same(out, results, err) : 0;
}
