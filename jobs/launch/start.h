/* start.h - the program's process. */
#ifndef JOBS_LAUNCH_START_H
#define JOBS_LAUNCH_START_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "jobs/launch/command.h"

typedef struct {
    const peri_command_t *command;
    int out, err;      /* become its stdout and stderr */
    int keep;          /* a descriptor that it gets besides; -1: none */
    int cgroup;        /* to enter (peri_cgroup_enter_fd), or -1 */
    uint64_t data_max; /* RLIMIT_DATA of each process; 0: as it is */
} peri_start_t;

/* Start it in a process group of its own. It dies with this process. Its pid, or -1 with
 * *error; *in_dir: it was the working folder that could not be entered; -1 in *error: not
 * even a process could be made, and errno says why. */
pid_t peri_start(const peri_start_t *s, int *error, bool *in_dir);

#endif
