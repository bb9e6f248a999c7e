/* rows.c - see rows.h. */
#include "core/import/rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define LOOK_ROWS ((size_t)200)

void peri_row_free(peri_row_t *row)
{
    free(row->cells);
    memset(row, 0, sizeof(*row));
}

static bool add_cell(peri_row_t *row, const char *p, const char *end,
                     peri_cellkind_t kind)
{
    if (row->n == row->cap) {
        if (row->n >= PERI_IMPORT_COLUMNS_MAX) return false;
        row->cap = row->cap ? 2 * row->cap : 32;
        row->cells = peri_xrealloc(row->cells, row->cap, sizeof(*row->cells));
    }
    row->cells[row->n++] = (peri_cell_t){p, (size_t)(end - p), kind};
    return true;
}

/* Is it a line's end? Its length, 0, or -1 if more bytes must tell. */
static int line_end(const char *p, const char *end, bool last)
{
    if (*p == '\n') return 1;
    if (*p != '\r') return 0;
    if (p + 1 == end) return last ? 1 : -1;
    return p[1] == '\n' ? 2 : 1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_cell(const peri_dialect_t *d, char c)
{
    return c == d->delimiter || c == '\n' || c == '\r' ||
           (d->delimiter == ' ' && c == '\t');
}

/* ---- in place, once the row is whole ---- */

/* The cell ends at `to`. What is left behind it may begin within a character, and the
 * row's bytes are looked at as a whole. */
static void end_cell(peri_cell_t *cell, char *to)
{
    size_t n = (size_t)(to - cell->p);
    memset(to, ' ', cell->n - n);
    cell->n = n;
}

static void open_quotes(peri_cell_t *cell)
{
    char *p = (char *)cell->p, *end = p + cell->n, *to = memchr(p, '"', cell->n);
    if (!to) return;
    for (p = to; p < end; p++) {
        *to++ = *p;
        if (*p == '"') p++; /* its double */
    }
    end_cell(cell, to);
}

static void open_escapes(peri_cell_t *cell)
{
    if (cell->n == 2 && !memcmp(cell->p, "\"\"", 2)) { /* the only quotes there are */
        cell->kind = PERI_CELL_QUOTED;
        cell->n = 0;
        return;
    }
    char *p = (char *)cell->p, *end = p + cell->n, *to = memchr(p, '\\', cell->n);
    if (!to) return;
    if (cell->n == 2 && p[1] == 'N') {
        cell->kind = PERI_CELL_NULL;
        return;
    }
    for (p = to; p < end; p++) {
        bool escape =
            *p == '\\' && p + 1 < end &&
            (p[1] == 't' || p[1] == 'n' || p[1] == 'r' || p[1] == '\\' || p[1] == '"');
        if (!escape) {
            *to++ = *p;
            continue;
        }
        *to++ = p[1] == 't' ? '\t' : p[1] == 'n' ? '\n' : p[1] == 'r' ? '\r' : p[1];
        p++;
    }
    end_cell(cell, to);
}

/* | a | b |: without what is before and behind it, and without the blanks. */
static void take_frame(peri_row_t *row)
{
    if (row->n < 3 || row->cells[0].kind != PERI_CELL_NULL) return;
    row->n -= 2;
    memmove(row->cells, row->cells + 1, row->n * sizeof(*row->cells));
    for (size_t i = 0; i < row->n; i++) {
        peri_cell_t *c = &row->cells[i];
        if (c->kind != PERI_CELL_BARE) continue;
        while (c->n && *c->p == ' ') c->p++, c->n--;
        while (c->n && c->p[c->n - 1] == ' ') c->n--;
        if (!c->n) c->kind = PERI_CELL_NULL;
    }
}

/* ---- cutting ---- */

typedef struct {
    char *p, *end;
    bool last;
} text_t;

/* The quoted cell at t->p, which is moved behind its closing quote. */
static peri_rowend_t take_quoted(text_t *t, peri_row_t *row)
{
    char *first = ++t->p;
    for (;; t->p += 2) {
        char *quote = memchr(t->p, '"', (size_t)(t->end - t->p));
        if (!quote) return t->last ? PERI_ROW_UNCLOSED : PERI_ROW_MORE;
        t->p = quote;
        if (quote + 1 == t->end && !t->last) return PERI_ROW_MORE;
        if (quote + 1 == t->end || quote[1] != '"') break;
    }
    for (const char *q = first; q < t->p; q++)
        row->newlines += *q == '\n' || (*q == '\r' && q[1] != '\n');
    if (!add_cell(row, first, t->p, PERI_CELL_QUOTED)) return PERI_ROW_WIDE;
    t->p++;
    return PERI_ROW_DONE;
}

static peri_rowend_t take_bare(const peri_dialect_t *d, text_t *t, peri_row_t *row)
{
    char *first = t->p;
    while (t->p < t->end && !ends_cell(d, *t->p)) t->p++;
    if (t->p == t->end && !t->last) return PERI_ROW_MORE;
    peri_cellkind_t kind = t->p == first ? PERI_CELL_NULL : PERI_CELL_BARE;
    return add_cell(row, first, t->p, kind) ? PERI_ROW_DONE : PERI_ROW_WIDE;
}

static peri_rowend_t take_cell(const peri_dialect_t *d, text_t *t, peri_row_t *row)
{
    char *q = t->p;
    while (q < t->end && *q == ' ') q++;
    if (q == t->end && !t->last) return PERI_ROW_MORE;
    if (d->escapes || q == t->end || *q != '"') return take_bare(d, t, row);
    t->p = q; /* blanks before a quote are no text */
    return take_quoted(t, row);
}

static void skip_blanks(text_t *t)
{
    while (t->p < t->end && is_blank(*t->p)) t->p++;
}

static peri_rowend_t cut(const peri_dialect_t *d, char *p, char *end, bool last,
                         peri_row_t *row)
{
    text_t t = {p, end, last};
    bool blanks = d->delimiter == ' ';
    row->n = 0;
    row->newlines = 1;
    for (;;) {
        if (blanks) skip_blanks(&t);
        peri_rowend_t rc = take_cell(d, &t, row);
        if (rc) return rc;
        if (blanks || row->cells[row->n - 1].kind == PERI_CELL_QUOTED)
            while (t.p < t.end && (*t.p == ' ' || (blanks && *t.p == '\t'))) t.p++;
        if (t.p == end) {
            if (!last) return PERI_ROW_MORE;
            break;
        }
        int n = line_end(t.p, end, last);
        if (n < 0) return PERI_ROW_MORE;
        if (n) {
            t.p += n;
            break;
        }
        if (blanks) {
            if (!is_blank(t.p[-1])) return PERI_ROW_BEHIND;
        } else if (*t.p++ != d->delimiter) {
            return PERI_ROW_BEHIND;
        }
    }
    row->used = (size_t)(t.p - p);
    row->blank = row->n == 1 && row->cells[0].kind == PERI_CELL_NULL;
    return PERI_ROW_DONE;
}

peri_rowend_t peri_row_cut(const peri_dialect_t *d, char *p, char *end, bool last,
                           peri_row_t *row)
{
    peri_rowend_t rc = cut(d, p, end, last, row);
    if (rc) return rc;
    if (d->escapes && (memchr(p, '\\', row->used) || memchr(p, '"', row->used)))
        for (size_t i = 0; i < row->n; i++) open_escapes(&row->cells[i]);
    if (!d->escapes)
        for (size_t i = 0; i < row->n; i++)
            if (row->cells[i].kind == PERI_CELL_QUOTED) open_quotes(&row->cells[i]);
    /* Between blanks there is no other way to leave out a value. */
    for (size_t i = 0; d->delimiter == ' ' && i < row->n; i++)
        if (!row->cells[i].n) row->cells[i].kind = PERI_CELL_NULL;
    if (d->framed) take_frame(row);
    return PERI_ROW_DONE;
}

/* ---- the delimiter ---- */

typedef struct {
    size_t rows, first, same, numbers, cells;
} shape_t;

/* How the first rows look with this delimiter. */
static shape_t look(char delimiter, char *p, size_t n, bool all)
{
    peri_dialect_t d = {.delimiter = delimiter};
    peri_row_t row = {0};
    shape_t s = {0};
    char *end = p + n;
    while (p < end && s.rows < LOOK_ROWS && !cut(&d, p, end, all, &row)) {
        p += row.used;
        if (row.blank || (row.cells[0].kind == PERI_CELL_BARE && row.cells[0].n &&
                          *row.cells[0].p == '#'))
            continue;
        if (!s.rows) s.first = row.n;
        s.same += row.n == s.first;
        for (size_t i = 0; s.rows && i < row.n; i++) {
            bool fraction;
            s.cells++;
            s.numbers += peri_guess_text(row.cells[i].p, row.cells[i].n, &fraction) != 0;
        }
        s.rows++;
    }
    peri_row_free(&row);
    return s;
}

/* The one by which all rows have the same number of cells, more than one; then the one by
 * which most have what the first has. A comma in doubt. */
char peri_row_delimiter(const char *p, size_t n, bool all, bool blanks)
{
    static const char candidates[] = {',', '\t', ';', '|'};
    char best = ',', nearly = 0;
    size_t cells = 1;
    char *text = (char *)p; /* cut, but not opened up */
    for (size_t i = 0; i < sizeof(candidates); i++) {
        shape_t s = look(candidates[i], text, n, all);
        if (s.first < 2) continue;
        if (s.same == s.rows && s.first > cells) {
            best = candidates[i];
            cells = s.first;
        } else if (!nearly && s.same * 2 > s.rows) {
            nearly = candidates[i];
        }
    }
    if (cells > 1) return best;
    if (blanks) {
        shape_t s = look(' ', text, n, all);
        if (s.first > 1 && s.same == s.rows && 2 * s.numbers >= s.cells) return ' ';
        if (!nearly && s.first > 1 && s.same * 2 > s.rows && 2 * s.numbers >= s.cells)
            return ' ';
    }
    return nearly ? nearly : ',';
}
