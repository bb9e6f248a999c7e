/* test_spec.c - job specs: what is taken, and for what is refused the place and the
 * words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "jobs/spec/spec.h"

/* ---- what is refused: where, and with which words ---- */

#define SQL      "\"kind\":\"sql\",\"sql\":\"SELECT 1\""
#define RUN      "\"kind\":\"script\",\"command\":[\"./p\"]"
#define FOF      "\"kind\":\"kernel\",\"kernel\":\"fof\",\"input\":\"sim.dm\""
#define STEP(n)  "{\"name\":\"" n "\"," RUN "}"
#define LETTERS  "abcdefghijklmnopqrstuvwxyz"
#define LONG_104 LETTERS LETTERS LETTERS LETTERS

static const struct {
    const char *json, *at, *words;
} bad[] = {
    /* JSON itself */
    {"", NULL, "not valid JSON"},
    {"{", NULL, "not valid JSON: line 1"},
    {"[]", NULL, "is a JSON object"},
    {"3", NULL, "not valid JSON"},
    {"{" SQL "} x", NULL, "not valid JSON"},
    {"{" SQL ",\"kind\":\"sql\"}", NULL, "duplicate"},
    {"{\"kind\":\"sql\",\"sql\":\"a\\u0000b\"}", NULL, "\\u0000"},
    {"{\"kind\":\"sql\",\"sql\":\"\xff\xfe\"}", NULL, "UTF-8"},
    /* the job */
    {"{}", "/kind", "is missing: one of sql, kernel, script"},
    {"{\"kind\":\"sq\"}", "/kind",
     "did you mean \"sql\": choose one of sql, kernel, script"},
    {"{\"kind\":\"notebook\"}", "/kind", "there is no kind \"notebook\": choose one of"},
    {"{\"kind\":7}", "/kind", "must be a text in quotes, not a number"},
    {"{" SQL ",\"resorces\":{}}", "/resorces", "did you mean \"resources\""},
    {"{" SQL ",\"a/b~\":{}}", "/a~1b~0", "no such key"},
    {"{" SQL ",\"ranks\":3}", "/ranks", "belongs into \"resources\""},
    {"{" SQL ",\"mpi\":true}", "/mpi", "belongs to a script step, not to an sql step"},
    {"{" RUN ",\"into\":\"a.csv\"}", "/into", "belongs to an sql step"},
    {"{" SQL ",\"name\":\"\"}", "/name", "is empty"},
    {"{" SQL ",\"name\":\"a\\nb\"}", "/name",
     "control character (code 10) at its byte 2"},
    {"{" SQL ",\"name\":\"" LONG_104 LONG_104 "\"}", "/name", "at most 200"},
    {"{" SQL ",\"name\":null}", "/name", "null (leave the key out"},
    {"{" SQL ",\"priority\":1001}", "/priority", "from -1000 to 1000"},
    {"{" SQL ",\"priority\":1.5}", "/priority", "a whole number, not a number with deci"},
    {"{" SQL ",\"scheduler\":\"../x\"}", "/scheduler", "not the name of a scheduler"},
    /* resources */
    {"{" SQL ",\"resources\":{\"ranks\":0}}", "/resources/ranks", "from 1 to 65536"},
    {"{" SQL ",\"resources\":{\"ranks\":-4}}", "/resources/ranks", "-4 is not possible"},
    {"{" SQL ",\"resources\":{\"nodes\":99999999999}}", "/resources/nodes", "from 1 to"},
    {"{" SQL ",\"resources\":{\"ranks\":2,\"nodes\":3}}", "/resources/ranks",
     "2 ranks cannot be on 3 nodes"},
    {"{" SQL ",\"resources\":{\"threads\":1025}}", "/resources/threads", "1 to 1024"},
    {"{" SQL ",\"resources\":{\"threads\":\"4\"}}", "/resources/threads",
     "must be a whole number, not a text"},
    {"{" SQL ",\"resources\":{\"cpu\":4}}", "/resources/cpu", "can have nodes, ranks"},
    {"{" SQL ",\"resources\":[4]}", "/resources", "must be an object"},
    {"{" SQL ",\"resources\":{\"memory\":\"4XB\"}}", "/resources/memory", "not a size"},
    {"{" SQL ",\"resources\":{\"memory\":\"16\"}}", "/resources/memory", "from 1MB"},
    {"{" SQL ",\"resources\":{\"memory\":-1}}", "/resources/memory", "from 1MB"},
    {"{" SQL ",\"resources\":{\"memory\":\"nan\"}}", "/resources/memory", "not a size"},
    {"{" SQL ",\"resources\":{\"memory\":\"9000TB\"}}", "/resources/memory", "1000TB"},
    {"{" SQL ",\"resources\":{\"time\":\"90 parsecs\"}}", "/resources/time",
     "not a time"},
    {"{" SQL ",\"resources\":{\"time\":\"10:30\"}}", "/resources/time", "not a time"},
    {"{" SQL ",\"resources\":{\"time\":\"1-25\"}}", "/resources/time", "not a time"},
    {"{" SQL ",\"resources\":{\"time\":\"00:61:00\"}}", "/resources/time", "not a time"},
    {"{" SQL ",\"resources\":{\"time\":0}}", "/resources/time", "from 1 second"},
    {"{" SQL ",\"resources\":{\"time\":\"9999d\"}}", "/resources/time", "366 days"},
    {"{" SQL ",\"resources\":{\"partition\":\"\"}}", "/resources/partition", "is empty"},
    /* warn */
    {"{" SQL ",\"warn\":{\"signal\":\"USR3\"}}", "/warn/signal", "did you mean \"USR1\""},
    {"{" SQL ",\"warn\":{\"signal\":\"KILL\"}}", "/warn/signal",
     "choose one of HUP, INT"},
    {"{" SQL ",\"warn\":{\"before\":\"2h\"},\"resources\":{\"time\":\"1h\"}}",
     "/warn/before", "not within a time limit of 3600"},
    {"{" SQL ",\"warn\":{\"after\":1}}", "/warn/after", "no such key"},
    /* environment, folder, data */
    {"{" SQL ",\"env\":{\"A B\":\"x\"}}", "/env/A B", "not the name of a variable"},
    {"{" SQL ",\"env\":{\"PERIGEE_JOB\":\"x\"}}", "/env/PERIGEE_JOB", "reserved"},
    {"{" SQL ",\"env\":{\"SLURM_X\":\"x\"}}", "/env/SLURM_X", "reserved"},
    {"{" SQL ",\"env\":{\"N\":4}}", "/env/N", "must be a text in quotes"},
    {"{" SQL ",\"dir\":\"here\"}", "/dir", "is relative"},
    {"{" SQL ",\"data\":[\"a\",\"b c\"]}", "/data/1", "\"b c\" is not the name of"},
    {"{" SQL ",\"data\":[7]}", "/data/0", "must be a text"},
    {"{" SQL ",\"data\":\"tng\"}", "/data", "must be a list"},
    /* sql */
    {"{\"kind\":\"sql\"}", "/sql", "is missing"},
    {"{\"kind\":\"sql\",\"sql\":\" ;\\n\"}", "/sql", "is empty"},
    {"{" SQL ",\"context\":\"a-b\"}", "/context", "not the name of a dataset"},
    {"{" SQL ",\"format\":\"cvs\"}", "/format", "did you mean \"csv\": choose one of"},
    {"{" SQL ",\"into\":\"../x.csv\"}", "/into", "without folders"},
    {"{" SQL ",\"into\":\"..\",\"format\":\"csv\"}", "/into",
     "neither the name of a file"},
    {"{" SQL ",\"into\":\"x\"}", "/into", "say \"format\""},
    {"{" SQL ",\"into\":\"/data/\"}", "/into", "is a folder"},
    {"{" SQL ",\"overwrite\":true}", "/overwrite", "needs \"into\""},
    /* script */
    {"{\"kind\":\"script\"}", "/command", "is missing: the words of a command"},
    {"{\"kind\":\"script\",\"command\":\"ls -l\"}", "/command", "must be a list"},
    {"{\"kind\":\"script\",\"command\":[]}", "/command", "names no program"},
    {"{\"kind\":\"script\",\"command\":[\"\"]}", "/command", "names no program"},
    {"{\"kind\":\"script\",\"command\":[\"a\",1]}", "/command/1", "must be a text"},
    {"{\"kind\":\"script\",\"script\":\"echo\"}", "/script", "must begin with #!"},
    {"{\"kind\":\"script\",\"script\":\"#!\\necho\"}", "/script", "must begin with #!"},
    {"{\"kind\":\"script\",\"script\":\"#!/bin/sh\\r\\nls\"}", "/script", "Windows"},
    {"{" RUN ",\"script\":\"#!/bin/sh\"}", "/script", "does not go together"},
    {"{" RUN ",\"args\":[]}", "/args", "belongs to \"script\""},
    /* kernel */
    {"{\"kind\":\"kernel\",\"input\":\"a\"}", "/kernel", "the name of one, as fof"},
    {"{\"kind\":\"kernel\",\"kernel\":\"so masses\",\"input\":\"a\"}", "/kernel",
     "\"so masses\" is not the name of a kernel"},
    {"{\"kind\":\"kernel\",\"kernel\":\"fof\"}", "/input", "is missing: a table"},
    {"{\"kind\":\"kernel\",\"kernel\":\"fof\",\"input\":\" \"}", "/input", "is empty"},
    {"{" FOF ",\"parameters\":[1]}", "/parameters", "must be an object"},
    {"{" FOF ",\"parameters\":{\"B\":1}}", "/parameters/B", "not the name of a param"},
    {"{" FOF ",\"parameters\":{\"b=1 --into\":1}}", "/parameters/b=1 --into",
     "not the name of a param"},
    {"{" FOF ",\"parameters\":{\"b\":null}}", "/parameters/b",
     "must be a number, a text"},
    {"{" FOF ",\"parameters\":{\"b\":{}}}", "/parameters/b", "must be a number, a text"},
    {"{" FOF ",\"parameters\":{\"b\":[]}}", "/parameters/b", "has no numbers"},
    {"{" FOF ",\"parameters\":{\"b\":[1,\"2\"]}}", "/parameters/b/1", "must be a number"},
    {"{" FOF ",\"parameters\":{\"b\":\"{c}\"},\"array\":{\"parameters\":{\"b\":[1]}}}",
     "/parameters/b", "{c} is not a parameter of the array; did you mean {b}?"},
    {"{" FOF ",\"parameters\":{\"filter\":\"x = {c}\"},\"array\":{\"parameters\":"
     "{\"c\":[\"1; 2\"]}}}",
     "/parameters/filter", "{c} would be \"1; 2\" in a task"},
    {"{" FOF ",\"warn\":{\"signal\":\"TERM\"}}", "/warn/signal", "must be USR1"},
    {"{" FOF ",\"into\":\"x\"}", "/into", "say \"format\""},
    {"{" FOF ",\"overwrite\":true}", "/overwrite", "needs \"into\""},
    {"{" FOF ",\"mpi\":true}", "/mpi", "belongs to a script step, not to a kernel step"},
    {"{" SQL ",\"input\":\"a\"}", "/input", "belongs to a kernel step"},
    {"{" FOF ",\"env\":{\"PERIGEE_KERNEL\":\"x\"}}", "/env/PERIGEE_KERNEL", "reserved"},
    /* arrays */
    {"{" RUN ",\"array\":{}}", "/array/to", "is missing"},
    {"{" RUN ",\"array\":{\"from\":5,\"to\":2}}", "/array/to", "less than \"from\", 5"},
    {"{" RUN ",\"array\":{\"to\":5,\"by\":0}}", "/array/by", "from 1 to"},
    {"{" RUN ",\"array\":{\"to\":100000}}", "/array", "at most 100000"},
    {"{" RUN ",\"array\":{\"to\":4000000000}}", "/array/to", "from 0 to 999999"},
    {"{" RUN ",\"array\":{\"to\":5,\"step\":2}}", "/array/step", "no such key"},
    {"{" RUN ",\"array\":{\"to\":5,\"indexes\":[1]}}", "/array/to", "\"indexes\""},
    {"{" RUN ",\"array\":{\"indexes\":[]}}", "/array/indexes", "is empty"},
    {"{" RUN ",\"array\":{\"indexes\":[1,-2]}}", "/array/indexes/1",
     "-2 is not possible"},
    {"{" RUN ",\"array\":{\"indexes\":[1,2,1]}}", "/array/indexes", "index 1 twice"},
    {"{" RUN ",\"array\":{\"to\":3,\"parallel\":0}}", "/array/parallel", "from 1 to"},
    {"{" RUN ",\"array\":\"\"}", "/array", "is not an array: write"},
    {"{" RUN ",\"array\":\"5-1\"}", "/array", "is not an array: write"},
    {"{" RUN ",\"array\":\"1,2,1\"}", "/array", "index 1 twice"},
    {"{" RUN ",\"array\":\"1-5%0\"}", "/array", "is not an array"},
    {"{" RUN ",\"array\":\"1-5:0\"}", "/array", "is not an array"},
    {"{" RUN ",\"array\":\"1;5\"}", "/array", "is not an array"},
    {"{" RUN ",\"array\":\"0-999999\"}", "/array", "at most 100000"},
    {"{" RUN ",\"array\":\"1000000\"}", "/array", "from 0 to 999999"},
    {"{" RUN ",\"array\":\"99999999999999999999\"}", "/array", "is not an array"},
    {"{" RUN ",\"array\":{\"parameters\":{}}}", "/array/parameters", "is empty"},
    {"{" RUN ",\"array\":{\"parameters\":{\"1b\":[1]}}}", "/array/parameters/1b",
     "begins with no digit"},
    {"{" RUN ",\"array\":{\"parameters\":{\"index\":[1]}}}", "/array/parameters/index",
     "choose another name"},
    {"{" RUN ",\"array\":{\"parameters\":{\"b\":[]}}}", "/array/parameters/b",
     "no values"},
    {"{" RUN ",\"array\":{\"parameters\":{\"b\":[1,true]}}}", "/array/parameters/b/1",
     "a number or a text"},
    {"{\"kind\":\"script\",\"command\":[\"p\",\"{bb}\"],\"array\":{\"parameters\":{"
     "\"bc\":"
     "[1]}}}",
     "/command/1", "did you mean {bc}?; to have the brace itself, write {{bb}"},
    {"{\"kind\":\"sql\",\"sql\":\"SELECT "
     "'{t}'\",\"array\":{\"parameters\":{\"t\":[1,\"a' "
     "b\"]}}}",
     "/sql", "{t} would be \"a' b\" in a task"},
    {"{\"kind\":\"sql\",\"sql\":\"SELECT 3 "
     "-{t}\",\"array\":{\"parameters\":{\"t\":[1,-2]}"
     "}}",
     "/sql", "write -({t})"},
    {"{" SQL
     ",\"into\":\"{t}.csv\",\"array\":{\"parameters\":{\"t\":[1,2],\"u\":[1,2]}}}",
     "/into", "two tasks would write \"1.csv\""},
    {"{" SQL ",\"into\":\"{t}.csv\",\"array\":{\"parameters\":{\"t\":[\"a/b\"]}}}",
     "/into", "only numbers and words"},
    /* dependencies */
    {"{" RUN ",\"after\":\"42\"}", "/after", "must be a list"},
    {"{" RUN ",\"after\":[\"fof\"]}", "/after/0", "\"fof\" is not a job"},
    {"{" RUN ",\"after\":[{\"job\":0}]}", "/after/0/job", "is not a job"},
    {"{" RUN ",\"after\":[{\"job\":\"abc\"}]}", "/after/0/job", "is not a job"},
    {"{" RUN ",\"after\":[{\"step\":\"a\"}]}", "/after/0/step", "no other steps"},
    {"{" RUN ",\"after\":[{}]}", "/after/0", "needs one of"},
    {"{" RUN ",\"after\":[{\"job\":1,\"step\":\"a\"}]}", "/after/0", "not both"},
    {"{" RUN ",\"after\":[{\"job\":1,\"when\":\"never\"}]}", "/after/0/when",
     "\"end\" for"},
    {"{" RUN ",\"after\":[\"42\",{\"job\":42}]}", "/after/1", "is the same as /0"},
    /* graphs */
    {"{\"steps\":[]}", "/steps", "is empty"},
    {"{\"steps\":{}}", "/steps", "must be a list"},
    {"{\"steps\":[3]}", "/steps/0", "must be an object"},
    {"{\"steps\":[{" RUN "}]}", "/steps/0/name", "is missing"},
    {"{\"steps\":[{\"name\":\"Fof\"," RUN "}]}", "/steps/0/name",
     "\"Fof\" is not possible"},
    {"{\"steps\":[{\"name\":\"a/b\"," RUN "}]}", "/steps/0/name", "is not possible"},
    {"{\"steps\":[{\"name\":\"" LONG_104 "\"," RUN "}]}", "/steps/0/name", "at most 32"},
    {"{\"steps\":[" STEP("a") "," STEP("a") "]}", "/steps/1/name",
     "also the name of /ste"},
    {"{\"kind\":\"sql\",\"steps\":[" STEP("a") "]}", "/kind", "not beside \"steps\""},
    {"{\"steps\":[{\"name\":\"a\",\"priority\":1," RUN "}]}", "/steps/0/priority",
     "belongs to the job"},
    {"{\"steps\":[{\"name\":\"a\"," RUN ",\"resources\":{\"memory\":1}}]}",
     "/steps/0/resources/memory", "from 1MB"},
    {"{\"steps\":[" STEP("fof") ",{\"name\":\"b\"," RUN ",\"after\":[\"fog\"]}]}",
     "/steps/1/after/0", "did you mean \"fof\"?"},
    {"{\"steps\":[{\"name\":\"a\"," RUN ",\"after\":[\"a\"]}]}", "/steps/0/after/0",
     "waits for itself"},
    {"{\"steps\":[" STEP("z") ",{\"name\":\"a\"," RUN
                              ",\"after\":[\"c\"]},{\"name\":\"b\"," RUN
                              ",\"after\":[\"z\",\"a\"]},{\"name\":\"c\"," RUN
                              ",\"after\":[{\"step\":\"b\","
                              "\"when\":\"end\"}]}]}",
     "/steps/1/after", "in a circle: a after c after b after a"},
    {"{\"steps\":[{\"name\":\"a\"," SQL ",\"into\":\"x.csv\"},{\"name\":\"b\"," SQL
     ",\"into\":\"x.csv\"}]}",
     "/steps/1/into", "\"a\" and \"b\" would both write x.csv"},
    {"{\"steps\":[{\"name\":\"a\"," RUN ",\"array\":\"0-59999\"},{\"name\":\"b\"," RUN
     ",\"array\":\"0-59999\"}]}",
     "/steps/1/array", "at most 100000"},
};

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        peri_err_t err = {0};
        char start[128] = "";
        peri_spec_t *s = peri_spec_parse(bad[i].json, strlen(bad[i].json), NULL, &err);
        if (s) fail_msg("taken: %s", bad[i].json);
        if (bad[i].at) snprintf(start, sizeof(start), "at %s: ", bad[i].at);
        if (strncmp(err.text, start, strlen(start)) || !strstr(err.text, bad[i].words))
            fail_msg("%s\n says: %s\n not: %s... %s", bad[i].json, err.text, start,
                     bad[i].words);
        assert_int_equal(err.code, PERI_EINVAL);
        assert_true(peri_utf8_valid(err.text, strlen(err.text)));
    }
}

static void nul_and_size(void **state)
{
    (void)state;
    peri_err_t err = {0};
    const char text[] = "{" SQL ",\"name\":\"a\0b\"}";
    assert_null(peri_spec_parse(text, sizeof(text) - 1, NULL, &err));
    assert_non_null(strstr(err.text, "not valid JSON"));

    peri_buf_t b;
    peri_buf_init(&b, 2 * PERI_SPEC_MAX);
    peri_buf_puts(&b, "{\"kind\":\"script\",\"script\":\"#!/bin/sh\\n");
    while (b.len < PERI_SPEC_MAX) peri_buf_puts(&b, "# a long script\\n");
    peri_buf_puts(&b, "\"}");
    assert_null(peri_spec_parse(b.data, b.len, "/", &err));
    assert_int_equal(err.code, PERI_ELIMIT);
    peri_buf_free(&b);
}

/* Lists that are longer than they may be. */
static void too_long(void **state)
{
    (void)state;
    static const struct {
        const char *head, *item, *tail;
        int n;
        const char *words;
    } cases[] = {
        {"{\"kind\":\"script\",\"command\":[\"p\"", ",\"x\"", "]}", 4096,
         "at /command: has 4097 words; at most 4096"},
        {"{" RUN ",\"after\":[1", ",1", "]}", 64, "at /after: has 65 items"},
        {"{" SQL ",\"data\":[\"a\"", ",\"a\"", "]}", 64, "at /data: has 65 items"},
        {"{\"steps\":[1", ",1", "]}", 64, "at /steps: are 65; at most 64"},
        {"{\"kind\":\"sql\",\"sql\":\"SELECT 1", " + 1234567", "\"}", 13200,
         "at /sql: is too long: 132008 bytes, at most 131071"},
        {"{\"kind\":\"script\",\"command\":[\"p\",\"", "0123456789", "\"]}", 13200,
         "at /command/1: is too long"},
        {"{" RUN ",\"array\":{\"indexes\":[0", ",0", "]}}", 100000,
         "at /array/indexes: "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_err_t err = {0};
        peri_buf_t b;
        peri_buf_init(&b, PERI_SPEC_MAX);
        peri_buf_puts(&b, cases[i].head);
        for (int k = 0; k < cases[i].n; k++) peri_buf_puts(&b, cases[i].item);
        peri_buf_puts(&b, cases[i].tail);
        assert_null(peri_spec_parse(b.data, b.len, NULL, &err));
        if (!strstr(err.text, cases[i].words))
            fail_msg("%s\n not: %s", err.text, cases[i].words);
        peri_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(nul_and_size),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
