/* convert.c - from raw elements of a block to values in memory.
 *
 * Loops over n values at a fixed stride; all byte orders, widths and kinds of field that
 * type.c recognised. It knows neither files nor chunks. No allocation but for strings.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* The stride known to the compiler makes a plain copy of the dense case. */
#define COPY_LOOP(type, expr)                                                            \
    static void copy_##type(const uint8_t *s, size_t stride, size_t n, void *out)        \
    {                                                                                    \
        type *o = out, v;                                                                \
        for (size_t i = 0; i < n; i++, s += stride) {                                    \
            memcpy(&v, s, sizeof(v));                                                    \
            o[i] = v;                                                                    \
        }                                                                                \
    }                                                                                    \
    static void swap_##type(const uint8_t *s, size_t stride, size_t n, void *out)        \
    {                                                                                    \
        type *o = out, v;                                                                \
        if (stride == sizeof(v))                                                         \
            for (size_t i = 0; i < n; i++) {                                             \
                memcpy(&v, s + i * sizeof(v), sizeof(v));                                \
                o[i] = expr;                                                             \
            }                                                                            \
        else                                                                             \
            for (size_t i = 0; i < n; i++, s += stride) {                                \
                memcpy(&v, s, sizeof(v));                                                \
                o[i] = expr;                                                             \
            }                                                                            \
    }
COPY_LOOP(uint8_t, v)
COPY_LOOP(uint16_t, __builtin_bswap16(v))
COPY_LOOP(uint32_t, __builtin_bswap32(v))
COPY_LOOP(uint64_t, __builtin_bswap64(v))

static void run_copy(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n,
                     void *out)
{
    if (stride == cv->size) {
        memcpy(out, s, n * stride);
        return;
    }
    switch (cv->size) {
    case 1:
        copy_uint8_t(s, stride, n, out);
        break;
    case 2:
        copy_uint16_t(s, stride, n, out);
        break;
    case 4:
        copy_uint32_t(s, stride, n, out);
        break;
    case 8:
        copy_uint64_t(s, stride, n, out);
        break;
    }
}

static void run_swap(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n,
                     void *out)
{
    switch (cv->size) {
    case 1:
        swap_uint8_t(s, stride, n, out);
        break;
    case 2:
        swap_uint16_t(s, stride, n, out);
        break;
    case 4:
        swap_uint32_t(s, stride, n, out);
        break;
    case 8:
        swap_uint64_t(s, stride, n, out);
        break;
    }
}

int64_t peri_h5_load_int(const h5_conv_t *cv, const uint8_t *p)
{
    uint64_t v = load64(p);
    v = cv->big ? be64toh(v) >> (64 - 8 * cv->size) : le64toh(v);
    v <<= cv->lshift;
    return cv->is_signed ? (int64_t)v >> cv->rshift : (int64_t)(v >> cv->rshift);
}

static void run_int(const h5_conv_t *conv, const uint8_t *s, size_t stride, size_t n,
                    void *out)
{
    const h5_conv_t cv =
        *conv; /* out may alias nothing of this: lets it stay in registers */
    switch (peri_type_size(cv.to)) {
    case 1:
        for (size_t i = 0; i < n; i++, s += stride)
            ((uint8_t *)out)[i] = (uint8_t)peri_h5_load_int(&cv, s);
        break;
    case 2:
        for (size_t i = 0; i < n; i++, s += stride)
            ((uint16_t *)out)[i] = (uint16_t)peri_h5_load_int(&cv, s);
        break;
    case 4:
        for (size_t i = 0; i < n; i++, s += stride)
            ((uint32_t *)out)[i] = (uint32_t)peri_h5_load_int(&cv, s);
        break;
    default:
        for (size_t i = 0; i < n; i++, s += stride)
            ((uint64_t *)out)[i] = (uint64_t)peri_h5_load_int(&cv, s);
    }
}

static void run_bool(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n,
                     void *out)
{
    for (size_t i = 0; i < n; i++, s += stride)
        ((uint8_t *)out)[i] = peri_h5_load_int(cv, s) != 0;
}

/* Half to float: the bits moved to float's places are the value times 2^-112, also for
 * subnormal numbers; infinities and NaN (payload kept) need the exponent filled. */
static void run_half(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n,
                     void *out)
{
    uint32_t *o = out;
    for (size_t i = 0; i < n; i++, s += stride) {
        uint16_t h;
        memcpy(&h, s, 2);
        h = cv->big ? be16toh(h) : le16toh(h);
        uint32_t bits = (uint32_t)(h & 0x7fff) << 13;
        if (bits >= 0x0f800000) {
            bits |= 0x7f800000;
        } else {
            float f;
            memcpy(&f, &bits, 4);
            f *= 0x1p112f;
            memcpy(&bits, &f, 4);
        }
        o[i] = bits | (uint32_t)(h & 0x8000) << 16;
    }
}

static int text_full(peri_err_t *err)
{
    return peri_err_set(err, PERI_ELIMIT,
                        "the strings of one read need more than 1 GiB of memory");
}

static const h5_enum_t *enum_find(const h5_conv_t *cv, int64_t v)
{
    size_t lo = 0, hi = cv->nenums;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cv->enums[mid].value < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < cv->nenums && cv->enums[lo].value == v ? &cv->enums[lo] : NULL;
}

static int run_enum(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n,
                    peri_str_t *out, h5_pool_t *pool, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++, s += stride) {
        int64_t v = peri_h5_load_int(cv, s);
        const h5_enum_t *e = enum_find(cv, v);
        if (e) {
            out[i] = e->name;
            continue;
        }
        char *text = peri_h5pool_alloc(pool, 24);
        if (!text) return text_full(err);
        int len = cv->is_signed ? snprintf(text, 24, "%lld", (long long)v)
                                : snprintf(text, 24, "%llu", (unsigned long long)v);
        out[i] = (peri_str_t){.ptr = text, .len = (uint32_t)len};
    }
    return 0;
}

static int run_fixed(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n,
                     peri_str_t *out, h5_pool_t *pool, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++, s += stride) {
        size_t len = cv->size;
        if (cv->pad == H5T_STR_NULLTERM)
            len = strnlen((const char *)s, len);
        else
            while (len > 0 && s[len - 1] == (cv->pad == H5T_STR_SPACEPAD ? ' ' : 0))
                len--;
        if (peri_h5_text(pool, (const char *)s, len, &out[i], err) != 0) return -1;
    }
    return 0;
}

static int run_var(const uint8_t *s, size_t stride, size_t n, peri_str_t *out,
                   h5_pool_t *pool, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++, s += stride) {
        const char *p;
        memcpy(&p, s, sizeof(p));
        if (peri_h5_text(pool, p ? p : "", p ? strlen(p) : 0, &out[i], err) != 0)
            return -1;
    }
    return 0;
}

static int run_heap(const uint8_t *s, size_t stride, size_t n, peri_str_t *out,
                    h5_texts_t *texts, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++, s += stride) {
        const char *text;
        size_t len;
        if (peri_h5_heap_text(texts->heap, s, &text, &len, err) != 0 ||
            peri_h5_text(&texts->pool, text, len, &out[i], err) != 0)
            return -1;
    }
    return 0;
}

static int run_opaque(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n,
                      peri_str_t *out, h5_pool_t *pool, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++, s += stride) {
        char *to = peri_h5pool_alloc(pool, cv->size);
        if (!to) return text_full(err);
        memcpy(to, s, cv->size);
        out[i] = (peri_str_t){.ptr = to, .len = (uint32_t)cv->size};
    }
    return 0;
}

/* HDF5's own conversion, in place in a small buffer; the type's size is at most 32. */
static int run_lib(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n,
                   void *out, peri_err_t *err)
{
    enum { BATCH = 256 };
    _Alignas(16) uint8_t buf[BATCH * 32];
    size_t osize = peri_type_size(cv->to);
    uint8_t *o = out;
    while (n > 0) {
        size_t k = n < BATCH ? n : BATCH;
        for (size_t i = 0; i < k; i++, s += stride)
            memcpy(buf + i * cv->size, s, cv->size);
        peri_h5_enter(NULL, H5_BUSY_ONE);
        herr_t rc = H5Tconvert(cv->lib_from, cv->lib_to, k, buf, NULL, H5P_DEFAULT);
        peri_h5_leave();
        if (rc < 0)
            return peri_err_set(err, PERI_EUNSUPP,
                                "HDF5 cannot convert this type to a number");
        memcpy(o, buf, k * osize);
        o += k * osize;
        n -= k;
    }
    return 0;
}

static int run(const h5_conv_t *cv, const uint8_t *s, size_t stride, size_t n, void *out,
               h5_texts_t *texts, peri_err_t *err)
{
    switch (cv->kind) {
    case H5_CONV_COPY:
        run_copy(cv, s, stride, n, out);
        return 0;
    case H5_CONV_SWAP:
        run_swap(cv, s, stride, n, out);
        return 0;
    case H5_CONV_INT:
        run_int(cv, s, stride, n, out);
        return 0;
    case H5_CONV_BOOL:
        run_bool(cv, s, stride, n, out);
        return 0;
    case H5_CONV_HALF:
        run_half(cv, s, stride, n, out);
        return 0;
    case H5_CONV_ENUM:
        return run_enum(cv, s, stride, n, out, &texts->pool, err);
    case H5_CONV_FIXED:
        return run_fixed(cv, s, stride, n, out, &texts->pool, err);
    case H5_CONV_VAR:
        return run_var(s, stride, n, out, &texts->pool, err);
    case H5_CONV_HEAP:
        return run_heap(s, stride, n, out, texts, err);
    case H5_CONV_OPAQUE:
        return run_opaque(cv, s, stride, n, out, &texts->pool, err);
    case H5_CONV_LIB:
        return run_lib(cv, s, stride, n, out, err);
    case H5_CONV_NONE:
        break;
    }
    return peri_err_set(err, PERI_EUNSUPP, "a field of a type that cannot be read");
}

/* One row whose values lie in several runs: walk the outer dims, a run at a time. */
static int row_of_runs(const h5_field_t *f, const uint8_t *s, uint8_t *out, size_t osize,
                       h5_texts_t *texts, peri_err_t *err)
{
    uint64_t at[H5_MAX_RUNS] = {0};
    unsigned last = f->nruns - 1;
    const h5_run_t *r = f->runs;
    for (;;) {
        if (run(&f->conv, s, r[last].stride, r[last].n, out, texts, err) != 0) return -1;
        out += r[last].n * osize;
        unsigned d = last;
        while (d > 0) {
            d--;
            s += r[d].stride;
            if (++at[d] < r[d].n) break;
            s -= r[d].stride * r[d].n;
            at[d] = 0;
            if (d == 0) return 0;
        }
        if (last == 0) return 0;
    }
}

int peri_h5_convert(const h5_field_t *f, const uint8_t *rows, uint64_t row_stride,
                    uint64_t nrows, void *out, h5_texts_t *texts, peri_err_t *err)
{
    const uint8_t *s = rows + f->offset;
    const h5_run_t *r = f->runs;
    if (f->nruns == 0) return run(&f->conv, s, row_stride, nrows, out, texts, err);
    if (f->nruns == 1 && r->n * r->stride == row_stride)
        return run(&f->conv, s, r->stride, nrows * r->n, out, texts, err);
    size_t osize = peri_type_size(f->conv.to), width = 1;
    for (unsigned i = 0; i < f->nruns; i++) width *= r[i].n;
    uint8_t *o = out;
    for (uint64_t i = 0; i < nrows; i++, s += row_stride, o += width * osize)
        if (row_of_runs(f, s, o, osize, texts, err) != 0) return -1;
    return 0;
}
