/* inside.c - process 1 of a sandbox: the last of ours before the program, and its parent.
 *
 * Nothing of the user has run when this begins. It holds descriptors of folders outside,
 * which must not reach the program: all are closed at its exec. One thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/launch/command.h"
#include "jobs/launch/inside.h"
#include "jobs/launch/why.h"
#include "jobs/sandbox/sandbox.h"

#define REQUEST_MAX (80u << 20)
#define LEFT_TERM   2.0 /* seconds for what is left behind, after SIGTERM */

typedef struct {
    peri_task_t t; /* only what sentences need */
    peri_command_t c;
    size_t starter; /* words in front of the program itself */
    int local_rank; /* on this node */
    const json_t *check;
    int srun;      /* socket for steps, which the program gets; -1: none */
    int tale, err; /* where to tell; the program's stderr */
} inside_t;

static void tell(const inside_t *in, const char *text)
{
    (void)!peri_write_all(in->tale, text, strlen(text) + 1);
}

/* ---- the request ---- */

static char *const *words_of(const json_t *list, peri_arena_t *arena)
{
    const size_t n = json_array_size(list);
    char **w = peri_arena_calloc(arena, n + 1, sizeof(*w));
    for (size_t i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        w[i] = peri_arena_strdup(arena, s ? s : "");
    }
    return w;
}

static json_t *read_request(int fd, inside_t *in)
{
    char path[32], *text = NULL;
    size_t len;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (peri_file_slurp(path, REQUEST_MAX, &text, &len, NULL)) return NULL;
    json_t *o = json_loadb(text, len, 0, NULL);
    free(text);
    if (!o) return NULL;
    peri_arena_t *a = in->t.arena;
    in->t.host = json_string_value(json_object_get(o, "host"));
    in->c.argv = words_of(json_object_get(o, "argv"), a);
    in->c.envp = words_of(json_object_get(o, "env"), a);
    in->c.dir = json_string_value(json_object_get(o, "dir"));
    in->starter = (size_t)json_integer_value(json_object_get(o, "starter"));
    in->local_rank = (int)json_integer_value(json_object_get(o, "local_rank"));
    in->c.program = json_string_value(json_object_get(o, "program"));
    in->check = json_object_get(o, "check");
    in->srun = (int)json_integer_value(json_object_get(o, "srun"));
    in->tale = (int)json_integer_value(json_object_get(o, "tale"));
    in->err = (int)json_integer_value(json_object_get(o, "err"));
    return o;
}

/* ---- the walls ---- */

/* Bubblewrap went by name: is what it found there what was opened? */
static bool is_right(const inside_t *in, peri_err_t *err)
{
    size_t i;
    json_t *one;
    json_array_foreach(in->check, i, one)
    {
        struct stat st;
        const char *to = json_string_value(json_object_get(one, "to"));
        if (stat(to, &st) == 0 &&
            (json_int_t)st.st_dev == json_integer_value(json_object_get(one, "dev")) &&
            (json_int_t)st.st_ino == json_integer_value(json_object_get(one, "ino")))
            continue;
        peri_err_set(err, PERI_EDENIED,
                     "%s cannot be shown to the job: the folder was exchanged meanwhile",
                     to);
        return false;
    }
    return true;
}

static int close_walls(peri_err_t *err)
{
    struct rlimit r;
    /* The program shall not find our descriptors in /proc. */
    prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_NPROC, &r) == 0 && r.rlim_max > PERI_INSIDE_PROCESSES) {
        r.rlim_cur = r.rlim_max = PERI_INSIDE_PROCESSES;
        setrlimit(RLIMIT_NPROC, &r);
    }
    if (peri_sandbox_filter())
        return peri_err_set(err, PERI_EINTERNAL,
                            "this kernel takes no filter of system calls: %m");
    return 0;
}

/* ---- the program ---- */

static _Noreturn void child(const inside_t *in, int report)
{
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++) signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int e = dup2(in->err, 2) < 0 ? errno : 0;
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    if (e == 0 && in->srun > 2 && fcntl(in->srun, F_SETFD, 0)) e = errno;
    if (e == 0) {
        execve(in->c.path, in->c.argv, in->c.envp);
        e = errno;
    }
    (void)!peri_write_all(report, &e, sizeof(e));
    _exit(125);
}

/* Open MPI tells its own memory from that of other ranks by the process id, which would
 * be the same in each sandbox of a node. Room between them for a shell in front of the
 * rank. */
static void pass_pids(int n)
{
    for (int i = 0; i < 4 * n; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        if (pid > 0) waitpid(pid, NULL, 0);
    }
}

/* Its pid; -1 and errno: it could not be started. */
static pid_t start(const inside_t *in)
{
    int ends[2], e = 0;
    if (pipe2(ends, O_CLOEXEC)) return -1;
    pass_pids(in->local_rank);
    pid_t pid = fork();
    if (pid == 0) child(in, ends[1]);
    e = errno;
    close(ends[1]);
    if (pid > 0) {
        ssize_t n;
        do n = read(ends[0], &e, sizeof(e));
        while (n < 0 && errno == EINTR);
        if (n == sizeof(e)) {
            waitpid(pid, NULL, 0);
            pid = -1;
        }
    }
    close(ends[0]);
    errno = e;
    return pid;
}

static const char *path_in(char *const *envp)
{
    for (; *envp; envp++)
        if (!strncmp(*envp, "PATH=", 5)) return *envp + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

static int tell_no_program(inside_t *in, int e, bool in_dir)
{
    const int code = e == ENOENT || in_dir ? 127 : 126;
    tell(in, peri_arena_printf(in->t.arena, "N %d %s", code,
                               peri_command_why(&in->t, &in->c, e, in_dir)));
    return code;
}

/* The program, of which a starter says less well that there is none. */
static int look_ahead(inside_t *in)
{
    const char *name = in->c.argv[in->starter];
    in->c.path = peri_why_find(name, path_in(in->c.envp), in->c.dir, in->t.arena);
    if (!in->c.path) in->c.path = name;
    return in->starter ? peri_why_errno(in->c.path, in->c.dir) : 0;
}

static int await(pid_t program)
{
    int status = 0, s;
    for (;;) {
        pid_t pid = waitpid(-1, &s, 0);
        if (pid == program) {
            status = s;
            break;
        }
        if (pid < 0 && errno != EINTR) break;
    }
    return status;
}

/* What is left gets a moment before the end of this process ends it. */
static void end_others(void)
{
    const double until = peri_now() + LEFT_TERM;
    if (kill(-1, SIGTERM)) return;
    for (int wait = 1; peri_now() < until; wait = wait < 20 ? wait * 2 : 20) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        }
        if (pid < 0) return;
        poll(NULL, 0, wait);
    }
}

static int run(inside_t *in)
{
    peri_err_t err;
    if (!is_right(in, &err) || close_walls(&err)) {
        tell(in, peri_arena_printf(in->t.arena, "F %s", err.text));
        return 125;
    }
    in->c.path = in->c.argv[in->starter];
    if (chdir(in->c.dir)) return tell_no_program(in, errno, true);
    int e = look_ahead(in);
    if (e) return tell_no_program(in, e, false);
    if (in->starter) {
        in->c.path =
            peri_why_find(in->c.argv[0], path_in(in->c.envp), in->c.dir, in->t.arena);
        if (!in->c.path) {
            tell(in, peri_arena_printf(in->t.arena,
                                       "N 127 %s, which starts MPI programs, was not "
                                       "found on node %s",
                                       in->c.argv[0], in->t.host));
            return 127;
        }
    }
    pid_t pid = start(in);
    if (pid < 0) return tell_no_program(in, errno, false);
    tell(in, "R");
    const int status = await(pid);
    end_others();
    tell(in, peri_arena_printf(in->t.arena, "S %d", status));
    return 0;
}

int peri_inside_main(int argc, char **argv)
{
    inside_t in = {.t = {.arena = peri_arena_new(), .dirfd = -1}};
    const int fd = argc == 3 ? atoi(argv[2]) : -1;
    json_t *o = fd > 2 ? read_request(fd, &in) : NULL;
    int status = 125;
    if (fd > 2) close(fd);
    if (o && in.t.host && in.c.dir && in.c.program && in.c.argv[0]) status = run(&in);
    json_decref(o);
    peri_arena_free(in.t.arena);
    return status;
}
