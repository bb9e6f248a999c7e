/* Files of every format as rows: types, names, values, sentences for what is wrong. */
#include "tests/unit/test_import_fixture.h"

static int write_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    return peri_writer_chunk(arg, chunk, err);
}

/* The file, read and written in another format. */
static char *convert(const char *from, const peri_importopts_t *o, peri_format_t f,
                     const char *name)
{
    peri_err_t err = {0};
    peri_import_t *i = peri_import_open(from, o, &err);
    if (!i) fail_msg("%s", err.text);
    size_t n;
    const peri_outcol_t *cols = peri_import_columns(i, &n);
    peri_provenance_t prov = {.version = "perigee test", .description = "Of a test"};
    peri_writeopts_t w = {.overwrite = true};
    char *path = path_of(name);
    peri_writer_t *writer = peri_writer_new(f, path, NULL, cols, n, &prov, &w, &err);
    if (!writer || peri_import_rows(i, write_chunk, writer, &err) ||
        peri_writer_finish(writer, &err))
        fail_msg("%s", err.text);
    peri_writer_free(writer);
    peri_import_free(i);
    return path;
}

/* ---- csv ---- */

static void test_csv_types(void **state)
{
    (void)state;
    expect("a.csv", "id,x,ok,s\n1,1.5,true,a\n-2,nan,FALSE,\"\"\n,,,\n",
           "id BIGINT, x DOUBLE, ok BOOLEAN, s VARCHAR|1,1.5,true,a|-2,nan,false,|NULL,"
           "NULL,NULL,NULL");
    expect("a.csv",
           "a,b,c\n9223372036854775807,18446744073709551615,9007199254740993\n"
           "-9223372036854775808,0,1\n",
           "a BIGINT, b UBIGINT, c BIGINT|9223372036854775807,18446744073709551615,"
           "9007199254740993|-9223372036854775808,0,1");
    expect("a.csv", "a,b,c\n-1,1.5,007\n18446744073709551615,9007199254740993,8\n",
           "a VARCHAR, b VARCHAR, c VARCHAR|-1,1.5,007|18446744073709551615,"
           "9007199254740993,8");
    expect("a.csv",
           "d,t,z,n,r\n2024-02-29,2024-01-01T00:00:00.5,2024-01-01 00:00:00+02,"
           "2024-01-01 00:00:00.123456789,05:34:31\n",
           "d DATE, t TIMESTAMP, z TIMESTAMP WITH TIME ZONE, n TIMESTAMP_NS, r VARCHAR|"
           "2024-02-29,2024-01-01 00:00:00.5,2023-12-31 22:00:00+00,2024-01-01 "
           "00:00:00.123456789,05:34:31");
}

static void test_csv_shapes(void **state)
{
    (void)state;
    expect("a.csv", "a;b\n1,5;x\n", "a DOUBLE, b VARCHAR|1.5,x");
    expect("a.txt", "# a comment\n#  ra   dec\n 1.5   -2\n2.5 3 \n",
           "ra DOUBLE, dec BIGINT|1.5,-2|2.5,3");
    expect("a.csv",
           "\xef\xbb\xbf"
           "a,a,A b,\r\n1, 2 ,\"x\"\"\r\ny\", \"z\"\r\n\r\n",
           "a BIGINT, a_1 BIGINT, A_b VARCHAR, column4 VARCHAR|1,2,x\"\r\ny,z");
    expect("a.csv", "1,2\n3,4", "column1 BIGINT, column2 BIGINT|1,2|3,4");
    expect("a.csv", "v\n1\n\n", "v BIGINT|1|NULL");
    expect("a.csv", "mass [Msun],name\n1.0,x y\n",
           "mass DOUBLE [Msun], name VARCHAR|1.0,x y");
    expect("a.tsv", "a\tb\n1\tx\\ty\\n\\\\\n\t\\N\n",
           "a BIGINT, b VARCHAR|1,x\ty\n\\|NULL,NULL");
    expect("a.csv", "a,b\nx,y\n", "a VARCHAR, b VARCHAR|x,y");
    expect("noending", "a,b\n1,2\n", "a BIGINT, b BIGINT|1,2");
}

static void test_astronomers(void **state)
{
    (void)state;
    expect(
        "a.ecsv",
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: int64}\n"
        "# - {name: ra, unit: deg, datatype: float64}\n"
        "# - {name: flux, unit: 'erg / (cm2 s)', datatype: float64, description: 'it''s "
        "{x}'}\n"
        "# schema: astropy-2.0\nid ra flux name\n1 1.5 \"\" \"a b\"\n2 2.5 1.D+03 \"\"\n",
        "id BIGINT, ra DOUBLE [deg], flux DOUBLE [erg / (cm2 s)], name VARCHAR|"
        "1,1.5,NULL,a b|2,2.5,1000.0,NULL");
    expect("a.txt", "| id |  ra | name |\n|  1 | 1.5 |  a b |\n| 22 |     |      |\n",
           "id BIGINT, ra DOUBLE, name VARCHAR|1,1.5,a b|22,NULL,NULL");
    expect("a.dat", "  1.0  -9999 x#y\n 2.0 +5 z \n# no row\n",
           "column1 DOUBLE, column2 BIGINT, column3 VARCHAR|1.0,-9999,x#y|2.0,5,z");
    const char *nulls[] = {"-9999", "N/A"};
    peri_importopts_t o = {.nulls = nulls, .nnulls = 2};
    expect_with(&o, "a.csv", "a,b\n1,N/A\n-9999,2.5\n",
                "a BIGINT, b DOUBLE|1,NULL|NULL,2.5");
}

static void test_csv_wrong(void **state)
{
    (void)state;
    refuse("a.csv", "", "is empty");
    refuse("a.csv", "\n\n", "has no rows");
    refuse("a.csv", "a,b\n1,2\n\n1,2,3\n", "line 4 of");
    refuse("a.csv", "a,b\n1,\"2\n3,4\n", "line 2 of");
    refuse("a.csv", "a,b\n1,\"2\"x\n", "behind a closing quote");
    refuse("a.csv", "a,b\n1,\xff\n", "is not UTF-8");
    refuse_with(NULL, "a.csv", "a,b\n1,\0\n", 8, "NUL");
    refuse("a.csv",
           "\xff\xfe"
           "a",
           "UTF-16");
    const char *types[] = {"b=INTEGER"};
    peri_importopts_t o = {.types = types, .ntypes = 1};
    refuse_with(&o, "a.csv", "a,b\n1,2\n1,3.5\n", 14, "line 3 of");
    types[0] = "b=DECIMAL(4,1)";
    refuse_with(&o, "a.csv", "a,b\n1,2\n1,3.25\n", 15, "line 3 of");
    types[0] = "c=INTEGER";
    refuse_with(&o, "a.csv", "a,b\n1,2\n", 8, "no column \"c\"");
    types[0] = "b=INTEGR";
    refuse_with(&o, "a.csv", "a,b\n1,2\n", 8, "no type");
}

/* ---- names, files ---- */

static void test_names(void **state)
{
    (void)state;
    expect(
        "a.csv", "a,A,a,1x,Fe/H ratio,\xc3\xa9toile,(x),,_y\n1,2,3,4,5,6,7,8,9\n",
        "a BIGINT, A_1 BIGINT, a_2 BIGINT, _1x BIGINT, Fe_H_ratio BIGINT, \xc3\xa9toile "
        "BIGINT, x BIGINT, column8 BIGINT, _y BIGINT|1,2,3,4,5,6,7,8,9");
    peri_err_t err = {0};
    const char *units[] = {"Fe/H ratio=dex"}, *types[] = {"FE_H_RATIO=FLOAT"};
    peri_importopts_t o = {.units = units, .nunits = 1, .types = types, .ntypes = 1};
    char *path = put_file("n.csv", "Fe/H ratio\n1\n", 13);
    peri_import_t *i = peri_import_open(path, &o, &err);
    size_t n;
    const peri_outcol_t *c = i ? peri_import_columns(i, &n) : NULL;
    assert_non_null(c);
    assert_string_equal(c->name, "Fe_H_ratio");
    assert_string_equal(c->description, "Fe/H ratio");
    assert_string_equal(c->unit, "dex");
    assert_int_equal(duckdb_get_type_id(c->type), DUCKDB_TYPE_FLOAT);
    peri_import_free(i);
    free(path);
}

/* Numbers that stay text are told, words are not. */
static void test_notes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t notes;
    } files[] = {{"a\n1.5\n9007199254740993\n", 1},
                 {"a\n-1\n18446744073709551615\n", 1},
                 {"a\n123456789012345678901234567890\n", 1},
                 {"a\n1.5\nx\n", 0},
                 {"a\n007\n", 0},
                 {"a\n\"\"\n", 0},
                 {"a\n1.5\n123456789012345678901234567890\n", 0},
                 {"a\n1\n2\n", 0}};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        peri_err_t err = {0};
        size_t n;
        char *path = put_file("a.csv", files[i].text, strlen(files[i].text));
        peri_import_t *in = peri_import_open(path, NULL, &err);
        assert_non_null(in);
        peri_import_notes(in, &n);
        if (n != files[i].notes) fail_msg("%zu notes: %s", n, files[i].text);
        peri_import_free(in);
        free(path);
    }
}

static void test_files(void **state)
{
    (void)state;
    peri_err_t err = {0};
    static const char *const bad[] = {"", "/nonexistent/x.csv", "/dev/null"};
    for (size_t i = 0; i < 3; i++)
        assert_null(peri_import_open(*bad[i] ? bad[i] : folder, NULL, &err));
    refuse("a.parquet", "PAR1 and no more", "a.parquet");
    refuse("a.h5", "\x89HDF\r\n\x1a\n and no more", "a.h5");
    refuse("a.csv", "\x89HDF\r\n\x1a\n and no more", "\"format\": hdf5");
    refuse("a", "a,b\n\x01\x02", "");
    refuse_with(NULL, "b", "\0\1\2\3", 4, "known format");
    /* Quotes, brackets and wildcards in a name are no pattern. */
    expect("a'[1]*.csv", "a\n1\n", "a BIGINT|1");
    peri_importopts_t o = {.format = "cvs"};
    refuse_with(&o, "a.csv", "a\n1\n", 4, "did you mean \"csv\"");
}

/* Types and columns of a table that is appended to. */
static void test_shape(void **state)
{
    (void)state;
    duckdb_logical_type t[] = {duckdb_create_logical_type(DUCKDB_TYPE_INTEGER),
                               duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR),
                               duckdb_create_logical_type(DUCKDB_TYPE_FLOAT)};
    const peri_outcol_t shape[] = {
        {"id", "", "", "", t[0]}, {"s", "", "", "", t[1]}, {"x", "", "", "", t[2]}};
    peri_importopts_t o = {.shape = shape, .nshape = 3};
    expect_with(&o, "a.csv", "X,ID\n0.1,5\n,6\n",
                "id INTEGER, s VARCHAR, x FLOAT|5,NULL,0.1|6,NULL,NULL");
    refuse_with(&o, "a.csv", "X,colour\n0.1,5\n", 15, "colour");
    refuse_with(&o, "a.csv", "id\n1\n1.5\n", 9, "line 3 of");
    refuse_with(&o, "a.csv", "id\n1\n3000000000\n", 16, "line 3 of");
    /* From types that a file has by itself. */
    char *csv = put_file("d.csv", "id\n1.0\n2.5\n", 11);
    char *path = convert(csv, NULL, PERI_FMT_PARQUET, "d.parquet");
    peri_err_t err = {0};
    assert_null(load(path, &o, &err));
    assert_non_null(strstr(err.text, "row 2 of"));
    assert_non_null(strstr(err.text, "2.5"));
    free(csv);
    free(path);
    for (size_t i = 0; i < 3; i++) duckdb_destroy_logical_type(&t[i]);
}

/* ---- json ---- */

static void test_json(void **state)
{
    (void)state;
    const char *expected = "id BIGINT, x DOUBLE, s VARCHAR, p DOUBLE[2], o VARCHAR|"
                           "1,1.5,a\n\"\xc3\xa9\xf0\x9f\x98\x80,[1.0,2.5],NULL|"
                           "9007199254740993,nan,NULL,[3.0,\"NaN\"],{\"k\":[1]}|"
                           "NULL,inf,12,NULL,NULL";
    expect(
        "a.json",
        "[\n{\"id\": 1, \"x\": 1.5, \"s\": \"a\\n\\\"\\u00e9\\ud83d\\ude00\","
        "\"p\":[1,2.5]},\n"
        "{\"x\":\"NaN\",\"id\":9007199254740993,\"p\":[3,\"NaN\"],\"o\":{\"k\":[1]}},\n"
        "{\"x\":\"Infinity\",\"s\":\"12\"}]\n",
        expected);
    expect("a.ndjson",
           "{\"id\": 1, \"x\": 1.5, \"s\": \"a\\n\\\"\\u00e9\\ud83d\\ude00\","
           "\"p\":[1,2.5]}\n"
           "{\"x\":NaN,\"id\":9007199254740993,\"p\":[3,NaN],\"o\":{\"k\":[1]}}\n"
           "{\"x\":Infinity,\"s\":\"12\"}\n",
           expected);
    expect("a.json", "[{\"t\":\"2024-01-01\",\"b\":true,\"l\":[1]},{\"l\":[]}]",
           "t DATE, b BOOLEAN, l BIGINT[]|2024-01-01,true,[1]|NULL,NULL,[]");
    expect("noending", " {\"a b\":1}", "a_b BIGINT|1");
}

static void test_json_wrong(void **state)
{
    (void)state;
    refuse("a.json", "[{\"a\":1},\n{\"a\":1,\"a\":2}]", "line 2 of");
    refuse("a.json", "[{\"a\":1}\n{\"a\":2}]", "between two rows");
    refuse("a.json", "[{\"a\":1},\n", "");
    refuse("a.json", "[{\"a\":1}", "cut off");
    refuse("a.json", "[{\"a\":1,", "cut off");
    refuse("a.json", "[{\"a\":01}]", "no value of JSON");
    refuse("a.json", "[{\"a\":tru}]", "no value of JSON");
    refuse("a.json", "[1,2]", "no object");
    refuse("a.json", "[{\"a\":\"\\ud800\"}]", "half of a character");
    refuse("a.json", "[{\"a\":\"\\u0000\"}]", "NUL");
    refuse("a.json", "[{\"a\":\"\\x\"}]", "escape");
    refuse("a.json", "[{\"a\":\"\xff\"}]", "not UTF-8");
    refuse("a.json", "[]", "no rows");
    refuse("a.json", "[{\"a\":1}] x", "behind the array");
    refuse("a.json", "[{\"a\":1,}]", "a name in quotes");
    refuse("a.json", "[{\"a\":{\"b\":}}]", "");
    char deep[512] = "[{\"a\":";
    memset(deep + 6, '[', 200);
    memset(deep + 206, ']', 200);
    strcpy(deep + 406, "}]");
    refuse("a.json", deep, "too deep");
}

/* ---- what core/out writes ---- */

static void test_written(void **state)
{
    (void)state;
    static const char *const names[] = {"b.csv", "b.tsv",     "b.json",
                                        "b.h5",  "b.parquet", "b.ndjson"};
    static const peri_format_t formats[] = {PERI_FMT_CSV,     PERI_FMT_TSV,
                                            PERI_FMT_JSON,    PERI_FMT_HDF5,
                                            PERI_FMT_PARQUET, PERI_FMT_NDJSON};
    static const char content[] =
        "i [kg],u,d,f,b,s,t,e,v,w\n"
        "-5,18446744073709551615,0.1,1.5,true,\"a,\"\"b\n\",2024-01-01 00:00:01.5,12.50,"
        "\"[1.5,2]\",\"{\"\"x\"\":1,\"\"n\"\":[1,2]}\"\n"
        ",,,,,,,,,\n"
        "9,0,nan,-inf,false,#x,1969-12-31 "
        "23:59:59,-0.01,\"[0.1,-0.0]\",\"{\"\"x\"\":2,\"\"n\"\":null}\"\n";
    const char *types[] = {"f=FLOAT",     "e=DECIMAL(8,2)",
                           "v=FLOAT[2]",  "w=STRUCT(x INTEGER, n BIGINT[])",
                           "t=TIMESTAMP", "i=SMALLINT"};
    peri_importopts_t o = {.types = types, .ntypes = 6};
    char *csv = put_file("a.csv", content, sizeof(content) - 1);
    peri_err_t err = {0};
    char *first = load(csv, &o, &err);
    if (!first) fail_msg("%s", err.text);
    assert_string_equal(
        first,
        "i SMALLINT [kg], u UBIGINT, d DOUBLE, f FLOAT, b BOOLEAN, s VARCHAR, t "
        "TIMESTAMP, e "
        "DECIMAL(8,2), v FLOAT[2], w STRUCT(\"x\" INTEGER, \"n\" BIGINT[])"
        "|-5,18446744073709551615,0.1,1.5,true,a,\"b\n,2024-01-01 00:00:01.5,12.50,"
        "[1.5,2.0],{\"x\":1,\"n\":[1,2]}"
        "|NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL"
        "|9,0,nan,-inf,false,#x,1969-12-31 "
        "23:59:59,-0.01,[0.1,-0.0],{\"x\":2,\"n\":null}");
    for (size_t f = 0; f < 6; f++) {
        char *path = convert(csv, &o, formats[f], names[f]);
        bool typed = f == 3 || f == 4;
        char *again = load(path, typed ? NULL : &o, &err);
        if (!again) fail_msg("%s: %s", names[f], err.text);
        /* Texts keep no units. */
        const char *a = first, *b = again;
        if (!typed) {
            assert_non_null(a = strstr(a, ", u UBIGINT"));
            assert_non_null(b = strstr(b, ", u UBIGINT"));
        }
        if (strcmp(a, b)) fail_msg("%s:\n%s\n%s", names[f], a, b);
        if (typed) {
            peri_import_t *i = peri_import_open(path, NULL, &err);
            assert_non_null(i);
            assert_string_equal(peri_import_description(i), "Of a test");
            peri_import_free(i);
        }
        free(path);
        free(again);
    }
    free(csv);
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_types), cmocka_unit_test(test_csv_shapes),
        cmocka_unit_test(test_csv_wrong), cmocka_unit_test(test_astronomers),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_files),
        cmocka_unit_test(test_notes),     cmocka_unit_test(test_shape),
        cmocka_unit_test(test_json),      cmocka_unit_test(test_json_wrong),
        cmocka_unit_test(test_written),
    };
    if (!mkdtemp(folder)) return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    peri_folder_sweep(folder);
    return rc;
}
