/* test_launch_fixture.h - a spool with one submission, and the real perigee-launch on it.
 */
#ifndef TEST_LAUNCH_FIXTURE_H
#define TEST_LAUNCH_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <dirent.h>

#include "core/base/util.h"
#include "jobs/task/folder.h"
#include "jobs/task/record.h"

/* With TEST_SANDBOX in the environment every program runs in a sandbox. */
static inline bool in_sandbox(void)
{
    return getenv("TEST_SANDBOX") != NULL;
}

#define UUID "6f0c1c9e-3c58-4b2e-8d3b-0123456789ab"

typedef struct {
    char root[64];
    char uuid[PERI_UUID_LEN + 1];
    char *attempt, *folder, *results; /* folder: of task 0 */
    peri_launch_t l;
    const char *argv[8];
    uid_t uid; /* whom perigee-launch runs as, if we are root */
    /* what came of it */
    peri_arena_t *arena;
    int status;
    bool has_started, has_exit, has_warned;
    double last_fraction;
    peri_record_t exit;
    char exit_text[2048];
} place_t;

static inline void place_make(place_t *p, const int32_t *indexes, size_t n)
{
    peri_err_t err;
    if (peri_folder_make(p->root, p->uuid, "main", 1, indexes, n, p->uid, p->uid, &err))
        fail_msg("%s", err.text);
}

/* In `under` (NULL: /tmp). uuid: its own, so that tests do not meet. */
static inline void place_open_as(place_t *p, const char *under, uid_t uid)
{
    *p = (place_t){.uid = uid, .arena = peri_arena_new()};
    snprintf(p->root, sizeof(p->root), "%s/perigee-test-XXXXXX", under ? under : "/tmp");
    assert_non_null(mkdtemp(p->root));
    assert_int_equal(chmod(p->root, 0711), 0);
    peri_uuid_new(p->uuid);
    place_make(p, NULL, 0);
    p->attempt = peri_folder_attempt(p->root, p->uuid, "main", 1);
    p->folder = peri_folder_task(p->root, p->uuid, "main", 1, 0);
    p->results = peri_folder_results(p->root, p->uuid);
    p->l = (peri_launch_t){.uuid = p->uuid,
                           .step = "main",
                           .attempt = 1,
                           .argv = p->argv,
                           .results = p->results,
                           .heartbeat = 0.2};
    static const peri_sandbox_t closed = {.user = "ana"};
    if (in_sandbox()) p->l.sandbox = &closed;
}

static inline void place_open(place_t *p)
{
    place_open_as(p, NULL, getuid());
}

static inline void place_close(place_t *p)
{
    peri_err_t err;
    if (peri_folder_remove(p->root, p->uuid, &err)) fail_msg("%s", err.text);
    assert_int_equal(rmdir(p->root), 0);
    free(p->attempt);
    free(p->folder);
    free(p->results);
    peri_arena_free(p->arena);
}

static inline void place_command(place_t *p, const char *a, const char *b, const char *c)
{
    p->argv[0] = a;
    p->argv[1] = b;
    p->argv[2] = c;
    p->l.argc = b ? c ? 3 : 2 : 1;
}

static inline void place_sh(place_t *p, const char *text)
{
    place_command(p, "/bin/sh", "-c", text);
}

static inline void place_write(place_t *p)
{
    peri_err_t err;
    peri_buf_t json;
    peri_buf_init(&json, 1 << 20);
    char *path = peri_xasprintf("%s/launch.json", p->attempt);
    if (peri_launch_to_json(&p->l, &json, &err) ||
        peri_file_write_atomic(path, json.data, json.len, &err))
        fail_msg("%s", err.text);
    assert_int_equal(chmod(path, 0644), 0);
    peri_buf_free(&json);
    free(path);
}

/* perigee-launch lies beside this program. */
static inline const char *launcher(void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
    assert_true(n > 0);
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, "perigee-launch");
    return path;
}

static inline pid_t place_start(place_t *p, const char *index)
{
    const char *program = launcher();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) return pid;
    int null = open("/dev/null", O_WRONLY);
    if (!getenv("TEST_VERBOSE")) dup2(null, 2);
    dup2(null, 1);
    if (p->uid != getuid() && (setgid(p->uid) || setuid(p->uid))) _exit(99);
    if (index)
        execl(program, program, p->attempt, "--index", index, (char *)NULL);
    else
        execl(program, program, p->attempt, (char *)NULL);
    _exit(98);
}

static inline void place_note(const peri_record_t *r, void *arg)
{
    place_t *p = arg;
    assert_false(p->has_exit); /* it is the last one */
    if (r->kind == PERI_REC_STARTED) {
        assert_false(p->has_started);
        p->has_started = true;
    }
    if (r->kind == PERI_REC_WARNED) p->has_warned = true;
    if (r->kind == PERI_REC_PROGRESS) p->last_fraction = r->fraction;
    if (r->kind == PERI_REC_EXIT) {
        p->has_exit = true;
        p->exit = *r;
        snprintf(p->exit_text, sizeof(p->exit_text), "%s", r->text);
        p->exit.text = p->exit_text;
    }
}

static inline void place_read(place_t *p, const char *index)
{
    peri_err_t err;
    uint64_t offset = 0;
    char *folder =
        index ? peri_xasprintf("%s/%s", p->attempt, index) : peri_xstrdup(p->folder);
    int fd = peri_folder_open(folder, &err);
    p->has_started = p->has_exit = p->has_warned = false;
    p->last_fraction = -1;
    if (fd < 0 || peri_records_read(fd, &offset, place_note, p, &err))
        fail_msg("%s", err.text);
    close(fd);
    free(folder);
}

static inline int place_wait(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline void place_run(place_t *p)
{
    place_write(p);
    p->status = place_wait(place_start(p, NULL));
    place_read(p, NULL);
}

/* A file of the task's folder (or, beginning with "/", any), as text. "" if none. */
static inline const char *place_file(place_t *p, const char *name)
{
    char *path =
        *name == '/' ? peri_xstrdup(name) : peri_xasprintf("%s/%s", p->folder, name);
    char *text = NULL;
    size_t len;
    const char *kept = "";
    if (peri_file_slurp(path, 64 << 20, &text, &len, NULL) == 0)
        kept = peri_arena_strndup(p->arena, text, len);
    free(text);
    free(path);
    return kept;
}

static inline void place_expect(place_t *p, peri_exitkind_t kind, const char *says)
{
    if (!p->has_exit) fail_msg("no exit record; status %d", p->status);
    if (p->exit.exit != kind || !strstr(p->exit.text, says))
        fail_msg("ended with kind %d, code %d, signal %d: %s\nstderr: %s", p->exit.exit,
                 p->exit.code, p->exit.signal, p->exit.text, place_file(p, "stderr"));
}

/* Runs and is not only waiting to be collected. */
static inline bool is_alive(pid_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, line, sizeof(line) - 1);
    close(fd);
    const char *state = n > 0 ? strrchr(line, ')') : NULL;
    return state && state[2] != 'Z' && state[2] != 'X';
}

/* Its number out here of what has this one inside. */
static inline pid_t pid_outside(place_t *p, pid_t inside)
{
    DIR *d = opendir("/proc");
    pid_t found = -1;
    for (struct dirent *e; found < 0 && (e = readdir(d));) {
        char *path = peri_xasprintf("/proc/%s/status", e->d_name),
             *environ = peri_xasprintf("/proc/%s/environ", e->d_name), *text = NULL;
        size_t len;
        int outer, inner;
        if (atol(e->d_name) > 0 &&
            peri_file_slurp(environ, 1 << 20, &text, &len, NULL) == 0 &&
            memmem(text, len, p->uuid, PERI_UUID_LEN)) {
            free(text);
            text = NULL;
            if (peri_file_slurp(path, 1 << 20, &text, &len, NULL) == 0 &&
                strstr(text, "NSpid:") &&
                sscanf(strstr(text, "NSpid:"), "NSpid: %d %d", &outer, &inner) == 2 &&
                inner == inside)
                found = outer;
        }
        free(text);
        free(path);
        free(environ);
    }
    closedir(d);
    return found;
}

/* Does anything with this job's name in its command or environment live? */
static inline bool place_lives(place_t *p)
{
    DIR *d = opendir("/proc");
    bool lives = false;
    for (struct dirent *e; !lives && (e = readdir(d));) {
        char *path = peri_xasprintf("/proc/%s/environ", e->d_name), *text = NULL;
        size_t len;
        if (atol(e->d_name) > 0 && peri_file_slurp(path, 1 << 20, &text, &len, NULL) == 0)
            lives = memmem(text, len, p->uuid, PERI_UUID_LEN) != NULL;
        free(text);
        free(path);
    }
    closedir(d);
    return lives;
}

/* The number in a file of the task's folder, when it has come. */
static inline pid_t await_pid(place_t *p, const char *name)
{
    for (int i = 0; i < 3000; i++) {
        const char *text = place_file(p, name);
        if (strchr(text, '\n'))
            return in_sandbox() ? pid_outside(p, (pid_t)atol(text)) : (pid_t)atol(text);
        poll(NULL, 0, 10);
    }
    fail_msg("%s has not come", name);
    return -1;
}

static inline bool await_death(pid_t pid)
{
    for (int i = 0; i < 1000 && is_alive(pid); i++) poll(NULL, 0, 10);
    return !is_alive(pid);
}

#endif
