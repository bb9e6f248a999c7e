/* plan.h - from SQL text to a plan: relations, stages, what to show.
 *
 * The SQL is parsed by DuckDB (json_serialize_sql), checked against allow-lists of node
 * types and functions, its tables are resolved through a callback, and it is cut into
 * stages that run on all ranks or on the root. No regular expressions over SQL text.
 *
 * Names in stage SQL: relation i is the view `peri_r<i>` (the engine makes it over the
 * scan), the rows of an earlier stage j are the table `peri_s<j>`.
 *
 * Invariant: with any number of ranks the stages give the rows that the original
 * statement gives in one process (order only where ORDER BY says so, plus: a plain
 * projection keeps file order). Pruning hints may only drop rows that the WHERE drops.
 */
#ifndef CORE_SQL_PLAN_H
#define CORE_SQL_PLAN_H

#include <duckdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/table/pred.h"
#include "core/table/virtual.h"
#include "perigee/err.h"

/* What the planner must know of a table. Strings are borrowed for the plan's lifetime. */
typedef struct {
    void *handle;                /* the caller's; copied to the relation */
    const char *display;         /* for messages and explain */
    const char *const *columns;  /* SQL names; without the virtual ones */
    const uint32_t *widths;      /* 1 scalar, n vector; per column */
    const uint32_t *value_bytes; /* estimated bytes of one value (row) per column */
    size_t ncolumns;
    uint64_t rows;
    bool has_snapnum;
} peri_relinfo_t;

typedef struct {
    void *arg;
    /* Resolve a table reference. schema/catalog are "" if not given. Unknown: -1 with a
     * sentence that names the nearest table. */
    int (*resolve)(void *arg, const char *catalog, const char *schema, const char *table,
                   peri_relinfo_t *out, peri_err_t *err);
    /* Make relation `id` known to the connection as view peri_r<id>, with the virtual
     * columns that are asked for (bits PERI_VIRT_*). Called before any statement is
     * prepared. */
    int (*bind)(void *arg, int id, void *handle, unsigned virtuals, peri_err_t *err);
    /* Let the view give the rows that may satisfy the conditions, for statements that run
     * while planning. Their number; -1: not here, or too many. NULL: never. */
    int64_t (*ready)(void *arg, int id, void *handle, const peri_pred_t *preds, size_t n);
    /* All values of an integer column (or snapnum) lie in [*min, *max], as its files are
     * now. False: not known. NULL: never. */
    bool (*range)(void *arg, void *handle, const char *column, int64_t *min,
                  int64_t *max);
    /* Make the function peri_key<bits> known to the connection; core/engine has it. */
    int (*key)(void *arg, unsigned bits);
} peri_resolver_t;

/* One occurrence of a table in the statement. */
typedef struct {
    void *handle;
    const char *display, *alias;
    unsigned virtuals;    /* virtual columns that the statement names */
    const uint32_t *used; /* indexes of the columns used (superset) */
    size_t nused;
    const peri_pred_t *preds; /* AND-ed pruning hints */
    size_t npreds;
} peri_relation_t;

typedef enum {
    PERI_DEST_OUTPUT, /* the statement's rows, in order: rank 0's first, then rank 1's,
                         ... */
    PERI_DEST_ROOT,   /* into table peri_s<i> on rank 0 */
    PERI_DEST_ALL     /* into table peri_s<i> on every rank */
} peri_dest_t;

typedef struct {
    const char *sql;
    peri_dest_t dest;
    bool on_all_ranks;    /* else only rank 0 runs it */
    const int *relations; /* relations it scans: each rank reads its own share */
    size_t nrelations;
    const char *what; /* for EXPLAIN: "partial aggregates", "broadcast of groups" */
} peri_stage_t;

/* Where an output column comes from, for units and descriptions: relation -1 = computed.
 */
typedef struct {
    int relation;
    int column; /* index into the relation's columns */
} peri_origin_t;

typedef struct {
    const peri_relation_t *relations;
    size_t nrelations;
    const peri_stage_t *stages; /* in order; the last one has PERI_DEST_OUTPUT */
    size_t nstages;
    size_t ncolumns; /* of the result */
    const char *const *names;
    const peri_origin_t *origins;
    const char
        *strategy; /* one line: "partial aggregation over 3 ranks", "gather: ..." */
    struct peri_arena *arena;
} peri_plan_t;

typedef struct {
    int nranks;               /* 1: one stage, the whole statement on rank 0 */
    uint64_t broadcast_limit; /* bytes that a broadcast table may have; 0 = 256 MB */
    int64_t limit;            /* rows; < 0: none (outer LIMIT of the command line) */
} peri_planopts_t;

/* Parse, check, resolve, plan. `con` is a connection with nothing but the relations in
 * it; preparing the statement there also gives DuckDB's own messages for bad columns.
 * Errors: PERI_EINVAL (syntax: with line and column and a caret line; binder errors),
 * PERI_EDENIED (statement, node or function that is not allowed: named, with what to do
 * instead), PERI_ENOTFOUND (tables). */
peri_plan_t *peri_plan_new(duckdb_connection con, const char *sql,
                           const peri_resolver_t *r, const peri_planopts_t *opts,
                           peri_err_t *err);
void peri_plan_free(peri_plan_t *p);
#endif
