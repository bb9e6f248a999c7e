/* command.h - what is executed: words, environment, and why it could not be. */
#ifndef JOBS_LAUNCH_COMMAND_H
#define JOBS_LAUNCH_COMMAND_H

#include "jobs/launch/task.h"

typedef struct {
    const char *program; /* what the user asked for, for sentences */
    const char *path;    /* of the file to execute: the program, or mpirun or srun */
    char *const *argv;   /* NULL at the end */
    char *const *envp;
    const char *dir; /* working folder */
} peri_command_t;

/* Writes the script, if there is one, into the task's folder. PERI_ENOTFOUND: there is no
 * such program, and the text says so to the user; any other code is a fault. */
int peri_command_make(const peri_task_t *t, peri_command_t *c, peri_err_t *err);

/* Of the program. In a sandbox only what is known to be harmless comes from our own. */
char *const *peri_command_environ(const peri_task_t *t);
/* Of what starts a sandbox: our own, and nothing of the user's. */
char *const *peri_command_bare_environ(const peri_task_t *t);
/* A word of the command with the task's parameters for {name}, {index}; {{ is {. */
const char *peri_command_fill(const peri_task_t *t, const char *word);

/* Why `c` could not be executed, which failed with this errno; into the arena. in_dir: it
 * was the change to the working folder that failed. */
const char *peri_command_why(const peri_task_t *t, const peri_command_t *c, int error,
                             bool in_dir);

#endif
