/* archive.h - a folder as a zip or tar file, made while it is read.
 *
 * The reader pulls; nothing is written anywhere, and memory does not depend on the size
 * of files (a zip remembers about 150 bytes a file for its end). Links, devices, pipes
 * and sockets are left out: a link in an archive is a trap for who unpacks it. What was
 * left out, could not be read or changed its size while it was read is told in a text
 * file at the end of the archive: the archive as such is always valid. In a zip a file
 * that became shorter is as long as what could be read, in a tar (where its size is
 * written before it) it is filled with zeros.
 *
 * Names that are not UTF-8 or have control characters get "_" for these bytes.
 * Threads: one at a time.
 */
#ifndef PORTAL_STORAGE_ARCHIVE_H
#define PORTAL_STORAGE_ARCHIVE_H

#include <sys/types.h>

#include "portal/storage/walk.h"

typedef enum { PERI_ARCHIVE_ZIP, PERI_ARCHIVE_TAR } peri_archivekind_t;

typedef struct {
    peri_archivekind_t kind;
    bool deflate;            /* zip only; else stored: most data here does not shrink */
    const char *top;         /* name of the folder in the archive */
    const char *hidden;      /* a name right in the folder that is left out, or NULL */
    const peri_stop_t *stop; /* or NULL; kept */
} peri_archiving_t;

typedef struct peri_archive peri_archive_t;

/* folder: an open one, borrowed for the call. */
peri_archive_t *peri_archive_new(int folder, const peri_archiving_t *how,
                                 peri_err_t *err);
/* The next bytes, at most max; 0 at the end, -1 on an error or PERI_ECANCEL. */
ssize_t peri_archive_read(peri_archive_t *a, void *buf, size_t max, peri_err_t *err);
void peri_archive_free(peri_archive_t *a); /* at any time; accepts NULL */

#endif
