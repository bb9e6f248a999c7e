/* test_sql_ranks.c - the same rows with any number of ranks.
 *
 * Every statement of data/sql/queries.sql runs in plain DuckDB; then it is planned for 1
 * to 4 ranks, each rank a database of its own with its share of every relation, and rows
 * move between them as the stages say. Also with every join side too large to broadcast,
 * and with rows dropped that the pruning hints allow to drop.
 */
#include "test_sql_sim.h"

#define MAX_RANKS 4
#ifdef __SANITIZE_ADDRESS__
#define FIRST_RANKS 4 /* DuckDB is slow then */
#else
#define FIRST_RANKS 2
#endif

/* ---- rows as text ---- */

struct rows {
    char **row;
    size_t n, cap;
};

static void rows_free(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++) free(r->row[i]);
    free(r->row);
    memset(r, 0, sizeof *r);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* SELECT every column of the query cast to text, joined with '|'. */
static int fetch(duckdb_connection con, const char *sql, struct rows *out, char **error)
{
    duckdb_result r;
    memset(out, 0, sizeof *out);
    if (duckdb_query(con, sql, &r) == DuckDBError) {
        *error = peri_xstrdup(duckdb_result_error(&r));
        duckdb_destroy_result(&r);
        return -1;
    }
    idx_t columns = duckdb_column_count(&r);
    for (duckdb_data_chunk c; (c = duckdb_fetch_chunk(r)) != NULL;
         duckdb_destroy_data_chunk(&c)) {
        idx_t n = duckdb_data_chunk_get_size(c);
        for (idx_t i = 0; i < n; i++) {
            peri_buf_t b;
            peri_buf_init(&b, 1 << 20);
            for (idx_t k = 0; k < columns; k++) {
                duckdb_vector v = duckdb_data_chunk_get_vector(c, k);
                uint64_t *valid = duckdb_vector_get_validity(v);
                duckdb_string_t *s = duckdb_vector_get_data(v);
                if (k) peri_buf_putc(&b, '|');
                if (valid && !duckdb_validity_row_is_valid(valid, i))
                    peri_buf_puts(&b, "NULL");
                else
                    peri_buf_append(&b, duckdb_string_t_data(&s[i]),
                                    duckdb_string_t_length(s[i]));
            }
            if (out->n == out->cap) {
                out->cap = out->cap ? 2 * out->cap : 64;
                out->row = peri_xrealloc(out->row, out->cap, sizeof *out->row);
            }
            out->row[out->n++] = peri_buf_take(&b, NULL);
        }
    }
    duckdb_destroy_result(&r);
    return 0;
}

/* Equal text, where numbers may differ in the last digits. */
static bool same_row(const char *a, const char *b)
{
    while (*a && *b) {
        bool number = isdigit((unsigned char)*a) && isdigit((unsigned char)*b);
        if (number) {
            char *ea, *eb;
            double x = strtod(a, &ea), y = strtod(b, &eb);
            if (fabs(x - y) > 1e-9 * fmax(fabs(x), fabs(y)) + 1e-12) return false;
            a = ea;
            b = eb;
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return *a == *b;
}

static bool same_rows(const struct rows *want, const struct rows *got,
                      const char **missing)
{
    *missing = "(number of rows)";
    if (want->n != got->n) return false;
    bool *taken = peri_xcalloc(got->n + 1, sizeof *taken);
    bool same = true;
    for (size_t i = 0; i < want->n && same; i++) {
        size_t j = i;
        if (taken[j] || !same_row(want->row[i], got->row[j])) {
            for (j = 0; j < got->n; j++)
                if (!taken[j] && same_row(want->row[i], got->row[j])) break;
        }
        if (j == got->n) {
            same = false;
            *missing = want->row[i];
        } else {
            taken[j] = true;
        }
    }
    free(taken);
    return same;
}

/* ---- moving rows ---- */

static void type_sql(duckdb_logical_type t, peri_buf_t *b);

static void child_sql(duckdb_logical_type t, peri_buf_t *b)
{
    type_sql(t, b);
    duckdb_destroy_logical_type(&t);
}

static void type_sql(duckdb_logical_type t, peri_buf_t *b)
{
    static const char *const names[] = {
        [DUCKDB_TYPE_BOOLEAN] = "BOOLEAN",     [DUCKDB_TYPE_TINYINT] = "TINYINT",
        [DUCKDB_TYPE_SMALLINT] = "SMALLINT",   [DUCKDB_TYPE_INTEGER] = "INTEGER",
        [DUCKDB_TYPE_BIGINT] = "BIGINT",       [DUCKDB_TYPE_UTINYINT] = "UTINYINT",
        [DUCKDB_TYPE_USMALLINT] = "USMALLINT", [DUCKDB_TYPE_UINTEGER] = "UINTEGER",
        [DUCKDB_TYPE_UBIGINT] = "UBIGINT",     [DUCKDB_TYPE_FLOAT] = "FLOAT",
        [DUCKDB_TYPE_DOUBLE] = "DOUBLE",       [DUCKDB_TYPE_TIMESTAMP] = "TIMESTAMP",
        [DUCKDB_TYPE_DATE] = "DATE",           [DUCKDB_TYPE_TIME] = "TIME",
        [DUCKDB_TYPE_INTERVAL] = "INTERVAL",   [DUCKDB_TYPE_HUGEINT] = "HUGEINT",
        [DUCKDB_TYPE_UHUGEINT] = "UHUGEINT",   [DUCKDB_TYPE_VARCHAR] = "VARCHAR",
        [DUCKDB_TYPE_SQLNULL] = "INTEGER",     [DUCKDB_TYPE_BLOB] = "BLOB",
    };
    duckdb_type id = duckdb_get_type_id(t);
    if (id == DUCKDB_TYPE_DECIMAL) {
        peri_buf_printf(b, "DECIMAL(%d, %d)", duckdb_decimal_width(t),
                        duckdb_decimal_scale(t));
    } else if (id == DUCKDB_TYPE_LIST) {
        child_sql(duckdb_list_type_child_type(t), b);
        peri_buf_puts(b, "[]");
    } else if (id == DUCKDB_TYPE_ARRAY) {
        child_sql(duckdb_array_type_child_type(t), b);
        peri_buf_printf(b, "[%d]", (int)duckdb_array_type_array_size(t));
    } else if (id == DUCKDB_TYPE_MAP) {
        peri_buf_puts(b, "MAP(");
        child_sql(duckdb_map_type_key_type(t), b);
        peri_buf_puts(b, ", ");
        child_sql(duckdb_map_type_value_type(t), b);
        peri_buf_putc(b, ')');
    } else if (id == DUCKDB_TYPE_STRUCT) {
        peri_buf_puts(b, "STRUCT(");
        for (idx_t i = 0; i < duckdb_struct_type_child_count(t); i++) {
            char *name = duckdb_struct_type_child_name(t, i);
            peri_buf_printf(b, "%s\"%s\" ", i ? ", " : "", name);
            duckdb_free(name);
            child_sql(duckdb_struct_type_child_type(t, i), b);
        }
        peri_buf_putc(b, ')');
    } else {
        assert_true(id < sizeof names / sizeof *names && names[id]);
        peri_buf_puts(b, names[id]);
    }
}

/* Append a result to a table of `con`, which is made if `create`. Names: column or c0,
 * c1. */
static void store(duckdb_result *r, duckdb_connection con, const char *table, bool create,
                  bool own_names)
{
    idx_t n = duckdb_column_count(r);
    if (create) {
        peri_buf_t b;
        peri_buf_init(&b, 1 << 20);
        peri_buf_printf(&b, "CREATE OR REPLACE TABLE main.%s (", table);
        for (idx_t i = 0; i < n; i++) {
            if (own_names) peri_buf_printf(&b, "%s\"", i ? ", " : "");
            for (const char *c = duckdb_column_name(r, i); own_names && *c; c++) {
                if (*c == '"') peri_buf_putc(&b, '"');
                peri_buf_putc(&b, *c);
            }
            if (own_names)
                peri_buf_puts(&b, "\" ");
            else
                peri_buf_printf(&b, "%sc%d ", i ? ", " : "", (int)i);
            child_sql(duckdb_column_logical_type(r, i), &b);
        }
        peri_buf_putc(&b, ')');
        sim_exec(con, b.data);
        peri_buf_free(&b);
    }
    duckdb_appender a;
    assert_int_equal(duckdb_appender_create(con, "main", table, &a), DuckDBSuccess);
    for (duckdb_data_chunk c; (c = duckdb_fetch_chunk(*r)) != NULL;
         duckdb_destroy_data_chunk(&c))
        if (duckdb_append_data_chunk(a, c) == DuckDBError)
            fail_msg("%s: %s", table, duckdb_appender_error(a));
    if (duckdb_appender_flush(a) == DuckDBError)
        fail_msg("%s: %s", table, duckdb_appender_error(a));
    duckdb_appender_destroy(&a);
}

/* ---- ranks ---- */

static sim_db_t ranks[MAX_RANKS], plain;

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < MAX_RANKS; i++) ranks[i] = sim_open();
    plain = sim_open();
    sim_exec(plain.con, "CREATE SCHEMA sim");
    for (size_t i = 0; i < SIM_NTABLES; i++) {
        char view[64];
        snprintf(view, sizeof view, "sim.%s", SIM_TABLES[i].name);
        sim_view(plain.con, view, &SIM_TABLES[i], 0, 0, UINT32_MAX, "");
    }
    sim_view(plain.con, "sim.\"groups.hdf5:/Group\"", &SIM_TABLES[0], 0, 0, UINT32_MAX,
             "");
    sim_view(plain.con, "sim.groups_v", &SIM_TABLES[0], 7, 0, UINT32_MAX, "");
    sim_exec(plain.con, "USE sim");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < MAX_RANKS; i++) sim_close(&ranks[i]);
    sim_close(&plain);
    return 0;
}

static void append_value(peri_buf_t *b, const peri_const_t *c)
{
    if (c->kind == PERI_CONST_STR)
        peri_buf_printf(b, "'%s'", c->s);
    else if (c->kind == PERI_CONST_REAL)
        peri_buf_printf(b, "'%.17g'::DOUBLE", c->d);
    else if (c->kind == PERI_CONST_BOOL)
        peri_buf_puts(b, c->i ? "true" : "false");
    else
        peri_buf_printf(b, "(%lld::HUGEINT * 4294967296 + %llu)", (long long)(c->i >> 32),
                        (unsigned long long)(c->i & 0xFFFFFFFF));
}

/* Some range, or a copy of it that is whole periods away, holds the value. */
static void append_ranges(peri_buf_t *b, const peri_pred_t *p)
{
    const double period = p->values[0].d;
    char x[100];
    snprintf(x, sizeof x, p->component < 0 ? "\"%s\"" : "\"%s\"[%d]", p->column,
             p->component + 1);
    peri_buf_puts(b, "(false");
    for (size_t k = 1; k < p->nvalues; k += 2) {
        double lo = p->values[k].d - 1e-9, hi = p->values[k + 1].d + 1e-9;
        if (period > 0)
            peri_buf_printf(b,
                            " OR (%s::DOUBLE - %.17g) - %.17g * floor((%s::DOUBLE - "
                            "%.17g) / %.17g) <= %.17g",
                            x, lo, period, x, lo, period, hi - lo);
        else
            peri_buf_printf(b, " OR %s BETWEEN '%.17g'::DOUBLE AND '%.17g'::DOUBLE", x,
                            lo, hi);
    }
    peri_buf_putc(b, ')');
}

/* The hints of a relation as a filter: what a scan with chunks of one row would leave. */
static void append_hints(peri_buf_t *b, const peri_relation_t *rel)
{
    static const char *const ops[] = {"<", "<=", "=", ">=", ">"};
    for (size_t i = 0; i < rel->npreds; i++) {
        const peri_pred_t *p = &rel->preds[i];
        peri_buf_puts(b, " AND ");
        if (p->op == PERI_OP_NEVER) {
            peri_buf_puts(b, "false");
            continue;
        }
        if (p->op == PERI_OP_WITHIN) {
            append_ranges(b, p);
            continue;
        }
        peri_buf_puts(b, "(false");
        for (size_t k = 0; k < p->nvalues; k++) {
            peri_buf_printf(b, " OR \"%s\"", p->column);
            if (p->component >= 0) peri_buf_printf(b, "[%d]", p->component + 1);
            bool is_mass =
                strcmp(p->column, "mass") == 0; /* FLOAT: bounds are an ulp wide */
            peri_buf_printf(b, " %s ", p->op == PERI_OP_IN ? "=" : ops[p->op]);
            append_value(b, &p->values[k]);
            if (is_mass && p->values[k].kind != PERI_CONST_STR && p->op != PERI_OP_IN)
                peri_buf_printf(b, "%s 1e-4", p->op <= PERI_OP_LE ? "+" : "-");
        }
        peri_buf_putc(b, ')');
    }
}

/* Run the stages; the rows of the last one go to plain's table result.rows. */
static int run(const peri_plan_t *plan, int nranks, bool hints, char **error)
{
    for (size_t i = 0; i < plan->nrelations; i++) {
        const sim_table_t *t = plan->relations[i].handle;
        char view[32];
        peri_buf_t extra;
        peri_buf_init(&extra, 1 << 20);
        peri_buf_puts(&extra, "");
        if (hints) append_hints(&extra, &plan->relations[i]);
        snprintf(view, sizeof view, "peri_r%zu", i);
        for (int k = 0; k < nranks; k++)
            sim_view(ranks[k].con, view, t, plan->relations[i].virtuals,
                     t->rows * k / nranks, t->rows * (k + 1) / nranks,
                     extra.data ? extra.data : "");
        peri_buf_free(&extra);
    }
    for (size_t s = 0; s < plan->nstages; s++) {
        const peri_stage_t *st = &plan->stages[s];
        char table[32];
        snprintf(table, sizeof table, "peri_s%zu", s);
        for (int k = 0; k < (st->on_all_ranks ? nranks : 1); k++) {
            int targets = st->dest == PERI_DEST_ALL ? nranks : 1;
            for (int to = 0; to < targets; to++) { /* once more for every target */
                duckdb_result r;
                if (duckdb_query(ranks[k].con, st->sql, &r) == DuckDBError) {
                    *error = peri_xasprintf("%s\n  in stage %zu: %s",
                                            duckdb_result_error(&r), s, st->sql);
                    duckdb_destroy_result(&r);
                    return -1;
                }
                if (st->dest == PERI_DEST_OUTPUT) {
                    for (size_t c = 0; c < plan->ncolumns; c++)
                        assert_string_equal(duckdb_column_name(&r, c), plan->names[c]);
                    store(&r, plain.con, "result_rows", k == 0, false);
                } else {
                    store(&r, ranks[to].con, table, k == 0, true);
                }
                duckdb_destroy_result(&r);
            }
        }
    }
    return 0;
}

static void clean(const peri_plan_t *plan)
{
    char sql[64];
    for (int k = 0; k < MAX_RANKS; k++) {
        for (size_t s = 0; s < plan->nstages; s++) {
            snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS peri_s%zu", s);
            sim_exec(ranks[k].con, sql);
        }
        for (size_t i = 0; i < plan->nrelations; i++) {
            snprintf(sql, sizeof sql, "DROP VIEW IF EXISTS peri_r%zu", i);
            sim_exec(ranks[k].con, sql);
        }
    }
}

static void print_plan(const peri_plan_t *plan)
{
    print_message("    %s\n", plan->strategy);
    for (size_t s = 0; s < plan->nstages; s++)
        print_message("    %zu %s -> %d (%s): %s\n", s,
                      plan->stages[s].on_all_ranks ? "all" : "root", plan->stages[s].dest,
                      plan->stages[s].what, plan->stages[s].sql);
}

/* What plain DuckDB gives. Column names are made c0, c1, ..: they may repeat. */
static void text_query(const char *sql, size_t ncolumns, peri_buf_t *out)
{
    peri_buf_init(out, 1 << 20);
    peri_buf_puts(out, "SELECT ");
    for (size_t i = 0; i < ncolumns; i++)
        peri_buf_printf(out, "%sc%zu::VARCHAR", i ? ", " : "", i);
    peri_buf_printf(out, " FROM (%s) AS q(", sql);
    for (size_t i = 0; i < ncolumns; i++)
        peri_buf_printf(out, "%sc%zu", i ? ", " : "", i);
    peri_buf_puts(out, ")");
}

struct totals {
    int statements, split, gathered, failed;
};

static bool check(const sim_statement_t *st, int nranks, uint64_t broadcast, bool hints,
                  bool *split)
{
    peri_err_t err = {0};
    char *error = NULL;
    const char *missing = "";
    struct rows want = {0}, got = {0};
    peri_buf_t q = {0}, all = {0};
    bool ok = false, ordered = strstr(st->flags, "ordered") != NULL;
    const char *shown[] = {"", ""};
    peri_plan_t *plan = sim_plan(ranks[0].con, st->sql, nranks, broadcast, -1, &err);
    if (!plan) {
        print_message("%s, %d ranks: not planned: %s\n", st->name, nranks, err.text);
        return false;
    }
    *split = strncmp(plan->strategy, "gather", 6) != 0;
    text_query(st->reference ? st->reference : st->sql, plan->ncolumns, &q);
    if (run(plan, nranks, hints, &error) || fetch(plain.con, q.data, &want, &error))
        goto out;
    text_query("SELECT * FROM main.result_rows", plan->ncolumns, &all);
    if (fetch(plain.con, all.data, &got, &error)) goto out;
    if (ordered) {
        ok = want.n == got.n;
        for (size_t i = 0; i < want.n && ok; i++) {
            ok = same_row(want.row[i], got.row[i]);
            shown[0] = want.row[i];
            shown[1] = got.row[i];
        }
    } else {
        if (want.n) qsort(want.row, want.n, sizeof *want.row, compare_text);
        if (got.n) qsort(got.row, got.n, sizeof *got.row, compare_text);
        ok = same_rows(&want, &got, &missing);
    }
out:
    if (getenv("SQL_SHOW")) print_plan(plan);
    if (!ok) {
        print_message("%s, %d ranks%s: wrong: %s%s (%zu and %zu rows) %s / %s\n",
                      st->name, nranks, hints ? ", pruned" : "",
                      error ? error : "missing ", missing, want.n, got.n, shown[0],
                      shown[1]);
        print_plan(plan);
    }
    clean(plan);
    free(error);
    rows_free(&want);
    rows_free(&got);
    peri_buf_free(&q);
    peri_buf_free(&all);
    peri_plan_free(plan);
    return ok;
}

/* Names and types of the output are those of plain DuckDB. */
static bool check_columns(const sim_statement_t *st)
{
    peri_plan_t *plan = sim_plan(ranks[0].con, st->sql, 3, 0, -1, NULL);
    duckdb_prepared_statement ps = NULL;
    bool ok = plan && duckdb_prepare(plain.con, st->reference ? st->reference : st->sql,
                                     &ps) == DuckDBSuccess;
    ok = ok && duckdb_prepared_statement_column_count(ps) == plan->ncolumns;
    for (size_t i = 0; ok && i < plan->ncolumns; i++) {
        const char *name = duckdb_prepared_statement_column_name(ps, i);
        /* three-part names are printed with two */
        if (strcmp(name, plan->names[i]) != 0 && !strstr(name, "sim.")) {
            print_message("%s: column %zu is '%s', should be '%s'\n", st->name, i,
                          plan->names[i], name);
            ok = false;
        }
        duckdb_free((void *)name);
    }
    duckdb_destroy_prepare(&ps);
    peri_plan_free(plan);
    return ok;
}

static void run_all(uint64_t broadcast, int first, int last, bool hints, bool expect)
{
    char *text = sim_slurp("queries.sql"), *at = text;
    const char *only = getenv("SQL_ONLY");
    sim_statement_t st;
    struct totals t = {0};
    /* With sanitizers all of them take minutes, and the code is the same: every second
     * statement, and every fourth in the other ways, not always the same ones. */
    const int step = !PERIGEE_SANITIZED ? 1 : expect ? 2 : 4;
    static int serial;
    while (sim_next(&at, &st)) {
        if (only && strcmp(only, st.name) != 0) continue;
        if (++serial % step) continue;
        bool split = false, ok = !expect || check_columns(&st);
        for (int n = PERIGEE_SANITIZED ? last : first; n <= last; n++)
            ok = check(&st, n, broadcast, hints, &split) && ok;
        if (last > 1 && expect && split != (strstr(st.flags, "split") != NULL)) {
            print_message("%s: is %s\n", st.name, split ? "split" : "gathered");
            ok = false;
        }
        t.statements++;
        t.split += split;
        t.gathered += !split;
        t.failed += !ok;
    }
    print_message("%d statements, %d to %d ranks: %d split, %d gathered, %d failed\n",
                  t.statements, first, last, t.split, t.gathered, t.failed);
    free(text);
    if (!only) assert_true(t.statements * step >= 120);
    assert_int_equal(t.failed, 0);
}

static void test_one_rank(void **state)
{
    (void)state;
    run_all(0, 1, 1, false, false);
}

static void test_ranks(void **state)
{
    (void)state;
    run_all(0, FIRST_RANKS, MAX_RANKS, false, true);
}

static void test_no_broadcast(void **state)
{
    (void)state;
    run_all(1000, 3, 3, false, false);
}

static void test_hints_drop_nothing(void **state)
{
    (void)state;
    run_all(0, 1, 1, true, false);
}

/* With what is found out while planning: the same rows. */
static void test_found_first(void **state)
{
    (void)state;
    sim_is_ready = true;
    run_all(0, 1, 1, true, false);
    run_all(0, 3, 3, true, false);
    sim_is_ready = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_rank),     cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_no_broadcast), cmocka_unit_test(test_hints_drop_nothing),
        cmocka_unit_test(test_found_first),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
