/* change.c - tables made, replaced, dropped and renamed, whole or not at all.
 *
 * The order of a change: lock of the name, look at what is there, the new file beside it,
 * its bytes on the disk, the quota, the rename, the folder on the disk. A process that
 * dies before the rename leaves the old table and a temporary; after it, the new table.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "core/base/util.h"
#include "core/mydb/private.h"

struct peri_mydbchange {
    const peri_schema_t *schema;
    char name[PERI_MYDB_NAME];
    peri_mydbkind_t kind;
    unsigned flags;
    bool replaces;
    int lock;
    char *begin;        /* of the names of its temporaries */
    char *path, *place; /* the temporary, and where it goes */
};

/* ---- what is there ---- */

static int may_write(const peri_schema_t *s, const char *name, peri_err_t *err)
{
    if (s->write) return 0;
    return peri_err_set(
        err, PERI_EDENIED,
        "%s.%s may not be changed: the tables of %s are yours to read only", s->name,
        name, s->name);
}

/* What has the name: NONE, or its kind with *st; -1: what is there is no table. */
static int what_is(const peri_schema_t *s, const char *name, peri_mydbkind_t *kind,
                   struct stat *st, peri_err_t *err)
{
    struct stat view;
    int table = peri_mydb_look(s, name, PERI_MYDB_TABLE, st, err);
    if (table < 0) return -1;
    int is_view = peri_mydb_look(s, name, PERI_MYDB_VIEW, &view, err);
    if (is_view < 0) return -1;
    if (!table && is_view) *st = view;
    *kind = table ? PERI_MYDB_TABLE : is_view ? PERI_MYDB_VIEW : PERI_MYDB_NONE;
    return 0;
}

static int other_kind(const peri_schema_t *s, const char *name, peri_mydbkind_t is,
                      peri_err_t *err)
{
    return peri_err_set(
        err, PERI_ECONFLICT, "%s.%s is %s, not %s", s->name, name, peri_mydb_kindword(is),
        peri_mydb_kindword(is == PERI_MYDB_VIEW ? PERI_MYDB_TABLE : PERI_MYDB_VIEW));
}

static int is_there(const peri_schema_t *s, const char *name, peri_mydbkind_t kind,
                    peri_err_t *err)
{
    return peri_err_set(
        err, PERI_ECONFLICT,
        "there is %s %s.%s already: choose another name, or drop it first",
        peri_mydb_kindword(kind), s->name, name);
}

/* Under the lock: may the change be made? */
static int check_place(peri_mydbchange_t *c, peri_err_t *err)
{
    struct stat st;
    peri_mydbkind_t is;
    const peri_schema_t *s = c->schema;
    if (what_is(s, c->name, &is, &st, err)) return -1;
    c->replaces = is != PERI_MYDB_NONE;
    if (c->replaces && c->flags & PERI_MYDB_MUST_BE_NEW)
        return is_there(s, c->name, is, err);
    if (!c->replaces && c->flags & PERI_MYDB_MUST_EXIST)
        return peri_mydb_nowhere(s, c->name, err);
    return c->replaces && is != c->kind ? other_kind(s, c->name, is, err) : 0;
}

/* ---- a change ---- */

static int make_folder(const peri_schema_t *s, peri_err_t *err)
{
    int rc = peri_mydb_folder(s, err);
    return rc > 0 ? peri_mkdirs(s->folder, err) : rc;
}

static void choose_path(peri_mydbchange_t *c)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char random[6];
    char tag[sizeof(random) + 1] = {0};
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        snprintf(tag, sizeof(tag), "%06ld", (long)getpid() % 1000000);
    for (size_t i = 0; i < sizeof(random) && !tag[i]; i++)
        tag[i] = letters[random[i] % (sizeof(letters) - 1)];
    const char *end =
        c->kind == PERI_MYDB_VIEW ? PERI_MYDB_VIEW_END : PERI_MYDB_TABLE_END;
    c->begin = peri_xasprintf(".%s%s" PERI_MYDB_NEW "%s", c->name, end, tag);
    c->path = peri_xasprintf("%s/%s", c->schema->folder, c->begin);
    c->place = peri_mydb_file(c->schema, c->name, c->kind);
}

peri_mydbchange_t *peri_mydbchange_new(const peri_schema_t *s, const char *name,
                                       unsigned flags, peri_err_t *err)
{
    peri_mydbchange_t *c = peri_xcalloc(1, sizeof(*c));
    c->schema = s;
    c->flags = flags;
    c->kind = flags & PERI_MYDB_IS_VIEW ? PERI_MYDB_VIEW : PERI_MYDB_TABLE;
    c->lock = -1;
    if (peri_mydb_name(name, c->name, err) || may_write(s, c->name, err) ||
        make_folder(s, err))
        goto fail;
    c->lock = peri_mydb_lock(s, c->name, err);
    if (c->lock < 0) goto fail;
    peri_mydb_sweep(s, c->name);
    if (check_place(c, err)) goto fail;
    choose_path(c);
    return c;
fail:
    peri_mydbchange_free(c);
    return NULL;
}

const char *peri_mydbchange_path(const peri_mydbchange_t *c)
{
    return c->path;
}

bool peri_mydbchange_replaces(const peri_mydbchange_t *c)
{
    return c->replaces;
}

/* ---- the quota ---- */

int64_t peri_mydb_left(const peri_schema_t *s)
{
    int64_t left = s->left - (s->spent ? *s->spent : 0);
    return left > 0 ? left : 0;
}

static void spend(const peri_schema_t *s, int64_t bytes)
{
    if (s->spent) *s->spent += bytes;
}

/* `taken` is what the table would take more than it does now; 0, or the sentence. */
static int check_quota(const peri_mydbchange_t *c, int64_t taken, int64_t room,
                       const char *would, peri_err_t *err)
{
    const peri_schema_t *s = c->schema;
    if (s->left < 0 || taken <= room) return 0;
    char takes[16], left[16], quota[16], few[16];
    peri_human_bytes((uint64_t)taken, takes);
    peri_human_bytes((uint64_t)peri_mydb_left(s), left);
    peri_human_bytes((uint64_t)(taken - peri_mydb_left(s)), few);
    peri_human_bytes((uint64_t)s->quota, quota);
    return peri_err_set(
        err, PERI_EFULL,
        "the table %s %s%s, and %s are left%s%s%s%s (%s too few); %s.%s is %s: drop "
        "tables or ask for more",
        would, takes, c->replaces ? " more" : "", left, s->quota < 0 ? "" : " of ",
        s->quota < 0 ? "" : quota, *s->owner ? " in " : "", s->owner, few, s->name,
        c->name, c->replaces ? "as it was" : "not made");
}

static int64_t replaced_bytes(const peri_mydbchange_t *c)
{
    struct stat st;
    return lstat(c->place, &st) == 0 && S_ISREG(st.st_mode) ? peri_mydb_amount(&st) : 0;
}

int peri_mydbchange_check(const peri_mydbchange_t *c, peri_err_t *err)
{
    const peri_schema_t *s = c->schema;
    if (s->left < 0) return 0;
    int64_t bytes = peri_mydb_temporaries(s->folder, c->begin, false),
            left = peri_mydb_left(s),
            room = left > INT64_MAX - s->spare ? INT64_MAX : left + s->spare;
    return check_quota(c, bytes - replaced_bytes(c), room, "takes already", err);
}

/* ---- its end ---- */

static int put_in_place(peri_mydbchange_t *c, bool replaces, peri_err_t *err)
{
    if (replaces ? rename(c->path, c->place) : peri_rename_new(c->path, c->place)) {
        /* Somebody who does not know our locks was faster. */
        if (errno == EEXIST) return is_there(c->schema, c->name, c->kind, err);
        return peri_err_set(err, PERI_EIO, "%s cannot be put in place: %s", c->place,
                            strerror(errno));
    }
    return 0;
}

static int sync_folder(const peri_schema_t *s, const char *name, const char *what,
                       peri_err_t *err)
{
    if (peri_path_sync(s->folder) == 0) return 0;
    return peri_err_set(
        err, PERI_EIO, "%s.%s is %s, but its folder could not be written to the disk: %s",
        s->name, name, what, strerror(errno));
}

int peri_mydbchange_commit(peri_mydbchange_t *c, peri_err_t *err)
{
    struct stat st, old;
    const peri_schema_t *s = c->schema;
    if (lstat(c->path, &st) || !S_ISREG(st.st_mode))
        return peri_err_set(err, PERI_EINTERNAL, "nothing was written to %s", c->path);
    if (peri_path_sync(c->path) || lstat(c->path, &st))
        return peri_err_set(err, PERI_EIO, "%s.%s cannot be written to the disk: %s",
                            s->name, c->name, strerror(errno));
    int there = peri_mydb_look(s, c->name, c->kind, &old, err);
    if (there < 0) return -1;
    if (there && c->flags & PERI_MYDB_MUST_BE_NEW)
        return is_there(s, c->name, c->kind, err);
    int64_t taken = peri_mydb_amount(&st) - (there ? peri_mydb_amount(&old) : 0);
    if (check_quota(c, taken, peri_mydb_left(s), "would take", err)) return -1;
    peri_failpoint("mydb_before_rename");
    if (put_in_place(c, there, err)) return -1;
    peri_failpoint("mydb_after_rename");
    spend(s, taken);
    return sync_folder(s, c->name, "written", err);
}

void peri_mydbchange_free(peri_mydbchange_t *c)
{
    if (!c) return;
    if (c->begin) peri_mydb_temporaries(c->schema->folder, c->begin, true);
    peri_mydb_unlock(c->schema, c->name, c->lock);
    free(c->begin);
    free(c->path);
    free(c->place);
    free(c);
}

/* ---- drop, rename ---- */

static int drop_locked(const peri_schema_t *s, const char *name, peri_mydbkind_t kind,
                       bool if_exists, peri_err_t *err)
{
    struct stat st;
    peri_mydbkind_t is;
    if (what_is(s, name, &is, &st, err)) return -1;
    if (is == PERI_MYDB_NONE) return if_exists ? 0 : peri_mydb_nowhere(s, name, err);
    if (kind && kind != is) return other_kind(s, name, is, err);
    char *path = peri_mydb_file(s, name, is);
    int rc = unlink(path);
    if (rc)
        peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                     "%s.%s cannot be removed: %s: %s", s->name, name, path,
                     strerror(errno));
    else
        spend(s, -peri_mydb_amount(&st));
    free(path);
    return rc ? rc : sync_folder(s, name, "dropped", err);
}

int peri_mydb_drop(const peri_schema_t *s, const char *given, peri_mydbkind_t kind,
                   bool if_exists, peri_err_t *err)
{
    char name[PERI_MYDB_NAME];
    if (peri_mydb_name(given, name, err) || may_write(s, name, err)) return -1;
    int rc = peri_mydb_folder(s, err);
    if (rc > 0) return if_exists ? 0 : peri_mydb_nowhere(s, name, err);
    int lock = rc ? -1 : peri_mydb_lock(s, name, err);
    if (lock < 0) return -1;
    peri_mydb_sweep(s, name);
    rc = drop_locked(s, name, kind, if_exists, err);
    peri_mydb_unlock(s, name, lock);
    return rc;
}

static int rename_locked(const peri_schema_t *s, const char *name, const char *to,
                         peri_err_t *err)
{
    struct stat st;
    peri_mydbkind_t is, target;
    if (what_is(s, name, &is, &st, err) || what_is(s, to, &target, &st, err)) return -1;
    if (is == PERI_MYDB_NONE) return peri_mydb_nowhere(s, name, err);
    if (target != PERI_MYDB_NONE) return is_there(s, to, target, err);
    char *from = peri_mydb_file(s, name, is), *place = peri_mydb_file(s, to, is);
    int rc = peri_rename_new(from, place);
    if (rc && errno == EEXIST)
        is_there(s, to, is, err);
    else if (rc)
        peri_err_set(err, errno == EACCES ? PERI_EDENIED : PERI_EIO,
                     "%s.%s cannot be renamed to %s: %s", s->name, name, to,
                     strerror(errno));
    free(from);
    free(place);
    return rc ? -1 : sync_folder(s, to, "renamed", err);
}

int peri_mydb_rename(const peri_schema_t *s, const char *given, const char *given_to,
                     peri_err_t *err)
{
    char name[PERI_MYDB_NAME], to[PERI_MYDB_NAME];
    if (peri_mydb_name(given, name, err) || peri_mydb_name(given_to, to, err) ||
        may_write(s, name, err))
        return -1;
    if (strcmp(name, to) == 0)
        return peri_err_set(err, PERI_EINVAL, "%s.%s is called so already", s->name,
                            name);
    int rc = peri_mydb_folder(s, err);
    if (rc) return rc > 0 ? peri_mydb_nowhere(s, name, err) : -1;
    /* Two who rename against each other take the locks in one order. */
    bool first = strcmp(name, to) < 0;
    const char *low = first ? name : to, *high = first ? to : name;
    int one = peri_mydb_lock(s, low, err),
        two = one < 0 ? -1 : peri_mydb_lock(s, high, err);
    rc = two < 0 ? -1 : rename_locked(s, name, to, err);
    peri_mydb_unlock(s, high, two);
    peri_mydb_unlock(s, low, one);
    return rc;
}
