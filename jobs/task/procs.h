/* procs.h - the processes of one task on this machine, found in /proc.
 *
 * A process belongs to the task if its environment has PERIGEE_TASK=MARK, if its parent
 * belongs to it, or if it descends from `root` (perigee-launch itself, which does not
 * belong). Once it belongs it stays so, also when it has left its process group, became a
 * daemon or changed its environment. What a scan costs is bounded by remembering which
 * processes do not belong: only new ones are looked at, for some seconds, because their
 * environment is that of their parent until they exec.
 *
 * Threads: a table belongs to one.
 */
#ifndef JOBS_TASK_PROCS_H
#define JOBS_TASK_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "jobs/task/folder.h"

#define PERI_MARK_ENV "PERIGEE_TASK"

typedef struct {
    pid_t pid, ppid;
    uint64_t start;
    double seen;     /* when first */
    bool member;     /* of the task */
    bool descendant; /* of root: its parent's accounts will have it in the end */
    bool zombie;
    bool stranger; /* will never belong */
    double cpu;    /* seconds, with those children that it has waited for */
    uint64_t bytes_read, bytes_written; /* the same */
} peri_proc_t;

typedef struct {
    char *mark;          /* "PERIGEE_TASK=..." */
    pid_t root;          /* 0: none */
    uint64_t root_start; /* what is older does not belong */
    uid_t uid;           /* only processes of this user; (uid_t)-1: of all */
    peri_proc_t *procs;  /* by pid */
    size_t n;
    char *scratch;
    /* of members that are no descendants and have ended */
    double gone_cpu;
    uint64_t gone_read, gone_written;
} peri_procs_t;

typedef struct {
    size_t n;
    uint64_t memory; /* that cannot be dropped (anonymous and shared), all together */
    double cpu;
    uint64_t bytes_read, bytes_written;
} peri_procsum_t;

/* mark: "UUID/STEP/ATTEMPT/INDEX". */
void peri_procs_init(peri_procs_t *t, const char *mark, pid_t root, uid_t uid);
void peri_procs_free(peri_procs_t *t);
/* Look again. -1 if /proc cannot be read. */
int peri_procs_scan(peri_procs_t *t);
/* What the members use. Memory that processes share is counted for each; `limit` > 0: if
 * that sum is over it, it is counted exactly, which costs more. */
void peri_procs_sum(peri_procs_t *t, uint64_t limit, peri_procsum_t *sum);
/* Signal all members that live (sig 0: none); how many there were. */
size_t peri_procs_signal(const peri_procs_t *t, int sig);

#endif
