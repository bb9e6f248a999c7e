/* Scripts cut into statements and clauses, parameters, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "core/mydb/statement.h"
#include "core/mydb/token.h"

/* ---- a statement as one line ---- */

static const char *const kinds[] = {"select", "create", "columns", "view",
                                    "insert", "update", "delete",  "truncate",
                                    "drop",   "rename", "alter",   "comment"};

static void put(peri_buf_t *b, const char *name, const char *value)
{
    while (value && (*value == ' ' || *value == '\n')) value++;
    if (value) peri_buf_printf(b, " %s<%s>", name, value);
}

static void show(const peri_statement_t *st, peri_buf_t *b)
{
    static const char *const alter[] = {"add", "drop", "rename", "type"};
    peri_buf_printf(b, "%s", kinds[st->kind]);
    if (st->table) peri_buf_printf(b, " %s.%s", st->schema, st->table);
    if (st->flags & PERI_ST_OR_REPLACE) peri_buf_puts(b, " replace");
    if (st->flags & PERI_ST_IF_NOT_EXISTS) peri_buf_puts(b, " if-not");
    if (st->flags & PERI_ST_IF_EXISTS) peri_buf_puts(b, " if");
    if (st->flags & PERI_ST_VIEW) peri_buf_puts(b, " view");
    if (st->flags & PERI_ST_BY_NAME) peri_buf_puts(b, " by-name");
    if (st->flags & PERI_ST_DEFAULT_VALUES) peri_buf_puts(b, " defaults");
    if (st->kind == PERI_ST_ALTER) peri_buf_printf(b, " %s", alter[st->alter]);
    put(b, "with", st->with);
    put(b, "as", st->alias);
    for (size_t i = 0; i < st->ncolumns; i++)
        peri_buf_printf(b, " %s=%s", st->columns[i].name,
                        st->columns[i].text ? st->columns[i].text : "");
    put(b, "from", st->from);
    put(b, "where", st->where);
    put(b, "to", st->to);
    put(b, "is", st->comment);
    put(b, "sql", st->sql);
}

typedef struct {
    const char *sql, *want; /* statements are joined by " | " */
} case_t;

static void check(const case_t *c)
{
    peri_arena_t *a = peri_arena_new();
    peri_script_t s;
    peri_err_t err = {0};
    peri_buf_t b;
    peri_buf_init(&b, 1 << 20);
    if (peri_script_parse(c->sql, strlen(c->sql), a, &s, &err))
        peri_buf_printf(&b, "%s%s",
                        err.code == PERI_EDENIED ? "denied: " : "error: ", err.text);
    else
        for (size_t i = 0; i < s.n; i++) {
            if (i) peri_buf_puts(&b, " | ");
            show(&s.v[i], &b);
        }
    const bool prefix =
        strncmp(c->want, "error: ", 7) == 0 || strncmp(c->want, "denied: ", 8) == 0;
    if (prefix ? !b.data || !strstr(b.data, strchr(c->want, ' ') + 1) ||
                     strncmp(b.data, c->want, strcspn(c->want, " ")) != 0
               : strcmp(b.data, c->want) != 0)
        fail_msg("\n%s\n gave: %s\n want: %s", c->sql, b.data, c->want);
    peri_buf_free(&b);
    peri_arena_free(a);
}

static void check_all(const case_t *c, size_t n)
{
    for (size_t i = 0; i < n; i++) check(&c[i]);
}
#define CHECK_ALL(CASES) check_all(CASES, sizeof(CASES) / sizeof(*CASES))

/* ---- SELECT ---- */

static void selects(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"SELECT 1", "select sql<SELECT 1>"},
        {"  select 'a;b' ; ", "select sql<select 'a;b' ; >"},
        {"SELECT 1; SELECT 2 ;;", "select sql<SELECT 1> | select sql<SELECT 2>"},
        {"VALUES (1)", "select sql<VALUES (1)>"},
        {"FROM a.b SELECT x", "select sql<FROM a.b SELECT x>"},
        {"SELECT $$;$$, $q$ $$;' $q$; SELECT \";\"",
         "select sql<SELECT $$;$$, $q$ $$;' $q$> | select sql<SELECT \";\">"},
        {"SELECT E'\\';' -- ;\n/* ; /* ; */ ; */; SELECT 2",
         "select sql<SELECT E'\\';'> | select sql<SELECT 2>"},
        {"SELECT 'it''s;'; SELECT \"a\"\";\"",
         "select sql<SELECT 'it''s;'> | select sql<SELECT \"a\"\";\">"},
        /* what is no statement of ours goes on to the planner */
        {"PRAGMA x", "select sql<PRAGMA x>"},
        {"COPY t TO 'x'; SELECT 1", "select sql<COPY t TO 'x'> | select sql<SELECT 1>"},
        {"SELECT (1; SELECT 2", "select sql<SELECT (1> | select sql<SELECT 2>"},
        {"SELECT 1)", "select sql<SELECT 1)>"},
        {"", "error: no SQL statement"},
        {" ; -- x\n;", "error: no SQL statement"},
        {"SELECT 'a", "error: line 1, column 8: unterminated quoted string"},
        {"SELECT 1;\nSELECT \"a",
         "error: line 2, column 8: unterminated quoted identifier"},
        {"/* /* */ SELECT 1", "error: unterminated /* comment"},
        {"SELECT $x$ $y$", "error: unterminated dollar-quoted string"},
    };
    CHECK_ALL(cases);
}

static void into(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"SELECT a, b INTO mydb.x FROM t",
         "create mydb.x sql<SELECT a, b             FROM t>"},
        {"SELECT 4 AS c into X", "create mydb.X sql<SELECT 4 AS c       >"},
        {"WITH q AS (SELECT 1 a) SELECT * INTO MyDB.[x] FROM q",
         "create MyDB.x sql<WITH q AS (SELECT 1 a) SELECT *               FROM q>"},
        {"SELECT * INTO \"my\".\"A\"\"b\" FROM q",
         "create my.A\"b sql<SELECT *                  "
         "FROM q>"},
        {"SELECT a INTO x FROM t UNION ALL SELECT b FROM u",
         "create mydb.x sql<SELECT a        FROM t UNION ALL SELECT b FROM u>"},
        {"SELECT t.into, 1 AS into FROM t",
         "select sql<SELECT t.into, 1 AS into FROM t>"},
        {"SELECT (SELECT a INTO x FROM t)",
         "select sql<SELECT (SELECT a INTO x FROM t)>"},
        {"SELECT 'a INTO x'", "select sql<SELECT 'a INTO x'>"},
        {"SELECT a INTO x.y.z FROM t", "error: one name too many"},
        {"SELECT a INTO #x FROM t", "error: no temporary tables"},
        {"SELECT a INTO x FROM t UNION SELECT b INTO y FROM u", "error: one table only"},
        {"SELECT a INTO FROM t", "create mydb.FROM sql<SELECT a           t>"},
    };
    CHECK_ALL(cases);
}

/* ---- CREATE ---- */

static void creates(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"CREATE TABLE mydb.x AS SELECT 1 a", "create mydb.x sql<SELECT 1 a>"},
        {"create or replace table x as (select 1)",
         "create mydb.x replace sql<(select 1)>"},
        {"CREATE TABLE IF NOT EXISTS t.x AS FROM y", "create t.x if-not sql<FROM y>"},
        {"CREATE TABLE x (a, \"b c\") AS VALUES (1, 2)",
         "create mydb.x a= b c= sql<SELECT * FROM (                             VALUES "
         "(1, "
         "2)\n) AS peri_new(\"a\", \"b c\")>"},
        {"CREATE TABLE x AS SELECT 1 WITH NO DATA",
         "create mydb.x sql<SELECT * FROM (                  SELECT 1             \n) AS "
         "peri_new LIMIT 0>"},
        {"CREATE TABLE x AS SELECT 1 WITH DATA", "create mydb.x sql<SELECT 1          >"},
        {"CREATE TABLE x (a INT, b DECIMAL(9, 3), [c d] DOUBLE[3],\n\"e\" STRUCT(x INT, "
         "y "
         "TEXT)[], f TIMESTAMP WITH TIME ZONE)",
         "columns mydb.x a=INT b=DECIMAL(9, 3) c d=DOUBLE[3] e=STRUCT(x INT, y TEXT)[] "
         "f=TIMESTAMP WITH TIME ZONE"},
        {"CREATE VIEW v AS SELECT 1", "view mydb.v sql<SELECT 1>"},
        {"CREATE OR REPLACE VIEW team.v AS WITH a AS (SELECT 1) FROM a",
         "view team.v replace sql<WITH a AS (SELECT 1) FROM a>"},
        {"CREATE TABLE x (a INT PRIMARY KEY)", "error: nothing more: no keys"},
        {"CREATE TABLE x (a INT, PRIMARY KEY (a))", "error: no keys"},
        {"CREATE TABLE x (a INT DEFAULT 3)", "error: (DEFAULT)"},
        {"CREATE TABLE x (a)", "error: \"a\" has no type"},
        {"CREATE TABLE x ()", "error: the name of a column"},
        {"CREATE TABLE x (a INT", "error: \",\" or \")\""},
        {"CREATE TABLE x", "error: the statement ends where AS should be"},
        {"CREATE TABLE x AS DELETE FROM y", "error: here should be a SELECT"},
        {"CREATE TABLE x AS SELECT 1 INTO y", "error: do not go together"},
        {"CREATE TABLE x AS SELECT 1)", "error: nothing is open"},
        {"CREATE TABLE x AS SELECT (1", "error: a bracket is open"},
        {"CREATE OR REPLACE TABLE IF NOT EXISTS x AS SELECT 1",
         "error: do not go together"},
        {"CREATE TEMP TABLE x AS SELECT 1", "denied: no temporary tables"},
        {"CREATE INDEX i ON x(a)", "denied: CREATE INDEX"},
        {"CREATE SCHEMA s", "denied: CREATE SCHEMA"},
        {"CREATE x", "error: TABLE or VIEW"},
        {"CREATE TABLE 3 AS SELECT 1", "error: the name of a table"},
    };
    CHECK_ALL(cases);
}

/* ---- rows ---- */

static void inserts(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"INSERT INTO x VALUES (1, 'a'), (2, DEFAULT)",
         "insert mydb.x sql<VALUES (1, 'a'), (2, NULL   )>"},
        {"INSERT INTO mydb.x (b, \"A\") SELECT 1, 2",
         "insert mydb.x b= A= sql<SELECT 1, 2>"},
        {"INSERT INTO x (SELECT 1)", "insert mydb.x sql<(SELECT 1)>"},
        {"INSERT INTO x ((VALUES (1)))", "insert mydb.x sql<((VALUES (1)))>"},
        {"INSERT INTO x BY NAME SELECT 1 AS a",
         "insert mydb.x by-name sql<SELECT 1 AS a>"},
        {"INSERT INTO x BY POSITION SELECT 1", "insert mydb.x sql<SELECT 1>"},
        {"INSERT INTO x DEFAULT VALUES", "insert mydb.x defaults"},
        {"WITH q AS (SELECT 1) INSERT INTO x FROM q",
         "insert mydb.x with<WITH q AS (SELECT 1)> sql<FROM q>"},
        {"INSERT INTO x SELECT a FROM t JOIN u ON conflict.id = t.id",
         "insert mydb.x sql<SELECT a FROM t JOIN u ON conflict.id = t.id>"},
        {"INSERT INTO x SELECT coalesce(a, DEFAULT) FROM t",
         "insert mydb.x sql<SELECT coalesce(a, DEFAULT) FROM t>"},
        {"INSERT INTO x VALUES (1) ON CONFLICT DO NOTHING", "error: ON CONFLICT"},
        {"INSERT INTO x VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
         "error: ON CONFLICT"},
        {"INSERT INTO x VALUES (1) RETURNING a", "error: no RETURNING"},
        {"INSERT OR REPLACE INTO x VALUES (1)", "error: no keys"},
        {"INSERT INTO x (a) BY NAME SELECT 1", "error: give no list"},
        {"INSERT INTO x", "error: the statement ends where VALUES or a SELECT should be"},
        {"INSERT x VALUES (1)", "error: here should be INTO"},
        {"INSERT INTO x (a, b VALUES (1)", "error: here should be \",\" or \")\""},
    };
    CHECK_ALL(cases);
}

static void updates(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"UPDATE x SET a = 1", "update mydb.x a=1"},
        {"UPDATE mydb.x AS t SET a = t.b + 1, [b] = (SELECT max(c) FROM y WHERE d) WHERE "
         "t.c "
         "IS NOT DISTINCT FROM 3",
         "update mydb.x as<t> a=t.b + 1 b=(SELECT max(c) FROM y WHERE d) where<t.c IS "
         "NOT "
         "DISTINCT FROM 3>"},
        {"UPDATE x t SET a = b IS DISTINCT FROM c, d = CASE WHEN e THEN 1 ELSE 2 END",
         "update mydb.x as<t> a=b IS DISTINCT FROM c d=CASE WHEN e THEN 1 ELSE 2 END"},
        {"UPDATE x SET a = extract(year FROM d), b = substring(s FROM 2 FOR 3) WHERE f",
         "update mydb.x a=extract(year FROM d) b=substring(s FROM 2 FOR 3) where<f>"},
        {"UPDATE x SET a = s.v FROM s JOIN u ON s.i IS DISTINCT FROM u.i WHERE x.i = s.i",
         "update mydb.x a=s.v from<s JOIN u ON s.i IS DISTINCT FROM u.i> where<x.i = "
         "s.i>"},
        {"UPDATE x SET (a, b) = (1, f(2, 3)), c = DEFAULT",
         "update mydb.x a=1 b=f(2, 3) c=NULL"},
        {"UPDATE x SET (a, b) = ROW(1, DEFAULT)", "update mydb.x a=1 b=NULL"},
        {"UPDATE x SET x.a = 1 -- why\n, b = 2 /* not */ WHERE c -- end",
         "update mydb.x a=1 b=2 where<c>"},
        {"WITH q AS (SELECT 1 i), r AS MATERIALIZED (SELECT 2) UPDATE x SET a = 1 FROM q",
         "update mydb.x with<WITH q AS (SELECT 1 i), r AS MATERIALIZED (SELECT 2)> a=1 "
         "from<q>"},
        {"UPDATE x SET a = [1, 2], b = {'f': 1, 'g': [2, 3]}",
         "update mydb.x a=[1, 2] b={'f': 1, 'g': [2, 3]}"},
        {"UPDATE x SET a = list_filter(b, y -> y > 1)",
         "update mydb.x a=list_filter(b, y -> y > 1)"},
        {"UPDATE x SET y.a = 1", "error: sets columns of x, not of \"y\""},
        {"UPDATE x SET (a, b) = (1)", "error: 2 columns are set to 1 values"},
        {"UPDATE x SET (a, b) = (SELECT 1, 2)", "error: write UPDATE ... FROM"},
        {"UPDATE x SET a", "error: the statement ends where \"=\" should be"},
        {"UPDATE x SET a =", "error: a value"},
        {"UPDATE x SET a = WHERE b", "error: here should be a value"},
        {"UPDATE x SET a = 1,", "error: the name of a column"},
        {"UPDATE x SET a = 1 WHERE", "error: a condition"},
        {"UPDATE x SET a = 1 WHERE b ORDER BY c", "error: UPDATE has no ORDER"},
        {"UPDATE x SET a = 1 LIMIT 3", "error: UPDATE has no LIMIT"},
        {"UPDATE x SET a = 1 RETURNING a", "error: no RETURNING"},
        {"UPDATE x", "error: SET"},
        {"UPDATE x SET a = 1) WHERE (b", "error: nothing is open"},
        {"UPDATE x SET a = (1", "error: a bracket is open"},
    };
    CHECK_ALL(cases);
}

static void deletes(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"DELETE FROM x", "delete mydb.x"},
        {"DELETE FROM team.x t WHERE t.a > 1 AND b IN (SELECT c FROM d WHERE e)",
         "delete team.x as<t> where<t.a > 1 AND b IN (SELECT c FROM d WHERE e)>"},
        {"DELETE FROM x USING y, z WHERE x.i = y.i",
         "delete mydb.x from<y, z> where<x.i = y.i>"},
        {"WITH q AS (SELECT 1 i) DELETE FROM x USING q WHERE x.i = q.i",
         "delete mydb.x with<WITH q AS (SELECT 1 i)> from<q> where<x.i = q.i>"},
        {"TRUNCATE x", "truncate mydb.x"},
        {"TRUNCATE TABLE a.x", "truncate a.x"},
        {"DELETE x WHERE a", "error: here should be FROM"},
        {"DELETE FROM x WHERE a LIMIT 3", "error: DELETE has no LIMIT"},
        {"DELETE FROM x WHERE", "error: a condition"},
        {"DELETE FROM x, y", "error: the end of the statement"},
        {"TRUNCATE x, y", "error: the end of the statement"},
    };
    CHECK_ALL(cases);
}

/* ---- tables ---- */

static void tables(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"DROP TABLE a", "drop mydb.a"},
        {"DROP TABLE IF EXISTS a, t.b CASCADE; DROP VIEW v",
         "drop mydb.a if | drop t.b if | drop mydb.v view"},
        {"ALTER TABLE a RENAME TO b", "rename mydb.a to<b>"},
        {"ALTER VIEW a RENAME TO b", "rename mydb.a view to<b>"},
        {"ALTER TABLE a ADD COLUMN c DOUBLE[3]", "alter mydb.a add c=DOUBLE[3]"},
        {"ALTER TABLE a ADD IF NOT EXISTS c INT DEFAULT 3 + 4",
         "alter mydb.a if-not add c=INT where<3 + 4>"},
        {"ALTER TABLE a DROP COLUMN IF EXISTS c CASCADE", "alter mydb.a if drop c="},
        {"ALTER TABLE a RENAME COLUMN b TO \"c d\"", "alter mydb.a rename b= to<c d>"},
        {"ALTER TABLE a RENAME b TO c", "alter mydb.a rename b= to<c>"},
        {"ALTER TABLE a ALTER COLUMN b TYPE VARCHAR", "alter mydb.a type b=VARCHAR"},
        {"ALTER TABLE a ALTER b SET DATA TYPE INT USING round(b)",
         "alter mydb.a type b=INT where<round(b)>"},
        {"COMMENT ON TABLE a IS 'it''s'", "comment mydb.a is<it's>"},
        {"COMMENT ON TABLE a IS NULL", "comment mydb.a is<>"},
        {"COMMENT ON COLUMN t.a.ra IS $$x$$", "comment t.a ra= is<x>"},
        {"COMMENT ON COLUMN a.ra IS E'a\\tb'", "comment mydb.a ra= is<a\tb>"},
        {"ALTER TABLE a ALTER b SET NOT NULL", "error: nothing more"},
        {"ALTER TABLE a ALTER b DROP DEFAULT", "error: nothing more"},
        {"ALTER TABLE a ADD b INT, ADD c INT", "error: one change at a time"},
        {"ALTER TABLE a ADD b INT NOT NULL", "error: no keys"},
        {"ALTER TABLE a ADD b", "error: a type"},
        {"ALTER VIEW a ADD b INT", "error: CREATE OR REPLACE VIEW"},
        {"ALTER TABLE a", "error: ADD, DROP, RENAME or ALTER"},
        {"COMMENT ON COLUMN a IS 'x'", "error: name its table too"},
        {"COMMENT ON TABLE a IS 3", "error: a text in quotes, or NULL"},
        {"DROP SCHEMA a", "error: TABLE or VIEW"},
        {"DROP TABLE a b", "error: the end of the statement"},
        {"BEGIN; SELECT 1; COMMIT", "denied: each statement is whole by itself"},
        {"COMMIT", "denied: each statement is whole by itself"},
        {"MERGE INTO a USING b ON c", "denied: UPDATE ... FROM"},
    };
    CHECK_ALL(cases);
}

/* ---- texts for messages ---- */

static void places(void **state)
{
    (void)state;
    static const case_t cases[] = {
        {"UPDATE x SET a = 1, b = f(2) FROM y WHERE c",
         "SELECT           1,     f(2) FROM y WHERE c"},
        {"UPDATE x SET (a, b) = (1, 2)", "SELECT                (1, 2)"},
        {"UPDATE x SET a = DEFAULT WHERE c", "SELECT           NULL    WHERE c"},
        {"DELETE FROM x t USING y WHERE c", "       FROM x t ,     y WHERE c"},
        {"SELECT 1;\n\xc3\xa9; DELETE FROM x", "         \n          FROM x"},
        {"INSERT INTO x VALUES (DEFAULT)", "              VALUES (NULL   )"},
        {"CREATE VIEW v AS SELECT 1", "                 SELECT 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_arena_t *a = peri_arena_new();
        peri_script_t s;
        peri_err_t err = {0};
        if (peri_script_parse(cases[i].sql, strlen(cases[i].sql), a, &s, &err))
            fail_msg("%s: %s", cases[i].sql, err.text);
        assert_string_equal(s.v[s.n - 1].check, cases[i].want);
        peri_arena_free(a);
    }
}

static void lines(void **state)
{
    (void)state;
    peri_arena_t *a = peri_arena_new();
    peri_script_t s;
    const char *sql = "SELECT 1;\n\n-- x\nDROP TABLE a,\nb;\nSELECT 2";
    assert_int_equal(peri_script_parse(sql, strlen(sql), a, &s, NULL), 0);
    assert_int_equal(s.n, 4);
    assert_true(s.writes);
    assert_int_equal(s.v[1].line, 4);
    assert_int_equal(s.v[3].line, 6);
    assert_string_equal(s.v[1].text, "DROP TABLE a,\nb");
    peri_err_t err = {0};
    const char *bad = "SELECT 1;\n  UPDATE \xc3\xa9 SET 3";
    assert_int_equal(peri_script_parse(bad, strlen(bad), a, &s, &err), -1);
    assert_string_equal(
        err.text, "the SQL is not valid at line 2, column 16: syntax error at or near "
                  "\"3\": here should be the name of a column\n    UPDATE \xc3\xa9 SET "
                  "3\n                 ^");
    peri_arena_free(a);
}

static void limits(void **state)
{
    (void)state;
    peri_arena_t *a = peri_arena_new();
    peri_script_t s;
    peri_err_t err = {0};
    peri_buf_t b;
    peri_buf_init(&b, 1 << 20);
    for (int i = 0; i < PERI_SCRIPT_MAX + 1; i++) peri_buf_puts(&b, "DROP TABLE a;");
    assert_int_equal(peri_script_parse(b.data, b.len, a, &s, &err), -1);
    assert_int_equal(err.code, PERI_ELIMIT);
    peri_buf_clear(&b);
    for (int i = 0; i < 1 << 19; i++) peri_buf_putc(&b, '(');
    assert_int_equal(peri_script_parse(b.data, b.len, a, &s, &err), 0);
    assert_int_equal(s.v[0].kind, PERI_ST_SELECT);
    assert_int_equal(peri_script_parse("SELECT\0 1", 9, a, &s, &err), -1);
    assert_int_equal(peri_script_parse("SELECT '\xff'", 10, a, &s, &err), -1);
    peri_buf_free(&b);
    peri_arena_free(a);
}

/* ---- parameters ---- */

static void check_bind(const char *sql, const char *params, const char *want)
{
    peri_arena_t *a = peri_arena_new();
    json_t *o = params ? json_loads(params, 0, NULL) : NULL;
    const char *out = NULL;
    peri_err_t err = {0};
    int rc = peri_script_bind(sql, strlen(sql), o, a, &out, &err);
    if (*want == '!') {
        if (rc == 0 || !strstr(err.text, want + 1))
            fail_msg("%s gave %s, not %s", sql, rc ? err.text : out, want + 1);
    } else if (rc || strcmp(out, want) != 0) {
        fail_msg("%s gave %s, not %s", sql, rc ? err.text : out, want);
    }
    json_decref(o);
    peri_arena_free(a);
}

static void parameters(void **state)
{
    (void)state;
    check_bind("SELECT $a, '$a', $$ $a $$, \"$a\" -- $a", "{\"a\": 5}",
               "SELECT 5, '$a', $$ $a $$, \"$a\" -- $a");
    check_bind("x-$a", "{\"A\": -5}", "x-(-5)");
    check_bind("$s", "{\"s\": \"it's; DROP TABLE x --\"}", "'it''s; DROP TABLE x --'");
    check_bind("$a$b", "{\"a\": 1}", "!unterminated dollar-quoted string");
    check_bind("$a $b $c $d", "{\"a\": 0.1, \"b\": 1e300, \"c\": 2.0, \"d\": -1.5e-7}",
               "0.1 1e+300 2.0 (-1.5e-07)");
    check_bind("$a $b $c", "{\"a\": true, \"b\": false, \"c\": null}", "true false NULL");
    check_bind("1$a'x'", "{\"a\": \"y\"}", "1 'y' 'x'");
    check_bind("col$a", NULL, "col$a");
    check_bind("SELECT 1", NULL, "SELECT 1");
    check_bind("SELECT $m", NULL, "!the parameter $m has no value");
    check_bind("SELECT $m", "{\"m\": 1, \"n\": 2}", "!no parameter $n, only $m");
    check_bind("SELECT 1", "{\"n\": 2}", "!no parameter $n");
    check_bind("SELECT $m", "{\"m\": [1]}", "!must be a text");
    check_bind("SELECT $m", "{\"m\": 9223372036854775807}", "SELECT 9223372036854775807");
}

/* Texts of a megabyte that are many names: what they cost grows with their length, not
 * with its square, which would be gigabytes and hours. */
static void many_names(void **state)
{
    (void)state;
    enum { MANY = 150000 };
    char key[24];
    const char *out;
    peri_err_t err;
    peri_script_t script;
    peri_buf_t b;
    peri_arena_t *a = peri_arena_new();
    peri_buf_init(&b, 1 << 20);
    peri_buf_puts(&b, "CREATE TABLE x (");
    for (int i = 0; i < MANY; i++) peri_buf_puts(&b, i ? ",a" : "a");
    peri_buf_puts(&b, ") AS SELECT 1");
    assert_int_equal(peri_script_parse(b.data, b.len, a, &script, &err), 0);
    assert_int_equal(script.v[0].ncolumns, MANY);
    assert_int_equal(strlen(script.v[0].sql), strlen("SELECT * FROM (") + b.len +
                                                  strlen("\n) AS peri_new(") +
                                                  MANY * strlen("\"a\", ") - 2 + 1);

    const double began = peri_now();
    json_t *params = json_object();
    peri_buf_clear(&b);
    for (int i = 0; i < MANY / 2; i++) {
        snprintf(key, sizeof(key), "p%d", i);
        json_object_set_new(params, key, json_integer(1));
        peri_buf_printf(&b, "$P%d ", i);
    }
    assert_int_equal(peri_script_bind(b.data, b.len, params, a, &out, &err), 0);
    assert_int_equal(strlen(out), MANY);
    assert_true(peri_now() - began < 30);
    json_decref(params);
    peri_buf_free(&b);
    peri_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selects),    cmocka_unit_test(into),
        cmocka_unit_test(creates),    cmocka_unit_test(inserts),
        cmocka_unit_test(updates),    cmocka_unit_test(deletes),
        cmocka_unit_test(tables),     cmocka_unit_test(places),
        cmocka_unit_test(lines),      cmocka_unit_test(limits),
        cmocka_unit_test(parameters), cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
