/* lock.c - who may change a name now, and what dead writers have left.
 *
 * The lock is flock(2) on .lock-NAME, which ends with the process however that ends. The
 * file stays: a lock file that is removed can be locked by two, each on a file of its
 * own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/mydb/private.h"

#define LOCK      ".lock-"
#define SLEEP_MAX 0.2

double peri_mydb_patience = 60;

/* ---- locks ---- */

static int open_lock(const peri_schema_t *s, const char *name)
{
    const int flags = O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    char *path = peri_xasprintf("%s/" LOCK "%s", s->folder, name);
    int fd = open(path, O_RDWR | flags, 0666);
    /* Another member of the team has made it: reading is enough on a local disk. */
    if (fd < 0 && errno == EACCES) fd = open(path, O_RDONLY | flags, 0666);
    free(path);
    return fd;
}

static int wait_for(int fd)
{
    double until = peri_now() + peri_mydb_patience, pause = 0.005;
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) return -1;
        if (peri_now() >= until) {
            errno = EWOULDBLOCK;
            return -1;
        }
        struct timespec t = {0, (long)(pause * 1e9)};
        nanosleep(&t, NULL);
        pause = pause * 1.5 < SLEEP_MAX ? pause * 1.5 : SLEEP_MAX;
    }
    return 0;
}

int peri_mydb_lock(const peri_schema_t *s, const char *name, peri_err_t *err)
{
    int fd = open_lock(s, name);
    if (fd >= 0 && wait_for(fd) == 0) return fd;
    int why = errno;
    if (fd >= 0) close(fd);
    if (fd >= 0 && why == EWOULDBLOCK)
        return peri_err_set(err, PERI_EBUSY,
                            "%s.%s is being changed by somebody else, and still is after "
                            "%g seconds: try again later",
                            s->name, name, peri_mydb_patience);
    if (fd >= 0 && (why == ENOLCK || why == ENOSYS || why == EOPNOTSUPP))
        return peri_err_set(err, PERI_EUNSUPP,
                            "the file system of %s cannot lock files, which tables need: "
                            "mount it so that flock works",
                            s->folder);
    if (fd < 0 && why == ELOOP)
        return peri_err_set(err, PERI_ECONFLICT,
                            "%s/" LOCK "%s is a symbolic link, where the lock of %s.%s "
                            "would lie: remove it",
                            s->folder, name, s->name, name);
    return peri_err_set(err,
                        why == EACCES || why == EROFS    ? PERI_EDENIED
                        : why == ENOSPC || why == EDQUOT ? PERI_EFULL
                                                         : PERI_EIO,
                        "%s.%s cannot be changed: %s/" LOCK "%s: %s", s->name, name,
                        s->folder, name, strerror(why));
}

void peri_mydb_unlock(int lock)
{
    if (lock >= 0) close(lock);
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

void peri_mydb_sweep(const peri_schema_t *s, const char *own)
{
    DIR *dir = opendir(s->folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char name[PERI_MYDB_NAME];
        if (!temporary_of(e->d_name, name)) continue;
        int lock = -1;
        if (strcmp(name, own) != 0) {
            lock = open_lock(s, name);
            if (lock < 0) continue;
        }
        /* Whoever has no lock is dead: the kernel has let it go. */
        if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(dir), e->d_name, 0);
        peri_mydb_unlock(lock);
    }
    if (dir) closedir(dir);
}
