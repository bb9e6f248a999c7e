/* tempdir.c - see tempdir.h. */
#include "core/query/tempdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

#define PREFIX "perigee-spill-"

/* Descriptor of the folder with the lock on it, or -1. */
static int lock_folder(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Remove what killed processes of this user left. */
static void sweep(const char *below)
{
    DIR *d = opendir(below);
    if (!d) return;
    for (const struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (strncmp(e->d_name, PREFIX, sizeof(PREFIX) - 1)) continue;
        int fd = lock_folder(dirfd(d), e->d_name);
        if (fd < 0) continue;
        if (fstat(fd, &st) == 0 && st.st_uid == geteuid()) {
            char *path = peri_xasprintf("%s/%s", below, e->d_name);
            peri_folder_sweep(path);
            free(path);
        }
        close(fd);
    }
    closedir(d);
}

int peri_tempdir_make(peri_tempdir_t *t, const char *below, peri_err_t *err)
{
    if (!below) below = getenv("TMPDIR");
    if (!below || !*below) below = "/tmp";
    sweep(below);
    /* A sweeper that came between making and locking has removed it: make another. */
    for (int tries = 0; tries < 10; tries++) {
        char *path = peri_xasprintf("%s/" PREFIX "XXXXXX", below);
        if (!mkdtemp(path)) {
            peri_err_set(
                err, PERI_EIO,
                "cannot make a temporary folder below %s: %m (choose another with "
                "--temp-dir)",
                below);
            free(path);
            return -1;
        }
        int fd = lock_folder(AT_FDCWD, path);
        struct stat st;
        if (fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink > 0) {
            t->path = path;
            t->lock = fd;
            return 0;
        }
        if (fd >= 0) close(fd);
        rmdir(path);
        free(path);
    }
    return peri_err_set(err, PERI_EIO,
                        "cannot lock a temporary folder below %s (choose another with "
                        "--temp-dir)",
                        below);
}

void peri_tempdir_remove(peri_tempdir_t *t)
{
    if (!t->path) return;
    peri_folder_sweep(t->path);
    close(t->lock);
    free(t->path);
    t->path = NULL;
}
