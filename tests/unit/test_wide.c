/* Wide numbers out of text: every edge of the types and of how people write numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "core/engine/wide.h"
#include "core/out/number.h"

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define NINES38     "99999999999999999999999999999999999999"
#define ZEROS40     "0000000000000000000000000000000000000000"
#define MAX127      "170141183460469231731687303715884105727"
#define MIN127      "-170141183460469231731687303715884105728"
#define MAX128      "340282366920938463463374607431768211455"
#define PAST_MAX128 "340282366920938463463374607431768211456"

static peri_wide_t wide_of(const char *sql_type)
{
    peri_wide_t w;
    const peri_column_t c = {.type = PERI_T_STR, .width = 1, .sql_type = sql_type};
    if (!peri_wide_type(&c, &w)) fail_msg("%s", sql_type);
    return w;
}

/* In memory that ends with the text, for the sanitizer. */
static bool parse(const peri_wide_t *w, const char *text, size_t len, void *out)
{
    char *copy = peri_xmalloc(len ? len : 1);
    memcpy(copy, text, len);
    const bool ok = peri_wide_parse(w, copy, len, out);
    free(copy);
    return ok;
}

/* The value as text again; "none" if there is none. */
static const char *read_back(const char *sql_type, const char *text, size_t len,
                             char out[PERI_NUM_MAX + 1])
{
    const peri_wide_t w = wide_of(sql_type);
    union {
        int16_t i16;
        int32_t i32;
        int64_t i64;
        __int128 i128;
        unsigned char bytes[24];
    } v;
    memset(v.bytes, 0xAA, sizeof(v.bytes));
    const bool ok = parse(&w, text, len, v.bytes);
    for (size_t i = ok ? w.size : 0; i < sizeof(v.bytes); i++)
        assert_int_equal(v.bytes[i], 0xAA);
    if (!ok) return "none";
    const __int128 value = w.size == 2   ? v.i16
                           : w.size == 4 ? v.i32
                           : w.size == 8 ? v.i64
                                         : v.i128;
    char *end = w.is_unsigned ? peri_num_u128(out, (unsigned __int128)value)
                : w.width     ? peri_num_decimal(out, value, w.scale)
                              : peri_num_i128(out, value);
    *end = '\0';
    return out;
}

static void expect(const char *sql_type, const char *text, size_t len, const char *want)
{
    char out[PERI_NUM_MAX + 1];
    const char *got = read_back(sql_type, text, len, out);
    if (strcmp(got, want) != 0)
        fail_msg("'%s' as %s: %s, not %s", text, sql_type, got, want);
}

static void numbers(void **unused)
{
    (void)unused;
    static const struct {
        const char *type, *text, *want;
    } v[] = {
        /* signs, zeros, points */
        {"DECIMAL(4,1)", "999.9", "999.9"},
        {"DECIMAL(4,1)", "-999.9", "-999.9"},
        {"DECIMAL(4,1)", "+1.5", "1.5"},
        {"DECIMAL(4,1)", "-0", "0.0"},
        {"DECIMAL(4,1)", "-0.1", "-0.1"},
        {"DECIMAL(4,1)", "7.", "7.0"},
        {"DECIMAL(4,1)", ".7", "0.7"},
        {"DECIMAL(4,1)", "-.7", "-0.7"},
        {"DECIMAL(4,1)", ZEROS40 "12.3", "12.3"},
        {"DECIMAL(4,4)", ".9999", "0.9999"},
        {"DECIMAL(4,4)", "1", "none"},
        {"DECIMAL(9,3)", "-999999.999", "-999999.999"},
        {"DECIMAL(18,0)", "999999999999999999", "999999999999999999"},
        {"DECIMAL(18,18)", "-0.999999999999999999", "-0.999999999999999999"},
        {"DECIMAL(19,0)", "9999999999999999999", "9999999999999999999"},
        {"DECIMAL(38,0)", NINES38, NINES38},
        {"DECIMAL(38,0)", "-" NINES38, "-" NINES38},
        {"DECIMAL(38,38)", "0." NINES38, "0." NINES38},
        {"DECIMAL(38,38)", "-." NINES38, "-0." NINES38},
        {"DECIMAL(38,10)", "0.0000000001", "0.0000000001"},
        /* other digits after the point than the type has */
        {"DECIMAL(38,10)", "5", "5.0000000000"},
        {"DECIMAL(38,10)", "5.25", "5.2500000000"},
        {"DECIMAL(4,1)", "1.5" ZEROS40, "1.5"},
        {"DECIMAL(4,1)", "1." ZEROS40, "1.0"},
        {"DECIMAL(4,1)", "1.55", "none"},
        {"DECIMAL(4,1)", "0." ZEROS40 "1", "none"},
        /* too large */
        {"DECIMAL(4,1)", "1000", "none"},
        {"DECIMAL(4,1)", "-1000.0", "none"},
        {"DECIMAL(9,0)", "1000000000", "none"},
        {"DECIMAL(18,0)", "-1000000000000000000", "none"},
        {"DECIMAL(38,0)", "1" ZEROS40, "none"},
        {"DECIMAL(38,0)", "100000000000000000000000000000000000000", "none"},
        {"DECIMAL(38,1)", NINES38, "none"},
        {"DECIMAL(38,0)", NINES38 NINES38, "none"},
        /* powers of ten */
        {"DECIMAL(38,10)", "0E-10", "0.0000000000"},
        {"DECIMAL(38,10)", "0e99999999999999999999", "0.0000000000"},
        {"DECIMAL(38,10)", "1E+3", "1000.0000000000"},
        {"DECIMAL(38,10)", "-12.5e-2", "-0.1250000000"},
        {"DECIMAL(4,0)", "1500e-2", "15"},
        {"DECIMAL(4,0)", "1500e-3", "none"},
        {"DECIMAL(38,0)", "1e37", "10000000000000000000000000000000000000"},
        {"DECIMAL(38,0)", "1e38", "none"},
        {"DECIMAL(38,0)", "1e39", "none"},
        {"DECIMAL(38,0)", "1e99999999999999999999", "none"},
        {"DECIMAL(38,0)", "1e-99999999999999999999", "none"},
        /* integers */
        {"HUGEINT", MAX127, MAX127},
        {"HUGEINT", MIN127, MIN127},
        {"HUGEINT", "170141183460469231731687303715884105728", "none"},
        {"HUGEINT", "-170141183460469231731687303715884105729", "none"},
        {"HUGEINT", MAX128, "none"},
        {"HUGEINT", "-1", "-1"},
        {"HUGEINT", "1.5", "none"},
        {"UHUGEINT", MAX128, MAX128},
        {"UHUGEINT", "000" MAX128 ".0", MAX128},
        {"UHUGEINT", PAST_MAX128, "none"},
        {"UHUGEINT", "999999999999999999999999999999999999999", "none"},
        {"UHUGEINT", MAX128 "0", "none"},
        {"UHUGEINT", "-0", "0"},
        {"UHUGEINT", "-1", "none"},
        /* blanks around it */
        {"DECIMAL(4,1)", "  12.5 \t\r\n", "12.5"},
        {"DECIMAL(4,1)", "1 2", "none"},
        {"DECIMAL(4,1)", "- 1", "none"},
        /* no number */
        {"DECIMAL(4,1)", "", "none"},
        {"DECIMAL(4,1)", "   ", "none"},
        {"DECIMAL(4,1)", "-", "none"},
        {"DECIMAL(4,1)", "+", "none"},
        {"DECIMAL(4,1)", ".", "none"},
        {"DECIMAL(4,1)", "-.", "none"},
        {"DECIMAL(4,1)", "+-1", "none"},
        {"DECIMAL(4,1)", "1-", "none"},
        {"DECIMAL(4,1)", "1.2.3", "none"},
        {"DECIMAL(4,1)", "1,5", "none"},
        {"DECIMAL(4,1)", "1_0", "none"},
        {"DECIMAL(4,1)", "0x1", "none"},
        {"DECIMAL(4,1)", "1e", "none"},
        {"DECIMAL(4,1)", "1e+", "none"},
        {"DECIMAL(4,1)", "e1", "none"},
        {"DECIMAL(4,1)", ".e1", "none"},
        {"DECIMAL(4,1)", "1e1.0", "none"},
        {"DECIMAL(4,1)", "nan", "none"},
        {"DECIMAL(4,1)", "inf", "none"},
        {"DECIMAL(4,1)", "\xd9\xa1", "none"}, /* a digit, in Arabic */
    };
    for (size_t i = 0; i < COUNT(v); i++)
        expect(v[i].type, v[i].text, strlen(v[i].text), v[i].want);
}

static void padding(void **unused)
{
    (void)unused;
    expect("DECIMAL(4,1)", "12.5\0\0\0", 7, "12.5");
    expect("DECIMAL(4,1)", "12.5 \0 \0", 8, "12.5");
    expect("DECIMAL(4,1)", "\0\0\0", 3, "none");
    expect("DECIMAL(4,1)",
           "1\0"
           "2",
           3, "none");
    expect("DECIMAL(4,1)",
           "\0"
           "1",
           2, "none");
    expect("DECIMAL(4,1)", "12.59", 4, "12.5"); /* what is behind it does not count */
}

/* As many zeros as the exponent takes back, and a larger exponent. */
static void long_texts(void **unused)
{
    (void)unused;
    char text[20040];
    memset(text, '0', sizeof(text));
    text[0] = '.';
    strcpy(text + 20000, "1e20000");
    expect("DECIMAL(4,1)", text, strlen(text), "1.0");
    strcpy(text + 20000, "1e20003");
    expect("DECIMAL(4,1)", text, strlen(text), "none");
    strcpy(text + 20000, "1e99999999999999999999");
    expect("DECIMAL(4,1)", text, strlen(text), "none");
}

/* What we write comes back: values of every length, with every scale. */
static void round_trip(void **unused)
{
    (void)unused;
    uint64_t seed = 1;
    for (unsigned width = 1; width <= 38; width++) {
        for (unsigned scale = 0; scale <= width; scale++) {
            char type[32], text[PERI_NUM_MAX + 1], out[PERI_NUM_MAX + 1];
            snprintf(type, sizeof(type), "DECIMAL(%u,%u)", width, scale);
            __int128 v = 0;
            for (unsigned digits = 0; digits <= width; digits++) {
                *peri_num_decimal(text, digits % 2 ? v : -v, scale) = '\0';
                assert_string_equal(read_back(type, text, strlen(text), out), text);
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                if (digits < width) v = 10 * v + (int)((seed >> 33) % 10);
            }
        }
    }
}

static void types(void **unused)
{
    (void)unused;
    static const struct {
        const char *sql_type;
        peri_type_t type;
        uint32_t width;
        unsigned size; /* 0: no such type */
    } v[] = {{"DECIMAL(1,0)", PERI_T_STR, 1, 2},
             {"DECIMAL(4,4)", PERI_T_STR, 1, 2},
             {"DECIMAL(5,0)", PERI_T_STR, 1, 4},
             {"DECIMAL(9,2)", PERI_T_STR, 1, 4},
             {"DECIMAL(10,2)", PERI_T_STR, 1, 8},
             {"DECIMAL(18,3)", PERI_T_STR, 1, 8},
             {"DECIMAL(19,3)", PERI_T_STR, 1, 16},
             {"DECIMAL(38,38)", PERI_T_STR, 1, 16},
             {"HUGEINT", PERI_T_STR, 1, 16},
             {"UHUGEINT", PERI_T_STR, 1, 16},
             {"DECIMAL(39,3)", PERI_T_STR, 1, 0},
             {"DECIMAL(3,4)", PERI_T_STR, 1, 0},
             {"DECIMAL(100,3)", PERI_T_STR, 1, 0},
             {"DECIMAL(-1,3)", PERI_T_STR, 1, 0},
             {"DECIMAL(18,3)[2]", PERI_T_STR, 1, 0},
             {"DECIMAL(18,3)x", PERI_T_STR, 1, 0},
             {"DECIMAL(18,3)", PERI_T_F64, 1, 0},
             {"DECIMAL(18,3)", PERI_T_STR, 2, 0},
             {"HUGEINT", PERI_T_I64, 1, 0},
             {"UUID", PERI_T_STR, 1, 0},
             {"", PERI_T_STR, 1, 0},
             {NULL, PERI_T_STR, 1, 0}};
    for (size_t i = 0; i < COUNT(v); i++) {
        peri_wide_t w = {0};
        const peri_column_t c = {
            .type = v[i].type, .width = v[i].width, .sql_type = v[i].sql_type};
        const bool is = peri_wide_type(&c, &w);
        if (is != (v[i].size > 0) || (is && w.size != v[i].size))
            fail_msg("%s", v[i].sql_type ? v[i].sql_type : "NULL");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers), cmocka_unit_test(padding),
        cmocka_unit_test(long_texts), cmocka_unit_test(round_trip),
        cmocka_unit_test(types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
