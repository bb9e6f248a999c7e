/* shm.h - memory that sandboxed ranks on one node share; see shm.c. */
#ifndef JOBS_SANDBOX_SHM_H
#define JOBS_SANDBOX_SHM_H

#include "core/base/arena.h"
#include "perigee/err.h"

/* A descriptor to be held while it is used, and the folder in *path; -1 with *err. name:
 * the same for all ranks of a step. */
int peri_shm_take(const char *name, peri_arena_t *arena, const char **path,
                  peri_err_t *err);
/* Closes it; the last one removes the folder. fd < 0: nothing. */
void peri_shm_drop(int fd, const char *path);

#endif
