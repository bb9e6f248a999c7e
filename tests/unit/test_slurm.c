/* test_slurm.c - the pure parts of the Slurm plugin: states, reasons, array strings, ids,
 * refusals. Slurm itself is in tests/cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "scheduler/slurm/plugin.h"

/* ---- states ---- */

static void check_state(uint32_t state, uint32_t reason, peri_schedstate_t is,
                        peri_schedend_t end, const char *name)
{
    const peri_slurmstate_t *s = peri_slurm_state(state, reason);
    assert_int_equal(s->state, is);
    assert_int_equal(s->end, end);
    assert_string_equal(s->name, name);
}

static void test_states(void **unused)
{
    (void)unused;
    check_state(JOB_PENDING, WAIT_RESOURCES, PERI_SCHED_PENDING, 0, "PENDING");
    check_state(JOB_RUNNING, 0, PERI_SCHED_RUNNING, 0, "RUNNING");
    check_state(JOB_SUSPENDED, 0, PERI_SCHED_RUNNING, 0, "SUSPENDED");
    check_state(JOB_COMPLETE, 0, PERI_SCHED_ENDED, PERI_END_EXITED, "COMPLETED");
    check_state(JOB_FAILED, FAIL_EXIT_CODE, PERI_SCHED_ENDED, PERI_END_EXITED, "FAILED");
    check_state(JOB_CANCELLED, 0, PERI_SCHED_ENDED, PERI_END_CANCELLED, "CANCELLED");
    check_state(JOB_TIMEOUT, FAIL_TIMEOUT, PERI_SCHED_ENDED, PERI_END_TIME, "TIMEOUT");
    check_state(JOB_NODE_FAIL, 0, PERI_SCHED_ENDED, PERI_END_NODE, "NODE_FAIL");
    check_state(JOB_PREEMPTED, 0, PERI_SCHED_ENDED, PERI_END_PREEMPTED, "PREEMPTED");
    check_state(JOB_BOOT_FAIL, 0, PERI_SCHED_ENDED, PERI_END_BOOT, "BOOT_FAIL");
    check_state(JOB_DEADLINE, 0, PERI_SCHED_ENDED, PERI_END_TIME, "DEADLINE");
    check_state(JOB_OOM, 0, PERI_SCHED_ENDED, PERI_END_MEMORY, "OUT_OF_MEMORY");
    check_state(JOB_CANCELLED, WAIT_DEP_INVALID, PERI_SCHED_ENDED, PERI_END_DEPENDENCY,
                "CANCELLED");
    check_state(JOB_FAILED, FAIL_LAUNCH, PERI_SCHED_ENDED, PERI_END_UNKNOWN, "FAILED");
}

/* Flags that say that it is not over yet, on every base. */
static void test_not_over(void **unused)
{
    (void)unused;
    for (uint32_t base = JOB_COMPLETE; base < JOB_END; base++) {
        check_state(base | JOB_COMPLETING, 0, PERI_SCHED_RUNNING, 0, "COMPLETING");
        check_state(base | JOB_COMPLETING | JOB_REQUEUE, 0, PERI_SCHED_RUNNING, 0,
                    "REQUEUED");
        check_state(base | JOB_STAGE_OUT, 0, PERI_SCHED_RUNNING, 0, "STAGE_OUT");
        assert_int_equal(peri_slurm_state(base, 0)->state, PERI_SCHED_ENDED);
    }
    check_state(JOB_PENDING | JOB_COMPLETING, 0, PERI_SCHED_PENDING, 0, "PENDING");
    check_state(JOB_PENDING | JOB_SPECIAL_EXIT, WAIT_HELD, PERI_SCHED_PENDING, 0,
                "PENDING");
    check_state(JOB_RUNNING | JOB_CONFIGURING, 0, PERI_SCHED_PENDING, 0, "CONFIGURING");
    check_state(JOB_RUNNING | JOB_COMPLETING, 0, PERI_SCHED_RUNNING, 0, "RUNNING");
    check_state(JOB_RUNNING | JOB_RESIZING | JOB_SIGNALING, 0, PERI_SCHED_RUNNING, 0,
                "RUNNING");
    /* What a later Slurm may say is never taken for an end. */
    for (uint32_t base = JOB_END; base <= 0xff; base++)
        assert_int_equal(peri_slurm_state(base, 0)->state, PERI_SCHED_RUNNING);
}

/* ---- reasons ---- */

static void check_why(peri_slurmwait_t w, const char *want)
{
    peri_buf_t b;
    if (!w.reason_name) w.reason_name = "Name";
    if (!w.wanted) w.wanted = "";
    if (!w.trouble) w.trouble = "";
    if (!w.details) w.details = "";
    peri_buf_init(&b, 4096);
    peri_slurm_wait_text(&w, &b);
    assert_non_null(b.data);
    assert_string_equal(b.data, want);
    peri_buf_free(&b);
}

static void test_reasons(void **unused)
{
    (void)unused;
    check_why((peri_slurmwait_t){.reason = WAIT_RESOURCES, .nodes = 3},
              "waits for free cores or memory on 3 nodes");
    check_why((peri_slurmwait_t){.reason = WAIT_RESOURCES, .nodes = 1},
              "waits for free cores or memory");
    check_why(
        (peri_slurmwait_t){.reason = WAIT_RESOURCES, .nodes = 2, .wanted = "n[1-2]"},
        "waits for free cores or memory on n[1-2]");
    check_why((peri_slurmwait_t){.reason = WAIT_PRIORITY}, "others are before it");
    /* The nodes' own trouble goes before whatever Slurm thinks. */
    check_why(
        (peri_slurmwait_t){.reason = WAIT_PRIORITY,
                           .wanted = "n2",
                           .trouble = "n2 is drained: disk exchange"},
        "waits for the nodes that hold its data (n2): n2 is drained: disk exchange");
    check_why((peri_slurmwait_t){.reason = WAIT_NODE_NOT_AVAIL,
                                 .details = "ReqNodeNotAvail, UnavailableNodes:n7"},
              "waits for nodes that are not available or are reserved (ReqNodeNotAvail, "
              "UnavailableNodes:n7)");
    check_why(
        (peri_slurmwait_t){.reason = WAIT_QOS_MAX_CPU_PER_USER,
                           .reason_name = "QOSMaxCpuPerUserLimit"},
        "waits because a limit of the quality of service is reached (Slurm calls it "
        "QOSMaxCpuPerUserLimit; the administrator knows it)");
    check_why((peri_slurmwait_t){.reason = WAIT_ASSOC_GRP_CPU,
                                 .reason_name = "AssocGrpCpuLimit"},
              "waits because a limit of the account is reached (Slurm calls it "
              "AssocGrpCpuLimit; the administrator knows it)");
    check_why((peri_slurmwait_t){.reason = 60000, .reason_name = "NewThing"},
              "waits; Slurm says NewThing");
    check_why((peri_slurmwait_t){.reason = WAIT_TIME}, "waits for its time to begin");
    check_why((peri_slurmwait_t){.reason = WAIT_TIME, .again = true},
              "waits to start again: Slurm makes a pause of some minutes");
}

static void test_nodes(void **unused)
{
    (void)unused;
    assert_null(peri_slurm_node_trouble(NODE_STATE_IDLE));
    assert_null(peri_slurm_node_trouble(NODE_STATE_ALLOCATED | NODE_STATE_COMPLETING));
    assert_null(peri_slurm_node_trouble(NODE_STATE_IDLE | NODE_STATE_POWERED_DOWN));
    assert_null(peri_slurm_node_trouble(NODE_STATE_MIXED | NODE_STATE_PLANNED));
    assert_string_equal(peri_slurm_node_trouble(NODE_STATE_IDLE | NODE_STATE_DRAIN),
                        "is drained");
    assert_string_equal(peri_slurm_node_trouble(NODE_STATE_MIXED | NODE_STATE_DRAIN),
                        "is being drained");
    assert_string_equal(peri_slurm_node_trouble(NODE_STATE_DOWN), "is down");
    assert_string_equal(peri_slurm_node_trouble(NODE_STATE_DOWN | NODE_STATE_NO_RESPOND |
                                                NODE_STATE_DRAIN),
                        "is down (it does not answer)");
    assert_string_equal(peri_slurm_node_trouble(NODE_STATE_IDLE | NODE_STATE_MAINT),
                        "is in maintenance");
}

/* ---- arrays ---- */

static void check_format(const int32_t *indexes, size_t n, int32_t first,
                         int32_t throttle, const char *want)
{
    peri_buf_t b;
    peri_buf_init(&b, 4096);
    assert_int_equal(peri_slurm_array_format(indexes, n, first, throttle, &b), 0);
    assert_string_equal(b.data, want);
    peri_buf_free(&b);
}

static void test_array_format(void **unused)
{
    (void)unused;
    static const int32_t a[] = {1, 3, 4, 5, 6, 7, 8, 9, 11, 12};
    check_format(a, 10, 0, 4, "1,3-9,11-12%4");
    check_format(a, 10, 1, 4, "0,2-8,10-11%4");
    check_format(a, 1, 0, 0, "1");
    check_format(a + 1, 2, 0, 0, "3-4");
    static const int32_t ends[] = {0, INT32_MAX - 1, INT32_MAX};
    check_format(ends, 3, 0, 0, "0,2147483646-2147483647");
}

static void test_first_index(void **unused)
{
    (void)unused;
    assert_int_equal(peri_slurm_first(NULL), 0);
    assert_int_equal(peri_slurm_first("6f0c1c9e-3c58-4b2e-8d3b-0123456789ab"), 0);
    assert_int_equal(peri_slurm_first("6f0c1c9e +5000 soft"), 5000);
    assert_int_equal(peri_slurm_first("6f0c1c9e +2147483647"), INT32_MAX);
    /* What somebody has written over it. */
    assert_int_equal(peri_slurm_first("6f0c1c9e +2147483648"), 0);
    assert_int_equal(peri_slurm_first(" +"), 0);
    assert_int_equal(peri_slurm_first(" +-3"), 0);
}

static void check_parse(const char *s, int n, const int32_t *want)
{
    int32_t got[64];
    size_t k = 0;
    char *exact = malloc(strlen(s) ? strlen(s) : 1); /* no NUL behind it */
    memcpy(exact, s, strlen(s));
    int rc = peri_slurm_array_parse(exact, strlen(s), got, 64, &k);
    free(exact);
    if (n < 0) {
        assert_int_equal(rc, -1);
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(k, n);
    for (int i = 0; i < n; i++) assert_int_equal(got[i], want[i]);
}

static void test_array_parse(void **unused)
{
    (void)unused;
    check_parse("5", 1, (const int32_t[]){5});
    check_parse("5-7,12", 4, (const int32_t[]){5, 6, 7, 12});
    check_parse("0-20:10%2", 3, (const int32_t[]){0, 10, 20});
    check_parse("1,2147483647%3", 2, (const int32_t[]){1, 2147483647});
    check_parse("2147483640-2147483647:5", 2, (const int32_t[]){2147483640, 2147483645});
    static const char *const bad[] = {
        "",           ",",
        "-1",         "1-",
        "5-3",        "1,",
        "1,5,...",    "1:",
        "1-5:0",      "1%",
        "1%x",        "2147483648",
        "0-99999999", "1 ",
        "1-2-3",      "%4",
        "0x10",       "1--2",
        "1,,2",       "1;2",
        "1-5:-1",     "1%2%3",
        "a",          "1\n",
        "1-64,70",    "99999999999999999999999",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check_parse(bad[i], -1, NULL);
}

static uint32_t next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

/* Whatever comes in: no crash, and what is read is in bounds and as it was written. */
static void test_array_garbage(void **unused)
{
    (void)unused;
    static const char letters[] = "0123456789,,--::%% .x";
    uint32_t seed = 4711;
    for (int round = 0; round < 20000; round++) {
        int32_t got[64];
        size_t n = 0, len = next(&seed) % 12;
        char *s = malloc(len ? len : 1);
        for (size_t i = 0; i < len; i++)
            s[i] = letters[next(&seed) % (sizeof(letters) - 1)];
        if (peri_slurm_array_parse(s, len, got, 64, &n) == 0) {
            assert_in_range(n, 1, 64);
            for (size_t i = 0; i < n; i++) assert_true(got[i] >= 0);
        }
        free(s);
    }
    for (int round = 0; round < 2000; round++) {
        int32_t in[40], out[40];
        size_t n = 1 + next(&seed) % 40, k = 0;
        for (size_t i = 0; i < n; i++)
            in[i] = (i ? in[i - 1] : -1) + 1 + (int32_t)(next(&seed) % 3);
        peri_buf_t b;
        peri_buf_init(&b, 4096);
        assert_int_equal(peri_slurm_array_format(in, n, 0, (int32_t)(round % 3), &b), 0);
        assert_int_equal(peri_slurm_array_parse(b.data, b.len, out, 40, &k), 0);
        assert_int_equal(k, n);
        assert_memory_equal(in, out, n * sizeof(in[0]));
        peri_buf_free(&b);
    }
}

/* ---- ids ---- */

static void test_ids(void **unused)
{
    (void)unused;
    char id[PERI_SCHED_ID_MAX], other[PERI_SCHED_ID_MAX];
    uint32_t job = 0, tag = 0;
    peri_slurm_id_format(id, 4294967295u, "perigee-a-1-1");
    assert_int_equal(peri_slurm_id_parse(id, &job, &tag), 0);
    assert_true(job == 4294967295u && tag == peri_slurm_tag("perigee-a-1-1"));
    peri_slurm_id_format(other, 4294967295u, "perigee-b-1-1");
    assert_string_not_equal(id, other);
    static const char *const bad[] = {"",
                                      "12",
                                      ":",
                                      "12:",
                                      "12:12345",
                                      "12:1234567",
                                      "12:12345g",
                                      "x:123456",
                                      "-1:123456",
                                      "12 :123456",
                                      "12:123456 ",
                                      "0:123456",
                                      " 1:123456",
                                      "12:12 456",
                                      "12345678901:123456",
                                      "4294967296:123456"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(peri_slurm_id_parse(bad[i], &job, &tag), -1);
}

/* ---- refusals ---- */

static void test_refusals(void **unused)
{
    (void)unused;
    static const char *const nodes[] = {"n1", "n9"};
    peri_schedreq_t r = {
        .partition = "fast", .user = "ann", .nodes_hard = nodes, .nnodes_hard = 2};
    peri_err_t err = {0};
    assert_true(peri_slurm_refused(ESLURM_INVALID_PARTITION_NAME, &r, &err));
    assert_int_equal(err.code, PERI_EINVAL);
    assert_string_equal(err.text, "Slurm has no such partition (fast)");
    assert_true(peri_slurm_refused(ESLURM_INVALID_NODE_NAME, &r, &err));
    assert_string_equal(err.text, "Slurm does not know all of the nodes (n1, n9)");
    assert_true(peri_slurm_refused(ESLURM_ACCESS_DENIED, &r, &err));
    assert_int_equal(err.code, PERI_EDENIED);
    assert_true(peri_slurm_refused(ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE, &r, &err));
    assert_int_equal(err.code, PERI_ELIMIT);
    /* Neither silence nor a limit that others fill now is final. */
    static const int later[] = {SLURM_COMMUNICATIONS_CONNECTION_ERROR,
                                SLURMCTLD_COMMUNICATIONS_RECEIVE_ERROR,
                                SLURM_PROTOCOL_SOCKET_IMPL_TIMEOUT,
                                ESLURM_ACCOUNTING_POLICY,
                                ESLURM_NODES_BUSY,
                                ESLURM_NODE_NOT_AVAIL,
                                ESLURM_PARTITION_NOT_AVAIL,
                                ESLURM_IN_STANDBY_MODE,
                                ESLURM_SUBMISSIONS_DISABLED,
                                ESLURM_INTERNAL,
                                ESLURM_WRITING_TO_FILE,
                                0,
                                -1,
                                111};
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        err.code = PERI_OK;
        assert_false(peri_slurm_refused(later[i], &r, &err));
        assert_int_equal(err.code, PERI_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),       cmocka_unit_test(test_not_over),
        cmocka_unit_test(test_reasons),      cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_array_format), cmocka_unit_test(test_first_index),
        cmocka_unit_test(test_array_parse),  cmocka_unit_test(test_array_garbage),
        cmocka_unit_test(test_ids),          cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
