/* Appending events: transitions, late news, cancel, arrays, and the log against the rows
 * for random histories.
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

static peri_taskstate_t task_state(const jobid_t *id)
{
    return fix_task(fx->db, id, "main", 0).row.state;
}

static void life(void **state)
{
    (void)state;
    peri_newjob_t j = fix_job("life");
    jobid_t id = fix_create(fx->db, &j);
    seenjob_t s = fix_get(fx->db, &id);
    assert_int_equal(s.row.state, PERI_JOB_WAITING);
    assert_int_equal(s.row.last_seq, 1);
    assert_true(s.row.created > 1.7e9 && s.row.started == 0 && s.row.ended == 0);

    assert_int_equal(fix_append(fx->db, &id, INTENT), 1);
    assert_int_equal(task_state(&id), PERI_TASK_SUBMITTING);
    assert_int_equal(fix_append(fx->db, &id, INTENT), 0);
    assert_int_equal(fix_append(fx->db, &id, SUBMITTED), 1);
    assert_int_equal(task_state(&id), PERI_TASK_QUEUED);
    assert_int_equal(fix_append(fx->db, &id, SUBMITTED), 0);
    assert_int_equal(fix_get(fx->db, &id).row.state, PERI_JOB_QUEUED);
    assert_int_equal(
        fix_append(fx->db, &id, EV(STARTED, .host = "n1", .time = 1.8e9 + 0.1)), 1);
    assert_int_equal(fix_append(fx->db, &id, STARTED), 0);
    seentask_t t = fix_task(fx->db, &id, "main", 0);
    assert_int_equal(t.row.state, PERI_TASK_RUNNING);
    assert_string_equal(t.host, "n1");
    assert_string_equal(t.id, "77");
    assert_true(t.row.started == 1.8e9 + 0.1);
    json_t *c = json_pack("{s:{s:i,s:f,s:s}}", "usage", "memory_peak", 7, "cpu_seconds",
                          1.5, "odd", "text");
    assert_int_equal(fix_append(fx->db, &id,
                                EV(ENDED, .final = PERI_TASK_FAILED,
                                   .why = PERI_WHY_SIGNAL, .text = "it got signal 11",
                                   .exit_signal = 11, .time = 1.8e9 + 2, .context = c)),
                     1);
    json_decref(c);
    assert_int_equal(fix_append(fx->db, &id, ENDED_OK), 0);
    assert_int_equal(fix_append(fx->db, &id, STARTED), 0);
    assert_int_equal(fix_append(fx->db, &id, REVOKED), 0);
    t = fix_task(fx->db, &id, "main", 0);
    assert_int_equal(t.row.state, PERI_TASK_FAILED);
    assert_int_equal(t.row.why, PERI_WHY_SIGNAL);
    assert_int_equal(t.row.exit_signal, 11);
    assert_string_equal(t.text, "it got signal 11");
    assert_non_null(strstr(t.usage, "\"memory_peak\": 7"));
    s = fix_get(fx->db, &id);
    assert_int_equal(s.row.state, PERI_JOB_FAILED);
    assert_int_equal(s.row.why, PERI_WHY_SIGNAL);
    assert_string_equal(s.text, "it got signal 11");
    assert_true(s.row.started == 1.8e9 + 0.1 && s.row.ended == 1.8e9 + 2);
    assert_int_equal(s.row.last_seq, 5);
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

static int usage_of(const peri_jobrow_t *row, void *arg)
{
    *(json_t **)arg = row->usage ? json_loads(row->usage, 0, NULL) : NULL;
    return 0;
}

static void usage_is_summed(void **state)
{
    (void)state;
    static const int32_t two[] = {3, 5};
    const struct peri_newstep steps[] = {
        {.name = "main", .indexes = two, .nindexes = 2, .is_array = true}};
    peri_newjob_t j = fix_job("usage");
    j.steps = steps;
    jobid_t id = fix_create(fx->db, &j);
    fix_append(fx->db, &id, EV(INTENT, .indexes = two, .nindexes = 2));
    fix_append(fx->db, &id, EV(SUBMITTED, .id = "77", .nindexes = ALL));
    for (int i = 0; i < 2; i++) {
        json_t *c = json_pack("{s:{s:I,s:f}}", "usage", "memory_peak",
                              (json_int_t)(10 + i), "cpu_seconds", 1.5);
        assert_int_equal(fix_append(fx->db, &id,
                                    EV(ENDED, .final = PERI_TASK_SUCCEEDED,
                                       .indexes = &two[i], .context = c)),
                         1);
        json_decref(c);
    }
    assert_string_equal(fix_task(fx->db, &id, "main", 5).id, "77_5");
    json_t *u = NULL;
    assert_ok(peri_store_get(fx->db, id.uuid, usage_of, &u, err));
    assert_non_null(u);
    assert_int_equal(json_integer_value(json_object_get(u, "memory_peak")), 11);
    assert_true(json_number_value(json_object_get(u, "cpu_seconds")) == 3.0);
    json_decref(u);
}

/* The record of the start or the end is read before the scheduler's answer is stored. */
static void news_in_the_wrong_order(void **state)
{
    (void)state;
    peri_newjob_t j = fix_job("order");
    jobid_t id = fix_create(fx->db, &j);
    assert_int_equal(fix_append(fx->db, &id, STARTED), 0);
    fix_append(fx->db, &id, INTENT);
    assert_int_equal(fix_append(fx->db, &id, STARTED), 1);
    assert_int_equal(fix_append(fx->db, &id, ENDED_OK), 1);
    assert_int_equal(fix_append(fx->db, &id, SUBMITTED), 1);
    seentask_t t = fix_task(fx->db, &id, "main", 0);
    assert_int_equal(t.row.state, PERI_TASK_SUCCEEDED);
    assert_string_equal(t.id, "77");
    assert_int_equal(fix_append(fx->db, &id, SUBMITTED), 0);
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

static void other_attempts_are_dropped(void **state)
{
    (void)state;
    peri_newjob_t j = fix_job("attempts");
    jobid_t id = fix_create(fx->db, &j);
    fix_append(fx->db, &id, INTENT);
    fix_append(fx->db, &id, SUBMITTED);
    assert_int_equal(fix_append(fx->db, &id, EV(STARTED, .attempt = 2)), 0);
    assert_int_equal(
        fix_append(fx->db, &id,
                   EV(ENDED, .attempt = NO_ATTEMPT, .final = PERI_TASK_FAILED)),
        0);
    assert_int_equal(fix_append(fx->db, &id, REVOKED), 1);
    assert_int_equal(task_state(&id), PERI_TASK_WAITING);
    /* Late news of the attempt that was given up. */
    assert_int_equal(fix_append(fx->db, &id, STARTED), 0);
    assert_int_equal(fix_append(fx->db, &id, ENDED_BAD), 0);
    assert_int_equal(fix_append(fx->db, &id, SUBMITTED), 0);
    assert_int_equal(fix_append(fx->db, &id, INTENT), 0); /* the name is used */
    assert_int_equal(fix_append(fx->db, &id, EV(INTENT, .attempt = 2)), 1);
    assert_int_equal(fix_append(fx->db, &id, ENDED_BAD), 0);
    seentask_t t = fix_task(fx->db, &id, "main", 0);
    assert_int_equal(t.row.attempt, 2);
    assert_int_equal(t.row.attempts_lost, 1);
    assert_string_equal(t.id, "");
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

/* Attempts that stop in time are not lost: what was lost before them is forgotten. */
static void stopping_in_time_is_no_loss(void **state)
{
    (void)state;
    static const peri_why_t whys[] = {PERI_WHY_NODE, PERI_WHY_NODE, PERI_WHY_TIME,
                                      PERI_WHY_TIME, PERI_WHY_NODE};
    static const int lost[] = {1, 2, 1, 1, 2};
    /* What is lost again and again is submitted again later and later. */
    static const int wait[] = {0, 0, 5, 0, 0};
    peri_newjob_t j = fix_job("chain");
    jobid_t id = fix_create(fx->db, &j);
    for (int i = 0; i < 5; i++) {
        const int n = i + 1;
        assert_int_equal(fix_append(fx->db, &id, EV(INTENT, .attempt = n)), 1);
        const int64_t due = fix_number(
            fx->db, "SELECT due - extract(epoch FROM clock_timestamp()) FROM outbox "
                    "WHERE kind = 'submit' ORDER BY entry DESC LIMIT 1");
        assert_true(due <= wait[i] && due >= wait[i] - 4);
        assert_int_equal(fix_append(fx->db, &id, EV(STARTED, .attempt = n)), 1);
        assert_int_equal(
            fix_append(fx->db, &id, EV(REVOKED, .attempt = n, .why = whys[i])), 1);
        assert_int_equal(fix_task(fx->db, &id, "main", 0).row.attempts_lost, lost[i]);
        assert_ok(peri_store_verify(fx->db, id.uuid, err));
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    peri_err_t err = {0};
    size_t applied;
    peri_newjob_t j = fix_job("refused");
    jobid_t id = fix_create(fx->db, &j);
    peri_event_t e =
        fix_event(&id, EV(ENDED, .attempt = NO_ATTEMPT, .final = PERI_TASK_SUCCEEDED));
    assert_int_equal(peri_store_append(fx->db, &e, &applied, &err), -1);
    assert_int_equal(err.code, PERI_EINTERNAL);
    assert_non_null(strstr(err.text, "task 0"));
    e = (peri_event_t){.job = id.uuid, .kind = PERI_EV_CREATED};
    assert_int_equal(peri_store_append(fx->db, &e, &applied, &err), -1);
    e = CANCEL;
    e.job = "6f0c0000-0000-4000-8000-000000000000";
    assert_int_equal(peri_store_append(fx->db, &e, &applied, &err), -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);
    e.job = "'; DROP TABLE job; --";
    assert_int_equal(peri_store_append(fx->db, &e, &applied, &err), -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);
    assert_int_equal(fix_get(fx->db, &id).row.last_seq, 1);
    /* Nothing to be said of a step that does not exist. */
    assert_int_equal(fix_append(fx->db, &id, EV(STARTED, .step = "nothing")), 0);
    assert_int_equal(fix_get(fx->db, &id).row.last_seq, 1);
}

static void cancelling(void **state)
{
    (void)state;
    static const int32_t four[] = {0, 1, 2, 3};
    const struct peri_newstep steps[] = {
        {.name = "main", .indexes = four, .nindexes = 4, .is_array = true},
        {.name = "later", .indexes = ONE, .nindexes = 1}};
    peri_newjob_t j = fix_job("cancel");
    j.steps = steps;
    j.nsteps = 2;
    jobid_t id = fix_create(fx->db, &j);
    fix_append(fx->db, &id, EV(INTENT, .nindexes = 2, .indexes = four));
    fix_append(fx->db, &id, SUBMITTED);
    int64_t owed =
        fix_number(fx->db, "SELECT count(*) FROM outbox WHERE kind = 'cancel'");
    assert_int_equal(fix_append(fx->db, &id, CANCEL), 3);
    int seq = fix_get(fx->db, &id).row.last_seq;
    assert_int_equal(fix_append(fx->db, &id, CANCEL), 0);
    seenjob_t s = fix_get(fx->db, &id);
    assert_int_equal(s.row.last_seq, seq);
    assert_true(s.row.cancel_requested);
    assert_int_equal(s.row.count[PERI_TASK_CANCELLED], 3);
    assert_int_equal(s.row.state, PERI_JOB_RUNNING);
    assert_int_equal(
        fix_number(fx->db, "SELECT count(*) FROM outbox WHERE kind = 'cancel'"),
        owed + 1);
    /* Nothing is submitted any more; what is given up does not wait again. */
    assert_int_equal(fix_append(fx->db, &id, EV(INTENT, .attempt = 2, .indexes = four)),
                     0);
    assert_int_equal(fix_append(fx->db, &id, EV(REVOKED)), 1);
    assert_int_equal(fix_task(fx->db, &id, "main", 0).row.state, PERI_TASK_CANCELLED);
    assert_int_equal(
        fix_append(fx->db, &id,
                   EV(ENDED, .indexes = four + 1, .final = PERI_TASK_CANCELLED,
                      .why = PERI_WHY_CANCELLED, .text = "cancelled by ana")),
        1);
    s = fix_get(fx->db, &id);
    assert_int_equal(s.row.state, PERI_JOB_CANCELLED);
    assert_int_equal(s.row.why, PERI_WHY_CANCELLED);
    assert_true(s.row.ended > 0);
    assert_ok(peri_store_verify(fx->db, id.uuid, err));

    jobid_t done = fix_named(fx->db, "over");
    fix_append(fx->db, &done, INTENT);
    fix_append(fx->db, &done, ENDED_OK);
    assert_int_equal(fix_append(fx->db, &done, CANCEL), 0);
    assert_false(fix_get(fx->db, &done).row.cancel_requested);
}

static void notes_change_nothing(void **state)
{
    (void)state;
    peri_newjob_t j = fix_job("note");
    jobid_t id = fix_create(fx->db, &j);
    json_t *c = json_pack("{s:s}", "raw", "PENDING Resources");
    assert_int_equal(
        fix_append(fx->db, &id,
                   EV(NOTE, .text = "bytes \xff\xc3 that are none", .context = c)),
        0);
    json_decref(c);
    assert_int_equal(fix_get(fx->db, &id).row.last_seq, 2);
    assert_int_equal(task_state(&id), PERI_TASK_WAITING);
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

static void log_cannot_be_changed(void **state)
{
    (void)state;
    static const char *const tries[] = {"UPDATE job_event SET event = 'note'",
                                        "DELETE FROM job_event", "TRUNCATE job_event",
                                        "TRUNCATE job CASCADE", "DELETE FROM job"};
    jobid_t id = fix_named(fx->db, "log");
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        peri_err_t err = {0};
        assert_true(peri_db_exec(fx->db, &err, tries[i], 0, NULL) < 0);
        assert_non_null(strstr(err.text, "only ever appended"));
    }
    assert_int_equal(fix_get(fx->db, &id).row.last_seq, 1);
}

/* ---- random histories ---- */

static uint64_t seed;
static unsigned rnd(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static peri_event_t random_event(int32_t *indexes)
{
    static const char *const steps[] = {"a", "b"};
    static const char *const ids[] = {"11", "12", "13"};
    static const char *const hosts[] = {"n1", "n2"};
    peri_event_t e = {.kind = (peri_evkind_t)(1 + rnd(PERI_EV_NEVENTS - 1)),
                      .step = steps[rnd(2)],
                      .attempt = (int)rnd(4),
                      .indexes = indexes,
                      .id = ids[rnd(3)],
                      .host = hosts[rnd(2)],
                      .text = rnd(2) ? "so it is" : NULL,
                      .why = (peri_why_t)rnd(PERI_WHY_NWHYS),
                      .final = (peri_taskstate_t)(PERI_TASK_SUCCEEDED + rnd(3)),
                      .time = rnd(2) ? 1.7e9 + rnd(1000) / 7.0 : 0,
                      .exit_code = (int)rnd(3)};
    if (e.kind == PERI_EV_CANCEL && rnd(10)) e.kind = PERI_EV_STARTED;
    if (e.kind == PERI_EV_INTENT && e.attempt == 0) e.attempt = 1;
    for (int i = 0; i < 5; i++)
        if (rnd(2)) indexes[e.nindexes++] = i;
    if (e.kind != PERI_EV_INTENT && rnd(4) == 0) e.indexes = NULL;
    return e;
}

static void log_gives_the_rows(void **state)
{
    (void)state;
    static const int32_t five[] = {0, 1, 2, 3, 4};
    const struct peri_newstep steps[] = {
        {.name = "a", .indexes = five, .nindexes = 5, .is_array = true},
        {.name = "b", .indexes = five, .nindexes = 5, .is_array = true}};
    const char *given = getenv("PERIGEE_TEST_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 20240601;
    int reached[PERI_JOB_NSTATES] = {0};
    uint64_t took[PERI_EV_NEVENTS] = {0};
    /* Without waiting for the disk: this is about what is stored, not whether. */
    assert_true(peri_db_exec(fx->db, NULL, "SET synchronous_commit = off", 0, NULL) == 0);
    for (int i = 0; i < 2000; i++) {
        seed = first + (uint64_t)i * 7919;
        peri_newjob_t j = fix_job("random");
        j.steps = steps;
        j.nsteps = 2;
        assert_ok(peri_db_begin(fx->db, err));
        jobid_t id = fix_create(fx->db, &j);
        for (int n = (int)rnd(24); n >= 0; n--) {
            int32_t indexes[5];
            size_t applied;
            peri_err_t err = {0};
            peri_event_t e = random_event(indexes);
            e.job = id.uuid;
            if (peri_store_append(fx->db, &e, &applied, &err) == 0)
                took[e.kind] += applied;
            else if (err.code != PERI_EINTERNAL || !strstr(err.text, "does not fit"))
                fail_msg("seed %llu, %d: %s", (unsigned long long)first, i, err.text);
        }
        assert_ok(peri_db_commit(fx->db, err));
        peri_err_t err = {0};
        if (peri_store_verify(fx->db, id.uuid, &err))
            fail_msg("seed %llu, %d: %s", (unsigned long long)first, i, err.text);
        reached[fix_get(fx->db, &id).row.state]++;
    }
    assert_true(peri_db_exec(fx->db, NULL, "SET synchronous_commit = on", 0, NULL) == 0);
    /* They went everywhere. */
    for (int s = 0; s < PERI_JOB_NSTATES; s++)
        if (s != PERI_JOB_SUCCEEDED) assert_true(reached[s] > 0);
    assert_true(took[PERI_EV_SUBMITTED] > 100 && took[PERI_EV_ENDED] > 100 &&
                took[PERI_EV_REVOKED] > 100 && took[PERI_EV_STARTED] > 100);
}

/* A check that cannot fail is none. */
static void verify_notices(void **state)
{
    (void)state;
    static const char *const damage[] = {
        "UPDATE task SET state = 'running' WHERE job = (SELECT max(number) FROM job)",
        "UPDATE task SET host = 'elsewhere' WHERE job = (SELECT max(number) FROM job)",
        "UPDATE task SET attempt = 3 WHERE job = (SELECT max(number) FROM job)",
        "UPDATE task SET ended = ended + 0.001 WHERE job = (SELECT max(number) FROM job)",
        "UPDATE job SET n_queued = 1 WHERE number = (SELECT max(number) FROM job)",
        "UPDATE job SET state = 'queued' WHERE number = (SELECT max(number) FROM job)",
        "UPDATE job SET last_seq = 9 WHERE number = (SELECT max(number) FROM job)",
        "UPDATE submission SET id = '' WHERE job = (SELECT max(number) FROM job)",
        "DELETE FROM submission WHERE job = (SELECT max(number) FROM job)",
        "DELETE FROM task WHERE job = (SELECT max(number) FROM job)",
        ("INSERT INTO job_event SELECT max(number), 6, 0, 0, 'started', 'main', 1, '{0}' "
         "FROM job")};
    jobid_t id = fix_named(fx->db, "verify");
    fix_append(fx->db, &id, INTENT);
    fix_append(fx->db, &id, SUBMITTED);
    fix_append(fx->db, &id, STARTED);
    fix_append(fx->db, &id, ENDED_BAD);
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        peri_err_t err = {0};
        assert_ok(peri_store_verify(fx->db, id.uuid, err));
        assert_ok(peri_db_begin(fx->db, err));
        assert_int_equal(peri_db_exec(fx->db, &err, damage[i], 0, NULL), 1);
        if (peri_store_verify(fx->db, id.uuid, &err) == 0) fail_msg("%s", damage[i]);
        assert_int_equal(err.code, PERI_EINTERNAL);
        assert_non_null(strstr(err.text, id.uuid));
        peri_db_rollback(fx->db);
    }
    assert_ok(peri_store_verify(fx->db, NULL, err));
}

static void arrays(void **state)
{
    (void)state;
    enum { N = 1000 };
    int32_t v[N];
    for (int i = 0; i < N; i++) v[i] = 2 * i;
    const struct peri_newstep steps[] = {
        {.name = "main", .indexes = v, .nindexes = N, .is_array = true}};
    peri_newjob_t j = fix_job("array");
    j.steps = steps;
    jobid_t id = fix_create(fx->db, &j);
    double t[5] = {peri_now()};
    assert_int_equal(fix_append(fx->db, &id, EV(INTENT, .indexes = v, .nindexes = N)), N);
    t[1] = peri_now();
    assert_int_equal(fix_append(fx->db, &id, EV(SUBMITTED, .id = "5", .nindexes = ALL)),
                     N);
    t[2] = peri_now();
    assert_int_equal(
        fix_append(fx->db, &id, EV(STARTED, .host = "n", .indexes = v, .nindexes = N)),
        N);
    t[3] = peri_now();
    assert_int_equal(
        fix_append(fx->db, &id, EV(ENDED, .final = PERI_TASK_SUCCEEDED, .nindexes = ALL)),
        N);
    t[4] = peri_now();
    print_message(
        "1000 tasks: intent %.1f ms, submitted %.1f, started %.1f, ended %.1f\n",
        (t[1] - t[0]) * 1e3, (t[2] - t[1]) * 1e3, (t[3] - t[2]) * 1e3,
        (t[4] - t[3]) * 1e3);
    assert_int_equal(fix_get(fx->db, &id).row.state, PERI_JOB_SUCCEEDED);
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

/* In the caller's transaction: all of it or nothing. */
static void within_a_transaction(void **state)
{
    (void)state;
    jobid_t id = fix_named(fx->db, "tx");
    assert_ok(peri_db_begin(fx->db, err));
    assert_int_equal(fix_append(fx->db, &id, INTENT), 1);
    assert_int_equal(fix_append(fx->db, &id, STARTED), 1);
    assert_int_equal(fix_get(fx->db, &id).row.last_seq, 3);
    peri_db_rollback(fx->db);
    assert_int_equal(fix_get(fx->db, &id).row.last_seq, 1);
    assert_ok(peri_db_begin(fx->db, err));
    assert_true(peri_db_exec(fx->db, NULL, "SELECT 1/0", 0, NULL) < 0);
    assert_int_equal(peri_db_commit(fx->db, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life),
        cmocka_unit_test(usage_is_summed),
        cmocka_unit_test(news_in_the_wrong_order),
        cmocka_unit_test(stopping_in_time_is_no_loss),
        cmocka_unit_test(other_attempts_are_dropped),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(cancelling),
        cmocka_unit_test(notes_change_nothing),
        cmocka_unit_test(log_cannot_be_changed),
        cmocka_unit_test(verify_notices),
        cmocka_unit_test(arrays),
        cmocka_unit_test(within_a_transaction),
        cmocka_unit_test(log_gives_the_rows),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
