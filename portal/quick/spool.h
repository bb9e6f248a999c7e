/* spool.h - the bytes of a request as a file without a name, for a command's stdin.
 *
 * It lies on the portal's own disk, where nobody has a quota: it has a maximum, an
 * account may fill a few at a time, and the disk keeps some room. What is cut off leaves
 * nothing.
 *
 * Threads: a spool belongs to its request; the count is locked.
 */
#ifndef PORTAL_QUICK_SPOOL_H
#define PORTAL_QUICK_SPOOL_H

#include "portal/portal.h"

typedef struct peri_spool peri_spool_t;

/* length: what is to come, -1: not known. max: bytes. PERI_EBUSY, PERI_EFULL,
 * PERI_EINVAL: more than max. */
peri_spool_t *peri_spool_new(const peri_portal_t *p, int64_t account, int64_t length,
                             int64_t max, peri_err_t *err);
int peri_spool_write(peri_spool_t *s, const char *data, size_t len, peri_err_t *err);
/* Its descriptor, at the start: the caller's. -1. */
int peri_spool_take(peri_spool_t *s, peri_err_t *err);
void peri_spool_free(peri_spool_t *s); /* accepts NULL */

#endif
