/* scheduler.h - one interface to whatever runs tasks: the embedded local scheduler,
 * Slurm.
 *
 * A scheduler starts perigee-launch in an allocation and says what became of it. It knows
 * nothing of SQL, of jobs' states or of the portal. What is asked of it is a submission:
 * one task, or an array of tasks that differ only in their index. Every submission has a
 * name that is its idempotency key: submitting a name twice gives the same id.
 *
 * "Cannot tell" is never "gone": a function that could not ask says so with an error, and
 * the caller asks again later. PERI_EINVAL, PERI_EDENIED and PERI_ELIMIT from _submit
 * mean that it will never be accepted as it is; every other code means "not known, ask
 * _find, try again".
 *
 * A back end is a peri_sched_ops_t. "local" is built in; any other NAME is the shared
 * object perigee-NAME.so with the symbol peri_sched_ops, loaded when the configuration
 * names it. Threads: all functions may be called from any thread; a back end locks
 * itself.
 */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "perigee/err.h"

#define PERI_SCHED_ABI      3
#define PERI_SCHED_ID_MAX   64
#define PERI_SCHED_NO_INDEX (-1)

typedef struct {
    const char *id;   /* of an earlier submission, as _submit gave it */
    bool even_failed; /* run after any end, not only after success */
} peri_scheddep_t;

/* What is asked for. Strings and arrays are borrowed for the call. */
typedef struct {
    const char
        *name; /* "perigee-UUID-STEP-ATTEMPT": at most 160 bytes of [A-Za-z0-9_.-] */
    const char *comment; /* the job's uuid */
    const char *folder;  /* absolute; the submission's folder, see jobs/task/folder.h */
    /* The program to start, perigee-launch, and its arguments; the index of an array task
     * is appended by the back end as "--index N" (local) or found by the program in
     * SLURM_ARRAY_TASK_ID. */
    const char *const *argv;
    size_t argc;
    uid_t uid; /* whose rights it runs with */
    gid_t gid;
    const char *user; /* login or account, for fair turns and messages; several may run
                         with the same rights */

    const int32_t *indexes; /* of an array, ascending, >= 0; NULL: one task, no array */
    size_t nindexes;
    int32_t throttle; /* array tasks that run at a time; 0: no limit */

    uint32_t nodes;        /* >= 1 */
    uint32_t ranks;        /* over all nodes, >= 1 */
    uint32_t cpus;         /* per rank, >= 1 */
    uint64_t memory;       /* bytes per node; 0: the back end's default */
    uint32_t time_limit;   /* seconds; 0: the back end's default */
    uint32_t warn_signal;  /* sent to perigee-launch before the time limit; 0: none */
    uint32_t warn_seconds; /* how long before */
    bool requeue;          /* may be started again by the scheduler after a node failed */
    int32_t priority;      /* higher first; 0 is usual; -1000 to 1000 */

    const char *partition;  /* NULL: default (Slurm's partition; local: ignored) */
    const char *account;    /* NULL: default */
    const char *constraint; /* feature expression, NULL: none */
    /* Places of the data: hard = all of these nodes and no others unless `nodes` is
     * larger; soft = preferred. Only one of them is set. */
    const char *const *nodes_hard;
    size_t nnodes_hard;
    const char *const *nodes_soft;
    size_t nnodes_soft;

    const peri_scheddep_t *after; /* only if caps.dependencies */
    size_t nafter;
} peri_schedreq_t;

typedef enum {
    PERI_SCHED_PENDING,
    PERI_SCHED_RUNNING,
    PERI_SCHED_ENDED /* see end; the records in the folder know more */
} peri_schedstate_t;

/* How the scheduler itself thinks that a task ended. */
typedef enum {
    PERI_END_UNKNOWN,   /* it only knows that it is over */
    PERI_END_EXITED,    /* by itself: exit_code, or signal */
    PERI_END_CANCELLED, /* by a person or the administrator, through the scheduler */
    PERI_END_TIME,
    PERI_END_MEMORY,
    PERI_END_NODE, /* a node failed or vanished */
    PERI_END_PREEMPTED,
    PERI_END_BOOT,   /* the machine was started anew (local), or a node could not boot */
    PERI_END_KILLED, /* perigee-launch itself was killed (local) */
    PERI_END_DEPENDENCY /* never to run: what it waits for has failed */
} peri_schedend_t;

typedef struct {
    const char *name; /* of the submission */
    const char *id;
    int32_t index; /* PERI_SCHED_NO_INDEX if not an array; an array's pending rest may be
                      told once with index = PERI_SCHED_NO_INDEX and array_rest = true */
    bool array_rest;
    peri_schedstate_t state;
    peri_schedend_t end;
    int exit_code, signal;
    uint32_t restarts;
    const char *why;  /* pending: the reason in plain words; ended: what it says; or "" */
    const char *raw;  /* the scheduler's own words ("PENDING Resources") */
    int64_t expected; /* pending: expected start, seconds since the epoch; 0: unknown */
    int64_t started, ended; /* epoch seconds; 0: unknown */
    const char *nodes;      /* where it runs or ran: "n1,n2"; "" */
} peri_schedtask_t;

/* What one submission may ask for at most: for checking a job before it is stored. Zero
 * means "no limit known". */
typedef struct {
    const char *name;    /* "local", "slurm": for sentences */
    uint32_t nodes;      /* usable nodes */
    uint32_t cores_node; /* cores of the largest node */
    uint32_t cores;      /* of all nodes */
    uint64_t memory_node;
    uint32_t time_limit;  /* seconds */
    uint32_t array_tasks; /* of one submission */
    uint32_t array_span;  /* from its first index to its last one */
    bool dependencies;    /* `after` works */
    bool multi_node;
} peri_schedcaps_t;

typedef struct peri_sched peri_sched_t;

typedef struct {
    uint32_t abi; /* PERI_SCHED_ABI */
    const char *name;
    /* conf: the back end's own section of the configuration (an object, may be empty).
     * state: a folder of its own that lasts between runs (0700, exists).
     * wake(arg): called from any thread when something has changed that _poll would tell.
     */
    void *(*open)(const json_t *conf, const char *state, void (*wake)(void *), void *arg,
                  peri_err_t *err);
    /* Are these settings right? Does nothing else. */
    int (*check)(const json_t *conf, peri_err_t *err);
    void (*close)(void *self); /* tasks that run go on */
    int (*caps)(void *self, peri_schedcaps_t *out, peri_err_t *err);
    /* Calls `each` for the name of every node that it has, whatever its state. May be
     * NULL where there is only this machine. */
    int (*nodes)(void *self, void (*each)(const char *name, void *arg), void *arg,
                 peri_err_t *err);
    /* Durable when it returns 0. */
    int (*submit)(void *self, const peri_schedreq_t *req, char id[PERI_SCHED_ID_MAX],
                  peri_err_t *err);
    /* 1: known, *id is set. 0: certainly not known. -1: cannot tell. */
    int (*find)(void *self, const char *name, char id[PERI_SCHED_ID_MAX],
                peri_err_t *err);
    /* Calls `each` for tasks of ours: on the first call and when `all`, for all that it
     * knows; else at least for those that changed. *complete is set if all were told, so
     * that one that is missing is not known any more. -1: cannot tell (nothing of this
     * round may be used). */
    int (*poll)(void *self, bool all, void (*each)(const peri_schedtask_t *, void *),
                void *arg, bool *complete, peri_err_t *err);
    /* index PERI_SCHED_NO_INDEX: all tasks of the submission. Pending ones never start,
     * running ones get SIGTERM and in the end SIGKILL. What is over or unknown is fine.
     */
    int (*cancel)(void *self, const char *id, int32_t index, peri_err_t *err);
    /* The caller has noted the end of all tasks of this submission: it may be forgotten.
     */
    void (*forget)(void *self, const char *name, const char *id);
} peri_sched_ops_t;

/* Open by name. plugins: folder of perigee-NAME.so, NULL: beside the program, then the
 * installed one. */
peri_sched_t *peri_sched_open(const char *name, const json_t *conf, const char *state,
                              const char *plugins, void (*wake)(void *), void *arg,
                              peri_err_t *err);
/* Would it be opened, as far as its name and settings go? */
int peri_sched_check(const char *name, const json_t *conf, const char *plugins,
                     peri_err_t *err);
void peri_sched_close(peri_sched_t *s); /* accepts NULL */
const char *peri_sched_name(const peri_sched_t *s);
int peri_sched_caps(peri_sched_t *s, peri_schedcaps_t *out, peri_err_t *err);
int peri_sched_nodes(peri_sched_t *s, void (*each)(const char *name, void *arg),
                     void *arg, peri_err_t *err);
int peri_sched_submit(peri_sched_t *s, const peri_schedreq_t *req,
                      char id[PERI_SCHED_ID_MAX], peri_err_t *err);
int peri_sched_find(peri_sched_t *s, const char *name, char id[PERI_SCHED_ID_MAX],
                    peri_err_t *err);
int peri_sched_poll(peri_sched_t *s, bool all,
                    void (*each)(const peri_schedtask_t *, void *), void *arg,
                    bool *complete, peri_err_t *err);
int peri_sched_cancel(peri_sched_t *s, const char *id, int32_t index, peri_err_t *err);
void peri_sched_forget(peri_sched_t *s, const char *name, const char *id);

extern const peri_sched_ops_t peri_sched_local_ops;
/* What the local scheduler starts tasks of other users with if we are not root (NULL: it
 * refuses them). Before it is opened; lives until the end of the process. */
struct peri_starter;
void peri_local_set_starter(const struct peri_starter *s);

#endif
