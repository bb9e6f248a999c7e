/* The pure parts of portal/account: codes of authenticator apps against the vectors of
 * the RFCs, base32, secrets, names, which passwords are refused, what a hash costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/account/name.h"
#include "portal/account/password.h"
#include "portal/account/secret.h"
#include "portal/account/totp.h"

static int start(void **state)
{
    (void)state;
    return peri_password_init(NULL);
}

/* ---- RFC 6238, appendix B (SHA-1) ---- */

static void rfc6238(void **state)
{
    (void)state;
    static const unsigned char key[] = "12345678901234567890";
    static const struct {
        int64_t time;
        const char *code;
    } vectors[] = {{59, "94287082"},         {1111111109, "07081804"},
                   {1111111111, "14050471"}, {1234567890, "89005924"},
                   {2000000000, "69279037"}, {20000000000, "65353130"}};
    char code[9];
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        peri_totp_code(key, 20, vectors[i].time / 30, 8, code);
        assert_string_equal(code, vectors[i].code);
    }
    /* RFC 4226, appendix D: the same function counting events. */
    static const char *const hotp[] = {"755224", "287082", "359152", "969429", "338314",
                                       "254676", "287922", "162583", "399871", "520489"};
    for (int i = 0; i < 10; i++) {
        peri_totp_code(key, 20, i, 6, code);
        assert_string_equal(code, hotp[i]);
    }
}

static void match(void **state)
{
    (void)state;
    unsigned char key[PERI_TOTP_KEY];
    const double now = 1700000010;
    const int64_t step = 1700000010 / 30;
    char code[9];
    peri_totp_new(key);
    for (int drift = -3; drift <= 3; drift++) {
        peri_totp_code(key, sizeof(key), step + drift, 6, code);
        int64_t got = peri_totp_match(key, sizeof(key), code, now, -1);
        if (drift >= -1 && drift <= 1)
            assert_int_equal(got, step + drift);
        else
            assert_true(got != step + drift);
    }
    peri_totp_code(key, sizeof(key), step, 6, code);
    assert_int_equal(peri_totp_match(key, sizeof(key), code, now, step - 1), step);
    assert_int_equal(peri_totp_match(key, sizeof(key), code, now, step), -1);
    char spaced[16];
    snprintf(spaced, sizeof(spaced), " %.3s %.3s ", code, code + 3);
    assert_int_equal(peri_totp_match(key, sizeof(key), spaced, now, -1), step);
    static const char *const bad[] = {"",       "12345",  "1234567",
                                      "12a456", "-12345", "１２３"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(peri_totp_match(key, sizeof(key), bad[i], now, -1), -1);
}

/* ---- RFC 4648 ---- */

static void base32(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "MY"},
                                             {"fo", "MZXQ"},
                                             {"foo", "MZXW6"},
                                             {"foob", "MZXW6YQ"},
                                             {"fooba", "MZXW6YTB"},
                                             {"foobar", "MZXW6YTBOI"}};
    char text[64];
    unsigned char back[64];
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const char *plain = vectors[i][0];
        peri_base32_encode((const unsigned char *)plain, strlen(plain), text);
        assert_string_equal(text, vectors[i][1]);
        assert_int_equal(peri_base32_decode(text, strlen(text), back, sizeof(back)),
                         strlen(plain));
        assert_memory_equal(back, plain, strlen(plain));
    }
    assert_int_equal(peri_base32_decode("mzxw 6ytb oi======", 18, back, 64), 6);
    static const char *const bad[] = {"M", "MZ1", "M!", "MZXW6Y", "MR", "MZXW6YTBO"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(peri_base32_decode(bad[i], strlen(bad[i]), back, 64), -1);
    assert_int_equal(peri_base32_decode("MZXW6YTBOI", 10, back, 5), -1);
    assert_int_equal(peri_base32_decode("MZ\0XQ", 5, back, 64), -1);
}

static void uri(void **state)
{
    (void)state;
    char *s = peri_totp_uri("Perigee at x:y", "ana&b", "ABC");
    assert_string_equal(s,
                        "otpauth://totp/Perigee%20at%20x%3Ay:ana%26b?secret=ABC&issuer="
                        "Perigee%20at%20x%3Ay&algorithm=SHA1&digits=6&period=30");
    free(s);
}

/* ---- secrets ---- */

static void secrets(void **state)
{
    (void)state;
    char a[PERI_SECRET_LEN + 1], b[PERI_SECRET_LEN + 1];
    char h[PERI_SECRET_HASH + 1], d[PERI_SECRET_HASH + 1];
    for (int i = 0; i < 200; i++) {
        peri_secret_new(PERI_SECRET_TOKEN, a);
        peri_secret_new(PERI_SECRET_TOKEN, b);
        assert_string_not_equal(a, b);
        assert_int_equal(strlen(a), PERI_SECRET_LEN);
        assert_memory_equal(a, "pgt_", 4);
        assert_true(peri_secret_valid(PERI_SECRET_TOKEN, a, PERI_SECRET_LEN));
        assert_false(peri_secret_valid(PERI_SECRET_SESSION, a, PERI_SECRET_LEN));
        assert_false(peri_secret_valid(PERI_SECRET_TOKEN, a, PERI_SECRET_LEN - 1));
        /* Any one other character is noticed. */
        size_t at = (size_t)i % PERI_SECRET_LEN;
        memcpy(b, a, sizeof(a));
        b[at] = b[at] == 'x' ? 'y' : 'x';
        assert_false(peri_secret_valid(PERI_SECRET_TOKEN, b, PERI_SECRET_LEN));
        b[at] = '\0';
        assert_false(peri_secret_valid(PERI_SECRET_TOKEN, b, PERI_SECRET_LEN));
    }
    peri_secret_hash(a, PERI_SECRET_LEN, h);
    peri_secret_derive(a, PERI_SECRET_LEN, "csrf", d);
    assert_int_equal(strlen(h), PERI_SECRET_HASH);
    assert_string_not_equal(h, d);
    /* BLAKE2b-256 of nothing, from its authors. */
    peri_secret_hash("", 0, h);
    assert_string_equal(
        h, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    assert_true(peri_secret_same("abc", "abc"));
    assert_false(peri_secret_same("abc", "abd"));
    assert_false(peri_secret_same("abc", "ab"));
    assert_false(peri_secret_same("", "a"));
}

/* ---- passwords ---- */

static void rules(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "short",        "123456789",     "1234567890",   "aaaaaaaaaaaa",
        "ababababab", "abcdefghijkl", "password123",   "Password123!", "qwertyuiop",
        "QwertyUiop", "1q2w3e4r5t6y", "realmadrid",    "perigee2026",  "11perigee!!",
        "zyxwvutsrq", "letmein12345", "ana-lopez-123", "iloveyou2023", "ana@example.org"};
    static const char *const good[] = {"correct horse battery staple",
                                       "gX7#mq02Lz",
                                       "Halos und Filamente",
                                       "ana-lopez-1234",
                                       "пароль не угадать",
                                       "a b c d e f g h"};
    peri_err_t err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err = (peri_err_t){0};
        if (peri_password_rules(bad[i], strlen(bad[i]), "ana-lopez-123",
                                "ana@example.org", &err) == 0)
            fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(err.code, PERI_EINVAL);
        assert_true(strlen(err.text) > 20);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (peri_password_rules(good[i], strlen(good[i]), "ana-lopez-123",
                                "ana@example.org", &err))
            fail_msg("\"%s\" is refused: %s", good[i], err.text);
    assert_int_equal(peri_password_rules("bad\xff utf-8 bytes", 16, NULL, NULL, NULL),
                     -1);
    assert_int_equal(peri_password_rules("a\0bcdefghijklmn", 15, NULL, NULL, NULL), -1);
    char longest[PERI_PASSWORD_MAX + 2];
    for (size_t i = 0; i < sizeof(longest); i++) longest[i] = (char)('a' + i * 7 % 26);
    assert_int_equal(peri_password_rules(longest, PERI_PASSWORD_MAX, NULL, NULL, NULL),
                     0);
    assert_int_equal(
        peri_password_rules(longest, PERI_PASSWORD_MAX + 1, NULL, NULL, NULL), -1);
}

static void hashes(void **state)
{
    (void)state;
    char a[PERI_PASSWORD_TEXT], b[PERI_PASSWORD_TEXT];
    bool right, again;
    static const char good[] = "correct horse";
    double from = peri_now();
    assert_int_equal(peri_password_hash(good, strlen(good), a, NULL), 0);
    print_message("one hash: %.0f ms\n", (peri_now() - from) * 1e3);
    assert_int_equal(peri_password_hash(good, strlen(good), b, NULL), 0);
    assert_string_not_equal(a, b);
    assert_memory_equal(a, "$argon2id$v=19$m=65536,t=2,p=1$", 31);
    assert_int_equal(peri_password_check(a, good, strlen(good), &right, &again, NULL), 0);
    assert_true(right);
    assert_false(again);
    assert_int_equal(
        peri_password_check(a, "Correct horse", strlen(good), &right, &again, NULL), 0);
    assert_false(right);
    assert_int_equal(peri_password_check(a, good, strlen(good) - 1, &right, &again, NULL),
                     0);
    assert_false(right);
    /* Nobody's: never right, and as slow. */
    from = peri_now();
    assert_int_equal(peri_password_check(NULL, good, strlen(good), &right, &again, NULL),
                     0);
    assert_false(right);
    double nobody = peri_now() - from;
    from = peri_now();
    assert_int_equal(peri_password_check(a, "wrong horse", 11, &right, &again, NULL), 0);
    double somebody = peri_now() - from;
    assert_true(nobody > somebody / 4 && nobody < somebody * 4);
    /* One that was made at a lower cost is right, and is to be made anew. */
    assert_int_equal(crypto_pwhash_str(b, good, strlen(good), 1, 8u << 20), 0);
    assert_int_equal(peri_password_check(b, good, strlen(good), &right, &again, NULL), 0);
    assert_true(right && again);
    assert_int_equal(peri_password_check(b, "wrong horse", 11, &right, &again, NULL), 0);
    assert_false(right || again);
    assert_int_equal(
        peri_password_check("no hash at all", good, strlen(good), &right, &again, NULL),
        0);
    assert_false(right || again);
}

typedef struct {
    pthread_mutex_t lock;
    int done;
} crowd_t;

static void *hash_one(void *arg)
{
    crowd_t *c = arg;
    char out[PERI_PASSWORD_TEXT];
    if (peri_password_hash("a crowd of people", 17, out, NULL)) return "no hash";
    pthread_mutex_lock(&c->lock);
    c->done++;
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void few_at_once(void **state)
{
    (void)state;
    enum { N = 24 };
    crowd_t c = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t t[N];
    assert_true(peri_password_turn_take());
    assert_true(peri_password_turn_take()); /* it has it already */
    for (int i = 0; i < N; i++) pthread_create(&t[i], NULL, hash_one, &c);
    /* With a turn of one's own one does not wait behind them. */
    hash_one(&c);
    pthread_mutex_lock(&c.lock);
    assert_true(c.done < N);
    pthread_mutex_unlock(&c.lock);
    peri_password_turn_give();
    peri_password_turn_give();
    for (int i = 0; i < N; i++) {
        void *said;
        pthread_join(t[i], &said);
        assert_null(said);
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
#if !PERIGEE_SANITIZED
    assert_true(use.ru_maxrss < (PERI_PASSWORD_AT_ONCE + 1) * 64 * 1024 + 32 * 1024);
#endif
}

/* Without memory nobody is told that her password is wrong. */
static void no_memory(void **state)
{
    (void)state;
    if (PERIGEE_SANITIZED) skip(); /* it needs addresses of its own */
    pid_t child = fork();
    if (child == 0) {
        char hash[PERI_PASSWORD_TEXT];
        bool right, again;
        peri_err_t err = {0};
        struct rlimit few = {32u << 20, 32u << 20};
        if (peri_password_hash("correct horse", 13, hash, NULL)) _exit(1);
        setrlimit(RLIMIT_AS, &few);
        if (peri_password_check(hash, "correct horse", 13, &right, &again, &err) != -1 ||
            err.code != PERI_EIO)
            _exit(2);
        err = (peri_err_t){0};
        if (peri_password_hash("correct horse", 13, hash, &err) != -1 ||
            err.code != PERI_EIO)
            _exit(3);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- names ---- */

static void names(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "a",   "Ana",    "1ana",    "-ana",
        "ana.b", "a b", "ana/..", "ana\n",   "anä",
        "root",  "me",  "admin",  "sign-up", "abcdefghijklmnopqrstuvwxyzabcdefg"};
    static const char *const good[] = {"ana", "a1", "ana-maria_2",
                                       "abcdefghijklmnopqrstuvwxyzabcdef"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (peri_name_check(bad[i], NULL) == 0) fail_msg("\"%s\" is taken", bad[i]);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (peri_name_check(good[i], NULL)) fail_msg("\"%s\" is refused", good[i]);
    static const char *const from[][2] = {{"Ana.Lopez@x.org", "ana-lopez"},
                                          {"42ana", "ana"},
                                          {"root", "root-u"},
                                          {"a", "a-u"},
                                          {"Ünal Öz", "nal-z"},
                                          {"42", ""},
                                          {"", ""}};
    char name[PERI_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        peri_name_from(from[i][0], 0, name);
        assert_string_equal(name, from[i][1]);
    }
    peri_name_from("abcdefghijklmnopqrstuvwxyzabcdefghijkl", 12, name);
    assert_string_equal(name, "abcdefghijklmnopqrstuvwxyzabc-12");
}

static void emails(void **state)
{
    (void)state;
    static const char *const good[] = {"ana@example.org", "a.b+c@x-y.example.org",
                                       "O'Neil@example.com", "ana@münchen.de"};
    static const char *const bad[] = {"",
                                      "ana",
                                      "@example.org",
                                      "ana@",
                                      "ana@localhost",
                                      "a b@example.org",
                                      "ana@example..org",
                                      "ana@.example.org",
                                      "ana@example.org.",
                                      "ana@-x.org",
                                      ".ana@example.org",
                                      "a..b@example.org",
                                      "ana@exa_mple.org",
                                      "ana@example.org\r\nBcc: x@y.z",
                                      "ana\n@example.org",
                                      "<ana@example.org>",
                                      "a,b@example.org",
                                      "a@b@example.org",
                                      "\xff@example.org"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (peri_email_check(good[i], NULL)) fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (peri_email_check(bad[i], NULL) == 0) fail_msg("\"%s\" is taken", bad[i]);
    assert_int_equal(peri_full_check("Ana María López", NULL), 0);
    assert_int_equal(peri_full_check("Ana\nBcc: x", NULL), -1);
    assert_int_equal(peri_full_check("<script>", NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc6238),   cmocka_unit_test(match),
        cmocka_unit_test(base32),    cmocka_unit_test(uri),
        cmocka_unit_test(secrets),   cmocka_unit_test(rules),
        cmocka_unit_test(hashes),    cmocka_unit_test(few_at_once),
        cmocka_unit_test(no_memory), cmocka_unit_test(names),
        cmocka_unit_test(emails)};
    return cmocka_run_group_tests(tests, start, NULL);
}
