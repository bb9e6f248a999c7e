/* All filters give the values that were written, for any size of request, also from many
 * threads. */
#include "test_h5_fixture.h"

#include <pthread.h>

#include "core/h5/private.h"

enum { ROWS = 10007, CHUNK = 500 };

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
    int32_t *v = fx_numbers(n);
    hid_t f = fx_create("filters.h5");
    int made[NPIPES] = {0};
    for (int i = 0; i < NPIPES; i++) {
        hid_t p = fx_plist(1, &c);
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
    int32_t *v = fx_numbers(4000), part[1000];
    uint8_t *packed = malloc(8000);
    /* HDF5 makes datasets only with filters that claim to encode. */
    H5Z_class2_t writer = {H5Z_CLASS_T_VERS, 32000, 1, 1, "lzf", NULL, NULL, refuse};
    assert_true(H5Zunregister(32000) >= 0 && H5Zregister(&writer) >= 0);
    hid_t f = fx_create("lzf.h5");
    for (int k = 0; k < 2; k++) {
        c[1] = k ? 1 : 2;
        unsigned size = (unsigned)(c[0] * c[1] * 4);
        hid_t p = fx_plist(2, c), sp = H5Screate_simple(2, n, NULL);
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
    hid_t f = fx_create("zfp.h5"), p = fx_plist(1, &c);
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
    int32_t *v = fx_numbers(ROWS);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),   cmocka_unit_test(test_lzf),
        cmocka_unit_test(test_zfp),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_unshuffle),
    };
    return cmocka_run_group_tests_name("h5_filters", tests, fx_setup, fx_teardown);
}
