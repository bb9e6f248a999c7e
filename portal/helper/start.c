/* start.c - perigee-launch as a user.
 *
 * All that is asked of libraries (the user database) is asked before the fork. The child
 * shows itself its folders, gives up everything that is root's for good, and executes the
 * one program that was checked when the helper began. What goes wrong in it is said in
 * the pipe that came with the request.
 */
#include "portal/helper/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_GROUPS 65536
#define NENV       7

typedef struct {
    const peri_helper_t *h;
    const peri_helperrequest_t *r;
    const struct passwd *who;
    gid_t *groups;
    int ngroups, end_fd;
    char folder[PERI_HELPER_PATH + 512], log[PERI_HELPER_PATH + 512];
    char index[16];
    char env_text[NENV][PERI_HELPER_PATH + 512];
    char *env[NENV + 1], *argv[5];
} start_t;

/* ---- before the fork ---- */

static int read_groups(start_t *s)
{
    s->ngroups = MAX_GROUPS;
    s->groups = malloc(MAX_GROUPS * sizeof(*s->groups));
    if (!s->groups) return -1;
    if (getgrouplist(s->who->pw_name, s->who->pw_gid, s->groups, &s->ngroups) < 0) {
        errno = E2BIG;
        return -1;
    }
    /* Never: neither hers nor anybody's. */
    for (int i = 0; i < s->ngroups; i++)
        if (s->groups[i] == 0) s->groups[i] = s->who->pw_gid;
    return 0;
}

static void put_env(start_t *s, size_t *n, const char *name, const char *value)
{
    snprintf(s->env_text[*n], sizeof(s->env_text[*n]), "%s=%s", name, value);
    s->env[*n] = s->env_text[*n];
    ++*n;
}

static void make_words(start_t *s)
{
    const peri_helperask_t *a = &s->r->ask;
    char task[400];
    size_t n = 0;
    peri_helper_task(a, false, task, sizeof(task));
    snprintf(s->folder, sizeof(s->folder), "%s/%s", s->h->spool, task);
    snprintf(s->index, sizeof(s->index), "%d", a->index);
    snprintf(s->log, sizeof(s->log), "%s/launch.log", s->index);
    s->argv[n++] = (char *)(uintptr_t)s->h->launch;
    s->argv[n++] = s->folder;
    if (a->array) {
        s->argv[n++] = (char *)(uintptr_t) "--index";
        s->argv[n++] = s->index;
    }
    n = 0;
    peri_helper_task(a, true, task, sizeof(task));
    snprintf(s->env_text[n], sizeof(s->env_text[n]), "PERIGEE_FOLDER=%s/%s", s->h->spool,
             task);
    s->env[n] = s->env_text[n];
    n++;
    put_env(s, &n, "HOME", s->who->pw_dir);
    put_env(s, &n, "USER", s->who->pw_name);
    put_env(s, &n, "LOGNAME", s->who->pw_name);
    put_env(s, &n, "SHELL", *s->who->pw_shell ? s->who->pw_shell : "/bin/sh");
    put_env(s, &n, "PATH", "/usr/local/bin:/usr/bin:/bin");
    put_env(s, &n, "LANG", "C.UTF-8");
}

/* ---- in the child ---- */

static _Noreturn void give_up(const start_t *s, peri_startword_t word)
{
    const peri_startsaid_t said = {word, errno};
    (void)!write(s->end_fd, &said, sizeof(said));
    _exit(127);
}

static void default_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++) sigaction(sig, &dfl, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* For good: no bit and no way to get one. */
static int become(const start_t *s)
{
    const uid_t uid = s->who->pw_uid;
    const gid_t gid = s->who->pw_gid;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}};
    uid_t r, e, v;
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) return -1;
    if (syscall(SYS_setgroups, (size_t)s->ngroups, s->groups) ||
        setresgid(gid, gid, gid) || setresuid(uid, uid, uid) ||
        syscall(SYS_capset, &head, none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        getresuid(&r, &e, &v))
        return -1;
    errno = EPERM;
    return r == uid && e == uid && v == uid && setuid(0) != 0 && setgid(0) != 0 ? 0 : -1;
}

static _Noreturn void child(start_t *s)
{
    default_signals();
    setsid();
    umask(077);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (peri_helper_mount(s->h, s->r, s->who)) give_up(s, PERI_STARTED_MOUNT);
    if (become(s)) give_up(s, PERI_STARTED_RIGHTS);
    if (chdir(s->folder)) give_up(s, PERI_STARTED_FOLDER);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(
        s->log, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0640);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        give_up(s, PERI_STARTED_LOG);
    /* The pipe stays until exec, all else goes. */
    if (s->end_fd != 3) {
        if (dup3(s->end_fd, 3, O_CLOEXEC) < 0) give_up(s, PERI_STARTED_LOG);
        s->end_fd = 3;
    }
    if (syscall(SYS_close_range, 4u, ~0u, 0u)) give_up(s, PERI_STARTED_LOG);
    execve(s->argv[0], s->argv, s->env);
    give_up(s, PERI_STARTED_EXEC);
}

/* ---- in the helper ---- */

static int failed(peri_helperanswer_t *answer, const char *what)
{
    snprintf(answer->text, sizeof(answer->text), "%s: %s", what, strerror(errno));
    answer->code = PERI_HELPER_FAILED;
    return -1;
}

int peri_helper_start(peri_helper_t *h, const peri_helperrequest_t *r,
                      const peri_unixuser_t *who, int end_fd, peri_helperanswer_t *answer,
                      int *pidfd)
{
    int rc = -1;
    start_t *s = calloc(1, sizeof(*s));
    *pidfd = -1;
    if (!s) {
        failed(answer, "there is no memory");
        goto out;
    }
    *s = (start_t){.h = h, .r = r, .who = &who->pw, .end_fd = end_fd};
    if (h->nruns == PERI_HELPER_RUNS) {
        errno = EAGAIN;
        failed(answer, "too much runs");
        goto out;
    }
    if (read_groups(s)) {
        failed(answer, "the groups of the user cannot be read");
        goto out;
    }
    make_words(s);
    const pid_t pid = fork();
    if (pid == 0) child(s);
    if (pid < 0) {
        failed(answer, "cannot make a process");
        goto out;
    }
    /* It is not reaped before we come back: the number is its own. */
    *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    answer->pid = pid;
    answer->start = peri_helper_begin(pid);
    h->runs[h->nruns++] = (peri_helperrun_t){pid, end_fd};
    end_fd = -1;
    rc = 0;
out:
    if (end_fd >= 0) close(end_fd);
    if (s) free(s->groups);
    free(s);
    return rc;
}
