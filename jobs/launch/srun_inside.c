/* srun_inside.c - `srun` as a sandboxed program finds it; see srun.h. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/launch/srun.h"

extern char **environ;

enum { LOST = 125 };

static const int handed[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT};

static json_t *words_json(char *const *words)
{
    json_t *list = json_array();
    for (; *words; words++) json_array_append_new(list, json_string(*words));
    return list;
}

/* What the outer half gives ranks itself. */
static json_t *environ_json(void)
{
    static const char *const not [] = {"SLURM_", "PMI",   "OMPI_COMM", "PERIGEE_SRUN",
                                       "PATH=",  "HOME=", "USER=",     "PWD=",
                                       "SHLVL=", "_="};
    json_t *list = json_array();
    for (char **e = environ; *e; e++) {
        bool ours = false;
        for (size_t i = 0; i < sizeof(not ) / sizeof(*not ); i++)
            ours |= !strncmp(*e, not [i], strlen(not [i]));
        if (!ours) json_array_append_new(list, json_string(*e));
    }
    return list;
}

/* The options that MPI programs are started with; 0: a word that is not taken. */
static int read_options(int argc, char **argv, int *n)
{
    static const struct option options[] = {
        {"ntasks", required_argument, NULL, 'n'},
        {"nodes", required_argument, NULL, 'N'},
        {"cpus-per-task", required_argument, NULL, 'c'},
        {"mpi", required_argument, NULL, 0},
        {"input", required_argument, NULL, 0},
        {"export", required_argument, NULL, 0},
        {"kill-on-bad-exit", optional_argument, NULL, 0},
        {"overlap", no_argument, NULL, 0},
        {NULL, 0, NULL, 0}};
    int c;
    *n = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+n:N:c:K", options, NULL)) != -1) {
        if (c == 'n') *n = atoi(optarg);
        if (c == '?' || (c == 'n' && *n < 1)) {
            fprintf(stderr,
                    "srun: error: in a sandbox it takes -n RANKS and a program, "
                    "not \"%s\"\n",
                    argv[optind - 1]);
            return 0;
        }
    }
    return optind < argc ? optind : 0;
}

static int send_request(int shared, const char *text, int own)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    union {
        char space[CMSG_SPACE(PERI_SRUN_FDS * sizeof(int))];
        struct cmsghdr align;
    } u = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = u.space,
                         .msg_controllen = sizeof(u.space)};
    const int fds[PERI_SRUN_FDS] = {0, 1, 2, own};
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(h), fds, sizeof(fds));
    return sendmsg(shared, &msg, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* Until the real one has ended: its status as of waitpid, -1: it was lost. */
static int attend(int own, int signals)
{
    for (;;) {
        struct pollfd p[] = {{own, POLLIN, 0}, {signals, POLLIN, 0}};
        struct signalfd_siginfo s;
        int status;
        poll(p, 2, -1);
        if (p[1].revents && read(signals, &s, sizeof(s)) == sizeof(s)) {
            const int sig = (int)s.ssi_signo;
            (void)!send(own, &sig, sizeof(sig), MSG_NOSIGNAL);
        }
        if (!p[0].revents) continue;
        return recv(own, &status, sizeof(status), 0) == sizeof(status) ? status : -1;
    }
}

static int request(int shared, int n, char *const *words)
{
    char dir[4096];
    int ends[2], status = -1;
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(handed) / sizeof(*handed); i++)
        sigaddset(&set, handed[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    const int signals = signalfd(-1, &set, SFD_CLOEXEC);
    json_t *o = json_pack("{s:i, s:s, s:o, s:o}", "n", n, "dir",
                          getcwd(dir, sizeof(dir)) ? dir : "/", "words",
                          words_json(words), "env", environ_json());
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text || strlen(text) > PERI_SRUN_MESSAGE) {
        fputs("srun: error: the command and its environment are too long, or not UTF-8\n",
              stderr);
    } else if (signals < 0 ||
               socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ||
               send_request(shared, text, ends[1])) {
        fprintf(stderr, "srun: error: cannot ask for ranks: %s\n", strerror(errno));
    } else {
        close(ends[1]);
        status = attend(ends[0], signals);
        if (status < 0) fputs("srun: error: the ranks were lost\n", stderr);
    }
    free(text);
    return status < 0            ? LOST
           : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                 : WEXITSTATUS(status);
}

int peri_srun_main(int argc, char **argv)
{
    const char *number = getenv(PERI_SRUN_ENV);
    int n;
    const int first = read_options(argc, argv, &n);
    if (!first) return 2;
    if (!number) {
        fputs("srun: error: this job has one node; use mpirun\n", stderr);
        return 2;
    }
    return request(atoi(number), n, argv + first);
}
