/* keep.h - the thread that keeps volumes in order: what expires goes, deleted volumes are
 * removed, usage is counted anew.
 *
 * It works on one volume after the other, a fraction of a second at a time, and sleeps in
 * between. Everything it does can be ended at any time and goes on at the next start.
 */
#ifndef PORTAL_STORAGE_KEEP_H
#define PORTAL_STORAGE_KEEP_H

#include "jobs/store/db.h"
#include "portal/config/config.h"

typedef struct peri_keeper peri_keeper_t;

/* db and conf live longer. Usage that a crash left unsure is marked before this returns;
 * crashed: the process before this one was killed. */
peri_keeper_t *peri_keeper_start(peri_dbpool_t *db, const peri_confstorage_t *conf,
                                 bool crashed, peri_err_t *err);
void peri_keeper_stop(peri_keeper_t *k); /* waits; accepts NULL */

/* One round over all volumes, for the thread and for tests; now: epoch. sweep: not only
 * what must be counted. Failures of a volume are logged and the next one comes. */
void peri_keeper_round(peri_keeper_t *k, double now, bool sweep);
/* Without a thread. */
peri_keeper_t *peri_keeper_new(peri_dbpool_t *db, const peri_confstorage_t *conf);
void peri_keeper_free(peri_keeper_t *k);

#endif
