/* test_out_reader.c - Perigee reads as a table what it wrote as hdf5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/out/writer.h"
#include "core/table/table.h"

static void write_table(const char *path, const char *sql, peri_err_t *err)
{
    duckdb_database db;
    duckdb_connection con;
    duckdb_result r;
    assert_int_equal(duckdb_open(NULL, &db), DuckDBSuccess);
    assert_int_equal(duckdb_connect(db, &con), DuckDBSuccess);
    if (duckdb_query(con, sql, &r)) fail_msg("%s", duckdb_result_error(&r));
    peri_outcol_t cols[8];
    size_t n = duckdb_column_count(&r);
    for (size_t i = 0; i < n; i++)
        cols[i] = (peri_outcol_t){duckdb_column_name(&r, i), "kpc/h", "a length",
                                  "phys.size", duckdb_column_logical_type(&r, i)};
    peri_outsource_t source = {"/data/x.hdf5", 1, 2};
    peri_provenance_t prov = {sql, "perigee", &source, 1, NULL};
    peri_writer_t *w = peri_writer_new(PERI_FMT_HDF5, path, NULL, cols, n, &prov,
                                       &(peri_writeopts_t){.overwrite = true}, err);
    if (!w) fail_msg("%s", err->text);
    duckdb_data_chunk chunk;
    while ((chunk = duckdb_fetch_chunk(r))) {
        if (peri_writer_chunk(w, chunk, err)) fail_msg("%s", err->text);
        duckdb_destroy_data_chunk(&chunk);
    }
    if (peri_writer_finish(w, err)) fail_msg("%s", err->text);
    peri_writer_free(w);
    for (size_t i = 0; i < n; i++) duckdb_destroy_logical_type(&cols[i].type);
    duckdb_destroy_result(&r);
    duckdb_disconnect(&con);
    duckdb_close(&db);
}

static void round_trip(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/perigee-out-XXXXXX";
    peri_err_t err = {0};
    assert_non_null(mkdtemp(dir));
    char *path = peri_xasprintf("%s/t.h5", dir), *spec = peri_xasprintf("%s:/", path);
    const uint64_t rows[] = {100000, 10, 0};
    for (int k = 0; k < 3; k++) {
        char *sql = peri_xasprintf(
            "SELECT range AS i, (range / 8.0)::FLOAT AS f, range %% 2 = 0 AS b, "
            "'s' || range AS s, [range, -range]::DOUBLE[2] AS v, "
            "CASE WHEN range = 3 THEN NULL ELSE (range %% 99)::INT END AS k "
            "FROM range(%llu) t(range) ORDER BY 1",
            (unsigned long long)rows[k]);
        write_table(path, sql, &err);
        peri_table_t *t = peri_table_resolve_text(spec, NULL, NULL, false, &err);
        if (!t) fail_msg("%s", err.text);
        assert_int_equal(t->rows, rows[k]);
        assert_int_equal(t->ncolumns, rows[k] ? 6 : t->ncolumns);
        static const struct {
            const char *name;
            peri_type_t type;
            uint32_t width;
        } want[] = {{"i", PERI_T_I64, 1}, {"f", PERI_T_F32, 1}, {"b", PERI_T_BOOL, 1},
                    {"s", PERI_T_STR, 1}, {"v", PERI_T_F64, 2}, {"k", PERI_T_I32, 1}};
        for (size_t c = 0; rows[k] && c < 6; c++) {
            const peri_column_t *col = peri_table_column(t, want[c].name);
            assert_non_null(col);
            assert_int_equal(col->type, want[c].type);
            assert_int_equal(col->width, want[c].width);
            assert_string_equal(col->unit, "kpc/h");
        }
        peri_table_unref(t);

        peri_h5file_t *f = peri_h5file_open(path, NULL, &err);
        peri_h5set_t *set = peri_h5set_open(f, "/i", &err);
        peri_h5cursor_t *cursor = peri_h5cursor_new(set, &err);
        int64_t got[1000];
        for (uint64_t r = 0; r + 10 <= rows[k]; r += 1000) {
            uint32_t n = rows[k] - r < 1000 ? (uint32_t)(rows[k] - r) : 1000;
            assert_int_equal(peri_h5cursor_read(cursor, 0, r, n, got, &err), 0);
            for (uint32_t i = 0; i < n; i++) assert_int_equal(got[i], r + i);
        }
        peri_h5cursor_free(cursor);
        peri_h5set_unref(set);
        peri_h5file_unref(f);
        free(sql);
    }
    unlink(path);
    rmdir(dir);
    free(path), free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
