/* agree.h - all ranks go on, or none does. */
#ifndef UNIVERSE_AGREE_H
#define UNIVERSE_AGREE_H

#include <mpi.h>

#include "perigee/err.h"

/* 0 if rc is 0 on all ranks. Otherwise -1 on all, with the error of the lowest rank that
 * has one. Collective. */
int agree(MPI_Comm comm, int rc, peri_err_t *err);

#endif
