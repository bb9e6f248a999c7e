/* customs.c - see customs.h. */
#include "core/import/customs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NUMBERS ((unsigned)(PERI_CAN_I64 | PERI_CAN_U64 | PERI_CAN_F64))

void peri_custom_init(peri_custom_t *c)
{
    memset(c, 0, sizeof(*c));
    peri_guess_init(&c->guess);
}

static bool is_no_value(const peri_cell_t *cell)
{
    static const char *const words[] = {"null", "n/a", "na", "none", "nat", "<na>",
                                        "\\N",  "-",   "--", "---",  "...", "indef"};
    const char *p = cell->p;
    size_t n = cell->n;
    if (cell->kind != PERI_CELL_BARE) return false;
    while (n && *p == ' ') p++, n--;
    while (n && p[n - 1] == ' ') n--;
    if (!n || n > 5 || (*p >= '0' && *p <= '9') || (*p == '-' && n > 3)) return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == n && !strncasecmp(p, words[i], n)) return true;
    return false;
}

static void keep(char out[PERI_CUSTOM_SHOWN], const peri_cell_t *cell)
{
    size_t n = cell->n < PERI_CUSTOM_SHOWN ? cell->n : PERI_CUSTOM_SHOWN - 1;
    while (n < cell->n && n && ((unsigned char)cell->p[n] & 0xc0) == 0x80) n--;
    memcpy(out, cell->p, n);
    out[n] = '\0';
}

/* A number whose point is a comma. *decimal: it cannot be one of thousands (1,234). The
 * copy with a point is in out. */
static bool is_comma_number(const peri_cell_t *cell, char out[64], bool *decimal)
{
    const char *comma = memchr(cell->p, ',', cell->n);
    bool fraction = false;
    if (!comma || cell->n >= 64) return false;
    memcpy(out, cell->p, cell->n);
    out[comma - cell->p] = '.';
    if (!(peri_guess_text(out, cell->n, &fraction) & PERI_CAN_F64)) return false;
    size_t digits = 0, before = 0;
    for (const char *p = comma + 1; p < cell->p + cell->n && *p >= '0' && *p <= '9'; p++)
        digits++;
    for (const char *p = comma; p > cell->p && p[-1] >= '0' && p[-1] <= '9'; p--)
        before++;
    *decimal = digits != 3 || before > 3 || before == 0 ||
               (before == 1 && comma[-1] == '0') || comma + 4 < cell->p + cell->n;
    return true;
}

static void look_at_commas(peri_custom_t *c, const peri_guess_t *old,
                           const peri_cell_t *cell)
{
    char copy[64];
    bool decimal = false;
    if (c->no_commas) return;
    if (is_comma_number(cell, copy, &decimal)) {
        if (!c->commas) c->points = *old;
        c->commas = true;
        c->decimal |= decimal;
        peri_guess_look(&c->points, &(peri_cell_t){copy, cell->n, cell->kind});
    } else if (c->commas) {
        peri_guess_look(&c->points, cell);
    } else {
        c->no_commas = true;
    }
    if (c->commas && !(c->points.can & PERI_CAN_F64)) c->no_commas = true;
}

void peri_custom_look(peri_custom_t *c, const peri_cell_t *cell, uint64_t line,
                      bool commas)
{
    if (cell->kind == PERI_CELL_NULL) return;
    if (is_no_value(cell)) {
        if (!c->none_line) keep(c->none, cell);
        if (!c->none_line) c->none_line = line;
        return;
    }
    const peri_guess_t old = c->guess;
    c->values++;
    peri_guess_look(&c->guess, cell);
    c->dots |= commas && memchr(cell->p, '.', cell->n);
    if (c->guess.can) return;
    if (commas) look_at_commas(c, &old, cell);
    if (c->text_line || !old.any || !(old.can & NUMBERS) || !c->guess.words) return;
    c->text_line = line;
    c->before = c->values - 1;
    keep(c->text, cell);
}

bool peri_custom_is_plain(const peri_custom_t *c)
{
    return c->guess.any && c->guess.can;
}

void peri_custom_settle(peri_custom_t *c)
{
    /* With points, too, one of both may be of thousands. */
    if (!c->commas || !c->decimal || c->no_commas || c->dots) return;
    c->guess = c->points;
    c->as_points = true;
}

void peri_custom_take(const peri_custom_t *c, peri_cell_t *cell, bool text)
{
    if (cell->kind == PERI_CELL_NULL) return;
    if (c->none_line && (c->none_always || (!text && peri_custom_is_plain(c))) &&
        is_no_value(cell))
        cell->kind = PERI_CELL_NULL;
    if (text) return;
    char *comma = c->as_points ? memchr(cell->p, ',', cell->n) : NULL;
    if (comma) *comma = '.';
}

bool peri_cell_is_text(const peri_cell_t *cell)
{
    bool fraction;
    return cell->kind != PERI_CELL_NULL &&
           (!cell->n || !peri_guess_text(cell->p, cell->n, &fraction));
}

bool peri_row_may_be_above(const peri_cell_t *cells, size_t n, bool units)
{
    bool fraction, text = false;
    for (size_t i = 0; i < n; i++) {
        const peri_cell_t *c = &cells[i];
        const bool is = peri_cell_is_text(c);
        text |= is;
        if (units && !is && c->kind != PERI_CELL_NULL &&
            peri_guess_text(c->p, c->n, &fraction) != PERI_CAN_ALL)
            return false;
    }
    return text;
}

bool peri_row_is_rule(const peri_cell_t *cells, size_t n)
{
    bool rule = false;
    for (size_t i = 0; i < n; i++) {
        const peri_cell_t *c = &cells[i];
        size_t dashes = 0;
        for (size_t k = 0; c->kind == PERI_CELL_BARE && k < c->n; k++) {
            if (!strchr("-=: ", c->p[k])) return false;
            dashes += c->p[k] == '-' || c->p[k] == '=';
        }
        if (c->kind == PERI_CELL_QUOTED) return false;
        rule |= dashes > 2;
    }
    return rule;
}

bool peri_row_is_units(const peri_cell_t *cells, const peri_custom_t *rest, size_t n)
{
    bool one = false;
    if (n < 2) return false; /* one text above numbers is a value as likely */
    for (size_t i = 0; i < n; i++) {
        const peri_cell_t *c = &cells[i];
        bool fraction, blank = true;
        for (size_t k = 0; c->kind != PERI_CELL_NULL && k < c->n; k++)
            blank &= c->p[k] == ' ';
        if (blank || is_no_value(c)) continue;
        if (peri_guess_text(c->p, c->n, &fraction) || !peri_custom_is_plain(&rest[i]))
            return false;
        one = true;
    }
    return one;
}
