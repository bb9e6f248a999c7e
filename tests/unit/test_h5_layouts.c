/* All layouts give the values that were written, for any size of request; chunk maps
 * agree with HDF5's own answers. */
#include "test_h5_fixture.h"

#include "core/h5/private.h"

enum { ROWS = 10007, CHUNK = 500 };

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
    int32_t *v = fx_numbers(180000);
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
    hid_t f = fx_create("fill.h5"), p = fx_plist(1, &c),
          q = H5Pcreate(H5P_DATASET_CREATE);
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
    int32_t *v = fx_numbers(n);
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
    int32_t *v = fx_numbers(n[0] * n[1]);
    for (int k = 0; k < 6; k++) { /* old and new formats, with and without a user block */
        hid_t fcpl = H5Pcreate(H5P_FILE_CREATE), fapl = H5Pcreate(H5P_FILE_ACCESS);
        H5Pset_userblock(fcpl, k & 1 ? user : 0);
        if (k & 2) H5Pset_libver_bounds(fapl, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
        hid_t f = H5Fcreate(fx_path("map.h5"), H5F_ACC_TRUNC, fcpl, fapl);
        assert_true(f >= 0);
        n[0] = k < 2 ? 60001 : 3001; /* HDF5 itself is quadratic with the newer indexes */
        for (int j = 0; j < 2; j++) {
            hid_t p = fx_plist(2, c), sp = H5Screate_simple(2, n, j ? max : NULL);
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
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_virtual_and_external),
        cmocka_unit_test(test_chunk_maps),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests_name("h5_layouts", tests, fx_setup, fx_teardown);
}
