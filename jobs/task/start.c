/* start.c - see start.h. What the child calls is safe while other threads hold locks. */
#include "jobs/task/start.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"

typedef struct {
    int error;
    bool in_dir;
} report_t;

static void reset_signals(void)
{
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++) signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int wire(const peri_start_t *s)
{
    const int in = s->in >= 0 ? s->in : open("/dev/null", O_RDONLY);
    if (in < 0 || dup2(in, 0) < 0 || dup2(s->out, 1) < 0 || dup2(s->err, 2) < 0)
        return -1;
    /* Whatever the scheduler has left open is not the program's. */
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    if (s->keep >= 0) fcntl(s->keep, F_SETFD, 0);
    return 0;
}

static void limit(const peri_startlimit_t *l)
{
    struct rlimit r;
    if (getrlimit(l->what, &r)) return;
    if (r.rlim_cur > l->max) r.rlim_cur = l->max;
    if (l->hard && r.rlim_max > l->max) r.rlim_max = l->max;
    setrlimit(l->what, &r);
}

static void child(const peri_start_t *s, pid_t parent, int tell)
{
    report_t r = {0};
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(125);
    if (s->cgroup >= 0) (void)!write(s->cgroup, "0", 1);
    for (size_t i = 0; i < s->nlimits; i++) limit(&s->limits[i]);
    reset_signals();
    if (wire(s) == 0) {
        r.in_dir = chdir(s->dir) != 0;
        if (!r.in_dir) execve(s->path, s->argv, s->envp);
    }
    r.error = errno;
    (void)!peri_write_all(tell, &r, sizeof(r));
    _exit(125);
}

pid_t peri_start(const peri_start_t *s, int *error, bool *in_dir)
{
    int ends[2];
    report_t r;
    *error = -1;
    *in_dir = false;
    if (pipe2(ends, O_CLOEXEC)) return -1;
    const pid_t self = getpid(), pid = fork();
    if (pid == 0) child(s, self, ends[1]);
    const int e = errno;
    close(ends[1]);
    if (pid > 0) {
        setpgid(pid, pid);
        ssize_t n;
        do n = read(ends[0], &r, sizeof(r));
        while (n < 0 && errno == EINTR);
        close(ends[0]);
        if (n != sizeof(r)) return pid;
        *error = r.error;
        *in_dir = r.in_dir;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        return -1;
    }
    close(ends[0]);
    errno = e;
    return -1;
}
