/* before.h - a table as it is before a statement changes it: its columns, for the
 * rewriting, and what is said of them, to be kept.
 */
#ifndef CORE_MYDB_BEFORE_H
#define CORE_MYDB_BEFORE_H

#include "core/engine/session.h"
#include "core/mydb/read.h"
#include "core/mydb/rewrite.h"

typedef struct {
    peri_oldtable_t shape;
    peri_table_t *table;
    peri_h5file_t *held;
    char *description; /* or NULL */
} peri_before_t;

/* The session (of the caller's, for nothing else) tells the types. more: rows are to be
 * added; shape.extends says then if they can go into a copy of the file. */
int peri_before_read(peri_before_t *b, peri_session_t *session, const peri_schema_t *s,
                     const char *name, bool more, peri_arena_t *arena, peri_err_t *err);
/* Into the new file: unit, description and ucd of columns that have none there, and the
 * table's description. Column `from` is called `to` now; or NULL. */
int peri_before_carry(const peri_before_t *b, const char *path, const char *from,
                      const char *to, peri_err_t *err);
void peri_before_clear(peri_before_t *b);

#endif
