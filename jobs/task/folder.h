/* folder.h - where a job's files lie, and the claim that makes each attempt run at most
 * once.
 *
 *   SPOOL/UUID/                     0711, the daemon's
 *     STEP/ATTEMPT/                 0711, the daemon's: one submission
 *       launch.json                 what perigee-launch is to do (jobs/task/record.h),
 * 0644 INDEX/                      the user's, 0750: one task; "0" when there is no array
 *         claim                     made by the one who may decide: see below
 *         records                   one JSON object a line, appended by perigee-launch
 *         heartbeat                 the newest heartbeat, replaced by rename
 *         stdout stderr             of the program
 *         script                    the program's text, if the job brought one
 *         progress report           see record.h
 *     results/                      the user's, 0750: what the job is to keep
 *
 * The claim. Before it does anything, perigee-launch creates `claim`; the daemon creates
 * it to make sure that a task that has not started never will (cancelled, or lost by its
 * scheduler and about to be submitted again). Only one of them can win, also over NFS.
 * Who finds a claim of somebody else does not run.
 *
 * The task folders belong to users: the daemon opens files in them relative to the
 * folder, without following links, only if they are regular files, and reads a bounded
 * part.
 */
#ifndef JOBS_TASK_FOLDER_H
#define JOBS_TASK_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "perigee/err.h"

#define PERI_UUID_LEN 36

/* A random (version 4) uuid in lower case; out has PERI_UUID_LEN + 1 bytes. */
void peri_uuid_new(char *out);
bool peri_uuid_valid(const char *s);

/* Paths; the caller frees. index < 0 means 0. */
char *peri_folder_job(const char *spool, const char *uuid);
char *peri_folder_results(const char *spool, const char *uuid);
char *peri_folder_attempt(const char *spool, const char *uuid, const char *step,
                          int attempt);
char *peri_folder_task(const char *spool, const char *uuid, const char *step, int attempt,
                       int32_t index);

/* Make the folders of one submission, owned by uid/gid where they are the user's (chown
 * only if we are root and uid is another); may be called again. */
int peri_folder_make(const char *spool, const char *uuid, const char *step, int attempt,
                     const int32_t *indexes, size_t nindexes, uid_t uid, gid_t gid,
                     peri_err_t *err);
/* Remove everything of a job. */
int peri_folder_remove(const char *spool, const char *uuid, peri_err_t *err);

/* A descriptor of a task's folder; the last part is not followed if it is a link. */
int peri_folder_open(const char *task_folder, peri_err_t *err);
/* Open NAME in it for reading: regular files only, no links. -1 with PERI_ENOTFOUND if
 * there is none. */
int peri_folder_open_file(int dirfd, const char *name, peri_err_t *err);

/* ---- claims ---- */

typedef enum { PERI_CLAIM_NONE, PERI_CLAIM_LAUNCH, PERI_CLAIM_DAEMON } peri_claimant_t;

/* Who has it. A claim file that is empty or damaged (its writer was killed) counts as
 * perigee-launch's. */
int peri_claim_read(int dirfd, peri_claimant_t *who, peri_err_t *err);
/* Try to take it: 1 taken (also if this same `tag` took it before; for perigee-launch
 * only if that was this same process), 0 somebody else has it, -1 cannot tell. tag: for
 * perigee-launch what tells one start from another
 * ("slurm 4711 restart 0", "pid 123 boot ... start ..."), for the daemon "daemon ...". */
int peri_claim_take(int dirfd, peri_claimant_t who, const char *tag, peri_err_t *err);

/* What the claim says of its taker, so that the one who started it can see whether it
 * lives. The claim is a file of its user: check what you do to `pid` (its owner, its
 * start time). Of an empty or damaged claim who is PERI_CLAIM_LAUNCH and the rest is
 * empty. */
typedef struct {
    peri_claimant_t who;
    char tag[256];
    char host[256];
    char boot[64];      /* /proc/sys/kernel/random/boot_id of that machine */
    int64_t pid;        /* 0: not known */
    uint64_t starttime; /* of the process, as in /proc/PID/stat */
} peri_claiminfo_t;
int peri_claim_info(int dirfd, peri_claiminfo_t *info, peri_err_t *err);
/* Is the process that took it alive on this machine? False also if it is on another. */
bool peri_claim_alive(const peri_claiminfo_t *info);
/* This process as a claim names it (who and tag are left empty). */
void peri_claim_self(peri_claiminfo_t *info);

#endif
