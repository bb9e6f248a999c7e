/* test_task_record.c - launch.json, records and heartbeats; also bad ones. */
#include "jobs/task/launchjson.h"
#include "jobs/task/text.h"
#include "test_launch_fixture.h"

static void launch_there_and_back(void **state)
{
    (void)state;
    const char *argv[] = {"./prog", "--b={b}", "\xc3\xa4 \"x\"\n"};
    const peri_env_t env[] = {{"A", "1"}, {"B", ""}};
    const peri_env_t p0[] = {{"b", "0.1"}}, p5[] = {{"b", "\"},\n{\"index\":0,"}};
    const peri_launchtask_t tasks[] = {{0, p0, 1}, {5, p5, 1}, {50, p0, 1}};
    const peri_launch_t l = {.uuid = UUID,
                             .step = "s",
                             .attempt = 3,
                             .is_array = true,
                             .argv = argv,
                             .argc = 3,
                             .script = "#!/bin/sh\n",
                             .dir = "/d",
                             .results = "/r",
                             .env = env,
                             .nenv = 2,
                             .tasks = tasks,
                             .ntasks = 3,
                             .mpi = true,
                             .nodes = 2,
                             .ranks = 4,
                             .cpus = 8,
                             .memory = 1ull << 40,
                             .time_limit = 60,
                             .warn_signal = 10,
                             .warn_seconds = 5,
                             .output_max = 123,
                             .heartbeat = 2.5};
    peri_buf_t json;
    peri_err_t err;
    peri_launch_t got;
    peri_arena_t *arena = peri_arena_new();
    peri_buf_init(&json, 1 << 20);
    assert_int_equal(peri_launch_to_json(&l, &json, &err), 0);
    if (peri_launch_from_json(json.data, json.len, arena, &got, &err))
        fail_msg("%s", err.text);
    assert_string_equal(got.uuid, UUID);
    assert_string_equal(got.step, "s");
    assert_int_equal(got.attempt, 3);
    assert_true(got.is_array && got.mpi);
    assert_int_equal(got.argc, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(got.argv[i], argv[i]);
    assert_null(got.argv[3]);
    assert_string_equal(got.script, l.script);
    assert_string_equal(got.dir, "/d");
    assert_string_equal(got.results, "/r");
    assert_int_equal(got.nenv, 2);
    assert_string_equal(got.env[1].name, "B");
    assert_string_equal(got.env[1].value, "");
    assert_int_equal(got.ntasks, 3);
    assert_int_equal(got.tasks[2].index, 50);
    assert_string_equal(got.tasks[1].params[0].value, p5[0].value);
    assert_true(got.memory == l.memory && got.output_max == 123 && got.ranks == 4);
    assert_true(got.heartbeat == 2.5);

    /* Only one's own: the value of another looks like a task. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            peri_launch_for_task(json.data, json.len, tasks[i].index, arena, &got, &err),
            0);
        assert_int_equal(got.ntasks, 1);
        assert_int_equal(got.tasks[0].index, tasks[i].index);
        assert_string_equal(got.tasks[0].params[0].value, tasks[i].params[0].value);
    }
    assert_int_equal(peri_launch_for_task(json.data, json.len, 4, arena, &got, &err), 0);
    assert_int_equal(got.ntasks, 0);
    peri_buf_free(&json);
    peri_arena_free(arena);
}

static void bad_launch(void **state)
{
    (void)state;
#define HEAD "{\"uuid\":\"" UUID "\",\"step\":\"s\",\"attempt\":1,"
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"uuid\":\"x\",\"step\":\"s\",\"argv\":[\"a\"]}",
        HEAD "\"argv\":[]}",
        HEAD "\"argv\":[1]}",
        HEAD "\"argv\":\"a\"}",
        HEAD "\"argv\":[\"a\"],\"env\":[]}",
        HEAD "\"argv\":[\"a\"],\"env\":{\"A\":1}}",
        HEAD "\"argv\":[\"a\"],\"env\":{\"A=B\":\"1\"}}",
        HEAD "\"argv\":[\"a\"],\"memory\":-1}",
        HEAD "\"argv\":[\"a\"],\"ranks\":1e3}",
        HEAD "\"argv\":[\"a\"],\"mpi\":1}",
        HEAD "\"argv\":[\"a\"],\"tasks\":[{}]}",
        HEAD "\"argv\":[\"a\"],\"tasks\":[{\"index\":-1}]}",
        HEAD "\"argv\":[\"a\"],\"heartbeat\":\"x\"}",
        HEAD "\"argv\":[\"a\"],\"warn_signal\":65}",
        HEAD "\"argv\":[\"a\\u0000b\"]}",
        "{\"uuid\":\"" UUID "\",\"step\":\"a/b\",\"argv\":[\"a\"]}"};
    peri_arena_t *arena = peri_arena_new();
    peri_launch_t l;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        peri_err_t err = {0};
        if (peri_launch_from_json(texts[i], strlen(texts[i]), arena, &l, &err) == 0)
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(err.code, PERI_EFORMAT);
    }
    assert_int_equal(peri_launch_from_json(HEAD "\"argv\":[\"a\"],\"later\":{}}",
                                           strlen(HEAD "\"argv\":[\"a\"],\"later\":{}}"),
                                           arena, &l, NULL),
                     0);
    const char *argv[] = {"\xff"};
    const peri_launch_t bad = {.uuid = UUID, .step = "s", .argv = argv, .argc = 1};
    peri_buf_t json;
    peri_buf_init(&json, 1 << 20);
    assert_int_equal(peri_launch_to_json(&bad, &json, NULL), -1);
    peri_buf_free(&json);
    peri_arena_free(arena);
}

static void record_there_and_back(void **state)
{
    (void)state;
    const peri_usage_t u = {1.5, 2, 3, 4, 5, 6, 7, 8};
    const peri_record_t rs[] = {
        {.kind = PERI_REC_STARTED,
         .time = 1780000003.125,
         .attempt = 2,
         .host = "n1",
         .pid = 77,
         .nodes = "n1,n2",
         .scheduler = "slurm 4711_3"},
        {.kind = PERI_REC_HEARTBEAT,
         .time = 1,
         .fraction = 0.25,
         .message = "m",
         .usage = u},
        {.kind = PERI_REC_PROGRESS, .time = 1, .fraction = -1, .message = "reading"},
        {.kind = PERI_REC_WARNED, .time = 1},
        {.kind = PERI_REC_EXIT,
         .time = 1,
         .exit = PERI_EXIT_NO_SPACE,
         .code = 3,
         .signal = 9,
         .core_dumped = true,
         .text = "why \"so\"",
         .usage = u}};
    peri_arena_t *arena = peri_arena_new();
    for (size_t i = 0; i < sizeof(rs) / sizeof(rs[0]); i++) {
        peri_buf_t line;
        peri_err_t err;
        peri_record_t r;
        peri_buf_init(&line, 2 * PERI_RECORD_LINE);
        assert_int_equal(peri_record_format(&rs[i], &line, &err), 0);
        assert_int_equal(line.data[line.len - 1], '\n');
        if (peri_record_parse(line.data, line.len - 1, arena, &r, &err))
            fail_msg("%s", err.text);
        assert_int_equal(r.kind, rs[i].kind);
        assert_true(r.time == rs[i].time && r.attempt == rs[i].attempt);
        if (rs[i].host) {
            assert_string_equal(r.host, rs[i].host);
            assert_string_equal(r.nodes, rs[i].nodes);
            assert_string_equal(r.scheduler, rs[i].scheduler);
            assert_int_equal(r.pid, 77);
        }
        if (rs[i].message) {
            assert_string_equal(r.message, rs[i].message);
            assert_true(r.fraction == rs[i].fraction);
        }
        if (rs[i].usage.rows) assert_memory_equal(&r.usage, &u, sizeof(u));
        if (rs[i].text) {
            assert_int_equal(r.exit, PERI_EXIT_NO_SPACE);
            assert_int_equal(r.code, 3);
            assert_int_equal(r.signal, 9);
            assert_true(r.core_dumped);
            assert_string_equal(r.text, rs[i].text);
        }
        peri_buf_free(&line);
    }
    peri_arena_free(arena);
}

/* The longest texts of the worst kind still make one line. */
static void longest_record(void **state)
{
    (void)state;
    char *bad = peri_xmalloc(5001);
    peri_arena_t *arena = peri_arena_new();
    for (int c = 0; c < 4; c++) {
        memset(bad, "\"\\\x01\xff"[c], 5000);
        bad[5000] = '\0';
        for (int kind = 0; kind <= PERI_REC_EXIT; kind++) {
            const peri_record_t r = {
                .kind = (peri_reckind_t)kind,
                .host = bad,
                .nodes = bad,
                .scheduler = bad,
                .message = bad,
                .text = bad,
                .usage = {1e300 * 1e300, ~0ull, ~0ull, ~0ull, 0, 0, 0, ~0ull}};
            peri_record_t back;
            peri_err_t err;
            peri_buf_t line;
            peri_buf_init(&line, 2 * PERI_RECORD_LINE);
            assert_int_equal(peri_record_format(&r, &line, &err), 0);
            assert_true(line.len <= PERI_RECORD_LINE);
            assert_int_equal(
                peri_record_parse(line.data, line.len - 1, arena, &back, &err), 0);
            peri_buf_free(&line);
        }
    }
    peri_arena_free(arena);
    free(bad);
}

typedef struct {
    size_t n;
    double last;
} seen_t;

static void count(const peri_record_t *r, void *arg)
{
    seen_t *s = arg;
    s->n++;
    s->last = r->time;
}

static void put(int dir, const char *name, const char *text, size_t len)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}
#define PUT(dir, text) put(dir, "records", text, strlen(text))

static void reading_records(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    uint64_t offset = 0;
    seen_t s = {0};
    place_open(&p);
    int dir = peri_folder_open(p.folder, &err);
    assert_int_equal(peri_records_read(dir, &offset, count, &s, &err), 0);
    assert_true(s.n == 0 && offset == 0);
    PUT(dir, "{\"record\":\"warned\",\"time\":1}\n\n\x01garbage\n{\"record\":\"?\"}\n");
    PUT(dir, "{\"record\":\"exit\",\"kind\":\"alien\"}\n[1]\n{\"record\":\"warned\",");
    assert_int_equal(peri_records_read(dir, &offset, count, &s, &err), 0);
    assert_int_equal(s.n, 1);
    assert_int_equal(peri_records_read(dir, &offset, count, &s, &err), 0);
    assert_int_equal(s.n, 1); /* half a line waits for the rest */
    PUT(dir, "\"time\":2}\n");
    assert_int_equal(peri_records_read(dir, &offset, count, &s, &err), 0);
    assert_true(s.n == 2 && s.last == 2);

    /* A line without an end does not stop what comes behind it. */
    char *rest = peri_xmalloc(3 << 20);
    memset(rest, 'x', 3 << 20);
    put(dir, "records", rest, 3 << 20);
    free(rest);
    PUT(dir, "\n{\"record\":\"warned\",\"time\":3}\n");
    for (int i = 0; i < 5; i++)
        assert_int_equal(peri_records_read(dir, &offset, count, &s, &err), 0);
    assert_true(s.n == 3 && s.last == 3);
    offset = UINT64_MAX;
    assert_int_equal(peri_records_read(dir, &offset, count, &s, &err), 0);
    assert_int_equal(s.n, 3);

    assert_int_equal(unlinkat(dir, "records", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", dir, "records"), 0);
    offset = 0;
    assert_int_equal(peri_records_read(dir, &offset, count, &s, &err), -1);
    assert_int_equal(err.code, PERI_EDENIED);
    close(dir);
    place_close(&p);
}

static void reading_heartbeat(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    peri_record_t r;
    place_open(&p);
    int dir = peri_folder_open(p.folder, &err);
    assert_int_equal(peri_heartbeat_read(dir, p.arena, &r, &err), 0);
    static const char good[] = "{\"record\":\"heartbeat\",\"time\":9,\"fraction\":7,"
                               "\"message\":\"a\\u001b[2Jb\",\"usage\":{\"rows\":-4,"
                               "\"cpu_seconds\":\"x\",\"memory_peak\":1e99}}\n";
    put(dir, "heartbeat", good, sizeof(good) - 1);
    assert_int_equal(peri_heartbeat_read(dir, p.arena, &r, &err), 1);
    assert_true(r.time == 9 && r.fraction == 1);
    assert_string_equal(r.message, "a [2Jb");
    assert_true(r.usage.rows == 0 && r.usage.cpu_seconds == 0);
    assert_true(r.usage.memory_peak == INT64_MAX);
    assert_int_equal(unlinkat(dir, "heartbeat", 0), 0);
    put(dir, "heartbeat", "{\"record\":\"warned\"}\n", 20);
    assert_int_equal(peri_heartbeat_read(dir, p.arena, &r, &err), -1);
    close(dir);
    place_close(&p);
}

static void clean_text(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        size_t max;
    } cases[] = {{"abc", "abc", 10},
                 {"a\tb\x7f"
                  "c",
                  "a b c", 10},
                 {"\x1b[31mred", " [31mred", 20},
                 {"\xc3\xa4\xff", "\xc3\xa4?", 10},
                 {"\xc2\x9b"
                  "1",
                  " 1", 10},
                 {"\xe2\x80\xae"
                  "x",
                  " x", 10},
                 {"abcdefgh", "ab...", 5},
                 {"ab\xc3\xa4\xc3\xa4\xc3\xa4", "ab...", 6},
                 {"abcdefgh", "abcdefgh", 8},
                 {"abcd", "", 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        peri_text_clean(cases[i].in, strlen(cases[i].in), out, cases[i].max);
        assert_string_equal(out, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launch_there_and_back),
        cmocka_unit_test(bad_launch),
        cmocka_unit_test(record_there_and_back),
        cmocka_unit_test(longest_record),
        cmocka_unit_test(reading_records),
        cmocka_unit_test(reading_heartbeat),
        cmocka_unit_test(clean_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
