/* query.h - one SQL statement from text to rows in a file: what is common to one process
 * and to many ranks.
 *
 * It joins the parts: names are resolved through the catalogue or as files, the statement
 * is planned, chunks are pruned, a session is set up, output columns get their units.
 * With one rank peri_query_run_local does the rest; with more, mpi/ runs the stages (see
 * mpi/exec.h).
 *
 * Threads: one thread drives a query. A process has one query in its life: making it also
 * sets the process's memory limit (RLIMIT_DATA), for what DuckDB's own limit misses.
 */
#ifndef CORE_QUERY_QUERY_H
#define CORE_QUERY_QUERY_H

#include "core/base/buf.h"
#include "core/engine/session.h"
#include "core/out/writer.h"
#include "core/sql/plan.h"

/* The rows that a kernel has made: a table whose columns keep their order. Dataset i of
 * the files is named after its number: PERI_RESULT_COLUMN. */
typedef struct {
    const char *name;
    const char *const *columns;
    size_t ncolumns;
    const peri_outsource_t *sources; /* files that it was made from; on the root */
    size_t nsources;
} peri_kernelresult_t;
#define PERI_RESULT_COLUMN "c%04zu"

/* What the user asked for; also the content of a task file. Strings are borrowed. */
typedef struct {
    const char *sql;
    const char *context; /* dataset for unqualified table names, or NULL */
    const char *base;    /* folder for relative file names, or NULL: working folder */
    const char *root;    /* tree that files must lie in, or NULL */
    const char *into;    /* result file, or NULL: stdout */
    peri_format_t format;
    bool overwrite;
    bool draft;          /* of the result: peri_writeopts_t */
    const char *extends; /* too; it is one of the result's sources then. NULL: none */
    bool marks;          /* too */
    bool explain;        /* print the plan instead of running it */
    bool use_index;
    bool allow_missing;
    int64_t limit;      /* rows; < 0: none */
    int64_t table_rows; /* rows that the terminal table shows; 0: default */
    uint32_t width;     /* terminal width; 0: no limit */
    bool utf8;
    int threads;          /* per rank; 0: the cores this rank may use */
    uint64_t memory;      /* bytes per rank; 0: default */
    const char *temp_dir; /* NULL: a private folder below $TMPDIR is made and removed */
    uint64_t temp_size;   /* 0: default */
    double time_limit;    /* seconds; 0: none */
    double time_said;     /* what time_limit is the rest of, for sentences; 0: itself */
    uint64_t broadcast_limit;
    const char *checkpoint;  /* folder where kernels save what they have, or NULL */
    const char *shown_sql;   /* what the result says it is from; NULL: sql */
    const char *description; /* of the table that the result is, or NULL */
    /* The rest is no part of the task file. One process keeps these limits, and with
     * `cut` they (and time_limit, after the first rows) end the result; else they fail */
    bool cut;
    uint64_t max_rows, max_bytes; /* of the result; 0: none */
    const char *results; /* folder with the rows of kernels: see PERI_KERNEL_CATALOG */
    const peri_kernelresult_t *result; /* each; borrowed as long as there are queries */
    size_t nresults;
    bool results_on_nodes; /* each node has a folder of that name of its own */
} peri_queryspec_t;

void peri_queryspec_init(peri_queryspec_t *spec); /* the defaults */
/* The time limit as it was said. */
double peri_queryspec_time(const peri_queryspec_t *spec);
/* The sentence about it; -1. */
int peri_queryspec_too_long(const peri_queryspec_t *spec, peri_err_t *err);
/* Bytes that a rank may have, if all of them are on this machine and none are said. */
uint64_t peri_queryspec_memory(const peri_queryspec_t *spec, int nranks);
/* The task file: JSON. from_json copies strings into the arena. */
int peri_queryspec_to_json(const peri_queryspec_t *spec, peri_buf_t *out,
                           peri_err_t *err);
int peri_queryspec_from_json(const char *json, size_t len, struct peri_arena *arena,
                             peri_queryspec_t *spec, peri_err_t *err);

typedef struct peri_query peri_query_t;

/* The nodes that the ranks run on, and a way to ask each of them something: how many
 * ranks find files that lie on nodes. One process, or ranks on one node, need none. */
typedef struct {
    const char *const *hosts; /* the root's own is among them */
    size_t nhosts;
    const int *host_of; /* for each rank */
    /* Have peri_query_answer called with these bytes on each host but the root's;
     * answers[h] (initialised) gets what it says. */
    int (*ask)(void *arg, const void *question, size_t len, peri_buf_t *answers,
               peri_err_t *err);
    void *arg;
} peri_locator_t;

/* On the root: session, tables, plan, pruned ranges for every relation. The locator (or
 * NULL) is borrowed for the query's life. */
peri_query_t *peri_query_new(const peri_queryspec_t *spec, int nranks,
                             const peri_locator_t *where, peri_err_t *err);
int peri_query_answer(const void *question, size_t len, peri_buf_t *out, peri_err_t *err);
void peri_query_free(peri_query_t *q); /* accepts NULL; removes the temporary folder */

const peri_plan_t *peri_query_plan(const peri_query_t *q); /* NULL on workers */
peri_session_t *peri_query_session(const peri_query_t *q); /* borrowed */
size_t peri_query_nstages(const peri_query_t *q);
const peri_stage_t *peri_query_stage(const peri_query_t *q, size_t i); /* on every rank */

/* Rows to scan over all ranks and relations, after pruning. */
uint64_t peri_query_rows_all(const peri_query_t *q);

/* Bytes that make rank `rank` of `nranks` able to run its part: tables, its share,
 * limits, stage SQL. unpack makes the worker's query; lengths are checked. */
int peri_query_pack(const peri_query_t *q, int rank, int nranks, peri_buf_t *out,
                    peri_err_t *err);
peri_query_t *peri_query_unpack(const void *data, size_t len, peri_err_t *err);
/* Set this process's own share of every relation (rank 0; workers get theirs by unpack).
 */
int peri_query_take_share(peri_query_t *q, int rank, int nranks, peri_err_t *err);

/* The columns of the result with names, units and types, which belong to the query; with
 * several ranks only when the types of the last stage are known. At most once, and not
 * before _open_writer, which does it itself. */
int peri_query_columns(peri_query_t *q, const peri_outcol_t **out, size_t *n,
                       peri_err_t *err);
/* The writer for the result, with names, units and provenance; call when the types of the
 * last stage are known: peri_session_describe on its SQL. */
peri_writer_t *peri_query_open_writer(peri_query_t *q, peri_err_t *err);

bool peri_query_explains(const peri_query_t *q); /* its spec says so; on every rank */
/* Some of the rows lie on nodes that rank 0 does not see. */
bool peri_query_is_placed(const peri_query_t *q);
/* What this rank's share costs, as bytes for _explain: of relations that are placed. */
int peri_query_cost(const peri_query_t *q, peri_buf_t *out, peri_err_t *err);
/* The plan in words: stages, ranks, chunks skipped, bytes to read. costs: for each rank
 * what peri_query_cost gave there; NULL if the query is not placed. */
int peri_query_explain(const peri_query_t *q, int nranks, const peri_buf_t *costs,
                       peri_buf_t *out, peri_err_t *err);
/* One line for stderr after the run: rows, time, bytes, rate. */
void peri_query_summary(const peri_query_t *q, uint64_t rows_out, double seconds,
                        const peri_progress_t *all_ranks, char *out, size_t cap);

/* ---- what was read where ---- */

typedef struct {
    const char *name;
    peri_progress_t read;
} peri_hostread_t;

/* The report (JSON) of a query that is over. */
int peri_query_report(uint64_t rows, const peri_hostread_t *hosts, size_t n,
                      peri_buf_t *out, peri_err_t *err);

/* Into the file that $PERIGEE_REPORT names, whole or not at all; nothing if that is not
 * set. */
int peri_query_report_write(uint64_t rows, const peri_hostread_t *hosts, size_t n,
                            peri_err_t *err);

/* Called about 10 times a second from a thread of the query's own; non-zero cancels. */
typedef int (*peri_tick_f)(const peri_progress_t *progress, void *arg);

/* All in this process: run and write (or explain to stdout); spec.time_limit is kept.
 * tick may be NULL. */
int peri_query_run_local(peri_query_t *q, peri_tick_f tick, void *arg, uint64_t *rows_out,
                         peri_err_t *err);
uint64_t peri_query_marked(const peri_query_t *q); /* after it: peri_writer_marked */
/* After it: "rows", "time" or "bytes" if the result was cut; else NULL. */
const char *peri_query_cut(const peri_query_t *q);

#endif
