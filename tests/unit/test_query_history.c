/* What is kept of queries: begin, run, end, what a dead daemon leaves, what is pruned,
 * and who sees it (row-level security of query and saved_query). */
#include "test_store_fixture.h"

#include "portal/quick/history.h"

static pgfix_t *fx;

static int64_t count(const char *sql)
{
    PGresult *q = peri_db_query(fx->db, NULL, sql, 0, NULL);
    assert_non_null(q);
    const int64_t n = strtoll(PQgetvalue(q, 0, 0), NULL, 10);
    PQclear(q);
    return n;
}

static void sql(const char *text)
{
    peri_err_t err = {0};
    if (peri_db_exec(fx->db, &err, text, 0, NULL) < 0) fail_msg("%s: %s", text, err.text);
}

static int64_t account(const char *name)
{
    char text[200];
    snprintf(text, sizeof(text), "INSERT INTO account (name) VALUES ('%s') RETURNING id",
             name);
    return count(text);
}

static void ask(int64_t who, const char *text, char id[PERI_UUID_LEN + 1])
{
    const peri_historyentry_t e = {.sql = text, .format = "csv"};
    assert_ok(peri_history_begin(fx->db, who, &e, id, err));
}

static void has(const char *id, const char *what)
{
    char text[400];
    snprintf(text, sizeof(text), "SELECT count(*) FROM query WHERE id = '%s' AND %s", id,
             what);
    if (count(text) != 1) fail_msg("not so: %s", what);
}

static const peri_historyend_t done = {
    .state = "done", .rows = 3, .bytes = 40, .seconds = 0.25, .text = "3 rows"};

static void its_life(void **state)
{
    (void)state;
    const int64_t ana = account("ana");
    char id[PERI_UUID_LEN + 1];
    json_t *p = json_pack("{s:i}", "x", 7), *c = json_pack("[{s:s}]", "name", "t");
    const peri_historyentry_t e = {"SELECT $x", p, "tng", "ndjson"};
    assert_ok(peri_history_begin(fx->db, ana, &e, id, err));
    has(id, "state = 'waiting' AND sql = 'SELECT $x' AND parameters->>'x' = '7' AND "
            "context = 'tng' AND format = 'ndjson' AND started > 1e9 AND rows IS NULL");
    peri_historyend_t end = done;
    end.changed = c;
    assert_ok(peri_history_end(fx->db, id, &end, err));
    has(id, "state = 'done' AND cut IS NULL AND rows = 3 AND bytes = 40 AND seconds = "
            "0.25 AND text = '3 rows' AND changed->0->>'name' = 't'");
    /* Only the first end counts. */
    end = (peri_historyend_t){.state = "failed", .rows = -1, .bytes = -1, .seconds = -1};
    assert_ok(peri_history_end(fx->db, id, &end, err));
    has(id, "state = 'done'");
    json_decref(p);
    json_decref(c);
}

static void odd_text(void **state)
{
    (void)state;
    peri_err_t err = {0};
    char id[PERI_UUID_LEN + 1];
    peri_historyend_t end = done;
    const int64_t eva = account("eva");
    ask(eva, "SELECT 1", id);
    end.text = "r\xc3\xb6t \xe2\x82"; /* cut in a character */
    assert_ok(peri_history_end(fx->db, id, &end, err));
    has(id, "text = 'r\xc3\xb6t '");
    ask(eva, "SELECT 1", id);
    end.text = "a\xff-z";
    assert_ok(peri_history_end(fx->db, id, &end, err));
    has(id, "text = 'a?-z'");
    char *long_ = peri_xcalloc(1, PERI_HISTORY_SQL_MAX + 2);
    memset(long_, 'x', PERI_HISTORY_SQL_MAX + 1);
    const peri_historyentry_t e = {.sql = long_};
    assert_int_equal(peri_history_begin(fx->db, eva, &e, id, &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    assert_non_null(strstr(err.text, "job"));
    free(long_);
}

static void after_death(void **state)
{
    (void)state;
    char waits[PERI_UUID_LEN + 1], runs[PERI_UUID_LEN + 1], over[PERI_UUID_LEN + 1];
    const int64_t bea = account("bea");
    ask(bea, "SELECT 1", waits);
    ask(bea, "SELECT 2", runs);
    ask(bea, "SELECT 3", over);
    char text[200];
    snprintf(text, sizeof(text), "UPDATE query SET state = 'running' WHERE id = '%s'",
             runs);
    sql(text);
    assert_ok(peri_history_end(fx->db, over, &done, err));
    assert_ok(peri_history_start(fx->db, err));
    has(waits, "state = 'failed' AND text <> ''");
    has(runs, "state = 'failed' AND text <> ''");
    has(over, "state = 'done'");
}

static void pruning(void **state)
{
    (void)state;
    char id[PERI_UUID_LEN + 1], old[PERI_UUID_LEN + 1], open[PERI_UUID_LEN + 1];
    char text[300];
    const int64_t cyd = account("cyd"), dan = account("dan");
    ask(cyd, "SELECT 1", id);
    ask(cyd, "SELECT 2", old);
    ask(cyd, "SELECT 3", open);
    assert_ok(peri_history_end(fx->db, id, &done, err));
    assert_ok(peri_history_end(fx->db, old, &done, err));
    snprintf(text, sizeof(text),
             "UPDATE query SET started = started - 86400 * 91 WHERE id IN ('%s', '%s')",
             old, open);
    sql(text);
    assert_int_equal(peri_history_prune(fx->db, 0, NULL), 0);
    assert_int_equal(peri_history_prune(fx->db, 90, NULL), 1);
    has(id, "true");
    has(open, "state = 'waiting'"); /* it is not over */
    /* One account's many are no matter of another's. */
    snprintf(text, sizeof(text),
             "INSERT INTO query (account, sql, state, started) SELECT %lld, 'x', 'done', "
             "1e9 + n FROM generate_series(1, %d) n",
             (long long)dan, PERI_HISTORY_ROWS + 5);
    sql(text);
    assert_int_equal(peri_history_prune(fx->db, 0, NULL), 5);
    snprintf(text, sizeof(text),
             "SELECT min(started) - 1e9 FROM query WHERE account = %lld", (long long)dan);
    assert_int_equal(count(text), 6); /* the oldest went */
    snprintf(text, sizeof(text),
             "UPDATE query SET sql = repeat('x', 1000000) WHERE account = %lld AND "
             "started > 1e9 + 10000 - 95",
             (long long)dan);
    sql(text);
    assert_true(peri_history_prune(fx->db, 0, NULL) > 9000);
    snprintf(text, sizeof(text), "SELECT count(*) FROM query WHERE account = %lld",
             (long long)dan);
    assert_int_equal(count(text), PERI_HISTORY_BYTES / 1000000);
    has(id, "true");
}

/* Large ones are counted when they come: an hour of them would fill the disk. */
static void flood(void **state)
{
    (void)state;
    enum { MANY = 80 };
    char id[PERI_UUID_LEN + 1], other[PERI_UUID_LEN + 1], text[200];
    const int64_t kim = account("kim"), lee = account("lee");
    char *large = malloc(1000001);
    memset(large, 'x', 1000000);
    large[1000000] = '\0';
    ask(lee, "SELECT 1", other);
    assert_ok(peri_history_end(fx->db, other, &done, err));
    for (int i = 0; i < MANY; i++) {
        ask(kim, large, id);
        assert_ok(peri_history_end(fx->db, id, &done, err));
    }
    free(large);
    snprintf(text, sizeof(text), "SELECT count(*) FROM query WHERE account = %lld",
             (long long)kim);
    assert_int_equal(count(text), PERI_HISTORY_BYTES / 1000000 + 1);
    has(id, "true");
    has(other, "true");
}

/* ---- who sees it ---- */

static int64_t seen_by(int64_t who, const char *text)
{
    assert_ok(peri_db_begin_as(fx->db, who, err));
    const int64_t n = count(text);
    peri_db_rollback(fx->db);
    return n;
}

static int64_t done_by(int64_t who, const char *text)
{
    assert_ok(peri_db_begin_as(fx->db, who, err));
    const int64_t n = peri_db_exec(fx->db, NULL, text, 0, NULL);
    peri_db_rollback(fx->db);
    return n;
}

static void rights(void **state)
{
    (void)state;
    char id[PERI_UUID_LEN + 1], text[300];
    const int64_t flo = account("flo"), gus = account("gus"), hal = account("hal");
    sql("UPDATE account SET admin = true WHERE name = 'hal'");
    sql("INSERT INTO team (name) VALUES ('stars')");
    sql("INSERT INTO team_member (team, account, role, state) SELECT t.id, a.id, "
        "'member', 'active' FROM team t, account a WHERE a.name IN ('flo', 'gus')");
    ask(flo, "SELECT secret", id);
    static const char hers[] = "SELECT count(*) FROM query WHERE sql ~ 'secret'";
    assert_int_equal(seen_by(flo, hers), 1);
    assert_int_equal(seen_by(gus, hers), 0);
    assert_int_equal(seen_by(hal, hers), 0);
    assert_int_equal(done_by(gus, "UPDATE query SET text = 'x'"), 0);
    assert_int_equal(done_by(gus, "DELETE FROM query"), 0);
    assert_int_equal(done_by(flo, "DELETE FROM query"), 1);
    snprintf(text, sizeof(text),
             "INSERT INTO query (account, sql) VALUES (%lld, 'forged')", (long long)flo);
    assert_int_equal(done_by(gus, text), -1);

    snprintf(
        text, sizeof(text),
        "INSERT INTO saved_query (account, name, sql, team) SELECT %lld, 'mine', 's', "
        "NULL UNION SELECT %lld, 'ours', 's', id FROM team",
        (long long)flo, (long long)flo);
    sql(text);
    static const char saved[] = "SELECT count(*) FROM saved_query";
    assert_int_equal(seen_by(flo, saved), 2);
    assert_int_equal(seen_by(gus, saved), 1);
    assert_int_equal(seen_by(hal, saved), 0);
    assert_int_equal(done_by(gus, "UPDATE saved_query SET sql = 'x'"), 0);
    assert_int_equal(done_by(gus, "DELETE FROM saved_query"), 0);
    assert_int_equal(done_by(flo, "UPDATE saved_query SET sql = 'x'"), 2);
    /* Not into a team that one is not in. */
    snprintf(text, sizeof(text),
             "INSERT INTO saved_query (account, name, sql, team) VALUES (%lld, 'n', 's', "
             "(SELECT id FROM team WHERE name = 'stars'))",
             (long long)hal);
    assert_int_equal(done_by(hal, text), -1);
    sql("UPDATE team_member SET state = 'invited' WHERE account = (SELECT id FROM "
        "account "
        "WHERE name = 'gus')");
    assert_int_equal(seen_by(gus, saved), 0);
    sql("UPDATE team_member SET state = 'active'");
    assert_int_equal(seen_by(gus, saved), 1);
    /* Her queries go with her out of the team, and stay hers. */
    sql("DELETE FROM team_member WHERE account = (SELECT id FROM account WHERE name = "
        "'flo')");
    assert_int_equal(seen_by(gus, saved), 0);
    assert_int_equal(seen_by(flo, saved), 2);
    sql("DELETE FROM team");
    assert_int_equal(seen_by(flo, saved), 2);
    sql("DELETE FROM account WHERE name = 'flo'");
    assert_int_equal(count(hers), 0);
    assert_int_equal(count(saved), 0);
}

static int set_up(void **state)
{
    (void)state;
    fx = fix_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fix_free(fx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_life),    cmocka_unit_test(odd_text),
        cmocka_unit_test(after_death), cmocka_unit_test(pruning),
        cmocka_unit_test(flood),       cmocka_unit_test(rights)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
