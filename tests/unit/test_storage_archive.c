/* Archives as other programs read them: unzip, tar, Python. And what expires. */
#include "tests/unit/test_storage_volume.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#include "portal/storage/archive.h"
#include "portal/storage/expire.h"
#include "portal/storage/trash.h"

static char out_path[80];

static int setup(void **state)
{
    int rc = vol_setup(state);
    snprintf(out_path, sizeof(out_path), "%s.out", vol_dir);
    return rc;
}

static int teardown(void **state)
{
    unlink(out_path);
    return vol_teardown(state);
}

static void pull(peri_archive_t *a, size_t max)
{
    char *buf = peri_xmalloc(max);
    int fd = open(out_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    peri_err_t err = {0};
    ssize_t n;
    while ((n = peri_archive_read(a, buf, max, &err)) > 0)
        assert_int_equal(peri_ops_write_all(fd, buf, (size_t)n), 0);
    if (n < 0) fail_msg("%s", err.text);
    assert_int_equal(peri_archive_read(a, buf, max, &err), 0);
    close(fd);
    free(buf);
}

static peri_archive_t *start(peri_archivekind_t kind, bool deflate,
                             const peri_stop_t *stop)
{
    peri_archive_t *a = peri_archive_new(vol,
                                         &(peri_archiving_t){.kind = kind,
                                                             .deflate = deflate,
                                                             .top = "gal\xc3\xa4xies",
                                                             .hidden = PERI_PATH_PRIVATE,
                                                             .stop = stop},
                                         NULL);
    assert_non_null(a);
    return a;
}

/* Runs a script with the volume and the archive as arguments. */
static void check(const char *what)
{
    char *cmd = peri_xasprintf("set -e; v=%s; z=%s; %s", vol_dir, out_path, what);
    if (system(cmd) != 0) fail_msg("failed: %s", cmd);
    free(cmd);
}

static void fill(void)
{
    uint64_t made;
    must(peri_ops_mkdir(vol, "d/empty", true, &made, err));
    must(peri_ops_mkdir(vol, "\xe6\x98\x9f", true, &made, err));
    vol_write("\xe6\x98\x9f/\xf0\x9f\x8c\x8c.txt", "a galaxy");
    vol_write("d/nothing", "");
    vol_write("d/one", "1");
    vol_write("bad\xff\nname", "bad");
    must(symlinkat("/etc/passwd", vol, "d/link"));
    must(mkfifoat(vol, "d/fifo", 0600));
    must(peri_path_open_private(vol, "trash", err) < 0);
    check("head -c 3000017 /dev/urandom >$v/d/big; chmod 755 $v/d/one");
}

static const char same[] =
    "LC_ALL=C.UTF-8 python3 - $v $z <<'END'\n"
    "import os, sys, zipfile, tarfile\n"
    "v, z = sys.argv[1:]\n"
    "if zipfile.is_zipfile(z):\n"
    "    f = zipfile.ZipFile(z); assert f.testzip() is None\n"
    "    got = {n: f.read(n) for n in f.namelist()}\n"
    "else:\n"
    "    f = tarfile.open(z)\n"
    "    got = {m.name + '/' * m.isdir(): b'' if m.isdir() else f.extractfile(m).read()\n"
    "           for m in f.getmembers()}\n"
    "top = 'gal\\u00e4xies/'\n"
    "want = {top: b''}\n"
    "for p, ds, fs in os.walk(v):\n"
    "    if p == v: ds.remove('.perigee')\n"
    "    r = top + ('' if p == v else os.path.relpath(p, v) + '/')\n"
    "    want.update({r + d + '/': b'' for d in ds})\n"
    "    for n in fs:\n"
    "        if n not in ('link', 'fifo') and not n.startswith('bad'):\n"
    "            want[r + n] = open(os.path.join(p, n), 'rb').read()\n"
    "want[top + 'bad__name'] = b'bad'\n"
    "left = got.pop(top + 'LEFT-OUT.txt').decode()\n"
    "assert 'd/link: a link' in left and 'fifo' in left, left\n"
    "assert got.keys() == want.keys(), got.keys() ^ want.keys()\n"
    "assert got == want\n"
    "END\n";

static void test_formats(void **state)
{
    (void)state;
    fill();
    for (int i = 0; i < 3; i++) {
        unlink(out_path);
        peri_archive_t *a =
            start(i < 2 ? PERI_ARCHIVE_ZIP : PERI_ARCHIVE_TAR, i == 1, NULL);
        pull(a, i == 0 ? 7 : 100000);
        peri_archive_free(a);
        check(same);
        check(i < 2 ? "unzip -tqq $z" : "tar tf $z >/dev/null");
    }
}

/* Files that change while they are read: the archive is valid and says so. */
static void test_changing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        unlink(out_path);
        check("rm -rf $v/*; head -c 3000000 /dev/urandom >$v/shrinks");
        peri_archive_t *a =
            start(i < 2 ? PERI_ARCHIVE_ZIP : PERI_ARCHIVE_TAR, i == 1, NULL);
        char first[4096];
        ssize_t n = peri_archive_read(a, first, sizeof(first), NULL);
        assert_int_equal(n, sizeof(first));
        int fd = open(out_path, O_WRONLY | O_CREAT, 0600);
        assert_int_equal(peri_ops_write_all(fd, first, sizeof(first)), 0);
        close(fd);
        check("truncate -s 500000 $v/shrinks");
        pull(a, 65536);
        peri_archive_free(a);
        check(i < 2 ? "unzip -tqq $z; unzip -p $z '*/LEFT-OUT.txt' | grep -q 'shorter'"
                    : "tar xOf $z --wildcards '*/LEFT-OUT.txt' | grep -q 'shorter'");
    }
    unlink(out_path);
    check("rm -rf $v/*; head -c 3000000 /dev/urandom >$v/grows");
    peri_archive_t *a = start(PERI_ARCHIVE_ZIP, true, NULL);
    char first[100];
    int fd = open(out_path, O_WRONLY | O_CREAT, 0600);
    ssize_t n = peri_archive_read(a, first, sizeof(first), NULL);
    assert_int_equal(peri_ops_write_all(fd, first, (size_t)n), 0);
    close(fd);
    check("echo more >>$v/grows");
    pull(a, 65536);
    peri_archive_free(a);
    check("unzip -tqq $z; unzip -p $z '*/LEFT-OUT.txt' | grep -q 'grew'; "
          "test $(unzip -p $z '*/grows' | wc -c) = 3000000");
}

static bool now(void *arg)
{
    return *(bool *)arg;
}

static void test_cancel(void **state)
{
    (void)state;
    fill();
    bool flag = false;
    peri_stop_t stop = {now, &flag};
    peri_archive_t *a = start(PERI_ARCHIVE_ZIP, false, &stop);
    char buf[64];
    peri_err_t err = {0};
    assert_true(peri_archive_read(a, buf, sizeof(buf), &err) > 0);
    flag = true;
    ssize_t n;
    while ((n = peri_archive_read(a, buf, sizeof(buf), &err)) > 0) continue;
    assert_int_equal(n, -1);
    assert_int_equal(err.code, PERI_ECANCEL);
    peri_archive_free(a);
    peri_archive_free(start(PERI_ARCHIVE_TAR, false, NULL));
}

/* ---- expiry ---- */

static void age(const char *path, double days)
{
    struct timespec t = {.tv_sec = time(NULL) - (time_t)(days * 86400)};
    struct timespec ts[2] = {t, t};
    assert_int_equal(utimensat(vol, path, ts, AT_SYMLINK_NOFOLLOW), 0);
}

static void test_expire(void **state)
{
    (void)state;
    uint64_t made;
    char id[PERI_TRASH_ID + 1];
    peri_amount_t x, freed = {0};
    must(peri_ops_mkdir(vol, "old/deep", true, &made, err));
    must(peri_ops_mkdir(vol, "mixed", true, &made, err));
    must(peri_ops_mkdir(vol, "empty", true, &made, err));
    vol_write("old/deep/a", "aaa"), vol_write("mixed/new", "n"),
        vol_write("mixed/old", "o");
    vol_write("young", "y"), vol_write("thrown", "t");
    must(symlinkat("x", vol, "mixed/link"));
    age("old/deep/a", 31), age("mixed/old", 30.1), age("mixed/new", 29.9),
        age("empty", 99);
    age("mixed/link", 40), age("old", 99), age("young", 0);
    must(peri_trash_put(vol, "thrown", "ana", id, &x, err));
    peri_expiry_t rule = {.file_days = 30, .trash_days = 7};
    double today = (double)time(NULL);
    assert_true(fabs(peri_expires(&rule, 100) - (100 + 30 * 86400.)) < 1e-6);

    peri_sweep_t *s = peri_sweep_new(vol, &rule, today);
    int steps = 1, rc;
    peri_err_t err = {0};
    while ((rc = peri_sweep_step(s, 0, &freed, &err)) == 1) steps++;
    assert_int_equal(rc, 0);
    assert_true(steps > 5); /* it stopped in between, and lost nothing */
    peri_sweep_free(s);
    assert_false(vol_has("old"));
    assert_false(vol_has("mixed/old"));
    assert_false(vol_has("mixed/link"));
    assert_true(vol_has("mixed/new") && vol_has("young") && vol_has("empty"));
    assert_int_equal(freed.files, 5);
    assert_int_equal(freed.bytes, 4);

    /* The trash by its own days; a volume without expiry keeps its files. */
    rule.file_days = 0;
    s = peri_sweep_new(vol, &rule, today + 6 * 86400.);
    while (peri_sweep_step(s, 1, &freed, &err) == 1) continue;
    peri_sweep_free(s);
    assert_int_equal(freed.files, 5);
    s = peri_sweep_new(vol, &rule, today + 99 * 86400.);
    while (peri_sweep_step(s, 1, &freed, &err) == 1) continue;
    peri_sweep_free(s);
    assert_int_equal(freed.files, 8);
    assert_true(vol_has("mixed/new") && vol_has("young"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_formats), T(test_changing), T(test_cancel),
                                       T(test_expire)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
