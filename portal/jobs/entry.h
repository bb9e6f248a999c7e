/* entry.h - the tasks that are not over, in the manager's memory: what it last heard of
 * each, and how far it has read their records.
 *
 * A cache: all of it can be had again from the database, the folders and the schedulers.
 * One thread, the manager's.
 */
#ifndef PORTAL_JOBS_ENTRY_H
#define PORTAL_JOBS_ENTRY_H

#include "jobs/store/state.h"
#include "jobs/task/folder.h"
#include "jobs/task/record.h"
#include "scheduler/scheduler.h"

typedef struct peri_entry {
    char uuid[PERI_UUID_LEN + 1];
    char step[40];
    char name[164]; /* of the submission */
    char id[PERI_SCHED_ID_MAX];
    size_t backend; /* index into portal->backends */
    int32_t index;
    bool is_array;
    int attempt, attempts_lost;
    peri_taskstate_t state;
    bool cancel_requested, restartable;
    double since; /* peri_now() when the scheduler had it for sure */

    /* from the records */
    uint64_t offset;
    bool has_started, has_exit;
    peri_record_t exit; /* its strings are below */
    char exit_text[700];
    double look; /* peri_now() of the next look; 0: none planned */

    /* from the scheduler */
    bool running; /* it says so */
    bool ended;
    peri_schedend_t end;
    int end_code, end_signal;
    char end_text[300];
    double ended_at, missing_at; /* peri_now(); 0: not */
    uint32_t round;              /* of the last complete poll that told of it */
    uint64_t why_hash;           /* of the reason last stored */
    struct peri_entry *next;     /* private: in its bucket */
} peri_entry_t;

typedef struct peri_entries peri_entries_t;

peri_entries_t *peri_entries_new(void);
void peri_entries_free(peri_entries_t *t); /* accepts NULL */
void peri_entries_clear(peri_entries_t *t);
size_t peri_entries_count(const peri_entries_t *t);
/* Found, or made empty but for name and index. */
peri_entry_t *peri_entries_put(peri_entries_t *t, const char *name, int32_t index);
peri_entry_t *peri_entries_find(peri_entries_t *t, const char *name, int32_t index);
void peri_entries_remove(peri_entries_t *t, peri_entry_t *e);
/* Calls each for all; each may remove the one it is given. */
void peri_entries_each(peri_entries_t *t, void (*each)(peri_entry_t *, void *),
                       void *arg);
/* How many of a submission there are. */
size_t peri_entries_of(peri_entries_t *t, const char *name);

#endif
