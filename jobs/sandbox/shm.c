/* shm.c - the /dev/shm that the ranks of one step share on one node, each in a sandbox of
 * its own.
 *
 * A folder of the machine's /dev/shm, named by the step. Everybody who uses it holds a
 * shared lock on it; who gets the exclusive one was the last, and removes it. What a
 * killed rank has left the next one on this node removes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/sandbox/shm.h"

#define PLACE  "/dev/shm"
#define PREFIX "perigee-ranks-"
enum { TRIES = 100 };

static int open_own(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid()) return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

static bool is_still(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
}

static void remove_unused(const char *path)
{
    int fd = open_own(path);
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still(fd, path)) peri_folder_sweep(path);
    close(fd);
}

static void sweep(const char *mine)
{
    DIR *d = opendir(PLACE);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[sizeof(PLACE) + 257];
        snprintf(path, sizeof(path), "%s/%s", PLACE, e->d_name);
        if (!strncmp(e->d_name, PREFIX, sizeof(PREFIX) - 1) && strcmp(path, mine))
            remove_unused(path);
    }
    if (d) closedir(d);
}

int peri_shm_take(const char *name, peri_arena_t *arena, const char **path,
                  peri_err_t *err)
{
    char *p =
        peri_arena_printf(arena, "%s/%s%u-%s", PLACE, PREFIX, (unsigned)geteuid(), name);
    for (char *s = p + sizeof(PLACE); *s; s++)
        if (*s == '/') *s = '.';
    sweep(p);
    for (int i = 0; i < TRIES; i++) {
        int fd = mkdir(p, 0700) && errno != EEXIST ? -1 : open_own(p);
        if (fd < 0 && errno == ENOENT) continue; /* the last one has just gone */
        if (fd < 0) break;
        if (flock(fd, LOCK_SH) == 0 && is_still(fd, p)) {
            *path = p;
            return fd;
        }
        close(fd);
    }
    return peri_err_set(err, PERI_EIO, "cannot make the folder %s for the ranks: %m", p);
}

void peri_shm_drop(int fd, const char *path)
{
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still(fd, path)) peri_folder_sweep(path);
    close(fd);
}
