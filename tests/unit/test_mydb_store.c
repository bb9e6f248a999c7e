/* Tables of a schema's folder: environment, names, changes, quota, hostile content. */
#include "tests/unit/test_mydb_fixture.h"

/* ---- the environment ---- */

static peri_schemas_t *parse(const char *json, peri_err_t *err)
{
    memset(err, 0, sizeof(*err));
    return peri_schemas_parse(json, strlen(json), err);
}

static void reads_schemas(void **state)
{
    (void)state;
    peri_err_t err;
    peri_schemas_t *s = parse(
        "[{\"name\":\"mydb\",\"folder\":\"/a\",\"write\":true,\"owner\":\"ana/p\","
        "\"left\":-5,\"quota\":10,\"new\":[1]},"
        "{\"name\":\"cosmo\",\"folder\":\"/b\",\"owner\":\"team:cosmo/files\"},"
        "{\"name\":\"team:cosmo\",\"folder\":\"/b\",\"owner\":\"team:cosmo/files\"},"
        "{\"name\":\"cosmo\",\"folder\":\"/c\",\"left\":null}]",
        &err);
    assert_non_null(s);
    assert_int_equal(peri_schemas_count(s), 4);
    const peri_schema_t *a = peri_schemas_at(s, 0), *b = peri_schemas_find(s, "COSMO");
    assert_true(a->write && !b->write);
    assert_int_equal(a->left, 0); /* over the quota: nothing is left */
    assert_int_equal(a->quota, 10);
    assert_int_equal(b->left, -1);
    assert_string_equal(b->folder, "/b"); /* the first counts */
    assert_string_equal(peri_schemas_at(s, 3)->owner, "");
    /* One volume's bytes are spent once, by whatever name. */
    assert_ptr_equal(b->spent, peri_schemas_find(s, "team:cosmo")->spent);
    assert_ptr_not_equal(a->spent, b->spent);
    assert_null(peri_schemas_find(s, "nobody"));
    assert_null(peri_schemas_at(s, 4));
    peri_schemas_free(s);
}

static void refuses_schemas(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "[{}]",
        "[{\"name\":\"x\"}]",
        "[{\"name\":\"x\",\"folder\":\"relative\"}]",
        "[{\"name\":\"\",\"folder\":\"/a\"}]",
        "[{\"name\":\"a/b\",\"folder\":\"/a\"}]",
        "[{\"name\":\"a\\\"b\",\"folder\":\"/a\"}]",
        "[{\"name\":\"a\\n\",\"folder\":\"/a\"}]",
        "[{\"name\":\"x\",\"folder\":\"/a\",\"write\":1}]",
        "[{\"name\":\"x\",\"folder\":\"/a\",\"left\":\"1\"}]",
        "[{\"name\":\"x\",\"folder\":\"/a\",\"left\":1.5}]",
        "[{\"name\":\"x\",\"name\":\"y\",\"folder\":\"/a\"}]",
        "[{\"name\":\"x\",\"folder\":\"/a\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        peri_err_t err;
        if (parse(bad[i], &err)) fail_msg("taken: %s", bad[i]);
        db_says(&err, PERI_EINVAL, "PERIGEE_SCHEMAS");
    }
}

static void finds_own_folder(void **state)
{
    (void)state;
    static const struct {
        const char *mydb, *data, *home, *is;
    } cases[] = {{"/x/y", "/data", "/home/a", "/x/y"},
                 {"", "/data", "/home/a", "/data/perigee/mydb"},
                 {"", "relative", "/home/a", "/home/a/.local/share/perigee/mydb"},
                 {"", "", "/home/a", "/home/a/.local/share/perigee/mydb"}};
    unsetenv("PERIGEE_SCHEMAS");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        peri_err_t err = {0};
        setenv("PERIGEE_MYDB", cases[i].mydb, 1);
        setenv("XDG_DATA_HOME", cases[i].data, 1);
        setenv("HOME", cases[i].home, 1);
        peri_schemas_t *s = peri_schemas_new(&err);
        assert_non_null(s);
        assert_int_equal(peri_schemas_count(s), 1);
        const peri_schema_t *own = peri_schemas_find(s, "mydb");
        assert_string_equal(own->folder, cases[i].is);
        assert_true(own->write && own->left < 0);
        peri_schemas_free(s);
    }
}

/* ---- names ---- */

static void checks_names(void **state)
{
    (void)state;
    char out[PERI_MYDB_NAME], longest[66];
    peri_err_t err = {0};
    memset(longest, 'a', 65);
    longest[65] = 0;
    assert_int_equal(peri_mydb_name(longest, out, &err), -1);
    db_says(&err, PERI_EINVAL, "at most 64");
    longest[64] = 0;
    assert_int_equal(peri_mydb_name(longest, out, &err), 0);
    assert_int_equal(peri_mydb_name("My_Stars2", out, &err), 0);
    assert_string_equal(out, "my_stars2");
    static const char *const bad[] = {"",   "1a",  "a.b",         "a/b",
                                      "..", "a b", "st\xc3\xa4r", "a-b",
                                      ".a", "a\n", "a;",          "\x80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (peri_mydb_name(bad[i], out, &err) == 0) fail_msg("taken: %s", bad[i]);
}

/* ---- changes ---- */

static void makes_and_replaces(void **state)
{
    (void)state;
    peri_err_t err;
    peri_schema_t s = db_schema(db_folder());
    db_must_put(&s, "Stars", "one");
    db_is(&s, "stars", "one");
    db_must_put(&s, "stars", "two");
    db_is(&s, "stars", "two");
    assert_int_equal(db_put(&s, "stars", PERI_MYDB_MUST_BE_NEW, "three", &err), -1);
    db_says(&err, PERI_ECONFLICT, "a table mydb.stars already");
    assert_int_equal(db_put(&s, "star", PERI_MYDB_MUST_EXIST, "x", &err), -1);
    db_says(&err, PERI_ENOTFOUND, "did you mean mydb.stars?");
    assert_int_equal(db_put(&s, "stars", PERI_MYDB_IS_VIEW, "SELECT 1", &err), -1);
    db_says(&err, PERI_ECONFLICT, "is a table, not a view");
    assert_int_equal(db_put(&s, "v", PERI_MYDB_IS_VIEW, "SELECT 1", &err), 0);
    assert_int_equal(db_put(&s, "v", 0, "x", &err), -1);
    db_says(&err, PERI_ECONFLICT, "is a view, not a table");
    db_is(&s, "stars", "two");
    assert_int_equal(db_count(&s, ".new-"), 0);
    assert_int_equal(peri_mydb_kind(&s, "v"), PERI_MYDB_VIEW);
    char *sql;
    assert_int_equal(peri_mydb_view_text(&s, "v", &sql, &err), 0);
    assert_string_equal(sql, "SELECT 1");
    free(sql);
}

static void leaves_all_without_commit(void **state)
{
    (void)state;
    peri_err_t err = {0};
    char beside[600];
    peri_schema_t s = db_schema(db_folder());
    db_must_put(&s, "t", "old");
    peri_mydbchange_t *c = peri_mydbchange_new(&s, "t", 0, &err);
    assert_non_null(c);
    assert_true(peri_mydbchange_replaces(c));
    db_write(peri_mydbchange_path(c), "new");
    /* As core/out does while it writes. */
    const char *path = peri_mydbchange_path(c), *name = strrchr(path, '/') + 1;
    snprintf(beside, sizeof(beside), "%s/.%s.perigee-1-2.tmp", s.folder, name);
    db_write(beside, "half");
    peri_mydbchange_free(c);
    db_is(&s, "t", "old");
    assert_int_equal(db_count(&s, ".new-"), 0);
    /* Nothing was written at all. */
    c = peri_mydbchange_new(&s, "t", 0, &err);
    assert_int_equal(peri_mydbchange_commit(c, &err), -1);
    peri_mydbchange_free(c);
    db_is(&s, "t", "old");
}

static void needs_the_right(void **state)
{
    (void)state;
    peri_err_t err;
    peri_schema_t s = db_schema(db_folder());
    db_must_put(&s, "t", "old");
    s.write = false;
    assert_int_equal(db_put(&s, "t", 0, "new", &err), -1);
    db_says(&err, PERI_EDENIED, "read only");
    assert_int_equal(peri_mydb_drop(&s, "t", PERI_MYDB_NONE, true, &err), -1);
    db_says(&err, PERI_EDENIED, "read only");
    assert_int_equal(peri_mydb_rename(&s, "t", "u", &err), -1);
    db_is(&s, "t", "old");
    /* No folder is made for who only looks. */
    peri_schema_t none = db_schema(db_folder());
    assert_int_equal(peri_mydb_kind(&none, "t"), PERI_MYDB_NONE);
    assert_int_equal(peri_mydb_drop(&none, "t", PERI_MYDB_NONE, true, &err), 0);
    assert_int_equal(access(none.folder, F_OK), -1);
}

static void drops_and_renames(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_schema_t s = db_schema(db_folder());
    db_must_put(&s, "a", "one");
    db_must_put(&s, "b", "two");
    assert_int_equal(db_put(&s, "v", PERI_MYDB_IS_VIEW, "SELECT 1", &err), 0);
    assert_int_equal(peri_mydb_rename(&s, "a", "b", &err), -1);
    db_says(&err, PERI_ECONFLICT, "a table mydb.b already");
    assert_int_equal(peri_mydb_rename(&s, "a", "V", &err), -1);
    db_says(&err, PERI_ECONFLICT, "a view mydb.v already");
    assert_int_equal(peri_mydb_rename(&s, "a", "A", &err), -1);
    db_says(&err, PERI_EINVAL, "called so already");
    assert_int_equal(peri_mydb_rename(&s, "a", "c/d", &err), -1);
    assert_int_equal(peri_mydb_rename(&s, "zzzzz", "c", &err), -1);
    db_says(&err, PERI_ENOTFOUND, "there is no table \"zzzzz\"");
    assert_int_equal(peri_mydb_rename(&s, "A", "C", &err), 0);
    db_is(&s, "c", "one");
    assert_int_equal(peri_mydb_rename(&s, "v", "w", &err), 0);
    assert_int_equal(peri_mydb_kind(&s, "w"), PERI_MYDB_VIEW);
    assert_int_equal(peri_mydb_drop(&s, "w", PERI_MYDB_TABLE, true, &err), -1);
    db_says(&err, PERI_ECONFLICT, "is a view, not a table");
    assert_int_equal(peri_mydb_drop(&s, "w", PERI_MYDB_VIEW, false, &err), 0);
    assert_int_equal(peri_mydb_drop(&s, "w", PERI_MYDB_VIEW, false, &err), -1);
    db_says(&err, PERI_ENOTFOUND, "no table \"w\"");
    assert_int_equal(peri_mydb_drop(&s, "w", PERI_MYDB_VIEW, true, &err), 0);
    peri_mydbentry_t *v;
    size_t n;
    assert_int_equal(peri_mydb_entries(&s, &v, &n, &err), 0);
    assert_int_equal(n, 2);
    assert_string_equal(v[0].name, "b");
    assert_string_equal(v[1].name, "c");
    free(v);
}

/* ---- quota ---- */

/* A text of n bytes; as large on the disk. */
static const char *bytes(size_t n)
{
    static char text[200001];
    memset(text, 'x', n);
    text[n] = 0;
    return text;
}

static void keeps_the_quota(void **state)
{
    (void)state;
    peri_err_t err;
    peri_schema_t s = db_schema(db_folder());
    s.left = 100000;
    s.quota = 150000;
    assert_int_equal(db_put(&s, "t", 0, bytes(100001), &err), -1);
    db_says(&err, PERI_EFULL,
            "the table would take 100 kB, and 100 kB are left of 150 kB in "
            "ana/persistent (1 B too few); mydb.t is not made");
    assert_int_equal(peri_mydb_kind(&s, "t"), PERI_MYDB_NONE);
    assert_int_equal(db_count(&s, ".new-"), 0);
    db_must_put(&s, "t", bytes(100000));
    assert_int_equal(*s.spent, 100000);
    /* The one that it replaces counts. */
    db_must_put(&s, "t", bytes(40000));
    db_must_put(&s, "u", bytes(60000));
    assert_int_equal(db_put(&s, "u", 0, bytes(70000), &err), -1);
    db_says(&err, PERI_EFULL, "10.0 kB more, and 0 B are left");
    db_says(&err, PERI_EFULL, "mydb.u is as it was");
    db_is(&s, "u", bytes(60000));
    assert_int_equal(peri_mydb_drop(&s, "t", PERI_MYDB_NONE, false, &err), 0);
    db_must_put(&s, "u", bytes(100000));
    assert_int_equal(*s.spent, 100000);
}

static void looks_while_it_is_written(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_schema_t s = db_schema(db_folder());
    s.left = 5000;
    peri_mydbchange_t *c = peri_mydbchange_new(&s, "t", 0, &err);
    assert_non_null(c);
    assert_int_equal(peri_mydbchange_check(c, &err), 0);
    db_write(peri_mydbchange_path(c), bytes(6000)); /* left + spare */
    assert_int_equal(peri_mydbchange_check(c, &err), 0);
    db_write(peri_mydbchange_path(c), bytes(6001));
    assert_int_equal(peri_mydbchange_check(c, &err), -1);
    db_says(&err, PERI_EFULL, "takes already 6.0 kB");
    peri_mydbchange_free(c);
}

/* ---- what else may be in the folder ---- */

static void sees_no_strange_things(void **state)
{
    (void)state;
    peri_err_t err = {0};
    char path[600];
    peri_schema_t s = db_schema(db_folder());
    db_must_put(&s, "real", "real");
    static const char *const others[] = {"Capital.h5", "a.b.h5", ".h5",   "1.h5",
                                         "x.hdf5",     "a b.h5", "x.sql", "x.h5.new-1"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        snprintf(path, sizeof(path), "%s/%s", s.folder, others[i]);
        db_write(path, "x");
    }
    snprintf(path, sizeof(path), "%s/link.h5", s.folder);
    assert_int_equal(symlink("real.h5", path), 0);
    snprintf(path, sizeof(path), "%s/folder.h5", s.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/pipe.view.sql", s.folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    peri_mydbentry_t *v;
    size_t n;
    assert_int_equal(peri_mydb_entries(&s, &v, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_string_equal(v[0].name, "real");
    free(v);

    static const char *const names[] = {"link", "folder", "pipe"};
    static const char *const are[] = {"a symbolic link", "a folder",
                                      "not a regular file"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(peri_mydb_kind(&s, names[i]), PERI_MYDB_NONE);
        assert_int_equal(db_put(&s, names[i], 0, "x", &err), -1);
        db_says(&err, PERI_ECONFLICT, are[i]);
        assert_int_equal(peri_mydb_drop(&s, names[i], PERI_MYDB_NONE, true, &err), -1);
        assert_int_equal(peri_mydb_rename(&s, "real", names[i], &err), -1);
    }
    char *sql;
    assert_int_equal(peri_mydb_view_text(&s, "pipe", &sql, &err), -1); /* and no wait */
    db_is(&s, "real", "real");
}

static void follows_no_links_of_others(void **state)
{
    (void)state;
    peri_err_t err = {0};
    char path[600];
    peri_schema_t s = db_schema(db_folder()), linked = db_schema(db_folder());
    db_must_put(&s, "t", "x");
    snprintf(path, sizeof(path), "%s/.lock-u", s.folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(db_put(&s, "u", 0, "x", &err), -1);
    db_says(&err, PERI_ECONFLICT, ".lock-u");
    assert_int_equal(symlink(s.folder, linked.folder), 0);
    assert_int_equal(peri_mydb_kind(&linked, "t"), PERI_MYDB_NONE);
    assert_int_equal(db_put(&linked, "t", 0, "y", &err), -1);
    db_says(&err, PERI_ECONFLICT, "a symbolic link");
    db_is(&s, "t", "x");
    linked.owner = ""; /* on my own machine it is mine to decide */
    db_must_put(&linked, "t", "y");
    db_is(&s, "t", "y");
}

static void reads_views_that_are_texts(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_schema_t s = db_schema(db_folder());
    static const char *const bad[] = {"", "SELECT '\xff'"};
    for (size_t i = 0; i < 2; i++) {
        char *sql;
        assert_int_equal(db_put(&s, "v", PERI_MYDB_IS_VIEW, bad[i], &err), 0);
        assert_int_equal(peri_mydb_view_text(&s, "v", &sql, &err), -1);
        db_says(&err, PERI_EFORMAT, "v.view.sql");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_schemas),
        cmocka_unit_test(refuses_schemas),
        cmocka_unit_test(finds_own_folder),
        cmocka_unit_test(checks_names),
        cmocka_unit_test(makes_and_replaces),
        cmocka_unit_test(leaves_all_without_commit),
        cmocka_unit_test(needs_the_right),
        cmocka_unit_test(drops_and_renames),
        cmocka_unit_test(keeps_the_quota),
        cmocka_unit_test(looks_while_it_is_written),
        cmocka_unit_test(sees_no_strange_things),
        cmocka_unit_test(follows_no_links_of_others),
        cmocka_unit_test(reads_views_that_are_texts),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
