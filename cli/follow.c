/* follow.c - see follow.h: waiting for the end. */
#include "cli/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/when.h"
#include "core/base/util.h"
#include "core/out/writer.h"

#define HOLD       30.0 /* seconds that the daemon may hold an answer back */
#define HOLD_SHORT 1.0  /* while a progress line is shown */
#define PAGE       1000

bool peri_state_is_final(const char *state)
{
    return !strcmp(state, "succeeded") || !strcmp(state, "failed") ||
           !strcmp(state, "cancelled");
}

char *peri_job_sentence(const json_t *job)
{
    long long number = peri_json_int(job, "number", 0);
    const char *state = peri_json_str(job, "state"), *text = peri_json_str(job, "text");
    double started = peri_json_num(job, "started", 0);
    double ended = peri_json_num(job, "ended", 0);
    char span[PERI_WHEN];
    if (!strcmp(state, "succeeded"))
        return peri_xasprintf("job %lld succeeded%s%s", number,
                              started > 0 ? " after " : "",
                              peri_when_span(started > 0 ? ended - started : -1, span));
    return peri_xasprintf("job %lld %s%s%s%s", number,
                          !strcmp(state, "failed")      ? ""
                          : !strcmp(state, "cancelled") ? "was "
                                                        : "is ",
                          state, *text ? ": " : "", text);
}

/* ---- exit status ---- */

/* Of the first task of the step that failed; 0 if none did, -1 if it cannot be told. */
static int step_status(peri_client_t *c, const char *esc, const char *step)
{
    char *name = peri_url_escape(step);
    json_int_t from = 0;
    int status = 0;
    for (bool more = true; more && !status;) {
        peri_err_t err = {0};
        json_t *page =
            peri_client_await(c, &err, "/jobs/%s/tasks?step=%s&from=%lld&limit=%d", esc,
                              name, (long long)from, PAGE);
        const json_t *t, *next = json_object_get(page, "next");
        size_t i;
        if (!page) status = -1;
        json_array_foreach(json_object_get(page, "tasks"), i, t)
        {
            if (strcmp(peri_json_str(t, "state"), "failed") != 0 || status) continue;
            int64_t code = peri_json_int(t, "exit_code", 0);
            bool own = !strcmp(peri_json_str(t, "reason"), "exit");
            status = own && code >= 1 && code <= 125 ? (int)code : -1;
        }
        more = json_is_integer(next) && json_integer_value(next) > from;
        from = json_integer_value(next);
        json_decref(page);
    }
    free(name);
    return status;
}

/* Of the first program that ended with one; 1 if none did. */
static int program_status(peri_client_t *c, const char *esc, const json_t *job)
{
    const json_t *s, *steps = json_object_get(json_object_get(job, "plan"), "steps");
    size_t i;
    int status = json_array_size(steps) ? 0 : step_status(c, esc, "main");
    json_array_foreach(steps, i, s) if (!status) status =
        step_status(c, esc, peri_json_str(s, "name"));
    return status > 0 ? status : 1;
}

static int status_of(peri_client_t *c, const char *esc, const json_t *job)
{
    const char *state = peri_json_str(job, "state");
    if (!strcmp(state, "succeeded")) return 0;
    if (!strcmp(state, "cancelled")) return 130;
    return program_status(c, esc, job);
}

/* ---- the progress line ---- */

typedef struct {
    bool on, drawn;
} line_t;

static void wipe(line_t *l)
{
    if (l->drawn) fputs("\r\033[K", stderr);
    l->drawn = false;
}

static uint64_t count_of(const json_t *job, const char *state)
{
    return (uint64_t)peri_json_int(json_object_get(job, "tasks"), state, 0);
}

/* "40 % reading group 12": of the first running task. */
static void progress_of(peri_client_t *c, const char *esc, char *out, size_t cap)
{
    peri_err_t err = {0};
    const json_t *t;
    size_t i;
    out[0] = '\0';
    json_t *page = peri_client_get(c, 0, NULL, &err, "/jobs/%s/tasks?limit=100", esc);
    json_array_foreach(json_object_get(page, "tasks"), i, t)
    {
        if (strcmp(peri_json_str(t, "state"), "running") != 0) continue;
        double part = peri_json_num(t, "progress", -1);
        int n = part >= 0 ? snprintf(out, cap, "  %.0f %%", 100 * part) : 0;
        const char *message = peri_json_str(t, "message");
        if (*message) snprintf(out + n, cap - (size_t)n, "  %s", message);
        break;
    }
    json_decref(page);
}

static void draw(line_t *l, peri_client_t *c, const char *esc, const json_t *job)
{
    static const char *const states[] = {"waiting",   "submitting", "queued",   "running",
                                         "succeeded", "failed",     "cancelled"};
    if (!l->on) return;
    char text[1024], more[512] = "", span[PERI_WHEN];
    const char *state = peri_json_str(job, "state");
    double now = peri_epoch(), started = peri_json_num(job, "started", 0);
    double since = started > 0 ? started : peri_json_num(job, "created", now);
    uint64_t all = 0;
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        all += count_of(job, states[i]);
    if (!strcmp(state, "running"))
        progress_of(c, esc, more, sizeof(more));
    else if (*peri_json_str(job, "text"))
        snprintf(more, sizeof(more), ": %s", peri_json_str(job, "text"));
    /* The clock of the node may be a little ahead. */
    int n = snprintf(text, sizeof(text), "job %lld %s %s",
                     (long long)peri_json_int(job, "number", 0), state,
                     peri_when_span(now > since ? now - since : 0, span));
    if (all > 1)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "  %llu of %llu tasks done",
                      (unsigned long long)(count_of(job, "succeeded") +
                                           count_of(job, "failed") +
                                           count_of(job, "cancelled")),
                      (unsigned long long)all);
    snprintf(text + n, sizeof(text) - (size_t)n, "%s", more);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ') *p = ' ';
    /* Cut where a character begins. */
    int width = peri_terminal_width(stderr) - 1;
    if ((int)strlen(text) > width) {
        while (width > 0 && ((unsigned char)text[width] & 0xc0) == 0x80) width--;
        text[width] = '\0';
    }
    wipe(l);
    fputs(text, stderr);
    fflush(stderr);
    l->drawn = true;
}

/* ---- waiting ---- */

static double hold_of(const peri_waitopts_t *o, const line_t *l)
{
    double hold = l->on ? HOLD_SHORT : HOLD;
    double left = o->until > 0 ? o->until - peri_now() : hold;
    return left < 0 ? 0 : left < hold ? left : hold;
}

static int interrupted(const json_t *job)
{
    fprintf(stderr, "perigee: job %lld goes on; 'perigee cancel %lld' ends it\n",
            (long long)peri_json_int(job, "number", 0),
            (long long)peri_json_int(job, "number", 0));
    return 130;
}

/* The daemon was reached before: whatever keeps it away now is waited for. */
static json_t *get_again(peri_client_t *c, const char *esc, const peri_waitopts_t *o,
                         bool first, peri_err_t *err)
{
    int tries = 0;
    for (;;) {
        peri_answer_t a;
        json_t *job = peri_client_get(c, 0, &a, err, "/jobs/%s", esc);
        if (job || !a.again || first) return job;
        if (o->until > 0 && peri_now() >= o->until) {
            err->code = PERI_ELIMIT;
            return NULL;
        }
        if (!peri_client_pause(c, &tries)) {
            peri_err_set(err, PERI_ECANCEL, "interrupted");
            return NULL;
        }
    }
}

/* Until something happened. A failure shows again in the next look at the job. */
static void hold_on(peri_client_t *c, const char *esc, double hold, int64_t *seq)
{
    peri_err_t err = {0};
    json_t *e, *v;
    size_t i;
    e = peri_client_get(c, hold + 30, NULL, &err, "/jobs/%s/events?after=%lld&wait=%.0f",
                        esc, (long long)*seq, hold < 1 ? 1 : hold);
    json_array_foreach(json_object_get(e, "events"), i,
                       v) if (peri_json_int(v, "seq", 0) > *seq) *seq =
        peri_json_int(v, "seq", 0);
    json_decref(e);
}

/* Where the results are: in the storage, or, of one query, the file of its rows. */
static void say_result(const peri_client_t *c, const json_t *job)
{
    const char *delivered = peri_json_str(job, "delivered");
    if (*delivered) {
        fprintf(stderr, "perigee: its results are in %s\n", delivered);
        return;
    }
    if (!strcmp(peri_json_str(job, "delivery"), "failed")) {
        fprintf(stderr, "perigee: %s\n", peri_json_str(job, "text"));
        return;
    }
    if (peri_client_portal(c)) {
        fprintf(stderr, "perigee: 'perigee results %lld' shows its files\n",
                (long long)peri_json_int(job, "number", 0));
        return;
    }
    const json_t *steps = json_object_get(json_object_get(job, "plan"), "steps");
    const char *result = peri_json_str(json_array_get(steps, 0), "result");
    if (json_array_size(steps) != 1 || !*result ||
        json_integer_value(json_object_get(json_array_get(steps, 0), "tasks")) != 1)
        return;
    const char *folder = peri_json_str(job, "delivered");
    if (!*folder) folder = peri_json_str(job, "results");
    peri_format_t format;
    const bool table =
        !strchr(result, '/') && peri_format_from_path(result, &format, NULL);
    if (*result == '/' || table)
        fprintf(stderr, "perigee: its rows are in %s\n", result);
    else if (*folder)
        fprintf(stderr, "perigee: its rows are in %s/%s\n", folder, result);
    else
        fprintf(stderr, "perigee: its rows are with the job: perigee cp job:%lld:%s .\n",
                (long long)peri_json_int(job, "number", 0), result);
}

static void say_end(const peri_client_t *c, const json_t *job)
{
    char *s = peri_job_sentence(job);
    fprintf(stderr, "perigee: %s\n", s);
    free(s);
    if (!strcmp(peri_json_str(job, "state"), "succeeded")) say_result(c, job);
}

/* Its results are where they were to go, too. */
static bool is_over(const json_t *job)
{
    return peri_state_is_final(peri_json_str(job, "state")) &&
           strcmp(peri_json_str(job, "delivery"), "pending") != 0;
}

/* -1: not over yet. */
static int look(peri_client_t *c, const char *esc, const peri_waitopts_t *o, line_t *line,
                json_t **job)
{
    peri_err_t err = {0};
    json_t *now = get_again(c, esc, o, !*job, &err);
    if (!now) {
        wipe(line);
        if (err.code == PERI_ECANCEL && *job) return interrupted(*job);
        return err.code == PERI_ELIMIT ? PERI_STATUS_TIMEOUT : peri_cli_fail(&err);
    }
    json_decref(*job);
    *job = now;
    bool over = is_over(now);
    if (!over && !(o->until > 0 && peri_now() >= o->until)) return -1;
    wipe(line);
    if (!o->quiet) say_end(c, now);
    return over ? status_of(c, esc, now) : PERI_STATUS_TIMEOUT;
}

int peri_follow_end(peri_client_t *c, const char *id, const peri_waitopts_t *o)
{
    const char *term = getenv("TERM");
    line_t line = {.on = !o->quiet && peri_terminal_width(stderr) > 0 && term &&
                         strcmp(term, "dumb") != 0};
    char *esc = peri_url_escape(id);
    json_t *job = NULL;
    int64_t seq = 0;
    int status;
    peri_cli_catch_interrupts();
    for (unsigned round = 0; (status = look(c, esc, o, &line, &job)) < 0; round++) {
        draw(&line, c, esc, job);
        hold_on(c, esc, hold_of(o, &line), &seq);
        /* A large array has events without end: not as often then. */
        usleep(round < 20 ? round * 10000 : 200000);
    }
    json_decref(job);
    free(esc);
    return status;
}
