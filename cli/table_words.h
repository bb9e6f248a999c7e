/* table_words.h - the words of `perigee table`, which mean the same here and at a portal.
 */
#ifndef CLI_TABLE_WORDS_H
#define CLI_TABLE_WORDS_H

#include <jansson.h>

#include "cli/options.h"
#include "perigee/err.h"

/* "mydb.x" or "x" (in mydb) in its two parts; what they may be is not looked at. */
typedef struct {
    char *schema, *name;
} peri_tableword_t;
int peri_tableword_parse(const char *word, peri_tableword_t *out, peri_err_t *err);
void peri_tableword_free(peri_tableword_t *t); /* accepts a zeroed struct */
/* The name in `to` that the table `from` gets: it stays in its schema. The caller frees;
 * NULL: an error. */
char *peri_tableword_renamed(const char *from, const char *to, peri_err_t *err);

/* --json, and min to max words at optind: -1, or the exit status. */
int peri_tableverb_read(int argc, char **argv, int min, int max, const char *needs,
                        bool *json);
/* The same for `rm`. Where somebody sits in front of it, she is asked: there is no trash
 * for tables. */
int peri_tableverb_read_rm(int argc, char **argv, bool *json);

/* What `describe` is told. */
typedef struct {
    bool json;
    const char *text;
    peri_optionlist_t lists[3];
} peri_tablesaid_t;
/* Options and the one table (at optind): -1, or the exit status. */
int peri_tablesaid_read(int argc, char **argv, peri_tablesaid_t *out);
/* {"description": ..., "columns": {"ra": {"unit": ...}}}; NULL: an error. */
json_t *peri_tablesaid_body(const peri_tablesaid_t *s, peri_err_t *err);

#endif
