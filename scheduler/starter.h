/* starter.h - who starts, signals and looks for tasks of other Unix users when we are not
 * root: perigee-helper, by portal/helper/client.c. The local scheduler knows it by these
 * functions only. Threads: the scheduler's, under its lock.
 */
#ifndef SCHEDULER_STARTER_H
#define SCHEDULER_STARTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "perigee/err.h"

/* What is written to the pipe of a start: perhaps why the program could not be started,
 * and then how the process ended. End of file without it: nobody knows. */
typedef enum {
    PERI_STARTED_EXITED = 1, /* value: exit status */
    PERI_STARTED_KILLED,     /* value: signal */
    PERI_STARTED_RIGHTS,     /* could not become the user; value: errno, as below */
    PERI_STARTED_MOUNT,      /* could not show it its folders */
    PERI_STARTED_FOLDER,
    PERI_STARTED_LOG,
    PERI_STARTED_EXEC
} peri_startword_t;

typedef struct {
    int32_t word, value;
} peri_startsaid_t;

typedef struct {
    const char *user;   /* login name */
    const char *folder; /* absolute, of the submission */
    int32_t index;      /* of the task: its folder is folder/index */
    bool array;
} peri_startask_t;

typedef struct peri_starter {
    void *self;
    /* perigee-launch as the user; it says on `end_fd` what becomes of it. *pidfd is the
     * caller's. PERI_EDENIED: never; any other error: again later. */
    int (*start)(void *self, const peri_startask_t *ask, int end_fd, pid_t *pid,
                 uint64_t *start, int *pidfd, peri_err_t *err);
    /* A signal (0: none, only look) to the process pid that began at `start`, or with pid
     * 0 to all that belong to the task. -1: cannot tell; else how many there are, and
     * the lowest in *first. */
    int (*signal)(void *self, const peri_startask_t *ask, pid_t pid, uint64_t start,
                  int sig, pid_t *first);
} peri_starter_t;

#endif
