/* probe.c - can this machine make a sandbox? If not: what is missing, in one sentence. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/sandbox/sandbox.h"
#include "jobs/task/io.h"
#include "jobs/task/text.h"

enum { SHOWN = 200, PATIENCE = 20000 /* ms */ };

char *peri_sandbox_bwrap(peri_err_t *err)
{
    /* Not by PATH: who sets that would choose the walls. */
    static const char *const paths[] = {"/usr/bin/bwrap", "/usr/local/bin/bwrap",
                                        "/bin/bwrap"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        if (access(paths[i], X_OK) == 0) return peri_xstrdup(paths[i]);
    peri_err_set(
        err, PERI_ENOTFOUND,
        "bubblewrap, which makes the sandbox of a job, is not installed: apt-get "
        "install bubblewrap");
    return NULL;
}

static bool holds_zero(const char *path)
{
    char text[32];
    return peri_read_small(AT_FDCWD, path, text, sizeof(text)) > 0 && atol(text) == 0;
}

/* Why this kernel does not let us, if it says so. */
static const char *forbidden(void)
{
    if (access("/proc/self/ns/user", F_OK)) return "this kernel has no user namespaces";
    if (holds_zero("/proc/sys/user/max_user_namespaces"))
        return "user namespaces are switched off: sysctl user.max_user_namespaces=15000";
    if (geteuid() && holds_zero("/proc/sys/kernel/unprivileged_userns_clone"))
        return "user namespaces are for root only: sysctl "
               "kernel.unprivileged_userns_clone=1";
    char text[32];
    if (geteuid() &&
        peri_read_small(AT_FDCWD,
                        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", text,
                        sizeof(text)) > 0 &&
        atol(text) == 1)
        return "AppArmor forbids user namespaces: give /usr/bin/bwrap a profile that "
               "allows userns";
    return NULL;
}

static _Noreturn void child(const char *bwrap, int errors)
{
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, 0);
    if (null >= 0) dup2(null, 1);
    dup2(errors, 2);
    char *const none[] = {NULL};
    char *const argv[] = {(char *)bwrap,
                          "--unshare-user",
                          "--unshare-pid",
                          "--unshare-net",
                          "--unshare-ipc",
                          "--unshare-uts",
                          "--die-with-parent",
                          "--new-session",
                          "--cap-drop",
                          "ALL",
                          "--ro-bind",
                          "/",
                          "/",
                          "--proc",
                          "/proc",
                          "--dev",
                          "/dev",
                          "--tmpfs",
                          "/tmp",
                          "--",
                          "/usr/bin/true",
                          NULL};
    execve(bwrap, argv, none);
    dprintf(2, "%s: %s\n", bwrap, strerror(errno));
    _exit(127);
}

/* Its status, with the end of what it says; -1: it does not end. */
static int await(pid_t pid, int errors, char *text, size_t size)
{
    const double until = peri_now() + PATIENCE / 1000.0;
    size_t len = 0;
    int status = -1;
    for (;;) {
        struct pollfd p = {errors, POLLIN, 0};
        if (poll(&p, 1, 100) > 0) {
            char more[512];
            ssize_t n = read(errors, more, sizeof(more));
            if (n <= 0) break;
            for (ssize_t i = 0; i < n && len + 1 < size; i++) text[len++] = more[i];
        }
        if (peri_now() > until) {
            kill(pid, SIGKILL);
            break;
        }
    }
    text[len] = '\0';
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return peri_now() > until ? -1 : status;
}

int peri_sandbox_probe(peri_err_t *err)
{
    char said[512], shown[SHOWN + 1];
    int ends[2];
    char *bwrap = peri_sandbox_bwrap(err);
    if (!bwrap) return -1;
    if (pipe2(ends, O_CLOEXEC)) {
        free(bwrap);
        return peri_err_set(err, PERI_EIO, "cannot make a pipe: %m");
    }
    pid_t pid = fork();
    if (pid == 0) child(bwrap, ends[1]);
    const int e = errno;
    close(ends[1]);
    free(bwrap);
    if (pid < 0) {
        close(ends[0]);
        return peri_err_set(err, PERI_EIO, "cannot make a process: %s", strerror(e));
    }
    const int status = await(pid, ends[0], said, sizeof(said));
    close(ends[0]);
    if (status == 0) return 0;
    const char *why = forbidden();
    peri_text_clean(said, strcspn(said, "\n"), shown, SHOWN);
    return peri_err_set(err, PERI_EDENIED, "a sandbox cannot be made on this machine: %s",
                        why      ? why
                        : *shown ? shown
                                 : "bubblewrap does not say why");
}
