/* usage.c - see usage.h. */
#include "portal/storage/usage.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/ops.h"
#include "portal/storage/volume.h"

#define RECOUNTS 3

/* ---- what this process has under way ---- */

/* Volumes with reservations now, or that were changed since the last look. */
typedef struct held {
    struct held *next;
    int64_t volume;
    int n;               /* reservations */
    bool stale;          /* a change did not get into the row */
    uint64_t generation; /* of changes */
    peri_amount_t amount;
} held_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static held_t *all;

/* Under the lock. Entries stay: a few bytes for each volume that was ever written. */
static held_t *held_of(int64_t volume)
{
    for (held_t *h = all; h; h = h->next)
        if (h->volume == volume) return h;
    held_t *h = peri_xcalloc(1, sizeof(*h));
    h->volume = volume;
    h->next = all;
    return all = h;
}

static void held_add(int64_t volume, peri_amount_t a)
{
    pthread_mutex_lock(&lock);
    held_t *h = held_of(volume);
    h->n++;
    h->generation++;
    h->amount.bytes += a.bytes;
    h->amount.files += a.files;
    pthread_mutex_unlock(&lock);
}

static void held_remove(int64_t volume, peri_amount_t a)
{
    pthread_mutex_lock(&lock);
    held_t *h = held_of(volume);
    h->n--;
    h->generation++;
    h->amount.bytes -= a.bytes;
    h->amount.files -= a.files;
    pthread_mutex_unlock(&lock);
}

static held_t held_now(int64_t volume)
{
    pthread_mutex_lock(&lock);
    held_t h = *held_of(volume);
    pthread_mutex_unlock(&lock);
    return h;
}

static void held_touch(int64_t volume)
{
    pthread_mutex_lock(&lock);
    held_of(volume)->generation++;
    pthread_mutex_unlock(&lock);
}

static void held_stale(int64_t volume, bool stale)
{
    pthread_mutex_lock(&lock);
    held_of(volume)->stale = stale;
    pthread_mutex_unlock(&lock);
}

/* A volume whose row is not right; 0: none. */
static int64_t next_stale(void)
{
    int64_t found = 0;
    pthread_mutex_lock(&lock);
    for (const held_t *h = all; h && !found; h = h->next)
        if (h->stale) found = h->volume;
    pthread_mutex_unlock(&lock);
    return found;
}

/* ---- the row ---- */

typedef struct {
    char text[24];
} num_t;

static num_t num(int64_t v)
{
    num_t n;
    snprintf(n.text, sizeof(n.text), "%lld", (long long)v);
    return n;
}

/* The volumes that share a quota with one. */
#define POOL_SQL                                                                         \
    "WITH v AS (SELECT * FROM volume WHERE id = $1::bigint) "                            \
    "SELECT p.id, p.used, p.kind, p.quota, a.quota FROM volume p "                       \
    "LEFT JOIN account a ON a.id = p.account WHERE p.id IN ("                            \
    " SELECT id FROM v UNION ALL"                                                        \
    " SELECT x.id FROM v JOIN volume x ON x.account = v.account AND x.team IS NULL"      \
    " WHERE v.kind IN ('persistent', 'plain') AND x.kind IN ('persistent', 'plain') "    \
    " UNION ALL"                                                                         \
    " SELECT x.id FROM v JOIN volume x ON x.team = v.team"                               \
    " WHERE v.kind IN ('team', 'lecture') AND x.kind IN ('team', 'lecture')) "           \
    "ORDER BY p.id"

static const char pool_sql[] = POOL_SQL, lock_sql[] = POOL_SQL " FOR UPDATE OF p";

typedef struct {
    int64_t used, quota; /* of all that share it; quota -1: none */
    int64_t own_used, own_quota;
    bool found;
    char kind[16];
} pool_t;

static int64_t number_or(const PGresult *q, int row, int col, int64_t fallback)
{
    return PQgetisnull(q, row, col) ? fallback
                                    : strtoll(PQgetvalue(q, row, col), NULL, 10);
}

static int64_t default_quota(const peri_confstorage_t *conf, const char *kind)
{
    if (!strcmp(kind, "scratch")) return conf->scratch_quota;
    if (!strcmp(kind, "team") || !strcmp(kind, "lecture")) return conf->team_quota;
    return conf->persistent_quota;
}

static int pool_load(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                     pool_t *p, peri_err_t *err)
{
    num_t id = num(volume);
    PGresult *q = peri_db_prepared(db, err, pool_sql, 1, (const char *const[]){id.text});
    if (!q) return -1;
    *p = (pool_t){.own_quota = -1};
    for (int i = 0; i < PQntuples(q); i++) {
        int64_t used = number_or(q, i, 1, 0);
        p->used += used;
        if (number_or(q, i, 0, 0) != volume) continue;
        p->found = true;
        p->own_used = used;
        p->own_quota = number_or(q, i, 3, -1);
        snprintf(p->kind, sizeof(p->kind), "%s", PQgetvalue(q, i, 2));
        p->quota = default_quota(conf, p->kind);
        if (!strcmp(p->kind, "persistent") || !strcmp(p->kind, "plain"))
            p->quota = number_or(q, i, 4, p->quota);
    }
    /* One that shares with nobody: its own quota is the quota. */
    if (PQntuples(q) == 1 && p->own_quota >= 0 &&
        (!strcmp(p->kind, "scratch") || !strcmp(p->kind, "student")))
        p->quota = p->own_quota;
    PQclear(q);
    if (!p->found) return peri_err_set(err, PERI_ENOTFOUND, "this volume is gone");
    return 0;
}

/* Who has waited for a lock sees, in the same statement, some rows as they were and may
 * miss others: what is locked is read by another. */
static int pool_lock(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                     pool_t *p, peri_err_t *err)
{
    num_t id = num(volume);
    PGresult *q = peri_db_prepared(db, err, lock_sql, 1, (const char *const[]){id.text});
    if (!q) return -1;
    PQclear(q);
    return pool_load(db, conf, volume, p, err);
}

static int full(peri_err_t *err, const char *label, peri_amount_t need, int64_t used,
                int64_t quota)
{
    char n[16], u[16], q[16];
    return peri_err_set(
        err, PERI_EFULL,
        "there is no room in %s: %s more are needed, %s of its quota of %s "
        "are used. What is in the trash counts, too: empty it, delete "
        "something for good, or ask the administrator for more",
        label, peri_human_bytes(need.bytes, n), peri_human_bytes((uint64_t)used, u),
        peri_human_bytes((uint64_t)quota, q));
}

static bool too_much(int64_t used, uint64_t need, int64_t quota)
{
    /* What adds nothing is possible when it is full. */
    return need && (quota <= used || need > (uint64_t)(quota - used));
}

int peri_usage_start(peri_db_t *db, bool crashed, peri_err_t *err)
{
    return peri_db_exec(db, err,
                        crashed ? "UPDATE volume SET counted = NULL"
                                : "UPDATE volume SET counted = NULL WHERE counted < 0",
                        0, NULL) < 0
               ? -1
               : 0;
}

/* A number that a power cut loses is counted anew from the disk: nobody waits for it to
 * be on the disk itself. */
static int begin_lightly(peri_db_t *db, peri_err_t *err)
{
    if (peri_db_begin(db, err)) return -1;
    return peri_db_exec(db, err, "SET LOCAL synchronous_commit TO off", 0, NULL) < 0 ? -1
                                                                                     : 0;
}

void peri_usage_doubt(int64_t volume)
{
    held_stale(volume, true);
}

bool peri_usage_note_doubts(peri_db_t *db)
{
    bool any = false;
    for (int64_t volume; (volume = next_stale()); any = true) {
        num_t id = num(volume);
        held_stale(volume, false);
        if (peri_db_exec(db, NULL,
                         "UPDATE volume SET counted = NULL WHERE id = $1::bigint", 1,
                         (const char *const[]){id.text}) >= 0)
            continue;
        held_stale(volume, true);
        break;
    }
    return any;
}

bool peri_usage_doubts(void)
{
    return next_stale() != 0;
}

int peri_usage_reserve(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                       const char *label, peri_amount_t need, peri_err_t *err)
{
    pool_t p;
    if (need.bytes > INT64_MAX / 4 || need.files > INT64_MAX / 4)
        return peri_err_set(err, PERI_EINVAL, "no file can be as large as this");
    if (begin_lightly(db, err)) goto fail;
    if (pool_lock(db, conf, volume, &p, err)) goto fail;
    if (!strcmp(p.kind, "data")) {
        peri_err_set(err, PERI_EDENIED, "%s is a data volume: it can only be read",
                     label);
        goto fail;
    }
    if (too_much(p.used, need.bytes, p.quota)) {
        full(err, label, need, p.used, p.quota);
        goto fail;
    }
    if (p.own_quota >= 0 && too_much(p.own_used, need.bytes, p.own_quota)) {
        full(err, label, need, p.own_used, p.own_quota);
        goto fail;
    }
    num_t id = num(volume), bytes = num((int64_t)need.bytes),
          files = num((int64_t)need.files);
    held_add(volume, need);
    if (peri_db_exec(db, err,
                     "UPDATE volume SET used = used + $2::bigint, files = files + "
                     "$3::bigint, counted = -abs(coalesce(counted, 1)) WHERE id = "
                     "$1::bigint",
                     3, (const char *const[]){id.text, bytes.text, files.text}) < 0 ||
        peri_db_commit(db, err)) {
        /* It may be there all the same: the mark lets it be counted. */
        held_remove(volume, need);
        goto fail;
    }
    return 0;
fail:
    peri_db_rollback(db);
    return -1;
}

int peri_usage_left(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                    int64_t *left, int64_t *quota, peri_err_t *err)
{
    pool_t p;
    if (pool_load(db, conf, volume, &p, err)) return -1;
    *left = p.quota - p.used;
    *quota = p.quota;
    if (p.own_quota >= 0 && p.own_quota - p.own_used < *left) {
        *left = p.own_quota - p.own_used;
        *quota = p.own_quota;
    }
    if (*left < 0) *left = 0;
    return 0;
}

static void add(peri_db_t *db, int64_t volume, int64_t bytes, int64_t files, bool clear)
{
    num_t id = num(volume), b = num(bytes), f = num(files);
    if (!db || begin_lightly(db, NULL) ||
        peri_db_exec(
            db, NULL,
            "UPDATE volume SET used = greatest(0, used + $2::bigint), files = "
            "greatest(0, files + $3::bigint), counted = CASE WHEN $4::boolean THEN "
            "abs(counted) ELSE counted END WHERE id = $1::bigint",
            4, (const char *const[]){id.text, b.text, f.text, clear ? "t" : "f"}) < 0 ||
        peri_db_commit(db, NULL)) {
        if (db) peri_db_rollback(db);
        held_stale(volume, true);
    }
}

void peri_usage_settle(peri_db_t *db, int64_t volume, peri_amount_t reserved,
                       peri_amount_t made, peri_amount_t freed)
{
    /* The mark goes with the last reservation; 1 ("never counted") stays a reason. */
    bool last = held_now(volume).n == 1;
    add(db, volume, (int64_t)made.bytes - (int64_t)freed.bytes - (int64_t)reserved.bytes,
        (int64_t)made.files - (int64_t)freed.files - (int64_t)reserved.files, last);
    held_remove(volume, reserved);
}

void peri_usage_change(peri_db_t *db, int64_t volume, peri_amount_t made,
                       peri_amount_t freed)
{
    held_touch(volume);
    add(db, volume, (int64_t)made.bytes - (int64_t)freed.bytes,
        (int64_t)made.files - (int64_t)freed.files, false);
}

/* ---- counting anew ---- */

static int set_counted(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                       peri_amount_t disk, peri_amount_t uploads, bool whole,
                       peri_err_t *err)
{
    pool_t p;
    PGresult *q = NULL;
    num_t id = num(volume);
    if (peri_db_begin(db, err)) return -1;
    if (pool_lock(db, conf, volume, &p, err)) goto fail;
    q = peri_db_query(db, err,
                      "SELECT coalesce(sum(size), 0)::bigint, count(*) FROM upload WHERE "
                      "volume = $1::bigint AND state = 'open'",
                      1, (const char *const[]){id.text});
    if (!q) goto fail;
    /* Parts of uploads count with all that they will have. */
    int64_t open = number_or(q, 0, 0, 0), nopen = number_or(q, 0, 1, 0);
    PQclear(q);
    held_t h = held_now(volume);
    int64_t used = (int64_t)(disk.bytes - uploads.bytes + h.amount.bytes);
    int64_t files = (int64_t)(disk.files - uploads.files + h.amount.files);
    used += open > (int64_t)uploads.bytes ? open : (int64_t)uploads.bytes;
    files += nopen > (int64_t)uploads.files ? nopen : (int64_t)uploads.files;
    if (!whole && used < p.quota) used = p.quota;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    num_t u = num(used), f = num(files), t = num(h.n ? -(int64_t)now.tv_sec : now.tv_sec);
    if (peri_db_exec(db, err,
                     "UPDATE volume SET used = $2::bigint, files = $3::bigint, counted = "
                     "$4::double precision WHERE id = $1::bigint",
                     4, (const char *const[]){id.text, u.text, f.text, t.text}) < 0 ||
        peri_db_commit(db, err))
        goto fail;
    return 0;
fail:
    peri_db_rollback(db);
    return -1;
}

int peri_usage_recount(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                       int root, const peri_stop_t *stop, peri_err_t *err)
{
    for (int i = 1;; i++) {
        peri_amount_t disk, uploads = {0};
        bool whole, all_uploads;
        peri_err_t e = {0};
        held_t before = held_now(volume);
        if (peri_ops_amount(root, "", 0, stop, &disk, &whole, err)) return -1;
        if (peri_ops_amount(root, PERI_PATH_PRIVATE "/" PERI_PATH_UPLOADS, 0, stop,
                            &uploads, &all_uploads, &e) == 0)
            uploads.files -= uploads.files ? 1 : 0; /* the folder itself */
        else if (e.code == PERI_ECANCEL)
            return peri_err_set(err, e.code, "%s", e.text);
        held_t after = held_now(volume);
        bool still = before.generation == after.generation && !before.n;
        if (!still && i < RECOUNTS) continue;
        return set_counted(db, conf, volume, disk, uploads, whole, err);
    }
}

static bool is_late(void *until)
{
    return peri_now() >= *(double *)until;
}

/* 1: it has to be counted. */
static int in_doubt(peri_db_t *db, int64_t volume, peri_err_t *err)
{
    num_t id = num(volume);
    if (held_now(volume).stale) return 1;
    PGresult *q = peri_db_prepared(
        db, err, "SELECT 1 FROM volume WHERE id = $1::bigint AND counted IS NULL", 1,
        (const char *const[]){id.text});
    if (!q) return -1;
    const int rows = PQntuples(q);
    PQclear(q);
    return rows;
}

int peri_usage_count(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                     double until, peri_err_t *err)
{
    const peri_stop_t stop = {is_late, &until};
    peri_err_t why = {0};
    const int doubt = in_doubt(db, volume, err);
    if (doubt <= 0 || is_late(&until)) return doubt < 0 ? -1 : 0;
    int root = peri_volume_open_id(conf, volume, err);
    if (root < 0) return -1;
    held_stale(volume, false); /* first: what is written meanwhile is in doubt again */
    int rc = peri_usage_recount(db, conf, volume, root, &stop, &why);
    close(root);
    if (rc) held_stale(volume, true);
    if (rc == 0 || why.code == PERI_ECANCEL) return 0;
    return peri_err_set(err, why.code, "%s", why.text);
}

int peri_usage_due(peri_db_t *db, double before, int64_t after, int64_t *volume,
                   peri_err_t *err)
{
    num_t last = num(after), t = num((int64_t)before);
    PGresult *q = peri_db_query(
        db, err,
        "SELECT id FROM volume WHERE id > $1::bigint AND dataset IS NULL AND (counted IS "
        "NULL OR counted < $2::double precision) ORDER BY id LIMIT 1",
        2, (const char *const[]){last.text, t.text});
    if (!q) return -1;
    *volume = PQntuples(q) ? number_or(q, 0, 0, 0) : 0;
    PQclear(q);
    return 0;
}
