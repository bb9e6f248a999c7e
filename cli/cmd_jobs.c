/* cmd_jobs.c - `perigee jobs`: the list of jobs. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/columns.h"
#include "cli/when.h"
#include "core/base/util.h"

#define USUAL_COLUMNS "number,state,kind,tasks,created,time,name,note"
#define ALL_COLUMNS   "number,user,state,kind,tasks,created,time,name,note"
#define USUAL_LIMIT   50
#define PAGE          1000
#define PERIOD        2.0 /* seconds between two pictures of --watch */

static const char help_text[] =
    "Usage: perigee jobs [OPTION...]\n"
    "\n"
    "Lists your jobs, the newest first.\n"
    "\n"
    "Which\n"
    "      --state S      waiting, queued, running, succeeded, failed, cancelled; "
    "several "
    "with\n"
    "                     commas; \"active\" for the first three, \"done\" for the "
    "others\n"
    "      --kind K       sql, script, ... (graph: of several steps)\n"
    "      --name GLOB    whose name fits, as 'fit-*'\n"
    "      --since WHEN   submitted since then: 90s, 15m, 2h, 3d ago, or a date as "
    "2026-11-20\n"
    "      --until WHEN   submitted before then\n"
    "      --user NAME    of this user (only root)\n"
    "      --all          of all users (only root)\n"
    "  -n, --limit N      at most N of them (default 50; 0: all)\n"
    "\n"
    "How\n"
    "      --columns C,C  these columns; see below\n"
    "      --json         print a JSON array\n"
    "      --watch        show them again every two seconds\n"
    "  -h, --help         show this\n"
    "\n"
    "Columns\n";

static const char examples_text[] =
    "\n"
    "Examples\n"
    "  perigee jobs --state failed --since 2d\n"
    "  perigee jobs --columns number,state,results --name 'fit-*'\n";

typedef struct {
    char *states; /* comma-separated, or NULL */
    const char *kind, *name, *user, *columns;
    double since, until;
    int64_t limit;
    bool all, json, watch;
} options_t;

/* ---- options ---- */

/* "active" and "done" stand for several; "" is a state that is not known. */
static const char *states_of(const char *word, size_t len)
{
    static const char *const known[][2] = {{"waiting", "waiting"},
                                           {"queued", "queued"},
                                           {"running", "running"},
                                           {"succeeded", "succeeded"},
                                           {"failed", "failed"},
                                           {"cancelled", "cancelled"},
                                           {"active", "waiting,queued,running"},
                                           {"done", "succeeded,failed,cancelled"}};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strlen(known[i][0]) == len && !strncmp(known[i][0], word, len))
            return known[i][1];
    return "";
}

static int add_states(char **to, const char *list, peri_err_t *err)
{
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        const char *states = states_of(p, len);
        if (!*states)
            return peri_err_set(err, PERI_EINVAL,
                                "there is no state \"%.*s\": waiting, queued, running, "
                                "succeeded, failed, cancelled, active, done",
                                (int)len, p);
        char *more = peri_xasprintf("%s%s%s", *to ? *to : "", *to ? "," : "", states);
        free(*to);
        *to = more;
        p += len + (p[len] == ',');
    }
    return 0;
}

static char *query_of(const options_t *o)
{
    peri_buf_t b;
    peri_buf_init(&b, 64u << 10);
    const struct {
        const char *key, *value;
    } texts[] = {{"state", o->states},
                 {"kind", o->kind},
                 {"name", o->name},
                 {"user", o->all || o->user ? "*" : NULL}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (!texts[i].value) continue;
        char *v = peri_url_escape(texts[i].value);
        peri_buf_printf(&b, "&%s=%s", texts[i].key, v);
        free(v);
    }
    if (o->since > 0) peri_buf_printf(&b, "&since=%lld", (long long)o->since);
    if (o->until > 0) peri_buf_printf(&b, "&until=%lld", (long long)o->until);
    peri_buf_puts(&b, "");
    return peri_buf_take(&b, NULL);
}

/* ---- the list ---- */

/* The jobs of a page that are wanted; false when there are enough. */
static bool add_page(json_t *all, const json_t *page, const options_t *o)
{
    const json_t *job;
    size_t i;
    json_array_foreach(json_object_get(page, "jobs"), i, job)
    {
        if (o->user && strcmp(o->user, peri_json_str(job, "user")) != 0) continue;
        json_array_append(all, (json_t *)(uintptr_t)job);
        if (o->limit && (int64_t)json_array_size(all) == o->limit) return false;
    }
    return true;
}

/* All pages up to the limit: a new reference to an array. */
static json_t *get_jobs(peri_client_t *c, const options_t *o, peri_err_t *err)
{
    json_t *all = json_array();
    char *query = query_of(o);
    int64_t before = 0;
    bool more = true;
    while (more) {
        int64_t n = !o->limit || o->user || o->limit > PAGE ? PAGE : o->limit;
        char where[48] = "";
        if (before) snprintf(where, sizeof(where), "&before=%lld", (long long)before);
        json_t *page = peri_client_get(c, 0, NULL, err, "/jobs?limit=%lld%s%s",
                                       (long long)n, query, where);
        if (!page) {
            json_decref(all);
            all = NULL;
            break;
        }
        before = peri_json_int(page, "next", 0);
        more = add_page(all, page, o) && before > 0;
        json_decref(page);
    }
    free(query);
    return all;
}

static int print_table(const json_t *jobs, const options_t *o, peri_err_t *err)
{
    const peri_column_t *columns[PERI_COLUMNS_MAX];
    const char *titles[PERI_COLUMNS_MAX];
    const char *list = o->columns          ? o->columns
                       : o->all || o->user ? ALL_COLUMNS
                                           : USUAL_COLUMNS;
    int n = peri_columns_parse(list, columns, err);
    if (n < 0) return -1;
    for (int i = 0; i < n; i++) titles[i] = peri_column_title(columns[i]);
    peri_grid_t *g = peri_grid_new(titles, (size_t)n);
    const json_t *job;
    size_t k;
    json_array_foreach(jobs, k, job) for (int i = 0; i < n; i++)
        peri_column_add(columns[i], job, g);
    peri_grid_print(g, stdout);
    peri_grid_free(g);
    return 0;
}

static int show(peri_client_t *c, const options_t *o, peri_err_t *err)
{
    json_t *jobs = get_jobs(c, o, err);
    int rc = 0;
    if (!jobs) return -1;
    if (o->watch) fputs("\033[H\033[J", stdout);
    if (o->json) {
        json_dumpf(jobs, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (json_array_size(jobs) > 0 || o->watch) {
        rc = print_table(jobs, o, err);
    } else {
        fputs("perigee: no such jobs.\n", stderr);
    }
    json_decref(jobs);
    fflush(stdout);
    return rc;
}

static int watch(peri_client_t *c, const options_t *o, peri_err_t *err)
{
    int tries = 0;
    if (!isatty(STDOUT_FILENO))
        return peri_err_set(err, PERI_EINVAL, "--watch needs a terminal");
    peri_cli_catch_interrupts();
    while (!peri_cli_interrupted()) {
        if (show(c, o, err) && err->code != PERI_ECANCEL) {
            if (err->code != PERI_EIO) return -1;
            if (!peri_client_pause(c, &tries)) break;
            continue;
        }
        tries = 0;
        for (double end = peri_now() + PERIOD;
             peri_now() < end && !peri_cli_interrupted();)
            usleep(50000);
    }
    return 0;
}

static int run(options_t *o)
{
    const peri_column_t *columns[PERI_COLUMNS_MAX];
    peri_err_t err = {0};
    if (o->columns && peri_columns_parse(o->columns, columns, &err) < 0)
        return peri_cli_fail(&err);
    peri_client_t *c = peri_client_new(&err);
    if (!c) return peri_cli_fail(&err);
    int rc = o->watch ? watch(c, o, &err) : show(c, o, &err);
    peri_client_free(c);
    return rc ? peri_cli_fail(&err) : peri_cli_done(0);
}

static int parse(int argc, char **argv, options_t *o)
{
    static const struct option options[] = {{"state", required_argument, NULL, 's'},
                                            {"kind", required_argument, NULL, 'k'},
                                            {"name", required_argument, NULL, 'N'},
                                            {"since", required_argument, NULL, 'S'},
                                            {"until", required_argument, NULL, 'U'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"limit", required_argument, NULL, 'n'},
                                            {"columns", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"watch", no_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    peri_err_t err = {0};
    int c, rc = 0;
    while (rc == 0 && (c = getopt_long(argc, argv, "n:h", options, NULL)) != -1) {
        switch (c) {
        case 's':
            rc = add_states(&o->states, optarg, &err);
            break;
        case 'k':
            o->kind = optarg;
            break;
        case 'N':
            o->name = optarg;
            break;
        case 'S':
            rc = peri_when_parse(optarg, &o->since, &err);
            break;
        case 'U':
            rc = peri_when_parse(optarg, &o->until, &err);
            break;
        case 'u':
            o->user = optarg;
            break;
        case 'a':
            o->all = true;
            break;
        case 'n':
            if (peri_cli_count("jobs", "limit", optarg, 0, 1000000, &o->limit)) return 2;
            break;
        case 'c':
            o->columns = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        case 'w':
            o->watch = true;
            break;
        case 'h':
            fputs(help_text, stdout);
            peri_columns_list(stdout);
            fputs(examples_text, stdout);
            return 0;
        default:
            return peri_cli_usage("jobs");
        }
    }
    if (rc) return peri_cli_fail(&err);
    if (optind == argc) return -1;
    fprintf(stderr, "perigee: jobs takes no \"%s\"; one job is 'perigee job %s'.\n",
            argv[optind], argv[optind]);
    return peri_cli_usage("jobs");
}

int peri_cmd_jobs(int argc, char **argv)
{
    options_t o = {.limit = USUAL_LIMIT};
    int rc = parse(argc, argv, &o);
    if (rc < 0) rc = run(&o);
    free(o.states);
    return rc;
}
