/* builtin.c - see builtin.h. A new kernel: two lines here. */
#include "mpi/builtin.h"

#include <stddef.h>

extern const peri_kernel_t peri_kernel_correlation;
extern const peri_kernel_t peri_kernel_cutout;
extern const peri_kernel_t peri_kernel_density;
extern const peri_kernel_t peri_kernel_fof;
extern const peri_kernel_t peri_kernel_lhalo_trees;
extern const peri_kernel_t peri_kernel_lightcone;
extern const peri_kernel_t peri_kernel_link_halos;
extern const peri_kernel_t peri_kernel_merger_tree;
extern const peri_kernel_t peri_kernel_power_spectrum;
extern const peri_kernel_t peri_kernel_profile;
extern const peri_kernel_t peri_kernel_projection;
extern const peri_kernel_t peri_kernel_so_masses;
extern const peri_kernel_t peri_kernel_tree_table;

const peri_kernel_t *const peri_builtin_kernels[] = {
    &peri_kernel_correlation,    &peri_kernel_cutout,
    &peri_kernel_density,        &peri_kernel_fof,
    &peri_kernel_lhalo_trees,    &peri_kernel_lightcone,
    &peri_kernel_link_halos,     &peri_kernel_merger_tree,
    &peri_kernel_power_spectrum, &peri_kernel_profile,
    &peri_kernel_projection,     &peri_kernel_so_masses,
    &peri_kernel_tree_table,     NULL,
};
