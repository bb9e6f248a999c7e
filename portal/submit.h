/* submit.h - one submission, for those who look at it: submit.c, and recheck.c when
 * rights have changed while it waits. Private to the manager.
 */
#ifndef PORTAL_SUBMIT_H
#define PORTAL_SUBMIT_H

#include "jobs/spec/spec.h"
#include "portal/manager.h"

typedef struct {
    peri_arena_t *arena;
    peri_submissionrow_t row; /* of the arena */
    bool found;
    peri_spec_t *spec; /* while it is planned */
} peri_subm_t;

/* A callback of peri_store_submission: copies the row into the peri_subm_t. */
int peri_subm_take(const peri_submissionrow_t *row, void *subm);
/* Tasks that have not started never will, once the claim is ours: they end so (final, why
 * and text of `end`). *running: how many have started. */
int peri_subm_claim(peri_manager_t *m, const peri_subm_t *s, const peri_event_t *end,
                    size_t *running, peri_err_t *err);

#endif
