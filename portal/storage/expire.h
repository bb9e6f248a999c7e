/* expire.h - what goes by itself: files of scratch volumes that nobody changed for some
 * days, the trash after its days, and what was left unfinished.
 *
 * One call works on one volume for a limited time and goes on where the last one of it
 * ended, so that a thread can take volumes in turn. What a rule takes is gone for good:
 * scratch does not fill the trash. Threads: a peri_sweep_t belongs to one at a time.
 */
#ifndef PORTAL_STORAGE_EXPIRE_H
#define PORTAL_STORAGE_EXPIRE_H

#include "portal/storage/walk.h"

typedef struct {
    double file_days;  /* a file goes so long after its last change; 0: never */
    double trash_days; /* so long after it was deleted; 0: never */
    double unfinished; /* seconds: what is older was left by a process that is no more; 0:
                          some days */
} peri_expiry_t;

/* When a file goes that was changed at mtime (epoch seconds); 0: never. */
double peri_expires(const peri_expiry_t *rule, double mtime);

typedef struct peri_sweep peri_sweep_t;
/* root: borrowed until _free. now: epoch; what is older by then goes. */
peri_sweep_t *peri_sweep_new(int root, const peri_expiry_t *rule, double now);
void peri_sweep_free(peri_sweep_t *s); /* accepts NULL */
/* Works for about so many seconds. 1: there is more to do; 0: it is through; -1. *freed
 * is added to. Folders that became empty because their files went, go too. */
int peri_sweep_step(peri_sweep_t *s, double seconds, peri_amount_t *freed,
                    peri_err_t *err);

#endif
