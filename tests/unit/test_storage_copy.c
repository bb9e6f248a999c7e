/* Copies in a volume: whole trees, holes, what ends them in between; deleting. */
#include "tests/unit/test_storage_volume.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static const peri_copying_t ANY = {.most = {UINT64_MAX, UINT64_MAX}};

static void test_copy(void **state)
{
    (void)state;
    peri_copied_t done;
    uint64_t made;
    must(peri_ops_mkdir(vol, "t/deep/er", true, &made, err));
    vol_write("t/a", "aaa"), vol_write("t/deep/b", "bb"), vol_write("t/deep/er/c", "");
    must(symlinkat("/etc/passwd", vol, "t/link"));
    must(mkfifoat(vol, "t/fifo", 0600));
    must(peri_ops_copy(vol, "t", vol, "u", &ANY, &done, err));
    assert_int_equal(done.skipped, 1);
    assert_int_equal(done.made.files, 7);
    assert_int_equal(done.made.bytes, 5);
    assert_string_equal(vol_read("u/deep/b"), "bb");
    char target[64] = "";
    assert_int_equal(readlinkat(vol, "u/link", target, 64), 11);
    assert_string_equal(target, "/etc/passwd");
    assert_true(vol_has("u/deep/er/c"));
    must_fail(PERI_ECONFLICT, peri_ops_copy(vol, "t", vol, "u", &ANY, &done, err));
    must(peri_ops_copy(vol, "t", vol, "t/deep/self", &ANY, &done, err));
    assert_string_equal(vol_read("t/deep/self/deep/b"), "bb");
    assert_false(vol_has("t/deep/self/deep/self"));
    must(peri_ops_copy(vol, "", vol, "all", &ANY, &done, err));
    assert_false(vol_has("all/.perigee"));
    assert_string_equal(vol_read("all/u/deep/b"), "bb");

    must(peri_ops_copy(vol, "t/a", vol, "t/copy", &ANY, &done, err));
    assert_string_equal(vol_read("t/copy"), "aaa");
    peri_copying_t over = ANY;
    over.overwrite = true;
    must(peri_ops_copy(vol, "t/deep/b", vol, "t/copy", &over, &done, err));
    assert_string_equal(vol_read("t/copy"), "bb");
    assert_int_equal(done.freed.bytes, 3);
    must_fail(PERI_EDENIED, peri_ops_copy(vol, "t/link", vol, "x", &ANY, &done, err));
    must_fail(PERI_EDENIED, peri_ops_copy(vol, "t/fifo", vol, "x", &ANY, &done, err));
    must_fail(PERI_ENOTFOUND, peri_ops_copy(vol, "none", vol, "x", &ANY, &done, err));

    /* No more than what was reserved, and then nothing at all. */
    peri_copying_t few = {.most = {4, 100}};
    must_fail(PERI_ELIMIT, peri_ops_copy(vol, "t", vol, "x", &few, &done, err));
    few.most = (peri_amount_t){100, 3};
    must_fail(PERI_ELIMIT, peri_ops_copy(vol, "t", vol, "x", &few, &done, err));
    assert_int_equal(done.made.files, 0);
    assert_false(vol_has("x"));
}

static void test_sparse(void **state)
{
    (void)state;
    peri_copied_t done;
    int fd = openat(vol, "sparse", O_RDWR | O_CREAT, 0644);
    assert_int_equal(ftruncate(fd, (off_t)1 << 32), 0);
    assert_int_equal(pwrite(fd, "middle", 6, (off_t)1 << 31), 6);
    assert_int_equal(pwrite(fd, "end", 3, ((off_t)1 << 32) - 3), 3);
    close(fd);
    assert_true(vol_amount("sparse").bytes < 1 << 20);
    must(peri_ops_copy(vol, "sparse", vol, "again", &ANY, &done, err));
    assert_true(done.made.bytes < 1 << 20);
    char text[8] = "";
    fd = openat(vol, "again", O_RDONLY);
    assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)1 << 32);
    assert_int_equal(pread(fd, text, 6, (off_t)1 << 31), 6);
    assert_string_equal(text, "middle");
    close(fd);
    /* A file with many names counts once. */
    char kb[2000];
    memset(kb, 'k', sizeof(kb));
    kb[sizeof(kb) - 1] = '\0';
    must(mkdirat(vol, "links", 0755));
    vol_write("links/0", kb);
    for (int i = 1; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "links/%d", i);
        must(linkat(vol, "links/0", vol, name, 0));
    }
    assert_int_equal(vol_amount("links").bytes, 1999);
    assert_int_equal(vol_amount("links").files, 201);
    peri_amount_t freed;
    must(peri_ops_delete(vol, "links", NULL, &freed, err));
    assert_int_equal(freed.bytes, 1999);
    assert_int_equal(freed.files, 201);
}

static bool stop_third(void *arg)
{
    return ++*(int *)arg > 3;
}

static void test_cancel(void **state)
{
    (void)state;
    uint64_t made;
    peri_copied_t done;
    int asked = 0;
    peri_stop_t stop = {stop_third, &asked};
    peri_copying_t how = ANY;
    how.stop = &stop;
    must(peri_ops_mkdir(vol, "a/b/c/d/e/f", true, &made, err));
    must_fail(PERI_ECANCEL, peri_ops_copy(vol, "a", vol, "x", &how, &done, err));
    assert_false(vol_has("x"));
    asked = 0;
    peri_amount_t freed, swept = {0};
    must(peri_ops_delete(vol, "a", &stop, &freed, err));
    assert_false(vol_has("a")); /* gone all the same, and swept later */
    must(peri_unfinished_sweep(vol, 3600, NULL, &swept, err));
    assert_int_equal(swept.files, 0);
    must(peri_unfinished_sweep(vol, 0, NULL, &swept, err));
    assert_int_equal(freed.files + swept.files, 6);
}

/* Deeper than any path of a user, as a job can make it; and with rights taken away. */
static void test_deep(void **state)
{
    (void)state;
    must(mkdirat(vol, "deep", 0755));
    int at = openat(vol, "deep", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 1200; i++) {
        must(mkdirat(at, "d", 0755));
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    must(fchmod(at, 0));
    close(at);
    peri_amount_t a;
    bool whole;
    must(peri_ops_amount(vol, "deep", 0, NULL, &a, &whole, err));
    assert_false(whole);
    peri_copied_t done;
    must_fail(PERI_EUNSUPP, peri_ops_copy(vol, "deep", vol, "x", &ANY, &done, err));
    peri_amount_t freed;
    must(peri_ops_delete(vol, "deep", NULL, &freed, err));
    assert_int_equal(freed.files, 1201);
    assert_false(vol_has("deep"));
}

/* 0: all is well, 77: no such disk can be made here. */
static int full_child(void)
{
    peri_amount_t before;
    peri_entry_t now;
    peri_copied_t done;
    peri_err_t err = {0};
    char *mb = peri_xcalloc(1, 1 << 20);
    if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("tmpfs", vol_dir, "tmpfs", 0, "size=512k"))
        return 77;
    int root = peri_path_open_root(vol_dir, NULL);
    if (peri_ops_put(root, "small", mb, 300000, &(peri_putting_t){0}, &before, &now,
                     NULL))
        return 1;
    if (!peri_ops_put(root, "small", mb, 1 << 20, &(peri_putting_t){0}, &before, &now,
                      &err) ||
        err.code != PERI_EFULL || !strstr(err.text, "disk is full"))
        return 2;
    if (!peri_ops_copy(root, "small", root, "copy", &ANY, &done, &err) ||
        err.code != PERI_EFULL || done.made.files)
        return 3;
    peri_amount_t all;
    bool whole;
    if (peri_ops_amount(root, "", 0, NULL, &all, &whole, NULL) || all.files != 1 ||
        all.bytes != 300000)
        return 4;
    /* What frees room is possible. */
    return peri_ops_delete(root, "small", NULL, &all, NULL) ? 5 : 0;
}

static void test_full(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0) _exit(full_child());
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_never(void **state)
{
    (void)state;
    peri_amount_t freed = {0};
    uint64_t made;
    must(peri_ops_mkdir(vol, "d/e", true, &made, err));
    static const char *const names[] = {"", ".", "..", "d/e", "/tmp"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        must_fail(PERI_EINTERNAL, peri_remove_at(vol, names[i], NULL, &freed, err));
    assert_true(vol_has("d/e"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, vol_setup, vol_teardown)
#define F(f) cmocka_unit_test_setup_teardown(f, vol_setup_fast, vol_teardown)
    const struct CMUnitTest tests[] = {T(test_copy), T(test_sparse), T(test_cancel),
                                       F(test_deep), T(test_never),  T(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
