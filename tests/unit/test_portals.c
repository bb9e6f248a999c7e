/* The file of logins: what is put is found, others cannot read it, and damage is told. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/portals.h"
#include "core/base/util.h"

static char folder[64], file[128];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/perigee-portals.XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof(file), "%s/perigee/portals.json", folder);
    return setenv("XDG_CONFIG_HOME", folder, 1);
}

static int tear_down(void **state)
{
    (void)state;
    peri_folder_sweep(folder);
    return 0;
}

static peri_login_t login(char *url, char *token)
{
    return (peri_login_t){.url = url,
                          .account = (char *)"ana",
                          .token = token,
                          .token_id = 7,
                          .expires = 1.8e9};
}

static void test_kept(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_login_t a = login((char *)"https://a.org", (char *)"pgt_a"),
                 b = login((char *)"https://b.org", (char *)"pgt_b"), got;
    assert_int_equal(peri_portals_find(NULL, &got, &err), 0);
    assert_int_equal(peri_portals_put(&a, &err), 0);
    b.cacert = (char *)"/etc/ca.pem";
    assert_int_equal(peri_portals_put(&b, &err), 0);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(peri_portals_find(NULL, &got, &err), 1); /* the newest */
    assert_string_equal(got.url, b.url);
    assert_string_equal(got.cacert, b.cacert);
    peri_login_free(&got);
    assert_int_equal(peri_portals_find(a.url, &got, &err), 1);
    assert_string_equal(got.token, "pgt_a");
    assert_int_equal(got.token_id, 7);
    assert_null(got.cacert);
    peri_login_free(&got);
    assert_int_equal(peri_portals_remove(b.url, &err), 0);
    assert_int_equal(peri_portals_find(NULL, &got, &err), 1); /* the other one now */
    assert_string_equal(got.url, a.url);
    peri_login_free(&got);
    assert_int_equal(peri_portals_remove(a.url, &err), 0);
    assert_int_equal(peri_portals_remove(a.url, &err), 0);
    assert_int_equal(peri_portals_find(NULL, &got, &err), 0);
}

static void test_refused(void **state)
{
    (void)state;
    peri_login_t a = login((char *)"https://a.org", (char *)"pgt_a"), got;
    static const char *const damaged[] = {"",    "{", "[]", "null", "{\"portals\": 3}",
                                          "\xff"};
    peri_err_t err = {0};
    assert_int_equal(peri_portals_put(&a, &err), 0);
    assert_int_equal(chmod(file, 0644), 0);
    assert_int_equal(peri_portals_find(NULL, &got, &err), -1);
    assert_int_equal(err.code, PERI_EDENIED);
    assert_int_equal(peri_portals_put(&a, &err), -1);
    for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
        assert_int_equal(
            peri_file_write_private(file, damaged[i], strlen(damaged[i]), &err), 0);
        err = (peri_err_t){0};
        assert_int_equal(peri_portals_find(NULL, &got, &err), -1);
        assert_int_equal(err.code, PERI_EFORMAT);
        assert_int_equal(peri_portals_put(&a, &err), -1); /* nothing is lost over it */
    }
    assert_int_equal(unlink(file), 0);
}

/* Two dozen commands at once: no login is lost. */
static void test_at_once(void **state)
{
    (void)state;
    enum { N = 24 };
    char url[64];
    for (int i = 0; i < N; i++) {
        if (fork() != 0) continue;
        snprintf(url, sizeof(url), "https://p%d.org", i);
        peri_login_t one = login(url, (char *)"pgt_x");
        _exit(peri_portals_put(&one, NULL) ? 1 : 0);
    }
    for (int i = 0; i < N; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < N; i++) {
        peri_login_t got;
        snprintf(url, sizeof(url), "https://p%d.org", i);
        assert_int_equal(peri_portals_find(url, &got, NULL), 1);
        peri_login_free(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_at_once)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
