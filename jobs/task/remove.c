/* remove.c - a job's folder and all in it, removed.
 *
 * Users own parts of the tree and may change it meanwhile: every step is relative to an
 * open folder and follows no link, so that nothing outside can be reached. What lies
 * deeper than DEPTH is moved up to the top and removed from there: no depth exhausts the
 * stack or the descriptors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/task/folder.h"

enum { DEPTH = 24, ROUNDS = 10000 };

typedef struct {
    int top;
    unsigned moved; /* names for what was moved up */
    bool again;     /* something was moved up: the top is not empty yet */
} removal_t;

static int open_folder(int at, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);
    if (fd >= 0 || errno != EACCES) return fd;
    /* Its owner may have closed it against herself. */
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode)) return -1;
    if (fchmodat(at, name, 0700, 0)) return -1;
    return openat(at, name, flags);
}

static int move_up(removal_t *r, int at, const char *name)
{
    char to[64];
    snprintf(to, sizeof(to), ".removed-%d-%u", (int)getpid(), r->moved++);
    r->again = true;
    return renameat(at, name, r->top, to);
}

static int empty_folder(removal_t *r, int fd, int depth);

static int remove_entry(removal_t *r, int at, const char *name, int depth)
{
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -1;
    if (unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
    if (errno != ENOTEMPTY && errno != EEXIST) return -1;
    if (depth >= DEPTH) return move_up(r, at, name);
    int fd = open_folder(at, name);
    if (fd < 0) return errno == ENOENT ? 0 : -1;
    if (empty_folder(r, fd, depth + 1)) return -1;
    return unlinkat(at, name, AT_REMOVEDIR) && errno != ENOENT ? -1 : 0;
}

/* Closes fd. */
static int empty_folder(removal_t *r, int fd, int depth)
{
    int rc = -1;
    struct stat st;
    if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700) (void)fchmod(fd, 0700);
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return -1;
    }
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) break;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (remove_entry(r, dirfd(d), e->d_name, depth)) goto out;
    }
    rc = errno ? -1 : 0;
out:;
    int keep = errno;
    closedir(d);
    errno = keep;
    return rc;
}

int peri_folder_remove(const char *spool, const char *uuid, peri_err_t *err)
{
    if (!peri_uuid_valid(uuid))
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is not a job's uuid",
                            uuid ? uuid : "");
    char *path = peri_folder_job(spool, uuid);
    removal_t r = {.top = open_folder(AT_FDCWD, path)};
    int rc = -1;
    if (r.top < 0) {
        rc = errno == ENOENT ? 0 : -1;
    } else {
        for (int i = 0; i < ROUNDS; i++) {
            r.again = false;
            int fd = open_folder(r.top, ".");
            if (fd < 0 || empty_folder(&r, fd, 0)) break;
            if (!r.again) {
                rc = rmdir(path) && errno != ENOENT ? -1 : 0;
                /* A program that still writes may have made another file. */
                if (rc == 0 || (errno != ENOTEMPTY && errno != EEXIST)) break;
            }
        }
    }
    if (rc)
        peri_err_set(err, errno == EACCES || errno == EPERM ? PERI_EDENIED : PERI_EIO,
                     "cannot remove the job's folder %s: %m", path);
    if (r.top >= 0) close(r.top);
    free(path);
    return rc;
}
