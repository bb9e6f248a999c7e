/* test_out_exact.c - what is written as hdf5 comes back from our own reader with the same
 * types, values, NULLs and order of columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/engine/session.h"
#include "core/out/writer.h"
#include "core/table/sqltype.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A column: its type, and the values that its rows have in turn. */
static const struct {
    const char *name, *type, *values;
} columns[] = {
    {"z_bool", "BOOLEAN", "true, NULL, false"},
    {"i8", "TINYINT", "-128, 127, NULL, 0"},
    {"i16", "SMALLINT", "-32768, 32767, NULL, 0"},
    {"i32", "INTEGER", "-2147483648, 2147483647, NULL, 0"},
    {"i64", "BIGINT", "-9223372036854775808, 9223372036854775807, NULL, 0"},
    {"u8", "UTINYINT", "255, 0, NULL"},
    {"u16", "USMALLINT", "65535, 0, NULL"},
    {"u32", "UINTEGER", "4294967295, 0, NULL"},
    {"u64", "UBIGINT", "18446744073709551615, 0, NULL"},
    {"huge", "HUGEINT", "-9223372036854775808, 9223372036854775807, NULL"},
    {"uhuge", "UHUGEINT", "18446744073709551615, 0, NULL"},
    {"f32", "FLOAT", "'nan', 'inf', '-inf', '-0.0', 3.4028235e38, 1e-45, NULL, 0.1"},
    {"f64", "DOUBLE", "'nan', 'inf', '-inf', '-0.0', 1.7976931348623157e308, NULL, 0.1"},
    {"dec4", "DECIMAL(4,1)", "-999.9, 999.9, 0.1, NULL"},
    {"dec15", "DECIMAL(15,7)", "-99999999.9999999, 12345678.7654321, 0.0000001, NULL"},
    {"dec38", "DECIMAL(38,10)", "-12345.0123456789, 0.0000000001, 123456789, NULL"},
    {"dec18", "DECIMAL(18,2)", "9007199254740993.01, -0.01, NULL"},
    {"dec38_big", "DECIMAL(38,20)",
     "999999999999999999.99999999999999999999, -1e-20::DECIMAL(38,20), NULL"},
    {"huge_big", "HUGEINT",
     "-170141183460469231731687303715884105728, "
     "170141183460469231731687303715884105727, NULL, 9223372036854775808"},
    {"uhuge_big", "UHUGEINT",
     "340282366920938463463374607431768211455, 18446744073709551616, 0, NULL"},
    {"d", "DATE", "'2024-02-29', '0044-03-15 (BC)', 'infinity', '-infinity', NULL"},
    {"t", "TIME", "'00:00:00', '23:59:59.999999', NULL"},
    {"ts", "TIMESTAMP", "'2024-02-29 01:02:03.000004', 'infinity', '1901-01-01', NULL"},
    {"ts_s", "TIMESTAMP_S", "'2024-02-29 01:02:03', '1901-01-01', NULL"},
    {"ts_ms", "TIMESTAMP_MS", "'2024-02-29 01:02:03.004', '1901-01-01', NULL"},
    {"ts_ns", "TIMESTAMP_NS", "'2024-02-29 01:02:03.000000004', '1901-01-01', NULL"},
    {"ts_tz", "TIMESTAMPTZ", "'2024-02-29 01:02:03.000004+02', '1901-01-01', NULL"},
    {"t_tz", "TIMETZ", "'01:02:03.000004+02:30', '23:59:59-11', NULL"},
    {"iv", "INTERVAL", "'1 year 2 months -3 days', '-30:00:00.000001', '0 days', NULL"},
    {"uuid", "UUID", "'550e8400-e29b-41d4-a716-446655440000', NULL"},
    {"blob", "BLOB", "'\\x00\\xFF\\x5Cx41 ''\"', '', NULL, '\\xC3\\xA9'"},
    {"bit", "BIT", "'1', '0101010101', NULL"},
    {"bignum", "BIGNUM", "'123456789012345678901234567890', '-1', NULL"},
    {"e", "ENUM('a b', 'c''d', '')", "'a b', 'c''d', '', NULL"},
    {"s", "VARCHAR", "'', NULL, 'h\u00e9lium \u2605', 'null', 'two\nlines', ' x '"},
    {"v2", "FLOAT[2]", "[1, 2], NULL, [NULL, -0.0], ['nan', 'inf'], [NULL, NULL]"},
    {"v1", "DOUBLE[1]", "[1], NULL, [2], [NULL], ['nan']"},
    {"v1d", "DATE[1]", "['2024-01-01'], NULL, [NULL], ['1970-01-01']"},
    {"v1h", "HUGEINT[1]", "[7], NULL, [NULL], [0]"},
    {"v3i", "INTEGER[3]", "[1, 2, NULL], NULL, [NULL, NULL, NULL], [0, 0, 0]"},
    {"v2b", "BOOLEAN[2]", "[NULL, true], NULL, [NULL, NULL], [false, false]"},
    {"v2t", "TIMESTAMP[2]", "[NULL, '2024-01-01'], NULL, [NULL, NULL]"},
    {"vd", "DATE[2]", "['2024-01-01', NULL], NULL, ['1969-12-31', 'infinity']"},
    {"vdec", "DECIMAL(6,2)[3]", "[1.25, NULL, -9999.99], NULL"},
    {"vdec_big", "DECIMAL(20,2)[2]", "[123456789012345678.91, NULL], [0.1, 0], NULL"},
    {"vhuge", "HUGEINT[2]", "[9223372036854775808, NULL], NULL, [0, -1]"},
    {"vhuge_small", "HUGEINT[2]", "[9223372036854775807, NULL], NULL, [0, -1]"},
    {"vs", "VARCHAR[2]", "['a', NULL], NULL, ['', 'null']"},
    {"vv", "INTEGER[2][2]", "[[1, 2], [3, 4]], NULL, [NULL, [5, NULL]]"},
    {"l", "DOUBLE[]", "[], NULL, [NULL], ['nan', '-0.0', 0.1, 1e300]"},
    {"ls", "VARCHAR[][]", "[[]], NULL, [['a', 'q\"', NULL], NULL]"},
    {"lb", "BLOB[]", "['\\x00\\xFFa'], NULL"},
    {"ldec", "DECIMAL(17,3)[]", "[12345678901234.123, NULL, -0.001], NULL"},
    {"lt", "TIMESTAMP[]", "['2024-02-29 01:02:03.000004', NULL], NULL"},
    {"lh", "HUGEINT[]", "[170141183460469231731687303715884105727, NULL], NULL"},
    {"st", "STRUCT(\"a b\" INTEGER, \"c\"\"\" VARCHAR[])",
     "ROW(1, ['x']), ROW(NULL, NULL), NULL"},
    {"m", "MAP(VARCHAR, INTEGER)", "MAP{'k': 1, '': NULL}, MAP{}, NULL"},
    {"mi", "MAP(INTEGER, DATE)", "MAP{5: DATE '2024-01-01'}, NULL"},
    {"mk", "MAP(INTEGER[], VARCHAR)", "MAP{[1, NULL]: 'x', []: NULL}, MAP{}, NULL"},
    {"ms", "MAP(STRUCT(\"a\"\"\" BLOB, \"b\" DECIMAL(20,1)), DATE)[]",
     "[MAP{ROW('\\x00\"', 1234567890123456789.1): DATE '2024-01-01'}, NULL], NULL"},
    {"un", "UNION(\"a\" INTEGER, \"b x\" VARCHAR, \"c\" BLOB, \"d\" DATE[])",
     "5, 'x', union_value(c := '\\x00'::BLOB), ['2024-01-01'::DATE, NULL], NULL, "
     "union_value(a := NULL::INTEGER)"},
    {"a.b/c", "INTEGER", "1, NULL"},
    {"nulls", "INTEGER", "1, NULL"},
};

static char dir[] = "/tmp/perigee-exact-XXXXXX";
static char *path;

static char *make_select(unsigned long long rows)
{
    peri_buf_t b;
    peri_buf_init(&b, 1u << 20);
    peri_buf_puts(&b, "SELECT range AS z_row");
    for (size_t i = 0; i < COUNT(columns); i++) {
        /* DuckDB has no CASE of arrays, but of lists. */
        char *arm = peri_xstrdup(columns[i].type);
        for (char *from = arm, *to = arm; (*to = *from); from++)
            if (to == arm || to[-1] != '[' || *from < '0' || *from > '9') to++;
        peri_buf_puts(&b, ", CAST(CASE range % ");
        size_t n = 0;
        /* Values one by one, so that each is cast by itself. */
        peri_buf_t cases;
        peri_buf_init(&cases, 1u << 16);
        const char *v = columns[i].values;
        while (*v) {
            int depth = 0;
            bool quoted = false;
            const char *end = v;
            for (; *end && (quoted || depth || *end != ','); end++) {
                if (*end == '\'') quoted = !quoted;
                if (!quoted)
                    depth += strchr("[({", *end) ? 1 : strchr("])}", *end) ? -1 : 0;
            }
            peri_buf_printf(&cases, "WHEN %zu THEN CAST(%.*s AS %s) ", n++,
                            (int)(end - v), v, arm);
            v = *end ? end + 1 : end;
        }
        peri_buf_printf(&b, "%zu %s END AS %s) AS ", n, cases.data, columns[i].type);
        free(arm);
        peri_buf_put_quoted(&b, columns[i].name, '"');
        peri_buf_free(&cases);
    }
    peri_buf_printf(&b, " FROM range(%llu) t(range)", rows);
    char *sql = peri_xstrdup(b.data);
    peri_buf_free(&b);
    return sql;
}

static int write_chunk(duckdb_data_chunk c, void *arg, peri_err_t *err)
{
    return peri_writer_chunk(arg, c, err);
}

static void must(int rc, const peri_err_t *err)
{
    if (rc) fail_msg("%s", err->text);
}

static peri_session_t *new_session(int threads)
{
    peri_err_t err = {0};
    peri_limits_t limits = {.threads = threads, .memory = 1u << 30};
    peri_session_t *s = peri_session_new(&limits, &err);
    if (!s) fail_msg("%s", err.text);
    return s;
}

static int write_file(peri_session_t *s, const char *sql, peri_err_t *err)
{
    duckdb_logical_type *types;
    char **names;
    size_t n;
    must(peri_session_describe(s, sql, &types, &names, &n, err), err);
    peri_outcol_t *cols = peri_xcalloc(n, sizeof(*cols));
    for (size_t i = 0; i < n; i++)
        cols[i] = (peri_outcol_t){names[i], "", "", "", types[i]};
    peri_provenance_t prov = {sql, "perigee", NULL, 0, NULL};
    peri_writer_t *w = peri_writer_new(PERI_FMT_HDF5, path, NULL, cols, n, &prov,
                                       &(peri_writeopts_t){.overwrite = true}, err);
    int rc = w ? peri_session_run(s, sql, write_chunk, w, err) : -1;
    if (!rc) rc = peri_writer_finish(w, err);
    peri_writer_free(w);
    for (size_t i = 0; i < n; i++) {
        duckdb_destroy_logical_type(&types[i]);
        free(names[i]);
    }
    free(types);
    free(names);
    free(cols);
    return rc;
}

static peri_table_t *open_table(void)
{
    peri_err_t err = {0};
    peri_table_t *t = peri_table_resolve_text(path, NULL, NULL, false, &err);
    if (!t) fail_msg("%s", err.text);
    /* As another rank gets it. */
    peri_buf_t b;
    peri_buf_init(&b, 1u << 20);
    must(peri_table_pack(t, &b, &err), &err);
    peri_table_unref(t);
    t = peri_table_unpack(b.data, b.len, &err);
    if (!t) fail_msg("%s", err.text);
    peri_buf_free(&b);
    return t;
}

static void add_table(peri_session_t *s, peri_table_t *t)
{
    peri_err_t err = {0};
    must(peri_session_add_relation(s, 0, t, NULL, 0, &err), &err);
    peri_ranges_t all = {0};
    peri_ranges_all(&all, t);
    must(peri_session_set_share(s, 0, &all, &err), &err);
    peri_ranges_free(&all);
}

static int keep_number(duckdb_data_chunk c, void *arg, peri_err_t *err)
{
    (void)err;
    *(int64_t *)arg =
        *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(c, 0));
    return 0;
}

static int64_t number(peri_session_t *s, const char *sql)
{
    int64_t v = -1;
    peri_err_t err = {0};
    must(peri_session_run(s, sql, keep_number, &v, &err), &err);
    return v;
}

/* The same types, names and order. */
static void same_columns(peri_session_t *s, const char *a, const char *b)
{
    peri_err_t err = {0};
    duckdb_logical_type *types[2];
    char **names[2];
    size_t n[2];
    must(peri_session_describe(s, a, &types[0], &names[0], &n[0], &err), &err);
    must(peri_session_describe(s, b, &types[1], &names[1], &n[1], &err), &err);
    assert_int_equal(n[0], n[1]);
    for (size_t i = 0; i < n[0]; i++) {
        assert_string_equal(names[0][i], names[1][i]);
        if (duckdb_get_type_id(types[0][i]) != duckdb_get_type_id(types[1][i]))
            fail_msg("%s has another type", names[0][i]);
        for (int k = 0; k < 2; k++) {
            duckdb_destroy_logical_type(&types[k][i]);
            free(names[k][i]);
        }
    }
    for (int k = 0; k < 2; k++) {
        free(types[k]);
        free(names[k]);
    }
}

typedef struct {
    int64_t bad[COUNT(columns)];
} differ_t;

static int keep_differ(duckdb_data_chunk c, void *arg, peri_err_t *err)
{
    (void)err;
    differ_t *d = arg;
    for (size_t i = 0; i < COUNT(columns); i++)
        d->bad[i] =
            *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(c, i));
    return 0;
}

/* As values and as text (which tells -0.0 from 0), types with all that belongs to them.
 */
static void same_values(peri_session_t *s)
{
    peri_buf_t b;
    peri_err_t err = {0};
    differ_t d;
    peri_buf_init(&b, 1u << 20);
    peri_buf_puts(&b, "SELECT ");
    for (size_t i = 0; i < COUNT(columns); i++) {
        char *o = peri_xasprintf("o.\"%s\"", columns[i].name);
        char *p = peri_xasprintf("p.\"%s\"", columns[i].name);
        peri_buf_printf(
            &b,
            "%scount(*) FILTER (WHERE %s IS DISTINCT FROM %s OR %s::VARCHAR IS "
            "DISTINCT FROM %s::VARCHAR OR typeof(%s) <> typeof(%s))",
            i ? ", " : "", o, p, o, p, o, p);
        free(o);
        free(p);
    }
    peri_buf_puts(&b, " FROM orig o FULL JOIN peri_r0 p USING (z_row)");
    must(peri_session_run(s, b.data, keep_differ, &d, &err), &err);
    peri_buf_free(&b);
    for (size_t i = 0; i < COUNT(columns); i++)
        if (d.bad[i])
            fail_msg("column %s: %lld rows differ", columns[i].name, (long long)d.bad[i]);
}

static void round_trip(void **unused)
{
    (void)unused;
    const unsigned long long rows[] = {0, 1, 2, 9, 2000, 40000};
    for (size_t k = 0; k < COUNT(rows); k++) {
        peri_err_t err = {0};
        peri_session_t *s = new_session(2);
        char *select = make_select(rows[k]);
        char *create = peri_xasprintf("CREATE TABLE orig AS %s", select);
        must(peri_session_run(s, create, keep_number, &(int64_t){0}, &err), &err);
        must(write_file(s, "SELECT * FROM orig ORDER BY z_row", &err), &err);
        peri_table_t *t = open_table();
        assert_int_equal(t->rows, rows[k]);
        assert_int_equal(t->ncolumns, COUNT(columns) + 1);
        add_table(s, t);
        same_columns(s, "FROM orig", "FROM peri_r0");
        same_values(s);
        assert_int_equal(number(s, "SELECT count(*) FROM peri_r0 WHERE i32 IS NULL"),
                         number(s, "SELECT count(*) FROM orig WHERE i32 IS NULL"));
        peri_session_free(s);
        peri_table_unref(t);
        free(select);
        free(create);
    }
}

/* Many blocks, decoded ahead of a scan that keeps the order of rows. */
static void ahead(void **unused)
{
    (void)unused;
    peri_err_t err = {0};
    peri_session_t *s = new_session(2);
    must(write_file(
             s,
             "SELECT range AS z_row, CASE WHEN range % 1000 <> 7 THEN range END AS k, "
             "(CASE WHEN range > 700000 THEN [range, NULL] END)::BIGINT[2] AS v "
             "FROM range(1200000) t(range)",
             &err),
         &err);
    peri_table_t *t = open_table();
    assert_true(peri_table_column(t, "k")->nullable);
    assert_false(peri_table_column(t, "z_row")->nullable);
    add_table(s, t);
    assert_int_equal(number(s, "SELECT count(*) FROM peri_r0 WHERE (k IS NULL) <> "
                               "(z_row % 1000 = 7) OR k <> z_row OR (v IS NULL) <> "
                               "(z_row <= 700000) OR v[1] <> z_row OR v[2] IS NOT NULL"),
                     0);
    assert_int_equal(
        number(s, "SELECT sum(n)::BIGINT FROM (SELECT (k IS NULL)::INT AS n "
                  "FROM (SELECT k FROM peri_r0 WHERE z_row >= 0 LIMIT 1100000))"),
        1100);
    peri_session_free(s);
    peri_table_unref(t);
}

/* Texts of files that nobody vouches for. */
static void types(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        peri_type_t stored;
        uint32_t width;
        peri_sqlform_t form;
    } v[] = {{"DATE", PERI_T_I32, 1, PERI_SQLFORM_BITS},
             {"DATE", PERI_T_I64, 1, PERI_SQLFORM_STORED},
             {"DATE[3]", PERI_T_I32, 3, PERI_SQLFORM_BITS},
             {"DATE[3]", PERI_T_I32, 2, PERI_SQLFORM_STORED},
             {"FLOAT[1]", PERI_T_F32, 1, PERI_SQLFORM_ONE},
             {"FLOAT[2]", PERI_T_F32, 2, PERI_SQLFORM_STORED},
             {"TIMESTAMP_NS", PERI_T_I64, 1, PERI_SQLFORM_BITS},
             {"DECIMAL(18,3)", PERI_T_F64, 1, PERI_SQLFORM_CAST},
             {"DECIMAL(18,3)", PERI_T_STR, 1, PERI_SQLFORM_CAST},
             {"DECIMAL(18,3)", PERI_T_I64, 1, PERI_SQLFORM_STORED},
             {"DECIMAL(18,3)[2]", PERI_T_STR, 1, PERI_SQLFORM_JSON},
             {"HUGEINT", PERI_T_STR, 1, PERI_SQLFORM_CAST},
             {"BIGINT", PERI_T_STR, 1, PERI_SQLFORM_STORED},
             {"DECIMAL(39,3)", PERI_T_F64, 1, PERI_SQLFORM_STORED},
             {"DECIMAL(3,4)", PERI_T_F64, 1, PERI_SQLFORM_STORED},
             {"UUID", PERI_T_STR, 1, PERI_SQLFORM_CAST},
             {"UUID", PERI_T_BLOB, 1, PERI_SQLFORM_STORED},
             {"ENUM('a', 'it''s')", PERI_T_STR, 1, PERI_SQLFORM_CAST},
             {"ENUM('a', 'it's')", PERI_T_STR, 1, PERI_SQLFORM_STORED},
             {"ENUM('a'", PERI_T_STR, 1, PERI_SQLFORM_STORED},
             {"STRUCT(\"a\" INTEGER, \"b\" MAP(VARCHAR, DATE[]))[]", PERI_T_STR, 1,
              PERI_SQLFORM_JSON},
             {"UNION(\"a\" INTEGER, \"b\" MAP(INTEGER[], BLOB))", PERI_T_STR, 1,
              PERI_SQLFORM_JSON},
             {"MAP(MAP(INTEGER, DATE), BLOB)", PERI_T_STR, 1, PERI_SQLFORM_STORED},
             {"STRUCT(a INTEGER)", PERI_T_STR, 1, PERI_SQLFORM_STORED},
             {"INTEGER) FROM x --", PERI_T_STR, 1, PERI_SQLFORM_STORED},
             {"INTEGER[0]", PERI_T_STR, 1, PERI_SQLFORM_STORED},
             {"INTEGER[", PERI_T_STR, 1, PERI_SQLFORM_STORED},
             {"", PERI_T_I32, 1, PERI_SQLFORM_STORED},
             {NULL, PERI_T_I32, 1, PERI_SQLFORM_STORED}};
    for (size_t i = 0; i < COUNT(v); i++)
        if (peri_sqltype_form(v[i].text, v[i].stored, v[i].width) != v[i].form)
            fail_msg("%s", v[i].text);
    /* Deep and long ones. */
    peri_buf_t b;
    peri_buf_init(&b, 1u << 20);
    for (int i = 0; i < 5000; i++) peri_buf_puts(&b, "STRUCT(\"a\" ");
    assert_int_equal(peri_sqltype_form(b.data, PERI_T_STR, 1), PERI_SQLFORM_STORED);
    peri_buf_clear(&b);
    for (int i = 0; i < 40000; i++) peri_buf_puts(&b, i ? "[]" : "INTEGER");
    assert_int_equal(peri_sqltype_form(b.data, PERI_T_STR, 1), PERI_SQLFORM_STORED);
    peri_buf_free(&b);
}

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    path = peri_xasprintf("%s/t.h5", dir);
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip),
                                       cmocka_unit_test(ahead), cmocka_unit_test(types)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    free(path);
    return failed;
}
