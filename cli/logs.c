/* logs.c - see follow.h: what a task prints, from its first byte on.
 *
 * The offset of each stream is ours, so that a restart of the daemon costs nothing. When
 * the task is started again (its node failed), the new attempt is shown from its
 * beginning.
 */
#include "cli/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base/util.h"

#define CHUNK     (1u << 20)
#define PAUSE_MIN 0.1
#define PAUSE_MAX 1.0
#define LOOK      2.0 /* seconds between two looks whether it was started again */
#define MAX_TOLD  12

typedef struct {
    const char *name;
    int fd; /* where it goes; -1: not wanted */
    int64_t offset;
    bool final;
} stream_t;

typedef struct {
    peri_client_t *c;
    const peri_logopts_t *o;
    char *job; /* escaped */
    char *step;
    int64_t index;
    int64_t attempt; /* 0: none yet */
    stream_t streams[2];
} logs_t;

/* ---- which task ---- */

static void tell_tasks(const json_t *tasks, char *out, size_t cap)
{
    const json_t *t;
    size_t i, len = 0;
    out[0] = '\0';
    json_array_foreach(tasks, i, t)
    {
        if (i == MAX_TOLD) break;
        int n =
            snprintf(out + len, cap - len, "%s%s %lld (%s)", i ? ", " : "",
                     peri_json_str(t, "step"), (long long)peri_json_int(t, "index", 0),
                     peri_json_str(t, "state"));
        if (n < 0 || len + (size_t)n >= cap) break;
        len += (size_t)n;
    }
}

static bool is_wanted(const json_t *t, const peri_logopts_t *o)
{
    return (!o->step || !strcmp(o->step, peri_json_str(t, "step"))) &&
           (o->index < 0 || o->index == peri_json_int(t, "index", 0));
}

/* The task among those of the page, a borrowed reference. */
static const json_t *choose(const json_t *tasks, const peri_logopts_t *o, peri_err_t *err)
{
    const json_t *t, *found = NULL;
    size_t i, n = 0;
    json_array_foreach(tasks, i, t)
    {
        if (!is_wanted(t, o)) continue;
        if (n++ == 0) found = t;
    }
    if (n == 1) return found;
    char told[600];
    tell_tasks(tasks, told, sizeof(told));
    if (n == 0)
        peri_err_set(err, PERI_ENOTFOUND, "the job has no such task; it has: %s%s", told,
                     json_array_size(tasks) > MAX_TOLD ? ", ..." : "");
    else
        peri_err_set(err, PERI_EINVAL,
                     "the job has several tasks: say which one with --step and --index. "
                     "It has: %s%s",
                     told, json_array_size(tasks) > MAX_TOLD ? ", ..." : "");
    return NULL;
}

static json_t *get_tasks(logs_t *l, bool patient, peri_err_t *err)
{
    const peri_logopts_t *o = l->o;
    const char *step = l->step ? l->step : o->step;
    int64_t index = l->index >= 0 ? l->index : o->index;
    char *esc = step ? peri_url_escape(step) : NULL;
    char *path =
        peri_xasprintf("/jobs/%s/tasks?limit=%d%s%s&from=%lld", l->job,
                       index >= 0 ? (step ? 1 : 1000) : 100, step ? "&step=" : "",
                       step ? esc : "", index >= 0 ? (long long)index : 0LL);
    json_t *page = patient ? peri_client_await(l->c, err, "%s", path)
                           : peri_client_get(l->c, 0, NULL, err, "%s", path);
    free(path);
    free(esc);
    return page;
}

static int find_task(logs_t *l, peri_err_t *err)
{
    json_t *page = get_tasks(l, false, err);
    if (!page) return -1;
    const json_t *t = choose(json_object_get(page, "tasks"), l->o, err);
    if (t) {
        l->step = peri_xstrdup(peri_json_str(t, "step"));
        l->index = peri_json_int(t, "index", 0);
        l->attempt = l->o->attempt ? l->o->attempt : peri_json_int(t, "attempt", 0);
    }
    json_decref(page);
    return t ? 0 : -1;
}

/* ---- its output ---- */

static int write_all(int fd, const char *p, size_t n, peri_err_t *err)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR && !peri_cli_interrupted()) continue;
        if (done < 0 && errno == EPIPE)
            return peri_err_set(err, PERI_ECLOSED, "the reader has gone");
        if (done < 0)
            return peri_err_set(err, PERI_EIO, "the output cannot be written: %m");
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

/* 1: something came, 0: nothing now, -1: error (*again: try later). */
static int read_stream(logs_t *l, stream_t *s, bool *again, peri_err_t *err)
{
    peri_answer_t a;
    char *step = peri_url_escape(l->step);
    char *path = peri_xasprintf(
        "/jobs/%s/logs?step=%s&index=%lld&stream=%s&attempt=%lld&offset=%lld&limit=%u",
        l->job, step, (long long)l->index, s->name, (long long)l->attempt,
        (long long)s->offset, CHUNK);
    int rc =
        peri_client_call(l->c, &(peri_call_t){.method = "GET", .path = path}, &a, err);
    *again = rc != 0 && a.again;
    if (rc == 0) {
        rc = a.body.len > 0;
        if (a.body.len && write_all(s->fd, a.body.data, a.body.len, err)) rc = -1;
        s->offset = a.next >= 0 ? a.next : s->offset + (int64_t)a.body.len;
        s->final = a.final && a.body.len == 0;
    }
    peri_answer_free(&a);
    free(path);
    free(step);
    return rc;
}

static bool all_final(const logs_t *l)
{
    for (int i = 0; i < 2; i++)
        if (l->streams[i].fd >= 0 && !l->streams[i].final) return false;
    return true;
}

static void begin_attempt(logs_t *l, int64_t attempt)
{
    if (l->attempt > 0)
        fprintf(stderr, "perigee: the task was started again (attempt %lld)\n",
                (long long)attempt);
    l->attempt = attempt;
    for (int i = 0; i < 2; i++) {
        l->streams[i].offset = 0;
        l->streams[i].final = false;
    }
}

/* 1: the task is over, all of it. 0: it goes on, maybe as another attempt. */
static int look_at_task(logs_t *l, peri_err_t *err)
{
    json_t *page = get_tasks(l, true, err);
    if (!page) return -1;
    const json_t *t = json_array_get(json_object_get(page, "tasks"), 0);
    int64_t attempt = peri_json_int(t, "attempt", 0);
    int over = peri_state_is_final(peri_json_str(t, "state"));
    if (!l->o->attempt && attempt > l->attempt) {
        begin_attempt(l, attempt);
        over = 0;
    }
    json_decref(page);
    return over;
}

/* All that there is now, of both streams. 1: some came. */
static int drain(logs_t *l, peri_err_t *err)
{
    int came = 0;
    bool again;
    for (int i = 0; i < 2; i++) {
        stream_t *s = &l->streams[i];
        while (s->fd >= 0 && !s->final && !peri_cli_interrupted()) {
            int tries = 0, rc = read_stream(l, s, &again, err);
            while (rc < 0 && again && peri_client_pause(l->c, &tries))
                rc = read_stream(l, s, &again, err);
            if (rc < 0) return -1;
            if (rc == 0) break;
            came = 1;
        }
    }
    return came;
}

static int follow(logs_t *l, peri_err_t *err)
{
    double pause = PAUSE_MIN, look = 0;
    int ended = 0; /* looks that found it over, and nothing came any more */
    while (!peri_cli_interrupted()) {
        int came = l->attempt > 0 ? drain(l, err) : 0;
        if (came < 0) return -1;
        pause = came ? PAUSE_MIN : pause * 1.3 < PAUSE_MAX ? pause * 1.3 : PAUSE_MAX;
        if (came) {
            ended = 0;
            continue;
        }
        bool idle = l->attempt == 0 || all_final(l);
        if (idle || peri_now() > look) {
            int over = look_at_task(l, err);
            if (over < 0) return -1;
            if (over && (idle || ++ended == 3)) return 0;
            look = peri_now() + LOOK;
        }
        usleep((useconds_t)(pause * 1e6));
    }
    return peri_err_set(err, PERI_ECANCEL, "interrupted");
}

int peri_follow_logs(peri_client_t *c, const char *id, const peri_logopts_t *o)
{
    logs_t l = {.c = c, .o = o, .job = peri_url_escape(id), .index = -1};
    bool both = o->out && o->err;
    peri_err_t err = {0};
    l.streams[0] = (stream_t){.name = "stdout", .fd = o->out ? STDOUT_FILENO : -1};
    l.streams[1] = (stream_t){.name = "stderr",
                              .fd = !o->err ? -1
                                    : both  ? STDERR_FILENO
                                            : STDOUT_FILENO};
    if (o->follow) peri_cli_catch_interrupts();
    int rc = find_task(&l, &err);
    if (rc == 0 && o->follow)
        rc = follow(&l, &err);
    else if (rc == 0 && l.attempt > 0)
        rc = drain(&l, &err) < 0 ? -1 : 0;
    else if (rc == 0)
        fputs("perigee: it has not started yet: -f waits for it\n", stderr);
    free(l.step);
    free(l.job);
    if (rc == 0) return 0;
    /* Ctrl-C is how one stops following: nothing to say. */
    return err.code == PERI_ECANCEL ? 130 : peri_cli_fail(&err);
}
