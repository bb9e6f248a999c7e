/* What is said to who writes for another database, slips, or takes a word of SQL for a
 * name; and that nothing is said where nothing is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/sql/meant.h"

/* `sql` is wrong where it has a ^, which is left out. NULL: nothing is said. */
static void check(const char *sql, const char *says)
{
    char text[200], hint[160] = "";
    const char *mark = strchr(sql, '^');
    assert_non_null(mark);
    snprintf(text, sizeof(text), "%.*s%s", (int)(mark - sql), sql, mark + 1);
    const bool said =
        peri_meant_syntax(text, strlen(text), (size_t)(mark - sql), hint, sizeof(hint));
    if (said != (says != NULL) || (says && !strstr(hint, says)))
        fail_msg("%s: \"%s\", not \"%s\"", sql, hint, says ? says : "");
}

static void syntax(void **state)
{
    (void)state;
    check("SELECT TOP ^10 * FROM t", "LIMIT");
    check("SELECT a FROM t WHERE a > 1\n^GO SELECT 2", "end with ;");
    check("^DECLARE @m FLOAT", "--param");
    check("SELECT a FROM ^[t]", "double quotes");
    check("SELECT a FROM mydb^..t", "schema.table");
    check("SELECT a FROM t ^WITH (NOLOCK)", "NOLOCK");
    check("^SELCT 1", "SELECT meant");
    check("^heavy.sql", "query -f FILE");
    check("SELECT ^) FROM a.sql", NULL);
    check("SELECT a FORM ^t", "FROM meant");
    check("SELECT a FROM t wher ^a > 1", "WHERE meant");
    check("SELECT a FROM t ^ODER BY a", "ORDER meant");
    check("SELECT a FROM t LIMIT 1 ^WHERE a > 1", "before GROUP BY");
    check("SELECT a FROM t LIMIT 1 ^ORDER BY a", "ORDER BY, LIMIT");
    check("SELECT order ^FROM t", "as a name write it \"order\"");
    check("SELECT a, group^, b FROM t", "\"group\"");
    check("SELECT a FROM t WHERE ^desc > 1", "\"desc\"");
    check("SELECT a FROM t WHERE a ^=> 1", ">=");
    check("SELECT count(*) groups^) FROM t", NULL);
    check("SELECT a FROM t ^WITH q AS (SELECT 1) WHERE a > 1", NULL);
    check("SELECT a FROM t JOIN ^WHERE a > 1", NULL);
    check("SELECT a FROM t WHERE ^ORDER BY a", NULL);
    check("SELECT a FROM t GROUP BY ^ORDER BY a", NULL);
    check("SELECT a FROM t WHERE a = 1 AND^", NULL);
    check("SELECT f(1 ^FROM t", NULL);
    check("SELECT a FROM t WHERE ^)", NULL);
    check("^", NULL);
    check("SELECT a FROM t "
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaa ^b",
          NULL);
    char hint[160];
    assert_false(peri_meant_syntax("SELECT", 6, 7, hint, sizeof(hint)));
}

static void functions(void **state)
{
    (void)state;
    assert_string_equal(peri_meant_function("ISNULL"), "coalesce(a, b), or a IS NULL");
    assert_string_equal(peri_meant_function("getdate"), "now()");
    assert_string_equal(peri_meant_function("=<"), "<=");
    assert_null(peri_meant_function("round"));
    assert_null(peri_meant_function(""));
}

static void check_column(const char *text, const char *says)
{
    peri_err_t err = {0};
    peri_err_set(&err, PERI_EINVAL, "%s", text);
    peri_meant_column(&err);
    assert_string_equal(err.text, says);
    assert_int_equal(err.code, PERI_EINVAL);
}

static void columns(void **state)
{
    (void)state;
    check_column(
        "Binder Error: Referenced column \"objd\" not found in FROM clause!\nCandidate "
        "bindings: \"objid\", \"ra\"",
        "there is no column \"objd\"; did you mean objid?");
    check_column(
        "Binder Error: Referenced column \"STAR\" not found in FROM clause!\nCandidate "
        "bindings: \"class\", \"u\"",
        "there is no column \"STAR\"; near is class, u; if a text is meant, it stands in "
        "single quotes: 'STAR'");
    check_column(
        "Binder Error: Referenced column \"x\" not found in FROM clause!",
        "there is no column \"x\"; if a text is meant, it stands in single quotes: 'x'");
    check_column("Binder Error: Values list \"s\" does not have a column named \"obj\"",
                 "s has no column \"obj\"");
    const char *stay[] = {"Binder Error: Referenced table \"a\" not found!",
                          "Binder Error: Referenced column \"a", "Binder Error: ", ""};
    for (size_t i = 0; i < sizeof(stay) / sizeof(*stay); i++)
        check_column(stay[i], stay[i]);
    peri_meant_column(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax), cmocka_unit_test(functions), cmocka_unit_test(columns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
