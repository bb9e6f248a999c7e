/* outside.c - the outer half of a sandboxed program: see inside.h.
 *
 * Nothing that the user chose reaches bubblewrap or what comes before it: neither her
 * environment, in which a LD_PRELOAD would be run outside, nor her PATH. One thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/launch/command.h"
#include "jobs/launch/outside.h"
#include "jobs/task/procs.h"
#include "jobs/task/io.h"
#include "jobs/task/text.h"

enum { SHOWN = 300, MOST_TRIES = 20 };

#define TRIES_ENV "PERIGEE_SANDBOX_TRIES"

typedef peri_outside_t outside_t;

/* ---- signals ---- */

/* Those that are handed on. */
static void handed_on(sigset_t *set)
{
    static const int not [] = {SIGCHLD, SIGSEGV, SIGBUS,  SIGILL,
                               SIGFPE,  SIGABRT, SIGPIPE, SIGTRAP};
    sigfillset(set);
    for (size_t i = 0; i < sizeof(not ) / sizeof(*not ); i++) sigdelset(set, not [i]);
}

static _Noreturn void child(outside_t *o, const char *const *words, pid_t parent)
{
    char *const env[] = {"PATH=/usr/bin:/bin",
                         peri_arena_printf(o->t.arena, "%s=%s", PERI_MARK_ENV, o->t.mark),
                         NULL};
    sigset_t none, all;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(125);
    /* They are for the program: bubblewrap itself only dies with its parent. */
    handed_on(&all);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, sigismember(&all, sig) == 1 ? SIG_IGN : SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(o->said, 2) < 0) _exit(125);
    execve(o->bwrap, (char *const *)words, env);
    dprintf(2, "%s: %s\n", o->bwrap, strerror(errno));
    _exit(125);
}

static int start(outside_t *o, peri_err_t *err)
{
    const char *const *words = peri_outside_bwrap(o);
    const pid_t self = getpid();
    o->child = fork();
    if (o->child == 0) child(o, words, self);
    const int e = errno;
    close(o->tale[1]);
    close(o->info[1]);
    o->tale[1] = o->info[1] = -1;
    if (o->srun_inside >= 0) close(o->srun_inside);
    if (o->child < 0)
        return peri_err_set(err, PERI_EINTERNAL, "cannot make a process on node %s: %s",
                            o->t.host, strerror(e));
    return 0;
}

/* ---- while it runs ---- */

static void on_message(outside_t *o, const char *s)
{
    if (*s == 'R') {
        o->runs = true;
    } else if (*s == 'S') {
        o->told_status = atoi(s + 1);
        o->has_status = true;
    } else if (*s == 'N' || *s == 'F') {
        snprintf(o->failed, sizeof(o->failed), "%s", s);
    }
}

/* False at its end. A message is written at once, so it is not cut. */
static bool read_tale(outside_t *o)
{
    char text[4096];
    ssize_t n = read(o->tale[0], text, sizeof(text) - 1);
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    if (n == 0) return false;
    text[n] = '\0';
    for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1)
        on_message(o, text + at);
    return true;
}

/* {"child-pid": 123, ...} */
static bool read_info(outside_t *o)
{
    char text[1024];
    ssize_t n = read(o->info[0], text, sizeof(text) - 1);
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    if (n == 0) return false;
    text[n] = '\0';
    const char *p = strstr(text, "\"child-pid\":");
    if (p) o->inner = (pid_t)atol(p + 12);
    return true;
}

/* Those that come before the program runs wait for it. */
static void hand_on(outside_t *o)
{
    if (!o->runs || o->inner <= 0) return;
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(&o->waiting, sig) == 1) kill(-o->inner, sig);
    sigemptyset(&o->waiting);
}

static void hear(outside_t *o)
{
    struct signalfd_siginfo s;
    while (read(o->signals, &s, sizeof(s)) == sizeof(s))
        if (s.ssi_signo != SIGCHLD) sigaddset(&o->waiting, (int)s.ssi_signo);
    hand_on(o);
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == o->child) {
            o->ended = true;
            o->status = status;
        } else {
            peri_sruns_reaped(&o->sruns, pid, status);
        }
}

static void attend(outside_t *o)
{
    enum { OWN = 3 };
    struct pollfd p[OWN + 1 + PERI_SRUN_MOST] = {
        {o->tale[0], POLLIN, 0}, {o->info[0], POLLIN, 0}, {o->signals, POLLIN, 0}};
    hear(o);
    while (!o->ended) {
        peri_sruns_poll(&o->sruns, p + OWN);
        poll(p, sizeof(p) / sizeof(*p), -1);
        peri_sruns_serve(&o->sruns, p + OWN);
        if (p[1].revents && !read_info(o)) p[1].fd = -1;
        if (p[0].revents && !read_tale(o)) p[0].fd = -1;
        hear(o); /* and hand on what has waited */
    }
    while (p[0].fd >= 0 && read_tale(o)) {
    }
}

/* ---- the end ---- */

static int tell_failure(const outside_t *o, const char *message)
{
    const char *text = *message == 'N' ? strchr(message + 2, ' ') : message + 1;
    const int code = *message == 'N' ? atoi(message + 2) : 125;
    if (o->tell >= 0)
        (void)!peri_write_all(o->tell, message, strlen(message));
    else
        fprintf(stderr, "perigee-launch: %s\n", text ? text + 1 : "");
    return code;
}

static int tell_fault(const outside_t *o, const char *text)
{
    return tell_failure(o, peri_arena_printf(o->t.arena, "F %s", text));
}

/* A file that is shown by itself was replaced by its owner while bubblewrap was on the
 * way to it, as happens to tables; nothing of the user has run. */
static bool is_worth_a_try(const outside_t *o)
{
    return !o->runs && !o->has_status && peri_env_int(TRIES_ENV, 0) < MOST_TRIES &&
           peri_sandbox_replaced(&o->places);
}

/* Begun anew, this program finds the new one. Returns if it cannot be. */
static void try_again(const outside_t *o, char **argv)
{
    const int64_t before = peri_env_int(TRIES_ENV, 0);
    setenv(TRIES_ENV, peri_arena_printf(o->t.arena, "%d", (int)before + 1), 1);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    if (o->tell >= 0) fcntl(o->tell, F_SETFD, 0);
    /* Blocked, they wait for it. */
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(&o->waiting, sig) == 1) raise(sig);
    execv(o->self, argv);
}

/* Bubblewrap ended before the inner half has said anything. */
static int tell_broken(const outside_t *o)
{
    char said[1024], shown[SHOWN + 1];
    ssize_t n = peri_read_some(o->said, said, sizeof(said), 0);
    const char *nl = n > 0 ? memchr(said, '\n', (size_t)n) : NULL;
    peri_err_t err;
    peri_text_clean(said, nl ? (size_t)(nl - said) : n > 0 ? (size_t)n : 0, shown, SHOWN);
    if (peri_sandbox_probe(&err)) return tell_fault(o, err.text);
    return tell_fault(o, peri_arena_printf(o->t.arena,
                                           "the sandbox could not be made on node %s: %s",
                                           o->t.host, *shown ? shown : "it was ended"));
}

/* For who waits, this is the program: it ends as that did. */
static int end_like(int status)
{
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
    const int sig = WTERMSIG(status);
    sigset_t one;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(sig, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, sig);
    raise(sig);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    return 128 + sig;
}

static int conclude(const outside_t *o)
{
    if (o->has_status) return end_like(o->told_status);
    if (*o->failed) return tell_failure(o, o->failed);
    if (WIFSIGNALED(o->status)) return end_like(o->status);
    /* Killed with all that was in it: bubblewrap says 128 + 9. */
    if (o->runs) return end_like(SIGKILL);
    return tell_broken(o);
}

static int run(outside_t *o, char **argv)
{
    peri_err_t err;
    sigset_t all;
    handed_on(&all);
    sigemptyset(&o->waiting);
    sigaddset(&all, SIGCHLD);
    sigprocmask(SIG_BLOCK, &all, NULL);
    o->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    o->self = peri_outside_self(o->t.arena);
    if (o->signals < 0 || peri_outside_prepare(o, &err) || start(o, &err)) {
        peri_outside_tidy(o);
        return tell_fault(o, o->signals < 0 ? "cannot hear signals" : err.text);
    }
    attend(o);
    peri_sruns_close(&o->sruns);
    const bool again = is_worth_a_try(o);
    peri_outside_tidy(o);
    if (again) try_again(o, argv);
    return conclude(o);
}

int peri_outside_main(int argc, char **argv)
{
    outside_t o = {.tell = -1,
                   .shm_fd = -1,
                   .srun_inside = -1,
                   .sruns = {.shared = -1},
                   .tale = {-1, -1},
                   .info = {-1, -1}};
    peri_err_t err;
    if (argc < 7 || peri_task_load(argv[2], atol(argv[3]), &o.t, &err)) {
        fprintf(stderr, "perigee-launch: %s\n",
                argc < 7 ? PERI_SANDBOX_ARG " is for itself" : err.text);
        return 125;
    }
    o.tell = atoi(argv[4]);
    o.nstarter = (size_t)atol(argv[5]);
    o.words = (const char *const *)argv + 6;
    o.nwords = (size_t)argc - 6;
    if (o.tell < 0) o.t.srun = true; /* only srun starts it so */
    if (o.tell >= 0) fcntl(o.tell, F_SETFD, FD_CLOEXEC);
    fcntl(o.t.dirfd, F_SETFD, FD_CLOEXEC);
    const int status = o.t.l.sandbox && o.nstarter < o.nwords
                           ? run(&o, argv)
                           : tell_fault(&o, "no sandbox");
    peri_task_close(&o.t);
    return status;
}

bool peri_outside_failed(int tale, peri_arena_t *arena, peri_record_t *r)
{
    char text[PERI_TALE_MAX + 1];
    ssize_t n = tale < 0 ? 0 : read(tale, text, sizeof(text) - 1);
    if (n < 2) return false;
    text[n] = '\0';
    const bool none = *text == 'N';
    const char *said = none ? strchr(text + 2, ' ') : text + 1;
    r->exit = none ? PERI_EXIT_NO_PROGRAM : PERI_EXIT_FAULT;
    r->code = none ? atoi(text + 2) : 0;
    r->signal = 0;
    r->text = peri_arena_strdup(arena, said ? said + 1 : "");
    return true;
}
