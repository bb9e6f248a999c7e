/* append.h - a job that is locked, and events for it one after the other. Private.
 *
 *   take; any number of _tasks and _event; store; clear
 */
#ifndef JOBS_STORE_APPEND_H
#define JOBS_STORE_APPEND_H

#include "jobs/store/store_priv.h"

typedef struct {
    peri_db_t *db;
    char uuid[PERI_UUID_LEN + 1];
    int64_t number;
    int seq; /* of the last event */
    peri_jobstate_t state;
    bool cancel, was_final;
    char *scheduler;
    uint64_t count[PERI_TASK_NSTATES];
    /* to be stored */
    bool changed;
    bool started;   /* one of its tasks did */
    peri_why_t why; /* with the sentence, if that is set */
    char *sentence;
} peri_joblock_t;

int peri_joblock_take(peri_joblock_t *j, peri_db_t *db, const char *uuid,
                      peri_err_t *err);
void peri_joblock_clear(peri_joblock_t *j); /* accepts a zeroed struct */
/* An event of tasks: changes them and appends it, if it fits any. */
int peri_joblock_tasks(peri_joblock_t *j, const peri_event_t *e, size_t *hits,
                       peri_err_t *err);
/* An event that changes no task. */
int peri_joblock_event(peri_joblock_t *j, const peri_event_t *e, peri_err_t *err);
/* The job's own row, and word to who listens. */
int peri_joblock_store(peri_joblock_t *j, peri_err_t *err);

#endif
