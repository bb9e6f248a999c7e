/* Errors, buffers, arenas, sizes, words, atomic files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/util.h"

static void error_texts(void **state)
{
    (void)state;
    peri_err_t err = {0};
    assert_int_equal(peri_err_set(&err, PERI_EIO, "disk %d", 7), -1);
    assert_string_equal(err.text, "disk 7");
    assert_string_equal(err.where, "error_texts");
    assert_int_equal(peri_err_prefix(&err, "file %s", "a.h5"), -1);
    assert_string_equal(err.text, "file a.h5: disk 7");
    assert_int_equal(peri_err_set(&err, PERI_EINVAL, "again: %s", err.text), -1);
    assert_string_equal(err.text, "again: file a.h5: disk 7");
    assert_int_equal(peri_err_exit_status(&err), 2);
    assert_int_equal(peri_err_set(NULL, PERI_EIO, "nobody listens"), -1);
}

static void buffer_keeps_its_maximum(void **state)
{
    (void)state;
    peri_buf_t b;
    peri_err_t err;
    peri_buf_init(&b, 10);
    assert_int_equal(peri_buf_puts(&b, "12345"), 0);
    assert_int_equal(peri_buf_printf(&b, "%d", 67890), 0);
    assert_int_equal(peri_buf_check(&b, "text", &err), 0);
    assert_int_equal(peri_buf_putc(&b, 'x'), -1);
    assert_string_equal(b.data, "1234567890");
    assert_int_equal(peri_buf_check(&b, "text", &err), -1);
    assert_int_equal(err.code, PERI_ELIMIT);
    peri_buf_clear(&b);
    assert_int_equal(peri_buf_putc(&b, 'x'), 0);
    size_t n;
    char *s = peri_buf_take(&b, &n);
    assert_string_equal(s, "x");
    assert_int_equal(n, 1);
    free(s);
    s = peri_buf_take(&b, &n);
    assert_string_equal(s, "");
    free(s);
    peri_buf_free(&b);
}

static void arena_gives_zeroed_memory(void **state)
{
    (void)state;
    peri_arena_t *a = peri_arena_new();
    for (size_t i = 1; i < 3000; i += 7) {
        char *p = peri_arena_alloc(a, i * 11);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < i * 11; k++) assert_int_equal(p[k], 0);
        memset(p, 0xff, i * 11);
    }
    assert_string_equal(peri_arena_printf(a, "%s-%d", "x", 3), "x-3");
    assert_null(peri_arena_strdup(a, NULL));
    peri_arena_free(a);
    peri_arena_free(NULL);
}

static void sizes_and_times(void **state)
{
    (void)state;
    uint64_t n;
    double t;
    peri_err_t err;
    assert_int_equal(peri_parse_size("4GiB", &n, &err), 0);
    assert_int_equal(n, 4294967296ull);
    assert_int_equal(peri_parse_size("1.5 MB", &n, &err), 0);
    assert_int_equal(n, 1500000);
    assert_int_equal(peri_parse_size("-1", &n, &err), -1);
    assert_int_equal(peri_parse_size("nan", &n, &err), -1);
    assert_int_equal(peri_parse_size("12 apples", &n, &err), -1);
    assert_non_null(strstr(err.text, "12 apples"));
    assert_int_equal(peri_parse_seconds("2h", &t, &err), 0);
    assert_true(t == 7200);
    assert_int_equal(peri_parse_seconds("", &t, &err), -1);
    char out[32];
    assert_string_equal(peri_human_bytes(950, out), "950 B");
    assert_string_equal(peri_human_bytes(12340000, out), "12.3 MB");
    assert_string_equal(peri_human_bytes(999999, out), "1.0 MB");
    assert_string_equal(peri_human_count(12345678, out), "12,345,678");
    assert_string_equal(peri_human_count(0, out), "0");
}

static void near_names(void **state)
{
    (void)state;
    const char *names[] = {"groups", "subhalos", "trees"};
    assert_string_equal(peri_did_you_mean("Subhalo", names, 3), "subhalos");
    assert_string_equal(peri_did_you_mean("grops", names, 3), "groups");
    assert_null(peri_did_you_mean("particles", names, 3));
}

static void utf8(void **state)
{
    (void)state;
    assert_true(peri_utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8c", 10));
    assert_true(peri_utf8_valid("", 0));
    assert_false(peri_utf8_valid("\xc3", 1));
    assert_false(peri_utf8_valid("\xc0\xaf", 2));
    assert_false(peri_utf8_valid("\xed\xa0\x80", 3));
    assert_false(peri_utf8_valid("\xf4\x90\x80\x80", 4));
    assert_false(peri_utf8_valid("\xe2\x28\xa1", 3));
}

static void files_whole_or_not(void **state)
{
    (void)state;
    char dir[] = "/tmp/peri-base-XXXXXX";
    assert_non_null(mkdtemp(dir));
    peri_err_t err;
    char *deep = peri_xasprintf("%s/a/b", dir), *path = peri_xasprintf("%s/f", deep),
         *text;
    assert_int_equal(peri_mkdirs(deep, &err), 0);
    assert_int_equal(peri_mkdirs(deep, &err), 0);
    assert_int_equal(peri_file_write_atomic(path, "one", 3, &err), 0);
    assert_int_equal(peri_file_write_atomic(path, "second", 6, &err), 0);
    size_t n;
    assert_int_equal(peri_file_slurp(path, 6, &text, &n, &err), 0);
    assert_string_equal(text, "second");
    free(text);
    assert_int_equal(peri_file_slurp(path, 5, &text, &n, &err), -1);
    assert_int_equal(err.code, PERI_ELIMIT);
    assert_int_equal(peri_file_slurp("/nonexistent/x", 5, &text, &n, &err), -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);
    assert_int_equal(peri_file_write_atomic("/nonexistent/x", "a", 1, &err), -1);
    assert_int_equal(peri_mkdirs("/proc/none/x", &err), -1);
    assert_true(peri_path_is_below("/a/b", "/a"));
    assert_true(peri_path_is_below("/a", "/a/"));
    assert_false(peri_path_is_below("/ab", "/a"));
    unlink(path);
    rmdir(deep);
    free(path);
    free(deep);
    deep = peri_xasprintf("%s/a", dir);
    rmdir(deep);
    free(deep);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(error_texts),
                                       cmocka_unit_test(buffer_keeps_its_maximum),
                                       cmocka_unit_test(arena_gives_zeroed_memory),
                                       cmocka_unit_test(sizes_and_times),
                                       cmocka_unit_test(near_names),
                                       cmocka_unit_test(utf8),
                                       cmocka_unit_test(files_whole_or_not)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
