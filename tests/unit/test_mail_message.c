/* Unit tests of portal/account/mail_message: headers that cannot be injected, any text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "portal/account/mail_message.h"

static peri_mailtext_t usual(void)
{
    return (peri_mailtext_t){.id = 17,
                             .created = 1000000000.25,
                             .from = "Perigee <portal@p.example.org>",
                             .to = "ana@example.org",
                             .subject = "Your account",
                             .text = "Hello,\n\nall is well.\n"};
}

static char *composed(const peri_mailtext_t *m)
{
    peri_buf_t b;
    peri_err_t err = {0};
    peri_buf_init(&b, 1u << 20);
    if (peri_mail_compose(m, &b, &err)) fail_msg("%s", err.text);
    return peri_buf_take(&b, NULL);
}

static void refused(const peri_mailtext_t *m, const char *says)
{
    peri_buf_t b;
    peri_err_t err = {0};
    peri_buf_init(&b, 1u << 20);
    assert_int_equal(peri_mail_compose(m, &b, &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    if (!strstr(err.text, says)) fail_msg("%s", err.text);
    assert_int_equal(b.len, 0);
    peri_buf_free(&b);
}

static void test_whole(void **state)
{
    (void)state;
    peri_mailtext_t m = usual();
    char *s = composed(&m), *again = composed(&m);
    assert_string_equal(s, "Date: Sun, 9 Sep 2001 01:46:40 +0000\r\n"
                           "From: \"Perigee\" <portal@p.example.org>\r\n"
                           "To: <ana@example.org>\r\n"
                           "Subject: Your account\r\n"
                           "Message-ID: <perigee.1000000000250.17@p.example.org>\r\n"
                           "MIME-Version: 1.0\r\n"
                           "Content-Type: text/plain; charset=utf-8\r\n"
                           "Content-Transfer-Encoding: quoted-printable\r\n"
                           "Auto-Submitted: auto-generated\r\n\r\n"
                           "Hello,\r\n\r\nall is well.\r\n");
    assert_string_equal(s, again); /* a second try is the same mail */
    free(s);
    free(again);
}

static void test_injection(void **state)
{
    (void)state;
    static const char *const to[] = {
        "",        "a",     "a@",    "@b",      "a@b@c", "a@b\r\nBcc: c@d", "a@b\n",
        "a@b,c@d", "a b@c", "<a@b>", "\"a\"@b", "a@b>",  "a@[1.2.3.4]",     "\xc3\xa9@b"};
    static const char *const subject[] = {"",     "a\r\nBcc: c@d", "a\nb",
                                          "a\rb", "a\x01",         "\xff\xfe"};
    static const char *const from[] = {
        "", "Perigee", "P <a@b", "P\r\nX: y <a@b>", "P <a@b>\r\n", "<>", "P <a@b> <>"};
    peri_mailtext_t m;
    for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++)
        m = usual(), m.to = to[i], refused(&m, "no mail can be sent");
    for (size_t i = 0; i < sizeof(subject) / sizeof(subject[0]); i++)
        m = usual(), m.subject = subject[i], refused(&m, "one line");
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
        m = usual(), m.from = from[i], refused(&m, "must look like");
    m = usual(), m.text = "a\rb", refused(&m, "control");
    m = usual(), m.text = "\xc3", refused(&m, "UTF-8");
    char *big = peri_xmalloc(70000);
    memset(big, 'a', 69999);
    big[69999] = '\0';
    m = usual(), m.text = big, refused(&m, "at most");
    m = usual(), m.subject = big, refused(&m, "one line");
    m = usual(), m.to = big, refused(&m, "no mail");
    free(big);
}

/* No line is longer than RFC 5322 wants and no character is cut. */
static void check_lines(const char *s)
{
    while (*s) {
        const char *end = strstr(s, "\r\n");
        assert_non_null(end);
        assert_true(end - s <= 76);
        for (const char *p = s; p < end; p++)
            assert_true((unsigned char)*p < 0x7f && *p != '\r' && *p != '\n');
        s = end + 2;
    }
}

static void test_utf8(void **state)
{
    (void)state;
    peri_mailtext_t m = usual();
    m.subject = "\xc3\xbc";
    m.from = "Perig\xc3\xa9"
             "e <p@x.org>";
    m.text = "1 = 1 \n\xe2\x82\xac\n.\nFrom a\n";
    char *s = composed(&m);
    assert_non_null(strstr(s, "\r\nSubject: =?UTF-8?B?w7w=?=\r\n"));
    assert_non_null(strstr(s, "\r\nFrom: =?UTF-8?B?UGVyaWfDqWU=?=\r\n <p@x.org>\r\n"));
    assert_non_null(strstr(s, "\r\n\r\n1 =3D 1=20\r\n=E2=82=AC\r\n.\r\nFrom a\r\n"));
    check_lines(s);
    free(s);
    /* words are cut between characters, whatever their length */
    for (size_t shift = 0; shift < 4; shift++) {
        char text[200] = "xxx";
        size_t n = shift;
        while (n + 3 < 190) memcpy(text + n, "\xe2\x82\xac", 3), n += 3;
        text[n] = '\0';
        m.subject = text;
        m.text = text;
        s = composed(&m);
        check_lines(s);
        assert_null(strstr(s, "=?UTF-8?B?gg")); /* a word does not begin in one */
        free(s);
    }
    m.text = "a\n";
    m.subject = "=?UTF-8?B?w7w=?="; /* is not taken for an encoded word */
    s = composed(&m);
    assert_null(strstr(s, "Subject: =?UTF-8?B?w7w=?=\r\n"));
    free(s);
}

static void test_from(void **state)
{
    (void)state;
    peri_mailtext_t m = usual();
    static const struct {
        const char *from, *line;
    } all[] = {{"a@b.org", "From: <a@b.org>\r\n"},
               {"<a@b.org>", "From: <a@b.org>\r\n"},
               {"A, B <a@b.org>", "From: \"A, B\" <a@b.org>\r\n"},
               {"\"A B\" <a@b.org>", "From: \"A B\" <a@b.org>\r\n"},
               {"A \"x\" <a@b.org>", "From: =?UTF-8?B?QSAieCI=?=\r\n <a@b.org>\r\n"}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        m.from = all[i].from;
        char *s = composed(&m);
        if (!strstr(s, all[i].line)) fail_msg("%s: %s", all[i].from, s);
        free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
