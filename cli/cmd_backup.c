/* cmd_backup.c - `perigee backup` and `perigee restore`: everything that must not be lost
 * in a folder, and back.
 *
 * A backup is FOLDER/TIME: database.dump (pg_dump's own format), perigee.yaml, volumes/,
 * jobs/, datasets/ (descriptors in the state folder). It is made under another name and
 * renamed when it is whole. The database is written down first: every file that it knows
 * of is copied after. Files that have not changed since the backup before are links to
 * it, so that each is whole and only news cost space.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/daemon.h"
#include "cli/spawn.h"
#include "core/base/util.h"
#include "jobs/store/db.h"
#include "portal/front/rights.h"

#define RSYNC_VANISHED 24

static const char backup_help[] =
    "Usage: perigee backup [OPTION...] FOLDER\n"
    "\n"
    "Copies everything that must not be lost into FOLDER/TIME: the database (accounts,\n"
    "teams, rights, jobs), the configuration, all volumes, the jobs' folders, the\n"
    "descriptors of datasets in the state folder. Perigee may run meanwhile. Files that\n"
    "have not changed since the last backup in FOLDER take no space again.\n"
    "\n"
    "      --config FILE  the configuration, as for 'perigee up'\n"
    "      --no-files     only the database and the configuration\n"
    "  -h, --help         show this\n"
    "\n"
    "Example\n"
    "  perigee backup /backup/perigee\n";

static const char restore_help[] =
    "Usage: perigee restore [OPTION...] BACKUP\n"
    "\n"
    "Brings back what 'perigee backup' has copied: BACKUP is FOLDER/TIME. Perigee must "
    "not\n"
    "run, and there must be no database yet: an old state folder is moved away by hand.\n"
    "A newer Perigee may restore an older backup; 'perigee up' brings it up to date.\n"
    "\n"
    "      --config FILE  the configuration, as for 'perigee up'; the backup's own is\n"
    "                     only kept beside the files\n"
    "  -h, --help         show this\n"
    "\n"
    "Example\n"
    "  perigee restore /backup/perigee/20270301T020000Z && perigee up\n";

/* ---- programs ---- */

/* Runs it with our stderr; 0 when its status is 0, or the other one that is no fault. */
static int run_or(const char *const *argv, int fine, peri_err_t *err)
{
    int status;
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(2, 1); /* results of this command are not what it prints */
        execvp(argv[0], (char *const *)argv);
        fprintf(stderr, "perigee: cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    if (pid < 0) return peri_err_set(err, PERI_EIO, "cannot start %s: %m", argv[0]);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return peri_err_set(err, PERI_EIO, "cannot wait: %m");
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == fine))
        return 0;
    return peri_err_set(err, PERI_EIO, "%s failed: what it says is above", argv[0]);
}

static int run(const char *const *argv, peri_err_t *err)
{
    return run_or(argv, 0, err);
}

static int need(const char *program, const char *package, peri_err_t *err)
{
    char *path = peri_find_program(program);
    free(path);
    if (path) return 0;
    return peri_err_set(err, PERI_ENOTFOUND, "%s is not installed: apt-get install %s",
                        program, package);
}

/* A folder's content; before: an older copy of it, or NULL. */
static int copy_tree(const char *from, const char *to, const char *before,
                     peri_err_t *err)
{
    struct stat st;
    if (stat(from, &st)) {
        if (errno == ENOENT) return 0;
        return peri_err_set(err, PERI_EIO, "cannot look at %s: %m", from);
    }
    char *source = peri_xasprintf("%s/", from), *link = NULL;
    /* Below quick/ of the jobs are answers that nobody has fetched yet. */
    const char *argv[12] = {"rsync", "-aHS", "--numeric-ids", "--exclude=/quick"};
    size_t n = 4;
    if (isatty(2)) argv[n++] = "--info=progress2";
    if (before && stat(before, &st) == 0)
        argv[n++] = link = peri_xasprintf("--link-dest=%s", before);
    argv[n++] = source;
    argv[n++] = to;
    fprintf(stderr, "perigee: %s\n", from);
    const int rc = run_or(argv, RSYNC_VANISHED, err); /* people delete files meanwhile */
    free(source);
    free(link);
    return rc;
}

enum { VOLUMES, JOBS, DATASETS, NFOLDERS };
static const char *const names[NFOLDERS] = {"volumes", "jobs", "datasets"};

/* Where they lie here; the caller frees the last one. */
static char *folders_of(const peri_config_t *c, const char *out[NFOLDERS])
{
    char *datasets = peri_xasprintf("%s/datasets", c->state);
    out[VOLUMES] = c->storage.folder;
    out[JOBS] = c->spool;
    out[DATASETS] = datasets;
    return datasets;
}

/* ---- backup ---- */

static int is_backup(const struct dirent *d)
{
    return strlen(d->d_name) == 16 && strspn(d->d_name, "0123456789") == 8 &&
           d->d_name[8] == 'T' && d->d_name[15] == 'Z';
}

/* The newest one in a folder, or NULL. */
static char *newest(const char *folder)
{
    struct dirent **list;
    const int n = scandir(folder, &list, is_backup, alphasort);
    char *out = n > 0 ? peri_xasprintf("%s/%s", folder, list[n - 1]->d_name) : NULL;
    for (int i = 0; i < n; i++) free(list[i]);
    if (n >= 0) free(list);
    return out;
}

static int dump(const peri_config_t *c, const char *to, peri_err_t *err)
{
    char *conninfo =
        c->database ? peri_xstrdup(c->database) : peri_pg_conninfo(c->pg_dir);
    char *file = peri_xasprintf("%s/database.dump", to);
    const char *const argv[] = {"pg_dump", "-Fc", "-d", conninfo, "-f", file, NULL};
    int rc = c->database ? 0 : peri_pg_start(c->pg_dir, err);
    fprintf(stderr, "perigee: the database\n");
    if (rc == 0) rc = run(argv, err);
    free(conninfo);
    free(file);
    return rc;
}

static int keep_config(const peri_config_t *c, const char *to, peri_err_t *err)
{
    char *text = NULL, *file = peri_xasprintf("%s/perigee.yaml", to);
    size_t len = 0;
    int rc = 0;
    if (c->source) rc = peri_file_slurp(c->source, 1u << 20, &text, &len, err);
    FILE *f = rc == 0 ? fopen(file, "wxe") : NULL;
    if (rc == 0 && (!f || fwrite(text ? text : "", 1, len, f) != len))
        rc = peri_err_set(err, PERI_EIO, "cannot write %s: %m", file);
    if (f && fclose(f) && rc == 0)
        rc = peri_err_set(err, PERI_EIO, "cannot write %s: %m", file);
    free(text);
    free(file);
    return rc;
}

static int copy_files(const peri_config_t *c, const char *to, const char *before,
                      peri_err_t *err)
{
    const char *from[NFOLDERS];
    char *datasets = folders_of(c, from);
    int rc = 0;
    for (int i = 0; i < NFOLDERS && rc == 0; i++) {
        char *into = peri_xasprintf("%s/%s", to, names[i]);
        char *old = before ? peri_xasprintf("%s/%s", before, names[i]) : NULL;
        rc = copy_tree(from[i], into, old, err);
        free(into);
        free(old);
    }
    free(datasets);
    return rc;
}

/* became: root called, and this is the user that perigee runs as. */
static int enter(const char *given, bool became, peri_err_t *err)
{
    const struct passwd *pw = became ? getpwuid(geteuid()) : NULL;
    if (peri_mkdirs(given, err) == 0) {
        if (access(given, W_OK | X_OK) == 0) return 0;
        peri_err_set(err, PERI_EDENIED, "cannot write into %s: %m", given);
    }
    if (!pw || errno != EACCES) return -1;
    peri_err_t why = *err;
    return peri_err_set(err, PERI_EDENIED,
                        "%s; perigee runs as the user %s, who writes the backup: "
                        "install -d -m 700 -o %s %s",
                        why.text, pw->pw_name, pw->pw_name, given);
}

static int backup(const peri_config_t *c, const char *given, bool files, bool became,
                  peri_err_t *err)
{
    char stamp[32];
    const time_t now = time(NULL);
    struct tm tm;
    if (need("pg_dump", "postgresql-client", err) ||
        (files && need("rsync", "rsync", err)) || enter(given, became, err))
        return -1;
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    char *folder = realpath(given, NULL); /* rsync looks for --link-dest from elsewhere */
    if (!folder) return peri_err_set(err, PERI_EIO, "cannot enter %s: %m", given);
    char *before = newest(folder), *goal = peri_xasprintf("%s/%s", folder, stamp),
         *fresh = peri_xasprintf("%s/.new-%s-%ld", folder, stamp, (long)getpid());
    int rc = mkdir(fresh, 0700)
                 ? peri_err_set(err, PERI_EIO, "cannot make a folder in %s: %m", folder)
                 : 0;
    if (rc == 0) rc = dump(c, fresh, err);
    if (rc == 0) rc = keep_config(c, fresh, err);
    if (rc == 0 && files) rc = copy_files(c, fresh, before, err);
    sync();
    if (rc == 0 && rename(fresh, goal))
        rc = peri_err_set(err, PERI_EIO, "cannot rename %s to %s: %m", fresh, goal);
    if (rc == 0)
        puts(goal);
    else
        fprintf(stderr, "perigee: what is there of it lies in %s; it may be removed\n",
                fresh);
    free(folder);
    free(before);
    free(goal);
    free(fresh);
    return rc;
}

/* ---- restore ---- */

/* Nothing that is there is written over. */
static int check_ground(const peri_config_t *c, const char *from, peri_err_t *err)
{
    char *file = peri_xasprintf("%s/database.dump", from);
    int version = 0, rc = 0;
    if (access(file, R_OK))
        rc = peri_err_set(err, PERI_ENOTFOUND, "%s is no backup: it has no database.dump",
                          from);
    free(file);
    if (rc == 0 && !c->database) rc = peri_pg_start(c->pg_dir, err);
    if (rc) return rc;
    char *conninfo =
        c->database ? peri_xstrdup(c->database) : peri_pg_conninfo(c->pg_dir);
    peri_db_t *db = peri_db_connect(conninfo, err);
    rc = db ? peri_db_schema_version(db, &version, err) : -1;
    peri_db_close(db);
    free(conninfo);
    if (rc == 0 && version)
        rc = peri_err_set(
            err, PERI_ECONFLICT,
            "there is a database of Perigee here already; move it away (with "
            "the state folder), then restore");
    return rc;
}

static int load(const peri_config_t *c, const char *backup_folder, peri_err_t *err)
{
    char *conninfo =
        c->database ? peri_xstrdup(c->database) : peri_pg_conninfo(c->pg_dir);
    char *file = peri_xasprintf("%s/database.dump", backup_folder);
    const char *const argv[] = {"pg_restore",
                                "--exit-on-error",
                                "--single-transaction",
                                "--no-owner",
                                "-d",
                                conninfo,
                                file,
                                NULL};
    fprintf(stderr, "perigee: the database\n");
    const int rc = run(argv, err);
    free(conninfo);
    free(file);
    return rc;
}

static int restore(const peri_config_t *c, const char *from, peri_err_t *err)
{
    const char *to[NFOLDERS];
    peri_daemon_t d;
    if (need("pg_restore", "postgresql-client", err) || need("rsync", "rsync", err) ||
        peri_daemon_folder(c, err))
        return -1;
    const int lock = peri_daemon_lock(c, 10, err);
    if (lock < 0) return -1;
    int rc = peri_daemon_look(c, &d, err);
    if (rc == 0 && d.running)
        rc = peri_err_set(err, PERI_ECONFLICT, "perigeed runs: 'perigee down' stops it");
    if (rc == 0) rc = check_ground(c, from, err);
    /* The files first: a database that knows of files that are not there would be worse.
     */
    char *datasets = folders_of(c, to);
    for (int i = 0; i < NFOLDERS && rc == 0; i++) {
        char *source = peri_xasprintf("%s/%s", from, names[i]);
        rc = peri_mkdirs(to[i], err);
        if (rc == 0) rc = copy_tree(source, to[i], NULL, err);
        free(source);
    }
    free(datasets);
    if (rc == 0) rc = load(c, from, err);
    if (rc == 0) puts("Everything is back: 'perigee up' starts it.");
    close(lock);
    return rc;
}

/* ---- the commands ---- */

static int command(int argc, char **argv, bool back)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"no-files", no_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *name = back ? "restore" : "backup", *config = NULL;
    peri_err_t err = {0};
    peri_rights_t rights = {0};
    bool files = true;
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'c') {
            config = optarg;
        } else if (c == 'n' && !back) {
            files = false;
        } else if (c == 'h') {
            fputs(back ? restore_help : backup_help, stdout);
            return 0;
        } else {
            return peri_cli_usage(name);
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr, "perigee: %s needs one folder.\n", name);
        return peri_cli_usage(name);
    }
    const uid_t caller = geteuid();
    peri_config_t *conf = peri_config_load(config, &err);
    int rc = conf ? peri_rights_become(conf, back, &rights, &err) : -1;
    if (rc == 0)
        rc = back ? restore(conf, argv[optind], &err)
                  : backup(conf, argv[optind], files, geteuid() != caller, &err);
    peri_rights_free(&rights);
    peri_config_free(conf);
    return peri_cli_done(rc ? peri_cli_fail(&err) : 0);
}

int peri_cmd_backup(int argc, char **argv)
{
    return command(argc, argv, false);
}

int peri_cmd_restore(int argc, char **argv)
{
    return command(argc, argv, true);
}
