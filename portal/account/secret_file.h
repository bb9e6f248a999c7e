/* secret_file.h - a secret of the administrator's in a file of its own: a mail password,
 * a client secret. Read anew at each use, so that a changed one needs no restart.
 */
#ifndef PORTAL_ACCOUNT_SECRET_FILE_H
#define PORTAL_ACCOUNT_SECRET_FILE_H

#include "perigee/err.h"

/* The first line. A file that is empty, or that other users can read, is refused. */
int peri_secretfile_read(const char *path, char **out, peri_err_t *err);
void peri_secretfile_free(char *secret); /* overwrites it; accepts NULL */

#endif
