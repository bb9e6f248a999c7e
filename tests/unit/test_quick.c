/* Quick queries without a portal: a command's word, its end by limits and signals, its
 * output as it comes, and who has used much lately. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "portal/queue/queue.h"
#include "portal/quick/child.h"
#include "portal/quick/use.h"
#include "portal/quick/word.h"

/* ---- the word ---- */

typedef struct {
    peri_arena_t *arena;
    json_t *word;
    peri_quickend_t end;
} judged_t;

static judged_t judge(const char *said, peri_childend_t c, const char *tale)
{
    judged_t j = {.arena = peri_arena_new()};
    const peri_quickgiven_t given = {.seconds = 60,
                                     .memory = 2000000000,
                                     .bytes = 1000000000,
                                     .tale = tale,
                                     .advice = "send it as a job"};
    c.said = (char *)said;
    c.nsaid = strlen(said);
    peri_quick_judge(&c, &given, j.arena, &j.word, &j.end);
    return j;
}

static void let_go(judged_t *j)
{
    json_decref(j->word);
    peri_arena_free(j->arena);
}

static void expect(const char *said, peri_childend_t c, const char *tale, int code,
                   const char *text)
{
    judged_t j = judge(said, c, tale);
    if ((int)j.end.code != code || strcmp(j.end.text, text) != 0)
        fail_msg("\"%s\" gave %d \"%s\"", said, j.end.code, j.end.text);
    let_go(&j);
}

#define EXITED(n) ((peri_childend_t){.status = (n) << 8})
#define BY(sig)   ((peri_childend_t){.status = (sig)})

static void words(void **s)
{
    (void)s;
    judged_t j =
        judge("noise\n\x1e{\"code\":0,\"rows\":7,\"cut\":\"rows\",\"text\":\"7 rows\","
              "\"changed\":[{\"name\":\"a\"}]}\n",
              EXITED(0), "");
    assert_int_equal(j.end.code, PERI_OK);
    assert_int_equal(j.end.rows, 7);
    assert_string_equal(j.end.cut, "rows");
    assert_string_equal(j.end.text, "7 rows");
    assert_int_equal(json_array_size(j.end.changed), 1);
    let_go(&j);
    expect("\x1e{\"code\":2,\"text\":\"no table \\u0007x\"}\n", EXITED(1), "",
           PERI_ENOTFOUND, "no table  x");
    /* What only the command's options do is left out; what helps is added. */
    expect("\x1e{\"code\":7,\"text\":\"not within 60 s (see f(x)), its limit "
           "(--timeout)\"}\n",
           EXITED(1), "", PERI_ELIMIT,
           "not within 60 s (see f(x)), its limit: send it as a job");
    /* A user may have written it. */
    expect("\x1e{\"code\":0,\"text\":\"ok\"}\n\x1e{\"code\":999,\"text\":5}\n", EXITED(0),
           "", PERI_EINTERNAL, "");
    j = judge("\x1e{\"code\":0,\"rows\":-4,\"cut\":\"why\",\"changed\":{}}\n", EXITED(0),
              "");
    assert_true(j.end.rows == 0 && !j.end.cut && !j.end.changed);
    let_go(&j);
}

static void wordless(void **s)
{
    (void)s;
    expect("", EXITED(0), "", PERI_OK, "");
    expect("a\nperigee: lost\n\n", EXITED(1), "", PERI_EINTERNAL, "perigee: lost");
    expect("", EXITED(1), "", PERI_EINTERNAL, "the command failed");
    expect("\x1e{\"code\":", EXITED(3), "F no bwrap", PERI_EINTERNAL, "no bwrap");
    expect("", EXITED(127), "N 127 there is no perigee", PERI_EINTERNAL,
           "there is no perigee");
    expect("", EXITED(127), "N", PERI_EINTERNAL, "N");
    const char *memory =
        "it needs more memory than the 2.0 GB that are given: send it as "
        "a job";
    expect("", BY(SIGABRT), "", PERI_ELIMIT, memory);
    expect("", BY(SIGKILL), "", PERI_ELIMIT,
           "it was ended from outside; if the machine was short of memory, a query that "
           "needs less of it may go through: send it as a job");
    expect("", BY(SIGXCPU), "", PERI_ELIMIT,
           "it took longer than 60 seconds: send it as a job");
    expect("", BY(SIGSEGV), "", PERI_EINTERNAL, "the command crashed (signal 11)");
    expect("", (peri_childend_t){.why = PERI_CHILD_TOO_LONG, .status = SIGKILL}, "",
           PERI_ELIMIT, "it took longer than 60 seconds: send it as a job");
    expect("", (peri_childend_t){.why = PERI_CHILD_STOPPED, .status = SIGKILL}, "",
           PERI_ECANCEL, "cancelled");
    /* It was quicker than who stopped it. */
    expect("\x1e{\"code\":0,\"text\":\"1 row\"}\n",
           (peri_childend_t){.why = PERI_CHILD_STOPPED}, "", PERI_OK, "1 row");
}

/* ---- processes ---- */

typedef struct {
    uint64_t seen;
    int ticks;
} ticks_t;

static void on_tick(void *arg, uint64_t written)
{
    ticks_t *t = arg;
    t->seen = written;
    t->ticks++;
}

static peri_childend_t run(const char *script, uint64_t bytes, double seconds,
                           const atomic_bool *stop, char *out, size_t size)
{
    static char *const none[] = {NULL};
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    const peri_startlimit_t limits[] = {{RLIMIT_CORE, 0, true}};
    ticks_t ticks = {0};
    peri_childend_t end;
    peri_err_t err = {0};
    peri_child_t c = {.start = {.path = argv[0],
                                .argv = (char *const *)argv,
                                .envp = none,
                                .dir = "/",
                                .in = -1,
                                .keep = -1,
                                .cgroup = -1,
                                .limits = limits,
                                .nlimits = 1},
                      .output = memfd_create("out", 0),
                      .bytes = bytes,
                      .seconds = seconds,
                      .stop = stop,
                      .tick = on_tick,
                      .arg = &ticks};
    if (peri_child_run(&c, &end, &err)) fail_msg("%s", err.text);
    const ssize_t n = pread(c.output, out, size - 1, 0);
    out[n > 0 ? n : 0] = '\0';
    assert_int_equal(ticks.seen, end.written);
    close(c.output);
    return end;
}

static void children(void **s)
{
    (void)s;
    char out[1000];
    atomic_bool stop = false;
    peri_childend_t e = run("echo rows; echo said >&2; ulimit -c; cat; exit 3", 1000, 5,
                            &stop, out, sizeof(out));
    assert_string_equal(out, "rows\n0\n");
    assert_string_equal(e.said, "said\n");
    assert_int_equal(e.status, 3 << 8);
    assert_int_equal(e.why, PERI_CHILD_ENDED);
    free(e.said);
    /* Only the end of what it says is kept. */
    e = run("yes lots | head -c 3000000 >&2; echo last >&2", 10, 5, &stop, out,
            sizeof(out));
    assert_int_equal(e.nsaid, PERI_CHILD_SAID);
    assert_string_equal(e.said + e.nsaid - 5, "last\n");
    free(e.said);
    e = run("yes", 100000, 5, &stop, out, sizeof(out));
    assert_int_equal(e.why, PERI_CHILD_TOO_MUCH);
    assert_true(e.written <= 100000 && e.status == SIGKILL);
    free(e.said);
    e = run("sleep 20 & sleep 20", 10, 0.2, &stop, out, sizeof(out));
    assert_int_equal(e.why, PERI_CHILD_TOO_LONG);
    assert_true(e.seconds < 2);
    free(e.said);
    stop = true;
    e = run("trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done", 10, 5, &stop,
            out, sizeof(out));
    assert_string_equal(out, "bye\n");
    assert_int_equal(e.why, PERI_CHILD_STOPPED);
    free(e.said);
    e = run("trap '' TERM; while :; do sleep 0.05; done", 10, 9, &stop, out, sizeof(out));
    assert_true(e.why == PERI_CHILD_STOPPED && e.status == SIGKILL && e.seconds < 5);
    free(e.said);
}

static void no_program(void **s)
{
    (void)s;
    static char *const none[] = {NULL};
    atomic_bool stop = false;
    peri_childend_t end;
    peri_err_t err = {0};
    peri_child_t c = {.start = {.path = "/no/such",
                                .argv = none,
                                .envp = none,
                                .dir = "/",
                                .in = -1,
                                .keep = -1,
                                .cgroup = -1},
                      .output = -1,
                      .stop = &stop,
                      .tick = on_tick};
    assert_int_equal(peri_child_run(&c, &end, &err), -1);
    assert_string_equal(err.text, "cannot start /no/such: No such file or directory");
}

/* ---- use ---- */

static void use(void **s)
{
    (void)s;
    assert_true(peri_use_of(7, 0) == 0);
    peri_use_add(7, 100, 8);
    assert_true(peri_use_of(7, 100) == 8);
    assert_true(peri_use_of(7, 120) == 4);
    peri_use_add(7, 120, 2);
    assert_true(peri_use_of(7, 120) == 6);
    /* A crowd that uses little does not push her out; one that uses more does. */
    for (int i = 1000; i < 3000; i++) peri_use_add(i, 120, 0.1);
    assert_true(peri_use_of(7, 120) == 6);
    for (int i = 5000; i < 7000; i++) peri_use_add(i, 120, 9);
    assert_true(peri_use_of(7, 120) == 0);
    assert_true(peri_use_of(5000, 120) == 9);
}

/* ---- turns ---- */

static atomic_bool finish;

static void run_turn(peri_turn_t *t)
{
    (void)t;
    while (!atomic_load(&finish)) usleep(1000);
}

static void free_turn(peri_turn_t *t)
{
    (void)t;
}

static bool put(peri_queue_t *q, peri_turn_t *t, int64_t account)
{
    *t = (peri_turn_t){.account = account, .run = run_turn, .free = free_turn};
    return peri_queue_put(q, t);
}

static void expect_state(peri_turn_t *t, peri_queue_t *q, peri_turnstate_t state)
{
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&q->lock);
        const bool is = t->state == state;
        pthread_mutex_unlock(&q->lock);
        if (is) return;
        usleep(1000);
    }
    fail_msg("a turn is not in state %d", (int)state);
}

/* Accounts 1 and 2 take all that they can get: 3 and 4 get on all the same. */
static void crowded(void **state)
{
    (void)state;
    static peri_queue_t q = PERI_QUEUE({.running = 2,
                                        .running_of = 1,
                                        .waiting = 3,
                                        .waiting_of = 2,
                                        .held = 100,
                                        .held_of = 80,
                                        .patience = 30});
    peri_turn_t t[8];
    assert_true(put(&q, &t[0], 1) && put(&q, &t[1], 2));
    assert_true(put(&q, &t[2], 1) && put(&q, &t[3], 1) && put(&q, &t[4], 2));
    assert_false(put(&q, &t[5], 1));
    assert_false(put(&q, &t[5], 2));
    assert_true(put(&q, &t[5], 3));
    for (int i = 2; i < 6; i++) peri_queue_leave(&q, &t[i]);
    atomic_store(&finish, true);
    expect_state(&t[0], &q, PERI_TURN_OVER);
    expect_state(&t[1], &q, PERI_TURN_OVER);

    /* What they have got and do not fetch. */
    atomic_store(&t[0].held, 70);
    atomic_store(&t[1].held, 70);
    assert_true(put(&q, &t[2], 1) && put(&q, &t[3], 4));
    expect_state(&t[3], &q, PERI_TURN_OVER);
    expect_state(&t[2], &q, PERI_TURN_WAITS);
    peri_queue_leave(&q, &t[0]);
    expect_state(&t[2], &q, PERI_TURN_OVER);
    for (int i = 1; i < 4; i++) peri_queue_leave(&q, &t[i]);
    assert_null(q.first);
}

/* Those that may take hours leave places for those that do not. */
static void slow_ones(void **state)
{
    (void)state;
    static peri_queue_t q = PERI_QUEUE({.running = 2,
                                        .running_of = 2,
                                        .slow = 1,
                                        .waiting = 9,
                                        .waiting_of = 9,
                                        .patience = 30});
    peri_turn_t t[3];
    atomic_store(&finish, false);
    for (int i = 0; i < 3; i++) {
        t[i] = (peri_turn_t){
            .account = i + 1, .slow = i < 2, .run = run_turn, .free = free_turn};
        assert_true(peri_queue_put(&q, &t[i]));
    }
    expect_state(&t[0], &q, PERI_TURN_RUNS);
    expect_state(&t[2], &q, PERI_TURN_RUNS);
    expect_state(&t[1], &q, PERI_TURN_WAITS);
    atomic_store(&finish, true);
    expect_state(&t[1], &q, PERI_TURN_OVER);
    for (int i = 0; i < 3; i++) {
        expect_state(&t[i], &q, PERI_TURN_OVER);
        peri_queue_leave(&q, &t[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),    cmocka_unit_test(wordless),
        cmocka_unit_test(children), cmocka_unit_test(no_program),
        cmocka_unit_test(use),      cmocka_unit_test(crowded),
        cmocka_unit_test(slow_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
