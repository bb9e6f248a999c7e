/* watch.h - the program while it runs: signals, limits, and what it leaves behind. */
#ifndef JOBS_LAUNCH_WATCH_H
#define JOBS_LAUNCH_WATCH_H

#include "jobs/launch/meter.h"
#include "jobs/launch/task.h"
#include "jobs/launch/writer.h"
#include "jobs/task/cgroup.h"

/* Why we ended it. */
typedef enum {
    PERI_ENDED_NOT, /* it ended by itself */
    PERI_ENDED_MEMORY,
    PERI_ENDED_TIME,
    PERI_ENDED_TOLD /* we were told to */
} peri_ended_t;

typedef struct {
    const peri_task_t *t;
    int signals; /* signalfd of peri_watch_signals */
    pid_t child;
    peri_meter_t *meter;
    peri_writer_t *writer;
    peri_cgroup_t
        *cgroup; /* of the task; or, if `own`, the one that we are in; or NULL */
    bool own;
    uint64_t data_max; /* RLIMIT_DATA of its processes that is ours; 0: none */

    bool ended; /* the child: then status is that of waitpid */
    int status;
    peri_ended_t why;
    bool warned;
    int warn_signal; /* that was sent */
    int64_t ooms;    /* kills by the kernel at the start; -1 unknown */
    bool oom;        /* it has killed a process for want of memory */
    size_t step;     /* of ending it: 0 not begun */
    double begun;    /* when ending began */
    double hurry;    /* 1, or less after a second signal */
    double limit_at, warn_at, step_at, sample_at, scan_at; /* peri_now() */
    double interval;
} peri_watch_t;

/* Block the signals that we hear and give a signalfd for them; -1 with *err. */
int peri_watch_signals(peri_err_t *err);
/* Has a signal come that wants us to end? */
bool peri_watch_told(int signals);
/* Until the program has ended. */
void peri_watch_run(peri_watch_t *w);
/* End all that is left of the task. */
void peri_watch_tidy(peri_watch_t *w);

#endif
