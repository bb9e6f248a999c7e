/* serve.c - the socket of perigee-helper: one request after the other, each a packet with
 * an answer. Nobody but the service user is heard. Whether it is perigeed that asks is
 * not looked at: all processes of one user can become each other (ptrace).
 */
#include "portal/helper/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 2 /* seconds for a packet to come */
#define FDS_MAX  4

typedef struct {
    char data[PERI_HELPER_MAX + 1];
    size_t len;
    int fd[FDS_MAX];
    size_t nfd;
    peri_helperrequest_t r;
    peri_unixuser_t who;
    peri_helperanswer_t answer;
    int pidfd;
} talk_t;

/* ---- packets ---- */

static void take_fds(talk_t *t, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n && t->nfd < FDS_MAX; i++)
            memcpy(&t->fd[t->nfd++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
    }
}

static int receive(int s, talk_t *t)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec io = {t->data, sizeof(t->data)};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);
    if (n <= 0) return -1;
    t->len = (size_t)n;
    take_fds(t, &m);
    return m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? 1 : 0;
}

static void reply(int s, talk_t *t)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec io = {&t->answer, sizeof(t->answer)};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (t->pidfd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &t->pidfd, sizeof(int));
    }
    (void)sendmsg(s, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- what is asked ---- */

static void refuse(talk_t *t, const char *why)
{
    t->answer.code = PERI_HELPER_REFUSED;
    snprintf(t->answer.text, sizeof(t->answer.text), "%s", why);
}

static bool is_pipe(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void do_start(peri_helper_t *h, talk_t *t)
{
    if (t->nfd != 1 || !is_pipe(t->fd[0])) {
        refuse(t, "a start comes with one pipe");
        return;
    }
    const int end_fd = t->fd[0];
    t->nfd = 0;
    (void)peri_helper_start(h, &t->r, &t->who, end_fd, &t->answer, &t->pidfd);
}

static void do_kill(const peri_helper_t *h, talk_t *t)
{
    pid_t first;
    t->answer.found = peri_helper_kill(h, &t->r.ask, t->who.pw.pw_uid, &first);
    t->answer.pid = first;
    if (t->answer.found >= 0) return;
    t->answer.code = PERI_HELPER_FAILED;
    snprintf(t->answer.text, sizeof(t->answer.text), "/proc cannot be read");
}

static void log_it(const talk_t *t, bool known)
{
    static const char *const verbs[] = {"", "ping", "start", "kill", "stop"};
    static const char *const codes[] = {"done", "refused", "failed"};
    const peri_helperask_t *a = &t->r.ask;
    const char *code = codes[t->answer.code];
    if (known && a->verb == PERI_HELPER_PING) return;
    if (!known)
        peri_helper_log("request of %zu bytes: %s: %s", t->len, code, t->answer.text);
    else if (a->verb == PERI_HELPER_STOP)
        peri_helper_log("stop: %s", code);
    else if (a->verb == PERI_HELPER_KILL && (a->signal || t->answer.code))
        peri_helper_log("kill user=%s job=%s/%s/%d/%d signal=%d pid=%d: %s found=%d%s%s",
                        a->user, a->uuid, a->step, a->attempt, a->index, a->signal,
                        a->pid, code, t->answer.found, *t->answer.text ? ": " : "",
                        t->answer.text);
    else if (a->verb == PERI_HELPER_START)
        peri_helper_log(
            "%s user=%s uid=%d job=%s/%s/%d/%d folders=%u pid=%d: %s%s%s", verbs[a->verb],
            a->user, t->answer.code == PERI_HELPER_REFUSED ? -1 : (int)t->who.pw.pw_uid,
            a->uuid, a->step, a->attempt, a->index, a->nmounts, t->answer.pid, code,
            *t->answer.text ? ": " : "", t->answer.text);
}

/* False: it was told to end. */
static bool answer(peri_helper_t *h, talk_t *t, bool whole)
{
    char text[256];
    bool gone = false;
    const char *why =
        whole ? peri_helper_parse(t->data, t->len, &t->r) : "the request is too large";
    const bool known = !why;
    const uint32_t verb = t->r.ask.verb;
    if (!why && verb != PERI_HELPER_START && t->nfd) why = "nothing to hand over here";
    if (!why && (verb == PERI_HELPER_START || verb == PERI_HELPER_KILL))
        why =
            peri_user_find(t->r.ask.user, &h->rules, &t->who, text, sizeof(text), &gone);
    if (why) {
        refuse(t, why);
        if (gone) t->answer.code = PERI_HELPER_FAILED;
    } else if (verb == PERI_HELPER_START) {
        do_start(h, t);
    } else if (verb == PERI_HELPER_KILL) {
        do_kill(h, t);
    }
    log_it(t, known);
    return !known || why || verb != PERI_HELPER_STOP;
}

static bool is_service(const peri_helper_t *h, int s)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);
    if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &n)) return false;
    if (peer.uid == h->service.pw_uid) return true;
    peri_helper_log("uid %u (pid %d) is not heard", (unsigned)peer.uid, (int)peer.pid);
    return false;
}

static bool talk(peri_helper_t *h, int s)
{
    static talk_t t; /* large, and only one at a time */
    const struct timeval patience = {.tv_sec = PATIENCE};
    bool on = true;
    t.nfd = t.len = 0;
    t.pidfd = -1;
    memset(&t.answer, 0, sizeof(t.answer));
    memset(&t.r.ask, 0, sizeof(t.r.ask));
    t.answer.magic = PERI_HELPER_MAGIC;
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const int got = is_service(h, s) ? receive(s, &t) : -1;
    if (got >= 0) {
        on = answer(h, &t, got == 0);
        reply(s, &t);
    }
    for (size_t i = 0; i < t.nfd; i++) close(t.fd[i]);
    if (t.pidfd >= 0) close(t.pidfd);
    return on;
}

/* ---- ends ---- */

static void reap(peri_helper_t *h)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        const bool by_signal = WIFSIGNALED(status);
        const int value = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
        const peri_startsaid_t said = {
            by_signal ? PERI_STARTED_KILLED : PERI_STARTED_EXITED, value};
        size_t i = 0;
        while (i < h->nruns && h->runs[i].pid != pid) i++;
        if (i == h->nruns) continue;
        /* Its reader may have gone: it finds what it needs in the task's folder. */
        (void)!write(h->runs[i].end_fd, &said, sizeof(said));
        close(h->runs[i].end_fd);
        h->runs[i] = h->runs[--h->nruns];
        peri_helper_log("pid %d has ended, %s %d", (int)pid,
                        by_signal ? "signal" : "status", value);
    }
}

int peri_helper_serve(peri_helper_t *h, int listener)
{
    sigset_t set;
    bool on = true;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    while (on && signals >= 0) {
        struct signalfd_siginfo info;
        struct pollfd p[] = {{listener, POLLIN, 0}, {signals, POLLIN, 0}};
        if (poll(p, 2, -1) < 0 && errno != EINTR) break;
        while (read(signals, &info, sizeof(info)) == sizeof(info))
            if (info.ssi_signo != SIGCHLD) on = false;
        reap(h);
        if (!on || !(p[0].revents & POLLIN)) continue;
        int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (s < 0) continue;
        on = talk(h, s);
        close(s);
    }
    return on; /* not asked to end */
}
