/* check.h - a statement looked at before anything is changed. */
#ifndef CORE_MYDB_CHECK_H
#define CORE_MYDB_CHECK_H

#include <duckdb.h>

#include "core/mydb/statement.h"

/* Syntax errors in its expressions, and what is no part of the statement that it becomes.
 * `con` parses. */
int peri_statement_check(duckdb_connection con, const peri_statement_t *st,
                         peri_err_t *err);

/* DuckDB's sentence about the statement that ours has become: without the line of SQL
 * that nobody wrote, and with the table's name. */
void peri_statement_blame(const peri_statement_t *st, peri_err_t *err);

#endif
