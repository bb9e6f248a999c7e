/* test_local_fixture.h - a scheduler in a temporary folder, a launcher that takes claims
 * as perigee-launch does (the test program itself, see fx_launcher), and what _poll told.
 */
#ifndef TEST_LOCAL_FIXTURE_H
#define TEST_LOCAL_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "scheduler/scheduler.h"

#define PATIENCE 120.0 /* seconds for what takes a moment */

/* ---- the launcher: PROGRAM --launch ACTION [ARG] [--index N] ---- */

static inline uint64_t fx_start_time(pid_t pid)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    char *p = strrchr(text, ')');
    for (int i = 0; p && i < 20; i++) p = strchr(p + 1, ' ');
    return p ? strtoull(p, NULL, 10) : 0;
}

static inline void fx_boot(char out[64])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (!f || !fgets(out, 64, f)) out[0] = '\0';
    if (f) fclose(f);
    out[strcspn(out, "\n")] = '\0';
}

static inline void fx_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* True if it is ours. */
static inline bool fx_claim(const char *folder)
{
    char *tmp = peri_xasprintf("%s/.claim-%d", folder, (int)getpid());
    char *path = peri_xasprintf("%s/claim", folder);
    char boot[64];
    fx_boot(boot);
    FILE *f = fopen(tmp, "w");
    if (!f) _exit(90);
    fprintf(f, "{\"who\":\"launch\",\"pid\":%d,\"start\":%llu,\"boot\":\"%s\"}\n",
            (int)getpid(), (unsigned long long)fx_start_time(getpid()), boot);
    fclose(f);
    bool ours = link(tmp, path) == 0;
    unlink(tmp);
    free(tmp);
    free(path);
    return ours;
}

static inline void fx_note(const char *folder, const char *what)
{
    char *path = peri_xasprintf("%s/ran", folder), line[128];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    int n = snprintf(line, sizeof(line), "%s %.6f\n", what, peri_now());
    if (write(fd, line, (size_t)n) != n) _exit(91);
    close(fd);
    free(path);
}

static inline void fx_sleep(double seconds)
{
    struct timespec t = {(time_t)seconds,
                         (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) && errno == EINTR) {
    }
}

/* Call first in main: does not return in the launcher. */
static inline void fx_launcher(int argc, char **argv)
{
    if (argc < 3 || strcmp(argv[1], "--launch") != 0) return;
    const char *folder = getenv("PERIGEE_FOLDER"), *action = argv[2];
    const double arg = argc > 3 && argv[3][0] != '-' ? atof(argv[3]) : 0;
    if (!folder) _exit(92);
    if (strcmp(action, "late") == 0) fx_sleep(arg);
    if (!fx_claim(folder)) _exit(0);
    fx_note(folder, "start");
    if (strcmp(action, "sleep") == 0) fx_sleep(arg);
    if (strcmp(action, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        fx_note(folder, "deaf");
        fx_sleep(arg);
    }
    if (strcmp(action, "family") == 0) {
        /* Sessions of their own, deaf to SIGTERM: only SIGKILL finds them. */
        for (int i = 0; i < 3; i++)
            if (fork() == 0) {
                if (i) setsid();
                signal(SIGTERM, SIG_IGN);
                if (fork() == 0) {
                    fx_note(folder, "child");
                    fx_sleep(arg);
                    _exit(0);
                }
                fx_sleep(arg);
                _exit(0);
            }
        fx_sleep(arg);
    }
    if (strcmp(action, "env") == 0) {
        char *path = peri_xasprintf("%s/env", folder);
        FILE *f = fopen(path, "w");
        if (!f) _exit(93);
        for (char **e = environ; *e; e++) fprintf(f, "%s\n", *e);
        char cwd[4096];
        fprintf(f, "cwd=%s\nuid=%d gid=%d sid=%d\n", getcwd(cwd, sizeof(cwd)) ? cwd : "",
                (int)getuid(), (int)getgid(), getsid(0) == getpid());
        for (int fd = 3; fd < 256; fd++)
            if (fd != fileno(f) && fcntl(fd, F_GETFD) >= 0) fprintf(f, "open=%d\n", fd);
        sigset_t set;
        sigprocmask(SIG_SETMASK, NULL, &set);
        fprintf(f, "blocked=%d\n", sigismember(&set, SIGUSR1));
        fclose(f);
    }
    fx_note(folder, "end");
    _exit(strcmp(action, "exit") == 0 ? (int)arg : 0);
}

/* ---- what was told ---- */

typedef struct {
    char name[168], id[PERI_SCHED_ID_MAX], why[512];
    int32_t index;
    bool rest;
    peri_schedstate_t state;
    peri_schedend_t end;
    int exit_code, signal;
    uint32_t restarts;
    int64_t started, ended, expected;
} fx_told_t;

typedef struct {
    char root[64], *state, *spool, *self;
    peri_sched_t *s;
    json_t *conf;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int wakes;
    fx_told_t *told;
    size_t ntold, calls; /* of `each` in the last poll */
    bool complete;
} fx_t;

static inline void fx_wake(void *arg)
{
    fx_t *fx = arg;
    pthread_mutex_lock(&fx->lock);
    fx->wakes++;
    pthread_cond_signal(&fx->cond);
    pthread_mutex_unlock(&fx->lock);
}

static inline fx_told_t *fx_find(fx_t *fx, const char *name, int32_t index, bool rest)
{
    for (size_t i = 0; i < fx->ntold; i++)
        if (fx->told[i].index == index && fx->told[i].rest == rest &&
            strcmp(fx->told[i].name, name) == 0)
            return &fx->told[i];
    return NULL;
}

static inline void fx_each(const peri_schedtask_t *t, void *arg)
{
    fx_t *fx = arg;
    fx->calls++;
    fx_told_t *o = fx_find(fx, t->name, t->index, t->array_rest);
    if (!o) {
        fx->told = peri_xrealloc(fx->told, fx->ntold + 1, sizeof(*fx->told));
        o = &fx->told[fx->ntold++];
        memset(o, 0, sizeof(*o));
        snprintf(o->name, sizeof(o->name), "%s", t->name);
        o->index = t->index;
        o->rest = t->array_rest;
    }
    snprintf(o->id, sizeof(o->id), "%s", t->id);
    snprintf(o->why, sizeof(o->why), "%s", t->why);
    o->state = t->state;
    o->end = t->end;
    o->exit_code = t->exit_code;
    o->signal = t->signal;
    o->restarts = t->restarts;
    o->started = t->started;
    o->ended = t->ended;
    o->expected = t->expected;
}

static inline void fx_poll(fx_t *fx, bool all)
{
    peri_err_t err;
    fx->calls = 0;
    assert_int_equal(peri_sched_poll(fx->s, all, fx_each, fx, &fx->complete, &err), 0);
}

static inline size_t fx_count(const fx_t *fx, peri_schedstate_t state)
{
    size_t n = 0;
    for (size_t i = 0; i < fx->ntold; i++)
        n += fx->told[i].state == state && !fx->told[i].rest;
    return n;
}

static inline void fx_wait_wake(fx_t *fx)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 50000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_mutex_lock(&fx->lock);
    if (!fx->wakes) pthread_cond_timedwait(&fx->cond, &fx->lock, &t);
    fx->wakes = 0;
    pthread_mutex_unlock(&fx->lock);
}

/* Until n tasks are told in this state. */
static inline void fx_wait(fx_t *fx, size_t n, peri_schedstate_t state)
{
    const double until = peri_now() + PATIENCE;
    for (fx_poll(fx, false); fx_count(fx, state) < n; fx_poll(fx, false)) {
        if (peri_now() > until) {
            for (size_t i = 0; i < fx->ntold; i++)
                print_message("%s[%d] state %d end %d: %s\n", fx->told[i].name,
                              fx->told[i].index, fx->told[i].state, fx->told[i].end,
                              fx->told[i].why);
            fail_msg("%zu of %zu tasks are in state %d", fx_count(fx, state), n, state);
        }
        fx_wait_wake(fx);
    }
}

/* Until the task of an own file has noted this. */
static __attribute__((noinline, unused)) char *fx_ran(const fx_t *fx, const char *name,
                                                      int32_t index)
{
    char *path = peri_xasprintf("%s/%s/%d/ran", fx->spool, name, index < 0 ? 0 : index);
    char *text = NULL;
    size_t len;
    if (peri_file_slurp(path, 1 << 20, &text, &len, NULL)) text = peri_xstrdup("");
    free(path);
    return text;
}

static inline size_t fx_lines(const fx_t *fx, const char *name, int32_t index,
                              const char *what)
{
    char *text = fx_ran(fx, name, index);
    size_t n = 0;
    for (char *p = text; (p = strstr(p, what)); p++) n += p == text || p[-1] == '\n';
    free(text);
    return n;
}

static inline double fx_when(const fx_t *fx, const char *name, int32_t index,
                             const char *what)
{
    char *text = fx_ran(fx, name, index);
    char *p = strstr(text, what);
    double t = p ? atof(p + strlen(what) + 1) : -1;
    free(text);
    return t;
}

static inline void fx_wait_line(const fx_t *fx, const char *name, int32_t index,
                                const char *what, size_t n)
{
    const double until = peri_now() + PATIENCE;
    while (fx_lines(fx, name, index, what) < n) {
        if (peri_now() > until) fail_msg("%s[%d] did not note %s", name, index, what);
        usleep(5000);
    }
}

/* ---- open, submit, close ---- */

static inline void fx_reopen(fx_t *fx)
{
    peri_err_t err = {0};
    peri_sched_close(fx->s);
    fx->s = peri_sched_open("local", fx->conf, fx->state, NULL, fx_wake, fx, &err);
    if (!fx->s) fail_msg("%s", err.text);
    free(fx->told);
    fx->told = NULL;
    fx->ntold = 0;
}

static inline fx_t *fx_new(const char *conf)
{
    fx_t *fx = peri_xcalloc(1, sizeof(*fx));
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    /* Under valgrind that is valgrind. */
    fx->self = peri_xstrdup(strstr(self, "valgrind") ? program_invocation_name : self);
    if (fx->self[0] != '/') {
        char *real = realpath(fx->self, NULL);
        free(fx->self);
        fx->self = real;
    }
    strcpy(fx->root, "/tmp/perigee-local-XXXXXX");
    assert_non_null(mkdtemp(fx->root));
    chmod(fx->root, 0755);
    fx->state = peri_xasprintf("%s/state", fx->root);
    fx->spool = peri_xasprintf("%s/spool", fx->root);
    mkdir(fx->state, 0700);
    mkdir(fx->spool, 0755);
    pthread_mutex_init(&fx->lock, NULL);
    pthread_cond_init(&fx->cond, NULL);
    fx->conf = json_loads(conf, 0, NULL);
    assert_non_null(fx->conf);
    fx_reopen(fx);
    return fx;
}

static inline int fx_remove_one(const char *path, const struct stat *st, int flag,
                                struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void fx_free(fx_t *fx)
{
    peri_sched_close(fx->s);
    nftw(fx->root, fx_remove_one, 32, FTW_DEPTH | FTW_PHYS);
    json_decref(fx->conf);
    free(fx->told);
    free(fx->state);
    free(fx->spool);
    free(fx->self);
    pthread_mutex_destroy(&fx->lock);
    pthread_cond_destroy(&fx->cond);
    free(fx);
}

typedef struct {
    const char *action, *arg; /* of the launcher */
    uint32_t cores;
    uint64_t memory;
    uint32_t time_limit;
    int32_t priority, throttle;
    const int32_t *indexes;
    size_t nindexes;
    uid_t uid;
    gid_t gid;
    const char *program; /* instead of the launcher */
} fx_req_t;

static inline int fx_try(fx_t *fx, const char *name, const fx_req_t *r,
                         char id[PERI_SCHED_ID_MAX], peri_err_t *err)
{
    char *folder = peri_xasprintf("%s/%s", fx->spool, name);
    mkdir(folder, 0755);
    for (size_t i = 0; i < (r->indexes ? r->nindexes : 1); i++) {
        char *task = peri_xasprintf("%s/%d", folder, r->indexes ? r->indexes[i] : 0);
        mkdir(task, 0750);
        if (r->uid && chown(task, r->uid, r->gid)) fail_msg("chown: %s", strerror(errno));
        free(task);
    }
    const char *argv[4] = {r->program ? r->program : fx->self, "--launch",
                           r->action ? r->action : "true", r->arg};
    peri_schedreq_t req = {.name = name,
                           .comment = "test",
                           .folder = folder,
                           .argv = argv,
                           .argc = r->arg ? 4 : 3,
                           .uid = r->uid ? r->uid : getuid(),
                           .gid = r->uid ? r->gid : getgid(),
                           .user = r->uid ? "nobody" : "tester",
                           .indexes = r->indexes,
                           .nindexes = r->nindexes,
                           .throttle = r->throttle,
                           .nodes = 1,
                           .ranks = 1,
                           .cpus = r->cores ? r->cores : 1,
                           .memory = r->memory,
                           .time_limit = r->time_limit,
                           .priority = r->priority};
    int rc = peri_sched_submit(fx->s, &req, id, err);
    free(folder);
    return rc;
}

static inline void fx_submit(fx_t *fx, const char *name, fx_req_t r)
{
    char id[PERI_SCHED_ID_MAX];
    peri_err_t err = {0};
    if (fx_try(fx, name, &r, id, &err)) fail_msg("%s: %s", name, err.text);
}

static inline const fx_told_t *fx_task(fx_t *fx, const char *name, int32_t index)
{
    const fx_told_t *t = fx_find(fx, name, index, false);
    if (!t) fail_msg("%s[%d] was not told", name, index);
    return t;
}

static inline void fx_cancel(fx_t *fx, const char *name, int32_t index)
{
    char id[PERI_SCHED_ID_MAX];
    peri_err_t err = {0};
    assert_int_equal(peri_sched_find(fx->s, name, id, &err), 1);
    if (peri_sched_cancel(fx->s, id, index, &err)) fail_msg("%s", err.text);
}

/* The launcher's own number, from its claim. */
static inline pid_t fx_pid(const fx_t *fx, const char *name, int32_t index)
{
    char *path = peri_xasprintf("%s/%s/%d/claim", fx->spool, name, index < 0 ? 0 : index);
    json_t *j = json_load_file(path, 0, NULL);
    pid_t pid = (pid_t)json_integer_value(json_object_get(j, "pid"));
    json_decref(j);
    free(path);
    assert_true(pid > 1);
    return pid;
}

#endif
