/* state.h - the life of a task as one table: (state, event) -> state. Pure: no I/O.
 *
 * A job's log is a list of events; each concerns the whole job, a step (a submission of
 * some of its tasks), or one task. Applying the log from the first event gives the state
 * of every task and of the job: that is what "replay" means, and the rows in the database
 * are nothing else. An event that does not fit a task's state is ignored for that task if
 * the table says so (late news), and an error otherwise.
 *
 *   waiting ──intent──▶ submitting ──submitted──▶ queued ──started──▶ running ──ended──▶
 * done ▲                    │ ▲                     │ │                  │
 *      └──────revoked───────┴─┼─────────────────────┘ └──────ended──────▶ done
 *      └───────────────────────revoked (restartable only)────────────────┘
 */
#ifndef JOBS_STORE_STATE_H
#define JOBS_STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

typedef enum {
    PERI_TASK_WAITING,    /* for other steps or jobs, or to be submitted (again) */
    PERI_TASK_SUBMITTING, /* the intent is stored; whether the scheduler knows is not sure
                           */
    PERI_TASK_QUEUED,
    PERI_TASK_RUNNING,
    PERI_TASK_SUCCEEDED, /* this and all after: final */
    PERI_TASK_FAILED,
    PERI_TASK_CANCELLED,
    PERI_TASK_NSTATES
} peri_taskstate_t;

/* Of a job, while any of its tasks is not final: running as soon as one runs or is over,
 * else queued as soon as one is submitted or about to be, else waiting; then failed if
 * any failed, else cancelled if any was, else succeeded. */
typedef enum {
    PERI_JOB_WAITING,
    PERI_JOB_QUEUED,
    PERI_JOB_RUNNING,
    PERI_JOB_SUCCEEDED,
    PERI_JOB_FAILED,
    PERI_JOB_CANCELLED,
    PERI_JOB_NSTATES
} peri_jobstate_t;

typedef enum {
    PERI_EV_CREATED, /* job: all tasks exist, waiting */
    PERI_EV_INTENT,  /* submission: these tasks are about to be submitted as `attempt` */
    PERI_EV_SUBMITTED, /* submission: the scheduler knows it as `id` */
    PERI_EV_STARTED,   /* task */
    PERI_EV_ENDED,     /* task: final state and reason */
    PERI_EV_REVOKED,   /* task: this attempt will never run (again): back to waiting */
    PERI_EV_CANCEL,    /* job: its user wants it ended; sets the job's flag */
    PERI_EV_NOTE,      /* any: a fact for people, no change of state */
    PERI_EV_NEVENTS
} peri_evkind_t;

/* Why a task is over; the word in the API. */
typedef enum {
    PERI_WHY_NONE, /* succeeded */
    PERI_WHY_EXIT, /* exit status not 0 */
    PERI_WHY_SIGNAL,
    PERI_WHY_MEMORY,
    PERI_WHY_TIME,
    PERI_WHY_NO_PROGRAM,
    PERI_WHY_NO_SPACE,
    PERI_WHY_NODE, /* node failed */
    PERI_WHY_PREEMPTED,
    PERI_WHY_LAUNCHER, /* perigee-launch was killed or failed */
    PERI_WHY_REBOOT,
    PERI_WHY_REFUSED,    /* the scheduler does not take it */
    PERI_WHY_LOST,       /* its scheduler lost it too often */
    PERI_WHY_DEPENDENCY, /* what it waits for did not succeed */
    PERI_WHY_CANCELLED,  /* by its user */
    PERI_WHY_SCHEDULER,  /* cancelled in the scheduler, not through Perigee */
    PERI_WHY_NWHYS
} peri_why_t;

const char *peri_taskstate_name(peri_taskstate_t s); /* "waiting" ... */
const char *peri_jobstate_name(peri_jobstate_t s);
const char *peri_evkind_name(peri_evkind_t e);
const char *peri_why_name(peri_why_t w); /* "", "exit", "signal", "out_of_memory",
   "time_limit", "no_program", "disk_full", "node_failed", "preempted", "launcher_killed",
   "reboot", "refused", "lost", "dependency", "cancelled", "cancelled_in_scheduler" */
int peri_taskstate_parse(const char *name, peri_taskstate_t *s);
int peri_jobstate_parse(const char *name, peri_jobstate_t *s);
int peri_evkind_parse(const char *name, peri_evkind_t *e);
int peri_why_parse(const char *name, peri_why_t *w);
static inline bool peri_task_is_final(peri_taskstate_t s)
{
    return s >= PERI_TASK_SUCCEEDED;
}
static inline bool peri_job_is_final(peri_jobstate_t s)
{
    return s >= PERI_JOB_SUCCEEDED;
}

/* What the event does to one task it concerns. `final`: for ENDED, the state it names.
 * 1: *next is set (may equal s). 0: does not fit and is to be dropped without harm.
 * -1: does not fit, a fault. */
int peri_task_step(peri_taskstate_t s, peri_evkind_t e, peri_taskstate_t final,
                   peri_taskstate_t *next);
peri_jobstate_t peri_job_fold(const uint64_t count[PERI_TASK_NSTATES]);

#endif
