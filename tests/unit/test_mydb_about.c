/* Tables as JSON, descriptions, and one version for who reads. */
#include <jansson.h>

#include "core/mydb/about.h"
#include "core/mydb/read.h"
#include "tests/unit/test_mydb_fixture.h"

static void put_attr(hid_t o, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t a = H5Acreate2(o, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(a, type, &text) >= 0);
    H5Aclose(a);
    H5Sclose(space);
    H5Tclose(type);
}

/* A table as core/out writes it: columns ra (with a unit) and n, `rows` rows whose n is
 * `version`. */
static void fill(const char *path, hsize_t rows, int64_t version)
{
    double ra[100];
    int64_t n[100];
    for (size_t i = 0; i < rows; i++) {
        ra[i] = (double)i / 2;
        n[i] = version;
    }
    hid_t f = H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(f >= 0);
    put_attr(f, "version", "perigee 0");
    put_attr(f, "query", "SELECT what");
    put_attr(f, "kept", "as it is");
    fx_write(f, "ra", H5T_NATIVE_DOUBLE, 1, &rows, H5P_DEFAULT, H5T_NATIVE_DOUBLE, ra);
    fx_write(f, "n", H5T_NATIVE_INT64, 1, &rows, H5P_DEFAULT, H5T_NATIVE_INT64, n);
    hid_t set = H5Dopen2(f, "ra", H5P_DEFAULT);
    put_attr(set, "unit", "deg");
    put_attr(set, "sql_type", "DOUBLE");
    H5Dclose(set);
    const char *names[] = {"ra", "n"};
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, (hsize_t[]){2}, NULL);
    H5Tset_size(type, H5T_VARIABLE);
    hid_t a = H5Acreate2(f, "columns", type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(a, type, names) >= 0);
    H5Aclose(a);
    H5Sclose(space);
    H5Tclose(type);
    assert_true(H5Fclose(f) >= 0);
}

static void make(const peri_schema_t *s, const char *name, hsize_t rows, int64_t version)
{
    peri_err_t err = {0};
    peri_mydbchange_t *c = peri_mydbchange_new(s, name, 0, &err);
    if (!c) fail_msg("%s", err.text);
    fill(peri_mydbchange_path(c), rows, version);
    if (peri_mydbchange_commit(c, &err)) fail_msg("%s", err.text);
    peri_mydbchange_free(c);
}

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "(none)";
}

static json_int_t number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

static const json_t *item(const json_t *list, const char *key, size_t i)
{
    return json_array_get(json_object_get(list, key), i);
}

static peri_schemas_t *schemas_of(const peri_schema_t *s)
{
    char json[2000];
    peri_err_t err = {0};
    int n = snprintf(json, sizeof(json),
                     "[{\"name\":\"mydb\",\"folder\":\"%s\",\"write\":true,\"owner\":"
                     "\"ana/persistent\",\"left\":5,\"quota\":9},"
                     "{\"name\":\"ana\",\"folder\":\"%s\",\"owner\":\"ana/persistent\"},"
                     "{\"name\":\"gone\",\"folder\":\"%s/gone\",\"owner\":\"x/y\"}]",
                     s->folder, s->folder, s->folder);
    peri_schemas_t *all = peri_schemas_parse(json, (size_t)n, &err);
    if (!all) fail_msg("%s", err.text);
    return all;
}

/* ---- files that crash who reads them ---- */

int __real_peri_h5attr_strings(peri_h5file_t *f, const char *path, const char *name,
                               char ***out, size_t *n, peri_err_t *err);
int __wrap_peri_h5attr_strings(peri_h5file_t *f, const char *path, const char *name,
                               char ***out, size_t *n, peri_err_t *err);

/* As HDF5 does with what a fuzzer makes. */
int __wrap_peri_h5attr_strings(peri_h5file_t *f, const char *path, const char *name,
                               char ***out, size_t *n, peri_err_t *err)
{
    if (strstr(peri_h5file_path(f), "crash")) raise(SIGKILL);
    return __real_peri_h5attr_strings(f, path, name, out, n, err);
}

static void lists_what_crashes(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_schema_t s = db_schema(db_folder());
    static const char *const names[] = {"a", "crash_b", "crash_c", "d", "e", "f_crash"};
    for (size_t i = 0; i < 6; i++) make(&s, names[i], i + 1, 1);
    peri_schemas_t *all = schemas_of(&s);
    json_t *list = peri_mydb_list(all, "mydb", &err);
    assert_non_null(list);
    assert_int_equal(json_array_size(json_object_get(list, "tables")), 6);
    for (size_t i = 0; i < 6; i++) {
        const json_t *t = item(list, "tables", i);
        bool bad = strstr(names[i], "crash") != NULL;
        assert_string_equal(text(t, "name"), names[i]);
        assert_int_equal(number(t, "rows"), bad ? -1 : (json_int_t)i + 1);
        assert_int_equal(strstr(text(t, "error"), "damaged") != NULL, bad);
    }
    json_decref(list);
    peri_schemas_free(all);
}

static void lists(void **state)
{
    (void)state;
    char path[600];
    peri_err_t err = {0};
    peri_schema_t s = db_schema(db_folder());
    make(&s, "b", 7, 1);
    make(&s, "a", 0, 1);
    db_must_put(&s, "broken", "no HDF5 at all");
    snprintf(path, sizeof(path), "%s/v.view.sql", s.folder);
    db_write(path, "SELECT 1");
    peri_schemas_t *all = schemas_of(&s);
    json_t *list = peri_mydb_list(all, NULL, &err);
    assert_non_null(list);
    /* The folder that has two names is listed once. */
    assert_int_equal(json_array_size(json_object_get(list, "schemas")), 2);
    assert_int_equal(number(item(list, "schemas", 0), "left"), 5);
    assert_true(json_is_null(json_object_get(item(list, "schemas", 1), "left")));
    assert_int_equal(json_array_size(json_object_get(list, "tables")), 4);
    assert_string_equal(text(item(list, "tables", 0), "name"), "a");
    assert_int_equal(number(item(list, "tables", 0), "rows"), 0);
    const json_t *b = item(list, "tables", 1), *broken = item(list, "tables", 2);
    assert_string_equal(text(b, "schema"), "mydb");
    assert_int_equal(number(b, "rows"), 7);
    assert_int_equal(number(b, "columns"), 2);
    assert_true(number(b, "bytes") > 100);
    assert_non_null(strstr(text(broken, "error"), "not an HDF5 file"));
    assert_int_equal(number(broken, "rows"), -1);
    assert_string_equal(text(item(list, "tables", 3), "kind"), "view");
    json_decref(list);
    list = peri_mydb_list(all, "ANA", &err);
    assert_string_equal(text(item(list, "tables", 0), "schema"), "ana");
    json_decref(list);
    assert_null(peri_mydb_list(all, "mydc", &err));
    db_says(&err, PERI_ENOTFOUND, "did you mean mydb?");
    peri_schemas_free(all);
}

/* An attribute of the file as HDF5 alone reads it; "" if there is none. */
static const char *attr(const peri_schema_t *s, const char *name, const char *object,
                        const char *key)
{
    static char out[200];
    char *path = peri_mydb_path(s, name), *v = NULL;
    hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), o = H5Oopen(f, object, 0);
    *out = 0;
    if (H5Aexists(o, key) > 0) {
        hid_t a = H5Aopen(o, key, H5P_DEFAULT), type = H5Aget_type(a);
        assert_true(H5Aread(a, type, &v) >= 0);
        snprintf(out, sizeof(out), "%s", v);
        H5free_memory(v);
        H5Tclose(type);
        H5Aclose(a);
    }
    H5Oclose(o);
    H5Fclose(f);
    free(path);
    return out;
}

static int describe(const peri_schema_t *s, const char *name, const char *json,
                    peri_err_t *err)
{
    json_t *o = json_loads(json, 0, NULL);
    assert_non_null(o);
    memset(err, 0, sizeof(*err));
    int rc = peri_mydb_describe(s, name, o, err);
    json_decref(o);
    return rc;
}

static void describes(void **state)
{
    (void)state;
    peri_err_t err;
    peri_schema_t s = db_schema(db_folder());
    make(&s, "t", 5, 42);
    if (describe(&s, "T",
                 "{\"description\":\"Mine, \\u00e4\",\"columns\":{\"RA\":{\"unit\":"
                 "\"arcsec\",\"ucd\":\"pos.eq.ra\"},\"n\":{\"description\":\"number\"}}}",
                 &err))
        fail_msg("%s", err.text);
    json_t *t = peri_mydb_show(&s, "t", &err);
    assert_non_null(t);
    assert_string_equal(text(t, "description"), "Mine, \xc3\xa4");
    assert_string_equal(text(t, "query"), "SELECT what");
    assert_int_equal(number(t, "rows"), 5);
    const json_t *ra = item(t, "columns", 0), *n = item(t, "columns", 1);
    assert_string_equal(text(ra, "name"), "ra");
    assert_string_equal(text(ra, "type"), "DOUBLE");
    assert_string_equal(text(ra, "unit"), "arcsec");
    assert_string_equal(text(ra, "ucd"), "pos.eq.ra");
    assert_string_equal(text(n, "description"), "number");
    assert_true(json_is_false(json_object_get(n, "nulls")));
    json_decref(t);
    /* What was not named stays, what is empty goes. */
    assert_int_equal(describe(&s, "t", "{\"columns\":{\"ra\":{\"unit\":\"\"}}}", &err),
                     0);
    assert_string_equal(attr(&s, "t", "/ra", "unit"), "");
    assert_string_equal(attr(&s, "t", "/ra", "ucd"), "pos.eq.ra");
    assert_string_equal(attr(&s, "t", "/", "kept"), "as it is");
    assert_string_equal(attr(&s, "t", "/", "description"), "Mine, \xc3\xa4");
    assert_int_equal(db_count(&s, ".new-"), 0);
}

static void describes_nothing_wrong(void **state)
{
    (void)state;
    peri_err_t err;
    char path[600], *sql;
    peri_schema_t s = db_schema(db_folder());
    make(&s, "t", 5, 42);
    struct stat before, after;
    char *file = peri_mydb_path(&s, "t");
    stat(file, &before);
    static const struct {
        const char *json;
        peri_code_t code;
        const char *says;
    } bad[] = {{"[]", PERI_EINVAL, "is an object"},
               {"{\"name\":\"x\"}", PERI_EINVAL, "no \"name\""},
               {"{\"unit\":\"x\"}", PERI_EINVAL, "no \"unit\""},
               {"{\"description\":1}", PERI_EINVAL, "a text of at most"},
               {"{\"columns\":[]}", PERI_EINVAL, "is an object"},
               {"{\"columns\":{\"ra\":\"deg\"}}", PERI_EINVAL, "is to be an object"},
               {"{\"columns\":{\"ra\":{\"type\":\"x\"}}}", PERI_EINVAL, "no \"type\""},
               {"{\"description\":\"x\",\"columns\":{\"rb\":{\"unit\":\"x\"}}}",
                PERI_ENOTFOUND, "did you mean ra?"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(describe(&s, "t", bad[i].json, &err), -1);
        db_says(&err, bad[i].code, bad[i].says);
    }
    assert_int_equal(describe(&s, "u", "{\"description\":\"x\"}", &err), -1);
    db_says(&err, PERI_ENOTFOUND, "no table \"u\"");
    snprintf(path, sizeof(path), "%s/v.view.sql", s.folder);
    db_write(path, "SELECT 1");
    assert_int_equal(describe(&s, "v", "{\"columns\":{\"a\":{\"unit\":\"x\"}}}", &err),
                     -1);
    db_says(&err, PERI_EUNSUPP, "is a view");
    assert_int_equal(peri_mydb_view_text(&s, "v", &sql, &err), 0);
    assert_string_equal(sql, "SELECT 1");
    free(sql);
    stat(file, &after);
    assert_int_equal(before.st_ino, after.st_ino);
    free(file);
}

static void check_view(const peri_schema_t *s, const char *description)
{
    peri_err_t err = {0};
    json_t *v = peri_mydb_show(s, "v", &err);
    assert_non_null(v);
    assert_string_equal(text(v, "description"), description);
    assert_string_equal(text(v, "sql"), "SELECT 1 -- one\n");
    json_decref(v);
}

static void describes_a_view(void **state)
{
    (void)state;
    peri_err_t err;
    char path[600], *sql;
    peri_schema_t s = db_schema(db_folder());
    make(&s, "t", 5, 42);
    snprintf(path, sizeof(path), "%s/v.view.sql", s.folder);
    db_write(path, "SELECT 1 -- one\n");
    check_view(&s, "");
    assert_int_equal(
        describe(&s, "v", "{\"description\":\"One, \u00e4\\n\\r\\n  -- two\\n\"}", &err),
        0);
    check_view(&s, "One, \xc3\xa4\n\n  -- two");
    assert_int_equal(peri_mydb_view_text(&s, "v", &sql, &err), 0);
    assert_string_equal(sql, "-- One, \xc3\xa4\n-- \n--   -- two\nSELECT 1 -- one\n");
    free(sql);
    assert_int_equal(describe(&s, "v", "{}", &err), 0);
    check_view(&s, "One, \xc3\xa4\n\n  -- two");
    assert_int_equal(describe(&s, "v", "{\"description\":\"\"}", &err), 0);
    check_view(&s, "");
    assert_int_equal(db_count(&s, ".new-"), 0);
}

/* A column that is a link into another table would have that one changed, in its place.
 */
static void changes_no_other_file(void **state)
{
    (void)state;
    peri_err_t err;
    peri_schema_t s = db_schema(db_folder());
    make(&s, "victim", 5, 1);
    make(&s, "t", 5, 1);
    char *path = peri_mydb_path(&s, "t");
    hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Ldelete(f, "n", H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external("victim.h5", "/n", f, "n", H5P_DEFAULT, H5P_DEFAULT) >=
                0);
    H5Fclose(f);
    assert_int_equal(describe(&s, "t", "{\"columns\":{\"n\":{\"unit\":\"x\"}}}", &err),
                     -1);
    db_says(&err, PERI_EUNSUPP, "no dataset of its own");
    assert_string_equal(attr(&s, "victim", "/n", "unit"), "");
    free(path);
}

/* ---- one version ---- */

static int64_t first_n(peri_h5file_t *f)
{
    int64_t v = -1;
    peri_err_t err = {0};
    peri_h5set_t *set = peri_h5set_open(f, "/n", &err);
    peri_h5cursor_t *c = set ? peri_h5cursor_new(set, &err) : NULL;
    if (!c || peri_h5cursor_read(c, 0, 0, 1, &v, &err)) fail_msg("%s", err.text);
    peri_h5cursor_free(c);
    peri_h5set_unref(set);
    return v;
}

static int64_t open_and_read(const peri_table_t *t)
{
    peri_err_t err = {0};
    peri_h5file_t *f =
        peri_h5file_open(t->files[0].path, peri_file_root(t, &t->files[0]), &err);
    if (!f) fail_msg("%s", err.text);
    int64_t v = first_n(f);
    peri_h5file_unref(f);
    return v;
}

static void reads_one_version(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_h5file_t *held, *again;
    peri_schema_t s = db_schema(db_folder());
    make(&s, "t", 5, 1);
    peri_table_t *t = peri_mydb_table(&s, "t", &held, &err);
    assert_non_null(t);
    assert_string_equal(t->name, "mydb.t");
    make(&s, "t", 9, 2);
    assert_int_equal(open_and_read(t), 1);
    /* Named again, by whatever spelling, it is the same. */
    peri_table_t *u = peri_mydb_table(&s, "T", &again, &err);
    assert_int_equal(u->rows, 5);
    peri_h5file_release(again);
    assert_int_equal(open_and_read(t), 1);
    assert_int_equal(peri_mydb_drop(&s, "t", PERI_MYDB_NONE, false, &err), 0);
    assert_int_equal(open_and_read(u), 1);
    peri_table_unref(u);
    peri_h5file_release(held);
    make(&s, "t", 9, 3);
    assert_int_equal(open_and_read(t), 3); /* nobody holds it any more */
    peri_table_unref(t);
}

/* As a rank that hears of the table from another process. */
static void tells_of_another_version(void **state)
{
    (void)state;
    peri_err_t err = {0};
    peri_h5file_t *held;
    peri_buf_t b;
    peri_schema_t s = db_schema(db_folder());
    make(&s, "t", 5, 1);
    peri_table_t *t = peri_mydb_table(&s, "t", &held, &err);
    peri_buf_init(&b, 1 << 20);
    assert_int_equal(peri_table_pack(t, &b, &err), 0);
    peri_table_unref(t);
    peri_h5file_release(held);
    t = peri_table_unpack(b.data, b.len, &err);
    peri_buf_free(&b);
    assert_true(t->replaced);
    held = peri_mydb_hold(t, &err);
    assert_non_null(held);
    make(&s, "t", 5, 2);
    assert_int_equal(open_and_read(t), 1);
    peri_h5file_release(held);
    assert_null(peri_mydb_hold(t, &err));
    db_says(&err, PERI_ECONFLICT, "mydb.t was changed while it was read");
    assert_int_equal(peri_mydb_drop(&s, "t", PERI_MYDB_NONE, false, &err), 0);
    assert_null(peri_mydb_hold(t, &err));
    db_says(&err, PERI_ECONFLICT, "mydb.t is gone");
    peri_table_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(lists_what_crashes),
        cmocka_unit_test(describes),
        cmocka_unit_test(describes_nothing_wrong),
        cmocka_unit_test(describes_a_view),
        cmocka_unit_test(changes_no_other_file),
        cmocka_unit_test(reads_one_version),
        cmocka_unit_test(tells_of_another_version),
    };
    return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
