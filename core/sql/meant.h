/* meant.h - what somebody may have meant whose statement is refused: habits of other
 * databases (T-SQL of SkyServer and CasJobs, MySQL, Oracle), slips of the finger, words
 * of SQL as names. Words for sentences only; nothing is decided here.
 */
#ifndef CORE_SQL_MEANT_H
#define CORE_SQL_MEANT_H

#include <stdbool.h>
#include <stddef.h>

#include "perigee/err.h"

/* What to write instead of a function that is not known here; NULL: no idea. */
const char *peri_meant_function(const char *name);
/* What may be meant at `at` of a text that is not valid there; false: no idea. */
bool peri_meant_syntax(const char *sql, size_t len, size_t at, char *out, size_t size);
/* DuckDB's "Binder Error: Referenced column ..." becomes a sentence with the nearest
 * column, or with how a text is written. Other errors stay. */
void peri_meant_column(peri_err_t *err);

#endif
