/* What people write into tables of text besides values: words for no value, decimal
 * commas, units and dashes below the names, names in lines of #, ECSV of Gaia; files that
 * are no tables. */
#include "tests/unit/test_import_fixture.h"

/* The notes of the file, joined by |. */
static void expect_notes(const char *name, const char *content, const char *expected)
{
    peri_err_t err = {0};
    char *path = put_file(name, content, strlen(content)), all[1000] = "";
    peri_import_t *i = peri_import_open(path, NULL, &err);
    if (!i) fail_msg("%s", err.text);
    size_t n;
    const char *const *notes = peri_import_notes(i, &n);
    for (size_t k = 0; k < n; k++) {
        strncat(all, k ? "|" : "", sizeof(all) - strlen(all) - 1);
        strncat(all, notes[k], sizeof(all) - strlen(all) - 1);
    }
    assert_string_equal(all, expected);
    peri_import_free(i);
    free(path);
}

static void no_value(void **state)
{
    (void)state;
    expect("a.csv",
           "id,z,ok,t,name\n1,N/A,true,2024-01-01,N/A\n2,0.5,null,NaT,x\n--,-,no "
           "value,none,-\n",
           "id BIGINT, z DOUBLE, ok VARCHAR, t DATE, name "
           "VARCHAR|1,NULL,true,2024-01-01,N/A|"
           "2,0.5,null,NULL,x|NULL,NULL,no value,NULL,-");
    /* In quotes it is a text, and so it is where there is nothing else. */
    expect("a.csv", "a,b\n1,NA\n\"NA\",NA\n", "a VARCHAR, b VARCHAR|1,NA|NA,NA");
    expect_notes(
        "a.csv", "id,z\n1,0.5\n2,N/A\n3,N/A\n",
        "z has \"N/A\" (line 3), which is taken for no value; the type VARCHAR keeps it");
    const char *types[] = {"z=VARCHAR", "f=FLOAT", "e=ENUM('1', 'none')"};
    peri_importopts_t o = {.types = types, .ntypes = 3};
    expect_with(&o, "a.csv", "z,f,e\n1,1,1\nN/A,NA,none\n",
                "z VARCHAR, f FLOAT, e ENUM('1', 'none')|1,1.0,1|N/A,NULL,none");
}

static void decimal_commas(void **state)
{
    (void)state;
    expect(
        "a.csv", "n;ra;m\n1;10,68;1,5e12\n2;-3;,5\n3;NA;2,125\n",
        "n BIGINT, ra DOUBLE, m DOUBLE|1,10.68,1500000000000.0|2,-3.0,0.5|3,NULL,2.125");
    expect("a.tsv", "n\tra\n1,234\t0,123\n12,345\t1\n",
           "n VARCHAR, ra DOUBLE|1,234,0.123|12,345,1.0"); /* may be thousands */
    expect("a.csv", "n;s\n1,5;a\n1.5;b\n1,2,3;c\n",
           "n VARCHAR, s VARCHAR|1,5,a|1.5,b|1,2,3,c");
    expect("a.csv", "n;s\n1;a\n1,5;b\nx;c\n2,5;c\n",
           "n VARCHAR, s VARCHAR|1,a|1,5,b|x,c|2,5,c");
    /* Here the points are of thousands. */
    expect("a.csv", "n;s\n1.234;a\n0,5;b\n", "n VARCHAR, s VARCHAR|1.234,a|0,5,b");
    expect("a.csv", "n;s\n0,5;a\n1.234;b\n", "n VARCHAR, s VARCHAR|0,5,a|1.234,b");
    expect_notes("a.csv", "n;s\n1,5;a\n",
                 "n has decimal commas, which are read as points");
}

static void units_and_dashes(void **state)
{
    (void)state;
    /* VizieR, as TSV. */
    expect("a.tsv",
           "#Column\tRA\t(F10.6)\nRA\tName\tJ\ndeg\t "
           "\tmag\n------\t----\t---\n10.5\tM31\t 0.5\n"
           "20.5\tM1\t   \n",
           "RA DOUBLE [deg], Name VARCHAR, J DOUBLE [mag]|10.5,M31,0.5|20.5,M1,NULL");
    expect("a.txt", "| a | b |\n|---|:--|\n| 1 | x |\n", "a BIGINT, b VARCHAR|1,x");
    expect("a.txt", "a   b\n--- ---\n1   2.5\n", "a BIGINT, b DOUBLE|1,2.5");
    expect("a.csv", "id,ra,s\n,deg,\n1,2.5,x\n",
           "id BIGINT, ra DOUBLE [deg], s VARCHAR|1,2.5,x");
    expect_notes("a.csv", "id,ra,s\n,deg,\n1,2.5,x\n",
                 "line 2 is taken for units, and not for a row; the type VARCHAR of a "
                 "column keeps it");
    expect_notes("a.csv", "a,b\n---,---\n1,2\n",
                 "line 2, of dashes, is not taken for a row");
    expect_notes("a.csv", "a,b\n1,2\n#3\n4,5\n#6\n",
                 "2 lines of # among the rows are left out, from line 3 on");
    const char *types[] = {"code=VARCHAR"};
    peri_importopts_t text = {.types = types, .ntypes = 1};
    expect_with(&text, "a.csv", "code,n\nA1,x\n12,1\n",
                "code VARCHAR, n VARCHAR|A1,x|12,1");
    /* These are rows. */
    expect("a.csv", "code\nA1B\n12345\n", "code VARCHAR|A1B|12345");
    expect("a.csv", "a,b\n1,2\n---,---\n3,4\n", "a BIGINT, b BIGINT|1,2|NULL,NULL|3,4");
    expect("a.csv", "a,b\n1,x\n---,---\n3,y\n", "a BIGINT, b VARCHAR|1,x|NULL,---|3,y");
    expect("a.csv", "1,2\n---,---\n3,4\n",
           "column1 BIGINT, column2 BIGINT|1,2|NULL,NULL|3,4");
    expect("a.csv", "5,6\nx,y\n1,2\n", "column1 VARCHAR, column2 VARCHAR|5,6|x,y|1,2");
    expect("a.csv", "x[0],x[1] \n3,4\n", "x_0 BIGINT, x_1 BIGINT|3,4");
    expect("a.csv", "s,ra\nfoo,bad\nx,2.5\n", "s VARCHAR, ra VARCHAR|foo,bad|x,2.5");
    expect("a.csv", "s,ra\n,NA\nx,2.5\n", "s VARCHAR, ra DOUBLE|NULL,NULL|x,2.5");
    expect("a.csv", "s,ra\n-,-\nx,2.5\n", "s VARCHAR, ra DOUBLE|-,NULL|x,2.5");
    expect("a.csv", "s,t\nx,y\n---,---\n", "s VARCHAR [x], t VARCHAR [y]");
    expect("a.csv", "s,t\nx,y\nz,\n---,---\n", "s VARCHAR, t VARCHAR|x,y|z,NULL|---,---");
    peri_importopts_t o = {.header_said = true};
    expect_with(&o, "a.csv", "1,x\n---,---\n",
                "column1 BIGINT, column2 VARCHAR|1,x|NULL,---");
}

static void names_in_comments(void **state)
{
    (void)state;
    expect(
        "a.cat",
        "#   1 NUMBER     Running number\n#   2 MAG_APER   Magnitudes  [mag]\n"
        "#   4 X          Position [pixel]\n 1 2.5 3.5 4\n 2 2.5 3.5 5\n",
        "NUMBER BIGINT, MAG_APER DOUBLE [mag], MAG_APER_1 DOUBLE [mag], X BIGINT [pixel]|"
        "1,2.5,3.5,4|2,2.5,3.5,5");
    expect("rockstar.txt",
           "#ID M200 X\n#a = 1.0\n#Om = 0.3; Ol = 0.7\n0 1.5 2.5\n1 2.5 3.5\n",
           "ID BIGINT, M200 DOUBLE, X DOUBLE|0,1.5,2.5|1,2.5,3.5");
    expect("a.txt", "# id mass [Msun/h]  x [Mpc]\n1 2.5 3\n",
           "id BIGINT, mass DOUBLE [Msun/h], x BIGINT [Mpc]|1,2.5,3");
    expect("a.txt", "# made by hand\n# 1 2 3\n# more of it\n1 2 3\n",
           "more BIGINT, of BIGINT, it BIGINT|1,2,3");
    expect("a.txt", "# 3 halos\n# and words, more words\n1 2 3\n",
           "column1 BIGINT, column2 BIGINT, column3 BIGINT|1,2,3");
    /* A line of # between the rows. */
    expect("a.csv", "id,m\n1,2.5\n# bad one\n2,3.5\n#3,4\n",
           "id VARCHAR, m DOUBLE|1,2.5|2,3.5|#3,4.0");
}

static void ecsv_of_gaia(void **state)
{
    (void)state;
    expect("gaia.csv",
           "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# -\n#   name: id\n"
           "#   datatype: int64\n#   description: Identifier\n# -\n#   name: name\n"
           "#   datatype: string\n# -\n#   name: plx\n#   unit: 'mas'\n#   datatype: "
           "float64\n"
           "# -\n#   name: none\n#   datatype: float32\n# meta: !!omap\n#   unit: x\n"
           "id,name,plx,none\n1,007,0.5,null\n2,null,null,null\n3,\"null\",1,null\n",
           "id BIGINT, name VARCHAR, plx DOUBLE [mas], none DOUBLE|1,007,0.5,NULL|"
           "2,NULL,NULL,NULL|3,null,1.0,NULL");
    expect("a.ecsv",
           "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: string}\n"
           "# - {name: ok, datatype: bool}\nid ok\n12 \"\"\n13 \"\"\n",
           "id VARCHAR, ok BOOLEAN|12,NULL|13,NULL");
}

static void notes(void **state)
{
    (void)state;
    expect_notes("a.csv", "m,s\n1,a\n2,b\n3,c\n4 # no,d\n5,e\n",
                 "m is text because of \"4 # no\" in line 5, among numbers");
    expect_notes("a.csv", "m,s\n1,a\nx,b\n3,c\n", "");
    expect_notes(
        "a.txt", "ID  NAME\n 1  M 31\n 2  Crab N\n",
        "its lines have one column: neither commas, tabs, semicolons, bars nor runs of "
        "blanks cut them all into as many cells");
    expect_notes("a.txt", "name\nM31\nM1\n", "");
}

#define DASHES "--------------------------------------------------------------------\n"

/* As AAS journals have them; with the columns given, and the rows. */
static const char *mrt(const char *columns, const char *rows)
{
    static char text[4000];
    snprintf(text, sizeof(text),
             "Title: Stars\nAuthors: A\nTable: 1\n====================================\n"
             "Byte-by-byte Description of file: a.txt\n" DASHES
             "   Bytes Format Units  Label  Explanations\n" DASHES "%s" DASHES
             "Note (1): of a star\n" DASHES "%s",
             columns, rows);
    return text;
}

static void journals(void **state)
{
    (void)state;
    const char *columns = "   1-  4 I4     ---    ID     Number\n"
                          "   6-  9 A4     ---    Name   ? Name, which goes\n"
                          "                              3 lines on\n"
                          "  11- 15 F5.2   mag    Bmag   [1/9]?=-9.99 Magnitude (1)\n"
                          "      17 A1     ---    f      Flag\n";
    expect("a.dat", mrt(columns, "   1 M 31  3.44 1\n  22      -9.99\r\n\n 333 007\n"),
           "ID BIGINT, Name VARCHAR, Bmag DOUBLE [mag], f VARCHAR|1,M 31,3.44,1|"
           "22,NULL,NULL,NULL|333,007,NULL,NULL");
    expect("a.mrt", mrt(columns, ""),
           "ID VARCHAR, Name VARCHAR, Bmag VARCHAR [mag], f VARCHAR");
    expect("a.dat", mrt("   1-  2 I2 --- a x\n", "10\n                    \n11\n"),
           "a BIGINT|10|11");
    expect_notes("a.dat", mrt("   1-  2 I2 --- a x\n", "10\n" DASHES),
                 "there are no rows below the last line of dashes, line 14");
    expect_notes("a.dat", mrt("   1-  2 I2 --- a x\n   4-  5 2Q1 --- b y\n", "10 11\n"),
                 "line 10 describes no column with a known format, and is left out");
    peri_importopts_t o = {.format = "csv"}; /* a portal is always told one */
    expect_with(&o, "a.txt", mrt("   1-  2 I2 --- a x\n", "10\n11"), "a BIGINT|10|11");
    const char *types[] = {"a=TINYINT"};
    o = (peri_importopts_t){.types = types, .ntypes = 1};
    const char *text = mrt("   1-  4 I4 --- a x\n", "  10\n 300\n");
    refuse_with(&o, "a.txt", text, strlen(text), "line 14 of");
    expect("a.dat",
           "# Title: x\n# Byte-by-byte Description of file: y\n# " DASHES
           "#   Bytes Format Units Label Explanations\n# " DASHES "   1-  2 S2 --- s x\n"
           "   4-  7 f8 d   t y\n# " DASHES "ab 1.5\n 1 2\n",
           "s VARCHAR, t DOUBLE [d]|ab,1.5|1,2.0");
    refuse("a.mrt", mrt("   0-  2 I2 --- a x\n", "10\n"), "are no column");
    refuse("a.mrt", mrt("   9-  2 I2 --- a x\n", "10\n"), "are no column");
    refuse("a.mrt", mrt("   1-99999999999999999999 I2 --- a x\n", "10\n"),
           "are no column");
    refuse("a.mrt", mrt("no columns\n", "10\n"), "no Byte-by-byte Description");
    refuse("a.mrt", mrt(columns, "Byte-by-byte Description of file: b\n"),
           "more than one file");
    refuse("a.mrt", "Byte-by-byte Description", "no Byte-by-byte Description");
}

static void no_tables(void **state)
{
    (void)state;
    refuse_with(NULL, "a.xlsx", "PK\3\4.......[Content_Types].xml", 30, "Excel");
    refuse_with(NULL, "a.zip", "PK\3\4.......", 11, "unpack it");
    refuse_with(NULL, "a.npy", "\x93NUMPY\1\0", 8, "numpy.savetxt");
    refuse_with(NULL, "a.pkl", "\x80\4\x95", 3, "pickle");
    refuse("a.csv", "\n <!DOCTYPE html>\n<html>", "web page");
    refuse("a.txt", "\\begin{tabular}", "LaTeX");
    refuse("a.tbl", "\\fixlen = T\n|ra|", "IPAC");
    expect("a.dat", mrt("   1-  2 I2 --- a x\n", "10\n                    \n11\n"),
           "a BIGINT|10|11");
    expect_notes("a.dat", mrt("   1-  2 I2 --- a x\n", "10\n" DASHES),
                 "there are no rows below the last line of dashes, line 14");
    expect_notes("a.dat", mrt("   1-  2 I2 --- a x\n   4-  5 2Q1 --- b y\n", "10 11\n"),
                 "line 10 describes no column with a known format, and is left out");
    peri_importopts_t o = {.format = "csv"}; /* a portal is always told one */
    refuse_with(&o, "a.csv", "<html>\n", 7, "web page");
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char *command = peri_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_value),         cmocka_unit_test(decimal_commas),
        cmocka_unit_test(units_and_dashes), cmocka_unit_test(names_in_comments),
        cmocka_unit_test(ecsv_of_gaia),     cmocka_unit_test(notes),
        cmocka_unit_test(journals),         cmocka_unit_test(no_tables),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
