/* cursor.c - one thread's reading head: brings rows into a block, converts them out.
 *
 * A block is a run of raw rows as stored: a window of a contiguous set, a decoded chunk,
 * a stretch of fill values, or what one H5Dread gave. All fields of the set are served
 * from it. In steady state a read allocates nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

/* Read-ahead of contiguous sets: fits the L2 cache, so the copy out of it is cheap. */
#define WINDOW ((uint64_t)256 * 1024)
/* Neither deflate nor lzf can expand by more than this. */
#define MAX_RATIO 1032

struct peri_h5cursor {
    peri_h5set_t *set;
    const uint8_t *block; /* rows [row0, row0 + nrows) of the set */
    uint64_t row0, nrows;
    uint8_t *buf[2];
    size_t cap; /* of each buf */
    void *inflater;
    h5_texts_t text; /* strings of the last read */
    h5_pool_t vlen;  /* what HDF5 allocated for the block */
    hid_t dxpl;
    uint64_t bytes;
    bool no_map; /* peri_h5set_auto_map was tried in vain */
};

peri_h5cursor_t *peri_h5cursor_new(peri_h5set_t *s, peri_err_t *err)
{
    uint64_t big = s->chunk_bytes > s->row_bytes ? s->chunk_bytes : s->row_bytes;
    if (big > H5_MAX_BYTES) {
        char has[16];
        peri_err_set(
            err, PERI_ELIMIT,
            "%s has %s of %s; more than 1 GiB at once is not read: rechunk it with "
            "h5repack",
            s->what, s->chunk_bytes >= s->row_bytes ? "chunks" : "rows",
            peri_human_bytes(big, has));
        return NULL;
    }
    peri_h5cursor_t *c = peri_xcalloc(1, sizeof(*c));
    c->set = peri_h5set_ref(s);
    c->dxpl = H5P_DEFAULT;
    if (s->heap) c->text.heap = peri_h5_heap_new(s->file);
    return c;
}

void peri_h5cursor_free(peri_h5cursor_t *c)
{
    if (!c) return;
    if (c->dxpl != H5P_DEFAULT) {
        peri_h5_enter(NULL, H5_BUSY_META);
        H5Pclose(c->dxpl);
        peri_h5_leave();
    }
    peri_h5_inflater_free(c->inflater);
    peri_h5pool_free(&c->text.pool);
    peri_h5_heap_free(c->text.heap);
    peri_h5pool_free(&c->vlen);
    free(c->buf[0]);
    free(c->buf[1]);
    peri_h5set_unref(c->set);
    free(c);
}

uint64_t peri_h5cursor_bytes(const peri_h5cursor_t *c)
{
    return c->bytes;
}

/* Buffers of at least n bytes; what they held is gone if they had to grow. */
static int buffers(peri_h5cursor_t *c, uint64_t n, bool two, peri_err_t *err)
{
    if (c->cap < n) {
        free(c->buf[0]);
        free(c->buf[1]);
        c->buf[1] = NULL;
        c->buf[0] = calloc(1, n + H5_SLACK); /* conversion may look at the slack */
        c->cap = c->buf[0] ? n : 0;
    }
    if (two && c->buf[0] && !c->buf[1]) c->buf[1] = calloc(1, c->cap + H5_SLACK);
    if (!c->buf[0] || (two && !c->buf[1]))
        return peri_err_set(err, PERI_ELIMIT,
                            "not enough memory to read %s: a chunk needs %llu bytes",
                            c->set->what, (unsigned long long)n);
    return 0;
}

static void set_block(peri_h5cursor_t *c, const uint8_t *block, uint64_t row0,
                      uint64_t nrows)
{
    c->block = block;
    c->row0 = row0;
    c->nrows = nrows;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t window_rows(const peri_h5set_t *s)
{
    return s->row_bytes >= WINDOW ? 1 : WINDOW / s->row_bytes;
}

/* Nothing was written for rows [row, end). */
static int load_fill(peri_h5cursor_t *c, uint64_t row, uint64_t end, peri_err_t *err)
{
    const peri_h5set_t *s = c->set;
    uint64_t n = min64(end - row, window_rows(s));
    if (buffers(c, n * s->row_bytes, false, err) != 0) return -1;
    if (s->fill)
        for (uint64_t at = 0; at < n * s->row_bytes; at += s->elem)
            memcpy(c->buf[0] + at, s->fill, s->elem);
    else
        memset(c->buf[0], 0, n * s->row_bytes);
    set_block(c, c->buf[0], row, n);
    return 0;
}

static int load_window(peri_h5cursor_t *c, uint64_t row, peri_err_t *err)
{
    const peri_h5set_t *s = c->set;
    if (s->offset == UINT64_MAX) return load_fill(c, row, s->rows, err);
    uint64_t n = min64(s->rows - row, window_rows(s)), bytes = n * s->row_bytes;
    if (buffers(c, bytes, false, err) != 0 ||
        peri_h5file_pread(s->file, c->buf[0], bytes, s->offset + row * s->row_bytes,
                          err) != 0)
        return -1;
    c->bytes += bytes;
    set_block(c, c->buf[0], row, n);
    return 0;
}

/* Is this a size that a chunk can have? Asked before memory is taken for it. */
static int check_size(const peri_h5set_t *s, uint64_t chunk, uint64_t size, uint32_t mask,
                      peri_err_t *err)
{
    uint64_t raw = s->chunk_bytes, least = raw;
    for (unsigned i = 0; i < s->pipe.n; i++)
        if ((s->pipe.f[i].id == H5Z_FILTER_DEFLATE || s->pipe.f[i].id == H5_FILTER_LZF) &&
            !(mask & 1u << i))
            least /= MAX_RATIO;
    if (size < least || size > peri_h5pipe_max_stored(&s->pipe, raw) ||
        size > s->file->size)
        return peri_err_set(err, PERI_EFORMAT,
                            "chunk %llu of %s cannot be right: it has %llu bytes in the "
                            "file, and %llu when decoded; the file is damaged",
                            (unsigned long long)chunk, s->what, (unsigned long long)size,
                            (unsigned long long)raw);
    return 0;
}

static int raw_by_map(peri_h5cursor_t *c, uint64_t chunk, const peri_chunkloc_t *loc,
                      peri_err_t *err)
{
    const peri_h5set_t *s = c->set;
    if (check_size(s, chunk, loc->size, loc->filter_mask, err) != 0 ||
        buffers(c, peri_h5pipe_max_stored(&s->pipe, s->chunk_bytes), s->pipe.n > 0,
                err) != 0)
        return -1;
    return peri_h5file_pread(s->file, c->buf[0], loc->size, loc->offset, err);
}

/* Stored bytes of a chunk, 0 if it is not there; under the lock. HDF5 1.10 gives the same
 * error for a chunk that was never written and for a damaged index, and for unfiltered
 * chunks the size they should have instead of the size that H5Dread_chunk will read: in
 * these cases ask again, slower. */
static int stored_size(const peri_h5set_t *s, const hsize_t *at, hsize_t *n,
                       char why[256])
{
    unsigned mask;
    haddr_t addr = HADDR_UNDEF;
    if (H5Dget_chunk_storage_size(s->dset, at, n) >= 0 && (s->pipe.n > 0 || !s->btree))
        return 0;
    peri_h5_why(why);
    *n = 0;
    if (H5Dget_chunk_info_by_coord(s->dset, at, &mask, &addr, n) < 0) return -1;
    if (addr == HADDR_UNDEF) *n = 0;
    return 0;
}

/* *size = 0: no such chunk. */
static int raw_by_hdf5(peri_h5cursor_t *c, uint64_t chunk, uint64_t *size, uint32_t *mask,
                       peri_err_t *err)
{
    const peri_h5set_t *s = c->set;
    hsize_t at[H5S_MAX_RANK] = {chunk * s->chunk_rows}, n = 0;
    char why[256];
    int rc = -1;
    peri_h5_enter(s->file->path, H5_BUSY_META);
    if (stored_size(s, at, &n, why) != 0) {
        peri_err_set(err, PERI_EFORMAT,
                     "chunk %llu of %s is not found: %s; the file is damaged",
                     (unsigned long long)chunk, s->what, why);
    } else if (n == 0) {
        rc = 0;
    } else if (check_size(s, chunk, n, 0, err) == 0 &&
               buffers(c, peri_h5pipe_max_stored(&s->pipe, s->chunk_bytes), s->pipe.n > 0,
                       err) == 0) {
        if (H5Dread_chunk(s->dset, H5P_DEFAULT, at, mask, c->buf[0]) >= 0)
            rc = 0;
        else
            peri_err_set(err, PERI_EFORMAT,
                         "chunk %llu of %s cannot be read: %s; the file is truncated or "
                         "damaged",
                         (unsigned long long)chunk, s->what, peri_h5_why(why));
    }
    peri_h5_leave();
    *size = n;
    return rc;
}

static int load_chunk(peri_h5cursor_t *c, uint64_t row, peri_err_t *err)
{
    const peri_h5set_t *s = c->set;
    const peri_chunkloc_t *map = atomic_load(&s->map);
    if (!map && s->pipe.n == 0 && !c->no_map) { /* raw bytes: worth not to enter HDF5 */
        map = peri_h5set_auto_map(c->set);
        c->no_map = !map;
    }
    uint64_t chunk = row / s->chunk_rows, first = chunk * s->chunk_rows, size = 0;
    uint64_t end = first + min64(s->rows - first, s->chunk_rows);
    uint32_t mask = 0;
    if (map && map[chunk].offset != UINT64_MAX) {
        size = map[chunk].size;
        mask = map[chunk].filter_mask;
        if (raw_by_map(c, chunk, &map[chunk], err) != 0) return -1;
    } else if (!map && raw_by_hdf5(c, chunk, &size, &mask, err) != 0) {
        return -1;
    }
    if (size == 0) return load_fill(c, row, end, err);
    if (s->pipe.n > 0 && !c->inflater) c->inflater = peri_h5_inflater_new();
    int at = peri_h5pipe_decode(&s->pipe, mask, c->buf, size, s->chunk_bytes, c->inflater,
                                err);
    if (at < 0)
        return peri_err_prefix(err, "chunk %llu (from row %llu) of %s is damaged",
                               (unsigned long long)chunk, (unsigned long long)first,
                               s->what);
    c->bytes += size;
    set_block(c, c->buf[at], first, end - first);
    return 0;
}

/* ---- through HDF5 ---- */

static void *vlen_alloc(size_t n, void *pool)
{
    return peri_h5pool_alloc(pool, n ? n : 1);
}

/* The pool goes as a whole. */
static void vlen_free(void *p, void *pool)
{
    (void)p;
    (void)pool;
}

static herr_t read_rows(peri_h5cursor_t *c, uint64_t first, uint64_t n)
{
    const peri_h5set_t *s = c->set;
    hid_t mem = H5I_INVALID_HID, space = s->space;
    hsize_t start[H5S_MAX_RANK] = {first}, count[H5S_MAX_RANK];
    if (c->dxpl == H5P_DEFAULT && s->vlen) {
        c->dxpl = H5Pcreate(H5P_DATASET_XFER);
        H5Pset_vlen_mem_manager(c->dxpl, vlen_alloc, &c->vlen, vlen_free, &c->vlen);
    }
    if (s->rank == 0)
        return H5Dread(s->dset, s->memtype, H5S_ALL, H5S_ALL, c->dxpl, c->buf[0]);
    memcpy(count, s->dims, sizeof(count));
    count[0] = n;
    mem = H5Screate_simple((int)s->rank, count, NULL);
    /* The set's dataspace is shared, but only ever used under the lock. */
    herr_t rc = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    if (rc >= 0) rc = H5Dread(s->dset, s->memtype, mem, space, c->dxpl, c->buf[0]);
    H5Sselect_all(space);
    if (mem >= 0) H5Sclose(mem);
    return rc;
}

static int load_library(peri_h5cursor_t *c, uint64_t row, peri_err_t *err)
{
    const peri_h5set_t *s = c->set;
    uint64_t first = row - row % s->block_rows, n = min64(s->rows - first, s->block_rows);
    char why[256];
    if (buffers(c, n * s->row_bytes, false, err) != 0) return -1;
    peri_h5pool_reset(&c->vlen);
    if (s->vlen) memset(c->buf[0], 0, n * s->row_bytes);
    /* Far slower than any filter or heap of strings is. */
    uint64_t busy = H5_BUSY_ONE + (n * s->row_bytes >> 20) +
                    (s->vlen ? n * (s->row_bytes / s->elem) / 10000 : 0);
    peri_h5_enter(s->file->path, (unsigned)busy);
    herr_t rc = read_rows(c, first, n);
    if (rc < 0) peri_h5_why(why);
    peri_h5_leave();
    if (rc < 0)
        return peri_err_set(err, PERI_EFORMAT,
                            "rows %llu to %llu of %s cannot be read: %s; the file is "
                            "truncated or damaged",
                            (unsigned long long)first,
                            (unsigned long long)(first + n - 1), s->what, why);
    c->bytes +=
        (uint64_t)((double)peri_h5set_stored_bytes(s) * (double)n / (double)s->rows);
    set_block(c, c->buf[0], first, n);
    return 0;
}

static int load(peri_h5cursor_t *c, uint64_t row, peri_err_t *err)
{
    c->nrows = 0; /* an error leaves no half block behind */
    switch (c->set->layout) {
    case PERI_LAYOUT_CONTIGUOUS:
        return load_window(c, row, err);
    case PERI_LAYOUT_CHUNKED:
        return load_chunk(c, row, err);
    case PERI_LAYOUT_COMPACT:
        set_block(c, c->set->compact, 0, c->set->rows);
        return 0;
    case PERI_LAYOUT_LIBRARY:
        break;
    }
    return load_library(c, row, err);
}

/* Are the rows in the file already what the caller wants? */
static bool as_stored(const peri_h5set_t *s, const h5_field_t *f)
{
    return s->layout == PERI_LAYOUT_CONTIGUOUS && s->offset != UINT64_MAX &&
           f->conv.kind == H5_CONV_COPY && f->conv.size == s->elem;
}

int peri_h5cursor_read(peri_h5cursor_t *c, size_t field, peri_frow_t row0, uint32_t nrows,
                       void *out, peri_err_t *err)
{
    const peri_h5set_t *s = c->set;
    if (field >= s->fields.n || row0 > s->rows || nrows > s->rows - row0)
        return peri_err_set(
            err, PERI_EINVAL,
            "rows %llu to %llu of field %zu are not in %s (%llu rows, %zu "
            "fields)",
            (unsigned long long)row0, (unsigned long long)row0 + nrows, field, s->what,
            (unsigned long long)s->rows, s->fields.n);
    const peri_h5field_t *pub = &s->fields.pub[field];
    const h5_field_t *f = &s->fields.priv[field];
    if (pub->type == 0)
        return peri_err_set(err, PERI_EUNSUPP, "%s%s%s cannot be read: it holds %s",
                            s->what, *pub->name ? ", field " : "", pub->name,
                            pub->why_not);
    peri_h5pool_reset(&c->text.pool);
    uint64_t bytes = (uint64_t)nrows * s->row_bytes;
    if (bytes >= WINDOW && as_stored(s, f)) {
        c->bytes += bytes;
        return peri_h5file_pread(s->file, out, bytes, s->offset + row0 * s->row_bytes,
                                 err);
    }
    uint8_t *to = out;
    size_t row_out = (size_t)pub->width * peri_type_size(pub->type);
    while (nrows > 0) {
        if ((row0 < c->row0 || row0 - c->row0 >= c->nrows) && load(c, row0, err) != 0)
            return -1;
        uint64_t at = row0 - c->row0, n = min64(nrows, c->nrows - at);
        if (peri_h5_convert(f, c->block + at * s->row_bytes, s->row_bytes, n, to,
                            &c->text, err) != 0)
            return -1;
        to += n * row_out;
        row0 += n;
        nrows -= (uint32_t)n;
    }
    return 0;
}
