/* splits.h - aggregates that are computed in parts; private to core/sql. */
#ifndef CORE_SQL_SPLITS_H
#define CORE_SQL_SPLITS_H

#include "core/sql/planner.h"

#define PERI_SPLIT_PARTS 8

enum {
    PERI_SPLIT_INSENSITIVE = 1, /* DISTINCT changes nothing */
    PERI_SPLIT_ORDERED = 2      /* depends on the order in which rows come */
};

typedef struct {
    const char *name;
    size_t nargs;
    unsigned flags;
    const char *partial[PERI_SPLIT_PARTS]; /* NULL-terminated, like merge */
    const char *merge[PERI_SPLIT_PARTS];
    const char *value;
} peri_split_t;

const peri_split_t *peri_split_find(const char *name,
                                    size_t nargs); /* NULL: does not split */

/* What the names in a template stand for. */
typedef struct {
    char letter; /* p0, p1, .. or m0, m1, ..: columns peri_<letter><base + number>; 0: a
                    and b */
    size_t base;
    const json_t *args; /* of a and b */
    json_t *filter;     /* for aggregates of the template, or NULL */
} peri_binding_t;

/* The expression of a template; new, NULL if it does not parse. */
json_t *peri_template_new(peri_planner_t *p, const char *text, peri_binding_t b);

#endif
