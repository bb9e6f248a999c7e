/* set.c - a dataset as rows: its shape, layout, fields and fill value, read once.
 *
 * Decides which way the data is read (peri_layout_t) and checks what the file claims
 * against the file's size. Reads no data but that of compact sets. Fixed after open, but
 * for the chunk map and the stored size.
 */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/h5/private.h"

#define LIBRARY_BLOCK ((uint64_t)1 << 20)
#define COMPACT_MAX   ((uint64_t)1 << 20)

static int damaged(const peri_h5set_t *s, const char *how, peri_err_t *err)
{
    return peri_err_set(err, PERI_EFORMAT, "%s is damaged: %s", s->what, how);
}

static int read_shape(peri_h5set_t *s, peri_err_t *err)
{
    s->space = H5Dget_space(s->dset);
    H5S_class_t cls = s->space < 0 ? H5S_NO_CLASS : H5Sget_simple_extent_type(s->space);
    if (cls == H5S_NULL || cls == H5S_SCALAR) {
        s->rows = cls == H5S_SCALAR;
        return 0;
    }
    int rank = cls == H5S_SIMPLE ? H5Sget_simple_extent_ndims(s->space) : -1;
    if (rank < 0 || rank > H5S_MAX_RANK ||
        H5Sget_simple_extent_dims(s->space, s->dims, NULL) < 0)
        return damaged(s, "it has no readable shape", err);
    s->rank = (unsigned)rank;
    s->rows = rank ? s->dims[0] : 1;
    return 0;
}

/* Bytes of a row with these extents, or UINT64_MAX. */
static uint64_t bytes_of(const peri_h5set_t *s, const hsize_t *extent)
{
    uint64_t n = s->elem;
    for (unsigned i = 1; i < s->rank; i++)
        if (__builtin_mul_overflow(n, (uint64_t)extent[i], &n)) return UINT64_MAX;
    return n;
}

static uint64_t mul(uint64_t a, uint64_t b)
{
    return __builtin_mul_overflow(a, b, &a) ? UINT64_MAX : a;
}

static int chunk_shape(peri_h5set_t *s, hid_t dcpl, peri_err_t *err)
{
    unsigned opts = 0;
    if (s->rank == 0 || H5Pget_chunk(dcpl, H5S_MAX_RANK, s->chunk) != (int)s->rank)
        return damaged(s, "it has no readable chunk shape", err);
    H5D_chunk_index_t kind;
    s->btree = H5_HAVE_BTREE1 && H5Dget_chunk_index_type(s->dset, &kind) >= 0 &&
               kind == H5D_CHUNK_IDX_BTREE;
    s->rows_whole = true;
    for (unsigned i = 0; i < s->rank; i++) {
        if (s->chunk[i] == 0) return damaged(s, "it has chunks of no size", err);
        s->rows_whole &= i == 0 || s->chunk[i] >= s->dims[i];
    }
    s->chunk_rows = s->chunk[0];
    s->chunk_bytes = mul(bytes_of(s, s->chunk), s->chunk_rows);
    bool plain = H5Pget_chunk_opts(dcpl, &opts) >= 0 && opts == 0;
    if (s->rows_whole && s->pipe.own && plain && !s->vlen)
        s->layout = PERI_LAYOUT_CHUNKED;
    return 0;
}

static int contiguous_shape(peri_h5set_t *s, hid_t dcpl, peri_err_t *err)
{
    if (s->vlen || H5Pget_external_count(dcpl) > 0) return 0;
    s->layout = PERI_LAYOUT_CONTIGUOUS;
    haddr_t at = H5Dget_offset(s->dset);
    /* HDF5 1.10 adds the bytes before the superblock even if there is no address. */
    const bool written = at != HADDR_UNDEF && at - s->file->base != HADDR_UNDEF;
    s->offset = written ? at : UINT64_MAX;
    if (s->offset != UINT64_MAX &&
        (s->offset > s->file->size || s->raw_bytes > s->file->size - s->offset)) {
        char wants[16], has[16];
        return peri_err_set(
            err, PERI_EFORMAT,
            "%s is truncated or damaged: its %s of data at byte %llu do not "
            "fit into the file (%s)",
            s->what, peri_human_bytes(s->raw_bytes, wants), (unsigned long long)s->offset,
            peri_human_bytes(s->file->size, has));
    }
    return 0;
}

static int compact_read(peri_h5set_t *s, hid_t type, peri_err_t *err)
{
    char why[256];
    if (s->vlen) return 0;
    /* HDF5 copies by the shape, whatever the header really holds. */
    if (s->raw_bytes > COMPACT_MAX || H5Dget_storage_size(s->dset) < s->raw_bytes)
        return damaged(s, "its compact data is shorter than its shape", err);
    s->layout = PERI_LAYOUT_COMPACT;
    s->compact = peri_xcalloc(1, s->raw_bytes + H5_SLACK);
    if (s->raw_bytes > 0 &&
        H5Dread(s->dset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, s->compact) < 0)
        return damaged(s, peri_h5_why(why), err);
    return 0;
}

static int read_layout(peri_h5set_t *s, hid_t dcpl, hid_t type, peri_err_t *err)
{
    s->layout = PERI_LAYOUT_LIBRARY;
    s->offset = UINT64_MAX;
    s->raw_bytes = mul(bytes_of(s, s->dims), s->rows);
    if (s->raw_bytes == UINT64_MAX)
        return damaged(s, "its shape is impossibly large", err);
    int rc = 0;
    switch (H5Pget_layout(dcpl)) {
    case H5D_CHUNKED:
        rc = chunk_shape(s, dcpl, err);
        break;
    case H5D_CONTIGUOUS:
        rc = contiguous_shape(s, dcpl, err);
        break;
    case H5D_COMPACT:
        rc = compact_read(s, type, err);
        break;
    default:
        break;
    }
    if (rc != 0) return -1;
    bool by_chunk = s->layout == PERI_LAYOUT_CHUNKED;
    s->row_bytes = bytes_of(s, by_chunk ? s->chunk : s->dims);
    if (s->layout == PERI_LAYOUT_LIBRARY && s->row_bytes > 0) {
        uint64_t whole = mul(s->row_bytes, s->chunk_rows);
        s->block_rows = s->chunk_rows > 0 && whole <= H5_MAX_BYTES
                            ? s->chunk_rows
                            : LIBRARY_BLOCK / s->row_bytes;
        if (s->block_rows == 0) s->block_rows = 1;
    }
    return 0;
}

/* References to texts as they are stored, if they can be had without HDF5. */
static int heap_layout(peri_h5set_t *s, hid_t dcpl, hid_t type, peri_err_t *err)
{
    if (!peri_h5_heap_fits(s->file->hid, type, dcpl) || H5Pget_external_count(dcpl) > 0)
        return 0;
    const size_t elem = s->elem;
    s->elem = H5_HEAP_REFERENCE;
    s->vlen = false;
    if (read_layout(s, dcpl, type, err) != 0) return -1;
    s->heap = s->layout != PERI_LAYOUT_LIBRARY;
    if (s->heap) return 0;
    s->elem = elem;
    s->vlen = true;
    return 0;
}

static int read_fields(peri_h5set_t *s, hid_t type, peri_err_t *err)
{
    h5_run_t dims[H5S_MAX_RANK];
    const hsize_t *extent = s->layout == PERI_LAYOUT_CHUNKED ? s->chunk : s->dims;
    uint64_t stride = s->elem;
    for (unsigned i = s->rank; i-- > 1; stride *= extent[i])
        dims[i - 1] = (h5_run_t){s->dims[i], stride};
    if (peri_h5_fields_make(&s->fields, type, dims, s->rank ? s->rank - 1 : 0, s->what,
                            err) != 0)
        return -1;
    if (s->heap) {
        s->fields.priv[0].conv.kind = H5_CONV_HEAP;
        s->fields.priv[0].conv.size = H5_HEAP_REFERENCE;
    }
    return 0;
}

static void read_fill(peri_h5set_t *s, hid_t dcpl, hid_t type)
{
    H5D_fill_value_t st;
    if (s->vlen || H5Pfill_value_defined(dcpl, &st) < 0 ||
        st != H5D_FILL_VALUE_USER_DEFINED)
        return;
    s->fill = peri_xcalloc(1, s->elem + H5_SLACK);
    if (H5Pget_fill_value(dcpl, type, s->fill) < 0) {
        free(s->fill);
        s->fill = NULL;
    }
}

/* External files are named relative to the current folder of whoever reads; where they
 * lie beside the HDF5 file, that is what the writer meant. */
static void find_external(peri_h5set_t *s, hid_t dcpl)
{
    char name[4096] = "", path[4096];
    off_t off;
    hsize_t size;
    if (H5Pget_external_count(dcpl) <= 0 ||
        H5Pget_external(dcpl, 0, sizeof(name) - 1, name, &off, &size) < 0 ||
        name[0] == '/')
        return;
    char *copy = peri_xstrdup(s->file->real), *folder = dirname(copy);
    char *beside = peri_xasprintf("%s/%s", folder, name);
    if (access(beside, R_OK) == 0 && H5Iget_name(s->dset, path, sizeof(path)) > 0) {
        hid_t dapl = H5Pcreate(H5P_DATASET_ACCESS);
        H5Pset_efile_prefix(dapl, folder);
        H5Dclose(s->dset); /* before: an open dataset keeps its first prefix */
        s->dset = H5Dopen2(s->file->hid, path, dapl);
        H5Pclose(dapl);
    }
    free(beside);
    free(copy);
}

static int inspect(peri_h5set_t *s, hid_t dcpl, hid_t type, peri_err_t *err)
{
    char why[256];
    if (dcpl < 0 || type < 0) return damaged(s, peri_h5_why(why), err);
    if (peri_h5_storage_check(s->file, dcpl, 0, err) != 0 ||
        peri_h5pipe_make(&s->pipe, dcpl, s->what, err) != 0 || read_shape(s, err) != 0)
        return -1;
    find_external(s, dcpl);
    if (s->dset < 0) return damaged(s, peri_h5_why(why), err);
    s->elem = H5Tget_size(type);
    if (s->elem == 0 || s->elem > H5_MAX_BYTES)
        return damaged(s, "its elements have an impossible size", err);
    s->vlen = peri_h5_type_vlen(type) != 0;
    s->memtype = peri_h5_type_readable(type);
    if (s->vlen && heap_layout(s, dcpl, type, err) != 0) return -1;
    if (!s->heap && read_layout(s, dcpl, type, err) != 0) return -1;
    if (read_fields(s, type, err) != 0) return -1;
    read_fill(s, dcpl, type);
    return 0;
}

peri_h5set_t *peri_h5set_open(peri_h5file_t *f, const char *path, peri_err_t *err)
{
    peri_h5file_t *in = NULL;
    peri_h5set_t *s = NULL;
    peri_h5_enter(f->path, H5_BUSY_META);
    hid_t id = peri_h5_object_open(f, path, &in, err);
    if (id < 0) goto out;
    if (H5Iget_type(id) != H5I_DATASET) {
        peri_err_set(err, PERI_ENOTFOUND, "'%s' in %s is a group or type, not a dataset",
                     path, in->path);
        H5Oclose(id);
        peri_h5file_unref(in);
        goto out;
    }
    s = peri_xcalloc(1, sizeof(*s));
    atomic_init(&s->refs, 1);
    s->file = in;
    s->dset = id;
    s->space = s->memtype = H5I_INVALID_HID;
    s->stored = UINT64_MAX;
    s->what = peri_xasprintf("dataset '%s' in %s", path, in->path);
    hid_t dcpl = H5Dget_create_plist(id), type = H5Dget_type(id);
    int rc = inspect(s, dcpl, type, err);
    if (dcpl >= 0) H5Pclose(dcpl);
    if (type >= 0) H5Tclose(type);
    if (rc != 0) {
        peri_h5set_unref(s);
        s = NULL;
    }
out:
    peri_h5_leave();
    return s;
}

peri_h5set_t *peri_h5set_ref(peri_h5set_t *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void peri_h5set_unref(peri_h5set_t *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) return;
    peri_h5_enter(s->file->path, H5_BUSY_META);
    if (s->dset >= 0) H5Dclose(s->dset);
    if (s->space >= 0) H5Sclose(s->space);
    if (s->memtype >= 0) H5Tclose(s->memtype);
    peri_h5_fields_free(&s->fields);
    peri_h5_leave();
    peri_h5pipe_free(&s->pipe);
    free(atomic_load(&s->map));
    free(s->compact);
    free(s->fill);
    free(s->what);
    peri_h5file_unref(s->file);
    free(s);
}

uint64_t peri_h5set_rows(const peri_h5set_t *s)
{
    return s->rows;
}

peri_layout_t peri_h5set_layout(const peri_h5set_t *s)
{
    return s->layout;
}

uint64_t peri_h5set_chunk_rows(const peri_h5set_t *s)
{
    return s->chunk_rows;
}

uint64_t peri_h5set_nchunks(const peri_h5set_t *s)
{
    if (s->chunk_rows == 0) return s->rows > 0;
    return s->rows / s->chunk_rows + (s->rows % s->chunk_rows != 0);
}

uint64_t peri_h5set_stored_bytes(const peri_h5set_t *s)
{
    /* Lazy: HDF5 walks all chunks for it. */
    peri_h5_enter(s->file->path, H5_BUSY_META);
    if (s->stored == UINT64_MAX)
        ((peri_h5set_t *)s)->stored = H5Dget_storage_size(s->dset);
    uint64_t n = s->stored;
    peri_h5_leave();
    return n;
}

uint64_t peri_h5set_raw_bytes(const peri_h5set_t *s)
{
    return s->raw_bytes;
}

const char *peri_h5set_filters(const peri_h5set_t *s)
{
    return s->pipe.text;
}

const peri_h5field_t *peri_h5set_fields(const peri_h5set_t *s, size_t *n)
{
    *n = s->fields.n;
    return s->fields.pub;
}

uint64_t peri_h5set_offset(const peri_h5set_t *s)
{
    return s->offset;
}
