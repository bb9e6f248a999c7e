/* memory.h - refuses a run that would not fit, before it starts. */
#ifndef UNIVERSE_MEMORY_H
#define UNIVERSE_MEMORY_H

#include <mpi.h>

#include "perigee/err.h"

/* Compares what the ranks of each node will need with what it has. Collective; each node
 * judges its own. */
int memory_check(MPI_Comm comm, int particles, int mesh, peri_err_t *err);

#endif
