/* kernel_common.h - parameters and steps that the kernels of this folder share. */
#ifndef MPI_TREE_KERNEL_COMMON_H
#define MPI_TREE_KERNEL_COMMON_H

#include "mpi/tree/halo.h"
#include "mpi/tree/forest.h"
#include "perigee/kernel.h"

/* For trees whose links do not say it. */
#define TREE_MAIN_PARAM                                                                  \
    {                                                                                    \
        .name = "main", .type = PERI_PARAM_TEXT, .unit = "", .preset = "history",        \
        .choices = "history|np",                                                         \
        .help = "Which progenitor is the main one: the one with the most particles "     \
                "summed along its main branch, or the one with the most particles."      \
    }

#define TREE_PARAMS                                                                      \
    {.name = "tree_size",                                                                \
     .type = PERI_PARAM_INT,                                                             \
     .unit = "",                                                                         \
     .preset = "1000000",                                                                \
     .min = 1,                                                                           \
     .max = 1e15,                                                                        \
     .help = "Ids that each tree has room for: haloId is this times the number of the "  \
             "tree, plus the rank in the tree."},                                        \
        {.name = "key_bits",                                                             \
         .type = PERI_PARAM_INT,                                                         \
         .unit = "",                                                                     \
         .preset = "8",                                                                  \
         .min = 1,                                                                       \
         .max = 20,                                                                      \
         .help = "phKey and zIndex are of a grid with 2^key_bits cells along each side " \
                 "of the box."},                                                         \
    {                                                                                    \
        .name = "zones", .type = PERI_PARAM_INT, .unit = "", .preset = "50", .min = 1,   \
        .max = 1 << 20,                                                                  \
        .help = "ix, iy and iz count so many zones along each side of "                  \
                "the box."                                                               \
    }

/* What the parameter main says: given, history or np. */
peri_mainrule_t peri_tree_mainrule(const peri_run_t *run);

/* Halos of all ranks into rows of the result, by these parameters. Collective. */
int peri_tree_result(peri_run_t *run, const peri_treehalo_t *halos, size_t n,
                     peri_mainrule_t rule, const double *redshift, size_t nredshifts,
                     peri_err_t *err);

#endif
