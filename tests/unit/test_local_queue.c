/* The local scheduler: whose turn it is, and that slots are never exceeded. */
#include "tests/unit/test_local_fixture.h"

static const char *const small_machine = "{\"cores\": 4, \"memory\": \"4GB\"}";

static int teardown(void **state)
{
    if (*state) fx_free(*state);
    *state = NULL;
    return 0;
}

static fx_t *open_with(void **state, const char *conf)
{
    *state = fx_new(conf);
    return *state;
}

static double start_of(const fx_t *fx, const char *name)
{
    return fx_when(fx, name, 0, "start");
}

static double end_of(const fx_t *fx, const char *name)
{
    return fx_when(fx, name, 0, "end");
}

/* Waits until the first task runs, so that what comes next has to queue. */
static void block(fx_t *fx, const char *seconds, uint32_t cores, uint32_t limit)
{
    fx_submit(
        fx, "block",
        (fx_req_t){
            .action = "sleep", .arg = seconds, .cores = cores, .time_limit = limit});
    fx_wait(fx, 1, PERI_SCHED_RUNNING);
}

static void order(void **state)
{
    fx_t *fx = open_with(state, "{\"cores\": 1}");
    block(fx, "0.5", 1, 0);
    fx_submit(fx, "low", (fx_req_t){.priority = -5});
    fx_submit(fx, "first", (fx_req_t){0});
    fx_submit(fx, "second", (fx_req_t){0});
    fx_submit(fx, "high", (fx_req_t){.priority = 5});
    fx_wait(fx, 5, PERI_SCHED_ENDED);
    assert_true(start_of(fx, "high") < start_of(fx, "first"));
    assert_true(start_of(fx, "first") < start_of(fx, "second"));
    assert_true(start_of(fx, "second") < start_of(fx, "low"));
}

/* The order is kept by a restart. */
static void order_after_restart(void **state)
{
    fx_t *fx = open_with(state, "{\"cores\": 1}");
    char name[16];
    block(fx, "0.7", 1, 0);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        fx_submit(fx, name, (fx_req_t){.priority = i % 2});
    }
    fx_reopen(fx);
    fx_wait(fx, 21, PERI_SCHED_ENDED);
    double last = 0;
    for (int p = 1; p >= 0; p--)
        for (int i = p; i < 20; i += 2) {
            snprintf(name, sizeof(name), "t%d", i);
            assert_true(start_of(fx, name) > last);
            last = start_of(fx, name);
        }
}

static void fair_turns(void **state)
{
    fx_t *fx = open_with(state, "{\"cores\": 1}");
    if (geteuid() != 0) {
        print_message("SKIP fair_turns: needs root\n");
        return;
    }
    char *copy = peri_xasprintf("%s/launcher", fx->root);
    char *cmd = peri_xasprintf("cp '%s' '%s' && chmod 755 '%s'", fx->self, copy, copy);
    assert_int_equal(system(cmd), 0);
    char name[16];
    for (int i = 0; i < 24; i++) {
        const bool late = i >= 18; /* 6 tasks of somebody who comes after 18 of another */
        snprintf(name, sizeof(name), "t%d", i);
        fx_submit(fx, name,
                  (fx_req_t){.action = "sleep",
                             .arg = "0.03",
                             .program = copy,
                             .uid = late ? 65533 : 65534,
                             .gid = late ? 65533 : 65534});
    }
    fx_wait(fx, 24, PERI_SCHED_ENDED);
    /* In turns: the last of the six is long done when the eighteen are. */
    assert_true(start_of(fx, "t23") < start_of(fx, "t12"));
    assert_true(start_of(fx, "t1") < start_of(fx, "t2"));
    free(copy);
    free(cmd);
}

static void backfill_with_limits(void **state)
{
    fx_t *fx = open_with(state, small_machine);
    block(fx, "1", 2, 100);
    fx_submit(fx, "head", (fx_req_t){.cores = 4, .time_limit = 10});
    fx_submit(fx, "long", (fx_req_t){.cores = 2, .time_limit = 500});
    fx_submit(fx, "unlimited", (fx_req_t){.cores = 1});
    fx_submit(fx, "short", (fx_req_t){.cores = 2, .time_limit = 50});
    fx_poll(fx, true);
    const fx_told_t *t = fx_task(fx, "head", -1);
    const int64_t expected = fx_task(fx, "block", -1)->started + 100;
    if (t->state == PERI_SCHED_PENDING) assert_int_equal(t->expected, expected);
    fx_wait(fx, 5, PERI_SCHED_ENDED);
    assert_true(start_of(fx, "short") < end_of(fx, "block"));
    assert_true(start_of(fx, "head") >= end_of(fx, "block"));
    assert_true(start_of(fx, "long") > start_of(fx, "head"));
    assert_true(start_of(fx, "unlimited") > start_of(fx, "head"));
}

/* What takes only what the head leaves free may also be unlimited. */
static void backfill_beside_the_head(void **state)
{
    fx_t *fx = open_with(state, small_machine);
    block(fx, "1", 3, 100);
    fx_submit(fx, "head", (fx_req_t){.cores = 3});
    fx_submit(fx, "beside", (fx_req_t){.cores = 1});
    fx_wait(fx, 3, PERI_SCHED_ENDED);
    assert_true(start_of(fx, "beside") < end_of(fx, "block"));
    assert_true(start_of(fx, "head") >= end_of(fx, "block"));
}

static void head_does_not_starve(void **state)
{
    fx_t *fx = open_with(state, "{\"cores\": 4, \"memory\": \"4GB\", \"patience\": 0}");
    char name[16];
    block(fx, "0.6", 2, 0);
    fx_submit(fx, "head", (fx_req_t){.cores = 3});
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        fx_submit(fx, name, (fx_req_t){.cores = 2, .action = "sleep", .arg = "0.1"});
    }
    fx_submit(fx, "one", (fx_req_t){.cores = 1});
    fx_wait(fx, 9, PERI_SCHED_ENDED);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        assert_true(start_of(fx, name) > start_of(fx, "head"));
    }
    /* One core it leaves free. */
    assert_true(start_of(fx, "one") < end_of(fx, "block"));
}

static void patience(void **state)
{
    fx_t *fx =
        open_with(state, "{\"cores\": 4, \"memory\": \"4GB\", \"patience\": 1000}");
    block(fx, "1", 2, 0);
    fx_submit(fx, "head", (fx_req_t){.cores = 3});
    fx_submit(fx, "small", (fx_req_t){.cores = 2});
    fx_wait(fx, 3, PERI_SCHED_ENDED);
    assert_true(start_of(fx, "small") < end_of(fx, "block"));
    assert_true(start_of(fx, "head") >= end_of(fx, "block"));
}

static void reasons(void **state)
{
    fx_t *fx = open_with(state, "{\"cores\": 4, \"memory\": \"4GB\", \"patience\": 0}");
    static const int32_t two[] = {0, 5};
    fx_submit(
        fx, "block",
        (fx_req_t){.action = "sleep", .arg = "300", .cores = 2, .memory = 3000000000});
    fx_wait(fx, 1, PERI_SCHED_RUNNING);
    fx_submit(fx, "cores", (fx_req_t){.cores = 3, .priority = 2, .memory = 1});
    fx_submit(fx, "behind",
              (fx_req_t){.cores = 4, .priority = 1, .indexes = two, .nindexes = 2});
    fx_submit(fx, "last", (fx_req_t){.cores = 4});
    fx_poll(fx, true);
    assert_string_equal(fx_task(fx, "cores", -1)->why,
                        "waits for 3 cores; 2 of 4 are free");
    const fx_told_t *rest = fx_find(fx, "behind", -1, true);
    assert_non_null(rest);
    assert_string_equal(rest->why, "behind 1 task of higher priority");
    assert_string_equal(fx_task(fx, "last", -1)->why,
                        "behind 3 tasks of higher priority");
    fx_cancel(fx, "cores", -1);
    fx_cancel(fx, "behind", -1);
    fx_cancel(fx, "last", -1);
    fx_submit(fx, "memory", (fx_req_t){.memory = 2000000000});
    fx_submit(fx, "next", (fx_req_t){.memory = 3000000000});
    fx_poll(fx, true);
    assert_string_equal(fx_task(fx, "memory", -1)->why,
                        "waits for 2.0 GB of memory; 1.0 GB of 4.0 GB are free");
    assert_string_equal(fx_task(fx, "next", -1)->why, "behind 1 task");
    fx_cancel(fx, "memory", -1);
    fx_cancel(fx, "next", -1);
    fx_cancel(fx, "block", -1);
    fx_wait(fx, 7, PERI_SCHED_ENDED);
}

/* ---- slots ---- */

typedef struct {
    double at;
    int cores;
} edge_t;

static int by_time(const void *a, const void *b)
{
    const edge_t *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->cores - y->cores;
}

static int most_at_once(edge_t *e, size_t n)
{
    int now = 0, most = 0;
    qsort(e, n, sizeof(*e), by_time);
    for (size_t i = 0; i < n; i++) {
        now += e[i].cores;
        if (now > most) most = now;
    }
    return most;
}

static void put_edges(const fx_t *fx, const char *name, int32_t index, int cores,
                      edge_t *e)
{
    e[0] = (edge_t){fx_when(fx, name, index, "start"), cores};
    e[1] = (edge_t){fx_when(fx, name, index, "end"), -cores};
    assert_true(e[0].at > 0 && e[1].at >= e[0].at);
    assert_int_equal(fx_lines(fx, name, index, "start"), 1);
}

static void throttle(void **state)
{
    fx_t *fx = open_with(state, "{\"cores\": 8, \"memory\": \"4GB\"}");
    int32_t indexes[12];
    edge_t e[24];
    for (int i = 0; i < 12; i++) indexes[i] = i * 3;
    fx_submit(fx, "array",
              (fx_req_t){.action = "sleep",
                         .arg = "0.1",
                         .indexes = indexes,
                         .nindexes = 12,
                         .throttle = 3});
    fx_submit(fx, "other", (fx_req_t){0});
    const double until = peri_now() + PATIENCE;
    const fx_told_t *rest = NULL;
    while (!rest ||
           !strstr(rest->why, "waits for its turn: 3 of its array run, as many as "
                              "may (%3)")) {
        assert_true(peri_now() < until);
        fx_poll(fx, true);
        rest = fx_find(fx, "array", -1, true);
    }
    fx_wait(fx, 13, PERI_SCHED_ENDED);
    for (int i = 0; i < 12; i++) put_edges(fx, "array", indexes[i], 1, &e[2 * i]);
    assert_int_equal(most_at_once(e, 24), 3);
    assert_true(start_of(fx, "other") < fx_when(fx, "array", 33, "start"));
}

static void slots_are_never_exceeded(void **state)
{
    fx_t *fx = open_with(state, small_machine);
    char name[16];
    edge_t *e = peri_xcalloc(500, 2 * sizeof(*e));
    int32_t indexes[300];
    for (int i = 0; i < 300; i++) indexes[i] = i;
    fx_submit(fx, "array", (fx_req_t){.indexes = indexes, .nindexes = 300, .memory = 1});
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        fx_submit(fx, name,
                  (fx_req_t){.action = i % 5 ? "true" : "sleep",
                             .arg = i % 5 ? NULL : "0.01",
                             .memory = 1,
                             .priority = i % 3,
                             .cores = 1 + (uint32_t)i % 4});
    }
    fx_wait(fx, 500, PERI_SCHED_ENDED);
    for (int i = 0; i < 300; i++) put_edges(fx, "array", i, 1, &e[2 * i]);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        put_edges(fx, name, 0, 1 + i % 4, &e[600 + 2 * i]);
    }
    int most = most_at_once(e, 1000);
    assert_true(most <= 4 && most >= 2);
    free(e);
}

static void memory_and_tasks_are_slots(void **state)
{
    fx_t *fx = open_with(state, "{\"cores\": 8, \"memory\": \"4GB\", \"tasks\": 3}");
    char name[16];
    edge_t big[20], all[40];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        fx_submit(fx, name,
                  (fx_req_t){.action = "sleep",
                             .arg = "0.05",
                             .memory = i % 2 ? 2500000000 : 1});
    }
    fx_wait(fx, 20, PERI_SCHED_ENDED);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        put_edges(fx, name, 0, 1, &all[2 * i]);
        if (i % 2) put_edges(fx, name, 0, 1, &big[i - 1]);
    }
    assert_int_equal(most_at_once(big, 20), 1);
    assert_true(most_at_once(all, 40) <= 3);
}

/* What changes is told, not the whole queue. */
static void news_are_few(void **state)
{
    fx_t *fx = open_with(state, "{\"cores\": 1, \"patience\": 0}");
    char name[16];
    block(fx, "300", 1, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        fx_submit(fx, name, (fx_req_t){0});
    }
    fx_poll(fx, false);
    assert_true(fx->calls >= 1000);
    fx_cancel(fx, "t500", -1);
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    fx_cancel(fx, "t700", -1);
    const double until = peri_now() + PATIENCE;
    size_t calls = 0;
    while (fx_count(fx, PERI_SCHED_ENDED) < 2 && peri_now() < until) {
        fx_poll(fx, false);
        calls += fx->calls;
        usleep(1000);
    }
    assert_true(calls <= 3);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        fx_cancel(fx, name, -1);
    }
    fx_cancel(fx, "block", -1);
    fx_wait(fx, 1001, PERI_SCHED_ENDED);
}

int main(int argc, char **argv)
{
    fx_launcher(argc, argv);
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(order),
        TEST(order_after_restart),
        TEST(fair_turns),
        TEST(backfill_with_limits),
        TEST(backfill_beside_the_head),
        TEST(head_does_not_starve),
        TEST(patience),
        TEST(reasons),
        TEST(throttle),
        TEST(slots_are_never_exceeded),
        TEST(memory_and_tasks_are_slots),
        TEST(news_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
