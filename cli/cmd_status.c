/* cmd_status.c - `perigee status`: is everything well? */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/door.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/when.h"
#include "core/base/util.h"
#include "jobs/store/db.h"

#define NOT_STARTED 3
#define MIN_FREE    (1ull << 30)
#define DAYS_LEFT   7

static const char help_text[] =
    "Usage: perigee status [OPTION...]\n"
    "\n"
    "Says how the daemon, its database, its schedulers and its web door are, how many "
    "jobs\n"
    "there are and how much disk space. Exit status: 0 all is well, 1 something is down, "
    "3\n"
    "not started.\n"
    "\n"
    "      --config FILE  the configuration, as for 'perigee up'\n"
    "      --json         print JSON\n"
    "  -h, --help         show this\n"
    "\n"
    "Example\n"
    "  perigee status || perigee doctor\n";

typedef struct {
    json_t *api; /* the daemon's answer, or NULL */
    json_t *problems;
    const char *socket;
    bool running; /* perigeed, or its PostgreSQL */
    bool sees_door;
    peri_doorsight_t door;
} status_t;

__attribute__((format(printf, 2, 3))) static void problem(status_t *s, const char *fmt,
                                                          ...)
{
    va_list ap;
    char *text = NULL;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) abort();
    va_end(ap);
    json_array_append_new(s->problems, json_string(text));
    free(text);
}

/* ---- what there is ---- */

/* Only when it does not answer: who may not look into the state folder can tell no more.
 */
static void look_at_processes(const peri_config_t *conf, status_t *s)
{
    peri_daemon_t d = {0};
    peri_pgstatus_t pg = {0};
    peri_err_t err = {0};
    if (access(conf->state, R_OK | W_OK | X_OK)) return;
    int lock = peri_daemon_lock(conf, 0, &err);
    if (lock < 0) {
        s->running = err.code == PERI_ELIMIT;
        problem(s, "%s", err.text);
        return;
    }
    (void)peri_daemon_look(conf, &d, &err);
    close(lock);
    bool postgres =
        !conf->database && peri_pg_status(conf->pg_dir, &pg, &err) == 0 && pg.running;
    if (d.running)
        problem(s, "perigeed (pid %ld) runs but does not answer: see %s", (long)d.pid,
                conf->log);
    else if (postgres)
        problem(s,
                "perigeed has ended; its PostgreSQL (pid %ld) runs: 'perigee up' starts "
                "what is missing",
                pg.pid);
    s->running = d.running || postgres;
}

static void find_problems(status_t *s)
{
    const json_t *database = json_object_get(s->api, "database"), *b;
    const json_t *spool = json_object_get(s->api, "spool");
    size_t i;
    char n[16];
    if (!peri_json_true(database, "answers"))
        problem(s, "the database does not answer: %s%s", peri_json_str(database, "text"),
                peri_json_true(database, "private") ? "; 'perigee up' starts it again"
                                                    : "");
    json_array_foreach(json_object_get(s->api, "schedulers"), i,
                       b) if (!peri_json_true(b, "answers"))
        problem(s, "the scheduler %s does not answer: %s", peri_json_str(b, "name"),
                peri_json_str(b, "text"));
    double left = peri_json_num(spool, "free", -1);
    if (left >= 0 && left < (double)MIN_FREE)
        problem(s, "only %s are free in %s", peri_human_bytes((uint64_t)left, n),
                peri_json_str(spool, "path"));
    const char *version = peri_json_str(s->api, "version");
    if (strcmp(version, PERIGEE_VERSION) != 0)
        problem(
            s,
            "perigeed is version %s, this is %s: 'perigee down' and 'perigee up' bring "
            "the new one",
            version, PERIGEE_VERSION);
}

/* Only who may look into the state folder knows where it is. */
static void look_at_door(const peri_config_t *conf, const peri_rights_t *r, status_t *s)
{
    const peri_doorsight_t *d = &s->door;
    s->sees_door = access(conf->state, R_OK | X_OK) == 0;
    if (!s->sees_door) return;
    peri_door_look(conf, r, &s->door);
    if (d->wanted != PERI_WANTED_OPEN) return;
    if (!d->answers)
        problem(s, "nginx has ended: nobody answers at %s; 'perigee up' starts it",
                d->url);
    else if (!d->status)
        problem(s, "nginx runs, but nobody answers at %s: %s", d->url, d->why);
    else if (!d->ours)
        problem(s, "at %s another program answers", d->url);
    else if (d->tls && d->days < DAYS_LEFT)
        problem(s,
                "the certificate of %s %s; put a new one in place, then 'perigee reload'",
                d->url, d->days < 0 ? "has expired" : "expires within days");
}

static void look(const peri_config_t *conf, const peri_rights_t *r, status_t *s)
{
    peri_client_t *c = peri_client_new_at(s->socket);
    peri_answer_t a;
    peri_err_t err = {0};
    s->problems = json_array();
    s->api = peri_client_get(c, 10, &a, &err, "/status");
    peri_client_free(c);
    s->running = s->api != NULL;
    if (s->api) {
        find_problems(s);
        look_at_door(conf, r, s);
        return;
    }
    look_at_processes(conf, s);
    if (s->running || a.absent) return;
    s->running = true;
    problem(s, "%s", err.text);
}

/* ---- what is said ---- */

static void print_scheduler(const json_t *b, bool usual)
{
    char memory[16];
    long long nodes = peri_json_int(b, "nodes", 0), cores = peri_json_int(b, "cores", 0);
    const char *name = peri_json_str(b, "name");
    uint64_t bytes = (uint64_t)peri_json_num(b, "memory_node", 0);
    printf("%-12s %s%s: ", "scheduler", name, usual ? " (default)" : "");
    if (!peri_json_true(b, "answers"))
        puts("does not answer");
    else if (nodes > 1)
        printf("%lld nodes, %lld cores, up to %s a node\n", nodes, cores,
               bytes ? peri_human_bytes(bytes, memory) : "any memory");
    else
        printf("%lld core%s, %s\n", cores, cores == 1 ? "" : "s",
               bytes ? peri_human_bytes(bytes, memory) : "memory not told");
}

static void print_api(const json_t *api)
{
    const json_t *database = json_object_get(api, "database"), *b, *n;
    const json_t *spool = json_object_get(api, "spool");
    char span[PERI_WHEN], memory[16], left[16], all[16];
    const char *state;
    size_t i;
    int told = 0;
    peri_grid_label(stdout, "perigeed", "runs for %s, pid %lld, %s of memory, version %s",
                    peri_when_span(peri_json_num(api, "uptime", 0), span),
                    (long long)peri_json_int(api, "pid", 0),
                    peri_human_bytes((uint64_t)peri_json_num(api, "memory", 0), memory),
                    peri_json_str(api, "version"));
    peri_grid_label(stdout, "database", "%s%s",
                    peri_json_true(database, "answers") ? "answers" : "does not answer",
                    peri_json_true(database, "private") ? ", the private PostgreSQL"
                                                        : "");
    json_array_foreach(json_object_get(api, "schedulers"), i, b) print_scheduler(
        b, !strcmp(peri_json_str(b, "name"), peri_json_str(api, "scheduler")));
    printf("%-12s ", "jobs");
    json_object_foreach(json_object_get(api, "jobs"), state, n)
        printf("%s%lld %s", told++ ? ", " : "", (long long)json_integer_value(n), state);
    puts(told ? "" : "none waits or runs");
    peri_grid_label(stdout, "disk", "%s of %s free in %s",
                    peri_human_bytes((uint64_t)peri_json_num(spool, "free", 0), left),
                    peri_human_bytes((uint64_t)peri_json_num(spool, "size", 0), all),
                    peri_json_str(spool, "path"));
}

static void print_door(const peri_doorsight_t *d)
{
    char days[64] = "";
    if (d->tls && d->status)
        snprintf(days, sizeof(days), ", certificate valid for %.0f days", d->days);
    if (d->wanted != PERI_WANTED_OPEN)
        peri_grid_label(stdout, "web", "%s", d->note ? d->note : "off");
    else
        peri_grid_label(stdout, "web", "%s%s, %d connection%s", d->url, days,
                        d->connections, d->connections == 1 ? "" : "s");
}

static json_t *door_json(const peri_doorsight_t *d)
{
    static const char *const states[] = {"open", "off", "closed"};
    return json_pack("{s:s, s:s?, s:b, s:i, s:s?, s:o}", "wanted", states[d->wanted],
                     "url", d->wanted == PERI_WANTED_OPEN ? d->url : NULL, "answers",
                     d->answers && d->ours, "connections", d->connections, "note",
                     d->note, "certificate_days",
                     d->tls && d->status ? json_real(d->days) : json_null());
}

static void print_text(const peri_config_t *conf, const status_t *s)
{
    const json_t *p;
    size_t i;
    if (s->api)
        print_api(s->api);
    else
        puts(s->running ? "perigeed     does not answer"
                        : "perigee is not started here: 'perigee up' starts it.");
    if (s->sees_door) print_door(&s->door);
    if (s->running) {
        peri_grid_label(stdout, "socket", "%s", s->socket);
        peri_grid_label(stdout, "log", "%s", conf->log);
    }
    json_array_foreach(s->problems, i, p) printf("problem: %s\n", json_string_value(p));
}

static void print_json(const peri_config_t *conf, const status_t *s, bool ok)
{
    json_t *out = json_pack("{s:b, s:b, s:O, s:s, s:s, s:s, s:O?, s:o?}", "ok", ok,
                            "running", s->running, "problems", s->problems, "state",
                            conf->state, "socket", s->socket, "log", conf->log, "daemon",
                            s->api, "web", s->sees_door ? door_json(&s->door) : NULL);
    json_dumpf(out, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(out);
}

static int run(const char *config, bool json)
{
    peri_err_t err = {0};
    peri_rights_t rights = {0};
    status_t s = {0};
    peri_config_t *conf = peri_config_load(config, &err);
    if (!conf) return peri_cli_fail(&err);
    if (peri_rights_become(conf, false, &rights, &err)) {
        peri_config_free(conf);
        return peri_cli_fail(&err);
    }
    const char *given = getenv("PERIGEE_SOCKET");
    s.socket = given && *given ? given : conf->socket;
    look(conf, &rights, &s);
    bool ok = s.running && json_array_size(s.problems) == 0;
    if (json)
        print_json(conf, &s, ok);
    else
        print_text(conf, &s);
    int status = ok ? 0 : s.running ? 1 : NOT_STARTED;
    json_decref(s.api);
    json_decref(s.problems);
    peri_doorsight_free(&s.door);
    peri_rights_free(&rights);
    peri_config_free(conf);
    return peri_cli_done(status);
}

int peri_cmd_status(int argc, char **argv)
{
    const char *config = NULL;
    bool json = false;
    const peri_option_t options[] = {{"config", NULL, &config, 0},
                                     {"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options,
                                   sizeof(options) / sizeof(*options));
    if (status >= 0) return status;
    if (optind == argc) return run(config, json);
    fprintf(stderr, "perigee: status takes no \"%s\".\n", argv[optind]);
    return peri_cli_usage("status");
}
