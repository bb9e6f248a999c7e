/* copyfile.h - a file's bytes into a new file, by the fastest way that the file system
 * has: shared with the old file, copied by the kernel, or read and written. Thread-safe.
 */
#ifndef CORE_BASE_COPYFILE_H
#define CORE_BASE_COPYFILE_H

#include <stdint.h>

#include "perigee/err.h"

/* How many of all bytes are done; non-zero ends the copying with PERI_ECANCEL. */
typedef int (*peri_copytick_f)(uint64_t done, uint64_t all, void *arg);

/* from: a regular file, no link; to: must not be there, and is not after an error. tick
 * may be NULL. Not synced. Errors: PERI_EFULL, PERI_ECANCEL, PERI_EIO. */
int peri_file_copy(const char *from, const char *to, peri_copytick_f tick, void *arg,
                   peri_err_t *err);

#endif
