/* private.h - what the files of core/mydb share. */
#ifndef CORE_MYDB_PRIVATE_H
#define CORE_MYDB_PRIVATE_H

#include <jansson.h>
#include <sys/stat.h>

#include "core/mydb/store.h"

#define PERI_MYDB_TABLE_END ".h5"
#define PERI_MYDB_VIEW_END  ".view.sql"
#define PERI_MYDB_VIEW_MAX  (1u << 20)
#define PERI_MYDB_NEW       ".new-" /* behind the name of what it will be */

/* The folder is there and is one: 0; 1 if there is none. Where somebody else than this
 * machine's user says what it is, it must not be a link: what lies behind it would not be
 * of this schema. */
int peri_mydb_folder(const peri_schema_t *s, peri_err_t *err);
/* The file of this name and kind; malloc'd. */
char *peri_mydb_file(const peri_schema_t *s, const char *name, peri_mydbkind_t kind);
/* What is in the place of that: 1 a file, 0 nothing, -1 something that is no table, or no
 * way to see it. */
int peri_mydb_look(const peri_schema_t *s, const char *name, peri_mydbkind_t kind,
                   struct stat *st, peri_err_t *err);
/* "a table", "a view". */
const char *peri_mydb_kindword(peri_mydbkind_t kind);
/* Bytes that a quota counts: as portal/storage does, of a sparse file what it has. */
int64_t peri_mydb_amount(const struct stat *st);

/* What is left of the quota now, if there is one. */
int64_t peri_mydb_left(const peri_schema_t *s);

/* ---- lists (about.c, list.c) ---- */

/* A table or view as lists have it; NULL: it is gone by now. */
json_t *peri_mydb_listed(const peri_schema_t *s, const peri_mydbentry_t *e);
/* The same of one that nobody is to open again. */
json_t *peri_mydb_unreadable(const peri_schema_t *s, const peri_mydbentry_t *e,
                             const char *why);

/* ---- locks (lock.c) ---- */

/* Seconds that a writer waits for another one; tests have less time. */
extern double peri_mydb_patience;

/* The lock of a name until peri_mydb_unlock. The folder must be there. */
int peri_mydb_lock(const peri_schema_t *s, const char *name, peri_err_t *err);
void peri_mydb_unlock(const peri_schema_t *s, const char *name, int lock); /* -1: none */
/* Remove what writers left that died. `own` is a name whose lock the caller has. */
void peri_mydb_sweep(const peri_schema_t *s, const char *own);

/* Bytes of the files in the folder whose names begin so, or with a dot before it: what
 * core/out writes a file under; with `remove` they are removed. */
int64_t peri_mydb_temporaries(const char *folder, const char *begin, bool remove);

#endif
