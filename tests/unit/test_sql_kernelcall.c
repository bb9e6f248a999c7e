/* Calls of kernels in statements: found, their arguments read, tables put in their place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "core/sql/kernelcall.h"

static duckdb_database db;
static duckdb_connection con;
static peri_arena_t *arena;
static struct {
    size_t n;
    char *text[8]; /* name(first) and the others as JSON */
} calls;

static int set_up(void **state)
{
    (void)state;
    arena = peri_arena_new();
    return duckdb_open(NULL, &db) == DuckDBSuccess &&
                   duckdb_connect(db, &con) == DuckDBSuccess
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    duckdb_disconnect(&con);
    duckdb_close(&db);
    peri_arena_free(arena);
    return 0;
}

static bool is_kernel(void *arg, const char *name)
{
    (void)arg;
    return strcasecmp(name, "fof") == 0 || strcasecmp(name, "so") == 0;
}

static int add(void *arg, const peri_kernelcall_t *call, size_t *number, peri_err_t *err)
{
    (void)arg, (void)err;
    assert_true(calls.n < 8);
    char *json =
        json_dumps(call->named, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
    calls.text[calls.n] = peri_arena_printf(arena, "%s(%s) %s", call->name,
                                            call->first ? call->first : "", json);
    free(json);
    json_decref(call->named);
    *number = calls.n++;
    return 0;
}

static const char *take(const char *sql, peri_err_t *err)
{
    const peri_kernelfinder_t f = {NULL, is_kernel, add};
    calls.n = 0;
    return peri_kernelcalls_take(con, sql, &f, arena, err);
}

static void found(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *calls[3];
    } cases[] = {
        {"SELECT * FROM fof('a.b')", {"fof(a.b) {}"}},
        {"SELECT * FROM FOF(a.b, b => 0.2, n := 10 + 2, o => true)",
         {"fof(a.b) {\"b\":0.2,\"n\":12,\"o\":true}"}},
        {"SELECT * FROM fof('a', radii => [1, -2.5], t => 'x''y', B => 1e-3, z => NULL)",
         {"fof(a) {\"b\":0.001,\"radii\":[1.0,-2.5],\"t\":\"x'y\",\"z\":null}"}},
        {"FROM fof((SELECT x FROM t WHERE x > 1), centres => (FROM c))",
         {"fof(SELECT x FROM t WHERE (x > 1)) {\"centres\":\"SELECT * FROM c\"}"}},
        {"SELECT (SELECT count(*) FROM so('s')) FROM fof('f') g JOIN t ON g.x = t.x",
         {"so(s) {}", "fof(f) {}"}},
        {"WITH w AS (SELECT * FROM so('s')) SELECT * FROM w, range(3)", {"so(s) {}"}},
        {"SELECT * FROM fof()", {"fof() {}"}},
        {"SELECT * FROM t", {NULL}},
        {"SELECT fof(x) FROM generate_series(1, 2)", {NULL}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peri_err_t err = {0};
        const char *sql = take(cases[i].sql, &err);
        if (!sql) fail_msg("%s: %s", cases[i].sql, err.text);
        for (size_t k = 0; k < 3; k++) {
            const char *got = k < calls.n ? calls.text[k] : NULL;
            if (!cases[i].calls[k] != !got)
                fail_msg("%s: call %zu is %s", cases[i].sql, k, got ? got : "missing");
            /* The names are as they were written. */
            if (got && strcasecmp(got, cases[i].calls[k]) != 0)
                fail_msg("%s: %s", cases[i].sql, got);
        }
        if (calls.n) assert_non_null(strstr(sql, "perigee_kernels.results.\"0\""));
        if (!calls.n) assert_string_equal(sql, cases[i].sql);
    }
}

static void names_stay(void **state)
{
    (void)state;
    peri_err_t err = {0};
    assert_non_null(strstr(take("SELECT fof.np FROM fof('a')", &err), "AS fof"));
    assert_non_null(strstr(take("SELECT g.np FROM fof('a') AS g", &err), "AS g"));
    assert_non_null(strstr(take("SELECT n FROM fof('a') AS g(m, n)", &err), "g(m, n)"));
}

static void refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"SELECT * FROM t, fof('a', b => t.x + 1)", "depends on a row"},
        {"SELECT * FROM fof('a', b => (SELECT 1) + 1)", "depends on a row"},
        {"SELECT * FROM fof('a', 'b')", "name => value"},
        {"SELECT * FROM fof(3)", "first argument"},
        {"SELECT * FROM fof('a', b => 1, B => 2)", "b twice"},
        {"SELECT * FROM fof('a', b => getenv('HOME'))", "getenv"},
        {"SELECT * FROM fof('a', b => read_text('/etc/passwd'))", "read_text"},
        {"SELECT * FROM fof('a', b => nope(1))", "nope"},
        {"SELECT * FROM fof('a', b => )", "syntax"},
        {"DROP TABLE fof", "DROP"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peri_err_t err = {0};
        assert_null(take(cases[i][0], &err));
        if (!strstr(err.text, cases[i][1])) fail_msg("%s: %s", cases[i][0], err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found), cmocka_unit_test(names_stay), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
