/* table.c - a result for people: names, types, units and values in columns.
 *
 * Keeps the first and the last half of opts.max_rows rows as finished text and lays them
 * out at the end, so that columns are as wide as what is shown. Whatever the values hold,
 * only printable characters and our own dimming reach the terminal.
 */
#include <ctype.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "core/base/util.h"
#include "core/out/format.h"
#include "core/out/tablefit.h"
#include "core/out/text.h"

#define DEFAULT_ROWS ((size_t)40)
#define ROWS_MAX     ((size_t)100000)
#define CELL_MAX     ((size_t)512) /* characters of a value that are kept */
#define TYPE_MAX     ((size_t)24)  /* long type names do not widen a column beyond this */

typedef struct {
    char *text; /* printable UTF-8, or ASCII */
    size_t width;
    bool null;
} cell_t;

typedef struct {
    size_t head_max, tail_max;
    cell_t *head, *tail; /* rows of ncols cells; tail is a ring, by row number */
    cell_t *titles;      /* name, type, unit: 3 rows */
    bool has_unit;
    bool dim;
    locale_t utf8_locale; /* for wcwidth, whatever the program's locale */
    peri_buf_t value, clean;
} table_t;

/* ---- cells ---- */

/* Direction marks could reorder what stands around them. */
static bool is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
           (c >= 0xe0000 && c < 0xe1000);
}

static size_t put_escape(peri_buf_t *b, uint32_t c)
{
    size_t before = b->len;
    if (c == '\n' || c == '\t' || c == '\r')
        peri_buf_printf(b, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    else
        peri_buf_printf(b, c < 0x80 ? "\\x%02x" : c > 0xffff ? "\\U%08x" : "\\u%04x", c);
    return b->len - before;
}

static cell_t make_cell(peri_writer_t *w, const char *s, size_t n)
{
    table_t *t = w->state;
    locale_t old = uselocale(t->utf8_locale);
    const char *end = s + n;
    size_t width = 0;
    peri_buf_clear(&t->clean);
    while (s < end && width < CELL_MAX) {
        uint32_t c = peri_text_next(&s, end);
        int cw = c < 0x80 ? 1 : wcwidth((wchar_t)c);
        if (is_harmful(c) || cw < 0 || (c >= 0x80 && !w->opts.utf8)) {
            width += put_escape(&t->clean, c);
        } else {
            peri_text_put(&t->clean, c);
            width += (size_t)cw;
        }
    }
    uselocale(old);
    return (cell_t){peri_xstrdup(t->clean.data ? t->clean.data : ""), width, false};
}

static cell_t make_value(peri_writer_t *w, const peri_field_t *f, idx_t row)
{
    table_t *t = w->state;
    if (peri_field_is_null(f, row)) return (cell_t){peri_xstrdup("NULL"), 4, true};
    if (f->type == DUCKDB_TYPE_VARCHAR) {
        size_t n;
        const char *s = peri_field_bytes(f, row, &n);
        return make_cell(w, s, n);
    }
    peri_buf_clear(&t->value);
    peri_field_text(f, row, PERI_STYLE_SQL, &t->value);
    return make_cell(w, t->value.data ? t->value.data : "", t->value.len);
}

static void free_cells(cell_t *c, size_t n)
{
    for (size_t i = 0; c && i < n; i++) free(c[i].text);
    free(c);
}

static int table_open(peri_writer_t *w, peri_err_t *err)
{
    (void)err;
    table_t *t = peri_xcalloc(1, sizeof(*t));
    w->state = t;
    size_t max = w->opts.max_rows ? w->opts.max_rows : DEFAULT_ROWS;
    if (max > ROWS_MAX) max = ROWS_MAX;
    t->tail_max = max / 2;
    t->head_max = max - t->tail_max;
    t->head = peri_xcalloc(t->head_max * w->ncols, sizeof(cell_t));
    t->tail = peri_xcalloc((t->tail_max ? t->tail_max : 1) * w->ncols, sizeof(cell_t));
    t->titles = peri_xcalloc(3 * w->ncols, sizeof(cell_t));
    t->utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    if (!t->utf8_locale) t->utf8_locale = newlocale(LC_CTYPE_MASK, "C", NULL);
    t->dim =
        w->opts.utf8 && w->stream && isatty(fileno(w->stream)) && !getenv("NO_COLOR");
    peri_buf_init(&t->value, w->text.max);
    peri_buf_init(&t->clean, w->text.max);
    for (size_t c = 0; c < w->ncols; c++) {
        const peri_outcol_t *col = &w->cols[c];
        peri_buf_clear(&t->value);
        peri_field_type_name(&w->fields[c], &t->value);
        for (size_t i = 0; i < t->value.len; i++)
            t->value.data[i] = (char)tolower((unsigned char)t->value.data[i]);
        t->titles[c] = make_cell(w, col->name, strlen(col->name));
        t->titles[w->ncols + c] = make_cell(w, t->value.data, t->value.len);
        t->titles[2 * w->ncols + c] = make_cell(w, col->unit, strlen(col->unit));
        t->has_unit = t->has_unit || *col->unit;
    }
    return 0;
}

static int table_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n,
                       peri_err_t *err)
{
    (void)chunk;
    (void)err;
    table_t *t = w->state;
    for (idx_t row = 0; row < n; row++) {
        uint64_t r = w->rows + row;
        cell_t *cells;
        if (r < t->head_max) {
            cells = t->head + r * w->ncols;
        } else {
            if (n - row > t->tail_max) continue; /* later rows push this one out */
            cells = t->tail + (r - t->head_max) % t->tail_max * w->ncols;
        }
        for (size_t c = 0; c < w->ncols; c++) {
            free(cells[c].text);
            cells[c] = make_value(w, &w->fields[c], row);
        }
    }
    return 0;
}

/* ---- layout ---- */

typedef struct {
    const char *left, *middle, *right; /* of a line of cells */
    const char *dash, *cross;          /* of the rule under the titles */
    const char *mark;                  /* for what is left out */
    const char *top[3], *rule[3], *bottom[3];
    size_t frame, edge;
} look_t;

static const look_t look_utf8 = {"│ ",
                                 " │ ",
                                 " │",
                                 "─",
                                 "",
                                 "…",
                                 {"┌─", "─┬─", "─┐"},
                                 {"├─", "─┼─", "─┤"},
                                 {"└─", "─┴─", "─┘"},
                                 3,
                                 1};
static const look_t look_ascii = {" ",
                                  " | ",
                                  "",
                                  "-",
                                  "",
                                  "..",
                                  {NULL, NULL, NULL},
                                  {"-", "-+-", "-"},
                                  {NULL, NULL, NULL},
                                  3,
                                  0};

typedef struct {
    peri_writer_t *w;
    const look_t *look;
    peri_fit_t *cols;
    size_t gap; /* the left-out columns stand before this shown one; SIZE_MAX: none */
} layout_t;

static void put_spaces(peri_buf_t *b, size_t n)
{
    while (n-- > 0) peri_buf_putc(b, ' ');
}

/* As many characters of the cell as fit, then the mark; padded. */
static void put_cell(const layout_t *l, const cell_t *cell, size_t width, bool right,
                     bool dim)
{
    peri_buf_t *b = &l->w->text;
    table_t *t = l->w->state;
    size_t used = cell->width;
    if (right && used < width) put_spaces(b, width - used);
    if (dim && t->dim) peri_buf_puts(b, "\x1b[2m");
    if (used <= width) {
        peri_buf_puts(b, cell->text);
    } else {
        size_t mark = l->w->opts.utf8 ? 1 : width > 1 ? 2 : 1;
        const char *s = cell->text, *end = s + strlen(s);
        locale_t old = uselocale(t->utf8_locale);
        used = 0;
        while (s < end) {
            const char *next = s;
            uint32_t c = peri_text_next(&next, end);
            int cw = c < 0x80 ? 1 : wcwidth((wchar_t)c);
            if (used + (size_t)(cw < 0 ? 0 : cw) + mark > width) break;
            peri_buf_append(b, s, (size_t)(next - s));
            used += (size_t)(cw < 0 ? 0 : cw);
            s = next;
        }
        uselocale(old);
        peri_buf_append(b, l->look->mark, l->w->opts.utf8 ? strlen(l->look->mark) : mark);
        used += mark;
    }
    if (dim && t->dim) peri_buf_puts(b, "\x1b[0m");
    if (!right && used < width) put_spaces(b, width - used);
}

/* One line of cells; cells NULL: a line of marks for rows left out. */
static void put_line(const layout_t *l, const cell_t *cells, bool dim)
{
    peri_buf_t *b = &l->w->text;
    cell_t mark = {(char *)l->look->mark, l->w->opts.utf8 ? 1 : 2, false};
    bool first = true;
    peri_buf_puts(b, l->look->left);
    for (size_t c = 0; c < l->w->ncols; c++) {
        if (c == l->gap) {
            peri_buf_puts(b, first ? "" : l->look->middle);
            put_cell(l, &mark, 1, false, true);
            first = false;
        }
        if (!l->cols[c].shown) continue;
        peri_buf_puts(b, first ? "" : l->look->middle);
        const cell_t *cell = cells ? &cells[c] : &mark;
        put_cell(l, cell, l->cols[c].width, peri_field_is_number(&l->w->fields[c]),
                 dim || cell->null);
        first = false;
    }
    peri_buf_puts(b, l->look->right);
    while (!l->w->opts.utf8 && b->len && b->data[b->len - 1] == ' ') b->len--;
    peri_buf_putc(b, '\n');
}

static void put_rule(const layout_t *l, const char *const part[3])
{
    peri_buf_t *b = &l->w->text;
    bool first = true;
    if (!part[0]) return;
    peri_buf_puts(b, part[0]);
    for (size_t c = 0; c < l->w->ncols; c++) {
        if (c == l->gap) {
            peri_buf_puts(b, first ? "" : part[1]);
            peri_buf_puts(b, l->look->dash);
            first = false;
        }
        if (!l->cols[c].shown) continue;
        peri_buf_puts(b, first ? "" : part[1]);
        for (size_t i = 0; i < l->cols[c].width; i++) peri_buf_puts(b, l->look->dash);
        first = false;
    }
    peri_buf_puts(b, part[2]);
    peri_buf_putc(b, '\n');
}

static void put_footer(peri_writer_t *w, uint64_t rows_shown, size_t cols_shown)
{
    char n[32], m[32];
    peri_buf_printf(&w->text, "%s row%s", peri_human_count(w->rows, n),
                    w->rows == 1 ? "" : "s");
    if (rows_shown < w->rows)
        peri_buf_printf(&w->text, " (%s shown)", peri_human_count(rows_shown, m));
    if (cols_shown < w->ncols)
        peri_buf_printf(&w->text, ", %s columns (%s shown)",
                        peri_human_count(w->ncols, n), peri_human_count(cols_shown, m));
    if (w->cut) peri_buf_printf(&w->text, "; cut: there are more (limit of %s)", w->cut);
    peri_buf_putc(&w->text, '\n');
}

static void measure(const peri_writer_t *w, peri_fit_t *cols, const cell_t *cells,
                    size_t rows, size_t max)
{
    for (size_t i = 0; i < rows * w->ncols; i++) {
        peri_fit_t *c = &cols[i % w->ncols];
        size_t width = cells[i].width < max ? cells[i].width : max;
        if (width > c->natural) c->natural = width;
    }
}

static int table_close(peri_writer_t *w, peri_err_t *err)
{
    table_t *t = w->state;
    size_t nc = w->ncols;
    uint64_t head = w->rows < t->head_max ? w->rows : t->head_max;
    uint64_t tail = w->rows - head < t->tail_max ? w->rows - head : t->tail_max;
    layout_t l = {w, w->opts.utf8 ? &look_utf8 : &look_ascii,
                  peri_xcalloc(nc, sizeof(peri_fit_t)), SIZE_MAX};

    for (size_t c = 0; c < nc; c++) l.cols[c].text = !peri_field_is_plain(&w->fields[c]);
    measure(w, l.cols, t->titles, 1, CELL_MAX);
    measure(w, l.cols, t->titles + nc, 2, TYPE_MAX);
    measure(w, l.cols, t->head, head, CELL_MAX);
    measure(w, l.cols, t->tail, tail, CELL_MAX);
    for (size_t c = 0; c < nc; c++)
        if (!l.cols[c].natural) l.cols[c].natural = 1;
    size_t shown = peri_table_fit(l.cols, nc, l.look->frame, l.look->edge, w->opts.width);
    for (size_t c = nc; shown < nc && c-- > 0;)
        if (!l.cols[c].shown) l.gap = c;

    put_rule(&l, l.look->top);
    put_line(&l, t->titles, false);
    put_line(&l, t->titles + nc, true);
    if (t->has_unit) put_line(&l, t->titles + 2 * nc, true);
    put_rule(&l, l.look->rule);
    for (uint64_t r = 0; r < head; r++) put_line(&l, t->head + r * nc, false);
    if (head + tail < w->rows) put_line(&l, NULL, true);
    for (uint64_t r = w->rows - tail; r < w->rows; r++)
        put_line(&l, t->tail + (r - t->head_max) % t->tail_max * nc, false);
    put_rule(&l, l.look->bottom);
    put_footer(w, head + tail, shown);
    free(l.cols);
    return peri_buf_check(&w->text, "the table", err);
}

static void table_free(peri_writer_t *w)
{
    table_t *t = w->state;
    if (!t) return;
    free_cells(t->head, t->head_max * w->ncols);
    free_cells(t->tail, (t->tail_max ? t->tail_max : 1) * w->ncols);
    free_cells(t->titles, 3 * w->ncols);
    if (t->utf8_locale) freelocale(t->utf8_locale);
    peri_buf_free(&t->value);
    peri_buf_free(&t->clean);
    free(t);
}

const peri_ops_t peri_ops_table = {.name = "table",
                                   .endings = " .txt ",
                                   .open = table_open,
                                   .chunk = table_chunk,
                                   .close = table_close,
                                   .free = table_free};
