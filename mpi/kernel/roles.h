/* roles.h - which column of a table is the position, the mass, ... */
#ifndef MPI_KERNEL_ROLES_H
#define MPI_KERNEL_ROLES_H

#include "mpi/kernel/input.h"

const char *peri_role_name(peri_role_t role);  /* "position" */
const char *peri_role_param(peri_role_t role); /* "pos", the parameter that says it */
bool peri_role_is_vector(peri_role_t role);
/* SQL for it by the columns' names, in the arena, and the column that it is from, or the
 * first of three; NULL: no column looks like it. */
const char *peri_role_sql(peri_role_t role, const peri_look_t *look, peri_arena_t *arena,
                          const peri_lookcol_t **column);

#endif
