/* test_table_resolve.c - HDF5 files made here become tables: columns, rows, types, gaps,
 * overrides, and errors that say what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/table/adapter.h"
#include "core/table/describe.h"
#include "core/table/inspect.h"
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

/* Row numbers start anew with each snapshot, and are unknown behind a gap. */
static void rows_within_a_set(void **state)
{
    (void)state;
    for (int snap = 1; snap <= 2; snap++) {
        for (int k = 0; k < 4; k++) {
            if (snap == 2 && k == 1) continue;
            char name[40];
            snprintf(name, sizeof(name), "within_snap_%03d.%d.hdf5", snap, k);
            hid_t f = create(name);
            group(f, "/G");
            column(f, "/G/ID", H5T_STD_I64LE, 10 * (hsize_t)(k + 1));
            H5Fclose(f);
        }
    }
    peri_table_t *t =
        peri_table_resolve_text("within_snap_*.hdf5:/G", folder, NULL, true, &err);
    assert_non_null(t);
    static const uint64_t want[] = {0, 10, 30, 60, 0, PERI_ROW_UNKNOWN, PERI_ROW_UNKNOWN};
    assert_int_equal(t->nfiles, 7);
    for (size_t i = 0; i < 7; i++) assert_int_equal(t->files[i].set_row0, want[i]);
    peri_table_unref(t);
}

static void a_set_of_files(void **state)
{
    (void)state;
    static const int numbers[] = {10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    for (size_t i = 0; i < 11; i++) {
        char name[40];
        snprintf(name, sizeof(name), "set_a.%d.hdf5", numbers[i]);
        hid_t f = create(name);
        hsize_t rows = numbers[i] == 3 ? 0 : (hsize_t)numbers[i] + 1;
        group(f, "/G");
        if (rows) {
            column(f, "/G/ID", H5T_STD_I64LE, rows);
            dataset(f, "/G/Pos", H5T_IEEE_F32BE, 2, rows, 3, 0, 0);
        }
        H5Fclose(f);
    }
    peri_table_t *t = must("set_a.*.hdf5:/G/");
    assert_int_equal(t->nfiles, 11);
    assert_int_equal(t->rows, 66 - 4);
    assert_string_equal(t->files[9].name, "set_a.9.hdf5");
    assert_string_equal(t->files[10].name, "set_a.10.hdf5");
    assert_int_equal(t->files[3].rows, 0); /* an empty part */
    assert_int_equal(t->files[10].row0, 62 - 11);
    assert_int_equal(t->files[10].set_row0, 62 - 11);
    assert_true(t->files[10].size > 0 && t->files[10].inode && t->files[10].mtime_ns);
    assert_int_equal(t->ncolumns, 2);
    const peri_column_t *pos = peri_table_column(t, "pos");
    assert_non_null(pos);
    assert_int_equal(pos->type, PERI_T_F32);
    assert_int_equal(pos->width, 3);
    assert_int_equal(pos->component, -1);
    assert_int_equal(pos->missing_files, 0);
    assert_string_equal(pos->dataset, "/G/Pos");
    assert_false(t->has_snapnum);
    assert_null(t->files[3].has);
    assert_int_equal(t->nnotes, 0);

    /* On another rank. */
    peri_buf_t b;
    peri_buf_init(&b, 1 << 20);
    assert_int_equal(peri_table_pack(t, &b, &err), 0);
    peri_table_t *u = peri_table_unpack(b.data, b.len, &err);
    assert_non_null(u);
    assert_int_equal(u->rows, t->rows);
    assert_string_equal(u->files[10].path, t->files[10].path);
    peri_buf_free(&b);
    peri_table_unref(u);
    peri_table_unref(t);

    char *gone = peri_xasprintf("%s/set_a.4.hdf5", folder);
    unlink(gone);
    fails("set_a.*.hdf5:/G", PERI_ENOTFOUND, "set_a.4.hdf5");
    assert_non_null(strstr(err.text, "--allow-missing"));
    t = peri_table_resolve_text("set_a.*.hdf5:/G", folder, NULL, true, &err);
    assert_non_null(t);
    assert_int_equal(t->rows, 62 - 5);
    assert_true(has_note(t, "1 of 11 files of set_a.*.hdf5 are missing: 4"));
    peri_table_unref(t);
    t = must("set_a.[0-2].hdf5:/G");
    assert_int_equal(t->rows, 6);
    peri_table_unref(t);
    free(gone);
}

static void the_header_tells_the_size_of_a_set(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        char name[40];
        snprintf(name, sizeof(name), "snap_007.%d.hdf5", i);
        hid_t f = create(name);
        group(f, "/Header");
        attr_number(f, "/Header", "NumFilesPerSnapshot", 3);
        attr_number(f, "/Header", "BoxSize", 25000);
        column(f, "/Tab/x", H5T_IEEE_F64LE, 4);
        column(f, "/Tab/y", H5T_IEEE_F64LE, 4);
        H5Fclose(f);
    }
    fails("snap_*.hdf5:/Tab", PERI_ENOTFOUND,
          "1 of 3 files of snap_007.*.hdf5 are missing: 2");
    peri_table_t *t = must("snap_007.0.hdf5:/Tab"); /* one file, by name: no set */
    assert_true(t->has_snapnum);
    assert_int_equal(t->files[0].snapnum, 7);
    assert_true(t->box_size == 25000);
    peri_table_unref(t);
}

static void types_that_differ(void **state)
{
    (void)state;
    hid_t f = create("wide_1.h5");
    column(f, "/T/i", H5T_STD_I32LE, 2);
    column(f, "/T/u", H5T_STD_U8LE, 2);
    column(f, "/T/r", H5T_IEEE_F64BE, 2);
    H5Fclose(f);
    f = create("wide_2.h5");
    column(f, "/T/i", H5T_STD_I64BE, 3);
    column(f, "/T/u", H5T_STD_U16LE, 3);
    column(f, "/T/r", H5T_IEEE_F32LE, 3);
    H5Fclose(f);
    f = create("wide_3.h5"); /* no rows: its types do not matter */
    column(f, "/T/i", H5T_IEEE_F64LE, 0);
    column(f, "/T/u", H5T_IEEE_F64LE, 0);
    column(f, "/T/r", H5T_IEEE_F64LE, 0);
    H5Fclose(f);
    peri_table_t *t = must("wide_*.h5:/T");
    assert_int_equal(t->rows, 5);
    assert_int_equal(peri_table_column(t, "i")->type, PERI_T_I64);
    assert_int_equal(peri_table_column(t, "u")->type, PERI_T_U16);
    assert_int_equal(peri_table_column(t, "r")->type, PERI_T_F64);
    assert_true(has_note(t, "Column i"));
    peri_table_unref(t);

    static const struct {
        hid_t *type;
        hsize_t width;
        const char *name;
    } bad[] = {{&H5T_STD_U32LE_g, 1, "UINTEGER"},
               {&H5T_IEEE_F32LE_g, 1, "FLOAT"},
               {&H5T_STD_I32LE_g, 3, "INTEGER[3]"}};
    for (size_t i = 0; i < 3; i++) {
        f = create("wide_4.h5");
        dataset(f, "/T/i", *bad[i].type, bad[i].width > 1 ? 2 : 1, 3, bad[i].width, 0, 0);
        H5Fclose(f);
        fails("wide_*.h5:/T", PERI_EFORMAT, "wide_4.h5");
        assert_non_null(strstr(err.text, "wide_2.h5"));
        assert_non_null(strstr(err.text, bad[i].name));
        assert_non_null(strstr(err.text, "BIGINT"));
    }
}

static void a_column_that_some_files_lack(void **state)
{
    (void)state;
    hid_t f = create("lack_1.h5");
    column(f, "/T/a", H5T_STD_I32LE, 2);
    column(f, "/T/b", H5T_STD_I32LE, 2);
    H5Fclose(f);
    f = create("lack_2.h5");
    column(f, "/T/a", H5T_STD_I32LE, 3);
    column(f, "/T/c", H5T_STD_I32LE, 3);
    H5Fclose(f);
    f = create("lack_3.h5");
    group(f, "/Other");
    H5Fclose(f);
    peri_table_t *t = must("lack_*.h5:/T");
    assert_int_equal(t->ncolumns, 3);
    assert_int_equal(t->rows, 5);
    assert_int_equal(peri_table_column(t, "a")->missing_files, 0);
    assert_int_equal(peri_table_column(t, "b")->missing_files, 1);
    assert_int_equal(peri_table_column(t, "c")->missing_files, 1);
    static const uint8_t first[] = {1, 1, 0}, second[] = {1, 0, 1};
    assert_memory_equal(t->files[0].has, first, 3);
    assert_memory_equal(t->files[1].has, second, 3);
    assert_null(t->files[2].has);
    assert_true(has_note(t, "Column b is NULL"));
    assert_true(has_note(t, "1 of 3 files have no /T"));
    peri_table_unref(t);
}

static void what_is_no_column_is_left_out(void **state)
{
    (void)state;
    hid_t f = create("odd.h5");
    column(f, "/T/a", H5T_STD_I32LE, 5);
    column(f, "/T/b", H5T_STD_I32LE, 5);
    column(f, "/T/c", H5T_STD_I32LE, 5);
    column(f, "/T/longer", H5T_STD_I32LE, 6);
    dataset(f, "/T/grid", H5T_IEEE_F32LE, 4, 5, 5, 5, 3);
    dataset(f, "/T/image", H5T_IEEE_F32LE, 3, 5, 100, 100, 0);
    dataset(f, "/T/one", H5T_IEEE_F32LE, 0, 0, 0, 0, 0);
    column(f, "/T/ref", H5T_STD_REF_OBJ, 5);
    group(f, "/T/inner");
    H5Lcreate_soft("/nowhere", f, "/T/broken", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/T/a", f, "/T/soft", H5P_DEFAULT, H5P_DEFAULT);
    column(f, "/Tie/p", H5T_STD_I32LE, 5);
    column(f, "/Tie/q", H5T_STD_I32LE, 6);
    H5Fclose(f);
    peri_table_t *t = must("odd.h5:/T");
    assert_int_equal(t->rows, 5);
    assert_int_equal(t->ncolumns, 4); /* a, b, c and the soft link */
    assert_non_null(peri_table_column(t, "soft"));
    assert_true(has_note(t, "Column longer is left out: it has 6 rows and not 5"));
    assert_true(has_note(t, "Column grid is left out: it is a field"));
    assert_true(has_note(t, "Column image is left out: each row has 10000 values"));
    assert_true(has_note(t, "Column one is left out"));
    assert_true(has_note(t, "Column ref is left out"));
    peri_table_unref(t);
    fails("odd.h5:/Tie", PERI_EINVAL, "p (5 rows), q (6 rows)");
    t = must("odd.h5:/Tie/q"); /* a plain dataset is a table of one column */
    assert_int_equal(t->rows, 6);
    assert_string_equal(t->columns[0].name, "q");
    peri_table_unref(t);
    fails("odd.h5:/T/inner", PERI_ENOTFOUND, "no rows and no columns");
    fails("odd.h5:/T/ref", PERI_EUNSUPP, "ref is left out");
}

static void compound_datasets(void **state)
{
    (void)state;
    hid_t inner = H5Tcreate(H5T_COMPOUND, 12), type = H5Tcreate(H5T_COMPOUND, 40);
    const hsize_t three = 3;
    hid_t vec = H5Tarray_create2(H5T_IEEE_F32LE, 1, &three);
    H5Tinsert(inner, "x", 0, H5T_IEEE_F32LE);
    H5Tinsert(inner, "n", 4, H5T_STD_I64LE);
    H5Tinsert(type, "id", 0, H5T_STD_I64LE);
    H5Tinsert(type, "ID", 8, H5T_STD_I32LE);
    H5Tinsert(type, "pos", 12, vec);
    H5Tinsert(type, "in", 24, inner);
    H5Tinsert(type, "in_x", 36, H5T_IEEE_F32LE);
    hid_t f = create("comp.h5");
    column(f, "/S/Gal", type, 7);
    column(f, "/S/PerTree", H5T_STD_I32LE, 3);
    H5Fclose(f);
    H5Tclose(vec);
    H5Tclose(inner);
    H5Tclose(type);
    peri_table_t *t = must("comp.h5"); /* the only table of more than one column */
    static const char *const names[] = {"id", "ID_2", "pos", "in_x", "in_n", "in_x_2"};
    static const char *const fields[] = {"id", "ID", "pos", "in.x", "in.n", "in_x"};
    assert_int_equal(t->rows, 7);
    assert_int_equal(t->ncolumns, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(t->columns[i].name, names[i]);
        assert_string_equal(t->columns[i].field, fields[i]);
        assert_string_equal(t->columns[i].dataset, "/S/Gal");
    }
    assert_int_equal(t->columns[2].width, 3);
    peri_table_unref(t);

    static const char *const parts[] = {"x", "y", "z"};
    const peri_colspec_t columns[] = {
        {.source = "pos", .parts = parts, .nparts = 3, .unit = "Mpc"},
        {.source = "in.n", .name = "np", .description = "d"}};
    const char *file = "comp.h5";
    const peri_tablespec_t spec = {.name = "d.gal",
                                   .files = &file,
                                   .nfiles = 1,
                                   .base = folder,
                                   .path = "/S/Gal",
                                   .columns = columns,
                                   .ncolumns = 2};
    t = peri_table_resolve(&spec, &err);
    assert_non_null(t);
    assert_string_equal(t->name, "d.gal");
    assert_int_equal(t->ncolumns, 8);
    const peri_column_t *y = peri_table_column(t, "y");
    assert_int_equal(y->component, 1);
    assert_int_equal(y->width, 1);
    assert_string_equal(y->field, "pos");
    assert_string_equal(y->unit, "Mpc");
    assert_string_equal(peri_table_column(t, "np")->description, "d");
    assert_null(peri_table_column(t, "pos"));
    peri_table_unref(t);

    peri_colspec_t wrong = columns[0];
    peri_tablespec_t bad = spec;
    bad.columns = &wrong;
    bad.ncolumns = 1;
    wrong.nparts = 2;
    assert_null(peri_table_resolve(&bad, &err));
    assert_non_null(strstr(err.text, "2 parts of column pos"));
    wrong.source = "poss";
    assert_null(peri_table_resolve(&bad, &err));
    assert_non_null(strstr(err.text, "did you mean pos?"));
}

static void meanings_come_from_attributes(void **state)
{
    (void)state;
    hid_t f = create("units.h5");
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) {
        char path[40];
        snprintf(path, sizeof(path), "/PartType0/%s", names[i]);
        column(f, path, H5T_IEEE_F32LE, 2);
    }
    column(f, "/PartType0/Masses", H5T_IEEE_F32LE, 2);
    column(f, "/PartType0/Unknown", H5T_IEEE_F32LE, 2);
    attr_text(f, "/PartType0/a", "Units", " km/s ");
    attr_text(f, "/PartType0/a", "long_name", "speed");
    attr_text(f, "/PartType0/a", "ucd", "phys.veloc");
    attr_text(f, "/PartType0/b", "Expression for physical CGS units", "a U_L  [ cm ]");
    static const char *const scaling[] = {"a_scaling",        "h_scaling",
                                          "length_scaling",   "mass_scaling",
                                          "velocity_scaling", "to_cgs"};
    const double density[] = {-3, 2, -3, 1, 0, 6.769911e-22},
                 odd[] = {0, 0, 1, -1, 1, 6.4e26}, none[] = {0, 0, 0, 0, 0, 0};
    for (size_t i = 0; i < 6; i++) {
        attr_number(f, "/PartType0/c", scaling[i], density[i]);
        attr_number(f, "/PartType0/d", scaling[i], odd[i]);
        attr_number(f, "/PartType0/e", scaling[i], none[i]);
    }
    group(f, "/Header");
    attr_number(f, "/Header", "UnitLength_in_cm", 3.085678e21);
    attr_number(f, "/Header", "UnitMass_in_g", 1.989e43);
    attr_number(f, "/Header", "UnitVelocity_in_cm_per_s", 1e5);
    H5Fclose(f);
    peri_table_t *t = must("units.h5:/PartType0");
    const peri_column_t *a = peri_table_column(t, "a");
    assert_string_equal(a->unit, "km/s");
    assert_string_equal(a->description, "speed");
    assert_string_equal(a->ucd, "phys.veloc");
    assert_string_equal(peri_table_column(t, "b")->unit, "a U_L  [ cm ]");
    assert_string_equal(peri_table_column(t, "c")->unit, "(1e10 Msun/h)/(ckpc/h)^3");
    assert_string_equal(peri_table_column(t, "d")->unit, "6.4e+26 cgs");
    assert_string_equal(peri_table_column(t, "e")->unit, "");
    assert_string_equal(peri_table_column(t, "Masses")->unit, "1e10 Msun/h");
    assert_string_equal(peri_table_column(t, "Unknown")->unit, "");
    assert_string_equal(t->description, "Gas cells or particles.");
    peri_table_unref(t);
}

static void wrong_names_and_files(void **state)
{
    (void)state;
    hid_t f = create("two.h5");
    column(f, "/Stars/a", H5T_STD_I32LE, 2);
    column(f, "/Stars/b", H5T_STD_I32LE, 2);
    column(f, "/Planets/a", H5T_STD_I32LE, 3);
    column(f, "/Planets/b", H5T_STD_I32LE, 3);
    H5Fclose(f);
    fails("two.h5", PERI_EINVAL, "'two.h5:/Planets', 'two.h5:/Stars'");
    fails("two.h5:/Star", PERI_ENOTFOUND, "did you mean Stars?");
    fails("two.h5:/Stars/deep/er", PERI_ENOTFOUND, "there is no /Stars/deep/er");
    fails("gone.h5:/Stars", PERI_ENOTFOUND, "gone.h5");
    fails("", PERI_EINVAL, "empty");
    f = create("nothing.h5");
    H5Fclose(f);
    fails("nothing.h5", PERI_ENOTFOUND, "no datasets");
    fails("nothing.h5:/", PERI_ENOTFOUND, "no rows and no columns");
    char *path = peri_xasprintf("%s/text.h5", folder);
    FILE *out = fopen(path, "w");
    fputs("this is not HDF5, but long enough to hold a superblock", out);
    fclose(out);
    fails("text.h5:/x", PERI_EFORMAT, "text.h5");
    fails("*.h5:/Stars", PERI_EFORMAT, "text.h5"); /* one bad file among good ones */
    unlink(path);
    free(path);
}

static void links_out_of_the_root(void **state)
{
    (void)state;
    char *sub = peri_xasprintf("%s/inside", folder), root[4096];
    assert_int_equal(peri_mkdirs(sub, &err), 0);
    assert_non_null(realpath(sub, root));
    hid_t f = create("secret.h5");
    column(f, "/T/a", H5T_STD_I32LE, 2);
    H5Fclose(f);
    f = create("inside/link.h5");
    column(f, "/T/a", H5T_STD_I32LE, 2);
    H5Lcreate_external("../secret.h5", "/T/a", f, "/T/out", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(f);
    assert_null(peri_table_resolve_text("inside/link.h5:/T", folder, root, false, &err));
    assert_int_equal(err.code, PERI_EDENIED);
    assert_null(peri_table_resolve_text("secret.h5:/T", folder, root, false, &err));
    assert_int_equal(err.code, PERI_EDENIED);
    peri_table_t *t = must("inside/link.h5:/T"); /* no root: allowed */
    assert_int_equal(t->ncolumns, 2);
    peri_table_unref(t);
    free(sub);
}

static void a_file_is_looked_through(void **state)
{
    (void)state;
    hid_t f = create("walk.h5");
    column(f, "/a/b/c/x", H5T_STD_I32LE, 9);
    column(f, "/a/b/c/y", H5T_STD_I32LE, 9);
    dataset(f, "/field", H5T_IEEE_F32LE, 4, 8, 8, 8, 3);
    column(f, "/1/2/3/4/5/6/7/8/deep", H5T_STD_I32LE, 9);
    H5Lcreate_hard(f, "/a", f, "/a/b/loop", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(f);
    peri_arena_t *arena = peri_arena_new();
    peri_found_list_t found;
    assert_int_equal(peri_inspect_pattern("walk.h5", folder, NULL, arena, &found, &err),
                     0);
    assert_null(found.format);
    assert_true(found.ntables >= 1);
    assert_string_equal(found.tables[0].path, "/a/b/c");
    assert_int_equal(found.tables[0].rows, 9);
    assert_int_equal(found.tables[0].ncolumns, 2);
    assert_int_equal(found.nothers, 1);
    assert_non_null(strstr(found.others[0], "/field"));
    assert_true(found.more);
    peri_arena_free(arena);
}

/* What only a late snapshot has is a table all the same; what none has is not. */
static void tables_that_come_later(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        char name[40];
        snprintf(name, sizeof(name), "late/snap_%03d.hdf5", i);
        char *late = peri_xasprintf("%s/late", folder);
        assert_int_equal(peri_mkdirs(late, &err), 0);
        free(late);
        hid_t f = create(name);
        group(f, "/Header");
        column(f, "/PartType1/ParticleIDs", H5T_STD_U64LE, 3);
        if (i == 1) column(f, "/PartType4/ParticleIDs", H5T_STD_U64LE, 2);
        H5Fclose(f);
    }
    const char *files = "late/snap_*.hdf5";
    peri_tablespec_t spec = {.name = "t",
                             .files = &files,
                             .nfiles = 1,
                             .base = folder,
                             .path = "/PartType4",
                             .adapter = "gadget-snapshot"};
    assert_true(peri_adapter_is_present(&spec));
    spec.path = "/PartType5";
    assert_false(peri_adapter_is_present(&spec));
    peri_table_t *t = must("late/snap_*.hdf5:/PartType4");
    assert_int_equal(t->rows, 2);
    assert_int_equal(t->nfiles, 2);
    assert_int_equal(t->nnotes, 0);
    peri_table_unref(t);
    fails("late/snap_*.hdf5", PERI_EINVAL, "'late/snap_*.hdf5:/PartType4'");
}

static void descriptions(void **state)
{
    (void)state;
    hid_t f = create("desc.h5");
    column(f, "/T/a", H5T_STD_I32LE, 1000);
    dataset(f, "/T/b\033[2J", H5T_IEEE_F64LE, 2, 1000, 3, 0, 0);
    attr_text(f, "/T/a", "unit", "s");
    H5Fclose(f);
    peri_table_t *t = must("desc.h5:/T");
    peri_buf_t text;
    peri_buf_init(&text, 1 << 20);
    assert_int_equal(peri_describe_text(t, &text, &err), 0);
    assert_non_null(strstr(text.data, "1,000 rows, 2 columns, 1 file"));
    assert_non_null(strstr(text.data, "DOUBLE[3]"));
    assert_null(strchr(text.data, '\033')); /* a name must not drive the terminal */
    json_t *j = peri_describe_json(t);
    assert_int_equal(json_integer_value(json_object_get(j, "rows")), 1000);
    json_t *first = json_array_get(json_object_get(j, "columns"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "unit")), "s");
    assert_string_equal(json_string_value(json_object_get(first, "layout")),
                        "contiguous");
    json_decref(j);
    peri_buf_free(&text);
    peri_table_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_of_files),
        cmocka_unit_test(rows_within_a_set),
        cmocka_unit_test(the_header_tells_the_size_of_a_set),
        cmocka_unit_test(types_that_differ),
        cmocka_unit_test(a_column_that_some_files_lack),
        cmocka_unit_test(what_is_no_column_is_left_out),
        cmocka_unit_test(compound_datasets),
        cmocka_unit_test(meanings_come_from_attributes),
        cmocka_unit_test(wrong_names_and_files),
        cmocka_unit_test(links_out_of_the_root),
        cmocka_unit_test(a_file_is_looked_through),
        cmocka_unit_test(tables_that_come_later),
        cmocka_unit_test(descriptions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
