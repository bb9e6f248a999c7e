/* builtin.h - the kernels that come with Perigee. One line here and one in registry.c. */
#ifndef MPI_KERNEL_BUILTIN_H
#define MPI_KERNEL_BUILTIN_H

#include "perigee/kernel.h"

/* One line a kernel, in alphabetical order. */
extern const peri_kernel_t peri_kernel_density;
extern const peri_kernel_t peri_kernel_fof;
extern const peri_kernel_t peri_kernel_power_spectrum;
extern const peri_kernel_t peri_kernel_projection;
extern const peri_kernel_t peri_kernel_so_masses;

#endif
