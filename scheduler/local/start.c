/* start.c - fork and exec of perigee-launch with its user's rights and a clean
 * environment.
 *
 * The daemon has threads: between fork and exec the child may only make system calls, so
 * everything it needs is prepared before, and rights are changed by bare system calls
 * (the C library's would speak to threads that are not there). What goes wrong in the
 * child comes back through a pipe that exec closes.
 *
 * The launcher gets PERIGEE_FOLDER in its environment, which all its descendants inherit:
 * by it they are found again (proc.c). Under the scheduler's lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

#define ACCOUNT_AGE  300.0 /* seconds until the user database is asked again */
#define MAX_GROUPS   65536
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

/* What the user database says of somebody. */
typedef struct peri_account {
    char *name, *home, *shell;
    gid_t gid;
    gid_t *groups;
    int ngroups;
    double read;
} account_t;

void peri_local_account_free(account_t *a)
{
    if (!a) return;
    free(a->name);
    free(a->home);
    free(a->shell);
    free(a->groups);
    free(a);
}

static void read_groups(account_t *a)
{
    for (int n = 32; n <= MAX_GROUPS; n *= 2) {
        a->groups = peri_xrealloc(a->groups, (size_t)n, sizeof(*a->groups));
        a->ngroups = n;
        if (getgrouplist(a->name, a->gid, a->groups, &a->ngroups) >= 0) return;
    }
    a->groups[0] = a->gid;
    a->ngroups = 1;
}

static account_t *account_of(peri_user_t *user, gid_t gid)
{
    const double now = peri_now();
    if (user->account && user->account->gid == gid &&
        now - user->account->read < ACCOUNT_AGE)
        return user->account;
    peri_local_account_free(user->account);
    account_t *a = user->account = peri_xcalloc(1, sizeof(*a));
    struct passwd pw, *found = NULL;
    size_t cap = 16384;
    char *text = peri_xmalloc(cap);
    while (getpwuid_r(user->uid, &pw, text, cap, &found) == ERANGE && cap < 1u << 20)
        text = peri_xrealloc(text, cap *= 2, 1);
    a->name = peri_xstrdup(found ? pw.pw_name : user->name);
    a->home = peri_xstrdup(found && pw.pw_dir[0] ? pw.pw_dir : "/");
    a->shell = peri_xstrdup(found && pw.pw_shell[0] ? pw.pw_shell : "/bin/sh");
    a->gid = gid;
    a->read = now;
    read_groups(a);
    free(text);
    return a;
}

/* ---- prepared before the fork ---- */

typedef struct {
    char **argv, **env;
    size_t nenv;
    const char *folder; /* the submission's: where it starts */
    char *log;
    const account_t *account;
    uid_t uid;
    bool change_rights;
    int err_fd;
    rlim_t max_fd;
} start_t;

static void put_env(start_t *p, const char *name, const char *value)
{
    p->env = peri_xrealloc(p->env, p->nenv + 2, sizeof(*p->env));
    p->env[p->nenv++] = peri_xasprintf("%s=%s", name, value);
    p->env[p->nenv] = NULL;
}

static void put_environment(start_t *p, const char *task_folder)
{
    static const char *const kept[] = {"LANG", "TZ", "TMPDIR", "PERIGEE_STATE",
                                       "PERIGEE_DATASETS"};
    const char *path = getenv("PATH");
    put_env(p, "PERIGEE_FOLDER", task_folder);
    put_env(p, "HOME", p->account->home);
    put_env(p, "USER", p->account->name);
    put_env(p, "LOGNAME", p->account->name);
    put_env(p, "SHELL", p->account->shell);
    put_env(p, "PATH", path ? path : PATH_DEFAULT);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (getenv(kept[i])) put_env(p, kept[i], getenv(kept[i]));
    for (char **e = environ; e && *e; e++) {
        const char *eq = strchr(*e, '=');
        if (strncmp(*e, "LC_", 3) != 0 || !eq) continue;
        char *name = peri_xasprintf("%.*s", (int)(eq - *e), *e);
        put_env(p, name, eq + 1);
        free(name);
    }
}

static void put_argv(start_t *p, const peri_task_t *t)
{
    size_t n = 0;
    while (t->sub->argv[n]) n++;
    p->argv = peri_xcalloc(n + 3, sizeof(*p->argv));
    for (size_t i = 0; i < n; i++) p->argv[i] = peri_xstrdup(t->sub->argv[i]);
    if (t->index == PERI_SCHED_NO_INDEX) return;
    p->argv[n] = peri_xstrdup("--index");
    p->argv[n + 1] = peri_xasprintf("%d", t->index);
}

static void free_list(char **list)
{
    for (char **s = list; s && *s; s++) free(*s);
    free(list);
}

/* ---- in the child: system calls only ---- */

enum { STEP_RIGHTS, STEP_FOLDER, STEP_LOG, STEP_EXEC };

typedef struct {
    int step, error;
} failure_t;

static _Noreturn void give_up(int fd, int step)
{
    failure_t f = {step, errno};
    (void)!write(fd, &f, sizeof(f));
    _exit(PERI_START_FAILED);
}

static void default_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int s = 1; s < NSIG; s++) sigaction(s, &dfl, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int become(const start_t *p)
{
    const gid_t gid = p->account->gid;
    if (!p->change_rights) return 0;
    return syscall(SYS_setgroups, (size_t)p->account->ngroups, p->account->groups) ||
                   syscall(SYS_setresgid, gid, gid, gid) ||
                   syscall(SYS_setresuid, p->uid, p->uid, p->uid)
               ? -1
               : 0;
}

static void close_others(const start_t *p)
{
    if (syscall(SYS_close_range, 4u, ~0u, 0u) == 0) return;
    for (rlim_t fd = 4; fd < p->max_fd; fd++) close((int)fd);
}

static _Noreturn void child(const start_t *p)
{
    int err = p->err_fd;
    default_signals();
    setsid();
    umask(022);
    if (become(p)) give_up(err, STEP_RIGHTS);
    if (chdir(p->folder)) give_up(err, STEP_FOLDER);
    int in = open("/dev/null", O_RDONLY);
    if (in < 0 || dup2(in, 0) < 0) give_up(err, STEP_LOG);
    /* O_NONBLOCK: should the user have put a pipe there, nobody waits for its reader. */
    int out = open(
        p->log, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0640);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) give_up(err, STEP_LOG);
    if (err != 3 && dup3(err, 3, O_CLOEXEC) == 3) err = 3;
    close_others(p);
    execve(p->argv[0], p->argv, p->env);
    give_up(err, STEP_EXEC);
}

/* ---- in the daemon ---- */

/* None of the daemon's signal handlers may run in the child. */
static pid_t fork_quietly(const start_t *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) child(p);
    int e = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = e;
    return pid;
}

static rlim_t max_fd(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur > 1u << 20) return 1u << 20;
    return lim.rlim_cur;
}

int peri_local_start(peri_run_t *r, uid_t euid, peri_err_t *err)
{
    const peri_task_t *t = r->task;
    int fd[2] = {-1, -1}, rc = -1;
    char *folder = peri_local_proc_folder(t);
    start_t p = {.folder = t->sub->folder,
                 .uid = t->sub->user->uid,
                 .err_fd = -1,
                 .max_fd = max_fd()};
    p.account = account_of(t->sub->user, t->sub->gid);
    p.change_rights = euid == 0 && (p.uid != 0 || p.account->gid != getegid());
    p.log = peri_xasprintf("%s/launch.log", folder);
    put_environment(&p, folder);
    put_argv(&p, t);
    /* Above 3: the child puts other things there first. */
    if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) ||
        (p.err_fd = fcntl(fd[1], F_DUPFD_CLOEXEC, 4)) < 0) {
        peri_err_set(err, PERI_ELIMIT, "cannot make a pipe: %s", strerror(errno));
        goto out;
    }
    r->pid = fork_quietly(&p);
    if (r->pid < 0) {
        peri_err_set(err, PERI_ELIMIT, "cannot make a process: %s", strerror(errno));
        r->pid = 0;
        goto out;
    }
    if (peri_local_proc_start(r->pid, &r->pid_start)) r->pid_start = 0;
    r->err_fd = fd[0];
    fd[0] = -1;
    rc = 0;
out:
    for (int i = 0; i < 2; i++)
        if (fd[i] >= 0) close(fd[i]);
    if (p.err_fd >= 0) close(p.err_fd);
    free_list(p.argv);
    free_list(p.env);
    free(p.log);
    free(folder);
    return rc;
}

char *peri_local_start_failure(const peri_run_t *r)
{
    const peri_sub_t *s = r->task->sub;
    failure_t f;
    if (r->helped) return NULL; /* it has said so already */
    if (r->err_fd < 0 || read(r->err_fd, &f, sizeof(f)) != sizeof(f)) return NULL;
    const char *e = strerror(f.error);
    char *folder = peri_local_proc_folder(r->task), *text;
    if (f.step == STEP_RIGHTS)
        text = peri_xasprintf("cannot get the rights of user %s: %s", s->user->name, e);
    else if (f.step == STEP_FOLDER)
        text = peri_xasprintf("cannot enter the folder %s: %s", s->folder, e);
    else if (f.step == STEP_LOG)
        text = peri_xasprintf("cannot write %s/launch.log: %s", folder, e);
    else
        text = peri_xasprintf("cannot start %s: %s", s->argv[0], e);
    free(folder);
    return text;
}
