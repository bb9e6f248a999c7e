/* mrt.c - tables of journals and of CDS: columns at fixed bytes of a line, which a
 * "Byte-by-byte Description" above the rows names.
 *
 *     Bytes Format Units  Label  Explanations
 *     1-  7 I7     ---    Num    ?=-99 Identifier
 *
 * The rows begin below the last line of dashes. A blank cell is NULL, and so is what
 * stands behind "?=". Several files described in one are refused.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/import/input.h"
#include "core/import/rows.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)
#define BYTES_MAX      ((unsigned long)LINE_MAX_BYTES)

typedef struct {
    size_t from, to; /* bytes of a line, from 0 */
    bool text;
    const char *name, *unit, *description, *null;
    peri_guess_t guess;
} field_t;

typedef struct {
    peri_input_t *in;
    bool ended;
    uint64_t line, first; /* the line in hand; the one above the rows */
    field_t *fields;
    peri_cell_t *row;
    size_t n, cap;
    peri_cells_t *cells;
} mrt_t;

/* The next line without its end: 1, 0 if there is none. */
static int next_line(peri_reader_t *r, const char **p, size_t *n, peri_err_t *err)
{
    mrt_t *s = r->state;
    for (;;) {
        size_t have;
        const char *at = peri_input_at(s->in, &have);
        const char *end = have ? memchr(at, '\n', have) : NULL;
        if (!end && !s->ended) {
            const int more = peri_input_more(s->in, err);
            if (more < 0) return -1;
            s->ended = more == 0;
            continue;
        }
        if (!have) return 0;
        *p = at;
        *n = end ? (size_t)(end - at) : have;
        peri_input_skip(s->in, *n + (end != NULL));
        s->line++;
        if (*n && at[*n - 1] == '\r') --*n;
        if (*n > LINE_MAX_BYTES)
            return peri_err_set(err, PERI_ELIMIT, "line %llu of %s is too long",
                                (unsigned long long)s->line, r->name);
        return peri_cells_check(r, at, *n, s->line, err) ? -1 : 1;
    }
}

static int rewind_lines(peri_reader_t *r, peri_err_t *err)
{
    mrt_t *s = r->state;
    s->line = 0;
    s->ended = false;
    return peri_input_rewind(s->in, err);
}

static bool is_dashes(const char *p, size_t n)
{
    size_t dashes = 0;
    for (size_t i = n && *p == '#'; i < n; i++) {
        if (p[i] != '-' && p[i] != '=' && p[i] != ' ') return false;
        dashes += p[i] != ' ';
    }
    return dashes >= 10;
}

/* ---- the description ---- */

static const char *word(const char *p, const char **from, size_t *n)
{
    p += strspn(p, " \t");
    *from = p;
    *n = strcspn(p, " \t");
    return p + *n;
}

/* "A12", "F8.4", "I3", "E10.3", also "S2" and "f8": a format, and not a word. */
static bool is_format(const char *p, size_t n)
{
    if (n < 2 || !strchr("AISFEaisfe", *p)) return false;
    for (size_t i = 1; i < n; i++)
        if (!isdigit((unsigned char)p[i]) && p[i] != '.') return false;
    return true;
}

/* "?=-99 What it is", "[0/9]? What it is": the value that stands for none. */
static const char *take_null(peri_arena_t *a, const char **text)
{
    const char *p = *text, *from;
    size_t n;
    if (*p == '[' && strchr(p, ']')) p = strchr(p, ']') + 1;
    if (*p != '?') return "";
    p++;
    if (*p != '=') {
        *text = p + strspn(p, " ");
        return "";
    }
    p = word(p + 1, &from, &n);
    *text = p + strspn(p, " ");
    return peri_arena_strndup(a, from, n);
}

/* A line of the description; one that is none goes on with the one before. */
static int take_field(peri_reader_t *r, const char *line, peri_err_t *err)
{
    mrt_t *s = r->state;
    const char *p = line + strspn(line, " "), *from;
    const bool in_front =
        p - line < 8; /* where bytes stand, and no explanation goes on */
    char *end;
    size_t n;
    if (!isdigit((unsigned char)*p)) return 0;
    const unsigned long first = strtoul(p, &end, 10);
    unsigned long last = first;
    const char *dash = end + strspn(end, " ");
    if (*dash == '-') last = strtoul(dash + 1, &end, 10);
    p = word(end, &from, &n);
    if (!is_format(from, n)) {
        if (in_front)
            peri_reader_note(r,
                             "line %llu describes no column with a known format, and is "
                             "left out",
                             (unsigned long long)s->line);
        return 0;
    }
    if (!first || last < first || last > BYTES_MAX || s->n == PERI_IMPORT_COLUMNS_MAX)
        return peri_err_set(err, PERI_EFORMAT,
                            "line %llu of %s: its bytes %lu to %lu are no column",
                            (unsigned long long)s->line, r->name, first, last);
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 32;
        s->fields = peri_xrealloc(s->fields, s->cap, sizeof(*s->fields));
    }
    field_t *f = &s->fields[s->n++];
    *f = (field_t){.from = first - 1, .to = last, .text = strchr("AaSs", *from) != NULL};
    p = word(p, &from, &n);
    f->unit =
        n && strncmp(from, "---", 3) != 0 ? peri_arena_strndup(r->arena, from, n) : "";
    p = word(p, &from, &n);
    f->name = peri_arena_strndup(r->arena, from, n);
    p += strspn(p, " ");
    f->null = take_null(r->arena, &p);
    n = strlen(p);
    while (n && p[n - 1] == ' ') n--;
    f->description = peri_arena_strndup(r->arena, p, n);
    return 0;
}

/* The columns, up to the line of dashes below them. */
static int read_description(peri_reader_t *r, peri_err_t *err)
{
    static const char mark[] = "Byte-by-byte Description";
    mrt_t *s = r->state;
    const char *p;
    size_t n, dashes = 0;
    bool found = false;
    int rc;
    while (dashes < 3 && (rc = next_line(r, &p, &n, err)) != 0) {
        if (rc < 0) return -1;
        if (!found)
            found = memmem(p, n, mark, sizeof(mark) - 1) != NULL;
        else if (is_dashes(p, n))
            dashes++;
        else if (dashes == 2 && take_field(r, peri_arena_strndup(r->arena, p, n), err))
            return -1;
    }
    if (!s->n)
        return peri_err_set(err, PERI_EFORMAT,
                            "%s has no Byte-by-byte Description of columns that is whole",
                            r->name);
    s->first = s->line;
    return 0;
}

/* ---- rows ---- */

static bool take_row(peri_reader_t *r, const char *p, size_t n)
{
    mrt_t *s = r->state;
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        const field_t *f = &s->fields[i];
        const char *from = p + (f->from < n ? f->from : n),
                   *to = p + (f->to < n ? f->to : n);
        while (from < to && *from == ' ') from++;
        while (to > from && to[-1] == ' ') to--;
        const size_t k = (size_t)(to - from);
        any |= k != 0;
        const bool null = !k || (k == strlen(f->null) && !memcmp(from, f->null, k));
        s->row[i] = (peri_cell_t){from, k, null ? PERI_CELL_NULL : PERI_CELL_BARE};
    }
    return any;
}

/* The last line of dashes is above the rows: what was looked at before it was none. */
static int look_at_rows(peri_reader_t *r, peri_err_t *err)
{
    static const char mark[] = "Byte-by-byte Description";
    mrt_t *s = r->state;
    const char *p;
    size_t n, rows = 0;
    int rc;
    for (size_t i = 0; i < s->n; i++) peri_guess_init(&s->fields[i].guess);
    while ((rc = next_line(r, &p, &n, err)) > 0) {
        if (memmem(p, n, mark, sizeof(mark) - 1))
            return peri_err_set(err, PERI_EFORMAT,
                                "%s describes more than one file: put the table that is "
                                "meant, and its description, into one of its own",
                                r->name);
        const bool dashes = is_dashes(p, n);
        if (dashes) s->first = s->line;
        if (dashes)
            rows = 0;
        else
            rows += take_row(r, p, n);
        for (size_t i = 0; i < s->n; i++)
            if (dashes)
                peri_guess_init(&s->fields[i].guess);
            else
                peri_guess_look(&s->fields[i].guess, &s->row[i]);
        atomic_store(&r->done, peri_input_taken(s->in));
        if (peri_reader_tick(r, err)) return -1;
    }
    if (rc == 0 && !rows)
        peri_reader_note(r, "there are no rows below the last line of dashes, line %llu",
                         (unsigned long long)s->first);
    return rc;
}

static int mrt_open(peri_reader_t *r, peri_err_t *err)
{
    mrt_t *s = peri_arena_calloc(r->arena, 1, sizeof(*s));
    r->state = s;
    s->in = peri_input_new(r->fd, r->name, err);
    if (!s->in || rewind_lines(r, err) || read_description(r, err)) return -1;
    atomic_store(&r->all, r->size);
    s->row = peri_arena_calloc(r->arena, s->n, sizeof(*s->row));
    if (look_at_rows(r, err)) return -1;
    for (size_t i = 0; i < s->n; i++) {
        field_t *f = &s->fields[i];
        if (f->text) f->guess = (peri_guess_t){.any = true, .words = true};
        if (peri_cells_column(r, f->name, f->unit, f->description, &f->guess, err))
            return -1;
    }
    s->cells = peri_cells_new(r);
    return 0;
}

static int mrt_start(peri_reader_t *r, peri_err_t *err)
{
    mrt_t *s = r->state;
    const char *p;
    size_t n;
    if (rewind_lines(r, err)) return -1;
    while (s->line < s->first)
        if (next_line(r, &p, &n, err) <= 0) return -1;
    return 0;
}

static int mrt_next(peri_reader_t *r, duckdb_data_chunk out, peri_err_t *err)
{
    mrt_t *s = r->state;
    idx_t rows = 0;
    const char *p;
    size_t n;
    peri_cells_bind(s->cells, out);
    while (rows < peri_reader_room()) {
        const int rc = next_line(r, &p, &n, err);
        if (rc < 0) return -1;
        if (rc == 0) break;
        if (!take_row(r, p, n)) continue; /* a blank line */
        r->lines[rows] = s->line;
        if (peri_cells_put(s->cells, rows++, s->row, s->line, err)) return -1;
    }
    duckdb_data_chunk_set_size(out, rows);
    atomic_store(&r->done, peri_input_taken(s->in));
    return 0;
}

static void mrt_free(peri_reader_t *r)
{
    mrt_t *s = r->state;
    if (!s) return;
    peri_input_free(s->in);
    free(s->fields);
    peri_cells_free(s->cells);
}

static bool mrt_sniff(const unsigned char *head, size_t n)
{
    return memmem(head, n, "Byte-by-byte Description", 24) != NULL && !memchr(head, 0, n);
}

const peri_readops_t peri_read_mrt = {.name = "mrt",
                                      .endings = " .mrt ",
                                      .sniff = mrt_sniff,
                                      .sure = true,
                                      .text = true,
                                      .lines = true,
                                      .unpacks = true,
                                      .open = mrt_open,
                                      .start = mrt_start,
                                      .next = mrt_next,
                                      .free = mrt_free};
