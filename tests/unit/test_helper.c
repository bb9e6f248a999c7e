/* What perigee-helper takes for a request, and the list that perigeed keeps of a task's
 * folders. What it does with them is in tests/integration/test_helper.py. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "portal/helper/client.h"
#include "portal/helper/user.h"

static const char job[] = "0b6e2f1c-8d3a-4c57-9e21-5f60a7b8c9d0";

static peri_helperask_t ask_of(uint32_t verb)
{
    peri_helperask_t a = {.magic = PERI_HELPER_MAGIC, .verb = verb, .attempt = 1};
    strcpy(a.user, "ana");
    strcpy(a.uuid, job);
    strcpy(a.step, "main");
    return a;
}

static const char *parse(const peri_helperask_t *a)
{
    static peri_helperrequest_t r;
    return peri_helper_parse(a, sizeof(*a), &r);
}

static void test_heads(void **state)
{
    (void)state;
    peri_helperask_t a = ask_of(PERI_HELPER_START);
    assert_null(parse(&a));
    a.magic++;
    assert_non_null(parse(&a));
    for (uint32_t verb = 0; verb < 8; verb++) {
        a = ask_of(verb);
        assert_int_equal(parse(&a) == NULL,
                         verb >= PERI_HELPER_PING && verb <= PERI_HELPER_STOP);
    }
    a = ask_of(PERI_HELPER_START);
    memset(a.user, 'u', sizeof(a.user)); /* no end */
    assert_non_null(parse(&a));
    a = ask_of(PERI_HELPER_START);
    memset(a.step, 's', sizeof(a.step));
    assert_non_null(parse(&a));
    a = ask_of(PERI_HELPER_START);
    a.attempt = -1;
    assert_non_null(parse(&a));
    a = ask_of(PERI_HELPER_START);
    a.index = INT32_MIN;
    assert_non_null(parse(&a));
    a = ask_of(PERI_HELPER_START);
    a.array = 2;
    assert_non_null(parse(&a));
    static peri_helperrequest_t r;
    a = ask_of(PERI_HELPER_START);
    for (size_t n = 0; n < sizeof(a); n++) assert_non_null(peri_helper_parse(&a, n, &r));
}

static void test_kills(void **state)
{
    (void)state;
    for (int sig = -1; sig < 70; sig++) {
        peri_helperask_t a = ask_of(PERI_HELPER_KILL);
        a.signal = sig;
        assert_int_equal(parse(&a) == NULL, sig == 0 || sig == SIGTERM || sig == SIGKILL);
    }
    peri_helperask_t a = ask_of(PERI_HELPER_KILL);
    a.pid = 1;
    assert_non_null(parse(&a));
    a.pid = -1;
    assert_non_null(parse(&a));
    a.pid = 2;
    assert_null(parse(&a));
    a.nmounts = 1;
    assert_non_null(parse(&a));
}

static void test_words(void **state)
{
    (void)state;
    static const char
        *const names[] = {"ana", "a", "_x", "a.b-c_D9"},
               *const no_names[] = {"",         "1a",
                                    "-a",       "a b",
                                    "a/b",      "a\nb",
                                    ".a",       "a:b",
                                    "\xc3\xa4", "a23456789012345678901234567890123"},
               *const paths[] = {"", "a", "a/b", ".a", "a/..b", "...", "\xc3\xa4"},
               *const no_paths[] = {"/",   "/a",     "a/",   "a//b", ".",     "..",
                                    "a/.", "a/../b", "a\nb", "./a",  "a/\x7f"};
    for (size_t i = 0; i < 4; i++) assert_true(peri_helper_name_ok(names[i]));
    for (size_t i = 0; i < 10; i++) assert_false(peri_helper_name_ok(no_names[i]));
    for (size_t i = 0; i < 7; i++) assert_true(peri_helper_path_ok(paths[i]));
    for (size_t i = 0; i < 11; i++) assert_false(peri_helper_path_ok(no_paths[i]));
    assert_true(peri_helper_uuid_ok(job));
    assert_false(peri_helper_uuid_ok("0B6E2F1C-8D3A-4C57-9E21-5F60A7B8C9D0"));
    assert_false(peri_helper_uuid_ok("../../../../../../../../../../../etc"));
}

/* What perigeed writes beside launch.json comes out of the parser as it was. */
static void test_folders(void **state)
{
    (void)state;
    static peri_helperrequest_t r;
    peri_buf_t list, packet;
    peri_err_t err = {0};
    peri_helperask_t a = ask_of(PERI_HELPER_START);
    peri_buf_init(&list, 4096);
    peri_buf_init(&packet, PERI_HELPER_MAX);
    peri_helper_list_put(&list, 1, true, "");
    peri_helper_list_put(&list, INT64_MAX, false, "a folder/with spaces ");
    peri_buf_append(&packet, &a, sizeof(a));
    assert_int_equal(
        peri_helper_list_read(list.data, list.len, &packet, &a.nmounts, &err), 0);
    assert_int_equal(a.nmounts, 2);
    memcpy(packet.data, &a, sizeof(a));
    assert_null(peri_helper_parse(packet.data, packet.len, &r));
    assert_int_equal(r.binds[0].volume, 1);
    assert_true(r.binds[0].write);
    assert_string_equal(r.binds[0].path, "");
    assert_int_equal(r.binds[1].volume, INT64_MAX);
    assert_false(r.binds[1].write);
    assert_string_equal(r.binds[1].path, "a folder/with spaces ");
    /* Cut anywhere, or longer, it is none. */
    for (size_t n = 0; n < packet.len; n++)
        assert_non_null(peri_helper_parse(packet.data, n, &r));
    peri_buf_putc(&packet, 'x');
    assert_non_null(peri_helper_parse(packet.data, packet.len, &r));
    static const char *const bad[] = {"1 w a", "x w a\n", "1w a\n", "1 w\n", "\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(
            peri_helper_list_read(bad[i], strlen(bad[i]), &packet, &a.nmounts, &err), -1);
    peri_buf_free(&list);
    peri_buf_free(&packet);
}

static void test_slots(void **state)
{
    (void)state;
    char a[PERI_HELPER_SLOT], b[PERI_HELPER_SLOT];
    peri_helper_slot(7, "", a);
    assert_string_equal(a, "7");
    peri_helper_slot(UINT64_MAX, "a/b", a);
    peri_helper_slot(UINT64_MAX, "a/c", b);
    assert_string_not_equal(a, b);
    assert_null(strchr(a, '/'));
    peri_helper_slot(UINT64_MAX, "a/b", b);
    assert_string_equal(a, b);
}

static void test_users(void **state)
{
    (void)state;
    static peri_unixuser_t u;
    char why[256];
    bool gone;
    peri_userrules_t rules = {.least = 1000, .service = 12345};
    assert_string_equal(peri_user_find("root", &rules, &u, why, sizeof(why), &gone),
                        "nothing is run as root or in its group (\"root\")");
    rules.least = 0;
    assert_non_null(peri_user_find("root", &rules, &u, why, sizeof(why), &gone));
    assert_null(peri_user_find("daemon", &rules, &u, why, sizeof(why), &gone));
    rules.service = u.pw.pw_uid;
    assert_non_null(peri_user_find("daemon", &rules, &u, why, sizeof(why), &gone));
    rules = (peri_userrules_t){.least = 1000, .service = 12345};
    assert_non_null(peri_user_find("daemon", &rules, &u, why, sizeof(why), &gone));
    assert_non_null(peri_user_find("no-such-one", &rules, &u, why, sizeof(why), &gone));
    assert_false(gone);
    rules = (peri_userrules_t){.service = 12345, .group = "no-such-group"};
    assert_non_null(peri_user_find("daemon", &rules, &u, why, sizeof(why), &gone));
    assert_non_null(strstr(why, "cannot be found out"));
    rules.group = "daemon";
    assert_null(peri_user_find("daemon", &rules, &u, why, sizeof(why), &gone));
    rules.group = "tty";
    assert_non_null(peri_user_find("daemon", &rules, &u, why, sizeof(why), &gone));
    assert_non_null(strstr(why, "is not in the group"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads), cmocka_unit_test(test_kills),
        cmocka_unit_test(test_words), cmocka_unit_test(test_folders),
        cmocka_unit_test(test_users), cmocka_unit_test(test_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
