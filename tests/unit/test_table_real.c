/* test_table_real.c - tables of the real simulation files, with counts found by h5py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/table/dataset.h"
#include "core/table/table.h"

#ifndef PERIGEE_SOURCE_DIR
#define PERIGEE_SOURCE_DIR "."
#endif

static char *data;

static int set_up(void **state)
{
    (void)state;
    peri_h5_init(NULL);
    const char *env = getenv("PERIGEE_SHARED_DATA");
    data =
        env ? peri_xstrdup(env) : peri_xasprintf("%s/../shared/data", PERIGEE_SOURCE_DIR);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(data);
    return 0;
}

static void need_data(void)
{
    struct stat st;
    char *readme = peri_xasprintf("%s/tng100_groupcat", data);
    int rc = stat(readme, &st);
    free(readme);
    if (rc == 0) return;
    print_message("no shared data at %s: skipped\n", data);
    skip();
}

static void counts(void **state)
{
    (void)state;
    need_data();
    static const struct {
        const char *text;
        uint64_t rows;
        size_t files, columns;
        int first_snap, last_snap; /* -1: none */
        bool allow_missing;
    } cases[] = {
        {"tng100_groupcat/groups_099/*.hdf5:/Group", 7, 6, 25, 99, 99, true},
        {"tng100_groupcat/groups_099/*.hdf5:/Subhalo", 16173, 6, 51, 99, 99, true},
        {"gadget4_hcai/fof_subhalo_tab_264.19.hdf5:/Group", 1904, 1, 19, 264, 264, false},
        {"gadget4_hcai/fof_subhalo_tab_264.19.hdf5:/Subhalo", 2131, 1, 19, 264, 264,
         false},
        {"gadget4_hcai/subhalo_prog_264.19.hdf5", 2131, 1, 4, 264, 264, false},
        {"gadget4_run64/groups_023/fof_*.hdf5:/Group", 499, 2, 18, 23, 23, false},
        {"gadget4_run64/groups_*/fof_*.hdf5:/Group", 7547, 48, 18, 0, 23, false},
        {"gadget4_run64/groups_*/fof_*.hdf5:/Subhalo", 8666, 48, 18, 0, 23, false},
        {"gadget4_run64/groups_*/subhalo_desc_*.hdf5", 8072, 46, 4, 0, 22, false},
        {"gadget4_run64/groups_*/subhalo_prog_*.hdf5", 8662, 46, 4, 1, 23, false},
        {"gadget4_run64/groups_*/subhalo_treelink_*.hdf5", 8666, 48, 2, 0, 23, false},
        {"gadget4_run64/treedata/trees.*.hdf5:/TreeTable", 606, 2, 3, -1, -1, false},
        {"gadget4_run64/treedata/trees.*.hdf5:/TreeHalos", 8666, 2, 25, -1, -1, false},
        {"gadget4_run64/treedata/trees.*.hdf5:/TreeTimes", 24, 1, 2, -1, -1, false},
        {"gadget4_run64/snapdir_*/snapshot_*.hdf5", 786432, 6, 6, 5, 23, false},
        {"tng50_4_subbox0/snapdir_2332/*.hdf5:/PartType0", 24789, 10, 22, 2332, 2332,
         true},
        {"tng50_4_subbox0/snapdir_2332/*.hdf5:/PartType1", 26060, 10, 4, 2332, 2332,
         true},
        {"tng50_4_subbox0/snapdir_2332/*.hdf5:/PartType3", 25614, 10, 2, 2332, 2332,
         true},
        {"tng50_4_subbox0/snapdir_2332/*.hdf5:/PartType4", 266, 10, 13, 2332, 2332, true},
        {"tng50_4_subbox0/snapdir_2332/*.hdf5:/PartType5", 9, 10, 20, 2332, 2332, true},
        {"minimillennium/mimic_baseline_model_000.hdf5", 9265, 1, 24, -1, -1, false},
        {"dns64/dns64_t*.h5:/", 64 * 6, 6, 3, -1, -1, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_err_t err = {0};
        peri_table_t *t = peri_table_resolve_text(cases[i].text, data, NULL,
                                                  cases[i].allow_missing, &err);
        if (!t) fail_msg("%s: %s", cases[i].text, err.text);
        if (t->rows != cases[i].rows || t->nfiles != cases[i].files ||
            t->ncolumns != cases[i].columns)
            fail_msg("%s: %llu rows, %zu files, %zu columns", cases[i].text,
                     (unsigned long long)t->rows, t->nfiles, t->ncolumns);
        assert_int_equal(t->has_snapnum, cases[i].first_snap >= 0);
        assert_int_equal(t->files[0].snapnum, cases[i].first_snap);
        assert_int_equal(t->files[t->nfiles - 1].snapnum, cases[i].last_snap);
        for (size_t k = 0; k < t->ncolumns; k++)
            assert_int_equal(t->columns[k].missing_files, 0);
        peri_table_unref(t);
    }
}

static void missing_files_are_named(void **state)
{
    (void)state;
    need_data();
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"tng100_groupcat/groups_099/*.hdf5:/Group",
         "442 of 448 files of tng100_groupcat/groups_099/fof_subhalo_tab_099.*.hdf5 are "
         "missing: 0, 3-35, 37-44, 46-99, 102-447"},
        {"tng50_4_subbox0/snapdir_2332/snap_2332.*.hdf5:/PartType0",
         "1 of 11 files of tng50_4_subbox0/snapdir_2332/snap_2332.*.hdf5 are missing: 7"},
        {"gadget4_hcai/fof_subhalo_tab_264.*.hdf5:/Group", "missing: 0-18"}};
    for (size_t i = 0; i < 3; i++) {
        peri_err_t err = {0};
        assert_null(peri_table_resolve_text(cases[i].text, data, NULL, false, &err));
        assert_int_equal(err.code, PERI_ENOTFOUND);
        if (!strstr(err.text, cases[i].part)) fail_msg("%s", err.text);
    }
}

static void types_units_and_boxes(void **state)
{
    (void)state;
    need_data();
    static const struct {
        const char *text, *column;
        peri_type_t type;
        uint32_t width;
        const char *unit;
        double box;
    } cases[] = {
        {"gadget4_hcai/fof_subhalo_tab_264.19.hdf5:/Subhalo", "SubhaloIDMostbound",
         PERI_T_U64, 1, "", 500},
        {"gadget4_hcai/fof_subhalo_tab_264.19.hdf5:/Group", "GroupPos", PERI_T_F32, 3,
         "cMpc/h", 500},
        {"tng100_groupcat/groups_099/*.hdf5:/Subhalo", "SubhaloFlag", PERI_T_BOOL, 1, "",
         75000},
        {"tng100_groupcat/groups_099/*.hdf5:/Subhalo", "SubhaloMass", PERI_T_F32, 1,
         "1e10 Msun/h", 75000},
        {"tng50_4_subbox0/snapdir_2332/*.hdf5:/PartType0", "Coordinates", PERI_T_F64, 3,
         "ckpc/h", 35000},
        {"tng50_4_subbox0/snapdir_2332/*.hdf5:/PartType0", "StarFormationRate",
         PERI_T_F32, 1, "Msun/yr", 35000},
        {"gadget4_run64/snapdir_023/*.hdf5:/PartType1", "Velocities", PERI_T_F32, 3,
         "km sqrt(a)/s", 50},
        {"gadget4_run64/treedata/trees.*.hdf5:/TreeHalos", "SubhaloPos", PERI_T_F32, 3,
         "cMpc/h", 50},
        {"minimillennium/mimic_baseline_model_000.hdf5", "CentralHaloIndex", PERI_T_I64,
         1, "", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_err_t err = {0};
        peri_table_t *t = peri_table_resolve_text(cases[i].text, data, NULL, true, &err);
        assert_non_null(t);
        const peri_column_t *c = peri_table_column(t, cases[i].column);
        assert_non_null(c);
        assert_int_equal(c->type, cases[i].type);
        assert_int_equal(c->width, cases[i].width);
        assert_string_equal(c->unit, cases[i].unit);
        assert_true(t->box_size == cases[i].box);
        peri_table_unref(t);
    }
}

static void the_mass_of_equal_particles_is_said(void **state)
{
    (void)state;
    need_data();
    peri_err_t err = {0};
    peri_table_t *t = peri_table_resolve_text("gadget4_run64/snapdir_023/*.hdf5", data,
                                              NULL, false, &err);
    assert_non_null(t);
    assert_non_null(strstr(t->description, "4.07516161 1e10 Msun/h"));
    peri_table_unref(t);
}

/* A descriptor over real files, through the whole way. */
static void a_dataset_of_real_files(void **state)
{
    (void)state;
    need_data();
    static const char text[] = "name: run64\n"
                               "sources:\n"
                               "  - format: gadget-groups\n"
                               "    files: groups_*/fof_subhalo_tab_*.hdf5\n"
                               "  - format: gadget4-trees\n"
                               "    files: treedata/trees.*.hdf5\n"
                               "    tables: {treehalos: halos, treetimes: times}\n"
                               "tables:\n"
                               "  particles:\n"
                               "    files: snapdir_*/snapshot_*.hdf5\n"
                               "    path: /PartType1\n"
                               "    columns:\n"
                               "      Coordinates: {parts: [x, y, z]}\n";
    char *base = peri_xasprintf("%s/gadget4_run64", data);
    peri_err_t err = {0};
    peri_dataset_t *d =
        peri_dataset_parse(text, sizeof(text) - 1, "run64.yaml", base, &err);
    if (!d) fail_msg("%s", err.text);
    static const struct {
        const char *table, *name;
        uint64_t rows;
    } want[] = {{"groups", "run64.groups", 7547},
                {"SUBHALOS", "run64.subhalos", 8666},
                {"halos", "run64.halos", 8666},
                {"times", "run64.times", 24},
                {"particles", "run64.particles", 786432}};
    assert_int_equal(d->ntables, 5);
    for (size_t i = 0; i < 5; i++) {
        peri_table_t *t = peri_dataset_table(d, want[i].table, false, &err);
        if (!t) fail_msg("%s", err.text);
        assert_string_equal(t->name, want[i].name);
        assert_int_equal(t->rows, want[i].rows);
        assert_true(t->files[0].name[0] != '/'); /* relative to the root */
        if (i == 4) assert_int_equal(peri_table_column(t, "z")->component, 2);
        peri_table_unref(t);
    }
    assert_null(peri_dataset_table(d, "subhalo", false, &err));
    assert_non_null(strstr(err.text, "did you mean subhalos?"));
    peri_dataset_free(d);
    free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(types_units_and_boxes),
        cmocka_unit_test(the_mass_of_equal_particles_is_said),
        cmocka_unit_test(a_dataset_of_real_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
