/* cmd_job.c - `perigee job`: all that is known of one job. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/plan_print.h"
#include "cli/usage_print.h"
#include "cli/when.h"
#include "core/base/util.h"

#define MAX_EVENTS 1000000

static const char help_text[] =
    "Usage: perigee job [OPTION...] JOB\n"
    "\n"
    "Shows a job: its state and why, its tasks, what it used of what it asked for, its "
    "plan.\n"
    "JOB is a number or the start of a uuid.\n"
    "\n"
    "      --events  also what happened to it, and when\n"
    "      --spec    only its specification, as JSON that can be submitted again\n"
    "      --json    print all of it as JSON (with --events: with its events)\n"
    "  -h, --help    show this\n"
    "\n"
    "Examples\n"
    "  perigee job --events 42\n"
    "  perigee job --spec 42 > again.json && perigee submit again.json\n";

typedef struct {
    bool events, spec, json;
} options_t;

/* ---- the job ---- */

static void print_times(const json_t *job)
{
    char at[PERI_WHEN], span[PERI_WHEN];
    double created = peri_json_num(job, "created", 0);
    double started = peri_json_num(job, "started", 0);
    double ended = peri_json_num(job, "ended", 0);
    double expected = peri_json_num(job, "expected", 0), now = peri_epoch();
    bool over = peri_state_is_final(peri_json_str(job, "state"));
    peri_grid_label(stdout, "submitted", "%s", peri_when_exact(created, at));
    if (started > 0)
        peri_grid_label(stdout, "started", "%s, after %s", peri_when_exact(started, at),
                        peri_when_span(started > created ? started - created : 0, span));
    else if (expected > 0 && !over)
        peri_grid_label(stdout, "expected", "%s, as its scheduler thinks",
                        peri_when_exact(expected, at));
    if (ended > 0 && started > 0)
        peri_grid_label(stdout, "ended", "%s, after %s", peri_when_exact(ended, at),
                        peri_when_span(ended > started ? ended - started : 0, span));
    else if (ended > 0)
        peri_grid_label(stdout, "ended", "%s", peri_when_exact(ended, at));
    else if (started > 0)
        peri_grid_label(stdout, "running", "for %s",
                        peri_when_span(now > started ? now - started : 0, span));
}

static void print_job(const json_t *job)
{
    const char *name = peri_json_str(job, "name"), *text = peri_json_str(job, "text");
    const char *reason = peri_json_str(job, "reason");
    const char *again = peri_json_str(job, "resubmit_of");
    printf("job %lld%s%s\n", (long long)peri_json_int(job, "number", 0),
           *name ? ": " : "", name);
    peri_grid_label(stdout, "state", "%s%s%s%s%s%s", peri_json_str(job, "state"),
                    *reason ? " (" : "", reason, *reason ? ")" : "", *text ? ": " : "",
                    text);
    if (peri_json_true(job, "cancel_requested") &&
        !peri_state_is_final(peri_json_str(job, "state")))
        peri_grid_label(stdout, "cancel", "asked for; what runs is being ended");
    peri_grid_label(stdout, "id", "%s", peri_json_str(job, "id"));
    peri_grid_label(stdout, "user", "%s", peri_json_str(job, "user"));
    peri_grid_label(stdout, "kind", "%s, on %s", peri_json_str(job, "kind"),
                    peri_json_str(job, "scheduler"));
    if (peri_json_int(job, "priority", 0))
        peri_grid_label(stdout, "priority", "%lld",
                        (long long)peri_json_int(job, "priority", 0));
    print_times(job);
    const char *results = peri_json_str(job, "delivered");
    if (!*results) results = peri_json_str(job, "results");
    if (*results) peri_grid_label(stdout, "results", "%s", results);
    if (*again) peri_grid_label(stdout, "again of", "%s", again);
}

/* ---- its tasks ---- */

/* "exit 3", "signal 9", or what a running one says of itself. */
static void add_note(peri_grid_t *g, const json_t *t)
{
    const char *text = peri_json_str(t, "text"), *message = peri_json_str(t, "message");
    double part = peri_json_num(t, "progress", -1);
    if (!strcmp(peri_json_str(t, "state"), "running") && part >= 0)
        peri_grid_addf(g, "%.0f %%%s%s", 100 * part, *message ? "  " : "", message);
    else
        peri_grid_add(g, *text ? text : message);
}

static void print_tasks(const json_t *tasks, bool more)
{
    static const char *const titles[] = {"STEP", ">TASK",   "STATE",   ">TRY",
                                         "ON",   "ID",      "STARTED", ">TIME",
                                         ">CPU", ">MEMORY", "NOTE"};
    if (json_array_size(tasks) == 0) return;
    peri_grid_t *g = peri_grid_new(titles, sizeof(titles) / sizeof(*titles));
    const json_t *t;
    size_t i;
    json_array_foreach(tasks, i, t)
    {
        char s[PERI_WHEN], bytes[16];
        const json_t *usage = json_object_get(t, "usage");
        double started = peri_json_num(t, "started", 0),
               ended = peri_json_num(t, "ended", 0);
        double memory = peri_json_num(usage, "memory_peak", 0);
        double until = ended > 0 ? ended : peri_epoch();
        peri_grid_add(g, peri_json_str(t, "step"));
        peri_grid_addf(g, "%lld", (long long)peri_json_int(t, "index", 0));
        peri_grid_add(g, peri_json_str(t, "state"));
        peri_grid_addf(g, "%lld", (long long)peri_json_int(t, "attempt", 0));
        peri_grid_add(g, peri_json_str(t, "host"));
        peri_grid_add(g, peri_json_str(t, "id"));
        peri_grid_add(g, peri_when_time(started, s));
        peri_grid_add(g, started > 0
                             ? peri_when_span(until > started ? until - started : 0, s)
                             : "");
        peri_grid_add(g, peri_when_span(peri_json_num(usage, "cpu_seconds", -1), s));
        peri_grid_add(g, memory > 0 ? peri_human_bytes((uint64_t)memory, bytes) : "");
        add_note(g, t);
    }
    puts("\ntasks");
    peri_grid_print(g, stdout);
    if (more) puts("...");
    peri_grid_free(g);
}

/* ---- what happened ---- */

/* All pages of the events, a new reference to an array. */
static json_t *get_events(peri_client_t *c, const char *esc, peri_err_t *err)
{
    json_t *all = json_array();
    for (int64_t seq = 0;;) {
        json_t *page = peri_client_get(c, 0, NULL, err, "/jobs/%s/events?after=%lld", esc,
                                       (long long)seq);
        const json_t *events = json_object_get(page, "events");
        size_t n = json_array_size(events);
        int64_t last = n ? peri_json_int(json_array_get(events, n - 1), "seq", 0) : 0;
        if (!page) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, (json_t *)(uintptr_t)events);
        json_decref(page);
        if (n == 0 || last <= seq || json_array_size(all) >= MAX_EVENTS) return all;
        seq = last;
    }
}

static void add_indexes(peri_grid_t *g, const json_t *e)
{
    const json_t *indexes = json_object_get(e, "indexes");
    size_t n = json_array_size(indexes);
    long long first = json_integer_value(json_array_get(indexes, 0));
    long long last = json_integer_value(json_array_get(indexes, n ? n - 1 : 0));
    if (n == 0)
        peri_grid_add(g, "");
    else if (n == 1)
        peri_grid_addf(g, "%lld", first);
    else
        peri_grid_addf(g, "%lld%s%lld", first,
                       last - first == (long long)n - 1 ? "-" : "..", last);
}

static void print_events(const json_t *events)
{
    static const char *const titles[] = {">SEQ",  "TIME", "EVENT", "STEP",
                                         ">TASK", ">TRY", "NOTE"};
    peri_grid_t *g = peri_grid_new(titles, sizeof(titles) / sizeof(*titles));
    const json_t *e;
    size_t i;
    json_array_foreach(events, i, e)
    {
        char at[PERI_WHEN];
        int64_t attempt = peri_json_int(e, "attempt", 0);
        double when = peri_json_num(e, "time", 0);
        peri_grid_addf(g, "%lld", (long long)peri_json_int(e, "seq", 0));
        peri_grid_addf(g, "%s.%03d", peri_when_exact(when, at),
                       (int)(1000 * (when - (double)(int64_t)when)));
        peri_grid_add(g, peri_json_str(e, "event"));
        peri_grid_add(g, peri_json_str(e, "step"));
        add_indexes(g, e);
        if (attempt > 0)
            peri_grid_addf(g, "%lld", (long long)attempt);
        else
            peri_grid_add(g, "");
        const char *text = peri_json_str(e, "text");
        const json_t *context = json_object_get(e, "context");
        peri_grid_add(g,
                      *text ? text : json_string_value(json_object_get(context, "id")));
    }
    puts("\nevents");
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

/* ---- all of it ---- */

static void dump(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
}

static int show(peri_client_t *c, const char *id, const options_t *o, peri_err_t *err)
{
    char *esc = peri_url_escape(id);
    json_t *tasks = NULL, *events = NULL,
           *job = peri_client_get(c, 0, NULL, err, "/jobs/%s", esc);
    int rc = -1;
    if (!job) goto out;
    if (o->spec) {
        dump(json_object_get(job, "spec"));
        rc = 0;
        goto out;
    }
    if (o->events && !(events = get_events(c, esc, err))) goto out;
    if (o->json) {
        if (events) json_object_set(job, "events", events);
        dump(job);
        rc = 0;
        goto out;
    }
    tasks = peri_client_get(c, 0, NULL, err, "/jobs/%s/tasks?limit=100", esc);
    if (!tasks) goto out;
    print_job(job);
    print_tasks(json_object_get(tasks, "tasks"),
                json_is_integer(json_object_get(tasks, "next")));
    peri_usage_print(job, json_object_get(tasks, "tasks"), stdout);
    if (json_object_size(json_object_get(job, "plan")) > 0) {
        puts("\nplan");
        peri_plan_print(json_object_get(job, "plan"), stdout);
    }
    if (events) print_events(events);
    rc = 0;
out:
    json_decref(events);
    json_decref(tasks);
    json_decref(job);
    free(esc);
    return rc;
}

int peri_cmd_job(int argc, char **argv)
{
    options_t o = {0};
    peri_err_t err = {0};
    const peri_option_t options[] = {{"events", &o.events, NULL, 0},
                                     {"spec", &o.spec, NULL, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options,
                                   sizeof(options) / sizeof(*options));
    if (status >= 0) return status;
    if (argc - optind != 1) {
        fputs("perigee: job needs one job; 'perigee jobs' lists them.\n", stderr);
        return peri_cli_usage("job");
    }
    peri_client_t *client = peri_client_new(&err);
    if (!client) return peri_cli_fail(&err);
    int rc = show(client, argv[optind], &o, &err);
    peri_client_free(client);
    return rc ? peri_cli_fail(&err) : peri_cli_done(0);
}
