/* srun.h - starting ranks on the other nodes of an allocation from inside a sandbox.
 *
 * srun needs munge and slurmctld, which are outside. Inside, a program called `srun`
 * (this one, by another name) hands its words, its environment and its three descriptors
 * through a socket to the outer half, which runs the real srun: each rank in a sandbox of
 * its own. So whatever is asked for, only what a rank may do anyhow comes of it.
 *
 * A request is one message on the shared socket: JSON {"n", "dir", "words", "env"}, with
 * stdin, stdout, stderr and the end of a socket of its own. On that one come signals (an
 * int each) from inside, and one int, the status as of waitpid, from outside.
 */
#ifndef JOBS_LAUNCH_SRUN_H
#define JOBS_LAUNCH_SRUN_H

#include <poll.h>

#include "jobs/launch/task.h"

#define PERI_SRUN_ENV     "PERIGEE_SRUN_FD" /* the shared socket's number inside */
#define PERI_SRUN_AT      "/run/perigee"    /* where `srun` is inside */
#define PERI_SRUN_MESSAGE (128u << 10)
enum { PERI_SRUN_MOST = 16, PERI_SRUN_FDS = 4 };

/* main() of `srun` inside. */
int peri_srun_main(int argc, char **argv);

/* ---- outside ---- */

typedef struct {
    const peri_task_t *t;
    int shared; /* -1: there is none */
    struct {
        int fd; /* -1: free */
        pid_t child;
    } run[PERI_SRUN_MOST];
} peri_sruns_t;

/* *inside: the end for the sandbox; -1 if the task has no steps. */
int peri_sruns_open(peri_sruns_t *s, const peri_task_t *t, int *inside, peri_err_t *err);
/* Fills PERI_SRUN_MOST + 1 entries. */
void peri_sruns_poll(const peri_sruns_t *s, struct pollfd *p);
void peri_sruns_serve(peri_sruns_t *s, const struct pollfd *p);
/* A child was reaped. */
void peri_sruns_reaped(peri_sruns_t *s, pid_t pid, int status);
/* The program is over: so are its steps. */
void peri_sruns_close(peri_sruns_t *s);

#endif
