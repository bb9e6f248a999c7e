/* test_launch_claim.c - of many that start a task, one runs it; or none. */
#include "test_launch_fixture.h"

enum { RACERS = 20, ROUNDS = PERIGEE_SANITIZED ? 8 : 50 };

static void one_runs(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        place_t p;
        pid_t pids[RACERS];
        place_open(&p);
        place_sh(&p, "echo ran >> ran; exit 7");
        place_write(&p);
        for (int i = 0; i < RACERS; i++) pids[i] = place_start(&p, NULL);
        int ran = 0;
        for (int i = 0; i < RACERS; i++) {
            const int status = place_wait(pids[i]);
            assert_true(status == 0 || status == 7);
            ran += status == 7;
        }
        assert_int_equal(ran, 1);
        assert_string_equal(place_file(&p, "ran"), "ran\n");
        place_read(&p, NULL); /* one started, one exit */
        place_expect(&p, PERI_EXIT_DONE, "exit status 7");
        place_close(&p);
    }
}

/* The daemon wants it not to run, at the same time: exactly one of them has it. */
static void daemon_against_launchers(void **state)
{
    (void)state;
    int daemons = 0;
    for (int round = 0; round < ROUNDS; round++) {
        place_t p;
        peri_err_t err;
        pid_t pids[3];
        place_open(&p);
        place_sh(&p, "echo ran >> ran");
        place_write(&p);
        int dir = peri_folder_open(p.folder, &err);
        for (int i = 0; i < 3; i++) pids[i] = place_start(&p, NULL);
        poll(NULL, 0, round % 8);
        int mine = peri_claim_take(dir, PERI_CLAIM_DAEMON, "daemon cancel", &err);
        for (int i = 0; i < 3; i++) assert_int_equal(place_wait(pids[i]), 0);
        assert_in_range(mine, 0, 1);
        place_read(&p, NULL);
        assert_string_equal(place_file(&p, "ran"), mine ? "" : "ran\n");
        assert_int_equal(p.has_started, !mine);
        daemons += mine;
        close(dir);
        place_close(&p);
    }
    print_message("the daemon had %d of %d\n", daemons, ROUNDS);
}

static void claimed_before(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    place_open(&p);
    place_sh(&p, "echo ran > ran");
    place_write(&p);
    int dir = peri_folder_open(p.folder, &err);
    assert_int_equal(peri_claim_take(dir, PERI_CLAIM_DAEMON, "daemon cancel", &err), 1);
    close(dir);
    assert_int_equal(place_wait(place_start(&p, NULL)), 0);
    assert_string_equal(place_file(&p, "ran"), "");
    place_read(&p, NULL);
    assert_false(p.has_started || p.has_exit);
    place_close(&p);
}

/* A job that Slurm starts again after its node failed does not run twice. */
static void requeued(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    place_sh(&p, "echo ran >> ran");
    place_write(&p);
    setenv("SLURM_JOB_ID", "4711", 1);
    setenv("SLURM_JOB_NODELIST", "n[1-2,07],m", 1);
    assert_int_equal(place_wait(place_start(&p, NULL)), 0);
    assert_non_null(strstr(place_file(&p, "claim"), "\"slurm 4711 restart 0\""));
    assert_non_null(strstr(place_file(&p, "records"), "\"nodes\":\"n1,n2,n07,m\""));
    assert_non_null(strstr(place_file(&p, "records"), "\"scheduler\":\"slurm 4711\""));
    setenv("SLURM_RESTART_COUNT", "1", 1);
    assert_int_equal(place_wait(place_start(&p, NULL)), 0);
    unsetenv("SLURM_RESTART_COUNT"); /* even if it says to be the same */
    assert_int_equal(place_wait(place_start(&p, NULL)), 0);
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_JOB_NODELIST");
    assert_string_equal(place_file(&p, "ran"), "ran\n");
    place_read(&p, NULL);
    place_close(&p);
}

static void nothing_to_run(void **state)
{
    (void)state;
    place_t p;
    place_open(&p); /* no launch.json */
    assert_int_equal(place_wait(place_start(&p, NULL)), 125);
    assert_string_equal(place_file(&p, "claim"), "");
    peri_err_t err;
    char *path = peri_xasprintf("%s/launch.json", p.attempt);
    assert_int_equal(peri_file_write_atomic(path, "{\"uuid\":7", 9, &err), 0);
    free(path);
    assert_int_equal(place_wait(place_start(&p, NULL)), 125);
    assert_string_equal(place_file(&p, "claim"), "");
    place_sh(&p, "true");
    place_write(&p);
    assert_int_equal(place_wait(place_start(&p, "5")), 125); /* no such folder */
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_runs),       cmocka_unit_test(daemon_against_launchers),
        cmocka_unit_test(claimed_before), cmocka_unit_test(requeued),
        cmocka_unit_test(nothing_to_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
