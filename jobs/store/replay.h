/* replay.h - a job as its log tells it: events go in one after the other, the state comes
 * out. Knows nothing of the database's rows. Private.
 *
 * Everything lives in the arena.
 */
#ifndef JOBS_STORE_REPLAY_H
#define JOBS_STORE_REPLAY_H

#include <jansson.h>

#include "core/base/arena.h"
#include "jobs/store/state.h"
#include "perigee/err.h"

typedef struct {
    int32_t index;
    peri_taskstate_t state;
    int attempt, lost;
    const char *why, *sentence, *host, *usage; /* usage: JSON with sorted keys, or "" */
    int exit_code, exit_signal;
    double started, ended;
} peri_rtask_t;

typedef struct {
    const char *name;
    peri_rtask_t *tasks; /* ascending indexes */
    size_t ntasks;
} peri_rstep_t;

typedef struct {
    const char *step;
    int attempt;
    const char *id;
} peri_rsubmission_t;

typedef struct {
    peri_arena_t *arena;
    peri_rstep_t *steps;
    size_t nsteps;
    peri_rsubmission_t *submissions;
    size_t nsubmissions, capsubmissions;
    int seq;
    bool cancel;
    double started;
    const char *why, *sentence;
} peri_replay_t;

typedef struct {
    int seq;
    double time;
    peri_evkind_t kind;
    const char *step; /* NULL: none */
    int attempt;
    const int32_t *indexes;
    size_t nindexes;
    const char *sentence;
    const json_t *context;
} peri_revent_t;

void peri_replay_init(peri_replay_t *p, peri_arena_t *arena);
/* An event that does not fit is an error: what is dropped never comes into a log. */
int peri_replay_apply(peri_replay_t *p, const peri_revent_t *e, peri_err_t *err);
void peri_replay_counts(const peri_replay_t *p, uint64_t count[PERI_TASK_NSTATES]);
peri_rtask_t *peri_replay_task(peri_replay_t *p, const char *step, int32_t index);
/* JSON as text that is the same for equal values. */
const char *peri_replay_usage(peri_arena_t *arena, const json_t *usage);

#endif
