/* path.c - files and folders. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

int peri_file_slurp(const char *path, size_t max, char **out, size_t *len,
                    peri_err_t *err)
{
    char *data = NULL;
    size_t n = 0, cap = 65536;
    int rc = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return peri_err_set(err, errno == ENOENT ? PERI_ENOTFOUND : PERI_EIO,
                            "cannot open %s: %s", path, strerror(errno));
    for (;;) {
        data = peri_xrealloc(data, cap + 1, 1);
        ssize_t got = read(fd, data + n, cap - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            peri_err_set(err, PERI_EIO, "cannot read %s: %s", path, strerror(errno));
            goto out;
        }
        if (got == 0) break;
        n += (size_t)got;
        if (n > max) {
            peri_err_set(err, PERI_ELIMIT, "%s is larger than the %zu bytes allowed here",
                         path, max);
            goto out;
        }
        if (n == cap) cap *= 2;
    }
    data[n] = '\0';
    *out = data;
    if (len) *len = n;
    data = NULL;
    rc = 0;
out:
    close(fd);
    free(data);
    return rc;
}

int peri_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_with_mode(const char *path, const void *data, size_t len, mode_t mode,
                           peri_err_t *err)
{
    char *tmp = peri_xasprintf("%s.%ld.XXXXXX", path, (long)getpid());
    int rc = -1;
    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0) {
        peri_err_set(err, PERI_EIO, "cannot write beside %s: %s", path, strerror(errno));
        goto out;
    }
    mode_t mask = umask(0);
    umask(mask);
    if (peri_write_all(fd, data, len) || fchmod(fd, mode & ~mask) || fsync(fd)) {
        peri_err_set(err, PERI_EIO, "cannot write %s: %s", path, strerror(errno));
        goto out;
    }
    if (rename(tmp, path)) {
        peri_err_set(err, PERI_EIO, "cannot put %s in place: %s", path, strerror(errno));
        goto out;
    }
    rc = 0;
out:
    if (fd >= 0) {
        close(fd);
        if (rc) unlink(tmp);
    }
    free(tmp);
    return rc;
}

int peri_file_write_atomic(const char *path, const void *data, size_t len,
                           peri_err_t *err)
{
    return write_with_mode(path, data, len, 0666, err);
}

int peri_file_write_private(const char *path, const void *data, size_t len,
                            peri_err_t *err)
{
    return write_with_mode(path, data, len, 0600, err);
}

int peri_path_sync(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int rc = fsync(fd), saved = errno;
    /* Some network systems cannot sync a folder. */
    if (rc && saved == EINVAL && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) rc = 0;
    close(fd);
    errno = saved;
    return rc;
}

/* File systems without that call have link(2), which does not replace either. */
int peri_rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    if (link(from, to)) return -1;
    return unlink(from);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    remove(path);
    return 0;
}

void peri_folder_sweep(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int peri_mkdirs(const char *path, peri_err_t *err)
{
    char *copy = peri_xstrdup(path);
    int rc = 0;
    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/') continue;
        char c = *p;
        *p = '\0';
        if (mkdir(copy, 0777) && errno != EEXIST) {
            rc = peri_err_set(err, PERI_EIO, "cannot make the folder %s: %s", copy,
                              strerror(errno));
            break;
        }
        *p = c;
        if (!c) break;
    }
    free(copy);
    return rc;
}

int peri_file_nameless(const char *folder)
{
    int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
    char *name = peri_xasprintf("%s/.nameless-XXXXXX", folder);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) unlink(name);
    free(name);
    return fd;
}

char *peri_state_dir(void)
{
    const char *s = getenv("PERIGEE_STATE");
    if (s && *s) return peri_xstrdup(s);
    s = getenv("XDG_STATE_HOME");
    if (s && *s) return peri_xasprintf("%s/perigee", s);
    s = getenv("HOME");
    if (!s || !*s) {
        const struct passwd *pw = getpwuid(getuid());
        s = pw ? pw->pw_dir : "/tmp";
    }
    return peri_xasprintf("%s/.local/state/perigee", s);
}

bool peri_path_is_below(const char *resolved, const char *root)
{
    size_t n = strlen(root);
    while (n > 0 && root[n - 1] == '/') n--;
    return strncmp(resolved, root, n) == 0 && (resolved[n] == '\0' || resolved[n] == '/');
}
