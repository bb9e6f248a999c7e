/* allow.h - what a statement may contain. Everything is allowed by list, nothing by
 * default: node classes, node types, table functions and functions; depth and size are
 * bounded. */
#ifndef CORE_SQL_ALLOW_H
#define CORE_SQL_ALLOW_H

#include <jansson.h>
#include <stdbool.h>

#include "perigee/err.h"

#define PERI_SQL_MAX_DEPTH 200
#define PERI_SQL_MAX_NODES 100000

typedef enum {
    PERI_FN_UNKNOWN,
    PERI_FN_SCALAR,
    PERI_FN_VOLATILE, /* another value for every call */
    PERI_FN_AGGREGATE,
    PERI_FN_WINDOW
} peri_fnkind_t;

peri_fnkind_t peri_fn_kind(const char *name); /* whatever the case */
/* A call of an aggregate (not as a window). */
bool peri_fn_is_aggregate(const json_t *expr);
bool peri_fn_is_volatile(const json_t *expr); /* a call of such */
bool peri_expr_volatile(json_t *expr);        /* has one in it */

/* 0, or PERI_EDENIED naming what is refused, or PERI_ELIMIT. */
int peri_sql_allowed(json_t *query, peri_err_t *err);

#endif
