/* spawn.c - see spawn.h. The program gets a process group, so that all of it can be
 * killed.
 */
#include "cli/spawn.h"

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

char *peri_find_program(const char *name)
{
    const char *p = getenv("PATH");
    while (p && *p) {
        size_t n = strcspn(p, ":");
        char *path = peri_xasprintf("%.*s/%s", (int)n, p, name);
        if (n && access(path, X_OK) == 0) return path;
        free(path);
        p += n + (p[n] == ':');
    }
    return NULL;
}

static _Noreturn void exec_child(const char *const *argv, int out)
{
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in >= 0) dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* False when the time is over. */
static bool read_all(int fd, double until, peri_buf_t *out)
{
    char chunk[4096];
    for (;;) {
        double left = until - peri_now();
        if (left <= 0) return false;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)(left * 1000) + 1) < 0 && errno != EINTR) return false;
        if (!p.revents) continue;
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return true;
        if (out->len + (size_t)n <= out->max) peri_buf_append(out, chunk, (size_t)n);
    }
}

int peri_spawn(const char *const *argv, double seconds, peri_buf_t *out, peri_err_t *err)
{
    int fd[2], status = 0;
    if (pipe2(fd, O_CLOEXEC))
        return peri_err_set(err, PERI_EIO, "cannot make a pipe: %m");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) exec_child(argv, fd[1]);
    close(fd[1]);
    if (pid < 0) {
        close(fd[0]);
        return peri_err_set(err, PERI_EIO, "cannot start %s: %m", argv[0]);
    }
    double until = peri_now() + seconds;
    bool over = read_all(fd[0], until, out);
    close(fd[0]);
    while (over && waitpid(pid, &status, WNOHANG) == 0) {
        over = peri_now() < until;
        usleep(5000);
    }
    if (!over) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return peri_err_set(err, PERI_ELIMIT, "%s did not end in %.0f seconds", argv[0],
                            seconds);
    }
    if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
    if (WEXITSTATUS(status) != 127) return WEXITSTATUS(status);
    return peri_err_set(err, PERI_ENOTFOUND, "cannot start %s", argv[0]);
}
