/* check.h - a statement looked at before anything is changed. */
#ifndef CORE_MYDB_CHECK_H
#define CORE_MYDB_CHECK_H

#include <duckdb.h>

#include "core/mydb/rewrite.h"

/* Syntax errors in its expressions, and what is no part of the statement that it becomes.
 * `con` parses. */
int peri_statement_check(duckdb_connection con, const peri_statement_t *st,
                         peri_err_t *err);

/* DuckDB's sentence about the statement that ours has become: without the line of SQL
 * that nobody wrote, with the table's name, and with that of the column that a value did
 * not fit into, if that can be told. old: NULL of a new table. */
void peri_statement_blame(const peri_statement_t *st, const peri_oldtable_t *old,
                          peri_arena_t *a, peri_err_t *err);

#endif
