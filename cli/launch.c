/* launch.c - see launch.h. The conversation with the task is described in mpi/control.h.
 *
 * mpirun gets a process group of its own: Ctrl-C on the terminal reaches only us, and we
 * ask rank 0 to end the query in order. What is not gone soon is killed.
 */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/launch_place.h"
#include "cli/progress.h"
#include "core/base/util.h"
#include "mpi/control.h"

#define TERM_AFTER 0.5  /* seconds from the cancellation to SIGTERM for mpirun or srun */
#define KILL_AFTER 0.85 /* and to SIGKILL for its whole process group */
#define MAX_HELD   (64u << 10)
#define MAX_HOSTS  65536
#define STARTS     3 /* if ranks crash while MPI starts */

typedef struct {
    const peri_launchopts_t *o;
    bool slurm;
    peri_place_t place;
    pid_t child;                   /* mpirun or srun */
    pid_t rank0;                   /* 0: not known */
    int listener, control, errors; /* -1: none */
    peri_bar_t *bar;
    char *summary;
    uint64_t rows, marked; /* of the result, as rank 0 has said */
    peri_hostread_t *hosts;
    size_t nhosts;
    peri_err_t told;    /* by rank 0 */
    peri_err_t crashed; /* the last words of some rank */
    peri_err_t refused; /* why our caller ended it */
    double cancelled;   /* when we asked the task to end; 0: not */
    int insisted;       /* 1: SIGTERM sent, 2: SIGKILL */
    bool warned;        /* the task knows that its time is nearly over */
    bool watch_reader;  /* of the rows on our stdout: srun tells rank 0 nothing of it */
    bool reader_gone;
    peri_buf_t line;  /* of stderr, not complete yet */
    peri_buf_t held;  /* what mpirun says, for when nobody else says anything */
    peri_buf_t early; /* lines from before rank 0 has said a word */
    bool in_block;
} launch_t;

/* ---- what to start ---- */

/* In the child only. What the user has set stays. */
static void set_environment(const launch_t *l, bool here)
{
    if (geteuid() == 0) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    setenv(PERI_CONTROL_ENV, l->slurm ? "stderr" : l->place.socket, 1);
    /* Below `srun --pty bash` the new step would wait for the end of that one. */
    if (l->slurm) setenv("SLURM_OVERLAP", "1", 0);
    if (!here) return;
    /* Without them Open MPI looks for networks for a third of a second. */
    setenv("OMPI_MCA_plm", "isolated", 0);
    setenv("OMPI_MCA_pml", "ob1", 0);
    setenv("OMPI_MCA_btl", "self,vader", 0);
    setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 0);
    if (!peri_place_may_read_memory())
        setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    setenv("TMPDIR", l->place.dir, 1);
    if (l->place.shm) setenv("OMPI_MCA_btl_vader_backing_directory", l->place.shm, 0);
}

static _Noreturn void exec_child(const launch_t *l, char *const *argv, int err_fd,
                                 bool here)
{
    setpgid(0, 0);
    /* Rank 0 notices by the socket that we are gone; under srun nobody would. */
    if (l->slurm) prctl(PR_SET_PDEATHSIG, SIGTERM);
    static const int ours[] = {SIGINT, SIGTERM, SIGPIPE};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) signal(ours[i], SIG_DFL);
    int in = open(l->slurm ? l->place.task : "/dev/null", O_RDONLY | O_CLOEXEC);
    if (in >= 0) dup2(in, STDIN_FILENO);
    /* Under mpirun rank 0 gets our stdout through the socket. */
    if (!l->slurm) dup2(err_fd, STDOUT_FILENO);
    dup2(err_fd, STDERR_FILENO);
    set_environment(l, here);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "perigee: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int start(launch_t *l, const char *starter, const char *task, int nranks,
                 bool here, peri_err_t *err)
{
    char n[16];
    snprintf(n, sizeof(n), "%d", nranks);
    const char *with_mpirun[] = {starter, "--oversubscribe", "--bind-to", "none", "-n", n,
                                 task,    l->place.task,     NULL};
    /* As with mpirun: when a rank dies, the others do not wait for it for ever. */
    const char *with_srun[] = {starter,     "--mpi=pmix", "--kill-on-bad-exit=1",
                               "--input=0", "-n",         n,
                               task,        "-",          NULL};
    int fd[2];
    if (pipe2(fd, O_CLOEXEC))
        return peri_err_set(err, PERI_EIO, "cannot make a pipe: %m");
    fflush(NULL);
    l->child = fork();
    if (l->child == 0)
        exec_child(l, (char *const *)(l->slurm ? with_srun : with_mpirun), fd[1], here);
    close(fd[1]);
    l->errors = fd[0];
    if (l->child < 0) return peri_err_set(err, PERI_EIO, "cannot start %s: %m", starter);
    fcntl(l->errors, F_SETFL, O_NONBLOCK);
    return 0;
}

static int listen_for_rank0(launch_t *l, peri_err_t *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", l->place.socket);
    l->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->listener < 0 || bind(l->listener, (struct sockaddr *)&a, sizeof(a)) ||
        listen(l->listener, 1))
        return peri_err_set(err, PERI_EIO, "cannot make the socket %s: %m",
                            l->place.socket);
    return 0;
}

/* ---- what rank 0 says ---- */

static void accept_rank0(launch_t *l)
{
    int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0) l->rank0 = who.pid;

    char byte = 'O';
    int out = STDOUT_FILENO;
    struct iovec iov = {&byte, 1};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = u.space,
                         .msg_controllen = sizeof(u.space)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &out, sizeof(out));
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) != 1) {
        close(fd);
        return;
    }
    l->control = fd;
    close(l->listener);
    l->listener = -1;
}

static void on_error_line(launch_t *l, const char *s)
{
    char *text;
    long code = strtol(s, &text, 10);
    if (code <= PERI_OK || code > PERI_EINTERNAL) code = PERI_EINTERNAL;
    peri_err_set(&l->told, (peri_code_t)code, "%s", text + (*text == ' '));
    for (char *p = l->told.text; *p; p++)
        if (*p == PERI_CONTROL_NEWLINE) *p = '\n';
}

static void on_host(launch_t *l, const char *s)
{
    unsigned long long local, shared, remote, rows;
    int at = 0;
    if (sscanf(s, "%llu %llu %llu %llu %n", &local, &shared, &remote, &rows, &at) != 4 ||
        at == 0 || l->nhosts == MAX_HOSTS)
        return;
    l->hosts = peri_xrealloc(l->hosts, l->nhosts + 1, sizeof(*l->hosts));
    l->hosts[l->nhosts++] = (peri_hostread_t){.name = peri_xstrdup(s + at),
                                              .read = {.rows = rows,
                                                       .bytes = local + shared + remote,
                                                       .local = local,
                                                       .shared = shared,
                                                       .remote = remote}};
}

/* What a kernel does: its name, how much of what. */
static void on_kernel(launch_t *l, const char *s)
{
    enum { PARTS = 10000 };
    char kernel[64], label[256];
    double done, total;
    int at = 0;
    if (!l->bar || sscanf(s, "%63s %lf %lf %n", kernel, &done, &total, &at) != 3 || !at)
        return;
    snprintf(label, sizeof(label), "%s: %s", kernel, s + at);
    peri_bar_relabel(l->bar, label, "");
    const double part = total > 0 && done >= 0 ? done / total : 0;
    peri_bar_update(l->bar, (uint64_t)(PARTS * (part < 1 ? part : 1)), PARTS, 0);
}

static void on_note(const launch_t *l, const char *text)
{
    if (!l->o->quiet) fprintf(stderr, "%s\n", text);
}

static void on_message(launch_t *l, const char *s)
{
    unsigned long long rows, all, bytes, marked;
    if (s[0] == 'P' && sscanf(s, "P %llu %llu %llu", &rows, &all, &bytes) == 3) {
        if (l->bar) peri_bar_relabel(l->bar, "query", "rows");
        if (l->bar) peri_bar_update(l->bar, rows, all, bytes);
    } else if (strncmp(s, "K ", 2) == 0) {
        on_kernel(l, s + 2);
    } else if (strncmp(s, "N ", 2) == 0) {
        on_note(l, s + 2);
    } else if (s[0] == 'B' && sscanf(s, "B %llu %llu", &rows, &marked) == 2) {
        l->rows = rows;
        l->marked = marked;
    } else if (strncmp(s, "H ", 2) == 0) {
        on_host(l, s + 2);
    } else if (strncmp(s, "S ", 2) == 0) {
        free(l->summary);
        l->summary = peri_xstrdup(s + 2);
    } else if (strncmp(s, "E ", 2) == 0) {
        on_error_line(l, s + 2);
    } else if (strncmp(s, "R ", 2) == 0) {
        l->rank0 = (pid_t)atol(s + 2);
    }
}

static void read_control(launch_t *l)
{
    char s[PERI_CONTROL_LINE + 1];
    while (l->control >= 0) {
        ssize_t n = recv(l->control, s, sizeof(s) - 1, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            close(l->control);
            l->control = -1;
            return;
        }
        s[n] = '\0';
        on_message(l, s);
    }
}

/* ---- what comes on stderr ---- */

static bool is_rule(const char *s)
{
    return strncmp(s, "--------------------", 20) == 0;
}

/* Lines with which a starter reports that a process of its has failed: who failed says it
 * better. */
static bool from_starter(const char *s)
{
    static const char *const starts[] = {"mpirun", "srun:", "slurmstepd", "prterun"};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (strncmp(s, starts[i], strlen(starts[i])) == 0) return true;
    return s[0] == '[' && (strstr(s, "] ORTE_") || strstr(s, "] PMIX "));
}

/* Rank 0 is there: what was said before is for the user. */
static void show_early(launch_t *l)
{
    if (l->early.len) fputs(l->early.data, stderr);
    peri_buf_clear(&l->early);
}

static void on_stderr_line(launch_t *l, const char *s)
{
    const size_t mark = strlen(PERI_CONTROL_MARK);
    if (strncmp(s, PERI_CONTROL_MARK, mark) == 0) {
        on_message(l, s + mark);
    } else if (strncmp(s, "perigee: ", 9) == 0) {
        if (!l->crashed.text[0]) peri_err_set(&l->crashed, PERI_EFORMAT, "%s", s + 9);
    } else if (l->in_block || is_rule(s) || from_starter(s)) {
        if (is_rule(s))
            l->in_block = !l->in_block;
        else if (*s && l->held.len < MAX_HELD / 2)
            peri_buf_printf(&l->held, "%s\n", s);
    } else if (l->rank0 == 0 && l->early.len < MAX_HELD / 2) {
        peri_buf_printf(&l->early, "%s\n", s);
    } else {
        show_early(l);
        fprintf(stderr, "%s\n", s);
    }
}

/* False at the end of it. */
static bool read_errors(launch_t *l)
{
    char b[4096];
    for (;;) {
        ssize_t n = read(l->errors, b, sizeof(b));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        for (ssize_t i = 0; i < n; i++) {
            if (b[i] != '\n') {
                peri_buf_putc(&l->line, b[i]);
                if (l->line.len < PERI_CONTROL_LINE) continue;
            }
            on_stderr_line(l, l->line.data ? l->line.data : "");
            peri_buf_clear(&l->line);
        }
    }
}

/* ---- until it ends ---- */

static void cancel(launch_t *l)
{
    l->cancelled = peri_now();
    /* The end is near: a second Ctrl-C must not keep us from cleaning up. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    if (l->slurm)
        kill(l->child, SIGUSR1); /* srun hands it on to the ranks */
    else if (l->control < 0 || send(l->control, "C", 1, MSG_NOSIGNAL) != 1)
        kill(l->child, SIGTERM);
}

/* Kernels save what they have; a query takes no notice. */
static void warn(launch_t *l)
{
    if (l->slurm)
        l->warned = kill(l->child, SIGUSR2) == 0; /* srun hands it on to the ranks */
    else
        l->warned = l->control >= 0 && send(l->control, "T", 1, MSG_NOSIGNAL) == 1;
}

/* What nobody reads any more srun drops, and the query would go on for nothing. */
static bool lost_reader(void)
{
    struct pollfd p = {STDOUT_FILENO, 0, 0};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

static void insist(launch_t *l)
{
    double waited = peri_now() - l->cancelled;
    if (l->insisted == 0 && waited > TERM_AFTER) {
        l->insisted = 1;
        kill(l->child, SIGTERM);
    } else if (l->insisted == 1 && waited > KILL_AFTER) {
        l->insisted = 2;
        if (l->rank0 > 0 && !l->slurm) kill(l->rank0, SIGKILL);
        kill(-l->child, SIGKILL);
    }
}

/* What has ended the starter or, as it says, a rank; 0: none. */
static int signal_of(int status)
{
    if (WIFSIGNALED(status)) return WTERMSIG(status);
    return WEXITSTATUS(status) > 128 ? WEXITSTATUS(status) - 128 : 0;
}

/* Open MPI 4 below Slurm lets a fast rank send before a slow one has set up its receiving
 * end, which then crashes in MPI_Init: now and then, on a loaded node. Rank 0 speaks only
 * after all ranks have talked to each other, so that until then nothing has been done. A
 * rank to which nobody talks ends by SIGALRM (mpi/task.c). */
static bool crashed_at_start(const launch_t *l, int status)
{
    const int sig = signal_of(status);
    return (sig == SIGSEGV || sig == SIGALRM) && l->rank0 == 0 && l->control < 0 &&
           l->cancelled == 0 && l->told.code == PERI_OK;
}

static void forget_start(launch_t *l)
{
    close(l->errors);
    l->errors = -1;
    l->in_block = false;
    l->crashed = (peri_err_t){0};
    peri_buf_clear(&l->line);
    peri_buf_clear(&l->held);
    peri_buf_clear(&l->early);
}

/* The status of mpirun or srun, as of waitpid. */
static int attend(launch_t *l)
{
    int status = 0;
    bool open = true;
    for (;;) {
        pid_t ended = waitpid(l->child, &status, open ? WNOHANG : 0);
        if (ended == l->child || (ended < 0 && errno != EINTR)) break;
        if (ended < 0) continue;
        struct pollfd p[] = {
            {l->errors, POLLIN, 0}, {l->listener, POLLIN, 0}, {l->control, POLLIN, 0}};
        poll(p, 3, l->cancelled > 0 ? 20 : 100);
        if (peri_cli_interrupted() && l->cancelled == 0) cancel(l);
        if (l->o->check && l->cancelled == 0 && l->o->check(l->o->arg, &l->refused))
            cancel(l);
        if (peri_cli_time_is_up() && !l->warned && l->cancelled == 0) warn(l);
        if (l->watch_reader && l->cancelled == 0 && lost_reader()) {
            l->reader_gone = true;
            cancel(l);
        }
        if (l->cancelled > 0) insist(l);
        if (l->listener >= 0) accept_rank0(l);
        read_control(l);
        open = read_errors(l);
    }
    if (l->listener >= 0) accept_rank0(l);
    read_control(l);
    read_errors(l);
    return status;
}

/* If mpirun was killed rank 0 may live on for a moment: its files can be removed when it
 * is gone, which its end of the connection shows. */
static void wait_for_rank0(launch_t *l)
{
    const double until = peri_now() + 1;
    if (l->control >= 0 && l->rank0 > 0) kill(l->rank0, SIGKILL);
    while (l->control >= 0 && peri_now() < until) {
        poll(&(struct pollfd){l->control, POLLIN, 0}, 1, 100);
        read_control(l);
    }
}

/* ---- how it went ---- */

static int died(launch_t *l, int status, peri_err_t *err)
{
    int rank = -1, sig = signal_of(status);
    if (sig == SIGKILL) /* mpirun kills the other ranks the same way: no rank is named */
        return peri_err_set(
            err, PERI_EINTERNAL,
            "a process of the query was killed (signal 9); if the machine "
            "has run out of memory, try fewer ranks or a smaller --memory");
    const char *s = l->held.data ? strstr(l->held.data, "process rank ") : NULL;
    if (sig && s && sscanf(s, "process rank %d", &rank) == 1)
        return peri_err_set(err, PERI_EINTERNAL,
                            "rank %d of the query crashed (signal %d, %s); please report "
                            "this with the query",
                            rank, sig, strsignal(sig));
    if (l->held.data && strstr(l->held.data, "More processors requested"))
        return peri_err_set(err, PERI_EINVAL,
                            "the Slurm allocation has not enough tasks for the ranks "
                            "asked for with -n: ask for fewer, or leave -n away for as "
                            "many as there are");
    if (l->held.len) fputs(l->held.data, stderr);
    return peri_err_set(err, PERI_EINTERNAL,
                        "the ranks of the query ended without an answer (%s has %s %d)",
                        l->slurm ? "srun" : "mpirun", sig ? "signal" : "status",
                        sig ? sig : WEXITSTATUS(status));
}

static void tell_counts(const launch_t *l)
{
    peri_progress_t sum = {0};
    for (size_t i = 0; i < l->nhosts; i++) peri_progress_add(&sum, &l->hosts[i].read);
    if (l->o->rows) *l->o->rows = l->rows;
    if (l->o->marked) *l->o->marked = l->marked;
    if (l->o->bytes) *l->o->bytes = sum.bytes;
}

static int conclude(launch_t *l, int status, peri_err_t *err)
{
    /* When one rank dies, mpirun ends the others as if the user had cancelled. */
    bool asked = l->cancelled > 0;
    bool by_slurm = l->slurm && WIFEXITED(status) && WEXITSTATUS(status) == 130;
    if (l->refused.code && (status || l->told.code)) {
        *err = l->refused;
        return -1;
    }
    if (l->reader_gone && (status || l->told.code))
        return peri_err_set(err, PERI_ECLOSED, "the reader of the output has gone");
    if (l->told.code && (l->told.code != PERI_ECANCEL || asked)) {
        *err = l->told;
        return -1;
    }
    if (l->told.code == PERI_OK && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        tell_counts(l);
        if (l->summary && !l->o->quiet && !l->o->silent)
            fprintf(stderr, "%s\n", l->summary);
        return l->nhosts ? peri_query_report_write(l->rows, l->hosts, l->nhosts, err) : 0;
    }
    if (asked) return peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (by_slurm && l->told.code == PERI_ECANCEL)
        return peri_err_set(err, PERI_ECANCEL,
                            "cancelled by Slurm: scancel, or the job's time is over");
    if (l->crashed.text[0]) {
        *err = l->crashed;
        return -1;
    }
    return died(l, status, err);
}

/* A short query tells no progress before it is done. */
static void finish_bar(launch_t *l)
{
    peri_progress_t sum = {0};
    for (size_t i = 0; i < l->nhosts; i++) peri_progress_add(&sum, &l->hosts[i].read);
    if (l->bar && l->nhosts) peri_bar_update(l->bar, sum.rows, sum.rows, sum.bytes);
    peri_bar_finish(l->bar);
    l->bar = NULL;
}

static void close_all(const launch_t *l)
{
    const int fds[] = {l->listener, l->control, l->errors};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0) close(fds[i]);
}

int peri_launch_once(const peri_queryspec_t *spec, int nranks, const peri_launchopts_t *o,
                     peri_err_t *err)
{
    launch_t l = {.o = o, .listener = -1, .control = -1, .errors = -1};
    int rc = -1;
    char *task = NULL;
    peri_buf_init(&l.line, PERI_CONTROL_LINE + 1);
    peri_buf_init(&l.held, MAX_HELD);
    peri_buf_init(&l.early, MAX_HELD);
    char *starter = peri_place_starter(&l.slurm, err);
    if (!starter || !(task = peri_place_of_task(err))) goto out;
    const bool here = !l.slurm && peri_place_is_one();
    l.watch_reader = l.slurm && !spec->into;
    if (peri_place_make(&l.place, spec, here, err)) goto out;
    if (!l.slurm && listen_for_rank0(&l, err)) goto out;
    if (peri_bar_wanted(o->quiet) && !spec->explain)
        l.bar = peri_bar_new(stderr, "query", "rows");
    int status = 0;
    for (int i = 0; i < STARTS; i++) {
        if (i) forget_start(&l);
        if (start(&l, starter, task, nranks, here, err)) goto out;
        status = attend(&l);
        if (!crashed_at_start(&l, status)) break;
    }
    show_early(&l);
    wait_for_rank0(&l);
    finish_bar(&l);
    rc = conclude(&l, status, err);
    if (rc) peri_place_remove_output(spec->into, l.rank0);
out:
    close_all(&l);
    peri_bar_finish(l.bar);
    peri_place_remove(&l.place);
    peri_buf_free(&l.line);
    peri_buf_free(&l.held);
    peri_buf_free(&l.early);
    for (size_t i = 0; i < l.nhosts; i++) free((char *)l.hosts[i].name);
    free(l.hosts);
    free(l.summary);
    free(starter);
    free(task);
    return rc;
}
