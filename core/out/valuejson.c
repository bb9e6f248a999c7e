/* valuejson.c - values as JSON; see peri_field_json in value.h. */
#include <math.h>
#include <string.h>

#include "core/out/text.h"
#include "core/out/value.h"

/* `quote`: DECIMALs of more digits than doubles have, and BIGNUMs, are strings, which is
 * what readers of JSON keep. */
static void json_value(const peri_field_t *f, idx_t row, bool quote, peri_buf_t *b);

static void json_elements(const peri_field_t *kid, idx_t first, idx_t n, bool quote,
                          peri_buf_t *b)
{
    peri_buf_putc(b, '[');
    for (idx_t i = 0; i < n; i++) {
        if (i) peri_buf_putc(b, ',');
        json_value(kid, first + i, quote, b);
    }
    peri_buf_putc(b, ']');
}

static void json_member(const peri_field_t *f, idx_t row, bool first, bool quote,
                        peri_buf_t *b)
{
    if (!first) peri_buf_putc(b, ',');
    peri_text_json(b, f->name, strlen(f->name));
    peri_buf_putc(b, ':');
    json_value(f, row, quote, b);
}

/* An object, whose keys are the text of the map's keys. */
static void json_map(const peri_field_t *f, idx_t row, bool quote, peri_buf_t *b)
{
    duckdb_list_entry e = ((const duckdb_list_entry *)f->data)[row];
    const peri_field_t *key = &f->kids[0].kids[0], *value = &f->kids[0].kids[1];
    peri_buf_t text;
    peri_buf_init(&text, b->max);
    peri_buf_putc(b, '{');
    for (uint64_t i = 0; i < e.length; i++) {
        if (i) peri_buf_putc(b, ',');
        peri_buf_clear(&text);
        peri_field_text(key, e.offset + i, PERI_STYLE_SQL, &text);
        if (text.failed) b->failed = true;
        peri_text_json(b, text.data ? text.data : "", text.len);
        peri_buf_putc(b, ':');
        json_value(value, e.offset + i, quote, b);
    }
    peri_buf_putc(b, '}');
    peri_buf_free(&text);
}

static void json_nested(const peri_field_t *f, idx_t row, bool quote, peri_buf_t *b)
{
    duckdb_list_entry e;
    uint8_t tag;
    switch (f->type) {
    case DUCKDB_TYPE_LIST:
        e = ((const duckdb_list_entry *)f->data)[row];
        json_elements(&f->kids[0], e.offset, e.length, quote, b);
        break;
    case DUCKDB_TYPE_ARRAY:
        json_elements(&f->kids[0], row * f->array_size, f->array_size, quote, b);
        break;
    case DUCKDB_TYPE_MAP:
        json_map(f, row, quote, b);
        break;
    case DUCKDB_TYPE_STRUCT:
        peri_buf_putc(b, '{');
        for (size_t i = 0; i < f->nkids; i++)
            json_member(&f->kids[i], row, i == 0, quote, b);
        peri_buf_putc(b, '}');
        break;
    default: /* UNION: the member that the tag names */
        tag = ((const uint8_t *)f->kids[0].data)[row];
        peri_buf_putc(b, '{');
        if ((size_t)tag + 1 < f->nkids)
            json_member(&f->kids[tag + 1], row, true, quote, b);
        peri_buf_putc(b, '}');
    }
}

static void json_special(double v, peri_buf_t *b)
{
    peri_buf_puts(b, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void json_value(const peri_field_t *f, idx_t row, bool quote, peri_buf_t *b)
{
    if (peri_field_is_null(f, row)) {
        peri_buf_append(b, "null", 4);
        return;
    }
    if (peri_field_is_nested(f)) {
        json_nested(f, row, quote, b);
        return;
    }
    double v = 0;
    if (f->type == DUCKDB_TYPE_DOUBLE) v = ((const double *)f->data)[row];
    if (f->type == DUCKDB_TYPE_FLOAT) v = ((const float *)f->data)[row];
    if (!isfinite(v)) {
        json_special(v, b);
    } else if (quote && ((f->type == DUCKDB_TYPE_DECIMAL && f->width > 15) ||
                         f->type == DUCKDB_TYPE_BIGNUM)) {
        peri_buf_putc(b, '"');
        peri_field_text(f, row, PERI_STYLE_SQL, b);
        peri_buf_putc(b, '"');
    } else if (peri_field_is_number(f) || f->type == DUCKDB_TYPE_BOOLEAN) {
        peri_field_text(f, row, PERI_STYLE_SQL, b);
    } else if (peri_field_is_plain(f)) {
        peri_buf_putc(b, '"');
        peri_field_text(f, row, PERI_STYLE_SQL, b);
        peri_buf_putc(b, '"');
    } else if (f->type == DUCKDB_TYPE_VARCHAR) {
        size_t n;
        const char *s = peri_field_bytes(f, row, &n);
        peri_text_json(b, s, n);
    } else if (f->type == DUCKDB_TYPE_ENUM) {
        const char *s = peri_field_word(f, row);
        peri_text_json(b, s, strlen(s));
    } else { /* BLOB: its text has backslashes, but nothing else to escape */
        peri_buf_t text;
        peri_buf_init(&text, b->max);
        peri_field_text(f, row, PERI_STYLE_SQL, &text);
        if (text.failed) b->failed = true;
        peri_text_json(b, text.data ? text.data : "", text.len);
        peri_buf_free(&text);
    }
}

void peri_field_json(const peri_field_t *f, idx_t row, peri_buf_t *b)
{
    json_value(f, row, false, b);
}

void peri_field_json_text(const peri_field_t *f, idx_t row, peri_buf_t *b)
{
    json_value(f, row, true, b);
}
