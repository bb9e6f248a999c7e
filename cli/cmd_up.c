/* cmd_up.c - `perigee up` and `perigee down`: the private PostgreSQL, perigeed, nginx. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/door.h"
#include "cli/grid.h"
#include "cli/helper.h"
#include "cli/stay.h"
#include "core/base/util.h"
#include "jobs/store/db.h"

#define LOCK_TIME 120.0 /* the other one may have to wait for PostgreSQL */

static const char up_help[] =
    "Usage: perigee up [OPTION...]\n"
    "\n"
    "Starts perigee on this machine: a private PostgreSQL in the state folder (unless "
    "the\n"
    "configuration names another database), the daemon perigeed, and nginx as its web "
    "door.\n"
    "What runs already is left alone; after a crash, what is missing is started. "
    "Without a\n"
    "configuration it runs jobs on this machine, for you alone, and the door is open to "
    "this\n"
    "machine only. Started by root, all of it runs as the user \"perigee\" or the one "
    "that\n"
    "the configuration names.\n"
    "\n"
    "      --config FILE  the configuration (default: $PERIGEE_CONFIG, perigee.yaml in "
    "the\n"
    "                     state folder, /etc/perigee/perigee.yaml; docs/admin/"
    "configuration.md)\n"
    "      --foreground   stay, start again what ends, and stop all at SIGTERM: for "
    "systemd\n"
    "  -h, --help         show this\n"
    "\n"
    "Example\n"
    "  perigee up && perigee submit --wait \"SELECT 42 AS answer\"\n";

static const char down_help[] =
    "Usage: perigee down [OPTION...]\n"
    "\n"
    "Stops nginx, perigeed, and PostgreSQL if 'perigee up' started it. Jobs that run go "
    "on;\n"
    "how they ended is noted at the next 'perigee up'.\n"
    "\n"
    "      --config FILE  the configuration, as for 'perigee up'\n"
    "  -h, --help         show this\n"
    "\n"
    "Example\n"
    "  perigee down\n";

/* ---- up ---- */

typedef struct {
    bool postgres, daemon; /* started by us now */
    pid_t child;           /* perigeed, if so */
    peri_rights_t rights;
    peri_helping_t helper;
    peri_doors_t door;
} started_t;

static int start_postgres(const peri_config_t *conf, started_t *s, peri_err_t *err)
{
    peri_pgstatus_t pg = {0};
    if (conf->database) return 0;
    if (peri_pg_status(conf->pg_dir, &pg, err)) return -1;
    if (!pg.initialised)
        fprintf(stderr, "perigee: making a database in %s\n", conf->pg_dir);
    s->postgres = !pg.running;
    return peri_pg_start(conf->pg_dir, err);
}

static int start_daemon(const peri_config_t *conf, bool foreground, started_t *s,
                        peri_err_t *err)
{
    peri_daemon_t d;
    struct stat st = {0};
    if (peri_daemon_look(conf, &d, err)) return -1;
    (void)stat(conf->log, &st);
    if (d.running && foreground) {
        bool killed = false;
        if (!peri_daemon_orphaned(&d))
            return peri_err_set(
                err, PERI_EINVAL,
                "perigeed runs already (pid %ld): 'perigee down' stops it", (long)d.pid);
        fputs("perigee: the 'perigee up --foreground' before this one was killed; "
              "starting its perigeed again\n",
              stderr);
        if (peri_daemon_stop(conf, &killed, err)) return -1;
        d.running = false;
    }
    if (!d.running) {
        s->child = peri_daemon_start(conf, !foreground, err);
        if (s->child < 0) return -1;
        s->daemon = true;
    }
    if (peri_daemon_ready(conf, s->child, err) == 0) return 0;
    if (!foreground) peri_daemon_tail(conf, st.st_size);
    return -1;
}

/* What the daemon says of itself that is not as it should be. */
static void say_troubles(const peri_config_t *conf)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new_at(conf->socket);
    json_t *j = peri_client_get(c, 5, NULL, &err, "/status"), *b;
    const char *version = peri_json_str(j, "version");
    size_t i;
    json_array_foreach(json_object_get(j, "schedulers"), i, b)
    {
        const char *why = peri_json_str(b, "text");
        if (!peri_json_true(b, "answers") && *why)
            fprintf(stderr, "perigee: the scheduler %s does not answer: %s\n",
                    peri_json_str(b, "name"), why);
    }
    if (*version && strcmp(version, PERIGEE_VERSION) != 0)
        fprintf(
            stderr,
            "perigee: the perigeed that runs is version %s, this is %s: 'perigee down' "
            "and 'perigee up' bring the new one\n",
            version, PERIGEE_VERSION);
    json_decref(j);
    peri_client_free(c);
}

static void say_door(const peri_doors_t *d)
{
    if (d->way == PERI_WAY_SHUT)
        peri_grid_label(stdout, "web", "%s", d->note ? d->note : "off");
    else
        peri_grid_label(stdout, "web", "%s%s%s", d->front.url, d->note ? "; " : "",
                        d->note ? d->note : "");
}

/* Until somebody can sign in as an administrator, a link with which one sets a password.
 */
static void say_setup(const peri_config_t *conf)
{
    static const char body[] = "{\"admin\": true}";
    const peri_call_t call = {.method = "POST",
                              .path = "/setup-link",
                              .body = body,
                              .body_len = sizeof(body) - 1,
                              .timeout = 10};
    peri_err_t err = {0};
    peri_answer_t a = {0};
    peri_client_t *c = peri_client_new_at(conf->socket);
    json_t *status = peri_client_get(c, 10, NULL, &err, "/status"), *made = NULL;
    if (json_is_false(json_object_get(status, "administrator")) &&
        peri_client_call(c, &call, &a, &err) == 0 && (made = peri_answer_json(&a, &err)))
        printf("\nNobody can sign in as an administrator yet. This link, good for a week "
               "and "
               "once,\nsets the password of \"%s\":\n  %s\n",
               peri_json_str(made, "name"), peri_json_str(made, "url"));
    json_decref(made);
    json_decref(status);
    peri_answer_free(&a);
    peri_client_free(c);
}

static void say_up(const peri_config_t *conf, bool foreground, const started_t *s)
{
    peri_daemon_t d = {0};
    peri_err_t err = {0};
    (void)peri_daemon_look(conf, &d, &err);
    if (conf->database)
        peri_grid_label(stdout, "database", "the configuration's");
    else
        peri_grid_label(stdout, "database", "%s, in %s", s->postgres ? "started" : "runs",
                        conf->pg_dir);
    peri_grid_label(stdout, "perigeed", "%s, pid %ld",
                    s->daemon ? "started" : "runs already", (long)d.pid);
    peri_grid_label(stdout, "scheduler", "%s", conf->scheduler);
    peri_grid_label(stdout, "config", "%s",
                    conf->source ? conf->source : "none: defaults");
    peri_grid_label(stdout, "socket", "%s", conf->socket);
    say_door(&s->door);
    peri_grid_label(stdout, "log", "%s", foreground ? "standard error" : conf->log);
    if (s->door.way != PERI_WAY_SHUT) say_setup(conf);
    puts("\nTry:  perigee submit --wait \"SELECT 42 AS answer\"");
    fflush(stdout);
}

/* What systemd waits for (Type=notify). */
static void notify(const char *what)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof(a.sun_path)) return;
    memcpy(a.sun_path, path, n);
    if (path[0] == '@') a.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    (void)sendto(fd, what, strlen(what), MSG_NOSIGNAL, (struct sockaddr *)&a,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

/* All are stopped, whatever the first one says; the door first, so that nobody knocks in
 * vain. */
static int stop_all(const peri_config_t *conf, bool *was_daemon, bool *was_postgres,
                    peri_err_t *err)
{
    peri_daemon_t d = {0};
    peri_pgstatus_t pg = {0};
    peri_err_t door = {0};
    bool killed = false, open = false;
    if (peri_door_down(conf, &open, &door)) (void)peri_cli_fail(&door);
    if (peri_daemon_look(conf, &d, err)) return -1;
    *was_daemon = d.running;
    int rc = peri_daemon_stop(conf, &killed, err);
    if (rc == 0) peri_helping_stop(conf);
    if (killed)
        fprintf(stderr, "perigee: perigeed did not end in time and was killed; no job is "
                        "lost by that\n");
    peri_err_t more = {0};
    *was_postgres = peri_pg_status(conf->pg_dir, &pg, &more) == 0 && pg.running;
    /* While perigeed runs it needs its database. */
    if (rc == 0 && *was_postgres) rc = peri_pg_stop(conf->pg_dir, err);
    return rc;
}

static int run_up(const char *config, bool foreground)
{
    peri_err_t err = {0};
    started_t s = {0};
    bool moved = false, renewed = false;
    sigset_t ours;
    int lock = -1, status = 0;
    peri_config_t *conf = peri_config_load(config, &err);
    if (!conf) return peri_cli_fail(&err);
    umask(umask(0) | 02); /* what is started makes nothing that everybody may change */
    if (foreground) {
        /* Also while things start: what was started is stopped again then. */
        sigemptyset(&ours);
        sigaddset(&ours, SIGTERM);
        sigaddset(&ours, SIGINT);
        sigaddset(&ours, SIGHUP);
        sigaddset(&ours, SIGCHLD);
        sigprocmask(SIG_BLOCK, &ours, NULL);
    }
    if (peri_daemon_installed(conf, &err) ||
        peri_helping_prepare(conf, !foreground, &s.helper, &err) ||
        peri_rights_become(conf, true, &s.rights, &err) ||
        peri_daemon_folder(conf, &err) ||
        (lock = peri_daemon_lock(conf, LOCK_TIME, &err)) < 0 ||
        peri_helping_begin(conf, &s.helper, &err) ||
        peri_door_place(conf, &s.rights, &moved, &err) ||
        start_postgres(conf, &s, &err) || start_daemon(conf, foreground, &s, &err) ||
        (moved && !s.daemon && peri_daemon_renew(conf, true, &renewed, &err)) ||
        peri_door_up(conf, &s.rights, &s.door, &err)) {
        status = peri_cli_fail(&err);
        if (foreground && s.child > 0) kill(s.child, SIGTERM);
        goto out;
    }
    say_troubles(conf);
    say_up(conf, foreground, &s);
    close(lock);
    lock = -1;
    if (!foreground) goto out;
    notify("READY=1");
    status = peri_stay(conf, s.child, s.door.child, s.helper.pid, &ours);
    notify("STOPPING=1");
    bool daemon, postgres;
    if (status == 0 && ((lock = peri_daemon_lock(conf, LOCK_TIME, &err)) < 0 ||
                        stop_all(conf, &daemon, &postgres, &err)))
        status = peri_cli_fail(&err);
out:
    peri_helping_drop(&s.helper);
    if (lock >= 0) close(lock);
    peri_door_free(&s.door);
    peri_rights_free(&s.rights);
    peri_config_free(conf);
    return status;
}

/* ---- down ---- */

/* Jobs that run now; -1: it cannot be told. */
static long long running_jobs(const peri_config_t *conf)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new_at(conf->socket);
    json_t *j = peri_client_get(c, 5, NULL, &err, "/status");
    long long n = j ? peri_json_int(json_object_get(j, "jobs"), "running", 0) : -1;
    json_decref(j);
    peri_client_free(c);
    return n;
}

static int run_down(const char *config)
{
    peri_err_t err = {0};
    peri_rights_t rights = {0};
    bool daemon = false, postgres = false;
    int lock = -1, status = 0;
    peri_config_t *conf = peri_config_load(config, &err);
    if (!conf) return peri_cli_fail(&err);
    if (access(conf->state, F_OK)) {
        puts("perigee does not run here.");
        goto out;
    }
    if (peri_rights_become(conf, false, &rights, &err) ||
        (lock = peri_daemon_lock(conf, LOCK_TIME, &err)) < 0) {
        status = peri_cli_fail(&err);
        goto out;
    }
    long long running = running_jobs(conf);
    if (stop_all(conf, &daemon, &postgres, &err)) status = peri_cli_fail(&err);
    if (status == 0 && !daemon && !postgres) puts("perigee does not run here.");
    if (status == 0 && daemon) puts("perigeed has stopped.");
    if (status == 0 && postgres) puts("Its PostgreSQL has stopped.");
    if (status == 0 && daemon && running > 0)
        printf("%lld job%s running and go%s on; their results are noted at the next "
               "'perigee up'.\n",
               running, running == 1 ? " is" : "s are", running == 1 ? "es" : "");
out:
    if (lock >= 0) close(lock);
    peri_rights_free(&rights);
    peri_config_free(conf);
    return peri_cli_done(status);
}

/* ---- options ---- */

static int parse(const char *name, const char *help, int argc, char **argv,
                 const char **config, bool *foreground)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"foreground", no_argument, NULL, 'f'},
                                            {0}};
    struct option mine[4];
    memcpy(mine, options, sizeof(options));
    if (!foreground) mine[2] = (struct option){0};
    int c;
    while ((c = getopt_long(argc, argv, "h", mine, NULL)) != -1) {
        switch (c) {
        case 'c':
            *config = optarg;
            break;
        case 'f':
            *foreground = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            return peri_cli_usage(name);
        }
    }
    if (optind == argc) return -1;
    fprintf(stderr, "perigee: %s takes no \"%s\".\n", name, argv[optind]);
    return peri_cli_usage(name);
}

int peri_cmd_up(int argc, char **argv)
{
    const char *config = NULL;
    bool foreground = false;
    int rc = parse("up", up_help, argc, argv, &config, &foreground);
    return rc < 0 ? run_up(config, foreground) : rc;
}

int peri_cmd_down(int argc, char **argv)
{
    const char *config = NULL;
    int rc = parse("down", down_help, argc, argv, &config, NULL);
    return rc < 0 ? run_down(config) : rc;
}
