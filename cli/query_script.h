/* query_script.h - all statements of `perigee query`, one after the other: a SELECT gives
 * rows, others change tables (core/mydb/statement.h).
 *
 * Each statement is whole by itself: it changes its table or leaves it as it was,
 * whatever happens. The first that fails ends the script; what those before it did stays.
 */
#ifndef CLI_QUERY_SCRIPT_H
#define CLI_QUERY_SCRIPT_H

#include <jansson.h>

#include "core/query/query.h"

typedef struct {
    const peri_queryspec_t *spec; /* its sql is the script */
    const json_t *params;         /* values of $names, or NULL */
    const char *table;            /* "schema.name" that the rows go to, or NULL */
    int ranks;                    /* 0: not said */
    bool quiet;
} peri_queryscript_t;

typedef struct {
    uint64_t rows;  /* of the answer */
    uint64_t bytes; /* read from files */
    double seconds;
    const char *cut; /* of the answer: "rows", "time", "bytes"; NULL: it is whole */
    json_t *changed; /* array of what was done to tables, also after an error; owned */
    char text[512];  /* the last thing that was done to one, in words; or "" */
} peri_scriptend_t;

/* Needs peri_cli_catch_interrupts(). *end is filled in any case. */
int peri_query_script(const peri_queryscript_t *o, peri_scriptend_t *end,
                      peri_err_t *err);

/* For a program that wants to know how it went (cli.h). */
void peri_query_word(const peri_scriptend_t *end);

/* Is this --into a table of a schema, and no file? */
bool peri_query_into_table(const char *into);

#endif
