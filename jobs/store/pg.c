/* pg.c - the private server of `perigee up`: made when there is none, started, stopped.
 *
 * It is nobody's child and lives on when its starter ends. Whether it runs is read from
 * its own postmaster.pid and from /proc: a number alone may have become somebody else's,
 * or belong to one that was killed and is still to be reaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "jobs/store/db.h"
#include "jobs/store/pg.h"

#define START_SECONDS 120

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* ---- how to connect ---- */

static char *conninfo_of(const char *socket, const char *dbname, const char *user)
{
    peri_buf_t b;
    peri_buf_init(&b, 64u << 10);
    peri_buf_puts(&b, "host='");
    for (const char *s = socket; *s; s++) {
        if (*s == '\'' || *s == '\\') peri_buf_putc(&b, '\\');
        peri_buf_putc(&b, *s);
    }
    peri_buf_printf(&b, "' port=5432 dbname=%s user=%s connect_timeout=10", dbname, user);
    return peri_buf_take(&b, NULL);
}

char *peri_pg_conninfo(const char *dir)
{
    peri_pgplace_t p;
    char *s = NULL;
    if (peri_pgplace_init(&p, dir, NULL) == 0)
        s = conninfo_of(p.socket, "perigee", "perigee");
    peri_pgplace_free(&p);
    return s;
}

/* ---- whether it runs ---- */

typedef enum { GONE, RUNS, STRANGER } alive_t;

/* Is this process the server of that folder? */
static alive_t look_at(long pid, const char *data)
{
    char link[64], cwd[4096], real[4096];
    if (pid <= 1 || (kill((pid_t)pid, 0) && errno == ESRCH)) return GONE;
    snprintf(link, sizeof(link), "/proc/%ld/cwd", pid);
    ssize_t n = readlink(link, cwd, sizeof(cwd) - 1);
    if (n < 0) {
        /* Of a zombie there is none; of a stranger's process we may not know. */
        return errno == ENOENT || errno == EACCES || errno == EPERM ? STRANGER : RUNS;
    }
    cwd[n] = '\0';
    if (!realpath(data, real)) return STRANGER;
    return strcmp(cwd, real) == 0 ? RUNS : STRANGER;
}

static char *pid_file(const peri_pgplace_t *p)
{
    return peri_xasprintf("%s/postmaster.pid", p->data);
}

static alive_t find_server(const peri_pgplace_t *p, long *pid)
{
    char *text = NULL, *file = pid_file(p);
    alive_t alive = GONE;
    *pid = 0;
    if (peri_file_slurp(file, 4096, &text, NULL, NULL) == 0) {
        *pid = strtol(text, NULL, 10);
        alive = look_at(*pid, p->data);
    }
    free(text);
    free(file);
    return alive;
}

static bool is_initialised(const peri_pgplace_t *p)
{
    char *file = peri_xasprintf("%s/PG_VERSION", p->data);
    bool there = access(file, F_OK) == 0;
    free(file);
    return there;
}

int peri_pg_status(const char *dir, peri_pgstatus_t *s, peri_err_t *err)
{
    peri_pgplace_t p;
    *s = (peri_pgstatus_t){0};
    int rc = peri_pgplace_init(&p, dir, err);
    if (rc == 0) {
        long pid;
        s->initialised = is_initialised(&p);
        s->running = find_server(&p, &pid) == RUNS;
        s->pid = s->running ? pid : 0;
    }
    peri_pgplace_free(&p);
    return rc;
}

static bool answers(const peri_pgplace_t *p, const char *dbname, const char *user)
{
    char *conninfo = conninfo_of(p->socket, dbname, user);
    peri_db_t *db = conninfo ? peri_db_connect(conninfo, NULL) : NULL;
    peri_db_close(db);
    free(conninfo);
    return db != NULL;
}

/* ---- making it ---- */

static int initialise(const peri_pgplace_t *p, const char *programs, peri_err_t *err)
{
    if (is_initialised(p)) return 0;
    char *said = NULL, *fresh = peri_pgplace_fresh(p),
         *initdb = peri_xasprintf("%s/initdb", programs);
    const char *const argv[] = {initdb,
                                "-D",
                                fresh,
                                "-U",
                                "postgres",
                                "-E",
                                "UTF8",
                                "--locale=C",
                                "--auth-local=trust",
                                "--auth-host=reject",
                                "--data-checksums",
                                "--no-instructions",
                                NULL};
    int rc = peri_pgrun(&p->user, argv, &said, err);
    if (rc > 0)
        rc = peri_err_set(err, PERI_EIO, "cannot make a database in %s: %.600s", p->dir,
                          said);
    if (rc == 0 && rename(fresh, p->data))
        rc = peri_err_set(err, PERI_EIO, "cannot rename %s: %m", fresh);
    if (rc == 0) {
        int fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            fsync(fd);
            close(fd);
        }
    }
    free(said);
    free(initdb);
    free(fresh);
    return rc;
}

/* The roles and the database of our own; perigee_user is the one that requests of users
 * run as (row-level security). */
static int provide(const peri_pgplace_t *p, peri_err_t *err)
{
    char *conninfo = conninfo_of(p->socket, "postgres", "postgres");
    peri_db_t *db = peri_db_connect(conninfo, err);
    int rc = db ? 0 : -1;
    static const char *const wanted[][2] = {
        {"SELECT 1 FROM pg_roles WHERE rolname = 'perigee'", "CREATE ROLE perigee LOGIN"},
        {"SELECT 1 FROM pg_roles WHERE rolname = 'perigee_user'",
         "CREATE ROLE perigee_user NOLOGIN"},
        {"SELECT 1 WHERE pg_has_role('perigee', 'perigee_user', 'MEMBER')",
         "GRANT perigee_user TO perigee"},
        {"SELECT 1 FROM pg_database WHERE datname = 'perigee'",
         "CREATE DATABASE perigee OWNER perigee"}};
    for (size_t i = 0; rc == 0 && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        PGresult *r = peri_db_query(db, err, wanted[i][0], 0, NULL);
        if (!r || (PQntuples(r) == 0 && peri_db_exec(db, err, wanted[i][1], 0, NULL) < 0))
            rc = -1;
        PQclear(r);
    }
    peri_db_close(db);
    free(conninfo);
    return rc;
}

/* ---- starting ---- */

static char *start_log(const peri_pgplace_t *p)
{
    return peri_xasprintf("%s/start.log", p->log);
}

/* The last line that says what is fatal, else the last one. */
static const char *point(char *words)
{
    const char *last = words, *fatal = NULL;
    char *rest = NULL;
    for (char *line = strtok_r(words, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        last = line;
        char *f = strstr(line, "FATAL:  ");
        if (f) fatal = f + strlen("FATAL:  ");
    }
    return fatal ? fatal : last;
}

/* One attempt. 1: failed, and may work when tried again. */
static int start_once(const peri_pgplace_t *p, const char *programs, peri_err_t *err)
{
    char *said = NULL, *log = start_log(p);
    char *pg_ctl = peri_xasprintf("%s/pg_ctl", programs);
    const char *const argv[] = {pg_ctl, "start", "-D", p->data, "-l", log,
                                "-w",   "-t",    "60", "-s",    NULL};
    time_t since = time(NULL) - 1;
    unlink(log);
    int rc = peri_pgrun(&p->user, argv, &said, err);
    if (rc > 0) {
        char *words = peri_pgplace_words(p, log, since);
        /* The processes of one that was killed are still on their way out. */
        bool again = words && (strstr(words, "still in use") ||
                               strstr(words, "s another postmaster"));
        const char *why = words && *words ? point(words) : said ? said : "";
        /* The last words are theirs, not those of the one that did not start. */
        again = again || strstr(why, "unexpected postmaster exit");
        peri_err_set(err, PERI_EIO, "the database in %s does not start: %.600s", p->dir,
                     why);
        free(words);
        rc = again ? 1 : -1;
    }
    free(said);
    free(pg_ctl);
    free(log);
    return rc;
}

/* postmaster.pid of a server that is certainly gone, with a number that is somebody's: it
 * would keep the next one from starting. That none of its processes is left the next one
 * finds out by itself, by its shared memory. */
static void drop_stale(const peri_pgplace_t *p)
{
    long pid;
    if (find_server(p, &pid) != STRANGER) return;
    char *file = pid_file(p);
    unlink(file);
    free(file);
}

static int start_locked(peri_pgplace_t *p, peri_err_t *err)
{
    const double until = peri_now() + START_SECONDS;
    char *programs = peri_pgplace_programs(p, err);
    int rc = programs ? initialise(p, programs, err) : -1;
    bool up = false;
    while (rc == 0 && !up) {
        long pid;
        bool runs = find_server(p, &pid) == RUNS;
        if (runs && answers(p, "postgres", "postgres")) {
            up = true;
        } else if (!runs) {
            drop_stale(p);
            rc = peri_pgplace_configure(p, err) ? -1 : start_once(p, programs, err);
            if (rc > 0) rc = peri_now() < until ? 0 : -1;
        } else if (peri_now() > until) {
            rc = peri_err_set(err, PERI_EIO,
                              "the database in %s (process %ld) has not answered for %d "
                              "seconds: see its log in %s",
                              p->dir, pid, START_SECONDS, p->log);
        }
        if (rc == 0 && !up) sleep_ms(runs ? 100 : 50);
    }
    if (rc == 0) rc = provide(p, err);
    free(programs);
    return rc;
}

int peri_pg_start(const char *dir, peri_err_t *err)
{
    peri_pgplace_t p;
    int lock = -1, rc = -1;
    if (peri_pgplace_init(&p, dir, err) || peri_pgplace_make(&p, err)) goto out;
    if ((lock = peri_pgplace_lock(&p, err)) < 0) goto out;
    rc = start_locked(&p, err);
out:
    if (lock >= 0) close(lock);
    peri_pgplace_free(&p);
    return rc;
}

/* ---- stopping ---- */

static int stop_locked(const peri_pgplace_t *p, peri_err_t *err)
{
    /* Fast ends what is under way in order; immediate costs the next start a recovery. */
    static const char *const modes[] = {"fast", "immediate"};
    long pid;
    if (find_server(p, &pid) != RUNS) return 0;
    char *programs = peri_pgplace_programs(p, err);
    if (!programs) return -1;
    char *said = NULL, *pg_ctl = peri_xasprintf("%s/pg_ctl", programs);
    int rc = 1;
    for (int i = 0; rc > 0 && i < 2; i++) {
        const char *const argv[] = {pg_ctl, "stop", "-D", p->data, "-m", modes[i],
                                    "-w",   "-t",   "30", "-s",    NULL};
        free(said);
        rc = peri_pgrun(&p->user, argv, &said, err);
        if (rc > 0 && find_server(p, &pid) != RUNS) rc = 0;
    }
    if (rc > 0)
        rc = peri_err_set(err, PERI_EIO,
                          "cannot stop the database in %s (process %ld): %.600s", p->dir,
                          pid, said);
    free(said);
    free(pg_ctl);
    free(programs);
    return rc;
}

int peri_pg_stop(const char *dir, peri_err_t *err)
{
    peri_pgplace_t p;
    int lock = -1, rc = -1;
    if (peri_pgplace_init(&p, dir, err)) goto out;
    if (access(p.dir, F_OK) && errno == ENOENT) {
        rc = 0;
        goto out;
    }
    if ((lock = peri_pgplace_lock(&p, err)) < 0) goto out;
    rc = stop_locked(&p, err);
out:
    if (lock >= 0) close(lock);
    peri_pgplace_free(&p);
    return rc;
}
