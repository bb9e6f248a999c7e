/* oidc_token.c - ID tokens: see oidc_token.h. libcjose does the cryptography, and is
 * asked only about a token whose algorithm, key and form are already known to fit. */
#include "portal/account/oidc_token.h"

#include <jansson.h>
#include <math.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "portal/account/oidc_keys.h"

#define HEADER_MAX  2048u
#define SUBJECT_MAX 255u /* OpenID Connect Core 2 */
#define TEXT_MAX    1000u

static const struct {
    const char *name;
    char kty;
    int bits; /* of the curve */
} algs[] = {
    {"RS256", 'R', 0},   {"RS384", 'R', 0},   {"RS512", 'R', 0},
    {"PS256", 'R', 0},   {"PS384", 'R', 0},   {"PS512", 'R', 0},
    {"ES256", 'E', 256}, {"ES384", 'E', 384}, {"ES512", 'E', 521},
};
#define NALGS (sizeof(algs) / sizeof(algs[0]))

/* ---- form ---- */

typedef struct {
    const char *part[3]; /* header, payload, signature: base64url */
    size_t len[3];
} parts_t;

static int split(const char *token, size_t len, parts_t *p, peri_err_t *err)
{
    size_t n = 0, start = 0;
    if (len > PERI_IDTOKEN_MAX)
        return peri_err_set(err, PERI_EDENIED, "the ID token has more than %u bytes",
                            PERI_IDTOKEN_MAX);
    for (size_t i = 0; i <= len; i++) {
        const char c = i < len ? token[i] : '.';
        if (c == '.') {
            if (n == 3 || i == start) goto bad;
            p->part[n] = token + start;
            p->len[n++] = i - start;
            start = i + 1;
        } else if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c >= '0' && c <= '9') || c == '-' || c == '_')) {
            goto bad;
        }
    }
    if (n == 3) return 0;
bad:
    return peri_err_set(err, PERI_EDENIED,
                        "the ID token is not three parts of base64url between dots");
}

/* Bytes of a part, or SIZE_MAX if it is no base64url or longer than max. */
static size_t decode(const char *b64, size_t len, unsigned char *out, size_t max)
{
    size_t n = 0;
    const char *end;
    if (sodium_base642bin(out, max, b64, len, NULL, &n, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) ||
        end != b64 + len)
        return SIZE_MAX;
    return n;
}

static json_t *read_header(const parts_t *p, peri_err_t *err)
{
    unsigned char text[HEADER_MAX];
    json_t *h = NULL;
    size_t n = decode(p->part[0], p->len[0], text, sizeof(text));
    if (n != SIZE_MAX) h = json_loadb((char *)text, n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(h)) {
        json_decref(h);
        h = NULL;
        peri_err_set(err, PERI_EDENIED, "the ID token's header is not a JSON object");
    }
    return h;
}

/* ---- key ---- */

static int find_alg(const json_t *header, size_t *alg, peri_err_t *err)
{
    const char *name = json_string_value(json_object_get(header, "alg"));
    const json_t *typ = json_object_get(header, "typ");
    if (!name) return peri_err_set(err, PERI_EDENIED, "the ID token names no algorithm");
    if (json_object_get(header, "crit") || json_object_get(header, "b64"))
        return peri_err_set(err, PERI_EDENIED,
                            "the ID token asks for extensions that are not known here");
    if (typ && (!json_is_string(typ) || strcasecmp(json_string_value(typ), "JWT")))
        return peri_err_set(err, PERI_EDENIED, "the ID token is a token of another kind");
    for (*alg = 0; *alg < NALGS; ++*alg)
        if (!strcmp(name, algs[*alg].name)) return 0;
    return peri_err_set(err, PERI_EDENIED,
                        "the ID token is signed with \"%.20s\"; only RS256, PS256, ES256 "
                        "and their longer forms are taken",
                        name);
}

static bool fits(const peri_key_t *k, size_t alg)
{
    return k->kty == algs[alg].kty && (k->kty == 'R' || k->bits == algs[alg].bits) &&
           (!k->alg || !strcmp(k->alg, algs[alg].name));
}

/* A token without kid is fine where there is no choice. */
static const peri_key_t *find_key(const peri_jwks_t *keys, const json_t *header,
                                  size_t alg, peri_err_t *err)
{
    const json_t *kid = json_object_get(header, "kid");
    const peri_key_t *found = NULL;
    bool named = false;
    if (kid && !json_is_string(kid)) {
        peri_err_set(err, PERI_EDENIED, "the ID token's kid is not a text");
        return NULL;
    }
    for (size_t i = 0; i < keys->n; i++) {
        const peri_key_t *k = &keys->key[i];
        if (kid && (!k->kid || strcmp(k->kid, json_string_value(kid)) != 0)) continue;
        named = true;
        if (!fits(k, alg)) continue;
        if (found) {
            peri_err_set(err, PERI_EDENIED,
                         "the ID token does not say which of the provider's keys signed "
                         "it");
            return NULL;
        }
        found = k;
    }
    if (found) return found;
    if (kid && named)
        peri_err_set(err, PERI_EDENIED,
                     "the key that the ID token names is not one for %s", algs[alg].name);
    else
        peri_err_set(err, PERI_ENOTFOUND,
                     "the ID token is signed with a key that the provider does not "
                     "publish");
    return NULL;
}

/* The payload, once the signature is right. */
static json_t *open_token(const peri_jwks_t *keys, const char *token, size_t len,
                          peri_err_t *err)
{
    parts_t p = {0};
    size_t alg, n = 0;
    uint8_t *plain = NULL;
    unsigned char sig[1024 + 1];
    cjose_jws_t *jws = NULL;
    json_t *header = NULL, *claims = NULL;
    if (split(token, len, &p, err)) return NULL;
    header = read_header(&p, err);
    if (!header || find_alg(header, &alg, err)) goto out;
    const peri_key_t *key = find_key(keys, header, alg, err);
    if (!key) goto out;
    if (decode(p.part[2], p.len[2], sig, sizeof(sig)) != key->signature ||
        !(jws = cjose_jws_import(token, len, NULL)) ||
        !cjose_jws_verify(jws, key->jwk, NULL) ||
        !cjose_jws_get_plaintext(jws, &plain, &n, NULL)) {
        peri_err_set(err, PERI_EDENIED, "the signature of the ID token is wrong");
        goto out;
    }
    claims = json_loadb((char *)plain, n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(claims)) {
        json_decref(claims);
        claims = NULL;
        peri_err_set(err, PERI_EDENIED, "the ID token holds no JSON object");
    }
out:
    if (jws) cjose_jws_release(jws);
    json_decref(header);
    return claims;
}

/* ---- claims ---- */

static int check_audience(const json_t *claims, const char *client, peri_err_t *err)
{
    const json_t *aud = json_object_get(claims, "aud"), *a;
    const json_t *azp = json_object_get(claims, "azp");
    size_t i, n = 1;
    bool us = json_is_string(aud) && !strcmp(json_string_value(aud), client);
    if (json_is_array(aud)) {
        n = json_array_size(aud);
        json_array_foreach(aud, i, a) if (json_is_string(a) &&
                                          !strcmp(json_string_value(a), client)) us =
            true;
    }
    if (!us) return peri_err_set(err, PERI_EDENIED, "the ID token is for another client");
    if (n > 1 && !azp)
        return peri_err_set(err, PERI_EDENIED,
                            "the ID token is for several clients and does not say for "
                            "whom it was made");
    if (azp && (!json_is_string(azp) || strcmp(json_string_value(azp), client) != 0))
        return peri_err_set(err, PERI_EDENIED,
                            "the ID token was made for another client");
    return 0;
}

/* NaN if it is not there or no number. */
static double time_of(const json_t *claims, const char *name)
{
    const json_t *v = json_object_get(claims, name);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static int check_times(const json_t *claims, double now, peri_err_t *err)
{
    const double exp = time_of(claims, "exp"), iat = time_of(claims, "iat");
    if (isnan(exp) || isnan(iat))
        return peri_err_set(err, PERI_EDENIED,
                            "the ID token does not say when it was made and when it "
                            "expires");
    if (now >= exp + PERI_CLOCK_SKEW)
        return peri_err_set(err, PERI_EDENIED,
                            "the ID token expired %.0f s ago; is the clock of this "
                            "machine right?",
                            now - exp);
    if (iat > now + PERI_CLOCK_SKEW)
        return peri_err_set(err, PERI_EDENIED,
                            "the ID token is from %.0f s in the future; is the clock of "
                            "this machine right?",
                            iat - now);
    if (iat < now - PERI_IDTOKEN_AGE - PERI_CLOCK_SKEW)
        return peri_err_set(err, PERI_EDENIED, "the ID token is %.0f s old", now - iat);
    if (json_object_get(claims, "nbf") &&
        !(time_of(claims, "nbf") <= now + PERI_CLOCK_SKEW))
        return peri_err_set(err, PERI_EDENIED, "the ID token is not valid yet");
    return 0;
}

static int check_nonce(const json_t *claims, const char *nonce, peri_err_t *err)
{
    const char *got = json_string_value(json_object_get(claims, "nonce"));
    const size_t n = strlen(nonce);
    if (!got || n == 0 || strlen(got) != n || sodium_memcmp(got, nonce, n))
        return peri_err_set(err, PERI_EDENIED,
                            "the ID token does not belong to this sign-in (nonce)");
    return 0;
}

static int read_subject(const json_t *claims, peri_arena_t *arena, const char **out,
                        peri_err_t *err)
{
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    size_t n = sub ? strlen(sub) : 0;
    for (size_t i = 0; i < n; i++)
        if (sub[i] < 0x20 || sub[i] > 0x7e) n = 0;
    if (n == 0 || n > SUBJECT_MAX)
        return peri_err_set(err, PERI_EDENIED,
                            "the provider does not say who signed in (claim \"sub\")");
    *out = peri_arena_strdup(arena, sub);
    return 0;
}

/* A text for people: left out if it is odd. */
static const char *read_text(const json_t *claims, const char *name, peri_arena_t *arena)
{
    const char *s = json_string_value(json_object_get(claims, name));
    if (!s || !*s || strlen(s) > TEXT_MAX) return NULL;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) return NULL;
    return peri_arena_strdup(arena, s);
}

static void read_person(const json_t *claims, peri_arena_t *arena, peri_idclaims_t *c)
{
    if (!c->preferred_username)
        c->preferred_username = read_text(claims, "preferred_username", arena);
    if (!c->full_name) c->full_name = read_text(claims, "name", arena);
    if (!c->email && json_is_true(json_object_get(claims, "email_verified")))
        c->email = read_text(claims, "email", arena);
}

int peri_idtoken_verify(const peri_jwks_t *keys, const char *token, size_t len,
                        const peri_idwant_t *want, peri_arena_t *arena,
                        peri_idclaims_t *out, peri_err_t *err)
{
    int rc = -1;
    json_t *claims = open_token(keys, token, len, err);
    if (!claims) return -1;
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    memset(out, 0, sizeof(*out));
    if (!iss || strcmp(iss, want->issuer) != 0) {
        peri_err_set(err, PERI_EDENIED, "the ID token is from another issuer");
        goto out;
    }
    if (check_audience(claims, want->client_id, err) ||
        check_times(claims, want->now, err) || check_nonce(claims, want->nonce, err) ||
        read_subject(claims, arena, &out->subject, err))
        goto out;
    read_person(claims, arena, out);
    rc = 0;
out:
    json_decref(claims);
    return rc;
}

int peri_userinfo_add(const char *text, size_t len, peri_arena_t *arena,
                      peri_idclaims_t *c, peri_err_t *err)
{
    json_t *claims = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const char *sub = json_string_value(json_object_get(claims, "sub"));
    int rc = -1;
    if (!sub || strcmp(sub, c->subject) != 0) {
        peri_err_set(err, PERI_EDENIED,
                     "the provider's userinfo is not about the same "
                     "person as its ID token");
    } else {
        read_person(claims, arena, c);
        rc = 0;
    }
    json_decref(claims);
    return rc;
}
