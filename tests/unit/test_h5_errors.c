/* What is wrong is said clearly: missing, empty, truncated, damaged and forbidden files,
 * missing filters, requests out of range. */
#include "test_h5_fixture.h"

#include <sys/mman.h>
#include <sys/stat.h>

static void spew(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(fx_path(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static char *slurp(const char *name, size_t *n)
{
    FILE *f = fopen(fx_path(name), "r");
    char *data = malloc(1 << 22);
    *n = fread(data, 1, 1 << 22, f);
    fclose(f);
    return data;
}

/* Opening fails with this code, and the text has this in it. */
static void refuse_file(const char *path, const char *root, peri_code_t code,
                        const char *text)
{
    peri_err_t err = {0};
    assert_null(peri_h5file_open(path, root, &err));
    if (!strstr(err.text, text)) fail_msg("'%s' is not in: %s", text, err.text);
    assert_int_equal(err.code, code);
}

static void refuse_set(peri_h5file_t *f, const char *path, peri_code_t code,
                       const char *text)
{
    peri_err_t err = {0};
    assert_null(peri_h5set_open(f, path, &err));
    if (!strstr(err.text, text)) fail_msg("'%s' is not in: %s", text, err.text);
    assert_int_equal(err.code, code);
}

enum { N = 20000 };

static void make_good(const char *name)
{
    static int32_t v[N];
    hsize_t n = N, c = 1000;
    for (int i = 0; i < N; i++) v[i] = i * 7;
    hid_t f = fx_create(name), p = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(p, 1, &c);
    H5Pset_deflate(p, 4);
    fx_write(f, "z", H5T_STD_I32LE, 1, &n, p, H5T_NATIVE_INT32, v);
    H5Premove_filter(p, H5Z_FILTER_DEFLATE);
    H5Pset_fletcher32(p);
    fx_write(f, "sum", H5T_STD_I32LE, 1, &n, p, H5T_NATIVE_INT32, v);
    fx_write(f, "plain", H5T_STD_I32LE, 1, &n, H5P_DEFAULT, H5T_NATIVE_INT32, v);
    H5Gclose(H5Gcreate2(f, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Lcreate_soft("/l2", f, "l1", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/l1", f, "l2", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", f, "dangling", H5P_DEFAULT, H5P_DEFAULT);
    H5Pclose(p);
    H5Fclose(f);
}

static void test_bad_files(void **state)
{
    (void)state;
    make_good("good.h5");
    size_t n;
    char *data = slurp("good.h5", &n);
    refuse_file(fx_path("nothing.h5"), NULL, PERI_ENOTFOUND, "No such file");
    refuse_file(fx_dir, NULL, PERI_EFORMAT, "is a folder");
    spew("empty.h5", "", 0);
    refuse_file(fx_path("empty.h5"), NULL, PERI_EFORMAT, "is empty (0 bytes)");
    spew("text.h5", "not at all", 10);
    refuse_file(fx_path("text.h5"), NULL, PERI_EFORMAT, "not an HDF5 file (10 B");
    spew("cut.h5", data, n / 2);
    refuse_file(fx_path("cut.h5"), NULL, PERI_EFORMAT, "is truncated");
    spew("head.h5", data, 30);
    refuse_file(fx_path("head.h5"), NULL, PERI_EFORMAT, "head.h5");
    char *junk = malloc(5000);
    for (int i = 0; i < 5000; i++) junk[i] = (char)(i * i * 31 >> 3);
    spew("junk.h5", junk, 5000);
    refuse_file(fx_path("junk.h5"), NULL, PERI_EFORMAT, "not an HDF5 file");
    memcpy(junk, "\x89HDF\r\n\x1a\n", 8);
    spew("junk.h5", junk, 5000);
    refuse_file(fx_path("junk.h5"), NULL, PERI_EFORMAT, "damaged HDF5 file");
    assert_int_equal(mkfifo(fx_path("pipe.h5"), 0600), 0);
    refuse_file(fx_path("pipe.h5"), NULL, PERI_EFORMAT, "not a regular file");
    free(junk);
    free(data);
}

static void test_bad_paths(void **state)
{
    (void)state;
    peri_h5file_t *f = fx_open("good.h5");
    refuse_set(f, "nope", PERI_ENOTFOUND, "'nope'");
    refuse_set(f, "/g/deep/er", PERI_ENOTFOUND, "'deep'");
    refuse_set(f, "/z/x", PERI_ENOTFOUND, "'x'");
    refuse_set(f, "g", PERI_ENOTFOUND, "not a dataset");
    refuse_set(f, "/", PERI_ENOTFOUND, "not a dataset");
    refuse_set(f, "l1", PERI_EFORMAT, "do not come to an end");
    refuse_set(f, "dangling", PERI_ENOTFOUND, "nowhere");
    assert_int_equal(peri_h5_kind(f, "g"), 'g');
    assert_int_equal(peri_h5_kind(f, "/z"), 'd');
    assert_int_equal(peri_h5_kind(f, "dangling"), 0);
    assert_true(peri_h5_exists(f, "/./g/"));
    peri_err_t err = {0};
    assert_int_equal(peri_h5group_each(f, "z", NULL, NULL, &err), -1);
    peri_h5file_unref(f);
}

static void test_bad_requests(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_h5file_t *f = fx_open("good.h5");
    peri_h5set_t *s = fx_set(f, "z");
    peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
    static int32_t out[N];
    assert_int_equal(peri_h5cursor_read(c, 0, N - 1, 2, out, &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    assert_int_equal(peri_h5cursor_read(c, 1, 0, 1, out, &err), -1);
    assert_int_equal(peri_h5cursor_read(c, 0, UINT64_MAX, 1, out, &err), -1);
    assert_int_equal(peri_h5cursor_read(c, 0, N, 0, out, &err), 0);
    assert_int_equal(peri_h5cursor_read(c, 0, N - 1, 1, out, &err), 0);
    assert_int_equal(out[0], (N - 1) * 7);
    peri_h5cursor_free(c);
    peri_chunkloc_t loc = {.offset = 1ul << 40, .size = 5};
    assert_int_equal(peri_h5set_chunk_location(s, 20, &loc, &err), -1);
    assert_int_equal(peri_h5set_use_chunk_map(s, &loc, 1, &err), -1);
    peri_chunkloc_t map[20] = {[3] = {.offset = 1ul << 40, .size = 5}};
    assert_int_equal(peri_h5set_use_chunk_map(s, map, 20, &err), -1);
    peri_h5set_unref(s);
    s = fx_set(f, "plain");
    assert_int_equal(peri_h5set_chunk_map(s, map, &err), -1);
    peri_h5set_unref(s);
    peri_h5file_unref(f);
}

/* Flip one bit in the middle of a stored chunk, in a copy of the file. */
static void test_damaged_chunks(void **state)
{
    (void)state;
    static const char *const names[] = {"z", "sum"};
    static const char *const says[] = {"compressed data is broken", "checksum is wrong"};
    static int32_t out[N];
    for (int i = 0; i < 2; i++) {
        peri_err_t err = {0};
        peri_chunkloc_t loc;
        peri_h5file_t *f = fx_open("good.h5");
        peri_h5set_t *s = fx_set(f, names[i]);
        assert_int_equal(peri_h5set_chunk_location(s, 5, &loc, &err), 0);
        peri_h5set_unref(s);
        peri_h5file_unref(f);
        size_t n;
        char *data = slurp("good.h5", &n);
        data[loc.offset + loc.size / 2] ^= 4;
        spew("flipped.h5", data, n);
        free(data);
        f = fx_open("flipped.h5");
        s = fx_set(f, names[i]);
        peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
        assert_int_equal(peri_h5cursor_read(c, 0, 0, 5000, out, &err), 0);
        assert_int_equal(peri_h5cursor_read(c, 0, 0, N, out, &err), -1);
        assert_int_equal(err.code, PERI_EFORMAT);
        assert_non_null(strstr(err.text, says[i]));
        assert_non_null(strstr(err.text, "chunk 5"));
        assert_int_equal(peri_h5cursor_read(c, 0, 6000, 500, out, &err), 0);
        assert_int_equal(out[1], 6001 * 7);
        peri_h5cursor_free(c);
        peri_h5set_unref(s);
        peri_h5file_unref(f);
    }
}

/* The file loses its end after it was opened. */
static void test_cut_while_open(void **state)
{
    (void)state;
    static int32_t out[N];
    hsize_t n = N;
    hid_t h = fx_create("growing.h5");
    fx_write(h, "x", H5T_STD_I32LE, 1, &n, H5P_DEFAULT, H5T_NATIVE_INT32, out);
    H5Fclose(h);
    peri_err_t err = {0};
    peri_h5file_t *f = fx_open("growing.h5");
    peri_h5set_t *s = fx_set(f, "x");
    peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
    assert_int_equal(truncate(fx_path("growing.h5"), 50000), 0);
    assert_int_equal(peri_h5cursor_read(c, 0, 0, N, out, &err), -1);
    assert_int_equal(err.code, PERI_EFORMAT);
    assert_non_null(strstr(err.text, "truncated"));
    assert_int_equal(peri_h5cursor_read(c, 0, 0, 100, out, &err), -1);
    peri_h5cursor_free(c);
    peri_h5set_unref(s);
    peri_h5file_unref(f);
}

static size_t copy_filter(unsigned flags, size_t np, const unsigned *p, size_t n,
                          size_t *cap, void **buf)
{
    (void)flags, (void)np, (void)p, (void)cap, (void)buf;
    return n;
}

static void test_missing_filters(void **state)
{
    (void)state;
    static const struct {
        int id;
        const char *text;
    } filter[] = {{32015, "zstd (number 32015)"},
                  {32008, "bitshuffle (number 32008)"},
                  {31999, "house style (number 31999)"}};
    hsize_t n = 1000;
    int32_t v[1000] = {0};
    char name[16];
    hid_t f = fx_create("filters.h5");
    for (int i = 0; i < 3; i++) {
        H5Z_class2_t cls = {H5Z_CLASS_T_VERS, filter[i].id, 1,    1,
                            "house style",    NULL,         NULL, copy_filter};
        assert_true(H5Zregister(&cls) >= 0);
        hid_t p = H5Pcreate(H5P_DATASET_CREATE);
        H5Pset_chunk(p, 1, &n);
        H5Pset_filter(p, filter[i].id, 0, 0, NULL);
        snprintf(name, sizeof(name), "f%d", i);
        fx_write(f, name, H5T_STD_I32LE, 1, &n, p, H5T_NATIVE_INT32, v);
        H5Pclose(p);
    }
    H5Fclose(f);
    for (int i = 0; i < 3; i++) H5Zunregister(filter[i].id);
    peri_h5file_t *pf = fx_open("filters.h5");
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        refuse_set(pf, name, PERI_EUNSUPP, filter[i].text);
    }
    peri_h5file_unref(pf);
}

static void test_limits(void **state)
{
    (void)state;
    peri_err_t err = {0};
    hsize_t n = 1ul << 40, c = 1ul << 28;
    hid_t f = fx_create("huge.h5"), p = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(p, 1, &c);
    fx_write(f, "x", H5T_IEEE_F64LE, 1, &n, p, 0, NULL);
    H5Pclose(p);
    H5Fclose(f);
    peri_h5file_t *pf = fx_open("huge.h5");
    peri_h5set_t *s = fx_set(pf, "x");
    assert_int_equal(peri_h5set_nchunks(s), 1 << 12);
    assert_null(peri_h5cursor_new(s, &err));
    assert_int_equal(err.code, PERI_ELIMIT);
    peri_h5set_unref(s);
    peri_h5file_unref(pf);
}

/* ---- what may be read ---- */

/* A file in root/ with one dataset `x`, made by `how` to lead to ../secret/. */
enum {
    LINK,
    VIRTUAL,
    NESTED,
    EXTERNAL,
    ABSOLUTE,
    SYMLINK,
    NAMELESS,         /* an open file that was removed, as raw data */
    NAMELESS_VIRTUAL, /* ... as an HDF5 file */
    NHOW
};

/* "/proc/self/fd/N" of a copy that has no name; N stays open. */
static char *nameless(const char *file)
{
    char path[64];
    size_t n = 0;
    const int fd = memfd_create("copy", MFD_CLOEXEC);
    char *text = slurp(file, &n);
    assert_int_equal(write(fd, text, n), n);
    free(text);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return strdup(path);
}

static void make_escape(int how)
{
    hsize_t n = 10;
    char *abs = strdup(fx_path("secret/s.h5")), *open_copy = NULL;
    if (how == NAMELESS) open_copy = nameless("secret/raw");
    if (how == NAMELESS_VIRTUAL) open_copy = nameless("secret/s.h5");
    if (how == SYMLINK) assert_int_equal(symlink(abs, fx_path("root/inside.h5")), 0);
    hid_t f = fx_create("root/esc.h5"), sp = H5Screate_simple(1, &n, NULL);
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    switch (how) {
    case LINK:
        H5Lcreate_external("../secret/s.h5", "/x", f, "x", H5P_DEFAULT, H5P_DEFAULT);
        break;
    case ABSOLUTE:
        H5Lcreate_external(abs, "/x", f, "x", H5P_DEFAULT, H5P_DEFAULT);
        break;
    case SYMLINK:
        H5Lcreate_external("inside.h5", "/x", f, "x", H5P_DEFAULT, H5P_DEFAULT);
        break;
    case VIRTUAL:
        H5Pset_virtual(p, sp, "../secret/s.h5", "x", sp);
        break;
    case NESTED: /* through a link in a second file that lies inside */
        H5Pset_virtual(p, sp, "middle.h5", "x", sp);
        break;
    case EXTERNAL:
        H5Pset_external(p, fx_path("secret/raw"), 0, 40);
        break;
    case NAMELESS:
        H5Pset_external(p, open_copy, 0, 40);
        break;
    case NAMELESS_VIRTUAL:
        H5Pset_virtual(p, sp, open_copy, "x", sp);
        break;
    }
    if (how == VIRTUAL || how == NESTED || how == EXTERNAL || open_copy)
        fx_write(f, "x", H5T_STD_I32LE, 1, &n, p, 0, NULL);
    H5Pclose(p), H5Sclose(sp), H5Fclose(f);
    if (how == NESTED) {
        f = fx_create("root/middle.h5");
        H5Lcreate_external("../secret/s.h5", "/x", f, "x", H5P_DEFAULT, H5P_DEFAULT);
        H5Fclose(f);
    }
    free(abs);
    free(open_copy);
}

static void test_root(void **state)
{
    (void)state;
    hsize_t n = 10;
    int32_t v[10] = {42, 43};
    char root[300];
    mkdir(fx_path("root"), 0700);
    mkdir(fx_path("secret"), 0700);
    snprintf(root, sizeof(root), "%s/root", fx_dir);
    hid_t f = fx_create("secret/s.h5");
    fx_write(f, "x", H5T_STD_I32LE, 1, &n, H5P_DEFAULT, H5T_NATIVE_INT32, v);
    H5Fclose(f);
    spew("secret/raw", v, sizeof(v));
    refuse_file(fx_path("secret/s.h5"), root, PERI_EDENIED, "outside");
    refuse_file(fx_path("root/../secret/s.h5"), root, PERI_EDENIED, "outside");
    for (int how = 0; how < NHOW; how++) {
        make_escape(how);
        peri_err_t err = {0};
        peri_h5file_t *pf = peri_h5file_open(fx_path("root/esc.h5"), root, &err);
        assert_non_null(pf);
        refuse_set(pf, "x", PERI_EDENIED, "outside");
        peri_h5file_unref(pf);
        if (how == NAMELESS_VIRTUAL) continue; /* HDF5 does not take this one */
        /* Without a limit it is read. */
        pf = fx_open("root/esc.h5");
        peri_h5set_t *s = fx_set(pf, "x");
        fx_expect(s, 0, PERI_T_I32, 1, v);
        peri_h5set_unref(s);
        peri_h5file_unref(pf);
    }
    refuse_file(fx_path("root/inside.h5"), root, PERI_EDENIED, "outside");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),      cmocka_unit_test(test_bad_paths),
        cmocka_unit_test(test_bad_requests),   cmocka_unit_test(test_damaged_chunks),
        cmocka_unit_test(test_cut_while_open), cmocka_unit_test(test_missing_filters),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_root),
    };
    return cmocka_run_group_tests_name("h5_errors", tests, fx_setup, fx_teardown);
}
