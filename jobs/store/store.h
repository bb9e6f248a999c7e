/* store.h - jobs in PostgreSQL: the append-only event log, its projection (the rows of
 * job and task), the outbox of side effects, replicas.
 *
 * The only place that writes these tables. Every change of state is an event, appended
 * and projected in one transaction through jobs/store/state.h; appends to one job are
 * serialised by a row lock on it. Functions with peri_db_t run in the caller's
 * transaction if one is open, else in one of their own. After an error the caller's
 * transaction is to be rolled back.
 *
 * Rows of a list come through a callback; strings in them live until it returns.
 */
#ifndef JOBS_STORE_STORE_H
#define JOBS_STORE_STORE_H

#include <jansson.h>

#include "jobs/task/folder.h"
#include "jobs/store/state.h"
#include "jobs/store/db.h"

/* ---- events ---- */

typedef struct {
    const char *job; /* uuid */
    peri_evkind_t kind;
    const char *step;       /* NULL: the whole job */
    int attempt;            /* 0: none */
    const int32_t *indexes; /* tasks of the step it concerns; NULL: all of `attempt`
                               (SUBMITTED, STARTED, ENDED, REVOKED), or none */
    size_t nindexes;
    const char *id;             /* SUBMITTED: the scheduler's id */
    peri_taskstate_t final;     /* ENDED */
    peri_why_t why;             /* ENDED */
    const char *text;           /* a sentence, or NULL */
    const char *host;           /* STARTED */
    double time;                /* STARTED, ENDED: when it happened, epoch; 0: now */
    int exit_code, exit_signal; /* ENDED */
    const json_t *context;      /* anything else worth keeping (usage, ...), or NULL */
} peri_event_t;

/* Append and project. Tasks to which it does not fit (table in state.h: "dropped") or
 * whose current attempt is another one are left out (a task that waits has attempt 0:
 * late news of an attempt that was revoked does not end it); if none is left (and it is
 * not CREATED, CANCEL, NOTE) nothing is stored. *applied (may be NULL): number of tasks
 * it changed. INTENT makes the submission row (name "perigee-UUID-STEP-ATTEMPT",
 * `scheduler` in context) and the outbox entry "submit", due later if its tasks were lost
 * more than once. CANCEL sets the job's flag, ends its waiting tasks as cancelled (ENDED
 * events of the same transaction), and puts an entry "cancel" into the outbox for each
 * submission with tasks that are not final. ENDED of the last task of a job ends the job.
 * REVOKED of a cancelled job's tasks ends them as cancelled. Sends NOTIFY
 * perigee_jobs, 'UUID'. */
int peri_store_append(peri_db_t *db, const peri_event_t *e, size_t *applied,
                      peri_err_t *err);

/* ---- jobs ---- */

typedef struct {
    int64_t owner; /* account; 0: that of the Unix user `uid`, made if there is none */
    uint32_t uid;  /* it runs as */
    const char *user;
    bool sandbox;            /* it sees its owner's volumes only */
    const char *name, *kind; /* kind: of its only step, "graph" for several */
    const char *scheduler;
    int32_t priority;
    const char
        *idem_key; /* NULL: none; the same key of the same owner gives the same job */
    const char *resubmit_of; /* uuid or NULL */
    const char *spec, *plan; /* JSON text */
    struct peri_newstep {
        const char *name;
        const int32_t *indexes; /* tasks; one, 0, when no array */
        size_t nindexes;
        bool is_array, restartable;
        struct peri_newdep {
            const char *job,
                *step; /* uuid; step NULL: the whole job. Of the same job: job NULL */
            bool even_failed;
        } const *after;
        size_t nafter;
    } const *steps;
    size_t nsteps;
} peri_newjob_t;

/* Stores it with its first event. existed: it was there already by its idem_key. */
int peri_store_create(peri_db_t *db, const peri_newjob_t *j, char uuid[PERI_UUID_LEN + 1],
                      int64_t *number, bool *existed, peri_err_t *err);

typedef struct {
    const char *uuid;
    int64_t number;
    int64_t owner;
    uint32_t uid;
    const char *user, *name, *kind, *scheduler;
    bool sandbox;
    const char *delivered; /* where its results went: "OWNER/VOLUME:PATH"; "" */
    peri_jobstate_t state;
    peri_why_t why;   /* of the first task that failed */
    const char *text; /* its sentence, or why it waits */
    bool cancel_requested;
    int32_t priority;
    double created, started, ended; /* epoch; 0: not yet */
    double expected;                /* start, as the scheduler thinks; 0 unknown */
    uint64_t count[PERI_TASK_NSTATES];
    int last_seq;
    const char *spec, *plan; /* only from _get; else NULL */
    const char *resubmit_of;
    const char *usage; /* JSON: sums over tasks; only from _get */
} peri_jobrow_t;

typedef struct {
    int64_t owner;       /* account; 0: all that the transaction's role lets see */
    const char *name;    /* glob; NULL any */
    const char *kind;    /* NULL any */
    unsigned states;     /* bit 1u << peri_jobstate_t; 0: any */
    double since, until; /* created; 0: no limit */
    int64_t before;      /* only numbers below it; 0: from the newest */
    int limit;           /* 1..1000 */
} peri_jobfilter_t;

typedef int (*peri_jobrow_f)(const peri_jobrow_t *row, void *arg); /* non-zero stops */
int peri_store_list(peri_db_t *db, const peri_jobfilter_t *f, peri_jobrow_f each,
                    void *arg, peri_err_t *err);
/* Number, uuid, or a start of a uuid (8 characters or more): PERI_ENOTFOUND, also for
 * jobs that the transaction's role may not see. number may be NULL. */
int peri_store_lookup(peri_db_t *db, const char *what, char uuid[PERI_UUID_LEN + 1],
                      int64_t *number, peri_err_t *err);
int peri_store_get(peri_db_t *db, const char *uuid, peri_jobrow_f each, void *arg,
                   peri_err_t *err);

typedef struct {
    const char *step;
    int32_t index;
    peri_taskstate_t state;
    int attempt;
    int attempts_lost; /* REVOKED since the last one that stopped in time; with that */
    peri_why_t why;
    const char *text;      /* sentence of the end, or why it waits */
    const char *host, *id; /* id: the scheduler's, with the index */
    int exit_code, exit_signal;
    double started, ended, expected;
    const char *usage; /* JSON or NULL */
} peri_taskrow_t;
typedef int (*peri_taskrow_f)(const peri_taskrow_t *row, void *arg);
/* step NULL: all. after_index/limit page through large arrays; limit 0: all. */
int peri_store_tasks(peri_db_t *db, const char *uuid, const char *step,
                     int32_t from_index, int limit, peri_taskrow_f each, void *arg,
                     peri_err_t *err);
/* Events as JSON objects, seq > after. */
int peri_store_events(peri_db_t *db, const char *uuid, int after, int limit,
                      int (*each)(const char *json, int seq, void *arg), void *arg,
                      peri_err_t *err);

/* ---- for the manager ---- */

/* Tasks that are not final, with what the manager needs of their submission. */
typedef struct {
    const char *uuid, *step, *name, *id, *scheduler; /* id "" until it is known */
    uint32_t uid;
    int32_t index;
    bool is_array;
    int attempt, attempts_lost;
    peri_taskstate_t state;
    bool cancel_requested, restartable;
    double changed; /* epoch: last event of it */
} peri_activerow_t;
int peri_store_active(peri_db_t *db, int (*each)(const peri_activerow_t *, void *),
                      void *arg, peri_err_t *err);

/* Steps with waiting tasks whose dependencies are met: the next intent is due. Also those
 * whose dependencies can no longer be met (impossible = true, with the sentence). `ids`:
 * with `chained`, steps whose unfinished dependencies are all submitted to `scheduler`
 * are told too, with these submissions' ids. */
typedef struct {
    const char *uuid, *step;
    int next_attempt;
    const int32_t *indexes; /* waiting tasks */
    size_t nindexes;
    bool impossible;
    const char *text;
    const char *const *ids; /* scheduler's ids to depend on; even_failed[i] */
    const bool *even_failed;
    size_t nids;
    bool one; /* one submission at a time: not told while tasks of it are not over */
} peri_readyrow_t;
int peri_store_ready(peri_db_t *db, const char *scheduler, bool chained,
                     int (*each)(const peri_readyrow_t *, void *), void *arg,
                     peri_err_t *err);

/* What a waiting or queued task (index < 0: all such tasks of the step) waits for, in
 * plain words; not an event, not replayed. Costs no write if it is no news. */
int peri_store_waiting(peri_db_t *db, const char *uuid, const char *step, int32_t index,
                       const char *text, double expected, peri_err_t *err);

/* The outbox. take: up to n due entries; each gets tries + 1 and its next try put off
 * (1 s doubling to 60 s) in a committed transaction before it is handed out, so that a
 * crash in the middle shows. done: remove. */
typedef struct {
    int64_t entry;
    const char *kind; /* "submit" (attempt), "cancel" (attempt, index; -1: all of it) */
    const char *uuid, *step;
    int attempt;
    int32_t index;
    int tries; /* 1 at the first time */
} peri_outboxrow_t;
int peri_store_outbox_take(peri_db_t *db, int n,
                           int (*each)(const peri_outboxrow_t *, void *), void *arg,
                           peri_err_t *err);
/* The same for entries "deliver", which the others do not give: the results of a job that
 * has succeeded are owed to its output. */
int peri_store_deliveries_take(peri_db_t *db, int n,
                               int (*each)(const peri_outboxrow_t *, void *), void *arg,
                               peri_err_t *err);
/* Where they went ("OWNER/VOLUME:PATH"), or, after "! ", why they did not. */
int peri_store_delivered(peri_db_t *db, const char *uuid, const char *where,
                         peri_err_t *err);
int peri_store_outbox_done(peri_db_t *db, int64_t entry, peri_err_t *err);
/* Due again at once, or in `seconds`. */
int peri_store_outbox_retry(peri_db_t *db, int64_t entry, double seconds, const char *why,
                            peri_err_t *err);

/* One submission, with its tasks that are not over: for building the request. */
typedef struct {
    const char *uuid, *step, *name, *id, *scheduler, *user;
    int64_t owner;
    uint32_t uid;
    bool sandbox;
    int attempt;
    const int32_t *indexes;
    size_t nindexes;
    bool is_array, restartable, cancel_requested;
    int attempts_lost; /* the most of its tasks */
    const char *spec;
    const char
        *after; /* JSON array of [id, even_failed] as noted in the INTENT's context */
} peri_submissionrow_t;
int peri_store_submission(peri_db_t *db, const char *uuid, const char *step, int attempt,
                          int (*each)(const peri_submissionrow_t *, void *), void *arg,
                          peri_err_t *err);

/* Apply the log of one job from its first event with jobs/store/state.h and compare with
 * its rows: 0 the same, -1 PERI_EINTERNAL with the first difference. uuid NULL: all jobs.
 */
int peri_store_verify(peri_db_t *db, const char *uuid, peri_err_t *err);
/* Remove jobs that ended before `before` (epoch), with their log, except those that an
 * unfinished job waits for. each gets their uuids before it is certain (a job whose
 * folder is gone is removed the next time, a folder without a job never); non-zero: keep
 * this one and stop. */
int peri_store_prune(peri_db_t *db, double before, int limit,
                     int (*each)(const char *uuid, void *), void *arg, peri_err_t *err);

/* ---- replicas ---- */

typedef struct {
    const char *dataset, *file; /* file: relative to the storage's folder */
    const char *node;           /* "" = shared: every node sees it */
    const char *path;           /* as seen there */
    uint64_t size;
    int64_t mtime_ns;
    double seen;
} peri_replica_t;
/* What `node` (or the shared storage, "") holds of `dataset` now: replaces what was known
 * of it. */
int peri_store_replicas_put(peri_db_t *db, const char *dataset, const char *node,
                            const peri_replica_t *v, size_t n, peri_err_t *err);
int peri_store_replicas(peri_db_t *db, const char *dataset,
                        int (*each)(const peri_replica_t *, void *), void *arg,
                        peri_err_t *err);

#endif
