/* topnames.c - see topnames.h. */
#include "core/import/topnames.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *trimmed(peri_arena_t *a, const char *p, size_t n)
{
    while (n && (*p == ' ' || *p == '\t')) p++, n--;
    while (n && (p[n - 1] == ' ' || p[n - 1] == '\t')) n--;
    return peri_arena_strndup(a, p, n);
}

/* ---- SExtractor ---- */

/* "   2 FLUX_ISO   Isophotal flux    [count]": its number, or 0. */
static size_t take_listed(peri_arena_t *a, const char *text, peri_topname_t *out)
{
    char *end;
    const char *p = text + strspn(text, " ");
    const size_t number = isdigit((unsigned char)*p) ? strtoul(p, &end, 10) : 0;
    if (!number || *end != ' ') return 0;
    p = end + strspn(end, " ");
    size_t n = strcspn(p, " ");
    if (!n || !isalpha((unsigned char)*p)) return 0;
    *out = (peri_topname_t){peri_arena_strndup(a, p, n), "", ""};
    p += n;
    n = strlen(p);
    while (n && p[n - 1] == ' ') n--;
    const char *open = n && p[n - 1] == ']' ? memrchr(p, '[', n) : NULL;
    if (open) out->unit = peri_arena_strndup(a, open + 1, (size_t)(p + n - open - 2));
    out->description = trimmed(a, p, open ? (size_t)(open - p) : n);
    return number;
}

/* Numbers go up from 1; those that are left out are of the vector named before. */
static const peri_topname_t *listed(peri_arena_t *a, const peri_topline_t *last, size_t n)
{
    peri_topname_t *names = peri_arena_calloc(a, n, sizeof(*names)), one;
    size_t next = n + 1;
    for (; last && next > 1; last = last->before) {
        const size_t number = take_listed(a, last->text, &one);
        if (!number || number >= next) return NULL;
        names[number - 1] = one;
        for (size_t i = number; i + 1 < next; i++)
            names[i] =
                (peri_topname_t){peri_arena_printf(a, "%s_%zu", one.name, i - number + 1),
                                 one.unit, one.description};
        next = number;
    }
    return next == 1 ? names : NULL;
}

/* ---- one line ---- */

/* "mass [Msun]" -> mass and Msun. "pos[0]" is a name. */
void peri_topname_split(peri_arena_t *a, const peri_cell_t *cell, peri_topname_t *out)
{
    const char *text = trimmed(a, cell->p, cell->kind == PERI_CELL_NULL ? 0 : cell->n),
               *open = strrchr(text, '[');
    const size_t n = strlen(text);
    *out = (peri_topname_t){text, "", ""};
    if (!open || open == text || text[n - 1] != ']' ||
        open[1 + strspn(open + 1, "0123456789")] == ']')
        return;
    const char *name = trimmed(a, text, (size_t)(open - text));
    if (!*name) return;
    out->name = name;
    out->unit = peri_arena_strndup(a, open + 1, (size_t)(text + n - 1 - open - 1));
}

/* Words that could be names: none is a number or a sign. */
static bool look_like_names(const peri_row_t *row)
{
    for (size_t i = 0; i < row->n; i++) {
        bool fraction;
        const peri_cell_t *c = &row->cells[i];
        if (!c->n || !isalpha((unsigned char)c->p[strspn(c->p, " _$")]) ||
            peri_guess_text(c->p, c->n, &fraction))
            return false;
    }
    return true;
}

/* "mass [Msun]" between blanks is one cell. They lie behind each other in one text. */
static void join_units(peri_row_t *row)
{
    size_t n = 0;
    for (size_t i = 0; i < row->n; i++) {
        const peri_cell_t *c = &row->cells[i];
        if (n && c->n > 2 && *c->p == '[' && c->p[c->n - 1] == ']')
            row->cells[n - 1].n = (size_t)(c->p + c->n - row->cells[n - 1].p);
        else
            row->cells[n++] = *c;
    }
    row->n = n;
}

/* The line of #, if it has n words. The last one counts in any case, others if they look
 * like names. */
static const peri_topname_t *of_line(peri_arena_t *a, const peri_topline_t *line,
                                     const peri_dialect_t *d, size_t n, bool any)
{
    peri_row_t row = {0};
    peri_topname_t *names = NULL;
    char *copy = peri_arena_strdup(a, line->text + strspn(line->text, "# "));
    const size_t len = strlen(copy);
    const bool cut = len && !peri_row_cut(d, copy, copy + len, true, &row);
    if (cut && row.n != n && d->delimiter == ' ') join_units(&row);
    if (cut && row.n == n && (any || look_like_names(&row))) {
        names = peri_arena_calloc(a, n, sizeof(*names));
        for (size_t i = 0; i < n; i++) peri_topname_split(a, &row.cells[i], &names[i]);
    }
    peri_row_free(&row);
    return names;
}

const peri_topname_t *peri_topnames(peri_arena_t *a, const peri_topline_t *last,
                                    const peri_dialect_t *d, size_t n)
{
    const peri_topname_t *names = last ? listed(a, last, n) : NULL;
    bool any = true;
    for (; last && !names; last = last->before, any = false)
        names = of_line(a, last, d, n, any);
    return names;
}
