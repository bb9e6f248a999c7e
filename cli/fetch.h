/* fetch.h - one download, whole, to standard output or into a file. For what is small;
 * transfer.h is for what may be large.
 */
#ifndef CLI_FETCH_H
#define CLI_FETCH_H

#include "cli/client.h"

/* `path` behind /api/v1. to NULL: to standard output. Else the file has its name when it
 * is whole, not before; one that is there is replaced. PERI_ECLOSED: the reader of our
 * output went away. */
int peri_fetch(peri_client_t *c, const char *path, const char *to, peri_err_t *err);

#endif
