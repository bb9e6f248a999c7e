/* test_table_names.c - what file names tell, patterns, order and gaps of numbered sets.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/table/fileset.h"

static void snapshot_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int number, snapnum;
    } cases[] = {
        {"/d/snap_099.7.hdf5", 7, 99},
        {"/d/snapshot_023.0.hdf5", 0, 23},
        {"/d/groups_099/fof_subhalo_tab_099.12.hdf5", 12, 99},
        {"/d/snapdir_014/part.3.hdf5", 3, 14},
        {"/d/snap_subbox0_2332.0.hdf5", 0, 2332},
        {"/d/subhalo_treelink_007.1.hdf5", 1, 7},
        {"/d/TNG50_snapshot_001.hdf5", -1, 1},
        {"/d/snap_010.h5", -1, 10},
        {"/d/trees.0.hdf5", 0, -1},
        {"/d/arepo_like_single_file_z0.000.hdf5", 0, -1},
        {"/d/halos_z0.hdf5", -1, -1},
        {"/d/model_000.hdf5", -1, -1},
        {"/d/mysnap_5.hdf5", -1, -1},
        {"/d/run64/x.hdf5", -1, -1},
        {"/d/snap_99999999999999999999.hdf5", -1, -1},
        {"/d/snap_1.99999999999999999999.hdf5", -1, -1},
        {"/d/.0.hdf5", -1, -1},
        {"/d/.hdf5", -1, -1},
        {"snap_1.2.hdf5", 2, 1},
        {"", -1, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_nameparts_t p = peri_nameparts(cases[i].path);
        if (p.number != cases[i].number || p.snapnum != cases[i].snapnum)
            fail_msg("%s: number %d, snapnum %d", cases[i].path, (int)p.number,
                     p.snapnum);
    }
    peri_nameparts_t p = peri_nameparts("/d/snap_099.17.hdf5");
    assert_int_equal(p.stem, strlen("/d/snap_099"));
    assert_int_equal(p.suffix, strlen("/d/snap_099.17"));
}

static void natural_order(void **state)
{
    (void)state;
    assert_true(peri_natural_compare("a.9", "a.10") < 0);
    assert_true(peri_natural_compare("a.10", "a.9") > 0);
    assert_true(peri_natural_compare("a", "b") < 0);
    assert_true(peri_natural_compare("a1", "a1b") < 0);
    assert_true(peri_natural_compare("x12y3", "x12y3") == 0);
    assert_true(peri_natural_compare("a.1", "a.01") != 0);
    assert_true(peri_natural_compare("a.01", "a.2") < 0);
}

static void expect_braces(const char *pattern, size_t n, const char *const *want)
{
    peri_arena_t *arena = peri_arena_new();
    const char *const *got;
    size_t ngot;
    peri_err_t err = {0};
    assert_int_equal(peri_braces_expand(pattern, arena, &got, &ngot, &err), 0);
    assert_int_equal(ngot, n);
    for (size_t i = 0; i < n; i++) assert_string_equal(got[i], want[i]);
    peri_arena_free(arena);
}

static void braces(void **state)
{
    (void)state;
    expect_braces("a", 1, (const char *[]){"a"});
    expect_braces("{a,b}c{d,e}", 4, (const char *[]){"acd", "ace", "bcd", "bce"});
    expect_braces("x{a,{b,c}d}", 3, (const char *[]){"xa", "xbd", "xcd"});
    expect_braces("x{,1}", 2, (const char *[]){"x", "x1"});
    expect_braces("x{a", 1, (const char *[]){"x{a"});
    expect_braces("x\\{a,b}", 1, (const char *[]){"x\\{a,b}"});
    peri_arena_t *arena = peri_arena_new();
    const char *const *got;
    size_t n;
    peri_err_t err = {0};
    char bomb[64 * 5 + 1] = "";
    for (int i = 0; i < 40; i++) strcat(bomb, "{a,b}");
    assert_int_equal(peri_braces_expand(bomb, arena, &got, &n, &err), -1);
    assert_int_equal(err.code, PERI_ELIMIT);
    peri_arena_free(arena);
}

/* ---- with files ---- */

static char folder[] = "/tmp/perigee-names-XXXXXX";

static void touch(const char *name)
{
    char *path = peri_xasprintf("%s/%s", folder, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    free(path);
}

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    char *sub = peri_xasprintf("%s/groups_002", folder);
    mkdir(sub, 0700);
    free(sub);
    touch("snap_001.0.hdf5");
    touch("snap_001.1.hdf5");
    touch("snap_001.2.hdf5");
    touch("snap_001.9.hdf5");
    touch("snap_001.10.hdf5");
    touch("snap_000.0.hdf5");
    touch("snap_000.1.hdf5");
    touch("groups_002/tab.0.hdf5");
    touch("odd[1].hdf5");
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    char *cmd = peri_xasprintf("rm -rf %s", folder);
    int rc = system(cmd);
    free(cmd);
    return rc;
}

static int find(const char *pattern, const char *root, peri_arena_t *arena,
                peri_fileset_t *out, peri_err_t *err)
{
    const peri_tablespec_t spec = {
        .name = "t", .files = &pattern, .nfiles = 1, .base = folder, .root = root};
    *err = (peri_err_t){0};
    return peri_fileset_find(&spec, arena, out, err);
}

static void order_is_snapshot_then_number(void **state)
{
    (void)state;
    peri_arena_t *arena = peri_arena_new();
    peri_fileset_t set;
    peri_err_t err;
    const char *patterns[] = {"snap_*.hdf5", "./snap_001.1*.hdf5"};
    const peri_tablespec_t spec = {
        .name = "t", .files = patterns, .nfiles = 2, .base = folder};
    assert_int_equal(peri_fileset_find(&spec, arena, &set, &err), 0);
    static const char *const want[] = {
        "snap_000.0.hdf5", "snap_000.1.hdf5", "snap_001.0.hdf5", "snap_001.1.hdf5",
        "snap_001.2.hdf5", "snap_001.9.hdf5", "snap_001.10.hdf5"};
    assert_int_equal(set.nfiles, 7); /* none twice */
    for (size_t i = 0; i < 7; i++) assert_string_equal(set.files[i].name, want[i]);
    peri_arena_free(arena);
}

static void gaps(const char *pattern, int64_t expected, size_t want,
                 const char *want_text)
{
    peri_arena_t *arena = peri_arena_new();
    peri_fileset_t set;
    peri_err_t err;
    assert_int_equal(find(pattern, NULL, arena, &set, &err), 0);
    size_t missing;
    const char *text = "", *example;
    peri_fileset_gaps(&set, 0, expected, arena, &missing, &text, &example);
    assert_int_equal(missing, want);
    if (want) assert_string_equal(text, want_text);
    peri_arena_free(arena);
}

static void gaps_are_those_asked_for(void **state)
{
    (void)state;
    gaps("snap_001.*.hdf5", 0, 6, "6 of 11 files of snap_001.*.hdf5 are missing: 3-8");
    gaps("snap_001.*.hdf5", 16, 11,
         "11 of 16 files of snap_001.*.hdf5 are missing: 3-8, 11-15");
    gaps("*_001*", 12, 7, "7 of 12 files of snap_001.*.hdf5 are missing: 3-8, 11");
    gaps("snap_001.[0-2].hdf5", 448, 0, NULL);
    gaps("snap_001.{0,1,9}.hdf5", 448, 0, NULL);
    gaps("snap_001.[0-4].hdf5", 448, 2,
         "2 of 448 files of snap_001.*.hdf5 are missing: 3, 4");
    gaps("snap_001.9.hdf5", 448, 0, NULL);
    gaps("snap_000.*.hdf5", 2, 0, NULL);
    gaps("snap_000.*.hdf5", INT64_MAX, 0, NULL);
    gaps("snap_000.*.hdf5", -3, 0, NULL);
}

static void errors_are_clear(void **state)
{
    (void)state;
    peri_arena_t *arena = peri_arena_new();
    peri_fileset_t set;
    peri_err_t err;
    assert_int_equal(find("nope_*.hdf5", NULL, arena, &set, &err), -1);
    assert_int_equal(err.code, PERI_ENOTFOUND);
    assert_non_null(strstr(err.text, "nope_*.hdf5"));
    assert_int_equal(find("gone/nope_*.hdf5", NULL, arena, &set, &err), -1);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(find("groups_002", NULL, arena, &set, &err), -1);
    assert_int_equal(err.code, PERI_EINVAL);
    assert_int_equal(find("", NULL, arena, &set, &err), -1);
    /* A name that looks like a pattern but is a file. */
    assert_int_equal(find("odd[1].hdf5", NULL, arena, &set, &err), 0);
    assert_int_equal(set.nfiles, 1);
    peri_arena_free(arena);
}

static void nothing_outside_of_the_root(void **state)
{
    (void)state;
    char root[4096], *sub = peri_xasprintf("%s/groups_002", folder);
    assert_non_null(realpath(sub, root));
    peri_arena_t *arena = peri_arena_new();
    peri_fileset_t set;
    peri_err_t err;
    static const char *const outside[] = {"snap_000.0.hdf5",
                                          "*.hdf5",
                                          "/etc/pass*",
                                          "groups_002/../snap_000.0.hdf5",
                                          "groups_00?/../snap_000.0.hdf5",
                                          "/nowhere/x.hdf5"};
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
        assert_int_equal(find(outside[i], root, arena, &set, &err), -1);
        assert_int_equal(err.code, PERI_EDENIED);
    }
    assert_int_equal(find("groups_002/*.hdf5", root, arena, &set, &err), 0);
    assert_string_equal(set.files[0].name, "tab.0.hdf5");
    assert_int_equal(set.files[0].parts.snapnum, 2);
    peri_arena_free(arena);
    free(sub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_numbers),
        cmocka_unit_test(natural_order),
        cmocka_unit_test(braces),
        cmocka_unit_test(order_is_snapshot_then_number),
        cmocka_unit_test(gaps_are_those_asked_for),
        cmocka_unit_test(errors_are_clear),
        cmocka_unit_test(nothing_outside_of_the_root),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
