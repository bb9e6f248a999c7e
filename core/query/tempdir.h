/* tempdir.h - the private folder for what does not fit into memory, gone with the query.
 *
 * The folder is locked while its process lives. A process that was killed leaves its
 * folder, unlocked: the next query of the same user removes it.
 */
#ifndef CORE_QUERY_TEMPDIR_H
#define CORE_QUERY_TEMPDIR_H

#include "perigee/err.h"

typedef struct {
    char *path; /* NULL: none */
    int lock;   /* descriptor that holds the lock */
} peri_tempdir_t;

/* Below `below`, or if that is NULL $TMPDIR or /tmp. */
int peri_tempdir_make(peri_tempdir_t *t, const char *below, peri_err_t *err);
void peri_tempdir_remove(peri_tempdir_t *t); /* accepts a zeroed struct */

#endif
