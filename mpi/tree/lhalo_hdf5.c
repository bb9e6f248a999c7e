/* lhalo_hdf5.c - LHaloTree files of Illustris and TNG: a group Tree0, Tree1, ... for each
 * tree, with one dataset a column. They are small and many: opening them is the work.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/h5.h"
#include "mpi/tree/lhalo_private.h"

/* Where a column goes in the record. */
typedef enum { LONG, DOUBLES, FLOATS, FLOAT, INT } kind_t;
typedef struct {
    const char *name;
    size_t offset;
    kind_t kind;
    bool must; /* be there */
} column_t;
#define AT(member) offsetof(peri_treehalo_t, member)
static const column_t columns[] = {
    {"Descendant", AT(descendant), LONG, true},
    {"FirstProgenitor", AT(first_progenitor), LONG, true},
    {"NextProgenitor", AT(next_progenitor), LONG, true},
    {"FirstHaloInFOFGroup", AT(first_in_group), LONG, true},
    {"NextHaloInFOFGroup", AT(next_in_group), LONG, true},
    {"SnapNum", AT(snapnum), INT, true},
    {"SubhaloLen", AT(np), LONG, true},
    {"SubhaloPos", AT(position), DOUBLES, true},
    {"SubhaloVel", AT(velocity), FLOATS, true},
    {"SubhaloNumber", AT(subhalo), LONG, false},
    {"SubhaloGrNr", AT(group), LONG, false},
    {"SubhaloIDMostBound", AT(most_bound), LONG, false},
    {"SubhaloMass", AT(mass), FLOAT, false},
    {"Group_M_Crit200", AT(m_crit200), FLOAT, false},
    {"SubhaloVelDisp", AT(vel_disp), FLOAT, false},
    {"SubhaloVMax", AT(v_max), FLOAT, false},
    {"SubhaloHalfmassRad", AT(half_mass_radius), FLOAT, false}};
#define NCOLUMNS (sizeof(columns) / sizeof(*columns))

typedef struct {
    const lhalofile_t *f;
    peri_h5file_t *file;
    void *buffer; /* of `room` values of 8 bytes */
    size_t room;
} reader_t;

static hid_t memory_type(kind_t kind)
{
    switch (kind) {
    case LONG:
        return H5T_NATIVE_INT64;
    case INT:
        return H5T_NATIVE_INT32;
    case DOUBLES:
        return H5T_NATIVE_DOUBLE;
    default:
        return H5T_NATIVE_FLOAT;
    }
}

static size_t value_size(kind_t kind)
{
    return kind == LONG || kind == DOUBLES ? 8 : 4;
}

static size_t width_of(kind_t kind)
{
    return kind == DOUBLES || kind == FLOATS ? 3 : 1;
}

/* All values of a dataset into the buffer; HDF5 converts. 1: there is none. Under the
 * lock. */
static int read_values(reader_t *r, hid_t at, const char *name, size_t n, hid_t type,
                       peri_err_t *err)
{
    if (H5Lexists(at, name, H5P_DEFAULT) <= 0) return 1;
    hid_t set = H5Dopen2(at, name, H5P_DEFAULT);
    if (set < 0)
        return peri_err_set(err, PERI_EFORMAT, "%s: %s cannot be opened.", r->f->path,
                            name);
    int rc = 0;
    hid_t space = H5Dget_space(set);
    const hssize_t has = H5Sget_simple_extent_npoints(space);
    if (has != (hssize_t)n)
        rc = peri_err_set(err, PERI_EFORMAT,
                          "%s: a column %s has %lld values where %zu are expected.",
                          r->f->path, name, (long long)has, n);
    if (n > r->room) {
        r->buffer = peri_xrealloc(r->buffer, n, 8);
        r->room = n;
    }
    if (rc == 0 && n && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, r->buffer) < 0)
        rc = peri_err_set(err, PERI_EFORMAT, "%s: %s cannot be read.", r->f->path, name);
    H5Sclose(space);
    H5Dclose(set);
    return rc;
}

static int read_column(reader_t *r, hid_t group, const column_t *c, peri_treehalo_t *h,
                       size_t n, peri_err_t *err)
{
    const size_t width = width_of(c->kind), bytes = width * value_size(c->kind);
    const int rc = read_values(r, group, c->name, n * width, memory_type(c->kind), err);
    if (rc == 1 && c->must)
        return peri_err_set(err, PERI_EFORMAT, "%s: a tree has no column %s.", r->f->path,
                            c->name);
    if (rc) return rc < 0 ? -1 : 0;
    for (size_t i = 0; i < n; i++)
        memcpy((char *)&h[i] + c->offset, (char *)r->buffer + i * bytes, bytes);
    return 0;
}

static int read_tree(reader_t *r, size_t t, peri_treehalo_t *h, size_t n, peri_err_t *err)
{
    char name[32];
    snprintf(name, sizeof(name), "Tree%zu", t);
    peri_h5_lock();
    const hid_t file = peri_h5file_hid(r->file);
    hid_t group = H5Lexists(file, name, H5P_DEFAULT) > 0
                      ? H5Gopen2(file, name, H5P_DEFAULT)
                      : H5I_INVALID_HID;
    int rc = 0;
    if (group < 0)
        rc = peri_err_set(err, PERI_EFORMAT, "%s has no group %s.", r->f->path, name);
    for (size_t c = 0; c < NCOLUMNS && rc == 0; c++)
        rc = read_column(r, group, &columns[c], h, n, err);
    if (group >= 0) H5Gclose(group);
    peri_h5_unlock();
    if (rc && group >= 0) peri_err_prefix(err, "%s", name);
    for (size_t i = 0; i < n; i++) {
        h[i].tree = PERI_LHALO_TREES * r->f->number + (int64_t)t;
        h[i].key = (int64_t)i;
        if (isnan(h[i].mass)) h[i].mass = (float)((double)h[i].np * r->f->particle_mass);
    }
    return rc;
}

static int read_counts(reader_t *r, int32_t **nhalos, size_t *ntrees, peri_err_t *err)
{
    peri_h5set_t *set = peri_h5set_open(r->file, "/Header/TreeNHalos", err);
    if (!set) return peri_err_prefix(err, "as LHaloTree");
    *ntrees = peri_h5set_rows(set);
    peri_h5set_unref(set);
    peri_h5_lock();
    int rc = read_values(r, peri_h5file_hid(r->file), "/Header/TreeNHalos", *ntrees,
                         H5T_NATIVE_INT32, err);
    peri_h5_unlock();
    if (rc) return -1;
    *nhalos = peri_xmalloc((*ntrees + 1) * sizeof(**nhalos));
    if (*ntrees) memcpy(*nhalos, r->buffer, *ntrees * sizeof(**nhalos));
    return 0;
}

static int read_redshifts(reader_t *r, peri_lhalo_t *out, peri_err_t *err)
{
    static const char path[] = "/Header/Redshifts";
    if (out->redshift || peri_h5_kind(r->file, path) != 'd') return 0;
    peri_h5set_t *set = peri_h5set_open(r->file, path, err);
    if (!set) return -1;
    const size_t n = peri_h5set_rows(set);
    peri_h5set_unref(set);
    peri_h5_lock();
    int rc =
        n ? read_values(r, peri_h5file_hid(r->file), path, n, H5T_NATIVE_DOUBLE, err) : 1;
    peri_h5_unlock();
    if (rc) return rc < 0 ? -1 : 0;
    out->redshift = peri_xmalloc(n * sizeof(*out->redshift));
    memcpy(out->redshift, r->buffer, n * sizeof(*out->redshift));
    out->nredshifts = n;
    return 0;
}

static double mass_in_header(reader_t *r)
{
    double m;
    if (!isnan(r->f->particle_mass) ||
        peri_h5attr_double(r->file, "/Header", "ParticleMass", 0, &m, NULL) != 0)
        return r->f->particle_mass;
    return m;
}

int peri_lhalo_hdf5(const lhalofile_t *f, peri_lhalo_t *out, peri_err_t *err)
{
    lhalofile_t own = *f;
    reader_t r = {.f = &own};
    int32_t *nhalos = NULL;
    size_t ntrees = 0, first, end;
    uint64_t total = 0, before;
    r.file = peri_h5file_open(f->path, NULL, err);
    int rc = r.file ? 0 : -1;
    if (rc == 0) own.particle_mass = mass_in_header(&r);
    if (rc == 0) rc = read_counts(&r, &nhalos, &ntrees, err);
    if (rc == 0) rc = read_redshifts(&r, out, err);
    if (rc == 0) rc = peri_lhalo_check_counts(f, nhalos, ntrees, &total, err);
    if (rc == 0) {
        peri_lhalo_share(f, nhalos, ntrees, total, &first, &end, &before);
        size_t n = 0;
        for (size_t t = first; t < end; t++) n += (size_t)nhalos[t];
        peri_treehalo_t *h = peri_lhalo_extend(out, n);
        for (size_t t = first; t < end && rc == 0; h += nhalos[t++])
            if (nhalos[t]) rc = read_tree(&r, t, h, (size_t)nhalos[t], err);
    }
    peri_h5file_unref(r.file);
    free(r.buffer);
    free(nhalos);
    return rc;
}
