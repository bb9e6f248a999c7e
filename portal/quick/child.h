/* child.h - one process whose output is copied to a file as it comes, within limits. */
#ifndef PORTAL_QUICK_CHILD_H
#define PORTAL_QUICK_CHILD_H

#include <stdatomic.h>

#include "jobs/task/start.h"
#include "perigee/err.h"

typedef enum {
    PERI_CHILD_ENDED,    /* by itself, or by a signal that was not ours */
    PERI_CHILD_TOO_LONG, /* killed: its time was over */
    PERI_CHILD_TOO_MUCH, /* killed: it wrote more than it may */
    PERI_CHILD_STOPPED,  /* told to end, killed if it did not */
    PERI_CHILD_NO_SPACE  /* killed: its output could not be kept */
} peri_childwhy_t;

typedef struct {
    peri_start_t start; /* its out and err are filled in */
    int output;         /* file; written from its start */
    uint64_t bytes;     /* at most */
    double seconds;
    const atomic_bool *stop;
    /* Now and then, and after more was written. */
    void (*tick)(void *arg, uint64_t written);
    void *arg;
} peri_child_t;

enum { PERI_CHILD_SAID = 64 << 10 };
typedef struct {
    peri_childwhy_t why;
    int status; /* as waitpid says */
    uint64_t written;
    double seconds;
    char *said; /* the end of its stderr, with a NUL; the caller's */
    size_t nsaid;
} peri_childend_t;

/* Runs it and waits. -1: it could not be started. */
int peri_child_run(peri_child_t *c, peri_childend_t *end, peri_err_t *err);

#endif
