/* h5extend.c - rows behind those of an hdf5 file that we have written: a copy of it gets
 * what a new file of all the rows would have.
 *
 * Only a file that hdf5.c would have made so is taken: its datasets, their types, chunks
 * and filters, and nothing beside them. Its last chunk, if that is not full, is collected
 * again with the new rows and replaced; texts lie in the file's heap and stay there, as
 * writing them again would leave the old ones behind.
 *
 * HDF5 does not keep the room of what was replaced for later, so files grow a little more
 * than their rows. The root's attribute `compact_size` says how large the file would be
 * without that; if it is much larger, it is to be written anew.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/copyfile.h"
#include "core/h5/h5.h"
#include "core/out/h5attrs.h"
#include "core/out/h5names.h"
#include "core/out/hdf5.h"

#define UNUSED_MAX  4                   /* a quarter of the file, */
#define UNUSED_ALSO ((uint64_t)1 << 20) /* and so many bytes */
#define TEXT_EXTRA  20                  /* bytes of a text in the heap besides its own */

/* ---- is it alike? ---- */

static bool has_text(hid_t object, const char *name, const char *want)
{
    char *text = NULL;
    if (H5Aexists(object, name) <= 0) return !*want;
    hid_t a = H5Aopen(object, name, H5P_DEFAULT), type = peri_h5_string_type(),
          is = H5Aget_type(a), space = H5Aget_space(a);
    bool same = H5Tequal(is, type) > 0 && H5Sget_simple_extent_npoints(space) == 1 &&
                H5Aread(a, type, &text) >= 0 && text && strcmp(text, want) == 0;
    if (text) H5free_memory(text);
    H5Sclose(space);
    H5Tclose(is);
    H5Tclose(type);
    H5Aclose(a);
    return same;
}

static bool has_filters(hid_t props, size_t size, bool is_text)
{
    const H5Z_filter_t want[] = {H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE};
    const int first = size > 1 ? 0 : 1, n = is_text ? 0 : 2 - first;
    unsigned flags, values[8];
    if (H5Pget_nfilters(props) != n) return false;
    for (int i = 0; i < n; i++) {
        size_t nvalues = 8;
        if (H5Pget_filter2(props, (unsigned)i, &flags, &nvalues, values, 0, NULL, NULL) !=
            want[first + i])
            return false;
    }
    return true;
}

static bool has_shape(hid_t set, hid_t props, const column_t *col, size_t chunk,
                      hsize_t *rows)
{
    hsize_t dims[2] = {0, 1}, max[2] = {0, 1}, part[2] = {0, 1};
    const int rank = col->vector ? 2 : 1;
    hid_t space = H5Dget_space(set);
    bool same = H5Sget_simple_extent_ndims(space) == rank &&
                H5Sget_simple_extent_dims(space, dims, max) == rank &&
                H5Pget_layout(props) == H5D_CHUNKED &&
                H5Pget_chunk(props, rank, part) == rank;
    H5Sclose(space);
    *rows = dims[0];
    return same && max[0] == H5S_UNLIMITED && dims[1] == col->width &&
           max[1] == col->width && part[0] == chunk && part[1] == col->width;
}

/* The dataset `name` as create_set makes it, with one name only; or -1. */
static hid_t open_alike(hid_t where, const char *name, hid_t type, const column_t *col,
                        size_t chunk, hsize_t *rows)
{
    H5L_info_t link;
    H5O_info_t info;
    H5D_fill_value_t fill;
    if (H5Lget_info(where, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
        return -1;
    hid_t set = H5Dopen2(where, name, H5P_DEFAULT);
    if (set < 0) return -1;
    hid_t is = H5Dget_type(set), props = H5Dget_create_plist(set);
    bool same = H5Tequal(is, type) > 0 && has_shape(set, props, col, chunk, rows) &&
                has_filters(props, H5Tget_size(type), H5Tis_variable_str(type) > 0) &&
                H5Pfill_value_defined(props, &fill) >= 0 &&
                fill == H5D_FILL_VALUE_DEFAULT &&
                H5Oget_info2(set, &info, H5O_INFO_BASIC) >= 0 && info.rc == 1;
    H5Pclose(props);
    H5Tclose(is);
    if (same) return set;
    H5Dclose(set);
    return -1;
}

static bool open_column(peri_writer_t *w, hdf5_t *h, size_t c, hsize_t *rows)
{
    column_t *col = &h->cols[c];
    col->type = peri_h5_file_type(col->kind);
    col->set = open_alike(h->file, col->link, col->type, col, h->chunk_rows, rows);
    if (col->set < 0) return false;
    peri_buf_clear(&h->text);
    peri_field_sql_type(&w->fields[c], &h->text);
    return !h->text.failed && has_text(col->set, PERI_H5_SQL_TYPE, h->text.data) &&
           has_text(col->set, PERI_H5_SQL_NAME,
                    peri_h5_sql_name(w->cols[c].name, col->link));
}

static bool open_mask(const hdf5_t *h, column_t *col, hsize_t rows)
{
    hsize_t masked;
    char path[1024];
    peri_h5_mask_path(col->link, path, sizeof(path));
    if (H5Aexists(col->set, PERI_H5_MASK) <= 0) return true;
    if (h->nulls < 0 || !has_text(col->set, PERI_H5_MASK, path)) return false;
    hid_t type = peri_h5_file_type(PERI_BIN_BOOL);
    col->mask = open_alike(h->nulls, col->link, type, col, h->chunk_rows, &masked);
    H5Tclose(type);
    return col->mask >= 0 && masked == rows;
}

static hsize_t count_links(hid_t group)
{
    H5G_info_t info;
    return H5Gget_info(group, &info) < 0 ? 0 : info.nlinks;
}

/* A group that is one, and has no other name. */
static bool has_group(hid_t file, const char *name)
{
    H5L_info_t link;
    H5O_info_t info;
    return H5Lget_info(file, name, &link, H5P_DEFAULT) >= 0 &&
           link.type == H5L_TYPE_HARD &&
           H5Oget_info_by_name2(file, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
           info.type == H5O_TYPE_GROUP && info.rc == 1;
}

/* Open every dataset of h->file, if it is what we would have written. */
static bool open_all(peri_writer_t *w, hdf5_t *h, hsize_t *rows)
{
    hsize_t here, others = 0, masks = 0;
    if (has_group(h->file, PERI_H5_PROVENANCE)) others++;
    if (has_group(h->file, PERI_H5_NULLS)) {
        h->nulls = H5Gopen2(h->file, PERI_H5_NULLS, H5P_DEFAULT);
        others++;
    }
    if (count_links(h->file) != w->ncols + others) return false;
    for (size_t c = 0; c < w->ncols; c++) {
        if (!open_column(w, h, c, &here) || (c && here != *rows)) return false;
        *rows = here;
        if (!open_mask(h, &h->cols[c], here)) return false;
        masks += h->cols[c].mask >= 0;
    }
    return h->nulls < 0 || count_links(h->nulls) == masks;
}

static void close_all(const peri_writer_t *w, hdf5_t *h)
{
    for (size_t c = 0; c < w->ncols; c++) {
        column_t *col = &h->cols[c];
        if (col->set >= 0) H5Dclose(col->set);
        if (col->mask >= 0) H5Dclose(col->mask);
        if (col->type >= 0) H5Tclose(col->type);
        col->set = col->mask = col->type = -1;
    }
    if (h->nulls >= 0) H5Gclose(h->nulls);
    if (h->file >= 0) H5Fclose(h->file);
    h->nulls = h->file = -1;
}

/* ---- room ---- */

/* Of all values in the file, and what leads to texts. */
static uint64_t stored(const peri_writer_t *w, const hdf5_t *h)
{
    uint64_t bytes = 0;
    for (size_t c = 0; c < w->ncols; c++) {
        bytes += H5Dget_storage_size(h->cols[c].set);
        if (h->cols[c].mask >= 0) bytes += H5Dget_storage_size(h->cols[c].mask);
    }
    return bytes;
}

/* What the file would take if it were written anew: its size, unless it was extended. */
static uint64_t compact_size(hid_t file)
{
    uint64_t bytes = 0;
    hsize_t size = 0;
    bool known = false;
    if (H5Aexists(file, PERI_H5_COMPACT) > 0) {
        hid_t a = H5Aopen(file, PERI_H5_COMPACT, H5P_DEFAULT), space = H5Aget_space(a);
        known = H5Sget_simple_extent_npoints(space) == 1 &&
                H5Aread(a, H5T_NATIVE_UINT64, &bytes) >= 0;
        H5Sclose(space);
        H5Aclose(a);
    }
    if (known) return bytes;
    return H5Fget_filesize(file, &size) < 0 ? 0 : size;
}

static int put_compact_size(hid_t file, uint64_t bytes)
{
    if (H5Aexists(file, PERI_H5_COMPACT) > 0 && H5Adelete(file, PERI_H5_COMPACT) < 0)
        return -1;
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t a = H5Acreate2(file, PERI_H5_COMPACT, H5T_NATIVE_UINT64, space, H5P_DEFAULT,
                         H5P_DEFAULT);
    herr_t rc = a < 0 ? -1 : H5Awrite(a, H5T_NATIVE_UINT64, &bytes);
    if (a >= 0 && H5Aclose(a) < 0) rc = -1;
    H5Sclose(space);
    return rc < 0 ? -1 : 0;
}

static bool is_text(hid_t file, const char *link)
{
    H5L_info_t info;
    if (H5Lexists(file, link, H5P_DEFAULT) <= 0 ||
        H5Lget_info(file, link, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
        return false;
    hid_t set = H5Dopen2(file, link, H5P_DEFAULT);
    if (set < 0) return false;
    hid_t type = H5Dget_type(set);
    const bool is = H5Tis_variable_str(type) > 0;
    H5Tclose(type);
    H5Dclose(set);
    return is;
}

/* What is text stays text with more rows; numbers may become text with them. */
void peri_h5_settle(peri_writer_t *w, const char *path)
{
    const char **links = peri_h5_link_names(w);
    peri_h5_lock();
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    for (size_t c = 0; file >= 0 && c < w->ncols; c++)
        if (peri_binary_unsure(&w->fields[c], w->ops->numbers))
            w->fields[c].as_text = is_text(file, links[c]);
    if (file >= 0) H5Fclose(file);
    peri_h5_unlock();
}

bool peri_h5_can_extend(peri_writer_t *w, const char *path)
{
    hsize_t rows, size = 0;
    hdf5_t *h = peri_h5_state_new(w);
    peri_h5_lock();
    h->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    bool can =
        h->file >= 0 && open_all(w, h, &rows) && H5Fget_filesize(h->file, &size) >= 0;
    const uint64_t compact = can ? compact_size(h->file) : 0;
    close_all(w, h);
    peri_h5_unlock();
    return can && size <= compact + compact / UNUSED_MAX + UNUSED_ALSO;
}

/* ---- rows ---- */

static int read_rows(hid_t set, hid_t type, const hdf5_t *h, const column_t *col,
                     void *out)
{
    const int rank = col->vector ? 2 : 1;
    hsize_t at[2] = {h->written, 0}, n[2] = {h->kept, col->width};
    hid_t space = H5Dget_space(set), memory = H5Screate_simple(rank, n, NULL);
    herr_t rc = H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, n, NULL);
    if (rc >= 0) rc = H5Dread(set, type, memory, space, H5P_DEFAULT, out);
    H5Sclose(space);
    H5Sclose(memory);
    return rc < 0 ? -1 : 0;
}

/* The rows of the last chunk, for the buffers. */
static int keep_rows(const peri_writer_t *w, hdf5_t *h, hsize_t rows)
{
    int rc = 0;
    h->created = true;
    h->kept = h->fill = rows % h->chunk_rows;
    h->written = rows - h->kept;
    for (size_t c = 0; c < w->ncols && h->kept && !rc; c++) {
        column_t *col = &h->cols[c];
        if (col->kind != PERI_BIN_TEXT)
            rc = read_rows(col->set, col->type, h, col, col->data);
        if (rc || col->mask < 0) continue;
        hid_t type = peri_h5_file_type(PERI_BIN_BOOL);
        rc = read_rows(col->mask, type, h, col, col->nulls);
        H5Tclose(type);
        col->has_null = memchr(col->nulls, 1, h->kept * col->width) != NULL;
    }
    return rc;
}

int peri_h5_extend(peri_writer_t *w, hdf5_t *h, peri_err_t *err)
{
    hsize_t rows = 0;
    int rc = 0;
    if (peri_file_copy(w->opts.extends, peri_target_temp(w->target), w->opts.tick,
                       w->opts.tick_arg, err))
        return -1;
    peri_h5_lock();
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    h->file = H5Fopen(peri_target_temp(w->target), H5F_ACC_RDWR, fapl);
    H5Pclose(fapl);
    if (h->file < 0) {
        rc = peri_h5_fail(w, err);
    } else if (!open_all(w, h, &rows)) {
        rc = peri_err_set(err, PERI_ECONFLICT,
                          "%s was changed while rows were to be added to it",
                          w->opts.extends);
    } else {
        h->bytes = compact_size(h->file) - stored(w, h);
        if (peri_h5_renew_head(h->file, w) || keep_rows(w, h, rows))
            rc = peri_h5_fail(w, err);
    }
    peri_h5_unlock();
    return rc;
}

static int shrink(hid_t set, const hdf5_t *h, const column_t *col)
{
    hsize_t dims[2] = {h->written, col->width};
    return H5Dset_extent(set, dims) < 0 ? -1 : 0;
}

/* All at once, so that what is written then finds the room in one piece. */
int peri_h5_extend_begin(const peri_writer_t *w, hdf5_t *h)
{
    int rc = 0;
    for (size_t c = 0; c < w->ncols && !rc; c++) {
        const column_t *col = &h->cols[c];
        if (col->kind != PERI_BIN_TEXT) rc = shrink(col->set, h, col);
        if (!rc && col->mask >= 0) rc = shrink(col->mask, h, col);
    }
    return rc;
}

int peri_h5_extend_end(peri_writer_t *w, hdf5_t *h, peri_err_t *err)
{
    peri_h5_lock();
    int rc = put_compact_size(h->file,
                              h->bytes + stored(w, h) + h->heap + h->texts * TEXT_EXTRA);
    if (rc) rc = peri_h5_fail(w, err);
    peri_h5_unlock();
    return rc;
}
