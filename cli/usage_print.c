/* usage_print.c - see usage_print.h. */
#include "cli/usage_print.h"

#include <stdint.h>
#include <string.h>

#include "cli/client.h"
#include "cli/grid.h"
#include "cli/when.h"
#include "core/base/util.h"

typedef struct {
    double core_seconds, cpu_seconds; /* of the tasks shown */
    uint64_t memory_peak, memory_asked;
    double longest, time_asked;
} sums_t;

static const json_t *step_of(const json_t *job, const char *name)
{
    const json_t *s, *steps = json_object_get(json_object_get(job, "plan"), "steps");
    size_t i;
    json_array_foreach(steps, i, s) if (!strcmp(peri_json_str(s, "name"), name)) return s;
    return NULL;
}

static void add_task(sums_t *sums, const json_t *job, const json_t *t)
{
    const json_t *usage = json_object_get(t, "usage");
    const json_t *step = step_of(job, peri_json_str(t, "step"));
    double started = peri_json_num(t, "started", 0), ended = peri_json_num(t, "ended", 0);
    double until = ended > 0 ? ended : peri_epoch();
    double wall = until > started ? until - started : 0;
    double cores = peri_json_num(step, "ranks", 1) * peri_json_num(step, "threads", 1);
    uint64_t peak = (uint64_t)peri_json_num(usage, "memory_peak", 0);
    uint64_t asked = (uint64_t)peri_json_num(step, "memory", 0);
    if (!(started > 0)) return;
    if (json_is_object(usage)) {
        sums->core_seconds += wall * cores;
        sums->cpu_seconds += peri_json_num(usage, "cpu_seconds", 0);
    }
    if (wall > sums->longest) {
        sums->longest = wall;
        sums->time_asked = peri_json_num(step, "time_limit", 0);
    }
    if (peak > sums->memory_peak) {
        sums->memory_peak = peak;
        sums->memory_asked = asked;
    }
}

static void print_bytes(const json_t *usage, FILE *out)
{
    static const struct {
        const char *key, *label;
    } rows[] = {
        {"local_bytes", "local"}, {"shared_bytes", "shared"}, {"remote_bytes", "remote"}};
    char n[16], m[16];
    double all = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        all += peri_json_num(usage, rows[i].key, 0);
    if (all > 0) {
        fprintf(out, "%-12s ", "data");
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
            fprintf(out, "%s%s %s", i ? ", " : "",
                    peri_human_bytes((uint64_t)peri_json_num(usage, rows[i].key, 0), n),
                    rows[i].label);
        fprintf(out, " (%.0f %% on the node that holds it)\n",
                100 * peri_json_num(usage, "local_bytes", 0) / all);
    }
    double got = peri_json_num(usage, "bytes_read", 0);
    double put = peri_json_num(usage, "bytes_written", 0);
    if (got > 0 || put > 0)
        peri_grid_label(out, "disk", "%s read, %s written",
                        peri_human_bytes((uint64_t)got, n),
                        peri_human_bytes((uint64_t)put, m));
}

void peri_usage_print(const json_t *job, const json_t *tasks, FILE *out)
{
    const json_t *t, *usage = json_object_get(job, "usage");
    sums_t s = {0};
    size_t i;
    char a[PERI_WHEN], b[PERI_WHEN], n[16], m[16], count[32];
    json_array_foreach(tasks, i, t) add_task(&s, job, t);
    double cpu = peri_json_num(usage, "cpu_seconds", 0);
    if (json_object_size(usage) == 0 && s.longest <= 0) return;
    fputs("\nused of what was asked for\n", out);
    if (cpu > 0 && s.core_seconds > 0)
        peri_grid_label(out, "cpu", "%s; its cores were busy for %.0f %% of the time",
                        peri_when_span(cpu, a), 100 * s.cpu_seconds / s.core_seconds);
    else if (cpu > 0)
        peri_grid_label(out, "cpu", "%s", peri_when_span(cpu, a));
    uint64_t peak = (uint64_t)peri_json_num(usage, "memory_peak", 0);
    if (peak < s.memory_peak) peak = s.memory_peak;
    if (peak > 0 && s.memory_asked > 0)
        peri_grid_label(out, "memory", "%s of %s (%.0f %%)", peri_human_bytes(peak, n),
                        peri_human_bytes(s.memory_asked, m),
                        100 * (double)peak / (double)s.memory_asked);
    else if (peak > 0)
        peri_grid_label(out, "memory", "%s at most", peri_human_bytes(peak, n));
    if (s.time_asked > 0)
        peri_grid_label(out, "time", "%s of %s", peri_when_span(s.longest, a),
                        peri_when_span(s.time_asked, b));
    else if (s.longest > 0)
        peri_grid_label(out, "time", "%s", peri_when_span(s.longest, a));
    print_bytes(usage, out);
    uint64_t rows = (uint64_t)peri_json_num(usage, "rows", 0);
    if (rows > 0) peri_grid_label(out, "rows", "%s", peri_human_count(rows, count));
}
