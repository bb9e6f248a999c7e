/* run.h - perigee-h5 processes: started, waited for, ended.
 *
 * One for each question, a few at a time; the others wait in the order they came, nobody
 * has more than her part of the places. The answer is a file in memory: its bytes count
 * until it has been sent, so that slow readers do not fill the machine. A client that
 * goes away ends her process, so does the end of the daemon.
 *
 * Threads: one for each process, while it runs.
 */
#ifndef PORTAL_H5_RUN_H
#define PORTAL_H5_RUN_H

#include "portal/web/request.h"

/* True: this call of the handler is a later one, and *rc what to return. */
bool peri_h5run_again(peri_request_t *r, int *rc, peri_err_t *err);
/* What to return. file: taken; question: JSON, taken; name: of the file, for sentences.
 * The answer's type and other headers are the caller's. PERI_EBUSY: too many wait. */
int peri_h5run_start(peri_request_t *r, int file, json_t *question, peri_err_t *err);
/* Ends all and takes no more; waits. */
void peri_h5run_stop_all(void);

#endif
