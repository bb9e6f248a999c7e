/* daemon.c - see daemon.h. */
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/spawn.h"
#include "core/base/hash.h"
#include "core/base/util.h"
#include "portal/front/rights.h"

#define READY_TIME 60.0
#define STOP_TIME  30.0
#define RENEW_TIME 30.0
#define CHECK_TIME 30.0
#define STEP_US    20000
#define LOG_MAX    (16 << 20) /* a larger one is put aside at the next start */
#define TAIL_BYTES 4096
#define TAIL_LINES 15
#define CONFIG_MAX (1u << 20)

/* ---- is it there? ---- */

/* flock() has no way to look but to try; who calls holds the lock of `up`, so that no
 * perigeed starts at this moment and finds its file taken. */
static bool is_locked(int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB)) return errno == EWOULDBLOCK;
    flock(fd, LOCK_UN);
    return false;
}

/* 0: there is none in it. */
static pid_t pid_in(int fd)
{
    char s[32];
    ssize_t n = pread(fd, s, sizeof(s) - 1, 0);
    if (n <= 0) return 0;
    s[n] = '\0';
    char *end;
    long pid = strtol(s, &end, 10);
    return end != s && pid > 1 && pid < 0x7fffffff ? (pid_t)pid : 0;
}

/* The pidfile if it is locked, else -1 (err untouched: it does not run). */
static int open_locked(const peri_config_t *conf, peri_err_t *err)
{
    int fd = open(conf->pidfile, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                         "cannot open %s: %m", conf->pidfile);
        return -1;
    }
    if (is_locked(fd)) return fd;
    close(fd);
    return -1;
}

int peri_daemon_look(const peri_config_t *conf, peri_daemon_t *d, peri_err_t *err)
{
    peri_err_t why = {0};
    *d = (peri_daemon_t){0};
    int fd = open_locked(conf, &why);
    if (fd >= 0) {
        *d = (peri_daemon_t){.running = true, .pid = pid_in(fd)};
        close(fd);
    }
    if (why.code == PERI_OK) return 0;
    return peri_err_set(err, why.code, "%s", why.text);
}

/* Root may have looked (`status`) before the folder was given to who runs it: its file is
 * empty, and in a folder of ours. */
static int open_lock(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EACCES && lstat(path, &st) == 0 && st.st_uid == 0 &&
        unlink(path) == 0)
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd;
}

/* One that `perigee up` has detached leads a session; a child in the foreground is in its
 * parent's, and loses it only if that dies. */
bool peri_daemon_orphaned(const peri_daemon_t *d)
{
    char path[64], name[32] = "";
    char *text = NULL;
    pid_t parent = 0;
    if (!d->pid || getsid(d->pid) == d->pid) return false;
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)d->pid);
    if (peri_file_slurp(path, 4096, &text, NULL, NULL) == 0) {
        const char *p = strrchr(text, ')'); /* ") STATE PARENT ..." */
        if (p && strlen(p) > 4) parent = (pid_t)strtol(p + 4, NULL, 10);
    }
    free(text);
    if (parent <= 1) return parent == 1;
    snprintf(path, sizeof(path), "/proc/%ld/comm", (long)parent);
    text = NULL;
    if (peri_file_slurp(path, 64, &text, NULL, NULL) == 0)
        snprintf(name, sizeof(name), "%s", text);
    free(text);
    return strcmp(name, "perigee\n") != 0;
}

int peri_daemon_lock(const peri_config_t *conf, double seconds, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/up.lock", conf->state);
    int fd = open_lock(path);
    if (fd < 0)
        peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO, "cannot open %s: %m",
                     path);
    for (double end = peri_now() + seconds; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB);) {
        if (errno == EINTR || (errno == EWOULDBLOCK && peri_now() < end)) {
            usleep(STEP_US);
            continue;
        }
        if (errno == EWOULDBLOCK)
            peri_err_set(
                err, PERI_ELIMIT,
                "another 'perigee up' or 'perigee down' is at work (it holds %s)", path);
        else
            peri_err_set(err, PERI_EIO, "cannot lock %s: %m", path);
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

int peri_daemon_folder(const peri_config_t *conf, peri_err_t *err)
{
    /* Jobs of other users are in it. */
    mode_t mode = geteuid() == 0 || conf->identity == PERI_IDENTITY_UNIX ? 0711 : 0700;
    struct stat st;
    if (peri_mkdirs(conf->state, err)) return -1;
    if (stat(conf->state, &st))
        return peri_err_set(err, PERI_EIO, "cannot look at %s: %m", conf->state);
    if (st.st_uid != geteuid())
        return peri_err_set(err, PERI_EDENIED,
                            "the state folder %s belongs to another user (uid %u): name "
                            "your own with 'state' in the configuration or with "
                            "PERIGEE_STATE",
                            conf->state, (unsigned)st.st_uid);
    if (st.st_mode & (S_ISVTX | S_IWOTH))
        return peri_err_set(
            err, PERI_EDENIED,
            "the state folder %s is open to everybody: use a folder of its "
            "own",
            conf->state);
    if ((st.st_mode & 0777) != mode && chmod(conf->state, mode))
        return peri_err_set(err, PERI_EIO, "cannot change the rights of %s: %m",
                            conf->state);
    return 0;
}

int peri_daemon_check(const peri_config_t *conf, peri_err_t *err)
{
    char *program = peri_xasprintf("%s/perigeed", conf->bin);
    const char *const argv[] = {program, "--check", conf->source ? "--config" : NULL,
                                conf->source, NULL};
    peri_buf_t out;
    peri_buf_init(&out, 4096);
    int status = peri_spawn(argv, CHECK_TIME, &out, err);
    peri_buf_putc(&out, '\0');
    if (status > 0)
        peri_err_set(err, PERI_EINVAL, "%.*s",
                     out.data ? (int)strcspn(out.data, "\n") : 0,
                     out.data ? out.data : "");
    peri_buf_free(&out);
    free(program);
    return status ? -1 : 0;
}

/* ---- start ---- */

static int open_log(const peri_config_t *conf, peri_err_t *err)
{
    struct stat st;
    if (stat(conf->log, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > LOG_MAX) {
        char *old = peri_xasprintf("%s.1", conf->log);
        (void)rename(conf->log, old);
        free(old);
    }
    int fd = open(conf->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) peri_err_set(err, PERI_EIO, "cannot open the log %s: %m", conf->log);
    return fd;
}

static _Noreturn void exec_daemon(const char *program, const char *config, int log)
{
    char *const argv[] = {(char *)(uintptr_t)program, config ? "--config" : NULL,
                          (char *)(uintptr_t)config, NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in >= 0) dup2(in, STDIN_FILENO);
    if (log >= 0) {
        setsid();
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
    } else {
        dup2(STDERR_FILENO, STDOUT_FILENO);
    }
    peri_rights_unlend_ports();
    /* Whoever called us may wait for the end of a pipe that we have inherited. */
    syscall(SYS_close_range, 3, ~0u, 0);
    execv(program, argv);
    dprintf(STDERR_FILENO, "perigee: cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

/* What perigeed is made of: its program and the configuration it reads. */
static char *make_of(const peri_config_t *conf)
{
    char *program = peri_xasprintf("%s/perigeed", conf->bin), *text = NULL;
    uint64_t h = PERI_HASH_START;
    size_t len = 0;
    struct stat st = {0};
    (void)stat(program, &st);
    if (conf->source && peri_file_slurp(conf->source, CONFIG_MAX, &text, &len, NULL) == 0)
        h = peri_hash_add(h, text, len);
    free(text);
    free(program);
    return peri_xasprintf("%016llx %llu.%lld.%ld.%lld\n", (unsigned long long)h,
                          (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec,
                          st.st_mtim.tv_nsec, (long long)st.st_size);
}

static char *make_file(const peri_config_t *conf)
{
    return peri_xasprintf("%s/perigeed.made", conf->state);
}

/* If it cannot be noted, a reload renews what it need not have renewed. */
static void note_make(const peri_config_t *conf)
{
    char *make = make_of(conf), *file = make_file(conf);
    (void)peri_file_write_atomic(file, make, strlen(make), NULL);
    free(make);
    free(file);
}

static bool same_make(const peri_config_t *conf)
{
    char *make = make_of(conf), *file = make_file(conf), *noted = NULL;
    bool same =
        peri_file_slurp(file, 256, &noted, NULL, NULL) == 0 && !strcmp(noted, make);
    free(noted);
    free(make);
    free(file);
    return same;
}

int peri_daemon_installed(const peri_config_t *conf, peri_err_t *err)
{
    char *program = peri_xasprintf("%s/perigeed", conf->bin);
    bool there = access(program, X_OK) == 0;
    free(program);
    if (there) return 0;
    return peri_err_set(err, PERI_ENOTFOUND,
                        "the program perigeed is missing beside perigee in %s: the "
                        "installation is not complete",
                        conf->bin);
}

pid_t peri_daemon_start(const peri_config_t *conf, bool detach, peri_err_t *err)
{
    char *program = peri_xasprintf("%s/perigeed", conf->bin);
    char *config = conf->source ? realpath(conf->source, NULL) : NULL;
    int log = -1;
    pid_t pid = -1;
    if (conf->source && !config) {
        peri_err_set(err, PERI_EIO, "cannot find %s: %m", conf->source);
        goto out;
    }
    if (detach && (log = open_log(conf, err)) < 0) goto out;
    note_make(conf);
    fflush(NULL);
    pid = fork();
    if (pid == 0) exec_daemon(program, config, log);
    if (pid < 0) peri_err_set(err, PERI_EIO, "cannot start %s: %m", program);
out:
    if (log >= 0) close(log);
    free(config);
    free(program);
    return pid;
}

int peri_daemon_ready(const peri_config_t *conf, pid_t child, peri_err_t *err)
{
    peri_client_t *c = peri_client_new_at(conf->socket);
    double end = peri_now() + READY_TIME;
    int rc = -1;
    for (;;) {
        int status;
        json_t *j = peri_client_get(c, 5, NULL, err, "/status");
        json_decref(j);
        if (j) {
            rc = 0;
            break;
        }
        if (child > 0 && waitpid(child, &status, WNOHANG) == child) {
            peri_err_set(err, PERI_EIO,
                         WIFSIGNALED(status)
                             ? "perigeed was ended by signal %d at its start"
                             : "perigeed ended with status %d at its start",
                         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            break;
        }
        if (peri_now() > end) {
            peri_err_set(err, PERI_EIO, "perigeed runs, but does not answer at %s",
                         conf->socket);
            break;
        }
        usleep(STEP_US);
    }
    peri_client_free(c);
    return rc;
}

/* ---- renew ---- */

/* Seconds it has been running; -1: it does not answer. */
static double uptime(const peri_config_t *conf)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new_at(conf->socket);
    json_t *j = peri_client_get(c, RENEW_TIME, NULL, &err, "/status");
    double v = j ? peri_json_num(j, "uptime", -1) : -1;
    json_decref(j);
    peri_client_free(c);
    return v;
}

int peri_daemon_renew(const peri_config_t *conf, bool always, bool *renewed,
                      peri_err_t *err)
{
    peri_daemon_t d;
    *renewed = false;
    if (peri_daemon_look(conf, &d, err)) return -1;
    if (!d.running || !d.pid)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "perigeed does not run: 'perigee up' starts it");
    if (!always && same_make(conf)) return 0;
    const double asked = peri_now();
    if (kill(d.pid, SIGHUP))
        return peri_err_set(err, PERI_EDENIED, "cannot tell perigeed (pid %ld): %m",
                            (long)d.pid);
    for (double end = asked + RENEW_TIME; peri_now() < end; usleep(STEP_US)) {
        double up = uptime(conf);
        if (up < 0 && kill(d.pid, 0) && errno == ESRCH)
            return peri_err_set(err, PERI_EIO,
                                "perigeed has ended instead of taking its new "
                                "configuration: see %s, then 'perigee up'",
                                conf->log);
        /* The one of before has been there for longer than we have waited. */
        if (up < 0 || up > peri_now() - asked) continue;
        note_make(conf);
        *renewed = true;
        return 0;
    }
    return peri_err_set(err, PERI_EIO,
                        "perigeed (pid %ld) does not take its new configuration: see %s",
                        (long)d.pid, conf->log);
}

/* ---- stop ---- */

static bool gone(int fd, double seconds)
{
    for (double end = peri_now() + seconds; is_locked(fd); usleep(STEP_US))
        if (peri_now() > end) return false;
    return true;
}

int peri_daemon_stop(const peri_config_t *conf, bool *killed, peri_err_t *err)
{
    peri_err_t why = {0};
    *killed = false;
    int pidfd = -1, rc = -1, fd = open_locked(conf, &why);
    if (fd < 0) return why.code ? peri_err_set(err, why.code, "%s", why.text) : 0;
    /* At its start it locks first and writes then; at its end the other way round. */
    pid_t pid = pid_in(fd);
    for (double end = peri_now() + STOP_TIME;
         !pid && is_locked(fd) && peri_now() < end;) {
        usleep(STEP_US);
        pid = pid_in(fd);
    }
    pidfd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    /* It was locked after the process was held: so it is the one that the file names. */
    if (pidfd < 0 || !is_locked(fd) || pid_in(fd) != pid) {
        rc = is_locked(fd) ? peri_err_set(err, PERI_EIO,
                                          "%s is locked, but its process %ld cannot be "
                                          "found: does perigeed run on another machine?",
                                          conf->pidfile, (long)pid)
                           : 0;
        goto out;
    }
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) && errno != ESRCH) {
        peri_err_set(err, PERI_EDENIED, "cannot end perigeed (pid %ld): %m", (long)pid);
        goto out;
    }
    if (!gone(fd, STOP_TIME)) {
        *killed = true;
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        if (!gone(fd, STOP_TIME)) {
            peri_err_set(err, PERI_EIO, "perigeed (pid %ld) cannot be ended", (long)pid);
            goto out;
        }
    }
    rc = 0;
out:
    if (pidfd >= 0) close(pidfd);
    close(fd);
    return rc;
}

void peri_daemon_tail(const peri_config_t *conf, off_t from)
{
    char text[TAIL_BYTES + 1];
    int fd = open(conf->log, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    if (from > size) from = 0; /* put aside meanwhile */
    if (size - from > TAIL_BYTES) from = size - TAIL_BYTES;
    ssize_t n = fd < 0 ? 0 : pread(fd, text, TAIL_BYTES, from);
    if (fd >= 0) close(fd);
    if (n <= 0) return;
    text[n] = '\0';
    char *p = text + n;
    for (int lines = 0; p > text && lines <= TAIL_LINES; p--)
        if (p[-1] == '\n' && ++lines > TAIL_LINES) break;
    fprintf(stderr, "The end of %s:\n%s", conf->log, p);
}
