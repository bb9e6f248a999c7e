/* test_out_write.c - writes the result of a query with core/out: not a test by itself,
 * but what tests/integration/check_formats.py and people use to make files.
 *
 *   test_out_write [-w WIDTH] [-n ROWS] [-8] [-f] [-q] [-u COLUMN=UNIT] [-d COLUMN=TEXT]
 *                  [-c COLUMN=UCD] FORMAT PATH SQL
 *
 * PATH - is standard output; -8 box characters, -f overwrite, -q print the seconds taken.
 */
#include <duckdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/out/writer.h"

#define PAIRS_MAX 32

typedef struct {
    const char *pair[PAIRS_MAX];
    size_t n;
} pairs_t;

static const char *find(const pairs_t *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        size_t k = strlen(name);
        if (strncmp(p->pair[i], name, k) == 0 && p->pair[i][k] == '=')
            return p->pair[i] + k + 1;
    }
    return "";
}

static int run(peri_format_t fmt, const char *path, duckdb_result *result,
               const pairs_t pairs[3], const char *sql, const peri_writeopts_t *opts,
               double *seconds, peri_err_t *err)
{
    size_t n = duckdb_column_count(result);
    peri_outcol_t *cols = peri_xcalloc(n, sizeof(*cols));
    for (size_t i = 0; i < n; i++) {
        cols[i].name = duckdb_column_name(result, i);
        cols[i].unit = find(&pairs[0], cols[i].name);
        cols[i].description = find(&pairs[1], cols[i].name);
        cols[i].ucd = find(&pairs[2], cols[i].name);
        cols[i].type = duckdb_column_logical_type(result, i);
    }
    peri_outsource_t sources[] = {
        {"/data/snap_099.0.hdf5", 123456789, 1700000000123456789},
        {"/data/snap_099.1.hdf5", 0, 0}};
    peri_provenance_t prov = {sql, "perigee " PERIGEE_VERSION, sources, 2, NULL};
    double start = peri_now();
    peri_writer_t *w = peri_writer_new(fmt, path, stdout, cols, n, &prov, opts, err);
    int rc = w ? 0 : -1;
    duckdb_data_chunk chunk;
    while (!rc && (chunk = duckdb_fetch_chunk(*result))) {
        rc = peri_writer_chunk(w, chunk, err);
        duckdb_destroy_data_chunk(&chunk);
    }
    if (!rc) rc = peri_writer_finish(w, err);
    *seconds = peri_now() - start;
    peri_writer_free(w);
    for (size_t i = 0; i < n; i++) duckdb_destroy_logical_type(&cols[i].type);
    free(cols);
    return rc;
}

int main(int argc, char **argv)
{
    pairs_t pairs[3] = {0};
    peri_writeopts_t opts = {0};
    bool quiet = true;
    int o;
    signal(SIGPIPE, SIG_IGN);
    while ((o = getopt(argc, argv, "w:n:8fqu:d:c:")) != -1) {
        pairs_t *p = o == 'u'   ? &pairs[0]
                     : o == 'd' ? &pairs[1]
                     : o == 'c' ? &pairs[2]
                                : NULL;
        if (p && p->n < PAIRS_MAX) p->pair[p->n++] = optarg;
        if (o == 'w') opts.width = strtoul(optarg, NULL, 10);
        if (o == 'n') opts.max_rows = strtoul(optarg, NULL, 10);
        if (o == '8') opts.utf8 = true;
        if (o == 'f') opts.overwrite = true;
        if (o == 'q') quiet = false;
        if (o == '?') return 2;
    }
    if (argc - optind != 3) return 2;
    const char *path = strcmp(argv[optind + 1], "-") ? argv[optind + 1] : NULL;
    const char *sql = argv[optind + 2];
    peri_err_t err = {0};
    peri_format_t fmt;
    duckdb_database db = NULL;
    duckdb_connection con = NULL;
    duckdb_prepared_statement statement = NULL;
    duckdb_result result = {0};
    double seconds = 0;
    int rc = peri_format_parse(argv[optind], &fmt, &err);
    if (!rc && (duckdb_open(NULL, &db) || duckdb_connect(db, &con)))
        rc = peri_err_set(&err, PERI_EINTERNAL, "DuckDB cannot start");
    duckdb_pending_result pending = NULL;
    if (!rc && (duckdb_prepare(con, sql, &statement) ||
                duckdb_pending_prepared_streaming(statement, &pending) ||
                duckdb_execute_pending(pending, &result)))
        rc = peri_err_set(&err, PERI_EINVAL, "%s",
                          pending     ? duckdb_pending_error(pending)
                          : statement ? duckdb_prepare_error(statement)
                                      : "the query failed");
    if (!rc) rc = run(fmt, path, &result, pairs, sql, &opts, &seconds, &err);
    if (rc) fprintf(stderr, "%s\n", err.text);
    if (!rc && !quiet) fprintf(stderr, "%.3f s\n", seconds);
    duckdb_destroy_result(&result);
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&statement);
    duckdb_disconnect(&con);
    duckdb_close(&db);
    return rc ? peri_err_exit_status(&err) : 0;
}
