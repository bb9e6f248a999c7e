/* test_h5_fixture.h - making HDF5 files with the C API, and reading them back with ours.
 */
#ifndef TEST_H5_FIXTURE_H
#define TEST_H5_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/h5/h5.h"

static char fx_dir[256];

static inline const char *fx_path(const char *name)
{
    static char path[4][512];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, 512, "%s/%s", fx_dir, name);
    return p;
}

static int fx_setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    char name[200];
    snprintf(name, sizeof(name), "%s/perigee-h5-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(name));
    assert_non_null(realpath(name, fx_dir));
    setenv("HDF5_PLUGIN_PATH", "/nowhere", 1); /* must not matter */
    peri_h5_init(NULL);
    return 0;
}

static int fx_teardown(void **state)
{
    (void)state;
    char cmd[512];
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", fx_dir);
    return system(cmd) == 0 ? 0 : -1;
}

static inline hid_t fx_create(const char *name)
{
    hid_t f = H5Fcreate(fx_path(name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(f >= 0);
    return f;
}

/* Write a dataset of file type `type` from memory of type `mem`; dcpl may be H5P_DEFAULT.
 */
static inline void fx_write(hid_t f, const char *name, hid_t type, int rank,
                            const hsize_t *dims, hid_t dcpl, hid_t mem, const void *data)
{
    hid_t sp = rank ? H5Screate_simple(rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t d = H5Dcreate2(f, name, type, sp, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    assert_true(d >= 0);
    if (data) assert_true(H5Dwrite(d, mem, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(d);
    H5Sclose(sp);
}

static inline peri_h5file_t *fx_open(const char *name)
{
    peri_err_t err = {0};
    peri_h5file_t *f = peri_h5file_open(fx_path(name), NULL, &err);
    if (!f) fail_msg("%s", err.text);
    return f;
}

static inline peri_h5set_t *fx_set(peri_h5file_t *f, const char *name)
{
    peri_err_t err = {0};
    peri_h5set_t *s = peri_h5set_open(f, name, &err);
    if (!s) fail_msg("%s", err.text);
    return s;
}

static inline size_t fx_field(const peri_h5set_t *s, const char *name)
{
    size_t n;
    const peri_h5field_t *fl = peri_h5set_fields(s, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(fl[i].name, name) == 0) return i;
    fail_msg("no field '%s'", name);
    return 0;
}

/* Read all rows of a field in requests of `step` rows; the caller frees. Not for strings.
 */
static inline void *fx_read(peri_h5set_t *s, size_t field, uint32_t step)
{
    peri_err_t err = {0};
    size_t nf;
    const peri_h5field_t *fl = &peri_h5set_fields(s, &nf)[field];
    size_t row = fl->width * peri_type_size(fl->type);
    uint64_t rows = peri_h5set_rows(s);
    char *out = malloc(rows * row + 1);
    peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
    assert_non_null(c);
    for (uint64_t r = 0; r < rows; r += step) {
        uint32_t n = rows - r < step ? (uint32_t)(rows - r) : step;
        if (peri_h5cursor_read(c, field, r, n, out + r * row, &err) != 0)
            fail_msg("%s", err.text);
    }
    peri_h5cursor_free(c);
    return out;
}

/* All of a field equals `want`, whatever the size of the requests. */
static inline void fx_expect(peri_h5set_t *s, size_t field, peri_type_t type,
                             uint32_t width, const void *want)
{
    size_t nf;
    const peri_h5field_t *fl = &peri_h5set_fields(s, &nf)[field];
    assert_int_equal(fl->type, type);
    assert_int_equal(fl->width, width);
    uint64_t rows = peri_h5set_rows(s);
    static const uint32_t steps[] = {1, 7, 97, 2048, UINT32_MAX};
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (steps[i] == 1 && rows > 3000) continue;
        void *got = fx_read(s, field, steps[i]);
        size_t bytes = rows * width * peri_type_size(type);
        if (bytes > 0 && memcmp(got, want, bytes) != 0)
            fail_msg("other values with requests of %u rows (stored as %s)", steps[i],
                     fl->stored_as);
        free(got);
    }
}

/* Row `row` of a text field, with the length. */
static inline void fx_expect_text(peri_h5set_t *s, size_t field, uint64_t row,
                                  const char *want, size_t len)
{
    peri_err_t err = {0};
    peri_str_t v;
    peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
    assert_non_null(c);
    if (peri_h5cursor_read(c, field, row, 1, &v, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(v.len, len);
    assert_memory_equal(v.ptr, want, len);
    peri_h5cursor_free(c);
}

static inline int32_t *fx_numbers(size_t n)
{
    int32_t *v = malloc(n * 4);
    for (size_t i = 0; i < n; i++) v[i] = (int32_t)(i / 3 * 7919 % 100003);
    return v;
}

static inline hid_t fx_plist(int rank, const hsize_t *chunk)
{
    hid_t p = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(p, rank, chunk) >= 0);
    return p;
}

#endif
