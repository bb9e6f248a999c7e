/* splits.h - aggregates that are computed in parts; private to core/sql. */
#ifndef CORE_SQL_SPLITS_H
#define CORE_SQL_SPLITS_H

#include <stddef.h>

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

#endif
