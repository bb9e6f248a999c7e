/* start.h - a process that dies with the one that started it. */
#ifndef JOBS_TASK_START_H
#define JOBS_TASK_START_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    int what; /* RLIMIT_... */
    uint64_t max;
    bool hard; /* it cannot raise it again, as a sanitizer does that only reserves */
} peri_startlimit_t;

typedef struct {
    const char *path; /* of the file to execute */
    char *const *argv, *const *envp;
    const char *dir;  /* working folder */
    int in, out, err; /* become its stdin, stdout and stderr; in -1: nothing to read */
    int keep;         /* a descriptor that it gets besides; -1: none */
    int cgroup;       /* to enter (peri_cgroup_enter_fd), or -1 */
    const peri_startlimit_t *limits; /* of each process; what is lower stays */
    size_t nlimits;
} peri_start_t;

/* Start it in a process group of its own. It dies with this thread. Its pid, or -1 with
 * *error; *in_dir: it was the working folder that could not be entered; -1 in *error: not
 * even a process could be made, and errno says why. Threads: any; in, out, err and keep
 * are above 2, or the same as what they become. */
pid_t peri_start(const peri_start_t *s, int *error, bool *in_dir);

#endif
