/* steps.h - a statement that calls kernels: they run first, one after the other, then the
 * statement over their rows.
 */
#ifndef MPI_KERNEL_STEPS_H
#define MPI_KERNEL_STEPS_H

#include "mpi/kernel/run.h"

/* As peri_exec_run, for statements with calls of kernels and without. Collective. */
int peri_steps_run(MPI_Comm comm, const peri_registry_t *registry,
                   const peri_queryspec_t *spec, const peri_runopts_t *o,
                   peri_execresult_t *res, peri_err_t *err);

#endif
