/* FITS tables and VOTables made by hand: types, values, and sentences for what is wrong.
 * Those that astropy makes are in tests/integration/test_load_astropy.py. */
#include "tests/unit/test_import_fixture.h"

#include "core/import/fitstable.h"

/* ---- FITS ---- */

/* Cards (each a line) behind those of any table, then data, both padded. */
static void put_fits(peri_buf_t *b, const char *kind, const char *cards, const char *data,
                     size_t n)
{
    static const char *const primary[] = {"SIMPLE  =                    T",
                                          "BITPIX  =                    8",
                                          "NAXIS   =                    0", "END"};
    for (size_t i = 0; i < 4; i++) peri_buf_printf(b, "%-80s", primary[i]);
    while (b->len % PERI_FITS_BLOCK) peri_buf_putc(b, ' ');
    peri_buf_printf(b, "XTENSION= '%-8s'%60s", kind, "");
    peri_buf_printf(b, "%-80s%-80s", "BITPIX  = 8", "NAXIS   = 2");
    for (const char *end; *cards; cards = end + 1) {
        end = strchr(cards, '\n');
        peri_buf_printf(b, "%-80.*s", (int)(end - cards), cards);
    }
    peri_buf_printf(b, "%-80s", "END");
    while (b->len % PERI_FITS_BLOCK) peri_buf_putc(b, ' ');
    peri_buf_append(b, data, n);
    while (b->len % PERI_FITS_BLOCK) peri_buf_putc(b, 0);
}

static void expect_fits(const char *kind, const char *cards, const char *data, size_t n,
                        const char *expected)
{
    peri_buf_t b;
    peri_err_t err = {0};
    peri_buf_init(&b, 1u << 20);
    put_fits(&b, kind, cards, data, n);
    char *path = put_file("a.fits", b.data, b.len);
    char *text = load(path, NULL, &err);
    const char *got = text ? text : err.text;
    if (text ? strcmp(got, expected) : !strstr(got, expected))
        fail_msg("\"%s\" instead of \"%s\"", got, expected);
    free(text);
    free(path);
    peri_buf_free(&b);
}

static void test_fits(void **state)
{
    (void)state;
    /* Standard columns: TNULL, the other sign, a quote, a long unit, a null string. */
    static const char cards[] = "NAXIS1  = 12\nNAXIS2  = 2\nPCOUNT  = 0\nGCOUNT  = 1\n"
                                "TFIELDS = 3\nTTYPE1  = 'it''s  '\nTFORM1  = 'J'\n"
                                "TNULL1  = -1\nTUNIT1  = 'k&'\nCONTINUE  'm/s '\n"
                                "TTYPE2  = 'u'\nTFORM2  = '1K'\nTSCAL2  = 1.0\n"
                                "TZERO2  =  9223372036854775808\nTFORM3  = '0A'\n";
    expect_fits(
        "BINTABLE", cards,
        "\0\0\0\7\x80\0\0\0\0\0\0\0\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 24,
        "it_s INTEGER [km/s], u UBIGINT, col3 VARCHAR|7,0,NULL|NULL,"
        "18446744073709551615,NULL");
    expect_fits("BINTABLE",
                "NAXIS1  = 16\nNAXIS2  = 1\nPCOUNT  = 4\nGCOUNT  = 1\nTFIELDS = 3\n"
                "TFORM1  = '4A'\nTFORM2  = '1PI(2)'\nTFORM3  = '2I'\n",
                "a\xe9 \0\0\0\0\2\0\0\0\0\0\1\0\2\xff\xff\0\5", 20,
                "col1 VARCHAR, col2 SMALLINT[], col3 SMALLINT[2]|a\xc3\xa9,[-1,5],[1,2]");
    /* The way of our own files. */
    expect_fits("BINTABLE",
                "NAXIS1  = 12\nNAXIS2  = 3\nPCOUNT  = 0\nGCOUNT  = 1\nTFIELDS = 2\n"
                "SQLTYPES= '{\"a b\":\"VARCHAR\",\"f\":\"FLOAT\"}'\n"
                "TTYPE1  = 'a b'\nTFORM1  = '8A'\nTTYPE2  = 'f'\n"
                "TFORM2  = 'E'\n",
                " \0......\x7f\xc0\x07\xa2\\u00e9 \0\x7f\xc0\0\0\0.......\x3f\x80\0\0",
                36, "a b VARCHAR, f FLOAT|,NULL|\xc3\xa9 ,nan|NULL,1.0");
    expect_fits("TABLE",
                "NAXIS1  = 10\nNAXIS2  = 2\nPCOUNT  = 0\nGCOUNT  = 1\nTFIELDS = 3\n"
                "TFORM1  = 'A3'\nTBCOL1  = 1\nTFORM2  = 'I3'\nTBCOL2  = 4\n"
                "TNULL2  = '---'\nTFORM3  = 'F4.1'\nTBCOL3  = 7\n",
                "ab  -7 1.5   ---  25", 20,
                "col1 VARCHAR, col2 INTEGER, col3 DOUBLE|ab,-7,1.5|,NULL,2.5");
}

static void test_fits_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *cards, *words;
    } wrong[] = {
        {"NAXIS1  = 4\nNAXIS2  = 1\nTFIELDS = 1\nTFORM1  = '1Y'\n", "TFORM \"1Y\""},
        {"NAXIS1  = 4\nNAXIS2  = 1\nTFIELDS = 1\n", "no TFORM"},
        {"NAXIS1  = 4\nNAXIS2  = 1\nTFIELDS = 1\nTFORM1  = '2J'\n",
         "more bytes than the 4"},
        {"NAXIS1  = 4\nNAXIS2  = 1\nTFIELDS = 1\nTFORM1  = '99999999999999999999J'\n",
         "too many elements"},
        {"NAXIS1  = 4\nNAXIS2  = 1000000\nTFIELDS = 1\nTFORM1  = 'J'\n", "truncated"},
        {"NAXIS1  = 0\nNAXIS2  = 1000000\nTFIELDS = 1\nTFORM1  = '0J'\n",
         "rows of 0 bytes"},
        {"NAXIS1  = 4\nNAXIS2  = 1\nTHEAP   = 2\nTFIELDS = 1\nTFORM1  = 'J'\n", "THEAP"},
        {"NAXIS1  = 4\nNAXIS2  = 1\nTFIELDS = 1\nTFORM1  = 'J'\nTNULL1  = 'x'\n",
         "TNULL"},
        {"NAXIS1  = 4\nNAXIS2  = 1\nTFIELDS = 1\nTFORM1  = 'L'\n",
         "0x78 where a logical"},
        {"NAXIS1  = 4\nNAXIS2  = x\nTFIELDS = 1\nTFORM1  = 'L'\n",
         "how long its data are"},
        {"NAXIS1  = 4\nNAXIS2  = 1\nTFIELDS = 1\nTFORM1  = 'J'\nZTABLE  = T\n",
         "by tiles"},
        {"NAXIS1  = 8\nNAXIS2  = 1\nPCOUNT  = 0\nTFIELDS = 1\nTFORM1  = '1PJ'\n",
         "outside of the table's heap"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_fits("BINTABLE", wrong[i].cards, "xxxxxxxx", 8, wrong[i].words);
}

/* ---- VOTable ---- */

#define DOCUMENT(FIELDS, DATA)                                                           \
    "<VOTABLE><RESOURCE><TABLE>" FIELDS "<DATA>" DATA                                    \
    "</DATA></TABLE></RESOURCE></VOTABLE>"

static void test_votable(void **state)
{
    (void)state;
    expect(
        "a.vot",
        DOCUMENT("<FIELD name='a b' datatype='int' unit='m/s'><VALUES null='-1'/></FIELD>"
                 "<FIELD ID='s' datatype='char' arraysize='*'/>"
                 "<FIELD name='v' datatype='float' arraysize='2'/>"
                 "<FIELD name='l' datatype='short' arraysize='2x*'/>",
                 "<TABLEDATA><TR><TD>-1</TD><TD>&lt;x&gt; \xc3\xa9</TD><TD>1 NaN</TD>"
                 "<TD>1 2\n3 4</TD></TR><TR><TD> 0x10 </TD><TD/><TD></TD><TD/></TR>"
                 "</TABLEDATA>"),
        "a_b INTEGER [m/s], s VARCHAR, v FLOAT[2], l SMALLINT[]|NULL,<x> \xc3\xa9,"
        "[1.0,\"NaN\"],[1,2,3,4]|16,NULL,NULL,NULL");
    /* Rows: 80 0000 00000001 4E94 | 00 0007 00000002 D83D DE00 */
    expect("b.xml",
           DOCUMENT("<FIELD name='i' datatype='short'/>"
                    "<FIELD name='s' datatype='unicodeChar' arraysize='*'/>",
                    "<BINARY2><STREAM encoding='base64'>gAAAAAAA\nAU6UAAAH AAAAAtg93gA="
                    "</STREAM></BINARY2>"),
           "i SMALLINT, s VARCHAR|NULL,\xe4\xba\x94|7,\xf0\x9f\x98\x80");
    /* The same bytes without bits for NULL are other rows. */
    expect("c.vot",
           DOCUMENT("<FIELD name='i' datatype='unsignedByte'/>"
                    "<FIELD name='c' datatype='char' arraysize='2'/>",
                    "<BINARY><STREAM encoding='base64'>AWEAAmJj</STREAM></BINARY>"),
           "i UTINYINT, c VARCHAR|1,a|2,bc");
    expect("d.vot", DOCUMENT("<FIELD name='i' datatype='int'/>", ""), "i INTEGER");
}

static void test_votable_wrong(void **state)
{
    (void)state;
    refuse("a.vot", "<VOTABLE", "truncated");
    refuse("a.vot", "<VOTABLE></RESOURCE>", "mismatched tag");
    refuse("a.vot", "<!DOCTYPE VOTABLE [<!ENTITY a 'b'>]><VOTABLE/>", "entities");
    refuse("a.vot", "<VOTABLE/>", "no table with FIELDs");
    refuse("a.vot", DOCUMENT("<FIELD name='i' datatype='long long'/>", ""), "datatype");
    refuse("a.vot",
           DOCUMENT("<FIELD name='i' datatype='int'/>",
                    "<TABLEDATA><TR><TD>x</TD></TR></TABLEDATA>"),
           "row 1 of");
    refuse("a.vot",
           DOCUMENT("<FIELD name='i' datatype='int'/>",
                    "<BINARY><STREAM encoding='base64'>AAAAAQA=</STREAM></BINARY>"),
           "within row 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_fits_wrong),
        cmocka_unit_test(test_votable),
        cmocka_unit_test(test_votable_wrong),
    };
    if (!mkdtemp(folder)) return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    peri_folder_sweep(folder);
    return rc;
}
