/* store.h - tables and views in the folder of a schema: names, paths, changes.
 *
 * A table is NAME.h5, as core/out writes it (docs/results.md); a view is NAME.view.sql,
 * the text of one SELECT. One name is one of both. Anything else in the folder is not
 * seen: links, folders, pipes, other names.
 *
 * A table is never changed in place. A writer takes the lock of the name, writes a new
 * file beside the table, and renames it into its place, so that there is always one whole
 * version. Readers take no lock: what they have opened stays what it was. README.md says
 * more.
 *
 * Threads: a change belongs to one thread; all else may be called from any.
 */
#ifndef CORE_MYDB_STORE_H
#define CORE_MYDB_STORE_H

#include "core/mydb/schema.h"

#define PERI_MYDB_NAME 65 /* room for a name and its NUL */

typedef enum { PERI_MYDB_NONE, PERI_MYDB_TABLE, PERI_MYDB_VIEW } peri_mydbkind_t;

/* As it is stored: ASCII letters folded, [a-z_][a-z0-9_]{0,63}; or what is wrong. */
int peri_mydb_name(const char *given, char out[PERI_MYDB_NAME], peri_err_t *err);
/* What has this name (folded); NONE also for what is no table. */
peri_mydbkind_t peri_mydb_kind(const peri_schema_t *s, const char *name);
char *peri_mydb_path(const peri_schema_t *s, const char *name); /* of the .h5; malloc'd */
int peri_mydb_view_text(const peri_schema_t *s, const char *name, char **sql,
                        peri_err_t *err);

/* All names, sorted; no folder is no names. */
typedef struct {
    char name[PERI_MYDB_NAME];
    peri_mydbkind_t kind;
} peri_mydbentry_t;
int peri_mydb_entries(const peri_schema_t *s, peri_mydbentry_t **out, size_t *n,
                      peri_err_t *err); /* *out is the caller's: free */
/* "there is no table mydb.x", with the nearest of that schema or where to look. */
int peri_mydb_nowhere(const peri_schema_t *s, const char *name, peri_err_t *err);

/* ---- changes ---- */

/* Lock taken, temporary named. Write the new table (or view) to _path, then _commit;
 * _free without it leaves all as it was. Whoever writes makes the file; what it makes
 * meanwhile beside that path, with it as the beginning of its name, belongs to the change
 * and goes with it (core/out does so). */
typedef struct peri_mydbchange peri_mydbchange_t;
enum { PERI_MYDB_MUST_BE_NEW = 1, PERI_MYDB_MUST_EXIST = 2, PERI_MYDB_IS_VIEW = 4 };

/* Waits for another writer of the name, up to a minute. Errors: PERI_EDENIED (not to be
 * written), PERI_ECONFLICT (is there, or is the other kind), PERI_ENOTFOUND, PERI_EBUSY,
 * PERI_EIO. */
peri_mydbchange_t *peri_mydbchange_new(const peri_schema_t *s, const char *name,
                                       unsigned flags, peri_err_t *err);
const char *peri_mydbchange_path(const peri_mydbchange_t *c);
bool peri_mydbchange_replaces(const peri_mydbchange_t *c); /* one is there already */
/* Size so far against left + spare: call it now and then. PERI_EFULL. */
int peri_mydbchange_check(const peri_mydbchange_t *c, peri_err_t *err);
/* Once. After an error the table is as it was. */
int peri_mydbchange_commit(peri_mydbchange_t *c, peri_err_t *err);
void peri_mydbchange_free(peri_mydbchange_t *c); /* accepts NULL */

int peri_mydb_drop(const peri_schema_t *s, const char *name, peri_mydbkind_t kind,
                   bool if_exists, peri_err_t *err);
/* Never over another. */
int peri_mydb_rename(const peri_schema_t *s, const char *name, const char *to,
                     peri_err_t *err);

#endif
