/* rows.h - lines of delimited text cut into cells: csv with quotes, tsv with backslashes,
 * columns between runs of blanks. Pure: bytes in, cells out (fuzzed). Private to
 * core/import. */
#ifndef CORE_IMPORT_ROWS_H
#define CORE_IMPORT_ROWS_H

#include "core/import/text.h"

typedef struct {
    char delimiter; /* ' ': runs of blanks and tabs */
    bool escapes;   /* \t \n \r \\ \N instead of quotes; but "" is an empty text */
    bool framed;    /* a delimiter before the first and behind the last cell, too, and
                       blanks around cells to line them up */
} peri_dialect_t;

typedef enum {
    PERI_ROW_DONE,
    PERI_ROW_MORE,     /* the row may go on behind the bytes given */
    PERI_ROW_UNCLOSED, /* a quote is never closed */
    PERI_ROW_BEHIND,   /* text behind a closing quote */
    PERI_ROW_WIDE      /* more than PERI_IMPORT_COLUMNS_MAX cells */
} peri_rowend_t;

typedef struct {
    peri_cell_t *cells; /* they point into the bytes given */
    size_t n, cap;
    size_t used;     /* bytes, with the end of the line */
    size_t newlines; /* lines that it took: 1, unless cells have line breaks */
    bool blank;      /* nothing in it */
} peri_row_t;

void peri_row_free(peri_row_t *row);
/* The row at p; [p, end) is all there is if `last`. Once done, what is quoted or escaped
 * has been opened up in place, so a row can be cut only once. */
peri_rowend_t peri_row_cut(const peri_dialect_t *d, char *p, char *end, bool last,
                           peri_row_t *row);
/* The separator of the text's first lines; `blanks`: may be runs of blanks. Leaves the
 * text as it is. */
char peri_row_delimiter(const char *p, size_t n, bool all, bool blanks);

#endif
