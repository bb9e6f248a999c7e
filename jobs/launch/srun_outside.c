/* srun_outside.c - the real srun for a sandboxed program; see srun.h. Part of the outer
 * half's only thread.
 *
 * What comes from inside is not to be trusted: it becomes words of a program that runs
 * inside a sandbox again, and a number.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/launch/command.h"
#include "jobs/launch/inside.h"
#include "jobs/launch/srun.h"
#include "jobs/launch/why.h"

enum { RANKS_MAX = 65536, WORDS_MAX = 4096, PREFIX = 32 };
#define END_PATIENCE 2.0 /* seconds for steps to end */

int peri_sruns_open(peri_sruns_t *s, const peri_task_t *t, int *inside, peri_err_t *err)
{
    int ends[2];
    *s = (peri_sruns_t){.t = t, .shared = -1};
    *inside = -1;
    for (size_t i = 0; i < PERI_SRUN_MOST; i++) s->run[i].fd = -1;
    if (!peri_task_has_steps(t)) return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) ||
        fcntl(ends[0], F_SETFD, FD_CLOEXEC) || fcntl(ends[0], F_SETFL, O_NONBLOCK))
        return peri_err_set(err, PERI_EINTERNAL, "cannot make a socket: %m");
    s->shared = ends[0];
    *inside = ends[1];
    return 0;
}

void peri_sruns_poll(const peri_sruns_t *s, struct pollfd *p)
{
    p[0] = (struct pollfd){s->shared, POLLIN, 0};
    for (size_t i = 0; i < PERI_SRUN_MOST; i++)
        p[i + 1] = (struct pollfd){s->run[i].fd, POLLIN, 0};
}

/* ---- a request ---- */

typedef struct {
    const char **argv;
    const char *path;
} step_t;

static bool put_list(const json_t *list, const char **w, size_t *n)
{
    size_t i;
    json_t *one;
    if (!json_is_array(list) || json_array_size(list) + *n > WORDS_MAX) return false;
    json_array_foreach(list, i, one)
    {
        if (!json_is_string(one)) return false;
        w[(*n)++] = json_string_value(one);
    }
    return true;
}

/* "env -C DIR NAME=VALUE... PROGRAM WORDS...", which runs behind walls. */
static int read_step(const peri_task_t *t, const json_t *o, step_t *step)
{
    const json_t *env = json_object_get(o, "env");
    const char *dir = json_string_value(json_object_get(o, "dir"));
    const json_int_t n = json_integer_value(json_object_get(o, "n"));
    const char **in = peri_arena_calloc(t->arena, WORDS_MAX + PREFIX, sizeof(*in));
    size_t nin = 0, nouter, at = 0, i;
    json_t *one;
    if (!dir || n < 0 || n > RANKS_MAX) return -1;
    in[nin++] = "/usr/bin/env";
    in[nin++] = "-C";
    in[nin++] = dir;
    json_array_foreach(env, i, one)
        /* Anything else env would take for an option or a program. */
        if (!json_is_string(one) || !strchr(json_string_value(one), '=') ||
            strchr("-=", *json_string_value(one))) return -1;
    if (!put_list(env, in, &nin)) return -1;
    const size_t before = nin;
    if (!put_list(json_object_get(o, "words"), in, &nin) || nin == before) return -1;
    const char **outer = peri_outside_words(t, in, nin, 0, &nouter);
    const char **w = peri_arena_calloc(t->arena, nouter + PREFIX, sizeof(*w));
    w[at++] = "srun";
    w[at++] = "--mpi=pmix";
    w[at++] = "--export=ALL";
    w[at++] = "--kill-on-bad-exit=1";
    w[at++] = "--overlap";
    w[at++] = "--input=0";
    if (n) {
        w[at++] = "-n";
        w[at++] = peri_arena_printf(t->arena, "%d", (int)n);
    }
    memcpy(w + at, outer, nouter * sizeof(*w));
    step->argv = w;
    step->path = peri_why_find("srun", "/usr/local/bin:/usr/bin:/bin", "/", t->arena);
    return step->path ? 0 : -1;
}

static _Noreturn void child(const peri_task_t *t, const step_t *step, const int *fds,
                            pid_t parent)
{
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* it ends its ranks then */
    if (getppid() != parent) _exit(125);
    for (int sig = 1; sig < NSIG; sig++) signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0) _exit(125);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    execve(step->path, (char *const *)step->argv, peri_command_bare_environ(t));
    dprintf(2, "srun: error: %s\n", strerror(errno));
    _exit(125);
}

static void answer(int fd, int status)
{
    (void)!send(fd, &status, sizeof(status), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* fds[3] is kept if it goes well. */
static void start(peri_sruns_t *s, const char *text, size_t len, int *fds)
{
    size_t i = 0;
    step_t step;
    json_t *o = json_loadb(text, len, 0, NULL);
    while (i < PERI_SRUN_MOST && s->run[i].fd >= 0) i++;
    if (i < PERI_SRUN_MOST && json_is_object(o) && read_step(s->t, o, &step) == 0) {
        const pid_t self = getpid(), pid = fork();
        if (pid == 0) child(s->t, &step, fds, self);
        if (pid > 0) {
            s->run[i].fd = fds[3];
            s->run[i].child = pid;
            fcntl(fds[3], F_SETFL, O_NONBLOCK);
            fds[3] = -1;
        }
    }
    json_decref(o);
}

static void take_request(peri_sruns_t *s)
{
    char *text = peri_xmalloc(PERI_SRUN_MESSAGE + 1);
    struct iovec iov = {text, PERI_SRUN_MESSAGE};
    union {
        char space[CMSG_SPACE(PERI_SRUN_FDS * sizeof(int))];
        struct cmsghdr align;
    } u = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = u.space,
                         .msg_controllen = sizeof(u.space)};
    int fds[PERI_SRUN_FDS] = {-1, -1, -1, -1};
    size_t nfds = 0;
    ssize_t n = recvmsg(s->shared, &msg, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (h && h->cmsg_type == SCM_RIGHTS) {
        nfds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(h),
               (nfds < PERI_SRUN_FDS ? nfds : PERI_SRUN_FDS) * sizeof(int));
    }
    if (n > 0 && nfds == PERI_SRUN_FDS && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        start(s, text, (size_t)n, fds);
    if (n == 0) { /* nobody inside has it any more */
        close(s->shared);
        s->shared = -1;
    }
    for (size_t i = 0; i < PERI_SRUN_FDS; i++)
        if (fds[i] >= 0) close(fds[i]);
    free(text);
}

static void take_signal(peri_sruns_t *s, size_t i)
{
    int sig;
    const ssize_t n = recv(s->run[i].fd, &sig, sizeof(sig), 0);
    if (n == sizeof(sig) && sig > 0 && sig < NSIG) {
        kill(s->run[i].child, sig);
    } else if (n == 0) { /* whoever asked is gone: so is what she asked for */
        kill(s->run[i].child, SIGTERM);
        close(s->run[i].fd);
        s->run[i].fd = -1;
    }
}

void peri_sruns_serve(peri_sruns_t *s, const struct pollfd *p)
{
    for (size_t i = 0; i < PERI_SRUN_MOST; i++)
        if (s->run[i].fd >= 0 && p[i + 1].revents) take_signal(s, i);
    if (s->shared >= 0 && p[0].revents) take_request(s);
}

void peri_sruns_reaped(peri_sruns_t *s, pid_t pid, int status)
{
    for (size_t i = 0; i < PERI_SRUN_MOST; i++) {
        if (s->run[i].child != pid) continue;
        if (s->run[i].fd >= 0) {
            answer(s->run[i].fd, status);
            close(s->run[i].fd);
        }
        s->run[i].fd = -1;
        s->run[i].child = 0;
    }
}

void peri_sruns_close(peri_sruns_t *s)
{
    const double until = peri_now() + END_PATIENCE;
    bool any = false;
    if (s->shared >= 0) close(s->shared);
    s->shared = -1;
    for (size_t i = 0; i < PERI_SRUN_MOST; i++)
        if (s->run[i].child > 0) {
            any = true;
            kill(s->run[i].child, SIGTERM);
        }
    while (any && peri_now() < until) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0) break;
        if (pid > 0) peri_sruns_reaped(s, pid, status);
        if (pid == 0) poll(NULL, 0, 20);
    }
    for (size_t i = 0; i < PERI_SRUN_MOST; i++) {
        if (s->run[i].child > 0) kill(s->run[i].child, SIGKILL);
        if (s->run[i].fd >= 0) close(s->run[i].fd);
    }
}
