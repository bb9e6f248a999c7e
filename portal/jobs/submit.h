/* submit.h - one submission, for those who look at it: submit.c, and recheck.c when
 * rights have changed while it waits. Private to the manager.
 */
#ifndef PORTAL_JOBS_SUBMIT_H
#define PORTAL_JOBS_SUBMIT_H

#include "jobs/spec/spec.h"
#include "portal/jobs/manager.h"

typedef struct {
    peri_arena_t *arena;
    peri_submissionrow_t row; /* of the arena */
    bool found;
    peri_spec_t *spec;   /* while it is planned */
    const char *folders; /* ... as a Unix user: the list for perigee-helper, else NULL */
} peri_subm_t;

/* A callback of peri_store_submission: copies the row into the peri_subm_t. */
int peri_subm_take(const peri_submissionrow_t *row, void *subm);
/* Tasks that have not started never will, once the claim is ours: they end so (final, why
 * and text of `end`). *running: how many have started. */
int peri_subm_claim(peri_manager_t *m, const peri_subm_t *s, const peri_event_t *end,
                    size_t *running, peri_err_t *err);
/* submit_unix.c. Can it be started as its Unix user by this scheduler? PERI_EDENIED,
 * PERI_EUNSUPP. */
int peri_subm_unix(const peri_portal_t *p, const peri_subm_t *s, const char *scheduler,
                   peri_err_t *err);
/* The home of the Unix user that it is started as by perigee-helper; NULL: it is not. */
const char *peri_subm_home(const peri_subm_t *s);
/* Write s->folders where perigee-helper's client finds it. */
int peri_subm_folders(const peri_portal_t *p, const peri_subm_t *s, peri_err_t *err);

#endif
