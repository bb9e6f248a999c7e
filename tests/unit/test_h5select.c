/* Selections of datasets as numpy has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "portal/h5/view/select.h"

static const uint64_t dims[] = {10, 7};

/* start, count, step of both dimensions; -1 count: an error. */
static void check(const char *text, const uint64_t want[6], bool drop0, bool drop1)
{
    peri_h5select_t s;
    peri_h5part_t p;
    peri_err_t err = {0};
    assert_int_equal(peri_h5select_parse(text, strlen(text), &s, &err), 0);
    assert_int_equal(peri_h5select_resolve(&s, 2, dims, &p, &err), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p.start[i], want[3 * i]);
        assert_int_equal(p.count[i], want[3 * i + 1]);
        assert_int_equal(p.step[i], want[3 * i + 2]);
    }
    assert_int_equal(p.dropped[0], drop0);
    assert_int_equal(p.dropped[1], drop1);
}

static void test_good(void **state)
{
    (void)state;
    check("", (uint64_t[]){0, 10, 1, 0, 7, 1}, false, false);
    check(":", (uint64_t[]){0, 10, 1, 0, 7, 1}, false, false);
    check("3", (uint64_t[]){3, 1, 1, 0, 7, 1}, true, false);
    check("-1 , -7", (uint64_t[]){9, 1, 1, 0, 1, 1}, true, true);
    check("2:5,::2", (uint64_t[]){2, 3, 1, 0, 4, 2}, false, false);
    check("-3:,1:-1", (uint64_t[]){7, 3, 1, 1, 5, 1}, false, false);
    check("5:2,100:", (uint64_t[]){5, 0, 1, 7, 0, 1}, false, false);
    check("-100:100:9223372036854775807,:", (uint64_t[]){0, 1, INT64_MAX, 0, 7, 1}, false,
          false);
}

static void test_bad(void **state)
{
    static const char *const wrong[] = {"x",
                                        "1,",
                                        ",1",
                                        "1:2:0",
                                        "1:2:-1",
                                        "1 2",
                                        "1:2:3:4",
                                        "--1",
                                        "1.5",
                                        "[1]",
                                        "...",
                                        "9223372036854775808",
                                        ":99999999999999999999"};
    static const char *const out_of[] = {"10", "-11", "0,7", "0,0,0"};
    peri_h5select_t s;
    peri_h5part_t p;
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        peri_err_t err = {0};
        assert_int_equal(peri_h5select_parse(wrong[i], strlen(wrong[i]), &s, &err), -1);
        assert_int_equal(err.code, PERI_EINVAL);
    }
    for (size_t i = 0; i < sizeof(out_of) / sizeof(*out_of); i++) {
        peri_err_t err = {0};
        assert_int_equal(peri_h5select_parse(out_of[i], strlen(out_of[i]), &s, &err), 0);
        assert_int_equal(peri_h5select_resolve(&s, 2, dims, &p, &err), -1);
        assert_int_equal(err.code, PERI_EINVAL);
    }
}

static void test_size(void **state)
{
    peri_h5part_t p = {.ndims = 3, .count = {1ull << 40, 1ull << 40, 2}};
    (void)state;
    assert_true(peri_h5part_size(&p) == UINT64_MAX);
    p.count[2] = 0;
    assert_true(peri_h5part_size(&p) == 0);
    p.ndims = 0;
    assert_true(peri_h5part_size(&p) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good),
                                       cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
