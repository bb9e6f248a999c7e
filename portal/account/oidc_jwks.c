/* oidc_jwks.c - key sets: see oidc_token.h. */
#include <cjose/cjose.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/oidc_keys.h"

#define RSA_MIN 256u  /* bytes of the modulus: 2048 bits */
#define RSA_MAX 1024u /* a larger one only costs time */

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* Bytes that a base64url text stands for, without leading zeros; 0 if it is none. */
static size_t number_bytes(const char *b64, size_t max)
{
    unsigned char bin[RSA_MAX + 1];
    size_t n = 0, skip = 0;
    if (!b64 || sodium_base642bin(bin, max + 1, b64, strlen(b64), NULL, &n, NULL,
                                  sodium_base64_VARIANT_URLSAFE_NO_PADDING))
        return 0;
    while (skip < n && bin[skip] == 0) skip++;
    return n - skip > max ? 0 : n - skip;
}

static bool is_for_signatures(const json_t *jwk)
{
    const char *use = text_of(jwk, "use");
    const json_t *ops = json_object_get(jwk, "key_ops"), *op;
    size_t i;
    if (use && strcmp(use, "sig")) return false;
    if (!json_is_array(ops)) return true;
    json_array_foreach(ops, i,
                       op) if (json_is_string(op) &&
                               !strcmp(json_string_value(op), "verify")) return true;
    return false;
}

/* Only the public members: nothing else of the set reaches the library. */
static json_t *public_part(const json_t *jwk, peri_key_t *key)
{
    const char *kty = text_of(jwk, "kty");
    if (kty && !strcmp(kty, "RSA")) {
        const char *n = text_of(jwk, "n"), *e = text_of(jwk, "e");
        size_t bytes = number_bytes(n, RSA_MAX), ebytes = number_bytes(e, 8);
        if (bytes < RSA_MIN || ebytes == 0) return NULL;
        key->kty = 'R';
        key->signature = bytes;
        return json_pack("{s:s, s:s, s:s}", "kty", "RSA", "n", n, "e", e);
    }
    static const struct {
        const char *name;
        int bits;
        size_t bytes;
    } curves[] = {{"P-256", 256, 32}, {"P-384", 384, 48}, {"P-521", 521, 66}};
    const char *crv = text_of(jwk, "crv");
    if (!kty || strcmp(kty, "EC") || !crv) return NULL;
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(crv, curves[i].name)) continue;
        const char *x = text_of(jwk, "x"), *y = text_of(jwk, "y");
        if (!number_bytes(x, curves[i].bytes) || !number_bytes(y, curves[i].bytes))
            return NULL;
        key->kty = 'E';
        key->bits = curves[i].bits;
        key->signature = 2 * curves[i].bytes;
        return json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", crv, "x", x, "y", y);
    }
    return NULL;
}

/* False: not one that we take. */
static bool read_key(const json_t *jwk, peri_key_t *key)
{
    memset(key, 0, sizeof(*key));
    if (!json_is_object(jwk) || !is_for_signatures(jwk)) return false;
    json_t *part = public_part(jwk, key);
    char *text = part ? json_dumps(part, JSON_COMPACT) : NULL;
    json_decref(part);
    if (!text) return false;
    key->jwk = cjose_jwk_import(text, strlen(text), NULL);
    free(text);
    if (!key->jwk) return false;
    const char *kid = text_of(jwk, "kid"), *alg = text_of(jwk, "alg");
    key->kid = kid ? peri_xstrdup(kid) : NULL;
    key->alg = alg ? peri_xstrdup(alg) : NULL;
    return true;
}

peri_jwks_t *peri_jwks_parse(const char *text, size_t len, peri_err_t *err)
{
    json_error_t why;
    peri_jwks_t *s = NULL;
    const json_t *keys, *jwk;
    size_t i;
    if (len > PERI_JWKS_MAX) {
        peri_err_set(err, PERI_EFORMAT, "the provider's key set has more than %u bytes",
                     PERI_JWKS_MAX);
        return NULL;
    }
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    keys = json_object_get(json, "keys");
    if (!json_is_array(keys)) {
        peri_err_set(err, PERI_EFORMAT, "the provider's key set is not one: %s",
                     json ? "it has no list \"keys\"" : why.text);
        goto out;
    }
    s = peri_xcalloc(1, sizeof(*s));
    json_array_foreach(keys, i, jwk)
    {
        if (s->n == PERI_JWKS_KEYS) break;
        if (read_key(jwk, &s->key[s->n])) s->n++;
    }
    if (s->n == 0) {
        peri_err_set(err, PERI_EFORMAT,
                     "the provider's key set has no RSA or elliptic curve key to check "
                     "signatures with");
        peri_jwks_free(s);
        s = NULL;
    }
out:
    json_decref(json);
    return s;
}

void peri_jwks_free(peri_jwks_t *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) {
        cjose_jwk_release(s->key[i].jwk);
        free(s->key[i].kid);
        free(s->key[i].alg);
    }
    free(s);
}

size_t peri_jwks_count(const peri_jwks_t *s)
{
    return s->n;
}
