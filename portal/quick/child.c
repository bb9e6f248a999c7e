/* child.c - see child.h. */
#include "portal/quick/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"

#define LOOK  100 /* ms between two looks at `stop` and the clock */
#define BLOCK (256 << 10)
#define GRACE 2.0 /* seconds from SIGTERM to SIGKILL */

typedef struct {
    const peri_child_t *c;
    peri_childend_t *end;
    pid_t pid;
    int pidfd, out, err; /* -1: at its end */
    double since, told;  /* told: to end, by SIGTERM; 0: not */
    char *block;
} run_t;

static void kill_it(run_t *r, peri_childwhy_t why)
{
    /* One that is told to end may still reach another limit. */
    if (r->end->why == PERI_CHILD_ENDED || r->end->why == PERI_CHILD_STOPPED)
        r->end->why = why;
    kill(-r->pid, SIGKILL);
}

/* False: nothing more comes. */
static bool read_block(const run_t *r, int fd, ssize_t *n)
{
    do *n = read(fd, r->block, BLOCK);
    while (*n < 0 && errno == EINTR);
    return *n > 0 || (*n < 0 && errno == EAGAIN);
}

static void take_output(run_t *r)
{
    peri_childend_t *e = r->end;
    ssize_t n;
    if (!read_block(r, r->out, &n)) {
        close(r->out);
        r->out = -1;
    } else if (n > 0 && (e->why == PERI_CHILD_ENDED || e->why == PERI_CHILD_STOPPED)) {
        if (e->written + (uint64_t)n > r->c->bytes) {
            kill_it(r, PERI_CHILD_TOO_MUCH);
        } else if (peri_write_all(r->c->output, r->block, (size_t)n)) {
            kill_it(r, PERI_CHILD_NO_SPACE);
        } else {
            e->written += (uint64_t)n;
            r->c->tick(r->c->arg, e->written);
        }
    }
}

/* Only the end is kept: the word is the last line. */
static void take_said(run_t *r)
{
    peri_childend_t *e = r->end;
    ssize_t got;
    if (!read_block(r, r->err, &got)) {
        close(r->err);
        r->err = -1;
        return;
    }
    if (got <= 0) return;
    size_t n = (size_t)got;
    const char *from = r->block;
    if (n > PERI_CHILD_SAID) {
        from += n - PERI_CHILD_SAID;
        n = PERI_CHILD_SAID;
    }
    const size_t most = PERI_CHILD_SAID - n, keep = e->nsaid < most ? e->nsaid : most;
    memmove(e->said, e->said + e->nsaid - keep, keep);
    memcpy(e->said + keep, from, n);
    e->nsaid = keep + n;
}

static void look_at_clock(run_t *r)
{
    const double now = peri_now();
    r->c->tick(r->c->arg, r->end->written);
    if (r->told > 0) {
        if (now > r->told + GRACE) kill_it(r, PERI_CHILD_STOPPED);
    } else if (atomic_load(r->c->stop)) {
        r->told = now;
        r->end->why = PERI_CHILD_STOPPED;
        kill(r->pid, SIGTERM);
    }
    if (now > r->since + r->c->seconds) kill_it(r, PERI_CHILD_TOO_LONG);
}

static bool has_ended(const run_t *r)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid;
}

/* All that was inside dies with it: the pipes end then. */
static void attend(run_t *r)
{
    double next = r->since + LOOK / 1e3;
    bool ended = false;
    while (!ended || r->out >= 0 || r->err >= 0) {
        struct pollfd p[] = {
            {r->out, POLLIN, 0}, {r->err, POLLIN, 0}, {ended ? -1 : r->pidfd, POLLIN, 0}};
        poll(p, 3, LOOK);
        if (p[0].revents) take_output(r);
        if (p[1].revents) take_said(r);
        if (p[2].revents || (r->pidfd < 0 && !ended)) ended = has_ended(r);
        if (peri_now() < next) continue;
        next = peri_now() + LOOK / 1e3;
        look_at_clock(r);
    }
    while (waitpid(r->pid, &r->end->status, 0) < 0 && errno == EINTR) {
    }
    r->end->seconds = peri_now() - r->since;
}

static int start(run_t *r, peri_child_t *c, const int out[2], const int err_ends[2],
                 peri_err_t *err)
{
    int error;
    bool in_dir;
    c->start.out = out[1];
    c->start.err = err_ends[1];
    r->since = peri_now();
    r->pid = peri_start(&c->start, &error, &in_dir);
    if (r->pid >= 0) return 0;
    if (error < 0)
        return peri_err_set(err, PERI_EBUSY,
                            "no process can be made just now (%m): try again in a "
                            "moment");
    return peri_err_set(err, PERI_EIO, "cannot start %s: %s", c->start.path,
                        strerror(error));
}

static void close_ends(int p[2])
{
    if (p[0] >= 0) close(p[0]);
    if (p[1] >= 0) close(p[1]);
}

int peri_child_run(peri_child_t *c, peri_childend_t *end, peri_err_t *err)
{
    int out[2] = {-1, -1}, said[2] = {-1, -1}, rc = -1;
    run_t r = {.c = c, .end = end, .pidfd = -1};
    *end = (peri_childend_t){0};
    if (pipe2(out, O_CLOEXEC) || pipe2(said, O_CLOEXEC)) {
        peri_err_set(err, PERI_EBUSY, "no descriptor is left: try again in a moment");
        goto out;
    }
    fcntl(out[0], F_SETPIPE_SZ, BLOCK);
    if (start(&r, c, out, said, err)) goto out;
    close(out[1]);
    close(said[1]);
    r.pidfd = (int)syscall(SYS_pidfd_open, r.pid, 0);
    r.out = out[0];
    r.err = said[0];
    out[0] = out[1] = said[0] = said[1] = -1;
    r.block = peri_xmalloc(BLOCK);
    end->said = peri_xmalloc(PERI_CHILD_SAID + 1);
    attend(&r);
    end->said[end->nsaid] = '\0';
    free(r.block);
    if (r.pidfd >= 0) close(r.pidfd);
    rc = 0;
out:
    close_ends(out);
    close_ends(said);
    return rc;
}
