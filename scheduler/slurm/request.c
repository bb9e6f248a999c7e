/* request.c - a submission as Slurm's request. Talks to nobody.
 *
 * The batch script is made of our own paths only, each quoted; nothing of a user's text
 * is in it. The environment is small and explicit: what perigeed happens to have in its
 * own does not get into jobs.
 *
 * Slurm has no soft list of nodes. A wish is turned into a demand when enough of the
 * wished nodes have room at this moment; the comment says that it was a wish, so that
 * slurm.c can take it back if the job has to wait all the same.
 */
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "scheduler/slurm/plugin.h"

#define MAX_TEXT (4u << 20) /* of an array string or a list of nodes */
#define MAX_ENV  16

struct peri_slurmdesc {
    job_desc_msg_t msg;
    int32_t first; /* index of an array that is 0 for Slurm, which has a highest one */
    peri_arena_t *arena; /* everything in msg */
    char *env[MAX_ENV];
};

/* ---- script, environment, folders ---- */

/* In single quotes, where only ' has a meaning. */
static void put_shell(peri_buf_t *b, const char *s)
{
    peri_buf_putc(b, '\'');
    for (; *s; s++)
        if (*s == '\'')
            peri_buf_puts(b, "'\\''");
        else
            peri_buf_putc(b, *s);
    peri_buf_putc(b, '\'');
}

static char *keep(peri_slurmdesc_t *d, peri_buf_t *b, const char *what, peri_err_t *err)
{
    char *s = NULL;
    if (peri_buf_check(b, what, err) == 0)
        s = peri_arena_strdup(d->arena, b->data ? b->data : "");
    peri_buf_free(b);
    return s;
}

static char *make_script(peri_slurmdesc_t *d, const peri_schedreq_t *r, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, 64u << 10);
    peri_buf_puts(&b, "#!/bin/sh\nexec");
    for (size_t i = 0; i < r->argc; i++) {
        peri_buf_putc(&b, ' ');
        put_shell(&b, r->argv[i]);
    }
    if (d->first)
        peri_buf_printf(&b, " --index $((%" PRId32 " + SLURM_ARRAY_TASK_ID))", d->first);
    peri_buf_putc(&b, '\n');
    return keep(d, &b, "the job's script", err);
}

static void add_env(peri_slurmdesc_t *d, const char *name, const char *value)
{
    if (d->msg.env_size + 1 < MAX_ENV)
        d->env[d->msg.env_size++] = peri_arena_printf(d->arena, "%s=%s", name, value);
}

static void make_env(peri_slurmdesc_t *d, const peri_schedreq_t *r,
                     const peri_slurmdefaults_t *o)
{
    char number[16];
    char space[16384];
    struct passwd pw, *found = NULL;
    bool known = getpwuid_r(r->uid, &pw, space, sizeof(space), &found) == 0 && found;
    const char *user = known ? pw.pw_name : r->user ? r->user : "nobody";
    add_env(d, "PATH", o->path);
    add_env(d, "HOME", known ? pw.pw_dir : "/");
    add_env(d, "USER", user);
    add_env(d, "LOGNAME", user);
    add_env(d, "SHELL", "/bin/sh");
    add_env(d, "LANG", "C.UTF-8");
    /* srun gives the ranks what perigee-launch has, and takes their number from here. */
    add_env(d, "SLURM_EXPORT_ENV", "ALL");
    snprintf(number, sizeof(number), "%" PRIu32, r->ranks);
    add_env(d, "SLURM_NTASKS", number);
    add_env(d, "SLURM_NPROCS", number);
    snprintf(number, sizeof(number), "%" PRIu32, r->cpus);
    add_env(d, "SLURM_CPUS_PER_TASK", number);
    d->msg.environment = d->env;
}

/* Slurm expands %a and its kind in the names of output files. */
static void put_pattern(peri_buf_t *b, const char *s)
{
    for (; *s; s++) peri_buf_puts(b, *s == '%' ? "%%" : (char[]){*s, '\0'});
}

/* What the shell, Slurm or perigee-launch say before there are records. It goes into the
 * task's folder, the only place that belongs to the user. */
static char *make_output(peri_slurmdesc_t *d, const peri_schedreq_t *r, peri_err_t *err)
{
    struct stat st;
    const int32_t first = r->indexes ? r->indexes[0] : 0;
    char *task = peri_arena_printf(d->arena, "%s/%" PRId32, r->folder, first);
    if (stat(task, &st) || !S_ISDIR(st.st_mode))
        return peri_arena_strdup(d->arena, "/dev/null");
    peri_buf_t b;
    peri_buf_init(&b, 16384);
    put_pattern(&b, r->folder);
    if (d->first) /* %a is not the name of the task's folder */
        peri_buf_printf(&b, "/%" PRId32 "/launch-%%A_%%a.log", first);
    else
        peri_buf_puts(&b, r->indexes ? "/%a/launch-%A.log" : "/0/launch-%j.log");
    return keep(d, &b, "the name of the job's folder", err);
}

/* ---- nodes ---- */

static char *join(peri_slurmdesc_t *d, const char *const *names, size_t n,
                  peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, MAX_TEXT);
    for (size_t i = 0; i < n; i++) peri_buf_printf(&b, "%s%s", i ? "," : "", names[i]);
    return keep(d, &b, "the list of nodes", err);
}

static bool has_room(const node_info_t *n, const peri_schedreq_t *r)
{
    uint16_t used = 0;
    uint64_t memory = 0;
    uint32_t ranks = (r->ranks + r->nodes - 1) / r->nodes;
    if (peri_slurm_node_trouble(n->node_state)) return false;
    if (slurm_get_select_nodeinfo(n->select_nodeinfo, SELECT_NODEDATA_SUBCNT,
                                  NODE_STATE_ALLOCATED, &used) ||
        slurm_get_select_nodeinfo(n->select_nodeinfo, SELECT_NODEDATA_MEM_ALLOC,
                                  NODE_STATE_ALLOCATED, &memory))
        return false;
    uint64_t need = (uint64_t)ranks * r->cpus;
    return n->cpus_efctv >= used + need &&
           n->real_memory >= memory + (r->memory + (1u << 20) - 1) / (1u << 20);
}

/* Of the wished nodes those that have room now, as many as it needs at most. */
static char *wished(peri_slurmdesc_t *d, const peri_schedreq_t *r,
                    const node_info_msg_t *nodes, peri_err_t *err)
{
    const char **names = peri_arena_calloc(d->arena, r->nnodes_soft, sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < r->nnodes_soft && n < r->nodes; i++)
        for (uint32_t k = 0; k < nodes->record_count; k++)
            if (nodes->node_array[k].name &&
                strcmp(nodes->node_array[k].name, r->nodes_soft[i]) == 0 &&
                has_room(&nodes->node_array[k], r))
                names[n++] = r->nodes_soft[i];
    return n ? join(d, names, n, err) : peri_arena_strdup(d->arena, "");
}

static int set_nodes(peri_slurmdesc_t *d, const peri_schedreq_t *r,
                     const node_info_msg_t *nodes, peri_err_t *err)
{
    job_desc_msg_t *m = &d->msg;
    uint32_t n = r->nodes > r->nnodes_hard ? r->nodes : (uint32_t)r->nnodes_hard;
    m->min_nodes = m->max_nodes = n;
    m->num_tasks = r->ranks;
    m->cpus_per_task = (uint16_t)r->cpus;
    m->min_cpus = r->ranks * r->cpus;
    m->ntasks_per_node = (uint16_t)((r->ranks + n - 1) / n);
    m->bitflags |= JOB_NTASKS_SET | JOB_CPUS_SET;
    if (r->nnodes_hard) {
        m->req_nodes = join(d, r->nodes_hard, r->nnodes_hard, err);
        return m->req_nodes ? 0 : -1;
    }
    if (!r->nnodes_soft || !nodes) return 0;
    char *list = wished(d, r, nodes, err);
    if (!list) return -1;
    if (list[0]) {
        m->req_nodes = list;
        m->comment = peri_arena_printf(d->arena, "%s" PERI_SLURM_SOFT, m->comment);
    }
    return 0;
}

/* ---- the rest ---- */

static int set_dependencies(peri_slurmdesc_t *d, const peri_schedreq_t *r,
                            peri_err_t *err)
{
    if (!r->nafter) return 0;
    peri_buf_t b;
    peri_buf_init(&b, MAX_TEXT);
    for (size_t i = 0; i < r->nafter; i++) {
        uint32_t job, tag;
        if (peri_slurm_id_parse(r->after[i].id, &job, &tag)) {
            peri_buf_free(&b);
            return peri_err_set(err, PERI_EINVAL, "\"%s\" is no job of Slurm",
                                r->after[i].id);
        }
        peri_buf_printf(&b, "%s%s:%" PRIu32, i ? "," : "",
                        r->after[i].even_failed ? "afterany" : "afterok", job);
    }
    d->msg.dependency = keep(d, &b, "the list of jobs to wait for", err);
    d->msg.bitflags |= KILL_INV_DEP;
    return d->msg.dependency ? 0 : -1;
}

static int set_array(peri_slurmdesc_t *d, const peri_schedreq_t *r, peri_err_t *err)
{
    if (!r->indexes) return 0;
    peri_buf_t b;
    peri_buf_init(&b, MAX_TEXT);
    peri_slurm_array_format(r->indexes, r->nindexes, d->first, r->throttle, &b);
    d->msg.array_inx = keep(d, &b, "the list of the array's indexes", err);
    return d->msg.array_inx ? 0 : -1;
}

static void set_limits(peri_slurmdesc_t *d, const peri_schedreq_t *r)
{
    job_desc_msg_t *m = &d->msg;
    if (r->memory) {
        m->pn_min_memory = r->memory / (1u << 20) + (r->memory % (1u << 20) != 0);
        m->bitflags |= JOB_MEM_SET;
    }
    if (r->time_limit) m->time_limit = r->time_limit / 60 + (r->time_limit % 60 != 0);
    if (r->warn_signal && r->warn_seconds) {
        m->warn_signal = (uint16_t)r->warn_signal;
        m->warn_time =
            (uint16_t)(r->warn_seconds < UINT16_MAX ? r->warn_seconds : UINT16_MAX);
        m->warn_flags = KILL_JOB_BATCH;
    }
    m->requeue = r->requeue;
    /* Users may only step back; root may push forward, too. */
    if (r->priority < 0 || geteuid() == 0)
        m->nice = (uint32_t)(NICE_OFFSET - (int64_t)r->priority);
}

/* Left out when empty. */
static char *text_of(peri_slurmdesc_t *d, const char *asked, const char *usual)
{
    const char *s = asked && *asked ? asked : usual && *usual ? usual : NULL;
    return peri_arena_strdup(d->arena, s);
}

static int check(const peri_schedreq_t *r, peri_err_t *err)
{
    uid_t me = geteuid();
    if (me != 0 && r->uid != me)
        return peri_err_set(err, PERI_EDENIED,
                            "only root can submit jobs for others: perigeed runs as user "
                            "%u",
                            (unsigned)me);
    if (!r->nodes || !r->ranks || !r->cpus || r->cpus >= UINT16_MAX || !r->argc)
        return peri_err_set(err, PERI_EINVAL, "the request has no program or no size");
    if ((uint64_t)r->ranks * r->cpus > INT32_MAX || r->ranks / r->nodes >= UINT16_MAX)
        return peri_err_set(err, PERI_ELIMIT, "%" PRIu32 " ranks are too many", r->ranks);
    if (r->indexes && !r->nindexes)
        return peri_err_set(err, PERI_EINVAL, "the array has no task");
    return 0;
}

peri_slurmdesc_t *peri_slurmdesc_new(const peri_schedreq_t *r,
                                     const peri_slurmdefaults_t *o,
                                     const node_info_msg_t *nodes, peri_err_t *err)
{
    if (check(r, err)) return NULL;
    peri_slurmdesc_t *d = peri_xcalloc(1, sizeof(*d));
    d->arena = peri_arena_new();
    job_desc_msg_t *m = &d->msg;
    slurm_init_job_desc_msg(m);
    m->bitflags = 0;
    m->env_size = 0;
    m->name = peri_arena_strdup(d->arena, r->name);
    m->comment = peri_arena_strdup(d->arena, r->comment);
    if (r->indexes && (uint32_t)r->indexes[r->nindexes - 1] > o->array_top) {
        d->first = r->indexes[0];
        m->comment = peri_arena_printf(d->arena, "%s" PERI_SLURM_FIRST "%" PRId32,
                                       r->comment, d->first);
    }
    m->user_id = r->uid;
    m->group_id = r->gid;
    m->work_dir = peri_arena_strdup(d->arena, r->folder);
    m->std_in = peri_arena_strdup(d->arena, "/dev/null");
    m->open_mode = OPEN_MODE_APPEND;
    m->partition = text_of(d, r->partition, o->partition);
    m->account = text_of(d, r->account, o->account);
    m->features = text_of(d, r->constraint, o->constraint);
    set_limits(d, r);
    make_env(d, r, o);
    if (!(m->script = make_script(d, r, err)) || !(m->std_out = make_output(d, r, err)) ||
        set_nodes(d, r, nodes, err) || set_dependencies(d, r, err) ||
        set_array(d, r, err)) {
        peri_slurmdesc_free(d);
        return NULL;
    }
    m->std_err = m->std_out;
    return d;
}

job_desc_msg_t *peri_slurmdesc_msg(peri_slurmdesc_t *d)
{
    return &d->msg;
}

void peri_slurmdesc_free(peri_slurmdesc_t *d)
{
    if (!d) return;
    peri_arena_free(d->arena);
    free(d);
}
