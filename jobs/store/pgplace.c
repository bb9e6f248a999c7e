/* pgplace.c - folders, settings and programs of the private server, see pg.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "jobs/store/pg.h"

#define LOCK_SECONDS 180
#define FRESH        "data.new."

/* ---- names ---- */

int peri_pgplace_init(peri_pgplace_t *p, const char *dir, peri_err_t *err)
{
    char here[PATH_MAX] = "";
    *p = (peri_pgplace_t){0};
    if (peri_pguser_find(&p->user, err)) return -1;
    if (dir[0] != '/' && !getcwd(here, sizeof(here)))
        return peri_err_set(err, PERI_EIO, "cannot tell which the current folder is: %m");
    p->dir = dir[0] == '/' ? peri_xstrdup(dir) : peri_xasprintf("%s/%s", here, dir);
    for (size_t n = strlen(p->dir); n > 1 && p->dir[n - 1] == '/';) p->dir[--n] = '\0';
    p->data = peri_xasprintf("%s/data", p->dir);
    p->socket = peri_xasprintf("%s/s", p->dir);
    p->log = peri_xasprintf("%s/log", p->dir);
    p->lock = peri_xasprintf("%s/lock", p->dir);
    return 0;
}

void peri_pgplace_free(peri_pgplace_t *p)
{
    free(p->dir);
    free(p->data);
    free(p->socket);
    free(p->log);
    free(p->lock);
    *p = (peri_pgplace_t){0};
}

/* ---- folders ---- */

static int make_folder(const peri_pgplace_t *p, const char *path, peri_err_t *err)
{
    struct stat st;
    if (mkdir(path, 0700) && errno != EEXIST)
        return peri_err_set(err, PERI_EIO, "cannot make the folder %s: %m", path);
    if (lstat(path, &st) || !S_ISDIR(st.st_mode))
        return peri_err_set(err, PERI_EINVAL, "%s is not a folder", path);
    if (st.st_uid != p->user.uid && st.st_uid != geteuid())
        return peri_err_set(
            err, PERI_EDENIED,
            "the folder %s belongs to the user with number %u: remove it or "
            "choose another state folder",
            path, (unsigned)st.st_uid);
    if (st.st_uid != p->user.uid && lchown(path, p->user.uid, p->user.gid))
        return peri_err_set(err, PERI_EIO, "cannot give the folder %s to postgres: %m",
                            path);
    if ((st.st_mode & 07777) != 0700 && chmod(path, 0700))
        return peri_err_set(err, PERI_EIO, "cannot set the rights of %s: %m", path);
    return 0;
}

/* As root we may enter any folder, the server's user may not. */
static int check_parents(const peri_pgplace_t *p, peri_err_t *err)
{
    if (!p->user.change) return 0;
    for (const char *end = strchr(p->dir + 1, '/'); end; end = strchr(end + 1, '/')) {
        char *parent = peri_xasprintf("%.*s", (int)(end - p->dir), p->dir);
        const char *const argv[] = {"/usr/bin/test", "-x", parent, NULL};
        int rc = peri_pgrun(&p->user, argv, NULL, err);
        if (rc > 0)
            peri_err_set(
                err, PERI_EDENIED,
                "the database runs as the user postgres, who may not enter %s: "
                "choose another state folder (PERIGEE_STATE=/var/lib/perigee), or "
                "let others pass through this one (chmod o+x %s)",
                parent, parent);
        free(parent);
        if (rc) return -1;
    }
    return 0;
}

static int check_characters(const peri_pgplace_t *p, peri_err_t *err)
{
    /* pg_ctl pastes it into a line for the shell; to libpq a comma separates hosts. */
    if (!strpbrk(p->dir, "\"$`\\,\n")) return 0;
    return peri_err_set(
        err, PERI_EINVAL,
        "the path of the state folder, %s, has one of the characters \" $ ` \\ and "
        "comma, "
        "which PostgreSQL's programs do not take: choose another one with "
        "PERIGEE_STATE",
        p->dir);
}

static int check_socket(const peri_pgplace_t *p, peri_err_t *err)
{
    struct sockaddr_un a;
    size_t n = strlen(p->socket) + strlen("/.s.PGSQL.5432");
    if (n < sizeof(a.sun_path)) return 0;
    return peri_err_set(
        err, PERI_EINVAL,
        "the path of the state folder is too long: the database's socket in "
        "%s would need %zu bytes and the system allows %zu; choose a shorter "
        "one with PERIGEE_STATE",
        p->socket, n, sizeof(a.sun_path) - 1);
}

int peri_pgplace_make(peri_pgplace_t *p, peri_err_t *err)
{
    char *slash = strrchr(p->dir, '/');
    if (slash == p->dir)
        return peri_err_set(err, PERI_EINVAL, "%s is no place for a database", p->dir);
    if (check_characters(p, err) || check_socket(p, err)) return -1;
    *slash = '\0';
    int rc = peri_mkdirs(p->dir, err);
    *slash = '/';
    if (rc || check_parents(p, err)) return -1;
    if (make_folder(p, p->dir, err) || make_folder(p, p->socket, err)) return -1;
    return make_folder(p, p->log, err);
}

int peri_pgplace_lock(const peri_pgplace_t *p, peri_err_t *err)
{
    const double until = peri_now() + LOCK_SECONDS;
    int fd = open(p->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return peri_err_set(err, PERI_EIO, "cannot open %s: %m", p->lock);
    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            peri_err_set(err, PERI_EIO, "cannot lock %s: %m", p->lock);
        } else if (peri_now() > until) {
            peri_err_set(
                err, PERI_EIO,
                "somebody else has been starting or stopping the database in %s for "
                "%d seconds",
                p->dir, LOCK_SECONDS);
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
            continue;
        }
        close(fd);
        return -1;
    }
    return fd;
}

char *peri_pgplace_fresh(const peri_pgplace_t *p)
{
    DIR *d = opendir(p->dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, FRESH, strlen(FRESH)) != 0) continue;
        char *old = peri_xasprintf("%s/%s", p->dir, e->d_name);
        peri_folder_sweep(old); /* the next time, if not now */
        free(old);
    }
    if (d) closedir(d);
    /* Not the same twice: processes of the one that was killed may still be writing. */
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return peri_xasprintf("%s/" FRESH "%ld-%09ld", p->dir, (long)t.tv_sec, t.tv_nsec);
}

/* ---- settings ---- */

/* Small: a job is a few rows. Each commit is on the disk when it returns. */
static const char settings[] = "listen_addresses = ''\n"
                               "port = 5432\n"
                               "unix_socket_permissions = 0700\n"
                               "max_connections = 40\n"
                               "superuser_reserved_connections = 3\n"
                               "shared_buffers = 32MB\n"
                               "work_mem = 8MB\n"
                               "maintenance_work_mem = 32MB\n"
                               "max_wal_size = 256MB\n"
                               "min_wal_size = 32MB\n"
                               "fsync = on\n"
                               "synchronous_commit = on\n"
                               "full_page_writes = on\n"
                               "wal_level = minimal\n"
                               "max_wal_senders = 0\n"
                               "max_worker_processes = 2\n"
                               "max_parallel_workers = 0\n"
                               "max_parallel_workers_per_gather = 0\n"
                               "jit = off\n"
                               "autovacuum = on\n"
                               "autovacuum_max_workers = 1\n"
                               "autovacuum_naptime = 30s\n"
                               "restart_after_crash = on\n"
                               "logging_collector = on\n"
                               "log_filename = 'postgresql-%a.log'\n"
                               "log_truncate_on_rotation = on\n"
                               "log_rotation_age = 1d\n"
                               "log_rotation_size = 0\n"
                               "log_min_messages = warning\n"
                               "log_min_error_statement = fatal\n"
                               "log_line_prefix = '%m [%p] '\n"
                               "log_parameter_max_length_on_error = 0\n"
                               "timezone = 'UTC'\n"
                               "client_encoding = 'UTF8'\n"
                               "default_text_search_config = 'pg_catalog.simple'\n";

/* A value in quotes; within it a list of folders has quotes of its own. */
static void put_path(peri_buf_t *b, const char *name, const char *path, bool list)
{
    peri_buf_t inner;
    peri_buf_init(&inner, 64u << 10);
    if (list)
        peri_buf_put_quoted(&inner, path, '"');
    else
        peri_buf_puts(&inner, path);
    peri_buf_printf(b, "%s = '", name);
    for (const char *s = inner.data; s && *s; s++) {
        if (*s == '\'' || *s == '\\') peri_buf_putc(b, *s);
        peri_buf_putc(b, *s);
    }
    peri_buf_puts(b, "'\n");
    peri_buf_free(&inner);
}

static int write_for(const peri_pgplace_t *p, const char *name, const char *text,
                     size_t len, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/%s", p->data, name);
    int rc = peri_file_write_atomic(path, text, len, err);
    if (rc == 0 &&
        (chmod(path, 0600) || (p->user.change && lchown(path, p->user.uid, p->user.gid))))
        rc = peri_err_set(err, PERI_EIO, "cannot set the rights of %s: %m", path);
    free(path);
    return rc;
}

int peri_pgplace_configure(const peri_pgplace_t *p, peri_err_t *err)
{
    /* Who can reach the socket (its folder is 0700) may be anybody in the database. */
    static const char hba[] =
        "# Written by Perigee at each start.\nlocal all all trust\n";
    peri_buf_t b;
    peri_buf_init(&b, 256u << 10);
    peri_buf_puts(&b,
                  "# Written by Perigee at each start: put your own into local.conf.\n");
    peri_buf_puts(&b, settings);
    put_path(&b, "unix_socket_directories", p->socket, true);
    put_path(&b, "log_directory", p->log, false);
    peri_buf_puts(&b, "include = 'local.conf'\n");
    char *local = peri_xasprintf("%s/local.conf", p->data);
    int rc = peri_buf_check(&b, "the settings of the database", err);
    if (rc == 0 && access(local, F_OK)) rc = write_for(p, "local.conf", "", 0, err);
    free(local);
    if (rc == 0) rc = write_for(p, "postgresql.conf", b.data, b.len, err);
    if (rc == 0) rc = write_for(p, "pg_hba.conf", hba, sizeof(hba) - 1, err);
    peri_buf_free(&b);
    return rc;
}

/* ---- what it said ---- */

static void put_end(peri_buf_t *b, const char *path)
{
    char text[1500];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        off_t from =
            st.st_size > (off_t)sizeof(text) ? st.st_size - (off_t)sizeof(text) : 0;
        ssize_t n = pread(fd, text, sizeof(text), from);
        if (n > 0) peri_buf_append(b, text, (size_t)n);
    }
    if (fd >= 0) close(fd);
}

char *peri_pgplace_words(const peri_pgplace_t *p, const char *start_log, time_t since)
{
    char *pattern = peri_xasprintf("%s/postgresql-*.log", p->log);
    peri_buf_t b;
    glob_t g;
    struct stat st;
    peri_buf_init(&b, 64u << 10);
    put_end(&b, start_log);
    /* Today's, or the two around midnight. */
    if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++)
            if (stat(g.gl_pathv[i], &st) == 0 && st.st_mtime >= since)
                put_end(&b, g.gl_pathv[i]);
    globfree(&g);
    free(pattern);
    return peri_buf_take(&b, NULL);
}

/* ---- programs ---- */

static bool has_programs(const char *dir)
{
    static const char *const names[] = {"initdb", "pg_ctl", "postgres"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = peri_xasprintf("%s/%s", dir, names[i]);
        bool ok = access(path, X_OK) == 0;
        free(path);
        if (!ok) return false;
    }
    return true;
}

/* "15" of "postgres (PostgreSQL) 15.20 ..."; 0 if it does not say. */
static int major_of(const peri_pgplace_t *p, const char *dir)
{
    char *said = NULL, *path = peri_xasprintf("%s/postgres", dir);
    int major = 0;
    if (peri_pgrun(&p->user, (const char *const[]){path, "-V", NULL}, &said, NULL) == 0) {
        const char *n = strstr(said, "PostgreSQL) ");
        if (n) major = atoi(n + strlen("PostgreSQL) "));
    }
    free(said);
    free(path);
    return major;
}

static void consider(const peri_pgplace_t *p, const char *dir, int wanted, char **best,
                     int *best_major)
{
    if (!has_programs(dir)) return;
    int major = major_of(p, dir);
    if (major <= *best_major || (wanted && major != wanted)) return;
    free(*best);
    *best = peri_xstrdup(dir);
    *best_major = major;
}

char *peri_pgplace_programs(const peri_pgplace_t *p, peri_err_t *err)
{
    static const char *const places[] = {"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
                                         "/usr/local/pgsql/bin"};
    int wanted = 0, major = 0;
    char *best = NULL, *text = NULL, *file = peri_xasprintf("%s/PG_VERSION", p->data);
    if (peri_file_slurp(file, 64, &text, NULL, NULL) == 0) wanted = atoi(text);
    free(text);
    free(file);
    /* The user's own choice first: what is in PATH, if it fits. */
    for (const char *s = getenv("PATH"); s && *s && !best;) {
        size_t n = strcspn(s, ":");
        char *dir = peri_xasprintf("%.*s", (int)n, s);
        if (dir[0] == '/') consider(p, dir, wanted, &best, &major);
        free(dir);
        s += n + (s[n] == ':');
    }
    for (size_t i = 0; !best && i < sizeof(places) / sizeof(places[0]); i++) {
        glob_t g;
        if (glob(places[i], 0, NULL, &g) == 0)
            for (size_t k = 0; k < g.gl_pathc; k++)
                consider(p, g.gl_pathv[k], wanted, &best, &major);
        globfree(&g);
    }
    if (best) return best;
    if (wanted)
        peri_err_set(
            err, PERI_ENOTFOUND,
            "the database in %s was made by PostgreSQL %d, which is not installed: "
            "install that version",
            p->dir, wanted);
    else
        peri_err_set(
            err, PERI_ENOTFOUND,
            "PostgreSQL is not installed: neither PATH nor /usr/lib/postgresql has "
            "initdb, pg_ctl and postgres");
    return NULL;
}
