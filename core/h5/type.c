/* type.c - an HDF5 element type as a flat list of typed fields.
 *
 * Compound members (nested, in arrays) become fields with a path as name; what cannot be
 * read becomes a field of type 0 that says why. Decides how each field is converted, does
 * not convert. All of it runs under the HDF5 lock.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

#define MAX_NEST 32
#define MAX_DIMS 64

/* What a leaf type is, before it becomes a field. */
typedef struct {
    h5_conv_t conv;
    const char *why_not;
    char *stored_as;
} leaf_t;

static const char *order_words(hid_t t)
{
    if (H5Tget_size(t) == 1) return "";
    return H5Tget_order(t) == H5T_ORDER_BE ? " big-endian" : " little-endian";
}

/* The integer of at least `bits`. */
static peri_type_t int_type(size_t bits, bool is_signed)
{
    peri_type_t t = bits <= 8    ? PERI_T_U8
                    : bits <= 16 ? PERI_T_U16
                    : bits <= 32 ? PERI_T_U32
                                 : PERI_T_U64;
    return is_signed ? t - PERI_T_U8 + PERI_T_I8 : t;
}

static const bool host_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

/* Integers, bitfields and the base of enums. */
static void leaf_int(leaf_t *l, hid_t t, bool is_bitfield)
{
    h5_conv_t *cv = &l->conv;
    size_t size = H5Tget_size(t), prec = H5Tget_precision(t);
    int off = H5Tget_offset(t);
    H5T_order_t order = H5Tget_order(t);
    cv->size = size;
    cv->big = order == H5T_ORDER_BE;
    cv->is_signed = !is_bitfield && H5Tget_sign(t) == H5T_SGN_2;
    char shape[64] = "";
    if (prec != size * 8 && prec > 0)
        snprintf(shape, sizeof(shape), " in %zu bytes", size);
    l->stored_as = peri_xasprintf("%zu-bit%s %s%s", prec, order_words(t),
                                  is_bitfield     ? "bitfield"
                                  : cv->is_signed ? "signed"
                                                  : "unsigned",
                                  shape);
    if (prec == 0 || off < 0 || prec + (size_t)off > size * 8 ||
        (order != H5T_ORDER_LE && order != H5T_ORDER_BE)) {
        l->why_not = "an integer of an impossible shape";
    } else if (size > 8 && (prec > 64 || size > 32 || is_bitfield)) {
        l->why_not = "an integer of more than 64 bits";
    } else if (size > 8) {
        cv->kind = H5_CONV_LIB;
        cv->to = cv->is_signed ? PERI_T_I64 : PERI_T_U64;
        cv->lib_from = H5Tcopy(t);
        cv->lib_to = H5Tcopy(cv->is_signed ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64);
    } else {
        cv->to = int_type(prec, cv->is_signed);
        cv->lshift = (uint8_t)(64 - (size_t)off - prec);
        cv->rshift = (uint8_t)(64 - prec);
        bool whole = prec == size * 8 && peri_type_size(cv->to) == size;
        cv->kind = !whole                             ? H5_CONV_INT
                   : size == 1 || cv->big == host_big ? H5_CONV_COPY
                                                      : H5_CONV_SWAP;
    }
}

static bool is_half(hid_t t)
{
    size_t spos, epos, esize, mpos, msize;
    return H5Tget_size(t) == 2 && H5Tget_precision(t) == 16 && H5Tget_offset(t) == 0 &&
           H5Tget_fields(t, &spos, &epos, &esize, &mpos, &msize) >= 0 && spos == 15 &&
           epos == 10 && esize == 5 && mpos == 0 && msize == 10 &&
           H5Tget_ebias(t) == 15 && H5Tget_norm(t) == H5T_NORM_IMPLIED;
}

static void leaf_float(leaf_t *l, hid_t t)
{
    h5_conv_t *cv = &l->conv;
    H5T_order_t order = H5Tget_order(t);
    cv->size = H5Tget_size(t);
    cv->big = order == H5T_ORDER_BE;
    bool f32 = H5Tequal(t, H5T_IEEE_F32LE) > 0 || H5Tequal(t, H5T_IEEE_F32BE) > 0;
    bool f64 = H5Tequal(t, H5T_IEEE_F64LE) > 0 || H5Tequal(t, H5T_IEEE_F64BE) > 0;
    l->stored_as = peri_xasprintf("%zu-bit%s float%s", H5Tget_precision(t),
                                  order == H5T_ORDER_VAX ? " VAX" : order_words(t),
                                  f32 || f64 || is_half(t) ? "" : " (not IEEE)");
    if (f32 || f64) {
        cv->kind = cv->big == host_big ? H5_CONV_COPY : H5_CONV_SWAP;
        cv->to = f32 ? PERI_T_F32 : PERI_T_F64;
    } else if (is_half(t) && (order == H5T_ORDER_LE || order == H5T_ORDER_BE)) {
        cv->kind = H5_CONV_HALF;
        cv->to = PERI_T_F32;
    } else if (cv->size <= 32) {
        cv->kind = H5_CONV_LIB;
        cv->to = PERI_T_F64;
        cv->lib_from = H5Tcopy(t);
        cv->lib_to = H5Tcopy(H5T_NATIVE_DOUBLE);
    } else {
        l->why_not = "a float of an unknown format";
    }
}

static void leaf_string(leaf_t *l, hid_t t)
{
    h5_conv_t *cv = &l->conv;
    const char *cset = H5Tget_cset(t) == H5T_CSET_UTF8 ? "UTF-8" : "ASCII";
    cv->to = PERI_T_STR;
    cv->size = H5Tget_size(t);
    if (H5Tis_variable_str(t) > 0) {
        cv->kind = H5_CONV_VAR;
        l->stored_as = peri_xasprintf("text of any length, %s", cset);
        return;
    }
    cv->kind = H5_CONV_FIXED;
    cv->pad = H5Tget_strpad(t);
    l->stored_as = peri_xasprintf("text of %zu bytes, %s, %s", cv->size, cset,
                                  cv->pad == H5T_STR_NULLTERM   ? "null-terminated"
                                  : cv->pad == H5T_STR_SPACEPAD ? "space-padded"
                                                                : "null-padded");
}

static int by_value(const void *a, const void *b)
{
    int64_t x = ((const h5_enum_t *)a)->value, y = ((const h5_enum_t *)b)->value;
    return (x > y) - (x < y);
}

/* Names and values of an enum whose base is in l->conv already. */
static bool enum_members(leaf_t *l, hid_t t)
{
    h5_conv_t *cv = &l->conv;
    int n = H5Tget_nmembers(t);
    if (n < 0) return false;
    cv->enums = peri_xcalloc((size_t)n + 1, sizeof(*cv->enums));
    for (int i = 0; i < n; i++) {
        uint8_t raw[8 + H5_SLACK] = {0};
        h5_pool_t pool = {0};
        peri_str_t s;
        char *name = H5Tget_member_name(t, (unsigned)i);
        if (!name || H5Tget_member_value(t, (unsigned)i, raw) < 0) {
            H5free_memory(name);
            return false;
        }
        int rc = peri_h5_text(&pool, name, strlen(name), &s, NULL);
        H5free_memory(name);
        if (rc != 0) return false;
        char *copy = peri_xasprintf("%.*s", (int)s.len, s.ptr);
        peri_h5pool_free(&pool);
        cv->enums[cv->nenums++] = (h5_enum_t){
            .value = peri_h5_load_int(cv, raw),
            .name = {.ptr = copy, .len = (uint32_t)strlen(copy)},
        };
    }
    if (n > 1) qsort(cv->enums, cv->nenums, sizeof(*cv->enums), by_value);
    return true;
}

static void leaf_enum(leaf_t *l, hid_t t)
{
    h5_conv_t *cv = &l->conv;
    hid_t base = H5Tget_super(t);
    if (base < 0 || H5Tget_class(base) != H5T_INTEGER) {
        l->why_not = "an enum that is not of integers";
        l->stored_as = peri_xstrdup("enum");
    } else {
        leaf_int(l, base, false);
        char *of = l->stored_as;
        l->stored_as = peri_xasprintf("enum, %s", of);
        free(of);
        if (!l->why_not && (cv->kind == H5_CONV_LIB || !enum_members(l, t))) {
            l->why_not = "an enum whose names cannot be read";
        } else if (!l->why_not) {
            const h5_enum_t *e = cv->enums;
            bool is_bool = cv->nenums == 2 && e[0].value == 0 && e[1].value == 1 &&
                           strcmp(e[0].name.ptr, "FALSE") == 0 &&
                           strcmp(e[1].name.ptr, "TRUE") == 0;
            cv->kind = is_bool ? H5_CONV_BOOL : H5_CONV_ENUM;
            cv->to = is_bool ? PERI_T_BOOL : PERI_T_STR;
        }
    }
    if (base >= 0) H5Tclose(base);
}

static void leaf_other(leaf_t *l, hid_t t, H5T_class_t cls)
{
    if (cls == H5T_OPAQUE) {
        l->conv.kind = H5_CONV_OPAQUE;
        l->conv.to = PERI_T_BLOB;
        l->conv.size = H5Tget_size(t);
        l->stored_as = peri_xasprintf("opaque, %zu bytes", l->conv.size);
        return;
    }
    l->why_not = cls == H5T_VLEN                        ? "lists of varying length"
                 : cls == H5T_TIME                      ? "HDF5's time type"
                 : cls != H5T_REFERENCE                 ? "a type unknown to this version"
                 : H5Tequal(t, H5T_STD_REF_DSETREG) > 0 ? "references to regions"
                                                        : "references to objects";
    l->stored_as = peri_xstrdup(l->why_not);
}

static void leaf_make(leaf_t *l, hid_t t)
{
    H5T_class_t cls = H5Tget_class(t);
    switch (cls) {
    case H5T_INTEGER:
        leaf_int(l, t, false);
        break;
    case H5T_BITFIELD:
        leaf_int(l, t, true);
        break;
    case H5T_FLOAT:
        leaf_float(l, t);
        break;
    case H5T_STRING:
        leaf_string(l, t);
        break;
    case H5T_ENUM:
        leaf_enum(l, t);
        break;
    default:
        leaf_other(l, t, cls);
    }
    if (!l->why_not && (l->conv.size == 0 || l->conv.size > H5_MAX_BYTES))
        l->why_not = "a value of an impossible size";
}

static void conv_free(h5_conv_t *cv)
{
    for (size_t i = 0; i < cv->nenums; i++) free((char *)cv->enums[i].name.ptr);
    free(cv->enums);
    if (cv->lib_from > 0) H5Tclose(cv->lib_from);
    if (cv->lib_to > 0) H5Tclose(cv->lib_to);
}

/* Where the recursion is: dims outermost first, with strides in a block. */
typedef struct {
    h5_fields_t *fs;
    const char *what;
    h5_run_t dims[MAX_DIMS];
    unsigned ndims, depth;
} flat_t;

/* The dims as the caller sees them (4 at most: the last takes the rest). */
static uint64_t public_dims(const flat_t *fl, peri_h5field_t *f)
{
    uint64_t width = 1;
    for (unsigned i = 0; i < fl->ndims; i++)
        if (__builtin_mul_overflow(width, fl->dims[i].n, &width) || width > UINT32_MAX)
            return UINT64_MAX;
    f->ndims = fl->ndims < 4 ? fl->ndims : 4;
    for (unsigned i = 0; i < fl->ndims; i++) {
        if (i < 4)
            f->dims[i] = (uint32_t)fl->dims[i].n;
        else
            f->dims[3] *= (uint32_t)fl->dims[i].n;
    }
    return width;
}

/* Dims that follow each other in memory are one run. */
static bool merge_runs(const flat_t *fl, h5_field_t *p)
{
    for (unsigned i = 0; i < fl->ndims; i++) {
        h5_run_t d = fl->dims[i], *last = p->nruns ? &p->runs[p->nruns - 1] : NULL;
        if (last && last->stride == d.n * d.stride) {
            *last = (h5_run_t){last->n * d.n, d.stride};
        } else if (p->nruns == H5_MAX_RUNS) {
            return false;
        } else {
            p->runs[p->nruns++] = d;
        }
    }
    return true;
}

static int add_field(flat_t *fl, hid_t t, const char *name, uint64_t offset,
                     peri_err_t *err)
{
    h5_fields_t *fs = fl->fs;
    leaf_t l = {0};
    if (fs->n >= H5_MAX_FIELDS)
        return peri_err_set(err, PERI_ELIMIT, "%s has more than %d fields", fl->what,
                            H5_MAX_FIELDS);
    leaf_make(&l, t);
    if (fs->n == fs->cap) {
        fs->cap = fs->cap ? fs->cap * 2 : 8;
        fs->pub = peri_xrealloc(fs->pub, fs->cap, sizeof(*fs->pub));
        fs->priv = peri_xrealloc(fs->priv, fs->cap, sizeof(*fs->priv));
    }
    peri_h5field_t *f = &fs->pub[fs->n];
    h5_field_t *p = &fs->priv[fs->n];
    *f = (peri_h5field_t){.member_id = fs->n};
    *p = (h5_field_t){.conv = l.conv, .offset = offset};
    fs->n++;
    uint64_t width = public_dims(fl, f);
    if (width == 0)
        l.why_not = "an array with an empty dimension";
    else if (width == UINT64_MAX || !merge_runs(fl, p))
        l.why_not = "an array too large for one row";
    f->name = peri_xstrdup(name);
    f->stored_as = l.stored_as;
    f->width = width == UINT64_MAX ? 0 : (uint32_t)width;
    f->why_not = l.why_not;
    f->type = l.why_not ? 0 : l.conv.to;
    if (l.why_not) p->conv.kind = H5_CONV_NONE;
    return 0;
}

static int flatten(flat_t *fl, hid_t t, const char *name, uint64_t offset,
                   peri_err_t *err);

static int flatten_compound(flat_t *fl, hid_t t, const char *name, uint64_t offset,
                            peri_err_t *err)
{
    size_t size = H5Tget_size(t);
    int n = H5Tget_nmembers(t), rc = n < 0 ? -1 : 0;
    for (int i = 0; i < n && rc == 0; i++) {
        char *member = H5Tget_member_name(t, (unsigned)i);
        hid_t mt = H5Tget_member_type(t, (unsigned)i);
        size_t at = H5Tget_member_offset(t, (unsigned)i);
        size_t msize = mt < 0 ? 0 : H5Tget_size(mt);
        if (!member || msize == 0 || at > size || msize > size - at) {
            rc = peri_err_set(err, PERI_EFORMAT, "%s has a damaged type (member %d)",
                              fl->what, i);
        } else {
            char *path =
                *name ? peri_xasprintf("%s.%s", name, member) : peri_xstrdup(member);
            rc = flatten(fl, mt, path, offset + at, err);
            free(path);
        }
        H5free_memory(member);
        if (mt >= 0) H5Tclose(mt);
    }
    return rc;
}

static int flatten_array(flat_t *fl, hid_t t, const char *name, uint64_t offset,
                         peri_err_t *err)
{
    hsize_t dims[H5S_MAX_RANK];
    int n = H5Tget_array_ndims(t), rc = -1;
    hid_t base = H5Tget_super(t);
    uint64_t stride = base < 0 ? 0 : H5Tget_size(base), size = H5Tget_size(t);
    if (n < 1 || stride == 0 || fl->ndims + (unsigned)n > MAX_DIMS ||
        H5Tget_array_dims2(t, dims) < 0) {
        peri_err_set(err, PERI_EFORMAT, "%s has a damaged array type", fl->what);
    } else {
        unsigned before = fl->ndims;
        for (int i = n - 1; i >= 0; i--) {
            fl->dims[before + (unsigned)i] = (h5_run_t){dims[i], stride};
            if (__builtin_mul_overflow(stride, dims[i], &stride)) stride = UINT64_MAX;
        }
        fl->ndims += (unsigned)n;
        rc = stride == size ? flatten(fl, base, name, offset, err)
                            : peri_err_set(err, PERI_EFORMAT,
                                           "%s has a damaged array type", fl->what);
        fl->ndims = before;
    }
    if (base >= 0) H5Tclose(base);
    return rc;
}

static int flatten(flat_t *fl, hid_t t, const char *name, uint64_t offset,
                   peri_err_t *err)
{
    if (fl->depth >= MAX_NEST)
        return peri_err_set(err, PERI_EFORMAT, "%s has a type nested over %d levels",
                            fl->what, MAX_NEST);
    H5T_class_t cls = H5Tget_class(t);
    fl->depth++;
    int rc = cls == H5T_COMPOUND ? flatten_compound(fl, t, name, offset, err)
             : cls == H5T_ARRAY  ? flatten_array(fl, t, name, offset, err)
                                 : add_field(fl, t, name, offset, err);
    fl->depth--;
    return rc;
}

int peri_h5_fields_make(h5_fields_t *fs, hid_t type, const h5_run_t *dims, unsigned ndims,
                        const char *what, peri_err_t *err)
{
    flat_t fl = {.fs = fs, .what = what, .ndims = ndims};
    memcpy(fl.dims, dims, ndims * sizeof(*dims));
    return flatten(&fl, type, "", 0, err);
}

void peri_h5_fields_free(h5_fields_t *fs)
{
    for (size_t i = 0; i < fs->n; i++) {
        free((char *)fs->pub[i].name);
        free((char *)fs->pub[i].stored_as);
        conv_free(&fs->priv[i].conv);
    }
    free(fs->pub);
    free(fs->priv);
    *fs = (h5_fields_t){0};
}

static char worse(char a, char b)
{
    return a == 'v' || b == 'v' ? 'v' : a ? a : b;
}

static char vlen_at(hid_t t, unsigned depth)
{
    H5T_class_t cls = H5Tget_class(t);
    char any = 0;
    if (depth > MAX_NEST || cls == H5T_VLEN || cls == H5T_REFERENCE || cls < 0)
        return 'v';
    if (cls == H5T_STRING) return H5Tis_variable_str(t) > 0 ? 's' : 0;
    if (cls == H5T_ARRAY) {
        hid_t base = H5Tget_super(t);
        any = vlen_at(base, depth + 1);
        H5Tclose(base);
    }
    int n = cls == H5T_COMPOUND ? H5Tget_nmembers(t) : 0;
    for (int i = 0; i < n; i++) {
        hid_t m = H5Tget_member_type(t, (unsigned)i);
        any = worse(any, vlen_at(m, depth + 1));
        H5Tclose(m);
    }
    return any;
}

char peri_h5_type_vlen(hid_t type)
{
    return vlen_at(type, 0);
}

hid_t peri_h5_type_readable(hid_t t)
{
    H5T_class_t cls = H5Tget_class(t);
    hid_t out = H5I_INVALID_HID;
    if (peri_h5_type_vlen(t) != 'v') return H5Tcopy(t);
    if (cls == H5T_ARRAY) {
        hsize_t dims[H5S_MAX_RANK];
        hid_t base = H5Tget_super(t), sub = peri_h5_type_readable(base);
        int n = H5Tget_array_dims2(t, dims);
        if (sub >= 0 && n > 0) out = H5Tarray_create2(sub, (unsigned)n, dims);
        if (sub >= 0) H5Tclose(sub);
        H5Tclose(base);
    } else if (cls == H5T_COMPOUND) {
        int n = H5Tget_nmembers(t), kept = 0;
        out = H5Tcreate(H5T_COMPOUND, H5Tget_size(t));
        for (int i = 0; i < n && out >= 0; i++) {
            char *name = H5Tget_member_name(t, (unsigned)i);
            hid_t m = H5Tget_member_type(t, (unsigned)i), sub = peri_h5_type_readable(m);
            if (sub >= 0 && name &&
                H5Tinsert(out, name, H5Tget_member_offset(t, (unsigned)i), sub) >= 0)
                kept++;
            if (sub >= 0) H5Tclose(sub);
            H5Tclose(m);
            H5free_memory(name);
        }
        if (kept == 0 && out >= 0) {
            H5Tclose(out);
            out = H5I_INVALID_HID;
        }
    }
    return out;
}
