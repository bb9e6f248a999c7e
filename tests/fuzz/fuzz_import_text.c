/* Bytes that pretend to be rows of csv, tsv, a table of blanks, or of JSON: every cell
 * lies within what was given, and a row takes at least one byte. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/import/customs.h"
#include "core/import/ecsv.h"
#include "core/import/jsontext.h"
#include "core/import/rows.h"
#include "core/import/topnames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *low, *high;
static peri_guess_t guess;
static peri_custom_t custom;
static bool utf8; /* all of it */

static void check(const peri_cell_t *c)
{
    if (c->p < low || c->p + c->n > high) abort();
    peri_guess_look(&guess, c);
    peri_custom_look(&custom, c, 1, true);
}

/* Opened in place, the row is as good as it was. */
static void check_row(const peri_row_t *row)
{
    if (!row->n) return;
    const peri_cell_t *first = row->cells, *last = first + row->n - 1;
    if (utf8 && !peri_utf8_valid(first->p, (size_t)(last->p + last->n - first->p)))
        abort();
    for (size_t i = 0; i < row->n; i++) check(&row->cells[i]);
}

static void cut_rows(const peri_dialect_t *d, char *p, char *end)
{
    peri_row_t row = {0};
    while (p < end) {
        char *part = p + (size_t)(end - p) / 2; /* less than all never goes too far */
        peri_row_t half = {0};
        if (part > p && peri_row_cut(d, p, part, false, &half) == PERI_ROW_DONE &&
            p + half.used > part)
            abort();
        if (half.used) {
            check_row(&half);
            p += half.used;
            peri_row_free(&half);
            continue;
        }
        peri_row_free(&half);
        if (peri_row_cut(d, p, end, true, &row)) break;
        if (!row.used || !row.n) abort();
        (void)peri_row_is_rule(row.cells, row.n);
        check_row(&row);
        for (size_t i = 0; i < row.n; i++)
            peri_custom_take(&custom, &row.cells[i], false);
        p += row.used;
    }
    peri_row_free(&row);
}

static int on_member(void *arg, const char *key, size_t n, const peri_cell_t *value)
{
    (void)arg;
    if (key < low || key + n > high || !peri_utf8_valid(key, n)) abort();
    check(value);
    return 0;
}

/* The lines as those of # above rows. */
static void name_columns(const uint8_t *data, size_t size)
{
    static const peri_dialect_t blanks = {.delimiter = ' '};
    peri_arena_t *a = peri_arena_new();
    const peri_topline_t *top = NULL;
    const peri_ecsv_t *notes = NULL;
    for (size_t at = 0, n; at < size; at += n + 1) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        n = end ? (size_t)(end - data) - at : size - at;
        peri_topline_t *line = peri_arena_calloc(a, 1, sizeof(*line));
        *line = (peri_topline_t){peri_arena_strndup(a, (const char *)data + at, n), top};
        top = line;
        notes = peri_ecsv_note(a, notes, line->text);
    }
    for (size_t n = 1; n < 5; n++) {
        const peri_topname_t *names = peri_topnames(a, top, &blanks, n);
        for (size_t i = 0; names && i < n; i++)
            if (!names[i].name || !names[i].unit || !names[i].description) abort();
    }
    if (notes) peri_ecsv_guess(notes, &guess);
    peri_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const peri_dialect_t dialects[] = {{.delimiter = ','},
                                              {.delimiter = '\t', .escapes = true},
                                              {.delimiter = ' '},
                                              {.delimiter = '|', .framed = true}};
    char *text = malloc(size + 1);
    const char *why;
    if (!text) return 0;
    low = text;
    high = text + size;
    utf8 = peri_utf8_valid((const char *)data, size);
    peri_guess_init(&guess);
    peri_custom_init(&custom);
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        memcpy(text, data, size);
        cut_rows(&dialects[i], text, text + size);
    }
    memcpy(text, data, size);
    peri_row_delimiter(text, size, size & 1, size & 2);
    if (memcmp(text, data, size)) abort();
    peri_buf_t quoted;
    peri_buf_init(&quoted, 4 * size + 16);
    peri_json_quote_long(text, size, &quoted);
    if (quoted.failed || quoted.len < size) abort();
    peri_buf_free(&quoted);
    size_t n = peri_json_extent(text, size);
    if (n > size) abort();
    if (peri_utf8_valid(text, size)) peri_json_members(text, size, on_member, NULL, &why);
    name_columns(data, size);
    peri_custom_settle(&custom);
    duckdb_logical_type t = peri_guess_type(&guess);
    duckdb_destroy_logical_type(&t);
    free(text);
    return 0;
}
