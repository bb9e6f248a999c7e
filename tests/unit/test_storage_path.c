/* Paths of users: which are taken, and that none leaves its volume, also while someone
 * swaps folders for links. Everything with openat2 and with the walk that replaces it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/path.h"

#define RACE_PATIENCE 60
#define RACE_SECONDS  0.4

static char base[64]; /* base/volume, base/outside */
static int root = -1;

static void write_text(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int setup(void **state)
{
    (void)state;
    snprintf(base, sizeof(base), "/tmp/peri-path-XXXXXX");
    assert_non_null(mkdtemp(base));
    char path[128];
    snprintf(path, sizeof(path), "%s/volume", base);
    assert_int_equal(mkdir(path, 0755), 0);
    root = peri_path_open_root(path, NULL);
    assert_true(root >= 0);
    snprintf(path, sizeof(path), "%s/outside", base);
    assert_int_equal(mkdir(path, 0755), 0);
    int out = open(path, O_RDONLY | O_DIRECTORY);
    write_text(out, "secret", "out");
    close(out);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(root);
    peri_folder_sweep(base);
    peri_path_use_walk(false);
    return 0;
}

static void assert_clean(const char *in, size_t len, const char *want)
{
    peri_arena_t *a = peri_arena_new();
    peri_err_t err = {0};
    const char *got = peri_path_clean(a, in, len, &err);
    if (want) {
        if (!got) fail_msg("\"%s\" is refused: %s", in, err.text);
        assert_string_equal(got, want);
    } else {
        if (got) fail_msg("\"%s\" is taken as \"%s\"", in, got);
        assert_int_equal(err.code, PERI_EINVAL);
        assert_true(strlen(err.text) > 10);
        assert_true(peri_utf8_valid(err.text, strlen(err.text)));
    }
    peri_arena_free(a);
}

static void test_clean(void **state)
{
    (void)state;
    static const char *const good[][2] = {{"", ""},
                                          {"/", ""},
                                          {"a", "a"},
                                          {"/a/b/", "a/b"},
                                          {"...", "..."},
                                          {"a/..b/.c", "a/..b/.c"},
                                          {"sub/.perigee", "sub/.perigee"},
                                          {".perigee2/x", ".perigee2/x"},
                                          {"\xc3\xa4\xe2\x82\xac \xf0\x9f\x8c\x8c",
                                           "\xc3\xa4\xe2\x82\xac \xf0\x9f\x8c\x8c"},
                                          {"a\\b:c*?\"<>|'$(x)", "a\\b:c*?\"<>|'$(x)"},
                                          {"%2e%2e", "%2e%2e"},
                                          {"\xc2\xa0x", "\xc2\xa0x"}};
    static const char *const bad[] = {
        ".",        "..",           "a/..",           "../a",
        "a/../b",   "a/./b",        "a//b",           "//a",
        "a//",      "/..",          "a\nb",           "\x1b[31m",
        "a\x7f",    "\xc2\x85",     "\xff",           "\xc0\xae.",
        "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82",       "a/\xc3/b",
        ".perigee", "/.perigee/",   ".perigee/trash", "\xf5\x80\x80\x80",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_clean(good[i][0], strlen(good[i][0]), good[i][1]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_clean(bad[i], strlen(bad[i]), NULL);
    assert_clean("a\0b", 3, NULL);
    assert_clean("a/\0", 3, NULL);

    char name[PERI_NAME_MAX + 2], deep[2 * PERI_PATH_LEVELS + 4], *longest;
    memset(name, 'x', sizeof(name));
    assert_clean(name, PERI_NAME_MAX + 1, NULL);
    name[PERI_NAME_MAX] = '\0';
    assert_clean(name, PERI_NAME_MAX, name);
    for (size_t i = 0; i < sizeof(deep); i++) deep[i] = i % 2 ? '/' : 'd';
    assert_clean(deep, 2 * PERI_PATH_LEVELS + 1, NULL);
    deep[2 * PERI_PATH_LEVELS - 1] = '\0';
    assert_clean(deep, 2 * PERI_PATH_LEVELS - 1, deep);
    longest = peri_xcalloc(1, PERI_PATH_MAX + 2);
    for (size_t i = 0; i <= PERI_PATH_MAX; i++) longest[i] = i % 200 == 199 ? '/' : 'y';
    assert_clean(longest, PERI_PATH_MAX + 1, NULL);
    longest[PERI_PATH_MAX] = '\0';
    assert_clean(longest, PERI_PATH_MAX, longest);
    free(longest);
}

static void test_within(void **state)
{
    (void)state;
    assert_true(peri_path_within("a/b", ""));
    assert_true(peri_path_within("a/b", "a"));
    assert_true(peri_path_within("a", "a"));
    assert_false(peri_path_within("ab", "a"));
    assert_false(peri_path_within("a", "a/b"));
    assert_string_equal(peri_path_name("a/b"), "b");
    assert_string_equal(peri_path_name("a"), "a");
    assert_string_equal(peri_path_name(""), "");
}

static void expect(int fd, peri_code_t want, const peri_err_t *err, const char *what)
{
    if (fd >= 0) {
        close(fd);
        fail_msg("%s was opened", what);
    }
    if (err->code != want)
        fail_msg("%s: code %d, \"%s\"", what, (int)err->code, err->text);
}

static void check_refused(void)
{
    peri_err_t err = {0};
    struct stat st;
    static const char *const links[] = {"up", "abs", "out", "in", "self"};
    for (size_t i = 0; i < 5; i++) {
        const char *l = links[i];
        char below[64];
        snprintf(below, sizeof(below), "%s/secret", l);
        expect(peri_path_open_file(root, below, O_RDONLY, &err), PERI_EDENIED, &err,
               below);
        expect(peri_path_open_file(root, l, O_RDONLY, &err), PERI_EDENIED, &err, l);
        expect(peri_path_open_file(root, l, O_WRONLY | O_CREAT, &err), PERI_EDENIED, &err,
               l);
        expect(peri_path_open_file(root, below, O_WRONLY | O_CREAT, &err), PERI_EDENIED,
               &err, below);
        int fd = peri_path_open_folder(root, l, &err);
        if (fd >= 0) fail_msg("folder %s was opened", l);
        const char *name;
        expect(peri_path_open_parent(root, below, &name, &err), err.code, &err, below);
        assert_int_equal(peri_path_stat(root, l, &st, &err), 0);
        assert_true(S_ISLNK(st.st_mode));
        assert_int_equal(peri_path_stat(root, below, &st, &err), -1);
    }
    expect(peri_path_open_file(root, "fifo", O_RDONLY, &err), PERI_EDENIED, &err, "fifo");
    expect(peri_path_open_file(root, "fifo", O_WRONLY, &err), PERI_EDENIED, &err,
           "fifo w");
    expect(peri_path_open_file(root, "sock", O_RDONLY, &err), PERI_EDENIED, &err, "sock");
    expect(peri_path_open_file(root, "dir", O_RDONLY, &err), PERI_EINVAL, &err, "dir");
    expect(peri_path_open_file(root, "none", O_RDONLY, &err), PERI_ENOTFOUND, &err,
           "none");
    expect(peri_path_open_file(root, "none/x", O_RDONLY, &err), PERI_ENOTFOUND, &err,
           "none/x");
    expect(peri_path_open_file(root, "file/x", O_RDONLY, &err), PERI_ENOTFOUND, &err,
           "file/x");
    expect(peri_path_open_folder(root, "file", &err), PERI_ENOTFOUND, &err, "file");
    if (access("/dev/null", F_OK) == 0 &&
        mknodat(root, "null", S_IFCHR | 0666, 0x103) == 0)
        expect(peri_path_open_file(root, "null", O_RDONLY, &err), PERI_EDENIED, &err,
               "a device");
    unlinkat(root, "null", 0);
    int fd = peri_path_open_file(root, "dir/new", O_WRONLY | O_CREAT | O_EXCL, &err);
    assert_true(fd >= 0);
    close(fd);
    unlinkat(root, "dir/new", 0);
    const char *name;
    fd = peri_path_open_parent(root, "dir/sub/x", &name, &err);
    assert_true(fd >= 0);
    assert_string_equal(name, "x");
    close(fd);
    expect(peri_path_open_parent(root, "", &name, &err), PERI_EINVAL, &err,
           "parent of top");
}

static void test_refused(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/outside", base);
    assert_int_equal(symlinkat("..", root, "up"), 0);
    assert_int_equal(symlinkat(path, root, "abs"), 0);
    assert_int_equal(symlinkat("../outside", root, "out"), 0);
    assert_int_equal(symlinkat("dir", root, "in"), 0);
    assert_int_equal(symlinkat("self", root, "self"), 0);
    assert_int_equal(mkdirat(root, "dir", 0755), 0);
    assert_int_equal(mkdirat(root, "dir/sub", 0755), 0);
    write_text(root, "dir/secret", "in");
    write_text(root, "file", "in");
    assert_int_equal(mkfifoat(root, "fifo", 0666), 0);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/volume/sock", base);
    assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
    close(s);
    for (int walk = 0; walk < 2; walk++) {
        peri_path_use_walk(walk);
        check_refused();
    }
}

static void test_private(void **state)
{
    (void)state;
    peri_err_t err = {0};
    int a = peri_path_open_private(root, "trash", &err);
    int b = peri_path_open_private(root, "trash", &err);
    assert_true(a >= 0 && b >= 0);
    close(a);
    close(b);
    /* A job of the user may put a link there. */
    assert_int_equal(unlinkat(root, ".perigee/trash", AT_REMOVEDIR), 0);
    assert_int_equal(symlinkat("../../outside", root, ".perigee/trash"), 0);
    assert_int_equal(peri_path_open_private(root, "trash", &err), -1);
    assert_int_equal(unlinkat(root, ".perigee/trash", 0), 0);
}

/* One swaps race/d (a folder) with race/l (a link to the outside) as fast as it can. */
static atomic_bool stop;

static void *swap(void *arg)
{
    (void)arg;
    uint64_t n = 0;
    int dir = openat(root, "race", O_RDONLY | O_DIRECTORY);
    for (; !stop; n++) renameat2(dir, "d", dir, "l", RENAME_EXCHANGE);
    close(dir);
    return (void *)(uintptr_t)n;
}

static void test_race(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(root, "race", 0755), 0);
    assert_int_equal(mkdirat(root, "race/d", 0755), 0);
    assert_int_equal(mkdirat(root, "race/d/deep", 0755), 0);
    write_text(root, "race/d/secret", "in");
    assert_int_equal(symlinkat("../../outside", root, "race/l"), 0);
    struct stat outside;
    char path[128];
    snprintf(path, sizeof(path), "%s/outside", base);
    assert_int_equal(stat(path, &outside), 0);

    for (int walk = 0; walk < 2; walk++) {
        peri_path_use_walk(walk);
        stop = false;
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, swap, NULL), 0);
        uint64_t in = 0, refused = 0;
        /* On a busy machine it takes a while until both have been seen. */
        const double began = peri_now();
        while (peri_now() < began + RACE_SECONDS ||
               ((!in || !refused) && peri_now() < began + RACE_PATIENCE)) {
            peri_err_t err = {0};
            int fd = peri_path_open_file(root, "race/d/secret", O_RDONLY, &err);
            if (fd >= 0) {
                char text[4] = {0};
                assert_int_equal(read(fd, text, 3), 2);
                assert_string_equal(text, "in");
                close(fd);
                in++;
            } else {
                assert_true(err.code == PERI_EDENIED || err.code == PERI_ENOTFOUND);
                refused++;
            }
            const char *name;
            struct stat st;
            fd = peri_path_open_parent(root, "race/d/new", &name, NULL);
            if (fd >= 0) {
                assert_int_equal(fstat(fd, &st), 0);
                assert_int_not_equal(st.st_ino, outside.st_ino);
                close(fd);
            }
            fd = peri_path_open_folder(root, "race/d", NULL);
            if (fd >= 0) {
                assert_int_equal(fstat(fd, &st), 0);
                assert_int_not_equal(st.st_ino, outside.st_ino);
                close(fd);
            }
            fd = peri_path_open_file(root, "race/d/made", O_WRONLY | O_CREAT, NULL);
            if (fd >= 0) close(fd);
        }
        stop = true;
        void *swaps;
        pthread_join(t, &swaps);
        print_message("%s: %llu swaps, %llu times inside, %llu refused\n",
                      walk ? "walk" : "openat2", (unsigned long long)(uintptr_t)swaps,
                      (unsigned long long)in, (unsigned long long)refused);
        assert_true(in > 0 && refused > 0 && (uintptr_t)swaps > 100);
        snprintf(path, sizeof(path), "%s/outside/made", base);
        assert_int_equal(access(path, F_OK), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_within),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private, setup, teardown),
        cmocka_unit_test_setup_teardown(test_race, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
