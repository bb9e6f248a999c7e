/* helped.c - tasks of users whose rights we do not have: started, watched to their end
 * and signalled through a starter (scheduler/starter.h). They are no children of ours:
 * how they ended comes through a pipe, and if the starter dies, their records tell.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

#define TELL_TIME 5.0 /* seconds for the starter to say how it ended */

static const peri_starter_t *starter;

void peri_local_set_starter(const peri_starter_t *s)
{
    starter = s;
}

bool peri_local_helped(const peri_local_t *l, uid_t uid)
{
    return starter && l->euid != 0 && uid != l->euid;
}

static peri_startask_t ask_of(const peri_task_t *t)
{
    return (peri_startask_t){.user = t->sub->user->name,
                             .folder = t->sub->folder,
                             .index = t->index == PERI_SCHED_NO_INDEX ? 0 : t->index,
                             .array = t->index != PERI_SCHED_NO_INDEX};
}

int peri_local_helped_start(peri_run_t *r, peri_err_t *err)
{
    const peri_startask_t ask = ask_of(r->task);
    int fd[2];
    if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
        return peri_err_set(err, PERI_ELIMIT, "cannot make a pipe: %s", strerror(errno));
    r->helped = true;
    if (starter->start(starter->self, &ask, fd[1], &r->pid, &r->pid_start, &r->pidfd,
                       err)) {
        r->pid = 0;
        close(fd[0]);
        close(fd[1]);
        return -1;
    }
    close(fd[1]);
    r->err_fd = fd[0];
    return 0;
}

static char *sentence(const peri_task_t *t, const peri_startsaid_t *s)
{
    const char *e = strerror(s->value), *user = t->sub->user->name;
    if (s->word == PERI_STARTED_RIGHTS)
        return peri_xasprintf("cannot get the rights of user %s: %s", user, e);
    if (s->word == PERI_STARTED_MOUNT)
        return peri_xasprintf(
            "the folders of the job cannot be shown to user %s: %s%s", user, e,
            s->value == EINVAL
                ? ": the file system of the spool or of the volumes cannot show files as "
                  "another user's (NFS and Lustre cannot, ext4, xfs and btrfs can)"
                : "");
    if (s->word == PERI_STARTED_FOLDER)
        return peri_xasprintf("user %s cannot enter the folder %s: %s", user,
                              t->sub->folder, e);
    if (s->word == PERI_STARTED_LOG)
        return peri_xasprintf("cannot write launch.log in %s: %s", t->sub->folder, e);
    return peri_xasprintf("cannot start perigee-launch: %s", e);
}

bool peri_local_helped_over(peri_run_t *r, double now)
{
    peri_startsaid_t s;
    ssize_t n = 0;
    if (peri_local_proc_alive(r->pid, r->pid_start, r->task->sub->user->uid)) {
        r->tell_by = 0;
        return false;
    }
    if (r->err_fd < 0) return true;
    while ((n = read(r->err_fd, &s, sizeof(s))) == sizeof(s)) {
        if (s.word == PERI_STARTED_EXITED || s.word == PERI_STARTED_KILLED) {
            r->has_status = true;
            r->end = s.word == PERI_STARTED_EXITED ? PERI_END_EXITED : PERI_END_KILLED;
            r->exit_code = s.word == PERI_STARTED_EXITED ? s.value : 0;
            r->sig = s.word == PERI_STARTED_KILLED ? s.value : 0;
            return true;
        }
        if (!r->task->why) r->task->why = sentence(r->task, &s);
    }
    if (n >= 0 || errno != EAGAIN) return true; /* the starter is gone */
    if (r->tell_by == 0) r->tell_by = now + TELL_TIME;
    return now > r->tell_by;
}

int peri_local_helped_signal(const peri_run_t *r, int sig)
{
    const peri_startask_t ask = ask_of(r->task);
    pid_t first;
    return starter->signal(starter->self, &ask, r->pid, r->pid_start, sig, &first);
}

int peri_local_helped_sweep(const peri_task_t *t, int sig, pid_t *first)
{
    const peri_startask_t ask = ask_of(t);
    return starter->signal(starter->self, &ask, 0, 0, sig, first);
}
