/* h5write.c - see h5write.h. */
#include "examples/universe/h5write.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

static int put(hid_t object, const char *name, hid_t type, hid_t space,
               const void *values)
{
    hid_t a = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int rc = a < 0 || H5Awrite(a, type, values) < 0 ? -1 : 0;
    if (a >= 0) rc |= H5Aclose(a) < 0 ? -1 : 0;
    H5Sclose(space);
    return rc;
}

int h5_put(hid_t object, const char *name, hid_t type, hsize_t n, const void *values)
{
    return put(object, name, type, H5Screate_simple(1, &n, NULL), values);
}

int h5_put_double(hid_t object, const char *name, double value)
{
    return put(object, name, H5T_NATIVE_DOUBLE, H5Screate(H5S_SCALAR), &value);
}

int h5_put_int(hid_t object, const char *name, int value)
{
    return put(object, name, H5T_NATIVE_INT, H5Screate(H5S_SCALAR), &value);
}

int h5_put_text(hid_t object, const char *name, const char *value)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, *value ? strlen(value) : 1);
    int rc = put(object, name, type, H5Screate(H5S_SCALAR), value);
    H5Tclose(type);
    return rc;
}

hid_t h5_put_column(hid_t group, const h5_column_t *c, const void *values)
{
    const hsize_t shape[2] = {c->rows, c->width};
    const hsize_t chunk[2] = {c->chunk < c->rows ? c->chunk : c->rows, c->width};
    const int rank = c->width > 1 ? 2 : 1;
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(how, rank, chunk);
    if (c->compress) {
        H5Pset_shuffle(how);
        H5Pset_deflate(how, (unsigned)c->compress);
    }
    hid_t set = H5Dcreate2(group, c->name, c->type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    H5Pclose(how);
    H5Sclose(space);
    if (set < 0 || H5Dwrite(set, c->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0)
        return set;
    H5Dclose(set);
    return -1;
}

static void *image_of(hid_t file, size_t *size)
{
    ssize_t need = H5Fget_file_image(file, NULL, 0);
    if (need <= 0) return NULL;
    void *image = peri_xmalloc((size_t)need);
    *size = (size_t)need;
    if (H5Fget_file_image(file, image, *size) == need) return image;
    free(image);
    return NULL;
}

void *h5_image(h5_fill_t *fill, const void *arg, size_t expected, size_t *size,
               peri_err_t *err)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(access, expected / 4 + 65536, 0); /* by how much it grows */
    hid_t file = H5Fcreate("in memory", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    void *image = NULL;
    if (file >= 0 && fill(file, arg) == 0 && H5Fflush(file, H5F_SCOPE_LOCAL) >= 0)
        image = image_of(file, size);
    if (file >= 0) H5Fclose(file);
    if (!image)
        peri_err_set(err, PERI_EINTERNAL,
                     "HDF5 cannot make a file of about %zu bytes in memory", expected);
    return image;
}
