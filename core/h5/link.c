/* link.c - from a path in a file to an object, and what groups hold.
 *
 * HDF5 would follow soft and external links by itself and look for files in many places.
 * We follow them here, one component at a time, so that no file is opened that the root
 * policy did not see.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

#define MAX_HOPS   32
#define MAX_PATH   65536
#define MAX_LINKED 4096

typedef struct {
    peri_h5file_t *file; /* where we are: a reference */
    hid_t at;
    char *rest; /* what is still to be walked */
    unsigned hops;
} walk_t;

/* Go on at the root of `file` (whose reference is taken) or, if NULL, where we are. */
static int turn(walk_t *w, peri_h5file_t *file, bool to_root, const char *path,
                const char *rest, const char *whole, peri_err_t *err)
{
    if (file) {
        peri_h5_now_at(file->path);
        peri_h5file_unref(w->file);
        w->file = file;
    }
    if (++w->hops > MAX_HOPS || strlen(path) + strlen(rest) > MAX_PATH)
        return peri_err_set(err, PERI_EFORMAT,
                            "the links at '%s' in %s do not come to an end", whole,
                            w->file->path);
    char *next = peri_xasprintf("%s/%s", path, rest);
    free(w->rest);
    w->rest = next;
    if (file || to_root) {
        H5Oclose(w->at);
        w->at = H5Oopen(w->file->hid, "/", H5P_DEFAULT);
        if (w->at < 0)
            return peri_err_set(err, PERI_EFORMAT, "%s is damaged: no root group",
                                w->file->path);
    }
    return 0;
}

/* The file that an external link names; kept by f, so that a group of links is cheap. */
static peri_h5file_t *linked_file(peri_h5file_t *f, const char *name, peri_err_t *err)
{
    char *real = peri_h5_target(f, name, err);
    if (!real) return NULL;
    peri_h5file_t *g = NULL;
    for (size_t i = 0; i < f->nlinked && !g; i++)
        if (strcmp(f->linked[i]->real, real) == 0) g = peri_h5file_ref(f->linked[i]);
    if (!g && strcmp(real, f->real) == 0) g = peri_h5file_ref(f);
    if (!g && (g = peri_h5file_open(real, f->root, err)) && f->nlinked < MAX_LINKED) {
        f->linked = peri_xrealloc(f->linked, f->nlinked + 1, sizeof(*f->linked));
        f->linked[f->nlinked++] = peri_h5file_ref(g);
    }
    free(real);
    return g;
}

static int follow(walk_t *w, const char *name, const H5L_info_t *info, const char *rest,
                  const char *whole, peri_err_t *err)
{
    size_t n = info->u.val_size;
    const char *file, *obj;
    unsigned flags;
    int rc = -1;
    if (n == 0 || n > MAX_PATH)
        return peri_err_set(err, PERI_EFORMAT, "the link '%s' at '%s' in %s is damaged",
                            name, whole, w->file->path);
    char *val = peri_xcalloc(1, n + 1);
    if (H5Lget_val(w->at, name, val, n, H5P_DEFAULT) < 0) {
        peri_err_set(err, PERI_EFORMAT, "the link '%s' in %s cannot be read", whole,
                     w->file->path);
    } else if (info->type == H5L_TYPE_SOFT) {
        rc = turn(w, NULL, val[0] == '/', val, rest, whole, err);
    } else if (info->type != H5L_TYPE_EXTERNAL ||
               H5Lunpack_elink_val(val, n, &flags, &file, &obj) < 0) {
        peri_err_set(err, PERI_EUNSUPP,
                     "the link '%s' in %s is of a kind that is not read", whole,
                     w->file->path);
    } else {
        peri_h5file_t *g = linked_file(w->file, file, err);
        if (g)
            rc = turn(w, g, true, obj, rest, whole, err);
        else
            peri_err_prefix(err, "external link '%s' in %s", whole, w->file->path);
    }
    free(val);
    return rc;
}

/* One component: open it, or follow it. */
static int step(walk_t *w, const char *name, const char *rest, const char *whole,
                peri_err_t *err)
{
    H5L_info_t info;
    char why[256];
    if (H5Iget_type(w->at) != H5I_GROUP || H5Lexists(w->at, name, H5P_DEFAULT) <= 0)
        return peri_err_set(err, PERI_ENOTFOUND, "%s has no '%s' ('%s' is not there)",
                            w->file->path, whole, name);
    if (H5Lget_info(w->at, name, &info, H5P_DEFAULT) < 0)
        return peri_err_set(err, PERI_EFORMAT, "'%s' in %s is damaged: %s", whole,
                            w->file->path, peri_h5_why(why));
    if (info.type != H5L_TYPE_HARD) return follow(w, name, &info, rest, whole, err);
    hid_t next = H5Oopen(w->at, name, H5P_DEFAULT);
    if (next < 0)
        return peri_err_set(err, PERI_EFORMAT, "'%s' in %s is damaged: %s", whole,
                            w->file->path, peri_h5_why(why));
    H5Oclose(w->at);
    w->at = next;
    char *left = peri_xstrdup(rest);
    free(w->rest);
    w->rest = left;
    return 0;
}

hid_t peri_h5_object_open(peri_h5file_t *f, const char *path, peri_h5file_t **in,
                          peri_err_t *err)
{
    walk_t w = {.file = peri_h5file_ref(f), .rest = peri_xstrdup(path)};
    char why[256];
    w.at = H5Oopen(f->hid, "/", H5P_DEFAULT);
    if (w.at < 0) {
        peri_err_set(err, PERI_EFORMAT,
                     "%s is damaged: its root group cannot be opened: %s", f->path,
                     peri_h5_why(why));
        goto fail;
    }
    for (;;) {
        const char *p = w.rest + strspn(w.rest, "/");
        size_t n = strcspn(p, "/");
        if (n == 0) break;
        char *name = peri_xasprintf("%.*s", (int)n, p);
        int rc = strcmp(name, ".") == 0 ? (memmove(w.rest, p + n, strlen(p + n) + 1), 0)
                                        : step(&w, name, p + n, path, err);
        free(name);
        if (rc != 0) goto fail;
    }
    free(w.rest);
    *in = w.file;
    return w.at;
fail:
    if (w.at >= 0) H5Oclose(w.at);
    peri_h5_now_at(f->path);
    free(w.rest);
    peri_h5file_unref(w.file);
    return -1;
}

char peri_h5_kind(peri_h5file_t *f, const char *path)
{
    peri_h5file_t *in;
    char kind = 0;
    peri_h5_enter(f->path, H5_BUSY_META);
    hid_t id = peri_h5_object_open(f, path, &in, NULL);
    if (id >= 0) {
        H5I_type_t t = H5Iget_type(id);
        kind = t == H5I_GROUP      ? 'g'
               : t == H5I_DATASET  ? 'd'
               : t == H5I_DATATYPE ? 't'
                                   : 0;
        H5Oclose(id);
        peri_h5file_unref(in);
    }
    peri_h5_leave();
    return kind;
}

bool peri_h5_exists(peri_h5file_t *f, const char *path)
{
    return peri_h5_kind(f, path) != 0;
}

typedef struct {
    char **name;
    size_t n, cap;
} names_t;

static herr_t collect(hid_t g, const char *name, const H5L_info_t *info, void *arg)
{
    names_t *l = arg;
    (void)g;
    (void)info;
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->name = peri_xrealloc(l->name, l->cap, sizeof(*l->name));
    }
    l->name[l->n++] = peri_xstrdup(name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(peri_h5file_t *f, const char *path, names_t *l, peri_err_t *err)
{
    peri_h5file_t *in;
    char why[256];
    int rc = -1;
    peri_h5_enter(f->path, H5_BUSY_META);
    hid_t id = peri_h5_object_open(f, path, &in, err);
    if (id >= 0) {
        if (H5Iget_type(id) != H5I_GROUP)
            peri_err_set(err, PERI_EINVAL, "'%s' in %s is not a group", path, f->path);
        else if (H5Literate(id, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, collect, l) < 0)
            peri_err_set(err, PERI_EFORMAT, "the group '%s' in %s is damaged: %s", path,
                         f->path, peri_h5_why(why));
        else
            rc = 0;
        H5Oclose(id);
        peri_h5file_unref(in);
    }
    peri_h5_leave();
    return rc;
}

int peri_h5group_each(peri_h5file_t *f, const char *path,
                      int (*fn)(const char *name, char kind, void *arg), void *arg,
                      peri_err_t *err)
{
    names_t l = {0};
    int rc = list(f, path, &l, err);
    if (l.n > 1) qsort(l.name, l.n, sizeof(*l.name), by_name);
    for (size_t i = 0; i < l.n; i++) {
        if (rc == 0) { /* a callback that stops is no error: the caller knows it did */
            char *whole = peri_xasprintf("%s/%s", path, l.name[i]);
            if (fn(l.name[i], peri_h5_kind(f, whole), arg) != 0) rc = 1;
            free(whole);
        }
        free(l.name[i]);
    }
    free(l.name);
    return rc < 0 ? -1 : 0;
}
