/* perigee/err.h - how every Perigee function says what went wrong.
 *
 * A function that can fail returns 0/-1 or pointer/NULL and takes a peri_err_t as its
 * last argument. On failure it fills it and leaves no side effect. The struct is the
 * caller's (usually on the stack), nothing is allocated, and NULL may be passed by a
 * caller that does not care. The text is a whole sentence for the person who asked: what
 * is wrong, with which file, table or value, and what to do about it.
 *
 * Threads: one peri_err_t belongs to one thread at a time.
 */
#ifndef PERIGEE_ERR_H
#define PERIGEE_ERR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What kind of failure: decides the exit status of a command (see peri_err_exit_status)
 * and, in the portal, the HTTP status. */
typedef enum {
    PERI_OK = 0,
    PERI_EINVAL,    /* the request is wrong: bad SQL, option, descriptor, value */
    PERI_ENOTFOUND, /* no such file, table, column, dataset */
    PERI_EDENIED,   /* refused: not allowed here, or outside the allowed tree */
    PERI_EFORMAT,   /* a file is damaged or is not what it should be */
    PERI_EUNSUPP,   /* valid, but this build or machine cannot do it (missing filter, ...)
                     */
    PERI_EIO,       /* reading or writing failed, disk full */
    PERI_ELIMIT,    /* a limit was reached: memory, time, temporary space */
    PERI_ECANCEL,   /* cancelled by the user */
    PERI_EKERNEL,  /* a kernel is called where there are none, or one that is not there */
    PERI_ECLOSED,  /* the reader of our output went away: no fault, nothing to say */
    PERI_ESTOPPED, /* its time was nearly over: what is done is saved, call it again */
    PERI_ECONFLICT, /* it exists already, or was changed meanwhile */
    PERI_EFULL,     /* a quota, or a disk, is full */
    PERI_EAUTH,     /* who asks is not known, or has not shown enough */
    PERI_EBUSY,     /* too many requests: later */
    PERI_EINTERNAL  /* a broken invariant, out of memory */
} peri_code_t;

typedef struct {
    peri_code_t code;
    char text[1024]; /* the sentence; never ends in a newline */
    char where[64];  /* function that noticed it, for a debugger, not for users */
} peri_err_t;

/* Fill *err (may be NULL) and return -1, so that `return peri_err_set(...)` reads well.
 */
int peri_err_set_at(peri_err_t *err, peri_code_t code, const char *where, const char *fmt,
                    ...) __attribute__((format(printf, 4, 5)));
#define peri_err_set(err, code, ...) peri_err_set_at(err, code, __func__, __VA_ARGS__)

/* Put "context: " before the text of an error that is already set; returns -1. */
int peri_err_prefix(peri_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define PERI_EXIT_STATUS_AGAIN 75 /* EX_TEMPFAIL */

/* Exit status of a command that failed with this code: 0 for PERI_OK, 2 for PERI_EINVAL
 * and PERI_EKERNEL, PERI_EXIT_STATUS_AGAIN for PERI_ESTOPPED, 130 for PERI_ECANCEL, 141
 * (as from SIGPIPE) for PERI_ECLOSED, 1 for everything else. */
int peri_err_exit_status(const peri_err_t *err);

#ifdef __cplusplus
}
#endif
#endif
