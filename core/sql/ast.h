/* ast.h - DuckDB's syntax tree, as jansson values: reading, comparing, walking, building.
 *
 * A tree is what json_serialize_sql gives, without source positions and with CTE_NODE
 * folded away (it only repeats what cte_map says). Kinds of objects: query nodes ("type"
 * is SELECT_NODE, SET_OPERATION_NODE, RECURSIVE_CTE_NODE), table references ("type" is
 * BASE_TABLE, JOIN, ...) and expressions (they have a "class").
 *
 * Ownership: a function named _new or that takes "steals" follows jansson's rules:
 * builders return a new reference and steal the nodes they are given.
 */
#ifndef CORE_SQL_AST_H
#define CORE_SQL_AST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

/* JSON text from DuckDB and back. Integers beyond int64 and the non-numbers Infinity and
 * NaN, which jansson cannot hold, travel as marked strings (see json.c). */
json_t *peri_json_read(const char *text, peri_err_t *err);
char *peri_json_write(const json_t *value); /* the caller frees; NULL if it is too deep */
/* The digits of a marked string ("18446744073709551615", "Infinity"), else NULL. */
const char *peri_json_marked(const json_t *value);
/* Fold away what two texts of one statement may differ in: positions and CTE_NODE. */
void peri_ast_canonical(json_t *tree);
/* Constants whose text would be read back as another type become casts of strings. */
bool peri_ast_fix_constants(json_t *tree); /* true: something changed */

/* Text of a key, "" if it is missing or no string. */
const char *peri_ast_str(const json_t *node, const char *key);
bool peri_ast_true(const json_t *node, const char *key);
bool peri_ast_is_class(const json_t *node, const char *class_name);
bool peri_ast_is_type(const json_t *node, const char *type);
bool peri_ast_is_query(const json_t *node);
bool peri_ast_is_function(const json_t *node, const char *name);
/* The array under a key; an empty array if it is missing or null. Borrowed. */
json_t *peri_ast_list(const json_t *node, const char *key);
/* The object or NULL: JSON null counts as missing. Borrowed. */
json_t *peri_ast_get(const json_t *node, const char *key);
/* The query node inside a SUBQUERY expression or table reference. Borrowed. */
json_t *peri_ast_subquery(const json_t *node);
/* The query node of an entry of cte_map. Borrowed. */
json_t *peri_ast_cte_body(const json_t *entry);

/* Same tree: missing, null, false, "" and empty are one; sets compare as sets. */
bool peri_ast_same(const json_t *a, const json_t *b);
/* The same for expressions, whatever alias the two roots have. */
bool peri_ast_same_expr(const json_t *a, const json_t *b);
/* Class, type or function name at the first difference, for a message. */
const char *peri_ast_difference(const json_t *a, const json_t *b);

/* Preorder over all objects below and including `node`. The callback returns 0 to go on,
 * 1 to leave out the children, -1 to stop; the walk returns -1 if it was stopped. */
typedef int (*peri_ast_visit_f)(json_t *node, void *arg);
int peri_ast_walk(json_t *node, peri_ast_visit_f visit, void *arg);
/* The same, but not into the query nodes of subqueries and CTEs. */
int peri_ast_walk_block(json_t *node, peri_ast_visit_f visit, void *arg);

/* Make `node` equal to `with` (stolen), in place; an alias of node stays if it has one.
 */
void peri_ast_become(json_t *node, json_t *with);

/* Builders. Names are copied. */
json_t *peri_ast_column_new(const char *table,
                            const char *column); /* table may be NULL */
json_t *peri_ast_int_new(int64_t value);
json_t *peri_ast_star_new(void);
json_t *peri_ast_table_new(const char *name, const char *alias);
json_t *peri_ast_select_new(json_t *list, json_t *from, json_t *where);
json_t *peri_ast_empty_from_new(void);
/* (query) AS alias(columns); alias "" and columns NULL for none. */
json_t *peri_ast_subquery_ref_new(json_t *query, const char *alias, json_t *columns);
json_t *peri_ast_and_new(json_t *terms);
json_t *peri_ast_with_alias(json_t *expr, const char *alias); /* returns expr */
json_t *peri_ast_limit_new(json_t *limit, json_t *offset);
json_t *peri_ast_distinct_new(void);

#endif
