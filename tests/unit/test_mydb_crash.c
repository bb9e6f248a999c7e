/* Writers of one table: killed at any moment, two at a time, one that waits for another.
 */
#include <grp.h>
#include <sys/prctl.h>

#include "tests/unit/test_mydb_fixture.h"

#define LIVES 60

static pid_t start(void (*run)(const peri_schema_t *, int), const peri_schema_t *s,
                   int fd)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* if the test fails */
        run(s, fd);
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid, int sig)
{
    if (sig) kill(pid, sig);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* In a child: the first half of a new version, then it says so and stays. */
static void write_half(const peri_schema_t *s, int fd)
{
    peri_mydbchange_t *c = peri_mydbchange_new(s, "t", 0, NULL);
    if (!c) _exit(2);
    FILE *f = fopen(peri_mydbchange_path(c), "w");
    char beside[600];
    snprintf(beside, sizeof(beside), "%s/.%s.tmp", s->folder,
             strrchr(peri_mydbchange_path(c), '/') + 1);
    FILE *g = fopen(beside, "w");
    if (!f || !g || fputs("ne", f) < 0 || fflush(f) || fclose(g) ||
        write(fd, "x", 1) != 1)
        _exit(2);
    pause();
}

static void is_ready(int fd)
{
    char c;
    assert_int_equal(read(fd, &c, 1), 1);
}

static void survives_a_dead_writer(void **state)
{
    (void)state;
    int p[2];
    peri_err_t err = {0};
    peri_schema_t s = db_schema(db_folder());
    assert_int_equal(pipe(p), 0);
    db_must_put(&s, "t", "old");
    pid_t child = start(write_half, &s, p[1]);
    is_ready(p[0]);
    assert_int_equal(db_count(&s, ".new-"), 2);
    db_is(&s, "t", "old");
    /* A writer of another table leaves alone what somebody is writing. */
    db_must_put(&s, "u", "x");
    assert_int_equal(db_count(&s, ".new-"), 2);
    end(child, SIGKILL);
    db_is(&s, "t", "old");
    assert_int_equal(db_count(&s, ".new-"), 2);
    db_must_put(&s, "u", "y"); /* and sweeps it up when that is dead */
    assert_int_equal(db_count(&s, ".new-"), 0);
    assert_int_equal(peri_mydb_kind(&s, "t"), PERI_MYDB_TABLE);
    child = start(write_half, &s, p[1]);
    is_ready(p[0]);
    end(child, SIGKILL);
    assert_int_equal(peri_mydb_drop(&s, "u", PERI_MYDB_NONE, false, &err), 0);
    assert_int_equal(db_count(&s, ".new-"), 0);
    close(p[0]);
    close(p[1]);
}

static void waits_for_the_other(void **state)
{
    (void)state;
    int p[2];
    peri_err_t err;
    peri_schema_t s = db_schema(db_folder());
    assert_int_equal(pipe(p), 0);
    db_must_put(&s, "t", "old");
    pid_t child = start(write_half, &s, p[1]);
    is_ready(p[0]);
    peri_mydb_patience = 0.2;
    double started = peri_now();
    assert_int_equal(db_put(&s, "t", 0, "new", &err), -1);
    db_says(&err, PERI_EBUSY, "mydb.t is being changed by somebody else");
    assert_true(peri_now() - started >= 0.2);
    assert_int_equal(peri_mydb_drop(&s, "t", PERI_MYDB_NONE, false, &err), -1);
    db_says(&err, PERI_EBUSY, "mydb.t");
    assert_int_equal(peri_mydb_rename(&s, "t", "a", &err), -1);
    db_says(&err, PERI_EBUSY, "mydb.t");
    db_must_put(&s, "u", "x"); /* another name is another lock */
    peri_mydb_patience = 60;
    /* Who waits goes on at once when the other is through. */
    pid_t killer = fork();
    if (killer == 0) {
        usleep(300000);
        kill(child, SIGKILL);
        _exit(0);
    }
    started = peri_now();
    db_must_put(&s, "t", "new");
    assert_true(peri_now() - started < 10);
    end(killer, 0);
    end(child, 0);
    db_is(&s, "t", "new");
    close(p[0]);
    close(p[1]);
}

/* ---- killed at any moment ---- */

/* A version says how long it is, and is as long. */
static void write_versions(const peri_schema_t *s, int fd)
{
    (void)fd;
    char text[20000];
    for (unsigned i = 0;; i++) {
        size_t n = 10 + (i * 7919 + (unsigned)getpid()) % 19000;
        peri_mydbchange_t *c = peri_mydbchange_new(s, "t", 0, NULL);
        if (!c) _exit(2);
        FILE *f = fopen(peri_mydbchange_path(c), "w");
        memset(text, 'x', n);
        if (!f || fprintf(f, "%zu\n%.*s", n, (int)n, text) < 0 || fclose(f)) _exit(2);
        if (peri_mydbchange_commit(c, NULL)) _exit(3);
        peri_mydbchange_free(c);
    }
}

static void is_whole(const peri_schema_t *s)
{
    char *path = peri_mydb_path(s, "t"), *has, *rest;
    size_t len;
    peri_err_t err = {0};
    if (peri_file_slurp(path, 1 << 20, &has, &len, &err)) fail_msg("%s", err.text);
    size_t n = strtoul(has, &rest, 10);
    assert_int_equal(*rest, '\n');
    assert_int_equal(strlen(rest + 1), n);
    free(has);
    free(path);
}

static void is_whole_whenever_they_die(void **state)
{
    (void)state;
    peri_schema_t s = db_schema(db_folder());
    db_must_put(&s, "t", "3\nxxx");
    for (unsigned i = 0; i < LIVES; i++) {
        pid_t a = start(write_versions, &s, -1), b = start(write_versions, &s, -1);
        for (unsigned k = 0; k < 1 + i % 7; k++) {
            is_whole(&s);
            usleep(2000 + i * 100);
        }
        kill(a, SIGKILL);
        is_whole(&s);
        int status;
        kill(b, SIGKILL);
        assert_int_equal(waitpid(b, &status, 0), b);
        assert_true(WIFSIGNALED(status)); /* it had no error of its own */
        end(a, 0);
        is_whole(&s);
    }
    db_must_put(&s, "u", "x");
    assert_int_equal(db_count(&s, ".new-"), 0);
}

#if PERIGEE_FAILPOINTS
static void write_new(const peri_schema_t *s, int fd)
{
    (void)fd;
    peri_err_t err;
    (void)db_put(s, "t", 0, "new", &err);
}

/* On either side of the moment that counts. */
static void is_old_or_new(void **state)
{
    (void)state;
    static const char *const points[] = {"mydb_before_rename:1", "mydb_after_rename:1"};
    for (int i = 0; i < 2; i++) {
        int status;
        peri_schema_t s = db_schema(db_folder());
        db_must_put(&s, "t", "old");
        setenv("PERIGEE_FAILPOINT", points[i], 1);
        pid_t child = start(write_new, &s, -1);
        unsetenv("PERIGEE_FAILPOINT");
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        db_is(&s, "t", i ? "new" : "old");
        db_must_put(&s, "u", "x");
        assert_int_equal(db_count(&s, ".new-"), 0);
    }
}
#endif

/* ---- against each other ---- */

static void rename_back(const peri_schema_t *s, int fd)
{
    close(fd); /* the parent's lock would be ours, too */
    (void)peri_mydb_rename(s, "b", "a", NULL);
}

/* Of the two locks of a rename the first is always that of the name that sorts first. */
static void renames_never_wait_in_a_circle(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_schema_t s = db_schema(db_folder());
    db_must_put(&s, "b", "x");
    int a = peri_mydb_lock(&s, "a", &err);
    assert_true(a >= 0);
    pid_t child = start(rename_back, &s, a);
    usleep(200000); /* it waits for a */
    peri_mydb_patience = 0.1;
    int b = peri_mydb_lock(&s, "b", &err);
    if (b < 0) fail_msg("%s", err.text);
    peri_mydb_patience = 60;
    peri_mydb_unlock(&s, "b", b);
    peri_mydb_unlock(&s, "a", a);
    end(child, 0);
    db_is(&s, "a", "x");
}

static void make_t(const peri_schema_t *s, int fd)
{
    close(fd);
    db_must_put(s, "t", "y");
}

/* Who can only read the folder cannot open the file of a lock; when nobody changes
 * anything there is none, also of those who died. */
static void locks_are_for_writers(void **state)
{
    (void)state;
    peri_err_t err = {0};
    struct stat st;
    char path[600], dead[600];
    peri_schema_t s = db_schema(db_folder());
    db_must_put(&s, "t", "x");
    snprintf(path, sizeof(path), "%s/.lock-t", s.folder);
    snprintf(dead, sizeof(dead), "%s/.lock-u", s.folder);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(chmod(s.folder, 0775), 0);
    close(open(dead, O_WRONLY | O_CREAT, 0644));
    int lock = peri_mydb_lock(&s, "t", &err);
    assert_true(lock >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0220);
    peri_mydb_sweep(&s, "t");
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(access(dead, F_OK), -1);

    /* One that waits, and whose file goes: it has another one then. */
    pid_t child = start(make_t, &s, lock);
    usleep(200000);
    peri_mydb_unlock(&s, "t", lock);
    end(child, 0);
    db_is(&s, "t", "y");
    assert_int_equal(access(path, F_OK), -1);
}

/* Of many who make a new table one does. */
/* Members of a team, each with a group of their own. */
static void become(uid_t uid)
{
    const gid_t team = 65100;
    if (setgroups(1, &team) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
        _exit(3);
}

static void die_with_lock(const peri_schema_t *s, int fd)
{
    (void)fd;
    become(65001);
    _exit(peri_mydb_lock(s, "t", NULL) < 0);
}

static void put_as_other(const peri_schema_t *s, int fd)
{
    peri_err_t err;
    (void)fd;
    become(65002);
    peri_mydb_patience = 0.1;
    if (db_put(s, "t", 0, "y", &err) == 0) _exit(0);
    _exit(err.code == PERI_EDENIED && strstr(err.text, "closed to you") ? 1 : 2);
}

static int says(void (*run)(const peri_schema_t *, int), const peri_schema_t *s)
{
    int status;
    const pid_t child = start(run, s, -1);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void locks_are_for_teams(void **state)
{
    (void)state;
    char path[600];
    if (geteuid() != 0) skip();
    peri_schema_t s = db_schema(db_folder());
    snprintf(path, sizeof(path), "%s/.lock-t", s.folder);
    assert_int_equal(mkdir(s.folder, 0770) || chmod(s.folder, 0770) ||
                         chown(s.folder, 65001, 65100) || chmod(fx_path(""), 0711),
                     0);
    assert_int_equal(says(die_with_lock, &s), 0);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(says(put_as_other, &s), 0);
    db_is(&s, "t", "y");

    /* One that was made in another way. */
    close(open(path, O_WRONLY | O_CREAT, 0644));
    assert_int_equal(says(put_as_other, &s), 0);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(says(put_as_other, &s), 1);
    assert_int_equal(unlink(path), 0);
}

static void make_new(const peri_schema_t *s, int fd)
{
    peri_err_t err;
    char who[32];
    snprintf(who, sizeof(who), "%ld", (long)getpid());
    int rc = db_put(s, "new", PERI_MYDB_MUST_BE_NEW, who, &err);
    if (rc == 0 && write(fd, "x", 1) != 1) _exit(2);
    if (rc && err.code != PERI_ECONFLICT) _exit(2);
}

static void one_makes_it(void **state)
{
    (void)state;
    int p[2], status;
    pid_t v[6];
    char made[8];
    peri_schema_t s = db_schema(db_folder());
    assert_int_equal(pipe(p), 0);
    for (int i = 0; i < 6; i++) v[i] = start(make_new, &s, p[1]);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(waitpid(v[i], &status, 0), v[i]);
        assert_int_equal(status, 0);
    }
    close(p[1]);
    assert_int_equal(read(p[0], made, sizeof(made)), 1);
    close(p[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_dead_writer),
        cmocka_unit_test(waits_for_the_other),
        cmocka_unit_test(is_whole_whenever_they_die),
#if PERIGEE_FAILPOINTS
        cmocka_unit_test(is_old_or_new),
#endif
        cmocka_unit_test(renames_never_wait_in_a_circle),
        cmocka_unit_test(locks_are_for_writers),
        cmocka_unit_test(locks_are_for_teams),
        cmocka_unit_test(one_makes_it),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
