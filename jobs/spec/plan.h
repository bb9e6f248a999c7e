/* plan.h - from a step of a spec to what perigee-launch runs and a scheduler is asked
 * for.
 *
 * The plan of an SQL step is the command `perigee query` with its options, in the task's
 * allocation, that of a kernel step `perigee run`; a script step is its own command.
 * Locality: the caller gives the places of the step's data (from the replica table); the
 * plan asks the scheduler for these nodes.
 */
#ifndef JOBS_SPEC_PLAN_H
#define JOBS_SPEC_PLAN_H

#include "core/base/buf.h"
#include "jobs/task/record.h"
#include "jobs/spec/spec.h"
#include "scheduler/scheduler.h"

/* Which dataset tables and files a step reads: "dataset" or "dataset.table" names, so
 * that the caller can look up replicas: the context, what the step lists in "data": [...]
 * and, to be searched, its texts. Names are resolved when the job runs. */
typedef struct {
    const char *const *names;
    size_t n;
    const char *const *texts; /* that may name more before a dot: SQL, inputs */
    size_t ntexts;
} peri_stepdata_t;
peri_stepdata_t peri_plan_data(const peri_step_t *step, peri_arena_t *arena);

/* What the places of the data mean for the nodes: filled by the caller. */
typedef struct {
    const char *const *nodes; /* that hold some of it */
    size_t nnodes;
    bool hard; /* some files are nowhere else */
} peri_places_t;

typedef struct {
    const char *uuid;
    const peri_spec_t *spec;
    const peri_step_t *step;
    int attempt;
    const char *spool;    /* see jobs/task/folder.h */
    const char *bin;      /* folder of perigee, perigee-launch */
    const char *state;    /* PERIGEE_STATE of the job, or NULL */
    const char *datasets; /* PERIGEE_DATASETS of the job, or NULL */
    uid_t uid;
    gid_t gid;
    const char *user;
    const char *home;
    /* NULL: none. Otherwise HOME and USER are its, relative to what dir is for steps that
     * name none, `kernels` is PERIGEE_KERNELS and `schemas` PERIGEE_SCHEMAS. */
    const peri_sandbox_t *sandbox;
    const char *dir, *kernels, *schemas;
    const int32_t *indexes; /* of this submission */
    size_t nindexes;
    const peri_places_t *places; /* NULL: unknown, anywhere */
    const peri_scheddep_t *after;
    size_t nafter;
    const peri_schedcaps_t *caps;
} peri_planin_t;

/* Fill both; strings live in the arena. The number of nodes grows to that of
 * places->nodes if these are hard; then ranks grow to one a node at least. */
int peri_plan_make(const peri_planin_t *in, peri_arena_t *arena, peri_launch_t *launch,
                   peri_schedreq_t *request, peri_err_t *err);

/* The plan for people and the API: steps, command, ranks, nodes, nodes wanted and why,
 * limits. New reference. */
json_t *peri_plan_json(const peri_spec_t *spec);

#endif
