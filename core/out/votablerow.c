/* votablerow.c - see votablerow.h: rows of BINARY2, big-endian numbers and counted texts
 * behind a bit for each column that says whether it is NULL, all of it in base64. */
#include "core/out/votablerow.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/out/binary.h"
#include "core/out/text.h"

#define LINE_BYTES ((size_t)57) /* 76 characters */

/* `mark` stands for NULL in a vector: a value that the SQL type lacks, else one that is
 * hardly there, and is refused as a value. VOTable has no unsigned integers but bytes. */
static const struct {
    duckdb_type type;
    const char *datatype;
    size_t size;
    const char *in_vector;
    size_t vector_size; /* 0: no vectors of it */
    int64_t mark;
} numbers[] = {
    {DUCKDB_TYPE_BOOLEAN, "boolean", 1, "boolean", 1, 0},
    {DUCKDB_TYPE_UTINYINT, "unsignedByte", 1, "short", 2, INT16_MIN},
    {DUCKDB_TYPE_TINYINT, "short", 2, "short", 2, INT16_MIN},
    {DUCKDB_TYPE_SMALLINT, "short", 2, "int", 4, INT32_MIN},
    {DUCKDB_TYPE_USMALLINT, "int", 4, "int", 4, INT32_MIN},
    {DUCKDB_TYPE_INTEGER, "int", 4, "int", 4, -1975545401},
    {DUCKDB_TYPE_UINTEGER, "long", 8, "long", 8, INT64_MIN},
    {DUCKDB_TYPE_BIGINT, "long", 8, "long", 8, -8484902885520001455},
    {DUCKDB_TYPE_UBIGINT, "long", 8, "long", 8, INT64_MIN},
    {DUCKDB_TYPE_HUGEINT, "long", 8, NULL, 0, 0},
    {DUCKDB_TYPE_UHUGEINT, "long", 8, NULL, 0, 0},
    {DUCKDB_TYPE_FLOAT, "float", 4, "float", 4, 0},
    {DUCKDB_TYPE_DOUBLE, "double", 8, "double", 8, 0},
    {DUCKDB_TYPE_DECIMAL, "double", 8, "double", 8, 0},
};

static bool is_timestamp(duckdb_type t)
{
    return t == DUCKDB_TYPE_DATE || t == DUCKDB_TYPE_TIMESTAMP ||
           t == DUCKDB_TYPE_TIMESTAMP_S || t == DUCKDB_TYPE_TIMESTAMP_MS ||
           t == DUCKDB_TYPE_TIMESTAMP_NS || t == DUCKDB_TYPE_TIMESTAMP_TZ;
}

static bool is_float(duckdb_type t)
{
    return t == DUCKDB_TYPE_FLOAT || t == DUCKDB_TYPE_DOUBLE || t == DUCKDB_TYPE_DECIMAL;
}

peri_votype_t peri_votable_type(const peri_field_t *f)
{
    bool vector = f->type == DUCKDB_TYPE_ARRAY || f->type == DUCKDB_TYPE_LIST;
    duckdb_type type = vector ? f->kids[0].type : f->type;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !f->as_text; i++) {
        if (numbers[i].type != type || (vector && !numbers[i].in_vector)) continue;
        /* Vectors of more digits than doubles keep are text. */
        if (vector && type == DUCKDB_TYPE_DECIMAL && f->kids[0].width > 15) continue;
        if (!vector)
            return (peri_votype_t){numbers[i].datatype, numbers[i].size, 0, 0, 0};
        return (peri_votype_t){numbers[i].in_vector, numbers[i].vector_size, true, false,
                               numbers[i].mark};
    }
    return (peri_votype_t){.datatype = peri_field_is_plain(f) ? "char" : "unicodeChar",
                           .timestamp = is_timestamp(f->type)};
}

struct peri_vorows {
    peri_votype_t *types;
    peri_buf_t bytes; /* that wait for base64 */
    peri_buf_t text;  /* of the value in hand */
};

peri_vorows_t *peri_votable_rows_new(const peri_writer_t *w)
{
    peri_vorows_t *t = peri_xcalloc(1, sizeof(*t));
    t->types = peri_xcalloc(w->ncols, sizeof(*t->types));
    for (size_t c = 0; c < w->ncols; c++) t->types[c] = peri_votable_type(&w->fields[c]);
    peri_buf_init(&t->bytes, w->text.max);
    peri_buf_init(&t->text, w->text.max);
    return t;
}

void peri_votable_rows_free(peri_writer_t *w)
{
    peri_vorows_t *t = w->state;
    if (!t) return;
    peri_buf_free(&t->bytes);
    peri_buf_free(&t->text);
    free(t->types);
    free(t);
}

/* ---- base64 ---- */

static void put_base64(peri_buf_t *b, const unsigned char *p, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = peri_buf_reserve(b, (n + 2) / 3 * 4 + 1), *q = out;
    if (!out) return;
    for (; n >= 3; n -= 3, p += 3) {
        *q++ = digits[p[0] >> 2];
        *q++ = digits[(p[0] & 3) << 4 | p[1] >> 4];
        *q++ = digits[(p[1] & 15) << 2 | p[2] >> 6];
        *q++ = digits[p[2] & 63];
    }
    if (n) {
        unsigned second = n == 2 ? p[1] : 0;
        *q++ = digits[p[0] >> 2];
        *q++ = digits[(p[0] & 3) << 4 | second >> 4];
        *q++ = n == 2 ? digits[(second & 15) << 2] : '=';
        *q++ = '=';
    }
    *q++ = '\n';
    peri_buf_commit(b, (size_t)(q - out));
}

/* Whole lines; the rest moves to the front. */
static void put_lines(peri_writer_t *w)
{
    peri_buf_t *bytes = &((peri_vorows_t *)w->state)->bytes;
    size_t at = 0;
    for (; bytes->len - at >= LINE_BYTES; at += LINE_BYTES)
        put_base64(&w->text, (unsigned char *)bytes->data + at, LINE_BYTES);
    if (!at) return;
    memmove(bytes->data, bytes->data + at, bytes->len - at);
    bytes->len -= at;
}

void peri_votable_rows_end(peri_writer_t *w)
{
    peri_buf_t *bytes = &((peri_vorows_t *)w->state)->bytes;
    if (bytes->len) put_base64(&w->text, (unsigned char *)bytes->data, bytes->len);
    peri_buf_clear(bytes);
}

/* ---- values ---- */

static void put_number(peri_buf_t *b, uint64_t v, size_t size)
{
    char bytes[8];
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(v >> 8 * (size - 1 - i));
    peri_buf_append(b, bytes, size);
}

static void put_null(const peri_field_t *f, const peri_votype_t *t, peri_buf_t *b)
{
    uint64_t bits = (uint64_t)t->mark;
    if (f->type == DUCKDB_TYPE_BOOLEAN)
        bits = '?';
    else if (is_float(f->type))
        peri_binary_put_null(t->size == 4 ? PERI_BIN_F32 : PERI_BIN_F64, &bits);
    put_number(b, bits, t->size);
}

static void put_float(const peri_field_t *f, idx_t row, size_t size, peri_buf_t *b)
{
    peri_binary_t kind = size == 4 ? PERI_BIN_F32 : PERI_BIN_F64;
    uint64_t bits = 0; /* little-endian hosts only, as in fitsnull.c */
    peri_binary_rows(f, row, 1, kind, &bits);
    /* A NaN that looks like our NULL is another NaN. */
    if (peri_binary_is_null_nan(kind, &bits)) peri_binary_put_nan(kind, &bits);
    put_number(b, bits, size);
}

static int put_value(const peri_field_t *f, idx_t row, const peri_votype_t *t,
                     peri_buf_t *b, peri_err_t *err)
{
    if (peri_field_is_null(f, row)) {
        put_null(f, t, b);
        return 0;
    }
    if (is_float(f->type)) {
        put_float(f, row, t->size, b);
        return 0;
    }
    if (f->type == DUCKDB_TYPE_BOOLEAN) {
        peri_buf_putc(b, ((const uint8_t *)f->data)[row] ? 'T' : 'F');
        return 0;
    }
    int64_t v = (int64_t)peri_field_integer(f, row);
    if (t->mark && v == t->mark)
        return peri_err_set(
            err, PERI_EUNSUPP,
            "column \"%s\" has a vector that holds %lld, which votable "
            "needs to mark NULLs in vectors: CAST(\"%s\" AS HUGEINT[]) is "
            "text there",
            f->name, (long long)v, f->name);
    put_number(b, (uint64_t)v, t->size);
    return 0;
}

static int put_vector(const peri_field_t *f, idx_t row, const peri_votype_t *t,
                      peri_buf_t *b, peri_err_t *err)
{
    bool list = f->type == DUCKDB_TYPE_LIST, null = peri_field_is_null(f, row);
    idx_t first = row * f->array_size, n = f->array_size;
    if (list) {
        duckdb_list_entry e = {0, 0};
        if (!null) e = ((const duckdb_list_entry *)f->data)[row];
        first = e.offset;
        n = e.length;
        if (n > INT32_MAX)
            return peri_err_set(err, PERI_EUNSUPP,
                                "column \"%s\" has a list of more than 2^31 elements",
                                f->name);
        put_number(b, n, 4);
    }
    for (idx_t i = 0; i < n; i++) {
        if (null)
            put_null(&f->kids[0], t, b);
        else if (put_value(&f->kids[0], first + i, t, b, err))
            return -1;
    }
    return 0;
}

/* UTF-16, big-endian, behind its number of units. */
static void put_unicode(peri_buf_t *b, const char *s, size_t n)
{
    size_t at = b->len;
    put_number(b, 0, 4);
    for (const char *end = s + n; s < end;) {
        uint32_t c = peri_text_next(&s, end);
        if (c > 0xffff) {
            put_number(b, 0xd7c0 + (c >> 10), 2);
            c = 0xdc00 | (c & 0x3ff);
        }
        put_number(b, c, 2);
    }
    if (b->failed) return;
    uint64_t units = (b->len - at - 4) / 2;
    for (size_t i = 0; i < 4; i++) b->data[at + i] = (char)(units >> 8 * (3 - i));
}

static void put_text(peri_vorows_t *t, const peri_field_t *f, idx_t row)
{
    if (peri_field_is_null(f, row)) {
        put_number(&t->bytes, 0, 4);
        return;
    }
    peri_buf_clear(&t->text);
    peri_field_text(f, row, PERI_STYLE_ISO, &t->text);
    if (t->text.failed) t->bytes.failed = true;
    const char *s = t->text.data ? t->text.data : "";
    if (!peri_field_is_plain(f)) {
        put_unicode(&t->bytes, s, t->text.len);
        return;
    }
    put_number(&t->bytes, t->text.len, 4);
    peri_buf_append(&t->bytes, s, t->text.len);
}

int peri_votable_row(peri_writer_t *w, idx_t row, peri_err_t *err)
{
    peri_vorows_t *t = w->state;
    for (size_t c = 0; c < w->ncols; c += 8) {
        unsigned mask = 0;
        for (size_t k = 0; k < 8 && c + k < w->ncols; k++)
            mask |= (unsigned)peri_field_is_null(&w->fields[c + k], row) << (7 - k);
        peri_buf_putc(&t->bytes, (char)mask);
    }
    for (size_t c = 0; c < w->ncols; c++) {
        const peri_field_t *f = &w->fields[c];
        const peri_votype_t *type = &t->types[c];
        if (!type->size)
            put_text(t, f, row);
        else if (type->vector ? put_vector(f, row, type, &t->bytes, err)
                              : put_value(f, row, type, &t->bytes, err))
            return -1;
    }
    if (peri_buf_check(&t->bytes, "one row of a votable", err)) return -1;
    put_lines(w);
    return 0;
}
