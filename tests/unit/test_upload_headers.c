/* Unit tests of portal/storage/upload_proto: the headers of tus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "portal/storage/upload_proto.h"

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"2147483648", 2147483648},
        {"007", 7},
        {"", -1},
        {"-1", -1},
        {"+1", -1},
        {" 1", -1},
        {"1 ", -1},
        {"1.5", -1},
        {"0x10", -1},
        {"1e3", -1},
        {"70368744177664", 70368744177664},
        {"70368744177665", -1},
        {"18446744073709551616", -1},
        {"99999999999999999999999", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t v = -1;
        peri_err_t err = {0};
        int rc = peri_upload_number("Upload-Length", cases[i].text, strlen(cases[i].text),
                                    &v, &err);
        if (rc != (cases[i].value < 0 ? -1 : 0) || v != cases[i].value)
            fail_msg("\"%s\": %d, %lld", cases[i].text, rc, (long long)v);
        if (rc) assert_non_null(strstr(err.text, "Upload-Length"));
    }
}

static void test_base64(void **state)
{
    (void)state;
    peri_arena_t *a = peri_arena_new();
    uint8_t data[70], back[80];
    for (size_t i = 0; i < sizeof(data); i++) data[i] = (uint8_t)(i * 37 + 250);
    for (size_t n = 0; n <= sizeof(data); n++) {
        char *text = peri_base64_encode(a, data, n);
        assert_int_equal(strlen(text), (n + 2) / 3 * 4);
        assert_int_equal(peri_base64_decode(text, strlen(text), back), n);
        assert_memory_equal(data, back, n);
        size_t bare = strcspn(text, "=");
        assert_int_equal(peri_base64_decode(text, bare, back), n);
    }
    assert_string_equal(peri_base64_encode(a, "foobar", 6), "Zm9vYmFy");
    static const char *const bad[] = {"A",    "AB=",  "A===", "====", "AB==C", "Zm9v=",
                                      "Z m9", "Zh==", "Zm9=", "Zm9-", "Zm9_"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (peri_base64_decode(bad[i], strlen(bad[i]), back) >= 0)
            fail_msg("\"%s\" was taken", bad[i]);
    peri_arena_free(a);
}

static int metadata(peri_arena_t *a, const char *s, peri_uploadmeta_t *m, peri_err_t *err)
{
    /* No NUL behind it: a sanitizer sees a byte too far. */
    char *copy = malloc(strlen(s) + 1);
    memcpy(copy, s, strlen(s));
    int rc = peri_upload_metadata(a, copy, strlen(s), m, err);
    free(copy);
    return rc;
}

static void test_metadata(void **state)
{
    (void)state;
    peri_arena_t *a = peri_arena_new();
    peri_uploadmeta_t m;
    peri_err_t err = {0};
    /* halos/z0 ä.h5, bob/persistent */
    assert_int_equal(
        metadata(a,
                 "filename aGFsb3MvejAgw6QuaDU=,volume Ym9iL3BlcnNpc3RlbnQ=,"
                 "filetype YXBwbGljYXRpb24vanNvbg==, is_secret,overwrite dHJ1ZQ==",
                 &m, &err),
        0);
    assert_string_equal(m.filename, "halos/z0 \xc3\xa4.h5");
    assert_string_equal(m.volume, "bob/persistent");
    assert_true(m.overwrite);
    assert_int_equal(m.sum.kind, PERI_SUM_NONE);

    assert_int_equal(metadata(a, "", &m, &err), 0);
    assert_null(m.filename);
    assert_false(m.overwrite);
    assert_int_equal(metadata(a, "overwrite", &m, &err), 0);
    assert_true(m.overwrite);
    assert_int_equal(metadata(a, "overwrite ZmFsc2U=", &m, &err), 0);
    assert_false(m.overwrite);
    /* md5:d41d8cd98f00b204e9800998ecf8427e */
    assert_int_equal(metadata(a,
                              "checksum bWQ1OmQ0MWQ4Y2Q5OGYwMGIyMDRlOTgwMDk5OGVjZjg0Mjdl",
                              &m, &err),
                     0);
    assert_int_equal(m.sum.kind, PERI_SUM_MD5);
    assert_true(m.sum_known);
    assert_int_equal(m.sum.bytes[15], 0x7e);

    /* sha256: it will be told later */
    assert_int_equal(metadata(a, "checksum c2hhMjU2", &m, &err), 0);
    assert_int_equal(m.sum.kind, PERI_SUM_SHA256);
    assert_false(m.sum_known);

    static const char *const bad[] = {
        "filename *",                  /* not base64 */
        "filename YQBi",               /* a NUL in it */
        "filename w6R/wyg=",           /* not UTF-8 */
        "filename YQ==,filename YQ==", /* twice */
        ",filename YQ==",              /* no key */
        "filename YQ== YQ==",          /* two values */
        "overwrite bWF5YmU=",          /* maybe */
        "checksum YWJj",               /* abc */
        "checksum bWQ1OmQ0",           /* too short */
        "a\tb YQ==",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err = (peri_err_t){0};
        if (metadata(a, bad[i], &m, &err) == 0) fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(err.code, PERI_EINVAL);
        assert_true(err.text[0]);
    }

    char many[1024] = "";
    for (int i = 0; i < PERI_UPLOAD_META_KEYS; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many),
                 "%sk%d YQ==", i ? "," : "", i);
    assert_int_equal(metadata(a, many, &m, &err), 0);
    strcat(many, ",more YQ==");
    assert_int_equal(metadata(a, many, &m, &err), -1);

    char *big = malloc(PERI_UPLOAD_META_MAX + 2);
    memset(big, 'A', PERI_UPLOAD_META_MAX + 1);
    big[PERI_UPLOAD_META_MAX + 1] = '\0';
    assert_int_equal(metadata(a, big, &m, &err), -1);
    free(big);
    peri_arena_free(a);
}

static void test_checksum_header(void **state)
{
    (void)state;
    peri_sum_t sum;
    peri_err_t err = {0};
    char text[PERI_SUM_TEXT];
    const char *good = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="; /* of "hello world" */
    assert_int_equal(peri_upload_checksum(good, strlen(good), &sum, &err), 0);
    peri_sum_format(&sum, text);
    assert_string_equal(text, "sha1:2aae6c35c94fcfb415dbe95f408b9ce91ee846ed");
    peri_sum_t back;
    assert_int_equal(peri_sum_parse(text, strlen(text), &back, &err), 0);
    assert_true(peri_sum_same(&sum, &back));

    static const char *const bad[] = {"",
                                      "sha1",
                                      "sha1 ",
                                      "sha1 Kq5s",
                                      "crc32 AAAA",
                                      "sha1  A",
                                      "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
                                      "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (peri_upload_checksum(bad[i], strlen(bad[i]), &sum, &err) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
}

static void test_dates(void **state)
{
    (void)state;
    char text[PERI_HTTP_DATE];
    peri_http_date(0, text);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    peri_http_date(1403712000.9, text);
    assert_string_equal(text, "Wed, 25 Jun 2014 16:00:00 GMT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_base64),
        cmocka_unit_test(test_metadata), cmocka_unit_test(test_checksum_header),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
