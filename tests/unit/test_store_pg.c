/* The private server: started, stopped, killed, started twice at once, killed while it is
 * made, in places where it cannot be.
 */
#include "tests/unit/test_store_fixture.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static pgfix_t *fx; /* nothing started */

static int setup(void **state)
{
    (void)state;
    fx = fix_folder();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peri_pg_stop(fx->pg, NULL);
    fix_free(fx);
    return 0;
}

static peri_pgstatus_t status_of(const char *dir)
{
    peri_pgstatus_t s;
    assert_ok(peri_pg_status(dir, &s, err));
    return s;
}

static int64_t ask(const char *sql)
{
    peri_err_t err = {0};
    peri_db_t *db = peri_db_connect(fx->conninfo, &err);
    if (!db) fail_msg("%s", err.text);
    int64_t n = fix_number(db, sql);
    peri_db_close(db);
    return n;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void nothing_there(void **state)
{
    (void)state;
    peri_pgstatus_t s = status_of(fx->pg);
    assert_false(s.initialised || s.running);
    assert_ok(peri_pg_stop(fx->pg, err));
    assert_int_equal(access(fx->pg, F_OK), -1);
}

/* Two at once: both have a server, there is one. */
static void twice_at_once(void **state)
{
    (void)state;
    pid_t child[2];
    for (int i = 0; i < 2; i++)
        if ((child[i] = fork()) == 0) {
            peri_err_t err = {0};
            int rc = peri_pg_start(fx->pg, &err);
            if (rc) fprintf(stderr, "%s\n", err.text);
            _exit(rc ? 1 : 0);
        }
    for (int i = 0; i < 2; i++) {
        int status;
        waitpid(child[i], &status, 0);
        assert_int_equal(status, 0);
    }
    /* They are gone, it is not. */
    peri_pgstatus_t s = status_of(fx->pg);
    assert_true(s.initialised && s.running && s.pid > 1);
    assert_int_equal(ask("SELECT 5"), 5);
    assert_ok(peri_pg_start(fx->pg, err));
    assert_int_equal(status_of(fx->pg).pid, s.pid);
    struct stat st;
    char *socket = peri_xasprintf("%s/s", fx->pg);
    assert_int_equal(stat(socket, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(fx->pg, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    free(socket);
    ask("CREATE TABLE kept AS SELECT 7 AS n");
}

static void stop_and_start(void **state)
{
    (void)state;
    assert_ok(peri_pg_stop(fx->pg, err));
    assert_false(status_of(fx->pg).running);
    assert_true(status_of(fx->pg).initialised);
    assert_ok(peri_pg_stop(fx->pg, err));
    assert_ok(peri_pg_start(fx->pg, err));
    assert_int_equal(ask("SELECT n FROM kept"), 7);
}

static void killed(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        pid_t pid = (pid_t)status_of(fx->pg).pid;
        /* A connection whose process has to notice it first. */
        peri_db_t *db = peri_db_connect(fx->conninfo, NULL);
        assert_non_null(db);
        PQsendQuery(peri_db_conn(db), "SELECT pg_sleep(0.7)");
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_ok(peri_pg_start(fx->pg, err));
        assert_true(status_of(fx->pg).running);
        assert_int_not_equal(status_of(fx->pg).pid, pid);
        assert_int_equal(ask("SELECT n FROM kept"), 7);
        peri_db_close(db);
    }
}

/* The number in postmaster.pid may be anybody's after a reboot. */
static void pid_of_somebody_else(void **state)
{
    (void)state;
    assert_ok(peri_pg_stop(fx->pg, err));
    char *file = peri_xasprintf("%s/data/postmaster.pid", fx->pg), text[64];
    struct stat st;
    char *data = peri_xasprintf("%s/data", fx->pg);
    assert_int_equal(stat(data, &st), 0);
    const long numbers[] = {getpid(), fx->janitor_pid, 999999999};
    for (size_t i = 0; i < 3; i++) {
        int n = snprintf(text, sizeof(text), "%ld\n%s\n1\n5432\n", numbers[i], data);
        assert_ok(peri_file_write_atomic(file, text, (size_t)n, err));
        assert_int_equal(chown(file, st.st_uid, st.st_gid), 0);
        assert_false(status_of(fx->pg).running);
        assert_ok(peri_pg_stop(fx->pg, err));
        assert_ok(peri_pg_start(fx->pg, err));
        assert_int_equal(ask("SELECT n FROM kept"), 7);
        assert_ok(peri_pg_stop(fx->pg, err));
    }
    free(data);
    free(file);
}

/* A folder of its own, and a child that is to start a server in it. */
static char *another(const char *name)
{
    return peri_xasprintf("%s/%s", fx->dir, name);
}

static void killed_while_it_is_made(void **state)
{
    (void)state;
    char *dir = another("killed");
    for (int i = 0; i < 8; i++) {
        pid_t child = fork();
        if (child == 0) _exit(peri_pg_start(dir, NULL) ? 1 : 0);
        sleep_ms(20 + 130 * i);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    assert_ok(peri_pg_start(dir, err));
    char *conninfo = peri_pg_conninfo(dir);
    peri_db_t *db = peri_db_connect(conninfo, NULL);
    assert_non_null(db);
    assert_ok(peri_db_migrate(db, 0, err));
    peri_db_close(db);
    assert_ok(peri_pg_stop(dir, err));
    free(conninfo);
    free(dir);
}

/* Why it does not start is said at once, in its own words. */
static void does_not_start(void **state)
{
    (void)state;
    peri_err_t err = {0};
    char *file = peri_xasprintf("%s/data/local.conf", fx->pg);
    assert_ok(peri_pg_stop(fx->pg, err));
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_ok(peri_file_write_atomic(file, "shared_buffers = 1kB\n", 21, err));
    assert_int_equal(chown(file, st.st_uid, st.st_gid), 0);
    assert_int_equal(peri_pg_start(fx->pg, &err), -1);
    if (!strstr(err.text, "shared_buffers") && !strstr(err.text, "errors"))
        fail_msg("%s", err.text);
    assert_ok(peri_file_write_atomic(file, "", 0, err));
    assert_int_equal(chown(file, st.st_uid, st.st_gid), 0);
    assert_ok(peri_pg_start(fx->pg, err));
    free(file);
}

static void odd_names(void **state)
{
    (void)state;
    char *dir = another("it's a (dir) & with; * all %s/");
    assert_ok(peri_pg_start(dir, err));
    char *conninfo = peri_pg_conninfo(dir);
    peri_db_t *db = peri_db_connect(conninfo, NULL);
    assert_non_null(db);
    assert_int_equal(fix_number(db, "SELECT 5"), 5);
    peri_db_close(db);
    assert_ok(peri_pg_stop(dir, err));
    free(conninfo);
    free(dir);
}

static void places_that_will_not_do(void **state)
{
    (void)state;
    peri_err_t err = {0};
    char *dir =
        another("0123456789012345678901234567890123456789012345678901234567890123456789");
    assert_int_equal(peri_pg_start(dir, &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    assert_non_null(strstr(err.text, "too long"));
    assert_int_equal(access(dir, F_OK), -1);
    free(dir);

    assert_int_equal(peri_pg_start("/proc/version/x", &err), -1);
    static const char *const odd[] = {"a\"b", "$HOME", "`id`", "back\\slash", "a,b"};
    for (int i = 0; i < 5; i++) {
        dir = another(odd[i]);
        assert_int_equal(peri_pg_start(dir, &err), -1);
        assert_int_equal(err.code, PERI_EINVAL);
        assert_int_equal(access(dir, F_OK), -1);
        free(dir);
    }
    char *file = another("file");
    assert_ok(peri_file_write_atomic(file, "x", 1, err));
    assert_int_equal(peri_pg_start(file, &err), -1);
    free(file);

    if (geteuid() != 0) {
        print_message("SKIP not root: no folder that postgres may not enter\n");
        return;
    }
    char *closed = another("closed");
    assert_int_equal(mkdir(closed, 0700), 0);
    dir = peri_xasprintf("%s/pg", closed);
    assert_int_equal(peri_pg_start(dir, &err), -1);
    assert_int_equal(err.code, PERI_EDENIED);
    assert_non_null(strstr(err.text, closed));
    assert_int_equal(chmod(closed, 0711), 0);
    free(dir);
    free(closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_there),
        cmocka_unit_test(twice_at_once),
        cmocka_unit_test(stop_and_start),
        cmocka_unit_test(killed),
        cmocka_unit_test(pid_of_somebody_else),
        cmocka_unit_test(killed_while_it_is_made),
        cmocka_unit_test(does_not_start),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(places_that_will_not_do),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
