/* attr.c - the values of an object's attributes. */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/h5/view/view.h"

#define VALUE_MAX (64u << 20) /* bytes of one in memory */

static int read_value(hid_t id, const char *name, hid_t file, const peri_h5ask_t *q,
                      hid_t space, hid_t type, peri_h5out_t *o, peri_err_t *err)
{
    hsize_t dims[PERI_H5SELECT_DIMS];
    peri_h5array_t a = {.o = o};
    const int rank = H5Sget_simple_extent_ndims(space);
    const hssize_t n = H5Sget_simple_extent_npoints(space);
    const size_t size = H5Tget_size(type);
    if (rank < 0 || rank > PERI_H5SELECT_DIMS || n < 0 ||
        H5Sget_simple_extent_dims(space, dims, NULL) < 0 || !size)
        return peri_h5view_fail(err, "the attribute \"%.100s\" is damaged", name);
    if ((uint64_t)n > VALUE_MAX / size)
        return peri_err_set(err, PERI_ELIMIT, "the attribute \"%.100s\" is too large",
                            name);
    a.v = peri_h5value_new(type, file, q->arena, err);
    if (!a.v) return -1;
    a.rank = (size_t)rank;
    for (int i = 0; i < rank; i++) a.dims[i] = dims[i];
    if (n == 0) {
        peri_h5array_empty(&a);
        return 0;
    }
    char *buf = peri_xcalloc((size_t)n, size);
    int rc = 0;
    if (H5Aread(id, type, buf) < 0)
        rc = peri_h5view_fail(err, "the attribute \"%.100s\" is damaged", name);
    else
        peri_h5array_put(&a, buf, (size_t)n, size);
    if (!rc && !peri_h5type_is_plain(type))
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, buf);
    free(buf);
    return rc;
}

static int value(hid_t at, const char *name, hid_t file, const peri_h5ask_t *q,
                 peri_h5out_t *o, peri_err_t *err)
{
    const hid_t id = H5Aopen(at, name, H5P_DEFAULT);
    if (id < 0) return peri_h5view_fail(err, "the attribute \"%.100s\" is damaged", name);
    const hid_t stored = H5Aget_type(id), space = H5Aget_space(id);
    hid_t type = -1;
    int rc = 0;
    if (stored < 0 || space < 0)
        rc = peri_h5view_fail(err, "the attribute \"%.100s\" is damaged", name);
    else if (H5Sget_simple_extent_type(space) == H5S_NULL)
        peri_h5out_text(o, "null");
    else if ((type = peri_h5value_type(stored, NULL)) < 0)
        peri_h5out_text(o, "null"); /* its type says why */
    else
        rc = read_value(id, name, file, q, space, type, o, err);
    if (type >= 0) H5Tclose(type);
    if (stored >= 0) H5Tclose(stored);
    if (space >= 0) H5Sclose(space);
    H5Aclose(id);
    return rc;
}

typedef struct {
    hid_t file;
    const peri_h5ask_t *q;
    peri_h5out_t *o;
    size_t n;
    int rc;
    peri_err_t *err;
} all_t;

static int pair(hid_t at, const char *name, all_t *a)
{
    if (a->n++) peri_h5out_text(a->o, ",");
    peri_h5out_key(a->o, name);
    return value(at, name, a->file, a->q, a->o, a->err);
}

static herr_t on_attribute(hid_t at, const char *name, const H5A_info_t *info, void *arg)
{
    all_t *a = arg;
    (void)info;
    if (a->n == PERI_H5VIEW_ENTRIES)
        a->rc = peri_err_set(a->err, PERI_ELIMIT,
                             "%.600s has more than %d attributes: name those you want",
                             a->q->path, PERI_H5VIEW_ENTRIES);
    else
        a->rc = pair(at, name, a);
    return a->rc ? 1 : a->o->failed;
}

int peri_h5view_attr(hid_t file, const peri_h5ask_t *q, peri_h5out_t *o, peri_err_t *err)
{
    all_t a = {file, q, o, 0, 0, err};
    hsize_t at = 0;
    bool link;
    const hid_t id = peri_h5view_object(file, q, &link, err);
    if (id < 0 && !link) return -1;
    peri_h5out_text(o, "{");
    for (size_t i = 0; id >= 0 && i < q->nkeys && !a.rc; i++) {
        if (H5Aexists(id, q->keys[i]) > 0)
            a.rc = pair(id, q->keys[i], &a);
        else
            a.rc = peri_err_set(err, PERI_ENOTFOUND, "%.600s has no attribute \"%.100s\"",
                                q->path, q->keys[i]);
    }
    if (id >= 0 && !q->nkeys &&
        H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, &at, on_attribute, &a) < 0 && !a.rc)
        a.rc = peri_h5view_fail(err, "the attributes of %.600s are damaged", q->path);
    peri_h5out_text(o, "}");
    if (id >= 0) H5Oclose(id);
    return a.rc;
}
