/* sweep.h - what a task has left behind on this machine, ended.
 *
 * For the one who finds that perigee-launch was killed: the program itself died with it,
 * but its children may live on.
 */
#ifndef JOBS_TASK_SWEEP_H
#define JOBS_TASK_SWEEP_H

#include <stdint.h>
#include <sys/types.h>

#include "perigee/err.h"

/* The mark that all processes of a task carry in PERIGEE_TASK: "UUID/STEP/ATTEMPT/INDEX".
 * The caller frees. index < 0 means 0. */
char *peri_task_mark(const char *uuid, const char *step, int attempt, int32_t index);

/* SIGKILL to all processes of this user with the mark, to their children, and to those in
 * the task's cgroup, until there are none; the cgroup is removed. The number of processes
 * ended; -1 if some are still there after 5 s (a process in the kernel that waits for a
 * disk: try again later). uid (uid_t)-1: of any user. */
int peri_task_sweep(const char *mark, uid_t uid, peri_err_t *err);

#endif
