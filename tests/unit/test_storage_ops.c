/* What can be done with files and folders of a volume. */
#include "tests/unit/test_storage_volume.h"

#include <pthread.h>

#define MANY 100000

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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, vol_setup, vol_teardown)
#define F(f) cmocka_unit_test_setup_teardown(f, vol_setup_fast, vol_teardown)
    const struct CMUnitTest tests[] = {T(test_list), F(test_many), T(test_mkdir),
                                       T(test_move), F(test_put)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
