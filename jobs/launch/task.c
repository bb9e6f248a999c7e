/* task.c - see task.h. */
#include "jobs/launch/task.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/task/folder.h"
#include "jobs/task/launchjson.h"
#include "jobs/task/sweep.h"

enum { NODES_MAX = 900 };
#define LAUNCH_JSON_MAX (64u << 20)

int64_t peri_env_int(const char *name, int64_t otherwise)
{
    const char *s = getenv(name);
    char *end;
    if (!s || !*s) return otherwise;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    return errno || *end ? otherwise : v;
}

static void name_slurm(peri_task_t *t)
{
    const int64_t array = peri_env_int("SLURM_ARRAY_JOB_ID", -1),
                  index = peri_env_int("SLURM_ARRAY_TASK_ID", -1);
    const char *id = getenv("SLURM_JOB_ID"), *nodes = getenv("SLURM_JOB_NODELIST");
    t->tag = peri_arena_printf(t->arena, "slurm %s restart %" PRId64, id,
                               peri_env_int("SLURM_RESTART_COUNT", 0));
    t->scheduler =
        array >= 0 && index >= 0
            ? peri_arena_printf(t->arena, "slurm %" PRId64 "_%" PRId64, array, index)
            : peri_arena_printf(t->arena, "slurm %s", id);
    t->nodes = nodes ? peri_nodes_expand(nodes, NODES_MAX, t->arena) : t->host;
}

static void name_local(peri_task_t *t)
{
    peri_claiminfo_t self;
    peri_claim_self(&self);
    t->tag = peri_arena_printf(t->arena, "pid %" PRId64 " boot %s start %" PRIu64,
                               self.pid, self.boot, self.starttime);
    t->scheduler = "local";
    t->nodes = t->host;
}

/* The node's own name, short as Slurm has it. */
static const char *host_name(peri_arena_t *arena)
{
    char name[256] = "";
    const char *slurm = getenv("SLURMD_NODENAME");
    if (slurm && *slurm && getenv("SLURM_JOB_ID")) return peri_arena_strdup(arena, slurm);
    if (gethostname(name, sizeof(name) - 1)) strcpy(name, "this machine");
    return peri_arena_strdup(arena, name);
}

static int read_launch_json(const char *folder, char **text, size_t *len, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/launch.json", folder);
    int rc = peri_file_slurp(path, LAUNCH_JSON_MAX, text, len, err);
    free(path);
    return rc;
}

int peri_task_load(const char *attempt_folder, int64_t index, peri_task_t *t,
                   peri_err_t *err)
{
    char whole[PATH_MAX], *text = NULL;
    size_t len;
    *t = (peri_task_t){.arena = peri_arena_new(), .dirfd = -1, .tell = -1};
    if (!realpath(attempt_folder, whole)) {
        peri_err_set(err, PERI_ENOTFOUND, "there is no folder %s on this node: %m",
                     attempt_folder);
        goto bad;
    }
    const int64_t slurms = peri_env_int("SLURM_ARRAY_TASK_ID", -1);
    const int64_t of = index >= 0 ? index : slurms >= 0 ? slurms : 0;
    if (of > INT32_MAX) {
        peri_err_set(err, PERI_EINVAL, "%" PRId64 " is not the index of a task", of);
        goto bad;
    }
    if (read_launch_json(whole, &text, &len, err)) goto bad;
    int rc = peri_launch_for_task(text, len, (int32_t)of, t->arena, &t->l, err);
    free(text);
    if (rc) goto bad;
    t->index = index >= 0 || t->l.is_array ? (int32_t)of : 0;
    for (size_t i = 0; i < t->l.ntasks; i++)
        if (t->l.tasks[i].index == t->index) {
            t->params = t->l.tasks[i].params;
            t->nparams = t->l.tasks[i].nparams;
        }
    t->folder = peri_arena_printf(t->arena, "%s/%d", whole, (int)t->index);
    t->dirfd = peri_folder_open(t->folder, err);
    if (t->dirfd < 0) goto bad;

    char *mark = peri_task_mark(t->l.uuid, t->l.step, t->l.attempt, t->index);
    t->mark = peri_arena_strdup(t->arena, mark);
    free(mark);
    t->host = host_name(t->arena);
    t->in_slurm = getenv("SLURM_JOB_ID") != NULL;
    /* In a sandbox on one node mpirun needs nothing from outside. */
    t->srun = t->in_slurm && t->l.mpi &&
              (!t->l.sandbox || peri_env_int("SLURM_JOB_NUM_NODES", 1) > 1);
    if (t->in_slurm)
        name_slurm(t);
    else
        name_local(t);
    return 0;
bad:
    peri_task_close(t);
    return -1;
}

void peri_task_close(peri_task_t *t)
{
    if (t->arena && t->dirfd >= 0) close(t->dirfd);
    peri_arena_free(t->arena);
    *t = (peri_task_t){.dirfd = -1, .tell = -1};
}

bool peri_task_has_steps(const peri_task_t *t)
{
    return t->in_slurm && !t->srun && !t->l.mpi &&
           peri_env_int("SLURM_JOB_NUM_NODES", 1) > 1;
}
