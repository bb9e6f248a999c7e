/* test_task_folder.c - folders, files in them that are not what they seem, claims. */
#include "test_launch_fixture.h"

static void uuids(void **state)
{
    (void)state;
    char a[PERI_UUID_LEN + 1], b[PERI_UUID_LEN + 1];
    peri_uuid_new(a);
    peri_uuid_new(b);
    assert_true(peri_uuid_valid(a));
    assert_string_not_equal(a, b);
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
    assert_true(peri_uuid_valid(UUID));
    assert_false(peri_uuid_valid("6F0C1C9E-3C58-4B2E-8D3B-0123456789AB"));
    assert_false(peri_uuid_valid("../../../../../../../../../etc/passwd"));
    assert_false(peri_uuid_valid(""));
    assert_false(peri_uuid_valid(NULL));
    a[8] = '0';
    assert_false(peri_uuid_valid(a));
}

static mode_t mode_of(const char *path, uid_t *uid)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    if (uid) *uid = st.st_uid;
    return st.st_mode & 07777;
}

static void making(void **state)
{
    (void)state;
    place_t p;
    const uid_t other = getuid() == 0 ? 65534 : getuid();
    place_open_as(&p, NULL, other);
    const int32_t indexes[] = {3, 7};
    place_make(&p, indexes, 2);
    place_make(&p, indexes, 2); /* again */
    uid_t uid;
    char *job = peri_folder_job(p.root, p.uuid);
    char *seven = peri_folder_task(p.root, p.uuid, "main", 1, 7);
    assert_int_equal(mode_of(job, &uid), 0711);
    assert_int_equal(uid, getuid());
    assert_int_equal(mode_of(p.attempt, &uid), 0711);
    assert_int_equal(uid, getuid());
    assert_int_equal(mode_of(seven, &uid), 0750);
    assert_int_equal(uid, other);
    assert_int_equal(mode_of(p.results, &uid), 0750);
    assert_int_equal(uid, other);

    peri_err_t err;
    assert_int_equal(peri_folder_make(p.root, "../x", "main", 1, NULL, 0, uid, uid, &err),
                     -1);
    assert_int_equal(err.code, PERI_EINVAL);
    assert_int_equal(peri_folder_make(p.root, p.uuid, "..", 1, NULL, 0, uid, uid, &err),
                     -1);
    assert_int_equal(err.code, PERI_EINVAL);
    free(job);
    free(seven);
    place_close(&p);
}

/* Where a task's folder should be lies a link to somewhere else. */
static void making_over_a_link(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    const int32_t one[] = {1};
    place_open(&p);
    char *link = peri_xasprintf("%s/1", p.attempt);
    assert_int_equal(symlink("/", link), 0);
    assert_int_equal(
        peri_folder_make(p.root, p.uuid, "main", 1, one, 1, 65534, 65534, &err), -1);
    assert_int_equal(peri_folder_open(link, &err), -1);
    assert_int_equal(err.code, PERI_EDENIED);
    free(link);
    place_close(&p);
}

static void no_side_ways(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    place_open(&p);
    char *outside = peri_xasprintf("%s/outside", p.root);
    assert_int_equal(peri_file_write_atomic(outside, "secret", 6, &err), 0);
    int dir = peri_folder_open(p.folder, &err);
    assert_true(dir >= 0);
    assert_int_equal(symlinkat(outside, dir, "link"), 0);
    assert_int_equal(mkdirat(dir, "folder", 0700), 0);
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    const char *const bad[] = {"link", "folder", "fifo"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(peri_folder_open_file(dir, bad[i], &err), -1);
        assert_int_equal(err.code, PERI_EDENIED);
    }
    assert_int_equal(peri_folder_open_file(dir, "../outside", &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    assert_int_equal(peri_folder_open_file(dir, "none", &err), -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);

    /* A file of somebody else, linked into a user's folder. */
    if (getuid() == 0) {
        assert_int_equal(fchown(dir, 65534, 65534), 0);
        assert_int_equal(linkat(AT_FDCWD, outside, dir, "hard", 0), 0);
        assert_int_equal(peri_folder_open_file(dir, "hard", &err), -1);
        assert_int_equal(err.code, PERI_EDENIED);
    }
    close(dir);
    unlink(outside);
    free(outside);
    place_close(&p);
}

static void removing(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    place_open(&p);
    char *outside = peri_xasprintf("%s/kept", p.root), path[PATH_MAX];
    assert_int_equal(mkdir(outside, 0700), 0);
    snprintf(path, sizeof(path), "%s/inner", outside);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/link", p.folder);
    assert_int_equal(symlink(outside, path), 0);
    /* Deeper than any path may be long. */
    int at = open(p.results, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(at, "deeper", i == 1500 ? 0500 : 0700), 0);
        int next = openat(at, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(at);
        at = next;
        if (i == 1500) assert_int_equal(fchmod(at, 0700), 0);
    }
    close(at);
    assert_int_equal(peri_folder_remove(p.root, p.uuid, &err), 0);
    assert_int_equal(access(p.attempt, F_OK), -1);
    snprintf(path, sizeof(path), "%s/inner", outside);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(outside), 0);
    assert_int_equal(peri_folder_remove(p.root, p.uuid, &err), 0); /* again */
    assert_int_equal(peri_folder_remove(p.root, "..", &err), -1);
    free(outside);
    place_close(&p);
}

/* ---- claims ---- */

static int claim_dir(place_t *p)
{
    peri_err_t err;
    int dir = peri_folder_open(p->folder, &err);
    assert_true(dir >= 0);
    return dir;
}

static void claims(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    peri_claimant_t who = PERI_CLAIM_DAEMON;
    place_open(&p);
    int dir = claim_dir(&p);
    assert_int_equal(peri_claim_read(dir, &who, &err), 0);
    assert_int_equal(who, PERI_CLAIM_NONE);
    assert_int_equal(peri_claim_take(dir, PERI_CLAIM_LAUNCH, "slurm 1 restart 0", &err),
                     1);
    assert_int_equal(peri_claim_take(dir, PERI_CLAIM_LAUNCH, "slurm 1 restart 0", &err),
                     1);
    assert_int_equal(peri_claim_take(dir, PERI_CLAIM_LAUNCH, "slurm 1 restart 1", &err),
                     0);
    assert_int_equal(peri_claim_take(dir, PERI_CLAIM_DAEMON, "slurm 1 restart 0", &err),
                     0);
    peri_claiminfo_t info;
    assert_int_equal(peri_claim_info(dir, &info, &err), 0);
    assert_int_equal(info.who, PERI_CLAIM_LAUNCH);
    assert_string_equal(info.tag, "slurm 1 restart 0");
    assert_int_equal(info.pid, getpid());
    assert_true(peri_claim_alive(&info));
    info.starttime++;
    assert_false(peri_claim_alive(&info));

    /* The same tag from another process is another start. */
    pid_t pid = fork();
    if (pid == 0)
        _exit(peri_claim_take(dir, PERI_CLAIM_LAUNCH, "slurm 1 restart 0", NULL));
    assert_int_equal(place_wait(pid), 0);
    close(dir);
    place_close(&p);
}

static void claim_of_the_daemon(void **state)
{
    (void)state;
    place_t p;
    peri_err_t err;
    peri_claimant_t who;
    place_open(&p);
    int dir = claim_dir(&p);
    assert_int_equal(peri_claim_take(dir, PERI_CLAIM_DAEMON, "daemon cancel", &err), 1);
    assert_int_equal(peri_claim_read(dir, &who, &err), 0);
    assert_int_equal(who, PERI_CLAIM_DAEMON);
    pid_t pid = fork(); /* a daemon that was started anew says the same */
    if (pid == 0) _exit(peri_claim_take(dir, PERI_CLAIM_DAEMON, "daemon cancel", NULL));
    assert_int_equal(place_wait(pid), 1);
    assert_int_equal(peri_claim_take(dir, PERI_CLAIM_DAEMON, "daemon lost", &err), 0);
    close(dir);
    place_close(&p);
}

static void damaged_claims(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "{",
        "daemon",
        "[]",
        "{\"who\":7}",
        "{\"who\":\"launch\",\"pid\":-4}",
        "{\"who\":\"launch\",\"pid\":99999999999999999999}"};
    peri_err_t err;
    peri_claiminfo_t info;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        place_t p;
        place_open(&p);
        int dir = claim_dir(&p);
        int fd = openat(dir, "claim", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
        close(fd);
        assert_int_equal(peri_claim_info(dir, &info, &err), 0);
        assert_int_equal(info.who, PERI_CLAIM_LAUNCH);
        assert_int_equal(info.pid, 0);
        assert_false(peri_claim_alive(&info));
        assert_int_equal(peri_claim_take(dir, PERI_CLAIM_DAEMON, "daemon", &err), 0);
        close(dir);
        place_close(&p);
    }
}

/* Something else in its place keeps everybody out. */
static void claim_that_is_none(void **state)
{
    (void)state;
    peri_err_t err;
    peri_claimant_t who;
    for (int i = 0; i < 3; i++) {
        place_t p;
        place_open(&p);
        int dir = claim_dir(&p);
        if (i == 0) assert_int_equal(symlinkat("/nowhere", dir, "claim"), 0);
        if (i == 1) assert_int_equal(mkdirat(dir, "claim", 0700), 0);
        if (i == 2) assert_int_equal(mkfifoat(dir, "claim", 0600), 0);
        assert_int_equal(peri_claim_read(dir, &who, &err), 0);
        assert_int_equal(who, PERI_CLAIM_LAUNCH);
        assert_int_equal(peri_claim_take(dir, PERI_CLAIM_DAEMON, "daemon", &err), 0);
        close(dir);
        place_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuids),
        cmocka_unit_test(making),
        cmocka_unit_test(making_over_a_link),
        cmocka_unit_test(no_side_ways),
        cmocka_unit_test(removing),
        cmocka_unit_test(claims),
        cmocka_unit_test(claim_of_the_daemon),
        cmocka_unit_test(damaged_claims),
        cmocka_unit_test(claim_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
