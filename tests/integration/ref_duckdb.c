/* ref_duckdb.c - plain DuckDB, for comparison: nothing of Perigee is in it.
 *
 *   ref_duckdb DATABASE|:memory: < blocks
 *
 * A block is a first line "exec", "rows" or "time N", then SQL, then a line "----".
 *   exec  run the statements                            -> {"ok": true}
 *   rows  run one query; every value as DuckDB's text   -> {"names": [...], "rows":
 * [[...]]} time  run one query N times to its last row         -> {"rows": n, "seconds":
 * [...]} One JSON object a line on stdout for each block; {"error": "..."} if it failed.
 */
#include <duckdb.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    char *text;
    size_t len, cap;
} text_t;

static void text_add(text_t *t, const char *s)
{
    size_t n = strlen(s);
    if (t->len + n + 1 > t->cap) {
        t->cap = 2 * (t->len + n + 1);
        t->text = realloc(t->text, t->cap);
        if (!t->text) abort();
    }
    memcpy(t->text + t->len, s, n + 1);
    t->len += n;
}

static json_t *failure(duckdb_result *res)
{
    const char *why = duckdb_result_error(res);
    return json_pack("{s:s}", "error", why ? why : "unknown");
}

static json_t *run_exec(duckdb_connection con, const char *sql)
{
    duckdb_result res;
    json_t *out = duckdb_query(con, sql, &res) == DuckDBSuccess
                      ? json_pack("{s:b}", "ok", 1)
                      : failure(&res);
    duckdb_destroy_result(&res);
    return out;
}

/* All columns were cast to VARCHAR, so each value is a duckdb_string_t. */
static void add_chunk(json_t *rows, duckdb_data_chunk chunk)
{
    idx_t n = duckdb_data_chunk_get_size(chunk);
    idx_t ncols = duckdb_data_chunk_get_column_count(chunk);
    for (idx_t r = 0; r < n; r++) {
        json_t *row = json_array();
        for (idx_t c = 0; c < ncols; c++) {
            duckdb_vector v = duckdb_data_chunk_get_vector(chunk, c);
            uint64_t *valid = duckdb_vector_get_validity(v);
            duckdb_string_t *s = (duckdb_string_t *)duckdb_vector_get_data(v) + r;
            if (valid && !duckdb_validity_row_is_valid(valid, r))
                json_array_append_new(row, json_null());
            else
                json_array_append_new(row, json_stringn(duckdb_string_t_data(s),
                                                        duckdb_string_t_length(*s)));
        }
        json_array_append_new(rows, row);
    }
}

static json_t *run_rows(duckdb_connection con, const char *sql)
{
    text_t all = {0};
    text_add(&all, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (\n");
    text_add(&all, sql);
    text_add(&all, "\n)");
    duckdb_result res;
    json_t *out;
    if (duckdb_query(con, all.text, &res) != DuckDBSuccess) {
        out = failure(&res);
    } else {
        json_t *names = json_array(), *rows = json_array();
        for (idx_t c = 0; c < duckdb_column_count(&res); c++)
            json_array_append_new(names, json_string(duckdb_column_name(&res, c)));
        duckdb_data_chunk chunk;
        while ((chunk = duckdb_fetch_chunk(res))) {
            add_chunk(rows, chunk);
            duckdb_destroy_data_chunk(&chunk);
        }
        out = json_pack("{s:o,s:o}", "names", names, "rows", rows);
    }
    duckdb_destroy_result(&res);
    free(all.text);
    return out;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static json_t *run_time(duckdb_connection con, const char *sql, int times)
{
    json_t *seconds = json_array();
    json_int_t rows = 0;
    for (int i = 0; i < times; i++) {
        double t0 = now();
        duckdb_result res;
        if (duckdb_query(con, sql, &res) != DuckDBSuccess) {
            json_t *out = failure(&res);
            duckdb_destroy_result(&res);
            json_decref(seconds);
            return out;
        }
        rows = 0;
        duckdb_data_chunk chunk;
        while ((chunk = duckdb_fetch_chunk(res))) {
            rows += (json_int_t)duckdb_data_chunk_get_size(chunk);
            duckdb_destroy_data_chunk(&chunk);
        }
        json_array_append_new(seconds, json_real(now() - t0));
        duckdb_destroy_result(&res);
    }
    return json_pack("{s:I,s:o}", "rows", rows, "seconds", seconds);
}

static int answer(duckdb_connection con, const char *how, const char *sql)
{
    json_t *out = NULL;
    if (strcmp(how, "exec") == 0)
        out = run_exec(con, sql);
    else if (strcmp(how, "rows") == 0)
        out = run_rows(con, sql);
    else if (strncmp(how, "time ", 5) == 0)
        out = run_time(con, sql, (int)strtol(how + 5, NULL, 10));
    if (!out) {
        fprintf(stderr, "ref_duckdb: no such block: %s\n", how);
        return -1;
    }
    json_dumpf(out, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    fflush(stdout);
    json_decref(out);
    return 0;
}

int main(int argc, char **argv)
{
    duckdb_database db;
    duckdb_connection con;
    if (argc != 2 || duckdb_open(argv[1], &db) != DuckDBSuccess ||
        duckdb_connect(db, &con) != DuckDBSuccess) {
        fprintf(stderr, "usage: ref_duckdb DATABASE|:memory: < blocks\n");
        return 2;
    }
    char *line = NULL;
    size_t cap = 0;
    char how[64] = "";
    text_t sql = {0};
    int status = 0;
    while (status == 0 && getline(&line, &cap, stdin) >= 0) {
        if (how[0] == '\0') {
            snprintf(how, sizeof(how), "%.*s", (int)strcspn(line, "\n"), line);
        } else if (strcmp(line, "----\n") == 0) {
            status = answer(con, how, sql.text ? sql.text : "");
            how[0] = '\0';
            sql.len = 0;
        } else {
            text_add(&sql, line);
        }
    }
    free(line);
    free(sql.text);
    duckdb_disconnect(&con);
    duckdb_close(&db);
    return status ? 1 : 0;
}
