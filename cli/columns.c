/* columns.c - see columns.h. */
#include "cli/columns.h"

#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/when.h"
#include "core/base/util.h"

typedef void show_f(const json_t *job, const char *key, peri_grid_t *g);

struct peri_column {
    const char *name, *title;
    const char *key; /* of the job's object */
    show_f *show;
};

static void show_text(const json_t *job, const char *key, peri_grid_t *g)
{
    peri_grid_add(g, peri_json_str(job, key));
}

static void show_number(const json_t *job, const char *key, peri_grid_t *g)
{
    peri_grid_addf(g, "%lld", (long long)peri_json_int(job, key, 0));
}

static void show_short_id(const json_t *job, const char *key, peri_grid_t *g)
{
    peri_grid_addf(g, "%.8s", peri_json_str(job, key));
}

static void show_time(const json_t *job, const char *key, peri_grid_t *g)
{
    char s[PERI_WHEN];
    peri_grid_add(g, peri_when_time(peri_json_num(job, key, 0), s));
}

/* So long it ran, or runs. */
static void show_span(const json_t *job, const char *key, peri_grid_t *g)
{
    char s[PERI_WHEN];
    double started = peri_json_num(job, key, 0);
    double ended = peri_json_num(job, "ended", 0);
    if (!(ended > 0)) ended = peri_epoch();
    double span = ended > started ? ended - started : 0;
    peri_grid_add(g, started > 0 ? peri_when_span(span, s) : "");
}

/* "3/10": done of all. */
static void show_tasks(const json_t *job, const char *key, peri_grid_t *g)
{
    json_int_t all = 0, done = 0;
    const char *state;
    json_t *n;
    json_object_foreach(json_object_get(job, key), state, n)
    {
        all += json_integer_value(n);
        if (!strcmp(state, "succeeded") || !strcmp(state, "failed") ||
            !strcmp(state, "cancelled"))
            done += json_integer_value(n);
    }
    if (all > 0)
        peri_grid_addf(g, "%lld/%lld", (long long)done, (long long)all);
    else
        peri_grid_add(g, "");
}

/* What there is to say, and when a waiting job is expected to start. */
static void show_note(const json_t *job, const char *key, peri_grid_t *g)
{
    char when[PERI_WHEN];
    const char *text = peri_json_str(job, key), *state = peri_json_str(job, "state");
    double expected = peri_json_num(job, "expected", 0);
    bool ended = peri_json_num(job, "ended", 0) > 0;
    if (peri_json_true(job, "cancel_requested") && !ended)
        peri_grid_add(g, "is being cancelled");
    else if (expected > 0 && (!strcmp(state, "queued") || !strcmp(state, "waiting")))
        peri_grid_addf(g, "%s%sexpected to start %s", text, *text ? "; " : "",
                       peri_when_time(expected, when));
    else
        peri_grid_add(g, text);
}

static const peri_column_t columns[] = {
    {"number", ">JOB", "number", show_number},
    {"id", "ID", "id", show_short_id},
    {"uuid", "UUID", "id", show_text},
    {"user", "USER", "user", show_text},
    {"state", "STATE", "state", show_text},
    {"kind", "KIND", "kind", show_text},
    {"scheduler", "SCHEDULER", "scheduler", show_text},
    {"tasks", ">TASKS", "tasks", show_tasks},
    {"priority", ">PRIORITY", "priority", show_number},
    {"created", "CREATED", "created", show_time},
    {"started", "STARTED", "started", show_time},
    {"ended", "ENDED", "ended", show_time},
    {"expected", "EXPECTED", "expected", show_time},
    {"time", ">TIME", "started", show_span},
    {"reason", "REASON", "reason", show_text},
    {"results", "RESULTS", "results", show_text},
    {"name", "NAME", "name", show_text},
    {"note", "NOTE", "text", show_note},
};
#define NCOLUMNS (sizeof(columns) / sizeof(*columns))

static const peri_column_t *find(const char *name, size_t len)
{
    for (size_t i = 0; i < NCOLUMNS; i++)
        if (strlen(columns[i].name) == len && !strncmp(columns[i].name, name, len))
            return &columns[i];
    return NULL;
}

int peri_columns_parse(const char *list, const peri_column_t *out[PERI_COLUMNS_MAX],
                       peri_err_t *err)
{
    int n = 0;
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        const peri_column_t *c = find(p, len);
        if (!c) {
            const char *names[NCOLUMNS];
            char word[64];
            snprintf(word, sizeof(word), "%.*s", (int)len, p);
            for (size_t i = 0; i < NCOLUMNS; i++) names[i] = columns[i].name;
            const char *near = peri_did_you_mean(word, names, NCOLUMNS);
            return peri_err_set(err, PERI_EINVAL, "there is no column \"%s\"%s%s%s", word,
                                near ? "; did you mean \""
                                     : ": 'perigee jobs --help' lists them",
                                near ? near : "", near ? "\"?" : "");
        }
        if (n == PERI_COLUMNS_MAX)
            return peri_err_set(err, PERI_EINVAL, "at most %d columns", PERI_COLUMNS_MAX);
        out[n++] = c;
        p += len + (p[len] == ',');
    }
    return n > 0 ? n : peri_err_set(err, PERI_EINVAL, "--columns needs names of columns");
}

const char *peri_column_title(const peri_column_t *c)
{
    return c->title;
}

void peri_column_add(const peri_column_t *c, const json_t *job, peri_grid_t *g)
{
    c->show(job, c->key, g);
}

void peri_columns_list(FILE *out)
{
    int at = 0;
    for (size_t i = 0; i < NCOLUMNS; i++) {
        if (at == 0 || at + (int)strlen(columns[i].name) > 76)
            at = fprintf(out, "%s  ", i ? "\n" : "") - (i > 0);
        at += fprintf(out, "%s%s", columns[i].name, i + 1 < NCOLUMNS ? ", " : "\n");
    }
}
