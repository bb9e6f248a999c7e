/* slurm.c - the scheduler "slurm": the entry points of perigee-slurm.so.
 *
 * Slurm keeps all state; here is only what the configuration says. Nothing pushes: the
 * caller polls. Every answer that is not an answer is PERI_EIO, "asked again later"; what
 * Slurm will never accept is said by refuse.c. Threads: any; calls wait for each other,
 * as libslurm is one per process. A call takes as long as Slurm's MessageTimeout at
 * worst.
 */
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/util.h"
#include "scheduler/slurm/plugin.h"

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"
#define SOFT_WAIT  20 /* seconds that a job waits for nodes that are only a wish */
#define MAX_FREED  20 /* such jobs in one poll */

typedef struct {
    peri_slurmdefaults_t usual;
    char *texts[4]; /* of them */
    int64_t soft_wait;
} slurm_t;

/* ---- configuration ---- */

static const char *const keys[] = {"conf",       "partition", "account",
                                   "constraint", "path",      "soft_wait"};

static int check_keys(const json_t *conf, peri_err_t *err)
{
    const char *key;
    json_t *value;
    const size_t n = sizeof(keys) / sizeof(keys[0]);
    json_object_foreach((json_t *)(uintptr_t)conf, key, value)
    {
        size_t i = 0;
        while (i < n && strcmp(keys[i], key) != 0) i++;
        if (i == n) {
            const char *near = peri_did_you_mean(key, keys, n);
            return peri_err_set(err, PERI_EINVAL, "has no setting \"%s\"%s%s%s", key,
                                near ? ": did you mean \"" : "", near ? near : "",
                                near ? "\"?" : "");
        }
        bool number = i == n - 1;
        if (number ? !json_is_integer(value) || json_integer_value(value) < 0
                   : !json_is_string(value))
            return peri_err_set(err, PERI_EINVAL, "the setting \"%s\" must be %s", key,
                                number ? "a number of seconds" : "text");
    }
    return 0;
}

static const char *text(const json_t *conf, const char *key, char **mine)
{
    const char *s = json_string_value(json_object_get(conf, key));
    *mine = s && *s ? peri_xstrdup(s) : NULL;
    return *mine;
}

static void slurm_close(void *self)
{
    slurm_t *s = self;
    for (size_t i = 0; i < 4; i++) free(s->texts[i]);
    free(s);
    peri_slurm_close();
}

static void *slurm_open(const json_t *conf, const char *state, void (*wake)(void *),
                        void *arg, peri_err_t *err)
{
    (void)state;
    (void)wake;
    (void)arg;
    if (check_keys(conf, err)) return NULL;
    if (peri_slurm_open(json_string_value(json_object_get(conf, "conf")), err))
        return NULL;
    slurm_t *s = peri_xcalloc(1, sizeof(*s));
    s->usual.partition = text(conf, "partition", &s->texts[0]);
    s->usual.account = text(conf, "account", &s->texts[1]);
    s->usual.constraint = text(conf, "constraint", &s->texts[2]);
    s->usual.path = text(conf, "path", &s->texts[3]);
    if (!s->usual.path) s->usual.path = USUAL_PATH;
    const json_t *wait = json_object_get(conf, "soft_wait");
    s->soft_wait = wait ? json_integer_value(wait) : SOFT_WAIT;
    return s;
}

/* ---- caps ---- */

static const partition_info_t *usual_partition(const partition_info_msg_t *list,
                                               const char *name)
{
    for (uint32_t i = 0; i < list->record_count; i++) {
        const partition_info_t *p = &list->partition_array[i];
        if (name ? p->name && strcmp(p->name, name) == 0 : p->flags & PART_FLAG_DEFAULT)
            return p;
    }
    return NULL;
}

static void count_nodes(const partition_info_t *part, const node_info_msg_t *nodes,
                        peri_schedcaps_t *out)
{
    const int32_t *pair = part->node_inx;
    for (; pair && pair[0] >= 0; pair += 2)
        for (int32_t i = pair[0]; i <= pair[1] && i < (int32_t)nodes->record_count; i++) {
            const node_info_t *n = &nodes->node_array[i];
            uint64_t memory = n->real_memory << 20;
            if (!n->name) continue;
            uint32_t base = n->node_state & NODE_STATE_BASE;
            if (base == NODE_STATE_DOWN || base == NODE_STATE_FUTURE) continue;
            out->nodes++;
            out->cores += n->cpus_efctv;
            if (n->cpus_efctv > out->cores_node) out->cores_node = n->cpus_efctv;
            if (memory > out->memory_node) out->memory_node = memory;
        }
}

static int ask_caps(slurm_t *s, peri_schedcaps_t *out, peri_err_t *err)
{
    int rc = -1;
    partition_info_msg_t *parts = NULL;
    node_info_msg_t *nodes = NULL;
    slurm_conf_t *conf = NULL;
    if (peri_slurm_nodes(&nodes, err)) return -1;
    if (slurm_load_partitions(0, &parts, SHOW_ALL) || slurm_load_ctl_conf(0, &conf)) {
        peri_slurm_silence(err);
        goto out;
    }
    const partition_info_t *part = usual_partition(parts, s->usual.partition);
    if (!part) {
        peri_err_set(err, PERI_EINVAL,
                     s->usual.partition ? "Slurm has no partition \"%s\"; change the "
                                          "configuration"
                                        : "Slurm has no default partition: set one%s",
                     s->usual.partition ? s->usual.partition : "");
        goto out;
    }
    *out = (peri_schedcaps_t){.name = "slurm", .dependencies = true, .multi_node = true};
    count_nodes(part, nodes, out);
    if (part->max_nodes != INFINITE && part->max_nodes < out->nodes)
        out->nodes = part->max_nodes;
    if (part->max_time != INFINITE && part->max_time <= UINT32_MAX / 60)
        out->time_limit = part->max_time * 60;
    /* MaxArraySize is one more than the highest index. */
    out->array_tasks = conf->max_array_sz ? conf->max_array_sz - 1 : 0;
    out->array_span = s->usual.array_top = out->array_tasks;
    if (conf->max_job_cnt && conf->max_job_cnt < out->array_tasks)
        out->array_tasks = conf->max_job_cnt;
    rc = 0;
out:
    if (nodes) slurm_free_node_info_msg(nodes);
    if (parts) slurm_free_partition_info_msg(parts);
    if (conf) slurm_free_ctl_conf(conf);
    return rc;
}

static int slurm_caps(void *self, peri_schedcaps_t *out, peri_err_t *err)
{
    peri_slurm_lock();
    int rc = ask_caps(self, out, err);
    peri_slurm_unlock();
    return rc;
}

static int slurm_nodes(void *self, void (*each)(const char *name, void *arg), void *arg,
                       peri_err_t *err)
{
    (void)self;
    node_info_msg_t *nodes = NULL;
    peri_slurm_lock();
    int rc = peri_slurm_nodes(&nodes, err);
    peri_slurm_unlock();
    for (uint32_t i = 0; nodes && i < nodes->record_count; i++)
        if (nodes->node_array[i].name) each(nodes->node_array[i].name, arg);
    if (nodes) slurm_free_node_info_msg(nodes);
    return rc;
}

/* ---- cancel and find: under the lock ---- */

static int kill_job(const char *id, peri_err_t *err)
{
    if (slurm_kill_job2(id, SIGKILL, 0, NULL) == 0) return 0;
    int e = slurm_get_errno();
    if (e == ESLURM_INVALID_JOB_ID || e == ESLURM_ALREADY_DONE ||
        e == ESLURM_JOB_FINISHED)
        return 0;
    return peri_slurm_silence(err);
}

/* The first of this name, 0 if there is none. One that Slurm took twice (its answer was
 * lost, and it was slow) keeps the first; those that still wait go. */
static uint32_t find_name(const job_info_msg_t *jobs, const char *name)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < jobs->record_count; i++) {
        const slurm_job_info_t *j = &jobs->job_array[i];
        uint32_t base = peri_slurm_base(j);
        if (j->name && strcmp(j->name, name) == 0 && (!first || base < first))
            first = base;
    }
    for (uint32_t i = 0; first && i < jobs->record_count; i++) {
        const slurm_job_info_t *j = &jobs->job_array[i];
        char id[16];
        if (!j->name || strcmp(j->name, name) != 0 || peri_slurm_base(j) == first ||
            (j->job_state & JOB_STATE_BASE) != JOB_PENDING)
            continue;
        snprintf(id, sizeof(id), "%u", peri_slurm_base(j));
        kill_job(id, NULL);
    }
    return first;
}

static int slurm_find(void *self, const char *name, char id[PERI_SCHED_ID_MAX],
                      peri_err_t *err)
{
    (void)self;
    const job_info_msg_t *jobs;
    int rc = -1;
    peri_slurm_lock();
    if (peri_slurm_jobs(false, &jobs, err) == 0) {
        uint32_t job = find_name(jobs, name);
        if (job) peri_slurm_id_format(id, job, name);
        rc = job != 0;
    }
    peri_slurm_unlock();
    return rc;
}

/* Is there still the job that this id was given to? */
static int knows(uint32_t job, uint32_t tag, int32_t *first, peri_err_t *err)
{
    const job_info_msg_t *jobs;
    if (peri_slurm_jobs(false, &jobs, err)) return -1;
    for (uint32_t i = 0; i < jobs->record_count; i++) {
        const slurm_job_info_t *j = &jobs->job_array[i];
        if (peri_slurm_base(j) != job || !peri_slurm_ours(j)) continue;
        if (first) *first = peri_slurm_first(j->comment);
        return peri_slurm_tag(j->name) == tag;
    }
    return 0;
}

static int slurm_cancel(void *self, const char *id, int32_t index, peri_err_t *err)
{
    (void)self;
    uint32_t job, tag;
    int32_t first = 0;
    char what[32];
    if (peri_slurm_id_parse(id, &job, &tag)) return 0; /* not one of ours */
    peri_slurm_lock();
    int rc = knows(job, tag, &first, err);
    if (rc > 0) {
        snprintf(what, sizeof(what), index < 0 ? "%u" : "%u_%d", job, index - first);
        rc = kill_job(what, err);
    }
    peri_slurm_unlock();
    return rc;
}

/* ---- submit ---- */

/* Its id, if it was submitted before: asking for one user's jobs is cheap everywhere. */
static int find_of_user(const peri_schedreq_t *r, uint32_t *job, peri_err_t *err)
{
    job_info_msg_t *jobs = NULL;
    *job = 0;
    if (peri_slurm_ready(err)) return -1;
    if (slurm_load_job_user(&jobs, r->uid, SHOW_ALL | SHOW_LOCAL))
        return peri_slurm_silence(err);
    *job = find_name(jobs, r->name);
    slurm_free_job_info_msg(jobs);
    return 0;
}

static int check_after(const peri_schedreq_t *r, peri_err_t *err)
{
    for (size_t i = 0; i < r->nafter; i++) {
        uint32_t job, tag;
        int known = peri_slurm_id_parse(r->after[i].id, &job, &tag) == 0
                        ? knows(job, tag, NULL, err)
                        : 0;
        if (known < 0) return -1;
        if (!known)
            return peri_err_set(
                err, PERI_EINVAL,
                "Slurm does not know job %s, which this one is to wait for",
                r->after[i].id);
    }
    return 0;
}

/* Without EnforcePartLimits Slurm takes what can never run, and lets it wait for ever. */
static int check_partition(const slurm_t *s, const peri_schedreq_t *r, peri_err_t *err)
{
    partition_info_msg_t *list = NULL;
    int rc = 0;
    const char *name = r->partition && *r->partition ? r->partition : s->usual.partition;
    if (slurm_load_partitions(0, &list, SHOW_ALL)) return peri_slurm_silence(err);
    const partition_info_t *p = usual_partition(list, name);
    uint32_t nodes = r->nodes > r->nnodes_hard ? r->nodes : (uint32_t)r->nnodes_hard;
    uint64_t minutes = ((uint64_t)r->time_limit + 59) / 60;
    if (p) { /* else Slurm itself will say so; it may be a list */
        uint32_t most = p->max_nodes < p->total_nodes ? p->max_nodes : p->total_nodes;
        if (nodes > most)
            rc = peri_err_set(err, PERI_ELIMIT,
                              "%u nodes are asked for; the partition %s gives at most %u",
                              nodes, p->name, most);
        else if (p->max_time != INFINITE && minutes > p->max_time)
            rc = peri_err_set(err, PERI_ELIMIT,
                              "a time limit of %u minutes is asked for; the partition %s "
                              "gives at most %u",
                              (unsigned)minutes, p->name, p->max_time);
    }
    slurm_free_partition_info_msg(list);
    return rc;
}

static int submit(const slurm_t *s, const peri_schedreq_t *r, uint32_t *job,
                  peri_err_t *err)
{
    int rc = -1;
    node_info_msg_t *nodes = NULL;
    submit_response_msg_t *answer = NULL;
    peri_slurmdesc_t *d = NULL;
    if (r->nnodes_soft && peri_slurm_nodes(&nodes, err)) return -1;
    d = peri_slurmdesc_new(r, &s->usual, nodes, err);
    if (!d) goto out;
    if (slurm_submit_batch_job(peri_slurmdesc_msg(d), &answer)) {
        if (!peri_slurm_refused(slurm_get_errno(), r, err)) peri_slurm_silence(err);
        goto out;
    }
    *job = answer->job_id;
    rc = 0;
out:
    if (answer) slurm_free_submit_response_response_msg(answer);
    if (nodes) slurm_free_node_info_msg(nodes);
    peri_slurmdesc_free(d);
    return rc;
}

static int slurm_submit(void *self, const peri_schedreq_t *req,
                        char id[PERI_SCHED_ID_MAX], peri_err_t *err)
{
    uint32_t job = 0;
    peri_slurm_lock();
    int rc = find_of_user(req, &job, err);
    if (rc == 0 && !job) {
        rc = check_partition(self, req, err);
        if (rc == 0) rc = check_after(req, err);
        if (rc == 0) rc = submit(self, req, &job, err);
    }
    if (rc == 0) peri_slurm_id_format(id, job, req->name);
    peri_slurm_unlock();
    return rc;
}

/* ---- poll ---- */

static bool is_soft(const slurm_job_info_t *j)
{
    size_t n = j->comment ? strlen(j->comment) : 0, s = sizeof(PERI_SLURM_SOFT) - 1;
    return j->req_nodes && *j->req_nodes && n > s &&
           strcmp(j->comment + n - s, PERI_SLURM_SOFT) == 0;
}

/* The wished nodes were taken by somebody else: any will do now. Should it fail, the next
 * poll tries again. */
static void free_wishes(const slurm_t *s, const job_info_msg_t *jobs)
{
    time_t now = time(NULL);
    unsigned freed = 0;
    for (uint32_t i = 0; i < jobs->record_count && freed < MAX_FREED; i++) {
        const slurm_job_info_t *j = &jobs->job_array[i];
        if (!peri_slurm_ours(j) || (j->job_state & JOB_STATE_BASE) != JOB_PENDING ||
            !is_soft(j) || now - j->submit_time < s->soft_wait ||
            j->state_reason == WAIT_DEPENDENCY)
            continue;
        job_desc_msg_t change;
        slurm_init_job_desc_msg(&change);
        change.job_id = j->job_id;
        change.req_nodes = (char[]){""};
        slurm_update_job(&change);
        freed++;
    }
}

static bool any_waits_for_nodes(const job_info_msg_t *jobs)
{
    for (uint32_t i = 0; i < jobs->record_count; i++) {
        const slurm_job_info_t *j = &jobs->job_array[i];
        if (peri_slurm_ours(j) && (j->job_state & JOB_STATE_BASE) == JOB_PENDING &&
            j->req_nodes && *j->req_nodes)
            return true;
    }
    return false;
}

/* The callback runs without the lock: it may take its time, and may ask us something. */
static int slurm_poll(void *self, bool all,
                      void (*each)(const peri_schedtask_t *, void *), void *arg,
                      bool *complete, peri_err_t *err)
{
    slurm_t *s = self;
    const job_info_msg_t *list;
    node_info_msg_t *nodes = NULL;
    *complete = false;
    peri_slurm_lock();
    int rc = peri_slurm_jobs(all, &list, err);
    if (rc == 0 && any_waits_for_nodes(list)) rc = peri_slurm_nodes(&nodes, err);
    if (rc == 0 && nodes) free_wishes(s, list);
    job_info_msg_t *jobs = rc == 0 ? peri_slurm_jobs_take() : NULL;
    peri_slurm_unlock();
    if (jobs) {
        /* The list is always whole, and as of now even if it is an old one. */
        peri_slurm_tell(jobs, nodes, each, arg);
        *complete = true;
        peri_slurm_lock();
        peri_slurm_jobs_give(jobs);
        peri_slurm_unlock();
    }
    if (nodes) slurm_free_node_info_msg(nodes);
    return rc;
}

/* Slurm forgets by itself (MinJobAge). */
static void slurm_forget(void *self, const char *name, const char *id)
{
    (void)self;
    (void)name;
    (void)id;
}

__attribute__((visibility("default"))) const peri_sched_ops_t peri_sched_ops = {
    .abi = PERI_SCHED_ABI,
    .name = "slurm",
    .open = slurm_open,
    .check = check_keys,
    .close = slurm_close,
    .caps = slurm_caps,
    .nodes = slurm_nodes,
    .submit = slurm_submit,
    .find = slurm_find,
    .poll = slurm_poll,
    .cancel = slurm_cancel,
    .forget = slurm_forget,
};
