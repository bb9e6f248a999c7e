/* names.h - column references of a block in one spelling, so that the same column
 * compares equal; aliases of the select list in place; private to core/sql. */
#ifndef CORE_SQL_NAMES_H
#define CORE_SQL_NAMES_H

#include "core/sql/planner.h"

/* t.x, T.X and x become one spelling in everything but FROM and WHERE, as far as the
 * sources of FROM are known. ORDER BY names that are aliases stay. */
void peri_names_unify(const peri_planner_t *p, json_t *select);
/* Item of the select list with this alias, or -1. */
int peri_names_alias(const json_t *items, const char *name);
/* Replace lone names that mean aliases (and no column) in the select list, WHERE and
 * GROUP BY by what they stand for. -1: cannot. */
int peri_names_expand(peri_planner_t *p, json_t *select);
/* Does the lone name mean a column of the FROM? DuckDB answers. */
bool peri_names_is_column(peri_planner_t *p, const json_t *from, json_t *ref);

#endif
