/* deliver.h - results that are owed to a folder of a volume: the output of a job that has
 * succeeded.
 *
 * A thread of its own takes these entries of the outbox. An entry stays until its results
 * are in their folder, or it is certain that they cannot go there: then the job says why
 * and keeps them. It may be ended at any step and goes on at the next start.
 */
#ifndef PORTAL_JOBS_DELIVER_H
#define PORTAL_JOBS_DELIVER_H

#include "portal/portal.h"

typedef struct peri_deliverer peri_deliverer_t;

/* NULL with *err. p lives longer. */
peri_deliverer_t *peri_deliverer_start(peri_portal_t *p, peri_err_t *err);
void peri_deliverer_stop(peri_deliverer_t *d); /* waits; accepts NULL */
/* Some job has ended. Any thread, at any time. */
void peri_deliverer_wake(void);

#endif
