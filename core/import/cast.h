/* cast.h - from a value's type to another one in SQL, exactly or with an error; types as
 * text. Private to core/import. */
#ifndef CORE_IMPORT_CAST_H
#define CORE_IMPORT_CAST_H

#include <duckdb.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/engine/session.h"

/* SQL of a type, which gives it back; -1 if it has none. */
int peri_cast_put_type(duckdb_logical_type t, peri_buf_t *b);
bool peri_cast_same_type(duckdb_logical_type a, duckdb_logical_type b);
bool peri_cast_is_nested(duckdb_logical_type type);
duckdb_logical_type peri_cast_copy_type(duckdb_logical_type t);
/* The type that `text` is in SQL. */
duckdb_logical_type peri_cast_parse_type(peri_session_t *s, const char *text,
                                         peri_err_t *err);
/* The exact type that a file of ours names for a column whose values are given as
 * `given`; NULL if it is that, or no type of such values. The text is not trusted. */
duckdb_logical_type peri_cast_exact_type(peri_session_t *s, const char *text,
                                         duckdb_logical_type given);
/* `source` (SQL of a value of type `from`; NULL: of NULL) as `to`. Where a value would
 * change, such as a fraction as an integer, or digits that a DECIMAL has no room for, the
 * statement fails when it runs, or the value is NULL if wrong ones may be. Text becomes a
 * nested value as JSON. */
int peri_cast_put(const char *source, duckdb_logical_type from, duckdb_logical_type to,
                  bool wrong_is_null, peri_buf_t *b, peri_err_t *err);

#endif
