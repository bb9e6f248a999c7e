/* votablevalues.c - values out of the rows of a VOTable; see votablefield.h. */
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/import/fitscards.h"
#include "core/import/text.h"
#include "core/import/votablefield.h"
#include "core/out/binary.h"
#include "core/out/text.h"

/* ---- texts ---- */

/* A text as the file has it. NUL ends it, but not in files of ours. */
static int put_text(peri_vofield_t *f, idx_t at, const char *p, size_t n, peri_err_t *err)
{
    const char *nul = f->sql_type ? NULL : memchr(p, 0, n);
    if (nul) n = (size_t)(nul - p);
    if (f->moment && n && *p == '+') p++, n--; /* DuckDB takes none */
    if (!peri_utf8_valid(p, n))
        return peri_err_set(err, PERI_EFORMAT, "a text that is no text");
    peri_slot_put_text(&f->slot, at, p, n);
    return 0;
}

/* Code points of UTF-16, big-endian, as UTF-8. */
static void put_utf16(peri_buf_t *b, const char *p, uint64_t units)
{
    for (uint64_t i = 0; i < units; i++) {
        uint32_t c = (uint32_t)peri_slot_big(p + 2 * i, 2);
        if (c >= 0xd800 && c < 0xdc00 && i + 1 < units) {
            uint32_t low = (uint32_t)peri_slot_big(p + 2 * i + 2, 2);
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
                i++;
            }
        }
        peri_text_put(b, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    }
}

static int put_characters(peri_vofield_t *f, idx_t at, const char *p, uint64_t n,
                          peri_buf_t *room, peri_err_t *err)
{
    peri_buf_clear(room);
    if (f->code == 'u')
        put_utf16(room, p, n);
    else
        peri_fits_put_text(room, p, n);
    if (peri_buf_check(room, "a text", err)) return -1;
    return put_text(f, at, room->len ? room->data : "", room->len, err);
}

/* ---- cells of text ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int fail_cell(const peri_vofield_t *f, const char *p, size_t n, peri_err_t *err)
{
    return peri_err_set(err, PERI_EFORMAT, "\"%.*s\", which is no %s",
                        (int)(n < 60 ? n : 60), p, f->datatype);
}

/* 0x1F */
static bool take_hex(const char *p, size_t n, uint64_t *v)
{
    if (n < 3 || n > 18 || p[0] != '0' || (p[1] != 'x' && p[1] != 'X')) return false;
    *v = 0;
    for (size_t i = 2; i < n; i++) {
        unsigned digit = (unsigned)p[i] - '0', letter = ((unsigned)p[i] | 32) - 'a';
        if (digit > 9 && letter > 5) return false;
        *v = *v << 4 | (digit <= 9 ? digit : letter + 10);
    }
    return true;
}

static int put_integer(peri_vofield_t *f, idx_t at, const char *p, size_t n,
                       peri_err_t *err)
{
    static const int64_t
        least[] = {[1] = 0, [2] = INT16_MIN, [4] = INT32_MIN, [8] = INT64_MIN},
        most[] = {[1] = UINT8_MAX, [2] = INT16_MAX, [4] = INT32_MAX, [8] = INT64_MAX};
    int64_t v;
    uint64_t hex;
    if (take_hex(p, n, &hex))
        v = (int64_t)hex;
    else if (peri_cells_number(DUCKDB_TYPE_BIGINT, &v, 0, p, n))
        return fail_cell(f, p, n, err);
    if (f->has_null && v == f->null)
        peri_slot_put_null(&f->slot, at);
    else if (v < least[f->size] || v > most[f->size])
        return fail_cell(f, p, n, err);
    else
        peri_slot_put_bits(&f->slot, at, (uint64_t)v, f->size);
    return 0;
}

static int put_token(peri_vofield_t *f, idx_t at, const char *p, size_t n,
                     peri_err_t *err)
{
    bool truth = n && (*p == 'T' || *p == 't' || *p == '1');
    switch (f->code) {
    case 'b':
        if (n == 1 && *p == '?') {
            peri_slot_put_null(&f->slot, at);
            return 0;
        }
        /* fall through */
    case 'x':
        if (!truth && !(n && (*p == 'F' || *p == 'f' || *p == '0')))
            return fail_cell(f, p, n, err);
        peri_slot_put_bits(&f->slot, at, truth, 1);
        return 0;
    case 'i':
        return put_integer(f, at, p, n, err);
    default:
        if (peri_cells_number(f->slot.type, duckdb_vector_get_data(f->slot.elements), at,
                              p, n))
            return fail_cell(f, p, n, err);
        return 0;
    }
}

/* The token at *p, which is moved behind it; bits may stand close together. */
static size_t next_token(const peri_vofield_t *f, const char **p, const char *end,
                         const char **token)
{
    while (*p < end && is_blank(**p)) ++*p;
    *token = *p;
    while (*p < end && !is_blank(**p) && (f->code != 'x' || *p == *token)) ++*p;
    return (size_t)(*p - *token);
}

static int put_tokens(peri_vofield_t *f, idx_t row, const char *p, const char *end,
                      peri_err_t *err)
{
    const char *q = p, *token;
    uint64_t n = 0, want = f->slot.shape == PERI_SLOT_ONE ? 1 : f->count;
    while (next_token(f, &q, end, &token)) n++;
    if (!n) { /* nothing: NULL */
        peri_slot_put_null_row(&f->slot, row);
        return 0;
    }
    if (!f->var && n != want)
        return peri_err_set(err, PERI_EFORMAT,
                            "%llu elements where its arraysize says %llu",
                            (unsigned long long)n, (unsigned long long)want);
    idx_t at;
    if (peri_slot_open(&f->slot, row, n, &at, err)) return -1;
    for (size_t size; (size = next_token(f, &p, end, &token)); at++)
        if (put_token(f, at, token, size, err)) return -1;
    return 0;
}

/* Texts of `length` characters, one behind the other. */
static int put_cut_texts(peri_vofield_t *f, idx_t row, const char *p, size_t n,
                         peri_err_t *err)
{
    const char *end = p + n, *q = p;
    uint64_t characters = 0, texts;
    for (; q < end; characters++) peri_text_next(&q, end);
    texts = f->var ? (characters + f->length - 1) / f->length : f->count;
    idx_t at;
    if (peri_slot_open(&f->slot, row, texts, &at, err)) return -1;
    for (uint64_t i = 0; i < texts; i++) {
        for (q = p, characters = 0; q < end && characters < f->length; characters++)
            peri_text_next(&q, end);
        if (put_text(f, at + i, p, (size_t)(q - p), err)) return -1;
        p = q;
    }
    return 0;
}

int peri_vofield_put_cell(peri_vofield_t *f, idx_t row, const char *p, size_t n,
                          peri_buf_t *room, peri_err_t *err)
{
    (void)room;
    if (!n) {
        peri_slot_put_null_row(&f->slot, row);
        return 0;
    }
    if (f->code != 'c' && f->code != 'u') return put_tokens(f, row, p, p + n, err);
    if (f->slot.shape == PERI_SLOT_ONE) return put_text(f, row, p, n, err);
    return put_cut_texts(f, row, p, n, err);
}

/* ---- bytes ---- */

/* Bytes of n elements, or characters. */
static uint64_t bytes_of(const peri_vofield_t *f, uint64_t n)
{
    return f->code == 'x' ? (n + 7) / 8 : n * f->size;
}

/* Numbers, or characters of all texts, of a value that is `count` units long. */
static uint64_t units_of(const peri_vofield_t *f, uint64_t count)
{
    bool text = f->code == 'c' || f->code == 'u';
    return f->var ? count * (text ? 1 : f->pairs)
           : text ? f->length * f->count
                  : f->count;
}

int peri_vofield_measure(const peri_vofield_t *f, const char *p, size_t n, uint64_t *size,
                         peri_err_t *err)
{
    uint64_t count = 0;
    if (f->var) {
        if (n < 4) return 0;
        count = peri_slot_big(p, 4);
        if (count > INT32_MAX)
            return peri_err_set(err, PERI_EFORMAT, "a value of a negative length");
        /* In some files the count of "8x*" is of texts, in others of characters: the
         * standard says elements, and its element is a character. */
    }
    *size = bytes_of(f, units_of(f, count)) + (f->var ? 4 : 0);
    if (*size > PERI_VO_VALUE_MAX)
        return peri_err_set(err, PERI_ELIMIT, "a value of more than 256 MiB");
    return *size <= n;
}

static void put_number(peri_vofield_t *f, idx_t at, const char *p)
{
    uint64_t bits = peri_slot_big(p, f->size);
    if (f->code == 'f') {
        peri_binary_t kind = f->size == 4 ? PERI_BIN_F32 : PERI_BIN_F64;
        if (f->sql_type && peri_binary_is_null_nan(kind, &bits))
            peri_slot_put_null(&f->slot, at);
        else
            peri_slot_put_bits(&f->slot, at, bits, f->size);
        return;
    }
    int64_t v = f->size == 1   ? (int64_t)bits
                : f->size == 2 ? (int16_t)bits
                : f->size == 4 ? (int32_t)bits
                               : (int64_t)bits;
    if (f->has_null && v == f->null)
        peri_slot_put_null(&f->slot, at);
    else
        peri_slot_put_bits(&f->slot, at, bits, f->size);
}

static int put_numbers(peri_vofield_t *f, idx_t row, const char *p, uint64_t n,
                       peri_err_t *err)
{
    idx_t at;
    if (peri_slot_open(&f->slot, row, n, &at, err)) return -1;
    for (uint64_t i = 0; i < n; i++) {
        if (f->code == 'x') {
            /* A single one: astropy sets another bit than the standard's. */
            unsigned byte = (unsigned char)p[i / 8];
            bool bit = n == 1 ? byte != 0 : byte >> (7 - i % 8) & 1;
            peri_slot_put_bits(&f->slot, at + i, bit, 1);
        } else if (f->code == 'b') {
            bool yes = memchr("Tt1", p[i], 3), no = memchr("Ff0", p[i], 3);
            if (yes || no)
                peri_slot_put_bits(&f->slot, at + i, yes, 1);
            else
                peri_slot_put_null(&f->slot, at + i);
        } else {
            put_number(f, at + i, p + i * f->size);
        }
    }
    return 0;
}

int peri_vofield_put_bytes(peri_vofield_t *f, idx_t row, const char *p, bool null,
                           peri_buf_t *room, peri_err_t *err)
{
    if (null) {
        peri_slot_put_null_row(&f->slot, row);
        return 0;
    }
    uint64_t n = units_of(f, f->var ? peri_slot_big(p, 4) : 0);
    if (f->var) p += 4;
    if (f->code != 'c' && f->code != 'u') return put_numbers(f, row, p, n, err);
    if (f->slot.shape == PERI_SLOT_ONE) return put_characters(f, row, p, n, room, err);
    uint64_t texts = (n + f->length - 1) / f->length;
    idx_t at;
    if (peri_slot_open(&f->slot, row, texts, &at, err)) return -1;
    for (uint64_t i = 0; i < texts; i++) {
        uint64_t from = i * f->length, len = n - from < f->length ? n - from : f->length;
        if (put_characters(f, at + i, p + from * f->size, len, room, err)) return -1;
    }
    return 0;
}
