/* doctor_service.c - checks of folders, database, schedulers and daemon; see doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/daemon.h"
#include "cli/doctor.h"
#include "cli/spawn.h"
#include "core/base/util.h"
#include "jobs/sandbox/sandbox.h"
#include "jobs/store/db.h"

#define ASK_TIME   10.0
#define CLOCK_SKEW 2.0
#define SPACE_LOW  5000000000ull
#define SPACE_GONE 200000000ull

char *peri_doctor_existing(const char *path)
{
    char *p = peri_xstrdup(path);
    while (access(p, F_OK) && strrchr(p, '/') && strcmp(p, "/") != 0) {
        char *slash = strrchr(p, '/');
        slash[slash == p] = '\0';
    }
    return p;
}

void peri_doctor_space(peri_doctor_t *d, const char *what, const char *path,
                       const struct statfs *fs)
{
    char left[16];
    uint64_t space = (uint64_t)fs->f_bavail * (uint64_t)fs->f_bsize;
    if (space < SPACE_LOW)
        peri_doctor_say(d, space < SPACE_GONE ? PERI_DOCTOR_PROBLEM : PERI_DOCTOR_WARNING,
                        what, "make room, or name another folder in the configuration",
                        "only %s are free in %s", peri_human_bytes(space, left), path);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, what, NULL, "%s, %s free", path,
                        peri_human_bytes(space, left));
}

void peri_check_state(peri_doctor_t *d)
{
    const char *path = d->conf->state;
    struct sockaddr_un a;
    struct statfs fs;
    struct stat st;
    if (strlen(d->conf->socket) >= sizeof(a.sun_path))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "socket",
                        "name a shorter one with 'socket' in the configuration",
                        "its path has more than %zu characters: %s",
                        sizeof(a.sun_path) - 1, d->conf->socket);
    char *there = peri_doctor_existing(path);
    if (stat(path, &st)) {
        bool may = access(there, W_OK | X_OK) == 0;
        peri_doctor_say(d, may ? PERI_DOCTOR_OK : PERI_DOCTOR_PROBLEM, "state",
                        may ? NULL : "name another one with PERIGEE_STATE or 'state'",
                        may ? "%s: 'perigee up' makes it" : "%s cannot be made", path);
    } else if (st.st_uid != geteuid()) {
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "state",
                        "who owns it starts and stops perigee; to run your own, set "
                        "PERIGEE_STATE",
                        "%s belongs to uid %u", path, (unsigned)st.st_uid);
    } else if (st.st_mode &
               (geteuid() == 0 || d->conf->identity == PERI_IDENTITY_UNIX ? 0066
                                                                          : 0077)) {
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "state", "'perigee up' puts that right",
                        "%s is open to others (mode %04o)", path,
                        (unsigned)st.st_mode & 07777);
    } else if (statfs(path, &fs) == 0) {
        peri_doctor_space(d, "state", path, &fs);
    }
    free(there);
}

/* ---- spool ---- */

/* The name of a file system that several machines can share, or NULL. */
static const char *shared_kind(long type)
{
    static const struct {
        long type;
        const char *name;
    } kinds[] = {{0x6969, "NFS"},        {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"},
                 {0x19830326, "BeeGFS"}, {0x00c36400, "Ceph"},   {0xff534d42, "CIFS"},
                 {0x01021997, "9p"},     {0x65735546, "FUSE"},   {0x0021565a, "OrangeFS"},
                 {0x01161970, "GFS2"}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].type == type) return kinds[i].name;
    return NULL;
}

static bool needs_shared(const peri_config_t *c)
{
    for (size_t i = 0; i < c->nschedulers; i++)
        if (strcmp(c->schedulers[i].name, "local") != 0) return true;
    return false;
}

void peri_doctor_shared(peri_doctor_t *d, const char *what, const char *path,
                        const struct statfs *fs)
{
    if (!needs_shared(d->conf) || shared_kind((long)fs->f_type)) return;
    peri_doctor_say(d, PERI_DOCTOR_WARNING, what,
                    "on a cluster, name a folder on shared storage in the configuration",
                    "%s is on a disk of this machine: do all nodes see it?", path);
}

/* A file server with another time than ours makes files look older or newer than they
 * are.
 */
static void check_server_clock(peri_doctor_t *d)
{
    char *path = peri_xasprintf("%s/.doctor-XXXXXX", d->conf->spool);
    struct stat st;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "spool",
                        "the user that runs perigeed must be able to write there",
                        "no file can be made in %s: %m", d->conf->spool);
        free(path);
        return;
    }
    bool ok = write(fd, "x", 1) == 1 && fsync(fd) == 0 && fstat(fd, &st) == 0;
    double skew = ok ? (double)st.st_mtime - (double)time(NULL) : 0;
    close(fd);
    unlink(path);
    free(path);
    if (!ok)
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "spool", "is the disk full?",
                        "a file in %s cannot be written: %m", d->conf->spool);
    else if (skew > CLOCK_SKEW || skew < -CLOCK_SKEW)
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "spool",
                        "keep both clocks right with chrony or systemd-timesyncd",
                        "the clock of its file server differs by %.0f seconds", skew);
}

void peri_check_spool(peri_doctor_t *d)
{
    const char *path = d->conf->spool;
    char *there = peri_doctor_existing(path);
    struct statfs fs;
    bool made = access(path, F_OK) == 0;
    if (statfs(there, &fs)) {
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "spool", "is its file system mounted?",
                        "cannot look at %s: %m", there);
    } else if (!made && access(there, W_OK | X_OK)) {
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "spool",
                        "make it, or name another one with 'spool'", "%s cannot be made",
                        path);
    } else {
        peri_doctor_shared(d, "spool", path, &fs);
        peri_doctor_space(d, "spool", path, &fs);
        if (made && access(path, W_OK) == 0) check_server_clock(d);
    }
    free(there);
}

/* ---- PostgreSQL ---- */

static bool has_postgres(char *where, size_t cap)
{
    char *initdb = peri_find_program("initdb"), *server = peri_find_program("postgres");
    glob_t g;
    bool found = initdb && server;
    if (found) snprintf(where, cap, "%s", server);
    if (!found && glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &g) == 0) {
        snprintf(where, cap, "%.*s/postgres",
                 (int)(strlen(g.gl_pathv[g.gl_pathc - 1]) - strlen("/initdb")),
                 g.gl_pathv[g.gl_pathc - 1]);
        found = access(where, X_OK) == 0;
        globfree(&g);
    }
    free(initdb);
    free(server);
    return found;
}

static void check_private_postgres(peri_doctor_t *d)
{
    char where[512] = "";
    peri_pgstatus_t pg = {0};
    peri_err_t err = {0};
    if (!has_postgres(where, sizeof(where)))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "postgresql",
                        "apt-get install postgresql, or name a server with 'database' in "
                        "the configuration",
                        "initdb and postgres are not installed");
    else if (geteuid() == 0 && !getpwnam("postgres"))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "postgresql",
                        "apt-get install postgresql makes it; PostgreSQL does not run as "
                        "root",
                        "there is no user \"postgres\"");
    else if (access(d->conf->state, F_OK) == 0 &&
             peri_pg_status(d->conf->pg_dir, &pg, &err) && err.code != PERI_EDENIED)
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "postgresql", NULL, "%s", err.text);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "postgresql", NULL, "%s, private; %s", where,
                        pg.running       ? "it runs"
                        : pg.initialised ? "it does not run now"
                                         : "'perigee up' makes its database");
}

void peri_check_postgres(peri_doctor_t *d)
{
    peri_err_t err = {0};
    if (!d->conf->database) {
        check_private_postgres(d);
        return;
    }
    peri_db_t *db = peri_db_connect(d->conf->database, &err);
    int version = 0;
    if (!db || peri_db_schema_version(db, &version, &err))
        peri_doctor_say(
            d, PERI_DOCTOR_PROBLEM, "postgresql",
            "see 'database' in the configuration; does the server run, and may "
            "this user connect?",
            "%s", err.text);
    else if (version > peri_db_version())
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "postgresql", "install the newer Perigee",
                        "its schema is version %d, this Perigee knows %d", version,
                        peri_db_version());
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "postgresql", NULL,
                        "answers, schema version %d", version);
    peri_db_close(db);
}

/* ---- schedulers ---- */

static void check_munge(peri_doctor_t *d)
{
    static const char path[] = "/run/munge/munge.socket.2";
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&a, sizeof(a));
    if (rc)
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "munge",
                        "systemctl start munge; its key must be the cluster's "
                        "(/etc/munge/munge.key)",
                        "munged does not answer at %s: %m", path);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "munge", NULL, "answers");
    if (fd >= 0) close(fd);
}

static void check_slurm(peri_doctor_t *d)
{
    static const char *const ping[] = {"scontrol", "ping", NULL};
    peri_buf_t out;
    peri_err_t err = {0};
    char *plugin = peri_xasprintf("%s/../lib/perigee/perigee-slurm.so", d->conf->bin);
    char *beside = peri_xasprintf("%s/perigee-slurm.so", d->conf->bin);
    peri_buf_init(&out, 4096);
    if (access(plugin, R_OK) && access(beside, R_OK))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "slurm",
                        "build with libslurm-dev installed (scripts/setup)",
                        "perigee-slurm.so is missing beside the programs");
    int status = peri_spawn(ping, ASK_TIME, &out, &err);
    peri_buf_putc(&out, '\0');
    if (out.data) out.data[strcspn(out.data, "\n")] = '\0';
    if (status < 0 && err.code == PERI_ENOTFOUND)
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "slurm",
                        "apt-get install slurm-client; srun starts MPI programs",
                        "scontrol is not installed: whether slurmctld answers cannot be "
                        "told here");
    else if (status != 0)
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "slurm",
                        "does slurmctld run, and is slurm.conf the cluster's?",
                        "slurmctld does not answer: %s",
                        status < 0 ? err.text
                        : out.data ? out.data
                                   : "");
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "slurm", NULL, "%s", out.data ? out.data : "");
    peri_buf_free(&out);
    free(plugin);
    free(beside);
    check_munge(d);
}

void peri_check_schedulers(peri_doctor_t *d)
{
    const peri_config_t *c = d->conf;
    for (size_t i = 0; i < c->nschedulers; i++) {
        if (!strcmp(c->schedulers[i].name, "slurm")) check_slurm(d);
        if (!strcmp(c->schedulers[i].name, "local"))
            peri_doctor_say(d, PERI_DOCTOR_OK, "local", NULL,
                            "jobs can run on this machine%s",
                            strcmp(c->scheduler, "local") == 0 ? ", the default" : "");
    }
}

/* ---- the sandbox ---- */

void peri_check_sandbox(peri_doctor_t *d)
{
    peri_err_t err = {0};
    if (peri_sandbox_probe(&err))
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "sandbox",
                        "docs/admin/install.md, \"The sandbox\"; jobs of this machine's "
                        "own users need none",
                        "jobs of the portal's accounts would fail here: %s", err.text);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "sandbox", NULL,
                        "bubblewrap can make one on this machine");
}

/* ---- the daemon ---- */

/* Descriptors that the catalogue could not read. */
static void check_datasets(peri_doctor_t *d, peri_client_t *c)
{
    peri_err_t err = {0};
    json_t *j = peri_client_get(c, ASK_TIME, NULL, &err, "/admin/datasets"), *one;
    size_t i;
    json_array_foreach(json_object_get(j, "descriptors"), i, one)
    {
        const char *why = peri_json_str(one, "error");
        if (*why)
            peri_doctor_say(d, PERI_DOCTOR_WARNING, "datasets",
                            "docs/dataset.md; until then it stays as it was", "%s", why);
    }
    json_decref(j);
}

void peri_check_daemon(peri_doctor_t *d)
{
    const char *given = getenv("PERIGEE_SOCKET");
    peri_client_t *c = peri_client_new_at(given && *given ? given : d->conf->socket);
    peri_answer_t a;
    peri_err_t err = {0};
    if (peri_daemon_check(d->conf, &err))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "config",
                        "docs/admin/configuration.md explains every key", "%s", err.text);
    err = (peri_err_t){0};
    json_t *s = peri_client_get(c, ASK_TIME, &a, &err, "/status");
    const json_t *b, *database = json_object_get(s, "database");
    size_t i;
    if (!s)
        peri_doctor_say(d, a.absent ? PERI_DOCTOR_WARNING : PERI_DOCTOR_PROBLEM,
                        "perigeed", a.absent ? "'perigee up' starts it" : NULL, "%s",
                        a.absent ? "it does not run" : err.text);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "perigeed", NULL, "answers at %s",
                        peri_client_socket(c));
    if (s && !peri_json_true(database, "answers"))
        peri_doctor_say(
            d, PERI_DOCTOR_PROBLEM, "perigeed", "'perigee up' starts what is missing",
            "its database does not answer: %s", peri_json_str(database, "text"));
    json_array_foreach(json_object_get(s, "schedulers"), i,
                       b) if (!peri_json_true(b, "answers"))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "perigeed", NULL,
                        "its scheduler %s does not answer: %s", peri_json_str(b, "name"),
                        peri_json_str(b, "text"));
    if (s) check_datasets(d, c);
    json_decref(s);
    peri_client_free(c);
}
