/* local.h - what the files of the local scheduler share: its data, and who does what.
 *
 * A *submission* (peri_sub_t) is one file in STATE/queue and has one or more *tasks*. A
 * task that has been started, or may have been, has a *run* (peri_run_t): the process
 * that is watched and the slots that it holds, until its end is told.
 *
 * Invariants: free_cores and free_memory are the machine's less those of all runs. A
 * submission is in its lane exactly while it has pending tasks. Runs are made and removed
 * by the scheduler's own thread only (or by _open, before there is one).
 *
 * Threads: everything here is under peri_local_t.lock, which the callers hold, except
 * what is said to be free of it. The callers of the interface and the thread share it.
 */
#ifndef SCHEDULER_LOCAL_LOCAL_H
#define SCHEDULER_LOCAL_LOCAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "scheduler/scheduler.h"
#include "scheduler/starter.h"

typedef struct peri_local peri_local_t;
typedef struct peri_sub peri_sub_t;
typedef struct peri_run peri_run_t;

typedef struct {
    peri_sub_t *sub;
    peri_run_t *run; /* while it runs */
    char *why;       /* of its end, or NULL */
    uint64_t pid_start;
    int64_t started, ended; /* epoch seconds */
    pid_t pid;              /* as noted at its start; 0: none */
    int32_t index;          /* PERI_SCHED_NO_INDEX without array */
    int32_t exit_code, sig;
    uint32_t restarts;
    uint8_t state;   /* peri_schedstate_t */
    uint8_t end;     /* peri_schedend_t */
    bool begun;      /* noted as about to be started: there may be a process */
    bool other_boot; /* ... before the machine was started anew */
    bool cancel;
    bool dirty; /* to be told by the next _poll */
} peri_task_t;

typedef struct peri_lane peri_lane_t;

typedef struct peri_user {
    uid_t uid;
    char *name;
    double usage;                 /* core-seconds of ended tasks, decayed */
    double key;                   /* usage and what runs, for the pass at hand */
    struct peri_account *account; /* start.c's */
    struct peri_user *next;
} peri_user_t;

struct peri_sub {
    uint64_t seq; /* the id, and the order of arrival */
    char *name, *folder, *comment;
    char **argv; /* NULL-terminated */
    peri_user_t *user;
    gid_t gid;
    int64_t submitted;
    uint64_t memory;
    uint32_t cores, time_limit;
    int32_t priority, throttle;
    bool array, forgotten;
    peri_task_t *tasks;
    size_t ntasks, npending, nrunning;
    size_t first_pending; /* none before it is pending */
    /* its place among those that wait */
    peri_lane_t *lane;
    peri_sub_t *prev, *next;
    double blocked; /* peri_now() when it was first in turn and did not fit; 0: never */
    bool first, throttled;        /* as the last pass saw it */
    bool dirty;                   /* its pending rest is to be told */
    peri_sub_t *by_name, *by_seq; /* chains of the hash tables */
};

/* Those of one user and priority that wait, first come first. */
struct peri_lane {
    peri_user_t *user;
    int32_t priority;
    size_t npending; /* tasks */
    peri_sub_t *first, *last, *cursor;
};

struct peri_run {
    peri_task_t *task;
    pid_t pid; /* the process that is watched; 0: it is being looked for */
    uint64_t pid_start;
    int pidfd;    /* -1: none yet, or the kernel has none */
    int err_fd;   /* what the child says when it could not start the program; or -1 */
    double since; /* peri_now() */
    double look_at, look_until; /* while it is looked for: next time, and for how long */
    double kill_at;             /* SIGKILL; 0: no signal was sent */
    double sweep_until;         /* > 0: ended, what it left behind is being killed */
    uint64_t overtook;          /* the submission that it may not delay; 0: none */
    bool ready;                 /* poll() says that it has ended */
    bool child;                 /* ours, still to be reaped */
    bool has_status;            /* of the launcher that we started */
    bool helped;                /* started for us: helped.c */
    double tell_by; /* ... until then how it ended is waited for; 0: it runs */
    uint8_t end;
    int exit_code, sig;
};

/* One entry of what _poll is to tell: a task, or (task NULL) the pending rest. */
typedef struct {
    peri_sub_t *sub;
    peri_task_t *task;
} peri_news_t;

struct peri_local {
    pthread_mutex_t lock;
    pthread_t thread;
    bool started, stop, woken, told_once;
    int event_fd, lock_fd, counter_fd;
    char *state, *queue;
    char boot[64];
    uid_t euid;
    void (*wake)(void *);
    void *wake_arg;

    /* the machine */
    int64_t cores, free_cores;
    int64_t memory, free_memory;
    uint64_t default_memory;
    size_t max_tasks;
    double half_life, patience, kill_after;
    double pause_until; /* something is wrong here: nothing is started for a moment */
    char pause_why[256];

    peri_sub_t **names, **seqs; /* hash tables of nbuckets */
    size_t nbuckets, nsubs;
    uint64_t next_seq;
    peri_user_t *users;
    double decayed; /* peri_now() of the last decay of usages */
    peri_lane_t **lanes;
    size_t nlanes, lanes_cap;
    peri_run_t **runs;
    size_t nruns, runs_cap;
    peri_news_t *news;
    size_t nnews, news_cap;
    peri_sub_t *head; /* waited first in the last pass; only to compare */
    double cleaned;
};

/* ---- subs.c: submissions, users, lanes in memory ---- */

peri_sub_t *peri_local_sub_new(const char *name, size_t ntasks);
void peri_local_sub_free(peri_sub_t *s); /* accepts NULL; must be in no table */
int peri_local_sub_index(const peri_sub_t *s, int32_t index, size_t *at);
void peri_local_add(peri_local_t *l, peri_sub_t *s);
/* Out of all tables, and freed. */
void peri_local_drop(peri_local_t *l, peri_sub_t *s);
peri_sub_t *peri_local_by_name(const peri_local_t *l, const char *name);
peri_sub_t *peri_local_by_id(const peri_local_t *l, const char *id);
peri_user_t *peri_local_user(peri_local_t *l, uid_t uid, const char *name);
void peri_local_free_users(peri_local_t *l);
void peri_local_task_news(peri_local_t *l, peri_task_t *t);
void peri_local_rest_news(peri_local_t *l, peri_sub_t *s);
/* Every change of a task's state goes through it: counts, lanes, news. */
void peri_local_set_state(peri_local_t *l, peri_task_t *t, peri_schedstate_t state);
peri_run_t *peri_local_run_new(peri_local_t *l, peri_task_t *t);
void peri_local_run_free(peri_local_t *l, peri_run_t *r);

/* ---- store.c: files ---- */

int peri_local_store_open(peri_local_t *l, peri_err_t *err);
/* The submission's file, whole or not at all. */
int peri_local_store_write(peri_local_t *l, const peri_sub_t *s, peri_err_t *err);
/* Append one line to it: "begin", "pid", "end", "again", "cancel", "forget"; t NULL: of
 * the whole submission. */
int peri_local_store_note(peri_local_t *l, const peri_sub_t *s, const char *what,
                          const peri_task_t *t, peri_err_t *err);
void peri_local_store_remove(peri_local_t *l, const peri_sub_t *s);
/* Read all files into memory. What is damaged is moved to lost+found. */
int peri_local_store_load(peri_local_t *l, peri_err_t *err);
/* A number that was never given before. */
int peri_local_store_next_seq(peri_local_t *l, uint64_t *seq, peri_err_t *err);

/* ---- format.c: the text of a queue file (free of the lock, but for users) ---- */

int peri_local_format_sub(const peri_sub_t *s, peri_buf_t *out, peri_err_t *err);
void peri_local_format_note(const peri_local_t *l, const char *what, const peri_task_t *t,
                            peri_buf_t *out);
/* *whole: bytes up to and including the last whole line. */
peri_sub_t *peri_local_format_parse(peri_local_t *l, const char *text, size_t len,
                                    size_t *whole, peri_err_t *err);

/* ---- queue.c: whose turn it is ---- */

/* Start what may start now. */
void peri_local_queue_pass(peri_local_t *l);
void peri_local_queue_charge(peri_local_t *l, const peri_run_t *r);
/* Of two submissions that wait, does a come before b, by the keys of the last pass? */
bool peri_local_queue_before(const peri_sub_t *a, const peri_sub_t *b);
void peri_local_queue_keys(peri_local_t *l, double now);
/* When enough will be free for s at the latest, epoch seconds; 0: not known. */
int64_t peri_local_queue_expect(const peri_local_t *l, const peri_sub_t *s,
                                int64_t *spare_cores, int64_t *spare_memory);
bool peri_local_queue_throttled(const peri_sub_t *s);

/* ---- tell.c: what _poll says ---- */

typedef struct {
    peri_arena_t *arena;
    peri_schedtask_t *tasks;
    size_t ntasks, cap;
} peri_told_t;

/* Copies; tell->arena is the caller's. Takes the news. */
void peri_local_tell(peri_local_t *l, bool all, peri_told_t *tell);

/* ---- proc.c: processes (free of the lock) ---- */

typedef struct {
    pid_t pid;      /* 0: not known */
    uint64_t start; /* as field 22 of /proc/PID/stat */
    bool other_boot;
} peri_claimed_t;

int peri_local_proc_boot(char out[64], peri_err_t *err);
/* Does exactly this process live (a zombie does not), and belong to uid? */
bool peri_local_proc_alive(pid_t pid, uint64_t start, uid_t uid);
int peri_local_proc_start(pid_t pid, uint64_t *start);
/* -1 with errno ENOSYS where the kernel has none. */
int peri_local_proc_open(pid_t pid);
/* To this process and no other that has got its number. */
void peri_local_proc_signal(pid_t pid, uint64_t start, uid_t uid, int pidfd, int sig);
/* 1: there is a claim; 0: none; -1: cannot tell. */
int peri_local_proc_claim(const peri_task_t *t, const char *boot, peri_claimed_t *c);
char *peri_local_proc_folder(const peri_task_t *t);
/* Processes with PERIGEE_FOLDER of this task, or in the session of its dead launcher. */
typedef struct {
    char *mark; /* "PERIGEE_FOLDER=..." */
    uid_t uid;
    pid_t session; /* 0: any */
    size_t found;
    pid_t first; /* the lowest of them */
} peri_sweep_t;
/* One look at /proc for all n; sig 0: only look. */
void peri_local_proc_sweep(peri_sweep_t *s, size_t n, int sig);

/* ---- start.c ---- */

/* fork and exec; fills pid, pid_start and err_fd of the run. */
int peri_local_start(peri_run_t *r, uid_t euid, peri_err_t *err);
/* Exit status if the program could not be started, as shells have it. */
#define PERI_START_FAILED 127
/* The sentence that the child left, if the program could not be started. */
char *peri_local_start_failure(const peri_run_t *r);
void peri_local_account_free(struct peri_account *a); /* accepts NULL */

/* ---- helped.c: tasks of users whose rights we do not have ---- */

/* Is a task of this user one of them? */
bool peri_local_helped(const peri_local_t *l, uid_t uid);
/* PERI_EDENIED: it will never be. Fills pid, pid_start, pidfd and err_fd. */
int peri_local_helped_start(peri_run_t *r, peri_err_t *err);
/* Is it over, and is what is known of its end known? */
bool peri_local_helped_over(peri_run_t *r, double now);
/* To the process that is watched; how many it reached, -1: nobody knows. */
int peri_local_helped_signal(const peri_run_t *r, int sig);
/* To all of the task: how many there are, and the lowest. */
int peri_local_helped_sweep(const peri_task_t *t, int sig, pid_t *first);

/* ---- watch.c: the thread ---- */

int peri_local_watch_start(peri_local_t *l, peri_err_t *err);
void peri_local_watch_stop(peri_local_t *l);
void peri_local_watch_kick(peri_local_t *l);
/* ---- run.c: the life of one run ---- */

/* Start a pending task; -1: not now, and the queue pauses. */
int peri_local_run_begin(peri_local_t *l, peri_task_t *t, uint64_t overtakes);
/* A task that may have a process already, after the scheduler was opened. */
void peri_local_run_resume(peri_local_t *l, peri_task_t *t);
/* May remove the run. */
void peri_local_run_tend(peri_local_t *l, peri_run_t *r, double now);
/* Those that are swept, all with one look at /proc. May remove runs. */
void peri_local_run_sweep(peri_local_t *l, double now);
void peri_local_run_cancel(peri_local_t *l, peri_run_t *r);
/* When it wants to be tended though nothing happens; HUGE_VAL: never. */
double peri_local_run_due(const peri_run_t *r, double now);

/* ---- submit.c ---- */

/* Sizes of the machine and settings, checked. */
int peri_local_configure(peri_local_t *l, const json_t *conf, peri_err_t *err);
/* A submission of what is asked for, in no table yet; NULL: it can never run here. */
peri_sub_t *peri_local_check(peri_local_t *l, const peri_schedreq_t *req,
                             peri_err_t *err);
#define PERI_LOCAL_ARRAY_MAX 100000

/* ---- local.c ---- */

/* Remove a submission that is over and forgotten. */
void peri_local_settle(peri_local_t *l, peri_sub_t *s);

#endif
