/* save.c - a rank's rows as an HDF5 file that is a table: group /rows, one dataset a
 * column, numbered, with its unit and description. Private to the task, so written in
 * place.
 */
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

#include "core/h5/h5.h"
#include "mpi/kernel/rowset.h"
#include "mpi/kernel/run_private.h"

static hid_t h5_type(peri_coltype_t t)
{
    switch (t) {
    case PERI_COL_I32:
        return H5T_NATIVE_INT32;
    case PERI_COL_I64:
        return H5T_NATIVE_INT64;
    case PERI_COL_F32:
        return H5T_NATIVE_FLOAT;
    case PERI_COL_F64:
        return H5T_NATIVE_DOUBLE;
    }
    return H5I_INVALID_HID;
}

static int put_text(hid_t set, const char *name, const char *text)
{
    if (!*text) return 0;
    hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, strlen(text));
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t a = H5Acreate2(set, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int rc = a < 0 || H5Awrite(a, type, text) < 0 ? -1 : 0;
    if (a >= 0) H5Aclose(a);
    H5Tclose(type);
    H5Sclose(space);
    return rc;
}

static int put_column(hid_t group, const peri_rowset_t *r, size_t i)
{
    const peri_coldef_t *c = peri_rowset_column(r, i);
    const hsize_t dims[2] = {peri_rowset_rows(r), c->width};
    hid_t space = H5Screate_simple(c->width > 1 ? 2 : 1, dims, NULL);
    char name[32];
    snprintf(name, sizeof(name), PERI_RESULT_COLUMN, i);
    hid_t set = H5Dcreate2(group, name, h5_type(c->type), space, H5P_DEFAULT, H5P_DEFAULT,
                           H5P_DEFAULT);
    int rc = set < 0 ? -1 : 0;
    if (rc == 0 && dims[0])
        rc = H5Dwrite(set, h5_type(c->type), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                      peri_rowset_data(r, i)) < 0
                 ? -1
                 : 0;
    if (rc == 0) rc = put_text(set, "unit", c->unit);
    if (rc == 0) rc = put_text(set, "description", c->help);
    if (set >= 0) H5Dclose(set);
    H5Sclose(space);
    return rc;
}

int peri_rowset_save(const peri_rowset_t *r, const char *path, peri_err_t *err)
{
    peri_h5_lock();
    hid_t file = H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    hid_t group =
        file < 0 ? file : H5Gcreate2(file, "rows", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    int rc = group < 0 ? -1 : 0;
    for (size_t i = 0; i < peri_rowset_ncolumns(r) && rc == 0; i++)
        rc = put_column(group, r, i);
    if (group >= 0) H5Gclose(group);
    if (file >= 0 && H5Fclose(file) < 0) rc = -1;
    peri_h5_unlock();
    if (rc == 0) return 0;
    return peri_err_set(err, PERI_EIO,
                        "cannot write the kernel's rows to %s: is the disk full? (choose "
                        "another folder with --temp-dir)",
                        path);
}
