/* record.h - what perigee-launch is told and what it tells: launch.json, records,
 * heartbeat, report.
 *
 * All of it is files in the task's folder (folder.h), so that a portal that was away for
 * days misses nothing. Formats are JSON; docs/launch.md is their reference. Readers take
 * what a user may have written into her own folder: bounded, checked, unknown keys
 * ignored.
 */
#ifndef JOBS_TASK_RECORD_H
#define JOBS_TASK_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "perigee/err.h"

/* ---- to perigee-launch: ATTEMPT/launch.json ---- */

typedef struct {
    const char *name;
    const char *value;
} peri_env_t;

/* Values of the parameters of one array task. */
typedef struct {
    int32_t index;
    const peri_env_t *params; /* PERIGEE_PARAM_<name>=value, and {name} in argv */
    size_t nparams;
} peri_launchtask_t;

/* A folder that a sandboxed program sees. */
typedef struct {
    const char *from; /* outside, absolute; links in it are followed */
    const char *path; /* beneath `from`: no link is followed. NULL: `from` itself */
    const char *to;   /* inside, absolute */
    const char *hide; /* a name right in it that is covered if it is there, or NULL */
    bool write;
    bool optional; /* left out if it is not there, or is a link */
} peri_bind_t;

/* What the program sees and may do (jobs/sandbox). Besides the binds: the system's
 * programs, the task's folder and the results. */
typedef struct {
    const peri_bind_t *binds;
    size_t nbinds;
    const char *const
        *read; /* folders that it sees at the same place, if they are there */
    size_t nread;
    const char *const *hide; /* folders in them that it does not */
    size_t nhide;
    const char *user, *home; /* her name; an absolute folder inside. NULL: "user", /tmp */
    bool network;            /* that of the machine; otherwise only itself */
} peri_sandbox_t;

#define PERI_SANDBOX_BINDS 256
#define PERI_SANDBOX_PATHS 1024

/* The variable that tells a task which tables it finds by name (portal/jobs/schemas.c).
 */
#define PERI_SCHEMAS_ENV "PERIGEE_SCHEMAS"

typedef struct {
    const char *uuid, *step;
    int attempt;
    bool is_array;
    const char *const *argv; /* the program; with `script` its arguments, or NULL */
    size_t argc;
    const char *script;  /* text of a program with #!, or NULL */
    const char *dir;     /* working folder; NULL: the task's folder */
    const char *results; /* folder for results: PERIGEE_RESULTS */
    const peri_env_t *env;
    size_t nenv;
    const peri_launchtask_t *tasks; /* one an index; none if there are no parameters */
    size_t ntasks;
    bool mpi; /* start argv as ranks: srun in a Slurm allocation, mpirun elsewhere */
    uint32_t nodes, ranks, cpus;
    uint64_t memory;     /* bytes on this node over all its processes; 0: no limit */
    uint32_t time_limit; /* seconds; 0: none */
    uint32_t warn_signal, warn_seconds;
    uint64_t output_max; /* bytes of stdout and of stderr that are kept; 0: 1 GiB */
    double heartbeat;    /* seconds between heartbeats; 0: 10 */
    const peri_sandbox_t *sandbox; /* NULL: none; `dir` is then a folder inside */
} peri_launch_t;

int peri_launch_to_json(const peri_launch_t *l, peri_buf_t *out, peri_err_t *err);
int peri_launch_from_json(const char *json, size_t len, peri_arena_t *arena,
                          peri_launch_t *l, peri_err_t *err);

/* ---- from it: records and heartbeat ---- */

typedef struct {
    double cpu_seconds; /* user and system, all processes on the first node */
    uint64_t memory_peak;
    uint64_t bytes_read, bytes_written; /* as /proc/PID/io counts them */
    uint64_t local_bytes, shared_bytes,
        remote_bytes; /* what a query says it read where */
    uint64_t rows;
} peri_usage_t;

typedef enum {
    PERI_REC_STARTED,   /* the program is about to be started */
    PERI_REC_HEARTBEAT, /* only in the file heartbeat */
    PERI_REC_PROGRESS,
    PERI_REC_WARNED, /* the program was told that its time is nearly over */
    PERI_REC_EXIT    /* the last one */
} peri_reckind_t;

/* Why the program ended, as perigee-launch saw it. */
typedef enum {
    PERI_EXIT_DONE,       /* by itself: code */
    PERI_EXIT_SIGNAL,     /* by a signal that was not ours */
    PERI_EXIT_MEMORY,     /* used more memory than it asked for, and was ended */
    PERI_EXIT_TIME,       /* the time limit */
    PERI_EXIT_TERMINATED, /* perigee-launch was told to end it (cancelled, preempted) */
    PERI_EXIT_NO_PROGRAM, /* it could not be started: text says why */
    PERI_EXIT_NO_SPACE,   /* its output could not be written: disk full or quota */
    PERI_EXIT_FAULT,      /* perigee-launch itself failed: text */
    PERI_EXIT_STOPPED /* warned, it has saved and stopped (AGAIN): to go on from there */
} peri_exitkind_t;

typedef struct {
    peri_reckind_t kind;
    double time; /* seconds since the epoch */
    int attempt;
    /* started */
    const char *host;
    int64_t pid;
    const char *nodes;     /* "n1,n2" */
    const char *scheduler; /* "slurm 4711_3", "local" */
    /* progress and heartbeat */
    double fraction; /* 0..1; < 0: unknown */
    const char *message;
    /* heartbeat, exit */
    peri_usage_t usage;
    /* exit */
    peri_exitkind_t exit;
    int code, signal;
    bool core_dumped;
    const char *text; /* the sentence for the user; "" when all is well */
} peri_record_t;

/* One line with its newline; at most PERI_RECORD_LINE bytes. */
#define PERI_RECORD_LINE 4096
int peri_record_format(const peri_record_t *r, peri_buf_t *out, peri_err_t *err);
int peri_record_parse(const char *line, size_t len, peri_arena_t *arena, peri_record_t *r,
                      peri_err_t *err);
/* Read `records` of a task folder from byte *offset on; calls each for every whole line;
 * lines that cannot be read are skipped. *offset moves behind the last whole line. At
 * most 1 MiB a call. No file: 0, nothing called. */
int peri_records_read(int dirfd, uint64_t *offset,
                      void (*each)(const peri_record_t *, void *), void *arg,
                      peri_err_t *err);
/* The newest heartbeat: 1 there is one, 0 none, -1 error. */
int peri_heartbeat_read(int dirfd, peri_arena_t *arena, peri_record_t *r,
                        peri_err_t *err);

/* ---- from the program to perigee-launch ----
 * PERIGEE_PROGRESS names a file that the program may write a line to, again and again (a
 * fraction from 0 to 1 or "12 %", then a message): the newest one is in the heartbeat.
 * PERIGEE_REPORT names one that it may write a JSON object to before it ends:
 * {"rows":, "local_bytes":, "shared_bytes":, "remote_bytes":}: into the exit record. */

#endif
