/* What the manager asks: active tasks, ready steps, the outbox, submissions, why it
 * waits. */
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

/* ---- ready ---- */

typedef struct {
    const jobid_t *id;
    const char *step;
    bool found;
    peri_readyrow_t row; /* numbers only */
    char text[256], ids[256], indexes[256];
} ready_t;

static int see_ready(const peri_readyrow_t *row, void *arg)
{
    ready_t *r = arg;
    if (strcmp(row->uuid, r->id->uuid) != 0 || strcmp(row->step, r->step) != 0) return 0;
    assert_false(r->found);
    r->found = true;
    r->row = *row;
    snprintf(r->text, sizeof(r->text), "%s", row->text);
    for (size_t i = 0, n = 0; i < row->nids; i++)
        n += (size_t)snprintf(r->ids + n, sizeof(r->ids) - n, "%s%s ", row->ids[i],
                              row->even_failed[i] ? "!" : "");
    for (size_t i = 0, n = 0; i < row->nindexes; i++)
        n += (size_t)snprintf(r->indexes + n, sizeof(r->indexes) - n, "%d ",
                              row->indexes[i]);
    return 0;
}

static ready_t ready_of(const jobid_t *id, const char *step, bool chained)
{
    ready_t r = {.id = id, .step = step};
    assert_ok(peri_store_ready(fx->db, "local", chained, see_ready, &r, err));
    return r;
}

#define assert_not_ready(id, step) assert_false(ready_of(id, step, false).found)
#define assert_ready(id, step)                                                           \
    do {                                                                                 \
        ready_t r_ = ready_of(id, step, false);                                          \
        assert_true(r_.found && !r_.row.impossible);                                     \
        assert_int_equal(r_.row.nids, 0);                                                \
    } while (0)

static const int32_t three[] = {0, 1, 2};

/* first (3 tasks) -> second -> third (even if it failed) */
static jobid_t graph(void)
{
    const struct peri_newdep first[] = {{.step = "first"}},
                             second[] = {{.step = "second", .even_failed = true}};
    const struct peri_newstep steps[] = {
        {.name = "first", .indexes = three, .nindexes = 3, .is_array = true},
        {.name = "second", .indexes = ONE, .nindexes = 1, .after = first, .nafter = 1},
        {.name = "third", .indexes = ONE, .nindexes = 1, .after = second, .nafter = 1}};
    peri_newjob_t j = fix_job("graph");
    j.steps = steps;
    j.nsteps = 3;
    return fix_create(fx->db, &j);
}

static void steps_after_success(void **state)
{
    (void)state;
    jobid_t id = graph();
    ready_t r = ready_of(&id, "first", false);
    assert_true(r.found);
    assert_int_equal(r.row.next_attempt, 1);
    assert_string_equal(r.indexes, "0 1 2 ");
    assert_not_ready(&id, "second");
    fix_append(fx->db, &id, EV(INTENT, .step = "first", .indexes = three, .nindexes = 3));
    assert_not_ready(&id, "first");
    for (int i = 0; i < 3; i++) {
        assert_not_ready(&id, "second");
        fix_append(fx->db, &id,
                   EV(ENDED, .step = "first", .indexes = three + i,
                      .final = PERI_TASK_SUCCEEDED));
    }
    assert_ready(&id, "second");
    assert_not_ready(&id, "third");
    fix_append(fx->db, &id, EV(INTENT, .step = "second"));
    fix_append(fx->db, &id, EV(ENDED, .step = "second", .final = PERI_TASK_FAILED));
    assert_ready(&id, "third");
    fix_append(fx->db, &id, CANCEL);
    assert_not_ready(&id, "third");
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

/* "%2": the next submission comes when the one before is over. */
static void one_submission_at_a_time(void **state)
{
    (void)state;
    const struct peri_newstep step = {
        .name = "main", .indexes = three, .nindexes = 3, .is_array = true};
    peri_newjob_t j = fix_job("throttled");
    j.steps = &step;
    j.plan = "{\"steps\": [{\"name\": \"main\", \"parallel\": 2}]}";
    jobid_t id = fix_create(fx->db, &j);
    assert_true(ready_of(&id, "main", false).row.one);
    fix_append(fx->db, &id, EV(INTENT, .indexes = three, .nindexes = 2));
    assert_not_ready(&id, "main");
    fix_append(fx->db, &id, SUBMITTED);
    fix_append(fx->db, &id, EV(STARTED, .indexes = three, .host = "n1"));
    fix_append(fx->db, &id, EV(ENDED, .indexes = three, .final = PERI_TASK_SUCCEEDED));
    assert_not_ready(&id, "main");
    fix_append(fx->db, &id, EV(ENDED, .indexes = three + 1, .final = PERI_TASK_FAILED));
    ready_t r = ready_of(&id, "main", false);
    assert_true(r.found);
    assert_string_equal(r.indexes, "2 ");
    assert_int_equal(r.row.next_attempt, 2);

    j.plan = "{\"steps\": [{\"name\": \"main\"}, {\"name\": \"b\", \"parallel\": 2}]}";
    id = fix_create(fx->db, &j);
    assert_false(ready_of(&id, "main", false).row.one);
    fix_append(fx->db, &id, EV(INTENT, .indexes = three, .nindexes = 2));
    assert_ready(&id, "main");
}

static void steps_that_never_run(void **state)
{
    (void)state;
    jobid_t id = graph();
    fix_append(fx->db, &id, EV(INTENT, .step = "first", .indexes = three, .nindexes = 3));
    fix_append(fx->db, &id,
               EV(ENDED, .step = "first", .indexes = three + 1, .final = PERI_TASK_FAILED,
                  .why = PERI_WHY_EXIT, .text = "no"));
    ready_t r = ready_of(&id, "second", false);
    assert_true(r.found && r.row.impossible);
    assert_string_equal(r.text,
                        "not run: it needs the success of step \"first\", which failed");
    assert_not_ready(&id, "third");
    assert_int_equal(fix_append(fx->db, &id,
                                EV(ENDED, .step = "second", .attempt = NO_ATTEMPT,
                                   .final = PERI_TASK_FAILED, .why = PERI_WHY_DEPENDENCY,
                                   .text = r.text)),
                     1);
    assert_ready(&id, "third"); /* after any end, that is over */
    seenjob_t s = fix_get(fx->db, &id);
    assert_int_equal(s.row.why, PERI_WHY_EXIT); /* the first failure */
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

static jobid_t job_after(const jobid_t *on, const char *step, bool even_failed)
{
    const struct peri_newdep d = {
        .job = on->uuid, .step = step, .even_failed = even_failed};
    const struct peri_newstep s = {
        .name = "main", .indexes = ONE, .nindexes = 1, .after = &d, .nafter = 1};
    peri_newjob_t j = fix_job("after");
    j.steps = &s;
    return fix_create(fx->db, &j);
}

static void jobs_after_jobs(void **state)
{
    (void)state;
    jobid_t a = graph();
    jobid_t whole = job_after(&a, NULL, false), any = job_after(&a, NULL, true),
            step = job_after(&a, "first", false);
    assert_not_ready(&whole, "main");
    assert_not_ready(&any, "main");
    fix_append(fx->db, &a, EV(INTENT, .step = "first", .indexes = three, .nindexes = 3));
    fix_append(fx->db, &a,
               EV(ENDED, .step = "first", .indexes = three, .nindexes = 3,
                  .final = PERI_TASK_SUCCEEDED));
    assert_ready(&step, "main");
    assert_not_ready(&whole, "main");
    fix_append(fx->db, &a, CANCEL);
    assert_ready(&any, "main");
    ready_t r = ready_of(&whole, "main", false);
    assert_true(r.found && r.row.impossible);
    assert_non_null(strstr(r.text, "which was cancelled"));
    /* Already over when the other one is made. */
    jobid_t late = job_after(&step, NULL, true);
    fix_append(fx->db, &step, CANCEL);
    assert_ready(&late, "main");
}

static void revoked_is_ready_again(void **state)
{
    (void)state;
    jobid_t id = graph();
    fix_append(fx->db, &id, EV(INTENT, .step = "first", .indexes = three, .nindexes = 3));
    fix_append(fx->db, &id, EV(SUBMITTED, .step = "first", .id = "9", .nindexes = ALL));
    fix_append(fx->db, &id, EV(REVOKED, .step = "first", .indexes = three + 2));
    ready_t r = ready_of(&id, "first", false);
    assert_true(r.found);
    assert_int_equal(r.row.next_attempt, 2);
    assert_string_equal(r.indexes, "2 ");
    assert_ok(peri_store_ready(fx->db, "slurm", false, see_ready,
                               &(ready_t){.id = &id, .step = "nothing"}, err));
    ready_t other = {.id = &id, .step = "first"};
    assert_ok(peri_store_ready(fx->db, "slurm", false, see_ready, &other, err));
    assert_false(other.found);
}

static void chained(void **state)
{
    (void)state;
    jobid_t id = graph();
    assert_false(ready_of(&id, "second", true).found);
    fix_append(fx->db, &id, EV(INTENT, .step = "first", .indexes = three, .nindexes = 2));
    fix_append(fx->db, &id, EV(SUBMITTED, .step = "first", .id = "31", .nindexes = ALL));
    assert_false(ready_of(&id, "second", true).found); /* one task is not submitted */
    fix_append(fx->db, &id,
               EV(INTENT, .step = "first", .attempt = 2, .indexes = three + 2));
    assert_false(ready_of(&id, "second", true).found); /* the answer is not known */
    fix_append(fx->db, &id,
               EV(SUBMITTED, .step = "first", .attempt = 2, .id = "32", .nindexes = ALL));
    ready_t r = ready_of(&id, "second", true);
    assert_true(r.found && !r.row.impossible);
    assert_string_equal(r.ids, "31 32 ");
    assert_not_ready(&id, "second");
    fix_append(fx->db, &id, EV(INTENT, .step = "second"));
    fix_append(fx->db, &id, EV(SUBMITTED, .step = "second", .id = "33"));
    assert_string_equal(ready_of(&id, "third", true).ids, "33! ");
    /* Of an attempt that was lost the scheduler will never say that it has succeeded. */
    fix_append(fx->db, &id, EV(REVOKED, .step = "second"));
    fix_append(fx->db, &id, EV(INTENT, .step = "second", .attempt = 2));
    fix_append(fx->db, &id, EV(SUBMITTED, .step = "second", .attempt = 2, .id = "34"));
    assert_false(ready_of(&id, "third", true).found);

    /* Another job, in another scheduler. */
    peri_newjob_t j = fix_job("elsewhere");
    jobid_t a = fix_create(fx->db, &j), b = job_after(&a, NULL, false);
    json_t *c = json_pack("{s:s}", "scheduler", "slurm");
    fix_append(fx->db, &a, EV(INTENT, .context = c));
    json_decref(c);
    fix_append(fx->db, &a, SUBMITTED);
    assert_false(ready_of(&b, "main", true).found);
}

/* ---- active ---- */

typedef struct {
    const jobid_t *id;
    int n;
    char last[512];
} active_t;

static int see_active(const peri_activerow_t *r, void *arg)
{
    active_t *a = arg;
    if (strcmp(r->uuid, a->id->uuid) != 0) return 0;
    a->n++;
    assert_true(r->changed > 1.7e9);
    snprintf(a->last, sizeof(a->last),
             "%s %d %s id=%s %s uid=%u array=%d %d/%d %s cancel=%d", r->step, r->index,
             *r->name ? r->name + strlen("perigee-") : "none", r->id, r->scheduler,
             r->uid, r->is_array, r->attempt, r->attempts_lost,
             peri_taskstate_name(r->state), r->cancel_requested);
    return 0;
}

static active_t active_of(const jobid_t *id)
{
    active_t a = {.id = id};
    assert_ok(peri_store_active(fx->db, see_active, &a, err));
    return a;
}

static void active(void **state)
{
    (void)state;
    char want[512];
    jobid_t id = graph();
    assert_int_equal(active_of(&id).n, 5);
    fix_append(fx->db, &id, EV(INTENT, .step = "first", .indexes = three, .nindexes = 3));
    fix_append(fx->db, &id, EV(SUBMITTED, .step = "first", .id = "9", .nindexes = ALL));
    fix_append(fx->db, &id, CANCEL);
    fix_append(
        fx->db, &id,
        EV(ENDED, .step = "first", .indexes = three + 0, .final = PERI_TASK_SUCCEEDED));
    active_t a = active_of(&id);
    assert_int_equal(a.n, 2);
    snprintf(want, sizeof(want),
             "first 2 %s-first-1 id=9 local uid=1000 array=1 1/0 queued "
             "cancel=1",
             id.uuid);
    assert_string_equal(a.last, want);
}

/* ---- outbox ---- */

typedef struct {
    const jobid_t *id;
    int n, tries;
    int64_t entry;
    char last[256];
} outbox_t;

static int see_outbox(const peri_outboxrow_t *r, void *arg)
{
    outbox_t *o = arg;
    if (strcmp(r->uuid, o->id->uuid) != 0) return 0;
    o->n++;
    o->tries = r->tries;
    o->entry = r->entry;
    snprintf(o->last, sizeof(o->last), "%s %s %d %d", r->kind, r->step, r->attempt,
             r->index);
    return 0;
}

static outbox_t take(const jobid_t *id, peri_db_t *db)
{
    outbox_t o = {.id = id};
    assert_ok(peri_store_outbox_take(db, 1000, see_outbox, &o, err));
    return o;
}

static void outbox(void **state)
{
    (void)state;
    jobid_t id = fix_named(fx->db, "outbox");
    assert_int_equal(take(&id, fx->db).n, 0);
    fix_append(fx->db, &id, INTENT);
    peri_db_t *other = peri_dbpool_get(fx->pool, NULL);
    outbox_t o = take(&id, fx->db);
    assert_int_equal(o.n, 1);
    assert_int_equal(o.tries, 1);
    assert_string_equal(o.last, "submit main 1 -1");
    assert_int_equal(take(&id, other).n, 0); /* put off for a second */
    for (int i = 2; i < 12; i++) {
        assert_ok(peri_store_outbox_retry(fx->db, o.entry, 0, "slurmctld does not answer",
                                          err));
        o = take(&id, fx->db);
        assert_int_equal(o.n, 1);
        assert_int_equal(o.tries, i);
        int64_t due = fix_number(
            fx->db,
            "SELECT max(due - extract(epoch FROM clock_timestamp())) FROM outbox");
        int want = 1 << (i - 1) > 60 ? 60 : 1 << (i - 1);
        assert_in_range(due, want - 5 > 0 ? want - 5 : 0, want);
    }
    assert_ok(peri_store_outbox_retry(fx->db, o.entry, 600, "later", err));
    assert_int_equal(take(&id, fx->db).n, 0);
    assert_ok(peri_store_outbox_done(fx->db, o.entry, err));
    assert_ok(peri_store_outbox_done(fx->db, o.entry, err));
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM outbox"), 0);
    fix_append(fx->db, &id, CANCEL);
    o = take(&id, fx->db);
    assert_string_equal(o.last, "cancel main 1 -1");
    assert_ok(peri_store_outbox_done(fx->db, o.entry, err));
    /* It must be committed before it is handed out. */
    assert_ok(peri_db_begin(fx->db, err));
    assert_int_equal(peri_store_outbox_take(fx->db, 1, see_outbox, &o, NULL), -1);
    peri_db_rollback(fx->db);
    peri_dbpool_put(fx->pool, other);
}

/* Two that take at once never get the same entry. */
static void outbox_is_taken_once(void **state)
{
    (void)state;
    jobid_t id = graph();
    fix_append(fx->db, &id, EV(INTENT, .step = "first", .indexes = three, .nindexes = 1));
    peri_db_t *other = peri_dbpool_get(fx->pool, NULL);
    assert_ok(peri_db_begin(other, err));
    assert_true(peri_db_exec(other, NULL, "SELECT FROM outbox FOR UPDATE", 0, NULL) >= 0);
    assert_int_equal(take(&id, fx->db).n, 0); /* and does not wait */
    peri_db_rollback(other);
    assert_int_equal(take(&id, fx->db).n, 1);
    peri_dbpool_put(fx->pool, other);
}

/* ---- submissions, and why it waits ---- */

static int see_submission(const peri_submissionrow_t *r, void *arg)
{
    char *out = arg;
    int n = snprintf(out, 512,
                     "%s id=%s %s %s %u attempt=%d array=%d r=%d c=%d lost=%d %s %s:",
                     r->name + strlen("perigee-") + PERI_UUID_LEN, r->id, r->scheduler,
                     r->user, r->uid, r->attempt, r->is_array, r->restartable,
                     r->cancel_requested, r->attempts_lost, r->spec, r->after);
    for (size_t i = 0; i < r->nindexes; i++)
        n += snprintf(out + n, (size_t)(512 - n), " %d", r->indexes[i]);
    return 0;
}

static void submission(void **state)
{
    (void)state;
    char got[512] = "";
    peri_err_t err = {0};
    jobid_t id = graph();
    json_t *c = json_pack("{s:s,s:[[s,b]]}", "scheduler", "slurm", "after", "31", 1);
    fix_append(
        fx->db, &id,
        EV(INTENT, .step = "first", .indexes = three, .nindexes = 3, .context = c));
    json_decref(c);
    fix_append(
        fx->db, &id,
        EV(ENDED, .step = "first", .indexes = three + 1, .final = PERI_TASK_CANCELLED));
    assert_ok(
        peri_store_submission(fx->db, id.uuid, "first", 1, see_submission, got, err));
    assert_string_equal(got,
                        "-first-1 id= slurm ana 1000 attempt=1 array=1 r=0 c=0 lost=0 {} "
                        "[[\"31\", true]]: 0 2");
    assert_int_equal(
        peri_store_submission(fx->db, id.uuid, "first", 2, see_submission, got, &err),
        -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);
}

static void why_it_waits(void **state)
{
    (void)state;
    jobid_t id = graph();
    fix_append(fx->db, &id, EV(INTENT, .step = "first", .indexes = three, .nindexes = 3));
    int seq = fix_get(fx->db, &id).row.last_seq;
    assert_ok(
        peri_store_waiting(fx->db, id.uuid, "first", -1, "waits for memory", 1.9e9, err));
    assert_ok(
        peri_store_waiting(fx->db, id.uuid, "first", 1, "waits for n2", 1.8e9, err));
    seenjob_t s = fix_get(fx->db, &id);
    assert_string_equal(s.text, "waits for n2");
    assert_true(s.row.expected == 1.8e9);
    assert_int_equal(s.row.last_seq, seq);
    seentask_t t = fix_task(fx->db, &id, "first", 0);
    assert_string_equal(t.text, "waits for memory");
    assert_true(t.row.expected == 1.9e9);
    /* Said again, it costs no write. */
    int64_t xid = fix_number(fx->db, "SELECT txid_current()");
    assert_ok(
        peri_store_waiting(fx->db, id.uuid, "first", 1, "waits for n2", 1.8e9, err));
    assert_int_equal(fix_number(fx->db, "SELECT txid_current()"), xid + 1);
    fix_append(fx->db, &id, EV(STARTED, .step = "first"));
    s = fix_get(fx->db, &id);
    assert_string_equal(s.text, "");
    assert_string_equal(fix_task(fx->db, &id, "first", 0).text, "");
    assert_ok(peri_store_waiting(fx->db, id.uuid, "first", 0, "too late", 0, err));
    assert_string_equal(fix_task(fx->db, &id, "first", 0).text, "");
    assert_ok(peri_store_verify(fx->db, id.uuid, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outbox),
        cmocka_unit_test(steps_after_success),
        cmocka_unit_test(one_submission_at_a_time),
        cmocka_unit_test(steps_that_never_run),
        cmocka_unit_test(jobs_after_jobs),
        cmocka_unit_test(revoked_is_ready_again),
        cmocka_unit_test(chained),
        cmocka_unit_test(active),
        cmocka_unit_test(outbox_is_taken_once),
        cmocka_unit_test(submission),
        cmocka_unit_test(why_it_waits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
