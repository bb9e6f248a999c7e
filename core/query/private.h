/* private.h - what the files of core/query share. */
#ifndef CORE_QUERY_PRIVATE_H
#define CORE_QUERY_PRIVATE_H

#include "core/base/arena.h"
#include "core/mydb/schema.h"
#include "core/query/query.h"
#include "core/query/tempdir.h"
#include "core/table/dataset.h"

/* A table that the statement names, resolved once however often it is named. */
typedef struct known {
    struct known *next;
    const char *name; /* as it was asked for */
    peri_table_t *table;
    peri_index_t *index; /* or NULL */
    peri_relinfo_t info;
} known_t;

typedef struct opened_dataset {
    struct opened_dataset *next;
    peri_dataset_t *dataset;
} opened_dataset_t;

/* A file of a table that may be replaced, as the query has met it. */
typedef struct heldfile {
    struct heldfile *next;
    peri_h5file_t *file;
} heldfile_t;

/* A relation of the plan: a table and the rows of it that can matter. */
typedef struct {
    peri_table_t *table;
    peri_index_t *index;
    unsigned virtuals;
    uint64_t align;     /* where shares may be cut, in rows of a file */
    peri_ranges_t kept; /* root: after pruning; worker: its share */
    /* Files lie on nodes: ranks prune their own part, with the index that they see. */
    bool placed;
    peri_ranges_t *shares; /* root, if placed: before pruning, for each rank */
    peri_ranges_t whole;   /* this rank's share before pruning, if placed */
    const peri_pred_t *preds;
    size_t npreds;
    const uint32_t *used; /* columns */
    size_t nused;
} rel_t;

struct peri_query {
    peri_arena_t *arena;
    double started;        /* peri_now() */
    const char *cut;       /* see peri_query_cut */
    uint64_t marked;       /* see peri_query_marked */
    peri_queryspec_t spec; /* strings in the arena */
    int nranks;
    const peri_locator_t *where; /* root; or NULL */
    peri_tempdir_t temp;
    known_t *known;
    opened_dataset_t *datasets;
    heldfile_t *held;
    peri_schemas_t *schemas; /* NULL until a statement names something of them */
    peri_session_t *session;
    peri_plan_t *plan; /* NULL on workers */
    const peri_stage_t *stages;
    size_t nstages;
    rel_t *rels;
    size_t nrels;
    peri_tick_f tick; /* _run_local's */
    void *tick_arg;
    duckdb_logical_type *out_types; /* the writer borrows them */
    size_t nout_types;
};

/* Everything that does not depend on the statement: arena, memory limit, temporary
 * folder, session. */
peri_query_t *peri_query_start(const peri_queryspec_t *spec, int nranks, peri_err_t *err);

/* ---- tables of schemas (own.c) ---- */

/* *out is NULL if no schema has the name. */
int peri_query_schema(peri_query_t *q, const char *name, const peri_schema_t **out,
                      peri_err_t *err);
/* The sentence for a name that no dataset and no schema has. */
int peri_query_no_schema(peri_query_t *q, const char *name, peri_err_t *err);
/* The sentence for a table whose dataset or schema is not said: where one of this name
 * is.
 */
int peri_query_no_table(peri_query_t *q, const char *table, peri_err_t *err);
peri_table_t *peri_query_own_table(peri_query_t *q, const peri_schema_t *s,
                                   const char *table, peri_err_t *err);
/* On a worker: if the table may be replaced, take hold of the version that the root has
 * met; PERI_ECONFLICT if that is gone. */
int peri_query_hold(peri_query_t *q, const peri_table_t *t, peri_err_t *err);
void peri_query_release(peri_query_t *q);

/* ---- for planning (early.c), see peri_resolver_t ---- */

int64_t peri_query_ready(void *query, int id, void *handle, const peri_pred_t *preds,
                         size_t n);

bool peri_query_range(void *query, void *handle, const char *column, int64_t *min,
                      int64_t *max);
int peri_query_key(void *query, unsigned bits);

/* The files that rows are taken from, also those that kernels read (output.c). */
const peri_outsource_t *peri_query_sources(const peri_query_t *q, peri_arena_t *arena,
                                           size_t *n);

/* What reading some rows costs (cost.c). All members are counts. */
typedef struct {
    uint64_t rows, files, files_left_out;
    uint64_t chunks, chunks_all; /* to read; of the whole files (placed: of the share) */
    uint64_t bytes, bytes_all;
    uint64_t local, shared; /* bytes to read, by where the files lie */
    uint64_t fresh, seen;   /* files with a fresh index; that are not away */
} cost_t;
cost_t peri_relation_cost(const rel_t *r);
/* Cost of a placed relation that a rank told. */
int peri_cost_read(const peri_query_t *q, const peri_buf_t *told, size_t relation,
                   cost_t *out, peri_err_t *err);

bool peri_query_is_late(const peri_query_t *q); /* its time is over */

/* The placed relation's share of this rank, pruned. */
void peri_relation_prune(rel_t *r, bool use_index);

#endif
