/* Strings of any length, read from the global heap without HDF5: those that HDF5 wrote,
 * and damaged heaps, each of which is an error with a sentence. */
#include "test_h5_fixture.h"

enum { N = 4000, LONG = 150000 };

/* Empty, none, short, and now and then one that is larger than other collections. */
static char **make_texts(void)
{
    char **v = calloc(N, sizeof(*v));
    for (size_t i = 0; i < N; i++) {
        const size_t n = i % 1000 == 500 ? LONG + i : i * 7919 % 61;
        if (i % 11 == 0) continue;
        v[i] = malloc(n + 1);
        for (size_t k = 0; k < n; k++) v[i][k] = (char)('a' + (i + k) % 26);
        v[i][n] = '\0';
    }
    return v;
}

static void free_texts(char **v)
{
    for (size_t i = 0; i < N; i++) free(v[i]);
    free(v);
}

static hid_t chunks_of(hsize_t n, bool deflate)
{
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(p, 1, &n);
    if (deflate) {
        H5Pset_shuffle(p);
        H5Pset_deflate(p, 1);
    }
    return p;
}

static hid_t text_type(void)
{
    hid_t t = H5Tcopy(H5T_C_S1);
    H5Tset_size(t, H5T_VARIABLE);
    return t;
}

static void expect_texts(peri_h5set_t *s, char **v, uint32_t step)
{
    peri_err_t err = {0};
    peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
    peri_str_t *got = calloc(step, sizeof(*got));
    for (uint32_t row = 0; row < N; row += step) {
        const uint32_t n = N - row < step ? N - row : step;
        if (peri_h5cursor_read(c, 0, row, n, got, &err)) fail_msg("%s", err.text);
        for (uint32_t i = 0; i < n; i++) {
            const char *want = v[row + i] ? v[row + i] : "";
            assert_int_equal(got[i].len, strlen(want));
            assert_memory_equal(got[i].ptr, want, got[i].len);
        }
    }
    free(got);
    peri_h5cursor_free(c);
}

static void test_as_written(void **state)
{
    (void)state;
    char **v = make_texts();
    hid_t t = text_type(), raw = chunks_of(100, false), packed = chunks_of(333, true);
    hid_t fcpl = H5Pcreate(H5P_FILE_CREATE);
    hsize_t n = N, two[2] = {N / 4, 4};
    H5Pset_userblock(fcpl, 1024);
    hid_t f = H5Fcreate(fx_path("texts.h5"), H5F_ACC_TRUNC, fcpl, H5P_DEFAULT);
    fx_write(f, "contiguous", t, 1, &n, H5P_DEFAULT, t, v);
    fx_write(f, "chunked", t, 1, &n, raw, t, v);
    fx_write(f, "packed", t, 1, &n, packed, t, v);
    fx_write(f, "wide", t, 2, two, H5P_DEFAULT, t, v);
    fx_write(f, "unwritten", t, 1, &n, H5P_DEFAULT, t, NULL);
    fx_write(f, "unwritten_chunks", t, 1, &n, raw, t, NULL);
    H5Fclose(f);
    static const struct {
        const char *name;
        peri_layout_t layout;
    } sets[] = {{"contiguous", PERI_LAYOUT_CONTIGUOUS},
                {"chunked", PERI_LAYOUT_CHUNKED},
                {"packed", PERI_LAYOUT_CHUNKED}};
    peri_h5file_t *pf = fx_open("texts.h5");
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        peri_h5set_t *s = fx_set(pf, sets[i].name);
        assert_int_equal(peri_h5set_layout(s), sets[i].layout);
        expect_texts(s, v, 2048);
        expect_texts(s, v, 7);
        peri_h5set_unref(s);
    }
    peri_err_t err = {0};
    peri_str_t four[4];
    peri_h5set_t *s = fx_set(pf, "wide");
    peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
    for (uint64_t row = N / 4; row-- > 0;) { /* backwards: other collections each time */
        assert_int_equal(peri_h5cursor_read(c, 0, row, 1, four, &err), 0);
        for (size_t i = 0; i < 4; i++) {
            const char *want = v[4 * row + i] ? v[4 * row + i] : "";
            assert_int_equal(four[i].len, strlen(want));
            assert_memory_equal(four[i].ptr, want, four[i].len);
        }
    }
    peri_h5cursor_free(c);
    peri_h5set_unref(s);
    char **none = calloc(N, sizeof(*none));
    for (int k = 0; k < 2; k++) {
        s = fx_set(pf, k ? "unwritten_chunks" : "unwritten");
        expect_texts(s, none, 999);
        peri_h5set_unref(s);
    }
    free(none);
    peri_h5file_unref(pf);
    H5Pclose(fcpl);
    H5Pclose(raw);
    H5Pclose(packed);
    H5Tclose(t);
    free_texts(v);
}

/* A fill value that is a text is HDF5's affair. */
static void test_fill(void **state)
{
    (void)state;
    const char *fill = "nothing here";
    hid_t t = text_type(), p = chunks_of(100, false);
    hsize_t n = N;
    H5Pset_fill_value(p, t, &fill);
    hid_t f = fx_create("fill.h5");
    fx_write(f, "x", t, 1, &n, p, t, NULL);
    H5Fclose(f);
    char **v = calloc(N, sizeof(*v));
    for (size_t i = 0; i < N; i++) v[i] = (char *)(uintptr_t)fill;
    peri_h5file_t *pf = fx_open("fill.h5");
    peri_h5set_t *s = fx_set(pf, "x");
    assert_int_equal(peri_h5set_layout(s), PERI_LAYOUT_LIBRARY);
    expect_texts(s, v, 500);
    peri_h5set_unref(s);
    peri_h5file_unref(pf);
    free(v);
    H5Pclose(p);
    H5Tclose(t);
}

static size_t slurp(const char *name, unsigned char **data)
{
    FILE *f = fopen(fx_path(name), "r");
    *data = malloc(1 << 20);
    const size_t n = fread(*data, 1, 1 << 20, f);
    fclose(f);
    return n;
}

/* Reads all of /x of bytes that are a file; the sentence if that fails, else "". */
static peri_err_t read_bytes(const unsigned char *data, size_t n)
{
    peri_err_t err = {0};
    peri_str_t got[200];
    FILE *out = fopen(fx_path("bad.h5"), "w");
    assert_int_equal(fwrite(data, 1, n, out), n);
    fclose(out);
    peri_h5file_t *f = fx_open("bad.h5");
    peri_h5set_t *s = fx_set(f, "x");
    peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
    if (peri_h5cursor_read(c, 0, 0, 200, got, &err)) assert_non_null(*err.text);
    peri_h5cursor_free(c);
    peri_h5set_unref(s);
    peri_h5file_unref(f);
    return err;
}

static void expect_damage(const unsigned char *good, size_t n, size_t at, uint64_t value,
                          size_t bytes, const char *says)
{
    unsigned char *bad = malloc(n);
    memcpy(bad, good, n);
    memcpy(bad + at, &value, bytes);
    const peri_err_t err = read_bytes(bad, n);
    if (!strstr(err.text, says)) fail_msg("'%s' is not in: %s", says, err.text);
    assert_int_equal(err.code, PERI_EFORMAT);
    free(bad);
}

static void test_damaged(void **state)
{
    (void)state;
    char *v[200], text[200][16];
    hid_t t = text_type(), f = fx_create("good.h5");
    hsize_t n = 200;
    for (size_t i = 0; i < n; i++) {
        snprintf(text[i], sizeof(text[i]), "text %zu", i);
        v[i] = text[i];
    }
    fx_write(f, "x", t, 1, &n, H5P_DEFAULT, t, v);
    H5Fclose(f);
    H5Tclose(t);
    unsigned char *data;
    const size_t size = slurp("good.h5", &data);
    peri_h5file_t *pf = fx_open("good.h5");
    peri_h5set_t *s = fx_set(pf, "x");
    const size_t refs = peri_h5set_offset(s);
    peri_h5set_unref(s);
    peri_h5file_unref(pf);
    uint64_t heap;
    memcpy(&heap, data + refs + 4, 8);
    assert_memory_equal(data + heap, "GCOL", 4);
    assert_int_equal(read_bytes(data, size).code, 0);

    expect_damage(data, size, heap, 'X', 1, "it is none");
    expect_damage(data, size, heap + 8, 8, 8, "its size cannot be right");
    expect_damage(data, size, heap + 8, UINT64_MAX, 8, "its size cannot be right");
    expect_damage(data, size, heap + 8, 1 << 29, 8, "larger than the file");
    expect_damage(data, size, heap + 8, size - 8, 8, "does not fit");
    expect_damage(data, size, heap + 24, UINT64_MAX, 8, "an object is longer");
    expect_damage(data, size, heap + 24, UINT64_MAX - 20, 8, "an object is longer");
    expect_damage(data, size, heap + 24, 4096, 8, "an object is longer");
    expect_damage(data, size, heap + 16, 0, 2, "is not in it");
    expect_damage(data, size, refs, 100, 4, "shorter than it should be");
    expect_damage(data, size, refs + 4, UINT64_MAX, 8, "does not fit");
    expect_damage(data, size, refs + 4, size - 3, 8, "does not fit");
    expect_damage(data, size, refs + 4, heap + 1, 8, "it is none");
    expect_damage(data, size, refs + 12, 0, 4, "is not in it");
    expect_damage(data, size, refs + 12, UINT32_MAX, 4, "is not in it");
    /* Any byte of references and of the first collection, any value: it reads or it does
     * not, and nothing breaks (AddressSanitizer looks on in CI). */
    srand(7);
    for (int i = 0; i < 1500; i++) {
        const size_t at =
            i % 3 ? heap + (size_t)rand() % 4096 : refs + (size_t)rand() % 3200;
        const unsigned char was = data[at];
        data[at] = (unsigned char)rand();
        (void)read_bytes(data, size);
        data[at] = was;
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_written),
                                       cmocka_unit_test(test_fill),
                                       cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests_name("h5_heap", tests, fx_setup, fx_teardown);
}
