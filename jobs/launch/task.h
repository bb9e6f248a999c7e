/* task.h - the one task that this perigee-launch runs: what it is told and where it is.
 *
 * Read once at the start; nothing of it changes afterwards. Everything lives in the
 * arena.
 */
#ifndef JOBS_LAUNCH_TASK_H
#define JOBS_LAUNCH_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "jobs/task/record.h"

typedef struct {
    peri_arena_t *arena;
    peri_launch_t l;
    const peri_env_t *params; /* of this task */
    size_t nparams;
    int32_t index;
    const char *folder; /* the task's, absolute */
    int dirfd;          /* of it */
    const char *mark;   /* see jobs/task/sweep.h */
    bool in_slurm;
    bool srun; /* its ranks are started by srun; otherwise, if it is MPI, by mpirun */
    int tell;  /* where the outer half of a sandbox tells that it failed; -1: nowhere */
    const char *host, *nodes, *scheduler; /* for the started record */
    const char *tag;                      /* for the claim */
} peri_task_t;

/* index < 0: from SLURM_ARRAY_TASK_ID if the job is an array, else 0. */
int peri_task_load(const char *attempt_folder, int64_t index, peri_task_t *t,
                   peri_err_t *err);
void peri_task_close(peri_task_t *t); /* accepts a zeroed struct */

/* May its program start ranks on other nodes by srun? In an allocation of several nodes,
 * if srun does not start the program itself. */
bool peri_task_has_steps(const peri_task_t *t);

/* The number of this name in the environment; otherwise if there is none. */
int64_t peri_env_int(const char *name, int64_t otherwise);

/* "n[1-2,04],m" as "n1,n2,n04,m"; as it is if it is no such list or has more than max
 * bytes. */
const char *peri_nodes_expand(const char *list, size_t max, peri_arena_t *arena);

#endif
