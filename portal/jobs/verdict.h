/* verdict.h - what became of a task, from all that is known of it. Pure: no I/O.
 *
 * Evidence comes from three sides: the records that perigee-launch wrote, the claim in
 * the task's folder, and what the scheduler thinks. The exit record counts most; without
 * one nothing has "succeeded". What is not certain is waited for.
 */
#ifndef PORTAL_JOBS_VERDICT_H
#define PORTAL_JOBS_VERDICT_H

#include "jobs/store/state.h"
#include "jobs/task/folder.h"
#include "jobs/task/record.h"
#include "scheduler/scheduler.h"

#define PERI_MAX_LOST 3 /* attempts */

typedef struct {
    bool has_started, has_exit;
    peri_exitkind_t exit;
    int exit_code, exit_signal;
    const char *exit_text;
    peri_claimant_t claim;
    bool beats; /* a heartbeat came lately */

    bool ended; /* the scheduler says so, or does not know it any more (end UNKNOWN) */
    peri_schedend_t end;
    const char *end_text;  /* the scheduler's words; may be "" */
    const char *scheduler; /* its name, for sentences */
    bool grace_over;       /* it was waited long enough for what may still come */

    bool cancel_requested, restartable;
    int attempts_lost;
} peri_evidence_t;

typedef enum {
    PERI_ACT_WAIT,  /* nothing certain yet */
    PERI_ACT_CLAIM, /* take the claim, then ask again */
    PERI_ACT_END,
    PERI_ACT_REVOKE /* this attempt is void: back to waiting */
} peri_act_t;

typedef struct {
    peri_act_t act;
    peri_taskstate_t final; /* END */
    peri_why_t why;
    char text[700]; /* "" when all is well */
} peri_verdict_t;

void peri_verdict(const peri_evidence_t *e, peri_verdict_t *v);

#endif
