/* hdf5.c - hdf5: one dataset a column in the root group, which Perigee itself, h5py and
 * everything else read as a table.
 *
 * Rows are collected into whole chunks, which are shuffled and deflated here and handed
 * to HDF5 ready-made: that is several times faster than its own filters and leaves the
 * library's lock free meanwhile. NULL is NaN, 0, false or "" in the column, and true in a
 * dataset of flags, /nulls/COLUMN, which exists only if the column has a NULL.
 * docs/results.md describes the file.
 */
#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/h5/h5.h"
#include "core/out/binary.h"
#include "core/out/format.h"
#include "core/out/h5attrs.h"
#include "core/out/h5names.h"
#include "core/out/hdf5.h"

#define CHUNK_ROWS ((size_t)65536)
#define BUFFERS_MAX                                                                      \
    ((size_t)64 << 20) /* of all columns; wide tables get shorter chunks */
#define DEFLATE_LEVEL 1

/* ---- errors ---- */

static herr_t innermost(unsigned n, const H5E_error2_t *e, void *arg)
{
    if (n == 0 && e->desc) snprintf(arg, 256, "%s", e->desc);
    return 0;
}

int peri_h5_fail(const peri_writer_t *w, peri_err_t *err)
{
    char why[256] = "HDF5 gives no reason";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, why);
    const char *path = peri_target_path(w->target);
    if (strstr(why, strerror(ENOSPC)) || strstr(why, strerror(EDQUOT)))
        return peri_err_set(
            err, PERI_EIO,
            "cannot write %s: there is no space left on the disk; nothing "
            "of it is kept",
            path);
    return peri_err_set(err, PERI_EIO, "cannot write %s: %s", path, why);
}

/* ---- open ---- */

hid_t peri_h5_file_type(peri_binary_t k)
{
    switch (k) {
    case PERI_BIN_I8:
        return H5Tcopy(H5T_NATIVE_INT8);
    case PERI_BIN_I16:
        return H5Tcopy(H5T_NATIVE_INT16);
    case PERI_BIN_I32:
        return H5Tcopy(H5T_NATIVE_INT32);
    case PERI_BIN_I64:
        return H5Tcopy(H5T_NATIVE_INT64);
    case PERI_BIN_U8:
        return H5Tcopy(H5T_NATIVE_UINT8);
    case PERI_BIN_U16:
        return H5Tcopy(H5T_NATIVE_UINT16);
    case PERI_BIN_U32:
        return H5Tcopy(H5T_NATIVE_UINT32);
    case PERI_BIN_U64:
        return H5Tcopy(H5T_NATIVE_UINT64);
    case PERI_BIN_F32:
        return H5Tcopy(H5T_NATIVE_FLOAT);
    case PERI_BIN_F64:
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    case PERI_BIN_TEXT:
        return peri_h5_string_type();
    case PERI_BIN_BOOL:
        break;
    }
    /* What h5py and PyTables take for booleans. */
    hid_t t = H5Tenum_create(H5T_NATIVE_INT8);
    H5Tenum_insert(t, "FALSE", &(int8_t){0});
    H5Tenum_insert(t, "TRUE", &(int8_t){1});
    return t;
}

static int open_file(peri_writer_t *w, hdf5_t *h)
{
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS), fcpl = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    /* Readers list the columns in the query's order. */
    H5Pset_link_creation_order(fcpl, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    h->file = H5Fcreate(peri_target_temp(w->target), H5F_ACC_EXCL, fcpl, fapl);
    H5Pclose(fapl);
    H5Pclose(fcpl);
    return h->file < 0 ? -1 : peri_h5_put_head(h->file, w, h->links);
}

/* What follows from the columns alone; returns the bytes of the widest number. */
static size_t size_rows(const peri_writer_t *w, hdf5_t *h)
{
    size_t row = 0, widest = 1;
    for (size_t c = 0; c < w->ncols; c++) {
        column_t *col = &h->cols[c];
        bool is_text = col->kind == PERI_BIN_TEXT;
        col->item = is_text ? sizeof(char *) : peri_binary_size(col->kind) * col->width;
        row += is_text ? 64 : col->item + 1;
        if (!is_text && col->item > widest) widest = col->item;
    }
    h->chunk_rows = CHUNK_ROWS;
    while (h->chunk_rows > 1 && h->chunk_rows * row > BUFFERS_MAX) h->chunk_rows /= 2;
    h->room_rows = h->chunk_rows;
    return widest;
}

static void make_buffers(const peri_writer_t *w, hdf5_t *h)
{
    for (size_t c = 0; c < w->ncols; c++) {
        h->cols[c].data = peri_xcalloc(h->chunk_rows, h->cols[c].item);
        h->cols[c].nulls = peri_xcalloc(h->chunk_rows, h->cols[c].width);
    }
    h->room = h->chunk_rows * h->widest;
    h->shuffled = peri_xmalloc(h->room);
    h->packed = peri_xmalloc(h->room);
    h->deflate = libdeflate_alloc_compressor(DEFLATE_LEVEL);
}

hdf5_t *peri_h5_state_new(peri_writer_t *w)
{
    hdf5_t *h = peri_xcalloc(1, sizeof(*h));
    w->state = h;
    h->file = h->nulls = -1;
    peri_buf_init(&h->text, w->text.max);
    h->cols = peri_xcalloc(w->ncols, sizeof(*h->cols));
    h->links = peri_h5_link_names(w);
    for (size_t c = 0; c < w->ncols; c++) {
        column_t *col = &h->cols[c];
        col->kind = peri_binary_kind(&w->fields[c], true, &col->width);
        if (col->width > PERI_H5_WIDTH_MAX) {
            col->kind = PERI_BIN_TEXT;
            col->width = 1;
        }
        col->type = col->set = col->mask = -1;
        col->vector =
            w->fields[c].type == DUCKDB_TYPE_ARRAY && col->kind != PERI_BIN_TEXT;
        col->link = h->links[c];
    }
    h->widest = size_rows(w, h);
    return h;
}

static int hdf5_open(peri_writer_t *w, peri_err_t *err)
{
    hdf5_t *h = peri_h5_state_new(w);
    make_buffers(w, h);
    if (!h->deflate)
        return peri_err_set(err, PERI_EINTERNAL, "libdeflate gives no compressor");
    if (w->opts.extends) return peri_h5_extend(w, h, err);
    peri_h5_lock();
    int rc = open_file(w, h) ? peri_h5_fail(w, err) : 0;
    peri_h5_unlock();
    return rc;
}

/* ---- datasets ---- */

/* One dataset of `width` values a row; `chunk` rows a chunk. */
static hid_t create_set(hid_t where, const char *name, hid_t type, size_t width,
                        bool vector, size_t chunk, bool is_text)
{
    int rank = vector ? 2 : 1;
    hsize_t dims[2] = {0, width}, max[2] = {H5S_UNLIMITED, width},
            part[2] = {chunk, width};
    hid_t space = H5Screate_simple(rank, dims, max);
    hid_t props = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(props, rank, part);
    if (!is_text) { /* texts lie in the file's heap, where no filter reaches */
        if (H5Tget_size(type) > 1) H5Pset_shuffle(props);
        H5Pset_deflate(props, DEFLATE_LEVEL);
    }
    hid_t set = H5Dcreate2(where, name, type, space, H5P_DEFAULT, props, H5P_DEFAULT);
    H5Pclose(props);
    H5Sclose(space);
    return set;
}

static int create_column(peri_writer_t *w, hdf5_t *h, size_t c, size_t chunk)
{
    column_t *col = &h->cols[c];
    col->type = peri_h5_file_type(col->kind);
    col->set = create_set(h->file, col->link, col->type, col->width, col->vector, chunk,
                          col->kind == PERI_BIN_TEXT);
    return col->set < 0 ? -1 : peri_h5_put_column(col->set, w, c, col->link, &h->text);
}

static int create_mask(hdf5_t *h, column_t *col, size_t chunk)
{
    if (h->nulls < 0)
        h->nulls =
            H5Gcreate2(h->file, PERI_H5_NULLS, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t type = peri_h5_file_type(PERI_BIN_BOOL);
    col->mask =
        create_set(h->nulls, col->link, type, col->width, col->vector, chunk, false);
    H5Tclose(type);
    char path[1024];
    peri_h5_mask_path(col->link, path, sizeof(path));
    return col->mask < 0 ? -1 : peri_h5_put_text(col->set, PERI_H5_MASK, path);
}

static void shuffle(const char *in, char *out, size_t n, size_t size)
{
    for (size_t k = 0; k < size; k++)
        for (size_t i = 0; i < n; i++) *out++ = in[i * size + k];
}

/* The whole chunk that starts at row h->written. Not under the lock. */
static int write_chunk(hdf5_t *h, hid_t set, const char *data, size_t bytes, size_t size)
{
    if (size > 1) {
        shuffle(data, h->shuffled, bytes / size, size);
        data = h->shuffled;
    }
    size_t packed = libdeflate_zlib_compress(h->deflate, data, bytes, h->packed, h->room);
    /* What deflate does not make smaller is stored as it is: the mask tells readers. */
    bool keep = packed > 0 && packed < bytes;
    uint32_t skipped = keep ? 0 : size > 1 ? 2 : 1;
    hsize_t at[2] = {h->written, 0};
    peri_h5_lock();
    herr_t rc = H5Dwrite_chunk(set, H5P_DEFAULT, skipped, at, keep ? packed : bytes,
                               keep ? h->packed : data);
    peri_h5_unlock();
    return rc < 0 ? -1 : 0;
}

static int write_texts(hdf5_t *h, const column_t *col)
{
    hsize_t at = h->written + h->kept, n = h->fill - h->kept;
    hid_t space = H5Dget_space(col->set), memory = H5Screate_simple(1, &n, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, &at, NULL, &n, NULL);
    herr_t rc = H5Dwrite(col->set, col->type, memory, space, H5P_DEFAULT,
                         col->data + h->kept * col->item);
    hid_t why = H5Eget_current_stack();
    H5Sclose(space);
    H5Sclose(memory);
    H5Eset_current_stack(why);
    return rc < 0 ? -1 : 0;
}

static int extend(hid_t set, uint64_t rows, size_t width)
{
    hsize_t dims[2] = {rows, width};
    return H5Dset_extent(set, dims) < 0 ? -1 : 0;
}

static void drop_texts(column_t *col, size_t n)
{
    if (col->kind != PERI_BIN_TEXT) return;
    char **v = (char **)col->data;
    for (size_t i = 0; v && i < n; i++) {
        free(v[i]);
        v[i] = NULL;
    }
}

static int flush_column(hdf5_t *h, column_t *col, size_t chunk)
{
    bool is_text = col->kind == PERI_BIN_TEXT;
    peri_h5_lock();
    int rc = extend(col->set, h->written + h->fill, col->width);
    if (!rc && col->has_null && col->mask < 0) rc = create_mask(h, col, chunk);
    if (!rc && col->mask >= 0) rc = extend(col->mask, h->written + h->fill, col->width);
    if (!rc && is_text) rc = write_texts(h, col);
    peri_h5_unlock();
    if (!rc && !is_text) {
        size_t used = h->fill * col->item, whole = chunk * col->item;
        memset(col->data + used, 0, whole - used);
        rc = write_chunk(h, col->set, col->data, whole, peri_binary_size(col->kind));
    }
    if (!rc && col->has_null) {
        size_t used = h->fill * col->width, whole = chunk * col->width;
        memset(col->nulls + used, 0, whole - used);
        rc = write_chunk(h, col->mask, (char *)col->nulls, whole, 1);
    }
    if (rc) return rc;
    drop_texts(col, h->fill);
    if (col->has_null) memset(col->nulls, 0, h->room_rows * col->width);
    col->has_null = false;
    return 0;
}

/* Write the rows collected. A table shorter than a chunk gets a chunk of its length. */
static int flush_rows(peri_writer_t *w, hdf5_t *h, peri_err_t *err)
{
    int rc = 0;
    peri_h5_lock(); /* kept so that peri_h5_fail sees the error of its own call */
    if (!h->created) {
        if (h->fill < h->chunk_rows) h->chunk_rows = h->fill ? h->fill : 1;
        for (size_t c = 0; c < w->ncols && !rc; c++)
            rc = create_column(w, h, c, h->chunk_rows);
        h->created = true;
    }
    if (!rc && h->kept) rc = peri_h5_extend_begin(w, h);
    if (rc) rc = peri_h5_fail(w, err);
    peri_h5_unlock();
    for (size_t c = 0; c < w->ncols && !rc && h->fill; c++) {
        if (flush_column(h, &h->cols[c], h->chunk_rows)) {
            peri_h5_lock();
            rc = peri_h5_fail(w, err);
            peri_h5_unlock();
        }
    }
    if (rc) return rc;
    h->written += h->fill;
    h->fill = h->kept = 0;
    return 0;
}

/* ---- rows ---- */

static int take_texts(peri_writer_t *w, hdf5_t *h, size_t c, idx_t first, idx_t n,
                      peri_err_t *err)
{
    char **out = (char **)h->cols[c].data + h->fill;
    for (idx_t i = 0; i < n; i++) {
        peri_buf_clear(&h->text);
        peri_field_text(&w->fields[c], first + i, PERI_STYLE_SQL, &h->text);
        if (peri_buf_check(&h->text, "one value", err)) return -1;
        if (h->text.len && memchr(h->text.data, '\0', h->text.len))
            return peri_err_set(
                err, PERI_EUNSUPP,
                "column \"%s\" has a NUL character in row %llu, which hdf5 "
                "texts cannot hold: use replace(\"%s\", chr(0), '')",
                w->cols[c].name, (unsigned long long)(w->rows + first + i + 1),
                w->cols[c].name);
        out[i] = peri_xstrdup(h->text.data ? h->text.data : "");
        h->heap += h->text.len;
        h->texts++;
    }
    return 0;
}

static void take_nulls(const peri_field_t *f, column_t *col, size_t fill, idx_t first,
                       idx_t n)
{
    const peri_field_t *kid = col->vector ? &f->kids[0] : f;
    if (!f->valid && !kid->valid && f->type != DUCKDB_TYPE_SQLNULL) return;
    uint8_t *flags = col->nulls + fill * col->width;
    for (size_t i = 0; i < n * col->width; i++) {
        flags[i] = peri_field_is_null(f, first + i / col->width) ||
                   peri_field_is_null(kid, first * col->width + i);
        col->has_null = col->has_null || flags[i];
    }
}

static int take_rows(peri_writer_t *w, hdf5_t *h, idx_t first, idx_t n, peri_err_t *err)
{
    for (size_t c = 0; c < w->ncols; c++) {
        column_t *col = &h->cols[c];
        const peri_field_t *f = &w->fields[c];
        if (col->kind != PERI_BIN_TEXT)
            peri_binary_rows(f, first, n, col->kind, col->data + h->fill * col->item);
        else if (take_texts(w, h, c, first, n, err))
            return -1;
        take_nulls(f, col, h->fill, first, n);
    }
    h->fill += n;
    return 0;
}

static int hdf5_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n, peri_err_t *err)
{
    (void)chunk;
    hdf5_t *h = w->state;
    for (idx_t first = 0; first < n;) {
        idx_t k = n - first;
        if (k > h->chunk_rows - h->fill) k = h->chunk_rows - h->fill;
        if (take_rows(w, h, first, k, err)) return -1;
        first += k;
        if (h->fill == h->chunk_rows && flush_rows(w, h, err)) return -1;
    }
    return 0;
}

/* Everything of the file; the first failure counts. */
static int close_file(peri_writer_t *w, hdf5_t *h, peri_err_t *err)
{
    int rc = 0;
    peri_h5_lock();
    for (size_t c = 0; c < w->ncols; c++) {
        hid_t *sets[2] = {&h->cols[c].set, &h->cols[c].mask};
        for (int i = 0; i < 2; i++) {
            if (*sets[i] >= 0 && H5Dclose(*sets[i]) < 0 && !rc) rc = peri_h5_fail(w, err);
            *sets[i] = -1;
        }
        if (h->cols[c].type >= 0) H5Tclose(h->cols[c].type);
        h->cols[c].type = -1;
    }
    if (h->nulls >= 0 && H5Gclose(h->nulls) < 0 && !rc) rc = peri_h5_fail(w, err);
    if (h->file >= 0 && H5Fclose(h->file) < 0 && !rc) rc = peri_h5_fail(w, err);
    h->nulls = h->file = -1;
    peri_h5_unlock();
    return rc;
}

static int hdf5_close(peri_writer_t *w, peri_err_t *err)
{
    hdf5_t *h = w->state;
    if ((h->fill > h->kept || !h->created) && flush_rows(w, h, err)) return -1;
    if (w->opts.extends && peri_h5_extend_end(w, h, err)) return -1;
    return close_file(w, h, err);
}

static void hdf5_free(peri_writer_t *w)
{
    hdf5_t *h = w->state;
    if (!h) return;
    close_file(w, h, NULL);
    for (size_t c = 0; c < w->ncols; c++) {
        drop_texts(&h->cols[c], h->room_rows);
        free(h->cols[c].data);
        free(h->cols[c].nulls);
    }
    if (h->deflate) libdeflate_free_compressor(h->deflate);
    free(h->cols);
    free(h->shuffled);
    free(h->packed);
    peri_buf_free(&h->text);
    free(h);
}

const peri_ops_t peri_ops_hdf5 = {.name = "hdf5",
                                  .endings = " .hdf5 .h5 .hdf ",
                                  .advice = "give a file for it",
                                  .numbers = PERI_NUMBERS_64,
                                  .open = hdf5_open,
                                  .extends = peri_h5_can_extend,
                                  .settle = peri_h5_settle,
                                  .chunk = hdf5_chunk,
                                  .close = hdf5_close,
                                  .free = hdf5_free};
