/* file.c - fields in HDF5: a plain dataset of shape (x, y, z), float32, with attributes.
 *
 * Rank 0 alone has the file open (docs/decisions/0001): planes go to it and come from it
 * one after the other, so it never holds more than two. Plain layout means that a plane,
 * or a block, is read back in one piece by anything.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"
#include "core/h5/h5.h"
#include "mpi/field/private.h"
#include "perigee/particles.h"

enum { TAG = 7410 };

/* ---- attributes ---- */

static int put_text(hid_t set, const char *name, const char *text)
{
    size_t length = strlen(text);
    if (!length) return 0;
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, length);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t attr = H5Acreate2(set, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int rc = H5Awrite(attr, type, text) < 0 ? -1 : 0;
    H5Aclose(attr);
    H5Sclose(space);
    H5Tclose(type);
    return rc;
}

static int put_numbers(hid_t set, const char *name, const double *v, hsize_t n)
{
    if (isnan(v[0])) return 0;
    hid_t space = n == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &n, NULL);
    hid_t attr = H5Acreate2(set, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    int rc = H5Awrite(attr, H5T_NATIVE_DOUBLE, v) < 0 ? -1 : 0;
    H5Aclose(attr);
    H5Sclose(space);
    return rc;
}

static int put_attributes(const peri_field_t *f, hid_t set)
{
    return put_numbers(set, "box", f->box, 3) | put_text(set, "length", f->length) |
           put_text(set, "unit", f->unit) |
           put_numbers(set, "redshift", &f->redshift, 1) |
           put_numbers(set, "time", &f->time, 1) |
           put_numbers(set, "origin", &f->origin, 1);
}

/* The attribute as up to n doubles; values are left alone if there is none. */
static void get_numbers(hid_t set, const char *name, double *v, hssize_t n)
{
    if (H5Aexists(set, name) <= 0) return;
    hid_t attr = H5Aopen(set, name, H5P_DEFAULT), space = H5Aget_space(attr);
    if (H5Sget_simple_extent_npoints(space) == n) H5Aread(attr, H5T_NATIVE_DOUBLE, v);
    H5Sclose(space);
    H5Aclose(attr);
}

static void get_text(hid_t set, const char *name, char *text, size_t size)
{
    if (H5Aexists(set, name) <= 0) return;
    hid_t attr = H5Aopen(set, name, H5P_DEFAULT), type = H5Aget_type(attr);
    if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) <= 0) {
        hid_t as = H5Tcopy(H5T_C_S1);
        H5Tset_size(as, size);
        H5Tset_cset(as, H5Tget_cset(type));
        if (H5Aread(attr, as, text) < 0) text[0] = 0;
        text[size - 1] = 0;
        H5Tclose(as);
    }
    H5Tclose(type);
    H5Aclose(attr);
}

/* ---- planes ---- */

static int move_plane(hid_t set, const peri_field_t *f, size_t x, void *plane, bool write)
{
    hsize_t start[3] = {x, 0, 0}, count[3] = {1, f->n[1], f->n[2]};
    hid_t file = H5Dget_space(set), memory = H5Screate_simple(3, count, NULL);
    H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL);
    herr_t rc = write ? H5Dwrite(set, H5T_NATIVE_FLOAT, memory, file, H5P_DEFAULT, plane)
                      : H5Dread(set, H5T_NATIVE_DOUBLE, memory, file, H5P_DEFAULT, plane);
    H5Sclose(memory);
    H5Sclose(file);
    return rc < 0 ? -1 : 0;
}

static void pack_plane(const peri_field_t *f, size_t x, float *plane)
{
    for (size_t y = 0; y < f->n[1]; y++) {
        const double *row = peri_field_row(f, x, y);
        for (size_t z = 0; z < f->n[2]; z++) plane[y * f->n[2] + z] = (float)row[z];
    }
}

/* Rank 0 writes all planes; what fails is told at the end, so that nobody waits. */
static int write_planes(const peri_field_t *f, hid_t set)
{
    int n = (int)(f->n[1] * f->n[2]), rc = 0;
    float *plane = peri_xmalloc((size_t)n * sizeof(*plane));
    for (size_t x = 0; x < f->n[0]; x++) {
        int owner = peri_field_owner(f, x);
        if (owner == f->p->rank) {
            pack_plane(f, x, plane);
            if (owner) MPI_Send(plane, n, MPI_FLOAT, 0, TAG, f->comm);
        }
        if (f->p->rank) continue;
        if (owner) MPI_Recv(plane, n, MPI_FLOAT, owner, TAG, f->comm, MPI_STATUS_IGNORE);
        if (!rc) {
            peri_h5_lock();
            rc = move_plane(set, f, x, plane, true);
            peri_h5_unlock();
        }
    }
    free(plane);
    return rc;
}

/* The open dataset, or -1. */
static int create_set(const peri_field_t *f, const char *path, hid_t *file, hid_t *set,
                      peri_err_t *err)
{
    hsize_t dims[3] = {f->n[0], f->n[1], f->n[2]};
    struct stat st;
    bool empty = stat(path, &st) || st.st_size == 0;
    *file = empty ? H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)
                  : H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    if (*file < 0)
        return peri_err_set(err, PERI_EIO,
                            "Cannot write %s: it is no HDF5 file, or the folder cannot "
                            "be written to.",
                            path);
    if (H5Lexists(*file, f->name, H5P_DEFAULT) > 0)
        return peri_err_set(err, PERI_EINVAL, "%s has a dataset %s already.", path,
                            f->name);
    hid_t space = H5Screate_simple(3, dims, NULL);
    *set = H5Dcreate2(*file, f->name, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT,
                      H5P_DEFAULT);
    H5Sclose(space);
    if (*set < 0 || put_attributes(f, *set))
        return peri_err_set(err, PERI_EIO, "Cannot write %s to %s.", f->name, path);
    return 0;
}

int peri_field_write(const peri_field_t *f, const char *path, peri_err_t *err)
{
    hid_t file = -1, set = -1;
    if (f->modes) return peri_err_set(err, PERI_EINTERNAL, "The field is in modes.");
    peri_h5_init(NULL);
    peri_h5_lock();
    int rc = f->p->rank ? 0 : create_set(f, path, &file, &set, err);
    peri_h5_unlock();
    rc = peri_ranks_agree(rc, f->comm, err);
    int bad = rc ? 0 : write_planes(f, set);
    peri_h5_lock();
    if (set >= 0 && H5Dclose(set) < 0) bad = -1;
    if (file >= 0 && H5Fclose(file) < 0) bad = -1;
    peri_h5_unlock();
    if (bad)
        bad = peri_err_set(err, PERI_EIO, "Cannot write %s to %s: is the disk full?",
                           f->name, path);
    return rc ? rc : peri_ranks_agree(bad, f->comm, err);
}

/* ---- reading ---- */

typedef struct {
    uint64_t n[3];
    double box[3], origin, redshift, time;
    char unit[64], length[32];
} head_t;

static int read_head(hid_t set, const char *path, const char *dataset, head_t *h,
                     peri_err_t *err)
{
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    H5T_class_t class = H5Tget_class(type);
    hsize_t dims[H5S_MAX_RANK] = {0};
    int rank = H5Sget_simple_extent_dims(space, dims, NULL);
    H5Tclose(type);
    H5Sclose(space);
    if (rank != 3 || (class != H5T_FLOAT && class != H5T_INTEGER))
        return peri_err_set(err, PERI_EFORMAT,
                            "%s in %s is no field: that would be a dataset of numbers "
                            "with three dimensions.",
                            dataset, path);
    for (int k = 0; k < 3; k++) {
        h->n[k] = dims[k];
        h->box[k] = (double)dims[k];
    }
    h->origin = 0.5;
    h->redshift = h->time = NAN;
    get_numbers(set, "box", h->box, 3);
    get_numbers(set, "origin", &h->origin, 1);
    get_numbers(set, "redshift", &h->redshift, 1);
    get_numbers(set, "time", &h->time, 1);
    get_text(set, "unit", h->unit, sizeof(h->unit));
    get_text(set, "length", h->length, sizeof(h->length));
    return 0;
}

static void unpack_plane(const peri_field_t *f, size_t x, const double *plane)
{
    for (size_t y = 0; y < f->n[1]; y++)
        memcpy(peri_field_row(f, x, y), plane + y * f->n[2], f->n[2] * sizeof(double));
}

static int read_planes(peri_field_t *f, hid_t set)
{
    int n = (int)(f->n[1] * f->n[2]), rc = 0;
    double *plane = peri_xcalloc((size_t)n, sizeof(*plane));
    for (size_t x = 0; x < f->n[0]; x++) {
        int owner = peri_field_owner(f, x);
        if (!f->p->rank) {
            peri_h5_lock();
            rc |= move_plane(set, f, x, plane, false);
            peri_h5_unlock();
            if (owner) MPI_Send(plane, n, MPI_DOUBLE, owner, TAG, f->comm);
        } else if (owner == f->p->rank) {
            MPI_Recv(plane, n, MPI_DOUBLE, 0, TAG, f->comm, MPI_STATUS_IGNORE);
        }
        if (owner == f->p->rank) unpack_plane(f, x, plane);
    }
    free(plane);
    return rc;
}

static int open_set(const char *path, const char *dataset, hid_t *file, hid_t *set,
                    head_t *h, peri_err_t *err)
{
    *file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (*file < 0)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "Cannot open %s: there is no such file, or it is not HDF5.",
                            path);
    *set = H5Dopen2(*file, dataset, H5P_DEFAULT);
    if (*set < 0)
        return peri_err_set(err, PERI_ENOTFOUND, "%s has no dataset %s.", path, dataset);
    return read_head(*set, path, dataset, h, err);
}

peri_field_t *peri_field_read(const char *path, const char *dataset, MPI_Comm comm,
                              peri_err_t *err)
{
    int rank;
    hid_t file = -1, set = -1;
    peri_field_t *f = NULL;
    head_t head = {0};
    MPI_Comm_rank(comm, &rank);
    peri_h5_init(NULL);
    peri_h5_lock();
    int rc = rank ? 0 : open_set(path, dataset, &file, &set, &head, err);
    peri_h5_unlock();
    if (peri_ranks_agree(rc, comm, err)) goto out;
    MPI_Bcast(&head, (int)sizeof(head), MPI_BYTE, 0, comm);
    size_t n[3] = {head.n[0], head.n[1], head.n[2]};
    f = peri_field_new(n, head.box, comm, err);
    if (!f) goto out;
    f->origin = head.origin;
    f->redshift = head.redshift;
    f->time = head.time;
    memcpy(f->unit, head.unit, sizeof(f->unit));
    memcpy(f->length, head.length, sizeof(f->length));
    snprintf(f->name, sizeof(f->name), "%s", dataset);
    rc = read_planes(f, set);
    if (rc)
        peri_err_set(err, PERI_EIO, "Cannot read %s of %s: is it damaged?", dataset,
                     path);
    if (peri_ranks_agree(rc, comm, err)) {
        peri_field_free(f);
        f = NULL;
    }
out:
    peri_h5_lock();
    if (set >= 0) H5Dclose(set);
    if (file >= 0) H5Fclose(file);
    peri_h5_unlock();
    return f;
}
