/* spec_step.h - one step of a spec: private to jobs/spec. */
#ifndef JOBS_SPEC_STEP_H
#define JOBS_SPEC_STEP_H

#include "jobs/spec/spec_private.h"

typedef struct {
    peri_arena_t *arena;
    const char *dir; /* absolute, for relative ones; or NULL */
    size_t budget;   /* tasks that the job may still have */
    bool short_form;
    peri_at_t list; /* "/steps" */
} peri_stepread_t;

/* All of a step but the names in "after", which peri_graph_sort checks. The step's "dir"
 * in the JSON becomes absolute. */
int peri_step_read(peri_stepread_t *in, json_t *o, const peri_at_t *at, peri_step_t *step,
                   peri_err_t *err);

#endif
