/* The local scheduler: the life of single tasks, with real processes. */
#include "tests/unit/test_local_fixture.h"

static int setup(void **state)
{
    *state = fx_new("{\"cores\": 4, \"memory\": \"4GB\", \"kill_after\": 1}");
    return 0;
}

static int teardown(void **state)
{
    fx_free(*state);
    return 0;
}

static void runs_and_ends(void **state)
{
    fx_t *fx = *state;
    fx_submit(fx, "ok", (fx_req_t){.action = "true"});
    fx_submit(fx, "seven", (fx_req_t){.action = "exit", .arg = "7"});
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    const fx_told_t *t = fx_task(fx, "ok", PERI_SCHED_NO_INDEX);
    assert_int_equal(t->end, PERI_END_EXITED);
    assert_int_equal(t->exit_code, 0);
    assert_true(t->started > 0 && t->ended >= t->started);
    t = fx_task(fx, "seven", PERI_SCHED_NO_INDEX);
    assert_int_equal(t->end, PERI_END_EXITED);
    assert_int_equal(t->exit_code, 7);
    assert_int_equal(fx_lines(fx, "ok", 0, "start"), 1);
    assert_int_equal(fx_lines(fx, "ok", 0, "end"), 1);
    /* Nothing new: nothing told, until all is asked for. */
    fx_poll(fx, false);
    assert_int_equal(fx->calls, 0);
    assert_false(fx->complete);
    fx_poll(fx, true);
    assert_int_equal(fx->calls, 2);
    assert_true(fx->complete);
}

static void a_name_is_taken_once(void **state)
{
    fx_t *fx = *state;
    fx_req_t r = {.action = "true"};
    char a[PERI_SCHED_ID_MAX], b[PERI_SCHED_ID_MAX], c[PERI_SCHED_ID_MAX];
    peri_err_t err;
    assert_int_equal(peri_sched_find(fx->s, "x", c, &err), 0);
    assert_int_equal(fx_try(fx, "x", &r, a, &err), 0);
    assert_int_equal(fx_try(fx, "x", &r, b, &err), 0);
    assert_string_equal(a, b);
    assert_int_equal(fx_try(fx, "y", &r, c, &err), 0);
    assert_string_not_equal(a, c);
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    fx_reopen(fx);
    assert_int_equal(fx_try(fx, "x", &r, b, &err), 0);
    assert_string_equal(a, b);
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    assert_int_equal(fx_lines(fx, "x", 0, "start"), 1);

    peri_sched_forget(fx->s, "x", a);
    assert_int_equal(peri_sched_find(fx->s, "x", c, &err), 0);
    assert_int_equal(peri_sched_find(fx->s, "y", c, &err), 1);
    fx_reopen(fx);
    assert_int_equal(peri_sched_find(fx->s, "x", c, &err), 0);
    fx_poll(fx, true);
    assert_int_equal(fx->calls, 1);
    /* A number is never given again. */
    assert_int_equal(fx_try(fx, "z", &r, b, &err), 0);
    assert_string_not_equal(a, b);
    assert_string_not_equal(c, b);
    fx_wait(fx, 2, PERI_SCHED_ENDED);
}

static void refusals(void **state)
{
    fx_t *fx = *state;
    static const int32_t unsorted[] = {3, 2};
    struct {
        fx_req_t r;
        peri_code_t code;
        const char *text;
    } cases[] = {
        {{.cores = 5},
         PERI_ELIMIT,
         "1 rank of 5 cores need 5 cores, but this machine has 4"},
        {{.memory = 5000000000}, PERI_ELIMIT, "5.0 GB of memory are asked for"},
        {{.indexes = unsorted, .nindexes = 2}, PERI_EINVAL, "each larger than the one"},
        {{.throttle = -1}, PERI_EINVAL, "throttle"},
        {{.priority = 2000}, PERI_EINVAL, "priority"},
        {{.program = "relative"}, PERI_EINVAL, "absolute"},
    };
    char id[PERI_SCHED_ID_MAX];
    peri_err_t err;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fx_try(fx, "refused", &cases[i].r, id, &err), -1);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].text)) fail_msg("%s", err.text);
    }
    fx_req_t ok = {.action = "true"};
    assert_int_equal(fx_try(fx, "a b", &ok, id, &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    fx_poll(fx, true);
    assert_int_equal(fx->calls, 0);
    peri_schedcaps_t caps;
    assert_int_equal(peri_sched_caps(fx->s, &caps, &err), 0);
    assert_string_equal(caps.name, "local");
    assert_int_equal(caps.cores, 4);
    assert_int_equal(caps.memory_node, 4000000000);
    assert_false(caps.dependencies);
}

static void settings(void **state)
{
    fx_t *fx = *state;
    static const struct {
        const char *conf, *text;
    } bad[] = {
        {"{\"cores\": 0}", "\"cores\""},
        {"{\"cores\": \"4\"}", "\"cores\""},
        {"{\"memory\": \"lots\"}", "\"memory\""},
        {"{\"core\": 4}", "did you mean \"cores\""},
        {"{\"half_life\": -1}", "\"half_life\""},
        {"{\"tasks\": 0}", "\"tasks\""},
    };
    char *other = peri_xasprintf("%s/other", fx->root);
    mkdir(other, 0700);
    peri_err_t err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *j = json_loads(bad[i].conf, 0, NULL);
        assert_null(peri_sched_open("local", j, other, NULL, NULL, NULL, &err));
        assert_int_equal(err.code, PERI_EINVAL);
        if (!strstr(err.text, bad[i].text)) fail_msg("%s", err.text);
        json_decref(j);
    }
    json_t *none = json_object();
    peri_sched_t *s = peri_sched_open("local", none, other, NULL, NULL, NULL, &err);
    assert_non_null(s);
    peri_schedcaps_t caps;
    assert_int_equal(peri_sched_caps(s, &caps, &err), 0);
    assert_true(caps.cores >= 1);
    assert_true(caps.memory_node > 100000000);
    assert_null(peri_sched_open("local", none, other, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, PERI_EDENIED);
    assert_non_null(strstr(err.text, "in use"));
    peri_sched_close(s);
    json_decref(none);
    free(other);
}

static void plugins(void **state)
{
    fx_t *fx = *state;
    peri_err_t err;
    json_t *conf = json_object();
    assert_null(peri_sched_open("nosuch", conf, fx->state, fx->root, NULL, NULL, &err));
    assert_int_equal(err.code, PERI_EUNSUPP);
    assert_non_null(strstr(err.text, "perigee-nosuch.so"));
    assert_non_null(strstr(err.text, fx->root));
    assert_null(peri_sched_open("../x", conf, fx->state, NULL, NULL, NULL, &err));
    assert_int_equal(err.code, PERI_EINVAL);
    char *path = peri_xasprintf("%s/perigee-broken.so", fx->root);
    fx_write(path, "no library");
    assert_null(peri_sched_open("broken", conf, fx->state, fx->root, NULL, NULL, &err));
    assert_int_equal(err.code, PERI_EUNSUPP);
    assert_non_null(strstr(err.text, "cannot be loaded"));
    free(path);
    json_decref(conf);
}

static void clean_environment(void **state)
{
    fx_t *fx = *state;
    setenv("SECRET_OF_THE_DAEMON", "1", 1);
    setenv("PERIGEE_STATE", "/kept", 1);
    setenv("LC_TEST", "kept=too", 1);
    int leak = open("/dev/null", O_RDONLY); /* no O_CLOEXEC */
    fx_submit(fx, "env", (fx_req_t){.action = "env"});
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    close(leak);
    unsetenv("SECRET_OF_THE_DAEMON");
    unsetenv("PERIGEE_STATE");
    unsetenv("LC_TEST");
    char *path = peri_xasprintf("%s/env/0/env", fx->spool), *text;
    char *folder = peri_xasprintf("\ncwd=%s/env\n", fx->spool);
    char *mark = peri_xasprintf("PERIGEE_FOLDER=%s/env/0\n", fx->spool);
    size_t len;
    assert_int_equal(peri_file_slurp(path, 1 << 20, &text, &len, NULL), 0);
    assert_null(strstr(text, "SECRET"));
    assert_null(strstr(text, "open="));
    assert_non_null(strstr(text, "PERIGEE_STATE=/kept\n"));
    assert_non_null(strstr(text, "LC_TEST=kept=too\n"));
    assert_non_null(strstr(text, "HOME=/"));
    assert_non_null(strstr(text, "PATH="));
    assert_non_null(strstr(text, folder));
    assert_non_null(strstr(text, mark));
    assert_non_null(strstr(text, "sid=1"));
    assert_non_null(strstr(text, "blocked=0"));
    free(text);
    free(path);
    free(folder);
    free(mark);
}

static void as_another_user(void **state)
{
    fx_t *fx = *state;
    if (geteuid() != 0) {
        print_message("SKIP as_another_user: needs root\n");
        return;
    }
    /* The program must be readable for everybody. */
    char *copy = peri_xasprintf("%s/launcher", fx->root);
    char *cmd = peri_xasprintf("cp '%s' '%s' && chmod 755 '%s'", fx->self, copy, copy);
    assert_int_equal(system(cmd), 0);
    fx_submit(fx, "other",
              (fx_req_t){.action = "env", .uid = 65534, .gid = 65534, .program = copy});
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    const fx_told_t *t = fx_task(fx, "other", PERI_SCHED_NO_INDEX);
    if (t->exit_code) fail_msg("%d %s", t->exit_code, t->why);
    char *path = peri_xasprintf("%s/other/0/env", fx->spool), *text;
    size_t len;
    struct stat st;
    assert_int_equal(peri_file_slurp(path, 1 << 20, &text, &len, NULL), 0);
    assert_non_null(strstr(text, "uid=65534 gid=65534"));
    assert_non_null(strstr(text, "USER=nobody"));
    free(path);
    path = peri_xasprintf("%s/other/0/launch.log", fx->spool);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 65534);
    free(text);
    free(path);
    free(copy);
    free(cmd);
}

static void what_cannot_start(void **state)
{
    fx_t *fx = *state;
    /* A folder where the log should be. */
    char *log = peri_xasprintf("%s/nolog/0/launch.log", fx->spool);
    assert_int_equal(peri_mkdirs(log, NULL), 0);
    free(log);
    fx_submit(fx, "missing", (fx_req_t){.program = "/nonexistent/perigee-launch"});
    fx_submit(fx, "nolog", (fx_req_t){.action = "true"});
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    const fx_told_t *t = fx_task(fx, "missing", PERI_SCHED_NO_INDEX);
    assert_int_equal(t->end, PERI_END_EXITED);
    assert_int_equal(t->exit_code, 127);
    assert_string_equal(t->why,
                        "cannot start /nonexistent/perigee-launch: No such file or "
                        "directory");
    t = fx_task(fx, "nolog", PERI_SCHED_NO_INDEX);
    assert_int_equal(t->exit_code, 127);
    assert_non_null(strstr(t->why, "launch.log: Is a directory"));
}

/* ---- ends that were not planned ---- */

static bool anybody_left(const fx_t *fx, const char *name)
{
    char *cmd =
        peri_xasprintf("grep -lsz '^PERIGEE_FOLDER=%s/%s/0$' /proc/[0-9]*/environ "
                       "| grep -q .",
                       fx->spool, name);
    int rc = system(cmd);
    free(cmd);
    return rc == 0;
}

static void killed_launcher_is_tidied_up_after(void **state)
{
    fx_t *fx = *state;
    fx_submit(fx, "family", (fx_req_t){.action = "family", .arg = "300"});
    fx_wait(fx, 1, PERI_SCHED_RUNNING);
    fx_wait_line(fx, "family", 0, "child", 3);
    assert_true(anybody_left(fx, "family"));
    kill(fx_pid(fx, "family", 0), SIGKILL);
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    const fx_told_t *t = fx_task(fx, "family", PERI_SCHED_NO_INDEX);
    assert_int_equal(t->end, PERI_END_KILLED);
    assert_int_equal(t->signal, SIGKILL);
    assert_false(anybody_left(fx, "family"));
}

static void adopted_after_restart(void **state)
{
    fx_t *fx = *state;
    fx_submit(fx, "a", (fx_req_t){.action = "sleep", .arg = "1"});
    fx_submit(fx, "b", (fx_req_t){.action = "family", .arg = "300"});
    fx_wait(fx, 2, PERI_SCHED_RUNNING);
    fx_wait_line(fx, "a", 0, "start", 1);
    fx_wait_line(fx, "b", 0, "child", 3);
    fx_reopen(fx);
    fx_wait(fx, 2, PERI_SCHED_RUNNING);
    assert_true(fx_task(fx, "a", -1)->started > 0);
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(fx, "a", -1)->end, PERI_END_UNKNOWN);
    assert_int_equal(fx_lines(fx, "a", 0, "start"), 1);
    assert_int_equal(fx_lines(fx, "a", 0, "end"), 1);
    /* Killed while nobody watched, and what it left too. */
    peri_sched_close(fx->s);
    fx->s = NULL;
    kill(fx_pid(fx, "b", 0), SIGKILL);
    fx_reopen(fx);
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(fx, "b", -1)->end, PERI_END_UNKNOWN);
    assert_false(anybody_left(fx, "b"));
}

/* A process that has got the launcher's number is not the launcher. */
static void claims_are_not_believed(void **state)
{
    fx_t *fx = *state;
    char boot[64];
    fx_boot(boot);
    static const char *const names[] = {"reused", "reboot", "empty", "daemon", "none"};
    char *text[5] = {
        /* Init lives, and is surely not of this start time. */
        peri_xasprintf("{\"who\":\"launch\",\"pid\":%d,\"start\":1,\"boot\":\"%s\"}\n",
                       (int)getpid(), boot),
        peri_xasprintf("{\"who\":\"launch\",\"pid\":%d,\"start\":%llu,\"boot\":\"x\"}\n",
                       (int)getpid(), (unsigned long long)fx_start_time(getpid())),
        peri_xstrdup(""),
        peri_xasprintf("{\"who\":\"daemon\",\"pid\":%d,\"start\":%llu,\"boot\":\"%s\"}\n",
                       (int)getpid(), (unsigned long long)fx_start_time(getpid()), boot),
        NULL,
    };
    for (int i = 0; i < 5; i++)
        fx_submit(fx, names[i], (fx_req_t){.cores = 4, .action = "sleep", .arg = "0.2"});
    peri_sched_close(fx->s);
    fx->s = NULL;
    /* The first one may have begun: leave it alone. */
    for (int i = 1; i < 4; i++) {
        char *path = peri_xasprintf("%s/%s/0/claim", fx->spool, names[i]);
        fx_write(path, text[i]);
        free(path);
    }
    fx_reopen(fx);
    fx_wait(fx, 5, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(fx, "reboot", -1)->end, PERI_END_BOOT);
    assert_int_equal(fx_task(fx, "empty", -1)->end, PERI_END_UNKNOWN);
    assert_int_equal(fx_task(fx, "daemon", -1)->end, PERI_END_UNKNOWN);
    for (int i = 1; i < 4; i++) assert_int_equal(fx_lines(fx, names[i], 0, "start"), 0);
    assert_int_equal(fx_lines(fx, "none", 0, "start"), 1);
    assert_int_equal(fx_lines(fx, "reused", 0, "start"), 1);

    /* And one whose number is somebody else's by now. */
    fx_submit(fx, "blocker", (fx_req_t){.cores = 4, .action = "sleep", .arg = "0.5"});
    fx_submit(fx, "again", (fx_req_t){.cores = 4});
    peri_sched_close(fx->s);
    fx->s = NULL;
    char *path = peri_xasprintf("%s/again/0/claim", fx->spool);
    fx_write(path, text[0]);
    free(path);
    fx_reopen(fx);
    fx_wait(fx, 7, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(fx, "again", -1)->end, PERI_END_UNKNOWN);
    assert_int_equal(fx_lines(fx, "again", 0, "start"), 0);
    for (int i = 0; i < 5; i++) free(text[i]);
}

/* Another launcher holds the claim: the end of ours is not the end of the task. */
static void second_launcher(void **state)
{
    fx_t *fx = *state;
    fx_submit(fx, "twice", (fx_req_t){.action = "late", .arg = "0.3"});
    fx_wait(fx, 1, PERI_SCHED_RUNNING);
    char *folder = peri_xasprintf("%s/twice/0", fx->spool);
    pid_t other = fork();
    if (other == 0) {
        setenv("PERIGEE_FOLDER", folder, 1);
        execl(fx->self, fx->self, "--launch", "sleep", "1.5", (char *)NULL);
        _exit(99);
    }
    fx_wait_line(fx, "twice", 0, "start", 1);
    if (fx_pid(fx, "twice", 0) != other) {
        print_message("the machine was too slow to tell\n");
    } else {
        fx_wait(fx, 1, PERI_SCHED_ENDED);
        assert_int_equal(fx_lines(fx, "twice", 0, "end"), 1);
        assert_int_equal(fx_task(fx, "twice", -1)->end, PERI_END_UNKNOWN);
    }
    waitpid(other, NULL, 0);
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    assert_int_equal(fx_lines(fx, "twice", 0, "start"), 1);
    free(folder);
}

/* ---- cancel ---- */

static void cancel_in_every_state(void **state)
{
    fx_t *fx = *state;
    char id[PERI_SCHED_ID_MAX];
    peri_err_t err;
    fx_submit(fx, "running", (fx_req_t){.action = "sleep", .arg = "300", .cores = 2});
    fx_submit(fx, "deaf", (fx_req_t){.action = "stubborn", .arg = "300", .cores = 2});
    fx_submit(fx, "pending", (fx_req_t){.action = "true"});
    fx_wait(fx, 2, PERI_SCHED_RUNNING);
    fx_wait_line(fx, "deaf", 0, "deaf", 1);
    fx_cancel(fx, "pending", PERI_SCHED_NO_INDEX);
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(fx, "pending", -1)->end, PERI_END_CANCELLED);
    fx_cancel(fx, "pending", PERI_SCHED_NO_INDEX);
    fx_cancel(fx, "running", PERI_SCHED_NO_INDEX);
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(fx, "running", -1)->end, PERI_END_CANCELLED);
    /* The cancel outlives the scheduler, and SIGKILL comes in the end. */
    fx_cancel(fx, "deaf", PERI_SCHED_NO_INDEX);
    fx_reopen(fx);
    fx_wait(fx, 3, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(fx, "deaf", -1)->end, PERI_END_CANCELLED);
    assert_int_equal(fx_task(fx, "pending", -1)->end, PERI_END_CANCELLED);
    assert_int_equal(fx_lines(fx, "pending", 0, "start"), 0);
    assert_int_equal(fx_lines(fx, "deaf", 0, "end"), 0);
    assert_int_equal(peri_sched_cancel(fx->s, "4711", PERI_SCHED_NO_INDEX, &err), 0);
    assert_int_equal(peri_sched_cancel(fx->s, "no number", 3, &err), 0);
    assert_int_equal(peri_sched_find(fx->s, "deaf", id, &err), 1);
}

static void cancel_of_an_array(void **state)
{
    fx_t *fx = *state;
    static const int32_t indexes[] = {0, 1, 2, 3, 7, 9, 10};
    fx_submit(
        fx, "array",
        (fx_req_t){.action = "sleep", .arg = "300", .indexes = indexes, .nindexes = 7});
    fx_wait(fx, 4, PERI_SCHED_RUNNING);
    fx_cancel(fx, "array", 9);
    fx_cancel(fx, "array", 4); /* there is none */
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    assert_int_equal(fx_task(fx, "array", 9)->end, PERI_END_CANCELLED);
    fx_cancel(fx, "array", 1);
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    fx_wait(fx, 4, PERI_SCHED_RUNNING); /* 7 takes its place */
    assert_int_equal(fx_task(fx, "array", 7)->state, PERI_SCHED_RUNNING);
    fx_cancel(fx, "array", PERI_SCHED_NO_INDEX);
    fx_wait(fx, 7, PERI_SCHED_ENDED);
    assert_int_equal(fx_lines(fx, "array", 10, "start"), 0);
    fx_reopen(fx);
    fx_wait(fx, 7, PERI_SCHED_ENDED);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(fx_task(fx, "array", indexes[i])->end, PERI_END_CANCELLED);
}

/* Forgotten before its launcher has gone: the slots stay taken until it has. */
static void forgotten_early(void **state)
{
    fx_t *fx = *state;
    char id[PERI_SCHED_ID_MAX];
    peri_err_t err;
    fx_submit(fx, "early", (fx_req_t){.action = "sleep", .arg = "1", .cores = 4});
    fx_wait(fx, 1, PERI_SCHED_RUNNING);
    fx_wait_line(fx, "early", 0, "start", 1);
    peri_sched_forget(fx->s, "early", NULL);
    fx_poll(fx, true);
    assert_int_equal(fx->calls, 0);
    fx_submit(fx, "next", (fx_req_t){.cores = 4});
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    assert_true(fx_when(fx, "next", 0, "start") >= fx_when(fx, "early", 0, "end"));
    assert_int_equal(peri_sched_find(fx->s, "early", id, &err), 0);
}

/* ---- damaged files ---- */

static void damaged_files(void **state)
{
    fx_t *fx = *state;
    fx_submit(fx, "good", (fx_req_t){.action = "true"});
    fx_submit(fx, "torn", (fx_req_t){.action = "exit", .arg = "3"});
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    peri_sched_close(fx->s);
    fx->s = NULL;
    static const char *const junk[] = {
        "", "{}\n", "not json\n", "{\"perigee-queue\":1}\n", "\x01\x02\x03", "[[[[[\n"};
    for (size_t i = 0; i < 6; i++) {
        char *path = peri_xasprintf("%s/queue/junk%zu.json", fx->state, i);
        fx_write(path, junk[i]);
        free(path);
    }
    char *dir = peri_xasprintf("%s/queue/dir.json", fx->state);
    mkdir(dir, 0700);
    /* A torn last line does not spoil what came before, nor what comes after. */
    char *torn = peri_xasprintf("%s/queue/torn.json", fx->state);
    FILE *f = fopen(torn, "a");
    fputs("{\"e\":\"canc", f);
    fclose(f);
    char *tmp = peri_xasprintf("%s/queue/.half.new", fx->state);
    fx_write(tmp, "{");
    fx_reopen(fx);
    fx_wait(fx, 2, PERI_SCHED_ENDED);
    assert_int_equal(fx->ntold, 2);
    assert_int_equal(fx_task(fx, "torn", -1)->exit_code, 3);
    char *lost = peri_xasprintf("%s/lost+found/junk2.json", fx->state);
    assert_int_equal(access(lost, F_OK), 0);
    assert_int_equal(access(tmp, F_OK), -1);
    assert_int_equal(access(dir, F_OK), -1);
    /* The name of a submission that was set aside is free. */
    fx_submit(fx, "junk2", (fx_req_t){.action = "true"});
    fx_wait(fx, 3, PERI_SCHED_ENDED);
    free(lost);
    free(dir);
    free(torn);
    free(tmp);
}

/* Nothing can be written: an error, and nothing half-written. */
static void no_room(void **state)
{
    fx_t *fx = *state;
    char id[PERI_SCHED_ID_MAX];
    peri_err_t err = {0};
    char *queue = peri_xasprintf("%s/queue", fx->state);
    char *away = peri_xasprintf("%s/away", fx->state);
    assert_int_equal(rename(queue, away), 0);
    fx_req_t r = {.action = "true"};
    assert_int_equal(fx_try(fx, "x", &r, id, &err), -1);
    assert_int_equal(err.code, PERI_EIO);
    assert_int_equal(peri_sched_find(fx->s, "x", id, &err), 0);
    assert_int_equal(rename(away, queue), 0);
    fx_submit(fx, "x", r);
    fx_wait(fx, 1, PERI_SCHED_ENDED);
    free(queue);
    free(away);
}

int main(int argc, char **argv)
{
    fx_launcher(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(runs_and_ends),
        TEST(a_name_is_taken_once),
        TEST(refusals),
        TEST(settings),
        TEST(plugins),
        TEST(clean_environment),
        TEST(as_another_user),
        TEST(what_cannot_start),
        TEST(killed_launcher_is_tidied_up_after),
        TEST(adopted_after_restart),
        TEST(claims_are_not_believed),
        TEST(second_launcher),
        TEST(cancel_in_every_state),
        TEST(cancel_of_an_array),
        TEST(forgotten_early),
        TEST(damaged_files),
        TEST(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
