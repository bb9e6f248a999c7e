/* pgrun.c - running PostgreSQL's programs, which refuse to be root, with the rights of
 * the user postgres when we are root. Between fork and exec only what is allowed in a
 * process with threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/store/pg.h"

#define SAID_MAX 4096

int peri_pguser_find(peri_pguser_t *u, peri_err_t *err)
{
    *u = (peri_pguser_t){.uid = geteuid(), .gid = getegid()};
    if (u->uid != 0) return 0;
    struct passwd pw, *found = NULL;
    char space[16384];
    if (getpwnam_r("postgres", &pw, space, sizeof(space), &found) || !found)
        return peri_err_set(
            err, PERI_ENOTFOUND,
            "PostgreSQL does not run as root, and there is no user "
            "\"postgres\" to run it as: install the package postgresql, or "
            "run this as another user");
    u->change = true;
    u->uid = pw.pw_uid;
    u->gid = pw.pw_gid;
    u->ngroups = (int)(sizeof(u->groups) / sizeof(u->groups[0]));
    if (getgrouplist("postgres", u->gid, u->groups, &u->ngroups) < 0) {
        u->groups[0] = u->gid;
        u->ngroups = 1;
    }
    return 0;
}

/* Of the environment only PATH: PG* variables would change where it connects, and a
 * language what it says. */
static char **environment(void)
{
    static const char standard[] = "/usr/local/bin:/usr/bin:/bin";
    char **env = peri_xcalloc(5, sizeof(*env));
    const char *path = getenv("PATH"), *tz = getenv("TZ");
    env[0] = peri_xasprintf("PATH=%s", path && *path ? path : standard);
    env[1] = peri_xstrdup("LC_ALL=C");
    env[2] = peri_xstrdup("HOME=/");
    if (tz) env[3] = peri_xasprintf("TZ=%s", tz);
    return env;
}

static _Noreturn void child(const peri_pguser_t *u, const char *const *argv, char **env,
                            int null, int out, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    umask(077);
    if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir("/"))
        _exit(126);
    close_range(3, ~0u, 0);
    if (u->change &&
        (setgroups((size_t)u->ngroups, u->groups) || setresgid(u->gid, u->gid, u->gid) ||
         setresuid(u->uid, u->uid, u->uid)))
        _exit(126);
    /* Half a start is of no use to anybody. The server itself is not our child. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent) _exit(126);
    execve(argv[0], (char *const *)argv, env);
    _exit(127);
}

static char *end_of(int fd)
{
    struct stat st;
    char *text = peri_xcalloc(1, SAID_MAX + 1);
    off_t from = fstat(fd, &st) == 0 && st.st_size > SAID_MAX ? st.st_size - SAID_MAX : 0;
    if (pread(fd, text, SAID_MAX, from) < 0) text[0] = '\0';
    return text;
}

int peri_pgrun(const peri_pguser_t *u, const char *const *argv, char **said,
               peri_err_t *err)
{
    int rc = -1, status = 0;
    char **env = environment();
    /* A file, not a pipe: the server keeps its standard error for ever. */
    int out = memfd_create("pgrun", MFD_CLOEXEC);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (said) *said = NULL;
    if (out < 0 || null < 0) {
        peri_err_set(err, PERI_EIO, "cannot run %s: %m", argv[0]);
        goto out;
    }
    pid_t self = getpid(), pid = fork();
    if (pid == 0) child(u, argv, env, null, out, self);
    if (pid < 0) {
        peri_err_set(err, PERI_EIO, "cannot run %s: %m", argv[0]);
        goto out;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127)) {
        peri_err_set(err, PERI_EIO, "cannot run %s as the user with number %u", argv[0],
                     (unsigned)u->uid);
        goto out;
    }
    if (said) *said = end_of(out);
    rc = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
out:
    if (null >= 0) close(null);
    if (out >= 0) close(out);
    for (int i = 0; env[i]; i++) free(env[i]);
    free(env);
    return rc;
}
