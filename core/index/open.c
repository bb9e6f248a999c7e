/* open.c - reading an index, none of whose bytes are trusted.
 *
 * The directory is kept in memory, blocks are read with pread when they are needed: no
 * mapping, because an index that is replaced on a network file system would then kill
 * its readers. Chunk maps stay in memory once they were asked for; the lock guards
 * only them. Everything else is immutable.
 */
#include "core/index/index_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

struct peri_index {
    int refs;
    int fd;             /* -1: from memory */
    const uint8_t *mem; /* borrowed */
    char *path;
    bool check_sums;
    uint64_t size, blocks_end;
    void *dir;
    const peri_idxfile_t *files;
    const peri_idxset_t *sets;
    const peri_idxfield_t *fields;
    const char *strings;
    uint64_t nfiles, nsets, nfields, nstrings;
    pthread_mutex_t lock;
    peri_chunkloc_t **chunks; /* of each set, NULL until asked for */
    peri_index_t *next;       /* of other storages of the same table, or NULL */
};

static int damaged(const peri_index_t *x, peri_err_t *err, const char *what)
{
    return peri_err_set(
        err, PERI_EFORMAT,
        "the index %s is damaged (%s); run \"perigee index\" again to make a "
        "new one",
        x->path, what);
}

/* Bytes [off, off + len), which the caller has checked to lie inside the file. */
static int read_at(const peri_index_t *x, uint64_t off, void *out, size_t len,
                   peri_err_t *err)
{
    if (x->fd < 0) {
        memcpy(out, x->mem + off, len);
        return 0;
    }
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(x->fd, (char *)out + got, len - got, (off_t)(off + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return peri_err_set(err, PERI_EIO, "cannot read the index %s: %s", x->path,
                                strerror(errno));
        if (n == 0) return damaged(x, err, "it ends too early");
        got += (size_t)n;
    }
    return 0;
}

static bool sum_ok(const peri_index_t *x, const void *data, size_t len, uint32_t crc)
{
    return !x->check_sums || libdeflate_crc32(0, data, len) == crc;
}

/* Are n items of the given size at `off` inside the blocks? */
static bool block_ok(const peri_index_t *x, uint64_t off, uint64_t n, uint64_t item)
{
    return off >= sizeof(peri_idxhead_t) && off <= x->blocks_end &&
           n <= (x->blocks_end - off) / item;
}

static bool slice_ok(uint64_t first, uint64_t n, uint64_t all)
{
    return first <= all && n <= all - first;
}

static int check_header(peri_index_t *x, peri_idxhead_t *h, peri_err_t *err)
{
    if (x->size < sizeof *h) return damaged(x, err, "it is too short");
    if (read_at(x, 0, h, sizeof *h, err)) return -1;
    if (memcmp(h->magic, PERI_IDX_MAGIC, sizeof h->magic) != 0)
        return damaged(x, err, "it does not start like an index");
    if (h->byte_order != PERI_IDX_BYTE_ORDER)
        return peri_err_set(
            err, PERI_EFORMAT,
            "the index %s was made on a machine with another byte order; run "
            "\"perigee index\" again here",
            x->path);
    if (!sum_ok(x, h, offsetof(peri_idxhead_t, header_crc), h->header_crc))
        return damaged(x, err, "the checksum of its header is wrong");
    if (h->version != PERI_IDX_VERSION)
        return peri_err_set(
            err, PERI_EFORMAT,
            "the index %s has format version %" PRIu32
            ", this Perigee reads version %u; run \"perigee index\" again",
            x->path, h->version, PERI_IDX_VERSION);
    if (h->file_size != x->size)
        return damaged(x, err, "its size is not the one that was written");
    if (h->dir_offset < sizeof *h || !slice_ok(h->dir_offset, h->dir_size, x->size) ||
        h->dir_offset + h->dir_size != x->size || h->dir_size < sizeof(peri_idxdir_t) ||
        h->dir_size > PERI_IDX_MAX_DIR)
        return damaged(x, err, "its directory is misplaced");
    return 0;
}

/* Cut `n` items off the bytes that are left. */
static const void *cut(const uint8_t **p, uint64_t *left, uint64_t n, size_t item)
{
    if (n > *left / item) return NULL;
    const void *here = *p;
    *p += n * item;
    *left -= n * item;
    return here;
}

static int check_directory(peri_index_t *x, const peri_idxhead_t *h, peri_err_t *err)
{
    if (!sum_ok(x, x->dir, h->dir_size, h->dir_crc))
        return damaged(x, err, "the checksum of its directory is wrong");
    const uint8_t *p = x->dir;
    uint64_t left = h->dir_size;
    const peri_idxdir_t *d = cut(&p, &left, 1, sizeof *d);
    x->nfiles = d->nfiles;
    x->nsets = d->nsets;
    x->nfields = d->nfields;
    x->nstrings = d->nstrings;
    x->files = cut(&p, &left, d->nfiles, sizeof *x->files);
    x->sets = x->files ? cut(&p, &left, d->nsets, sizeof *x->sets) : NULL;
    x->fields = x->sets ? cut(&p, &left, d->nfields, sizeof *x->fields) : NULL;
    x->strings = x->fields ? cut(&p, &left, d->nstrings, 1) : NULL;
    if (x->strings == NULL || left != 0 || x->nstrings == 0 ||
        x->strings[x->nstrings - 1] != '\0')
        return damaged(x, err, "its directory has the wrong size");

    for (uint64_t i = 0; i < x->nfiles; i++)
        if (!slice_ok(x->files[i].first_set, x->files[i].nsets, x->nsets) ||
            x->files[i].path >= x->nstrings)
            return damaged(x, err, "an entry of a file is wrong");
    for (uint64_t i = 0; i < x->nsets; i++) {
        const peri_idxset_t *s = &x->sets[i];
        if (!slice_ok(s->first_field, s->nfields, x->nfields) || s->name >= x->nstrings ||
            (s->nchunks > 0 &&
             !block_ok(x, s->chunks, s->nchunks, sizeof(peri_chunkloc_t))))
            return damaged(x, err, "an entry of a dataset is wrong");
        uint64_t nzones = peri_idxset_nzones(s->rows, s->zone_rows);
        for (uint32_t k = 0; k < s->nfields; k++) {
            const peri_idxfield_t *f = &x->fields[s->first_field + k];
            if (f->name >= x->nstrings || f->width > PERI_IDX_MAX_WIDTH ||
                (f->width > 0 &&
                 (!peri_zone_type_ok((peri_type_t)f->type) || s->zone_rows == 0 ||
                  !block_ok(x, f->zones, nzones, f->width * sizeof(peri_zone_t)))))
                return damaged(x, err, "an entry of a column is wrong");
        }
    }
    return 0;
}

/* Takes over fd (closed on failure too). */
static peri_index_t *open_source(const char *path, int fd, const void *mem, uint64_t size,
                                 bool check_sums, peri_err_t *err)
{
    peri_index_t *x = peri_xcalloc(1, sizeof *x);
    x->refs = 1;
    x->fd = fd;
    x->mem = mem;
    x->path = peri_xstrdup(path);
    x->size = size;
    x->check_sums = check_sums;
    pthread_mutex_init(&x->lock, NULL);
    peri_idxhead_t h;
    if (check_header(x, &h, err)) goto out;
    x->blocks_end = h.dir_offset;
    x->dir = peri_xmalloc(h.dir_size);
    if (read_at(x, h.dir_offset, x->dir, h.dir_size, err)) goto out;
    if (check_directory(x, &h, err)) goto out;
    x->chunks = peri_xcalloc(x->nsets + 1, sizeof *x->chunks);
    return x;
out:
    x->nsets = 0;
    peri_index_unref(x);
    return NULL;
}

peri_index_t *peri_index_open(const char *path, peri_err_t *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        peri_err_set(err, PERI_ENOTFOUND, "there is no index %s", path);
        return NULL;
    }
    if (fd < 0 || fstat(fd, &st)) {
        peri_err_set(err, PERI_EIO, "cannot open the index %s: %s", path,
                     strerror(errno));
        if (fd >= 0) close(fd);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        peri_err_set(err, PERI_EFORMAT, "the index %s is not a regular file", path);
        close(fd);
        return NULL;
    }
    return open_source(path, fd, NULL, (uint64_t)st.st_size, true, err);
}

peri_index_t *peri_index_open_memory(const void *data, size_t len, bool check_sums,
                                     peri_err_t *err)
{
    return open_source("(in memory)", -1, data, len, check_sums, err);
}

peri_index_t *peri_index_ref(peri_index_t *x)
{
    if (x) __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
    return x;
}

void peri_index_unref(peri_index_t *x)
{
    if (x == NULL || __atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    peri_index_unref(x->next);
    for (uint64_t i = 0; i < x->nsets; i++) free(x->chunks[i]);
    free(x->chunks);
    free(x->dir);
    if (x->fd >= 0) close(x->fd);
    pthread_mutex_destroy(&x->lock);
    free(x->path);
    free(x);
}

peri_index_t *peri_index_join(peri_index_t *x, peri_index_t *more)
{
    if (x == NULL) return more;
    peri_index_t *last = x;
    while (last->next) last = last->next;
    last->next = more;
    return x;
}

/* ---- looking up ---- */

const peri_index_t *peri_index_entry(const peri_index_t *x, const char *path,
                                     uint64_t size, int64_t mtime_ns, uint64_t inode,
                                     const peri_idxfile_t **e)
{
    for (; x; x = x->next) {
        *e = peri_index_find_file(x, path);
        if (*e && peri_idxfile_is(*e, size, mtime_ns, inode)) return x;
    }
    return NULL;
}

size_t peri_index_nfiles(const peri_index_t *x)
{
    return x->nfiles;
}

const peri_idxfile_t *peri_index_file(const peri_index_t *x, size_t i)
{
    return &x->files[i];
}

const peri_idxset_t *peri_index_set(const peri_index_t *x, uint64_t i)
{
    return &x->sets[i];
}

const peri_idxfield_t *peri_index_field(const peri_index_t *x, uint64_t i)
{
    return &x->fields[i];
}

const char *peri_index_string(const peri_index_t *x, uint32_t offset)
{
    return x->strings + offset;
}

const peri_idxfile_t *peri_index_find_file(const peri_index_t *x, const char *path)
{
    uint64_t lo = 0, hi = x->nfiles;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        int c = strcmp(path, x->strings + x->files[mid].path);
        if (c == 0) return &x->files[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

bool peri_idxfile_is(const peri_idxfile_t *e, uint64_t size, int64_t mtime_ns,
                     uint64_t inode)
{
    return e->size == size && e->mtime_ns == mtime_ns && e->inode == inode;
}

const peri_idxset_t *peri_index_find_set(const peri_index_t *x, const peri_idxfile_t *e,
                                         const char *dataset, size_t *hint)
{
    const peri_idxset_t *sets = &x->sets[e->first_set];
    if (*hint < e->nsets && strcmp(dataset, x->strings + sets[*hint].name) == 0)
        return &sets[*hint];
    size_t lo = 0, hi = e->nsets;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(dataset, x->strings + sets[mid].name);
        if (c == 0) {
            *hint = mid;
            return &sets[mid];
        }
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const peri_idxfield_t *peri_index_find_field(const peri_index_t *x,
                                             const peri_idxset_t *s, const char *field)
{
    for (uint32_t i = 0; i < s->nfields; i++) {
        const peri_idxfield_t *f = &x->fields[s->first_field + i];
        if (strcmp(field, x->strings + f->name) == 0) return f;
    }
    return NULL;
}

/* ---- blocks ---- */

int peri_index_read_zones(const peri_index_t *x, const peri_idxset_t *s,
                          const peri_idxfield_t *f, peri_zone_t *out, peri_err_t *err)
{
    size_t len = peri_idxset_nzones(s->rows, s->zone_rows) * f->width * sizeof *out;
    if (read_at(x, f->zones, out, len, err)) return -1;
    if (!sum_ok(x, out, len, f->zones_crc))
        return damaged(x, err, "the checksum of a column's zones is wrong");
    return 0;
}

int peri_index_read_chunks(const peri_index_t *x, const peri_idxset_t *s,
                           peri_chunkloc_t *out, peri_err_t *err)
{
    if (read_at(x, s->chunks, out, s->nchunks * sizeof *out, err)) return -1;
    if (!sum_ok(x, out, s->nchunks * sizeof *out, s->chunks_crc))
        return damaged(x, err, "the checksum of a chunk map is wrong");
    return 0;
}

int peri_index_verify(peri_index_t *x, peri_err_t *err)
{
    int rc = 0;
    for (uint64_t i = 0; i < x->nsets && rc == 0; i++) {
        const peri_idxset_t *s = &x->sets[i];
        if (s->nchunks > 0) {
            peri_chunkloc_t *locs = peri_xmalloc(s->nchunks * sizeof *locs);
            rc = peri_index_read_chunks(x, s, locs, err);
            free(locs);
        }
        uint64_t nzones = peri_idxset_nzones(s->rows, s->zone_rows);
        for (uint32_t k = 0; k < s->nfields && rc == 0; k++) {
            const peri_idxfield_t *f = &x->fields[s->first_field + k];
            if (f->width == 0 || nzones == 0) continue;
            peri_zone_t *zones = peri_xmalloc(nzones * f->width * sizeof *zones);
            rc = peri_index_read_zones(x, s, f, zones, err);
            free(zones);
        }
    }
    return rc;
}

/* A map that leads out of the data file would send readers astray. */
static bool chunks_ok(const peri_chunkloc_t *locs, uint64_t n, uint64_t file_size)
{
    for (uint64_t i = 0; i < n; i++)
        if (locs[i].offset != UINT64_MAX &&
            !slice_ok(locs[i].offset, locs[i].size, file_size))
            return false;
    return true;
}

const peri_chunkloc_t *peri_index_chunks(const peri_index_t *x, const char *file_path,
                                         uint64_t size, int64_t mtime_ns, uint64_t inode,
                                         const char *dataset, uint64_t *n)
{
    const peri_idxfile_t *e;
    x = peri_index_entry(x, file_path, size, mtime_ns, inode, &e);
    if (x == NULL) return NULL;
    size_t hint = 0;
    const peri_idxset_t *s = peri_index_find_set(x, e, dataset, &hint);
    if (s == NULL || s->nchunks == 0) return NULL;

    peri_index_t *mine = (peri_index_t *)x; /* the cache is behind the lock */
    peri_chunkloc_t **slot = &mine->chunks[s - x->sets];
    pthread_mutex_lock(&mine->lock);
    if (*slot == NULL) {
        peri_chunkloc_t *locs = peri_xmalloc(s->nchunks * sizeof *locs);
        if (peri_index_read_chunks(x, s, locs, NULL) == 0 &&
            chunks_ok(locs, s->nchunks, size))
            *slot = locs;
        else
            free(locs);
    }
    const peri_chunkloc_t *found = *slot;
    pthread_mutex_unlock(&mine->lock);
    if (found) *n = s->nchunks;
    return found;
}
