/* table_here.h - the verbs of `perigee table` on this machine, or in a sandbox. Each gets
 * "table VERB" as its argv[0] and returns the exit status.
 */
#ifndef CLI_TABLE_HERE_H
#define CLI_TABLE_HERE_H

#include <jansson.h>

#include "core/mydb/store.h"

int peri_table_here_ls(int argc, char **argv);
int peri_table_here_show(int argc, char **argv);
int peri_table_here_rm(int argc, char **argv);
int peri_table_here_mv(int argc, char **argv);
int peri_table_here_describe(int argc, char **argv);
int peri_table_here_get(int argc, char **argv);  /* table_get.c */
int peri_table_here_load(int argc, char **argv); /* table_load.c */

/* A table by the word that was given, in a schema that is there. */
typedef struct {
    peri_schemas_t *schemas; /* owned */
    const peri_schema_t *schema;
    char name[PERI_MYDB_NAME];
} peri_heretable_t;
int peri_heretable_find(const char *word, peri_heretable_t *out, peri_err_t *err);
void peri_heretable_free(peri_heretable_t *t); /* accepts a zeroed struct */

/* Of a view, as of a table but for "nulls"; NULL: it cannot be told, as of one that names
 * a table that is gone. Once in a process, as any query. */
json_t *peri_view_columns(const peri_heretable_t *t, peri_err_t *err);

/* {"schema", "name", "what"} and, where known (>= 0), "rows": an element of the word's
 * "changed". */
json_t *peri_table_changed(const peri_heretable_t *t, const char *what, int64_t rows);
/* Ends a verb that changed something: the word with these changes, and the text as it is
 * (not to stdout). Takes changes. */
void peri_table_word(json_t *changes, const char *text);

#endif
