/* run.c - the life of one run: begun, watched, cancelled, ended, tidied up after.
 *
 * Never started twice, never lost, wherever the daemon is killed:
 *
 *   note "begin"   from here on there may be a process
 *   fork, exec
 *   note "pid"
 *   ... the launcher takes the claim of the task's folder, or ends at once ...
 *   note "end"
 *
 * When the scheduler is opened again, a task that was begun is looked for: by its claim,
 * by the noted process, by PERIGEE_FOLDER in the environments of processes. Only if there
 * is none of them is it pending again, and if that was an error, the claim ends the
 * second launcher. For that reason the end of a launcher is the end of the task only if
 * the claim is not another living process's; then that one is watched instead.
 *
 * Before the end of a launcher that was killed, or that nobody saw end, is told, what it
 * left behind is killed. Called by the scheduler's thread, under the lock.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "scheduler/local/local.h"

#define PAUSE        2.0 /* after fork or a file failed */
#define LOOK_EVERY   0.2 /* while the process is looked for */
#define LOOK_FOR     1.0
#define ASK_AGAIN    2.0  /* the claim cannot be read */
#define SWEEP_EVERY  0.02 /* what was killed takes a moment to vanish */
#define SWEEP_FOR    5.0
#define TICK         0.02 /* without pidfd */
#define NOT_YET      0.5  /* a signal that reached nobody is sent again */
#define MAX_RESTARTS 5

/* ---- the end ---- */

/* Of those that were found there some are our children, too: perigeed has executed itself
 * anew. Of all others there is nothing to get. */
static void reap(peri_run_t *r)
{
    siginfo_t info;
    if (r->pid > 0) waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG);
    r->child = false;
}

static void finish(peri_local_t *l, peri_run_t *r)
{
    peri_task_t *t = r->task;
    reap(r);
    t->end = r->end;
    t->exit_code = r->exit_code;
    t->sig = r->sig;
    t->ended = time(NULL);
    peri_failpoint("local.ended");
    /* If it cannot be noted, the claim tells the same after a restart. */
    peri_local_store_note(l, t->sub, "end", t, NULL);
    peri_local_queue_charge(l, r);
    peri_local_run_free(l, r);
    peri_local_set_state(l, t, PERI_SCHED_ENDED);
    peri_local_settle(l, t->sub);
}

static void conclude(peri_local_t *l, peri_run_t *r, peri_schedend_t end, double now)
{
    peri_task_t *t = r->task;
    char *failure = peri_local_start_failure(r);
    if (failure) {
        free(t->why);
        t->why = failure;
        r->exit_code = PERI_START_FAILED;
        r->sig = 0;
        end = PERI_END_EXITED;
    }
    const bool by_itself = end == PERI_END_EXITED;
    r->end = (uint8_t)end;
    if (t->cancel && end != PERI_END_BOOT) r->end = PERI_END_CANCELLED;
    if (end == PERI_END_UNKNOWN || end == PERI_END_BOOT) r->exit_code = r->sig = 0;
    if (by_itself || end == PERI_END_BOOT)
        finish(l, r);
    else
        r->sweep_until = now + SWEEP_FOR;
}

/* No process, no claim: it has never run. */
static void again(peri_local_t *l, peri_run_t *r, double now)
{
    peri_task_t *t = r->task;
    if (t->cancel || t->sub->forgotten || t->restarts >= MAX_RESTARTS) {
        if (!t->cancel)
            t->why = peri_xstrdup("perigee-launch was started several times and has "
                                  "ended each time before it did anything");
        r->end = t->cancel ? PERI_END_CANCELLED : PERI_END_UNKNOWN;
        finish(l, r);
        return;
    }
    if (peri_local_store_note(l, t->sub, "again", t, NULL)) {
        r->look_at = now + ASK_AGAIN;
        return;
    }
    t->begun = false;
    t->pid = 0;
    t->started = 0;
    t->restarts++;
    peri_local_run_free(l, r);
    peri_local_set_state(l, t, PERI_SCHED_PENDING);
}

/* ---- whose process it is ---- */

static void watch(peri_local_t *l, peri_run_t *r, pid_t pid, uint64_t start, double now)
{
    reap(r);
    if (r->helped && r->err_fd >= 0) { /* it is another one's end that it tells */
        close(r->err_fd);
        r->err_fd = -1;
    }
    r->helped = false;
    if (r->pidfd >= 0) close(r->pidfd);
    r->pidfd = peri_local_proc_open(pid);
    r->pid = pid;
    r->pid_start = start;
    r->has_status = false;
    r->ready = false;
    /* Now that it is held, is it still that one? */
    if (!peri_local_proc_alive(pid, start, r->task->sub->user->uid)) {
        r->pid = 0;
        r->look_at = now;
        return;
    }
    r->look_at = 0;
    if (r->task->cancel) {
        r->kill_at = 0;
        peri_local_run_cancel(l, r);
    }
}

static pid_t search(const peri_local_t *l, const peri_task_t *t)
{
    pid_t first;
    if (peri_local_helped(l, t->sub->user->uid))
        return peri_local_helped_sweep(t, 0, &first) > 0 ? first : 0;
    char *folder = peri_local_proc_folder(t);
    char *mark = peri_xasprintf("PERIGEE_FOLDER=%s", folder);
    peri_sweep_t s = {.mark = mark, .uid = t->sub->user->uid};
    peri_local_proc_sweep(&s, 1, 0);
    free(mark);
    free(folder);
    return s.first;
}

/* There is a claim. */
static void look_at_claim(peri_local_t *l, peri_run_t *r, const peri_claimed_t *c,
                          double now)
{
    const peri_task_t *t = r->task;
    const uid_t uid = t->sub->user->uid;
    const bool own = c->pid && c->pid == t->pid && c->start == t->pid_start;
    if (c->pid && c->other_boot)
        conclude(l, r, PERI_END_BOOT, now);
    else if (r->has_status && (own || !c->pid))
        conclude(l, r, (peri_schedend_t)r->end, now);
    else if (c->pid && peri_local_proc_alive(c->pid, c->start, uid))
        watch(l, r, c->pid, c->start, now);
    else if (c->pid)
        conclude(l, r, PERI_END_UNKNOWN, now);
    else if (t->begun && t->other_boot)
        conclude(l, r, PERI_END_BOOT, now);
    else if (peri_local_proc_alive(t->pid, t->pid_start, uid))
        watch(l, r, t->pid, t->pid_start, now);
    else if (now < r->look_until) /* its writer may be at it */
        r->look_at = now + LOOK_EVERY;
    else
        conclude(l, r, PERI_END_UNKNOWN, now);
}

/* There is none. */
static void look_without(peri_local_t *l, peri_run_t *r, double now)
{
    const peri_task_t *t = r->task;
    uint64_t start;
    pid_t pid;
    if (r->has_status)
        conclude(l, r, (peri_schedend_t)r->end, now);
    else if (t->other_boot)
        again(l, r, now);
    else if (peri_local_proc_alive(t->pid, t->pid_start, t->sub->user->uid))
        watch(l, r, t->pid, t->pid_start, now);
    else if ((pid = search(l, t)) > 0 && peri_local_proc_start(pid, &start) == 0)
        watch(l, r, pid, start, now);
    else if (now < r->look_until) /* it may be between fork and exec */
        r->look_at = now + LOOK_EVERY;
    else
        again(l, r, now);
}

/* Find out what there is of it. */
static void look(peri_local_t *l, peri_run_t *r, double now)
{
    peri_claimed_t c;
    int there = peri_local_proc_claim(r->task, l->boot, &c);
    r->look_at = now + ASK_AGAIN;
    if (there > 0)
        look_at_claim(l, r, &c, now);
    else if (there == 0)
        look_without(l, r, now);
}

/* ---- begin ---- */

static int pause_queue(peri_local_t *l, const peri_err_t *err)
{
    l->pause_until = peri_now() + PAUSE;
    snprintf(l->pause_why, sizeof(l->pause_why), "cannot be started now: %.200s",
             err->text);
    return -1;
}

/* The helper refuses its user: it ends as a program that could not be started. */
static void never(peri_local_t *l, peri_run_t *r, const peri_err_t *err)
{
    peri_task_t *t = r->task;
    free(t->why);
    t->why = peri_xstrdup(err->text);
    t->begun = true;
    t->pid = 0;
    r->has_status = true;
    r->end = PERI_END_EXITED;
    r->exit_code = PERI_START_FAILED;
    r->look_at = peri_now();
    peri_local_set_state(l, t, PERI_SCHED_RUNNING);
}

int peri_local_run_begin(peri_local_t *l, peri_task_t *t, uint64_t overtakes)
{
    peri_err_t err;
    t->started = time(NULL);
    if (peri_local_store_note(l, t->sub, "begin", t, &err)) {
        t->started = 0;
        return pause_queue(l, &err);
    }
    peri_failpoint("local.begin");
    peri_run_t *r = peri_local_run_new(l, t);
    const bool helped = peri_local_helped(l, t->sub->user->uid);
    if (helped ? peri_local_helped_start(r, &err) : peri_local_start(r, l->euid, &err)) {
        if (helped && err.code == PERI_EDENIED) {
            never(l, r, &err);
            return 0;
        }
        peri_local_run_free(l, r);
        t->started = 0;
        return pause_queue(l, &err);
    }
    peri_failpoint("local.forked");
    l->pause_why[0] = '\0';
    r->overtook = overtakes;
    r->child = !helped;
    if (r->pidfd < 0) r->pidfd = peri_local_proc_open(r->pid);
    t->begun = true;
    t->other_boot = false;
    t->pid = r->pid;
    t->pid_start = r->pid_start;
    peri_local_store_note(l, t->sub, "pid", t, NULL);
    peri_local_set_state(l, t, PERI_SCHED_RUNNING);
    return 0;
}

void peri_local_run_resume(peri_local_t *l, peri_task_t *t)
{
    const double now = peri_now();
    if (!t->started) t->started = time(NULL);
    peri_run_t *r = peri_local_run_new(l, t);
    const double age = (double)(time(NULL) - t->started);
    r->since = now - (age > 0 ? age : 0);
    r->look_until = now + LOOK_FOR;
    peri_local_set_state(l, t, PERI_SCHED_RUNNING);
    look(l, r, now);
}

/* ---- in between ---- */

/* How many it reached; -1: nobody knows. */
static int send(const peri_local_t *l, const peri_run_t *r, int sig)
{
    const uid_t uid = r->task->sub->user->uid;
    if (peri_local_helped(l, uid)) return peri_local_helped_signal(r, sig);
    peri_local_proc_signal(r->pid, r->pid_start, uid, r->pidfd, sig);
    return 1;
}

void peri_local_run_cancel(peri_local_t *l, peri_run_t *r)
{
    if (r->pid == 0 || r->sweep_until > 0 || r->kill_at > 0) return;
    r->kill_at = peri_now() + l->kill_after;
    /* One that is not the user's yet has nothing to save. */
    if (send(l, r, SIGTERM) < 1) r->kill_at = peri_now() + NOT_YET;
}

/* True if the watched process is over; of a child, then, how. */
static bool is_over(peri_run_t *r)
{
    siginfo_t info = {0};
    if (r->helped) return peri_local_helped_over(r, peri_now());
    if (!r->child)
        return !peri_local_proc_alive(r->pid, r->pid_start, r->task->sub->user->uid);
    if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT)) {
        /* Somebody else has reaped it. */
        r->child = false;
        return errno == ECHILD;
    }
    if (info.si_pid != r->pid) return false;
    r->has_status = true;
    if (info.si_code == CLD_EXITED) {
        r->end = PERI_END_EXITED;
        r->exit_code = info.si_status;
    } else {
        r->end = PERI_END_KILLED;
        r->sig = info.si_status;
    }
    return true;
}

void peri_local_run_tend(peri_local_t *l, peri_run_t *r, double now)
{
    if (r->sweep_until > 0) return;
    if (r->pid && r->kill_at > 0 && now >= r->kill_at) {
        r->kill_at = now + l->kill_after;
        if (send(l, r, SIGKILL) < 1) r->kill_at = now + NOT_YET;
    }
    if (r->pid && !r->look_at) {
        if ((r->pidfd >= 0 && !r->ready) || !is_over(r)) return;
        r->look_until = now;
        r->look_at = now;
    }
    if (r->look_at <= now) look(l, r, now);
}

/* Downwards: a run that is removed is replaced by the last one. */
static void sweep_helped(peri_local_t *l, double now)
{
    for (size_t i = l->nruns; i-- > 0;) {
        peri_run_t *r = l->runs[i];
        pid_t first;
        if (r->sweep_until <= 0 || !peri_local_helped(l, r->task->sub->user->uid))
            continue;
        if (peri_local_helped_sweep(r->task, SIGKILL, &first) == 0 ||
            now > r->sweep_until)
            finish(l, r);
    }
}

void peri_local_run_sweep(peri_local_t *l, double now)
{
    size_t n = 0;
    sweep_helped(l, now);
    for (size_t i = 0; i < l->nruns; i++)
        n += l->runs[i]->sweep_until > 0 &&
             !peri_local_helped(l, l->runs[i]->task->sub->user->uid);
    if (!n) return;
    peri_sweep_t *s = peri_xcalloc(n, sizeof(*s));
    peri_run_t **r = peri_xcalloc(n, sizeof(*r));
    n = 0;
    for (size_t i = 0; i < l->nruns; i++) {
        if (l->runs[i]->sweep_until <= 0 ||
            peri_local_helped(l, l->runs[i]->task->sub->user->uid))
            continue;
        r[n] = l->runs[i];
        char *folder = peri_local_proc_folder(r[n]->task);
        s[n].mark = peri_xasprintf("PERIGEE_FOLDER=%s", folder);
        s[n].uid = r[n]->task->sub->user->uid;
        /* As long as the launcher is not reaped, nobody else gets its number. */
        s[n].session = r[n]->child ? r[n]->pid : 0;
        free(folder);
        n++;
    }
    peri_local_proc_sweep(s, n, SIGKILL);
    for (size_t i = 0; i < n; i++) {
        free(s[i].mark);
        if (s[i].found == 0 || now > r[i]->sweep_until) finish(l, r[i]);
    }
    free(s);
    free(r);
}

double peri_local_run_due(const peri_run_t *r, double now)
{
    double due = r->kill_at > 0 ? r->kill_at : HUGE_VAL;
    if (r->sweep_until > 0) return now + SWEEP_EVERY;
    if (r->look_at > 0) return fmin(due, r->look_at);
    return r->pidfd < 0 || r->ready ? fmin(due, now + TICK) : due;
}
