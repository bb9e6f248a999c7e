/* Connections, what errors of the server mean, the pool, and the schema's migrations. */
#include "tests/unit/test_store_fixture.h"

#include <pthread.h>

#include "core/base/buf.h"

static pgfix_t *fx;

static int setup(void **state)
{
    (void)state;
    fx = fix_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fix_free(fx);
    return 0;
}

/* ---- errors ---- */

static peri_err_t error_of(peri_db_t *db, const char *sql)
{
    peri_err_t err = {0};
    assert_true(peri_db_exec(db, &err, sql, 0, NULL) < 0);
    assert_null(strchr(err.text, '\n'));
    return err;
}

static void errors(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        peri_code_t code;
    } cases[] = {
        {"53100", PERI_EIO},       {"53300", PERI_EIO},       {"40001", PERI_EIO},
        {"40P01", PERI_EIO},       {"57P01", PERI_EIO},       {"57P03", PERI_EIO},
        {"08006", PERI_EIO},       {"57014", PERI_EIO},       {"55P03", PERI_EIO},
        {"58030", PERI_EIO},       {"23505", PERI_EINTERNAL}, {"42501", PERI_EDENIED},
        {"XX000", PERI_EINTERNAL}, {"22003", PERI_EINVAL}};
    char sql[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(
            sql, sizeof(sql),
            "DO $$ BEGIN RAISE EXCEPTION 'No space left, says %s' USING ERRCODE = '%s'; "
            "END $$",
            cases[i].sqlstate, cases[i].sqlstate);
        peri_err_t err = error_of(fx->db, sql);
        assert_int_equal(err.code, cases[i].code);
        snprintf(sql, sizeof(sql), "No space left, says %s", cases[i].sqlstate);
        assert_non_null(strstr(err.text, sql));
    }
    assert_int_equal(error_of(fx->db, "SELECT * FROM nothing").code, PERI_EINTERNAL);
    assert_int_equal(error_of(fx->db, "SELEC").code, PERI_EINTERNAL);
    assert_ok(peri_db_begin(fx->db, err));
    assert_true(peri_db_exec(fx->db, NULL, "SET LOCAL statement_timeout = 20", 0, NULL) >=
                0);
    assert_int_equal(error_of(fx->db, "SELECT pg_sleep(10)").code, PERI_EIO);
    peri_db_rollback(fx->db);

    peri_err_t err = {0};
    assert_null(peri_db_connect("host=/nonexistent dbname=perigee", &err));
    assert_int_equal(err.code, PERI_EIO);
    assert_null(peri_db_connect("this is no conninfo", &err));
}

static void settings(void **state)
{
    (void)state;
    PGresult *r = peri_db_query(
        fx->db, NULL,
        "SELECT current_setting('application_name'), "
        "current_setting('statement_timeout'), "
        "current_setting('client_encoding'), current_setting('listen_addresses'), "
        "current_setting('fsync'), current_setting('synchronous_commit'), current_user",
        0, NULL);
    static const char *const want[] = {"perigee", "1min", "UTF8",   "",
                                       "on",      "on",   "perigee"};
    for (int i = 0; i < 7; i++) assert_string_equal(PQgetvalue(r, 0, i), want[i]);
    PQclear(r);
}

/* What a value says is never part of the statement. */
static void parameters(void **state)
{
    (void)state;
    const char *const v[] = {"x'; DROP TABLE job; --", NULL, "\\'\"$1"};
    PGresult *r =
        peri_db_query(fx->db, NULL, "SELECT $1::text, $2::text IS NULL, $3::text", 3, v);
    assert_string_equal(PQgetvalue(r, 0, 0), v[0]);
    assert_string_equal(PQgetvalue(r, 0, 1), "t");
    assert_string_equal(PQgetvalue(r, 0, 2), v[2]);
    PQclear(r);
}

/* ---- pool ---- */

static void terminate(peri_db_t *db)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)",
             PQbackendPID(peri_db_conn(db)));
    assert_int_equal(fix_number(fx->db, sql), 0); /* "t" is no number */
}

static void broken_connections(void **state)
{
    (void)state;
    peri_db_t *db = peri_dbpool_get(fx->pool, NULL);
    assert_int_equal(fix_number(db, "SELECT 42"), 42);
    terminate(db);
    peri_err_t err = error_of(db, "SELECT 42");
    assert_int_equal(err.code, PERI_EIO);
    peri_dbpool_put(fx->pool, db);
    db = peri_dbpool_get(fx->pool, NULL);
    assert_int_equal(fix_number(db, "SELECT 43"), 43);
    /* One that breaks while it lies idle, with statements prepared on it. */
    jobid_t id = fix_named(db, "idle");
    peri_db_t *same = db;
    peri_dbpool_put(fx->pool, db);
    terminate(same);
    db = peri_dbpool_get(fx->pool, NULL);
    assert_ptr_equal(db, same);
    assert_int_equal(fix_append(db, &id, INTENT), 1);
    peri_dbpool_put(fx->pool, db);
}

static void put_rolls_back(void **state)
{
    (void)state;
    int64_t jobs = fix_number(fx->db, "SELECT count(*) FROM job");
    peri_db_t *db = peri_dbpool_get(fx->pool, NULL);
    assert_ok(peri_db_begin(db, err));
    fix_named(db, "never");
    peri_dbpool_put(fx->pool, db);
    peri_db_t *again = peri_dbpool_get(fx->pool, NULL);
    assert_ptr_equal(again, db);
    assert_int_equal(PQtransactionStatus(peri_db_conn(again)), PQTRANS_IDLE);
    assert_int_equal(fix_number(again, "SELECT count(*) FROM job"), jobs);
    peri_dbpool_put(fx->pool, again);
}

typedef struct {
    peri_dbpool_t *pool;
    pthread_mutex_t lock;
    int now, most;
} crowd_t;

static void *use(void *arg)
{
    crowd_t *c = arg;
    for (int i = 0; i < 10; i++) {
        peri_db_t *db = peri_dbpool_get(c->pool, NULL);
        if (!db) return "no connection";
        pthread_mutex_lock(&c->lock);
        if (++c->now > c->most) c->most = c->now;
        pthread_mutex_unlock(&c->lock);
        PQclear(peri_db_query(db, NULL, "SELECT pg_sleep(0.002)", 0, NULL));
        pthread_mutex_lock(&c->lock);
        c->now--;
        pthread_mutex_unlock(&c->lock);
        peri_dbpool_put(c->pool, db);
    }
    return NULL;
}

static void at_most_so_many(void **state)
{
    (void)state;
    crowd_t c = {.pool = peri_dbpool_new(fx->conninfo, 2),
                 .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t t[6];
    for (int i = 0; i < 6; i++) pthread_create(&t[i], NULL, use, &c);
    for (int i = 0; i < 6; i++) {
        void *said;
        pthread_join(t[i], &said);
        assert_null(said);
    }
    assert_int_equal(c.most, 2);
    peri_dbpool_free(c.pool);
}

/* ---- migrations ---- */

/* A connection to a schema of its own: as good as an empty database. */
static peri_db_t *empty(const char *name)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "CREATE SCHEMA %s", name);
    assert_true(peri_db_exec(fx->db, NULL, sql, 0, NULL) >= 0);
    char *conninfo = peri_xasprintf("%s options='-csearch_path=%s'", fx->conninfo, name);
    peri_db_t *db = peri_db_connect(conninfo, NULL);
    free(conninfo);
    assert_non_null(db);
    return db;
}

/* Rows as a program of that version leaves them: one job that has run, one that waits. */
static const char *const rows_of[][16] = {
    [1] = {"INSERT INTO job (uuid, uid, username, name, kind, scheduler, priority, "
           "idem_key, spec, "
           "plan, state, why, sentence, created, started, ended, last_seq, n_succeeded, "
           "n_failed) "
           "VALUES ('6f0c0000-0000-4000-8000-000000000001', 1000, 'ana', 'old', 'sql', "
           "'local', "
           "3, 'k', '{}', '{}', 'failed', 'exit', 'boom', 1e9, 1000000001, 1000000002.5, "
           "6, 0, 1)",
           "INSERT INTO step VALUES (1, 'main', 0, false, false)",
           "INSERT INTO task (job, step, index, state, attempt, why, sentence, host, "
           "exit_code, "
           "started, ended, changed, usage) VALUES (1, 'main', 0, 'failed', 1, 'exit', "
           "'boom', "
           "'n1', 3, 1000000001, 1000000002.5, 1000000002.5, '{\"rows\": 7}')",
           "INSERT INTO submission (job, step, attempt, name, scheduler, id) VALUES (1, "
           "'main', "
           "1, 'perigee-6f0c0000-0000-4000-8000-000000000001-main-1', 'local', '4')",
           "INSERT INTO job_event VALUES (1, 1, 1e9, 1e9, 'created', NULL, 0, '{}', '', "
           "'{\"steps\": [{\"name\": \"main\", \"tasks\": \"0\"}]}'), "
           "(1, 2, 1e9, 1e9, 'intent', 'main', 1, '{0}', '', '{}'), "
           "(1, 3, 1e9, 1e9, 'submitted', 'main', 1, '{0}', '', '{\"id\": \"4\"}'), "
           "(1, 4, 1000000001, 1e9, 'started', 'main', 1, '{0}', '', '{\"host\": "
           "\"n1\"}'), "
           "(1, 5, 1000000002.5, 1e9, 'ended', 'main', 1, '{0}', 'boom', '{\"state\": "
           "\"failed\", "
           "\"reason\": \"exit\", \"exit_code\": 3, \"signal\": 0, \"usage\": {\"rows\": "
           "7}}'), "
           "(1, 6, 1000000003, 1e9, 'note', NULL, 0, '{}', 'seen', '{}')",
           "INSERT INTO job (uuid, uid, username, name, kind, scheduler, priority, spec, "
           "plan, "
           "state, created, last_seq, n_waiting) VALUES "
           "('6f0c0000-0000-4000-8000-000000000002', "
           "1000, 'ana', 'new', 'graph', 'local', 0, '{}', '{}', 'waiting', 1e9, 1, 2)",
           "INSERT INTO step VALUES (2, 'a', 0, true, true)",
           "INSERT INTO task (job, step, index, changed) VALUES (2, 'a', 0, 1e9), (2, "
           "'a', 5, 1e9)",
           "INSERT INTO dependency VALUES (2, 'a', 0, 1, NULL, true)",
           "INSERT INTO job_event VALUES (2, 1, 1e9, 1e9, 'created', NULL, 0, '{}', '', "
           "'{\"steps\": [{\"name\": \"a\", \"tasks\": \"0,5\"}]}')",
           "INSERT INTO outbox (kind, job, step, attempt, due) VALUES ('submit', 2, 'a', "
           "1, 1e9)"},
    [2] = {"INSERT INTO replica VALUES ('milli', 'n1', 'a.h5', '/d/a.h5', 5000000000, "
           "17, 1e9)"},
    [3] =
        {"INSERT INTO account (name, email, password) VALUES ('bea', 'b@x.org', 'h')",
         "INSERT INTO team (name) VALUES ('halos')",
         "INSERT INTO team_member (team, account, role, state) SELECT t.id, a.id, "
         "'owner', 'active' FROM team t, account a WHERE a.name = 'bea'",
         "INSERT INTO volume (account, name, kind) SELECT id, 'persistent', "
         "'persistent' FROM account WHERE name = 'bea'",
         "INSERT INTO dataset (name) VALUES ('tng')",
         "INSERT INTO access_grant (kind, thing, to_all, rights, by) SELECT 'volume', "
         "v.id, true, 3, a.id FROM volume v, account a WHERE a.name = 'bea'",
         "INSERT INTO share_link (hash, kind, thing, path, by, expires) SELECT '\\x01', "
         "'volume', v.id, 'x', v.account, 2e9 FROM volume v",
         "INSERT INTO session (account, hash, csrf, created, seen, expires) SELECT id, "
         "'\\x02', 'c', 1e9, 1e9, 2e9 FROM account WHERE name = 'bea'",
         "INSERT INTO token (account, name, hash, scopes, created, expires) SELECT id, "
         "'t', '\\x03', '{all}', 1e9, 2e9 FROM account WHERE name = 'bea'",
         "INSERT INTO audit (action) VALUES ('sign-in')"},
    [4] = {"UPDATE dataset SET title = 'T', source = '/d/tng.yaml', reads = '{/d}' WHERE "
           "name = 'tng'",
           "INSERT INTO dataset_team SELECT d.id, t.id FROM dataset d, team t",
           "INSERT INTO descriptor (file, seal, name) VALUES ('/d/tng.yaml', '1', "
           "'tng')"},
    [5] = {"INSERT INTO query (account, sql, parameters, context, format, state, cut, "
           "rows, bytes, started, seconds, text, job, changed) SELECT id, 'SELECT 1', "
           "'{\"x\": 1}', 'tng', 'csv', 'cut', 'rows', 5, 60, 1e9, 1.5, 'cut', 1, "
           "'[{\"name\": \"t\"}]' FROM account WHERE name = 'bea'",
           "INSERT INTO saved_query (account, name, sql, parameters, team) SELECT a.id, "
           "'bright', 'SELECT $x', '[{\"name\": \"x\"}]', t.id FROM account a, team t "
           "WHERE a.name = 'bea'"}};
static const char *const tables_of[][12] = {
    [1] = {"job", "step", "task", "submission", "job_event", "dependency", "outbox"},
    [2] = {"replica"},
    [3] = {"account", "team", "team_member", "volume", "dataset", "access_grant",
           "share_link", "session", "token", "audit"},
    [4] = {"dataset_team", "descriptor"},
    [5] = {"query", "saved_query"}};

/* All rows of the tables that a version has, as one text with the columns in `columns`.
 */
static char *dump(peri_db_t *db, int version, char **columns)
{
    peri_buf_t b;
    peri_buf_init(&b, 1 << 20);
    for (int v = 1; v <= version; v++)
        for (int i = 0; tables_of[v][i]; i++) {
            char sql[2048];
            char **c = &columns[v * 12 + i];
            if (!*c) {
                snprintf(
                    sql, sizeof(sql),
                    "SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM "
                    "pg_attribute WHERE attrelid = '%s'::regclass AND attnum > 0",
                    tables_of[v][i]);
                PGresult *r = peri_db_query(db, NULL, sql, 0, NULL);
                *c = peri_xstrdup(PQgetvalue(r, 0, 0));
                PQclear(r);
            }
            snprintf(sql, sizeof(sql),
                     "SELECT json_agg(t ORDER BY t::text) FROM (SELECT %s FROM %s) t", *c,
                     tables_of[v][i]);
            PGresult *r = peri_db_query(db, NULL, sql, 0, NULL);
            assert_non_null(r);
            peri_buf_printf(&b, "%s: %s\n", tables_of[v][i], PQgetvalue(r, 0, 0));
            assert_true(PQgetlength(r, 0, 0) > 10);
            PQclear(r);
        }
    return peri_buf_take(&b, NULL);
}

static void rows_survive_each_step(void **state)
{
    (void)state;
    int newest = peri_db_version();
    assert_true(newest >= 2);
    assert_int_equal(newest, (int)(sizeof(rows_of) / sizeof(rows_of[0])) - 1);
    for (int from = 1; from <= newest; from++) {
        char name[16], *columns[12 * 8] = {0};
        int version;
        snprintf(name, sizeof(name), "from%d", from);
        peri_db_t *db = empty(name);
        assert_ok(peri_db_schema_version(db, &version, err));
        assert_int_equal(version, 0);
        for (int v = 1; v <= from; v++) {
            assert_ok(peri_db_migrate(db, v, err));
            for (int i = 0; rows_of[v][i]; i++) {
                peri_err_t err = {0};
                if (peri_db_exec(db, &err, rows_of[v][i], 0, NULL) < 0)
                    fail_msg("%s", err.text);
            }
        }
        char *before = dump(db, from, columns);
        for (int to = from; to <= newest; to++) {
            assert_ok(peri_db_migrate(db, to, err));
            assert_ok(peri_db_schema_version(db, &version, err));
            assert_int_equal(version, to);
            char *after = dump(db, from, columns);
            assert_string_equal(after, before);
            free(after);
        }
        /* And the program of today goes on with them. */
        assert_ok(peri_store_verify(db, NULL, err));
        const jobid_t id = {"6f0c0000-0000-4000-8000-000000000002", 2};
        assert_int_equal(fix_append(db, &id, EV(INTENT, .step = "a", .attempt = 2)), 1);
        assert_ok(peri_store_verify(db, NULL, err));
        assert_int_equal(fix_named(db, "next").number, 3);
        assert_int_equal(fix_number(db, "SELECT count(*) FROM schema_version"), newest);
        for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
            free(columns[i]);
        free(before);
        peri_db_close(db);
    }
}

static void newer_is_refused(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_db_t *db = empty("newer");
    assert_ok(peri_db_migrate(db, 0, err));
    assert_ok(peri_db_migrate(db, 1, err)); /* never back */
    assert_true(
        peri_db_exec(db, NULL, "INSERT INTO schema_version VALUES (99)", 0, NULL) == 1);
    assert_int_equal(peri_db_migrate(db, 0, &err), -1);
    assert_int_equal(err.code, PERI_EUNSUPP);
    assert_non_null(strstr(err.text, "version 99"));
    assert_int_equal(peri_db_migrate(db, peri_db_version() + 1, &err), -1);
    peri_db_close(db);
}

/* One that fails in the middle leaves nothing of itself. */
static void failed_step_leaves_nothing(void **state)
{
    (void)state;
    peri_err_t err = {0};
    int version;
    peri_db_t *db = empty("failing");
    assert_true(peri_db_exec(db, NULL, "CREATE TABLE outbox (in_the_way int)", 0, NULL) >=
                0);
    assert_int_equal(peri_db_migrate(db, 0, &err), -1);
    assert_non_null(strstr(err.text, "outbox"));
    assert_ok(peri_db_schema_version(db, &version, err));
    assert_int_equal(version, 0);
    assert_true(peri_db_exec(db, NULL, "SELECT FROM job", 0, NULL) < 0);
    assert_true(peri_db_exec(db, NULL, "DROP TABLE outbox", 0, NULL) >= 0);
    assert_ok(peri_db_migrate(db, 0, err));
    peri_db_close(db);
}

static void at_once(void **state)
{
    (void)state;
    enum { N = 4 };
    peri_db_close(empty("together"));
    pid_t child[N];
    for (int i = 0; i < N; i++) {
        child[i] = fork();
        if (child[i]) continue;
        char *conninfo =
            peri_xasprintf("%s options='-csearch_path=together'", fx->conninfo);
        peri_db_t *db = peri_db_connect(conninfo, NULL);
        free(conninfo);
        int bad = !db || peri_db_migrate(db, 0, NULL);
        peri_db_close(db);
        _exit(bad);
    }
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM together.schema_version"),
                     peri_db_version());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),
        cmocka_unit_test(settings),
        cmocka_unit_test(parameters),
        cmocka_unit_test(broken_connections),
        cmocka_unit_test(put_rolls_back),
        cmocka_unit_test(at_most_so_many),
        cmocka_unit_test(rows_survive_each_step),
        cmocka_unit_test(newer_is_refused),
        cmocka_unit_test(failed_step_leaves_nothing),
        cmocka_unit_test(at_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
