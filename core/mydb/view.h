/* view.h - views in the text of a statement: each is replaced by its own SELECT, before
 * anything else looks at the statement.
 *
 * Inside of a view, mydb is the schema where the view lies: whoever reads a shared view
 * reads the tables of its owner, if these are shared too. Views may name views, 8 deep.
 */
#ifndef CORE_MYDB_VIEW_H
#define CORE_MYDB_VIEW_H

#include <duckdb.h>

#include "core/base/arena.h"
#include "core/mydb/store.h"

/* The schema that `name` means in SQL: mydb, else one of that name if no dataset has it.
 * NULL: none. */
const peri_schema_t *peri_schema_meant(const peri_schemas_t *all, const char *name);

/* Does a statement name a view, or something that looks like one? context: schema or
 * dataset of names without one, or NULL. Reads no more than the folders. */
bool peri_views_named(const peri_schemas_t *all, const char *sql, const char *context);

/* The statement without views, in the arena; `con` parses. Errors: PERI_EINVAL with the
 * way round for circles, PERI_ELIMIT. */
const char *peri_views_expand(duckdb_connection con, const peri_schemas_t *all,
                              const char *sql, const char *context, peri_arena_t *arena,
                              peri_err_t *err);

/* The text of a new view of this name: tables named with their context, files with their
 * folder `base`, so that it means the same everywhere. *expanded: the SELECT that it
 * stands for, to be planned. */
const char *peri_view_text_new(duckdb_connection con, const peri_schemas_t *all,
                               const peri_schema_t *s, const char *name, const char *sql,
                               const char *context, const char *base, peri_arena_t *arena,
                               const char **expanded, peri_err_t *err);

#endif
