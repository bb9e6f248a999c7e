/* tempdir.h - private folders for what does not fit into memory, gone with the query.
 *
 * A folder is locked while a process that uses it lives. Processes that were killed leave
 * theirs, unlocked: the next query of the same user below the same folder, on the same
 * node, removes it.
 */
#ifndef CORE_QUERY_TEMPDIR_H
#define CORE_QUERY_TEMPDIR_H

#include "perigee/err.h"

typedef struct {
    char *path; /* NULL: none */
    int lock;   /* descriptor that holds the lock */
} peri_tempdir_t;

typedef enum {
    PERI_TEMP_SPILL,   /* what a session writes */
    PERI_TEMP_KERNELS, /* rows of kernels, for the statement that calls them */
} peri_temp_t;

/* Below `below`, or if that is NULL $TMPDIR or /tmp. */
int peri_tempdir_make(peri_tempdir_t *t, peri_temp_t kind, const char *below,
                      peri_err_t *err);
/* For the others of several processes that use one folder: `path` is that of the one who
 * made it. On another node it is made there. */
int peri_tempdir_join(peri_tempdir_t *t, const char *path, peri_err_t *err);
/* Removes it at once, under others who have joined too. Accepts a zeroed struct. */
void peri_tempdir_remove(peri_tempdir_t *t);

#endif
