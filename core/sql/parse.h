/* parse.h - SQL text to syntax tree and back. */
#ifndef CORE_SQL_PARSE_H
#define CORE_SQL_PARSE_H

#include <duckdb.h>
#include <jansson.h>

#include "perigee/err.h"

#define PERI_SQL_MAX_BYTES ((size_t)1 << 20)

/* The query node of the one SELECT statement in `sql`. Syntax errors: PERI_EINVAL with
 * line, column and a caret; other statements: PERI_EDENIED with what to do instead. New.
 */
json_t *peri_sql_parse(duckdb_connection con, const char *sql, peri_err_t *err);

/* The same of a text that somebody wrote in another way: messages show that, `shown`,
 * which has each byte in the same place. */
json_t *peri_sql_parse_shown(duckdb_connection con, const char *sql, const char *shown,
                             peri_err_t *err);

/* The text of a query node. `checked` also reads it back and compares: PERI_EUNSUPP if
 * DuckDB cannot print the tree faithfully. The caller frees it with duckdb_free. */
char *peri_sql_render(duckdb_connection con, const json_t *query, bool checked,
                      peri_err_t *err);

#endif
