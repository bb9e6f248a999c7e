/* All layouts and filters give the values that were written, for any size of request,
 * from many threads; chunk maps agree with HDF5's own answers. */
#include "test_h5_fixture.h"

#include <pthread.h>

#include "core/h5/private.h"

enum { ROWS = 10007, CHUNK = 500 };

static int32_t *numbers(size_t n)
{
    int32_t *v = malloc(n * 4);
    for (size_t i = 0; i < n; i++) v[i] = (int32_t)(i / 3 * 7919 % 100003);
    return v;
}

static hid_t plist(int rank, const hsize_t *chunk)
{
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(p, rank, chunk) >= 0);
    return p;
}

static const struct {
    const char *name, *text;
    int layout;
    int filters[4]; /* HDF5 ids in order of writing, 0 ends */
} pipes[] = {
    {"plain", "", PERI_LAYOUT_CHUNKED, {0}},
    {"gzip", "deflate 4", PERI_LAYOUT_CHUNKED, {1, 0}},
    {"shuffle", "shuffle", PERI_LAYOUT_CHUNKED, {2, 0}},
    {"fletcher", "fletcher32", PERI_LAYOUT_CHUNKED, {3, 0}},
    {"all", "fletcher32 + deflate 4 + shuffle", PERI_LAYOUT_CHUNKED, {2, 1, 3, 0}},
    {"early", "deflate 4 + fletcher32 + shuffle", PERI_LAYOUT_CHUNKED, {2, 3, 1, 0}},
    {"twice", "deflate 4 + deflate 4", PERI_LAYOUT_CHUNKED, {1, 1, 0}},
    {"szip", "szip", PERI_LAYOUT_LIBRARY, {4, 0}},
    {"nbit", "nbit", PERI_LAYOUT_LIBRARY, {5, 0}},
    {"so", "scale-offset", PERI_LAYOUT_LIBRARY, {6, 0}},
    {"bzip2", "bzip2", PERI_LAYOUT_LIBRARY, {307, 0}},
    {"lz4", "lz4", PERI_LAYOUT_LIBRARY, {32004, 0}},
    {"blosc", "blosc", PERI_LAYOUT_LIBRARY, {32001, 0}},
};
enum { NPIPES = sizeof(pipes) / sizeof(*pipes) };

static int add_filter(hid_t p, int id)
{
    switch (id) {
    case 1:
        return H5Pset_deflate(p, 4);
    case 2:
        return H5Pset_shuffle(p);
    case 3:
        return H5Pset_fletcher32(p);
    case 4:
        return H5Pset_szip(p, H5_SZIP_NN_OPTION_MASK, 16);
    case 5:
        return H5Pset_nbit(p);
    case 6:
        return H5Pset_scaleoffset(p, H5Z_SO_INT, H5Z_SO_INT_MINBITS_DEFAULT);
    case 307:
        return H5Pset_filter(p, id, 0, 1, (unsigned[]){5});
    default:
        return H5Pset_filter(p, id, 0, 0, NULL);
    }
}

static void test_filters(void **state)
{
    (void)state;
    hsize_t n = ROWS, c = CHUNK;
    int32_t *v = numbers(n);
    hid_t f = fx_create("filters.h5");
    int made[NPIPES] = {0};
    for (int i = 0; i < NPIPES; i++) {
        hid_t p = plist(1, &c);
        __lsan_disable(); /* blosc leaks when it writes */
        made[i] = 1;
        for (const int *id = pipes[i].filters; *id && made[i]; id++)
            made[i] = H5Zfilter_avail(*id) > 0 && add_filter(p, *id) >= 0;
        if (made[i])
            fx_write(f, pipes[i].name, H5T_STD_I32LE, 1, &n, p, H5T_NATIVE_INT32, v);
        else
            print_message("skipped: filter %s is not installed\n", pipes[i].name);
        __lsan_enable();
        H5Pclose(p);
    }
    H5Fclose(f);
    peri_h5file_t *pf = fx_open("filters.h5");
    for (int i = 0; i < NPIPES; i++) {
        if (!made[i]) continue;
        peri_h5set_t *s = fx_set(pf, pipes[i].name);
        assert_string_equal(peri_h5set_filters(s), pipes[i].text);
        assert_int_equal(peri_h5set_layout(s), pipes[i].layout);
        assert_int_equal(peri_h5set_chunk_rows(s), CHUNK);
        assert_int_equal(peri_h5set_nchunks(s), 21);
        assert_int_equal(peri_h5set_raw_bytes(s), ROWS * 4);
        fx_expect(s, 0, PERI_T_I32, 1, v);
        peri_h5set_unref(s);
    }
    peri_h5file_unref(pf);
    free(v);
}

/* A small LZF compressor: runs of up to 32 bytes, and copies of 3 to 264 bytes. */
static size_t lzf(const uint8_t *in, size_t n, uint8_t *out)
{
    size_t o = 0, run = 0, i = 0;
    while (i < n) {
        size_t best = 0, back = 0;
        for (size_t b = 1; b <= i && b <= 8192 && best < 264; b += b < 16 ? 1 : 4) {
            size_t k = 0;
            while (i + k < n && k < 264 && in[i + k] == in[i + k - b]) k++;
            if (k > best) best = k, back = b - 1;
        }
        if (best < 3) {
            if (run == 0) out[o++] = 0;
            out[o++] = in[i++];
            out[o - run - 2] = (uint8_t)run;
            run = run == 31 ? 0 : run + 1;
            continue;
        }
        run = 0;
        i += best;
        best -= 2;
        out[o++] = (uint8_t)((best < 7 ? best : 7) << 5 | back >> 8);
        if (best >= 7) out[o++] = (uint8_t)(best - 7);
        out[o++] = (uint8_t)back;
    }
    return o;
}

static size_t refuse(unsigned flags, size_t np, const unsigned *p, size_t n, size_t *cap,
                     void **buf)
{
    (void)flags, (void)np, (void)p, (void)n, (void)cap, (void)buf;
    return 0;
}

/* Nothing here can write it, so chunks are written raw; once read by us, once by HDF5
 * (where the chunks do not hold whole rows). */
static void test_lzf(void **state)
{
    (void)state;
    hsize_t n[2] = {2000, 2}, c[2] = {500, 2};
    int32_t *v = numbers(4000), part[1000];
    uint8_t *packed = malloc(8000);
    /* HDF5 makes datasets only with filters that claim to encode. */
    H5Z_class2_t writer = {H5Z_CLASS_T_VERS, 32000, 1, 1, "lzf", NULL, NULL, refuse};
    assert_true(H5Zunregister(32000) >= 0 && H5Zregister(&writer) >= 0);
    hid_t f = fx_create("lzf.h5");
    for (int k = 0; k < 2; k++) {
        c[1] = k ? 1 : 2;
        unsigned size = (unsigned)(c[0] * c[1] * 4);
        hid_t p = plist(2, c), sp = H5Screate_simple(2, n, NULL);
        H5Pset_filter(p, 32000, H5Z_FLAG_OPTIONAL, 3, (unsigned[]){4, 0x105, size});
        hid_t d = H5Dcreate2(f, k ? "split" : "whole", H5T_STD_I32LE, sp, H5P_DEFAULT, p,
                             H5P_DEFAULT);
        assert_true(d >= 0);
        for (hsize_t row = 0; row < 2000; row += 500)
            for (hsize_t col = 0; col < 2; col += c[1]) {
                for (size_t i = 0; i < 500; i++)
                    memcpy(part + i * c[1], v + (row + i) * 2 + col, c[1] * 4);
                size_t len = lzf((uint8_t *)part, size, packed);
                assert_true(len < size);
                assert_true(H5Dwrite_chunk(d, H5P_DEFAULT, 0, (hsize_t[]){row, col}, len,
                                           packed) >= 0);
            }
        H5Dclose(d), H5Sclose(sp), H5Pclose(p);
    }
    H5Fclose(f);
    assert_true(H5Zunregister(32000) >= 0);
    peri_h5_lzf_register();
    peri_h5file_t *pf = fx_open("lzf.h5");
    for (int k = 0; k < 2; k++) {
        peri_h5set_t *s = fx_set(pf, k ? "split" : "whole");
        assert_int_equal(peri_h5set_layout(s),
                         k ? PERI_LAYOUT_LIBRARY : PERI_LAYOUT_CHUNKED);
        assert_string_equal(peri_h5set_filters(s), "lzf");
        fx_expect(s, 0, PERI_T_I32, 2, v);
        peri_h5set_unref(s);
    }
    peri_h5file_unref(pf);
    free(v), free(packed);
}

static void test_zfp(void **state)
{
    (void)state;
    hsize_t n = 4096, c = 1024;
    double v[4096];
    for (int i = 0; i < 4096; i++) v[i] = i * 0.25;
    __lsan_disable();
    int have = H5Zfilter_avail(32013) > 0;
    __lsan_enable();
    if (!have) skip();
    hid_t f = fx_create("zfp.h5"), p = plist(1, &c);
    /* Mode 5 is reversible: the values come back exactly. */
    assert_true(H5Pset_filter(p, 32013, 0, 1, (unsigned[]){5}) >= 0);
    fx_write(f, "z", H5T_IEEE_F64LE, 1, &n, p, H5T_NATIVE_DOUBLE, v);
    H5Pclose(p);
    H5Fclose(f);
    peri_h5file_t *pf = fx_open("zfp.h5");
    peri_h5set_t *s = fx_set(pf, "z");
    fx_expect(s, 0, PERI_T_F64, 1, v);
    peri_h5set_unref(s);
    peri_h5file_unref(pf);
}

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int rank;
        hsize_t dims[4], chunk[4];
        int layout;
        uint32_t width;
    } shape[] = {
        {"c3", 2, {1001, 3}, {100, 3}, PERI_LAYOUT_CHUNKED, 3},
        {"c4", 2, {1001, 3}, {100, 4}, PERI_LAYOUT_CHUNKED, 3},
        {"c1", 2, {1001, 3}, {100, 1}, PERI_LAYOUT_LIBRARY, 3},
        {"c44", 3, {501, 3, 2}, {64, 4, 5}, PERI_LAYOUT_CHUNKED, 6},
        {"one", 1, {50}, {4096}, PERI_LAYOUT_CHUNKED, 1},
        {"none", 1, {0}, {16}, PERI_LAYOUT_CHUNKED, 1},
        {"n3", 2, {1001, 3}, {0}, PERI_LAYOUT_CONTIGUOUS, 3},
        {"n322", 4, {101, 3, 2, 2}, {0}, PERI_LAYOUT_CONTIGUOUS, 12},
        {"small", 2, {40, 3}, {1}, PERI_LAYOUT_COMPACT, 3},
        {"big", 2, {60000, 3}, {0}, PERI_LAYOUT_CONTIGUOUS, 3},
    };
    enum { N = sizeof(shape) / sizeof(*shape) };
    int32_t *v = numbers(180000);
    hid_t f = fx_create("shapes.h5");
    for (int i = 0; i < N; i++) {
        hid_t p = H5Pcreate(H5P_DATASET_CREATE);
        if (shape[i].layout == PERI_LAYOUT_COMPACT) {
            H5Pset_layout(p, H5D_COMPACT);
        } else if (shape[i].chunk[0]) {
            hsize_t max[4] = {H5S_UNLIMITED, H5S_UNLIMITED, H5S_UNLIMITED, H5S_UNLIMITED};
            hid_t sp = H5Screate_simple(shape[i].rank, shape[i].dims, max);
            H5Pset_chunk(p, shape[i].rank, shape[i].chunk);
            H5Pset_deflate(p, 1);
            hid_t d = H5Dcreate2(f, shape[i].name, H5T_STD_I32BE, sp, H5P_DEFAULT, p,
                                 H5P_DEFAULT);
            assert_true(d >= 0);
            assert_true(H5Dwrite(d, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, v) >=
                        0);
            H5Dclose(d), H5Sclose(sp), H5Pclose(p);
            continue;
        }
        fx_write(f, shape[i].name, H5T_STD_I32LE, shape[i].rank, shape[i].dims, p,
                 H5T_NATIVE_INT32, v);
        H5Pclose(p);
    }
    H5Fclose(f);
    peri_h5file_t *pf = fx_open("shapes.h5");
    for (int i = 0; i < N; i++) {
        peri_h5set_t *s = fx_set(pf, shape[i].name);
        assert_int_equal(peri_h5set_layout(s), shape[i].layout);
        assert_int_equal(peri_h5set_rows(s), shape[i].dims[0]);
        fx_expect(s, 0, PERI_T_I32, shape[i].width, v);
        peri_h5set_unref(s);
    }
    peri_h5file_unref(pf);
    free(v);
}

static void test_fill(void **state)
{
    (void)state;
    hsize_t n = 100000, c = 1000;
    int32_t fill = -5, *v = malloc(n * 4);
    uint32_t raw[1000];
    hid_t f = fx_create("fill.h5"), p = plist(1, &c), q = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_fill_value(p, H5T_NATIVE_INT32, &fill);
    H5Pset_fill_value(q, H5T_NATIVE_INT32, &fill);
    H5Pset_deflate(p, 4);
    fx_write(f, "holes", H5T_STD_I32BE, 1, &n, p, 0, NULL);
    fx_write(f, "empty", H5T_STD_I32BE, 1, &n, q, 0, NULL);
    fx_write(f, "zeros", H5T_STD_I32BE, 1, &n, H5P_DEFAULT, 0, NULL);
    for (size_t i = 0; i < n; i++) v[i] = fill;
    hid_t d = H5Dopen2(f, "holes", H5P_DEFAULT), sp = H5Dget_space(d);
    hsize_t at = 5500, len = 1000;
    hid_t mem = H5Screate_simple(1, &len, NULL);
    for (int i = 0; i < 1000; i++) v[5500 + i] = i;
    H5Sselect_hyperslab(sp, H5S_SELECT_SET, &at, NULL, &len, NULL);
    assert_true(H5Dwrite(d, H5T_NATIVE_INT32, mem, sp, H5P_DEFAULT, v + 5500) >= 0);
    /* A chunk whose filter mask says that deflate was left out. */
    for (uint32_t i = 0; i < 1000; i++) {
        v[20000 + i] = (int32_t)(i * 3);
        raw[i] = htobe32(i * 3);
    }
    at = 20000;
    assert_true(H5Dwrite_chunk(d, H5P_DEFAULT, 1, &at, sizeof(raw), raw) >= 0);
    H5Dclose(d), H5Sclose(sp), H5Sclose(mem), H5Pclose(p), H5Pclose(q);
    H5Fclose(f);
    peri_h5file_t *pf = fx_open("fill.h5");
    peri_h5set_t *s = fx_set(pf, "holes");
    fx_expect(s, 0, PERI_T_I32, 1, v);
    peri_chunkloc_t loc;
    peri_err_t err = {0};
    assert_int_equal(peri_h5set_chunk_location(s, 0, &loc, &err), 0);
    assert_true(loc.offset == UINT64_MAX);
    assert_int_equal(peri_h5set_chunk_location(s, 20, &loc, &err), 0);
    assert_int_equal(loc.filter_mask, 1);
    peri_chunkloc_t map[100];
    assert_int_equal(peri_h5set_chunk_map(s, map, &err), 0);
    assert_int_equal(peri_h5set_use_chunk_map(s, map, 100, &err), 0);
    fx_expect(s, 0, PERI_T_I32, 1, v);
    assert_int_equal(peri_h5set_use_chunk_map(s, map, 99, &err), -1);
    peri_h5set_unref(s);
    for (size_t i = 0; i < n; i++) v[i] = fill;
    s = fx_set(pf, "empty");
    assert_int_equal(peri_h5set_layout(s), PERI_LAYOUT_CONTIGUOUS);
    fx_expect(s, 0, PERI_T_I32, 1, v);
    peri_h5set_unref(s);
    memset(v, 0, n * 4);
    s = fx_set(pf, "zeros");
    fx_expect(s, 0, PERI_T_I32, 1, v);
    peri_h5set_unref(s);
    peri_h5file_unref(pf);
    free(v);
}

static void test_virtual_and_external(void **state)
{
    (void)state;
    hsize_t n = 2000, half = 1000, start = 0;
    int32_t *v = numbers(n);
    hid_t f = fx_create("parts.h5");
    fx_write(f, "a", H5T_STD_I32LE, 1, &half, H5P_DEFAULT, H5T_NATIVE_INT32, v);
    fx_write(f, "b", H5T_STD_I32LE, 1, &half, H5P_DEFAULT, H5T_NATIVE_INT32, v + 1000);
    H5Fclose(f);
    f = fx_create("whole.h5");
    hid_t p = H5Pcreate(H5P_DATASET_CREATE), sp = H5Screate_simple(1, &n, NULL);
    hid_t src = H5Screate_simple(1, &half, NULL);
    H5Sselect_hyperslab(sp, H5S_SELECT_SET, &start, NULL, &half, NULL);
    H5Pset_virtual(p, sp, "parts.h5", "a", src);
    start = 1000;
    H5Sselect_hyperslab(sp, H5S_SELECT_SET, &start, NULL, &half, NULL);
    H5Pset_virtual(p, sp, "parts.h5", "b", src);
    fx_write(f, "v", H5T_STD_I32LE, 1, &n, p, 0, NULL);
    H5Pclose(p), H5Sclose(sp), H5Sclose(src);
    p = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(p, "raw.bin", 0, n * 4);
    fx_write(f, "x", H5T_STD_I32LE, 1, &n, p, 0, NULL);
    H5Pclose(p);
    H5Lcreate_external("parts.h5", "/a", f, "link", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/link", f, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("gone.h5", "/a", f, "gone", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(f);
    FILE *raw = fopen(fx_path("raw.bin"), "w");
    fwrite(v, 4, n, raw);
    fclose(raw);
    peri_err_t err = {0};
    peri_h5file_t *pf = peri_h5file_open(fx_path("whole.h5"), fx_dir, &err);
    assert_non_null(pf);
    static const char *const names[] = {"v", "x", "link", "/soft"};
    for (int i = 0; i < 4; i++) {
        peri_h5set_t *s = fx_set(pf, names[i]);
        assert_int_equal(peri_h5set_layout(s),
                         i < 2 ? PERI_LAYOUT_LIBRARY : PERI_LAYOUT_CONTIGUOUS);
        fx_expect(s, 0, PERI_T_I32, 1, v);
        peri_h5set_unref(s);
    }
    assert_int_equal(peri_h5_kind(pf, "soft"), 'd');
    assert_false(peri_h5_exists(pf, "gone"));
    assert_null(peri_h5set_open(pf, "gone", &err));
    assert_int_equal(err.code, PERI_ENOTFOUND);
    peri_h5file_unref(pf);
    free(v);
}

/* ---- chunk maps ---- */

static void compare_map(const char *file, const char *name, hsize_t nchunks)
{
    peri_err_t err = {0};
    peri_h5file_t *pf = fx_open(file);
    peri_h5set_t *s = fx_set(pf, name);
    assert_int_equal(peri_h5set_nchunks(s), nchunks);
    peri_chunkloc_t *map = calloc(nchunks, sizeof(*map)), loc;
    if (peri_h5set_chunk_map(s, map, &err) != 0) fail_msg("%s", err.text);
    for (hsize_t i = 0; i < nchunks; i += 1 + nchunks / 300) {
        assert_int_equal(peri_h5set_chunk_location(s, i, &loc, &err), 0);
        assert_true(loc.offset == map[i].offset && loc.size == map[i].size &&
                    loc.filter_mask == map[i].filter_mask);
    }
    size_t nf;
    const peri_h5field_t *fl = peri_h5set_fields(s, &nf);
    void *before = fx_read(s, 0, 777);
    assert_int_equal(peri_h5set_use_chunk_map(s, map, nchunks, &err), 0);
    fx_expect(s, 0, fl->type, fl->width, before);
    free(before);
    free(map);
    peri_h5set_unref(s);
    peri_h5file_unref(pf);
}

static void test_chunk_maps(void **state)
{
    (void)state;
    hsize_t n[2] = {60001, 2}, c[2] = {7, 2}, max[2] = {H5S_UNLIMITED, 2}, user = 512;
    int32_t *v = numbers(n[0] * n[1]);
    for (int k = 0; k < 6; k++) { /* old and new formats, with and without a user block */
        hid_t fcpl = H5Pcreate(H5P_FILE_CREATE), fapl = H5Pcreate(H5P_FILE_ACCESS);
        H5Pset_userblock(fcpl, k & 1 ? user : 0);
        if (k & 2) H5Pset_libver_bounds(fapl, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
        hid_t f = H5Fcreate(fx_path("map.h5"), H5F_ACC_TRUNC, fcpl, fapl);
        assert_true(f >= 0);
        n[0] = k < 2 ? 60001 : 3001; /* HDF5 itself is quadratic with the newer indexes */
        for (int j = 0; j < 2; j++) {
            hid_t p = plist(2, c), sp = H5Screate_simple(2, n, j ? max : NULL);
            if (k >= 4) H5Pset_attr_phase_change(p, 0, 0), H5Pset_fletcher32(p);
            if (j) H5Pset_deflate(p, 1);
            hid_t d = H5Dcreate2(f, j ? "b" : "a", H5T_STD_I32LE, sp, H5P_DEFAULT, p,
                                 H5P_DEFAULT);
            /* Attributes push the layout message behind a continuation. */
            hid_t as = H5Screate_simple(1, (hsize_t[]){50}, NULL);
            for (int i = 0; i < 3; i++) {
                char name[8] = {'a', (char)('0' + i)};
                H5Aclose(
                    H5Acreate2(d, name, H5T_STD_I64LE, as, H5P_DEFAULT, H5P_DEFAULT));
            }
            H5Sclose(as);
            H5Dwrite(d, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, v);
            H5Dclose(d), H5Sclose(sp), H5Pclose(p);
        }
        H5Fclose(f), H5Pclose(fcpl), H5Pclose(fapl);
        hsize_t nch = (n[0] + 6) / 7;
        compare_map("map.h5", "a", nch);
        compare_map("map.h5", "b", nch);
        if (k < 2) { /* and the fast way was really taken */
            peri_h5file_t *pf = fx_open("map.h5");
            peri_h5set_t *s = fx_set(pf, "b");
            peri_chunkloc_t *map = calloc(nch, sizeof(*map));
            uint64_t found = 0;
            for (hsize_t i = 0; i < nch; i++) map[i].offset = UINT64_MAX;
            int rc = peri_h5_btree1_map(s, map, nch, &found);
            if (H5_HAVE_BTREE1) {
                assert_int_equal(rc, 0);
                assert_int_equal(found, nch);
            }
            free(map);
            peri_h5set_unref(s);
            peri_h5file_unref(pf);
        }
    }
    free(v);
}

/* ---- threads ---- */

typedef struct {
    peri_h5set_t *set;
    const int32_t *want;
    unsigned seed;
    int bad;
} job_t;

static void *reader(void *arg)
{
    job_t *j = arg;
    peri_err_t err = {0};
    peri_h5cursor_t *c = peri_h5cursor_new(j->set, &err);
    int32_t *out = malloc(ROWS * 4);
    uint64_t r = j->seed % 3 ? 0 : 5000;
    for (int k = 0; k < 300 && !j->bad; k++) {
        uint32_t n = (uint32_t)(rand_r(&j->seed) % 1500);
        if (r + n > ROWS) r = (uint64_t)rand_r(&j->seed) % 8000;
        if (peri_h5cursor_read(c, 0, r, n, out, &err) != 0 ||
            memcmp(out, j->want + r, n * 4) != 0)
            j->bad = 1;
        r += n;
    }
    free(out);
    peri_h5cursor_free(c);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    int32_t *v = numbers(ROWS);
    peri_h5file_t *pf = fx_open("filters.h5");
    static const char *const names[] = {"plain", "all", "so"};
    for (int i = 0; i < 3; i++) {
        peri_h5set_t *s = fx_set(pf, names[i]);
        pthread_t t[4];
        job_t job[4];
        for (unsigned k = 0; k < 4; k++) {
            job[k] = (job_t){.set = s, .want = v, .seed = k + 1};
            assert_int_equal(pthread_create(&t[k], NULL, reader, &job[k]), 0);
        }
        for (int k = 0; k < 4; k++) {
            pthread_join(t[k], NULL);
            assert_int_equal(job[k].bad, 0);
        }
        peri_h5set_unref(s);
    }
    peri_h5file_unref(pf);
    free(v);
}

static void test_unshuffle(void **state)
{
    (void)state;
    for (size_t elem = 1; elem < 35; elem++)
        for (size_t n = 0; n < 70; n++) {
            size_t len = n * elem + n % elem;
            uint8_t *src = malloc(len + 1), *want = malloc(len + 1),
                    *got = malloc(len + 1);
            for (size_t i = 0; i < len; i++) want[i] = (uint8_t)(i * 31 + i / 251);
            for (size_t i = 0; i < n; i++)
                for (size_t g = 0; g < elem; g++) src[g * n + i] = want[i * elem + g];
            /* What is no whole element follows unshuffled (n is what len / elem gives).
             */
            size_t rest = len - n * elem;
            memcpy(src + n * elem, want + n * elem, rest);
            peri_h5_unshuffle(src, got, len, elem);
            assert_memory_equal(got, want, len);
            free(src), free(want), free(got);
        }
}

/* ---- real data ---- */

static void each_set(peri_h5file_t *f, const char *path, int *count);

typedef struct {
    peri_h5file_t *f;
    const char *path;
    int *count;
} visit_t;

static hid_t native(peri_type_t t)
{
    switch (t) {
    case PERI_T_I8:
        return H5T_NATIVE_INT8;
    case PERI_T_I16:
        return H5T_NATIVE_INT16;
    case PERI_T_I32:
        return H5T_NATIVE_INT32;
    case PERI_T_I64:
        return H5T_NATIVE_INT64;
    case PERI_T_U8:
        return H5T_NATIVE_UINT8;
    case PERI_T_U16:
        return H5T_NATIVE_UINT16;
    case PERI_T_U32:
        return H5T_NATIVE_UINT32;
    case PERI_T_U64:
        return H5T_NATIVE_UINT64;
    case PERI_T_F32:
        return H5T_NATIVE_FLOAT;
    case PERI_T_F64:
        return H5T_NATIVE_DOUBLE;
    default:
        return -1;
    }
}

static int visit(const char *name, char kind, void *arg)
{
    visit_t *v = arg;
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", v->path, name);
    if (kind == 'g') each_set(v->f, path, v->count);
    if (kind != 'd') return 0;
    peri_h5set_t *s = fx_set(v->f, path);
    size_t nf;
    const peri_h5field_t *fl = peri_h5set_fields(s, &nf);
    if (nf == 1 && peri_type_is_numeric(fl->type)) {
        void *want = malloc(peri_h5set_rows(s) * fl->width * 8 + 1);
        hid_t d = H5Dopen2(peri_h5file_hid(v->f), path, H5P_DEFAULT);
        assert_true(H5Dread(d, native(fl->type), H5S_ALL, H5S_ALL, H5P_DEFAULT, want) >=
                    0);
        H5Dclose(d);
        fx_expect(s, 0, fl->type, fl->width, want);
        free(want);
        (*v->count)++;
    }
    peri_h5set_unref(s);
    return 0;
}

static void each_set(peri_h5file_t *f, const char *path, int *count)
{
    peri_err_t err = {0};
    visit_t v = {f, path, count};
    assert_int_equal(peri_h5group_each(f, path, visit, &v, &err), 0);
}

static void test_real(void **state)
{
    (void)state;
    const char *env = getenv("PERIGEE_SHARED_DATA");
    char path[1024];
    static const char *const files[] = {
        "gadget4_hcai/fof_subhalo_tab_264.19.hdf5",
        "gadget4_hcai/subhalo_prog_264.19.hdf5",
        "gadget4_hcai/subhalo_treelink_264.19.hdf5",
        "jhtdb/iso1024coarse_5kB_oldlayout.h5",
        "tng100_groupcat/groups_099/fof_subhalo_tab_099.0.hdf5"};
    int count = 0, opened = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s",
                 env ? env : PERIGEE_SOURCE_DIR "/../shared/data", files[i]);
        if (access(path, R_OK) != 0) continue;
        peri_err_t err = {0};
        peri_h5file_t *f = peri_h5file_open(path, NULL, &err);
        if (!f) fail_msg("%s", err.text);
        each_set(f, "", &count);
        peri_h5file_unref(f);
        opened++;
    }
    if (!opened) {
        print_message("skipped: no real data (PERIGEE_SHARED_DATA)\n");
        skip();
    }
    assert_true(count > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),    cmocka_unit_test(test_lzf),
        cmocka_unit_test(test_zfp),        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_fill),       cmocka_unit_test(test_virtual_and_external),
        cmocka_unit_test(test_chunk_maps), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_unshuffle),  cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests_name("h5_layouts", tests, fx_setup, fx_teardown);
}
