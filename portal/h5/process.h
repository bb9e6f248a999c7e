/* process.h - one perigee-h5, from its start to its end. */
#ifndef PORTAL_H5_PROCESS_H
#define PORTAL_H5_PROCESS_H

#include <stdatomic.h>
#include <stdint.h>

#include "perigee/err.h"

typedef struct {
    const char *program; /* path */
    int file;            /* descriptor, borrowed */
    const char *question;
    double seconds;          /* then it is killed */
    const atomic_bool *stop; /* set: it is killed */
} peri_h5process_t;

/* Runs it and waits. *answer: a descriptor of the answer, at its start, the caller's; its
 * bytes. -1: what it said, or how it ended. */
int peri_h5process_run(const peri_h5process_t *p, int *answer, uint64_t *size,
                       peri_err_t *err);

#endif
