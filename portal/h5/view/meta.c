/* meta.c - what there is: an object's kind, type, shape, attributes, children; all paths
 * below it. The shape of the answers is h5grove's.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/h5/view/view.h"

#define PATHS 1000000

/* ---- finding ---- */

static bool is_root(const char *path)
{
    return path[strspn(path, "/")] == '\0';
}

static int no_path(const peri_h5ask_t *q, peri_err_t *err)
{
    return peri_err_set(err, PERI_ENOTFOUND, "%.600s is not a valid path in %.200s",
                        q->path, q->file);
}

hid_t peri_h5view_object(hid_t file, const peri_h5ask_t *q, bool *link, peri_err_t *err)
{
    H5L_info_t info = {.type = H5L_TYPE_HARD};
    *link = false;
    if (!is_root(q->path) && H5Lget_info(file, q->path, &info, H5P_DEFAULT) < 0)
        return no_path(q, err);
    const bool soft = info.type == H5L_TYPE_SOFT;
    if (info.type == H5L_TYPE_HARD || (soft && q->links != PERI_H5LINKS_NONE)) {
        const hid_t id = H5Oopen(file, is_root(q->path) ? "/" : q->path, H5P_DEFAULT);
        if (id >= 0) return id;
        if (!soft) return peri_h5view_fail(err, "%.600s is damaged", q->path);
    }
    if (q->links == PERI_H5LINKS_ALL)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "Cannot resolve %s link at %.600s of %.200s",
                            soft ? "the soft" : "an external", q->path, q->file);
    *link = true;
    return -1;
}

/* ---- describing ---- */

static void name_of(peri_h5out_t *o, const char *path)
{
    const char *slash = strrchr(path, '/');
    peri_h5out_key(o, "name");
    const char *name = slash ? slash + 1 : path;
    peri_h5out_string(o, name, strlen(name));
}

static void kind(peri_h5out_t *o, const char *word)
{
    peri_h5out_text(o, ",\"kind\":\"");
    peri_h5out_text(o, word);
    peri_h5out_text(o, "\"");
}

static void put_string(peri_h5out_t *o, const char *key, const char *s)
{
    peri_h5out_text(o, ",");
    peri_h5out_key(o, key);
    peri_h5out_string(o, s, strlen(s));
}

static void put_dims(peri_h5out_t *o, size_t n, const hsize_t *dims)
{
    peri_h5out_text(o, "[");
    for (size_t i = 0; i < n; i++) {
        if (i) peri_h5out_text(o, ",");
        peri_h5out_number(o, (int64_t)dims[i]);
    }
    peri_h5out_text(o, "]");
}

/* null: no data at all; []: one value. */
static void put_shape(peri_h5out_t *o, hid_t space)
{
    hsize_t dims[PERI_H5SELECT_DIMS];
    const int n = H5Sget_simple_extent_ndims(space);
    if (H5Sget_simple_extent_type(space) == H5S_NULL || n < 0 || n > PERI_H5SELECT_DIMS ||
        H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        peri_h5out_text(o, "null");
    else
        put_dims(o, (size_t)n, dims);
}

static int link_of(hid_t at, const char *name, const char *path, peri_h5out_t *o,
                   peri_err_t *err)
{
    H5L_info_t info;
    const char *file = "", *target = "";
    unsigned flags;
    name_of(o, path);
    if (H5Lget_info(at, name, &info, H5P_DEFAULT) < 0 || info.u.val_size > 1 << 20)
        return peri_h5view_fail(err, "the link %.600s is damaged", path);
    char *value = peri_xcalloc(1, info.u.val_size + 1);
    int rc = 0;
    if (H5Lget_val(at, name, value, info.u.val_size, H5P_DEFAULT) < 0) {
        rc = peri_h5view_fail(err, "the link %.600s is damaged", path);
    } else if (info.type == H5L_TYPE_SOFT) {
        kind(o, "soft_link");
        put_string(o, "target_path", value);
    } else if (info.type == H5L_TYPE_EXTERNAL &&
               H5Lunpack_elink_val(value, info.u.val_size, &flags, &file, &target) >= 0) {
        kind(o, "external_link");
        put_string(o, "target_file", file);
        put_string(o, "target_path", target);
    } else {
        kind(o, "other");
    }
    free(value);
    return rc;
}

typedef struct {
    peri_h5out_t *o;
    bool any;
} attrs_t;

static herr_t on_attribute(hid_t at, const char *name, const H5A_info_t *info, void *arg)
{
    attrs_t *a = arg;
    (void)info;
    const hid_t id = H5Aopen(at, name, H5P_DEFAULT);
    const hid_t type = id < 0 ? -1 : H5Aget_type(id),
                space = id < 0 ? -1 : H5Aget_space(id);
    peri_h5out_text(a->o, a->any ? ",{" : "{");
    a->any = true;
    peri_h5out_key(a->o, "name");
    peri_h5out_string(a->o, name, strlen(name));
    peri_h5out_text(a->o, ",\"shape\":");
    put_shape(a->o, space);
    peri_h5out_text(a->o, ",\"type\":");
    peri_h5type_json(a->o, type, 0);
    peri_h5out_text(a->o, "}");
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (id >= 0) H5Aclose(id);
    return a->o->failed;
}

static int attributes(hid_t id, const char *path, peri_h5out_t *o, peri_err_t *err)
{
    attrs_t a = {o, false};
    hsize_t at = 0;
    peri_h5out_text(o, ",\"attributes\":[");
    if (H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, &at, on_attribute, &a) < 0)
        return peri_h5view_fail(err, "the attributes of %.600s are damaged", path);
    peri_h5out_text(o, "]");
    return 0;
}

static int put_filters(hid_t plist, peri_h5out_t *o)
{
    const int n = H5Pget_nfilters(plist);
    if (n <= 0) {
        peri_h5out_text(o, "null");
        return 0;
    }
    peri_h5out_text(o, "[");
    for (int i = 0; i < n; i++) {
        char name[256] = "";
        unsigned flags, info;
        size_t none = 0;
        const H5Z_filter_t f = H5Pget_filter2(plist, (unsigned)i, &flags, &none, NULL,
                                              sizeof(name), name, &info);
        peri_h5out_text(o, i ? ",{\"id\":" : "{\"id\":");
        peri_h5out_number(o, f);
        put_string(o, "name", name);
        peri_h5out_text(o, "}");
    }
    peri_h5out_text(o, "]");
    return 0;
}

static int dataset(hid_t id, const char *path, peri_h5out_t *o, peri_err_t *err)
{
    const hid_t type = H5Dget_type(id), space = H5Dget_space(id),
                plist = H5Dget_create_plist(id);
    hsize_t chunk[PERI_H5SELECT_DIMS];
    int rc = -1;
    if (type < 0 || space < 0 || plist < 0) {
        peri_h5view_fail(err, "%.600s is damaged", path);
        goto out;
    }
    kind(o, "dataset");
    peri_h5out_text(o, ",\"type\":");
    peri_h5type_json(o, type, 0);
    peri_h5out_text(o, ",\"shape\":");
    put_shape(o, space);
    peri_h5out_text(o, ",\"chunks\":");
    const int n = H5Pget_layout(plist) == H5D_CHUNKED
                      ? H5Pget_chunk(plist, PERI_H5SELECT_DIMS, chunk)
                      : 0;
    if (n > 0)
        put_dims(o, (size_t)n, chunk);
    else
        peri_h5out_text(o, "null");
    peri_h5out_text(o, ",\"filters\":");
    rc = put_filters(plist, o);
out:
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (plist >= 0) H5Pclose(plist);
    return rc;
}

typedef struct {
    peri_h5out_t *o;
    const peri_h5ask_t *q;
    const char *path;
    int depth;
    bool any;
    uint64_t left;
    int rc;
    peri_err_t *err;
} children_t;

static int describe(hid_t at, const char *name, const char *path, const peri_h5ask_t *q,
                    int depth, peri_h5out_t *o, peri_err_t *err);

static herr_t on_child(hid_t at, const char *name, const H5L_info_t *info, void *arg)
{
    children_t *c = arg;
    (void)info;
    if (c->left-- == 0) return 1;
    const char *parent = is_root(c->path) ? "" : c->path;
    char *path = peri_xasprintf("%s/%s", parent, name);
    peri_h5out_text(c->o, c->any ? ",{" : "{");
    c->any = true;
    c->rc = describe(at, name, path, c->q, c->depth - 1, c->o, c->err);
    peri_h5out_text(c->o, "}");
    free(path);
    return c->rc ? 1 : c->o->failed;
}

static int children(hid_t id, const char *path, const peri_h5ask_t *q, int depth,
                    peri_h5out_t *o, peri_err_t *err)
{
    children_t c = {o, q, path, depth, false, q->limit, 0, err};
    H5G_info_t info;
    const bool asked = depth == q->depth; /* the object itself, not one below it */
    hsize_t at = asked ? q->from : 0;
    if (H5Gget_info(id, &info) < 0)
        return peri_h5view_fail(err, "the group %.600s is damaged", path);
    peri_h5out_text(o, ",\"children_total\":");
    peri_h5out_number(o, (int64_t)info.nlinks);
    peri_h5out_text(o, ",\"children\":[");
    if (at < info.nlinks &&
        H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, &at, on_child, &c) < 0 && !c.rc)
        return peri_h5view_fail(err, "the group %.600s is damaged", path);
    peri_h5out_text(o, "]");
    return c.rc;
}

static int object(hid_t id, const char *path, const peri_h5ask_t *q, int depth,
                  peri_h5out_t *o, peri_err_t *err)
{
    int rc = 0;
    name_of(o, path);
    switch (H5Iget_type(id)) {
    case H5I_GROUP:
        kind(o, "group");
        if (depth > 0) rc = children(id, path, q, depth, o, err);
        break;
    case H5I_DATASET:
        rc = dataset(id, path, o, err);
        break;
    case H5I_DATATYPE:
        kind(o, "datatype");
        peri_h5out_text(o, ",\"type\":");
        peri_h5type_json(o, id, 0);
        break;
    default:
        kind(o, "other");
        return 0;
    }
    return rc ? rc : attributes(id, path, o, err);
}

/* A child: what is damaged must not hide its neighbours. */
static int describe(hid_t at, const char *name, const char *path, const peri_h5ask_t *q,
                    int depth, peri_h5out_t *o, peri_err_t *err)
{
    peri_h5ask_t there = *q;
    bool link;
    there.path = name;
    const hid_t id = peri_h5view_object(at, &there, &link, NULL);
    if (link) return link_of(at, name, path, o, err);
    if (id < 0) {
        name_of(o, path);
        kind(o, "other");
        peri_h5out_text(o, ",\"attributes\":[]");
        return 0;
    }
    const int rc = object(id, path, q, depth, o, err);
    H5Oclose(id);
    return rc;
}

int peri_h5view_meta(hid_t file, const peri_h5ask_t *q, peri_h5out_t *o, peri_err_t *err)
{
    bool link;
    const hid_t id = peri_h5view_object(file, q, &link, err);
    if (id < 0 && !link) return -1;
    peri_h5out_text(o, "{");
    int rc = link ? link_of(file, q->path, q->path, o, err)
                  : object(id, q->path, q, q->depth, o, err);
    peri_h5out_text(o, "}");
    if (id >= 0) H5Oclose(id);
    return rc;
}

/* ---- paths ---- */

typedef struct {
    peri_h5out_t *o;
    const char *base;
    uint64_t n;
} paths_t;

static herr_t on_path(hid_t at, const char *name, const H5L_info_t *info, void *arg)
{
    paths_t *p = arg;
    (void)at;
    (void)info;
    char *path = peri_xasprintf("%s/%s", p->base, name);
    peri_h5out_text(p->o, ",");
    peri_h5out_string(p->o, path, strlen(path));
    free(path);
    return ++p->n > PATHS || p->o->failed;
}

int peri_h5view_paths(hid_t file, const peri_h5ask_t *q, peri_h5out_t *o, peri_err_t *err)
{
    bool link;
    paths_t p = {o, is_root(q->path) ? "" : q->path, 0};
    const hid_t id = peri_h5view_object(file, q, &link, err);
    if (id < 0 && !link) return -1;
    peri_h5out_text(o, "[");
    peri_h5out_string(o, q->path, strlen(q->path));
    int rc = 0;
    if (id >= 0 && H5Iget_type(id) == H5I_GROUP &&
        H5Lvisit(id, H5_INDEX_NAME, H5_ITER_INC, on_path, &p) < 0)
        rc = peri_h5view_fail(err, "a group below %.600s is damaged", q->path);
    peri_h5out_text(o, "]");
    if (id >= 0) H5Oclose(id);
    if (!rc && p.n > PATHS)
        rc = peri_err_set(err, PERI_ELIMIT, "%.600s has more than %d objects below it",
                          q->path, PATHS);
    return rc;
}
