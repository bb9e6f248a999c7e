/* input.c - see input.h. libarchive opens up what is compressed; it is asked for nothing
 * but its four filters. */
#include "core/import/input.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"

#define STEP ((size_t)1 << 20)

struct peri_input {
    int fd;
    const char *name;
    char *buf;
    size_t cap, start, end; /* the window is [start, end) */
    uint64_t offset;        /* of the file: the next byte to read */
    bool packed, ended;
    struct archive *archive; /* or NULL */
    char *block;             /* what libarchive reads from */
};

bool peri_input_packed(const unsigned char *head, size_t n)
{
    static const struct {
        const char *magic;
        size_t n;
    } kinds[] = {{"\x1f\x8b", 2},
                 {"BZh", 3},
                 {"\xfd"
                  "7zXZ",
                  5},
                 {"\x28\xb5\x2f\xfd", 4}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (n >= kinds[i].n && !memcmp(head, kinds[i].magic, kinds[i].n)) return true;
    return false;
}

static ssize_t read_file(peri_input_t *in, char *to, size_t n)
{
    ssize_t k;
    do k = pread(in->fd, to, n, (off_t)in->offset);
    while (k < 0 && errno == EINTR);
    if (k > 0) in->offset += (uint64_t)k;
    return k;
}

/* ---- compressed ---- */

static la_ssize_t feed(struct archive *a, void *arg, const void **block)
{
    peri_input_t *in = arg;
    *block = in->block;
    ssize_t k = read_file(in, in->block, STEP);
    if (k < 0) archive_set_error(a, errno, "%s", strerror(errno));
    return k;
}

static int fail_packed(const peri_input_t *in, peri_err_t *err)
{
    const char *why = archive_error_string(in->archive);
    return peri_err_set(err, PERI_EFORMAT, "%s is compressed, and damaged or cut off: %s",
                        in->name, why ? why : "no reason given");
}

static int open_packed(peri_input_t *in, peri_err_t *err)
{
    struct archive_entry *entry;
    in->archive = archive_read_new();
    if (!in->archive)
        return peri_err_set(err, PERI_EINTERNAL, "out of memory for libarchive");
    archive_read_support_filter_gzip(in->archive);
    archive_read_support_filter_bzip2(in->archive);
    archive_read_support_filter_xz(in->archive);
    archive_read_support_filter_zstd(in->archive);
    archive_read_support_format_raw(in->archive);
    if (!in->block) in->block = peri_xmalloc(STEP);
    if (archive_read_open(in->archive, in, NULL, feed, NULL) != ARCHIVE_OK ||
        archive_read_next_header(in->archive, &entry) != ARCHIVE_OK)
        return fail_packed(in, err);
    return 0;
}

/* ---- the window ---- */

peri_input_t *peri_input_new(int fd, const char *name, peri_err_t *err)
{
    peri_input_t *in = peri_xcalloc(1, sizeof(*in));
    in->fd = fd;
    in->name = name;
    unsigned char head[8];
    ssize_t k = read_file(in, (char *)head, sizeof(head));
    in->packed = k > 0 && peri_input_packed(head, (size_t)k);
    if (k < 0) {
        peri_err_set(err, PERI_EIO, "cannot read %s: %s", name, strerror(errno));
        peri_input_free(in);
        return NULL;
    }
    if (peri_input_rewind(in, err)) {
        peri_input_free(in);
        return NULL;
    }
    return in;
}

void peri_input_free(peri_input_t *in)
{
    if (!in) return;
    if (in->archive) archive_read_free(in->archive);
    free(in->block);
    free(in->buf);
    free(in);
}

int peri_input_rewind(peri_input_t *in, peri_err_t *err)
{
    if (in->archive) archive_read_free(in->archive);
    in->archive = NULL;
    in->offset = 0;
    in->start = in->end = 0;
    in->ended = false;
    return in->packed ? open_packed(in, err) : 0;
}

char *peri_input_at(const peri_input_t *in, size_t *n)
{
    *n = in->end - in->start;
    return in->buf ? in->buf + in->start : NULL;
}

/* Room for another STEP behind the window. */
static int make_room(peri_input_t *in, peri_err_t *err)
{
    size_t n = in->end - in->start;
    if (n > PERI_INPUT_RECORD_MAX)
        return peri_err_set(
            err, PERI_ELIMIT,
            "%s has a row of more than %zu MB: it is no table, or a quote "
            "is not closed",
            in->name, PERI_INPUT_RECORD_MAX >> 20);
    if (in->start && n) memmove(in->buf, in->buf + in->start, n);
    in->start = 0;
    in->end = n;
    if (in->cap - in->end >= STEP) return 0;
    in->cap = n + (n > STEP ? n : STEP);
    in->buf = peri_xrealloc(in->buf, in->cap, 1);
    return 0;
}

int peri_input_more(peri_input_t *in, peri_err_t *err)
{
    if (in->ended) return 0;
    if (make_room(in, err)) return -1;
    size_t room = in->cap - in->end; /* doubles, so that long records cost no more */
    ssize_t k = in->archive ? archive_read_data(in->archive, in->buf + in->end, room)
                            : read_file(in, in->buf + in->end, room);
    if (k < 0 && in->archive) return fail_packed(in, err);
    if (k < 0)
        return peri_err_set(err, PERI_EIO, "cannot read %s: %s", in->name,
                            strerror(errno));
    in->end += (size_t)k;
    in->ended = k == 0;
    return k > 0;
}

void peri_input_skip(peri_input_t *in, size_t n)
{
    in->start += n;
}

uint64_t peri_input_taken(const peri_input_t *in)
{
    return in->offset;
}
