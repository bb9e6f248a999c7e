/* folder.c - uuids, paths and the making and opening of folders. Removing is in remove.c,
 * claims in claim.c.
 *
 * Threads: no state.
 */
#include "jobs/task/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

void peri_uuid_new(char *out)
{
    unsigned char b[16];
    size_t have = 0;
    while (have < sizeof(b)) {
        ssize_t n = getrandom(b + have, sizeof(b) - have, 0);
        if (n > 0) have += (size_t)n;
    }
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    char *p = out;
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
        p += sprintf(p, "%02x", b[i]);
    }
}

bool peri_uuid_valid(const char *s)
{
    if (!s || strlen(s) != PERI_UUID_LEN) return false;
    for (size_t i = 0; i < PERI_UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !strchr("0123456789abcdef", s[i])) return false;
    }
    return true;
}

/* ---- paths ---- */

char *peri_folder_job(const char *spool, const char *uuid)
{
    return peri_xasprintf("%s/%s", spool, uuid);
}

char *peri_folder_results(const char *spool, const char *uuid)
{
    return peri_xasprintf("%s/%s/results", spool, uuid);
}

char *peri_folder_attempt(const char *spool, const char *uuid, const char *step,
                          int attempt)
{
    return peri_xasprintf("%s/%s/%s/%d", spool, uuid, step, attempt);
}

char *peri_folder_task(const char *spool, const char *uuid, const char *step, int attempt,
                       int32_t index)
{
    return peri_xasprintf("%s/%s/%s/%d/%d", spool, uuid, step, attempt,
                          index < 0 ? 0 : (int)index);
}

/* ---- making ---- */

/* The folder NAME in `at`, made if need be, with this mode and owner. uid (uid_t)-1
 * leaves the owner. A descriptor, or -1 with errno. */
static int make_one(int at, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
    struct stat st;
    if (mkdirat(at, name, 0700) && errno != EEXIST) return -1;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    if (fstat(fd, &st)) goto bad;
    const bool give = uid != (uid_t)-1 && geteuid() == 0;
    if (give && (st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid)) goto bad;
    if ((st.st_mode & 07777) != mode && fchmod(fd, mode)) goto bad;
    return fd;
bad:;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

static bool name_fits(const char *name)
{
    return name && *name && *name != '.' && !strchr(name, '/') && strlen(name) < 200;
}

static int cannot_make(peri_err_t *err, const char *path)
{
    return peri_err_set(err, PERI_EIO, "cannot make the folder %s: %m", path);
}

int peri_folder_make(const char *spool, const char *uuid, const char *step, int attempt,
                     const int32_t *indexes, size_t nindexes, uid_t uid, gid_t gid,
                     peri_err_t *err)
{
    static const int32_t only[] = {0};
    char *path = peri_folder_attempt(spool, uuid, step ? step : "", attempt);
    char name[32];
    int at = -1, job = -1, of_step = -1, of_attempt = -1, rc = -1;
    if (!peri_uuid_valid(uuid) || !name_fits(step) || attempt < 0) {
        peri_err_set(err, PERI_EINVAL, "%s is not the folder of a submission", path);
        goto out;
    }
    if (peri_mkdirs(spool, err)) goto out;
    at = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at >= 0) job = make_one(at, uuid, 0711, -1, -1);
    if (job >= 0) {
        int results = make_one(job, "results", 0750, uid, gid);
        if (results >= 0) {
            close(results);
            of_step = make_one(job, step, 0711, -1, -1);
        }
    }
    snprintf(name, sizeof(name), "%d", attempt);
    if (of_step >= 0) of_attempt = make_one(of_step, name, 0711, -1, -1);
    if (of_attempt < 0) {
        cannot_make(err, path);
        goto out;
    }
    if (nindexes == 0) {
        indexes = only;
        nindexes = 1;
    }
    for (size_t i = 0; i < nindexes; i++) {
        snprintf(name, sizeof(name), "%d", indexes[i] < 0 ? 0 : (int)indexes[i]);
        int fd = make_one(of_attempt, name, 0750, uid, gid);
        if (fd < 0) {
            cannot_make(err, path);
            goto out;
        }
        close(fd);
    }
    rc = 0;
out:
    if (at >= 0) close(at);
    if (job >= 0) close(job);
    if (of_step >= 0) close(of_step);
    if (of_attempt >= 0) close(of_attempt);
    free(path);
    return rc;
}

/* ---- opening ---- */

int peri_folder_open(const char *task_folder, peri_err_t *err)
{
    int fd = open(task_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) return fd;
    if (errno == ENOENT)
        return peri_err_set(err, PERI_ENOTFOUND, "there is no folder %s", task_folder);
    if (errno == ENOTDIR || errno == ELOOP)
        return peri_err_set(err, PERI_EDENIED, "%s is not a folder", task_folder);
    return peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                        "cannot open the folder %s: %m", task_folder);
}

/* Somebody else's file that was linked into the folder is not the folder owner's to show.
 */
static bool is_foreign(int dirfd, const struct stat *st)
{
    struct stat dir;
    if (st->st_nlink <= 1) return false;
    return fstat(dirfd, &dir) != 0 || dir.st_uid != st->st_uid;
}

int peri_folder_open_file(int dirfd, const char *name, peri_err_t *err)
{
    struct stat st;
    if (!name_fits(name))
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is not the name of a file", name);
    int fd =
        openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            return peri_err_set(err, PERI_ENOTFOUND, "there is no file %s", name);
        const bool denied = errno == ELOOP || errno == EACCES || errno == ENXIO;
        return peri_err_set(
            err, denied ? PERI_EDENIED : PERI_EIO,
            errno == ELOOP ? "%s is a link: not followed" : "cannot open %s: %m", name);
    }
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || is_foreign(dirfd, &st)) {
        close(fd);
        return peri_err_set(err, PERI_EDENIED, "%s is not a plain file of this folder",
                            name);
    }
    return fd;
}
