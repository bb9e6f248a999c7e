/* tell.c - Slurm's list of jobs as the scheduler's interface says it. Asks nobody. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/base/util.h"
#include "scheduler/slurm/plugin.h"

/* A rest of an array that is so short is told task by task. */
#define FEW 16

/* Not in slurm.h, and not in every libslurm. */
extern char *slurm_job_reason_string(enum job_state_reason) __attribute__((weak));

typedef struct {
    const node_info_msg_t *nodes;
    void (*each)(const peri_schedtask_t *, void *);
    void *arg;
    peri_buf_t why, raw, trouble;
} tell_t;

static const char *text_of(const peri_buf_t *b)
{
    return b->data ? b->data : "";
}

static const char *reason_name(const slurm_job_info_t *j, char space[32])
{
    const char *s = NULL;
    if (slurm_job_reason_string)
        s = slurm_job_reason_string((enum job_state_reason)j->state_reason);
    if (s) return s;
    snprintf(space, 32, "reason %u", j->state_reason);
    return space;
}

/* ---- nodes that cannot be used ---- */

static const node_info_t *find_node(const node_info_msg_t *nodes, const char *name)
{
    for (uint32_t i = 0; i < nodes->record_count; i++)
        if (nodes->node_array[i].name && strcmp(nodes->node_array[i].name, name) == 0)
            return &nodes->node_array[i];
    return NULL;
}

static void say_trouble(tell_t *t, const char *wanted)
{
    enum { MOST = 5 };
    size_t more = 0, said = 0;
    hostlist_t list = slurm_hostlist_create(wanted);
    char *name;
    while (list && (name = slurm_hostlist_shift(list))) {
        const node_info_t *n = find_node(t->nodes, name);
        const char *is = n ? peri_slurm_node_trouble(n->node_state) : "does not exist";
        if (is && said++ < MOST) {
            peri_buf_printf(&t->trouble, "%s%s %s", said > 1 ? "; " : "", name, is);
            if (n && n->reason && *n->reason)
                peri_buf_printf(&t->trouble, ": %s", n->reason);
        } else if (is) {
            more++;
        }
        free(name);
    }
    if (list) slurm_hostlist_destroy(list);
    if (more) peri_buf_printf(&t->trouble, "; and %zu more", more);
}

static bool is_wish(const slurm_job_info_t *j)
{
    size_t n = j->comment ? strlen(j->comment) : 0, s = sizeof(PERI_SLURM_SOFT) - 1;
    return n > s && strcmp(j->comment + n - s, PERI_SLURM_SOFT) == 0;
}

/* ---- a job ---- */

static void say_why(tell_t *t, const slurm_job_info_t *j, const peri_slurmstate_t *is)
{
    char space[32];
    bool waits = is->state == PERI_SCHED_PENDING;
    if (!waits || is->why[0]) {
        peri_buf_puts(&t->why, is->why);
        if (is->end == PERI_END_NODE && j->nodes && *j->nodes)
            peri_buf_printf(&t->why, " (it ran on %s)", j->nodes);
        return;
    }
    const char *wanted = j->req_nodes && !is_wish(j) ? j->req_nodes : "";
    if (*wanted && t->nodes) say_trouble(t, wanted);
    peri_slurmwait_t w = {.reason = j->state_reason,
                          .reason_name = reason_name(j, space),
                          .again = j->restart_cnt > 0,
                          .nodes = j->num_nodes,
                          .wanted = wanted,
                          .trouble = text_of(&t->trouble),
                          .details = j->state_desc ? j->state_desc : ""};
    peri_slurm_wait_text(&w, &t->why);
}

static void say_exit(const slurm_job_info_t *j, peri_schedtask_t *out)
{
    int status = (int)j->exit_code;
    if (WIFSIGNALED(status))
        out->signal = WTERMSIG(status);
    else
        out->exit_code = WEXITSTATUS(status);
}

static void say_times(const slurm_job_info_t *j, const peri_slurmstate_t *is,
                      peri_schedtask_t *out)
{
    bool waits = is->state == PERI_SCHED_PENDING;
    if (waits)
        out->expected = j->start_time;
    else
        out->started = j->start_time;
    if (is->state == PERI_SCHED_ENDED) out->ended = j->end_time;
    /* Cancelled while it waited: Slurm notes a start all the same. */
    if (out->ended && (!j->nodes || !*j->nodes)) out->started = 0;
}

/* The part of an array that has not been split into tasks yet: one record. */
static void tell_rest(tell_t *t, const slurm_job_info_t *j, peri_schedtask_t *task)
{
    int32_t indexes[FEW];
    size_t n = 0;
    const char *s = j->array_task_str;
    if (peri_slurm_array_parse(s, strlen(s), indexes, FEW, &n) == 0) {
        for (size_t i = 0; i < n; i++) {
            task->index = indexes[i] + peri_slurm_first(j->comment);
            t->each(task, t->arg);
        }
        return;
    }
    task->array_rest = true;
    t->each(task, t->arg);
}

static void tell_job(tell_t *t, const slurm_job_info_t *j)
{
    char id[PERI_SCHED_ID_MAX], space[32];
    const peri_slurmstate_t *is = peri_slurm_state(j->job_state, j->state_reason);
    peri_buf_clear(&t->why);
    peri_buf_clear(&t->raw);
    peri_buf_clear(&t->trouble);
    peri_slurm_id_format(id, peri_slurm_base(j), j->name);
    say_why(t, j, is);
    peri_buf_printf(&t->raw, "%s %s", is->name, reason_name(j, space));
    peri_schedtask_t task = {.name = j->name,
                             .id = id,
                             .index = PERI_SCHED_NO_INDEX,
                             .state = is->state,
                             .end = is->end,
                             .restarts = j->restart_cnt,
                             .why = text_of(&t->why),
                             .raw = text_of(&t->raw),
                             .nodes = j->nodes ? j->nodes : ""};
    say_exit(j, &task);
    say_times(j, is, &task);
    if (j->array_job_id && j->array_task_str && j->array_task_id == NO_VAL) {
        tell_rest(t, j, &task);
        return;
    }
    if (j->array_job_id && j->array_task_id != NO_VAL)
        task.index = (int32_t)j->array_task_id + peri_slurm_first(j->comment);
    t->each(&task, t->arg);
}

void peri_slurm_tell(const job_info_msg_t *jobs, const node_info_msg_t *nodes,
                     void (*each)(const peri_schedtask_t *, void *), void *arg)
{
    tell_t t = {.nodes = nodes, .each = each, .arg = arg};
    peri_buf_init(&t.why, 16384);
    peri_buf_init(&t.raw, 512);
    peri_buf_init(&t.trouble, 8192);
    for (uint32_t i = 0; i < jobs->record_count; i++)
        if (peri_slurm_ours(&jobs->job_array[i])) tell_job(&t, &jobs->job_array[i]);
    peri_buf_free(&t.why);
    peri_buf_free(&t.raw);
    peri_buf_free(&t.trouble);
}
