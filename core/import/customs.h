/* customs.h - what people write into tables of text besides values: words for "no value",
 * commas as decimal points, lines of units and of dashes below the names. Pure: cells in,
 * answers out. Private to core/import.
 *
 * A word for "no value" counts as NULL only where all else in the column is numbers,
 * dates, times or booleans; among texts it is a text.
 */
#ifndef CORE_IMPORT_CUSTOMS_H
#define CORE_IMPORT_CUSTOMS_H

#include "core/import/rows.h"

#define PERI_CUSTOM_SHOWN 24

/* A column while its cells are looked at. */
typedef struct {
    peri_guess_t guess;              /* of the cells but those for no value */
    peri_guess_t points;             /* the same with decimal commas as points */
    bool commas, decimal, no_commas, /* seen; one cannot be thousands; they are no
                                        numbers */
        dots;                        /* points were seen, too */
    bool none_always; /* words for no value are such among texts, too; the file says so */
    bool as_points;   /* settled: commas are points */
    uint64_t values, before;       /* before: the first text, behind numbers only */
    uint64_t none_line, text_line; /* 0: none */
    char none[PERI_CUSTOM_SHOWN], text[PERI_CUSTOM_SHOWN];
} peri_custom_t;

void peri_custom_init(peri_custom_t *c);
/* `commas`: they may be decimal points, since they separate no cells. */
void peri_custom_look(peri_custom_t *c, const peri_cell_t *cell, uint64_t line,
                      bool commas);
/* All cells were looked at: c->guess is final. */
void peri_custom_settle(peri_custom_t *c);
/* The cell as the column's reader is to have it. `text`: the column's type is one. */
void peri_custom_take(const peri_custom_t *c, peri_cell_t *cell, bool text);
/* Does the guess say that all values but texts for "none" are numbers, dates, ...? */
bool peri_custom_is_plain(const peri_custom_t *c);

/* No number, date, time or boolean. */
bool peri_cell_is_text(const peri_cell_t *cell);
/* Can dashes be below this row? It has a text; and no value of another kind, if it may be
 * `units`. */
bool peri_row_may_be_above(const peri_cell_t *cells, size_t n, bool units);
/* "---- --- ----": dashes only, below names. */
bool peri_row_is_rule(const peri_cell_t *cells, size_t n);
/* Units above values: texts where all other values of a column are none, and nothing
 * else; never of one column. */
bool peri_row_is_units(const peri_cell_t *cells, const peri_custom_t *rest, size_t n);

#endif
