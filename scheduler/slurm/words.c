/* words.c - Slurm's states and reasons, as tables and in plain words. Pure.
 *
 * A state is a base and flags. The first row that fits is the answer: the flags that say
 * that a job which looks over is not come before the bases.
 */
#include <string.h>

#include "scheduler/slurm/plugin.h"

/* ---- states ---- */

#define ANY    0xffu /* base */
#define ENDED  0xfeu /* any base behind RUNNING and SUSPENDED */
#define AGAIN  (JOB_REQUEUE | JOB_REQUEUE_HOLD | JOB_REQUEUE_FED | JOB_SPECIAL_EXIT)
#define NO_END PERI_END_UNKNOWN

typedef struct {
    uint32_t base;
    uint32_t flags; /* one of them; 0: none needed */
    peri_slurmstate_t is;
} row_t;

static const row_t states[] = {
    {ENDED, AGAIN, {PERI_SCHED_RUNNING, NO_END, "REQUEUED", "it is to start again"}},
    {ENDED, JOB_COMPLETING, {PERI_SCHED_RUNNING, NO_END, "COMPLETING", "it is ending"}},
    {ENDED, JOB_STAGE_OUT, {PERI_SCHED_RUNNING, NO_END, "STAGE_OUT", "it is ending"}},
    {ANY,
     JOB_REVOKED,
     {PERI_SCHED_ENDED, PERI_END_CANCELLED, "REVOKED",
      "another cluster of the federation runs it"}},
    {JOB_RUNNING,
     JOB_CONFIGURING | JOB_POWER_UP_NODE,
     {PERI_SCHED_PENDING, NO_END, "CONFIGURING", "its nodes are being started"}},
    {JOB_PENDING, 0, {PERI_SCHED_PENDING, NO_END, "PENDING", ""}},
    {JOB_RUNNING, 0, {PERI_SCHED_RUNNING, NO_END, "RUNNING", ""}},
    {JOB_SUSPENDED, 0, {PERI_SCHED_RUNNING, NO_END, "SUSPENDED", "it is suspended"}},
    {JOB_COMPLETE, 0, {PERI_SCHED_ENDED, PERI_END_EXITED, "COMPLETED", ""}},
    {JOB_CANCELLED,
     0,
     {PERI_SCHED_ENDED, PERI_END_CANCELLED, "CANCELLED", "it was cancelled"}},
    {JOB_FAILED, 0, {PERI_SCHED_ENDED, PERI_END_EXITED, "FAILED", ""}},
    {JOB_TIMEOUT,
     0,
     {PERI_SCHED_ENDED, PERI_END_TIME, "TIMEOUT", "its time limit was over"}},
    {JOB_NODE_FAIL,
     0,
     {PERI_SCHED_ENDED, PERI_END_NODE, "NODE_FAIL", "a node failed or vanished"}},
    {JOB_PREEMPTED,
     0,
     {PERI_SCHED_ENDED, PERI_END_PREEMPTED, "PREEMPTED",
      "it had to make room for a job that goes before it"}},
    {JOB_BOOT_FAIL,
     0,
     {PERI_SCHED_ENDED, PERI_END_BOOT, "BOOT_FAIL", "its nodes could not be started"}},
    {JOB_DEADLINE,
     0,
     {PERI_SCHED_ENDED, PERI_END_TIME, "DEADLINE", "its deadline was over"}},
    {JOB_OOM,
     0,
     {PERI_SCHED_ENDED, PERI_END_MEMORY, "OUT_OF_MEMORY",
      "it used more memory than it had asked for"}},
};

/* Ends whose reason says more than their state. */
static const struct {
    uint32_t base, reason;
    peri_slurmstate_t is;
} ends[] = {
    {JOB_CANCELLED,
     WAIT_DEP_INVALID,
     {PERI_SCHED_ENDED, PERI_END_DEPENDENCY, "CANCELLED",
      "what it waited for has failed"}},
    {JOB_CANCELLED,
     WAIT_DEPENDENCY,
     {PERI_SCHED_ENDED, PERI_END_DEPENDENCY, "CANCELLED",
      "what it waited for has failed"}},
    {JOB_FAILED,
     FAIL_LAUNCH,
     {PERI_SCHED_ENDED, PERI_END_UNKNOWN, "FAILED",
      "Slurm could not start it on its node (its administrator finds why in the node's "
      "slurmd log)"}},
    {JOB_FAILED,
     FAIL_SYSTEM,
     {PERI_SCHED_ENDED, PERI_END_UNKNOWN, "FAILED", "Slurm itself had a failure"}},
    {JOB_FAILED,
     FAIL_DOWN_NODE,
     {PERI_SCHED_ENDED, PERI_END_NODE, "FAILED", "a node failed or vanished"}},
    {JOB_FAILED,
     FAIL_OOM,
     {PERI_SCHED_ENDED, PERI_END_MEMORY, "FAILED",
      "it used more memory than it had asked for"}},
};

/* A state of a later Slurm: not known to be over. */
static const peri_slurmstate_t strange = {PERI_SCHED_RUNNING, NO_END, "?", ""};

const peri_slurmstate_t *peri_slurm_state(uint32_t job_state, uint32_t reason)
{
    uint32_t base = job_state & JOB_STATE_BASE;
    bool ended = base > JOB_SUSPENDED && base < JOB_END;
    const peri_slurmstate_t *is = &strange;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        const row_t *r = &states[i];
        if (r->base != base && r->base != ANY && !(r->base == ENDED && ended)) continue;
        if (r->flags && !(job_state & r->flags)) continue;
        is = &r->is;
        break;
    }
    if (is->state != PERI_SCHED_ENDED) return is;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends[i].base == base && ends[i].reason == reason) return &ends[i].is;
    return is;
}

/* ---- reasons ---- */

#define SAY_NODES   1 /* goes on with the nodes that it wants */
#define SAY_DETAILS 2 /* and with what Slurm adds */

static const struct {
    uint32_t reason;
    const char *text;
    int say;
} reasons[] = {
    {WAIT_NO_REASON, "Slurm has not looked at it yet", 0},
    {FAIL_DEFER, "Slurm has not looked at it yet", 0},
    {WAIT_PRIORITY, "others are before it", 0},
    {WAIT_RESOURCES, "waits for free cores or memory", SAY_NODES},
    {WAIT_DEPENDENCY, "waits for the end of another job", 0},
    {WAIT_DEP_INVALID, "will never run: what it waits for has failed", 0},
    {WAIT_NODE_NOT_AVAIL, "waits for nodes that are not available or are reserved",
     SAY_DETAILS},
    {FAIL_DOWN_NODE, "waits: a node that it needs is down", SAY_DETAILS},
    {WAIT_PART_NODE_LIMIT,
     "asks for more or fewer nodes than its partition gives: it will wait until that is "
     "changed",
     0},
    {WAIT_PART_TIME_LIMIT,
     "asks for more time than its partition gives: it will wait until that is changed",
     0},
    {WAIT_PART_DOWN, "its partition is down", 0},
    {FAIL_DOWN_PARTITION, "its partition is down", 0},
    {WAIT_PART_INACTIVE, "its partition is switched off", 0},
    {WAIT_PART_CONFIG, "its partition does not take it as it is", SAY_DETAILS},
    {WAIT_HELD, "is held by the administrator", SAY_DETAILS},
    {WAIT_HELD_USER, "is held by its user (scontrol release lets it go)", SAY_DETAILS},
    {WAIT_MAX_REQUEUE, "is held: it was started again too often", 0},
    {WAIT_TIME, "waits for its time to begin", 0},
    {WAIT_LICENSES, "waits for licences", 0},
    {WAIT_RESERVATION, "waits for its reservation", 0},
    {WAIT_RESV_DELETED, "is held: its reservation was deleted", 0},
    {WAIT_CLEANING, "waits until its last run is cleared away", 0},
    {WAIT_PROLOG, "its nodes are being prepared", 0},
    {WAIT_ARRAY_TASK_LIMIT, "waits for others of its own tasks", 0},
    {WAIT_QOS, "its quality of service is not allowed here", SAY_DETAILS},
    {WAIT_ACCOUNT, "its account is not allowed here", SAY_DETAILS},
    {FAIL_ACCOUNT, "its account does not exist", SAY_DETAILS},
    {FAIL_QOS, "its quality of service does not exist", SAY_DETAILS},
    {FAIL_BAD_CONSTRAINTS, "no node fits its constraint", SAY_DETAILS},
    {WAIT_PN_MEM_LIMIT, "asks for more memory than its partition gives", 0},
    {WAIT_POWER_NOT_AVAIL, "waits for electrical power", 0},
    {WAIT_POWER_RESERVED, "waits for electrical power", 0},
    {WAIT_BURST_BUFFER_RESOURCE, "waits for room in the burst buffer", 0},
    {WAIT_BURST_BUFFER_STAGING, "waits for its data in the burst buffer", 0},
    {FAIL_LAUNCH, "could not be started on its node and waits to start again",
     SAY_DETAILS},
};

/* Some hundred limits of accounting, told apart by their names only. */
static const struct {
    const char *prefix, *whose;
} limits[] = {
    {"Assoc", "the account"},
    {"QOS", "the quality of service"},
    {"Max", "the account"},
    {"Accounting", "the account"},
};

static void say_nodes(const peri_slurmwait_t *w, peri_buf_t *out)
{
    if (w->wanted[0])
        peri_buf_printf(out, " on %s", w->wanted);
    else if (w->nodes > 1)
        peri_buf_printf(out, " on %u nodes", w->nodes);
}

static bool say_limit(const peri_slurmwait_t *w, peri_buf_t *out)
{
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (strncmp(w->reason_name, limits[i].prefix, strlen(limits[i].prefix)) != 0)
            continue;
        peri_buf_printf(out,
                        "waits because a limit of %s is reached (Slurm calls it %s; the "
                        "administrator knows it)",
                        limits[i].whose, w->reason_name);
        return true;
    }
    return false;
}

void peri_slurm_wait_text(const peri_slurmwait_t *w, peri_buf_t *out)
{
    /* Whatever Slurm thinks first: it cannot start before these are back. */
    if (w->trouble[0]) {
        peri_buf_printf(out, "waits for the nodes that hold its data (%s): %s", w->wanted,
                        w->trouble);
        return;
    }
    if (w->reason == WAIT_TIME && w->again) {
        peri_buf_puts(out, "waits to start again: Slurm makes a pause of some minutes");
        return;
    }
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].reason != w->reason) continue;
        peri_buf_puts(out, reasons[i].text);
        if (reasons[i].say & SAY_NODES) say_nodes(w, out);
        if ((reasons[i].say & SAY_DETAILS) && w->details[0])
            peri_buf_printf(out, " (%s)", w->details);
        return;
    }
    if (say_limit(w, out)) return;
    peri_buf_printf(out, "waits; Slurm says %s", w->reason_name);
    if (w->details[0]) peri_buf_printf(out, " (%s)", w->details);
}

/* ---- nodes ---- */

const char *peri_slurm_node_trouble(uint32_t s)
{
    uint32_t base = s & NODE_STATE_BASE;
    bool busy = base == NODE_STATE_ALLOCATED || base == NODE_STATE_MIXED;
    const struct {
        bool is;
        const char *text;
    } rows[] = {
        {base == NODE_STATE_DOWN && (s & NODE_STATE_NO_RESPOND) != 0,
         "is down (it does not answer)"},
        {base == NODE_STATE_DOWN, "is down"},
        {(s & NODE_STATE_DRAIN) && busy, "is being drained"},
        {(s & NODE_STATE_DRAIN) != 0, "is drained"},
        {(s & NODE_STATE_FAIL) != 0, "is failing"},
        {(s & NODE_STATE_NO_RESPOND) != 0, "does not answer"},
        {(s & NODE_STATE_MAINT) != 0, "is in maintenance"},
        {(s & NODE_STATE_REBOOT_ISSUED) != 0, "is starting anew"},
        {(s & NODE_STATE_INVALID_REG) != 0, "is not as Slurm was told"},
        {base == NODE_STATE_UNKNOWN, "has not been heard of"},
        {base == NODE_STATE_ERROR || base == NODE_STATE_FUTURE, "is not in use"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].is) return rows[i].text;
    return NULL;
}
