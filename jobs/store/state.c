/* state.c - see state.h. The tables; the database's statements are generated from them
 * (append.c), so that there is no second copy of a rule.
 */
#include "jobs/store/state.h"

#include <string.h>

#define W PERI_TASK_WAITING
#define S PERI_TASK_SUBMITTING
#define Q PERI_TASK_QUEUED
#define R PERI_TASK_RUNNING

enum {
    LATE = -1,  /* drop it */
    FAULT = -2, /* whoever sends this is wrong */
    SAME = -3,
    FINAL = -4, /* the state that the event names */
    DONE = -5   /* the same, but not success: what never ran has not succeeded */
};

/* A final state is one column: what happens then does not depend on which it is. */
enum { OVER = PERI_TASK_SUCCEEDED, NCOLUMNS };

/* SUBMITTED for what runs or is over: the record of the start was read before the
 * scheduler's answer was stored, and the answer still names the submission. STARTED and
 * ENDED for `submitting` are the same race. */
static const signed char table[PERI_EV_NEVENTS][NCOLUMNS] = {
    /*                     waiting submitting queued running over */
    [PERI_EV_CREATED] = {SAME, FAULT, FAULT, FAULT, FAULT},
    [PERI_EV_INTENT] = {S, LATE, LATE, LATE, LATE},
    [PERI_EV_SUBMITTED] = {LATE, Q, SAME, SAME, SAME},
    [PERI_EV_STARTED] = {LATE, R, R, LATE, LATE},
    [PERI_EV_ENDED] = {DONE, FINAL, FINAL, FINAL, LATE},
    [PERI_EV_REVOKED] = {LATE, W, W, W, LATE},
    [PERI_EV_CANCEL] = {SAME, SAME, SAME, SAME, SAME},
    [PERI_EV_NOTE] = {SAME, SAME, SAME, SAME, SAME},
};

int peri_task_step(peri_taskstate_t s, peri_evkind_t e, peri_taskstate_t final,
                   peri_taskstate_t *next)
{
    if ((unsigned)s >= PERI_TASK_NSTATES || (unsigned)e >= PERI_EV_NEVENTS) return -1;
    bool names_final = (unsigned) final < PERI_TASK_NSTATES && peri_task_is_final(final);
    if (e == PERI_EV_ENDED && !names_final) return -1;
    int to = table[e][peri_task_is_final(s) ? OVER : s];
    if (to == LATE) return 0;
    if (to == FAULT || (to == DONE && final == PERI_TASK_SUCCEEDED)) return -1;
    *next = to == SAME ? s : to == FINAL || to == DONE ? final : (peri_taskstate_t)to;
    return 1;
}

peri_jobstate_t peri_job_fold(const uint64_t count[PERI_TASK_NSTATES])
{
    uint64_t active = 0, over = 0;
    for (int s = 0; s < PERI_TASK_NSTATES; s++)
        *(peri_task_is_final((peri_taskstate_t)s) ? &over : &active) += count[s];
    if (active) {
        if (count[R] || over) return PERI_JOB_RUNNING;
        return count[S] || count[Q] ? PERI_JOB_QUEUED : PERI_JOB_WAITING;
    }
    if (count[PERI_TASK_FAILED]) return PERI_JOB_FAILED;
    if (count[PERI_TASK_CANCELLED]) return PERI_JOB_CANCELLED;
    return PERI_JOB_SUCCEEDED;
}

/* ---- names ---- */

static const char *const taskstates[PERI_TASK_NSTATES] = {
    "waiting", "submitting", "queued", "running", "succeeded", "failed", "cancelled"};
static const char *const jobstates[PERI_JOB_NSTATES] = {
    "waiting", "queued", "running", "succeeded", "failed", "cancelled"};
static const char *const evkinds[PERI_EV_NEVENTS] = {
    "created", "intent", "submitted", "started", "ended", "revoked", "cancel", "note"};
static const char *const whys[PERI_WHY_NWHYS] = {"",           "exit",
                                                 "signal",     "out_of_memory",
                                                 "time_limit", "no_program",
                                                 "disk_full",  "node_failed",
                                                 "preempted",  "launcher_killed",
                                                 "reboot",     "refused",
                                                 "lost",       "dependency",
                                                 "cancelled",  "cancelled_in_scheduler"};

static const char *name_of(const char *const *names, unsigned n, unsigned i)
{
    return i < n ? names[i] : "?";
}

static int parse(const char *const *names, int n, const char *name)
{
    for (int i = 0; name && i < n; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

const char *peri_taskstate_name(peri_taskstate_t s)
{
    return name_of(taskstates, PERI_TASK_NSTATES, s);
}

const char *peri_jobstate_name(peri_jobstate_t s)
{
    return name_of(jobstates, PERI_JOB_NSTATES, s);
}

const char *peri_evkind_name(peri_evkind_t e)
{
    return name_of(evkinds, PERI_EV_NEVENTS, e);
}

const char *peri_why_name(peri_why_t w)
{
    return name_of(whys, PERI_WHY_NWHYS, w);
}

int peri_taskstate_parse(const char *name, peri_taskstate_t *s)
{
    int i = parse(taskstates, PERI_TASK_NSTATES, name);
    if (i >= 0) *s = (peri_taskstate_t)i;
    return i < 0 ? -1 : 0;
}

int peri_jobstate_parse(const char *name, peri_jobstate_t *s)
{
    int i = parse(jobstates, PERI_JOB_NSTATES, name);
    if (i >= 0) *s = (peri_jobstate_t)i;
    return i < 0 ? -1 : 0;
}

int peri_evkind_parse(const char *name, peri_evkind_t *e)
{
    int i = parse(evkinds, PERI_EV_NEVENTS, name);
    if (i >= 0) *e = (peri_evkind_t)i;
    return i < 0 ? -1 : 0;
}

int peri_why_parse(const char *name, peri_why_t *w)
{
    int i = parse(whys, PERI_WHY_NWHYS, name);
    if (i >= 0) *w = (peri_why_t)i;
    return i < 0 ? -1 : 0;
}
