/* Unit tests of portal/account/oidc_token: real and forged ID tokens, odd key sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjose/cjose.h>
#include <jansson.h>
#include <sodium.h>

#include "core/base/util.h"
#include "portal/account/oidc_token.h"

#define NOW 1800000000.0
#define CLAIMS                                                                           \
    "{\"iss\":\"https://id.example.org\",\"aud\":\"perigee\",\"sub\":\"u-17\","          \
    "\"nonce\":\"n-1\",\"iat\":1799999990,\"exp\":1800000300,"                           \
    "\"preferred_username\":\"ana\",\"name\":\"Ana L\\u00f3pez\","                       \
    "\"email\":\"ana@example.org\",\"email_verified\":true}"

static const peri_idwant_t want = {"https://id.example.org", "perigee", "n-1", NOW};

static struct {
    cjose_jwk_t *rsa, *rsa2, *ec, *small, *shared;
    peri_arena_t *arena;
} f;

/* ---- making tokens ---- */

static char *sign(cjose_jwk_t *key, const char *alg, const char *kid, const char *more,
                  const char *claims)
{
    cjose_err e;
    const char *text;
    cjose_header_t *h = cjose_header_new(&e);
    assert_true(cjose_header_set(h, CJOSE_HDR_ALG, alg, &e));
    if (kid) assert_true(cjose_header_set(h, CJOSE_HDR_KID, kid, &e));
    if (more) assert_true(cjose_header_set(h, more, "x", &e));
    cjose_jws_t *jws =
        cjose_jws_sign(key, h, (const uint8_t *)claims, strlen(claims), &e);
    if (!jws) fail_msg("cannot sign with %s: %s", alg, e.message);
    assert_true(cjose_jws_export(jws, &text, &e));
    char *copy = peri_xstrdup(text);
    cjose_jws_release(jws);
    cjose_header_release(h);
    return copy;
}

static char *b64(const char *s, size_t n)
{
    size_t size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *out = peri_xmalloc(size);
    return sodium_bin2base64(out, size, (const unsigned char *)s, n,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static char *raw(const char *header, const char *claims, const char *sig)
{
    char *h = b64(header, strlen(header)), *c = b64(claims, strlen(claims));
    char *s = b64(sig, strlen(sig));
    char *out = peri_xasprintf("%s.%s.%s", h, c, s);
    free(h);
    free(c);
    free(s);
    return out;
}

/* ---- making key sets ---- */

static json_t *public_key(cjose_jwk_t *key, const char *kid, const char *more)
{
    cjose_err e;
    char *text = cjose_jwk_to_json(key, false, &e);
    json_t *o = json_loads(text, 0, NULL);
    free(text);
    if (kid)
        json_object_set_new(o, "kid", json_string(kid));
    else
        json_object_del(o, "kid");
    if (more) {
        json_t *m = json_loads(more, 0, NULL);
        assert_non_null(m);
        json_object_update(o, m);
        json_decref(m);
    }
    return o;
}

static peri_jwks_t *set_of(json_t *a, json_t *b, json_t *c)
{
    peri_err_t err = {0};
    json_t *keys = json_array(), *set;
    if (a) json_array_append_new(keys, a);
    if (b) json_array_append_new(keys, b);
    if (c) json_array_append_new(keys, c);
    set = json_pack("{s:o}", "keys", keys);
    char *text = json_dumps(set, 0);
    peri_jwks_t *s = peri_jwks_parse(text, strlen(text), &err);
    if (!s) fail_msg("%s", err.text);
    free(text);
    json_decref(set);
    return s;
}

/* Two RSA keys and one of P-256. */
static peri_jwks_t *usual_set(void)
{
    return set_of(public_key(f.rsa, "r1", "{\"use\":\"sig\",\"alg\":\"RS256\"}"),
                  public_key(f.rsa2, "r2", NULL), public_key(f.ec, "e1", NULL));
}

static int verify(const peri_jwks_t *keys, char *token, peri_idclaims_t *c,
                  peri_err_t *err)
{
    int rc = peri_idtoken_verify(keys, token, strlen(token), &want, f.arena, c, err);
    if (rc) assert_true(*err->text);
    free(token);
    return rc;
}

static void refused_by(const peri_jwks_t *keys, char *token, peri_code_t code,
                       const char *says)
{
    peri_idclaims_t c;
    peri_err_t err = {0};
    assert_int_equal(verify(keys, token, &c, &err), -1);
    if (err.code != code || !strstr(err.text, says))
        fail_msg("\"%s\" (code %d), not \"%s\"", err.text, err.code, says);
}

static void refused(char *token, const char *says)
{
    peri_jwks_t *keys = usual_set();
    refused_by(keys, token, PERI_EDENIED, says);
    peri_jwks_free(keys);
}

/* CLAIMS with some of them changed (a JSON object; null removes). */
static char *claims_with(const char *changes)
{
    json_t *o = json_loads(CLAIMS, 0, NULL), *c = json_loads(changes, 0, NULL), *v;
    const char *k;
    assert_non_null(c);
    json_object_foreach(c, k, v) if (json_is_null(v)) json_object_del(o, k);
    else json_object_set(o, k, v);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    json_decref(c);
    return text;
}

static char *signed_with(const char *changes)
{
    char *c = claims_with(changes);
    char *t = sign(f.rsa, "RS256", "r1", NULL, c);
    free(c);
    return t;
}

/* ---- tests ---- */

static void test_good(void **state)
{
    (void)state;
    const struct {
        cjose_jwk_t *key;
        const char *alg, *kid;
    } all[] = {{f.rsa, "RS256", "r1"},  {f.rsa2, "RS384", "r2"}, {f.rsa2, "RS512", "r2"},
               {f.rsa2, "PS256", "r2"}, {f.rsa2, "PS512", "r2"}, {f.ec, "ES256", "e1"},
               {f.ec, "ES256", NULL} /* the only key of its kind */};
    peri_jwks_t *keys = usual_set();
    assert_int_equal(peri_jwks_count(keys), 3);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        peri_idclaims_t c;
        peri_err_t err = {0};
        if (verify(keys, sign(all[i].key, all[i].alg, all[i].kid, NULL, CLAIMS), &c,
                   &err))
            fail_msg("%s: %s", all[i].alg, err.text);
        assert_string_equal(c.subject, "u-17");
        assert_string_equal(c.preferred_username, "ana");
        assert_string_equal(c.full_name, "Ana L\xc3\xb3pez");
        assert_string_equal(c.email, "ana@example.org");
    }
    peri_jwks_free(keys);
}

static void test_forged_signature(void **state)
{
    (void)state;
    refused(sign(f.rsa2, "RS256", "r1", NULL, CLAIMS), "signature");
    refused(sign(f.rsa, "PS256", "r1", NULL, CLAIMS), "not one for PS256");
    refused(sign(f.ec, "ES256", "r1", NULL, CLAIMS), "not one for ES256");
    /* one claim of a good token is changed */
    char *good = sign(f.rsa, "RS256", "r1", NULL, CLAIMS);
    char *other = sign(f.rsa, "RS256", "r1", NULL, "{\"sub\":\"root\"}");
    char *mixed = peri_xasprintf("%.*s.%s", (int)(strrchr(other, '.') - other), other,
                                 strrchr(good, '.') + 1);
    refused(mixed, "signature");
    /* every bit of the signature counts, and its length */
    for (size_t i = strlen(good) - 300; i < strlen(good) - 1; i += 37) {
        char *t = peri_xstrdup(good);
        t[i] = t[i] == 'A' ? 'B' : 'A';
        refused(t, "signature");
    }
    refused(peri_xasprintf("%.*s", (int)strlen(good) - 4, good), "signature");
    refused(peri_xasprintf("%sAAAA", good), "signature");
    free(good);
    free(other);
}

static void test_algorithms(void **state)
{
    (void)state;
    refused(raw("{\"alg\":\"none\"}", CLAIMS, "x"), "\"none\"");
    refused(raw("{\"alg\":\"None\",\"kid\":\"r1\"}", CLAIMS, "x"), "\"None\"");
    refused(raw("{\"kid\":\"r1\"}", CLAIMS, "x"), "no algorithm");
    refused(raw("{\"alg\":[\"RS256\"]}", CLAIMS, "x"), "no algorithm");
    refused(raw("{\"alg\":\"RS256\",\"alg\":\"none\",\"kid\":\"r1\"}", CLAIMS, "x"),
            "header");
    char *none = raw("{\"alg\":\"none\"}", CLAIMS, "x");
    strrchr(none, '.')[1] = '\0';
    refused(none, "three parts");
    refused(sign(f.shared, "HS256", "r1", NULL, CLAIMS), "\"HS256\"");
    refused(sign(f.rsa, "RS256", "r1", "crit", CLAIMS), "extensions");
    refused(sign(f.rsa, "RS256", "r1", "typ", CLAIMS), "another kind");
}

/* The public key, whose text everybody has, as the secret of HS256. */
static void test_public_key_as_secret(void **state)
{
    (void)state;
    cjose_err e;
    json_t *jwk = public_key(f.rsa, NULL, NULL);
    char *text = json_dumps(jwk, JSON_COMPACT);
    cjose_jwk_t *oct = cjose_jwk_create_oct_spec((uint8_t *)text, strlen(text), &e);
    refused(sign(oct, "HS256", NULL, NULL, CLAIMS), "\"HS256\"");
    /* and as a key of the set, which is no key for us */
    char *k = b64(text, strlen(text));
    peri_jwks_t *keys = set_of(json_pack("{s:s, s:s, s:s, s:s}", "kty", "oct", "kid", "h",
                                         "k", k, "alg", "RS256"),
                               public_key(f.rsa, "r1", NULL), NULL);
    assert_int_equal(peri_jwks_count(keys), 1);
    refused_by(keys, sign(oct, "HS256", "h", NULL, CLAIMS), PERI_EDENIED, "\"HS256\"");
    peri_jwks_free(keys);
    cjose_jwk_release(oct);
    free(k);
    free(text);
    json_decref(jwk);
}

static void test_keys(void **state)
{
    (void)state;
    peri_idclaims_t c;
    peri_err_t err = {0};
    peri_jwks_t *keys = usual_set();
    refused_by(keys, sign(f.rsa, "RS256", "r9", NULL, CLAIMS), PERI_ENOTFOUND, "publish");
    /* without kid: r1 and r2 both could be it */
    refused_by(keys, sign(f.rsa2, "RS256", NULL, NULL, CLAIMS), PERI_EDENIED,
               "which of the provider's keys");
    /* r1 is for RS256 alone, so that there is no choice */
    assert_int_equal(verify(keys, sign(f.rsa2, "PS256", NULL, NULL, CLAIMS), &c, &err),
                     0);
    refused_by(keys, raw("{\"alg\":\"RS256\",\"kid\":7}", CLAIMS, "x"), PERI_EDENIED,
               "kid");
    peri_jwks_free(keys);

    keys = set_of(public_key(f.rsa, NULL, NULL), NULL, NULL);
    assert_int_equal(verify(keys, sign(f.rsa, "RS256", NULL, NULL, CLAIMS), &c, &err), 0);
    refused_by(keys, sign(f.ec, "ES256", NULL, NULL, CLAIMS), PERI_ENOTFOUND, "publish");
    refused_by(keys, sign(f.rsa2, "RS256", NULL, NULL, CLAIMS), PERI_EDENIED,
               "signature");
    peri_jwks_free(keys);

    /* a key for encryption, a short one, and the same kid twice */
    keys = set_of(public_key(f.rsa, "r1", "{\"use\":\"enc\"}"),
                  public_key(f.small, "s1", NULL), public_key(f.rsa2, "r1", NULL));
    assert_int_equal(peri_jwks_count(keys), 1);
    refused_by(keys, sign(f.rsa, "RS256", "r1", NULL, CLAIMS), PERI_EDENIED, "signature");
    refused_by(keys, sign(f.small, "RS256", "s1", NULL, CLAIMS), PERI_ENOTFOUND,
               "publish");
    peri_jwks_free(keys);
}

static void test_claims(void **state)
{
    (void)state;
    static const struct {
        const char *changes, *says; /* NULL: it is good */
    } all[] = {
        {"{\"iss\":\"https://id.example.org/\"}", "another issuer"},
        {"{\"iss\":null}", "another issuer"},
        {"{\"aud\":\"other\"}", "another client"},
        {"{\"aud\":[]}", "another client"},
        {"{\"aud\":{\"perigee\":1}}", "another client"},
        {"{\"aud\":[\"perigee\"]}", NULL},
        {"{\"aud\":[\"perigee\",\"other\"]}", "several clients"},
        {"{\"aud\":[\"perigee\",\"other\"],\"azp\":\"perigee\"}", NULL},
        {"{\"azp\":\"other\"}", "made for another"},
        {"{\"azp\":7}", "made for another"},
        {"{\"nonce\":\"n-2\"}", "nonce"},
        {"{\"nonce\":\"n-\"}", "nonce"},
        {"{\"nonce\":null}", "nonce"},
        {"{\"exp\":1799999941}", NULL}, /* the clocks differ */
        {"{\"exp\":1799999940}", "expired"},
        {"{\"exp\":\"1900000000\"}", "when it was made"},
        {"{\"exp\":null}", "when it was made"},
        {"{\"iat\":null}", "when it was made"},
        {"{\"iat\":1800000059.5}", NULL},
        {"{\"iat\":1800000100}", "future"},
        {"{\"iat\":1799990000}", "old"},
        {"{\"nbf\":1800000100}", "not valid yet"},
        {"{\"nbf\":\"x\"}", "not valid yet"},
        {"{\"sub\":\"\"}", "who signed in"},
        {"{\"sub\":7}", "who signed in"},
        {"{\"sub\":\"a\\nb\"}", "who signed in"},
        {"{\"sub\":null}", "who signed in"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].says) {
            refused(signed_with(all[i].changes), all[i].says);
            continue;
        }
        peri_idclaims_t c;
        peri_err_t err = {0};
        peri_jwks_t *keys = usual_set();
        if (verify(keys, signed_with(all[i].changes), &c, &err))
            fail_msg("%s: %s", all[i].changes, err.text);
        peri_jwks_free(keys);
    }
    refused(sign(f.rsa, "RS256", "r1", NULL, "[1]"), "no JSON object");
    refused(sign(f.rsa, "RS256", "r1", NULL, "{\"sub\":\"a\",\"sub\":\"b\"}"),
            "no JSON object");
    char *text = peri_xasprintf("{\"sub\":\"%0300d\"}", 1);
    refused(signed_with(text), "who signed in");
    free(text);
}

/* What people are called is taken only if it can be shown. */
static void test_person(void **state)
{
    (void)state;
    peri_idclaims_t c;
    peri_err_t err = {0};
    peri_jwks_t *keys = usual_set();
    assert_int_equal(verify(keys,
                            signed_with("{\"preferred_username\":null,\"name\":\"a\\r\\n"
                                        "b\",\"email_verified\":\"true\"}"),
                            &c, &err),
                     0);
    assert_null(c.preferred_username);
    assert_null(c.full_name);
    assert_null(c.email);
    const char *other = "{\"sub\":\"u-18\",\"preferred_username\":\"eve\"}";
    assert_int_equal(peri_userinfo_add(other, strlen(other), f.arena, &c, &err), -1);
    assert_null(c.preferred_username);
    assert_int_equal(peri_userinfo_add("[]", 2, f.arena, &c, &err), -1);
    const char *same = "{\"sub\":\"u-17\",\"preferred_username\":\"ana\"}";
    assert_int_equal(peri_userinfo_add(same, strlen(same), f.arena, &c, &err), 0);
    assert_string_equal(c.preferred_username, "ana");
    peri_jwks_free(keys);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const all[] = {
        "", ".", "..", "...", "a.b", "a.b.c.d", "a.b.c d", "a.b.c=", "\xff.b.c", "a.b.c"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        refused(peri_xstrdup(all[i]), "ID token");
    char *huge = peri_xmalloc(100001);
    memset(huge, 'a', 100000);
    huge[100000] = '\0';
    refused(huge, "more than");

    static const char *const sets[] = {
        "",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[7,null,{}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AQ\",\"y\":\"AQ\"}]}"};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        peri_err_t err = {0};
        assert_null(peri_jwks_parse(sets[i], strlen(sets[i]), &err));
        assert_int_equal(err.code, PERI_EFORMAT);
    }
}

static int setup(void **state)
{
    (void)state;
    cjose_err e;
    static const uint8_t exponent[] = {1, 0, 1};
    if (sodium_init() < 0) return -1;
    f.rsa = cjose_jwk_create_RSA_random(2048, exponent, 3, &e);
    f.rsa2 = cjose_jwk_create_RSA_random(2048, exponent, 3, &e);
    f.small = cjose_jwk_create_RSA_random(1024, exponent, 3, &e);
    f.ec = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &e);
    f.shared = cjose_jwk_create_oct_random(256, &e);
    f.arena = peri_arena_new();
    return f.rsa && f.rsa2 && f.small && f.ec && f.shared ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cjose_jwk_release(f.rsa);
    cjose_jwk_release(f.rsa2);
    cjose_jwk_release(f.small);
    cjose_jwk_release(f.ec);
    cjose_jwk_release(f.shared);
    peri_arena_free(f.arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),       cmocka_unit_test(test_forged_signature),
        cmocka_unit_test(test_algorithms), cmocka_unit_test(test_public_key_as_secret),
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_claims),
        cmocka_unit_test(test_person),     cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
