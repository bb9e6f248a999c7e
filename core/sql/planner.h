/* planner.h - what the files of the planner share; private to core/sql.
 *
 * A planner lives for one peri_plan_new. Everything it hands out lives in the arena of
 * the plan; syntax trees are reference counted and freed with the planner.
 *
 * Names: peri_r<i> relation i, peri_s<j> rows of stage j, peri_c<k> CTE k (made unique,
 * so that trees can be moved about), peri_q/_k/_d/_p/_m/_h/_o columns and aliases of our
 * own.
 */
#ifndef CORE_SQL_PLANNER_H
#define CORE_SQL_PLANNER_H

#include "core/base/arena.h"
#include "core/sql/allow.h"
#include "core/sql/ast.h"
#include "core/sql/duck.h"
#include "core/sql/parse.h"
#include "core/sql/plan.h"

/* One occurrence of a table. */
typedef struct {
    peri_relinfo_t info;
    const char *schema, *table; /* as written */
    const char *alias;
    bool named;        /* the alias is the statement's own */
    bool positional;   /* has a column alias list: (a, b, c) */
    bool whole;        /* every column is used */
    bool near;         /* repeated for cells: near.c */
    const char *shape; /* the construct that would show a virtual column, or NULL */
    unsigned virtuals;
    uint32_t *used;
    size_t nused;
    duckdb_type *types; /* of the columns; of the elements for vectors */
    json_t *terms;      /* conditions that stages may apply early: "column op constant" */
    peri_pred_t *preds;
    size_t npreds, cap_preds;
} peri_rel_t;

typedef struct {
    json_t *query;
    const char *sql, *what;
    peri_dest_t dest;
    bool on_all;
    bool keys;   /* short keys of groups: key.c */
    bool gather; /* plain rows of a relation, for the root to work on */
} peri_step_t;

typedef struct {
    peri_arena_t *arena;
    duckdb_connection con;
    const peri_resolver_t *resolver;
    uint64_t broadcast_limit;
    int nranks;
    peri_rel_t *rels;
    size_t nrels, cap_rels;
    size_t nctes;
    const char **cte_names; /* what peri_c<k> was called */
    peri_step_t *steps;
    size_t nsteps, cap_steps;
    size_t nviews;             /* peri_s views made in con so far */
    int budget;                /* blocks that may still be planned */
    const char *why_gather;    /* what did not split, or NULL */
    const char *strategy;      /* how the top block is planned */
    size_t nnear;              /* joins by distance that go over cells */
    double seconds;            /* spent on running parts of the statement */
    size_t nnearest;           /* ORDER BY distance with a bound that was found */
    size_t nkeys;              /* short keys of groups made so far */
    size_t nfirst, nconstants; /* sub-queries run while planning; values so found */
} peri_planner_t;

/* ---- scope.c ---- */

/* Number the relations, resolve them, make CTE names unique, note which columns are used.
 * Changes the tree: tables become peri_r<i>, a.b.c becomes alias.c. */
int peri_scope_resolve(peri_planner_t *p, json_t *query, peri_err_t *err);
int peri_rel_index(const json_t *ref);                        /* of BASE_TABLE, else -1 */
int peri_step_index(const json_t *ref);                       /* of BASE_TABLE, else -1 */
int peri_rel_column(const peri_rel_t *rel, const char *name); /* whatever the case; -1 */
bool peri_has_relations(json_t *tree);
/* Replace our internal names in DuckDB's message and cut its own caret line. */
void peri_message_clean(const peri_planner_t *p, peri_err_t *err);

/* ---- column.c, pred.c ---- */

int peri_rels_describe(peri_planner_t *p, peri_err_t *err); /* fills types */
void peri_preds_collect(peri_planner_t *p, json_t *query);  /* fills preds and terms */
/* After that, if the resolver makes tables ready: more preds. The tree may change (true):
 * cheap sub-queries become constants, joins by distance go over cells. */
bool peri_preds_prepare(peri_planner_t *p, json_t *query);

/* ---- space.c ---- */

int peri_space_check(json_t *query, peri_err_t *err); /* constants that make no sense */

/* ---- stage.c ---- */

/* Text and columns of a query over peri_r and peri_s; the caller clears desc. */
int peri_query_describe(peri_planner_t *p, const json_t *query, peri_desc_t *desc);
/* Add a step: checked, its view peri_s<n> made so that later queries can be bound.
 * `query` is copied. `want`: names are put right, other types fail; NULL only for text of
 * our own with column names of our own. Returns the step's number or -1. */
int peri_step_add(peri_planner_t *p, const json_t *query, peri_dest_t dest, bool on_all,
                  const char *what, const peri_desc_t *want);
/* The statement in one process: text that binds, with the columns `want`. */
int peri_step_whole(peri_planner_t *p, const json_t *query, const char *sql,
                    const char *what, const peri_desc_t *want);
/* The same as peri_step_add, without any check or view. */
int peri_step_put(peri_planner_t *p, const json_t *query, const char *sql,
                  peri_dest_t dest, bool on_all, const char *what);
void peri_steps_truncate(peri_planner_t *p, size_t n);
void peri_steps_drop_views(peri_planner_t *p);

/* ---- block.c ---- */

/* Plan a query: steps are added, the last of them (its number is returned) gives the
 * query's rows at `dest`. `as` gives the column names it must have, NULL: its own. -1:
 * cannot, and no step is left behind. */
int peri_block_plan(peri_planner_t *p, const json_t *query, peri_dest_t dest,
                    const peri_desc_t *as);

/* ---- rowwise.c ---- */

/* Are the query's rows a union over rows of one (per UNION ALL branch) relation? Then the
 * relations that stay partitioned are marked; the largest ones. */
bool peri_block_rowwise(peri_planner_t *p, json_t *query, bool *leaves);
/* The same for a FROM with its WHERE, whatever stands above them. */
bool peri_from_rowwise(peri_planner_t *p, json_t *select, bool *leaves);
uint64_t peri_leaves_bytes(const peri_planner_t *p, const bool *leaves);
/* Is the expression free of aggregates, windows and subqueries that smuggle them out? */
bool peri_expr_rowwise(peri_planner_t *p, json_t *expr);

/* ---- local.c: make what is not partitioned whole, at ROOT or on ALL ranks ---- */

int peri_localise_query(peri_planner_t *p, json_t *query, peri_dest_t dest);
int peri_localise_expr(peri_planner_t *p, json_t *expr, peri_dest_t dest);
/* All of a row-wise query but its leaves, onto all ranks. */
int peri_localise_around(peri_planner_t *p, json_t *query, const bool *leaves);
int peri_localise_from_around(peri_planner_t *p, json_t *from, const bool *leaves);
/* Plan the CTEs of this node first, replace them by their rows. */
void peri_localise_ctes(peri_planner_t *p, json_t *query);
/* SELECT the used columns FROM relation WHERE its terms. New. */
json_t *peri_rel_scan_new(const peri_planner_t *p, int rel);

/* ---- order.c and agg.c: blocks in two steps ---- */

/* DISTINCT, ORDER BY, LIMIT over row-wise blocks. */
int peri_order_plan(peri_planner_t *p, const json_t *query, peri_dest_t dest,
                    const peri_desc_t *want);
/* Aggregates over a row-wise FROM and WHERE. */
int peri_agg_plan(peri_planner_t *p, const json_t *query, peri_dest_t dest,
                  const peri_desc_t *want);

/* ---- key.c ---- */

/* Keys of groups whose bounds are known become such that DuckDB needs no hash table.
 * True: the tree has changed, and may not bind. */
bool peri_keys_shorten(peri_planner_t *p, json_t *query);

/* ---- cte.c ---- */

/* Put CTEs that are used once where they are used; drop those that are not used. */
void peri_ctes_inline(peri_planner_t *p, json_t *query);
/* The column names of a reference to a CTE: its own, then those of the CTE. New. */
json_t *peri_cte_columns_new(const json_t *ref, const json_t *entry);

/* ---- origin.c ---- */

void peri_origins_find(const peri_planner_t *p, const json_t *query, size_t n,
                       peri_origin_t *out);

#endif
