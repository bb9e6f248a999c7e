/* data.c - the values of a dataset, or of a part of it, and their statistics. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/out/number.h"
#include "portal/h5/view/data.h"
#include "portal/h5/view/view.h"

#define CACHE (256u << 20) /* bytes of chunks: a chunk is decoded once */

void peri_h5set_close(peri_h5set_ask_t *s)
{
    if (s->memory >= 0) H5Tclose(s->memory);
    if (s->type >= 0) H5Tclose(s->type);
    if (s->id >= 0) H5Dclose(s->id);
    s->memory = s->type = s->id = -1;
}

static hid_t open_set(hid_t file, const peri_h5ask_t *q, peri_err_t *err)
{
    bool link;
    const hid_t o = peri_h5view_object(file, q, &link, err);
    if (link)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "Cannot resolve the link at %.600s of %.200s", q->path,
                            q->file);
    if (o < 0) return -1;
    const bool set = H5Iget_type(o) == H5I_DATASET;
    H5Oclose(o);
    if (!set) return peri_err_set(err, PERI_EINVAL, "%.600s is not a dataset", q->path);
    const hid_t plist = H5Pcreate(H5P_DATASET_ACCESS);
    H5Pset_chunk_cache(plist, 10007, CACHE, 1.0);
    const hid_t id = H5Dopen2(file, q->path, plist);
    H5Pclose(plist);
    if (id < 0) return peri_h5view_fail(err, "%.600s is damaged", q->path);
    return id;
}

static int shape_of(peri_h5set_ask_t *s, const peri_h5ask_t *q, peri_err_t *err)
{
    hsize_t dims[PERI_H5SELECT_DIMS];
    uint64_t shape[PERI_H5SELECT_DIMS];
    peri_h5select_t select;
    const hid_t space = H5Dget_space(s->id);
    const int n = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    s->null = n >= 0 && H5Sget_simple_extent_type(space) == H5S_NULL;
    const bool ok = n >= 0 && n <= PERI_H5SELECT_DIMS &&
                    H5Sget_simple_extent_dims(space, dims, NULL) >= 0;
    if (space >= 0) H5Sclose(space);
    if (!ok) return peri_h5view_fail(err, "%.600s has no readable shape", q->path);
    for (int i = 0; i < n; i++) shape[i] = dims[i];
    const char *text = q->selection ? q->selection : "";
    return peri_h5select_parse(text, strlen(text), &select, err) ||
                   peri_h5select_resolve(&select, (size_t)n, shape, &s->part, err)
               ? -1
               : 0;
}

int peri_h5set_open_part(hid_t file, const peri_h5ask_t *q, peri_h5set_ask_t *s,
                         peri_err_t *err)
{
    *s = (peri_h5set_ask_t){.id = -1, .type = -1, .memory = -1};
    s->id = open_set(file, q, err);
    if (s->id < 0) return -1;
    s->type = H5Dget_type(s->id);
    if (s->type < 0) {
        peri_h5view_fail(err, "the type of %.600s is damaged", q->path);
        goto fail;
    }
    if (shape_of(s, q, err) || peri_h5read_check(s->id, q->path, err)) goto fail;
    for (size_t i = 0; i < s->part.ndims; i++)
        if (!s->part.dropped[i]) s->dims[s->rank++] = s->part.count[i];
    return 0;
fail:
    peri_h5set_close(s);
    return -1;
}

/* ---- JSON ---- */

static int on_json(void *ctx, const void *p, size_t n, peri_err_t *err)
{
    peri_h5array_t *a = ctx;
    (void)err;
    peri_h5array_put(a, p, n, a->size);
    return a->o->failed; /* said at the end */
}

static int as_json(hid_t file, const peri_h5ask_t *q, peri_h5set_ask_t *s,
                   peri_h5out_t *o, peri_err_t *err)
{
    peri_h5array_t a = {.o = o, .rank = s->rank};
    if (s->null) {
        peri_h5out_text(o, "null");
        return 0;
    }
    s->memory = peri_h5value_type(s->type, err);
    if (s->memory < 0 || !(a.v = peri_h5value_new(s->memory, file, q->arena, err)))
        return -1;
    memcpy(a.dims, s->dims, sizeof(a.dims));
    a.size = H5Tget_size(s->memory);
    if (q->flatten && a.rank) {
        a.rank = 1;
        a.dims[0] = peri_h5part_size(&s->part);
    }
    const uint64_t n = peri_h5part_size(&s->part);
    if (n == 0) {
        peri_h5array_empty(&a);
        return 0;
    }
    /* "0," each at least: known before anything is read. */
    if (n > PERI_H5VIEW_ANSWER / 2) {
        o->failed = true;
        return 0;
    }
    err->code = PERI_OK;
    const int rc = peri_h5read(s->id, s->memory, &s->part, q->path, on_json, &a, err);
    return o->failed ? 0 : rc;
}

/* ---- bytes ---- */

typedef struct {
    peri_h5out_t *o;
    size_t size;
} bytes_t;

static int on_bytes(void *ctx, const void *p, size_t n, peri_err_t *err)
{
    bytes_t *b = ctx;
    (void)err;
    peri_h5out_bytes(b->o, p, n * b->size);
    return b->o->failed;
}

/* The type that is sent: packed, as stored ("origin") or as browsers read it ("safe"). */
static int sent_type(const peri_h5ask_t *q, peri_h5set_ask_t *s, peri_err_t *err)
{
    if (q->dtype && !strcmp(q->dtype, "safe")) {
        s->memory = peri_h5type_safe(s->type);
        if (s->memory < 0)
            return peri_err_set(err, PERI_EINVAL,
                                "dtype=safe is for numbers, which %.600s has not",
                                q->path);
        return 0;
    }
    if (!peri_h5type_is_plain(s->type))
        return peri_err_set(
            err, PERI_EINVAL,
            "the values of %.600s have no fixed length, or are references: "
            "ask for format=json",
            q->path);
    s->memory = H5Tcopy(s->type);
    if (s->memory < 0 ||
        (H5Tget_class(s->memory) == H5T_COMPOUND && H5Tpack(s->memory) < 0))
        return peri_h5view_fail(err, "the type of %.600s is damaged", q->path);
    return 0;
}

static int send_bytes(const peri_h5ask_t *q, const peri_h5set_ask_t *s, peri_h5out_t *o,
                      peri_err_t *err)
{
    bytes_t b = {o, H5Tget_size(s->memory)};
    const uint64_t n = peri_h5part_size(&s->part);
    /* Before anything is read. */
    if (n > PERI_H5VIEW_ANSWER / (b.size ? b.size : 1)) {
        o->failed = true;
        return 0;
    }
    const int rc = peri_h5read(s->id, s->memory, &s->part, q->path, on_bytes, &b, err);
    return o->failed ? 0 : rc;
}

static int as_bin(const peri_h5ask_t *q, peri_h5set_ask_t *s, peri_h5out_t *o,
                  peri_err_t *err)
{
    if (s->null) return 0;
    return sent_type(q, s, err) ? -1 : send_bytes(q, s, o, err);
}

static int no_data(const peri_h5ask_t *q, peri_err_t *err)
{
    return peri_err_set(err, PERI_EINVAL, "%.600s has no data: its shape is null",
                        q->path);
}

static int as_npy(const peri_h5ask_t *q, peri_h5set_ask_t *s, peri_h5out_t *o,
                  peri_err_t *err)
{
    enum { BEFORE = 10, ALIGN = 64 };
    peri_buf_t h;
    int rc = -1;
    if (s->null) return no_data(q, err);
    if (sent_type(q, s, err)) return -1;
    peri_buf_init(&h, 60000);
    peri_buf_puts(&h, "{'descr': ");
    if (!peri_h5type_numpy(&h, s->memory, 0)) {
        peri_err_set(err, PERI_EINVAL, "numpy has no type for the values of %.600s",
                     q->path);
        goto out;
    }
    peri_buf_puts(&h, ", 'fortran_order': False, 'shape': (");
    for (size_t i = 0; i < s->rank; i++)
        peri_buf_printf(&h, "%llu,", (unsigned long long)s->dims[i]);
    peri_buf_puts(&h, "), }");
    while (!h.failed && (BEFORE + h.len + 1) % ALIGN) peri_buf_putc(&h, ' ');
    peri_buf_putc(&h, '\n');
    if (peri_buf_check(&h, "the description of the type", err)) goto out;
    const unsigned char start[BEFORE] = {0x93,
                                         'N',
                                         'U',
                                         'M',
                                         'P',
                                         'Y',
                                         1,
                                         0,
                                         (unsigned char)h.len,
                                         (unsigned char)(h.len >> 8)};
    peri_h5out_bytes(o, start, sizeof(start));
    peri_h5out_bytes(o, h.data, h.len);
    rc = send_bytes(q, s, o, err);
out:
    peri_buf_free(&h);
    return rc;
}

/* ---- tables and images ---- */

typedef struct {
    peri_h5out_t *o;
    const peri_h5value_t *v;
    size_t size;
    uint64_t width, at;
} csv_t;

static int on_csv(void *ctx, const void *p, size_t n, peri_err_t *err)
{
    csv_t *c = ctx;
    char text[PERI_NUM_MAX];
    (void)err;
    for (size_t i = 0; i < n && !c->o->failed; i++) {
        const char *value = (const char *)p + i * c->size;
        if (peri_h5value_is_float(c->v)) {
            const double x = peri_h5value_real(c->v, value);
            char *end = c->size == sizeof(float) ? peri_num_float(text, (float)x)
                                                 : peri_num_double(text, x);
            peri_h5out_bytes(c->o, text, (size_t)(end - text));
        } else {
            peri_h5value_json(c->o, c->v, value);
        }
        const bool last = ++c->at == c->width;
        if (last) c->at = 0;
        peri_h5out_text(c->o, last ? "\n" : ",");
    }
    return c->o->failed;
}

static int as_csv(hid_t file, const peri_h5ask_t *q, peri_h5set_ask_t *s, peri_h5out_t *o,
                  peri_err_t *err)
{
    csv_t c = {.o = o};
    if (s->null) return no_data(q, err);
    if (s->rank > 2)
        return peri_err_set(err, PERI_EINVAL,
                            "CSV has one or two dimensions, the selection %zu", s->rank);
    s->memory = peri_h5value_type(s->type, err);
    if (s->memory < 0 || !(c.v = peri_h5value_new(s->memory, file, q->arena, err)))
        return -1;
    if (!peri_h5value_is_number(c.v))
        return peri_err_set(err, PERI_EINVAL, "CSV is for numbers, which %.600s has not",
                            q->path);
    c.size = H5Tget_size(s->memory);
    c.width = s->rank == 2 ? s->dims[1] : 1;
    const int rc = peri_h5read(s->id, s->memory, &s->part, q->path, on_csv, &c, err);
    return o->failed ? 0 : rc;
}

static void put_le(unsigned char **p, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) *(*p)++ = (unsigned char)(v >> 8 * i);
}

/* One strip, not compressed, of the "safe" type. */
static int as_tiff(peri_h5ask_t q, peri_h5set_ask_t *s, peri_h5out_t *o, peri_err_t *err)
{
    enum { NTAGS = 10, HEAD = 8 + 2 + 12 * NTAGS + 4 };
    unsigned char head[HEAD], *p = head;
    if (s->null) return no_data(&q, err);
    if (s->rank != 2 || s->dims[0] > UINT32_MAX || s->dims[1] > UINT32_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "an image has two dimensions, the selection %zu", s->rank);
    q.dtype = "safe";
    if (sent_type(&q, s, err)) return -1;
    const uint32_t size = (uint32_t)H5Tget_size(s->memory);
    const uint64_t bytes = peri_h5part_size(&s->part) * size;
    const uint32_t format =
        H5Tget_class(s->memory) == H5T_FLOAT ? 3
        : H5Tget_class(s->memory) == H5T_INTEGER && H5Tget_sign(s->memory) == H5T_SGN_NONE
            ? 1
            : 2;
    const struct {
        uint16_t tag, type; /* 3: 16 bits, 4: 32 bits */
        uint32_t value;
    } tags[NTAGS] = {{256, 4, (uint32_t)s->dims[1]},
                     {257, 4, (uint32_t)s->dims[0]},
                     {258, 3, 8 * size},
                     {259, 3, 1}, /* no compression */
                     {262, 3, 1}, /* black is zero */
                     {273, 4, HEAD},
                     {277, 3, 1},
                     {278, 4, (uint32_t)s->dims[0]},
                     {279, 4, (uint32_t)bytes},
                     {339, 3, format}};
    memcpy(p, "II*\0", 4);
    p += 4;
    put_le(&p, 8, 4);
    put_le(&p, NTAGS, 2);
    for (size_t i = 0; i < NTAGS; i++) {
        put_le(&p, tags[i].tag, 2);
        put_le(&p, tags[i].type, 2);
        put_le(&p, 1, 4);
        put_le(&p, tags[i].value, 4);
    }
    put_le(&p, 0, 4);
    peri_h5out_bytes(o, head, sizeof(head));
    return send_bytes(&q, s, o, err);
}

int peri_h5view_data(hid_t file, const peri_h5ask_t *q, peri_h5out_t *o, peri_err_t *err)
{
    peri_h5set_ask_t s;
    int rc;
    if (peri_h5set_open_part(file, q, &s, err)) return -1;
    if (!q->format || !strcmp(q->format, "json"))
        rc = as_json(file, q, &s, o, err);
    else if (!strcmp(q->format, "bin"))
        rc = as_bin(q, &s, o, err);
    else if (!strcmp(q->format, "npy"))
        rc = as_npy(q, &s, o, err);
    else if (!strcmp(q->format, "csv"))
        rc = as_csv(file, q, &s, o, err);
    else
        rc = as_tiff(*q, &s, o, err);
    peri_h5set_close(&s);
    return rc;
}
