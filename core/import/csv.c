/* csv.c - delimited text: csv (quotes, as RFC 4180 and core/out write it), tsv (backslash
 * escapes) and tables of astronomers (columns between blanks, lines of # on top).
 *
 * The whole file is read twice: once to find the types, once for the rows. An empty cell
 * is NULL and "" an empty text, as core/out/delimited.c writes them.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/import/ecsv.h"
#include "core/import/input.h"
#include "core/import/rows.h"

#define LOOK_BYTES ((size_t)256 << 10)

typedef struct {
    peri_input_t *in;
    peri_dialect_t dialect;
    bool ended;
    bool header;   /* the first row is names */
    size_t ncols;  /* 0: not known yet */
    uint64_t line; /* of the row in hand */
    uint64_t next_line;
    peri_row_t row;
    peri_row_t head; /* the first row; its texts in the arena */
    uint64_t head_line;
    char *comment;                 /* the last line of # before the rows; arena */
    const peri_ecsv_t *notes;      /* what such lines say of columns */
    peri_guess_t *guesses, *first; /* of the other rows; of the first one */
    uint64_t nrows;
    peri_cells_t *cells;
} csv_t;

/* ---- rows ---- */

static int fail_row(const peri_reader_t *r, peri_rowend_t end, peri_err_t *err)
{
    const csv_t *s = r->state;
    const char *what = end == PERI_ROW_UNCLOSED ? "a quote that opens there is not closed"
                                                : "there is text behind a closing quote";
    if (end == PERI_ROW_WIDE)
        return peri_err_set(err, PERI_ELIMIT, "line %llu of %s has more than %d cells",
                            (unsigned long long)s->line, r->name,
                            PERI_IMPORT_COLUMNS_MAX);
    return peri_err_set(err, PERI_EFORMAT, "line %llu of %s: %s",
                        (unsigned long long)s->line, r->name, what);
}

static int fail_count(const peri_reader_t *r, peri_err_t *err)
{
    const csv_t *s = r->state;
    static const struct {
        char c;
        const char *name;
    } names[] = {{',', "commas"},
                 {'\t', "tabs"},
                 {';', "semicolons"},
                 {'|', "bars"},
                 {' ', "blanks"}};
    const char *name = "";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].c == s->dialect.delimiter) name = names[i].name;
    return peri_err_set(err, PERI_EFORMAT,
                        "line %llu of %s has %zu cell%s (between %s) where line %llu has "
                        "%zu",
                        (unsigned long long)s->line, r->name, s->row.n,
                        s->row.n == 1 ? "" : "s", name, (unsigned long long)s->head_line,
                        s->ncols);
}

/* Rows that are none: blank ones (of one column they are NULL), comments. */
static bool is_no_row(const csv_t *s)
{
    if (s->row.blank) return s->ncols != 1;
    return s->dialect.delimiter == ' ' && s->row.cells[0].kind == PERI_CELL_BARE &&
           s->row.cells[0].p[0] == '#';
}

/* The next row into s->row, whose texts stay until the one after it. 1, 0 at the end. */
static int next_row(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    for (;;) {
        size_t n;
        char *p = peri_input_at(s->in, &n);
        peri_rowend_t end =
            n ? peri_row_cut(&s->dialect, p, p + n, s->ended, &s->row) : PERI_ROW_MORE;
        if (end == PERI_ROW_MORE) {
            if (!n && s->ended) return 0;
            int more = peri_input_more(s->in, err);
            if (more < 0) return -1;
            s->ended = more == 0;
            continue;
        }
        s->line = s->next_line;
        if (end) return fail_row(r, end, err);
        s->next_line += s->row.newlines;
        peri_input_skip(s->in, s->row.used);
        if (is_no_row(s)) continue;
        if (s->ncols && s->row.n != s->ncols) return fail_count(r, err);
        const peri_cell_t *first = s->row.cells, *last = first + s->row.n - 1;
        size_t len = (size_t)(last->p + last->n - first->p);
        return peri_cells_check(r, first->p, len, s->line, err) ? -1 : 1;
    }
}

static void take_nulls(const peri_reader_t *r)
{
    csv_t *s = r->state;
    for (size_t c = 0; c < s->row.n; c++)
        for (size_t i = 0; i < r->opts->nnulls; i++) {
            const char *word = r->opts->nulls[i];
            if (s->row.cells[c].n == strlen(word) &&
                s->row.cells[c].kind == PERI_CELL_BARE &&
                !memcmp(s->row.cells[c].p, word, s->row.cells[c].n))
                s->row.cells[c].kind = PERI_CELL_NULL;
        }
}

/* ---- what comes before the rows ---- */

/* A window of some size, or all. */
static int fill_window(csv_t *s, size_t want, size_t *n, char **p, peri_err_t *err)
{
    for (;;) {
        *p = peri_input_at(s->in, n);
        if (*n >= want || s->ended) return 0;
        int more = peri_input_more(s->in, err);
        if (more < 0) return -1;
        s->ended = more == 0;
    }
}

static int skip_mark(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    char *p;
    size_t n;
    if (fill_window(s, 3, &n, &p, err)) return -1;
    if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) peri_input_skip(s->in, 3);
    if (n >= 2 && (!memcmp(p, "\xff\xfe", 2) || !memcmp(p, "\xfe\xff", 2)))
        return peri_err_set(err, PERI_EFORMAT,
                            "%s is UTF-16: convert it, for example with iconv -f utf-16 "
                            "-t utf-8",
                            r->name);
    return 0;
}

/* Lines of # on top; the last one is kept, it may hold the names. */
static int skip_comments(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    size_t want = LOOK_BYTES;
    for (;;) {
        char *p;
        size_t n;
        if (fill_window(s, want, &n, &p, err)) return -1;
        if (!n || *p != '#') return 0;
        size_t k = 0;
        while (k < n && p[k] != '\n' && p[k] != '\r') k++;
        if (k == n && !s->ended) {
            want = 2 * n;
            continue;
        }
        s->comment = peri_arena_strndup(r->arena, p + 1, k - 1);
        if (peri_cells_check(r, s->comment, k - 1, s->next_line, err)) return -1;
        if (!s->ncols) s->notes = peri_ecsv_note(r->arena, s->notes, s->comment);
        if (k + 1 < n && p[k] == '\r' && p[k + 1] == '\n') k++;
        peri_input_skip(s->in, k < n ? k + 1 : n);
        s->next_line++;
    }
}

static int to_first_line(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    s->ended = false;
    s->next_line = 1;
    if (peri_input_rewind(s->in, err)) return -1;
    return skip_mark(r, err) || skip_comments(r, err) ? -1 : 0;
}

/* ---- names and types ---- */

static void keep_head(peri_reader_t *r)
{
    csv_t *s = r->state;
    s->ncols = s->row.n;
    s->head_line = s->line;
    s->guesses = peri_arena_calloc(r->arena, s->ncols, sizeof(*s->guesses));
    s->first = peri_arena_calloc(r->arena, s->ncols, sizeof(*s->first));
    s->head.n = s->ncols;
    s->head.cells = peri_arena_calloc(r->arena, s->ncols, sizeof(*s->head.cells));
    for (size_t c = 0; c < s->ncols; c++) {
        peri_cell_t *cell = &s->head.cells[c];
        *cell = s->row.cells[c];
        cell->p = peri_arena_strndup(r->arena, cell->p, cell->n);
        peri_guess_init(&s->guesses[c]);
        peri_guess_init(&s->first[c]);
        peri_guess_look(&s->first[c], cell);
    }
}

static int look_at_rows(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    for (;;) {
        int rc = next_row(r, err);
        if (rc <= 0) return rc;
        const peri_cell_t *cells = s->row.cells;
        take_nulls(r);
        if (!s->ncols) {
            keep_head(r);
            continue;
        }
        for (size_t c = 0; c < s->ncols; c++) peri_guess_look(&s->guesses[c], &cells[c]);
        s->nrows++;
        atomic_store(&r->done, peri_input_taken(s->in));
        if (peri_reader_tick(r, err)) return -1;
    }
}

static bool is_text(const peri_guess_t *g)
{
    return g->any && !g->can;
}

/* Is the first row names? Yes if it has a text where the rest of a column has none; or if
 * there are only texts in the file. */
static bool head_is_names(const csv_t *s)
{
    bool texts = true, one = false;
    for (size_t c = 0; c < s->ncols; c++) {
        bool named = is_text(&s->first[c]);
        if (named && s->guesses[c].any && s->guesses[c].can) return true;
        if (s->first[c].any && !named) texts = false;
        one |= named;
    }
    return texts && one;
}

/* "mass [Msun]" -> mass and Msun. */
static const char *split_unit(peri_arena_t *a, char *name)
{
    size_t n = strlen(name);
    char *open = strrchr(name, '[');
    if (!open || open == name || !n || name[n - 1] != ']') return "";
    const char *unit = peri_arena_strndup(a, open + 1, (size_t)(name + n - 1 - open - 1));
    while (open > name && open[-1] == ' ') open--;
    if (open == name) return "";
    *open = '\0';
    return unit;
}

static char *trimmed(peri_arena_t *a, const char *p, size_t n)
{
    while (n && (*p == ' ' || *p == '\t')) p++, n--;
    while (n && (p[n - 1] == ' ' || p[n - 1] == '\t')) n--;
    return peri_arena_strndup(a, p, n);
}

/* The names in the comment before the rows, if there are as many as columns. */
static bool names_in_comment(peri_reader_t *r, peri_row_t *row)
{
    csv_t *s = r->state;
    if (!s->comment) return false;
    char *p = trimmed(r->arena, s->comment, strlen(s->comment));
    while (*p == '#' || *p == ' ') p++;
    size_t n = strlen(p);
    return n && !peri_row_cut(&s->dialect, p, p + n, true, row) && row->n == s->ncols;
}

static int add_columns(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    peri_row_t row = {0};
    bool said = r->opts->header_said;
    s->header = said ? r->opts->header : head_is_names(s);
    bool comment = !s->header && !said && names_in_comment(r, &row);
    int rc = 0;
    for (size_t c = 0; rc == 0 && c < s->ncols; c++) {
        const peri_cell_t *cell = comment     ? &row.cells[c]
                                  : s->header ? &s->head.cells[c]
                                              : &(peri_cell_t){"", 0, PERI_CELL_NULL};
        char *name = trimmed(r->arena, cell->p, cell->n);
        const peri_ecsv_t *note = peri_ecsv_find(s->notes, name);
        const char *unit = note ? note->unit : split_unit(r->arena, name);
        if (!s->header) peri_guess_join(&s->guesses[c], &s->first[c]);
        rc = peri_cells_column(r, name, unit, note ? note->description : "",
                               &s->guesses[c], err);
    }
    peri_row_free(&row);
    return rc;
}

static int csv_open(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = peri_arena_calloc(r->arena, 1, sizeof(*s));
    r->state = s;
    s->in = peri_input_new(r->fd, r->name, err);
    if (!s->in || to_first_line(r, err)) return -1;
    atomic_store(&r->all, r->size);
    s->dialect.escapes = r->ops == &peri_read_tsv;
    s->dialect.delimiter = '\t';
    if (!s->dialect.escapes) {
        char *p;
        size_t n, named = strlen(r->name);
        if (fill_window(s, LOOK_BYTES, &n, &p, err)) return -1;
        bool csv = named > 4 && !strcasecmp(r->name + named - 4, ".csv");
        s->dialect.delimiter = peri_row_delimiter(p, n, s->ended, !csv);
        s->dialect.framed = s->dialect.delimiter == '|' && n && *p == '|';
    }
    if (look_at_rows(r, err)) return -1;
    if (!s->ncols)
        return peri_err_set(err, PERI_EFORMAT, "%s has no rows, and no names of columns",
                            r->name);
    if (add_columns(r, err)) return -1;
    s->cells = peri_cells_new(r);
    return 0;
}

static int csv_start(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    if (to_first_line(r, err)) return -1;
    return s->header && next_row(r, err) < 0 ? -1 : 0;
}

static int csv_next(peri_reader_t *r, duckdb_data_chunk out, peri_err_t *err)
{
    csv_t *s = r->state;
    idx_t n = 0;
    peri_cells_bind(s->cells, out);
    for (; n < peri_reader_room(); n++) {
        int rc = next_row(r, err);
        if (rc < 0) return -1;
        if (rc == 0) break;
        take_nulls(r);
        r->lines[n] = s->line;
        if (peri_cells_put(s->cells, n, s->row.cells, s->line, err)) return -1;
    }
    duckdb_data_chunk_set_size(out, n);
    atomic_store(&r->done, peri_input_taken(s->in));
    return 0;
}

static void csv_free(peri_reader_t *r)
{
    csv_t *s = r->state;
    if (!s) return;
    peri_input_free(s->in);
    peri_row_free(&s->row);
    peri_cells_free(s->cells);
}

/* Any text that is nothing else. */
static bool csv_sniff(const unsigned char *head, size_t n)
{
    return !memchr(head, 0, n);
}

const peri_readops_t peri_read_csv = {.name = "csv",
                                      .endings = " .csv .txt .dat .asc .ascii .ecsv ",
                                      .sniff = csv_sniff,
                                      .text = true,
                                      .lines = true,
                                      .unpacks = true,
                                      .open = csv_open,
                                      .start = csv_start,
                                      .next = csv_next,
                                      .free = csv_free};
const peri_readops_t peri_read_tsv = {.name = "tsv",
                                      .endings = " .tsv .tab ",
                                      .text = true,
                                      .lines = true,
                                      .unpacks = true,
                                      .open = csv_open,
                                      .start = csv_start,
                                      .next = csv_next,
                                      .free = csv_free};
