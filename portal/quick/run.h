/* run.h - one `perigee` command in the sandbox of an account, its output streamed to who
 * asked for it. The daemon itself opens no HDF5 file and runs no SQL.
 *
 * A few run at a time, nobody has more than her part of the places (portal/queue); the
 * others wait in the order they came, PERI_QUICK_PATIENCE seconds. Output is copied to an
 * unlinked file as it comes, so that a slow reader holds no process. The command is
 * judged by its last line on stderr, its word; by what killed it if it could say none.
 *
 * A client that goes away ends her command, so does the end of the daemon.
 *
 * Threads: one for each command, while it runs.
 */
#ifndef PORTAL_QUICK_RUN_H
#define PORTAL_QUICK_RUN_H

#include "portal/web/request.h"

#define PERI_QUICK_PATIENCE 30.0 /* seconds in the queue */

/* How it ended. */
typedef struct {
    peri_code_t code; /* PERI_OK: all well; PERI_ECANCEL: cancelled, or who asked left */
    const char *text; /* the sentence, of a success too; "" */
    const char *cut;  /* "rows", "time" or "bytes"; NULL: the answer is whole */
    int64_t rows, bytes;   /* bytes: that it wrote */
    double seconds;        /* from when it was started */
    const json_t *changed; /* array of what it changed in tables; NULL: nothing */
} peri_quickend_t;

typedef struct {
    const char *const *argv; /* after "perigee"; copied */
    size_t argc;
    int input;      /* its stdin; taken, whatever happens; -1: empty */
    bool writes;    /* it writes tables: one at a time of an account, and her volumes are
                       counted anew after it */
    double seconds; /* it is ended after these; 0: as configured, as the next ones are */
    uint64_t memory, bytes; /* that it may use; that it may write to stdout */
    unsigned width;         /* columns of the terminal that is written for; 0: any */
    bool ascii;             /* ... that knows no other characters */
    const char *type; /* content type of its rows, copied; NULL: its stdout is a JSON
                         object, which becomes the answer (r->fd) when it is all there */
    const char *name; /* file name for Content-Disposition, copied; or NULL */
    const char *id;   /* a uuid: for cancelling and waiting; copied */
    /* Called once in the end, whatever happens (also if _start fails), by any thread
     * that has no database connection in its hands; then arg_free. Both may be NULL. */
    void (*over)(peri_portal_t *p, void *arg, const peri_quickend_t *end);
    void *arg;
    void (*arg_free)(void *arg);
} peri_quickrun_t;

/* What a handler returns. It is called again then: it begins with peri_quick_again. With
 * rows the answer has begun (r->stream) before the command has ended; one that fails
 * later breaks off the connection. A command without rows that changed tables is
 * answered {"changed": [...], "text": ...}. */
int peri_quick_start(peri_request_t *r, const peri_quickrun_t *q, peri_err_t *err);
/* True: this call of the handler is a later one, and *rc what to return. r->fd,
 * r->json or r->stream is there if it is the answer: its status may still be set. */
bool peri_quick_again(peri_request_t *r, int *rc, peri_err_t *err);

/* Ends a command of this account. False: there is none of this id (any more). */
bool peri_quick_cancel(int64_t account, const char *id);
/* "waiting", "running", or NULL: not here (any more). */
const char *peri_quick_state(int64_t account, const char *id);

/* Removes what a killed daemon has left; before the first request. */
int peri_quick_begin(peri_portal_t *p, peri_err_t *err);
/* Ends all and takes no more; waits. */
void peri_quick_stop(void);

#endif
