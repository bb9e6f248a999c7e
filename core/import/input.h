/* input.h - the bytes of a file in order, decompressed if they are compressed (gzip,
 * bzip2, xz, zstd), as a window that grows only as one record needs.
 *
 * Private to core/import. Used from one thread at a time.
 */
#ifndef CORE_IMPORT_INPUT_H
#define CORE_IMPORT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

#define PERI_INPUT_RECORD_MAX ((size_t)64 << 20) /* longer records may be refused */

typedef struct peri_input peri_input_t;

/* fd stays the caller's. `name` is for sentences; borrowed. */
peri_input_t *peri_input_new(int fd, const char *name, peri_err_t *err);
void peri_input_free(peri_input_t *in);
int peri_input_rewind(peri_input_t *in, peri_err_t *err);
/* The window: bytes from the next unread one on. May be written to by its user. */
char *peri_input_at(const peri_input_t *in, size_t *n);
/* More bytes than the window has. 1: it is larger now (and may have moved), 0: the file
 * ends with it, -1: error. */
int peri_input_more(peri_input_t *in, peri_err_t *err);
void peri_input_skip(peri_input_t *in, size_t n); /* they are read */
/* Bytes of the file (compressed) that were taken so far. */
uint64_t peri_input_taken(const peri_input_t *in);
/* Does the file begin like a compressed one? */
bool peri_input_packed(const unsigned char *head, size_t n);

#endif
