/* type.c - HDF5's types, as H5Web and as numpy describe them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal/h5/view/view.h"

#define MEMBERS 4096 /* of a compound or an enumeration */

static void number(peri_h5out_t *o, const char *key, int64_t v)
{
    peri_h5out_text(o, ",");
    peri_h5out_key(o, key);
    peri_h5out_number(o, v);
}

static void base(peri_h5out_t *o, hid_t type, int depth)
{
    const hid_t b = H5Tget_super(type);
    peri_h5out_text(o, ",\"base\":");
    peri_h5type_json(o, b, depth + 1);
    if (b >= 0) H5Tclose(b);
}

static unsigned members_of(hid_t type)
{
    const int n = H5Tget_nmembers(type);
    return n < 0 ? 0 : n > MEMBERS ? MEMBERS : (unsigned)n;
}

static void compound(peri_h5out_t *o, hid_t type, int depth)
{
    const unsigned n = members_of(type);
    peri_h5out_text(o, ",\"members\":[");
    for (unsigned i = 0; i < n; i++) {
        char *name = H5Tget_member_name(type, i);
        const hid_t t = H5Tget_member_type(type, i);
        if (i) peri_h5out_text(o, ",");
        peri_h5out_text(o, "{\"name\":");
        peri_h5out_string(o, name ? name : "", name ? strlen(name) : 0);
        peri_h5out_text(o, ",");
        /* Its fields beside the name. */
        o->inside = true;
        peri_h5type_json(o, t, depth + 1);
        H5free_memory(name);
        if (t >= 0) H5Tclose(t);
    }
    peri_h5out_text(o, "]");
}

/* A member of an enumeration as a number; false: wider than 64 bits. */
static bool enum_value(hid_t type, unsigned i, int64_t *out)
{
    unsigned char raw[64] = {0};
    const hid_t b = H5Tget_super(type);
    bool ok = b >= 0 && H5Tget_size(b) <= sizeof(raw) &&
              H5Tget_member_value(type, i, raw) >= 0 &&
              H5Tconvert(b, H5T_NATIVE_INT64, 1, raw, NULL, H5P_DEFAULT) >= 0;
    if (b >= 0) H5Tclose(b);
    if (ok) memcpy(out, raw, sizeof(*out));
    return ok;
}

static void enumeration(peri_h5out_t *o, hid_t type, int depth)
{
    const unsigned n = members_of(type);
    bool any = false;
    peri_h5out_text(o, ",\"members\":{");
    for (unsigned i = 0; i < n; i++) {
        int64_t v;
        char *name = H5Tget_member_name(type, i);
        if (name && enum_value(type, i, &v)) {
            if (any) peri_h5out_text(o, ",");
            any = true;
            peri_h5out_key(o, name);
            peri_h5out_number(o, v);
        }
        H5free_memory(name);
    }
    peri_h5out_text(o, "}");
    base(o, type, depth);
}

static void array(peri_h5out_t *o, hid_t type, int depth)
{
    hsize_t dims[PERI_H5SELECT_DIMS];
    const int n = H5Tget_array_dims2(type, dims);
    peri_h5out_text(o, ",\"dims\":[");
    for (int i = 0; i < n; i++) {
        if (i) peri_h5out_text(o, ",");
        peri_h5out_number(o, (int64_t)dims[i]);
    }
    peri_h5out_text(o, "]");
    base(o, type, depth);
}

static void dtype(peri_h5out_t *o, hid_t type)
{
    peri_buf_t b;
    peri_buf_init(&b, 64);
    /* Only the simple ones: 'NAME'. */
    if (peri_h5type_numpy(&b, type, 0) && b.len > 2 && b.data[0] == '\'') {
        peri_h5out_text(o, ",\"dtype\":");
        peri_h5out_string(o, b.data + 1, b.len - 2);
    }
    peri_buf_free(&b);
}

static void fields(peri_h5out_t *o, hid_t type, int depth)
{
    const H5T_class_t class = H5Tget_class(type);
    char *tag;
    peri_h5out_key(o, "class");
    peri_h5out_number(o, class);
    number(o, "size", (int64_t)H5Tget_size(type));
    switch (class) {
    case H5T_INTEGER:
        number(o, "order", H5Tget_order(type));
        number(o, "sign", H5Tget_sign(type));
        break;
    case H5T_FLOAT:
    case H5T_BITFIELD:
        number(o, "order", H5Tget_order(type));
        break;
    case H5T_STRING:
        number(o, "cset", H5Tget_cset(type));
        /* Both names: h5grove's answers have the one, H5Web reads the other. */
        number(o, "strPad", H5Tget_strpad(type));
        number(o, "strpad", H5Tget_strpad(type));
        peri_h5out_text(o, H5Tis_variable_str(type) > 0 ? ",\"vlen\":true"
                                                        : ",\"vlen\":false");
        break;
    case H5T_OPAQUE:
        tag = H5Tget_tag(type);
        peri_h5out_text(o, ",\"tag\":");
        peri_h5out_string(o, tag ? tag : "", tag ? strlen(tag) : 0);
        H5free_memory(tag);
        break;
    case H5T_COMPOUND:
        compound(o, type, depth);
        break;
    case H5T_ENUM:
        enumeration(o, type, depth);
        break;
    case H5T_VLEN:
        base(o, type, depth);
        break;
    case H5T_ARRAY:
        array(o, type, depth);
        break;
    default:
        break;
    }
    dtype(o, type);
}

void peri_h5type_json(peri_h5out_t *o, hid_t type, int depth)
{
    if (!o->inside) peri_h5out_text(o, "{");
    o->inside = false;
    if (depth > PERI_H5VIEW_DEPTH || type < 0)
        peri_h5out_text(o, "\"class\":-1,\"size\":0"); /* H5Web: unknown */
    else
        fields(o, type, depth);
    peri_h5out_text(o, "}");
}

/* ---- numpy ---- */

static char order_of(hid_t type)
{
    if (H5Tget_size(type) == 1) return '|';
    return H5Tget_order(type) == H5T_ORDER_BE ? '>' : '<';
}

static bool is_sized(size_t n)
{
    return n == 1 || n == 2 || n == 4 || n == 8;
}

/* Two floats r and i, nothing between or behind them: 0, or the bytes of both. */
static size_t complex_size(hid_t type)
{
    size_t size = H5Tget_size(type);
    if (H5Tget_nmembers(type) != 2 || (size != 8 && size != 16)) return 0;
    for (unsigned i = 0; i < 2; i++) {
        char *name = H5Tget_member_name(type, i);
        const hid_t t = H5Tget_member_type(type, i);
        if (!name || strcmp(name, i ? "i" : "r") != 0 || H5Tget_class(t) != H5T_FLOAT ||
            H5Tget_size(t) != size / 2 || H5Tget_member_offset(type, i) != i * size / 2)
            size = 0;
        H5free_memory(name);
        if (t >= 0) H5Tclose(t);
        if (!size) break;
    }
    return size;
}

static bool numpy_compound(peri_buf_t *b, hid_t type, int depth)
{
    const size_t complex = complex_size(type);
    const unsigned n = members_of(type);
    bool ok = n > 0;
    if (complex) {
        const hid_t t = H5Tget_member_type(type, 0);
        peri_buf_printf(b, "'%cc%zu'", order_of(t), complex);
        H5Tclose(t);
        return true;
    }
    peri_buf_putc(b, '[');
    for (unsigned i = 0; ok && i < n; i++) {
        char *name = H5Tget_member_name(type, i);
        const hid_t t = H5Tget_member_type(type, i);
        /* Names go into a text that is read as Python. */
        ok = name && *name && !strpbrk(name, "'\\\n\r");
        if (ok) peri_buf_printf(b, "('%s', ", name);
        hid_t of = t;
        hsize_t dims[PERI_H5SELECT_DIMS];
        int ndims = 0;
        if (ok && H5Tget_class(t) == H5T_ARRAY) {
            ndims = H5Tget_array_dims2(t, dims);
            of = H5Tget_super(t);
        }
        ok = ok && peri_h5type_numpy(b, of, depth + 1);
        if (ndims > 0) {
            peri_buf_puts(b, ", (");
            for (int d = 0; d < ndims; d++)
                peri_buf_printf(b, "%llu,", (unsigned long long)dims[d]);
            peri_buf_putc(b, ')');
            H5Tclose(of);
        }
        peri_buf_puts(b, "), ");
        H5free_memory(name);
        if (t >= 0) H5Tclose(t);
    }
    peri_buf_putc(b, ']');
    return ok;
}

bool peri_h5type_numpy(peri_buf_t *b, hid_t type, int depth)
{
    if (type < 0 || depth > PERI_H5VIEW_DEPTH) return false;
    const size_t size = H5Tget_size(type);
    hid_t base;
    bool ok;
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        if (!is_sized(size)) return false;
        peri_buf_printf(b, "'%c%c%zu'", order_of(type),
                        H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i', size);
        return true;
    case H5T_BITFIELD:
        if (!is_sized(size)) return false;
        peri_buf_printf(b, "'%cu%zu'", order_of(type), size);
        return true;
    case H5T_FLOAT:
        if (size != 2 && size != 4 && size != 8 && size != 16) return false;
        peri_buf_printf(b, "'%cf%zu'", order_of(type), size);
        return true;
    case H5T_ENUM:
        if (peri_h5type_is_bool(type) && size == 1) {
            peri_buf_puts(b, "'|b1'");
            return true;
        }
        base = H5Tget_super(type);
        ok = peri_h5type_numpy(b, base, depth + 1);
        if (base >= 0) H5Tclose(base);
        return ok;
    case H5T_STRING:
        if (H5Tis_variable_str(type)) return false;
        peri_buf_printf(b, "'|S%zu'", size);
        return true;
    case H5T_OPAQUE:
        peri_buf_printf(b, "'|V%zu'", size);
        return true;
    case H5T_COMPOUND:
        return numpy_compound(b, type, depth);
    default:
        return false;
    }
}

/* ---- which it is ---- */

bool peri_h5type_is_bool(hid_t type)
{
    if (H5Tget_class(type) != H5T_ENUM || H5Tget_nmembers(type) != 2) return false;
    bool ok = true;
    for (unsigned i = 0; ok && i < 2; i++) {
        int64_t v;
        char *name = H5Tget_member_name(type, i);
        ok = name && enum_value(type, i, &v) &&
             ((v == 0 && !strcmp(name, "FALSE")) || (v == 1 && !strcmp(name, "TRUE")));
        H5free_memory(name);
    }
    return ok;
}

bool peri_h5type_is_plain(hid_t type)
{
    /* H5Tdetect_class does not count strings as of variable length. */
    if (H5Tdetect_class(type, H5T_VLEN) || H5Tdetect_class(type, H5T_REFERENCE))
        return false;
    const H5T_class_t class = H5Tget_class(type);
    bool plain = true;
    if (class == H5T_STRING) return H5Tis_variable_str(type) == 0;
    if (class == H5T_ARRAY) {
        const hid_t b = H5Tget_super(type);
        plain = b >= 0 && peri_h5type_is_plain(b);
        if (b >= 0) H5Tclose(b);
    }
    for (unsigned i = 0; class == H5T_COMPOUND && plain && i < members_of(type); i++) {
        const hid_t t = H5Tget_member_type(type, i);
        plain = t >= 0 && peri_h5type_is_plain(t);
        if (t >= 0) H5Tclose(t);
    }
    return plain;
}

hid_t peri_h5type_safe(hid_t type)
{
    static const size_t sizes[] = {1, 2, 4, 8};
    const hid_t ints[2][4] = {
        {H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_U64LE},
        {H5T_STD_I8LE, H5T_STD_I16LE, H5T_STD_I32LE, H5T_STD_I64LE}};
    const size_t size = H5Tget_size(type);
    hid_t native;
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        for (size_t i = 0; i < 4; i++)
            if (size <= sizes[i])
                return H5Tcopy(ints[H5Tget_sign(type) != H5T_SGN_NONE][i]);
        return -1;
    case H5T_FLOAT:
        return H5Tcopy(size <= 4 ? H5T_IEEE_F32LE : H5T_IEEE_F64LE);
    case H5T_ENUM:
        /* Little-endian as the machines that the filter of wall.c is for. */
        native = H5Tget_native_type(type, H5T_DIR_ASCEND);
        return native;
    default:
        return -1;
    }
}
