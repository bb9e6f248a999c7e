/* checksum.h - SHA-256, SHA-1 and MD5 of bytes as they come, or of a file's bytes.
 *
 * A peri_hash_t belongs to one thread at a time.
 */
#ifndef PORTAL_STORAGE_CHECKSUM_H
#define PORTAL_STORAGE_CHECKSUM_H

#include <stdatomic.h>

#include "portal/storage/upload_proto.h"

typedef struct peri_hash peri_hash_t;

peri_hash_t *peri_hash_new(peri_sumkind_t kind);
void peri_hash_free(peri_hash_t *h); /* accepts NULL */
void peri_hash_reset(peri_hash_t *h);
void peri_hash_update(peri_hash_t *h, const void *data, size_t len);
/* Of all bytes so far; more may follow. */
void peri_hash_sum(const peri_hash_t *h, peri_sum_t *out);

/* Goes on with the bytes [from, to) of a file. stop may be NULL; set by another thread it
 * ends it (PERI_ECANCEL). A file that is shorter is PERI_EIO. name: for the sentence. */
int peri_hash_file(peri_hash_t *h, int fd, int64_t from, int64_t to, const char *name,
                   const atomic_bool *stop, peri_err_t *err);

#endif
