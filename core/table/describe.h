/* describe.h - a table in words, for people and as JSON. Opens one file of the table to
 * see how its columns are stored.
 */
#ifndef CORE_TABLE_DESCRIBE_H
#define CORE_TABLE_DESCRIBE_H

#include <jansson.h>

#include "core/base/arena.h"
#include "core/table/table.h"

/* "DECIMAL(9,2)", "DOUBLE[3]": as in SQL. */
const char *peri_describe_type(const peri_column_t *c, peri_arena_t *arena);
/* Aligned text: a headline, the columns, the notes. Columns whose storage cannot be
 * looked at are shown without it. */
int peri_describe_text(const peri_table_t *t, peri_buf_t *out, peri_err_t *err);
json_t *peri_describe_json(const peri_table_t *t); /* a new reference */

#endif
