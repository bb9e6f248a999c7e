/* tempdir.c - see tempdir.h. */
#include "core/query/tempdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

#define MAX_TRIES 10

static const char *const prefixes[] = {"perigee-spill-", "perigee-kernels-"};

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return false;
}

/* Descriptor of this user's folder with a lock on it (how: as for flock), or -1. */
static int lock_folder(int at, const char *name, int how)
{
    struct stat st;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    /* The owner first: a lock of somebody else's may never come. */
    if (fstat(fd, &st) == 0) {
        if (st.st_uid != geteuid())
            errno = EPERM;
        else if (flock(fd, how) == 0)
            return fd;
    }
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* Remove what killed processes of this user left. */
static void sweep(const char *below)
{
    DIR *d = opendir(below);
    if (!d) return;
    for (const struct dirent *e; (e = readdir(d));) {
        if (!is_ours(e->d_name)) continue;
        int fd = lock_folder(dirfd(d), e->d_name, LOCK_EX | LOCK_NB);
        if (fd < 0) continue;
        char *path = peri_xasprintf("%s/%s", below, e->d_name);
        peri_folder_sweep(path);
        free(path);
        close(fd);
    }
    closedir(d);
}

/* A sweeper may have come between making and locking: then the folder is gone. Several
 * users of a folder lock it, hence shared. */
static bool hold(peri_tempdir_t *t, const char *path)
{
    struct stat st;
    int fd = lock_folder(AT_FDCWD, path, LOCK_SH);
    if (fd < 0) return false;
    if (fstat(fd, &st) || st.st_nlink == 0) {
        close(fd);
        return false;
    }
    *t = (peri_tempdir_t){.path = peri_xstrdup(path), .lock = fd};
    return true;
}

int peri_tempdir_make(peri_tempdir_t *t, peri_temp_t kind, const char *below,
                      peri_err_t *err)
{
    if (!below) below = getenv("TMPDIR");
    if (!below || !*below) below = "/tmp";
    sweep(below);
    bool held = false, made = true;
    for (int tries = 0; tries < MAX_TRIES && made && !held; tries++) {
        char *path = peri_xasprintf("%s/%sXXXXXX", below, prefixes[kind]);
        made = mkdtemp(path) != NULL;
        if (!made)
            peri_err_set(
                err, PERI_EIO,
                "cannot make a temporary folder below %s: %m (choose another with "
                "--temp-dir)",
                below);
        held = made && hold(t, path);
        if (made && !held) rmdir(path);
        free(path);
    }
    if (made && !held)
        peri_err_set(err, PERI_EIO,
                     "cannot lock a temporary folder below %s (choose another with "
                     "--temp-dir)",
                     below);
    return held ? 0 : -1;
}

int peri_tempdir_join(peri_tempdir_t *t, const char *path, peri_err_t *err)
{
    const char *slash = strrchr(path, '/');
    char *below = peri_xasprintf("%.*s", slash ? (int)(slash - path) : 0, path);
    int rc = *below ? peri_mkdirs(below, err) : 0;
    if (rc == 0) {
        sweep(*below ? below : slash ? "/" : ".");
        bool held = false, made = true;
        for (int tries = 0; tries < MAX_TRIES && made && !held; tries++) {
            made = mkdir(path, 0700) == 0 || errno == EEXIST;
            held = made && hold(t, path);
        }
        if (!held)
            rc =
                peri_err_set(err, PERI_EIO,
                             "cannot %s the temporary folder %s: %m (choose another with "
                             "--temp-dir)",
                             made ? "lock" : "make", path);
    }
    free(below);
    return rc;
}

void peri_tempdir_remove(peri_tempdir_t *t)
{
    if (!t->path) return;
    peri_folder_sweep(t->path);
    close(t->lock);
    free(t->path);
    t->path = NULL;
}
