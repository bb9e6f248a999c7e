/* query_script_priv.h - what the files of a script share. */
#ifndef CLI_QUERY_SCRIPT_PRIV_H
#define CLI_QUERY_SCRIPT_PRIV_H

#include "cli/query_run.h"
#include "cli/query_script.h"
#include "core/mydb/statement.h"
#include "core/mydb/store.h"

/* A script that runs. */
typedef struct {
    const peri_queryscript_t *o;
    peri_scriptend_t *end;
    peri_arena_t *arena;
    peri_schemas_t *schemas;
    peri_script_t script;
    peri_session_t *parser; /* made when it is needed */
    double started;
} peri_scriptrun_t;

/* ---- query_statement.c ---- */

/* A connection to parse with. */
duckdb_connection peri_scriptrun_parser(peri_scriptrun_t *r, peri_err_t *err);
/* Without views; the same text if there are none. NULL: an error. */
const char *peri_scriptrun_expand(peri_scriptrun_t *r, const char *sql, peri_err_t *err);
/* Run a SELECT; its time is limited by what is left. */
int peri_scriptrun_query(peri_scriptrun_t *r, peri_queryspec_t *spec,
                         const peri_queryrun_t *how, peri_queryran_t *ran,
                         peri_err_t *err);
/* The columns of a SELECT: it is planned, not run. */
int peri_scriptrun_names(peri_scriptrun_t *r, const char *sql, const char *const **names,
                         size_t *n, peri_err_t *err);

/* ---- query_table.c ---- */

/* A statement that changes a table or view. */
int peri_scriptrun_table(peri_scriptrun_t *r, const peri_statement_t *st,
                         peri_err_t *err);

#endif
