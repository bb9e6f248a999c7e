/* HDF5 files made in a private folder, and tables resolved of them. */
#ifndef TEST_RESOLVE_FIXTURE_H
#define TEST_RESOLVE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/table/table.h"

static char folder[] = "/tmp/perigee-resolve-XXXXXX";

/* ---- making files ---- */

static hid_t create(const char *name)
{
    char *path = peri_xasprintf("%s/%s", folder, name);
    hid_t f = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(f >= 0);
    free(path);
    return f;
}

static void group(hid_t f, const char *path)
{
    H5Gclose(H5Gcreate2(f, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

/* A dataset of rows x width x ..., without data. */
static void dataset(hid_t f, const char *path, hid_t type, int ndims, hsize_t d0,
                    hsize_t d1, hsize_t d2, hsize_t d3)
{
    const hsize_t dims[] = {d0, d1, d2, d3};
    hid_t space = ndims ? H5Screate_simple(ndims, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t lcpl = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(lcpl, 1);
    hid_t set = H5Dcreate2(f, path, type, space, lcpl, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Dclose(set);
    H5Pclose(lcpl);
    H5Sclose(space);
}

static void column(hid_t f, const char *path, hid_t type, hsize_t rows)
{
    dataset(f, path, type, 1, rows, 0, 0, 0);
}

static void attr_text(hid_t f, const char *path, const char *name, const char *text)
{
    hid_t o = H5Oopen(f, path, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, strlen(text) + 1);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t a = H5Acreate2(o, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(a, type, text);
    H5Aclose(a);
    H5Sclose(space);
    H5Tclose(type);
    H5Oclose(o);
}

static void attr_number(hid_t f, const char *path, const char *name, double v)
{
    hid_t o = H5Oopen(f, path, H5P_DEFAULT), space = H5Screate(H5S_SCALAR);
    hid_t a = H5Acreate2(o, name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(a, H5T_NATIVE_DOUBLE, &v);
    H5Aclose(a);
    H5Sclose(space);
    H5Oclose(o);
}

static int set_up(void **state)
{
    (void)state;
    peri_h5_init(NULL);
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char *cmd = peri_xasprintf("rm -rf %s", folder);
    int rc = system(cmd);
    free(cmd);
    return rc;
}

/* ---- resolving ---- */

static peri_err_t err;

static peri_table_t *resolve(const char *text)
{
    err = (peri_err_t){0};
    return peri_table_resolve_text(text, folder, NULL, false, &err);
}

static peri_table_t *must(const char *text)
{
    peri_table_t *t = resolve(text);
    if (!t) fail_msg("%s: %s", text, err.text);
    return t;
}

static void fails(const char *text, peri_code_t code, const char *part)
{
    peri_table_t *t = resolve(text);
    if (t) fail_msg("%s: should have failed", text);
    if (err.code != code || !strstr(err.text, part))
        fail_msg("%s: code %d, text: %s", text, err.code, err.text);
}

static bool has_note(const peri_table_t *t, const char *part)
{
    for (size_t i = 0; i < t->nnotes; i++)
        if (strstr(t->notes[i], part)) return true;
    return false;
}

#endif
