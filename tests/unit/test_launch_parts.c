/* test_launch_parts.c - small parts of perigee-launch: lines of progress, what starters
 * say, lists of nodes, the files of output. */
#include "jobs/launch/progress.h"
#include "jobs/launch/starter.h"
#include "jobs/launch/stream.h"
#include "jobs/launch/task.h"
#include "test_launch_fixture.h"

static void progress_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        double fraction;
        const char *message;
    } cases[] = {{"0.5", 0.5, ""},
                 {" 0.25 halos \r", 0.25, "halos"},
                 {"12 %", 0.12, ""},
                 {"12% of it", 0.12, "of it"},
                 {"100 % done", 1, "done"},
                 {"1", 1, ""},
                 {"0", 0, ""},
                 {"1e-1 x", 0.1, "x"},
                 {"reading", -1, "reading"},
                 {"50 of 100", -1, "50 of 100"},
                 {"120 %", -1, "120 %"},
                 {"-0.5 x", -1, "-0.5 x"},
                 {"0.5x", -1, "0.5x"},
                 {"3-4", -1, "3-4"},
                 {"", -1, ""},
                 {"%", -1, "%"},
                 {"nan", -1, "nan"},
                 {"0.5 \033[31m", 0.5, "[31m"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peri_progress_t p = {0};
        peri_progress_parse(cases[i].line, strlen(cases[i].line), &p);
        if (p.fraction != cases[i].fraction)
            fail_msg("%s: %g", cases[i].line, p.fraction);
        const char *message = p.message + strspn(p.message, " ");
        assert_string_equal(message, cases[i].message);
    }
}

static void progress_file(void **state)
{
    (void)state;
    place_t p;
    peri_progress_t g = {.fraction = -1};
    place_open(&p);
    int dir = peri_folder_open(p.folder, NULL);
    assert_false(peri_progress_read(&g, dir));
    int fd = openat(dir, "progress", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (int i = 0; i < 2000; i++) dprintf(fd, "%g line %d\n", i / 2000., i);
    assert_true(peri_progress_read(&g, dir));
    assert_string_equal(g.message, "line 1999");
    assert_false(peri_progress_read(&g, dir));
    dprintf(fd, "0.1 half a li"); /* not whole yet */
    assert_false(peri_progress_read(&g, dir));
    dprintf(fd, "ne\n");
    assert_true(peri_progress_read(&g, dir));
    assert_string_equal(g.message, "half a line");
    close(fd);
    assert_int_equal(unlinkat(dir, "progress", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", dir, "progress"), 0);
    assert_false(peri_progress_read(&g, dir));
    close(dir);
    place_close(&p);
}

static void starters(void **state)
{
    (void)state;
    static const char rule[] = "-----------------------------------------------\n";
    char mpirun[2000];
    snprintf(mpirun, sizeof(mpirun),
             "mine\nPrimary job  terminated normally, but 1 process returned\na non-zero "
             "exit code.\n%smpirun noticed that process rank 1\n%s\n",
             rule, rule);
    const struct {
        const char *text, *last;
        int sig;
    } cases[] = {
        {"", "", 0},
        {"one\ntwo\n\n", "two", 0},
        {"half", "half", 0},
        {mpirun, "mine", 0},
        {"mine\nsrun: error: n2: task 3: Segmentation fault (core dumped)\n"
         "srun: launch/slurm: x\nTerminated\nsrun: error: n1: tasks 0-1: Terminated\n"
         "srun: Force Terminated StepId=5.0\n",
         "mine", SIGSEGV},
        {"srun: error: n1: task 1: Exited with exit code 143\nlate\n", "late", 0},
        {"I said: srun: error: n2: task 3: Killed\n",
         "I said: srun: error: n2: task 3: Killed", 0},
        {"srun: error: Unable to allocate: Killed\n", "", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[101];
        int sig;
        peri_starter_read(cases[i].text, strlen(cases[i].text), out, 100, &sig);
        assert_string_equal(out, cases[i].last);
        assert_int_equal(sig, cases[i].sig);
    }
}

static void node_lists(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"n1", "n1"},
                                           {"n1,m", "n1,m"},
                                           {"n[1-3]", "n1,n2,n3"},
                                           {"n[08-10,12],x[1]", "n08,n09,n10,n12,x1"},
                                           {"r[1-2]n[1-2]", "r[1-2]n[1-2]"},
                                           {"n[", "n["},
                                           {"n[1-", "n[1-"},
                                           {"n[1-2", "n[1-2"},
                                           {"n[a]", "n[a]"},
                                           {"n[1-999999999]", "n[1-999999999]"},
                                           {"", ""}};
    peri_arena_t *arena = peri_arena_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(peri_nodes_expand(cases[i][0], 200, arena), cases[i][1]);
    peri_arena_free(arena);
}

/* A stream whose file can for a while not be written: the gap is said, the rest is there.
 */
static void gaps(void **state)
{
    (void)state;
    place_t p;
    peri_stream_t s;
    char last[21];
    place_open(&p);
    int dir = peri_folder_open(p.folder, NULL);
    assert_int_equal(peri_stream_open(&s, dir, "stdout", 1000, NULL), 0);
    assert_int_equal(write(s.program, "one\n", 4), 4);
    assert_true(peri_stream_pump(&s));
    const int file = s.file;
    s.file = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(s.program, "two\n", 4), 4);
    assert_true(peri_stream_pump(&s));
    assert_true(s.lost == 4 && s.error == ENOSPC);
    close(s.file);
    s.file = file;
    assert_int_equal(write(s.program, "three\n", 6), 6);
    assert_true(peri_stream_pump(&s));
    assert_false(peri_stream_pump(&s));
    peri_stream_last_line(&s, last, 20);
    assert_string_equal(last, "three");
    peri_stream_close(&s);
    assert_string_equal(place_file(&p, "stdout"),
                        "one\n\n[perigee: some output is missing here: it could not be "
                        "written]\nthree\n");
    close(dir);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_lines), cmocka_unit_test(progress_file),
        cmocka_unit_test(starters),       cmocka_unit_test(node_lists),
        cmocka_unit_test(gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
