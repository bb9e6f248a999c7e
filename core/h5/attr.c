/* attr.c - single values out of attributes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

#define ATTR_MAX ((uint64_t)64 << 20)

typedef struct {
    hid_t attr, type;
    uint64_t n;
    char *what;
} attr_t;

static void attr_close(attr_t *a)
{
    if (a->type > 0) H5Tclose(a->type);
    if (a->attr > 0) H5Aclose(a->attr);
    free(a->what);
    peri_h5_leave();
}

/* Of an object many attributes are asked for, one after the other, most of which are not
 * there: it stays open, and is found by its path once. */
static hid_t object_of(peri_h5file_t *f, const char *path, peri_err_t *err)
{
    peri_h5file_t *in;
    if (f->attrs_path && strcmp(f->attrs_path, path) == 0) return f->attrs_of;
    hid_t obj = peri_h5_object_open(f, path, &in, err);
    if (obj < 0) return obj;
    peri_h5_attrs_close(f);
    if (in == f) { /* it would keep itself alive */
        peri_h5file_unref(in);
        in = NULL;
    }
    f->attrs_path = peri_xstrdup(path);
    f->attrs_of = obj;
    f->attrs_in = in;
    return obj;
}

/* 0 open, 1 not there, -1 error. Takes the lock; attr_close in every case. */
static int attr_open(attr_t *a, peri_h5file_t *f, const char *path, const char *name,
                     peri_err_t *err)
{
    char why[256];
    peri_err_t local = {0};
    *a = (attr_t){
        .what = peri_xasprintf("attribute '%s' of '%s' in %s", name, path, f->path)};
    peri_h5_enter(f->path, H5_BUSY_ONE);
    const hid_t obj = object_of(f, path, &local);
    if (obj < 0) {
        if (local.code == PERI_ENOTFOUND) return 1;
        if (err) *err = local;
        return -1;
    }
    if (H5Aexists(obj, name) == 0) return 1;
    a->attr = H5Aopen(obj, name, H5P_DEFAULT);
    a->type = a->attr < 0 ? -1 : H5Aget_type(a->attr);
    hid_t space = a->attr < 0 ? -1 : H5Aget_space(a->attr);
    hssize_t n = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    if (space >= 0) H5Sclose(space);
    if (a->type < 0 || n < 0)
        return peri_err_set(err, PERI_EFORMAT, "%s is damaged: %s", a->what,
                            peri_h5_why(why));
    a->n = (uint64_t)n;
    size_t size = H5Tget_size(a->type);
    if (size == 0 || a->n > ATTR_MAX / size)
        return peri_err_set(err, PERI_ELIMIT, "%s is larger than 64 MiB", a->what);
    return 0;
}

/* All values as `mem`, each at most 8 bytes (or the attribute's own size): *out is the
 * caller's. */
static int attr_read(attr_t *a, hid_t mem, void **out, peri_err_t *err)
{
    char why[256];
    size_t size = H5Tget_size(mem), own = H5Tget_size(a->type);
    *out = peri_xcalloc(a->n + 1, size > own ? size : own);
    if (H5Aread(a->attr, mem, *out) >= 0) return 0;
    free(*out);
    return peri_err_set(err, PERI_EFORMAT, "%s cannot be read: %s", a->what,
                        peri_h5_why(why));
}

static int no_number(const attr_t *a, peri_err_t *err)
{
    return peri_err_set(err, PERI_EFORMAT, "%s is not a number", a->what);
}

/* Numbers may be arrays in the type too (H5T_ARRAY): look at them as one long list. */
static int flatten(attr_t *a, hid_t number, hid_t *mem, peri_err_t *err)
{
    *mem = H5Tcopy(number);
    if (H5Tget_class(a->type) != H5T_ARRAY) return 0;
    hsize_t dims[H5S_MAX_RANK];
    hid_t base = H5Tget_super(a->type);
    int nd = H5Tget_array_dims2(a->type, dims);
    uint64_t n = a->n;
    for (int i = 0; i < nd; i++) n *= dims[i];
    H5Tclose(*mem);
    *mem = nd > 0 ? H5Tarray_create2(number, (unsigned)nd, dims) : -1;
    H5Tclose(a->type);
    a->type = base;
    if (*mem < 0 || n > ATTR_MAX) return no_number(a, err);
    return 0;
}

static int attr_number(peri_h5file_t *f, const char *path, const char *name, size_t i,
                       bool want_int, double *d, int64_t *v, peri_err_t *err)
{
    attr_t a;
    hid_t mem = -1;
    void *vals = NULL;
    int rc = attr_open(&a, f, path, name, err);
    if (rc != 0) goto out;
    rc = -1;
    H5T_class_t cls = H5Tget_class(a.type);
    if (cls == H5T_ARRAY) {
        hid_t base = H5Tget_super(a.type);
        cls = H5Tget_class(base);
        H5Tclose(base);
    }
    bool is_int = cls == H5T_INTEGER || cls == H5T_ENUM;
    if (!is_int && cls != H5T_FLOAT) {
        no_number(&a, err);
        goto out;
    }
    hid_t base = a.type;
    bool is_unsigned = is_int && H5Tget_sign(base) == H5T_SGN_NONE;
    hid_t number = !want_int || !is_int ? H5T_NATIVE_DOUBLE
                   : is_unsigned        ? H5T_NATIVE_UINT64
                                        : H5T_NATIVE_INT64;
    size_t per = H5Tget_size(a.type), total = a.n;
    if (flatten(&a, number, &mem, err) != 0) goto out;
    total = a.n * (H5Tget_size(mem) / 8);
    if (per == 0 || i >= total) {
        peri_err_set(err, PERI_EINVAL, "%s has %zu values; there is no number %zu",
                     a.what, total, i);
        goto out;
    }
    if (attr_read(&a, mem, &vals, err) != 0) goto out;
    double x = ((double *)vals)[i];
    int64_t k = ((int64_t *)vals)[i];
    rc = 0;
    if (!want_int)
        *d = x;
    else if (is_int && !(is_unsigned && k < 0))
        *v = k;
    else if (!is_int && x == floor(x) && fabs(x) < 0x1p62)
        *v = (int64_t)x;
    else
        rc = peri_err_set(err, PERI_EFORMAT, "%s is not an integer of 64 bits", a.what);
out:
    free(vals);
    if (mem > 0) H5Tclose(mem);
    attr_close(&a);
    return rc;
}

int peri_h5attr_double(peri_h5file_t *f, const char *path, const char *name, size_t i,
                       double *out, peri_err_t *err)
{
    return attr_number(f, path, name, i, false, out, NULL, err);
}

int peri_h5attr_int64(peri_h5file_t *f, const char *path, const char *name, size_t i,
                      int64_t *out, peri_err_t *err)
{
    return attr_number(f, path, name, i, true, NULL, out, err);
}

/* The bytes of string i of the attribute. */
static void get_string(const attr_t *a, const char *raw, uint64_t i, peri_str_t *s)
{
    size_t n = H5Tget_size(a->type);
    raw += i * n;
    if (H5Tis_variable_str(a->type) > 0) {
        const char *text;
        memcpy(&text, raw, sizeof(char *));
        *s = (peri_str_t){text ? text : "", text ? (uint32_t)strlen(text) : 0};
        return;
    }
    H5T_str_t pad = H5Tget_strpad(a->type);
    if (pad == H5T_STR_SPACEPAD)
        while (n > 0 && raw[n - 1] == ' ') n--;
    *s = (peri_str_t){raw, (uint32_t)strnlen(raw, n)};
}

/* The first `max` strings of an open attribute; what is in out[0 .. *n) is the caller's
 * even on failure. */
static int read_strings(attr_t *a, uint64_t max, char **out, size_t *n, peri_err_t *err)
{
    void *raw = NULL;
    h5_pool_t pool = {0};
    if (H5Tget_class(a->type) != H5T_STRING)
        return peri_err_set(err, PERI_EFORMAT, "%s is not text", a->what);
    if (attr_read(a, a->type, &raw, err) != 0) return -1;
    int rc = 0;
    for (uint64_t i = 0; i < a->n && i < max && rc == 0; i++) {
        peri_str_t s, utf8;
        get_string(a, raw, i, &s);
        rc = peri_h5_text(&pool, s.ptr, s.len, &utf8, err);
        if (rc == 0) out[(*n)++] = peri_xasprintf("%.*s", (int)utf8.len, utf8.ptr);
    }
    peri_h5pool_free(&pool);
    if (H5Tis_variable_str(a->type) > 0) {
        hid_t space = H5Aget_space(a->attr);
        H5Dvlen_reclaim(a->type, space, H5P_DEFAULT, raw);
        H5Sclose(space);
    }
    free(raw);
    return rc;
}

int peri_h5attr_string(peri_h5file_t *f, const char *path, const char *name, char **out,
                       peri_err_t *err)
{
    attr_t a;
    size_t n = 0;
    int rc = attr_open(&a, f, path, name, err);
    if (rc == 0 && a.n == 0)
        rc = peri_err_set(err, PERI_EFORMAT, "%s is not text", a.what);
    else if (rc == 0)
        rc = read_strings(&a, 1, out, &n, err);
    attr_close(&a);
    return rc;
}

int peri_h5attr_strings(peri_h5file_t *f, const char *path, const char *name, char ***out,
                        size_t *n, peri_err_t *err)
{
    attr_t a;
    *n = 0;
    *out = NULL;
    int rc = attr_open(&a, f, path, name, err);
    if (rc == 0) {
        *out = peri_xcalloc(a.n + 1, sizeof(**out));
        rc = read_strings(&a, a.n, *out, n, err);
    }
    attr_close(&a);
    if (rc == 0 || !*out) return rc;
    while (*n) free((*out)[--*n]);
    free(*out);
    *out = NULL;
    return rc;
}
