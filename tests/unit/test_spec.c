/* test_spec.c - job specs: what is taken, and for what is refused the place and the
 * words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "jobs/spec/spec.h"

static peri_spec_t *good(const char *json, const char *dir)
{
    peri_err_t err = {0};
    peri_spec_t *s = peri_spec_parse(json, strlen(json), dir, &err);
    if (!s) fail_msg("%s\n refused: %s", json, err.text);
    return s;
}

/* ---- what is refused: where, and with which words ---- */

#define SQL      "\"kind\":\"sql\",\"sql\":\"SELECT 1\""
#define RUN      "\"kind\":\"script\",\"command\":[\"./p\"]"
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
    {"{}", "/kind", "is missing: one of sql, script"},
    {"{\"kind\":\"sq\"}", "/kind", "did you mean \"sql\": choose one of sql, script"},
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

/* ---- what is taken ---- */

static void defaults(void **state)
{
    (void)state;
    peri_spec_t *s = good("{" SQL "}", NULL);
    assert_string_equal(s->name, "query");
    assert_null(s->scheduler);
    assert_int_equal(s->nsteps, 1);
    assert_int_equal(s->ntasks, 1);
    const peri_step_t *t = &s->steps[0];
    assert_string_equal(t->name, "main");
    assert_string_equal(t->kind_name, "sql");
    assert_string_equal(t->at, "");
    assert_int_equal(t->resources.nodes, 1);
    assert_int_equal(t->resources.ranks, 1);
    assert_int_equal(t->resources.cpus, 1);
    assert_int_equal(t->resources.memory, 0);
    assert_int_equal(t->resources.time_limit, 0);
    assert_null(t->tasks);
    assert_null(t->dir);
    assert_false(t->restartable);
    peri_spec_free(s);
    peri_spec_free(NULL);
}

static void everything(void **state)
{
    (void)state;
    peri_spec_t *s = good(
        "{\"$schema\":\"x\",\"name\":\"masse f\xc3\xbcr alle\",\"scheduler\":\"slurm\","
        "\"priority\":-7,\"kind\":\"script\",\"command\":[\"bin/prog\",\"-v\"],"
        "\"mpi\":true,\"resources\":{\"nodes\":2,\"ranks\":8,\"threads\":4,\"memory\":"
        "\"4GB\",\"time\":\"1-12:00:00\",\"partition\":\"p\",\"account\":\"a\","
        "\"constraint\":\"[x*1&y*2]\"},\"warn\":{\"signal\":\"SIGTERM\",\"before\":"
        "90},\"env\":{\"A\":\"1\",\"B\":\"\"},\"dir\":\"sub\",\"restartable\":true,"
        "\"data\":[\"tng\",\"tng.subhalos\"],\"after\":[{\"job\":42},\"17\"]}",
        "/home/ana");
    const peri_step_t *t = &s->steps[0];
    assert_string_equal(s->name, "masse f\xc3\xbcr alle");
    assert_string_equal(s->scheduler, "slurm");
    assert_int_equal(s->priority, -7);
    assert_int_equal(t->resources.nodes, 2);
    assert_int_equal(t->resources.ranks, 8);
    assert_int_equal(t->resources.cpus, 4);
    assert_true(t->resources.memory == 4000000000u);
    assert_int_equal(t->resources.time_limit, 36 * 3600);
    assert_int_equal(t->resources.warn_signal, SIGTERM);
    assert_int_equal(t->resources.warn_seconds, 90);
    assert_string_equal(t->resources.constraint, "[x*1&y*2]");
    assert_int_equal(t->nenv, 2);
    assert_string_equal(t->env[1].name, "B");
    assert_string_equal(t->env[1].value, "");
    assert_string_equal(t->dir, "/home/ana/sub");
    assert_true(t->restartable);
    peri_spec_free(s);
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t seconds;
    } cases[] = {
        {"\"90m\"", 5400},       {"\"2h\"", 7200},         {"45", 45},
        {"\"45\"", 45},          {"\"1.5h\"", 5400},       {"\"0.2s\"", 1},
        {"\"12:00:00\"", 43200}, {"\"36:00:00\"", 129600}, {"\"1-12:00:00\"", 129600},
        {"\"1-12\"", 129600},    {"\"1-12:30\"", 131400},  {"\"3d\"", 259200}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *json =
            peri_xasprintf("{" SQL ",\"resources\":{\"time\":%s}}", cases[i].text);
        peri_spec_t *s = good(json, NULL);
        assert_int_equal(s->steps[0].resources.time_limit, cases[i].seconds);
        peri_spec_free(s);
        free(json);
    }
}

static void arrays(void **state)
{
    (void)state;
    static const struct {
        const char *array, *indexes;
        int parallel;
    } cases[] = {
        {"{\"from\":2,\"to\":9,\"by\":3}", "2 5 8", 0},
        {"{\"to\":2,\"parallel\":10}", "0 1 2", 10},
        {"{\"indexes\":[9,1,5]}", "1 5 9", 0},
        {"\"0-3%2\"", "0 1 2 3", 2},
        {"\"1,5,9-20:2%4\"", "1 5 9 11 13 15 17 19", 4},
        {"\"7\"", "7", 0},
        {"\"9-20:5,1-2\"", "1 2 9 14 19", 0},
        {"{\"parameters\":{\"b\":[1,2],\"c\":[3]}}", "0 1", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char got[256] = "",
             *json = peri_xasprintf("{" RUN ",\"array\":%s}", cases[i].array);
        peri_spec_t *s = good(json, NULL);
        const peri_step_t *t = &s->steps[0];
        for (size_t k = 0; k < t->ntasks; k++)
            sprintf(got + strlen(got), "%s%d", k ? " " : "", t->tasks[k].index);
        assert_string_equal(got, cases[i].indexes);
        assert_int_equal(t->parallel, cases[i].parallel);
        assert_int_equal(s->ntasks, t->ntasks);
        peri_spec_free(s);
        free(json);
    }
}

static void parameters(void **state)
{
    (void)state;
    peri_spec_t *s = good("{" RUN ",\"array\":{\"parameters\":{\"b\":[0.1,2e-7,3.0,-12],"
                          "\"snap\":[\"x y\",\"099\"]},\"parallel\":4}}",
                          NULL);
    static const char *const b[] = {"0.1", "0.1", "2e-7", "2e-7",
                                    "3.0", "3.0", "-12",  "-12"};
    const peri_step_t *t = &s->steps[0];
    assert_int_equal(t->ntasks, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(t->tasks[i].index, i);
        assert_int_equal(t->tasks[i].nparams, 2);
        assert_string_equal(t->tasks[i].params[0].name, "b");
        assert_string_equal(t->tasks[i].params[1].name, "snap");
        assert_true(strtod(t->tasks[i].params[0].value, NULL) == strtod(b[i], NULL));
        assert_string_equal(t->tasks[i].params[1].value, i % 2 ? "099" : "x y");
    }
    assert_string_equal(t->tasks[0].params[0].value, "0.1");
    assert_string_equal(t->tasks[4].params[0].value, "3.0");
    peri_spec_free(s);
}

static void graph_order(void **state)
{
    (void)state;
    peri_spec_t *s = good(
        "{\"name\":\"g\",\"steps\":["
        "{\"name\":\"d\"," RUN ",\"after\":[\"b\",{\"step\":\"c\",\"when\":\"end\"}]},"
        "{\"name\":\"c\"," RUN ",\"after\":[\"a\"]},"
        "{\"name\":\"e\"," RUN "},"
        "{\"name\":\"b\"," RUN ",\"after\":[\"a\",{\"job\":\"6f0c1122\"}]},"
        "{\"name\":\"a\"," RUN "}]}",
        NULL);
    const char *order = "eacbd"; /* as written, but each behind what it needs */
    assert_int_equal(s->nsteps, 5);
    for (size_t i = 0; i < 5; i++) assert_int_equal(s->steps[i].name[0], order[i]);
    assert_string_equal(s->steps[4].at, "/steps/0");
    assert_int_equal(s->steps[4].nafter, 2);
    assert_false(s->steps[4].after[0].even_failed);
    assert_true(s->steps[4].after[1].even_failed);
    assert_string_equal(s->steps[3].after[1].job, "6f0c1122");
    assert_null(s->steps[3].after[1].step);
    peri_spec_free(s);
}

/* What is stored gives the same job without the folder it was sent from. */
static void stored_again(void **state)
{
    (void)state;
    peri_spec_t *s = good("{\"steps\":[{\"name\":\"a\"," RUN ",\"dir\":\"x\",\"array\":"
                          "{\"parameters\":{\"b\":[0.1,1e300]}}},{\"name\":\"b\"," SQL
                          "},{\"name\":\"c\"," RUN ",\"dir\":\"/tmp\"}]}",
                          "/home/ana");
    char *text = json_dumps(s->json, JSON_COMPACT);
    peri_spec_t *t = good(text, NULL);
    assert_string_equal(t->steps[0].dir, "/home/ana/x");
    assert_string_equal(t->steps[1].dir, "/home/ana");
    assert_string_equal(t->steps[2].dir, "/tmp");
    assert_string_equal(t->steps[0].tasks[0].params[0].value, "0.1");
    assert_string_equal(t->steps[0].tasks[1].params[0].value,
                        s->steps[0].tasks[1].params[0].value);
    free(text);
    peri_spec_free(s);
    peri_spec_free(t);
}

/* ---- against what a scheduler has ---- */

static void impossible(void **state)
{
    (void)state;
    static const peri_schedcaps_t slurm = {.name = "slurm",
                                           .nodes = 3,
                                           .cores_node = 16,
                                           .cores = 40,
                                           .memory_node = 48000000000u,
                                           .time_limit = 86400,
                                           .multi_node = true};
    static const peri_schedcaps_t local = {.name = "local", .nodes = 1, .cores_node = 4};
    static const struct {
        const char *resources;
        const peri_schedcaps_t *caps;
        const char *says; /* NULL: possible */
    } cases[] = {
        {"\"memory\":\"64GB\"", &slurm,
         "at /resources/memory: 64.0 GB a node are asked for, but the largest node of "
         "slurm "
         "has 48.0 GB"},
        {"\"nodes\":4", &slurm,
         "at /resources/nodes: 4 nodes are asked for, but slurm has 3"},
        {"\"nodes\":2", &local,
         "at /resources/nodes: 2 nodes are asked for, but local runs"},
        {"\"threads\":17", &slurm, "at /resources/threads: 17 cores for each rank"},
        {"\"ranks\":5,\"threads\":4", &slurm,
         "at /resources/ranks: 5 ranks of 4 cores on 1 node need 20 cores on a node, but "
         "the "
         "largest node of slurm has 16"},
        {"\"ranks\":41,\"nodes\":3", &slurm,
         "at /resources/ranks: 41 cores are asked for (41 ranks of 1), but slurm has 40"},
        {"\"time\":\"2d\"", &slurm,
         "at /resources/time: 2-00:00:00 is asked for, but slurm allows 1-00:00:00 at "
         "most"},
        {"\"ranks\":5", &local, "largest node of local has 4"},
        {"\"nodes\":3,\"ranks\":39,\"memory\":\"48GB\",\"time\":\"1d\"", &slurm, NULL},
        {"\"ranks\":4,\"memory\":\"900GB\",\"time\":\"300d\"", &local, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *json = peri_xasprintf("{" SQL ",\"resources\":{%s}}", cases[i].resources);
        peri_spec_t *s = good(json, NULL);
        peri_err_t err = {0};
        int rc = peri_spec_check(s, cases[i].caps, &err);
        if (!cases[i].says ? rc != 0 : rc == 0 || !strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].resources, err.text);
        peri_spec_free(s);
        free(json);
    }
    peri_err_t err = {0};
    peri_spec_t *s =
        good("{\"steps\":[{\"name\":\"b\"," RUN ",\"after\":[\"a\"],\"resources\""
             ":{\"nodes\":9}}," STEP("a") "]}",
             NULL);
    assert_int_equal(peri_spec_check(s, &slurm, &err), -1);
    assert_int_equal(strncmp(err.text, "at /steps/0/resources/nodes: ", 29), 0);
    peri_spec_free(s);
}

/* ---- from the command line ---- */

static void from_sql(void **state)
{
    (void)state;
    static const char *const env[] = {"A=1", "B=x=y"};
    static const char *const after[] = {"42", "17:end"};
    static const char *const params[] = {"snap=01,02", "b=0.10"};
    const peri_specopts_t o = {.name = "n",
                               .ranks = 4,
                               .nodes = 2,
                               .cpus = 3,
                               .memory = "4GB",
                               .time = "2h",
                               .warn = "TERM@5m",
                               .into = "r-{snap}.h5",
                               .context = "tng",
                               .priority = 5,
                               .parallel = 2,
                               .env = env,
                               .nenv = 2,
                               .after = after,
                               .nafter = 2,
                               .params = params,
                               .nparams = 2};
    peri_err_t err = {0};
    peri_buf_t b;
    peri_buf_init(&b, PERI_SPEC_MAX);
    if (peri_spec_from_sql("SELECT '{b}', \"q\" FROM t", &o, &b, &err))
        fail_msg("%s", err.text);
    peri_spec_t *s = good(b.data, NULL);
    const peri_step_t *t = &s->steps[0];
    assert_string_equal(json_string_value(json_object_get(t->json, "sql")),
                        "SELECT '{b}', \"q\" FROM t");
    assert_string_equal(t->env[1].value, "x=y");
    assert_string_equal(t->after[1].job, "17");
    assert_true(t->after[1].even_failed);
    assert_string_equal(t->tasks[1].params[0].value, "02");
    assert_string_equal(t->tasks[1].params[1].value, "0.10");
    assert_int_equal(t->parallel, 2);
    assert_int_equal(t->resources.warn_signal, SIGTERM);
    assert_int_equal(t->resources.warn_seconds, 300);
    assert_null(t->dir);
    peri_spec_free(s);
    peri_buf_free(&b);
}

static void from_command(void **state)
{
    (void)state;
    static const char *const words[] = {"./prog", "a b", "{index}", "$(x)"};
    const peri_specopts_t o = {.array = "0-9", .parallel = 3, .mpi = true, .dir = "sub"};
    peri_err_t err = {0};
    peri_buf_t b;
    peri_buf_init(&b, PERI_SPEC_MAX);
    if (peri_spec_from_command(words, 4, NULL, &o, &b, &err)) fail_msg("%s", err.text);
    peri_spec_t *s = good(b.data, "/w");
    assert_string_equal(s->name, "prog");
    assert_string_equal(s->steps[0].dir, "/w/sub");
    assert_int_equal(s->steps[0].parallel, 3);
    assert_int_equal(s->steps[0].ntasks, 10);
    assert_string_equal(json_string_value(json_array_get(
                            json_object_get(s->steps[0].json, "command"), 3)),
                        "$(x)");
    peri_spec_free(s);

    const peri_specopts_t none = {0};
    peri_buf_clear(&b);
    assert_int_equal(
        peri_spec_from_command(words + 1, 1, "#!/bin/sh\necho\n", &none, &b, &err), 0);
    s = good(b.data, NULL);
    assert_int_equal(json_array_size(json_object_get(s->steps[0].json, "args")), 1);
    peri_spec_free(s);
    peri_buf_free(&b);
}

static void from_wrong_options(void **state)
{
    (void)state;
    static const char *const no_value[] = {"A"}, *const dup[] = {"A=1", "A=2"},
                             *const bytes[] = {"A=\xff"}, *const job[] = {"x"};
    static const struct {
        peri_specopts_t o;
        bool sql;
        const char *says;
    } cases[] = {
        {{.mpi = true}, true, "--mpi is for scripts and commands only"},
        {{.into = "a.csv"}, false, "--into is for SQL only"},
        {{.parallel = 3}, true, "--parallel needs --array or --param"},
        {{.env = no_value, .nenv = 1},
         true,
         "--env \"A\" is not possible: write NAME=VALUE"},
        {{.env = dup, .nenv = 2}, true, "--env A= is given twice"},
        {{.params = dup, .nparams = 2}, true, "--param A= is given twice"},
        {{.env = bytes, .nenv = 1}, true, "not valid UTF-8"},
        {{.params = bytes, .nparams = 1}, true, "not valid UTF-8"},
        {{.after = job, .nafter = 1}, true, "at /after/0/job: \"x\" is not a job"},
        {{.array = "0-9", .params = dup, .nparams = 1}, false, "do not go together"},
        {{.memory = "much"}, false, "at /resources/memory: \"much\" is not a size"},
        {{.warn = "USR1@never"}, false, "at /warn/before: \"never\" is not a time"},
    };
    static const char *const words[] = {"p"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_err_t err = {0};
        peri_buf_t b;
        peri_buf_init(&b, PERI_SPEC_MAX);
        int rc = cases[i].sql
                     ? peri_spec_from_sql("SELECT 1", &cases[i].o, &b, &err)
                     : peri_spec_from_command(words, 1, NULL, &cases[i].o, &b, &err);
        if (rc == 0 || !strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].says, err.text);
        assert_int_equal(b.len, 0);
        peri_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),      cmocka_unit_test(nul_and_size),
        cmocka_unit_test(too_long),     cmocka_unit_test(defaults),
        cmocka_unit_test(everything),   cmocka_unit_test(times),
        cmocka_unit_test(arrays),       cmocka_unit_test(parameters),
        cmocka_unit_test(graph_order),  cmocka_unit_test(stored_again),
        cmocka_unit_test(impossible),   cmocka_unit_test(from_sql),
        cmocka_unit_test(from_command), cmocka_unit_test(from_wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
