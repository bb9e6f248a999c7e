/* test_launch_ends.c - each way in which a program can end, and the sentence for it. */
#include <sched.h>
#include <sys/mount.h>

#include "test_launch_fixture.h"

/* Runs a shell's text and expects an end. */
static void sh_ends(const char *text, peri_exitkind_t kind, const char *says, int code,
                    int sig, int status)
{
    place_t p;
    place_open(&p);
    place_sh(&p, text);
    place_run(&p);
    place_expect(&p, kind, says);
    assert_true(p.has_started);
    assert_int_equal(p.exit.code, code);
    assert_int_equal(p.exit.signal, sig);
    assert_int_equal(p.status, status);
    place_close(&p);
}

static void success(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    place_sh(
        &p,
        "echo out; echo err >&2; pwd; echo 0.5 half > $PERIGEE_PROGRESS;"
        "echo '{\"rows\":5,\"local_bytes\":70}' > $PERIGEE_REPORT; read x || echo eof");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    assert_string_equal(p.exit.text, "");
    assert_int_equal(p.status, 0);
    assert_int_equal(p.exit.code, 0);
    char *expected = peri_xasprintf("out\n%s\neof\n", p.folder);
    assert_string_equal(place_file(&p, "stdout"), expected);
    free(expected);
    assert_string_equal(place_file(&p, "stderr"), "err\n");
    assert_int_equal(p.exit.usage.rows, 5);
    assert_int_equal(p.exit.usage.local_bytes, 70);
    assert_true(p.last_fraction == 0.5);
    assert_true(p.exit.usage.memory_peak > 0);
    /* Nothing is left of what it needed itself. */
    char *path = peri_xasprintf("%s/reserve", p.folder);
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    place_close(&p);
}

static void exit_status(void **state)
{
    (void)state;
    sh_ends("echo one >&2; printf 'la\\033st\\377\\n \\n' >&2; exit 3", PERI_EXIT_DONE,
            "the program ended with exit status 3; the end of its stderr: la st?", 3, 0,
            3);
    sh_ends("exit 137", PERI_EXIT_DONE, "exit status 137 (as after SIGKILL)", 137, 0,
            137);
}

static void by_signal(void **state)
{
    (void)state;
    sh_ends("kill -SEGV $$", PERI_EXIT_SIGNAL,
            "ended by SIGSEGV (signal 11, Segmentation fault)", 0, SIGSEGV,
            128 + SIGSEGV);
    sh_ends("echo why >&2; kill -KILL $$", PERI_EXIT_SIGNAL, "SIGKILL", 0, SIGKILL, 137);
}

/* ---- programs that cannot be started ---- */

static void one_word_ends(place_t *p, const char *word, const char *says, int status)
{
    place_command(p, word, NULL, NULL);
    place_run(p);
    place_expect(p, PERI_EXIT_NO_PROGRAM, says);
    assert_int_equal(p->status, status);
    assert_true(p->has_started);
}

static void with_file(const char *text, mode_t mode, const char *says, int status)
{
    place_t p;
    peri_err_t err;
    place_open(&p);
    char *path = peri_xasprintf("%s/prog", p.folder);
    assert_int_equal(peri_file_write_atomic(path, text, strlen(text), &err), 0);
    assert_int_equal(chmod(path, mode), 0);
    one_word_ends(&p, "./prog", says, status);
    free(path);
    place_close(&p);
}

static void no_program(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    one_word_ends(&p, "./missing", "no such program: ./missing (in /tmp/", 127);
    place_close(&p);
    place_open(&p);
    one_word_ends(&p, "/no/such/program",
                  "no such program: /no/such/program; is the path "
                  "right on node ",
                  127);
    place_close(&p);
    place_open(&p);
    one_word_ends(&p, "no-such-word", "no-such-word is in none of the folders of PATH",
                  127);
    place_close(&p);
    place_open(&p);
    one_word_ends(&p, "/tmp", "/tmp is a folder, not a program", 126);
    place_close(&p);
    with_file("#!/bin/sh\n", 0644, "./prog is not executable", 126);
    with_file(
        "#!/no/such/shell -x\n", 0755,
        "the interpreter /no/such/shell, which the first line of ./prog names, does "
        "not exist",
        127);
    with_file("#!/bin/sh\r\necho\r\n", 0755, "lines that end as on Windows", 127);
    with_file("#!/etc/passwd\n", 0755, "the interpreter /etc/passwd", 126);
    with_file("echo hello\n", 0755, "is no program that node", 126);
}

static void wrong_folder(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.dir = "/no/such/folder";
    one_word_ends(&p, "true", "the working folder /no/such/folder does not exist on node",
                  127);
    place_close(&p);
    place_open(&p);
    p.l.dir = "/etc/passwd";
    one_word_ends(&p, "true", "is not a folder", 127);
    place_close(&p);
}

/* ---- output ---- */

static void long_output(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.output_max = 1000;
    place_sh(&p,
             "head -c 3000000 /dev/zero | tr '\\0' x; "
             "head -c 1000 /dev/zero | tr '\\0' y >&2; echo >&2; echo last >&2; exit 1");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE,
                 "the end of its stderr: last"); /* also what was not kept */
    const char *out = place_file(&p, "stdout"), *err = place_file(&p, "stderr");
    assert_int_equal(strspn(out, "x"), 1000);
    assert_string_equal(out + 1000,
                        "\n[perigee: 3.0 MB more were written; only the first 1.0 kB are "
                        "kept]\n");
    assert_int_equal(strspn(err, "y"), 1000);
    assert_non_null(strstr(err, "6 B more were written"));
    place_close(&p);
}

/* The files of the task are links, made by its owner. */
static void links_in_the_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"stdout", "stderr", "records"};
    for (size_t i = 0; i < 3; i++) {
        place_t p;
        peri_err_t err;
        place_open(&p);
        char *target = peri_xasprintf("%s/target", p.root);
        char *link = peri_xasprintf("%s/%s", p.folder, names[i]);
        assert_int_equal(peri_file_write_atomic(target, "kept", 4, &err), 0);
        assert_int_equal(symlink(target, link), 0);
        place_sh(&p, "echo run > ran; echo out; echo err >&2");
        place_write(&p);
        assert_int_equal(place_wait(place_start(&p, NULL)), 125);
        assert_string_equal(place_file(&p, target), "kept");
        assert_string_equal(place_file(&p, "ran"), "");
        if (i < 2) {
            place_read(&p, NULL);
            place_expect(&p, PERI_EXIT_FAULT, "there is something else in its place");
        }
        unlink(target);
        free(target);
        free(link);
        place_close(&p);
    }
}

/* ---- disks that are full ---- */

static bool small_disk(const char *at, const char *options)
{
    if (getuid() != 0 || unshare(CLONE_NEWNS) ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) || mkdir(at, 0755) ||
        mount("perigee-test", at, "tmpfs", 0, options)) {
        print_message("SKIP: no file system can be mounted here\n");
        rmdir(at);
        return false;
    }
    return true;
}

static void away_with_disk(const char *at)
{
    assert_int_equal(umount2(at, MNT_DETACH), 0);
    assert_int_equal(rmdir(at), 0);
}

static void disk_full(void **state)
{
    (void)state;
    char at[64];
    place_t p;
    snprintf(at, sizeof(at), "/tmp/perigee-test-disk-%d", (int)getpid());

    /* Its output, while it ends well: what there is room for is kept. */
    if (!small_disk(at, "size=512k")) return;
    place_open_as(&p, at, 0);
    place_sh(&p,
             "echo begin; head -c 2000000 /dev/zero | tr '\\0' x; sleep 0.5; echo end");
    place_run(&p);
    place_expect(&p, PERI_EXIT_NO_SPACE,
                 "of its output could not be written: the file "
                 "system /tmp/perigee-test-disk-");
    assert_non_null(strstr(p.exit.text, "is full"));
    assert_int_equal(p.status, 125);
    assert_int_equal(strncmp(place_file(&p, "stdout"), "begin\nxxx", 9), 0);
    place_close(&p);
    away_with_disk(at);

    /* Its results, while it says so. */
    assert_true(small_disk(at, "size=1m"));
    place_open_as(&p, at, 0);
    place_sh(&p,
             "dd if=/dev/zero of=$PERIGEE_RESULTS/x bs=64k 2>&1 | head -1 >&2; exit 1");
    place_run(&p);
    place_expect(&p, PERI_EXIT_NO_SPACE,
                 "is full: 0 B of 1.0 MB are free; the program "
                 "ended with exit status 1; the end of its "
                 "stderr: dd: ");
    assert_int_equal(p.status, 1);
    place_close(&p);
    away_with_disk(at);

    /* Its results, while it says nothing; and there is no room for another file. */
    assert_true(small_disk(at, "size=1m,nr_inodes=40"));
    place_open_as(&p, at, 0);
    place_sh(
        &p,
        "for i in $(seq 100); do : > $PERIGEE_RESULTS/$i || exit 7; done 2>/dev/null");
    place_run(&p);
    place_expect(&p, PERI_EXIT_NO_SPACE, "has no room for another file");
    place_close(&p);
    away_with_disk(at);
}

/* ---- where it works ---- */

static void folder_gone(void **state)
{
    (void)state;
    place_t p;
    char dir[] = "/tmp/perigee-test-gone-XXXXXX";
    if (in_sandbox()) skip(); /* there are no such folders */
    assert_non_null(mkdtemp(dir));
    place_open(&p);
    p.l.dir = dir;
    char *text = peri_xasprintf("rmdir %s && echo away", dir);
    place_sh(&p, text);
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    assert_int_equal(p.status, 0);
    assert_string_equal(place_file(&p, "stdout"), "away\n");
    free(text);
    place_close(&p);
    rmdir(dir);
}

static void folder_read_only(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    p.l.dir = "/proc";
    place_sh(&p, "pwd; echo x > here");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "exit status 2");
    assert_string_equal(place_file(&p, "stdout"), "/proc\n");
    place_close(&p);
}

static void accounts(void **state)
{
    (void)state;
    place_t p;
    place_open(&p);
    /* The bytes are those of grandchildren, also of one that nobody waits for. */
    place_sh(&p, "dd if=/dev/zero of=/dev/null bs=1M count=50 2>/dev/null; "
                 "(dd if=/dev/zero of=/dev/null bs=1M count=30 2>/dev/null &); "
                 "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.5");
    place_run(&p);
    place_expect(&p, PERI_EXIT_DONE, "");
    const uint64_t all = 80u << 20;
    assert_in_range(p.exit.usage.bytes_read, all, all + (4 << 20));
    assert_in_range(p.exit.usage.bytes_written, all, all + (4 << 20));
    assert_true(p.exit.usage.cpu_seconds > 0.02);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success),
        cmocka_unit_test(exit_status),
        cmocka_unit_test(by_signal),
        cmocka_unit_test(no_program),
        cmocka_unit_test(wrong_folder),
        cmocka_unit_test(long_output),
        cmocka_unit_test(links_in_the_folder),
        cmocka_unit_test(folder_gone),
        cmocka_unit_test(folder_read_only),
        cmocka_unit_test(accounts),
        cmocka_unit_test(disk_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
