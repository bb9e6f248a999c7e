/* look.h - what a planned query would give, before any row is read: its columns, how many
 * rows at most, and from which files. For programs that choose by it what to ask for.
 */
#ifndef CORE_QUERY_LOOK_H
#define CORE_QUERY_LOOK_H

#include "core/base/arena.h"
#include "core/query/query.h"

typedef struct {
    const char *name, *unit;
    duckdb_type type; /* of a value: of an element, if it is an array or list */
    uint32_t width;   /* 1, n for an array, 0 for a list and all that is nested deeper */
    bool placed;      /* a stored column, of this table: */
    const char *dataset; /* its path in the files */
    const char *file; /* one that has rows of the query, or any if there are none, and can
                         be opened here; or NULL */
    const char *root; /* what its links must not leave, or NULL */
    double box_size;  /* as peri_table_t */
} peri_lookcol_t;

typedef struct {
    peri_lookcol_t *columns;
    size_t ncolumns;
    uint64_t rows;                   /* scanned at most, after pruning, by all ranks */
    const peri_outsource_t *sources; /* all files of its tables */
    size_t nsources;
    bool has_snapnum;  /* some table has: */
    int32_t *snapnums; /* those of files that have rows of the query, rising; if there are
                          no rows at all, those of all files */
    size_t nsnapnums;
} peri_look_t;

/* On the root. Strings and arrays live in the arena. */
int peri_query_look(peri_query_t *q, peri_arena_t *arena, peri_look_t *out,
                    peri_err_t *err);

#endif
