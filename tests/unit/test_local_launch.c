/* The local scheduler with the real perigee-launch. */
#include "jobs/task/folder.h"
#include "jobs/task/record.h"
#include "tests/unit/test_local_fixture.h"

typedef struct {
    fx_t *fx;
    char uuid[PERI_UUID_LEN + 1];
    char *folder, *launcher;
} job_t;

static int setup(void **state)
{
    job_t *j = peri_xcalloc(1, sizeof(*j));
    j->fx = fx_new("{\"cores\": 2, \"memory\": \"1GB\", \"kill_after\": 30}");
    peri_uuid_new(j->uuid);
    j->folder = peri_folder_attempt(j->fx->spool, j->uuid, "main", 1);
    char *slash = strrchr(j->fx->self, '/');
    j->launcher =
        peri_xasprintf("%.*s/perigee-launch", (int)(slash - j->fx->self), j->fx->self);
    *state = j;
    return 0;
}

static int teardown(void **state)
{
    job_t *j = *state;
    fx_free(j->fx);
    free(j->folder);
    free(j->launcher);
    free(j);
    return 0;
}

/* sh -c script, as one task or as an array 0 ... n-1. */
static void submit(job_t *j, const char *script, int32_t n)
{
    peri_err_t err = {0};
    peri_buf_t text;
    int32_t indexes[16];
    const char *argv[] = {"/bin/sh", "-c", script};
    peri_launch_t l = {.uuid = j->uuid,
                       .step = "main",
                       .attempt = 1,
                       .is_array = n > 0,
                       .argv = argv,
                       .argc = 3,
                       .nodes = 1,
                       .ranks = 1,
                       .cpus = 1};
    for (int32_t i = 0; i < n; i++) indexes[i] = i;
    if (peri_folder_make(j->fx->spool, j->uuid, "main", 1, n ? indexes : NULL, (size_t)n,
                         getuid(), getgid(), &err))
        fail_msg("%s", err.text);
    peri_buf_init(&text, 1 << 16);
    if (peri_launch_to_json(&l, &text, &err)) fail_msg("%s", err.text);
    char *path = peri_xasprintf("%s/launch.json", j->folder);
    fx_write(path, text.data);
    free(path);
    peri_buf_free(&text);

    const char *start[] = {j->launcher, j->folder};
    char id[PERI_SCHED_ID_MAX];
    peri_schedreq_t r = {.name = "job",
                         .comment = j->uuid,
                         .folder = j->folder,
                         .argv = start,
                         .argc = 2,
                         .uid = getuid(),
                         .gid = getgid(),
                         .user = "tester",
                         .indexes = n ? indexes : NULL,
                         .nindexes = (size_t)n,
                         .nodes = 1,
                         .ranks = 1,
                         .cpus = 1,
                         .memory = 1000000};
    if (peri_sched_submit(j->fx->s, &r, id, &err)) fail_msg("%s", err.text);
}

typedef struct {
    int started, exits, code;
    peri_exitkind_t kind;
} records_t;

static void count_record(const peri_record_t *r, void *arg)
{
    records_t *c = arg;
    c->started += r->kind == PERI_REC_STARTED;
    if (r->kind != PERI_REC_EXIT) return;
    c->exits++;
    c->kind = r->exit;
    c->code = r->code;
}

static records_t records_of(const job_t *j, int32_t index)
{
    records_t c = {0};
    uint64_t offset = 0;
    peri_err_t err = {0};
    char *folder = peri_folder_task(j->fx->spool, j->uuid, "main", 1, index);
    int fd = peri_folder_open(folder, &err);
    assert_true(fd >= 0);
    assert_int_equal(peri_records_read(fd, &offset, count_record, &c, &err), 0);
    close(fd);
    free(folder);
    return c;
}

static void wait_for_file(const job_t *j, const char *name)
{
    char *path = peri_xasprintf("%s/0/%s", j->folder, name);
    const double until = peri_now() + PATIENCE;
    while (access(path, F_OK)) {
        assert_true(peri_now() < until);
        usleep(5000);
    }
    free(path);
}

static pid_t claimant(const job_t *j)
{
    char *path = peri_xasprintf("%s/0/claim", j->folder);
    json_t *o = json_load_file(path, JSON_DISABLE_EOF_CHECK, NULL);
    pid_t pid = (pid_t)json_integer_value(json_object_get(o, "pid"));
    json_decref(o);
    free(path);
    assert_true(pid > 1);
    return pid;
}

static bool anybody_left(const job_t *j)
{
    char *cmd = peri_xasprintf("grep -lsz '^PERIGEE_FOLDER=%s/' /proc/[0-9]*/environ | "
                               "grep -q .",
                               j->folder);
    int rc = system(cmd);
    free(cmd);
    return rc == 0;
}

static void an_array(void **state)
{
    job_t *j = *state;
    submit(j, "exit ${PERIGEE_INDEX:-0}", 8);
    fx_wait(j->fx, 8, PERI_SCHED_ENDED);
    for (int32_t i = 0; i < 8; i++) {
        assert_int_equal(fx_task(j->fx, "job", i)->end, PERI_END_EXITED);
        records_t c = records_of(j, i);
        assert_int_equal(c.started, 1);
        assert_int_equal(c.exits, 1);
        assert_int_equal(c.kind, PERI_EXIT_DONE);
        assert_int_equal(c.code, fx_task(j->fx, "job", i)->exit_code);
    }
}

static void survives_the_scheduler(void **state)
{
    job_t *j = *state;
    submit(j, "touch here; while [ ! -e go ]; do sleep 0.05; done; exit 5", 0);
    wait_for_file(j, "here");
    fx_reopen(j->fx);
    fx_wait(j->fx, 1, PERI_SCHED_RUNNING);
    char *path = peri_xasprintf("%s/0/go", j->folder);
    fx_write(path, "");
    free(path);
    fx_wait(j->fx, 1, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(j->fx, "job", -1)->end, PERI_END_UNKNOWN);
    records_t c = records_of(j, 0);
    assert_int_equal(c.started, 1);
    assert_int_equal(c.kind, PERI_EXIT_DONE);
    assert_int_equal(c.code, 5);
}

static void killed(void **state)
{
    job_t *j = *state;
    submit(
        j,
        "trap '' TERM; (trap '' TERM; sleep 300) & setsid sleep 300 & touch here; wait",
        0);
    wait_for_file(j, "here");
    kill(claimant(j), SIGKILL);
    fx_wait(j->fx, 1, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(j->fx, "job", -1)->end, PERI_END_KILLED);
    assert_false(anybody_left(j));
    assert_int_equal(records_of(j, 0).exits, 0);
}

static void cancelled(void **state)
{
    job_t *j = *state;
    submit(j, "touch here; sleep 300", 0);
    wait_for_file(j, "here");
    fx_cancel(j->fx, "job", PERI_SCHED_NO_INDEX);
    fx_wait(j->fx, 1, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(j->fx, "job", -1)->end, PERI_END_CANCELLED);
    assert_int_equal(records_of(j, 0).kind, PERI_EXIT_TERMINATED);
    assert_false(anybody_left(j));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(an_array), TEST(survives_the_scheduler),
                                       TEST(killed), TEST(cancelled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
