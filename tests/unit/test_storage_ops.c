/* What can be done with files and folders of a volume. */
#include "tests/unit/test_storage_volume.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "portal/storage/trash.h"

#define MANY   100000
#define ROUNDS 25 /* of kill -9 */

/* ---- lists ---- */

static size_t list_names(const char *path, peri_listing_t how, char out[][64], size_t max)
{
    size_t n = 0;
    peri_arena_t *a = peri_arena_new();
    for (;;) {
        peri_page_t page;
        must(peri_ops_list(vol, path, &how, a, &page, err));
        assert_true(page.n <= how.limit);
        for (size_t i = 0; i < page.n && n < max; i++)
            snprintf(out[n++], 64, "%s", page.entry[i].name);
        how.after = page.next;
        if (!page.next) break;
    }
    peri_arena_free(a);
    return n;
}

static void assert_list(peri_listing_t how, const char *want)
{
    for (how.limit = 1; how.limit < 9; how.limit++) {
        char name[16][64], got[256] = "";
        size_t n = list_names("", how, name, 16);
        for (size_t i = 0; i < n; i++) {
            strcat(got, i ? " " : "");
            strcat(got, name[i]);
        }
        assert_string_equal(got, want);
    }
}

static void set_time(const char *path, time_t t)
{
    struct timespec ts[2] = {{.tv_sec = t}, {.tv_sec = t, .tv_nsec = 5}};
    assert_int_equal(utimensat(vol, path, ts, AT_SYMLINK_NOFOLLOW), 0);
}

static void test_list(void **state)
{
    (void)state;
    vol_write("b", "22");
    vol_write("a", "1");
    vol_write("c", "333");
    vol_write("\xc3\xa4", "1");
    must(mkdirat(vol, "z", 0755));
    must(mkdirat(vol, "y", 0755));
    must(symlinkat("/etc/passwd", vol, "l"));
    must(peri_path_open_private(vol, "trash", err) < 0);
    set_time("b", 100), set_time("a", 300), set_time("c", 200), set_time("\xc3\xa4", -5);
    set_time("z", 1), set_time("y", 2), set_time("l", 400);
    assert_list((peri_listing_t){.sort = PERI_SORT_NAME}, "y z a b c l \xc3\xa4");
    assert_list((peri_listing_t){.sort = PERI_SORT_NAME, .descending = true},
                "z y \xc3\xa4 l c b a");
    assert_list((peri_listing_t){.sort = PERI_SORT_SIZE}, "y z l a \xc3\xa4 b c");
    assert_list((peri_listing_t){.sort = PERI_SORT_TIME, .descending = true},
                "y z l a c b \xc3\xa4");

    peri_arena_t *a = peri_arena_new();
    peri_page_t page;
    must(peri_ops_list(vol, "", &(peri_listing_t){.limit = 100}, a, &page, err));
    assert_int_equal(page.total, 7);
    assert_null(page.next);
    assert_int_equal(page.entry[0].kind, PERI_ENTRY_FOLDER);
    assert_int_equal(page.entry[3].size, 2);
    assert_int_equal(page.entry[5].kind, PERI_ENTRY_LINK);
    assert_int_equal(page.entry[5].size, 0);

    /* Entries that come before the cursor move nothing; the cursor's own may be gone. */
    peri_listing_t how = {.limit = 4};
    must(peri_ops_list(vol, "", &how, a, &page, err));
    assert_string_equal(page.entry[3].name, "b");
    how.after = page.next;
    vol_write("aa", "");
    must(unlinkat(vol, "b", 0));
    must(peri_ops_list(vol, "", &how, a, &page, err));
    assert_string_equal(page.entry[0].name, "c");

    /* Names that no path can have are counted, not shown. */
    vol_write("new\nline", "");
    vol_write("\xff", "");
    must(peri_ops_list(vol, "", &(peri_listing_t){.limit = 100}, a, &page, err));
    assert_int_equal(page.unnamed, 2);
    assert_int_equal(page.n, 7);

    static const char *const bad[] = {
        "",       "x",      "n0f0.",  "n0f0.a/b",
        "s0f0.a", "n1f0.a", "n0q0.a", "n0f99999999999999999999.a",
        "n0f.a"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        must_fail(PERI_EINVAL,
                  peri_ops_list(vol, "", &(peri_listing_t){.limit = 1, .after = bad[i]},
                                a, &page, err));
    must_fail(PERI_EINVAL, peri_ops_list(vol, "", &(peri_listing_t){0}, a, &page, err));
    must_fail(PERI_ENOTFOUND,
              peri_ops_list(vol, "a", &(peri_listing_t){.limit = 1}, a, &page, err));
    must_fail(PERI_EDENIED,
              peri_ops_list(vol, "l/x", &(peri_listing_t){.limit = 1}, a, &page, err));
    peri_arena_free(a);
}

static void test_many(void **state)
{
    (void)state;
    must(mkdirat(vol, "many", 0755));
    int fd = openat(vol, "many", O_RDONLY | O_DIRECTORY);
    char name[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "f%06d", (i * 7919) % MANY);
        int f = openat(fd, name, O_WRONLY | O_CREAT, 0644);
        assert_true(f >= 0);
        close(f);
    }
    close(fd);
    peri_arena_t *a = peri_arena_new();
    static const char *const orders[] = {"name", "size", "time"};
    for (int sort = 0; sort < 3; sort++) {
        peri_page_t page;
        peri_listing_t how = {.sort = (peri_sort_t)sort, .limit = 200};
        double t = peri_now();
        must(peri_ops_list(vol, "many", &how, a, &page, err));
        t = peri_now() - t;
        print_message("a page of %d files by %s: %.0f ms\n", MANY, orders[sort], 1e3 * t);
        assert_int_equal(page.n, 200);
        assert_int_equal(page.total, MANY);
        assert_true(t < 5);
        if (sort == 2) continue;
        for (size_t i = 0; i < page.n; i++) {
            snprintf(name, sizeof(name), "f%06zu", i);
            assert_string_equal(page.entry[i].name, name);
        }
    }
    size_t seen = 0;
    peri_listing_t how = {.limit = PERI_LIST_MAX};
    for (const char *last = "";;) {
        peri_page_t page;
        must(peri_ops_list(vol, "many", &how, a, &page, err));
        for (size_t i = 0; i < page.n; i++, seen++) {
            assert_true(strcmp(last, page.entry[i].name) < 0);
            last = page.entry[i].name;
        }
        if (!(how.after = page.next)) break;
    }
    assert_int_equal(seen, MANY);
    peri_arena_free(a);
    peri_amount_t freed;
    must(peri_ops_delete(vol, "many", NULL, &freed, err));
    assert_int_equal(freed.files, MANY + 1);
    assert_false(vol_has("many"));
}

/* ---- folders, moves ---- */

static void test_mkdir(void **state)
{
    (void)state;
    uint64_t made;
    must_fail(PERI_ENOTFOUND, peri_ops_mkdir(vol, "a/b/c", false, &made, err));
    must(peri_ops_mkdir(vol, "a/b/c", true, &made, err));
    assert_int_equal(made, 3);
    must(peri_ops_mkdir(vol, "a/b/d/e", true, &made, err));
    assert_int_equal(made, 2);
    must(peri_ops_mkdir(vol, "a/b/c", true, &made, err));
    assert_int_equal(made, 0);
    must_fail(PERI_ECONFLICT, peri_ops_mkdir(vol, "a/b", false, &made, err));
    must_fail(PERI_EINVAL, peri_ops_mkdir(vol, "", false, &made, err));
    vol_write("a/file", "x");
    must(symlinkat("/tmp", vol, "a/link"));
    must_fail(PERI_ECONFLICT, peri_ops_mkdir(vol, "a/file", true, &made, err));
    must_fail(PERI_ECONFLICT, peri_ops_mkdir(vol, "a/file/x", true, &made, err));
    must_fail(PERI_ECONFLICT, peri_ops_mkdir(vol, "a/link/x", true, &made, err));
    assert_int_equal(vol_amount("").files, 7);
    assert_int_equal(vol_amount("").bytes, 1);
}

static void test_move(void **state)
{
    (void)state;
    peri_amount_t freed;
    uint64_t made;
    must(peri_ops_mkdir(vol, "a/b", true, &made, err));
    must(peri_ops_mkdir(vol, "full", true, &made, err));
    vol_write("a/x", "one"), vol_write("y", "two"), vol_write("full/z", "");
    must(peri_ops_move(vol, "a/x", vol, "a/b/x", false, &freed, err));
    assert_string_equal(vol_read("a/b/x"), "one");
    assert_false(vol_has("a/x"));
    must_fail(PERI_ECONFLICT, peri_ops_move(vol, "y", vol, "a/b/x", false, &freed, err));
    assert_string_equal(vol_read("y"), "two");
    must(peri_ops_move(vol, "y", vol, "a/b/x", true, &freed, err));
    assert_int_equal(freed.files, 1);
    assert_int_equal(freed.bytes, 3);
    assert_string_equal(vol_read("a/b/x"), "two");
    must_fail(PERI_EINVAL, peri_ops_move(vol, "a", vol, "a/b/c", false, &freed, err));
    must_fail(PERI_ECONFLICT, peri_ops_move(vol, "a", vol, "full", false, &freed, err));
    must_fail(PERI_ECONFLICT, peri_ops_move(vol, "a", vol, "full", true, &freed, err));
    must_fail(PERI_ECONFLICT,
              peri_ops_move(vol, "a/b/x", vol, "full", true, &freed, err));
    must_fail(PERI_ENOTFOUND, peri_ops_move(vol, "none", vol, "n", false, &freed, err));
    must_fail(PERI_ENOTFOUND, peri_ops_move(vol, "a", vol, "none/n", false, &freed, err));
    must_fail(PERI_EINVAL, peri_ops_move(vol, "", vol, "n", false, &freed, err));
    must_fail(PERI_EINVAL, peri_ops_move(vol, "a", vol, "", false, &freed, err));
    must(peri_ops_move(vol, "a", vol, "a", false, &freed, err));
    must(peri_ops_move(vol, "a", vol, "moved", false, &freed, err));
    assert_string_equal(vol_read("moved/b/x"), "two");
    /* A link goes as a link; two names of one file become one. */
    must(symlinkat("moved", vol, "l"));
    must(peri_ops_move(vol, "l", vol, "m", false, &freed, err));
    assert_true(vol_has("m"));
    must(linkat(vol, "moved/b/x", vol, "twin", 0));
    must(peri_ops_move(vol, "twin", vol, "moved/b/x", true, &freed, err));
    assert_string_equal(vol_read("moved/b/x"), "two");
    assert_false(vol_has("twin"));
}

/* ---- writing ---- */

typedef struct {
    const char *tag;
    char who;
    int rc;
    pthread_barrier_t *barrier;
} writer_t;

static void *put_thread(void *arg)
{
    writer_t *w = arg;
    peri_amount_t before;
    peri_entry_t now;
    pthread_barrier_wait(w->barrier);
    w->rc = peri_ops_put(vol, "race", &w->who, 1, &(peri_putting_t){.if_match = w->tag},
                         &before, &now, NULL);
    return NULL;
}

static void test_put(void **state)
{
    (void)state;
    peri_amount_t before;
    peri_entry_t now, same;
    char tag[PERI_ETAG_LEN], tag2[PERI_ETAG_LEN];
    must(peri_ops_put(vol, "f", "one", 3, &(peri_putting_t){0}, &before, &now, err));
    assert_int_equal(before.files, 0);
    assert_int_equal(now.size, 3);
    must(peri_ops_stat(vol, "f", &same, err));
    assert_string_equal(peri_etag(&now, tag), peri_etag(&same, tag2));
    must_fail(PERI_ECONFLICT,
              peri_ops_put(vol, "f", "no", 2, &(peri_putting_t){.only_new = true},
                           &before, &now, err));
    must(peri_ops_put(vol, "f", "four", 4, &(peri_putting_t){.if_match = tag}, &before,
                      &now, err));
    assert_int_equal(before.files, 1);
    assert_int_equal(before.bytes, 3);
    must_fail(PERI_ECONFLICT,
              peri_ops_put(vol, "f", "five5", 5, &(peri_putting_t){.if_match = tag},
                           &before, &now, err));
    must_fail(PERI_ECONFLICT,
              peri_ops_put(vol, "none", "x", 1, &(peri_putting_t){.if_match = "*"},
                           &before, &now, err));
    must_fail(PERI_ENOTFOUND, peri_ops_put(vol, "no/f", "x", 1, &(peri_putting_t){0},
                                           &before, &now, err));
    must(mkdirat(vol, "d", 0755));
    must_fail(PERI_ECONFLICT,
              peri_ops_put(vol, "d", "x", 1, &(peri_putting_t){0}, &before, &now, err));
    assert_string_equal(vol_read("f"), "four");
    must(peri_ops_put(vol, "empty", "", 0, &(peri_putting_t){0}, &before, &now, err));
    assert_int_equal(now.size, 0);
    /* A link is replaced, not followed. */
    must(symlinkat("f", vol, "l"));
    must(peri_ops_put(vol, "l", "link", 4, &(peri_putting_t){0}, &before, &now, err));
    assert_string_equal(vol_read("f"), "four");
    assert_string_equal(vol_read("l"), "link");

    /* Of two that saw the same version one writes. */
    for (int i = 0; i < 50; i++) {
        must(peri_ops_put(vol, "race", "0", 1, &(peri_putting_t){0}, &before, &now, err));
        peri_etag(&now, tag);
        pthread_barrier_t b;
        pthread_barrier_init(&b, NULL, 2);
        pthread_t t[2];
        writer_t w[2] = {{tag, 'a', 9, &b}, {tag, 'b', 9, &b}};
        for (int k = 0; k < 2; k++) pthread_create(&t[k], NULL, put_thread, &w[k]);
        for (int k = 0; k < 2; k++) pthread_join(t[k], NULL);
        pthread_barrier_destroy(&b);
        assert_int_equal(w[0].rc + w[1].rc, -1);
        assert_int_equal(vol_read("race")[0], w[0].rc == 0 ? 'a' : 'b');
    }
    /* Nothing is left over. */
    peri_arena_t *a = peri_arena_new();
    peri_page_t page;
    int fd = peri_path_open_private(vol, "unfinished", NULL);
    must(peri_ops_list(fd, "", &(peri_listing_t){.limit = 9}, a, &page, err));
    assert_int_equal(page.n, 0);
    close(fd);
    peri_arena_free(a);
}

/* ---- copies ---- */

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

/* ---- trash ---- */

static void test_trash(void **state)
{
    (void)state;
    char id[4][PERI_TRASH_ID + 1];
    peri_amount_t extra, freed;
    uint64_t made;
    must(peri_ops_mkdir(vol, "d/e", true, &made, err));
    vol_write("d/e/f", "text"), vol_write("g", "gg"), vol_write("h", "");
    peri_amount_t before = vol_amount("");
    must(peri_trash_put(vol, "d/e", "ana", id[0], &extra, err));
    must(peri_trash_put(vol, "g", "ana", id[1], &freed, err));
    must(peri_trash_put(vol, "h", "", id[2], &freed, err));
    assert_false(vol_has("d/e"));
    must_fail(PERI_ENOTFOUND, peri_trash_put(vol, "g", "ana", id[3], &freed, err));
    must_fail(PERI_EINVAL, peri_trash_put(vol, "", "ana", id[3], &freed, err));

    peri_arena_t *a = peri_arena_new();
    peri_trashed_t *list, one;
    size_t n;
    const char *next;
    must(peri_trash_list(vol, NULL, 2, a, &list, &n, &next, err));
    assert_int_equal(n, 2);
    assert_string_equal(list[0].path, "h");
    assert_string_equal(list[1].id, id[1]);
    assert_string_equal(list[1].by, "ana");
    must(peri_trash_list(vol, next, 2, a, &list, &n, &next, err));
    assert_int_equal(n, 1);
    assert_null(next);
    assert_string_equal(list[0].path, "d/e");
    assert_int_equal(list[0].entry.kind, PERI_ENTRY_FOLDER);
    assert_true(list[0].counted);
    assert_int_equal(list[0].amount.files, 2);
    assert_int_equal(list[0].amount.bytes, 4);
    assert_true(fabs(list[0].deleted - (double)time(NULL)) < 60);

    /* Its old place is taken, its folder is gone: nothing is lost. */
    vol_write("g", "new");
    must_fail(PERI_ECONFLICT, peri_trash_restore(vol, id[1], "g", &made, &freed, err));
    must(peri_trash_restore(vol, id[1], "g2", &made, &freed, err));
    assert_string_equal(vol_read("g2"), "gg");
    must(peri_ops_delete(vol, "d", NULL, &freed, err));
    must(peri_trash_restore(vol, id[0], "d/e", &made, &freed, err));
    assert_int_equal(made, 1);
    assert_int_equal(freed.files, extra.files);
    assert_int_equal(freed.bytes, extra.bytes);
    assert_string_equal(vol_read("d/e/f"), "text");
    must_fail(PERI_ENOTFOUND, peri_trash_restore(vol, id[0], "q", &made, &freed, err));
    must_fail(PERI_ENOTFOUND, peri_trash_get(vol, "../../x", a, &one, err));
    must_fail(PERI_ENOTFOUND, peri_trash_delete(vol, "..", NULL, &freed, err));
    freed = (peri_amount_t){0};
    must(peri_trash_delete(vol, id[2], NULL, &freed, err));
    assert_int_equal(freed.files, 3);
    must(unlinkat(vol, "g", 0));
    assert_int_equal(vol_amount("").bytes, before.bytes);

    /* A job has written what it likes. */
    must(peri_trash_put(vol, "g2", "ana", id[0], &extra, err));
    char path[128];
    snprintf(path, sizeof(path), ".perigee/trash/%s/info.json", id[0]);
    vol_write(path,
              "{\"path\":\"../../etc/x\",\"by\":\"\\n\",\"amount\":{\"bytes\":-1}}");
    must(peri_trash_get(vol, id[0], a, &one, err));
    assert_null(one.path);
    assert_string_equal(one.by, "");
    assert_false(one.counted);
    must(unlinkat(vol, path, 0));
    must(symlinkat("/etc/passwd", vol, path));
    must(peri_trash_get(vol, id[0], a, &one, err));
    assert_null(one.path);
    must(peri_trash_restore(vol, id[0], "back", &made, &freed, err));

    bool more;
    for (int i = 0; i < 3; i++) {
        vol_write("x", "x");
        must(peri_trash_put(vol, "x", "ana", id[i], &extra, err));
    }
    freed = (peri_amount_t){0};
    must(peri_trash_empty(vol, (double)time(NULL) - 60, NULL, &freed, &more, err));
    assert_int_equal(freed.files, 0);
    must(peri_trash_empty(vol, HUGE_VAL, NULL, &freed, &more, err));
    assert_int_equal(freed.files, 9);
    assert_false(more);
    must(peri_trash_list(vol, NULL, 2, a, &list, &n, &next, err));
    assert_int_equal(n, 0);
    peri_arena_free(a);
}

/* ---- kill -9 ---- */

/* Killed at any time while it copies, moves to the trash, back and deletes: each name is
 * there with all it has, or not at all. */
static void crash_child(void)
{
    for (;;) {
        peri_copied_t done;
        peri_amount_t x;
        uint64_t made;
        char id[PERI_TRASH_ID + 1];
        if (peri_ops_copy(vol, "tree", vol, "copy", &ANY, &done, NULL)) _exit(1);
        if (peri_trash_put(vol, "copy", "ana", id, &x, NULL)) _exit(2);
        if (peri_trash_restore(vol, id, "back", &made, &x, NULL)) _exit(3);
        if (peri_ops_delete(vol, "back", NULL, &x, NULL)) _exit(4);
    }
}

static void test_crash(void **state)
{
    (void)state;
    uint64_t made;
    peri_amount_t freed;
    bool more;
    must(peri_ops_mkdir(vol, "tree/sub", true, &made, err));
    char *big = peri_xcalloc(1, 4 << 20);
    memset(big, 'b', (4 << 20) - 1);
    vol_write("tree/big", big), vol_write("tree/sub/big", big);
    free(big);
    peri_amount_t whole = vol_amount("tree");
    int copies = 0, backs = 0, trashed = 0;
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = fork();
        if (pid == 0) crash_child();
        usleep((useconds_t)(500 + i * 1700));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        peri_arena_t *a = peri_arena_new();
        peri_trashed_t *list;
        size_t n;
        const char *next;
        must(peri_trash_list(vol, NULL, 9, a, &list, &n, &next, err));
        for (size_t k = 0; k < n; k++) {
            assert_string_equal(list[k].path, "copy");
            must(peri_trash_restore(vol, list[k].id, "restored", &made, &freed, err));
            trashed++;
            assert_int_equal(vol_amount("restored").bytes, whole.bytes);
            assert_int_equal(vol_amount("restored").files, whole.files);
            must(peri_ops_delete(vol, "restored", NULL, &freed, err));
        }
        peri_arena_free(a);
        static const char *const names[] = {"copy", "back"};
        for (int k = 0; k < 2; k++) {
            if (!vol_has(names[k])) continue;
            *(k ? &backs : &copies) += 1;
            peri_amount_t is = vol_amount(names[k]);
            assert_int_equal(is.bytes, whole.bytes);
            assert_int_equal(is.files, whole.files);
            must(peri_ops_delete(vol, names[k], NULL, &freed, err));
        }
        must(peri_unfinished_sweep(vol, 0, NULL, &freed, err));
        must(peri_trash_empty(vol, HUGE_VAL, NULL, &freed, &more, err));
        /* .perigee, its two folders, and the tree */
        assert_true(vol_amount("").files <= whole.files + 3);
    }
    print_message("killed %d times: %d whole copies, %d in the trash, %d back\n", ROUNDS,
                  copies, trashed, backs);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, vol_setup, vol_teardown)
#define F(f) cmocka_unit_test_setup_teardown(f, vol_setup_fast, vol_teardown)
    const struct CMUnitTest tests[] = {
        T(test_list), F(test_many),   T(test_mkdir),  T(test_move), F(test_put),
        T(test_copy), T(test_sparse), T(test_cancel), F(test_deep), T(test_never),
        T(test_full), T(test_trash),  T(test_crash)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
