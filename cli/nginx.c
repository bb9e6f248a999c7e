/* nginx.c - see nginx.h.
 *
 * nginx runs as a session of its own, so that its process group holds it and its workers
 * and nobody else. Each of them keeps the lock's descriptor: workers whose master was
 * killed go on serving and are found by that.
 */
#include "cli/nginx.h"

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
#include "core/base/util.h"

#define TEST_TIME  30.0
#define START_TIME 20.0
#define GRACE      5.0 /* for requests under way, at its end */
#define STEP_US    10000
#define LOG_MAX    (16 << 20)
#define SAID_MAX   (64u << 10)
#define TEXT_MAX   (256u << 10)

/* ---- is it there? ---- */

static bool is_locked(int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB)) return errno == EWOULDBLOCK;
    flock(fd, LOCK_UN);
    return false;
}

static pid_t number_in(int fd)
{
    char s[32];
    ssize_t n = pread(fd, s, sizeof(s) - 1, 0);
    if (n <= 0) return 0;
    s[n] = '\0';
    long v = strtol(s, NULL, 10);
    return v > 1 && v < 0x7fffffff ? (pid_t)v : 0;
}

/* Not dead and waiting to be reaped. */
static bool lives(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) close(fd);
    if (n <= 0) return false;
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    return p && p[1] == ' ' && p[2] != 'Z' && p[2] != 'X';
}

int peri_nginx_look(const peri_front_t *f, peri_nginx_t *n, peri_err_t *err)
{
    *n = (peri_nginx_t){0};
    int fd = open(f->lock, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0;
    if (fd < 0)
        return peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                            "cannot open %s: %m", f->lock);
    n->alive = is_locked(fd);
    n->pid = n->alive ? number_in(fd) : 0;
    n->master = n->pid && lives(n->pid);
    close(fd);
    return 0;
}

int peri_nginx_ask(const peri_front_t *f, peri_nginxsay_t *s)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new_at(f->control);
    json_t *j = peri_client_get(c, 5, NULL, &err, "/door");
    *s = (peri_nginxsay_t){.connections = (int)peri_json_int(j, "connections", 0)};
    snprintf(s->mark, sizeof(s->mark), "%s", peri_json_str(j, "config"));
    json_decref(j);
    peri_client_free(c);
    return j ? 0 : -1;
}

/* ---- its words ---- */

char *peri_nginx_program(void)
{
    static const char *const usual[] = {"/usr/sbin/nginx", "/usr/local/sbin/nginx",
                                        "/usr/local/nginx/sbin/nginx"};
    char *found = peri_find_program("nginx");
    for (size_t i = 0; !found && i < sizeof(usual) / sizeof(usual[0]); i++)
        if (access(usual[i], X_OK) == 0) found = peri_xstrdup(usual[i]);
    return found;
}

/* The last complaint in a text, without time, process and place: a part of a sentence. It
 * lies in the text. NULL: none. */
static const char *complaint(char *text)
{
    char *rest = NULL, *found = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        static const char *const marks[] = {"[emerg] ", "[alert] ", "[crit] "};
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
            char *p = strstr(line, marks[i]);
            if (p) found = p + strlen(marks[i]);
        }
    }
    /* "1234#1234: " of the log; " in FILE:LINE" of what we have written ourselves. */
    if (found && strstr(found, "#") && strspn(found, "0123456789#") > 2)
        found += strspn(found, "0123456789#: ");
    char *place = found ? strstr(found, " in /") : NULL;
    if (place) *place = '\0';
    return found;
}

/* ---- the text ---- */

int peri_nginx_install(const peri_front_t *f, const char *program, const char *text,
                       size_t len, peri_err_t *err)
{
    char *next = peri_xasprintf("%s.new", f->file);
    const char *const argv[] = {program, "-t", "-q", "-p",         f->folder,
                                "-c",    next, "-e", f->error_log, NULL};
    peri_buf_t said;
    peri_buf_init(&said, SAID_MAX);
    mode_t old = umask(0077);
    int rc = peri_file_write_atomic(next, text, len, err);
    umask(old);
    if (rc) goto out;
    bool lent = peri_rights_lend_ports();
    int status = peri_spawn(argv, TEST_TIME, &said, err);
    if (lent) peri_rights_unlend_ports();
    peri_buf_putc(&said, '\0');
    if (status > 0) {
        const char *why = said.data ? complaint(said.data) : NULL;
        peri_err_set(err, PERI_EINVAL, "nginx does not accept its configuration: %.600s",
                     why ? why : "it does not say why");
    }
    rc = status == 0 ? 0 : -1;
    if (rc == 0 && rename(next, f->file))
        rc = peri_err_set(err, PERI_EIO, "cannot put %s in place: %m", f->file);
    if (rc) unlink(next);
out:
    peri_buf_free(&said);
    free(next);
    return rc;
}

/* ---- start ---- */

static _Noreturn void exec_nginx(const peri_front_t *f, const char *program, int lock,
                                 int log)
{
    const char *const argv[] = {program, "-p", f->folder,    "-c",
                                f->file, "-e", f->error_log, NULL};
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *state =
        peri_xasprintf("PERIGEE_STATE=%.*s", (int)(strlen(f->folder) - 4), f->folder);
    char *zone = getenv("TZ") ? peri_xasprintf("TZ=%s", getenv("TZ")) : NULL;
    char *const env[] = {path, state, zone, NULL};
    char number[32];
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    umask(0077);
    int n = snprintf(number, sizeof(number), "%ld\n", (long)getpid());
    if (ftruncate(lock, 0) || pwrite(lock, number, (size_t)n, 0) != n) _exit(126);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0 || dup2(in, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) _exit(126);
    if (lock == 3 ? fcntl(3, F_SETFD, 0) : dup2(lock, 3) < 0) _exit(126);
    syscall(SYS_close_range, 4, ~0u, 0);
    peri_rights_lend_ports();
    execve(program, (char *const *)(uintptr_t)argv, env);
    _exit(127);
}

static bool gone(int fd, double seconds)
{
    for (double end = peri_now() + seconds; is_locked(fd); usleep(STEP_US)) {
        if (peri_now() > end) return false;
        /* Ours, in the foreground: a dead one would stay until it is reaped. */
        pid_t pid = number_in(fd);
        if (pid) waitpid(pid, NULL, WNOHANG);
    }
    return true;
}

/* All of the group, with ever less patience. `first` goes to the master alone. */
static int end_group(const peri_front_t *f, int first, double patience, peri_err_t *err)
{
    int fd = open(f->lock, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    pid_t pid = is_locked(fd) ? number_in(fd) : 0;
    int rc = 0;
    if (pid) {
        kill(lives(pid) ? pid : -pid, first);
        if (!gone(fd, patience)) kill(-pid, SIGTERM);
        if (!gone(fd, patience)) kill(-pid, SIGKILL);
        if (!gone(fd, GRACE))
            rc = peri_err_set(err, PERI_EIO, "nginx (process %ld) cannot be ended",
                              (long)pid);
    } else if (is_locked(fd)) {
        rc = peri_err_set(err, PERI_EIO, "%s is locked by a process that is not known",
                          f->lock);
    }
    close(fd);
    return rc;
}

int peri_nginx_stop(const peri_front_t *f, peri_err_t *err)
{
    return end_group(f, SIGQUIT, GRACE, err);
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static int why_not(const peri_front_t *f, off_t since, peri_err_t *err)
{
    char text[4097] = "";
    int fd = open(f->error_log, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, since);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *why = complaint(text);
    return peri_err_set(err, PERI_EIO, "nginx does not start: %.600s",
                        why ? why : "it has not said why");
}

static bool has_mark(const peri_front_t *f, const char *mark)
{
    peri_nginxsay_t said;
    return peri_nginx_ask(f, &said) == 0 && !strcmp(said.mark, mark);
}

int peri_nginx_start(const peri_front_t *f, const char *program, const char *mark,
                     pid_t *child, peri_err_t *err)
{
    int log = -1, rc = -1, lock = -1;
    *child = -1;
    if (end_group(f, SIGTERM, 1.0, err)) return -1;
    /* Left behind by one that was killed, and in the way of the next. */
    unlink(f->control);
    lock = open(f->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    log = open(f->error_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || log < 0 || flock(lock, LOCK_EX | LOCK_NB)) {
        peri_err_set(err, PERI_EIO, "cannot write in %s: %m", f->folder);
        goto out;
    }
    off_t since = size_of(f->error_log);
    fflush(NULL);
    *child = fork();
    if (*child == 0) exec_nginx(f, program, lock, log);
    if (*child < 0) {
        peri_err_set(err, PERI_EIO, "cannot start %s: %m", program);
        goto out;
    }
    close(lock); /* the child's is the one that counts */
    lock = -1;
    for (double end = peri_now() + START_TIME; rc && peri_now() < end; usleep(STEP_US)) {
        if (has_mark(f, mark)) rc = 0;
        if (rc && waitpid(*child, NULL, WNOHANG) == *child) {
            why_not(f, since, err);
            goto out;
        }
    }
    if (rc) {
        peri_err_set(err, PERI_EIO, "nginx runs, but does not answer: see %s",
                     f->error_log);
        (void)end_group(f, SIGTERM, 1.0, NULL);
    }
out:
    if (lock >= 0) close(lock);
    if (log >= 0) close(log);
    return rc;
}

int peri_nginx_again(const peri_front_t *f, pid_t *child, peri_err_t *err)
{
    char *text = NULL, *program = peri_nginx_program(), mark[17] = "";
    const char *at;
    int rc = -1;
    *child = -1;
    if (!program)
        peri_err_set(err, PERI_ENOTFOUND, "nginx is not installed any more");
    else if (peri_file_slurp(f->file, TEXT_MAX, &text, NULL, err))
        rc = -1;
    else if (!(at = strstr(text, "# config ")) ||
             sscanf(at + 9, "%16[0-9a-f]", mark) != 1)
        peri_err_set(err, PERI_EFORMAT, "%s is not what perigee wrote: 'perigee up'",
                     f->file);
    else
        rc = peri_nginx_start(f, program, mark, child, err);
    free(text);
    free(program);
    return rc;
}

/* ---- while it runs ---- */

#define MAX_WORKERS 64

static size_t workers_of(pid_t master, pid_t *pids)
{
    char path[64], text[1024];
    size_t n = 0;
    snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", (long)master,
             (long)master);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) close(fd);
    text[len > 0 ? len : 0] = '\0';
    char *end, *at = text;
    for (long v; n < MAX_WORKERS && (v = strtol(at, &end, 10)) > 1 && end != at; at = end)
        pids[n++] = (pid_t)v;
    return n;
}

/* A worker that takes no more connections says so in its name. */
static bool takes_more(pid_t pid)
{
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) close(fd);
    if (n <= 0) return false;
    text[n] = '\0';
    return !strstr(text, "shutting down");
}

int peri_nginx_reload(const peri_front_t *f, const char *mark, peri_err_t *err)
{
    peri_nginx_t n;
    pid_t old[MAX_WORKERS];
    if (peri_nginx_look(f, &n, err)) return -1;
    off_t since = size_of(f->error_log);
    size_t nold = workers_of(n.pid, old);
    if (!n.master || kill(n.pid, SIGHUP))
        return peri_err_set(err, PERI_EIO, "nginx has ended: 'perigee up' starts it");
    for (double end = peri_now() + START_TIME; peri_now() < end; usleep(STEP_US)) {
        /* The new ones answer, and the old ones do not any more. */
        while (nold && !takes_more(old[nold - 1])) nold--;
        if (nold == 0 && has_mark(f, mark)) return 0;
        if (size_of(f->error_log) > since && why_not(f, since, err) &&
            !strstr(err->text, "has not said"))
            return -1;
    }
    return peri_err_set(
        err, PERI_EIO, "nginx does not take its new configuration: see %s", f->error_log);
}

void peri_nginx_rotate(const peri_front_t *f, const peri_nginx_t *n, bool always)
{
    const char *const logs[] = {f->access_log, f->error_log};
    bool moved = false;
    for (int i = 0; i < 2; i++) {
        if (size_of(logs[i]) <= LOG_MAX) continue;
        char *old = peri_xasprintf("%s.1", logs[i]);
        moved |= rename(logs[i], old) == 0;
        free(old);
    }
    if (n->master && (moved || always)) kill(n->pid, SIGUSR1);
}
