/* Accounts, sign-up in its modes, links that work once, the end of an account. */
#include "tests/unit/test_account_fixture.h"

/* ---- states ---- */

static void states(void **state)
{
    (void)state;
    static const char *const allowed[] = {"invited active",
                                          "invited disabled",
                                          "pending_email pending_approval",
                                          "pending_email active",
                                          "pending_email disabled",
                                          "pending_approval active",
                                          "pending_approval disabled",
                                          "active disabled",
                                          "disabled active"};
    for (int from = 0; from < PERI_ACC_NSTATES; from++)
        for (int to = 0; to < PERI_ACC_NSTATES; to++) {
            char pair[64];
            snprintf(pair, sizeof(pair), "%s %s", peri_accstate_name(from),
                     peri_accstate_name(to));
            bool may = from == to;
            for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
                if (!strcmp(pair, allowed[i])) may = true;
            assert_int_equal(peri_accstate_may(from, to), may);
            assert_int_equal(peri_accstate_of(peri_accstate_name(to)), to);
        }
    int64_t id = person("states");
    assert_code(peri_account_set_state(fx->db, id, PERI_ACC_EMAIL, err), PERI_ECONFLICT);
    assert_int_equal(look(id).state, PERI_ACC_ACTIVE);
    assert_code(peri_account_set_state(fx->db, 999999, PERI_ACC_ACTIVE, err),
                PERI_ENOTFOUND);
}

/* ---- names ---- */

static void made_once(void **state)
{
    (void)state;
    int64_t id = person("taken"), other;
    peri_account_t a;
    const peri_newaccount_t same = {.name = "Taken", .state = PERI_ACC_ACTIVE};
    assert_code(peri_account_make(fx->db, &same, &other, err), PERI_ECONFLICT);
    assert_ok(peri_account_by_name(fx->db, "TAKEN", arena, &a, err));
    assert_int_equal(a.id, id);
    assert_code(peri_account_by_name(fx->db, "nobody-here", arena, &a, err),
                PERI_ENOTFOUND);
    assert_ok(peri_account_set_email(fx->db, id, "taken@example.org", err));
    assert_ok(peri_account_by_login(fx->db, "Taken@Example.org", arena, &a, err));
    assert_int_equal(a.id, id);
    other = person("other");
    assert_code(peri_account_set_email(fx->db, other, "TAKEN@example.org", err),
                PERI_ECONFLICT);
    assert_ok(peri_account_set_email(fx->db, id, "taken@example.org", err));
    assert_ok(peri_account_set_email(fx->db, id, NULL, err));
    assert_ok(peri_account_set_email(fx->db, other, "taken@example.org", err));
    /* SQL in a name is text. */
    assert_code(peri_account_by_login(fx->db, "' OR true --", arena, &a, err),
                PERI_ENOTFOUND);
}

static int on_found(const peri_account_t *a, void *arg)
{
    char *out = arg;
    size_t n = strlen(out);
    snprintf(out + n, 200 - n, "%s ", a->name);
    return 0;
}

static void search(void **state)
{
    (void)state;
    char found[200] = "";
    int64_t ana = person("findana"), bob = person("findbob");
    assert_ok(peri_account_edit(fx->db, ana, "Ana Zeta", NULL, err));
    assert_ok(peri_account_search(fx->db, "FIND", 10, on_found, found, err));
    assert_string_equal(found, "findana findbob ");
    found[0] = '\0';
    assert_ok(peri_account_search(fx->db, "zet", 10, on_found, found, err));
    assert_string_equal(found, "findana ");
    found[0] = '\0';
    assert_ok(peri_account_set_state(fx->db, bob, PERI_ACC_DISABLED, err));
    assert_ok(peri_account_search(fx->db, "find", 10, on_found, found, err));
    assert_string_equal(found, "findana ");
    found[0] = '\0';
    assert_ok(peri_account_search(fx->db, "%", 10, on_found, found, err));
    assert_string_equal(found, "");
}

static void edit(void **state)
{
    (void)state;
    int64_t id = person("editor");
    const char *before = look(id).tag;
    assert_ok(
        peri_account_edit(fx->db, id, NULL, "{\"theme\": \"dark\", \"n\": 1}", err));
    assert_ok(peri_account_edit(fx->db, id, "E", "{\"n\": null}", err));
    assert_string_equal(look(id).settings, "{\"theme\": \"dark\"}");
    assert_string_equal(look(id).full_name, "E");
    assert_string_not_equal(look(id).tag, before);
}

/* ---- signing up ---- */

static int64_t sign_up(const peri_signuprules_t *rules, const peri_newperson_t *p,
                       peri_accstate_t *state)
{
    int64_t id;
    assert_ok(peri_db_begin(fx->db, err));
    assert_ok(peri_signup_make(fx->db, rules, p, hash_of_password, NOW, &id, state, err));
    assert_ok(peri_db_commit(fx->db, err));
    return id;
}

static void modes(void **state)
{
    (void)state;
    peri_accstate_t s;
    int64_t id;
    char secret[PERI_SECRET_LEN + 1], again[PERI_SECRET_LEN + 1];
    peri_newperson_t p = {.name = "open1", .email = "open1@example.org"};
    id = sign_up(&OPEN, &p, &s);
    assert_int_equal(s, PERI_ACC_ACTIVE);
    assert_null(look(id).email); /* nobody has verified it */
    assert_non_null(strstr(look(id).settings, "open1@example.org"));
    p = (peri_newperson_t){.name = "appr1"};
    sign_up(&APPROVAL, &p, &s);
    assert_int_equal(s, PERI_ACC_APPROVAL);

    p = (peri_newperson_t){.name = "mail1"};
    assert_code(peri_signup_make(fx->db, &OPEN_MAIL, &p, "x", NOW, &id, &s, err),
                PERI_EINVAL);
    p.email = "mail1@example.org";
    id = sign_up(&OPEN_MAIL, &p, &s);
    assert_int_equal(s, PERI_ACC_EMAIL);
    assert_null(look(id).email);
    assert_int_equal(strlen(mailed("mail1@example.org", secret)), PERI_SECRET_LEN);
    assert_code(
        peri_signup_verify(fx->db, &OPEN_MAIL, secret, NOW + 3 * 86400, &id, &s, err),
        PERI_ENOTFOUND);
    assert_ok(peri_signup_verify(fx->db, &OPEN_MAIL, secret, NOW + 60, &id, &s, err));
    assert_int_equal(s, PERI_ACC_ACTIVE);
    assert_string_equal(look(id).email, "mail1@example.org");
    assert_code(peri_signup_verify(fx->db, &OPEN_MAIL, secret, NOW + 60, &id, &s, err),
                PERI_ENOTFOUND);

    p = (peri_newperson_t){.name = "mail2", .email = "mail2@example.org"};
    id = sign_up(&APPROVAL_MAIL, &p, &s);
    assert_int_equal(s, PERI_ACC_EMAIL);
    mailed("mail2@example.org", secret);
    assert_ok(peri_signup_verify(fx->db, &APPROVAL_MAIL, secret, NOW, &id, &s, err));
    assert_int_equal(s, PERI_ACC_APPROVAL);
    assert_ok(peri_account_set_state(fx->db, id, PERI_ACC_ACTIVE, err));

    p = (peri_newperson_t){.name = "inv1", .email = "inv1@example.org"};
    assert_code(peri_signup_make(fx->db, &INVITED, &p, "x", NOW, &id, &s, err),
                PERI_EDENIED);
    assert_code(peri_signup_make(fx->db, &CLOSED, &p, "x", NOW, &id, &s, err),
                PERI_EDENIED);
    peri_secret_new(PERI_SECRET_ONCE, again);
    p.invitation = again; /* well-formed, but nobody's */
    assert_code(peri_signup_make(fx->db, &INVITED, &p, "x", NOW, &id, &s, err),
                PERI_ENOTFOUND);
    assert_true(peri_db_exec(fx->db, NULL,
                             "INSERT INTO team (id, name) OVERRIDING SYSTEM VALUE VALUES "
                             "(77, 'halos')",
                             0, NULL) == 1);
    assert_ok(peri_signup_invite(fx->db, &INVITED, "inv1@example.org",
                                 "{\"team\": 77, \"role\": \"admin\"}", "Bob", NOW,
                                 secret, err));
    assert_string_equal(mailed("inv1@example.org", again), secret);
    p = (peri_newperson_t){.name = "inv1", .invitation = secret};
    id = sign_up(&INVITED, &p, &s);
    assert_int_equal(s, PERI_ACC_ACTIVE);
    assert_string_equal(look(id).email, "inv1@example.org");
    assert_int_equal(
        count_of("team_member WHERE team = 77 AND role = 'admin' AND state = "
                 "'invited' AND account",
                 id),
        1);
    p.name = "inv2";
    assert_code(peri_signup_make(fx->db, &INVITED, &p, "x", NOW, &id, &s, err),
                PERI_ENOTFOUND); /* once */
    assert_code(peri_signup_invite(fx->db, &CLOSED, "x@example.org", NULL, "Bob", NOW,
                                   secret, err),
                PERI_EDENIED);
    static const char *const bad[] = {"root", "A", "x y", "me"};
    for (size_t i = 0; i < 4; i++) {
        p = (peri_newperson_t){.name = bad[i], .email = "y@example.org"};
        assert_code(peri_signup_make(fx->db, &OPEN, &p, "x", NOW, &id, &s, err),
                    PERI_EINVAL);
    }
}

static bool is_machines(const char *name)
{
    return !strcmp(name, "machine");
}

/* Where jobs run as Unix users, nobody takes the name of one unseen. */
static void reserved(void **state)
{
    (void)state;
    int64_t id;
    peri_accstate_t s;
    char secret[PERI_SECRET_LEN + 1];
    static const peri_signuprules_t approval = {PERI_SIGNUP_APPROVAL, false, "http://p"};
    peri_newperson_t p = {.name = "machine"};
    peri_account_reserve(is_machines);
    assert_code(peri_signup_make(fx->db, &OPEN, &p, "x", NOW, &id, &s, err),
                PERI_ECONFLICT);
    assert_ok(peri_signup_invite(fx->db, &approval, "m@example.org", NULL, "Bob", NOW,
                                 secret, err));
    p.invitation = secret;
    assert_code(peri_signup_make(fx->db, &approval, &p, "x", NOW, &id, &s, err),
                PERI_ECONFLICT);
    p.invitation = NULL;
    id = sign_up(&approval, &p, &s);
    assert_int_equal(s, PERI_ACC_APPROVAL);
    p.name = "machine2";
    sign_up(&OPEN, &p, &s);
    peri_account_reserve(NULL);
}

/* A stranger who signs up with somebody's address sees the same as for a new one. */
static void nobody_is_told(void **state)
{
    (void)state;
    peri_accstate_t s;
    char secret[PERI_SECRET_LEN + 1];
    int64_t owner = person("owner");
    assert_ok(peri_account_set_email(fx->db, owner, "owner@example.org", err));
    peri_newperson_t p = {.name = "stranger", .email = "Owner@example.org"};
    int64_t id = sign_up(&OPEN_MAIL, &p, &s);
    assert_int_equal(s, PERI_ACC_EMAIL);
    assert_null(look(id).email);
    assert_string_equal(mailed("owner@example.org", secret), "");
    assert_int_equal(count_of("one_time WHERE account", id), 0);
    /* Two strangers with one new address: who reads the mail decides. */
    p = (peri_newperson_t){.name = "first", .email = "both@example.org"};
    sign_up(&OPEN_MAIL, &p, &s);
    p.name = "second";
    int64_t second = sign_up(&OPEN_MAIL, &p, &s);
    char late[PERI_SECRET_LEN + 1];
    mailed("both@example.org", secret);
    mailed("both@example.org", late);
    assert_ok(peri_signup_verify(fx->db, &OPEN_MAIL, secret, NOW, &id, &s, err));
    assert_int_equal(id, second);
    assert_code(peri_signup_verify(fx->db, &OPEN_MAIL, late, NOW, &id, &s, err),
                PERI_ECONFLICT);
    /* A forgotten password of nobody's. */
    int64_t links = fix_number(fx->db, "SELECT count(*) FROM one_time");
    assert_ok(peri_signup_forgot(fx->db, &OPEN_MAIL, "nobody@example.org", NOW, err));
    assert_ok(peri_signup_forgot(fx->db, &OPEN_MAIL, "owner@example.org", NOW, err));
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM one_time"), links + 2);
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM mail WHERE recipient = "
                                        "'nobody@example.org'"),
                     0);
    assert_code(peri_signup_forgot(fx->db, &OPEN, "owner@example.org", NOW, err),
                PERI_EUNSUPP);
}

/* ---- links ---- */

static void reset(void **state)
{
    (void)state;
    char secret[PERI_SECRET_LEN + 1], other[PERI_SECRET_LEN + 1];
    peri_session_t session;
    int64_t id = person("forgetful"), got;
    assert_ok(peri_account_set_email(fx->db, id, "forgetful@example.org", err));
    assert_ok(peri_session_new(fx->db, id, "1.2.3.4", "x", NOW, &session, err));
    assert_ok(peri_signup_forgot(fx->db, &OPEN_MAIL, "forgetful@example.org", NOW, err));
    assert_ok(peri_signup_forgot(fx->db, &OPEN_MAIL, "forgetful@example.org", NOW, err));
    mailed("forgetful@example.org", secret);
    mailed("forgetful@example.org", other);
    assert_code(peri_signup_reset(fx->db, secret, "new", NOW + 3601, &got, err),
                PERI_ENOTFOUND);
    peri_secret_new(PERI_SECRET_TOKEN, session.secret);
    assert_code(peri_signup_reset(fx->db, session.secret, "new", NOW, &got, err),
                PERI_ENOTFOUND);
    assert_ok(peri_signup_reset(fx->db, secret, "new", NOW, &got, err));
    assert_int_equal(got, id);
    assert_string_equal(look(id).password, "new");
    assert_int_equal(count_of("session WHERE account", id), 0);
    /* The other link went with it. */
    assert_code(peri_signup_reset(fx->db, other, "newer", NOW, &got, err),
                PERI_ENOTFOUND);
}

static void set_up(void **state)
{
    (void)state;
    char first[PERI_SECRET_LEN + 1], second[PERI_SECRET_LEN + 1];
    int64_t id, same;
    assert_ok(peri_signup_setup(fx->db, "boss", true, NOW, &id, first, err));
    assert_int_equal(look(id).state, PERI_ACC_INVITED);
    assert_true(look(id).admin);
    assert_ok(peri_signup_setup(fx->db, "boss", true, NOW, &same, second, err));
    assert_int_equal(id, same);
    assert_code(peri_signup_reset(fx->db, first, "x", NOW, &same, err), PERI_ENOTFOUND);
    assert_ok(peri_signup_reset(fx->db, second, hash_of_password, NOW, &same, err));
    assert_int_equal(look(id).state, PERI_ACC_ACTIVE);
    assert_int_equal(sign_in("boss", PASSWORD, NULL, "", NOW).end, PERI_SIGNIN_OK);
    assert_code(peri_signup_setup(fx->db, "root", true, NOW, &id, first, err),
                PERI_EINVAL);
    assert_ok(peri_account_set_state(fx->db, same, PERI_ACC_DISABLED, err));
    assert_code(peri_signup_setup(fx->db, "boss", false, NOW, &id, first, err),
                PERI_ECONFLICT);
}

/* ---- the end ---- */

static void deleted(void **state)
{
    (void)state;
    char sql[256], secret[PERI_SECRET_LEN + 1];
    peri_session_t session;
    int64_t id = person("leaver"), heir = person("heir"), token;
    assert_ok(peri_account_set_email(fx->db, id, "leaver@example.org", err));
    assert_ok(peri_session_new(fx->db, id, "", "", NOW, &session, err));
    const peri_newtoken_t t = {"t", PERI_SCOPE_SQL, NOW + 10};
    assert_ok(peri_token_new(fx->db, id, &t, NOW, &token, secret, err));
    snprintf(
        sql, sizeof(sql),
        "WITH t AS (INSERT INTO team (name) VALUES ('lost') RETURNING id) INSERT INTO "
        "team_member (team, account, role, state) SELECT id, %lld, 'owner', 'active' "
        "FROM t",
        (long long)id);
    assert_true(peri_db_exec(fx->db, NULL, sql, 0, NULL) == 1);
    snprintf(sql, sizeof(sql),
             "INSERT INTO volume (account, name, kind) VALUES (%lld, 'persistent', "
             "'persistent')",
             (long long)id);
    assert_true(peri_db_exec(fx->db, NULL, sql, 0, NULL) == 1);
    peri_err_t err = {0};
    assert_int_equal(peri_account_delete(fx->db, id, &err), -1);
    assert_int_equal(err.code, PERI_ECONFLICT);
    assert_non_null(strstr(err.text, "lost"));
    assert_int_equal(count_of("session WHERE account", id), 1);
    snprintf(sql, sizeof(sql),
             "INSERT INTO team_member (team, account, role, state) SELECT id, %lld, "
             "'owner', 'active' FROM team WHERE name = 'lost'",
             (long long)heir);
    assert_true(peri_db_exec(fx->db, NULL, sql, 0, NULL) == 1);
    assert_ok(peri_account_delete(fx->db, id, err));
    const peri_account_t a = look(id);
    assert_int_equal(a.state, PERI_ACC_DISABLED);
    assert_null(a.email);
    assert_null(a.password);
    snprintf(sql, sizeof(sql), "deleted.%lld", (long long)id);
    assert_string_equal(a.name, sql);
    assert_int_equal(count_of("session WHERE account", id), 0);
    assert_int_equal(count_of("token WHERE account", id), 0);
    assert_int_equal(count_of("team_member WHERE account", id), 0);
    assert_int_equal(count_of("volume WHERE removed IS NOT NULL AND account", id), 1);
    assert_code(peri_account_set_state(fx->db, id, PERI_ACC_ACTIVE, err), PERI_ENOTFOUND);
    person("leaver"); /* the name is free again */
    peri_actor_t who;
    assert_ok(
        peri_account_of_cookie(fx->db, session.secret, &RULES, NOW, arena, &who, err));
    assert_int_equal(who.account, 0);
    assert_code(peri_account_of_token(fx->db, secret, &RULES, NOW, arena, &who, err),
                PERI_EAUTH);
}

static void sweep(void **state)
{
    (void)state;
    peri_accstate_t s;
    const peri_newperson_t p = {.name = "unverified", .email = "unver@example.org"};
    int64_t id = sign_up(&OPEN_MAIL, &p, &s);
    const double created = look(id).created;
    double wait;
    assert_ok(peri_throttle_try(fx->db, &peri_throttle_mail, "x", NOW, &wait, err));
    assert_ok(peri_account_sweep(fx->db, created + 86400, err));
    assert_string_equal(look(id).name, "unverified");
    assert_ok(peri_account_sweep(fx->db, NOW + 30 * 86400, err));
    peri_account_t a;
    assert_code(peri_account_by_id(fx->db, id, arena, &a, err), PERI_ENOTFOUND);
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM throttle"), 0);
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM one_time"), 0);
    assert_int_equal(fix_number(fx->db, "SELECT count(*) FROM session"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),         cmocka_unit_test(made_once),
        cmocka_unit_test(search),         cmocka_unit_test(edit),
        cmocka_unit_test(modes),          cmocka_unit_test(reserved),
        cmocka_unit_test(nobody_is_told), cmocka_unit_test(reset),
        cmocka_unit_test(set_up),         cmocka_unit_test(deleted),
        cmocka_unit_test(sweep)};
    return cmocka_run_group_tests(tests, fix_accounts, fix_no_accounts);
}
