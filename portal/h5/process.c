/* process.c - see process.h. */
#include "portal/h5/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/h5/view/status.h"

#define LOOK          50 /* ms between two looks at `stop` */
#define FILE_IN_CHILD 3
#define ABOVE         10 /* descriptors that are moved never meet their targets */

/* A file in memory, out of the way of 0 to 3. */
static int memory(const char *name, const char *text)
{
    const int low = memfd_create(name, MFD_CLOEXEC);
    const int fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, ABOVE);
    if (low >= 0) close(low);
    if (fd < 0 || !text) return fd;
    const size_t n = strlen(text);
    if (write(fd, text, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0) return fd;
    close(fd);
    return -1;
}

static int spawn(const char *program, int question, int answer, int file, pid_t *pid)
{
    char fd[8] = {'0' + FILE_IN_CHILD};
    char *const argv[] = {(char *)program, fd, NULL}, *const none[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all, empty;
    sigfillset(&all);
    sigemptyset(&empty);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &empty);
    posix_spawn_file_actions_adddup2(&actions, question, 0);
    posix_spawn_file_actions_adddup2(&actions, answer, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, file, FILE_IN_CHILD);
    const int rc = posix_spawn(pid, program, &actions, &attr, argv, none);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return rc;
}

typedef enum { ENDED, TOO_LONG, STOPPED } end_t;

static end_t await(pid_t pid, const peri_h5process_t *p, int *status)
{
    const double until = peri_now() + p->seconds;
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    end_t end = ENDED;
    struct pollfd look = {fd, POLLIN, 0};
    while (fd < 0 || poll(&look, 1, LOOK) <= 0) {
        /* A kernel without pidfd, or none left. */
        if (fd < 0) poll(NULL, 0, 1);
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid)
            break;
        if (atomic_load(p->stop))
            end = STOPPED;
        else if (peri_now() > until)
            end = TOO_LONG;
        if (end != ENDED) {
            kill(pid, SIGKILL);
            break;
        }
    }
    if (fd >= 0) close(fd);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
    return end;
}

/* What it wrote instead of an answer. */
static int said(int answer, int code, peri_err_t *err)
{
    char text[sizeof(err->text)] = "";
    const ssize_t n = pread(answer, text, sizeof(text) - 1, 0);
    if (n <= 0 || code <= PERI_OK || code > PERI_EINTERNAL ||
        !peri_utf8_valid(text, (size_t)n))
        return peri_err_set(err, PERI_EINTERNAL, "the file could not be looked into");
    return peri_err_set(err, (peri_code_t)code, "%s", text);
}

static int judge(end_t end, int status, int answer, double seconds, peri_err_t *err)
{
    const int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (end == STOPPED) return peri_err_set(err, PERI_EBUSY, "it was stopped: ask again");
    if (end == TOO_LONG || sig == SIGALRM || sig == SIGXCPU)
        return peri_err_set(err, PERI_ELIMIT,
                            "it took longer than %g seconds: select less of the dataset",
                            seconds);
    if (sig == SIGXFSZ)
        return peri_err_set(err, PERI_ELIMIT, "the answer is too large: select less");
    if (sig == SIGABRT)
        return peri_err_set(err, PERI_ELIMIT,
                            "it needs more memory than is given: select less of the "
                            "dataset, if the file is not damaged");
    if (sig)
        return peri_err_set(err, PERI_EFORMAT,
                            "the file is damaged: the HDF5 library crashed on it");
    if (WEXITSTATUS(status) == 0) return 0;
    return said(answer, WEXITSTATUS(status) - PERI_H5VIEW_STATUS, err);
}

int peri_h5process_run(const peri_h5process_t *p, int *answer, uint64_t *size,
                       peri_err_t *err)
{
    pid_t pid;
    int status = 0, rc = -1;
    const int question = memory("h5-question", p->question);
    const int file = fcntl(p->file, F_DUPFD_CLOEXEC, ABOVE);
    *answer = memory("h5-answer", NULL);
    if (question < 0 || file < 0 || *answer < 0) {
        peri_err_set(err, PERI_EBUSY, "no descriptor is left: try again in a moment");
        goto out;
    }
    const int failed = spawn(p->program, question, *answer, file, &pid);
    if (failed) {
        peri_err_set(err, PERI_EIO, "cannot start %s: %s", p->program, strerror(failed));
        goto out;
    }
    const end_t end = await(pid, p, &status);
    rc = judge(end, status, *answer, p->seconds, err);
    const off_t n = rc ? 0 : lseek(*answer, 0, SEEK_END);
    *size = n > 0 ? (uint64_t)n : 0;
out:
    if (question >= 0) close(question);
    if (file >= 0) close(file);
    if (rc && *answer >= 0) {
        close(*answer);
        *answer = -1;
    }
    return rc;
}
