/* cp_plan.h - what `perigee cp SRC... DST` means: which files go where, and the folders
 * that must be there for them.
 */
#ifndef CLI_CP_PLAN_H
#define CLI_CP_PLAN_H

#include "cli/transfer.h"

typedef struct {
    peri_transfer_t *t;
    size_t n, cap;
    size_t skipped; /* links, devices: told on stderr */
} peri_cpplan_t;

typedef struct {
    bool recursive, overwrite;
} peri_cpopts_t;

/* Looks at both sides; makes the folders at the goal. Copies from place to place are done
 * here, by the portal itself. */
int peri_cp_plan(peri_client_t *c, char *const *src, size_t nsrc, const char *dst,
                 const peri_cpopts_t *o, peri_cpplan_t *plan, peri_err_t *err);
void peri_cp_plan_free(peri_cpplan_t *plan); /* accepts a zeroed struct */

#endif
