/* task_sweep.c - see sweep.h. */
#include <poll.h>
#include <signal.h>

#include "core/base/util.h"
#include "jobs/task/cgroup.h"
#include "jobs/task/procs.h"
#include "jobs/task/sweep.h"

#define PATIENCE 5.0

char *peri_task_mark(const char *uuid, const char *step, int attempt, int32_t index)
{
    return peri_xasprintf("%s/%s/%d/%d", uuid, step, attempt, index < 0 ? 0 : (int)index);
}

int peri_task_sweep(const char *mark, uid_t uid, peri_err_t *err)
{
    peri_procs_t t;
    peri_procs_init(&t, mark, 0, uid);
    peri_cgroup_t *c = peri_cgroup_find(mark);
    const double until = peri_now() + PATIENCE;
    int rc = -1;
    size_t most = 0;
    for (int wait = 1;; wait = wait < 50 ? wait * 2 : 50) {
        if (peri_procs_scan(&t)) {
            peri_err_set(err, PERI_EIO, "cannot read /proc: %m");
            goto out;
        }
        size_t n = peri_procs_signal(&t, SIGKILL);
        if (c) n += (size_t)peri_cgroup_kill(c);
        if (n > most) most = n;
        if (n == 0 && (!c || peri_cgroup_remove(c))) break;
        if (peri_now() > until) {
            peri_err_set(err, PERI_EIO,
                         "%zu processes of the task %s do not end, though they were "
                         "killed",
                         n, mark);
            goto out;
        }
        poll(NULL, 0, wait);
    }
    rc = (int)most;
out:
    peri_cgroup_free(c);
    peri_procs_free(&t);
    return rc;
}
