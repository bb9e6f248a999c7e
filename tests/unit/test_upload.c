/* Unit tests of portal/storage/checksum and upload_writer: files that grow from several
 * requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/upload_writer.h"

#define ID "0123abcd-0000-4000-8000-000000000001"

typedef struct {
    char folder[64];
    int dir;
    peri_uploadtable_t *t;
    peri_uploadfile_t f;
} fix_t;

static int set_up(void **state)
{
    fix_t *x = calloc(1, sizeof(*x));
    snprintf(x->folder, sizeof(x->folder), "/tmp/perigee-upload.XXXXXX");
    if (!mkdtemp(x->folder)) return -1;
    x->dir = open(x->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    x->t = peri_uploadtable_new();
    x->f = (peri_uploadfile_t){.id = ID, .dir = x->dir, .length = 20, .create = true};
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    fix_t *x = *state;
    peri_uploadtable_free(x->t);
    close(x->dir);
    peri_folder_sweep(x->folder);
    free(x);
    return 0;
}

/* As after a kill: nothing is known but what is on the disk. */
static void restart(fix_t *x)
{
    peri_uploadtable_free(x->t);
    x->t = peri_uploadtable_new();
}

static int64_t offset_of(fix_t *x)
{
    int64_t offset = -1;
    peri_err_t err = {0};
    if (peri_uploadfile_offset(x->t, &x->f, &offset, &err)) fail_msg("%s", err.text);
    return offset;
}

static peri_writer_t *writer(fix_t *x, int64_t offset, const peri_sum_t *chunk)
{
    int64_t actual;
    peri_err_t err = {0};
    peri_writer_t *w = peri_writer_open(x->t, &x->f, offset, chunk, &actual, &err);
    if (!w) fail_msg("%s", err.text);
    return w;
}

static void put(peri_writer_t *w, const char *text)
{
    peri_err_t err = {0};
    if (peri_writer_write(w, text, strlen(text), &err)) fail_msg("%s", err.text);
}

static peri_sum_t sum_of(peri_sumkind_t kind, const char *text)
{
    peri_sum_t sum;
    peri_hash_t *h = peri_hash_new(kind);
    peri_hash_update(h, text, strlen(text));
    peri_hash_sum(h, &sum);
    peri_hash_free(h);
    return sum;
}

static void content_is(fix_t *x, const char *text)
{
    char buf[64];
    int fd = openat(x->dir, ID, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, buf, sizeof(buf) - 1);
    close(fd);
    assert_true(n >= 0);
    buf[n] = '\0';
    assert_string_equal(buf, text);
}

static void test_pieces(void **state)
{
    fix_t *x = *state;
    int64_t actual;
    peri_err_t err = {0};
    assert_int_equal(offset_of(x), 0);
    x->f.create = false;
    assert_null(peri_writer_open(x->t, &x->f, 0, NULL, &actual, &err));
    assert_int_equal(err.code, PERI_ENOTFOUND);
    assert_int_not_equal(faccessat(x->dir, ID, F_OK, 0), 0);
    x->f.create = true;
    peri_writer_t *w = writer(x, 0, NULL);
    put(w, "01234");
    put(w, "567");
    assert_int_equal(peri_writer_offset(w), 8);
    peri_writer_close(w); /* cut: what came counts */
    assert_int_equal(offset_of(x), 8);
    restart(x);
    assert_int_equal(offset_of(x), 8);

    static const int64_t wrong[] = {0, 7, 9, 20, 21, PERI_UPLOAD_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(peri_writer_open(x->t, &x->f, wrong[i], NULL, &actual, &err));
        assert_int_equal(err.code, PERI_ECONFLICT);
        assert_int_equal(actual, 8);
    }
    w = writer(x, 8, NULL);
    put(w, "89abcdefghi");
    assert_int_equal(peri_writer_write(w, "jk", 2, &err), -1); /* 21 bytes */
    assert_int_equal(err.code, PERI_EINVAL);
    assert_int_equal(peri_writer_offset(w), 19);
    put(w, "j");
    assert_int_equal(peri_writer_write(w, "k", 1, &err), -1);
    peri_writer_close(w);
    content_is(x, "0123456789abcdefghij");
}

static void test_take_over(void **state)
{
    fix_t *x = *state;
    int64_t actual;
    peri_err_t err = {0};
    peri_writer_t *old = writer(x, 0, NULL);
    put(old, "01234");
    /* A wrong offset disturbs nobody. */
    assert_null(peri_writer_open(x->t, &x->f, 3, NULL, &actual, &err));
    assert_int_equal(actual, 5);
    put(old, "5");
    peri_writer_t *new = writer(x, 6, NULL);
    assert_int_equal(peri_writer_write(old, "XX", 2, &err), -1);
    assert_int_equal(err.code, PERI_ECANCEL);
    put(new, "67");
    peri_writer_close(old); /* its end does not harm the other */
    put(new, "89");
    /* To be asked for the offset ends it, too: it is told to someone who goes on. */
    assert_int_equal(offset_of(x), 10);
    assert_int_equal(peri_writer_write(new, "X", 1, &err), -1);
    peri_writer_close(new);
    content_is(x, "0123456789");
}

static void test_chunk_checksum(void **state)
{
    fix_t *x = *state;
    peri_err_t err = {0};
    peri_sum_t sum = sum_of(PERI_SUM_SHA1, "56789");
    peri_writer_t *w = writer(x, 0, NULL);
    put(w, "01234");
    peri_writer_close(w);

    w = writer(x, 5, &sum); /* damaged */
    put(w, "5X789");
    assert_int_equal(peri_writer_check(w, &err), -1);
    assert_int_equal(err.code, PERI_EFORMAT);
    assert_int_equal(peri_writer_offset(w), 5);
    peri_writer_close(w);
    assert_int_equal(offset_of(x), 5);
    content_is(x, "01234");

    w = writer(x, 5, &sum); /* cut in between */
    put(w, "567");
    peri_writer_close(w);
    assert_int_equal(offset_of(x), 5);

    w = writer(x, 5, &sum); /* taken over */
    put(w, "567");
    peri_writer_t *other = writer(x, 5, &sum);
    assert_int_equal(peri_writer_check(w, &err), -1);
    peri_writer_close(w);
    put(other, "56789");
    assert_int_equal(peri_writer_check(other, &err), 0);
    peri_writer_close(other);
    assert_int_equal(offset_of(x), 10);
    restart(x);
    assert_int_equal(offset_of(x), 10);
    content_is(x, "0123456789");
}

/* kill -9 of a process while bytes with a checksum, or without, are being written. */
static void kill_while(fix_t *x, const peri_sum_t *sum)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int64_t actual;
        peri_uploadtable_t *t = peri_uploadtable_new();
        peri_writer_t *w = peri_writer_open(t, &x->f, 5, sum, &actual, NULL);
        if (!w || peri_writer_write(w, "567", 3, NULL)) _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void test_killed(void **state)
{
    fix_t *x = *state;
    peri_sum_t sum = sum_of(PERI_SUM_MD5, "56789");
    peri_writer_t *w = writer(x, 0, NULL);
    put(w, "01234");
    peri_writer_close(w);
    peri_uploadtable_free(x->t);
    kill_while(x, &sum);
    x->t = peri_uploadtable_new();
    assert_int_equal(offset_of(x), 5);
    content_is(x, "01234");
    peri_uploadtable_free(x->t);
    kill_while(x, NULL);
    x->t = peri_uploadtable_new();
    assert_int_equal(offset_of(x), 8);
    content_is(x, "01234567");
}

static void test_finish(void **state)
{
    fix_t *x = *state;
    peri_err_t err = {0};
    peri_sum_t sum, want = sum_of(PERI_SUM_SHA256, "0123456789abcdefghij");
    x->f.whole = PERI_SUM_SHA256;
    peri_writer_t *w = writer(x, 0, NULL);
    put(w, "0123456789");
    peri_writer_close(w);
    assert_int_equal(peri_uploadfile_finish(x->t, &x->f, &sum, NULL, &err), -1);
    assert_non_null(strstr(err.text, "10 of 20"));
    restart(x); /* the first half is read again for the checksum, the second is not */
    w = writer(x, 10, NULL);
    put(w, "abcdefghij");
    peri_writer_close(w);
    assert_int_equal(peri_uploadfile_finish(x->t, &x->f, &sum, NULL, &err), 0);
    assert_true(peri_sum_same(&sum, &want));

    /* While it gets its name nobody else has it. */
    int64_t n;
    assert_int_equal(peri_uploadfile_offset(x->t, &x->f, &n, &err), -1);
    assert_int_equal(err.code, PERI_EBUSY);
    assert_null(peri_writer_open(x->t, &x->f, 20, NULL, &n, &err));
    assert_int_equal(err.code, PERI_EBUSY);
    assert_int_equal(peri_uploadfile_remove(x->t, &x->f, &err), -1);
    peri_uploadfile_done(x->t, ID, false);
    assert_int_equal(offset_of(x), 20);

    /* As it came, in one process. */
    assert_int_equal(peri_uploadfile_remove(x->t, &x->f, &err), 0);
    assert_int_equal(offset_of(x), 0);
    w = writer(x, 0, NULL);
    put(w, "0123456789");
    put(w, "abcdefghij");
    peri_writer_close(w);
    assert_int_equal(peri_uploadfile_finish(x->t, &x->f, &sum, NULL, &err), 0);
    assert_true(peri_sum_same(&sum, &want));
    peri_uploadfile_done(x->t, ID, true);

    atomic_bool stop = true;
    restart(x);
    assert_int_equal(peri_uploadfile_finish(x->t, &x->f, &sum, &stop, &err), -1);
    assert_int_equal(err.code, PERI_ECANCEL);
    assert_int_equal(offset_of(x), 20);
}

static void test_empty(void **state)
{
    fix_t *x = *state;
    peri_err_t err = {0};
    peri_sum_t sum;
    x->f.length = 0;
    assert_int_equal(peri_uploadfile_finish(x->t, &x->f, &sum, NULL, &err), 0);
    peri_uploadfile_done(x->t, ID, true);
    content_is(x, "");
}

/* Someone who can write in the volume: links, removed and grown files. */
static void test_tampered(void **state)
{
    fix_t *x = *state;
    int64_t actual;
    peri_err_t err = {0};
    char outside[96];
    snprintf(outside, sizeof(outside), "%s/outside", x->folder);
    FILE *f = fopen(outside, "w");
    fputs("secret", f);
    fclose(f);
    assert_int_equal(symlinkat("outside", x->dir, ID), 0);
    assert_null(peri_writer_open(x->t, &x->f, 0, NULL, &actual, &err));
    assert_int_equal(actual, -1);
    unlinkat(x->dir, ID, 0);
    assert_int_equal(mkfifoat(x->dir, ID, 0600), 0);
    assert_null(peri_writer_open(x->t, &x->f, 0, NULL, &actual, &err));
    unlinkat(x->dir, ID, 0);

    peri_writer_t *w = writer(x, 0, NULL);
    put(w, "01234");
    peri_writer_close(w);
    unlinkat(x->dir, ID, 0);
    assert_int_equal(offset_of(x), 0);
    w = writer(x, 0, NULL);
    put(w, "01234");
    peri_writer_close(w);
    assert_int_equal(truncate(outside, 3), 0);
    int fd = openat(x->dir, ID, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "evil", 4), 4);
    close(fd);
    assert_int_equal(offset_of(x), 5);
    fd = openat(x->dir, ID, O_WRONLY);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    close(fd);
    restart(x);
    assert_int_equal(offset_of(x), 0); /* longer than it may be */
}

static void test_full_disk(void **state)
{
    fix_t *x = *state;
    /* A limit on the size of files stands for the end of the disk: part of it fits. */
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        char buf[4096];
        peri_err_t err = {0};
        int64_t actual;
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit r = {1000, 1000};
        if (setrlimit(RLIMIT_FSIZE, &r)) _exit(2);
        memset(buf, 'x', sizeof(buf));
        x->f.length = 8192;
        peri_writer_t *w = peri_writer_open(x->t, &x->f, 0, NULL, &actual, &err);
        if (!w) _exit(3);
        if (peri_writer_write(w, buf, sizeof(buf), &err) == 0) _exit(4);
        if (err.code != PERI_EFULL || !strstr(err.text, "1000 bytes")) _exit(5);
        if (peri_writer_offset(w) != 1000) _exit(6);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    x->f.length = 8192;
    assert_int_equal(offset_of(x), 1000);
}

/* Many threads that take the upload from each other: each byte is written once, in order.
 */
static void *scramble(void *arg)
{
    fix_t *x = arg;
    for (;;) {
        int64_t at, actual;
        if (peri_uploadfile_offset(x->t, &x->f, &at, NULL)) return NULL;
        if (at == x->f.length) return NULL;
        peri_writer_t *w = peri_writer_open(x->t, &x->f, at, NULL, &actual, NULL);
        if (!w) continue;
        for (int i = 0; i < 5 && at < x->f.length; i++, at++) {
            char c = (char)('a' + at % 26);
            if (peri_writer_write(w, &c, 1, NULL)) break;
        }
        peri_writer_close(w);
    }
}

static void test_threads(void **state)
{
    fix_t *x = *state;
    enum { THREADS = 6, LENGTH = 20000 };
    pthread_t t[THREADS];
    x->f.length = LENGTH;
    x->f.whole = PERI_SUM_MD5;
    for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, scramble, x);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    char *want = malloc(LENGTH + 1), *got = malloc(LENGTH + 1);
    for (int i = 0; i < LENGTH; i++) want[i] = (char)('a' + i % 26);
    want[LENGTH] = '\0';
    int fd = openat(x->dir, ID, O_RDONLY);
    assert_int_equal(read(fd, got, LENGTH + 1), LENGTH);
    close(fd);
    assert_memory_equal(got, want, LENGTH);
    peri_sum_t sum, right = sum_of(PERI_SUM_MD5, want);
    assert_int_equal(peri_uploadfile_finish(x->t, &x->f, &sum, NULL, NULL), 0);
    assert_true(peri_sum_same(&sum, &right));
    peri_uploadfile_done(x->t, ID, true);
    free(want);
    free(got);
}

/* More uploads than are kept open. */
static void test_many(void **state)
{
    fix_t *x = *state;
    char id[PERI_UPLOAD_ID + 1];
    x->f.id = id;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 200; i++) {
            snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", i);
            peri_writer_t *w = writer(x, round, NULL);
            put(w, "x");
            peri_writer_close(w);
        }
    assert_int_equal(offset_of(x), 2);
}

int main(void)
{
#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_pieces),         FILE_TEST(test_take_over),
        FILE_TEST(test_chunk_checksum), FILE_TEST(test_killed),
        FILE_TEST(test_finish),         FILE_TEST(test_empty),
        FILE_TEST(test_tampered),       FILE_TEST(test_full_disk),
        FILE_TEST(test_threads),        FILE_TEST(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
