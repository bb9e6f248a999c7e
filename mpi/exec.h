/* exec.h - one query over all ranks of a communicator.
 *
 * Rank 0 resolves and plans the query and gives every rank its share; all ranks run the
 * plan's stages; rank 0 writes the result. In every rank the thread that initialised MPI
 * does nothing but MPI (and sleeps when there is none to do), a worker thread runs
 * DuckDB, a third one takes rows that arrive. Nothing blocks for ever: the first error of
 * any rank, a cancellation or the time limit ends the query on all of them.
 *
 * Collective; MPI must have been initialised with MPI_THREAD_FUNNELED or more.
 */
#ifndef MPI_EXEC_H
#define MPI_EXEC_H

#include <mpi.h>

#include "core/query/query.h"

typedef struct {
    /* Asked some thousand times a second on every rank: non-zero cancels the query. */
    int (*cancelled)(void *arg);
    /* On rank 0, at most 10 times a second: sums over all ranks. */
    void (*progress)(const peri_progress_t *sum, void *arg);
    void *arg;
    /* Instead of being written, the rows that a rank makes go to it, chunk by chunk, from
     * its worker thread: set on every rank or on none. */
    int (*keep)(duckdb_data_chunk chunk, void *arg, peri_err_t *err);
    /* On rank 0, from its worker thread: make the query of the specification in another
     * way than peri_query_new. NULL without an error: there is nothing to run. */
    peri_query_t *(*make)(const peri_queryspec_t *spec, int nranks,
                          const peri_locator_t *where, void *arg, peri_err_t *err);
    void *keep_arg; /* of both */
} peri_execopts_t;

typedef struct {
    uint64_t rows;     /* of the result */
    uint64_t marked;   /* peri_writer_marked */
    char summary[512]; /* one line about the run; "" after EXPLAIN */
    peri_hostread_t
        *hosts; /* what each node read; names are owned. Rank 0, after a run */
    size_t nhosts;
    bool stuck; /* some rank did not end in time: call MPI_Abort, not _Finalize */
} peri_execresult_t;

/* spec matters on rank 0 only; NULL there means that the caller already failed with *err,
 * which then ends all ranks. Returns 0, or -1 on every rank; *err holds the reason on
 * rank 0, elsewhere PERI_ECANCEL. */
int peri_exec_run(MPI_Comm comm, const peri_queryspec_t *spec, const peri_execopts_t *o,
                  peri_execresult_t *res, peri_err_t *err);

void peri_execresult_clear(peri_execresult_t *res);
/* Add what another run has read to what this one has; rank 0. */
void peri_execresult_add_reads(peri_execresult_t *res, const peri_execresult_t *other);

#endif
