/* registry.h - which kernels there are: those built in, and those of shared objects.
 *
 * Shared objects are the files NAME.so in the folders of $PERIGEE_KERNELS (separated by
 * colons), then kernels/ in the state folder, then ../lib/perigee/kernels beside the
 * program. They run with all rights of the process: whoever may write there may run code
 * as its users.
 */
#ifndef MPI_KERNEL_REGISTRY_H
#define MPI_KERNEL_REGISTRY_H

#include <jansson.h>

#include "core/base/buf.h"
#include "perigee/kernel.h"

typedef struct peri_registry peri_registry_t;

/* builtin ends with NULL. What cannot be loaded is left out; peri_registry_note says
 * why. */
peri_registry_t *peri_registry_new(const peri_kernel_t *const *builtin);
void peri_registry_free(peri_registry_t *r); /* closes shared objects; accepts NULL */

size_t peri_registry_count(const peri_registry_t *r);
const peri_kernel_t *peri_registry_kernel(const peri_registry_t *r, size_t i);
/* The file that it is from; NULL: built in. */
const char *peri_registry_file(const peri_registry_t *r, size_t i);
/* Ignoring case; NULL: there is none. */
const peri_kernel_t *peri_registry_find(const peri_registry_t *r, const char *name);
/* Sentences about what was left out. */
size_t peri_registry_nnotes(const peri_registry_t *r);
const char *peri_registry_note(const peri_registry_t *r, size_t i);

/* May the text call a kernel? Only a look for names, for speed. */
bool peri_registry_named_in(const peri_registry_t *r, const char *sql);

/* All of it, as `perigee kernels --json` shows it; new. */
json_t *peri_registry_describe(const peri_registry_t *r);

/* Is it well made? For kernels of others. */
int peri_kernel_check(const peri_kernel_t *k, peri_err_t *err);

#endif
