/* What the manager's work costs with a long history behind it. Times are printed; what is
 * held to a limit is pages read, which do not depend on how busy the machine is.
 */
#include "tests/unit/test_store_fixture.h"

static pgfix_t *fx;

static int setup(void **state)
{
    (void)state;
    fx = fix_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fix_free(fx);
    return 0;
}

static double ms(double since)
{
    return (peri_now() - since) * 1e3;
}

static int ignore_active(const peri_activerow_t *r, void *arg)
{
    (void)r;
    ++*(int *)arg;
    return 0;
}
static int ignore_ready(const peri_readyrow_t *r, void *arg)
{
    (void)r;
    (void)arg;
    return 0;
}
static int ignore_outbox(const peri_outboxrow_t *r, void *arg)
{
    (void)r;
    (void)arg;
    return 0;
}

/* 10,000 finished jobs must not be read again and again. */
static void history_costs_nothing(void **state)
{
    (void)state;
    static const char *const fill[] = {"INSERT INTO job (uid, username, name, kind, "
                                       "scheduler, priority, spec, plan, state, "
                                       "created, started, ended, last_seq, n_succeeded, "
                                       "owner) "
                                       "SELECT 1000, 'ana', 'old ' || i, 'sql', "
                                       "'local', 0, repeat('x', 500), '{}', 'succeeded', "
                                       "1.7e9 + i, 1.7e9 + i, 1.7e9 + i, 5, 1, "
                                       "perigee_account_of_uid(1000, 'ana') "
                                       "FROM generate_series(1, 10000) AS i",
                                       "INSERT INTO step SELECT number, 'main', 0, "
                                       "false, false FROM job WHERE name LIKE "
                                       "'old %'",
                                       "INSERT INTO task (job, step, index, state, "
                                       "attempt, started, ended, changed) SELECT "
                                       "number, 'main', 0, 'succeeded', 1, created, "
                                       "created, created FROM job WHERE name LIKE "
                                       "'old %'",
                                       "INSERT INTO submission (job, step, attempt, "
                                       "name, scheduler, id) SELECT number, 'main', "
                                       "1, 'perigee-' || uuid || '-main-1', 'local', "
                                       "number FROM job WHERE name LIKE 'old %'",
                                       "INSERT INTO job_event (job, seq, \"time\", "
                                       "stored, event, step, attempt) SELECT number, "
                                       "s, created, created, 'note', 'main', 1 FROM job, "
                                       "generate_series(1, 5) AS s WHERE name "
                                       "LIKE 'old %'"};
    for (size_t i = 0; i < sizeof(fill) / sizeof(fill[0]); i++)
        if (peri_db_exec(fx->db, NULL, fill[i], 0, NULL) < 0) fail_msg("%s", fill[i]);
    for (int i = 0; i < 20; i++) {
        jobid_t id = fix_named(fx->db, "now");
        if (i % 2) fix_append(fx->db, &id, INTENT);
    }
    enum { ROUNDS = 50 };
    double best[3] = {1e9, 1e9, 1e9};
    int n = 0;
    /* As pg_stat has it, in pages of 8 kB: what one round of all three reads. */
    static const char pages[] =
        "SELECT sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit, 0) + "
        "coalesce(idx_blks_read, 0)) FROM pg_statio_user_tables WHERE relname IN "
        "('task', "
        "'job', 'outbox', 'submission', 'step')";
    for (int analysed = 0; analysed < 2; analysed++) {
        if (analysed) assert_true(peri_db_exec(fx->db, NULL, "ANALYZE", 0, NULL) >= 0);
        peri_db_exec(fx->db, NULL, "SELECT pg_stat_force_next_flush()", 0, NULL);
        int64_t before = fix_number(fx->db, pages);
        for (int i = 0; i < ROUNDS; i++) {
            double t = peri_now();
            n = 0;
            assert_ok(peri_store_active(fx->db, ignore_active, &n, err));
            if (ms(t) < best[0]) best[0] = ms(t);
            t = peri_now();
            assert_ok(peri_store_ready(fx->db, "local", false, ignore_ready, NULL, err));
            if (ms(t) < best[1]) best[1] = ms(t);
            t = peri_now();
            assert_ok(peri_store_outbox_take(fx->db, 50, ignore_outbox, NULL, err));
            if (ms(t) < best[2]) best[2] = ms(t);
        }
        peri_db_exec(fx->db, NULL, "SELECT pg_stat_force_next_flush()", 0, NULL);
        int64_t read = (fix_number(fx->db, pages) - before) / ROUNDS;
        print_message(
            "with 10,000 old jobs and %d tasks under way (%sanalysed): active %.2f ms, "
            "ready %.2f, outbox %.2f, %lld pages\n",
            n, analysed ? "" : "not ", best[0], best[1], best[2], (long long)read);
        /* Reading all tasks, the smallest table, would be n * 6 more. */
        assert_in_range(read, 1, n * 17);
    }
}

static int by_size(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

/* One event after the other, each on the disk. */
static void events(void **state)
{
    (void)state;
    enum { N = 60, KINDS = 5 };
    static const char *const names[KINDS] = {"create", "intent", "submitted", "started",
                                             "ended"};
    static double t[KINDS][N];
    for (int i = 0; i < N; i++) {
        const peri_event_t e[] = {INTENT, SUBMITTED, STARTED, ENDED_OK};
        double at = peri_now();
        jobid_t id = fix_named(fx->db, "cost");
        t[0][i] = ms(at);
        for (int k = 0; k < 4; k++) {
            at = peri_now();
            assert_int_equal(fix_append(fx->db, &id, e[k]), 1);
            t[k + 1][i] = ms(at);
        }
    }
    for (int k = 0; k < KINDS; k++) {
        qsort(t[k], N, sizeof(t[k][0]), by_size);
        print_message("%s: median %.2f ms, longest %.2f\n", names[k], t[k][N / 2],
                      t[k][N - 1]);
    }
    assert_int_equal(fix_number(fx->db,
                                "SELECT count(*) FROM job WHERE state = 'succeeded' AND "
                                "name = 'cost'"),
                     N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_costs_nothing),
        cmocka_unit_test(events),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
