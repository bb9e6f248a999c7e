/* file.c - opening HDF5 files read-only, saying exactly what is wrong with those that
 * aren't, and reading bytes of them.
 *
 * Links and the places they may lead to: link.c and policy.c. A file is shared by
 * threads; everything but the reference count and the lists of linked and of held files
 * is fixed at open.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/h5/private.h"

static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

/* Where the superblock starts (0, 512, 1024, ...) or -1. */
static int64_t find_signature(int fd, uint64_t size)
{
    unsigned char b[8];
    for (uint64_t at = 0; at + 8 <= size; at = at ? at * 2 : 512)
        if (pread(fd, b, 8, (off_t)at) == 8 && memcmp(b, signature, 8) == 0)
            return (int64_t)at;
    return -1;
}

/* The end of the file as the superblock says it, or 0 if that cannot be read. */
static uint64_t stored_end(int fd, uint64_t at)
{
    unsigned char b[64] = {0};
    if (pread(fd, b, sizeof(b), (off_t)at) < 48) return 0;
    unsigned version = b[8], size_at = version < 2 ? 13 : 9;
    size_t end_at = version == 0 ? 40 : version == 1 ? 44 : 28;
    uint64_t end;
    if (version > 3 || b[size_at] != 8) return 0;
    memcpy(&end, b + end_at, 8);
    return le64toh(end);
}

/* ---- held files ---- */

static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;
static peri_h5file_t *held; /* few */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

void peri_h5file_hold(peri_h5file_t *f)
{
    pthread_mutex_lock(&held_lock);
    if (f->holds++ == 0) {
        f->next_held = held;
        held = f;
    }
    pthread_mutex_unlock(&held_lock);
    peri_h5file_ref(f);
}

void peri_h5file_release(peri_h5file_t *f)
{
    pthread_mutex_lock(&held_lock);
    if (--f->holds == 0) {
        peri_h5file_t **at = &held;
        while (*at != f) at = &(*at)->next_held;
        *at = f->next_held;
    }
    pthread_mutex_unlock(&held_lock);
    peri_h5file_unref(f);
}

/* A new reference, or NULL. */
static peri_h5file_t *find_held(const char *path, const char *root)
{
    pthread_mutex_lock(&held_lock);
    peri_h5file_t *f = held;
    while (f && !(same_text(f->path, path) && same_text(f->root, root))) f = f->next_held;
    if (f) peri_h5file_ref(f);
    pthread_mutex_unlock(&held_lock);
    return f;
}

/* ---- opening ---- */

/* HDF5 refused the file: find out why by looking ourselves. */
static int explain(const char *path, uint64_t size, const char *why, peri_err_t *err)
{
    char has[16], wants[16];
    peri_human_bytes(size, has);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return peri_err_set(err, PERI_EIO, "cannot open %s: %s", path, strerror(errno));
    int64_t at = find_signature(fd, size);
    uint64_t end = at >= 0 ? stored_end(fd, (uint64_t)at) : 0;
    close(fd);
    if (at < 0)
        return peri_err_set(err, PERI_EFORMAT,
                            "%s is not an HDF5 file (%s, without the HDF5 signature)",
                            path, has);
    if (end != UINT64_MAX && end > size - (uint64_t)at)
        return peri_err_set(
            err, PERI_EFORMAT,
            "%s is truncated: it has %s (%llu bytes), but its header says "
            "%s; copy or produce it again",
            path, has, (unsigned long long)size, peri_human_bytes(end, wants));
    return peri_err_set(err, PERI_EFORMAT, "%s (%s) is a damaged HDF5 file: %s", path,
                        has, why);
}

/* The checks before HDF5 sees the file; *real becomes the caller's, NULL if the file has
 * no name any more (one that is known by its descriptor, as what came by a pipe). */
static int look(const char *path, const char *root, char **real, struct stat *st,
                peri_err_t *err)
{
    *real = realpath(path, NULL);
    /* Without a name it is in no folder, so under no root. */
    const bool named = *real || root;
    if ((named && !*real) || stat(named ? *real : path, st) != 0) {
        peri_code_t code = errno == ENOENT || errno == ENOTDIR ? PERI_ENOTFOUND
                           : errno == EACCES                   ? PERI_EDENIED
                                                               : PERI_EIO;
        return peri_err_set(err, code, "cannot open %s: %s", path, strerror(errno));
    }
    if (root && !peri_path_is_below(*real, root))
        return peri_err_set(err, PERI_EDENIED,
                            "%s is refused: it lies outside of %s, the folder that this "
                            "query may read",
                            path, root);
    if (!S_ISREG(st->st_mode))
        return peri_err_set(err, PERI_EFORMAT, "%s is %s, not an HDF5 file", path,
                            S_ISDIR(st->st_mode) ? "a folder" : "not a regular file");
    if (access(named ? *real : path, R_OK) != 0)
        return peri_err_set(err, PERI_EDENIED, "%s may not be read by you: %s", path,
                            strerror(errno));
    if (st->st_size == 0)
        return peri_err_set(err, PERI_EFORMAT, "%s is empty (0 bytes)", path);
    return 0;
}

/* HDF5 asks for the real path of what its usual driver opens: one without a name is read
 * by another. */
static hid_t open_nameless(const char *path)
{
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_stdio(fapl);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, fapl);
    H5Pclose(fapl);
    return file;
}

static int open_hdf5(peri_h5file_t *f, bool named, peri_err_t *err)
{
    char why[256];
    int *fd = NULL;
    hsize_t base = 0;
    peri_h5_enter(f->path, H5_BUSY_META);
    f->hid =
        named ? H5Fopen(f->real, H5F_ACC_RDONLY, H5P_DEFAULT) : open_nameless(f->real);
    hid_t fcpl = f->hid < 0 ? -1 : H5Fget_create_plist(f->hid);
    if (fcpl < 0 || H5Pget_userblock(fcpl, &base) < 0 ||
        H5Fget_vfd_handle(f->hid, H5P_DEFAULT, (void **)&fd) < 0 || !fd) {
        peri_h5_why(why);
        if (f->hid >= 0) H5Fclose(f->hid);
        f->hid = -1;
    }
    if (fcpl >= 0) H5Pclose(fcpl);
    peri_h5_leave();
    if (f->hid < 0) return explain(f->real, f->size, why, err);
    /* That driver's handle is a stream. */
    f->fd = named ? *fd : fileno(*(FILE **)(void *)fd);
    f->base = base;
    return 0;
}

peri_h5file_t *peri_h5file_open(const char *path, const char *root, peri_err_t *err)
{
    struct stat st;
    char *real = NULL;
    peri_h5file_t *f = find_held(path, root);
    if (f) return f;
    if (look(path, root, &real, &st, err) != 0) {
        free(real);
        return NULL;
    }
    f = peri_xcalloc(1, sizeof(*f));
    atomic_init(&f->refs, 1);
    f->hid = -1;
    f->path = peri_xstrdup(path);
    f->root = root ? peri_xstrdup(root) : NULL;
    f->real = real ? real : peri_xstrdup(path);
    f->size = (uint64_t)st.st_size;
    f->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    f->inode = (uint64_t)st.st_ino;
    if (open_hdf5(f, real != NULL, err) != 0) {
        peri_h5file_unref(f);
        return NULL;
    }
    return f;
}

peri_h5file_t *peri_h5file_ref(peri_h5file_t *f)
{
    atomic_fetch_add(&f->refs, 1);
    return f;
}

void peri_h5_attrs_close(peri_h5file_t *f)
{
    if (!f->attrs_path) return;
    H5Oclose(f->attrs_of);
    peri_h5file_unref(f->attrs_in);
    free(f->attrs_path);
    f->attrs_path = NULL;
    f->attrs_in = NULL;
}

void peri_h5file_unref(peri_h5file_t *f)
{
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1) return;
    if (f->attrs_path) {
        peri_h5_enter(f->path, H5_BUSY_META);
        peri_h5_attrs_close(f);
        peri_h5_leave();
    }
    for (size_t i = 0; i < f->nlinked; i++) peri_h5file_unref(f->linked[i]);
    if (f->hid >= 0) {
        peri_h5_enter(f->path, H5_BUSY_META);
        H5Fclose(f->hid);
        peri_h5_leave();
    }
    peri_h5_forget(f->path);
    free(f->linked);
    free(f->path);
    free(f->real);
    free(f->root);
    free(f);
}

hid_t peri_h5file_hid(const peri_h5file_t *f)
{
    return f->hid;
}

const char *peri_h5file_path(const peri_h5file_t *f)
{
    return f->path;
}

void peri_h5file_stat(const peri_h5file_t *f, uint64_t *size, int64_t *mtime_ns,
                      uint64_t *inode)
{
    if (size) *size = f->size;
    if (mtime_ns) *mtime_ns = f->mtime_ns;
    if (inode) *inode = f->inode;
}

int peri_h5file_pread(const peri_h5file_t *f, void *buf, size_t n, uint64_t off,
                      peri_err_t *err)
{
    uint8_t *to = buf;
    while (n > 0) {
        ssize_t got = off > INT64_MAX ? 0 : pread(f->fd, to, n, (off_t)off);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return peri_err_set(err, PERI_EIO, "cannot read %s: %s", f->path,
                                strerror(errno));
        if (got == 0)
            return peri_err_set(
                err, PERI_EFORMAT,
                "%s is truncated or damaged: data is expected at byte %llu, "
                "the file has %llu bytes",
                f->path, (unsigned long long)off, (unsigned long long)f->size);
        to += got;
        off += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}
