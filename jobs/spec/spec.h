/* spec.h - a job as its user writes it: JSON, checked, with defaults filled in.
 *
 * docs/jobs.md is the reference and docs/job-spec.schema.json the published schema (the
 * tests hold them against this parser). A spec is a graph of steps; the short form with
 * one step needs no "steps". Strict: unknown keys are errors with "did you mean", every
 * error names the place as a JSON pointer ("at /steps/1/resources/memory: ...").
 *
 * Kinds are a table (spec_kind.c): a row has the name, the keys it takes, a check and a
 * translation into a program (plan.h). `sql`, `kernel` and `script` are there; `notebook`
 * and `session` are to be new rows.
 *
 * Limits: 1 MiB of JSON, 64 steps, 100,000 tasks, 4,096 words of a command.
 */
#ifndef JOBS_SPEC_SPEC_H
#define JOBS_SPEC_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "jobs/task/record.h"
#include "perigee/err.h"
#include "scheduler/scheduler.h"

#define PERI_STEP_NAME_MAX 32
#define PERI_JOB_NAME_MAX  200
#define PERI_SPEC_MAX      (1u << 20)
#define PERI_STORED_MAX    (4u << 20) /* of peri_spec_t.json: numbers have more digits */

typedef struct {
    uint32_t nodes, ranks, cpus; /* ranks over all nodes; cpus (threads) per rank */
    uint64_t memory;             /* bytes per node; 0: not said */
    uint32_t time_limit;         /* seconds; 0: not said */
    uint32_t warn_signal, warn_seconds;
    const char *partition, *account, *constraint; /* NULL: not said */
} peri_resources_t;

typedef struct {
    const char *step; /* of this job; NULL: of another job */
    const char *job;  /* uuid or number as given, of another job */
    bool even_failed; /* "when": "end" instead of "success" */
} peri_specdep_t;

#define PERI_SPEC_VOLUMES 64

typedef struct {
    const char *owner; /* "ana", "team:NAME", "data:"; NULL: of the job's own account */
    const char *name;
    bool read_only;
    const char *path; /* of an output: a folder, "" the volume itself */
} peri_volumename_t;

/* The volume with which a text begins, "OWNER/NAME" or "NAME"; what follows it ("" or
 * ":..."), or NULL if there is none. Strings of the arena. */
const char *peri_volume_name(const char *s, peri_arena_t *arena, peri_volumename_t *out);

struct peri_kind;
struct peri_param;

typedef struct {
    const char *at;   /* JSON pointer of its object: "" in the short form, "/steps/1" */
    const char *name; /* [a-z][a-z0-9_-]*, at most PERI_STEP_NAME_MAX; "main" in the short
                         form */
    const struct peri_kind *kind;
    const char *kind_name;
    const json_t *json; /* the step's object, for the kind's own keys */
    peri_resources_t resources;
    const char *dir; /* working folder, absolute, or NULL */
    const peri_env_t *env;
    size_t nenv;
    const peri_launchtask_t
        *tasks;    /* array: index and parameters of each; NULL: no array */
    size_t ntasks; /* 1 when there is no array */
    const struct peri_param *params; /* private */
    size_t nparams;
    int32_t parallel;            /* %N: array tasks at a time; 0: no limit */
    const peri_specdep_t *after; /* steps of this job and other jobs */
    size_t nafter;
    bool restartable; /* may be started again after a node failed or it was preempted */
} peri_step_t;

typedef struct {
    const char *name;
    const char *scheduler; /* NULL: the default one */
    int32_t priority;
    const peri_step_t *steps; /* in an order in which each comes after what it needs */
    size_t nsteps;
    size_t ntasks;    /* over all steps */
    bool has_volumes; /* only these; otherwise all that its account may use */
    const peri_volumename_t *volumes;
    size_t nvolumes;
    peri_volumename_t output; /* where results go; name NULL: they stay with the job */
    bool output_overwrite;
    /* The whole, to be stored (JSON_COMPACT): defaults not filled in, but the working
     * folder of each step is there and absolute, so that it is parsed again with dir =
     * NULL. */
    const json_t *json;
    peri_arena_t *arena; /* private */
} peri_spec_t;

/* dir: the working folder for steps that name none or a relative one. NULL: there is
 * none, or the spec is a stored one (which may have PERI_STORED_MAX bytes); a relative
 * one is refused. */
peri_spec_t *peri_spec_parse(const char *json, size_t len, const char *dir,
                             peri_err_t *err);
void peri_spec_free(peri_spec_t *s); /* accepts NULL */

/* Could this ever run there? An impossible request says what is possible: "asks for 64
 * GB a node, but the largest node of slurm has 48 GB". */
int peri_spec_check(const peri_spec_t *s, const peri_schedcaps_t *caps, peri_err_t *err);

/* A spec (JSON text) from what the command line has: used by `perigee submit`. Zero and
 * NULL: not said. With `script` (the text of a program with #!) argv are its arguments.
 */
typedef struct {
    const char *name, *scheduler, *partition, *account, *constraint, *dir, *context,
        *into, *format, *array, *time, *memory, *warn;
    uint32_t nodes, ranks, cpus;
    int32_t priority, parallel; /* parallel: for params; an array's text has its own %N */
    bool mpi, restartable, overwrite;
    const char *const *env; /* NAME=VALUE */
    size_t nenv;
    const char *const *after; /* JOB or JOB:end */
    size_t nafter;
    const char *const *params; /* NAME=V1,V2,... */
    size_t nparams;
} peri_specopts_t;
int peri_spec_from_sql(const char *sql, const peri_specopts_t *o, peri_buf_t *out,
                       peri_err_t *err);
typedef struct {
    char name[65];
    const char *value;
    bool is_bool; /* then the value is "true" or "false" */
} peri_kernelarg_t;
int peri_spec_from_kernel(const char *kernel, const char *input,
                          const peri_kernelarg_t *args, size_t nargs,
                          const peri_specopts_t *o, peri_buf_t *out, peri_err_t *err);
int peri_spec_from_command(const char *const *argv, size_t argc, const char *script,
                           const peri_specopts_t *o, peri_buf_t *out, peri_err_t *err);

#endif
