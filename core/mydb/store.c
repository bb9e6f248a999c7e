/* store.c - what is in a schema's folder: names, kinds, paths. See store.h. */
#include "core/mydb/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/mydb/private.h"

#define MAX_ENTRIES 100000

/* ---- names ---- */

static bool is_first(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_next(char c)
{
    return is_first(c) || (c >= '0' && c <= '9');
}

int peri_mydb_name(const char *given, char out[PERI_MYDB_NAME], peri_err_t *err)
{
    char folded[PERI_MYDB_NAME];
    size_t n = strlen(given);
    bool good = n > 0 && n < PERI_MYDB_NAME;
    for (size_t i = 0; good && i <= n; i++) {
        char c = given[i];
        folded[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        good = i == n || (i ? is_next(folded[i]) : is_first(folded[i]));
    }
    if (good) {
        memcpy(out, folded, n + 1);
        return 0;
    }
    if (n >= PERI_MYDB_NAME)
        return peri_err_set(
            err, PERI_EINVAL,
            "the name of a table has at most %d characters, and \"%.80s%s\" "
            "has %zu",
            PERI_MYDB_NAME - 1, given, n > 80 ? "..." : "", n);
    return peri_err_set(err, PERI_EINVAL,
                        "\"%s\" cannot be the name of a table: it has letters (a to z), "
                        "digits and _, and starts with a letter or _",
                        given);
}

const char *peri_mydb_kindword(peri_mydbkind_t kind)
{
    return kind == PERI_MYDB_VIEW ? "a view" : "a table";
}

/* ---- files ---- */

int64_t peri_mydb_amount(const struct stat *st)
{
    int64_t size = (int64_t)st->st_size, disk = (int64_t)st->st_blocks * 512;
    return size < disk ? size : disk;
}

char *peri_mydb_file(const peri_schema_t *s, const char *name, peri_mydbkind_t kind)
{
    return peri_xasprintf("%s/%s%s", s->folder, name,
                          kind == PERI_MYDB_VIEW ? PERI_MYDB_VIEW_END
                                                 : PERI_MYDB_TABLE_END);
}

char *peri_mydb_path(const peri_schema_t *s, const char *name)
{
    return peri_mydb_file(s, name, PERI_MYDB_TABLE);
}

int peri_mydb_folder(const peri_schema_t *s, peri_err_t *err)
{
    struct stat st;
    if ((*s->owner ? lstat : stat)(s->folder, &st)) {
        if (errno == ENOENT) return 1;
        return peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                            "the folder of %s's tables, %s, cannot be opened: %s",
                            s->name, s->folder, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) return 0;
    return peri_err_set(err, PERI_ECONFLICT,
                        "%s should be the folder of %s's tables and is %s: rename it",
                        s->folder, s->name,
                        S_ISLNK(st.st_mode) ? "a symbolic link" : "no folder");
}

int peri_mydb_look(const peri_schema_t *s, const char *name, peri_mydbkind_t kind,
                   struct stat *st, peri_err_t *err)
{
    char *path = peri_mydb_file(s, name, kind);
    int rc = 1;
    if (lstat(path, st) != 0)
        rc = errno == ENOENT || errno == ENOTDIR
                 ? 0
                 : peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                                "%s.%s cannot be looked at: %s: %s", s->name, name, path,
                                strerror(errno));
    else if (!S_ISREG(st->st_mode))
        rc = peri_err_set(err, PERI_ECONFLICT,
                          "%s is %s, where %s.%s would lie: rename or remove it", path,
                          S_ISLNK(st->st_mode)   ? "a symbolic link"
                          : S_ISDIR(st->st_mode) ? "a folder"
                                                 : "not a regular file",
                          s->name, name);
    free(path);
    return rc;
}

peri_mydbkind_t peri_mydb_kind(const peri_schema_t *s, const char *name)
{
    struct stat st;
    if (peri_mydb_folder(s, NULL) != 0) return PERI_MYDB_NONE;
    if (peri_mydb_look(s, name, PERI_MYDB_TABLE, &st, NULL) == 1) return PERI_MYDB_TABLE;
    if (peri_mydb_look(s, name, PERI_MYDB_VIEW, &st, NULL) == 1) return PERI_MYDB_VIEW;
    return PERI_MYDB_NONE;
}

/* A regular file to be read: no link is followed, and a pipe does not make us wait. */
static int open_plain(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))) return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

static int read_all(int fd, char *out, size_t cap, size_t *len)
{
    size_t n = 0;
    for (ssize_t got = 1; got > 0 && n < cap;) {
        got = read(fd, out + n, cap - n);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            return -1;
        else
            n += (size_t)got;
    }
    *len = n;
    return 0;
}

int peri_mydb_view_text(const peri_schema_t *s, const char *name, char **sql,
                        peri_err_t *err)
{
    if (peri_mydb_kind(s, name) != PERI_MYDB_VIEW) return peri_mydb_nowhere(s, name, err);
    char *path = peri_mydb_file(s, name, PERI_MYDB_VIEW),
         *text = peri_xmalloc(PERI_MYDB_VIEW_MAX + 2);
    size_t n = 0;
    int fd = open_plain(path),
        rc = fd < 0 ? -1 : read_all(fd, text, PERI_MYDB_VIEW_MAX + 1, &n);
    if (rc)
        peri_err_set(err, PERI_EIO, "the view %s.%s cannot be read: %s: %s", s->name,
                     name, path, strerror(errno));
    else if (n == 0 || n > PERI_MYDB_VIEW_MAX || memchr(text, 0, n) ||
             !peri_utf8_valid(text, n))
        rc = peri_err_set(
            err, PERI_EFORMAT,
            "%s is not the text of a view: it is empty, longer than %u bytes, "
            "or not UTF-8",
            path, PERI_MYDB_VIEW_MAX);
    if (fd >= 0) close(fd);
    free(path);
    if (rc) {
        free(text);
        return -1;
    }
    text[n] = 0;
    *sql = text;
    return 0;
}

/* ---- lists ---- */

/* The name and kind that a file's name says; false if it says none. */
static bool read_entry(const char *file, peri_mydbentry_t *e)
{
    const char *dot = strchr(file, '.');
    size_t n = dot ? (size_t)(dot - file) : 0;
    char name[PERI_MYDB_NAME];
    if (n == 0 || n >= PERI_MYDB_NAME) return false;
    e->kind = strcmp(dot, PERI_MYDB_TABLE_END) == 0  ? PERI_MYDB_TABLE
              : strcmp(dot, PERI_MYDB_VIEW_END) == 0 ? PERI_MYDB_VIEW
                                                     : PERI_MYDB_NONE;
    memcpy(name, file, n);
    name[n] = 0;
    /* A name with capitals is not ours: no statement could reach it. */
    return e->kind && peri_mydb_name(name, e->name, NULL) == 0 &&
           strcmp(name, e->name) == 0;
}

static int compare_entries(const void *pa, const void *pb)
{
    const peri_mydbentry_t *a = pa, *b = pb;
    int by_name = strcmp(a->name, b->name);
    return by_name ? by_name : (int)a->kind - (int)b->kind;
}

static int read_folder(const peri_schema_t *s, DIR *dir, peri_mydbentry_t **v, size_t *n,
                       peri_err_t *err)
{
    size_t cap = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        peri_mydbentry_t x;
        struct stat st;
        if (!read_entry(e->d_name, &x) ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
            !S_ISREG(st.st_mode))
            continue;
        if (*n == MAX_ENTRIES)
            return peri_err_set(err, PERI_ELIMIT, "%s has more than %d tables", s->name,
                                MAX_ENTRIES);
        if (*n == cap) *v = peri_xrealloc(*v, cap = cap ? 2 * cap : 64, sizeof(**v));
        (*v)[(*n)++] = x;
    }
    return 0;
}

int peri_mydb_entries(const peri_schema_t *s, peri_mydbentry_t **out, size_t *n,
                      peri_err_t *err)
{
    *out = NULL;
    *n = 0;
    int rc = peri_mydb_folder(s, err);
    if (rc) return rc < 0 ? -1 : 0;
    DIR *dir = opendir(s->folder);
    if (!dir)
        return peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                            "the folder of %s's tables, %s, cannot be listed: %s",
                            s->name, s->folder, strerror(errno));
    rc = read_folder(s, dir, out, n, err);
    closedir(dir);
    if (rc) {
        free(*out);
        *out = NULL;
        *n = 0;
        return -1;
    }
    if (*n) qsort(*out, *n, sizeof(**out), compare_entries);
    /* Of a table and a view of one name the table counts, as for peri_mydb_kind. */
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (!kept || strcmp((*out)[kept - 1].name, (*out)[i].name) != 0)
            (*out)[kept++] = (*out)[i];
    *n = kept;
    return 0;
}

int peri_mydb_nowhere(const peri_schema_t *s, const char *name, peri_err_t *err)
{
    peri_mydbentry_t *v;
    size_t n;
    if (peri_mydb_entries(s, &v, &n, err)) return -1;
    const char **names = peri_xcalloc(n + 1, sizeof(*names));
    for (size_t i = 0; i < n; i++) names[i] = v[i].name;
    const char *near = peri_did_you_mean(name, names, n);
    if (near)
        peri_err_set(err, PERI_ENOTFOUND,
                     "there is no table \"%s\" in %s; did you mean %s.%s?", name, s->name,
                     s->name, near);
    else if (n == 0)
        peri_err_set(err, PERI_ENOTFOUND,
                     "there is no table \"%s\" in %s, which has no tables yet", name,
                     s->name);
    else
        peri_err_set(err, PERI_ENOTFOUND,
                     "there is no table \"%s\" in %s; \"perigee table ls %s\" shows all",
                     name, s->name, s->name);
    free(names);
    free(v);
    return -1;
}
