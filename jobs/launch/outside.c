/* outside.c - the outer half of a sandboxed program: see inside.h.
 *
 * Nothing that the user chose reaches bubblewrap or what comes before it: neither her
 * environment, in which a LD_PRELOAD would be run outside, nor her PATH. One thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/launch/command.h"
#include "jobs/launch/inside.h"
#include "jobs/sandbox/sandbox.h"
#include "jobs/sandbox/shm.h"
#include "jobs/task/procs.h"
#include "jobs/task/io.h"
#include "jobs/task/text.h"

#define TMP_DEFAULT (1ull << 30)
#define TMP_LEAST   (64ull << 20)

enum { TELL_NONE = -1, SHOWN = 300 };

typedef struct {
    peri_task_t t;
    int tell; /* to perigee-launch; -1: there is srun in between */
    const char *const *words;
    size_t nwords, nstarter;

    peri_places_in_t places;
    char *bwrap;
    const char *self, *shm;
    int shm_fd;
    int passwd, group, request, said; /* memory files; said: what bubblewrap says */
    int tale[2], info[2], signals;

    pid_t child, inner;
    bool runs, ended;
    int status, told_status;
    bool has_status;
    char failed[PERI_TALE_MAX + 1]; /* the message N or F */
    sigset_t waiting;               /* signals that are not handed on yet */
} outside_t;

/* ---- words ---- */

static const char *own_path(peri_arena_t *arena)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    return n > 0 ? peri_arena_strndup(arena, path, (size_t)n) : "perigee-launch";
}

static const char *parent_of(const char *path, peri_arena_t *arena)
{
    const char *slash = strrchr(path, '/');
    return slash && slash > path ? peri_arena_strndup(arena, path, (size_t)(slash - path))
                                 : "/";
}

const char **peri_outside_words(const peri_task_t *t, const char *const *words,
                                size_t nwords, size_t nstarter, size_t *n)
{
    const char **w = peri_arena_calloc(t->arena, nwords + 8, sizeof(*w));
    *n = 0;
    w[(*n)++] = own_path(t->arena);
    w[(*n)++] = PERI_SANDBOX_ARG;
    w[(*n)++] = parent_of(t->folder, t->arena);
    w[(*n)++] = peri_arena_printf(t->arena, "%d", (int)t->index);
    w[(*n)++] = peri_arena_printf(t->arena, "%d", t->srun ? TELL_NONE : t->tell);
    w[(*n)++] = peri_arena_printf(t->arena, "%zu", nstarter);
    for (size_t i = 0; i < nwords; i++) w[(*n)++] = words[i];
    return w;
}

/* ---- what the inner half gets ---- */

static int memory_file(const char *name, const char *text, size_t len, peri_err_t *err)
{
    int fd = memfd_create(name, 0);
    if (fd >= 0 && peri_write_all(fd, text, len) == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    if (fd >= 0) close(fd);
    return peri_err_set(err, PERI_EINTERNAL, "cannot make a file in memory: %m");
}

static int text_file(const char *name, const char *text, peri_err_t *err)
{
    return memory_file(name, text, strlen(text), err);
}

static json_t *words_json(const char *const *words, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_stringn_nocheck(words[i], strlen(words[i])));
    return list;
}

static json_t *check_json(const peri_places_in_t *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "to", p->v[i].to, "dev",
                                              (json_int_t)p->v[i].dev, "ino",
                                              (json_int_t)p->v[i].ino));
    return list;
}

static int make_request(outside_t *o, peri_err_t *err)
{
    const peri_launch_t *l = &o->t.l;
    char *const *env = peri_command_environ(&o->t);
    size_t nenv = 0;
    while (env[nenv]) nenv++;
    const char *program = l->script ? "the script" : o->words[o->nstarter];
    const int64_t rank = o->t.srun ? peri_env_int("SLURM_LOCALID", 0) : 0;
    const int err_fd = fcntl(2, F_DUPFD, 3);
    json_t *j = json_pack(
        "{s:s, s:o, s:o, s:s, s:I, s:I, s:s, s:o, s:i, s:i}", "host", o->t.host, "argv",
        words_json(o->words, o->nwords), "env",
        words_json((const char *const *)env, nenv), "dir", l->dir ? l->dir : o->t.folder,
        "starter", (json_int_t)o->nstarter, "local_rank", (json_int_t)rank, "program",
        program, "check", check_json(&o->places), "tale", o->tale[1], "err", err_fd);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    if (!text || err_fd < 0) {
        free(text);
        return peri_err_set(err, PERI_EINVAL,
                            "a word or a value of the command is not valid UTF-8 text");
    }
    o->request = text_file("perigee-request", text, err);
    free(text);
    return o->request < 0 ? -1 : 0;
}

/* ---- the sandbox ---- */

/* Only the user: of others of this machine she sees numbers. */
static int make_accounts(outside_t *o, peri_err_t *err)
{
    const peri_sandbox_t *s = o->t.l.sandbox;
    const char *name = s->user ? s->user : "user", *home = s->home ? s->home : "/tmp";
    o->passwd = text_file("passwd",
                          peri_arena_printf(o->t.arena, "%s:x:%u:%u::%s:/bin/sh\n", name,
                                            geteuid(), getegid(), home),
                          err);
    if (o->passwd < 0) return -1;
    o->group = text_file(
        "group", peri_arena_printf(o->t.arena, "%s:x:%u:\n", name, getegid()), err);
    return o->group < 0 ? -1 : 0;
}

/* Folders that the PMIx server of slurmd shares with its ranks. */
static const char *const *server_folders(const outside_t *o)
{
    static const char *const names[] = {"PMIX_SERVER_TMPDIR", "PMIX_DSTORE_ESH_BASE_PATH",
                                        "PMIX_DSTORE_21_BASE_PATH", "PMIX_SYSTEM_TMPDIR"};
    const size_t n = sizeof(names) / sizeof(*names);
    const char **list = peri_arena_calloc(o->t.arena, n + 1, sizeof(*list));
    size_t m = 0;
    for (size_t i = 0; i < n && o->t.srun; i++) {
        const char *s = getenv(names[i]);
        /* Not all of /tmp: there may be others' files. */
        if (s && *s == '/' && strcmp(s, "/tmp") && strcmp(s, "/")) list[m++] = s;
    }
    return list;
}

static const char *const *own_folders(const outside_t *o)
{
    const char **list = peri_arena_calloc(o->t.arena, 3, sizeof(*list));
    list[0] = parent_of(o->self, o->t.arena);
    list[1] = peri_arena_printf(o->t.arena, "%s/lib", parent_of(list[0], o->t.arena));
    return list;
}

static const char *step_name(const outside_t *o)
{
    const char *step = getenv("SLURM_STEP_ID");
    return peri_arena_printf(o->t.arena, "%s-%s", o->t.mark, step ? step : "0");
}

static int prepare(outside_t *o, peri_err_t *err)
{
    const peri_launch_t *l = &o->t.l;
    o->bwrap = peri_sandbox_bwrap(err);
    if (!o->bwrap) return -1;
    if (peri_sandbox_open(l->sandbox, o->t.folder, l->results, o->t.arena, &o->places,
                          err))
        return -1;
    if (o->t.srun) {
        o->shm_fd = peri_shm_take(step_name(o), o->t.arena, &o->shm, err);
        if (o->shm_fd < 0) return -1;
    }
    o->said = memfd_create("said", MFD_CLOEXEC);
    if (o->said < 0 || pipe(o->tale) || pipe(o->info) ||
        fcntl(o->tale[0], F_SETFD, FD_CLOEXEC) || fcntl(o->info[0], F_SETFD, FD_CLOEXEC))
        return peri_err_set(err, PERI_EINTERNAL, "cannot make a pipe: %m");
    return make_accounts(o, err) || make_request(o, err) ? -1 : 0;
}

static const char *const *bwrap_words(const outside_t *o)
{
    const peri_launch_t *l = &o->t.l;
    const char *const inside[] = {o->self, PERI_INSIDE_ARG,
                                  peri_arena_printf(o->t.arena, "%d", o->request), NULL};
    const char **hide =
        peri_arena_calloc(o->t.arena, l->sandbox->nhide + 1, sizeof(*hide));
    memcpy(hide, l->sandbox->hide, l->sandbox->nhide * sizeof(*hide));
    const uint64_t tmp = l->memory ? l->memory : TMP_DEFAULT;
    const peri_sandbox_words_t in = {.bwrap = o->bwrap,
                                     .inside = inside,
                                     .places = &o->places,
                                     .own = own_folders(o),
                                     .servers = server_folders(o),
                                     .hide = hide,
                                     .shm = o->shm,
                                     .user = l->sandbox->user,
                                     .tmp_max = tmp < TMP_LEAST ? TMP_LEAST : tmp,
                                     .network = l->sandbox->network || o->t.srun,
                                     .passwd = o->passwd,
                                     .group = o->group,
                                     .info = o->info[1]};
    return peri_sandbox_words(&in, o->t.arena);
}

/* ---- signals ---- */

/* Those that are handed on. */
static void handed_on(sigset_t *set)
{
    static const int not [] = {SIGCHLD, SIGSEGV, SIGBUS,  SIGILL,
                               SIGFPE,  SIGABRT, SIGPIPE, SIGTRAP};
    sigfillset(set);
    for (size_t i = 0; i < sizeof(not ) / sizeof(*not ); i++) sigdelset(set, not [i]);
}

static _Noreturn void child(outside_t *o, const char *const *words, pid_t parent)
{
    char *const env[] = {"PATH=/usr/bin:/bin",
                         peri_arena_printf(o->t.arena, "%s=%s", PERI_MARK_ENV, o->t.mark),
                         NULL};
    sigset_t none, all;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(125);
    /* They are for the program: bubblewrap itself only dies with its parent. */
    handed_on(&all);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, sigismember(&all, sig) == 1 ? SIG_IGN : SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(o->said, 2) < 0) _exit(125);
    execve(o->bwrap, (char *const *)words, env);
    dprintf(2, "%s: %s\n", o->bwrap, strerror(errno));
    _exit(125);
}

static int start(outside_t *o, peri_err_t *err)
{
    const char *const *words = bwrap_words(o);
    const pid_t self = getpid();
    o->child = fork();
    if (o->child == 0) child(o, words, self);
    const int e = errno;
    close(o->tale[1]);
    close(o->info[1]);
    o->tale[1] = o->info[1] = -1;
    if (o->child < 0)
        return peri_err_set(err, PERI_EINTERNAL, "cannot make a process on node %s: %s",
                            o->t.host, strerror(e));
    return 0;
}

/* ---- while it runs ---- */

static void on_message(outside_t *o, const char *s)
{
    if (*s == 'R') {
        o->runs = true;
    } else if (*s == 'S') {
        o->told_status = atoi(s + 1);
        o->has_status = true;
    } else if (*s == 'N' || *s == 'F') {
        snprintf(o->failed, sizeof(o->failed), "%s", s);
    }
}

/* False at its end. A message is written at once, so it is not cut. */
static bool read_tale(outside_t *o)
{
    char text[4096];
    ssize_t n = read(o->tale[0], text, sizeof(text) - 1);
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    if (n == 0) return false;
    text[n] = '\0';
    for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1)
        on_message(o, text + at);
    return true;
}

/* {"child-pid": 123, ...} */
static bool read_info(outside_t *o)
{
    char text[1024];
    ssize_t n = read(o->info[0], text, sizeof(text) - 1);
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    if (n == 0) return false;
    text[n] = '\0';
    const char *p = strstr(text, "\"child-pid\":");
    if (p) o->inner = (pid_t)atol(p + 12);
    return true;
}

/* Those that come before the program runs wait for it. */
static void hand_on(outside_t *o)
{
    if (!o->runs || o->inner <= 0) return;
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(&o->waiting, sig) == 1) kill(-o->inner, sig);
    sigemptyset(&o->waiting);
}

static void hear(outside_t *o)
{
    struct signalfd_siginfo s;
    while (read(o->signals, &s, sizeof(s)) == sizeof(s))
        if (s.ssi_signo != SIGCHLD) sigaddset(&o->waiting, (int)s.ssi_signo);
    hand_on(o);
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == o->child) {
            o->ended = true;
            o->status = status;
        }
}

static void attend(outside_t *o)
{
    struct pollfd p[] = {
        {o->tale[0], POLLIN, 0}, {o->info[0], POLLIN, 0}, {o->signals, POLLIN, 0}};
    hear(o);
    while (!o->ended) {
        poll(p, 3, -1);
        if (p[1].revents && !read_info(o)) p[1].fd = -1;
        if (p[0].revents && !read_tale(o)) p[0].fd = -1;
        hear(o); /* and hand on what has waited */
    }
    while (p[0].fd >= 0 && read_tale(o)) {
    }
}

/* ---- the end ---- */

static int tell_failure(const outside_t *o, const char *message)
{
    const char *text = *message == 'N' ? strchr(message + 2, ' ') : message + 1;
    const int code = *message == 'N' ? atoi(message + 2) : 125;
    if (o->tell >= 0)
        (void)!peri_write_all(o->tell, message, strlen(message));
    else
        fprintf(stderr, "perigee-launch: %s\n", text ? text + 1 : "");
    return code;
}

static int tell_fault(const outside_t *o, const char *text)
{
    return tell_failure(o, peri_arena_printf(o->t.arena, "F %s", text));
}

/* Bubblewrap ended before the inner half has said anything. */
static int tell_broken(const outside_t *o)
{
    char said[1024], shown[SHOWN + 1];
    ssize_t n = peri_read_some(o->said, said, sizeof(said), 0);
    const char *nl = n > 0 ? memchr(said, '\n', (size_t)n) : NULL;
    peri_err_t err;
    peri_text_clean(said, nl ? (size_t)(nl - said) : n > 0 ? (size_t)n : 0, shown, SHOWN);
    if (peri_sandbox_probe(&err)) return tell_fault(o, err.text);
    return tell_fault(o, peri_arena_printf(o->t.arena,
                                           "the sandbox could not be made on node %s: %s",
                                           o->t.host, *shown ? shown : "it was ended"));
}

/* For who waits, this is the program: it ends as that did. */
static int end_like(int status)
{
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
    const int sig = WTERMSIG(status);
    sigset_t one;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(sig, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, sig);
    raise(sig);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    return 128 + sig;
}

static int conclude(const outside_t *o)
{
    if (o->has_status) return end_like(o->told_status);
    if (*o->failed) return tell_failure(o, o->failed);
    if (WIFSIGNALED(o->status)) return end_like(o->status);
    /* Killed with all that was in it: bubblewrap says 128 + 9. */
    if (o->runs) return end_like(SIGKILL);
    return tell_broken(o);
}

static void tidy(outside_t *o)
{
    peri_sandbox_close(&o->places);
    peri_shm_drop(o->shm_fd, o->shm);
    free(o->bwrap);
    o->bwrap = NULL;
}

static int run(outside_t *o)
{
    peri_err_t err;
    sigset_t all;
    handed_on(&all);
    sigemptyset(&o->waiting);
    sigaddset(&all, SIGCHLD);
    sigprocmask(SIG_BLOCK, &all, NULL);
    o->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    o->self = own_path(o->t.arena);
    if (o->signals < 0 || prepare(o, &err) || start(o, &err)) {
        tidy(o);
        return tell_fault(o, o->signals < 0 ? "cannot hear signals" : err.text);
    }
    attend(o);
    tidy(o);
    return conclude(o);
}

int peri_outside_main(int argc, char **argv)
{
    outside_t o = {.tell = -1, .shm_fd = -1, .tale = {-1, -1}, .info = {-1, -1}};
    peri_err_t err;
    if (argc < 7 || peri_task_load(argv[2], atol(argv[3]), &o.t, &err)) {
        fprintf(stderr, "perigee-launch: %s\n",
                argc < 7 ? PERI_SANDBOX_ARG " is for itself" : err.text);
        return 125;
    }
    o.tell = atoi(argv[4]);
    o.nstarter = (size_t)atol(argv[5]);
    o.words = (const char *const *)argv + 6;
    o.nwords = (size_t)argc - 6;
    if (o.tell >= 0) fcntl(o.tell, F_SETFD, FD_CLOEXEC);
    fcntl(o.t.dirfd, F_SETFD, FD_CLOEXEC);
    const int status =
        o.t.l.sandbox && o.nstarter < o.nwords ? run(&o) : tell_fault(&o, "no sandbox");
    return status;
}

bool peri_outside_failed(int tale, peri_arena_t *arena, peri_record_t *r)
{
    char text[PERI_TALE_MAX + 1];
    ssize_t n = tale < 0 ? 0 : read(tale, text, sizeof(text) - 1);
    if (n < 2) return false;
    text[n] = '\0';
    const bool none = *text == 'N';
    const char *said = none ? strchr(text + 2, ' ') : text + 1;
    r->exit = none ? PERI_EXIT_NO_PROGRAM : PERI_EXIT_FAULT;
    r->code = none ? atoi(text + 2) : 0;
    r->signal = 0;
    r->text = peri_arena_strdup(arena, said ? said + 1 : "");
    return true;
}
