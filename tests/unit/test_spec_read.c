/* test_spec_read.c - job specs that are taken: what they mean, how they are stored,
 * whether a scheduler could run them, and those that the command line writes.
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

#define SQL     "\"kind\":\"sql\",\"sql\":\"SELECT 1\""
#define RUN     "\"kind\":\"script\",\"command\":[\"./p\"]"
#define STEP(n) "{\"name\":\"" n "\"," RUN "}"

static peri_spec_t *good(const char *json, const char *dir)
{
    peri_err_t err = {0};
    peri_spec_t *s = peri_spec_parse(json, strlen(json), dir, &err);
    if (!s) fail_msg("%s\n refused: %s", json, err.text);
    return s;
}

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

static void from_kernel(void **state)
{
    (void)state;
    static const peri_kernelarg_t args[] = {{"b", "0.20", false},
                                            {"members", "true", true}},
                                  twice[] = {{"b", "1", false}, {"b", "2", false}};
    static const char *const env[] = {"PERIGEE_KERNELS=/k"};
    const peri_specopts_t o = {.into = "a.h5", .ranks = 2, .env = env, .nenv = 1};
    peri_err_t err = {0};
    peri_buf_t b;
    peri_buf_init(&b, PERI_SPEC_MAX);
    if (peri_spec_from_kernel("fof", "sim.dm", args, 2, &o, &b, &err))
        fail_msg("%s", err.text);
    peri_spec_t *s = good(b.data, NULL);
    assert_string_equal(s->name, "fof");
    assert_string_equal(s->steps[0].kind_name, "kernel");
    json_t *p = json_object_get(s->steps[0].json, "parameters");
    assert_string_equal(json_string_value(json_object_get(p, "b")), "0.20");
    assert_true(json_is_true(json_object_get(p, "members")));
    assert_string_equal(s->steps[0].env[0].value, "/k");
    peri_spec_free(s);
    peri_buf_clear(&b);
    assert_int_equal(peri_spec_from_kernel("fof", "a", twice, 2, &o, &b, &err), -1);
    assert_string_equal(err.text, "--b is given twice");
    const peri_specopts_t mpi = {.mpi = true};
    assert_int_equal(peri_spec_from_kernel("fof", "a", args, 2, &mpi, &b, &err), -1);
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
        {{.into = "a.csv"}, false, "--into is for SQL and kernels only"},
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
        cmocka_unit_test(defaults),     cmocka_unit_test(everything),
        cmocka_unit_test(times),        cmocka_unit_test(arrays),
        cmocka_unit_test(parameters),   cmocka_unit_test(graph_order),
        cmocka_unit_test(stored_again), cmocka_unit_test(impossible),
        cmocka_unit_test(from_sql),     cmocka_unit_test(from_kernel),
        cmocka_unit_test(from_command), cmocka_unit_test(from_wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
