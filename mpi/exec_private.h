/* exec_private.h - what the main thread (exec.c) and the worker thread (work.c) share. */
#ifndef MPI_EXEC_PRIVATE_H
#define MPI_EXEC_PRIVATE_H

#include "mpi/exec.h"
#include "mpi/hosts.h"
#include "mpi/outbox.h"
#include "mpi/post.h"
#include "mpi/sink.h"

typedef struct {
    int rank, nranks;
    const peri_queryspec_t *spec; /* rank 0 */
    const peri_execopts_t *o;
    const peri_hosts_t *hosts;
    peri_locator_t where; /* rank 0: what the query asks through */
    double started;
    peri_bell_t bell; /* wakes the main thread */
    peri_outbox_t outbox;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool stop;          /* main: the worker shall end */
    peri_inmsg_t *told; /* main: for the worker: query, questions, answers (ask.h) */
    peri_inmsg_t **told_last;
    peri_session_t *session; /* worker: to interrupt and to ask for progress */
    peri_sink_t *sink;       /* worker: where main puts rows; NULL before and after */
    peri_inmsg_t *early;     /* main: rows that came before there was a sink */
    peri_inmsg_t **early_last;
    bool ended;  /* worker: its last word */
    bool failed; /* somebody on this rank: err says why */
    peri_err_t err;
    peri_progress_t progress; /* worker: the last before the session went away */
    peri_progress_t *ranks;   /* main, on rank 0: what each rank said last */
    peri_execresult_t *res;
} peri_exec_t;

/* The worker thread; arg is the peri_exec_t. */
void *peri_work_run(void *arg);
/* Note a failure on this rank; the first one counts. From any thread. */
void peri_exec_fail(peri_exec_t *x, const peri_err_t *err);

#endif
