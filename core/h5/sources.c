/* sources.c - do the other files that a dataset's rows come from lie below the root? For
 * virtual datasets, whose sources may be virtual again, and for external storage.
 */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/h5/private.h"

#define MAX_DEPTH 8

/* Of a file that is there, but nowhere in the tree: an open one that has lost its name,
 * by its descriptor in /proc. HDF5 would read it. */
static bool is_nowhere(const char *path, const char *real)
{
    return !real && access(path, F_OK) == 0;
}

/* The source of a virtual dataset may itself be virtual, or stored outside. */
static int check_source(peri_h5file_t *f, const char *real, const char *dset,
                        unsigned depth, peri_err_t *err)
{
    peri_h5file_t *in = NULL;
    int rc = 0;
    if (!peri_path_is_below(real, f->root)) return peri_h5_denied(f, real, err);
    peri_h5file_t *g = peri_h5file_open(real, f->root, err);
    if (!g) return -1;
    peri_err_t local = {0};
    hid_t id = peri_h5_object_open(g, dset, &in, &local);
    if (id < 0) {
        /* A missing source reads as fill values; one that leads outside is refused. */
        if (local.code == PERI_EDENIED) {
            if (err) *err = local;
            rc = -1;
        }
    } else {
        if (H5Iget_type(id) == H5I_DATASET) {
            hid_t dcpl = H5Dget_create_plist(id);
            rc = dcpl < 0 ? 0 : peri_h5_storage_check(in, dcpl, depth + 1, err);
            H5Pclose(dcpl);
        }
        H5Oclose(id);
        peri_h5file_unref(in);
    }
    peri_h5file_unref(g);
    return rc;
}

/* "%b" in a source's name is a block number: HDF5 opens all that exist. */
static char *as_glob(const char *name)
{
    char *out = peri_xcalloc(2, strlen(name) + 1), *to = out;
    for (const char *p = name; *p; p++) {
        if (p[0] == '%' && p[1] == 'b') {
            *to++ = '*';
            p++;
        } else if (p[0] == '%' && p[1] == '%') {
            *to++ = '%';
            p++;
        } else {
            if (strchr("*?[\\", *p)) *to++ = '\\';
            *to++ = *p;
        }
    }
    return out;
}

static int check_virtual(peri_h5file_t *f, const char *name, const char *dset,
                         unsigned depth, peri_err_t *err)
{
    char *place[4];
    int rc = 0;
    if (strchr(dset, '%'))
        return peri_err_set(
            err, PERI_EUNSUPP,
            "the virtual dataset's source '%s' in %s is a pattern: it cannot "
            "be checked to lie below %s",
            dset, f->path, f->root);
    if (strcmp(name, ".") == 0) return check_source(f, f->real, dset, depth, err);
    size_t n = peri_h5_places(f, name, place);
    for (size_t i = 0; i < n; i++) {
        char *pattern = as_glob(place[i]);
        glob_t found = {0};
        if (rc == 0 && glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
            for (size_t j = 0; j < found.gl_pathc && rc == 0; j++) {
                char *real = realpath(found.gl_pathv[j], NULL);
                if (is_nowhere(found.gl_pathv[j], real))
                    rc = peri_h5_denied(f, found.gl_pathv[j], err);
                else if (real)
                    rc = check_source(f, real, dset, depth, err);
                free(real);
            }
        globfree(&found);
        free(pattern);
        free(place[i]);
    }
    return rc;
}

static int check_sources(peri_h5file_t *f, hid_t dcpl, unsigned depth, peri_err_t *err)
{
    size_t n = 0;
    int rc = 0;
    if (H5Pget_virtual_count(dcpl, &n) < 0) return 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        char file[4096], dset[4096];
        ssize_t fl = H5Pget_virtual_filename(dcpl, i, file, sizeof(file));
        ssize_t dl = H5Pget_virtual_dsetname(dcpl, i, dset, sizeof(dset));
        if (fl <= 0 || dl <= 0 || fl >= (ssize_t)sizeof(file) ||
            dl >= (ssize_t)sizeof(dset))
            return peri_err_set(err, PERI_EFORMAT, "a virtual dataset in %s is damaged",
                                f->path);
        rc = check_virtual(f, file, dset, depth, err);
    }
    return rc;
}

static int check_external(peri_h5file_t *f, hid_t dcpl, int n, peri_err_t *err)
{
    for (int i = 0; i < n; i++) {
        char name[4096] = "";
        off_t off;
        hsize_t size;
        if (H5Pget_external(dcpl, (unsigned)i, sizeof(name) - 1, name, &off, &size) < 0)
            return peri_err_set(err, PERI_EFORMAT,
                                "the list of external files in %s is "
                                "damaged",
                                f->path);
        /* HDF5 opens it in the current folder; peri_h5set_open may send it to the file's.
         */
        char *place[2] = {peri_xstrdup(name), peri_h5_beside(f->real, name)};
        int rc = 0;
        for (size_t k = 0; k < 2; k++) {
            char *real = realpath(place[k], NULL);
            if (rc == 0 && is_nowhere(place[k], real))
                rc = peri_h5_denied(f, place[k], err);
            else if (rc == 0 && real && !peri_path_is_below(real, f->root))
                rc = peri_h5_denied(f, real, err);
            free(real);
            free(place[k]);
        }
        if (rc != 0) return rc;
    }
    return 0;
}

int peri_h5_storage_check(peri_h5file_t *f, hid_t dcpl, unsigned depth, peri_err_t *err)
{
    if (!f->root) return 0;
    if (depth > MAX_DEPTH)
        return peri_err_set(
            err, PERI_EFORMAT,
            "virtual datasets in %s lead to each other more than %d times", f->path,
            MAX_DEPTH);
    if (H5Pget_layout(dcpl) == H5D_VIRTUAL) return check_sources(f, dcpl, depth, err);
    int n = H5Pget_external_count(dcpl);
    return n > 0 ? check_external(f, dcpl, n, err) : 0;
}
