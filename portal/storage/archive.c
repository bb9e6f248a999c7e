/* archive.c - see archive.h. libarchive makes the bytes: one step appends to `out`, the
 * reader takes from it, and the next step comes when it is empty. */
#include "portal/storage/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "portal/storage/path.h"

#define BLOCK     ((size_t)128 << 10)
#define OUT_MAX   ((size_t)1 << 30) /* the end of a zip with ten million files */
#define NOTES_MAX ((size_t)256 << 10)

struct peri_archive {
    struct archive *ar;
    struct archive_entry *entry;
    peri_archivekind_t kind;
    char *top;
    const peri_stop_t *stop;
    peri_walk_t *walk;
    locale_t utf8; /* libarchive asks the locale what names are */
    bool started, done, over;
    peri_buf_t out;
    size_t taken; /* of out */
    /* the file that is read */
    int fd; /* -1: none */
    uint64_t left;
    char *path, *block;
    /* what goes into the text at the end */
    peri_buf_t notes;
    uint64_t unsaid;
    bool notes_name_taken;
};

static la_ssize_t on_bytes(struct archive *ar, void *arg, const void *data, size_t len)
{
    (void)ar;
    peri_archive_t *a = arg;
    /* libarchive wants to write its end also when nobody reads any more. */
    return a->over || peri_buf_append(&a->out, data, len) ? -1 : (la_ssize_t)len;
}

static int failed(peri_archive_t *a, peri_err_t *err)
{
    const char *text = archive_error_string(a->ar);
    return peri_err_set(err, PERI_EINTERNAL, "the archive cannot be made: %s",
                        text ? text : "unknown reason");
}

static void note(peri_archive_t *a, const char *path, const char *what)
{
    if (a->notes.len > NOTES_MAX - 8192)
        a->unsaid++;
    else
        peri_buf_printf(&a->notes, "%s: %s\n", path, what);
}

peri_archive_t *peri_archive_new(int folder, const peri_archiving_t *how, peri_err_t *err)
{
    peri_archive_t *a = peri_xcalloc(1, sizeof(*a));
    a->fd = -1;
    a->kind = how->kind;
    a->stop = how->stop;
    a->top = peri_xstrdup(how->top);
    peri_buf_init(&a->out, OUT_MAX);
    peri_buf_init(&a->notes, NOTES_MAX);
    a->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    a->ar = archive_write_new();
    a->entry = archive_entry_new();
    a->walk = peri_walk_new(folder, how->hidden);
    if (!a->walk) {
        peri_path_errno(err, errno, "read", how->top);
        goto fail;
    }
    if (!a->utf8 || !a->ar || !a->entry) {
        peri_err_set(err, PERI_EINTERNAL, "an archive cannot be made on this machine");
        goto fail;
    }
    int rc = a->kind == PERI_ARCHIVE_ZIP ? archive_write_set_format_zip(a->ar)
                                         : archive_write_set_format_pax_restricted(a->ar);
    if (rc == ARCHIVE_OK && a->kind == PERI_ARCHIVE_ZIP)
        rc = how->deflate ? archive_write_zip_set_compression_deflate(a->ar)
                          : archive_write_zip_set_compression_store(a->ar);
    if (rc != ARCHIVE_OK || archive_write_set_bytes_per_block(a->ar, 0) != ARCHIVE_OK ||
        archive_write_open(a->ar, a, NULL, on_bytes, NULL) != ARCHIVE_OK) {
        failed(a, err);
        goto fail;
    }
    a->block = peri_xmalloc(BLOCK);
    return a;
fail:
    peri_archive_free(a);
    return NULL;
}

void peri_archive_free(peri_archive_t *a)
{
    if (!a) return;
    if (a->fd >= 0) close(a->fd);
    a->over = true;
    if (a->ar) archive_write_free(a->ar);
    if (a->entry) archive_entry_free(a->entry);
    if (a->utf8) freelocale(a->utf8);
    peri_walk_free(a->walk);
    peri_buf_free(&a->out);
    peri_buf_free(&a->notes);
    free(a->path);
    free(a->block);
    free(a->top);
    free(a);
}

/* ---- entries ---- */

/* TOP/PATH with "_" for what a name should not have. Caller frees. */
static char *entry_path(const peri_archive_t *a, const char *path)
{
    char *s = peri_xasprintf("%s%s%s", a->top, path ? "/" : "", path ? path : "");
    for (char *name = s; *name;) {
        size_t n = strcspn(name, "/");
        bool valid = peri_utf8_valid(name, n);
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)name[i];
            if (c < 0x20 || c == 0x7f || (!valid && c >= 0x80)) name[i] = '_';
        }
        name += n + (name[n] == '/');
    }
    return s;
}

static int header(peri_archive_t *a, const char *path, const struct stat *st,
                  uint64_t size, peri_err_t *err)
{
    bool folder = S_ISDIR(st->st_mode);
    archive_entry_clear(a->entry);
    archive_entry_copy_pathname(a->entry, path);
    archive_entry_set_filetype(a->entry, folder ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(a->entry, folder || (st->st_mode & 0100) ? 0755 : 0644);
    archive_entry_set_mtime(a->entry, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    archive_entry_set_size(a->entry, folder ? 0 : (la_int64_t)size);
    int rc = archive_write_header(a->ar, a->entry);
    return rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? 0 : failed(a, err);
}

static int data(peri_archive_t *a, const char *bytes, size_t n, peri_err_t *err)
{
    while (n) {
        la_ssize_t w = archive_write_data(a->ar, bytes, n);
        if (w <= 0) return failed(a, err);
        bytes += w;
        n -= (size_t)w;
    }
    return 0;
}

static int file_end(peri_archive_t *a, peri_err_t *err)
{
    char more;
    if (a->left)
        note(a, a->path,
             a->kind == PERI_ARCHIVE_TAR
                 ? "became shorter or unreadable while it was read; its end is zeros"
                 : "became shorter or unreadable while it was read; its end is missing");
    else if (read(a->fd, &more, 1) == 1)
        note(a, a->path, "grew while it was read; what was added is missing");
    close(a->fd);
    a->fd = -1;
    free(a->path);
    a->path = NULL;
    return archive_write_finish_entry(a->ar) < ARCHIVE_WARN ? failed(a, err) : 0;
}

static int file_step(peri_archive_t *a, peri_err_t *err)
{
    size_t want = a->left < BLOCK ? (size_t)a->left : BLOCK;
    ssize_t n = want ? read(a->fd, a->block, want) : 0;
    if (n < 0 && errno == EINTR) return 0;
    if (n <= 0) return file_end(a, err);
    a->left -= (uint64_t)n;
    return data(a, a->block, (size_t)n, err);
}

static int file_start(peri_archive_t *a, const peri_visit_t *v, char *path,
                      peri_err_t *err)
{
    struct stat st;
    int fd = peri_path_file_at(v->parent, v->name, O_RDONLY, &st);
    if (fd < 0) {
        note(a, path, errno == ENOENT ? "vanished" : strerror(errno));
        free(path);
        return 0;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    a->fd = fd;
    a->left = (uint64_t)st.st_size;
    a->path = path;
    return header(a, path, &st, a->left, err);
}

static const char notes_name[] = "LEFT-OUT.txt";

static int notes_write(peri_archive_t *a, peri_err_t *err)
{
    static const char head[] = "Not in this archive, or not as in the folder:\n";
    if (!a->notes.len) return 0;
    if (a->unsaid)
        peri_buf_printf(&a->notes, "and %llu more\n", (unsigned long long)a->unsaid);
    if (peri_buf_check(&a->notes, "the text of what was left out", err)) return -1;
    struct stat st = {.st_mode = S_IFREG | 0644};
    clock_gettime(CLOCK_REALTIME, &st.st_mtim);
    char *path = peri_xasprintf("%s/%s%s", a->top, a->notes_name_taken ? "PERIGEE-" : "",
                                notes_name);
    int rc = header(a, path, &st, sizeof(head) - 1 + a->notes.len, err);
    free(path);
    if (rc || data(a, head, sizeof(head) - 1, err) ||
        data(a, a->notes.data, a->notes.len, err))
        return -1;
    return archive_write_finish_entry(a->ar) < ARCHIVE_WARN ? failed(a, err) : 0;
}

static int visit(peri_archive_t *a, const peri_visit_t *v, peri_err_t *err)
{
    if (v->event == PERI_WALK_LEAVE) return 0;
    if (v->depth == 0 && !strcmp(v->name, notes_name)) a->notes_name_taken = true;
    char *path = entry_path(a, v->path);
    int rc = 0;
    if (v->event == PERI_WALK_ENTRY && S_ISREG(v->st.st_mode))
        return file_start(a, v, path, err); /* takes path */
    if (v->event == PERI_WALK_ENTER)
        rc = header(a, path, &v->st, 0, err);
    else if (v->event == PERI_WALK_FAILED)
        note(a, path,
             v->error == E2BIG ? "too many levels of folders" : strerror(v->error));
    else
        note(a, path, S_ISLNK(v->st.st_mode) ? "a link" : "neither a file nor a folder");
    free(path);
    return rc;
}

static int step(peri_archive_t *a, peri_err_t *err)
{
    peri_visit_t v;
    if (a->fd >= 0) return file_step(a, err);
    if (!a->started) {
        struct stat st = {.st_mode = S_IFDIR};
        clock_gettime(CLOCK_REALTIME, &st.st_mtim);
        a->started = true;
        char *path = entry_path(a, NULL);
        int rc = header(a, path, &st, 0, err);
        free(path);
        return rc;
    }
    if (peri_walk_next(a->walk, &v)) return visit(a, &v, err);
    a->done = true;
    if (notes_write(a, err)) return -1;
    return archive_write_close(a->ar) < ARCHIVE_WARN ? failed(a, err) : 0;
}

ssize_t peri_archive_read(peri_archive_t *a, void *buf, size_t max, peri_err_t *err)
{
    int rc = 0;
    if (a->taken == a->out.len) {
        peri_buf_clear(&a->out);
        a->taken = 0;
    }
    locale_t old = uselocale(a->utf8);
    while (!rc && !a->done && a->out.len < max)
        rc = peri_stop_check(a->stop, err) ? -1 : step(a, err);
    uselocale(old);
    if (rc) return -1;
    size_t n = a->out.len - a->taken;
    if (n > max) n = max;
    memcpy(buf, a->out.data + a->taken, n);
    a->taken += n;
    return (ssize_t)n;
}
