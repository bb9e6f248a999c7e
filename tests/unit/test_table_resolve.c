/* test_table_resolve.c - HDF5 files made here become tables: rows, sets of files, gaps,
 * and errors that say what is wrong.
 */
#include "tests/unit/test_resolve_fixture.h"

#include "core/table/describe.h"
#include "core/table/inspect.h"

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
        cmocka_unit_test(wrong_names_and_files),
        cmocka_unit_test(links_out_of_the_root),
        cmocka_unit_test(a_file_is_looked_through),
        cmocka_unit_test(tables_that_come_later),
        cmocka_unit_test(descriptions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
