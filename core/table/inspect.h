/* inspect.h - what could be tables in one file that nothing is known about. For
 * `describe` and for the choice of a table where a query names only a file.
 */
#ifndef CORE_TABLE_INSPECT_H
#define CORE_TABLE_INSPECT_H

#include "core/table/adapter.h"

typedef struct {
    const char *path;  /* "/Snap063/Galaxies" */
    const char *table; /* the adapter's name for it, or NULL */
    uint64_t rows;     /* in this file; not filled where table is set */
    size_t ncolumns;
} peri_found_t;

typedef struct {
    const char *format; /* of an adapter, or NULL */
    peri_found_t *tables;
    size_t ntables;
    const char **others; /* datasets that are no tables, in words */
    size_t nothers;
    bool more; /* the file has more than was looked at */
} peri_found_list_t;

/* All memory is the arena's. */
int peri_inspect(peri_h5file_t *f, peri_arena_t *arena, peri_found_list_t *out,
                 peri_err_t *err);

/* "PATTERN:/path" at its last ":/"; *path is NULL without one. Both are the arena's. */
void peri_pathspec_split(const char *text, peri_arena_t *arena, const char **pattern,
                         const char **path);

/* What a file of those that a pattern names has inside. */
int peri_inspect_pattern(const char *pattern, const char *base, const char *root,
                         peri_arena_t *arena, peri_found_list_t *out, peri_err_t *err);

#endif
