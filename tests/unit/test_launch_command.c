/* test_launch_command.c - what the program is given: words, environment, scripts, ranks.
 */
#include "test_launch_fixture.h"

static void environment(void **state)
{
    (void)state;
    place_t p;
    if (in_sandbox()) skip(); /* ours is not inherited: test_sandbox */
    place_open(&p);
    const peri_env_t env[] = {
        {"MINE", "a b=c"}, {"HOME", "/elsewhere"}, {"PERIGEE_JOB", "x"}};
    p.l.env = env;
    p.l.nenv = 3;
    setenv("PERIGEE_TEST_INHERITED", "yes", 1);
    setenv("PERIGEE_FAILPOINT", "no-such-point:1", 1);
    place_command(&p, "env", NULL, NULL);
    place_run(&p);
    unsetenv("PERIGEE_FAILPOINT");
    place_expect(&p, PERI_EXIT_DONE, "");
    char *lines = peri_xasprintf("\n%s", place_file(&p, "stdout"));
    char *expected[] = {peri_xasprintf("\nPERIGEE_JOB=%s\n", p.uuid),
                        peri_xasprintf("\nPERIGEE_RESULTS=%s\n", p.results),
                        peri_xasprintf("\nPERIGEE_PROGRESS=%s/progress\n", p.folder),
                        peri_xasprintf("\nPERIGEE_REPORT=%s/report\n", p.folder),
                        peri_xasprintf("\nPERIGEE_TASK=%s/main/1/0\n", p.uuid),
                        peri_xstrdup("\nPERIGEE_TEST_INHERITED=yes\n"),
                        peri_xstrdup("\nMINE=a b=c\n"),
                        peri_xstrdup("\nHOME=/elsewhere\n"),
                        peri_xstrdup("\nPERIGEE_STEP=main\n"),
                        peri_xstrdup("\nPERIGEE_ATTEMPT=1\n"),
                        peri_xstrdup("\nPERIGEE_INDEX=0\n")};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (!strstr(lines, expected[i])) fail_msg("no %s in %s", expected[i], lines);
        free(expected[i]);
    }
    assert_null(strstr(lines, "PERIGEE_FAILPOINT"));
    free(lines);
    place_close(&p);
}

static void arrays(void **state)
{
    (void)state;
    static const int32_t indexes[] = {3, 12};
    const peri_env_t three[] = {{"b", "0.2"}, {"long_name", "$HOME {b}"}};
    const peri_env_t twelve[] = {{"b", "0.3"}, {"long_name", ""}};
    const peri_launchtask_t tasks[] = {{3, three, 2}, {12, twelve, 2}};
    place_t p;
    place_open(&p);
    place_make(&p, indexes, 2);
    p.l.is_array = true;
    p.l.tasks = tasks;
    p.l.ntasks = 2;
    const char *argv[] = {
        "/bin/sh",
        "-c",
        "echo $PERIGEE_INDEX $PERIGEE_PARAM_b; for i; do echo \"$i\"; done",
        "x",
        "{b}-{index}",
        "{long_name}",
        "{{b} {{{b}",
        "{c} { {b",
        "$5 }{"};
    p.l.argv = argv;
    p.l.argc = sizeof(argv) / sizeof(argv[0]);
    place_write(&p);
    assert_int_equal(place_wait(place_start(&p, "3")), 0);
    setenv("SLURM_ARRAY_TASK_ID", "12", 1);
    assert_int_equal(place_wait(place_start(&p, NULL)), 0);
    unsetenv("SLURM_ARRAY_TASK_ID");
    char *out = peri_folder_task(p.root, p.uuid, "main", 1, 3);
    char *path = peri_xasprintf("%s/stdout", out);
    assert_string_equal(place_file(&p, path),
                        "3 0.2\n0.2-3\n$HOME {b}\n{b} {0.2\n{c} { {b\n$5 }{\n");
    free(out);
    free(path);
    out = peri_folder_task(p.root, p.uuid, "main", 1, 12);
    path = peri_xasprintf("%s/stdout", out);
    assert_string_equal(place_file(&p, path),
                        "12 0.3\n0.3-12\n\n{b} {0.3\n{c} { {b\n$5 }{\n");
    free(out);
    free(path);
    place_read(&p, "12");
    place_expect(&p, PERI_EXIT_DONE, "");
    place_close(&p);
}

/* Without an array braces are braces. */
static void plain_words(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    place_command(&p, "printf", "%s\\n", "{index} {{x}}");
    place_run(&p);
    assert_string_equal(place_file(&p, "stdout"), "{index} {{x}}\n");
    place_close(&p);
}

static void scripts(void **state)
{
    (void)state;
    place_t p;
    struct stat st;
    place_open(&p);
    p.l.script = "#!/bin/sh\necho \"$0 $1 ${index}{index}\"\n";
    p.l.is_array = true;
    place_command(&p, "arg{index}", NULL, NULL);
    p.l.dir = "/";
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    char *expected = peri_xasprintf("%s/script arg0 {index}\n", p.folder);
    assert_string_equal(place_file(&p, "stdout"), expected);
    char *path = peri_xasprintf("%s/script", p.folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    free(path);
    free(expected);
    place_close(&p);

    place_open(&p);
    p.l.script = "#!/no/such/thing\n";
    p.l.argv = NULL;
    place_run(&p);
    place_expect(
        &p, PERI_EXIT_NO_PROGRAM,
        "the interpreter /no/such/thing, which the first line of the script names");
    place_close(&p);
}

static bool have_mpirun(void)
{
    if (system("command -v mpirun > /dev/null") == 0) return true;
    print_message("SKIP: there is no mpirun\n");
    return false;
}

static void ranks(void **state)
{
    (void)state;
    place_t p;
    if (!have_mpirun()) return;
    place_open(&p);
    p.l.mpi = true;
    p.l.ranks = 2;
    p.l.memory = 1000000000;
    p.l.script = "#!/bin/sh\necho rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE\n";
    p.l.argv = NULL;
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    assert_int_equal(p.status, 0);
    const char *out = place_file(&p, "stdout");
    assert_non_null(strstr(out, "rank 0 of 2\n"));
    assert_non_null(strstr(out, "rank 1 of 2\n"));
    place_close(&p);
}

static void rank_killed(void **state)
{
    (void)state;
    place_t p;
    if (!have_mpirun()) return;
    place_open(&p);
    p.l.mpi = true;
    p.l.ranks = 2;
    place_sh(&p, "if [ $OMPI_COMM_WORLD_RANK = 1 ]; then sleep 0.3; kill -KILL $$; fi; "
                 "echo $$ > rank0; exec sleep 100");
    place_run(&p);
    place_expect(&p, PERI_EXIT_SIGNAL, "a rank of the program was ended by SIGKILL");
    assert_int_equal(p.status, 137);
    assert_false(is_alive(await_pid(&p, "rank0")));
    place_close(&p);
}

static void ranks_missing(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.mpi = true;
    p.l.ranks = 2;
    place_command(&p, "./missing", NULL, NULL);
    place_run(&p);
    place_expect(&p, PERI_EXIT_NO_PROGRAM, "no such program: ./missing (in ");
    assert_int_equal(p.status, 127);
    place_close(&p);
}

/* The warning reaches every rank, once. */
static void ranks_warned(void **state)
{
    (void)state;
    place_t p;
    if (!have_mpirun()) return;
    place_open(&p);
    p.l.mpi = true;
    p.l.ranks = 2;
    p.l.warn_signal = SIGUSR1;
    place_sh(&p, "r=$OMPI_COMM_WORLD_RANK; trap 'echo warned >> warned$r' USR1; "
                 "echo $$ > ready$r; while :; do sleep 0.05; done");
    place_write(&p);
    pid_t pid = place_start(&p, NULL), rank = await_pid(&p, "ready0");
    await_pid(&p, "ready1");
    kill(pid, SIGUSR1);
    for (int i = 0; i < 1000; i++) {
        if (*place_file(&p, "warned0") && *place_file(&p, "warned1")) break;
        poll(NULL, 0, 10);
    }
    poll(NULL, 0, 200);
    assert_string_equal(place_file(&p, "warned0"), "warned\n");
    assert_string_equal(place_file(&p, "warned1"), "warned\n");
    kill(pid, SIGTERM);
    place_wait(pid);
    assert_false(is_alive(rank));
    place_read(&p, NULL);
    place_expect(&p, PERI_EXIT_TERMINATED, "was told to end");
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(environment),   cmocka_unit_test(arrays),
        cmocka_unit_test(plain_words),   cmocka_unit_test(scripts),
        cmocka_unit_test(ranks),         cmocka_unit_test(rank_killed),
        cmocka_unit_test(ranks_missing), cmocka_unit_test(ranks_warned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
