/* test_sql_sim.h - for the planner's tests: DuckDBs with the tables of data/sql/data.sql,
 * a resolver over them, and ranks played by several databases in one process. */
#ifndef TEST_SQL_SIM_H
#define TEST_SQL_SIM_H

#include <ctype.h>
#include <duckdb.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "core/engine/space.h"
#include "core/sql/plan.h"

#define SIM_DATA PERIGEE_SOURCE_DIR "/tests/unit/data/sql/"

typedef struct {
    duckdb_database db;
    duckdb_connection con;
} sim_db_t;

typedef struct {
    const char *name;
    const char *columns[12];
    uint32_t widths[12];
    uint32_t bytes[12];
    size_t ncolumns;
    uint64_t rows;
    bool has_snapnum;
} sim_table_t;

static const sim_table_t SIM_TABLES[] = {
    {"groups",
     {"id", "snap", "mass", "rad", "n", "name", "flag", "pos", "nothing", "big"},
     {1, 1, 1, 1, 1, 1, 1, 3, 1, 1},
     {8, 4, 4, 8, 4, 8, 1, 12, 8, 8},
     10,
     3000,
     true},
    {"subhalos",
     {"id", "grp", "mass", "vel", "sfr", "type", "name"},
     {1, 1, 1, 2, 1, 1, 1},
     {8, 8, 4, 16, 8, 1, 8},
     7,
     9000,
     false},
    {"trees",
     {"id", "descendant", "snap", "mass"},
     {1, 1, 1, 1},
     {8, 8, 4, 8},
     4,
     1500,
     false},
    {"types", {"type", "label", "weight"}, {1, 1, 1}, {1, 8, 8}, 3, 6, false},
    {"empty", {"id", "x", "name"}, {1, 1, 1}, {8, 8, 8}, 3, 0, false},
    {"extremes", {"id", "x", "k"}, {1, 1, 1}, {8, 8, 4}, 3, 9, false},
};
#define SIM_NTABLES (sizeof SIM_TABLES / sizeof *SIM_TABLES)

static void sim_exec(duckdb_connection con, const char *sql)
{
    duckdb_result r;
    if (duckdb_query(con, sql, &r) == DuckDBError)
        fail_msg("%s\n  in: %.400s", duckdb_result_error(&r), sql);
    duckdb_destroy_result(&r);
}

static char *sim_slurp(const char *name)
{
    char path[512], *text;
    snprintf(path, sizeof path, "%s%s", SIM_DATA, name);
    assert_int_equal(peri_file_slurp(path, 1 << 20, &text, NULL, NULL), 0);
    return text;
}

static sim_db_t sim_open(void)
{
    sim_db_t s = {0};
    assert_int_equal(duckdb_open(NULL, &s.db), DuckDBSuccess);
    assert_int_equal(duckdb_connect(s.db, &s.con), DuckDBSuccess);
    sim_exec(s.con, "SET threads = 1");
    assert_int_equal(peri_space_register(s.con, NULL), 0);
    assert_int_equal(peri_cells_register(s.con, NULL), 0);
    char *data = sim_slurp("data.sql");
    sim_exec(s.con, data);
    free(data);
    return s;
}

static void sim_close(sim_db_t *s)
{
    duckdb_disconnect(&s->con);
    duckdb_close(&s->db);
}

static void virtual_columns(peri_buf_t *b, unsigned virtuals)
{
    if (virtuals & PERI_VIRT_FILE)
        peri_buf_puts(b, ", 'part.' || (peri_row // 700) || '.hdf5' AS file");
    if (virtuals & PERI_VIRT_ROW) peri_buf_puts(b, ", (peri_row % 700)::BIGINT AS row");
    if (virtuals & PERI_VIRT_SNAPNUM)
        peri_buf_puts(b, ", (peri_row // 1000)::INTEGER AS snapnum");
    if (virtuals & PERI_VIRT_IDX) peri_buf_puts(b, ", (peri_row % 1000)::BIGINT AS idx");
}

/* View peri_r<id> (or another name) of the rows first <= peri_row < last, where `extra`.
 */
static void sim_view(duckdb_connection con, const char *view, const sim_table_t *t,
                     unsigned virtuals, uint64_t first, uint64_t last, const char *extra)
{
    peri_buf_t b;
    peri_buf_init(&b, 1 << 20);
    peri_buf_printf(&b, "CREATE OR REPLACE VIEW %s AS SELECT * FROM (SELECT ", view);
    for (size_t i = 0; i < t->ncolumns; i++)
        peri_buf_printf(&b, "%s\"%s\"", i ? ", " : "", t->columns[i]);
    virtual_columns(&b, virtuals);
    peri_buf_printf(
        &b, " FROM data.%s WHERE peri_row >= %llu AND peri_row < %llu) WHERE true%s",
        t->name, (unsigned long long)first, (unsigned long long)last, extra);
    sim_exec(con, b.data);
    peri_buf_free(&b);
}

/* ---- the resolver: dataset `sim`, its tables, and 'groups.hdf5:/Group' ---- */

static int sim_resolve(void *arg, const char *catalog, const char *schema,
                       const char *table, peri_relinfo_t *out, peri_err_t *err)
{
    (void)arg;
    if (strcmp(table, "groups.hdf5:/Group") == 0) table = "groups";
    for (size_t i = 0; i < SIM_NTABLES; i++) {
        const sim_table_t *t = &SIM_TABLES[i];
        if (*catalog || (*schema && strcasecmp(schema, "sim") != 0) ||
            strcasecmp(table, t->name) != 0)
            continue;
        *out = (peri_relinfo_t){.handle = (void *)t,
                                .display = t->name,
                                .columns = t->columns,
                                .widths = t->widths,
                                .value_bytes = t->bytes,
                                .ncolumns = t->ncolumns,
                                .rows = t->rows,
                                .has_snapnum = t->has_snapnum};
        return 0;
    }
    return peri_err_set(err, PERI_ENOTFOUND, "there is no table '%s%s%s'", schema,
                        *schema ? "." : "", table);
}

static int sim_bind(void *arg, int id, void *handle, unsigned virtuals, peri_err_t *err)
{
    char view[32];
    (void)err;
    snprintf(view, sizeof view, "peri_r%d", id);
    sim_view(arg, view, handle, virtuals, 0, UINT32_MAX, "");
    return 0;
}

/* While planning the views give all rows: every table is ready. */
static bool sim_is_ready;

static int64_t sim_ready(void *arg, int id, void *handle, const peri_pred_t *preds,
                         size_t n)
{
    (void)arg, (void)id, (void)handle, (void)preds, (void)n;
    return 0;
}

static peri_plan_t *sim_plan(duckdb_connection con, const char *sql, int nranks,
                             uint64_t broadcast, int64_t limit, peri_err_t *err)
{
    peri_resolver_t r = {.arg = con,
                         .resolve = sim_resolve,
                         .bind = sim_bind,
                         .ready = sim_is_ready ? sim_ready : NULL};
    peri_planopts_t o = {nranks, broadcast, limit};
    return peri_plan_new(con, sql, &r, &o, err);
}

/* ---- statements of queries.sql and hostile.sql: paragraphs "-- name flags", text ----
 */

typedef struct {
    char *name, *flags, *sql, *reference;
} sim_statement_t;

/* The next paragraph of *text, which is cut up; false at the end. */
static bool sim_next(char **text, sim_statement_t *out)
{
    char *s = *text;
    memset(out, 0, sizeof *out);
    while (*s) {
        while (*s == '\n') s++;
        char *end = strstr(s, "\n\n");
        char *next = end ? end + 2 : s + strlen(s);
        if (end) *end = '\0';
        char *line = strchr(s, '\n');
        bool comment_only =
            strncmp(s, "-- ", 3) == 0 && (!line || strncmp(line + 1, "--", 2) == 0);
        if (*s && !comment_only) {
            *line = '\0';
            out->name = s + 3;
            out->flags = strchr(out->name, ' ');
            if (out->flags)
                *out->flags++ = '\0';
            else
                out->flags = line;
            out->sql = line + 1;
            size_t n = strlen(out->sql);
            if (n && out->sql[n - 1] == '\n') out->sql[n - 1] = '\0';
            if (strstr(out->flags, "reference")) {
                out->reference = strchr(out->sql, '\n');
                *out->reference++ = '\0';
            }
            *text = next;
            return true;
        }
        s = next;
    }
    *text = s;
    return false;
}

#endif
