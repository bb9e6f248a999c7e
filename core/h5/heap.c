/* heap.c - strings of any length, read straight from the file's global heap.
 *
 * A dataset of such strings holds references: length, address of a collection, number of
 * an object in it. HDF5 resolves them one by one under its lock, and version 1.10 crashes
 * or loops on damaged collections. The format is public (HDF5 File Format Specification,
 * III.E); everything read here is checked.
 *
 * A reader keeps the collections it used last, since neighbours lie in the same one. It
 * belongs to one thread; what it gives is valid until the next call.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

#define HEAD        16u /* of a collection, and of each object */
#define COLLECTIONS 16u
#define KEEP_BYTES  ((uint64_t)4 << 20) /* larger ones are not kept beside others */

typedef struct {
    uint64_t addr;       /* 0: empty */
    uint64_t size, used; /* used: when, see h5_heap.now */
    uint8_t *bytes;
    uint32_t *at; /* where object i begins, 0: there is none */
    size_t n, cap;
} collection_t;

struct h5_heap {
    peri_h5file_t *file;
    collection_t kept[COLLECTIONS], *last;
    uint64_t now, bytes;
};

h5_heap_t *peri_h5_heap_new(peri_h5file_t *f)
{
    h5_heap_t *h = peri_xcalloc(1, sizeof(*h));
    h->file = f;
    return h;
}

static void drop(h5_heap_t *h, collection_t *c)
{
    h->bytes -= c->size;
    free(c->bytes);
    free(c->at);
    *c = (collection_t){0};
}

void peri_h5_heap_free(h5_heap_t *h)
{
    if (!h) return;
    for (size_t i = 0; i < COLLECTIONS; i++) drop(h, &h->kept[i]);
    free(h);
}

static uint64_t load(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = n; i-- > 0;) v = v << 8 | p[i];
    return v;
}

static int damaged(const h5_heap_t *h, uint64_t addr, const char *why, peri_err_t *err)
{
    return peri_err_set(err, PERI_EFORMAT,
                        "%s: the collection of texts at byte %llu is damaged: %s",
                        h->file->path, (unsigned long long)addr, why);
}

static int read_at(const h5_heap_t *h, uint64_t addr, void *to, uint64_t n,
                   peri_err_t *err)
{
    const peri_h5file_t *f = h->file;
    if (addr > f->size || n > f->size - addr || f->base > f->size - addr - n)
        return damaged(h, addr, "it does not fit into the file", err);
    return peri_h5file_pread(f, to, n, addr + f->base, err);
}

/* Where each object begins. The one with number 0 is the free space, and the last. */
static int find_objects(h5_heap_t *h, collection_t *c, peri_err_t *err)
{
    for (uint64_t at = HEAD; c->size - at >= HEAD;) {
        const uint8_t *p = c->bytes + at;
        const uint64_t number = load(p, 2), size = load(p + 8, 8);
        if (number == 0) break;
        if (size > c->size - at - HEAD)
            return damaged(h, c->addr, "an object is longer than it", err);
        if (number >= c->cap) {
            const size_t cap = number < 64 ? 128 : 2 * (size_t)number;
            c->at = peri_xrealloc(c->at, cap, sizeof(*c->at));
            memset(c->at + c->cap, 0, (cap - c->cap) * sizeof(*c->at));
            c->cap = cap;
        }
        if (number >= c->n) c->n = number + 1;
        c->at[number] = (uint32_t)at;
        const uint64_t whole = HEAD + ((size + 7) & ~(uint64_t)7);
        if (whole > c->size - at) break;
        at += whole;
    }
    return 0;
}

static int read_collection(h5_heap_t *h, collection_t *c, uint64_t addr, peri_err_t *err)
{
    uint8_t head[HEAD];
    if (read_at(h, addr, head, HEAD, err)) return -1;
    const uint64_t size = load(head + 8, 8);
    if (memcmp(head, "GCOL\1", 5) != 0) return damaged(h, addr, "it is none", err);
    if (size < 2 * HEAD || size > H5_MAX_BYTES)
        return damaged(h, addr, "its size cannot be right", err);
    if (size > h->file->size) return damaged(h, addr, "it is larger than the file", err);
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return peri_err_set(err, PERI_ELIMIT, "not enough memory to read texts of %s",
                            h->file->path);
    *c = (collection_t){.addr = addr, .size = size, .bytes = bytes};
    h->bytes += size;
    if (read_at(h, addr, bytes, size, err) || find_objects(h, c, err)) {
        drop(h, c);
        return -1;
    }
    return 0;
}

/* The collection at this address, read if it is not kept. */
static collection_t *find(h5_heap_t *h, uint64_t addr, peri_err_t *err)
{
    collection_t *oldest = &h->kept[0];
    for (size_t i = 0; i < COLLECTIONS; i++) {
        if (h->kept[i].addr == addr) return &h->kept[i];
        if (h->kept[i].used < oldest->used) oldest = &h->kept[i];
    }
    for (size_t i = 0; h->bytes > KEEP_BYTES && i < COLLECTIONS; i++)
        drop(h, &h->kept[i]);
    drop(h, oldest);
    h->last = NULL;
    return read_collection(h, oldest, addr, err) == 0 ? oldest : NULL;
}

int peri_h5_heap_text(h5_heap_t *h, const uint8_t *reference, const char **text,
                      size_t *len, peri_err_t *err)
{
    const uint64_t n = load(reference, 4), addr = load(reference + 4, 8),
                   number = load(reference + 12, 4);
    *text = "";
    *len = 0;
    if (n == 0 || addr == 0) return 0; /* no text, or an empty one */
    collection_t *c = h->last && h->last->addr == addr ? h->last : find(h, addr, err);
    if (!c) return -1;
    h->last = c;
    c->used = ++h->now;
    const uint64_t at = number < c->n ? c->at[number] : 0;
    if (at == 0) return damaged(h, addr, "a text that is named is not in it", err);
    if (n > load(c->bytes + at + 8, 8))
        return damaged(h, addr, "a text is shorter than it should be", err);
    *text = (const char *)c->bytes + at + HEAD;
    *len = strnlen(*text, n);
    return 0;
}

bool peri_h5_heap_fits(hid_t file, hid_t type, hid_t dcpl)
{
    size_t addr = 0, size = 0;
    H5D_fill_value_t fill;
    const hid_t fcpl = H5Fget_create_plist(file);
    const bool sizes =
        fcpl >= 0 && H5Pget_sizes(fcpl, &addr, &size) >= 0 && addr == 8 && size == 8;
    if (fcpl >= 0) H5Pclose(fcpl);
    const H5D_layout_t layout = H5Pget_layout(dcpl);
    return sizes && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0 &&
           (layout == H5D_CHUNKED || layout == H5D_CONTIGUOUS) &&
           H5Pfill_value_defined(dcpl, &fill) >= 0 && fill != H5D_FILL_VALUE_USER_DEFINED;
}
