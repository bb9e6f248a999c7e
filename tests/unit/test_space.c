/* The functions of positions: values, borders of a periodic box, bad arguments; and the
 * cells that joins go over, against all pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/space.h"

static duckdb_database db;
static duckdb_connection con;

static int set_up(void **state)
{
    (void)state;
    return duckdb_open(NULL, &db) || duckdb_connect(db, &con) ||
           peri_space_register(con, NULL) || peri_cells_register(con, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    duckdb_disconnect(&con);
    duckdb_close(&db);
    return 0;
}

/* The first value as text, or the error. The caller frees. */
static char *ask(const char *sql)
{
    duckdb_result r;
    char *text;
    if (duckdb_query(con, sql, &r) == DuckDBError) {
        const char *why = duckdb_result_error(&r);
        text = duckdb_malloc(strlen(why) + 1);
        strcpy(text, why);
    } else {
        text = duckdb_value_varchar(&r, 0, 0);
    }
    duckdb_destroy_result(&r);
    return text;
}

static void expect(const char *expression, const char *want)
{
    char sql[1000];
    snprintf(sql, sizeof sql, "SELECT (%s)::VARCHAR", expression);
    char *got = ask(sql);
    if (!want ? got != NULL : !got || strcmp(got, want) != 0)
        fail_msg("%s is %s, not %s", expression, got ? got : "NULL",
                 want ? want : "NULL");
    duckdb_free(got);
}

static void expect_error(const char *expression, const char *part)
{
    char sql[1000];
    snprintf(sql, sizeof sql, "SELECT %s", expression);
    char *got = ask(sql);
    if (!got || !strstr(got, part))
        fail_msg("%s gives %s, without \"%s\"", expression, got ? got : "NULL", part);
    duckdb_free(got);
}

static void expect_zero(const char *sql)
{
    char *got = ask(sql);
    if (!got || strcmp(got, "0") != 0) fail_msg("%s: %s", sql, got ? got : "NULL");
    duckdb_free(got);
}

static void exec(const char *sql)
{
    duckdb_result r;
    if (duckdb_query(con, sql, &r) == DuckDBError)
        fail_msg("%s: %s", sql, duckdb_result_error(&r));
    duckdb_destroy_result(&r);
}

static void spheres(void **state)
{
    (void)state;
    expect("in_sphere([1, 2, 3], [1, 2, 4], 1)", "true");
    expect("in_sphere([1, 2, 3], [1, 2, 4.001], 1)", "false");
    expect("in_sphere([49, 25, 0.5], [1, 25, 49.5], 2.3, 50)", "true");
    expect("in_sphere([49, 25, 0.5], [1, 25, 49.5], 2.2, 50)", "false");
    expect("in_sphere([49, 25, 0.5], [1, 25, 49.5], 2.3)", "false");
    expect("in_sphere([9, 5, 5], [1, 5, 5], 2, [10, 20, 20])", "true");
    expect("in_sphere([5, 19, 5], [5, 1, 5], 2, [10, 20, 20])", "true");
    expect("in_sphere([5, 9, 5], [5, 1, 5], 2, [10, 20, 20])", "false");
    /* Outside of the box: as its image within. More than half the box: everything that is
     * near enough, once. */
    expect("in_sphere([-1, 0, 0], [149, 0, 0], 0.001, 50)", "true");
    expect("in_sphere([25, 25, 25], [0, 0, 0], 43.302, 50)", "true");
    expect("in_sphere([25, 25, 25], [0, 0, 0], 43.3, 50)", "false");
    expect("in_sphere([1, 2, 3], [1, 2, 3], 0)", "true");
    expect("in_sphere([1, 2, 3], [1, 2, 3], -1)", "false");
    expect("in_sphere([1, 2, 3], [1, 2, 3], 'nan'::DOUBLE)", "false");
    expect("in_sphere([1, 2, 3], [1, 2, 3], 'inf'::DOUBLE)", "true");
}

static void boxes(void **state)
{
    (void)state;
    expect("in_box([1, 2, 3], [1, 2, 3], [1, 2, 3])", "true");
    expect("in_box([1, 2, 3], [0, 0, 0], [5, 5, 2.9])", "false");
    expect("in_box([2, 2, 3], [45, 0, 0], [55, 5, 5], 50)", "true");
    expect("in_box([47, 2, 3], [45, 0, 0], [55, 5, 5], 50)", "true");
    expect("in_box([47, 2, 3], [-5, 0, 0], [5, 5, 5], 50)", "true");
    expect("in_box([44.9, 2, 3], [-5, 0, 0], [5, 5, 5], 50)", "false");
    expect("in_box([5, 2, 3], [45, 0, 0], [55, 5, 5], 50)", "true");
    expect("in_box([45, 2, 3], [-5, 0, 0], [5, 5, 5], 50)", "true");
    expect("in_box([-3, 2, 103], [45, 0, 0], [55, 5, 5], 50)", "true");
    expect("in_box([20, 2, 3], [0, 0, 0], [50, 5, 5], 50)", "true");
    expect("in_box([20, 2, 3], [-100, 0, 0], [100, 5, 5], 50)", "true");
    expect("in_box([20, 9, 3], [0, 8, 0], [50, 12, 5], [50, 10, 10])", "true");
    expect("in_box([20, 1, 3], [0, 8, 0], [50, 12, 5], [50, 10, 10])", "true");
    expect("in_box([1, 2, 3], [2, 0, 0], [1, 5, 5])", "false");
    expect("in_box([1, 2, 3], [9, 0, 0], [1, 5, 5], 50)", "false");
}

static void distances(void **state)
{
    (void)state;
    expect("distance([0, 0, 0], [3, 4, 0])", "5.0");
    expect("distance([48, 0, 0], [1, 4, 0], 50)", "5.0");
    expect("distance([8, 0, 0], [1, 17, 0], [10, 20, 7])", "4.242640687119285");
    expect("distance([0, 0, 0], [25, 25, 25], 50)", "43.30127018922193");
    expect("distance(['nan'::DOUBLE, 0, 0], [1, 2, 3], 50)", "nan");
    expect("distance([1, 2, 3]::FLOAT[3], [1, 2, 5]::FLOAT[3])", "2.0");
    expect("distance([1, 2, 3]::INTEGER[3], [16777217, 2, 3]::INTEGER[3])", "16777216.0");
}

static void keys_and_cells(void **state)
{
    (void)state;
    expect("cell(12.3, 50, 500)", "1");
    expect("cell(500, 50, 500)", "0");
    expect("cell(-0.1, 50, 500)", "49");
    expect("cell(499.99, 50, 500)", "49");
    expect("cell('nan'::DOUBLE, 50, 500)", NULL);
    expect("cell('inf'::DOUBLE, 50, 500)", NULL);
    expect("ph_key(120, 155, 52, 8)", "4070633");
    expect("ph_key([120.5, 155.5, 52.5], 8, 256)", "4070633");
    expect("ph_key([-135.5, 155.5, 308.5], 8, 256)", "4070633");
    expect("ph_key([120.5, 311, 52.5], 8, [256, 512, 256])", "4070633");
    expect("ph_key([1, NULL, 2], 8, 256)", NULL);
    expect("ph_key([1, 'nan'::DOUBLE, 2], 8, 256)", NULL);
    expect("z_index(5, 6, 3, 3)", "245");
    expect("z_index([5.1, 6.2, 3.3], 3, 8)", "245");
    expect("ph_key(2097151, 2097151, 2097151, 21) < 9223372036854775807", "true");
}

static void null_and_bad_arguments(void **state)
{
    (void)state;
    expect("in_sphere(NULL::DOUBLE[3], [1, 2, 3], 1)", NULL);
    expect("in_sphere([1, 2, NULL], [1, 2, 3], 1)", NULL);
    expect("in_sphere([1, 2, 3], [1, 2, 3], NULL)", NULL);
    expect("in_sphere([1, 2, 3], [1, 2, 3], 1, NULL::DOUBLE)", NULL);
    expect("in_box([1, 2, 3], [NULL, 2, 3], [1, 2, 3])", NULL);
    expect("in_box(['nan'::DOUBLE, 2, 3], [-1, 0, 0], [9, 9, 9], 5)", "false");
    expect("in_box(['inf'::DOUBLE, 2, 3], [-1, 0, 0], [9, 9, 9], 5)", "false");
    expect("in_box(['nan'::DOUBLE, 2, 3], [-1, 0, 0], [9, 9, 9])", "false");
    expect("in_sphere(['nan'::DOUBLE, 2, 3], [1, 2, 3], 9, 50)", "false");
    static const char *const boxes[] = {"0", "-50", "'nan'::DOUBLE", "'inf'::DOUBLE",
                                        "[50, 0, 50]"};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        char e[100];
        snprintf(e, sizeof e, "in_sphere([1, 2, 3], [1, 2, 3], 1, %s)", boxes[i]);
        expect_error(e, "in_sphere: the length of the periodic box must be a positive");
        snprintf(e, sizeof e, "in_box([1, 2, 3], [1, 2, 3], [1, 2, 3], %s)", boxes[i]);
        expect_error(e, "in_box: the length of the periodic box must be a positive");
    }
    expect_error("cell(1, 0, 50)", "the number of cells must be 1 to 2147483647, not 0");
    expect_error("cell(1, 8, -1)", "must be a positive number, not -1");
    expect_error("ph_key([1, 2, 3], 22, 50)", "the number of bits must be 1 to 21");
    expect_error("ph_key(8, 0, 0, 3)", "cells are counted from 0 to 2^bits - 1, not 8");
    expect_error("z_index(0, -1, 0, 3)",
                 "cells are counted from 0 to 2^bits - 1, not -1");
    expect_error("in_sphere([1, 2], [1, 2, 3], 1)", "length 2");
    expect_error("in_sphere([1, 2]::FLOAT[2], [1, 2, 3], 1)", "No function matches");
    expect_error("distance('a', [1, 2, 3])", "a");
}

/* More rows than a vector has, NULL among them, against SQL's own arithmetic. */
static void many_rows(void **state)
{
    (void)state;
    exec("CREATE TABLE t AS SELECT i, (CASE WHEN i % 97 > 0 THEN "
         "[(hash(i) % 100000 / 1000.0)::FLOAT - 20, (hash(i + 1) % 60000 / "
         "1000.0)::FLOAT, (hash(i + 2) % 50000 / 1000.0)::FLOAT] END)::FLOAT[3] "
         "AS p, [hash(i + 3) % 50000 / 1000.0, hash(i + 4) % 50000 / 1000.0, "
         "hash(i + 5) % 50000 / 1000.0]::DOUBLE[3] AS c, "
         "(hash(i + 6) % 2500) / 100.0 AS r FROM range(20000) x(i)");
    exec("CREATE MACRO near(a, b, box) AS (a - b) - box * round((a - b) / box)");
    exec("CREATE TABLE u AS SELECT *, sqrt(near(p[1]::DOUBLE, c[1], 50) ^ 2 + "
         "near(p[2]::DOUBLE, c[2], 50) ^ 2 + near(p[3]::DOUBLE, c[3], 50) ^ 2) "
         "AS d FROM t");
    expect_zero("SELECT count(*) FROM u WHERE abs(distance(p, c, 50) - d) > 1e-12 OR "
                "(d IS NULL) <> (distance(p, c, 50) IS NULL)");
    expect_zero("SELECT count(*) FROM u WHERE in_sphere(p, c, r, 50) <> (d <= r) OR "
                "(in_sphere(p, c, r, 50) IS NULL) <> (i % 97 = 0)");
    expect_zero("SELECT count(*) FROM u WHERE distance(p, c, 50) <> "
                "distance([p[1], p[2], p[3]], c, [50, 50, 50])");
    expect_zero(
        "SELECT 1500 - least(count(*), 1500) FROM u WHERE in_sphere(p, c, r, 50)");
}

/* A sphere's list holds the cell of every position in it once. */
static void cells_lose_no_pair(void **state)
{
    (void)state;
    exec("CREATE TABLE h AS SELECT i, (CASE WHEN i % 7 = 0 THEN [50.0, 0, 25] "
         "ELSE [(i * 7919 % 500) / 10.0, (i * 104729 % 500) / 10.0, (i * 31 % "
         "500) / 10.0] END)::DOUBLE[3] AS c, (i % 40) / 2.0 AS r "
         "FROM range(200) x(i)");
    static const char *const grids[] = {
        "[50, 50, 50], [1, 1, 1]",
        "[5, 5, 5], [10, 10, 10]",
        "[0.5, 5, 25], [100, 10, 2]",
        "[50/3, 50/7, 50/11], [3, 7, 11]",
    };
    char sql[1000];
    for (size_t i = 0; i < sizeof grids / sizeof *grids; i++) {
        snprintf(
            sql, sizeof sql,
            "SELECT count(*) FROM t, h WHERE t.i %% 10 = 1 AND in_sphere(p, h.c, h.r,"
            " 50) AND NOT list_contains(peri_cells(h.c, h.r, %s), peri_cell(p, %s))",
            grids[i], grids[i]);
        expect_zero(sql);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM (SELECT peri_cells(c, r, %s) AS l FROM h) WHERE "
                 "len(l) <> len(list_distinct(l)) OR len(l) = 0",
                 grids[i]);
        expect_zero(sql);
    }
    expect_zero("SELECT count(*) FROM t, h WHERE t.i % 10 = 1 AND in_sphere(p, h.c, h.r) "
                "AND NOT list_contains(peri_cells(h.c, h.r, [3, 4, 5], [2097152, 2097152,"
                " 2097152]), peri_cell(p, [3, 4, 5], [2097152, 2097152, 2097152]))");
    expect("peri_cells([1, 2, 3], -1, [5, 5, 5], [10, 10, 10])", "[]");
    expect("peri_cells([1, 'nan'::DOUBLE, 3], 1, [5, 5, 5], [10, 10, 10])", "[]");
    expect("len(peri_cells([1, 2, 3], 'inf'::DOUBLE, [5, 5, 5], [10, 10, 10]))", "1000");
    expect("peri_cell(['nan'::DOUBLE, 2, 3], [5, 5, 5], [10, 10, 10])", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spheres),
        cmocka_unit_test(boxes),
        cmocka_unit_test(distances),
        cmocka_unit_test(keys_and_cells),
        cmocka_unit_test(null_and_bad_arguments),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(cells_lose_no_pair),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
