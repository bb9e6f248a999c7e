/* Writers and servers that are killed, and writers at the same time: what was
 * acknowledged is there, and the log gives the rows.
 */
#include "tests/unit/test_store_fixture.h"

#include <pthread.h>
#include <time.h>

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

enum { NTASKS = 8 };
static const int32_t eight[NTASKS] = {0, 1, 2, 3, 4, 5, 6, 7};
static const struct peri_newstep array[] = {
    {.name = "main", .indexes = eight, .nindexes = NTASKS, .is_array = true}};

static jobid_t new_array(void)
{
    peri_newjob_t j = fix_job("array");
    j.steps = array;
    return fix_create(fx->db, &j);
}

/* The i-th event of a life that goes on for ever: submitted, started, given up, again. */
static peri_event_t next_event(const char *uuid, int i)
{
    static const peri_evkind_t kinds[] = {PERI_EV_INTENT, PERI_EV_SUBMITTED,
                                          PERI_EV_STARTED, PERI_EV_REVOKED};
    return (peri_event_t){.job = uuid,
                          .kind = kinds[i % 4],
                          .step = "main",
                          .attempt = i / 4 + 1,
                          .indexes = eight,
                          .nindexes = NTASKS,
                          .id = "5",
                          .host = "n1"};
}

static void writer_is_killed(void **state)
{
    (void)state;
    jobid_t id = new_array();
    int done = 0;
    for (int round = 0; round < 12; round++) {
        int fd[2];
        assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0) {
            peri_db_t *db = peri_db_connect(fx->conninfo, NULL);
            if (!db) _exit(1);
            for (int i = done;; i++) {
                size_t applied;
                peri_event_t e = next_event(id.uuid, i);
                if (peri_store_append(db, &e, &applied, NULL) || applied != NTASKS)
                    _exit(1);
                if (write(fd[1], &i, sizeof(i)) != sizeof(i)) _exit(1);
            }
            _exit(1);
        }
        close(fd[1]);
        int i = -1, last = -1;
        /* At least one is certain before it is killed. */
        assert_int_equal(read(fd[0], &i, sizeof(i)), sizeof(i));
        last = i;
        nanosleep(&(struct timespec){0, 3000000L + round * 1700000L}, NULL);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(fd[0], &i, sizeof(i)) == sizeof(i)) last = i;
        close(fd[0]);
        assert_ok(peri_store_verify(fx->db, id.uuid, err));
        /* Event 1 made the job. One more may be stored than its writer could say. */
        int stored = fix_get(fx->db, &id).row.last_seq - 1;
        assert_in_range(stored, last + 1, last + 2);
        done = stored;
    }
    assert_int_equal(fix_number(fx->db,
                                "SELECT count(*) FROM job_event WHERE job = (SELECT "
                                "max(number) FROM job)"),
                     done + 1);
}

/* ---- writers at the same time ---- */

typedef struct {
    char uuid[PERI_UUID_LEN + 1];
    int index; /* the task that it reports */
    pthread_barrier_t *start;
    size_t applied;
    char said[256];
} writer_t;

static void *write_events(void *arg)
{
    writer_t *w = arg;
    peri_err_t err = {0};
    peri_db_t *db = peri_dbpool_get(fx->pool, &err);
    pthread_barrier_wait(w->start);
    for (int i = 0; db && i < 40; i++) {
        const int32_t index = w->index;
        peri_event_t e = next_event(w->uuid, i);
        size_t applied;
        /* Each has its own attempts: names of submissions are unique. */
        e.attempt = e.attempt * 16 + w->index;
        e.indexes = &index;
        e.nindexes = 1;
        if (peri_store_append(db, &e, &applied, &err)) break;
        w->applied += applied;
    }
    snprintf(w->said, sizeof(w->said), "%s", err.text);
    peri_dbpool_put(fx->pool, db);
    return NULL;
}

static void run_writers(jobid_t *jobs, int njobs)
{
    enum { N = 4 };
    writer_t w[N];
    pthread_t t[N];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, N);
    for (int i = 0; i < N; i++) {
        w[i] = (writer_t){.index = i, .start = &start};
        memcpy(w[i].uuid, jobs[i % njobs].uuid, sizeof(w[i].uuid));
        assert_int_equal(pthread_create(&t[i], NULL, write_events, &w[i]), 0);
    }
    for (int i = 0; i < N; i++) pthread_join(t[i], NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < N; i++) {
        assert_string_equal(w[i].said, "");
        assert_int_equal(w[i].applied, 40);
    }
    for (int i = 0; i < njobs; i++) {
        assert_ok(peri_store_verify(fx->db, jobs[i].uuid, err));
        assert_int_equal(fix_get(fx->db, &jobs[i]).row.last_seq, 1 + 40 * N / njobs);
    }
}

static void writers_of_one_job(void **state)
{
    (void)state;
    jobid_t id = new_array();
    run_writers(&id, 1);
}

static void writers_of_several_jobs(void **state)
{
    (void)state;
    jobid_t id[4] = {new_array(), new_array(), new_array(), new_array()};
    run_writers(id, 4);
}

/* ---- the server ---- */

typedef struct {
    char uuid[PERI_UUID_LEN + 1];
    int acknowledged, faults;
    volatile bool stop;
} steady_t;

/* As the manager does: what failed with "try again" is tried again. */
static void *write_steadily(void *arg)
{
    steady_t *s = arg;
    for (int i = 0; !s->stop;) {
        peri_err_t err = {0};
        size_t applied = 0;
        peri_db_t *db = peri_dbpool_get(fx->pool, &err);
        peri_event_t e = next_event(s->uuid, i);
        int rc = db ? peri_store_append(db, &e, &applied, &err) : -1;
        if (db) peri_dbpool_put(fx->pool, db);
        if (rc == 0)
            s->acknowledged = ++i; /* applied 0: it was stored, its answer was lost */
        else if (err.code != PERI_EIO)
            s->faults++;
        else
            nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    return NULL;
}

static void server_is_killed(void **state)
{
    (void)state;
    jobid_t id = new_array();
    steady_t s = {0};
    memcpy(s.uuid, id.uuid, sizeof(s.uuid));
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, write_steadily, &s), 0);
    for (int i = 0; i < 4; i++) {
        peri_pgstatus_t st;
        nanosleep(&(struct timespec){0, 60000000L + i * 37000000L}, NULL);
        assert_ok(peri_pg_status(fx->pg, &st, err));
        assert_true(st.running);
        assert_int_equal(kill((pid_t)st.pid, SIGKILL), 0);
        assert_ok(peri_pg_start(fx->pg, err));
    }
    nanosleep(&(struct timespec){0, 100000000L}, NULL);
    s.stop = true;
    pthread_join(t, NULL);
    assert_int_equal(s.faults, 0);
    assert_true(s.acknowledged > 0);
    peri_dbpool_put(fx->pool, fx->db);
    fx->db = peri_dbpool_get(fx->pool, NULL);
    assert_non_null(fx->db);
    assert_ok(peri_store_verify(fx->db, NULL, err));
    /* None lost, none twice. */
    assert_int_equal(fix_get(fx->db, &id).row.last_seq - 1, s.acknowledged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_is_killed),
        cmocka_unit_test(writers_of_one_job),
        cmocka_unit_test(writers_of_several_jobs),
        cmocka_unit_test(server_is_killed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
