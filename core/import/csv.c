/* csv.c - delimited text: csv (quotes, as RFC 4180 and core/out write it), tsv (backslash
 * escapes) and tables of astronomers (columns between blanks, lines of # on top, lines of
 * units and dashes below the names).
 *
 * The whole file is read twice: once to find the types, once for the rows. An empty cell
 * is NULL and "" an empty text, as core/out/delimited.c writes them.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/import/customs.h"
#include "core/import/ecsv.h"
#include "core/import/input.h"
#include "core/import/rows.h"
#include "core/import/topnames.h"

#define LOOK_BYTES ((size_t)256 << 10)
#define FEW        2 /* numbers above a text, that make it worth a word */

typedef struct {
    peri_input_t *in;
    peri_dialect_t dialect;
    bool ended;
    bool header;   /* the first row is names */
    size_t ncols;  /* 0: not known yet */
    uint64_t line; /* of the row in hand */
    uint64_t next_line;
    peri_row_t row;
    peri_cell_t *head, *lead; /* the first row, the one below it; NULL: none. Arena */
    uint64_t head_line, lead_line, rule_line;
    uint64_t skip;              /* rows below the names that are none: units, dashes */
    uint64_t hashes, hash_line; /* lines of # among the rows, the first one */
    const peri_topline_t *top;  /* lines of # above the rows, the last one */
    const peri_ecsv_t *notes;   /* what such lines say of columns */
    peri_custom_t *columns;     /* the rows below head and lead */
    bool *texts;                /* columns whose type takes any word */
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

/* Rows that are none: blank ones (of one column they are NULL), comments. A line of #
 * that has as many cells as the others is a row, unless blanks separate them. */
static bool is_no_row(const csv_t *s)
{
    if (s->row.blank) return s->ncols != 1;
    return s->row.cells[0].kind == PERI_CELL_BARE && s->row.cells[0].p[0] == '#' &&
           (s->dialect.delimiter == ' ' || (s->ncols && s->row.n != s->ncols));
}

/* Between blanks such lines are usual; elsewhere one may be a broken row. */
static void note_hash(csv_t *s)
{
    if (s->row.blank || s->dialect.delimiter == ' ' || s->cells) return;
    if (!s->hashes++) s->hash_line = s->line;
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
        if (is_no_row(s)) {
            note_hash(s);
            continue;
        }
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

static void keep_top(peri_reader_t *r, const char *p, size_t n)
{
    csv_t *s = r->state;
    peri_topline_t *line = peri_arena_calloc(r->arena, 1, sizeof(*line));
    *line = (peri_topline_t){peri_arena_strndup(r->arena, p, n), s->top};
    s->top = line;
    s->notes = peri_ecsv_note(r->arena, s->notes, line->text);
}

/* Lines of # on top; they may hold the names. */
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
        if (peri_cells_check(r, p + 1, k - 1, s->next_line, err)) return -1;
        if (!s->ncols) keep_top(r, p + 1, k - 1);
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

/* ---- looking ---- */

/* The row in hand, with texts of its own. */
static peri_cell_t *copy_row(const peri_reader_t *r)
{
    const csv_t *s = r->state;
    peri_cell_t *out = peri_arena_calloc(r->arena, s->row.n, sizeof(*out));
    for (size_t c = 0; c < s->row.n; c++) {
        out[c] = s->row.cells[c];
        out[c].p = peri_arena_strndup(r->arena, out[c].p, out[c].n);
    }
    return out;
}

static void keep_head(peri_reader_t *r)
{
    csv_t *s = r->state;
    s->ncols = s->row.n;
    s->head_line = s->line;
    s->head = copy_row(r);
    s->columns = peri_arena_calloc(r->arena, s->ncols, sizeof(*s->columns));
    for (size_t c = 0; c < s->ncols; c++) peri_custom_init(&s->columns[c]);
}

static void look(csv_t *s, const peri_cell_t *cells, uint64_t line)
{
    const bool commas = s->dialect.delimiter != ',';
    for (size_t c = 0; c < s->ncols; c++)
        peri_custom_look(&s->columns[c], &cells[c], line, commas);
}

/* The first rows below what may be names: dashes, with units above them or not, are none.
 * True: this one needs no other look. */
static bool take_lead(peri_reader_t *r)
{
    csv_t *s = r->state;
    const bool may = !r->opts->header_said || r->opts->header;
    if (s->nrows > 2) return false;
    if (!s->skip && may && peri_row_is_rule(s->row.cells, s->ncols) &&
        peri_row_may_be_above(s->head, s->ncols, false) &&
        (!s->lead || peri_row_may_be_above(s->lead, s->ncols, true))) {
        s->skip = s->nrows;
        s->rule_line = s->line;
        return true;
    }
    if (s->nrows > 1) return false;
    s->lead = copy_row(r);
    s->lead_line = s->line;
    return true;
}

static int look_at_rows(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    for (;;) {
        int rc = next_row(r, err);
        if (rc <= 0) return rc;
        take_nulls(r);
        if (!s->ncols) {
            keep_head(r);
            continue;
        }
        s->nrows++;
        if (!take_lead(r)) look(s, s->row.cells, s->line);
        atomic_store(&r->done, peri_input_taken(s->in));
        if (peri_reader_tick(r, err)) return -1;
    }
}

/* ---- names and types ---- */

/* Is the first row names? Yes if it has a text where the rest of a column has none; or if
 * there are only texts in the file. */
static bool head_is_names(const csv_t *s)
{
    bool texts = true, one = false;
    for (size_t c = 0; c < s->ncols; c++) {
        bool named = peri_cell_is_text(&s->head[c]);
        if (named && peri_custom_is_plain(&s->columns[c])) return true;
        if (s->head[c].kind != PERI_CELL_NULL && !named) texts = false;
        one |= named;
    }
    return texts && one;
}

/* A column of texts, as was said, has a text there. */
static bool lead_is_said_text(const peri_reader_t *r)
{
    const csv_t *s = r->state;
    for (size_t c = 0; c < s->ncols; c++) {
        peri_topname_t n;
        peri_topname_split(r->arena, &s->head[c], &n);
        const duckdb_logical_type said = peri_reader_forced(r, n.name);
        if (said && peri_cells_take_words(said) && peri_cell_is_text(&s->lead[c]))
            return true;
    }
    return false;
}

/* Which of the first rows are values; the others say what columns are. */
static void settle_rows(peri_reader_t *r)
{
    csv_t *s = r->state;
    const bool said = r->opts->header_said;
    const bool may =
        said ? r->opts->header : peri_row_may_be_above(s->head, s->ncols, false);
    bool units = s->lead &&
                 (s->skip == 2 ||
                  (!s->skip && may && peri_row_is_units(s->lead, s->columns, s->ncols) &&
                   !lead_is_said_text(r)));
    if (units) {
        peri_reader_note(r, "line %llu is taken for units, and not for a row%s",
                         (unsigned long long)s->lead_line,
                         s->skip ? "" : "; the type VARCHAR of a column keeps it");
        if (!s->skip) s->skip = 1;
    } else if (s->skip && !s->dialect.framed) {
        peri_reader_note(r, "line %llu, of dashes, is not taken for a row",
                         (unsigned long long)s->rule_line);
    }
    if (s->hashes)
        peri_reader_note(r,
                         "%llu line%s of # among the rows %s left out, from line %llu on",
                         (unsigned long long)s->hashes, s->hashes > 1 ? "s" : "",
                         s->hashes > 1 ? "are" : "is", (unsigned long long)s->hash_line);
    if (s->lead && !units) look(s, s->lead, s->lead_line);
    if (!units) s->lead = NULL;
    s->header = said ? r->opts->header : s->skip || head_is_names(s);
    if (!s->header) look(s, s->head, s->head_line);
    for (size_t c = 0; c < s->ncols; c++) peri_custom_settle(&s->columns[c]);
}

static const char *trimmed(peri_arena_t *a, const peri_cell_t *cell)
{
    const char *p = cell->p;
    size_t n = cell->kind == PERI_CELL_NULL ? 0 : cell->n;
    while (n && (*p == ' ' || *p == '\t')) p++, n--;
    while (n && (p[n - 1] == ' ' || p[n - 1] == '\t')) n--;
    return peri_arena_strndup(a, p, n);
}

static void name_column(const peri_reader_t *r, size_t c, const peri_topname_t *top,
                        peri_topname_t *out)
{
    const csv_t *s = r->state;
    *out = top ? top[c] : (peri_topname_t){"", "", ""};
    if (s->header) peri_topname_split(r->arena, &s->head[c], out);
    if (s->header && s->lead) out->unit = trimmed(r->arena, &s->lead[c]);
    if (!out->unit[strspn(out->unit, "-")]) out->unit = "";
    const peri_ecsv_t *note = peri_ecsv_find(s->notes, out->name);
    if (!note) return;
    out->unit = note->unit;
    out->description = note->description;
    peri_ecsv_guess(note, &s->columns[c].guess);
    s->columns[c].none_always = note->block;
}

/* What was taken for something else than it looks like, and what spoiled a guess. */
static void note_column(peri_reader_t *r, const peri_custom_t *k, bool text,
                        const char *name)
{
    if (!text && k->none_line && !k->none_always)
        peri_reader_note(r,
                         "%s has \"%s\" (line %llu), which is taken for no value; the "
                         "type VARCHAR keeps it",
                         name, k->none, (unsigned long long)k->none_line);
    if (!text && k->as_points)
        peri_reader_note(r, "%s has decimal commas, which are read as points", name);
    if (text && k->text_line && k->before >= FEW && !k->guess.can)
        peri_reader_note(r, "%s is text because of \"%s\" in line %llu, among numbers",
                         name, k->text, (unsigned long long)k->text_line);
}

static int add_columns(peri_reader_t *r, peri_err_t *err)
{
    csv_t *s = r->state;
    settle_rows(r);
    s->texts = peri_arena_calloc(r->arena, s->ncols, sizeof(*s->texts));
    const peri_topname_t *top =
        s->header || r->opts->header_said
            ? NULL
            : peri_topnames(r->arena, s->top, &s->dialect, s->ncols);
    for (size_t c = 0; c < s->ncols; c++) {
        peri_topname_t n;
        name_column(r, c, top, &n);
        if (peri_cells_column(r, n.name, n.unit, n.description, &s->columns[c].guess,
                              err))
            return -1;
        s->texts[c] = peri_cells_take_words(r->cols[c].type);
        note_column(r, &s->columns[c], s->texts[c], r->cols[c].name);
    }
    if (s->ncols == 1 && s->texts[0] && memchr(s->head[0].p, ' ', s->head[0].n))
        peri_reader_note(r,
                         "its lines have one column: neither commas, tabs, semicolons, "
                         "bars nor runs of blanks cut them all into as many cells");
    return 0;
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
    for (uint64_t i = 0; s->header && i <= s->skip; i++)
        if (next_row(r, err) < 0) return -1;
    return 0;
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
        for (size_t c = 0; c < s->ncols; c++)
            peri_custom_take(&s->columns[c], &s->row.cells[c], s->texts[c]);
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
