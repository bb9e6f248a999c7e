/* builtin.h - the kernels that come with Perigee: what programs give to the registry. */
#ifndef MPI_BUILTIN_H
#define MPI_BUILTIN_H

#include "perigee/kernel.h"

/* Ends with NULL. */
extern const peri_kernel_t *const peri_builtin_kernels[];

#endif
