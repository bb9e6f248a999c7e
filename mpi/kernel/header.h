/* header.h - what a snapshot's or catalogue's file says of its simulation. */
#ifndef MPI_KERNEL_HEADER_H
#define MPI_KERNEL_HEADER_H

#include "core/base/arena.h"
#include "perigee/kernel.h"

/* Nothing known. */
void peri_simulation_init(peri_simulation_t *s);
/* Reads the attributes that GADGET-2 to -4, AREPO and SWIFT write; `dataset` is the path
 * of some dataset in it, for the type of particle. What is not there stays unknown.
 * Texts live in the arena. */
int peri_simulation_read(const char *path, const char *root, const char *dataset,
                         peri_arena_t *arena, peri_simulation_t *s, peri_err_t *err);

#endif
