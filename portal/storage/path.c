/* path.c - see path.h. */
#include "portal/storage/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/util.h"

#define ALWAYS (O_CLOEXEC | O_NOFOLLOW | O_NOCTTY)
#define FOLDER (O_RDONLY | O_DIRECTORY)
#define AGAIN  100 /* times openat2 may say that something was renamed meanwhile */

/* ---- names ---- */

static bool has_control(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f) return true;
        if (p[i] == 0xc2 && i + 1 < n && p[i + 1] < 0xa0) return true; /* C1 */
    }
    return false;
}

/* Why a name is none, as the end of "a name ...", or NULL. */
static const char *name_fault(const char *s, size_t n)
{
    if (n == 0) return "must not be empty (is there a \"//\" in the path?)";
    if (n > PERI_NAME_MAX) return "can have at most 255 bytes";
    if (n == 1 && s[0] == '.') return "must not be \".\"";
    if (n == 2 && s[0] == '.' && s[1] == '.') return "must not be \"..\"";
    if (memchr(s, '/', n)) return "must not have a \"/\"";
    if (!peri_utf8_valid(s, n)) return "must be valid UTF-8";
    if (has_control(s, n)) return "must not have control characters";
    return NULL;
}

bool peri_filename_ok(const char *name, size_t len)
{
    return !name_fault(name, len);
}

int peri_filename_check(const char *name, size_t len, peri_err_t *err)
{
    const char *fault = name_fault(name, len);
    if (!fault) return 0;
    /* The name itself only if it can be shown. */
    if (len && len <= PERI_NAME_MAX && peri_utf8_valid(name, len) &&
        !has_control(name, len))
        return peri_err_set(err, PERI_EINVAL, "a name %s: \"%.*s\"", fault, (int)len,
                            name);
    return peri_err_set(err, PERI_EINVAL, "a name %s", fault);
}

const char *peri_path_clean(peri_arena_t *a, const char *path, size_t len,
                            peri_err_t *err)
{
    if (len && path[0] == '/') path++, len--;
    if (len && path[len - 1] == '/') len--;
    if (len > PERI_PATH_MAX) {
        peri_err_set(err, PERI_EINVAL,
                     "a path can have at most %d bytes, this one has %zu", PERI_PATH_MAX,
                     len);
        return NULL;
    }
    int levels = 0;
    for (size_t i = 0; i < len; levels++) {
        const char *slash = memchr(path + i, '/', len - i);
        size_t n = slash ? (size_t)(slash - path) - i : len - i;
        if (peri_filename_check(path + i, n, err)) return NULL;
        if (levels == 0 && n == strlen(PERI_PATH_PRIVATE) &&
            memcmp(path, PERI_PATH_PRIVATE, n) == 0) {
            peri_err_set(err, PERI_EINVAL,
                         "the name \"" PERI_PATH_PRIVATE
                         "\" at the top of a volume is kept for Perigee itself: choose "
                         "another one");
            return NULL;
        }
        i += n + 1;
        if (slash && i == len) { /* "a//" */
            peri_filename_check("", 0, err);
            return NULL;
        }
    }
    if (levels > PERI_PATH_LEVELS) {
        peri_err_set(err, PERI_EINVAL,
                     "a path can have at most %d levels, this one has %d",
                     PERI_PATH_LEVELS, levels);
        return NULL;
    }
    return peri_arena_strndup(a, path, len);
}

const char *peri_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool peri_path_within(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return n == 0 ||
           (strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/'));
}

/* ---- sentences ---- */

int peri_path_errno(peri_err_t *err, int error, const char *doing, const char *path)
{
    const char *shown = *path ? path : "the volume's top folder";
    switch (error) {
    case ENOENT:
        return peri_err_set(err, PERI_ENOTFOUND, "there is no file or folder \"%s\"",
                            shown);
    case ENOTDIR:
        return peri_err_set(err, PERI_ENOTFOUND,
                            "\"%s\" is not a folder, or leads through something that is "
                            "none",
                            shown);
    case EISDIR:
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is a folder, not a file", shown);
    case ELOOP:
    case EXDEV:
        return peri_err_set(
            err, PERI_EDENIED,
            "\"%s\" is a link or leads through one: links are not followed", shown);
    case ENXIO:
    case ENODEV:
        return peri_err_set(
            err, PERI_EDENIED,
            "\"%s\" is neither a file nor a folder (a device, a pipe or a "
            "socket)",
            shown);
    case EACCES:
    case EPERM:
    case EROFS:
        return peri_err_set(err, PERI_EDENIED,
                            "the file system does not let us %s \"%s\": %s", doing, shown,
                            strerror(error));
    case ENAMETOOLONG:
        return peri_err_set(err, PERI_EINVAL, "the path \"%s\" is too long", shown);
    case ENOSPC:
    case EDQUOT:
        return peri_err_set(err, PERI_EFULL,
                            "cannot %s \"%s\": the disk is full; tell the administrator",
                            doing, shown);
    default:
        return peri_err_set(err, PERI_EIO, "cannot %s \"%s\": %s", doing, shown,
                            strerror(error));
    }
}

/* ---- resolving ---- */

static atomic_bool use_walk;

void peri_path_use_walk(bool walk)
{
    use_walk = walk;
}

/* From folder to folder; what is no folder on the way (so also a link) ends it. */
static int walk(int root, const char *path, int flags, mode_t mode)
{
    int at = root;
    for (;;) {
        const char *slash = strchr(path, '/');
        if (!slash) break;
        char name[PERI_NAME_MAX + 1];
        size_t n = (size_t)(slash - path);
        int next = -1, error = ENAMETOOLONG;
        if (n < sizeof(name)) {
            memcpy(name, path, n);
            name[n] = '\0';
            next = openat(at, name, O_PATH | O_DIRECTORY | ALWAYS);
            error = errno;
            struct stat st;
            if (next < 0 && error == ENOTDIR &&
                fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
                error = ELOOP;
        }
        if (at != root) close(at);
        errno = error;
        if (next < 0) return -1;
        at = next;
        path = slash + 1;
    }
    int fd = openat(at, path, flags | ALWAYS, mode);
    int error = errno;
    if (at != root) close(at);
    errno = error;
    return fd;
}

static int resolve(int root, const char *path, int flags, mode_t mode)
{
    if (!*path) path = ".";
    if (!use_walk) {
        struct open_how how = {.flags = (uint64_t)(flags | ALWAYS),
                               .mode = flags & O_CREAT ? mode : 0,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
                                          RESOLVE_NO_SYMLINKS};
        long fd = -1;
        for (int i = 0; i < AGAIN; i++) {
            fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
            if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
        }
        /* A container's filter may say EPERM to what it does not know. */
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return (int)fd;
    }
    return walk(root, path, flags, mode);
}

int peri_path_open_root(const char *folder, peri_err_t *err)
{
    int fd = open(folder, FOLDER | ALWAYS);
    if (fd < 0)
        return peri_err_set(err, errno == ENOENT ? PERI_ENOTFOUND : PERI_EIO,
                            "the folder of this volume cannot be opened (%s); tell the "
                            "administrator",
                            strerror(errno));
    return fd;
}

/* fd if it is a regular file; else closed, -1 and errno. */
static int only_file(int fd, struct stat *st)
{
    if (fd < 0) return -1;
    int error = 0;
    if (fstat(fd, st))
        error = errno;
    else if (S_ISDIR(st->st_mode))
        error = EISDIR;
    else if (!S_ISREG(st->st_mode))
        error = ENXIO;
    if (!error) return fd;
    close(fd);
    errno = error;
    return -1;
}

int peri_path_open_file(int root, const char *path, int flags, peri_err_t *err)
{
    struct stat st;
    /* Not waiting for the other end of a pipe; a regular file does not care. */
    int fd = only_file(resolve(root, path, flags | O_NONBLOCK, 0666), &st);
    if (fd >= 0) return fd;
    return peri_path_errno(err, errno, (flags & O_ACCMODE) == O_RDONLY ? "read" : "write",
                           path);
}

int peri_path_open_folder(int root, const char *path, peri_err_t *err)
{
    int fd = resolve(root, path, FOLDER, 0);
    return fd >= 0 ? fd : peri_path_errno(err, errno, "read", path);
}

static int parent(int root, const char *path, const char **name, char *buf)
{
    *name = peri_path_name(path);
    size_t n = (size_t)(*name - path);
    if (n > PERI_PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(buf, path, n);
    buf[n ? n - 1 : 0] = '\0';
    return resolve(root, buf, FOLDER, 0);
}

int peri_path_open_parent(int root, const char *path, const char **name, peri_err_t *err)
{
    char buf[PERI_PATH_MAX + 1];
    if (!*path)
        return peri_err_set(err, PERI_EINVAL,
                            "this cannot be done with the top folder of a volume: name a "
                            "file or folder in it");
    int fd = parent(root, path, name, buf);
    return fd >= 0 ? fd : peri_path_errno(err, errno, "open", buf);
}

int peri_path_stat(int root, const char *path, struct stat *st, peri_err_t *err)
{
    if (!*path) return fstat(root, st) ? peri_path_errno(err, errno, "read", path) : 0;
    char buf[PERI_PATH_MAX + 1];
    const char *name;
    int fd = parent(root, path, &name, buf);
    int rc = fd < 0 ? -1 : fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW);
    if (rc) peri_path_errno(err, errno, "read", path);
    if (fd >= 0) close(fd);
    return rc;
}

int peri_path_open_private(int root, const char *sub, peri_err_t *err)
{
    int fd = -1, top = -1;
    if (mkdirat(root, PERI_PATH_PRIVATE, 0700) && errno != EEXIST) goto fail;
    top = peri_path_folder_at(root, PERI_PATH_PRIVATE);
    if (top < 0) goto fail;
    if (mkdirat(top, sub, 0700) == 0) {
        if (fsync(top) || fsync(root)) goto fail;
    } else if (errno != EEXIST) {
        goto fail;
    }
    fd = peri_path_folder_at(top, sub);
    if (fd >= 0) goto out;
fail:
    peri_path_errno(err, errno, "open", PERI_PATH_PRIVATE);
out:
    if (top >= 0) close(top);
    return fd;
}

int peri_path_folder_at(int folder, const char *name)
{
    return openat(folder, name, FOLDER | ALWAYS);
}

int peri_path_file_at(int folder, const char *name, int flags, struct stat *st)
{
    return only_file(openat(folder, name, flags | O_NONBLOCK | ALWAYS, 0666), st);
}
