/* test_launch_limits.c - memory, time, signals, and what a program leaves behind.
 *
 * This program is also the one that eats memory: "--eat MB", and holds it until it is
 * seen;
 * "--ask MB" (at once, without touching it).
 */
#include <dirent.h>
#include <sys/prctl.h>

#include "jobs/task/sweep.h"
#include "test_launch_fixture.h"

/* The sanitizers' own memory is a program's memory, too. */
#define ROOM (PERIGEE_SANITIZED ? 400 : 150)

static int eat(const char *mb)
{
    const size_t n = (size_t)atol(mb);
    char **held = calloc(n, sizeof(*held));
    for (size_t i = 0; held && i < n; i++) {
        held[i] = malloc(1 << 20);
        if (!held[i]) return 9;
        memset(held[i], (int)i + 1, 1 << 20);
        if (i % 20 == 0) poll(NULL, 0, 10);
    }
    if (n > ROOM) poll(NULL, 0, 60000);
    puts("ate it all");
    fflush(stdout);
    poll(NULL, 0, 1500);
    return held && held[n - 1] ? 0 : 9;
}

static int ask(const char *mb)
{
    volatile char *p = malloc((size_t)atol(mb) << 20);
    if (!p) perror("ask");
    if (p) p[0] = 1;
    free((void *)(uintptr_t)p);
    return p ? 0 : 9;
}

static const char *self(void)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    assert_true(n > 0);
    path[n] = '\0';
    return path;
}

/* A sanitizer reserves more than any limit. */
#define UNLIMITED (PERIGEE_SANITIZED ? "ulimit -d unlimited; " : "")

static void command_self(place_t *p, const char *option, const char *mb)
{
    static char text[PATH_MAX + 100];
    snprintf(text, sizeof(text), "%sexec %s %s %s", UNLIMITED, self(), option, mb);
    place_sh(p, text);
}

static void over_memory_as(uid_t uid)
{
    place_t p;
    place_open_as(&p, NULL, uid);
    p.l.memory = ROOM * 1000000ull;
    command_self(&p, "--eat", PERIGEE_SANITIZED ? "600" : "350");
    place_run(&p);
    place_expect(&p, PERI_EXIT_MEMORY,
                 PERIGEE_SANITIZED ? "used more than the 400 MB of memory it asked for"
                                   : "used more than the 150 MB of memory it asked for");
    assert_non_null(strstr(p.exit.text, "ask for more with --memory"));
    assert_int_equal(p.status, 137);
    assert_string_equal(place_file(&p, "stdout"), "");
    place_close(&p);

    place_open_as(&p, NULL, uid);
    p.l.memory = ROOM * 1000000ull;
    command_self(&p, "--eat", "50");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    assert_string_equal(place_file(&p, "stdout"), "ate it all\n");
    assert_in_range(p.exit.usage.memory_peak, 50u << 20, (50 + ROOM) << 20);
    place_close(&p);
}

static void over_memory(void **state)
{
    (void)state;
    over_memory_as(getuid());
}

/* Somebody who may make no cgroup. */
static void over_memory_without_cgroup(void **state)
{
    (void)state;
    if (getuid() != 0) {
        print_message("SKIP: only root can be somebody else\n");
        return;
    }
    if (access(launcher(), X_OK)) skip();
    if (PERIGEE_SANITIZED && in_sandbox()) skip(); /* it reserves more than it may */
    over_memory_as(65534);
}

/* Where there is no cgroup one process cannot get any amount at once, either: twice what
 * the job asked for, and some slack. What is only reserved up to there is no fault. */
static void refused_memory(void **state)
{
    (void)state;
    place_t p;
    if (getuid() != 0 || PERIGEE_SANITIZED) {
        print_message("SKIP: needs root, and no sanitizer\n");
        return;
    }
    if (access(launcher(), X_OK)) skip();
    place_open_as(&p, NULL, 65534);
    p.l.memory = 100000000;
    command_self(&p, "--ask", "2000");
    place_run(&p);
    place_expect(&p, PERI_EXIT_MEMORY,
                 "wanted more memory than the 468 MB that a process of this job, which "
                 "asked for 100 MB, can get; ask for more with --memory");
    assert_non_null(strstr(p.exit.text, "ask: Cannot allocate memory"));
    assert_int_equal(p.exit.code, 9);
    place_close(&p);

    place_open_as(&p, NULL, 65534);
    p.l.memory = 100000000;
    command_self(&p, "--ask", "400");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    assert_int_equal(p.exit.code, 0);
    place_close(&p);
}

/* It is the sum over all processes that counts; a parent that does not notice is ended.
 */
static void over_memory_together(void **state)
{
    (void)state;
    place_t p;
    char text[PATH_MAX + 200];
    place_open(&p);
    p.l.memory = ROOM * 1000000ull;
    snprintf(text, sizeof(text), "%sfor i in 1 2 3; do %s --eat %d & done; sleep 60",
             UNLIMITED, self(), PERIGEE_SANITIZED ? 200 : 80);
    const double begun = peri_now();
    place_sh(&p, text);
    place_run(&p);
    place_expect(&p, PERI_EXIT_MEMORY, "used more than the ");
    assert_true(peri_now() - begun < 40);
    place_close(&p);
}

static bool cgroups_left(const char *uuid)
{
    char *command = peri_xasprintf("find /sys/fs/cgroup -name '*%s*' 2>/dev/null", uuid);
    FILE *f = popen(command, "r");
    char line[256];
    const bool any = f && fgets(line, sizeof(line), f);
    if (f) pclose(f);
    free(command);
    return any;
}

static void no_cgroup_left(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.memory = 1000000000;
    place_sh(&p, "cat /proc/self/cgroup");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    if (!strstr(place_file(&p, "stdout"), p.uuid))
        print_message("SKIP: this machine lets us make no cgroup\n");
    assert_false(cgroups_left(p.uuid));
    place_close(&p);
}

/* ---- time ---- */

#define PATIENT_SH "echo $$ > ready; while :; do sleep 0.05; done"

static void over_time(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.time_limit = 3;
    p.l.warn_seconds = 1;
    p.l.warn_signal = SIGUSR2;
    place_sh(&p, "trap 'echo warned' USR2; trap 'echo told; exit 4' TERM; " PATIENT_SH);
    place_run(&p);
    place_expect(&p, PERI_EXIT_TIME,
                 "reached the time limit of 3 s; ask for more with "
                 "--time");
    assert_string_equal(place_file(&p, "stdout"), "warned\ntold\n");
    assert_true(p.has_warned);
    assert_int_equal(p.exit.code, 4);
    assert_int_equal(p.status, 4);
    place_close(&p);
}

static void warning_not_handled(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.time_limit = 60;
    p.l.warn_seconds = 59;
    p.l.warn_signal = SIGUSR1;
    place_sh(&p, "sleep 50");
    place_run(&p);
    place_expect(&p, PERI_EXIT_TIME,
                 "was ended by SIGUSR1 (signal 10, User defined signal "
                 "1), the warning that the time limit of 60 s is near");
    place_close(&p);
}

/* Exit status 75 after the warning: it has saved what it has. */
static void stopped_in_time(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.time_limit = 60;
    p.l.warn_seconds = 59;
    p.l.warn_signal = SIGUSR1;
    place_sh(&p, "trap 'echo saved >&2; exit 75' USR1; " PATIENT_SH);
    place_run(&p);
    place_expect(&p, PERI_EXIT_STOPPED, "stopped when it was warned");
    place_expect(&p, PERI_EXIT_STOPPED, "the end of its stderr: saved");
    assert_int_equal(p.exit.code, 75);
    place_close(&p);
    /* Unasked it is a failure: it would be started again for ever. */
    place_open(&p);
    place_sh(&p, "exit 75");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "exit status 75");
    place_close(&p);
}

/* SIGUSR1 to perigee-launch, as Slurm sends it, is the warning; only the first one. */
static void warned_by_the_scheduler(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.warn_signal = SIGUSR2;
    place_sh(&p,
             "trap 'echo warned; echo 1 > seen' USR2; trap 'exit 0' TERM; " PATIENT_SH);
    place_write(&p);
    pid_t pid = place_start(&p, NULL);
    await_pid(&p, "ready");
    kill(pid, SIGUSR1);
    await_pid(&p, "seen");
    kill(pid, SIGUSR1);
    poll(NULL, 0, 300);
    kill(pid, SIGTERM);
    assert_int_equal(place_wait(pid), 143);
    place_read(&p, NULL);
    place_expect(&p, PERI_EXIT_TERMINATED, "was told to end");
    assert_true(p.has_warned);
    assert_string_equal(place_file(&p, "stdout"), "warned\n");
    place_close(&p);
}

static void told_to_end(void **state)
{
    (void)state;
    static const int sigs[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < 3; i++) {
        place_t p;
        place_open(&p);
        place_sh(&p, PATIENT_SH);
        place_write(&p);
        pid_t pid = place_start(&p, NULL);
        pid_t program = await_pid(&p, "ready");
        kill(pid, sigs[i]);
        assert_int_equal(place_wait(pid), 128 + SIGTERM);
        assert_false(is_alive(program));
        place_read(&p, NULL);
        place_expect(&p, PERI_EXIT_TERMINATED, "was told to end");
        assert_int_equal(p.exit.signal, SIGTERM);
        place_close(&p);
    }
}

/* It does not want to; a second signal is for somebody in a hurry. */
static void told_twice(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    place_sh(&p, "trap '' TERM; trap 'echo 1 > told' HUP; " PATIENT_SH);
    place_write(&p);
    pid_t pid = place_start(&p, NULL);
    pid_t program = await_pid(&p, "ready");
    const double begun = peri_now();
    kill(pid, SIGTERM);
    poll(NULL, 0, 500);
    assert_true(is_alive(program));
    kill(pid, SIGTERM);
    assert_int_equal(place_wait(pid), 137);
    assert_true(peri_now() - begun < 8);
    assert_false(is_alive(program));
    place_read(&p, NULL);
    place_expect(&p, PERI_EXIT_TERMINATED, "was told to end, did not, and was killed");
    place_close(&p);
}

/* ---- what is left behind ---- */

/* A daemon of the program's: another session, no mark in its environment. */
#define DAEMON                                                                           \
    "setsid sh -c 'trap \"\" TERM HUP; echo $$ > daemon; exec env -i sleep 1000' "       \
    "> /dev/null 2>&1 & while [ ! -s daemon ]; do sleep 0.01; done; "

static void daemon_swept(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    place_sh(&p, DAEMON "exit 0");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    assert_false(is_alive(await_pid(&p, "daemon")));
    place_close(&p);
}

/* One that keeps stdout open does not keep us waiting for more than its end. */
static void open_output(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    place_sh(&p, "(setsid sleep 1000 &) ; echo done");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    assert_string_equal(place_file(&p, "stdout"), "done\n");
    place_close(&p);
}

static void launcher_killed_with(uint64_t memory, const char *text, int least)
{
    place_t p;
    peri_err_t err;
    if (in_sandbox()) skip(); /* there nothing lives on: test_sandbox */
    place_open(&p);
    p.l.memory = memory;
    place_sh(&p, text);
    place_write(&p);
    pid_t pid = place_start(&p, NULL);
    pid_t program = await_pid(&p, "ready"), daemon = await_pid(&p, "daemon");
    peri_claiminfo_t info;
    int dir = peri_folder_open(p.folder, &err);
    assert_int_equal(peri_claim_info(dir, &info, &err), 0);
    close(dir);
    assert_int_equal(info.pid, pid);
    assert_true(peri_claim_alive(&info));
    kill(pid, SIGKILL);
    assert_int_equal(place_wait(pid), 1000 + SIGKILL);
    assert_true(await_death(program));
    assert_false(peri_claim_alive(&info));
    assert_true(is_alive(daemon));

    char *mark = peri_task_mark(p.uuid, "main", 1, -1);
    char *other = peri_task_mark(p.uuid, "main", 1, 10);
    assert_int_equal(peri_task_sweep(other, getuid(), &err), 0);
    assert_true(is_alive(daemon));
    if (getuid() == 0 && memory == 0) {
        assert_int_equal(peri_task_sweep(mark, 65534, &err), 0);
        assert_true(is_alive(daemon));
    }
    assert_in_range(peri_task_sweep(mark, getuid(), &err), least, 10);
    assert_true(await_death(daemon));
    assert_int_equal(peri_task_sweep(mark, getuid(), &err), 0);
    assert_false(cgroups_left(p.uuid));
    free(mark);
    free(other);
    place_read(&p, NULL);
    assert_true(p.has_started && !p.has_exit);
    place_close(&p);
}

static void launcher_killed(void **state)
{
    (void)state;
    launcher_killed_with(
        0,
        "setsid sh -c 'trap \"\" TERM HUP; echo $$ > daemon; exec sleep 999' "
        "> /dev/null 2>&1 & " PATIENT_SH,
        1);
}

/* Where there are cgroups also one without a mark is found. */
static void launcher_killed_in_cgroup(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.memory = 1000000000;
    place_sh(&p, "cat /proc/self/cgroup");
    place_run(&p);
    const bool has = strstr(place_file(&p, "stdout"), p.uuid) != NULL;
    place_close(&p);
    if (has)
        launcher_killed_with(1000000000, DAEMON PATIENT_SH, 1);
    else
        print_message("SKIP: this machine lets us make no cgroup\n");
}

static void heartbeats(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    peri_record_t r;
    place_open(&p);
    place_sh(&p, "printf '25 %% of it\\n' > $PERIGEE_PROGRESS; " PATIENT_SH);
    place_write(&p);
    pid_t pid = place_start(&p, NULL);
    int dir = peri_folder_open(p.folder, &err), got = 0;
    double first = 0;
    for (int i = 0; i < 1000; i++) {
        got = peri_heartbeat_read(dir, p.arena, &r, &err);
        if (got > 0 && r.fraction == 0.25 && r.usage.cpu_seconds > 0) {
            if (first == 0) first = r.time;
            if (r.time > first) break;
        }
        poll(NULL, 0, 20);
    }
    assert_int_equal(got, 1);
    assert_string_equal(r.message, "of it");
    assert_true(r.fraction == 0.25 && r.time > first && first > 0);
    close(dir);
    kill(pid, SIGTERM);
    place_wait(pid);
    place_close(&p);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--eat") == 0) return eat(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--ask") == 0) return ask(argv[2]);
    /* What a killed perigee-launch leaves is collected here. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_memory),
        cmocka_unit_test(over_memory_without_cgroup),
        cmocka_unit_test(refused_memory),
        cmocka_unit_test(over_memory_together),
        cmocka_unit_test(no_cgroup_left),
        cmocka_unit_test(over_time),
        cmocka_unit_test(warning_not_handled),
        cmocka_unit_test(stopped_in_time),
        cmocka_unit_test(warned_by_the_scheduler),
        cmocka_unit_test(told_to_end),
        cmocka_unit_test(told_twice),
        cmocka_unit_test(daemon_swept),
        cmocka_unit_test(open_output),
        cmocka_unit_test(launcher_killed),
        cmocka_unit_test(launcher_killed_in_cgroup),
        cmocka_unit_test(heartbeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
