/* test_out.c - the writer: formats by name, files that appear whole or not at all, errors
 * in time, every type in every format, and Parquet read back by DuckDB. What other
 * programs read of the files: tests/integration/check_formats.py. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/out/writer.h"

typedef struct {
    duckdb_database db;
    duckdb_connection con;
    char dir[64];
    duckdb_result result;
    peri_outcol_t *cols;
    size_t ncols;
} env_t;

static const char *const format_names[] = {"table",   "csv",  "tsv",  "json",   "ndjson",
                                           "parquet", "hdf5", "fits", "votable"};
#define NFORMATS (sizeof(format_names) / sizeof(format_names[0]))

static int open_env(void **s)
{
    env_t *e = peri_xcalloc(1, sizeof(*e));
    assert_int_equal(duckdb_open(NULL, &e->db), DuckDBSuccess);
    assert_int_equal(duckdb_connect(e->db, &e->con), DuckDBSuccess);
    snprintf(e->dir, sizeof(e->dir), "/tmp/perigee-out-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    *s = e;
    return 0;
}

static size_t count_files(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;
    for (struct dirent *f; (f = readdir(d));)
        n += strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void empty_dir(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *f; (f = readdir(d));) {
        char *path = peri_xasprintf("%s/%s", dir, f->d_name);
        if (unlink(path)) rmdir(path);
        free(path);
    }
    closedir(d);
}

static void end_query(env_t *e)
{
    for (size_t i = 0; i < e->ncols; i++) duckdb_destroy_logical_type(&e->cols[i].type);
    free(e->cols);
    duckdb_destroy_result(&e->result);
    e->cols = NULL;
    e->ncols = 0;
}

static int close_env(void **s)
{
    env_t *e = *s;
    end_query(e);
    umount(e->dir); /* of a test that failed */
    empty_dir(e->dir);
    rmdir(e->dir);
    duckdb_disconnect(&e->con);
    duckdb_close(&e->db);
    free(e);
    return 0;
}

static void begin_query(env_t *e, const char *sql)
{
    end_query(e);
    if (duckdb_query(e->con, sql, &e->result))
        fail_msg("%s: %s", sql, duckdb_result_error(&e->result));
    e->ncols = duckdb_column_count(&e->result);
    e->cols = peri_xcalloc(e->ncols, sizeof(*e->cols));
    for (size_t i = 0; i < e->ncols; i++) {
        e->cols[i].name = duckdb_column_name(&e->result, i);
        e->cols[i].unit = i == 0 ? "kpc/h" : "";
        e->cols[i].description = i == 0 ? "what's \"this\" <&>" : "";
        e->cols[i].ucd = "";
        e->cols[i].type = duckdb_column_logical_type(&e->result, i);
    }
}

static peri_writer_t *new_writer(env_t *e, peri_format_t f, const char *path,
                                 FILE *stream, bool overwrite, peri_err_t *err)
{
    static const peri_outsource_t source = {"/data/it's.hdf5", 10, -5};
    peri_provenance_t prov = {"SELECT 'it''s'\n\tFROM \"x\" -- é", "perigee 0", &source,
                              1, NULL};
    peri_writeopts_t opts = {.overwrite = overwrite};
    memset(err, 0, sizeof(*err));
    return peri_writer_new(f, path, stream, e->cols, e->ncols, &prov, &opts, err);
}

static int write_rows(env_t *e, peri_writer_t *w, peri_err_t *err)
{
    int rc = 0;
    duckdb_data_chunk chunk;
    while ((chunk = duckdb_fetch_chunk(e->result))) {
        if (!rc) rc = peri_writer_chunk(w, chunk, err);
        duckdb_destroy_data_chunk(&chunk);
    }
    return rc;
}

/* The whole of it; the path's ending names the format. */
static int write_query(env_t *e, const char *sql, const char *path, bool overwrite,
                       peri_err_t *err)
{
    peri_format_t f;
    assert_int_equal(peri_format_from_path(path, &f, err), 0);
    begin_query(e, sql);
    peri_writer_t *w = new_writer(e, f, path, NULL, overwrite, err);
    if (!w) return -1;
    int rc = write_rows(e, w, err);
    if (!rc) rc = peri_writer_finish(w, err);
    peri_writer_free(w);
    return rc;
}

static char *in_dir(const env_t *e, const char *name)
{
    return peri_xasprintf("%s/%s", e->dir, name);
}

static char *slurp(const char *path)
{
    char *text;
    size_t n;
    peri_err_t err;
    if (peri_file_slurp(path, 1 << 24, &text, &n, &err)) fail_msg("%s", err.text);
    return text;
}

/* ---- formats by name ---- */

static void formats(void **unused)
{
    (void)unused;
    peri_format_t f;
    peri_err_t err = {0};
    for (size_t i = 0; i < NFORMATS; i++) {
        assert_int_equal(peri_format_parse(format_names[i], &f, &err), 0);
        assert_int_equal(f, i);
    }
    assert_int_equal(peri_format_parse("HDF5", &f, &err), 0);
    assert_int_equal(peri_format_parse("parket", &f, &err), -1);
    assert_non_null(strstr(err.text, "parquet"));
    assert_int_equal(err.code, PERI_EINVAL);

    static const struct {
        const char *path;
        int format;
    } paths[] = {{"a.csv", PERI_FMT_CSV},
                 {"/x.y/a.H5", PERI_FMT_HDF5},
                 {"a.hdf5", PERI_FMT_HDF5},
                 {"a.fits", PERI_FMT_FITS},
                 {"a.jsonl", PERI_FMT_NDJSON},
                 {"a.b.json", PERI_FMT_JSON},
                 {"a.parquet", PERI_FMT_PARQUET},
                 {"a.vot", PERI_FMT_VOTABLE},
                 {"a.tsv", PERI_FMT_TSV},
                 {"a", -1},
                 {"x.csv/a", -1},
                 {"a.", -1},
                 {"a.cs", -1},
                 {"a.pdf", -1},
                 {"", -1}};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int rc = peri_format_from_path(paths[i].path, &f, &err);
        assert_int_equal(rc, paths[i].format < 0 ? -1 : 0);
        if (!rc) assert_int_equal(f, paths[i].format);
    }
    assert_non_null(strstr(err.text, ".parquet"));
}

/* ---- places ---- */

static void refused(env_t *e, const char *path, bool overwrite, peri_code_t code,
                    const char *says)
{
    peri_err_t err;
    begin_query(e, "SELECT 1 AS a");
    for (size_t f = 0; f < NFORMATS; f++) {
        peri_writer_t *w = new_writer(e, (peri_format_t)f, path, stdout, overwrite, &err);
        if (w) fail_msg("%s was accepted for %s", path, format_names[f]);
        assert_int_equal(err.code, code);
        if (!strstr(err.text, says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    }
}

static void bad_places(void **s)
{
    env_t *e = *s;
    char *missing = in_dir(e, "no/where.csv"), *there = in_dir(e, "there.csv"),
         *below = in_dir(e, "there.csv/x.csv"), *link = in_dir(e, "broken"),
         *slash = in_dir(e, "x/"), *longest = peri_xasprintf("%s/%0300d", e->dir, 1);
    peri_err_t err;
    assert_int_equal(peri_file_write_atomic(there, "old", 3, &err), 0);
    assert_int_equal(symlink("/nowhere/at/all", link), 0);

    refused(e, missing, false, PERI_ENOTFOUND, "no folder");
    refused(e, there, false, PERI_EINVAL, "exists already");
    refused(e, below, false, PERI_EIO, "Not a directory");
    refused(e, e->dir, true, PERI_EINVAL, "is a folder");
    refused(e, link, true, PERI_EINVAL, "leads nowhere");
    refused(e, slash, true, PERI_EINVAL, "not the name of a file");
    refused(e, "", true, PERI_EINVAL, "not the name of a file");
    refused(e, "/dev/null", true, PERI_EINVAL, "not a regular file");
    refused(e, longest, true, PERI_EIO, "too long");
    if (geteuid() != 0)
        refused(e, "/etc/x.csv", false, PERI_EDENIED, "cannot be written");

    char *text = slurp(there);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(count_files(e->dir), 2);
    begin_query(e, "SELECT 1 AS a");
    const peri_format_t files[] = {PERI_FMT_PARQUET, PERI_FMT_HDF5, PERI_FMT_FITS};
    for (size_t i = 0; i < 3; i++) {
        assert_null(new_writer(e, files[i], NULL, stdout, false, &err));
        assert_int_equal(err.code, PERI_EINVAL);
        assert_non_null(strstr(err.text, "standard output"));
    }
    char *all[] = {missing, there, below, link, slash, longest};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) free(all[i]);
}

/* Not there before _finish, whole after it; gone without a trace after _free alone. */
static void whole_or_not_at_all(void **s)
{
    env_t *e = *s;
    peri_err_t err;
    for (size_t f = 0; f < NFORMATS; f++) {
        char *path = in_dir(e, "r.out");
        for (int finish = 0; finish < 2; finish++) {
            begin_query(e, "SELECT range AS a, 'x' || range AS b FROM range(5000)");
            peri_writer_t *w = new_writer(e, (peri_format_t)f, path, NULL, false, &err);
            if (!w) fail_msg("%s: %s", format_names[f], err.text);
            assert_int_equal(write_rows(e, w, &err), 0);
            assert_int_equal(peri_writer_rows(w), 5000);
            assert_int_not_equal(access(path, F_OK), 0);
            if (finish) assert_int_equal(peri_writer_finish(w, &err), 0);
            if (finish) assert_int_equal(peri_writer_finish(w, &err), 0);
            peri_writer_free(w);
            assert_int_equal(count_files(e->dir), (size_t)finish);
        }
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0666 & ~022);
        assert_int_equal(unlink(path), 0);

        begin_query(e, "SELECT 1 AS a"); /* never a row */
        peri_writer_free(new_writer(e, (peri_format_t)f, path, NULL, false, &err));
        assert_int_equal(count_files(e->dir), 0);
        free(path);
    }
}

static void overwriting(void **s)
{
    env_t *e = *s;
    peri_err_t err;
    char *path = in_dir(e, "a.csv"), *link = in_dir(e, "l.csv"), *text;
    assert_int_equal(write_query(e, "SELECT 1 AS a", path, false, &err), 0);
    assert_int_equal(write_query(e, "SELECT 2 AS a", path, false, &err), -1);
    assert_int_equal(write_query(e, "SELECT 3 AS a", path, true, &err), 0);
    assert_int_equal(symlink("a.csv", link), 0);
    assert_int_equal(write_query(e, "SELECT 4 AS a", link, true, &err), 0);
    text = slurp(path); /* through the link, which stays one */
    assert_string_equal(text, "a\n4\n");
    free(text);
    assert_int_equal(count_files(e->dir), 2);

    /* Somebody else's file appears while we write: it stays. */
    unlink(path);
    begin_query(e, "SELECT 5 AS a");
    peri_writer_t *w = new_writer(e, PERI_FMT_CSV, path, NULL, false, &err);
    assert_int_equal(write_rows(e, w, &err), 0);
    assert_int_equal(peri_file_write_atomic(path, "theirs", 6, NULL), 0);
    assert_int_equal(peri_writer_finish(w, &err), -1);
    assert_non_null(strstr(err.text, "exists already"));
    peri_writer_free(w);
    text = slurp(path);
    assert_string_equal(text, "theirs");
    free(text);
    assert_int_equal(count_files(e->dir), 2);
    free(path), free(link);
}

static void full_disk(void **s)
{
    env_t *e = *s;
    peri_err_t err;
    if (mount("perigee-test", e->dir, "tmpfs", 0, "size=300k")) {
        print_message("no tmpfs may be mounted here: skipped\n");
        skip();
    }
    for (size_t f = 1; f < NFORMATS; f++) {
        /* Once with strings, once in numbers only: other ways through HDF5 and FITS. */
        static const char *const queries[] = {
            "SELECT random() AS a, 'text ' || random() AS b FROM range(200000)",
            "SELECT random() AS a, (hash(range) >> 1)::BIGINT AS b FROM range(200000)"};
        for (int q = 0; q < 2; q++) {
            char *path = in_dir(e, "r.out");
            begin_query(e, queries[q]);
            peri_writer_t *w = new_writer(e, (peri_format_t)f, path, NULL, false, &err);
            if (!w) fail_msg("%s: %s", format_names[f], err.text);
            int rc = write_rows(e, w, &err);
            if (!rc) rc = peri_writer_finish(w, &err);
            assert_int_equal(rc, -1);
            assert_int_equal(err.code, PERI_EIO);
            if (!strcasestr(err.text, "no space") && !strcasestr(err.text, "no room"))
                fail_msg("%s: %s", format_names[f], err.text);
            peri_err_t again;
            assert_int_equal(peri_writer_finish(w, &again), -1); /* it sticks */
            assert_string_equal(again.text, err.text);
            peri_writer_free(w);
            if (count_files(e->dir)) fail_msg("%s leaves a file", format_names[f]);
            free(path);
        }
    }
    end_query(e);
    umount(e->dir);
}

static void streams_that_fail(void **s)
{
    env_t *e = *s;
    peri_err_t err;
    signal(SIGPIPE, SIG_IGN);
    for (size_t f = 0; f < NFORMATS; f++) {
        if (f == PERI_FMT_PARQUET || f == PERI_FMT_HDF5 || f == PERI_FMT_FITS) continue;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        close(ends[0]);
        FILE *out[2] = {fdopen(ends[1], "w"), fopen("/dev/full", "w")};
        for (int i = 0; i < 2; i++) {
            begin_query(e, "SELECT range AS a FROM range(100000)");
            peri_writer_t *w = new_writer(e, (peri_format_t)f, NULL, out[i], false, &err);
            assert_non_null(w);
            int rc = write_rows(e, w, &err);
            if (!rc) rc = peri_writer_finish(w, &err);
            assert_int_equal(rc, -1);
            assert_int_equal(err.code, i ? PERI_EIO : PERI_ECLOSED);
            assert_non_null(strstr(err.text, i ? "no space left"
                                               : "the reader of the output closed it"));
            peri_writer_free(w);
            fclose(out[i]);
        }
    }
}

/* ---- types ---- */

/* Every type, extremes and NULL, into every format: written, or refused with the column's
 * name. Where each must succeed, it is said here. */
static void every_type_everywhere(void **s)
{
    env_t *e = *s;
    peri_err_t err;
    duckdb_result types;
    assert_int_equal(
        duckdb_query(e->con, "SELECT column_name FROM (DESCRIBE FROM test_all_types())",
                     &types),
        DuckDBSuccess);
    idx_t n = duckdb_row_count(&types);
    assert_true(n > 40);
    for (idx_t i = 0; i < n; i++) {
        char *name = duckdb_value_varchar(&types, 0, i);
        char *sql = peri_xasprintf("SELECT 1 AS id, \"%s\" FROM test_all_types()", name);
        bool nul = strcmp(name, "varchar") == 0; /* it has a NUL character */
        for (size_t f = 0; f < NFORMATS; f++) {
            char *path = in_dir(e, "r.out");
            begin_query(e, sql);
            peri_writer_t *w = new_writer(e, (peri_format_t)f, path, NULL, true, &err);
            if (!w) fail_msg("%s as %s: %s", name, format_names[f], err.text);
            int rc = write_rows(e, w, &err);
            if (!rc) rc = peri_writer_finish(w, &err);
            peri_writer_free(w);
            bool fine = !(nul && f == PERI_FMT_HDF5);
            if (fine && rc) fail_msg("%s as %s: %s", name, format_names[f], err.text);
            if (!fine) {
                assert_int_equal(rc, -1);
                assert_int_equal(err.code, PERI_EUNSUPP);
                if (!strstr(err.text, name))
                    fail_msg("%s is not named: %s", name, err.text);
            }
            unlink(path);
            assert_int_equal(count_files(e->dir), 0);
            free(path);
        }
        free(sql);
        duckdb_free(name);
    }
    duckdb_destroy_result(&types);
}

static void text_is(env_t *e, const char *sql, const char *ending, const char *want)
{
    peri_err_t err;
    char *name = peri_xasprintf("t.%s", ending), *path = in_dir(e, name);
    if (write_query(e, sql, path, true, &err)) fail_msg("%s: %s", sql, err.text);
    char *text = slurp(path);
    assert_string_equal(text, want);
    free(text), free(path), free(name);
}

static void texts(void **s)
{
    static const char *const cases[][3] = {
        {"SELECT 1 AS a, NULL AS b, '' AS c", "csv", "a,b,c\n1,,\"\"\n"},
        {"SELECT 'x,y' AS \"a,b\", 'say \"hi\"' AS c, E'l1\\nl2' AS d", "csv",
         "\"a,b\",c,d\n\"x,y\",\"say \"\"hi\"\"\",\"l1\nl2\"\n"},
        {"SELECT [1,2] AS v, {'k': 'x'} AS o, 'é' AS u", "csv",
         "v,o,u\n\"[1,2]\",\"{\"\"k\"\":\"\"x\"\"}\",é\n"},
        {"SELECT 'nan'::DOUBLE AS a, '-inf'::FLOAT AS b", "csv", "a,b\nnan,-inf\n"},
        {"SELECT 1 AS a WHERE false", "csv", "a\n"},
        {"SELECT 1 AS a, 2 AS a, 3 AS A, 4 AS a_1", "csv", "a,a_1,A_2,a_1_1\n1,2,3,4\n"},
        {"SELECT E'a\\tb\\nc\\\\d' AS x, NULL AS y, '\"' AS z", "tsv",
         "x\ty\tz\na\\tb\\nc\\\\d\t\t\"\n"},
        {"SELECT 1 AS a, NULL AS \"b\"\"\" UNION ALL SELECT 2, NULL", "json",
         "[\n{\"a\":1,\"b\\\"\":null},\n{\"a\":2,\"b\\\"\":null}\n]\n"},
        {"SELECT 1 AS a WHERE false", "json", "[]\n"},
        {"SELECT 1 AS a, 'x' AS b", "ndjson", "{\"a\":1,\"b\":\"x\"}\n"},
        {"SELECT 1 AS a WHERE false", "ndjson", ""},
        {"SELECT 1 AS a, E'\\x1b[31m' || chr(155) AS b, NULL AS c", "txt",
         "       a | b              |       c\n"
         " integer | varchar        | integer\n"
         "   kpc/h |                |\n"
         "---------+----------------+---------\n"
         "       1 | \\x1b[31m\\u009b |    NULL\n"
         "1 row\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        text_is(*s, cases[i][0], cases[i][1], cases[i][2]);
}

/* First and last rows, whatever the number of chunks. */
static void table_rows(void **s)
{
    env_t *e = *s;
    peri_err_t err;
    char *path = in_dir(e, "t.txt");
    for (uint64_t rows = 38; rows < 10000; rows = rows < 45 ? rows + 1 : rows * 2 + 3) {
        char *sql = peri_xasprintf("SELECT range AS a FROM range(%llu)",
                                   (unsigned long long)rows);
        assert_int_equal(write_query(e, sql, path, true, &err), 0);
        char *text = slurp(path), line[64];
        size_t lines = 0;
        for (char *p = text; *p; p++) lines += *p == '\n';
        assert_int_equal(lines, 4 + (rows <= 40 ? rows : 41) + 1);
        const uint64_t shown[] = {0, 19, rows - 20, rows - 1};
        for (int i = 0; i < 4; i++) {
            snprintf(line, sizeof(line), " %llu\n", (unsigned long long)shown[i]);
            if (!strstr(text, line))
                fail_msg("%llu rows: no row%s", (unsigned long long)rows, line);
        }
        free(text), free(sql);
    }
    free(path);
}

/* ---- parquet, read back ---- */

static void same_rows(env_t *e, const char *left, const char *right)
{
    char *sql =
        peri_xasprintf("SELECT count(*) FROM ((FROM (%s) EXCEPT ALL FROM (%s)) UNION ALL "
                       "(FROM (%s) EXCEPT ALL FROM (%s)))",
                       left, right, right, left);
    duckdb_result r;
    if (duckdb_query(e->con, sql, &r)) fail_msg("%s: %s", sql, duckdb_result_error(&r));
    if (duckdb_value_int64(&r, 0, 0)) fail_msg("%s differs", left);
    duckdb_destroy_result(&r);
    free(sql);
}

static void parquet_back(void **s)
{
    env_t *e = *s;
    peri_err_t err;
    static const char *const queries[] = {
        "SELECT * EXCLUDE (hugeint, uhugeint, bignum, bit, \"interval\", time_tz, "
        "\"union\", "
        "fixed_int_array, fixed_varchar_array, fixed_nested_int_array, "
        "fixed_nested_varchar_array, fixed_struct_array, struct_of_fixed_array, "
        "fixed_array_of_int_list, list_of_fixed_int_array, timestamp_s, small_enum, "
        "medium_enum, large_enum, timestamp_ms) FROM test_all_types()",
        "SELECT range AS a, CASE WHEN range % 3 = 0 THEN NULL ELSE 'x' || range END AS "
        "b, "
        "[range, NULL] AS c, {'d': range / 2} AS e FROM range(100000)",
        "SELECT 'nan'::FLOAT AS f, 'inf'::DOUBLE AS d",
        "SELECT 1 AS a, 'x' AS \"quo\"\"te\" WHERE false",
    };
    char *path = in_dir(e, "r.parquet");
    char *back = peri_xasprintf("SELECT * FROM read_parquet('%s')", path);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        if (write_query(e, queries[i], path, true, &err)) fail_msg("%s", err.text);
        same_rows(e, queries[i], back);
    }
    /* 64 bits of a sum, text of what Parquet lacks */
    assert_int_equal(
        write_query(e,
                    "SELECT sum(range) AS s, INTERVAL '-1 day' AS i, '101'::BIT AS "
                    "b FROM range(10)",
                    path, true, &err),
        0);
    char *part = peri_xasprintf("SELECT s, i, b FROM (%s)", back);
    same_rows(e, "SELECT 45::BIGINT, '-1 day', '101'", part);
    free(part);
    duckdb_result r;
    char *sql =
        peri_xasprintf("SELECT decode(value) FROM parquet_kv_metadata('%s') WHERE "
                       "key = 'query'",
                       path);
    assert_int_equal(duckdb_query(e->con, sql, &r), DuckDBSuccess);
    char *value = duckdb_value_varchar(&r, 0, 0);
    assert_string_equal(value, "SELECT 'it''s'\n\tFROM \"x\" -- é");
    duckdb_free(value);
    duckdb_destroy_result(&r);
    free(sql), free(back), free(path);
}

static void not_allowed_to_lose(void **s)
{
    env_t *e = *s;
    peri_err_t err;
    static const char *const vectors[] = {"[NULL, NULL]::INTEGER[2]",
                                          "[NULL, NULL]::BOOLEAN[2]"};
    for (size_t i = 0; i < 2; i++) {
        char *path = in_dir(e, "r.fits");
        char *sql = peri_xasprintf("SELECT %s AS v", vectors[i]);
        assert_int_equal(write_query(e, sql, path, false, &err), -1);
        assert_int_equal(err.code, PERI_EUNSUPP);
        assert_non_null(
            strstr(err.text, "\"v\" has in row 1 a vector of nothing but NULL"));
        assert_int_equal(count_files(e->dir), 0);
        free(path), free(sql);
    }
    char *path = in_dir(e, "r.fits");
    assert_int_equal(
        write_query(e,
                    "SELECT (range - 128)::TINYINT AS x FROM range(256) UNION ALL "
                    "SELECT NULL",
                    path, false, &err),
        -1);
    assert_non_null(strstr(err.text, "mark them"));
    assert_int_equal(count_files(e->dir), 0);
    assert_int_equal(write_query(e, "SELECT repeat('x', 40000) AS x", path, false, &err),
                     -1);
    assert_non_null(strstr(err.text, "too long"));
    free(path);
}

int main(void)
{
    umask(022);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test_setup_teardown(bad_places, open_env, close_env),
        cmocka_unit_test_setup_teardown(whole_or_not_at_all, open_env, close_env),
        cmocka_unit_test_setup_teardown(overwriting, open_env, close_env),
        cmocka_unit_test_setup_teardown(full_disk, open_env, close_env),
        cmocka_unit_test_setup_teardown(streams_that_fail, open_env, close_env),
        cmocka_unit_test_setup_teardown(every_type_everywhere, open_env, close_env),
        cmocka_unit_test_setup_teardown(texts, open_env, close_env),
        cmocka_unit_test_setup_teardown(table_rows, open_env, close_env),
        cmocka_unit_test_setup_teardown(parquet_back, open_env, close_env),
        cmocka_unit_test_setup_teardown(not_allowed_to_lose, open_env, close_env),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
