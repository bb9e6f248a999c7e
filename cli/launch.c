/* launch.c - see launch.h: from the start of the ranks to how it went.
 *
 * mpirun gets a process group of its own: Ctrl-C on the terminal reaches only us, and we
 * ask rank 0 to end the query in order. What is not gone soon is killed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/launch_priv.h"
#include "core/base/util.h"
#include "mpi/control.h"

#define TERM_AFTER 0.5  /* seconds from the cancellation to SIGTERM for mpirun or srun */
#define KILL_AFTER 0.85 /* and to SIGKILL for its whole process group */
#define STARTS     3    /* if ranks crash while MPI starts */

/* ---- until it ends ---- */

static void cancel(peri_launch_t *l)
{
    l->cancelled = peri_now();
    /* The end is near: a second Ctrl-C must not keep us from cleaning up. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    if (l->slurm)
        kill(l->child, SIGUSR1); /* srun hands it on to the ranks */
    else if (l->control < 0 || send(l->control, "C", 1, MSG_NOSIGNAL) != 1)
        kill(l->child, SIGTERM);
}

/* Kernels save what they have; a query takes no notice. */
static void warn(peri_launch_t *l)
{
    if (l->slurm)
        l->warned = kill(l->child, SIGUSR2) == 0; /* srun hands it on to the ranks */
    else
        l->warned = l->control >= 0 && send(l->control, "T", 1, MSG_NOSIGNAL) == 1;
}

/* What nobody reads any more srun drops, and the query would go on for nothing. */
static bool lost_reader(void)
{
    struct pollfd p = {STDOUT_FILENO, 0, 0};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

static void insist(peri_launch_t *l)
{
    double waited = peri_now() - l->cancelled;
    if (l->insisted == 0 && waited > TERM_AFTER) {
        l->insisted = 1;
        kill(l->child, SIGTERM);
    } else if (l->insisted == 1 && waited > KILL_AFTER) {
        l->insisted = 2;
        if (l->rank0 > 0 && !l->slurm) kill(l->rank0, SIGKILL);
        kill(-l->child, SIGKILL);
    }
}

/* What has ended the starter or, as it says, a rank; 0: none. */
static int signal_of(int status)
{
    if (WIFSIGNALED(status)) return WTERMSIG(status);
    return WEXITSTATUS(status) > 128 ? WEXITSTATUS(status) - 128 : 0;
}

/* Open MPI 4 below Slurm lets a fast rank send before a slow one has set up its receiving
 * end, which then crashes in MPI_Init: now and then, on a loaded node. Rank 0 speaks only
 * after all ranks have talked to each other, so that until then nothing has been done. A
 * rank to which nobody talks ends by SIGALRM (mpi/task.c). */
static bool crashed_at_start(const peri_launch_t *l, int status)
{
    const int sig = signal_of(status);
    return (sig == SIGSEGV || sig == SIGALRM) && l->rank0 == 0 && l->control < 0 &&
           l->cancelled == 0 && l->told.code == PERI_OK;
}

static void forget_start(peri_launch_t *l)
{
    close(l->errors);
    l->errors = -1;
    l->in_block = false;
    l->crashed = (peri_err_t){0};
    peri_buf_clear(&l->line);
    peri_buf_clear(&l->held);
    peri_buf_clear(&l->early);
}

/* The status of mpirun or srun, as of waitpid. */
static int attend(peri_launch_t *l)
{
    int status = 0;
    bool open = true;
    for (;;) {
        pid_t ended = waitpid(l->child, &status, open ? WNOHANG : 0);
        if (ended == l->child || (ended < 0 && errno != EINTR)) break;
        if (ended < 0) continue;
        struct pollfd p[] = {
            {l->errors, POLLIN, 0}, {l->listener, POLLIN, 0}, {l->control, POLLIN, 0}};
        poll(p, 3, l->cancelled > 0 ? 20 : 100);
        if (peri_cli_interrupted() && l->cancelled == 0) cancel(l);
        if (l->o->check && l->cancelled == 0 && l->o->check(l->o->arg, &l->refused))
            cancel(l);
        if (peri_cli_time_is_up() && !l->warned && l->cancelled == 0) warn(l);
        if (l->watch_reader && l->cancelled == 0 && lost_reader()) {
            l->reader_gone = true;
            cancel(l);
        }
        if (l->cancelled > 0) insist(l);
        if (l->listener >= 0) peri_launch_accept(l);
        peri_launch_hear(l);
        open = peri_launch_read_errors(l);
    }
    if (l->listener >= 0) peri_launch_accept(l);
    peri_launch_hear(l);
    peri_launch_read_errors(l);
    return status;
}

/* If mpirun was killed rank 0 may live on for a moment: its files can be removed when it
 * is gone, which its end of the connection shows. */
static void wait_for_rank0(peri_launch_t *l)
{
    const double until = peri_now() + 1;
    if (l->control >= 0 && l->rank0 > 0) kill(l->rank0, SIGKILL);
    while (l->control >= 0 && peri_now() < until) {
        poll(&(struct pollfd){l->control, POLLIN, 0}, 1, 100);
        peri_launch_hear(l);
    }
}

/* ---- how it went ---- */

static int died(peri_launch_t *l, int status, peri_err_t *err)
{
    int rank = -1, sig = signal_of(status);
    if (sig == SIGKILL) /* mpirun kills the other ranks the same way: no rank is named */
        return peri_err_set(
            err, PERI_EINTERNAL,
            "a process of the query was killed (signal 9); if the machine "
            "has run out of memory, try fewer ranks or a smaller --memory");
    const char *s = l->held.data ? strstr(l->held.data, "process rank ") : NULL;
    if (sig && s && sscanf(s, "process rank %d", &rank) == 1)
        return peri_err_set(err, PERI_EINTERNAL,
                            "rank %d of the query crashed (signal %d, %s); please report "
                            "this with the query",
                            rank, sig, strsignal(sig));
    if (l->held.data && strstr(l->held.data, "More processors requested"))
        return peri_err_set(err, PERI_EINVAL,
                            "the Slurm allocation has not enough tasks for the ranks "
                            "asked for with -n: ask for fewer, or leave -n away for as "
                            "many as there are");
    if (l->held.len) fputs(l->held.data, stderr);
    return peri_err_set(err, PERI_EINTERNAL,
                        "the ranks of the query ended without an answer (%s has %s %d)",
                        l->slurm ? "srun" : "mpirun", sig ? "signal" : "status",
                        sig ? sig : WEXITSTATUS(status));
}

static void tell_counts(const peri_launch_t *l)
{
    peri_progress_t sum = {0};
    for (size_t i = 0; i < l->nhosts; i++) peri_progress_add(&sum, &l->hosts[i].read);
    if (l->o->rows) *l->o->rows = l->rows;
    if (l->o->marked) *l->o->marked = l->marked;
    if (l->o->marked) *l->o->marked = l->marked;
    if (l->o->bytes) *l->o->bytes = sum.bytes;
}

static int conclude(peri_launch_t *l, int status, peri_err_t *err)
{
    /* When one rank dies, mpirun ends the others as if the user had cancelled. */
    bool asked = l->cancelled > 0;
    bool by_slurm = l->slurm && WIFEXITED(status) && WEXITSTATUS(status) == 130;
    if (l->refused.code && (status || l->told.code)) {
        *err = l->refused;
        return -1;
    }
    if (l->reader_gone && (status || l->told.code))
        return peri_err_set(err, PERI_ECLOSED, "the reader of the output has gone");
    if (l->told.code && (l->told.code != PERI_ECANCEL || asked)) {
        *err = l->told;
        return -1;
    }
    if (l->told.code == PERI_OK && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        tell_counts(l);
        if (l->summary && !l->o->quiet && !l->o->silent)
            fprintf(stderr, "%s\n", l->summary);
        return l->nhosts ? peri_query_report_write(l->rows, l->hosts, l->nhosts, err) : 0;
    }
    if (asked) return peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (by_slurm && l->told.code == PERI_ECANCEL)
        return peri_err_set(err, PERI_ECANCEL,
                            "cancelled by Slurm: scancel, or the job's time is over");
    if (l->crashed.text[0]) {
        *err = l->crashed;
        return -1;
    }
    return died(l, status, err);
}

/* A short query tells no progress before it is done. */
static void finish_bar(peri_launch_t *l)
{
    peri_progress_t sum = {0};
    for (size_t i = 0; i < l->nhosts; i++) peri_progress_add(&sum, &l->hosts[i].read);
    if (l->bar && l->nhosts) peri_bar_update(l->bar, sum.rows, sum.rows, sum.bytes);
    peri_bar_finish(l->bar);
    l->bar = NULL;
}

static void close_all(const peri_launch_t *l)
{
    const int fds[] = {l->listener, l->control, l->errors};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0) close(fds[i]);
}

int peri_launch_once(const peri_queryspec_t *spec, int nranks, const peri_launchopts_t *o,
                     peri_err_t *err)
{
    peri_launch_t l = {.o = o, .listener = -1, .control = -1, .errors = -1};
    int rc = -1;
    char *task = NULL;
    peri_buf_init(&l.line, PERI_CONTROL_LINE + 1);
    peri_buf_init(&l.held, PERI_LAUNCH_HELD);
    peri_buf_init(&l.early, PERI_LAUNCH_HELD);
    char *starter = peri_launchplace_starter(&l.slurm, err);
    if (!starter || !(task = peri_launchplace_of_task(err))) goto out;
    const bool here = !l.slurm && peri_launchplace_is_one();
    l.watch_reader = l.slurm && !spec->into;
    if (peri_launchplace_make(&l.place, spec, here, err)) goto out;
    if (!l.slurm && peri_launch_listen(&l, err)) goto out;
    if (peri_bar_wanted(o->quiet) && !spec->explain)
        l.bar = peri_bar_new(stderr, "query", "rows");
    int status = 0;
    for (int i = 0; i < STARTS; i++) {
        if (i) forget_start(&l);
        if (peri_launch_start(&l, starter, task, nranks, here, err)) goto out;
        status = attend(&l);
        if (!crashed_at_start(&l, status)) break;
    }
    peri_launch_show_early(&l);
    wait_for_rank0(&l);
    finish_bar(&l);
    rc = conclude(&l, status, err);
    if (rc) peri_launchplace_remove_output(spec->into, l.rank0);
out:
    close_all(&l);
    peri_bar_finish(l.bar);
    peri_launchplace_remove(&l.place);
    peri_buf_free(&l.line);
    peri_buf_free(&l.held);
    peri_buf_free(&l.early);
    for (size_t i = 0; i < l.nhosts; i++) free((char *)l.hosts[i].name);
    free(l.hosts);
    free(l.summary);
    free(starter);
    free(task);
    return rc;
}
