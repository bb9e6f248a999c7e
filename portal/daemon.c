/* daemon.c - perigeed: starts the parts, waits for a signal, stops them.
 *
 * One process an installation: the pidfile is locked while it lives. Jobs that run go on
 * when it ends, however it ends; all it knows is in the database and the jobs' folders.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/account/account.h"
#include "portal/account/mail.h"
#include "portal/account/oidc.h"
#include "portal/h5/h5.h"
#include "portal/account/password.h"
#include "portal/account/routes.h"
#include "portal/api.h"
#include "portal/catalogue/catalogue.h"
#include "portal/check.h"
#include "portal/jobs/deliver.h"
#include "portal/front/front.h"
#include "portal/handover.h"
#include "portal/helper/client.h"
#include "portal/log.h"
#include "portal/jobs/manager.h"
#include "portal/quick/history.h"
#include "portal/quick/run.h"
#include "portal/storage/storage.h"
#include "portal/storage/upload.h"
#include "portal/web/waiting.h"

#define DB_CONNECTIONS 12
#define END_SECONDS    5 /* for requests under way */

static const char help_text[] =
    "Usage: perigeed [--config FILE]\n"
    "\n"
    "The daemon of Perigee: keeps jobs, hands them to schedulers, answers the API on a\n"
    "Unix socket. 'perigee up' starts it, with its database; so does a service manager\n"
    "with 'perigee up --foreground'. It stays in the foreground and logs to stderr.\n"
    "SIGTERM ends it; jobs that run go on. SIGHUP ('perigee reload') lets it begin anew "
    "with\n"
    "the program and the configuration of now; no request is lost.\n"
    "\n"
    "  --config FILE   instead of $PERIGEE_CONFIG, perigee.yaml in the state folder,\n"
    "                  /etc/perigee/perigee.yaml\n"
    "  --check         only say what is wrong with the configuration; status 0: nothing\n"
    "  --debug         log more\n"
    "  --check-log     replay the events of all jobs, compare with what is stored of "
    "them,\n"
    "                  and end: status 0 if they agree\n";

/* ---- start ---- */

/* Only one of us: the lock goes with the process, the number in the file is for people.
 */
static int lock_pidfile(const char *path, bool *crashed, peri_err_t *err)
{
    char text[32];
    struct stat st;
    int fd = peri_handover_take(path);
    const bool handed = fd >= 0;
    if (!handed) fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) return peri_err_set(err, PERI_EIO, "cannot open %s: %m", path);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        peri_err_set(err, PERI_EDENIED, "perigeed runs already (%s is locked)", path);
        close(fd);
        return -1;
    }
    /* Emptied by one that ends. */
    *crashed = !handed && fstat(fd, &st) == 0 && st.st_size > 0;
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n) {
        peri_err_set(err, PERI_EIO, "cannot write %s: %m", path);
        close(fd);
        return -1;
    }
    return fd;
}

static int make_folders(const peri_config_t *c, peri_err_t *err)
{
    /* Other users' tasks lie below; each sees only what is hers. */
    const mode_t mode = geteuid() == 0 || c->identity == PERI_IDENTITY_UNIX ? 0711 : 0700;
    if (peri_mkdirs(c->state, err) || peri_mkdirs(c->spool, err)) return -1;
    /* Only perigee-helper shows their users what is in it. */
    if (c->identity == PERI_IDENTITY_UNIX &&
        (peri_mkdirs(c->storage.folder, err) || chmod(c->storage.folder, 0700)))
        return peri_err_set(err, PERI_EIO, "cannot close %s: %m", c->storage.folder);
    if (chmod(c->spool, mode))
        return peri_err_set(err, PERI_EIO, "cannot set the mode of %s: %m", c->spool);
    return 0;
}

static int open_backends(peri_portal_t *p, peri_err_t *err)
{
    const peri_config_t *c = p->config;
    p->backends = peri_xcalloc(c->nschedulers, sizeof(*p->backends));
    for (size_t i = 0; i < c->nschedulers; i++) {
        peri_backend_t *b = &p->backends[i];
        peri_err_t why = {0};
        b->conf = &c->schedulers[i];
        atomic_init(&b->answers, -1);
        char *state = peri_xasprintf("%s/scheduler/%s", c->state, b->conf->name);
        if (peri_mkdirs(state, err)) {
            free(state);
            return -1;
        }
        chmod(state, 0700);
        b->sched = peri_sched_open(b->conf->name, b->conf->conf, state, NULL,
                                   peri_portal_wake_cb, p, &why);
        free(state);
        if (b->sched) {
            peri_log(PERI_LOG_INFO, "scheduler %s is open", b->conf->name);
        } else {
            snprintf(b->why, sizeof(b->why), "%s", why.text);
            peri_log(PERI_LOG_ERROR, "scheduler %s: %s", b->conf->name, why.text);
        }
        p->nbackends++;
    }
    return 0;
}

static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
    ended = sig;
}

/* The schema is brought up to date before anything else looks at it. A database that does
 * not answer yet is waited for. */
static int migrate(peri_portal_t *p, peri_err_t *err)
{
    while (!ended) {
        peri_db_t *db = peri_dbpool_get(p->db, err);
        if (!db && err->code == PERI_EIO && !p->config->database)
            peri_pg_start(p->config->pg_dir, NULL);
        int rc = db ? peri_db_migrate(db, 0, err) : -1;
        if (db) peri_dbpool_put(p->db, db);
        if (rc == 0) return 0;
        if (err->code != PERI_EIO) return -1;
        peri_log_seldom(PERI_LOG_WARN, "migrate", 10, "waiting for the database: %s",
                        err->text);
        usleep(200000);
    }
    return peri_err_set(err, PERI_ECANCEL, "ended while waiting for the database");
}

static void catch_signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/* Threads leave these to the first one. */
static void block_signals(sigset_t *old)
{
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigaddset(&block, SIGINT);
    sigaddset(&block, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &block, old);
}

static int start_thread(pthread_t *t, void *(*run)(void *), void *arg)
{
    sigset_t old;
    block_signals(&old);
    int rc = pthread_create(t, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

/* A successor that does not take its configuration would not live. */
static bool may_hand_over(const char *config)
{
    peri_err_t err = {0};
    peri_config_t *c = peri_config_load(config, &err);
    const bool fine = c && peri_check_sections(c, false, &err) == 0;
    if (!fine)
        peri_log(PERI_LOG_ERROR, "the new configuration is not taken: %s", err.text);
    peri_config_free(c);
    return fine;
}

/* Signals wait outside of sigsuspend: none is missed between the look and the sleep. */
static void wait_for_end(const char *config)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigset_t old;
    block_signals(&old);
    sigaction(SIGHUP, &sa, NULL);
    while (!ended) {
        sigsuspend(&old);
        if (ended == SIGHUP && !may_hand_over(config)) ended = 0;
    }
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* ---- the doors ---- */

enum { LOCAL, WEB, TRANSFER, NDOORS };
static peri_server_t *doors[NDOORS];
static int kept[NDOORS] = {-1, -1, -1}; /* for the successor */

/* What was under way has ended with the daemon before this one. */
static int start_history(peri_portal_t *p, peri_err_t *err)
{
    peri_db_t *db = peri_dbpool_get(p->db, err);
    const int rc = db ? peri_history_start(db, err) : -1;
    if (db) peri_dbpool_put(p->db, db);
    return rc;
}

static int open_doors(peri_portal_t *p, peri_err_t *err)
{
    const peri_config_t *c = p->config;
    const peri_who_f who = peri_account_who;
    const peri_listen_t where[NDOORS] = {
        [LOCAL] = {PERI_DOOR_LOCAL, who, c->socket, c->all_users ? 0666 : 0600, 4,
                   32u << 10},
        [WEB] = {PERI_DOOR_WEB, who, c->web_socket, 0600, 4, 32u << 10},
        [TRANSFER] = {PERI_DOOR_WEB, who, c->transfer_socket, 0600, 4, 512u << 10}};
    peri_waiting_start();
    if (start_history(p, err)) return -1;
    p->uploads = peri_uploads_start(p->db, &c->storage, peri_portal_news, err);
    if (!p->uploads || peri_storage_start(p, err) || peri_quick_begin(p, err)) return -1;
    for (int i = 0; i < NDOORS; i++)
        if (!(doors[i] = peri_server_start(p, peri_api_tables, &where[i], err)))
            return -1;
    return 0;
}

/* The one with the long requests first: while they end, the others are open. */
static void close_doors(peri_portal_t *p, bool keep)
{
    peri_quick_stop();   /* who waits for rows hears why there are none */
    peri_waiting_stop(); /* who is put aside answers now */
    for (int i = NDOORS - 1; i >= 0; i--)
        if (keep)
            kept[i] = peri_server_leave(doors[i], END_SECONDS);
        else
            peri_server_stop(doors[i], END_SECONDS);
    peri_uploads_stop(p->uploads);
    peri_h5_stop();
    peri_storage_stop();
}

/* ---- */

/* What talks to others for the portal: the mail server, OpenID providers. */
static peri_mailer_t *mailer;

static int start_talkers(peri_portal_t *p, peri_err_t *err)
{
    const peri_config_t *c = p->config;
    const peri_oidcsetup_t oidc = {c->oidc, c->noidc, peri_portal_url(p),
                                   peri_portal_news};
    if (c->mail.server && !(mailer = peri_mailer_start(&c->mail, p->db, err))) return -1;
    if (c->noidc && !(p->oidc = peri_oidc_start(&oidc, err))) return -1;
    return 0;
}

static void stop_talkers(peri_portal_t *p)
{
    peri_oidc_stop(p->oidc);
    peri_mailer_stop(mailer);
}

static int serve(peri_portal_t *p, const char *config, peri_err_t *err)
{
    pthread_t manager;
    sigset_t old;
    if (peri_password_init(err) || migrate(p, err) || open_backends(p, err) ||
        start_talkers(p, err))
        return -1;
    if (start_thread(&manager, peri_manager_run, p))
        return peri_err_set(err, PERI_EINTERNAL, "cannot start a thread");
    block_signals(&old);
    peri_deliverer_t *deliverer = peri_deliverer_start(p, err);
    peri_harvester_t *harvester = peri_harvest_start(p, err);
    const bool serves = deliverer && harvester && open_doors(p, err) == 0;
    peri_handover_end();
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (serves) {
        peri_log(PERI_LOG_INFO, "perigeed " PERIGEE_VERSION " answers on %s",
                 p->config->socket);
        wait_for_end(config);
        peri_log(PERI_LOG_INFO,
                 ended == SIGHUP ? "handing over (signal %d)"
                                 : "ending (signal %d); jobs that run go on",
                 (int)ended);
    }
    close_doors(p, serves && ended == SIGHUP);
    atomic_store(&p->stop, true);
    peri_portal_wake(p);
    pthread_join(manager, NULL);
    peri_deliverer_stop(deliverer);
    peri_harvest_stop(harvester);
    return serves ? 0 : -1;
}

/* Comes back only if that fails: then somebody has to start us again. */
static int hand_over(const peri_config_t *c, int pidfile, char **argv, peri_err_t *err)
{
    const peri_handed_t handed[] = {{c->pidfile, pidfile},
                                    {c->socket, kept[LOCAL]},
                                    {c->web_socket, kept[WEB]},
                                    {c->transfer_socket, kept[TRANSFER]}};
    char *program = peri_xasprintf("%s/perigeed", c->bin);
    peri_handover_exec(program, argv, handed, sizeof(handed) / sizeof(handed[0]));
    peri_err_set(err, PERI_EIO, "cannot execute %s: %m", program);
    free(program);
    return -1;
}

static int run(const char *config, char **argv, peri_err_t *err)
{
    peri_portal_t p = {.wake_fd = -1, .started = peri_epoch()};
    int rc = -1, pidfile = -1;
    peri_config_t *c = peri_config_load(config, err);
    if (!c) return -1;
    p.config = c;
    if (c->all_users && geteuid() != 0) {
        peri_err_set(err, PERI_EDENIED,
                     "only a daemon that root starts can run jobs of all users: say "
                     "\"users: self\" in %s, or start it as root",
                     c->source);
        peri_config_free(c);
        return -1;
    }
    if (c->identity == PERI_IDENTITY_UNIX && geteuid() == 0) {
        peri_err_set(
            err, PERI_EDENIED,
            "with \"identity: unix\" only perigee-helper is root's, and perigeed "
            "runs as a user of its own: 'perigee up' says how to make one");
        peri_config_free(c);
        return -1;
    }
    if (c->identity == PERI_IDENTITY_UNIX) {
        peri_local_set_starter(peri_helper_starter(c));
        peri_account_reserve(peri_helper_is_unix);
    }
    p.conninfo = c->database ? peri_xstrdup(c->database) : peri_pg_conninfo(c->pg_dir);
    p.db = peri_dbpool_new(p.conninfo, DB_CONNECTIONS);
    p.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    catch_signals();
    if (peri_check_sections(c, false, err)) goto out;
    if (make_folders(c, err)) goto out;
    if ((pidfile = lock_pidfile(c->pidfile, &p.crashed, err)) < 0) goto out;
    rc = serve(&p, config, err);
    stop_talkers(&p);
    /* Never removed: a lock on a file that has no name guards nothing. */
    if ((rc || ended != SIGHUP) && ftruncate(pidfile, 0))
        peri_log(PERI_LOG_WARN, "cannot empty %s", c->pidfile);
out:
    for (size_t i = 0; i < p.nbackends; i++) peri_sched_close(p.backends[i].sched);
    free(p.backends);
    peri_dbpool_free(p.db);
    free(p.conninfo);
    if (p.wake_fd >= 0) close(p.wake_fd);
    if (rc == 0 && ended == SIGHUP) rc = hand_over(c, pidfile, argv, err);
    if (pidfile >= 0) close(pidfile);
    peri_config_free(c);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"debug", no_argument, NULL, 'd'},
                                            {"check-log", no_argument, NULL, 'l'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    const char *config = NULL;
    bool only_check = false, only_config = false;
    int c;
    while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            config = optarg;
            break;
        case 'd':
            peri_log_level(PERI_LOG_DEBUG);
            break;
        case 'l':
            only_check = true;
            break;
        case 'k':
            only_config = true;
            break;
        case 'h':
            fputs(help_text, stdout);
            return 0;
        case 'V':
            puts("perigeed " PERIGEE_VERSION);
            return 0;
        default:
            fputs("Try 'perigeed --help'.\n", stderr);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "perigeed: unexpected argument \"%s\"\n", argv[optind]);
        return 2;
    }
    peri_err_t err = {0};
    if (only_config) {
        if (peri_check_config(config, &err) == 0) return 0;
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    peri_handover_begin();
    if ((only_check ? peri_check_log(config, &err) : run(config, argv, &err)) == 0)
        return 0;
    peri_log(PERI_LOG_ERROR, "%s", err.text);
    return peri_err_exit_status(&err);
}
