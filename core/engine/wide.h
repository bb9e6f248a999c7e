/* wide.h - numbers of more digits than HDF5's have, out of the text that a file has for
 * them (docs/results.md): DECIMAL, HUGEINT and UHUGEINT as DuckDB's vectors hold them.
 * DuckDB's own cast of text to DECIMAL takes a hundred times as long.
 *
 * Nothing is rounded: a text whose number is not a value of the type is refused. Pure
 * functions, for any thread.
 */
#ifndef CORE_ENGINE_WIDE_H
#define CORE_ENGINE_WIDE_H

#include "core/table/table.h"

typedef struct {
    unsigned size;    /* bytes of a value in a vector: 2, 4, 8 or 16 */
    bool is_unsigned; /* UHUGEINT */
    unsigned width;   /* of a DECIMAL; 0: an integer */
    unsigned scale;   /* digits after the point */
    unsigned __int128
        max; /* largest value, without point; HUGEINT: -max - 1 is one too */
} peri_wide_t;

/* Has the column such numbers as text? */
bool peri_wide_type(const peri_column_t *c, peri_wide_t *out);
/* The value that len bytes of text say, as [+-]digits[.digits][e[+-]digits] with blanks
 * or NULs around it, to `out`: w->size bytes, of any alignment. False: that is none. */
bool peri_wide_parse(const peri_wide_t *w, const char *text, size_t len, void *out);

#endif
