/* waiting.h - connections put aside until there are news of a job.
 *
 * A waiter lies in its request. Any thread may bring news; a thread of its own ends what
 * has waited long enough. No news is lost: who puts a connection aside says from which
 * mark on it has looked.
 */
#ifndef PORTAL_WEB_WAITING_H
#define PORTAL_WEB_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include "jobs/task/folder.h"

struct MHD_Connection;

typedef struct peri_waiter {
    struct MHD_Connection *conn;
    char uuid[PERI_UUID_LEN + 1]; /* "*": news of any job */
    double until;                 /* peri_now() */
    bool listed;
    struct peri_waiter *prev, *next;
} peri_waiter_t;

void peri_waiting_start(void);
/* Resume all and take no more. */
void peri_waiting_stop(void);
/* Take the mark before looking for news... */
uint64_t peri_waiting_mark(void);
/* ... and suspend the connection. False if it must be answered now. */
bool peri_waiting_add(peri_waiter_t *w, struct MHD_Connection *conn, const char *uuid,
                      double until, uint64_t mark);
void peri_waiting_remove(peri_waiter_t *w); /* fine if it is not listed */

#endif
