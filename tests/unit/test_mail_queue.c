/* Unit tests of peri_mail_queue against a real server: in the caller's transaction, also
 * with the rights of a user, and nothing that could not be sent. */
#include "test_store_fixture.h"

#include "portal/account/mail.h"

static int count(pgfix_t *f)
{
    PGresult *r = peri_db_query(f->db, NULL, "SELECT 1 FROM mail", 0, NULL);
    int n = PQntuples(r);
    PQclear(r);
    return n;
}

static void test_transaction(void **state)
{
    pgfix_t *f = *state;
    assert_ok(peri_db_begin(f->db, err));
    assert_ok(peri_mail_queue(f->db, "ana@example.org", "S", "text", err));
    peri_db_rollback(f->db);
    assert_int_equal(count(f), 0);
    assert_ok(peri_db_begin_as(f->db, 7, err));
    assert_ok(peri_mail_queue(f->db, "ana@example.org", "S \xe2\x82\xac'", "a\n", err));
    assert_ok(peri_db_commit(f->db, err));
    PGresult *r = peri_db_query(f->db, NULL,
                                "DELETE FROM mail RETURNING recipient, subject, body, "
                                "tries, due <= extract(epoch FROM now())",
                                0, NULL);
    assert_int_equal(PQntuples(r), 1);
    assert_string_equal(PQgetvalue(r, 0, 0), "ana@example.org");
    assert_string_equal(PQgetvalue(r, 0, 1), "S \xe2\x82\xac'");
    assert_string_equal(PQgetvalue(r, 0, 2), "a\n");
    assert_string_equal(PQgetvalue(r, 0, 3), "0");
    assert_string_equal(PQgetvalue(r, 0, 4), "t");
    PQclear(r);
}

static void test_refused(void **state)
{
    pgfix_t *f = *state;
    static const char *const bad[][3] = {{"ana@example.org\r\nBcc: x@y.org", "S", "t"},
                                         {"ana", "S", "t"},
                                         {"ana@example.org", "S\nX: y", "t"},
                                         {"ana@example.org", "", "t"},
                                         {"ana@example.org", "S", "\xff"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        peri_err_t err = {0};
        assert_int_equal(peri_mail_queue(f->db, bad[i][0], bad[i][1], bad[i][2], &err),
                         -1);
        assert_int_equal(err.code, PERI_EINVAL);
    }
    assert_int_equal(count(f), 0);
}

static int setup(void **state)
{
    *state = fix_new();
    return 0;
}

static int teardown(void **state)
{
    fix_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_transaction),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
