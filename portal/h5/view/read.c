/* read.c - a part of a dataset, in blocks. */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/h5/view/view.h"

#define BLOCK (8u << 20) /* bytes in memory at once */

static int check_filters(hid_t plist, const char *name, peri_err_t *err)
{
    const int n = H5Pget_nfilters(plist);
    for (int i = 0; i < n; i++) {
        char filter[64] = "";
        unsigned flags, info;
        size_t nothing = 0;
        const H5Z_filter_t id = H5Pget_filter2(plist, (unsigned)i, &flags, &nothing, NULL,
                                               sizeof(filter), filter, &info);
        if (id >= 0 && H5Zfilter_avail(id) <= 0)
            return peri_err_set(err, PERI_EUNSUPP,
                                "%s is compressed with the filter %d \"%.60s\", which "
                                "this server cannot undo: download the file",
                                name, (int)id, filter);
    }
    return 0;
}

/* Sources of a virtual dataset that are not there are filled silently. */
static int check_sources(hid_t plist, const char *name, peri_err_t *err)
{
    size_t n = 0;
    if (H5Pget_virtual_count(plist, &n) < 0)
        return peri_h5view_fail(err, "%s has no readable sources", name);
    for (size_t i = 0; i < n; i++) {
        char source[4] = "";
        const ssize_t len = H5Pget_virtual_filename(plist, i, source, sizeof(source));
        if (len != 1 || source[0] != '.')
            return peri_err_set(err, PERI_EUNSUPP,
                                "%s is a virtual dataset over other files: only one file "
                                "is looked into here, open those",
                                name);
    }
    return 0;
}

int peri_h5read_check(hid_t set, const char *name, peri_err_t *err)
{
    const hid_t plist = H5Dget_create_plist(set);
    if (plist < 0) return peri_h5view_fail(err, "%s cannot be read", name);
    int rc = check_filters(plist, name, err);
    if (!rc && H5Pget_layout(plist) == H5D_VIRTUAL) rc = check_sources(plist, name, err);
    if (!rc && H5Pget_external_count(plist) > 0)
        rc = peri_err_set(err, PERI_EUNSUPP,
                          "the data of %s lie in other files: only one file is looked "
                          "into here",
                          name);
    H5Pclose(plist);
    return rc;
}

typedef struct {
    hid_t set, memory, space;
    const peri_h5part_t *part;
    size_t size;    /* of an element */
    size_t at;      /* the dimension that is cut; those after it are whole */
    uint64_t rows;  /* of it at once */
    uint64_t chunk; /* of it in a chunk; 1: not chunked */
    bool vlen;
    void *buf;
    const char *name;
} reading_t;

static uint64_t inner(const peri_h5part_t *p, size_t after)
{
    uint64_t n = 1;
    for (size_t i = after + 1; i < p->ndims; i++) n *= p->count[i];
    return n;
}

static void plan(reading_t *r)
{
    const peri_h5part_t *p = r->part;
    r->chunk = 1;
    while (r->at + 1 < p->ndims && inner(p, r->at) > BLOCK / r->size) r->at++;
    r->rows = BLOCK / r->size / inner(p, r->at);
    if (r->rows == 0) r->rows = 1;
    const hid_t plist = H5Dget_create_plist(r->set);
    hsize_t chunk[PERI_H5SELECT_DIMS];
    if (plist >= 0 && H5Pget_layout(plist) == H5D_CHUNKED &&
        H5Pget_chunk(plist, (int)p->ndims, chunk) > 0 && chunk[r->at])
        r->chunk = chunk[r->at];
    if (plist >= 0) H5Pclose(plist);
}

/* As many rows from `from` on as are read at once: to the end of a chunk, if one fits. */
static uint64_t rows_at(const reading_t *r, uint64_t from)
{
    const peri_h5part_t *p = r->part;
    uint64_t n = p->count[r->at] - from;
    if (n > r->rows) n = r->rows;
    if (p->step[r->at] != 1 || r->chunk > n || from + n == p->count[r->at]) return n;
    const uint64_t over = (p->start[r->at] + from + n) % r->chunk;
    return over < n ? n - over : n;
}

static int read_block(reading_t *r, hsize_t *start, hsize_t *count, uint64_t n,
                      peri_h5block_f f, void *ctx, peri_err_t *err)
{
    const peri_h5part_t *p = r->part;
    hsize_t step[PERI_H5SELECT_DIMS];
    int rc = -1;
    for (size_t i = 0; i < p->ndims; i++) step[i] = p->step[i];
    const hsize_t total = n;
    const hid_t mem = H5Screate_simple(1, &total, NULL);
    if (mem < 0 || (p->ndims && H5Sselect_hyperslab(r->space, H5S_SELECT_SET, start, step,
                                                    count, NULL) < 0)) {
        peri_h5view_fail(err, "%s: the selection is not possible", r->name);
        goto out;
    }
    if (r->vlen) memset(r->buf, 0, n * r->size);
    if (H5Dread(r->set, r->memory, mem, r->space, H5P_DEFAULT, r->buf) < 0) {
        peri_h5view_fail(err, "the data of %s cannot be read", r->name);
        goto out;
    }
    rc = f(ctx, r->buf, n, err);
    if (r->vlen) H5Dvlen_reclaim(r->memory, mem, H5P_DEFAULT, r->buf);
out:
    if (mem >= 0) H5Sclose(mem);
    return rc;
}

/* The dimensions before the one that is cut, as an odometer. */
static bool step(const reading_t *r, uint64_t *at)
{
    for (size_t i = r->at; i-- > 0;) {
        if (++at[i] < r->part->count[i]) return true;
        at[i] = 0;
    }
    return false;
}

static int read_all(reading_t *r, peri_h5block_f f, void *ctx, peri_err_t *err)
{
    const peri_h5part_t *p = r->part;
    uint64_t at[PERI_H5SELECT_DIMS] = {0};
    hsize_t start[PERI_H5SELECT_DIMS], count[PERI_H5SELECT_DIMS];
    const uint64_t each = p->ndims ? inner(p, r->at) : 1;
    const uint64_t rows = p->ndims ? p->count[r->at] : 1;
    for (size_t i = 0; i < p->ndims; i++) {
        start[i] = p->start[i];
        count[i] = i < r->at ? 1 : p->count[i];
    }
    do {
        for (size_t i = 0; i < r->at; i++) start[i] = p->start[i] + at[i] * p->step[i];
        for (uint64_t from = 0, n; from < rows; from += n) {
            n = p->ndims ? rows_at(r, from) : 1;
            if (p->ndims) {
                start[r->at] = p->start[r->at] + from * p->step[r->at];
                count[r->at] = n;
            }
            if (read_block(r, start, count, n * each, f, ctx, err)) return -1;
        }
    } while (step(r, at));
    return 0;
}

int peri_h5read(hid_t set, hid_t memory, const peri_h5part_t *part, const char *name,
                peri_h5block_f f, void *ctx, peri_err_t *err)
{
    reading_t r = {.set = set, .memory = memory, .part = part, .name = name};
    r.size = H5Tget_size(memory);
    r.vlen = H5Tdetect_class(memory, H5T_VLEN) > 0 || !peri_h5type_is_plain(memory);
    const uint64_t total = peri_h5part_size(part);
    if (total == 0) return 0;
    if (total > (uint64_t)1 << 48)
        return peri_err_set(err, PERI_ELIMIT, "%s has too many elements: select less",
                            name);
    if (!r.size || r.size > 8 * (size_t)BLOCK)
        return peri_err_set(err, PERI_ELIMIT, "an element of %s is larger than %u MiB",
                            name, 8 * BLOCK >> 20);
    plan(&r);
    r.space = H5Dget_space(set);
    if (r.space < 0) return peri_h5view_fail(err, "%s has no readable shape", name);
    uint64_t most = r.rows;
    if (part->ndims && most > part->count[r.at]) most = part->count[r.at];
    r.buf = peri_xmalloc((size_t)((part->ndims ? most * inner(part, r.at) : 1) * r.size));
    int rc = read_all(&r, f, ctx, err);
    free(r.buf);
    H5Sclose(r.space);
    return rc;
}
