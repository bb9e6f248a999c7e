/* write.c - a new index, written block by block to a temporary file, renamed when whole.
 *
 * Blocks go to disk at once, the directory is collected in memory. The temporary name is
 * unique, so two processes that build the same index do not disturb each other: the
 * later rename wins, and both files are whole.
 */
#include "core/index/index_private.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/util.h"

struct peri_idxwriter {
    char *path, *folder, *temp;
    bool nameless; /* temp is not there yet */
    FILE *out;
    uint64_t offset;
    peri_buf_t files, sets, fields, strings;
    uint32_t *slots; /* open hash table of string offsets + 1 */
    size_t nslots, nused;
};

static int write_error(const peri_idxwriter_t *w, peri_err_t *err)
{
    return peri_err_set(err, PERI_EIO, "cannot write the index %s: %s", w->path,
                        strerror(errno));
}

static void writer_free(peri_idxwriter_t *w)
{
    if (w->out) fclose(w->out);
    peri_buf_free(&w->files);
    peri_buf_free(&w->sets);
    peri_buf_free(&w->fields);
    peri_buf_free(&w->strings);
    free(w->slots);
    free(w->path);
    free(w->folder);
    free(w->temp);
    free(w);
}

static void new_temp_name(peri_idxwriter_t *w)
{
    uint64_t r = 0;
    if (getrandom(&r, sizeof r, 0) != sizeof r) r = (uint64_t)(peri_now() * 1e9);
    free(w->temp);
    w->temp = peri_xasprintf("%s.%016llx.tmp", w->path, (unsigned long long)r);
}

/* Where the file system can, the file has no name until it is whole, so that a killed
 * process leaves nothing behind. Not mkstemp: the index gets the permissions of the
 * umask, so that colleagues can read it. */
static int open_temp(peri_idxwriter_t *w, peri_err_t *err)
{
    int fd = -1;
    if (access("/proc/self/fd", X_OK) == 0) /* see put_in_place */
        fd = open(w->folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    w->nameless = fd >= 0;
    if (fd < 0) {
        new_temp_name(w);
        fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    if (fd < 0) return write_error(w, err);
    w->out = fdopen(fd, "wb");
    if (w->out == NULL) {
        write_error(w, err);
        close(fd);
        return -1;
    }
    return 0;
}

/* Give the whole, synced file its place. */
static int put_in_place(peri_idxwriter_t *w)
{
    if (w->nameless) {
        char self[64];
        snprintf(self, sizeof self, "/proc/self/fd/%d", fileno(w->out));
        new_temp_name(w);
        if (linkat(AT_FDCWD, self, AT_FDCWD, w->temp, AT_SYMLINK_FOLLOW)) return -1;
        w->nameless = false;
    }
    return rename(w->temp, w->path);
}

static int put(peri_idxwriter_t *w, const void *data, size_t len, peri_err_t *err)
{
    if (len > 0 && fwrite(data, 1, len, w->out) != len) return write_error(w, err);
    w->offset += len;
    return 0;
}

peri_idxwriter_t *peri_idxwriter_new(const char *path, peri_err_t *err)
{
    peri_idxwriter_t *w = peri_xcalloc(1, sizeof *w);
    w->path = peri_xstrdup(path);
    char *copy = peri_xstrdup(path);
    w->folder = peri_xstrdup(dirname(copy));
    free(copy);
    peri_buf_init(&w->files, PERI_IDX_MAX_DIR / 4);
    peri_buf_init(&w->sets, PERI_IDX_MAX_DIR / 4);
    peri_buf_init(&w->fields, PERI_IDX_MAX_DIR / 4);
    peri_buf_init(&w->strings, UINT32_MAX / 4);
    peri_idxhead_t none = {0};
    if (peri_mkdirs(w->folder, err) || open_temp(w, err)) {
        writer_free(w);
        return NULL;
    }
    setvbuf(w->out, NULL, _IOFBF, 1 << 18);
    if (put(w, &none, sizeof none, err)) {
        peri_idxwriter_abort(w);
        return NULL;
    }
    return w;
}

void peri_idxwriter_abort(peri_idxwriter_t *w)
{
    if (w == NULL) return;
    if (!w->nameless) unlink(w->temp);
    writer_free(w);
}

/* ---- strings ---- */

static uint32_t *find_slot(peri_idxwriter_t *w, const char *s)
{
    size_t i = peri_hash_text(PERI_HASH_START, s) & (w->nslots - 1);
    while (w->slots[i] && strcmp(w->strings.data + w->slots[i] - 1, s) != 0)
        i = (i + 1) & (w->nslots - 1);
    return &w->slots[i];
}

static void grow_slots(peri_idxwriter_t *w)
{
    uint32_t *old = w->slots;
    size_t n = w->nslots;
    w->nslots = n ? 2 * n : 1024;
    w->slots = peri_xcalloc(w->nslots, sizeof *w->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i]) *find_slot(w, w->strings.data + old[i] - 1) = old[i];
    free(old);
}

static uint32_t intern(peri_idxwriter_t *w, const char *s)
{
    if (2 * w->nused >= w->nslots) grow_slots(w);
    uint32_t *slot = find_slot(w, s);
    if (*slot == 0) {
        uint32_t at = (uint32_t)w->strings.len;
        if (peri_buf_append(&w->strings, s, strlen(s) + 1))
            return 0; /* failed is sticky */
        *slot = at + 1;
        w->nused++;
    }
    return *slot - 1;
}

/* ---- entries ---- */

#define LAST(buf, type) ((type *)(void *)((buf).data + (buf).len) - 1)

static int check_bufs(const peri_idxwriter_t *w, peri_err_t *err)
{
    const char *what = "the directory of an index";
    return peri_buf_check(&w->files, what, err) || peri_buf_check(&w->sets, what, err) ||
                   peri_buf_check(&w->fields, what, err) ||
                   peri_buf_check(&w->strings, what, err)
               ? -1
               : 0;
}

int peri_idxwriter_file(peri_idxwriter_t *w, const char *path, uint64_t size,
                        int64_t mtime_ns, uint64_t inode, peri_err_t *err)
{
    peri_idxfile_t e = {.size = size,
                        .mtime_ns = mtime_ns,
                        .inode = inode,
                        .first_set = w->sets.len / sizeof(peri_idxset_t),
                        .path = intern(w, path)};
    peri_buf_append(&w->files, &e, sizeof e);
    return check_bufs(w, err);
}

int peri_idxwriter_set(peri_idxwriter_t *w, const char *name, uint64_t rows,
                       uint64_t zone_rows, const peri_chunkloc_t *locs, uint64_t nlocs,
                       peri_err_t *err)
{
    peri_idxset_t e = {.rows = rows,
                       .zone_rows = zone_rows,
                       .nchunks = nlocs,
                       .chunks = nlocs ? w->offset : 0,
                       .first_field = w->fields.len / sizeof(peri_idxfield_t),
                       .name = intern(w, name)};
    size_t len = nlocs * sizeof *locs;
    if (nlocs) e.chunks_crc = libdeflate_crc32(0, locs, len);
    peri_buf_append(&w->sets, &e, sizeof e);
    if (check_bufs(w, err)) return -1;
    LAST(w->files, peri_idxfile_t)->nsets++;
    return put(w, locs, len, err);
}

int peri_idxwriter_field(peri_idxwriter_t *w, const char *name, peri_type_t type,
                         uint32_t width, const peri_zone_t *zones, uint64_t nzones,
                         peri_err_t *err)
{
    peri_idxfield_t e = {
        .zones = w->offset, .width = width, .type = type, .name = intern(w, name)};
    size_t len = nzones * width * sizeof *zones;
    e.zones_crc = libdeflate_crc32(0, len ? (const void *)zones : "", len);
    peri_buf_append(&w->fields, &e, sizeof e);
    if (check_bufs(w, err)) return -1;
    LAST(w->sets, peri_idxset_t)->nfields++;
    return put(w, zones, len, err);
}

static int copy_set(peri_idxwriter_t *w, const peri_index_t *x, const peri_idxset_t *s,
                    peri_err_t *err)
{
    int rc = 1;
    peri_zone_t *zones = NULL;
    uint64_t nzones = peri_idxset_nzones(s->rows, s->zone_rows);
    peri_chunkloc_t *locs = peri_xmalloc((s->nchunks + 1) * sizeof *locs);
    if (s->nchunks > 0 && peri_index_read_chunks(x, s, locs, NULL)) goto out;
    rc = peri_idxwriter_set(w, peri_index_string(x, s->name), s->rows, s->zone_rows, locs,
                            s->nchunks, err);
    for (uint32_t i = 0; i < s->nfields && rc == 0; i++) {
        const peri_idxfield_t *f = peri_index_field(x, s->first_field + i);
        uint64_t n = f->width > 0 ? nzones : 0;
        zones = peri_xrealloc(zones, n * f->width + 1, sizeof *zones);
        rc = 1;
        if (n > 0 && peri_index_read_zones(x, s, f, zones, NULL)) goto out;
        rc = peri_idxwriter_field(w, peri_index_string(x, f->name), (peri_type_t)f->type,
                                  f->width, zones, n, err);
    }
out:
    free(zones);
    free(locs);
    return rc;
}

int peri_idxwriter_copy(peri_idxwriter_t *w, const peri_index_t *x,
                        const peri_idxfile_t *e, peri_err_t *err)
{
    size_t nfiles = w->files.len, nsets = w->sets.len, nfields = w->fields.len;
    int rc = peri_idxwriter_file(w, peri_index_string(x, e->path), e->size, e->mtime_ns,
                                 e->inode, err);
    for (uint32_t i = 0; i < e->nsets && rc == 0; i++)
        rc = copy_set(w, x, peri_index_set(x, e->first_set + i), err);
    if (rc > 0) { /* blocks already written stay as a hole that nothing leads to */
        w->files.len = nfiles;
        w->sets.len = nsets;
        w->fields.len = nfields;
    }
    return rc;
}

/* ---- the end ---- */

static int compare_files(const void *a, const void *b, void *arg)
{
    const char *strings = arg;
    return strcmp(strings + ((const peri_idxfile_t *)a)->path,
                  strings + ((const peri_idxfile_t *)b)->path);
}

static int write_directory(peri_idxwriter_t *w, peri_err_t *err)
{
    intern(w, ""); /* never without a string */
    peri_idxdir_t d = {w->files.len / sizeof(peri_idxfile_t),
                       w->sets.len / sizeof(peri_idxset_t),
                       w->fields.len / sizeof(peri_idxfield_t), w->strings.len};
    if (d.nfiles > 0)
        qsort_r(w->files.data, d.nfiles, sizeof(peri_idxfile_t), compare_files,
                w->strings.data);
    const struct {
        const void *data;
        size_t len;
    } parts[] = {{&d, sizeof d},
                 {w->files.data, w->files.len},
                 {w->sets.data, w->sets.len},
                 {w->fields.data, w->fields.len},
                 {w->strings.data, w->strings.len}};
    peri_idxhead_t h = {.version = PERI_IDX_VERSION,
                        .byte_order = PERI_IDX_BYTE_ORDER,
                        .dir_offset = w->offset};
    memcpy(h.magic, PERI_IDX_MAGIC, sizeof h.magic);
    if (check_bufs(w, err)) return -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].len == 0) continue;
        h.dir_crc = libdeflate_crc32(h.dir_crc, parts[i].data, parts[i].len);
        if (put(w, parts[i].data, parts[i].len, err)) return -1;
    }
    h.dir_size = w->offset - h.dir_offset;
    h.file_size = w->offset;
    h.header_crc = libdeflate_crc32(0, &h, offsetof(peri_idxhead_t, header_crc));
    if (fseeko(w->out, 0, SEEK_SET) || fwrite(&h, 1, sizeof h, w->out) != sizeof h)
        return write_error(w, err);
    return 0;
}

int peri_idxwriter_finish(peri_idxwriter_t *w, uint64_t *file_size, peri_err_t *err)
{
    int rc = write_directory(w, err);
    *file_size = w->offset;
    if (rc == 0 && (fflush(w->out) || fsync(fileno(w->out)))) rc = write_error(w, err);
    if (rc == 0 && put_in_place(w)) rc = write_error(w, err);
    if (rc) {
        peri_idxwriter_abort(w);
        return -1;
    }
    /* The rename itself should survive a power cut; where folders cannot be synced it is
     * still atomic. */
    int fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    writer_free(w);
    return 0;
}
