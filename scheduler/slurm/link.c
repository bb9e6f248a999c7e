/* link.c - the one connection to Slurm: libslurm's start, its silence, its lists.
 *
 * libslurm has one configuration and one state per process, so has this file: everything
 * is behind one lock. libslurm ends the process when it dislikes its configuration;
 * therefore a child tries it first. The lists are asked for incrementally: when nothing
 * has changed, slurmctld says so and the list of before is as good as a new one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "scheduler/slurm/plugin.h"

#define QUIET 2.0 /* seconds after a silence in which nobody asks again */
/* Slurm dates a change with the beginning of the round of its scheduler that made it; who
 * asks for what came after the last answer would miss it. */
#define ROUND     15
#define FULL      60.0 /* seconds after which the list is asked for in any case */
#define TRY_LIMIT 30.0 /* for the child that tries the configuration */

static struct {
    pthread_mutex_t lock;
    bool begun; /* slurm_init was called: that is for good */
    char *conf; /* NULL: Slurm's own way */
    unsigned users;
    double silent_until;
    peri_err_t silence;
    job_info_msg_t *jobs; /* the newest list, or NULL */
    double full_at;       /* when it is too old for "nothing has changed" */
} slurm = {.lock = PTHREAD_MUTEX_INITIALIZER};

void peri_slurm_lock(void)
{
    pthread_mutex_lock(&slurm.lock);
}

void peri_slurm_unlock(void)
{
    pthread_mutex_unlock(&slurm.lock);
}

/* ---- start ---- */

/* Slurm's own plugins take libslurm's functions from the program, where they are not. */
static int show_libslurm(peri_err_t *err)
{
    Dl_info of;
    if (!dladdr((void *)(uintptr_t)slurm_init, &of) || !of.dli_fname ||
        !dlopen(of.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD))
        return peri_err_set(err, PERI_EUNSUPP, "libslurm cannot be loaded");
    return 0;
}

/* What the child said before it ended, without its "error: " and its newlines. */
static void last_words(char *s)
{
    size_t n = strlen(s);
    while (n && (s[n - 1] == '\n' || s[n - 1] == '.')) s[--n] = '\0';
    for (char *p = s; *p; p++)
        if (*p == '\n') *p = ';';
}

static _Noreturn void try_in_child(const char *conf, int out)
{
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    slurm_init(conf);
    _exit(0);
}

static int wait_for_child(pid_t pid, int in, char *said, size_t size, int *status)
{
    double end = peri_now() + TRY_LIMIT;
    size_t len = 0;
    for (;;) {
        struct pollfd p = {.fd = in, .events = POLLIN};
        double left = end - peri_now();
        if (left <= 0 || poll(&p, 1, (int)(left * 1000) + 1) == 0) {
            kill(pid, SIGKILL);
            waitpid(pid, status, 0);
            return -1;
        }
        char more[512];
        ssize_t n = read(in, more, sizeof(more));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        size_t take = (size_t)n < size - 1 - len ? (size_t)n : size - 1 - len;
        memcpy(said + len, more, take);
        len += take;
    }
    said[len] = '\0';
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
    return 0;
}

static int try_conf(const char *conf, peri_err_t *err)
{
    const char *name = conf ? conf : "slurm.conf";
    char said[512] = "";
    int fd[2], status = 0;
    if (conf && access(conf, R_OK))
        return peri_err_set(err, PERI_EINVAL, "cannot read %s: %m", conf);
    if (pipe2(fd, O_CLOEXEC))
        return peri_err_set(err, PERI_EIO, "cannot make a pipe: %m");
    pid_t pid = fork();
    if (pid == 0) try_in_child(conf, fd[1]);
    close(fd[1]);
    int rc = pid < 0 ? -1 : wait_for_child(pid, fd[0], said, sizeof(said), &status);
    close(fd[0]);
    if (pid < 0) return peri_err_set(err, PERI_EIO, "cannot start a process: %m");
    if (rc)
        return peri_err_set(err, PERI_EIO, "libslurm does not get ready with %s", name);
    if (status == 0) return 0;
    last_words(said);
    return peri_err_set(err, PERI_EINVAL, "libslurm cannot use %s: %s", name,
                        said[0] ? said : "it does not say why");
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int peri_slurm_open(const char *conf, peri_err_t *err)
{
    int rc = -1;
    peri_slurm_lock();
    if (slurm.begun && !same(conf, slurm.conf)) {
        peri_err_set(err, PERI_EUNSUPP,
                     "one process can talk to one Slurm only: it already uses %s",
                     slurm.conf ? slurm.conf : "the machine's own slurm.conf");
        goto out;
    }
    if (!slurm.begun) {
        if (show_libslurm(err) || try_conf(conf, err)) goto out;
        /* Else libslurm cuts the list of an array's tasks after 64 bytes. */
        setenv("SLURM_BITSTR_LEN", "0", 1);
        slurm_init(conf);
        slurm.begun = true;
        slurm.conf = conf ? peri_xstrdup(conf) : NULL;
    }
    slurm.users++;
    slurm.silent_until = 0;
    rc = 0;
out:
    peri_slurm_unlock();
    return rc;
}

/* slurm_fini would make a second slurm_init necessary, which libslurm does not survive in
 * all versions: the configuration stays until the process ends. */
void peri_slurm_close(void)
{
    peri_slurm_lock();
    if (--slurm.users == 0) {
        slurm_free_job_info_msg(slurm.jobs);
        slurm.jobs = NULL;
    }
    peri_slurm_unlock();
}

/* ---- silence ---- */

int peri_slurm_ready(peri_err_t *err)
{
    if (peri_now() >= slurm.silent_until) return 0;
    if (err) *err = slurm.silence;
    return -1;
}

static bool is_silence(int error)
{
    return error < 1000 || /* the system's own: nobody there */
           (error >= SLURM_UNEXPECTED_MSG_ERROR &&
            error <= SLURM_COMMUNICATIONS_MISSING_SOCKET_ERROR) ||
           (error >= SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR &&
            error <= SLURMCTLD_COMMUNICATIONS_SHUTDOWN_ERROR) ||
           (error >= SLURM_PROTOCOL_SOCKET_IMPL_ZERO_RECV_LENGTH &&
            error <= ESLURM_AUTH_UNPACK);
}

int peri_slurm_silence(peri_err_t *err)
{
    int e = slurm_get_errno();
    peri_err_t why;
    peri_err_set(&why, PERI_EIO, "Slurm does not answer (%s): asked again later",
                 slurm_strerror(e));
    if (is_silence(e)) {
        slurm.silence = why;
        slurm.silent_until = peri_now() + QUIET;
    }
    if (err) *err = why;
    return -1;
}

/* ---- lists ---- */

int peri_slurm_jobs(bool all, const job_info_msg_t **jobs, peri_err_t *err)
{
    if (peri_slurm_ready(err)) return -1;
    job_info_msg_t *list = NULL;
    bool old = !slurm.jobs || all || peri_now() >= slurm.full_at;
    time_t since = old ? 0 : slurm.jobs->last_update - ROUND;
    if (slurm_load_jobs(since, &list, SHOW_ALL | SHOW_DETAIL | SHOW_LOCAL) == 0) {
        slurm_free_job_info_msg(slurm.jobs);
        slurm.jobs = list;
        slurm.full_at = peri_now() + FULL;
    } else if (!since || slurm_get_errno() != SLURM_NO_CHANGE_IN_DATA) {
        return peri_slurm_silence(err);
    }
    *jobs = slurm.jobs;
    return 0;
}

job_info_msg_t *peri_slurm_jobs_take(void)
{
    job_info_msg_t *jobs = slurm.jobs;
    slurm.jobs = NULL;
    return jobs;
}

void peri_slurm_jobs_give(job_info_msg_t *jobs)
{
    if (!jobs) return;
    if (!slurm.jobs || slurm.jobs->last_update < jobs->last_update) {
        slurm_free_job_info_msg(slurm.jobs);
        slurm.jobs = jobs;
    } else {
        slurm_free_job_info_msg(jobs);
    }
}

int peri_slurm_nodes(node_info_msg_t **nodes, peri_err_t *err)
{
    if (peri_slurm_ready(err)) return -1;
    *nodes = NULL;
    return slurm_load_node(0, nodes, SHOW_ALL | SHOW_MIXED) ? peri_slurm_silence(err) : 0;
}
