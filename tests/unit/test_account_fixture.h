/* Accounts for the tests of portal/account that need a database. */
#ifndef TESTS_UNIT_TEST_ACCOUNT_FIXTURE_H
#define TESTS_UNIT_TEST_ACCOUNT_FIXTURE_H

#include "tests/unit/test_store_fixture.h"

#include "portal/account/account.h"
#include "portal/account/factor.h"
#include "portal/account/password.h"
#include "portal/account/session.h"
#include "portal/account/signin.h"
#include "portal/account/signup.h"
#include "portal/account/throttle.h"

#define NOW      1800000000.0
#define PASSWORD "correct horse battery"

static const peri_sessionrules_t RULES = {.idle = 3600};
static const peri_signuprules_t OPEN = {PERI_SIGNUP_OPEN, false, "http://x"},
                                OPEN_MAIL = {PERI_SIGNUP_OPEN, true, "http://x"},
                                APPROVAL = {PERI_SIGNUP_APPROVAL, false, "http://x"},
                                APPROVAL_MAIL = {PERI_SIGNUP_APPROVAL, true, "http://x"},
                                INVITED = {PERI_SIGNUP_INVITATION, true, "http://x"},
                                CLOSED = {PERI_SIGNUP_CLOSED, true, "http://x"};

static pgfix_t *fx;
static peri_arena_t *arena;
static char hash_of_password[PERI_PASSWORD_TEXT];

static inline int fix_accounts(void **state)
{
    (void)state;
    fx = fix_new();
    arena = peri_arena_new();
    /* Nothing is killed here: no need to wait for the disk at each of many statements. */
    PQclear(peri_db_query(fx->db, NULL, "SET synchronous_commit = off", 0, NULL));
    PQclear(peri_db_query(fx->db, NULL,
                          "DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET "
                          "synchronous_commit = off', current_user); END $$",
                          0, NULL));
    assert_ok(peri_password_init(err));
    assert_ok(peri_password_hash(PASSWORD, strlen(PASSWORD), hash_of_password, err));
    return 0;
}

static inline int fix_no_accounts(void **state)
{
    (void)state;
    peri_arena_free(arena);
    fix_free(fx);
    return 0;
}

/* The error that a call must end with. */
#define assert_code(call, want)                                                          \
    do {                                                                                 \
        peri_err_t e_ = {0};                                                             \
        peri_err_t *err = &e_;                                                           \
        if ((call) != -1) fail_msg("%s went well", #call);                               \
        if (e_.code != (want)) fail_msg("%s: %d %s", #call, (int)e_.code, e_.text);      \
        if (strlen(e_.text) < 15) fail_msg("%s: \"%s\"", #call, e_.text);                \
    } while (0)

/* An active account with PASSWORD. */
static inline int64_t person(const char *name)
{
    int64_t id;
    const peri_newaccount_t n = {
        .name = name, .password = hash_of_password, .state = PERI_ACC_ACTIVE};
    assert_ok(peri_account_make(fx->db, &n, &id, err));
    return id;
}

static inline peri_account_t look(int64_t id)
{
    peri_account_t a;
    assert_ok(peri_account_by_id(fx->db, id, arena, &a, err));
    return a;
}

static inline int64_t count_of(const char *from, int64_t id)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s = %lld", from, (long long)id);
    return fix_number(fx->db, sql);
}

/* The secret in the last mail to an address; "" if there is none. The mail goes. */
static inline char *mailed(const char *to, char secret[PERI_SECRET_LEN + 1])
{
    PGresult *r = peri_db_query(fx->db, NULL,
                                "DELETE FROM mail WHERE id = (SELECT max(id) FROM mail "
                                "WHERE recipient = $1) RETURNING coalesce("
                                "substring(body from 'pgo_[0-9A-Za-z]+'), '')",
                                1, (const char *const[]){to});
    assert_non_null(r);
    snprintf(secret, PERI_SECRET_LEN + 1, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return secret;
}

static inline peri_signinout_t sign_in(const char *login, const char *password,
                                       const char *code, const char *client, double now)
{
    peri_signinout_t out;
    const peri_signin_t in = {
        .login = login, .password = password, .code = code, .client = client};
    assert_ok(peri_signin(fx->pool, &in, now, arena, &out, err));
    return out;
}

#endif
