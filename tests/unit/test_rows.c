/* test_rows.c - chunks to bytes and back: every type, nulls everywhere, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/base/util.h"
#include "core/rows/rows.h"

static duckdb_database db;
static duckdb_connection con;

static int start(void **state)
{
    (void)state;
    return duckdb_open(NULL, &db) == DuckDBSuccess &&
                   duckdb_connect(db, &con) == DuckDBSuccess
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    duckdb_disconnect(&con);
    duckdb_close(&db);
    return 0;
}

static void run(const char *sql)
{
    duckdb_result r;
    if (duckdb_query(con, sql, &r) == DuckDBError)
        fail_msg("%s: %s", sql, duckdb_result_error(&r));
    duckdb_destroy_result(&r);
}

static int64_t ask(const char *sql)
{
    duckdb_result r;
    if (duckdb_query(con, sql, &r) == DuckDBError)
        fail_msg("%s: %s", sql, duckdb_result_error(&r));
    duckdb_data_chunk c = duckdb_fetch_chunk(r);
    int64_t v = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(c, 0));
    duckdb_destroy_data_chunk(&c);
    duckdb_destroy_result(&r);
    return v;
}

static peri_rows_t *rows_of(duckdb_result *r)
{
    idx_t n = duckdb_column_count(r);
    duckdb_logical_type *types = peri_xcalloc(n, sizeof(*types));
    for (idx_t i = 0; i < n; i++) types[i] = duckdb_column_logical_type(r, i);
    peri_err_t err = {0};
    peri_rows_t *rows = peri_rows_new(types, n, &err);
    if (!rows) fail_msg("%s", err.text);
    for (idx_t i = 0; i < n; i++) duckdb_destroy_logical_type(&types[i]);
    free(types);
    return rows;
}

/* The statement's rows, encoded; *rows are for decoding them. */
static void encode(const char *sql, peri_rows_t **rows, peri_buf_t *out)
{
    duckdb_result r;
    if (duckdb_query(con, sql, &r) == DuckDBError)
        fail_msg("%s: %s", sql, duckdb_result_error(&r));
    *rows = rows_of(&r);
    peri_buf_init(out, 1u << 30);
    peri_err_t err = {0};
    for (duckdb_data_chunk c; (c = duckdb_fetch_chunk(r));) {
        if (peri_rows_encode(*rows, c, out, &err)) fail_msg("%s: %s", sql, err.text);
        duckdb_destroy_data_chunk(&c);
    }
    duckdb_destroy_result(&r);
}

/* The same rows must come out, in order, when they travel. */
static void travels(const char *sql)
{
    char *make = peri_xasprintf("CREATE OR REPLACE TABLE sent AS %s", sql);
    run(make);
    free(make);
    run("CREATE OR REPLACE TABLE came AS SELECT * FROM sent LIMIT 0");
    peri_rows_t *rows;
    peri_buf_t buf;
    encode(sql, &rows, &buf);

    duckdb_appender a;
    assert_int_equal(duckdb_appender_create(con, NULL, "came", &a), DuckDBSuccess);
    peri_reader_t in = {buf.data, buf.data + buf.len, false};
    peri_err_t err = {0};
    while (in.p < in.end) {
        duckdb_data_chunk c;
        if (peri_rows_decode(rows, &in, &c, &err)) fail_msg("%s: %s", sql, err.text);
        if (duckdb_append_data_chunk(a, c) == DuckDBError)
            fail_msg("%s: %s", sql, duckdb_appender_error(a));
    }
    assert_int_equal(duckdb_appender_close(a), DuckDBSuccess);
    duckdb_appender_destroy(&a);
    peri_rows_free(rows);
    peri_buf_free(&buf);

    assert_int_equal(ask("SELECT count(*) FROM sent"), ask("SELECT count(*) FROM came"));
    int64_t different = ask("SELECT count(*) FROM sent POSITIONAL JOIN came "
                            "WHERE sent::VARCHAR IS DISTINCT FROM came::VARCHAR");
    if (different) fail_msg("%s: %lld rows differ", sql, (long long)different);
}

static const char *const fixed[] = {
    "i % 2 = 0",
    "(i % 100)::TINYINT",
    "i::SMALLINT",
    "i::INTEGER",
    "-i::BIGINT",
    "(i % 200)::UTINYINT",
    "i::USMALLINT",
    "i::UINTEGER",
    "i::UBIGINT",
    "i::HUGEINT * 123456789012345678901234567890",
    "i::UHUGEINT * 123456789012345678901234567890",
    "i::FLOAT / 3",
    "CASE i % 4 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN '-inf'::DOUBLE ELSE i / 7 END",
    "i::DECIMAL(4,0) / 1",
    "(i / 100)::DECIMAL(9,2)",
    "(i / 100)::DECIMAL(18,2)",
    "(i / 100)::DECIMAL(38,2)",
    "DATE '2020-01-01' + i::INT",
    "TIME '12:00:00' + to_microseconds(i)",
    "'12:00:00+02'::TIMETZ",
    "to_timestamp(i * 1000)",
    "epoch_ms(i * 1000)",
    "epoch_ms(i * 1000)::TIMESTAMP_S",
    "epoch_ms(i * 1000)::TIMESTAMP_MS",
    "epoch_ms(i * 1000)::TIMESTAMP_NS",
    "to_days(i::INT) + to_microseconds(i)",
    "gen_random_uuid()",
    "(['ok', 'ill', 'gone'])[1 + i % 3]::ENUM('ok', 'ill', 'gone')",
};

static const char *const varied[] = {
    "repeat(chr((65 + i % 26)::INT), (i % 40)::INT)",
    "CASE WHEN i % 500 = 0 THEN repeat('long', 20000) ELSE '' END",
    "('\\x00\\xFF' || i)::VARCHAR::BLOB",
    "i::BIGINT::BIT",
    "('1' || repeat('0', (1 + i % 70)::INT))::BIT",
    "(i || repeat('9', (i % 60)::INT))::BIGNUM",
    "range(i % 5)",
    "[]::INT[]",
    "[NULL, i, NULL]",
    "list_transform(range(i % 4), x -> repeat('s', (x * 9)::INT))",
    "[range(i % 3), NULL, range(i % 2)]",
    "array_value(i, NULL, i + 1)::BIGINT[3]",
    "array_value(i::VARCHAR || ' and some more', 'b')::VARCHAR[2]",
    "[array_value(i, 2)::INT[2], NULL]",
    "{'a': i, 'b': repeat('x', (i % 20)::INT), 'c': NULL::DOUBLE}",
    "{'a': {'b': [i, NULL]}, 'c': CASE WHEN i % 3 = 0 THEN {'d': i::VARCHAR} END}",
    "MAP {i: 'value ' || i, i + 1: NULL}",
    "MAP([]::INT[], []::VARCHAR[])",
    "MAP {'k': MAP {i: [i]}}",
    ("CASE WHEN i % 2 = 0 THEN union_value(n := i)::UNION(n BIGINT, s VARCHAR) "
     "ELSE union_value(s := 'text of some length ' || i)::UNION(n BIGINT, s VARCHAR) "
     "END"),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void one_type(const char *e)
{
    char *sql = peri_xasprintf("SELECT i, %s AS v FROM range(5000) t(i)", e);
    /* Random values would differ between two runs of the statement. */
    if (!strstr(e, "random")) travels(sql);
    free(sql);
    /* Nulls come from outer joins: CASE does not know arrays. */
#define LEFT(WHERE, E, N)                                                                \
    "SELECT v FROM range(" N ") a(i) LEFT JOIN (SELECT i, " E " AS v FROM range(" N      \
    ") t(i) WHERE " WHERE ") USING (i) ORDER BY i"
    static const char *const patterns[] = {
        LEFT("i %% 3 > 0", "%s", "3000"),
        LEFT("i < 0", "%s", "70"),
        "SELECT [v, NULL, v] AS l FROM (SELECT %s AS v FROM range(100) t(i))",
        LEFT("i %% 7 > 0", "{'a': %1$s, 'l': [%1$s]}", "3000"),
        LEFT("i %% 5 > 0", "array_value(%1$s, %1$s)", "3000"),
        ("SELECT i %% 10 AS g, list(v ORDER BY i) AS l FROM "
         "(SELECT i, %s AS v FROM range(3000) t(i)) GROUP BY g ORDER BY g"),
    };
    if (strstr(e, "random")) return;
    for (size_t k = 0; k < COUNT(patterns); k++) {
        char filled[2048];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(filled, sizeof(filled), patterns[k], e);
#pragma GCC diagnostic pop
        travels(filled);
    }
}

static void test_fixed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fixed); i++) one_type(fixed[i]);
    run("CREATE OR REPLACE TABLE ids AS SELECT gen_random_uuid() AS u FROM range(3000)");
    travels("SELECT u FROM ids");
}

static void test_varied(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(varied); i++) one_type(varied[i]);
}

/* Vectors that DuckDB keeps as dictionaries, constants and sequences inside. */
static void test_forms(void **state)
{
    (void)state;
    run("CREATE OR REPLACE TABLE w AS SELECT (i % 7)::VARCHAR || ' a longer word' AS s, "
        "i "
        "FROM range(200000) t(i)");
    travels("SELECT s, [s, s] AS l, {'s': s} AS t FROM w");
    travels("SELECT s, i FROM w WHERE i % 3 = 0");
    travels(
        "SELECT 'constant text here' AS c, [1, 2] AS l, {'a': 'x'} AS s, NULL::INT AS n,"
        " array_value(1, 2) AS a FROM range(5000)");
    travels("SELECT l[2:3] AS part FROM (SELECT [s, 'b', s || 'c', 'd'] AS l FROM w)");
    travels("SELECT unnest([s, NULL]) AS u, list_filter([i, i + 1], x -> x % 2 = 0) AS f "
            "FROM w");
}

static void test_no_rows(void **state)
{
    (void)state;
    travels("SELECT 1 AS a, 'x' AS b, [1] AS c, MAP {1: {'z': [2]}} AS d WHERE false");
}

static void test_sqlnull(void **state)
{
    (void)state;
    duckdb_logical_type t = duckdb_create_logical_type(DUCKDB_TYPE_SQLNULL);
    peri_err_t err = {0};
    peri_rows_t *rows = peri_rows_new(&t, 1, &err);
    assert_non_null(rows);
    duckdb_data_chunk c = duckdb_create_data_chunk(&t, 1), got;
    duckdb_data_chunk_set_size(c, 100);
    peri_buf_t buf;
    peri_buf_init(&buf, 1 << 20);
    assert_int_equal(peri_rows_encode(rows, c, &buf, &err), 0);
    peri_reader_t in = {buf.data, buf.data + buf.len, false};
    assert_int_equal(peri_rows_decode(rows, &in, &got, &err), 0);
    assert_int_equal(duckdb_data_chunk_get_size(got), 100);
    uint64_t *valid = duckdb_vector_get_validity(duckdb_data_chunk_get_vector(got, 0));
    assert_non_null(valid);
    for (idx_t i = 0; i < 100; i++) assert_false(duckdb_validity_row_is_valid(valid, i));
    peri_buf_free(&buf);
    duckdb_destroy_data_chunk(&c);
    peri_rows_free(rows);
    duckdb_destroy_logical_type(&t);
}

static void test_other_types_refused(void **state)
{
    (void)state;
    peri_rows_t *a, *b;
    peri_buf_t buf, none;
    encode("SELECT 1::INTEGER, 'x'", &a, &buf);
    encode("SELECT 1::UINTEGER, 'x' WHERE false", &b, &none);
    peri_reader_t in = {buf.data, buf.data + buf.len, false};
    duckdb_data_chunk c;
    peri_err_t err = {0};
    assert_int_equal(peri_rows_decode(b, &in, &c, &err), -1);
    assert_non_null(strstr(err.text, "another type"));
    peri_rows_free(a);
    peri_rows_free(b);
    peri_buf_free(&buf);
    peri_buf_free(&none);

    duckdb_logical_type t = duckdb_create_logical_type(DUCKDB_TYPE_ANY);
    assert_null(peri_rows_new(&t, 1, &err));
    assert_int_equal(err.code, PERI_EUNSUPP);
    duckdb_destroy_logical_type(&t);
}

static void test_maximum(void **state)
{
    (void)state;
    duckdb_result r;
    assert_int_equal(duckdb_query(con, "SELECT i FROM range(2000) t(i)", &r),
                     DuckDBSuccess);
    peri_rows_t *rows = rows_of(&r);
    duckdb_data_chunk c = duckdb_fetch_chunk(r);
    peri_buf_t buf;
    peri_buf_init(&buf, 1000);
    peri_err_t err = {0};
    assert_int_equal(peri_rows_encode(rows, c, &buf, &err), -1);
    assert_true(err.text[0] != '\0');
    peri_buf_free(&buf);
    duckdb_destroy_data_chunk(&c);
    peri_rows_free(rows);
    duckdb_destroy_result(&r);
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Whatever arrives: an error or rows that can be read, no crash, no huge allocation. */
static void try_damaged(peri_rows_t *rows, const char *bytes, size_t len)
{
    char *copy = peri_xmalloc(len); /* exact, so that a sanitizer sees reads past it */
    memcpy(copy, bytes, len);
    peri_reader_t in = {copy, copy + len, false};
    peri_buf_t again;
    peri_buf_init(&again, 1u << 26);
    duckdb_data_chunk c;
    while (in.p < in.end && peri_rows_decode(rows, &in, &c, NULL) == 0) {
        peri_buf_clear(&again);
        peri_rows_encode(rows, c, &again, NULL);
    }
    peri_buf_free(&again);
    free(copy);
}

static void test_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fixed) + COUNT(varied); i++) {
        const char *e = i < COUNT(fixed) ? fixed[i] : varied[i - COUNT(fixed)];
        char *sql = peri_xasprintf("SELECT v, i FROM range(100) a(i) LEFT JOIN (SELECT "
                                   "i, %s AS v FROM range(100) "
                                   "t(i) WHERE i %% 3 > 0) USING (i) ORDER BY i",
                                   e);
        peri_rows_t *rows;
        peri_buf_t buf;
        encode(sql, &rows, &buf);
        free(sql);
        for (size_t cut = 0; cut < buf.len && cut < 600; cut++)
            try_damaged(rows, buf.data, cut);
        char *bad = peri_xmalloc(buf.len);
        for (int k = 0; k < 400; k++) {
            memcpy(bad, buf.data, buf.len);
            for (uint64_t m = 0; m < 1 + next_random() % 4; m++) {
                /* Heads and lengths are at the front. */
                size_t at = next_random() % (k % 2          ? buf.len
                                             : buf.len < 64 ? buf.len
                                                            : 64);
                static const uint8_t nasty[] = {0, 1, 0x7f, 0x80, 0xff};
                bad[at] = (char)(k % 3 ? nasty[next_random() % 5] : next_random());
            }
            try_damaged(rows, bad, buf.len);
        }
        free(bad);
        peri_rows_free(rows);
        peri_buf_free(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),   cmocka_unit_test(test_varied),
        cmocka_unit_test(test_forms),   cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_sqlnull), cmocka_unit_test(test_other_types_refused),
        cmocka_unit_test(test_maximum), cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
