/* send.c - files on their way out: by nginx, or by ourselves with ranges; folders as
 * archives.
 *
 * What a user has written is never a page of ours: it is an attachment, sandboxed, of a
 * type that no browser runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/api.h"
#include "portal/storage/archive.h"

/* ---- headers ---- */

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {"txt", "text/plain; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"log", "text/plain; charset=utf-8"},
        {"json", "application/json"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"pdf", "application/pdf"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"tar", "application/x-tar"},
        {"h5", "application/x-hdf5"},
        {"hdf5", "application/x-hdf5"},
        {"fits", "application/fits"},
        {"parquet", "application/vnd.apache.parquet"},
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
        if (!strcasecmp(dot + 1, types[i][0])) return types[i][1];
    return "application/octet-stream";
}

/* Percent-encoded but for what RFC 3986 calls unreserved, and `also`. */
static char *encoded(peri_arena_t *a, const char *s, const char *also)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *out = peri_arena_alloc(a, 3 * strlen(s) + 1), *p = out;
    for (; *s; s++) {
        if (strchr(plain, *s) || strchr(also, *s))
            *p++ = *s;
        else
            p += sprintf(p, "%%%02X", (unsigned char)*s);
    }
    *p = '\0';
    return out;
}

const char *peri_send_accel(peri_arena_t *a, const char *folder, const char *path)
{
    return peri_arena_printf(a, "%s/%s", folder, encoded(a, path, "/"));
}

/* RFC 6266: a name in ASCII for old clients, and the right one. */
static void attachment(peri_request_t *r, const char *name)
{
    char *ascii = peri_arena_strdup(r->arena, name);
    for (unsigned char *p = (unsigned char *)ascii; *p; p++)
        if (*p < 0x20 || *p >= 0x7f || strchr("\"\\%/", *p)) *p = '_';
    peri_request_set_header(
        r, "Content-Disposition",
        peri_arena_printf(r->arena, "attachment; filename=\"%s\"; filename*=UTF-8''%s",
                          ascii, encoded(r->arena, name, "")));
    peri_request_set_header(r, "Content-Security-Policy", "default-src 'none'; sandbox");
    peri_request_set_header(r, "X-Content-Type-Options", "nosniff");
}

/* ---- ranges ---- */

/* "bytes=A-B", "bytes=A-", "bytes=-N" of `size` bytes: 1 and [*from, *from + *len); 0:
 * none that we know, all is sent; -1: not in the file. */
static int range_parse(const char *s, int64_t size, int64_t *from, int64_t *len)
{
    char *end;
    if (strncmp(s, "bytes=", 6) != 0 || strchr(s, ',')) return 0;
    s += 6;
    if (strspn(s, "0123456789-") != strlen(s) || strlen(s) > 39) return 0;
    errno = 0;
    if (*s == '-') {
        int64_t last = strtoll(s + 1, &end, 10);
        if (errno || end == s + 1 || *end) return 0;
        if (last < 0) return 0;
        if (last == 0 || size == 0) return -1;
        *len = last < size ? last : size;
        *from = size - *len;
        return 1;
    }
    int64_t a = strtoll(s, &end, 10), b = size - 1;
    if (errno || end == s || *end != '-') return 0;
    s = end + 1;
    if (*s) b = strtoll(s, &end, 10);
    if (errno || *end != (*s ? '\0' : '-') || b < a) return *s || a < size ? 0 : -1;
    if (a >= size) return -1;
    if (b >= size) b = size - 1;
    *from = a;
    *len = b - a + 1;
    return 1;
}

static int by_ourselves(peri_request_t *r, int fd, const peri_entry_t *e, peri_err_t *err)
{
    char tag[PERI_ETAG_LEN + 2];
    const char *range = peri_request_header(r, "Range");
    const char *unchanged = peri_request_header(r, "If-Range");
    const int64_t size = (int64_t)e->size;
    peri_request_etag(r, peri_etag(e, tag));
    peri_request_set_header(r, "Accept-Ranges", "bytes");
    r->fd = fd;
    r->fd_from = 0;
    r->fd_len = size;
    if (r->status == 304 || !range) return 0;
    if (unchanged && strcmp(unchanged, peri_arena_printf(r->arena, "\"%s\"", tag)) != 0)
        return 0;
    switch (range_parse(range, size, &r->fd_from, &r->fd_len)) {
    case 0:
        return 0;
    case 1:
        r->status = 206;
        peri_request_set_header(
            r, "Content-Range",
            peri_arena_printf(r->arena, "bytes %lld-%lld/%lld", (long long)r->fd_from,
                              (long long)(r->fd_from + r->fd_len - 1), (long long)size));
        return 0;
    default:
        peri_request_set_header(
            r, "Content-Range",
            peri_arena_printf(r->arena, "bytes */%lld", (long long)size));
        return peri_request_fail(r, err, 416, "invalid",
                                 "the file has %lld bytes: \"%.60s\" is not in it",
                                 (long long)size, range);
    }
}

int peri_send_file(peri_request_t *r, int fd, const char *name, const char *accel,
                   peri_err_t *err)
{
    struct stat st;
    peri_entry_t e;
    if (fstat(fd, &st)) {
        close(fd);
        return peri_path_errno(err, errno, "read", name);
    }
    peri_entry_fill(&e, name, &st);
    attachment(r, name);
    r->type = type_of(name);
    peri_request_set_header(r, "Cache-Control", "private, no-cache");
    if (!accel) return by_ourselves(r, fd, &e, err);
    /* nginx opens it anew beneath the folder of volumes, and follows no links either. */
    close(fd);
    peri_request_set_header(r, "X-Accel-Redirect", accel);
    r->bytes = peri_xstrdup("");
    r->bytes_len = 0;
    return 0;
}

/* The link by which nginx gets to the folder of a data volume; made when it is first
 * used, and anew when the dataset has moved. NULL: there is none, we send ourselves. */
static const char *data_accel(peri_request_t *r, const peri_spot_t *s)
{
    char now[PATH_MAX];
    const char *folder =
        peri_arena_printf(r->arena, "%s/web/data", r->portal->config->state);
    const char *link = peri_arena_printf(r->arena, "%s/%lld", folder, (long long)s->v.id);
    const ssize_t n = readlink(link, now, sizeof(now) - 1);
    if (n < 0 || (size_t)n != strlen(s->v.folder) ||
        memcmp(now, s->v.folder, (size_t)n)) {
        const char *new = peri_arena_printf(r->arena, "%s.%s", link, r->id);
        if (peri_mkdirs(folder, NULL) || symlink(s->v.folder, new)) return NULL;
        if (rename(new, link)) {
            unlink(new);
            return NULL;
        }
    }
    return peri_send_accel(r->arena,
                           peri_arena_printf(r->arena, "/_data/%lld", (long long)s->v.id),
                           s->path);
}

int peri_file_download(peri_request_t *r, peri_spot_t *s, peri_err_t *err)
{
    const char *accel = NULL;
    int fd = peri_path_open_file(s->root, s->path, O_RDONLY, err);
    if (fd < 0) return -1;
    if (!r->actor.local && s->v.dataset)
        accel = data_accel(r, s);
    else if (!r->actor.local)
        accel = peri_send_accel(
            r->arena, peri_arena_printf(r->arena, "/_files/%lld", (long long)s->v.id),
            s->path);
    return peri_send_file(r, fd, peri_path_name(s->path), accel, err);
}

/* ---- archives ---- */

static ssize_t archive_read(peri_request_t *r, void *ctx, char *buf, size_t max)
{
    (void)r;
    ssize_t n = peri_archive_read(ctx, buf, max, NULL);
    return n > 0 ? n : n == 0 ? PERI_STREAM_END : PERI_STREAM_FAILED;
}

static void archive_free(void *ctx)
{
    peri_archive_free(ctx);
}

int peri_file_archive(peri_request_t *r, peri_spot_t *s, const char *kind,
                      peri_err_t *err)
{
    const char *compress = peri_request_arg(r, "compress");
    const char *top = *s->path ? peri_path_name(s->path) : s->v.name;
    peri_archiving_t how = {.top = top};
    if (!strcmp(kind, "zip"))
        how.kind = PERI_ARCHIVE_ZIP;
    else if (!strcmp(kind, "tar"))
        how.kind = PERI_ARCHIVE_TAR;
    else
        return peri_err_set(err, PERI_EINVAL,
                            "\"archive\" is \"zip\" or \"tar\", not \"%.40s\"", kind);
    how.deflate = compress && !strcmp(compress, "1");
    if (!*s->path && !s->v.dataset) how.hidden = PERI_PATH_PRIVATE;
    int fd = peri_path_open_folder(s->root, s->path, err);
    if (fd < 0) return -1;
    peri_archive_t *a = peri_archive_new(fd, &how, err);
    close(fd);
    if (!a) return -1;
    attachment(r, peri_arena_printf(r->arena, "%s.%s", top, kind));
    peri_request_set_header(r, "X-Accel-Buffering", "no");
    r->type = how.kind == PERI_ARCHIVE_ZIP ? "application/zip" : "application/x-tar";
    r->stream = (peri_stream_t){archive_read, archive_free, a, -1};
    return 0;
}
