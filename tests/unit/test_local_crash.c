/* The local scheduler killed at random moments: every task runs exactly once.
 *
 * A child process opens the scheduler, submits, sometimes cancels, and is killed with
 * SIGKILL; the next one goes on. PERIGEE_TEST_SEED=N repeats a run. In builds with fail
 * points it is also killed at each of those. */
#include "tests/unit/test_local_fixture.h"

#define ROUNDS 100

static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static const int32_t indexes[] = {0, 1, 2, 5};

/* Every third is an array, every seventh is cancelled. */
static size_t tasks_of(int i)
{
    return i % 3 == 2 ? 4 : 1;
}

static bool cancelled(int i)
{
    return i % 7 == 6;
}

static void submit_one(fx_t *fx, int i)
{
    char name[16], seconds[16];
    snprintf(name, sizeof(name), "s%d", i);
    snprintf(seconds, sizeof(seconds), "%.3f", i % 5 * 0.01);
    fx_req_t r = {.action = "sleep", .arg = seconds, .cores = 1 + (uint32_t)i % 2};
    if (tasks_of(i) == 4) {
        r.indexes = indexes;
        r.nindexes = 4;
        r.throttle = i % 2 ? 2 : 0;
    }
    fx_submit(fx, name, r);
    if (cancelled(i)) fx_cancel(fx, name, PERI_SCHED_NO_INDEX);
}

/* In the child, until it is killed or has nothing to do. */
static _Noreturn void daemon_life(fx_t *fx, int first, int last)
{
    peri_err_t err;
    fx->s = peri_sched_open("local", fx->conf, fx->state, NULL, fx_wake, fx, &err);
    if (!fx->s) {
        fprintf(stderr, "%s\n", err.text);
        _exit(3);
    }
    for (int i = first; i < last; i++) submit_one(fx, i);
    const double until = peri_now() + 60; /* longer than anybody waits for it */
    while (peri_now() < until) {
        fx_poll(fx, false);
        fx_wait_wake(fx);
    }
    _exit(0);
}

/* Ends by SIGKILL, of us or of a fail point, after so many milliseconds. */
static void one_life(fx_t *fx, int first, int last, uint32_t ms)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) daemon_life(fx, first, last);
    for (uint32_t i = 0; i < ms; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid) goto ended;
        usleep(1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
ended:
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the scheduler ended with status %x", status);
}

static fx_t *start_fixture(void)
{
    fx_t *fx = fx_new("{\"cores\": 3, \"memory\": \"1GB\", \"kill_after\": 1}");
    peri_sched_close(fx->s);
    fx->s = NULL;
    return fx;
}

static void check_all(fx_t *fx, int n)
{
    size_t tasks = 0;
    char name[16];
    fx_reopen(fx);
    /* The last ones may not have been taken. */
    for (int i = 0; i < n; i++) {
        submit_one(fx, i);
        tasks += tasks_of(i);
    }
    fx_wait(fx, tasks, PERI_SCHED_ENDED);
    assert_int_equal(fx_count(fx, PERI_SCHED_ENDED), tasks);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        for (size_t k = 0; k < tasks_of(i); k++) {
            int32_t index = tasks_of(i) == 4 ? indexes[k] : PERI_SCHED_NO_INDEX;
            size_t starts = fx_lines(fx, name, index, "start");
            size_t ends = fx_lines(fx, name, index, "end");
            if (cancelled(i) ? starts > 1 : starts != 1 || ends != 1)
                fail_msg("%s[%d] has begun %zu times and ended %zu times", name, index,
                         starts, ends);
        }
    }
    /* And nothing of it is running still. */
    char *cmd = peri_xasprintf("grep -lsz '^PERIGEE_FOLDER=%s' /proc/[0-9]*/environ | "
                               "grep -q .",
                               fx->spool);
    assert_int_not_equal(system(cmd), 0);
    free(cmd);
}

static void killed_at_random(void **state)
{
    (void)state;
    fx_t *fx = start_fixture();
    int n = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int more = (int)rnd(4);
        one_life(fx, n, n + more, 1 + rnd(60));
        n += more;
    }
    check_all(fx, n);
    fx_free(fx);
}

static void killed_at_fail_points(void **state)
{
    (void)state;
#if PERIGEE_FAILPOINTS
    static const char *const points[] = {"local.submit", "local.submitted",
                                         "local.begin",  "local.forked",
                                         "local.ended",  "local.cancelled"};
    fx_t *fx = start_fixture();
    int n = 0;
    for (size_t p = 0; p < sizeof(points) / sizeof(points[0]); p++)
        for (int pass = 1; pass <= 3; pass++) {
            char value[64];
            snprintf(value, sizeof(value), "%s:%d", points[p], pass);
            setenv("PERIGEE_FAILPOINT", value, 1);
            one_life(fx, n, n + 8, 2000);
            unsetenv("PERIGEE_FAILPOINT");
            n += 8;
        }
    check_all(fx, n);
    fx_free(fx);
#else
    print_message("SKIP killed_at_fail_points: built without PERIGEE_FAILPOINTS\n");
#endif
}

int main(int argc, char **argv)
{
    fx_launcher(argc, argv);
    const char *given = getenv("PERIGEE_TEST_SEED");
    seed = given ? (uint32_t)strtoul(given, NULL, 10) : (uint32_t)time(NULL);
    print_message("PERIGEE_TEST_SEED=%u\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_random),
        cmocka_unit_test(killed_at_fail_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
