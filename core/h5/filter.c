/* filter.c - the filter pipeline of a chunked dataset: what it is, and undoing it.
 *
 * Deflate, shuffle and fletcher32 are undone here, outside of the HDF5 lock. Everything
 * else is left to HDF5 (and its plugins). Thread-safe: all state is in the arguments.
 */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "core/h5/private.h"

static const struct {
    int id;
    const char *name;
    const char *package; /* Debian's, where there is one */
} names[] = {
    {H5Z_FILTER_DEFLATE, "deflate", NULL},
    {H5Z_FILTER_SHUFFLE, "shuffle", NULL},
    {H5Z_FILTER_FLETCHER32, "fletcher32", NULL},
    {H5Z_FILTER_SZIP, "szip", NULL},
    {H5Z_FILTER_NBIT, "nbit", NULL},
    {H5Z_FILTER_SCALEOFFSET, "scale-offset", NULL},
    {307, "bzip2", "hdf5-filter-plugin"},
    {H5_FILTER_LZF, "lzf", NULL},
    {32001, "blosc", "hdf5-filter-plugin-blosc-serial"},
    {32004, "lz4", "hdf5-filter-plugin"},
    {32008, "bitshuffle", NULL}, /* announced by hdf5-filter-plugin, but not in it */
    {32013, "zfp", "hdf5-filter-plugin-zfp-serial"},
    {32015, "zstd", NULL},
    {32017, "sz", NULL},
    {32024, "sz3", NULL},
    {32026, "blosc2", NULL},
};

static size_t lookup(int id)
{
    size_t i = 0;
    while (i < sizeof(names) / sizeof(*names) && names[i].id != id) i++;
    return i;
}

static int missing(int id, const char *label, const char *what, peri_err_t *err)
{
    size_t i = lookup(id);
    bool have = i < sizeof(names) / sizeof(*names);
    const char *package = have ? names[i].package : NULL;
    return peri_err_set(
        err, PERI_EUNSUPP,
        "%s is compressed with the HDF5 filter %s (number %d), which is not "
        "installed here; %s%s",
        what,
        have     ? names[i].name
        : *label ? label
                 : "of unknown name",
        id, package ? "install the Debian package " : "install its HDF5 plugin",
        package ? package : "");
}

int peri_h5pipe_make(h5_pipe_t *p, hid_t dcpl, const char *what, peri_err_t *err)
{
    int n = H5Pget_nfilters(dcpl);
    if (n < 0 || n > H5_MAX_FILTERS)
        return peri_err_set(err, PERI_EFORMAT, "%s has a damaged filter pipeline", what);
    *p = (h5_pipe_t){.n = (unsigned)n, .own = true};
    peri_buf_t text;
    peri_buf_init(&text, 4096);
    for (int i = n - 1; i >= 0; i--) { /* named in the order of reading */
        unsigned flags, config, v[16] = {0};
        size_t nv = 16;
        char label[64] = "";
        H5Z_filter_t id = H5Pget_filter2(dcpl, (unsigned)i, &flags, &nv, v, sizeof(label),
                                         label, &config);
        if (id < 0) {
            peri_buf_free(&text);
            return peri_err_set(err, PERI_EFORMAT, "%s has a damaged filter pipeline",
                                what);
        }
        __lsan_disable(); /* plugins leak when HDF5 loads and unloads them */
        bool have = H5Zfilter_avail(id) > 0;
        __lsan_enable();
        if (!have) {
            peri_buf_free(&text);
            return missing(id, label, what, err);
        }
        p->f[i] = (h5_filter_t){.id = id, .param = nv > 0 ? v[0] : 0};
        size_t k = lookup(id);
        if (i < n - 1) peri_buf_puts(&text, " + ");
        if (k < sizeof(names) / sizeof(*names))
            peri_buf_puts(&text, names[k].name);
        else
            peri_buf_printf(&text, "filter %d", id);
        if (id == H5Z_FILTER_DEFLATE) peri_buf_printf(&text, " %u", v[0]);
        p->own &= id == H5Z_FILTER_DEFLATE || id == H5Z_FILTER_SHUFFLE ||
                  id == H5Z_FILTER_FLETCHER32 || id == H5_FILTER_LZF;
    }
    p->text = peri_buf_take(&text, NULL);
    if (!p->text) p->text = peri_xstrdup("");
    return 0;
}

void peri_h5pipe_free(h5_pipe_t *p)
{
    free(p->text);
    *p = (h5_pipe_t){0};
}

uint64_t peri_h5pipe_max_stored(const h5_pipe_t *p, uint64_t raw)
{
    return p->n == 0 ? raw : raw + raw / 8 + 1024;
}

void *peri_h5_inflater_new(void)
{
    return libdeflate_alloc_decompressor();
}

void peri_h5_inflater_free(void *inflater)
{
    libdeflate_free_decompressor(inflater);
}

/* ---- shuffle ---- */

typedef uint8_t v8_t __attribute__((vector_size(16)));
typedef uint16_t v16_t __attribute__((vector_size(16)));
typedef uint32_t v32_t __attribute__((vector_size(16)));

/* Interleave the low / high halves of two vectors, by bytes, 16 and 32 bits. */
#define ZIP8LO(a, b)                                                                     \
    __builtin_shufflevector((v8_t)(a), (v8_t)(b), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,  \
                            21, 6, 22, 7, 23)
#define ZIP8HI(a, b)                                                                     \
    __builtin_shufflevector((v8_t)(a), (v8_t)(b), 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,  \
                            13, 29, 14, 30, 15, 31)
#define ZIP16LO(a, b)                                                                    \
    (v8_t) __builtin_shufflevector((v16_t)(a), (v16_t)(b), 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP16HI(a, b)                                                                    \
    (v8_t) __builtin_shufflevector((v16_t)(a), (v16_t)(b), 4, 12, 5, 13, 6, 14, 7, 15)
#define ZIP32LO(a, b) (v8_t) __builtin_shufflevector((v32_t)(a), (v32_t)(b), 0, 4, 1, 5)
#define ZIP32HI(a, b) (v8_t) __builtin_shufflevector((v32_t)(a), (v32_t)(b), 2, 6, 3, 7)

static inline v8_t load(const uint8_t *p)
{
    v8_t v;
    memcpy(&v, p, 16);
    return v;
}

/* Two elements of 8 bytes, `stride` apart. */
static inline void store2(uint8_t *d, size_t stride, v8_t v)
{
    memcpy(d, &v, 8);
    memcpy(d + stride, (uint8_t *)&v + 8, 8);
}

static inline void store4(uint8_t *d, size_t stride, v8_t v)
{
    for (size_t i = 0; i < 4; i++) memcpy(d + i * stride, (uint8_t *)&v + 4 * i, 4);
}

/* 16 elements: bytes g..g+7 of each, from 8 planes of n bytes. */
static inline void planes8(const uint8_t *s, size_t n, uint8_t *d, size_t stride)
{
    v8_t a0 = load(s), a1 = load(s + n), a2 = load(s + 2 * n), a3 = load(s + 3 * n);
    v8_t a4 = load(s + 4 * n), a5 = load(s + 5 * n), a6 = load(s + 6 * n),
         a7 = load(s + 7 * n);
    v8_t b0 = ZIP8LO(a0, a1), b1 = ZIP8LO(a2, a3), b2 = ZIP8LO(a4, a5),
         b3 = ZIP8LO(a6, a7);
    v8_t c0 = ZIP8HI(a0, a1), c1 = ZIP8HI(a2, a3), c2 = ZIP8HI(a4, a5),
         c3 = ZIP8HI(a6, a7);
    v8_t lo[4] = {ZIP16LO(b0, b1), ZIP16HI(b0, b1), ZIP16LO(c0, c1), ZIP16HI(c0, c1)};
    v8_t hi[4] = {ZIP16LO(b2, b3), ZIP16HI(b2, b3), ZIP16LO(c2, c3), ZIP16HI(c2, c3)};
    for (size_t i = 0; i < 4; i++) {
        store2(d + (4 * i) * stride, stride, ZIP32LO(lo[i], hi[i]));
        store2(d + (4 * i + 2) * stride, stride, ZIP32HI(lo[i], hi[i]));
    }
}

static inline void planes4(const uint8_t *s, size_t n, uint8_t *d, size_t stride)
{
    v8_t a0 = load(s), a1 = load(s + n), a2 = load(s + 2 * n), a3 = load(s + 3 * n);
    v8_t b0 = ZIP8LO(a0, a1), b1 = ZIP8LO(a2, a3), c0 = ZIP8HI(a0, a1),
         c1 = ZIP8HI(a2, a3);
    store4(d, stride, ZIP16LO(b0, b1));
    store4(d + 4 * stride, stride, ZIP16HI(b0, b1));
    store4(d + 8 * stride, stride, ZIP16LO(c0, c1));
    store4(d + 12 * stride, stride, ZIP16HI(c0, c1));
}

/* With the stride a constant the stores above become whole vectors. */
static inline void block16(const uint8_t *s, size_t n, uint8_t *d, size_t elem)
{
    size_t g = 0;
    for (; g + 8 <= elem; g += 8) planes8(s + g * n, n, d + g, elem);
    for (; g + 4 <= elem; g += 4) planes4(s + g * n, n, d + g, elem);
    for (; g < elem; g++)
        for (size_t j = 0; j < 16; j++) d[j * elem + g] = s[g * n + j];
}

void peri_h5_unshuffle(const uint8_t *src, uint8_t *dst, size_t len, size_t elem)
{
    size_t n = elem ? len / elem : 0, i = 0;
    if (elem <= 1 || n == 0) {
        memcpy(dst, src, len);
        return;
    }
    if (elem == 4)
        for (; i + 16 <= n; i += 16) block16(src + i, n, dst + i * 4, 4);
    else if (elem == 8)
        for (; i + 16 <= n; i += 16) block16(src + i, n, dst + i * 8, 8);
    else if (elem == 2)
        for (; i + 16 <= n; i += 16) {
            v8_t a = load(src + i), b = load(src + n + i), lo = ZIP8LO(a, b),
                 hi = ZIP8HI(a, b);
            memcpy(dst + i * 2, &lo, 16);
            memcpy(dst + i * 2 + 16, &hi, 16);
        }
    else
        for (; i + 16 <= n; i += 16) block16(src + i, n, dst + i * elem, elem);
    for (; i < n; i++)
        for (size_t g = 0; g < elem; g++) dst[i * elem + g] = src[g * n + i];
    memcpy(dst + n * elem, src + n * elem, len - n * elem);
}

/* ---- fletcher32 ---- */

static uint32_t fletcher32(const uint8_t *p, size_t len)
{
    uint64_t a = 0, b = 0;
    size_t words = len / 2;
    while (words > 0) {
        /* 2^16 words of 16 bits keep both sums far below 64 bits before each folding. */
        size_t k = words < 65536 ? words : 65536;
        words -= k;
        for (; k > 0; k--, p += 2) {
            a += (uint32_t)p[0] << 8 | p[1];
            b += a;
        }
        a = (a & 0xffff) + (a >> 16);
        while (b >> 32) b = (b & 0xffff) + (b >> 16);
    }
    if (len % 2) {
        a += (uint32_t)p[0] << 8;
        b += a;
    }
    while (a >> 16) a = (a & 0xffff) + (a >> 16);
    while (b >> 16) b = (b & 0xffff) + (b >> 16);
    return (uint32_t)(b << 16 | a);
}

static bool checksum_ok(const uint8_t *p, size_t len)
{
    uint32_t stored, sum = fletcher32(p, len);
    memcpy(&stored, p + len, 4);
    stored = le32toh(stored);
    /* HDF5 before 1.6.3 stored it with the bytes of each half swapped. */
    uint32_t old = (sum & 0x00ff00ff) << 8 | (sum & 0xff00ff00) >> 8;
    return stored == sum || stored == old;
}

int peri_h5pipe_decode(const h5_pipe_t *p, uint32_t mask, uint8_t *buf[2], size_t len,
                       size_t raw, void *inflater, peri_err_t *err)
{
    unsigned at = 0;
    size_t cap = peri_h5pipe_max_stored(p, raw);
    for (int i = (int)p->n - 1; i >= 0; i--) {
        if (mask & 1u << i) continue;
        switch (p->f[i].id) {
        case H5Z_FILTER_FLETCHER32:
            if (len < 4 || !checksum_ok(buf[at], len - 4))
                return peri_err_set(err, PERI_EFORMAT, "the checksum is wrong");
            len -= 4;
            break;
        case H5Z_FILTER_SHUFFLE:
            if (p->f[i].param > 1) {
                peri_h5_unshuffle(buf[at], buf[1 - at], len, p->f[i].param);
                at = 1 - at;
            }
            break;
        case H5_FILTER_LZF:
            if (!peri_h5_lzf_decode(buf[at], len, buf[1 - at], cap, &len))
                return peri_err_set(err, PERI_EFORMAT, "the compressed data is broken");
            at = 1 - at;
            break;
        default:
            if (libdeflate_zlib_decompress(inflater, buf[at], len, buf[1 - at], cap,
                                           &len) != LIBDEFLATE_SUCCESS)
                return peri_err_set(err, PERI_EFORMAT, "the compressed data is broken");
            at = 1 - at;
        }
    }
    if (len != raw)
        return peri_err_set(err, PERI_EFORMAT, "it decodes to %zu bytes instead of %zu",
                            len, raw);
    return (int)at;
}
