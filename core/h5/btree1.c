/* btree1.c - the chunk index of a dataset read straight from the file.
 *
 * HDF5 1.10 has no call that lists chunks in linear time, but nearly all files index
 * chunks with the old version-1 B-tree, whose format is public (HDF5 File Format
 * Specification, III.A.1, IV.A). Everything read is checked: addresses against the file,
 * levels falling by one (so no cycles), counts against the number of chunks. Whatever
 * looks unusual ends it; the caller then asks HDF5.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

#if !H5_HAVE_BTREE1

int peri_h5_btree1_map(const peri_h5set_t *s, peri_chunkloc_t *locs, uint64_t nchunks,
                       uint64_t *found)
{
    (void)s, (void)locs, (void)nchunks, (void)found;
    return -1;
}

#else

#define MAX_BLOCKS     64
#define MAX_BLOCK      65536
#define MSG_LAYOUT     0x08
#define MSG_CONTINUE   0x10
#define HEADER_OF_NODE 24

static uint64_t le(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = n; i-- > 0;) v = v << 8 | p[i];
    return v;
}

static bool read_at(const peri_h5set_t *s, uint64_t addr, void *buf, size_t n)
{
    const peri_h5file_t *f = s->file;
    return addr <= f->size && n <= f->size - addr && f->base <= f->size - addr - n &&
           peri_h5file_pread(f, buf, n, addr + f->base, NULL) == 0;
}

/* A version-3 layout message of a chunked dataset with the shape that HDF5 told us. */
static bool layout_message(const peri_h5set_t *s, const uint8_t *p, size_t n,
                           uint64_t *tree)
{
    unsigned nd = s->rank + 1;
    if (n < 11 + 4 * (size_t)nd || p[0] != 3 || p[1] != 2 || p[2] != nd) return false;
    for (unsigned i = 0; i < nd; i++)
        if (le(p + 11 + 4 * i, 4) != (i < s->rank ? s->chunk[i] : s->elem)) return false;
    *tree = le(p + 3, 8);
    return true;
}

typedef struct {
    uint64_t addr, size;
} extent_t;

/* The messages in one block of an object header. 1: found, 0: not here, -1: unusual. */
static int scan_block(const peri_h5set_t *s, const uint8_t *p, size_t n, unsigned version,
                      size_t msg_header, extent_t *more, size_t *nmore, uint64_t *tree)
{
    while (n >= msg_header) {
        unsigned type = version == 1 ? (unsigned)le(p, 2) : p[0];
        size_t size = le(p + (version == 1 ? 2 : 1), 2);
        unsigned flags = version == 1 ? p[4] : p[3];
        p += msg_header;
        n -= msg_header;
        if (size > n) return -1;
        if (type == MSG_LAYOUT)
            return (flags & 2) == 0 && layout_message(s, p, size, tree) ? 1 : -1;
        if (type == MSG_CONTINUE) {
            if (size < 16 || *nmore == MAX_BLOCKS) return -1;
            more[(*nmore)++] = (extent_t){le(p, 8), le(p + 8, 8)};
        }
        p += size;
        n -= size;
    }
    return 0;
}

static int find_tree(const peri_h5set_t *s, uint64_t header, uint64_t *tree)
{
    uint8_t start[64], *buf = peri_xmalloc(MAX_BLOCK);
    extent_t block[MAX_BLOCKS];
    size_t nblocks = 1, msg_header = 8, trim = 0;
    unsigned version = 1;
    int rc = -1;
    if (!read_at(s, header, start, sizeof(start))) goto out;
    if (memcmp(start, "OHDR", 4) == 0 && start[4] == 2) {
        unsigned flags = start[5], wide = 1u << (flags & 3);
        size_t at = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
        version = 2;
        msg_header = flags & 4 ? 6 : 4;
        block[0] = (extent_t){header + at + wide, le(start + at, wide)};
    } else if (start[0] == 1) {
        block[0] = (extent_t){header + 16, le(start + 8, 4)};
    } else {
        goto out;
    }
    rc = 0;
    for (size_t i = 0; i < nblocks && rc == 0; i++) {
        uint64_t n = block[i].size;
        if (n > MAX_BLOCK || !read_at(s, block[i].addr, buf, n))
            rc = -1;
        else if (i > 0 && version == 2) { /* signature before, checksum after */
            trim = 4;
            rc = n < 8 || memcmp(buf, "OCHK", 4) != 0 ? -1 : 0;
            n -= 4;
        }
        if (rc == 0)
            rc = scan_block(s, buf + trim, n - trim, version, msg_header, block, &nblocks,
                            tree);
    }
out:
    free(buf);
    return rc == 1 ? 0 : -1;
}

typedef struct {
    const peri_h5set_t *s;
    peri_chunkloc_t *locs;
    uint64_t nchunks, found;
} walk_t;

static int take_chunk(walk_t *w, const uint8_t *key, uint64_t child)
{
    const peri_h5set_t *s = w->s;
    uint64_t row = le(key + 8, 8), i = row / s->chunk_rows;
    for (unsigned d = 1; d <= s->rank; d++)
        if (le(key + 8 + 8 * d, 8) != 0) return -1;
    if (row % s->chunk_rows != 0 || i >= w->nchunks || w->locs[i].offset != UINT64_MAX ||
        child > s->file->size)
        return -1;
    w->locs[i] =
        (peri_chunkloc_t){child + s->file->base, le(key, 4), (uint32_t)le(key + 4, 4)};
    w->found++;
    return 0;
}

static int walk(walk_t *w, uint64_t addr, int level)
{
    size_t key = 8 + 8 * ((size_t)w->s->rank + 1);
    uint8_t head[HEADER_OF_NODE];
    if (!read_at(w->s, addr, head, sizeof(head)) || memcmp(head, "TREE", 4) != 0 ||
        head[4] != 1 || (level >= 0 && head[5] != level) || head[5] > 20)
        return -1;
    size_t n = le(head + 6, 2), bytes = n * (key + 8);
    uint8_t *buf = peri_xmalloc(bytes + 1);
    int rc = read_at(w->s, addr + sizeof(head), buf, bytes) ? 0 : -1;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const uint8_t *p = buf + i * (key + 8);
        uint64_t child = le(p + key, 8);
        rc = head[5] == 0 ? take_chunk(w, p, child) : walk(w, child, head[5] - 1);
    }
    free(buf);
    return rc;
}

int peri_h5_btree1_map(const peri_h5set_t *s, peri_chunkloc_t *locs, uint64_t nchunks,
                       uint64_t *found)
{
    H5O_info_t info;
    size_t addr_size = 0, len_size = 0;
    uint64_t tree = 0;
    if (!s->btree) return -1;
    peri_h5_enter(s->file->path, H5_BUSY_META);
    hid_t fcpl = H5Fget_create_plist(s->file->hid);
    bool usual = fcpl >= 0 && H5Pget_sizes(fcpl, &addr_size, &len_size) >= 0 &&
                 addr_size == 8 && len_size == 8 &&
                 H5Oget_info2(s->dset, &info, H5O_INFO_BASIC) >= 0;
    if (fcpl >= 0) H5Pclose(fcpl);
    peri_h5_leave();
    if (!usual || find_tree(s, info.addr, &tree) != 0) return -1;
    walk_t w = {.s = s, .locs = locs, .nchunks = nchunks};
    /* Inner nodes of a damaged tree might share children: a taken chunk is not taken
     * twice, so the walk ends there. */
    if (tree != UINT64_MAX && walk(&w, tree, -1) != 0) return -1;
    *found = w.found;
    return 0;
}

#endif
