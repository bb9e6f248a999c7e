/* rewrite.h - a statement that changes a table as one SELECT of the table's new rows.
 *
 * So it is checked, planned, pruned and run on ranks like any query, and streams into the
 * file that replaces the table. Expressions stay the author's text, in brackets.
 */
#ifndef CORE_MYDB_REWRITE_H
#define CORE_MYDB_REWRITE_H

#include <stdint.h>

#include "core/mydb/statement.h"

typedef struct {
    const char *name, *type; /* as SQL */
} peri_oldcolumn_t;

/* The table as it is. */
typedef struct {
    const peri_oldcolumn_t *columns;
    size_t n;
    uint64_t rows;
    bool extends; /* INSERT gives the new rows alone: they go behind the old ones */
} peri_oldtable_t;

typedef struct {
    const char *sql; /* NULL: there is nothing to do */
    /* Its last column is a BOOLEAN and no part of the table: does the row change? Else
     * see how many rows there are before and after. */
    bool marks;
} peri_rewritten_t;

/* Must the columns of INSERT's SELECT be known? VALUES shows its own. */
bool peri_rewrite_wants_names(const peri_statement_t *st, peri_arena_t *a);

/* The values of INSERT ... VALUES, each with its column; n = 0 if it has a SELECT. */
const peri_stcolumn_t *peri_insert_values(const peri_statement_t *st,
                                          const peri_oldtable_t *old, peri_arena_t *a,
                                          size_t *n);

/* Of INSERT, UPDATE, DELETE, TRUNCATE, ALTER and CREATE TABLE (columns); `old` is NULL
 * for the last. names: those of the n columns that INSERT's SELECT gives; n = 0: not
 * known, then DuckDB says if there are too many or few. Unknown columns, wrong counts and
 * the like are PERI_EINVAL or PERI_ENOTFOUND with a sentence. */
int peri_rewrite(const peri_statement_t *st, const peri_oldtable_t *old,
                 const char *const *names, size_t n, peri_arena_t *a,
                 peri_rewritten_t *out, peri_err_t *err);

#endif
