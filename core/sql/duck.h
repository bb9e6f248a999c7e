/* duck.h - what the planner asks DuckDB: parse, print, and what a statement's result is.
 *
 * Nothing here executes a user's statement (first.c does parts of one); only
 * json_(de)serialize_sql and DDL of our own temporary views run. Errors of DuckDB come
 * back as PERI_EINVAL with its own text.
 */
#ifndef CORE_SQL_DUCK_H
#define CORE_SQL_DUCK_H

#include <duckdb.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "perigee/err.h"

/* The columns of a statement's result. Names live in the arena, types in the struct. */
typedef struct {
    size_t n;
    const char **names;
    duckdb_logical_type *types;
} peri_desc_t;

/* Run our own `sql` with one text parameter (NULL: none) and give the single text value;
 * the caller frees it with duckdb_free. */
int peri_duck_text(duckdb_connection con, const char *sql, const char *param, char **out,
                   peri_err_t *err);
int peri_duck_exec(duckdb_connection con, const char *sql, peri_err_t *err);
/* Bind the statement without running it. */
int peri_duck_describe(duckdb_connection con, peri_arena_t *arena, const char *sql,
                       peri_desc_t *out, peri_err_t *err);
void peri_desc_clear(peri_desc_t *d); /* accepts a zeroed struct */
bool peri_desc_same_types(const peri_desc_t *a, const peri_desc_t *b);
bool peri_desc_same_names(const peri_desc_t *a, const peri_desc_t *b);
bool peri_desc_unique_names(const peri_desc_t *d); /* whatever the case */

#endif
