/* watch.c - see watch.h. One thread; nothing here touches the file system of the task.
 *
 * Ending the program goes in steps (a table): SIGTERM, and SIGKILL to all of it later.
 * The first reason for it stays the reason.
 */
#include "jobs/launch/watch.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"

/* Samples of /proc: often at first, then as seldom as what they cost asks for. Where only
 * they keep the memory limit, quick ones of the known processes come between. */
#define SAMPLE_FIRST 0.05
#define SAMPLE_QUICK 0.25
#define SAMPLE_SLOW  1.0
#define SAMPLE_COST  2000.0 /* times what one costs until the next */
#define SCAN_MAX     30.0   /* at most so long */
#define SCAN_LIMIT   3.0    /* where they keep the limit */

#define LATE      5.0  /* Slurm may end a job so much before our own limit */
#define LEFT_TERM 2.0  /* for what is left behind, after SIGTERM */
#define LEFT_KILL 10.0 /* and after SIGKILL */

typedef enum { TO_PROGRAM, TO_STARTER, TO_ALL } target_t;

typedef struct {
    double after; /* seconds since the end began */
    int sig;
    target_t to;
} step_t;

static const step_t steps[] = {{0, SIGTERM, TO_PROGRAM}, {10, SIGKILL, TO_ALL}};
/* srun ends its ranks at once when it gets SIGTERM: they get it first, on this node. */
static const step_t steps_srun[] = {
    {0, SIGTERM, TO_PROGRAM}, {7, SIGTERM, TO_STARTER}, {10, SIGKILL, TO_ALL}};
#define KILL_AGAIN 1.0

static const int heard[] = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                            SIGXCPU, SIGUSR1, SIGCONT, SIGCHLD};
#define NHEARD (sizeof(heard) / sizeof(heard[0]))

int peri_watch_signals(peri_err_t *err)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < NHEARD; i++) {
        /* An ignored one, as after nohup, would not come. */
        signal(heard[i], SIG_DFL);
        sigaddset(&set, heard[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) peri_err_set(err, PERI_EINTERNAL, "cannot hear signals: %m");
    return fd;
}

bool peri_watch_told(int signals)
{
    struct signalfd_siginfo s;
    bool told = false;
    while (read(signals, &s, sizeof(s)) == sizeof(s))
        told |=
            s.ssi_signo != SIGCHLD && s.ssi_signo != SIGCONT && s.ssi_signo != SIGUSR1;
    return told;
}

/* ---- signals to the program ---- */

static bool is_srun(const peri_watch_t *w)
{
    return w->t->srun;
}

/* Of an MPI program: its processes on this node without the starter. How many. */
static size_t signal_ranks(peri_watch_t *w, int sig)
{
    peri_procs_t *p = &w->meter->procs;
    if (peri_procs_scan(p)) return 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->procs[i].pid == w->child) p->procs[i].zombie = true;
    return peri_procs_signal(p, sig);
}

static void signal_all(peri_watch_t *w, int sig)
{
    if (!w->ended) kill(-w->child, sig);
    if (peri_procs_scan(&w->meter->procs) == 0) peri_procs_signal(&w->meter->procs, sig);
    if (sig == SIGKILL && w->cgroup && !w->own) peri_cgroup_kill(w->cgroup);
}

static void signal_program(peri_watch_t *w, int sig)
{
    const bool starter_passes = sig == SIGUSR1 || sig == SIGUSR2 || sig == SIGCONT;
    if (!w->t->l.mpi)
        kill(-w->child, sig);
    else if (starter_passes || (sig == SIGTERM && !is_srun(w)))
        kill(w->child, sig);
    else if (signal_ranks(w, sig) == 0 && sig == SIGTERM)
        kill(w->child, sig);
}

/* ---- ending it ---- */

static double next_step_at(const peri_watch_t *w, const step_t *table, size_t n)
{
    return w->step < n ? w->begun + table[w->step].after * w->hurry
                       : peri_now() + KILL_AGAIN;
}

static void take_step(peri_watch_t *w)
{
    const step_t *table = is_srun(w) ? steps_srun : steps;
    const size_t n = is_srun(w) ? sizeof(steps_srun) / sizeof(steps_srun[0])
                                : sizeof(steps) / sizeof(steps[0]);
    const step_t *s = &table[w->step < n ? w->step : n - 1];
    if (s->to == TO_PROGRAM)
        signal_program(w, s->sig);
    else if (s->to == TO_STARTER)
        kill(w->child, s->sig);
    else
        signal_all(w, s->sig);
    if (w->step < n) w->step++;
    w->step_at = next_step_at(w, table, n);
}

static void begin_end(peri_watch_t *w, peri_ended_t why)
{
    if (w->step > 0) return;
    w->why = why;
    w->begun = peri_now();
    w->limit_at = w->warn_at = INFINITY;
    if (why == PERI_ENDED_MEMORY) { /* others pay for every moment that it lives on */
        w->step = sizeof(steps_srun) / sizeof(steps_srun[0]);
        signal_all(w, SIGKILL);
        w->step_at = w->begun + KILL_AGAIN;
    } else {
        take_step(w);
    }
}

static void told_to_end(peri_watch_t *w)
{
    const double now = peri_now();
    if (w->step == 0) {
        const bool late = w->t->in_slurm && now >= w->limit_at - LATE;
        begin_end(w, late ? PERI_ENDED_TIME : PERI_ENDED_TOLD);
    } else if (now - w->begun > 0.1) { /* two at once may be one that came twice */
        w->hurry = 0.2;
        if (w->step_at > now + 2) w->step_at = now + 2;
    }
}

static void warn(peri_watch_t *w)
{
    w->warn_at = INFINITY;
    if (w->warned || w->step > 0) return;
    w->warned = true;
    w->warn_signal = w->t->l.warn_signal ? (int)w->t->l.warn_signal : SIGUSR1;
    signal_program(w, w->warn_signal);
    peri_writer_warned(w->writer);
}

/* ---- what happens ---- */

static void reap(peri_watch_t *w)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == w->child) {
            w->ended = true;
            w->status = status;
        }
}

static void hear(peri_watch_t *w)
{
    struct signalfd_siginfo s;
    while (read(w->signals, &s, sizeof(s)) == sizeof(s)) {
        switch (s.ssi_signo) {
        case SIGCHLD:
            break;
        case SIGCONT:
            /* That of the kernel to a group that has lost its terminal means nothing. */
            if (!w->ended) signal_program(w, SIGCONT);
            break;
        case SIGUSR1:
            if (!w->ended) warn(w);
            break;
        case SIGXCPU:
            if (!w->ended) begin_end(w, PERI_ENDED_TIME);
            break;
        default:
            if (!w->ended) told_to_end(w);
            break;
        }
    }
    reap(w);
}

static void look_for_oom(peri_watch_t *w)
{
    if (w->cgroup && w->ooms >= 0 && peri_cgroup_ooms(w->cgroup) > w->ooms) w->oom = true;
}

static double pause_of(double cost, double least, double most)
{
    return fmax(fmin(cost * SAMPLE_COST, most), least);
}

static void sample(peri_watch_t *w)
{
    const uint64_t limit = w->t->l.memory;
    const bool all = peri_now() >= w->scan_at, kept = w->cgroup && !w->own;
    peri_meter_sample(w->meter, limit, all);
    peri_writer_usage(w->writer, &w->meter->usage);
    look_for_oom(w);
    if (limit && (w->meter->memory > limit || (kept && w->oom)))
        begin_end(w, PERI_ENDED_MEMORY);

    const double now = peri_now();
    const bool guard = limit && !kept;
    w->interval = fmin(2 * w->interval, SAMPLE_SLOW);
    if (all)
        w->scan_at =
            now + pause_of(w->meter->cost, w->interval, guard ? SCAN_LIMIT : SCAN_MAX);
    w->sample_at = w->scan_at;
    const double quick = w->meter->memory > limit / 2 ? SAMPLE_QUICK : 2 * SAMPLE_QUICK;
    if (guard)
        w->sample_at =
            fmin(w->scan_at, now + pause_of(w->meter->quick_cost,
                                            fmin(w->interval, quick), SCAN_LIMIT));
}

static void set_limits(peri_watch_t *w)
{
    const peri_launch_t *l = &w->t->l;
    const double now = peri_now();
    w->limit_at = w->warn_at = INFINITY;
    if (l->time_limit) {
        /* Slurm counts from the start of the allocation. */
        const int64_t began =
            w->t->in_slurm ? peri_env_int("SLURM_JOB_START_TIME", 0) : 0;
        const double gone = began > 0 ? peri_epoch() - (double)began : 0;
        w->limit_at = now + l->time_limit;
        if (gone > 0 && gone < l->time_limit) w->limit_at -= gone;
        if (l->warn_signal && l->warn_seconds) w->warn_at = w->limit_at - l->warn_seconds;
    }
    w->step_at = INFINITY;
    w->hurry = 1;
    w->interval = SAMPLE_FIRST / 2;
    w->sample_at = w->scan_at = now + SAMPLE_FIRST;
}

void peri_watch_run(peri_watch_t *w)
{
    set_limits(w);
    reap(w);
    while (!w->ended) {
        const double next =
            fmin(fmin(w->limit_at, w->warn_at), fmin(w->step_at, w->sample_at));
        const double wait = fmin((next - peri_now()) * 1000 + 1, 60000);
        poll(&(struct pollfd){w->signals, POLLIN, 0}, 1, wait > 0 ? (int)wait : 0);
        hear(w);
        if (w->ended) break;
        const double now = peri_now();
        if (now >= w->warn_at) warn(w);
        if (now >= w->limit_at) begin_end(w, PERI_ENDED_TIME);
        if (now >= w->step_at) take_step(w);
        if (now >= w->sample_at) sample(w);
    }
    look_for_oom(w);
}

/* ---- afterwards ---- */

static bool has_children(void)
{
    siginfo_t info = {0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void peri_watch_tidy(peri_watch_t *w)
{
    const double begun = peri_now();
    bool termed = false;
    for (int wait = 1;; wait = wait < 50 ? wait * 2 : 50) {
        reap(w);
        if (peri_procs_scan(&w->meter->procs)) break;
        const double gone = peri_now() - begun;
        const bool kill_now = gone > LEFT_TERM || w->why == PERI_ENDED_MEMORY;
        const int sig = kill_now ? SIGKILL : termed ? 0 : SIGTERM;
        size_t n = peri_procs_signal(&w->meter->procs, sig);
        if (w->cgroup && !w->own && kill_now) n += (size_t)peri_cgroup_kill(w->cgroup);
        termed = true;
        if (n == 0 && !has_children() &&
            (!w->cgroup || w->own || peri_cgroup_remove(w->cgroup)))
            break;
        if (gone > LEFT_TERM + LEFT_KILL) break;
        poll(NULL, 0, wait);
    }
}
