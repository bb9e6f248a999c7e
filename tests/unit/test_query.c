/* The query as a whole: task files, messages to workers, explanations, one-process runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/query/query.h"
#include "core/query/tempdir.h"

#define ROWS 50000

static char dir[] = "/tmp/peri-query-XXXXXX";
static char *data_path, *out_path;

static int set_up(void **state)
{
    (void)state;
    peri_h5_init(NULL);
    assert_non_null(mkdtemp(dir));
    data_path = peri_xasprintf("%s/t.hdf5", dir);
    out_path = peri_xasprintf("%s/out.csv", dir);
    hid_t f = H5Fcreate(data_path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hsize_t n = ROWS, chunk = 1000;
    hid_t space = H5Screate_simple(1, &n, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, &chunk);
    int32_t *v = peri_xcalloc(ROWS, sizeof(*v));
    for (int i = 0; i < ROWS; i++) v[i] = i;
    hid_t d = H5Dcreate2(f, "id", H5T_STD_I32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    H5Dwrite(d, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, v);
    H5Dclose(d);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(f);
    free(v);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(data_path);
    unlink(out_path);
    free(data_path);
    free(out_path);
    return rmdir(dir);
}

static peri_queryspec_t spec_of(const char *sql)
{
    peri_queryspec_t s;
    peri_queryspec_init(&s);
    s.sql = sql;
    s.base = dir;
    s.threads = 1;
    return s;
}

static void task_file_round_trip(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_arena_t *a = peri_arena_new();
    peri_queryspec_t s = spec_of("SELECT 'a\"\xc3\xa9\n'"), back;
    s.into = "x.fits";
    s.format = PERI_FMT_FITS;
    s.limit = 12345678901234;
    s.time_limit = 1.5;
    s.utf8 = true;
    peri_buf_t b;
    peri_buf_init(&b, 1 << 20);
    assert_int_equal(peri_queryspec_to_json(&s, &b, &err), 0);
    assert_int_equal(peri_queryspec_from_json(b.data, b.len, a, &back, &err), 0);
    assert_string_equal(back.sql, s.sql);
    assert_string_equal(back.into, "x.fits");
    assert_null(back.context);
    assert_int_equal(back.format, PERI_FMT_FITS);
    assert_int_equal(back.limit, 12345678901234);
    assert_true(back.time_limit == 1.5 && back.utf8 && back.use_index);

    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"sql\":3}",
                                      "{\"sql\":\"x\",\"format\":99}",
                                      "{\"sql\":\"x\",\"threads\":-1}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(peri_queryspec_from_json(bad[i], strlen(bad[i]), a, &back, &err),
                         -1);
    peri_buf_free(&b);
    peri_arena_free(a);
}

static void run_writes_a_file(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_queryspec_t s = spec_of("SELECT id FROM 't.hdf5:/' WHERE id % 10000 = 7");
    s.into = out_path;
    s.format = PERI_FMT_CSV;
    uint64_t rows = 0;
    peri_query_t *q = peri_query_new(&s, 1, NULL, &err);
    if (!q) print_error("%s\n", err.text);
    assert_non_null(q);
    assert_int_equal(peri_query_run_local(q, NULL, NULL, &rows, &err), 0);
    peri_query_free(q);
    assert_int_equal(rows, 5);
    char *text;
    assert_int_equal(peri_file_slurp(out_path, 1000, &text, NULL, &err), 0);
    assert_string_equal(text, "id\n7\n10007\n20007\n30007\n40007\n");
    free(text);
    /* Not overwritten unless told to. */
    q = peri_query_new(&s, 1, NULL, &err);
    assert_int_equal(peri_query_run_local(q, NULL, NULL, &rows, &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    peri_query_free(q);
}

static void time_limit_ends_it(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_queryspec_t s =
        spec_of("SELECT count(*) FROM range(100000000) a, range(1000000) b "
                "WHERE a.range + b.range = 3");
    s.time_limit = 0.3;
    uint64_t rows;
    peri_query_t *q = peri_query_new(&s, 1, NULL, &err);
    assert_non_null(q);
    double t = peri_now();
    assert_int_equal(peri_query_run_local(q, NULL, NULL, &rows, &err), -1);
    assert_int_equal(err.code, PERI_ELIMIT);
    assert_true(peri_now() - t < 20);
    peri_query_free(q);
}

static int cancel(const peri_progress_t *p, void *arg)
{
    (void)p;
    (void)arg;
    return 1;
}

static void cancel_ends_it(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_queryspec_t s =
        spec_of("SELECT count(*) FROM range(100000000) a, range(1000000) b "
                "WHERE a.range + b.range = 3");
    uint64_t rows;
    peri_query_t *q = peri_query_new(&s, 1, NULL, &err);
    assert_int_equal(peri_query_run_local(q, cancel, NULL, &rows, &err), -1);
    assert_int_equal(err.code, PERI_ECANCEL);
    peri_query_free(q);
}

static void explanation_names_everything(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_queryspec_t s = spec_of("SELECT count(*) FROM 't.hdf5:/' WHERE id < 100");
    peri_query_t *q = peri_query_new(&s, 3, NULL, &err);
    assert_non_null(q);
    peri_buf_t b;
    peri_buf_init(&b, 1 << 20);
    assert_int_equal(peri_query_explain(q, 3, NULL, &b, &err), 0);
    static const char *const words[] = {"t.hdf5",    "50,000 rows", "id < 100",
                                        "50 chunks", "rank 2:",     "on all 3 ranks",
                                        "on rank 0", "peri_s0"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strstr(b.data, words[i])) fail_msg("no \"%s\" in\n%s", words[i], b.data);
    peri_buf_free(&b);
    peri_query_free(q);
}

static void messages_to_workers(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_queryspec_t s = spec_of("SELECT sum(id) FROM 't.hdf5:/'");
    peri_query_t *q = peri_query_new(&s, 2, NULL, &err);
    assert_non_null(q);
    peri_buf_t b;
    peri_buf_init(&b, 1 << 24);
    assert_int_equal(peri_query_pack(q, 1, 2, &b, &err), 0);
    peri_query_t *w = peri_query_unpack(b.data, b.len, &err);
    assert_non_null(w);
    assert_int_equal(peri_query_nstages(w), peri_query_nstages(q));
    assert_string_equal(peri_query_stage(w, 0)->sql, peri_query_stage(q, 0)->sql);
    peri_progress_t p;
    peri_session_progress(peri_query_session(w), &p);
    assert_int_equal(p.rows_all, ROWS / 2);
    peri_query_free(w);

    /* Damaged messages: refused, or still a whole query; never a crash. */
    unsigned seed = 1;
    for (int i = 0; i < 60; i++) {
        char *copy = peri_xmalloc(b.len);
        memcpy(copy, b.data, b.len);
        size_t len = i % 3 ? b.len : (size_t)rand_r(&seed) % b.len;
        for (int k = 0; k < 4; k++)
            copy[(size_t)rand_r(&seed) % b.len] = (char)rand_r(&seed);
        peri_query_free(peri_query_unpack(copy, len, &err));
        free(copy);
    }
    peri_buf_free(&b);
    peri_query_free(q);
}

static size_t count_spill_folders(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; (e = readdir(d));)
        n += strncmp(e->d_name, "perigee-", 8) == 0;
    closedir(d);
    return n;
}

static void killed_processes_leave_no_folders(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_tempdir_t mine = {0};
    pid_t child = fork();
    if (child == 0) {
        for (int kind = PERI_TEMP_SPILL; kind <= PERI_TEMP_KERNELS; kind++) {
            peri_tempdir_t t = {0};
            if (peri_tempdir_make(&t, kind, dir, NULL) == 0) {
                char *file = peri_xasprintf("%s/spilled", t.path);
                close(open(file, O_CREAT | O_WRONLY, 0600));
            }
        }
        raise(SIGKILL);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(count_spill_folders(), 2);
    assert_int_equal(peri_tempdir_make(&mine, PERI_TEMP_SPILL, dir, &err), 0);
    assert_int_equal(count_spill_folders(), 1); /* mine instead of the child's */
    peri_tempdir_t other = {0};
    assert_int_equal(peri_tempdir_make(&other, PERI_TEMP_KERNELS, dir, &err), 0);
    assert_int_equal(count_spill_folders(), 2); /* mine is alive */
    peri_tempdir_remove(&other);
    peri_tempdir_remove(&mine);
    assert_int_equal(count_spill_folders(), 0);
    assert_int_equal(peri_tempdir_make(&mine, PERI_TEMP_SPILL, "/nonexistent", &err), -1);
    assert_non_null(strstr(err.text, "--temp-dir"));
}

/* As ranks of a kernel do, here and on a node where the folder is not yet. */
static void processes_share_a_folder(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_tempdir_t first = {0}, other = {0};
    char *path = peri_xasprintf("%s/deep/perigee-kernels-shared", dir);
    int told[2], go[2], status;
    char byte = 0;
    assert_int_equal(pipe(told) | pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        peri_tempdir_t t = {0};
        byte = peri_tempdir_join(&t, path, NULL) == 0;
        if (write(told[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1) raise(SIGKILL);
        _exit(1);
    }
    assert_int_equal(read(told[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    assert_int_equal(peri_tempdir_join(&first, path, &err), 0);
    char *below = peri_xasprintf("%s/deep", dir);
    close(first.lock); /* as if killed: the child lives, and nobody sweeps */
    assert_int_equal(peri_tempdir_make(&other, PERI_TEMP_SPILL, below, &err), 0);
    peri_tempdir_remove(&other);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(write(go[1], &byte, 1), 1);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(peri_tempdir_make(&other, PERI_TEMP_SPILL, below, &err), 0);
    peri_tempdir_remove(&other);
    assert_int_equal(access(path, F_OK), -1);
    /* What is there by this name, but is no folder, or a link to one. */
    assert_int_equal(symlink(below, path), 0);
    assert_int_equal(peri_tempdir_join(&other, path, &err), -1);
    assert_non_null(strstr(err.text, "cannot lock the temporary folder"));
    unlink(path);
    rmdir(below);
    for (int i = 0; i < 2; i++) close(told[i]), close(go[i]);
    free(first.path);
    free(below);
    free(path);
}

static void names_that_are_not_there(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *word;
        peri_code_t code;
    } cases[] = {{"SELECT 1 FROM nothing", "dataset.table", PERI_ENOTFOUND},
                 {"SELECT 1 FROM a.b.c", "one name too many", PERI_ENOTFOUND},
                 {"SELECT 1 FROM 'none.hdf5:/'", "none.hdf5", PERI_ENOTFOUND},
                 {"SELECT idd FROM 't.hdf5:/'", "did you mean id?", PERI_EINVAL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        peri_err_t err = {0};
        peri_queryspec_t s = spec_of(cases[i].sql);
        assert_null(peri_query_new(&s, 1, NULL, &err));
        if (!strstr(err.text, cases[i].word)) fail_msg("%s: %s", cases[i].sql, err.text);
        assert_int_equal(err.code, cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(task_file_round_trip),
        cmocka_unit_test(run_writes_a_file),
        cmocka_unit_test(time_limit_ends_it),
        cmocka_unit_test(cancel_ends_it),
        cmocka_unit_test(explanation_names_everything),
        cmocka_unit_test(messages_to_workers),
        cmocka_unit_test(killed_processes_leave_no_folders),
        cmocka_unit_test(processes_share_a_folder),
        cmocka_unit_test(names_that_are_not_there)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
