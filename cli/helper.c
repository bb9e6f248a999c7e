/* helper.c - see helper.h. */
#include "cli/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/front/rights.h"
#include "portal/helper/client.h"

#define READY_TIME 10.0
#define STEP_US    20000
#define LOG_MAX    (16 << 20) /* a larger one is put aside */

static const char *service(const peri_config_t *c)
{
    return c->user ? c->user : PERI_RIGHTS_USER;
}

/* What is in it decides whom jobs may run as: only root may change it. */
static int check_config(const peri_config_t *c, peri_err_t *err)
{
    char path[PATH_MAX];
    struct stat st;
    if (!c->source) return 0;
    snprintf(path, sizeof(path), "%s", c->source);
    for (;;) {
        if (lstat(path, &st))
            return peri_err_set(err, PERI_EIO, "cannot look at %s: %m", path);
        if (st.st_uid != 0 || ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)))
            return peri_err_set(
                err, PERI_EDENIED,
                "with \"identity: unix\" the configuration %s must be root's alone, and "
                "so "
                "must the folders on its way, but %s is not: put it in /etc/perigee",
                c->source, path);
        char *slash = strrchr(path, '/');
        if (!slash || !strcmp(path, "/")) return 0;
        slash[slash == path] = '\0';
    }
}

/* ---- the process ---- */

/* In the service user's folder, so as that user: no link there leads root anywhere. */
static int open_log(const peri_config_t *c, const struct passwd *pw)
{
    char *path = peri_xasprintf("%s/helper.log", c->state);
    char *old = peri_xasprintf("%s.1", path);
    struct stat st;
    int fd = -1;
    if (setegid(pw->pw_gid) || seteuid(pw->pw_uid)) _exit(126);
    if (lstat(path, &st) == 0 && st.st_size > LOG_MAX) (void)rename(path, old);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
              0600);
    if (seteuid(0) || setegid(0)) _exit(126);
    free(old);
    free(path);
    return fd;
}

static _Noreturn void be_helper(const peri_config_t *c, int go, bool detach)
{
    char one, least[24];
    sigset_t none;
    char *program = peri_xasprintf("%s/perigee-helper", c->bin);
    char *launch = peri_xasprintf("%s/perigee-launch", c->bin);
    char *socket = peri_helper_socket(c);
    if (detach) setsid();
    if (read(go, &one, 1) != 1) _exit(0);
    const struct passwd *pw = getpwnam(service(c));
    int in = open("/dev/null", O_RDWR | O_CLOEXEC);
    int log = detach && pw ? open_log(c, pw) : -1;
    if (in >= 0) dup2(in, STDIN_FILENO);
    if (detach) dup2(log >= 0 ? log : in, STDERR_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    syscall(SYS_close_range, 3, ~0u, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(least, sizeof(least), "%u", (unsigned)c->identity_least);
    const char *argv[] = {program,
                          "--service",
                          service(c),
                          "--socket",
                          socket,
                          "--spool",
                          c->spool,
                          "--volumes",
                          c->storage.folder,
                          "--launch",
                          launch,
                          "--min-uid",
                          least,
                          c->identity_group ? "--group" : NULL,
                          c->identity_group,
                          NULL};
    char *const env[] = {NULL};
    execve(program, (char *const *)(uintptr_t)argv, env);
    dprintf(STDERR_FILENO, "perigee: cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

int peri_helping_prepare(const peri_config_t *c, bool detach, peri_helping_t *h,
                         peri_err_t *err)
{
    int fd[2];
    *h = (peri_helping_t){0};
    if (c->identity != PERI_IDENTITY_UNIX || geteuid() != 0) return 0;
    if (!getpwnam(service(c)))
        return peri_err_set(
            err, PERI_EDENIED,
            "\"identity: unix\" needs a user for perigee itself, and there "
            "is no \"%.64s\": useradd --system --user-group --home-dir %s "
            "--shell /usr/sbin/nologin %.64s",
            service(c), c->state, service(c));
    if (check_config(c, err)) return -1;
    if (pipe2(fd, O_CLOEXEC))
        return peri_err_set(err, PERI_EIO, "cannot make a pipe: %m");
    fflush(NULL);
    h->pid = fork();
    if (h->pid == 0) {
        close(fd[1]);
        be_helper(c, fd[0], detach);
    }
    close(fd[0]);
    h->go = fd[1];
    if (h->pid > 0) return 0;
    close(fd[1]);
    *h = (peri_helping_t){0};
    return peri_err_set(err, PERI_EIO, "cannot make a process: %m");
}

void peri_helping_drop(peri_helping_t *h)
{
    if (!h->pid || h->go < 0) return;
    close(h->go);
    h->go = -1;
    while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    h->pid = 0;
}

int peri_helping_begin(const peri_config_t *c, peri_helping_t *h, peri_err_t *err)
{
    int status;
    if (c->identity != PERI_IDENTITY_UNIX) return 0;
    if (geteuid() == 0)
        return peri_err_set(err, PERI_EDENIED,
                            "with \"identity: unix\" perigee runs as the user \"%.64s\", "
                            "but its state folder %s is root's: perigee down && chown -R "
                            "%.64s: %s",
                            service(c), c->state, service(c), c->state);
    char *socket = peri_helper_socket(c);
    int rc = peri_helper_ping(socket, err);
    if (rc == 0) {
        peri_helping_drop(h);
    } else if (!h->pid) {
        peri_err_set(
            err, PERI_EDENIED,
            "\"identity: unix\" needs perigee-helper, which only root can start: "
            "run 'perigee up' as root");
    } else {
        if (write(h->go, "x", 1) != 1)
            peri_err_set(err, PERI_EIO, "perigee-helper cannot be started: %m");
        close(h->go);
        h->go = -1;
        for (double end = peri_now() + READY_TIME; rc && peri_now() < end;) {
            if ((rc = peri_helper_ping(socket, err)) == 0) break;
            if (waitpid(h->pid, &status, WNOHANG) == h->pid) {
                h->pid = 0;
                peri_err_set(
                    err, PERI_EDENIED,
                    "perigee-helper ended at its start: the end of %s/helper.log "
                    "says why",
                    c->state);
                break;
            }
            usleep(STEP_US);
        }
    }
    free(socket);
    return rc;
}

void peri_helping_stop(const peri_config_t *c)
{
    char *socket = peri_helper_socket(c);
    if (access(socket, F_OK) == 0) (void)peri_helper_stop(socket, NULL);
    free(socket);
}
