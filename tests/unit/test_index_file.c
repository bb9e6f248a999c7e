/* The file of an index: damage of every kind, two writers, a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/test_index_fixture.h"

static fixture_t *fx;
static char *good;
static size_t good_len;

static int setup(void **state)
{
    (void)state;
    fx = fx_new();
    return peri_file_slurp(fx->path, 1 << 24, &good, &good_len, NULL);
}

static int teardown(void **state)
{
    (void)state;
    free(good);
    fx_free(fx);
    return 0;
}

static size_t files_in(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

/* Use everything an index offers. lossless: pruning must not lose a row either. */
static void exercise(peri_index_t *x, bool lossless)
{
    static const peri_op_t ops[] = {PERI_OP_LT, PERI_OP_EQ, PERI_OP_GT};
    for (int i = 0; i < 6; i++) {
        cond_t c = {0};
        c.target = (int[]){FX_I, FX_F, FX_V, FX_B, FX_VZ, FX_U}[i];
        c.values[0] = c.target == FX_U ? (peri_const_t){.kind = PERI_CONST_INT,
                                                        .i = UINT64_MAX - 4000000}
                                       : (peri_const_t){.kind = PERI_CONST_INT, .i = 1};
        c.pred = (peri_pred_t){.column = fx_cols[c.target].name,
                               .component = c.target == FX_V ? 1 : -1,
                               .op = ops[i % 3],
                               .nvalues = 1,
                               .values = c.values};
        peri_ranges_t r = {0};
        peri_index_prune(x, &fx->table, &c.pred, 1, &r);
        size_t at = 0;
        for (int k = 0; lossless && k < FX_FILES; k++) {
            for (uint64_t row = 0; row < fx->files[k].rows; row += 7) {
                while (at < r.n && (r.v[at].file < (uint32_t)k ||
                                    (r.v[at].file == (uint32_t)k && r.v[at].row1 <= row)))
                    at++;
                bool kept =
                    at < r.n && r.v[at].file == (uint32_t)k && r.v[at].row0 <= row;
                assert_true(kept || !fx_true(fx, &c, k, row));
            }
        }
        peri_ranges_free(&r);
    }
    peri_index_fresh_files(x, &fx->table);
    for (int k = 0; k < FX_FILES; k++) {
        const peri_file_t *f = &fx->files[k];
        uint64_t n = 0, sum = 0;
        const peri_chunkloc_t *c =
            peri_index_chunks(x, f->path, f->size, f->mtime_ns, f->inode, "/T/f", &n);
        for (uint64_t i = 0; c && i < n; i++) {
            assert_true(c[i].offset == UINT64_MAX || c[i].offset + c[i].size <= f->size);
            sum += c[i].size;
        }
        assert_true(c == NULL || sum == 10 * FX_CHUNKS || !lossless);
    }
    peri_index_verify(x, NULL);
}

static void damaged(const char *bytes, size_t len, uint64_t *refused)
{
    peri_err_t err = {0};
    peri_index_t *x = peri_index_open_memory(bytes, len, true, &err);
    if (x) {
        exercise(x, true);
    } else {
        assert_int_equal(err.code, PERI_EFORMAT);
        assert_true(strlen(err.text) > 20);
        ++*refused;
    }
    peri_index_unref(x);
    x = peri_index_open_memory(bytes, len, false, &err);
    if (x) exercise(x, false);
    peri_index_unref(x);
}

static void two_thousand_mutations(void **state)
{
    (void)state;
    uint64_t refused = 0;
    char *bytes = malloc(good_len);
    peri_idxhead_t h;
    memcpy(&h, good, sizeof h);
    for (int i = 0; i < 2000; i++) {
        memcpy(bytes, good, good_len);
        int n = 1 + (int)(lrand48() % 4);
        while (n-- > 0) {
            /* half of them where the structure is */
            size_t at = (size_t)lrand48() % good_len;
            if (lrand48() % 2) at = h.dir_offset + (size_t)lrand48() % h.dir_size;
            if (lrand48() % 8 == 0) at = (size_t)lrand48() % sizeof h;
            switch (lrand48() % 4) {
            case 0:
                bytes[at] ^= (char)(1 << lrand48() % 8);
                break;
            case 1:
                bytes[at] = (char)lrand48();
                break;
            case 2:
                bytes[at] = (char)0xff;
                break;
            default:
                at &= ~(size_t)7;
                if (at + 8 <= good_len)
                    memset(bytes + at, lrand48() % 2 ? 0xff : 0x7f, 8);
            }
        }
        size_t len = lrand48() % 8 ? good_len : (size_t)lrand48() % good_len;
        char *exact = malloc(len + 1); /* so that a sanitizer sees reads behind the end */
        memcpy(exact, bytes, len);
        damaged(exact, len, &refused);
        free(exact);
    }
    free(bytes);
    assert_true(refused > 1000);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < good_len; len += len < 200 ? 1 : 997) {
        uint64_t refused = 0;
        char *exact = malloc(len + 1);
        memcpy(exact, good, len);
        damaged(exact, len, &refused);
        assert_int_equal(refused, 1);
        free(exact);
    }
}

static void a_damaged_block_is_noticed_when_used(void **state)
{
    (void)state;
    peri_err_t err = {0};
    char *bytes = malloc(good_len);
    memcpy(bytes, good, good_len);
    peri_idxhead_t h;
    memcpy(&h, good, sizeof h);
    memset(bytes + sizeof h, 0, h.dir_offset - sizeof h);
    peri_index_t *x = peri_index_open_memory(bytes, good_len, true, &err);
    assert_non_null(x);
    exercise(x, true);
    assert_int_equal(peri_index_verify(x, &err), -1);
    assert_int_equal(err.code, PERI_EFORMAT);
    peri_index_unref(x);
    free(bytes);
    x = peri_index_open_memory(good, good_len, true, &err);
    assert_int_equal(peri_index_verify(x, &err), 0);
    peri_index_unref(x);
}

static void expect_error(const char *path, peri_code_t code, const char *part)
{
    peri_err_t err = {0};
    assert_null(peri_index_open(path, &err));
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, part));
}

static void opening_says_what_is_wrong(void **state)
{
    (void)state;
    expect_error("/nonexistent/x.pidx", PERI_ENOTFOUND, "/nonexistent/x.pidx");
    expect_error(fx->dir, PERI_EFORMAT, "not a regular file");
    char *path = peri_xasprintf("%s/other.pidx", fx->dir);
    assert_int_equal(peri_file_write_atomic(path, "short", 5, NULL), 0);
    expect_error(path, PERI_EFORMAT, "too short");
    char *bytes = malloc(good_len);
    memcpy(bytes, good, good_len);
    bytes[0] = 'X';
    peri_file_write_atomic(path, bytes, good_len, NULL);
    expect_error(path, PERI_EFORMAT, "does not start like an index");
    memcpy(bytes, good, good_len);
    memcpy(bytes + 12, "\1\2\3\4", 4);
    peri_file_write_atomic(path, bytes, good_len, NULL);
    expect_error(path, PERI_EFORMAT, "byte order");
    unlink(path);
    free(bytes);
    free(path);
}

static void an_index_without_files_is_valid(void **state)
{
    (void)state;
    peri_err_t err;
    uint64_t size;
    char *path = peri_xasprintf("%s/deep/er/empty.pidx", fx->dir);
    peri_idxwriter_t *w = peri_idxwriter_new(path, &err);
    assert_non_null(w);
    assert_int_equal(peri_idxwriter_finish(w, &size, &err), 0);
    peri_index_t *x = peri_index_open(path, &err);
    assert_non_null(x);
    assert_int_equal(peri_index_fresh_files(x, &fx->table), 0);
    exercise(x, true);
    peri_index_unref(x);
    unlink(path);
    free(path);
    for (int i = 0; i < 2; i++) {
        path = peri_xasprintf("%s/deep%s", fx->dir, i == 0 ? "/er" : "");
        assert_int_equal(rmdir(path), 0);
        free(path);
    }
}

static void two_writers_both_leave_a_whole_file(void **state)
{
    (void)state;
    peri_err_t err;
    uint64_t size;
    size_t before = files_in(fx->dir);
    peri_idxwriter_t *a = peri_idxwriter_new(fx->path, &err);
    peri_idxwriter_t *b = peri_idxwriter_new(fx->path, &err);
    for (int k = 0; k < FX_FILES; k++) {
        assert_int_equal(fx_write_file(fx, k, a, &err), 0);
        if (k < 2) assert_int_equal(fx_write_file(fx, k, b, &err), 0);
    }
    assert_int_equal(peri_idxwriter_finish(b, &size, &err), 0);
    peri_index_t *x = peri_index_open(fx->path, &err);
    assert_int_equal(peri_index_nfiles(x), 2);
    assert_int_equal(peri_idxwriter_finish(a, &size, &err), 0);
    /* who had it open still has what it was */
    assert_int_equal(peri_index_verify(x, &err), 0);
    assert_int_equal(peri_index_nfiles(x), 2);
    peri_index_unref(x);
    x = peri_index_open(fx->path, &err);
    assert_int_equal(peri_index_nfiles(x), FX_FILES);
    assert_int_equal(peri_index_verify(x, &err), 0);
    peri_index_unref(x);
    assert_int_equal(files_in(fx->dir), before);
}

static void a_full_disk_leaves_the_old_index(void **state)
{
    (void)state;
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    size_t before = files_in(fx->dir);
    for (rlim_t limit = 0; limit < good_len; limit += good_len / 5) {
        small = (struct rlimit){limit, old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        peri_err_t err = {0};
        int rc = fx_write(fx, fx->path, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, PERI_EIO);
        assert_int_equal(files_in(fx->dir), before);
        peri_index_t *x = peri_index_open(fx->path, &err);
        assert_non_null(x);
        assert_int_equal(peri_index_verify(x, &err), 0);
        peri_index_unref(x);
    }
}

static void copies_are_equal(void **state)
{
    (void)state;
    peri_err_t err;
    uint64_t size;
    char *path = peri_xasprintf("%s/copy.pidx", fx->dir);
    peri_index_t *x = peri_index_open_memory(good, good_len, true, &err);
    peri_idxwriter_t *w = peri_idxwriter_new(path, &err);
    for (int k = FX_FILES - 1; k >= 0; k--) {
        const peri_idxfile_t *e = peri_index_find_file(x, fx->paths[k]);
        assert_non_null(e);
        assert_int_equal(peri_idxwriter_copy(w, x, e, &err), 0);
    }
    assert_int_equal(peri_idxwriter_finish(w, &size, &err), 0);
    peri_index_unref(x);
    char *bytes;
    size_t len;
    assert_int_equal(peri_file_slurp(path, 1 << 24, &bytes, &len, &err), 0);
    assert_int_equal(len, good_len);
    assert_memory_equal(bytes, good, len);
    free(bytes);

    /* a damaged entry is not copied, and leaves no trace */
    char *bad = malloc(good_len);
    memcpy(bad, good, good_len);
    peri_idxhead_t h;
    memcpy(&h, good, sizeof h);
    memset(bad + sizeof h, 0, h.dir_offset - sizeof h);
    x = peri_index_open_memory(bad, good_len, true, &err);
    w = peri_idxwriter_new(path, &err);
    assert_int_equal(
        peri_idxwriter_copy(w, x, peri_index_find_file(x, fx->paths[0]), &err), 1);
    assert_int_equal(peri_idxwriter_finish(w, &size, &err), 0);
    peri_index_unref(x);
    x = peri_index_open(path, &err);
    assert_int_equal(peri_index_nfiles(x), 0);
    peri_index_unref(x);
    free(bad);
    unlink(path);
    free(path);
}

static void the_path_is_beside_the_data(void **state)
{
    (void)state;
    char *env = peri_xasprintf("%s/state", fx->dir);
    setenv("PERIGEE_STATE", env, 1);
    char *data = peri_xasprintf("%s/data", fx->dir);
    assert_int_equal(mkdir(data, 0755), 0);
    peri_table_t t = fx->table;
    t.root = data;
    char *want = peri_xasprintf("%s/.perigee/test.t.pidx", data);
    char *path = peri_index_path(&t, true);
    assert_string_equal(path, want);
    free(path);

    /* a folder that everybody may write to is not trusted */
    chmod(data, 0777);
    path = peri_index_path(&t, true);
    assert_int_equal(strncmp(path, env, strlen(env)), 0);
    /* the newer of both */
    chmod(data, 0755);
    assert_int_equal(fx_write(fx, path, NULL), 0);
    char *found = peri_index_path(&t, false);
    assert_string_equal(found, path);
    free(found);
    usleep(20000);
    assert_int_equal(fx_write(fx, want, NULL), 0);
    found = peri_index_path(&t, false);
    assert_string_equal(found, want);
    free(found);
    unlink(path);
    unlink(want);

    /* of files on nodes each node has its own, though they share the state folder */
    peri_file_t on_node = t.files[0];
    peri_table_t part = t;
    on_node.at = PERI_AT_NODE;
    part.files = &on_node;
    part.nfiles = 1;
    chmod(data, 0777);
    found = peri_index_path(&part, true);
    char *end = peri_xasprintf("-test.t@%s.pidx", peri_node_name());
    assert_non_null(strstr(found, end));
    free(found);
    free(end);
    chmod(data, 0755);

    /* files that no dataset names: the name does not depend on how they were spelled */
    char one[128], two[128];
    peri_file_t files[2] = {{.path = one, .name = "a"}, {.path = two, .name = "b"}};
    snprintf(one, sizeof one, "%s/g_1/f.0.hdf5", data);
    snprintf(two, sizeof two, "%s/g_10/f.0.hdf5", data);
    t.files = files;
    t.nfiles = 2;
    t.root = NULL;
    t.name = "data/*/f.*.hdf5:/T";
    char *a = peri_index_path(&t, true);
    t.name = "../x/data/*/f.*.hdf5:/T";
    t.root = "/";
    char *b = peri_index_path(&t, true);
    assert_string_equal(a, b);
    snprintf(found = malloc(256), 256, "%s/.perigee/f.0.hdf5-T-", data);
    assert_int_equal(strncmp(a, found, strlen(found)), 0);
    free(found);
    free(b);
    t.name = "f.0";
    b = peri_index_path(&t, true);
    free(b);
    t.columns = &fx->columns[1];
    t.ncolumns = 1; /* one dataset: its own name counts */
    b = peri_index_path(&t, true);
    assert_string_not_equal(a, b);
    free(a);
    free(b);

    free(path);
    free(want);
    const char *dirs[] = {"data/.perigee", "data", "state/index", "state"};
    for (int i = 0; i < 4; i++) {
        path = peri_xasprintf("%s/%s", fx->dir, dirs[i]);
        assert_int_equal(rmdir(path), 0);
        free(path);
    }
    free(data);
    free(env);
}

static void many_entries_open_fast_and_are_found(void **state)
{
    (void)state;
    enum { FILES = 1000, SETS = 30 };
    peri_err_t err;
    uint64_t size;
    peri_zone_t z[2] = {{0, 1, 0}, {2, 3, 0}};
    char *path = peri_xasprintf("%s/many.pidx", fx->dir);
    peri_idxwriter_t *w = peri_idxwriter_new(path, &err);
    char name[64];
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "/data/f.%d.hdf5", i);
        assert_int_equal(peri_idxwriter_file(w, name, 1, 2, 3, &err), 0);
        for (int k = 0; k < SETS; k++) {
            snprintf(name, sizeof name, "/T/column%02d", k);
            assert_int_equal(peri_idxwriter_set(w, name, 20, 10, NULL, 0, &err), 0);
            assert_int_equal(peri_idxwriter_field(w, "", PERI_T_U32, 1, z, 2, &err), 0);
        }
    }
    assert_int_equal(peri_idxwriter_finish(w, &size, &err), 0);
    double started = peri_now();
    peri_index_t *x = peri_index_open(path, &err);
    double seconds = peri_now() - started;
    assert_non_null(x);
    print_message("opened %d entries in %.1f ms\n", FILES * SETS, 1e3 * seconds);
    assert_true(seconds < 1); /* a few ms, but machines are busy */
    for (int i = 0; i < FILES; i++) {
        size_t hint = 0;
        snprintf(name, sizeof name, "/data/f.%d.hdf5", i);
        const peri_idxfile_t *e = peri_index_find_file(x, name);
        assert_non_null(e);
        for (int k = 0; k < SETS; k++) {
            snprintf(name, sizeof name, "/T/column%02d", k);
            const peri_idxset_t *s = peri_index_find_set(x, e, name, &hint);
            assert_non_null(s);
            assert_string_equal(peri_index_string(x, s->name), name);
        }
        assert_null(peri_index_find_set(x, e, "/T/column", &hint));
        assert_null(peri_index_find_set(x, e, "/T/column99", &hint));
    }
    assert_null(peri_index_find_file(x, "/data/f.1000.hdf5"));
    peri_index_unref(x);
    unlink(path);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_thousand_mutations),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_damaged_block_is_noticed_when_used),
        cmocka_unit_test(opening_says_what_is_wrong),
        cmocka_unit_test(an_index_without_files_is_valid),
        cmocka_unit_test(two_writers_both_leave_a_whole_file),
        cmocka_unit_test(a_full_disk_leaves_the_old_index),
        cmocka_unit_test(copies_are_equal),
        cmocka_unit_test(the_path_is_beside_the_data),
        cmocka_unit_test(many_entries_open_fast_and_are_found),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
