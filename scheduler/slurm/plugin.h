/* plugin.h - what the files of the Slurm plugin share.
 *
 * words.c, array.c and refuse.c are pure: they know Slurm's numbers (slurm.h) but call
 * nothing of libslurm. link.c alone holds the connection: one lock, as libslurm is one
 * per process. request.c makes the request of a submission, tell.c turns Slurm's list of
 * jobs into what the scheduler's interface says, slurm.c has the entry points.
 */
#ifndef SCHEDULER_SLURM_PLUGIN_H
#define SCHEDULER_SLURM_PLUGIN_H

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "perigee/err.h"
#include "scheduler/scheduler.h"

#define PERI_SLURM_PREFIX "perigee-" /* of the names of our jobs */

/* ---- words.c: states and reasons ---- */

typedef struct {
    peri_schedstate_t state;
    peri_schedend_t end;
    const char *name; /* as squeue writes it */
    const char *why;  /* in plain words; "" if there is nothing to say */
} peri_slurmstate_t;

/* job_state with its flags, and the reason. Never NULL. */
const peri_slurmstate_t *peri_slurm_state(uint32_t job_state, uint32_t reason);

/* Why a job waits. */
typedef struct {
    uint32_t reason;
    const char *reason_name; /* as squeue writes it */
    bool again;              /* it ran before */
    uint32_t nodes;          /* how many it wants */
    const char *wanted;      /* nodes by name that it must have, or "" */
    const char *trouble;     /* of those: "n2 is drained: disk exchange", or "" */
    const char *details;     /* Slurm's own addition, or "" */
} peri_slurmwait_t;

void peri_slurm_wait_text(const peri_slurmwait_t *w, peri_buf_t *out);

/* Why nothing new starts on a node ("drained", "down"); NULL if it is in use or can be.
 */
const char *peri_slurm_node_trouble(uint32_t node_state);

/* ---- array.c: numbers and their strings ---- */

/* "1,3-9%4", counted from `first` on. */
int peri_slurm_array_format(const int32_t *indexes, size_t n, int32_t first,
                            int32_t throttle, peri_buf_t *out);
/* The indexes in Slurm's "5-9,12,20-30:2%2" of length len; -1 if it is not one, is cut
 * ("1,5,...") or has more than max. */
int peri_slurm_array_parse(const char *s, size_t len, int32_t *out, size_t max,
                           size_t *n);
/* Our ids are "JOBID:TAG": the tag is made from the name, because a slurmctld that was
 * killed forgets its last seconds and gives the same number to another job. */
void peri_slurm_id_format(char out[PERI_SCHED_ID_MAX], uint32_t job, const char *name);
int peri_slurm_id_parse(const char *id, uint32_t *job, uint32_t *tag);
uint32_t peri_slurm_tag(const char *name);

/* ---- refuse.c ---- */

/* If Slurm's answer to a submission means that it will never be accepted: fills *err and
 * returns true. */
bool peri_slurm_refused(int error, const peri_schedreq_t *req, peri_err_t *err);

/* ---- link.c: all functions but _open, _close and _lock want the lock ---- */

/* conf: path of slurm.conf, or NULL for Slurm's own way to find it. */
int peri_slurm_open(const char *conf, peri_err_t *err);
void peri_slurm_close(void);
void peri_slurm_lock(void);
void peri_slurm_unlock(void);
/* 0, or -1 if Slurm has just not answered: nobody waits for the same silence twice. */
int peri_slurm_ready(peri_err_t *err);
/* libslurm has said no: errno, in a sentence. */
int peri_slurm_silence(peri_err_t *err);

/* The list of all jobs as of now; lent, until the next call. */
int peri_slurm_jobs(bool all, const job_info_msg_t **jobs, peri_err_t *err);
/* Take it away from the link, so that it can be read without the lock, and give it back.
 */
job_info_msg_t *peri_slurm_jobs_take(void);
void peri_slurm_jobs_give(job_info_msg_t *jobs);
int peri_slurm_nodes(node_info_msg_t **nodes, peri_err_t *err); /* slurm_free_... */

static inline bool peri_slurm_ours(const slurm_job_info_t *j)
{
    return j->name && __builtin_strncmp(j->name, PERI_SLURM_PREFIX,
                                        sizeof(PERI_SLURM_PREFIX) - 1) == 0;
}

/* Of the submission: an array's, not its task's. */
static inline uint32_t peri_slurm_base(const slurm_job_info_t *j)
{
    return j->array_job_id ? j->array_job_id : j->job_id;
}

/* ---- request.c ---- */

typedef struct {
    const char *partition, *account, *constraint; /* where the request names none; NULL */
    const char *path;                             /* PATH of the jobs */
    const json_t *env;                            /* more variables; NULL */
    uint32_t array_top; /* Slurm's highest index of an array; 0: not known yet */
} peri_slurmdefaults_t;

typedef struct peri_slurmdesc peri_slurmdesc_t;

/* nodes: as they are now, for nodes_soft; NULL: unknown. */
peri_slurmdesc_t *peri_slurmdesc_new(const peri_schedreq_t *req,
                                     const peri_slurmdefaults_t *d,
                                     const node_info_msg_t *nodes, peri_err_t *err);
job_desc_msg_t *peri_slurmdesc_msg(peri_slurmdesc_t *d);
void peri_slurmdesc_free(peri_slurmdesc_t *d);

/* In the comment of a job whose nodes are a wish. */
#define PERI_SLURM_SOFT " soft"
/* In the comment of an array, with the index that is 0 for Slurm. */
#define PERI_SLURM_FIRST " +"
/* That index; 0 where Slurm counts as we do. */
int32_t peri_slurm_first(const char *comment);

/* ---- tell.c ---- */

/* Tell of all our jobs in the list. nodes may be NULL. */
void peri_slurm_tell(const job_info_msg_t *jobs, const node_info_msg_t *nodes,
                     void (*each)(const peri_schedtask_t *, void *), void *arg);

#endif
