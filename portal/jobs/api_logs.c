/* api_logs.c - the output of a task, from the file that perigee-launch writes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/jobs/api.h"

#define CHUNK (1 << 20)

typedef struct {
    const char *step; /* wanted, or NULL: the first */
    int32_t index;    /* wanted, or -1: the first */
    bool found;
    char found_step[64];
    int32_t found_index;
    int attempt;
    peri_taskstate_t state;
} want_t;

static int on_task(const peri_taskrow_t *t, void *arg)
{
    want_t *w = arg;
    if (w->index >= 0 && t->index != w->index) return 0;
    w->found = true;
    snprintf(w->found_step, sizeof(w->found_step), "%s", t->step);
    w->found_index = t->index;
    w->attempt = t->attempt;
    w->state = t->state;
    return 1;
}

static int find_task(peri_request_t *r, char *uuid, want_t *w, peri_err_t *err)
{
    peri_db_t *db = peri_request_db(r, err);
    if (!db) return -1;
    int rc = peri_api_find(r, db, PERI_RIGHT_READ, uuid, err);
    if (rc == 0)
        rc = peri_store_tasks(db, uuid, w->step, w->index < 0 ? 0 : w->index, 0, on_task,
                              w, err);
    peri_dbpool_put(r->portal->db, db);
    if (rc) return -1;
    if (w->found) return 0;
    if (w->index >= 0)
        return peri_err_set(err, PERI_ENOTFOUND, "job %s has no task %d in step %s",
                            r->param[0], (int)w->index, w->step ? w->step : "1");
    return peri_err_set(err, PERI_ENOTFOUND, "job %s has no step \"%.60s\"", r->param[0],
                        w->step ? w->step : "");
}

/* 0 bytes if there is no file yet. */
static int read_part(peri_request_t *r, const char *folder, const char *stream,
                     int64_t offset, int64_t limit, peri_err_t *err)
{
    peri_err_t why = {0};
    r->bytes = peri_xmalloc((size_t)limit + 1);
    int dir = peri_folder_open(folder, &why);
    int fd = dir >= 0 ? peri_folder_open_file(dir, stream, &why) : -1;
    if (dir >= 0) close(dir);
    if (fd < 0) {
        if (why.code == PERI_ENOTFOUND) return 0;
        *err = why;
        return -1;
    }
    ssize_t n = pread(fd, r->bytes, (size_t)limit, offset);
    close(fd);
    if (n < 0) return peri_err_set(err, PERI_EIO, "cannot read the output: %m");
    r->bytes_len = (size_t)n;
    return 0;
}

/* ---- as it is written ---- */

#define LOOK_EVERY  0.5 /* seconds between two looks at a file that may grow */
#define STATE_EVERY 2.0 /* and at whether the task is over */

typedef struct {
    char uuid[PERI_UUID_LEN + 1];
    char step[64];
    int32_t index;
    int attempt; /* asked for; 0: that which runs when it begins */
    const char *stream;
    int fd; /* -1: there is no file yet */
    int64_t offset;
    bool over;    /* nothing more is written */
    double asked; /* peri_now() */
} follow_t;

/* The file of the attempt, when it is there. */
static void open_log(peri_request_t *r, follow_t *f)
{
    if (f->fd >= 0 || f->attempt == 0) return;
    char *folder = peri_folder_task(r->portal->config->spool, f->uuid, f->step,
                                    f->attempt, f->index);
    int dir = peri_folder_open(folder, NULL);
    if (dir >= 0) f->fd = peri_folder_open_file(dir, f->stream, NULL);
    if (dir >= 0) close(dir);
    free(folder);
}

/* With our own rights: she was allowed to when it began, and is asked for again here. */
static int ask_state(peri_request_t *r, follow_t *f)
{
    want_t w = {.step = f->step, .index = f->index};
    char uuid[PERI_UUID_LEN + 1];
    if (find_task(r, uuid, &w, NULL)) return -1;
    if (f->attempt == 0) f->attempt = w.attempt;
    f->over = peri_task_is_final(w.state) || f->attempt < w.attempt;
    f->asked = peri_now();
    return 0;
}

static ssize_t read_follow(peri_request_t *r, void *ctx, char *buf, size_t max)
{
    follow_t *f = ctx;
    const bool was_over = f->over;
    open_log(r, f);
    ssize_t n = f->fd >= 0 ? pread(f->fd, buf, max, f->offset) : 0;
    if (n < 0) return PERI_STREAM_FAILED;
    f->offset += n;
    if (n > 0) return n;
    /* Read to its end after it was over. */
    if (was_over) return PERI_STREAM_END;
    if (peri_now() - f->asked >= STATE_EVERY || f->attempt == 0) {
        if (ask_state(r, f)) return PERI_STREAM_FAILED;
        if (f->over) return read_follow(r, ctx, buf, max);
    }
    snprintf(r->wait_uuid, sizeof(r->wait_uuid), "%s", f->uuid);
    r->wait_until = peri_now() + LOOK_EVERY;
    return 0;
}

static void free_follow(void *ctx)
{
    follow_t *f = ctx;
    if (f->fd >= 0) close(f->fd);
    free(f);
}

static int follow(peri_request_t *r, const char *uuid, const want_t *w, int attempt,
                  const char *stream, int64_t offset)
{
    follow_t *f = peri_xcalloc(1, sizeof(*f));
    *f = (follow_t){.index = w->found_index,
                    .attempt = attempt ? attempt : w->attempt,
                    .stream = stream,
                    .fd = -1,
                    .offset = offset,
                    .over =
                        peri_task_is_final(w->state) || (attempt && attempt < w->attempt),
                    .asked = peri_now()};
    memcpy(f->uuid, uuid, sizeof(f->uuid));
    memcpy(f->step, w->found_step, sizeof(f->step));
    peri_request_set_header(r, "X-Accel-Buffering", "no");
    peri_request_set_header(r, "Cache-Control", "no-store");
    r->stream = (peri_stream_t){read_follow, free_follow, f, -1};
    return 0;
}

static bool is_set(const peri_request_t *r, const char *name)
{
    const char *s = peri_request_arg(r, name);
    return s && !strcmp(s, "1");
}

int peri_api_job_logs(peri_request_t *r, peri_err_t *err)
{
    char uuid[PERI_UUID_LEN + 1];
    int64_t index, attempt, offset, limit;
    const char *stream = peri_request_arg(r, "stream");
    if (!stream) stream = "stdout";
    if (strcmp(stream, "stdout") && strcmp(stream, "stderr"))
        return peri_err_set(err, PERI_EINVAL,
                            "the parameter stream is stdout or stderr, not \"%.40s\"",
                            stream);
    if (peri_request_number(r, "index", 0, INT32_MAX, -1, &index, err) ||
        peri_request_number(r, "attempt", 1, INT32_MAX, 0, &attempt, err) ||
        peri_request_number(r, "offset", 0, INT64_MAX / 2, 0, &offset, err) ||
        peri_request_number(r, "limit", 1, CHUNK, CHUNK, &limit, err))
        return -1;
    want_t w = {.step = peri_request_arg(r, "step"), .index = (int32_t)index};
    if (find_task(r, uuid, &w, err)) return -1;
    if (attempt > w.attempt)
        return peri_err_set(err, PERI_ENOTFOUND, "there was no attempt %d, only %d",
                            (int)attempt, w.attempt);
    if (is_set(r, "follow"))
        return follow(r, uuid, &w, (int)attempt,
                      strcmp(stream, "stderr") ? "stdout" : "stderr", offset);
    char *folder = peri_folder_task(r->portal->config->spool, uuid, w.found_step,
                                    attempt ? (int)attempt : w.attempt, w.found_index);
    int rc = read_part(r, folder, stream, offset, limit, err);
    free(folder);
    if (rc) return -1;
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)offset + (long long)r->bytes_len);
    peri_request_set_header(r, "X-Perigee-Next", text);
    bool over = peri_task_is_final(w.state) || (attempt && attempt < w.attempt);
    if (over && r->bytes_len == 0) peri_request_set_header(r, "X-Perigee-Final", "1");
    return 0;
}
