/* volume_gone.c - folders of volumes that are no more (volume.h). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/failpoint.h"
#include "portal/log.h"
#include "portal/storage/ops.h"
#include "portal/storage/volume.h"

#define GONE  ".gone" /* no number: never a volume's */
#define GRACE (PERI_VOLUME_GRACE_DAYS * 86400.0)

int peri_volume_reap(peri_db_t *db, const peri_confstorage_t *conf, double now,
                     int64_t *id, peri_err_t *err)
{
    char before[32], name[24];
    peri_amount_t freed = {0};
    snprintf(before, sizeof(before), "%.0f", now - PERI_VOLUME_GRACE_DAYS * 86400.0);
    PGresult *q =
        peri_db_query(db, err,
                      "SELECT id FROM volume WHERE removed < $1::double precision "
                      "AND dataset IS NULL ORDER BY id LIMIT 1",
                      1, (const char *const[]){before});
    if (!q) return -1;
    *id = PQntuples(q) ? strtoll(PQgetvalue(q, 0, 0), NULL, 10) : 0;
    PQclear(q);
    if (!*id) return 0;
    int fd = open(conf->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return peri_err_set(err, PERI_EIO, "cannot open %s: %s", conf->folder,
                            strerror(errno));
    snprintf(name, sizeof(name), "%lld", (long long)*id);
    int rc = peri_remove_at(fd, name, NULL, &freed, err);
    if (!rc && fsync(fd)) rc = peri_path_errno(err, errno, "delete", name);
    close(fd);
    peri_failpoint("volume_reap");
    /* Nothing is left of it: only now may its number go. */
    if (!rc && peri_db_exec(db, err,
                            "DELETE FROM volume WHERE id = $1::bigint AND removed IS NOT "
                            "NULL",
                            1, (const char *const[]){name}) < 0)
        rc = -1;
    return rc;
}

/* ---- without a row ---- */

/* "12": 12; 0 for what is no number. */
static int64_t number_of(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < 19 && name[0] != '0' && strspn(name, "0123456789") == n
               ? strtoll(name, NULL, 10)
               : 0;
}

/* 1: there is a row of this volume. */
static int has_row(peri_db_t *db, const char *id, peri_err_t *err)
{
    PGresult *q = peri_db_query(db, err, "SELECT 1 FROM volume WHERE id = $1::bigint", 1,
                                (const char *const[]){id});
    if (!q) return -1;
    int n = PQntuples(q);
    PQclear(q);
    return n;
}

static int put_aside(peri_db_t *db, DIR *d, double now, peri_err_t *err)
{
    int rc = 0;
    for (const struct dirent *e; !rc && (e = readdir(d));) {
        char to[64];
        if (!number_of(e->d_name)) continue;
        const int row = has_row(db, e->d_name, err);
        if (row < 0) rc = -1;
        if (row) continue;
        snprintf(to, sizeof(to), GONE "/%.20s.%.0f", e->d_name, now);
        if (mkdirat(dirfd(d), GONE, 0700) && errno != EEXIST)
            rc = peri_path_errno(err, errno, "make", GONE);
        else if (renameat(dirfd(d), e->d_name, dirfd(d), to))
            rc = peri_path_errno(err, errno, "move", e->d_name);
        else
            peri_log(PERI_LOG_INFO, "volume %s has no owner any more: put aside",
                     e->d_name);
    }
    return rc;
}

/* "12.1700000000": when it went; 0 for any other name. */
static double gone_since(const char *name)
{
    char id[24];
    const size_t n = strcspn(name, ".");
    if (n >= sizeof(id) || name[n] != '.') return 0;
    memcpy(id, name, n);
    id[n] = '\0';
    return number_of(id) ? (double)number_of(name + n + 1) : 0;
}

static int remove_old(int gone, double now, peri_err_t *err)
{
    int rc = 0;
    DIR *d = fdopendir(gone);
    if (!d) {
        close(gone);
        return peri_path_errno(err, errno, "read", GONE);
    }
    for (const struct dirent *e; !rc && (e = readdir(d));) {
        peri_amount_t freed = {0};
        const double since = gone_since(e->d_name);
        if (since == 0 || now - since < GRACE) continue;
        rc = peri_remove_at(dirfd(d), e->d_name, NULL, &freed, err);
    }
    closedir(d);
    return rc;
}

int peri_volume_sweep(peri_db_t *db, const peri_confstorage_t *conf, double now,
                      peri_err_t *err)
{
    DIR *d = opendir(conf->folder);
    if (!d)
        return errno == ENOENT ? 0 : peri_path_errno(err, errno, "read", conf->folder);
    int rc = put_aside(db, d, now, err);
    if (!rc) {
        int gone = peri_path_folder_at(dirfd(d), GONE);
        if (gone >= 0) rc = remove_old(gone, now, err);
    }
    closedir(d);
    return rc;
}
