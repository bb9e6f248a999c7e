/* session.h - one locked-down DuckDB with HDF5 tables in it.
 *
 * A session belongs to one query in one process. It owns an in-memory DuckDB whose
 * settings are fixed and locked before any statement of a user reaches it, and the scans:
 * table functions that feed DuckDB rows straight from HDF5.
 *
 * Threads: create and free from one thread; peri_session_interrupt and _progress from
 * any.
 */
#ifndef CORE_ENGINE_SESSION_H
#define CORE_ENGINE_SESSION_H

#include <duckdb.h>

#include "core/index/index.h"
#include "core/table/table.h"
#include "core/table/virtual.h"

typedef struct {
    int threads;          /* 0 = all cores */
    uint64_t memory;      /* bytes for DuckDB; 0 = 70 % of the machine's */
    const char *temp_dir; /* spill folder; NULL = none: a query that needs it fails */
    uint64_t temp_size;   /* bytes; 0 = 10 GB */
    const char *file;     /* the one file that statements may read; NULL = none */
} peri_limits_t;

typedef struct peri_session peri_session_t;

peri_session_t *peri_session_new(const peri_limits_t *limits, peri_err_t *err);
void peri_session_free(peri_session_t *s);                    /* accepts NULL */
duckdb_connection peri_session_connection(peri_session_t *s); /* borrowed */
/* Another connection to the same tables, to append while a statement runs. The caller
 * disconnects it before the session is freed. */
int peri_session_connect(peri_session_t *s, duckdb_connection *out, peri_err_t *err);

/* Make view peri_r<id> over `table` with the given virtual columns (PERI_VIRT_*); it has
 * no rows until its share is set. Keeps references to table and index (NULL = none). */
int peri_session_add_relation(peri_session_t *s, int id, peri_table_t *table,
                              peri_index_t *index, unsigned virtuals, peri_err_t *err);
/* Make the function peri_key<bits> known, which core/sql writes (keys.c). Statements that
 * are run may have it without that. */
int peri_session_add_key(peri_session_t *s, unsigned bits, peri_err_t *err);
/* The rows that scans of this relation deliver in this process (copied). */
int peri_session_set_share(peri_session_t *s, int id, const peri_ranges_t *share,
                           peri_err_t *err);

/* Rows that cannot satisfy all of these conditions may be left out (borrowed as long as
 * the session lives). */
int peri_session_set_filter(peri_session_t *s, int id, const peri_pred_t *preds, size_t n,
                            peri_err_t *err);

typedef struct {
    uint64_t rows, rows_all; /* scanned so far; in all shares */
    uint64_t bytes;          /* fetched from files (compressed): the sum of */
    uint64_t local;          /* from storage of the node that read them */
    uint64_t shared;         /* from storage that all nodes see */
    uint64_t remote;         /* from neither; none, if all is as it should be */
} peri_progress_t;
/* sum += p */
static inline void peri_progress_add(peri_progress_t *sum, const peri_progress_t *p)
{
    sum->rows += p->rows;
    sum->rows_all += p->rows_all;
    sum->bytes += p->bytes;
    sum->local += p->local;
    sum->shared += p->shared;
    sum->remote += p->remote;
}
void peri_session_progress(const peri_session_t *s, peri_progress_t *out);
/* The running statement ends with PERI_ECANCEL soon; later ones at once.
 * Async-signal-unsafe. */
void peri_session_interrupt(peri_session_t *s);

/* Run SQL and hand over each chunk as it comes (streaming; on the calling thread). The
 * callback returns non-zero to stop (its error is in err then). Errors of DuckDB are
 * translated: out of memory and temp space into PERI_ELIMIT, interrupts into
 * PERI_ECANCEL, errors of our scan keep their own code. */
int peri_session_run(peri_session_t *s, const char *sql,
                     int (*chunk)(duckdb_data_chunk chunk, void *arg, peri_err_t *err),
                     void *arg, peri_err_t *err);
/* The types (and names) of a statement's columns; both arrays are the caller's: destroy
 * each type, free names, free arrays. */
int peri_session_describe(peri_session_t *s, const char *sql, duckdb_logical_type **types,
                          char ***names, size_t *n, peri_err_t *err);
/* CREATE TABLE name(types), then chunks may be appended. */
int peri_session_create_table(peri_session_t *s, const char *name,
                              const duckdb_logical_type *types, const char *const *names,
                              size_t n, peri_err_t *err);

#endif
