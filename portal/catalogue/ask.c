/* ask.c - see ask.h. Between fork and exec only what a process with threads may do.
 *
 * A user's descriptor and her HDF5 files are read behind bubblewrap: the process sees the
 * programs of the system, ours, and the folder of the descriptor, and has no network.
 */
#include "portal/catalogue/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/util.h"

#define ANSWER_MAX   (32u << 20)
#define SENTENCE_MAX 4096
#define MEMORY_MAX   ((rlim_t)4 << 30)
#define CPU_MAX      120
#define LOOK         0.2
#define INSIDE       PERI_ASK_INSIDE

/* ---- the command line ---- */

static const char *const walls[] = {"bwrap",
                                    "--unshare-all",
                                    "--die-with-parent",
                                    "--new-session",
                                    "--cap-drop",
                                    "ALL",
                                    "--clearenv",
                                    "--ro-bind",
                                    "/usr",
                                    "/usr",
                                    "--ro-bind-try",
                                    "/lib",
                                    "/lib",
                                    "--ro-bind-try",
                                    "/lib64",
                                    "/lib64",
                                    "--ro-bind-try",
                                    "/bin",
                                    "/bin",
                                    "--ro-bind-try",
                                    "/etc/ld.so.cache",
                                    "/etc/ld.so.cache",
                                    "--proc",
                                    "/proc",
                                    "--dev",
                                    "/dev",
                                    "--tmpfs",
                                    "/tmp"};
#define NWALLS (sizeof(walls) / sizeof(walls[0]))

static size_t put_same(const char **v, size_t n, const char *path)
{
    v[n++] = "--ro-bind-try";
    v[n++] = path;
    v[n++] = path;
    return n;
}

static const char **words_of(const peri_ask_t *ask, peri_arena_t *a)
{
    const char **v = peri_arena_calloc(a, NWALLS + 24, sizeof(*v));
    size_t n = 0;
    const char *program = peri_arena_printf(a, "%s/perigee", ask->bin);
    const char *file = ask->file;
    if (ask->folder >= 0) {
        memcpy(v, walls, sizeof(walls));
        n = NWALLS;
        /* Ours and its libraries, if they are not the system's. */
        const char *lib = peri_arena_printf(a, "%s/../lib", ask->bin);
        char *whole = realpath(lib, NULL);
        if (strncmp(ask->bin, "/usr/", 5) != 0) n = put_same(v, n, ask->bin);
        if (whole && strncmp(whole, "/usr/", 5) != 0)
            n = put_same(v, n, peri_arena_strdup(a, whole));
        free(whole);
        v[n++] = "--ro-bind";
        v[n++] = peri_arena_printf(a, "/proc/self/fd/%d", ask->folder);
        v[n++] = INSIDE;
        v[n++] = "--";
        file = peri_arena_printf(a, INSIDE "/%s", ask->file);
    }
    v[n++] = program;
    v[n++] = "dataset";
    v[n++] = "describe";
    v[n++] = "--json";
    v[n++] = "--";
    v[n++] = file;
    return v;
}

/* ---- the process ---- */

static void set_limit(int what, rlim_t max)
{
    const struct rlimit r = {max, max};
    setrlimit(what, &r);
}

static _Noreturn void be_child(const char *const *argv, int keep, int out, int complaints)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(complaints, 2) < 0)
        _exit(126);
    if (keep >= 0) fcntl(keep, F_SETFD, 0);
    set_limit(RLIMIT_AS, MEMORY_MAX);
    set_limit(RLIMIT_CPU, CPU_MAX);
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_FSIZE, 0);
    if (setpriority(PRIO_PROCESS, 0, 10) < 0) errno = 0;
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* 1: there was something; 0: the end. */
static int take(int fd, peri_buf_t *b)
{
    char chunk[65536];
    const ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    if (n == 0) return 0;
    peri_buf_append(b, chunk, (size_t)n); /* too long is told in the end */
    return 1;
}

/* False when the time is over, or we are to end. */
static bool listen_to(const peri_ask_t *ask, int fd[2], peri_buf_t *b[2])
{
    const double until = peri_now() + ask->seconds;
    bool open[2] = {true, true};
    while (open[0] || open[1]) {
        struct pollfd p[2] = {{.fd = open[0] ? fd[0] : -1, .events = POLLIN},
                              {.fd = open[1] ? fd[1] : -1, .events = POLLIN}};
        if (peri_now() > until || ask->stop(ask->arg)) return false;
        if (b[0]->failed) return false;
        if (poll(p, 2, (int)(LOOK * 1000)) < 0 && errno != EINTR) return false;
        for (int i = 0; i < 2; i++)
            if (open[i] && p[i].revents) open[i] = take(fd[i], b[i]);
    }
    return true;
}

static json_t *answer(const peri_ask_t *ask, bool ended, int status, peri_buf_t *out,
                      peri_buf_t *complaints, peri_err_t *err)
{
    json_error_t why;
    const char *name = strrchr(ask->file, '/') ? strrchr(ask->file, '/') + 1 : ask->file;
    if (out->failed) {
        peri_err_set(err, PERI_ELIMIT,
                     "%s: it has more tables and columns than a "
                     "catalogue takes",
                     name);
    } else if (!ended || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)) {
        peri_err_set(err, PERI_ELIMIT, "%s: reading it took longer than %.0f s", name,
                     ask->seconds);
    } else if (WIFSIGNALED(status) || WEXITSTATUS(status) >= 126) {
        peri_err_set(err, PERI_EFORMAT,
                     "%s: its reader broke down (%s %d): the file is damaged, or not "
                     "YAML",
                     name, WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    } else if (WEXITSTATUS(status)) {
        char *text = complaints->len && !complaints->failed ? complaints->data : "";
        if (!strncmp(text, "perigee: ", 9)) text += 9;
        peri_err_set(err, PERI_EINVAL, "%.*s", (int)strcspn(text, "\n"), text);
        if (!*err->text) peri_err_set(err, PERI_EINVAL, "%s cannot be read", name);
    } else {
        json_t *j = json_loadb(out->data, out->len, 0, &why);
        if (json_is_object(j)) return j;
        json_decref(j);
        peri_err_set(err, PERI_EFORMAT, "%s: its reader did not say what is in it", name);
    }
    return NULL;
}

json_t *peri_catalogue_ask(const peri_ask_t *ask, peri_err_t *err)
{
    int out[2] = {-1, -1}, complaints[2] = {-1, -1}, status = 0;
    peri_buf_t text, words;
    json_t *j = NULL;
    peri_arena_t *a = peri_arena_new();
    const char **argv = words_of(ask, a);
    peri_buf_init(&text, ANSWER_MAX);
    peri_buf_init(&words, SENTENCE_MAX);
    if (pipe2(out, O_CLOEXEC) || pipe2(complaints, O_CLOEXEC)) {
        peri_err_set(err, PERI_EIO, "cannot make a pipe: %m");
        goto done;
    }
    const pid_t pid = fork();
    if (pid == 0) be_child(argv, ask->folder, out[1], complaints[1]);
    if (pid < 0) {
        peri_err_set(err, PERI_EIO, "cannot start a process: %m");
        goto done;
    }
    close(out[1]);
    close(complaints[1]);
    out[1] = complaints[1] = -1;
    const bool ended =
        listen_to(ask, (int[]){out[0], complaints[0]}, (peri_buf_t *[]){&text, &words});
    /* Both pipes are closed: it has ended, or does nothing that is of use. */
    if (!ended) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    peri_buf_putc(&words, '\0');
    j = answer(ask, ended, status, &text, &words, err);
done:
    for (int i = 0; i < 2; i++) {
        if (out[i] >= 0) close(out[i]);
        if (complaints[i] >= 0) close(complaints[i]);
    }
    peri_buf_free(&text);
    peri_buf_free(&words);
    peri_arena_free(a);
    return j;
}
