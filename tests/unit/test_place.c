/* Places of the storage on the command line, and addresses of portals. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cli/place.h"
#include "cli/portals.h"

static void check(const char *s, const char *owner, const char *volume, const char *path,
                  const char *url)
{
    peri_place_t p;
    peri_err_t err = {0};
    assert_int_equal(peri_place_parse(s, true, &p, &err), 0);
    if (owner)
        assert_string_equal(p.owner, owner);
    else
        assert_null(p.owner);
    assert_string_equal(p.volume, volume);
    assert_string_equal(p.path, path);
    char *u = peri_place_url(&p, "me", "/files");
    assert_string_equal(u, url);
    free(u);
    peri_place_free(&p);
}

static void test_places(void **state)
{
    (void)state;
    check("persistent:halos/x.h5", NULL, "persistent", "halos/x.h5",
          "/files/me/persistent/halos/x.h5");
    check("persistent:", NULL, "persistent", "", "/files/me/persistent");
    check("persistent", NULL, "persistent", "", "/files/me/persistent");
    check("ana/scratch:/a//./b c/", "ana", "scratch", "a/b c",
          "/files/ana/scratch/a/b%20c");
    check("team:cosmo/shared:x:y", "team:cosmo", "shared", "x:y",
          "/files/team%3Acosmo/shared/x%3Ay");
    check("data:/tng:snap/0", "data:", "tng", "snap/0", "/files/data%3A/tng/snap/0");
    check("persistent:100%/#?", NULL, "persistent", "100%/#?",
          "/files/me/persistent/100%25/%23%3F");
    check("ana/v", "ana", "v", "", "/files/ana/v");
    check("v:a/...", NULL, "v", "a/...", "/files/me/v/a/...");
}

static void test_not_places(void **state)
{
    (void)state;
    static const char *const bad[] = {
        ":x",   "/a:b",   "./a:b", "a/b/c:d",   "",       "a b:c",  "v:../x", "v:a/../b",
        "-x:y", "v:\xff", "/v:x",  "team:/v:x", "a\nb:c", ".hid:x", "ana/:x", "v:a/.."};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        peri_place_t p;
        peri_err_t err = {0};
        assert_int_equal(peri_place_parse(bad[i], true, &p, &err), -1);
        assert_true(err.text[0] != '\0');
        assert_null(p.path);
    }
    assert_true(peri_place_is("persistent:x"));
    assert_true(peri_place_is("ana/v:"));
    assert_false(peri_place_is("persistent"));
    assert_false(peri_place_is("./persistent:x"));
    assert_false(peri_place_is("https://x/y"));
    assert_false(peri_place_is("/tmp/a:b"));
    assert_false(peri_place_is("halos/run/x:y"));
}

static void test_below(void **state)
{
    (void)state;
    peri_place_t p, q;
    assert_int_equal(peri_place_parse("team:c/v:", false, &p, NULL), 0);
    peri_place_below(&p, "x", &q);
    assert_string_equal(q.path, "x");
    assert_string_equal(peri_place_name(&p), "v");
    peri_place_free(&p);
    peri_place_below(&q, "y", &p);
    char *text = peri_place_text(&p);
    assert_string_equal(text, "team:c/v:x/y");
    assert_string_equal(peri_place_name(&p), "y");
    free(text);
    peri_place_free(&p);
    peri_place_free(&q);
}

static void test_urls(void **state)
{
    (void)state;
    static const struct {
        const char *given, *want;
    } t[] = {{"https://Perigee.Example.org/", "https://perigee.example.org"},
             {"perigee.example.org:8443", "https://perigee.example.org:8443"},
             {"https://x.org:443", "https://x.org"},
             {"http://127.0.0.1:8750", "http://127.0.0.1:8750"},
             {"http://localhost:80/", "http://localhost"},
             {"http://[::1]:8750", "http://[::1]:8750"},
             {"http://x.org", NULL},
             {"http://127.evil.org", NULL},
             {"https://ana:secret@x.org", NULL},
             {"https://x.org/portal", NULL},
             {"https://x.org/?a", NULL},
             {"ftp://x.org", NULL},
             {"file:///etc/passwd", NULL},
             {"", NULL}};
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        peri_err_t err = {0};
        char *url = peri_portal_url(t[i].given, &err);
        if (t[i].want) {
            assert_non_null(url);
            assert_string_equal(url, t[i].want);
        } else {
            assert_null(url);
            assert_int_equal(err.code, PERI_EINVAL);
        }
        free(url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places), cmocka_unit_test(test_not_places),
        cmocka_unit_test(test_below), cmocka_unit_test(test_urls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
