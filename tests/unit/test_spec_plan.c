/* test_spec_plan.c - from a step to what perigee-launch runs and a scheduler is asked
 * for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "jobs/spec/plan.h"
#include "jobs/task/folder.h"

#define UUID "6f0c1122-3344-4566-8788-99aabbccddee"

typedef struct {
    peri_spec_t *spec;
    peri_arena_t *arena;
    peri_launch_t l;
    peri_schedreq_t r;
    peri_err_t err;
    int rc;
} plan_t;

static const int32_t zero[] = {0};

static plan_t make(const char *json, peri_planin_t in)
{
    plan_t p = {.arena = peri_arena_new()};
    p.spec = peri_spec_parse(json, strlen(json), "/home/ana", &p.err);
    if (!p.spec) fail_msg("%s\n%s", json, p.err.text);
    in.uuid = UUID;
    in.spec = p.spec;
    if (!in.step) in.step = &p.spec->steps[0];
    if (!in.attempt) in.attempt = 1;
    in.spool = "/spool";
    in.bin = "/opt/bin";
    if (!in.indexes) {
        in.indexes = zero;
        in.nindexes = 1;
    }
    p.rc = peri_plan_make(&in, p.arena, &p.l, &p.r, &p.err);
    return p;
}

static void done(plan_t *p)
{
    peri_spec_free(p->spec);
    peri_arena_free(p->arena);
}

/* The words of the command, with "|" between them. */
static void check_words(const plan_t *p, const char *expected)
{
    char got[2048] = "";
    if (p->rc) fail_msg("%s", p->err.text);
    for (size_t i = 0; i < p->l.argc; i++)
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? "|" : "",
                 p->l.argv[i]);
    assert_string_equal(got, expected);
}

static void sql_words(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int attempt;
        const char *words;
    } cases[] = {
        {"{\"kind\":\"sql\",\"sql\":\"-- all\\nSELECT {'a': 1}\"}", 1,
         "/opt/bin/perigee|query|-n|1|-t|1|--into|/spool/" UUID
         "/results/result.csv|--|-- all\nSELECT {'a': 1}"},
        {"{\"kind\":\"sql\",\"sql\":\"x\",\"context\":\"tng\",\"into\":\"a.h5\","
         "\"resources\":"
         "{\"nodes\":2,\"ranks\":4,\"threads\":8,\"memory\":\"10GB\"},\"overwrite\":"
         "true}",
         1,
         "/opt/bin/perigee|query|-n|4|-t|8|--memory|3500000000|--context|tng|--into|/"
         "spool/" UUID "/results/a.h5|--overwrite|--|x"},
        {"{\"kind\":\"sql\",\"sql\":\"x\",\"format\":\"hdf5\"}", 2,
         "/opt/bin/perigee|query|-n|1|-t|1|--into|/spool/" UUID
         "/results/result.h5|--format|hdf5|--overwrite|--|x"},
        {"{\"kind\":\"sql\",\"sql\":\"x\",\"into\":\"/data/a.csv\",\"restartable\":true}",
         2,
         "/opt/bin/perigee|query|-n|1|-t|1|--into|/data/a.csv|--checkpoint|/spool/" UUID
         "/results|--|x"},
        {"{\"kind\":\"sql\",\"sql\":\"SELECT {'a': {index}, 'b': "
         "'{{index}'}\",\"array\":\"0\"}",
         1,
         "/opt/bin/perigee|query|-n|1|-t|1|--into|/spool/" UUID
         "/results/result-{index}.csv|--|SELECT {{'a': {index}, 'b': '{{index}'}"},
        {"{\"kind\":\"sql\",\"sql\":\"x "
         "{b}\",\"into\":\"/d.x/{b}.csv\",\"array\":{\"parameters\":"
         "{\"b\":[1,2]}}}",
         1, "/opt/bin/perigee|query|-n|1|-t|1|--into|/d.x/{b}.csv|--|x {b}"},
        {"{\"kind\":\"sql\",\"sql\":\"x\",\"into\":\"mydb.halos\"}", 2,
         "/opt/bin/perigee|query|-n|1|-t|1|--into|mydb.halos|--|x"},
        {"{\"kind\":\"sql\",\"sql\":\"x\",\"into\":\"mydb.h\",\"array\":\"0\"}", 1,
         "/opt/bin/perigee|query|-n|1|-t|1|--into|mydb.h_{index}|--|x"},
        {"{\"kind\":\"sql\",\"sql\":\"x\",\"into\":\"/d.x/"
         "r\",\"format\":\"csv\",\"array\":\"0\"}",
         1, "/opt/bin/perigee|query|-n|1|-t|1|--into|/d.x/r-{index}|--format|csv|--|x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        plan_t p = make(cases[i].json, (peri_planin_t){.attempt = cases[i].attempt});
        check_words(&p, cases[i].words);
        assert_false(p.l.mpi);
        assert_null(p.l.script);
        done(&p);
    }
}

#define KERNEL "{\"kind\":\"kernel\",\"kernel\":\"fof\",\"input\":\"sim.dm\""
#define FOF(n) "/opt/bin/perigee|run|fof|-n|" n "|-t|1"

static void kernel_words(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int attempt;
        const char *words;
    } cases[] = {
        {KERNEL "}", 1, FOF("1") "|--into|/spool/" UUID "/results/result.csv|--|sim.dm"},
        {KERNEL ",\"context\":\"tng\",\"into\":\"/d/a.h5\",\"overwrite\":true,"
                "\"resources\":{\"nodes\":2,\"ranks\":4,\"memory\":\"10GB\"},"
                "\"parameters\":{\"snapnum\":23,\"b\":0.2,\"tiny\":1e-300,"
                "\"members\":true,\"merge\":false,\"deltas\":\"200c, 500c\","
                "\"radii\":[1,2.5,-3e20],\"centres\":\"tng.groups\",\"filter\":\"a "
                "> {b}\"}}",
         1,
         FOF("4") "|--memory|3500000000|--context|tng|--into|/d/a.h5|--overwrite|--|sim."
                  "dm|--snapnum=23|--b=0.2|--tiny=1e-300|--members=true|--merge=false|--"
                  "deltas=200c, 500c|--radii=1,2.5,-3e20|--centres=tng.groups|--filter=a "
                  "> {b}"},
        {KERNEL ",\"into\":\"{b}.h5\",\"parameters\":{\"b\":\"{b}\",\"pos\":\"{{x}\"},"
                "\"array\":{\"parameters\":{\"b\":[0.2,-1]}},\"restartable\":true}",
         2,
         FOF("1") "|--into|/spool/" UUID
                  "/results/{b}.h5|--overwrite|--checkpoint|/spool/" UUID
                  "/results|--|sim.dm|--b={b}|--pos={{x}"},
        {"{\"kind\":\"kernel\",\"kernel\":\"fof\",\"input\":\"-- of\\nSELECT "
         "{index}\",\"array\":\"0\"}",
         1,
         FOF("1") "|--into|/spool/" UUID
                  "/results/result-{index}.csv|--|-- of\nSELECT {index}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        plan_t p = make(cases[i].json, (peri_planin_t){.attempt = cases[i].attempt});
        check_words(&p, cases[i].words);
        assert_false(p.l.mpi);
        done(&p);
    }
}

static void script_words(void **state)
{
    (void)state;
    plan_t p = make("{\"kind\":\"script\",\"command\":[\"./p\",\"{b}\",\"{}\",\"a{{b}\"],"
                    "\"mpi\":true,\"array\":{\"parameters\":{\"b\":[1]}},\"resources\":"
                    "{\"ranks\":3}}",
                    (peri_planin_t){0});
    check_words(&p, "./p|{b}|{{}|a{{b}");
    assert_true(p.l.mpi);
    assert_true(p.l.is_array);
    assert_string_equal(p.l.dir, "/home/ana");
    done(&p);
    /* Without an array a brace is a brace. */
    p = make("{\"kind\":\"script\",\"command\":[\"./p\",\"{b}\",\"{{x\"]}",
             (peri_planin_t){0});
    check_words(&p, "./p|{b}|{{x");
    assert_false(p.l.mpi);
    done(&p);
    p = make(
        "{\"kind\":\"script\",\"script\":\"#!/bin/sh\\necho {b}\\n\",\"args\":[\"x\"]}",
        (peri_planin_t){0});
    check_words(&p, "x");
    assert_string_equal(p.l.script, "#!/bin/sh\necho {b}\n");
    done(&p);
    p = make("{\"kind\":\"script\",\"script\":\"#!/bin/sh\\n\"}", (peri_planin_t){0});
    assert_null(p.l.argv);
    done(&p);
}

static void request(void **state)
{
    (void)state;
    const int32_t indexes[] = {4, 6};
    const peri_scheddep_t after[] = {{"77", true}};
    plan_t p =
        make("{\"name\":\"n\",\"priority\":5,\"kind\":\"script\",\"command\":[\"p\"],"
             "\"array\":"
             "{\"from\":2,\"to\":8,\"by\":2,\"parallel\":3},\"restartable\":true,"
             "\"resources\":"
             "{\"nodes\":2,\"ranks\":6,\"threads\":4,\"memory\":\"4GB\",\"time\":\"1h\","
             "\"partition\":\"p\",\"account\":\"a\",\"constraint\":\"c\"},\"warn\":{"
             "\"before\":"
             "\"5m\"},\"env\":{\"HOME\":\"/h\",\"X\":\"y\"}}",
             (peri_planin_t){.attempt = 3,
                             .uid = 1000,
                             .gid = 100,
                             .user = "ana",
                             .home = "/home/ana",
                             .state = "/state",
                             .indexes = indexes,
                             .nindexes = 2,
                             .after = after,
                             .nafter = 1});
    const peri_schedreq_t *r = &p.r;
    assert_int_equal(p.rc, 0);
    assert_string_equal(r->name, "perigee-" UUID "-main-3");
    assert_string_equal(r->comment, UUID);
    assert_string_equal(r->folder, "/spool/" UUID "/main/3");
    assert_string_equal(r->argv[0], "/opt/bin/perigee-launch");
    assert_int_equal(r->uid, 1000);
    assert_int_equal(r->gid, 100);
    assert_string_equal(r->user, "ana");
    assert_int_equal(r->nindexes, 2);
    assert_int_equal(r->indexes[1], 6);
    assert_int_equal(r->throttle, 3);
    assert_int_equal(r->nodes, 2);
    assert_int_equal(r->ranks, 6);
    assert_int_equal(r->cpus, 4);
    assert_true(r->memory == 4000000000u);
    assert_true(r->requeue);
    assert_int_equal(r->priority, 5);
    assert_string_equal(r->partition, "p");
    assert_string_equal(r->account, "a");
    assert_string_equal(r->constraint, "c");
    assert_string_equal(r->after[0].id, "77");
    assert_int_equal(r->nafter, 1);
    /* The launcher's limit comes first; the warning at the same moment from both. */
    assert_int_equal(p.l.time_limit, 3600);
    assert_int_equal(r->time_limit, 3660);
    assert_int_equal(p.l.warn_seconds, 300);
    assert_int_equal(r->warn_seconds, 360);
    assert_int_equal(r->warn_signal, SIGUSR1);
    assert_string_equal(p.l.results, "/spool/" UUID "/results");
    assert_int_equal(p.l.attempt, 3);
    /* Environment: ours, then the user's, who may replace HOME. */
    static const char *const env[] = {"USER=ana", "LOGNAME=ana", "PERIGEE_STATE=/state",
                                      "HOME=/h", "X=y"};
    assert_int_equal(p.l.nenv, 5);
    for (size_t i = 0; i < 5; i++) {
        char var[64];
        snprintf(var, sizeof(var), "%s=%s", p.l.env[i].name, p.l.env[i].value);
        assert_string_equal(var, env[i]);
    }
    done(&p);
}

static void time_limits(void **state)
{
    (void)state;
    static const struct {
        const char *time;
        uint32_t caps, asked;
    } cases[] = {{"3600", 0, 3660},
                 {"3600", 7200, 3660},
                 {"3600", 3600, 3600},
                 {"3600", 3630, 3630},
                 {"3600", 60, 3600}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const peri_schedcaps_t caps = {.name = "s", .time_limit = cases[i].caps};
        char *json =
            peri_xasprintf("{\"kind\":\"sql\",\"sql\":\"x\",\"resources\":{\"time\":%s}}",
                           cases[i].time);
        plan_t p = make(json, (peri_planin_t){.caps = &caps});
        assert_int_equal(p.r.time_limit, cases[i].asked);
        assert_int_equal(p.r.warn_seconds, 0);
        done(&p);
        free(json);
    }
    const peri_schedcaps_t caps = {.name = "s", .time_limit = 10};
    plan_t p = make("{\"kind\":\"sql\",\"sql\":\"x\"}", (peri_planin_t){.caps = &caps});
    assert_int_equal(p.r.time_limit, 0); /* the scheduler's default */
    done(&p);
}

static void parameters(void **state)
{
    (void)state;
    const int32_t indexes[] = {1, 3}, wrong[] = {1, 4};
    const char *json =
        "{\"kind\":\"script\",\"command\":[\"p\"],\"array\":{\"parameters\":"
        "{\"a\":[1,2],\"b\":[\"x\",\"y\"]}}}";
    plan_t p = make(json, (peri_planin_t){.indexes = indexes, .nindexes = 2});
    assert_int_equal(p.l.ntasks, 2);
    assert_int_equal(p.l.tasks[1].index, 3);
    assert_string_equal(p.l.tasks[0].params[0].value, "1");
    assert_string_equal(p.l.tasks[0].params[1].value, "y");
    assert_string_equal(p.l.tasks[1].params[0].value, "2");
    done(&p);
    p = make(json, (peri_planin_t){.indexes = wrong, .nindexes = 2});
    assert_int_equal(p.rc, -1);
    assert_string_equal(p.err.text, "the step \"main\" has no task 4");
    done(&p);
    p = make("{\"kind\":\"sql\",\"sql\":\"x\"}",
             (peri_planin_t){.indexes = wrong, .nindexes = 1});
    assert_int_equal(p.rc, -1);
    done(&p);
}

static void places(void **state)
{
    (void)state;
    static const char *const nodes[] = {"n1", "n2", "n3"};
    const peri_places_t hard = {nodes, 3, true}, soft = {nodes, 3, false};
    const peri_schedcaps_t two = {.name = "slurm", .nodes = 2, .multi_node = true};
    const peri_schedcaps_t one = {.name = "local", .nodes = 1};
    const char *sql =
        "{\"kind\":\"sql\",\"sql\":\"x\",\"resources\":{\"ranks\":%d,\"memory\":"
        "\"1GB\"}}";
    static const struct {
        int ranks, planned;
        const char *memory;
    } cases[] = {{1, 3, "700000000"}, {4, 6, "350000000"}, {6, 6, "350000000"}};
    for (size_t i = 0; i < 3; i++) {
        char *json = peri_xasprintf(sql, cases[i].ranks);
        plan_t p = make(json, (peri_planin_t){.places = &hard});
        assert_int_equal(p.rc, 0);
        assert_int_equal(p.r.nodes, 3);
        assert_int_equal(p.r.ranks, cases[i].planned);
        assert_int_equal(p.l.ranks, cases[i].planned);
        assert_int_equal(p.l.nodes, 3);
        assert_int_equal(atoi(p.l.argv[3]), cases[i].planned);
        assert_string_equal(p.l.argv[7], cases[i].memory);
        assert_int_equal(p.r.nnodes_hard, 3);
        assert_int_equal(p.r.nnodes_soft, 0);
        done(&p);
        p = make(json, (peri_planin_t){.places = &soft});
        assert_int_equal(p.r.nodes, 1);
        assert_int_equal(p.r.ranks, cases[i].ranks);
        assert_string_equal(p.r.nodes_soft[2], "n3");
        assert_int_equal(p.r.nnodes_hard, 0);
        done(&p);
        free(json);
    }
    /* A program of the user's keeps its ranks if they suffice. */
    plan_t p =
        make("{\"kind\":\"script\",\"command\":[\"p\"],\"resources\":{\"ranks\":4}}",
             (peri_planin_t){.places = &hard});
    assert_int_equal(p.r.nodes, 3);
    assert_int_equal(p.r.ranks, 4);
    done(&p);
    const peri_schedcaps_t *const caps[] = {&two, &one};
    for (size_t i = 0; i < 2; i++) {
        p = make("{\"kind\":\"sql\",\"sql\":\"x\"}",
                 (peri_planin_t){.places = &hard, .caps = caps[i]});
        assert_int_equal(p.rc, -1);
        assert_int_equal(p.err.code, PERI_EINVAL);
        assert_non_null(strstr(p.err.text, "is on 3 nodes (n1, n2, ...)"));
        done(&p);
    }
}

/* What was planned comes back from launch.json. */
static void launch_json(void **state)
{
    (void)state;
    const int32_t indexes[] = {0, 1};
    plan_t p =
        make("{\"kind\":\"script\",\"command\":[\"p\",\"{a}\"],\"array\":{\"parameters\":"
             "{\"a\":[1,2]}}}",
             (peri_planin_t){.indexes = indexes, .nindexes = 2, .user = "ana"});
    peri_buf_t b;
    peri_launch_t back;
    peri_buf_init(&b, 1 << 20);
    assert_int_equal(peri_launch_to_json(&p.l, &b, &p.err), 0);
    if (peri_launch_from_json(b.data, b.len, p.arena, &back, &p.err))
        fail_msg("%s", p.err.text);
    assert_string_equal(back.argv[1], "{a}");
    assert_int_equal(back.ntasks, 2);
    assert_string_equal(back.tasks[1].params[0].value, "2");
    peri_buf_free(&b);
    done(&p);
}

static void data(void **state)
{
    (void)state;
    plan_t p =
        make("{\"kind\":\"sql\",\"sql\":\"x\",\"context\":\"tng\",\"data\":[\"eagle\","
             "\"tng\",\"tng.groups\"]}",
             (peri_planin_t){0});
    peri_stepdata_t d = peri_plan_data(&p.spec->steps[0], p.arena);
    assert_int_equal(d.n, 3);
    assert_string_equal(d.names[0], "tng");
    assert_string_equal(d.names[1], "eagle");
    assert_string_equal(d.names[2], "tng.groups");
    assert_int_equal(d.ntexts, 1);
    assert_string_equal(d.texts[0], "x");
    done(&p);
    p = make(KERNEL ",\"parameters\":{\"b\":0.2,\"centres\":\"tng.groups\"}}",
             (peri_planin_t){0});
    d = peri_plan_data(&p.spec->steps[0], p.arena);
    assert_int_equal(d.n, 0);
    assert_int_equal(d.ntexts, 2);
    assert_string_equal(d.texts[0], "sim.dm");
    assert_string_equal(d.texts[1], "tng.groups");
    done(&p);
}

static void for_people(void **state)
{
    (void)state;
    plan_t p = make(
        "{\"steps\":[{\"name\":\"a\",\"kind\":\"sql\",\"sql\":\"x\",\"data\":[\"d\"],"
        "\"resources\":{\"memory\":\"1GB\",\"time\":\"1h\"},\"warn\":{}},"
        "{\"name\":\"b\",\"kind\":\"script\",\"script\":\"#!/bin/sh\\n\",\"after\":"
        "[\"a\"],\"array\":\"0-9%2\"}]}",
        (peri_planin_t){0});
    json_t *plan = peri_plan_json(p.spec), *v;
    char *text = json_dumps(plan, JSON_COMPACT);
    assert_int_equal(json_integer_value(json_object_get(plan, "tasks")), 11);
    v = json_array_get(json_object_get(plan, "steps"), 0);
    assert_string_equal(json_string_value(json_object_get(v, "result")), "a.csv");
    assert_int_equal(json_integer_value(json_object_get(v, "time_limit")), 3600);
    assert_int_equal(json_integer_value(json_object_get(v, "memory")), 1000000000);
    assert_non_null(strstr(text,
                           "[\"perigee\",\"query\",\"-n\",\"1\",\"-t\",\"1\","
                           "\"--memory\",\"700000000\",\"--into\",\"results/a.csv\","
                           "\"--\",\"x\"]"));
    assert_non_null(strstr(text, "\"warn\":{\"signal\":\"USR1\",\"before\":120}"));
    assert_non_null(strstr(text, "[{\"step\":\"a\",\"when\":\"success\"}]"));
    assert_non_null(strstr(text, "\"script\":\"#!/bin/sh\\n\""));
    assert_non_null(strstr(text, "\"parallel\":2,\"first_index\":0,\"last_index\":9"));
    free(text);
    json_decref(plan);
    done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sql_words),    cmocka_unit_test(kernel_words),
        cmocka_unit_test(script_words), cmocka_unit_test(request),
        cmocka_unit_test(time_limits),  cmocka_unit_test(parameters),
        cmocka_unit_test(places),       cmocka_unit_test(launch_json),
        cmocka_unit_test(data),         cmocka_unit_test(for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
