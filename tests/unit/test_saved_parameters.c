/* What saved queries declare of their parameters and the values they get; the words of
 * commands that requests become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "portal/quick/saved.h"
#include "portal/quick/words.h"

static json_t *read(const char *text)
{
    json_t *j = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(j);
    return j;
}

static void wrong(const char *declared, const char *word)
{
    peri_err_t err = {0};
    json_t *d = read(declared);
    if (peri_parameters_check(d, &err) == 0) fail_msg("taken: %s", declared);
    assert_int_equal(err.code, PERI_EINVAL);
    if (!strstr(err.text, word)) fail_msg("%s: %s", declared, err.text);
    json_decref(d);
}

static void declared(void **state)
{
    (void)state;
    json_t *d =
        read("[{\"name\":\"a\",\"type\":\"text\",\"default\":null,\"help\":\"h\"},"
             "{\"name\":\"_B9\",\"type\":\"BIGINT\",\"default\":7},"
             "{\"name\":\"c\",\"type\":\"Double\",\"default\":7},"
             "{\"name\":\"d\",\"type\":\"date\",\"default\":\"2020-01-01\"}]");
    assert_int_equal(peri_parameters_check(d, NULL), 0);
    json_decref(d);
    assert_int_equal(peri_parameters_check(NULL, NULL), 0);
    wrong("{}", "list");
    wrong("[7]", "object");
    wrong("[{\"type\":\"text\"}]", "name");
    wrong("[{\"name\":\"9a\",\"type\":\"text\"}]", "name");
    wrong("[{\"name\":\"a-b\",\"type\":\"text\"}]", "name");
    wrong("[{\"name\":\"\xc3\xa4\",\"type\":\"text\"}]", "name");
    wrong("[{\"name\":\"a\"}]", "type");
    wrong("[{\"name\":\"a\",\"type\":\"integer\",\"default\":1.5}]", "whole number");
    wrong("[{\"name\":\"a\",\"type\":\"boolean\",\"default\":0}]", "true or false");
    wrong("[{\"name\":\"a\",\"type\":\"text\",\"help\":7}]", "help");
    wrong("[{\"name\":\"a\",\"type\":\"text\",\"x\":7}]", "\"x\"");
    wrong("[{\"name\":\"a\",\"type\":\"text\"},{\"name\":\"a\",\"type\":\"text\"}]",
          "two");
}

/* expected NULL: refused, with `word` in the sentence. */
static void bound(const char *given, const char *expected, const char *word)
{
    peri_err_t err = {0};
    json_t *d = read("[{\"name\":\"m\",\"type\":\"number\",\"default\":2.5},"
                     "{\"name\":\"n\",\"type\":\"integer\",\"help\":\"how many\"},"
                     "{\"name\":\"t\",\"type\":\"text\",\"default\":\"x\"}]");
    json_t *g = given ? read(given) : NULL;
    json_t *out = peri_parameters_bind(d, g, &err);
    if (!expected) {
        if (out) fail_msg("taken: %s", given);
        if (!strstr(err.text, word)) fail_msg("%s: %s", given, err.text);
    } else {
        json_t *e = read(expected);
        if (!out || !json_equal(out, e)) fail_msg("%s: %s", given, err.text);
        json_decref(e);
    }
    json_decref(out);
    json_decref(g);
    json_decref(d);
}

static void values(void **state)
{
    (void)state;
    bound("{\"n\":3}", "{\"m\":2.5,\"n\":3,\"t\":\"x\"}", "");
    bound("{\"n\":3,\"m\":1,\"t\":null}", "{\"m\":1,\"n\":3,\"t\":null}", "");
    bound(NULL, NULL, "how many");
    bound("null", NULL, "\"n\" needs a value");
    bound("{}", NULL, "\"n\" needs a value");
    bound("{\"n\":3.5}", NULL, "whole number");
    bound("{\"n\":\"3\"}", NULL, "whole number");
    bound("{\"n\":3,\"m\":true}", NULL, "a number");
    bound("{\"n\":3,\"t\":[1]}", NULL, "a text");
    bound("{\"n\":3,\"z\":1}", NULL, "no parameter \"z\"");
    bound("[3]", NULL, "object");
}

static void words(void **state)
{
    (void)state;
    peri_words_t w;
    peri_arena_t *a = peri_arena_new();
    peri_words_init(&w, a, 3);
    peri_words_put(&w, "table");
    peri_words_option(&w, "path", "--help");
    peri_words_option(&w, "format", NULL);
    assert_int_equal(w.n, 2);
    assert_string_equal(w.v[1], "--path=--help");
    assert_int_equal(peri_words_check(&w, NULL), 0);
    peri_words_put(&w, "\xff");
    assert_int_equal(peri_words_check(&w, NULL), -1);
    peri_words_init(&w, a, 1);
    peri_words_put(&w, "a");
    peri_words_put(&w, "b");
    assert_int_equal(peri_words_check(&w, NULL), -1);
    peri_arena_free(a);
}

static void names(void **state)
{
    (void)state;
    static const char *const schemas[] = {"mydb", "ana", "a.b-c_9", "team:mhd-x",
                                          "user:A"};
    static const char *const no_schemas[] = {
        "",      ".",       "..",       "-x",     "a/b",  "a b",    "a:b",
        "team:", "team:-x", "\xc3\xa4", "data:x", "a\nb", "user:.."};
    static const char *const tables[] = {"a", "_", "Stars_2"};
    static const char *const no_tables[] = {"",   "2a",  "a.b", "a-b",
                                            "-a", "a b", "a\n", "*"};
    for (size_t i = 0; i < sizeof(schemas) / sizeof(*schemas); i++)
        assert_int_equal(peri_schemaname_check(schemas[i], NULL), 0);
    for (size_t i = 0; i < sizeof(no_schemas) / sizeof(*no_schemas); i++)
        assert_int_equal(peri_schemaname_check(no_schemas[i], NULL), -1);
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        assert_int_equal(peri_tablename_check(tables[i], NULL), 0);
    for (size_t i = 0; i < sizeof(no_tables) / sizeof(*no_tables); i++)
        assert_int_equal(peri_tablename_check(no_tables[i], NULL), -1);
    char name[66];
    memset(name, 'x', sizeof(name) - 1);
    name[65] = '\0';
    assert_int_equal(peri_tablename_check(name, NULL), -1);
    name[64] = '\0';
    assert_int_equal(peri_tablename_check(name, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(declared),
                                       cmocka_unit_test(values), cmocka_unit_test(words),
                                       cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
