/* format.c - the text of a queue file: what a submission is, and what became of it.
 *
 * One JSON object a line. The first line is the submission as it was asked for; each
 * later one a change, appended as it happens, so that an array of 10,000 tasks costs no
 * more per task than a single one:
 *
 *   {"perigee-queue":1,"name":..,"seq":..,"user":..,"argv":[..],"indexes":"0-9,12",...}
 *   {"e":"begin","i":7,"t":1700000000,"boot":".."}   a process is about to be started
 *   {"e":"pid","i":7,"pid":4711,"start":123456}      it is this one
 *   {"e":"again","i":7}                              there is none: pending once more
 *   {"e":"cancel","i":7,"t":..}                      i -1: all
 *   {"e":"end","i":7,"t":..,"end":1,"code":0,"sig":0,"why":".."}
 *   {"e":"forget"}
 *
 * A last line without its newline was being written when the machine or the daemon went
 * down, and does not count. A change that cannot be read is left out: the claim in the
 * task's folder is what decides whether a task may run, not these lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

#define MAX_TASKS 1000000
#define MAX_ARGS  4096

/* ---- writing ---- */

static void put_indexes(peri_buf_t *b, const peri_sub_t *s)
{
    for (size_t i = 0, j; i < s->ntasks; i = j) {
        for (j = i + 1; j < s->ntasks; j++)
            if (s->tasks[j].index != s->tasks[j - 1].index + 1) break;
        peri_buf_printf(b, "%s%d", i ? "," : "", s->tasks[i].index);
        if (j > i + 1) peri_buf_printf(b, "-%d", s->tasks[j - 1].index);
    }
}

int peri_local_format_sub(const peri_sub_t *s, peri_buf_t *out, peri_err_t *err)
{
    peri_buf_t indexes;
    peri_buf_init(&indexes, 16u << 20);
    peri_buf_puts(&indexes, "");
    if (s->array) put_indexes(&indexes, s);
    json_t *argv = json_array();
    bool bad = false;
    for (char **a = s->argv; *a; a++) bad |= json_array_append_new(argv, json_string(*a));
    json_t *j = json_pack(
        "{s:i s:s s:I s:s s:s s:s s:I s:I s:o s:I s:I s:I s:I s:i s:i s:b s:s}",
        "perigee-queue", 1, "name", s->name, "seq", (json_int_t)s->seq, "folder",
        s->folder, "comment", s->comment, "user", s->user->name, "uid",
        (json_int_t)s->user->uid, "gid", (json_int_t)s->gid, "argv", argv, "submitted",
        (json_int_t)s->submitted, "memory", (json_int_t)s->memory, "cores",
        (json_int_t)s->cores, "time_limit", (json_int_t)s->time_limit, "priority",
        s->priority, "throttle", s->throttle, "array", s->array, "indexes",
        indexes.data ? indexes.data : "");
    peri_buf_free(&indexes);
    char *text = j && !bad ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    if (!text)
        return peri_err_set(err, PERI_EINVAL,
                            "the submission %s cannot be written as JSON: its arguments, "
                            "folder or user are not UTF-8",
                            s->name);
    peri_buf_puts(out, text);
    peri_buf_putc(out, '\n');
    free(text);
    return peri_buf_check(out, "a submission", err);
}

static void put_json_string(peri_buf_t *b, const char *s)
{
    json_t *j = json_string(s);
    char *text = j ? json_dumps(j, JSON_ENCODE_ANY) : NULL;
    json_decref(j);
    peri_buf_puts(b, text ? text : "\"\"");
    free(text);
}

void peri_local_format_note(const peri_local_t *l, const char *what, const peri_task_t *t,
                            peri_buf_t *out)
{
    peri_buf_printf(out, "{\"e\":\"%s\",\"i\":%d", what,
                    t ? t->index : PERI_SCHED_NO_INDEX);
    if (strcmp(what, "begin") == 0) {
        peri_buf_printf(out, ",\"t\":%lld,\"boot\":\"%s\"", (long long)t->started,
                        l->boot);
    } else if (strcmp(what, "pid") == 0) {
        peri_buf_printf(out, ",\"pid\":%d,\"start\":%llu", (int)t->pid,
                        (unsigned long long)t->pid_start);
    } else if (strcmp(what, "end") == 0) {
        peri_buf_printf(out, ",\"t\":%lld,\"end\":%d,\"code\":%d,\"sig\":%d",
                        (long long)t->ended, t->end, t->exit_code, t->sig);
        if (t->why) {
            peri_buf_puts(out, ",\"why\":");
            put_json_string(out, t->why);
        }
    }
    if (strcmp(what, "cancel") == 0)
        peri_buf_printf(out, ",\"t\":%lld", (long long)time(NULL));
    peri_buf_puts(out, "}\n");
}

/* ---- reading ---- */

static const char *text_of(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

/* A whole number between lo and hi; -1 and *bad set if it is none. */
static json_int_t number_of(const json_t *j, const char *key, json_int_t lo,
                            json_int_t hi, bool *bad)
{
    const json_t *v = json_object_get(j, key);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : lo - 1;
    if (n >= lo && n <= hi) return n;
    *bad = true;
    return -1;
}

/* "0-9,12": how many, and into tasks if there are any. -1 if it is damaged. */
static long parse_indexes(const char *s, peri_task_t *tasks)
{
    long n = 0;
    long long last = -1;
    while (*s) {
        char *end;
        long long from = strtoll(s, &end, 10), to = from;
        if (end == s) return -1;
        if (*end == '-') {
            s = end + 1;
            to = strtoll(s, &end, 10);
            if (end == s) return -1;
        }
        if (from <= last || to < from || to >= INT32_MAX || to - from >= MAX_TASKS - n)
            return -1;
        for (long long i = from; i <= to; i++, n++)
            if (tasks) tasks[n].index = (int32_t)i;
        last = to;
        if (*end && *end != ',') return -1;
        s = *end ? end + 1 : end;
    }
    return n;
}

static char **parse_argv(const json_t *j)
{
    size_t n = json_array_size(j);
    if (n == 0 || n > MAX_ARGS) return NULL;
    char **argv = peri_xcalloc(n + 1, sizeof(*argv));
    for (size_t i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(j, i));
        argv[i] = peri_xstrdup(s ? s : "");
    }
    return argv;
}

static peri_sub_t *parse_head(peri_local_t *l, const json_t *j, peri_err_t *err)
{
    bool bad = false;
    peri_sub_t *s = NULL;
    const char *name = text_of(j, "name"), *folder = text_of(j, "folder");
    const char *user = text_of(j, "user"), *indexes = text_of(j, "indexes");
    const char *comment = text_of(j, "comment");
    const bool array = json_is_true(json_object_get(j, "array"));
    number_of(j, "perigee-queue", 1, 1, &bad);
    long n = !array ? 1 : indexes ? parse_indexes(indexes, NULL) : -1;
    if (!name || !folder || folder[0] != '/' || !user || n <= 0) bad = true;
    const uid_t uid = (uid_t)number_of(j, "uid", 0, UINT32_MAX - 1, &bad);
    if (bad) goto damaged;

    s = peri_local_sub_new(name, (size_t)n);
    s->folder = peri_xstrdup(folder);
    s->comment = peri_xstrdup(comment ? comment : "");
    s->argv = parse_argv(json_object_get(j, "argv"));
    s->array = array;
    s->tasks[0].index = PERI_SCHED_NO_INDEX;
    if (array) parse_indexes(indexes, s->tasks);
    s->seq = (uint64_t)number_of(j, "seq", 1, INT64_MAX, &bad);
    s->gid = (gid_t)number_of(j, "gid", 0, UINT32_MAX - 1, &bad);
    s->submitted = number_of(j, "submitted", 0, INT64_MAX, &bad);
    s->memory = (uint64_t)number_of(j, "memory", 0, INT64_MAX, &bad);
    s->cores = (uint32_t)number_of(j, "cores", 1, INT32_MAX, &bad);
    s->time_limit = (uint32_t)number_of(j, "time_limit", 0, UINT32_MAX, &bad);
    s->priority = (int32_t)number_of(j, "priority", -1000, 1000, &bad);
    s->throttle = (int32_t)number_of(j, "throttle", 0, INT32_MAX, &bad);
    if (bad || !s->argv) goto damaged;
    s->user = peri_local_user(l, uid, user);
    return s;
damaged:
    peri_local_sub_free(s);
    peri_err_set(err, PERI_EFORMAT, "its first line is damaged");
    return NULL;
}

static void apply_cancel(peri_task_t *t, int64_t when)
{
    if (t->state != PERI_SCHED_PENDING) return;
    t->cancel = true;
    if (t->begun) return;
    t->state = PERI_SCHED_ENDED;
    t->end = PERI_END_CANCELLED;
    t->ended = when;
}

static void apply_to_task(const peri_local_t *l, peri_task_t *t, const char *what,
                          const json_t *j)
{
    bool bad = false;
    if (strcmp(what, "begin") == 0) {
        const char *boot = text_of(j, "boot");
        t->begun = true;
        t->other_boot = !boot || strcmp(boot, l->boot) != 0;
        t->started = number_of(j, "t", 0, INT64_MAX, &bad);
        t->pid = 0;
    } else if (strcmp(what, "pid") == 0) {
        t->pid = (pid_t)number_of(j, "pid", 1, INT32_MAX, &bad);
        t->pid_start = (uint64_t)number_of(j, "start", 0, INT64_MAX, &bad);
        if (bad) t->pid = 0;
    } else if (strcmp(what, "again") == 0) {
        t->begun = false;
        t->pid = 0;
        t->started = 0;
        t->restarts++;
    } else if (strcmp(what, "end") == 0) {
        const char *why = text_of(j, "why");
        json_int_t end = number_of(j, "end", PERI_END_UNKNOWN, PERI_END_DEPENDENCY, &bad);
        t->state = PERI_SCHED_ENDED;
        t->end = bad ? PERI_END_UNKNOWN : (uint8_t)end;
        t->ended = number_of(j, "t", 0, INT64_MAX, &bad);
        t->exit_code = (int32_t)number_of(j, "code", 0, 255, &bad);
        t->sig = (int32_t)number_of(j, "sig", 0, 128, &bad);
        if (bad && t->exit_code < 0) t->exit_code = 0;
        free(t->why);
        t->why = why ? peri_xstrdup(why) : NULL;
    }
}

static void apply_line(const peri_local_t *l, peri_sub_t *s, const json_t *j)
{
    const char *what = text_of(j, "e");
    bool bad = false;
    json_int_t index = number_of(j, "i", PERI_SCHED_NO_INDEX, INT32_MAX, &bad);
    json_int_t when = number_of(j, "t", 0, INT64_MAX, &(bool){false});
    size_t at;
    if (!what || bad) return;
    if (strcmp(what, "forget") == 0) {
        s->forgotten = true;
    } else if (strcmp(what, "cancel") == 0 && index == PERI_SCHED_NO_INDEX) {
        for (size_t i = 0; i < s->ntasks; i++) apply_cancel(&s->tasks[i], when);
    } else if (peri_local_sub_index(s, (int32_t)index, &at) == 0 &&
               s->tasks[at].state != PERI_SCHED_ENDED) {
        if (strcmp(what, "cancel") == 0)
            apply_cancel(&s->tasks[at], when);
        else
            apply_to_task(l, &s->tasks[at], what, j);
    }
}

peri_sub_t *peri_local_format_parse(peri_local_t *l, const char *text, size_t len,
                                    size_t *whole, peri_err_t *err)
{
    peri_sub_t *s = NULL;
    size_t at = 0;
    *whole = 0;
    while (at < len) {
        const char *nl = memchr(text + at, '\n', len - at);
        if (!nl) break;
        size_t n = (size_t)(nl - (text + at));
        json_t *j = json_loadb(text + at, n, JSON_REJECT_DUPLICATES, NULL);
        if (!s)
            s = parse_head(l, j, err);
        else if (j)
            apply_line(l, s, j);
        json_decref(j);
        if (!s) return NULL;
        at += n + 1;
        *whole = at;
    }
    if (!s) peri_err_set(err, PERI_EFORMAT, "it has no whole first line");
    return s;
}
