/* space.h - SQL functions for positions in a box: in_box, in_sphere, distance, cell,
 * ph_key, z_index. What they mean is in docs/sql.md; what the index makes of them in
 * core/sql/space.c, which must leave every row for which they are true. */
#ifndef CORE_ENGINE_SPACE_H
#define CORE_ENGINE_SPACE_H

#include <duckdb.h>

#include "perigee/err.h"

/* Make them known to all connections of this one's database. */
int peri_space_register(duckdb_connection con, peri_err_t *err);
/* What the planner puts into joins by distance: peri_cell, peri_cells. */
int peri_cells_register(duckdb_connection con, peri_err_t *err);

#endif
