/* Unit tests of portal/verdict: what becomes of a task, from all that is known of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "portal/jobs/verdict.h"

#define ANY (-1)

typedef struct {
    const char *name;
    peri_evidence_t e;
    peri_act_t act;
    int final, why; /* ANY: does not matter */
    const char *says;
} case_t;

#define STARTED .has_started = true, .claim = PERI_CLAIM_LAUNCH
#define EXIT(k, c, s, t)                                                                 \
    STARTED, .has_exit = true, .exit = (k), .exit_code = (c), .exit_signal = (s),        \
             .exit_text = (t)
#define OVER(x) .ended = true, .grace_over = true, .end = (x), .end_text = "words"

static const case_t cases[] = {
    {"nothing is known yet", {.claim = PERI_CLAIM_NONE}, PERI_ACT_WAIT, ANY, ANY, ""},
    {"runs", {STARTED}, PERI_ACT_WAIT, ANY, ANY, ""},
    {"success",
     {EXIT(PERI_EXIT_DONE, 0, 0, "")},
     PERI_ACT_END,
     PERI_TASK_SUCCEEDED,
     PERI_WHY_NONE,
     ""},
    {"success counts though it was to be cancelled",
     {EXIT(PERI_EXIT_DONE, 0, 0, ""), .cancel_requested = true},
     PERI_ACT_END,
     PERI_TASK_SUCCEEDED,
     PERI_WHY_NONE,
     ""},
    {"exit status",
     {EXIT(PERI_EXIT_DONE, 3, 0, "status 3")},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_EXIT,
     "status 3"},
    {"memory, by the launcher",
     {EXIT(PERI_EXIT_MEMORY, 0, 9, "too much")},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_MEMORY,
     "too much"},
    {"killed by Slurm for memory",
     {EXIT(PERI_EXIT_SIGNAL, 0, 9, "signal 9"), OVER(PERI_END_MEMORY)},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_MEMORY,
     "--memory"},
    {"no program",
     {EXIT(PERI_EXIT_NO_PROGRAM, 127, 0, "no such program")},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_NO_PROGRAM,
     "no such program"},
    {"cancelled while it ran",
     {EXIT(PERI_EXIT_TERMINATED, 0, 15, "told to end"), .cancel_requested = true},
     PERI_ACT_END,
     PERI_TASK_CANCELLED,
     PERI_WHY_CANCELLED,
     "cancelled"},
    {"told to end: by whom is not known yet",
     {EXIT(PERI_EXIT_TERMINATED, 0, 15, "told to end")},
     PERI_ACT_WAIT,
     ANY,
     ANY,
     ""},
    {"preempted",
     {EXIT(PERI_EXIT_TERMINATED, 0, 15, "told to end"), OVER(PERI_END_PREEMPTED)},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_PREEMPTED,
     "in favour of"},
    {"preempted, and may run again",
     {EXIT(PERI_EXIT_TERMINATED, 0, 15, ""), OVER(PERI_END_PREEMPTED),
      .restartable = true},
     PERI_ACT_REVOKE,
     ANY,
     PERI_WHY_PREEMPTED,
     "started again"},
    {"scancel while it ran",
     {EXIT(PERI_EXIT_TERMINATED, 0, 15, ""), OVER(PERI_END_CANCELLED)},
     PERI_ACT_END,
     PERI_TASK_CANCELLED,
     PERI_WHY_SCHEDULER,
     "not through Perigee"},
    {"stopped in time",
     {EXIT(PERI_EXIT_STOPPED, 75, 0, "stopped"), .restartable = true,
      .attempts_lost = PERI_MAX_LOST},
     PERI_ACT_REVOKE,
     ANY,
     PERI_WHY_TIME,
     "stopped; it is started again"},
    {"stopped in time, but is not to go on",
     {EXIT(PERI_EXIT_STOPPED, 75, 0, "stopped")},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_TIME,
     "stopped"},
    {"stopped in time, and cancelled",
     {EXIT(PERI_EXIT_STOPPED, 75, 0, "stopped"), .restartable = true,
      .cancel_requested = true},
     PERI_ACT_END,
     PERI_TASK_CANCELLED,
     PERI_WHY_CANCELLED,
     "cancelled"},
    {"status 75 without a warning is one like any other",
     {EXIT(PERI_EXIT_DONE, 75, 0, "status 75"), .restartable = true},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_EXIT,
     "status 75"},
    {"somebody's SIGTERM",
     {EXIT(PERI_EXIT_TERMINATED, 0, 15, "told"), .grace_over = true},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_SIGNAL,
     "SIGTERM"},
    {"ended without a record: it may still come",
     {STARTED, .ended = true, .end = PERI_END_EXITED, .end_text = ""},
     PERI_ACT_WAIT,
     ANY,
     ANY,
     ""},
    {"exit status 0 of the launcher alone is no success",
     {STARTED, OVER(PERI_END_EXITED)},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_LAUNCHER,
     "exit record"},
    {"launcher killed",
     {STARTED, OVER(PERI_END_KILLED)},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_LAUNCHER,
     "killed"},
    {"node failed",
     {STARTED, OVER(PERI_END_NODE)},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_NODE,
     "words"},
    {"node failed, once too often",
     {STARTED, OVER(PERI_END_NODE), .restartable = true, .attempts_lost = PERI_MAX_LOST},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_NODE,
     "words"},
    {"unknown to its scheduler, but its heart beats",
     {STARTED, OVER(PERI_END_UNKNOWN), .beats = true},
     PERI_ACT_WAIT,
     ANY,
     ANY,
     ""},
    {"lost before it started: make sure of it",
     {OVER(PERI_END_UNKNOWN), .claim = PERI_CLAIM_NONE},
     PERI_ACT_CLAIM,
     ANY,
     ANY,
     ""},
    {"lost before it started, for sure",
     {OVER(PERI_END_UNKNOWN), .claim = PERI_CLAIM_DAEMON, .scheduler = "slurm"},
     PERI_ACT_REVOKE,
     ANY,
     PERI_WHY_LOST,
     "slurm ended it before it started"},
    {"lost too often",
     {OVER(PERI_END_NODE), .claim = PERI_CLAIM_DAEMON, .scheduler = "slurm",
      .attempts_lost = PERI_MAX_LOST},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_LOST,
     "4 times"},
    {"claimed but not started: the program never ran",
     {OVER(PERI_END_NODE), .claim = PERI_CLAIM_LAUNCH, .scheduler = "slurm"},
     PERI_ACT_REVOKE,
     ANY,
     PERI_WHY_LOST,
     "before it started"},
    {"claimed, not started, and nobody knows of it",
     {OVER(PERI_END_UNKNOWN), .claim = PERI_CLAIM_LAUNCH},
     PERI_ACT_END,
     PERI_TASK_FAILED,
     PERI_WHY_LAUNCHER,
     ""},
    {"cancelled before it started",
     {.claim = PERI_CLAIM_DAEMON, .cancel_requested = true, .end_text = ""},
     PERI_ACT_END,
     PERI_TASK_CANCELLED,
     PERI_WHY_CANCELLED,
     "before it started"},
    {"scancel while it was pending",
     {OVER(PERI_END_CANCELLED), .claim = PERI_CLAIM_DAEMON},
     PERI_ACT_END,
     PERI_TASK_CANCELLED,
     PERI_WHY_SCHEDULER,
     "not through Perigee"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peri_evidence_t e = cases[i].e;
        peri_verdict_t v;
        if (!e.end_text) e.end_text = "";
        if (!e.exit_text) e.exit_text = "";
        if (!e.scheduler) e.scheduler = "local";
        peri_verdict(&e, &v);
        if (v.act != cases[i].act ||
            (cases[i].final != ANY && (int)v.final != cases[i].final) ||
            (cases[i].why != ANY && (int)v.why != cases[i].why) ||
            !strstr(v.text, cases[i].says))
            fail_msg("%s: act %d, final %d, why %d, \"%s\"", cases[i].name, v.act,
                     v.final, v.why, v.text);
    }
}

/* Whatever is known: an end always has a reason and a sentence, and nothing without an
 * exit record ever succeeds. */
static void test_every_combination(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 1u << 16; bits++) {
        peri_evidence_t e = {.has_started = bits & 1,
                             .has_exit = bits & 2,
                             .exit = (peri_exitkind_t)((bits >> 2 & 15) % 9),
                             .exit_code = bits >> 6 & 1,
                             .exit_text = "text",
                             .claim = (peri_claimant_t)((bits >> 7 & 3) % 3),
                             .ended = bits >> 9 & 1,
                             .end = (peri_schedend_t)((bits >> 10 & 15) % 10),
                             .end_text = "",
                             .scheduler = "local",
                             .grace_over = true,
                             .cancel_requested = bits >> 14 & 1,
                             .restartable = bits >> 15 & 1};
        peri_verdict_t v;
        peri_verdict(&e, &v);
        if (v.act == PERI_ACT_END) {
            assert_true(peri_task_is_final(v.final));
            bool good = v.final == PERI_TASK_SUCCEEDED;
            assert_int_equal(good, v.why == PERI_WHY_NONE);
            assert_int_equal(good, v.text[0] == '\0');
            if (good) assert_true(e.has_exit);
        }
        if (v.act == PERI_ACT_REVOKE) {
            assert_false(e.cancel_requested);
            assert_true(v.text[0] != '\0');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_combination),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
