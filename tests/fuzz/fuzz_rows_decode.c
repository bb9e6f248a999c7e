/* fuzz_rows_decode.c - libFuzzer target: any bytes as rows from another rank. The first
 * byte chooses the types.
 *
 * clang -fsanitize=fuzzer,address, linked with peri_rows and DuckDB.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/rows/rows.h"

static const char *const statements[] = {
    "SELECT 1::TINYINT, 2::DOUBLE, true, 'a'::ENUM('a', 'b')",
    "SELECT 'text', '\\xAA'::BLOB, '101'::BIT, 5::BIGNUM",
    "SELECT [1, 2], [['a']], MAP {'k': [1.5]}",
    "SELECT {'a': 1, 'b': 'x', 'c': [NULL, 'y']}, array_value('p', 'q')",
    "SELECT union_value(n := 1)::UNION(n INT, s VARCHAR), [array_value(1, 2)]",
};
#define NSTATEMENTS (sizeof(statements) / sizeof(statements[0]))

static peri_rows_t *rows[NSTATEMENTS];

static void start(void)
{
    static duckdb_database db; /* live to the end: no leak */
    static duckdb_connection con;
    if (duckdb_open(NULL, &db) == DuckDBError || duckdb_connect(db, &con) == DuckDBError)
        abort();
    for (size_t i = 0; i < NSTATEMENTS; i++) {
        duckdb_result r;
        duckdb_logical_type types[8];
        if (duckdb_query(con, statements[i], &r) == DuckDBError) abort();
        idx_t n = duckdb_column_count(&r);
        for (idx_t k = 0; k < n; k++) types[k] = duckdb_column_logical_type(&r, k);
        rows[i] = peri_rows_new(types, n, NULL);
        for (idx_t k = 0; k < n; k++) duckdb_destroy_logical_type(&types[k]);
        duckdb_destroy_result(&r);
        if (!rows[i]) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!rows[0]) start();
    if (size < 1) return 0;
    peri_rows_t *r = rows[data[0] % NSTATEMENTS];
    peri_reader_t in = {(const char *)data + 1, (const char *)data + size, false};
    duckdb_data_chunk c;
    peri_buf_t again;
    peri_buf_init(&again, 64u << 20);
    while (in.p < in.end && peri_rows_decode(r, &in, &c, NULL) == 0) {
        peri_buf_clear(&again);
        peri_rows_encode(r, c, &again, NULL);
    }
    peri_buf_free(&again);
    return 0;
}
