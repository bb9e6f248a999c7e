/* lock.c - who may change a name now, and what dead writers have left.
 *
 * The lock is flock(2) on .lock-NAME, which ends with the process however that ends. The
 * file is there while it is needed: who got the lock of one that was removed meanwhile
 * begins anew. It can be written to and not read: who may only read the folder, as all of
 * its tables are shared with her, cannot open it and keep writers waiting.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/mydb/private.h"

#define LOCK      ".lock-"
#define SLEEP_MAX 0.2

double peri_mydb_patience = 60;

/* ---- locks ---- */

static char *lock_path(const peri_schema_t *s, const char *name)
{
    return peri_xasprintf("%s/" LOCK "%s", s->folder, name);
}

/* Is the lock of somebody else, who makes it just now and has not said yet that others
 * may lock it; or was left so? */
static bool is_closed(const peri_schema_t *s, int error)
{
    return error == EACCES && access(s->folder, W_OK | X_OK) == 0;
}

/* Who may write to the folder may lock, whatever umask and group the one has who made the
 * file. One that can be read only is left from before; it goes with the lock. */
static int open_lock(const peri_schema_t *s, const char *path)
{
    const int flags = O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    struct stat folder, st;
    const bool known = stat(s->folder, &folder) == 0;
    const mode_t mode = known ? 0200 | (folder.st_mode & 0222) : 0200;
    int fd = open(path, O_WRONLY | flags, mode);
    if (fd < 0 && is_closed(s, errno)) fd = open(path, O_RDONLY | flags, mode);
    if (fd < 0 || fstat(fd, &st) || st.st_uid != geteuid()) return fd;
    if (known && st.st_gid != folder.st_gid && fchown(fd, (uid_t)-1, folder.st_gid) == 0)
        st.st_mode = 0;
    if ((st.st_mode & 0777) != mode) (void)fchmod(fd, mode);
    return fd;
}

static bool is_the_one(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static void sleep_some(double *pause)
{
    const struct timespec t = {0, (long)(*pause * 1e9)};
    nanosleep(&t, NULL);
    *pause = *pause * 1.5 < SLEEP_MAX ? *pause * 1.5 : SLEEP_MAX;
}

/* -1: errno says why; EWOULDBLOCK: another one has it, and still does. */
static int wait_for(const peri_schema_t *s, const char *path)
{
    const double until = peri_now() + peri_mydb_patience;
    double pause = 0.005;
    for (;;) {
        const int fd = open_lock(s, path);
        const bool got = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
        const int error = errno;
        if (got && is_the_one(fd, path)) return fd;
        if (fd >= 0) close(fd);
        errno = error;
        if (!got && !(fd >= 0 && (error == EWOULDBLOCK || error == EINTR)) &&
            !is_closed(s, error) && error != ESTALE)
            return -1;
        if (peri_now() >= until) {
            errno = fd < 0 ? error : EWOULDBLOCK;
            return -1;
        }
        if (!got) sleep_some(&pause);
    }
}

int peri_mydb_lock(const peri_schema_t *s, const char *name, peri_err_t *err)
{
    char *path = lock_path(s, name);
    const int fd = wait_for(s, path), why = errno;
    free(path);
    if (fd >= 0) return fd;
    if (why == EWOULDBLOCK)
        return peri_err_set(err, PERI_EBUSY,
                            "%s.%s is being changed by somebody else, and still is after "
                            "%g seconds: try again later",
                            s->name, name, peri_mydb_patience);
    if (why == ENOLCK || why == ENOSYS || why == EOPNOTSUPP)
        return peri_err_set(err, PERI_EUNSUPP,
                            "the file system of %s cannot lock files, which tables need: "
                            "mount it so that flock works",
                            s->folder);
    if (why == ELOOP)
        return peri_err_set(err, PERI_ECONFLICT,
                            "%s/" LOCK "%s is a symbolic link, where the lock of %s.%s "
                            "would lie: remove it",
                            s->folder, name, s->name, name);
    if (is_closed(s, why))
        return peri_err_set(err, PERI_EDENIED,
                            "%s.%s cannot be changed: %s/" LOCK
                            "%s is somebody else's and "
                            "closed to you. Remove it, if nobody changes the table",
                            s->name, name, s->folder, name);
    return peri_err_set(err,
                        why == EACCES || why == EROFS    ? PERI_EDENIED
                        : why == ENOSPC || why == EDQUOT ? PERI_EFULL
                                                         : PERI_EIO,
                        "%s.%s cannot be changed: %s/" LOCK "%s: %s", s->name, name,
                        s->folder, name, strerror(why));
}

void peri_mydb_unlock(const peri_schema_t *s, const char *name, int lock)
{
    if (lock < 0) return;
    char *path = lock_path(s, name);
    if (is_the_one(lock, path)) unlink(path);
    free(path);
    close(lock);
}

/* ---- temporaries ---- */

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

int64_t peri_mydb_temporaries(const char *folder, const char *begin, bool remove)
{
    int64_t bytes = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        const char *name = e->d_name;
        if (!begins(name, begin) && !(name[0] == '.' && begins(name + 1, begin)))
            continue;
        if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) || S_ISDIR(st.st_mode))
            continue;
        if (S_ISREG(st.st_mode)) bytes += (int64_t)st.st_size;
        if (remove) unlinkat(dirfd(dir), name, 0);
    }
    if (dir) closedir(dir);
    return bytes;
}

/* The name that a temporary is of: ".NAME.h5.new-...", with one dot more while core/out
 * writes it. */
static bool temporary_of(const char *file, char name[PERI_MYDB_NAME])
{
    if (*file++ != '.') return false;
    if (*file == '.') file++;
    const char *end = strchr(file, '.');
    size_t n = end ? (size_t)(end - file) : 0;
    if (n == 0 || n >= PERI_MYDB_NAME) return false;
    if (!begins(end, PERI_MYDB_TABLE_END PERI_MYDB_NEW) &&
        !begins(end, PERI_MYDB_VIEW_END PERI_MYDB_NEW))
        return false;
    char given[PERI_MYDB_NAME];
    memcpy(given, file, n);
    given[n] = 0;
    return peri_mydb_name(given, name, NULL) == 0;
}

/* -1: somebody has it. */
static int try_lock(const peri_schema_t *s, const char *name)
{
    char *path = lock_path(s, name);
    int fd = open_lock(s, path);
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) || !is_the_one(fd, path))) {
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

void peri_mydb_sweep(const peri_schema_t *s, const char *own)
{
    DIR *dir = opendir(s->folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char name[PERI_MYDB_NAME];
        const bool is_lock = begins(e->d_name, LOCK) &&
                             peri_mydb_name(e->d_name + strlen(LOCK), name, NULL) == 0;
        if (!is_lock && !temporary_of(e->d_name, name)) continue;
        const bool is_own = strcmp(name, own) == 0;
        const int lock = is_own ? -1 : try_lock(s, name);
        /* Whoever has no lock is dead: the kernel has let it go. */
        if (!is_lock && (is_own || lock >= 0)) unlinkat(dirfd(dir), e->d_name, 0);
        peri_mydb_unlock(s, name, lock);
    }
    if (dir) closedir(dir);
}
