/* The table of states: every pair of a state and an event, and the state of a job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "jobs/store/state.h"

/* Written down a second time, by hand: w s q r = waiting submitting queued running,
 * 1 2 3 = succeeded failed cancelled, '.' dropped, '!' a fault. Columns: wsqr123. */
static const struct {
    peri_evkind_t e;
    peri_taskstate_t final;
    const char *becomes;
} truth[] = {
    {PERI_EV_CREATED, 0, "w!!!!!!"},
    {PERI_EV_INTENT, 0, "s......"},
    {PERI_EV_SUBMITTED, 0, ".qqr123"},
    {PERI_EV_STARTED, 0, ".rr...."},
    {PERI_EV_ENDED, PERI_TASK_SUCCEEDED, "!111..."},
    {PERI_EV_ENDED, PERI_TASK_FAILED, "2222..."},
    {PERI_EV_ENDED, PERI_TASK_CANCELLED, "3333..."},
    {PERI_EV_ENDED, PERI_TASK_WAITING, "!!!!!!!"},
    {PERI_EV_ENDED, PERI_TASK_RUNNING, "!!!!!!!"},
    {PERI_EV_ENDED, PERI_TASK_NSTATES, "!!!!!!!"},
    {PERI_EV_REVOKED, 0, ".www..."},
    {PERI_EV_CANCEL, 0, "wsqr123"},
    {PERI_EV_NOTE, 0, "wsqr123"},
    {PERI_EV_NEVENTS, 0, "!!!!!!!"},
};

static void every_pair(void **state)
{
    static const char letters[] = "wsqr123";
    (void)state;
    for (size_t i = 0; i < sizeof(truth) / sizeof(truth[0]); i++) {
        for (int s = 0; s < PERI_TASK_NSTATES; s++) {
            peri_taskstate_t next = PERI_TASK_NSTATES;
            char want = truth[i].becomes[s];
            int rc =
                peri_task_step((peri_taskstate_t)s, truth[i].e, truth[i].final, &next);
            assert_int_equal(rc, want == '.' ? 0 : want == '!' ? -1 : 1);
            if (rc == 1)
                assert_int_equal(next, strchr(letters, want) - letters);
            else
                assert_int_equal(next, PERI_TASK_NSTATES);
        }
    }
    peri_taskstate_t next;
    assert_int_equal(peri_task_step(PERI_TASK_NSTATES, PERI_EV_NOTE, 0, &next), -1);
}

static void fold(void **state)
{
    static const struct {
        uint64_t count[PERI_TASK_NSTATES];
        peri_jobstate_t is;
    } cases[] = {
        {{1, 0, 0, 0, 0, 0, 0}, PERI_JOB_WAITING},
        {{5, 1, 0, 0, 0, 0, 0}, PERI_JOB_QUEUED},
        {{5, 0, 1, 0, 0, 0, 0}, PERI_JOB_QUEUED},
        {{5, 1, 1, 1, 0, 0, 0}, PERI_JOB_RUNNING},
        {{5, 0, 0, 0, 1, 0, 0}, PERI_JOB_RUNNING},
        {{0, 0, 1, 0, 0, 1, 0}, PERI_JOB_RUNNING},
        {{0, 0, 0, 0, 9, 0, 0}, PERI_JOB_SUCCEEDED},
        {{0, 0, 0, 0, 9, 1, 1}, PERI_JOB_FAILED},
        {{0, 0, 0, 0, 9, 0, 1}, PERI_JOB_CANCELLED},
        {{0, 0, 0, 0, 0, 0, 1}, PERI_JOB_CANCELLED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(peri_job_fold(cases[i].count), cases[i].is);
}

static void names(void **state)
{
    (void)state;
    for (int i = 0; i < PERI_TASK_NSTATES; i++) {
        peri_taskstate_t s;
        assert_int_equal(peri_taskstate_parse(peri_taskstate_name(i), &s), 0);
        assert_int_equal(s, i);
    }
    for (int i = 0; i < PERI_JOB_NSTATES; i++) {
        peri_jobstate_t s;
        assert_int_equal(peri_jobstate_parse(peri_jobstate_name(i), &s), 0);
        assert_int_equal(s, i);
    }
    for (int i = 0; i < PERI_EV_NEVENTS; i++) {
        peri_evkind_t e;
        assert_int_equal(peri_evkind_parse(peri_evkind_name(i), &e), 0);
        assert_int_equal(e, i);
    }
    for (int i = 0; i < PERI_WHY_NWHYS; i++) {
        peri_why_t w;
        assert_int_equal(peri_why_parse(peri_why_name(i), &w), 0);
        assert_int_equal(w, i);
    }
    peri_taskstate_t s = PERI_TASK_QUEUED;
    peri_why_t w;
    assert_int_equal(peri_taskstate_parse("quued", &s), -1);
    assert_int_equal(peri_taskstate_parse(NULL, &s), -1);
    assert_int_equal(s, PERI_TASK_QUEUED);
    assert_int_equal(peri_why_parse("oom", &w), -1);
    assert_string_equal(peri_why_name(PERI_WHY_MEMORY), "out_of_memory");
    assert_string_equal(peri_why_name(PERI_WHY_SCHEDULER), "cancelled_in_scheduler");
    assert_string_equal(peri_why_name(PERI_WHY_NONE), "");
    assert_string_equal(peri_taskstate_name(PERI_TASK_NSTATES), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair),
                                       cmocka_unit_test(fold), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
