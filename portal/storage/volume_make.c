/* volume_make.c - volumes come and go (volume.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"
#include "portal/storage/path.h"
#include "portal/storage/volume.h"

static const char now_sql[] = "extract(epoch FROM now())";

/* ---- making ---- */

/* $1: the account. A team's are made with it, a student's when she joins (portal/access).
 * Each statement is idempotent by a unique index. */
static const char *const ensure_sql[] = {
    "INSERT INTO volume (account, name, kind, description, days, counted) "
    "SELECT a.id, k.name, k.name, k.text, k.days, extract(epoch FROM now()) FROM account "
    "a, "
    "(VALUES ('persistent', 'kept until you delete it', NULL::integer), "
    "('scratch', 'for a while: files that are not changed go', $2::integer)) AS k (name, "
    "text, days) WHERE a.id = $1::bigint AND a.state = 'active' "
    "AND NOT EXISTS (SELECT 1 FROM volume v WHERE v.account = a.id AND v.kind = k.name) "
    "ON CONFLICT DO NOTHING",

    "INSERT INTO volume (dataset, name, kind, description, counted) "
    "SELECT d.id, d.name, 'data', 'the files of a dataset', extract(epoch FROM now()) "
    "FROM "
    "dataset d WHERE d.folder IS NOT NULL AND $1::bigint IS NOT NULL AND $2::integer IS "
    "NOT "
    "NULL AND NOT EXISTS (SELECT 1 FROM volume v WHERE v.dataset = d.id) ON CONFLICT DO "
    "NOTHING",
};

int peri_volume_ensure(peri_db_t *db, const peri_confstorage_t *conf, int64_t account,
                       peri_err_t *err)
{
    char who[24], days[24];
    snprintf(who, sizeof(who), "%lld", (long long)account);
    snprintf(days, sizeof(days), "%.0f", conf->scratch_days < 1 ? 1 : conf->scratch_days);
    for (size_t i = 0; i < sizeof(ensure_sql) / sizeof(ensure_sql[0]); i++) {
        PGresult *q =
            peri_db_prepared(db, err, ensure_sql[i], 2, (const char *const[]){who, days});
        if (!q) return -1;
        PQclear(q);
    }
    return 0;
}

static int name_check(const char *name, peri_err_t *err)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t n = strlen(name);
    if (n >= 1 && n <= 64 && strchr(first, name[0]) &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n)
        return 0;
    return peri_err_set(
        err, PERI_EINVAL,
        "\"%.80s\" cannot be the name of a volume: small letters, digits, "
        "\".\", \"_\" and \"-\", the first a letter or digit, at most 64",
        name);
}

static int name_taken(peri_err_t *err, const char *name)
{
    return peri_err_set(
        err, PERI_ECONFLICT,
        "there is a volume \"%s\" already, or it was deleted in the last %d "
        "days: choose another name",
        name, PERI_VOLUME_GRACE_DAYS);
}

int peri_volume_make(peri_db_t *db, int64_t account, int64_t team, const char *name,
                     const char *description, int64_t *id, peri_err_t *err)
{
    char who[24], which[24];
    if (name_check(name, err)) return -1;
    snprintf(who, sizeof(who), "%lld", (long long)account);
    snprintf(which, sizeof(which), "%lld", (long long)team);
    const char *const v[] = {team ? NULL : who, team ? which : NULL, name,
                             team ? "team" : "plain", description};
    char *sql = peri_xasprintf(
        "INSERT INTO volume (account, team, name, kind, description, counted) VALUES "
        "($1::bigint, $2::bigint, $3, $4, $5, %s) ON CONFLICT DO NOTHING RETURNING id",
        now_sql);
    PGresult *q = peri_db_query(db, err, sql, 5, v);
    free(sql);
    if (!q) return -1;
    *id = PQntuples(q) ? strtoll(PQgetvalue(q, 0, 0), NULL, 10) : 0;
    PQclear(q);
    return *id ? 0 : name_taken(err, name);
}

/* ---- changing ---- */

static bool is_further(const peri_volume_t *v)
{
    return !strcmp(v->kind, "plain") ||
           (!strcmp(v->kind, "team") && strcmp(v->name, "files"));
}

int peri_volume_edit(peri_db_t *db, const peri_volume_t *v, const peri_volumeedit_t *edit,
                     peri_err_t *err)
{
    char id[24], days[24], version[24];
    const bool renamed = edit->name && strcmp(edit->name, v->name) != 0;
    if (renamed && name_check(edit->name, err)) return -1;
    if (renamed && !is_further(v))
        return peri_err_set(err, PERI_EDENIED, "%s keeps its name: everyone has one",
                            v->label);
    if (edit->days > 0 && strcmp(v->kind, "scratch") != 0)
        return peri_err_set(err, PERI_EINVAL,
                            "files of %s do not expire: \"days\" is for "
                            "scratch volumes",
                            v->label);
    snprintf(id, sizeof(id), "%lld", (long long)v->id);
    snprintf(days, sizeof(days), "%.0f", edit->days);
    snprintf(version, sizeof(version), "%d", edit->version);
    const char *const values[] = {id, edit->name, edit->description,
                                  edit->days > 0 ? days : NULL, version};
    PGresult *q = peri_db_query(
        db, err,
        "UPDATE volume v SET name = coalesce($2, name), description = coalesce($3, "
        "description), days = coalesce($4::integer, days), version = version + 1 WHERE "
        "id = "
        "$1::bigint AND removed IS NULL AND ($5::integer = 0 OR version = $5::integer) "
        "AND "
        "NOT EXISTS (SELECT 1 FROM volume o WHERE o.id <> v.id AND o.name = $2 AND "
        "o.account IS NOT DISTINCT FROM v.account AND o.team IS NOT DISTINCT FROM "
        "v.team) "
        "RETURNING id",
        5, values);
    if (!q) return -1;
    bool done = PQntuples(q) == 1;
    PQclear(q);
    if (done) return 0;
    if (renamed) return name_taken(err, edit->name);
    return peri_err_set(err, PERI_ECONFLICT,
                        "%s was changed meanwhile: look at it again, then decide",
                        v->label);
}

int peri_volume_delete(peri_db_t *db, const peri_volume_t *v, bool at_once,
                       peri_err_t *err)
{
    char id[24];
    if (!is_further(v))
        return peri_err_set(
            err, PERI_EDENIED,
            "%s cannot be deleted, everyone has one: delete what is in it", v->label);
    snprintf(id, sizeof(id), "%lld", (long long)v->id);
    char *sql = peri_xasprintf(
        "UPDATE volume SET removed = CASE WHEN $2::boolean THEN 0 ELSE %s END, name = "
        "left(name, 40) || '~' || id, version = version + 1 WHERE id = $1::bigint AND "
        "removed IS NULL",
        now_sql);
    int64_t n =
        peri_db_exec(db, err, sql, 2, (const char *const[]){id, at_once ? "t" : "f"});
    free(sql);
    return n < 0 ? -1 : 0;
}

/* ---- folders ---- */

int peri_volume_open_id(const peri_confstorage_t *conf, int64_t id, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/%lld", conf->folder, (long long)id);
    int fd = -1;
    if (mkdir(path, 0700) && errno != EEXIST) {
        int error = errno;
        /* The first volume of all. */
        if (error != ENOENT || peri_mkdirs(conf->folder, err) ||
            (mkdir(path, 0700) && errno != EEXIST)) {
            peri_err_set(err, error == ENOSPC ? PERI_EFULL : PERI_EIO,
                         "the folder of this volume cannot be made (%s); tell the "
                         "administrator",
                         strerror(error));
            goto out;
        }
    }
    fd = peri_path_open_root(path, err);
out:
    free(path);
    return fd;
}

int peri_volume_open(const peri_confstorage_t *conf, const peri_volume_t *v,
                     peri_err_t *err)
{
    if (!v->dataset) return peri_volume_open_id(conf, v->id, err);
    if (!v->folder)
        return peri_err_set(err, PERI_ENOTFOUND, "the dataset %s has no folder of files",
                            v->name);
    return peri_path_open_root(v->folder, err);
}
