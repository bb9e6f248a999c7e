/* places.h - where the data of a step lies, from the replica table: which nodes a plan
 * asks for.
 */
#ifndef PORTAL_JOBS_PLACES_H
#define PORTAL_JOBS_PLACES_H

#include "jobs/spec/plan.h"
#include "jobs/store/store.h"

/* Nodes that hold files of the step's datasets. If all files are also on shared storage,
 * they are a wish; if some are only on nodes, the fewest nodes that hold them all are
 * needed (hard). No nodes: nothing is known, it may run anywhere. PERI_EINVAL: some
 * files lie only on nodes that the scheduler does not have; the text names them. */
int peri_places_find(peri_db_t *db, const peri_step_t *step, peri_sched_t *sched,
                     const peri_schedcaps_t *caps, peri_places_t *out,
                     peri_arena_t *arena, peri_err_t *err);

#endif
