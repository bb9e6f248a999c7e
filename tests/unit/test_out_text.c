/* test_out_text.c - values as text and JSON: against DuckDB's own casts, strtod and by
 * hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/out/binary.h"
#include "core/out/number.h"
#include "core/out/tablefit.h"
#include "core/out/text.h"
#include "core/out/value.h"

/* ---- numbers ---- */

static uint64_t state = 88172645463325252ull;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Digits without sign, point, exponent, and zeros at either end. */
static size_t significant(const char *s, char *out)
{
    size_t n = 0;
    for (; *s && *s != 'e'; s++)
        if (*s >= '0' && *s <= '9' && (n || *s != '0')) out[n++] = *s;
    while (n && out[n - 1] == '0') n--;
    return n;
}

/* v reads back, and no text of fewer digits does. */
static void check_double(double v)
{
    char text[PERI_NUM_MAX], digits[PERI_NUM_MAX], shorter[64];
    *peri_num_double(text, v) = '\0';
    double back = strtod(text, NULL);
    assert_memory_equal(&back, &v, sizeof(v));
    size_t n = significant(text, digits);
    if (n < 2) return;
    snprintf(shorter, sizeof(shorter), "%.*e", (int)n - 2, v);
    if (strtod(shorter, NULL) == v) fail_msg("%s is longer than %s", text, shorter);
}

static void check_float(float v)
{
    char text[PERI_NUM_MAX], digits[PERI_NUM_MAX], shorter[64];
    *peri_num_float(text, v) = '\0';
    float back = strtof(text, NULL);
    assert_memory_equal(&back, &v, sizeof(v));
    size_t n = significant(text, digits);
    if (n < 2) return;
    snprintf(shorter, sizeof(shorter), "%.*e", (int)n - 2, (double)v);
    if (strtof(shorter, NULL) == v) fail_msg("%s is longer than %s", text, shorter);
}

static void floats_are_exact_and_shortest(void **unused)
{
    (void)unused;
    for (uint64_t i = 0; i < 300000; i++) {
        uint64_t u = i < 2047 ? i << 52 : i < 4000 ? i - 2046 : next_random();
        double d;
        memcpy(&d, &u, sizeof(d));
        if (isfinite(d)) check_double(d);
        check_double((double)(next_random() % 10000000) / 1000.0);
        check_double(ldexp((double)next_random(), -64));
        uint32_t w = i < 255 ? (uint32_t)i << 23 : i < 2000 ? (uint32_t)i : (uint32_t)u;
        float f;
        memcpy(&f, &w, sizeof(f));
        if (isfinite(f)) check_float(f);
    }
}

static void floats_look_as_expected(void **unused)
{
    (void)unused;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0.0, "0.0"},
                 {-0.0, "-0.0"},
                 {1, "1.0"},
                 {100, "100.0"},
                 {0.1, "0.1"},
                 {0.0001, "0.0001"},
                 {0.00001, "1e-05"},
                 {1.5e-7, "1.5e-07"},
                 {1e15, "1000000000000000.0"},
                 {1e16, "1e+16"},
                 {1e22, "1e+22"},
                 {1e23, "1e+23"},
                 {9007199254740993.0, "9007199254740992.0"},
                 {123456.789, "123456.789"},
                 {5e-324, "5e-324"},
                 {1.7976931348623157e308, "1.7976931348623157e+308"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {NAN, "nan"}};
    char text[PERI_NUM_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        *peri_num_double(text, cases[i].v) = '\0';
        assert_string_equal(text, cases[i].text);
    }
    *peri_num_float(text, 0.1f) = '\0';
    assert_string_equal(text, "0.1");
    *peri_num_float(text, 16777216.0f) = '\0';
    assert_string_equal(text, "16777216.0");
}

static void integers(void **unused)
{
    (void)unused;
    char text[PERI_NUM_MAX], want[PERI_NUM_MAX];
    uint64_t v = 1;
    for (int i = 0; i < 20; i++, v *= 10) {
        uint64_t near[] = {v - 1, v, v + 1};
        for (int k = 0; k < 3; k++) {
            *peri_num_u64(text, near[k]) = '\0';
            snprintf(want, sizeof(want), "%llu", (unsigned long long)near[k]);
            assert_string_equal(text, want);
            *peri_num_i64(text, -(int64_t)(near[k] / 2)) = '\0';
            snprintf(want, sizeof(want), "%lld", -(long long)(near[k] / 2));
            assert_string_equal(text, want);
        }
    }
    *peri_num_i64(text, INT64_MIN) = '\0';
    assert_string_equal(text, "-9223372036854775808");
    *peri_num_i128(text, (__int128)((unsigned __int128)1 << 127)) = '\0';
    assert_string_equal(text, "-170141183460469231731687303715884105728");
    *peri_num_u128(text, ~(unsigned __int128)0) = '\0';
    assert_string_equal(text, "340282366920938463463374607431768211455");
    *peri_num_decimal(text, -5, 3) = '\0';
    assert_string_equal(text, "-0.005");
    *peri_num_decimal(text, 12345, 2) = '\0';
    assert_string_equal(text, "123.45");
    *peri_num_decimal(text, 0, 2) = '\0';
    assert_string_equal(text, "0.00");
}

/* ---- values, against DuckDB ---- */

typedef struct {
    duckdb_database db;
    duckdb_connection con;
} duck_t;

static int open_duck(void **s)
{
    duck_t *d = peri_xcalloc(1, sizeof(*d));
    assert_int_equal(duckdb_open(NULL, &d->db), DuckDBSuccess);
    assert_int_equal(duckdb_connect(d->db, &d->con), DuckDBSuccess);
    assert_int_equal(duckdb_query(d->con, "SET TimeZone = 'UTC'", NULL), DuckDBSuccess);
    *s = d;
    return 0;
}

static int close_duck(void **s)
{
    duck_t *d = *s;
    duckdb_disconnect(&d->con);
    duckdb_close(&d->db);
    free(d);
    return 0;
}

static void query(duck_t *d, duckdb_result *r, const char *sql)
{
    if (duckdb_query(d->con, sql, r)) fail_msg("%s: %s", sql, duckdb_result_error(r));
}

/* The first column's texts must equal the second's, which DuckDB made. Returns rows seen.
 */
static idx_t compare_with_cast(duck_t *d, const char *expression, const char *from)
{
    char *sql = peri_xasprintf("SELECT %s AS a, CAST(%s AS VARCHAR) AS b %s", expression,
                               expression, from);
    duckdb_result r;
    query(d, &r, sql);
    idx_t rows = 0;
    duckdb_data_chunk chunk;
    peri_buf_t text;
    peri_buf_init(&text, 1 << 24);
    while ((chunk = duckdb_fetch_chunk(r))) {
        peri_field_t f[2];
        for (idx_t c = 0; c < 2; c++) {
            duckdb_logical_type t = duckdb_column_logical_type(&r, c);
            peri_err_t err;
            if (peri_field_init(&f[c], "x", t, &err)) fail_msg("%s: %s", sql, err.text);
            duckdb_destroy_logical_type(&t);
            peri_field_bind(&f[c], duckdb_data_chunk_get_vector(chunk, c));
        }
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++, rows++) {
            assert_int_equal(peri_field_is_null(&f[0], i), peri_field_is_null(&f[1], i));
            if (peri_field_is_null(&f[0], i)) continue;
            size_t n;
            const char *want = peri_field_bytes(&f[1], i, &n);
            peri_buf_clear(&text);
            peri_field_text(&f[0], i, PERI_STYLE_SQL, &text);
            if (text.len != n || (n && memcmp(text.data, want, n) != 0))
                fail_msg("%s, row %zu: \"%.*s\" instead of \"%.*s\"", sql, (size_t)i,
                         (int)text.len, text.data ? text.data : "", (int)n, want);
        }
        peri_field_clear(&f[0]);
        peri_field_clear(&f[1]);
        duckdb_destroy_data_chunk(&chunk);
    }
    peri_buf_free(&text);
    duckdb_destroy_result(&r);
    free(sql);
    return rows;
}

static void every_scalar_type_as_duckdb(void **s)
{
    static const char *const columns[] = {
        "bool",        "tinyint",      "smallint",     "int",       "bigint",
        "hugeint",     "uhugeint",     "utinyint",     "usmallint", "uint",
        "ubigint",     "bignum",       "date",         "time",      "timestamp",
        "timestamp_s", "timestamp_ms", "timestamp_ns", "time_tz",   "float",
        "double",      "dec_4_1",      "dec_9_4",      "dec_18_6",  "dec38_10",
        "uuid",        "interval",     "varchar",      "blob",      "bit",
        "small_enum",  "medium_enum",  "large_enum"};
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        char *name = peri_xasprintf("\"%s\"", columns[i]);
        assert_int_equal(compare_with_cast(*s, name, "FROM test_all_types()"), 3);
        free(name);
    }
}

static void more_values_as_duckdb(void **s)
{
    static const char *const cases[][2] = {
        {"d", "FROM (SELECT DATE '0001-01-03' - i::INT AS d FROM range(2000) t(i))"},
        {"d",
         "FROM (SELECT DATE '1968-01-01' + (i * 7)::INT AS d FROM range(5000) t(i))"},
        {"d",
         "FROM (SELECT DATE '2000-02-27' + i::INT * 1000003 AS d FROM range(1000) t(i))"},
        {"d", "FROM (VALUES ('infinity'::DATE), ('-infinity'), ('44-03-15 (BC)')) t(d)"},
        {"d", "FROM (SELECT make_timestamp((i * 86399999999 - 7)::BIGINT) AS d FROM "
              "range(-2000, 2000) t(i))"},
        {"d", "FROM (SELECT make_timestamp_ns((i * 1234567890123 + i)::BIGINT) AS d FROM "
              "range(-500, 500) t(i))"},
        {"d", "FROM (VALUES ('infinity'::TIMESTAMP), ('-infinity'), ('44-03-15 (BC) "
              "01:02:03.5'))"
              " t(d)"},
        {"d", "FROM (SELECT make_timestamptz((i * 86399999999 - 7)::BIGINT) AS d FROM "
              "range(-2000, 2000) t(i))"},
        {"d", "FROM (VALUES (INTERVAL '0' DAY), (INTERVAL '-1 year -2 months 3 days "
              "-4:05:06.07'),"
              " (INTERVAL '1 day'), (INTERVAL '1 month'), (INTERVAL '100:00:00')) t(d)"},
        {"d", "FROM (VALUES ('01:02:03+05:30:15'::TIMETZ), ('23:59:59.999-15:59'), "
              "('00:00:00+00'))"
              " t(d)"},
        {"d",
         "FROM (VALUES ('101'::BIT), ('0'), ('0000000011111111'), ('111111111')) t(d)"},
        {"d", "FROM (VALUES ('\\x00\\xFFab\"'::BLOB), (''), ('plain')) t(d)"},
        {"d", "FROM (VALUES (0::BIGNUM), (-1), (255), (-256), "
              "('-123456789012345678901234567890123456789012345678901234567890'::BIGNUM))"
              " t(d)"},
        {"d", "FROM (VALUES (0::DECIMAL(5,2)), (-0.01), (999.99), (NULL)) t(d)"},
        {"d",
         "FROM (SELECT random() * pow(10, (i % 600) - 300) AS d FROM range(20000) t(i))"},
        {"d", "FROM (SELECT gen_random_uuid() AS d FROM range(100))"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(compare_with_cast(*s, cases[i][0], cases[i][1]) > 0);
}

static void json_is(duck_t *d, const char *expression, const char *want)
{
    char *sql = peri_xasprintf("SELECT %s", expression);
    duckdb_result r;
    query(d, &r, sql);
    duckdb_data_chunk chunk = duckdb_fetch_chunk(r);
    duckdb_logical_type t = duckdb_column_logical_type(&r, 0);
    peri_field_t f;
    peri_buf_t text;
    peri_buf_init(&text, 1 << 20);
    assert_int_equal(peri_field_init(&f, "x", t, NULL), 0);
    peri_field_bind(&f, duckdb_data_chunk_get_vector(chunk, 0));
    peri_field_json(&f, 0, &text);
    assert_string_equal(text.data, want);
    peri_buf_free(&text);
    peri_field_clear(&f);
    duckdb_destroy_logical_type(&t);
    duckdb_destroy_data_chunk(&chunk);
    duckdb_destroy_result(&r);
    free(sql);
}

static void json_values(void **s)
{
    static const char *const cases[][2] = {
        {"NULL::INT", "null"},
        {"true", "true"},
        {"9007199254740993", "9007199254740993"},
        {"(-170141183460469231731687303715884105728)::HUGEINT",
         "-170141183460469231731687303715884105728"},
        {"0.5::DECIMAL(1,1)", "0.5"},
        {"'nan'::FLOAT", "\"NaN\""},
        {"'-inf'::DOUBLE", "\"-Infinity\""},
        {"'inf'::DOUBLE", "\"Infinity\""},
        {"1e300", "1e+300"},
        {"'a\"b\\c' || chr(10) || chr(0) || chr(31) || 'é日😀'",
         "\"a\\\"b\\\\c\\n\\u0000\\u001fé日😀\""},
        {"DATE '2024-02-29'", "\"2024-02-29\""},
        {"TIMESTAMP '2024-02-29 01:02:03.25'", "\"2024-02-29 01:02:03.25\""},
        {"'\\x00'::BLOB", "\"\\\\x00\""},
        {"[1, NULL, 3]", "[1,null,3]"},
        {"[]::INT[]", "[]"},
        {"[[1.5], [], NULL]::DOUBLE[][]", "[[1.5],[],null]"},
        {"[1, 2, NULL]::FLOAT[3]", "[1.0,2.0,null]"},
        {"{'a': 1, 'b \"q\"': [{'c': NULL}, {'c': 'x'}]}",
         "{\"a\":1,\"b \\\"q\\\"\":[{\"c\":null},{\"c\":\"x\"}]}"},
        {"MAP {'k': 1, 'l': NULL}", "{\"k\":1,\"l\":null}"},
        {"MAP {1.5: 'x'}", "{\"1.5\":\"x\"}"},
        {"MAP {}", "{}"},
        {"union_value(num := 5)", "{\"num\":5}"},
        {"'b'::ENUM('a', 'b')", "\"b\""},
        {"['a', NULL]::ENUM('a', 'b')[]", "[\"a\",null]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        json_is(*s, cases[i][0], cases[i][1]);
}

static void type_names(void **s)
{
    static const char *const cases[][2] = {
        {"DECIMAL(18,3)", "DECIMAL(18,3)"},
        {"FLOAT[3]", "FLOAT[3]"},
        {"INT[][]", "INTEGER[][]"},
        {"STRUCT(a INT, b VARCHAR[])", "STRUCT(a INTEGER, b VARCHAR[])"},
        {"MAP(INT, DOUBLE)", "MAP(INTEGER, DOUBLE)"},
        {"UNION(n INT, s VARCHAR)", "UNION(n INTEGER, s VARCHAR)"},
    };
    duck_t *d = *s;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *sql = peri_xasprintf("SELECT NULL::%s", cases[i][0]);
        duckdb_result r;
        query(d, &r, sql);
        duckdb_logical_type t = duckdb_column_logical_type(&r, 0);
        peri_field_t f;
        peri_buf_t text;
        peri_buf_init(&text, 1 << 20);
        assert_int_equal(peri_field_init(&f, "x", t, NULL), 0);
        peri_field_type_name(&f, &text);
        assert_string_equal(text.data, cases[i][1]);
        peri_buf_free(&text);
        peri_field_clear(&f);
        duckdb_destroy_logical_type(&t);
        duckdb_destroy_result(&r);
        free(sql);
    }
}

static void iso_style(void **unused)
{
    (void)unused;
    char text[PERI_MOMENT_MAX];
    *peri_moment_date(text, -719529, PERI_STYLE_ISO) = '\0';
    assert_string_equal(text, "-0001-12-31");
    *peri_moment_date(text, -719528, PERI_STYLE_ISO) = '\0';
    assert_string_equal(text, "0000-01-01");
    *peri_moment_date(text, 2932897, PERI_STYLE_ISO) = '\0';
    assert_string_equal(text, "+10000-01-01");
    *peri_moment_timestamp(text, -1, 1000000, 1, PERI_STYLE_ISO) = '\0';
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
}

/* ---- odd bytes ---- */

static void damaged_utf8(void **unused)
{
    (void)unused;
    peri_buf_t b;
    peri_buf_init(&b, 1000);
    static const char bad[] = "a\xff\xc3(\xed\xa0\x80\xf0\x9f\x98";
    peri_text_json(&b, bad, sizeof(bad) - 1);
    assert_true(peri_utf8_valid(b.data, b.len));
    assert_non_null(strstr(b.data, "a\xef\xbf\xbd"));
    peri_buf_clear(&b);
    peri_text_ascii(&b, "h\xc3\xa9\n\xf0\x9f\x98\x80", 8);
    assert_string_equal(b.data, "h\\u00e9\\u000a\\U0001f600");
    peri_buf_free(&b);
}

/* Every text comes back from ASCII, also one that looks like the escapes. */
static void ascii_and_back(void **unused)
{
    (void)unused;
    static const char *const texts[] = {"",
                                        "plain",
                                        "a\\b",
                                        "\\u0041",
                                        "\\\\u0041",
                                        "\\U",
                                        "\\",
                                        "\\\\",
                                        "\\\xc3\xa9u0041",
                                        "\\u00e9\xc3\xa9\n\x7f",
                                        "\\uzz",
                                        "\\U0001f600\\u",
                                        "\\u\\U",
                                        "\xf0\x9f\x98\x80"};
    peri_buf_t ascii, back;
    peri_buf_init(&ascii, 1000);
    peri_buf_init(&back, 1000);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        peri_buf_clear(&ascii);
        peri_buf_clear(&back);
        peri_text_ascii(&ascii, texts[i], strlen(texts[i]));
        for (size_t k = 0; k < ascii.len; k++) assert_in_range(ascii.data[k], 32, 126);
        peri_text_unascii(&back, ascii.data, ascii.len);
        assert_int_equal(back.len, strlen(texts[i]));
        if (back.len) assert_memory_equal(back.data, texts[i], back.len);
    }
    peri_buf_clear(&back); /* no escapes: not whole, surrogates, beyond Unicode */
    peri_text_unascii(&back, "\\u12 \\ud800 \\U00110000 \\u00", 27);
    assert_int_equal(back.len, 27);
    peri_buf_free(&ascii);
    peri_buf_free(&back);
}

/* ---- which columns fit ---- */

static void table_fit(void **unused)
{
    (void)unused;
    peri_fit_t c[5] = {{8, false, 0, 0},
                       {50, true, 0, 0},
                       {8, false, 0, 0},
                       {8, false, 0, 0},
                       {8, false, 0, 0}};
    assert_int_equal(peri_table_fit(c, 5, 3, 1, 0), 5);
    assert_int_equal(c[1].width, 50);
    assert_int_equal(peri_table_fit(c, 5, 3, 1, 80), 5); /* the text gives way */
    assert_int_equal(c[1].width, 80 - 1 - 4 * 11 - 3);
    assert_int_equal(peri_table_fit(c, 5, 3, 1, 40), 2); /* then the middle */
    assert_true(c[0].shown && !c[1].shown && !c[2].shown && !c[3].shown && c[4].shown);
    assert_int_equal(peri_table_fit(c, 5, 3, 1, 5), 1); /* never nothing */
    assert_true(c[0].shown && c[0].width >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_are_exact_and_shortest),
        cmocka_unit_test(floats_look_as_expected),
        cmocka_unit_test(integers),
        cmocka_unit_test_setup_teardown(every_scalar_type_as_duckdb, open_duck,
                                        close_duck),
        cmocka_unit_test_setup_teardown(more_values_as_duckdb, open_duck, close_duck),
        cmocka_unit_test_setup_teardown(json_values, open_duck, close_duck),
        cmocka_unit_test_setup_teardown(type_names, open_duck, close_duck),
        cmocka_unit_test(iso_style),
        cmocka_unit_test(damaged_utf8),
        cmocka_unit_test(ascii_and_back),
        cmocka_unit_test(table_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
