/* Signing in: passwords, second factor, throttles; sessions, tokens, and the look-up that
 * every request begins with.
 */
#include "tests/unit/test_account_fixture.h"

#include <pthread.h>
#include <sodium.h>

/* ---- passwords and throttles ---- */

static void passwords(void **state)
{
    (void)state;
    int64_t id = person("pia");
    assert_ok(peri_account_set_email(fx->db, id, "pia@example.org", err));
    peri_signinout_t o = sign_in("pia", PASSWORD, NULL, "10.0.0.1", NOW);
    assert_int_equal(o.end, PERI_SIGNIN_OK);
    assert_int_equal(o.account, id);
    assert_int_equal(sign_in("Pia@example.org", PASSWORD, NULL, "10.0.0.1", NOW).end,
                     PERI_SIGNIN_OK);
    assert_int_equal(sign_in("pia", "wrong", NULL, "10.0.0.1", NOW).end,
                     PERI_SIGNIN_WRONG);
    assert_int_equal(sign_in("pia", "", NULL, "10.0.0.1", NOW).end, PERI_SIGNIN_WRONG);
    assert_int_equal(sign_in("nobody", PASSWORD, NULL, "10.0.0.1", NOW).end,
                     PERI_SIGNIN_WRONG);
    assert_int_equal(sign_in("", "", NULL, "", NOW).end, PERI_SIGNIN_WRONG);
    char long_name[5000];
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(sign_in(long_name, PASSWORD, NULL, "", NOW).end, PERI_SIGNIN_WRONG);
    /* No password: no way in with one. */
    assert_ok(peri_account_set_password(fx->db, id, NULL, 0, err));
    assert_int_equal(sign_in("pia", "", NULL, "", NOW).end, PERI_SIGNIN_WRONG);
    assert_int_equal(sign_in("pia", PASSWORD, NULL, "", NOW).end, PERI_SIGNIN_WRONG);
}

/* A hash of another cost is made anew when its password is there. */
static void made_anew(void **state)
{
    (void)state;
    char cheap[PERI_PASSWORD_TEXT];
    int64_t id = person("old-hash");
    assert_int_equal(crypto_pwhash_str(cheap, PASSWORD, strlen(PASSWORD), 1, 8u << 20),
                     0);
    assert_ok(peri_account_set_password(fx->db, id, cheap, 0, err));
    assert_int_equal(sign_in("old-hash", "wrong", NULL, "", NOW).end, PERI_SIGNIN_WRONG);
    assert_string_equal(look(id).password, cheap);
    assert_int_equal(sign_in("old-hash", PASSWORD, NULL, "", NOW).end, PERI_SIGNIN_OK);
    assert_memory_equal(look(id).password, "$argon2id$v=19$m=65536,t=2,", 27);
    assert_int_equal(sign_in("old-hash", PASSWORD, NULL, "", NOW).end, PERI_SIGNIN_OK);
}

static void inactive(void **state)
{
    (void)state;
    int64_t id = person("disa");
    assert_ok(peri_account_set_state(fx->db, id, PERI_ACC_DISABLED, err));
    peri_signinout_t o = sign_in("disa", PASSWORD, NULL, "", NOW);
    assert_int_equal(o.end, PERI_SIGNIN_INACTIVE);
    assert_int_equal(o.state, PERI_ACC_DISABLED);
    assert_int_equal(sign_in("disa", "wrong", NULL, "", NOW).end, PERI_SIGNIN_WRONG);
}

/* An attacker with any number of addresses gets few tries at one account. */
static void throttled_account(void **state)
{
    (void)state;
    char client[32];
    int tries = 0;
    double now = NOW;
    person("vic");
    for (int i = 0; i < 400; i++, now += 5) {
        snprintf(client, sizeof(client), "10.1.%d.%d", i / 250, i % 250);
        peri_signinout_t o = sign_in("vic", "guess", NULL, client, now);
        if (o.end == PERI_SIGNIN_WAIT) {
            assert_true(o.wait >= 1);
            /* The right password is no exception: nobody may learn that it is right. */
            continue;
        }
        assert_int_equal(o.end, PERI_SIGNIN_WRONG);
        tries++;
    }
    assert_true(tries >= 8 && tries < 25);
    assert_int_equal(sign_in("vic", PASSWORD, NULL, "10.9.9.9", now).end,
                     PERI_SIGNIN_WAIT);
    /* She herself, from where she has signed in before, or with a session. */
    assert_true(
        peri_db_exec(fx->db, NULL,
                     "INSERT INTO audit (account, client, action, \"time\") SELECT "
                     "id, '192.0.2.7', 'sign-in', 1799999999 FROM account WHERE "
                     "name = 'vic'",
                     0, NULL) == 1);
    peri_signinout_t o = sign_in("vic", PASSWORD, NULL, "192.0.2.7", now);
    assert_int_equal(o.end, PERI_SIGNIN_OK);
    const peri_signin_t known = {
        .login = "vic", .password = PASSWORD, .client = "10.9.9.8", .known = o.account};
    assert_ok(peri_signin(fx->pool, &known, now, arena, &o, err));
    assert_int_equal(o.end, PERI_SIGNIN_OK);
    /* The others still wait, and from there guesses are counted, too. */
    assert_int_equal(sign_in("vic", PASSWORD, NULL, "10.9.9.9", now).end,
                     PERI_SIGNIN_WAIT);
    for (int i = 0; i < 12; i++) o = sign_in("vic", "guess", NULL, "192.0.2.7", now);
    assert_int_equal(o.end, PERI_SIGNIN_WAIT);
    /* All of it passes. */
    assert_int_equal(sign_in("vic", PASSWORD, NULL, "10.9.9.9", now + 1000).end,
                     PERI_SIGNIN_OK);
}

/* One address that tries many accounts; its neighbours in an IPv6 network are the same.
 */
static void throttled_client(void **state)
{
    (void)state;
    char name[32], client[64];
    int tries = 0;
    double wait;
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "made-up-%d", i);
        snprintf(client, sizeof(client), "2001:db8:1:2::%d", i + 1);
        tries += sign_in(name, "guess", NULL, client, NOW).end == PERI_SIGNIN_WRONG;
    }
    assert_int_equal(tries, 30);
    assert_int_equal(sign_in("made-up", "x", NULL, "2001:db8:1:3::1", NOW).end,
                     PERI_SIGNIN_WRONG);
    char key[64];
    peri_throttle_client_key("2001:db8::dead:beef", key);
    assert_string_equal(key, "2001:db8::");
    peri_throttle_client_key("10.1.2.3", key);
    assert_string_equal(key, "10.1.2.3");
    peri_throttle_client_key("::ffff:10.1.2.3", key);
    assert_string_equal(key, "::ffff:10.1.2.3");
    /* Good tries take none away: a class behind one address signs in. */
    person("pupil");
    for (int i = 0; i < 50; i++)
        assert_ok(
            peri_throttle_try(fx->db, &peri_throttle_client, "c", NOW, &wait, err) ||
            wait > 0 || peri_throttle_undo(fx->db, &peri_throttle_client, "c", err));
    /* Waits double, up to a most, and are forgotten. */
    double waits[12], now = NOW;
    for (int i = 0; i < 12; i++) {
        int n = 0;
        do {
            assert_ok(
                peri_throttle_try(fx->db, &peri_throttle_account, "w", now, &wait, err));
        } while (wait == 0 && ++n < 100);
        waits[i] = wait;
        now += wait;
    }
    assert_true(waits[0] == 2 && waits[1] == 4 && waits[2] == 8 && waits[11] == 900);
    assert_ok(peri_throttle_try(fx->db, &peri_throttle_account, "w", now + 6 * 3600 + 1,
                                &wait, err));
    assert_true(wait == 0);
    assert_ok(peri_throttle_try(fx->db, &peri_throttle_account, "w", now + 6 * 3600 + 1,
                                &wait, err));
    assert_true(wait == 0);
}

typedef struct {
    int tried;
} guesses_t;

static void *guess(void *arg)
{
    guesses_t *g = arg;
    peri_db_t *db = peri_dbpool_get(fx->pool, NULL);
    for (int i = 0; i < 20; i++) {
        double wait = 0;
        if (peri_throttle_try(db, &peri_throttle_account, "race", NOW, &wait, NULL) ==
                0 &&
            wait == 0)
            g->tried++;
    }
    peri_dbpool_put(fx->pool, db);
    return NULL;
}

static void at_once(void **state)
{
    (void)state;
    enum { N = 6 };
    pthread_t t[N];
    guesses_t g[N] = {0};
    int all = 0;
    for (int i = 0; i < N; i++) pthread_create(&t[i], NULL, guess, &g[i]);
    for (int i = 0; i < N; i++) {
        pthread_join(t[i], NULL);
        all += g[i].tried;
    }
    assert_int_equal(all, 8);
}

/* ---- second factor ---- */

static void second_factor(void **state)
{
    (void)state;
    char secret[PERI_TOTP_TEXT + 1], code[9];
    char recovery[PERI_RECOVERY_CODES][PERI_RECOVERY_LEN + 1];
    unsigned char key[PERI_TOTP_KEY];
    bool right;
    int64_t id = person("fay");
    assert_code(peri_factor_confirm(fx->db, id, "123456", NOW, recovery, err),
                PERI_ECONFLICT);
    assert_ok(peri_factor_start(fx->db, id, secret, err));
    assert_int_equal(peri_base32_decode(secret, strlen(secret), key, sizeof(key)),
                     PERI_TOTP_KEY);
    /* Not before it was confirmed. */
    assert_int_equal(sign_in("fay", PASSWORD, NULL, "", NOW).end, PERI_SIGNIN_OK);
    assert_code(peri_factor_confirm(fx->db, id, "000000x", NOW, recovery, err),
                PERI_EINVAL);
    peri_totp_code(key, sizeof(key), (int64_t)NOW / 30, 6, code);
    assert_ok(peri_factor_confirm(fx->db, id, code, NOW, recovery, err));
    assert_true(look(id).totp);
    assert_int_equal(look(id).recovery, PERI_RECOVERY_CODES);
    assert_int_equal(sign_in("fay", PASSWORD, NULL, "", NOW).end, PERI_SIGNIN_CODE);
    assert_int_equal(sign_in("fay", PASSWORD, "", "", NOW).end, PERI_SIGNIN_CODE);
    assert_int_equal(sign_in("fay", "wrong", code, "", NOW).end, PERI_SIGNIN_WRONG);
    /* The code that confirmed it is used up. */
    assert_int_equal(sign_in("fay", PASSWORD, code, "", NOW).end, PERI_SIGNIN_WRONG);
    peri_totp_code(key, sizeof(key), (int64_t)NOW / 30 + 1, 6, code);
    assert_int_equal(sign_in("fay", PASSWORD, code, "", NOW + 30).end, PERI_SIGNIN_OK);
    assert_int_equal(sign_in("fay", PASSWORD, code, "", NOW + 30).end, PERI_SIGNIN_WRONG);
    /* Recovery codes, however they are typed, each once. */
    char typed[32] = " ";
    size_t n = 1;
    for (const char *p = recovery[3]; *p; p++)
        if (*p != '-') typed[n++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
    assert_ok(peri_factor_check(fx->db, id, typed, NOW, &right, err));
    assert_true(right);
    assert_ok(peri_factor_check(fx->db, id, recovery[3], NOW, &right, err));
    assert_false(right);
    assert_int_equal(sign_in("fay", PASSWORD, recovery[9], "", NOW).end, PERI_SIGNIN_OK);
    assert_int_equal(look(id).recovery, PERI_RECOVERY_CODES - 2);
    assert_ok(peri_factor_check(fx->db, id, "aaaa-aaaa-aaaa-aaaa", NOW, &right, err));
    assert_false(right);
    /* Nobody guesses codes with the right password. */
    int tries = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(code, sizeof(code), "%06d", i);
        tries +=
            sign_in("fay", PASSWORD, code, "", NOW + 100 + i).end != PERI_SIGNIN_WAIT;
    }
    assert_true(tries < 20);
    assert_ok(peri_factor_remove(fx->db, id, err));
    assert_int_equal(sign_in("fay", PASSWORD, NULL, "", NOW + 90000).end, PERI_SIGNIN_OK);
}

static void confirm(void **state)
{
    (void)state;
    int64_t id = person("con");
    double wait;
    assert_ok(peri_signin_confirm(fx->pool, id, PASSWORD, NOW, &wait, err));
    for (int i = 0; i < 8; i++)
        assert_code(peri_signin_confirm(fx->pool, id, "wrong", NOW, &wait, err),
                    PERI_EDENIED);
    assert_code(peri_signin_confirm(fx->pool, id, PASSWORD, NOW, &wait, err), PERI_EBUSY);
    assert_true(wait > 0);
    /* Others' guesses here do not keep her from signing in. */
    assert_int_equal(sign_in("con", PASSWORD, NULL, "", NOW).end, PERI_SIGNIN_OK);
}

/* ---- sessions ---- */

static peri_actor_t by_cookie(const char *value, double now)
{
    peri_actor_t a;
    assert_ok(peri_account_of_cookie(fx->db, value, &RULES, now, arena, &a, err));
    return a;
}

static int count_sessions(const peri_sessionrow_t *s, void *arg)
{
    (void)s;
    ++*(int *)arg;
    return 0;
}

static void sessions(void **state)
{
    (void)state;
    peri_session_t s[3];
    int n = 0;
    int64_t id = person("sam"), other = person("tom");
    for (int i = 0; i < 3; i++)
        assert_ok(
            peri_session_new(fx->db, id, "::1", "Mozilla\r\nX: y", NOW, &s[i], err));
    assert_string_not_equal(s[0].secret, s[1].secret);
    peri_actor_t a = by_cookie(s[0].secret, NOW + 10);
    assert_int_equal(a.account, id);
    assert_int_equal(a.session, s[0].id);
    assert_string_equal(a.name, "sam");
    assert_string_equal(a.csrf, s[0].csrf);
    assert_int_equal(a.scopes, PERI_SCOPE_ALL);
    assert_false(a.admin || a.local);
    /* No secret is in the database. */
    char sql[300];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM session WHERE session::text LIKE '%%%s%%'",
             s[0].secret);
    assert_int_equal(fix_number(fx->db, sql), 0);
    assert_int_equal(by_cookie("", NOW).account, 0);
    assert_int_equal(by_cookie("pgs_made-up", NOW).account, 0);
    char wrong[PERI_SECRET_LEN + 1];
    peri_secret_new(PERI_SECRET_SESSION, wrong);
    assert_int_equal(by_cookie(wrong, NOW).account, 0);
    /* Idle, and too old however busy. */
    assert_int_equal(by_cookie(s[1].secret, NOW + 3601).account, 0);
    for (double t = NOW; t < NOW + PERI_SESSION_MAX; t += 3000)
        assert_int_equal(by_cookie(s[0].secret, t).account, id);
    assert_int_equal(by_cookie(s[0].secret, NOW + PERI_SESSION_MAX + 1).account, 0);
    assert_true(look(id).seen > NOW + PERI_SESSION_MAX - 3001);
    /* `seen` once a minute. */
    int64_t busy = fix_number(fx->db, "SELECT seen FROM session ORDER BY id LIMIT 1");
    by_cookie(s[0].secret, (double)busy + 30);
    assert_int_equal(fix_number(fx->db, "SELECT seen FROM session ORDER BY id LIMIT 1"),
                     busy);
    assert_ok(peri_session_list(fx->db, id, &RULES, NOW + 5, count_sessions, &n, err));
    assert_int_equal(n, 3);
    assert_code(peri_session_revoke(fx->db, other, s[2].id, 0, err), PERI_ENOTFOUND);
    assert_ok(peri_session_revoke(fx->db, id, s[2].id, 0, err));
    assert_code(peri_session_revoke(fx->db, id, s[2].id, 0, err), PERI_ENOTFOUND);
    assert_int_equal(by_cookie(s[2].secret, NOW).account, 0);
    assert_ok(peri_session_revoke(fx->db, id, 0, s[1].id, err));
    assert_int_equal(by_cookie(s[0].secret, NOW).account, 0);
    assert_int_equal(by_cookie(s[1].secret, NOW).account, id);
    /* A new password ends the others. */
    assert_ok(peri_session_new(fx->db, id, "", "", NOW, &s[0], err));
    assert_ok(peri_account_set_password(fx->db, id, "new", s[1].id, err));
    assert_int_equal(by_cookie(s[0].secret, NOW).account, 0);
    assert_int_equal(by_cookie(s[1].secret, NOW).account, id);
    /* At once, when the account is disabled. */
    assert_ok(peri_account_set_state(fx->db, id, PERI_ACC_DISABLED, err));
    assert_int_equal(by_cookie(s[1].secret, NOW).account, 0);
    assert_ok(peri_account_set_state(fx->db, id, PERI_ACC_ACTIVE, err));
    assert_int_equal(by_cookie(s[1].secret, NOW).account, 0);
    for (int i = 0; i < PERI_SESSION_MOST + 5; i++)
        assert_ok(peri_session_new(fx->db, other, "", "", NOW + i, &s[0], err));
    assert_int_equal(count_of("session WHERE account", other), PERI_SESSION_MOST);
    assert_int_equal(by_cookie(s[0].secret, NOW + 60).account, other);
}

static void cookies(void **state)
{
    (void)state;
    assert_string_equal(peri_session_cookie(true, "v", arena),
                        "__Host-perigee=v; Path=/; HttpOnly; SameSite=Lax; Secure; "
                        "Max-Age=2592000");
    assert_string_equal(peri_session_cookie(false, "", arena),
                        "perigee_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
}

/* ---- tokens ---- */

static int see_token(const peri_tokenrow_t *t, void *arg)
{
    *(peri_tokenrow_t *)arg = *t;
    return 0;
}

static void tokens(void **state)
{
    (void)state;
    char secret[PERI_SECRET_LEN + 1];
    int64_t id = person("tok"), other = person("tokother"), token;
    peri_actor_t a;
    const unsigned scopes = PERI_SCOPE_FILES_READ | PERI_SCOPE_ADMIN;
    peri_newtoken_t n = {"laptop", scopes, NOW + 3600};
    assert_ok(peri_token_new(fx->db, id, &n, NOW, &token, secret, err));
    assert_ok(peri_account_of_token(fx->db, secret, &RULES, NOW + 1, arena, &a, err));
    assert_int_equal(a.account, id);
    assert_int_equal(a.token, token);
    assert_int_equal(a.session, 0);
    assert_int_equal(a.scopes, scopes);
    assert_false(a.admin); /* she is none */
    assert_code(peri_account_of_token(fx->db, secret, &RULES, NOW + 3600, arena, &a, err),
                PERI_EAUTH);
    assert_int_equal(a.account, 0);
    peri_tokenrow_t row = {0};
    assert_ok(peri_token_list(fx->db, id, see_token, &row, err));
    assert_int_equal(row.scopes, scopes);
    assert_true(row.used == NOW + 1);
    static const double ends[] = {NOW, NOW - 1, NOW + 367 * 86400.0, 1e300};
    for (size_t i = 0; i < 4; i++) {
        n.expires = ends[i];
        assert_code(peri_token_new(fx->db, id, &n, NOW, &token, secret, err),
                    PERI_EINVAL);
    }
    n = (peri_newtoken_t){"", scopes, NOW + 1};
    assert_code(peri_token_new(fx->db, id, &n, NOW, &token, secret, err), PERI_EINVAL);
    n = (peri_newtoken_t){"x", 0, NOW + 1};
    assert_code(peri_token_new(fx->db, id, &n, NOW, &token, secret, err), PERI_EINVAL);
    n = (peri_newtoken_t){"x", 1u << 20, NOW + 1};
    assert_code(peri_token_new(fx->db, id, &n, NOW, &token, secret, err), PERI_EINVAL);
    assert_code(peri_token_revoke(fx->db, other, row.id, err), PERI_ENOTFOUND);
    assert_ok(peri_token_revoke(fx->db, id, row.id, err));
    assert_code(peri_account_of_token(fx->db, secret, &RULES, NOW, arena, &a, err),
                PERI_EAUTH);
    assert_code(peri_account_of_token(fx->db, "pgt_x", &RULES, NOW, arena, &a, err),
                PERI_EAUTH);
    /* An administrator's token is one's only with the scope for it. */
    assert_true(peri_db_exec(fx->db, NULL,
                             "UPDATE account SET admin = true WHERE name = "
                             "'tok'",
                             0, NULL) == 1);
    for (int with = 0; with < 2; with++) {
        n = (peri_newtoken_t){"a", PERI_SCOPE_SQL | (with ? PERI_SCOPE_ADMIN : 0),
                              NOW + 9};
        assert_ok(peri_token_new(fx->db, id, &n, NOW, &token, secret, err));
        assert_ok(peri_account_of_token(fx->db, secret, &RULES, NOW, arena, &a, err));
        assert_int_equal(a.admin, with);
    }
    /* ... and with a second factor, where that is the rule. */
    const peri_sessionrules_t strict = {.idle = 3600, .admin_totp = true};
    assert_ok(peri_account_of_token(fx->db, secret, &strict, NOW, arena, &a, err));
    assert_false(a.admin);
    peri_session_t s;
    assert_ok(peri_session_new(fx->db, id, "", "", NOW, &s, err));
    assert_true(by_cookie(s.secret, NOW).admin);
    assert_ok(peri_account_of_cookie(fx->db, s.secret, &strict, NOW, arena, &a, err));
    assert_false(a.admin);
    n = (peri_newtoken_t){"many", PERI_SCOPE_SQL, NOW + 9};
    for (int i = 2; i < PERI_TOKEN_MOST; i++)
        assert_ok(peri_token_new(fx->db, id, &n, NOW, &token, secret, err));
    assert_code(peri_token_new(fx->db, id, &n, NOW, &token, secret, err), PERI_ECONFLICT);
}

/* ---- this machine's users ---- */

static void unix_users(void **state)
{
    (void)state;
    peri_actor_t a, b;
    assert_ok(peri_account_of_uid(fx->db, 4711, 4711, "ida", false, arena, &a, err));
    assert_string_equal(a.name, "ida");
    assert_true(a.local && !a.admin && a.uid == 4711);
    assert_ok(peri_account_of_uid(fx->db, 4711, 4711, "ida", true, arena, &b, err));
    assert_int_equal(a.account, b.account);
    assert_true(b.admin);
    assert_ok(peri_account_of_uid(fx->db, 4712, 4711, "Ida", false, arena, &b, err));
    assert_string_equal(b.name, "Ida-4712");
    assert_ok(peri_account_set_state(fx->db, b.account, PERI_ACC_DISABLED, err));
    assert_code(peri_account_of_uid(fx->db, 4712, 4711, "Ida", false, arena, &b, err),
                PERI_EDENIED);
    assert_ok(peri_account_of_uid(fx->db, 4713, 4711, "../x y", false, arena, &b, err));
    assert_null(strchr(b.name, '/'));
}

static void speed(void **state)
{
    (void)state;
    enum { N = 2000 };
    peri_session_t s;
    peri_actor_t a;
    assert_ok(peri_session_new(fx->db, person("fast"), "", "", NOW, &s, err));
    peri_arena_t *mine = peri_arena_new();
    double from = peri_now();
    for (int i = 0; i < N; i++)
        peri_account_of_cookie(fx->db, s.secret, &RULES, NOW, mine, &a, NULL);
    print_message("a look-up by cookie: %.0f us\n", (peri_now() - from) * 1e6 / N);
    peri_arena_free(mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(passwords),
                                       cmocka_unit_test(made_anew),
                                       cmocka_unit_test(inactive),
                                       cmocka_unit_test(throttled_account),
                                       cmocka_unit_test(throttled_client),
                                       cmocka_unit_test(at_once),
                                       cmocka_unit_test(second_factor),
                                       cmocka_unit_test(confirm),
                                       cmocka_unit_test(sessions),
                                       cmocka_unit_test(cookies),
                                       cmocka_unit_test(tokens),
                                       cmocka_unit_test(unix_users),
                                       cmocka_unit_test(speed)};
    return cmocka_run_group_tests(tests, fix_accounts, fix_no_accounts);
}
