/* The session: rows of HDF5 files as DuckDB sees them, shares, errors, the lock-down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/engine/session.h"

#define ROWS 900000

static char dir[] = "/tmp/peri-engine-XXXXXX";

static void put(hid_t f, const char *name, hid_t stored, hid_t mem, hsize_t n,
                hsize_t width, hsize_t chunk, const void *data)
{
    hsize_t dims[2] = {n, width}, chunks[2] = {chunk, width};
    int rank = width > 1 ? 2 : 1;
    hid_t space = H5Screate_simple(rank, dims, NULL),
          plist = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk) {
        H5Pset_chunk(plist, rank, chunks);
        H5Pset_shuffle(plist);
        H5Pset_deflate(plist, 1);
    }
    hid_t d = H5Dcreate2(f, name, stored, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(H5Dwrite(d, mem, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(d);
    H5Pclose(plist);
    H5Sclose(space);
}

/* id 0..n-1 (+ first), x = id/2 as float (contiguous), pos[3] chunked, name strings; file
 * 1 stores id in 32 bits and lacks `only0`. */
static void make_file(int k, int64_t first, hsize_t n)
{
    char *path = peri_xasprintf("%s/t.%d.hdf5", dir, k);
    hid_t f = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    int64_t *id = peri_xcalloc(n, sizeof(*id));
    float *x = peri_xcalloc(n, sizeof(*x)), *pos = peri_xcalloc(3 * n, sizeof(*pos));
    char(*name)[8] = peri_xcalloc(n, sizeof(*name));
    for (hsize_t i = 0; i < n; i++) {
        id[i] = first + (int64_t)i;
        x[i] = (float)id[i] / 2;
        for (int c = 0; c < 3; c++)
            pos[3 * i + (hsize_t)c] = (float)(id[i] % 1000) + (float)c;
        snprintf(name[i], sizeof(name[i]), "n%d", (int)(id[i] % 100));
    }
    hid_t str = H5Tcopy(H5T_C_S1);
    H5Tset_size(str, 8);
    put(f, "id", k ? H5T_STD_I32LE : H5T_STD_I64LE, H5T_NATIVE_INT64, n, 1, 10000, id);
    put(f, "x", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, n, 1, 0, x);
    put(f, "pos", H5T_IEEE_F32BE, H5T_NATIVE_FLOAT, n, 3, 7000, pos);
    put(f, "name", str, str, n, 1, 50000, name);
    if (k == 0) put(f, "only0", H5T_STD_U8LE, H5T_NATIVE_INT64, n, 1, 0, id);
    H5Tclose(str);
    H5Fclose(f);
    free(id);
    free(x);
    free(pos);
    free(name);
    free(path);
}

static peri_table_t *open_table(void)
{
    peri_err_t err = {0};
    peri_table_t *t = peri_table_resolve_text("t.*.hdf5:/", dir, NULL, false, &err);
    if (!t) print_error("%s\n", err.text);
    assert_non_null(t);
    assert_int_equal(t->rows, ROWS);
    return t;
}

static peri_session_t *open_session(peri_table_t *t, int threads, unsigned virtuals)
{
    peri_err_t err = {0};
    peri_limits_t limits = {.threads = threads, .memory = 1u << 30};
    peri_session_t *s = peri_session_new(&limits, &err);
    if (!s) print_error("%s\n", err.text);
    assert_non_null(s);
    assert_int_equal(peri_session_add_relation(s, 0, t, NULL, virtuals, &err), 0);
    peri_ranges_t all = {0};
    peri_ranges_all(&all, t);
    assert_int_equal(peri_session_set_share(s, 0, &all, &err), 0);
    peri_ranges_free(&all);
    return s;
}

/* First column of the first row as text ("NULL" if it is). */
typedef struct {
    char text[64];
    uint64_t rows;
} first_t;

static int keep_first(duckdb_data_chunk c, void *arg, peri_err_t *err)
{
    (void)err;
    first_t *out = arg;
    if (out->rows == 0) {
        duckdb_string_t *v = duckdb_vector_get_data(duckdb_data_chunk_get_vector(c, 0));
        uint64_t *valid = duckdb_vector_get_validity(duckdb_data_chunk_get_vector(c, 0));
        if (valid && !duckdb_validity_row_is_valid(valid, 0))
            snprintf(out->text, sizeof(out->text), "NULL");
        else
            snprintf(out->text, sizeof(out->text), "%.*s",
                     (int)duckdb_string_t_length(v[0]), duckdb_string_t_data(&v[0]));
    }
    out->rows += duckdb_data_chunk_get_size(c);
    return 0;
}

static void expect(peri_session_t *s, const char *expression, const char *from,
                   const char *want)
{
    char *sql = peri_xasprintf("SELECT (%s)::VARCHAR FROM %s", expression, from);
    first_t got = {{0}, 0};
    peri_err_t err = {0};
    int rc = peri_session_run(s, sql, keep_first, &got, &err);
    if (rc) print_error("%s: %s\n", sql, err.text);
    assert_int_equal(rc, 0);
    assert_string_equal(got.text, want);
    free(sql);
}

static void expect_error(peri_session_t *s, const char *sql, peri_code_t code,
                         const char *word)
{
    first_t got = {{0}, 0};
    peri_err_t err = {0};
    assert_int_equal(peri_session_run(s, sql, keep_first, &got, &err), -1);
    if (!strstr(err.text, word)) print_error("%s: %s\n", sql, err.text);
    assert_non_null(strstr(err.text, word));
    assert_int_equal(err.code, code);
}

static int set_up(void **state)
{
    (void)state;
    peri_h5_init(NULL);
    assert_non_null(mkdtemp(dir));
    make_file(0, 0, 600000);
    make_file(1, 600000, ROWS - 600000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        char *path = peri_xasprintf("%s/t.%d.hdf5", dir, k);
        unlink(path);
        free(path);
    }
    return rmdir(dir);
}

static void values_of_every_column(void **state)
{
    (void)state;
    peri_table_t *t = open_table();
    for (int threads = 1; threads <= 4; threads += 3) {
        peri_session_t *s = open_session(t, threads, PERI_VIRT_FILE | PERI_VIRT_ROW);
        expect(s, "count(*)", "peri_r0", "900000");
        expect(s, "sum(id)", "peri_r0", "404999550000");
        expect(s, "sum(x)", "peri_r0", "202499775000.0");
        expect(s, "count(*)",
               "peri_r0 WHERE pos[1] = id % 1000 AND pos[3] = id % 1000 + 2", "900000");
        expect(s, "count(*)", "peri_r0 WHERE name = 'n' || (id % 100)", "900000");
        expect(s, "count(only0)", "peri_r0", "600000");
        expect(s, "string_agg(DISTINCT file, ' ' ORDER BY file)", "peri_r0",
               "t.0.hdf5 t.1.hdf5");
        expect(s, "max(\"row\")", "peri_r0", "599999");
        expect(s, "count(DISTINCT id)", "peri_r0", "900000");
        peri_progress_t p;
        peri_session_progress(s, &p);
        assert_true(p.rows >= 8u * ROWS);
        assert_true(p.bytes > 0);
        peri_session_free(s);
    }
    peri_table_unref(t);
}

static void rows_come_in_file_order(void **state)
{
    (void)state;
    peri_table_t *t = open_table();
    peri_session_t *s = open_session(t, 2, 0);
    expect(s, "id", "peri_r0 LIMIT 1 OFFSET 750000", "750000");
    expect(s, "count(*)",
           "(SELECT id, lag(id) OVER () AS before FROM peri_r0) "
           "WHERE before IS NULL OR before = id - 1",
           "900000");
    peri_session_free(s);
    peri_table_unref(t);
}

static void shares_make_the_whole(void **state)
{
    (void)state;
    peri_err_t err;
    peri_table_t *t = open_table();
    peri_ranges_t all = {0};
    peri_ranges_all(&all, t);
    int64_t sum = 0;
    for (int rank = 0; rank < 3; rank++) {
        peri_session_t *s = open_session(t, 1, 0);
        peri_ranges_t share = {0};
        peri_ranges_share(&all, 10000, rank, 3, &share);
        assert_int_equal(peri_session_set_share(s, 0, &share, &err), 0);
        first_t got = {{0}, 0};
        assert_int_equal(peri_session_run(s, "SELECT sum(id)::VARCHAR FROM peri_r0",
                                          keep_first, &got, &err),
                         0);
        sum += atoll(got.text);
        peri_ranges_free(&share);
        peri_session_free(s);
    }
    assert_int_equal(sum, 404999550000);
    peri_ranges_free(&all);
    peri_table_unref(t);
}

static void damage_keeps_its_code(void **state)
{
    (void)state;
    peri_table_t *t = open_table();
    char *path = peri_xasprintf("%s/t.1.hdf5", dir);
    assert_int_equal(truncate(path, 1000), 0);
    peri_session_t *s = open_session(t, 2, 0);
    expect_error(s, "SELECT sum(id)::VARCHAR FROM peri_r0", PERI_EFORMAT, "t.1.hdf5");
    peri_session_free(s);
    make_file(1, 600000, ROWS - 600000);
    s = open_session(t, 2, 0);
    expect_error(s, "SELECT sum(x)::VARCHAR FROM peri_r0", PERI_EIO, "changed");
    peri_session_free(s);
    free(path);
    peri_table_unref(t);
}

static void interrupts_end_it(void **state)
{
    (void)state;
    peri_table_t *t = open_table();
    peri_session_t *s = open_session(t, 2, 0);
    peri_session_interrupt(s);
    expect_error(s, "SELECT sum(id)::VARCHAR FROM peri_r0", PERI_ECANCEL, "cancelled");
    peri_session_free(s);
    peri_table_unref(t);
}

static void nothing_gets_out(void **state)
{
    (void)state;
    static const char *const statements[] = {"SELECT * FROM read_csv('/etc/passwd')",
                                             "SELECT * FROM read_text('/etc/passwd')",
                                             "SELECT * FROM glob('/*')",
                                             "COPY (SELECT 1) TO '/tmp/peri-x.csv'",
                                             "ATTACH '/tmp/peri-x.db'",
                                             "LOAD httpfs",
                                             "INSTALL httpfs",
                                             "SET memory_limit='100GB'",
                                             "SET enable_external_access=true",
                                             "PRAGMA threads=99",
                                             "RESET lock_configuration",
                                             "SELECT * FROM '/etc/passwd.csv'"};
    peri_table_t *t = open_table();
    peri_session_t *s = open_session(t, 1, 0);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        first_t got = {{0}, 0};
        peri_err_t err = {0};
        if (peri_session_run(s, statements[i], keep_first, &got, &err) == 0)
            fail_msg("ran: %s", statements[i]);
    }
    peri_session_free(s);
    peri_table_unref(t);
}

static void limits_are_told(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_limits_t limits = {.threads = 1, .memory = 32u << 20};
    peri_session_t *s = peri_session_new(&limits, &err);
    expect_error(s,
                 "SELECT count(*)::VARCHAR FROM (SELECT DISTINCT (i * 7919)::VARCHAR || "
                 "repeat('x', 50) FROM range(5000000) t(i))",
                 PERI_ELIMIT, "--memory");
    peri_session_free(s);
}

static void tables_of_stages(void **state)
{
    (void)state;
    peri_table_t *t = open_table();
    peri_session_t *s = open_session(t, 1, 0);
    duckdb_logical_type *types;
    char **names;
    size_t n;
    peri_err_t err = {0};
    assert_int_equal(
        peri_session_describe(s,
                              "SELECT id, pos, name, {'a': [1.5::DECIMAL(4,1)]} "
                              "AS st FROM peri_r0",
                              &types, &names, &n, &err),
        0);
    assert_int_equal(n, 4);
    assert_string_equal(names[3], "st");
    assert_int_equal(peri_session_create_table(s, "peri_s0", types,
                                               (const char *const *)names, n, &err),
                     0);
    expect(s, "count(*)", "peri_s0", "0");
    expect(s, "any_value(typeof(st))", "(SELECT st FROM peri_s0 UNION ALL SELECT NULL)",
           "STRUCT(a DECIMAL(4,1)[])");
    duckdb_logical_type *again;
    char **names2;
    size_t n2;
    assert_int_equal(
        peri_session_describe(s, "SELECT * FROM peri_s0", &again, &names2, &n2, &err), 0);
    assert_int_equal(n2, 4);
    assert_int_equal(duckdb_get_type_id(again[1]), DUCKDB_TYPE_ARRAY);
    for (size_t i = 0; i < n; i++) {
        duckdb_destroy_logical_type(&types[i]);
        duckdb_destroy_logical_type(&again[i]);
        free(names[i]);
        free(names2[i]);
    }
    free(types);
    free(again);
    free(names);
    free(names2);
    peri_session_free(s);
    peri_table_unref(t);
}

/* Rows that conditions exclude do not come, and those that come have their own values;
 * whatever columns are read, on one thread and on many. */
static void conditions_drop_rows(void **state)
{
    (void)state;
    peri_table_t *t = open_table();
    for (int threads = 1; threads <= 3; threads += 2) {
        peri_err_t err = {0};
        peri_session_t *s =
            open_session(t, threads, PERI_VIRT_ROW | PERI_VIRT_FILE | PERI_VIRT_IDX);
        peri_const_t low = {.kind = PERI_CONST_INT, .i = 599990},
                     high = {.kind = PERI_CONST_REAL, .d = 300003.0};
        const peri_pred_t preds[] = {{.column = "id",
                                      .component = -1,
                                      .op = PERI_OP_GE,
                                      .nvalues = 1,
                                      .values = &low},
                                     {.column = "x",
                                      .component = -1,
                                      .op = PERI_OP_LE,
                                      .nvalues = 1,
                                      .values = &high},
                                     {.column = "name",
                                      .component = -1,
                                      .op = PERI_OP_GE,
                                      .nvalues = 1,
                                      .values = &low},
                                     {.column = "nowhere",
                                      .component = -1,
                                      .op = PERI_OP_EQ,
                                      .nvalues = 1,
                                      .values = &low}};
        assert_int_equal(peri_session_set_filter(s, 0, preds, 4, &err), 0);
        expect(s, "count(id)", "peri_r0", "300010");
        expect(s, "count(id + x)", "peri_r0", "17");
        expect(s, "list([id, row, idx] ORDER BY id)[10:11]",
               "(SELECT * FROM peri_r0 WHERE x > 0)",
               "[[599999, 599999, 599999], [600000, 0, 600000]]");
        expect(s,
               "string_agg(name || pos[2]::INT || coalesce(only0, -1) || file[3], ' ' "
               "ORDER BY id)",
               "peri_r0 WHERE x BETWEEN 299999 AND 300001",
               "n989992550 n9910002550 n01-11 n12-11 n23-11");
        expect(s, "count(*)", "peri_r0", "900000");
        assert_int_equal(peri_session_set_filter(s, 0, NULL, 0, &err), 0);
        expect(s, "count(id + x)", "peri_r0", "900000");
        assert_int_equal(peri_session_set_filter(s, 1, preds, 4, &err), -1);
        peri_session_free(s);
    }
    peri_table_unref(t);
}

/* Keys of groups: an ENUM of 2^bits - 2 values, and an error where a value is none. */
static void keys_of_groups(void **state)
{
    (void)state;
    static const char *const types[] = {"TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",
                                        "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"};
    peri_err_t err = {0};
    peri_limits_t limits = {.threads = 1, .memory = 1u << 30};
    peri_session_t *s = peri_session_new(&limits, &err);
    assert_non_null(s);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        char from[160], bad[160];
        snprintf(from, sizeof(from), "(SELECT CAST(i AS %s) AS k FROM range(6) t(i))",
                 types[i]);
        expect(s, "list(enum_code(peri_key3(k)))", from, "[0, 1, 2, 3, 4, 5]");
        expect(s, "list(enum_code(peri_key12(k, -3)))", from, "[3, 4, 5, 6, 7, 8]");
        expect(s, "list(enum_code(peri_key8(CASE WHEN k % 2 = 0 THEN k END)))", from,
               "[0, NULL, 2, NULL, 4, NULL]");
        for (int value = 6; value < 9; value++) {
            snprintf(bad, sizeof(bad), "SELECT peri_key3(CAST(%d AS %s))::VARCHAR", value,
                     types[i]);
            expect_error(s, bad, PERI_EINVAL, "outside of the bounds");
        }
        snprintf(bad, sizeof(bad), "SELECT peri_key3(CAST(0 AS %s), 1)::VARCHAR",
                 types[i]);
        expect_error(s, bad, PERI_EINVAL, "outside of the bounds");
        if (*types[i] == 'U') continue;
        snprintf(bad, sizeof(bad), "SELECT peri_key3(CAST(-1 AS %s))::VARCHAR", types[i]);
        expect_error(s, bad, PERI_EINVAL, "outside of the bounds");
    }
    expect(s, "enum_code(peri_key12(4093))", "range(1)", "4093");
    expect_error(s, "SELECT peri_key12(4094)::VARCHAR", PERI_EINVAL, "make the index");
    expect_error(s, "SELECT peri_key12(18446744073709551615)::VARCHAR", PERI_EINVAL,
                 "make the index");
    expect_error(s, "SELECT peri_key13(1)::VARCHAR", PERI_EINVAL, "peri_key13");
    peri_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_of_every_column),
                                       cmocka_unit_test(rows_come_in_file_order),
                                       cmocka_unit_test(shares_make_the_whole),
                                       cmocka_unit_test(damage_keeps_its_code),
                                       cmocka_unit_test(interrupts_end_it),
                                       cmocka_unit_test(nothing_gets_out),
                                       cmocka_unit_test(limits_are_told),
                                       cmocka_unit_test(conditions_drop_rows),
                                       cmocka_unit_test(keys_of_groups),
                                       cmocka_unit_test(tables_of_stages)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
