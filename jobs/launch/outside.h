/* outside.h - what the files of the outer half share. Private to them; see inside.h. */
#ifndef JOBS_LAUNCH_OUTSIDE_H
#define JOBS_LAUNCH_OUTSIDE_H

#include <signal.h>

#include "jobs/launch/inside.h"
#include "jobs/launch/srun.h"
#include "jobs/sandbox/sandbox.h"

typedef struct {
    peri_task_t t;
    int tell; /* to perigee-launch; -1: there is srun in between */
    const char *const *words;
    size_t nwords, nstarter;

    peri_places_in_t places;
    char *bwrap;
    const char *self, *shm;
    int shm_fd;
    int passwd, group, request, said; /* memory files; said: what bubblewrap says */
    int tale[2], info[2], signals;

    peri_sruns_t sruns;
    int srun_inside; /* the end of its socket that the program gets; -1: none */

    pid_t child, inner;
    bool runs, ended;
    int status, told_status;
    bool has_status;
    char failed[PERI_TALE_MAX + 1]; /* the message N or F */
    sigset_t waiting;               /* signals that are not handed on yet */
} peri_outside_t;

/* outside_make.c: opens the folders, makes the files and pipes that the inner half gets.
 * What was made also after -1 is for peri_outside_tidy. */
int peri_outside_prepare(peri_outside_t *o, peri_err_t *err);
void peri_outside_tidy(peri_outside_t *o);
/* The command line of bubblewrap. */
const char *const *peri_outside_bwrap(const peri_outside_t *o);
/* words.c: this program; the folder that a path is in. */
const char *peri_outside_self(peri_arena_t *arena);
const char *peri_outside_parent(const char *path, peri_arena_t *arena);

#endif
