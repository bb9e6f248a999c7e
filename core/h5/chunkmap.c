/* chunkmap.c - where the chunks of a dataset lie in the file.
 *
 * HDF5 1.10 answers one chunk in time linear to their number; a whole map comes from our
 * own walk of the B-tree (btree1.c), from H5Dchunk_iter where HDF5 has it, or else one by
 * one.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

/* Until 1.14.4 HDF5 left out the user block in addresses of chunks. */
#if H5_VERSION_GE(1, 14, 4)
#define ADDRESS_BASE(s) 0
#else
#define ADDRESS_BASE(s) ((s)->file->base)
#endif

static int check_whole(const peri_h5set_t *s, peri_err_t *err)
{
    if (s->chunk_rows > 0 && s->rows_whole) return 0;
    return peri_err_set(err, PERI_EUNSUPP, "%s has no chunks of whole rows", s->what);
}

static peri_chunkloc_t location(const peri_h5set_t *s, haddr_t addr, hsize_t size,
                                unsigned mask)
{
    if (addr == HADDR_UNDEF || size == 0) return (peri_chunkloc_t){.offset = UINT64_MAX};
    return (peri_chunkloc_t){addr + ADDRESS_BASE(s), size, mask};
}

int peri_h5set_chunk_location(peri_h5set_t *s, uint64_t chunk, peri_chunkloc_t *loc,
                              peri_err_t *err)
{
    hsize_t at[H5S_MAX_RANK] = {chunk * s->chunk_rows}, size = 0;
    unsigned mask = 0;
    haddr_t addr = HADDR_UNDEF;
    char why[256] = "";
    if (check_whole(s, err) != 0) return -1;
    if (chunk >= peri_h5set_nchunks(s))
        return peri_err_set(err, PERI_EINVAL, "%s has no chunk %llu", s->what,
                            (unsigned long long)chunk);
    peri_h5_enter(s->file->path, H5_BUSY_META);
    herr_t rc = H5Dget_chunk_info_by_coord(s->dset, at, &mask, &addr, &size);
    if (rc < 0) peri_h5_why(why);
    peri_h5_leave();
    if (rc < 0)
        return peri_err_set(err, PERI_EFORMAT, "%s has a damaged chunk index: %s",
                            s->what, why);
    *loc = location(s, addr, size, mask);
    return 0;
}

static int put(const peri_h5set_t *s, peri_chunkloc_t *locs, const hsize_t *at,
               peri_chunkloc_t loc)
{
    uint64_t i = at[0] / s->chunk_rows;
    if (i >= peri_h5set_nchunks(s) || at[0] % s->chunk_rows != 0) return -1;
    locs[i] = loc;
    return 0;
}

#if H5_VERSION_GE(1, 14, 0)
typedef struct {
    const peri_h5set_t *s;
    peri_chunkloc_t *locs;
} iter_t;

static int on_chunk(const hsize_t *at, unsigned mask, haddr_t addr, hsize_t size,
                    void *arg)
{
    iter_t *it = arg;
    return put(it->s, it->locs, at, location(it->s, addr, size, mask));
}

static int map_by_hdf5(peri_h5set_t *s, peri_chunkloc_t *locs, char why[256])
{
    iter_t it = {s, locs};
    peri_h5_enter(s->file->path, H5_BUSY_META);
    int rc = H5Dchunk_iter(s->dset, H5P_DEFAULT, on_chunk, &it) < 0 ? -1 : 0;
    if (rc != 0) peri_h5_why(why);
    peri_h5_leave();
    return rc;
}
#else
/* The lock is taken for each chunk: this may take long, others want to read meanwhile. */
static int map_by_hdf5(peri_h5set_t *s, peri_chunkloc_t *locs, char why[256])
{
    hsize_t n = 0, at[H5S_MAX_RANK], size;
    int rc = 0;
    peri_h5_enter(s->file->path, H5_BUSY_META);
    if (H5Dget_num_chunks(s->dset, s->space, &n) < 0) {
        peri_h5_why(why);
        rc = -1;
    }
    peri_h5_leave();
    for (hsize_t i = 0; i < n && rc == 0; i++) {
        unsigned mask;
        haddr_t addr;
        peri_h5_enter(s->file->path, H5_BUSY_META);
        rc =
            H5Dget_chunk_info(s->dset, s->space, i, at, &mask, &addr, &size) < 0 ? -1 : 0;
        if (rc != 0) peri_h5_why(why);
        peri_h5_leave();
        if (rc == 0) rc = put(s, locs, at, location(s, addr, size, mask));
    }
    return rc;
}
#endif

/* Our own reading of the tree is believed if HDF5 agrees on the number of chunks and on
 * the last one. */
static bool map_by_tree(peri_h5set_t *s, peri_chunkloc_t *locs, uint64_t n)
{
    uint64_t found = 0, last = n;
    hsize_t count = 0;
    peri_chunkloc_t loc;
    if (peri_h5_btree1_map(s, locs, n, &found) != 0) return false;
    peri_h5_enter(s->file->path, H5_BUSY_META);
    herr_t rc = H5Dget_num_chunks(s->dset, s->space, &count);
    peri_h5_leave();
    if (rc < 0 || count != found) return false;
    while (last > 0 && locs[last - 1].offset == UINT64_MAX) last--;
    if (last == 0) return true;
    const peri_chunkloc_t *ours = &locs[last - 1];
    return peri_h5set_chunk_location(s, last - 1, &loc, NULL) == 0 &&
           loc.offset == ours->offset && loc.size == ours->size &&
           loc.filter_mask == ours->filter_mask;
}

static void clear(peri_chunkloc_t *locs, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) locs[i] = (peri_chunkloc_t){.offset = UINT64_MAX};
}

int peri_h5set_chunk_map(peri_h5set_t *s, peri_chunkloc_t *locs, peri_err_t *err)
{
    uint64_t n = peri_h5set_nchunks(s);
    char why[256] = "a chunk at an impossible place";
    if (check_whole(s, err) != 0) return -1;
    clear(locs, n);
    if (map_by_tree(s, locs, n)) return 0;
    clear(locs, n);
    if (map_by_hdf5(s, locs, why) != 0)
        return peri_err_set(err, PERI_EFORMAT, "%s has a damaged chunk index: %s",
                            s->what, why);
    return 0;
}

/* The first map stays: cursors of other threads may be reading it. */
static const peri_chunkloc_t *keep(peri_h5set_t *s, peri_chunkloc_t *map)
{
    peri_chunkloc_t *none = NULL;
    if (!atomic_compare_exchange_strong(&s->map, &none, map)) {
        free(map);
        return none;
    }
    return map;
}

const peri_chunkloc_t *peri_h5set_auto_map(peri_h5set_t *s)
{
    /* Neither a file of holes nor a damaged shape may make us take much memory. */
    uint64_t n = peri_h5set_nchunks(s), most = s->file->size / 16 + 1024;
    if (!s->btree || n > most) return NULL;
    peri_chunkloc_t *map = peri_xmalloc(n * sizeof(*map) + 1);
    clear(map, n);
    if (!map_by_tree(s, map, n)) {
        free(map);
        return NULL;
    }
    return keep(s, map);
}

int peri_h5set_use_chunk_map(peri_h5set_t *s, const peri_chunkloc_t *locs, uint64_t n,
                             peri_err_t *err)
{
    if (check_whole(s, err) != 0) return -1;
    if (n != peri_h5set_nchunks(s))
        return peri_err_set(err, PERI_EINVAL,
                            "the index has %llu chunks for %s, which has %llu: make the "
                            "index again",
                            (unsigned long long)n, s->what,
                            (unsigned long long)peri_h5set_nchunks(s));
    for (uint64_t i = 0; i < n; i++)
        if (locs[i].offset != UINT64_MAX &&
            (locs[i].offset > s->file->size ||
             locs[i].size > s->file->size - locs[i].offset))
            return peri_err_set(
                err, PERI_EFORMAT,
                "the index puts chunk %llu of %s outside of the file: make "
                "the index again",
                (unsigned long long)i, s->what);
    peri_chunkloc_t *copy = peri_xmalloc(n * sizeof(*copy) + 1);
    memcpy(copy, locs, n * sizeof(*copy));
    keep(s, copy);
    return 0;
}
