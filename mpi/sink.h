/* sink.h - where rows arrive on a rank: the tables of later stages, and on rank 0 the
 * output.
 *
 * Every stage whose rows come here has a table for each rank that sends (up to a maximum,
 * then neighbouring ranks share one) and a view peri_s<i> over them in rank order. So
 * rows of all ranks are taken as they arrive, and the table still reads in rank order.
 * Output has one place only: rank 0's rows are written first, then rank 1's, and so on;
 * what comes before its turn waits, as much as its sender may have under way (see
 * post.h).
 *
 * Threads: the worker makes and frees it and brings this rank's own rows (_local_*), the
 * main thread brings messages (_put), a thread of its own empties them. Errors of that
 * thread go to `fail`.
 */
#ifndef MPI_SINK_H
#define MPI_SINK_H

#include "core/query/query.h"
#include "mpi/bell.h"
#include "core/rows/rows.h"
#include "mpi/wire.h"

typedef struct peri_sink peri_sink_t;

typedef struct {
    int rank, nranks;
    peri_bell_t *bell; /* rung when bytes were consumed; borrowed */
    bool writes;       /* rank 0 opens the writer; else no output comes here */
    void (*fail)(void *arg, const peri_err_t *err);
    void *arg;
} peri_sinkopts_t;

/* Describes the stages, makes their tables, on rank 0 opens the writer. */
peri_sink_t *peri_sink_new(peri_query_t *q, const peri_sinkopts_t *o, peri_err_t *err);
/* Ends its thread; frees. What was not finished is thrown away. Accepts NULL. */
void peri_sink_free(peri_sink_t *s);

/* The rows of stage i, for encoding. */
const peri_rows_t *peri_sink_rows(const peri_sink_t *s, size_t stage);
/* Rows of stage i that this rank made stay here (too). */
int peri_sink_local_chunk(peri_sink_t *s, size_t stage, duckdb_data_chunk chunk,
                          peri_err_t *err);
int peri_sink_local_done(peri_sink_t *s, size_t stage, peri_err_t *err);

/* A DATA or DONE message; takes ownership. */
void peri_sink_put(peri_sink_t *s, peri_inmsg_t *msg);
/* Bytes of DATA from this rank that were consumed since the last call. */
size_t peri_sink_consumed(peri_sink_t *s, int src);

/* Wait until all tables that stages before this one fill on this rank are complete.
 * -1 if the sink was stopped. */
int peri_sink_wait(peri_sink_t *s, size_t stage);
/* Rank 0: wait until all output is written, finish the file. */
int peri_sink_finish(peri_sink_t *s, uint64_t *rows, uint64_t *marked, peri_err_t *err);
/* Whoever waits gets -1. From any thread. */
void peri_sink_stop(peri_sink_t *s);

/* Does this rank run that stage; do its rows go (also) here; how many ranks send it? */
static inline bool peri_stage_runs(const peri_stage_t *st, int rank)
{
    return st->on_all_ranks || rank == 0;
}
static inline bool peri_stage_arrives(const peri_stage_t *st, int rank)
{
    return st->dest == PERI_DEST_ALL || rank == 0;
}
static inline int peri_stage_sources(const peri_stage_t *st, int nranks)
{
    return st->on_all_ranks ? nranks : 1;
}

#endif
