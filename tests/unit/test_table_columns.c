/* test_table_columns.c - HDF5 files made here become tables: their columns, types,
 * meanings, and what is no column.
 */
#include "tests/unit/test_resolve_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_that_differ),
        cmocka_unit_test(a_column_that_some_files_lack),
        cmocka_unit_test(what_is_no_column_is_left_out),
        cmocka_unit_test(compound_datasets),
        cmocka_unit_test(meanings_come_from_attributes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
