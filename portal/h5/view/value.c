/* value.c - values in memory, as JSON. Not finite: null. */
#include <math.h>
#include <string.h>

#include "core/out/number.h"
#include "portal/h5/view/view.h"

#define NODES 20000 /* in one type */

typedef enum {
    V_INT,
    V_UINT,
    V_FLOAT,
    V_BOOL,
    V_TEXT,
    V_BYTES,
    V_LIST,
    V_ARRAY,
    V_VLEN,
    V_REFERENCE,
    V_UNKNOWN
} kind_t;

struct peri_h5value {
    kind_t kind;
    size_t size;
    H5T_str_t pad;
    bool variable;        /* V_TEXT */
    H5R_type_t reference; /* V_REFERENCE */
    hid_t file;
    size_t n, offset; /* members; elements of all dimensions of an array */
    size_t rank;
    uint64_t dims[PERI_H5SELECT_DIMS];
    peri_h5value_t *of; /* n members, or one element */
};

hid_t peri_h5value_type(hid_t stored, peri_err_t *err)
{
    /* Half precision becomes a float, 24 bits 32. */
    const hid_t t =
        H5Tget_class(stored) == H5T_BITFIELD || H5Tget_class(stored) == H5T_TIME
            ? H5Tcopy(stored)
            : H5Tget_native_type(stored, H5T_DIR_ASCEND);
    if (t < 0)
        peri_err_set(
            err, PERI_EUNSUPP,
            "values of this type cannot be shown: this machine has none like it");
    return t;
}

static int take_apart(peri_h5value_t *v, hid_t type, hid_t file, peri_arena_t *a,
                      size_t *nodes, int depth, peri_err_t *err);

static int element(peri_h5value_t *v, hid_t type, peri_arena_t *a, size_t *nodes,
                   int depth, peri_err_t *err)
{
    const hid_t b = H5Tget_super(type);
    v->of = peri_arena_calloc(a, 1, sizeof(*v->of));
    const int rc = b < 0 ? peri_h5view_fail(err, "the type of the values is damaged")
                         : take_apart(v->of, b, v->file, a, nodes, depth + 1, err);
    if (b >= 0) H5Tclose(b);
    return rc;
}

static int members(peri_h5value_t *v, hid_t type, peri_arena_t *a, size_t *nodes,
                   int depth, peri_err_t *err)
{
    const int n = H5Tget_nmembers(type);
    if (n < 0 || (size_t)n > NODES - *nodes)
        return peri_err_set(err, PERI_ELIMIT,
                            "the type of the values has %d members: "
                            "too many to be shown",
                            n);
    v->of = peri_arena_calloc(a, (size_t)n, sizeof(*v->of));
    for (v->n = 0; v->n < (size_t)n; v->n++) {
        const hid_t t = H5Tget_member_type(type, (unsigned)v->n);
        const int rc =
            t < 0 ? peri_h5view_fail(err, "the type of the values is damaged")
                  : take_apart(&v->of[v->n], t, v->file, a, nodes, depth + 1, err);
        v->of[v->n].offset = H5Tget_member_offset(type, (unsigned)v->n);
        if (t >= 0) H5Tclose(t);
        if (rc) return -1;
    }
    return 0;
}

static int take_apart(peri_h5value_t *v, hid_t type, hid_t file, peri_arena_t *a,
                      size_t *nodes, int depth, peri_err_t *err)
{
    hid_t base;
    hsize_t dims[PERI_H5SELECT_DIMS];
    int rank;
    if (depth > PERI_H5VIEW_DEPTH || ++*nodes > NODES)
        return peri_err_set(err, PERI_ELIMIT,
                            "the type of the values is too deeply nested to be shown");
    v->size = H5Tget_size(type);
    v->file = file;
    const bool sized = v->size == 1 || v->size == 2 || v->size == 4 || v->size == 8;
    v->kind = V_UNKNOWN;
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        if (sized) v->kind = H5Tget_sign(type) == H5T_SGN_NONE ? V_UINT : V_INT;
        return 0;
    case H5T_BITFIELD:
        if (sized && H5Tget_order(type) != H5T_ORDER_BE)
            v->kind = V_UINT;
        else
            v->kind = V_BYTES;
        return 0;
    case H5T_FLOAT:
        if (v->size == sizeof(float) || v->size == sizeof(double) ||
            v->size == sizeof(long double))
            v->kind = V_FLOAT;
        return 0;
    case H5T_ENUM:
        base = H5Tget_super(type);
        if (sized)
            v->kind = peri_h5type_is_bool(type)           ? V_BOOL
                      : H5Tget_sign(base) == H5T_SGN_NONE ? V_UINT
                                                          : V_INT;
        if (base >= 0) H5Tclose(base);
        return 0;
    case H5T_STRING:
        v->kind = V_TEXT;
        v->variable = H5Tis_variable_str(type) > 0;
        v->pad = H5Tget_strpad(type);
        return 0;
    case H5T_OPAQUE:
        v->kind = V_BYTES;
        return 0;
    case H5T_REFERENCE:
        v->kind = V_REFERENCE;
        v->reference =
            H5Tequal(type, H5T_STD_REF_DSETREG) > 0 ? H5R_DATASET_REGION : H5R_OBJECT;
        return 0;
    case H5T_COMPOUND:
        v->kind = V_LIST;
        return members(v, type, a, nodes, depth, err);
    case H5T_VLEN:
        v->kind = V_VLEN;
        return element(v, type, a, nodes, depth, err);
    case H5T_ARRAY:
        v->kind = V_ARRAY;
        rank = H5Tget_array_dims2(type, dims);
        if (rank < 1) return peri_h5view_fail(err, "the type of the values is damaged");
        v->rank = (size_t)rank;
        v->n = 1;
        for (int i = 0; i < rank; i++) v->n *= v->dims[i] = dims[i];
        return element(v, type, a, nodes, depth, err);
    default:
        return 0;
    }
}

peri_h5value_t *peri_h5value_new(hid_t type, hid_t file, peri_arena_t *a, peri_err_t *err)
{
    peri_h5value_t *v = peri_arena_calloc(a, 1, sizeof(*v));
    size_t nodes = 0;
    return take_apart(v, type, file, a, &nodes, 0, err) ? NULL : v;
}

/* ---- as text ---- */

static int64_t as_int(const peri_h5value_t *v, const void *p)
{
    int64_t out = 0;
    switch (v->size) {
    case 1:
        return *(const int8_t *)p;
    case 2: {
        int16_t x;
        memcpy(&x, p, sizeof(x));
        return x;
    }
    case 4: {
        int32_t x;
        memcpy(&x, p, sizeof(x));
        return x;
    }
    default:
        memcpy(&out, p, sizeof(out));
        return out;
    }
}

static uint64_t as_uint(const peri_h5value_t *v, const void *p)
{
    uint64_t out = 0;
    memcpy(&out, p, v->size); /* little-endian */
    return out;
}

double peri_h5value_real(const peri_h5value_t *v, const void *p)
{
    if (v->kind != V_FLOAT)
        return v->kind == V_UINT ? (double)as_uint(v, p) : (double)as_int(v, p);
    if (v->size == sizeof(float)) {
        float x;
        memcpy(&x, p, sizeof(x));
        return x;
    }
    if (v->size == sizeof(double)) {
        double x;
        memcpy(&x, p, sizeof(x));
        return x;
    }
    long double x;
    memcpy(&x, p, sizeof(x));
    return (double)x;
}

static void put_float(peri_h5out_t *o, const peri_h5value_t *v, const void *p)
{
    char text[PERI_NUM_MAX];
    const double x = peri_h5value_real(v, p);
    if (v->size != sizeof(float) || !isfinite(x)) {
        peri_h5out_real(o, x);
        return;
    }
    peri_h5out_bytes(o, text, (size_t)(peri_num_float(text, (float)x) - text));
}

static void put_uint(peri_h5out_t *o, uint64_t x)
{
    char text[PERI_NUM_MAX];
    peri_h5out_bytes(o, text, (size_t)(peri_num_u64(text, x) - text));
}

static void put_text(peri_h5out_t *o, const peri_h5value_t *v, const void *p)
{
    const char *s = p;
    size_t n = v->size;
    if (v->variable) {
        memcpy(&s, p, sizeof(s));
        n = s ? strlen(s) : 0;
    } else if (v->pad == H5T_STR_NULLTERM) {
        n = strnlen(s, n);
    } else {
        const char pad = v->pad == H5T_STR_SPACEPAD ? ' ' : '\0';
        while (n && s[n - 1] == pad) n--;
    }
    peri_h5out_string(o, s ? s : "", n);
}

/* Bytes without a meaning: hexadecimal. */
static void put_bytes(peri_h5out_t *o, const unsigned char *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    peri_h5out_text(o, "\"0x");
    for (size_t i = 0; i < n; i++) {
        const char two[2] = {digits[p[i] >> 4], digits[p[i] & 15]};
        peri_h5out_bytes(o, two, 2);
    }
    peri_h5out_text(o, "\"");
}

/* The path of what it refers to. */
static void put_reference(peri_h5out_t *o, const peri_h5value_t *v, const void *p)
{
    char name[1024];
    ssize_t n = H5Rget_name(v->file, v->reference, p, name, sizeof(name));
    if (n <= 0) {
        peri_h5out_text(o, "null");
        return;
    }
    peri_h5out_string(o, name, strlen(name));
}

static void put_vlen(peri_h5out_t *o, const peri_h5value_t *v, const void *p)
{
    hvl_t list;
    memcpy(&list, p, sizeof(list));
    peri_h5out_text(o, "[");
    for (size_t i = 0; i < list.len && !o->failed; i++) {
        if (i) peri_h5out_text(o, ",");
        peri_h5value_json(o, v->of, (const char *)list.p + i * v->of->size);
    }
    peri_h5out_text(o, "]");
}

static void put_array(peri_h5out_t *o, const peri_h5value_t *v, const void *p)
{
    peri_h5array_t a = {.o = o, .v = v->of, .rank = v->rank};
    memcpy(a.dims, v->dims, sizeof(a.dims));
    peri_h5array_put(&a, p, v->n, v->of->size);
}

void peri_h5value_json(peri_h5out_t *o, const peri_h5value_t *v, const void *p)
{
    switch (v->kind) {
    case V_INT:
        peri_h5out_number(o, as_int(v, p));
        break;
    case V_UINT:
        put_uint(o, as_uint(v, p));
        break;
    case V_FLOAT:
        put_float(o, v, p);
        break;
    case V_BOOL:
        peri_h5out_text(o, as_int(v, p) ? "true" : "false");
        break;
    case V_TEXT:
        put_text(o, v, p);
        break;
    case V_BYTES:
        put_bytes(o, p, v->size);
        break;
    case V_REFERENCE:
        put_reference(o, v, p);
        break;
    case V_VLEN:
        put_vlen(o, v, p);
        break;
    case V_ARRAY:
        put_array(o, v, p);
        break;
    case V_LIST:
        peri_h5out_text(o, "[");
        for (size_t i = 0; i < v->n; i++) {
            if (i) peri_h5out_text(o, ",");
            peri_h5value_json(o, &v->of[i], (const char *)p + v->of[i].offset);
        }
        peri_h5out_text(o, "]");
        break;
    case V_UNKNOWN:
        peri_h5out_text(o, "null");
        break;
    }
}

bool peri_h5value_is_number(const peri_h5value_t *v)
{
    return v->kind == V_INT || v->kind == V_UINT || v->kind == V_FLOAT ||
           v->kind == V_BOOL;
}

bool peri_h5value_is_float(const peri_h5value_t *v)
{
    return v->kind == V_FLOAT;
}

/* ---- arrays ---- */

void peri_h5array_put(peri_h5array_t *a, const void *p, size_t n, size_t size)
{
    const char *at = p;
    for (size_t k = 0; k < n && !a->o->failed; k++, at += size) {
        size_t open = a->rank;
        if (a->done++) {
            /* How many of the inner dimensions begin anew: the odometer's zeros. */
            for (open = 0; open < a->rank && a->at[a->rank - 1 - open] == 0; open++) {
            }
            peri_h5out_text(a->o, ",");
        }
        for (size_t i = 0; i < open; i++) peri_h5out_text(a->o, "[");
        peri_h5value_json(a->o, a->v, at);
        for (size_t i = a->rank; i-- > 0;) {
            if (++a->at[i] < a->dims[i]) break;
            a->at[i] = 0;
            peri_h5out_text(a->o, "]");
        }
    }
}

static void empty(const peri_h5array_t *a, size_t i)
{
    peri_h5out_text(a->o, "[");
    for (uint64_t k = 0; i + 1 < a->rank && k < a->dims[i] && !a->o->failed; k++) {
        if (k) peri_h5out_text(a->o, ",");
        empty(a, i + 1);
    }
    peri_h5out_text(a->o, "]");
}

void peri_h5array_empty(const peri_h5array_t *a)
{
    empty(a, 0);
}
