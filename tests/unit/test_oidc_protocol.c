/* Unit tests of portal/account/oidc_protocol: addresses, discovery, requests, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "portal/account/oidc_protocol.h"

#define ISSUER "https://id.example.org/realm"
#define META                                                                             \
    "\"issuer\":\"" ISSUER "\","                                                         \
    "\"authorization_endpoint\":\"https://id.example.org/auth\","                        \
    "\"token_endpoint\":\"https://id.example.org/token\","                               \
    "\"jwks_uri\":\"https://keys.example.org/jwks\""

static peri_arena_t *arena;

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"https://a.org", "https://a.org:8443/x?y=z",
                                       "https://[2001:db8::1]/"};
    static const char *const local[] = {"http://127.0.0.1:80/x", "http://localhost/",
                                        "http://[::1]:8080"};
    static const char *const bad[] = {"",
                                      "a.org",
                                      "http://a.org",
                                      "ftp://a.org",
                                      "https://",
                                      "https://u@a.b",
                                      "https://u:p@a.org",
                                      "https://a.org/#x",
                                      "file:///x",
                                      "https://a b",
                                      "http://127.0.0.1.a.b/",
                                      "http://127.0.0.2/",
                                      "https://a.org/\n",
                                      "http://localhost.a.org",
                                      "http://localhost@a.org/"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(peri_oidc_url_ok(good[i], false));
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        assert_true(peri_oidc_url_ok(local[i], true));
        assert_false(peri_oidc_url_ok(local[i], false));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (peri_oidc_url_ok(bad[i], true)) fail_msg("%s", bad[i]);
    assert_false(peri_oidc_url_ok(NULL, true));
    assert_string_equal(peri_oidc_discovery_url("https://a.org/x/", arena),
                        "https://a.org/x/.well-known/openid-configuration");
}

static void test_discovery(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says; /* NULL: it is good */
    } all[] = {
        {"{" META "}", NULL},
        {"{" META ",\"response_types_supported\":[\"id_token\"]}", "code flow"},
        {"{" META ",\"code_challenge_methods_supported\":[\"plain\"]}", "PKCE"},
        {"{" META ",\"userinfo_endpoint\":\"http://127.0.0.1/\"}", "not https"},
        {"{" META ",\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\"]}",
         "client secret"},
        {"{\"issuer\":\"https://id.example.org/realm/\"}", "calls itself"},
        {"{\"issuer\":\"" ISSUER "\"}", "authorization_endpoint"},
        {"{\"issuer\":7}", "calls itself nothing"},
        {"[]", "JSON object"},
        {"{", "JSON object"},
        {"", "JSON object"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        peri_oidcmeta_t m;
        peri_err_t err = {0};
        int rc = peri_oidcmeta_parse(all[i].text, strlen(all[i].text), ISSUER, arena, &m,
                                     &err);
        if (!all[i].says) {
            assert_int_equal(rc, 0);
            assert_string_equal(m.jwks, "https://keys.example.org/jwks");
            assert_null(m.userinfo);
            assert_false(m.secret_in_body || m.names_itself);
            continue;
        }
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, PERI_EFORMAT);
        if (!strstr(err.text, all[i].says)) fail_msg("%s: %s", all[i].text, err.text);
    }
}

static void test_authorize(void **state)
{
    (void)state;
    const peri_oidcmeta_t m = {.authorize = "https://id.example.org/auth"};
    peri_oidcask_t ask = {.client_id = "peri&gee",
                          .redirect_uri = "https://p.org/api/v1/sign-in/oidc/x/callback",
                          .scopes = "profile",
                          .state = "st",
                          .nonce = "no",
                          /* RFC 7636, appendix B */
                          .verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"};
    assert_string_equal(
        peri_oidc_authorize_url(&m, &ask, arena),
        "https://id.example.org/"
        "auth?response_type=code&client_id=peri%26gee&redirect_uri="
        "https%3A%2F%2Fp.org%2Fapi%2Fv1%2Fsign-in%2Foidc%2Fx%2Fcallback&scope=openid%20"
        "profile&state=st&nonce=no&code_challenge="
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw"
        "-cM&code_challenge_method=S256");
    const peri_oidcmeta_t q = {.authorize = "https://id.example.org/auth?tenant=7"};
    ask.scopes = "email openid";
    const char *url = peri_oidc_authorize_url(&q, &ask, arena);
    assert_non_null(strstr(url, "/auth?tenant=7&response_type=code&"));
    assert_non_null(strstr(url, "&scope=email%20openid&"));
}

static void test_token_request(void **state)
{
    (void)state;
    peri_oidcmeta_t m = {0};
    peri_oidcgrant_t g = {"a:b", "s e+c", "https://p.org/cb", "c&d", "ver"};
    const char *form, *auth;
    peri_oidc_token_request(&m, &g, arena, &form, &auth);
    assert_string_equal(auth, "Basic YSUzQWI6cyUyMGUlMkJj"); /* a%3Ab:s%20e%2Bc */
    assert_string_equal(form, "grant_type=authorization_code&code=c%26d&redirect_uri="
                              "https%3A%2F%2Fp.org%2Fcb&code_verifier=ver");
    m.secret_in_body = true;
    peri_oidc_token_request(&m, &g, arena, &form, &auth);
    assert_null(auth);
    assert_non_null(strstr(form, "&client_id=a%3Ab&client_secret=s%20e%2Bc"));
    g.secret = NULL;
    m.secret_in_body = false;
    peri_oidc_token_request(&m, &g, arena, &form, &auth);
    assert_null(auth);
    assert_non_null(strstr(form, "&client_id=a%3Ab"));
    assert_null(strstr(form, "client_secret"));
}

static void test_token_answer(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *text;
        int code; /* PERI_OK: good */
        const char *says;
    } all[] = {
        {200, "{\"id_token\":\"a.b.c\",\"access_token\":\"x\",\"token_type\":\"bearer\"}",
         PERI_OK, "x"},
        {200,
         "{\"id_token\":\"a.b.c\",\"access_token\":\"x\\r\\nA: b\",\"token_type\":"
         "\"Bearer\"}",
         PERI_OK, NULL},
        {200, "{\"id_token\":\"a.b.c\",\"access_token\":\"x\",\"token_type\":\"DPoP\"}",
         PERI_OK, NULL},
        {400, "{\"error\":\"invalid_grant\"}", PERI_EDENIED, "sign in again"},
        {401, "{\"error\":\"invalid_client\"}", PERI_EIO, "invalid_client"},
        {200, "{\"error\":\"a\\nb\"}", PERI_EIO, "a?b"},
        {200, "{}", PERI_EIO, "no ID token"},
        {200, "{\"id_token\":7}", PERI_EIO, "no ID token"},
        {502, "<html>", PERI_EIO, "status 502"},
        {500, "{\"id_token\":\"a.b.c\"}", PERI_EIO, "status 500"},
        {200, "", PERI_EIO, "no token"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *id = NULL, *access = NULL;
        peri_err_t err = {0};
        int rc = peri_oidc_token_answer(all[i].status, all[i].text, strlen(all[i].text),
                                        arena, &id, &access, &err);
        assert_int_equal(rc, all[i].code == PERI_OK ? 0 : -1);
        assert_int_equal(err.code, all[i].code);
        if (rc)
            assert_non_null(strstr(err.text, all[i].says));
        else if (all[i].says)
            assert_string_equal(access, all[i].says);
        else
            assert_null(access);
    }
}

static void test_callback(void **state)
{
    (void)state;
    static const struct {
        bool named;
        const char *iss, *error, *code;
        int result;
        const char *says;
    } all[] = {
        {false, NULL, NULL, "c", PERI_OK, ""},
        {false, ISSUER, NULL, "c", PERI_OK, ""},
        {true, ISSUER, NULL, "c", PERI_OK, ""},
        {true, NULL, NULL, "c", PERI_EDENIED, "not from the provider"},
        {false, ISSUER "/", NULL, "c", PERI_EDENIED, "not from the provider"},
        {false, "https://evil.org", "access_denied", NULL, PERI_EDENIED, "not from"},
        {false, NULL, "access_denied", NULL, PERI_EDENIED, "declined"},
        {false, NULL, "x\ny", "c", PERI_EDENIED, "(x?y)"},
        {false, NULL, NULL, NULL, PERI_EINVAL, "no code"},
        {false, NULL, NULL, "", PERI_EINVAL, "no code"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        peri_err_t err = {0};
        int rc = peri_oidc_callback_check(ISSUER, all[i].named, all[i].iss, all[i].error,
                                          all[i].code, &err);
        assert_int_equal(rc, all[i].result == PERI_OK ? 0 : -1);
        assert_int_equal(err.code, all[i].result);
        assert_non_null(strstr(err.text, all[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),    cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_authorize),    cmocka_unit_test(test_token_request),
        cmocka_unit_test(test_token_answer), cmocka_unit_test(test_callback),
    };
    arena = peri_arena_new();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    peri_arena_free(arena);
    return rc;
}
