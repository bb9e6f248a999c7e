/* about.h - tables as JSON: lists, one in detail; descriptions changed.
 *
 * The objects are those of the HTTP API (docs/openapi.json): a schema has name, owner,
 * write, left, quota; a table schema, name, kind, rows, columns, bytes, modified,
 * description. A file that cannot be read is listed as well, with an
 * "error".
 */
#ifndef CORE_MYDB_ABOUT_H
#define CORE_MYDB_ABOUT_H

#include <jansson.h>

#include "core/mydb/store.h"

/* {"schemas": [...], "tables": [...]} of all schemas, or of the one called so. Forks:
 * no other thread may be in HDF5 meanwhile. */
json_t *peri_mydb_list(const peri_schemas_t *s, const char *schema, peri_err_t *err);
/* A table's object with its columns and its provenance, or a view's with its SQL. */
json_t *peri_mydb_show(const peri_schema_t *s, const char *name, peri_err_t *err);
/* o: {"description": text, "columns": {"ra": {"unit", "description", "ucd": text}}}, any
 * of them; "" removes. All else of the table stays as it is, byte for byte. */
int peri_mydb_describe(const peri_schema_t *s, const char *name, const json_t *o,
                       peri_err_t *err);

#endif
