/* schema.h - the folders that a process may take tables from, as its environment names
 * them.
 *
 * A schema is a folder with tables and views (store.h). Who starts the process says which
 * there are and what may be written, in PERIGEE_SCHEMAS, a JSON array in order of
 * precedence:
 *   [{"name": "mydb", "folder": "/volumes/ana/persistent/mydb", "write": true,
 *     "owner": "ana/persistent", "left": 123456, "quota": 10000000000}, ...]
 * One folder may have several names ("cosmo" and "team:cosmo"); the first is the one to
 * be shown. Keys that are not known are skipped, so that an older program can read what a
 * newer one says. Without PERIGEE_SCHEMAS there is one schema, mydb, on the user's own
 * machine: in $PERIGEE_MYDB, else $XDG_DATA_HOME/perigee/mydb, else
 * ~/.local/share/perigee/mydb.
 *
 * Threads: fixed after it was made, but for *spent, which belongs to the thread that
 * changes tables.
 */
#ifndef CORE_MYDB_SCHEMA_H
#define CORE_MYDB_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

#define PERI_MYDB "mydb" /* the schema that is the user's own */

typedef struct {
    const char *name, *folder; /* the folder is absolute, and need not be there yet */
    const char *owner; /* whose quota counts, as "ana/persistent"; "" if nobody's */
    bool write;
    int64_t left, quota; /* bytes when the process started; -1: no limit */
    int64_t spare;       /* bytes above `left` that a table may have while it is made */
    int64_t *spent;      /* what this process has taken of `left` since; NULL: not kept */
} peri_schema_t;

typedef struct peri_schemas peri_schemas_t;

peri_schemas_t *peri_schemas_new(peri_err_t *err); /* from the environment */
peri_schemas_t *peri_schemas_parse(const char *json, size_t len, peri_err_t *err);
void peri_schemas_free(peri_schemas_t *s); /* accepts NULL */

size_t peri_schemas_count(const peri_schemas_t *s);
const peri_schema_t *peri_schemas_at(const peri_schemas_t *s, size_t i);
/* By name, whatever the case: the first that has it. NULL if there is none. */
const peri_schema_t *peri_schemas_find(const peri_schemas_t *s, const char *name);

/* Are the schemas said by who started the process, and not the user's own machine's? */
bool peri_schemas_given(void);

#endif
