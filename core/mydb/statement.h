/* statement.h - what a script of SQL does to tables, cut into its clauses.
 *
 * DuckDB's parser takes only SELECT here, so whatever writes is understood by this one:
 * CREATE TABLE and VIEW, SELECT ... INTO, INSERT, UPDATE, DELETE, TRUNCATE, DROP, ALTER,
 * COMMENT. It finds where clauses begin and end; expressions, conditions and SELECTs stay
 * text, which the planner checks like any other. What it does not know is a SELECT to it:
 * the planner refuses it by its name.
 *
 * Pure: no DuckDB, no files. Texts are given with their length, results lie in the arena.
 */
#ifndef CORE_MYDB_STATEMENT_H
#define CORE_MYDB_STATEMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "perigee/err.h"

#define PERI_SCRIPT_MAX 1000 /* statements */

typedef enum {
    PERI_ST_SELECT,
    PERI_ST_CREATE_AS, /* also SELECT ... INTO */
    PERI_ST_CREATE_COLUMNS,
    PERI_ST_CREATE_VIEW,
    PERI_ST_INSERT,
    PERI_ST_UPDATE,
    PERI_ST_DELETE,
    PERI_ST_TRUNCATE,
    PERI_ST_DROP,
    PERI_ST_RENAME,
    PERI_ST_ALTER,
    PERI_ST_COMMENT
} peri_stkind_t;

enum {
    PERI_ST_OR_REPLACE = 1,
    PERI_ST_IF_NOT_EXISTS = 2,
    PERI_ST_IF_EXISTS = 4,
    PERI_ST_VIEW = 8,           /* DROP, RENAME, COMMENT: of a view */
    PERI_ST_BY_NAME = 16,       /* INSERT */
    PERI_ST_DEFAULT_VALUES = 32 /* INSERT: one row of NULLs */
};

typedef enum {
    PERI_ALTER_ADD,    /* columns[0] with its type, default in where; IF NOT EXISTS */
    PERI_ALTER_DROP,   /* columns[0]; IF EXISTS */
    PERI_ALTER_RENAME, /* columns[0] becomes `to` */
    PERI_ALTER_TYPE    /* columns[0] with its new type; where: USING */
} peri_stalter_t;

/* A column and what is said of it: its type (CREATE, ALTER), its new value (UPDATE), or
 * nothing. */
typedef struct {
    const char *name, *text;
} peri_stcolumn_t;

typedef struct {
    peri_stkind_t kind;
    unsigned flags;
    /* What is written, as its author spelt it; "mydb" if she named no schema. NULL of a
     * SELECT. */
    const char *schema, *table;
    const char *sql;   /* the SELECT: whole, what the table or view is, rows to insert;
                          NULL: none. It stands in its line of the script */
    const char *text;  /* the whole statement */
    const char *check; /* a SELECT with the statement's expressions, in their places: for
                          messages about syntax. NULL: none. Of an UPDATE, new values are
                          its select list, in the order of columns */
    const char *shown; /* the statement's own text, with each byte where `check` has it */
    size_t line;       /* where it begins, from 1 */
    /* WITH ... before INSERT, UPDATE, DELETE; alias of the table; FROM or USING, and the
     * condition, without these words. NULL: none */
    const char *with, *alias, *from, *where;
    const peri_stcolumn_t *columns;
    size_t ncolumns;
    peri_stalter_t alter;
    const char *to;      /* RENAME: the new name of the table or column */
    const char *comment; /* COMMENT; "" takes it away. columns[0] or the table */
} peri_statement_t;

typedef struct {
    peri_statement_t *v;
    size_t n;
    bool writes; /* at least one of them does */
} peri_script_t;

/* Errors: PERI_EINVAL with line and column; PERI_EDENIED for what is refused by name. */
int peri_script_parse(const char *sql, size_t len, peri_arena_t *a, peri_script_t *out,
                      peri_err_t *err);

/* Each $name as a literal. params: an object of strings, numbers, booleans, nulls, or
 * NULL. One that has no value, and a value that no $name asks for, are PERI_EINVAL. */
int peri_script_bind(const char *sql, size_t len, const json_t *params, peri_arena_t *a,
                     const char **out, peri_err_t *err);

#endif
