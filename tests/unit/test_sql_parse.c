/* test_sql_parse.c - what is refused and how it is said; errors; relations, hints,
 * origins. */
#include "test_sql_sim.h"

static sim_db_t db;

static int set_up(void **state)
{
    (void)state;
    db = sim_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sim_close(&db);
    return 0;
}

static peri_plan_t *plan(const char *sql, int nranks)
{
    peri_err_t err = {0};
    peri_plan_t *p = sim_plan(db.con, sql, nranks, 0, -1, &err);
    if (!p) fail_msg("%s: %s", sql, err.text);
    return p;
}

static peri_err_t refused(const char *sql, peri_code_t code)
{
    for (int n = 1; n <= 2; n++) {
        peri_err_t err = {0};
        peri_plan_t *p = sim_plan(db.con, sql, n, 0, -1, &err);
        if (p) fail_msg("accepted: %.200s", sql);
        if (err.code != code || strlen(err.text) < 10)
            fail_msg("%.200s: code %d: %s", sql, err.code, err.text);
        if (n == 2) return err;
    }
    return (peri_err_t){0};
}

static void expect_text(const char *sql, peri_code_t code, const char *part)
{
    peri_err_t err = refused(sql, code);
    if (!strstr(err.text, part))
        fail_msg("%.200s: '%s' is not in: %s", sql, part, err.text);
}

/* ---- hostile statements ---- */

static peri_code_t code_of(const char *name)
{
    static const struct {
        const char *name;
        peri_code_t code;
    } codes[] = {{"EDENIED", PERI_EDENIED},
                 {"ENOTFOUND", PERI_ENOTFOUND},
                 {"EINVAL", PERI_EINVAL},
                 {"EKERNEL", PERI_EKERNEL}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(name, codes[i].name) == 0) return codes[i].code;
    fail_msg("code %s", name);
    return PERI_OK;
}

static void test_hostile(void **state)
{
    (void)state;
    char *text = sim_slurp("hostile.sql"), *at = text;
    sim_statement_t st;
    int n = 0;
    while (sim_next(&at, &st)) {
        char *part = strchr(st.flags, ' ');
        assert_non_null(part);
        *part++ = '\0';
        bool spaces = strchr(part, '_') && !strstr(st.sql, part);
        for (char *c = part; spaces && *c; c++)
            if (*c == '_') *c = ' ';
        expect_text(st.sql, code_of(st.flags), part);
        n++;
    }
    free(text);
    assert_true(n >= 60);
}

/* Nothing that is refused or planned leaves views or tables behind. */
static void test_leaves_nothing(void **state)
{
    (void)state;
    peri_plan_free(
        plan("SELECT snap, avg(mass) FROM groups WHERE mass > (SELECT avg(mass) FROM "
             "groups) GROUP BY snap ORDER BY 1",
             4));
    duckdb_result r;
    assert_int_equal(
        duckdb_query(db.con,
                     "SELECT count(*) FROM duckdb_views() WHERE view_name LIKE "
                     "'peri_s%'",
                     &r),
        DuckDBSuccess);
    duckdb_data_chunk c = duckdb_fetch_chunk(r);
    assert_int_equal(
        *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(c, 0)), 0);
    duckdb_destroy_data_chunk(&c);
    duckdb_destroy_result(&r);
}

/* ---- errors ---- */

static void test_syntax_errors(void **state)
{
    (void)state;
    expect_text("SELECT id\nFROM groups\nWHER x > 1", PERI_EINVAL, "line 3, column 6");
    expect_text("SELECT id\nFROM groups\nWHERE x > ) 1", PERI_EINVAL,
                "\n  WHERE x > ) 1\n            ^");
    expect_text("SELECT 'ä', FROM FROM", PERI_EINVAL, "line 1, column 17");
    expect_text("SELECT id FROM", PERI_EINVAL, "line 1, column 15");
    expect_text("SELECT (1", PERI_EINVAL, "line 1");
    expect_text("", PERI_EINVAL, "empty");
    expect_text("  -- nothing\n ; ", PERI_EINVAL, "empty");
    expect_text("SELECT '\xff\xfe'", PERI_EINVAL, "UTF-8");
    expect_text("SELECT", PERI_EINVAL, "not valid");
}

static void test_binder_errors(void **state)
{
    (void)state;
    expect_text("SELECT masss FROM groups", PERI_EINVAL, "masss");
    expect_text("SELECT masss FROM groups", PERI_EINVAL, "mass");
    expect_text("SELECT g.id FROM groups", PERI_EINVAL, "\"g\"");
    expect_text("SELECT id, sum(mass) FROM groups", PERI_EINVAL, "GROUP BY");
    expect_text("SELECT name + 1.5 + flag FROM groups", PERI_EINVAL, "types");
    expect_text("SELECT id FROM groups, trees", PERI_EINVAL, "mbiguous");
    expect_text("WITH c AS (SELECT 1 AS a) SELECT b FROM c", PERI_EINVAL, "\"b\"");
    expect_text("SELECT * FROM nosuch", PERI_ENOTFOUND, "nosuch");
    expect_text("SELECT * FROM other.groups", PERI_ENOTFOUND, "other.groups");
    for (const char *const *sql =
             (const char *const[]){"SELECT masss FROM groups",
                                   "SELECT g.x FROM sim.groups g",
                                   "SELECT x FROM groups, types", NULL};
         *sql; sql++) {
        peri_err_t err = refused(*sql, PERI_EINVAL);
        assert_null(strstr(err.text, "peri_"));
        assert_null(strstr(err.text, "LINE"));
    }
}

static char *repeated(const char *first, const char *part, size_t n, const char *last)
{
    peri_buf_t b;
    peri_buf_init(&b, (size_t)1 << 26);
    peri_buf_puts(&b, first);
    for (size_t i = 0; i < n; i++) peri_buf_puts(&b, part);
    peri_buf_puts(&b, last);
    return peri_buf_take(&b, NULL);
}

/* Strings that look like the marks of json.c, and other texts that must survive. */
static void test_strings_survive(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\x01#5",    "\x01",   "\x01\x01#18446744073709551616",
        "#5",        "a\"b\\", "{\"a\": [1e999, NaN]}",
        "\\u0001#7", "\n\t",   "ünï",
        "''",        "-- ;"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "SELECT '%s' AS t, id FROM groups WHERE name != '%s'",
                 texts[i], texts[i]);
        for (int n = 1; n < 3; n++) {
            peri_plan_t *p = plan(sql, n);
            char want[80];
            snprintf(want, sizeof want, "SELECT '%s' AS t", texts[i]);
            if (strncmp(p->stages[0].sql, want, strlen(want)) != 0)
                fail_msg("%s became %s", sql, p->stages[0].sql);
            peri_plan_free(p);
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *first, *part;
        size_t n;
        const char *last;
    } cases[] = {
        {"SELECT 1", " ", 1 << 20, ""},    {"SELECT ", "abs(", 300, "1"},
        {"SELECT ", "NOT ", 900, "true"},  {"SELECT ", "(", 100000, "1"},
        {"SELECT 1", " + 1", 2000, ""},    {"SELECT 1 IN (1", ", 1", 120000, ")"},
        {"SELECT ", "(SELECT ", 150, "1"}, {"SELECT 1 FROM groups", ", groups", 600, ""},
        {"SELECT ", "[", 1500, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *sql = repeated(cases[i].first, cases[i].part, cases[i].n, cases[i].last);
        size_t open =
            strchr(cases[i].part, '(') && cases[i].part[0] != ',' ? cases[i].n : 0;
        char *closed = repeated(sql, ")", open, "");
        peri_err_t err = {0};
        peri_plan_t *p = sim_plan(db.con, closed, 2, 0, -1, &err);
        if (p) fail_msg("case %zu was accepted", i);
        assert_true(err.code == PERI_ELIMIT || err.code == PERI_EINVAL);
        free(sql);
        free(closed);
    }
}

/* ---- relations and hints ---- */

static void check_pred(const peri_plan_t *p, size_t i, const char *column, int component,
                       peri_op_t op, double value)
{
    assert_true(i < p->relations[0].npreds);
    const peri_pred_t *q = &p->relations[0].preds[i];
    assert_string_equal(q->column, column);
    assert_int_equal(q->component, component);
    assert_int_equal(q->op, op);
    assert_int_equal(q->nvalues, 1);
    const peri_const_t *c = &q->values[0];
    double v = c->kind == PERI_CONST_REAL ? c->d : (double)c->i;
    assert_true(fabs(v - value) < 1e-9);
}

static void test_hints(void **state)
{
    (void)state;
    peri_plan_t *p =
        plan("SELECT g.id FROM groups g WHERE MASS > 5 AND 3 >= g.snap AND n BETWEEN "
             "-1 AND 2.5 AND pos[2] = 1 AND id + 1 > 5 AND (id > 1 OR id < 0)",
             1);
    assert_int_equal(p->relations[0].npreds, 5);
    check_pred(p, 0, "mass", -1, PERI_OP_GT, 5);
    check_pred(p, 1, "snap", -1, PERI_OP_LE, 3);
    check_pred(p, 2, "n", -1, PERI_OP_GE, -1);
    check_pred(p, 3, "n", -1, PERI_OP_LE, 2.5);
    check_pred(p, 4, "pos", 1, PERI_OP_EQ, 1);
    assert_true(p->relations[0].preds[3].values[0].d > 2.5); /* widened */
    peri_plan_free(p);

    p = plan("SELECT id FROM groups WHERE id IN (1, 2, NULL) AND name = 'x' AND flag AND "
             "NOT flag "
             "AND big >= 18446744073709551615 AND n = NULL",
             1);
    assert_int_equal(p->relations[0].npreds, 6);
    assert_int_equal(p->relations[0].preds[0].nvalues, 2);
    assert_string_equal(p->relations[0].preds[1].values[0].s, "x");
    assert_true(p->relations[0].preds[2].values[0].i == 1);
    assert_true(p->relations[0].preds[3].values[0].i == 0);
    assert_true(p->relations[0].preds[4].values[0].i == (__int128)UINT64_MAX);
    assert_int_equal(p->relations[0].preds[5].op, PERI_OP_NEVER);
    peri_plan_free(p);
}

static void test_virtual_hints(void **state)
{
    (void)state;
    peri_plan_t *p =
        plan("SELECT id FROM groups WHERE snapnum = 1 AND file = 'a' AND row < 7", 1);
    assert_int_equal(p->relations[0].npreds, 3);
    check_pred(p, 0, "snapnum", -1, PERI_OP_EQ, 1);
    assert_string_equal(p->relations[0].preds[1].column, "file");
    check_pred(p, 2, "row", -1, PERI_OP_LT, 7);
    peri_plan_free(p);
}

/* Where a hint would be wrong or is not understood there is none. */
static void test_no_hints(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "SELECT id FROM groups WHERE name > 5::VARCHAR || ''",
        "SELECT id FROM groups WHERE mass != 5",
        "SELECT id FROM groups WHERE mass IS NOT DISTINCT FROM 5",
        "SELECT id FROM groups WHERE mass > 5 OR id = 1",
        "SELECT id FROM groups WHERE mass > random()",
        "SELECT id FROM groups WHERE pos[-1] > 5",
        "SELECT id FROM groups WHERE pos[4] > 5",
        "SELECT id FROM groups WHERE name = 'a' COLLATE NOCASE",
        "SELECT id FROM groups WHERE id = '5'",
        "SELECT id FROM groups WHERE CASE WHEN mass > 5 THEN true END",
        "SELECT count(*) FROM groups HAVING min(mass) > 5",
        "SELECT a FROM groups g(a, b) WHERE b > 5",
        "SELECT g.id FROM groups g ASOF JOIN types t ON g.mass >= weight WHERE g.n > 5",
        "SELECT * FROM groups TABLESAMPLE 10% WHERE mass > 5",
        "SELECT g.id FROM groups g LEFT JOIN types t ON t.type = g.n AND g.mass > 5",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        peri_plan_t *p = plan(cases[i], 1);
        for (size_t k = 0; k < p->nrelations; k++)
            if (p->relations[k].npreds) fail_msg("hint for: %s", cases[i]);
        peri_plan_free(p);
    }
}

static void test_relations(void **state)
{
    (void)state;
    peri_plan_t *p =
        plan("SELECT g.mass, g.file FROM sim.groups g JOIN subhalos USING (name) WHERE "
             "snapnum = 1",
             1);
    assert_int_equal(p->nrelations, 2);
    assert_string_equal(p->relations[0].display, "groups");
    assert_string_equal(p->relations[0].alias, "g");
    assert_int_equal(p->relations[0].virtuals, PERI_VIRT_FILE | PERI_VIRT_SNAPNUM);
    assert_int_equal(p->relations[1].virtuals, 0);
    assert_int_equal(p->relations[1].nused, 1); /* name: `mass` is that of groups */
    assert_int_equal(p->relations[0].nused, 2); /* mass, name */
    assert_int_equal(p->relations[0].used[0], 2);
    assert_int_equal(p->relations[0].used[1], 5);
    peri_plan_free(p);
    p = plan("SELECT count(*) FROM groups", 3);
    assert_int_equal(p->relations[0].nused, 0);
    assert_int_equal(p->relations[0].virtuals, 0);
    peri_plan_free(p);
    expect_text("SELECT g, g.file FROM groups g", PERI_EUNSUPP, "file");
    expect_text("SELECT * FROM groups NATURAL JOIN types WHERE row = 1", PERI_EUNSUPP,
                "row");
}

static void test_stages(void **state)
{
    (void)state;
    peri_plan_t *p =
        plan("SELECT avg(s.mass) FROM subhalos s JOIN groups g ON g.id = s.grp", 4);
    assert_int_equal(p->nstages, 3);
    assert_int_equal(p->stages[0].dest, PERI_DEST_ALL);
    assert_int_equal(p->stages[1].dest, PERI_DEST_ROOT);
    assert_true(p->stages[1].on_all_ranks);
    assert_int_equal(p->stages[1].nrelations, 1);
    assert_int_equal(p->stages[1].relations[0],
                     0); /* the larger table stays where it is */
    assert_int_equal(p->stages[2].dest, PERI_DEST_OUTPUT);
    assert_false(p->stages[2].on_all_ranks);
    assert_int_equal(p->stages[2].nrelations, 0);
    peri_plan_free(p);
    p = plan("SELECT avg(s.mass) FROM subhalos s JOIN groups g ON g.id = s.grp", 1);
    assert_int_equal(p->nstages, 1);
    assert_int_equal(p->stages[0].nrelations, 2);
    peri_plan_free(p);
}

static void test_outer_limit(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *part;
    } cases[] = {{"SELECT id FROM groups", "LIMIT 7"},
                 {"SELECT id FROM groups LIMIT 3", "LIMIT 3"},
                 {"SELECT id FROM groups LIMIT 30 OFFSET 2", "LIMIT 7 OFFSET 2"},
                 {"SELECT id FROM groups OFFSET 2", "LIMIT 7 OFFSET 2"},
                 {"SELECT id FROM groups ORDER BY id LIMIT 5%", "LIMIT 7"},
                 {"SELECT 1 UNION ALL SELECT 2", "LIMIT 7"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        peri_err_t err = {0};
        for (int n = 1; n < 4; n++) {
            peri_plan_t *p = sim_plan(db.con, cases[i].sql, n, 0, 7, &err);
            assert_non_null(p);
            if (!strstr(p->stages[p->nstages - 1].sql, cases[i].part))
                fail_msg("%s", p->stages[p->nstages - 1].sql);
            peri_plan_free(p);
        }
    }
}

static void test_origins(void **state)
{
    (void)state;
    peri_plan_t *p =
        plan("WITH c AS (SELECT id AS k, max(mass) AS m, pos[1] AS x, count(*) AS n "
             "FROM groups GROUP BY ALL) SELECT k, m, -x, n, m * 2, t.mass, "
             "round(avg(rad), 2) FROM c, trees t, (SELECT rad FROM groups) "
             "GROUP BY ALL",
             2);
    static const peri_origin_t want[] = {{0, 0},   {0, 2}, {0, 7}, {-1, -1},
                                         {-1, -1}, {1, 3}, {2, 3}};
    assert_int_equal(p->ncolumns, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(p->origins[i].relation, want[i].relation);
        assert_int_equal(p->origins[i].column, want[i].column);
    }
    peri_plan_free(p);
    p = plan("SELECT *, id + 1 FROM types, trees", 1);
    assert_int_equal(p->ncolumns, 8);
    assert_int_equal(p->origins[2].column, 2);
    assert_int_equal(p->origins[3].relation, 1);
    assert_int_equal(p->origins[7].relation, -1);
    peri_plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile),         cmocka_unit_test(test_leaves_nothing),
        cmocka_unit_test(test_syntax_errors),   cmocka_unit_test(test_binder_errors),
        cmocka_unit_test(test_strings_survive), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_hints),           cmocka_unit_test(test_virtual_hints),
        cmocka_unit_test(test_no_hints),        cmocka_unit_test(test_relations),
        cmocka_unit_test(test_stages),          cmocka_unit_test(test_outer_limit),
        cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
