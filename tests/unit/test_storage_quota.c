/* Volumes in a real database: who sees which, quotas with many writers, what a crash
 * leaves. */
#include "tests/unit/test_store_fixture.h"

#include <pthread.h>
#include <sys/stat.h>

#include "portal/storage/keep.h"
#include "portal/storage/ops.h"
#include "portal/storage/usage.h"
#include "portal/storage/volume.h"

#define MB 1000000

static pgfix_t *fix;
static char folder[96];
static peri_confstorage_t conf;
static int64_t ana, ben, teacher;
static peri_arena_t *arena;

static int64_t sql_number(const char *sql)
{
    peri_err_t err = {0};
    PGresult *q = peri_db_query(fix->db, &err, sql, 0, NULL);
    if (!q) fail_msg("%s: %s", sql, err.text);
    int64_t n = PQntuples(q) ? strtoll(PQgetvalue(q, 0, 0), NULL, 10) : -1;
    PQclear(q);
    return n;
}

static void sql(const char *text)
{
    peri_err_t err = {0};
    if (peri_db_exec(fix->db, &err, text, 0, NULL) < 0)
        fail_msg("%s: %s", text, err.text);
}

static int setup(void **state)
{
    (void)state;
    fix = fix_new();
    arena = peri_arena_new();
    snprintf(folder, sizeof(folder), "%s/volumes", fix->dir);
    conf = (peri_confstorage_t){.folder = folder,
                                .persistent_quota = 10 * MB,
                                .scratch_quota = 20 * MB,
                                .team_quota = 30 * MB,
                                .scratch_days = 30,
                                .trash_days = 14};
    return 0;
}

/* One server for all tests, but nobody in it. */
static int reset(void **state)
{
    (void)state;
    sql("DELETE FROM volume"), sql("DELETE FROM dataset"), sql("DELETE FROM team");
    sql("DELETE FROM account");
    ana = sql_number("INSERT INTO account (name) VALUES ('Ana') RETURNING id");
    ben = sql_number("INSERT INTO account (name) VALUES ('ben') RETURNING id");
    teacher = sql_number("INSERT INTO account (name) VALUES ('cleo') RETURNING id");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peri_arena_free(arena);
    fix_free(fix);
    return 0;
}

static peri_volume_t find(int64_t who, const char *owner, const char *name)
{
    peri_volume_t v;
    assert_ok(peri_volume_find(fix->db, &conf, who, owner, name, arena, &v, err));
    return v;
}

static void not_found(int64_t who, const char *owner, const char *name)
{
    peri_volume_t v;
    peri_err_t err = {0};
    assert_int_equal(peri_volume_find(fix->db, &conf, who, owner, name, arena, &v, &err),
                     -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);
}

static peri_volume_t again(const peri_volume_t *v, int64_t who)
{
    return find(who, v->owner, v->name);
}

static size_t count(int64_t who, const char *owner)
{
    peri_volume_t *list;
    size_t n;
    assert_ok(peri_volume_ensure(fix->db, &conf, who, err));
    assert_ok(
        peri_volume_list(fix->db, &conf, who, owner, 0, 100, arena, &list, &n, err));
    return n;
}

static void test_volumes(void **state)
{
    (void)state;
    peri_volume_t v = find(ana, "ana", "persistent"); /* made when it is looked for */
    assert_string_equal(v.label, "Ana/persistent");
    assert_int_equal(v.rights, 63);
    assert_int_equal(v.quota, 10 * MB);
    assert_int_equal((int)find(ana, "Ana", "scratch").days, 30);
    assert_int_equal(find(ana, "Ana", "scratch").quota, 20 * MB);
    assert_int_equal(count(ana, NULL), 2);
    assert_int_equal(count(ana, NULL), 2);
    not_found(ben, "ana", "persistent");
    not_found(0, "ana", "persistent");
    not_found(ana, "ana", "none");
    not_found(ana, "nobody", "persistent");
    not_found(ana, "\xff", "\xff");
    not_found(ana, "team:x' OR 1=1 --", "files");

    /* A folder of it is shared: it is seen, without rights on the whole. */
    char text[256];
    snprintf(
        text, sizeof(text),
        "INSERT INTO access_grant (kind, thing, path, to_account, rights, by) VALUES "
        "('volume', %lld, 'halos', %lld, 3, %lld)",
        (long long)v.id, (long long)ben, (long long)ana);
    sql(text);
    assert_int_equal(find(ben, "ana", "persistent").rights, 0);
    assert_int_equal(count(ben, NULL), 3);
    assert_int_equal(count(ben, "ben"), 2);

    /* A class: teachers see every student's, students their own. */
    int64_t team = sql_number(
        "INSERT INTO team (name, kind) VALUES ('astro', 'class') RETURNING id");
    snprintf(
        text, sizeof(text),
        "INSERT INTO team_member (team, account, role, state) VALUES (%lld, %lld, "
        "'member', 'active'), (%lld, %lld, 'owner', 'active'), (%lld, %lld, 'member', "
        "'active')",
        (long long)team, (long long)ana, (long long)team, (long long)teacher,
        (long long)team, (long long)ben);
    sql(text);
    snprintf(
        text, sizeof(text),
        "INSERT INTO volume (team, account, name, kind) VALUES (%lld, NULL, 'lectures', "
        "'lecture'), (%lld, %lld, 'Ana', 'student'), (%lld, %lld, 'ben', 'student')",
        (long long)team, (long long)team, (long long)ana, (long long)team,
        (long long)ben);
    sql(text);
    assert_int_equal(count(teacher, "team:astro"), 3);
    assert_int_equal(count(ana, "team:astro"), 2);
    assert_int_equal(find(ana, "team:astro", "lectures").rights, 1 | 2 | 8);
    assert_int_equal(find(teacher, "team:astro", "lectures").rights, 63);
    assert_int_equal(find(ana, "team:astro", "Ana").rights, 1 | 2 | 4 | 8);
    assert_int_equal(find(teacher, "team:astro", "Ana").rights, 1 | 2 | 8);
    not_found(ben, "team:astro", "Ana");

    /* Data. */
    assert_int_equal(count(ben, "data:"), 0);
    sql("INSERT INTO dataset (name, public, folder) VALUES ('millennium', true, "
        "'/usr/lib')");
    assert_int_equal(count(ben, "data:"), 1);
    v = find(ben, "data:", "millennium");
    assert_int_equal(v.rights, 1 | 2 | 8);
    assert_int_equal(v.quota, -1);
    int fd = peri_volume_open(&conf, &v, NULL);
    assert_true(fd >= 0);
    close(fd);
    peri_err_t err = {0};
    assert_int_equal(
        peri_usage_reserve(fix->db, &conf, v.id, v.label, (peri_amount_t){1, 1}, &err),
        -1);
    assert_int_equal(err.code, PERI_EDENIED);
}

static void test_edit(void **state)
{
    (void)state;
    int64_t id;
    peri_err_t err = {0};
    peri_volume_t p = find(ana, "ana", "persistent"), s = find(ana, "ana", "scratch");
    assert_ok(peri_volume_make(fix->db, ana, 0, "runs.2024", "more", &id, err));
    assert_int_equal(peri_volume_make(fix->db, ana, 0, "scratch", "", &id, &err), -1);
    assert_int_equal(err.code, PERI_ECONFLICT);
    static const char *const bad[] = {"", ".x", "A", "a/b", "a b", "..", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(peri_volume_make(fix->db, ana, 0, bad[i], "", &id, &err), -1);
        assert_int_equal(err.code, PERI_EINVAL);
    }
    peri_volume_t v = find(ana, "ana", "runs.2024");
    int fd = peri_volume_open(&conf, &v, NULL);
    assert_true(fd >= 0);
    peri_amount_t x;
    peri_entry_t e;
    assert_ok(peri_ops_put(fd, "f", "text", 4, &(peri_putting_t){0}, &x, &e, err));
    close(fd);
    assert_ok(peri_volume_edit(
        fix->db, &v, &(peri_volumeedit_t){.name = "runs", .version = v.version}, err));
    assert_int_equal(
        peri_volume_edit(fix->db, &v,
                         &(peri_volumeedit_t){.description = "d", .version = v.version},
                         &err),
        -1);
    assert_int_equal(err.code, PERI_ECONFLICT);
    not_found(ana, "ana", "runs.2024");
    v = find(ana, "ana", "runs");
    assert_string_equal(v.description, "more");
    assert_int_equal(
        peri_volume_edit(fix->db, &p, &(peri_volumeedit_t){.name = "mine"}, &err), -1);
    assert_int_equal(err.code, PERI_EDENIED);
    assert_int_equal(
        peri_volume_edit(fix->db, &v, &(peri_volumeedit_t){.name = "scratch"}, &err), -1);
    assert_int_equal(err.code, PERI_ECONFLICT);
    assert_int_equal(peri_volume_edit(fix->db, &v, &(peri_volumeedit_t){.days = 3}, &err),
                     -1);
    assert_ok(peri_volume_edit(fix->db, &s, &(peri_volumeedit_t){.days = 3}, err));
    assert_int_equal((int)again(&s, ana).days, 3);
    assert_int_equal(peri_volume_delete(fix->db, &s, false, &err), -1);
    assert_int_equal(err.code, PERI_EDENIED);

    /* Gone at once, its folder after the grace; the name is free. */
    assert_ok(peri_volume_delete(fix->db, &v, false, err));
    not_found(ana, "ana", "runs");
    int64_t reaped, id2;
    double now = (double)sql_number("SELECT extract(epoch FROM now())::bigint");
    assert_ok(peri_volume_make(fix->db, ana, 0, "runs", "", &id2, err));
    assert_ok(peri_volume_reap(fix->db, &conf, now + 86400, &reaped, err));
    assert_int_equal(reaped, 0);
    char path[160];
    snprintf(path, sizeof(path), "%s/%lld", folder, (long long)v.id);
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(peri_volume_reap(fix->db, &conf, now + 8 * 86400, &reaped, err));
    assert_int_equal(reaped, v.id);
    assert_int_equal(access(path, F_OK), -1);
    assert_ok(peri_volume_reap(fix->db, &conf, now + 8 * 86400, &reaped, err));
    assert_int_equal(reaped, 0);
    assert_int_equal(find(ana, "ana", "runs").id, id2);
}

/* ---- quotas ---- */

static int64_t used(int64_t id)
{
    char text[96];
    snprintf(text, sizeof(text), "SELECT used FROM volume WHERE id = %lld",
             (long long)id);
    return sql_number(text);
}

static int reserve(const peri_volume_t *v, uint64_t bytes, peri_err_t *err)
{
    return peri_usage_reserve(fix->db, &conf, v->id, v->label, (peri_amount_t){bytes, 1},
                              err);
}

static void settle(const peri_volume_t *v, uint64_t reserved, uint64_t made,
                   uint64_t freed)
{
    peri_usage_settle(fix->db, v->id, (peri_amount_t){reserved, 1},
                      (peri_amount_t){made, made > 0}, (peri_amount_t){freed, freed > 0});
}

static void test_quota(void **state)
{
    (void)state;
    peri_err_t err = {0};
    int64_t id;
    peri_volume_t p = find(ana, "ana", "persistent"), s = find(ana, "ana", "scratch");
    assert_ok(reserve(&p, 6 * MB, err));
    assert_int_equal(reserve(&p, 5 * MB, &err), -1);
    assert_int_equal(err.code, PERI_EFULL);
    assert_non_null(strstr(err.text, "Ana/persistent"));
    assert_non_null(strstr(err.text, "5.0 MB more"));
    assert_non_null(strstr(err.text, "6.0 MB of its quota of 10.0 MB"));
    assert_non_null(strstr(err.text, "trash"));
    assert_ok(reserve(&p, 4 * MB, err));
    assert_int_equal(used(p.id), 10 * MB);
    settle(&p, 6 * MB, 2 * MB, 0);
    settle(&p, 4 * MB, 0, 0);
    assert_int_equal(used(p.id), 2 * MB);
    assert_int_equal(again(&p, ana).files, 1);
    peri_usage_change(fix->db, p.id, (peri_amount_t){0}, (peri_amount_t){99 * MB, 99});
    assert_int_equal(used(p.id), 0);

    /* Further volumes share it; scratch does not. */
    assert_ok(peri_volume_make(fix->db, ana, 0, "more", "", &id, err));
    peri_volume_t m = find(ana, "ana", "more");
    assert_ok(reserve(&m, 7 * MB, err));
    assert_int_equal(reserve(&p, 4 * MB, &err), -1);
    assert_ok(reserve(&p, 3 * MB, err));
    assert_int_equal(again(&p, ana).shared_used, 10 * MB);
    assert_ok(reserve(&s, 20 * MB, err));
    assert_int_equal(reserve(&s, 1, &err), -1);
    /* What adds nothing can be done all the same. */
    assert_ok(reserve(&s, 0, err));
    settle(&s, 0, 0, 0), settle(&s, 20 * MB, 0, 0), settle(&m, 7 * MB, 0, 0);
    settle(&p, 3 * MB, 0, 0);

    /* The account's own quota; an administrator's for one volume. */
    sql("UPDATE account SET quota = 1000 WHERE name = 'Ana'");
    assert_int_equal(reserve(&m, 1001, &err), -1);
    sql("UPDATE account SET quota = 2000 WHERE name = 'Ana'");
    sql("UPDATE volume SET quota = 500 WHERE name = 'more'");
    assert_int_equal(reserve(&m, 501, &err), -1);
    assert_ok(reserve(&p, 1501, err));
    assert_int_equal(reserve(&m, 500, &err), -1);
    assert_ok(reserve(&m, 499, err));
    assert_int_equal(reserve(&m, UINT64_MAX, &err), -1);
    settle(&p, 1501, 0, 0), settle(&m, 499, 0, 0);
    assert_int_equal(sql_number("SELECT count(*) FROM volume WHERE counted < 0"), 0);
}

static void is_left(const peri_volume_t *v, int64_t left, int64_t quota)
{
    int64_t l, q;
    assert_ok(peri_usage_left(fix->db, &conf, v->id, &l, &q, err));
    assert_int_equal(l, left);
    assert_int_equal(q, quota);
}

/* How much may be written by those who do not reserve it. */
static void test_left(void **state)
{
    (void)state;
    int64_t id;
    peri_volume_t p = find(ana, "ana", "persistent");
    is_left(&p, 10 * MB, 10 * MB);
    assert_ok(peri_volume_make(fix->db, ana, 0, "more", "", &id, err));
    peri_volume_t m = find(ana, "ana", "more");
    peri_usage_change(fix->db, m.id, (peri_amount_t){MB, 1}, (peri_amount_t){0});
    peri_usage_change(fix->db, p.id, (peri_amount_t){2 * MB, 1}, (peri_amount_t){0});
    is_left(&p, 7 * MB, 10 * MB);
    /* The nearer one of two; and never less than nothing. */
    sql("UPDATE volume SET quota = 1000500 WHERE name = 'more'");
    is_left(&m, 500, MB + 500);
    is_left(&p, 7 * MB, 10 * MB);
    sql("UPDATE account SET quota = 1000 WHERE name = 'Ana'");
    is_left(&p, 0, 1000);
    is_left(&m, 0, 1000);

    /* Counted when it is in doubt, not otherwise, and not by who has no time. */
    peri_err_t err = {0};
    int64_t l, q;
    const double soon = peri_now() + 60;
    peri_usage_change(fix->db, p.id, (peri_amount_t){0}, (peri_amount_t){2 * MB, 1});
    sql("UPDATE volume SET counted = 1");
    peri_usage_change(fix->db, p.id, (peri_amount_t){5, 1}, (peri_amount_t){0});
    assert_ok(peri_usage_count(fix->db, &conf, p.id, soon, err));
    assert_int_equal(used(p.id), 5);
    peri_usage_doubt(p.id);
    assert_ok(peri_usage_count(fix->db, &conf, p.id, peri_now() - 1, err));
    assert_int_equal(used(p.id), 5);
    assert_true(peri_usage_doubts());
    assert_ok(peri_usage_count(fix->db, &conf, p.id, soon, err));
    assert_int_equal(used(p.id), 0);
    assert_false(peri_usage_doubts());
    assert_int_equal(peri_usage_left(fix->db, &conf, 1 << 20, &l, &q, &err), -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);
}

typedef struct {
    int64_t volume;
    int won;
} racer_t;

static void *racer(void *arg)
{
    racer_t *r = arg;
    peri_db_t *db = peri_dbpool_get(fix->pool, NULL);
    for (int i = 0; i < 25; i++)
        if (peri_usage_reserve(db, &conf, r->volume, "v", (peri_amount_t){MB / 2, 1},
                               NULL) == 0)
            r->won++;
    peri_dbpool_put(fix->pool, db);
    return NULL;
}

/* Writers of two volumes that share 10 MB: together they get 20 times half of one. */
static void test_writers(void **state)
{
    (void)state;
    int64_t id;
    peri_volume_t p = find(ana, "ana", "persistent");
    assert_ok(peri_volume_make(fix->db, ana, 0, "more", "", &id, err));
    pthread_t t[4];
    racer_t r[4];
    int won = 0;
    for (int i = 0; i < 4; i++) {
        r[i] = (racer_t){i % 2 ? p.id : id, 0};
        pthread_create(&t[i], NULL, racer, &r[i]);
    }
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < 4; i++) won += r[i].won;
    assert_int_equal(won, 20);
    assert_int_equal(used(p.id) + used(id), 10 * MB);
}

/* ---- after a crash ---- */

static void test_recount(void **state)
{
    (void)state;
    peri_volume_t p = find(ana, "ana", "persistent");
    int root = peri_volume_open(&conf, &p, NULL);
    peri_amount_t x;
    peri_entry_t e;
    char kb[1000] = {1};
    assert_ok(peri_ops_put(root, "a", kb, 1000, &(peri_putting_t){0}, &x, &e, err));
    assert_ok(peri_ops_put(root, "b", kb, 500, &(peri_putting_t){0}, &x, &e, err));

    /* Somebody is killed with a reservation. */
    pid_t pid = fork();
    if (pid == 0) {
        peri_db_t *db = peri_db_connect(fix->conninfo, NULL);
        if (peri_usage_reserve(db, &conf, p.id, "v", (peri_amount_t){3 * MB, 7}, NULL))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(used(p.id), 3 * MB);
    int64_t due;
    assert_ok(peri_usage_start(fix->db, false, err));
    assert_ok(peri_usage_due(fix->db, 0, 0, &due, err));
    assert_int_equal(due, p.id);
    /* An open upload has its size reserved, whatever has come of it. */
    char text[256];
    snprintf(
        text, sizeof(text),
        "INSERT INTO upload (account, volume, path, size, expires) VALUES (%lld, %lld, "
        "'u', 2000, 9e9)",
        (long long)ana, (long long)p.id);
    sql(text);
    int up = peri_path_open_private(root, PERI_PATH_UPLOADS, NULL);
    int fd = openat(up, "part", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, kb, 700), 700);
    assert_int_equal(fsync(fd), 0);
    close(fd);
    close(up);
    peri_keeper_t *k = peri_keeper_new(fix->pool, &conf);
    double now = (double)sql_number("SELECT extract(epoch FROM now())::bigint");
    peri_keeper_round(k, now, false);
    assert_int_equal(used(p.id), 3500);
    assert_int_equal(again(&p, ana).files, 3);
    assert_ok(peri_usage_due(fix->db, now - 10, 0, &due, err));
    assert_int_equal(due, 0);

    /* A reservation that is under way now stays counted. */
    peri_err_t err = {0};
    assert_ok(reserve(&p, 100, err));
    assert_ok(peri_usage_recount(fix->db, &conf, p.id, root, NULL, err));
    assert_int_equal(used(p.id), 3600);
    settle(&p, 100, 0, 0);
    assert_int_equal(used(p.id), 3500);

    /* What a job hides deeper than anything can be counted fills the volume. */
    int at = openat(root, ".", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(mkdirat(at, "d", 0700), 0);
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
        close(at);
        at = next;
    }
    close(at);
    assert_ok(peri_usage_recount(fix->db, &conf, p.id, root, NULL, err));
    assert_int_equal(reserve(&p, 1, &err), -1);
    assert_int_equal(err.code, PERI_EFULL);
    peri_amount_t freed;
    assert_ok(peri_ops_delete(root, "d", NULL, &freed, err));
    assert_ok(peri_usage_recount(fix->db, &conf, p.id, root, NULL, err));
    assert_int_equal(used(p.id), 3500);
    peri_keeper_free(k);
    close(root);
}

/* Folders whose volume went with its owner. */
static void test_orphans(void **state)
{
    (void)state;
    char path[160];
    peri_volume_t p = find(ben, "ben", "persistent"), keep = find(ana, "ana", "scratch");
    close(peri_volume_open(&conf, &p, NULL));
    close(peri_volume_open(&conf, &keep, NULL));
    sql("DELETE FROM account WHERE name = 'ben'");
    double now = (double)sql_number("SELECT extract(epoch FROM now())::bigint");
    snprintf(path, sizeof(path), "%s/%lld", folder, (long long)p.id);
    assert_ok(peri_volume_sweep(fix->db, &conf, now, err));
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/.gone/%lld.%.0f", folder, (long long)p.id, now);
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(peri_volume_sweep(fix->db, &conf, now + 6 * 86400, err));
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(peri_volume_sweep(fix->db, &conf, now + 8 * 86400, err));
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/%lld", folder, (long long)keep.id);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_keeper(void **state)
{
    (void)state;
    peri_volume_t s = find(ana, "ana", "scratch");
    int root = peri_volume_open(&conf, &s, NULL);
    peri_amount_t x;
    peri_entry_t e;
    assert_ok(peri_ops_put(root, "old", "123", 3, &(peri_putting_t){0}, &x, &e, err));
    assert_ok(peri_ops_put(root, "new", "12345", 5, &(peri_putting_t){0}, &x, &e, err));
    struct timespec ts[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(root, "old", ts, 0), 0);
    /* A process before this one died while it deleted something. */
    int left = peri_path_open_private(root, "unfinished", NULL);
    assert_int_equal(mkdirat(left, "delete-1", 0700), 0);
    assert_int_equal(mkdirat(left, "delete-1/d", 0700), 0);
    usleep(20000);
    sql("UPDATE volume SET used = 8, files = 4 WHERE name = 'scratch'");
    peri_keeper_t *k = peri_keeper_new(fix->pool, &conf);
    double now = (double)sql_number("SELECT extract(epoch FROM now())::bigint");
    peri_keeper_round(k, now, true);
    assert_int_equal(faccessat(root, "old", F_OK, 0), -1);
    assert_int_equal(faccessat(root, "new", F_OK, 0), 0);
    assert_int_equal(faccessat(left, "delete-1", F_OK, 0), -1);
    assert_int_equal(used(s.id), 5);
    assert_int_equal(again(&s, ana).files, 1);
    close(left);
    peri_keeper_free(k);
    close(root);
    /* The thread itself starts and ends. */
    k = peri_keeper_start(fix->pool, &conf, false, NULL);
    assert_non_null(k);
    peri_keeper_stop(k);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, reset, NULL)
    const struct CMUnitTest tests[] = {T(test_volumes), T(test_edit),    T(test_quota),
                                       T(test_left),    T(test_writers), T(test_recount),
                                       T(test_orphans), T(test_keeper)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
