/* delimited.c - csv (RFC 4180, lines end in LF) and tsv (backslash escapes, no quotes).
 *
 * NULL is an empty field in both, an empty string is "" and so stays different; in tsv a
 * string of two quotes is \"".
 */
#include <string.h>

#include "core/out/format.h"

/* ---- csv ---- */

static const bool needs_quotes[256] = {
    [','] = true, ['"'] = true, ['\n'] = true, ['\r'] = true};

static void csv_string(peri_buf_t *b, const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && !needs_quotes[(unsigned char)s[i]]) i++;
    if (i == n && n > 0 && s[0] != '#') { /* not to be taken for a comment */
        peri_buf_append(b, s, n);
        return;
    }
    peri_buf_putc(b, '"');
    while (n > 0) {
        const char *quote = memchr(s, '"', n);
        size_t run = quote ? (size_t)(quote - s) + 1 : n;
        peri_buf_append(b, s, run);
        if (quote) peri_buf_putc(b, '"');
        s += run;
        n -= run;
    }
    peri_buf_putc(b, '"');
}

/* ---- tsv ---- */

static const char tsv_escape[256] = {
    ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r', ['\\'] = '\\'};

static void tsv_string(peri_buf_t *b, const char *s, size_t n)
{
    if (!n) peri_buf_puts(b, "\"\"");
    if (n == 2 && s[0] == '"' && s[1] == '"') peri_buf_putc(b, '\\');
    while (n > 0) {
        size_t run = 0;
        while (run < n && !tsv_escape[(unsigned char)s[run]]) run++;
        peri_buf_append(b, s, run);
        if (run == n) return;
        char pair[2] = {'\\', tsv_escape[(unsigned char)s[run]]};
        peri_buf_append(b, pair, sizeof(pair));
        s += run + 1;
        n -= run + 1;
    }
}

/* ---- both ---- */

typedef void (*put_string_t)(peri_buf_t *b, const char *s, size_t n);

static void put_header(peri_writer_t *w, char separator, put_string_t put)
{
    for (size_t c = 0; c < w->ncols; c++) {
        if (c) peri_buf_putc(&w->text, separator);
        put(&w->text, w->cols[c].name, strlen(w->cols[c].name));
    }
    peri_buf_putc(&w->text, '\n');
}

/* A value whose text may need quotes. */
static void put_value(const peri_field_t *f, idx_t row, put_string_t put, peri_buf_t *b)
{
    if (f->type == DUCKDB_TYPE_VARCHAR) {
        size_t n;
        const char *s = peri_field_bytes(f, row, &n);
        put(b, s, n);
        return;
    }
    peri_buf_t value;
    peri_buf_init(&value, b->max);
    peri_field_text(f, row, PERI_STYLE_SQL, &value);
    if (value.failed) b->failed = true;
    put(b, value.data ? value.data : "", value.len);
    peri_buf_free(&value);
}

static int put_rows(peri_writer_t *w, idx_t n, char separator, put_string_t put,
                    peri_err_t *err)
{
    for (idx_t row = 0; row < n; row++) {
        for (size_t c = 0; c < w->ncols; c++) {
            const peri_field_t *f = &w->fields[c];
            if (c) peri_buf_putc(&w->text, separator);
            if (peri_field_is_null(f, row)) continue;
            if (peri_field_is_plain(f))
                peri_field_text(f, row, PERI_STYLE_SQL, &w->text);
            else
                put_value(f, row, put, &w->text);
        }
        peri_buf_putc(&w->text, '\n');
        if (peri_writer_flush(w, err)) return -1;
    }
    return 0;
}

static int csv_open(peri_writer_t *w, peri_err_t *err)
{
    (void)err;
    put_header(w, ',', csv_string);
    return 0;
}

static int csv_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n, peri_err_t *err)
{
    (void)chunk;
    return put_rows(w, n, ',', csv_string, err);
}

static int tsv_open(peri_writer_t *w, peri_err_t *err)
{
    (void)err;
    put_header(w, '\t', tsv_string);
    return 0;
}

static int tsv_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n, peri_err_t *err)
{
    (void)chunk;
    return put_rows(w, n, '\t', tsv_string, err);
}

const peri_ops_t peri_ops_csv = {
    .name = "csv", .endings = " .csv ", .open = csv_open, .chunk = csv_chunk};
const peri_ops_t peri_ops_tsv = {
    .name = "tsv", .endings = " .tsv .tab ", .open = tsv_open, .chunk = tsv_chunk};
